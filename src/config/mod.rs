//! Settings from `ansible.cfg` and `ANSIBLE_*` variables: what each is, its value, and where that came from.
//!
//! Which settings there are, and what they mean to this program, is the table in `table.rs`. Where the file is looked
//! for and how values are read follows <https://docs.ansible.com/ansible/latest/reference_appendices/config.html>.

mod file;
pub mod table;
mod value;

pub use file::File;
pub use table::{Means, Setting};
pub use value::{Kind, Value};

use std::collections::HashMap;
use std::path::PathBuf;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    Default,
    /// An environment variable.
    Env(&'static str),
    /// A line of `ansible.cfg`.
    File(PathBuf, usize),
}

/// The settings in force; the command line is stronger than all of them.
#[derive(Debug, Default)]
pub struct Config {
    pub file: Option<File>,
    values: HashMap<&'static str, (Value, Origin)>,
    /// To be told to the person, once.
    pub warnings: Vec<String>,
}

impl Config {
    /// Reads the file and the environment.
    ///
    /// # Errors
    /// A file that is no INI, or a value of the wrong type, as a text for the user.
    pub fn load() -> Result<Self, String> {
        Self::read(None)
    }

    /// The same with the file at `path` (`ansible-config -c`) in place of the one that would be found.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn read(path: Option<PathBuf>) -> Result<Self, String> {
        let mut warnings = Vec::new();
        let path = path.or_else(|| file::find(&env, &mut warnings));
        let file = path.map(File::read).transpose()?;
        let mut config = Self { file, values: HashMap::new(), warnings };
        config.fill(&env)?;
        let undone = config.all().into_iter().filter_map(|(setting, value, origin)| match setting.means {
            Means::Undone(what) if *value != config.default_of(setting) => {
                Some(format!("the setting {} ({origin}) has no effect here: {what}", setting.name))
            }
            _ => None,
        });
        let undone: Vec<String> = undone.collect();
        config.warnings.extend(undone);
        Ok(config)
    }

    fn fill(&mut self, env: &dyn Fn(&str) -> Option<String>) -> Result<(), String> {
        for setting in table::all() {
            let (text, origin) = self.raw(setting, env);
            let value = match text {
                Some(text) => {
                    let base = match (&origin, &self.file) {
                        (Origin::File(..), Some(file)) => file.dir(),
                        _ => std::env::current_dir().unwrap_or_default(),
                    };
                    let text = text.replace("{home}", &self.home());
                    Value::parse(&text, setting, &base).map_err(|wrong| {
                        format!("the setting {} ({origin}) has an invalid value: {wrong}", setting.name)
                    })?
                }
                None => Value::None,
            };
            self.values.insert(setting.name, (value, origin));
        }
        Ok(())
    }

    /// The text of a setting before it is read as anything. Of several variables, or keys, the last that is set counts.
    fn raw(&self, setting: &Setting, env: &dyn Fn(&str) -> Option<String>) -> (Option<String>, Origin) {
        let is_set = |text: &String| setting.kind == Kind::Text || !text.trim().is_empty();
        for name in setting.env.iter().rev() {
            if let Some(text) = env(name).filter(is_set) {
                return (Some(text), Origin::Env(name));
            }
        }
        for (section, key) in setting.ini.iter().rev() {
            if let Some(file) = &self.file
                && let Some((text, line)) = file.get(section, key)
                && is_set(&text.to_owned())
            {
                return (Some(text.to_owned()), Origin::File(file.path.clone(), line));
            }
        }
        (setting.default.map(str::to_owned), Origin::Default)
    }

    /// `ANSIBLE_HOME`: settings in the table start with it, so it stands before them there.
    fn home(&self) -> String {
        match self.values.get(table::ANSIBLE_HOME.name) {
            Some((Value::Text(home), _)) => home.clone(),
            _ => value::expand("~/.ansible"),
        }
    }

    fn default_of(&self, setting: &Setting) -> Value {
        let text = setting.default.map(|text| text.replace("{home}", &self.home()));
        let base = std::env::current_dir().unwrap_or_default();
        text.and_then(|text| Value::parse(&text, setting, &base).ok()).unwrap_or_default()
    }

    /// All settings with their values.
    pub fn all(&self) -> Vec<(&'static Setting, &Value, &Origin)> {
        table::all()
            .filter_map(|setting| {
                self.values.get(setting.name).map(|(value, origin)| (setting, value, origin))
            })
            .collect()
    }

    pub fn value(&self, setting: &Setting) -> &Value {
        self.values.get(setting.name).map_or(&Value::None, |(value, _)| value)
    }

    pub fn origin(&self, setting: &Setting) -> &Origin {
        self.values.get(setting.name).map_or(&Origin::Default, |(_, origin)| origin)
    }

    /// The text, unless it is empty or there is none.
    pub fn text(&self, setting: &Setting) -> Option<String> {
        match self.value(setting) {
            Value::Text(text) if !text.is_empty() => Some(text.clone()),
            _ => None,
        }
    }

    /// The text only if somebody has set it.
    pub fn given(&self, setting: &Setting) -> Option<String> {
        if *self.origin(setting) == Origin::Default { None } else { self.text(setting) }
    }

    pub fn flag(&self, setting: &Setting) -> bool {
        matches!(self.value(setting), Value::Bool(true))
    }

    /// The flag only if somebody has set it.
    pub fn given_flag(&self, setting: &Setting) -> Option<bool> {
        if *self.origin(setting) == Origin::Default { None } else { Some(self.flag(setting)) }
    }

    pub fn number(&self, setting: &Setting) -> Option<u64> {
        match self.value(setting) {
            Value::Int(number) => (*number).try_into().ok(),
            _ => None,
        }
    }

    /// The number only if somebody has set it.
    pub fn given_number(&self, setting: &Setting) -> Option<u64> {
        if *self.origin(setting) == Origin::Default { None } else { self.number(setting) }
    }

    pub fn list(&self, setting: &Setting) -> Vec<String> {
        match self.value(setting) {
            Value::List(items) => items.clone(),
            _ => Vec::new(),
        }
    }

    pub fn path(&self, setting: &Setting) -> Option<PathBuf> {
        self.text(setting).map(PathBuf::from)
    }

    pub fn paths(&self, setting: &Setting) -> Vec<PathBuf> {
        self.list(setting).into_iter().map(PathBuf::from).collect()
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Env(name) => write!(f, "env: {name}"),
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
        }
    }
}

fn env(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(text: &str, vars: &[(&str, &str)]) -> Result<Config, String> {
        let file = File::parse("/etc/x/ansible.cfg".into(), text.to_owned())?;
        let mut config = Config { file: Some(file), ..Config::default() };
        config
            .fill(&|name| vars.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))?;
        Ok(config)
    }

    #[test]
    fn values_have_types_and_origins() {
        let text = "# c\n[defaults]\nforks = 20 ; many\nroles_path=a:/b\nprivate_key_file = k\n\
                    inventory = i,\n  j\n[privilege_escalation]\nbecome: Yes\n";
        let config =
            with(text, &[("ANSIBLE_REMOTE_USER", "me"), ("ANSIBLE_TIMEOUT", ""), ("NO_COLOR", "0")]).unwrap();
        assert_eq!(config.number(&table::DEFAULT_FORKS), Some(20));
        assert_eq!(config.origin(&table::DEFAULT_FORKS).to_string(), "/etc/x/ansible.cfg:3");
        assert_eq!(
            config.paths(&table::DEFAULT_ROLES_PATH),
            [PathBuf::from("/etc/x/a"), PathBuf::from("/b")]
        );
        assert_eq!(config.path(&table::DEFAULT_PRIVATE_KEY_FILE), Some("/etc/x/k".into()));
        assert_eq!(config.list(&table::DEFAULT_HOST_LIST), ["/etc/x/i", "/etc/x/j"]);
        assert!(config.flag(&table::DEFAULT_BECOME));
        assert_eq!(config.given(&table::DEFAULT_REMOTE_USER), Some("me".to_owned()));
        assert_eq!(config.origin(&table::DEFAULT_REMOTE_USER), &Origin::Env("ANSIBLE_REMOTE_USER"));
        assert_eq!(config.given_number(&table::DEFAULT_TIMEOUT), None);
        assert!(!config.flag(&table::ANSIBLE_NOCOLOR));
        assert_eq!(config.given(&table::DEFAULT_BECOME_METHOD), None);
        assert_eq!(config.text(&table::DEFAULT_BECOME_METHOD), Some("sudo".to_owned()));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        for (text, vars, wanted) in [
            ("[defaults]\nforks = x\n", &[][..], "DEFAULT_FORKS (/etc/x/ansible.cfg:2) has an invalid value"),
            ("", &[("ANSIBLE_GATHERING", "odd")], "DEFAULT_GATHERING (env: ANSIBLE_GATHERING)"),
            ("[defaults]\nnonsense\n", &[], "ansible.cfg:2"),
            ("forks = 1\n", &[], "ansible.cfg:1"),
            ("[defaults]\na=1\na=2\n", &[], "ansible.cfg:3"),
        ] {
            let error = with(text, vars).unwrap_err();
            assert!(error.contains(wanted), "{error}");
        }
    }
}
