//! Python's regular expressions: `re` syntax translated to what `fancy-regex` reads.

use crate::Failure;
use fancy_regex::{Captures, Regex};

/// Python's flags.
#[derive(Debug, Clone, Copy, Default)]
pub struct Flags {
    /// `^` and `$` match at every line.
    pub multiline: bool,
    /// `.` matches a newline.
    pub dotall: bool,
}

/// Compiles a pattern as `re.compile` would; the error names `option`.
pub fn compile(option: &str, pattern: &str, flags: Flags) -> Result<Regex, Failure> {
    let translated = translate(pattern, flags.multiline);
    let prefix = match (flags.multiline, flags.dotall) {
        (false, false) => "",
        (true, false) => "(?m)",
        (false, true) => "(?s)",
        (true, true) => "(?ms)",
    };
    Regex::new(&format!("{prefix}{translated}"))
        .map_err(|why| Failure::new(format!("{option}: '{pattern}' is no valid regular expression: {why}")))
}

/// True when the pattern is found anywhere; a pattern that backtracks beyond all bounds is an error.
pub fn search(regex: &Regex, text: &str) -> Result<bool, Failure> {
    regex.is_match(text).map_err(too_hard)
}

/// A match that gave up.
pub fn too_hard(why: fancy_regex::Error) -> Failure {
    Failure::new(format!("a regular expression was given up: {why}"))
}

/// The differences between Python's syntax and ours.
fn translate(pattern: &str, multiline: bool) -> String {
    let multiline = multiline || inline_flag(pattern, 'm');
    let mut out = String::with_capacity(pattern.len() + 8);
    let chars: Vec<char> = pattern.chars().collect();
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        at += 1;
        match c {
            '\\' => {
                let Some(&next) = chars.get(at) else {
                    out.push('\\');
                    break;
                };
                at += 1;
                match next {
                    'Z' => out.push_str("\\z"),
                    // Python has no word-start or word-end escapes: these are the characters.
                    '<' | '>' => out.push(next),
                    next if next.is_ascii_punctuation() => escape(&mut out, next),
                    next if !next.is_alphanumeric() => out.push(next),
                    next => out.extend(['\\', next]),
                }
            }
            // Python's `$` also matches before a newline at the very end.
            '$' if !multiline => out.push_str("(?=\\n?\\z)"),
            '[' => at = class(&chars, at, &mut out),
            '{' => match quantifier(&chars[at..]) {
                Some((text, length)) => {
                    out.push_str(&text);
                    at += length;
                }
                None => out.push_str("\\{"),
            },
            '}' => out.push_str("\\}"),
            '(' if chars[at..].starts_with(&['?', '#']) => {
                let end = chars[at..].iter().position(|c| *c == ')').map_or(chars.len(), |end| at + end + 1);
                at = end;
            }
            c => out.push(c),
        }
    }
    out
}

/// True when the pattern itself asks for `^` and `$` at every line.
pub fn is_multiline(pattern: &str) -> bool {
    inline_flag(pattern, 'm')
}

/// True when the pattern begins with global flags that hold `flag`.
fn inline_flag(pattern: &str, flag: char) -> bool {
    let Some(rest) = pattern.strip_prefix("(?") else { return false };
    let flags: String = rest.chars().take_while(char::is_ascii_lowercase).collect();
    rest[flags.len()..].starts_with(')') && flags.contains(flag)
}

/// A bracket expression, from behind its `[`; gives where it ends.
fn class(chars: &[char], start: usize, out: &mut String) -> usize {
    out.push('[');
    let mut at = start;
    if chars.get(at) == Some(&'^') {
        out.push('^');
        at += 1;
    }
    let first = at;
    while let Some(&c) = chars.get(at) {
        match c {
            ']' if at > first => {
                out.push(']');
                return at + 1;
            }
            '\\' => {
                at += 1;
                match chars.get(at) {
                    Some('b') => out.push_str("\\x08"),
                    Some(&next) if next.is_ascii_punctuation() => escape(out, next),
                    Some(&next) if !next.is_alphanumeric() => out.push(next),
                    Some(&next) => out.extend(['\\', next]),
                    None => out.push('\\'),
                }
            }
            // Plain characters to Python, set operations and nested classes to us.
            '[' | ']' | '&' | '~' => out.extend(['\\', c]),
            c => out.push(c),
        }
        at += 1;
    }
    at
}

fn escape(out: &mut String, c: char) {
    if r"\.+*?()|[]{}^$#&-~".contains(c) {
        out.push('\\');
    }
    out.push(c);
}

/// `{2}`, `{2,}`, `{,3}` or `{2,3}` from behind its brace: as we write it, and its length; nothing when it is text.
fn quantifier(chars: &[char]) -> Option<(String, usize)> {
    let end = chars.iter().position(|c| *c == '}')?;
    let body: String = chars[..end].iter().collect();
    let (low, high) = match body.split_once(',') {
        Some((low, high)) => (low, Some(high)),
        None => (body.as_str(), None),
    };
    let digits = |text: &str| text.chars().all(|c| c.is_ascii_digit());
    if !digits(low) || !high.is_none_or(digits) || (low.is_empty() && high.is_none_or(str::is_empty)) {
        return None;
    }
    let low = if low.is_empty() { "0" } else { low };
    let text = match high {
        Some(high) => format!("{{{low},{high}}}"),
        None => format!("{{{low}}}"),
    };
    Some((text, end + 1))
}

/// A replacement text with `\1`, `\g<1>`, `\g<name>` and Python's escapes filled in from a match.
pub fn fill(template: &str, captures: &Captures<'_>) -> Result<String, Failure> {
    let bad = |what: &str| Failure::new(format!("bad escape {what} in the replacement '{template}'"));
    let mut out = String::new();
    let mut rest = template;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let Some(c) = after.chars().next() else { return Err(bad("(end of pattern)")) };
        let mut used = c.len_utf8();
        match c {
            'g' => {
                let name =
                    after[1..].strip_prefix('<').and_then(|rest| rest.split_once('>')).map(|(name, _)| name);
                let name = name.ok_or_else(|| bad("\\g"))?;
                used = name.len() + 3;
                let group = match name.parse::<usize>() {
                    Ok(number) if number >= captures.len() => {
                        return Err(Failure::new(format!("invalid group reference {name} in '{template}'")));
                    }
                    Ok(number) => captures.get(number),
                    Err(_) => captures.name(name),
                };
                out.push_str(group.map_or("", |group| group.as_str()));
            }
            '0' => {
                let digits: String = after.chars().take(3).take_while(|c| c.is_digit(8)).collect();
                used = digits.len();
                out.extend(u32::from_str_radix(&digits, 8).ok().and_then(char::from_u32));
            }
            c if c.is_ascii_digit() => {
                let digits: String = after.chars().take(2).take_while(char::is_ascii_digit).collect();
                let octal: String = after.chars().take(3).take_while(|c| c.is_digit(8)).collect();
                if octal.len() == 3 {
                    used = 3;
                    out.extend(u32::from_str_radix(&octal, 8).ok().and_then(char::from_u32));
                } else {
                    used = digits.len();
                    let number = digits.parse::<usize>().unwrap_or(usize::MAX);
                    if number >= captures.len() {
                        return Err(Failure::new(format!(
                            "invalid group reference {digits} in '{template}'"
                        )));
                    }
                    out.push_str(captures.get(number).map_or("", |group| group.as_str()));
                }
            }
            'n' => out.push('\n'),
            't' => out.push('\t'),
            'r' => out.push('\r'),
            'a' => out.push('\x07'),
            'b' => out.push('\x08'),
            'f' => out.push('\x0c'),
            'v' => out.push('\x0b'),
            '\\' => out.push('\\'),
            c if c.is_ascii_alphabetic() => return Err(bad(&format!("\\{c}"))),
            c => out.extend(['\\', c]),
        }
        rest = &after[used..];
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finds(pattern: &str, text: &str) -> bool {
        search(&compile("regexp", pattern, Flags::default()).unwrap(), text).unwrap()
    }

    #[test]
    fn python_syntax_is_understood() {
        for (pattern, text, expected) in [
            ("^foo$", "foo\n", true),
            (r"foo\Z", "foo\n", false),
            (r"a\/b\<c\>\ \'", "a/b<c> '", true),
            ("[[]x", "[x", true),
            ("[^[]x", "[x", false),
            ("[]a]", "]", true),
            ("a&&b[&&c]", "a&&b&", true),
            ("a{b", "a{b", true),
            ("a{,2}b", "aab", true),
            ("{{ x }}", "{{ x }}", true),
            (r"(?i)FOO(?!bar)", "foobaz", true),
            ("(?P<q>['\"]).*(?P=q)", "'x'", true),
            (r"(a)(?#note)\1", "aa", true),
            (r"^\s*#?\s*Port\b", "#Port 22", true),
            ("(?m)^b$", "a\nb\nc", true),
            ("^b$", "a\nb\nc", false),
        ] {
            assert_eq!(finds(pattern, text), expected, "{pattern} in {text:?}");
        }
    }

    #[test]
    fn replacements_are_filled_as_by_python() {
        let regex = compile("regexp", r"(?P<key>\w+)=(\w+)?", Flags::default()).unwrap();
        let captures = regex.captures("a=b").unwrap().unwrap();
        assert_eq!(fill(r"\2\g<1>\g<key>\n\\\.", &captures).unwrap(), "baa\n\\\\.");
        assert!(fill(r"\3", &captures).is_err());
        assert!(fill(r"\q", &captures).is_err());
        let captures = regex.captures("a=").unwrap().unwrap();
        assert_eq!(fill(r"[\2]", &captures).unwrap(), "[]");
    }
}
