//! `pam_limits`: what users may have of the host (limits.conf(5)).

use crate::support::files::{back_up, create_dirs, path_of, real_path, show};
use crate::{Ctx, Failure, Module, Outcome};
use provision_args::{Args, Choice, PathArg};
use provision_system::NewFile;
use provision_system::text::{bytes_to_text, text_to_bytes};
use std::path::Path;

/// Keep a limit in limits.conf(5).
#[derive(Args)]
#[args(name = "pam_limits", mutually_exclusive("use_max", "use_min"))]
pub struct PamLimitsArgs {
    /// Whom it is for: a user, `@group`, `*` or a range of numbers.
    #[arg(required)]
    pub domain: String,
    /// Whether the user may go beyond it.
    #[arg(required)]
    pub limit_type: LimitType,
    /// What is limited.
    #[arg(
        required,
        choices(
            "core",
            "data",
            "fsize",
            "memlock",
            "nofile",
            "rss",
            "stack",
            "cpu",
            "nproc",
            "as",
            "maxlogins",
            "maxsyslogins",
            "priority",
            "locks",
            "sigpending",
            "msgqueue",
            "nice",
            "rtprio",
            "chroot"
        )
    )]
    pub limit_item: String,
    /// The limit: a number, or `unlimited`, `infinity` or -1.
    #[arg(required)]
    pub value: String,
    /// Keep a limit that is higher.
    #[arg(default = "no")]
    pub use_max: bool,
    /// Keep a limit that is lower.
    #[arg(default = "no")]
    pub use_min: bool,
    /// What is written behind a new limit.
    #[arg(default = "")]
    pub comment: String,
    /// The file.
    #[arg(default = "/etc/security/limits.conf")]
    pub dest: PathArg,
    /// Keep what was there under a name with the time in it (result `backup_file`).
    #[arg(default = "no")]
    pub backup: bool,
}

/// Whether the user may go beyond it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Choice)]
pub enum LimitType {
    Hard,
    Soft,
    #[choice("-")]
    Both,
}

/// The module.
pub struct PamLimits;

impl Module for PamLimits {
    type Args = PamLimitsArgs;

    fn run(args: PamLimitsArgs, ctx: &Ctx<'_>) -> Result<Outcome, Failure> {
        args.check()?;
        let path = real_path(ctx.sys, &path_of(ctx, &args.dest)?)?;
        let old = match ctx.sys.stat(&path, true)? {
            Some(_) => bytes_to_text(&ctx.sys.read(&path)?),
            None => String::new(),
        };
        let (new, line) = args.edit(&old);
        let mut outcome = Outcome::new().msg(line);
        if new != old {
            if args.backup && !old.is_empty() {
                outcome = outcome.with("backup_file", show(&back_up(ctx, &path)?));
            }
            create_dirs(ctx, path.parent().unwrap_or(Path::new("/")), None, &mut |_| Ok(()))?;
            ctx.sys.write(&path, &mut text_to_bytes(&new).as_slice(), &NewFile::default())?;
        }
        Ok(outcome)
    }
}

impl PamLimitsArgs {
    fn check(&self) -> Result<(), Failure> {
        let number = self.value.parse::<i64>();
        let (valid, allowed) = match self.limit_item.as_str() {
            "nice" | "priority" => (
                number.is_ok_and(|number| (-20..=19).contains(&number)),
                "Value must be a number in the range -20 to 19 inclusive",
            ),
            _ => (
                is_unlimited(&self.value) || number.is_ok_and(|number| number >= 0),
                "Value must either be 'unlimited', 'infinity' or -1, all of which indicate no limit, or a limit of 0 or larger",
            ),
        };
        if !valid {
            return Err(Failure::new(format!(
                "Value of '{}' for item '{}' is invalid. {allowed}.",
                self.value, self.limit_item
            )));
        }
        let words = [&self.domain, &self.comment];
        if self.domain.contains(char::is_whitespace) || words.iter().any(|word| word.contains('\n')) {
            return Err(Failure::new(format!("{:?} cannot stand in a line of limits.conf", self.domain)));
        }
        Ok(())
    }

    /// The file with the limit, and the limit's line.
    fn edit(&self, text: &str) -> (String, String) {
        let mut out = String::new();
        let mut told = None;
        for line in text.split_inclusive('\n') {
            let Some(found) = Limit::parse(line).filter(|found| found.is(self)) else {
                out.push_str(line);
                continue;
            };
            if told.is_some() {
                continue;
            }
            let value = self.choose(found.value);
            let line = match value == found.value {
                true => line.to_owned(),
                false => self.line(value, found.comment),
            };
            out.push_str(&line);
            told = Some(line);
        }
        if let Some(line) = told {
            return (out, line);
        }
        if !out.is_empty() && !out.ends_with('\n') {
            out.push('\n');
        }
        let line = self.line(&self.value, &self.comment);
        out.push_str(&line);
        (out, line)
    }

    /// The value there or the new one.
    fn choose<'a>(&'a self, there: &'a str) -> &'a str {
        let size = |value: &str| if is_unlimited(value) { i64::MAX } else { value.parse().unwrap_or(0) };
        let keep = (self.use_max && size(there) >= size(&self.value))
            || (self.use_min && size(there) <= size(&self.value));
        if keep { there } else { &self.value }
    }

    fn line(&self, value: &str, comment: &str) -> String {
        let comment = if comment.is_empty() { String::new() } else { format!("\t#{comment}") };
        format!("{}\t{}\t{}\t{value}{comment}\n", self.domain, self.limit_type.as_str(), self.limit_item)
    }
}

fn is_unlimited(value: &str) -> bool {
    ["unlimited", "infinity", "-1"].contains(&value)
}

/// A line of the file.
struct Limit<'a> {
    domain: &'a str,
    kind: &'a str,
    item: &'a str,
    value: &'a str,
    comment: &'a str,
}

impl<'a> Limit<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (limit, comment) = line.split_once('#').unwrap_or((line, ""));
        let mut words = limit.split_whitespace();
        let this = Self {
            domain: words.next()?,
            kind: words.next()?,
            item: words.next()?,
            value: words.next()?,
            comment: comment.trim_end_matches('\n'),
        };
        words.next().is_none().then_some(this)
    }

    fn is(&self, args: &PamLimitsArgs) -> bool {
        self.domain == args.domain && self.kind == args.limit_type.as_str() && self.item == args.limit_item
    }
}
