//! From text to tokens, by the rules of Jinja2's lexer.

use crate::error::{ErrorKind, TemplateError};
use crate::ops::Result;
use std::borrow::Cow;

/// What delimits templates, and what happens to blanks around blocks.
#[derive(Debug, Clone)]
pub(crate) struct Syntax {
    pub(crate) variable: [String; 2],
    pub(crate) block: [String; 2],
    pub(crate) comment: [String; 2],
    pub(crate) line_statement: Option<String>,
    pub(crate) line_comment: Option<String>,
    pub(crate) trim_blocks: bool,
    pub(crate) lstrip_blocks: bool,
    /// What stands for a newline in the text of the template and in string literals.
    pub(crate) newline: String,
    /// Backslashes in string literals of `{{ }}` stand for themselves.
    pub(crate) literal_escapes: bool,
}

impl Default for Syntax {
    fn default() -> Self {
        let pair = |open: &str, close: &str| [open.to_owned(), close.to_owned()];
        Self {
            variable: pair("{{", "}}"),
            block: pair("{%", "%}"),
            comment: pair("{#", "#}"),
            line_statement: None,
            line_comment: None,
            trim_blocks: true,
            lstrip_blocks: false,
            newline: "\n".to_owned(),
            literal_escapes: false,
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Tok<'s> {
    Data(Cow<'s, str>),
    VariableBegin,
    VariableEnd,
    BlockBegin,
    BlockEnd,
    Name(&'s str),
    Str(String),
    Int(i128),
    /// An integer of more than 128 bits.
    Huge,
    Float(f64),
    Op(&'static str),
    End,
}

/// A token and where it stands, in bytes; lines count from 1.
#[derive(Debug, Clone)]
pub(crate) struct Token<'s> {
    pub(crate) tok: Tok<'s>,
    pub(crate) line: u32,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// Operators, longer ones first.
const OPERATORS: [&str; 26] = [
    "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}", ">", "<",
    "=", ".", ":", "|", ",", ";",
];

/// The tokens of a template. One newline at the end of the source is no part of it.
pub(crate) fn template<'s>(source: &'s str, syntax: &'s Syntax) -> Result<Vec<Token<'s>>> {
    let end = source.strip_suffix('\n').map_or(source.len(), str::len);
    let mut lexer = Lexer::new(&source[..end], syntax);
    lexer.root()?;
    lexer.push(Tok::End, end, end);
    Ok(lexer.out)
}

/// The tokens of a bare expression.
pub(crate) fn expression<'s>(source: &'s str, syntax: &'s Syntax) -> Result<Vec<Token<'s>>> {
    let mut lexer = Lexer::new(source, syntax);
    lexer.code(Until::End)?;
    lexer.push(Tok::End, source.len(), source.len());
    Ok(lexer.out)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Until {
    Variable,
    Block,
    Line,
    End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    Variable,
    Block,
    Comment,
    LineStatement,
    LineComment,
}

const STARTS: [Start; 5] =
    [Start::Variable, Start::Block, Start::Comment, Start::LineStatement, Start::LineComment];

struct Lexer<'s> {
    source: &'s str,
    syntax: &'s Syntax,
    at: usize,
    out: Vec<Token<'s>>,
    /// Where the next start of each kind is; sought again only once it was passed.
    next: [Option<usize>; 5],
    /// Line of `counted`.
    line: u32,
    counted: usize,
}

impl<'s> Lexer<'s> {
    fn new(source: &'s str, syntax: &'s Syntax) -> Self {
        Self { source, syntax, at: 0, out: Vec::new(), next: [Some(0); 5], line: 1, counted: 0 }.sought()
    }

    fn sought(mut self) -> Self {
        self.next = STARTS.map(|start| self.seek(start, 0));
        self
    }

    fn opening(&self, start: Start) -> Option<&'s str> {
        match start {
            Start::Variable => Some(&self.syntax.variable[0]),
            Start::Block => Some(&self.syntax.block[0]),
            Start::Comment => Some(&self.syntax.comment[0]),
            Start::LineStatement => self.syntax.line_statement.as_deref(),
            Start::LineComment => self.syntax.line_comment.as_deref(),
        }
    }

    /// Where the next one of this kind opens.
    fn seek(&self, start: Start, from: usize) -> Option<usize> {
        let opening = self.opening(start)?;
        let mut from = from;
        loop {
            let at = self.source.get(from..)?.find(opening)? + from;
            if start != Start::LineStatement || self.blank_before(at).is_some() {
                return Some(at);
            }
            from = at + opening.len();
        }
    }

    /// The start of the line, if nothing but blanks stand before `at`.
    fn blank_before(&self, at: usize) -> Option<usize> {
        let line = self.source[..at].rfind('\n').map_or(0, |newline| newline + 1);
        self.source[line..at].chars().all(|c| matches!(c, ' ' | '\t' | '\u{b}')).then_some(line)
    }

    fn line_at(&mut self, at: usize) -> u32 {
        if at >= self.counted {
            let lines =
                self.source.as_bytes()[self.counted..at].iter().filter(|byte| **byte == b'\n').count();
            self.line += u32::try_from(lines).unwrap_or(0);
            self.counted = at;
            return self.line;
        }
        let lines = self.source.as_bytes()[at..self.counted].iter().filter(|byte| **byte == b'\n').count();
        self.line - u32::try_from(lines).unwrap_or(0)
    }

    fn push(&mut self, tok: Tok<'s>, start: usize, end: usize) {
        let line = self.line_at(start);
        self.out.push(Token { tok, line, start, end });
    }

    fn error(&mut self, message: impl Into<String>, start: usize, end: usize) -> TemplateError {
        let line = self.line_at(start.min(self.source.len()));
        TemplateError::new(ErrorKind::Syntax, message).at(line, start..end)
    }

    fn data(&mut self, text: &'s str, start: usize) {
        if text.is_empty() {
            return;
        }
        let text = if self.syntax.newline == "\n" {
            Cow::Borrowed(text)
        } else {
            Cow::Owned(text.replace('\n', &self.syntax.newline))
        };
        let end = start + text.len();
        self.push(Tok::Data(text), start, end);
    }

    /// The earliest start at or after the current place; of those at one place the longest.
    fn next_start(&mut self) -> Option<(usize, Start)> {
        for (index, start) in STARTS.into_iter().enumerate() {
            if self.next[index].is_some_and(|at| at < self.at) {
                self.next[index] = self.seek(start, self.at);
            }
        }
        let place = |index: usize, at: usize| match STARTS[index] {
            Start::LineStatement => self.blank_before(at).unwrap_or(at).max(self.at),
            _ => at,
        };
        let length = |start: Start| self.opening(start).map_or(0, str::len);
        (0..STARTS.len())
            .filter_map(|index| self.next[index].map(|at| (place(index, at), index)))
            .min_by(|a, b| a.0.cmp(&b.0).then_with(|| length(STARTS[b.1]).cmp(&length(STARTS[a.1]))))
            .map(|(at, index)| (at, STARTS[index]))
    }

    fn root(&mut self) -> Result<()> {
        let mut line_starting = true;
        while let Some((at, start)) = self.next_start() {
            let text = &self.source[self.at..at];
            let from = self.at;
            let opening = self.opening(start).unwrap_or_default();
            let mut inner = match start {
                Start::LineStatement => self.source[at..].find(opening).unwrap_or(0) + at + opening.len(),
                _ => at + opening.len(),
            };
            let sign = self.source[inner..].chars().next().filter(|c| matches!(c, '-' | '+'));
            inner += sign.map_or(0, char::len_utf8);
            let kept = match sign {
                Some('-') => text.trim_end(),
                Some(_) => text,
                None if start == Start::LineComment => {
                    text.trim_end_matches(|c: char| c.is_whitespace() && c != '\n')
                }
                None => self.unindented(text, start, line_starting),
            };
            self.data(kept, from);
            self.at = inner;
            match start {
                Start::Variable => {
                    self.push(Tok::VariableBegin, at, inner);
                    self.code(Until::Variable)?;
                }
                Start::Block => match self.raw_begin(inner) {
                    Some(body) => self.raw(at, body)?,
                    None => {
                        self.push(Tok::BlockBegin, at, inner);
                        self.code(Until::Block)?;
                    }
                },
                Start::Comment => self.comment(at)?,
                Start::LineStatement => {
                    self.push(Tok::BlockBegin, at, inner);
                    self.code(Until::Line)?;
                }
                Start::LineComment => {
                    self.at =
                        self.source[inner..].find('\n').map_or(self.source.len(), |newline| newline + inner);
                }
            }
            line_starting = self.source[..self.at].ends_with('\n');
        }
        let rest = &self.source[self.at..];
        self.data(rest, self.at);
        self.at = self.source.len();
        Ok(())
    }

    /// The text without the blanks before a block that starts its line, where that is asked for.
    fn unindented(&self, text: &'s str, start: Start, line_starting: bool) -> &'s str {
        if !self.syntax.lstrip_blocks || start == Start::Variable {
            return text;
        }
        let line = text.rfind('\n').map_or(0, |newline| newline + 1);
        let whole_line = line > 0 || line_starting;
        if whole_line && text[line..].chars().all(char::is_whitespace) { &text[..line] } else { text }
    }

    /// Behind `raw %}`, if that follows.
    fn raw_begin(&self, inner: usize) -> Option<usize> {
        let rest = self.source[inner..].trim_start().strip_prefix("raw")?.trim_start();
        let close = &*self.syntax.block[1];
        let body = match rest.strip_prefix('-').and_then(|rest| rest.strip_prefix(close)) {
            Some(rest) => rest.trim_start(),
            None => rest.strip_prefix(close)?,
        };
        Some(self.source.len() - body.len())
    }

    fn raw(&mut self, opened: usize, body: usize) -> Result<()> {
        let [open, close] = &self.syntax.block;
        let mut from = body;
        loop {
            let Some(at) = self.source[from..].find(open.as_str()).map(|at| at + from) else {
                return Err(self.error("Missing end of raw directive", opened, body));
            };
            from = at + open.len();
            let rest = &self.source[from..];
            let sign = rest.chars().next().filter(|c| matches!(c, '-' | '+'));
            let rest = &rest[sign.map_or(0, char::len_utf8)..];
            let Some(rest) = rest.trim_start().strip_prefix("endraw") else { continue };
            let Some(after) = self.close(self.source.len() - rest.trim_start().len(), close) else {
                continue;
            };
            let text = &self.source[body..at];
            let text = match sign {
                Some('-') => text.trim_end(),
                Some(_) => text,
                None => self.unindented(text, Start::Block, self.source[..body].ends_with('\n')),
            };
            self.data(text, body);
            self.at = after;
            return Ok(());
        }
    }

    /// Behind a closing delimiter of a block or comment that stands at `at`, with the blanks that it takes along.
    fn close(&self, at: usize, close: &str) -> Option<usize> {
        let rest = &self.source[at..];
        if let Some(rest) = rest.strip_prefix('-').and_then(|rest| rest.strip_prefix(close)) {
            return Some(self.source.len() - rest.trim_start().len());
        }
        if let Some(rest) = rest.strip_prefix('+').and_then(|rest| rest.strip_prefix(close)) {
            return Some(self.source.len() - rest.len());
        }
        let rest = rest.strip_prefix(close)?;
        let rest = if self.syntax.trim_blocks { rest.strip_prefix('\n').unwrap_or(rest) } else { rest };
        Some(self.source.len() - rest.len())
    }

    fn comment(&mut self, opened: usize) -> Result<()> {
        let close = &self.syntax.comment[1];
        let Some(at) = self.source[self.at..].find(close.as_str()).map(|at| at + self.at) else {
            return Err(self.error("Missing end of comment tag", opened, self.at));
        };
        let signed = self.source[self.at..at].ends_with(['-', '+']);
        self.at = self.close(at - usize::from(signed), close).unwrap_or(at + close.len());
        Ok(())
    }

    /// Behind the end of the code, if that stands here.
    fn code_end(&self, until: Until) -> Option<usize> {
        let rest = &self.source[self.at..];
        match until {
            Until::End => rest.is_empty().then_some(self.at),
            Until::Variable => {
                let close = &*self.syntax.variable[1];
                if let Some(rest) = rest.strip_prefix('-').and_then(|rest| rest.strip_prefix(close)) {
                    return Some(self.source.len() - rest.trim_start().len());
                }
                Some(self.source.len() - rest.strip_prefix(close)?.len())
            }
            Until::Block => self.close(self.at, &self.syntax.block[1]),
            Until::Line => {
                let blank = &rest[..rest.len() - rest.trim_start().len()];
                match blank.rfind('\n') {
                    Some(newline) => Some(self.at + newline + 1),
                    None => (blank.len() == rest.len()).then_some(self.source.len()),
                }
            }
        }
    }

    /// Tokens up to the end of a variable, block or line.
    fn code(&mut self, until: Until) -> Result<()> {
        let mut open: Vec<char> = Vec::new();
        loop {
            if open.is_empty()
                && let Some(end) = self.code_end(until)
            {
                let tok = match until {
                    Until::End => return Ok(()),
                    Until::Variable => Tok::VariableEnd,
                    Until::Block | Until::Line => Tok::BlockEnd,
                };
                self.push(tok, self.at, end);
                self.at = end;
                return Ok(());
            }
            let rest = &self.source[self.at..];
            let Some(c) = rest.chars().next() else {
                // the parser says what is missing
                return Ok(());
            };
            if c.is_whitespace() {
                self.at += c.len_utf8();
                continue;
            }
            let start = self.at;
            match c {
                '0'..='9' => self.number(),
                '\'' | '"' => self.string(c, until)?,
                c if c.is_alphanumeric() || c == '_' => {
                    let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
                    self.at += end;
                    self.push(Tok::Name(&rest[..end]), start, start + end);
                }
                _ => {
                    let Some(op) = OPERATORS.iter().find(|op| rest.starts_with(**op)) else {
                        return Err(self.error(
                            format!("unexpected char {}", quoted(c)),
                            start,
                            start + c.len_utf8(),
                        ));
                    };
                    match c {
                        '(' | '[' | '{' => open.push(c),
                        ')' | ']' | '}' => {
                            let expected = match open.pop() {
                                None => {
                                    return Err(self.error(format!("unexpected '{c}'"), start, start + 1));
                                }
                                Some('(') => ')',
                                Some('[') => ']',
                                Some(_) => '}',
                            };
                            if c != expected {
                                let message = format!("unexpected '{c}', expected '{expected}'");
                                return Err(self.error(message, start, start + 1));
                            }
                        }
                        _ => {}
                    }
                    self.at += op.len();
                    self.push(Tok::Op(op), start, start + op.len());
                }
            }
        }
    }

    fn number(&mut self) {
        let start = self.at;
        let bytes = self.source.as_bytes();
        let digits = |mut at: usize, radix: u32| {
            let mut last = at;
            while let Some(byte) = bytes.get(at) {
                if char::from(*byte).is_digit(radix) {
                    at += 1;
                    last = at;
                } else if *byte == b'_'
                    && bytes.get(at + 1).is_some_and(|next| char::from(*next).is_digit(radix))
                {
                    at += 1;
                } else {
                    break;
                }
            }
            last
        };
        let prefixed = match bytes.get(start + 1).map(u8::to_ascii_lowercase) {
            Some(b'b') if bytes[start] == b'0' => Some(2),
            Some(b'o') if bytes[start] == b'0' => Some(8),
            Some(b'x') if bytes[start] == b'0' => Some(16),
            _ => None,
        };
        if let Some(radix) = prefixed {
            let from = if bytes.get(start + 2) == Some(&b'_') { start + 3 } else { start + 2 };
            let end = digits(from, radix);
            if end > from {
                let text = self.source[start + 2..end].replace('_', "");
                self.at = end;
                self.push(i128::from_str_radix(&text, radix).map_or(Tok::Huge, Tok::Int), start, end);
                return;
            }
        }
        let whole = digits(start, 10);
        let mut end = whole;
        let mut float = false;
        // behind a dot there is no float: `list.0.1`
        if !self.source[..start].ends_with('.') {
            if bytes.get(end) == Some(&b'.') && bytes.get(end + 1).is_some_and(u8::is_ascii_digit) {
                end = digits(end + 1, 10);
                float = true;
            }
            if matches!(bytes.get(end), Some(b'e' | b'E')) {
                let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
                if bytes.get(end + 1 + sign).is_some_and(u8::is_ascii_digit) {
                    end = digits(end + 1 + sign, 10);
                    float = true;
                }
            }
        }
        if float {
            let text = self.source[start..end].replace('_', "");
            self.at = end;
            self.push(Tok::Float(text.parse().unwrap_or(f64::NAN)), start, end);
            return;
        }
        // as in Python a leading zero stands alone: `007` is two numbers
        if bytes[start] == b'0' {
            end = start
                + self.source[start..whole].bytes().take_while(|byte| matches!(byte, b'0' | b'_')).count();
        }
        let text = self.source[start..end].replace('_', "");
        self.at = end;
        self.push(text.parse().map_or(Tok::Huge, Tok::Int), start, end);
    }

    fn string(&mut self, quote: char, until: Until) -> Result<()> {
        let start = self.at;
        let body = &self.source[start + 1..];
        let mut escaped = false;
        let mut backslash = false;
        let end = body.char_indices().find(|(_, c)| {
            if escaped {
                escaped = false;
                return false;
            }
            escaped = *c == '\\';
            backslash |= escaped;
            *c == quote
        });
        let Some((end, _)) = end else {
            return Err(self.error(format!("unexpected char {}", quoted(quote)), start, start + 1));
        };
        let raw = &body[..end];
        let literal = self.syntax.literal_escapes && until == Until::Variable;
        let text = if self.syntax.newline == "\n" {
            raw.to_owned()
        } else {
            raw.replace('\n', &self.syntax.newline)
        };
        let text = if backslash && !literal {
            super::escape::unescape(&text).map_err(|message| self.error(message, start, start + end + 2))?
        } else {
            text
        };
        self.at = start + end + 2;
        self.push(Tok::Str(text), start, start + end + 2);
        Ok(())
    }
}

fn quoted(c: char) -> String {
    if c == '\'' { "\"'\"".to_owned() } else { format!("'{c}'") }
}
