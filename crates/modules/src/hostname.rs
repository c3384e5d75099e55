//! `hostname`: the host's name, now and after a restart.

use crate::support::accounts::change;
use crate::{Ctx, Failure, Module, Outcome};
use provision_args::{Args, Choice};
use provision_system::text::bytes_to_text;
use provision_system::{Command, NewFile};
use serde_json::json;
use std::path::Path;

/// Set the host's name. `/etc/hosts` is left alone.
#[derive(Args)]
#[args(name = "hostname")]
pub struct HostnameArgs {
    /// The name.
    #[arg(required)]
    pub name: String,
    /// How it is set: `systemd` tells systemd; the others write `/etc/hostname`. Left out: what the host has.
    pub r#use: Option<Strategy>,
}

/// How the name is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Choice)]
pub enum Strategy {
    Alpine,
    Debian,
    Generic,
    Systemd,
}

/// The module.
pub struct Hostname;

impl Module for Hostname {
    type Args = HostnameArgs;

    fn run(args: HostnameArgs, ctx: &Ctx<'_>) -> Result<Outcome, Failure> {
        let name = args.name.trim();
        if name.is_empty() || name.len() > 64 || name.contains(|c: char| c.is_whitespace() || c == '/') {
            return Err(Failure::new(format!(
                "{:?} is no name for a host: at most 64 characters, no spaces",
                args.name
            )));
        }
        let etc = Path::new("/etc/hostname");
        let live = bytes_to_text(&ctx.sys.read(Path::new("/proc/sys/kernel/hostname"))?).trim().to_owned();
        let kept = match ctx.sys.stat(etc, true)? {
            Some(_) => first_line(&bytes_to_text(&ctx.sys.read(etc)?)),
            None => String::new(),
        };
        let strategy = match args.r#use {
            Some(strategy) => strategy,
            None if ctx.sys.stat(Path::new("/run/systemd/system"), true)?.is_some()
                && ctx.sys.find_program("hostnamectl")?.is_some() =>
            {
                Strategy::Systemd
            }
            None => Strategy::Generic,
        };
        if strategy == Strategy::Systemd {
            for (flag, now) in [("--transient", &live), ("--static", &kept)] {
                if now != name {
                    let command = Command::new(["hostnamectl", flag, "set-hostname", name]);
                    change(ctx, &command, "Command failed: ")?;
                }
            }
        } else {
            if kept != name {
                ctx.sys.write(etc, &mut format!("{name}\n").as_bytes(), &NewFile::default())?;
            }
            if live != name {
                change(ctx, &Command::new(["hostname", name]), "Command failed: ")?;
            }
        }
        let (short, domain) = name.split_once('.').unwrap_or((name, ""));
        let facts = json!({"ansible_hostname": short, "ansible_nodename": name, "ansible_fqdn": name,
            "ansible_domain": domain});
        Ok(Outcome::new().with("name", name).with("ansible_facts", facts))
    }
}

/// Comments and empty lines do not count (hostname(5)).
fn first_line(text: &str) -> String {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.next().unwrap_or_default().to_owned()
}
