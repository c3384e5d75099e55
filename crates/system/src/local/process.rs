//! Running commands: output drained while input is fed, whole process groups ended on time.

use super::Sink;
use crate::{Command, Output, Stream, SysError, SysResult, text};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::fs::{Access, AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How soon a set cancel flag is noticed.
const TICK: Duration = Duration::from_millis(100);
/// Without a descriptor for the process (Linux before 5.3), how often its end is asked for.
const ASK: Duration = Duration::from_millis(10);
/// Between SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_secs(2);
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Runs `command` to its end.
pub(super) fn execute(
    command: &Command,
    base: &BTreeMap<OsString, OsString>,
    strays: &[u32],
    sink: Option<&Sink>,
    cancel: Option<&AtomicBool>,
) -> SysResult<Output> {
    let cancelled = || cancel.is_some_and(|flag| flag.load(Ordering::Relaxed));
    let Some((name, args)) = command.argv.split_first() else {
        return Err(SysError::new("run a command", "it is empty"));
    };
    if cancelled() {
        return Err(ended(command, Errno::CANCELED, "cancelled"));
    }
    let mut env = base.clone();
    overlay_env(&mut env, &command.env);
    if let Some(cwd) = &command.cwd {
        match std::fs::metadata(cwd) {
            Ok(meta) if meta.is_dir() => {}
            Ok(_) => return Err(super::failed("change into", cwd, Errno::NOTDIR)),
            Err(e) => return Err(SysError::io("change into", cwd, &e)),
        }
    }
    let program = find(name, &env, command.cwd.as_deref())
        .map_err(|e| ended(command, e, &std::io::Error::from(e).to_string()))?;
    let mut process = prepare(&program, name, args, command.umask, strays);
    process.env_clear().envs(&env).process_group(0);
    if let Some(cwd) = &command.cwd {
        process.current_dir(cwd);
    }
    process.stdin(if command.stdin.is_some() { Stdio::piped() } else { Stdio::null() });
    let mut child = process.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(|e| {
        let errno = Errno::from_io_error(&e).unwrap_or(Errno::INVAL);
        ended(command, errno, &e.to_string())
    })?;
    let streamed = sink.filter(|_| command.stream);
    let finished =
        Running::new(&mut child, command, streamed).and_then(|running| running.finish(command, &cancelled));
    if finished.is_err() {
        // Whatever went wrong, nothing of it goes on.
        signal(&child, Signal::KILL);
    }
    let status = child.wait().map_err(|e| ended(command, Errno::CHILD, &e.to_string()))?;
    let (stdout, stderr) = finished?;
    Ok(Output { rc: status.code().unwrap_or_else(|| -status.signal().unwrap_or(0)), stdout, stderr })
}

/// Sets what has a value, removes what has none.
pub(super) fn overlay_env(
    env: &mut BTreeMap<OsString, OsString>,
    over: &BTreeMap<OsString, Option<OsString>>,
) {
    for (name, value) in over {
        match value {
            Some(value) => env.insert(name.clone(), value.clone()),
            None => env.remove(name),
        };
    }
}

/// The file mode creation mask, without changing it for a moment where the kernel tells (Linux 4.7).
pub(super) fn umask() -> u32 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("Umask:"));
    line.and_then(|mask| u32::from_str_radix(mask.trim(), 8).ok()).unwrap_or_else(|| {
        let mask = rustix::process::umask(Mode::from_raw_mode(0o077));
        rustix::process::umask(mask);
        mask.as_raw_mode()
    })
}

/// Open descriptors beyond the standard ones that a command would inherit. Rust opens its own close-on-exec:
/// these are from whoever started us.
pub(super) fn strays() -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir("/proc/self/fdinfo") else { return Vec::new() };
    let numbers = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    // A POSIX shell closes descriptors of one digit only; higher ones would take unsafe code.
    numbers.filter(|fd| (3..10).contains(fd) && inherited(*fd)).collect()
}

fn inherited(fd: u32) -> bool {
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).unwrap_or_default();
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok());
    flags.is_some_and(|flags| flags & OFlags::CLOEXEC.bits() == 0)
}

/// The process to start; through a shell where it needs what only a shell can set without unsafe code.
fn prepare(
    program: &Path,
    name: &OsStr,
    args: &[OsString],
    umask: Option<u32>,
    strays: &[u32],
) -> std::process::Command {
    let mut process;
    if umask.is_none() && strays.is_empty() {
        process = std::process::Command::new(program);
        process.arg0(name);
    } else {
        let mut script = umask.map_or_else(String::new, |mask| format!("umask {:04o}; ", mask & 0o777));
        for fd in strays {
            script.push_str(&format!("exec {fd}<&-; "));
        }
        script.push_str("exec \"$@\"");
        process = std::process::Command::new("/bin/sh");
        process.arg("-c").arg(script).arg("sh").arg(program);
    }
    process.args(args);
    process
}

/// Looks a program up as execvp(3) does, in the command's own PATH and directory.
fn find(name: &OsStr, env: &BTreeMap<OsString, OsString>, cwd: Option<&Path>) -> Result<PathBuf, Errno> {
    if name.is_empty() {
        return Err(Errno::NOENT);
    }
    let here = |path: PathBuf| if let Some(cwd) = cwd { cwd.join(path) } else { path };
    if name.as_bytes().contains(&b'/') {
        let path = here(PathBuf::from(name));
        return executable(&path).map(|()| path);
    }
    let path = env.get(OsStr::new("PATH")).map_or(OsStr::new(DEFAULT_PATH), OsString::as_os_str);
    let mut error = Errno::NOENT;
    for dir in std::env::split_paths(path) {
        let dir = if dir.as_os_str().is_empty() { PathBuf::from(".") } else { dir };
        let candidate = here(dir).join(name);
        match executable(&candidate) {
            Ok(()) => return Ok(candidate),
            Err(Errno::ACCESS) => error = Errno::ACCESS,
            Err(_) => {}
        }
    }
    Err(error)
}

fn executable(path: &Path) -> Result<(), Errno> {
    // Without flags: the call that has them (Linux 5.8) is refused in older containers, and nobody is setuid here.
    rustix::fs::accessat(CWD, path, Access::EXEC_OK, AtFlags::empty())?;
    let meta = std::fs::metadata(path).map_err(|e| Errno::from_io_error(&e).unwrap_or(Errno::NOENT))?;
    if meta.is_dir() { Err(Errno::ACCESS) } else { Ok(()) }
}

/// What must be watched while a child runs.
struct Running<'a> {
    /// Readable once the process has ended.
    end: Option<OwnedFd>,
    pid: Pid,
    outputs: [Pipe; 2],
    input: Option<(ChildStdin, &'a [u8])>,
    sink: Option<&'a Sink>,
}

struct Pipe {
    source: Option<Box<dyn Source>>,
    data: Vec<u8>,
    stream: Stream,
}

trait Source: Read + rustix::fd::AsFd {}
impl<T: Read + rustix::fd::AsFd> Source for T {}

impl<'a> Running<'a> {
    fn new(child: &mut Child, command: &'a Command, sink: Option<&'a Sink>) -> SysResult<Self> {
        let error = |e: Errno| ended(command, e, &std::io::Error::from(e).to_string());
        let pid = pid(child).ok_or_else(|| error(Errno::CHILD))?;
        let stdout = child.stdout.take().map(|pipe| Box::new(pipe) as Box<dyn Source>);
        let stderr = child.stderr.take().map(|pipe| Box::new(pipe) as Box<dyn Source>);
        for pipe in [&stdout, &stderr].into_iter().flatten() {
            rustix::io::ioctl_fionbio(pipe, true).map_err(error)?;
        }
        let input = child.stdin.take().zip(command.stdin.as_deref());
        if let Some((pipe, _)) = &input {
            rustix::io::ioctl_fionbio(pipe, true).map_err(error)?;
        }
        Ok(Self {
            end: rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).ok(),
            pid,
            outputs: [
                Pipe { source: stdout, data: Vec::new(), stream: Stream::Stdout },
                Pipe { source: stderr, data: Vec::new(), stream: Stream::Stderr },
            ],
            input,
            sink,
        })
    }

    /// Until the process has ended (it is not reaped yet). A process it left behind may hold the pipes open
    /// longer: what stands in them is taken, and that is it.
    fn finish(mut self, command: &Command, cancelled: &dyn Fn() -> bool) -> SysResult<(Vec<u8>, Vec<u8>)> {
        let started = Instant::now();
        let mut verdict = None;
        let mut kill_at = None;
        loop {
            let left = command.timeout.map(|timeout| timeout.saturating_sub(started.elapsed()));
            let left = if verdict.is_some() { Some(ASK) } else { left };
            self.wait(left);
            let over = self.ended();
            self.feed();
            self.drain();
            if over {
                break;
            }
            if verdict.is_none() {
                verdict = if cancelled() {
                    Some((Errno::CANCELED, "cancelled".to_owned()))
                } else if command.timeout.is_some_and(|timeout| started.elapsed() >= timeout) {
                    let seconds = command.timeout.unwrap_or_default().as_secs_f64();
                    Some((Errno::TIMEDOUT, format!("it was not over after {seconds} seconds and was killed")))
                } else {
                    None
                };
                if verdict.is_some() {
                    signal_group(self.pid, Signal::TERM);
                    kill_at = Some(Instant::now() + GRACE);
                }
            }
            if kill_at.is_some_and(|at| Instant::now() >= at) {
                signal_group(self.pid, Signal::KILL);
                kill_at = None;
            }
        }
        match verdict {
            // The caller kills what is left of the group.
            Some((errno, why)) => Err(ended(command, errno, &why)),
            None => {
                let [stdout, stderr] = self.outputs;
                Ok((stdout.data, stderr.data))
            }
        }
    }

    /// Sleeps until something happens, at most `left`.
    fn wait(&self, left: Option<Duration>) {
        let mut fds = Vec::with_capacity(4);
        for source in self.outputs.iter().filter_map(|pipe| pipe.source.as_ref()) {
            fds.push(PollFd::new(source, PollFlags::IN));
        }
        if let Some((pipe, _)) = &self.input {
            fds.push(PollFd::new(pipe, PollFlags::OUT));
        }
        if let Some(end) = &self.end {
            fds.push(PollFd::new(end, PollFlags::IN));
        }
        let most = if self.end.is_some() { TICK } else { ASK };
        let nap = left.map_or(most, |left| left.min(most));
        let nap = Timespec { tv_sec: nap.as_secs() as _, tv_nsec: nap.subsec_nanos() as _ };
        // A signal that cuts the sleep short is as good as its end.
        let _ = poll(&mut fds, Some(&nap));
    }

    fn ended(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        matches!(rustix::process::waitid(WaitId::Pid(self.pid), options), Ok(Some(_)) | Err(Errno::CHILD))
    }

    fn feed(&mut self) {
        while let Some((pipe, rest)) = &mut self.input {
            match pipe.write(rest) {
                Ok(n) if n < rest.len() => *rest = &rest[n..],
                Err(e) if e.kind() == ErrorKind::WouldBlock => return,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                // All is written, or nobody reads any more (which is the command's affair): both close the pipe.
                Ok(_) | Err(_) => self.input = None,
            }
        }
    }

    fn drain(&mut self) {
        let mut buffer = vec![0; 64 * 1024];
        for pipe in &mut self.outputs {
            // A bounded number of rounds: a command that never stops talking must not keep us from the clock.
            for _ in 0..64 {
                let Some(source) = &mut pipe.source else { break };
                match source.read(&mut buffer) {
                    Ok(0) => pipe.source = None,
                    Ok(n) => {
                        pipe.data.extend_from_slice(&buffer[..n]);
                        if let Some(sink) = self.sink {
                            sink(pipe.stream, &buffer[..n]);
                        }
                    }
                    Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                    Err(e) if e.kind() == ErrorKind::Interrupted => {}
                    Err(_) => pipe.source = None,
                }
            }
        }
    }
}

fn pid(child: &Child) -> Option<Pid> {
    Pid::from_raw(i32::try_from(child.id()).ok()?)
}

fn signal(child: &Child, signal: Signal) {
    if let Some(pid) = pid(child) {
        signal_group(pid, signal);
    }
}

/// Only while the leader is not reaped: until then its number is nobody else's.
fn signal_group(pid: Pid, signal: Signal) {
    // A group that is gone needs no signal.
    let _ = rustix::process::kill_process_group(pid, signal);
}

/// The error of a command; one with secrets is named by its program alone.
fn ended(command: &Command, errno: Errno, why: &str) -> SysError {
    let what = match command.argv.first() {
        Some(program) if command.secret => text::shell_word(program),
        _ => command.display(),
    };
    let why = why.split(" (os error").next().unwrap_or(why);
    SysError { doing: format!("run {what}"), why: why.to_owned(), errno: errno.raw_os_error() }
}
