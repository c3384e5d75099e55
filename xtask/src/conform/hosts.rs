//! Where cases run: a host that is fresh for each tool, or a directory of this machine.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use provision_testkit::fleet::{Fleet, Layer, Options, Tree};

use super::case::{Case, Stage};
use crate::{fleet, say};

const NAME: &str = "conform";

/// What the disks of two hosts are compared without, each with its reason. These are paths from the root.
pub const EXCLUDED: &[(&str, &str)] = &[
    ("/var/log", "journals and logs hold times and process numbers"),
    ("/var/lib/systemd", "random seeds and the times of timers"),
    ("/var/cache/apt", "downloaded packages and caches of apt's"),
    ("/var/lib/apt/lists", "which mirror's lists were fetched, and when"),
    ("/var/cache/debconf", "databases with times in them"),
    ("/var/cache/ldconfig", "times inside"),
    ("/var/lib/dpkg", "the order of entries; what is installed is compared by its files"),
    ("/root/.ansible", "Ansible's directory for temporary files"),
    ("/home/deploy/.ansible", "Ansible's directory for temporary files"),
    ("/root/.cache", "the cached agent"),
    ("/home/deploy/.cache", "the cached agent"),
    ("/etc/passwd-", "the file before the last of the steps that useradd and its kin were called for"),
    ("/etc/shadow-", "as /etc/passwd-"),
    ("/etc/group-", "as /etc/passwd-"),
    ("/etc/gshadow-", "as /etc/passwd-"),
    ("/etc/machine-id", "made anew at each boot"),
    ("/etc/ld.so.cache", "times inside"),
];

/// Files larger than this are compared and not kept, in bytes.
const KEPT: u64 = 64 * 1024;

/// Boots hosts when the first case wants one.
#[derive(Debug)]
pub struct Ground {
    top: PathBuf,
    fleet: Option<Fleet>,
    keep: bool,
}

impl Ground {
    pub fn new(top: &Path, keep: bool) -> Ground {
        Ground { top: top.to_owned(), fleet: None, keep }
    }

    /// Makes the place new and returns the inventories.
    pub fn fresh(&mut self, case: &Case) -> Result<Vec<PathBuf>> {
        match case.stage {
            Stage::Local => {
                let dir = local(case);
                if dir.exists() {
                    fs::remove_dir_all(&dir)?;
                }
                fs::create_dir_all(dir.parent().unwrap_or(&dir))?;
                Ok(case.inventory().into_iter().collect())
            }
            Stage::Host => Ok([Some(self.fresh_host()?), case.inventory()].into_iter().flatten().collect()),
        }
    }

    fn fresh_host(&mut self) -> Result<PathBuf> {
        match &self.fleet {
            Some(fleet) => fleet.reset(&["h1".to_owned()])?,
            None => {
                let options = Options { python: true, layer: Some(Layer::NGINX), ..Options::default() };
                fleet::build(&options)?;
                let fleet = Fleet::open(NAME)?;
                fleet.down(&[])?;
                say::note(format_args!("booting a host {options}"));
                fleet.up(1, &options)?;
                self.fleet = Some(fleet);
            }
        }
        let fleet = self.fleet.as_ref().context("it was booted")?;
        let path = self.top.join("inventory.yaml");
        fs::write(&path, fleet.inventory("yaml", "conform", "root")?)?;
        Ok(path)
    }

    /// What is there now. Small files are copied to `copies`, so that one can look what differs.
    pub fn tree(&self, case: &Case, copies: &Path) -> Result<Tree> {
        let (tree, root) = match (&case.stage, &self.fleet) {
            (Stage::Host, Some(fleet)) => {
                let machine = fleet.machine("h1")?;
                let without: Vec<&str> = EXCLUDED.iter().map(|(path, _)| *path).collect();
                (without_parts(machine.timeless_tree(&without)?), machine.upper())
            }
            _ => {
                let dir = local(case);
                let tree = if dir.is_dir() { Tree::of(&dir)? } else { Tree::default() };
                (tree, dir)
            }
        };
        for path in tree.0.keys() {
            let Ok(meta) = root.join(path).symlink_metadata() else { continue };
            if meta.is_file() && meta.len() <= KEPT {
                let copy = copies.join(path);
                fs::create_dir_all(copy.parent().unwrap_or(copies))?;
                // A host that runs deletes files while we look.
                fs::copy(root.join(path), copy).ok();
            }
        }
        Ok(tree)
    }

    pub fn take_down(&self) -> Result<()> {
        match &self.fleet {
            Some(fleet) if !self.keep => fleet.down(&[]).map(drop),
            _ => Ok(()),
        }
    }
}

/// Where local cases write.
fn local(case: &Case) -> PathBuf {
    let name = case.dir.file_name().unwrap_or_default();
    Path::new("/tmp/provision-language").join(name)
}

/// Parts of paths, with the reason, that `EXCLUDED` cannot name.
pub const PARTS: &[(&str, &str)] = &[
    ("__pycache__", "what Python compiles beside the modules that Ansible loads"),
    ("systemd-private-", "services' own directories below /var/tmp, of random names"),
];

fn without_parts(tree: Tree) -> Tree {
    let excluded = |path: &Path| {
        path.iter().any(|part| PARTS.iter().any(|(start, _)| part.to_string_lossy().starts_with(start)))
    };
    Tree(tree.0.into_iter().filter(|(path, _)| !excluded(path)).collect())
}
