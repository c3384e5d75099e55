//! What a measurement needs around it: hosts, inventories, inputs, tools.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use provision_testkit::bins;
use provision_testkit::fleet::{Fleet, Layer, Options};

use super::Job;
use super::measure;
use super::tool::Tool;
use crate::{fleet, say};

const NAME: &str = "bench";

pub struct Stage {
    fleet: Fleet,
    /// Where the tools are started: the inputs, the inventories and what the tools said.
    pub dir: PathBuf,
    pub provision: PathBuf,
    /// `ansible-playbook` and `pyinfra`.
    pub oracles: PathBuf,
    pub options: Options,
    /// Seconds that a run may take.
    pub limit: u64,
}

impl Stage {
    /// Boots `hosts` hosts with Python, which Ansible needs, and the packages of the site.
    pub fn set_up(hosts: u8, provision: PathBuf, oracles: PathBuf, limit: u64) -> Result<Stage> {
        let options = Options { python: true, layer: Some(Layer::NGINX), ..Options::default() };
        fleet::build(&options)?;
        let fleet = Fleet::open(NAME)?;
        say::note(format_args!("booting {hosts} host(s) {options}"));
        fleet.up(hosts, &options)?;
        let dir = bins::workspace().join("target/bench");
        if dir.exists() {
            fs::remove_dir_all(&dir)?;
        }
        copy_dir(&bins::workspace().join("xtask/bench"), &dir)?;
        fs::write(dir.join("files.yaml"), files_yaml())?;
        fs::write(dir.join("site.yaml"), SITE)?;
        let stage = Stage { fleet, dir, provision, oracles, options, limit };
        stage.write_inventories(1)?;
        stage.write_inventories(hosts)?;
        Ok(stage)
    }

    pub fn take_down(&self) -> Result<()> {
        self.fleet.down(&[]).map(drop)
    }

    pub fn ssh_config(&self) -> PathBuf {
        self.fleet.ssh_config()
    }

    /// Makes the hosts what the job wants, with the tool under test; the others then find out whether they agree.
    pub fn converge(&self, job: Job, hosts: u8) -> Result<()> {
        let cell = measure::Cell { job, tool: Tool::Provision, hosts };
        let ran = measure::once(self, cell)?;
        ensure!(
            ran.code == Some(0),
            "{} does not converge: exit {:?}; see {}",
            job.name(),
            ran.code,
            self.dir.display()
        );
        Ok(())
    }

    /// `hN.yaml` for playbooks, `hN.py` for pyinfra, `hN.txt` for xargs.
    fn write_inventories(&self, hosts: u8) -> Result<()> {
        let (key, known) = (self.fleet.ssh_key(), self.fleet.known_hosts());
        let (key, known) = (key.display(), known.display());
        let mut yaml = String::from("proxies:\n  hosts:\n");
        let mut py = String::from("hosts = [\n");
        let mut names = String::new();
        let status = self.fleet.status()?;
        for host in status.iter().take(usize::from(hosts)) {
            let (name, ip) = (&host.name, &host.ip);
            yaml.push_str(&format!("    {name}:\n      ansible_host: {ip}\n"));
            py.push_str(&format!("    ({name:?}, {{\"ssh_hostname\": {ip:?}}}),\n"));
            names.push_str(&format!("{name}\n"));
        }
        if names.lines().count() != usize::from(hosts) {
            bail!("{hosts} hosts were asked for, and there are {}", status.len());
        }
        yaml.push_str(&format!(
            "  vars:\n    ansible_user: root\n    ansible_ssh_private_key_file: {key}\n    \
             ansible_ssh_common_args: -o UserKnownHostsFile={known} -o IdentitiesOnly=yes\n"
        ));
        py.push_str("]\n");
        let mut settings = String::from("SETTINGS = {\n");
        for (name, value) in [
            ("ssh_user", "\"root\"".to_owned()),
            ("ssh_key", format!("\"{key}\"")),
            ("ssh_known_hosts_file", format!("\"{known}\"")),
            ("ssh_strict_host_key_checking", "\"yes\"".to_owned()),
            ("ssh_allow_agent", "False".to_owned()),
            ("ssh_look_for_keys", "False".to_owned()),
        ] {
            settings.push_str(&format!("    \"{name}\": {value},\n"));
        }
        py.push_str(&format!(
            "{settings}}}\nhosts = [(name, {{**SETTINGS, **data}}) for name, data in hosts]\n"
        ));
        fs::write(self.dir.join(format!("h{hosts}.yaml")), yaml)?;
        fs::write(self.dir.join(format!("h{hosts}.py")), py)?;
        fs::write(self.dir.join(format!("h{hosts}.txt")), names)?;
        fs::write(self.dir.join(format!("ansible-h{hosts}.cfg")), ansible_cfg(hosts))?;
        Ok(())
    }
}

/// The shipped playbook, from where it stands, so that it finds its roles.
const SITE: &str = "- import_playbook: ../../playbooks/site.yaml\n";

/// Ansible as its documentation tells to make it fast. The default of five forks would measure the default.
pub fn ansible_cfg(hosts: u8) -> String {
    format!(
        "[defaults]\nforks = {hosts}\ngathering = implicit\ninterpreter_python = /usr/bin/python3\nnocows = true\n\
         callback_result_format = json\n\n[ssh_connection]\npipelining = true\n\
         ssh_args = -o ControlMaster=auto -o ControlPersist=60s\n"
    )
}

/// A hundred tasks, written out: a loop would be one task.
fn files_yaml() -> String {
    let mut text =
        String::from("- name: A hundred directories\n  hosts: all\n  gather_facts: true\n  tasks:\n");
    for n in 0..100 {
        text.push_str(&format!(
            "    - name: Create directory {n}\n      ansible.builtin.file:\n        path: /srv/bench/tree/{n}\n        \
             state: directory\n        owner: root\n        group: root\n        mode: \"0755\"\n"
        ));
    }
    text
}

fn copy_dir(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("no {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_dir(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hundred_tasks_are_a_hundred() {
        assert_eq!(files_yaml().matches("ansible.builtin.file:").count(), 100);
    }

    #[test]
    fn ansible_never_runs_with_its_default_forks() {
        assert!(ansible_cfg(10).contains("forks = 10\n"));
        assert!(ansible_cfg(1).contains("pipelining = true\n"));
    }
}
