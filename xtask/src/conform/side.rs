//! The two tools: how each runs a case, and what is kept of it.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use provision_testkit::fleet::Tree;
use serde_json::{Value, json};

use super::case::{Case, Stage};
use super::hosts::Ground;
use super::record::Run;

/// Seconds that one run may take on a busy machine.
const LIMIT: u32 = 600;

/// What one run came to.
#[derive(Debug)]
pub struct Came {
    pub stdout: String,
    pub exit: i32,
    pub run: Run,
    /// What the run left: the host's disk, or the case's directory below /tmp.
    pub tree: Tree,
    /// Where copies of small files of the tree are.
    pub files: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    Ansible,
    Provision,
}

/// Where things are.
#[derive(Debug)]
pub struct Setup {
    /// `target/conform`
    pub top: PathBuf,
    pub provision: PathBuf,
    /// The `bin` directory of ansible-core.
    pub ansible: PathBuf,
    /// As `ansible-playbook --version` says it; part of the cache's key.
    pub ansible_version: String,
    /// Run Ansible even for cases that have not changed since it ran.
    pub fresh: bool,
    /// Run nothing for cases that both have run.
    pub compare: bool,
}

const RECORDER: &str = include_str!("recorder.py");

impl Setup {
    /// Writes the callback plugin.
    pub fn prepare(&self) -> Result<()> {
        fs::create_dir_all(self.top.join("plugins"))?;
        fs::write(self.top.join("plugins/recorder.py"), RECORDER)?;
        Ok(())
    }

    /// Whether there is something of both tools to compare.
    pub fn has_run(&self, case: &Case) -> bool {
        [Tool::Ansible, Tool::Provision].iter().all(|tool| self.dir(case, *tool).join("key").exists())
    }

    fn dir(&self, case: &Case, tool: Tool) -> PathBuf {
        self.top.join("cases").join(case.id()).join(match tool {
            Tool::Ansible => "ansible",
            Tool::Provision => "provision",
        })
    }

    /// Runs a case, or reads what Ansible came to when neither it nor the case has changed.
    pub fn play(&self, case: &Case, tool: Tool, ground: &mut Ground) -> Result<Vec<Came>> {
        let dir = self.dir(case, tool);
        let key = format!("{:016x}", self.key(case)?);
        let known = tool == Tool::Ansible && !self.fresh;
        let compared = self.compare && self.has_run(case);
        if !compared && (!known || fs::read_to_string(dir.join("key")).ok().as_ref() != Some(&key)) {
            if dir.exists() {
                fs::remove_dir_all(&dir)?;
            }
            fs::create_dir_all(&dir)?;
            let inventories = ground.fresh(case)?;
            for number in 0..case.runs.len() {
                self.run(case, tool, number, &inventories, &dir)?;
                let tree = ground.tree(case, &dir.join(format!("{number}.files")))?;
                fs::write(dir.join(format!("{number}.tree")), tree_json(&tree).to_string())?;
            }
            fs::write(dir.join("key"), &key)?;
        }
        (0..case.runs.len()).map(|number| came(&dir, number, tool)).collect()
    }

    fn run(&self, case: &Case, tool: Tool, number: usize, inventories: &[PathBuf], dir: &Path) -> Result<()> {
        let file = |end: &str| dir.join(format!("{number}.{end}"));
        let mut command = Command::new("timeout");
        command.args(["-k", "10", &LIMIT.to_string()]);
        match tool {
            Tool::Ansible => command.arg(self.ansible.join("ansible-playbook")),
            Tool::Provision => command.arg(&self.provision),
        };
        for inventory in inventories {
            command.arg("-i").arg(inventory);
        }
        command.arg("play.yaml").args(&case.runs[number]);
        if tool == Tool::Provision {
            command.args(["--output", "ansible", "--color", "never", "--events"]).arg(file("jsonl"));
        }
        // Tasks are for the inventory's hosts, whatever the case is: nothing may fall back to this machine.
        ensure!(!inventories.is_empty(), "{} has no inventory", case.name);
        let python = match case.stage {
            Stage::Local => self.ansible.join("python"),
            Stage::Host => PathBuf::from("/usr/bin/python3"),
        };
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("ANSIBLE_") {
                command.env_remove(name);
            }
        }
        command
            .env("ANSIBLE_CALLBACK_PLUGINS", self.top.join("plugins"))
            .env("CONFORM_EVENTS", file("jsonl"))
            .env("ANSIBLE_NOCOLOR", "1")
            .env("ANSIBLE_LOCALHOST_WARNING", "0")
            .env("ANSIBLE_DEPRECATION_WARNINGS", "0")
            .env("ANSIBLE_RETRY_FILES_ENABLED", "0")
            .env("ANSIBLE_PYTHON_INTERPRETER", python)
            .env("ANSIBLE_PIPELINING", "1")
            // Its own for each case, since the host behind the address is another one in the next; short, since the
            // path of a socket has 108 bytes.
            .env("ANSIBLE_SSH_CONTROL_PATH_DIR", format!("/tmp/pc-{:x}", self.key(case)?))
            .env("ANSIBLE_SSH_ARGS", "-o ControlMaster=auto -o ControlPersist=3s")
            .env_remove("SSH_AUTH_SOCK")
            .current_dir(&case.dir)
            .stdin(Stdio::null())
            .stdout(File::create(file("out"))?)
            .stderr(File::create(file("err"))?);
        let status = command.status().context("cannot run timeout(1)")?;
        fs::write(file("exit"), status.code().unwrap_or(-1).to_string())?;
        Ok(())
    }

    /// Over all that Ansible sees of a case.
    fn key(&self, case: &Case) -> Result<u64> {
        let mut hasher = DefaultHasher::new();
        (RECORDER, &self.ansible_version, format!("{:?} {:?}", case.runs, case.stage)).hash(&mut hasher);
        let mut dirs = vec![case.dir.clone()];
        dirs.extend(case.uses.iter().cloned());
        for dir in dirs {
            hash_dir(&dir, &mut hasher)?;
        }
        if let Some(shared) = case.inventory().filter(|path| path.is_file()) {
            fs::read(shared)?.hash(&mut hasher);
        }
        Ok(hasher.finish())
    }
}

fn hash_dir(dir: &Path, hasher: &mut DefaultHasher) -> Result<()> {
    let mut entries: Vec<_> = fs::read_dir(dir)?.collect::<Result<_, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name();
        if ["expected", "conform"].iter().any(|ours| name == *ours) {
            continue;
        }
        name.hash(hasher);
        if entry.path().is_dir() {
            hash_dir(&entry.path(), hasher)?;
        } else if let Ok(content) = fs::read(entry.path()) {
            content.hash(hasher);
        }
    }
    Ok(())
}

fn came(dir: &Path, number: usize, tool: Tool) -> Result<Came> {
    let file = |end: &str| dir.join(format!("{number}.{end}"));
    let read = |end: &str| -> Result<String> {
        let bytes = fs::read(file(end)).with_context(|| format!("no {}", file(end).display()))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    // No events when nothing was run.
    let events = read("jsonl").unwrap_or_default();
    let run = match tool {
        Tool::Ansible => Run::of_ansible(&events),
        Tool::Provision => Run::of_provision(&events),
    };
    let tree: Value = serde_json::from_str(&read("tree")?)?;
    let looks = tree.as_object().into_iter().flatten();
    Ok(Came {
        stdout: read("out")?,
        exit: read("exit")?.trim().parse()?,
        run: run.with_context(|| format!("in {}", file("jsonl").display()))?,
        tree: Tree(
            looks.map(|(path, look)| (path.into(), look.as_str().unwrap_or_default().to_owned())).collect(),
        ),
        files: file("files"),
    })
}

fn tree_json(tree: &Tree) -> Value {
    let looks = tree.0.iter().map(|(path, look)| (path.to_string_lossy().into_owned(), json!(look)));
    Value::Object(looks.collect())
}
