//! Tasks, blocks and what they import.

use super::fields::{BLOCK, COMMON, TASK, list_of, unknown_keys};
use super::{Loader, RoleUse};
use crate::model::{Action, Block, Common, Dirs, Item, Loop, LoopControl, Task, TaskArgs};
use provision_source::{Diagnostic, Diagnostics, Mapping, Node, Span, Yaml, nearest};
use std::path::Path;
use std::sync::Arc;

/// Where a list of tasks stands.
struct Around {
    dirs: Arc<Dirs>,
    handlers: bool,
}

const LOOP_CONTROL: &[&str] =
    &["loop_var", "index_var", "label", "pause", "extended", "extended_allitems", "break_when"];

impl Loader {
    /// A file holding a list of tasks.
    pub(super) fn task_file(
        &self,
        path: &Path,
        common: &Arc<Common>,
        dirs: &Dirs,
        handlers: bool,
        diags: &mut Diagnostics,
    ) -> Vec<Item> {
        let Some(node) = self.document(path, diags) else { return Vec::new() };
        let dirs =
            Arc::new(Dirs { task: path.parent().unwrap_or(Path::new("/")).to_owned(), ..dirs.clone() });
        self.deeper(node.span, diags, |this, diags| this.items(&node, common, &dirs, handlers, diags))
    }

    /// A list of tasks and blocks.
    pub(super) fn items(
        &self,
        node: &Node,
        common: &Arc<Common>,
        dirs: &Arc<Dirs>,
        handlers: bool,
        diags: &mut Diagnostics,
    ) -> Vec<Item> {
        let around = Around { dirs: dirs.clone(), handlers };
        let mut items = Vec::new();
        match &node.value {
            Yaml::Null => {}
            Yaml::Seq(list) => {
                for entry in list.iter() {
                    match &entry.value {
                        Yaml::Map(map) if map.contains_key("block") => {
                            items.push(self.block(entry, map, common, &around, diags))
                        }
                        Yaml::Map(map) => self.task(entry, map, common, &around, &mut items, diags),
                        Yaml::Null => {}
                        _ => diags.push(
                            Diagnostic::error("a task must be a mapping")
                                .at(entry.span, format!("this is a {}", entry.kind_name())),
                        ),
                    }
                }
            }
            _ => {
                let mut error = Diagnostic::error("a list of tasks is expected")
                    .at(node.span, format!("this is a {}", node.kind_name()));
                if node.get("hosts").is_some() || node.get("tasks").is_some() {
                    error = error.help("a task file holds tasks only, no plays");
                }
                diags.push(error);
            }
        }
        items
    }

    fn block(
        &self,
        node: &Node,
        map: &Mapping,
        base: &Arc<Common>,
        around: &Around,
        diags: &mut Diagnostics,
    ) -> Item {
        unknown_keys(map, "a block", &[BLOCK, COMMON], diags);
        if around.handlers {
            for part in ["rescue", "always"] {
                if let Some((key, _)) = map.entry(part) {
                    diags.push(
                        Diagnostic::warning(format!("`{part}` among handlers never runs"))
                            .at(key.span, "as in Ansible, handlers are what stands under `block`"),
                    );
                }
            }
        }
        let common = self.inherit(base, map, diags);
        let part = |name: &str, diags: &mut Diagnostics| {
            map.get(name)
                .map(|list| self.items(list, &common, &around.dirs, around.handlers, diags))
                .unwrap_or_default()
        };
        Item::Block(Arc::new(Block {
            span: node.span,
            name: map.get("name").cloned(),
            block: part("block", diags),
            rescue: part("rescue", diags),
            always: part("always", diags),
            any_errors_fatal: common.any_errors_fatal.clone(),
        }))
    }

    fn task(
        &self,
        node: &Node,
        map: &Mapping,
        base: &Arc<Common>,
        around: &Around,
        items: &mut Vec<Item>,
        diags: &mut Diagnostics,
    ) {
        let Some((name, action_span, value, local)) = self.action(node, map, diags) else { return };
        let mut common = self.inherit(base, map, diags);
        let in_collection = common.collections.iter().filter(|_| !name.contains('.'));
        let known = in_collection
            .filter_map(|collection| self.catalog.find(&format!("{collection}.{name}")))
            .next()
            .or_else(|| self.catalog.find(&name));
        let Some(known) = known else {
            let names = self.catalog.names();
            let near = nearest(name.rsplit('.').next().unwrap_or(&name), names.iter().copied())
                .or_else(|| nearest(&name, TASK.iter().chain(COMMON).copied()));
            let title = if map.iter().len() > 1 && !name.contains('.') {
                format!("`{name}` is neither a module nor a keyword of a task")
            } else {
                format!("there is no module `{name}`")
            };
            diags.push(
                Diagnostic::error(title)
                    .code("unknown-module")
                    .at(action_span, "not known")
                    .did_you_mean(near),
            );
            return;
        };
        if local {
            let mut with = (*common).clone();
            with.delegate_to = Some(Node::str("localhost").at(action_span));
            common = Arc::new(with);
        }
        let args = self.arguments(known, &value, map.get("args"), action_span, diags);
        let of_role = matches!(known.full, "ansible.builtin.import_role" | "ansible.builtin.include_role");
        if around.handlers && of_role {
            diags.push(
                Diagnostic::error(format!("`{name}` cannot be a handler"))
                    .at(action_span, "a role brings handlers, it is none")
                    .help("include a file of tasks"),
            );
            return;
        }
        match known.full {
            "ansible.builtin.import_tasks" => {
                return self.import_tasks(map, &args, &common, around, items, diags);
            }
            "ansible.builtin.import_role" => {
                return self.import_role(map, &args, &common, &around.dirs, items, diags);
            }
            "ansible.builtin.meta" => meta(&args, action_span, diags),
            _ => self.check_arguments(known, &args, action_span, diags),
        }
        if let Some((key, _)) = map.entry("listen").filter(|_| !around.handlers) {
            diags.push(Diagnostic::error("`listen` is for handlers").at(key.span, "this is a task"));
        }
        items.push(Item::Task(Arc::new(Task {
            id: self.id(),
            span: node.span,
            name: map.get("name").cloned(),
            action: Action { name, full: known.full.into(), span: action_span },
            args,
            common,
            outer: base.clone(),
            looping: self.looping(map, diags),
            control: self.loop_control(map, diags),
            register: self.register(map, diags),
            until: list_of(map, "until"),
            retries: map.get("retries").cloned(),
            delay: map.get("delay").cloned(),
            changed_when: list_of(map, "changed_when"),
            failed_when: list_of(map, "failed_when"),
            listen: list_of(map, "listen"),
            background: map.get("async").cloned(),
            poll: map.get("poll").cloned(),
            is_handler: around.handlers,
            dirs: around.dirs.clone(),
        })));
    }

    /// The action's name, its place, its arguments, and whether it is a `local_action`.
    fn action(
        &self,
        node: &Node,
        map: &Mapping,
        diags: &mut Diagnostics,
    ) -> Option<(Arc<str>, Span, Node, bool)> {
        let mut found: Vec<(Arc<str>, Span, Node, bool)> = Vec::new();
        let mut strange: Vec<(Arc<str>, Span, Node)> = Vec::new();
        for (key, value) in map.iter() {
            let name = key.scalar_text().unwrap_or_default();
            match &*name {
                "action" | "local_action" => {
                    if let Some((action, args)) = split_action(value) {
                        found.push((action, key.span, args, &*name == "local_action"));
                    } else {
                        diags.push(
                            Diagnostic::error(format!("`{name}` needs a module"))
                                .at(value.span, "no module is named here"),
                        );
                        return None;
                    }
                }
                _ if TASK.contains(&&*name) || COMMON.contains(&&*name) => {}
                _ if name.starts_with("with_") => {}
                _ if self.catalog.find(&name).is_some() => found.push((name, key.span, value.clone(), false)),
                _ => strange.push((name, key.span, value.clone())),
            }
        }
        if found.len() > 1 {
            diags.push(
                Diagnostic::error("a task has one action")
                    .at(found[1].1, format!("`{}` is a second one", found[1].0))
                    .also(found[0].1, "the first is here"),
            );
            return None;
        }
        match found.pop() {
            Some(action) => {
                for (name, span, _) in strange {
                    let all = TASK.iter().chain(COMMON).copied();
                    let near = nearest(&name, all).map(str::to_owned);
                    let option = self.catalog.find(&action.0).and_then(|k| k.spec).is_some_and(|spec| {
                        spec.options.iter().any(|o| o.name == &*name || o.aliases.contains(&&*name))
                    });
                    let mut error = Diagnostic::error(format!("`{name}` is no keyword of a task"))
                        .code("unknown-keyword")
                        .at(span, "not known here");
                    error = match option {
                        true => {
                            error.help(format!("`{name}` is an argument of `{}`: indent it below", action.0))
                        }
                        false => error.did_you_mean(near.as_deref()),
                    };
                    diags.push(error);
                }
                Some(action)
            }
            None if strange.is_empty() => {
                diags.push(
                    Diagnostic::error("no action in this task").at(node.span, "a module's name is missing"),
                );
                None
            }
            None => {
                // The one that looks most like an action: arguments below it.
                let at = strange.iter().position(|(_, _, value)| value.as_map().is_some()).unwrap_or(0);
                let (name, span, value) = strange.swap_remove(at);
                Some((name, span, value, false))
            }
        }
    }

    fn looping(&self, map: &Mapping, diags: &mut Diagnostics) -> Option<Loop> {
        let mut loops = map.iter().filter_map(|(key, value)| {
            let name = key.as_str()?;
            let lookup = match name {
                "loop" => None,
                _ => Some(Arc::from(name.strip_prefix("with_")?)),
            };
            Some((key.span, Loop { lookup, items: value.clone() }))
        });
        let (span, first) = loops.next()?;
        if let Some((second, _)) = loops.next() {
            diags.push(
                Diagnostic::error("a task has one loop").at(second, "a second one").also(span, "the first"),
            );
        }
        Some(first)
    }

    fn loop_control(&self, map: &Mapping, diags: &mut Diagnostics) -> LoopControl {
        let Some(node) = map.get("loop_control") else { return LoopControl::default() };
        let Some(control) = node.as_map() else {
            diags.push(
                Diagnostic::error("`loop_control` must be a mapping")
                    .at(node.span, format!("this is a {}", node.kind_name())),
            );
            return LoopControl::default();
        };
        unknown_keys(control, "loop_control", &[LOOP_CONTROL], diags);
        LoopControl {
            loop_var: control.get("loop_var").cloned(),
            index_var: control.get("index_var").cloned(),
            label: control.get("label").cloned(),
            pause: control.get("pause").cloned(),
            extended: control.get("extended").cloned(),
            extended_allitems: control.get("extended_allitems").cloned(),
            break_when: list_of(control, "break_when"),
        }
    }

    fn register(&self, map: &Mapping, diags: &mut Diagnostics) -> Option<Arc<str>> {
        let node = map.get("register").filter(|node| !node.is_null())?;
        match node.scalar_text() {
            Some(name) if super::valid_name(&name) => Some(name),
            _ => {
                diags.push(
                    Diagnostic::error("`register` needs a variable's name").at(node.span, "not a valid name"),
                );
                None
            }
        }
    }

    fn import_tasks(
        &self,
        map: &Mapping,
        args: &TaskArgs,
        common: &Arc<Common>,
        around: &Around,
        items: &mut Vec<Item>,
        diags: &mut Diagnostics,
    ) {
        no_loop(map, "import_tasks", "include_tasks", diags);
        let Some(file) = args.free.as_ref().or_else(|| args.get("file")) else {
            diags.push(Diagnostic::error("import_tasks needs a file").at(args.span, "no file is named"));
            return;
        };
        let Some(name) = self.static_text(file, "the file to import", &common.vars, diags) else { return };
        match around.dirs.find("tasks", &name) {
            Some(path) => items.extend(self.task_file(&path, common, &around.dirs, around.handlers, diags)),
            None => diags.push(missing_file(
                "task file",
                &name,
                file.span,
                &around.dirs.candidates("tasks", &name),
            )),
        }
    }

    fn import_role(
        &self,
        map: &Mapping,
        args: &TaskArgs,
        common: &Arc<Common>,
        dirs: &Arc<Dirs>,
        items: &mut Vec<Item>,
        diags: &mut Diagnostics,
    ) {
        no_loop(map, "import_role", "include_role", diags);
        let known = self.catalog.find("ansible.builtin.include_role");
        if let Some(known) = known {
            self.check_arguments(known, args, args.span, diags);
        }
        let Some(node) = args.get("name").or_else(|| args.get("role")) else {
            return;
        };
        let Some(name) = self.static_text(node, "the role's name", &common.vars, diags) else { return };
        let text = |key: &str| args.get(key).and_then(|n| n.scalar_text()).map(|t| t.to_string());
        let wanted = RoleUse {
            name,
            span: node.span,
            tasks_from: text("tasks_from"),
            vars_from: text("vars_from"),
            defaults_from: text("defaults_from"),
            handlers_from: text("handlers_from"),
            allow_duplicates: Some(args.get("allow_duplicates").and_then(Node::as_bool).unwrap_or(true)),
            parents: common.role.iter().flat_map(|role| role.parents.iter().chain([role])).cloned().collect(),
            public: true,
            validate: args.get("rolespec_validate").and_then(Node::as_bool).unwrap_or(true),
            ..RoleUse::default()
        };
        let mut handlers = Vec::new();
        items.extend(self.role(&wanted, common, dirs, &mut handlers, diags));
        self.found_handlers(handlers);
    }
}

fn no_loop(map: &Mapping, import: &str, include: &str, diags: &mut Diagnostics) {
    let looping =
        map.keys().find(|key| key.as_str().is_some_and(|name| name == "loop" || name.starts_with("with_")));
    if let Some(key) = looping {
        diags.push(
            Diagnostic::error(format!("{import} cannot loop"))
                .at(key.span, "imports are resolved when the playbook is read")
                .help(format!("use {include}")),
        );
    }
}

/// What `meta` can be told.
const META: &[&str] = &[
    "clear_facts",
    "clear_host_errors",
    "end_batch",
    "end_host",
    "end_play",
    "end_role",
    "flush_handlers",
    "noop",
    "refresh_inventory",
    "reset_connection",
];

fn meta(args: &TaskArgs, span: Span, diags: &mut Diagnostics) {
    let Some(node) = args.free.as_ref() else {
        diags.push(Diagnostic::error("meta needs to be told what to do").at(span, "nothing stands here"));
        return;
    };
    let text = node.scalar_text().unwrap_or_default();
    if META.contains(&text.trim()) {
        return;
    }
    diags.push(
        Diagnostic::error(format!("there is no `meta: {text}`"))
            .at(node.span, "not known")
            .did_you_mean(nearest(&text, META.iter().copied())),
    );
}

/// An error naming where a file was looked for.
pub(super) fn missing_file(what: &str, name: &str, span: Span, tried: &[std::path::PathBuf]) -> Diagnostic {
    let mut error = Diagnostic::error(format!("{what} `{name}` is not there"))
        .code("missing-file")
        .at(span, "named here");
    for path in tried {
        error = error.note(format!("looked for {}", path.display()));
    }
    error
}

/// `action: module args` or `action: {module: name, …}`.
fn split_action(value: &Node) -> Option<(Arc<str>, Node)> {
    match &value.value {
        Yaml::Str(text) => {
            let trimmed = text.trim();
            let (name, rest) = trimmed.split_once(char::is_whitespace).unwrap_or((trimmed, ""));
            let rest = rest.trim();
            let args =
                if rest.is_empty() { Node::null().at(value.span) } else { Node::str(rest).at(value.span) };
            (!name.is_empty()).then(|| (Arc::from(name), args))
        }
        Yaml::Map(map) => {
            let name = map.get("module")?.scalar_text()?;
            let rest = map
                .iter()
                .filter(|(key, _)| key.as_str() != Some("module"))
                .map(|(k, v)| (k.clone(), v.clone()));
            Some((name, Node::map(rest).at(value.span)))
        }
        _ => None,
    }
}
