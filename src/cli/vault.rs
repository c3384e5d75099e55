//! `provision vault`: what `ansible-vault` takes.

use super::VaultArgs;
use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct VaultCommand {
    #[command(subcommand)]
    pub action: VaultAction,
    /// Say more
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub verbose: u8,
}

#[derive(Debug, Subcommand)]
pub enum VaultAction {
    /// Make an encrypted file with your editor
    Create(VaultCreate),
    /// Decrypt files, or standard input
    Decrypt(VaultDecrypt),
    /// Change an encrypted file with your editor
    Edit(VaultEdit),
    /// Show what encrypted files hold
    View(VaultFiles),
    /// Encrypt files, or standard input
    Encrypt(VaultEncrypt),
    /// Encrypt values, to be put into YAML
    #[command(alias = "encrypt_string")]
    EncryptString(VaultStrings),
    /// Encrypt files under another password
    Rekey(VaultRekey),
}

#[derive(Debug, Args)]
pub struct VaultFiles {
    /// Files; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    #[command(flatten)]
    pub vault: VaultArgs,
}

#[derive(Debug, Args)]
pub struct VaultDecrypt {
    /// Files; `-`, or none, is standard input
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Write there instead of into the file's place; `-` is standard output
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    #[command(flatten)]
    pub vault: VaultArgs,
}

#[derive(Debug, Args)]
pub struct VaultEncrypt {
    /// Files; `-`, or none, is standard input
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Write there instead of into the file's place; `-` is standard output
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// The id to encrypt under; needed when several are given
    #[arg(long, value_name = "ID")]
    pub encrypt_vault_id: Option<String>,
    #[command(flatten)]
    pub vault: VaultArgs,
}

#[derive(Debug, Args)]
pub struct VaultCreate {
    /// The file
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// The id to encrypt under; needed when several are given
    #[arg(long, value_name = "ID")]
    pub encrypt_vault_id: Option<String>,
    /// Open the editor even where there is no terminal
    #[arg(long)]
    pub skip_tty_check: bool,
    #[command(flatten)]
    pub vault: VaultArgs,
}

#[derive(Debug, Args)]
pub struct VaultEdit {
    /// Files
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Taken and not needed: a file keeps the id that it was encrypted under
    #[arg(long, value_name = "ID")]
    pub encrypt_vault_id: Option<String>,
    #[command(flatten)]
    pub vault: VaultArgs,
}

#[derive(Debug, Args)]
pub struct VaultRekey {
    /// Files
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// The new password, with its id: [ID@]FILE, [ID@]SCRIPT or [ID@]prompt
    #[arg(long, value_name = "IDENTITY", conflicts_with = "new_vault_password_file")]
    pub new_vault_id: Option<String>,
    /// Read the new password from a file or a script
    #[arg(long, value_name = "FILE")]
    pub new_vault_password_file: Option<PathBuf>,
    /// The id to encrypt under: that of the new password
    #[arg(long, value_name = "ID")]
    pub encrypt_vault_id: Option<String>,
    #[command(flatten)]
    pub vault: VaultArgs,
}

#[derive(Debug, Args)]
pub struct VaultStrings {
    /// Texts to encrypt; `-`, or none, is standard input
    #[arg(value_name = "TEXT")]
    pub strings: Vec<String>,
    /// Ask for a text to encrypt
    #[arg(short, long)]
    pub prompt: bool,
    /// Show it while it is typed
    #[arg(long)]
    pub show_input: bool,
    /// The variable's name, for each text in turn
    #[arg(short, long = "name", value_name = "NAME")]
    pub names: Vec<String>,
    /// The variable's name for the text of standard input
    #[arg(long, value_name = "NAME")]
    pub stdin_name: Option<String>,
    /// Write there instead of to standard output
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// The id to encrypt under; needed when several are given
    #[arg(long, value_name = "ID")]
    pub encrypt_vault_id: Option<String>,
    #[command(flatten)]
    pub vault: VaultArgs,
}
