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

/// A word as `key=value`, its value without surrounding quotes; None when there is no `=` after a name.
pub fn pair(word: &str) -> Option<(&str, String)> {
    let at = word.find('=')?;
    let (key, value) = (&word[..at], &word[at + 1..]);
    let name = !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || c == '_');
    name.then(|| (key, unquote(value)))
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
}
