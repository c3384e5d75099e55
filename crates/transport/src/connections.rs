//! All connections of a run: opened once, shared by tasks, closed at the end.

use crate::link::{Ends, Link};
use crate::ssh::{self, Client, HostKeyChecking, Options, Session};
use crate::{bootstrap, embedded, escalate};
use futures::future::{BoxFuture, FutureExt};
use provision_engine::transport::{Agent, Identity, LinkError, Output, RawDone, Target, Transport};
use provision_system::Stream;
use std::collections::HashMap;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::OnceCell;

/// The transport of the command line: SSH and this machine.
pub struct Connections {
    client: Client,
    sessions: Shared<Target, Session>,
    agents: Shared<(Target, Identity), Link>,
}

/// Values that are made once, however many ask at the same time.
type Shared<K, V> = Mutex<HashMap<K, Arc<OnceCell<Arc<V>>>>>;

fn slot<K: std::hash::Hash + Eq + Clone, V>(
    shared: &Shared<K, V>,
    key: &K,
    usable: impl Fn(&V) -> bool,
) -> Arc<OnceCell<Arc<V>>> {
    let mut all = shared.lock().unwrap_or_else(|e| e.into_inner());
    let dead = all.get(key).and_then(|cell| cell.get()).is_some_and(|value| !usable(value));
    if dead {
        all.remove(key);
    }
    all.entry(key.clone()).or_default().clone()
}

impl Connections {
    /// `handshakes`: connections being opened at once.
    pub fn new(prompter: Arc<dyn ssh::Prompter>, handshakes: usize) -> Self {
        Self {
            client: Client::new(prompter, handshakes),
            sessions: Mutex::default(),
            agents: Mutex::default(),
        }
    }

    async fn session(&self, target: &Target) -> Result<Arc<Session>, LinkError> {
        let cell = slot(&self.sessions, target, |session| !session.is_closed());
        cell.get_or_try_init(|| self.connect(target)).await.cloned()
    }

    async fn connect(&self, target: &Target) -> Result<Arc<Session>, LinkError> {
        let session = self.client.connect(&options(target)).await;
        session.map(Arc::new).map_err(|error| {
            LinkError::Unreachable(format!("Failed to connect to the host via ssh: {error}"))
        })
    }

    /// Starts a command line on the target. `ends_itself`: on this machine it is not killed when nobody waits for it, since it
    /// ends with its input (and what it has started with it).
    async fn start(&self, target: &Target, line: &str, ends_itself: bool) -> Result<(Ends, Exit), LinkError> {
        if target.connection == "local" {
            return local(line, !ends_itself);
        }
        if target.connection != "ssh" {
            return Err(LinkError::Failed(format!(
                "connection `{}` is not supported; there are ssh and local",
                target.connection
            )));
        }
        let mut session = self.session(target).await?;
        let channel = match session.exec(line).await {
            // sshd's MaxSessions: a connection of its own then, as ssh makes one.
            Err(ssh::SshError::Protocol { .. }) => {
                session = self.connect(target).await?;
                session.exec(line).await
            }
            channel => channel,
        };
        let channel = channel.map_err(|e| LinkError::Lost(e.to_string()))?;
        let ends = Ends {
            stdin: Box::new(channel.stdin),
            stdout: Box::new(channel.stdout),
            stderr: Box::new(channel.stderr),
            keep: Box::new(session),
        };
        Ok((ends, Exit::Ssh(channel.exit)))
    }

    async fn link(&self, target: &Target, identity: &Identity) -> Result<Arc<Link>, LinkError> {
        let script = bootstrap::script(embedded::EMBEDDED.hash);
        let (line, prompt) = match &identity.r#become {
            Some(wanted) => {
                let (line, prompt) = escalate::command(wanted, &script)?;
                (line, Some(prompt))
            }
            None => (bootstrap::plain(embedded::EMBEDDED.hash), None),
        };
        let (ends, exit) = self.start(target, &line, true).await?;
        let link = Link::start(&target.host, ends, prompt).await?;
        // The status is of no interest once the agent speaks; the stream's end says it is over.
        drop(exit);
        Ok(Arc::new(link))
    }
}

impl Transport for Connections {
    fn agent<'a>(
        &'a self,
        target: &'a Target,
        identity: &'a Identity,
    ) -> BoxFuture<'a, Result<Arc<dyn Agent>, LinkError>> {
        async move {
            let key = (target.clone(), identity.clone());
            let cell = slot(&self.agents, &key, |link| !link.is_over());
            let link = cell.get_or_try_init(|| self.link(target, identity)).await?.clone();
            Ok(link as Arc<dyn Agent>)
        }
        .boxed()
    }

    fn raw<'a>(
        &'a self,
        target: &'a Target,
        identity: &'a Identity,
        command: &'a str,
        output: Arc<dyn Output>,
    ) -> BoxFuture<'a, Result<RawDone, LinkError>> {
        async move {
            let line = match &identity.r#become {
                None => command.to_owned(),
                Some(wanted) if wanted.password.is_none() => {
                    // The command is one word of a script without single quotes: given by the environment of `sh`.
                    let quoted = shlex::try_quote(command).map_err(|e| LinkError::Failed(e.to_string()))?;
                    let (line, _) = escalate::command(wanted, "eval \"$0\"")?;
                    format!("{line} {quoted}")
                }
                Some(_) => {
                    return Err(LinkError::Failed(
                        "raw with a become password is not supported yet".to_owned(),
                    ));
                }
            };
            let (ends, exit) = self.start(target, &line, false).await?;
            drop(ends.stdin);
            let (stdout, stderr) = tokio::join!(
                drain(ends.stdout, Stream::Stdout, &output),
                drain(ends.stderr, Stream::Stderr, &output)
            );
            let rc = exit.wait().await?;
            Ok(RawDone { rc, stdout, stderr })
        }
        .boxed()
    }

    fn reset<'a>(&'a self, host: &'a str) -> BoxFuture<'a, ()> {
        async move {
            self.agents
                .lock()
                .unwrap_or_else(|e| e.into_inner())
                .retain(|(target, _), _| target.host != host);
            self.sessions.lock().unwrap_or_else(|e| e.into_inner()).retain(|target, _| target.host != host);
        }
        .boxed()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        async move {
            self.agents.lock().unwrap_or_else(|e| e.into_inner()).clear();
            let sessions: Vec<_> = self
                .sessions
                .lock()
                .unwrap_or_else(|e| e.into_inner())
                .drain()
                .map(|(_, cell)| cell)
                .collect();
            let goodbyes =
                sessions.into_iter().filter_map(|cell| cell.get().cloned()).map(|session| async move {
                    if let Ok(session) = Arc::try_unwrap(session) {
                        session.close().await;
                    }
                });
            futures::future::join_all(goodbyes).await;
        }
        .boxed()
    }
}

/// How a command ended.
enum Exit {
    Ssh(ssh::ExitFuture),
    Local(Arc<tokio::sync::Mutex<tokio::process::Child>>),
}

impl Exit {
    async fn wait(self) -> Result<i32, LinkError> {
        match self {
            Exit::Ssh(exit) => match exit.await.map_err(|e| LinkError::Lost(e.to_string()))? {
                ssh::Exit::Code(code) => Ok(i32::try_from(code).unwrap_or(255)),
                ssh::Exit::Signal { .. } => Ok(-1),
            },
            Exit::Local(child) => {
                let status = child.lock().await.wait().await.map_err(|e| LinkError::Failed(e.to_string()))?;
                Ok(status.code().unwrap_or(-1))
            }
        }
    }
}

/// The command line by this machine's `sh`.
fn local(line: &str, kill_on_drop: bool) -> Result<(Ends, Exit), LinkError> {
    let failed = |why: &str| LinkError::Failed(format!("cannot run sh on this machine: {why}"));
    let mut child = tokio::process::Command::new("/bin/sh")
        .args(["-c", line])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(kill_on_drop)
        // Ctrl-C at the terminal is for us: the task in flight is to end in order.
        .process_group(0)
        .spawn()
        .map_err(|e| failed(&e.to_string()))?;
    let pipes = child.stdin.take().zip(child.stdout.take()).zip(child.stderr.take());
    let Some(((stdin, stdout), stderr)) = pipes else { return Err(failed("no pipes")) };
    let child = Arc::new(tokio::sync::Mutex::new(child));
    let ends = Ends {
        stdin: Box::new(stdin),
        stdout: Box::new(stdout),
        stderr: Box::new(stderr),
        keep: Box::new(child.clone()),
    };
    Ok((ends, Exit::Local(child)))
}

async fn drain(
    mut from: Box<dyn AsyncRead + Send + Unpin>,
    stream: Stream,
    output: &Arc<dyn Output>,
) -> Vec<u8> {
    let mut all = Vec::new();
    let mut chunk = vec![0; 16 << 10];
    while let Ok(n) = from.read(&mut chunk).await {
        if n == 0 {
            break;
        }
        output.output(stream, &chunk[..n]);
        all.extend_from_slice(&chunk[..n]);
    }
    all
}

fn options(target: &Target) -> Options {
    Options {
        host: target.address.clone(),
        port: target.port,
        user: target.user.clone(),
        identity_files: target.private_key.clone().into_iter().collect(),
        password: target.password.as_ref().map(|p| ssh::Secret::new(p.reveal())),
        host_key_checking: target
            .host_key_checking
            .map(|check| if check { HostKeyChecking::Strict } else { HostKeyChecking::Off }),
        ssh_args: target.ssh_args.clone(),
        connect_timeout: target.connect_timeout,
        ..Options::default()
    }
}
