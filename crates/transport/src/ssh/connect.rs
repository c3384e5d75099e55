//! From a host's name to a session: TCP or a proxy, the handshake, the host's key, authentication.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use russh::client::{self, DisconnectReason};
use russh::keys::{PublicKey, PublicKeyOrCertificate};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::auth::{self, Refusal};
use super::config::Files;
use super::error::{HostKeyProblem, SshError, Unreachable};
use super::keys::KeyRing;
use super::known_hosts::{self, Cache, Known, Verdict};
use super::session::{End, Session};
use super::settings::{Proxy, Settings};
use super::stream::{Complaints, Leashed, Pipe, QuickAck, Stream};
use super::{HostKeyChecking, Options, Patience, Prompter};

/// How often a connection that sshd drops before authentication (MaxStartups) is tried again: with the
/// pauses below, for about half a minute.
const RETRIES: u32 = 12;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(4);
/// How long one address may keep silent before the next is tried beside it (RFC 8305).
const NEXT_ADDRESS: Duration = Duration::from_millis(250);
/// Jump hosts of jump hosts, before it must be a circle.
const DEEPEST_JUMP: usize = 8;

const NO_METHOD_LEFT: &str = "the server accepts nothing more";

/// What the connections of a run share: configuration and known_hosts as read, keys as decrypted, jump hosts'
/// sessions, and a bound on the handshakes in flight.
pub struct Client {
    files: Arc<Files>,
    known_hosts: Arc<Cache>,
    keys: KeyRing,
    handshakes: Semaphore,
    jumps: Mutex<HashMap<String, SharedJump>>,
}

/// A jump host's session; the lock makes those who need it first wait for one connection.
type SharedJump = Arc<tokio::sync::Mutex<Weak<Session>>>;

/// Why one attempt gave no session.
enum Failure {
    /// The server hung up before authentication: worth another try.
    Dropped(String),
    Fatal(SshError),
}

impl Client {
    /// A client that asks for passphrases through `prompter` and has at most `handshakes` (at least 1)
    /// connections between TCP and the end of authentication at a time.
    pub fn new(prompter: Arc<dyn Prompter>, handshakes: usize) -> Self {
        Self {
            files: Arc::default(),
            known_hosts: Arc::default(),
            keys: KeyRing::new(prompter),
            handshakes: Semaphore::new(handshakes.max(1)),
            jumps: Mutex::default(),
        }
    }

    /// Connects and logs in.
    ///
    /// # Errors
    /// Any [`SshError`] but `Lost`.
    pub async fn connect(&self, options: &Options) -> Result<Session, SshError> {
        let settings = self.settings(options).await?;
        self.connect_with(options, settings).await
    }

    async fn connect_with(&self, options: &Options, settings: Settings) -> Result<Session, SshError> {
        let via = match &settings.proxy {
            Proxy::Jump(hops) => Some(self.jump(options, hops).await?),
            Proxy::None | Proxy::Command(_) => None,
        };
        let mut known = self.known_hosts.look_up(
            &settings.known_hosts,
            &settings.hostname,
            settings.port,
            settings.host_key_alias.as_deref(),
        )?;
        if let Some(file) = &settings.revoked_host_keys {
            known.revoke(known_hosts::revoked_keys(file)?);
        }
        let known = Arc::new(known);
        let config = Arc::new(settings.russh_config(&known)?);

        let patience = Patience::default();
        let mut pause = FIRST_PAUSE;
        let mut retry = 0;
        loop {
            let failure = {
                let Ok(_permit) = self.handshakes.acquire().await else {
                    return Err(settings.unreachable(Unreachable::Network, "the client is shutting down"));
                };
                let attempt = self.attempt(&settings, &known, &config, via.as_ref(), &patience);
                match patience.limit(settings.connect_timeout, attempt).await {
                    Some(Ok(session)) => return Ok(session),
                    Some(Err(failure)) => failure,
                    None => {
                        let detail =
                            format!("no session within {} s", settings.connect_timeout.as_secs_f32());
                        return Err(settings.unreachable(Unreachable::Timeout, detail));
                    }
                }
            };
            let why = match failure {
                Failure::Fatal(error) => return Err(error),
                Failure::Dropped(why) => why,
            };
            if via.as_ref().is_some_and(|via| via.is_closed()) {
                return Err(settings.unreachable(Unreachable::Proxy, "the jump host's connection was lost"));
            }
            retry += 1;
            if retry > RETRIES {
                let detail = format!(
                    "the server hung up {retry} times before authentication ({why}); if it is overloaded, raise \
                     MaxStartups in its sshd_config or use fewer forks"
                );
                return Err(settings.unreachable(Unreachable::Dropped, detail));
            }
            tokio::time::sleep(pause.mul_f64(jitter())).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// What holds for one host; with all its jump hosts looked up once, so that circles among them are found
    /// before anybody waits in one.
    async fn settings(&self, options: &Options) -> Result<Settings, SshError> {
        let (files, options) = (self.files.clone(), options.clone());
        // Reads files and may run commands (`Match exec`).
        let resolving = tokio::task::spawn_blocking(move || {
            let settings = Settings::resolve(&options, &files)?;
            check_jumps(&options, &settings, &files, 0)?;
            Ok(settings)
        });
        let failed = |e| Err(SshError::argument(format!("reading the configuration failed: {e}")));
        resolving.await.unwrap_or_else(failed)
    }

    /// The session of the last of `hops`, reached through those before it. Shared by all hosts behind it.
    async fn jump(&self, options: &Options, hops: &[String]) -> Result<Arc<Session>, SshError> {
        let hop = hop_options(options, hops)?;
        let shared = {
            let mut jumps = self.jumps.lock().unwrap_or_else(PoisonError::into_inner);
            jumps.entry(format!("{hop:?}")).or_default().clone()
        };
        let mut session = shared.lock().await;
        if let Some(open) = session.upgrade().filter(|open| !open.is_closed()) {
            return Ok(open);
        }
        let settings = self.settings(&hop).await?;
        let opened = Arc::new(Box::pin(self.connect_with(&hop, settings)).await?);
        *session = Arc::downgrade(&opened);
        Ok(opened)
    }

    async fn attempt(
        &self,
        settings: &Settings,
        known: &Arc<Known>,
        config: &Arc<client::Config>,
        via: Option<&Arc<Session>>,
        patience: &Patience,
    ) -> Result<Session, Failure> {
        let end = End::new(settings.place());
        let seen = Arc::new(Mutex::new(Seen::default()));
        let watcher = Watcher {
            known: known.clone(),
            cache: self.known_hosts.clone(),
            checking: settings.host_key_checking,
            add_to: settings.known_hosts.first().cloned(),
            hashed: settings.hash_known_hosts,
            seen: seen.clone(),
            end: end.clone(),
        };
        let (stream, said) = self.stream(settings, via).await.map_err(Failure::Fatal)?;
        let (stream, leash) = Leashed::new(stream);
        let handshake = client::connect_stream(config.clone(), stream, watcher).await;
        let mut handle = match handshake {
            Ok(handle) => {
                drop(said);
                handle
            }
            Err(WatchError::Refused(error)) => return Err(Failure::Fatal(error)),
            Err(WatchError::Ssh(error)) => {
                let said = match said {
                    Some(said) => Some(said.hear().await),
                    None => None,
                };
                return Err(handshake_failed(settings, &error, said));
            }
        };
        match auth::authenticate(&mut handle, settings, &self.keys, patience).await {
            Ok(()) => {}
            Err(Refusal::Denied { tried, accepts }) => {
                let (host, user) = (settings.place(), settings.user.clone());
                return Err(Failure::Fatal(SshError::Auth { host, user, tried, accepts }));
            }
            Err(Refusal::Gone(mut tried)) => {
                // "Too many authentication failures" and an empty list of methods are answers; a silent end is not.
                let reason = end.reason.get().map_or("", String::as_str);
                if reason.contains("authentication failures") || reason == NO_METHOD_LEFT {
                    if let Some(last) = tried.last_mut().filter(|_| reason == NO_METHOD_LEFT) {
                        last.push_str(": refused");
                    }
                    tried.push(format!("then {reason}"));
                    let (host, user) = (settings.place(), settings.user.clone());
                    return Err(Failure::Fatal(SshError::Auth { host, user, tried, accepts: Vec::new() }));
                }
                if patience.was_paused() {
                    // LoginGraceTime does not wait for users; what they have answered is known by now.
                    return Err(Failure::Dropped(format!("it hung up during authentication: {reason}")));
                }
                let tried = tried.join("; ");
                let detail = format!("the server hung up during authentication ({reason}) after: {tried}");
                return Err(Failure::Fatal(settings.unreachable(Unreachable::Dropped, detail)));
            }
        }
        let seen = std::mem::take(&mut *seen.lock().unwrap_or_else(PoisonError::into_inner));
        let Some(host_key) = seen.key else {
            let detail = "the handshake ended without a host key".to_owned();
            return Err(Failure::Fatal(SshError::Protocol { host: settings.place(), detail }));
        };
        leash.let_go();
        let mut warnings = settings.warnings.clone();
        warnings.extend(seen.warnings);
        let (user, environment) = (settings.user.clone(), settings.environment.clone());
        Ok(Session { handle, end, host_key, user, environment, warnings, _via: via.cloned() })
    }

    /// The stream to talk SSH on, and where a proxy command's complaints are collected.
    async fn stream(
        &self,
        settings: &Settings,
        via: Option<&Arc<Session>>,
    ) -> Result<(Box<dyn Stream>, Option<Complaints>), SshError> {
        if let Some(via) = via {
            let dialled = via.dial(&settings.hostname, settings.port).await;
            let channel = dialled.map_err(|e| {
                settings
                    .unreachable(Unreachable::Proxy, format!("the jump host {} cannot: {e}", via.end.host))
            })?;
            return Ok((Box::new(tokio::io::join(channel.stdout, channel.stdin)), None));
        }
        if let Proxy::Command(command) = &settings.proxy {
            let (pipe, said) = Pipe::spawn(command)
                .map_err(|e| settings.unreachable(Unreachable::Proxy, format!("{command:?}: {e}")))?;
            return Ok((Box::new(pipe), Some(said)));
        }
        let tcp = dial(settings).await?;
        let stream =
            QuickAck::new(tcp).map_err(|e| settings.unreachable(Unreachable::Network, e.to_string()))?;
        Ok((Box::new(stream), None))
    }
}

/// Options for the last of `hops`, reached through those before it.
fn hop_options(options: &Options, hops: &[String]) -> Result<Options, SshError> {
    let Some((last, before)) = hops.split_last() else {
        return Err(SshError::argument("ProxyJump names no host"));
    };
    let (user, host, port) = super::settings::hop(last)?;
    // As with `ssh -J`: a hop takes its keys and everything else from its own place in the configuration;
    // passwords and keys that are meant for the target are not shown to it.
    Ok(Options {
        host,
        port,
        user,
        host_key_checking: options.host_key_checking,
        known_hosts: options.known_hosts.clone(),
        proxy_jump: (!before.is_empty()).then(|| before.join(",")),
        config_file: options.config_file.clone(),
        connect_timeout: options.connect_timeout,
        keepalive: options.keepalive,
        ..Options::default()
    })
}

fn check_jumps(options: &Options, settings: &Settings, files: &Files, depth: usize) -> Result<(), SshError> {
    let Proxy::Jump(hops) = &settings.proxy else { return Ok(()) };
    let hop = hop_options(options, hops)?;
    if depth == DEEPEST_JUMP {
        return Err(SshError::argument(format!("ProxyJump goes round in circles at {}", hop.host)));
    }
    check_jumps(&hop, &Settings::resolve(&hop, files)?, files, depth + 1)
}

/// Between 0.5 and 1.5, so that those who were dropped together do not come back together.
fn jitter() -> f64 {
    let mut bytes = [0; 4];
    // Without randomness the pauses are merely equal.
    let _ = ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut bytes);
    0.5 + f64::from(u32::from_ne_bytes(bytes)) / f64::from(u32::MAX)
}

fn handshake_failed(settings: &Settings, error: &russh::Error, said: Option<String>) -> Failure {
    if let Some(said) = said {
        let detail = format!("the proxy command gave no SSH server: {error}. {said}");
        return Failure::Fatal(settings.unreachable(Unreachable::Proxy, detail));
    }
    let hung_up = match error {
        russh::Error::Disconnect | russh::Error::HUP | russh::Error::SendError | russh::Error::RecvError => {
            true
        }
        russh::Error::IO(e) => matches!(
            e.kind(),
            io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::NotConnected
                | io::ErrorKind::UnexpectedEof
        ),
        _ => false,
    };
    if hung_up {
        return Failure::Dropped(error.to_string());
    }
    let detail = match error {
        russh::Error::Version => "what answers there does not speak SSH".to_owned(),
        russh::Error::NoCommonAlgo { kind, ours, theirs } => format!(
            "no common {kind:?} algorithm: we offer {}, the server {}",
            ours.join(", "),
            theirs.join(", ")
        ),
        other => format!("the handshake failed: {other}"),
    };
    Failure::Fatal(SshError::Protocol { host: settings.place(), detail })
}

/// Tries all addresses of a name, the next one beside the last when that keeps silent; the first to answer wins.
async fn dial(settings: &Settings) -> Result<TcpStream, SshError> {
    let host = settings.hostname.trim_start_matches('[').trim_end_matches(']');
    let found = tokio::net::lookup_host((host, settings.port)).await.map_err(|e| {
        let detail = format!("{host:?} has no address ({e}); check ansible_host or HostName");
        settings.unreachable(Unreachable::Dns, detail)
    })?;
    let mut addresses = found.filter(|a| settings.address_family.takes(a)).collect::<Vec<_>>().into_iter();
    let mut racing: JoinSet<(SocketAddr, io::Result<TcpStream>)> = JoinSet::new();
    let mut failures: Vec<(SocketAddr, io::Error)> = Vec::new();
    let mut start = |racing: &mut JoinSet<_>| {
        if let Some(address) = addresses.next() {
            let from = settings.bind_address;
            racing.spawn(async move { (address, dial_one(address, from).await) });
        }
    };
    start(&mut racing);
    while !racing.is_empty() {
        tokio::select! {
            Some(joined) = racing.join_next() => match joined {
                Ok((_, Ok(tcp))) => return Ok(tcp),
                Ok((address, Err(e))) => {
                    failures.push((address, e));
                    start(&mut racing);
                }
                Err(_) => start(&mut racing),
            },
            () = tokio::time::sleep(NEXT_ADDRESS) => start(&mut racing),
        }
    }
    let all = |kind| failures.iter().all(|(_, e)| e.kind() == kind);
    let reason = if failures.is_empty() {
        Unreachable::Dns
    } else if all(io::ErrorKind::ConnectionRefused) {
        Unreachable::Refused
    } else if all(io::ErrorKind::TimedOut) {
        Unreachable::Timeout
    } else {
        Unreachable::Network
    };
    let mut detail: Vec<String> = failures.iter().map(|(address, e)| format!("{address}: {e}")).collect();
    if failures.is_empty() {
        detail.push(format!("{host:?} has no address of the AddressFamily asked for"));
    }
    if reason == Unreachable::Refused {
        detail.push("is sshd running there, and on this port?".to_owned());
    }
    Err(settings.unreachable(reason, detail.join("; ")))
}

async fn dial_one(address: SocketAddr, from: Option<std::net::IpAddr>) -> io::Result<TcpStream> {
    let Some(from) = from else { return TcpStream::connect(address).await };
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.bind((from, 0).into())?;
    socket.connect(address).await
}

/// Judges the server's key during the handshake, and keeps what the connection says at its end.
pub(crate) struct Watcher {
    known: Arc<Known>,
    cache: Arc<Cache>,
    checking: HostKeyChecking,
    /// Where a new host's key goes.
    add_to: Option<PathBuf>,
    hashed: bool,
    seen: Arc<Mutex<Seen>>,
    end: Arc<End>,
}

#[derive(Default)]
struct Seen {
    key: Option<PublicKey>,
    warnings: Vec<String>,
}

/// russh's errors and our own verdict.
#[derive(Debug)]
pub(crate) enum WatchError {
    Refused(SshError),
    Ssh(russh::Error),
}

impl From<russh::Error> for WatchError {
    fn from(error: russh::Error) -> Self {
        Self::Ssh(error)
    }
}

impl client::Handler for Watcher {
    type Error = WatchError;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, WatchError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
        let verdict = self
            .known
            .judge(shown, now)
            .map_err(|problem| WatchError::Refused(self.known.refuse(problem)))?;
        let key = shown.public_key();
        let mut warnings = Vec::new();
        if let Verdict::New { note } = verdict {
            if self.checking == HostKeyChecking::Strict {
                return Err(WatchError::Refused(self.unknown(&key, note)));
            }
            match self.remember(key.clone()).await {
                Ok(()) => {}
                Err(error @ SshError::HostKey { .. }) => return Err(WatchError::Refused(error)),
                // As OpenSSH: a known_hosts file that cannot be written keeps nobody from working.
                Err(error) => warnings.push(error.to_string()),
            }
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        *seen = Seen { key: Some(key), warnings };
        Ok(true)
    }

    async fn disconnected(&mut self, reason: DisconnectReason<WatchError>) -> Result<(), WatchError> {
        let text = match &reason {
            DisconnectReason::ReceivedDisconnect(info) => {
                format!("the server says {:?} ({:?})", info.message, info.reason_code)
            }
            DisconnectReason::Error(WatchError::Ssh(russh::Error::KeepaliveTimeout)) => {
                "the server answers no more keepalives".to_owned()
            }
            DisconnectReason::Error(WatchError::Ssh(russh::Error::Disconnect | russh::Error::HUP)) => {
                "the server closed it".to_owned()
            }
            DisconnectReason::Error(WatchError::Ssh(russh::Error::NoAuthMethod)) => NO_METHOD_LEFT.to_owned(),
            DisconnectReason::Error(WatchError::Ssh(error)) => error.to_string(),
            DisconnectReason::Error(WatchError::Refused(error)) => error.to_string(),
        };
        // The first reason stays.
        let _ = self.end.reason.set(text);
        match reason {
            DisconnectReason::ReceivedDisconnect(_) => Ok(()),
            DisconnectReason::Error(error) => Err(error),
        }
    }
}

impl Watcher {
    fn unknown(&self, key: &PublicKey, note: Option<String>) -> SshError {
        self.known.refuse(HostKeyProblem::Unknown {
            name: self.known.name.clone(),
            algorithm: key.algorithm().as_str().to_owned(),
            fingerprint: known_hosts::fingerprint(key),
            file: self.add_to.clone().unwrap_or_else(|| "~/.ssh/known_hosts".into()),
            note,
        })
    }

    async fn remember(&self, key: PublicKey) -> Result<(), SshError> {
        let Some(file) = self.add_to.clone() else { return Ok(()) };
        let (cache, known, hashed) = (self.cache.clone(), self.known.clone(), self.hashed);
        let added = tokio::task::spawn_blocking(move || cache.add(&file, &known, &key, hashed)).await;
        added.unwrap_or_else(|e| Err(SshError::argument(format!("adding the host key failed: {e}"))))
    }
}

/// The name under which the client introduces itself.
pub(crate) fn client_id() -> russh::SshId {
    russh::SshId::Standard(Cow::Borrowed(concat!("SSH-2.0-provision_", env!("CARGO_PKG_VERSION"))))
}
