//! Telling whether a write would change anything, without holding either content in memory.

use super::KEPT;
use crate::digest::hasher;
use sha2::digest::DynDigest;
use std::io::{Cursor, Error, ErrorKind, Read, Result};

const CHUNK: usize = 128 * 1024;

pub(super) enum Compared<'a> {
    Same,
    /// The new content from its start: what was equal is read from the old file once more.
    Different(Box<dyn Read + 'a>),
}

/// Compares `data` with a file: its content where that is at hand, else what `open` opens (`None`: cannot be read).
pub(super) fn compare<'a>(
    mut data: Box<dyn Read + 'a>,
    old: Option<&'a [u8]>,
    open: &dyn Fn() -> Option<Box<dyn Read>>,
) -> Result<Compared<'a>> {
    let mut reader: Box<dyn Read + 'a> = match old {
        Some(bytes) => Box::new(bytes),
        None => match open() {
            Some(reader) => reader,
            None => return Ok(Compared::Different(data)),
        },
    };
    let mut equal: u64 = 0;
    let mut sum = Sum::default();
    let (mut new_chunk, mut old_chunk) = (vec![0; CHUNK], vec![0; CHUNK]);
    loop {
        let n = read_full(&mut data, &mut new_chunk)?;
        // An old file that cannot be read on is as good as another one.
        let m = read_full(&mut reader, &mut old_chunk).unwrap_or(usize::MAX);
        if n == m && new_chunk[..n] == old_chunk[..n] {
            if n == 0 {
                return Ok(Compared::Same);
            }
            equal += n as u64;
            sum.update(&new_chunk[..n]);
            continue;
        }
        new_chunk.truncate(n);
        let rest = Cursor::new(new_chunk).chain(data);
        let prefix: Box<dyn Read + 'a> = match old {
            Some(bytes) => Box::new(&bytes[..usize::try_from(equal).unwrap_or(bytes.len())]),
            None if equal == 0 => Box::new(std::io::empty()),
            None => {
                let again = open().ok_or_else(changed_meanwhile)?;
                Box::new(Checked { inner: again.take(equal), sum: Sum::default(), expected: sum.finish() })
            }
        };
        return Ok(Compared::Different(Box::new(prefix.chain(rest))));
    }
}

/// Passes a content on while taking its digest and, up to a bound, a copy.
pub(super) struct Tee<'a> {
    inner: Box<dyn Read + 'a>,
    sum: Sum,
    copy: Option<Vec<u8>>,
}

impl<'a> Tee<'a> {
    pub fn new(inner: Box<dyn Read + 'a>) -> Self {
        Self { inner, sum: Sum::default(), copy: Some(Vec::new()) }
    }

    pub fn into_inner(self) -> Box<dyn Read + 'a> {
        self.inner
    }

    /// Its SHA-256 in hex, and the content unless it was too large.
    pub fn finish(self) -> (String, Option<Vec<u8>>) {
        (self.sum.finish(), self.copy)
    }
}

impl Read for Tee<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let n = self.inner.read(buffer)?;
        self.sum.update(&buffer[..n]);
        if let Some(copy) = &mut self.copy {
            if (copy.len() + n) as u64 > KEPT {
                self.copy = None;
            } else {
                copy.extend_from_slice(&buffer[..n]);
            }
        }
        Ok(n)
    }
}

/// A file read for the second time: an error at its end when it is not what it was.
struct Checked<R> {
    inner: R,
    sum: Sum,
    expected: String,
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let n = self.inner.read(buffer)?;
        self.sum.update(&buffer[..n]);
        if n == 0 && !buffer.is_empty() && std::mem::take(&mut self.sum).finish() != self.expected {
            return Err(changed_meanwhile());
        }
        Ok(n)
    }
}

fn changed_meanwhile() -> Error {
    Error::other("the file was changed by somebody else meanwhile")
}

/// SHA-256.
struct Sum(Option<Box<dyn DynDigest>>);

impl Default for Sum {
    fn default() -> Self {
        Self(hasher("sha256"))
    }
}

impl Sum {
    fn update(&mut self, data: &[u8]) {
        if let Some(hasher) = &mut self.0 {
            hasher.update(data);
        }
    }

    fn finish(self) -> String {
        self.0.map(|hasher| hex::encode(hasher.finalize())).unwrap_or_default()
    }
}

/// Fills the buffer unless the data ends.
fn read_full(reader: &mut dyn Read, buffer: &mut [u8]) -> Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
}
