//! PBKDF2, AES-256 in counter mode and HMAC, put together as Ansible does.

use crate::{Envelope, Error};
use aes::Aes256;
use ctr::Ctr128BE;
use ctr::cipher::{KeyIvInit, StreamCipher};
use ring::{hmac, pbkdf2};
use std::num::NonZeroU32;
use zeroize::Zeroizing;

/// Rounds of key derivation, fixed by the format.
const ROUNDS: NonZeroU32 = NonZeroU32::new(10_000).expect("not zero");

/// Plaintext is padded to whole blocks of this size (bytes), though the mode would not need it.
const BLOCK: usize = 16;

/// A password's keys for one salt: cipher key, HMAC key, first counter.
#[derive(Clone)]
pub(crate) struct Keys(Zeroizing<[u8; 80]>);

impl Keys {
    /// Takes some milliseconds, on purpose.
    pub fn derive(password: &[u8], salt: &[u8]) -> Keys {
        let mut keys = Zeroizing::new([0; 80]);
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, ROUNDS, salt, password, &mut keys[..]);
        Keys(keys)
    }

    fn mac_key(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &self.0[32..64])
    }

    fn apply(&self, data: &mut [u8]) {
        let mut key = aes::cipher::Key::<Aes256>::default();
        key.copy_from_slice(&self.0[..32]);
        let mut counter = ctr::cipher::Iv::<Ctr128BE<Aes256>>::default();
        counter.copy_from_slice(&self.0[64..80]);
        Ctr128BE::<Aes256>::new(&key, &counter).apply_keystream(data);
        zeroize::Zeroize::zeroize(key.as_mut_slice());
    }

    /// Encrypts under these keys, which must be those of `salt`.
    pub fn seal(&self, plain: &[u8], salt: &[u8], id: Option<String>) -> Envelope {
        let padding = BLOCK - plain.len() % BLOCK;
        let mut ciphertext = Vec::with_capacity(plain.len() + padding);
        ciphertext.extend_from_slice(plain);
        ciphertext.resize(plain.len() + padding, padding as u8);
        self.apply(&mut ciphertext);
        let mac = hmac::sign(&self.mac_key(), &ciphertext).as_ref().to_vec();
        Envelope { id, salt: salt.to_vec(), mac, ciphertext }
    }

    /// None when these are not the keys. The comparison takes the same time wherever the difference is.
    pub fn open(&self, envelope: &Envelope) -> Option<Result<Zeroizing<Vec<u8>>, Error>> {
        hmac::verify(&self.mac_key(), &envelope.ciphertext, &envelope.mac).ok()?;
        let mut plain = Zeroizing::new(envelope.ciphertext.clone());
        self.apply(&mut plain);
        let padding = plain.last().copied().map_or(0, usize::from);
        let sound = (1..=BLOCK).contains(&padding)
            && plain.len() >= padding
            && plain[plain.len() - padding..].iter().all(|b| usize::from(*b) == padding);
        if !sound {
            // Whoever wrote it had the password: no attacker learns anything from this.
            let what = "its padding is wrong".to_owned();
            return Some(Err(Error::Damaged { what, line: 2 }));
        }
        let length = plain.len() - padding;
        plain.truncate(length);
        Some(Ok(plain))
    }
}
