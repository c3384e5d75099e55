//! What happens in a run, as data. The engine tells; reporters (terminal, Ansible-style lines, JSON) print.
//!
//! Events arrive in order and own all they say. Secrets are redacted before an event leaves the engine, so no
//! reporter can leak one. In JSON each is one object with `"event": "<name>"`; fields may be added in later versions,
//! `run_start.schema` changes when one changes its meaning.

use serde::Serialize;
use serde_json::{Map, Value};
use std::sync::Arc;

/// The version of the events' shape.
pub const SCHEMA: u32 = 1;

/// One thing that happened.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    RunStart {
        schema: u32,
        version: &'static str,
        check: bool,
        diff: bool,
        playbooks: Vec<String>,
        hosts: usize,
    },
    /// A play begins. `name` is what Ansible prints: its name, else its hosts pattern.
    PlayStart {
        name: String,
        hosts: Vec<Arc<str>>,
        place: String,
    },
    /// A play's pattern matched nobody.
    NoHosts {
        name: String,
        pattern: String,
    },
    /// A task begins on all of `hosts`.
    TaskStart {
        task: Arc<TaskInfo>,
        hosts: usize,
    },
    /// A host begins to work on the task (for live display).
    HostStart {
        task: u64,
        host: Arc<str>,
    },
    /// A piece of a command's output while it runs.
    Output {
        task: u64,
        host: Arc<str>,
        stream: &'static str,
        text: String,
    },
    /// An attempt failed and is tried again (`until`).
    Retry {
        task: u64,
        host: Arc<str>,
        attempts_left: u64,
        attempts: u64,
        result: Map<String, Value>,
    },
    /// A job in the background was asked after, or has ended (`async`).
    Async {
        task: u64,
        host: Arc<str>,
        jid: String,
        state: AsyncState,
    },
    /// One item of a loop is done.
    Item(Box<Done>),
    /// A host is done with the task (after all items of a loop).
    Host(Box<Done>),
    /// include_tasks, include_role and include_vars brought a file in.
    Included {
        task: u64,
        file: String,
        hosts: Vec<Arc<str>>,
        item: Option<String>,
    },
    /// Something to be read at once: what `pause` waits for.
    Say {
        text: String,
    },
    /// Nobody is left to go on with.
    NoMoreHosts,
    Warning {
        text: String,
        place: Option<String>,
    },
    /// The end: what each host came to, in the inventory's order.
    RunEnd {
        stats: Vec<HostStats>,
        seconds: f64,
        interrupted: bool,
        /// Why the run was given up; Ansible prints no recap then.
        #[serde(skip_serializing_if = "Option::is_none")]
        aborted: Option<String>,
    },
}

/// What became of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AsyncState {
    Running,
    Ok,
    Failed,
}

/// What a reporter needs to know of a task.
#[derive(Debug, Clone, Serialize)]
pub struct TaskInfo {
    pub id: u64,
    /// As Ansible prints it: "role : name" or the action's name when it has none.
    pub name: String,
    pub action: String,
    /// "file:line".
    pub place: String,
    pub kind: TaskKind,
    pub check: bool,
    /// Hosts do not wait for each other: results of several tasks come mixed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub free: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskKind {
    Task,
    Handler,
    /// The implicit gathering of facts.
    Facts,
    /// meta and other actions that Ansible's output does not head with TASK.
    Silent,
}

/// How a host or an item came out of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Ok,
    Changed,
    Skipped,
    Failed,
    /// Failed, with ignore_errors.
    Ignored,
    Unreachable,
}

/// A finished host or item.
#[derive(Debug, Clone, Serialize)]
pub struct Done {
    pub task: u64,
    pub host: Arc<str>,
    /// The host that did the work when another was asked to (delegate_to).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delegated_to: Option<String>,
    /// That host's `ansible_host`, where it is not its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delegated_address: Option<String>,
    pub outcome: Outcome,
    /// The item's label, for items.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item: Option<Value>,
    /// The host's own result of a loop (`results` inside): reporters that have printed the items print nothing of it.
    pub looped: bool,
    /// What `register` got, redacted; only `censored` under no_log.
    pub result: Map<String, Value>,
    /// Changes to show with --diff, redacted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub diff: Vec<Diff>,
    pub seconds: f64,
    pub rescued: bool,
    /// Why it failed, from the task inwards; empty if it did not, and of a loop whose items have said it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<Cause>,
}

/// One level of why something failed: what was being done, or what was wrong, and where that stands. Redacted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Cause {
    pub message: String,
    /// "file:line:column", a template's "file:line", or "<unknown>".
    pub place: String,
    /// The numbered lines of the file up to that place, and a mark below its column; empty if there is no such file.
    pub excerpt: String,
    /// What to do, in Ansible's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// What to do, in ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// One change, to be shown as a unified diff; attributes are JSON text. A header is empty where there was or will be nothing.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Diff {
    pub before_header: String,
    pub after_header: String,
    pub before: String,
    pub after: String,
}

/// A line of the recap.
#[derive(Debug, Clone, Default, Serialize)]
pub struct HostStats {
    pub host: Arc<str>,
    pub ok: u64,
    pub changed: u64,
    pub unreachable: u64,
    pub failed: u64,
    pub skipped: u64,
    pub rescued: u64,
    pub ignored: u64,
}

/// Where events go. Called from many threads at once, but never two calls at a time for the same run.
pub trait Reporter: Send {
    fn event(&mut self, event: &Event);
    /// The terminal is needed for a question (a password, `pause`): hide what moves.
    fn suspend(&mut self) {}
    fn resume(&mut self) {}
}
