//! `create`, `edit` and `view`: programs of the person's own choice see the plain text.

use super::file::Place;
use super::{Done, Failure, Vault, failed};
use crate::cli::{VaultCreate, VaultEdit};
use crate::commands::tell;
use provision_vault::{DEFAULT_ID, Envelope, Keyring, Purpose, Zeroizing};
use std::fs::{OpenOptions, Permissions};
use std::io::{IsTerminal, Read, Seek, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub fn create(vault: &Vault, args: &VaultCreate) -> Done {
    let [path] = &args.files[..] else {
        return Err(Failure::Options("ansible-vault create can take only one filename argument".to_owned()));
    };
    let (ring, id) = vault.encrypting(&args.vault, args.encrypt_vault_id.as_deref())?;
    if !args.skip_tty_check && !std::io::stdout().is_terminal() {
        return Err(Failure::Options("not a tty, editor cannot be opened".to_owned()));
    }
    if path.symlink_metadata().is_ok() {
        return Err(Failure::Error(format!("{} exists, please use 'edit' instead", path.display())));
    }
    let plain = Draft::new(path, b"")?.edit(&vault.editor)?;
    let text = ring.encrypt(&plain, &id, vault.salt()).map_err(|e| Failure::Error(e.to_string()))?;
    if let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty() && !dir.exists()) {
        tell(&format!("[WARNING]: {} does not exist, creating...", dir.display()));
        let made = std::fs::create_dir_all(dir);
        made.map_err(|e| Failure::Error(format!("cannot make {}: {e}", dir.display())))?;
    }
    keep(&Place::new(path), &text)
}

pub fn edit(vault: &Vault, args: &VaultEdit) -> Done {
    let ring = vault.ring(&args.vault, Purpose::Open)?;
    for path in &args.files {
        let place = Place::of(path)?;
        let data = place.read()?;
        let (plain, index) = ring.decrypt_by(&data).map_err(|e| failed(&e, path))?;
        let edited = Draft::new(path, &plain)?.edit(&vault.editor)?;
        if edited == plain {
            continue;
        }
        // Under the id and the password that it had.
        let id = Envelope::parse(&data).ok().and_then(|envelope| envelope.id);
        let id = id.unwrap_or_else(|| DEFAULT_ID.to_owned());
        let known = ring.nth(index).map(|password| (id.clone(), Zeroizing::new(password.to_vec())));
        let ring = Keyring::new(known.into_iter().collect(), false);
        let text = ring.encrypt(&edited, &id, vault.salt()).map_err(|e| Failure::Error(e.to_string()))?;
        keep(&place, &text)?;
    }
    Ok(())
}

/// Writes what was edited. If that fails the encrypted text is kept elsewhere: the work is not lost.
fn keep(place: &Place, text: &str) -> Done {
    let Err(failure) = place.replace(text.as_bytes()) else { return Ok(()) };
    let saved = tempfile::Builder::new().prefix("vault-").tempfile().and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        Ok(file.keep()?.1)
    });
    let (Failure::Error(why) | Failure::Options(why)) = failure;
    Err(Failure::Error(match saved {
        Ok(path) => format!("{why}; what was edited is kept, encrypted, in {}", path.display()),
        Err(_) => why,
    }))
}

/// The plain text while an editor has it: a file that nobody else can read, wiped when it is dropped.
struct Draft {
    path: PathBuf,
    // Removed after the file is wiped.
    _dir: tempfile::TempDir,
}

impl Draft {
    /// In memory where the system has a place for that.
    fn new(name: &Path, plain: &[u8]) -> Done<Draft> {
        let failed = |e: std::io::Error| Failure::Error(format!("cannot make a temporary file: {e}"));
        let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        let places = [runtime, Some("/dev/shm".into()), Some(std::env::temp_dir())];
        let private = Permissions::from_mode(0o700);
        let make = |place: PathBuf| {
            tempfile::Builder::new().prefix("vault-").permissions(private.clone()).tempdir_in(place)
        };
        let mut made = Err(std::io::ErrorKind::NotFound.into());
        for place in places.into_iter().flatten().filter(|place| place.is_absolute()) {
            made = make(place);
            if made.is_ok() {
                break;
            }
        }
        let dir = made.map_err(failed)?;
        // Under its own name, by which editors know its kind.
        let path = dir.path().join(name.file_name().unwrap_or("vault".as_ref()));
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(0o600).open(&path).map_err(failed)?;
        file.write_all(plain).map_err(failed)?;
        Ok(Draft { path, _dir: dir })
    }

    /// What the person makes of it.
    fn edit(self, editor: &str) -> Done<Zeroizing<Vec<u8>>> {
        let words = shlex::split(editor).filter(|words| !words.is_empty());
        let Some(words) = words else {
            return Err(Failure::Error(format!("the editor `{editor}` cannot be understood")));
        };
        let status = attend(&words, &self.path)
            .map_err(|e| Failure::Error(format!("cannot run the editor `{editor}`: {e}")))?;
        if !status.success() {
            return Err(Failure::Error(format!(
                "the editor `{editor}` failed ({status}); nothing was changed"
            )));
        }
        let mut plain = Zeroizing::new(Vec::new());
        std::fs::File::open(&self.path)
            .and_then(|mut file| file.read_to_end(&mut plain))
            .map_err(|e| Failure::Error(format!("cannot read what was edited: {e}")))?;
        Ok(plain)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // What the editor left beside it (backups, swap files) is wiped, too.
        let dir = self.path.parent().unwrap_or(&self.path);
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            let wiped = OpenOptions::new().write(true).open(entry.path()).and_then(|mut file| {
                let length = file.seek(std::io::SeekFrom::End(0))?;
                file.rewind()?;
                std::io::copy(&mut std::io::repeat(0).take(length), &mut file)?;
                file.sync_all()
            });
            // It is removed in any case.
            let _ = wiped;
        }
    }
}

/// Runs the editor to its end. Ctrl-C is the editor's; a hang-up or a wish to end ends it, so that its text is wiped.
fn attend(words: &[String], path: &Path) -> std::io::Result<std::process::ExitStatus> {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut end = signal(SignalKind::terminate())?;
        let mut hang_up = signal(SignalKind::hangup())?;
        let mut child = tokio::process::Command::new(&words[0]).args(&words[1..]).arg(path).spawn()?;
        loop {
            tokio::select! {
                status = child.wait() => return status,
                _ = interrupt.recv() => {}
                _ = end.recv() => child.start_kill()?,
                _ = hang_up.recv() => child.start_kill()?,
            }
        }
    })
}

/// Plain text for reading: page by page on a terminal.
pub fn show(plain: &[u8], pager: Option<&str>) -> Done {
    let mut text = Zeroizing::new(plain.to_vec());
    if !text.ends_with(b"\n") {
        text.push(b'\n');
    }
    let words = pager.and_then(shlex::split).filter(|words| !words.is_empty());
    if let (true, Some(words)) = (std::io::stdout().is_terminal(), words) {
        let options = std::env::var("LESS").unwrap_or_else(|_| "FRSX".to_owned());
        let child =
            Command::new(&words[0]).args(&words[1..]).env("LESS", options).stdin(Stdio::piped()).spawn();
        if let Ok(mut child) = child {
            if let Some(mut stdin) = child.stdin.take() {
                // Who has seen enough closes the pager.
                let _ = stdin.write_all(&text);
            }
            return match child.wait() {
                Ok(_) => Ok(()),
                Err(e) => Err(Failure::Error(format!("the pager failed: {e}"))),
            };
        }
    }
    let mut out = std::io::stdout();
    let _ = out.write_all(&text).and_then(|()| out.flush());
    Ok(())
}
