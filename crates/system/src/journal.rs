//! The record of what a module did to a machine: `changed`, the diff and the undo are derived from it.

mod compare;
mod diff;
mod net;
mod record;

pub use diff::{Diff, Field, Side, diff};
pub use net::changed;
pub use record::{Mutation, Snapshot, Under};

use crate::{
    Attrs, Command, Effect, FileKind, Group, Identity, Meta, NewFile, Output, Ran, SysError, SysResult,
    System, User, digest, text,
};
use compare::{Compared, Tee, compare};
use rustix::io::Errno;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Contents up to this size are kept, in bytes.
pub(crate) const KEPT: u64 = 1024 * 1024;
/// Contents of one record together, in bytes: it has to travel.
const KEPT_TOTAL: u64 = 16 * 1024 * 1024;
/// Contents up to this size are given a digest, in bytes.
const HASHED: u64 = 64 * 1024 * 1024;
/// Entries of a removed tree that are recorded one by one.
const LISTED: usize = 10_000;

/// Records each change that really is one. A write of what is there already does not reach the disk.
pub struct Journal<S> {
    system: S,
    log: RefCell<Vec<Mutation>>,
    contents: bool,
    kept: Cell<u64>,
    secrets: RefCell<BTreeSet<PathBuf>>,
}

impl<S: System> Journal<S> {
    pub fn new(system: S) -> Self {
        Self {
            system,
            log: RefCell::default(),
            contents: true,
            kept: Cell::new(0),
            secrets: RefCell::default(),
        }
    }

    /// Whether contents are kept (for diffs, for the undo, and for laying a dry run's record under another one).
    /// Without them the record is small and still tells what changed.
    #[must_use]
    pub fn contents(mut self, keep: bool) -> Self {
        self.contents = keep;
        self
    }

    /// The record so far, which starts anew.
    pub fn take(&self) -> Vec<Mutation> {
        self.kept.set(0);
        self.log.take()
    }

    /// What it writes to.
    pub fn system(&self) -> &S {
        &self.system
    }

    /// Gives the system back; what was not taken of the record is lost.
    pub fn into_system(self) -> S {
        self.system
    }

    fn record(&self, mutation: Mutation) {
        self.log.borrow_mut().push(mutation);
    }

    /// What stands at `path`, its content too as far as it is to be kept.
    fn snapshot(&self, path: &Path) -> SysResult<Option<Snapshot>> {
        Ok(self.system.stat(path, false)?.map(|meta| {
            // What we may not read is no reason to fail: it may be replaced all the same.
            let data = if fits(&meta) { self.system.read(path).ok() } else { None };
            self.describe(path, &meta, data)
        }))
    }

    fn describe(&self, path: &Path, meta: &Meta, data: Option<Vec<u8>>) -> Snapshot {
        let secret = self.secrets.borrow().contains(path);
        let sha256 = match &data {
            Some(data) => digest::digest_of(data, "sha256"),
            None if meta.is_file() && meta.size <= HASHED => self.system.digest(path, "sha256").ok(),
            None => None,
        };
        let target = if meta.is_link() { self.system.read_link(path).ok() } else { None };
        Snapshot {
            kind: meta.kind,
            mode: meta.mode,
            uid: meta.uid,
            gid: meta.gid,
            size: meta.size,
            sha256,
            content: self.keep(data, secret),
            target: target.map(|target| text::to_text(target.as_os_str())),
            secret,
        }
    }

    fn keep(&self, data: Option<Vec<u8>>, secret: bool) -> Option<Vec<u8>> {
        let data = data.filter(|_| self.contents && !secret)?;
        let kept = self.kept.get() + data.len() as u64;
        if kept > KEPT_TOTAL {
            return None;
        }
        self.kept.set(kept);
        Some(data)
    }

    /// All below a directory, a directory before what is in it; and whether that is all.
    fn below(&self, dir: &Path) -> (Vec<Under>, bool) {
        let mut found = Vec::new();
        let mut dirs = vec![dir.to_owned()];
        while let Some(dir) = dirs.pop() {
            let Ok(names) = self.system.read_dir(&dir) else { return (found, false) };
            for name in names {
                if found.len() >= LISTED {
                    return (found, false);
                }
                let path = dir.join(name);
                let Ok(Some(snapshot)) = self.snapshot(&path) else { continue };
                if snapshot.kind == FileKind::Dir {
                    dirs.push(path.clone());
                }
                found.push(Under { path, snapshot });
            }
        }
        (found, true)
    }

    fn gone(&self, path: &Path) -> SysError {
        SysError::errno("look at", path, Errno::NOENT.raw_os_error())
    }

    fn after(&self, path: &Path) -> SysResult<Snapshot> {
        self.snapshot(path)?.ok_or_else(|| self.gone(path))
    }
}

impl<S: System> System for Journal<S> {
    fn stat(&self, path: &Path, follow: bool) -> SysResult<Option<Meta>> {
        self.system.stat(path, follow)
    }

    fn read(&self, path: &Path) -> SysResult<Vec<u8>> {
        self.system.read(path)
    }

    fn open(&self, path: &Path) -> SysResult<Box<dyn Read>> {
        self.system.open(path)
    }

    fn read_dir(&self, path: &Path) -> SysResult<Vec<OsString>> {
        self.system.read_dir(path)
    }

    fn read_link(&self, path: &Path) -> SysResult<PathBuf> {
        self.system.read_link(path)
    }

    fn digest(&self, path: &Path, algorithm: &str) -> SysResult<String> {
        self.system.digest(path, algorithm)
    }

    fn write(&self, path: &Path, data: &mut dyn Read, new: &NewFile) -> SysResult<()> {
        if new.secret {
            self.secrets.borrow_mut().insert(path.to_owned());
        }
        let old = self.system.stat(path, false)?;
        let content = old.as_ref().filter(|meta| fits(meta)).and_then(|_| self.system.read(path).ok());
        let mut tee = Tee::new(Box::new(data));
        if old.as_ref().is_some_and(Meta::is_file) {
            let open = || self.system.open(path).ok();
            match compare(tee.into_inner(), content.as_deref(), &open).map_err(|e| unreadable(path, &e))? {
                Compared::Same => {
                    let attrs = Attrs { mode: new.mode, uid: new.uid, gid: new.gid, ..Attrs::default() };
                    return self.set_attrs(path, &attrs, false);
                }
                Compared::Different(whole) => tee = Tee::new(whole),
            }
        }
        let before = old.map(|meta| self.describe(path, &meta, content.clone()));
        self.system.write(path, &mut tee, new)?;
        self.wrote(path, before, tee)
    }

    fn create_dir(&self, path: &Path, mode: Option<u32>) -> SysResult<()> {
        self.system.create_dir(path, mode)?;
        self.record(Mutation::CreateDir { path: path.to_owned(), after: self.after(path)? });
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> SysResult<()> {
        let before = self.snapshot(path)?;
        self.system.remove_file(path)?;
        let before = before.ok_or_else(|| self.gone(path))?;
        self.record(Mutation::Remove { path: path.to_owned(), before, below: Vec::new(), complete: true });
        Ok(())
    }

    fn remove_dir(&self, path: &Path) -> SysResult<()> {
        let before = self.snapshot(path)?;
        self.system.remove_dir(path)?;
        let before = before.ok_or_else(|| self.gone(path))?;
        self.record(Mutation::Remove { path: path.to_owned(), before, below: Vec::new(), complete: true });
        Ok(())
    }

    fn remove_tree(&self, path: &Path) -> SysResult<()> {
        let before = self.snapshot(path)?;
        let directory = before.as_ref().is_some_and(|before| before.kind == FileKind::Dir);
        let (below, complete) = if directory { self.below(path) } else { (Vec::new(), true) };
        let removed = self.system.remove_tree(path);
        // A removal that stopped half-way has changed something all the same.
        if let (Some(before), true) = (before, removed.is_ok() || directory) {
            let left = |under: &Under| !matches!(self.system.stat(&under.path, false), Ok(None));
            let below: Vec<Under> = match &removed {
                Ok(()) => below,
                Err(_) => below.into_iter().filter(|under| !left(under)).collect(),
            };
            match &removed {
                Ok(()) => self.record(Mutation::Remove { path: path.to_owned(), before, below, complete }),
                Err(_) => {
                    for Under { path, snapshot } in below {
                        self.record(Mutation::Remove {
                            path,
                            before: snapshot,
                            below: Vec::new(),
                            complete: true,
                        });
                    }
                }
            }
        }
        removed
    }

    fn rename(&self, from: &Path, to: &Path) -> SysResult<()> {
        let moved = self.snapshot(from)?;
        let replaced = self.snapshot(to)?;
        self.system.rename(from, to)?;
        if self.system.stat(from, false)?.is_some() {
            // Two names of one file: nothing happened.
            return Ok(());
        }
        if self.secrets.borrow().contains(from) {
            self.secrets.borrow_mut().insert(to.to_owned());
        }
        let moved = moved.ok_or_else(|| self.gone(from))?;
        self.record(Mutation::Rename { from: from.to_owned(), to: to.to_owned(), moved, replaced });
        Ok(())
    }

    fn symlink(&self, target: &Path, link: &Path) -> SysResult<()> {
        let before = self.snapshot(link)?;
        let target_text = text::to_text(target.as_os_str());
        if before.as_ref().is_some_and(|before| before.target.as_ref() == Some(&target_text)) {
            return Ok(());
        }
        self.system.symlink(target, link)?;
        let after = self.after(link)?;
        self.record(Mutation::Symlink { path: link.to_owned(), before, after });
        Ok(())
    }

    fn hard_link(&self, original: &Path, link: &Path) -> SysResult<()> {
        let same = |one: &Meta, other: &Meta| (one.dev, one.ino) == (other.dev, other.ino);
        if let (Some(one), Some(other)) = (self.system.stat(original, false)?, self.system.stat(link, false)?)
            && same(&one, &other)
        {
            return Ok(());
        }
        let before = self.snapshot(link)?;
        self.system.hard_link(original, link)?;
        let after = self.after(link)?;
        self.record(Mutation::HardLink {
            path: link.to_owned(),
            original: original.to_owned(),
            before,
            after,
        });
        Ok(())
    }

    fn set_attrs(&self, path: &Path, attrs: &Attrs, follow: bool) -> SysResult<()> {
        let Some(old) = self.system.stat(path, follow)? else {
            return self.system.set_attrs(path, attrs, follow);
        };
        let mut attrs = attrs.clone();
        attrs.mtime = attrs.mtime.filter(|&time| !same_time(time, old.mtime));
        attrs.atime = attrs.atime.filter(|&time| !same_time(time, old.atime));
        let equal = attrs.mode.is_none_or(|mode| mode == old.mode)
            && attrs.uid.is_none_or(|uid| uid == old.uid)
            && attrs.gid.is_none_or(|gid| gid == old.gid)
            && attrs.mtime.is_none()
            && attrs.atime.is_none();
        if equal {
            return Ok(());
        }
        let done = self.system.set_attrs(path, &attrs, follow);
        // One that failed half-way (the owner was set, the mode was not) is recorded by what it did.
        let Some(new) = self.system.stat(path, follow)? else { return done };
        let (mut before, mut after) = (Attrs::default(), Attrs::default());
        let numbers = [
            (old.mode, new.mode, &mut before.mode, &mut after.mode),
            (old.uid, new.uid, &mut before.uid, &mut after.uid),
            (old.gid, new.gid, &mut before.gid, &mut after.gid),
        ];
        for (old, new, before, after) in numbers {
            if old != new {
                (*before, *after) = (Some(old), Some(new));
            }
        }
        if attrs.mtime.is_some() && !same_time(old.mtime, new.mtime) {
            (before.mtime, after.mtime) = (Some(old.mtime), Some(new.mtime));
        }
        if attrs.atime.is_some() && !same_time(old.atime, new.atime) {
            (before.atime, after.atime) = (Some(old.atime), Some(new.atime));
        }
        if before != after {
            self.record(Mutation::Attrs { path: path.to_owned(), before, after, kind: new.kind, follow });
        }
        done
    }

    fn user(&self, name: &str) -> SysResult<Option<User>> {
        self.system.user(name)
    }

    fn group(&self, name: &str) -> SysResult<Option<Group>> {
        self.system.group(name)
    }

    fn predict_user(&self, user: &User) {
        if self.system.dry() {
            self.record(Mutation::User(user.clone()));
        }
        self.system.predict_user(user);
    }

    fn predict_group(&self, group: &Group) {
        if self.system.dry() {
            self.record(Mutation::Group(group.clone()));
        }
        self.system.predict_group(group);
    }

    fn identity(&self) -> Identity {
        self.system.identity()
    }

    fn umask(&self) -> u32 {
        self.system.umask()
    }

    fn environment(&self) -> BTreeMap<OsString, OsString> {
        self.system.environment()
    }

    fn now(&self) -> f64 {
        self.system.now()
    }

    fn make_temp(&self, dir: Option<&Path>, data: &mut dyn Read, mode: u32) -> SysResult<PathBuf> {
        self.system.make_temp(dir, data, mode)
    }

    fn remove_temp(&self, path: &Path) -> SysResult<()> {
        self.system.remove_temp(path)
    }

    fn query(&self, command: &Command) -> SysResult<Output> {
        self.system.query(command)
    }

    fn run(&self, command: &Command, effect: Effect) -> SysResult<Ran> {
        let answer = self.system.run(command, effect);
        let ran = match &answer {
            Ok(Ran::Done(_)) => true,
            Ok(Ran::NotRun) => false,
            // It was stopped on its way; the others never began.
            Err(e)
                if [Errno::TIMEDOUT, Errno::CANCELED].iter().any(|errno| errno.raw_os_error() == e.errno) =>
            {
                true
            }
            Err(_) => return answer,
        };
        let shown = match command.argv.first() {
            Some(program) if command.secret => format!("{} (arguments not shown)", text::shell_word(program)),
            _ => command.display(),
        };
        self.record(Mutation::Command { command: shown, effect, ran });
        answer
    }

    fn note(&self, what: &str, before: &str, after: &str) -> SysResult<()> {
        self.system.note(what, before, after)?;
        if before != after {
            self.record(Mutation::Note { what: what.into(), before: before.into(), after: after.into() });
        }
        Ok(())
    }

    fn find_program(&self, name: &str) -> SysResult<Option<PathBuf>> {
        self.system.find_program(name)
    }

    fn uncertain(&self) -> bool {
        self.system.uncertain()
    }

    fn dry(&self) -> bool {
        self.system.dry()
    }
}

impl<S: System> Journal<S> {
    /// Records a finished write by what went through `tee`.
    fn wrote(&self, path: &Path, before: Option<Snapshot>, tee: Tee<'_>) -> SysResult<()> {
        let meta = self.system.stat(path, false)?.ok_or_else(|| self.gone(path))?;
        let (sha256, content) = tee.finish();
        let secret = self.secrets.borrow().contains(path);
        let content = self.keep(content, secret);
        let Meta { kind, mode, uid, gid, size, .. } = meta;
        let after =
            Snapshot { kind, mode, uid, gid, size, sha256: Some(sha256), content, target: None, secret };
        if before.as_ref().is_none_or(|before| !before.same(&after)) {
            self.record(Mutation::Write { path: path.to_owned(), before, after });
        }
        Ok(())
    }
}

fn fits(meta: &Meta) -> bool {
    meta.is_file() && meta.size <= KEPT
}

/// As equal as a double can tell at today's dates.
fn same_time(one: f64, other: f64) -> bool {
    (one - other).abs() < 1e-6
}

fn unreadable(path: &Path, error: &std::io::Error) -> SysError {
    SysError::io("read the new content of", path, error)
}
