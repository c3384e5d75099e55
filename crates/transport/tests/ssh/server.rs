//! A real sshd on loopback, with its own configuration, host keys and port.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use provision_transport::ssh::{Client, Options, Prompter, Secret};

pub struct Server {
    pub directory: tempfile::TempDir,
    pub port: u16,
    process: Child,
}

/// Answers every question with the same text and counts them.
pub struct Answer {
    text: String,
    pub asked: AtomicUsize,
}

impl Answer {
    pub fn new(text: &str) -> Arc<Self> {
        Arc::new(Self { text: text.to_owned(), asked: AtomicUsize::new(0) })
    }
}

impl Prompter for Answer {
    fn ask(&self, _prompt: &str) -> std::io::Result<Secret> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        Ok(Secret::new(&*self.text))
    }
}

/// `None`, after saying so, where there is no sshd; in CI that is a failure.
pub fn sshd() -> Option<PathBuf> {
    let found =
        ["/usr/sbin/sshd", "/usr/local/sbin/sshd"].map(PathBuf::from).into_iter().find(|p| p.exists());
    if found.is_none() {
        let text = "this test needs OpenSSH's server: apt-get install openssh-server";
        assert!(std::env::var_os("CI").is_none(), "{text}");
        eprintln!("SKIPPED: {text}");
    }
    found
}

pub fn client() -> Client {
    Client::new(Answer::new(""), 50)
}

pub fn keygen(arguments: &[&str]) {
    let output = Command::new("ssh-keygen").args(arguments).output().expect("ssh-keygen runs");
    assert!(output.status.success(), "ssh-keygen {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

impl Server {
    /// With an ed25519 and an RSA host key, and one user key, `id`, that may log in.
    pub fn start(extra: &str) -> Option<Self> {
        let sshd = sshd()?;
        // sshd insists on this directory when root starts it; its own start-up scripts make it.
        let _ = std::fs::create_dir_all("/run/sshd");
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        for (name, kind) in [("host_ed25519", "ed25519"), ("host_ecdsa", "ecdsa"), ("id", "ed25519")] {
            keygen(&["-q", "-t", kind, "-N", "", "-f", at(name).to_str().unwrap()]);
        }
        std::fs::copy(at("id.pub"), at("authorized")).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let extra = extra.replace("DIR", directory.path().to_str().unwrap());
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {0}/host_ed25519\nHostKey {0}/host_ecdsa\n\
             AuthorizedKeysFile {0}/authorized\nStrictModes no\nUsePAM no\nPidFile none\nPermitRootLogin yes\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nLogLevel VERBOSE\n{extra}\n",
            directory.path().display()
        );
        std::fs::write(at("sshd_config"), config).unwrap();
        let mut server = Self { process: spawn(&sshd, directory.path()), directory, port };
        server.wait();
        Some(server)
    }

    /// Reads its configuration again.
    pub fn restarted(mut self) -> Self {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if let Some(sshd) = sshd() {
            self.process = spawn(&sshd, self.directory.path());
        }
        self.wait();
        self
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap()
    }

    /// What known_hosts has to say for this server to be trusted.
    pub fn known_line(&self, host_key: &str) -> String {
        let key = std::fs::read_to_string(self.path(&format!("{host_key}.pub"))).unwrap();
        format!("[127.0.0.1]:{} {key}", self.port)
    }

    pub fn write_known_hosts(&self, text: &str) {
        std::fs::write(self.path("known_hosts"), text).unwrap();
    }

    /// To this server with its key known and `id` as identity, and nothing of the machine's own configuration.
    pub fn options(&self) -> Options {
        if !self.path("known_hosts").exists() {
            self.write_known_hosts(&self.known_line("host_ed25519"));
        }
        Options {
            host: "127.0.0.1".to_owned(),
            port: Some(self.port),
            identity_files: vec![self.path("id")],
            known_hosts: vec![self.path("known_hosts")],
            ssh_args: ["-o", "IdentityAgent=none", "-o", "GlobalKnownHostsFile=none"]
                .map(str::to_owned)
                .into(),
            config_file: Some("none".into()),
            ..Options::default()
        }
    }

    fn wait(&mut self) {
        let start = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(start.elapsed() < Duration::from_secs(10), "sshd does not listen: {}", self.log());
            assert!(self.process.try_wait().unwrap().is_none(), "sshd ended: {}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

fn spawn(sshd: &Path, directory: &Path) -> Child {
    let log = std::fs::File::options().append(true).create(true).open(directory.join("log")).unwrap();
    Command::new(sshd)
        .arg("-D")
        .arg("-e")
        .arg("-f")
        .arg(directory.join("sshd_config"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("sshd starts")
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
