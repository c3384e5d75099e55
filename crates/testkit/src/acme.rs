//! A certificate authority that speaks ACME: pebble on this machine, for one host to get certificates from.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::json;

use crate::fleet::{Dirs, Host};
use crate::{run, tools};

/// A running pebble, with a DNS server of its own that answers every name with the host's address. Each start makes a
/// new issuer. Ends when dropped.
#[derive(Debug)]
pub struct Pebble {
    gateway: Ipv4Addr,
    port: u16,
    management: u16,
    dir: PathBuf,
    children: Vec<Child>,
}

impl Pebble {
    /// Starts a server for `host`, which reaches it at [`Pebble::url`] and is asked for proofs on its port 80.
    ///
    /// # Errors
    /// If pebble cannot be installed or does not start; the error ends with its log.
    pub fn start(host: &Host) -> Result<Pebble> {
        tools::ensure(tools::JUDGES)?;
        let dir = Dirs::new()?.top().join(format!("pebble-{}-{}", std::process::id(), host.name()));
        fs::create_dir_all(&dir)?;
        let gateway = host.gateway();
        let [port, management, dns, dns_management] = free_ports(gateway)?;
        let mut pebble = Pebble { gateway, port, management, dir, children: Vec::new() };
        pebble.certificate()?;
        let settings = json!({"pebble": {
            "listenAddress": format!("{gateway}:{port}"),
            "managementListenAddress": format!("{gateway}:{management}"),
            "certificate": pebble.dir.join("server.crt"),
            "privateKey": pebble.dir.join("server.key"),
            "httpPort": 80,
            "tlsPort": 443,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": false,
        }});
        let config = pebble.dir.join("pebble.json");
        fs::write(&config, settings.to_string())?;

        let mut names = run::cmd("pebble-challtestsrv", ["-defaultIPv6", "", "-http01", "", "-https01", ""]);
        names.args(["-tlsalpn01", "", "-defaultIPv4", &host.ip().to_string()]);
        names.args([
            "-dns01",
            &format!("127.0.0.1:{dns}"),
            "-management",
            &format!("127.0.0.1:{dns_management}"),
        ]);
        pebble.spawn(names, "dns.log")?;
        let mut server = run::cmd("pebble", ["-dnsserver", &format!("127.0.0.1:{dns}"), "-config"]);
        // Both are there to annoy clients: random waits, and random refusals of good nonces.
        server.arg(config).env("PEBBLE_VA_NOSLEEP", "1").env("PEBBLE_WFE_NONCEREJECT", "0");
        pebble.spawn(server, "pebble.log")?;
        pebble.wait()?;
        Ok(pebble)
    }

    /// The directory URL.
    pub fn url(&self) -> String {
        format!("https://{}:{}/dir", self.gateway, self.port)
    }

    /// PEM file with what the server's own HTTPS certificate is checked against: a client must trust it.
    pub fn ca_file(&self) -> PathBuf {
        self.dir.join("server.crt")
    }

    /// PEM file with the root that certificates from this server lead to.
    ///
    /// # Errors
    /// If the server does not answer.
    pub fn root_file(&self) -> Result<PathBuf> {
        let url = format!("https://{}:{}/roots/0", self.gateway, self.management);
        let mut curl = run::cmd("curl", ["-q", "-sS", "--fail", "--noproxy", "*", &url, "--cacert"]);
        let root = run::check(curl.arg(self.ca_file()))?;
        let file = self.dir.join("root.pem");
        fs::write(&file, root)?;
        Ok(file)
    }

    /// What the server has logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.join("pebble.log")).unwrap_or_default()
    }

    /// Ends the server: from now on, clients find nobody.
    pub fn stop(&mut self) {
        for mut child in self.children.drain(..) {
            child.kill().ok();
            child.wait().ok();
        }
    }

    fn certificate(&self) -> Result<()> {
        let alternative = format!("subjectAltName=IP:{}", self.gateway);
        let mut openssl =
            run::cmd("openssl", ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30"]);
        openssl.args(["-subj", "/CN=pebble", "-addext", &alternative, "-keyout"]);
        run::check(openssl.arg(self.dir.join("server.key")).arg("-out").arg(self.ca_file())).map(drop)
    }

    fn spawn(&mut self, mut command: Command, log: &str) -> Result<()> {
        let log = File::create(self.dir.join(log))?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).current_dir(Path::new("/"));
        self.children
            .push(command.spawn().with_context(|| format!("cannot run {:?}", command.get_program()))?);
        Ok(())
    }

    fn wait(&mut self) -> Result<()> {
        let start = Instant::now();
        let address = SocketAddr::from((self.gateway, self.port));
        while TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_err() {
            let ended = self.children.iter_mut().any(|c| c.try_wait().is_ok_and(|s| s.is_some()));
            if ended || start.elapsed() > Duration::from_secs(20) {
                bail!("pebble does not start: {}", run::tail(&self.log()));
            }
            std::thread::sleep(Duration::from_millis(30));
        }
        Ok(())
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        self.stop();
        fs::remove_dir_all(&self.dir).ok();
    }
}

/// Ports nobody listens on, all different: several tests have their own server at once.
fn free_ports<const N: usize>(address: Ipv4Addr) -> Result<[u16; N]> {
    let held = (0..N).map(|_| TcpListener::bind((address, 0))).collect::<Result<Vec<_>, _>>()?;
    let mut ports = [0; N];
    for (port, listener) in ports.iter_mut().zip(&held) {
        *port = listener.local_addr()?.port();
    }
    Ok(ports)
}
