//! Inventory plugins that are configured by a YAML file: `constructed` and `generator`.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use indexmap::IndexMap;
use provision_source::{Diagnostic, Diagnostics, Mapping, Node, Sources, Span, Yaml, nearest};
use provision_templates::{
    Kwargs, Lookups, PathQuery, RenderOptions, Scope, TemplateError, TemplateSource, Templater, Value,
    value_error,
};

use super::build::Builder;
use super::{Beside, Vars, vars_from_map};

/// Options of `constructed` beside `plugin`.
const CONSTRUCTED: &[&str] = &[
    "compose",
    "groups",
    "keyed_groups",
    "leading_separator",
    "plugin",
    "strict",
    "use_extra_vars",
    "use_vars_plugins",
];
const KEYED: &[&str] = &["default_value", "key", "parent_group", "prefix", "separator", "trailing_separator"];
const GENERATOR: &[&str] = &["hosts", "layers", "plugin"];

/// Combinations of layers; more is a slip.
const MAX_GENERATED: usize = 1_000_000;

/// Parents above each other in a configuration of `generator`.
const MAX_DEPTH: usize = 100;

/// Adds what the configuration `document` of a plugin says to what earlier sources said.
pub(super) fn read(
    document: &Node,
    plugin: &Node,
    path: &Path,
    sources: &Sources,
    builder: &mut Builder,
    diags: &mut Diagnostics,
) {
    let Some(map) = document.as_map() else { return };
    let name = plugin.as_str().unwrap_or("?");
    let result = match name.strip_prefix("ansible.builtin.").unwrap_or(name) {
        "constructed" => {
            unknown(map, "constructed", CONSTRUCTED, diags);
            Constructed::new(map).and_then(|c| c.run(path, sources, builder, diags))
        }
        "generator" => {
            unknown(map, "generator", GENERATOR, diags);
            generator(map, builder, diags)
        }
        _ => Err(Diagnostic::error(format!("the inventory plugin `{name}` is not supported"))
            .code("unsupported")
            .at(plugin.span, "configures a plugin")
            .note("plugins: constructed, generator; other sources: YAML and INI files, directories, host lists, executable scripts")),
    };
    if let Err(diagnostic) = result {
        diags.push(diagnostic);
    }
}

/// Ansible leaves options that it does not know alone.
fn unknown(map: &Mapping, plugin: &str, known: &[&str], diags: &mut Diagnostics) {
    for key in map.keys() {
        let name = key.scalar_text().unwrap_or_default();
        if !known.contains(&&*name) {
            diags.push(
                Diagnostic::warning(format!("`{name}` is no option of `{plugin}` and has no effect"))
                    .at(key.span, "not known here")
                    .did_you_mean(nearest(&name, known.iter().copied())),
            );
        }
    }
}

type Result<T> = std::result::Result<T, Diagnostic>;

fn wrong(node: &Node, what: &str) -> Diagnostic {
    Diagnostic::error(format!("{what}, this is a {}", node.kind_name())).at(node.span, "")
}

struct Constructed<'a> {
    strict: bool,
    use_vars_plugins: bool,
    leading_separator: bool,
    compose: Vec<(&'a Node, &'a Node)>,
    groups: Vec<(&'a Node, &'a Node)>,
    keyed: Vec<Keyed<'a>>,
}

struct Keyed<'a> {
    span: Span,
    key: Option<&'a Node>,
    prefix: String,
    separator: String,
    parent: Option<&'a Node>,
    default: Option<String>,
    trailing: bool,
}

impl<'a> Constructed<'a> {
    fn new(map: &'a Mapping) -> Result<Self> {
        if let Some((key, value)) = map.entry("use_extra_vars")
            && flag(value)? != Some(false)
        {
            return Err(Diagnostic::error("`use_extra_vars` is not supported")
                .code("unsupported")
                .at(key.span, "variables of the command line are not seen here"));
        }
        let option = |name: &str| map.get(name).map_or(Ok(None), flag);
        let mut keyed = Vec::new();
        if let Some(node) = map.get("keyed_groups").filter(|node| !node.is_null()) {
            for entry in node.as_seq().ok_or_else(|| wrong(node, "`keyed_groups` must be a list"))? {
                keyed.push(Keyed::new(entry)?);
            }
        }
        Ok(Self {
            strict: option("strict")?.unwrap_or(false),
            use_vars_plugins: option("use_vars_plugins")?.unwrap_or(false),
            leading_separator: option("leading_separator")?.unwrap_or(true),
            compose: entries(map, "compose")?,
            groups: entries(map, "groups")?,
            keyed,
        })
    }

    fn run(
        &self,
        path: &Path,
        sources: &Sources,
        builder: &mut Builder,
        diags: &mut Diagnostics,
    ) -> Result<()> {
        let templater = Arc::new(Templater::new(Arc::new(Nothing)));
        let mut before = builder.snapshot();
        if self.use_vars_plugins {
            let dir = path.parent().unwrap_or(Path::new("."));
            before.add_vars_dir(Beside::Inventory, dir.to_owned(), sources, diags);
        }
        let hosts: Vec<Arc<str>> = before.hosts.keys().cloned().collect();
        for name in hosts {
            let Some(host) = before.host(&name) else { continue };
            let mut vars = before.vars_of(host);
            vars.insert("inventory_hostname".into(), Node::str(name.clone()).with_tag("!unsafe"));
            vars.insert(
                "inventory_hostname_short".into(),
                Node::str(name.split('.').next().unwrap_or_default()).with_tag("!unsafe"),
            );
            let groups: Vec<Node> = before.group_names(host).into_iter().map(Node::str).collect();
            vars.insert("group_names".into(), Node::seq(groups));
            // What is composed is not seen by the expressions beside it, only by the groups.
            let scope = Known::scope(vars.clone(), &templater);
            for (key, node) in &self.compose {
                let Some(expression) = node.as_str().filter(|text| !text.is_empty()) else { continue };
                let Some(variable) = key.scalar_text() else { continue };
                match evaluate(&templater, expression, &scope) {
                    Ok(value) => {
                        let value = composed(&provision_templates::to_json(&value)).at(node.span);
                        vars.insert(variable.clone(), value.clone());
                        builder.set_host_var(&name, variable, value);
                    }
                    Err(error) => {
                        self.failed(node, &format!("cannot set `{variable}` for host `{name}`"), &error)?;
                    }
                }
            }
            let scope = Known::scope(vars, &templater);
            for (key, node) in &self.groups {
                let Some(group) = key.scalar_text() else { continue };
                let Some(condition) = node.as_str() else { continue };
                match templater.eval_condition(condition, &scope) {
                    Ok(true) => {
                        let group = safe(&group);
                        builder.add_group(&group);
                        builder.add_member(&group, &name);
                    }
                    Ok(false) => {}
                    Err(error) => {
                        self.failed(
                            node,
                            &format!("cannot tell whether host `{name}` is in group `{group}`"),
                            &error,
                        )?;
                    }
                }
            }
            for keyed in &self.keyed {
                self.keyed(keyed, &name, &scope, &templater, builder)?;
            }
        }
        Ok(())
    }

    /// With `strict`, an expression that fails ends it all.
    fn failed(&self, node: &Node, what: &str, error: &TemplateError) -> Result<()> {
        match self.strict {
            false => Ok(()),
            true => {
                Err(Diagnostic::error(format!("{what}: {}", error.message)).at(node.span, "with `strict`"))
            }
        }
    }

    fn keyed(
        &self,
        keyed: &Keyed<'_>,
        host: &str,
        scope: &Arc<dyn Scope>,
        templater: &Templater,
        builder: &mut Builder,
    ) -> Result<()> {
        let Some(key) = keyed.key else {
            return match self.strict {
                true => Err(Diagnostic::error("an entry of `keyed_groups` needs a `key`").at(keyed.span, "")),
                false => Ok(()),
            };
        };
        let expression = key.scalar_text().unwrap_or_default();
        let value = match evaluate(templater, &expression, scope) {
            Ok(value) => provision_templates::to_json(&value),
            Err(error) => {
                return self.failed(key, &format!("cannot tell the group of host `{host}`"), &error);
            }
        };
        let names = match keyed.names(&value) {
            Some(names) => names,
            None => {
                return Err(Diagnostic::error(format!(
                    "a group is named by a string, a list or a mapping, not by `{value}`"
                ))
                .at(key.span, format!("for host `{host}`")));
            }
        };
        let prefix = text(&keyed.prefix, scope, templater).unwrap_or_else(|_| keyed.prefix.clone());
        for name in names {
            let separator = match prefix.is_empty() && !self.leading_separator {
                true => "",
                false => &keyed.separator,
            };
            let group = safe(&format!("{prefix}{separator}{name}"));
            builder.add_group(&group);
            builder.add_member(&group, host);
            let Some(parent) = keyed.parent else { continue };
            let parent = match text(&parent.scalar_text().unwrap_or_default(), scope, templater) {
                Ok(name) => safe(&name),
                Err(error) => {
                    self.failed(parent, &format!("cannot tell the parent of group `{group}`"), &error)?;
                    continue;
                }
            };
            if !parent.is_empty() {
                builder.add_group(&parent);
                builder.add_child(&parent, &group, key.span)?;
            }
        }
        Ok(())
    }
}

impl<'a> Keyed<'a> {
    fn new(entry: &'a Node) -> Result<Self> {
        let map =
            entry.as_map().ok_or_else(|| wrong(entry, "an entry of `keyed_groups` must be a mapping"))?;
        if let Some(key) = map.keys().find(|key| !key.as_str().is_some_and(|name| KEYED.contains(&name))) {
            let name = key.scalar_text().unwrap_or_default();
            return Err(Diagnostic::error(format!("`{name}` is no option of `keyed_groups`"))
                .code("unknown-option")
                .at(key.span, "not known here")
                .did_you_mean(nearest(&name, KEYED.iter().copied())));
        }
        let string = |name: &str| map.get(name).filter(|node| !node.is_null()).and_then(Node::scalar_text);
        let trailing = map.get("trailing_separator").map_or(Ok(None), flag)?;
        if let (Some((key, _)), Some(_)) = (map.entry("default_value"), trailing) {
            return Err(Diagnostic::error("`default_value` and `trailing_separator` exclude each other")
                .at(key.span, "given beside `trailing_separator`"));
        }
        Ok(Self {
            span: entry.span,
            key: map.get("key").filter(|node| !node.is_null()),
            prefix: string("prefix").unwrap_or_default().to_string(),
            separator: string("separator").map_or_else(|| "_".to_owned(), |text| text.to_string()),
            parent: map.get("parent_group").filter(|node| !node.is_null()),
            default: string("default_value").map(|text| text.to_string()),
            trailing: trailing.unwrap_or(true),
        })
    }

    /// The names behind prefix and separator; none if the value cannot name groups.
    fn names(&self, value: &serde_json::Value) -> Option<Vec<String>> {
        use serde_json::Value;
        let plain = |value: &Value| match value {
            Value::String(text) => text.clone(),
            Value::Bool(true) => "True".to_owned(),
            Value::Bool(false) => "False".to_owned(),
            Value::Null => "None".to_owned(),
            other => other.to_string(),
        };
        match value {
            Value::Null => return Some(self.default.iter().cloned().collect()),
            Value::String(text) if text.is_empty() => return Some(self.default.iter().cloned().collect()),
            Value::Bool(false) => return Some(Vec::new()),
            Value::Number(number) if number.as_f64() == Some(0.0) => return Some(Vec::new()),
            _ => {}
        }
        Some(match value {
            Value::String(text) => vec![text.clone()],
            Value::Array(items) => items
                .iter()
                .map(|item| match &self.default {
                    Some(default) if item == "" => default.clone(),
                    _ => plain(item),
                })
                .collect(),
            Value::Object(map) => map
                .iter()
                .map(|(name, value)| match (value == "", &self.default) {
                    (true, Some(default)) => format!("{name}{}{default}", self.separator),
                    (true, None) if !self.trailing => name.clone(),
                    _ => format!("{name}{}{}", self.separator, plain(value)),
                })
                .collect(),
            _ => return None,
        })
    }
}

fn flag(node: &Node) -> Result<Option<bool>> {
    match &node.value {
        Yaml::Null => Ok(None),
        Yaml::Bool(value) => Ok(Some(*value)),
        _ => Err(wrong(node, "true or false is expected")),
    }
}

fn entries<'a>(map: &'a Mapping, name: &str) -> Result<Vec<(&'a Node, &'a Node)>> {
    match map.get(name) {
        None => Ok(Vec::new()),
        Some(node) if node.is_null() => Ok(Vec::new()),
        Some(node) => match node.as_map() {
            Some(map) => Ok(map.iter().collect()),
            None => Err(wrong(node, &format!("`{name}` must be a mapping"))),
        },
    }
}

/// What Ansible makes of the names of groups it constructs.
fn safe(name: &str) -> String {
    let name: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' }).collect();
    match name.starts_with(|c: char| c.is_ascii_digit()) {
        true => format!("_{}", &name[1..]),
        false => name,
    }
}

/// Composed values are not templated again.
fn composed(value: &serde_json::Value) -> Node {
    use serde_json::Value;
    match value {
        Value::String(text) => Node::str(text.as_str()).with_tag("!unsafe"),
        Value::Array(items) => Node::seq(items.iter().map(composed).collect::<Vec<_>>()),
        Value::Object(map) => {
            Node::map(map.iter().map(|(key, value)| (Node::str(key.as_str()), composed(value))))
        }
        other => Node::from_json(other),
    }
}

/// Every combination of the layers, with hosts and groups named by templates.
fn generator(map: &Mapping, builder: &mut Builder, diags: &mut Diagnostics) -> Result<()> {
    let missing = |what: &str| Diagnostic::error(format!("`generator` needs `{what}`"));
    let hosts = map.get("hosts").ok_or_else(|| missing("hosts"))?;
    let name = hosts.get("name").ok_or_else(|| missing("name` below `hosts").at(hosts.span, "here"))?;
    let layers = entries(map, "layers")?;
    let templater = Arc::new(Templater::new(Arc::new(Nothing)));
    let mut combinations: Vec<Vars> = vec![Vars::new()];
    for (layer, values) in layers {
        let Some(layer) = layer.scalar_text() else { continue };
        let values = values.as_seq().ok_or_else(|| wrong(values, "a layer is a list"))?;
        if combinations.len().saturating_mul(values.len()) > MAX_GENERATED {
            return Err(Diagnostic::error(format!("the layers make more than {MAX_GENERATED} hosts")));
        }
        combinations = combinations
            .iter()
            .flat_map(|before| {
                values.iter().map(|value| {
                    let mut vars = before.clone();
                    vars.insert(layer.clone(), value.clone());
                    vars
                })
            })
            .collect();
    }
    for vars in combinations {
        let scope = Known::scope(vars, &templater);
        let host = rendered(name, &scope, &templater)?;
        builder.add_host(&host, name.span);
        let mut making = Making { scope, templater: &templater, builder, diags };
        making.parents(hosts, &host, 0)?;
    }
    Ok(())
}

/// One combination of the layers.
struct Making<'a> {
    scope: Arc<dyn Scope>,
    templater: &'a Templater,
    builder: &'a mut Builder,
    diags: &'a mut Diagnostics,
}

impl Making<'_> {
    /// Puts `child`, a host at depth 0 and a group further up, below its parents.
    fn parents(&mut self, node: &Node, child: &str, depth: usize) -> Result<()> {
        let Some(list) = node.get("parents").filter(|list| !list.is_null()) else { return Ok(()) };
        if depth > MAX_DEPTH {
            return Err(Diagnostic::error(format!("parents are nested more than {MAX_DEPTH} levels deep"))
                .at(list.span, "here"));
        }
        for parent in list.as_seq().ok_or_else(|| wrong(list, "`parents` must be a list"))? {
            let Some(name) = parent.get("name") else {
                return Err(Diagnostic::error("a parent needs its `name`").at(parent.span, "it is missing"));
            };
            let group = rendered(name, &self.scope, self.templater)?;
            self.builder.add_group(&group);
            if depth == 0 {
                self.builder.add_member(&group, child);
            } else {
                self.builder.add_child(&group, child, name.span)?;
            }
            for (key, value) in parent.get("vars").map(vars_from_map).unwrap_or_default() {
                let value = match value.as_str() {
                    Some(_) => Node::str(rendered(&value, &self.scope, self.templater)?).at(value.span),
                    None => value,
                };
                self.builder.set_group_var(&group, key, value, self.diags);
            }
            self.parents(parent, &group, depth + 1)?;
        }
        Ok(())
    }
}

fn rendered(node: &Node, scope: &Arc<dyn Scope>, templater: &Templater) -> Result<String> {
    let template = node.scalar_text().ok_or_else(|| wrong(node, "a string is expected"))?;
    text(&template, scope, templater)
        .map_err(|error| Diagnostic::error(error.message.clone()).at(node.span, "in this template"))
}

fn text(
    template: &str,
    scope: &Arc<dyn Scope>,
    templater: &Templater,
) -> std::result::Result<String, TemplateError> {
    let value = templater.render_str(template, scope, &RenderOptions::default())?;
    value_error(&value).map_or(Ok(()), Err)?;
    Ok(provision_templates::to_text(&value))
}

fn evaluate(
    templater: &Templater,
    expression: &str,
    scope: &Arc<dyn Scope>,
) -> std::result::Result<Value, TemplateError> {
    let value = templater.eval(expression, scope)?;
    value_error(&value).map_or(Ok(value), Err)
}

/// A host's variables, templated when they are asked for.
struct Known {
    vars: Vars,
    templater: Arc<Templater>,
    /// What is being worked out, against variables that need themselves.
    busy: Mutex<Vec<Arc<str>>>,
    done: Mutex<HashMap<Arc<str>, Value>>,
    me: std::sync::Weak<Known>,
}

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Known({} variables)", self.vars.len())
    }
}

impl Known {
    fn scope(vars: Vars, templater: &Arc<Templater>) -> Arc<dyn Scope> {
        Arc::new_cyclic(|me| Known {
            vars,
            templater: templater.clone(),
            busy: Mutex::default(),
            done: Mutex::default(),
            me: me.clone(),
        })
    }

    fn render(&self, node: &Node) -> std::result::Result<Value, TemplateError> {
        Ok(match &node.value {
            Yaml::Str(text) if !node.is_unsafe() && provision_templates::is_template(text) => {
                let Some(me) = self.me.upgrade() else { return Err(TemplateError::runtime("out of scope")) };
                let scope: Arc<dyn Scope> = me;
                self.templater.render_str(text, &scope, &RenderOptions::default())?
            }
            // Nothing is decrypted before the run.
            Yaml::Str(_) if node.is_vault() => {
                return Err(TemplateError::runtime(
                    "the value is encrypted, which an inventory does not see",
                ));
            }
            Yaml::Str(text) => Value::from(text.clone()),
            Yaml::Seq(items) => {
                let items: std::result::Result<Vec<Value>, TemplateError> =
                    items.iter().map(|item| self.render(item)).collect();
                Value::from(items?)
            }
            Yaml::Map(map) => {
                let mut pairs = IndexMap::new();
                for (key, value) in map.iter() {
                    pairs.insert(key.scalar_text().unwrap_or_default(), self.render(value)?);
                }
                provision_templates::mapping(
                    pairs.into_iter().map(|(key, value)| (Value::from(&*key), value)).collect::<Vec<_>>(),
                )
            }
            _ => provision_templates::from_json(node.to_json()),
        })
    }
}

impl Scope for Known {
    fn get(&self, name: &str) -> std::result::Result<Option<Value>, TemplateError> {
        if let Some(value) = self.done.lock().unwrap_or_else(|e| e.into_inner()).get(name) {
            return Ok(Some(value.clone()));
        }
        let Some((key, node)) = self.vars.get_key_value(name) else { return Ok(None) };
        {
            let mut busy = self.busy.lock().unwrap_or_else(|e| e.into_inner());
            if busy.contains(key) {
                return Err(TemplateError::runtime(format!("the variable '{name}' needs itself")));
            }
            busy.push(key.clone());
        }
        let value = self.render(node);
        self.busy.lock().unwrap_or_else(|e| e.into_inner()).retain(|other| other != key);
        let value = value?;
        self.done.lock().unwrap_or_else(|e| e.into_inner()).insert(key.clone(), value.clone());
        Ok(Some(value))
    }

    fn names(&self) -> Vec<String> {
        self.vars.keys().map(|name| name.to_string()).collect()
    }
}

/// Inventories are put together before anything else is known: nothing of the control machine is looked up.
struct Nothing;

impl Lookups for Nothing {
    fn lookup(
        &self,
        name: &str,
        _terms: &[Value],
        _kwargs: &Kwargs,
        _scope: &Arc<dyn Scope>,
    ) -> std::result::Result<Vec<Value>, TemplateError> {
        Err(TemplateError::runtime(format!("the lookup `{name}` is not supported in an inventory")))
    }

    fn read_template(
        &self,
        _name: &str,
        _search: &[std::path::PathBuf],
    ) -> std::result::Result<Option<TemplateSource>, TemplateError> {
        Ok(None)
    }

    fn path(&self, _query: PathQuery<'_>) -> std::result::Result<Value, TemplateError> {
        Err(TemplateError::runtime("files are not looked at in an inventory"))
    }
}
