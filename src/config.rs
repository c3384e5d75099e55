//! Settings from `ansible.cfg` and `ANSIBLE_*` variables, those that change results. Others are ignored, as in Ansible's own tools.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// The settings in force; the command line is stronger than all of them.
#[derive(Debug, Default)]
pub struct Config {
    values: HashMap<(String, String), String>,
    /// Relative paths in the file are relative to it.
    dir: PathBuf,
}

impl Config {
    /// `$ANSIBLE_CONFIG`, `./ansible.cfg`, `~/.ansible.cfg`, `/etc/ansible/ansible.cfg`: the first there is.
    pub fn load() -> Self {
        let named = std::env::var_os("ANSIBLE_CONFIG").map(PathBuf::from);
        let home = std::env::home_dir().map(|home| home.join(".ansible.cfg"));
        let places = [named, Some("ansible.cfg".into()), home, Some("/etc/ansible/ansible.cfg".into())];
        let found =
            places.into_iter().flatten().find_map(|path| Some((std::fs::read_to_string(&path).ok()?, path)));
        match found {
            Some((text, path)) => {
                let dir = std::path::absolute(&path)
                    .ok()
                    .and_then(|p| p.parent().map(Path::to_owned))
                    .unwrap_or_default();
                Self { values: ini(&text), dir }
            }
            None => Self::default(),
        }
    }

    /// The variable if it is set, else the file's key.
    pub fn get(&self, variable: &str, section: &str, key: &str) -> Option<String> {
        let env = std::env::var(variable).ok().filter(|value| !value.is_empty());
        env.or_else(|| self.values.get(&(section.to_owned(), key.to_owned())).cloned())
    }

    pub fn flag(&self, variable: &str, section: &str, key: &str) -> Option<bool> {
        let text = self.get(variable, section, key)?.to_lowercase();
        match text.trim() {
            "1" | "yes" | "true" | "on" | "y" | "t" => Some(true),
            "0" | "no" | "false" | "off" | "n" | "f" => Some(false),
            _ => None,
        }
    }

    pub fn number(&self, variable: &str, section: &str, key: &str) -> Option<u64> {
        self.get(variable, section, key)?.trim().parse().ok()
    }

    /// Paths separated by colons; those of the file are relative to it.
    pub fn paths(&self, variable: &str, section: &str, key: &str) -> Vec<PathBuf> {
        let from_env = std::env::var_os(variable).is_some();
        let text = self.get(variable, section, key).unwrap_or_default();
        let base = if from_env { std::env::current_dir().unwrap_or_default() } else { self.dir.clone() };
        text.split(':').filter(|part| !part.is_empty()).map(|part| base.join(home(part))).collect()
    }
}

fn home(path: &str) -> PathBuf {
    match path.strip_prefix("~/") {
        Some(rest) => std::env::home_dir().unwrap_or_default().join(rest),
        None => path.into(),
    }
}

/// Sections, keys and values; `#` and `;` begin comments.
fn ini(text: &str) -> HashMap<(String, String), String> {
    let mut values = HashMap::new();
    let mut section = String::new();
    for line in text.lines() {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name.trim().to_owned();
        } else if let Some((key, value)) = line.split_once(['=', ':']) {
            let value = value.split(" ;").next().unwrap_or_default().trim();
            values.insert((section.clone(), key.trim().to_lowercase()), value.to_owned());
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::ini;

    #[test]
    fn reads_what_ansible_cfg_looks_like() {
        let values = ini(
            "# c\n[defaults]\nforks = 20 ; many\nroles_path=a:~/b\n\n[privilege_escalation]\nbecome: True\n",
        );
        let get = |s: &str, k: &str| values.get(&(s.to_owned(), k.to_owned())).map(String::as_str);
        assert_eq!(get("defaults", "forks"), Some("20"));
        assert_eq!(get("defaults", "roles_path"), Some("a:~/b"));
        assert_eq!(get("privilege_escalation", "become"), Some("True"));
    }
}
