//! One machine: an overlay, a network namespace, a control group and systemd-nspawn around them.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::cgroup::Cgroup;
use super::net::Net;
use super::paths::Dirs;
use super::{Options, Tree, base, mount};
use crate::{Ran, run};

/// A machine's place: known before it boots and after it is gone.
#[derive(Debug, Clone)]
pub struct Machine {
    dirs: Dirs,
    pub net: Net,
    pub number: u8,
    /// Its own directory: `upper`, `work`, `root`, `console.log`.
    pub dir: PathBuf,
    cgroup: Cgroup,
}

/// How long a boot may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

impl Machine {
    pub fn new(dirs: &Dirs, net: Net, fleet_dir: &Path, number: u8) -> Result<Machine> {
        Ok(Machine {
            dirs: dirs.clone(),
            net,
            number,
            dir: fleet_dir.join(format!("h{number}")),
            cgroup: Cgroup::of(&net.unit(number))?,
        })
    }

    pub fn name(&self) -> String {
        format!("h{}", self.number)
    }
    pub fn ip(&self) -> Ipv4Addr {
        self.net.ip(self.number)
    }
    pub fn root(&self) -> PathBuf {
        self.dir.join("root")
    }
    pub fn upper(&self) -> PathBuf {
        self.dir.join("upper")
    }

    /// Everything on disk that differs from the root the host was booted from but by its time, without the paths in
    /// `without` (such as `/var/log`).
    ///
    /// # Errors
    /// If the disk cannot be read.
    pub fn timeless_tree(&self, without: &[&str]) -> Result<Tree> {
        let options: Options = self.kind().parse()?;
        Tree::timeless(&self.upper(), &base::ensure(&self.dirs, &options)?, without)
    }
    pub fn alive(&self) -> bool {
        self.cgroup.alive()
    }

    /// Starts a fresh machine and returns at once; [`Machine::wait_ready`] waits for it.
    pub fn start(&self, options: &Options) -> Result<()> {
        let lower = base::ensure(&self.dirs, options)?;
        for dir in ["upper", "work", "root"] {
            fs::create_dir_all(self.dir.join(dir))?;
        }
        fs::write(self.dir.join("options"), options.to_string())?;
        let root = self.root();
        mount::overlay(&self.net.unit(self.number), &lower, &self.upper(), &self.dir.join("work"), &root)?;
        self.identity(&root)?;
        self.net.plug(self.number)?;
        self.cgroup.create()?;
        self.launch()
    }

    /// Boots what is on the disk: after [`Machine::start`] has made it, or after [`Machine::kill`].
    pub fn launch(&self) -> Result<()> {
        let unit = self.net.unit(self.number);
        let nspawn = format!(
            "systemd-nspawn --quiet --boot --directory={} --machine={unit} --hostname={} \
             --network-namespace-path=/run/netns/{unit} --capability=CAP_NET_ADMIN,CAP_NET_RAW --resolv-conf=off \
             --timezone=off --link-journal=no --register=no --keep-unit --console=read-only",
            quote(&self.root()),
            self.name()
        );
        // --keep-unit takes the caller's control group, so the shell joins the host's own first.
        // The console needs a terminal, which script gives. nspawn ends with 133 when the machine wants to reboot.
        let shell = format!(
            "for f in {}; do echo $$ > $f || exit; done\n\
             export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 SYSTEMD_NSPAWN_API_VFS_WRITABLE=network\n\
             while :; do\n  script -qea -c {} {} || [ $? = 133 ] || break\n  [ -e {} ] && break\n  : > {}\ndone",
            self.cgroup.joins().iter().map(|p| quote(p)).collect::<Vec<_>>().join(" "),
            quote(Path::new(&nspawn)),
            quote(&self.dir.join("console.log")),
            quote(&self.dir.join("stop")),
            quote(&self.dir.join("rebooted")),
        );
        let mut command = run::cmd("setsid", ["--fork", "sh", "-c", &shell]);
        command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        run::check(&mut command).map(drop)
    }

    /// Waits until systemd says the machine is up and sshd answers with its banner.
    pub fn wait_ready(&self) -> Result<()> {
        let start = Instant::now();
        let mut pause = Duration::from_millis(20);
        loop {
            if self.banner() && self.systemd_is_up() {
                return Ok(());
            }
            let dead = !self.alive() && start.elapsed() > Duration::from_secs(5);
            if dead || start.elapsed() > PATIENCE {
                let log = fs::read(self.dir.join("console.log")).unwrap_or_default();
                let what = if dead { "died at boot" } else { "does not come up" };
                bail!(
                    "host {} {what}; its console says:\n{}",
                    self.name(),
                    run::tail(&String::from_utf8_lossy(&log))
                );
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(100));
        }
    }

    /// Runs a program inside, as root, without SSH.
    pub fn exec<S: AsRef<OsStr>>(&self, argv: &[S]) -> Result<Ran> {
        let init = self.cgroup.init().with_context(|| format!("host {} is not running", self.name()))?;
        let mut command = run::cmd("nsenter", ["-t", &init.to_string(), "-a", "-r", "-w", "--"]);
        command.args(argv).env_clear().env("PATH", run::PATH).env("HOME", "/root").env("LC_ALL", "C.UTF-8");
        run::output(&mut command)
    }

    /// Installs the echo backend as a service that starts at boot, listening on `addresses`; it must be built before
    /// ([`crate::bins::echo_backend`]).
    pub fn install_backend(&self, binary: &Path, addresses: &[&str]) -> Result<()> {
        let root = self.root();
        let service = format!(
            "[Unit]\nDescription=Echo backend\n\n[Service]\nExecStart=/usr/local/bin/echo-backend {}\nDynamicUser=yes\n\n\
             [Install]\nWantedBy=multi-user.target\n",
            addresses.join(" ")
        );
        fs::copy(binary, root.join("usr/local/bin/echo-backend"))?;
        fs::write(root.join("etc/systemd/system/echo-backend.service"), service)?;
        let ran =
            self.exec(&["sh", "-ec", "systemctl daemon-reload; systemctl enable -q --now echo-backend"])?;
        if !ran.ok() {
            bail!("the echo backend does not start on {}: {}", self.name(), ran.stderr.trim());
        }
        Ok(())
    }

    /// A clean reboot, with everything on disk kept. Returns when the machine is back.
    pub fn reboot(&self) -> Result<()> {
        let before = self.cgroup.init();
        self.exec(&["systemctl", "reboot"])?;
        let start = Instant::now();
        while self.cgroup.init().is_none_or(|now| Some(now) == before) {
            if start.elapsed() > PATIENCE {
                bail!("host {} does not reboot", self.name());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        self.wait_ready()
    }

    pub fn kill(&self) -> Result<()> {
        self.cgroup.kill()
    }

    /// Ends and deletes the machine, or whatever is left of one.
    pub fn delete(&self) -> Result<()> {
        self.cgroup.kill()?;
        self.net.unplug(self.number)?;
        mount::unmount(&self.root())?;
        mount::remove_tree(&self.dir)?;
        self.cgroup.remove();
        Ok(())
    }

    /// The public host keys, as `known_hosts` lines.
    pub fn known_hosts(&self) -> Result<String> {
        let mut lines = String::new();
        for kind in KEY_KINDS {
            let file = self.key_dir().join(format!("ssh_host_{kind}_key.pub"));
            let key = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
            let key = key.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
            let (ip, ip6) = (self.net.ip(self.number), self.net.ip6(self.number));
            lines.push_str(&format!("{},{ip},{ip6} {key}\n", self.name()));
        }
        Ok(lines)
    }

    /// `running`, `degraded`, `starting`…; `dead` if it does not run.
    pub fn state(&self) -> String {
        match self.exec(&["systemctl", "is-system-running"]) {
            Ok(ran) if self.alive() => ran.stdout.trim().to_string(),
            _ => "dead".into(),
        }
    }

    /// What it was booted as, such as `bookworm+nginx`.
    pub fn kind(&self) -> String {
        fs::read_to_string(self.dir.join("options")).unwrap_or_default()
    }

    /// Host name and host keys. The keys are kept over the machine's death, so that a known host stays known.
    fn identity(&self, root: &Path) -> Result<()> {
        let dir = self.key_dir();
        for kind in KEY_KINDS {
            let name = format!("ssh_host_{kind}_key");
            let key = dir.join(&name);
            if !key.exists() {
                fs::create_dir_all(&dir)?;
                let mut command =
                    run::cmd("ssh-keygen", ["-q", "-t", kind, "-N", "", "-C", &self.name(), "-f"]);
                run::check(command.arg(&key))?;
            }
            // Copying keeps the modes.
            fs::copy(&key, root.join("etc/ssh").join(&name))?;
            fs::copy(key.with_extension("pub"), root.join("etc/ssh").join(name + ".pub"))?;
        }
        let name = self.name();
        fs::write(root.join("etc/hostname"), format!("{name}\n"))?;
        // sudo looks its own host up.
        fs::write(root.join("etc/hosts"), format!("127.0.0.1 localhost\n::1 localhost\n127.0.1.1 {name}\n"))?;
        Ok(())
    }

    fn key_dir(&self) -> PathBuf {
        self.dirs.host_keys().join(self.name())
    }

    fn banner(&self) -> bool {
        let address = SocketAddr::from((self.net.ip(self.number), 22));
        let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(500)) else {
            return false;
        };
        let mut line = String::new();
        stream.set_read_timeout(Some(Duration::from_secs(2))).is_ok()
            && BufReader::new(stream).read_line(&mut line).is_ok()
            && line.starts_with("SSH-")
    }

    /// No login as a user before systemd-user-sessions, which sshd does not wait for.
    fn systemd_is_up(&self) -> bool {
        matches!(self.state().as_str(), "running" | "degraded")
    }
}

const KEY_KINDS: [&str; 2] = ["ed25519", "ecdsa"];

/// Quotes a path for sh.
fn quote(path: &Path) -> String {
    format!("'{}'", path.to_string_lossy().replace('\'', "'\\''"))
}
