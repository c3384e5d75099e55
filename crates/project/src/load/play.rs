//! Plays.

use super::fields::{COMMON, PLAY, list, list_of, unknown_keys};
use super::{Loader, roles_of, valid_name};
use crate::model::{Common, Dirs, Item, Play, Prompt, Task, Vars};
use provision_source::{Diagnostic, Diagnostics, Mapping, Node, Yaml, nearest};
use std::path::Path;
use std::sync::Arc;

const PROMPT: &[&str] =
    &["name", "prompt", "default", "private", "confirm", "encrypt", "salt", "salt_size", "unsafe"];

/// What `import_playbook` gives a meaning to.
const IMPORT: &[&str] =
    &["import_playbook", "ansible.builtin.import_playbook", "name", "vars", "when", "tags"];

/// What `import_playbook` hands down to the plays.
#[derive(Debug, Clone, Default)]
pub(super) struct Import {
    vars: Vars,
    common: Arc<Common>,
}

impl Loader {
    /// The plays of a file, imported playbooks in their places.
    pub(super) fn plays(&self, path: &Path, from: &Import, diags: &mut Diagnostics) -> Vec<Arc<Play>> {
        let Some(node) = self.document(path, diags) else { return Vec::new() };
        if node.is_null() {
            diags.push(
                Diagnostic::error(format!("{} is empty", path.display()))
                    .help("a playbook is a list of plays"),
            );
            return Vec::new();
        }
        self.plays_of(&node, path.parent().unwrap_or(Path::new("/")), from, diags)
    }

    /// The plays of a document; `dir` is where its files are looked for.
    pub(super) fn plays_of(
        &self,
        node: &Node,
        dir: &Path,
        from: &Import,
        diags: &mut Diagnostics,
    ) -> Vec<Arc<Play>> {
        let mut plays = Vec::new();
        match &node.value {
            Yaml::Seq(entries) => {
                for entry in entries.iter() {
                    let Some(map) = entry.as_map() else {
                        diags.push(
                            Diagnostic::error("a play must be a mapping")
                                .at(entry.span, format!("this is a {}", entry.kind_name())),
                        );
                        continue;
                    };
                    let import =
                        map.entry("import_playbook").or_else(|| map.entry("ansible.builtin.import_playbook"));
                    match import {
                        Some((_, file)) => plays.extend(self.import_playbook(file, map, dir, from, diags)),
                        None => plays.extend(self.play(entry, map, dir, from, diags).map(Arc::new)),
                    }
                }
            }
            _ => {
                let mut error = Diagnostic::error("a playbook must be a list of plays")
                    .at(node.span, format!("this is a {}", node.kind_name()));
                if node.get("hosts").is_some() {
                    error = error.help("begin the play with `- `");
                }
                diags.push(error);
            }
        }
        plays
    }

    fn import_playbook(
        &self,
        file: &Node,
        map: &Mapping,
        dir: &Path,
        from: &Import,
        diags: &mut Diagnostics,
    ) -> Vec<Arc<Play>> {
        unknown_keys(map, "import_playbook", &[IMPORT, COMMON], diags);
        for key in map.keys().filter(|key| key.as_str().is_some_and(|name| !IMPORT.contains(&name))) {
            let name = key.scalar_text().unwrap_or_default();
            diags.push(
                Diagnostic::warning(format!("`{name}` has no effect on an import of a playbook"))
                    .at(key.span, "as in Ansible, only vars, when and tags are handed down"),
            );
        }
        let mut below = from.clone();
        if let Some(vars) = map.get("vars") {
            // The outermost import wins.
            let mut vars = self.vars(vars, diags);
            vars.extend(from.vars.clone());
            below.vars = vars;
        }
        let keywords: Mapping = map
            .iter()
            .filter(|(key, _)| key.as_str().is_some_and(|name| ["when", "tags"].contains(&name)))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        below.common = self.inherit(&from.common, &keywords, diags);
        let Some(name) =
            self.static_text(file, "the playbook to import", &[Arc::new(below.vars.clone())], diags)
        else {
            return Vec::new();
        };
        let path = dir.join(&name);
        let path = match self.collection_playbook(&name) {
            Some(found) if !path.is_file() => found,
            _ => path,
        };
        if !path.is_file() {
            diags.push(super::task::missing_file("playbook", &name, file.span, &[path]));
            return Vec::new();
        }
        self.deeper(file.span, diags, |this, diags| this.plays(&path, &below, diags))
    }

    fn play(
        &self,
        node: &Node,
        map: &Mapping,
        dir: &Path,
        from: &Import,
        diags: &mut Diagnostics,
    ) -> Option<Play> {
        unknown_keys(map, "a play", &[PLAY, COMMON], diags);
        let missing =
            self.play_defaults.iter().filter(|(key, _)| !map.contains_key(key.as_str().unwrap_or_default()));
        let map: &Mapping =
            &map.iter().chain(missing).map(|(key, value)| (key.clone(), value.clone())).collect();
        let Some(hosts) = map.get("hosts") else {
            let mut error = Diagnostic::error("a play needs `hosts`").at(node.span, "no hosts are named");
            if map.keys().any(|key| key.as_str().is_some_and(|name| self.catalog.find(name).is_some())) {
                error = error.help("this looks like a task: tasks stand under `tasks:` of a play");
            }
            diags.push(error);
            return None;
        };
        let mut vars = map.get("vars").map(|vars| self.vars(vars, diags)).unwrap_or_default();
        vars.extend(from.vars.clone());
        let vars = Arc::new(vars);
        *self.play_vars.lock().unwrap_or_else(|e| e.into_inner()) = vars.clone();
        // The play's vars are a level of their own; tasks do not inherit them as theirs.
        let without_vars: Mapping = map
            .iter()
            .filter(|(k, _)| k.as_str() != Some("vars"))
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect();
        let mut common = (*self.inherit(&from.common, &without_vars, diags)).clone();
        if common.remote_user.is_none() {
            common.remote_user = map.get("user").cloned();
        }
        if !map.contains_key("collections")
            && let Some(own) = super::collections::owner(dir)
        {
            common.collections = [own].into();
        }
        if let Some((key, _)) = map.entry("when") {
            diags.push(
                Diagnostic::error("`when` is no keyword of a play")
                    .at(key.span, "put it on tasks, blocks or roles"),
            );
        }
        let common = Arc::new(common);
        // Imports may use the play's variables in file names.
        let dirs =
            Arc::new(Dirs { role: None, parents: Vec::new(), task: dir.to_owned(), play: dir.to_owned() });
        let mut handlers = Vec::new();
        let section = |name: &str, diags: &mut Diagnostics| {
            map.get(name).map(|list| self.items(list, &common, &dirs, false, diags)).unwrap_or_default()
        };
        let pre_tasks = section("pre_tasks", diags);
        let mut tasks = Vec::new();
        for entry in list_of(map, "roles") {
            tasks.extend(self.role_entry(&entry, &[], &common, &dirs, &mut handlers, diags));
        }
        tasks.extend(section("tasks", diags));
        let post_tasks = section("post_tasks", diags);
        if let Some(list) = map.get("handlers") {
            let own = self.items(list, &common, &dirs, true, diags);
            self.flatten_handlers(own, &mut handlers, diags);
        }
        // Those of imported roles stand last, as in Ansible.
        handlers.extend(self.take_found_handlers());
        let mut roles = Vec::new();
        for items in [&pre_tasks, &tasks, &post_tasks] {
            roles_of(items, &mut roles);
        }
        let play = Play {
            span: node.span,
            name: map.get("name").cloned(),
            hosts: self.decrypted(hosts, diags).unwrap_or_default(),
            gather_facts: map.get("gather_facts").cloned(),
            gathering: ["gather_subset", "gather_timeout", "fact_path"]
                .iter()
                .filter_map(|name| Some((Arc::from(*name), map.get(name)?.clone())))
                .collect(),
            vars,
            vars_files: list_of(map, "vars_files"),
            vars_prompt: self.prompts(map, diags),
            serial: list_of(map, "serial"),
            strategy: map.get("strategy").cloned(),
            order: map.get("order").cloned(),
            max_fail_percentage: map.get("max_fail_percentage").cloned(),
            force_handlers: map.get("force_handlers").cloned(),
            common,
            roles,
            pre_tasks,
            tasks,
            post_tasks,
            handlers,
            dir: dir.to_owned(),
        };
        self.check_notify(&play, diags);
        strategy(&play, diags);
        Some(play)
    }

    fn prompts(&self, map: &Mapping, diags: &mut Diagnostics) -> Vec<Prompt> {
        let mut prompts = Vec::new();
        for entry in list_of(map, "vars_prompt") {
            let Some(fields) = entry.as_map() else {
                diags.push(
                    Diagnostic::error("an entry of `vars_prompt` must be a mapping").at(entry.span, ""),
                );
                continue;
            };
            unknown_keys(fields, "vars_prompt", &[PROMPT], diags);
            match fields.get("name").and_then(|n| n.scalar_text()) {
                Some(name) if valid_name(&name) => prompts.push(Prompt {
                    name,
                    prompt: fields.get("prompt").cloned(),
                    default: fields.get("default").cloned(),
                    private: fields.get("private").and_then(Node::as_bool).unwrap_or(true),
                    confirm: fields.get("confirm").and_then(Node::as_bool).unwrap_or(false),
                    r#unsafe: fields.get("unsafe").and_then(Node::as_bool).unwrap_or(false),
                    encrypt: fields.get("encrypt").filter(|n| !n.is_null()).cloned(),
                    salt: fields.get("salt").filter(|n| !n.is_null()).cloned(),
                    salt_size: fields.get("salt_size").filter(|n| !n.is_null()).cloned(),
                }),
                _ => diags
                    .push(Diagnostic::error("a prompt needs the `name` of a variable").at(entry.span, "")),
            }
        }
        prompts
    }

    /// Handlers in their order; blocks are opened, static imports are already in place.
    pub(super) fn flatten_handlers(
        &self,
        items: Vec<Item>,
        into: &mut Vec<Arc<Task>>,
        diags: &mut Diagnostics,
    ) {
        for item in items {
            match item {
                Item::Task(task) => into.push(task),
                Item::Block(block) => self.flatten_handlers(block.block.clone(), into, diags),
                Item::Role(role, _) => {
                    diags.push(Diagnostic::error(format!(
                        "a role cannot be imported among handlers: `{}`",
                        role.name
                    )));
                }
            }
        }
    }

    /// Handlers of roles that were imported by tasks, kept until the play takes them.
    pub(super) fn found_handlers(&self, handlers: Vec<Arc<Task>>) {
        self.handlers.lock().unwrap_or_else(|e| e.into_inner()).extend(handlers);
    }

    fn take_found_handlers(&self) -> Vec<Arc<Task>> {
        std::mem::take(&mut *self.handlers.lock().unwrap_or_else(|e| e.into_inner()))
    }

    /// Every handler that a task names must be there, unless something that is only known later may bring it.
    fn check_notify(&self, play: &Play, diags: &mut Diagnostics) {
        let mut names: Vec<String> = Vec::new();
        for handler in &play.handlers {
            let own = handler.name.iter().chain(handler.listen.iter().flat_map(|l| match l.as_seq() {
                Some(items) => items.iter().collect::<Vec<_>>(),
                None => vec![l],
            }));
            for name in own.filter_map(|n| n.scalar_text()) {
                if provision_templates::is_template(&name) {
                    return;
                }
                if let Some(role) = &handler.common.role {
                    names.push(format!("{} : {name}", role.name));
                }
                names.push(name.to_string());
            }
            if handler.action.full.contains("include_") {
                return;
            }
        }
        let mut tasks = Vec::new();
        for items in [&play.pre_tasks, &play.tasks, &play.post_tasks] {
            all_tasks(items, &mut tasks);
        }
        if tasks.iter().any(|task| task.action.full.ends_with("include_role")) {
            return;
        }
        for task in tasks.into_iter().chain(play.handlers.iter().cloned()) {
            for node in task.common.notify.iter().flat_map(list) {
                let Some(name) = node.scalar_text() else { continue };
                if provision_templates::is_template(&name) || names.iter().any(|known| known == &*name) {
                    continue;
                }
                diags.push(
                    Diagnostic::error(format!("there is no handler `{name}`"))
                        .code("unknown-handler")
                        .at(node.span, "notified here")
                        .did_you_mean(nearest(&name, names.iter().map(String::as_str))),
                );
            }
        }
    }
}

/// Every task of a list, in order.
pub fn all_tasks(items: &[Item], found: &mut Vec<Arc<Task>>) {
    for item in items {
        match item {
            Item::Task(task) => found.push(task.clone()),
            Item::Role(_, body) => all_tasks(body, found),
            Item::Block(block) => {
                for part in [&block.block, &block.rescue, &block.always] {
                    all_tasks(part, found);
                }
            }
        }
    }
}

/// The strategies there are.
const STRATEGIES: &[&str] = &["linear", "free", "host_pinned"];

fn strategy(play: &Play, diags: &mut Diagnostics) {
    let Some((node, name)) = play.strategy.as_ref().and_then(|node| Some((node, node.as_str()?))) else {
        return;
    };
    let short = name.strip_prefix("ansible.builtin.").unwrap_or(name);
    if !STRATEGIES.contains(&short) && !provision_templates::is_template(name) {
        diags.push(
            Diagnostic::error(format!("the strategy `{name}` is not supported"))
                .at(node.span, "not known")
                .did_you_mean(nearest(short, STRATEGIES.iter().copied())),
        );
    }
}
