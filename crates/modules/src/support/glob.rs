//! Shell patterns as Python's `fnmatch` and `glob` understand them.

use crate::Failure;
use provision_system::System;
use provision_system::text::{to_os, to_text};
use std::path::{Path, PathBuf};

/// True when the whole `name` matches: `*`, `?`, `[abc]`, `[!a-z]`.
pub fn matches(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    match_from(&pattern, &name)
}

/// True when `path`, with patterns in any of its components, names something. Like Python's `glob`, a pattern
/// that begins with no dot matches no hidden name, and a broken link without a pattern counts as nothing.
pub fn exists(sys: &dyn System, path: &Path) -> Result<bool, Failure> {
    if !has_magic(&to_text(path.as_os_str())) {
        return Ok(sys.stat(path, false)?.is_some());
    }
    let mut found = vec![PathBuf::from("/")];
    for part in path.components().skip(1) {
        let part = to_text(part.as_os_str());
        let mut next = Vec::new();
        for dir in found {
            if !has_magic(&part) {
                let path = dir.join(to_os(&part));
                if sys.stat(&path, false)?.is_some() {
                    next.push(path);
                }
                continue;
            }
            if !sys.stat(&dir, true)?.is_some_and(|meta| meta.is_dir()) {
                continue;
            }
            // A directory that cannot be read matches nothing.
            for name in sys.read_dir(&dir).unwrap_or_default() {
                let text = to_text(&name);
                if matches(&part, &text) && (part.starts_with('.') || !text.starts_with('.')) {
                    next.push(dir.join(name));
                }
            }
        }
        found = next;
    }
    Ok(!found.is_empty())
}

fn has_magic(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

fn match_from(pattern: &[char], name: &[char]) -> bool {
    let (mut p, mut n) = (0, 0);
    // Where to go on after the last star, and how much of the name it has eaten.
    let mut star: Option<(usize, usize)> = None;
    loop {
        let step = match pattern.get(p) {
            None if n == name.len() => return true,
            Some('*') => {
                star = Some((p + 1, n));
                p += 1;
                continue;
            }
            Some('?') => name.get(n).map(|_| p + 1),
            Some('[') => match class(&pattern[p..]) {
                Some((set, length)) => name.get(n).filter(|c| set.has(**c)).map(|_| p + length),
                None => name.get(n).filter(|c| **c == '[').map(|_| p + 1),
            },
            Some(c) => name.get(n).filter(|d| *d == c).map(|_| p + 1),
            None => None,
        };
        match (step, star) {
            (Some(next), _) => {
                p = next;
                n += 1;
            }
            (None, Some((after, eaten))) if eaten < name.len() => {
                star = Some((after, eaten + 1));
                p = after;
                n = eaten + 1;
            }
            _ => return false,
        }
    }
}

struct Class {
    negated: bool,
    ranges: Vec<(char, char)>,
}

impl Class {
    fn has(&self, c: char) -> bool {
        self.ranges.iter().any(|&(low, high)| (low..=high).contains(&c)) != self.negated
    }
}

/// A bracket expression and its length, or nothing when it is not closed.
fn class(pattern: &[char]) -> Option<(Class, usize)> {
    let negated = pattern.get(1) == Some(&'!');
    let start = if negated { 2 } else { 1 };
    let end = (start + 1..pattern.len()).find(|&at| pattern[at] == ']')?;
    let body = &pattern[start..end];
    let mut ranges = Vec::new();
    let mut at = 0;
    while at < body.len() {
        if at + 2 < body.len() && body[at + 1] == '-' {
            ranges.push((body[at], body[at + 2]));
            at += 3;
        } else {
            ranges.push((body[at], body[at]));
            at += 1;
        }
    }
    Some((Class { negated, ranges }, end + 1))
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn matches_as_fnmatch() {
        for (pattern, name, expected) in [
            ("*.conf", "a.conf", true),
            ("*.conf", "a.conf.bak", false),
            ("a*b*c", "aXbXbc", true),
            ("?", "", false),
            ("[!a-c]x", "dx", true),
            ("[!a-c]x", "bx", false),
            ("[]]", "]", true),
            ("[a", "[a", true),
            ("*", "", true),
            ("**x", "aax", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
