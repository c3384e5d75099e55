//! What a module is given and what it gives back.

use provision_system::{SysError, System};
use serde_json::{Map, Value};
use std::io::Read;

/// A module's surroundings.
pub struct Ctx<'a> {
    /// The machine. Under `--check` an overlay: modules run the same code.
    pub sys: &'a dyn System,
    /// The task runs in check mode: for the few modules whose *results* differ (never needed to hold back writes).
    pub check: bool,
    /// The user wants diffs.
    pub diff: bool,
    /// File contents that the controller holds.
    pub blobs: &'a dyn Blobs,
}

/// Contents offered by the controller, by their SHA-256.
pub trait Blobs {
    /// A stream of the content; asks the controller for it when it is not at hand.
    fn open(&self, sha256: &str) -> Result<Box<dyn Read>, SysError>;
}

/// A finished module's result: what `register` gets. `changed`, `diff` and `failed` are added from the journal.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outcome {
    pub result: Map<String, Value>,
}

impl Outcome {
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a result.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.result.insert(name.to_owned(), value.into());
        self
    }

    /// A message for the user.
    #[must_use]
    pub fn msg(self, text: impl Into<String>) -> Self {
        self.with("msg", text.into())
    }
}

/// A module that could not do its work.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Failure {
    pub msg: String,
    /// Further results, as on success (`rc`, `stdout`, …).
    pub result: Map<String, Value>,
}

impl Failure {
    pub fn new(msg: impl Into<String>) -> Self {
        Self { msg: msg.into(), result: Map::new() }
    }

    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.result.insert(name.to_owned(), value.into());
        self
    }
}

impl From<SysError> for Failure {
    fn from(error: SysError) -> Self {
        Self::new(error.to_string())
    }
}
