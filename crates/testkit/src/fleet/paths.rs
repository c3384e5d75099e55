//! Where things are kept: outside any checkout, so that several checkouts share roots and downloads.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// The cache directory: `$PROVISION_FLEET_DIR`, else `provision-fleet` in the user's cache directory.
#[derive(Debug, Clone)]
pub struct Dirs {
    top: PathBuf,
}

impl Dirs {
    /// Finds the cache directory and makes sure it exists.
    ///
    /// # Errors
    /// If neither `PROVISION_FLEET_DIR`, `XDG_CACHE_HOME` nor `HOME` is set, or the directory cannot be made.
    pub fn new() -> Result<Dirs> {
        let set = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        let top = set("PROVISION_FLEET_DIR")
            .or_else(|| set("XDG_CACHE_HOME").map(|d| d.join("provision-fleet")))
            .or_else(|| set("HOME").map(|d| d.join(".cache/provision-fleet")))
            .context("no place for the test hosts: set PROVISION_FLEET_DIR or HOME")?;
        Dirs::at(&top)
    }

    pub fn at(top: &Path) -> Result<Dirs> {
        fs::create_dir_all(top).with_context(|| format!("cannot make {}", top.display()))?;
        // Absolute, because it goes into inventories and mount options.
        Ok(Dirs { top: fs::canonicalize(top)? })
    }

    pub fn top(&self) -> &Path {
        &self.top
    }
    pub fn key(&self) -> PathBuf {
        self.top.join("id")
    }
    pub fn bases(&self) -> PathBuf {
        self.top.join("base")
    }
    pub fn layers(&self) -> PathBuf {
        self.top.join("layer")
    }
    pub fn host_keys(&self) -> PathBuf {
        self.top.join("hostkeys")
    }
    pub fn apt_cache(&self) -> PathBuf {
        self.top.join("aptcache")
    }
    pub fn fleets(&self) -> PathBuf {
        self.top.join("fleets")
    }
    pub fn tools(&self) -> PathBuf {
        self.top.join("tools")
    }

    /// Waits for and takes a lock that every process using this cache directory respects; held until dropped.
    pub fn lock(&self, name: &str) -> Result<File> {
        let path = self.top.join(format!("{name}.lock"));
        let file = open_lock(&path)?;
        file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
        Ok(file)
    }
}

/// Opens (and makes) a file to be locked.
pub fn open_lock(path: &Path) -> Result<File> {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir)?;
    }
    File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .with_context(|| format!("cannot open {}", path.display()))
}
