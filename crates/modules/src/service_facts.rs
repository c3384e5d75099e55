//! `service_facts`: the services there are, as the fact `services`.

use crate::support::results::split_lines;
use crate::{Ctx, Failure, Module, Outcome};
use provision_args::Args;
use provision_system::{Command, Output};
use serde_json::{Map, Value, json};
use std::path::Path;

/// Tell which services there are, whether they run and whether they start at boot: the fact `services`, by name. Read
/// from systemd and from `/etc/init.d`.
#[derive(Args)]
#[args(name = "service_facts")]
pub struct ServiceFactsArgs {}

/// The module.
pub struct ServiceFacts;

impl Module for ServiceFacts {
    type Args = ServiceFactsArgs;

    fn run(_: ServiceFactsArgs, ctx: &Ctx<'_>) -> Result<Outcome, Failure> {
        let mut services = Map::new();
        scripts(ctx, &mut services)?;
        if ctx.sys.stat(Path::new("/run/systemd/system"), true)?.is_some()
            && ctx.sys.find_program("systemctl")?.is_some()
        {
            systemd(ctx, &mut services)?;
        }
        if services.is_empty() {
            let msg = "Failed to find any services. This can be due to privileges or some other configuration issue.";
            return Ok(Outcome::new().with("skipped", true).msg(msg));
        }
        Ok(Outcome::new().with("ansible_facts", json!({ "services": services })))
    }
}

/// States that say more than whether a unit starts at boot.
const BAD: [&str; 3] = ["not-found", "masked", "failed"];

fn systemd(ctx: &Ctx<'_>, services: &mut Map<String, Value>) -> Result<(), Failure> {
    let ask = |words: &[&str]| -> Result<Output, Failure> {
        let words = ["systemctl"].iter().chain(words);
        Ok(ctx.sys.query(&Command::new(words.copied()).env("LC_ALL", "C"))?)
    };
    let units = ask(&["list-units", "--no-pager", "--type", "service", "--all", "--plain"])?;
    for line in split_lines(&units.out()).into_iter().filter(|line| line.contains(".service")) {
        if let Some((name, state, status)) = unit(line) {
            services.insert(name.to_owned(), entry(name, state, status, "systemd"));
        }
    }
    let files = ask(&["list-unit-files", "--no-pager", "--type", "service", "--all"])?;
    let mut unknown = Vec::new();
    for line in split_lines(&files.out()) {
        let mut words = line.split_whitespace();
        let (Some(name), Some(status)) = (words.next(), words.next()) else { continue };
        if !name.contains(".service") {
            continue;
        }
        match services.get_mut(name) {
            None => unknown.push((name.to_owned(), status.to_owned())),
            Some(found) if !BAD.iter().any(|bad| found["status"] == *bad) => found["status"] = status.into(),
            Some(_) => {}
        }
    }
    // One question for all units that are not loaded.
    let mut show = vec!["show".to_owned(), "--property=Id,ActiveState".to_owned(), "--".to_owned()];
    show.extend(unknown.iter().filter(|(name, _)| !name.contains('@')).map(|(name, _)| name.clone()));
    let states = match show.len() {
        3 => String::new(),
        _ => ask(&show.iter().map(String::as_str).collect::<Vec<_>>())?.out(),
    };
    for (name, status) in unknown {
        let state = active_state(&states, &name).unwrap_or("unknown");
        services.insert(name.clone(), entry(&name, state, &status, "systemd"));
    }
    Ok(())
}

/// Name, state and status of a line of `list-units`: unit, load, active, sub, description.
fn unit(line: &str) -> Option<(&str, &str, &str)> {
    let words: Vec<&str> = line.trim_start_matches(['●', '*', '×', ' ']).split_whitespace().collect();
    let (name, sub) = (words.first()?, words.get(3)?);
    let bad = BAD.iter().find(|bad| words[1..4].contains(bad));
    let state = if *sub == "running" { "running" } else { "stopped" };
    Some((name, state, bad.copied().unwrap_or("unknown")))
}

/// The state in the blocks of `systemctl show`.
fn active_state<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let block =
        text.split("\n\n").find(|block| block.lines().any(|line| line.strip_prefix("Id=") == Some(name)))?;
    block.lines().find_map(|line| line.strip_prefix("ActiveState="))
}

fn scripts(ctx: &Ctx<'_>, services: &mut Map<String, Value>) -> Result<(), Failure> {
    let dir = Path::new("/etc/init.d");
    let has_service = ctx.sys.find_program("service")?.is_some();
    if !has_service || ctx.sys.stat(dir, true)?.is_none() {
        return Ok(());
    }
    let all = ctx.sys.query(&Command::new(["service", "--status-all"]).env("LC_ALL", "C"))?;
    // Some scripts tell on one stream, some on the other.
    for line in all.out().lines().chain(all.err().lines()) {
        let Some((mark, name)) = line.trim().strip_prefix('[').and_then(|rest| rest.split_once(']')) else {
            continue;
        };
        let state = if mark.trim() == "+" { "running" } else { "stopped" };
        let name = name.trim();
        services.insert(name.to_owned(), json!({"name": name, "state": state, "source": "sysv"}));
    }
    Ok(())
}

fn entry(name: &str, state: &str, status: &str, source: &str) -> Value {
    json!({"name": name, "state": state, "status": status, "source": source})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_read() {
        let line = "nginx.service loaded active running A web server";
        assert_eq!(unit(line), Some(("nginx.service", "running", "unknown")));
        assert_eq!(
            unit("● x.service not-found inactive dead x.service"),
            Some(("x.service", "stopped", "not-found"))
        );
        assert_eq!(unit("UNIT LOAD"), None);
        assert_eq!(
            active_state(
                "Id=a.service\nActiveState=active\n\nId=b.service\nActiveState=inactive\n",
                "b.service"
            ),
            Some("inactive")
        );
    }
}
