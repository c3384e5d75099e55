//! Replacing what stands at a path in one step.

use super::failed;
use crate::{Attrs, NewFile, SysError, SysResult, text};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, FileType, Gid, IFlags, Mode, OFlags, Stat, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

const ACL: &str = "system.posix_acl_access";
/// Chunk by which contents stream.
const CHUNK: usize = 128 * 1024;

/// See [`crate::System::write`].
pub(super) fn replace(path: &Path, data: &mut dyn Read, new: &NewFile, umask: u32) -> SysResult<()> {
    let verb = "write";
    let error = |e| failed(verb, path, e);
    let (dir, name) = open_parent(verb, path)?;
    let old = lstat(&dir, name).map_err(error)?;
    match old.as_ref().map(|old| FileType::from_raw_mode(old.st_mode)) {
        Some(FileType::Directory) => return Err(error(Errno::ISDIR)),
        Some(FileType::CharacterDevice | FileType::BlockDevice) => {
            return Err(explained(verb, path, Errno::PERM, "it is a device; a file will not take its place"));
        }
        _ => {}
    }
    let old = old.filter(|old| FileType::from_raw_mode(old.st_mode) == FileType::RegularFile);

    let temp = Temp::create(&dir, name, |name| {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::openat(&dir, name, flags, Mode::from_raw_mode(0o600))
    })
    .map_err(|e| refusal(verb, path, e, &dir, name))?;
    let file = File::from(temp.made.try_clone().map_err(|e| SysError::io(verb, path, &e))?);
    copy(path, data, &file)?;
    give_attributes(path, &file, old.as_ref(), new, umask)?;
    file.sync_all().map_err(|e| SysError::io(verb, path, &e))?;
    rustix::fs::renameat(&dir, &temp.name, &dir, name).map_err(|e| refusal(verb, path, e, &dir, name))?;
    sync_dir(&dir).map_err(|e| failed("flush the directory of", path, e))
}

/// See [`crate::System::make_temp`].
pub(super) fn temp(dir: &Path, data: &mut dyn Read, mode: u32) -> SysResult<PathBuf> {
    let shown = dir.join("provision-*");
    let error = |e| failed("write", &shown, e);
    let fd = open_dir(dir).map_err(error)?;
    let mut temp = Temp::create(&fd, OsStr::new("temp"), |name| {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::openat(&fd, name, flags, Mode::from_raw_mode(0o600))
    })
    .map_err(error)?;
    copy(&shown, data, &File::from(temp.made.try_clone().map_err(|e| SysError::io("write", &shown, &e))?))?;
    rustix::fs::fchmod(&temp.made, Mode::from_raw_mode(mode & 0o7777)).map_err(error)?;
    temp.keep = true;
    Ok(dir.join(&temp.name))
}

/// Makes a link by `make`, in the place of a file or link that is there already.
pub(super) fn link(
    verb: &str,
    path: &Path,
    make: impl Fn(BorrowedFd<'_>, &OsStr) -> Result<(), Errno>,
) -> SysResult<()> {
    let (dir, name) = open_parent(verb, path)?;
    match make(dir.as_fd(), name) {
        Ok(()) => return Ok(()),
        Err(Errno::EXIST) => {}
        Err(e) => return Err(refusal(verb, path, e, &dir, name)),
    }
    let old = lstat(&dir, name).map_err(|e| failed(verb, path, e))?;
    if old.is_some_and(|old| FileType::from_raw_mode(old.st_mode) == FileType::Directory) {
        return Err(failed(verb, path, Errno::ISDIR));
    }
    let temp = Temp::create(&dir, name, |name| make(dir.as_fd(), name))
        .map_err(|e| refusal(verb, path, e, &dir, name))?;
    // When both are names of one file already, rename does nothing: the guard removes the temporary name.
    rustix::fs::renameat(&dir, &temp.name, &dir, name).map_err(|e| refusal(verb, path, e, &dir, name))
}

/// See [`crate::System::set_attrs`].
pub(super) fn set_attrs(path: &Path, attrs: &Attrs, follow: bool) -> SysResult<()> {
    let flags = if follow { AtFlags::empty() } else { AtFlags::SYMLINK_NOFOLLOW };
    let stat = || rustix::fs::statat(CWD, path, flags).map_err(|e| failed("set the attributes of", path, e));
    let mut now = stat()?;
    let uid = attrs.uid.filter(|&uid| uid != now.st_uid);
    let gid = attrs.gid.filter(|&gid| gid != now.st_gid);
    if uid.is_some() || gid.is_some() {
        rustix::fs::chownat(CWD, path, uid.map(Uid::from_raw), gid.map(Gid::from_raw), flags)
            .map_err(|e| failed("set the owner of", path, e))?;
        // The kernel took setuid and setgid away: the mode is compared with what is there now.
        now = stat()?;
    }
    if let Some(mode) = attrs.mode.filter(|&mode| mode != now.st_mode & 0o7777) {
        if FileType::from_raw_mode(now.st_mode) == FileType::Symlink {
            return Err(explained(
                "set the mode of",
                path,
                Errno::OPNOTSUPP,
                "a symbolic link has no mode of its own",
            ));
        }
        rustix::fs::chmodat(CWD, path, Mode::from_raw_mode(mode), AtFlags::empty())
            .map_err(|e| failed("set the mode of", path, e))?;
    }
    if attrs.mtime.is_some() || attrs.atime.is_some() {
        let times =
            Timestamps { last_access: timespec(attrs.atime), last_modification: timespec(attrs.mtime) };
        rustix::fs::utimensat(CWD, path, &times, flags).map_err(|e| failed("set the times of", path, e))?;
    }
    Ok(())
}

/// A name beside the target, removed when dropped: after a rename it is gone already.
struct Temp<'a, T> {
    dir: &'a OwnedFd,
    name: OsString,
    made: T,
    keep: bool,
}

impl<'a, T> Temp<'a, T> {
    fn create(
        dir: &'a OwnedFd,
        beside: &OsStr,
        make: impl Fn(&OsStr) -> Result<T, Errno>,
    ) -> Result<Self, Errno> {
        let longest = rustix::fs::fstatvfs(dir).map_or(255, |fs| fs.f_namemax.clamp(32, 255)) as usize;
        loop {
            let name = temp_name(beside, longest)?;
            match make(&name) {
                Ok(made) => return Ok(Self { dir, name, made, keep: false }),
                Err(Errno::EXIST) => {}
                Err(e) => return Err(e),
            }
        }
    }
}

impl<T> Drop for Temp<'_, T> {
    fn drop(&mut self) {
        if !self.keep {
            // After the rename there is nothing, before it nothing can be done about a failure.
            let _ = rustix::fs::unlinkat(self.dir, &self.name, AtFlags::empty());
        }
    }
}

/// `.NAME.provision-XXXXXXXX`, with NAME cut to what the file system allows.
fn temp_name(beside: &OsStr, longest: usize) -> Result<OsString, Errno> {
    let mut random = [0; 4];
    rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())?;
    let suffix = format!(".provision-{}", hex::encode(random));
    let beside = beside.as_bytes();
    let mut end = beside.len().min(longest - 1 - suffix.len());
    // Not within a character: some file systems refuse names that are no UTF-8.
    while end > 0 && end < beside.len() && beside[end] & 0xC0 == 0x80 {
        end -= 1;
    }
    let mut name = vec![b'.'];
    name.extend_from_slice(&beside[..end]);
    name.extend_from_slice(suffix.as_bytes());
    Ok(OsString::from_vec(name))
}

fn copy(path: &Path, data: &mut dyn Read, mut file: &File) -> SysResult<()> {
    let mut buffer = vec![0; CHUNK];
    loop {
        match data.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(n) => file.write_all(&buffer[..n]).map_err(|e| SysError::io("write", path, &e))?,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(SysError::io("read the new content of", path, &e)),
        }
    }
}

/// Owner, extended attributes, mode, in this order: each step would undo part of a later one.
fn give_attributes(path: &Path, file: &File, old: Option<&Stat>, new: &NewFile, umask: u32) -> SysResult<()> {
    let made = rustix::fs::fstat(file).map_err(|e| failed("write", path, e))?;
    let uid = new.uid.or(old.map(|old| old.st_uid));
    let gid = new.gid.or(old.map(|old| old.st_gid));
    let uid_kept = give_owner(path, file, uid.filter(|&uid| uid != made.st_uid), None, new.uid.is_some())?;
    let gid_kept = give_owner(path, file, None, gid.filter(|&gid| gid != made.st_gid), new.gid.is_some())?;
    if old.is_some() {
        keep_xattrs(path, file)?;
    }
    let mode = match (new.mode, old) {
        (Some(mode), _) => mode & 0o7777,
        (None, Some(old)) => {
            // Somebody else's program must not become a setuid program of ours.
            let lost = if uid_kept { 0 } else { 0o4000 } | if gid_kept { 0 } else { 0o2000 };
            old.st_mode & 0o7777 & !lost
        }
        (None, None) => 0o666 & !umask,
    };
    rustix::fs::fchmod(file, Mode::from_raw_mode(mode)).map_err(|e| failed("set the mode of", path, e))
}

/// Whether the file has that owner now. Without the right to give it away it stays ours, unless it was `asked` for.
fn give_owner(path: &Path, file: &File, uid: Option<u32>, gid: Option<u32>, asked: bool) -> SysResult<bool> {
    if uid.is_none() && gid.is_none() {
        return Ok(true);
    }
    match rustix::fs::fchown(file, uid.map(Uid::from_raw), gid.map(Gid::from_raw)) {
        Ok(()) => Ok(true),
        Err(Errno::PERM | Errno::INVAL) if !asked => Ok(false),
        Err(e) => Err(failed("set the owner of", path, e)),
    }
}

/// Gives `file` the extended attributes of what stands at `path`: ACLs, the SELinux label, the user's own.
fn keep_xattrs(path: &Path, file: &File) -> SysResult<()> {
    let error = |name: &OsStr, e| failed(&format!("keep the attribute {} of", text::to_text(name)), path, e);
    let names = match list_xattrs(path) {
        Ok(names) => names,
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => return Ok(()),
        Err(e) => return Err(failed("read the attributes of", path, e)),
    };
    if !names.iter().any(|name| name == ACL) {
        // The directory's default ACL is for new files; the one before had none.
        match rustix::fs::fremovexattr(file, ACL) {
            Ok(()) | Err(Errno::NODATA | Errno::OPNOTSUPP) => {}
            Err(e) => return Err(error(OsStr::new(ACL), e)),
        }
    }
    for name in names {
        // These speak of the content that was: the kernel drops them as well when a file is written to.
        if ["security.capability", "security.ima", "security.evm"]
            .iter()
            .any(|of_content| name == *of_content)
        {
            continue;
        }
        let value = match get_xattr(path, &name) {
            Ok(value) => value,
            Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::PERM | Errno::ACCESS) => continue,
            Err(e) => return Err(error(&name, e)),
        };
        match rustix::fs::fsetxattr(file, &name, &value, XattrFlags::empty()) {
            Ok(()) => {}
            Err(e) => {
                // Equal already (a label given by policy), or a name space only the kernel writes to.
                let mut now = vec![0; value.len() + 1];
                let equal = rustix::fs::fgetxattr(file, &name, &mut now[..]).is_ok_and(|n| now[..n] == value);
                let ours = name == ACL || name == "security.selinux" || name.as_bytes().starts_with(b"user.");
                if !equal && ours {
                    return Err(error(&name, e));
                }
            }
        }
    }
    Ok(())
}

fn list_xattrs(path: &Path) -> Result<Vec<OsString>, Errno> {
    let mut buffer = vec![0u8; 4096];
    let n = loop {
        match rustix::fs::llistxattr(path, &mut buffer[..]) {
            Err(Errno::RANGE) => buffer.resize(buffer.len() * 4, 0),
            other => break other?,
        }
    };
    let names = buffer[..n].split(|&byte| byte == 0).filter(|name| !name.is_empty());
    Ok(names.map(|name| OsString::from_vec(name.to_vec())).collect())
}

fn get_xattr(path: &Path, name: &OsStr) -> Result<Vec<u8>, Errno> {
    let mut buffer = vec![0u8; 1024];
    loop {
        match rustix::fs::lgetxattr(path, name, &mut buffer[..]) {
            Err(Errno::RANGE) => buffer.resize(buffer.len() * 4, 0),
            Ok(n) => {
                buffer.truncate(n);
                return Ok(buffer);
            }
            Err(e) => return Err(e),
        }
    }
}

/// The directory a path is in, held open so that it cannot be exchanged meanwhile, and the name in it.
fn open_parent<'a>(verb: &str, path: &'a Path) -> SysResult<(OwnedFd, &'a OsStr)> {
    let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(failed(verb, path, Errno::ISDIR));
    };
    Ok((open_dir(dir).map_err(|e| failed(verb, path, e))?, name))
}

fn open_dir(dir: &Path) -> Result<OwnedFd, Errno> {
    let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
    rustix::fs::open(dir, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

fn sync_dir(dir: &OwnedFd) -> Result<(), Errno> {
    // A directory that may be written to but not read cannot be flushed, nor can those of some file systems.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let Ok(readable) = rustix::fs::openat(dir, ".", flags, Mode::empty()) else { return Ok(()) };
    match rustix::fs::fsync(&readable) {
        Err(Errno::INVAL | Errno::OPNOTSUPP | Errno::ROFS) => Ok(()),
        other => other,
    }
}

fn lstat(dir: &OwnedFd, name: &OsStr) -> Result<Option<Stat>, Errno> {
    match rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::NOENT) => Ok(None),
        Err(e) => Err(e),
    }
}

/// The reason in words where the number alone would puzzle.
fn refusal(verb: &str, path: &Path, errno: Errno, dir: &OwnedFd, name: &OsStr) -> SysError {
    let flags = |name: &OsStr| {
        let fd =
            rustix::fs::openat(dir, name, OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK, Mode::empty());
        fd.and_then(rustix::fs::ioctl_getflags).unwrap_or(IFlags::empty())
    };
    let fixed = IFlags::IMMUTABLE | IFlags::APPEND;
    match errno {
        Errno::BUSY => {
            explained(verb, path, errno, "it is a mount point (a file that is mounted cannot be replaced)")
        }
        Errno::PERM if flags(OsStr::new(".")).intersects(fixed) => {
            explained(verb, path, errno, "its directory is immutable or append-only (lsattr shows it)")
        }
        Errno::PERM if flags(name).intersects(fixed) => {
            explained(verb, path, errno, "it is immutable or append-only (lsattr shows it)")
        }
        _ => failed(verb, path, errno),
    }
}

fn explained(verb: &str, path: &Path, errno: Errno, why: &str) -> SysError {
    let mut error = failed(verb, path, errno);
    error.why = format!("{}: {why}", error.why);
    error
}

fn timespec(seconds: Option<f64>) -> rustix::fs::Timespec {
    let Some(seconds) = seconds else {
        return rustix::fs::Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_OMIT };
    };
    let whole = seconds.floor();
    // Rounded to what a double can tell apart.
    let nanos = (((seconds - whole) * 1e9).round() as i64).min(999_999_999);
    rustix::fs::Timespec { tv_sec: whole as i64, tv_nsec: nanos as _ }
}
