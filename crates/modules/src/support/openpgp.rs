//! OpenPGP public keys (RFC 4880, RFC 9580), as far as telling one from another needs.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use provision_system::{digest_of, text::bytes_to_text};

/// One key of a keyring with everything that belongs to it: subkeys, names, signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Upper-case hex of the primary key and of its subkeys.
    pub fingerprints: Vec<String>,
    /// Its packets as they stand in the keyring.
    pub packets: Vec<u8>,
}

impl Key {
    /// The primary key's id: the last 16 digits of its fingerprint.
    pub fn id(&self) -> &str {
        self.fingerprints.first().map_or("", |print| &print[print.len().saturating_sub(16)..])
    }

    /// Is this the key, or has it the subkey, that `id` (8, 16 or all digits, upper case) means?
    pub fn answers_to(&self, id: &str) -> bool {
        self.fingerprints.iter().any(|print| print.ends_with(id))
    }
}

/// The keys of a keyring or of an armoured block; None when it is neither.
pub fn keys(data: &[u8]) -> Option<Vec<Key>> {
    let binary =
        if data.first().is_some_and(|byte| byte & 0x80 != 0) { data.to_vec() } else { dearmour(data)? };
    let mut keys: Vec<Key> = Vec::new();
    let mut rest = binary.as_slice();
    while !rest.is_empty() {
        let (tag, header, length) = packet(rest)?;
        let all = rest.get(..header + length)?;
        let body = &all[header..];
        match (tag, keys.last_mut()) {
            (PUBLIC_KEY, _) => {
                keys.push(Key { fingerprints: vec![fingerprint(body)?], packets: all.to_vec() });
            }
            (_, None) => return None,
            (tag, Some(key)) => {
                if tag == PUBLIC_SUBKEY {
                    key.fingerprints.push(fingerprint(body)?);
                }
                key.packets.extend_from_slice(all);
            }
        }
        rest = &rest[header + length..];
    }
    (!keys.is_empty()).then_some(keys)
}

const PUBLIC_KEY: u8 = 6;
const PUBLIC_SUBKEY: u8 = 14;

/// Tag, length of the header, length of the body.
fn packet(data: &[u8]) -> Option<(u8, usize, usize)> {
    let first = *data.first()?;
    let big = |from: usize, count: usize| {
        let bytes = data.get(from..from + count)?;
        Some(bytes.iter().fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte)))
    };
    if first & 0xc0 == 0xc0 {
        let tag = first & 0x3f;
        return Some(match big(1, 1)? {
            short @ 0..=191 => (tag, 2, short),
            two @ 192..=223 => (tag, 3, ((two - 192) << 8) + big(2, 1)? + 192),
            255 => (tag, 6, big(2, 4)?),
            // Partial lengths are for data, not for keys.
            _ => return None,
        });
    }
    if first & 0x80 == 0 {
        return None;
    }
    let bytes = match first & 3 {
        0 => 1,
        1 => 2,
        2 => 4,
        _ => return None,
    };
    Some(((first >> 2) & 0x0f, 1 + bytes, big(1, bytes)?))
}

fn fingerprint(body: &[u8]) -> Option<String> {
    let print = match body.first()? {
        4 => {
            let length = u16::try_from(body.len()).ok()?.to_be_bytes();
            digest_of([[0x99].as_slice(), &length, body].concat().as_slice(), "sha1")?
        }
        6 => {
            let length = u32::try_from(body.len()).ok()?.to_be_bytes();
            digest_of([[0x9b].as_slice(), &length, body].concat().as_slice(), "sha256")?
        }
        _ => return None,
    };
    Some(print.to_uppercase())
}

/// The bytes in all armoured blocks of a text.
fn dearmour(text: &[u8]) -> Option<Vec<u8>> {
    let text = bytes_to_text(text);
    let mut all = Vec::new();
    let mut rest = text.as_str();
    while let Some((_, after)) = rest.split_once("-----BEGIN PGP PUBLIC KEY BLOCK-----") {
        let (block, after) = after.split_once("-----END PGP PUBLIC KEY BLOCK-----")?;
        rest = after;
        let mut lines = block.lines().map(str::trim);
        // Headers end at the first empty line.
        let body: Vec<&str> = match block.lines().skip(1).any(|line| line.trim().is_empty()) {
            true => lines.by_ref().skip(1).skip_while(|line| !line.is_empty()).collect(),
            false => lines.collect(),
        };
        let base64: String = body.into_iter().filter(|line| !line.starts_with('=')).collect();
        all.extend(STANDARD.decode(base64).ok()?);
    }
    (!all.is_empty()).then_some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An Ed25519 key without names, made of its packet alone.
    fn key(seed: u8) -> Vec<u8> {
        let mut body = vec![4, 0, 0, 0, seed, 22, 9, 0x2b, 6, 1, 4, 1, 0xda, 0x47, 0x0f, 1, 1, 7, 0x40];
        body.extend([seed; 32]);
        let mut packet = vec![0x98, u8::try_from(body.len()).unwrap()];
        packet.extend(body);
        packet
    }

    #[test]
    fn keys_are_told_apart() {
        let both = [key(1), key(2)].concat();
        let found = keys(&both).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].packets, key(1));
        assert_eq!(found[0].id().len(), 16);
        assert!(found[0].answers_to(&found[0].fingerprints[0]) && !found[0].answers_to(found[1].id()));
        let armoured = format!(
            "x\n-----BEGIN PGP PUBLIC KEY BLOCK-----\nVersion: x\n\n{}\n=AAAA\n-----END PGP PUBLIC KEY BLOCK-----\n",
            STANDARD.encode(key(1))
        );
        assert_eq!(keys(armoured.as_bytes()).unwrap(), keys(&key(1)).unwrap());
        assert!(keys(b"hello").is_none() && keys(&both[..both.len() - 1]).is_none() && keys(b"").is_none());
    }
}
