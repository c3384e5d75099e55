//! `provision vault`: encrypts, shows and changes files and values, as `ansible-vault` does.

mod edit;
mod file;
mod strings;

use super::tell;
use crate::cli::{VaultAction, VaultArgs, VaultCommand, VaultRekey};
use crate::config::table;
use crate::exit::Exit;
use crate::setup;
use crate::vault::VaultSettings;
use file::{Place, read_input, write_output};
use provision_vault::{DEFAULT_ID, Error, Keyring, Purpose, Request, Zeroizing, is_encrypted};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

/// Why it was not done.
#[derive(Debug)]
enum Failure {
    /// What was asked for does not go together.
    Options(String),
    /// Something failed on the way.
    Error(String),
}

type Done<T = ()> = Result<T, Failure>;

/// What all actions need.
struct Vault {
    settings: VaultSettings,
    pager: Option<String>,
    editor: String,
}

pub fn run(args: &VaultCommand) -> Exit {
    let config = match setup::config() {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    let vault = Vault {
        settings: VaultSettings::of(&config),
        pager: config.text(&table::PAGER),
        editor: config.text(&table::EDITOR).unwrap_or_else(|| "vi".to_owned()),
    };
    match vault.act(&args.action) {
        Ok(()) => Exit::Done,
        Err(failure) => {
            let (text, exit) = match failure {
                Failure::Options(text) => (text, Exit::Setting),
                Failure::Error(text) => (text, Exit::Undone),
            };
            tell(&format!("[ERROR]: {text}"));
            exit
        }
    }
}

impl Vault {
    fn act(&self, action: &VaultAction) -> Done {
        match action {
            VaultAction::Create(args) => edit::create(self, args),
            VaultAction::Edit(args) => edit::edit(self, args),
            VaultAction::View(args) => self.view(&args.vault, &args.files),
            VaultAction::Encrypt(args) => {
                let (ring, id) = self.encrypting(&args.vault, args.encrypt_vault_id.as_deref())?;
                self.each(&args.files, args.output.as_deref(), "plaintext", |plain| {
                    if is_encrypted(plain) {
                        return Err("input is already encrypted".to_owned());
                    }
                    let text = ring.encrypt(plain, &id, self.salt()).map_err(|e| e.to_string())?;
                    Ok(text.into_bytes().into())
                })?;
                success("Encryption successful");
                Ok(())
            }
            VaultAction::Decrypt(args) => {
                let ring = self.decrypting(&args.vault)?;
                self.each(&args.files, args.output.as_deref(), "ciphertext", |data| {
                    ring.decrypt(data).map_err(|e| explained(&e))
                })?;
                success("Decryption successful");
                Ok(())
            }
            VaultAction::Rekey(args) => self.rekey(args),
            VaultAction::EncryptString(args) => strings::encrypt(self, args),
        }
    }

    fn salt(&self) -> Option<&[u8]> {
        self.settings.encrypt_salt.as_deref().map(str::as_bytes)
    }

    /// The passwords given, or one that the person is asked for.
    fn ring(&self, args: &VaultArgs, purpose: Purpose) -> Done<Keyring> {
        let mut requests = self.settings.requests(args);
        if requests.is_empty() {
            requests.push(Request::ask());
        }
        let mut warn = |text: &str| tell(&format!("[WARNING]: {text}"));
        let passwords = self.settings.passwords(&requests, purpose, &mut warn).map_err(Failure::Error)?;
        Ok(Keyring::new(passwords, self.settings.id_match))
    }

    fn decrypting(&self, args: &VaultArgs) -> Done<Keyring> {
        self.ring(args, Purpose::Open)
    }

    /// The passwords, and the id of the one to encrypt with.
    fn encrypting(&self, args: &VaultArgs, wanted: Option<&str>) -> Done<(Keyring, String)> {
        let ring = self.ring(args, Purpose::New)?;
        let id = self.chosen(&ring, wanted)?;
        Ok((ring, id))
    }

    fn chosen(&self, ring: &Keyring, wanted: Option<&str>) -> Done<String> {
        let ids: Vec<&str> = ring.ids().collect();
        match wanted.or(self.settings.encrypt_identity.as_deref()) {
            Some(id) if ids.contains(&id) => Ok(id.to_owned()),
            Some(id) => Err(Failure::Error(format!(
                "Did not find a match for --encrypt-vault-id={id} in the known vault-ids {ids:?}"
            ))),
            None if ids.len() > 1 => Err(Failure::Options(format!(
                "The vault-ids {} are available to encrypt. Specify the vault-id to encrypt with --encrypt-vault-id",
                ids.join(",")
            ))),
            None => Ok(ids.first().map_or(DEFAULT_ID, |id| id).to_owned()),
        }
    }

    /// Changes each file in its place, or one to `output`; without files, standard input to standard output.
    fn each(
        &self,
        files: &[PathBuf],
        output: Option<&Path>,
        what: &str,
        change: impl Fn(&[u8]) -> Result<Zeroizing<Vec<u8>>, String>,
    ) -> Done {
        if files.len() > 1 && output.is_some() {
            return Err(Failure::Options(
                "At most one input file may be used with the --output option".to_owned(),
            ));
        }
        let stdin = [PathBuf::from("-")];
        let files = if files.is_empty() { &stdin[..] } else { files };
        for path in files {
            let input = read_input(path, what)?;
            let changed = change(&input).map_err(|e| {
                Failure::Error(if files == stdin { e } else { format!("{e} for {}", path.display()) })
            })?;
            match output {
                Some(output) => write_output(output, &changed)?,
                None if path == Path::new("-") => write_output(path, &changed)?,
                None => Place::of(path)?.with_mode(0o600).replace(&changed)?,
            }
        }
        Ok(())
    }

    fn view(&self, args: &VaultArgs, files: &[PathBuf]) -> Done {
        let ring = self.decrypting(args)?;
        for path in files {
            let input = read_input(path, "ciphertext")?;
            let plain = ring.decrypt(&input).map_err(|e| failed(&e, path))?;
            edit::show(&plain, self.pager.as_deref())?;
        }
        Ok(())
    }

    /// All files are decrypted before the first is written: a wrong password leaves all of them as they were.
    fn rekey(&self, args: &VaultRekey) -> Done {
        let ring = self.decrypting(&args.vault)?;
        let mut plain = Vec::new();
        for path in &args.files {
            let place = Place::of(path)?;
            let data = place.read()?;
            plain.push((place, ring.decrypt(&data).map_err(|e| failed(&e, path))?));
        }
        let request = match (&args.new_vault_id, &args.new_vault_password_file) {
            (Some(id), _) => Request::parse(id),
            (None, Some(path)) => Request::file(path),
            (None, None) => Request::ask(),
        };
        let mut warn = |text: &str| tell(&format!("[WARNING]: {text}"));
        let passwords =
            self.settings.passwords(&[request], Purpose::New, &mut warn).map_err(Failure::Error)?;
        let new = Keyring::new(passwords, false);
        let id = self.chosen(&new, args.encrypt_vault_id.as_deref())?;
        let mut texts = Vec::new();
        for (place, plain) in plain {
            let text = new.encrypt(&plain, &id, self.salt()).map_err(|e| Failure::Error(e.to_string()))?;
            texts.push((place, text));
        }
        for (place, text) in texts {
            place.replace(text.as_bytes())?;
        }
        tell("Rekey successful");
        Ok(())
    }
}

fn explained(error: &Error) -> String {
    match error.hint() {
        Some(hint) => format!("{error} ({hint})"),
        None => error.to_string(),
    }
}

fn failed(error: &Error, path: &Path) -> Failure {
    Failure::Error(format!("{} for {}", explained(error), path.display()))
}

/// Said to a person, not to a pipe.
fn success(text: &str) {
    if std::io::stdout().is_terminal() {
        tell(text);
    }
}
