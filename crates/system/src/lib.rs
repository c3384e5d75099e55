//! The primitives through which every module touches a machine, and their implementations.
//!
//! A module knows [`System`] and nothing else. Under `--check` the very same module runs against an
//! [`Overlay`], which cannot write to the machine below it; [`Journal`] records each mutation with what was
//! there before, and `changed`, the diff and the undo are derived from that record, never claimed.

mod accounts;
pub mod command;
mod digest;
mod forward;
pub mod journal;
pub mod local;
pub mod memory;
pub mod overlay;
pub mod text;
mod tree;
pub mod types;

pub use command::{Command, Effect, Output, Ran, Stream};
pub use digest::{ALGORITHMS, digest_of};
pub use journal::{Diff, Field, Journal, Mutation, Side, Snapshot, changed, diff};
pub use local::Local;
pub use memory::Memory;
pub use overlay::{Layer, Overlay};
pub use types::{Attrs, FileKind, Group, Identity, Meta, NewFile, SysError, SysResult, User};

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};

/// One machine, as a module sees it.
///
/// Paths are absolute. Every method that changes something is atomic as far as the kernel allows: a reader
/// sees the old state or the new one, never a mixture.
pub trait System {
    /// Metadata of `path`; `Ok(None)` when nothing is there. `follow` follows a final symbolic link (a broken
    /// one is then `None`).
    fn stat(&self, path: &Path, follow: bool) -> SysResult<Option<Meta>>;
    /// The whole file. Errors when it is missing or a directory.
    fn read(&self, path: &Path) -> SysResult<Vec<u8>>;
    /// The file as a stream, for contents that should not be held in memory.
    fn open(&self, path: &Path) -> SysResult<Box<dyn Read>>;
    /// Names in a directory, sorted by bytes.
    fn read_dir(&self, path: &Path) -> SysResult<Vec<OsString>>;
    fn read_link(&self, path: &Path) -> SysResult<PathBuf>;
    /// Lower-case hex digest of a file's content, computed as a stream: "sha1", "sha256", "md5", "sha224", "sha384", "sha512".
    fn digest(&self, path: &Path, algorithm: &str) -> SysResult<String>;

    /// Replaces `path` by `data` in one step: a temporary file in the same directory (a name nobody else uses,
    /// mode 0600 until finished), written, given its owner and mode, flushed to disk, renamed over. What
    /// `new` leaves unsaid is kept from the file that was there (mode, owner, group, extended attributes, ACLs); a new file
    /// gets 0666 less the umask. A symbolic link at `path` is replaced, not followed: callers resolve it first.
    ///
    /// An error of `data` leaves the old file as it was: a download that checks its digest at the end can be
    /// written straight to its place. When the owner or group before cannot be kept for want of rights, the
    /// file is written all the same unless `new` asks for that owner (as Ansible does); it then loses its setuid or setgid bit.
    fn write(&self, path: &Path, data: &mut dyn Read, new: &NewFile) -> SysResult<()>;
    /// Creates one directory. `mode` None: 0777 less the umask.
    fn create_dir(&self, path: &Path, mode: Option<u32>) -> SysResult<()>;
    fn remove_file(&self, path: &Path) -> SysResult<()>;
    /// Removes an empty directory.
    fn remove_dir(&self, path: &Path) -> SysResult<()>;
    /// Removes a directory and all below it, never crossing a symbolic link.
    fn remove_tree(&self, path: &Path) -> SysResult<()>;
    fn rename(&self, from: &Path, to: &Path) -> SysResult<()>;
    /// Makes `link` point to `target`, atomically replacing a file or link that is there.
    fn symlink(&self, target: &Path, link: &Path) -> SysResult<()>;
    /// Makes `link` another name of `original`, atomically replacing a file or link that is there.
    fn hard_link(&self, original: &Path, link: &Path) -> SysResult<()>;
    /// Changes what `attrs` names (mode, owner, group, times); what is equal already is not touched or recorded.
    /// `follow`: of the file a symbolic link points to.
    fn set_attrs(&self, path: &Path, attrs: &Attrs, follow: bool) -> SysResult<()>;

    /// By name or decimal id.
    fn user(&self, name: &str) -> SysResult<Option<User>>;
    /// By name or decimal id.
    fn group(&self, name: &str) -> SysResult<Option<Group>>;
    /// Makes a user known that a command of a dry run would create, so that later tasks can name it.
    /// Nothing happens outside of one.
    fn predict_user(&self, _user: &User) {}
    /// Makes a group known that a command of a dry run would create. Nothing happens outside of one.
    fn predict_group(&self, _group: &Group) {}
    /// Who this system's calls are made as.
    fn identity(&self) -> Identity;
    /// The bits that new files and directories do not get.
    fn umask(&self) -> u32;
    /// The variables commands are given (before a command's own).
    fn environment(&self) -> BTreeMap<OsString, OsString>;
    /// Seconds since 1970, UTC.
    fn now(&self) -> f64;

    /// Writes a scratch file that exists until [`System::remove_temp`] or the end of this system: for a command
    /// that validates content before it takes its place. In `dir`, else the temporary directory. It counts as no change.
    /// A dry run cannot make one ([`SysError::is_not_in_dry_run`]): callers leave the validation out and say so.
    fn make_temp(&self, dir: Option<&Path>, data: &mut dyn Read, mode: u32) -> SysResult<PathBuf>;
    /// Removes a file that [`System::make_temp`] made, and no other. One that is gone already is no error.
    fn remove_temp(&self, path: &Path) -> SysResult<()>;

    /// Runs a command that only looks; it runs under `--check` as well.
    fn query(&self, command: &Command) -> SysResult<Output>;
    /// Runs a command that may change the machine. Under an overlay nothing runs and the answer is [`Ran::NotRun`].
    fn run(&self, command: &Command, effect: Effect) -> SysResult<Ran>;
    /// Records a change of something that is no file (a service's state, a kernel setting): shown in the diff, counts as changed.
    /// Modules that changed it by [`System::run`] need not call this.
    fn note(&self, what: &str, before: &str, after: &str) -> SysResult<()>;

    /// The full path of a program: PATH, then the directories that hold system programs even where PATH lacks them.
    fn find_program(&self, name: &str) -> SysResult<Option<PathBuf>> {
        let path = self.environment().remove(std::ffi::OsStr::new("PATH")).unwrap_or_default();
        let more = ["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/local/bin", "/usr/bin", "/bin"];
        let dirs = std::env::split_paths(&path).filter(|dir| dir.is_absolute());
        for dir in dirs.chain(more.iter().map(PathBuf::from)) {
            let program = dir.join(text::to_os(name));
            // A directory of PATH that cannot be looked into is as good as none.
            if let Ok(Some(meta)) = self.stat(&program, true)
                && meta.is_file()
                && meta.mode & 0o111 != 0
            {
                return Ok(Some(program));
            }
        }
        Ok(None)
    }

    /// True under an overlay once a command would have run: what is missing now might exist then.
    /// A module that finds something missing (a unit, a package's file) while this is true reports a predicted change with a
    /// `depends on` note instead of failing.
    fn uncertain(&self) -> bool {
        false
    }
    /// True when writes do not reach the machine (`--check`).
    fn dry(&self) -> bool {
        false
    }
}
