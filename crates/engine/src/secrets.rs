//! Values that must never be shown, remembered for the run and taken out of everything that is told.

use aho_corasick::AhoCorasick;
use serde_json::{Map, Value};
use std::collections::HashSet;
use std::ops::Range;
use std::sync::{Arc, RwLock};

/// What stands in a secret's place.
pub const HIDDEN: &str = "********";

/// The secrets of a run.
#[derive(Debug, Default)]
pub struct Secrets(RwLock<Known>);

#[derive(Debug, Default)]
struct Known {
    all: HashSet<Arc<str>>,
    /// Finds those that were known when it was made: there may be thousands.
    finder: Option<AhoCorasick>,
    /// Those added since.
    recent: Vec<Arc<str>>,
}

/// So many secrets are looked for one by one before a new finder is made.
const RECENT: usize = 16;

impl Secrets {
    /// Remembers a secret. Of several lines each is one, too. Texts shorter than four characters are not remembered: hiding
    /// them would mangle everything else.
    pub fn add(&self, secret: &str) {
        let mut known = self.0.write().unwrap_or_else(|e| e.into_inner());
        for text in std::iter::once(secret).chain(secret.lines().filter(|_| secret.contains('\n'))) {
            let text = text.trim_end_matches('\n');
            if text.chars().count() >= 4 && !known.all.contains(text) {
                let text: Arc<str> = text.into();
                known.recent.push(text.clone());
                known.all.insert(text);
            }
        }
    }

    /// Every string in a value.
    pub fn add_value(&self, value: &Value) {
        match value {
            Value::String(text) => self.add(text),
            Value::Array(items) => items.iter().for_each(|item| self.add_value(item)),
            Value::Object(map) => map.values().for_each(|item| self.add_value(item)),
            _ => {}
        }
    }

    pub fn is_empty(&self) -> bool {
        self.0.read().unwrap_or_else(|e| e.into_inner()).all.is_empty()
    }

    pub fn redact(&self, text: &str) -> String {
        let mut known = self.0.read().unwrap_or_else(|e| e.into_inner());
        if known.recent.len() > RECENT {
            drop(known);
            self.0.write().unwrap_or_else(|e| e.into_inner()).find_all();
            known = self.0.read().unwrap_or_else(|e| e.into_inner());
        }
        let mut found: Vec<Range<usize>> = Vec::new();
        if let Some(finder) = &known.finder {
            found.extend(finder.find_overlapping_iter(text).map(|m| m.range()));
        }
        for secret in &known.recent {
            found.extend(text.match_indices(&**secret).map(|(at, _)| at..at + secret.len()));
        }
        if found.is_empty() {
            return text.to_owned();
        }
        found.sort_unstable_by_key(|range| (range.start, range.end));
        let mut out = String::with_capacity(text.len());
        let (mut done, mut found) = (0, found.into_iter().peekable());
        while let Some(mut range) = found.next() {
            // Of secrets that overlap no rest is left.
            while let Some(next) = found.next_if(|next| next.start < range.end) {
                range.end = range.end.max(next.end);
            }
            out.push_str(&text[done..range.start]);
            out.push_str(HIDDEN);
            done = range.end;
        }
        out.push_str(&text[done..]);
        out
    }

    pub fn redact_map(&self, map: &Map<String, Value>) -> Map<String, Value> {
        if self.is_empty() {
            return map.clone();
        }
        map.iter().map(|(k, v)| (self.redact(k), self.redact_value(v))).collect()
    }

    pub fn redact_value(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.redact(text)),
            Value::Array(items) => Value::Array(items.iter().map(|item| self.redact_value(item)).collect()),
            Value::Object(map) => Value::Object(self.redact_map(map)),
            other => other.clone(),
        }
    }
}

impl Known {
    /// Makes a finder of all secrets. They are not too many for one: it fails only beyond billions of bytes, and then
    /// they go on being looked for one by one.
    fn find_all(&mut self) {
        if let Ok(finder) = AhoCorasick::new(self.all.iter().map(|secret| secret.as_bytes())) {
            self.finder = Some(finder);
            self.recent.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_vanish_wherever_they_are() {
        let secrets = Secrets::default();
        secrets.add("hunter22");
        secrets.add("hunter22-longer");
        secrets.add("a");
        let value = serde_json::json!({"x": ["pw=hunter22", {"hunter22": "hunter22-longer a"}]});
        assert_eq!(
            secrets.redact_value(&value),
            serde_json::json!({"x": ["pw=********", {"********": "******** a"}]})
        );
    }
    #[test]
    fn thousands_of_secrets_are_found_and_overlapping_ones_leave_no_rest() {
        let secrets = Secrets::default();
        (0..5000).for_each(|n| secrets.add(&format!("secret-{n:04}-{n:04}")));
        assert_eq!(
            secrets.redact("a secret-0017-0017secret-4999-4999 b secret-5000"),
            "a **************** b secret-5000"
        );
        secrets.add("abcdef");
        secrets.add("defghi");
        assert_eq!(secrets.redact("xabcdefghix secret-0000-0000"), "x********x ********");
        secrets.add("line one\nline two\n");
        assert_eq!(secrets.redact("line two"), "********");
    }
}
