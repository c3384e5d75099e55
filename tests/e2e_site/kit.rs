//! A host, the inventory and variables it is set up by, and the command run on them.

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use provision_testkit::fleet::{Distro, Host, Layer, Options};
use tempfile::TempDir;

/// The name of the site that all tests look at.
pub const APP: &str = "app.example.test";
/// Its alias.
pub const WWW: &str = "www.app.example.test";

/// The least that `proxy_sites` needs, with the alias.
pub const PLAIN: &str = "
proxy_sites:
  - domain: app.example.test
    aliases: [www.app.example.test]
    port: 8080
";

/// A host that becomes a reverse proxy.
pub struct Site {
    pub host: Host,
    dir: TempDir,
}

impl Site {
    /// A fresh host with the echo backend on the loopback port 8080 and nothing else.
    pub fn fresh(distro: Distro) -> Site {
        Site::with(&Options::of(distro))
    }

    /// A Debian 12 with these packages installed already.
    pub fn layered(layer: Layer) -> Site {
        Site::with(&Options { layer: Some(layer), ..Options::default() })
    }

    fn with(options: &Options) -> Site {
        let host = Host::boot_with(options).unwrap();
        host.install_backend(&["127.0.0.1:8080"]).unwrap();
        let site = Site { host, dir: tempfile::tempdir().unwrap() };
        site.write("hosts.yaml", &site.host.inventory_yaml("deploy"));
        site.vars(PLAIN);
        site
    }

    /// Another backend than the one on port 8080.
    pub fn backend(&self, addresses: &[&str]) {
        self.sh("systemctl stop echo-backend"); // a program that runs cannot be written to
        self.host.install_backend(addresses).unwrap();
    }

    /// Replaces the variables of the group.
    pub fn vars(&self, yaml: &str) {
        self.write("group_vars/proxies.yaml", yaml);
    }

    /// A file beside the inventory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    /// `provision -i hosts.yaml playbooks/site.yaml ARGS`
    pub fn run(&self, args: &[&str]) -> Run {
        self.play("site.yaml", args)
    }

    /// The same with another playbook of ours.
    pub fn play(&self, playbook: &str, args: &[&str]) -> Run {
        let playbook = Path::new(env!("CARGO_MANIFEST_DIR")).join("playbooks").join(playbook);
        let mut command = Command::new(env!("CARGO_BIN_EXE_provision"));
        command.arg("-i").arg(self.path("hosts.yaml")).arg(playbook).args(args);
        command.current_dir(self.dir.path()).env("HOME", self.dir.path());
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("ANSIBLE_") || ["SSH_AUTH_SOCK", "CLICOLOR_FORCE"].contains(&&*text) {
                command.env_remove(&name);
            }
        }
        finish(&mut command, self.host.name())
    }

    /// A run that must succeed.
    #[track_caller]
    pub fn converge(&self) -> Run {
        self.run(&[]).expect(0)
    }

    /// A run that must succeed and change nothing.
    #[track_caller]
    pub fn settled(&self) {
        let run = self.run(&["--diff"]).expect(0);
        assert_eq!(run.count("changed"), 0, "a second run changed {:?}: {run}", run.changed());
    }

    /// Output of a script on the host, without white space around it.
    #[track_caller]
    pub fn sh(&self, script: &str) -> String {
        self.host.sh(script).unwrap().trim().to_owned()
    }

    /// The certificate file that the role `certificates` keeps on the host.
    pub fn certificate(&self) -> PathBuf {
        self.copy_out(&format!("/etc/nginx/certs/{APP}.crt"))
    }

    /// Copies a file of the host beside the inventory.
    pub fn copy_out(&self, path: &str) -> PathBuf {
        let name = format!("copied/{}", path.trim_start_matches('/').replace('/', "-"));
        self.write(&name, &self.host.sh(&format!("cat {path}")).unwrap())
    }

    /// Process ids of nginx: master first, then its workers.
    pub fn nginx_pids(&self) -> Vec<String> {
        let script = "cat /run/nginx.pid; pgrep -P $(cat /run/nginx.pid) | sort -n";
        self.sh(script).split_whitespace().map(str::to_owned).collect()
    }

    /// How often systemd has (re)loaded and started nginx since boot.
    pub fn nginx_loads(&self) -> (usize, usize) {
        let log = self.sh("journalctl -b -u nginx -o cat --no-pager");
        let count = |what: &str| log.lines().filter(|l| l.starts_with(what)).count();
        (count("Reloaded nginx"), count("Started nginx"))
    }
}

/// How a run ended.
#[derive(Debug)]
pub struct Run {
    pub code: i32,
    pub out: String,
    pub err: String,
    pub took: Duration,
    host: String,
}

impl std::fmt::Display for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "exit {} after {:?}\n--- stdout\n{}\n--- stderr\n{}",
            self.code, self.took, self.out, self.err
        )
    }
}

impl Run {
    /// Fails the test with all that was said unless the exit code is this one.
    #[track_caller]
    pub fn expect(self, code: i32) -> Run {
        assert_eq!(self.code, code, "{self}");
        self
    }

    /// A number of the recap, such as `changed`.
    #[track_caller]
    pub fn count(&self, what: &str) -> usize {
        let ours = |l: &&str| l.split_whitespace().next() == Some(&self.host) && l.contains("ok=");
        let line = self.out.lines().rfind(ours).unwrap_or_else(|| panic!("no recap: {self}"));
        let start = format!("{what}=");
        line.split_whitespace().find_map(|w| w.strip_prefix(&start)).unwrap().parse().unwrap()
    }

    /// The tasks that changed something.
    pub fn changed(&self) -> BTreeSet<String> {
        let mut task = "";
        let mut found = BTreeSet::new();
        for line in self.out.lines() {
            if let Some(name) = line.strip_prefix("TASK [").or_else(|| line.strip_prefix("RUNNING HANDLER ["))
            {
                task = name.split(']').next().unwrap_or_default();
            } else if line.starts_with("changed: ") {
                found.insert(task.to_owned());
            }
        }
        found
    }

    #[track_caller]
    pub fn says(&self, wanted: &str) -> &Run {
        assert!(self.out.contains(wanted) || self.err.contains(wanted), "no {wanted:?} in: {self}");
        self
    }

    #[track_caller]
    pub fn never_says(&self, secret: &str) -> &Run {
        assert!(!self.out.contains(secret) && !self.err.contains(secret), "{secret:?} in: {self}");
        self
    }
}

/// A process that ends with the test.
pub struct Background(pub Child);

impl Drop for Background {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Waits until this holds.
#[track_caller]
pub fn until(what: &str, limit: Duration, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < limit, "{what}: not within {limit:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn finish(command: &mut Command, host: &str) -> Run {
    let began = Instant::now();
    let done = command.stdin(Stdio::null()).output().unwrap();
    let code = done.status.code().unwrap_or_else(|| 128 + done.status.signal().unwrap_or(0));
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Run { code, out: text(done.stdout), err: text(done.stderr), took: began.elapsed(), host: host.to_owned() }
}
