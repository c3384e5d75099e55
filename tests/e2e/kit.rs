//! A directory with an inventory and a playbook, and the command run in it.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use provision_testkit::fleet::{Distro, Host};
use tempfile::TempDir;

/// A run that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(60);

/// One fresh Debian 12.
pub fn host() -> Host {
    Host::boot(Distro::Bookworm).unwrap()
}

/// A user's working directory: `hosts.yaml`, `site.yaml` and whatever a test writes.
pub struct Project {
    dir: TempDir,
}

impl Project {
    /// The hosts as root, by the key they know.
    pub fn of(hosts: &[&Host]) -> Project {
        Project::with(hosts, "ansible_user: root")
    }

    /// `vars`: lines of YAML that every host gets.
    pub fn with(hosts: &[&Host], vars: &str) -> Project {
        let mut text = "all:\n  hosts:\n".to_owned();
        for host in hosts {
            text.push_str(&format!(
                "    {}:\n      ansible_host: {}\n      ansible_ssh_private_key_file: {}\n      \
                 ansible_ssh_common_args: -o UserKnownHostsFile={}\n",
                host.name(),
                host.ip(),
                host.ssh_key().display(),
                host.known_hosts().display()
            ));
        }
        text.push_str("  vars:\n");
        text.push_str(&indent(vars, 4));
        let project = Project::empty();
        project.write("hosts.yaml", text);
        project
    }

    /// Without any host: `hosts.yaml` is still to be written.
    pub fn empty() -> Project {
        Project { dir: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: impl AsRef<Path>, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Writes `site.yaml`: one play over all hosts, without facts, with these tasks.
    pub fn tasks(&self, tasks: &str) -> &Project {
        self.write(
            "site.yaml",
            format!("- hosts: all\n  gather_facts: false\n  tasks:\n{}", indent(tasks, 4)),
        );
        self
    }

    pub fn playbook(&self, text: &str) -> &Project {
        self.write("site.yaml", text);
        self
    }

    /// `provision -i hosts.yaml ARGS site.yaml`; words are separated by blanks.
    pub fn run(&self, args: &str) -> Done {
        self.run_with(&args.split_whitespace().collect::<Vec<_>>(), b"")
    }

    /// The same with arguments as they are and something on standard input.
    pub fn run_with(&self, args: &[&str], input: &[u8]) -> Done {
        let mut command = self.command(["-i", "hosts.yaml"]);
        command.args(args).arg("site.yaml");
        finish(start(&mut command), input)
    }

    /// `provision ARGS`, ready to be started in this directory and apart from the user's own settings.
    pub fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_provision"));
        command.args(args).current_dir(self.dir.path()).env("HOME", self.dir.path());
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("ANSIBLE_")
                || ["SSH_AUTH_SOCK", "NO_COLOR", "CLICOLOR_FORCE"].contains(&&*text)
            {
                command.env_remove(&name);
            }
        }
        command
    }

    /// `provision ARGS` to its end.
    pub fn provision(&self, args: &[&str]) -> Done {
        finish(start(&mut self.command(args)), b"")
    }
}

/// How a run ended.
#[derive(Debug)]
pub struct Done {
    pub code: i32,
    pub out: String,
    pub err: String,
    pub took: Duration,
}

impl Done {
    /// Fails the test with everything that was said unless the exit code is this one.
    #[track_caller]
    pub fn expect(self, code: i32) -> Done {
        assert_eq!(self.code, code, "{}", self.all());
        self
    }

    /// A number of the recap, such as `changed`.
    #[track_caller]
    pub fn count(&self, host: &str, what: &str) -> usize {
        let line =
            self.out.lines().rev().find(|l| l.split_whitespace().next() == Some(host) && l.contains("ok="));
        let line = line.unwrap_or_else(|| panic!("no recap of {host}: {}", self.all()));
        let start = format!("{what}=");
        line.split_whitespace().find_map(|w| w.strip_prefix(&start)).unwrap().parse().unwrap()
    }

    /// Both streams.
    pub fn all(&self) -> String {
        format!(
            "exit {} after {:?}\n--- stdout\n{}\n--- stderr\n{}",
            self.code, self.took, self.out, self.err
        )
    }

    #[track_caller]
    pub fn says(&self, wanted: &str) -> &Done {
        assert!(self.out.contains(wanted) || self.err.contains(wanted), "no {wanted:?} in: {}", self.all());
        self
    }

    #[track_caller]
    pub fn never_says(&self, secret: &str) -> &Done {
        assert!(!self.out.contains(secret) && !self.err.contains(secret), "{secret:?} in: {}", self.all());
        self
    }
}

pub fn start(command: &mut Command) -> Child {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Gives the input, reads all output, waits; a run that hangs is ended and fails the test.
pub fn finish(mut child: Child, input: &[u8]) -> Done {
    let began = Instant::now();
    let mut stdin = child.stdin.take().unwrap();
    // A command that ends without reading is no error here.
    stdin.write_all(input).ok();
    drop(stdin);
    let out = read(child.stdout.take());
    let err = read(child.stderr.take());
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if began.elapsed() > LIMIT {
            child.kill().unwrap();
            panic!("hangs: {}\n{}", out.join().unwrap(), err.join().unwrap());
        }
        thread::sleep(Duration::from_millis(5));
    };
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    Done { code, took: began.elapsed(), out: out.join().unwrap(), err: err.join().unwrap() }
}

/// Waits until this holds.
#[track_caller]
pub fn until(what: &str, limit: Duration, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < limit, "{what}: not within {limit:?}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Is a process with exactly these arguments there? Hosts' processes show on this machine.
pub fn runs(argv: &[&str]) -> bool {
    let wanted: Vec<u8> = argv.iter().flat_map(|a| a.bytes().chain([0])).collect();
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    all.into_iter().any(|p| std::fs::read(p.path().join("cmdline")).is_ok_and(|c| c == wanted))
}

/// A number of seconds to sleep that no other test sleeps.
pub fn nap() -> String {
    format!("77{}", std::process::id())
}

fn read(from: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    let mut from = from.unwrap();
    thread::spawn(move || {
        let mut all = Vec::new();
        from.read_to_end(&mut all).unwrap();
        String::from_utf8_lossy(&all).into_owned()
    })
}

fn indent(text: &str, by: usize) -> String {
    let lines = text.lines().map(|l| if l.is_empty() { "\n".to_owned() } else { format!("{:by$}{l}\n", "") });
    lines.collect()
}
