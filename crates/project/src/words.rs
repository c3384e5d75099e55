//! `k=v` words as Ansible splits them: quotes and Jinja blocks keep their spaces.

/// Splits at white space outside of quotes and `{{ }}`, `{% %}`, `{# #}`. Quotes stay in the words.
pub fn split(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote: Option<char> = None;
    let mut depth = 0usize;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' if quote != Some('\'') => {
                word.push(c);
                word.extend(chars.next());
            }
            '{' if matches!(chars.peek(), Some('{' | '%' | '#')) => {
                depth += 1;
                word.push(c);
                word.extend(chars.next());
            }
            '}' | '%' | '#' if depth > 0 && chars.peek() == Some(&'}') => {
                depth -= 1;
                word.push(c);
                word.extend(chars.next());
            }
            '"' | '\'' if depth == 0 => {
                quote = match quote {
                    None => Some(c),
                    Some(open) if open == c => None,
                    other => other,
                };
                word.push(c);
            }
            _ if c.is_whitespace() && quote.is_none() && depth == 0 => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            _ => word.push(c),
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// A word as `key=value`, its value with escapes (`\\n`, `\\x41`, …) resolved and without surrounding quotes; None when there is no `=` after a name.
pub fn pair(word: &str) -> Option<(&str, String)> {
    let at = word.find('=')?;
    let (key, value) = (&word[..at], &word[at + 1..]);
    let name = !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || c == '_');
    name.then(|| (key, unquote(&unescaped(value))))
}

/// Python's escapes of characters; others stay as they are.
fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let (c, length) = escape(rest).unwrap_or(('\\', 1));
        out.push(c);
        rest = &rest[length..];
    }
    out + rest
}

/// The character that the text's first escape stands for, and the escape's length in bytes.
fn escape(text: &str) -> Option<(char, usize)> {
    let number = |digits: usize| {
        let hex = text.get(2..2 + digits).filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()))?;
        Some((char::from_u32(u32::from_str_radix(hex, 16).ok()?)?, 2 + digits))
    };
    let plain = |c: char| Some((c, 2));
    match text.as_bytes().get(1)? {
        b'x' => number(2),
        b'u' => number(4),
        b'U' => number(8),
        b'n' => plain('\n'),
        b't' => plain('\t'),
        b'r' => plain('\r'),
        b'a' => plain('\x07'),
        b'b' => plain('\x08'),
        b'f' => plain('\x0c'),
        b'v' => plain('\x0b'),
        quoted @ (b'\\' | b'\'' | b'"') => plain(char::from(*quoted)),
        _ => None,
    }
}

/// Without the quotes around the whole.
pub fn unquote(text: &str) -> String {
    for quote in ['"', '\''] {
        if text.len() >= 2
            && text.starts_with(quote)
            && text.ends_with(quote)
            && !text[..text.len() - 1].ends_with('\\')
        {
            return text[1..text.len() - 1].replace(&format!("\\{quote}"), &quote.to_string());
        }
    }
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_like_ansible() {
        assert_eq!(
            split("src=a b='c d' e={{ x | default('y z') }}"),
            ["src=a", "b='c d'", "e={{ x | default('y z') }}"]
        );
        assert_eq!(split("echo \"a b\" 'c'"), ["echo", "\"a b\"", "'c'"]);
        assert_eq!(pair("b='c d'"), Some(("b", "c d".to_owned())));
        assert_eq!(pair("http://x?a=b"), None);
        assert_eq!(pair("=x"), None);
    }

    /// As ansible-core 2.19.14 reads them.
    #[test]
    fn escapes_of_values() {
        for (word, wanted) in [
            (r"msg='a\nb\tc\x41\\d'", "a\nb\tcA\\d"),
            (r"msg=\d\u00e4\U0001F600", "\\dä😀"),
            (r"msg=\x4", r"\x4"),
            ("msg=\\", "\\"),
        ] {
            assert_eq!(pair(word), Some(("msg", wanted.to_owned())), "{word}");
        }
    }
}
