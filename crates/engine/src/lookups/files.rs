//! Files of the control machine: `file`, `unvault`, `fileglob`, `first_found`, `template`.

use super::{ControlMachine, Found, dirs, flag, locate, text};
use provision_templates::{FileOptions, Kwargs, Scope, TemplateError, Value, to_json, to_text};
use std::path::Path;
use std::sync::Arc;

impl ControlMachine {
    pub(super) fn file(
        &self,
        name: &str,
        kwargs: &Kwargs,
        scope: &Arc<dyn Scope>,
    ) -> Result<Value, TemplateError> {
        let (mut text, secret) = self.read(&locate("files", name, scope)?)?;
        if flag(kwargs, "rstrip", true) {
            text.truncate(text.trim_end().len());
        }
        if flag(kwargs, "lstrip", false) {
            text = text.trim_start().to_owned();
        }
        if secret {
            self.vault.tell(&text);
        }
        Ok(Value::from(text))
    }

    pub(super) fn unvault(&self, name: &str, scope: &Arc<dyn Scope>) -> Result<Value, TemplateError> {
        let (text, secret) = self.read(&locate("files", name, scope)?)?;
        if secret {
            self.vault.tell(&text);
        }
        Ok(Value::from(text))
    }

    pub(super) fn template(
        &self,
        name: &str,
        kwargs: &Kwargs,
        scope: &Arc<dyn Scope>,
    ) -> Result<Value, TemplateError> {
        let known = [
            "convert_data",
            "jinja2_native",
            "template_vars",
            "trim_blocks",
            "variable_start_string",
            "variable_end_string",
            "comment_start_string",
            "comment_end_string",
        ];
        if let Some(unknown) = kwargs.keys().find(|name| !known.contains(&name.as_str())) {
            return Err(TemplateError::runtime(format!("template: there is no option `{unknown}`")));
        }
        let path = locate("templates", name, scope)?;
        let (source, _) = self.read(&path)?;
        let Some(templater) = self.templater.get().and_then(std::sync::Weak::upgrade) else {
            return Err(TemplateError::runtime("the run is over"));
        };
        let usual = FileOptions::default();
        let string = |name: &str, usual: String| text(kwargs, name).unwrap_or(usual);
        let dirs = dirs(scope);
        let mut search: Vec<_> = path.parent().map(Path::to_owned).into_iter().collect();
        for place in dirs.role.iter().chain([&dirs.play]) {
            search.extend([place.join("templates"), place.clone()]);
        }
        let options = FileOptions {
            search,
            trim_blocks: flag(kwargs, "trim_blocks", true),
            variable_start_string: string("variable_start_string", usual.variable_start_string.clone()),
            variable_end_string: string("variable_end_string", usual.variable_end_string.clone()),
            comment_start_string: string("comment_start_string", usual.comment_start_string.clone()),
            comment_end_string: string("comment_end_string", usual.comment_end_string.clone()),
            ..usual
        };
        let scope = match kwargs.get("template_vars") {
            Some(vars) => &(Arc::new(With { vars: vars.clone(), below: scope.clone() }) as Arc<dyn Scope>),
            None => scope,
        };
        // always text: since ansible-core 2.19 `convert_data` converts nothing
        templater.render_file(&path.to_string_lossy(), &source, scope, &options).map(Value::from)
    }
}

/// `template_vars` over what is there.
#[derive(Debug)]
struct With {
    vars: Value,
    below: Arc<dyn Scope>,
}

impl Scope for With {
    fn get(&self, name: &str) -> Result<Option<Value>, TemplateError> {
        match self.vars.get_attr(name) {
            Ok(value) if !value.is_undefined() => Ok(Some(value)),
            _ => self.below.get(name),
        }
    }

    fn names(&self) -> Vec<String> {
        let own = self.vars.try_iter().into_iter().flatten().map(|key| to_text(&key));
        own.chain(self.below.names()).collect()
    }
}

pub(super) fn fileglob(patterns: &[String], scope: &Arc<dyn Scope>) -> Vec<Value> {
    let dirs = dirs(scope);
    let mut all = Vec::new();
    for pattern in patterns {
        for candidate in dirs.candidates("files", pattern) {
            let mut found = super::paths::glob(Path::new("/"), &candidate.to_string_lossy());
            found.retain(|path| Path::new(&provision_system::text::to_os(path)).is_file());
            if !found.is_empty() {
                all.extend(found.into_iter().map(Value::from));
                break;
            }
        }
    }
    all
}

/// Terms are names, or mappings with `files` and `paths`.
pub(super) fn first_found(terms: &[Value], kwargs: &Kwargs, scope: &Arc<dyn Scope>) -> Found {
    let mut skip = flag(kwargs, "skip", false);
    let mut names: Vec<String> = Vec::new();
    for term in terms {
        collect(&to_json(term), &mut names, &mut skip);
    }
    let named = |name: &str| kwargs.get(name).map(|value| split(&to_json(value), &[',', ';', ':']));
    let paths = named("paths").unwrap_or_default();
    match kwargs.get("files") {
        Some(files) => names.extend(joined(split(&to_json(files), &[',', ';']), &paths)),
        None => names = joined(names, &paths),
    }
    let dirs = dirs(scope);
    for name in &names {
        // Where it is used says what is looked for: tasks, vars, templates and files are all searched.
        for kind in ["files", "vars", "tasks", "templates"] {
            if let Some(path) = dirs.find(kind, name) {
                return Ok(vec![Value::from(path.to_string_lossy().into_owned())]);
            }
        }
    }
    if skip {
        return Ok(Vec::new());
    }
    Err(TemplateError::runtime(format!(
        "No file was found when using first_found. Looked for: {}",
        names.join(", ")
    )))
}

/// A list, or a text that lists.
fn split(value: &serde_json::Value, separators: &[char]) -> Vec<String> {
    match value {
        serde_json::Value::Array(items) => items.iter().flat_map(|item| split(item, separators)).collect(),
        serde_json::Value::Null => Vec::new(),
        other => {
            let text = crate::render::plain(other);
            let parts = text.split(separators).map(str::trim).filter(|part| !part.is_empty());
            parts.map(str::to_owned).collect()
        }
    }
}

/// Each file in each directory, all files in the first directory first.
fn joined(files: Vec<String>, paths: &[String]) -> Vec<String> {
    if paths.is_empty() {
        return files;
    }
    let in_dir = |dir: &String| {
        let dir = dir.trim_end_matches('/').to_owned();
        files.iter().map(move |file| format!("{dir}/{file}")).collect::<Vec<_>>()
    };
    paths.iter().flat_map(in_dir).collect()
}

/// The names in a term: a name or several, a mapping with `files` and `paths`, or a list of these.
fn collect(term: &serde_json::Value, names: &mut Vec<String>, skip: &mut bool) {
    match term {
        serde_json::Value::Object(map) => {
            *skip |= map.get("skip").and_then(crate::render::truth).unwrap_or(false);
            let part = |key: &str, separators: &[char]| {
                map.get(key).map(|value| split(value, separators)).unwrap_or_default()
            };
            names.extend(joined(part("files", &[',', ';']), &part("paths", &[',', ';', ':'])));
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| collect(item, names, skip)),
        other => names.extend(split(other, &[',', ';'])),
    }
}
