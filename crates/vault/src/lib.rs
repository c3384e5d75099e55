//! Data encrypted as `ansible-vault` does: the envelope, the cipher, and the passwords of a run.
//!
//! The format is Ansible's 1.1 and 1.2 (with a vault id): AES-256 in counter mode, an HMAC of SHA-256 over the
//! ciphertext, both keys by PBKDF2 from the password. Nothing here writes a file or prints.

mod cipher;
mod envelope;
mod error;
mod keyring;
mod password;

pub use envelope::{Envelope, MAX_ENVELOPE, is_encrypted};
pub use error::Error;
pub use keyring::{Contents, DEFAULT_ID, Keyring};
pub use password::{Ask, PasswordError, Purpose, Request, Source, read_password};
pub use zeroize::Zeroizing;
