//! Hashes of texts and of passwords.

use super::Table;
use crate::args::{Args, Param};
use crate::error::TemplateError;
use crate::eval::Eval;
use crate::ops::Result;
use crate::text::to_str;
use crate::value::{View, view};
use base64::Engine as _;
use minijinja::Value;
use sha2::Digest as _;

pub(super) const TABLE: Table = &[
    ("hash", |_, value, args| {
        let [kind] = args.bind("hash", ["hashtype"])?;
        hash(&value, &kind.text("sha1")?)
    }),
    ("checksum", |_, value, _| hash(&value, "sha1")),
    ("sha1", |_, value, _| hash(&value, "sha1")),
    ("md5", |_, value, _| hash(&value, "md5")),
    ("password_hash", password_hash),
];

fn hash(value: &Value, kind: &str) -> Result {
    let bytes = match view(value) {
        View::Bytes(bytes) => bytes.to_vec(),
        _ => to_str(value).into_bytes(),
    };
    Ok(Value::from(match &*kind.to_lowercase() {
        "md5" => hex::encode(md5::Md5::digest(&bytes)),
        "sha1" => hex::encode(sha1::Sha1::digest(&bytes)),
        "sha224" => hex::encode(sha2::Sha224::digest(&bytes)),
        "sha256" => hex::encode(sha2::Sha256::digest(&bytes)),
        "sha384" => hex::encode(sha2::Sha384::digest(&bytes)),
        "sha512" => hex::encode(sha2::Sha512::digest(&bytes)),
        "sha512_224" => hex::encode(sha2::Sha512_224::digest(&bytes)),
        "sha512_256" => hex::encode(sha2::Sha512_256::digest(&bytes)),
        "sha3_224" => hex::encode(<sha3::Sha3_224 as sha3::Digest>::digest(&bytes)),
        "sha3_256" => hex::encode(<sha3::Sha3_256 as sha3::Digest>::digest(&bytes)),
        "sha3_384" => hex::encode(<sha3::Sha3_384 as sha3::Digest>::digest(&bytes)),
        "sha3_512" => hex::encode(<sha3::Sha3_512 as sha3::Digest>::digest(&bytes)),
        "blake2b" => hex::encode(<blake2::Blake2b512 as blake2::Digest>::digest(&bytes)),
        "blake2s" => hex::encode(<blake2::Blake2s256 as blake2::Digest>::digest(&bytes)),
        other => return Err(TemplateError::runtime(format!("unsupported hash type {other}"))),
    }))
}

/// How a password is to be hashed; what is not given has the algorithm's default.
#[derive(Debug, Clone, Default)]
pub struct Hashing {
    /// `sha512`, `sha256`, `md5`, `bcrypt` or `blowfish`, with or without `_crypt`.
    pub kind: String,
    /// In the algorithm's own base 64; a random one if none is given.
    pub salt: Option<String>,
    /// Length of a random salt.
    pub salt_size: Option<usize>,
    /// Rounds, for bcrypt their logarithm.
    pub rounds: Option<u32>,
    /// bcrypt's version: `2a`, `2b` or `2y`.
    pub ident: Option<String>,
}

fn password_hash(_: &mut Eval<'_>, value: Value, args: Args) -> Result {
    let [kind, salt, size, rounds, ident] =
        args.bind("password_hash", ["hashtype", "salt", "salt_size", "rounds", "ident"])?;
    let number = |value: Option<Value>| -> Result<Option<i64>> {
        Ok(if value.given().is_some() { Some(value.int(0)?) } else { None })
    };
    let hashing = Hashing {
        kind: kind.text("sha512")?,
        salt: salt.given().map(to_str),
        salt_size: number(size)?.and_then(|size| usize::try_from(size).ok()),
        rounds: number(rounds)?.map(|rounds| u32::try_from(rounds).unwrap_or(0)),
        ident: ident.given().map(to_str),
    };
    if let View::Map(_) | View::Seq(_) = view(&value) {
        return Err(TemplateError::runtime("password_hash needs a text as the password"));
    }
    hash_password(&to_str(&value), &hashing).map(Value::from)
}

/// A password's hash as crypt(3) writes it.
///
/// # Errors
/// The algorithm is unknown, or salt, rounds or ident do not fit it.
pub fn hash_password(password: &str, hashing: &Hashing) -> Result<String> {
    let bad = |message: String| TemplateError::runtime(format!("password_hash: {message}"));
    let (tag, longest) = match hashing.kind.trim_end_matches("_crypt") {
        "sha512" => ("6", 16),
        "sha256" => ("5", 16),
        "md5" => ("1", 8),
        "bcrypt" | "blowfish" => ("2b", 22),
        other => {
            return Err(TemplateError::runtime(format!(
                "{other} is not in the list of supported algorithms: md5, blowfish, sha256, sha512"
            )));
        }
    };
    if tag != "2b" && hashing.ident.is_some() {
        return Err(bad("'ident' is only for bcrypt".to_owned()));
    }
    let salt = match &hashing.salt {
        Some(salt) => salt.clone(),
        None => super::random::salt(if tag == "2b" {
            22
        } else {
            hashing.salt_size.unwrap_or(longest).clamp(1, longest)
        })?,
    };
    if salt.len() > longest || !salt.chars().all(|c| c.is_ascii_alphanumeric() || "./".contains(c)) {
        return Err(bad(format!(
            "the salt must be at most {longest} of the characters a-z, A-Z, 0-9, '.' and '/'"
        )));
    }
    let password = password.as_bytes();
    match tag {
        "2b" => bcrypt(password, &salt, hashing),
        "1" => {
            if hashing.rounds.is_some() {
                return Err(bad("md5 has no rounds".to_owned()));
            }
            Ok(format!("$1${salt}${}", md5_crypt(password, salt.as_bytes())))
        }
        _ => {
            let rounds = hashing.rounds.unwrap_or(if tag == "6" { 656_000 } else { 535_000 });
            let params = sha_crypt::Params::new(rounds)
                .map_err(|_| bad("rounds must be between 1000 and 999999999".to_owned()))?;
            let hash = if tag == "6" {
                let digest = sha_crypt::sha512_crypt(password, salt.as_bytes(), params);
                crypt64(&shuffled(&digest, [0, 21, 42], |[a, b, c]| [b, c, a]))
            } else {
                let digest = sha_crypt::sha256_crypt(password, salt.as_bytes(), params);
                crypt64(&shuffled(&digest, [0, 10, 20], |[a, b, c]| [c, a, b]))
            };
            // the usual 5000 rounds go without saying
            let rounds = if rounds == 5000 { String::new() } else { format!("rounds={rounds}$") };
            Ok(format!("${tag}${rounds}{salt}${hash}"))
        }
    }
}

fn bcrypt(password: &[u8], salt: &str, hashing: &Hashing) -> Result<String> {
    let bad = |message: String| TemplateError::runtime(format!("password_hash: {message}"));
    let version = match hashing.ident.as_deref() {
        None | Some("2b") => ::bcrypt::Version::TwoB,
        Some("2a") => ::bcrypt::Version::TwoA,
        Some("2y") => ::bcrypt::Version::TwoY,
        Some(other) => return Err(bad(format!("'{other}' is no ident of bcrypt: 2a, 2b and 2y are"))),
    };
    let cost = hashing.rounds.unwrap_or(12);
    // the last letter of a salt has bits that belong to nothing
    let config = base64::engine::GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(base64::engine::DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true);
    let engine = base64::engine::GeneralPurpose::new(&base64::alphabet::BCRYPT, config);
    let bytes: [u8; 16] = engine
        .decode(salt)
        .ok()
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| bad("a salt of bcrypt has 22 characters".to_owned()))?;
    ::bcrypt::hash_with_salt(password, cost, bytes)
        .map(|parts| parts.format_for_version(version))
        .map_err(|error| bad(error.to_string()))
}

/// Poul-Henning Kamp's MD5 scheme of 1000 rounds.
fn md5_crypt(password: &[u8], salt: &[u8]) -> String {
    let mut digest = md5::Md5::digest([password, salt, password].concat()).to_vec();
    let mut text = [password, b"$1$", salt].concat();
    for at in (0..password.len()).step_by(16) {
        text.extend(&digest[..16.min(password.len() - at)]);
    }
    let mut length = password.len();
    while length > 0 {
        text.push(if length & 1 == 1 { 0 } else { password[0] });
        length >>= 1;
    }
    digest = md5::Md5::digest(&text).to_vec();
    for round in 0..1000 {
        let mut text = Vec::new();
        text.extend(if round % 2 == 1 { password } else { &digest });
        if round % 3 != 0 {
            text.extend(salt);
        }
        if round % 7 != 0 {
            text.extend(password);
        }
        text.extend(if round % 2 == 1 { &digest } else { password });
        digest = md5::Md5::digest(&text).to_vec();
    }
    let order = [12, 6, 0, 13, 7, 1, 14, 8, 2, 15, 9, 3, 5, 10, 4, 11];
    crypt64(&order.map(|at| digest[at]))
}

/// The order in which crypt(3) writes a digest: triples that step on and turn, then what is left.
fn shuffled(digest: &[u8], first: [usize; 3], turn: fn([usize; 3]) -> [usize; 3]) -> Vec<u8> {
    let mut out = Vec::with_capacity(digest.len());
    let mut triple = first;
    for _ in 0..digest.len() / 3 {
        out.extend(triple.iter().rev().map(|at| digest[*at]));
        triple = turn(triple).map(|at| at + 1);
    }
    out.extend(&digest[digest.len() / 3 * 3..]);
    out
}

/// crypt(3)'s base64: least significant bits first.
fn crypt64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let mut bits = chunk.iter().rev().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte));
        for _ in 0..=chunk.len() {
            out.push(char::from(ALPHABET[(bits & 63) as usize]));
            bits >>= 6;
        }
    }
    out
}
