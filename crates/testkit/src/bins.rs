//! The testkit's own programs, built when somebody needs them.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::run;

/// A static build of the echo backend, which runs on any Linux host of this architecture.
///
/// # Errors
/// If it does not build.
pub fn echo_backend() -> Result<PathBuf> {
    let target = host_triple()?;
    let mut command = cargo("echo-backend");
    // The environment variable rather than a config file: it must not reach any other build.
    command.args(["--target", &target]).env("RUSTFLAGS", "-C target-feature=+crt-static");
    run::check(&mut command).context("cannot build the echo backend")?;
    Ok(target_dir().join(target).join("debug/echo-backend"))
}

/// A debug build of one of the testkit's programs, for this machine.
pub(crate) fn debug(name: &str) -> Result<PathBuf> {
    run::check(&mut cargo(name)).with_context(|| format!("cannot build {name}"))?;
    Ok(target_dir().join("debug").join(name))
}

/// The checkout this testkit was compiled from.
pub fn workspace() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here)
}

/// A directory of its own: the outer cargo may hold the lock of the usual one while it waits for us.
fn target_dir() -> PathBuf {
    workspace().join("target/testkit")
}

fn cargo(bin: &str) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(workspace());
    command.args(["build", "--quiet", "--package", "provision-testkit", "--no-default-features"]);
    command.args(["--bin", bin, "--target-dir"]);
    command.arg(target_dir()).env_remove("CARGO_BUILD_TARGET").env_remove("RUSTFLAGS");
    // Nobody debugs these; they are copied to hosts.
    command.env("CARGO_PROFILE_DEV_DEBUG", "false").env("CARGO_PROFILE_DEV_STRIP", "symbols");
    command
}

fn host_triple() -> Result<String> {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    let said = run::check(Command::new(rustc).arg("-vV"))?;
    let triple = said.lines().find_map(|l| l.strip_prefix("host: "));
    Ok(triple.context("rustc -vV names no host")?.to_string())
}
