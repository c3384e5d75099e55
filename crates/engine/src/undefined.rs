//! Names that no variable of the run can have: found before the first connection, where it is certain.
//!
//! Certain means that nothing in the run defines the name and that the task evaluates it whenever it runs. Wherever a
//! guard, a rescue, or a file that is only known later might make it right, nothing is said.

use crate::scope::NAMES;
use provision_project::inventory::Inventory;
use provision_project::{Item, Loader, Play, Playbook, Task, Vars};
use provision_source::{Diagnostic, Diagnostics, Node, Span, Yaml, nearest};
use provision_templates::{Kind, Templater, Used};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

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

/// Adds an error for each name that is used and defined nowhere.
pub fn check(
    playbooks: &[Playbook],
    templater: &Templater,
    loader: &Loader,
    inventory: &Inventory,
    extra: &Vars,
    diags: &mut Diagnostics,
) {
    let mut names = Names { loader, known: HashSet::new(), open: false };
    names.add(extra);
    inventory.hosts.values().for_each(|host| names.add(&inventory.vars_of(host)));
    inventory.groups.values().for_each(|group| names.add(&group.vars));
    let plays: Vec<&Play> = playbooks.iter().flat_map(|p| &p.plays).map(|play| &**play).collect();
    for play in &plays {
        names.play(play);
    }
    if names.open {
        return;
    }
    let mut check = Check { templater, loader, known: &names.known, said: HashSet::new(), diags };
    for play in plays {
        for items in [&play.pre_tasks, &play.tasks, &play.post_tasks] {
            check.items(items, false);
        }
        play.handlers.iter().for_each(|handler| check.task(handler));
    }
}

/// Every name that something in the run defines.
struct Names<'a> {
    loader: &'a Loader,
    known: HashSet<String>,
    /// Something defines names that cannot be told beforehand.
    open: bool,
}

impl Names<'_> {
    fn add(&mut self, vars: &Vars) {
        self.known.extend(vars.keys().map(|name| name.to_string()));
    }

    fn play(&mut self, play: &Play) {
        self.add(&play.vars);
        self.known.extend(play.vars_prompt.iter().map(|prompt| prompt.name.to_string()));
        for node in &play.vars_files {
            for name in crate::check::list(node) {
                match name.as_str().filter(|text| !provision_templates::is_template(text)) {
                    Some(text) => {
                        let path = play.dir.join(text);
                        // What is wrong with it is said when it is read.
                        self.add(&self.loader.vars_file(&path, &mut Diagnostics::new()));
                    }
                    None => self.open = true,
                }
            }
        }
        for role in &play.roles {
            [&role.defaults, &role.vars, &role.params].into_iter().for_each(|vars| self.add(vars));
        }
        for items in [&play.pre_tasks, &play.tasks, &play.post_tasks] {
            self.items(items);
        }
        play.handlers.iter().for_each(|handler| self.task(handler));
    }

    fn items(&mut self, items: &[Item]) {
        let mut tasks = Vec::new();
        provision_project::load::all_tasks(items, &mut tasks);
        tasks.iter().for_each(|task| self.task(task));
    }

    fn task(&mut self, task: &Task) {
        task.common.vars.iter().chain(&task.common.params).for_each(|vars| self.add(vars));
        if let Some(role) = &task.common.role {
            for role in role.parents.iter().chain([role]) {
                [&role.defaults, &role.vars, &role.params].into_iter().for_each(|vars| self.add(vars));
            }
        }
        self.known.extend(task.register.iter().map(|name| name.to_string()));
        let control = &task.control;
        for node in control.loop_var.iter().chain(&control.index_var) {
            match node.as_str().filter(|text| !provision_templates::is_template(text)) {
                Some(name) => _ = self.known.insert(name.to_owned()),
                None => self.open = true,
            }
        }
        self.open |= task.args.whole.is_some();
        match task.action.full.rsplit('.').next().unwrap_or_default() {
            "include_vars" | "include_tasks" | "include_role" => self.open = true,
            "set_fact" | "add_host" => {
                for (name, _, _) in &task.args.named {
                    self.open |= provision_templates::is_template(name);
                    self.known.insert(name.to_string());
                }
            }
            _ => {}
        }
    }
}

struct Check<'a> {
    templater: &'a Templater,
    loader: &'a Loader,
    known: &'a HashSet<String>,
    /// Places told of: a role that is used twice has its mistakes once.
    said: HashSet<(Span, String)>,
    diags: &'a mut Diagnostics,
}

impl Check<'_> {
    fn items(&mut self, items: &[Item], rescued: bool) {
        for item in items {
            match item {
                Item::Task(_) if rescued => {}
                Item::Task(task) => self.task(task),
                Item::Role(_, body) => self.items(body, rescued),
                Item::Block(block) => {
                    self.items(&block.block, rescued || !block.rescue.is_empty());
                    self.items(&block.rescue, rescued);
                    self.items(&block.always, rescued);
                }
            }
        }
    }

    fn task(&mut self, task: &Task) {
        let common = &task.common;
        let asked_for = common.tags.iter().any(|tag| tag.as_str().is_some_and(|text| text == "never"));
        if asked_for || common.ignore_errors.is_some() {
            return;
        }
        if let Some(first) = common.when.first() {
            // Whether anything after it is evaluated, the first condition decides.
            if task.looping.is_none() {
                self.node(first, Kind::Expression);
            }
            return;
        }
        if let Some(looping) = &task.looping {
            // Of an empty list nothing more is evaluated.
            if looping.lookup.is_none() {
                self.node(&looping.items, Kind::Text);
            }
            return;
        }
        for (name, _, node) in &task.args.named {
            if !crate::actions::keeps_raw(&task.action.full, name) {
                self.node(node, Kind::Text);
            }
        }
        task.args.free.iter().for_each(|node| self.node(node, Kind::Text));
        if task.action.full.as_ref() == "ansible.builtin.template"
            && let Some(src) = task.args.get("src").and_then(Node::as_str)
            && !provision_templates::is_template(src)
            && let Some(path) = task.dirs.find("templates", src)
        {
            self.file(&path);
        }
    }

    fn node(&mut self, node: &Node, kind: Kind) {
        match &node.value {
            Yaml::Str(text) if !node.is_unsafe() && !node.is_vault() => {
                for used in
                    self.templater.references(text, kind).required.into_iter().filter(|used| used.certain)
                {
                    let span =
                        node.span_within(&self.loader.sources, used.range.start, used.range.len().max(1));
                    self.name(&used, if span.is_none() { node.span } else { span });
                }
            }
            Yaml::Seq(items) if kind == Kind::Text => items.iter().for_each(|item| self.node(item, kind)),
            Yaml::Map(map) if kind == Kind::Text => map.values().for_each(|value| self.node(value, kind)),
            _ => {}
        }
    }

    fn file(&mut self, path: &Path) {
        let Ok(bytes) = std::fs::read(path) else { return };
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let found = self.templater.references(&text, Kind::File);
        // What other files bring in is not known here.
        if !found.files.is_empty() {
            return;
        }
        let missing: Vec<Used> =
            found.required.into_iter().filter(|used| used.certain && !self.is_known(&used.name)).collect();
        if missing.is_empty() {
            return;
        }
        let file = self.loader.sources.add(PathBuf::from(path), text);
        for used in missing {
            let span =
                Span::new(file, used.range.start as u32, used.range.end.max(used.range.start + 1) as u32);
            self.name(&used, span);
        }
    }

    fn is_known(&self, name: &str) -> bool {
        self.known.contains(name)
            || name.starts_with("ansible_")
            || NAMES.contains(&name)
            || OTHERS.contains(&name)
    }

    fn name(&mut self, used: &Used, span: Span) {
        if self.is_known(&used.name) || !self.said.insert((span, used.name.clone())) {
            return;
        }
        let all = self.known.iter().map(String::as_str).chain(NAMES.iter().copied());
        // Which of equally near names is offered must not depend on the set's order.
        let mut all: Vec<&str> = all.collect();
        all.sort_unstable();
        self.diags.push(
            Diagnostic::error(format!("`{}` is not defined anywhere", used.name))
                .at(span, "no inventory, play, role, task or fact has a variable of this name")
                .did_you_mean(nearest(&used.name, all)),
        );
    }
}
