//! Lookups that read the control machine, a file per family, and what templates ask of paths there.

mod commands;
mod files;
mod inventory;
mod password;
mod paths;
mod random;
mod tables;
mod tree;
mod url;

use provision_project::Dirs;
use provision_templates::{
    Kwargs, Lookups, PathQuery, Scope, TemplateError, TemplateSource, Templater, Value, to_text,
    unknown_lookup,
};
use provision_vault::Keyring;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// The settings in force, for the lookup `config`: name, value and where it comes from.
pub type Settings = std::collections::HashMap<String, (serde_json::Value, String)>;

/// The control machine, as templates see it.
#[derive(Default)]
pub struct ControlMachine {
    /// Given after the templater is made: the `template` lookup needs it.
    templater: OnceLock<std::sync::Weak<Templater>>,
    vault: Arc<Keyring>,
    settings: Settings,
}

impl ControlMachine {
    /// A templater that looks things up on this machine and decrypts with these passwords.
    pub fn templater(vault: Arc<Keyring>, settings: Settings) -> Arc<Templater> {
        let machine = Arc::new(Self { vault, settings, ..Self::default() });
        let templater = Arc::new(Templater::new(machine.clone()));
        let _ = machine.templater.set(Arc::downgrade(&templater));
        templater
    }
}

/// Can this lookup be used? Asked by looking nothing up.
pub fn exists(templater: &Templater, name: &str) -> bool {
    let scope: Arc<dyn Scope> = Arc::new(Nothing);
    let quoted = name.replace(['\'', '\\'], "");
    match templater.eval(&format!("query('{quoted}')"), &scope) {
        Ok(_) => true,
        Err(error) => {
            let text = &error.message;
            let unknown = text.contains("The lookup plugin") && text.contains("was not found");
            !(unknown || text.contains("is not supported yet"))
        }
    }
}

/// No variables.
#[derive(Debug)]
struct Nothing;

impl Scope for Nothing {
    fn get(&self, _name: &str) -> Result<Option<Value>, TemplateError> {
        Ok(None)
    }

    fn names(&self) -> Vec<String> {
        Vec::new()
    }
}

type Found = Result<Vec<Value>, TemplateError>;

/// Lookups of other collections that are done by their short names.
const COLLECTIONS: [(&str, &str); 3] = [
    ("filetree", "community.general.filetree"),
    ("random_string", "community.general.random_string"),
    ("file", "ansible.legacy.file"),
];

impl Lookups for ControlMachine {
    fn lookup(&self, name: &str, terms: &[Value], kwargs: &Kwargs, scope: &Arc<dyn Scope>) -> Found {
        // `ansible.legacy` is `ansible.builtin` with the user's own plugins, of which there are none
        let name = name.strip_prefix("ansible.legacy.").unwrap_or(name);
        let texts: Vec<String> = terms.iter().map(to_text).collect();
        match name {
            "config" => self.config(&texts, kwargs),
            "csvfile" => tables::csvfile(self, &texts, kwargs, scope),
            "env" => commands::env(&texts, kwargs),
            "file" => texts.iter().map(|term| self.file(term, kwargs, scope)).collect(),
            "fileglob" => Ok(files::fileglob(&texts, scope)),
            "first_found" => files::first_found(terms, kwargs, scope),
            "ini" => tables::ini(self, &texts, kwargs, scope),
            "inventory_hostnames" => inventory::hostnames(terms, scope),
            "lines" => commands::lines(&texts),
            "password" => password::password(&texts, kwargs),
            "pipe" => commands::pipes(&texts),
            "template" => texts.iter().map(|term| self.template(term, kwargs, scope)).collect(),
            "unvault" => texts.iter().map(|term| self.unvault(term, scope)).collect(),
            "url" => url::url(&texts, kwargs),
            "community.general.filetree" | "filetree" => tree::filetree(&texts, kwargs, scope),
            "community.general.random_string" => random::string(kwargs),
            _ => {
                let mut error = unknown_lookup(name);
                let word = name.rsplit('.').next().unwrap_or(name);
                if let Some((_, full)) =
                    COLLECTIONS.iter().find(|(known, full)| *known == word && *full != name)
                {
                    error.message.push_str(&format!(" Did you mean '{full}'?"));
                }
                Err(error)
            }
        }
    }

    fn read_template(&self, name: &str, search: &[PathBuf]) -> Result<Option<TemplateSource>, TemplateError> {
        let candidates = if Path::new(name).is_absolute() {
            vec![PathBuf::from(name)]
        } else {
            search.iter().map(|dir| dir.join(name)).collect()
        };
        let Some(path) = candidates.into_iter().find(|path| path.is_file()) else { return Ok(None) };
        let (text, _) = self.read(&path)?;
        Ok(Some(TemplateSource { text, path }))
    }

    fn vault(&self) -> &Keyring {
        &self.vault
    }

    fn path(&self, query: PathQuery<'_>) -> Result<Value, TemplateError> {
        paths::ask(query)
    }
}

impl ControlMachine {
    /// A file's text, decrypted when it is vaulted, and whether it was.
    fn read(&self, path: &Path) -> Result<(String, bool), TemplateError> {
        let contents = self
            .vault
            .read(path)
            .map_err(|e| TemplateError::runtime(format!("cannot read {}: {e}", path.display())))?;
        Ok((provision_system::text::bytes_to_text(&contents.bytes), contents.secret))
    }

    /// Settings by their names; with `show_origin` each with its origin.
    fn config(&self, names: &[String], kwargs: &Kwargs) -> Found {
        let on_missing = kwargs.get("on_missing").map_or_else(|| "error".to_owned(), to_text);
        if !matches!(&*on_missing, "error" | "warn" | "skip") {
            return Err(TemplateError::runtime(format!(
                "\"on_missing\" must be a string and one of \"error\", \"warn\" or \"skip\", not {on_missing}"
            )));
        }
        if kwargs.get("plugin_type").is_some_and(|value| !value.is_none()) {
            return Err(TemplateError::runtime(
                "config: settings of plugins (`plugin_type`) are not supported",
            ));
        }
        let origins = flag(kwargs, "show_origin", false);
        let mut found = Vec::new();
        for name in names {
            match self.settings.get(name) {
                Some((value, origin)) => {
                    let value = provision_templates::from_json(value.clone());
                    found.push(if origins {
                        Value::from(vec![value, Value::from(&**origin)])
                    } else {
                        value
                    });
                }
                None if on_missing == "error" => {
                    return Err(TemplateError::undefined(
                        name.as_str(),
                        format!("No config definition exists for '{name}'."),
                    ));
                }
                None => {}
            }
        }
        Ok(found)
    }
}

/// A keyword argument as a boolean, in words, too.
fn flag(kwargs: &Kwargs, name: &str, default: bool) -> bool {
    kwargs.get(name).map_or(default, |value| {
        crate::render::truth(&provision_templates::to_json(value)).unwrap_or_else(|| value.is_true())
    })
}

/// A keyword argument as text.
fn text(kwargs: &Kwargs, name: &str) -> Option<String> {
    kwargs.get(name).filter(|value| !value.is_none()).map(to_text)
}

/// The directories around the task, which its scope knows by Ansible's names.
fn dirs(scope: &Arc<dyn Scope>) -> Dirs {
    let path = |name: &str| scope.get(name).ok().flatten().map(|v| PathBuf::from(to_text(&v)));
    let play = path("playbook_dir").unwrap_or_default();
    let role = path("role_path");
    Dirs {
        task: role.as_ref().map_or_else(|| play.clone(), |r| r.join("tasks")),
        role,
        parents: Vec::new(),
        play,
    }
}

fn locate(kind: &str, name: &str, scope: &Arc<dyn Scope>) -> Result<PathBuf, TemplateError> {
    let dirs = dirs(scope);
    let path = provision_system::text::to_os(name);
    dirs.find(kind, &path).ok_or_else(|| {
        let tried: Vec<String> =
            dirs.candidates(kind, &path).iter().map(|p| p.display().to_string()).collect();
        TemplateError::runtime(format!(
            "could not locate file in lookup: {name} (searched: {})",
            tried.join(", ")
        ))
    })
}

/// The options in a term of the old form `key option=value …`, over those given by name. Only known ones are let through.
fn with_options(term: &str, kwargs: &Kwargs, known: &[&str]) -> Result<(String, Kwargs), TemplateError> {
    let mut options = kwargs.clone();
    let mut free: Vec<String> = Vec::new();
    for word in provision_project::words::split(term) {
        match provision_project::words::pair(&word) {
            Some((name, value)) if known.contains(&name) => {
                options.insert(name.to_owned(), Value::from(value));
            }
            Some((name, _)) => {
                return Err(TemplateError::runtime(format!("'{name}' is not a valid option")));
            }
            None => free.push(word),
        }
    }
    if let Some(name) = options.keys().find(|name| !known.contains(&name.as_str())) {
        return Err(TemplateError::runtime(format!("'{name}' is not a valid option")));
    }
    Ok((free.join(" "), options))
}
