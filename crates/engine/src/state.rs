//! What a run is made of.

use crate::event::{Event, HostStats, Reporter, TaskInfo};
use crate::facts::{FactCache, Facts, Gathering};
use crate::secrets::Secrets;
use crate::transport::{Secret, Transport};
use crate::vars::Values;
use provision_project::inventory::Inventory;
use provision_project::{Loader, Play, Role, Task, Vars};
use provision_source::Diagnostics;
use provision_system::Mutation;
use provision_templates::Templater;
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, RwLock};
use std::time::Duration;
use tokio::sync::Semaphore;

/// What the command line and the configuration say about the run.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    pub check: bool,
    pub diff: bool,
    /// Hosts worked on at once.
    pub forks: usize,
    pub tags: Vec<String>,
    pub skip_tags: Vec<String>,
    pub limit: Option<String>,
    pub extra_vars: Arc<Vars>,
    pub start_at_task: Option<String>,
    pub verbosity: u8,
    pub force_handlers: bool,
    pub r#become: bool,
    pub become_user: Option<String>,
    pub become_method: Option<String>,
    pub become_password: Option<Secret>,
    pub password: Option<Secret>,
    pub remote_user: Option<String>,
    pub private_key: Option<PathBuf>,
    pub connection: Option<String>,
    pub connect_timeout: Option<Duration>,
    pub host_key_checking: Option<bool>,
    pub ssh_args: Vec<String>,
    pub inventory_sources: Vec<String>,
    /// Of plays that do not say whether to gather facts.
    pub gathering: Gathering,
    /// `inject_facts_as_vars = false`: facts are found in `ansible_facts` alone.
    pub facts_not_injected: bool,
    /// Of plays that name none.
    pub strategy: Option<String>,
    /// `hash_behaviour = merge`: mappings of one name are merged over the levels of precedence.
    pub merge_hashes: bool,
    /// The configuration file in use (`ansible_config_file`).
    pub config_file: Option<PathBuf>,
    /// Ask before each task (`--step`).
    pub step: bool,
    /// What becomes of a part of a host pattern that matches nobody.
    pub unmatched: Unmatched,
    /// Show the output of commands while they run.
    pub stream: bool,
}

/// `host_pattern_mismatch`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unmatched {
    #[default]
    Warn,
    Ignore,
    Refuse,
}

/// A host that `add_host` brought in.
#[derive(Debug, Clone)]
pub struct Added {
    pub name: String,
    pub groups: Vec<String>,
    pub vars: Vars,
}

/// Reads the inventory's sources again.
pub type Reload = dyn Fn() -> Result<Inventory, String> + Send + Sync;

/// Asks the person at the terminal.
pub trait Prompter: Send + Sync {
    /// The answer; None at end of input or without a terminal.
    fn ask(&self, prompt: &str, private: bool) -> Option<String>;
}

/// One run of playbooks.
pub struct Engine {
    pub settings: Settings,
    inventory: RwLock<Arc<Inventory>>,
    pub loader: Arc<Loader>,
    pub templater: Arc<Templater>,
    pub transport: Arc<dyn Transport>,
    pub reporter: Mutex<Box<dyn Reporter>>,
    pub prompter: Arc<dyn Prompter>,
    pub secrets: Arc<Secrets>,
    reload: Arc<Reload>,
    added: Mutex<Vec<Added>>,
    pub fact_cache: Option<Arc<dyn FactCache>>,
    /// Results of a dry run's jobs, by their ids: nothing runs in the background then.
    pub dry_jobs: Mutex<HashMap<String, serde_json::Map<String, serde_json::Value>>>,
    /// Every host the run has met, by name.
    pub hosts: RwLock<indexmap::IndexMap<Arc<str>, Arc<Host>>>,
    /// Set by Ctrl-C: nothing new is begun.
    pub interrupted: AtomicBool,
    /// Why the run ends here and now, where Ansible ends it without a recap.
    aborted: OnceLock<String>,
    pub started: AtomicBool,
    /// `--step` until the person says `c`.
    pub stepping: AtomicBool,
    pub task_events: AtomicU64,
}

/// What an [`Engine`] is made of.
pub struct Parts {
    pub settings: Settings,
    pub inventory: Inventory,
    pub loader: Arc<Loader>,
    pub templater: Arc<Templater>,
    pub transport: Arc<dyn Transport>,
    pub reporter: Box<dyn Reporter>,
    pub prompter: Arc<dyn Prompter>,
    pub secrets: Arc<Secrets>,
    /// Reads the inventory anew (`meta: refresh_inventory`).
    pub reload: Arc<Reload>,
    /// None: facts are forgotten with the run.
    pub fact_cache: Option<Arc<dyn FactCache>>,
}

/// A host with all that the run knows of it.
pub struct Host {
    pub name: Arc<str>,
    /// Inventory, group_vars and host_vars in one.
    inventory: RwLock<Arc<Vars>>,
    /// Not in the inventory: the implicit localhost, or a name that `delegate_to` made up.
    pub implicit: bool,
    state: Mutex<HostState>,
}

/// The part that changes.
#[derive(Default)]
pub struct HostState {
    pub facts: Facts,
    /// `set_fact` and `register`.
    pub set: Arc<Values>,
    pub included: Arc<Vars>,
    /// Ids of handlers to run at the next flush.
    pub notified: Vec<u64>,
    pub failed: bool,
    pub unreachable: bool,
    /// `meta: end_host` and kin.
    pub ended: bool,
    /// `meta: end_role`, until the role's end.
    pub left_role: bool,
    pub roles_done: HashSet<String>,
    pub stats: HostStats,
    /// Of a dry run: what would have changed so far, by the identity that would have done it.
    pub predicted: Vec<(String, Mutation)>,
    /// How many of `predicted` each identity's agent has been told.
    pub told: HashMap<String, usize>,
}

impl Host {
    pub fn new(name: Arc<str>, inventory: Vars, implicit: bool) -> Self {
        let state = HostState {
            stats: HostStats { host: name.clone(), ..HostStats::default() },
            ..HostState::default()
        };
        Self { name, inventory: RwLock::new(Arc::new(inventory)), implicit, state: Mutex::new(state) }
    }

    /// The inventory's variables of this host.
    pub fn inventory(&self) -> Arc<Vars> {
        self.inventory.read().unwrap_or_else(|e| e.into_inner()).clone()
    }

    pub fn state(&self) -> MutexGuard<'_, HostState> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Still in the play.
    pub fn active(&self) -> bool {
        let state = self.state();
        !state.failed && !state.unreachable && !state.ended && !state.left_role
    }

    /// Failed or unreachable.
    pub fn is_out(&self) -> bool {
        let state = self.state();
        state.failed || state.unreachable
    }

    /// Failed, and still there to be rescued.
    pub fn has_failed(&self) -> bool {
        let state = self.state();
        state.failed && !state.unreachable
    }
}

impl HostState {
    /// `set_fact`, `register`.
    pub fn set(&mut self, name: &str, value: provision_templates::Value) {
        Arc::make_mut(&mut self.set).insert(name.into(), value);
    }
}

/// What hosts share that go through a play each for itself.
pub struct Free {
    /// As many hosts work as forks allow.
    pub gate: Semaphore,
    /// `throttle`, by the task's id.
    pub gates: Mutex<HashMap<u64, Arc<Semaphore>>>,
    /// Tasks that a host has begun already, by their ids: they are told of once.
    pub infos: Mutex<HashMap<u64, Arc<TaskInfo>>>,
}

impl Free {
    pub fn new(forks: usize) -> Self {
        Self { gate: Semaphore::new(forks), gates: Mutex::default(), infos: Mutex::default() }
    }

    /// The gate of a task under `throttle`.
    pub fn gate_of(&self, task: u64, at_once: usize) -> Arc<Semaphore> {
        let mut gates = self.gates.lock().unwrap_or_else(|e| e.into_inner());
        gates.entry(task).or_insert_with(|| Arc::new(Semaphore::new(at_once))).clone()
    }
}

/// A play on one batch of hosts.
pub struct PlayRun {
    pub play: Arc<Play>,
    pub name: String,
    /// All hosts of the play in the pattern's order, then those of this batch in that of `order`.
    pub all: Vec<Arc<str>>,
    pub batch: Vec<Arc<Host>>,
    pub prompts: Arc<Vars>,
    /// Defaults and vars of all roles whose variables are visible to the whole play, merged.
    pub role_defaults: RwLock<Arc<Vars>>,
    pub role_vars: RwLock<Arc<Vars>>,
    pub roles: RwLock<Vec<Arc<Role>>>,
    /// Every role that came in, in order, as often as it did.
    pub all_roles: RwLock<Vec<Arc<Role>>>,
    pub handlers: RwLock<Vec<Arc<Task>>>,
    /// `vars_files`, by host.
    pub vars_files: RwLock<HashMap<Arc<str>, Arc<Vars>>>,
    /// The play ends early (`meta: end_play`).
    pub ended: AtomicBool,
    /// More hosts failed than `max_fail_percentage` allows: the run ends.
    pub over_limit: AtomicBool,
    /// Hosts do not wait for each other.
    pub free: Option<Free>,
}

impl Engine {
    pub fn emit(&self, event: &Event) {
        self.reporter.lock().unwrap_or_else(|e| e.into_inner()).event(event);
    }

    pub fn warn(&self, text: impl Into<String>, place: Option<String>) {
        self.emit(&Event::Warning { text: self.secrets.redact(&text.into()), place });
    }

    /// Asks the person at the terminal, with the live display out of the way.
    pub fn ask(&self, prompt: &str, private: bool) -> Option<String> {
        let mut reporter = self.reporter.lock().unwrap_or_else(|e| e.into_inner());
        reporter.suspend();
        let answer = self.prompter.ask(prompt, private);
        reporter.resume();
        answer
    }

    /// Nothing new is begun.
    pub fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed) || self.aborted.get().is_some()
    }

    /// Ends the run for a mistake that no host is to blame for.
    pub fn abort(&self, text: String) {
        // The first reason is the one that counts.
        let _ = self.aborted.set(text);
    }

    pub fn aborted(&self) -> Option<&String> {
        self.aborted.get()
    }

    /// A host of the inventory, or one made up by its name (as `delegate_to` and the implicit localhost do).
    pub fn host(&self, name: &str) -> Arc<Host> {
        if let Some(host) = self.hosts.read().unwrap_or_else(|e| e.into_inner()).get(name) {
            return host.clone();
        }
        let mut hosts = self.hosts.write().unwrap_or_else(|e| e.into_inner());
        let name: Arc<str> = name.into();
        let inventory = self.inventory();
        let host = match inventory.host(&name) {
            Some(found) => Arc::new(Host::new(
                name.clone(),
                with_local(self.vars_of(&inventory, found), found.implicit),
                found.implicit,
            )),
            // A name that only a delegate_to knows.
            None => {
                let vars = inventory.group("all").map(|all| all.vars.clone()).unwrap_or_default();
                Arc::new(Host::new(name.clone(), vars, true))
            }
        };
        self.recall(&host);
        hosts.entry(name).or_insert(host).clone()
    }

    /// What the inventory says of a host, its groups' mappings merged where the configuration wants that.
    fn vars_of(&self, inventory: &Inventory, host: &provision_project::inventory::Host) -> Vars {
        if !self.settings.merge_hashes {
            return inventory.vars_of(host);
        }
        let mut all = Vars::new();
        for layer in inventory.vars_layers(host) {
            crate::vars::merge_into(
                &mut all,
                layer.vars.iter().map(|(name, node)| (name.clone(), node.clone())),
            );
        }
        all
    }

    /// The inventory as it is now: plays may add hosts and groups.
    pub fn inventory(&self) -> Arc<Inventory> {
        self.inventory.read().unwrap_or_else(|e| e.into_inner()).clone()
    }

    /// Reads the inventory anew (`meta: refresh_inventory`). Hosts that the run added stay.
    pub fn refresh_inventory(&self) -> Result<(), String> {
        let mut fresh = (self.reload)()?;
        let added = self.added.lock().unwrap_or_else(|e| e.into_inner()).clone();
        let mut diags = Diagnostics::new();
        if let Some(dir) = self.inventory().playbook_dir()
            && fresh.playbook_dir() != Some(dir)
        {
            fresh.set_playbook_dir(dir, &self.loader.sources, &mut diags);
        }
        for Added { name, groups, vars } in added {
            let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
            fresh.add_host(&name, &groups, vars, &self.loader.sources, &mut diags);
        }
        self.change_inventory(|inventory| *inventory = fresh);
        Ok(())
    }

    /// Adds a host to the inventory; false if nothing changed.
    pub fn add_host(&self, host: Added, diags: &mut Diagnostics) -> bool {
        let groups: Vec<&str> = host.groups.iter().map(String::as_str).collect();
        let changed = self.change_inventory(|inventory| {
            inventory.add_host(&host.name, &groups, host.vars.clone(), &self.loader.sources, diags)
        });
        self.added.lock().unwrap_or_else(|e| e.into_inner()).push(host);
        changed
    }

    /// Changes the inventory; hosts that the run has met get their new variables.
    pub fn change_inventory<T>(&self, change: impl FnOnce(&mut Inventory) -> T) -> T {
        let mut guard = self.inventory.write().unwrap_or_else(|e| e.into_inner());
        let result = change(Arc::make_mut(&mut guard));
        let inventory = guard.clone();
        drop(guard);
        for host in self.hosts.read().unwrap_or_else(|e| e.into_inner()).values() {
            if let Some(found) = inventory.host(&host.name) {
                let vars = Arc::new(with_local(self.vars_of(&inventory, found), found.implicit));
                *host.inventory.write().unwrap_or_else(|e| e.into_inner()) = vars;
            }
        }
        result
    }
}

impl Engine {
    pub fn new(parts: Parts) -> Arc<Self> {
        Arc::new(Self {
            stepping: AtomicBool::new(parts.settings.step),
            settings: parts.settings,
            inventory: RwLock::new(Arc::new(parts.inventory)),
            loader: parts.loader,
            templater: parts.templater,
            transport: parts.transport,
            reporter: Mutex::new(parts.reporter),
            prompter: parts.prompter,
            secrets: parts.secrets,
            reload: parts.reload,
            added: Mutex::default(),
            fact_cache: parts.fact_cache,
            dry_jobs: Mutex::default(),
            hosts: RwLock::default(),
            interrupted: AtomicBool::new(false),
            aborted: OnceLock::new(),
            started: AtomicBool::new(false),
            task_events: AtomicU64::new(0),
        })
    }
}

/// The implicit localhost is worked on without a connection.
fn with_local(mut vars: Vars, implicit: bool) -> Vars {
    if implicit {
        vars.entry("ansible_connection".into()).or_insert_with(|| provision_source::Node::str("local"));
    }
    vars
}
