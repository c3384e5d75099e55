//! `cron`: jobs and variables in crontabs.

mod table;

use crate::support::files::{self, create_dirs, real_path, show};
use crate::{Ctx, Failure, Module, Outcome};
use provision_args::{Args, Argument, Choice, PathArg};
use provision_system::text::{bytes_to_text, text_to_bytes, to_os, to_path};
use provision_system::{Command, Effect, NewFile, Ran};
use std::path::{Path, PathBuf};
use table::{Table, Where};

/// Manage a job or a variable of a user's crontab, or of a file in `/etc/cron.d`. Jobs are known by a comment above
/// them, `#Ansible: NAME`.
#[derive(Args)]
#[args(name = "cron", mutually_exclusive("insertafter", "insertbefore"))]
pub struct CronArgs {
    /// What the job is known by, or the name of the variable.
    #[arg(required)]
    pub name: String,
    /// The command, on one line; the value of a variable.
    #[arg(alias = "value")]
    pub job: Option<String>,
    /// Whether it shall be there.
    #[arg(default = "present")]
    pub state: State,
    /// Whose crontab. With `cron_file`: who runs the job.
    pub user: Option<String>,
    /// A file to manage instead of a crontab: a name in `/etc/cron.d` or an absolute path.
    pub cron_file: Option<PathArg>,
    /// It is a variable.
    #[arg(default = "no")]
    pub env: bool,
    /// The variable behind which a new one goes.
    pub insertafter: Option<String>,
    /// The variable before which a new one goes.
    pub insertbefore: Option<String>,
    /// Minutes: 0-59, `*`, `*/2` and so on.
    #[arg(default = "*")]
    pub minute: String,
    /// Hours: 0-23.
    #[arg(default = "*")]
    pub hour: String,
    /// Days of the month: 1-31.
    #[arg(default = "*", alias = "dom")]
    pub day: String,
    /// Months: 1-12 or names.
    #[arg(default = "*")]
    pub month: String,
    /// Days of the week: 0-6, Sunday first, or names.
    #[arg(default = "*", alias = "dow")]
    pub weekday: String,
    /// A nickname for a time.
    pub special_time: Option<Special>,
    /// Keep the job but commented out.
    #[arg(default = "no")]
    pub disabled: bool,
    /// Keep what was there in a file (result `backup_file`).
    #[arg(default = "no")]
    pub backup: bool,
}

/// Whether it shall be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Choice)]
pub enum State {
    Absent,
    Present,
}

/// A nickname for a time (crontab(5)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Choice)]
pub enum Special {
    Annually,
    Daily,
    Hourly,
    Monthly,
    Reboot,
    Weekly,
    Yearly,
}

/// The module.
pub struct Cron;

impl Module for Cron {
    type Args = CronArgs;

    fn run(args: CronArgs, ctx: &Ctx<'_>) -> Result<Outcome, Failure> {
        args.check()?;
        let place = Place::of(&args, ctx)?;
        let Some(before) = place.read(ctx)? else {
            ctx.sys.note(&place.name(), "unknown", &args.name)?;
            return Ok(files::depends(Outcome::new(), "the user or cron itself does not exist yet"));
        };
        let mut table = Table::parse(&before);
        args.apply(&mut table)?;
        let after = table.text();
        let mut outcome = Outcome::new().with("jobs", table.jobs()).with("envs", table.variables());
        if let Some(file) = &args.cron_file {
            outcome = outcome.with("cron_file", file.0.as_str());
        }
        if after != before {
            if args.backup
                && let Some(copy) = place.back_up(ctx, &before)?
            {
                outcome = outcome.with("backup_file", show(&copy));
            }
            place.write(ctx, &before, &after)?;
        }
        Ok(outcome)
    }
}

impl CronArgs {
    fn check(&self) -> Result<(), Failure> {
        let timed = [&self.minute, &self.hour, &self.day, &self.month, &self.weekday];
        if self.special_time.is_some() && timed.iter().any(|field| *field != "*") {
            return Err(Failure::new(
                "You cannot combine special_time with any of the time or day/date parameters.",
            ));
        }
        if self.cron_file.is_some() && self.user.is_none() {
            return Err(Failure::new("To use cron_file=... parameter you must specify user=... as well"));
        }
        if self.state == State::Present && self.job.is_none() {
            return Err(Failure::new("You must specify 'job' to install a new cron job or variable"));
        }
        if (self.insertafter.is_some() || self.insertbefore.is_some()) && !self.env {
            return Err(Failure::new("Insertafter and insertbefore parameters are valid only with env=yes"));
        }
        // Such a name or job would become lines of its own, with commands nobody meant.
        let job = self.job.as_deref().unwrap_or_default().trim_end_matches(['\r', '\n']);
        if self.name.contains(['\n', '\r']) || job.contains(['\n', '\r']) {
            return Err(Failure::new("Job should not contain line breaks"));
        }
        if timed.iter().any(|field| field.contains(['\n', '\r'])) {
            return Err(Failure::new("a time cannot contain line breaks"));
        }
        Ok(())
    }

    fn apply(&self, table: &mut Table) -> Result<(), Failure> {
        let job = self.job.as_deref().unwrap_or_default().trim_end_matches(['\r', '\n']);
        match (self.env, self.state) {
            (true, State::Absent) => table.remove_variable(&self.name),
            (true, State::Present) => {
                let at = match (&self.insertafter, &self.insertbefore) {
                    (Some(name), _) => Where::After(name),
                    (_, Some(name)) => Where::Before(name),
                    _ => Where::Top,
                };
                table.set_variable(&self.name, job, at).map_err(Failure::new)?;
            }
            (false, State::Absent) => table.remove_job(&self.name),
            (false, State::Present) => table.set_job(&self.name, &self.line(job)),
        }
        Ok(())
    }

    fn line(&self, job: &str) -> String {
        let off = if self.disabled { "#" } else { "" };
        let time = match self.special_time {
            Some(special) => format!("@{}", special.as_str()),
            None => [&self.minute, &self.hour, &self.day, &self.month, &self.weekday]
                .map(String::as_str)
                .join(" "),
        };
        match (&self.cron_file, &self.user) {
            (Some(_), Some(user)) => format!("{off}{time} {user} {job}"),
            _ => format!("{off}{time} {job}"),
        }
    }
}

/// Where the table is.
enum Place {
    File(PathBuf),
    /// A user's crontab; None: of the user who is logged in.
    Crontab(Option<String>),
}

impl Place {
    fn of(args: &CronArgs, ctx: &Ctx<'_>) -> Result<Self, Failure> {
        let Some(file) = &args.cron_file else { return Ok(Self::Crontab(args.user.clone())) };
        let path = Path::new("/etc/cron.d").join(to_path(&files::expand(ctx, file)));
        Ok(Self::File(real_path(ctx.sys, &path)?))
    }

    fn name(&self) -> String {
        match self {
            Self::File(path) => show(path),
            Self::Crontab(None) => "crontab".to_owned(),
            Self::Crontab(Some(user)) => format!("crontab for user \"{user}\""),
        }
    }

    fn crontab(&self) -> Command {
        let mut command = Command::new(["crontab"]).env("LC_ALL", "C");
        if let Self::Crontab(Some(user)) = self {
            command = command.arg("-u").arg(to_os(user));
        }
        command
    }

    /// The table; an empty one where there is none. None: an earlier command of this dry run may bring cron or the user.
    fn read(&self, ctx: &Ctx<'_>) -> Result<Option<String>, Failure> {
        if let Self::File(path) = self {
            return Ok(Some(match ctx.sys.stat(path, true)? {
                Some(_) => bytes_to_text(&ctx.sys.read(path)?),
                None => String::new(),
            }));
        }
        if ctx.sys.find_program("crontab")?.is_none() {
            if ctx.sys.uncertain() {
                return Ok(None);
            }
            let msg =
                "Failed to find required executable \"crontab\": install cron on the host, or use cron_file";
            return Err(Failure::new(msg));
        }
        let output = ctx.sys.query(&self.crontab().arg("-l"))?;
        match output.rc {
            0 => Ok(Some(without_header(&output.out()))),
            1 if output.err().contains("no crontab for") || output.err().trim().is_empty() => {
                Ok(Some(String::new()))
            }
            _ if ctx.sys.uncertain() => Ok(None),
            _ => Err(Failure::new(format!("Unable to read crontab: {}", output.err().trim()))),
        }
    }

    fn write(&self, ctx: &Ctx<'_>, before: &str, after: &str) -> Result<(), Failure> {
        let data = text_to_bytes(after);
        match self {
            Self::File(path) => {
                let dir = path.parent().unwrap_or(Path::new("/"));
                create_dirs(ctx, dir, None, &mut |_| Ok(()))?;
                // cron takes no notice of a file that others may write.
                let mode = ctx.sys.stat(path, true)?.is_none().then_some(0o644);
                ctx.sys.write(path, &mut data.as_slice(), &NewFile { mode, ..NewFile::default() })?;
            }
            Self::Crontab(_) => {
                let command = match after.is_empty() {
                    true => self.crontab().arg("-r"),
                    false => self.crontab().arg("-").stdin(data),
                };
                if let Ran::Done(output) = ctx.sys.run(&command, Effect::Upkeep)?
                    && !output.ok()
                {
                    return Err(Failure::new(output.err().trim()).with("rc", output.rc));
                }
                ctx.sys.note(&self.name(), before, after)?;
            }
        }
        Ok(())
    }

    fn back_up(&self, ctx: &Ctx<'_>, before: &str) -> Result<Option<PathBuf>, Failure> {
        let path = match self {
            Self::File(path) if ctx.sys.stat(path, true)?.is_none() => return Ok(None),
            Self::File(path) => return files::back_up(ctx, path).map(Some),
            Self::Crontab(user) => {
                let stamp = crate::support::time::Local::of(ctx.sys).backup_stamp(ctx.sys.now());
                let user = user.clone().unwrap_or_else(|| ctx.sys.identity().user);
                PathBuf::from(format!(
                    "/tmp/crontab.{}.{}.{stamp}~",
                    user.replace('/', "_"),
                    std::process::id()
                ))
            }
        };
        let new = NewFile { mode: Some(0o600), ..NewFile::default() };
        ctx.sys.write(&path, &mut text_to_bytes(before).as_slice(), &new)?;
        Ok(Some(path))
    }
}

/// Some crontab commands put three lines about themselves above the table; they would multiply.
fn without_header(text: &str) -> String {
    let header = |line: &str| {
        line.starts_with("# DO NOT EDIT THIS FILE - edit the master and reinstall.")
            || (line.starts_with("# (") && line.contains(" installed on "))
            || (line.starts_with("# (") && line.contains("Cron version"))
    };
    let count = text.lines().take(3).take_while(|line| header(line)).count();
    text.split_inclusive('\n').skip(count).collect()
}

/// The names of things, as results.
fn names(found: Vec<String>) -> Argument {
    Argument::from(found)
}
