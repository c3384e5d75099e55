//! An authenticated connection and the commands that run on it.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use russh::client::{Handle, Msg};
use russh::keys::PublicKey;
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Disconnect};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{mpsc, oneshot};

use super::connect::Watcher;
use super::error::SshError;

/// How long a goodbye may take on a connection that may be dead.
const GOODBYE: Duration = Duration::from_secs(2);

/// What the pump gives to a reader.
type Chunks = mpsc::UnboundedSender<io::Result<Bytes>>;

/// A connection that is logged in. Cheap to share by reference; commands run side by side on it.
pub struct Session {
    pub(crate) handle: Handle<Watcher>,
    pub(crate) end: Arc<End>,
    pub(crate) host_key: PublicKey,
    pub(crate) user: String,
    /// Of `SetEnv` and `SendEnv`.
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) warnings: Vec<String>,
    /// The jump host's session that this one runs through, kept alive with it.
    pub(crate) _via: Option<Arc<Session>>,
}

/// How the connection ended, once it has; written by the connection's own task.
pub(crate) struct End {
    pub(crate) host: String,
    pub(crate) reason: OnceLock<String>,
}

/// A running command. The parts can be taken apart and used from different tasks.
///
/// Output is taken off the connection as it comes and waits here, in memory, without bound: a reader that
/// does not read holds up nobody else. Dropping all three of `stdout`, `stderr` and `exit` closes the channel.
pub struct Channel {
    /// Dropping it, or `shutdown`, is the command's end of input.
    pub stdin: Stdin,
    /// The command's standard output.
    pub stdout: Stdout,
    /// The command's standard error.
    pub stderr: Stderr,
    /// How the command ended.
    pub exit: ExitFuture,
}

/// The command's standard input.
pub struct Stdin {
    writer: Pin<Box<dyn AsyncWrite + Send + Sync>>,
    /// Dropped with us: tells the pump to send the end of file.
    open: Option<oneshot::Sender<()>>,
}

/// The command's standard output: ends with end of file when the command closed it, with an error of kind
/// `ConnectionReset` when the connection was lost.
pub struct Stdout(Output);

/// The command's standard error, like [`Stdout`].
pub struct Stderr(Output);

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exit {
    /// By itself, with this status.
    Code(u32),
    /// By a signal, named as in `kill -l` without `SIG`.
    Signal {
        /// The signal, for instance `TERM`.
        name: String,
        /// Whether a core was dumped.
        core_dumped: bool,
        /// What the server says about it; often empty.
        message: String,
    },
}

/// Gives [`Exit`] when the command has ended and the server has said how.
///
/// # Errors
/// `Lost` when the connection broke first; `Protocol` when the server would not run the command.
pub struct ExitFuture(oneshot::Receiver<Result<Exit, SshError>>, Arc<End>);

impl Session {
    /// Starts `command` with the user's login shell, as `ssh host command` does. Does not wait for the server
    /// to confirm: a refusal arrives with [`Channel::exit`].
    ///
    /// # Errors
    /// `Lost`, or `Protocol` when the server opens no more channels (MaxSessions).
    pub async fn exec(&self, command: &str) -> Result<Channel, SshError> {
        let channel = self.handle.channel_open_session().await.map_err(|e| self.end.error(&e))?;
        for (name, value) in &self.environment {
            channel.set_env(false, name, value).await.map_err(|e| self.end.error(&e))?;
        }
        channel.exec(true, command).await.map_err(|e| self.end.error(&e))?;
        Ok(Channel::new(channel, self.end.clone()))
    }

    /// A TCP connection from the server to `host`, as a channel with nothing on `stderr`.
    pub(crate) async fn dial(&self, host: &str, port: u16) -> Result<Channel, SshError> {
        let opened = self.handle.channel_open_direct_tcpip(host, port.into(), "127.0.0.1", 0).await;
        Ok(Channel::new(opened.map_err(|e| self.end.error(&e))?, self.end.clone()))
    }

    /// The key by which the server proved itself; with a host certificate, the key it certifies.
    pub fn host_key(&self) -> &PublicKey {
        &self.host_key
    }

    /// The remote user that is logged in.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// What went wrong on the way without keeping the session from working.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Whether the connection is gone; no more commands can be run then.
    pub fn is_closed(&self) -> bool {
        self.handle.is_closed()
    }

    /// Says goodbye and waits until the connection is down.
    pub async fn close(self) {
        // Both fail only when the connection is down already, which is what we want.
        let _ = self.handle.disconnect(Disconnect::ByApplication, "", "").await;
        let _ = tokio::time::timeout(GOODBYE, self.handle).await;
    }
}

impl End {
    pub(crate) fn new(host: String) -> Arc<Self> {
        Arc::new(Self { host, reason: OnceLock::new() })
    }

    pub(crate) fn lost(&self) -> SshError {
        let detail = self.reason.get().map_or("the connection was closed", String::as_str);
        SshError::Lost { host: self.host.clone(), detail: detail.to_owned() }
    }

    fn error(&self, error: &russh::Error) -> SshError {
        let detail = match error {
            russh::Error::ChannelOpenFailure(why) => format!(
                "the server opens no channel ({why:?}); it may have reached its MaxSessions or forbid forwarding"
            ),
            russh::Error::SendError
            | russh::Error::Disconnect
            | russh::Error::HUP
            | russh::Error::RecvError => {
                return self.lost();
            }
            other => other.to_string(),
        };
        SshError::Protocol { host: self.host.clone(), detail }
    }
}

impl Channel {
    fn new(channel: russh::Channel<Msg>, end: Arc<End>) -> Self {
        let (reader, writer) = channel.split();
        let (stdout, stdout_reader) = Output::pair();
        let (stderr, stderr_reader) = Output::pair();
        let (exit, exit_reader) = oneshot::channel();
        let (open, closed) = oneshot::channel();
        let stdin = Stdin { writer: Box::pin(writer.make_writer()), open: Some(open) };
        let pump =
            Pump { reader, writer, output: Some((stdout, stderr)), exit: Some(exit), end: end.clone() };
        tokio::spawn(pump.run(closed));
        Self {
            stdin,
            stdout: Stdout(stdout_reader),
            stderr: Stderr(stderr_reader),
            exit: ExitFuture(exit_reader, end),
        }
    }
}

/// Takes everything off a channel as it comes: russh stops reading the whole connection when one channel has
/// a hundred messages waiting.
struct Pump {
    reader: ChannelReadHalf,
    writer: ChannelWriteHalf<Msg>,
    /// `None` after the end of file.
    output: Option<(Chunks, Chunks)>,
    exit: Option<oneshot::Sender<Result<Exit, SshError>>>,
    end: Arc<End>,
}

impl Pump {
    async fn run(mut self, mut stdin_closed: oneshot::Receiver<()>) {
        let (mut stdin_open, mut wanted, mut closed) = (true, true, false);
        loop {
            let message = tokio::select! {
                message = self.reader.wait() => message,
                _ = &mut stdin_closed, if stdin_open => {
                    stdin_open = false;
                    // Fails only when the connection is gone, which the reader is about to say.
                    let _ = self.writer.eof().await;
                    continue;
                }
                () = abandoned(self.output.as_ref(), self.exit.as_mut()), if wanted => {
                    wanted = false;
                    let _ = self.writer.close().await;
                    continue;
                }
            };
            // Sending fails when the other side was dropped: then nobody wants to know.
            match message {
                Some(ChannelMsg::Data { data }) => {
                    let _ = self.output.as_ref().map(|(stdout, _)| stdout.send(Ok(data)));
                }
                Some(ChannelMsg::ExtendedData { data, ext: 1 }) => {
                    let _ = self.output.as_ref().map(|(_, stderr)| stderr.send(Ok(data)));
                }
                Some(ChannelMsg::Eof) => self.output = None,
                Some(ChannelMsg::ExitStatus { exit_status }) => self.exited(Ok(Exit::Code(exit_status))),
                Some(ChannelMsg::ExitSignal { signal_name, core_dumped, error_message, .. }) => {
                    let name = signal(&signal_name);
                    self.exited(Ok(Exit::Signal { name, core_dumped, message: error_message }));
                }
                Some(ChannelMsg::Failure) => {
                    let detail = "the server would not run the command".to_owned();
                    self.exited(Err(SshError::Protocol { host: self.end.host.clone(), detail }));
                    let _ = self.writer.close().await;
                }
                Some(ChannelMsg::Close) => closed = true,
                Some(_) => {}
                None => break,
            }
        }
        if !closed && let Some((stdout, stderr)) = &self.output {
            let lost = self.end.lost().to_string();
            for output in [stdout, stderr] {
                let _ = output.send(Err(io::Error::new(io::ErrorKind::ConnectionReset, lost.clone())));
            }
        }
        let ending = if closed {
            let detail = "the command's channel was closed without an exit status".to_owned();
            SshError::Lost { host: self.end.host.clone(), detail }
        } else {
            self.end.lost()
        };
        self.exited(Err(ending));
    }

    /// The first ending counts.
    fn exited(&mut self, exit: Result<Exit, SshError>) {
        if let Some(sender) = self.exit.take() {
            let _ = sender.send(exit);
        }
    }
}

/// Resolves when nobody is left who could want anything from the channel.
async fn abandoned(
    output: Option<&(Chunks, Chunks)>,
    exit: Option<&mut oneshot::Sender<Result<Exit, SshError>>>,
) {
    if let Some((stdout, stderr)) = output {
        stdout.closed().await;
        stderr.closed().await;
    }
    if let Some(exit) = exit {
        exit.closed().await;
    }
}

fn signal(signal: &russh::Sig) -> String {
    match signal {
        russh::Sig::Custom(name) => name.clone(),
        other => format!("{other:?}"),
    }
}

impl Drop for Stdin {
    fn drop(&mut self) {
        if let Some(open) = self.open.take() {
            let _ = open.send(());
        }
    }
}

impl AsyncWrite for Stdin {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        if data.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.writer.as_mut().poll_write(context, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writer.as_mut().poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // What was written is queued already, the pump's end of file goes behind it.
        if let Some(open) = self.open.take() {
            let _ = open.send(());
        }
        Poll::Ready(Ok(()))
    }
}

struct Output {
    chunks: mpsc::UnboundedReceiver<io::Result<Bytes>>,
    rest: Bytes,
}

impl Output {
    fn pair() -> (Chunks, Self) {
        let (sender, chunks) = mpsc::unbounded_channel();
        (sender, Self { chunks, rest: Bytes::new() })
    }

    fn poll(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        while self.rest.is_empty() {
            match ready!(self.chunks.poll_recv(context)) {
                Some(Ok(chunk)) => self.rest = chunk,
                Some(Err(error)) => return Poll::Ready(Err(error)),
                None => return Poll::Ready(Ok(())),
            }
        }
        let part = self.rest.split_to(self.rest.len().min(buffer.remaining()));
        buffer.put_slice(&part);
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Stdout {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.0.poll(context, buffer)
    }
}

impl AsyncRead for Stderr {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.0.poll(context, buffer)
    }
}

impl Future for ExitFuture {
    type Output = Result<Exit, SshError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let received = ready!(Pin::new(&mut self.0).poll(context));
        Poll::Ready(received.unwrap_or_else(|_| Err(self.1.lost())))
    }
}
