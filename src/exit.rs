//! The exit codes, one meaning each.

/// How the command ended. The numbers are those of `provision`; `name.rs` has Ansible's.
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
    /// A file that the command line names is not there.
    Missing = 5,
    /// The limit leaves nobody.
    NoHosts = 6,
    /// The configuration is wrong.
    Setting = 7,
    /// What was asked for could not be done: a wrong vault password, a file that cannot be written.
    Undone = 8,
    /// Ctrl-C.
    Interrupted = 130,
}
