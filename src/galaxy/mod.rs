//! Roles and collections from git repositories and archives: what `ansible-galaxy install` does without a Galaxy server
//! (<https://docs.ansible.com/ansible/latest/galaxy/user_guide.html>).

pub mod collection;
mod fetch;
mod requirements;
pub mod role;

pub use requirements::{Requirements, from_argument, read};

use std::path::Path;

/// A failure in words for the person: what was being done, and why it could not be.
pub type Result<T> = std::result::Result<T, String>;

/// Why names alone do not suffice.
const NO_SERVER: &str = "there is no Galaxy server to ask; name a git repository or an archive in `src`";

/// Adds what was being done to a failure of the system.
fn because<T, E: std::fmt::Display>(
    result: std::result::Result<T, E>,
    doing: impl FnOnce() -> String,
) -> Result<T> {
    result.map_err(|error| format!("{}: {error}", doing()))
}

/// A directory beside `dest`, on the same file system, in which something new is made before it takes its place.
fn workshop(dest: &Path) -> Result<tempfile::TempDir> {
    let parent = dest.parent().unwrap_or(Path::new("."));
    because(std::fs::create_dir_all(parent), || format!("cannot create {}", parent.display()))?;
    because(tempfile::Builder::new().prefix(".provision-").tempdir_in(parent), || {
        format!("cannot write in {}", parent.display())
    })
}

/// Puts the finished `new` in the place of `dest`; what was there goes away only when the new one stands.
fn place(new: &Path, dest: &Path, workshop: &Path) -> Result<()> {
    let old = workshop.join("replaced");
    let replaces = dest.symlink_metadata().is_ok();
    if replaces {
        because(std::fs::rename(dest, &old), || format!("cannot move {} aside", dest.display()))?;
    }
    let moved = std::fs::rename(new, dest);
    if moved.is_err() && replaces {
        // The old one goes back; if even that fails, it is kept where it is and named.
        if let Err(error) = std::fs::rename(&old, dest) {
            return Err(format!("cannot move {} back to {}: {error}", old.display(), dest.display()));
        }
    }
    because(moved, || format!("cannot create {}", dest.display()))
}
