//! Roles: finding them, their files, their dependencies.

use super::fields::{COMMON, unknown_keys};
use super::{Loader, valid_name};
use crate::model::{Action, Common, Dirs, Item, Role, Task, Vars};
use provision_source::{Diagnostic, Diagnostics, Mapping, Node, Span, Yaml, nearest};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Keys of a `roles:` entry that are about the role itself.
const ROLE: &[&str] = &[
    "role",
    "name",
    "tasks_from",
    "vars_from",
    "defaults_from",
    "handlers_from",
    "allow_duplicates",
    "public",
];
const META: &[&str] =
    &["dependencies", "galaxy_info", "allow_duplicates", "argument_specs", "collections", "standalone"];

/// One use of a role, before it is found.
#[derive(Debug, Clone, Default)]
pub struct RoleUse {
    pub name: String,
    pub span: Span,
    pub tasks_from: Option<String>,
    pub vars_from: Option<String>,
    pub defaults_from: Option<String>,
    pub handlers_from: Option<String>,
    pub allow_duplicates: Option<bool>,
    pub public: bool,
    pub params: Vars,
    pub validate: bool,
    pub parents: Vec<Arc<Role>>,
    /// Named in another role's `meta/main.yml`.
    pub dependency: bool,
    /// The keywords of a dependency's entry, as text: with its parameters they tell it from others.
    pub entry: String,
}

impl Loader {
    /// A role for `include_role`: its items and its handlers.
    pub fn include_role(
        &self,
        wanted: &RoleUse,
        common: &Arc<Common>,
        dirs: &Dirs,
        diags: &mut Diagnostics,
    ) -> (Vec<Item>, Vec<Arc<Task>>) {
        let mut handlers = Vec::new();
        let items = self.role(wanted, common, dirs, &mut handlers, diags);
        (items, handlers)
    }

    /// An entry of `roles:` or of a role's dependencies.
    pub(super) fn role_entry(
        &self,
        entry: &Node,
        parents: &[Arc<Role>],
        base: &Arc<Common>,
        dirs: &Dirs,
        handlers: &mut Vec<Arc<Task>>,
        diags: &mut Diagnostics,
    ) -> Vec<Item> {
        let mut wanted = RoleUse {
            public: true,
            validate: true,
            span: entry.span,
            parents: parents.to_vec(),
            dependency: !parents.is_empty(),
            ..RoleUse::default()
        };
        let mut common = base.clone();
        match &entry.value {
            Yaml::Map(map) => {
                let Some(name) = map.get("role").or_else(|| map.get("name")) else {
                    diags.push(
                        Diagnostic::error("a role needs its name").at(entry.span, "`role:` is missing"),
                    );
                    return Vec::new();
                };
                let Some(text) = self.static_text(name, "the role's name", &base.vars, diags) else {
                    return Vec::new();
                };
                wanted.name = text;
                wanted.span = name.span;
                let text = |key: &str| map.get(key).and_then(|n| n.scalar_text()).map(|t| t.to_string());
                wanted.tasks_from = text("tasks_from");
                wanted.vars_from = text("vars_from");
                wanted.defaults_from = text("defaults_from");
                wanted.handlers_from = text("handlers_from");
                wanted.allow_duplicates = map.get("allow_duplicates").and_then(Node::as_bool);
                wanted.params = self.role_params(map, diags);
                let mut keywords: Vec<String> = map
                    .iter()
                    .filter(|(key, _)| !["role", "name"].contains(&key.as_str().unwrap_or_default()))
                    .map(|(key, value)| format!("{:?}: {}", key.as_str(), value.to_json()))
                    .collect();
                keywords.sort();
                wanted.entry = keywords.join(",");
                common = self.inherit(base, map, diags);
            }
            _ => match self.static_text(entry, "a role's name", &base.vars, diags) {
                Some(text) => wanted.name = text,
                None => return Vec::new(),
            },
        }
        self.role(&wanted, &common, dirs, handlers, diags)
    }

    /// What stands beside the keywords is a parameter.
    fn role_params(&self, map: &Mapping, diags: &mut Diagnostics) -> Vars {
        let mut params = Vars::new();
        for (key, value) in map.iter() {
            let name = key.scalar_text().unwrap_or_default();
            if ROLE.contains(&&*name) || COMMON.contains(&&*name) {
                continue;
            }
            // Written for ansible-galaxy, not for the role.
            if ["src", "scm", "version"].contains(&&*name) {
                continue;
            }
            if valid_name(&name) {
                params.insert(name, value.clone());
            } else {
                diags.push(Diagnostic::error("not a valid variable name").at(key.span, "a role's parameter"));
            }
        }
        params
    }

    /// A role with its dependencies before it.
    pub(super) fn role(
        &self,
        wanted: &RoleUse,
        base: &Arc<Common>,
        dirs: &Dirs,
        handlers: &mut Vec<Arc<Task>>,
        diags: &mut Diagnostics,
    ) -> Vec<Item> {
        self.deeper(wanted.span, diags, |this, diags| this.role_inner(wanted, base, dirs, handlers, diags))
    }

    fn role_inner(
        &self,
        wanted: &RoleUse,
        base: &Arc<Common>,
        dirs: &Dirs,
        handlers: &mut Vec<Arc<Task>>,
        diags: &mut Diagnostics,
    ) -> Vec<Item> {
        let Some((path, name)) = self.find_role(wanted, &base.collections, dirs, diags) else {
            return Vec::new();
        };
        let meta = match main_file(&path.join("meta"), None) {
            Some(file) => self.document(&file, diags),
            None => None,
        };
        let meta_map = meta.as_deref().and_then(Node::as_map);
        if let Some(map) = meta_map {
            unknown_keys(map, "a role's meta/main.yml", &[META], diags);
        }
        let searched = match meta_map.and_then(|m| m.get("collections")) {
            Some(node) => self.collection_names(node, diags).to_vec(),
            None => Vec::new(),
        };
        let flag = |key: &str| meta_map.and_then(|m| m.get(key)).and_then(Node::as_bool);
        let collection = super::collections::owner(&path);
        let params = Arc::new(wanted.params.clone());
        let role = Arc::new(Role {
            name: name.into(),
            collection: collection.clone(),
            defaults: Arc::new(self.role_vars(
                &path,
                "defaults",
                wanted.defaults_from.as_deref(),
                wanted.span,
                diags,
            )),
            vars: Arc::new(self.role_vars(&path, "vars", wanted.vars_from.as_deref(), wanted.span, diags)),
            params: params.clone(),
            parents: wanted.parents.clone(),
            dependency: wanted.dependency,
            allow_duplicates: wanted.allow_duplicates.or(flag("allow_duplicates")).unwrap_or(false),
            key: role_key(&path, wanted, base),
            public: wanted.public,
            argument_spec: self.argument_spec(&path, meta_map, wanted, diags),
            path: path.clone(),
        });
        let mut inner_parents = wanted.parents.clone();
        inner_parents.push(role.clone());

        let mut items = Vec::new();
        let mut common = (**base).clone();
        if !params.is_empty() {
            common.params.push(params);
        }
        // The play's list is not handed down to roles: each has its own collection and what its meta says.
        common.collections = collection.into_iter().chain(searched).collect();
        if let Some(node) = meta_map.and_then(|m| m.get("dependencies")) {
            let dependency_common = Arc::new(common.clone());
            for entry in super::fields::list(node) {
                items.extend(self.role_entry(
                    &entry,
                    &inner_parents,
                    &dependency_common,
                    dirs,
                    handlers,
                    diags,
                ));
            }
        }
        common.role = Some(role.clone());
        let common = Arc::new(common);
        let role_dirs = Dirs {
            role: Some(path.clone()),
            parents: wanted.parents.iter().rev().map(|parent| parent.path.clone()).collect(),
            task: path.join("tasks"),
            play: dirs.play.clone(),
        };
        if let Some(file) =
            self.role_file(&path, "handlers", wanted.handlers_from.as_deref(), wanted.span, diags)
        {
            let found = self.task_file(&file, &common, &role_dirs, true, diags);
            self.flatten_handlers(found, handlers, diags);
        }
        let mut body = Vec::new();
        if role.argument_spec.is_some() && wanted.validate {
            body.push(Item::Task(self.validation(&role, wanted, &common, &role_dirs)));
        }
        if let Some(file) = self.role_file(&path, "tasks", wanted.tasks_from.as_deref(), wanted.span, diags) {
            body.extend(self.task_file(&file, &common, &role_dirs, false, diags));
        }
        items.push(Item::Role(role, body.into()));
        items
    }

    /// Ansible validates a role's parameters in a task of its own before the role's first.
    fn validation(&self, role: &Arc<Role>, wanted: &RoleUse, common: &Arc<Common>, dirs: &Dirs) -> Arc<Task> {
        let entry = wanted.tasks_from.as_deref().unwrap_or("main");
        let entry = entry.trim_end_matches(".yml").trim_end_matches(".yaml");
        let short = role
            .argument_spec
            .as_ref()
            .and_then(|spec| spec.get("short_description"))
            .and_then(|n| n.scalar_text());
        let name = match short {
            Some(text) => format!("Validating arguments against arg spec '{entry}' - {text}"),
            None => format!("Validating arguments against arg spec '{entry}'"),
        };
        let mut with_always = (**common).clone();
        with_always.tags.push(Node::str("always"));
        let span = role.argument_spec.as_ref().map_or(wanted.span, |spec| spec.span);
        let action = Action {
            name: "validate_argument_spec".into(),
            full: "ansible.builtin.validate_argument_spec".into(),
            span,
        };
        Arc::new(Task {
            name: Some(Node::str(name)),
            action,
            outer: common.clone(),
            dirs: Arc::new(dirs.clone()),
            ..Task::made(self.id(), span, Arc::new(with_always))
        })
    }

    fn argument_spec(
        &self,
        path: &Path,
        meta: Option<&Mapping>,
        wanted: &RoleUse,
        diags: &mut Diagnostics,
    ) -> Option<Node> {
        let entry = wanted.tasks_from.as_deref().unwrap_or("main");
        let entry = entry.trim_end_matches(".yml").trim_end_matches(".yaml");
        let file = ["argument_specs.yml", "argument_specs.yaml", "argument_specs.json"]
            .iter()
            .map(|name| path.join("meta").join(name))
            .find(|file| file.is_file());
        let specs = match file {
            Some(file) => self.document(&file, diags)?.get("argument_specs").cloned(),
            None => meta.and_then(|m| m.get("argument_specs")).cloned(),
        };
        specs?.get(entry).cloned()
    }

    fn role_vars(
        &self,
        path: &Path,
        kind: &str,
        from: Option<&str>,
        span: Span,
        diags: &mut Diagnostics,
    ) -> Vars {
        let dir = path.join(kind);
        let base = dir.join(from.unwrap_or("main"));
        // `vars/main/` may be a directory of files.
        if base.is_dir() {
            let mut files = Vec::new();
            yaml_files(&base, &mut files);
            let mut vars = Vars::new();
            for file in files {
                vars.extend(self.vars_file(&file, diags));
            }
            return vars;
        }
        match self.role_file(path, kind, from, span, diags) {
            Some(file) => self.vars_file(&file, diags),
            None => Vars::new(),
        }
    }

    /// `ROLE/kind/main.yml`, or the file that `…_from` names, which must be there.
    fn role_file(
        &self,
        path: &Path,
        kind: &str,
        from: Option<&str>,
        span: Span,
        diags: &mut Diagnostics,
    ) -> Option<PathBuf> {
        let dir = path.join(kind);
        let found = main_file(&dir, from);
        if found.is_none()
            && let Some(from) = from
        {
            let tried: Vec<PathBuf> =
                ["", ".yml", ".yaml"].iter().map(|end| dir.join(format!("{from}{end}"))).collect();
            diags.push(super::task::missing_file(&format!("{kind} file"), from, span, &tried));
        }
        found
    }

    /// The role's directory and its name.
    fn find_role(
        &self,
        wanted: &RoleUse,
        searched: &[Arc<str>],
        dirs: &Dirs,
        diags: &mut Diagnostics,
    ) -> Option<(PathBuf, String)> {
        let name = &wanted.name;
        if let Some(found) = self.collection_role(name, searched) {
            return Some(found);
        }
        let mut places: Vec<PathBuf> = vec![dirs.play.join("roles")];
        places.extend(dirs.role.as_ref().and_then(|role| role.parent()).map(Path::to_owned));
        places.extend(self.paths.roles.iter().cloned());
        places.push(dirs.play.clone());
        places.push(dirs.task.clone());
        let mut seen: Vec<PathBuf> = Vec::new();
        places.retain(|place| {
            !seen.contains(place) && {
                seen.push(place.clone());
                true
            }
        });
        if let Some(path) = places.iter().map(|place| place.join(name)).find(|path| path.is_dir()) {
            let short = name.rsplit('/').next().unwrap_or(name);
            return Some((path, short.to_owned()));
        }
        let mut near = Vec::new();
        for place in &places {
            let entries = std::fs::read_dir(place).into_iter().flatten().flatten();
            near.extend(
                entries.filter(|e| e.path().is_dir()).filter_map(|e| e.file_name().into_string().ok()),
            );
        }
        let mut error = Diagnostic::error(format!("there is no role `{name}`"))
            .code("missing-role")
            .at(wanted.span, "named here")
            .did_you_mean(nearest(name, near.iter().map(String::as_str)));
        for place in &places {
            error = error.note(format!("looked in {}", place.display()));
        }
        diags.push(error);
        None
    }
}

/// What makes two uses of a role the same for Ansible's "runs once".
fn role_key(path: &Path, wanted: &RoleUse, common: &Common) -> String {
    let json = |nodes: &[Node]| nodes.iter().map(|n| n.to_json().to_string()).collect::<Vec<_>>().join(",");
    let params: Vec<String> = wanted.params.iter().map(|(k, v)| format!("{k}={}", v.to_json())).collect();
    // A dependency is the same whatever stands around the roles that need it.
    if wanted.dependency {
        return format!("{}|{}", path.display(), wanted.entry);
    }
    let given = &common.params;
    let vars: Vec<String> = common
        .vars
        .iter()
        .chain(given)
        .flat_map(|l| l.iter())
        .map(|(k, v)| format!("{k}={}", v.to_json()))
        .collect();
    format!(
        "{}|{:?}|{:?}|{}|{}|{}|{}",
        path.display(),
        wanted.tasks_from,
        wanted.vars_from,
        params.join(","),
        vars.join(","),
        json(&common.when),
        json(&common.tags)
    )
}

/// `dir/main.yml` and its other spellings, or those of `from`.
fn main_file(dir: &Path, from: Option<&str>) -> Option<PathBuf> {
    let stem = from.unwrap_or("main");
    let names = [format!("{stem}.yml"), format!("{stem}.yaml"), format!("{stem}.json"), stem.to_owned()];
    names.iter().map(|name| dir.join(name)).find(|path| path.is_file())
}

/// YAML files below a directory, sorted.
fn yaml_files(dir: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            yaml_files(&path, found);
        } else if path.extension().is_none_or(|e| ["yml", "yaml", "json"].iter().any(|known| e == *known)) {
            found.push(path);
        }
    }
}
