//! `group_by` and `add_host`: the inventory grows during the run.

use crate::host_task::{Attempt, Reply};
use crate::state::Added;
use provision_args::Args;
use provision_project::Vars;
use provision_source::{Diagnostics, Node};
use serde_json::{Map, Value};
use std::sync::Arc;

/// Puts the host into a group named by a value.
#[derive(Debug, Args)]
#[args(name = "group_by")]
pub struct GroupByArgs {
    /// The group; spaces become dashes.
    #[arg(required)]
    pub key: String,
    /// Groups above it.
    #[arg(default = "all")]
    pub parents: Vec<String>,
}

pub fn group_by(attempt: &Attempt<'_>, args: &Map<String, Value>) -> Reply {
    let args = match super::parse::<GroupByArgs>(args) {
        Ok(args) => args,
        Err(reply) => return *reply,
    };
    let group = args.key.replace(' ', "-");
    let engine = &attempt.run.engine;
    let mut diags = Diagnostics::new();
    let host = attempt.run.host.name.clone();
    let parents: Vec<String> = args.parents.iter().map(|name| name.replace(' ', "-")).collect();
    let above: Vec<&str> = parents.iter().map(String::as_str).filter(|name| *name != "all").collect();
    let changed = engine.change_inventory(|inventory| {
        inventory.add_to_group(&host, &group, &above, &engine.loader.sources, &mut diags)
    });
    if diags.has_errors() {
        return Reply::fail(provision_source::render(&diags, &engine.loader.sources, false, None));
    }
    let mut result = Map::new();
    result.insert("add_group".into(), group.into());
    result.insert("parent_groups".into(), parents.into());
    result.insert("changed".into(), changed.into());
    Reply::ok(result)
}

/// Adds a host for later plays of this run. Everything beside its name and groups is a variable of it.
pub fn add_host(attempt: &Attempt<'_>, mut args: Map<String, Value>) -> Reply {
    let name = ["name", "hostname", "host"].iter().find_map(|key| args.remove(*key));
    let Some(name) = name.map(|n| crate::render::plain(&n)) else {
        return Reply::fail("name, host or hostname needs to be provided");
    };
    let groups = ["groups", "groupname", "group"].iter().find_map(|key| args.remove(*key));
    let groups: Vec<String> = match groups {
        Some(Value::Array(items)) => items.iter().map(crate::render::plain).collect(),
        Some(value) => crate::render::plain(&value)
            .split(',')
            .map(|g| g.trim().to_owned())
            .filter(|g| !g.is_empty())
            .collect(),
        None => Vec::new(),
    };
    let engine = &attempt.run.engine;
    let vars: Vars =
        args.iter().map(|(key, value)| (Arc::from(key.as_str()), Node::from_json(value))).collect();
    let mut diags = Diagnostics::new();
    let added = Added { name: name.clone(), groups: groups.clone(), vars };
    let changed = engine.add_host(added, &mut diags);
    if diags.has_errors() {
        return Reply::fail(provision_source::render(&diags, &engine.loader.sources, false, None));
    }
    let mut result = Map::new();
    let mut added = Map::new();
    added.insert("host_name".into(), name.into());
    added.insert("groups".into(), groups.into());
    added.insert("host_vars".into(), Value::Object(args));
    result.insert("add_host".into(), Value::Object(added));
    result.insert("changed".into(), changed.into());
    Reply::ok(result)
}
