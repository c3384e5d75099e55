//! `set_stats`: figures of the user's own, for whoever reads the results.

use crate::host_task::Reply;
use provision_args::Args;
use serde_json::{Map, Value, json};

/// Puts figures into the result `ansible_stats`.
#[derive(Debug, Args)]
#[args(name = "set_stats")]
pub struct SetStatsArgs {
    /// The figures by name.
    #[arg(required)]
    pub data: Map<String, Value>,
    /// Whether they are of this host alone.
    #[arg(default = "no")]
    pub per_host: bool,
    /// Whether they are added to what is there.
    #[arg(default = "yes")]
    pub aggregate: bool,
}

pub fn run(args: &Map<String, Value>) -> Reply {
    let args = match super::parse::<SetStatsArgs>(args) {
        Ok(args) => args,
        Err(reply) => return *reply,
    };
    if let Some(name) = args.data.keys().find(|name| !provision_project::load::valid_name(name)) {
        return Reply::fail(format!(
            "The variable name '{name}' is not valid. Variables must start with a letter or underscore character, and contain only letters, numbers and underscores."
        ));
    }
    let stats = json!({"data": args.data, "per_host": args.per_host, "aggregate": args.aggregate});
    let mut result = Map::new();
    result.insert("ansible_stats".into(), stats);
    result.insert("changed".into(), false.into());
    Reply::ok(result)
}
