//! What can be wrong with vaulted data. The first words are those of Ansible, which people search for.

/// Why something could not be decrypted or encrypted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Nobody gave a password.
    #[error("Attempting to decrypt but no vault secrets found.")]
    NoSecret,
    /// None of the passwords fits.
    #[error("Decryption failed (no vault secrets were found that could decrypt).")]
    Wrong {
        /// The id in the envelope, when it has one.
        wanted: Option<String>,
        /// Ids of the passwords tried, in order.
        tried: Vec<String>,
        /// Only passwords of the envelope's own id were allowed.
        matching: bool,
    },
    /// No envelope.
    #[error("Input is not vault encrypted data.")]
    NotEncrypted,
    /// An envelope that cannot be read.
    #[error("Vault format error: {what}")]
    Damaged {
        what: String,
        /// The line of the envelope, from 1.
        line: usize,
    },
    #[error("the vault format {0} is not known: versions 1.1 and 1.2 are")]
    Version(String),
    #[error("Cipher '{0}' could not be found: only AES256 is known")]
    Cipher(String),
    /// More than [`crate::MAX_ENVELOPE`].
    #[error("vaulted data of {0} bytes is larger than the limit of 1 GiB")]
    TooLarge(u64),
    #[error("the vaulted value is not UTF-8 text")]
    NotText,
    #[error("'{0}' is not a valid vault id: it holds a ';', a blank or a control character")]
    BadId(String),
    #[error("the system gives no random numbers")]
    Random,
}

impl Error {
    /// What else is known: which ids were tried, and what to do.
    pub fn hint(&self) -> Option<String> {
        match self {
            Error::NoSecret => Some(
                "give the password with --vault-id, --vault-password-file or --ask-vault-pass".to_owned(),
            ),
            Error::Wrong { wanted, tried, matching } => {
                let tried = match tried.is_empty() {
                    true => "no password was tried".to_owned(),
                    false => format!("passwords tried: those of the vault ids {}", tried.join(", ")),
                };
                let wanted = match wanted {
                    Some(id) if *matching => format!("; only that of `{id}` may be (ANSIBLE_VAULT_ID_MATCH)"),
                    Some(id) => format!("; it was encrypted under the id `{id}`"),
                    None => String::new(),
                };
                Some(format!("{tried}{wanted}"))
            }
            _ => None,
        }
    }

    /// The line of the envelope (from 1) that is to blame.
    pub fn line(&self) -> usize {
        match self {
            Error::Damaged { line, .. } => *line,
            _ => 1,
        }
    }
}
