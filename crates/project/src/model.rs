//! A playbook as the loader understood it: every keyword typed, every value still the node it was written as.
//!
//! Nothing here is templated. Static imports and roles are resolved; includes are not.

use indexmap::IndexMap;
use provision_source::{Node, Span};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Variables as written, in order.
pub type Vars = IndexMap<Arc<str>, Node>;

/// A file of plays, with the plays of imported playbooks in their places.
#[derive(Debug, Clone)]
pub struct Playbook {
    pub path: PathBuf,
    pub plays: Vec<Arc<Play>>,
}

/// One play.
#[derive(Debug, Clone)]
pub struct Play {
    pub span: Span,
    pub name: Option<Node>,
    /// The pattern: a string or a list of them.
    pub hosts: Node,
    pub gather_facts: Option<Node>,
    /// `gather_subset`, `gather_timeout` and `fact_path`: arguments of the gathering.
    pub gathering: Vec<(Arc<str>, Node)>,
    pub vars: Arc<Vars>,
    pub vars_files: Vec<Node>,
    pub vars_prompt: Vec<Prompt>,
    pub serial: Vec<Node>,
    pub strategy: Option<Node>,
    pub order: Option<Node>,
    pub max_fail_percentage: Option<Node>,
    pub force_handlers: Option<Node>,
    /// The play's own keywords, which its tasks inherit.
    pub common: Arc<Common>,
    /// All static roles in the order they run, dependencies before those that need them.
    pub roles: Vec<Arc<Role>>,
    pub pre_tasks: Vec<Item>,
    /// The roles, then `tasks`.
    pub tasks: Vec<Item>,
    pub post_tasks: Vec<Item>,
    /// Handlers of roles, then the play's own.
    pub handlers: Vec<Arc<Task>>,
    /// The playbook's directory.
    pub dir: PathBuf,
}

/// One entry of `vars_prompt`.
#[derive(Debug, Clone)]
pub struct Prompt {
    pub name: Arc<str>,
    pub prompt: Option<Node>,
    pub default: Option<Node>,
    pub private: bool,
    pub confirm: bool,
    /// The answer is text, whatever it looks like.
    pub r#unsafe: bool,
    /// The name of a hash, of which the variable gets the answer's.
    pub encrypt: Option<Node>,
    pub salt: Option<Node>,
    pub salt_size: Option<Node>,
}

/// What stands in a list of tasks.
#[derive(Debug, Clone)]
pub enum Item {
    Task(Arc<Task>),
    Block(Arc<Block>),
    /// A role's tasks: run once per host and set of parameters.
    Role(Arc<Role>, Arc<[Item]>),
}

/// `block`, `rescue`, `always`. Keywords of the block stand in its tasks' [`Common`].
#[derive(Debug, Clone)]
pub struct Block {
    pub span: Span,
    pub name: Option<Node>,
    pub block: Vec<Item>,
    pub rescue: Vec<Item>,
    pub always: Vec<Item>,
    pub any_errors_fatal: Option<Node>,
}

/// One task or handler.
#[derive(Debug, Clone)]
pub struct Task {
    /// Unique in the run.
    pub id: u64,
    /// The whole task.
    pub span: Span,
    pub name: Option<Node>,
    pub action: Action,
    pub args: TaskArgs,
    pub common: Arc<Common>,
    /// What the surroundings hand down, without the task's own keywords: what a dynamic include's tasks inherit.
    pub outer: Arc<Common>,
    pub looping: Option<Loop>,
    pub control: LoopControl,
    pub register: Option<Arc<str>>,
    pub until: Vec<Node>,
    pub retries: Option<Node>,
    pub delay: Option<Node>,
    pub changed_when: Vec<Node>,
    pub failed_when: Vec<Node>,
    /// Handlers only.
    pub listen: Vec<Node>,
    /// `async`: seconds that it may take in the background; 0 for none.
    pub background: Option<Node>,
    pub poll: Option<Node>,
    pub is_handler: bool,
    /// Where relative file names are searched (see [`Task::search`]).
    pub dirs: Arc<Dirs>,
}

impl Task {
    /// A task that nobody wrote: no action yet, no arguments, no keywords but what `common` says.
    pub fn made(id: u64, span: Span, common: Arc<Common>) -> Self {
        Self {
            id,
            span,
            name: None,
            action: Action { name: "".into(), full: "".into(), span },
            args: TaskArgs { span, ..TaskArgs::default() },
            outer: common.clone(),
            common,
            looping: None,
            control: LoopControl::default(),
            register: None,
            until: Vec::new(),
            retries: None,
            delay: None,
            changed_when: Vec::new(),
            failed_when: Vec::new(),
            listen: Vec::new(),
            background: None,
            poll: None,
            is_handler: false,
            dirs: Arc::default(),
        }
    }
}

/// Which module or action.
#[derive(Debug, Clone)]
pub struct Action {
    /// As written.
    pub name: Arc<str>,
    /// Fully qualified.
    pub full: Arc<str>,
    pub span: Span,
}

/// A task's arguments.
#[derive(Debug, Clone, Default)]
pub struct TaskArgs {
    /// `name: value` pairs from the mapping form, from `k=v` text and from `args:`.
    pub named: Vec<(Arc<str>, Span, Node)>,
    /// The free form's text, for modules that have one.
    pub free: Option<Node>,
    /// `args: "{{ variable }}"` or `module: "{{ variable }}"`: arguments that are known only when templated.
    pub whole: Option<Node>,
    pub span: Span,
}

impl TaskArgs {
    pub fn get(&self, name: &str) -> Option<&Node> {
        self.named.iter().find(|(n, _, _)| &**n == name).map(|(_, _, node)| node)
    }
}

/// `loop:` or `with_…:`.
#[derive(Debug, Clone)]
pub struct Loop {
    /// The lookup's name for `with_NAME`, None for `loop`.
    pub lookup: Option<Arc<str>>,
    pub items: Node,
}

/// `loop_control:`.
#[derive(Debug, Clone, Default)]
pub struct LoopControl {
    pub loop_var: Option<Node>,
    pub index_var: Option<Node>,
    pub label: Option<Node>,
    pub pause: Option<Node>,
    pub extended: Option<Node>,
    pub extended_allitems: Option<Node>,
    pub break_when: Vec<Node>,
}

/// Keywords that blocks, roles and plays hand down to their tasks, already merged: lists are joined from the outside in,
/// single values are the innermost.
#[derive(Debug, Clone, Default)]
pub struct Common {
    pub when: Vec<Node>,
    pub tags: Vec<Node>,
    /// Outermost first; without the play's vars.
    pub vars: Vec<Arc<Vars>>,
    /// `vars` of include statements and parameters of roles: they win over registered variables and facts.
    pub params: Vec<Arc<Vars>>,
    /// `vars` of `include_role`: they win over registered variables and facts, not over parameters.
    pub included: Vec<Arc<Vars>>,
    pub environment: Vec<Node>,
    pub module_defaults: Vec<Node>,
    pub r#become: Option<Node>,
    pub become_user: Option<Node>,
    pub become_method: Option<Node>,
    pub become_flags: Option<Node>,
    pub become_exe: Option<Node>,
    pub remote_user: Option<Node>,
    pub connection: Option<Node>,
    pub port: Option<Node>,
    pub check_mode: Option<Node>,
    pub diff: Option<Node>,
    pub ignore_errors: Option<Node>,
    pub ignore_unreachable: Option<Node>,
    pub no_log: Option<Node>,
    pub any_errors_fatal: Option<Node>,
    pub run_once: Option<Node>,
    pub delegate_to: Option<Node>,
    pub delegate_facts: Option<Node>,
    pub throttle: Option<Node>,
    pub timeout: Option<Node>,
    /// Handlers that a change notifies: of the task and the blocks around it.
    pub notify: Vec<Node>,
    pub role: Option<Arc<Role>>,
    /// Collections in which short names are looked up before all else.
    pub collections: Arc<[Arc<str>]>,
}

/// A role in the place where it is used.
#[derive(Debug, Clone)]
pub struct Role {
    /// "nginx" or, in a collection, "namespace.collection.nginx".
    pub name: Arc<str>,
    /// The collection it belongs to.
    pub collection: Option<Arc<str>>,
    pub path: PathBuf,
    pub defaults: Arc<Vars>,
    pub vars: Arc<Vars>,
    /// Given where it is used.
    pub params: Arc<Vars>,
    /// The roles that brought this one in as a dependency, outermost first.
    pub parents: Vec<Arc<Role>>,
    /// Brought in by another role's `meta/main.yml`, not by an include or import.
    pub dependency: bool,
    pub allow_duplicates: bool,
    /// Equal for two uses that Ansible would run only once.
    pub key: String,
    /// Variables visible to the rest of the play (roles:, import_role, `public: true`).
    pub public: bool,
    /// `meta/argument_specs.yml`: the entry point's options.
    pub argument_spec: Option<Node>,
}

impl Role {
    /// The roles whose includes led here, nearest first: `ansible_parent_role_names`. Being depended on is no including.
    pub fn including(&self) -> Vec<Arc<Role>> {
        let Some(parent) = self.parents.last() else { return Vec::new() };
        let own = (!self.dependency).then(|| parent.clone());
        own.into_iter().chain(parent.including()).collect()
    }

    /// The name without its collection: `role_name`.
    pub fn short_name(&self) -> &str {
        match &self.collection {
            Some(_) => self.name.rsplit('.').next().unwrap_or(&self.name),
            None => &self.name,
        }
    }
}

/// Where files named in a task are looked for.
#[derive(Debug, Clone, Default)]
pub struct Dirs {
    /// The role's directory.
    pub role: Option<PathBuf>,
    /// Directories of the roles that depend on it, nearest first.
    pub parents: Vec<PathBuf>,
    /// The directory of the task file.
    pub task: PathBuf,
    /// The playbook's directory.
    pub play: PathBuf,
}

impl Dirs {
    /// Candidates for `name` in Ansible's order: for the role and its parents `ROLE/<kind>/name` and `ROLE/name`, then beside the
    /// task file, then beside the playbook. An absolute name is its only candidate.
    pub fn candidates(&self, kind: &str, name: impl AsRef<Path>) -> Vec<PathBuf> {
        let name = match name.as_ref().strip_prefix("~") {
            Ok(rest) => std::env::home_dir().unwrap_or_default().join(rest),
            Err(_) => name.as_ref().to_owned(),
        };
        if name.is_absolute() {
            return vec![name];
        }
        let mut found = Vec::new();
        let places = self.role.iter().chain(&self.parents).chain([&self.task, &self.play]);
        for place in places {
            for candidate in [place.join(kind).join(&name), place.join(&name)] {
                if !found.contains(&candidate) {
                    found.push(candidate);
                }
            }
        }
        found
    }

    /// The first candidate that exists.
    pub fn find(&self, kind: &str, name: impl AsRef<Path>) -> Option<PathBuf> {
        self.candidates(kind, name).into_iter().find(|path| path.symlink_metadata().is_ok())
    }
}
