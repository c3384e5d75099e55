//! What a template needs from its host: names, lookups and other files.

use crate::error::TemplateError;
use indexmap::IndexMap;
use minijinja::Value;
use provision_vault::Keyring;
use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

/// Keyword arguments of a lookup.
pub type Kwargs = IndexMap<String, Value>;

/// Where names come from: one per host and task, with lazily templated variables behind it.
///
/// Values may be custom minijinja objects (a map whose entries are templated when they are asked for); such an
/// object reports an entry that fails by returning [`crate::error_value`] for it.
pub trait Scope: Send + Sync + Debug + 'static {
    /// The *templated* value of a variable; none when it isn't defined.
    ///
    /// # Errors
    /// It is defined but its own template failed. Kind `Undefined` counts as missing (`is defined` is false,
    /// `default` applies), kind `Unknown` as an unknown value, everything else fails at once.
    fn get(&self, name: &str) -> Result<Option<Value>, TemplateError>;

    /// All names, for `varnames` and suggestions.
    fn names(&self) -> Vec<String>;
}

/// A template found by [`Lookups::read_template`].
#[derive(Debug, Clone)]
pub struct TemplateSource {
    /// Its path, for messages and as the place from which its own includes are searched.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
}

/// What templates may ask of the controller.
pub trait Lookups: Send + Sync + 'static {
    /// Runs a lookup (`file`, `env`, `pipe`, …; the name comes without `ansible.builtin.`). Lookups that only
    /// compute (`dict`, `items`, `sequence`, `subelements`, `nested`, `together`, `indexed_items`, `vars`,
    /// `varnames`, `random_choice`, `list`, `flattened`) never get here.
    ///
    /// # Errors
    /// The lookup is unknown ([`crate::unknown_lookup`]) or fails.
    fn lookup(
        &self,
        name: &str,
        terms: &[Value],
        kwargs: &Kwargs,
        scope: &Arc<dyn Scope>,
    ) -> Result<Vec<Value>, TemplateError>;

    /// Finds and reads a template named by `include`, `import` or `extends`; none when there is no such file.
    ///
    /// # Errors
    /// It exists but cannot be read.
    fn read_template(&self, name: &str, search: &[PathBuf]) -> Result<Option<TemplateSource>, TemplateError>;

    /// The vault passwords of the run and what they decrypted; none unless the host has some.
    fn vault(&self) -> &Keyring {
        static NONE: LazyLock<Keyring> = LazyLock::new(Keyring::default);
        &NONE
    }

    /// Asks a path on the controller, for the tests `exists`, `file`, `directory`, `link`, `mount`,
    /// `same_file` and the filters `realpath` and `expanduser`.
    ///
    /// # Errors
    /// The query is not supported by this host.
    fn path(&self, query: PathQuery<'_>) -> Result<Value, TemplateError>;
}

/// A question about a path on the controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathQuery<'a> {
    /// Does it exist (following links)? Answers a boolean.
    Exists(&'a str),
    /// Does it exist, be it a dangling link? Answers a boolean.
    LinkExists(&'a str),
    /// Is it a file? Answers a boolean.
    File(&'a str),
    /// Is it a directory? Answers a boolean.
    Directory(&'a str),
    /// Is it a symbolic link? Answers a boolean.
    Link(&'a str),
    /// Is it a file that is encrypted with vault? Answers a boolean.
    Vaulted(&'a str),
    /// Is it a mount point? Answers a boolean.
    Mount(&'a str),
    /// Are both the same file? Answers a boolean.
    Same(&'a str, &'a str),
    /// Without links. Answers a string.
    Real(&'a str),
    /// With `~` replaced. Answers a string.
    ExpandUser(&'a str),
    /// With `$NAME` replaced. Answers a string.
    ExpandVars(&'a str),
    /// The files matching a glob, sorted. Answers a list of strings.
    Glob(&'a str),
}

/// The surroundings of a template file while it renders.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FileContext<'a> {
    pub(crate) search: &'a [PathBuf],
    pub(crate) options: &'a crate::templater::FileOptions,
}
