//! The agent: started on a target by the controller, answers module calls on its standard input and output,
//! ends when its input does. It listens on nothing and leaves nothing behind but its own cached file.

mod blobs;
mod call;
mod job;

use provision_system::{Local, System};
use provision_wire::{Hello, READY, Reply, Request, VERSION, WireError, receive, send};
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};

/// Standard output, shared by the call's answer and its streamed output.
pub type Out = Arc<Mutex<io::Stdout>>;

fn main() -> ExitCode {
    // The bootstrap asks this of a cached file before it relies on it: the directory may forbid execution, and a file that
    // lost its content with the power runs as an empty script.
    if std::env::args().nth(1).as_deref() == Some("--probe") {
        return writeln!(io::stdout(), "ready").map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS);
    }
    if std::env::args().nth(1).as_deref() == Some(job::FLAG) {
        return job::run();
    }
    match serve() {
        Ok(()) | Err(WireError::Closed) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody may be left to read it; then there is nothing else to do.
            let _ = writeln!(io::stderr(), "provision-agent: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Sends a frame; the controller may be gone.
pub fn reply(out: &Out, frame: &Reply) -> Result<(), WireError> {
    let mut out = out.lock().unwrap_or_else(|e| e.into_inner());
    send(&mut *out, frame)
}

fn serve() -> Result<(), WireError> {
    let out: Out = Arc::new(Mutex::new(io::stdout()));
    let identity = Local::inherit().identity();
    {
        let mut out = out.lock().unwrap_or_else(|e| e.into_inner());
        out.write_all(READY)?;
        let machine = std::env::consts::ARCH.to_owned();
        let hello = Hello { version: VERSION, identity, pid: std::process::id(), machine };
        send(&mut *out, &Reply::Hello(Box::new(hello)))?;
    }
    let mut input = io::stdin().lock();
    match receive(&mut input)? {
        Request::Hello { version: VERSION } => {}
        Request::Hello { version } => return Err(WireError::Version { theirs: version }),
        _ => return Err(WireError::Version { theirs: 0 }),
    }
    drop(input);

    // Calls go to this thread, contents to the call that asked for them; a cancelled call's children are killed by `cancel`.
    let cancel = Arc::new(AtomicBool::new(false));
    let running = Arc::new(AtomicU64::new(0));
    let gone = Arc::new(AtomicBool::new(false));
    let (calls, work) = mpsc::channel();
    let (pieces, contents) = mpsc::sync_channel(4);
    let reader = {
        let (cancel, running, gone) = (cancel.clone(), running.clone(), gone.clone());
        std::thread::spawn(move || {
            let end = read(&calls, &pieces, &cancel, &running);
            gone.store(true, Ordering::SeqCst);
            cancel.store(true, Ordering::SeqCst);
            end
        })
    };
    let mut calls = call::Calls::new(out, contents, cancel.clone());
    for call in work {
        cancel.store(false, Ordering::SeqCst);
        if gone.load(Ordering::SeqCst) {
            break;
        }
        running.store(call.id, Ordering::SeqCst);
        calls.answer(&call)?;
        running.store(0, Ordering::SeqCst);
    }
    reader.join().unwrap_or(Err(WireError::Closed))
}

/// Sorts what comes in, until the input ends: then the running call is cancelled, nobody waits for it.
fn read(
    calls: &mpsc::Sender<provision_wire::Call>,
    pieces: &mpsc::SyncSender<blobs::Piece>,
    cancel: &AtomicBool,
    running: &AtomicU64,
) -> Result<(), WireError> {
    let mut input = io::stdin().lock();
    loop {
        let sent = match receive(&mut input)? {
            Request::Call(call) => calls.send(call).is_ok(),
            Request::Chunk { sha256, data, last } => {
                pieces.send(blobs::Piece { sha256, data: Ok(data), last }).is_ok()
            }
            Request::NoContent { sha256, why } => {
                pieces.send(blobs::Piece { sha256, data: Err(why), last: true }).is_ok()
            }
            Request::Cancel { id } => {
                if running.load(Ordering::SeqCst) == id {
                    cancel.store(true, Ordering::SeqCst);
                }
                true
            }
            Request::Hello { .. } => true,
        };
        if !sent {
            return Ok(());
        }
    }
}
