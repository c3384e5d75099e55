//! `set_fact`: variables of the host for the rest of the run.

use crate::host_task::Reply;
use provision_project::load::valid_name;
use provision_templates::from_json;
use serde_json::{Map, Value};

/// Sets each argument as a variable; `cacheable` also as a fact.
pub fn run(args: Map<String, Value>) -> Reply {
    let cacheable = args.get("cacheable").and_then(crate::render::truth).unwrap_or(false);
    let mut facts = args;
    facts.remove("cacheable");
    if facts.is_empty() {
        return Reply::fail(
            "No key/value pairs provided, at least one is required for this action to succeed",
        );
    }
    if let Some(name) = facts.keys().find(|name| !valid_name(name)) {
        return Reply::fail(format!(
            "The variable name '{name}' is not valid. Variables must start with a letter or underscore character, and contain only letters, numbers and underscores."
        ));
    }
    let mut reply = Reply::ok(Map::new());
    reply.set = facts.iter().map(|(name, value)| (name.clone(), from_json(value.clone()))).collect();
    if cacheable {
        reply.facts = Some(facts.clone());
    }
    reply.result.insert("ansible_facts".into(), Value::Object(facts));
    reply.result.insert("_ansible_facts_cacheable".into(), cacheable.into());
    reply.result.insert("changed".into(), false.into());
    reply
}
