//! Commands as data: argument vectors, never shell text unless a shell is asked for by name.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// What a command that may change things means for `changed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Effect {
    /// It changes the machine: counts as changed.
    Change,
    /// It changes nothing a user would call a change (systemd's daemon-reload, refreshing a cache): not counted, not run under `--check`.
    Upkeep,
}

/// A command to run. The environment is the agent's (login environment plus the task's `environment:`) with `env` on top.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Command {
    pub argv: Vec<OsString>,
    /// Additional variables; `None` removes one.
    pub env: BTreeMap<OsString, Option<OsString>>,
    pub cwd: Option<PathBuf>,
    pub stdin: Option<Vec<u8>>,
    /// The process group is killed when it is over; the error says so.
    pub timeout: Option<Duration>,
    /// Stream the output to the user while it runs.
    pub stream: bool,
    pub umask: Option<u32>,
    /// Arguments or input hold secrets: do not record them in the journal.
    pub secret: bool,
}

impl Command {
    /// A command by its argument vector; the program is looked up in PATH.
    pub fn new<I, S>(argv: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: Into<OsString>,
    {
        Self { argv: argv.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.env.insert(name.into(), Some(value.into()));
        self
    }

    #[must_use]
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.argv.push(arg.into());
        self
    }

    #[must_use]
    pub fn stdin(mut self, data: impl Into<Vec<u8>>) -> Self {
        self.stdin = Some(data.into());
        self
    }

    #[must_use]
    pub fn cwd(mut self, dir: impl Into<PathBuf>) -> Self {
        self.cwd = Some(dir.into());
        self
    }

    /// For messages: the words joined by spaces, quoted where a shell would need it.
    pub fn display(&self) -> String {
        let words: Vec<String> = self.argv.iter().map(|word| crate::text::shell_word(word)).collect();
        words.join(" ")
    }
}

/// What a finished command left.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Output {
    /// Exit status; -N when signal N ended it.
    pub rc: i32,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

impl Output {
    pub fn ok(&self) -> bool {
        self.rc == 0
    }
    /// Standard output as text (see [`crate::text`]).
    pub fn out(&self) -> String {
        crate::text::bytes_to_text(&self.stdout)
    }
    /// Standard error as text.
    pub fn err(&self) -> String {
        crate::text::bytes_to_text(&self.stderr)
    }
}

/// The answer of [`crate::System::run`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ran {
    Done(Output),
    /// A dry run: it would run, and what it would answer is not known until then.
    NotRun,
}

/// Which of a command's streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stream {
    Stdout,
    Stderr,
}
