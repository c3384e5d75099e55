//! Calls that outlive the agent and the connection: `async`.
//!
//! The agent starts itself once more, in a session of its own. That process runs the module and leaves the result in a
//! file, which `async_status` reads.

use crate::call;
use provision_modules::{Blobs, Ctx, async_status};
use provision_system::{Journal, Local, SysError};
use provision_wire::{Call, Request, receive, send};
use serde_json::{Map, Value, json};
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

/// The argument that makes a job of the program.
pub const FLAG: &str = "--job";

/// What a job that is out of time is given to end its children, before it says so and ends.
const GRACE: Duration = Duration::from_secs(5);

/// Starts the call in the background; what is known of it then.
pub fn start(call: &Call) -> Result<Map<String, Value>, String> {
    let failed =
        |what: &str, error: &dyn std::fmt::Display| format!("the job cannot be started: {what}: {error}");
    // Also when the file was replaced or removed since: the program that runs now.
    let mut child = Command::new("/proc/self/exe")
        .arg(FLAG)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| failed("its process", &error))?;
    let (input, output) = (child.stdin.take(), child.stdout.take());
    // Somebody must wait for it when it ends before the agent does.
    std::thread::spawn(move || child.wait());
    if let Some(mut input) = input {
        send(&mut input, &Request::Call(call.clone())).map_err(|error| failed("its call", &error))?;
    }
    let mut line = String::new();
    if let Some(output) = output {
        BufReader::new(output).read_line(&mut line).map_err(|error| failed("its answer", &error))?;
    }
    match serde_json::from_str(&line) {
        Ok(Value::Object(mut map)) => match map.remove("failed") {
            Some(text) => Err(text.as_str().unwrap_or("the job cannot be started").to_owned()),
            None => Ok(map),
        },
        _ => Err("the job's process ended before it began".to_owned()),
    }
}

/// The job's process.
pub fn run() -> ExitCode {
    // Signals to the session that started it are none of its business. It is no group's leader: that works.
    let alone = rustix::process::setsid();
    let begun = alone.map_err(|error| error.to_string()).and_then(|_| begin());
    let (line, begun) = match begun {
        Ok((call, job)) => (json!(job.known()), Some((call, job))),
        Err(text) => (json!({"failed": text}), None),
    };
    // The agent may be gone already; the result is in the file.
    let _ = writeln!(io::stdout(), "{line}").and_then(|()| io::stdout().flush());
    let Some((call, job)) = begun else { return ExitCode::FAILURE };
    match job.write(job.work(call)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// A job and its file.
struct Job {
    id: String,
    path: PathBuf,
    limit: Duration,
}

/// Reads the call and makes the file.
fn begin() -> Result<(Call, Job), String> {
    let call = match receive(&mut io::stdin().lock()) {
        Ok(Request::Call(call)) => call,
        Ok(_) => return Err("no call was sent".to_owned()),
        Err(error) => return Err(error.to_string()),
    };
    let dir =
        async_status::dir(&Ctx { sys: &local(&call, None), check: false, diff: false, blobs: &NoBlobs });
    let text = |error: io::Error| format!("{}: {error}", dir.display());
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir).map_err(text)?;
    let number = RandomState::new().hash_one(std::process::id()) % 1_000_000_000_000;
    let id = format!("j{number:012}.{}", std::process::id());
    let limit = Duration::from_secs(call.background.unwrap_or_default());
    let job = Job { path: dir.join(&id), id, limit };
    job.write(Map::from_iter([("finished".to_owned(), false.into())])).map_err(text)?;
    Ok((call, job))
}

impl Job {
    fn known(&self) -> Map<String, Value> {
        let pairs = [
            ("ansible_job_id", json!(self.id)),
            ("results_file", json!(self.path.to_string_lossy())),
            ("started", json!(true)),
            ("finished", json!(false)),
        ];
        pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// The module's result, or that there was no time for it.
    fn work(&self, call: Call) -> Map<String, Value> {
        let cancel = Arc::new(AtomicBool::new(false));
        let (done, result) = mpsc::channel();
        let flag = cancel.clone();
        std::thread::spawn(move || {
            let journal = Journal::new(local(&call, Some(flag))).contents(false);
            let (status, result) = call::module(&call, &journal, &NoBlobs);
            let (status, mut result, _) = call::finish(&call.module, status, result, journal.take(), false);
            result.insert("failed".into(), (status != provision_wire::Status::Ok).into());
            done.send(result)
        });
        let mut found = match result.recv_timeout(self.limit) {
            Ok(found) => found,
            Err(_) => {
                cancel.store(true, Ordering::SeqCst);
                // Its children are killed meanwhile; what it still says comes too late.
                let _ = result.recv_timeout(GRACE);
                let late = json!({"failed": true, "changed": false, "msg": "Timeout exceeded", "child_pid": std::process::id()});
                late.as_object().cloned().unwrap_or_default()
            }
        };
        found.insert("finished".into(), true.into());
        found
    }

    /// Replaces the file in one step: who reads it reads all of it.
    fn write(&self, mut result: Map<String, Value>) -> io::Result<()> {
        result.insert("started".into(), true.into());
        result.insert("ansible_job_id".into(), self.id.as_str().into());
        let beside = self.path.with_extension("new");
        write_new(&beside, &serde_json::to_vec(&result)?)?;
        fs::rename(&beside, &self.path)
    }
}

fn write_new(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text)?;
    file.sync_all()
}

fn local(call: &Call, cancel: Option<Arc<AtomicBool>>) -> Local {
    let local = Local::inherit().with_env(call::environment(call));
    match cancel {
        Some(cancel) => local.with_cancel(cancel),
        None => local,
    }
}

/// Nobody is there to ask for contents.
struct NoBlobs;

impl Blobs for NoBlobs {
    fn open(&self, _sha256: &str) -> Result<Box<dyn Read>, SysError> {
        Err(SysError::new("ask the controller for a file", "there is no controller in the background"))
    }
}
