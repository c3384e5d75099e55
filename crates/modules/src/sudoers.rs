//! `sudoers`: a rule of sudo's in a file of its own.

use crate::support::files::{create_dirs, show, validate};
use crate::{Ctx, Failure, Module, Outcome};
use provision_args::{Args, Choice};
use provision_system::NewFile;
use provision_system::text::{text_to_bytes, to_path};
use std::path::Path;

/// Let a user or a group run commands by sudo, as a file in `/etc/sudoers.d`.
#[derive(Args)]
#[args(name = "sudoers", mutually_exclusive("user", "group"), required_if("state", "present", ("commands")))]
pub struct SudoersArgs {
    /// The file's name.
    #[arg(required)]
    pub name: String,
    /// Whether the rule shall be there.
    #[arg(default = "present")]
    pub state: State,
    /// The user.
    pub user: Option<String>,
    /// The group.
    pub group: Option<String>,
    /// The commands, with their full paths; `ALL` for all.
    pub commands: Option<Vec<String>>,
    /// As whom they are run.
    pub runas: Option<String>,
    /// The host the rule is for.
    #[arg(default = "ALL")]
    pub host: String,
    /// Do not ask for a password.
    #[arg(default = "yes")]
    pub nopassword: bool,
    /// Do not let the commands run others.
    #[arg(default = "no")]
    pub noexec: bool,
    /// Let users keep variables.
    #[arg(default = "no")]
    pub setenv: bool,
    /// The directory.
    #[arg(default = "/etc/sudoers.d")]
    pub sudoers_path: String,
    /// Whether visudo must accept the rule: where there is one (`detect`), in any case or not at all.
    #[arg(default = "detect")]
    pub validation: Validation,
}

/// Whether the rule shall be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Choice)]
pub enum State {
    Present,
    Absent,
}

/// Whether visudo must accept it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Choice)]
pub enum Validation {
    Absent,
    Detect,
    Required,
}

/// The module.
pub struct Sudoers;

impl Module for Sudoers {
    type Args = SudoersArgs;

    fn run(args: SudoersArgs, ctx: &Ctx<'_>) -> Result<Outcome, Failure> {
        if args.name.is_empty() || args.name.contains('/') {
            return Err(Failure::new(format!("{:?} is no name of a file", args.name)));
        }
        let dir = Path::new(&args.sudoers_path);
        let path = dir.join(to_path(&args.name));
        if args.state == State::Absent {
            if ctx.sys.stat(&path, false)?.is_some() {
                ctx.sys.remove_file(&path)?;
            }
            return Ok(Outcome::new());
        }
        let rule = args.rule()?;
        let data = text_to_bytes(&rule);
        let same = match ctx.sys.stat(&path, false)? {
            Some(meta) if meta.is_file() => ctx.sys.read(&path)? == data,
            _ => false,
        };
        if !same {
            let visudo = args.validation != Validation::Absent && ctx.sys.find_program("visudo")?.is_some();
            if args.validation == Validation::Required && !visudo && !ctx.sys.uncertain() {
                return Err(Failure::new(
                    "Failed to find required executable \"visudo\": install sudo on the host",
                ));
            }
            if visudo {
                let checked = validate(ctx, "visudo -c -f %s", &mut data.as_slice());
                checked.map_err(|failure| {
                    let why = failure
                        .result
                        .get("stdout")
                        .and_then(|text| text.as_str())
                        .unwrap_or_default()
                        .trim()
                        .to_owned();
                    Failure { msg: format!("Failed to validate sudoers rule: {why}"), ..failure }
                })?;
            }
            create_dirs(ctx, dir, None, &mut |_| Ok(()))?;
        }
        // sudo takes no notice of a file that others may write.
        let new = NewFile { mode: Some(0o440), ..NewFile::default() };
        if same {
            let attrs = provision_system::Attrs { mode: Some(0o440), ..provision_system::Attrs::default() };
            ctx.sys.set_attrs(&path, &attrs, false)?;
        } else {
            ctx.sys.write(&path, &mut data.as_slice(), &new)?;
        }
        Ok(Outcome::new().with("path", show(&path)))
    }
}

impl SudoersArgs {
    fn rule(&self) -> Result<String, Failure> {
        let owner = match (&self.user, &self.group) {
            (Some(user), _) => user.clone(),
            (None, Some(group)) => format!("%{group}"),
            (None, None) => {
                return Err(Failure::new("either user or group is needed to say who may run the commands"));
            }
        };
        let commands = self.commands.as_deref().unwrap_or_default().join(", ");
        let mut tags = String::new();
        for (on, tag) in [(self.noexec, "NOEXEC:"), (self.nopassword, "NOPASSWD:"), (self.setenv, "SETENV:")]
        {
            tags.push_str(if on { tag } else { "" });
        }
        let runas = self.runas.as_ref().map(|user| format!("({user})")).unwrap_or_default();
        let blank = if runas.is_empty() && tags.is_empty() { "" } else { " " };
        let rule = format!("{owner} {}={runas}{tags}{blank}{commands}\n", self.host);
        match rule.trim_end().contains('\n') {
            true => Err(Failure::new("a rule has one line")),
            false => Ok(rule),
        }
    }
}
