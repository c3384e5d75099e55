//! `async_status`: what became of a task that runs in the background.

use crate::{Ctx, Failure, Module, Outcome};
use provision_args::{Args, Choice};
use serde_json::{Map, Value};
use std::path::PathBuf;

/// Ask for the result of a job that was started with `async` and `poll: 0`. It is `finished` when the job has ended;
/// then the result holds what the job's module returned.
#[derive(Args)]
#[args(name = "async_status")]
pub struct AsyncStatusArgs {
    /// The job, as `ansible_job_id` of the result that started it.
    #[arg(required)]
    pub jid: String,
    /// Ask for the result, or delete the file it is in.
    #[arg(default = "status")]
    pub mode: Mode,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Choice)]
pub enum Mode {
    Status,
    Cleanup,
}

/// The module.
pub struct AsyncStatus;

impl Module for AsyncStatus {
    type Args = AsyncStatusArgs;

    fn run(args: AsyncStatusArgs, ctx: &Ctx<'_>) -> Result<Outcome, Failure> {
        let path = dir(ctx).join(&args.jid);
        let shown = path.to_string_lossy().into_owned();
        let known = !args.jid.is_empty() && !args.jid.contains('/') && ctx.sys.stat(&path, false)?.is_some();
        let told = |started: bool, finished: bool| {
            Outcome::new()
                .with("ansible_job_id", args.jid.as_str())
                .with("results_file", shown.as_str())
                .with("started", started)
                .with("finished", finished)
        };
        if !known {
            return Err(Failure { result: told(true, true).result, ..Failure::new("could not find job") });
        }
        if args.mode == Mode::Cleanup {
            ctx.sys.remove_file(&path)?;
            let mut told = told(true, true).with("erased", shown.as_str());
            told.result.remove("results_file");
            return Ok(told);
        }
        let job: Map<String, Value> = serde_json::from_slice(&ctx.sys.read(&path)?)
            .map_err(|error| Failure::new(format!("Could not parse job output: {error}")))?;
        let truth =
            |name: &str| job.get(name).is_some_and(|v| v.as_bool() == Some(true) || v.as_u64() == Some(1));
        Ok(told(truth("started"), truth("finished")).with("job", job))
    }
}

/// Where jobs leave their results: `~/.ansible_async`, or what `ANSIBLE_ASYNC_DIR` says.
pub fn dir(ctx: &Ctx<'_>) -> PathBuf {
    let home = ctx.sys.identity().home;
    let environment = ctx.sys.environment();
    match environment.iter().find(|(name, _)| *name == "ANSIBLE_ASYNC_DIR") {
        Some((_, dir)) => match dir.to_str().and_then(|dir| dir.strip_prefix("~/")) {
            Some(rest) => home.join(rest),
            None => dir.into(),
        },
        None => home.join(".ansible_async"),
    }
}
