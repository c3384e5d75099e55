//! `slurp`: a file of the target, fetched as a result.

use crate::support::files::{path_of, show};
use crate::{Ctx, Failure, Module, Outcome};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use provision_args::{Args, PathArg};

/// Read a file of the target. The result `content` is its content in base64: use the filter `b64decode`.
#[derive(Args)]
#[args(name = "slurp")]
pub struct SlurpArgs {
    /// The file.
    #[arg(required, alias = "path")]
    pub src: PathArg,
}

/// The module.
pub struct Slurp;

impl Module for Slurp {
    type Args = SlurpArgs;

    fn run(args: SlurpArgs, ctx: &Ctx<'_>) -> Result<Outcome, Failure> {
        let path = path_of(ctx, &args.src)?;
        let outcome = Outcome::new().with("encoding", "base64").with("source", show(&path));
        match ctx.sys.stat(&path, true)? {
            None if ctx.sys.uncertain() => Ok(crate::support::files::depends(
                outcome.with("_unknown", true),
                "the file does not exist yet",
            )),
            None => Err(Failure::new(format!("File not found: {}", show(&path)))),
            Some(meta) if meta.is_dir() => {
                Err(Failure::new(format!("Source is a directory and must be a file: {}", show(&path))))
            }
            Some(_) => Ok(outcome.with("content", STANDARD.encode(ctx.sys.read(&path)?))),
        }
    }
}
