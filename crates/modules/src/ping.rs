//! `ping`: is the machine there and does the agent run?

use crate::{Ctx, Failure, Module, Outcome};
use provision_args::Args;

/// Check that a machine can be reached and that modules run on it. Nothing is sent over the network by it.
#[derive(Args)]
#[args(name = "ping")]
pub struct PingArgs {
    /// What to answer. `crash` makes the module fail.
    #[arg(default = "pong")]
    pub data: String,
}

/// The module.
pub struct Ping;

impl Module for Ping {
    type Args = PingArgs;

    fn run(args: PingArgs, _: &Ctx<'_>) -> Result<Outcome, Failure> {
        if args.data == "crash" {
            return Err(Failure::new("boom"));
        }
        Ok(Outcome::new().with("ping", args.data))
    }
}
