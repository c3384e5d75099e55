//! `cargo xtask tools`: the outside judges and the things to compare with.

use std::process::ExitCode;

use anyhow::Result;
use clap::ValueEnum;
use provision_testkit::{bins, fleet, tools};

use crate::say;

#[derive(clap::Args)]
pub struct Args {
    #[arg(value_enum, default_value = "tests")]
    which: Which,
}

#[derive(Clone, Copy, ValueEnum)]
enum Which {
    /// curl, openssl, nmap, pebble; sslyze, websockets, gixy; the echo backend
    Tests,
    /// ansible-core and pyinfra
    Bench,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let bin = match args.which {
        Which::Tests => {
            fleet::require()?;
            bins::echo_backend()?;
            tools::judges()?
        }
        Which::Bench => tools::oracles()?,
    };
    say::result(bin.display());
    Ok(ExitCode::SUCCESS)
}
