//! What can be known of a run before the first connection, beyond the loader's own checks.

use crate::vars::{Layer, TaskScope};
use provision_project::inventory::Inventory;
use provision_project::load::{StaticRender, all_tasks};
use provision_project::{Loader, Play, Playbook, Task, Vars};
use provision_source::{Diagnostic, Diagnostics, Node, Span, Yaml};
use provision_templates::{Kind, Scope, Templater};
use std::sync::Arc;

/// Renders what imports need with play and extra variables.
pub fn static_render(templater: Arc<Templater>, extra: Arc<Vars>) -> Box<StaticRender> {
    Box::new(move |text, layers| {
        let mut all: Vec<Layer> = layers.iter().cloned().map(Layer::Nodes).collect();
        all.push(Layer::Nodes(extra.clone()));
        let scope: Arc<dyn Scope> = TaskScope::new(all, templater.clone());
        let value = templater.render_str(text, &scope, &provision_templates::RenderOptions::default());
        value.map(|v| provision_templates::to_text(&v)).map_err(|e| e.message.clone())
    })
}

/// Template syntax of every value and condition, lookups, names, and files that must be there.
pub fn templates(
    playbooks: &[Playbook],
    templater: &Templater,
    loader: &Loader,
    inventory: &Inventory,
    extra: &Vars,
    diags: &mut Diagnostics,
) {
    let mut check = Check { templater, loader, diags };
    for play in playbooks.iter().flat_map(|p| &p.plays) {
        check.play(play);
        check.vars(&play.vars);
        let mut tasks = Vec::new();
        for items in [&play.pre_tasks, &play.tasks, &play.post_tasks] {
            all_tasks(items, &mut tasks);
        }
        for role in &play.roles {
            check.vars(&role.defaults);
            check.vars(&role.vars);
        }
        for task in tasks.iter().chain(&play.handlers) {
            check.task(task);
        }
    }
    if !diags.has_errors() {
        crate::undefined::check(playbooks, templater, loader, inventory, extra, diags);
    }
}

/// The node's elements; a single value is one.
pub fn list(node: &Node) -> Vec<Node> {
    node.as_seq().map_or_else(|| vec![node.clone()], <[Node]>::to_vec)
}

/// Orders of hosts.
const ORDERS: &[&str] = &["inventory", "reverse_inventory", "sorted", "reverse_sorted", "shuffle"];

struct Check<'a> {
    templater: &'a Templater,
    loader: &'a Loader,
    diags: &'a mut Diagnostics,
}

impl Check<'_> {
    /// Keywords of a play with few values.
    fn play(&mut self, play: &Play) {
        let plain = |node: &Option<Node>| {
            node.as_ref()
                .and_then(|n| Some((n.as_str()?.to_owned(), n.span)))
                .filter(|(t, _)| !provision_templates::is_template(t))
        };
        if let Some((name, span)) = plain(&play.order)
            && !ORDERS.contains(&name.as_str())
        {
            let error =
                Diagnostic::error(format!("order `{name}` is not supported")).at(span, "not known here");
            self.diags.push(error.did_you_mean(provision_source::nearest(&name, ORDERS.iter().copied())));
        }
    }

    fn lookup(&mut self, name: &str, span: Span) {
        if !crate::lookups::exists(self.templater, name) {
            self.diags.push(
                Diagnostic::error(format!("there is no lookup `{name}`"))
                    .at(span, "not known or not supported yet"),
            );
        }
    }

    fn vars(&mut self, vars: &Vars) {
        vars.values().for_each(|node| self.text(node));
    }

    fn task(&mut self, task: &Task) {
        let raw = |name: &str| crate::actions::keeps_raw(&task.action.full, name);
        for (name, _, node) in &task.args.named {
            if !raw(name) {
                self.text(node);
            } else if &**name == "that" {
                self.expression(node);
            }
        }
        task.args.free.iter().chain(&task.args.whole).chain(&task.name).for_each(|node| self.text(node));
        task.looping.iter().for_each(|l| self.text(&l.items));
        if let Some((lookup, items)) =
            task.looping.as_ref().and_then(|l| Some((l.lookup.as_ref()?, &l.items)))
        {
            self.lookup(lookup, items.span);
        }
        let common = &task.common;
        let conditions =
            common.when.iter().chain(&task.until).chain(&task.changed_when).chain(&task.failed_when);
        conditions.for_each(|node| self.expression(node));
        common.vars.iter().for_each(|vars| self.vars(vars));
        common.environment.iter().for_each(|node| self.text(node));
        self.source(task);
    }

    /// `src` of copy, template and script, when it is plain text and the task runs unconditionally.
    fn source(&mut self, task: &Task) {
        let kind = match task.action.full.as_ref() {
            "ansible.builtin.template" => "templates",
            "ansible.builtin.copy" => "files",
            _ => return,
        };
        let Some(node) = task.args.get("src") else { return };
        let remote = task.args.get("remote_src").is_some_and(|n| n.as_bool() != Some(false));
        let Some(text) = node.as_str() else { return };
        if remote || !task.common.when.is_empty() || provision_templates::is_template(text) {
            return;
        }
        match task.dirs.find(kind, text) {
            None => {
                let mut error =
                    Diagnostic::error(format!("the file `{text}` is not there")).at(node.span, "named here");
                for path in task.dirs.candidates(kind, text) {
                    error = error.note(format!("looked for {}", path.display()));
                }
                self.diags.push(error);
            }
            Some(path) if kind == "templates" && path.is_file() => self.file(&path),
            Some(_) => {}
        }
    }

    /// A template file's syntax. Its text is added to the sources so that the error can point into it.
    fn file(&mut self, path: &std::path::Path) {
        let Ok(bytes) = std::fs::read(path) else { return };
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Err(error) = self.templater.check_syntax(&text, Kind::File) {
            let file = self.loader.sources.add(path, text);
            let range = error.range.clone().unwrap_or(0..0);
            let span = Span::new(file, range.start as u32, range.end.max(range.start + 1) as u32);
            self.diags.push(Diagnostic::error(error.message.clone()).at(span, "in this template"));
        }
    }

    fn text(&mut self, node: &Node) {
        match &node.value {
            Yaml::Str(text) if !node.is_unsafe() && !node.is_vault() => self.syntax(node, text, Kind::Text),
            Yaml::Seq(items) => items.iter().for_each(|item| self.text(item)),
            Yaml::Map(map) => map.values().for_each(|value| self.text(value)),
            _ => {}
        }
        if node.is_vault() {
            self.diags.push(
                Diagnostic::error("vault is not supported yet").at(node.span, "this value is encrypted"),
            );
        }
    }

    fn expression(&mut self, node: &Node) {
        match &node.value {
            Yaml::Str(text) if !text.trim().is_empty() => self.syntax(node, text, Kind::Expression),
            Yaml::Seq(items) => items.iter().for_each(|item| self.expression(item)),
            _ => {}
        }
    }

    fn syntax(&mut self, node: &Node, text: &str, kind: Kind) {
        if kind == Kind::Text && !provision_templates::is_template(text) {
            return;
        }
        for used in self.templater.references(text, kind).lookups {
            let span = node.span_within(&self.loader.sources, used.range.start, used.range.len().max(1));
            self.lookup(&used.name, if span.is_none() { node.span } else { span });
        }
        if let Err(error) = self.templater.check_syntax(text, kind) {
            let span = match &error.range {
                Some(range) => node.span_within(&self.loader.sources, range.start, range.len().max(1)),
                None => node.span,
            };
            let span = if span.is_none() { node.span } else { span };
            self.diags.push(Diagnostic::error(error.message.clone()).at(span, "in this template"));
        }
    }
}
