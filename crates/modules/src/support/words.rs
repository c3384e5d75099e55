//! A command line split into words as Python's `shlex.split` does in POSIX mode without comments; no shell.

use crate::Failure;

/// The words of `line`.
pub fn split(line: &str) -> Result<Vec<String>, Failure> {
    let mut words = Vec::new();
    let mut rest = line;
    while let Some((word, after)) = next(rest).map_err(|why| Failure::new(format!("{why} in: {line}")))? {
        words.push(word);
        rest = after;
    }
    Ok(words)
}

/// The first word and what stands behind it, or nothing at the end.
pub fn next(line: &str) -> Result<Option<(String, &str)>, &'static str> {
    let line = line.trim_start_matches(SPACE);
    if line.is_empty() {
        return Ok(None);
    }
    let mut word = String::new();
    let mut chars = line.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            c if SPACE.contains(&c) => return Ok(Some((word, &line[at..]))),
            '\'' => loop {
                match chars.next() {
                    Some((_, '\'')) => break,
                    Some((_, c)) => word.push(c),
                    None => return Err("No closing quotation"),
                }
            },
            '"' => loop {
                match chars.next() {
                    Some((_, '"')) => break,
                    Some((_, '\\')) => match chars.next() {
                        Some((_, c @ ('"' | '\\'))) => word.push(c),
                        Some((_, c)) => word.extend(['\\', c]),
                        None => return Err("No closing quotation"),
                    },
                    Some((_, c)) => word.push(c),
                    None => return Err("No closing quotation"),
                }
            },
            '\\' => match chars.next() {
                Some((_, c)) => word.push(c),
                None => return Err("No escaped character"),
            },
            c => word.push(c),
        }
    }
    Ok(Some((word, "")))
}

const SPACE: [char; 4] = [' ', '\t', '\r', '\n'];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_as_shlex() {
        let split = |line| split(line).unwrap();
        assert_eq!(split("a  'b c' \"d \\\" \\e\" f\\ g ''"), ["a", "b c", "d \" \\e", "f g", ""]);
        assert_eq!(split("  x\ty\n"), ["x", "y"]);
        assert_eq!(split("a'b'\"c\"# d"), ["abc#", "d"]);
        assert!(split("").is_empty());
    }

    #[test]
    fn an_open_quote_is_an_error() {
        assert_eq!(split("a 'b").unwrap_err().msg, "No closing quotation in: a 'b");
        assert!(split("a \\").is_err());
    }
}
