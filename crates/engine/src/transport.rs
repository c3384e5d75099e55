//! What the engine needs of a connection. Implemented in `provision-transport`.

use futures::future::BoxFuture;
use provision_system::{Mutation, Stream};
use provision_wire::Status;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Opens connections. One for the whole run.
pub trait Transport: Send + Sync {
    /// The agent on `target` as `identity`, starting it if need be. Connections are shared: asking twice is cheap.
    fn agent<'a>(
        &'a self,
        target: &'a Target,
        identity: &'a Identity,
    ) -> BoxFuture<'a, Result<Arc<dyn Agent>, LinkError>>;
    /// Runs a command line by the login shell without any agent (`raw`).
    fn raw<'a>(
        &'a self,
        target: &'a Target,
        identity: &'a Identity,
        command: &'a str,
        output: Arc<dyn Output>,
    ) -> BoxFuture<'a, Result<RawDone, LinkError>>;
    /// Forgets the connection to a host (`meta: reset_connection`, a reboot).
    fn reset<'a>(&'a self, host: &'a str) -> BoxFuture<'a, ()>;
    /// Closes all connections.
    fn close(&self) -> BoxFuture<'_, ()>;
}

/// A running agent.
pub trait Agent: Send + Sync {
    /// One module call. The future may be dropped: the call is cancelled then, its children killed.
    fn call<'a>(
        &'a self,
        call: AgentCall,
        contents: Arc<dyn Contents>,
        output: Arc<dyn Output>,
    ) -> BoxFuture<'a, Result<AgentDone, LinkError>>;
}

/// A module call before it has a number.
#[derive(Debug, Clone)]
pub struct AgentCall {
    pub module: String,
    /// A JSON object.
    pub args: Vec<u8>,
    pub check: bool,
    pub diff: bool,
    pub env: BTreeMap<String, String>,
    pub stream: bool,
    pub predicted: Vec<Mutation>,
    /// In a process of its own, for at most so many seconds (`async`).
    pub background: Option<u64>,
    /// The call is cancelled after this time (`timeout:`).
    pub timeout: Option<Duration>,
}

/// The agent's answer.
#[derive(Debug, Clone)]
pub struct AgentDone {
    pub status: Status,
    /// A JSON object.
    pub result: Vec<u8>,
    pub mutations: Vec<Mutation>,
}

/// The end of a raw command.
#[derive(Debug, Clone, Default)]
pub struct RawDone {
    pub rc: i32,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

/// Contents the controller holds, by SHA-256 (lower-case hex).
pub trait Contents: Send + Sync {
    fn find(&self, sha256: &str) -> Option<Content>;
}

/// One content.
#[derive(Debug, Clone)]
pub enum Content {
    Bytes(Arc<[u8]>),
    File(PathBuf),
}

/// Where streamed output goes.
pub trait Output: Send + Sync {
    fn output(&self, stream: Stream, data: &[u8]);
}

/// A machine to connect to, as its variables describe it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Target {
    /// The inventory's name.
    pub host: String,
    /// `ansible_connection`: "ssh" or "local".
    pub connection: String,
    /// `ansible_host`, else the inventory's name.
    pub address: String,
    pub port: Option<u16>,
    pub user: Option<String>,
    pub password: Option<Secret>,
    pub private_key: Option<PathBuf>,
    /// `ansible_ssh_common_args`, `ansible_ssh_extra_args`, `ansible_ssh_args`, split into words.
    pub ssh_args: Vec<String>,
    /// `ansible_host_key_checking`, `ansible_ssh_host_key_checking`; None: as ssh's configuration says.
    pub host_key_checking: Option<bool>,
    /// Connecting, key exchange and authentication together (`timeout`, `-T`).
    pub connect_timeout: Option<Duration>,
}

/// As whom the agent runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Identity {
    pub r#become: Option<Become>,
}

/// Privilege escalation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Become {
    /// "sudo", "su" or "doas".
    pub method: String,
    pub user: String,
    pub password: Option<Secret>,
    /// Additional flags (`become_flags`), split into words.
    pub flags: Vec<String>,
    /// Another program to call (`become_exe`).
    pub exe: Option<String>,
}

/// A password. Printed as stars.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
    /// The text itself: only to be given to what asked for it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("********")
    }
}

/// Why there is no connection, or no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LinkError {
    /// The host could not be reached or would not let us in: the host is *unreachable*.
    #[error("{0}")]
    Unreachable(String),
    /// The connection broke while a task ran: *unreachable*, and what the task did is not known.
    #[error("{0}")]
    Lost(String),
    /// The host was reached, but the task cannot run there (wrong sudo password, no agent for its processor): the task *failed*.
    #[error("{0}")]
    Failed(String),
    /// `timeout:` was over; the call was cancelled.
    #[error("Timed out after {0} second(s).")]
    TimedOut(u64),
}
