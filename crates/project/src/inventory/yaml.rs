//! Inventories in YAML (and JSON of the same shape).

use std::sync::Arc;

use provision_source::{Diagnostic, Diagnostics, Mapping, Node, Yaml, nearest};

use super::build::Builder;
use super::range::expand;
use super::{Vars, vars_from_map};

const KEYS: [&str; 3] = ["hosts", "children", "vars"];

/// Groups may nest this deep; more is a slip or an attack.
const MAX_DEPTH: usize = 100;

/// Reads one document.
pub(super) fn read(document: &Node, builder: &mut Builder, diags: &mut Diagnostics) {
    let Some(groups) = document.as_map() else {
        if !document.is_null() {
            diags.push(
                Diagnostic::error("an inventory is a mapping of groups")
                    .at(document.span, format!("this is a {}", document.kind_name()))
                    .help("start with `all:` and put hosts under `hosts:`"),
            );
        }
        return;
    };
    let mut reader = Reader { builder, diags };
    for (key, value) in groups.iter() {
        reader.group(key, value, 0);
    }
}

struct Reader<'a> {
    builder: &'a mut Builder,
    diags: &'a mut Diagnostics,
}

impl Reader<'_> {
    /// Reads a group; its name when it has one.
    fn group(&mut self, key: &Node, value: &Node, depth: usize) -> Option<Arc<str>> {
        let Yaml::Str(name) = &key.value else {
            self.diags.push(
                Diagnostic::error("a group's name must be a string")
                    .at(key.span, format!("this is a {}", key.kind_name()))
                    .help("quote it"),
            );
            return None;
        };
        if depth > MAX_DEPTH {
            self.diags.push(Diagnostic::error("groups are nested too deep").at(key.span, ""));
            return None;
        }
        let empty = Mapping::new();
        let body = match &value.value {
            Yaml::Map(map) => map,
            Yaml::Null => &empty,
            _ => {
                self.diags.push(
                    Diagnostic::warning(format!("`{name}` is no group and is skipped"))
                        .at(value.span, format!("a group is a mapping, this is a {}", value.kind_name())),
                );
                return None;
            }
        };
        self.builder.add_group(name);
        for (key, value) in body.iter() {
            match key.as_str() {
                Some("vars") => self.vars(name, value),
                Some("children") => self.children(name, value, depth),
                Some("hosts") => self.hosts(name, value),
                _ => self.unknown_key(name, key),
            }
        }
        Some(name.clone())
    }

    fn vars(&mut self, group: &str, value: &Node) {
        if value.is_null() {
            return;
        }
        if value.as_map().is_none() {
            return self.not_a_mapping("vars", group, value);
        }
        for (key, value) in vars_from_map(value) {
            self.builder.set_group_var(group, key, value, self.diags);
        }
    }

    fn children(&mut self, group: &str, value: &Node, depth: usize) {
        let null = Node::null();
        let entries: Vec<(&Node, &Node)> = match &value.value {
            Yaml::Map(map) => map.iter().collect(),
            Yaml::Str(_) => vec![(value, &null)],
            Yaml::Null => Vec::new(),
            _ => return self.not_a_mapping("children", group, value),
        };
        for (key, value) in entries {
            if let Some(child) = self.group(key, value, depth + 1)
                && let Err(d) = self.builder.add_child(group, &child, key.span)
            {
                self.diags.push(d);
            }
        }
    }

    fn hosts(&mut self, group: &str, value: &Node) {
        let null = Node::null();
        let entries: Vec<(&Node, &Node)> = match &value.value {
            Yaml::Map(map) => map.iter().collect(),
            Yaml::Str(_) => vec![(value, &null)],
            Yaml::Null => Vec::new(),
            _ => return self.not_a_mapping("hosts", group, value),
        };
        for (key, value) in entries {
            self.host(group, key, value);
        }
    }

    fn host(&mut self, group: &str, key: &Node, value: &Node) {
        let Some(pattern) = key.as_str() else {
            self.diags.push(
                Diagnostic::error("a host's name must be a string")
                    .at(key.span, format!("this is a {}", key.kind_name()))
                    .help("quote it"),
            );
            return;
        };
        let vars = match &value.value {
            Yaml::Null => Vars::new(),
            Yaml::Map(_) => vars_from_map(value),
            _ => {
                self.diags.push(
                    Diagnostic::error(format!("the variables of host `{pattern}` must be a mapping"))
                        .at(value.span, format!("this is a {}", value.kind_name())),
                );
                return;
            }
        };
        match expand(pattern) {
            Ok(expanded) => {
                for name in &expanded.names {
                    self.builder.add_host(name, key.span);
                    self.builder.add_member(group, name);
                    if let Some(port) = expanded.port {
                        let port = Node::new(key.span, Yaml::Int(port.into()));
                        self.builder.set_host_var(name, "ansible_port".into(), port);
                    }
                    for (key, value) in &vars {
                        self.builder.set_host_var(name, key.clone(), value.clone());
                    }
                }
            }
            Err(message) => {
                self.diags.push(
                    Diagnostic::error(format!("bad host range: {message}")).at(key.span, "in this name"),
                );
            }
        }
    }

    fn unknown_key(&mut self, group: &str, key: &Node) {
        let name = key.scalar_text().unwrap_or_default();
        let near = nearest(&name, KEYS).or((&*name == "host").then_some("hosts"));
        self.diags.push(
            Diagnostic::warning(format!("unknown key `{name}` in group `{group}` is skipped"))
                .at(key.span, "only `hosts`, `children` and `vars` have a meaning here")
                .did_you_mean(near),
        );
    }

    fn not_a_mapping(&mut self, what: &str, group: &str, value: &Node) {
        let d = Diagnostic::error(format!("`{what}` of group `{group}` must be a mapping"))
            .at(value.span, format!("this is a {}", value.kind_name()));
        let first = value.as_seq().and_then(|s| s.first()).and_then(Node::as_str);
        self.diags.push(match first {
            Some(name) if what != "vars" => {
                d.help(format!("write each name with a colon behind it: `{name}:`"))
            }
            _ => d,
        });
    }
}
