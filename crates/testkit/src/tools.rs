//! Programs from Debian that the fleet and the tests call: installed when we may, named when we may not.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use sha2::{Digest as _, Sha256};

use crate::fleet::Dirs;
use crate::run;

/// A program (or any file) and the Debian package that has it.
#[derive(Debug, Clone, Copy)]
pub struct Tool {
    /// A bare program name is looked for in PATH, anything with a slash is taken as it stands.
    pub file: &'static str,
    pub package: &'static str,
}

/// What it takes to make and boot hosts.
pub const FLEET: &[Tool] = &[
    Tool { file: "systemd-nspawn", package: "systemd-container" },
    Tool { file: "mmdebstrap", package: "mmdebstrap" },
    Tool { file: "ip", package: "iproute2" },
    Tool { file: "nsenter", package: "util-linux" },
    Tool { file: "script", package: "bsdutils" },
    Tool { file: "ssh-keygen", package: "openssh-client" },
    Tool { file: "curl", package: "curl" },
    Tool { file: "/usr/share/keyrings/debian-archive-keyring.gpg", package: "debian-archive-keyring" },
];

/// Programs that the end-to-end tests judge a host with from outside.
pub const JUDGES: &[Tool] = &[
    Tool { file: "curl", package: "curl" },
    Tool { file: "openssl", package: "openssl" },
    Tool { file: "nmap", package: "nmap" },
    Tool { file: "pebble", package: "pebble" },
    Tool { file: "pebble-challtestsrv", package: "pebble" },
];

/// Judges written in Python, pinned, because their verdicts are part of the tests.
const PYTHON_JUDGES: &[&str] = &["sslyze==6.3.1", "websockets==15.0.1", "gixy-ng==0.2.59"];
/// What the benches compare with.
const PYTHON_ORACLES: &[&str] = &["ansible-core==2.19.*", "pyinfra==3.*"];

/// Installs the judges. Returns the `bin` directory of those written in Python: `sslyze`, `gixy`, `python` with `websockets`.
///
/// # Errors
/// If something is missing and cannot be installed.
pub fn judges() -> Result<PathBuf> {
    let dirs = Dirs::new()?;
    {
        let _lock = dirs.lock("tools")?;
        ensure(JUDGES)?;
    }
    venv(&dirs, "judges", PYTHON_JUDGES)
}

/// Installs what the benches compare with: `ansible-playbook` and `pyinfra` in the returned directory.
///
/// # Errors
/// If they cannot be installed.
pub fn oracles() -> Result<PathBuf> {
    venv(&Dirs::new()?, "oracles", PYTHON_ORACLES)
}

/// Makes sure all of `tools` are there, installing what is missing when running as root on a Debian-like machine.
///
/// # Errors
/// If something is missing and cannot be installed; the message says what to install.
pub fn ensure(tools: &[Tool]) -> Result<()> {
    let missing: Vec<&str> = tools.iter().filter(|t| !present(t)).map(|t| t.package).collect();
    install(&missing)?;
    let still: Vec<&str> = tools.iter().filter(|t| !present(t)).map(|t| t.file).collect();
    if !still.is_empty() {
        bail!("installed {}, but {} is still missing", missing.join(" "), still.join(", "));
    }
    Ok(())
}

fn install(packages: &[&str]) -> Result<()> {
    let mut packages = packages.to_vec();
    packages.dedup();
    if packages.is_empty() {
        return Ok(());
    }
    let wanted = packages.join(" ");
    if !rustix::process::geteuid().is_root() {
        bail!("missing here: {wanted}; as root: apt-get install --no-install-recommends {wanted}");
    }
    let mut install = run::cmd("apt-get", ["install", "-qq", "-y", "--no-install-recommends"]);
    install.args(&packages).env("DEBIAN_FRONTEND", "noninteractive");
    // Lists may be absent (a container image) or old; ask for new ones only when the first try fails.
    if !run::output(&mut install)?.ok() {
        run::check(&mut run::cmd("apt-get", ["update", "-qq"]))?;
        run::check(&mut install).with_context(|| format!("cannot install {wanted}"))?;
    }
    Ok(())
}

/// A Python environment in the cache directory, named by what is in it.
fn venv(dirs: &Dirs, name: &str, requirements: &[&str]) -> Result<PathBuf> {
    let hash = hex::encode(&Sha256::digest(requirements.join("\n"))[..6]);
    let dir = dirs.tools().join(format!("{name}-{hash}"));
    let bin = dir.join("bin");
    let _lock = dirs.lock(name)?;
    let done = dir.join("complete");
    if done.exists() {
        return Ok(bin);
    }
    if !run::output(&mut run::cmd("python3", ["-c", "import ensurepip, venv"]))?.ok() {
        install(&["python3", "python3-venv"])?;
    }
    run::check(run::cmd("python3", ["-m", "venv", "--clear"]).arg(&dir))?;
    let mut pip = run::cmd(&bin.join("pip").to_string_lossy(), ["install", "--quiet"]);
    run::check(pip.args(requirements))
        .with_context(|| format!("cannot install {}", requirements.join(" ")))?;
    fs::write(done, "")?;
    Ok(bin)
}

fn present(tool: &Tool) -> bool {
    if tool.file.contains('/') {
        return Path::new(tool.file).exists();
    }
    run::PATH.split(':').any(|dir| Path::new(dir).join(tool.file).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_not_installed_again() {
        ensure(&[Tool { file: "sh", package: "no-such-package-at-all" }]).unwrap();
        ensure(&[Tool { file: "/etc/os-release", package: "no-such-package-at-all" }]).unwrap();
    }
}
