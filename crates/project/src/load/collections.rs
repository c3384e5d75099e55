//! Collections on disk: `ROOT/ansible_collections/NAMESPACE/NAME/{roles,playbooks}`
//! (<https://docs.ansible.com/ansible/latest/collections_guide/collections_using_playbooks.html>).

use super::Loader;
use super::fields::list;
use provision_source::{Diagnostic, Diagnostics, Node};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where roles and collections that are not beside the playbook are looked for.
#[derive(Debug, Clone, Default)]
pub struct SearchPaths {
    pub roles: Vec<PathBuf>,
    /// Directories that hold an `ansible_collections` directory, or are one.
    pub collections: Vec<PathBuf>,
}

/// The directory below a root in which namespaces stand.
const TREE: &str = "ansible_collections";

impl Loader {
    /// The file that `namespace.collection.playbook` means, in an import or on the command line.
    pub fn collection_playbook(&self, name: &str) -> Option<PathBuf> {
        let (collection, rest) = split(name)?;
        let dir = self.collection(&collection)?.join("playbooks");
        ["yml", "yaml"].iter().map(|end| dir.join(format!("{rest}.{end}"))).find(|path| path.is_file())
    }

    /// A role's directory and full name: of its collection if `name` says one, else of the first in `searched`.
    pub(super) fn collection_role(&self, name: &str, searched: &[Arc<str>]) -> Option<(PathBuf, String)> {
        let found = |collection: &str, rest: &str| {
            let path = self.collection(collection)?.join("roles").join(rest);
            let short = rest.rsplit('/').next().unwrap_or(rest);
            path.is_dir().then(|| (path, format!("{collection}.{short}")))
        };
        match split(name) {
            Some((collection, rest)) => found(&collection, &rest),
            None if name.contains(['/', '.']) => None,
            None => searched.iter().find_map(|collection| found(collection, name)),
        }
    }

    /// The `collections:` keyword.
    pub(super) fn collection_names(&self, node: &Node, diags: &mut Diagnostics) -> Arc<[Arc<str>]> {
        let mut names = Vec::new();
        for entry in list(node) {
            match entry.as_str() {
                Some(name) if name.split('.').count() == 2 => names.push(name.into()),
                _ => diags.push(
                    Diagnostic::error("a collection is named `namespace.name`")
                        .at(entry.span, "not the name of a collection"),
                ),
            }
        }
        names.into()
    }

    /// Looks for collections in this playbook's directory, too, before all other places.
    pub(super) fn collections_beside(&self, playbook: &Path) {
        let dir = playbook.parent().unwrap_or(Path::new("/")).join("collections");
        let mut beside = self.beside.lock().unwrap_or_else(|e| e.into_inner());
        if !beside.contains(&dir) {
            beside.push(dir);
        }
    }

    fn collection(&self, name: &str) -> Option<PathBuf> {
        let (namespace, short) = name.split_once('.')?;
        let beside = self.beside.lock().unwrap_or_else(|e| e.into_inner()).clone();
        let roots = beside.into_iter().chain(self.paths.collections.iter().cloned());
        roots
            .map(|root| if root.ends_with(TREE) { root } else { root.join(TREE) })
            .map(|tree| tree.join(namespace).join(short))
            .find(|dir| dir.is_dir())
    }
}

/// The collection whose directory holds `path`, as `namespace.name`.
pub(super) fn owner(path: &Path) -> Option<Arc<str>> {
    let parts: Vec<_> = path.components().filter_map(|part| part.as_os_str().to_str()).collect();
    let tree = parts.iter().rposition(|part| *part == TREE)?;
    match parts[tree + 1..] {
        [namespace, name, _, ..] => Some(format!("{namespace}.{name}").into()),
        _ => None,
    }
}

/// `namespace.collection.sub.name` as ("namespace.collection", "sub/name").
fn split(name: &str) -> Option<(String, String)> {
    let parts: Vec<&str> = name.split('.').collect();
    if parts.len() < 3 || name.contains('/') || parts.iter().any(|part| !super::valid_name(part)) {
        return None;
    }
    Some((parts[..2].join("."), parts[2..].join("/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_three_parts_and_more_are_split() {
        assert_eq!(split("a.b.c"), Some(("a.b".into(), "c".into())));
        assert_eq!(split("a.b.sub.c"), Some(("a.b".into(), "sub/c".into())));
        for other in ["nginx", "geerlingguy.nginx", "a.b./c", "1.2.3", "a..c", "site.yml"] {
            assert_eq!(split(other), None, "{other}");
        }
    }

    #[test]
    fn the_owner_stands_below_the_tree() {
        let of = |path: &str| owner(Path::new(path)).map(|name| name.to_string());
        assert_eq!(of("/x/ansible_collections/a/b/roles/c").as_deref(), Some("a.b"));
        assert_eq!(of("/x/ansible_collections/a/b"), None);
        assert_eq!(of("/x/roles/c"), None);
    }
}
