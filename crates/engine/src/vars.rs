//! Variables of a host in a task: layers in Ansible's order of precedence, templated when they are asked for.

use minijinja::value::{Enumerator, Object, Value};
use provision_project::Vars;
use provision_source::Node;
use provision_templates::{ErrorKind, Scope, TemplateError, Templater};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};

use crate::render;

/// Final values: facts, registered results, loop variables.
pub type Values = indexmap::IndexMap<Arc<str>, Value>;

/// One level of precedence.
#[derive(Clone)]
pub enum Layer {
    /// As written: templates in them are rendered when asked for.
    Nodes(Arc<Vars>),
    /// Never templated again.
    Values(Arc<Values>),
    /// Names the engine answers (`inventory_hostname`, `hostvars`, …).
    Magic(Arc<dyn Magic>),
}

/// `hash_behaviour = merge`: mappings are merged key by key, anything else is replaced.
pub fn merge_into(vars: &mut Vars, more: impl IntoIterator<Item = (Arc<str>, Node)>) {
    for (name, node) in more {
        let merged = match vars.get(&name) {
            Some(old) => merged(old, &node),
            None => node,
        };
        vars.insert(name, merged);
    }
}

/// The mappings that several layers have, merged where the uppermost is one. Facts and results are mappings of their
/// own: they are replaced, and what `set_fact` made is merged over what was written.
pub fn merge_layers(layers: &[Layer]) -> Vars {
    let mut found = Vars::new();
    let mut several: Vec<Arc<str>> = Vec::new();
    for layer in layers {
        match layer {
            Layer::Nodes(vars) => {
                several.extend(vars.keys().filter(|name| found.contains_key(*name)).cloned());
                merge_into(&mut found, vars.iter().map(|(name, node)| (name.clone(), node.clone())));
            }
            Layer::Values(values) => {
                for (name, value) in values.iter() {
                    let below = found.get(name).is_some_and(|node| node.as_map().is_some());
                    if below && value.kind() == minijinja::value::ValueKind::Map {
                        let node = crate::includes::literal(&provision_templates::to_json(value));
                        several.push(name.clone());
                        merge_into(&mut found, [(name.clone(), node)]);
                    } else {
                        found.shift_remove(name);
                        several.retain(|other| other != name);
                    }
                }
            }
            Layer::Magic(_) => {}
        }
    }
    found.retain(|name, node| node.as_map().is_some() && several.contains(name));
    found
}

fn merged(old: &Node, new: &Node) -> Node {
    let (Some(below), Some(above)) = (old.as_map(), new.as_map()) else { return new.clone() };
    let mut pairs: Vec<(Node, Node)> = Vec::new();
    for (key, value) in below.iter() {
        let over = key.as_str().and_then(|name| above.get(name));
        pairs.push((key.clone(), over.map_or_else(|| value.clone(), |over| merged(value, over))));
    }
    let known = |key: &Node| key.as_str().is_some_and(|name| below.contains_key(name));
    pairs
        .extend(above.iter().filter(|(key, _)| !known(key)).map(|(key, value)| (key.clone(), value.clone())));
    Node::map(pairs).at(new.span)
}

/// Names computed by the engine.
pub trait Magic: Send + Sync {
    fn get(&self, name: &str) -> Option<Value>;
    fn names(&self) -> &'static [&'static str];
}

enum Slot {
    Busy,
    Done(Result<Option<Value>, TemplateError>),
}

/// The variables that one task sees on one host.
///
/// Lists and mappings among them keep the names they need with them, since their members are templated when these
/// are asked for. So what was looked up is forgotten with this handle; nothing would ever be freed otherwise.
pub struct TaskScope(Arc<Names>);

impl Drop for TaskScope {
    fn drop(&mut self) {
        let mut cache = self.0.cache.lock().unwrap_or_else(|e| e.into_inner());
        cache.closed = true;
        let known = std::mem::take(&mut cache.known);
        drop(cache);
        // values may hold other scopes: they are let go without the lock
        drop(known);
    }
}

struct Names {
    /// Lowest precedence first.
    layers: Vec<Layer>,
    templater: Arc<Templater>,
    cache: Mutex<Cache>,
    me: Weak<Names>,
}

#[derive(Default)]
struct Cache {
    known: HashMap<Arc<str>, Slot>,
    /// Nothing is kept any more.
    closed: bool,
}

impl std::fmt::Debug for TaskScope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TaskScope({} layers)", self.0.layers.len())
    }
}

impl std::fmt::Debug for Names {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Names({} layers)", self.layers.len())
    }
}

impl TaskScope {
    pub fn new(layers: Vec<Layer>, templater: Arc<Templater>) -> Arc<Self> {
        Arc::new(Self(Arc::new_cyclic(|me| Names {
            layers,
            templater,
            cache: Mutex::default(),
            me: me.clone(),
        })))
    }

    /// The same with one more layer on top.
    pub fn with(&self, layer: Layer) -> Arc<Self> {
        let mut layers = self.0.layers.clone();
        layers.push(layer);
        Self::new(layers, self.0.templater.clone())
    }

    /// The same with a few final values on top.
    pub fn with_values(&self, values: impl IntoIterator<Item = (Arc<str>, Value)>) -> Arc<Self> {
        self.with(Layer::Values(Arc::new(values.into_iter().collect())))
    }

    /// The variable before templating.
    pub fn raw(&self, name: &str) -> Option<Node> {
        self.0.layers.iter().rev().find_map(|layer| match layer {
            Layer::Nodes(vars) => vars.get(name).cloned(),
            Layer::Values(values) => {
                values.get(name).map(|v| Node::from_json(&provision_templates::to_json(v)))
            }
            Layer::Magic(magic) => {
                magic.get(name).map(|v| Node::from_json(&provision_templates::to_json(&v)))
            }
        })
    }

    pub fn templater(&self) -> &Arc<Templater> {
        &self.0.templater
    }
}

impl Scope for TaskScope {
    fn get(&self, name: &str) -> Result<Option<Value>, TemplateError> {
        self.0.get(name)
    }

    fn names(&self) -> Vec<String> {
        self.0.names()
    }
}

impl Names {
    fn look_up(&self, name: &str) -> Result<Option<Value>, TemplateError> {
        for layer in self.layers.iter().rev() {
            match layer {
                Layer::Nodes(vars) => {
                    if let Some(node) = vars.get(name) {
                        let Some(me) = self.me.upgrade() else { return Ok(None) };
                        let scope: Arc<dyn Scope> = me;
                        return render::variable(node, &scope, &self.templater).map(Some).map_err(|e| {
                            let mut error = e.error;
                            error.origin.get_or_insert(e.span);
                            error
                        });
                    }
                }
                Layer::Values(values) => {
                    if let Some(value) = values.get(name) {
                        return Ok(Some(value.clone()));
                    }
                }
                Layer::Magic(magic) => {
                    if name == "vars" {
                        return Ok(self.me.upgrade().map(|me| Value::from_object(AllVars(me))));
                    }
                    if let Some(value) = magic.get(name) {
                        return Ok(Some(value));
                    }
                }
            }
        }
        Ok(None)
    }
}

impl Scope for Names {
    fn get(&self, name: &str) -> Result<Option<Value>, TemplateError> {
        {
            let mut cache = self.cache.lock().unwrap_or_else(|e| e.into_inner());
            match cache.known.get(name) {
                Some(Slot::Done(result)) => return result.clone(),
                Some(Slot::Busy) => {
                    return Err(TemplateError::new(
                        ErrorKind::Recursion,
                        format!("recursive loop detected in template: the variable '{name}' needs itself"),
                    ));
                }
                None => {
                    cache.known.insert(name.into(), Slot::Busy);
                }
            }
        }
        let result = self.look_up(name);
        let mut cache = self.cache.lock().unwrap_or_else(|e| e.into_inner());
        if cache.closed {
            cache.known.remove(name);
        } else if let Some(slot) = cache.known.get_mut(name) {
            *slot = Slot::Done(result.clone());
        }
        result
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for layer in &self.layers {
            match layer {
                Layer::Nodes(vars) => names.extend(vars.keys().map(|k| k.to_string())),
                Layer::Values(values) => names.extend(values.keys().map(|k| k.to_string())),
                Layer::Magic(magic) => names.extend(magic.names().iter().map(|n| (*n).to_string())),
            }
        }
        names.sort();
        names.dedup();
        names
    }
}

/// `vars`, and what `hostvars[host]` is: every variable by its name.
#[derive(Debug)]
pub struct AllVars(pub Arc<dyn Scope>);

impl From<AllVars> for Value {
    fn from(all: AllVars) -> Self {
        Value::from_object(all)
    }
}

impl Object for AllVars {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let name = key.as_str()?;
        match self.0.get(name) {
            Ok(value) => value,
            Err(error) if error.is_undefined() => None,
            Err(error) => Some(provision_templates::error_value(error)),
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.0.names().into_iter().map(Value::from).collect())
    }
}

/// A map by name, its entries made when asked for (`hostvars`).
pub struct Named<F> {
    pub names: Vec<Arc<str>>,
    pub make: F,
}

impl<F> std::fmt::Debug for Named<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.names)
    }
}

impl<F: Fn(&str) -> Option<Value> + Send + Sync + 'static> Object for Named<F> {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        (self.make)(key.as_str()?)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.names.iter().map(|n| Value::from(&**n)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn nodes(value: serde_json::Value) -> Layer {
        let pairs = value.as_object().expect("an object").clone().into_iter();
        Layer::Nodes(Arc::new(
            pairs.map(|(name, value)| (Arc::from(name), Node::from_json(&value))).collect(),
        ))
    }

    fn values(value: serde_json::Value) -> Layer {
        let pairs = value.as_object().expect("an object").clone().into_iter();
        Layer::Values(Arc::new(
            pairs.map(|(name, value)| (Arc::from(name), provision_templates::from_json(value))).collect(),
        ))
    }

    #[test]
    fn mappings_are_merged_over_the_levels_and_nothing_else_is() {
        let layers = [
            nodes(json!({"d": {"a": 1, "b": {"x": 1}}, "gone": {"a": 1}, "list": [1], "one": {"a": 1}})),
            values(json!({"gone": "text"})),
            nodes(json!({"d": {"b": {"y": 2}}, "list": [2]})),
            values(json!({"d": {"c": "{{ 1 }}"}})),
        ];
        let all = merge_layers(&layers);
        assert_eq!(all.keys().map(|name| &**name).collect::<Vec<_>>(), ["d"]);
        assert_eq!(all["d"].to_json(), json!({"a": 1, "b": {"x": 1, "y": 2}, "c": "{{ 1 }}"}));
        // What was a value is never templated.
        assert!(all["d"].get("c").is_some_and(Node::is_unsafe));
    }
}
