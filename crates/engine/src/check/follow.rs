//! Every task that may run: those of the playbooks, and those of files and roles that are included while a play runs.

use super::files::{self, Meant};
use super::{Run, Values};
use provision_project::{Common, Dirs, Item, Play, RoleUse, Task};
use provision_source::{Diagnostic, Diagnostics, Node, Severity, Span};
use provision_templates::is_template;
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

/// Includes within includes; deeper ones are not followed.
const MAX_DEPTH: usize = 24;

/// Tasks looked at in one run, included ones counted each time.
const MAX_TASKS: usize = 200_000;

/// What [`follow`] found.
#[derive(Default)]
pub struct Everything {
    pub tasks: Vec<Reached>,
    /// Roles that were included, with the number of the play.
    pub roles: Vec<(usize, Arc<provision_project::Role>)>,
    /// The first play from which on something may be included that is not known: place and number.
    pub open: Option<(usize, Span)>,
    /// Files that did not load although they may run: names in them are looked for without understanding them.
    pub unread: Vec<PathBuf>,
}

/// A task, and how the run comes to it.
pub struct Reached {
    pub task: Arc<Task>,
    /// The number of its play among all.
    pub play: usize,
    /// The includes on the way, outermost first.
    pub via: Vec<Arc<Task>>,
    pub how: How,
}

/// Whether the run gets there.
#[derive(Debug, Clone, Copy, Default)]
pub struct How {
    /// It stands in a file of which it is not known whether it is included.
    pub perhaps: bool,
    /// A failure of it may be wanted, or it may never run: nothing is said of its variables.
    pub doubtful: bool,
}

/// Goes through all plays. Mistakes in included files go to `diags` where it is certain that they are included.
pub fn follow(run: &Run<'_>, diags: &mut Diagnostics) -> Everything {
    let mut fixed = crate::vars::Values::new();
    for (name, node) in run.extra.iter() {
        if !node.as_str().is_some_and(is_template) {
            fixed.insert(name.clone(), provision_templates::from_json(node.to_json()));
        }
    }
    let mut walk = Walk {
        run,
        fixed: Arc::new(fixed),
        found: Everything::default(),
        play: 0,
        ended: false,
        active: Vec::new(),
        said: HashSet::new(),
        diags,
    };
    let plays = run.playbooks.iter().flat_map(|p| &p.plays);
    for (number, play) in plays.enumerate() {
        walk.play = number;
        walk.one_play(play);
    }
    walk.found
}

/// What the included tasks inherit, without what only the run knows.
fn included_common(task: &Task, run: &Run<'_>, diags: &mut Diagnostics) -> Arc<Common> {
    let mut common = (*task.outer).clone();
    common.params.extend(task.common.vars.get(task.outer.vars.len()..).into_iter().flatten().cloned());
    let common = Arc::new(common);
    match task.args.get("apply").and_then(Node::as_map) {
        Some(apply) => run.loader.inherit(&common, apply, diags),
        None => common,
    }
}

struct Walk<'a> {
    run: &'a Run<'a>,
    fixed: Values,
    found: Everything,
    play: usize,
    /// Something may have ended the play.
    ended: bool,
    /// Includes we are in.
    active: Vec<Arc<Task>>,
    /// Mistakes of included files told of: a file may be included often.
    said: HashSet<String>,
    diags: &'a mut Diagnostics,
}

impl Walk<'_> {
    fn one_play(&mut self, play: &Play) {
        self.ended = false;
        for items in [&play.pre_tasks, &play.tasks, &play.post_tasks] {
            self.items(items, How::default());
        }
        let asked: Vec<String> = self.asked_handlers();
        for handler in &play.handlers {
            let notified = topics(handler).iter().any(|topic| asked.contains(topic));
            self.task(handler, How { doubtful: !notified, perhaps: !notified });
        }
    }

    /// Names that tasks of this play notify whenever they run and run in any case.
    fn asked_handlers(&self) -> Vec<String> {
        self.found
            .tasks
            .iter()
            .filter(|r| r.play == self.play && !r.how.doubtful && !r.how.perhaps)
            .filter(|r| r.via.is_empty() && r.task.common.when.is_empty() && r.task.looping.is_none())
            .flat_map(|r| r.task.common.notify.iter().flat_map(super::list))
            .filter_map(|node| node.scalar_text().map(|text| text.to_string()))
            .collect()
    }

    fn items(&mut self, items: &[Item], how: How) {
        for item in items {
            match item {
                Item::Task(task) => self.task(task, how),
                Item::Role(_, body) => self.items(body, how),
                Item::Block(block) => {
                    let saved = How { doubtful: how.doubtful || !block.rescue.is_empty(), ..how };
                    self.items(&block.block, saved);
                    // Only after a failure.
                    self.items(&block.rescue, How { doubtful: true, ..how });
                    self.items(&block.always, how);
                }
            }
        }
    }

    fn task(&mut self, task: &Arc<Task>, how: How) {
        let common = &task.common;
        let asked = &self.run.asked;
        let tags = crate::names::tags(common);
        let selected = crate::tags::selected(&tags, &asked.tags, &asked.skip_tags);
        let forgiven = common.ignore_errors.as_ref().is_some_and(|node| node.as_bool() != Some(false));
        let how = How {
            doubtful: how.doubtful || self.ended || !selected || forgiven || asked.part,
            perhaps: how.perhaps || self.ended || !selected || asked.part,
        };
        if self.found.tasks.len() >= MAX_TASKS {
            return self.open(task.span);
        }
        self.found.tasks.push(Reached { task: task.clone(), play: self.play, via: self.active.clone(), how });
        match task.action.full.rsplit('.').next().unwrap_or_default() {
            "include_tasks" => self.include(task, how, Walk::files),
            "include_role" => self.include(task, how, Walk::roles),
            "meta" => {
                let told = task.args.free.as_ref().and_then(Node::as_str).unwrap_or_default();
                // Where a play ends for some hosts depends on them.
                self.ended |= told.trim().starts_with("end_") || is_template(told);
            }
            _ => {}
        }
    }

    fn open(&mut self, span: Span) {
        if self.found.open.is_none() {
            self.found.open = Some((self.play, span));
        }
    }

    fn include(&mut self, task: &Arc<Task>, how: How, read: fn(&mut Self, &Arc<Task>, How)) {
        // A file that includes itself ends when its condition says so: its tasks are known by then.
        let again = self.active.iter().filter(|active| active.span == task.span).count();
        if again > 0 || self.active.len() >= MAX_DEPTH {
            return;
        }
        self.active.push(task.clone());
        read(self, task, how);
        self.active.pop();
    }

    /// What was read for an include: its mistakes are errors where it is certain that it runs.
    fn take(&mut self, read: Diagnostics, certain: bool) {
        for mut diagnostic in read {
            if !self.said.insert(format!("{:?} {}", diagnostic.span(), diagnostic.title)) {
                continue;
            }
            if !certain {
                if !self.run.asked.everything {
                    continue;
                }
                diagnostic.severity = Severity::Warning;
                diagnostic = diagnostic.note("matters only if this file is included");
            }
            self.diags.push(diagnostic);
        }
    }

    fn files(&mut self, task: &Arc<Task>, how: How) {
        let Some(node) = task.args.get("file").or(task.args.free.as_ref()) else {
            if task.args.whole.is_some() {
                self.open(task.span);
            }
            return;
        };
        // In a block whose failures are dealt with, or where they are ignored, a mistake stops nothing.
        let certain = !how.perhaps && task.common.when.is_empty() && !how.doubtful;
        match files::meant(node, task, &self.fixed, self.run.templater) {
            Meant::Anything => self.open(node.span),
            Meant::Names(names) => {
                for name in names {
                    match task.dirs.find("tasks", &name) {
                        Some(path) => self.file(task, &path, how, certain),
                        None if certain => self.take(missing(task, "task file", &name, node).into(), true),
                        None => {}
                    }
                }
            }
            Meant::Patterns(patterns) => {
                let all = patterns.iter().flat_map(|pattern| files::matching(&task.dirs, "tasks", pattern));
                let mut all: Vec<PathBuf> = all.filter(|path| is_yaml(path)).collect();
                all.sort();
                all.dedup();
                let how = How { perhaps: true, doubtful: true };
                all.iter().for_each(|path| self.file(task, path, how, false));
            }
        }
    }

    fn file(&mut self, task: &Arc<Task>, path: &std::path::Path, how: How, certain: bool) {
        let mut read = Diagnostics::new();
        let common = included_common(task, self.run, &mut read);
        let dirs: &Dirs = &task.dirs;
        let items = self.run.loader.include_tasks(path, &common, dirs, task.is_handler, &mut read);
        if read.has_errors() {
            self.found.unread.push(path.to_owned());
        }
        self.take(read, certain);
        self.items(&items, How { perhaps: !certain, ..how });
    }

    fn roles(&mut self, task: &Arc<Task>, how: How) {
        let Some(node) = task.args.get("name").or_else(|| task.args.get("role")) else {
            if task.args.whole.is_some() {
                self.open(task.span);
            }
            return;
        };
        // In a block whose failures are dealt with, or where they are ignored, a mistake stops nothing.
        let certain = !how.perhaps && task.common.when.is_empty() && !how.doubtful;
        let from = |key: &str| task.args.get(key).and_then(|n| n.scalar_text()).map(|t| t.to_string());
        let parts = ["tasks_from", "vars_from", "defaults_from", "handlers_from"].map(from);
        if parts.iter().flatten().any(|text| is_template(text)) {
            return self.open(node.span);
        }
        let [tasks_from, vars_from, defaults_from, handlers_from] = parts;
        let Meant::Names(names) = files::meant(node, task, &self.fixed, self.run.templater) else {
            return self.open(node.span);
        };
        let public = task.args.get("public").is_some_and(|node| node.as_bool() != Some(false));
        for name in names {
            let wanted = RoleUse {
                name,
                span: node.span,
                tasks_from: tasks_from.clone(),
                vars_from: vars_from.clone(),
                defaults_from: defaults_from.clone(),
                handlers_from: handlers_from.clone(),
                allow_duplicates: Some(true),
                public,
                validate: true,
                parents: parents(task),
                ..RoleUse::default()
            };
            let mut read = Diagnostics::new();
            let common = included_common(task, self.run, &mut read);
            let (items, handlers) = self.run.loader.include_role(&wanted, &common, &task.dirs, &mut read);
            if read.has_errors() {
                let all = items.iter().filter_map(|item| match item {
                    Item::Role(role, _) => Some(role.path.join("tasks")),
                    _ => None,
                });
                for dir in all.collect::<Vec<_>>() {
                    files::below(&dir, 0, &mut self.found.unread);
                }
            }
            self.take(read, certain);
            let how = How { perhaps: !certain, ..how };
            self.included_roles(&items);
            self.items(&items, how);
            let how = How { perhaps: true, doubtful: true };
            handlers.iter().for_each(|handler| self.task(handler, how));
        }
    }

    fn included_roles(&mut self, items: &[Item]) {
        for item in items {
            match item {
                Item::Role(role, body) => {
                    self.found.roles.push((self.play, role.clone()));
                    self.included_roles(body);
                }
                Item::Block(block) => {
                    for part in [&block.block, &block.rescue, &block.always] {
                        self.included_roles(part);
                    }
                }
                Item::Task(_) => {}
            }
        }
    }
}

fn parents(task: &Task) -> Vec<Arc<provision_project::Role>> {
    task.common.role.iter().flat_map(|role| role.parents.iter().chain([role])).cloned().collect()
}

fn missing(task: &Task, what: &str, name: &str, node: &Node) -> Diagnostic {
    let mut error = Diagnostic::error(format!("{what} `{name}` is not there"))
        .code("missing-file")
        .at(node.span, "named here");
    for path in task.dirs.candidates("tasks", name) {
        error = error.note(format!("looked for {}", path.display()));
    }
    error
}

fn is_yaml(path: &std::path::Path) -> bool {
    path.extension().is_some_and(|e| ["yml", "yaml", "json"].iter().any(|known| e == *known))
}

/// What a handler is notified by.
fn topics(handler: &Task) -> Vec<String> {
    let listen = handler.listen.iter().flat_map(super::list);
    let mut topics = Vec::new();
    for text in handler.name.iter().cloned().chain(listen).filter_map(|node| node.scalar_text()) {
        if let Some(role) = &handler.common.role {
            topics.push(format!("{} : {text}", role.name));
        }
        topics.push(text.to_string());
    }
    topics
}
