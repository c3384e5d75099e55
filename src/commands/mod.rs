//! One file per subcommand.

mod adhoc;
mod check;
mod config;
mod docs;
pub mod galaxy;
mod inventory;
mod list;
mod play;
mod shell;
mod vault;

use crate::cli::{Cli, Command};
use crate::exit::Exit;
use std::io::Write;

/// Runs what the command line asks for.
pub fn dispatch(cli: Cli) -> Exit {
    match cli.command {
        Some(Command::Adhoc(args)) => adhoc::run(&args),
        Some(Command::Inventory(args)) => inventory::run(&args),
        Some(Command::Docs(args)) => docs::run(&args),
        Some(Command::Galaxy(args)) => galaxy::run(args),
        Some(Command::Check(args)) => check::run(&args),
        Some(Command::Completions(args)) => shell::completions(&args),
        Some(Command::Man(args)) => shell::man(&args),
        Some(Command::Config(args)) => config::run(&args),
        Some(Command::Vault(args)) => vault::run(&args),
        None => play::run(&cli.play),
    }
}

/// Data for standard output. A closed pipe ends it quietly.
pub fn print(text: &str) {
    let mut out = std::io::stdout();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Words for the person, on standard error.
pub fn tell(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
