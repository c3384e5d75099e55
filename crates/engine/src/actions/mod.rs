//! What the controller does itself, and the way of everything else to the agent.
//!
//! One file per action or family. An action that ends in a module's work on the target (`template`, `copy`, `script`)
//! prepares here and calls the agent.

mod agent;
mod assemble;
mod assert;
mod background;
mod copy;
mod debug;
mod fail;
mod fetch;
mod groups;
mod include_vars;
mod pause;
mod raw;
mod reboot;
mod script;
mod set_fact;
mod set_stats;
mod template;
mod unarchive;
mod validate_argument_spec;
mod wait_for_connection;

use crate::host_task::{Attempt, Include, Reply};
use provision_args::{ArgSpec, Args, Problem};
use provision_project::{Catalog, Known};
use serde_json::{Map, Value};

/// An action of the controller's.
struct Action {
    full: &'static str,
    spec: Option<&'static ArgSpec>,
    /// Arguments that stay as they are written (expressions).
    raw: &'static [&'static str],
}

const fn action(full: &'static str, spec: Option<&'static ArgSpec>) -> Action {
    Action { full, spec, raw: &[] }
}

/// Every action there is. Modules of the agent stand in `provision_modules::registry`.
const ACTIONS: &[Action] = &[
    action("ansible.builtin.add_host", None),
    Action { raw: &["that"], ..action("ansible.builtin.assert", Some(assert::AssertArgs::SPEC)) },
    Action { raw: &["var"], ..action("ansible.builtin.debug", Some(debug::DebugArgs::SPEC)) },
    action("ansible.builtin.fail", Some(fail::FailArgs::SPEC)),
    action("ansible.builtin.fetch", Some(fetch::FetchArgs::SPEC)),
    action("ansible.builtin.gather_facts", None),
    action("ansible.builtin.group_by", Some(groups::GroupByArgs::SPEC)),
    action("ansible.builtin.import_role", Some(IncludeRoleArgs::SPEC)),
    action("ansible.builtin.import_tasks", Some(IncludeTasksArgs::SPEC)),
    Action { raw: &["apply"], ..action("ansible.builtin.include_role", Some(IncludeRoleArgs::SPEC)) },
    Action { raw: &["apply"], ..action("ansible.builtin.include_tasks", Some(IncludeTasksArgs::SPEC)) },
    action("ansible.builtin.include_vars", Some(include_vars::IncludeVarsArgs::SPEC)),
    action("ansible.builtin.meta", None),
    action("ansible.builtin.pause", Some(pause::PauseArgs::SPEC)),
    action("ansible.builtin.raw", Some(raw::RawArgs::SPEC)),
    action("ansible.builtin.reboot", Some(reboot::RebootArgs::SPEC)),
    action("ansible.builtin.set_fact", None),
    action("ansible.builtin.set_stats", Some(set_stats::SetStatsArgs::SPEC)),
    action("ansible.builtin.template", Some(template::TemplateArgs::SPEC)),
    action("ansible.builtin.validate_argument_spec", None),
    action("ansible.builtin.wait_for_connection", Some(wait_for_connection::WaitForConnectionArgs::SPEC)),
];

/// Includes a file of tasks when the task is reached.
#[derive(Debug, Args)]
#[args(name = "include_tasks", free_form = "file")]
pub struct IncludeTasksArgs {
    /// The file, searched beside the task file, in the role's `tasks/` and beside the playbook.
    #[arg(required)]
    pub file: Option<String>,
    /// Keywords for the included tasks (`tags`, `become`, `when`, …).
    pub apply: Option<Map<String, Value>>,
}

/// Includes a role when the task is reached.
#[derive(Debug, Args)]
#[args(name = "include_role")]
pub struct IncludeRoleArgs {
    /// The role's name.
    #[arg(required, alias = "role")]
    pub name: Option<String>,
    /// The file in `tasks/` to begin with.
    #[arg(default = "main")]
    pub tasks_from: Option<String>,
    /// The file in `vars/` to load.
    #[arg(default = "main")]
    pub vars_from: Option<String>,
    /// The file in `defaults/` to load.
    #[arg(default = "main")]
    pub defaults_from: Option<String>,
    /// The file in `handlers/` to load.
    #[arg(default = "main")]
    pub handlers_from: Option<String>,
    /// Run it even when it has run with the same parameters.
    #[arg(default = "yes")]
    pub allow_duplicates: Option<bool>,
    /// Show the role's variables to the rest of the play.
    #[arg(default = "no")]
    pub public: Option<bool>,
    /// Check the role's argument specification.
    #[arg(default = "yes")]
    pub rolespec_validate: Option<bool>,
    /// Keywords for the role's tasks.
    pub apply: Option<Map<String, Value>>,
}

/// Modules and actions by name, as the loader asks for them.
pub struct AllModules;

impl Catalog for AllModules {
    fn find(&self, name: &str) -> Option<Known> {
        find(name)
    }

    fn names(&self) -> Vec<&'static str> {
        let modules = provision_modules::registry().iter().map(|entry| entry.name);
        let actions = ACTIONS.iter().map(|action| action.full);
        actions.chain(modules).map(|full| full.rsplit('.').next().unwrap_or(full)).collect()
    }
}

/// The module or action that `name` means.
pub fn find(name: &str) -> Option<Known> {
    let builtin = match name.rsplit_once('.') {
        None => format!("ansible.builtin.{name}"),
        Some(("ansible.legacy", short)) => format!("ansible.builtin.{short}"),
        Some(_) => name.to_owned(),
    };
    if let Some(action) = ACTIONS.iter().find(|action| action.full == builtin) {
        return Some(Known { full: action.full, spec: action.spec });
    }
    provision_modules::find(name).map(|entry| Known { full: entry.name, spec: Some(entry.spec) })
}

/// Must this argument stay untemplated?
pub fn keeps_raw(full: &str, name: &str) -> bool {
    ACTIONS.iter().any(|action| action.full == full && action.raw.contains(&name))
}

/// The option that a free form fills.
pub fn free_option(full: &str) -> &'static str {
    find(full).and_then(|known| known.spec).and_then(|spec| spec.free_form).unwrap_or("_raw_params")
}

/// Does the task's work, once.
pub async fn perform(attempt: &mut Attempt<'_>, args: Map<String, Value>) -> Reply {
    let full = attempt.run.task.action.full.clone();
    if let Some(how) = attempt.background {
        return background::run(attempt, &full, args, how).await;
    }
    match full.strip_prefix("ansible.builtin.").unwrap_or(&full) {
        "add_host" => groups::add_host(attempt, args),
        "async_status" => background::status(attempt, args).await,
        "assemble" => assemble::run(attempt, args).await,
        "assert" => assert::run(attempt, &args),
        "copy" => copy::run(attempt, args).await,
        "debug" => debug::run(attempt, &args),
        "fail" => fail::run(&args),
        "fetch" => fetch::run(attempt, &args).await,
        "group_by" => groups::group_by(attempt, &args),
        "include_role" | "include_tasks" => {
            let include = Include { args, vars: attempt.loop_vars.clone(), item: attempt.item.clone() };
            let mut reply = Reply::ok(Map::new());
            reply.include = Some(include);
            reply
        }
        "include_vars" => include_vars::run(attempt, &args),
        "meta" => Reply::fail("this meta action cannot stand here"),
        "pause" => pause::run(attempt, &args).await,
        "raw" => raw::run(attempt, &args).await,
        "reboot" => reboot::run(attempt, &args).await,
        "script" => script::run(attempt, args).await,
        "set_fact" => set_fact::run(args),
        "set_stats" => set_stats::run(&args),
        // Which options there are `setup` says.
        "gather_facts" | "setup" => agent::setup(attempt, args).await,
        "template" => template::run(attempt, args).await,
        "unarchive" => unarchive::run(attempt, args).await,
        "validate_argument_spec" => validate_argument_spec::run(attempt, &args),
        "wait_for_connection" => wait_for_connection::run(attempt, &args).await,
        _ => agent::call(attempt, &full, args).await,
    }
}

/// Typed arguments, or the reply that says what is wrong with them.
fn parse<A: Args>(args: &Map<String, Value>) -> Result<A, Box<Reply>> {
    A::from_json(args).map_err(|problems| Box::new(bad_arguments(&problems)))
}

fn bad_arguments(problems: &[Problem]) -> Reply {
    let lines: Vec<String> = problems.iter().map(Problem::to_string).collect();
    Reply::fail(lines.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_sorted_and_their_declarations_sound() {
        assert!(ACTIONS.is_sorted_by(|a, b| a.full < b.full));
        for action in ACTIONS {
            assert!(action.spec.is_none_or(|spec| spec.self_test().is_empty()), "{}", action.full);
            assert!(provision_modules::find(action.full).is_none(), "{} is a module, too", action.full);
        }
    }

    #[test]
    fn names_are_found_in_every_spelling() {
        for name in ["debug", "ansible.builtin.debug", "ansible.legacy.debug"] {
            assert_eq!(find(name).map(|known| known.full), Some("ansible.builtin.debug"));
        }
        assert!(find("community.general.debug").is_none());
        assert!(find("no_such_thing").is_none());
    }
}
