//! Vault passwords: where they come from, and in which order they are tried.

use crate::cli::VaultArgs;
use crate::config::{Config, table};
use crate::prompt::Terminal;
use provision_engine::Prompter;
use provision_vault::{Ask, DEFAULT_ID, Keyring, Purpose, Request, Zeroizing, read_password};
use std::path::PathBuf;

/// What the configuration says about vault.
#[derive(Debug, Default)]
pub struct VaultSettings {
    /// `[id@]prompt|file|script`, before those of the command line.
    pub identity_list: Vec<String>,
    /// After those of the command line.
    pub password_file: Option<PathBuf>,
    /// The id of passwords that are given without one.
    pub identity: Option<String>,
    /// Ask for one.
    pub ask: bool,
    /// Envelopes with an id are tried with its passwords only.
    pub id_match: bool,
    /// The id to encrypt with when there are several.
    pub encrypt_identity: Option<String>,
    /// In place of random ones.
    pub encrypt_salt: Option<String>,
}

/// Passwords with their ids, in the order they are tried.
pub type Passwords = Vec<(String, Zeroizing<Vec<u8>>)>;

impl VaultSettings {
    pub fn of(config: &Config) -> Self {
        let id_match = config.text(&table::DEFAULT_VAULT_ID_MATCH).unwrap_or_default();
        Self {
            identity_list: config.list(&table::DEFAULT_VAULT_IDENTITY_LIST),
            password_file: config.path(&table::DEFAULT_VAULT_PASSWORD_FILE),
            identity: config.text(&table::DEFAULT_VAULT_IDENTITY),
            ask: config.flag(&table::DEFAULT_ASK_VAULT_PASS),
            id_match: matches!(&*id_match.to_lowercase(), "1" | "yes" | "true" | "on" | "y" | "t"),
            encrypt_identity: config.text(&table::DEFAULT_VAULT_ENCRYPT_IDENTITY),
            encrypt_salt: config.text(&table::VAULT_ENCRYPT_SALT),
        }
    }

    /// Everything that is asked for, in Ansible's order.
    pub fn requests(&self, args: &VaultArgs) -> Vec<Request> {
        let ids = self.identity_list.iter().chain(&args.vault_id);
        let mut requests: Vec<Request> = ids.map(|spec| Request::parse(spec)).collect();
        requests.extend(args.vault_password_file.iter().map(Request::file));
        if args.ask_vault_pass || self.ask {
            requests.push(Request::ask());
        }
        // A configured file counts beside the command line's own, once.
        if let Some(path) = &self.password_file
            && !args.vault_password_file.contains(path)
        {
            requests.push(Request::file(path));
        }
        requests
    }

    /// Gets the passwords. One that cannot be had is a warning as long as there are others.
    ///
    /// # Errors
    /// None of those asked for could be had.
    pub fn passwords(
        &self,
        requests: &[Request],
        purpose: Purpose,
        warn: &mut dyn FnMut(&str),
    ) -> Result<Passwords, String> {
        let mut passwords = Passwords::new();
        let mut failed = None;
        for request in requests {
            let id = request.id.as_deref().or(self.identity.as_deref()).unwrap_or(DEFAULT_ID);
            let known = Keyring::new(passwords.clone(), self.id_match);
            match read_password(request, id, purpose, &Terminal, &known) {
                Ok(password) => passwords.push((id.to_owned(), password)),
                Err(error) => {
                    warn(&format!("Error getting the vault password ({id}): {error}"));
                    failed = Some(error.to_string());
                }
            }
        }
        match failed {
            Some(error) if passwords.is_empty() => Err(error),
            _ => Ok(passwords),
        }
    }

    /// The passwords of a run.
    ///
    /// # Errors
    /// As [`VaultSettings::passwords`].
    pub fn keyring(&self, args: &VaultArgs, warn: &mut dyn FnMut(&str)) -> Result<Keyring, String> {
        let passwords = self.passwords(&self.requests(args), Purpose::Open, warn)?;
        Ok(Keyring::new(passwords, self.id_match))
    }
}

impl Ask for Terminal {
    fn ask(&self, prompt: &str) -> Option<Zeroizing<String>> {
        Prompter::ask(self, prompt, true).map(Zeroizing::new)
    }
}
