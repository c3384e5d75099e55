//! A task's arguments in their forms: a mapping, `k=v` text, a free form, `args:`.

use super::{Known, Loader};
use crate::model::TaskArgs;
use crate::words;
use provision_args::ArgSpec;
use provision_source::{Diagnostic, Diagnostics, Mapping, Node, Span, Yaml};
use provision_templates::is_template;
use serde_json::{Map, Value};
use std::sync::Arc;

/// Free-form actions of the engine that have no [`ArgSpec`] free form of their own.
const FREE: &[(&str, &str)] = &[
    ("ansible.builtin.include_tasks", "file"),
    ("ansible.builtin.import_tasks", "file"),
    ("ansible.builtin.include_vars", "_raw_params"),
    ("ansible.builtin.meta", "_raw_params"),
    ("ansible.builtin.raw", "_raw_params"),
];

impl Loader {
    /// The arguments of the action `value` is given to, with those of `args:`.
    pub(super) fn arguments(
        &self,
        known: Known,
        value: &Node,
        extra: Option<&Node>,
        span: Span,
        diags: &mut Diagnostics,
    ) -> TaskArgs {
        let mut args = TaskArgs { span, ..TaskArgs::default() };
        match &value.value {
            Yaml::Null => {}
            Yaml::Map(map) => named(map, &mut args),
            Yaml::Str(text) => self.text_arguments(known, value, text, &mut args, diags),
            Yaml::Seq(_) => diags.push(
                Diagnostic::error(format!("arguments of `{}` must be a mapping or a string", known.full))
                    .at(value.span, "this is a list"),
            ),
            _ => {
                let text = value.scalar_text().unwrap_or_default();
                self.text_arguments(known, &Node::str(text.clone()).at(value.span), &text, &mut args, diags);
            }
        }
        match extra.map(|node| (node, &node.value)) {
            None | Some((_, Yaml::Null)) => {}
            Some((_, Yaml::Map(map))) => {
                // What stands with the module itself wins.
                let mut more = TaskArgs::default();
                named(map, &mut more);
                for entry in more.named {
                    if args.get(&entry.0).is_none() {
                        args.named.push(entry);
                    }
                }
            }
            Some((node, Yaml::Str(text))) if is_template(text) => args.whole = Some(node.clone()),
            Some((node, _)) => diags.push(
                Diagnostic::error("`args` must be a mapping")
                    .at(node.span, format!("this is a {}", node.kind_name())),
            ),
        }
        args
    }

    fn text_arguments(
        &self,
        known: Known,
        node: &Node,
        text: &str,
        args: &mut TaskArgs,
        diags: &mut Diagnostics,
    ) {
        let free = known.spec.and_then(|spec| spec.free_form).is_some()
            || FREE.iter().any(|(name, _)| *name == known.full);
        if free && node.is_vault() {
            // What it holds is no place for options.
            args.free = Some(node.clone());
            return;
        }
        if free {
            let (rest, pairs) = split_free(text, known);
            for (name, value) in pairs {
                args.named.push((name.into(), node.span, part(node, value)));
            }
            if !rest.is_empty() {
                // Nothing taken out: the node keeps its place exactly.
                args.free = Some(if rest == text { node.clone() } else { part(node, rest) });
            }
            return;
        }
        let trimmed = text.trim();
        if !node.is_unsafe()
            && trimmed.starts_with("{{")
            && trimmed.ends_with("}}")
            && words::split(trimmed).len() == 1
        {
            args.whole = Some(node.clone());
            return;
        }
        for word in words::split(text) {
            match words::pair(&word) {
                Some((name, value)) => {
                    args.named.push((name.into(), node.span, part(node, value)));
                }
                None => diags.push(
                    Diagnostic::error(format!("`{}` takes no free form", known.full))
                        .at(node.span, format!("`{word}` is not of the form name=value"))
                        .help("give the arguments as a mapping below the module's name"),
                ),
            }
        }
    }

    /// Checks what can be known of the arguments before anything is templated.
    pub(super) fn check_arguments(
        &self,
        known: Known,
        args: &TaskArgs,
        action: Span,
        diags: &mut Diagnostics,
    ) {
        let Some(spec) = known.spec else { return };
        let mut given = Map::new();
        for (name, _, node) in &args.named {
            given.insert(name.to_string(), foreseen(node));
        }
        if let (Some(free), Some(option)) = (&args.free, spec.free_form) {
            given.insert(option.to_owned(), foreseen(free));
        }
        let has_template = |value: &Value| mentions_template(value);
        let problems = if args.whole.is_some() {
            spec.check_names(given.keys().map(String::as_str))
        } else {
            spec.check(&given, has_template)
        };
        for problem in problems {
            let top = problem.option.split(['.', '[']).next().unwrap_or_default();
            let entry = args.named.iter().find(|(name, _, _)| &**name == top || canonical(spec, name) == top);
            let span = match entry {
                Some((_, _, node)) if problem.value => inner(node, &problem.option),
                Some((_, span, _)) => *span,
                None => args
                    .free
                    .as_ref()
                    .filter(|_| spec.free_form == Some(top))
                    .map_or(action, |node| node.span),
            };
            let code = match entry {
                _ if problem.value => "invalid-value",
                Some((name, _, _)) if spec.find(name).is_none() => "unknown-option",
                Some(_) => "unsupported",
                None => "missing-option",
            };
            let mut diagnostic = Diagnostic::error(problem.message.clone()).code(code).at(span, "");
            if let Some(hint) = &problem.hint {
                diagnostic = diagnostic.help(hint.clone());
            }
            diags.push(diagnostic);
        }
    }
}

/// A part of a text of arguments; an `!unsafe` text has no other parts.
fn part(node: &Node, text: impl Into<Arc<str>>) -> Node {
    let part = Node::str(text).at(node.span);
    if node.is_unsafe() { part.with_tag("!unsafe") } else { part }
}

/// An argument as far as it is known: what is encrypted is decrypted when the task runs, so it counts as a template.
fn foreseen(node: &Node) -> Value {
    let known = |node: &Node| if node.is_vault() { Node::str("{{ vault }}") } else { node.clone() };
    node.map_strings(&known).to_json()
}

/// Does a template stand anywhere in it?
pub fn mentions_template(value: &Value) -> bool {
    match value {
        Value::String(text) => is_template(text),
        Value::Array(items) => items.iter().any(mentions_template),
        Value::Object(map) => map.values().any(mentions_template),
        _ => false,
    }
}

fn canonical<'a>(spec: &ArgSpec, name: &'a str) -> &'a str {
    spec.options.iter().find(|o| o.aliases.contains(&name)).map_or(name, |o| o.name)
}

/// The place of `a.b` inside of the argument `a`.
fn inner(node: &Node, option: &str) -> Span {
    let mut at = node;
    for part in option.split(['.', '[', ']']).skip(1).filter(|part| !part.is_empty()) {
        let next = match part.parse::<usize>() {
            Ok(index) => at.as_seq().and_then(|items| items.get(index)),
            Err(_) => at.get(part),
        };
        match next {
            Some(next) => at = next,
            None => break,
        }
    }
    at.span
}

fn named(map: &Mapping, args: &mut TaskArgs) {
    for (key, value) in map.iter() {
        let name: Arc<str> = key.scalar_text().unwrap_or_default();
        if &*name == "_raw_params" {
            args.free = Some(value.clone());
        } else {
            args.named.push((name, key.span, value.clone()));
        }
    }
}

/// Options that Ansible takes out of a command line, and only these.
const OF_COMMANDS: &[&str] = &[
    "creates",
    "removes",
    "chdir",
    "executable",
    "warn",
    "stdin",
    "stdin_add_newline",
    "strip_empty_ends",
    "argv",
];

/// Takes the words `option=value` out of a free form: those of commands' options, elsewhere all.
fn split_free(text: &str, known: Known) -> (String, Vec<(String, String)>) {
    let command = ["command", "shell", "script", "raw"]
        .iter()
        .any(|name| known.full.strip_prefix("ansible.builtin.") == Some(name));
    let has = |name: &str| {
        known.spec.is_none_or(|spec| spec.options.iter().any(|o| o.name == name || o.aliases.contains(&name)))
    };
    let is_option = |name: &str| match command {
        true => OF_COMMANDS.contains(&name) && has(name),
        false => super::valid_name(name),
    };
    let words = words::split(text);
    let mut pairs = Vec::new();
    for word in &words {
        if let Some((name, value)) = words::pair(word).filter(|(name, _)| is_option(name)) {
            pairs.push((name.to_owned(), value));
        }
    }
    if pairs.is_empty() {
        return (text.to_owned(), pairs);
    }
    let rest: Vec<&str> = words
        .iter()
        .filter(|word| !words::pair(word).is_some_and(|(name, _)| is_option(name)))
        .map(String::as_str)
        .collect();
    (rest.join(" "), pairs)
}
