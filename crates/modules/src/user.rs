//! `user`: accounts.

mod home;

use crate::support::accounts::{self, Shadow};
use crate::support::files::{path_of, show};
use crate::{Ctx, Failure, Module, Outcome};
use provision_args::{Args, Choice, PathArg};
use provision_system::text::{to_os, to_path};
use provision_system::{Command, Group, System, User as Entry};
use std::collections::BTreeSet;

/// Manage accounts.
#[derive(Args)]
#[args(name = "user")]
pub struct UserArgs {
    /// The account.
    #[arg(required, alias = "user")]
    pub name: String,
    /// Whether it shall be there.
    #[arg(default = "present")]
    pub state: State,
    /// Its number.
    pub uid: Option<u32>,
    /// Allow a number that another account has too.
    #[arg(default = "no")]
    pub non_unique: bool,
    /// Its primary group: a name or a number.
    pub group: Option<String>,
    /// The other groups it is in. An empty string: none.
    pub groups: Option<Vec<String>>,
    /// Add it to `groups` and leave it in those it is in besides.
    #[arg(default = "no")]
    pub append: bool,
    /// What stands in its comment field, usually the full name.
    pub comment: Option<String>,
    /// Its home directory.
    pub home: Option<PathArg>,
    /// Make the home directory if there is none.
    #[arg(default = "yes", alias = "createhome")]
    pub create_home: bool,
    /// When `home` changes, move what is in the old one.
    #[arg(default = "no")]
    pub move_home: bool,
    /// What a new home directory is filled with.
    pub skeleton: Option<String>,
    /// Its login shell.
    pub shell: Option<PathArg>,
    /// Give a new account a number from the range of the system's own.
    #[arg(default = "no")]
    pub system: bool,
    /// The hash of its password, as crypt(3) writes it; `!` or `*` for none.
    #[arg(secret)]
    pub password: Option<String>,
    /// Set the password whenever it differs, or only for a new account.
    #[arg(default = "always")]
    pub update_password: UpdatePassword,
    /// Whether the password is locked.
    pub password_lock: Option<bool>,
    /// When the account ends, in seconds since 1970; negative: never.
    pub expires: Option<f64>,
    /// Days after which the password must be changed.
    pub password_expire_max: Option<i64>,
    /// Days before which the password cannot be changed again.
    pub password_expire_min: Option<i64>,
    /// Days of warning before the password expires.
    pub password_expire_warn: Option<i64>,
    /// Days after the password expired until the account is disabled.
    pub password_expire_account_disable: Option<i64>,
    /// The umask for a new home directory, in octal.
    pub umask: Option<String>,
    /// The smallest number that a new account may get.
    pub uid_min: Option<u32>,
    /// The largest number that a new account may get.
    pub uid_max: Option<u32>,
    /// With `absent`: remove its home directory and mail too.
    #[arg(default = "no")]
    pub remove: bool,
    /// With `absent`: remove it even while it is logged in. With `generate_ssh_key`: replace a key that is there.
    #[arg(default = "no")]
    pub force: bool,
    /// Make an SSH key for it if there is none.
    #[arg(default = "no")]
    pub generate_ssh_key: bool,
    /// Bits of the key.
    pub ssh_key_bits: Option<u32>,
    /// The kind of key.
    #[arg(default = "rsa")]
    pub ssh_key_type: String,
    /// Where the key goes; a relative path starts at the home directory. Left out: `.ssh/id_` and the kind.
    pub ssh_key_file: Option<PathArg>,
    /// The key's comment. Left out: `ansible-generated on` and the host's name.
    pub ssh_key_comment: Option<String>,
    /// The key's passphrase.
    #[arg(secret)]
    pub ssh_key_passphrase: Option<String>,
    /// Use the tools for local accounts of hosts with a central directory.
    #[arg(default = "no", refused = "the tools for local accounts (luseradd) are not used")]
    pub local: bool,
    /// The SELinux user.
    #[arg(refused = "SELinux contexts are not managed")]
    pub seuser: (),
    /// The login class of BSD.
    #[arg(refused = "only Linux is supported")]
    pub login_class: (),
    /// Hidden at the login window of macOS.
    #[arg(refused = "only Linux is supported")]
    pub hidden: (),
    /// The profile of Solaris.
    #[arg(refused = "only Linux is supported")]
    pub profile: (),
    /// The authorization of Solaris.
    #[arg(refused = "only Linux is supported")]
    pub authorization: (),
    /// The role of Solaris.
    #[arg(refused = "only Linux is supported")]
    pub role: (),
}

/// Whether it shall be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Choice)]
pub enum State {
    Absent,
    Present,
}

/// When a password is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Choice)]
pub enum UpdatePassword {
    Always,
    OnCreate,
}

/// The module.
pub struct User;

impl Module for User {
    type Args = UserArgs;

    fn run(args: UserArgs, ctx: &Ctx<'_>) -> Result<Outcome, Failure> {
        let task = Task { o: &args, ctx, sys: ctx.sys };
        let name = args.name.as_str();
        // A number is looked up as a name only.
        let now = ctx.sys.user(name)?.filter(|user| user.name == name);
        let outcome = Outcome::new().with("name", name).with("state", args.state.as_str());
        match (args.state, now) {
            (State::Absent, None) => Ok(outcome),
            (State::Absent, Some(_)) => {
                let mut command = Command::new(["userdel"]);
                command.argv.extend(args.force.then(|| "-f".into()));
                command.argv.extend(args.remove.then(|| "-r".into()));
                accounts::change(ctx, &command.arg("--").arg(name), "")?;
                Ok(outcome.with("force", args.force).with("remove", args.remove))
            }
            (State::Present, None) => task.create(outcome),
            (State::Present, Some(now)) => task.modify(&now, outcome),
        }
    }
}

struct Task<'a> {
    o: &'a UserArgs,
    ctx: &'a Ctx<'a>,
    sys: &'a dyn System,
}

impl Task<'_> {
    fn create(&self, outcome: Outcome) -> Result<Outcome, Failure> {
        let o = self.o;
        let group = self.primary()?;
        let groups = self.groups(None)?;
        let mut command = Command::new(["useradd"]);
        if let Some(uid) = o.uid {
            command = command.arg("-u").arg(uid.to_string());
            command.argv.extend(o.non_unique.then(|| "-o".into()));
        }
        match &group {
            Some(group) => command = command.arg("-g").arg(to_os(&group.name)),
            // useradd would want to make a group of the same name.
            None if self.sys.group(&o.name)?.is_some_and(|group| group.name == o.name) => {
                command = command.arg("-N");
            }
            None => {}
        }
        if let Some(groups) = groups.as_ref().filter(|groups| !groups.is_empty()) {
            command = command.arg("-G").arg(to_os(&join(groups)));
        }
        if let Some(comment) = &o.comment {
            command = command.arg("-c").arg(to_os(comment));
        }
        if let Some(home) = &o.home {
            command = command.arg("-d").arg(path_of(self.ctx, home)?);
        }
        if let Some(shell) = &o.shell {
            command = command.arg("-s").arg(path_of(self.ctx, shell)?);
        }
        if let Some(date) = self.expiry() {
            command = command.arg("-e").arg(date);
        }
        if o.create_home {
            command = command.arg("-m");
            if let Some(skeleton) = &o.skeleton {
                command = command.arg("-k").arg(to_os(skeleton));
            }
        } else {
            command = command.arg("-M");
        }
        let limits =
            [("UID_MIN", o.uid_min.map(|n| n.to_string())), ("UID_MAX", o.uid_max.map(|n| n.to_string()))];
        let umask = ("UMASK", o.umask.clone());
        for (key, value) in limits.into_iter().chain([umask]) {
            if let Some(value) = value {
                command = command.arg("-K").arg(to_os(&format!("{key}={value}")));
            }
        }
        command.argv.extend(o.system.then(|| "-r".into()));
        if !accounts::change(self.ctx, &command.arg("--").arg(to_os(&o.name)), "")? {
            self.predict(group.as_ref())?;
        }
        if let Some(password) = &o.password {
            self.set_password(password)?;
        }
        if o.password_lock == Some(true) {
            self.usermod(&["-L"])?;
        }
        self.age(&accounts::shadow(self.ctx, &o.name).unwrap_or_default(), true)?;
        let outcome = outcome.with("create_home", o.create_home).with("system", o.system);
        self.finish(outcome)
    }

    fn modify(&self, now: &Entry, outcome: Outcome) -> Result<Outcome, Failure> {
        let o = self.o;
        let mut words: Vec<std::ffi::OsString> = Vec::new();
        if let Some(uid) = o.uid.filter(|uid| *uid != now.uid) {
            words.extend(["-u".into(), uid.to_string().into()]);
            words.extend(o.non_unique.then(|| "-o".into()));
        }
        let group = self.primary()?.filter(|group| group.gid != now.gid);
        if let Some(group) = &group {
            words.extend(["-g".into(), to_os(&group.name)]);
        }
        if let Some(wanted) = self.groups(Some(group.as_ref().map_or(now.gid, |group| group.gid)))? {
            let current: BTreeSet<String> = accounts::groups_of(self.ctx, &o.name)?.into_iter().collect();
            let current = self.without_primary(current, now.gid)?;
            if o.append && !wanted.is_subset(&current) {
                let missing: BTreeSet<String> = wanted.difference(&current).cloned().collect();
                words.extend(["-a".into(), "-G".into(), to_os(&join(&missing))]);
            } else if !o.append && wanted != current {
                words.extend(["-G".into(), to_os(&join(&wanted))]);
            }
        }
        if let Some(comment) = o.comment.as_ref().filter(|comment| **comment != now.gecos) {
            words.extend(["-c".into(), to_os(comment)]);
        }
        let home = o.home.as_ref().map(|home| path_of(self.ctx, home)).transpose()?;
        if let Some(home) = home.as_ref().filter(|home| **home != now.home) {
            words.extend(["-d".into(), home.into()]);
            words.extend(o.move_home.then(|| "-m".into()));
        }
        let shell = o.shell.as_ref().map(|shell| path_of(self.ctx, shell)).transpose()?;
        if let Some(shell) = shell.as_ref().filter(|shell| **shell != now.shell) {
            words.extend(["-s".into(), shell.into()]);
        }
        let shadow = accounts::shadow(self.ctx, &o.name).unwrap_or_default();
        if let Some(date) = self.expiry() {
            let wanted = o.expires.filter(|seconds| *seconds >= 0.0).map(days);
            if wanted != shadow.expire.filter(|days| *days >= 0) {
                words.extend(["-e".into(), date.into()]);
            }
        }
        let bare = |hash: &str| hash.trim_start_matches('!').to_owned();
        let password = o.password.as_ref().filter(|password| {
            o.update_password == UpdatePassword::Always && bare(password) != bare(&shadow.hash)
        });
        let locked = match password {
            Some(password) => password.starts_with('!'),
            None => shadow.hash.starts_with('!'),
        };
        match o.password_lock {
            Some(true) if !locked => words.push("-L".into()),
            // There has to be a password that can be unlocked.
            Some(false) if locked && password.is_none() && !bare(&shadow.hash).is_empty() => {
                words.push("-U".into())
            }
            _ => {}
        }
        if let Some(password) = password {
            self.set_password(password)?;
        }
        if !words.is_empty() {
            let mut command = Command::new(["usermod"]);
            command.argv.extend(words);
            if !accounts::change(self.ctx, &command.arg("--").arg(to_os(&o.name)), "")? {
                let mut user = now.clone();
                user.uid = o.uid.unwrap_or(user.uid);
                user.gid = group.as_ref().map_or(user.gid, |group| group.gid);
                user.gecos = o.comment.clone().unwrap_or(user.gecos);
                user.home = home.unwrap_or(user.home);
                user.shell = shell.unwrap_or(user.shell);
                self.sys.predict_user(&user);
            }
        }
        self.age(&shadow, false)?;
        let user = self.sys.user(&o.name)?.unwrap_or_else(|| now.clone());
        if o.create_home {
            self.make_home(&user)?;
        }
        let outcome = outcome.with("append", o.append).with("move_home", o.move_home);
        self.finish(outcome)
    }

    /// The results that both ways have.
    fn finish(&self, outcome: Outcome) -> Result<Outcome, Failure> {
        let o = self.o;
        let Some(user) = self.sys.user(&o.name)? else { return Ok(outcome) };
        let mut outcome = outcome
            .with("uid", user.uid)
            .with("group", user.gid)
            .with("home", show(&user.home))
            .with("shell", show(&user.shell))
            .with("comment", user.gecos.as_str());
        if let Some(groups) = &o.groups {
            outcome = outcome.with("groups", groups.join(","));
        }
        if o.password.is_some() {
            outcome = outcome.with("password", "NOT_LOGGING_PASSWORD");
        }
        if o.generate_ssh_key {
            outcome = self.ssh_key(&user, outcome)?;
        }
        Ok(outcome)
    }

    fn primary(&self) -> Result<Option<Group>, Failure> {
        match &self.o.group {
            None => Ok(None),
            Some(name) => Ok(Some(self.group(name)?)),
        }
    }

    fn group(&self, name: &str) -> Result<Group, Failure> {
        match self.sys.group(name)? {
            Some(group) => Ok(group),
            // An earlier command of this dry run may make it.
            None if self.sys.uncertain() => Ok(Group {
                name: name.to_owned(),
                gid: accounts::next_id(self.ctx, false)?,
                members: Vec::new(),
            }),
            None => Err(Failure::new(format!("Group {name} does not exist"))),
        }
    }

    /// The other groups asked for, by name, without the primary one.
    fn groups(&self, primary: Option<u32>) -> Result<Option<BTreeSet<String>>, Failure> {
        let Some(names) = &self.o.groups else { return Ok(None) };
        let mut found = BTreeSet::new();
        for name in names.iter().map(|name| name.trim()).filter(|name| !name.is_empty()) {
            let group = self.group(name)?;
            if primary != Some(group.gid) {
                found.insert(group.name);
            }
        }
        Ok(Some(found))
    }

    fn without_primary(&self, mut groups: BTreeSet<String>, gid: u32) -> Result<BTreeSet<String>, Failure> {
        if let Some(primary) = self.sys.group(&gid.to_string())? {
            groups.remove(&primary.name);
        }
        Ok(groups)
    }

    /// The date for `-e`; an empty one means never.
    fn expiry(&self) -> Option<String> {
        let expires = self.o.expires?;
        Some(if expires < 0.0 { String::new() } else { date(days(expires)) })
    }

    fn set_password(&self, hash: &str) -> Result<(), Failure> {
        // On its standard input: the words of a command are seen by every user of the host.
        let mut command = Command::new(["chpasswd", "-e"]).stdin(format!("{}:{hash}\n", self.o.name));
        command.secret = true;
        accounts::change(self.ctx, &command, "the password could not be set: ").map(|_| ())
    }

    fn usermod(&self, words: &[&str]) -> Result<(), Failure> {
        let mut command = Command::new(["usermod"]);
        command.argv.extend(words.iter().map(|word| to_os(word)));
        accounts::change(self.ctx, &command.arg("--").arg(to_os(&self.o.name)), "").map(|_| ())
    }

    fn age(&self, shadow: &Shadow, new: bool) -> Result<(), Failure> {
        let o = self.o;
        let wanted = [
            ("-M", o.password_expire_max, shadow.max),
            ("-m", o.password_expire_min, shadow.min),
            ("-W", o.password_expire_warn, shadow.warn),
            ("-I", o.password_expire_account_disable, shadow.inactive),
        ];
        let mut command = Command::new(["chage"]);
        for (flag, wanted, now) in wanted {
            // chage writes an empty field for -1.
            if let Some(wanted) =
                wanted.filter(|wanted| (new && self.sys.dry()) || *wanted != now.unwrap_or(-1))
            {
                command = command.arg(flag).arg(wanted.to_string());
            }
        }
        if command.argv.len() > 1 {
            accounts::change(self.ctx, &command.arg("--").arg(to_os(&o.name)), "")?;
        }
        Ok(())
    }

    /// For the rest of a dry run: what useradd would make.
    fn predict(&self, group: Option<&Group>) -> Result<(), Failure> {
        let o = self.o;
        let id = accounts::next_id(self.ctx, o.system)?;
        let uid = o.uid.unwrap_or(id);
        let gid = match group {
            Some(group) => group.gid,
            None => {
                let group = Group { name: o.name.clone(), gid: uid, members: Vec::new() };
                self.sys.predict_group(&group);
                uid
            }
        };
        let home = match &o.home {
            Some(home) => path_of(self.ctx, home)?,
            None => to_path(&format!("/home/{}", o.name)),
        };
        let shell = match &o.shell {
            Some(shell) => path_of(self.ctx, shell)?,
            None => to_path("/bin/sh"),
        };
        let gecos = o.comment.clone().unwrap_or_default();
        let user = Entry { name: o.name.clone(), uid, gid, gecos, home, shell };
        self.sys.predict_user(&user);
        Ok(())
    }
}

fn join(names: &BTreeSet<String>) -> String {
    names.iter().map(String::as_str).collect::<Vec<_>>().join(",")
}

/// Whole days since 1970.
#[expect(clippy::cast_possible_truncation, reason = "a date that useradd can write fits")]
fn days(seconds: f64) -> i64 {
    (seconds / 86_400.0).floor() as i64
}

/// YYYY-MM-DD.
fn date(days: i64) -> String {
    let start = jiff::civil::date(1970, 1, 1);
    let day = start.checked_add(jiff::Span::new().days(days.clamp(0, 2_000_000)));
    day.unwrap_or(start).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        assert_eq!(date(days(1_893_456_000.0)), "2030-01-01");
        assert_eq!(date(days(86_399.9)), "1970-01-01");
    }
}
