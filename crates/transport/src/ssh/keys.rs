//! Private key files: read once a run, and decrypted once a run, when a server first wants them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use russh::keys::{Certificate, PrivateKey, PublicKey};
use zeroize::Zeroizing;

use super::{Prompter, Secret};

/// How often a wrong passphrase may be corrected, as ssh(1).
const ATTEMPTS: usize = 3;

/// The key files of a run.
pub(crate) struct KeyRing {
    prompter: Arc<dyn Prompter>,
    files: Mutex<HashMap<PathBuf, Arc<KeyFile>>>,
    /// One question at a time: two prompts at once would share a terminal.
    asking: tokio::sync::Mutex<()>,
}

/// One identity file.
pub(crate) struct KeyFile {
    pub(crate) path: PathBuf,
    /// Known without the passphrase in OpenSSH's format, or from the `.pub` beside it.
    pub(crate) public: Option<PublicKey>,
    /// From `path-cert.pub`.
    pub(crate) certificate: Option<Certificate>,
    private: tokio::sync::Mutex<Private>,
}

enum Private {
    Open(Arc<PrivateKey>),
    Encrypted(Zeroizing<Vec<u8>>),
    /// Only the `.pub` is there: the agent has to sign.
    Absent,
    /// Tried and given up; not asked again.
    Failed(String),
}

impl KeyRing {
    pub(crate) fn new(prompter: Arc<dyn Prompter>) -> Self {
        Self { prompter, files: Mutex::default(), asking: tokio::sync::Mutex::new(()) }
    }

    /// Reads an identity file; `None` when there is neither a private nor a public key at `path`.
    ///
    /// # Errors
    /// A text for the user when the file is there but is not a private key.
    pub(crate) fn load(&self, path: &Path) -> Result<Option<Arc<KeyFile>>, String> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = files.get(path) {
            return Ok(Some(file.clone()));
        }
        let Some(file) = KeyFile::read(path)? else { return Ok(None) };
        let file = Arc::new(file);
        files.insert(path.to_owned(), file.clone());
        Ok(Some(file))
    }

    /// The private key, asking for its passphrase when it is needed for the first time. `waiting` counts the
    /// time spent on the user.
    ///
    /// # Errors
    /// A text for the user; the same at once for everybody who needs the key later.
    pub(crate) async fn open(
        &self,
        file: &KeyFile,
        waiting: &super::Patience,
    ) -> Result<Arc<PrivateKey>, String> {
        let _pause = waiting.pause();
        let mut private = file.private.lock().await;
        let bytes = match &*private {
            Private::Open(key) => return Ok(key.clone()),
            Private::Failed(why) => return Err(why.clone()),
            Private::Absent => {
                return Err("its private key is neither in the file nor in the agent".to_owned());
            }
            Private::Encrypted(bytes) => bytes.clone(),
        };
        let result = self.decrypt(&file.path, &bytes).await;
        *private = match &result {
            Ok(key) => Private::Open(key.clone()),
            Err(why) => Private::Failed(why.clone()),
        };
        result
    }

    async fn decrypt(&self, path: &Path, bytes: &[u8]) -> Result<Arc<PrivateKey>, String> {
        let _turn = self.asking.lock().await;
        let text = Zeroizing::new(String::from_utf8_lossy(bytes).into_owned());
        for attempt in 1..=ATTEMPTS {
            let again = if attempt == 1 { "" } else { "Wrong passphrase. " };
            let question = format!("{again}Passphrase for key '{}': ", path.display());
            let prompter = self.prompter.clone();
            let answer: Secret = tokio::task::spawn_blocking(move || prompter.ask(&question))
                .await
                .map_err(|e| format!("the passphrase prompt failed: {e}"))?
                .map_err(|e| format!("its passphrase could not be asked for: {e}"))?;
            if answer.expose().is_empty() {
                return Err("no passphrase given".to_owned());
            }
            let text = text.clone();
            // bcrypt takes a good part of a second: not on the runtime's own threads.
            let key = tokio::task::spawn_blocking(move || {
                russh::keys::decode_secret_key(&text, Some(answer.expose()))
            })
            .await
            .map_err(|e| format!("decrypting failed: {e}"))?;
            if let Ok(key) = key {
                return Ok(Arc::new(key));
            }
        }
        Err(format!("wrong passphrase, {ATTEMPTS} times"))
    }
}

impl KeyFile {
    fn read(path: &Path) -> Result<Option<Self>, String> {
        let beside = |suffix: &str| {
            let mut name = path.as_os_str().to_owned();
            name.push(suffix);
            PathBuf::from(name)
        };
        let public =
            std::fs::read_to_string(beside(".pub")).ok().and_then(|t| PublicKey::from_openssh(&t).ok());
        let certificate = std::fs::read_to_string(beside("-cert.pub"))
            .ok()
            .and_then(|t| Certificate::from_openssh(t.trim()).ok());
        let (public, private) = match std::fs::read(path) {
            Ok(bytes) => decode(path, Zeroizing::new(bytes), public)?,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => match public {
                Some(public) => (Some(public), Private::Absent),
                None => return Ok(None),
            },
            Err(e) => return Err(format!("cannot read it: {e}")),
        };
        Ok(Some(Self {
            path: path.to_owned(),
            public,
            certificate,
            private: tokio::sync::Mutex::new(private),
        }))
    }
}

/// The public part, where it can be had, and the private one as far as it goes without a passphrase.
fn decode(
    path: &Path,
    bytes: Zeroizing<Vec<u8>>,
    beside: Option<PublicKey>,
) -> Result<(Option<PublicKey>, Private), String> {
    let text = Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned());
    // `IdentityFile key.pub` with the private half in the agent.
    if let Ok(public) = PublicKey::from_openssh(text.trim()) {
        return Ok((Some(public), Private::Absent));
    }
    private_enough(path)?;
    if let Ok(key) = PrivateKey::from_openssh(text.as_bytes()) {
        let public = key.public_key().clone();
        let private =
            if key.is_encrypted() { Private::Encrypted(bytes) } else { Private::Open(Arc::new(key)) };
        return Ok((Some(public), private));
    }
    if text.contains("ENCRYPTED") {
        return Ok((beside, Private::Encrypted(bytes)));
    }
    match russh::keys::decode_secret_key(&text, None) {
        Ok(key) => Ok((Some(key.public_key().clone()), Private::Open(Arc::new(key)))),
        Err(e) => Err(format!("it is not a private key: {e}")),
    }
}

/// OpenSSH ignores keys that others can read, so that nobody gets used to them.
fn private_enough(path: &Path) -> Result<(), String> {
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::metadata(path).map_err(|e| format!("cannot read it: {e}"))?;
    if metadata.uid() == rustix::process::getuid().as_raw() && metadata.mode() & 0o077 != 0 {
        let mode = metadata.mode() & 0o777;
        return Err(format!("its mode {mode:04o} lets others read it: chmod 600 {}", path.display()));
    }
    Ok(())
}
