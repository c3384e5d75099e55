//! The byte streams a session can run on.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

/// Anything a session can run on.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A TCP stream that acknowledges at once. The kernel leaves quick-ACK mode by itself, so it is re-armed
/// on each read: without it, sshd's Nagle and our delayed ACK cost 40 ms at the first channel.
pub(crate) struct QuickAck(TcpStream);

impl QuickAck {
    /// Also turns Nagle's algorithm off on our side.
    pub(crate) fn new(tcp: TcpStream) -> io::Result<Self> {
        tcp.set_nodelay(true)?;
        Ok(Self(tcp))
    }

    #[cfg(target_os = "linux")]
    fn rearm(&self) {
        // An optimisation only: a kernel that refuses still has a working socket.
        let _ = rustix::net::sockopt::set_tcp_quickack(&self.0, true);
    }

    #[cfg(not(target_os = "linux"))]
    fn rearm(&self) {}
}

impl AsyncRead for QuickAck {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.0).poll_read(context, buffer);
        self.rearm();
        polled
    }
}

impl AsyncWrite for QuickAck {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(context, data)
    }
}

/// A stream that breaks when its [`Leash`] is dropped: russh reads on in a task of its own, also when whoever
/// wanted the connection has given up half-way through the handshake.
pub(crate) struct Leashed<S> {
    stream: S,
    /// `None` once it was let go.
    held: Option<oneshot::Receiver<()>>,
}

/// Breaks its stream when dropped without [`Leash::let_go`].
pub(crate) struct Leash(oneshot::Sender<()>);

impl<S> Leashed<S> {
    pub(crate) fn new(stream: S) -> (Self, Leash) {
        let (sender, receiver) = oneshot::channel();
        (Self { stream, held: Some(receiver) }, Leash(sender))
    }
}

impl Leash {
    /// The stream is on its own now.
    pub(crate) fn let_go(self) {
        // Fails only when the stream is gone already.
        let _ = self.0.send(());
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Leashed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(held) = &mut self.held {
            match Pin::new(held).poll(context) {
                Poll::Ready(Ok(())) => self.held = None,
                Poll::Ready(Err(_)) => return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into())),
                Poll::Pending => {}
            }
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Leashed<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// A proxy command's standard input and output; the process is killed when the stream goes.
pub(crate) struct Pipe {
    /// Held for `kill_on_drop`.
    _child: Arc<tokio::process::Child>,
    output: tokio::process::ChildStdout,
    input: tokio::process::ChildStdin,
}

/// What a proxy command says on standard error, up to about 4 KB.
pub(crate) struct Complaints {
    collecting: Option<tokio::task::JoinHandle<String>>,
    /// Lets the command finish its last words when the stream is gone already.
    _child: Arc<tokio::process::Child>,
}

impl Pipe {
    /// Runs `command` with `/bin/sh`. What it says on standard error is collected: the terminal is not
    /// its own here.
    pub(crate) fn spawn(command: &str) -> io::Result<(Self, Complaints)> {
        let mut child = tokio::process::Command::new("/bin/sh")
            .arg("-c")
            .arg(format!("exec {command}"))
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("the proxy command has no pipes"));
        };
        let collecting = child.stderr.take().map(|stderr| tokio::spawn(collect(stderr)));
        let child = Arc::new(child);
        Ok((Self { _child: child.clone(), output, input }, Complaints { collecting, _child: child }))
    }
}

impl Complaints {
    /// What was said until the command ended; a command that has not ended now is not waited for long.
    pub(crate) async fn hear(self) -> String {
        let Some(collecting) = self.collecting else { return String::new() };
        match tokio::time::timeout(Duration::from_millis(500), collecting).await {
            Ok(Ok(said)) => said.trim().to_owned(),
            _ => String::new(),
        }
    }
}

async fn collect(mut from: impl AsyncRead + Unpin) -> String {
    let mut said = String::new();
    let mut buffer = [0; 1024];
    while let Ok(count) = from.read(&mut buffer).await {
        if count == 0 {
            break;
        }
        if said.len() < 4096 {
            said.push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
    }
    said
}

impl AsyncRead for Pipe {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.output).poll_read(context, buffer)
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.input).poll_write(context, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.input).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.input).poll_shutdown(context)
    }
}
