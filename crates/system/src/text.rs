//! Bytes as text without loss.
//!
//! File names and command output are bytes; arguments and results travel as JSON text. A byte that is not
//! valid UTF-8 becomes one character of a private-use plane (`U+10FF00` + byte) and turns back into that
//! byte when the text is used as a path or as a file's content. It is what Python's `surrogateescape` does,
//! with characters that Rust strings may hold.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

const BASE: u32 = 0x10_FF00;

/// Bytes to text; valid UTF-8 stays as it is.
pub fn bytes_to_text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().filter_map(|&byte| char::from_u32(BASE + u32::from(byte))));
    }
    text
}

/// Text to the bytes it stands for.
pub fn text_to_bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut buffer = [0; 4];
    for c in text.chars() {
        match u8::try_from(u32::from(c).wrapping_sub(BASE)) {
            Ok(byte) if byte >= 0x80 => bytes.push(byte),
            _ => bytes.extend_from_slice(c.encode_utf8(&mut buffer).as_bytes()),
        }
    }
    bytes
}

/// A system string as text.
pub fn to_text(name: &OsStr) -> String {
    bytes_to_text(name.as_bytes())
}

/// Text as a system string.
pub fn to_os(text: &str) -> OsString {
    OsString::from_vec(text_to_bytes(text))
}

/// Text as a path.
pub fn to_path(text: &str) -> PathBuf {
    PathBuf::from(to_os(text))
}

/// One word as a POSIX shell would have to be given it.
pub fn shell_word(word: &OsStr) -> String {
    let text = to_text(word);
    let plain = |c: char| c.is_ascii_alphanumeric() || "@%+=:,./-_".contains(c);
    if !text.is_empty() && text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_comes_back() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(text_to_bytes(&bytes_to_text(&all)), all);
        assert_eq!(bytes_to_text("grün".as_bytes()), "grün");
        assert_eq!(text_to_bytes(&bytes_to_text(b"a\xff\xfeb")), b"a\xff\xfeb");
    }

    #[test]
    fn shell_words_are_quoted_when_needed() {
        assert_eq!(shell_word(OsStr::new("a-b/c")), "a-b/c");
        assert_eq!(shell_word(OsStr::new("it's")), "'it'\\''s'");
        assert_eq!(shell_word(OsStr::new("")), "''");
    }
}
