//! The envelope: a line of header, then hexadecimal digits in lines of eighty.

use crate::Error;

/// What every envelope begins with.
const MAGIC: &[u8] = b"$ANSIBLE_VAULT";

/// Larger envelopes are refused: everything is decrypted in memory. Bytes.
pub const MAX_ENVELOPE: u64 = 1 << 30;

/// Columns of a line of digits.
const WIDTH: usize = 80;

/// The parts of vaulted data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// The vault id of format 1.2; none in format 1.1.
    pub id: Option<String>,
    pub salt: Vec<u8>,
    /// HMAC of the ciphertext.
    pub mac: Vec<u8>,
    pub ciphertext: Vec<u8>,
}

/// Does it begin like vaulted data?
pub fn is_encrypted(data: &[u8]) -> bool {
    data.starts_with(MAGIC)
}

impl Envelope {
    /// Reads an envelope. White space at the ends of lines and Windows' newlines do not matter.
    ///
    /// # Errors
    /// It is none, damaged, of another version or cipher, or too large.
    pub fn parse(data: &[u8]) -> Result<Envelope, Error> {
        if data.len() as u64 > MAX_ENVELOPE {
            return Err(Error::TooLarge(data.len() as u64));
        }
        if !is_encrypted(data) {
            return Err(Error::NotEncrypted);
        }
        let end = data.iter().position(|b| matches!(b, b'\n' | b'\r')).unwrap_or(data.len());
        let id = header(&data[..end])?;
        let body = unhex_lines(&data[end..])?;
        let short = |_| damaged("it has fewer than three parts: salt, HMAC and ciphertext", 2);
        let mut parts = body.splitn(3, |b| *b == b'\n');
        let mut part = || parts.next().ok_or(()).map_err(short);
        let (salt, mac, ciphertext) = (part()?, part()?, part()?);
        let inner = |part: &[u8]| unhex(part).ok_or_else(|| damaged("a part of it is not hexadecimal", 2));
        Ok(Envelope { id, salt: inner(salt)?, mac: inner(mac)?, ciphertext: inner(ciphertext)? })
    }

    /// The envelope as text, with a newline at its end.
    pub fn to_text(&self) -> String {
        let mut text = match &self.id {
            Some(id) => format!("$ANSIBLE_VAULT;1.2;AES256;{id}\n"),
            None => "$ANSIBLE_VAULT;1.1;AES256\n".to_owned(),
        };
        let mut inner = Vec::new();
        for (index, part) in [&self.salt, &self.mac, &self.ciphertext].into_iter().enumerate() {
            if index > 0 {
                inner.push(b'\n');
            }
            inner.extend(digits(part));
        }
        let outer: Vec<u8> = digits(&inner).collect();
        for line in outer.chunks(WIDTH) {
            text.extend(line.iter().map(|b| char::from(*b)));
            text.push('\n');
        }
        text
    }
}

fn damaged(what: &str, line: usize) -> Error {
    Error::Damaged { what: what.to_owned(), line }
}

/// The vault id, when version and cipher are known.
fn header(line: &[u8]) -> Result<Option<String>, Error> {
    let line = String::from_utf8_lossy(line);
    let mut fields = line.trim().split(';').map(str::trim);
    fields.next();
    let (Some(version), Some(cipher)) = (fields.next(), fields.next()) else {
        return Err(damaged("the first line is not of the form $ANSIBLE_VAULT;VERSION;CIPHER", 1));
    };
    if !matches!(version, "1.1" | "1.2") {
        return Err(Error::Version(version.to_owned()));
    }
    if cipher != "AES256" {
        return Err(Error::Cipher(cipher.to_owned()));
    }
    Ok(fields.next().filter(|id| version == "1.2" && !id.is_empty()).map(str::to_owned))
}

/// All digits of all lines as bytes. `body` begins at the newline after the header, which is line 1.
fn unhex_lines(body: &[u8]) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::with_capacity(body.len() / 2);
    let mut half = None;
    let mut last = 1;
    for (index, line) in body.split(|b| *b == b'\n').enumerate() {
        for byte in line.trim_ascii() {
            last = index + 1;
            let digit =
                digit(*byte).ok_or_else(|| damaged("a character is not a hexadecimal digit", last))?;
            half = match half {
                None => Some(digit),
                Some(high) => {
                    bytes.push(high << 4 | digit);
                    None
                }
            };
        }
    }
    match half {
        None => Ok(bytes),
        Some(_) => Err(damaged("the number of its digits is odd: a part is missing", last)),
    }
}

fn unhex(text: &[u8]) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|d| d as u8)
}

fn digits(bytes: &[u8]) -> impl Iterator<Item = u8> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|b| [DIGITS[usize::from(b >> 4)], DIGITS[usize::from(b & 15)]])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(id: Option<&str>) -> Envelope {
        Envelope {
            id: id.map(str::to_owned),
            salt: vec![1; 32],
            mac: vec![2; 32],
            ciphertext: (0..=255).collect(),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        for id in [None, Some("dev")] {
            let text = sample(id).to_text();
            assert!(text.lines().all(|line| line.len() <= 80), "{text}");
            assert_eq!(Envelope::parse(text.as_bytes()), Ok(sample(id)));
            assert_eq!(Envelope::parse(text.replace('\n', "\r\n").as_bytes()), Ok(sample(id)));
            assert_eq!(Envelope::parse(text.replace('\n', "  \n").as_bytes()), Ok(sample(id)));
            assert_eq!(Envelope::parse(format!("{text}\n\n").as_bytes()), Ok(sample(id)));
        }
    }

    #[test]
    fn damage_is_named_with_its_line() {
        let text = sample(None).to_text();
        let line = |text: &str| Envelope::parse(text.as_bytes()).unwrap_err().line();
        assert_eq!(line(&text.replacen("\n3031", "\nzz31", 1)), 2);
        let cut: String = text.lines().take(3).map(|l| format!("{l}\n")).collect();
        assert!(matches!(Envelope::parse(cut.as_bytes()), Err(Error::Damaged { .. })));
        assert!(matches!(
            Envelope::parse(&text.as_bytes()[..text.len() - 2]),
            Err(Error::Damaged { line, .. }) if line == text.lines().count()
        ));
        let parse = |header: &str| Envelope::parse(format!("{header}\n6162\n").as_bytes()).unwrap_err();
        assert_eq!(parse("$ANSIBLE_VAULT;1.3;AES256"), Error::Version("1.3".into()));
        assert_eq!(parse("$ANSIBLE_VAULT;1.1;AES"), Error::Cipher("AES".into()));
        assert!(matches!(parse("$ANSIBLE_VAULT"), Error::Damaged { line: 1, .. }));
        assert!(matches!(parse("$ANSIBLE_VAULT;1.1;AES256"), Error::Damaged { line: 2, .. }));
        assert_eq!(parse("hello"), Error::NotEncrypted);
    }
}
