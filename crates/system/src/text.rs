//! Bytes as text without loss.
//!
//! File names and command output are bytes; arguments and results travel as JSON text. A byte that is not
//! valid UTF-8 becomes one character of a private-use plane (`U+10FF00` + byte) and turns back into that
//! byte when the text is used as a path or as a file's content. It is what Python's `surrogateescape` does,
//! with characters that Rust strings may hold. Bytes that already are the UTF-8 of such a character are
//! spelled byte by byte, so that nothing is ambiguous.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

const BASE: u32 = 0x10_FF00;

/// Bytes to text; valid UTF-8 stays as it is.
pub fn bytes_to_text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        if chunk.valid().chars().any(stands_for_byte) {
            let mut buffer = [0; 4];
            for c in chunk.valid().chars() {
                if stands_for_byte(c) {
                    text.extend(c.encode_utf8(&mut buffer).bytes().filter_map(byte_to_char));
                } else {
                    text.push(c);
                }
            }
        } else {
            text.push_str(chunk.valid());
        }
        text.extend(chunk.invalid().iter().copied().filter_map(byte_to_char));
    }
    text
}

fn stands_for_byte(c: char) -> bool {
    u32::from(c) >= BASE + 0x80
}

fn byte_to_char(byte: u8) -> Option<char> {
    char::from_u32(BASE + u32::from(byte))
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
    if !text.is_empty() && text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

/// Serde for paths as text: serde's own refuses what is not UTF-8. For `#[serde(with = "crate::text::path")]`.
pub mod path {
    use serde::{Deserialize, Deserializer, Serializer};
    use std::path::{Path, PathBuf};

    pub fn serialize<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::to_text(path.as_os_str()))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
        String::deserialize(deserializer).map(|text| super::to_path(&text))
    }
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
        let private = "x\u{10ffe9}y".as_bytes();
        assert_eq!(text_to_bytes(&bytes_to_text(private)), private);
    }

    #[test]
    fn shell_words_are_quoted_when_needed() {
        assert_eq!(shell_word(OsStr::new("a-b/c")), "a-b/c");
        assert_eq!(shell_word(OsStr::new("it's")), "'it'\\''s'");
        assert_eq!(shell_word(OsStr::new("")), "''");
    }
}
