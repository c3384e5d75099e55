//! Reading and replacing files so that nothing is lost, and standard input and output.

use super::{Done, Failure};
use crate::commands::tell;
use provision_vault::{MAX_ENVELOPE, Zeroizing};
use std::fs::{File, Metadata, Permissions};
use std::io::{IsTerminal, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// A file that is to be replaced: where it is behind links, and whose.
pub struct Place {
    path: PathBuf,
    old: Option<Metadata>,
    mode: u32,
}

impl Place {
    /// A file that is there.
    pub fn of(path: &Path) -> Done<Place> {
        let unreadable = |e| Failure::Error(format!("Unable to read source file ({}): {e}", path.display()));
        let path = std::fs::canonicalize(path).map_err(unreadable)?;
        let old = std::fs::metadata(&path).map_err(unreadable)?;
        if !old.is_file() {
            return Err(Failure::Error(format!("{} is not a file", path.display())));
        }
        let mode = old.permissions().mode() & 0o7777;
        Ok(Place { path, old: Some(old), mode })
    }

    /// A file that may be there. A link leads to what is replaced.
    pub fn new(path: &Path) -> Place {
        let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        Place { old: std::fs::metadata(&path).ok(), path, mode: 0o600 }
    }

    pub fn with_mode(mut self, mode: u32) -> Place {
        self.mode = mode;
        self
    }

    pub fn read(&self) -> Done<Zeroizing<Vec<u8>>> {
        read_input(&self.path, "")
    }

    /// Puts other content into the file's place, in one step: the old content stays until the new one is on the disk. The
    /// owner stays; if it cannot, the file stays as it is.
    pub fn replace(&self, content: &[u8]) -> Done {
        let failed = |e: std::io::Error| Failure::Error(format!("cannot write {}: {e}", self.path.display()));
        let dir = self.path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // Readable for nobody else before it is complete.
        let mut new = tempfile::Builder::new().prefix(".vault-").tempfile_in(dir).map_err(failed)?;
        new.write_all(content).map_err(failed)?;
        if let Some(old) = &self.old {
            let own = new.as_file().metadata().map_err(failed)?;
            if (own.uid(), own.gid()) != (old.uid(), old.gid()) {
                std::os::unix::fs::fchown(new.as_file(), Some(old.uid()), Some(old.gid())).map_err(failed)?;
            }
        }
        new.as_file().set_permissions(Permissions::from_mode(self.mode)).map_err(failed)?;
        new.as_file().sync_all().map_err(failed)?;
        new.persist(&self.path).map_err(|e| failed(e.error))?;
        // The new name is to outlive a power cut; where directories cannot be synced it is written all the same.
        let _ = File::open(dir).and_then(|dir| dir.sync_all());
        Ok(())
    }
}

/// A file, or standard input for `-`. `what` the person is told to type.
pub fn read_input(path: &Path, what: &str) -> Done<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::new());
    let read = if path == Path::new("-") {
        if std::io::stdin().is_terminal() {
            tell(&format!("Reading {what} input from stdin"));
        }
        std::io::stdin().lock().take(MAX_ENVELOPE + 1).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(MAX_ENVELOPE + 1).read_to_end(&mut bytes))
    };
    match read {
        Ok(_) if bytes.len() as u64 > MAX_ENVELOPE => {
            Err(Failure::Error(format!("{} is larger than the limit of 1 GiB", path.display())))
        }
        Ok(_) => Ok(bytes),
        Err(e) => Err(Failure::Error(format!("Unable to read source file ({}): {e}", path.display()))),
    }
}

/// To a file that nobody else may read, or to standard output for `-`.
pub fn write_output(path: &Path, content: &[u8]) -> Done {
    if path != Path::new("-") {
        return Place::new(path).replace(content);
    }
    let mut out = std::io::stdout();
    // A closed pipe is nobody's error.
    let _ = out.write_all(content).and_then(|()| out.flush());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_with_its_mode_behind_its_link() {
        let dir = tempfile::tempdir().expect("a directory");
        let (real, link) = (dir.path().join("real"), dir.path().join("link"));
        std::fs::write(&real, "old").expect("written");
        std::fs::set_permissions(&real, Permissions::from_mode(0o640)).expect("mode");
        std::os::unix::fs::symlink("real", &link).expect("a link");
        Place::of(&link).expect("there").replace(b"new").expect("replaced");
        assert_eq!(std::fs::read(&real).expect("there"), b"new");
        assert_eq!(real.metadata().expect("there").permissions().mode() & 0o7777, 0o640);
        assert!(link.is_symlink());
        assert_eq!(std::fs::read_dir(dir.path()).expect("a directory").count(), 2);
    }

    #[test]
    fn what_cannot_be_written_stays() {
        assert!(matches!(Place::of(Path::new("/nowhere/x")), Err(Failure::Error(_))));
        let dir = tempfile::tempdir().expect("a directory");
        let place = Place::new(&dir.path().join("no/such/file"));
        assert!(place.replace(b"x").is_err());
        assert_eq!(std::fs::read_dir(dir.path()).expect("a directory").count(), 0);
    }
}
