//! `cargo xtask`: the chores of this repository. One file per subcommand.

mod fleet;
mod say;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The chores of this repository")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Boot and remove throw-away Debian and Ubuntu hosts
    Fleet(fleet::Args),
}

fn main() -> ExitCode {
    let done = match Cli::parse().task {
        Task::Fleet(args) => fleet::run(args),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            say::note(format_args!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
