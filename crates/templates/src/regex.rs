//! Python's regular expressions on `fancy-regex`.

use crate::error::TemplateError;
use crate::ops::Result;
use fancy_regex::{Captures, Regex};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Flags given as arguments.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Flags {
    pub(crate) ignorecase: bool,
    pub(crate) multiline: bool,
}

const CACHE_LIMIT: usize = 2_000;

type Cache = Mutex<HashMap<(String, Flags), Arc<Regex>>>;
static CACHE: std::sync::LazyLock<Cache> = std::sync::LazyLock::new(Cache::default);

/// Compiles a Python pattern; compiled patterns are kept.
pub(crate) fn compile(pattern: &str, flags: Flags) -> Result<Arc<Regex>> {
    let key = (pattern.to_owned(), flags);
    if let Some(found) = CACHE.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
        return Ok(found.clone());
    }
    let mut translated = translate(pattern);
    let letters = match (flags.ignorecase, flags.multiline) {
        (true, true) => "(?im)",
        (true, false) => "(?i)",
        (false, true) => "(?m)",
        (false, false) => "",
    };
    translated.insert_str(0, letters);
    let regex = Regex::new(&translated).map_err(|error| {
        TemplateError::runtime(format!("the regular expression '{pattern}' is not valid: {error}"))
    })?;
    let regex = Arc::new(regex);
    let mut cache = CACHE.lock().unwrap_or_else(PoisonError::into_inner);
    if cache.len() >= CACHE_LIMIT {
        cache.clear();
    }
    cache.insert(key, regex.clone());
    Ok(regex)
}

/// What Python writes differently: `\Z`, a literal `[` in a class, `&&`/`--`/`~~` in a class, `(?P=name)`,
/// and a `$` that also matches before a final newline.
fn translate(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut chars = pattern.chars().peekable();
    let mut class = false;
    let mut class_start = false;
    let multiline = inline_flags(pattern).contains('m');
    while let Some(c) = chars.next() {
        let at_start = std::mem::take(&mut class_start);
        match c {
            '\\' => match chars.next() {
                Some('Z') => out.push_str("\\z"),
                Some(next) if next.is_alphanumeric() || !next.is_ascii() || class => {
                    // Python takes every escaped sign literally; the engine refuses some of the unneeded ones
                    out.push('\\');
                    out.push(next);
                }
                Some(
                    next @ (' ' | '"' | '\'' | '/' | '<' | '>' | '=' | ':' | ';' | ',' | '@' | '%' | '!'
                    | '`' | '_'),
                ) => {
                    out.push(next);
                }
                Some(next) => {
                    out.push('\\');
                    out.push(next);
                }
                None => out.push('\\'),
            },
            '[' if !class => {
                class = true;
                class_start = true;
                out.push('[');
                if chars.peek() == Some(&'^') {
                    chars.next();
                    out.push('^');
                }
            }
            ']' if class && at_start => out.push_str("\\]"),
            ']' if class => {
                class = false;
                out.push(']');
            }
            '[' => out.push_str("\\["),
            '&' | '~' if class => {
                out.push('\\');
                out.push(c);
            }
            '$' if !class && !multiline => out.push_str("(?=\\n?\\z)"),
            '(' if !class && chars.peek() == Some(&'?') => {
                let rest: String = chars.clone().take(3).collect();
                if rest == "?P=" {
                    chars.by_ref().take(3).for_each(drop);
                    let name: String = chars.by_ref().take_while(|c| *c != ')').collect();
                    out.push_str(&format!("\\k<{name}>"));
                } else {
                    out.push('(');
                }
            }
            c => out.push(c),
        }
    }
    out
}

fn inline_flags(pattern: &str) -> &str {
    pattern.strip_prefix("(?").and_then(|rest| rest.split_once(')')).map_or("", |(flags, _)| flags)
}

/// Python's replacement text: `\1`, `\g<1>`, `\g<name>`, `\n`.
pub(crate) fn expand(replacement: &str, captures: &Captures<'_>) -> Result<String> {
    let mut out = String::new();
    let mut chars = replacement.chars().peekable();
    let group = |key: &str| -> Result<String> {
        let found = match key.parse::<usize>() {
            Ok(number) if number < captures.len() => captures.get(number),
            Ok(_) => return Err(TemplateError::runtime(format!("invalid group reference {key}"))),
            Err(_) => captures.name(key),
        };
        Ok(found.map_or_else(String::new, |found| found.as_str().to_owned()))
    };
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('g') if chars.peek() == Some(&'<') => {
                chars.next();
                let name: String = chars.by_ref().take_while(|c| *c != '>').collect();
                out.push_str(&group(&name)?);
            }
            Some(digit @ '1'..='9') => {
                let mut key = digit.to_string();
                if let Some(second) = chars.next_if(char::is_ascii_digit) {
                    key.push(second);
                }
                out.push_str(&group(&key)?);
            }
            Some('0') => out.push('\0'),
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some('\\') => out.push('\\'),
            Some(letter) if letter.is_ascii_alphabetic() => {
                return Err(TemplateError::runtime(format!("bad escape \\{letter} in the replacement")));
            }
            Some(other) => {
                out.push('\\');
                out.push(other);
            }
            None => return Err(TemplateError::runtime("bad escape (end of pattern) in the replacement")),
        }
    }
    Ok(out)
}

/// All matches as Python counts them: an empty one may follow right after one that is not.
pub(crate) fn matches<'t>(regex: &Regex, text: &'t str) -> Result<Vec<Captures<'t>>> {
    let mut out = Vec::new();
    let mut at = 0;
    while at <= text.len() {
        let Some(captures) = regex.captures_from_pos(text, at).map_err(failed)? else { break };
        let Some(whole) = captures.get(0) else { break };
        at = if whole.start() == whole.end() {
            whole.end() + text[whole.end()..].chars().next().map_or(1, char::len_utf8)
        } else {
            whole.end()
        };
        out.push(captures);
    }
    Ok(out)
}

/// Replaces up to `count` matches (0: all); also how many there were.
pub(crate) fn replace(regex: &Regex, text: &str, replacement: &str, count: usize) -> Result<(String, usize)> {
    let mut out = String::new();
    let mut last = 0;
    let mut done = 0;
    for captures in matches(regex, text)? {
        let Some(whole) = captures.get(0) else { continue };
        if count != 0 && done == count {
            break;
        }
        out.push_str(&text[last..whole.start()]);
        out.push_str(&expand(replacement, &captures)?);
        crate::ops::check_length(out.len())?;
        last = whole.end();
        done += 1;
    }
    out.push_str(&text[last..]);
    Ok((out, done))
}

/// The engine gave up (too much back-tracking).
pub(crate) fn failed(error: fancy_regex::Error) -> TemplateError {
    TemplateError::runtime(format!("the regular expression cannot be evaluated: {error}"))
}
