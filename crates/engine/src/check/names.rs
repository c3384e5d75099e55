//! Names that the run itself may give values to: they are never reported as missing, on no host.

use super::files::{self, Meant};
use super::follow::Everything;
use super::{Run, Values};
use provision_project::{Play, Task, Vars};
use provision_source::{Diagnostics, Node, Span, Yaml};
use provision_templates::is_template;
use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

/// Facts of modules that are put among the variables under their own names, without `ansible_` before them.
const FACTS: &[(&str, &[&str])] = &[
    ("mount_facts", &["aggregate_mounts", "mount_points"]),
    ("package_facts", &["packages"]),
    ("service_facts", &["services"]),
];

/// What the run may define.
pub struct Names {
    pub known: HashSet<Arc<str>>,
    /// Beginnings of names: `getent` makes one for each database.
    pub prefixes: Vec<&'static str>,
    /// The number of the first play in which any name may be defined, and by what.
    pub open: Option<(usize, Span)>,
    /// Hosts or groups may come during the run.
    pub grows: bool,
}

/// Gathers them from everything that may run.
pub fn gather(run: &Run<'_>, everything: &Everything) -> Names {
    let mut names = Gather {
        run,
        fixed: Arc::default(),
        play: 0,
        names: Names {
            known: HashSet::new(),
            prefixes: vec!["ansible_"],
            open: everything.open,
            grows: false,
        },
    };
    let plays: Vec<&Arc<Play>> = run.playbooks.iter().flat_map(|p| &p.plays).collect();
    for (number, play) in plays.iter().enumerate() {
        names.play = number;
        names.play(play);
    }
    for reached in &everything.tasks {
        names.play = reached.play;
        names.task(&reached.task);
        // Variables of an include's loop are handed down.
        for include in &reached.via {
            names.loops(include);
        }
    }
    for (_, role) in &everything.roles {
        // What a dependency of an included role defines is seen by that role, too.
        if role.public || role.dependency {
            names.add(&role.defaults);
            names.add(&role.vars);
        }
    }
    for file in &everything.unread {
        names.unread(file);
    }
    let elsewhere = plays.iter().any(|play| run.inventory.playbook_dir() != Some(&play.dir));
    if names.names.grows || elsewhere {
        names.beside_everything(&plays);
    }
    names.names
}

struct Gather<'a> {
    run: &'a Run<'a>,
    fixed: Values,
    play: usize,
    names: Names,
}

impl Gather<'_> {
    fn know(&mut self, name: &str) {
        if !self.names.known.contains(name) {
            self.names.known.insert(name.into());
        }
    }

    fn add(&mut self, vars: &Vars) {
        vars.keys().for_each(|name| self.know(name));
    }

    fn open(&mut self, span: Span) {
        if self.names.open.is_none_or(|(play, _)| self.play < play) {
            self.names.open = Some((self.play, span));
        }
    }

    fn play(&mut self, play: &Play) {
        play.vars_prompt.iter().for_each(|prompt| self.know(&prompt.name));
        for node in &play.vars_files {
            // One file that is written out is a layer of its own; see `undefined`.
            let several = node.as_seq().is_some();
            for name in super::list(node) {
                if several || name.as_str().is_none_or(is_template) {
                    self.vars_file(play, &name);
                }
            }
        }
    }

    fn vars_file(&mut self, play: &Play, node: &Node) {
        let dirs =
            provision_project::Dirs { play: play.dir.clone(), task: play.dir.clone(), ..Default::default() };
        let mut task = Task::made(0, node.span, play.common.clone());
        task.dirs = Arc::new(dirs);
        let paths = match files::meant(node, &task, &self.fixed, self.run.templater) {
            Meant::Anything => return self.open(node.span),
            Meant::Names(names) => names.iter().filter_map(|n| task.dirs.find("vars", n)).collect(),
            Meant::Patterns(patterns) => {
                patterns.iter().flat_map(|p| files::matching(&task.dirs, "vars", p)).collect::<Vec<_>>()
            }
        };
        paths.iter().for_each(|path| self.file(path, node.span));
    }

    /// The names in a file of variables. What is wrong with it is said when it is read.
    fn file(&mut self, path: &Path, span: Span) {
        let mut read = Diagnostics::new();
        let vars = self.run.loader.vars_file(path, &mut read);
        if read.has_errors() {
            self.open(span);
        }
        self.add(&vars);
    }

    fn loops(&mut self, task: &Task) {
        for node in task.control.loop_var.iter().chain(&task.control.index_var) {
            match node.as_str().filter(|text| !is_template(text)) {
                Some(name) => self.know(name),
                None => self.open(node.span),
            }
        }
    }

    fn task(&mut self, task: &Task) {
        self.loops(task);
        if let Some(name) = &task.register {
            self.know(name);
        }
        let action = task.action.full.rsplit('.').next().unwrap_or_default();
        let free = || task.args.free.as_ref().and_then(Node::as_str).unwrap_or_default();
        match action {
            "include_vars" => self.include_vars(task),
            "set_fact" | "add_host" => {
                if let Some(whole) = &task.args.whole {
                    self.open(whole.span);
                }
                for (name, _, _) in &task.args.named {
                    match is_template(name) {
                        false => self.know(name),
                        true => match files::keys(name, task, &self.fixed, self.run.templater) {
                            Some(keys) => keys.iter().for_each(|key| self.know(key)),
                            None => self.open(task.span),
                        },
                    }
                }
                self.names.grows |= action == "add_host";
            }
            "group_by" => self.names.grows = true,
            "getent" => self.names.prefixes.push("getent_"),
            "meta" if free().contains("refresh_inventory") => {
                self.names.grows = true;
                self.open(task.span);
            }
            _ => {
                for name in FACTS.iter().filter(|(module, _)| *module == action).flat_map(|(_, names)| *names)
                {
                    self.know(name);
                }
                // Facts of other modules get names of their own.
                if action.ends_with("_facts")
                    && action != "gather_facts"
                    && !FACTS.iter().any(|(module, _)| *module == action)
                {
                    self.open(task.span);
                }
            }
        }
    }

    fn include_vars(&mut self, task: &Task) {
        let args = &task.args;
        if let Some(whole) = &args.whole {
            return self.open(whole.span);
        }
        if let Some(name) = args.get("name") {
            // All of it goes into one variable.
            return match name.as_str().filter(|text| !is_template(text)) {
                Some(name) => self.know(name),
                None => self.open(name.span),
            };
        }
        let dir = args.get("dir");
        let Some(node) = dir.or(args.get("file")).or(args.free.as_ref()) else { return };
        let templater = self.run.templater;
        let mut paths = match files::meant(node, task, &self.fixed, templater) {
            Meant::Anything => return self.open(node.span),
            Meant::Names(names) => names.iter().filter_map(|name| task.dirs.find("vars", name)).collect(),
            Meant::Patterns(patterns) if dir.is_none() => {
                patterns.iter().flat_map(|p| files::matching(&task.dirs, "vars", p)).collect::<Vec<_>>()
            }
            // Files below directories of which only a part is known.
            Meant::Patterns(_) => return self.open(node.span),
        };
        if dir.is_some() {
            let mut inside = Vec::new();
            paths.iter().for_each(|path| files::below(path, 0, &mut inside));
            paths = inside;
        }
        paths.iter().for_each(|path| self.file(path, node.span));
    }

    /// Names that a file of tasks seems to define, although it did not load.
    fn unread(&mut self, path: &Path) {
        let sources = provision_source::Sources::new();
        let text = std::fs::read_to_string(path).unwrap_or_default();
        match provision_source::parse_str(&sources, path, text) {
            Ok(documents) => documents.iter().for_each(|node| self.seems(node)),
            Err(_) => self.open(Span::NONE),
        }
    }

    fn seems(&mut self, node: &Node) {
        match &node.value {
            Yaml::Seq(items) => items.iter().for_each(|item| self.seems(item)),
            Yaml::Map(map) => {
                for (key, value) in map.iter() {
                    let key = key.scalar_text().unwrap_or_default();
                    match key.rsplit('.').next().unwrap_or_default() {
                        "register" | "loop_var" | "index_var" => {
                            value.as_str().into_iter().for_each(|name| self.know(name));
                        }
                        "set_fact" => match value.as_map() {
                            Some(facts) => facts
                                .keys()
                                .filter_map(|name| name.scalar_text())
                                .for_each(|name| self.know(&name)),
                            None => self.open(value.span),
                        },
                        "include_vars" | "include_role" | "import_role" | "include_tasks"
                        | "import_tasks" => {
                            self.open(Span::NONE);
                        }
                        _ => self.seems(value),
                    }
                }
            }
            _ => {}
        }
    }

    /// New hosts and groups, and plays that were imported from elsewhere, may bring in any file beside playbooks and
    /// inventory.
    fn beside_everything(&mut self, plays: &[&Arc<Play>]) {
        let mut dirs: Vec<std::path::PathBuf> = plays.iter().map(|play| play.dir.clone()).collect();
        dirs.extend(self.run.inventory.vars_dirs().map(Path::to_owned));
        dirs.sort();
        dirs.dedup();
        for dir in dirs {
            let mut found = Vec::new();
            ["group_vars", "host_vars"].iter().for_each(|kind| files::below(&dir.join(kind), 0, &mut found));
            let span = plays.first().map_or(Span::NONE, |play| play.span);
            found.iter().for_each(|path| self.file(path, span));
        }
    }
}
