//! `acl`: access control lists of files (setfacl(1)).

use crate::support::accounts::change;
use crate::support::files::{path_of, show};
use crate::{Ctx, Failure, Module, Outcome};
use provision_args::{Args, Choice, PathArg};
use provision_system::Command;
use provision_system::text::to_os;
use std::path::Path;

/// Keep an entry of a file's access control list.
#[derive(Args)]
#[args(name = "acl")]
pub struct AclArgs {
    /// The file or directory.
    #[arg(required, alias = "name")]
    pub path: PathArg,
    /// Whether the entry shall be there; `query` only tells the list.
    #[arg(default = "query")]
    pub state: State,
    /// Whom the entry is for.
    pub etype: Option<Kind>,
    /// The user or group. Empty: the owner.
    #[arg(default = "")]
    pub entity: String,
    /// What is allowed: of `r`, `w`, `x` and `X`.
    pub permissions: Option<String>,
    /// The entry in one: `user:alice:rw`.
    pub entry: Option<String>,
    /// It is for what will be made in the directory.
    #[arg(default = "no")]
    pub default: bool,
    /// Do it for everything below too.
    #[arg(default = "no", alias = "recurse")]
    pub recursive: bool,
    /// Follow symbolic links.
    #[arg(default = "yes")]
    pub follow: bool,
    /// Whether the mask is worked out anew.
    #[arg(default = "default")]
    pub recalculate_mask: Mask,
    /// Use the lists of NFSv4.
    #[arg(default = "no", refused = "the lists of NFSv4 are not managed")]
    pub use_nfsv4_acls: bool,
}

/// Whether the entry shall be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Choice)]
pub enum State {
    Absent,
    Present,
    Query,
}

/// Whom an entry is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Choice)]
pub enum Kind {
    Group,
    Mask,
    Other,
    User,
}

/// Whether the mask is worked out anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Choice)]
pub enum Mask {
    Default,
    Mask,
    #[choice("no_mask")]
    NoMask,
}

/// The module.
pub struct Acl;

impl Module for Acl {
    type Args = AclArgs;

    fn run(args: AclArgs, ctx: &Ctx<'_>) -> Result<Outcome, Failure> {
        let path = path_of(ctx, &args.path)?;
        let missing = ["getfacl", "setfacl"]
            .into_iter()
            .find(|name| !matches!(ctx.sys.find_program(name), Ok(Some(_))));
        let there = ctx.sys.stat(&path, true)?;
        if (missing.is_some() || there.is_none()) && ctx.sys.uncertain() {
            ctx.sys.note(&format!("access control list of {}", show(&path)), "unknown", "as wanted")?;
            return Ok(crate::support::files::depends(Outcome::new(), "the file or setfacl may come then"));
        }
        if let Some(program) = missing {
            return Err(Failure::new(format!(
                "Failed to find required executable \"{program}\": install the package acl"
            )));
        }
        let Some(meta) = there else {
            return Err(Failure::new(format!("Path not found or not accessible: {}", show(&path))));
        };
        if args.default && !meta.is_dir() {
            return Err(Failure::new("path must be a directory: only directories have default entries"));
        }
        if args.state != State::Query {
            let entry = args.wanted()?;
            // setfacl itself says what would be: nothing is predicted twice.
            let mut test = args.setfacl(&entry, &path);
            test.argv.insert(1, "--test".into());
            let tested = ctx.sys.query(&test)?;
            if !tested.ok() && ctx.sys.dry() {
                // The file may be one that only this dry run has.
                ctx.sys.note(&format!("access control list of {}", show(&path)), "unknown", &entry)?;
                return Ok(crate::support::files::depends(Outcome::new(), "setfacl cannot tell before"));
            }
            if !tested.ok() {
                return Err(Failure::new(tested.err().trim()).with("rc", tested.rc));
            }
            if tested.out().lines().any(|line| !line.ends_with("*,*")) {
                change(ctx, &args.setfacl(&entry, &path), "setfacl failed: ")?;
            }
        }
        let list = args.list(ctx, &path)?;
        let msg = if args.state == State::Query { "current acl" } else { "" };
        let what = if args.state == State::Absent { "absent" } else { "present" };
        let msg = if msg.is_empty() { format!("{} is {what}", args.wanted()?) } else { msg.to_owned() };
        Ok(Outcome::new().msg(msg).with("acl", list))
    }
}

impl AclArgs {
    /// The entry as setfacl reads it: `user:alice:rw`, without permissions where it is to go.
    fn wanted(&self) -> Result<String, Failure> {
        let absent = self.state == State::Absent;
        let (kind, entity, permissions) = match (&self.entry, self.etype) {
            (Some(entry), None) => {
                let entry =
                    entry.strip_prefix("default:").or_else(|| entry.strip_prefix("d:")).unwrap_or(entry);
                let parts: Vec<&str> = entry.split(':').collect();
                match (parts.as_slice(), absent) {
                    ([kind, entity, permissions], _) => {
                        ((*kind).to_owned(), (*entity).to_owned(), Some((*permissions).to_owned()))
                    }
                    ([kind, entity], true) => ((*kind).to_owned(), (*entity).to_owned(), None),
                    _ => {
                        return Err(Failure::new(
                            "'entry' MUST have 3 sections divided by ':' when 'state=present'.",
                        ));
                    }
                }
            }
            (Some(_), Some(_)) => {
                return Err(Failure::new(
                    "'entry' MUST NOT be set when 'entity', 'etype' or 'permissions' are set.",
                ));
            }
            (None, Some(kind)) => (kind.as_str().to_owned(), self.entity.clone(), self.permissions.clone()),
            (None, None) => return Err(Failure::new("either entry or etype says whom it is for")),
        };
        match (absent, permissions) {
            (true, _) => Ok(format!("{kind}:{entity}")),
            (false, Some(permissions)) if !permissions.is_empty() => {
                Ok(format!("{kind}:{entity}:{permissions}"))
            }
            (false, _) => Err(Failure::new("permissions are needed for state=present")),
        }
    }

    fn setfacl(&self, entry: &str, path: &Path) -> Command {
        let mut command = Command::new(["setfacl"]).env("LC_ALL", "C");
        let flags = [
            (self.recursive, "--recursive"),
            (self.recursive && self.follow, "--logical"),
            (!self.follow, "--physical"),
            (self.recalculate_mask == Mask::Mask, "--mask"),
            (self.recalculate_mask == Mask::NoMask, "--no-mask"),
            (self.default || self.entry.as_ref().is_some_and(|entry| entry.starts_with("d")), "-d"),
        ];
        for (_, flag) in flags.iter().filter(|(on, _)| *on) {
            command = command.arg(*flag);
        }
        command = command.arg(if self.state == State::Absent { "-x" } else { "-m" });
        command.arg(to_os(entry)).arg("--").arg(path)
    }

    fn list(&self, ctx: &Ctx<'_>, path: &Path) -> Result<Vec<String>, Failure> {
        let mut command = Command::new(["getfacl", "--omit-header", "--absolute-names"]).env("LC_ALL", "C");
        for (on, flag) in
            [(self.default, "-d"), (self.recursive, "--recursive"), (!self.follow, "--physical")]
        {
            command.argv.extend(on.then(|| flag.into()));
        }
        let output = ctx.sys.query(&command.arg("--").arg(path))?;
        if !output.ok() {
            return Err(Failure::new(output.err().trim()).with("rc", output.rc));
        }
        Ok(output
            .out()
            .lines()
            .map(str::trim_end)
            .filter(|line| !line.is_empty())
            .map(str::to_owned)
            .collect())
    }
}
