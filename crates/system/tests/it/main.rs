//! One binary: the implementations of `System`, each by itself and against each other.

#[cfg(test)]
mod journal;
#[cfg(test)]
mod local;
#[cfg(test)]
mod local_commands;
#[cfg(test)]
mod memory;
#[cfg(test)]
mod overlay;
#[cfg(test)]
mod parity;

use provision_system::{NewFile, SysResult, System};
use std::path::Path;

/// Writes with nothing asked for.
fn put(system: &dyn System, path: impl AsRef<Path>, content: &[u8]) -> SysResult<()> {
    system.write(path.as_ref(), &mut &content[..], &NewFile::default())
}

/// Runs one of this binary's ignored tests in a shell's surroundings: `script` ends in `exec "$@"`.
fn inner(test: &str, script: &str, env: &[(&str, &Path)]) {
    let mut process = std::process::Command::new("unshare");
    // A mount of its own; a user name space too, which lets everybody mount.
    process.args(["--map-root-user", "--mount", "sh", "-euc", script, "sh"]);
    process.arg(std::env::current_exe().expect("this binary"));
    process.args(["--exact", "--ignored", "--nocapture", test]).envs(env.iter().copied());
    let output = process.output().expect("unshare (of util-linux) is needed");
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}
