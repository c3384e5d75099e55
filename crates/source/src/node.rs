//! YAML values that know where they stand.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use crate::Span;

/// A value with its place. Cheap to clone. Equality looks at tag and value, not at the place.
#[derive(Clone, Debug, Default)]
pub struct Node {
    pub span: Span,
    /// The local tag as written (`!vault`, `!unsafe`); standard tags (`!!str`) are resolved away.
    pub tag: Option<Arc<str>>,
    pub value: Yaml,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub enum Yaml {
    #[default]
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(Arc<str>),
    Seq(Arc<[Node]>),
    Map(Arc<Mapping>),
}

/// The tag of [`Node::is_secret`]. In a file it is unknown, as any other.
pub(crate) const SECRET: &str = "!secret";

impl Node {
    pub fn new(span: Span, value: Yaml) -> Node {
        Node { span, tag: None, value }
    }

    pub fn null() -> Node {
        Node::default()
    }

    pub fn str(text: impl Into<Arc<str>>) -> Node {
        Node::new(Span::NONE, Yaml::Str(text.into()))
    }

    pub fn seq(items: impl Into<Arc<[Node]>>) -> Node {
        Node::new(Span::NONE, Yaml::Seq(items.into()))
    }

    pub fn map(entries: impl IntoIterator<Item = (Node, Node)>) -> Node {
        Node::new(Span::NONE, Yaml::Map(Arc::new(entries.into_iter().collect())))
    }

    /// The same value at another place.
    #[must_use]
    pub fn at(mut self, span: Span) -> Node {
        self.span = span;
        self
    }

    #[must_use]
    pub fn with_tag(mut self, tag: impl Into<Arc<str>>) -> Node {
        self.tag = Some(tag.into());
        self
    }

    pub fn is_null(&self) -> bool {
        matches!(self.value, Yaml::Null)
    }

    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            Yaml::Str(s) => Some(s),
            _ => None,
        }
    }

    pub fn as_bool(&self) -> Option<bool> {
        match self.value {
            Yaml::Bool(b) => Some(b),
            _ => None,
        }
    }

    pub fn as_int(&self) -> Option<i64> {
        match self.value {
            Yaml::Int(i) => Some(i),
            _ => None,
        }
    }

    /// A float or an integer.
    pub fn as_float(&self) -> Option<f64> {
        match self.value {
            Yaml::Float(f) => Some(f),
            Yaml::Int(i) => Some(i as f64),
            _ => None,
        }
    }

    pub fn as_seq(&self) -> Option<&[Node]> {
        match &self.value {
            Yaml::Seq(s) => Some(s),
            _ => None,
        }
    }

    pub fn as_map(&self) -> Option<&Mapping> {
        match &self.value {
            Yaml::Map(m) => Some(m),
            _ => None,
        }
    }

    /// The value under a string key, when this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.as_map()?.get(key)
    }

    pub fn has_tag(&self, tag: &str) -> bool {
        self.tag.as_deref() == Some(tag)
    }

    /// `!vault` or its older name `!vault-encrypted`.
    pub fn is_vault(&self) -> bool {
        self.has_tag("!vault") || self.has_tag("!vault-encrypted")
    }

    /// `!unsafe`: never to be templated.
    pub fn is_unsafe(&self) -> bool {
        self.has_tag("!unsafe")
    }

    /// The same, with every string in it `!unsafe`, too.
    pub(crate) fn all_unsafe(&self) -> Node {
        self.map_strings(&|node| match node.is_vault() {
            true => node.clone(),
            false => node.clone().with_tag("!unsafe"),
        })
    }

    /// A string from an encrypted file that holds a template: what it renders to is as secret as what is written.
    pub fn is_secret(&self) -> bool {
        self.has_tag(SECRET)
    }

    /// The same with every string in it replaced; keys stay.
    #[must_use]
    pub fn map_strings(&self, change: &dyn Fn(&Node) -> Node) -> Node {
        let value = match &self.value {
            Yaml::Str(_) => return change(self),
            Yaml::Seq(items) => Yaml::Seq(items.iter().map(|item| item.map_strings(change)).collect()),
            Yaml::Map(map) => Yaml::Map(Arc::new(
                map.iter().map(|(key, value)| (key.clone(), value.map_strings(change))).collect(),
            )),
            other => other.clone(),
        };
        Node { span: self.span, tag: self.tag.clone(), value }
    }

    /// The name of the value's type, for messages.
    pub fn kind_name(&self) -> &'static str {
        match self.value {
            Yaml::Null => "null",
            Yaml::Bool(_) => "boolean",
            Yaml::Int(_) => "integer",
            Yaml::Float(_) => "float",
            Yaml::Str(_) => "string",
            Yaml::Seq(_) => "list",
            Yaml::Map(_) => "mapping",
        }
    }

    /// A scalar as Python's `str()` prints it, `None` for lists and mappings; null is the empty string.
    pub fn scalar_text(&self) -> Option<Arc<str>> {
        Some(match &self.value {
            Yaml::Null => "".into(),
            Yaml::Bool(true) => "True".into(),
            Yaml::Bool(false) => "False".into(),
            Yaml::Int(i) => i.to_string().into(),
            Yaml::Float(f) => format!("{f:?}").into(),
            Yaml::Str(s) => s.clone(),
            Yaml::Seq(_) | Yaml::Map(_) => return None,
        })
    }

    /// The value as JSON, keys as Python's `json` writes them. Tags are lost; infinities and NaN, which JSON
    /// lacks, become the strings `inf`, `-inf`, `nan`.
    pub fn to_json(&self) -> Value {
        match &self.value {
            Yaml::Null => Value::Null,
            Yaml::Bool(b) => Value::Bool(*b),
            Yaml::Int(i) => Value::from(*i),
            Yaml::Float(f) => serde_json::Number::from_f64(*f)
                .map_or_else(|| Value::String(format!("{f}").to_lowercase()), Value::Number),
            Yaml::Str(s) => Value::String(s.to_string()),
            Yaml::Seq(items) => Value::Array(items.iter().map(Node::to_json).collect()),
            Yaml::Map(map) => Value::Object(map.iter().map(|(k, v)| (k.key_text(), v.to_json())).collect()),
        }
    }

    /// A node that stands nowhere.
    pub fn from_json(value: &Value) -> Node {
        let yaml = match value {
            Value::Null => Yaml::Null,
            Value::Bool(b) => Yaml::Bool(*b),
            Value::Number(n) => match (n.as_i64(), n.as_u64()) {
                (Some(i), _) => Yaml::Int(i),
                // Beyond 64 bits signed: digits rather than a rounded float, as in YAML.
                (None, Some(u)) => Yaml::Str(u.to_string().into()),
                (None, None) => Yaml::Float(n.as_f64().unwrap_or(f64::NAN)),
            },
            Value::String(s) => Yaml::Str(s.as_str().into()),
            Value::Array(items) => Yaml::Seq(items.iter().map(Node::from_json).collect()),
            Value::Object(map) => Yaml::Map(Arc::new(
                map.iter().map(|(k, v)| (Node::str(k.as_str()), Node::from_json(v))).collect(),
            )),
        };
        Node::new(Span::NONE, yaml)
    }

    /// The same where mappings of the one key `__ansible_vault` or `__ansible_unsafe` are such strings, as in the
    /// JSON of Ansible's inventories.
    #[must_use]
    pub fn with_json_tags(&self) -> Node {
        let value = match &self.value {
            Yaml::Map(map) => {
                for (key, tag) in [("__ansible_vault", "!vault"), ("__ansible_unsafe", "!unsafe")] {
                    if let (1, Some(text)) = (map.len(), map.get(key).filter(|node| node.as_str().is_some()))
                    {
                        return text.clone().with_tag(tag);
                    }
                }
                Yaml::Map(Arc::new(map.iter().map(|(k, v)| (k.clone(), v.with_json_tags())).collect()))
            }
            Yaml::Seq(items) => Yaml::Seq(items.iter().map(Node::with_json_tags).collect()),
            other => other.clone(),
        };
        Node { span: self.span, tag: self.tag.clone(), value }
    }

    /// A mapping key as JSON text.
    pub(crate) fn key_text(&self) -> String {
        match &self.value {
            Yaml::Null => "null".to_string(),
            Yaml::Bool(b) => b.to_string(),
            _ => self.scalar_text().map_or_else(|| self.to_json().to_string(), |s| s.to_string()),
        }
    }
}

impl PartialEq for Node {
    fn eq(&self, other: &Node) -> bool {
        self.tag == other.tag && self.value == other.value
    }
}

/// An ordered mapping. Keys are usually strings, but any scalar may be one.
#[derive(Clone, Debug, Default)]
pub struct Mapping {
    entries: Vec<(Node, Node)>,
    /// Positions of the string keys; only for mappings large enough to be worth it.
    index: HashMap<Arc<str>, usize>,
}

/// From this size on a mapping is looked up by hash.
const INDEXED: usize = 12;

impl Mapping {
    pub fn new() -> Mapping {
        Mapping::default()
    }

    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|(_, value)| value)
    }

    /// Key node and value under a string key.
    pub fn entry(&self, key: &str) -> Option<(&Node, &Node)> {
        let (k, v) = &self.entries[self.position_str(key)?];
        Some((k, v))
    }

    pub fn contains_key(&self, key: &str) -> bool {
        self.position_str(key).is_some()
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Node, &Node)> + DoubleEndedIterator {
        self.entries.iter().map(|(k, v)| (k, v))
    }

    pub fn keys(&self) -> impl ExactSizeIterator<Item = &Node> {
        self.entries.iter().map(|(k, _)| k)
    }

    pub fn values(&self) -> impl ExactSizeIterator<Item = &Node> {
        self.entries.iter().map(|(_, v)| v)
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Sets a key; as in Python's dict a key that is there keeps its position. The old entry is returned.
    pub fn insert(&mut self, key: Node, value: Node) -> Option<(Node, Node)> {
        if let Some(at) = self.position(&key) {
            return Some(std::mem::replace(&mut self.entries[at], (key, value)));
        }
        self.entries.push((key, value));
        if self.entries.len() == INDEXED {
            self.index = self
                .entries
                .iter()
                .enumerate()
                .filter_map(|(i, (k, _))| match &k.value {
                    Yaml::Str(s) => Some((s.clone(), i)),
                    _ => None,
                })
                .collect();
        } else if self.entries.len() > INDEXED
            && let Some((Node { value: Yaml::Str(s), .. }, _)) = self.entries.last()
        {
            self.index.insert(s.clone(), self.entries.len() - 1);
        }
        None
    }

    /// The entry with an equal key of any kind.
    pub(crate) fn entry_node(&self, key: &Node) -> Option<(&Node, &Node)> {
        let (k, v) = &self.entries[self.position(key)?];
        Some((k, v))
    }

    fn position(&self, key: &Node) -> Option<usize> {
        match &key.value {
            Yaml::Str(s) => self.position_str(s),
            _ => self.entries.iter().position(|(k, _)| same_key(k, key)),
        }
    }

    /// The place of a string key.
    pub fn position_str(&self, key: &str) -> Option<usize> {
        if self.entries.len() >= INDEXED {
            return self.index.get(key).copied();
        }
        self.entries.iter().position(|(k, _)| k.as_str() == Some(key))
    }
}

/// Python's idea of equal keys: `1`, `1.0` and `true` are one.
fn same_key(a: &Node, b: &Node) -> bool {
    let number = |n: &Node| n.as_float().or(n.as_bool().map(|b| if b { 1.0 } else { 0.0 }));
    match (number(a), number(b)) {
        (Some(a), Some(b)) => a == b,
        _ => a.value == b.value,
    }
}

impl PartialEq for Mapping {
    /// As Python compares dicts: order does not matter.
    fn eq(&self, other: &Mapping) -> bool {
        self.len() == other.len()
            && self.iter().all(|(k, v)| other.entry_node(k).is_some_and(|(_, theirs)| v == theirs))
    }
}

impl FromIterator<(Node, Node)> for Mapping {
    fn from_iter<T: IntoIterator<Item = (Node, Node)>>(iter: T) -> Mapping {
        let mut map = Mapping::new();
        for (key, value) in iter {
            map.insert(key, value);
        }
        map
    }
}
