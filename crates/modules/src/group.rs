//! `group`: groups of users.

use crate::support::accounts;
use crate::{Ctx, Failure, Module, Outcome};
use provision_args::{Args, Choice};
use provision_system::{Command, Group as Entry};

/// Manage groups.
#[derive(Args)]
#[args(name = "group")]
pub struct GroupArgs {
    /// The group.
    #[arg(required)]
    pub name: String,
    /// Whether it shall be there.
    #[arg(default = "present")]
    pub state: State,
    /// Its number.
    pub gid: Option<u32>,
    /// Give a new group a number from the range of the system's own.
    #[arg(default = "no")]
    pub system: bool,
    /// Allow a number that another group has too. Together with `gid`.
    #[arg(default = "no")]
    pub non_unique: bool,
    /// Remove it even if it is some user's primary group.
    #[arg(default = "no")]
    pub force: bool,
    /// The smallest number that a new group may get.
    pub gid_min: Option<u32>,
    /// The largest number that a new group may get.
    pub gid_max: Option<u32>,
    /// Use the tools for local accounts of hosts with a central directory.
    #[arg(default = "no", refused = "the tools for local accounts (lgroupadd) are not used")]
    pub local: bool,
}

/// Whether it shall be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Choice)]
pub enum State {
    Absent,
    Present,
}

/// The module.
pub struct Group;

impl Module for Group {
    type Args = GroupArgs;

    fn run(args: GroupArgs, ctx: &Ctx<'_>) -> Result<Outcome, Failure> {
        if args.non_unique && args.gid.is_none() {
            return Err(Failure::new("non_unique requires gid"));
        }
        let name = args.name.as_str();
        let outcome = Outcome::new().with("name", name).with("state", args.state.as_str());
        // A number is looked up as a name only.
        let now = ctx.sys.group(name)?.filter(|group| group.name == name);
        match (args.state, now) {
            (State::Absent, None) => Ok(outcome),
            (State::Absent, Some(_)) => {
                let mut command = Command::new(["groupdel"]);
                command.argv.extend(args.force.then(|| "-f".into()));
                accounts::change(ctx, &command.arg("--").arg(name), "")?;
                Ok(outcome)
            }
            (State::Present, now) => {
                if now.as_ref().is_none_or(|now| args.gid.is_some_and(|gid| gid != now.gid)) {
                    set(&args, now.as_ref(), ctx)?;
                }
                let gid = ctx.sys.group(name)?.map(|group| group.gid).or(args.gid);
                Ok(outcome.with("gid", gid).with("system", args.system))
            }
        }
    }
}

fn set(args: &GroupArgs, now: Option<&Entry>, ctx: &Ctx<'_>) -> Result<(), Failure> {
    let mut command = Command::new([if now.is_none() { "groupadd" } else { "groupmod" }]);
    if let Some(gid) = args.gid {
        command = command.arg("-g").arg(gid.to_string());
        command.argv.extend(args.non_unique.then(|| "-o".into()));
    }
    if now.is_none() {
        command.argv.extend(args.system.then(|| "-r".into()));
        for (key, value) in [("GID_MIN", args.gid_min), ("GID_MAX", args.gid_max)] {
            if let Some(value) = value {
                command = command.arg("-K").arg(format!("{key}={value}"));
            }
        }
    }
    if !accounts::change(ctx, &command.arg("--").arg(&args.name), "")? {
        let gid = match args.gid {
            Some(gid) => gid,
            None => accounts::next_id(ctx, args.system)?,
        };
        let members = now.map(|now| now.members.clone()).unwrap_or_default();
        ctx.sys.predict_group(&Entry { name: args.name.clone(), gid, members });
    }
    Ok(())
}
