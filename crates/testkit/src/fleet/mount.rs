//! Overlay mounts and the removal of trees.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::run;

/// Mounts an overlay of `upper` on the `lower` directories, topmost first.
///
/// # Errors
/// If the kernel refuses: the file system of `upper` must be able to hold one (ext4, xfs, btrfs and tmpfs can).
pub fn overlay(name: &str, lower: &[PathBuf], upper: &Path, work: &Path, root: &Path) -> Result<()> {
    let lower: Vec<String> = lower.iter().map(|p| p.display().to_string()).collect();
    // volatile: no fsync; these hosts are thrown away.
    let options = format!(
        "lowerdir={},upperdir={},workdir={},volatile",
        lower.join(":"),
        upper.display(),
        work.display()
    );
    run::check(run::cmd("mount", ["-t", "overlay", name, "-o", &options]).arg(root))
        .with_context(|| format!("cannot mount an overlay in {}", upper.display()))
        .map(drop)
}

/// Unmounts, lazily if something still looks at it. Nothing mounted there is fine.
pub fn unmount(root: &Path) -> Result<()> {
    if !is_mounted(root) || run::output(&mut run::cmd("umount", [root]))?.ok() {
        return Ok(());
    }
    run::check(run::cmd("umount", ["-l"]).arg(root)).map(drop)
}

pub fn is_mounted(root: &Path) -> bool {
    let text = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let path = root.to_string_lossy();
    text.lines().any(|l| l.split(' ').nth(4) == Some(&path))
}

/// Removes a tree without leaving its file system: whatever is still mounted inside stays.
pub fn remove_tree(path: &Path) -> Result<()> {
    if path.symlink_metadata().is_ok() {
        run::check(run::cmd("rm", ["-rf", "--one-file-system", "--"]).arg(path))?;
    }
    Ok(())
}
