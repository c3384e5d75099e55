//! The exit codes, one meaning each.

use std::process::ExitCode;

/// How the command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Everything asked for was done.
    Done = 0,
    /// Wrong usage, or an error of this program.
    Usage = 1,
    /// On one or more hosts a task failed.
    Failed = 2,
    /// No task failed, but one or more hosts could not be reached.
    Unreachable = 3,
    /// The playbook or the inventory is wrong; no host was touched.
    Invalid = 4,
    /// Ctrl-C.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}
