//! `cargo xtask`: the chores of this repository. One file per subcommand.

mod bench;
mod ci_setup;
mod conform;
mod demo;
mod fleet;
mod say;
mod tools;

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
    /// Install what the end-to-end tests and the benches call
    Tools(tools::Args),
    /// Install the cargo tools that `make test` calls
    CiSetup,
    /// Compare with Ansible, pyinfra and a shell script on converged hosts, into docs/BENCHMARKS.md
    Bench(bench::Args),
    /// Compare with ansible-core, playbook by playbook, into docs/CONFORMANCE.md
    Conform(conform::Args),
    /// Make a TLS reverse proxy out of a fresh host, and show that it is one
    Demo,
}

fn main() -> ExitCode {
    let done = match Cli::parse().task {
        Task::Fleet(args) => fleet::run(args),
        Task::Tools(args) => tools::run(&args),
        Task::CiSetup => ci_setup::run(),
        Task::Bench(args) => bench::run(&args),
        Task::Conform(args) => conform::run(&args),
        Task::Demo => demo::run(),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            say::note(format_args!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
