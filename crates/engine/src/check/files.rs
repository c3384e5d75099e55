//! Which files a dynamic include may mean.

use super::Values;
use crate::vars::{Layer, TaskScope};
use provision_project::{Dirs, Task};
use provision_source::{Node, Yaml};
use provision_templates::{Scope, Templater};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Stands for any text in names that are known in part. A character nobody writes.
const ANY: char = '\u{f8ff}';

/// Files looked at below one directory; a tree that is larger is left alone.
const MAX_FILES: usize = 5_000;

/// Directories below each other that are looked into.
const MAX_DEPTH: usize = 6;

/// What an include may mean.
#[derive(Debug, Clone, PartialEq)]
pub enum Meant {
    /// These names, known in full.
    Names(Vec<String>),
    /// Names that hold [`ANY`].
    Patterns(Vec<String>),
    /// It can be anything.
    Anything,
}

/// The texts that `node` may become: each template in it that is not known beforehand counts as [`ANY`].
pub fn meant(node: &Node, task: &Task, fixed: &Values, templater: &Arc<Templater>) -> Meant {
    let Some(text) = node.scalar_text().filter(|_| !node.is_null() && !node.is_vault()) else {
        return Meant::Anything;
    };
    let mut found: Vec<String> = Vec::new();
    for item in items(task, fixed, templater) {
        let scope = scope(task, fixed, item, templater);
        match first_found(&text, task, &scope, templater) {
            Some(candidates) => found.extend(candidates),
            None => found.push(partial(&text, &scope, templater)),
        }
    }
    found.sort();
    found.dedup();
    let known = |text: &String| text.trim_matches([ANY, '/', '.']).is_empty();
    match () {
        () if found.iter().any(known) => Meant::Anything,
        () if found.iter().any(|text| text.contains(ANY)) => Meant::Patterns(found),
        () => Meant::Names(found),
    }
}

/// The names a templated key of `set_fact` stands for, if all are known.
pub fn keys(text: &str, task: &Task, fixed: &Values, templater: &Arc<Templater>) -> Option<Vec<String>> {
    let keys: Vec<String> = items(task, fixed, templater)
        .into_iter()
        .map(|item| partial(text, &scope(task, fixed, item, templater), templater))
        .collect();
    (!keys.iter().any(|key| key.contains(ANY))).then_some(keys)
}

/// Files that a name with [`ANY`] may mean, where Ansible looks for it.
pub fn matching(dirs: &Dirs, kind: &str, pattern: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for candidate in dirs.candidates(kind, pattern) {
        let text = candidate.to_string_lossy().into_owned();
        let Some(at) = text.find(ANY) else {
            found.extend(candidate.is_file().then_some(candidate));
            continue;
        };
        let base = &text[..text[..at].rfind('/').map_or(0, |slash| slash + 1)];
        // Names with directories in them are common below the directory for this kind of files only.
        let deep =
            candidate.parent().is_some_and(|dir| dir.ends_with(kind)) && base.ends_with(&format!("/{kind}/"));
        let mut files = Vec::new();
        below(Path::new(base), if deep { 0 } else { MAX_DEPTH }, &mut files);
        found.extend(files.into_iter().filter(|file| glob(&text, &file.to_string_lossy())));
    }
    found.sort();
    found.dedup();
    found
}

/// The task's items as far as they are written out: one of nothing where there is no loop, one unknown where nothing is
/// known of them.
fn items(task: &Task, fixed: &Values, templater: &Arc<Templater>) -> Vec<Option<Node>> {
    let Some(looping) = &task.looping else { return vec![None] };
    let unknown = || vec![Some(Node::str(ANY.to_string()).with_tag("!unsafe"))];
    let lookup = looping.lookup.as_deref().map(|name| name.rsplit('.').next().unwrap_or(name));
    let scope = scope(task, fixed, None, templater);
    match (lookup, &looping.items.value) {
        (Some("first_found"), _) => {
            let candidates = candidates(&looping.items, &scope, templater);
            candidates.map_or_else(unknown, |all| {
                all.into_iter().map(|c| Some(Node::str(c).with_tag("!unsafe"))).collect()
            })
        }
        (None | Some("items" | "list" | "flattened" | "random_choice"), Yaml::Seq(items)) => {
            items.iter().map(|item| Some(literal(item, &scope, templater))).collect()
        }
        (Some("dict"), Yaml::Map(map)) => map
            .iter()
            .map(|(key, value)| {
                let value = literal(value, &scope, templater);
                Some(Node::map([(Node::str("key"), key.clone()), (Node::str("value"), value)]))
            })
            .collect(),
        _ => unknown(),
    }
}

/// The node with its texts rendered as far as they are known.
fn literal(node: &Node, scope: &Arc<dyn Scope>, templater: &Templater) -> Node {
    match &node.value {
        Yaml::Str(text) => Node::str(partial(text, scope, templater)).with_tag("!unsafe"),
        Yaml::Seq(items) => {
            Node::seq(items.iter().map(|item| literal(item, scope, templater)).collect::<Vec<_>>())
        }
        Yaml::Map(map) => {
            Node::map(map.iter().map(|(key, value)| (key.clone(), literal(value, scope, templater))))
        }
        _ => node.clone(),
    }
}

/// Texts of `with_first_found` and its lookup: strings, or mappings with `files` and `paths`.
fn candidates(node: &Node, scope: &Arc<dyn Scope>, templater: &Templater) -> Option<Vec<String>> {
    let mut found = Vec::new();
    match &node.value {
        Yaml::Str(text) => found.push(partial(text, scope, templater)),
        Yaml::Seq(items) => {
            for item in items.iter() {
                found.extend(candidates(item, scope, templater)?);
            }
        }
        Yaml::Map(map) => {
            let list = |key: &str| match map.get(key).map(|node| &node.value) {
                None | Some(Yaml::Null) => Some(Vec::new()),
                Some(Yaml::Str(text)) => {
                    Some(text.split([',', ';', ':']).map(|t| partial(t.trim(), scope, templater)).collect())
                }
                Some(Yaml::Seq(items)) => {
                    items.iter().map(|item| Some(partial(item.as_str()?, scope, templater))).collect()
                }
                _ => None,
            };
            let (files, paths) = (list("files")?, list("paths")?);
            for file in &files {
                found.push(file.clone());
                found.extend(paths.iter().map(|path| format!("{path}/{file}")));
            }
        }
        _ => return None,
    }
    Some(found)
}

/// `{{ lookup('first_found', params) }}` with `params` among the task's variables.
fn first_found(
    text: &str,
    task: &Task,
    scope: &Arc<dyn Scope>,
    templater: &Templater,
) -> Option<Vec<String>> {
    let inner = text.trim().strip_prefix("{{")?.strip_suffix("}}")?.trim();
    let rest = ["lookup(", "query(", "q("].iter().find_map(|function| inner.strip_prefix(function))?;
    let rest = rest.trim_start().strip_prefix(['\'', '"'])?;
    let rest = rest.strip_prefix("ansible.builtin.").unwrap_or(rest).strip_prefix("first_found")?;
    let argument = rest.strip_prefix(['\'', '"'])?.trim_start().strip_prefix(',')?;
    let name = argument.split([',', ')', '|', ' ']).find(|word| !word.is_empty())?;
    let vars = task.common.vars.iter().chain(&task.common.params).rev();
    let node = vars.into_iter().find_map(|vars| vars.get(name))?;
    let known = candidates(node, scope, templater)?;
    // Only a name alone: anything more is not understood here.
    argument.trim_start().starts_with(name).then_some(known)
}

/// What is known before the run: constants, the literal item, names of role and playbook. All else is unknown.
fn scope(task: &Task, fixed: &Values, item: Option<Node>, templater: &Arc<Templater>) -> Arc<dyn Scope> {
    let mut layers = vec![Layer::Values(fixed.clone())];
    let mut own = crate::vars::Values::new();
    if let Some(role) = &task.common.role {
        own.insert("role_path".into(), role.path.to_string_lossy().as_ref().into());
        own.insert("role_name".into(), (&*role.name).into());
    }
    own.insert("playbook_dir".into(), task.dirs.play.to_string_lossy().as_ref().into());
    layers.push(Layer::Values(Arc::new(own)));
    if let Some(item) = item {
        let name = task.control.loop_var.as_ref().and_then(Node::as_str).unwrap_or("item");
        layers.push(Layer::Nodes(Arc::new([(Arc::from(name), item)].into_iter().collect())));
    }
    TaskScope::new(layers, templater.clone())
}

/// The text with its `{{ expressions }}` evaluated where that is possible, [`ANY`] elsewhere.
fn partial(text: &str, scope: &Arc<dyn Scope>, templater: &Templater) -> String {
    if !provision_templates::is_template(text) {
        return text.to_owned();
    }
    if text.contains("{%") || text.contains("{#") {
        return ANY.to_string();
    }
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("{{") {
        out.push_str(&rest[..start]);
        let Some(length) = rest[start..].find("}}") else { return ANY.to_string() };
        let expression = &rest[start + 2..start + length];
        match templater.eval(expression.trim(), scope) {
            Ok(value) if provision_templates::value_error(&value).is_none() => {
                out.push_str(&provision_templates::to_text(&value));
            }
            _ => out.push(ANY),
        }
        rest = &rest[start + length + 2..];
    }
    out.push_str(rest);
    out
}

/// YAML files of a directory and those below it.
pub fn below(dir: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if found.len() >= MAX_FILES {
            return;
        }
        if !path.is_dir() {
            found.push(path);
        } else if depth < MAX_DEPTH && !entry.file_name().to_string_lossy().starts_with('.') {
            below(&path, depth + 1, found);
        }
    }
}

/// [`ANY`] stands for any text, slashes too.
fn glob(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split(ANY);
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_that_are_not_known_match_anything() {
        let matches = |pattern: &str, text: &str| glob(&pattern.replace('*', &ANY.to_string()), text);
        for (pattern, text) in [
            ("/r/vars/*.yml", "/r/vars/Debian.yml"),
            ("/a/*-*.yml", "/a/b-12.yml"),
            ("/a/*", "/a/b/c"),
            ("/a", "/a"),
        ] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in
            [("/a/*.yml", "/a/b.yaml"), ("/a/x-*", "/a/y-1"), ("/a/*-*.yml", "/a/b.yml"), ("/a", "/ab")]
        {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }
}
