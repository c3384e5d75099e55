//! Sets of hosts, and which of them the inventory defines a variable for.

use provision_project::inventory::{Inventory, Owner};
use provision_source::Node;
use std::collections::HashMap;
use std::sync::Arc;

/// Hosts by their number in [`Hosts::names`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostSet(Vec<u64>);

impl HostSet {
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    pub fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    pub fn insert(&mut self, host: usize) {
        if let Some(word) = self.0.get_mut(host / 64) {
            *word |= 1 << (host % 64);
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().enumerate().flat_map(|(at, word)| {
            (0..64).filter(move |bit| word & (1 << bit) != 0).map(move |bit| at * 64 + bit)
        })
    }

    pub fn add(&mut self, other: &HostSet) {
        self.0.iter_mut().zip(&other.0).for_each(|(a, b)| *a |= b);
    }

    pub fn keep(&mut self, other: &HostSet) {
        self.0.iter_mut().zip(&other.0).for_each(|(a, b)| *a &= b);
    }

    pub fn remove(&mut self, other: &HostSet) {
        self.0.iter_mut().zip(&other.0).for_each(|(a, b)| *a &= !b);
    }

    /// Keeps the hosts for which `test` holds.
    pub fn retain(&mut self, mut test: impl FnMut(usize) -> bool) {
        let gone: Vec<usize> = self.iter().filter(|host| !test(*host)).collect();
        for host in gone {
            self.0[host / 64] &= !(1 << (host % 64));
        }
    }
}

/// What the inventory says of one variable.
#[derive(Debug)]
pub struct Definitions {
    /// Hosts for which some value is no template: it needs nothing.
    pub plain: HostSet,
    /// Values that are templates, which may need other variables, and for whom.
    pub templates: Vec<(Node, HostSet)>,
}

/// The hosts of the inventory, the implicit ones at the end.
#[derive(Debug)]
pub struct Hosts {
    pub names: Vec<Arc<str>>,
    definitions: HashMap<Arc<str>, Definitions>,
}

impl Hosts {
    pub fn new(inventory: &Inventory) -> Self {
        let implicit = inventory.implicit_hosts();
        let names: Vec<Arc<str>> =
            inventory.hosts.keys().cloned().chain(implicit.iter().map(|h| h.name.clone())).collect();
        let mut hosts = Self { names, definitions: HashMap::new() };
        let numbers: HashMap<Arc<str>, usize> =
            hosts.names.iter().enumerate().map(|(at, name)| (name.clone(), at)).collect();
        let mut members =
            Members { inventory, numbers: &numbers, empty: hosts.none(), known: HashMap::new() };
        let mut definitions: HashMap<Arc<str>, Definitions> = HashMap::new();
        for (owner, vars) in inventory.definitions() {
            let (group, host) = match owner {
                Owner::Group(name) => (Some(members.of(name)), None),
                Owner::Host(name) => (None, numbers.get(name).copied()),
            };
            for (name, node) in vars {
                if !definitions.contains_key(name) {
                    let none = Definitions { plain: members.empty.clone(), templates: Vec::new() };
                    definitions.insert(name.clone(), none);
                }
                let Some(known) = definitions.get_mut(name) else { continue };
                let set = match is_template(node) {
                    false => &mut known.plain,
                    true => {
                        // The hosts of a range share what is written for them.
                        if known.templates.last().is_none_or(|(last, _)| last.span != node.span) {
                            known.templates.push((node.clone(), members.empty.clone()));
                        }
                        let Some((_, set)) = known.templates.last_mut() else { continue };
                        set
                    }
                };
                match (&group, host) {
                    (Some(group), _) => set.add(group),
                    (None, Some(host)) => set.insert(host),
                    (None, None) => {}
                }
            }
        }
        hosts.definitions = definitions;
        hosts
    }

    pub fn none(&self) -> HostSet {
        HostSet(vec![0; self.names.len().div_ceil(64)])
    }

    pub fn definitions(&self, name: &str) -> Option<&Definitions> {
        self.definitions.get(name)
    }

    pub fn defined_names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.definitions.keys()
    }

    /// A few of the names and how many there are besides.
    pub fn name_some(&self, set: &HostSet) -> String {
        const SHOWN: usize = 3;
        let names: Vec<&str> = set.iter().take(SHOWN).filter_map(|at| Some(&**self.names.get(at)?)).collect();
        match set.len().saturating_sub(names.len()) {
            0 => names.join(", "),
            1 => format!("{} and 1 more host", names.join(", ")),
            more => format!("{} and {more} more hosts", names.join(", ")),
        }
    }
}

fn is_template(node: &Node) -> bool {
    !node.is_unsafe() && !node.is_vault() && node.as_str().is_some_and(provision_templates::is_template)
}

/// Hosts of groups, each group's worked out once.
struct Members<'a> {
    inventory: &'a Inventory,
    numbers: &'a HashMap<Arc<str>, usize>,
    empty: HostSet,
    known: HashMap<&'a str, HostSet>,
}

impl<'a> Members<'a> {
    fn of(&mut self, name: &'a str) -> HostSet {
        if let Some(known) = self.known.get(name) {
            return known.clone();
        }
        let mut set = self.empty.clone();
        let inventory = self.inventory;
        if let Some(group) = inventory.group(name) {
            for number in group.hosts.iter().filter_map(|host| self.numbers.get(host)) {
                set.insert(*number);
            }
            for child in &group.children {
                set.add(&self.of(child));
            }
        }
        // `all` is for every host, the implicit ones too.
        if name == "all" {
            (0..self.numbers.len()).for_each(|number| set.insert(number));
        }
        self.known.insert(name, set.clone());
        set
    }
}
