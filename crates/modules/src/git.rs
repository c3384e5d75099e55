//! `git`: a checkout of a repository.

mod checkout;

use crate::support::files::{self, path_of, show};
use crate::{Ctx, Failure, Module, Outcome};
use checkout::Repository;
use provision_args::{Args, PathArg};
use provision_system::System;

/// Keep a checkout of a git repository at a version. The target's `git` does the work.
#[derive(Args)]
#[args(name = "git", mutually_exclusive("accept_hostkey", "accept_newhostkey"))]
pub struct GitArgs {
    /// Where the repository comes from.
    #[arg(required, alias = "name")]
    pub repo: String,
    /// The directory of the checkout.
    #[arg(required)]
    pub dest: PathArg,
    /// A branch, a tag or a commit; `HEAD` is the repository's own choice.
    #[arg(default = "HEAD")]
    pub version: String,
    /// What the remote is called.
    #[arg(default = "origin")]
    pub remote: String,
    /// What is fetched besides branches and tags.
    pub refspec: Option<String>,
    /// How many commits of the history are fetched.
    pub depth: Option<u32>,
    /// Fetch the history of the version only.
    #[arg(default = "no")]
    pub single_branch: bool,
    /// Clone it when there is no checkout.
    #[arg(default = "yes")]
    pub clone: bool,
    /// Fetch what is new when there is one.
    #[arg(default = "yes")]
    pub update: bool,
    /// Throw away changes made in the checkout.
    #[arg(default = "no")]
    pub force: bool,
    /// Have a bare repository, without files.
    #[arg(default = "no")]
    pub bare: bool,
    /// Check out submodules.
    #[arg(default = "yes")]
    pub recursive: bool,
    /// Have submodules at the newest commit of their branches.
    #[arg(default = "no")]
    pub track_submodules: bool,
    /// A repository on the host to borrow objects from.
    pub reference: Option<String>,
    /// The git to use.
    pub executable: Option<PathArg>,
    /// The private key for ssh, on the host.
    pub key_file: Option<PathArg>,
    /// More options for ssh.
    pub ssh_opts: Option<String>,
    /// Accept any host key of the server.
    #[arg(default = "no", refused = "a changed host key would be accepted too; use accept_newhostkey")]
    pub accept_hostkey: bool,
    /// Accept the host key of a server that is not known yet.
    #[arg(default = "no")]
    pub accept_newhostkey: bool,
    /// The umask for what is written, in octal.
    pub umask: Option<String>,
    /// Check the signature of the commit or tag.
    #[arg(default = "no")]
    pub verify_commit: bool,
    /// Fingerprints that may have signed it.
    #[arg(
        alias = "gpg_whitelist",
        refused = "signers are not compared; gpg's keyring decides with verify_commit"
    )]
    pub gpg_allowlist: (),
    /// An archive to make of the version.
    #[arg(refused = "archives are not made; use git archive in a command")]
    pub archive: (),
    /// A directory for the archive's files.
    #[arg(refused = "archives are not made; use git archive in a command")]
    pub archive_prefix: (),
    /// Where the repository itself goes.
    pub separate_git_dir: Option<PathArg>,
}

/// The module.
pub struct Git;

impl Module for Git {
    type Args = GitArgs;

    fn run(args: GitArgs, ctx: &Ctx<'_>) -> Result<Outcome, Failure> {
        for text in [&args.repo, &args.version, &args.remote] {
            if text.is_empty() || text.starts_with('-') || text.contains('\n') {
                return Err(Failure::new(format!(
                    "{text:?} is neither a repository nor a version nor a remote"
                )));
            }
        }
        let dest = path_of(ctx, &args.dest)?;
        let program = args.executable.as_ref().map(|path| path_of(ctx, path)).transpose()?;
        if program.is_none() && ctx.sys.find_program("git")?.is_none() {
            if ctx.sys.uncertain() {
                return files::unknown(ctx, &dest, &args.version, "git may come then");
            }
            return Err(Failure::new("Failed to find required executable \"git\": install git on the host"));
        }
        let repository = Repository::new(&args, ctx, &dest, program)?;
        let exists = repository.exists()?;
        let outcome = Outcome::new();
        if !exists {
            if !args.clone {
                return Ok(outcome
                    .with("before", serde_json::Value::Null)
                    .with("after", repository.remote_version()?));
            }
            let empty = match ctx.sys.stat(&dest, true)? {
                Some(meta) => meta.is_dir() && ctx.sys.read_dir(&dest)?.is_empty(),
                None => true,
            };
            if !empty && !args.force {
                return Err(Failure::new(format!(
                    "fatal: destination path '{}' already exists and is not an empty directory.",
                    show(&dest)
                )));
            }
            let wanted = repository.remote_version()?;
            if !empty {
                clear(ctx.sys, &dest)?;
            }
            let after = repository.clone()?.or(wanted);
            return Ok(outcome.with("before", serde_json::Value::Null).with("after", after));
        }
        let before = repository.head()?;
        let mut outcome = outcome.with("before", before.as_str());
        if !args.bare && repository.has_local_changes()? {
            if !args.force {
                return Err(Failure::new(
                    "Local modifications exist in the destination: ".to_owned()
                        + &show(&dest)
                        + " (force=no).",
                )
                .with("before", before));
            }
            repository.discard_changes()?;
        }
        if !args.update {
            return Ok(outcome.with("after", before));
        }
        if repository.set_url()? {
            outcome = outcome.with("remote_url_changed", true);
        }
        let wanted = repository.remote_version()?;
        let here = match &wanted {
            Some(commit) => *commit == before && repository.is_on_version()?,
            None => false,
        };
        let after = if here { Some(before) } else { repository.update(wanted.as_deref())? };
        repository.update_submodules()?;
        Ok(outcome.with("after", after))
    }
}

/// Takes everything out of a directory, which stays.
fn clear(sys: &dyn System, dir: &std::path::Path) -> Result<(), Failure> {
    if !sys.stat(dir, true)?.is_some_and(|meta| meta.is_dir()) {
        return Ok(sys.remove_file(dir)?);
    }
    for name in sys.read_dir(dir)? {
        let path = dir.join(name);
        match sys.stat(&path, false)?.is_some_and(|meta| meta.is_dir()) {
            true => sys.remove_tree(&path)?,
            false => sys.remove_file(&path)?,
        }
    }
    Ok(())
}
