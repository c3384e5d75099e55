//! An in-memory machine for unit tests of modules.
//!
//! ```
//! use provision_system::{Command, Effect, Memory, NewFile, System};
//! let machine = Memory::new().file("/etc/motd", b"hi").user("alice", 1000).answer(&["id"], 0, "uid=0(root)");
//! machine.write("/etc/motd".as_ref(), &mut &b"hello"[..], &NewFile::default())?;
//! machine.run(&Command::new(["id"]), Effect::Change)?;
//! assert_eq!(machine.text("/etc/motd"), "hello");
//! assert_eq!(machine.ran().len(), 1);
//! # Ok::<(), provision_system::SysError>(())
//! ```

use crate::tree::{Below, Content, Fail, Maker, Tree};
use crate::{
    Attrs, Command, Effect, Group, Identity, Meta, NewFile, Output, Ran, SysError, SysResult, System, User,
    accounts, digest,
};
use rustix::io::Errno;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

type Handler = Arc<dyn Fn(&Memory, &Command) -> Option<Output> + Send + Sync>;

/// A machine that exists only in memory. The calls are made as root unless said otherwise.
pub struct Memory {
    tree: RefCell<Tree<Nothing>>,
    handlers: Vec<Handler>,
    ran: RefCell<Vec<Command>>,
    queried: RefCell<Vec<Command>>,
    notes: RefCell<Vec<(String, String, String)>>,
    faults: BTreeMap<PathBuf, i32>,
    temps: RefCell<Vec<PathBuf>>,
    env: BTreeMap<OsString, OsString>,
    clock: Cell<f64>,
    uid: u32,
    gid: u32,
    umask: u32,
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

/// Building the machine. Whatever is impossible here is a mistake of the test and panics.
impl Memory {
    /// `/`, `/etc` with root in passwd and group, `/root`, `/tmp`, `/usr/bin` and `/var`; the clock at 1,700,000,000.
    pub fn new() -> Self {
        let machine = Self {
            tree: RefCell::new(Tree::new(Nothing, false)),
            handlers: Vec::new(),
            ran: RefCell::default(),
            queried: RefCell::default(),
            notes: RefCell::default(),
            faults: BTreeMap::new(),
            temps: RefCell::default(),
            env: BTreeMap::from([("PATH".into(), "/usr/bin:/bin".into())]),
            clock: Cell::new(1_700_000_000.0),
            uid: 0,
            gid: 0,
            umask: 0o022,
        };
        machine
            .dir("/tmp")
            .mode("/tmp", 0o1777)
            .dir("/root")
            .mode("/root", 0o700)
            .dir("/usr/bin")
            .dir("/var")
            .file("/etc/passwd", b"root:x:0:0:root:/root:/bin/bash\n")
            .file("/etc/group", b"root:x:0:\n")
    }

    /// A file of mode 0644, with the directories above it.
    #[must_use]
    pub fn file(self, path: impl AsRef<Path>, content: impl AsRef<[u8]>) -> Self {
        let content = Content::Bytes(content.as_ref().into());
        self.build(path.as_ref(), |tree, path, maker| tree.write(path, content, &NewFile::default(), maker))
    }

    /// An executable file, as [`System::find_program`] looks for.
    #[must_use]
    pub fn program(self, path: impl AsRef<Path>) -> Self {
        self.file(&path, b"#!/bin/sh\n").mode(path, 0o755)
    }

    /// A directory, with those above it.
    #[must_use]
    pub fn dir(self, path: impl AsRef<Path>) -> Self {
        self.build(path.as_ref(), |tree, path, maker| match tree.create_dir(path, None, maker) {
            Err(Fail::Errno(Errno::EXIST)) => Ok(()),
            other => other,
        })
    }

    /// A symbolic link, with the directories above it.
    #[must_use]
    pub fn link(self, target: impl AsRef<Path>, path: impl AsRef<Path>) -> Self {
        self.build(path.as_ref(), |tree, path, maker| tree.symlink(target.as_ref(), path, maker))
    }

    #[must_use]
    pub fn mode(self, path: impl AsRef<Path>, mode: u32) -> Self {
        self.attrs(path.as_ref(), &Attrs { mode: Some(mode), ..Attrs::default() })
    }

    #[must_use]
    pub fn owner(self, path: impl AsRef<Path>, uid: u32, gid: u32) -> Self {
        self.attrs(path.as_ref(), &Attrs { uid: Some(uid), gid: Some(gid), ..Attrs::default() })
    }

    /// Seconds since 1970.
    #[must_use]
    pub fn mtime(self, path: impl AsRef<Path>, mtime: f64) -> Self {
        self.attrs(path.as_ref(), &Attrs { mtime: Some(mtime), ..Attrs::default() })
    }

    /// A line in passwd, and a group of the same name and number; the home directory is `/home/NAME` and not made.
    #[must_use]
    pub fn user(self, name: &str, uid: u32) -> Self {
        let line = format!("{name}:x:{uid}:{uid}::/home/{name}:/bin/sh\n");
        self.append("/etc/passwd", &line).group(name, uid)
    }

    /// A line in group.
    #[must_use]
    pub fn group(self, name: &str, gid: u32) -> Self {
        self.append("/etc/group", &format!("{name}:x:{gid}:\n"))
    }

    /// What the machine's clock says, in seconds since 1970.
    #[must_use]
    pub fn clock(self, now: f64) -> Self {
        self.clock.set(now);
        self
    }

    /// The calls are made as this user (permissions are not simulated; new files are theirs).
    #[must_use]
    pub fn as_user(mut self, uid: u32, gid: u32) -> Self {
        (self.uid, self.gid) = (uid, gid);
        self
    }

    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.insert(name.into(), value.into());
        self
    }

    /// What a command with exactly these words answers. Later answers go before earlier ones.
    #[must_use]
    pub fn answer(self, argv: &[&str], rc: i32, stdout: &str) -> Self {
        let argv: Vec<OsString> = argv.iter().map(OsString::from).collect();
        let output = Output { rc, stdout: stdout.into(), stderr: Vec::new() };
        self.on_command(move |command| (command.argv == argv).then(|| output.clone()))
    }

    /// Answers the commands it has an answer for. Later ones are asked before earlier ones.
    #[must_use]
    pub fn on_command(self, handler: impl Fn(&Command) -> Option<Output> + Send + Sync + 'static) -> Self {
        self.on_command_with(move |_, command| handler(command))
    }

    /// As [`Memory::on_command`], for commands that change the machine: a `useradd` that writes to `/etc/passwd`.
    #[must_use]
    pub fn on_command_with(
        mut self,
        handler: impl Fn(&Memory, &Command) -> Option<Output> + Send + Sync + 'static,
    ) -> Self {
        self.handlers.push(Arc::new(handler));
        self
    }

    /// Every change of what stands at `path` fails with this error number (28: no space left).
    #[must_use]
    pub fn fail_write(mut self, path: impl AsRef<Path>, errno: i32) -> Self {
        self.faults.insert(path.as_ref().to_owned(), errno);
        self
    }

    fn attrs(self, path: &Path, attrs: &Attrs) -> Self {
        let now = self.clock.get();
        self.build(path, |tree, path, _| tree.set_attrs(path, attrs, false, now))
    }

    fn append(self, path: &str, line: &str) -> Self {
        let text = self.text(path) + line;
        self.file(path, text)
    }

    fn build(
        self,
        path: &Path,
        change: impl FnOnce(&mut Tree<Nothing>, &Path, Maker) -> Result<(), Fail>,
    ) -> Self {
        let maker = self.maker();
        {
            let mut tree = self.tree.borrow_mut();
            let done = tree.create_parents(path, maker).and_then(|()| change(&mut tree, path, maker));
            if let Err(fail) = done {
                panic!("the test's machine: {}", fail.into_error("build", path));
            }
        }
        self
    }
}

/// Looking at what was done.
impl Memory {
    /// A file's content as text; panics when it is not there.
    pub fn text(&self, path: impl AsRef<Path>) -> String {
        match self.read(path.as_ref()) {
            Ok(data) => crate::text::bytes_to_text(&data),
            Err(error) => panic!("the test's machine: {error}"),
        }
    }

    /// Metadata without following a final link.
    pub fn meta(&self, path: impl AsRef<Path>) -> Option<Meta> {
        self.stat(path.as_ref(), false).ok().flatten()
    }

    pub fn exists(&self, path: impl AsRef<Path>) -> bool {
        self.meta(path).is_some()
    }

    /// Every command that was run, in order; queries are not among them.
    pub fn ran(&self) -> Vec<Command> {
        self.ran.borrow().clone()
    }

    /// Every query that was made, in order.
    pub fn queried(&self) -> Vec<Command> {
        self.queried.borrow().clone()
    }

    /// Every [`System::note`]: what, before, after.
    pub fn notes(&self) -> Vec<(String, String, String)> {
        self.notes.borrow().clone()
    }

    /// Lets time pass.
    pub fn advance(&self, seconds: f64) {
        self.clock.set(self.clock.get() + seconds);
    }

    fn maker(&self) -> Maker {
        Maker { uid: self.uid, gid: self.gid, umask: self.umask, now: self.clock.get() }
    }

    fn change(
        &self,
        verb: &str,
        path: &Path,
        change: impl FnOnce(&mut Tree<Nothing>) -> Result<(), Fail>,
    ) -> SysResult<()> {
        if let Some(errno) = self.faults.get(path) {
            return Err(SysError::errno(verb, path, *errno));
        }
        change(&mut self.tree.borrow_mut()).map_err(|fail| fail.into_error(verb, path))
    }

    fn handle(&self, command: &Command) -> SysResult<Output> {
        let answer = self.handlers.iter().rev().find_map(|handler| handler(self, command));
        answer.ok_or_else(|| {
            let doing = format!("run {}", command.display());
            SysError { doing, ..SysError::errno("", Path::new(""), Errno::NOENT.raw_os_error()) }
        })
    }
}

impl System for Memory {
    fn stat(&self, path: &Path, follow: bool) -> SysResult<Option<Meta>> {
        self.tree.borrow().stat(path, follow).map_err(|fail| fail.into_error("stat", path))
    }

    fn read(&self, path: &Path) -> SysResult<Vec<u8>> {
        match self.tree.borrow().content(path).map_err(|fail| fail.into_error("read", path))? {
            Content::Bytes(bytes) => Ok(bytes.to_vec()),
            Content::Below(_) | Content::Sums(..) => {
                Err(SysError::errno("read", path, Errno::IO.raw_os_error()))
            }
        }
    }

    fn open(&self, path: &Path) -> SysResult<Box<dyn Read>> {
        Ok(Box::new(Cursor::new(self.read(path)?)))
    }

    fn read_dir(&self, path: &Path) -> SysResult<Vec<OsString>> {
        self.tree.borrow().names(path).map_err(|fail| fail.into_error("read directory", path))
    }

    fn read_link(&self, path: &Path) -> SysResult<PathBuf> {
        self.tree.borrow().target(path).map_err(|fail| fail.into_error("read link", path))
    }

    fn digest(&self, path: &Path, algorithm: &str) -> SysResult<String> {
        digest::digest_of(&self.read(path)?, algorithm).ok_or_else(|| digest::unknown(algorithm))
    }

    fn write(&self, path: &Path, data: &mut dyn Read, new: &NewFile) -> SysResult<()> {
        let content = Content::take(data, u64::MAX - 1)
            .map_err(|e| SysError::io("read the new content of", path, &e))?;
        self.change("write", path, |tree| tree.write(path, content, new, self.maker()))
    }

    fn create_dir(&self, path: &Path, mode: Option<u32>) -> SysResult<()> {
        self.change("create directory", path, |tree| tree.create_dir(path, mode, self.maker()))
    }

    fn remove_file(&self, path: &Path) -> SysResult<()> {
        self.change("remove", path, |tree| tree.remove_file(path, self.now()))
    }

    fn remove_dir(&self, path: &Path) -> SysResult<()> {
        self.change("remove directory", path, |tree| tree.remove_dir(path, false, self.now()))
    }

    fn remove_tree(&self, path: &Path) -> SysResult<()> {
        self.change("remove directory", path, |tree| tree.remove_dir(path, true, self.now()))
    }

    fn rename(&self, from: &Path, to: &Path) -> SysResult<()> {
        self.change("rename", to, |_| Ok(()))?;
        self.change("rename", from, |tree| tree.rename(from, to, self.now()))
    }

    fn symlink(&self, target: &Path, link: &Path) -> SysResult<()> {
        self.change("create symbolic link", link, |tree| tree.symlink(target, link, self.maker()))
    }

    fn hard_link(&self, original: &Path, link: &Path) -> SysResult<()> {
        self.change("create hard link", link, |tree| tree.hard_link(original, link, self.now()))
    }

    fn set_attrs(&self, path: &Path, attrs: &Attrs, follow: bool) -> SysResult<()> {
        self.change("set the attributes of", path, |tree| tree.set_attrs(path, attrs, follow, self.now()))
    }

    fn user(&self, name: &str) -> SysResult<Option<User>> {
        match self.read(Path::new("/etc/passwd")) {
            Ok(passwd) => Ok(accounts::find_user(&passwd, name)),
            Err(e) if e.is_not_found() => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn group(&self, name: &str) -> SysResult<Option<Group>> {
        match self.read(Path::new("/etc/group")) {
            Ok(group) => Ok(accounts::find_group(&group, name)),
            Err(e) if e.is_not_found() => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn identity(&self) -> Identity {
        let user = self.user(&self.uid.to_string()).ok().flatten();
        let (user, home) =
            user.map_or_else(|| (self.uid.to_string(), "/".into()), |user| (user.name, user.home));
        Identity { uid: self.uid, gid: self.gid, user, home }
    }

    fn umask(&self) -> u32 {
        self.umask
    }

    fn environment(&self) -> BTreeMap<OsString, OsString> {
        self.env.clone()
    }

    fn now(&self) -> f64 {
        self.clock.get()
    }

    fn make_temp(&self, dir: Option<&Path>, data: &mut dyn Read, mode: u32) -> SysResult<PathBuf> {
        let name = format!(".provision-temp-{}", self.temps.borrow().len());
        let path = dir.unwrap_or(Path::new("/tmp")).join(name);
        self.write(&path, data, &NewFile { mode: Some(mode), ..NewFile::default() })?;
        self.temps.borrow_mut().push(path.clone());
        Ok(path)
    }

    fn remove_temp(&self, path: &Path) -> SysResult<()> {
        if !self.temps.borrow().iter().any(|temp| temp == path) {
            return Err(SysError::errno("remove temporary file", path, Errno::INVAL.raw_os_error()));
        }
        match self.remove_file(path) {
            Err(e) if !e.is_not_found() => Err(e),
            _ => Ok(()),
        }
    }

    fn query(&self, command: &Command) -> SysResult<Output> {
        self.queried.borrow_mut().push(command.clone());
        self.handle(command)
    }

    fn run(&self, command: &Command, _effect: Effect) -> SysResult<Ran> {
        self.ran.borrow_mut().push(command.clone());
        self.handle(command).map(Ran::Done)
    }

    fn note(&self, what: &str, before: &str, after: &str) -> SysResult<()> {
        self.notes.borrow_mut().push((what.to_owned(), before.to_owned(), after.to_owned()));
        Ok(())
    }
}

/// There is nothing below a machine in memory.
struct Nothing;

impl Below for Nothing {
    fn lstat(&self, _path: &Path) -> SysResult<Option<Meta>> {
        Ok(None)
    }
    fn open(&self, path: &Path) -> SysResult<Box<dyn Read>> {
        Err(nothing(path))
    }
    fn names(&self, path: &Path) -> SysResult<Vec<OsString>> {
        Err(nothing(path))
    }
    fn target(&self, path: &Path) -> SysResult<PathBuf> {
        Err(nothing(path))
    }
    fn digest(&self, path: &Path, _algorithm: &str) -> SysResult<String> {
        Err(nothing(path))
    }
}

fn nothing(path: &Path) -> SysError {
    SysError::errno("read", path, Errno::NOENT.raw_os_error())
}
