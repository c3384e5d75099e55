//! Putting hosts and groups together, whatever they were read from.

use std::collections::HashMap;
use std::sync::Arc;

use indexmap::{IndexMap, IndexSet};
use provision_source::{Diagnostic, Diagnostics, FileId, Node, Sources, Span, Yaml};

use super::files::VarsFiles;
use super::{Group, Host, Inventory, LOCALHOST, Vars, implicit_host};

pub(super) struct Builder {
    hosts: IndexMap<Arc<str>, Host>,
    groups: IndexMap<Arc<str>, Group>,
    /// Where each host was first named.
    places: HashMap<Arc<str>, Span>,
    /// The file that is being read was encrypted: its values are secrets.
    secret: Option<Sources>,
}

impl Builder {
    pub fn new() -> Builder {
        Builder::resume(IndexMap::new(), IndexMap::new())
    }

    pub fn resume(hosts: IndexMap<Arc<str>, Host>, groups: IndexMap<Arc<str>, Group>) -> Builder {
        let mut builder = Builder { hosts, groups, places: HashMap::new(), secret: None };
        builder.add_group("all");
        builder.add_group("ungrouped");
        builder
    }

    /// True when it is new.
    pub fn add_group(&mut self, name: &str) -> bool {
        if self.groups.contains_key(name) {
            return false;
        }
        let name: Arc<str> = name.into();
        let group = Group {
            name: name.clone(),
            hosts: IndexSet::new(),
            children: IndexSet::new(),
            parents: IndexSet::new(),
            vars: Vars::new(),
            priority: 1,
            depth: 0,
        };
        self.groups.insert(name, group);
        true
    }

    pub fn has_group(&self, name: &str) -> bool {
        self.groups.contains_key(name)
    }

    pub fn group_names(&self) -> impl Iterator<Item = &str> {
        self.groups.keys().map(|k| &**k)
    }

    /// True when it is new.
    pub fn add_host(&mut self, name: &str, span: Span) -> bool {
        if self.hosts.contains_key(name) {
            return false;
        }
        let name: Arc<str> = name.into();
        self.places.insert(name.clone(), span);
        let host = Host { name: name.clone(), groups: IndexSet::new(), vars: Vars::new(), implicit: false };
        self.hosts.insert(name, host);
        true
    }

    /// Makes a known host a member of a known group. True when that is new.
    pub fn add_member(&mut self, group: &str, host: &str) -> bool {
        let (Some(group), Some(host)) = (self.groups.get_mut(group), self.hosts.get_mut(host)) else {
            return false;
        };
        host.groups.insert(group.name.clone());
        group.hosts.insert(host.name.clone())
    }

    /// Makes a known group the child of another.
    ///
    /// # Errors
    /// A group cannot be below itself.
    pub fn add_child(&mut self, parent: &str, child: &str, span: Span) -> Result<(), Diagnostic> {
        if child == "all" || parent == child || self.is_below(parent, child) {
            let title = if parent == child {
                format!("group `{child}` is its own child")
            } else {
                format!("group `{child}` cannot be a child of `{parent}`: `{parent}` is below `{child}`")
            };
            return Err(Diagnostic::error(title).at(span, "closes the circle"));
        }
        let (Some(parent_name), Some(child_name)) =
            (self.groups.get(parent).map(|g| g.name.clone()), self.groups.get(child).map(|g| g.name.clone()))
        else {
            return Ok(());
        };
        self.groups[child].parents.insert(parent_name);
        self.groups[parent].children.insert(child_name);
        Ok(())
    }

    /// Variables set from now on come from this file.
    pub fn guard(&mut self, sources: &Sources, file: FileId) {
        self.secret = sources.is_secret(file).then(|| sources.clone());
    }

    fn guarded(&self, value: Node) -> Node {
        match &self.secret {
            Some(sources) => sources.guard(&value),
            None => value,
        }
    }

    pub fn set_host_var(&mut self, host: &str, key: Arc<str>, value: Node) {
        let value = self.guarded(value);
        if let Some(host) = self.hosts.get_mut(host) {
            host.vars.insert(key, value);
        }
    }

    /// Sets a group's variable; `ansible_group_priority` is a property of the group instead.
    pub fn set_group_var(&mut self, group: &str, key: Arc<str>, value: Node, diags: &mut Diagnostics) {
        let value = self.guarded(value);
        let Some(group) = self.groups.get_mut(group) else { return };
        if &*key != "ansible_group_priority" {
            group.vars.insert(key, value);
            return;
        }
        let number = match &value.value {
            Yaml::Int(i) => Some(*i),
            Yaml::Str(s) => s.trim().parse().ok(),
            _ => None,
        };
        match number {
            Some(priority) => group.priority = priority,
            None => diags.push(
                Diagnostic::error("`ansible_group_priority` must be an integer")
                    .at(value.span, format!("this is a {}", value.kind_name())),
            ),
        }
    }

    /// The inventory as it is so far.
    pub fn snapshot(&self) -> Inventory {
        Builder::resume(self.hosts.clone(), self.groups.clone()).finish(&mut Diagnostics::new())
    }

    /// Every host gets a group, every group a way to `all`.
    pub fn finish(mut self, diags: &mut Diagnostics) -> Inventory {
        let top: Vec<Arc<str>> = self
            .groups
            .values()
            .filter(|g| g.parents.is_empty() && &*g.name != "all")
            .map(|g| g.name.clone())
            .collect();
        for name in top {
            if let Err(d) = self.add_child("all", &name, Span::NONE) {
                diags.push(d);
            }
        }
        // `ungrouped` comes first among `all`'s children, wherever it was mentioned.
        if let Some(at) = self.groups["all"].children.get_index_of("ungrouped") {
            self.groups["all"].children.move_index(at, 0);
        }
        let names: Vec<Arc<str>> = self.hosts.keys().cloned().collect();
        let mut grouped = IndexSet::new();
        for name in names {
            let groups = &self.hosts[&name].groups;
            if groups.iter().any(|g| !matches!(&**g, "all" | "ungrouped")) {
                if self.hosts[&name].groups.shift_remove("ungrouped") {
                    grouped.insert(name.clone());
                }
            } else {
                self.add_member("ungrouped", &name);
            }
            if self.groups.contains_key(&name) {
                let place = self.places.get(&name).copied().unwrap_or(Span::NONE);
                if !place.is_none() {
                    diags.push(
                        Diagnostic::warning(format!("`{name}` is both a host and a group"))
                            .at(place, "host")
                            .note("as a pattern the name means the group"),
                    );
                }
            }
        }
        // All at once: one after the other each would move those behind it.
        if !grouped.is_empty() {
            self.groups["ungrouped"].hosts.retain(|name| !grouped.contains(name));
        }
        self.set_depths();
        let implicit =
            LOCALHOST.iter().filter(|n| !self.hosts.contains_key(**n)).map(|n| implicit_host(n)).collect();
        Inventory {
            hosts: self.hosts,
            groups: self.groups,
            implicit,
            files: VarsFiles::default(),
            playbook: None,
        }
    }

    /// Is `group` the same as `ancestor` or anywhere below it?
    fn is_below(&self, group: &str, ancestor: &str) -> bool {
        let mut todo: Vec<&str> = vec![group];
        let mut seen: IndexSet<&str> = IndexSet::new();
        while let Some(name) = todo.pop() {
            if name == ancestor {
                return true;
            }
            if seen.insert(name)
                && let Some(group) = self.groups.get(name)
            {
                todo.extend(group.parents.iter().map(|p| &**p));
            }
        }
        false
    }

    /// Longest ways from `all`. Groups form no circle, so that as many rounds as groups are enough.
    fn set_depths(&mut self) {
        for _ in 0..self.groups.len() {
            let mut changed = false;
            for at in 0..self.groups.len() {
                let depth = self.groups[at].depth + 1;
                for child in self.groups[at].children.clone() {
                    if let Some(child) = self.groups.get_mut(&child)
                        && child.depth < depth
                    {
                        child.depth = depth;
                        changed = true;
                    }
                }
            }
            if !changed {
                return;
            }
        }
    }
}
