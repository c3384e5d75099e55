//! A running agent at the other end of two byte streams: starting it, calls, contents, streamed output.

use crate::bootstrap::{END, FAIL, NEED};
use crate::embedded;
use futures::future::{BoxFuture, FutureExt};
use provision_engine::transport::{
    Agent, AgentCall, AgentDone, Content, Contents, LinkError, Output, Secret,
};
use provision_wire::{CHUNK, Call, READY, Reply, Request, VERSION, decode, encode, frame_length};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot};

/// Noise of login shells before the agent speaks is kept up to this size (bytes), for error messages.
const NOISE: usize = 16 << 10;

/// The two ends of a started command.
pub struct Ends {
    pub stdin: Box<dyn AsyncWrite + Send + Unpin>,
    pub stdout: Box<dyn AsyncRead + Send + Unpin>,
    pub stderr: Box<dyn AsyncRead + Send + Unpin>,
    /// Kept as long as the link lives (a session, a child process).
    pub keep: Box<dyn std::any::Any + Send + Sync>,
}

/// How to answer a request for a password.
pub struct PasswordPrompt {
    /// What `sudo -p` was told to say: random, so that nothing else can say it.
    pub marker: String,
    pub password: Option<Secret>,
    /// The method's name, for messages.
    pub method: String,
}

/// An agent that answers.
pub struct Link {
    host: String,
    frames: mpsc::Sender<Vec<u8>>,
    pending: Arc<Pending>,
    next: AtomicU64,
    _keep: Box<dyn std::any::Any + Send + Sync>,
}

#[derive(Default)]
struct Pending {
    calls: Mutex<HashMap<u64, Waiting>>,
    /// Set once the streams have ended.
    over: Mutex<Option<String>>,
}

struct Waiting {
    done: oneshot::Sender<AgentDone>,
    contents: Arc<dyn Contents>,
    output: Arc<dyn Output>,
}

impl Link {
    /// Waits for the agent, sending it when it is not there and the password when it is asked for.
    pub async fn start(
        host: &str,
        mut ends: Ends,
        prompt: Option<PasswordPrompt>,
    ) -> Result<Link, LinkError> {
        let errors = Arc::new(Mutex::new(Vec::new()));
        let (asked, mut questions) = mpsc::channel(4);
        let marker = prompt.as_ref().map(|p| p.marker.clone().into_bytes());
        let collecting = tokio::spawn(collect(ends.stderr, errors.clone(), marker, asked));
        let mut buffer = Vec::new();
        let mut answered = false;
        let mut chunk = vec![0; 64 << 10];
        let rest = loop {
            if let Some(at) = find(&buffer, READY) {
                break buffer.split_off(at + READY.len());
            }
            if let Some(text) = between(&buffer, FAIL) {
                return Err(LinkError::Failed(format!("{host}: the agent cannot be started: {text}")));
            }
            if let Some(text) = between(&buffer, NEED) {
                buffer.clear();
                let sending = upload(host, &text, &mut *ends.stdin);
                tokio::pin!(sending);
                // A target that gives up half-way reads no more: then only what it says ends this.
                loop {
                    tokio::select! {
                        sent = &mut sending => {
                            sent?;
                            break;
                        }
                        read = ends.stdout.read(&mut chunk) => match read {
                            Ok(0) | Err(_) => return Err(refused(host, &buffer, collecting, &errors, prompt.as_ref()).await),
                            Ok(n) => buffer.extend_from_slice(&chunk[..n]),
                        },
                    }
                    if between(&buffer, FAIL).is_some() {
                        break;
                    }
                }
                continue;
            }
            tokio::select! {
                read = ends.stdout.read(&mut chunk) => match read {
                    Ok(0) | Err(_) => return Err(refused(host, &buffer, collecting, &errors, prompt.as_ref()).await),
                    Ok(n) => {
                        if buffer.len() > NOISE {
                            let half = buffer.len() / 2;
                            buffer.drain(..half);
                        }
                        buffer.extend_from_slice(&chunk[..n]);
                    }
                },
                Some(()) = questions.recv() => {
                    let Some(prompt) = &prompt else { continue };
                    let Some(password) = prompt.password.as_ref().filter(|_| !answered) else {
                        return Err(LinkError::Failed(match answered {
                            true => format!("{host}: {} refused the password (Incorrect {} password)", prompt.method, prompt.method),
                            false => missing(host, &prompt.method),
                        }));
                    };
                    answered = true;
                    let line = format!("{}\n", password.reveal());
                    ends.stdin.write_all(line.as_bytes()).await.map_err(|e| lost(host, &e.to_string()))?;
                    ends.stdin.flush().await.map_err(|e| lost(host, &e.to_string()))?;
                }
            }
        };
        let mut input = Frames { buffer: rest, stdout: ends.stdout };
        match input.next().await {
            Ok(Some(Reply::Hello(hello))) if hello.version == VERSION => {}
            Ok(Some(Reply::Hello(hello))) => {
                return Err(LinkError::Failed(format!(
                    "{host}: the agent speaks protocol {}, this program {VERSION}",
                    hello.version
                )));
            }
            Ok(_) => return Err(LinkError::Failed(format!("{host}: the agent did not greet"))),
            Err(why) => return Err(lost(host, &why)),
        }
        let (frames, queue) = mpsc::channel(16);
        tokio::spawn(write(ends.stdin, queue));
        let greeting =
            encode(&Request::Hello { version: VERSION }).map_err(|e| LinkError::Failed(e.to_string()))?;
        frames.send(greeting).await.map_err(|_| lost(host, "the connection was closed"))?;
        let pending = Arc::new(Pending::default());
        tokio::spawn(read(input, pending.clone(), frames.clone(), errors));
        Ok(Link { host: host.to_owned(), frames, pending, next: AtomicU64::new(1), _keep: ends.keep })
    }

    /// The streams have ended.
    pub fn is_over(&self) -> bool {
        self.pending.over.lock().unwrap_or_else(|e| e.into_inner()).is_some()
    }

    fn gone(&self) -> LinkError {
        let why = self.pending.over.lock().unwrap_or_else(|e| e.into_inner()).clone();
        lost(&self.host, why.as_deref().unwrap_or("the connection was closed"))
    }
}

impl Agent for Link {
    fn call<'a>(
        &'a self,
        call: AgentCall,
        contents: Arc<dyn Contents>,
        output: Arc<dyn Output>,
    ) -> BoxFuture<'a, Result<AgentDone, LinkError>> {
        async move {
            let id = self.next.fetch_add(1, Ordering::Relaxed);
            let timeout = call.timeout;
            let request = Request::Call(Call {
                id,
                module: call.module,
                args: call.args,
                check: call.check,
                diff: call.diff,
                env: call.env,
                stream: call.stream,
                predicted: call.predicted,
                background: call.background,
            });
            let frame = encode(&request).map_err(|e| LinkError::Failed(e.to_string()))?;
            let (done, answer) = oneshot::channel();
            self.pending
                .calls
                .lock()
                .unwrap_or_else(|e| e.into_inner())
                .insert(id, Waiting { done, contents, output });
            let mut guard = Cancel { id, frames: &self.frames, pending: &self.pending, armed: true };
            if self.is_over() || self.frames.send(frame).await.is_err() {
                guard.armed = false;
                return Err(self.gone());
            }
            let answer = match timeout {
                None => answer.await,
                Some(limit) => match tokio::time::timeout(limit, answer).await {
                    Ok(answer) => answer,
                    Err(_) => {
                        return Err(LinkError::TimedOut(limit.as_secs()));
                    }
                },
            };
            guard.armed = false;
            answer.map_err(|_| self.gone())
        }
        .boxed()
    }
}

/// A call whose future is dropped is ended on the target as well.
struct Cancel<'a> {
    id: u64,
    frames: &'a mpsc::Sender<Vec<u8>>,
    pending: &'a Pending,
    armed: bool,
}

impl Drop for Cancel<'_> {
    fn drop(&mut self) {
        self.pending.calls.lock().unwrap_or_else(|e| e.into_inner()).remove(&self.id);
        if self.armed
            && let Ok(frame) = encode(&Request::Cancel { id: self.id })
        {
            let frames = self.frames.clone();
            tokio::spawn(async move { frames.send(frame).await });
        }
    }
}

/// Frames out of a byte stream.
struct Frames {
    buffer: Vec<u8>,
    stdout: Box<dyn AsyncRead + Send + Unpin>,
}

impl Frames {
    /// None at the end of the stream.
    async fn next(&mut self) -> Result<Option<Reply>, String> {
        loop {
            if let Some(prefix) = self.buffer.first_chunk::<4>() {
                let length = frame_length(*prefix).map_err(|e| e.to_string())?;
                if self.buffer.len() >= 4 + length {
                    let reply = decode(&self.buffer[4..4 + length]).map_err(|e| e.to_string())?;
                    self.buffer.drain(..4 + length);
                    return Ok(Some(reply));
                }
                self.buffer.reserve(4 + length - self.buffer.len());
            }
            if self.stdout.read_buf(&mut self.buffer).await.map_err(|e| e.to_string())? == 0 {
                return Ok(None);
            }
        }
    }
}

/// Reads answers until the stream ends; then every waiting call is lost.
async fn read(
    mut input: Frames,
    pending: Arc<Pending>,
    frames: mpsc::Sender<Vec<u8>>,
    errors: Arc<Mutex<Vec<u8>>>,
) {
    let why = loop {
        match input.next().await {
            Ok(Some(Reply::Done(done))) => {
                let waiting = pending.calls.lock().unwrap_or_else(|e| e.into_inner()).remove(&done.id);
                if let Some(waiting) = waiting {
                    let answer =
                        AgentDone { status: done.status, result: done.result, mutations: done.mutations };
                    // The caller may have given up.
                    let _ = waiting.done.send(answer);
                }
            }
            Ok(Some(Reply::Output { id, stream, data })) => {
                let output = pending
                    .calls
                    .lock()
                    .unwrap_or_else(|e| e.into_inner())
                    .get(&id)
                    .map(|w| w.output.clone());
                if let Some(output) = output {
                    output.output(stream, &data);
                }
            }
            Ok(Some(Reply::Need { id, sha256 })) => {
                let contents = pending
                    .calls
                    .lock()
                    .unwrap_or_else(|e| e.into_inner())
                    .get(&id)
                    .map(|w| w.contents.clone());
                let content = contents.and_then(|c| c.find(&sha256));
                tokio::spawn(give(sha256, content, frames.clone()));
            }
            Ok(Some(Reply::Hello(_))) => {}
            Ok(None) => break last_words(&errors).unwrap_or_else(|| "the connection was closed".to_owned()),
            Err(why) => break why,
        }
    };
    *pending.over.lock().unwrap_or_else(|e| e.into_inner()) = Some(why);
    pending.calls.lock().unwrap_or_else(|e| e.into_inner()).clear();
}

/// Sends a content in pieces; the channel's bound keeps at most a few of them in memory.
async fn give(sha256: String, content: Option<Content>, frames: mpsc::Sender<Vec<u8>>) {
    let send = async |request: Request| match encode(&request) {
        Ok(frame) => frames.send(frame).await.is_ok(),
        Err(_) => false,
    };
    match content {
        Some(Content::Bytes(bytes)) => {
            let mut pieces = bytes.chunks(CHUNK).peekable();
            if pieces.peek().is_none() {
                send(Request::Chunk { sha256, data: Vec::new(), last: true }).await;
                return;
            }
            while let Some(piece) = pieces.next() {
                let last = pieces.peek().is_none();
                if !send(Request::Chunk { sha256: sha256.clone(), data: piece.to_vec(), last }).await {
                    return;
                }
            }
        }
        Some(Content::File(path)) => {
            let mut file = match tokio::fs::File::open(&path).await {
                Ok(file) => file,
                Err(e) => {
                    send(Request::NoContent { sha256, why: format!("{}: {e}", path.display()) }).await;
                    return;
                }
            };
            loop {
                let mut data = Vec::with_capacity(CHUNK);
                match (&mut file).take(CHUNK as u64).read_to_end(&mut data).await {
                    Ok(read) => {
                        let last = read < CHUNK;
                        if !send(Request::Chunk { sha256: sha256.clone(), data, last }).await || last {
                            return;
                        }
                    }
                    Err(e) => {
                        send(Request::NoContent { sha256, why: format!("{}: {e}", path.display()) }).await;
                        return;
                    }
                }
            }
        }
        None => {
            send(Request::NoContent { sha256, why: "the controller has no such content".to_owned() }).await;
        }
    }
}

async fn write(mut stdin: Box<dyn AsyncWrite + Send + Unpin>, mut queue: mpsc::Receiver<Vec<u8>>) {
    while let Some(frame) = queue.recv().await {
        if stdin.write_all(&frame).await.is_err() || stdin.flush().await.is_err() {
            return;
        }
    }
    // The agent ends at the end of its input.
    let _ = stdin.shutdown().await;
}

/// Answers the bootstrap's request for the agent.
async fn upload(
    host: &str,
    request: &str,
    stdin: &mut (dyn AsyncWrite + Send + Unpin),
) -> Result<(), LinkError> {
    let mut words = request.split_whitespace();
    let (machine, system) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    if system != "Linux" {
        return Err(LinkError::Failed(format!(
            "{host}: there is no agent for {system} ({machine}); only Linux is supported"
        )));
    }
    let agent = embedded::for_machine(machine).map_err(|why| LinkError::Failed(format!("{host}: {why}")))?;
    let head = format!("{}\n", agent.len());
    let sent = async {
        stdin.write_all(head.as_bytes()).await?;
        stdin.write_all(&agent).await?;
        stdin.flush().await
    };
    sent.await.map_err(|e| lost(host, &e.to_string()))
}

/// Keeps the last of standard error for messages and watches for the password prompt.
async fn collect(
    mut stderr: Box<dyn AsyncRead + Send + Unpin>,
    errors: Arc<Mutex<Vec<u8>>>,
    marker: Option<Vec<u8>>,
    asked: mpsc::Sender<()>,
) {
    let mut chunk = vec![0; 8 << 10];
    while let Ok(n) = stderr.read(&mut chunk).await {
        if n == 0 {
            return;
        }
        let mut questions = 0;
        {
            let mut kept = errors.lock().unwrap_or_else(|e| e.into_inner());
            kept.extend_from_slice(&chunk[..n]);
            while let Some((marker, at)) = marker.as_ref().and_then(|m| find(&kept, m).map(|at| (m, at))) {
                kept.drain(at..at + marker.len());
                questions += 1;
            }
            if kept.len() > NOISE {
                let surplus = kept.len() - NOISE;
                kept.drain(..surplus);
            }
        }
        for _ in 0..questions {
            // Nobody asks any more once the agent runs.
            let _ = asked.send(()).await;
        }
    }
}

/// The command ended before the agent spoke: what it said says why.
async fn refused(
    host: &str,
    noise: &[u8],
    collecting: tokio::task::JoinHandle<()>,
    errors: &Mutex<Vec<u8>>,
    prompt: Option<&PasswordPrompt>,
) -> LinkError {
    // What was said last may still be on its way. A daemon left behind may hold the stream open: it is not waited for.
    let _ = tokio::time::timeout(std::time::Duration::from_secs(1), collecting).await;
    let words = last_words(errors).unwrap_or_else(|| String::from_utf8_lossy(noise).trim().to_owned());
    match prompt {
        Some(prompt)
            if words.contains("password is required") || words.contains("a terminal is required") =>
        {
            LinkError::Failed(missing(host, &prompt.method))
        }
        Some(prompt) if words.contains("incorrect password") || words.contains("Authentication failure") => {
            LinkError::Failed(format!(
                "{host}: {} refused the password (Incorrect {} password)",
                prompt.method, prompt.method
            ))
        }
        Some(prompt) => LinkError::Failed(format!("{host}: {} failed: {words}", prompt.method)),
        None if words.is_empty() => lost(host, "the connection was closed before the agent started"),
        None => LinkError::Failed(format!("{host}: the agent cannot be started: {words}")),
    }
}

fn missing(host: &str, method: &str) -> String {
    format!(
        "{host}: Missing {method} password: {method} asks for one; give it with -K or ansible_become_password"
    )
}

fn last_words(errors: &Mutex<Vec<u8>>) -> Option<String> {
    let text = String::from_utf8_lossy(&errors.lock().unwrap_or_else(|e| e.into_inner())).trim().to_owned();
    (!text.is_empty()).then_some(text)
}

fn lost(host: &str, why: &str) -> LinkError {
    LinkError::Lost(format!(
        "{host}: the connection was lost: {why}. What the task did on the host is not known; run again"
    ))
}

fn find(buffer: &[u8], wanted: &[u8]) -> Option<usize> {
    buffer.windows(wanted.len()).position(|window| window == wanted)
}

/// What stands between `begin` and [`END`].
fn between(buffer: &[u8], begin: &[u8]) -> Option<String> {
    let start = find(buffer, begin)? + begin.len();
    let length = buffer[start..].iter().position(|b| *b == END)?;
    Some(String::from_utf8_lossy(&buffer[start..start + length]).into_owned())
}
