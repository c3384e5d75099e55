//! Archives that `unzip` unpacks; what is in them is read here, so that a dry run can compare too.

use super::{Contents, Source, UnarchiveArgs};
use crate::support::glob;
use crate::{Ctx, Failure};
use provision_system::Command;
use provision_system::text::{bytes_to_text, to_os, to_path};
use std::io::Read;
use std::path::Path;

/// The directory of an archive stands at its end; one larger than this is not read.
const TAIL: usize = 32 << 20;

/// The names in the archive, and whether all is there.
pub fn look(args: &UnarchiveArgs, ctx: &Ctx<'_>, source: &Source, dest: &Path) -> Result<Contents, Failure> {
    let failed = |why: &str| Failure::new(format!("{} cannot be read as a zip archive: {why}", args.src));
    let (tail, length) = tail(source.open(ctx)?).map_err(|why| failed(&why.to_string()))?;
    let entries = directory(&tail, length).ok_or_else(|| failed("it has no directory"))?;
    let chosen = |entry: &&Entry| {
        let matches = |patterns: &Option<Vec<String>>| {
            patterns.as_ref().map(|all| all.iter().any(|pattern| glob::matches(pattern, &entry.name)))
        };
        matches(&args.include).unwrap_or(true) && !matches(&args.exclude).unwrap_or(false)
    };
    let entries: Vec<&Entry> = entries.iter().filter(chosen).collect();
    let mut there = true;
    for entry in &entries {
        there = there && entry.is_there(args, ctx, dest)?;
    }
    Ok(Contents { files: entries.iter().map(|entry| entry.name.clone()).collect(), there })
}

/// The call that unpacks.
pub fn extract(args: &UnarchiveArgs, source: &Source, dest: &Path) -> Command {
    let mut command = Command::new(["unzip", "-o"]);
    if args.keep_newer {
        command = command.arg("-u");
    }
    command.argv.extend(args.extra());
    command = command.arg(to_os(&source.name()));
    command.argv.extend(args.include.iter().flatten().map(|name| to_os(name)));
    command = command.arg("-d").arg(dest);
    if let Some(exclude) = args.exclude.as_ref().filter(|exclude| !exclude.is_empty()) {
        command = command.arg("-x");
        command.argv.extend(exclude.iter().map(|name| to_os(name)));
    }
    command
}

/// A file or directory of the archive.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    name: String,
    size: u64,
    crc: u32,
    /// Permissions and kind, where a Unix wrote the archive.
    mode: Option<u32>,
}

impl Entry {
    fn is_there(&self, args: &UnarchiveArgs, ctx: &Ctx<'_>, dest: &Path) -> Result<bool, Failure> {
        let path = dest.join(to_path(self.name.trim_start_matches('/')));
        let is_link = self.mode.is_some_and(|mode| mode & 0o170_000 == 0o120_000);
        let Some(meta) = ctx.sys.stat(&path, !is_link)? else { return Ok(false) };
        if self.name.ends_with('/') {
            return Ok(meta.is_dir());
        }
        if is_link {
            let target = if meta.is_link() { ctx.sys.read_link(&path)? } else { return Ok(false) };
            let target = provision_system::text::text_to_bytes(&crate::support::files::show(&target));
            return Ok(crc(&mut target.as_slice()) == Some(self.crc));
        }
        let mode = self.mode.map(|mode| mode & 0o777).filter(|mode| *mode != 0);
        let mode_fits = args.attributes.mode.is_some()
            || mode.is_none_or(|mode| [mode, mode & !ctx.sys.umask()].contains(&(meta.mode & 0o777)));
        Ok(meta.is_file()
            && mode_fits
            && meta.size == self.size
            && crc(&mut *ctx.sys.open(&path)?) == Some(self.crc))
    }
}

/// The last bytes of a stream, and its length.
fn tail(mut stream: impl Read) -> std::io::Result<(Vec<u8>, u64)> {
    let (mut tail, mut length) = (Vec::new(), 0);
    let mut buffer = vec![0; 1 << 16];
    loop {
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            return Ok((tail, length));
        }
        length += count as u64;
        tail.extend_from_slice(&buffer[..count]);
        if tail.len() > 2 * TAIL {
            tail.drain(..tail.len() - TAIL);
        }
    }
}

/// The central directory (APPNOTE.TXT 4.3.12 to 4.3.16).
fn directory(tail: &[u8], length: u64) -> Option<Vec<Entry>> {
    let end = tail.windows(4).rposition(|window| window == b"PK\x05\x06")?;
    let (mut size, mut start) = (u64::from(u32_at(tail, end + 12)?), u64::from(u32_at(tail, end + 16)?));
    // Zip64 keeps what does not fit in a record of its own.
    if start == u64::from(u32::MAX) || size == u64::from(u32::MAX) {
        let at = tail[..end].windows(4).rposition(|window| window == b"PK\x06\x06")?;
        (size, start) = (u64_at(tail, at + 40)?, u64_at(tail, at + 48)?);
    }
    let skipped = length - tail.len() as u64;
    let start = usize::try_from(start.checked_sub(skipped)?).ok()?;
    let directory = tail.get(start..start.checked_add(usize::try_from(size).ok()?)?)?;
    let mut entries = Vec::new();
    let mut at = 0;
    while at < directory.len() {
        let field = |offset: usize| u16_at(directory, at + offset).map(usize::from);
        if u32_at(directory, at)? != 0x0201_4b50 {
            return None;
        }
        let (name, extra, comment) = (field(28)?, field(30)?, field(32)?);
        let external = u32_at(directory, at + 38)?;
        let unix = field(4)? >> 8 == 3;
        let mut size = u64::from(u32_at(directory, at + 24)?);
        if size == u64::from(u32::MAX) {
            size = zip64_size(directory.get(at + 46 + name..at + 46 + name + extra)?)?;
        }
        entries.push(Entry {
            name: bytes_to_text(directory.get(at + 46..at + 46 + name)?),
            size,
            crc: u32_at(directory, at + 16)?,
            mode: unix.then_some(external >> 16),
        });
        at += 46 + name + extra + comment;
    }
    Some(entries)
}

fn zip64_size(mut extra: &[u8]) -> Option<u64> {
    loop {
        let length = usize::from(u16_at(extra, 2)?);
        if u16_at(extra, 0)? == 1 {
            return u64_at(extra, 4);
        }
        extra = extra.get(4 + length..)?;
    }
}

fn u16_at(data: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(data.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(data: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(data.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(data: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(data.get(at..at + 8)?.try_into().ok()?))
}

/// CRC-32 as zip has it; None when the stream breaks off.
fn crc(stream: &mut dyn Read) -> Option<u32> {
    let table: Vec<u32> = (0..256_u32)
        .map(|byte| (0..8).fold(byte, |value, _| (value >> 1) ^ (0xedb8_8320 * (value & 1))))
        .collect();
    let mut buffer = vec![0; 1 << 16];
    let mut value = u32::MAX;
    loop {
        match stream.read(&mut buffer).ok()? {
            0 => return Some(!value),
            count => {
                for byte in &buffer[..count] {
                    let index = (value ^ u32::from(*byte)) & 0xff;
                    value = (value >> 8) ^ table.get(index as usize)?;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_zip() {
        assert_eq!(crc(&mut b"123456789".as_slice()), Some(0xcbf4_3926));
    }

    #[test]
    fn what_is_no_archive_has_no_directory() {
        assert_eq!(directory(b"PK\x05\x06", 4), None);
        let empty = [b"PK\x05\x06".as_slice(), &[0; 18]].concat();
        assert_eq!(directory(&empty, 22), Some(Vec::new()));
    }
}
