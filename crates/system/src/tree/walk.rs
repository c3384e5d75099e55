//! Finding the way: path resolution as the kernel does it.

use super::{Below, Body, Content, Fail, Inode, Tree};
use crate::{FileKind, Meta};
use rustix::io::Errno;
use std::collections::{BTreeMap, VecDeque};
use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};

/// Symbolic links the kernel follows in one look-up.
const MOST_LINKS: usize = 40;
const NAME_MAX: usize = 255;

/// Something that exists.
#[derive(Debug, Clone)]
pub(super) enum Place {
    Node(usize),
    /// Untouched so far: its path on the machine below, free of symbolic links.
    Below(PathBuf, Meta),
}

/// Where a path leads.
#[derive(Debug)]
pub(super) struct Walk {
    /// Names from the root to the directory it is in, links resolved.
    pub above: Vec<OsString>,
    pub parent: Place,
    /// `None` for the root and for what ends in `..`: such a path names no entry of its parent.
    pub name: Option<OsString>,
    pub found: Option<Place>,
}

impl Walk {
    pub fn path(&self) -> Vec<OsString> {
        self.above.iter().chain(&self.name).cloned().collect()
    }
}

enum Step {
    Up,
    Into(OsString),
}

impl<B: Below> Tree<B> {
    /// Resolves `path`; the last name may be missing, those above may not.
    pub(super) fn walk(&self, path: &Path, follow: bool) -> Result<Walk, Fail> {
        if !path.is_absolute() {
            return Err(Errno::INVAL.into());
        }
        let mut ahead = steps(path);
        // The way from the root: names, and what they lead to.
        let mut way: Vec<(OsString, Place)> = Vec::new();
        let mut links = 0;
        while let Some(step) = ahead.pop_front() {
            let Step::Into(name) = step else {
                way.pop();
                continue;
            };
            let here = way.last().map_or(Place::Node(0), |(_, place)| place.clone());
            let found = self.child(&here, &name)?;
            let last = ahead.is_empty();
            let Some(found) = found else {
                if !last {
                    return Err(Errno::NOENT.into());
                }
                return Ok(Walk { above: names(&way), parent: here, name: Some(name), found: None });
            };
            if self.meta(&found).is_link() && (follow || !last) {
                links += 1;
                if links > MOST_LINKS {
                    return Err(Errno::LOOP.into());
                }
                let target = self.target_at(&found)?;
                if target.is_absolute() {
                    way.clear();
                }
                let mut instead = steps(&target);
                instead.append(&mut ahead);
                ahead = instead;
                continue;
            }
            if last {
                return Ok(Walk { above: names(&way), parent: here, name: Some(name), found: Some(found) });
            }
            if !self.meta(&found).is_dir() {
                return Err(Errno::NOTDIR.into());
            }
            way.push((name, found));
        }
        let found = way.last().map_or(Place::Node(0), |(_, place)| place.clone());
        Ok(Walk { above: names(&way), parent: found.clone(), name: None, found: Some(found) })
    }

    pub(super) fn existing(&self, path: &Path, follow: bool) -> Result<Place, Fail> {
        self.walk(path, follow)?.found.ok_or_else(|| Errno::NOENT.into())
    }

    pub(super) fn meta<'a>(&'a self, place: &'a Place) -> &'a Meta {
        match place {
            Place::Node(id) => &self.inodes[*id].meta,
            Place::Below(_, meta) => meta,
        }
    }

    pub(super) fn target_at(&self, place: &Place) -> Result<PathBuf, Fail> {
        match place {
            Place::Below(path, meta) if meta.is_link() => Ok(self.below.target(path)?),
            Place::Below(..) => Err(Errno::INVAL.into()),
            Place::Node(id) => match &self.inodes[*id].body {
                Body::Link(target) => Ok(target.clone()),
                _ => Err(Errno::INVAL.into()),
            },
        }
    }

    fn child(&self, dir: &Place, name: &OsStr) -> Result<Option<Place>, Fail> {
        if name.len() > NAME_MAX {
            return Err(Errno::NAMETOOLONG.into());
        }
        let below = match dir {
            Place::Below(path, _) => path,
            Place::Node(id) => match &self.inodes[*id].body {
                Body::Dir { names, below } => match (names.get(name), below) {
                    (Some(entry), _) => return Ok(entry.map(Place::Node)),
                    (None, None) => return Ok(None),
                    (None, Some(path)) => path,
                },
                _ => return Err(Errno::NOTDIR.into()),
            },
        };
        let path = below.join(name);
        Ok(self.below.lstat(&path)?.map(|meta| match self.shared.get(&(meta.dev, meta.ino)) {
            Some(id) if several_names(&meta) => Place::Node(*id),
            _ => Place::Below(path, meta),
        }))
    }

    /// The inode of the directory a walk ended in and the name there, ready to be changed.
    pub(super) fn own_parent(&mut self, walk: &Walk) -> Result<(usize, OsString), Fail> {
        let name = walk.name.clone().ok_or(Errno::BUSY)?;
        if walk.found.as_ref().is_some_and(|place| several_names(self.meta(place))) {
            // What happens to this name shows in the link count of the others.
            self.own(&walk.path())?;
        }
        Ok((self.own(&walk.above)?, name))
    }

    /// The inode at a path free of links, taken over from below with all directories above it.
    pub(super) fn own(&mut self, path: &[OsString]) -> Result<usize, Fail> {
        let mut here = 0;
        for name in path {
            here = match self.child(&Place::Node(here), name)?.ok_or(Errno::NOENT)? {
                Place::Node(id) => {
                    // Another name of it may have been taken over before this one.
                    if let Body::Dir { names, .. } = &mut self.inodes[here].body {
                        names.insert(name.clone(), Some(id));
                    }
                    id
                }
                Place::Below(path, meta) => {
                    let body = match meta.kind {
                        FileKind::Dir => Body::Dir { below: Some(path), names: BTreeMap::new() },
                        FileKind::Symlink => Body::Link(self.below.target(&path)?),
                        FileKind::File => Body::File(Content::Below(path)),
                        _ => Body::Other,
                    };
                    let id = self.inodes.len();
                    if several_names(&meta) {
                        self.shared.insert((meta.dev, meta.ino), id);
                    }
                    self.inodes.push(Inode { meta, body });
                    if let Body::Dir { names, .. } = &mut self.inodes[here].body {
                        names.insert(name.clone(), Some(id));
                    }
                    id
                }
            };
        }
        Ok(here)
    }
}

pub(super) fn several_names(meta: &Meta) -> bool {
    !meta.is_dir() && meta.nlink > 1
}

fn steps(path: &Path) -> VecDeque<Step> {
    path.components()
        .filter_map(|part| match part {
            Component::ParentDir => Some(Step::Up),
            Component::Normal(name) => Some(Step::Into(name.to_owned())),
            _ => None,
        })
        .collect()
}

fn names(way: &[(OsString, Place)]) -> Vec<OsString> {
    way.iter().map(|(name, _)| name.clone()).collect()
}
