//! Values that must never be shown, remembered for the run and taken out of everything that is told.

use serde_json::{Map, Value};
use std::sync::RwLock;

/// What stands in a secret's place.
pub const HIDDEN: &str = "********";

/// The secrets of a run.
#[derive(Debug, Default)]
pub struct Secrets(RwLock<Vec<String>>);

impl Secrets {
    /// Remembers a secret. Of several lines each is one, too. Texts shorter than four characters are not remembered: hiding
    /// them would mangle everything else.
    pub fn add(&self, secret: &str) {
        let mut known = self.0.write().unwrap_or_else(|e| e.into_inner());
        for text in std::iter::once(secret).chain(secret.lines().filter(|_| secret.contains('\n'))) {
            let text = text.trim_end_matches('\n');
            if text.chars().count() >= 4 && !known.iter().any(|k| k == text) {
                known.push(text.to_owned());
            }
        }
        // Longer ones first, so that a secret within a secret leaves no rest.
        known.sort_by_key(|text| std::cmp::Reverse(text.len()));
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
        self.0.read().unwrap_or_else(|e| e.into_inner()).is_empty()
    }

    pub fn redact(&self, text: &str) -> String {
        let known = self.0.read().unwrap_or_else(|e| e.into_inner());
        let mut text = text.to_owned();
        for secret in known.iter() {
            if text.contains(secret.as_str()) {
                text = text.replace(secret.as_str(), HIDDEN);
            }
        }
        text
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
}
