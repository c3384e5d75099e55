//! `dpkg_selections`: what is to become of a package.

use crate::support::accounts::change;
use crate::{Ctx, Failure, Module, Outcome};
use provision_args::{Args, Choice};
use provision_system::Command;
use provision_system::text::{text_to_bytes, to_os};

/// Keep a package as it is (`hold`), or take that back.
#[derive(Args)]
#[args(name = "dpkg_selections")]
pub struct DpkgSelectionsArgs {
    /// The package.
    #[arg(required)]
    pub name: String,
    /// What is to become of it.
    #[arg(required)]
    pub selection: Selection,
}

/// What is to become of a package (dpkg(1)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Choice)]
pub enum Selection {
    Install,
    Hold,
    Deinstall,
    Purge,
}

/// The module.
pub struct DpkgSelections;

impl Module for DpkgSelections {
    type Args = DpkgSelectionsArgs;

    fn run(args: DpkgSelectionsArgs, ctx: &Ctx<'_>) -> Result<Outcome, Failure> {
        let output = ctx.sys.query(&Command::new(["dpkg", "--get-selections"]).arg(to_os(&args.name)))?;
        let before = output.out().split_whitespace().nth(1).unwrap_or("not present").to_owned();
        let after = args.selection.as_str();
        if before == "not present" {
            if ctx.sys.uncertain() {
                ctx.sys.note(&format!("selection of {}", args.name), "unknown", after)?;
                return Ok(crate::support::files::depends(Outcome::new(), "the package may come then"));
            }
            return Err(Failure::new(format!(
                "Failed to find package '{}' to perform selection '{after}'.",
                args.name
            )));
        }
        if before != after {
            let line = text_to_bytes(&format!("{} {after}\n", args.name));
            change(ctx, &Command::new(["dpkg", "--set-selections"]).stdin(line), "dpkg failed: ")?;
        }
        Ok(Outcome::new().with("before", before).with("after", after))
    }
}
