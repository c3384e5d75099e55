//! The passwords of a run, and what they decrypt.

use crate::cipher::Keys;
use crate::{Envelope, Error, MAX_ENVELOPE, is_encrypted};
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use zeroize::Zeroizing;

/// The id of passwords that have none of their own.
pub const DEFAULT_ID: &str = "default";

/// Derived keys that are remembered: every vaulted value has a salt of its own.
const MAX_KEYS: usize = 20_000;

/// Vault passwords with their ids, in the order they are tried. Remembers derived keys and decrypted values.
#[derive(Default)]
pub struct Keyring {
    passwords: Vec<(String, Zeroizing<Vec<u8>>)>,
    matching: bool,
    known: Mutex<Known>,
    /// Told of every decrypted text that must not be shown.
    listener: OnceLock<Box<Listener>>,
}

type Listener = dyn Fn(&str) + Send + Sync;

#[derive(Default)]
struct Known {
    /// By salt and the password's number.
    keys: HashMap<(Vec<u8>, usize), Keys>,
    values: HashMap<Arc<str>, Result<Arc<str>, Error>>,
    /// Envelopes by the address of their decrypted text, which `values` keeps alive.
    envelopes: HashMap<usize, Arc<str>>,
}

/// A file's bytes.
#[derive(Debug, Clone)]
pub struct Contents {
    pub bytes: Zeroizing<Vec<u8>>,
    /// They were decrypted.
    pub secret: bool,
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.ids()).finish()
    }
}

impl Keyring {
    /// `matching`: an envelope with an id is tried with that id's passwords only.
    pub fn new(passwords: Vec<(String, Zeroizing<Vec<u8>>)>, matching: bool) -> Keyring {
        Keyring { passwords, matching, ..Keyring::default() }
    }

    /// Tells `listener` of every decrypted text from now on. The first one stays.
    pub fn listen(&self, listener: impl Fn(&str) + Send + Sync + 'static) {
        let _ = self.listener.set(Box::new(listener));
    }

    /// Tells of a text that was decrypted elsewhere, such as a string in an encrypted file.
    pub fn tell(&self, secret: &str) {
        if let Some(listener) = self.listener.get() {
            listener(secret);
        }
    }

    /// Is there no password at all?
    pub fn is_empty(&self) -> bool {
        self.passwords.is_empty()
    }

    /// The ids of the passwords, in order.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.passwords.iter().map(|(id, _)| id.as_str())
    }

    /// The first password of an id.
    pub fn password(&self, id: &str) -> Option<&[u8]> {
        self.passwords.iter().find(|(known, _)| known == id).map(|(_, password)| password.as_slice())
    }

    /// The password at a place in [`Keyring::ids`].
    pub fn nth(&self, index: usize) -> Option<&[u8]> {
        self.passwords.get(index).map(|(_, password)| password.as_slice())
    }

    /// Decrypts an envelope.
    ///
    /// # Errors
    /// It is damaged, or no password fits.
    pub fn decrypt(&self, data: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        self.decrypt_by(data).map(|(plain, _)| plain)
    }

    /// [`Keyring::decrypt`], with the place (in [`Keyring::ids`]) of the password that fitted.
    ///
    /// # Errors
    /// As [`Keyring::decrypt`].
    pub fn decrypt_by(&self, data: &[u8]) -> Result<(Zeroizing<Vec<u8>>, usize), Error> {
        let envelope = Envelope::parse(data)?;
        if self.passwords.is_empty() {
            return Err(Error::NoSecret);
        }
        let mut tried = Vec::new();
        for index in self.order(envelope.id.as_deref()) {
            let id = &self.passwords[index].0;
            if !tried.contains(id) {
                tried.push(id.clone());
            }
            if let Some(plain) = self.keys(&envelope.salt, index).open(&envelope) {
                return plain.map(|plain| (plain, index));
            }
        }
        Err(Error::Wrong { wanted: envelope.id, tried, matching: self.matching })
    }

    /// The passwords worth trying, those of the envelope's id first.
    fn order(&self, id: Option<&str>) -> Vec<usize> {
        let id = id.unwrap_or(DEFAULT_ID);
        let all = 0..self.passwords.len();
        let (mut order, rest): (Vec<usize>, Vec<usize>) = all.partition(|i| self.passwords[*i].0 == id);
        if !self.matching {
            order.extend(rest);
        }
        order
    }

    fn keys(&self, salt: &[u8], index: usize) -> Keys {
        let at = (salt.to_vec(), index);
        if let Some(keys) = self.known().keys.get(&at) {
            return keys.clone();
        }
        // Not under the lock: others would wait for milliseconds.
        let keys = Keys::derive(&self.passwords[index].1, salt);
        let mut known = self.known();
        if known.keys.len() >= MAX_KEYS {
            known.keys.clear();
        }
        known.keys.insert(at, keys.clone());
        keys
    }

    /// Decrypts a `!vault` value and tells the listener of it. The same envelope gives the same text, which
    /// [`Keyring::envelope_of`] then knows.
    ///
    /// # Errors
    /// As [`Keyring::decrypt`], and when the value is not text.
    pub fn value(&self, envelope: &Arc<str>) -> Result<Arc<str>, Error> {
        if let Some(value) = self.known().values.get(envelope) {
            return value.clone();
        }
        let value = self.decrypt(envelope.as_bytes()).and_then(|plain| match std::str::from_utf8(&plain) {
            Ok(text) => Ok(Arc::<str>::from(text)),
            Err(_) => Err(Error::NotText),
        });
        match value {
            Ok(text) => {
                self.tell(&text);
                Ok(self.keep(envelope.clone(), text))
            }
            Err(error) => {
                self.known().values.insert(envelope.clone(), Err(error.clone()));
                Err(error)
            }
        }
    }

    /// Remembers what an envelope holds; [`Keyring::envelope_of`] knows the text that is given back.
    pub fn keep(&self, envelope: Arc<str>, text: Arc<str>) -> Arc<str> {
        let mut known = self.known();
        // Another thread may have been faster: its text is the one that is known by address.
        if let Some(Ok(text)) = known.values.get(&envelope) {
            return text.clone();
        }
        known.envelopes.insert(text.as_ptr().addr(), envelope.clone());
        known.values.insert(envelope, Ok(text.clone()));
        text
    }

    /// The envelope that this very text (not one equal to it) came from, when [`Keyring::value`] gave it.
    pub fn envelope_of(&self, text: &str) -> Option<Arc<str>> {
        let known = self.known();
        let envelope = known.envelopes.get(&text.as_ptr().addr())?;
        let whole = matches!(known.values.get(envelope), Some(Ok(value)) if value.len() == text.len());
        whole.then(|| envelope.clone())
    }

    /// Bytes as they are, or decrypted when they are vaulted.
    ///
    /// # Errors
    /// As [`Keyring::decrypt`].
    pub fn open(&self, bytes: Vec<u8>) -> Result<Contents, Error> {
        if is_encrypted(&bytes) {
            return Ok(Contents { bytes: self.decrypt(&bytes)?, secret: true });
        }
        Ok(Contents { bytes: Zeroizing::new(bytes), secret: false })
    }

    /// Reads a file, decrypted when it is vaulted.
    ///
    /// # Errors
    /// It cannot be read, or is vaulted and cannot be decrypted; the message does not name the file.
    pub fn read(&self, path: &Path) -> Result<Contents, String> {
        let bytes = std::fs::read(path).map_err(|e| e.to_string())?;
        self.open(bytes).map_err(|e| match e.hint() {
            Some(hint) => format!("{e} ({hint})"),
            None => e.to_string(),
        })
    }

    /// Encrypts with the password of an id; with a random salt unless one is given. The text ends with a newline.
    ///
    /// # Errors
    /// There is no such password, the data are too large, or the id cannot stand in an envelope.
    pub fn encrypt(&self, plain: &[u8], id: &str, salt: Option<&[u8]>) -> Result<String, Error> {
        let password = self.password(id).ok_or(Error::NoSecret)?;
        encrypt(plain, password, Some(id).filter(|id| *id != DEFAULT_ID), salt)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(|e| e.into_inner())
    }
}

/// Encrypts with a password; without an id in format 1.1.
pub(crate) fn encrypt(
    plain: &[u8],
    password: &[u8],
    id: Option<&str>,
    salt: Option<&[u8]>,
) -> Result<String, Error> {
    // Every byte becomes four digits.
    if plain.len() as u64 > MAX_ENVELOPE / 4 - 1024 {
        return Err(Error::TooLarge(plain.len() as u64 * 4));
    }
    if let Some(bad) = id.filter(|id| id.contains(|c: char| c == ';' || c.is_whitespace() || c.is_control()))
    {
        return Err(Error::BadId(bad.to_owned()));
    }
    let mut random = [0; 32];
    let salt = match salt {
        Some(salt) => salt,
        None => {
            getrandom::fill(&mut random).map_err(|_| Error::Random)?;
            &random
        }
    };
    Ok(Keys::derive(password, salt).seal(plain, salt, id.map(str::to_owned)).to_text())
}
