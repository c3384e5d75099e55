//! From what the scanner says to what the writer did.

use crate::{Diagnostic, FileId, Span};

/// A diagnostic for a syntax error noticed at byte `at`, with the usual mistakes recognised by their look.
pub(crate) fn explain(file: FileId, text: &str, at: usize, info: &str) -> Diagnostic {
    let source = Source { file, text };
    let at = at.min(text.len());
    let (line_start, line) = source.line_at(at);
    tab_indent(&source, line_start, line, info)
        .or_else(|| template(&source, at))
        .or_else(|| quote(&source, at, info))
        .or_else(|| reserved(&source, at, info))
        .or_else(|| missing_space(&source, at))
        .or_else(|| colon_in_value(&source, at, info))
        .or_else(|| bracket(&source, at, info))
        .or_else(|| indentation(&source, at, info))
        .unwrap_or_else(|| Diagnostic::error(format!("invalid YAML: {info}")).at(source.char_at(at), "here"))
        .code("yaml")
}

/// `key: {{ x }}` without quotes.
pub(crate) fn unquoted_template(span: Span, value: &str) -> Diagnostic {
    let quoted = if value.contains('"') { format!("'{value}'") } else { format!("\"{value}\"") };
    Diagnostic::error("a value that starts with `{{` must be quoted")
        .at(span, "YAML reads `{` as the start of a mapping")
        .help(format!("quote it: {quoted}"))
        .code("yaml")
}

struct Source<'a> {
    file: FileId,
    text: &'a str,
}

impl<'a> Source<'a> {
    fn span(&self, start: usize, end: usize) -> Span {
        Span::new(self.file, start as u32, end as u32)
    }

    fn char_at(&self, at: usize) -> Span {
        let width = self.text[at..].chars().next().map_or(0, char::len_utf8);
        self.span(at, at + width)
    }

    /// Start and text of the line holding a byte.
    fn line_at(&self, at: usize) -> (usize, &'a str) {
        let start = self.text[..at].rfind('\n').map_or(0, |i| i + 1);
        let end = self.text[start..].find('\n').map_or(self.text.len(), |i| start + i);
        (start, self.text[start..end].trim_end_matches('\r'))
    }

    /// The line at `at` and up to `n` lines before it that are not blank or comments, nearest first.
    fn lines_back(&self, at: usize, n: usize) -> Vec<(usize, &'a str)> {
        let mut lines = Vec::new();
        let (mut start, mut line) = self.line_at(at);
        loop {
            let body = line.trim();
            if !body.is_empty() && !body.starts_with('#') {
                lines.push((start, line));
            }
            if start == 0 || lines.len() > n {
                return lines;
            }
            (start, line) = self.line_at(start - 1);
        }
    }
}

fn indent_of(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

/// A line taken apart: where the value after `key: ` (or after `- `) starts.
fn value_of(line: &str) -> Option<(usize, &str)> {
    let mut from = indent_of(line);
    while line[from..].starts_with("- ") {
        from += 2 + indent_of(&line[from + 2..]);
    }
    let body = &line[from..];
    let start = match body.find(": ") {
        Some(i) if !body.starts_with(['"', '\'', '{', '[']) => {
            let value = &body[i + 2..];
            from + i + 2 + indent_of(value)
        }
        _ => from,
    };
    let value = line[start..].trim_end();
    (!value.is_empty()).then_some((start, value))
}

fn tab_indent(source: &Source<'_>, start: usize, line: &str, info: &str) -> Option<Diagnostic> {
    if info.contains("plain scalar, found a tab") {
        // Noticed at the end of the line above.
        let next = start + source.text[start..].find('\n')? + 1;
        return tab_indent(source, next, source.line_at(next).1, "tab");
    }
    let white = line.len() - line.trim_start().len();
    let tab = line[..white].find('\t').or_else(|| {
        // The scanner may speak of tabs further right: after a dash, say.
        info.contains("tab").then(|| line.find('\t')).flatten()
    })?;
    Some(
        Diagnostic::error("YAML must not be indented with tabs")
            .at(source.span(start + tab, start + tab + 1), "a tab")
            .help("indent with spaces"),
    )
}

fn template(source: &Source<'_>, at: usize) -> Option<Diagnostic> {
    source.lines_back(at, 1).into_iter().find_map(|(start, line)| {
        let (from, value) = value_of(line)?;
        let unquoted = value.starts_with("{{") || value.starts_with("{%");
        unquoted.then(|| unquoted_template(source.span(start + from, start + from + value.len()), value))
    })
}

fn quote(source: &Source<'_>, at: usize, info: &str) -> Option<Diagnostic> {
    let open = source.text[at..].chars().next().filter(|c| matches!(c, '"' | '\''));
    let unclosed = info.contains("quoted scalar")
        && (info.contains("end of stream")
            || info.contains("document indicator")
            || info.contains("indentation"));
    if unclosed && let Some(quote) = open {
        return Some(
            Diagnostic::error("a quoted string is not closed")
                .at(source.span(at, at + 1), format!("this `{quote}` has no partner"))
                .help(if quote == '\'' {
                    "close it; a `'` inside single quotes is written twice: `''`"
                } else {
                    "close it; a `\"` inside double quotes is written `\\\"`"
                }),
        );
    }
    if info.contains("unknown escape character") {
        let back = unknown_escape(&source.text[at..]).map_or(at, |i| at + i);
        return Some(
            Diagnostic::error("unknown escape in a double-quoted string")
                .at(source.char_at(back).to(source.char_at((back + 1).min(source.text.len()))), "this escape")
                .help("write `\\\\` for a backslash, or use single quotes, which have no escapes"),
        );
    }
    // key: "quoted" and more
    source.lines_back(at, 1).into_iter().find_map(|(start, line)| {
        let (from, value) = value_of(line)?;
        let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        let close = value[1..].find(quote)? + 2;
        let rest = value[close..].trim_start();
        if rest.is_empty() || rest.starts_with(['#', ',', ':', ']', '}']) || rest.starts_with(quote) {
            return None;
        }
        let other = if quote == '"' { '\'' } else { '"' };
        let help = if value.contains(other) {
            "put the whole value into quotes, doubling single quotes inside single quotes".to_string()
        } else {
            format!("quote all of it: {other}{value}{other}")
        };
        let rest_at = start + from + value.len() - rest.len();
        Some(
            Diagnostic::error("text after the end of a quoted string")
                .at(source.span(rest_at, rest_at + rest.len()), "this stands outside the quotes")
                .also(source.span(start + from, start + from + close), "the string")
                .help(help),
        )
    })
}

/// The first escape YAML does not know in a text that starts with its opening quote.
fn unknown_escape(text: &str) -> Option<usize> {
    let mut chars = text.char_indices();
    while let Some((i, c)) = chars.next() {
        if c == '\\' && chars.next().is_some_and(|(_, e)| !"0abt\tnvfre \"/\\N_LPxuU\r\n".contains(e)) {
            return Some(i);
        }
    }
    None
}

/// `@`, a backtick, `%` and `*` or `&` that are meant as text.
fn reserved(source: &Source<'_>, at: usize, info: &str) -> Option<Diagnostic> {
    let c = source.text[at..].chars().next()?;
    let (start, line) = source.line_at(at);
    let rest = source.text[at..start + line.len()].trim_end();
    if info.contains("unknown anchor") || (info.contains("anchor or alias") && c != ':') {
        let rest_at = source.text[start..at].rfind(['*', '&']).map_or(at, |i| start + i);
        let value = source.text[rest_at..start + line.len()].trim_end();
        let unknown = info.contains("unknown anchor");
        let title = if unknown { "no anchor of this name" } else { "a name is missing after `*` or `&`" };
        return Some(
            Diagnostic::error(title)
                .at(source.span(rest_at, rest_at + value.len()), "`*` refers to an anchor, `&` sets one")
                .help(format!("if it is meant as text, quote it: \"{value}\"")),
        );
    }
    if !matches!(c, '@' | '`' | '%') || !info.contains("unexpected character") {
        return None;
    }
    Some(
        Diagnostic::error(match c {
            '`' => "a plain value cannot start with a backtick".to_string(),
            c => format!("a plain value cannot start with `{c}`"),
        })
        .at(source.span(at, at + rest.len()), "YAML reserves this character")
        .help(format!("quote it: \"{rest}\"")),
    )
}

/// `key:value`
fn missing_space(source: &Source<'_>, at: usize) -> Option<Diagnostic> {
    source.lines_back(at, 2).into_iter().find_map(|(start, line)| {
        let from = indent_of(line);
        let body = line[from..].strip_prefix("- ").unwrap_or(&line[from..]);
        let from = line.len() - body.len();
        let colon = body.find(':')?;
        let key = &body[..colon];
        let value = body[colon + 1..].trim_end();
        let word =
            !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'));
        if !word || value.is_empty() || value.starts_with([' ', '/', '\t', ':']) || body.contains(": ") {
            return None;
        }
        let at = start + from + colon;
        Some(
            Diagnostic::error("a space is missing after the colon")
                .at(source.span(at, at + 1), "needs a space behind it")
                .help(format!("write `{key}: {value}`")),
        )
    })
}

/// `key: text: more text`
fn colon_in_value(source: &Source<'_>, at: usize, info: &str) -> Option<Diagnostic> {
    if !info.contains("mapping values are not allowed") {
        return None;
    }
    let (start, line) = source.line_at(at);
    let (from, value) = value_of(line)?;
    // Is there a `key: ` before the colon on this line?
    if start + from <= at && at < start + line.len() && line[..from].contains(": ") {
        let quoted = if value.contains('"') { format!("'{value}'") } else { format!("\"{value}\"") };
        return Some(
            Diagnostic::error("a plain value cannot contain a colon followed by a space")
                .at(source.span(at, at + 1), "this colon")
                .help(format!("quote the value: {quoted}")),
        );
    }
    // A key below a value: the line above has a value already.
    let above = source.lines_back(at, 1).into_iter().find(|(s, _)| *s < start)?;
    let deeper = indent_of(line) > indent_of(above.1);
    deeper.then(|| {
        let (above_from, above_value) = value_of(above.1).unwrap_or((0, above.1));
        Diagnostic::error("a mapping cannot start here")
            .at(source.span(start + indent_of(line), start + line.len()), "indented below a value")
            .also(
                source.span(above.0 + above_from, above.0 + above_from + above_value.len()),
                "this value is complete",
            )
            .help(format!("indent it by {} spaces, like the line above", indent_of(above.1)))
    })
}

/// An unclosed `[` or `{`.
fn bracket(source: &Source<'_>, at: usize, info: &str) -> Option<Diagnostic> {
    let flow = info.contains("flow")
        || info.contains("illegal placement of ':'")
        || info.contains("misplaced bracket");
    if !flow {
        return None;
    }
    source.lines_back(at, 3).into_iter().find_map(|(start, line)| {
        let (from, value) = value_of(line)?;
        let open = value.chars().next()?;
        let close = match open {
            '[' => ']',
            '{' => '}',
            _ => return None,
        };
        if value.matches(open).count() <= value.matches(close).count() {
            return None;
        }
        Some(
            Diagnostic::error(format!("`{open}` is not closed"))
                .at(source.span(start + from, start + from + 1), format!("no `{close}` for this"))
                .also(source.char_at(at), "noticed here"),
        )
    })
}

fn indentation(source: &Source<'_>, at: usize, info: &str) -> Option<Diagnostic> {
    let block = info.contains("block mapping")
        || info.contains("block collection")
        || info.contains("indent")
        || info.contains("block sequence entries")
        || info.contains("simple key");
    if !block {
        return None;
    }
    let (start, line) = source.line_at(at);
    let indent = indent_of(line);
    let lines = source.lines_back(at, 40);
    // The indentations that are open at this line, innermost first.
    let mut open: Vec<(usize, usize, &str)> = Vec::new();
    for (s, l) in lines.into_iter().filter(|(s, _)| *s < start) {
        let i = indent_of(l);
        if open.last().is_none_or(|(_, last, _)| i < *last) {
            open.push((s, i, l));
        }
    }
    let body = &line[indent..];
    let span = source.span(start + indent, start + line.len());
    if let Some((s, i, l)) = open.iter().find(|(_, i, _)| *i == indent) {
        let dash = |text: &str| text.starts_with("- ") || text == "-";
        let (here, there) = (dash(body), dash(&l[*i..]));
        if here == there {
            return None;
        }
        let kinds = if here { ("a list item", "a mapping") } else { ("a key", "a list") };
        return Some(
            Diagnostic::error(format!("{} in the middle of {}", kinds.0, kinds.1))
                .at(span, format!("this is {}", kinds.0))
                .also(source.span(s + i, s + l.len()), format!("{} is open at this indentation", kinds.1))
                .help("check the indentation of this line"),
        );
    }
    let (s, i, l) = *open.iter().min_by_key(|(_, i, _)| i.abs_diff(indent))?;
    Some(
        Diagnostic::error("wrong indentation")
            .at(span, format!("indented by {indent}"))
            .also(source.span(s + i, s + l.len()), format!("indented by {i}"))
            .help(format!("indent it like one of the lines above: by {}", choices(&open))),
    )
}

fn choices(open: &[(usize, usize, &str)]) -> String {
    let mut all: Vec<String> = open.iter().map(|(_, i, _)| i.to_string()).collect();
    all.reverse();
    all.join(" or ")
}
