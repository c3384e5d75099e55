//! `ansible.cfg`: where it is found, and how it is read (Python's configparser).

use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// A configuration file.
#[derive(Debug)]
pub struct File {
    pub path: PathBuf,
    pub text: String,
    entries: HashMap<(String, String), (String, usize)>,
}

impl File {
    /// # Errors
    /// A file that cannot be read, or is no INI, as a text for the user.
    pub fn read(path: PathBuf) -> Result<Self, String> {
        let bytes = std::fs::read(&path)
            .map_err(|error| format!("cannot read the configuration {}: {error}", path.display()))?;
        Self::parse(path, String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Sections, keys and values. Lines that begin with `#` or `;` are comments, and so is what follows a `;` after a
    /// space; indented lines go on with the value before them.
    pub fn parse(path: PathBuf, text: String) -> Result<Self, String> {
        let mut entries: HashMap<(String, String), (String, usize)> = HashMap::new();
        let mut section: Option<String> = None;
        let mut open: Option<(String, String)> = None;
        for (index, raw) in text.lines().enumerate() {
            let number = index + 1;
            let wrong = |what: &str| format!("the configuration {}:{number}: {what}", path.display());
            let line = uncommented(raw);
            if line.trim().is_empty() {
                continue;
            }
            if line.starts_with([' ', '\t'])
                && let Some(entry) = open.as_ref().and_then(|key| entries.get_mut(key))
            {
                entry.0.push('\n');
                entry.0.push_str(line.trim());
                continue;
            }
            let line = line.trim();
            if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
                section = Some(name.0.to_owned());
                open = None;
                continue;
            }
            let Some(section) = &section else {
                return Err(wrong("a section, such as [defaults], is expected first"));
            };
            let Some((key, value)) = line.split_once(['=', ':']) else {
                return Err(wrong(&format!("`{line}` is not of the form key = value")));
            };
            let key = (section.clone(), key.trim().to_lowercase());
            if entries.contains_key(&key) {
                return Err(wrong(&format!("`{}` is given a second time in [{section}]", key.1)));
            }
            open = Some(key.clone());
            entries.insert(key, (value.trim().to_owned(), number));
        }
        Ok(Self { path, text, entries })
    }

    /// The value and its line.
    pub fn get(&self, section: &str, key: &str) -> Option<(&str, usize)> {
        self.entries.get(&(section.to_owned(), key.to_owned())).map(|(value, line)| (value.as_str(), *line))
    }

    /// What relative paths in it are relative to.
    pub fn dir(&self) -> PathBuf {
        self.path.parent().map(Path::to_owned).unwrap_or_default()
    }
}

/// `$ANSIBLE_CONFIG` (a file or its directory), `./ansible.cfg`, `~/.ansible.cfg`, `/etc/ansible/ansible.cfg`: the first
/// there is. A directory that anybody may write to does not count as one's own.
pub fn find(env: &dyn Fn(&str) -> Option<String>, warnings: &mut Vec<String>) -> Option<PathBuf> {
    let mut places = Vec::new();
    if let Some(named) = env("ANSIBLE_CONFIG").filter(|text| !text.is_empty()) {
        let path = std::path::absolute(super::value::expand(&named)).unwrap_or_else(|_| named.into());
        places.push(if path.is_dir() { path.join("ansible.cfg") } else { path });
    }
    let named = places.len();
    if let Ok(here) = std::env::current_dir() {
        let own = here.join("ansible.cfg");
        if !is_world_writable(&here) {
            places.push(own);
        } else if own.exists() && !places.iter().take(named).any(|path| path.exists()) {
            warnings.push(format!(
                "Ansible is being run in a world writable directory ({}), ignoring it as an ansible.cfg source. \
                 For more information see \
                 https://docs.ansible.com/ansible/devel/reference_appendices/config.html#cfg-in-world-writable-dir",
                here.display()
            ));
        }
    }
    places.extend(std::env::home_dir().map(|home| home.join(".ansible.cfg")));
    places.push("/etc/ansible/ansible.cfg".into());
    places.into_iter().find(|path| path.is_file() && std::fs::File::open(path).is_ok())
}

fn is_world_writable(dir: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(dir).is_ok_and(|meta| meta.permissions().mode() & 0o002 != 0)
}

/// Without its comment.
fn uncommented(line: &str) -> &str {
    if line.trim_start().starts_with(['#', ';']) {
        return "";
    }
    let comment = line.match_indices(';').map(|(at, _)| at).find(|at| line[..*at].ends_with([' ', '\t']));
    comment.map_or(line, |at| &line[..at])
}
