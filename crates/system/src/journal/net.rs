//! The net effect of a record: per path what was there first and what is there last.

use super::{Mutation, Snapshot};
use crate::{Attrs, Effect, FileKind};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Whether the record is a change to a user: one that was undone within it is none, upkeep is none.
pub fn changed(mutations: &[Mutation]) -> bool {
    let command = |mutation: &Mutation| matches!(mutation, Mutation::Command { effect: Effect::Change, .. });
    mutations.iter().any(command)
        || net(mutations).iter().any(Entry::differs)
        || notes(mutations).iter().any(|(_, before, after)| before != after)
}

/// Notes by what they speak of: first before, last after.
pub(super) fn notes(mutations: &[Mutation]) -> Vec<(&str, &str, &str)> {
    let mut all: Vec<(&str, &str, &str)> = Vec::new();
    for mutation in mutations {
        let Mutation::Note { what, before, after } = mutation else { continue };
        match all.iter_mut().find(|(known, ..)| known == what) {
            Some((_, _, last)) => *last = after,
            None => all.push((what, before, after)),
        }
    }
    all
}

/// One path's way through a record.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    pub path: PathBuf,
    pub first: Option<State<'a>>,
    pub last: Option<State<'a>>,
}

/// What is known of a path at one time: a change of attributes tells of nothing else.
#[derive(Debug, Clone)]
pub(super) struct State<'a> {
    pub kind: FileKind,
    pub mode: Option<u32>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    pub mtime: Option<f64>,
    pub atime: Option<f64>,
    pub content: Option<&'a Snapshot>,
}

impl Entry<'_> {
    pub fn differs(&self) -> bool {
        match (&self.first, &self.last) {
            (None, None) => false,
            (Some(first), Some(last)) => first.differs(last),
            _ => true,
        }
    }
}

impl State<'_> {
    pub fn content_differs(&self, last: &Self) -> bool {
        match (self.content, last.content) {
            (Some(first), Some(last)) => !std::ptr::eq(first, last) && !first.same_content(last),
            _ => false,
        }
    }

    fn differs(&self, last: &Self) -> bool {
        let number =
            |one: Option<u32>, other: Option<u32>| one.zip(other).is_some_and(|(one, other)| one != other);
        // A write moves the times by itself: only those that were set count.
        let time = |one: Option<f64>, other: Option<f64>| other.is_some() && one != other;
        self.kind != last.kind
            || number(self.mode, last.mode)
            || number(self.uid, last.uid)
            || number(self.gid, last.gid)
            || time(self.mtime, last.mtime)
            || time(self.atime, last.atime)
            || self.content_differs(last)
    }
}

impl<'a> From<&'a Snapshot> for State<'a> {
    fn from(snapshot: &'a Snapshot) -> Self {
        let Snapshot { kind, mode, uid, gid, .. } = *snapshot;
        let numbers = (Some(mode), Some(uid), Some(gid));
        Self {
            kind,
            mode: numbers.0,
            uid: numbers.1,
            gid: numbers.2,
            mtime: None,
            atime: None,
            content: Some(snapshot),
        }
    }
}

impl<'a> State<'a> {
    fn of(kind: FileKind, attrs: &Attrs) -> Self {
        let Attrs { mode, uid, gid, mtime, atime } = *attrs;
        Self { kind, mode, uid, gid, mtime, atime, content: None }
    }

    fn set(&mut self, attrs: &Attrs) {
        self.mode = attrs.mode.or(self.mode);
        self.uid = attrs.uid.or(self.uid);
        self.gid = attrs.gid.or(self.gid);
        self.mtime = attrs.mtime.or(self.mtime);
        self.atime = attrs.atime.or(self.atime);
    }

    /// What was not known before is what a later look tells: nothing had touched it until then.
    fn fill(&mut self, later: &State<'a>) {
        self.mode = self.mode.or(later.mode);
        self.uid = self.uid.or(later.uid);
        self.gid = self.gid.or(later.gid);
        self.mtime = self.mtime.or(later.mtime);
        self.atime = self.atime.or(later.atime);
        self.content = self.content.or(later.content);
    }
}

/// One entry per path that was touched, in the order of the first touch.
pub(super) fn net(mutations: &[Mutation]) -> Vec<Entry<'_>> {
    let mut net = Net::default();
    for mutation in mutations {
        net.add(mutation);
    }
    net.entries
}

#[derive(Default)]
struct Net<'a> {
    entries: Vec<Entry<'a>>,
    index: HashMap<PathBuf, usize>,
}

impl<'a> Net<'a> {
    fn add(&mut self, mutation: &'a Mutation) {
        match mutation {
            Mutation::Write { path, before, after }
            | Mutation::Symlink { path, before, after }
            | Mutation::HardLink { path, before, after, .. } => {
                self.touch(path, before.as_ref().map(State::from), Some(after.into()));
            }
            Mutation::CreateDir { path, after } => self.touch(path, None, Some(after.into())),
            Mutation::Remove { path, before, below, .. } => {
                for under in below {
                    self.touch(&under.path, Some((&under.snapshot).into()), None);
                }
                self.below(path).into_iter().for_each(|id| self.entries[id].last = None);
                self.touch(path, Some(before.into()), None);
            }
            Mutation::Rename { from, to, moved, replaced } => {
                for id in self.below(from) {
                    let last = self.entries[id].last.take();
                    let Ok(rest) = self.entries[id].path.strip_prefix(from) else { continue };
                    let path = to.join(rest);
                    self.touch(&path, None, last);
                }
                self.touch(from, Some(moved.into()), None);
                self.touch(to, replaced.as_ref().map(State::from), Some(moved.into()));
            }
            Mutation::Attrs { path, before, after, kind, .. } => {
                let (before, after_state) = (State::of(*kind, before), State::of(*kind, after));
                match self.index.get(path).map(|&id| &mut self.entries[id]) {
                    Some(entry) => {
                        if let Some(first) = &mut entry.first {
                            first.fill(&before);
                        }
                        match &mut entry.last {
                            Some(last) => last.set(after),
                            last => *last = Some(after_state),
                        }
                    }
                    None => self.touch(path, Some(before), Some(after_state)),
                }
            }
            Mutation::Command { .. } | Mutation::Note { .. } | Mutation::User(_) | Mutation::Group(_) => {}
        }
    }

    fn touch(&mut self, path: &Path, before: Option<State<'a>>, after: Option<State<'a>>) {
        match self.index.get(path) {
            Some(&id) => {
                let entry = &mut self.entries[id];
                if let (Some(first), Some(before)) = (&mut entry.first, &before) {
                    first.fill(before);
                }
                entry.last = after;
            }
            None => {
                self.index.insert(path.to_owned(), self.entries.len());
                self.entries.push(Entry { path: path.to_owned(), first: before, last: after });
            }
        }
    }

    fn below(&self, dir: &Path) -> Vec<usize> {
        let inside = |entry: &Entry<'_>| entry.path != dir && entry.path.starts_with(dir);
        (0..self.entries.len()).filter(|&id| inside(&self.entries[id])).collect()
    }
}
