//! What the primitives speak of.

use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The result of a primitive.
pub type SysResult<T> = Result<T, SysError>;

/// Why a primitive failed, with what it was doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SysError {
    /// What was tried, as in "write /etc/motd".
    pub doing: String,
    /// The system's words, as in "No space left on device".
    pub why: String,
    /// The system's error number, 0 when there is none.
    pub errno: i32,
}

impl std::error::Error for SysError {}

impl std::fmt::Display for SysError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "cannot {}: {}", self.doing, self.why)
    }
}

impl SysError {
    /// The number of errors that mean "not possible in a dry run" (see [`SysError::not_in_dry_run`]).
    const DRY: i32 = -1;

    /// An error by its number, with the system's words for it.
    pub fn errno(verb: &str, path: &Path, errno: i32) -> Self {
        Self::io(verb, path, &std::io::Error::from_raw_os_error(errno))
    }

    /// What a dry run cannot do because it would have to write; callers skip it and say so.
    pub fn not_in_dry_run(doing: impl Into<String>) -> Self {
        Self { doing: doing.into(), why: "not possible in a dry run".to_owned(), errno: Self::DRY }
    }

    /// True for [`SysError::not_in_dry_run`].
    pub fn is_not_in_dry_run(&self) -> bool {
        self.errno == Self::DRY
    }

    /// True when something is missing: a file, a directory above it, a program.
    pub fn is_not_found(&self) -> bool {
        self.errno == rustix::io::Errno::NOENT.raw_os_error()
    }

    /// An error without a number of the system's.
    pub fn new(doing: impl Into<String>, why: impl Into<String>) -> Self {
        Self { doing: doing.into(), why: why.into(), errno: 0 }
    }

    /// An I/O error on a path.
    pub fn io(verb: &str, path: &Path, error: &std::io::Error) -> Self {
        let text = error.to_string();
        let why = text.split(" (os error").next().unwrap_or(&text).to_owned();
        Self {
            doing: format!("{verb} {}", crate::text::to_text(path.as_os_str())),
            why,
            errno: error.raw_os_error().unwrap_or(0),
        }
    }
}

/// What stands at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FileKind {
    File,
    Dir,
    Symlink,
    Fifo,
    Socket,
    Char,
    Block,
}

/// `stat(2)`, typed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Meta {
    pub kind: FileKind,
    /// Permission bits with setuid, setgid and sticky (07777).
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// Bytes.
    pub size: u64,
    /// Seconds since 1970.
    pub mtime: f64,
    pub atime: f64,
    pub ctime: f64,
    pub ino: u64,
    pub dev: u64,
    pub nlink: u64,
    /// Number of 512-byte blocks.
    pub blocks: u64,
    pub block_size: u64,
    pub rdev: u64,
}

impl Meta {
    pub fn is_dir(&self) -> bool {
        self.kind == FileKind::Dir
    }
    pub fn is_file(&self) -> bool {
        self.kind == FileKind::File
    }
    pub fn is_link(&self) -> bool {
        self.kind == FileKind::Symlink
    }
}

/// What a written file shall have; what is `None` is kept from the file before, or the system's default.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct NewFile {
    pub mode: Option<u32>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    /// Content must not be shown in diffs or kept in the journal as text (keys, passwords).
    pub secret: bool,
}

/// Attributes to set; `None` leaves as is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Attrs {
    pub mode: Option<u32>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    /// Seconds since 1970.
    pub mtime: Option<f64>,
    pub atime: Option<f64>,
}

/// A line of passwd(5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    pub name: String,
    pub uid: u32,
    pub gid: u32,
    pub gecos: String,
    #[serde(with = "crate::text::path")]
    pub home: PathBuf,
    #[serde(with = "crate::text::path")]
    pub shell: PathBuf,
}

/// A line of group(5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    pub name: String,
    pub gid: u32,
    pub members: Vec<String>,
}

/// Who the calls are made as.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    pub uid: u32,
    pub gid: u32,
    pub user: String,
    #[serde(with = "crate::text::path")]
    pub home: PathBuf,
}
