//! Where text came from.

use std::path::Path;
use std::sync::{Arc, RwLock};

use provision_vault::Keyring;

use crate::{Diagnostic, Node};

/// A file (or other text) known to a [`Sources`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct FileId(u32);

/// A range of bytes in a file.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Span {
    pub file: FileId,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// The place of nodes that no file contains.
    pub const NONE: Span = Span { file: FileId(u32::MAX), start: 0, end: 0 };

    pub fn new(file: FileId, start: u32, end: u32) -> Span {
        Span { file, start, end }
    }

    pub fn is_none(&self) -> bool {
        self.file.0 == u32::MAX
    }

    /// The range from the start of `self` to the end of `other`; `self` when they are in different files.
    pub fn to(self, other: Span) -> Span {
        if self.file == other.file { Span { end: other.end.max(self.end), ..self } } else { self }
    }
}

impl Default for Span {
    fn default() -> Self {
        Span::NONE
    }
}

/// All files read in a run. Clones share one list.
#[derive(Clone, Default)]
pub struct Sources {
    files: Arc<RwLock<Vec<File>>>,
    vault: Arc<Keyring>,
}

#[derive(Clone)]
struct File {
    path: Arc<Path>,
    text: Arc<str>,
    /// The text was encrypted: it is not to be shown.
    secret: bool,
    /// Byte offsets at which lines start.
    lines: Arc<[u32]>,
}

impl Sources {
    pub fn new() -> Sources {
        Sources::default()
    }

    /// Files that are encrypted are read with the passwords of `vault`.
    pub fn with_vault(vault: Arc<Keyring>) -> Sources {
        Sources { vault, ..Sources::default() }
    }

    /// The vault passwords of the run.
    pub fn vault(&self) -> &Arc<Keyring> {
        &self.vault
    }

    /// Adds a text under the name `path`, which need not exist (`<command line>`).
    pub fn add(&self, path: impl AsRef<Path>, text: impl Into<Arc<str>>) -> FileId {
        self.add_file(path.as_ref(), text.into(), false)
    }

    /// [`Sources::add`] for what was read from a file: `secret` when it was decrypted.
    pub fn add_file(&self, path: &Path, text: Arc<str>, secret: bool) -> FileId {
        let starts = text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(i, _)| i as u32 + 1);
        let lines = std::iter::once(0).chain(starts).collect();
        let file = File { path: path.into(), text, secret, lines };
        let mut files = self.files.write().unwrap_or_else(|poisoned| poisoned.into_inner());
        files.push(file);
        FileId(files.len() as u32 - 1)
    }

    /// Reads a file of UTF-8 text, decrypted when it is vaulted.
    ///
    /// # Errors
    /// The file cannot be read or decrypted, is not UTF-8 (the diagnostic names the byte), or is 4 GiB or more.
    pub fn read(&self, path: impl AsRef<Path>) -> Result<FileId, Diagnostic> {
        let path = path.as_ref();
        let bytes = std::fs::read(path)
            .map_err(|e| Diagnostic::error(format!("cannot read {}: {e}", path.display())))?;
        self.add_bytes(path, bytes)
    }

    /// [`Sources::add`] for bytes that should be UTF-8, decrypted when they are vaulted.
    ///
    /// # Errors
    /// Names the first byte that is not UTF-8, or why the bytes cannot be decrypted.
    pub fn add_bytes(&self, path: impl AsRef<Path>, bytes: Vec<u8>) -> Result<FileId, Diagnostic> {
        let path = path.as_ref();
        if bytes.len() >= u32::MAX as usize {
            return Err(Diagnostic::error(format!("{} is too large (4 GiB or more)", path.display())));
        }
        let secret = provision_vault::is_encrypted(&bytes);
        let bytes = if secret { self.decrypt(path, &bytes)? } else { bytes };
        match String::from_utf8(bytes) {
            Ok(text) => Ok(self.add_file(path, text.into(), secret)),
            Err(e) => {
                let at = e.utf8_error().valid_up_to();
                let bytes = e.into_bytes();
                let bad = bytes[at];
                // The part that is text is shown, so that the reader sees where the bad byte stands.
                let shown = String::from_utf8_lossy(&bytes).into_owned();
                let file = self.add_file(path, shown.into(), secret);
                let span = Span::new(file, at as u32, at as u32 + 3);
                Err(Diagnostic::error(format!("{} is not UTF-8", path.display()))
                    .at(span, format!("byte {at} is 0x{bad:02x}"))
                    .help("save the file as UTF-8"))
            }
        }
    }

    /// The file that was added last under this name.
    pub fn find(&self, path: &Path) -> Option<FileId> {
        let files = self.files.read().unwrap_or_else(|poisoned| poisoned.into_inner());
        files.iter().rposition(|file| &*file.path == path).map(|at| FileId(at as u32))
    }

    fn decrypt(&self, path: &Path, bytes: &[u8]) -> Result<Vec<u8>, Diagnostic> {
        self.vault.decrypt(bytes).map(|plain| plain.to_vec()).map_err(|error| {
            let file = self.add(path, String::from_utf8_lossy(bytes).into_owned());
            let text = self.text(file);
            let before: usize = text.split_inclusive('\n').take(error.line() - 1).map(str::len).sum();
            let end = text[before..].find('\n').map_or(text.len(), |newline| before + newline);
            let diagnostic = Diagnostic::error(error.to_string())
                .at(Span::new(file, before as u32, end as u32), "in this encrypted file");
            match error.hint() {
                Some(hint) => diagnostic.help(hint),
                None => diagnostic,
            }
        })
    }

    /// Was the file encrypted? Then its text is not to be shown.
    pub fn is_secret(&self, id: FileId) -> bool {
        self.file(id).is_some_and(|f| f.secret)
    }

    /// A variable's value as it is to be kept: the strings of an encrypted file are secrets, of which the vault's
    /// listener is told.
    pub fn guard(&self, node: &Node) -> Node {
        if !self.is_secret(node.span.file) {
            return node.clone();
        }
        node.map_strings(&|node| {
            let text = node.as_str().unwrap_or_default();
            if node.is_vault() {
                return node.clone();
            }
            self.vault.tell(text);
            let template = node.tag.is_none() && text.contains('{');
            if template { node.clone().with_tag(crate::node::SECRET) } else { node.clone() }
        })
    }

    /// The name a file was added under; `<none>` for an id of no file.
    pub fn path(&self, id: FileId) -> Arc<Path> {
        self.file(id).map_or_else(|| Path::new("<none>").into(), |f| f.path)
    }

    /// The text of a file; empty for an id of no file.
    pub fn text(&self, id: FileId) -> Arc<str> {
        self.file(id).map_or_else(|| "".into(), |f| f.text)
    }

    /// Line and column (in characters) of the start of a span, both from 1; `(0, 0)` for [`Span::NONE`].
    pub fn line_col(&self, span: Span) -> (usize, usize) {
        let Some(file) = self.file(span.file) else { return (0, 0) };
        let line = file.lines.partition_point(|start| *start <= span.start).max(1);
        let from = file.lines[line - 1] as usize;
        let mut to = (span.start as usize).min(file.text.len());
        while !file.text.is_char_boundary(to) {
            to -= 1;
        }
        let column = file.text.get(from..to).map_or(0, |s| s.chars().filter(|c| *c != '\u{feff}').count());
        (line, column + 1)
    }

    /// `path:line:col`, or nothing for [`Span::NONE`].
    pub fn location(&self, span: Span) -> String {
        if span.is_none() {
            return String::new();
        }
        let (line, col) = self.line_col(span);
        format!("{}:{line}:{col}", self.path(span.file).display())
    }

    /// The source text a span covers.
    pub fn slice(&self, span: Span) -> String {
        let text = self.text(span.file);
        text.get(span.start as usize..span.end as usize).unwrap_or_default().to_string()
    }

    /// The lines from the one holding byte `from` to the one holding byte `to`, whole:
    /// (number of the first line, its byte offset, byte offset of the end).
    pub(crate) fn lines_around(&self, id: FileId, from: u32, to: u32) -> (usize, usize, usize) {
        let Some(file) = self.file(id) else { return (1, 0, 0) };
        let first = file.lines.partition_point(|start| *start <= from).max(1);
        let last = file.lines.partition_point(|start| *start <= to).max(first);
        let end = file.lines.get(last).map_or(file.text.len(), |next| *next as usize);
        (first, file.lines[first - 1] as usize, end)
    }

    fn file(&self, id: FileId) -> Option<File> {
        let files = self.files.read().unwrap_or_else(|poisoned| poisoned.into_inner());
        files.get(id.0 as usize).cloned()
    }
}
