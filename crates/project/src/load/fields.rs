//! Keywords: which there are, and what inner ones make of outer ones.

use super::Loader;
use crate::model::{Common, Vars};
use provision_source::{Diagnostic, Diagnostics, Mapping, Node, Yaml, nearest};
use std::sync::Arc;

/// Keywords that plays, roles, blocks and tasks share and hand down.
pub const COMMON: &[&str] = &[
    "any_errors_fatal",
    "become",
    "become_exe",
    "become_flags",
    "become_method",
    "become_user",
    "check_mode",
    "collections",
    "connection",
    "debugger",
    "delegate_facts",
    "delegate_to",
    "diff",
    "environment",
    "ignore_errors",
    "ignore_unreachable",
    "module_defaults",
    "name",
    "no_log",
    "port",
    "remote_user",
    "run_once",
    "tags",
    "throttle",
    "timeout",
    "vars",
    "when",
];

pub const PLAY: &[&str] = &[
    "fact_path",
    "force_handlers",
    "gather_facts",
    "gather_subset",
    "gather_timeout",
    "handlers",
    "hosts",
    "max_fail_percentage",
    "order",
    "post_tasks",
    "pre_tasks",
    "roles",
    "serial",
    "strategy",
    "tasks",
    "user",
    "vars_files",
    "vars_prompt",
    "import_playbook",
    "ansible.builtin.import_playbook",
];

pub const TASK: &[&str] = &[
    "action",
    "args",
    "async",
    "changed_when",
    "delay",
    "failed_when",
    "listen",
    "local_action",
    "loop",
    "loop_control",
    "notify",
    "poll",
    "register",
    "retries",
    "until",
];

pub const BLOCK: &[&str] = &["always", "block", "notify", "rescue"];

/// Keywords that are known, not done, and would change what a run does.
const REFUSED: &[(&str, &str)] = &[("debugger", "the task debugger is not supported")];

/// An error for a keyword that is known but not done.
pub fn refuse(map: &Mapping, diags: &mut Diagnostics) {
    for (keyword, why) in REFUSED {
        if let Some((key, _)) = map.entry(keyword) {
            diags.push(Diagnostic::error(*why).code("unsupported").at(key.span, "remove this keyword"));
        }
    }
    if let Some(node) = map.get("tags").and_then(|node| list(node).into_iter().find(Node::is_vault)) {
        diags.push(
            Diagnostic::error("tags cannot be encrypted").at(node.span, "they are compared as written"),
        );
    }
}

/// An error for each key that is none of `known`.
pub fn unknown_keys(map: &Mapping, what: &str, known: &[&[&'static str]], diags: &mut Diagnostics) {
    for key in map.keys() {
        let name = key.scalar_text().unwrap_or_default();
        if !known.iter().any(|list| list.contains(&&*name)) {
            let all = known.iter().flat_map(|list| list.iter().copied());
            diags.push(
                Diagnostic::error(format!("`{name}` is no keyword of {what}"))
                    .code("unknown-keyword")
                    .at(key.span, "not known here")
                    .did_you_mean(nearest(&name, all)),
            );
        }
    }
}

/// A single value or a list of them; null is nothing.
pub fn list(node: &Node) -> Vec<Node> {
    match &node.value {
        Yaml::Null => Vec::new(),
        Yaml::Seq(items) => items.to_vec(),
        _ => vec![node.clone()],
    }
}

/// The keyword as a list.
pub fn list_of(map: &Mapping, keyword: &str) -> Vec<Node> {
    map.get(keyword).map(list).unwrap_or_default()
}

/// Tags: a list, or one string with commas.
fn tags(node: &Node) -> Vec<Node> {
    let mut found = Vec::new();
    for tag in list(node) {
        match tag.as_str() {
            Some(text) if text.contains(',') && !provision_templates::is_template(text) => {
                found.extend(text.split(',').map(|part| Node::str(part.trim()).at(tag.span)))
            }
            _ => found.push(tag),
        }
    }
    found
}

impl Loader {
    /// What `base` hands down, with the keywords of `map` on top.
    pub fn inherit(&self, base: &Arc<Common>, map: &Mapping, diags: &mut Diagnostics) -> Arc<Common> {
        refuse(map, diags);
        if !COMMON.iter().chain(["notify"].iter()).any(|keyword| map.contains_key(keyword)) {
            return base.clone();
        }
        let mut common = (**base).clone();
        common.when.extend(list_of(map, "when"));
        if let Some(node) = map.get("tags") {
            for tag in tags(node) {
                if !common.tags.contains(&tag) {
                    common.tags.push(tag);
                }
            }
        }
        if let Some(node) = map.get("vars") {
            let vars: Vars = self.vars(node, diags);
            if !vars.is_empty() {
                common.vars.push(Arc::new(vars));
            }
        }
        if let Some(node) = map.get("collections") {
            common.collections = self.collection_names(node, diags);
        }
        common.environment.extend(list_of(map, "environment"));
        common.notify.extend(list_of(map, "notify"));
        for node in list_of(map, "module_defaults").iter().filter(|node| node.as_map().is_none()) {
            diags.push(
                Diagnostic::error("`module_defaults` must be a mapping of modules to their arguments")
                    .at(node.span, format!("this is a {}", node.kind_name()))
                    .help("only the arguments' values may be templates"),
            );
        }
        common.module_defaults.extend(list_of(map, "module_defaults"));
        for (keyword, place) in [
            ("become", &mut common.r#become),
            ("become_user", &mut common.become_user),
            ("become_method", &mut common.become_method),
            ("become_flags", &mut common.become_flags),
            ("become_exe", &mut common.become_exe),
            ("remote_user", &mut common.remote_user),
            ("connection", &mut common.connection),
            ("port", &mut common.port),
            ("check_mode", &mut common.check_mode),
            ("diff", &mut common.diff),
            ("ignore_errors", &mut common.ignore_errors),
            ("ignore_unreachable", &mut common.ignore_unreachable),
            ("no_log", &mut common.no_log),
            ("any_errors_fatal", &mut common.any_errors_fatal),
            ("run_once", &mut common.run_once),
            ("delegate_to", &mut common.delegate_to),
            ("delegate_facts", &mut common.delegate_facts),
            ("throttle", &mut common.throttle),
            ("timeout", &mut common.timeout),
        ] {
            if let Some(node) = map.get(keyword) {
                *place = Some(node.clone());
            }
        }
        Arc::new(common)
    }
}
