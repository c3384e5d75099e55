//! Hosts, groups and their variables: from YAML and INI files, directories, host lists and executable
//! scripts, with `group_vars` and `host_vars` beside them and beside the playbook.
//!
//! Semantics are Ansible's (<https://docs.ansible.com/ansible/latest/inventory_guide/>). Where Ansible
//! warns and drops a whole source that it cannot parse, we report an error with its place.

mod build;
mod files;
mod ini;
mod literal;
mod pattern;
mod plugin;
mod range;
mod script;
mod source;
#[cfg(test)]
mod tests;
mod yaml;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use indexmap::{IndexMap, IndexSet};
use provision_source::{Diagnostics, Node, Sources, Span, Yaml};

use files::VarsFiles;
pub use pattern::{PatternError, Selection};

/// Variables in the order they were written.
pub type Vars = IndexMap<Arc<str>, Node>;

/// Names that mean the control machine when the inventory does not define them.
pub const LOCALHOST: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// All hosts and groups of a run.
#[derive(Clone, Debug)]
pub struct Inventory {
    pub hosts: IndexMap<Arc<str>, Host>,
    /// `all` and `ungrouped` are always there and come first.
    pub groups: IndexMap<Arc<str>, Group>,
    implicit: Vec<Host>,
    files: VarsFiles,
    /// Whose `group_vars` and `host_vars` are among the files.
    playbook: Option<PathBuf>,
}

#[derive(Clone, Debug)]
pub struct Host {
    pub name: Arc<str>,
    /// The groups that list this host, without their parents.
    pub groups: IndexSet<Arc<str>>,
    /// Variables given in inventory sources; those of `host_vars` files are in [`Inventory::vars_layers`].
    pub vars: Vars,
    /// `localhost` that no source defines: in no group and not part of `all`.
    pub implicit: bool,
}

#[derive(Clone, Debug)]
pub struct Group {
    pub name: Arc<str>,
    /// Direct members.
    pub hosts: IndexSet<Arc<str>>,
    pub children: IndexSet<Arc<str>>,
    pub parents: IndexSet<Arc<str>>,
    /// Variables given in inventory sources.
    pub vars: Vars,
    /// `ansible_group_priority`, 1 when not given.
    pub priority: i64,
    /// Longest way from `all`, which has 0.
    pub depth: usize,
}

/// What an inventory is loaded for.
#[derive(Clone, Debug, Default)]
pub struct LoadContext {
    /// Where `group_vars` and `host_vars` of the playbook are looked for.
    pub playbook_dir: Option<PathBuf>,
}

/// Variables of one origin, as [`Inventory::vars_layers`] lists them.
#[derive(Clone, Debug)]
pub struct Layer<'a> {
    pub origin: Origin<'a>,
    pub vars: &'a Vars,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Origin<'a> {
    /// In an inventory source, for a group (`all` among them).
    Group(&'a str),
    /// A file below `group_vars`.
    GroupFile { beside: Beside, group: &'a str, path: &'a Path },
    /// In an inventory source, for the host.
    Host,
    /// A file below `host_vars`.
    HostFile { beside: Beside, path: &'a Path },
}

/// What a variable of [`Inventory::definitions`] is defined for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner<'a> {
    Group(&'a str),
    Host(&'a str),
}

/// Whose `group_vars` and `host_vars`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beside {
    Inventory,
    Playbook,
}

impl Inventory {
    /// An inventory without hosts: only `all`, `ungrouped` and the implicit localhost.
    pub fn empty() -> Inventory {
        build::Builder::new().finish(&mut Diagnostics::new())
    }

    /// Of nothing but groups and the names of their hosts, for choosing hosts by patterns.
    pub fn of_groups(groups: impl IntoIterator<Item = (String, Vec<String>)>) -> Inventory {
        let mut builder = build::Builder::new();
        for (group, hosts) in groups {
            builder.add_group(&group);
            for host in hosts {
                builder.add_host(&host, provision_source::Span::NONE);
                builder.add_member(&group, &host);
            }
        }
        builder.finish(&mut Diagnostics::new())
    }

    /// Loads the sources named by `specs` (`-i`: file, directory, or host list with a comma) in order; what
    /// later ones say about the same variable wins. Everything wrong with any of them goes to `diags`.
    pub fn load(
        sources: &Sources,
        specs: &[String],
        ctx: &LoadContext,
        diags: &mut Diagnostics,
    ) -> Inventory {
        let mut builder = build::Builder::new();
        let mut roots = Vec::new();
        for spec in specs {
            source::load_spec(sources, spec, &mut builder, diags);
            roots.extend(source::vars_root(spec));
        }
        let mut inventory = builder.finish(diags);
        for root in roots {
            inventory.add_vars_dir(Beside::Inventory, root, sources, diags);
        }
        if let Some(dir) = &ctx.playbook_dir {
            inventory.set_playbook_dir(dir, sources, diags);
        }
        inventory
    }

    /// The inventory in one text, which is read as a file called `name` would be. Nothing else is looked at.
    pub fn read_bytes(sources: &Sources, name: &Path, bytes: Vec<u8>, diags: &mut Diagnostics) -> Inventory {
        let mut builder = build::Builder::new();
        match sources.add_bytes(name, bytes) {
            Ok(file) => source::read_text(sources, file, name, &mut builder, diags),
            Err(diagnostic) => diags.push(diagnostic),
        }
        builder.finish(diags)
    }

    /// Looks for `group_vars` and `host_vars` beside another playbook, in place of the last one's.
    pub fn set_playbook_dir(&mut self, dir: &Path, sources: &Sources, diags: &mut Diagnostics) {
        self.files.forget_playbook();
        self.playbook = Some(dir.to_path_buf());
        self.add_vars_dir(Beside::Playbook, dir.to_path_buf(), sources, diags);
    }

    /// The playbook's directory whose `group_vars` and `host_vars` count now.
    pub fn playbook_dir(&self) -> Option<&Path> {
        self.playbook.as_deref()
    }

    /// A host of the inventory, or the implicit localhost under one of its names.
    pub fn host(&self, name: &str) -> Option<&Host> {
        self.hosts.get(name).or_else(|| self.implicit.iter().find(|h| &*h.name == name))
    }

    pub fn group(&self, name: &str) -> Option<&Group> {
        self.groups.get(name)
    }

    /// All hosts of a group and its descendants, in Ansible's order: level by level.
    pub fn hosts_of(&self, group: &str) -> Vec<&Host> {
        let mut found: IndexSet<&str> = IndexSet::new();
        let mut level: Vec<&str> = vec![group];
        let mut seen: HashSet<&str> = HashSet::from([group]);
        while !level.is_empty() {
            let groups: Vec<&Group> = level.iter().filter_map(|name| self.groups.get(*name)).collect();
            for group in &groups {
                found.extend(group.hosts.iter().map(|h| &**h));
            }
            level =
                groups.iter().flat_map(|g| &g.children).map(|c| &**c).filter(|c| seen.insert(c)).collect();
        }
        found.into_iter().filter_map(|name| self.hosts.get(name)).collect()
    }

    /// All groups a host is in, parents included, in the order in which their variables are merged: `all`,
    /// then by depth, priority and name. The implicit localhost only has `all`'s variables.
    pub fn groups_of(&self, host: &Host) -> Vec<&Group> {
        let mut seen: IndexSet<&str> = host.groups.iter().map(|g| &**g).collect();
        seen.insert("all");
        let mut at = 0;
        while let Some(name) = seen.get_index(at) {
            if let Some(group) = self.groups.get(*name) {
                seen.extend(group.parents.iter().map(|p| &**p));
            }
            at += 1;
        }
        let mut groups: Vec<&Group> = seen.into_iter().filter_map(|name| self.groups.get(name)).collect();
        groups.sort_by(|a, b| (a.depth, a.priority, &a.name).cmp(&(b.depth, b.priority, &b.name)));
        groups
    }

    /// The magic variable `group_names`: sorted, without `all`.
    pub fn group_names(&self, host: &Host) -> Vec<Arc<str>> {
        if host.implicit {
            return Vec::new();
        }
        let mut names: Vec<Arc<str>> =
            self.groups_of(host).iter().filter(|g| &*g.name != "all").map(|g| g.name.clone()).collect();
        names.sort();
        names
    }

    /// Everything the inventory says about a host, weakest first: Ansible's levels 3 to 10, that is group
    /// variables of the sources, `group_vars/all` beside inventory and playbook, other `group_vars` beside
    /// inventory and playbook, host variables of the sources, `host_vars` beside inventory and playbook.
    pub fn vars_layers<'a>(&'a self, host: &'a Host) -> Vec<Layer<'a>> {
        let groups = self.groups_of(host);
        let mut layers: Vec<Layer<'a>> = groups
            .iter()
            .filter(|g| !g.vars.is_empty())
            .map(|g| Layer { origin: Origin::Group(&g.name), vars: &g.vars })
            .collect();
        let beside = [Beside::Inventory, Beside::Playbook];
        for side in beside {
            self.files.push_group_layers(side, &["all"], &mut layers);
        }
        let others: Vec<&'a str> = groups.iter().map(|g| &*g.name).filter(|name| *name != "all").collect();
        for side in beside {
            self.files.push_group_layers(side, &others, &mut layers);
        }
        if !host.vars.is_empty() {
            layers.push(Layer { origin: Origin::Host, vars: &host.vars });
        }
        for side in beside {
            self.files.push_host_layers(side, &host.name, &mut layers);
        }
        layers
    }

    /// [`Inventory::vars_layers`] merged: later layers replace earlier ones' values.
    pub fn vars_of(&self, host: &Host) -> Vars {
        let mut all = Vars::new();
        for layer in self.vars_layers(host) {
            all.extend(layer.vars.iter().map(|(k, v)| (k.clone(), v.clone())));
        }
        all
    }

    /// Everything that gives variables values, each for a group or a host; in no order of precedence.
    pub fn definitions(&self) -> impl Iterator<Item = (Owner<'_>, &Vars)> {
        let groups = self.groups.values().map(|group| (Owner::Group(&group.name), &group.vars));
        let hosts =
            self.hosts.values().chain(&self.implicit).map(|host| (Owner::Host(&host.name), &host.vars));
        groups.chain(hosts).filter(|(_, vars)| !vars.is_empty()).chain(self.files.definitions())
    }

    /// Directories that `group_vars` and `host_vars` are looked for in.
    pub fn vars_dirs(&self) -> impl Iterator<Item = &Path> {
        self.files.roots()
    }

    /// The names under which the control machine is known without being in the inventory.
    pub fn implicit_hosts(&self) -> &[Host] {
        &self.implicit
    }

    /// What is said of a group itself: in the sources, then in `group_vars` beside inventory and playbook.
    pub fn group_vars(&self, group: &Group) -> Vars {
        let mut all = group.vars.clone();
        let mut layers = Vec::new();
        for side in [Beside::Inventory, Beside::Playbook] {
            self.files.push_group_layers(side, &[&group.name], &mut layers);
        }
        for layer in layers {
            all.extend(layer.vars.iter().map(|(k, v)| (k.clone(), v.clone())));
        }
        all
    }

    /// Adds a host at run time (`add_host`), or variables and groups to one that is there. Groups come into
    /// being as needed; `group_vars` and `host_vars` files of what is new are read. True when the host or a
    /// group or membership is new.
    pub fn add_host(
        &mut self,
        name: &str,
        groups: &[&str],
        vars: Vars,
        sources: &Sources,
        diags: &mut Diagnostics,
    ) -> bool {
        let mut builder =
            build::Builder::resume(std::mem::take(&mut self.hosts), std::mem::take(&mut self.groups));
        let mut new = builder.add_host(name, Span::NONE);
        for group in groups {
            builder.add_group(group);
            new |= builder.add_member(group, name);
        }
        let mut changed = Diagnostics::new();
        for (key, value) in vars {
            builder.set_host_var(name, key, value);
        }
        let updated = builder.finish(&mut changed);
        self.hosts = updated.hosts;
        self.groups = updated.groups;
        self.implicit = updated.implicit;
        diags.extend(changed);
        self.read_vars_files(sources, diags);
        new
    }

    /// Puts a host of the inventory into a group at run time (`group_by`), below `parents` if any are given.
    /// True when that is new.
    pub fn add_to_group(
        &mut self,
        host: &str,
        group: &str,
        parents: &[&str],
        sources: &Sources,
        diags: &mut Diagnostics,
    ) -> bool {
        let mut builder =
            build::Builder::resume(std::mem::take(&mut self.hosts), std::mem::take(&mut self.groups));
        let mut new = builder.add_group(group);
        for parent in parents {
            builder.add_group(parent);
            if let Err(d) = builder.add_child(parent, group, Span::NONE) {
                diags.push(d);
            }
        }
        new |= builder.add_member(group, host);
        let updated = builder.finish(diags);
        self.hosts = updated.hosts;
        self.groups = updated.groups;
        self.implicit = updated.implicit;
        self.read_vars_files(sources, diags);
        new
    }

    fn add_vars_dir(&mut self, beside: Beside, dir: PathBuf, sources: &Sources, diags: &mut Diagnostics) {
        self.files.add_dir(beside, dir, diags);
        self.read_vars_files(sources, diags);
    }

    fn read_vars_files(&mut self, sources: &Sources, diags: &mut Diagnostics) {
        self.files.read(
            self.groups.keys(),
            self.hosts.keys().chain(self.implicit.iter().map(|h| &h.name)),
            sources,
            diags,
        );
    }
}

/// The `localhost` nobody defined.
fn implicit_host(name: &str) -> Host {
    let vars = Vars::from([("ansible_connection".into(), Node::str("local"))]);
    Host { name: name.into(), groups: IndexSet::new(), vars, implicit: true }
}

/// A mapping of variables; keys that are no strings become their text.
fn vars_from_map(node: &Node) -> Vars {
    let Yaml::Map(map) = &node.value else { return Vars::new() };
    map.iter()
        .filter_map(|(k, v)| {
            let name = match &k.value {
                Yaml::Str(s) => s.clone(),
                _ => k.scalar_text()?,
            };
            Some((name, v.clone()))
        })
        .collect()
}
