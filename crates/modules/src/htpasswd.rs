//! `htpasswd`: users and passwords for a web server.

mod hash;

use crate::support::files::{Wanted, create_dirs, facts, path_of, real_path, show};
use crate::support::options::FileOptions;
use crate::{Ctx, Failure, Module, Outcome};
use provision_args::{Args, Choice, PathArg};
use provision_system::NewFile;
use provision_system::text::{bytes_to_text, text_to_bytes};
use std::path::Path;

/// Keep a user in a file of passwords, as web servers read it.
#[derive(Args)]
#[args(name = "htpasswd")]
pub struct HtpasswdArgs {
    /// The file.
    #[arg(required, alias = "dest", alias = "destfile")]
    pub path: PathArg,
    /// The user.
    #[arg(required, alias = "username")]
    pub name: String,
    /// The password. One that is there already stays, hash and all.
    #[arg(secret)]
    pub password: Option<String>,
    /// How a password is written. sha256_crypt and sha512_crypt need `openssl` on the host.
    #[arg(default = "apr_md5_crypt", alias = "crypt_scheme")]
    pub hash_scheme: Scheme,
    /// Whether the user shall be there.
    #[arg(default = "present")]
    pub state: State,
    /// Make the file if there is none.
    #[arg(default = "yes")]
    pub create: bool,
    #[arg(flatten)]
    pub attributes: FileOptions,
}

/// How a password is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Choice)]
pub enum Scheme {
    #[choice("apr_md5_crypt")]
    Apr1,
    #[choice("md5_crypt")]
    Md5,
    #[choice("sha256_crypt")]
    Sha256,
    #[choice("sha512_crypt")]
    Sha512,
    #[choice("ldap_sha1")]
    Sha1,
    #[choice("plaintext")]
    Plain,
}

/// Whether the user shall be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Choice)]
pub enum State {
    Present,
    Absent,
}

/// The module.
pub struct Htpasswd;

impl Module for Htpasswd {
    type Args = HtpasswdArgs;

    fn run(args: HtpasswdArgs, ctx: &Ctx<'_>) -> Result<Outcome, Failure> {
        if args.name.is_empty() || args.name.contains([':', '\n']) {
            return Err(Failure::new(format!("{:?} cannot be a user's name", args.name)));
        }
        let path = real_path(ctx.sys, &path_of(ctx, &args.path)?)?;
        let old = match ctx.sys.stat(&path, true)? {
            Some(_) => Some(bytes_to_text(&ctx.sys.read(&path)?)),
            None => None,
        };
        let mut lines: Vec<String> = old.iter().flat_map(|text| text.lines()).map(str::to_owned).collect();
        let at =
            lines.iter().position(|line| line.split_once(':').is_some_and(|(name, _)| name == args.name));
        let name = &args.name;
        let msg = match (args.state, at) {
            (State::Absent, _) if old.is_none() => {
                return Ok(Outcome::new().msg(format!("{} not present", show(&path))));
            }
            (State::Absent, None) => format!("{name} not present"),
            (State::Absent, Some(at)) => {
                lines.remove(at);
                format!("Remove {name}")
            }
            (State::Present, at) => {
                if old.is_none() && !args.create {
                    return Err(Failure::new(format!("Destination {} does not exist", show(&path))));
                }
                let hash = at.and_then(|at| lines[at].split_once(':')).map(|(_, hash)| hash);
                let known = match (hash, &args.password) {
                    (None, None) => {
                        return Err(Failure::new(format!("password is needed for the new user {name}")));
                    }
                    // Without a password there is nothing to compare.
                    (Some(_), None) => true,
                    (None, Some(_)) => false,
                    (Some(hash), Some(password)) => hash::verify(ctx, password, hash)?,
                };
                if known {
                    format!("{name} already present")
                } else {
                    let password = args.password.as_deref().unwrap_or_default();
                    let line = format!("{name}:{}", hash::make(ctx, args.hash_scheme, password)?);
                    match at {
                        Some(at) => lines[at] = line,
                        None => lines.push(line),
                    }
                    match old {
                        None => format!("Created {} and added {name}", show(&path)),
                        Some(_) => format!("Add/update {name}"),
                    }
                }
            }
        };
        let wanted: Wanted<'_> = args.attributes.wanted();
        let owner = wanted.look_up(ctx)?;
        let new: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let same = old.as_ref().is_some_and(|old| old.lines().eq(new.lines()));
        if !same {
            create_dirs(ctx, path.parent().unwrap_or(Path::new("/")), None, &mut |_| Ok(()))?;
            let meta = ctx.sys.stat(&path, true)?;
            let file = NewFile { secret: true, ..owner.new_file(ctx, meta.as_ref()) };
            ctx.sys.write(&path, &mut text_to_bytes(&new).as_slice(), &file)?;
        }
        owner.apply(ctx, &path, true)?;
        let mut outcome = Outcome::new().msg(msg);
        facts(ctx, &path, &mut outcome.result)?;
        Ok(owner.finish(outcome))
    }
}
