//! Nodes to values: every string in them templated, leaf by leaf.

use provision_source::{Node, Span, Yaml};
use provision_templates::{RenderOptions, Scope, TemplateError, Templater, Value};
use std::sync::Arc;

/// A template that failed, with its place in the playbook.
#[derive(Debug, Clone)]
pub struct RenderError {
    pub error: TemplateError,
    pub span: Span,
    /// What was being done, from the outside in.
    pub outer: Vec<(String, Span)>,
    /// Nothing of the task was begun: its failure is not called one.
    pub bare: bool,
    /// What to do, in Ansible's words.
    pub help: Option<&'static str>,
}

impl RenderError {
    pub fn at(error: TemplateError, node: &Node) -> Self {
        Self::spanned(error, node.span)
    }

    pub fn spanned(error: TemplateError, span: Span) -> Self {
        Self { error, span, outer: Vec::new(), bare: false, help: None }
    }

    /// The same, while doing what `text` says.
    #[must_use]
    pub fn within(mut self, text: impl Into<String>, span: Span) -> Self {
        self.outer.insert(0, (text.into(), span));
        self
    }
}

/// The node with all its templates rendered. A string that is one `{{ expression }}` keeps the expression's type.
pub fn node(node: &Node, scope: &Arc<dyn Scope>, templater: &Templater) -> Result<Value, RenderError> {
    Ok(match &node.value {
        Yaml::Null | Yaml::Bool(_) | Yaml::Int(_) | Yaml::Float(_) | Yaml::Str(_) => {
            leaf(node, scope, templater, RenderOptions::default())?
        }
        Yaml::Seq(items) => {
            let mut list = Vec::with_capacity(items.len());
            for item in items.iter() {
                let value = self::node(item, scope, templater)?;
                if !provision_templates::is_omit(&value) {
                    list.push(value);
                }
            }
            Value::from(list)
        }
        Yaml::Map(map) => {
            let mut pairs = Vec::with_capacity(map.len());
            for (key, value) in map.iter() {
                let value = self::node(value, scope, templater)?;
                if provision_templates::is_omit(&value) {
                    continue;
                }
                // Keys stay as they are written, as in Ansible.
                pairs.push((literal(key), value));
            }
            provision_templates::mapping(pairs)
        }
    })
}

/// The node as the value of a variable: lists and mappings are templated member by member, when these are asked for.
pub fn variable(
    node: &Node,
    scope: &Arc<dyn Scope>,
    templater: &Arc<Templater>,
) -> Result<Value, RenderError> {
    let members = || Members { node: node.clone(), scope: scope.clone(), templater: templater.clone() };
    match &node.value {
        Yaml::Seq(_) => Ok(provision_templates::lazy_list(members())),
        Yaml::Map(_) => Ok(provision_templates::lazy_dict(members())),
        _ => leaf(node, scope, templater, RenderOptions { lazy: true, ..RenderOptions::default() }),
    }
}

/// Whatever is neither a list nor a mapping.
fn leaf(
    node: &Node,
    scope: &Arc<dyn Scope>,
    templater: &Templater,
    options: RenderOptions,
) -> Result<Value, RenderError> {
    Ok(match &node.value {
        Yaml::Bool(b) => Value::from(*b),
        Yaml::Int(i) => Value::from(*i),
        Yaml::Float(f) => Value::from(*f),
        Yaml::Str(envelope) if node.is_vault() => match templater.vault().value(envelope) {
            Ok(text) => Value::from(text),
            Err(error) => return Err(RenderError::at(undecryptable(&error), node)),
        },
        Yaml::Str(text) if node.is_unsafe() || !provision_templates::is_template(text) => {
            Value::from(text.clone())
        }
        Yaml::Str(text) => {
            let value =
                templater.render_str(text, scope, &options).map_err(|error| RenderError::at(error, node))?;
            // A single expression shows what another variable holds, which need be no secret.
            if node.is_secret()
                && !text.trim_start().starts_with("{{")
                && let Some(text) = value.as_str()
            {
                templater.vault().tell(text);
            }
            value
        }
        Yaml::Null | Yaml::Seq(_) | Yaml::Map(_) => Value::from(()),
    })
}

/// The members of a list or mapping of variables.
struct Members {
    node: Node,
    scope: Arc<dyn Scope>,
    templater: Arc<Templater>,
}

impl std::fmt::Debug for Members {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.node)
    }
}

impl provision_templates::Members for Members {
    fn len(&self) -> usize {
        match &self.node.value {
            Yaml::Seq(items) => items.len(),
            Yaml::Map(map) => map.len(),
            _ => 0,
        }
    }

    fn key(&self, index: usize) -> Value {
        self.node.as_map().and_then(|map| map.keys().nth(index)).map_or_else(Value::default, literal)
    }

    fn find(&self, key: &Value) -> Option<usize> {
        let map = self.node.as_map()?;
        match key.as_str() {
            Some(name) => map.position_str(name),
            None => map.keys().position(|known| literal(known) == *key),
        }
    }

    fn find_name(&self, name: &str) -> Option<usize> {
        self.node.as_map()?.position_str(name)
    }

    fn make(&self, index: usize) -> Result<Value, TemplateError> {
        let node = match &self.node.value {
            Yaml::Seq(items) => items.get(index),
            Yaml::Map(map) => map.values().nth(index),
            _ => None,
        };
        match node {
            Some(node) => variable(node, &self.scope, &self.templater).map_err(|error| error.error),
            None => Ok(Value::from(())),
        }
    }
}

/// Why this cannot be an expression, if it cannot be one whatever it says.
pub fn no_expression(node: &Node) -> Option<&'static str> {
    match () {
        () if node.is_vault() => Some("Conditional expressions must be strings: this one is encrypted."),
        () if node.is_unsafe() => Some("Encountered untrusted template or expression: it is marked !unsafe."),
        () => None,
    }
}

fn undecryptable(error: &provision_vault::Error) -> TemplateError {
    let hint = error.hint().map(|hint| format!(" ({hint})")).unwrap_or_default();
    TemplateError::runtime(format!("Attempt to use undecryptable variable: {error}{hint}"))
}

/// A key of a mapping.
fn literal(node: &Node) -> Value {
    match &node.value {
        Yaml::Str(text) => Value::from(text.clone()),
        _ => provision_templates::from_json(node.to_json()),
    }
}

/// The node as JSON, as arguments travel.
pub fn json(
    node: &Node,
    scope: &Arc<dyn Scope>,
    templater: &Templater,
) -> Result<serde_json::Value, RenderError> {
    Ok(provision_templates::to_json(&self::node(node, scope, templater)?))
}

/// The node as text, as Python's `str()` would print it.
pub fn text(node: &Node, scope: &Arc<dyn Scope>, templater: &Templater) -> Result<String, RenderError> {
    Ok(provision_templates::to_text(&self::node(node, scope, templater)?))
}

/// The node as a boolean, as Ansible reads keywords (`yes`, `"true"`, `1`).
pub fn boolean(node: &Node, scope: &Arc<dyn Scope>, templater: &Templater) -> Result<bool, RenderError> {
    let value = json(node, scope, templater)?;
    truth(&value).ok_or_else(|| {
        RenderError::at(
            TemplateError::runtime(format!("`{}` is neither true nor false", plain(&value))),
            node,
        )
    })
}

/// A JSON value as a boolean in Ansible's sense.
pub fn truth(value: &serde_json::Value) -> Option<bool> {
    match value {
        serde_json::Value::Bool(b) => Some(*b),
        serde_json::Value::Null => Some(false),
        serde_json::Value::Number(n) => Some(n.as_f64().is_some_and(|n| n != 0.0)),
        serde_json::Value::String(s) => match s.to_lowercase().as_str() {
            "yes" | "true" | "on" | "1" | "y" | "t" => Some(true),
            "no" | "false" | "off" | "0" | "n" | "f" | "" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

/// A JSON value as text without quotes.
pub fn plain(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(s) => s.clone(),
        other => other.to_string(),
    }
}

/// Why a value cannot be known in a dry run, when it or something in it cannot.
pub fn unknown_in(value: &Value) -> Option<String> {
    if let Some(reason) = provision_templates::is_unknown(value) {
        return Some(reason);
    }
    match value.kind() {
        minijinja::value::ValueKind::Seq => value.try_iter().ok()?.find_map(|item| unknown_in(&item)),
        minijinja::value::ValueKind::Map => value
            .try_iter()
            .ok()?
            .find_map(|key| value.get_item(&key).ok().and_then(|item| unknown_in(&item))),
        _ => None,
    }
}
