//! A fleet with a name, whose hosts outlive the program that booted them: what `cargo xtask fleet` works on.

use std::fs;
use std::path::PathBuf;

use anyhow::{Result, bail};

use super::machine::Machine;
use super::net::Net;
use super::paths::{self, Dirs};
use super::{Options, base, cache, inventory, require_with};
use crate::fleet::apt::Mirrors;

/// Hosts h1, h2, … of one name, on a network of their own.
#[derive(Debug)]
pub struct Fleet {
    dirs: Dirs,
    dir: PathBuf,
}

/// How a host is doing.
#[derive(Debug, Clone)]
pub struct Status {
    pub name: String,
    pub ip: String,
    pub ip6: String,
    /// What it was booted as.
    pub kind: String,
    /// systemd's word for it, or `dead`.
    pub state: String,
}

impl Fleet {
    /// # Errors
    /// If the name is not one (letters, digits, `-`), or is the one kept for tests.
    pub fn open(name: &str) -> Result<Fleet> {
        let good = !name.is_empty()
            && name.len() <= 40
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        if !good || name == super::POOL {
            bail!("a fleet's name has letters, digits and dashes, and is not {:?}", super::POOL);
        }
        let dirs = Dirs::new()?;
        let dir = dirs.fleets().join(name);
        fs::create_dir_all(&dir)?;
        Ok(Fleet { dirs, dir })
    }

    /// Boots h1..hN, those that do not run already. Returns the names of the new ones.
    pub fn up(&self, n: u8, options: &Options) -> Result<Vec<String>> {
        if !(1..=super::MOST).contains(&n) {
            bail!("a fleet has 1 to {} hosts", super::MOST);
        }
        require_with(&self.dirs)?;
        // Before the fleet's lock: this may take minutes.
        base::ensure(&self.dirs, options)?;
        let _lock = self.lock()?;
        let net = Net::claim(&self.dirs, &self.dir)?;
        cache::ensure(&self.dirs, &Mirrors::of(options.distro)?.origins())?;
        let machines = (1..=n).map(|i| Machine::new(&self.dirs, net, &self.dir, i));
        let mut new = Vec::new();
        for machine in machines.collect::<Result<Vec<_>>>()? {
            if !machine.alive() {
                machine.delete()?;
                machine.start(options)?;
                new.push(machine);
            }
        }
        new.iter().try_for_each(Machine::wait_ready)?;
        self.write_files()?;
        Ok(new.iter().map(Machine::name).collect())
    }

    /// Deletes the named hosts, or all; with the last one goes the network.
    pub fn down(&self, names: &[String]) -> Result<Vec<String>> {
        let _lock = self.lock()?;
        let doomed = if names.is_empty() { self.machines()? } else { self.named(names)? };
        doomed.iter().try_for_each(Machine::delete)?;
        self.write_files()?;
        if let Some(net) = Net::existing(&self.dir)
            && self.machines()?.is_empty()
        {
            net.release()?;
        }
        Ok(doomed.iter().map(Machine::name).collect())
    }

    /// Replaces the named hosts by fresh ones of the same kind.
    pub fn reset(&self, names: &[String]) -> Result<()> {
        let _lock = self.lock()?;
        let machines = self.named(names)?;
        for machine in &machines {
            let options: Options = machine.kind().parse()?;
            machine.delete()?;
            machine.start(&options)?;
        }
        machines.iter().try_for_each(Machine::wait_ready)?;
        self.write_files()
    }

    /// # Errors
    /// If a host's directory cannot be read.
    pub fn status(&self) -> Result<Vec<Status>> {
        let line = |m: &Machine| Status {
            name: m.name(),
            ip: m.net.ip(m.number).to_string(),
            ip6: m.net.ip6(m.number).to_string(),
            kind: m.kind(),
            state: m.state(),
        };
        Ok(self.machines()?.iter().map(line).collect())
    }

    /// An inventory of all hosts in one group, `ini` or `yaml`.
    pub fn inventory(&self, format: &str, group: &str, user: &str) -> Result<String> {
        let machines = self.machines()?;
        let machines: Vec<&Machine> = machines.iter().collect();
        let (key, known_hosts) = (self.dirs.key(), self.known_hosts());
        match format {
            "ini" => Ok(inventory::ini(group, &machines, user, &key, &known_hosts)),
            "yaml" => Ok(inventory::yaml(group, &machines, user, &key, &known_hosts)),
            other => bail!("no inventory format {other}: there are ini and yaml"),
        }
    }

    /// For `ssh -F`; written at each change.
    pub fn ssh_config(&self) -> PathBuf {
        self.dir.join("ssh_config")
    }
    pub fn known_hosts(&self) -> PathBuf {
        self.dir.join("known_hosts")
    }
    /// The private key that opens root, deploy and pw.
    pub fn ssh_key(&self) -> PathBuf {
        self.dirs.key()
    }

    /// The machine of a name such as `h3`, running or not.
    pub fn machine(&self, name: &str) -> Result<Machine> {
        Ok(self.named(&[name.to_string()])?.swap_remove(0))
    }

    /// The address under which hosts reach this machine.
    pub fn gateway(&self) -> Option<std::net::Ipv4Addr> {
        Net::existing(&self.dir).map(Net::gateway)
    }

    fn machines(&self) -> Result<Vec<Machine>> {
        let Some(net) = Net::existing(&self.dir) else { return Ok(Vec::new()) };
        let mut numbers: Vec<u8> = fs::read_dir(&self.dir)?
            .flatten()
            .filter_map(|e| e.file_name().to_str()?.strip_prefix('h')?.parse().ok())
            .collect();
        numbers.sort_unstable();
        numbers.into_iter().map(|i| Machine::new(&self.dirs, net, &self.dir, i)).collect()
    }

    fn named(&self, names: &[String]) -> Result<Vec<Machine>> {
        let all = self.machines()?;
        let find = |name: &String| match all.iter().find(|m| m.name() == *name) {
            Some(machine) => Ok(machine.clone()),
            None => bail!("no host {name} in this fleet: there are {}", list(&all)),
        };
        names.iter().map(find).collect()
    }

    fn write_files(&self) -> Result<()> {
        let machines = self.machines()?;
        let refs: Vec<&Machine> = machines.iter().collect();
        let keys = machines.iter().map(Machine::known_hosts).collect::<Result<Vec<_>>>()?;
        let (key, known_hosts) = (self.dirs.key(), self.known_hosts());
        fs::write(&known_hosts, keys.concat())?;
        fs::write(self.ssh_config(), inventory::ssh_config(&refs, &key, &known_hosts))?;
        fs::write(self.dir.join("inventory.ini"), self.inventory("ini", "fleet", "root")?)?;
        fs::write(self.dir.join("inventory.yaml"), self.inventory("yaml", "fleet", "root")?)?;
        Ok(())
    }

    fn lock(&self) -> Result<fs::File> {
        let file = paths::open_lock(&self.dir.join("lock"))?;
        file.lock()?;
        Ok(file)
    }
}

fn list(machines: &[Machine]) -> String {
    if machines.is_empty() {
        return "none".into();
    }
    machines.iter().map(Machine::name).collect::<Vec<_>>().join(", ")
}
