//! Variables that some host of a play cannot have: found before the first connection, where it is certain.
//!
//! Certain means that the task runs on that host as far as the inventory says, that it evaluates the name whenever it
//! runs, and that nothing in the run can define it. Conditions that depend on more than inventory and files may make it
//! right, so behind them nothing is said.

use super::Run;
use super::follow::{Everything, Reached};
use super::hosts::{HostSet, Hosts};
use super::names::{self, Names};
use crate::scope::NAMES;
use crate::vars::{Layer, Magic, TaskScope};
use provision_project::inventory::Inventory;
use provision_project::{Common, Play, Vars};
use provision_source::{Diagnostic, Diagnostics, FileId, Node, Span, Yaml, nearest};
use provision_templates::{Kind, Scope, Used, Value, unknown_value};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Set by the engine or the templates themselves, beside the magic variables and `ansible_…`.
const OTHERS: &[&str] = &[
    "environment",
    "item",
    "template_destpath",
    "template_fullpath",
    "template_host",
    "template_mtime",
    "template_path",
    "template_run_date",
    "template_uid",
    "vars",
];

/// Errors after which the loader still knows all tasks.
const HARMLESS: &[&str] = &[
    "invalid-value",
    "missing-option",
    "template-syntax",
    "undefined-variable",
    "unknown-filter",
    "unknown-handler",
    "unknown-lookup",
    "unknown-option",
    "unknown-test",
    "unsupported",
];

/// Adds an error for each name that is used where it is missing. The place from which on any name may be defined, if
/// there is one: behind it nothing is said.
pub fn check(run: &Run<'_>, everything: &Everything, diags: &mut Diagnostics) -> Option<Span> {
    for play in run.playbooks.iter().flat_map(|p| &p.plays) {
        vars_files(run, play, diags);
    }
    let lost = |d: &Diagnostic| d.is_error() && !d.code.is_some_and(|code| HARMLESS.contains(&code));
    if diags.iter().any(lost) {
        return None;
    }
    let names = names::gather(run, everything);
    let hosts = Hosts::new(run.inventory);
    let plays: Vec<PlayScope> = run
        .playbooks
        .iter()
        .flat_map(|p| &p.plays)
        .map(|play| PlayScope::new(run, play, &hosts, &names))
        .collect();
    let dynamic = names.known.iter().map(|name| (name.clone(), unknown())).collect();
    let mut check = Check {
        run,
        names: &names,
        hosts: &hosts,
        dynamic: Arc::new(dynamic),
        memo: HashMap::new(),
        memo_of: Vec::new(),
        inventory_vars: HashMap::new(),
        shared: None,
        found: BTreeMap::new(),
    };
    for reached in &everything.tasks {
        if names.open.is_some_and(|(first, _)| reached.play >= first) {
            continue;
        }
        if let Some(play) = plays.get(reached.play)
            && !reached.how.doubtful
            && !play.hosts.is_empty()
        {
            check.task(reached, play);
        }
    }
    check.report(&plays, diags);
    names.open.map(|(_, span)| span)
}

fn unknown() -> Value {
    unknown_value("what happens in the run")
}

/// A play's variables and hosts.
struct PlayScope {
    hosts: HostSet,
    vars: Arc<Vars>,
    files: Arc<Vars>,
    role_defaults: Arc<Vars>,
    role_vars: Arc<Vars>,
}

impl PlayScope {
    fn new(run: &Run<'_>, play: &Play, hosts: &Hosts, names: &Names) -> Self {
        let files = vars_files(run, play, &mut Diagnostics::new());
        let public = || play.roles.iter().filter(|role| role.public);
        Self {
            hosts: play_hosts(run, play, hosts, names),
            vars: play.vars.clone(),
            files: Arc::new(files),
            role_defaults: crate::scope::merge(public().map(|role| role.defaults.clone())),
            role_vars: crate::scope::merge(public().map(|role| role.vars.clone())),
        }
    }
}

/// The variables of a play's `vars_files` whose names are written out. What is wrong with these files stops the run.
fn vars_files(run: &Run<'_>, play: &Play, diags: &mut Diagnostics) -> Vars {
    let mut vars = Vars::new();
    for node in &play.vars_files {
        let Some(text) =
            node.as_str().filter(|text| !node.is_vault() && !provision_templates::is_template(text))
        else {
            continue;
        };
        let beside = [play.dir.join("vars").join(text), play.dir.join(text)];
        if let Some(path) = beside.iter().find(|path| path.is_file()) {
            vars.extend(run.loader.vars_file(path, diags));
        }
    }
    vars
}

/// The hosts of the inventory that the play is for; none where that is not known.
fn play_hosts(run: &Run<'_>, play: &Play, hosts: &Hosts, names: &Names) -> HostSet {
    let mut set = hosts.none();
    let pattern = crate::names::hosts_text(&play.hosts);
    if provision_templates::is_template(&pattern) || names.grows && pattern.contains('!') {
        return set;
    }
    let Ok(mut chosen) = run.inventory.select_reporting(&pattern).map(|selection| selection.hosts) else {
        return set;
    };
    if let Some(limit) = &run.asked.limit {
        match run.inventory.limit(chosen, limit) {
            Ok(limited) => chosen = limited,
            Err(_) => return set,
        }
    }
    let wanted: HashSet<&str> = chosen.iter().map(|host| &*host.name).collect();
    for (number, name) in hosts.names.iter().enumerate() {
        if wanted.contains(&**name) {
            set.insert(number);
        }
    }
    set
}

/// A name that is missing for some hosts, where it is used.
struct Missing {
    /// What has to be done before it is evaluated: the number of conditions that were true, and the loop.
    stage: usize,
    name: String,
    span: Place,
    hosts: HostSet,
}

#[derive(Clone)]
enum Place {
    Known(Span),
    /// Bytes in a template file that is added to the sources if something is said of it.
    File(PathBuf, std::ops::Range<usize>),
}

struct Check<'a> {
    run: &'a Run<'a>,
    names: &'a Names,
    hosts: &'a Hosts,
    /// Values that only the run knows.
    dynamic: super::Values,
    /// Hosts for which a name is missing, in the scope named by `memo_of`; None while it is worked out.
    memo: HashMap<String, Option<HostSet>>,
    memo_of: Vec<usize>,
    inventory_vars: HashMap<usize, Arc<Vars>>,
    /// A copy of the inventory, made when a condition is evaluated.
    shared: Option<Arc<Inventory>>,
    /// By place and name, so that a role that is used twice has its mistakes once.
    found: BTreeMap<(FileId, u32, String), (Span, HostSet, HostSet)>,
}

impl Check<'_> {
    fn task(&mut self, reached: &Reached, play: &PlayScope) {
        let task = &reached.task;
        let common = &task.common;
        self.enter(reached.play, common);
        let mut missing = Vec::new();
        for (number, node) in common.when.iter().enumerate() {
            self.uses(node, Kind::Expression, number, play, common, &mut missing);
        }
        let looped = common.when.len();
        if let Some(looping) = &task.looping {
            // Candidates of `first_found` may be missing.
            if looping.lookup.as_deref().is_none_or(|name| !name.ends_with("first_found")) {
                self.uses(&looping.items, Kind::Text, looped, play, common, &mut missing);
            }
        }
        let last = looped + 1;
        for (name, _, node) in &task.args.named {
            match crate::actions::keeps_raw(&task.action.full, name) {
                false => self.uses(node, Kind::Text, last, play, common, &mut missing),
                // What follows a condition that is false is not evaluated.
                true if &**name == "that" => {
                    let first = super::list(node).into_iter().next();
                    first
                        .iter()
                        .for_each(|n| self.uses(n, Kind::Expression, last, play, common, &mut missing));
                }
                true => {}
            }
        }
        let rest = task.args.free.iter();
        rest.for_each(|node| self.uses(node, Kind::Text, last, play, common, &mut missing));
        if let Some(path) = super::syntax::template_file(task) {
            self.file(&path, last, play, common, &mut missing);
        }
        let mut judged = task.changed_when.iter().chain(&task.failed_when);
        if let Some(first) = judged.next() {
            self.uses(first, Kind::Expression, last, play, common, &mut missing);
        }
        if !missing.is_empty() {
            self.sift(reached, play, missing);
        }
    }

    /// Keeps what is missing on hosts on which it is evaluated.
    fn sift(&mut self, reached: &Reached, play: &PlayScope, missing: Vec<Missing>) {
        let mut hosts = play.hosts.clone();
        for include in &reached.via {
            if include.looping.as_ref().is_some_and(|looping| !has_items(&looping.items)) {
                return;
            }
            for node in &include.common.when {
                hosts.retain(|host| self.holds(node, host, play, &include.common) == Some(true));
            }
        }
        let task = &reached.task;
        let filled = task.looping.as_ref().is_none_or(|looping| has_items(&looping.items));
        let conditions = &task.common.when;
        for stage in 0..conditions.len() + 2 {
            // Conditions are evaluated for each item.
            let evaluated = match &task.looping {
                Some(_) if stage != conditions.len() => filled,
                _ => true,
            };
            let mut gone = self.hosts.none();
            for missing in missing.iter().filter(|missing| missing.stage == stage) {
                let mut there = missing.hosts.clone();
                there.keep(&hosts);
                // One host speaks for all, and which one is only known when the run is there.
                let alone = task.common.run_once.is_some() && there != play.hosts;
                if evaluated && !there.is_empty() && !alone {
                    self.say(missing, &there, play);
                }
                gone.add(&missing.hosts);
            }
            hosts.remove(&gone);
            if let Some(node) = conditions.get(stage) {
                hosts.retain(|host| self.holds(node, host, play, &task.common) == Some(true));
            }
            if hosts.is_empty() {
                return;
            }
        }
    }

    /// What a condition is for a host, as far as inventory and files say.
    fn holds(&mut self, node: &Node, host: usize, play: &PlayScope, common: &Common) -> Option<bool> {
        match &node.value {
            Yaml::Bool(b) => Some(*b),
            Yaml::Null => Some(true),
            Yaml::Int(n) => Some(*n != 0),
            Yaml::Str(text) if text.trim().is_empty() => Some(true),
            Yaml::Str(text) => {
                let scope = self.scope(host, play, common);
                self.run.templater.eval_condition(text, &scope).ok()
            }
            Yaml::Seq(items) => {
                for item in items.iter() {
                    if !self.holds(item, host, play, common)? {
                        return Some(false);
                    }
                }
                Some(true)
            }
            _ => None,
        }
    }

    /// What is known of a host's variables before the run. What only the run knows may not be asked for.
    fn scope(&mut self, host: usize, play: &PlayScope, common: &Common) -> Arc<dyn Scope> {
        let inventory = self.run.inventory;
        let name = self.hosts.names.get(host).cloned().unwrap_or_default();
        let vars = self.inventory_vars.entry(host).or_insert_with(|| {
            Arc::new(inventory.host(&name).map(|host| inventory.vars_of(host)).unwrap_or_default())
        });
        let nodes = |vars: &Arc<Vars>| Layer::Nodes(vars.clone());
        let chain = || common.role.iter().flat_map(|role| role.parents.iter().chain([role]));
        let mut layers = vec![nodes(&play.role_defaults)];
        layers.extend(chain().map(|role| nodes(&role.defaults)));
        layers.push(nodes(vars));
        layers.extend([&play.vars, &play.files, &play.role_vars].map(nodes));
        layers.extend(chain().map(|role| nodes(&role.vars)));
        layers.extend(common.vars.iter().chain(&common.params).map(nodes));
        layers.push(Layer::Values(self.dynamic.clone()));
        layers.push(nodes(self.run.extra));
        let (mut groups, mut members) = (unknown(), unknown());
        if !self.names.grows {
            members = inventory
                .host(&name)
                .map(|host| inventory.group_names(host).iter().map(|n| Value::from(&**n)).collect())
                .unwrap_or_else(unknown);
            let names = inventory.groups.keys().cloned().collect();
            let inventory = self.shared.get_or_insert_with(|| Arc::new(inventory.clone())).clone();
            let make = move |group: &str| {
                inventory.group(group)?;
                Some(inventory.hosts_of(group).iter().map(|h| Value::from(&*h.name)).collect())
            };
            groups = Value::from_object(crate::vars::Named { names, make });
        }
        layers.push(Layer::Magic(Arc::new(Known {
            name,
            groups,
            members,
            prefixes: self.names.prefixes.clone(),
        })));
        // Views of all variables show what is not known as well.
        let views = ["hostvars", "vars"].map(|name| (Arc::from(name), unknown()));
        layers.push(Layer::Values(Arc::new(views.into_iter().collect())));
        TaskScope::new(layers, self.run.templater.clone())
    }

    /// Forgets what was worked out for another scope.
    fn enter(&mut self, play: usize, common: &Common) {
        let role = common.role.as_ref().map_or(0, |role| Arc::as_ptr(role) as usize);
        let vars = common.vars.iter().chain(&common.params).map(|vars| Arc::as_ptr(vars) as usize);
        let key: Vec<usize> = [play, role, common.vars.len()].into_iter().chain(vars).collect();
        if key != self.memo_of {
            self.memo_of = key;
            self.memo.clear();
        }
    }

    /// The names that `node` needs whenever it is evaluated, if they are missing anywhere.
    fn uses(
        &mut self,
        node: &Node,
        kind: Kind,
        stage: usize,
        play: &PlayScope,
        common: &Common,
        missing: &mut Vec<Missing>,
    ) {
        match &node.value {
            Yaml::Str(text) if !node.is_unsafe() && !node.is_vault() => {
                if kind == Kind::Text && !provision_templates::is_template(text) {
                    return;
                }
                for used in certain(self.run.templater.references(text, kind).required) {
                    let hosts = self.missing(&used.name, play, common);
                    if !hosts.is_empty() {
                        let sources = &self.run.loader.sources;
                        let span = node.span_within(sources, used.range.start, used.range.len().max(1));
                        let span = Place::Known(if span.is_none() { node.span } else { span });
                        missing.push(Missing { stage, name: used.name, span, hosts });
                    }
                }
            }
            Yaml::Seq(items) if kind == Kind::Text => {
                items.iter().for_each(|item| self.uses(item, kind, stage, play, common, missing));
            }
            Yaml::Map(map) if kind == Kind::Text => {
                map.values().for_each(|value| self.uses(value, kind, stage, play, common, missing));
            }
            _ => {}
        }
    }

    fn file(
        &mut self,
        path: &Path,
        stage: usize,
        play: &PlayScope,
        common: &Common,
        missing: &mut Vec<Missing>,
    ) {
        let Ok(contents) = self.run.loader.sources.vault().read(path) else { return };
        let text = String::from_utf8_lossy(&contents.bytes).into_owned();
        let found = self.run.templater.references(&text, Kind::File);
        // Of a parent only its blocks may be left.
        if found.extends {
            return;
        }
        for used in certain(found.required) {
            let hosts = self.missing(&used.name, play, common);
            if !hosts.is_empty() {
                let span = Place::File(path.to_owned(), used.range);
                missing.push(Missing { stage, name: used.name, span, hosts });
            }
        }
    }

    /// The play's hosts for which nothing defines `name`, or only a value that needs a name that is missing.
    fn missing(&mut self, name: &str, play: &PlayScope, common: &Common) -> HostSet {
        if self.is_known(name) {
            return self.hosts.none();
        }
        match self.memo.get(name) {
            Some(Some(known)) => return known.clone(),
            // It needs itself: that is another mistake.
            Some(None) => return self.hosts.none(),
            None => {}
        }
        self.memo.insert(name.to_owned(), None);
        let missing = self.look_up(name, play, common);
        self.memo.insert(name.to_owned(), Some(missing.clone()));
        missing
    }

    fn look_up(&mut self, name: &str, play: &PlayScope, common: &Common) -> HostSet {
        let chain = || common.role.iter().flat_map(|role| role.parents.iter().chain([role])).rev();
        let above = [self.run.extra]
            .into_iter()
            .chain(common.params.iter().rev())
            .chain(common.vars.iter().rev())
            .chain(chain().map(|role| &role.vars))
            .chain([&play.role_vars, &play.files, &play.vars]);
        if let Some(node) = above.into_iter().find_map(|vars| vars.get(name)) {
            return self.missing_in(&node.clone(), play, common);
        }
        let below = chain().map(|role| &role.defaults).chain([&play.role_defaults]);
        let default = below.into_iter().find_map(|vars| vars.get(name)).cloned();
        let mut missing = play.hosts.clone();
        let hosts = self.hosts;
        let mut defined = hosts.none();
        if let Some(definitions) = hosts.definitions(name) {
            missing.remove(&definitions.plain);
            defined.add(&definitions.plain);
            for (node, set) in &definitions.templates {
                defined.add(set);
                // Which of several values counts is left open: one that is fine is enough.
                let mut fine = set.clone();
                fine.remove(&self.missing_in(node, play, common));
                missing.remove(&fine);
            }
        }
        if let Some(node) = default {
            let lacking = self.missing_in(&node, play, common);
            missing.retain(|host| {
                let mut one = hosts.none();
                one.insert(host);
                let mut given = one.clone();
                given.keep(&defined);
                one.keep(&lacking);
                !given.is_empty() || !one.is_empty()
            });
        }
        missing
    }

    /// Hosts for which a variable's value needs a name that is missing.
    fn missing_in(&mut self, node: &Node, play: &PlayScope, common: &Common) -> HostSet {
        let mut missing = self.hosts.none();
        // Of lists and mappings only what is used is templated.
        if let Yaml::Str(text) = &node.value
            && !node.is_unsafe()
            && !node.is_vault()
            && provision_templates::is_template(text)
        {
            for used in certain(self.run.templater.references(text, Kind::Text).required) {
                missing.add(&self.missing(&used.name, play, common));
            }
        }
        missing
    }

    fn is_known(&self, name: &str) -> bool {
        self.names.known.contains(name)
            || self.names.prefixes.iter().any(|prefix| name.starts_with(prefix))
            || NAMES.contains(&name)
            || OTHERS.contains(&name)
    }

    fn say(&mut self, missing: &Missing, hosts: &HostSet, play: &PlayScope) {
        let span = match &missing.span {
            Place::Known(span) => *span,
            Place::File(path, range) => self.template_place(path, range),
        };
        let key = (span.file, span.start, missing.name.clone());
        let entry = self.found.entry(key);
        let (_, all, of) = entry.or_insert_with(|| (span, self.hosts.none(), self.hosts.none()));
        all.add(hosts);
        of.add(&play.hosts);
    }

    /// The place in a template file, whose text becomes one of the sources, once.
    fn template_place(&self, path: &Path, range: &std::ops::Range<usize>) -> Span {
        let sources = &self.run.loader.sources;
        let file = sources.find(path).unwrap_or_else(|| {
            let contents = sources.vault().read(path);
            let text = contents.as_ref().map(|c| String::from_utf8_lossy(&c.bytes)).unwrap_or_default();
            sources.add_file(path, text.as_ref().into(), contents.as_ref().is_ok_and(|c| c.secret))
        });
        Span::new(file, range.start as u32, range.end.max(range.start + 1) as u32)
    }

    fn report(self, plays: &[PlayScope], diags: &mut Diagnostics) {
        if self.found.is_empty() {
            return;
        }
        let mut all: Vec<&str> = self.names.known.iter().map(|name| &**name).collect();
        all.extend(self.hosts.defined_names().map(|name| &**name));
        all.extend(NAMES);
        for play in plays {
            for vars in [&play.vars, &play.files, &play.role_defaults, &play.role_vars, self.run.extra] {
                all.extend(vars.keys().map(|name| &**name));
            }
        }
        // Which of equally near names is offered must not depend on an order by chance.
        all.sort_unstable();
        all.dedup();
        for ((_, _, name), (span, hosts, of)) in &self.found {
            let somewhere = all.binary_search(&name.as_str()).is_ok();
            let (title, label) = match hosts == of && !somewhere {
                true => (
                    format!("`{name}` is not defined anywhere"),
                    "no inventory, play, role, task or fact has a variable of this name".to_owned(),
                ),
                false => (
                    format!("`{name}` is not defined for {}", self.hosts.name_some(hosts)),
                    match somewhere {
                        true => "not for every host that comes here".to_owned(),
                        false => "no variable of this name is seen here".to_owned(),
                    },
                ),
            };
            let mut error = Diagnostic::error(title).code("undefined-variable").at(*span, label);
            if !somewhere {
                error = error.did_you_mean(nearest(name, all.iter().copied()));
            }
            diags.push(error);
        }
    }
}

fn certain(required: Vec<Used>) -> impl Iterator<Item = Used> {
    required.into_iter().filter(|used| used.certain)
}

/// A loop that is written out has something to go through.
fn has_items(node: &Node) -> bool {
    match &node.value {
        // A template among them may come to nothing, as in `["{{ list }}"]` of with_items.
        Yaml::Seq(items) => items.iter().any(|item| {
            !matches!(&item.value, Yaml::Null | Yaml::Seq(_))
                && !item.as_str().is_some_and(provision_templates::is_template)
        }),
        Yaml::Map(map) => map.iter().next().is_some(),
        _ => false,
    }
}

/// Names that the engine answers, as far as they are known before the run.
struct Known {
    name: Arc<str>,
    groups: Value,
    members: Value,
    prefixes: Vec<&'static str>,
}

impl Magic for Known {
    fn get(&self, name: &str) -> Option<Value> {
        Some(match name {
            "inventory_hostname" => Value::from(&*self.name),
            "inventory_hostname_short" => Value::from(self.name.split('.').next().unwrap_or_default()),
            "groups" => self.groups.clone(),
            "group_names" => self.members.clone(),
            _ if NAMES.contains(&name) || OTHERS.contains(&name) => unknown(),
            _ if self.prefixes.iter().any(|prefix| name.starts_with(prefix)) => unknown(),
            _ => return None,
        })
    }

    fn names(&self) -> &'static [&'static str] {
        NAMES
    }
}
