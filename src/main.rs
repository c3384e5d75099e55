//! The `provision` command: parses, calls, maps the exit code.

mod cli;
mod commands;
mod config;
mod exit;
mod extra_vars;
mod galaxy;
mod prompt;
mod settings;
mod setup;

use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::parse() {
        Ok(cli) => commands::dispatch(cli).into(),
        Err(error) => cli::usage(&error).into(),
    }
}
