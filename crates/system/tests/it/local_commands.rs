use crate::inner;
use provision_system::{Command, Effect, Local, Ran, Stream, SysResult, System};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

fn sh(script: &str) -> Command {
    Command::new(["sh", "-c", script])
}

fn query(command: &Command) -> SysResult<provision_system::Output> {
    // Whoever runs this may have directories in PATH that they cannot look into.
    let path = BTreeMap::from([("PATH".into(), Some("/usr/local/bin:/usr/bin:/bin".into()))]);
    Local::inherit().with_env(path).query(command)
}

/// Whether a process runs (a zombie does not).
fn alive(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.trim_start().starts_with('Z'))
}

fn soon(what: impl Fn() -> bool) -> bool {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(5) {
        if what() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}

#[test]
fn both_streams_and_the_status_come_back() {
    let output = query(&sh("echo out; echo err >&2; exit 3")).unwrap();
    assert_eq!((output.rc, output.out().as_str(), output.err().as_str()), (3, "out\n", "err\n"));
    assert_eq!(query(&sh("kill -TERM $$")).unwrap().rc, -15);
    let Ran::Done(output) = Local::inherit().run(&sh("cat"), Effect::Change).unwrap() else { panic!() };
    assert_eq!((output.rc, output.stdout.len()), (0, 0), "no input is an empty one");
}

#[test]
fn input_is_fed_while_output_is_drained() {
    let data: Vec<u8> = (0..3_000_000u32).map(|n| (n % 251) as u8).collect();
    let output = query(&Command::new(["cat"]).stdin(data.clone())).unwrap();
    assert!(output.stdout == data);
    // Who does not want its input must not stop us.
    assert_eq!(query(&sh("exec <&-; echo done").stdin(data)).unwrap().out(), "done\n");
}

#[test]
fn a_missing_program_is_named_in_the_systems_words() {
    let error = query(&Command::new(["no-such-program", "x y"])).unwrap_err();
    assert_eq!((error.errno, error.why.as_str()), (2, "No such file or directory"));
    assert_eq!(error.doing, "run no-such-program 'x y'");
    let mut secret = Command::new(["no-such-program", "password"]);
    secret.secret = true;
    assert!(!query(&secret).unwrap_err().to_string().contains("password"));
    assert_eq!(query(&Command::new(["/etc/passwd"])).unwrap_err().errno, 13);
    assert_eq!(
        query(&Command::new(["pwd"]).cwd("/no/such/dir")).unwrap_err().doing,
        "change into /no/such/dir"
    );
    assert!(query(&Command::default()).is_err());
}

#[test]
fn programs_are_found_in_the_commands_own_path() {
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("hello");
    std::fs::write(&program, "#!/bin/sh\necho hello from \"$0\"\n").unwrap();
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", dir.path().display());
    let output = query(&Command::new(["hello"]).env("PATH", path)).unwrap();
    assert_eq!(output.out(), format!("hello from {}\n", program.display()));
    assert_eq!(query(&Command::new(["./hello"]).cwd(dir.path())).unwrap().rc, 0);
    assert_eq!(query(&Command::new(["hello"])).unwrap_err().errno, 2);
    let relative = Command::new(["hello"]).cwd(dir.path()).env("PATH", "/nowhere:.");
    assert_eq!(query(&relative).unwrap().rc, 0, "a relative PATH is one of the command's directory");
}

#[test]
fn the_environment_is_exactly_what_was_given() {
    let env = BTreeMap::from([
        ("PATH".into(), "/usr/bin:/bin".into()),
        ("A".into(), "1".into()),
        ("B".into(), "2".into()),
    ]);
    let local =
        Local::new(env).with_env(BTreeMap::from([("B".into(), None), ("C".into(), Some("3".into()))]));
    let output = local.query(&Command::new(["env"]).env("D", "4")).unwrap();
    let mut lines: Vec<String> = output.out().lines().map(str::to_owned).collect();
    lines.sort();
    assert_eq!(lines, ["A=1", "C=3", "D=4", "PATH=/usr/bin:/bin"]);
    assert_eq!(local.find_program("sh").unwrap().unwrap(), Path::new("/usr/bin/sh"));
    assert_eq!(local.find_program("no-such-program").unwrap(), None);
}

#[test]
fn a_time_limit_ends_the_whole_group() {
    let dir = tempfile::tempdir().unwrap();
    let mut command =
        sh("trap '' TERM; (trap '' TERM; sleep 600) & echo $! > child; echo $$ > self; wait").cwd(dir.path());
    command.timeout = Some(Duration::from_millis(300));
    let start = Instant::now();
    let error = query(&command).unwrap_err();
    assert_eq!(error.errno, 110);
    assert!(error.why.contains("0.3 seconds"), "{error}");
    assert!(start.elapsed() < Duration::from_secs(5));
    for file in ["child", "self"] {
        let pid = std::fs::read_to_string(dir.path().join(file)).unwrap();
        assert!(soon(|| !alive(&pid)), "{file} still runs");
    }
}

#[test]
fn a_cancelled_command_ends_and_none_starts_after_it() {
    let flag = Arc::new(AtomicBool::new(false));
    let local = Local::inherit().with_cancel(flag.clone());
    let setter = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(200));
        flag.store(true, Ordering::Relaxed);
    });
    let start = Instant::now();
    assert_eq!(local.query(&Command::new(["sleep", "60"])).unwrap_err().errno, 125);
    assert!(start.elapsed() < Duration::from_secs(5));
    assert_eq!(local.query(&Command::new(["true"])).unwrap_err().errno, 125);
    setter.join().unwrap();
}

#[test]
fn a_process_left_behind_does_not_keep_us() {
    let start = Instant::now();
    let output = query(&sh("sleep 20 & echo started $!")).unwrap();
    assert!(start.elapsed() < Duration::from_secs(5));
    let out = output.out();
    let pid = out.strip_prefix("started ").expect("its output is there").trim();
    assert!(alive(pid), "what was left in the background goes on");
    assert_eq!(query(&Command::new(["kill", pid])).unwrap().rc, 0);
    // One that closes its output early is waited for.
    let output = query(&sh("exec >&- 2>&-; sleep 0.3; exit 7")).unwrap();
    assert_eq!(output.rc, 7);
}

#[test]
fn output_streams_while_it_comes() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = seen.clone();
    let start = Instant::now();
    let local = Local::inherit().with_sink(Box::new(move |stream, data| {
        sink.lock().unwrap().push((stream, data.to_vec(), start.elapsed()));
    }));
    let mut command = sh("echo one; sleep 0.5; echo two >&2");
    local.query(&command).unwrap();
    assert_eq!(seen.lock().unwrap().len(), 0, "not asked for");
    command.stream = true;
    let output = local.query(&command).unwrap();
    assert_eq!((output.out().as_str(), output.err().as_str()), ("one\n", "two\n"));
    let seen = seen.lock().unwrap();
    assert_eq!((seen[0].0, seen[0].1.as_slice()), (Stream::Stdout, &b"one\n"[..]));
    assert_eq!((seen[1].0, seen[1].1.as_slice()), (Stream::Stderr, &b"two\n"[..]));
    assert!(seen[1].2 - seen[0].2 > Duration::from_millis(300));
}

#[test]
fn umask_and_signals_are_as_a_login_shells() {
    let mut command = sh("umask; grep SigIgn /proc/self/status");
    command.umask = Some(0o027);
    let output = query(&command).unwrap();
    let lines: Vec<String> = output.out().lines().map(str::to_owned).collect();
    assert_eq!(lines[0], "0027");
    let ignored = u64::from_str_radix(lines[1].split_whitespace().last().unwrap(), 16).unwrap();
    assert_eq!(ignored & (1 << 12), 0, "SIGPIPE ends a command");
    let mut missing = Command::new(["no-such-program"]);
    missing.umask = Some(0o077);
    assert_eq!(query(&missing).unwrap_err().errno, 2, "also where a shell is between");
    assert_eq!(query(&sh("yes | head -1")).unwrap().out(), "y\n");
}

#[test]
fn descriptors_of_our_parent_are_not_the_commands() {
    let script = "exec 5</dev/null 7>/dev/null; exec \"$@\"";
    inner("local_commands::inside_with_open_descriptors", script, &[]);
}

#[test]
#[ignore = "run by descriptors_of_our_parent_are_not_the_commands"]
fn inside_with_open_descriptors() {
    assert!(Path::new("/proc/self/fd/5").exists(), "run by another test");
    let output = query(&sh("ls /proc/$$/fd")).unwrap().out();
    let low: Vec<&str> = output.lines().filter(|fd| fd.len() == 1).collect();
    assert_eq!(low, ["0", "1", "2"]);
}
