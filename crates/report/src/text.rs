//! Text as Python and terminals have it: JSON dumps, `repr`, colours, widths.

use serde_json::{Map, Value};
use std::fmt::Write;

/// ANSI colours by the names of Ansible's defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    Ok,
    Changed,
    Skip,
    Error,
    Unreachable,
    Warning,
    Retry,
    Dim,
    Bold,
}

impl Colour {
    fn code(self) -> &'static str {
        match self {
            Colour::Ok => "0;32",
            Colour::Changed => "0;33",
            Colour::Skip => "0;36",
            Colour::Error => "0;31",
            Colour::Unreachable => "1;31",
            Colour::Warning => "1;35",
            Colour::Retry => "1;30",
            Colour::Dim => "2",
            Colour::Bold => "1",
        }
    }
}

/// Every line on its own, as Ansible does: pagers and `grep` cut between lines.
pub fn paint(text: &str, colour: Colour, on: bool) -> String {
    if !on {
        return text.to_owned();
    }
    let lines: Vec<String> =
        text.split('\n').map(|line| format!("\x1b[{}m{line}\x1b[0m", colour.code())).collect();
    lines.join("\n")
}

/// Columns that a text takes on a terminal.
pub fn width(text: &str) -> usize {
    unicode_width::UnicodeWidthStr::width(text)
}

/// Nothing that a target sent may steer the terminal: control characters but newline and tab, and those that
/// reorder text, are shown as escapes.
pub fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.replace("\r\n", "\n").chars() {
        match c {
            '\n' | '\t' => out.push(c),
            c if c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') => {
                out.extend(c.escape_default());
            }
            c => out.push(c),
        }
    }
    out
}

/// At most `columns` wide, with an ellipsis where something is cut; on one line.
pub fn cut(text: &str, columns: usize) -> String {
    let text = text.replace(['\n', '\t'], " ");
    if width(&text) <= columns {
        return text;
    }
    let mut out = String::new();
    let mut taken = 0;
    for c in text.chars() {
        let wide = unicode_width::UnicodeWidthChar::width(c).unwrap_or(0);
        if taken + wide + 1 > columns {
            break;
        }
        taken += wide;
        out.push(c);
    }
    if columns > 0 {
        out.push('…');
    }
    out
}

/// Breaks at blanks so that lines fit; `indent` blanks before each. A word wider than a line stays whole.
pub fn wrap(text: &str, columns: usize, indent: usize) -> String {
    let pad = " ".repeat(indent);
    let mut lines: Vec<String> = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split(' ') {
            if !line.is_empty() && indent + width(&line) + 1 + width(word) > columns {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines.iter().map(|line| format!("{pad}{line}\n")).collect()
}

/// As many names as `room` columns take, and how many more there are; at least one.
pub fn names(hosts: &[impl AsRef<str>], room: usize) -> String {
    let mut out = String::new();
    for (index, host) in hosts.iter().enumerate() {
        let host = clean(host.as_ref());
        let left = hosts.len() - index;
        let more = if left > 1 { format!(" and {left} more").len() } else { 0 };
        if index > 0 && width(&out) + 2 + width(&host) + more > room {
            return format!("{out} and {left} more");
        }
        if index > 0 {
            out.push_str(", ");
        }
        out.push_str(&host);
    }
    out
}

/// Seconds as a person says them.
pub fn duration(seconds: f64) -> String {
    if seconds < 10.0 {
        return format!("{seconds:.1}s");
    }
    let all = seconds.round() as u64;
    let (hours, minutes, seconds) = (all / 3600, all / 60 % 60, all % 60);
    match (hours, minutes) {
        (0, 0) => format!("{seconds}s"),
        (0, _) => format!("{minutes}m {seconds:02}s"),
        _ => format!("{hours}h {minutes:02}m {seconds:02}s"),
    }
}

/// `json.dumps(value, sort_keys=True, ensure_ascii=False)`; `indent` spaces per level, or all on one line.
pub fn dumps(value: &Value, indent: Option<usize>) -> String {
    let mut out = String::new();
    dump(&mut out, value, indent, 0);
    out
}

/// As `str()` shows a value: a string as it is, everything else as Python's literal.
pub fn python_str(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => python_repr(other),
    }
}

fn dump(out: &mut String, value: &Value, indent: Option<usize>, level: usize) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
        Value::Number(number) => out.push_str(&python_number(number)),
        Value::String(text) => quote(out, text),
        Value::Array(items) if items.is_empty() => out.push_str("[]"),
        Value::Object(map) if map.is_empty() => out.push_str("{}"),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                separate(out, indent, level + 1, index);
                dump(out, item, indent, level + 1);
            }
            close(out, indent, level, ']');
        }
        Value::Object(map) => {
            out.push('{');
            for (index, (key, item)) in sorted(map).into_iter().enumerate() {
                separate(out, indent, level + 1, index);
                quote(out, key);
                out.push_str(": ");
                dump(out, item, indent, level + 1);
            }
            close(out, indent, level, '}');
        }
    }
}

fn quote(out: &mut String, text: &str) {
    out.push_str(&Value::from(text).to_string());
}

fn separate(out: &mut String, indent: Option<usize>, level: usize, index: usize) {
    match indent {
        Some(spaces) => {
            out.push_str(if index > 0 { ",\n" } else { "\n" });
            out.push_str(&" ".repeat(spaces * level));
        }
        None if index > 0 => out.push_str(", "),
        None => {}
    }
}

fn close(out: &mut String, indent: Option<usize>, level: usize, end: char) {
    if let Some(spaces) = indent {
        out.push('\n');
        out.push_str(&" ".repeat(spaces * level));
    }
    out.push(end);
}

fn sorted(map: &Map<String, Value>) -> Vec<(&String, &Value)> {
    let mut pairs: Vec<_> = map.iter().collect();
    pairs.sort_by_key(|(key, _)| *key);
    pairs
}

/// Python writes exponents with a sign and two digits, and none below 16 digits.
fn python_number(number: &serde_json::Number) -> String {
    let Some(float) = number.as_f64().filter(|_| number.is_f64()) else { return number.to_string() };
    let size = float.abs();
    if size != 0.0 && !(1e-4..1e16).contains(&size) {
        let text = format!("{float:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |rest| ('-', rest));
        return format!("{digits}e{sign}{exponent:0>2}");
    }
    if float.fract() == 0.0 { format!("{float:.1}") } else { format!("{float}") }
}

fn python_repr(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(flag) => if *flag { "True" } else { "False" }.to_owned(),
        Value::Number(number) => python_number(number),
        Value::String(text) => python_quote(text),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(python_repr).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(map) => {
            let pairs: Vec<String> =
                map.iter().map(|(k, v)| format!("{}: {}", python_quote(k), python_repr(v))).collect();
            format!("{{{}}}", pairs.join(", "))
        }
    }
}

/// Single quotes unless the text has some and no double ones.
fn python_quote(text: &str) -> String {
    let mark = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::from(mark);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == mark => out.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(out, "\\x{:02x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push(mark);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_as_python_writes_them() {
        // As ansible-core shows this item.
        let item = json!({"a": "it's", "b": "q\"q", "c": null, "d": true, "e": 1.0, "f": "n\nl", "g": "é\t", "h": ["it's\""]});
        assert_eq!(
            python_str(&item),
            r#"{'a': "it's", 'b': 'q"q', 'c': None, 'd': True, 'e': 1.0, 'f': 'n\nl', 'g': 'é\t', 'h': ['it\'s"']}"#
        );
        assert_eq!(python_str(&json!("it's")), "it's");
        assert_eq!(
            dumps(&item, None),
            r#"{"a": "it's", "b": "q\"q", "c": null, "d": true, "e": 1.0, "f": "n\nl", "g": "é\t", "h": ["it's\""]}"#
        );
        for (float, text) in [
            (1e16, "1e+16"),
            (1e15, "1000000000000000.0"),
            (1.5e-5, "1.5e-05"),
            (0.0001, "0.0001"),
            (-0.5, "-0.5"),
        ] {
            assert_eq!(dumps(&json!(float), None), text);
        }
    }

    #[test]
    fn what_targets_send_is_tamed() {
        assert_eq!(clean("a\x1b[2Jb\tc\r\nd\re\u{9b}f\u{202e}"), "a\\u{1b}[2Jb\tc\nd\\re\\u{9b}f\\u{202e}");
    }

    #[test]
    fn fitting() {
        assert_eq!(cut("abcdef", 6), "abcdef");
        assert_eq!(cut("abcdefg", 6), "abcde…");
        assert_eq!(cut("日本語", 5), "日本…");
        assert_eq!(cut("日本語", 4), "日…");
        assert_eq!(cut("ab", 0), "");
        assert_eq!(wrap("one two three\nfour", 9, 2), "  one two\n  three\n  four\n");
        assert_eq!(wrap("unbreakable", 4, 1), " unbreakable\n");
        assert_eq!(names(&["a", "b", "c"], 80), "a, b, c");
        assert_eq!(names(&["alpha", "beta", "gamma"], 18), "alpha and 2 more");
        assert_eq!(names(&["alpha", "beta"], 3), "alpha and 1 more");
        for (seconds, text) in
            [(0.04, "0.0s"), (9.96, "10.0s"), (59.4, "59s"), (62.0, "1m 02s"), (3725.0, "1h 02m 05s")]
        {
            assert_eq!(duration(seconds), text);
        }
    }

    #[test]
    fn indented_json() {
        let value = json!({"msg": ["a", {"b": 1}], "e": [], "f": {}});
        assert_eq!(
            dumps(&value, Some(4)),
            "{\n    \"e\": [],\n    \"f\": {},\n    \"msg\": [\n        \"a\",\n        {\n            \"b\": 1\n        }\n    ]\n}"
        );
    }
}
