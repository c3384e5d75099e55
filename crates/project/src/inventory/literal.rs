//! Python literals, as INI inventories may hold them.

use std::sync::Arc;

use provision_source::{Node, Span, Yaml};

/// Nesting beyond this is text.
const MAX_DEPTH: usize = 50;

/// The value of a text that is a Python literal (numbers, strings, `True`, `None`, lists, tuples, dicts,
/// sets, and a comment behind), or else the text itself. All nodes get `span`.
pub(super) fn value(text: &str, span: Span) -> Node {
    let mut parser = Parser { text, at: 0, span };
    let parsed = parser.sequence_or_value();
    match parsed {
        Some(node) if parser.at_end() => node,
        _ => Node::new(span, Yaml::Str(text.into())),
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    span: Span,
}

impl Parser<'_> {
    /// `1, 2` without parentheses is a tuple, too.
    fn sequence_or_value(&mut self) -> Option<Node> {
        let first = self.value(0)?;
        if !self.eat(',') {
            return Some(first);
        }
        let mut items = vec![first];
        while !self.at_end() {
            items.push(self.value(0)?);
            if !self.eat(',') {
                break;
            }
        }
        Some(self.node(Yaml::Seq(items.into())))
    }

    fn value(&mut self, depth: usize) -> Option<Node> {
        if depth > MAX_DEPTH {
            return None;
        }
        self.skip_space();
        match self.peek()? {
            '[' => {
                self.at += 1;
                let (items, _) = self.items(']', depth)?;
                Some(self.node(Yaml::Seq(items.into())))
            }
            '(' => {
                self.at += 1;
                let (mut items, comma) = self.items(')', depth)?;
                if items.len() == 1 && !comma {
                    return items.pop();
                }
                Some(self.node(Yaml::Seq(items.into())))
            }
            '{' => {
                self.at += 1;
                self.braces(depth)
            }
            '+' | '-' | '.' | '0'..='9' => self.number(),
            '\'' | '"' => self.strings(),
            _ => self.word(),
        }
    }

    /// The elements up to `close`, and whether a comma came last.
    fn items(&mut self, close: char, depth: usize) -> Option<(Vec<Node>, bool)> {
        let mut items = Vec::new();
        let mut comma = false;
        loop {
            if self.eat(close) {
                return Some((items, comma));
            }
            if !items.is_empty() && !comma {
                return None;
            }
            items.push(self.value(depth + 1)?);
            comma = self.eat(',');
        }
    }

    fn braces(&mut self, depth: usize) -> Option<Node> {
        if self.eat('}') {
            return Some(self.node(Yaml::Map(Arc::default())));
        }
        let first = self.value(depth + 1)?;
        if !self.eat(':') {
            let comma = self.eat(',');
            let mut items = vec![first];
            if comma {
                items.extend(self.items('}', depth)?.0);
            } else if !self.eat('}') {
                return None;
            }
            // A set: equal elements are one.
            let mut unique: Vec<Node> = Vec::new();
            for item in items {
                if !unique.contains(&item) {
                    unique.push(item);
                }
            }
            return Some(self.node(Yaml::Seq(unique.into())));
        }
        let mut entries = vec![(first, self.value(depth + 1)?)];
        loop {
            let comma = self.eat(',');
            if self.eat('}') {
                return Some(self.node(Yaml::Map(Arc::new(entries.into_iter().collect()))));
            }
            if !comma {
                return None;
            }
            let key = self.value(depth + 1)?;
            if matches!(key.value, Yaml::Seq(_) | Yaml::Map(_)) || !self.eat(':') {
                return None;
            }
            entries.push((key, self.value(depth + 1)?));
        }
    }

    fn number(&mut self) -> Option<Node> {
        let sign = self.peek().filter(|c| matches!(c, '+' | '-'));
        if sign.is_some() {
            self.at += 1;
            self.skip_space();
        }
        let rest = &self.text[self.at..];
        let end = rest
            .char_indices()
            .find(|(i, c)| {
                let exponent =
                    matches!(c, '+' | '-') && rest[..*i].ends_with(['e', 'E']) && !rest.starts_with("0x");
                !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.') || exponent)
            })
            .map_or(rest.len(), |(i, _)| i);
        let word = &rest[..end];
        self.at += end;
        let value = python_number(word, sign == Some('-'))?;
        Some(self.node(value))
    }

    /// One or several string literals in a row.
    fn strings(&mut self) -> Option<Node> {
        let mut out = String::new();
        loop {
            let start = self.at;
            self.skip_space();
            let prefix_len = self.text[self.at..].find(['\'', '"']).unwrap_or(usize::MAX);
            let prefix = self.text[self.at..].get(..prefix_len).map(str::to_lowercase);
            let Some(prefix) = prefix.filter(|p| matches!(p.as_str(), "" | "r" | "u" | "b" | "rb" | "br"))
            else {
                self.at = start;
                break;
            };
            self.at += prefix_len;
            self.string(prefix.contains('r'), &mut out)?;
        }
        Some(self.node(Yaml::Str(out.into())))
    }

    fn string(&mut self, raw: bool, out: &mut String) -> Option<()> {
        let quote = self.peek()?;
        let triple: String = std::iter::repeat_n(quote, 3).collect();
        let close = if self.text[self.at..].starts_with(&triple) { triple } else { quote.to_string() };
        self.at += close.len();
        loop {
            if self.text[self.at..].starts_with(&close) {
                self.at += close.len();
                return Some(());
            }
            let c = self.peek()?;
            self.at += c.len_utf8();
            if c != '\\' {
                out.push(c);
                continue;
            }
            let e = self.peek()?;
            if raw {
                out.push('\\');
                out.push(e);
                self.at += e.len_utf8();
            } else {
                self.escape(out)?;
            }
        }
    }

    /// What stands behind a backslash. Named characters (`\N{…}`) are not known: `None`.
    fn escape(&mut self, out: &mut String) -> Option<()> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        let simple = match c {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            'a' => '\x07',
            'b' => '\x08',
            'f' => '\x0c',
            'v' => '\x0b',
            '\\' | '\'' | '"' => c,
            'x' => return self.code(2, out),
            'u' => return self.code(4, out),
            'U' => return self.code(8, out),
            '0'..='7' => {
                let rest = &self.text[self.at - 1..];
                let len = rest.bytes().take(3).take_while(|b| (b'0'..=b'7').contains(b)).count();
                self.at += len - 1;
                out.push(char::from_u32(u32::from_str_radix(&rest[..len], 8).ok()?)?);
                return Some(());
            }
            'N' => return None,
            other => {
                out.push('\\');
                other
            }
        };
        out.push(simple);
        Some(())
    }

    fn code(&mut self, digits: usize, out: &mut String) -> Option<()> {
        let hex = self.text.get(self.at..self.at + digits)?;
        out.push(char::from_u32(u32::from_str_radix(hex, 16).ok()?)?);
        self.at += digits;
        Some(())
    }

    fn word(&mut self) -> Option<Node> {
        let rest = &self.text[self.at..];
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
        let word = &rest[..end];
        let value = match word {
            "True" => Yaml::Bool(true),
            "False" => Yaml::Bool(false),
            "None" => Yaml::Null,
            "set" if rest[end..].starts_with("()") => {
                self.at += end + 2;
                return Some(self.node(Yaml::Seq(Arc::from([]))));
            }
            _ if rest[end..].starts_with(['\'', '"']) && end > 0 && end <= 2 => {
                let before = self.at;
                let node = self.strings();
                // A prefix Python does not know (or an f-string, which is no literal).
                return if self.at == before { None } else { node };
            }
            _ => return None,
        };
        self.at += end;
        Some(self.node(value))
    }

    fn node(&self, value: Yaml) -> Node {
        Node::new(self.span, value)
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn eat(&mut self, c: char) -> bool {
        self.skip_space();
        let found = self.peek() == Some(c);
        if found {
            self.at += c.len_utf8();
        }
        found
    }

    fn skip_space(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start_matches([' ', '\t', '\x0c']).len();
    }

    fn at_end(&mut self) -> bool {
        self.skip_space();
        matches!(self.peek(), None | Some('#'))
    }
}

/// Integers beyond 64 bits stay strings of their digits, as in YAML.
fn python_number(word: &str, negative: bool) -> Option<Yaml> {
    if !underscores_are_right(word) {
        return None;
    }
    let plain = word.replace('_', "").to_lowercase();
    let signed = |v: i128| {
        let v = if negative { -v } else { v };
        i64::try_from(v).map_or_else(|_| Yaml::Str(v.to_string().into()), Yaml::Int)
    };
    for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        if let Some(digits) = plain.strip_prefix(prefix) {
            return i128::from_str_radix(digits, radix).ok().map(signed);
        }
    }
    if plain.bytes().all(|b| b.is_ascii_digit()) && !plain.is_empty() {
        let leading_zero = plain.len() > 1 && plain.starts_with('0') && plain.bytes().any(|b| b != b'0');
        if leading_zero {
            return None;
        }
        let sign = if negative { "-" } else { "" };
        return Some(plain.parse().map_or_else(|_| Yaml::Str(format!("{sign}{plain}").into()), signed));
    }
    let digits = plain.bytes().any(|b| b.is_ascii_digit());
    let float = plain.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'+' | b'-'));
    if !digits || !float || plain.starts_with('e') || plain.starts_with(".e") {
        return None;
    }
    let value: f64 = plain.parse().ok()?;
    Some(Yaml::Float(if negative { -value } else { value }))
}

/// Single, and between digits (or behind a prefix).
fn underscores_are_right(word: &str) -> bool {
    let bytes = word.as_bytes();
    bytes.iter().enumerate().all(|(i, b)| {
        *b != b'_'
            || (i > 0
                && bytes[i - 1].is_ascii_alphanumeric()
                && bytes.get(i + 1).is_some_and(|n| n.is_ascii_hexdigit()))
    })
}
