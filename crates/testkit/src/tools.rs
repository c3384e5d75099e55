//! Programs from Debian that the fleet and the tests call: installed when we may, named when we may not.

use std::path::Path;

use anyhow::{Context as _, Result, bail};

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

/// The outside judges of the end-to-end tests.
pub const JUDGES: &[Tool] = &[
    Tool { file: "curl", package: "curl" },
    Tool { file: "openssl", package: "openssl" },
    Tool { file: "nmap", package: "nmap" },
    Tool { file: "pebble", package: "pebble" },
    Tool { file: "/usr/lib/python3/dist-packages/pip", package: "python3-pip" },
    Tool { file: "/usr/lib/python3.11/ensurepip", package: "python3-venv" },
];

/// Makes sure all of `tools` are there, installing what is missing when running as root on a Debian-like machine.
///
/// # Errors
/// If something is missing and cannot be installed; the message says what to install.
pub fn ensure(tools: &[Tool]) -> Result<()> {
    let mut packages: Vec<&str> = tools.iter().filter(|t| !present(t)).map(|t| t.package).collect();
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
    // Lists may be absent (a container image) or old; ask for them only when the first try fails.
    if !run::output(&mut install)?.ok() {
        run::check(&mut run::cmd("apt-get", ["update", "-qq"]))?;
        run::check(&mut install).with_context(|| format!("cannot install {wanted}"))?;
    }
    let still: Vec<&str> = tools.iter().filter(|t| !present(t)).map(|t| t.file).collect();
    if !still.is_empty() {
        bail!("installed {wanted}, but {} is still missing", still.join(", "));
    }
    Ok(())
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
