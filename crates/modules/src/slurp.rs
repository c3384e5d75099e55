//! `slurp`: a file of the target, fetched as a result.

use crate::support::files::{path_of, show};
use crate::{Ctx, Failure, Module, Outcome};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use provision_args::{Args, PathArg};
use std::io::Read;
use std::path::Path;

/// Read a file of the target. The result `content` is its content in base64: use the filter `b64decode`.
#[derive(Args)]
#[args(name = "slurp")]
pub struct SlurpArgs {
    /// The file.
    #[arg(required, alias = "path")]
    pub src: PathArg,
    /// Where to begin, for `fetch`.
    #[arg(name = "_offset", internal)]
    pub offset: Option<u64>,
    /// How many bytes at most.
    #[arg(name = "_length", internal)]
    pub length: Option<u64>,
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
            Some(_) => {
                let data = match args.length {
                    Some(length) => piece(ctx, &path, args.offset.unwrap_or(0), length)?,
                    None => ctx.sys.read(&path)?,
                };
                Ok(outcome.with("content", STANDARD.encode(data)))
            }
        }
    }
}

/// A part of a file that is fetched piece by piece.
fn piece(ctx: &Ctx<'_>, path: &Path, offset: u64, length: u64) -> Result<Vec<u8>, Failure> {
    let mut file = ctx.sys.open(path)?;
    let failed = |why: std::io::Error| Failure::new(format!("cannot read {}: {why}", show(path)));
    std::io::copy(&mut (&mut file).take(offset), &mut std::io::sink()).map_err(failed)?;
    let mut data = Vec::new();
    file.take(length).read_to_end(&mut data).map_err(failed)?;
    Ok(data)
}
