//! Results of commands, as Ansible shapes them.

use provision_system::text::bytes_to_text;
use serde_json::{Map, Value};

/// Adds `name` and `name_lines`.
pub fn lines(result: &mut Map<String, Value>, name: &str, text: String) {
    let lines: Vec<Value> = split_lines(&text).into_iter().map(Into::into).collect();
    result.insert(format!("{name}_lines"), lines.into());
    result.insert(name.to_owned(), text.into());
}

/// Output as text; `strip` removes the line ends at the end.
pub fn output(bytes: &[u8], strip: bool) -> String {
    let mut text = bytes_to_text(bytes);
    if strip {
        text.truncate(text.trim_end_matches(['\r', '\n']).len());
    }
    text
}

/// Lines as Python's `str.splitlines` sees them.
pub fn split_lines(text: &str) -> Vec<&str> {
    let is_end = |c: char| "\n\r\x0b\x0c\x1c\x1d\x1e\u{85}\u{2028}\u{2029}".contains(c);
    let mut lines = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(is_end) {
        lines.push(&rest[..at]);
        let width = if rest[at..].starts_with("\r\n") {
            2
        } else {
            rest[at..].chars().next().map_or(1, char::len_utf8)
        };
        rest = &rest[at + width..];
    }
    if !rest.is_empty() {
        lines.push(rest);
    }
    lines
}

/// JSON as Python writes it: a blank behind commas and colons.
pub fn json(value: &Value) -> String {
    let join = |parts: Vec<String>| parts.join(", ");
    match value {
        Value::Array(items) => format!("[{}]", join(items.iter().map(json).collect())),
        Value::Object(map) => {
            let pair =
                |(key, value): (&String, &Value)| format!("{}: {}", Value::from(key.as_str()), json(value));
            format!("{{{}}}", join(map.iter().map(pair).collect()))
        }
        plain => plain.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_where_python_ends_them() {
        assert_eq!(split_lines("a\n\n\r\nb"), ["a", "", "", "b"]);
        assert_eq!(split_lines("a\rb\x0cc\n"), ["a", "b", "c"]);
        assert!(split_lines("").is_empty());
        assert_eq!(output(b"a\n\r\n", true), "a");
        assert_eq!(output(b"a\n", false), "a\n");
    }
}
