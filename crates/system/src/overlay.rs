//! The dry run: a layer in memory over a machine that cannot be written to.

use crate::tree::{Below, Content, Fail, Maker, Nodes, Tree};
use crate::{
    Attrs, Command, Effect, Group, Identity, Meta, Mutation, NewFile, Output, Ran, Snapshot, SysError,
    SysResult, System, User, digest,
};
use lower::Lower;
use rustix::io::Errno;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

/// Contents up to this size are kept in the layer, in bytes; of larger ones only size and digests.
const KEPT: u64 = crate::journal::KEPT;

/// A dry run over `S`: changes land in the layer, reads see them over what is there.
///
/// Permissions are not simulated. A query sees the machine as it is, not the layer.
pub struct Overlay<S> {
    tree: RefCell<Tree<Lower<S>>>,
    users: RefCell<Vec<User>>,
    groups: RefCell<Vec<Group>>,
    uncertain: Cell<bool>,
}

/// What a dry run has changed so far, apart from the machine it is laid over: the next task may have another
/// environment.
#[derive(Default)]
pub struct Layer {
    nodes: Option<Nodes>,
    users: Vec<User>,
    groups: Vec<Group>,
    uncertain: bool,
}

impl<S: System> Overlay<S> {
    /// A dry run that starts from the machine as it is.
    pub fn new(machine: S) -> Self {
        Self::with_layer(machine, Layer::default())
    }

    /// A dry run that goes on where another one over the same machine ended.
    pub fn with_layer(machine: S, layer: Layer) -> Self {
        let lower = Lower::new(machine);
        let tree = match layer.nodes {
            Some(nodes) => Tree::with_nodes(lower, nodes),
            None => Tree::new(lower, true),
        };
        Self {
            tree: RefCell::new(tree),
            users: RefCell::new(layer.users),
            groups: RefCell::new(layer.groups),
            uncertain: Cell::new(layer.uncertain),
        }
    }

    /// The changes, for [`Overlay::with_layer`].
    pub fn into_layer(self) -> Layer {
        Layer {
            nodes: Some(self.tree.into_inner().into_nodes()),
            users: self.users.into_inner(),
            groups: self.groups.into_inner(),
            uncertain: self.uncertain.get(),
        }
    }

    /// Lays what another dry run recorded under this one, as if it had been made here. Contents that the record
    /// does not hold (secret or large ones) cannot be read afterwards, but have their digest.
    pub fn apply(&self, mutations: &[Mutation]) -> SysResult<()> {
        mutations.iter().try_for_each(|mutation| self.apply_one(mutation))
    }

    fn apply_one(&self, mutation: &Mutation) -> SysResult<()> {
        match mutation {
            Mutation::Write { path, after, .. } => self.place(path, after),
            Mutation::Symlink { path, after, .. } => self.place(path, after),
            Mutation::CreateDir { path, after } => self.place(path, after),
            Mutation::Remove { path, .. } => {
                let mut tree = self.tree.borrow_mut();
                let now = tree.below().now();
                let gone = match tree.remove_dir(path, true, now) {
                    Err(Fail::Errno(Errno::NOTDIR)) => tree.remove_file(path, now),
                    other => other,
                };
                match gone {
                    Ok(()) | Err(Fail::Errno(Errno::NOENT | Errno::NOTDIR)) => Ok(()),
                    Err(fail) => Err(fail.into_error("remove", path)),
                }
            }
            Mutation::Rename { from, to, .. } => self.rename(from, to),
            Mutation::HardLink { path, original, .. } => self.hard_link(original, path),
            Mutation::Attrs { path, after, follow, .. } => self.set_attrs(path, after, *follow),
            Mutation::Command { effect, ran, .. } => {
                if *effect == Effect::Change && !ran {
                    self.uncertain.set(true);
                }
                Ok(())
            }
            Mutation::Note { .. } => Ok(()),
            Mutation::User(user) => {
                self.predict_user(user);
                Ok(())
            }
            Mutation::Group(group) => {
                self.predict_group(group);
                Ok(())
            }
        }
    }

    /// Puts what a snapshot describes at `path`.
    fn place(&self, path: &Path, snapshot: &Snapshot) -> SysResult<()> {
        let new = NewFile {
            mode: Some(snapshot.mode),
            uid: Some(snapshot.uid),
            gid: Some(snapshot.gid),
            secret: false,
        };
        let attrs = Attrs { mode: new.mode, uid: new.uid, gid: new.gid, ..Attrs::default() };
        let maker = self.maker();
        let tree = &mut *self.tree.borrow_mut();
        let mut place = || {
            tree.create_parents(path, maker)?;
            match (&snapshot.target, snapshot.kind) {
                (Some(target), _) => tree.symlink(&crate::text::to_path(target), path, maker),
                (None, crate::FileKind::Dir) => match tree.create_dir(path, None, maker) {
                    Ok(()) | Err(Fail::Errno(Errno::EXIST)) => tree.set_attrs(path, &attrs, false, maker.now),
                    other => other,
                },
                _ => {
                    let content = match &snapshot.content {
                        Some(data) => Content::Bytes(data.as_slice().into()),
                        None => {
                            let sum = snapshot.sha256.iter().map(|sum| ("sha256", sum.clone()));
                            Content::Sums(sum.collect(), snapshot.size)
                        }
                    };
                    tree.write(path, content, &new, maker)
                }
            }
        };
        place().map_err(|fail| fail.into_error("predict", path))
    }

    fn maker(&self) -> Maker {
        let Identity { uid, gid, .. } = self.identity();
        Maker { uid, gid, umask: self.umask(), now: self.now() }
    }

    /// Makes a change in the layer. What a command that has not run might have made is taken to be there: the
    /// directories above `path`.
    fn change(
        &self,
        verb: &str,
        path: &Path,
        mut change: impl FnMut(&mut Tree<Lower<S>>, Maker) -> Result<(), Fail>,
    ) -> SysResult<()> {
        let maker = self.maker();
        let tree = &mut *self.tree.borrow_mut();
        let done = match change(tree, maker) {
            Err(Fail::Errno(Errno::NOENT)) if self.uncertain.get() => {
                tree.create_parents(path, maker).and_then(|()| change(tree, maker))
            }
            other => other,
        };
        done.map_err(|fail| fail.into_error(verb, path))
    }

    fn content(&self, path: &Path) -> SysResult<Content> {
        self.tree.borrow().content(path).map_err(|fail| fail.into_error("read", path))
    }
}

impl<S: System> System for Overlay<S> {
    fn stat(&self, path: &Path, follow: bool) -> SysResult<Option<Meta>> {
        self.tree.borrow().stat(path, follow).map_err(|fail| fail.into_error("stat", path))
    }

    fn read(&self, path: &Path) -> SysResult<Vec<u8>> {
        let mut data = Vec::new();
        self.open(path)?.read_to_end(&mut data).map_err(|e| SysError::io("read", path, &e))?;
        Ok(data)
    }

    fn open(&self, path: &Path) -> SysResult<Box<dyn Read>> {
        match self.content(path)? {
            Content::Below(path) => self.tree.borrow().below().open(&path),
            Content::Bytes(bytes) => Ok(Box::new(Cursor::new(bytes))),
            Content::Sums(_, size) => Err(not_kept(path, size)),
        }
    }

    fn read_dir(&self, path: &Path) -> SysResult<Vec<OsString>> {
        self.tree.borrow().names(path).map_err(|fail| fail.into_error("read directory", path))
    }

    fn read_link(&self, path: &Path) -> SysResult<PathBuf> {
        self.tree.borrow().target(path).map_err(|fail| fail.into_error("read link", path))
    }

    fn digest(&self, path: &Path, algorithm: &str) -> SysResult<String> {
        let sum = match self.content(path)? {
            Content::Below(path) => return self.tree.borrow().below().digest(&path, algorithm),
            Content::Bytes(bytes) => digest::digest_of(&bytes, algorithm),
            Content::Sums(sums, size) if digest::ALGORITHMS.contains(&algorithm) => {
                return sums.get(algorithm).cloned().ok_or_else(|| not_kept(path, size));
            }
            Content::Sums(..) => None,
        };
        sum.ok_or_else(|| digest::unknown(algorithm))
    }

    fn write(&self, path: &Path, data: &mut dyn Read, new: &NewFile) -> SysResult<()> {
        // First all is read: the data may come from this very layer.
        let content =
            Content::take(data, KEPT).map_err(|e| SysError::io("read the new content of", path, &e))?;
        self.change("write", path, |tree, maker| tree.write(path, content.clone(), new, maker))
    }

    fn create_dir(&self, path: &Path, mode: Option<u32>) -> SysResult<()> {
        self.change("create directory", path, |tree, maker| tree.create_dir(path, mode, maker))
    }

    fn remove_file(&self, path: &Path) -> SysResult<()> {
        self.change("remove", path, |tree, maker| tree.remove_file(path, maker.now))
    }

    fn remove_dir(&self, path: &Path) -> SysResult<()> {
        self.change("remove directory", path, |tree, maker| tree.remove_dir(path, false, maker.now))
    }

    fn remove_tree(&self, path: &Path) -> SysResult<()> {
        self.change("remove directory", path, |tree, maker| tree.remove_dir(path, true, maker.now))
    }

    fn rename(&self, from: &Path, to: &Path) -> SysResult<()> {
        self.change("rename", to, |tree, maker| tree.rename(from, to, maker.now))
    }

    fn symlink(&self, target: &Path, link: &Path) -> SysResult<()> {
        self.change("create symbolic link", link, |tree, maker| tree.symlink(target, link, maker))
    }

    fn hard_link(&self, original: &Path, link: &Path) -> SysResult<()> {
        self.change("create hard link", link, |tree, maker| tree.hard_link(original, link, maker.now))
    }

    fn set_attrs(&self, path: &Path, attrs: &Attrs, follow: bool) -> SysResult<()> {
        self.change("set the attributes of", path, |tree, maker| {
            tree.set_attrs(path, attrs, follow, maker.now)
        })
    }

    fn user(&self, name: &str) -> SysResult<Option<User>> {
        let users = self.users.borrow();
        let predicted = users.iter().rev().find(|user| user.name == name);
        match predicted.or_else(|| users.iter().rev().find(|user| user.uid.to_string() == name)) {
            Some(user) => Ok(Some(user.clone())),
            None => self.tree.borrow().below().user(name),
        }
    }

    fn group(&self, name: &str) -> SysResult<Option<Group>> {
        let groups = self.groups.borrow();
        let predicted = groups.iter().rev().find(|group| group.name == name);
        match predicted.or_else(|| groups.iter().rev().find(|group| group.gid.to_string() == name)) {
            Some(group) => Ok(Some(group.clone())),
            None => self.tree.borrow().below().group(name),
        }
    }

    fn predict_user(&self, user: &User) {
        self.users.borrow_mut().push(user.clone());
    }

    fn predict_group(&self, group: &Group) {
        self.groups.borrow_mut().push(group.clone());
    }

    fn identity(&self) -> Identity {
        self.tree.borrow().below().identity()
    }

    fn umask(&self) -> u32 {
        self.tree.borrow().below().umask()
    }

    fn environment(&self) -> BTreeMap<OsString, OsString> {
        self.tree.borrow().below().environment()
    }

    fn now(&self) -> f64 {
        self.tree.borrow().below().now()
    }

    fn make_temp(&self, dir: Option<&Path>, _data: &mut dyn Read, _mode: u32) -> SysResult<PathBuf> {
        let dir = crate::text::to_text(dir.unwrap_or(Path::new("/tmp")).as_os_str());
        Err(SysError::not_in_dry_run(format!("make a temporary file in {dir}")))
    }

    fn remove_temp(&self, path: &Path) -> SysResult<()> {
        // None was ever made here.
        Err(SysError::errno("remove temporary file", path, Errno::INVAL.raw_os_error()))
    }

    fn query(&self, command: &Command) -> SysResult<Output> {
        self.tree.borrow().below().query(command)
    }

    fn run(&self, _command: &Command, effect: Effect) -> SysResult<Ran> {
        if effect == Effect::Change {
            self.uncertain.set(true);
        }
        Ok(Ran::NotRun)
    }

    fn note(&self, _what: &str, _before: &str, _after: &str) -> SysResult<()> {
        Ok(())
    }

    fn uncertain(&self) -> bool {
        self.uncertain.get()
    }

    fn dry(&self) -> bool {
        true
    }
}

fn not_kept(path: &Path, size: u64) -> SysError {
    let mut error = SysError::not_in_dry_run(format!("read {}", crate::text::to_text(path.as_os_str())));
    error.why = format!("its new content ({size} bytes) is not kept in a dry run");
    error
}

/// The wall: what is on this side of it can only look.
mod lower {
    use super::{
        BTreeMap, Below, Command, Group, Identity, Meta, OsString, Output, Path, PathBuf, Read, SysResult,
        System, User,
    };

    /// A machine of which nothing but the reading half can be reached.
    pub(super) struct Lower<S>(S);

    impl<S: System> Lower<S> {
        pub fn new(machine: S) -> Self {
            Self(machine)
        }
        pub fn user(&self, name: &str) -> SysResult<Option<User>> {
            self.0.user(name)
        }
        pub fn group(&self, name: &str) -> SysResult<Option<Group>> {
            self.0.group(name)
        }
        pub fn identity(&self) -> Identity {
            self.0.identity()
        }
        pub fn umask(&self) -> u32 {
            self.0.umask()
        }
        pub fn environment(&self) -> BTreeMap<OsString, OsString> {
            self.0.environment()
        }
        pub fn now(&self) -> f64 {
            self.0.now()
        }
        pub fn query(&self, command: &Command) -> SysResult<Output> {
            self.0.query(command)
        }
    }

    impl<S: System> Below for Lower<S> {
        fn lstat(&self, path: &Path) -> SysResult<Option<Meta>> {
            self.0.stat(path, false)
        }
        fn open(&self, path: &Path) -> SysResult<Box<dyn Read>> {
            self.0.open(path)
        }
        fn names(&self, path: &Path) -> SysResult<Vec<OsString>> {
            self.0.read_dir(path)
        }
        fn target(&self, path: &Path) -> SysResult<PathBuf> {
            self.0.read_link(path)
        }
        fn digest(&self, path: &Path, algorithm: &str) -> SysResult<String> {
            self.0.digest(path, algorithm)
        }
    }
}
