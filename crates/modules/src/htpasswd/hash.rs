//! Hashes of passwords, as crypt(3) and Apache write them.

use super::Scheme;
use crate::{Ctx, Failure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};
use provision_system::Command;
use provision_system::text::{bytes_to_text, to_os};
use sha1::Sha1;
use std::io::Read;
use std::path::Path;

/// A new hash with a salt of its own.
pub fn make(ctx: &Ctx<'_>, scheme: Scheme, password: &str) -> Result<String, Failure> {
    match scheme {
        Scheme::Plain => Ok(password.to_owned()),
        Scheme::Sha1 => Ok(sha1(password)),
        Scheme::Apr1 => Ok(md5_crypt("$apr1$", password, &salt(ctx, 8)?)),
        Scheme::Md5 => Ok(md5_crypt("$1$", password, &salt(ctx, 8)?)),
        Scheme::Sha256 => openssl(ctx, "-5", password, &salt(ctx, 16)?),
        Scheme::Sha512 => openssl(ctx, "-6", password, &salt(ctx, 16)?),
    }
}

/// Is this the hash of this password?
pub fn verify(ctx: &Ctx<'_>, password: &str, hash: &str) -> Result<bool, Failure> {
    let mut parts = hash.split('$');
    let again = match (parts.next(), parts.next(), parts.next()) {
        (Some(""), Some("apr1"), Some(salt)) => md5_crypt("$apr1$", password, salt),
        (Some(""), Some("1"), Some(salt)) => md5_crypt("$1$", password, salt),
        // A number of rounds is beyond openssl: such a hash is made anew.
        (Some(""), Some("5"), Some(salt)) if !salt.contains('=') => openssl(ctx, "-5", password, salt)?,
        (Some(""), Some("6"), Some(salt)) if !salt.contains('=') => openssl(ctx, "-6", password, salt)?,
        _ if hash.starts_with("{SHA}") => sha1(password),
        _ => password.to_owned(),
    };
    Ok(again == hash)
}

fn sha1(password: &str) -> String {
    format!("{{SHA}}{}", STANDARD.encode(Sha1::digest(password.as_bytes())))
}

const ALPHABET: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

fn salt(ctx: &Ctx<'_>, length: u64) -> Result<String, Failure> {
    let mut random = Vec::new();
    let read = ctx.sys.open(Path::new("/dev/urandom"))?.take(length).read_to_end(&mut random);
    read.map_err(|why| Failure::new(format!("cannot read /dev/urandom: {why}")))?;
    Ok(random.iter().map(|byte| char::from(ALPHABET[usize::from(byte & 63)])).collect())
}

fn openssl(ctx: &Ctx<'_>, kind: &str, password: &str, salt: &str) -> Result<String, Failure> {
    let mut command = Command::new(["openssl", "passwd", kind, "-salt"]).arg(to_os(salt)).arg("-stdin");
    command.stdin = Some(format!("{password}\n").into_bytes());
    command.secret = true;
    let output = ctx.sys.query(&command)?;
    match output.ok() {
        true => Ok(bytes_to_text(&output.stdout).trim().to_owned()),
        false => Err(Failure::new(format!("openssl passwd failed: {}", output.err().trim()))),
    }
}

/// The scheme of FreeBSD's crypt(3), which Apache has under a magic word of its own.
fn md5_crypt(magic: &str, password: &str, salt: &str) -> String {
    let (key, salt) = (password.as_bytes(), &salt.as_bytes()[..salt.len().min(8)]);
    let mut first = Md5::new();
    first.update(key);
    first.update(magic.as_bytes());
    first.update(salt);
    let inner = Md5::new().chain_update(key).chain_update(salt).chain_update(key).finalize();
    for at in 0..key.len() {
        first.update([inner[at % 16]]);
    }
    let mut length = key.len();
    while length > 0 {
        first.update([if length & 1 == 1 { 0 } else { key[0] }]);
        length >>= 1;
    }
    let mut sum = first.finalize();
    for round in 0..1000 {
        let mut next = Md5::new();
        let odd = round % 2 == 1;
        next.update(if odd { key } else { &sum });
        if round % 3 != 0 {
            next.update(salt);
        }
        if round % 7 != 0 {
            next.update(key);
        }
        next.update(if odd { &sum } else { key });
        sum = next.finalize();
    }
    let mut out = format!("{magic}{}$", String::from_utf8_lossy(salt));
    let mut put = |bytes: [u8; 3], count: usize| {
        let mut value = bytes.iter().fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte));
        for _ in 0..count {
            out.push(char::from(ALPHABET[value & 63]));
            value >>= 6;
        }
    };
    for [a, b, c] in [[0, 6, 12], [1, 7, 13], [2, 8, 14], [3, 9, 15], [4, 10, 5]] {
        put([sum[a], sum[b], sum[c]], 4);
    }
    put([0, 0, sum[11]], 2);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_openssl() {
        assert_eq!(md5_crypt("$apr1$", "pw", "abcdefgh"), "$apr1$abcdefgh$5VEbMkemELfbhC5ck.U.z1");
        assert_eq!(md5_crypt("$1$", "pw", "abcdefgh"), "$1$abcdefgh$IQtUouv7y7Q9dRWkQEPCc.");
        assert_eq!(sha1("pw"), "{SHA}GpHWL3ymc5liWkNopqtdSjuqYHM=");
    }
}
