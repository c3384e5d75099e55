//! What can go wrong with a connection, told apart by what the user has to do about it.

use std::path::PathBuf;

/// An SSH failure. The text of each says what to do next.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SshError {
    /// No SSH server could be talked to: nothing was authenticated, nothing ran.
    #[error("cannot reach {host}: {detail}")]
    Unreachable {
        /// Host and port as dialled.
        host: String,
        /// Which step failed.
        reason: Unreachable,
        /// The step's own words, with a hint.
        detail: String,
    },
    /// The server could not prove that it is the host we mean.
    #[error("{problem}")]
    HostKey {
        /// The name that was looked up in the known_hosts files.
        host: String,
        /// What is wrong with the key.
        problem: Box<HostKeyProblem>,
    },
    /// The server turned down everything that was offered.
    #[error("{}", auth_text(.host, .user, .tried, .accepts))]
    Auth {
        /// Host and port as dialled.
        host: String,
        /// The remote user that was asked for.
        user: String,
        /// One line for each key or password offered, in order, with its outcome.
        tried: Vec<String>,
        /// The methods the server said it would take.
        accepts: Vec<String>,
    },
    /// A line of an SSH configuration file, or a word of `ansible_ssh_*_args`, that cannot be honoured.
    #[error("{}", config_text(.file, *.line, .message))]
    Config {
        /// The file; empty for arguments.
        file: PathBuf,
        /// The line, from 1; 0 for arguments.
        line: usize,
        /// What is wrong there.
        message: String,
    },
    /// The connection was there and broke: what ran on it may or may not have finished.
    #[error("connection to {host} lost: {detail}")]
    Lost {
        /// Host and port as dialled.
        host: String,
        /// The last thing heard from the connection.
        detail: String,
    },
    /// The server said something this client cannot work with.
    #[error("SSH protocol error with {host}: {detail}")]
    Protocol {
        /// Host and port as dialled.
        host: String,
        /// What was refused or misunderstood.
        detail: String,
    },
}

/// Which step of reaching a server failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreachable {
    /// The name has no address.
    Dns,
    /// Every address said no.
    Refused,
    /// Nothing came in time.
    Timeout,
    /// The server closed every attempt before authentication began.
    Dropped,
    /// The proxy command or jump host did not give a stream.
    Proxy,
    /// Anything else the network reported (no route, no permission …).
    Network,
}

/// What is wrong with a server's key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostKeyProblem {
    /// No known_hosts file has this host.
    #[error(
        "the host key of {name} is unknown: {algorithm} {fingerprint}. Compare the fingerprint with the host's own \
         (ssh-keygen -lf /etc/ssh/ssh_host_*_key.pub there), then add it with `{}`, or accept new hosts on first use \
         with StrictHostKeyChecking=accept-new{}",
        keyscan(.name, .file),
        .note.as_ref().map(|n| format!(" ({n})")).unwrap_or_default()
    )]
    Unknown {
        /// As it would stand in known_hosts: `host` or `[host]:port`.
        name: String,
        /// The key's type.
        algorithm: String,
        /// `SHA256:…`.
        fingerprint: String,
        /// The known_hosts file to add it to.
        file: PathBuf,
        /// Why a certificate the server showed did not help.
        note: Option<String>,
    },
    /// A known_hosts file has this host with another key.
    #[error(
        "THE HOST KEY OF {name} HAS CHANGED: {}:{line} has another key than the server's {algorithm} {fingerprint}. \
         Somebody may be between you and the host. If it was reinstalled, remove line {line} of {} \
         (ssh-keygen -f {} -R '{name}') and add the new key",
        .file.display(), .file.display(), .file.display()
    )]
    Changed {
        /// As it stands in known_hosts.
        name: String,
        /// The type of the key that the server showed.
        algorithm: String,
        /// `SHA256:…` of the key that the server showed.
        fingerprint: String,
        /// The file that has the other key.
        file: PathBuf,
        /// Its line, from 1.
        line: usize,
    },
    /// A known_hosts or revocation file forbids this key.
    #[error("the host key of {name} ({fingerprint}) is revoked by {}:{line}: the host needs a new key", .file.display())]
    Revoked {
        /// As it would stand in known_hosts.
        name: String,
        /// `SHA256:…`.
        fingerprint: String,
        /// The file that revokes it.
        file: PathBuf,
        /// Its line, from 1.
        line: usize,
    },
}

impl SshError {
    pub(crate) fn config(file: impl Into<PathBuf>, line: usize, message: impl Into<String>) -> Self {
        Self::Config { file: file.into(), line, message: message.into() }
    }

    /// For the words of `ansible_ssh_*_args` and for single options.
    pub(crate) fn argument(message: impl Into<String>) -> Self {
        Self::config("", 0, message)
    }

    /// Whether this is what Ansible calls an unreachable host. `Lost` is too, although a task may have begun.
    pub fn is_unreachable(&self) -> bool {
        !matches!(self, Self::Protocol { .. })
    }
}

fn keyscan(name: &str, file: &std::path::Path) -> String {
    match name.strip_prefix('[').and_then(|n| n.rsplit_once("]:")) {
        Some((host, port)) => format!("ssh-keyscan -p {port} {host} >> {}", file.display()),
        None => format!("ssh-keyscan {name} >> {}", file.display()),
    }
}

fn auth_text(host: &str, user: &str, tried: &[String], accepts: &[String]) -> String {
    let mut text = format!("{host} refused to let {user} in");
    if tried.is_empty() {
        text.push_str(": there was nothing to offer (no key file, no agent, no password)");
    } else {
        text.push_str("; tried: ");
        text.push_str(&tried.join("; "));
    }
    if !accepts.is_empty() {
        text.push_str(&format!(". The server accepts {}", accepts.join(", ")));
    }
    text
}

fn config_text(file: &std::path::Path, line: usize, message: &str) -> String {
    if file.as_os_str().is_empty() {
        format!("SSH arguments: {message}")
    } else if line == 0 {
        format!("{}: {message}", file.display())
    } else {
        format!("{}:{line}: {message}", file.display())
    }
}
