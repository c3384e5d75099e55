//! `service`: services, by whatever runs them on the host.

use crate::systemd::{self, State, SystemdOptions};
use crate::{Ctx, Failure, Module, Outcome};
use provision_args::Args;
use provision_system::text::{to_os, to_text};
use provision_system::{Command, Effect, Output, Ran};
use std::path::Path;
use std::time::Duration;

/// Manage services with the host's own service manager: systemd, or init scripts.
#[derive(Args)]
#[args(name = "service", required_one_of("name"))]
pub struct ServiceArgs {
    /// The service manager: `systemd`, `sysvinit`, or `auto` for the one that the host has.
    #[arg(default = "auto")]
    pub r#use: String,
    /// Arguments for an init script. systemd takes no notice.
    #[arg(default = "", alias = "args")]
    pub arguments: String,
    /// Seconds to wait between stop and start when an init script is restarted. systemd takes no notice.
    pub sleep: Option<u64>,
    /// A word to look for among the processes where an init script cannot tell whether it runs. systemd takes no notice.
    pub pattern: Option<String>,
    /// The runlevel, for OpenRC. Others take no notice.
    #[arg(default = "default")]
    pub runlevel: String,
    #[arg(flatten)]
    pub options: SystemdOptions,
}

/// The module.
pub struct Service;

impl Module for Service {
    type Args = ServiceArgs;

    fn run(args: ServiceArgs, ctx: &Ctx<'_>) -> Result<Outcome, Failure> {
        let short = |name: &str| name.rsplit('.').next().unwrap_or_default().to_owned();
        let manager = match short(&args.r#use).as_str() {
            "auto" => found(ctx)?,
            "systemd" | "systemd_service" => "systemd",
            "sysvinit" | "service" => "sysvinit",
            other => {
                let msg = format!(
                    "the service manager {other} is not supported yet, only systemd and sysvinit are"
                );
                return Err(Failure::new(msg));
            }
        };
        match manager {
            "systemd" => systemd::run(&args.options, ctx),
            "sysvinit" => script(&args, ctx),
            other => Err(Failure::new(format!(
                "the service manager {other} is not supported yet, only systemd and sysvinit are"
            ))),
        }
    }
}

/// What manages the host's services.
fn found(ctx: &Ctx<'_>) -> Result<&'static str, Failure> {
    let exists = |path: &str| ctx.sys.stat(Path::new(path), true).map(|meta| meta.is_some());
    Ok(match () {
        () if exists("/run/systemd/system")? => "systemd",
        () if exists("/sbin/openrc-run")? || exists("/usr/sbin/openrc-run")? => "openrc",
        () if exists("/etc/init.d")? => "sysvinit",
        // Where nothing runs services yet, systemctl still enables them.
        () if ctx.sys.find_program("systemctl")?.is_some() => "systemd",
        () => "sysvinit",
    })
}

/// An init script (LSB, "Init Script Actions").
pub fn script(args: &ServiceArgs, ctx: &Ctx<'_>) -> Result<Outcome, Failure> {
    let o = &args.options;
    let name = o.name.as_deref().unwrap_or_default();
    if args.pattern.is_some() {
        return Err(Failure::new("pattern is not supported for init scripts yet"));
    }
    if o.masked.is_some() {
        return Err(Failure::new("masked needs systemd, which does not run this host"));
    }
    let path = Path::new("/etc/init.d").join(to_os(name));
    if ctx.sys.stat(&path, true)?.is_none() {
        if ctx.sys.uncertain() {
            let wanted = o.state.as_ref().map_or("enabled", provision_args::Choice::as_str);
            ctx.sys.note(&format!("service {name}"), "unknown", wanted)?;
            let why = format!("unknown until applied: the service {name} does not exist yet");
            return Ok(Outcome::new().with("name", name).with("depends_on", why));
        }
        return Err(Failure::new(format!("Could not find the requested service {name}: host")));
    }
    let mut outcome = Outcome::new().with("name", name);
    if let Some(enabled) = o.enabled {
        if is_enabled(ctx, name)? != enabled {
            let verbs: &[&str] = if enabled { &["defaults", "enable"] } else { &["disable"] };
            for verb in verbs {
                change(ctx, &Command::new(["update-rc.d", name, verb]), verb, name)?;
            }
        }
        outcome = outcome.with("enabled", enabled);
    }
    let Some(state) = o.state else { return Ok(outcome) };
    let call = |verb: &str| {
        let mut command = Command::new([path.as_os_str().to_owned(), verb.into()]);
        command.argv.extend(args.arguments.split_whitespace().map(to_os));
        command
    };
    let runs = ctx.sys.query(&call("status"))?.ok();
    let verbs: &[&str] = match state {
        State::Started if runs => &[],
        State::Stopped if runs => &["stop"],
        State::Stopped => &[],
        State::Restarted if runs && args.sleep.is_some() => &["stop", "start"],
        State::Restarted if runs => &["restart"],
        State::Reloaded if runs => &["reload"],
        State::Started | State::Restarted | State::Reloaded => &["start"],
    };
    for verb in verbs {
        let ran = change(ctx, &call(verb), verb, name)?;
        if let (true, &"stop", Some(sleep)) = (ran, verb, args.sleep)
            && state == State::Restarted
        {
            std::thread::sleep(Duration::from_secs(sleep));
        }
    }
    Ok(outcome.with("state", if state == State::Stopped { "stopped" } else { "started" }))
}

/// Some runlevel with users starts it.
fn is_enabled(ctx: &Ctx<'_>, name: &str) -> Result<bool, Failure> {
    for level in 2..=5 {
        let dir = format!("/etc/rc{level}.d");
        if ctx.sys.stat(Path::new(&dir), true)?.is_none() {
            continue;
        }
        let starts = |file: &String| file.starts_with('S') && file.get(3..) == Some(name);
        if ctx.sys.read_dir(Path::new(&dir))?.iter().any(|file| starts(&to_text(file))) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// False in a dry run.
fn change(ctx: &Ctx<'_>, command: &Command, verb: &str, name: &str) -> Result<bool, Failure> {
    match ctx.sys.run(command, Effect::Change)? {
        Ran::Done(output) if !output.ok() => {
            let Output { rc, .. } = output;
            let why = format!("{} {}", output.out().trim(), output.err().trim());
            Err(Failure::new(format!("Unable to {verb} service {name}: {}", why.trim())).with("rc", rc))
        }
        Ran::Done(_) => Ok(true),
        Ran::NotRun => Ok(false),
    }
}
