//! The machine this process runs on, by system calls.
//!
//! It works in a static binary: no name service of the C library is ever called.

mod names;
mod process;
mod replace;

use crate::{
    Attrs, Command, Effect, FileKind, Group, Identity, Meta, NewFile, Output, Ran, Stream, SysError,
    SysResult, System, User, digest,
};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Where the pieces of a streamed command's output go.
pub type Sink = Box<dyn Fn(Stream, &[u8])>;

/// Real system calls.
pub struct Local {
    env: BTreeMap<OsString, OsString>,
    sink: Option<Sink>,
    cancel: Option<Arc<AtomicBool>>,
    /// Descriptors that whoever started this process left open: commands shall not have them.
    strays: Vec<u32>,
    temps: RefCell<BTreeSet<PathBuf>>,
}

impl Local {
    /// A system whose commands get exactly the variables of `env`.
    pub fn new(env: BTreeMap<OsString, OsString>) -> Self {
        Self { env, sink: None, cancel: None, strays: process::strays(), temps: RefCell::default() }
    }

    /// With the variables this process itself was given.
    pub fn inherit() -> Self {
        Self::new(std::env::vars_os().collect())
    }

    /// Adds a task's variables; `None` removes one.
    #[must_use]
    pub fn with_env(mut self, env: BTreeMap<OsString, Option<OsString>>) -> Self {
        process::overlay_env(&mut self.env, &env);
        self
    }

    /// Where commands that want it stream their output to.
    #[must_use]
    pub fn with_sink(mut self, sink: Sink) -> Self {
        self.sink = Some(sink);
        self
    }

    /// A flag that ends the running command, and every further one, once it is set.
    #[must_use]
    pub fn with_cancel(mut self, cancel: Arc<AtomicBool>) -> Self {
        self.cancel = Some(cancel);
        self
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        for temp in self.temps.get_mut().iter() {
            // Nobody is left to be told.
            let _ = std::fs::remove_file(temp);
        }
    }
}

impl System for Local {
    fn stat(&self, path: &Path, follow: bool) -> SysResult<Option<Meta>> {
        let flags = if follow { AtFlags::empty() } else { AtFlags::SYMLINK_NOFOLLOW };
        match rustix::fs::statat(CWD, path, flags) {
            Ok(stat) => Ok(Some(meta(&stat))),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(e) => Err(failed("stat", path, e)),
        }
    }

    fn read(&self, path: &Path) -> SysResult<Vec<u8>> {
        let mut data = Vec::new();
        open(path)?.read_to_end(&mut data).map_err(|e| SysError::io("read", path, &e))?;
        Ok(data)
    }

    fn open(&self, path: &Path) -> SysResult<Box<dyn Read>> {
        Ok(Box::new(open(path)?))
    }

    fn read_dir(&self, path: &Path) -> SysResult<Vec<OsString>> {
        let entries = std::fs::read_dir(path).map_err(|e| SysError::io("read directory", path, &e))?;
        let names: Result<Vec<OsString>, _> =
            entries.map(|entry| entry.map(|entry| entry.file_name())).collect();
        let mut names = names.map_err(|e| SysError::io("read directory", path, &e))?;
        names.sort();
        Ok(names)
    }

    fn read_link(&self, path: &Path) -> SysResult<PathBuf> {
        std::fs::read_link(path).map_err(|e| SysError::io("read link", path, &e))
    }

    fn digest(&self, path: &Path, algorithm: &str) -> SysResult<String> {
        digest::digest_stream(&mut open(path)?, algorithm, |e| SysError::io("read", path, &e))
    }

    fn write(&self, path: &Path, data: &mut dyn Read, new: &NewFile) -> SysResult<()> {
        replace::replace(path, data, new, self.umask())
    }

    fn create_dir(&self, path: &Path, mode: Option<u32>) -> SysResult<()> {
        let first = Mode::from_raw_mode(mode.map_or(0o777, |mode| mode & 0o777));
        rustix::fs::mkdirat(CWD, path, first).map_err(|e| failed("create directory", path, e))?;
        if let Some(mode) = mode {
            // The umask took bits away, and mkdir knows no setgid or sticky.
            rustix::fs::chmodat(CWD, path, Mode::from_raw_mode(mode & 0o7777), AtFlags::empty())
                .map_err(|e| failed("set the mode of", path, e))?;
        }
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> SysResult<()> {
        rustix::fs::unlinkat(CWD, path, AtFlags::empty()).map_err(|e| failed("remove", path, e))
    }

    fn remove_dir(&self, path: &Path) -> SysResult<()> {
        rustix::fs::unlinkat(CWD, path, AtFlags::REMOVEDIR).map_err(|e| failed("remove directory", path, e))
    }

    fn remove_tree(&self, path: &Path) -> SysResult<()> {
        let stat = rustix::fs::statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|e| failed("remove", path, e))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
            return Err(failed("remove directory", path, Errno::NOTDIR));
        }
        std::fs::remove_dir_all(path).map_err(|e| SysError::io("remove directory", path, &e))
    }

    fn rename(&self, from: &Path, to: &Path) -> SysResult<()> {
        rustix::fs::renameat(CWD, from, CWD, to).map_err(|e| {
            let mut error = failed("rename", from, e);
            error.doing = format!("{} to {}", error.doing, crate::text::to_text(to.as_os_str()));
            error
        })
    }

    fn symlink(&self, target: &Path, link: &Path) -> SysResult<()> {
        replace::link("create symbolic link", link, |dir, name| rustix::fs::symlinkat(target, dir, name))
    }

    fn hard_link(&self, original: &Path, link: &Path) -> SysResult<()> {
        replace::link("create hard link", link, |dir, name| {
            rustix::fs::linkat(CWD, original, dir, name, AtFlags::empty())
        })
    }

    fn set_attrs(&self, path: &Path, attrs: &Attrs, follow: bool) -> SysResult<()> {
        replace::set_attrs(path, attrs, follow)
    }

    fn user(&self, name: &str) -> SysResult<Option<User>> {
        names::user(self, name)
    }

    fn group(&self, name: &str) -> SysResult<Option<Group>> {
        names::group(self, name)
    }

    fn identity(&self) -> Identity {
        let uid = rustix::process::geteuid().as_raw();
        let gid = rustix::process::getegid().as_raw();
        match self.user(&uid.to_string()) {
            Ok(Some(user)) => Identity { uid, gid, user: user.name, home: user.home },
            _ => {
                let home = self
                    .env
                    .get(std::ffi::OsStr::new("HOME"))
                    .map_or_else(|| PathBuf::from("/"), PathBuf::from);
                Identity { uid, gid, user: uid.to_string(), home }
            }
        }
    }

    fn umask(&self) -> u32 {
        process::umask()
    }

    fn environment(&self) -> BTreeMap<OsString, OsString> {
        self.env.clone()
    }

    fn now(&self) -> f64 {
        std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0.0, |since| since.as_secs_f64())
    }

    fn make_temp(&self, dir: Option<&Path>, data: &mut dyn Read, mode: u32) -> SysResult<PathBuf> {
        let tmp =
            self.env.get(std::ffi::OsStr::new("TMPDIR")).map(PathBuf::from).filter(|dir| dir.is_absolute());
        let tmp = tmp.unwrap_or_else(|| PathBuf::from("/tmp"));
        let path = replace::temp(dir.unwrap_or(&tmp), data, mode)?;
        self.temps.borrow_mut().insert(path.clone());
        Ok(path)
    }

    fn remove_temp(&self, path: &Path) -> SysResult<()> {
        if !self.temps.borrow_mut().remove(path) {
            return Err(failed("remove temporary file", path, Errno::INVAL));
        }
        match rustix::fs::unlinkat(CWD, path, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(e) => Err(failed("remove temporary file", path, e)),
        }
    }

    fn query(&self, command: &Command) -> SysResult<Output> {
        process::execute(command, &self.env, &self.strays, self.sink.as_ref(), self.cancel.as_deref())
    }

    fn run(&self, command: &Command, _effect: Effect) -> SysResult<Ran> {
        self.query(command).map(Ran::Done)
    }

    fn note(&self, _what: &str, _before: &str, _after: &str) -> SysResult<()> {
        Ok(())
    }
}

/// Opens what can be read to its end: a FIFO would be waited for without limit.
fn open(path: &Path) -> SysResult<File> {
    let fd = rustix::fs::open(
        path,
        OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY,
        Mode::empty(),
    )
    .map_err(|e| failed("read", path, e))?;
    let stat = rustix::fs::fstat(&fd).map_err(|e| failed("read", path, e))?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => Err(failed("read", path, Errno::ISDIR)),
        FileType::Fifo => {
            let path = crate::text::to_text(path.as_os_str());
            Err(SysError::new(format!("read {path}"), "it is a FIFO, not a file"))
        }
        _ => Ok(File::from(fd)),
    }
}

fn failed(verb: &str, path: &Path, errno: Errno) -> SysError {
    SysError::errno(verb, path, errno.raw_os_error())
}

// The field types of `stat` differ between processors.
#[allow(clippy::unnecessary_cast, clippy::cast_lossless)]
fn meta(stat: &rustix::fs::Stat) -> Meta {
    let seconds = |whole: i64, nanos: u64| whole as f64 + nanos as f64 / 1e9;
    Meta {
        kind: match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => FileKind::Dir,
            FileType::Symlink => FileKind::Symlink,
            FileType::Fifo => FileKind::Fifo,
            FileType::Socket => FileKind::Socket,
            FileType::CharacterDevice => FileKind::Char,
            FileType::BlockDevice => FileKind::Block,
            _ => FileKind::File,
        },
        mode: stat.st_mode & 0o7777,
        uid: stat.st_uid,
        gid: stat.st_gid,
        size: stat.st_size as u64,
        mtime: seconds(stat.st_mtime as i64, stat.st_mtime_nsec as u64),
        atime: seconds(stat.st_atime as i64, stat.st_atime_nsec as u64),
        ctime: seconds(stat.st_ctime as i64, stat.st_ctime_nsec as u64),
        ino: stat.st_ino as u64,
        dev: stat.st_dev as u64,
        nlink: stat.st_nlink as u64,
        blocks: stat.st_blocks as u64,
        block_size: stat.st_blksize as u64,
        rdev: stat.st_rdev as u64,
    }
}
