//! Digests by the names Ansible's `checksum_algorithm` knows.

use crate::{SysError, SysResult};
use sha2::digest::DynDigest;
use std::io::Read;

/// The algorithms every [`crate::System::digest`] knows.
pub const ALGORITHMS: [&str; 6] = ["md5", "sha1", "sha224", "sha256", "sha384", "sha512"];

/// The digest of `data` in lower-case hex; `None` for an algorithm that is not in [`ALGORITHMS`].
pub fn digest_of(data: &[u8], algorithm: &str) -> Option<String> {
    let mut hasher = hasher(algorithm)?;
    hasher.update(data);
    Some(hex::encode(hasher.finalize()))
}

/// A hasher by name.
pub(crate) fn hasher(algorithm: &str) -> Option<Box<dyn DynDigest>> {
    Some(match algorithm {
        "md5" => Box::new(md5::Md5::default()),
        "sha1" => Box::new(sha1::Sha1::default()),
        "sha224" => Box::new(sha2::Sha224::default()),
        "sha256" => Box::new(sha2::Sha256::default()),
        "sha384" => Box::new(sha2::Sha384::default()),
        "sha512" => Box::new(sha2::Sha512::default()),
        _ => return None,
    })
}

/// The error for an algorithm nobody knows.
pub(crate) fn unknown(algorithm: &str) -> SysError {
    SysError::new(
        format!("compute the digest \"{algorithm}\""),
        format!("the algorithms are {}", ALGORITHMS.join(", ")),
    )
}

/// Reads to the end; `error` words a failed read.
pub(crate) fn digest_stream(
    data: &mut dyn Read,
    algorithm: &str,
    error: impl Fn(std::io::Error) -> SysError,
) -> SysResult<String> {
    let mut hasher = hasher(algorithm).ok_or_else(|| unknown(algorithm))?;
    let mut buffer = vec![0; 128 * 1024];
    loop {
        match data.read(&mut buffer) {
            Ok(0) => return Ok(hex::encode(hasher.finalize())),
            Ok(n) => hasher.update(&buffer[..n]),
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(error(e)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_coreutils() {
        assert_eq!(digest_of(b"", "md5").unwrap(), "d41d8cd98f00b204e9800998ecf8427e");
        assert_eq!(digest_of(b"abc", "sha1").unwrap(), "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert_eq!(
            digest_of(b"abc", "sha256").unwrap(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(digest_of(b"abc", "crc32"), None);
        let all = ALGORITHMS.iter().map(|name| digest_of(b"", name).unwrap().len()).collect::<Vec<_>>();
        assert_eq!(all, [32, 40, 56, 64, 96, 128]);
    }
}
