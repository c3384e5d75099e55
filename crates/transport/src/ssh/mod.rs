//! SSH in process: finding out how to reach a host, proving who it is, logging in, running commands.
//!
//! One [`Client`] serves a run. [`Client::connect`] gives a [`Session`], [`Session::exec`] a [`Channel`].
//! What the user's OpenSSH configuration says holds here too; what it says and we cannot do is refused by name.

use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

mod arguments;
mod auth;
mod config;
mod connect;
mod error;
mod keys;
mod known_hosts;
mod pattern;
mod session;
mod settings;
mod stream;

pub use connect::Client;
pub use error::{HostKeyProblem, SshError, Unreachable};
pub use session::{Channel, Exit, ExitFuture, Session, Stderr, Stdin, Stdout};

/// How to reach one host: what the inventory and the command line say. What is left open here is taken from
/// `ssh_args`, then from the configuration files, then from OpenSSH's defaults.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The name as in the inventory, or `ansible_host`; what `Host` lines are matched against.
    pub host: String,
    /// `ansible_port`.
    pub port: Option<u16>,
    /// `ansible_user`.
    pub user: Option<String>,
    /// `ansible_ssh_private_key_file`, `--private-key`; go before those of the configuration.
    pub identity_files: Vec<PathBuf>,
    /// Offer no other keys than the identity files'.
    pub identities_only: Option<bool>,
    /// `ansible_password`.
    pub password: Option<Secret>,
    /// `ansible_host_key_checking`.
    pub host_key_checking: Option<HostKeyChecking>,
    /// Instead of the configuration's user files; the first is where new hosts are added.
    pub known_hosts: Vec<PathBuf>,
    /// `user@host:port,…`; `none` for no jump whatever the configuration says.
    pub proxy_jump: Option<String>,
    /// The words of `ansible_ssh_args`, `ansible_ssh_common_args` and `ansible_ssh_extra_args`.
    pub ssh_args: Vec<String>,
    /// Instead of `~/.ssh/config` and `/etc/ssh/ssh_config`; `none` reads no file, as with `ssh -F none`.
    pub config_file: Option<PathBuf>,
    /// For TCP, handshake and authentication together, not counting the time a prompt waits. Default 10 s.
    pub connect_timeout: Option<Duration>,
    /// Ask a silent server for a sign of life this often; gone after three unanswered. Default 30 s; zero: never.
    pub keepalive: Option<Duration>,
}

/// What to do with a host that no known_hosts file has. A changed or revoked key is refused always.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostKeyChecking {
    /// Refuse it.
    Strict,
    /// Remember it on first use.
    AcceptNew,
    /// As `AcceptNew`; OpenSSH would also connect to a changed host, this does not.
    Off,
}

/// Asks the user, on whatever the user looks at.
pub trait Prompter: Send + Sync {
    /// Asks for a passphrase without echo. May block: called off the runtime's threads, one at a time.
    ///
    /// # Errors
    /// When nobody can be asked.
    fn ask(&self, prompt: &str) -> io::Result<Secret>;
}

/// Text that is wiped from memory and never printed.
#[derive(Clone, Default)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the text over.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text itself: for handing to whoever checks it, not for showing.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Time that does not count against a time-out, because the user was thinking.
#[derive(Default)]
pub(crate) struct Patience(Mutex<Waited>);

#[derive(Default)]
struct Waited {
    before: Duration,
    since: Option<Instant>,
    asking: usize,
}

/// While it lives, time does not count.
pub(crate) struct Pause<'a>(&'a Patience);

impl Patience {
    pub(crate) fn pause(&self) -> Pause<'_> {
        let mut waited = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waited.asking += 1;
        waited.since.get_or_insert_with(Instant::now);
        Pause(self)
    }

    /// Runs `future` for at most `limit`, not counting pauses; `None` when the time is up.
    pub(crate) async fn limit<T>(&self, limit: Duration, future: impl Future<Output = T>) -> Option<T> {
        let (start, before) = (Instant::now(), self.paused());
        let spent = || start.elapsed().saturating_sub(self.paused().saturating_sub(before));
        tokio::pin!(future);
        loop {
            // During a pause the remaining time stands still: look again a little later.
            let nap = limit.saturating_sub(spent()).max(Duration::from_millis(20));
            tokio::select! {
                result = &mut future => return Some(result),
                () = tokio::time::sleep(nap) => {}
            }
            if spent() >= limit {
                return None;
            }
        }
    }

    /// Whether the user was asked anything.
    pub(crate) fn was_paused(&self) -> bool {
        !self.paused().is_zero()
    }

    fn paused(&self) -> Duration {
        let waited = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waited.before + waited.since.map_or(Duration::ZERO, |since| since.elapsed())
    }
}

impl Drop for Pause<'_> {
    fn drop(&mut self) {
        let mut waited = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        waited.asking -= 1;
        if waited.asking == 0
            && let Some(since) = waited.since.take()
        {
            waited.before += since.elapsed();
        }
    }
}
