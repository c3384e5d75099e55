//! Real hosts on one machine: systemd-nspawn with its own systemd, sshd, network and firewall, on a bridge.
//!
//! Roots are made with mmdebstrap once and shared; a host is an overlay on them, up in about a second. Needed: root,
//! cgroup v2, a file system that overlays can write to, and packages from Debian that are installed when missing.
//!
//! ```no_run
//! # fn main() -> anyhow::Result<()> {
//! use provision_testkit::fleet::{Distro, Host};
//! let host = Host::boot(Distro::Bookworm)?;
//! assert_eq!(host.sh("hostname")?.trim(), host.name());
//! # Ok(()) }
//! ```

mod apt;
mod base;
pub mod cache;
mod cgroup;
mod host;
mod inventory;
mod machine;
mod mount;
mod named;
mod net;
mod options;
mod paths;
mod prune;
mod tree;

use anyhow::{Context as _, Result, bail};

use crate::tools;

pub use host::{Host, POOL};
pub use machine::Machine;
pub use named::{Fleet, Status};
pub use options::{Distro, Layer, Options};
pub use paths::Dirs;
pub use prune::prune;
pub use tree::Tree;

/// How many hosts a fleet may have.
pub const MOST: u8 = 240;

/// Whether this machine can boot hosts; installs what is missing from Debian when it may. Tests call it (or boot, which
/// does) and fail with what it says: a test that cannot run has not passed.
///
/// # Errors
/// Names what is missing.
pub fn require() -> Result<()> {
    require_with(&Dirs::new()?)
}

/// Builds the roots for these options, if they are not built yet: minutes, once.
///
/// # Errors
/// If the build fails.
pub fn build(options: &Options) -> Result<()> {
    require()?;
    base::ensure(&Dirs::new()?, options).map(drop)
}

/// True if [`build`] has nothing to do.
///
/// # Errors
/// If there is no cache directory.
pub fn is_built(options: &Options) -> Result<bool> {
    Ok(base::paths(&Dirs::new()?, options)?.iter().all(|p| p.exists()))
}

fn require_with(dirs: &Dirs) -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        bail!(
            "test hosts need root (namespaces, overlay mounts, bridges), and this is user {}",
            rustix::process::geteuid()
        );
    }
    let _lock = dirs.lock("tools")?;
    tools::ensure(tools::FLEET).context("test hosts need programs from Debian")?;
    cgroup::Cgroup::of("probe")?.create().context("test hosts need a writable cgroup v2 hierarchy")?;
    cgroup::Cgroup::of("probe")?.remove();
    Ok(())
}
