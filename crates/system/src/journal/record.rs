//! What is recorded: owned and serialisable, it travels from the agent to the controller.

use crate::{Attrs, Effect, FileKind, Group, User};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// One change, in the order they were made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Mutation {
    Write {
        #[serde(with = "crate::text::path")]
        path: PathBuf,
        before: Option<Snapshot>,
        after: Snapshot,
    },
    CreateDir {
        #[serde(with = "crate::text::path")]
        path: PathBuf,
        after: Snapshot,
    },
    Remove {
        #[serde(with = "crate::text::path")]
        path: PathBuf,
        before: Snapshot,
        /// What was removed with a directory, parents first.
        below: Vec<Under>,
        /// False when `below` does not list all.
        complete: bool,
    },
    Rename {
        #[serde(with = "crate::text::path")]
        from: PathBuf,
        #[serde(with = "crate::text::path")]
        to: PathBuf,
        moved: Snapshot,
        /// What stood at `to`.
        replaced: Option<Snapshot>,
    },
    Symlink {
        #[serde(with = "crate::text::path")]
        path: PathBuf,
        before: Option<Snapshot>,
        after: Snapshot,
    },
    HardLink {
        #[serde(with = "crate::text::path")]
        path: PathBuf,
        #[serde(with = "crate::text::path")]
        original: PathBuf,
        before: Option<Snapshot>,
        after: Snapshot,
    },
    /// Only what changed is named, in both.
    Attrs {
        #[serde(with = "crate::text::path")]
        path: PathBuf,
        before: Attrs,
        after: Attrs,
        kind: FileKind,
        /// A symbolic link at `path` was followed.
        follow: bool,
    },
    Command {
        /// As text for a reader; arguments that are secret are left out.
        command: String,
        effect: Effect,
        /// False in a dry run.
        ran: bool,
    },
    /// A change of something that is no file.
    Note { what: String, before: String, after: String },
    /// A dry run expects this user from a command that has not run.
    User(User),
    /// A dry run expects this group from a command that has not run.
    Group(Group),
}

/// What stood at a path.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    pub kind: FileKind,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// Bytes.
    pub size: u64,
    /// Of a file's content, lower-case hex; `None` when it was too large or could not be read.
    pub sha256: Option<String>,
    /// Of a file, unless it is secret or large.
    pub content: Option<Vec<u8>>,
    /// Of a symbolic link, as text (see [`crate::text`]).
    pub target: Option<String>,
    /// The content must not be shown.
    pub secret: bool,
}

/// Something in a removed directory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Under {
    #[serde(with = "crate::text::path")]
    pub path: PathBuf,
    pub snapshot: Snapshot,
}

impl Snapshot {
    /// Whether nothing a user would call a change lies between the two.
    pub fn same(&self, other: &Self) -> bool {
        (self.kind, self.mode, self.uid, self.gid) == (other.kind, other.mode, other.uid, other.gid)
            && self.same_content(other)
    }

    /// Contents whose digest is not known are taken to differ.
    pub fn same_content(&self, other: &Self) -> bool {
        match (self.kind, other.kind) {
            (FileKind::File, FileKind::File) => self.sha256.is_some() && self.sha256 == other.sha256,
            (FileKind::Symlink, FileKind::Symlink) => self.target.is_some() && self.target == other.target,
            (one, other) => one == other,
        }
    }

    /// Whether the kept content is no text: it has a NUL byte in its beginning, or is not UTF-8.
    pub fn is_binary(&self) -> bool {
        self.content.as_ref().is_some_and(|data| {
            data[..data.len().min(8192)].contains(&0) || std::str::from_utf8(data).is_err()
        })
    }
}
