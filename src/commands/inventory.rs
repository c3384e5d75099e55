//! `provision inventory`: what the inventory says, as `ansible-inventory` prints it.

use super::{print, tell};
use crate::cli::{InventoryCommandArgs, complain};
use crate::config::table;
use crate::exit::Exit;
use crate::setup::{self, Setup, VAULTED};
use provision_project::Vars;
use provision_project::inventory::{Group, Host, Inventory, Origin};
use provision_report::{dumps, python_str};
use provision_source::Node;
use serde_json::{Map, Value, json};
use std::collections::HashSet;
use std::sync::Arc;

pub fn run(args: &InventoryCommandArgs) -> Exit {
    match text(args) {
        Ok(text) => match &args.output {
            None => {
                print(&text);
                Exit::Done
            }
            Some(path) => match std::fs::write(path, text) {
                Ok(()) => Exit::Done,
                Err(error) => {
                    tell(&format!(
                        "[ERROR]: Unable to write to destination file ({}): {error}",
                        path.display()
                    ));
                    Exit::Setting
                }
            },
        },
        Err(exit) => exit,
    }
}

fn text(args: &InventoryCommandArgs) -> Result<String, Exit> {
    let wrong = |text: &str| {
        tell(&format!("[ERROR]: {text}"));
        Exit::Setting
    };
    if args.toml {
        return Err(complain("--toml: TOML is not written"));
    }
    match [args.list, args.graph, args.host.is_some()].iter().filter(|wanted| **wanted).count() {
        0 => {
            return Err(wrong(
                "No action selected, at least one of --host, --graph or --list needs to be specified.",
            ));
        }
        1 => {}
        _ => {
            return Err(wrong(
                "Conflicting options used, only one of --host, --graph or --list can be used at the same time.",
            ));
        }
    }
    let config = setup::config()?;
    let export = args.export || config.flag(&table::INVENTORY_EXPORT);
    let here = std::env::current_dir().unwrap_or_default();
    let dir = args.playbook_dir.clone().or_else(|| config.path(&table::PLAYBOOK_DIR)).unwrap_or_default();
    let setup = Setup::read(config, &args.hosts, &args.vars, &args.vault, Some(here.join(dir)))?;
    setup.say("auto")?;
    let inventory = &setup.inventory;
    let shown = Shown { inventory, hosts: chosen(inventory, args)?, export };
    if let Some(name) = &args.host {
        let host = inventory
            .host(name)
            .ok_or_else(|| wrong("You must pass a single valid host to --host parameter"))?;
        return written(args, &setup, Value::Object(shown.host_vars(host)));
    }
    if args.graph {
        let name = args.pattern.as_deref().unwrap_or("all");
        let group = inventory
            .group(name)
            .ok_or_else(|| wrong("Pattern must be valid group name when using --graph"))?;
        let mut lines = Vec::new();
        shown.graph(group, 0, args.show_vars, &mut lines);
        return Ok(lines.join("\n") + "\n");
    }
    let top = inventory.group("all").ok_or(Exit::Invalid)?;
    let value = if args.yaml { shown.tree(top) } else { shown.list(top) };
    written(args, &setup, value)
}

/// The hosts that the limit leaves; all without one.
fn chosen(inventory: &Inventory, args: &InventoryCommandArgs) -> Result<HashSet<Arc<str>>, Exit> {
    let all = inventory.hosts.values();
    let Some(limit) = &args.hosts.limit else { return Ok(all.map(|host| host.name.clone()).collect()) };
    match inventory.limit_reporting(limit) {
        Ok(selection) => {
            for part in &selection.unmatched {
                tell(&format!("[WARNING]: Could not match supplied host pattern, ignoring: {part}"));
            }
            Ok(selection.hosts.iter().map(|host| host.name.clone()).collect())
        }
        Err(error) => {
            tell(&format!("[ERROR]: {error}"));
            Err(Exit::NoHosts)
        }
    }
}

/// As JSON or YAML.
fn written(args: &InventoryCommandArgs, setup: &Setup, value: Value) -> Result<String, Exit> {
    if !args.yaml {
        return Ok(dumps(&value, Some(4)) + "\n");
    }
    setup::yaml(&setup.templater, value).map_err(|text| {
        tell(&format!("error: {text}"));
        Exit::Usage
    })
}

/// The inventory as far as it is shown.
struct Shown<'a> {
    inventory: &'a Inventory,
    hosts: HashSet<Arc<str>>,
    /// Variables stand where they were given, not at every host.
    export: bool,
}

impl Shown<'_> {
    /// What dynamic inventories print.
    fn list(&self, top: &Group) -> Value {
        let mut groups = Map::new();
        self.list_group(top, &mut groups);
        let mut hostvars = Map::new();
        for host in self.inventory.hosts.values().filter(|host| self.hosts.contains(&host.name)) {
            let vars = self.host_vars(host);
            if !vars.is_empty() {
                hostvars.insert(host.name.to_string(), Value::Object(vars));
            }
        }
        groups.insert("_meta".to_owned(), json!({"hostvars": hostvars, "profile": "inventory_legacy"}));
        Value::Object(groups)
    }

    fn list_group(&self, group: &Group, groups: &mut Map<String, Value>) {
        if groups.contains_key(&*group.name) {
            return;
        }
        let mut entry = Map::new();
        let hosts = self.hosts_of(group);
        if &*group.name != "all" && !hosts.is_empty() {
            entry.insert("hosts".to_owned(), json!(hosts.iter().map(|host| &*host.name).collect::<Vec<_>>()));
        }
        let children: Vec<&str> = group.children.iter().map(|name| &**name).collect();
        if !children.is_empty() {
            entry.insert("children".to_owned(), json!(children));
        }
        if self.export {
            let vars = self.group_vars(group);
            if !vars.is_empty() {
                entry.insert("vars".to_owned(), Value::Object(vars));
            }
        }
        if !entry.is_empty() {
            groups.insert(group.name.to_string(), Value::Object(entry));
        }
        for child in self.children(group) {
            self.list_group(child, groups);
        }
    }

    /// What a YAML inventory would say. A host's variables stand where it is met first.
    fn tree(&self, top: &Group) -> Value {
        let mut met = HashSet::new();
        json!({ &*top.name: Value::Object(self.tree_group(top, &mut met)) })
    }

    fn tree_group(&self, group: &Group, met: &mut HashSet<Arc<str>>) -> Map<String, Value> {
        let mut entry = Map::new();
        let mut children = Map::new();
        for child in self.children(group) {
            let below = self.tree_group(child, met);
            if !below.is_empty() {
                children.insert(child.name.to_string(), Value::Object(below));
            }
        }
        if !children.is_empty() {
            entry.insert("children".to_owned(), Value::Object(children));
        }
        let mut hosts = Map::new();
        if &*group.name != "all" {
            for host in self.hosts_of(group) {
                let vars = if met.insert(host.name.clone()) { self.host_vars(host) } else { Map::new() };
                hosts.insert(host.name.to_string(), Value::Object(vars));
            }
        }
        if !hosts.is_empty() {
            entry.insert("hosts".to_owned(), Value::Object(hosts));
        }
        if self.export {
            let vars = self.group_vars(group);
            if !vars.is_empty() {
                entry.insert("vars".to_owned(), Value::Object(vars));
            }
        }
        entry
    }

    fn graph(&self, group: &Group, depth: usize, vars: bool, lines: &mut Vec<String>) {
        let line = |depth: usize, text: String| match depth {
            0 => text,
            _ => format!("{}  |--{text}", "  |".repeat(depth - 1)),
        };
        let shown_vars = |depth: usize, vars: Map<String, Value>, lines: &mut Vec<String>| {
            let mut vars: Vec<_> = vars.into_iter().collect();
            vars.sort_by(|a, b| a.0.cmp(&b.0));
            lines.extend(
                vars.iter().map(|(name, value)| line(depth, format!("{{{name} = {}}}", python_str(value)))),
            );
        };
        lines.push(line(depth, format!("@{}:", group.name)));
        for child in self.children(group) {
            self.graph(child, depth + 1, vars, lines);
        }
        if &*group.name != "all" {
            for host in group.hosts.iter().filter_map(|name| self.inventory.hosts.get(name)) {
                lines.push(line(depth + 1, host.name.to_string()));
                if vars {
                    shown_vars(depth + 2, self.host_vars(host), lines);
                }
            }
        }
        if vars {
            shown_vars(depth + 1, self.group_vars(group), lines);
        }
    }

    fn children<'a>(&'a self, group: &'a Group) -> impl Iterator<Item = &'a Group> {
        group.children.iter().filter_map(|name| self.inventory.groups.get(name))
    }

    fn hosts_of<'a>(&'a self, group: &'a Group) -> Vec<&'a Host> {
        let hosts = group.hosts.iter().filter(|name| self.hosts.contains(*name));
        hosts.filter_map(|name| self.inventory.hosts.get(name)).collect()
    }

    /// All variables of a host; when exporting, those given for the host itself.
    fn host_vars(&self, host: &Host) -> Map<String, Value> {
        if !self.export {
            return plain(&self.inventory.vars_of(host));
        }
        let mut vars = Map::new();
        for layer in self.inventory.vars_layers(host) {
            if matches!(layer.origin, Origin::Host | Origin::HostFile { .. }) {
                vars.extend(plain(layer.vars));
            }
        }
        vars
    }

    /// The variables given for a group itself.
    fn group_vars(&self, group: &Group) -> Map<String, Value> {
        let mut vars = plain(&self.inventory.group_vars(group));
        if group.priority != 1 {
            vars.insert("ansible_group_priority".to_owned(), json!(group.priority));
        }
        vars
    }
}

/// Variables that the inventory was given, without those that Ansible makes itself.
fn plain(vars: &Vars) -> Map<String, Value> {
    const MADE: &[&str] = &[
        "ansible_facts",
        "ansible_group_priority",
        "ansible_play_hosts",
        "ansible_version",
        "group_names",
        "groups",
        "hostvars",
        "inventory_dir",
        "inventory_file",
        "inventory_hostname",
        "inventory_hostname_short",
        "omit",
        "playbook_dir",
        "play_hosts",
    ];
    vars.iter()
        .filter(|(name, _)| !MADE.contains(&&***name))
        .map(|(name, node)| (name.to_string(), provision_source::from_node(&shown(node)).unwrap_or_default()))
        .collect()
}

/// A value with its encrypted strings as Ansible's JSON has them: shown without any password.
fn shown(node: &Node) -> Node {
    node.map_strings(&|node| match node.is_vault() {
        true => Node::map([(Node::str(VAULTED), Node::new(node.span, node.value.clone()))]),
        false => node.clone(),
    })
}
