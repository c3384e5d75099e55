//! What the modules around keys and certificates share: calling the target's `openssl`, and keeping its files.

use super::files::{self, Ownership, show};
use crate::{Ctx, Failure, Outcome};
use provision_system::{Command, Effect, Meta, NewFile, Output, Ran, digest_of};
use serde_json::{Map, Value};
use std::ffi::OsString;
use std::path::Path;

/// The variable in which a passphrase is handed over: other users see arguments, not environments.
pub const PASSPHRASE: &str = "PROVISION_PASSPHRASE";

/// What became of a command that needs openssl.
pub enum Made {
    Done(Vec<u8>),
    /// A dry run: it would be made.
    Later,
}

/// `openssl` with these words; a passphrase if its arguments speak of one.
pub fn command<S: Into<OsString>>(words: impl IntoIterator<Item = S>, passphrase: Option<&str>) -> Command {
    let mut command = Command::new([OsString::from("openssl")]);
    command.argv.extend(words.into_iter().map(Into::into));
    // What is not given is empty: openssl must not ask a terminal.
    command.secret = passphrase.is_some();
    let passphrase = provision_system::text::to_os(passphrase.unwrap_or_default());
    command.env(PASSPHRASE, passphrase)
}

/// Runs a command that makes something new of random numbers; what it prints.
pub fn make(ctx: &Ctx<'_>, command: &Command) -> Result<Made, Failure> {
    if let Some(missing) = missing(ctx)? {
        return if ctx.sys.uncertain() { Ok(Made::Later) } else { Err(missing) };
    }
    match ctx.sys.run(command, Effect::Change)? {
        Ran::Done(output) => printed(output).map(Made::Done),
        Ran::NotRun => Ok(Made::Later),
    }
}

/// Asks openssl something; what it prints.
pub fn ask(ctx: &Ctx<'_>, command: &Command) -> Result<Vec<u8>, Failure> {
    if let Some(missing) = missing(ctx)? {
        return Err(missing);
    }
    printed(ctx.sys.query(command)?)
}

fn missing(ctx: &Ctx<'_>) -> Result<Option<Failure>, Failure> {
    Ok(match ctx.sys.find_program("openssl")? {
        Some(_) => None,
        None => Some(Failure::new(
            "Failed to find required executable \"openssl\": install the package openssl on the target",
        )),
    })
}

fn printed(output: Output) -> Result<Vec<u8>, Failure> {
    if output.ok() {
        return Ok(output.stdout);
    }
    Err(Failure::new(format!("openssl failed: {}", output.err().trim()))
        .with("rc", output.rc)
        .with("stderr", output.err()))
}

/// The public key of a private one, as SubjectPublicKeyInfo.
pub fn public_key(ctx: &Ctx<'_>, key: &[u8], passphrase: Option<&str>) -> Result<Vec<u8>, Failure> {
    let pass = format!("env:{PASSPHRASE}");
    let command = command(["pkey", "-pubout", "-passin", &pass], passphrase).stdin(key);
    let pem = ask(ctx, &command)?;
    super::der::from_pem(&pem, &["PUBLIC KEY"])
        .ok_or_else(|| Failure::new("openssl printed no public key".to_owned()))
}

/// The result `fingerprint`: digests of a public key, by algorithm.
pub fn fingerprints(public_key: &[u8]) -> Map<String, Value> {
    let colons = |hex: String| {
        let bytes: Vec<&str> =
            hex.as_bytes().chunks(2).filter_map(|pair| std::str::from_utf8(pair).ok()).collect();
        bytes.join(":")
    };
    ["md5", "sha1", "sha224", "sha256", "sha384", "sha512"]
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), colons(digest_of(public_key, name)?).into())))
        .collect()
}

/// The directory a file goes to must be there, unless a dry run cannot know.
pub fn check_directory(ctx: &Ctx<'_>, path: &Path) -> Result<(), Failure> {
    let dir = path.parent().unwrap_or(Path::new("/"));
    if ctx.sys.stat(dir, true)?.is_some_and(|meta| meta.is_dir()) || ctx.sys.uncertain() {
        return Ok(());
    }
    let dir = show(dir);
    Err(Failure::new(format!("The directory '{dir}' does not exist or the file is not a directory"))
        .with("name", dir))
}

/// Takes a file away, with a backup if wanted; the outcome so far with `backup_file`.
pub fn remove(ctx: &Ctx<'_>, path: &Path, old: Option<&Meta>, backup: bool) -> Result<Outcome, Failure> {
    let mut outcome = Outcome::new().with("filename", show(path));
    if old.is_some() {
        if backup {
            outcome = outcome.with("backup_file", show(&files::back_up(ctx, path)?));
        }
        ctx.sys.remove_file(path)?;
    }
    Ok(outcome)
}

/// Puts new content in its place: with its owner and mode from the first moment.
pub fn replace(
    ctx: &Ctx<'_>,
    path: &Path,
    old: Option<&Meta>,
    data: &[u8],
    owner: &Ownership<'_>,
    (secret, backup): (bool, bool),
) -> Result<Outcome, Failure> {
    let mut outcome = Outcome::new();
    if backup && old.is_some() {
        outcome = outcome.with("backup_file", show(&files::back_up(ctx, path)?));
    }
    let new = NewFile { secret, ..owner.new_file(ctx, old) };
    ctx.sys.write(path, &mut &*data, &new)?;
    Ok(outcome)
}

/// What a dry run says of a file whose content only the real run can know.
pub fn later(
    ctx: &Ctx<'_>,
    what: &str,
    path: &Path,
    old: Option<&Meta>,
    after: &str,
) -> Result<Outcome, Failure> {
    let before = if old.is_some() { "another" } else { "absent" };
    ctx.sys.note(&format!("{what} {}", show(path)), before, after)?;
    let outcome = Outcome::new().with("filename", show(path));
    Ok(files::depends(outcome, &format!("the {what} is made then")))
}
