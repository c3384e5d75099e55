//! `sysvinit`: services by their init scripts.

use crate::service::{ServiceArgs, script};
use crate::{Ctx, Failure, Module, Outcome};
use provision_args::{Args, Choice};
use serde_json::{Map, Value};

/// Start and stop a service by its script in `/etc/init.d`, and say whether it starts at boot.
#[derive(Args)]
#[args(name = "sysvinit", required_one_of("state", "enabled"))]
pub struct SysvinitArgs {
    /// The script's name.
    #[arg(required, alias = "service")]
    pub name: String,
    /// What the service shall do.
    pub state: Option<State>,
    /// Whether it starts at boot.
    pub enabled: Option<bool>,
    /// Seconds between stopping and starting.
    #[arg(default = "1")]
    pub sleep: u64,
    /// More words for the script.
    #[arg(alias = "args", default = "")]
    pub arguments: String,
    /// What to look for among the processes.
    #[arg(refused = "a script's own word `status` is asked")]
    pub pattern: (),
    /// The runlevels it starts in.
    #[arg(refused = "what the script says of its runlevels holds (update-rc.d)")]
    pub runlevels: (),
    /// Detach from a script that does not end.
    #[arg(default = "no", refused = "a script that does not end cannot be waited for")]
    pub daemonize: bool,
}

/// What the service shall do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Choice)]
pub enum State {
    Started,
    Stopped,
    Restarted,
    Reloaded,
}

/// The module.
pub struct Sysvinit;

impl Module for Sysvinit {
    type Args = SysvinitArgs;

    fn run(args: SysvinitArgs, ctx: &Ctx<'_>) -> Result<Outcome, Failure> {
        let mut given = Map::new();
        given.insert("name".to_owned(), args.name.into());
        given.insert("arguments".to_owned(), args.arguments.into());
        given.insert("sleep".to_owned(), args.sleep.into());
        if let Some(state) = args.state {
            given.insert("state".to_owned(), Value::from(state.as_str()));
        }
        if let Some(enabled) = args.enabled {
            given.insert("enabled".to_owned(), enabled.into());
        }
        let given = ServiceArgs::from_json(&given).map_err(|problems| {
            Failure::new(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
        })?;
        script(&given, ctx)
    }
}
