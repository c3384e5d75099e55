//! Clearing away what nobody needs any more.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use anyhow::Result;

use super::machine::Machine;
use super::net::Net;
use super::paths::{self, Dirs};
use super::{Distro, Layer, Options, POOL, base, mount};

/// Deletes the hosts of tests that were killed, and roots and layers of recipes that are no longer ours and that no
/// host stands on. Returns what was deleted.
///
/// # Errors
/// If something cannot be deleted.
pub fn prune() -> Result<Vec<PathBuf>> {
    let dirs = Dirs::new()?;
    let mut gone = Vec::new();
    let pool = dirs.fleets().join(POOL);
    if let Some(net) = Net::existing(&pool) {
        for number in 1..=super::MOST {
            let dir = pool.join(format!("h{number}"));
            if dir.exists() && paths::open_lock(&dir.with_extension("lock"))?.try_lock().is_ok() {
                Machine::new(&dirs, net, &pool, number)?.delete()?;
                gone.push(dir);
            }
        }
    }
    let _lock = dirs.lock("build")?;
    let ours = current(&dirs)?;
    let mounts = fs::read_to_string("/proc/self/mountinfo")?;
    for place in [dirs.layers(), dirs.bases()] {
        let Ok(entries) = fs::read_dir(place) else { continue };
        for path in entries.flatten().map(|e| e.path()) {
            if !ours.contains(&path) && !mounts.contains(&*path.to_string_lossy()) {
                mount::remove_tree(&path)?;
                gone.push(path);
            }
        }
    }
    Ok(gone)
}

fn current(dirs: &Dirs) -> Result<BTreeSet<PathBuf>> {
    let mut all = BTreeSet::new();
    for distro in Distro::ALL {
        for python in [false, true] {
            for layer in [None].into_iter().chain(Layer::ALL.map(Some)) {
                all.extend(base::paths(dirs, &Options { distro, python, layer })?);
            }
        }
    }
    Ok(all)
}
