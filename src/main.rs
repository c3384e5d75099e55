//! The `provision` command: parses, calls, maps the exit code.

mod cli;
mod commands;
mod config;
mod exit;
mod extra_vars;
mod fact_cache;
mod galaxy;
mod log_file;
mod name;
mod prompt;
mod reporting;
mod retry_file;
mod run;
mod settings;
mod setup;
mod vault;

use std::process::ExitCode;

fn main() -> ExitCode {
    let exit = match cli::parse() {
        Ok(cli) => commands::dispatch(cli),
        Err(exit) => exit,
    };
    ExitCode::from(name::Name::called().code(exit))
}
