//! A control group per host: the one handle that ends exactly that host's processes and nothing else.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// The control groups of one host: the unified one, and on machines with both hierarchies those that count memory and CPU.
#[derive(Debug, Clone)]
pub struct Cgroup {
    unified: PathBuf,
    counters: Vec<PathBuf>,
}

impl Cgroup {
    /// # Errors
    /// If there is no cgroup v2 hierarchy.
    pub fn of(unit: &str) -> Result<Cgroup> {
        let (unified, counters) = hierarchies();
        let unified = unified.context("no cgroup v2 hierarchy is mounted here")?;
        let below = |top: PathBuf| top.join("provision-fleet").join(unit);
        Ok(Cgroup { unified: below(unified), counters: counters.into_iter().map(below).collect() })
    }

    pub fn create(&self) -> Result<()> {
        for dir in self.all() {
            fs::create_dir_all(dir)
                .with_context(|| format!("cannot make the control group {}", dir.display()))?;
        }
        Ok(())
    }

    /// The files a process writes its id into to join.
    pub fn joins(&self) -> Vec<PathBuf> {
        self.all().map(|d| d.join("cgroup.procs")).collect()
    }

    pub fn alive(&self) -> bool {
        fs::read_to_string(self.unified.join("cgroup.events")).is_ok_and(|t| t.contains("populated 1"))
    }

    /// Power off, without notice. Returns when nothing is left running.
    pub fn kill(&self) -> Result<()> {
        if !self.unified.exists() {
            return Ok(());
        }
        fs::write(self.unified.join("cgroup.kill"), "1").context("cannot kill the host's control group")?;
        let start = Instant::now();
        while self.alive() {
            if start.elapsed() > Duration::from_secs(20) {
                bail!("processes in {} do not end", self.unified.display());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Removes the (empty) groups.
    pub fn remove(&self) {
        self.all().for_each(remove);
    }

    /// Process 1 of the host, as this machine numbers it.
    pub fn init(&self) -> Option<u32> {
        let pids = fs::read_to_string(self.unified.join("payload/init.scope/cgroup.procs")).ok()?;
        pids.lines().find_map(|pid| {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
            let inner = status.lines().find_map(|l| l.strip_prefix("NSpid:"))?.split_whitespace().last()?;
            (inner == "1").then(|| pid.parse().ok()).flatten()
        })
    }

    fn all(&self) -> impl Iterator<Item = &PathBuf> {
        std::iter::once(&self.unified).chain(&self.counters)
    }
}

fn remove(dir: &PathBuf) {
    if let Ok(entries) = fs::read_dir(dir) {
        entries.flatten().map(|e| e.path()).filter(|p| p.is_dir()).for_each(|p| remove(&p));
    }
    // A group that is still busy stays, and is found by the next host of that name.
    fs::remove_dir(dir).ok();
}

fn hierarchies() -> (Option<PathBuf>, Vec<PathBuf>) {
    let text = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mut unified = None;
    let mut counters = Vec::new();
    for line in text.lines() {
        let Some((left, right)) = line.split_once(" - ") else { continue };
        let Some(place) = left.split(' ').nth(4).filter(|p| p.starts_with("/sys/fs/cgroup")) else {
            continue;
        };
        let mut right = right.split(' ');
        match (right.next(), right.next_back()) {
            (Some("cgroup2"), _) => unified = Some(PathBuf::from(place)),
            (Some("cgroup"), Some(options))
                if options.split(',').any(|o| o == "memory" || o == "cpuacct") =>
            {
                counters.push(PathBuf::from(place));
            }
            _ => {}
        }
    }
    (unified, counters)
}
