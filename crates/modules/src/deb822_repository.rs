//! `deb822_repository`: a file of apt's sources in the deb822 format.

use crate::support::files::{create_dirs, real_path, show};
use crate::support::http;
use crate::{Ctx, Failure, Module, Outcome};
use provision_args::{Args, Choice, ModeArg};
use provision_system::NewFile;
use provision_system::text::{text_to_bytes, to_os};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Add a repository to apt as a file of its own, or take it away, with the key it is signed by.
#[derive(Args)]
#[args(name = "deb822_repository")]
pub struct Deb822RepositoryArgs {
    /// The repository's name: `X-Repolib-Name`, and what its files are called.
    #[arg(required)]
    pub name: String,
    /// Whether it shall be there.
    #[arg(default = "present")]
    pub state: State,
    /// Kinds of packages.
    #[arg(default = "deb")]
    pub types: Vec<Type>,
    /// Where it is.
    pub uris: Option<Vec<String>>,
    /// Releases, or a path with a slash at its end.
    pub suites: Option<Vec<String>>,
    /// Parts of the release.
    pub components: Option<Vec<String>>,
    /// What it is signed by: a URL of a key, which is fetched into `/etc/apt/keyrings`; the path of a keyring;
    /// fingerprints; or the key itself in ASCII armour.
    pub signed_by: Option<String>,
    /// Processors.
    pub architectures: Option<Vec<String>>,
    /// Languages of package descriptions.
    pub languages: Option<Vec<String>>,
    /// What is fetched of it (`Targets`).
    pub targets: Option<Vec<String>>,
    /// Whether apt uses it.
    pub enabled: Option<bool>,
    /// Whether it is trusted without a signature.
    pub trusted: Option<bool>,
    /// Packages that were authenticated may be replaced by ones that are not.
    pub allow_downgrade_to_insecure: Option<bool>,
    /// Use it even without a signature.
    pub allow_insecure: Option<bool>,
    /// Accept weak digests in signatures.
    pub allow_weak: Option<bool>,
    /// Fetch indexes by their hashes.
    pub by_hash: Option<bool>,
    /// Take the clock of the host to be right.
    pub check_date: Option<bool>,
    /// Look at the date until which the release file is valid.
    pub check_valid_until: Option<bool>,
    /// Seconds that a release file may be from the future.
    pub date_max_future: Option<i64>,
    /// Where the `InRelease` file is.
    pub inrelease_path: Option<String>,
    /// Fetch differences of indexes.
    pub pdiffs: Option<bool>,
    /// The mode of the files.
    #[arg(default = "0644")]
    pub mode: ModeArg,
}

/// Whether it shall be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Choice)]
pub enum State {
    Absent,
    Present,
}

/// Kinds of packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Choice)]
pub enum Type {
    #[choice("deb")]
    Deb,
    #[choice("deb-src")]
    Source,
}

/// The module.
pub struct Deb822Repository;

impl Module for Deb822Repository {
    type Args = Deb822RepositoryArgs;

    fn run(args: Deb822RepositoryArgs, ctx: &Ctx<'_>) -> Result<Outcome, Failure> {
        let slug = slug(&args.name);
        if slug.is_empty() {
            return Err(Failure::new(format!("no file can be named for the repository {:?}", args.name)));
        }
        let dest = Path::new("/etc/apt/sources.list.d").join(to_os(&format!("{slug}.sources")));
        let keyring = |end: &str| Path::new("/etc/apt/keyrings").join(to_os(&format!("{slug}.{end}")));
        if args.state == State::Absent {
            let mut key_filename = Value::Null;
            for end in ["asc", "gpg"] {
                let path = keyring(end);
                if ctx.sys.stat(&path, false)?.is_some() {
                    ctx.sys.remove_file(&path)?;
                    key_filename = show(&path).into();
                }
            }
            if ctx.sys.stat(&dest, false)?.is_some() {
                ctx.sys.remove_file(&dest)?;
            }
            let outcome = Outcome::new().with("repo", Value::Null).with("dest", show(&dest));
            return Ok(outcome.with("key_filename", key_filename));
        }
        let mut key_filename = Value::Null;
        let mut signed_by = args.signed_by.clone();
        if let Some(url) = args.signed_by.as_deref().filter(|text| text.contains("://")) {
            let key = http::get_key(ctx, url, true)?;
            let armoured = key.trim_ascii_start().starts_with(b"-----BEGIN PGP PUBLIC KEY BLOCK-----");
            let path = keyring(if armoured { "asc" } else { "gpg" });
            place(ctx, &args, &path, &key)?;
            key_filename = show(&path).into();
            signed_by = Some(show(&path));
        }
        let repo = args.text(signed_by.as_deref());
        place(ctx, &args, &dest, &text_to_bytes(&repo))?;
        Ok(Outcome::new().with("repo", repo).with("dest", show(&dest)).with("key_filename", key_filename))
    }
}

impl Deb822RepositoryArgs {
    /// The file, its fields in the order of the options' names as Ansible writes them.
    fn text(&self, signed_by: Option<&str>) -> String {
        let flag = |value: Option<bool>| value.map(|on| if on { "yes" } else { "no" }.to_owned());
        let list = |value: &Option<Vec<String>>| value.as_ref().map(|items| items.join(" "));
        let types: Vec<&str> = self.types.iter().map(Choice::as_str).collect();
        let fields = [
            ("Allow-Downgrade-To-Insecure", flag(self.allow_downgrade_to_insecure)),
            ("Allow-Insecure", flag(self.allow_insecure)),
            ("Allow-Weak", flag(self.allow_weak)),
            ("Architectures", list(&self.architectures)),
            ("By-Hash", flag(self.by_hash)),
            ("Check-Date", flag(self.check_date)),
            ("Check-Valid-Until", flag(self.check_valid_until)),
            ("Components", list(&self.components)),
            ("Date-Max-Future", self.date_max_future.map(|seconds| seconds.to_string())),
            ("Enabled", flag(self.enabled)),
            ("Inrelease-Path", self.inrelease_path.clone()),
            ("Languages", list(&self.languages)),
            ("X-Repolib-Name", Some(self.name.clone())),
            ("Pdiffs", flag(self.pdiffs)),
            ("Signed-By", signed_by.map(folded)),
            ("Suites", list(&self.suites)),
            ("Targets", list(&self.targets)),
            ("Trusted", flag(self.trusted)),
            ("Types", Some(types.join(" "))),
            ("URIs", list(&self.uris)),
        ];
        let mut text = String::new();
        for (name, value) in fields {
            let Some(value) = value else { continue };
            let blank = if value.starts_with('\n') || value.is_empty() { "" } else { " " };
            text.push_str(&format!("{name}:{blank}{value}\n"));
        }
        text
    }
}

/// A value of several lines as the format has it: each indented, a dot on empty ones.
fn folded(value: &str) -> String {
    if !value.trim_end().contains('\n') {
        return value.trim_end().to_owned();
    }
    let line =
        |line: &str| if line.trim().is_empty() { "\n    .".to_owned() } else { format!("\n    {line}") };
    value.trim().lines().map(line).collect()
}

/// The name in lower case, of letters, digits and dashes.
fn slug(name: &str) -> String {
    let mut slug = String::new();
    for c in name.to_lowercase().chars() {
        match c {
            'a'..='z' | '0'..='9' => slug.push(c),
            '-' | '_' => slug.push('-'),
            c if c.is_whitespace() && !slug.ends_with('-') => slug.push('-'),
            _ => {}
        }
    }
    slug
}

/// Writes a file with its mode, in a directory that is made if need be.
fn place(ctx: &Ctx<'_>, args: &Deb822RepositoryArgs, path: &Path, data: &[u8]) -> Result<(), Failure> {
    create_dirs(ctx, path.parent().unwrap_or(Path::new("/")), None, &mut |_| Ok(()))?;
    let path: PathBuf = real_path(ctx.sys, path)?;
    let old = ctx.sys.stat(&path, true)?;
    let umask = ctx.sys.umask();
    let mode = args.mode.apply(old.map_or(0o666 & !umask, |meta| meta.mode), false, umask);
    let new = NewFile { mode: Some(mode), ..NewFile::default() };
    Ok(ctx.sys.write(&path, &mut &*data, &new)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_file_names() {
        assert_eq!(slug("My Repo_X.y"), "my-repo-xy");
        assert_eq!(slug("/../"), "");
    }

    #[test]
    fn keys_are_folded() {
        assert_eq!(folded("A\n\nb\n"), "\n    A\n    .\n    b");
        assert_eq!(folded("/k.gpg\n"), "/k.gpg");
    }
}
