//! From the text of a setting to its value.

use super::Setting;
use std::path::{Component, Path, PathBuf};

/// What a setting's text is read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Text,
    Bool,
    Int,
    Float,
    /// Words with commas between them.
    List,
    Path,
    /// Paths with colons between them.
    PathSpec,
    /// Paths with commas between them.
    PathList,
}

/// A setting's value. Paths are absolute texts.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Value {
    #[default]
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<String>),
}

impl Value {
    /// Reads `text`; relative paths are relative to `base`.
    pub fn parse(text: &str, setting: &Setting, base: &Path) -> Result<Self, String> {
        let words = |separator: char| {
            text.split(separator).map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned)
        };
        let value = match setting.kind {
            Kind::Text => Self::Text(text.to_owned()),
            // As in Ansible, what is no word for true is false.
            Kind::Bool => Self::Bool(matches!(
                text.trim().to_lowercase().as_str(),
                "1" | "yes" | "true" | "on" | "y" | "t" | "1.0"
            )),
            Kind::Int => {
                Self::Int(int(text.trim()).ok_or_else(|| format!("`{text}` is not a whole number"))?)
            }
            Kind::Float => Self::Float(text.trim().parse().map_err(|_| format!("`{text}` is not a number"))?),
            Kind::List => Self::List(words(',').map(|word| unquote(&word).to_owned()).collect()),
            Kind::Path => Self::Text(path(text.trim(), base)),
            Kind::PathSpec => Self::List(words(':').map(|word| path(&word, base)).collect()),
            Kind::PathList => Self::List(words(',').map(|word| path(&word, base)).collect()),
        };
        if let (Self::Text(text), false) = (&value, setting.choices.is_empty())
            && !setting.choices.contains(&text.as_str())
        {
            return Err(format!("`{text}` is none of {}", setting.choices.join(", ")));
        }
        Ok(value)
    }

    /// As JSON.
    pub fn json(&self) -> serde_json::Value {
        match self {
            Self::None => serde_json::Value::Null,
            Self::Bool(value) => (*value).into(),
            Self::Int(value) => (*value).into(),
            Self::Float(value) => (*value).into(),
            Self::Text(value) => value.clone().into(),
            Self::List(value) => value.clone().into(),
        }
    }
}

/// As Python prints it: what ansible-config shows.
impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Bool(value) => f.write_str(if *value { "True" } else { "False" }),
            Self::Int(value) => value.fmt(f),
            Self::Float(value) => write!(f, "{value:?}"),
            Self::Text(value) => f.write_str(value),
            Self::List(value) => {
                let words: Vec<String> = value.iter().map(|word| format!("'{word}'")).collect();
                write!(f, "[{}]", words.join(", "))
            }
        }
    }
}

/// `~` and `$NAME` of a path, by the environment.
pub fn expand(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    if let Some(after) = text.strip_prefix('~')
        && (after.is_empty() || after.starts_with('/'))
    {
        out.push_str(&std::env::home_dir().unwrap_or_default().to_string_lossy());
        rest = after;
    }
    while let Some(at) = rest.find('$') {
        let (before, after) = (&rest[..at], &rest[at + 1..]);
        out.push_str(before);
        let (name, len) = match after.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
            Some((name, _)) => (name, name.len() + 2),
            None => {
                let len = after.find(|c: char| c != '_' && !c.is_ascii_alphanumeric()).unwrap_or(after.len());
                (&after[..len], len)
            }
        };
        match std::env::var(name) {
            Ok(value) => out.push_str(&value),
            Err(_) => out.push_str(&rest[at..=at + len]),
        }
        rest = &after[len..];
    }
    out + rest
}

fn path(text: &str, base: &Path) -> String {
    let cwd = std::env::current_dir().unwrap_or_default();
    let text = text.replace("{{CWD}}", &cwd.to_string_lossy());
    let mut clean = PathBuf::new();
    for part in base.join(expand(&text)).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                clean.pop();
            }
            other => clean.push(other),
        }
    }
    clean.to_string_lossy().into_owned()
}

fn int(text: &str) -> Option<i64> {
    let whole = match text.split_once('.') {
        Some((whole, fraction)) if fraction.bytes().all(|b| b == b'0') => whole,
        Some(_) => return None,
        None => text,
    };
    whole.parse().ok()
}

fn unquote(text: &str) -> &str {
    for quote in ['"', '\''] {
        if let Some(inner) = text.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)) {
            return inner;
        }
    }
    text
}
