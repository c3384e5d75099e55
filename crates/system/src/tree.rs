//! A file tree in memory over whatever lies below it: nothing for [`crate::Memory`], a real machine for
//! [`crate::Overlay`]. Only what was touched stands here; the rest is looked up below.

mod walk;

use crate::digest::{ALGORITHMS, hasher};
use crate::{Attrs, FileKind, Meta, NewFile, SysError};
use rustix::io::Errno;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use walk::Place;

/// What a tree reads of the machine below it. There is nothing here that could write.
pub(crate) trait Below {
    /// Does not follow a final symbolic link.
    fn lstat(&self, path: &Path) -> Result<Option<Meta>, SysError>;
    fn open(&self, path: &Path) -> Result<Box<dyn Read>, SysError>;
    fn names(&self, path: &Path) -> Result<Vec<OsString>, SysError>;
    fn target(&self, path: &Path) -> Result<PathBuf, SysError>;
    fn digest(&self, path: &Path, algorithm: &str) -> Result<String, SysError>;
}

/// Why an operation failed: a number of the system's, or an error of the machine below.
#[derive(Debug)]
pub(crate) enum Fail {
    Errno(Errno),
    Below(SysError),
}

impl From<Errno> for Fail {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

impl From<SysError> for Fail {
    fn from(error: SysError) -> Self {
        Self::Below(error)
    }
}

impl Fail {
    /// In the words of the operation that failed.
    pub fn into_error(self, verb: &str, path: &Path) -> SysError {
        match self {
            Self::Errno(errno) => SysError::errno(verb, path, errno.raw_os_error()),
            Self::Below(error) => error,
        }
    }
}

/// On whose account new files are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Maker {
    pub uid: u32,
    pub gid: u32,
    pub umask: u32,
    pub now: f64,
}

/// A file's content.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    /// That of a file of the machine below.
    Below(PathBuf),
    Bytes(Arc<[u8]>),
    /// Too large to be kept: its digests by algorithm, and its size.
    Sums(BTreeMap<&'static str, String>, u64),
}

impl Content {
    /// Reads to the end, keeping at most `bound` bytes.
    pub fn take(data: &mut dyn Read, bound: u64) -> std::io::Result<Self> {
        let mut bytes = Vec::new();
        data.take(bound + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 <= bound {
            return Ok(Self::Bytes(bytes.into()));
        }
        let mut hashers: Vec<_> = ALGORITHMS.iter().filter_map(|name| Some((*name, hasher(name)?))).collect();
        let mut size = 0;
        loop {
            for (_, hasher) in &mut hashers {
                hasher.update(&bytes);
            }
            size += bytes.len() as u64;
            bytes.clear();
            if data.take(bound.max(1)).read_to_end(&mut bytes)? == 0 {
                break;
            }
        }
        let sums = hashers.into_iter().map(|(name, hasher)| (name, hex::encode(hasher.finalize()))).collect();
        Ok(Self::Sums(sums, size))
    }
}

#[derive(Debug, Clone)]
enum Body {
    File(Content),
    /// Names that stand here (`None`: removed) go before those of the directory below.
    Dir {
        below: Option<PathBuf>,
        names: BTreeMap<OsString, Option<usize>>,
    },
    Link(PathBuf),
    Other,
}

#[derive(Debug, Clone)]
struct Inode {
    meta: Meta,
    body: Body,
}

/// The changes of a tree without what is below it.
pub(crate) struct Nodes {
    inodes: Vec<Inode>,
    shared: HashMap<(u64, u64), usize>,
}

/// The tree. Inode 0 is the root.
pub(crate) struct Tree<B> {
    below: B,
    inodes: Vec<Inode>,
    /// Files of several names by device and number: a change through one name shows under the others.
    shared: HashMap<(u64, u64), usize>,
}

impl<B: Below> Tree<B> {
    /// `over`: what is not in the tree is looked up below.
    pub fn new(below: B, over: bool) -> Self {
        let from = over.then(|| PathBuf::from("/"));
        // A machine whose root cannot be looked at will say so at every further step.
        let root = from.as_ref().and_then(|root| below.lstat(root).ok().flatten());
        let maker = Maker { uid: 0, gid: 0, umask: 0, now: 0.0 };
        let meta = root.unwrap_or_else(|| fresh(FileKind::Dir, 0o755, maker, 0, 1));
        let body = Body::Dir { below: from, names: BTreeMap::new() };
        Self { below, inodes: vec![Inode { meta, body }], shared: HashMap::new() }
    }

    /// A tree that another one's changes are in, over the same machine.
    pub fn with_nodes(below: B, nodes: Nodes) -> Self {
        Self { below, inodes: nodes.inodes, shared: nodes.shared }
    }

    pub fn into_nodes(self) -> Nodes {
        Nodes { inodes: self.inodes, shared: self.shared }
    }

    pub fn below(&self) -> &B {
        &self.below
    }

    pub fn stat(&self, path: &Path, follow: bool) -> Result<Option<Meta>, Fail> {
        match self.walk(path, follow) {
            Ok(walk) => Ok(walk.found.map(|place| self.meta(&place).clone())),
            Err(Fail::Errno(Errno::NOENT | Errno::NOTDIR)) => Ok(None),
            Err(fail) => Err(fail),
        }
    }

    pub fn content(&self, path: &Path) -> Result<Content, Fail> {
        match self.existing(path, true)? {
            Place::Below(path, meta) => match meta.kind {
                FileKind::Dir => Err(Errno::ISDIR.into()),
                _ => Ok(Content::Below(path)),
            },
            Place::Node(id) => match &self.inodes[id].body {
                Body::File(content) => Ok(content.clone()),
                Body::Dir { .. } => Err(Errno::ISDIR.into()),
                Body::Link(_) | Body::Other => Err(Errno::NXIO.into()),
            },
        }
    }

    pub fn names(&self, path: &Path) -> Result<Vec<OsString>, Fail> {
        let place = self.existing(path, true)?;
        self.names_at(&place)
    }

    pub fn target(&self, path: &Path) -> Result<PathBuf, Fail> {
        let place = self.existing(path, false)?;
        self.target_at(&place)
    }

    pub fn write(&mut self, path: &Path, content: Content, new: &NewFile, maker: Maker) -> Result<(), Fail> {
        let walk = self.walk(path, false)?;
        let old = walk.found.as_ref().map(|place| self.meta(place).clone());
        match old.as_ref().map(|old| old.kind) {
            Some(FileKind::Dir) => return Err(Errno::ISDIR.into()),
            Some(FileKind::Char | FileKind::Block) => return Err(Errno::PERM.into()),
            _ => {}
        }
        let old = old.filter(Meta::is_file);
        let mode = new.mode.or(old.as_ref().map(|old| old.mode)).unwrap_or(0o666 & !maker.umask);
        let size = match &content {
            Content::Bytes(bytes) => bytes.len() as u64,
            Content::Sums(_, size) => *size,
            Content::Below(path) => self.below.lstat(path)?.map_or(0, |meta| meta.size),
        };
        let (parent, name) = self.own_parent(&walk)?;
        let id = self.add(FileKind::File, mode & 0o7777, maker, parent, Body::File(content));
        let meta = &mut self.inodes[id].meta;
        meta.size = size;
        meta.blocks = size.div_ceil(512);
        meta.uid = new.uid.or(old.as_ref().map(|old| old.uid)).unwrap_or(meta.uid);
        meta.gid = new.gid.or(old.as_ref().map(|old| old.gid)).unwrap_or(meta.gid);
        self.put(parent, name, Some(id), maker.now);
        Ok(())
    }

    pub fn create_dir(&mut self, path: &Path, mode: Option<u32>, maker: Maker) -> Result<(), Fail> {
        let walk = self.walk(path, false)?;
        if walk.found.is_some() {
            return Err(Errno::EXIST.into());
        }
        let (parent, name) = self.own_parent(&walk)?;
        let inherited = self.inodes[parent].meta.mode & 0o2000;
        let mode = mode.map_or(0o777 & !maker.umask | inherited, |mode| mode & 0o7777);
        let body = Body::Dir { below: None, names: BTreeMap::new() };
        let id = self.add(FileKind::Dir, mode, maker, parent, body);
        self.put(parent, name, Some(id), maker.now);
        Ok(())
    }

    pub fn remove_file(&mut self, path: &Path, now: f64) -> Result<(), Fail> {
        let walk = self.walk(path, false)?;
        let found = walk.found.as_ref().ok_or(Errno::NOENT)?;
        if self.meta(found).is_dir() {
            return Err(Errno::ISDIR.into());
        }
        let (parent, name) = self.own_parent(&walk)?;
        self.put(parent, name, None, now);
        Ok(())
    }

    pub fn remove_dir(&mut self, path: &Path, with_content: bool, now: f64) -> Result<(), Fail> {
        let walk = self.walk(path, false)?;
        let found = walk.found.as_ref().ok_or(Errno::NOENT)?;
        if !self.meta(found).is_dir() {
            return Err(Errno::NOTDIR.into());
        }
        if walk.name.is_none() {
            return Err(Errno::BUSY.into());
        }
        if !with_content && !self.names_at(found)?.is_empty() {
            return Err(Errno::NOTEMPTY.into());
        }
        self.unlink_below(&walk.path())?;
        let (parent, name) = self.own_parent(&walk)?;
        self.put(parent, name, None, now);
        Ok(())
    }

    pub fn rename(&mut self, from: &Path, to: &Path, now: f64) -> Result<(), Fail> {
        // In the kernel's order: the ways there, then what is at their ends.
        let source = self.walk(from, false)?;
        let target = self.walk(to, false)?;
        let moved = self.meta(source.found.as_ref().ok_or(Errno::NOENT)?).clone();
        if source.name.is_none() || target.name.is_none() {
            return Err(Errno::BUSY.into());
        }
        let (source_path, target_path) = (source.path(), target.path());
        if moved.dev != self.meta(&target.parent).dev {
            return Err(Errno::XDEV.into());
        }
        if moved.is_dir() && target_path.len() > source_path.len() && target_path.starts_with(&source_path) {
            return Err(Errno::INVAL.into());
        }
        if source_path.len() > target_path.len() && source_path.starts_with(&target_path) {
            return Err(Errno::NOTEMPTY.into());
        }
        if let Some(place) = &target.found {
            let there = self.meta(place);
            match (moved.is_dir(), there.is_dir()) {
                (false, true) => return Err(Errno::ISDIR.into()),
                (true, false) => return Err(Errno::NOTDIR.into()),
                // Two names of one file: POSIX has rename do nothing.
                _ if (there.dev, there.ino) == (moved.dev, moved.ino) => return Ok(()),
                (true, true) if !self.names_at(place)?.is_empty() => return Err(Errno::NOTEMPTY.into()),
                _ => {}
            }
        }
        let id = self.own(&source_path)?;
        let (old_parent, old_name) = self.own_parent(&source)?;
        let (new_parent, new_name) = self.own_parent(&target)?;
        self.put(new_parent, new_name, Some(id), now);
        // Not an unlinking: the inode lives on under its new name.
        self.detach(old_parent, old_name, now);
        Ok(())
    }

    pub fn symlink(&mut self, target: &Path, link: &Path, maker: Maker) -> Result<(), Fail> {
        let walk = self.walk(link, false)?;
        if walk.found.as_ref().is_some_and(|place| self.meta(place).is_dir()) {
            return Err(Errno::ISDIR.into());
        }
        let (parent, name) = self.own_parent(&walk)?;
        let id = self.add(FileKind::Symlink, 0o777, maker, parent, Body::Link(target.to_owned()));
        self.inodes[id].meta.size = target.as_os_str().len() as u64;
        self.put(parent, name, Some(id), maker.now);
        Ok(())
    }

    pub fn hard_link(&mut self, original: &Path, link: &Path, now: f64) -> Result<(), Fail> {
        let walk = self.walk(link, false)?;
        let source = self.walk(original, false)?;
        let meta = self.meta(source.found.as_ref().ok_or(Errno::NOENT)?).clone();
        if walk.found.as_ref().is_some_and(|place| self.meta(place).is_dir()) {
            return Err(Errno::ISDIR.into());
        }
        if meta.is_dir() {
            return Err(Errno::PERM.into());
        }
        if meta.dev != self.meta(&walk.parent).dev {
            return Err(Errno::XDEV.into());
        }
        let there = walk.found.as_ref().map(|place| self.meta(place));
        if there.is_some_and(|there| (there.dev, there.ino) == (meta.dev, meta.ino)) {
            return Ok(());
        }
        let id = self.own(&source.path())?;
        let (parent, name) = self.own_parent(&walk)?;
        self.inodes[id].meta.nlink += 1;
        self.put(parent, name, Some(id), now);
        Ok(())
    }

    pub fn set_attrs(&mut self, path: &Path, attrs: &Attrs, follow: bool, now: f64) -> Result<(), Fail> {
        let walk = self.walk(path, follow)?;
        let old = self.meta(walk.found.as_ref().ok_or(Errno::NOENT)?).clone();
        if old.is_link() && attrs.mode.is_some_and(|mode| mode != old.mode) {
            return Err(Errno::OPNOTSUPP.into());
        }
        let mut meta = old.clone();
        meta.uid = attrs.uid.unwrap_or(old.uid);
        meta.gid = attrs.gid.unwrap_or(old.gid);
        if (meta.uid, meta.gid) != (old.uid, old.gid) && meta.is_file() {
            // As the kernel does, whoever asks.
            let executable_group = meta.mode & 0o010 != 0;
            meta.mode &= !(0o4000 | if executable_group { 0o2000 } else { 0 });
        }
        meta.mode = attrs.mode.map_or(meta.mode, |mode| mode & 0o7777);
        meta.mtime = attrs.mtime.unwrap_or(old.mtime);
        meta.atime = attrs.atime.unwrap_or(old.atime);
        if meta != old {
            meta.ctime = now;
            let id = self.own(&walk.path())?;
            self.inodes[id].meta = meta;
        }
        Ok(())
    }

    /// Makes the directories above `path` that are missing.
    pub fn create_parents(&mut self, path: &Path, maker: Maker) -> Result<(), Fail> {
        let above: Vec<&Path> = path.ancestors().skip(1).collect();
        for dir in above.into_iter().rev() {
            match self.create_dir(dir, Some(0o755), maker) {
                Ok(()) | Err(Fail::Errno(Errno::EXIST)) => {}
                Err(fail) => return Err(fail),
            }
        }
        Ok(())
    }

    /// Takes the names in a directory that goes away from the link counts.
    fn unlink_below(&mut self, dir: &[OsString]) -> Result<(), Fail> {
        let mut dirs = vec![dir.to_vec()];
        while let Some(dir) = dirs.pop() {
            let place = self.existing(&absolute(&dir), false)?;
            for name in self.names_at(&place)? {
                let path = [&dir[..], &[name]].concat();
                let child = self.existing(&absolute(&path), false)?;
                let meta = self.meta(&child);
                if meta.is_dir() {
                    dirs.push(path);
                } else if walk::several_names(meta) {
                    let id = self.own(&path)?;
                    self.inodes[id].meta.nlink -= 1;
                }
            }
        }
        Ok(())
    }

    fn names_at(&self, place: &Place) -> Result<Vec<OsString>, Fail> {
        if !self.meta(place).is_dir() {
            return Err(Errno::NOTDIR.into());
        }
        let id = match place {
            Place::Below(path, _) => return Ok(self.below.names(path)?),
            Place::Node(id) => *id,
        };
        let Body::Dir { below, names } = &self.inodes[id].body else { return Err(Errno::NOTDIR.into()) };
        let mut all: BTreeSet<OsString> = match below {
            Some(path) => self.below.names(path)?.into_iter().collect(),
            None => BTreeSet::new(),
        };
        for (name, entry) in names {
            match entry {
                Some(_) => all.insert(name.clone()),
                None => all.remove(name),
            };
        }
        Ok(all.into_iter().collect())
    }

    fn add(&mut self, kind: FileKind, mode: u32, maker: Maker, parent: usize, body: Body) -> usize {
        let above = &self.inodes[parent].meta;
        let gid = if above.mode & 0o2000 == 0 { maker.gid } else { above.gid };
        let id = self.inodes.len();
        let meta = fresh(kind, mode, Maker { gid, ..maker }, id, above.dev);
        self.inodes.push(Inode { meta, body });
        id
    }

    /// Lets `name` in the directory stand for `entry` (`None`: nothing).
    fn put(&mut self, dir: usize, name: OsString, entry: Option<usize>, now: f64) {
        if let Body::Dir { names, .. } = &self.inodes[dir].body
            && let Some(Some(old)) = names.get(&name)
        {
            let old = *old;
            self.inodes[old].meta.nlink = self.inodes[old].meta.nlink.saturating_sub(1);
        }
        match entry {
            Some(id) => self.entry(dir, name, Some(id), now),
            None => self.detach(dir, name, now),
        }
    }

    fn detach(&mut self, dir: usize, name: OsString, now: f64) {
        self.entry(dir, name, None, now);
    }

    fn entry(&mut self, dir: usize, name: OsString, entry: Option<usize>, now: f64) {
        let Inode { meta, body: Body::Dir { below, names } } = &mut self.inodes[dir] else { return };
        if entry.is_none() && below.is_none() {
            names.remove(OsStr::new(&name));
        } else {
            names.insert(name, entry);
        }
        meta.mtime = now;
        meta.ctime = now;
    }
}

fn absolute(names: &[OsString]) -> PathBuf {
    std::iter::once(OsStr::new("/")).chain(names.iter().map(OsString::as_os_str)).collect()
}

fn fresh(kind: FileKind, mode: u32, maker: Maker, id: usize, dev: u64) -> Meta {
    Meta {
        kind,
        mode,
        uid: maker.uid,
        gid: maker.gid,
        size: 0,
        mtime: maker.now,
        atime: maker.now,
        ctime: maker.now,
        // Far from the numbers a disk gives.
        ino: (1 << 48) + id as u64,
        dev,
        nlink: if kind == FileKind::Dir { 2 } else { 1 },
        blocks: 0,
        block_size: 4096,
        rdev: 0,
    }
}
