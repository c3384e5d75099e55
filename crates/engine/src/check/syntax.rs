//! Each template, lookup and file by itself.

use super::Run;
use super::follow::{Everything, Reached};
use provision_project::{Play, Task, Vars};
use provision_source::{Diagnostic, Diagnostics, Node, Severity, Span, Yaml};
use provision_templates::{ErrorKind, Kind, TemplateError};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// Template syntax of every value and condition, lookups, names, and files that must be there.
pub fn check(run: &Run<'_>, everything: &Everything, diags: &mut Diagnostics) {
    let mut check = Check { run, seen: HashSet::new(), perhaps: false, diags };
    for play in run.playbooks.iter().flat_map(|p| &p.plays) {
        check.play(play);
        check.vars(&play.vars);
        for role in &play.roles {
            check.vars(&role.defaults);
            check.vars(&role.vars);
        }
    }
    for reached in &everything.tasks {
        check.reached(reached);
    }
}

/// Orders of hosts.
const ORDERS: &[&str] = &["inventory", "reverse_inventory", "sorted", "reverse_sorted", "shuffle"];

struct Check<'a> {
    run: &'a Run<'a>,
    /// Template files looked at.
    seen: HashSet<PathBuf>,
    /// What is looked at stands in a file that may not be included.
    perhaps: bool,
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

    fn push(&mut self, mut diagnostic: Diagnostic) {
        if self.perhaps {
            if !self.run.asked.everything {
                return;
            }
            diagnostic.severity = Severity::Warning;
            diagnostic = diagnostic.note("matters only if this file is included");
        }
        self.diags.push(diagnostic);
    }

    fn reached(&mut self, reached: &Reached) {
        // Of what a playbook holds itself every mistake counts, whether it runs or not.
        self.perhaps = reached.how.perhaps && !reached.via.is_empty();
        if !self.perhaps || self.run.asked.everything {
            self.task(&reached.task, !reached.how.doubtful);
        }
        self.perhaps = false;
    }

    fn lookup(&mut self, name: &str, span: Span) {
        if !crate::lookups::exists(self.run.templater, name) {
            self.push(
                Diagnostic::error(format!("there is no lookup `{name}`"))
                    .code("unknown-lookup")
                    .at(span, "not known or not supported yet"),
            );
        }
    }

    fn vars(&mut self, vars: &Vars) {
        vars.values().for_each(|node| self.text(node));
    }

    fn task(&mut self, task: &Task, certain: bool) {
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
        self.source(task, certain);
    }

    /// `src` of copy, template and script, when it is plain text and the task runs unconditionally, its failure not being wanted.
    fn source(&mut self, task: &Task, certain: bool) {
        let kind = match task.action.full.as_ref() {
            "ansible.builtin.template" => "templates",
            "ansible.builtin.copy" => "files",
            _ => return,
        };
        let Some(node) = task.args.get("src") else { return };
        let remote = task.args.get("remote_src").is_some_and(|n| n.as_bool() != Some(false));
        let Some(text) = node.as_str().filter(|_| !node.is_vault()) else { return };
        if let Some(path) = template_file(task) {
            return self.file(&path);
        }
        let always = certain && task.common.when.is_empty() && task.looping.is_none();
        if remote || !always || provision_templates::is_template(text) {
            return;
        }
        if task.dirs.find(kind, text).is_none() {
            let mut error = Diagnostic::error(format!("the file `{text}` is not there"))
                .code("missing-file")
                .at(node.span, "named here");
            for path in task.dirs.candidates(kind, text) {
                error = error.note(format!("looked for {}", path.display()));
            }
            self.push(error);
        }
    }

    /// The syntax of a template file and of those it names. Its text is added to the sources so that the error can
    /// point into it.
    fn file(&mut self, path: &Path) {
        if !self.seen.insert(path.to_owned()) {
            return;
        }
        // What is wrong with it is said when it is rendered.
        let Ok(contents) = self.run.loader.sources.vault().read(path) else { return };
        let text = String::from_utf8_lossy(&contents.bytes).into_owned();
        match self.run.templater.check_syntax(&text, Kind::File) {
            Err(error) => {
                let file = self.run.loader.sources.add_file(path, text.into(), contents.secret);
                let range = error.range.clone().unwrap_or(0..0);
                let span = Span::new(file, range.start as u32, range.end.max(range.start + 1) as u32);
                self.push(syntax_error(&error).at(span, "in this template"));
            }
            Ok(()) => {
                for used in self.run.templater.references(&text, Kind::File).files {
                    let beside = path.parent().map(|dir| dir.join(&used.name));
                    let above = path.ancestors().find(|dir| dir.ends_with("templates"));
                    let places = beside.into_iter().chain(above.map(|dir| dir.join(&used.name)));
                    for place in places.filter(|place| place.is_file()).take(1).collect::<Vec<_>>() {
                        self.file(&place);
                    }
                }
            }
        }
    }

    fn text(&mut self, node: &Node) {
        match &node.value {
            Yaml::Str(text) if !node.is_unsafe() && !node.is_vault() => self.syntax(node, text, Kind::Text),
            Yaml::Seq(items) => items.iter().for_each(|item| self.text(item)),
            Yaml::Map(map) => map.values().for_each(|value| self.text(value)),
            _ => {}
        }
    }

    fn expression(&mut self, node: &Node) {
        if let Some(what) = crate::render::no_expression(node) {
            self.push(Diagnostic::error(what).code("template-syntax").at(node.span, "this condition"));
            return;
        }
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
        for used in self.run.templater.references(text, kind).lookups {
            let span = node.span_within(&self.run.loader.sources, used.range.start, used.range.len().max(1));
            self.lookup(&used.name, if span.is_none() { node.span } else { span });
        }
        if let Err(error) = self.run.templater.check_syntax(text, kind) {
            let span = match &error.range {
                Some(range) => node.span_within(&self.run.loader.sources, range.start, range.len().max(1)),
                None => node.span,
            };
            let span = if span.is_none() { node.span } else { span };
            self.push(syntax_error(&error).at(span, "in this template"));
        }
    }
}

/// The file of a `template` task, if its name and its delimiters are the usual ones.
pub fn template_file(task: &Task) -> Option<PathBuf> {
    let own = |name: &str| name.ends_with("_string") || name.ends_with("_blocks");
    if task.action.full.as_ref() != "ansible.builtin.template"
        || task.args.named.iter().any(|(n, _, _)| own(n))
    {
        return None;
    }
    let src = task.args.get("src")?.as_str().filter(|text| !provision_templates::is_template(text))?;
    task.dirs.find("templates", src).filter(|path| path.is_file())
}

fn syntax_error(error: &TemplateError) -> Diagnostic {
    let code = match error.kind {
        ErrorKind::UnknownFilter { .. } => "unknown-filter",
        ErrorKind::UnknownTest { .. } => "unknown-test",
        _ => "template-syntax",
    };
    Diagnostic::error(error.message.clone()).code(code)
}
