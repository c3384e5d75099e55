//! The little of DER (X.690) and PEM (RFC 7468) that certificates need to be compared.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// An object identifier with "this extension is critical" and the value, still encoded.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Extension {
    /// In dotted decimals.
    pub oid: String,
    pub critical: bool,
    pub value: Vec<u8>,
}

/// What is asked for in a certificate request (RFC 2986).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Encoded.
    pub subject: Vec<u8>,
    pub public_key: Vec<u8>,
    pub extensions: Vec<Extension>,
}

/// A certificate (RFC 5280).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// 1 to 3.
    pub version: u8,
    pub serial: Vec<u8>,
    pub issuer: Vec<u8>,
    pub subject: Vec<u8>,
    pub public_key: Vec<u8>,
    /// `YYYYMMDDHHMMSSZ`.
    pub not_before: String,
    pub not_after: String,
    pub extensions: Vec<Extension>,
}

pub const SUBJECT_KEY_IDENTIFIER: &str = "2.5.29.14";
pub const AUTHORITY_KEY_IDENTIFIER: &str = "2.5.29.35";

/// The first block of a PEM text with one of these labels.
pub fn from_pem(text: &[u8], labels: &[&str]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(text).ok()?;
    labels.iter().find_map(|label| {
        let (_, rest) = text.split_once(&format!("-----BEGIN {label}-----"))?;
        let (body, _) = rest.split_once(&format!("-----END {label}-----"))?;
        let body: String = body.chars().filter(|c| !c.is_whitespace()).collect();
        STANDARD.decode(body).ok()
    })
}

impl Request {
    pub fn parse(der: &[u8]) -> Option<Self> {
        let mut info = Reader(Reader(der).take(SEQUENCE)?);
        let mut info = Reader(info.take(SEQUENCE)?);
        info.take(INTEGER)?;
        let subject = info.take_whole(SEQUENCE)?.to_vec();
        let public_key = info.take_whole(SEQUENCE)?.to_vec();
        let mut extensions = Vec::new();
        let mut attributes = Reader(info.take(0xa0).unwrap_or_default());
        while let Some(attribute) = attributes.take(SEQUENCE) {
            let mut attribute = Reader(attribute);
            // The PKCS #9 attribute extensionRequest.
            if dotted(attribute.take(OID)?) == "1.2.840.113549.1.9.14" {
                extensions = read_extensions(Reader(attribute.take(SET)?).take(SEQUENCE)?)?;
            }
        }
        Some(Self { subject, public_key, extensions })
    }
}

impl Certificate {
    pub fn parse(der: &[u8]) -> Option<Self> {
        let mut outer = Reader(Reader(der).take(SEQUENCE)?);
        let mut body = Reader(outer.take(SEQUENCE)?);
        let version = match body.take(0xa0) {
            Some(version) => Reader(version).take(INTEGER)?.first()? + 1,
            None => 1,
        };
        let serial = body.take(INTEGER)?.to_vec();
        body.take(SEQUENCE)?;
        let issuer = body.take_whole(SEQUENCE)?.to_vec();
        let mut validity = Reader(body.take(SEQUENCE)?);
        let (not_before, not_after) = (validity.time()?, validity.time()?);
        let subject = body.take_whole(SEQUENCE)?.to_vec();
        let public_key = body.take_whole(SEQUENCE)?.to_vec();
        // Unique identifiers, which nobody uses.
        let _ = (body.take(0x81), body.take(0x82));
        let extensions = match body.take(0xa3) {
            Some(list) => read_extensions(Reader(list).take(SEQUENCE)?)?,
            None => Vec::new(),
        };
        Some(Self { version, serial, issuer, subject, public_key, not_before, not_after, extensions })
    }
}

/// What kind of key a SubjectPublicKeyInfo holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyKind {
    /// The algorithm, in dotted decimals.
    pub algorithm: String,
    /// The named curve of an elliptic key, in dotted decimals.
    pub curve: Option<String>,
    /// Of an RSA key's modulus.
    pub bits: Option<u64>,
}

impl KeyKind {
    pub fn parse(public_key: &[u8]) -> Option<Self> {
        let mut outer = Reader(Reader(public_key).take(SEQUENCE)?);
        let mut algorithm = Reader(outer.take(SEQUENCE)?);
        let name = dotted(algorithm.take(OID)?);
        let curve = algorithm.take(OID).map(dotted);
        let bits = outer.take(0x03)?;
        // The first byte of a bit string counts unused bits. Only RSA's key is a sequence within.
        let rsa = bits.get(1..).and_then(|bits| Reader(bits).take(SEQUENCE));
        let bits = rsa.filter(|_| name == RSA).and_then(|key| bit_length(Reader(key).take(INTEGER)?));
        Some(Self { algorithm: name, curve, bits })
    }
}

pub const RSA: &str = "1.2.840.113549.1.1.1";

/// The number of bits of the prime of Diffie-Hellman parameters (PKCS #3).
pub fn dh_bits(der: &[u8]) -> Option<u64> {
    let mut parameters = Reader(Reader(der).take(SEQUENCE)?);
    let prime = parameters.take(INTEGER)?;
    parameters.take(INTEGER)?;
    bit_length(prime)
}

fn bit_length(number: &[u8]) -> Option<u64> {
    let first = number.iter().position(|byte| *byte != 0)?;
    let whole = 8 * (number.len() - first) as u64;
    Some(whole - u64::from(number[first].leading_zeros()))
}

/// A number in decimals.
pub fn decimal(bytes: &[u8]) -> String {
    let mut digits = vec![0_u8];
    for byte in bytes {
        let mut carry = u32::from(*byte);
        for digit in &mut digits {
            carry += u32::from(*digit) * 256;
            *digit = (carry % 10) as u8;
            carry /= 10;
        }
        while carry > 0 {
            digits.push((carry % 10) as u8);
            carry /= 10;
        }
    }
    digits.iter().rev().map(|digit| char::from(b'0' + digit)).collect()
}

const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const OID: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// The content of the next element if it has this tag; what was read is gone.
    fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (head, length) = self.head(tag)?;
        let content = self.0.get(head..head.checked_add(length)?)?;
        self.0 = &self.0[head + length..];
        Some(content)
    }

    /// The same with tag and length.
    fn take_whole(&mut self, tag: u8) -> Option<&'a [u8]> {
        let before = self.0;
        self.take(tag)?;
        Some(&before[..before.len() - self.0.len()])
    }

    /// How long the head is, and how long the content.
    fn head(&self, tag: u8) -> Option<(usize, usize)> {
        if *self.0.first()? != tag {
            return None;
        }
        match *self.0.get(1)? {
            short @ 0..0x80 => Some((2, usize::from(short))),
            long => {
                let count = usize::from(long & 0x7f);
                let bytes = self.0.get(2..2 + count).filter(|_| (1..=4).contains(&count))?;
                let length = bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
                Some((2 + count, length))
            }
        }
    }

    /// UTCTime or GeneralizedTime, with four digits of the year.
    fn time(&mut self) -> Option<String> {
        if let Some(short) = self.take(0x17) {
            let short = std::str::from_utf8(short).ok()?;
            let century = if short.get(..2)?.parse::<u8>().ok()? < 50 { "20" } else { "19" };
            return Some(format!("{century}{short}"));
        }
        String::from_utf8(self.take(0x18)?.to_vec()).ok()
    }
}

fn read_extensions(list: &[u8]) -> Option<Vec<Extension>> {
    let mut list = Reader(list);
    let mut found = Vec::new();
    while let Some(extension) = list.take(SEQUENCE) {
        let mut extension = Reader(extension);
        let oid = dotted(extension.take(OID)?);
        let critical = extension.take(0x01).is_some_and(|value| value != [0]);
        found.push(Extension { oid, critical, value: extension.take(OCTETS)?.to_vec() });
    }
    Some(found)
}

fn dotted(bytes: &[u8]) -> String {
    let mut parts: Vec<u64> = Vec::new();
    let mut part = 0_u64;
    for byte in bytes {
        part = part << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            if parts.is_empty() {
                let first = (part / 40).min(2);
                parts.push(first);
                part -= first * 40;
            }
            parts.push(part);
            part = 0;
        }
    }
    parts.iter().map(ToString::to_string).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        assert_eq!(decimal(&[]), "0");
        assert_eq!(decimal(&[1, 0]), "256");
        assert_eq!(decimal(&[0xff; 20]), "1461501637330902918203684832716283019655932542975");
        assert_eq!(dotted(&[0x55, 0x1d, 0x11]), "2.5.29.17");
        assert_eq!(dotted(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 14]), "1.2.840.113549.1.9.14");
        assert_eq!(dh_bits(&[0x30, 7, 2, 2, 0, 0x8f, 2, 1, 2]), Some(8));
        assert_eq!(dh_bits(&[0x30, 0x84, 0xff]), None);
        assert_eq!(Certificate::parse(&[0x30, 3, 0x30, 1, 2]), None);
    }
}
