//! `timezone`: the host's time zone, and what its clock is set to.

use crate::support::accounts::change;
use crate::{Ctx, Failure, Module, Outcome};
use provision_args::{Args, Choice};
use provision_system::text::{bytes_to_text, to_os, to_path};
use provision_system::{Command, NewFile};
use std::path::Path;

/// Set the time zone. `/etc/localtime` becomes a link, as timedatectl makes it, and `/etc/timezone` follows where it is
/// used.
#[derive(Args)]
#[args(name = "timezone", required_one_of("name", "hwclock"))]
pub struct TimezoneArgs {
    /// The zone, as in `Europe/Berlin`.
    pub name: Option<String>,
    /// Whether the hardware clock shows UTC or local time.
    #[arg(alias = "rtc")]
    pub hwclock: Option<Clock>,
}

/// What the hardware clock shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Choice)]
pub enum Clock {
    #[choice("local")]
    Local,
    #[choice("UTC")]
    Utc,
}

/// The module.
pub struct Timezone;

impl Module for Timezone {
    type Args = TimezoneArgs;

    fn run(args: TimezoneArgs, ctx: &Ctx<'_>) -> Result<Outcome, Failure> {
        if let Some(name) = &args.name {
            let zone = Path::new(ZONES).join(to_path(name));
            let plain =
                !name.is_empty() && !name.starts_with('/') && !name.split('/').any(|part| part == "..");
            if !plain || !ctx.sys.stat(&zone, true)?.is_some_and(|meta| meta.is_file()) {
                if plain && ctx.sys.uncertain() {
                    ctx.sys.note("time zone", "unknown", name)?;
                    return Ok(crate::support::files::depends(
                        Outcome::new(),
                        "the time zones may come then",
                    ));
                }
                return Err(Failure::new(format!(
                    "given timezone \"{name}\" is not available: no file {ZONES}/{name} (package tzdata)"
                )));
            }
            let link = Path::new("/etc/localtime");
            if current(ctx)?.as_deref() != Some(name) {
                ctx.sys.symlink(&Path::new("..").join(to_path(&format!("{}/{name}", &ZONES[1..]))), link)?;
            }
            let file = Path::new("/etc/timezone");
            if ctx.sys.stat(file, true)?.is_some() && bytes_to_text(&ctx.sys.read(file)?).trim() != name {
                ctx.sys.write(file, &mut format!("{name}\n").as_bytes(), &NewFile::default())?;
            }
        }
        if let Some(clock) = args.hwclock
            && clock_now(ctx)? != clock
        {
            let local = u8::from(clock == Clock::Local).to_string();
            let command = Command::new(["timedatectl", "set-local-rtc"]).arg(to_os(&local));
            change(ctx, &command, "timedatectl failed: ")?;
        }
        Ok(Outcome::new())
    }
}

const ZONES: &str = "/usr/share/zoneinfo";

/// The zone that `/etc/localtime` leads to.
fn current(ctx: &Ctx<'_>) -> Result<Option<String>, Failure> {
    let link = Path::new("/etc/localtime");
    if !ctx.sys.stat(link, false)?.is_some_and(|meta| meta.is_link()) {
        return Ok(None);
    }
    let target = crate::support::files::show(&ctx.sys.read_link(link)?);
    Ok(target.split_once("/zoneinfo/").map(|(_, name)| name.to_owned()))
}

/// The third line of `/etc/adjtime` says it; without the file it is UTC (hwclock(8)).
fn clock_now(ctx: &Ctx<'_>) -> Result<Clock, Failure> {
    let path = Path::new("/etc/adjtime");
    if ctx.sys.stat(path, true)?.is_none() {
        return Ok(Clock::Utc);
    }
    let text = bytes_to_text(&ctx.sys.read(path)?);
    Ok(if text.lines().nth(2).map(str::trim) == Some("LOCAL") { Clock::Local } else { Clock::Utc })
}
