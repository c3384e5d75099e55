//! What a host has written: its disk compared with the roots it was booted from.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};

/// Every path that differs from the root the host was booted from, and how it looks now. Two equal trees mean two equal
/// disks: contents, modes, owners, modification times, links and deletions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tree(pub BTreeMap<PathBuf, String>);

impl Tree {
    /// Reads the overlay's upper directory against its lower ones. `without` are paths from the root, such as `var/log`.
    pub(crate) fn read(upper: &Path, lower: &[PathBuf], without: &[&str]) -> Result<Tree> {
        let mut tree = Tree::default();
        let without: Vec<&Path> = without.iter().map(|p| Path::new(p.trim_start_matches('/'))).collect();
        tree.walk(upper, lower, Path::new(""), &without)?;
        Ok(tree)
    }

    /// Every path in a directory and how it looks, but for when it was written: two tools that make the same do so at
    /// different times.
    ///
    /// # Errors
    /// If the directory cannot be read.
    pub fn of(dir: &Path) -> Result<Tree> {
        Ok(Tree::read(dir, &[], &[])?.without_times())
    }

    /// What has been written but for when, so without files that look as before but for their time.
    pub(crate) fn timeless(upper: &Path, lower: &[PathBuf], without: &[&str]) -> Result<Tree> {
        let now = Tree::read(upper, lower, without)?;
        let mut tree = Tree::default();
        for (path, look_now) in now.without_times().0 {
            let before = lower.iter().find_map(|l| look(&l.join(&path)).transpose()).transpose()?;
            if before.map(|before| without_time(&before)).as_ref() != Some(&look_now) {
                tree.0.insert(path, look_now);
            }
        }
        Ok(tree)
    }

    fn without_times(&self) -> Tree {
        Tree(self.0.iter().map(|(path, look)| (path.clone(), without_time(look))).collect())
    }

    /// One hash over all of it.
    pub fn hash(&self) -> String {
        let mut sum = Sha256::new();
        for (path, look) in &self.0 {
            sum.update(path.as_os_str().as_bytes());
            sum.update([0]);
            sum.update(look);
            sum.update([0]);
        }
        hex::encode(sum.finalize())
    }

    /// The paths that are not the same in `later`, for a test's message.
    pub fn changes(&self, later: &Tree) -> Vec<PathBuf> {
        let gone =
            self.0.iter().filter(|(path, look)| later.0.get(*path) != Some(look)).map(|(path, _)| path);
        let new = later.0.keys().filter(|path| !self.0.contains_key(*path));
        gone.chain(new).cloned().collect()
    }

    fn walk(&mut self, upper: &Path, lower: &[PathBuf], inside: &Path, without: &[&Path]) -> Result<()> {
        let dir = upper.join(inside);
        let entries = fs::read_dir(&dir).with_context(|| format!("cannot read {}", dir.display()))?;
        for entry in entries {
            let path = inside.join(entry?.file_name());
            if without.contains(&path.as_path()) {
                continue;
            }
            // A host that runs deletes files while we look.
            let Some(now) = look(&upper.join(&path))? else { continue };
            let before = lower.iter().find_map(|l| look(&l.join(&path)).transpose()).transpose()?;
            if before.as_ref() != Some(&now) {
                self.0.insert(path.clone(), now);
            }
            if upper.join(&path).symlink_metadata().is_ok_and(|m| m.is_dir()) {
                self.walk(upper, lower, &path, without)?;
            }
        }
        Ok(())
    }
}

/// The third of a look's words.
fn without_time(look: &str) -> String {
    let mut words: Vec<&str> = look.splitn(4, ' ').collect();
    if words.len() > 2 {
        words.remove(2);
    }
    words.join(" ").trim_end().to_owned()
}

/// How one file looks; `None` if there is none.
fn look(path: &Path) -> Result<Option<String>> {
    let meta = match path.symlink_metadata() {
        Ok(meta) => meta,
        Err(e) if matches!(e.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(e) => return Err(e.into()),
    };
    let kind = meta.file_type();
    let what = if kind.is_file() {
        match fs::read(path) {
            Ok(content) => hex::encode(Sha256::digest(&content)),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e.into()),
        }
    } else if kind.is_symlink() {
        format!("-> {:?}", fs::read_link(path)?)
    } else if kind.is_char_device() && meta.rdev() == 0 {
        return Ok(Some("deleted".into())); // how an overlay marks it
    } else {
        String::new()
    };
    // A directory's time is part of it: a file that came and went in between was a write.
    let (sec, nsec) = (meta.mtime(), meta.mtime_nsec());
    Ok(Some(format!("{:o} {}:{} {sec}.{nsec} {what}", meta.mode(), meta.uid(), meta.gid())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_that_is_the_same_is_no_change_and_a_touch_is_one() {
        let top = tempfile::tempdir().unwrap();
        let (upper, lower) = (top.path().join("u"), top.path().join("l"));
        fs::create_dir_all(upper.join("etc")).unwrap();
        fs::create_dir_all(lower.join("etc")).unwrap();
        fs::create_dir_all(upper.join("var/log")).unwrap();
        fs::write(upper.join("var/log/x"), "noise").unwrap();
        for dir in [&upper, &lower] {
            fs::write(dir.join("etc/f"), "same").unwrap();
            let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1000);
            fs::File::open(dir.join("etc/f")).unwrap().set_modified(time).unwrap();
            fs::File::open(dir.join("etc")).unwrap().set_modified(time).unwrap();
        }
        let read = || Tree::read(&upper, std::slice::from_ref(&lower), &["/var"]).unwrap();
        let before = read();
        assert_eq!(before, Tree::default());
        fs::File::open(upper.join("etc/f")).unwrap().set_modified(std::time::SystemTime::now()).unwrap();
        let after = read();
        assert_eq!(before.changes(&after), [PathBuf::from("etc/f")]);
        assert_ne!(before.hash(), after.hash());
        let timeless = || Tree::timeless(&upper, std::slice::from_ref(&lower), &["/var"]).unwrap();
        assert_eq!(timeless(), Tree::default());
        fs::write(upper.join("etc/f"), "other").unwrap();
        assert_eq!(timeless().0.into_keys().collect::<Vec<_>>(), [PathBuf::from("etc/f")]);
        assert_eq!(Tree::of(&upper.join("etc")).unwrap().0[Path::new("f")].split(' ').count(), 3);
    }
}
