//! A host for one test: fresh, on its own, gone when dropped.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::apt::Mirrors;
use super::machine::Machine;
use super::net::Net;
use super::paths::{self, Dirs};
use super::tree::Tree;
use super::{Distro, Options, base, cache, inventory, require_with};
use crate::Ran;

/// A running host. Several test processes share one pool of names and addresses; a lock file per host says that its
/// owner lives, so the hosts of a killed test are cleared away by whoever gets the name next.
#[derive(Debug)]
pub struct Host {
    machine: Machine,
    dirs: Dirs,
    options: Options,
    root: PathBuf,
    files: PathBuf,
    name: String,
    _claim: File,
}

/// The name of the pool's fleet.
pub const POOL: &str = "test";

impl Host {
    /// A fresh host without Python; about one second when its base is built.
    ///
    /// # Errors
    /// If this machine cannot boot hosts, saying what is missing, or the host does not come up.
    pub fn boot(distro: Distro) -> Result<Host> {
        Host::boot_with(&Options::of(distro))
    }

    /// # Errors
    /// As [`Host::boot`].
    pub fn boot_with(options: &Options) -> Result<Host> {
        Host::boot_many_with(options, 1)?.pop().context("no host")
    }

    /// # Errors
    /// As [`Host::boot`].
    pub fn boot_many(distro: Distro, n: usize) -> Result<Vec<Host>> {
        Host::boot_many_with(&Options::of(distro), n)
    }

    /// Boots `n` hosts at once.
    ///
    /// # Errors
    /// As [`Host::boot`].
    pub fn boot_many_with(options: &Options, n: usize) -> Result<Vec<Host>> {
        let dirs = Dirs::new()?;
        require_with(&dirs)?;
        base::ensure(&dirs, options)?;
        let pool = dirs.fleets().join(POOL);
        let net = Net::claim(&dirs, &pool)?;
        cache::ensure(&dirs, &Mirrors::of(options.distro)?.origins())?;
        let hosts: Vec<Host> =
            (0..n).map(|_| Host::start(&dirs, net, &pool, options)).collect::<Result<_>>()?;
        hosts.iter().try_for_each(|h| h.machine.wait_ready())?;
        Ok(hosts)
    }

    /// Its name in inventories, unique among all hosts that run for tests.
    pub fn name(&self) -> &str {
        &self.name
    }
    pub fn ip(&self) -> Ipv4Addr {
        self.machine.net.ip(self.machine.number)
    }
    pub fn ip6(&self) -> Ipv6Addr {
        self.machine.net.ip6(self.machine.number)
    }
    /// The address of this machine as the host sees it: for servers that the host is to reach.
    pub fn gateway(&self) -> Ipv4Addr {
        self.machine.net.gateway()
    }
    pub fn gateway6(&self) -> Ipv6Addr {
        self.machine.net.gateway6()
    }

    /// The host's root file system, from outside. /run, /tmp, /proc and mounts made inside are not in it.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Runs a program on the host, as root and without SSH.
    ///
    /// # Errors
    /// If the host does not run. A failing program is no error here; see [`Host::sh`].
    pub fn exec<S: AsRef<OsStr>>(&self, argv: &[S]) -> Result<Ran> {
        self.machine.exec(argv)
    }

    /// Runs a script with `sh -e` on the host and returns its output.
    ///
    /// # Errors
    /// If the host does not run or the script fails.
    pub fn sh(&self, script: &str) -> Result<String> {
        let ran = self.exec(&["sh", "-ec", script])?;
        if !ran.ok() {
            bail!("on {}: {script}: code {}: {}{}", self.name, ran.code, ran.stdout, ran.stderr);
        }
        Ok(ran.stdout)
    }

    /// A clean reboot; returns when the host is back. (A reboot from inside brings it back as well.)
    ///
    /// # Errors
    /// If it does not come back.
    pub fn reboot(&self) -> Result<()> {
        self.machine.reboot()
    }

    /// Power off, without notice; the disk stays.
    ///
    /// # Errors
    /// If the processes do not end.
    pub fn kill(&self) -> Result<()> {
        self.machine.kill()
    }

    /// Power on after [`Host::kill`].
    ///
    /// # Errors
    /// If it does not come up.
    pub fn start_again(&self) -> Result<()> {
        self.machine.launch()?;
        self.machine.wait_ready()
    }

    /// Pulls the cable: connections hang, nobody is told.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn cut_network(&self) -> Result<()> {
        self.machine.net.cut(self.machine.number)
    }

    /// # Errors
    /// If the kernel refuses.
    pub fn restore_network(&self) -> Result<()> {
        self.machine.net.restore(self.machine.number)
    }

    /// A file with the host's keys, by name and by both addresses.
    pub fn known_hosts(&self) -> PathBuf {
        self.files.join("known_hosts")
    }

    /// The private key that opens root, deploy (sudo without a password) and pw (sudo asks for `pw`).
    pub fn ssh_key(&self) -> PathBuf {
        self.dirs.key()
    }

    /// For `ssh -F`.
    pub fn ssh_config(&self) -> PathBuf {
        self.files.join("ssh_config")
    }

    /// An inventory with this host in the group `proxies`.
    pub fn inventory_yaml(&self, user: &str) -> String {
        inventory::yaml("proxies", &[&self.machine], user, &self.ssh_key(), &self.known_hosts())
    }

    /// Builds the echo backend and installs it as a service that listens on `addresses`, such as `127.0.0.1:8080`.
    ///
    /// # Errors
    /// If it does not build or does not start.
    pub fn install_backend(&self, addresses: &[&str]) -> Result<()> {
        self.machine.install_backend(&crate::bins::echo_backend()?, addresses)
    }

    /// Mounts an empty tmpfs of `size_kib` KiB on `path` inside, which is made if need be: a disk that fills up.
    ///
    /// # Errors
    /// If the mount fails.
    pub fn tmpfs(&self, path: &str, size_kib: u32) -> Result<()> {
        let options = format!("size={size_kib}k,mode=0755");
        self.must(&["mkdir", "-p", path])?;
        self.must(&["mount", "-t", "tmpfs", "-o", &options, "tmpfs", path])
    }

    /// Makes what is at `path` not executable, with its contents kept.
    ///
    /// # Errors
    /// If the mount fails.
    pub fn noexec(&self, path: &str) -> Result<()> {
        self.must(&["mount", "--bind", path, path])?;
        self.must(&["mount", "-o", "remount,bind,noexec", path])
    }

    /// Everything on disk that differs from the root the host was booted from, without the paths in `without`
    /// (such as `/var/log`): equal before and after means that nothing was written in between.
    ///
    /// # Errors
    /// If the disk cannot be read.
    pub fn tree(&self, without: &[&str]) -> Result<Tree> {
        // What is still in the page cache of the overlay is in the upper directory already; no sync is needed.
        Tree::read(&self.machine.upper(), &base::ensure(&self.dirs, &self.options)?, without)
    }

    /// [`Host::tree`] as one hash.
    ///
    /// # Errors
    /// As [`Host::tree`].
    pub fn tree_hash(&self, without: &[&str]) -> Result<String> {
        Ok(self.tree(without)?.hash())
    }

    fn start(dirs: &Dirs, net: Net, pool: &Path, options: &Options) -> Result<Host> {
        for number in 1..=super::MOST {
            let claim = paths::open_lock(&pool.join(format!("h{number}.lock")))?;
            if claim.try_lock().is_err() {
                continue;
            }
            let machine = Machine::new(dirs, net, pool, number)?;
            machine.delete()?;
            // From here on, dropping the host clears away what there is.
            let host = Host {
                dirs: dirs.clone(),
                options: *options,
                root: machine.root(),
                files: machine.dir.clone(),
                name: machine.name(),
                machine,
                _claim: claim,
            };
            host.machine.start(options)?;
            fs::write(host.known_hosts(), host.machine.known_hosts()?)?;
            let config = inventory::ssh_config(&[&host.machine], &host.ssh_key(), &host.known_hosts());
            fs::write(host.ssh_config(), config)?;
            return Ok(host);
        }
        bail!("all {} test hosts are taken", super::MOST)
    }

    fn must(&self, argv: &[&str]) -> Result<()> {
        let ran = self.exec(argv)?;
        if !ran.ok() {
            bail!("on {}: {}: {}", self.name, argv.join(" "), ran.stderr.trim());
        }
        Ok(())
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // What cannot be deleted now is deleted by the next owner of the name. PROVISION_KEEP leaves hosts to look at.
        if std::env::var_os("PROVISION_KEEP").is_none() {
            self.machine.delete().ok();
        }
    }
}
