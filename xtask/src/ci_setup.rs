//! `cargo xtask ci-setup`: cargo's own helpers, where they are missing.

use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::say;

pub fn run() -> Result<ExitCode> {
    for component in ["rustfmt", "clippy"] {
        let subcommand = if component == "rustfmt" { "fmt" } else { component };
        if !has(subcommand) {
            must(Command::new("rustup").args(["component", "add", component]))?;
        }
    }
    for tool in ["nextest", "deny"] {
        if !has(tool) {
            let mut install = cargo();
            install.args(["install", "--locked", &format!("cargo-{tool}")]);
            // Built once and run for seconds: cargo-deny's own release profile takes longer to build than all of this.
            install.env("CARGO_PROFILE_RELEASE_LTO", "off").env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1");
            install.env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "64");
            must(&mut install)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn has(subcommand: &str) -> bool {
    let mut command = cargo();
    command.args([subcommand, "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|s| s.success())
}

fn must(command: &mut Command) -> Result<()> {
    say::note(format_args!("{command:?}"));
    let status = command.status().with_context(|| format!("cannot run {command:?}"))?;
    if !status.success() {
        bail!("{command:?} failed: {status}");
    }
    Ok(())
}

fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}
