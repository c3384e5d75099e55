//! `script`: a script of the controller, run on the target.

use crate::copy::Blob;
use crate::support::exec::{self, Conditions, Met};
use crate::support::{files, words};
use crate::{Ctx, Failure, Module, Outcome};
use provision_args::{Args, PathArg};
use provision_system::text::{text_to_bytes, to_os};
use provision_system::{Command, Effect, Ran};
use serde_json::Map;
use std::io::Read;

/// Send a script to the target, run it there and remove it. The line is read by a shell, so arguments may use
/// variables of the target.
#[derive(Args)]
#[args(name = "script", free_form = "cmd", required_one_of("cmd"))]
pub struct ScriptArgs {
    /// The script's path on the controller and its arguments.
    pub cmd: Option<String>,
    /// The directory to run it in, on the target.
    pub chdir: Option<PathArg>,
    /// A file on the target, or a shell pattern: when there is one, the script is not run.
    pub creates: Option<PathArg>,
    /// A file on the target, or a shell pattern: when there is none, the script is not run.
    pub removes: Option<PathArg>,
    /// The program that reads the script. Without one, the script's first line decides.
    pub executable: Option<String>,
    /// Decrypt a script that is encrypted with vault (on the controller).
    #[arg(default = "yes")]
    pub decrypt: bool,
    /// The script, held by the controller.
    #[arg(name = "_blob", internal, sub)]
    pub blob: Option<Blob>,
    /// The script itself.
    #[arg(name = "_inline", internal)]
    pub inline: Option<String>,
}

/// The module.
pub struct Script;

impl Module for Script {
    type Args = ScriptArgs;

    fn run(args: ScriptArgs, ctx: &Ctx<'_>) -> Result<Outcome, Failure> {
        let line = args.cmd.unwrap_or_default();
        let Some((_, rest)) = words::next(&line).map_err(|why| Failure::new(format!("{why} in: {line}")))?
        else {
            return Err(Failure::new("no script given"));
        };
        let home = ctx.sys.identity().home;
        let conditions =
            Conditions { creates: args.creates.as_ref(), removes: args.removes.as_ref(), base: &home };
        match conditions.met(ctx)? {
            Some(Met::Exists(path)) => {
                return Ok(skipped(&format!("{path} exists, matching creates option")));
            }
            Some(Met::Missing(path)) => {
                return Ok(skipped(&format!("{path} does not exist, matching removes option")));
            }
            None => {}
        }
        let cwd = exec::directory(ctx, args.chdir.as_ref())?;
        let mut script: Box<dyn Read> = match (&args.inline, &args.blob) {
            (Some(text), _) => Box::new(std::io::Cursor::new(text_to_bytes(text))),
            (None, Some(blob)) if !ctx.sys.dry() => ctx.blobs.open(&blob.sha256)?,
            (None, Some(_)) => Box::new(std::io::empty()),
            (None, None) => return Err(Failure::new("the script has not been sent by the controller")),
        };
        let file = match ctx.sys.make_temp(None, &mut *script, 0o700) {
            Ok(file) => Some(file),
            Err(error) if error.is_not_in_dry_run() => None,
            Err(error) => return Err(error.into()),
        };
        // In a dry run the line is only shown.
        let name = file.as_ref().map_or_else(|| "SCRIPT".to_owned(), |file| files::show(file));
        let name = provision_system::text::shell_word(&to_os(&name));
        let start = args.executable.map(|program| format!("{program} ")).unwrap_or_default();
        let mut command =
            Command::new([to_os("/bin/sh"), to_os("-c"), to_os(&format!("{start}{name}{rest}"))]);
        command.cwd = cwd;
        command.stream = true;
        let ran = ctx.sys.run(&command, Effect::Change);
        if let Some(file) = file {
            ctx.sys.remove_temp(&file)?;
        }
        match ran? {
            Ran::Done(output) => exec::finish(Map::new(), &output, false),
            Ran::NotRun => {
                let outcome = Outcome::new().with("_unknown", true);
                Ok(if conditions.any() {
                    outcome
                } else {
                    outcome.with("skipped", true).msg("Script would have run if not in check mode")
                })
            }
        }
    }
}

fn skipped(why: &str) -> Outcome {
    Outcome::new().with("skipped", true).msg(why)
}
