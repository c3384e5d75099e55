//! `fail`.

use crate::host_task::Reply;
use provision_args::Args;
use serde_json::{Map, Value};

/// Fails with a message.
#[derive(Debug, Args)]
#[args(name = "fail")]
pub struct FailArgs {
    /// What to say.
    #[arg(default = "Failed as requested from task")]
    pub msg: String,
}

pub fn run(args: &Map<String, Value>) -> Reply {
    match super::parse::<FailArgs>(args) {
        Ok(args) => Reply::fail(args.msg),
        Err(reply) => *reply,
    }
}
