//! Which hosts a pattern means (<https://docs.ansible.com/ansible/latest/inventory_guide/intro_patterns.html>).

use std::path::Path;

use fancy_regex::Regex;
use indexmap::IndexMap;
use provision_source::nearest;

use super::{Host, Inventory};

/// Hosts of a pattern, in inventory order, and the parts of it that named nothing.
#[derive(Debug, Clone, Default)]
pub struct Selection<'a> {
    pub hosts: Vec<&'a Host>,
    /// Ansible warns about these: "Could not match supplied host pattern".
    pub unmatched: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PatternError {
    #[error("bad host pattern `{pattern}`: {message}")]
    Syntax { pattern: String, message: String },
    #[error("no host matches `{pattern}`{}", suggestion(.nearest))]
    NoMatch { pattern: String, nearest: Option<String> },
    #[error("cannot read the limit file {path}: {message}")]
    LimitFile { path: String, message: String },
}

impl Inventory {
    /// The hosts of a pattern.
    ///
    /// # Errors
    /// Bad syntax, or nothing in the pattern names any host or group. A pattern whose parts are all known
    /// may well come to no hosts (`web:&db`): that is no error.
    pub fn select(&self, pattern: &str) -> Result<Vec<&Host>, PatternError> {
        let selection = self.select_reporting(pattern)?;
        match selection.unmatched.first() {
            Some(name) if selection.hosts.is_empty() => {
                Err(PatternError::NoMatch { pattern: pattern.to_string(), nearest: self.suggest(name) })
            }
            _ => Ok(selection.hosts),
        }
    }

    /// [`Inventory::select`] that tells which parts matched nothing instead of failing.
    ///
    /// # Errors
    /// Bad syntax.
    pub fn select_reporting(&self, pattern: &str) -> Result<Selection<'_>, PatternError> {
        self.evaluate(&split(pattern)?, pattern)
    }

    /// Those of `hosts` that a `--limit` leaves, in their order. `@FILE` among its parts stands for the
    /// patterns in that file, one a line.
    ///
    /// # Errors
    /// As [`Inventory::select`], and a file that cannot be read.
    pub fn limit<'a>(&'a self, hosts: Vec<&'a Host>, limit: &str) -> Result<Vec<&'a Host>, PatternError> {
        let selection = self.limit_reporting(limit)?;
        if let (Some(name), true) = (selection.unmatched.first(), selection.hosts.is_empty()) {
            return Err(PatternError::NoMatch { pattern: limit.to_string(), nearest: self.suggest(name) });
        }
        let allowed: std::collections::HashSet<&str> = selection.hosts.iter().map(|h| &*h.name).collect();
        Ok(hosts.into_iter().filter(|h| allowed.contains(&*h.name)).collect())
    }

    /// What a `--limit` allows, with the parts that matched nothing.
    ///
    /// # Errors
    /// Bad syntax, and a file that cannot be read.
    pub fn limit_reporting(&self, limit: &str) -> Result<Selection<'_>, PatternError> {
        let mut parts = Vec::new();
        for part in split(limit)? {
            let Some(file) = part.strip_prefix('@') else {
                parts.push(part);
                continue;
            };
            let text = std::fs::read_to_string(Path::new(file))
                .map_err(|e| PatternError::LimitFile { path: file.to_string(), message: e.to_string() })?;
            parts.extend(text.lines().map(str::trim).filter(|l| !l.is_empty()).map(str::to_string));
        }
        if parts.is_empty() {
            return Err(PatternError::Syntax {
                pattern: limit.to_string(),
                message: "it is empty".to_string(),
            });
        }
        self.evaluate(&parts, limit)
    }

    /// The host or group whose name is nearest to one that does not exist.
    pub fn suggest(&self, name: &str) -> Option<String> {
        let name = name.trim_start_matches(['!', '&']);
        nearest(name, self.groups.keys().chain(self.hosts.keys()).map(|k| &**k)).map(str::to_string)
    }

    fn evaluate(&self, parts: &[String], whole: &str) -> Result<Selection<'_>, PatternError> {
        let is = |p: &str, c: char| p.starts_with(c);
        let mut regular: Vec<&str> =
            parts.iter().map(String::as_str).filter(|p| !is(p, '!') && !is(p, '&')).collect();
        if regular.is_empty() {
            regular.push("all");
        }
        let mut unmatched = Vec::new();
        let mut hosts: IndexMap<&str, &Host> = IndexMap::new();
        for part in regular {
            for host in self.one(part, whole, &mut unmatched)? {
                hosts.entry(&host.name).or_insert(host);
            }
        }
        for part in parts.iter().filter(|p| is(p, '&')) {
            let keep = self.one(&part[1..], whole, &mut unmatched)?;
            let keep: std::collections::HashSet<&str> = keep.iter().map(|h| &*h.name).collect();
            hosts.retain(|name, _| keep.contains(name));
        }
        for part in parts.iter().filter(|p| is(p, '!')) {
            let drop = self.one(&part[1..], whole, &mut unmatched)?;
            let drop: std::collections::HashSet<&str> = drop.iter().map(|h| &*h.name).collect();
            hosts.retain(|name, _| !drop.contains(name));
        }
        Ok(Selection { hosts: hosts.into_values().collect(), unmatched })
    }

    /// One part without `!` or `&`.
    fn one<'a>(
        &'a self,
        part: &str,
        whole: &str,
        unmatched: &mut Vec<String>,
    ) -> Result<Vec<&'a Host>, PatternError> {
        let (expression, subscript) = if part.starts_with('~') { (part, None) } else { subscript(part) };
        let matcher = Matcher::new(expression)
            .map_err(|message| PatternError::Syntax { pattern: whole.to_string(), message })?;
        let mut found: IndexMap<&str, &Host> = IndexMap::new();
        let mut any_group = false;
        for group in self.matching_groups(&matcher) {
            any_group = true;
            for host in self.hosts_of(group) {
                found.entry(&host.name).or_insert(host);
            }
        }
        match &matcher {
            Matcher::Exact(name) if any_group && !name.contains('.') => {}
            Matcher::Exact(name) => {
                if let Some(host) = self.hosts.get(*name) {
                    found.entry(&host.name).or_insert(host);
                }
            }
            matcher => {
                for host in self.hosts.values().filter(|h| matcher.matches(&h.name)) {
                    found.entry(&host.name).or_insert(host);
                }
            }
        }
        if found.is_empty() && !any_group {
            match self.implicit.iter().find(|h| &*h.name == expression) {
                Some(host) => return Ok(vec![host]),
                None => unmatched.push(part.to_string()),
            }
        }
        let found: Vec<&Host> = found.into_values().collect();
        Ok(match subscript {
            Some(subscript) => subscript.apply(&found),
            None => found,
        })
    }

    fn matching_groups(&self, matcher: &Matcher<'_>) -> Vec<&str> {
        match matcher {
            Matcher::Exact(name) => self.groups.get(*name).map(|g| &*g.name).into_iter().collect(),
            matcher => self.groups.keys().map(|k| &**k).filter(|name| matcher.matches(name)).collect(),
        }
    }
}

fn suggestion(nearest: &Option<String>) -> String {
    nearest.as_ref().map_or_else(String::new, |n| format!("; did you mean `{n}`?"))
}

/// The parts of a pattern: separated by commas if there is one, else by colons and spaces outside brackets.
/// An address with colons in it is one part.
fn split(pattern: &str) -> Result<Vec<String>, PatternError> {
    let bad =
        |message: &str| PatternError::Syntax { pattern: pattern.to_string(), message: message.to_string() };
    let parts: Vec<String> = if pattern.contains(',') {
        pattern.split(',').map(|p| p.trim().to_string()).filter(|p| !p.is_empty()).collect()
    } else if is_address(pattern) {
        vec![pattern.to_string()]
    } else {
        split_colons(pattern).map_err(|message| bad(&message))?
    };
    if parts.is_empty() {
        return Err(bad("it is empty"));
    }
    if let Some(lone) = parts.iter().find(|p| matches!(p.as_str(), "!" | "&" | "~")) {
        return Err(bad(&format!("nothing follows `{lone}`")));
    }
    Ok(parts)
}

/// An IPv6 address, or anything with a port.
fn is_address(pattern: &str) -> bool {
    pattern.parse::<std::net::Ipv6Addr>().is_ok()
        || (!pattern.starts_with(['!', '&', '~', '*']) && super::range::split_port(pattern).1.is_some())
}

fn split_colons(pattern: &str) -> Result<Vec<String>, String> {
    let mut parts = vec![String::new()];
    let mut depth = 0usize;
    for c in pattern.chars() {
        match c {
            '[' => depth += 1,
            ']' if depth == 0 => return Err("a `]` without `[`".to_string()),
            ']' => depth -= 1,
            _ => {}
        }
        if depth == 0 && (c == ':' || c.is_whitespace()) {
            parts.push(String::new());
        } else if let Some(last) = parts.last_mut() {
            last.push(c);
        }
    }
    if depth > 0 {
        return Err("a `[` without `]`".to_string());
    }
    parts.retain(|p| !p.is_empty());
    Ok(parts)
}

#[derive(Debug, PartialEq, Clone, Copy)]
enum Subscript {
    Index(i64),
    /// Both ends belong to it; without an end it goes to the last.
    Range(usize, Option<usize>),
}

impl Subscript {
    fn apply<'a>(self, hosts: &[&'a Host]) -> Vec<&'a Host> {
        match self {
            Subscript::Index(i) => {
                let at = if i < 0 { hosts.len() as i64 + i } else { i };
                usize::try_from(at).ok().and_then(|at| hosts.get(at).copied()).into_iter().collect()
            }
            Subscript::Range(from, to) => {
                let to = to.map_or(hosts.len(), |to| to.saturating_add(1)).min(hosts.len());
                hosts.get(from..to).map(<[_]>::to_vec).unwrap_or_default()
            }
        }
    }
}

/// `web[0]`, `web[-1]`, `web[1:]`, `web[0:2]` (and its older form `web[0-2]`). Anything else in brackets
/// belongs to the wildcard.
fn subscript(part: &str) -> (&str, Option<Subscript>) {
    let parse = || {
        let (head, inner) = part.strip_suffix(']')?.rsplit_once('[')?;
        if head.is_empty() {
            return None;
        }
        let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
        if digits(inner.strip_prefix('-').unwrap_or(inner)) {
            return Some((head, Subscript::Index(inner.parse().ok()?)));
        }
        let (from, to) = inner.split_once([':', '-'])?;
        if !digits(from) || !(to.is_empty() || digits(to)) {
            return None;
        }
        let from = from.parse().ok()?;
        let to = if to.is_empty() { None } else { Some(to.parse().ok()?) };
        // An end of 0 means "only the first of them" to Ansible, whatever the start.
        let range =
            if to == Some(0) { Subscript::Range(from, Some(from)) } else { Subscript::Range(from, to) };
        Some((head, range))
    };
    parse().map_or((part, None), |(head, subscript)| (head, Some(subscript)))
}

enum Matcher<'a> {
    Exact(&'a str),
    /// Python's fnmatch.
    Glob(Vec<char>),
    Regex(Box<Regex>),
}

impl<'a> Matcher<'a> {
    fn new(expression: &'a str) -> Result<Matcher<'a>, String> {
        if let Some(regex) = expression.strip_prefix('~') {
            // Python's `re.match`: anchored at the start only.
            let regex =
                Regex::new(&format!("^(?:{regex})")).map_err(|e| format!("bad regular expression: {e}"))?;
            return Ok(Matcher::Regex(Box::new(regex)));
        }
        Ok(if expression.contains(['*', '?', '[']) {
            Matcher::Glob(expression.chars().collect())
        } else {
            Matcher::Exact(expression)
        })
    }

    fn matches(&self, name: &str) -> bool {
        match self {
            Matcher::Exact(exact) => *exact == name,
            Matcher::Glob(glob) => glob_matches(glob, &name.chars().collect::<Vec<char>>()),
            // A regex that gives up (too much backtracking) matches nothing.
            Matcher::Regex(regex) => regex.is_match(name).unwrap_or(false),
        }
    }
}

/// `*`, `?`, `[abc]`, `[a-z]`, `[!abc]`; a bracket that is never closed stands for itself.
fn glob_matches(glob: &[char], text: &[char]) -> bool {
    let (mut g, mut t) = (0, 0);
    // Where to go on when what follows the last star did not match.
    let mut retry: Option<(usize, usize)> = None;
    loop {
        let step = match glob.get(g) {
            None if t == text.len() => return true,
            Some('*') => {
                retry = Some((g + 1, t));
                g += 1;
                continue;
            }
            Some('?') if t < text.len() => Some(g + 1),
            Some('[') if t < text.len() => class(glob, g, text[t]),
            Some(c) if text.get(t) == Some(c) => Some(g + 1),
            _ => None,
        };
        match (step, retry) {
            (Some(next), _) => (g, t) = (next, t + 1),
            (None, Some((after, from))) if from < text.len() => {
                retry = Some((after, from + 1));
                (g, t) = (after, from + 1);
            }
            (None, _) => return false,
        }
    }
}

/// The position behind the class at `at` if `c` is in it.
fn class(glob: &[char], at: usize, c: char) -> Option<usize> {
    let negated = glob.get(at + 1) == Some(&'!');
    let first = at + 1 + usize::from(negated);
    // A bracket in first place is a member.
    let Some(close) = (first + 1..glob.len()).find(|i| glob[*i] == ']') else {
        return (c == '[').then_some(at + 1);
    };
    let members = &glob[first..close];
    let mut found = false;
    let mut i = 0;
    while i < members.len() {
        if i + 2 < members.len() && members[i + 1] == '-' {
            found |= (members[i]..=members[i + 2]).contains(&c);
            i += 3;
        } else {
            found |= members[i] == c;
            i += 1;
        }
    }
    (found != negated).then_some(close + 1)
}
