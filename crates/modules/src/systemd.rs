//! `systemd`: units, whether they run and whether they start at boot.

use crate::{Ctx, Failure, Module, Outcome};
use provision_args::{Args, Choice};
use provision_system::text::to_os;
use provision_system::{Command, Effect, Output, Ran};
use serde_json::{Map, Value};
use std::path::Path;

/// Manage units of systemd: services, timers, sockets, mounts.
#[derive(Args)]
#[args(
    name = "systemd",
    required_one_of("state", "enabled", "masked", "daemon_reload", "daemon_reexec", "name"),
    required_if("masked", "yes", ("name")),
    required_if("masked", "no", ("name")),
    required_if("enabled", "yes", ("name")),
    required_if("enabled", "no", ("name"))
)]
pub struct SystemdArgs {
    #[arg(flatten)]
    pub options: SystemdOptions,
}

/// The options of `systemd`, which `service` has too.
#[derive(Args)]
pub struct SystemdOptions {
    /// The unit; without an extension it is a service.
    #[arg(alias = "service", alias = "unit")]
    pub name: Option<String>,
    /// `started` and `stopped` do nothing where that is so already. `restarted` always restarts. `reloaded` always
    /// makes it read its configuration again. A unit that does not run is started by both.
    pub state: Option<State>,
    /// Start it at boot.
    pub enabled: Option<bool>,
    /// Make it impossible to start.
    pub masked: Option<bool>,
    /// First make systemd read its unit files again. No change by itself.
    #[arg(default = "no", alias = "daemon-reload")]
    pub daemon_reload: bool,
    /// First start systemd itself anew, keeping its state. No change by itself.
    #[arg(default = "no", alias = "daemon-reexec")]
    pub daemon_reexec: bool,
    /// Do not wait until the unit has started or stopped.
    #[arg(default = "no")]
    pub no_block: bool,
    /// Replace links that stand in the way.
    pub force: Option<bool>,
    /// Whose units: the system's, the user's own, or all users'.
    #[arg(default = "system")]
    pub scope: Scope,
}

/// What a unit shall do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Choice)]
pub enum State {
    Reloaded,
    Restarted,
    Started,
    Stopped,
}

/// Whose units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Choice)]
pub enum Scope {
    System,
    User,
    Global,
}

/// The module.
pub struct Systemd;

impl Module for Systemd {
    type Args = SystemdArgs;

    fn run(args: SystemdArgs, ctx: &Ctx<'_>) -> Result<Outcome, Failure> {
        run(&args.options, ctx)
    }
}

/// What `systemd` does; `service` calls it on hosts that systemd runs.
pub fn run(o: &SystemdOptions, ctx: &Ctx<'_>) -> Result<Outcome, Failure> {
    let task = Task { ctx, o };
    if ctx.sys.find_program("systemctl")?.is_none() {
        if let (true, Some(name)) = (ctx.sys.uncertain(), &o.name) {
            return task.unknown(name, Outcome::new().with("name", name.as_str()));
        }
        return Err(Failure::new("systemctl is not on this host: systemd does not run it"));
    }
    for (asked, verb) in [(o.daemon_reload, "daemon-reload"), (o.daemon_reexec, "daemon-reexec")] {
        if asked {
            let told =
                |output: &Output| format!("failure {} during {verb}: {}", output.rc, output.err().trim());
            task.change(&[verb], Effect::Upkeep, told)?;
        }
    }
    let Some(name) = &o.name else {
        if o.state.is_some() {
            return Err(Failure::new("missing parameter(s) required by 'state': name"));
        }
        return Ok(Outcome::new().with("name", Value::Null).with("status", Map::new()));
    };
    if let Some(glob) = name.chars().find(|c| "*?[".contains(*c)) {
        let msg = format!(
            "This module does not currently support using glob patterns, found '{glob}' in service name: {name}"
        );
        return Err(Failure::new(msg));
    }
    task.unit(name)
}

struct Task<'a> {
    ctx: &'a Ctx<'a>,
    o: &'a SystemdOptions,
}

impl Task<'_> {
    fn unit(&self, name: &str) -> Result<Outcome, Failure> {
        let output = self.ctx.sys.query(&self.systemctl(&["show", name]))?;
        if !output.ok() && self.o.scope != Scope::Global {
            let why = output.err().trim().to_owned();
            return Err(
                Failure::new(format!("failed to look at the unit {name}: {why}")).with("rc", output.rc)
            );
        }
        let status = properties(&output.out());
        let get = |key: &str| status.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let mut outcome = Outcome::new().with("name", name).with("status", status.clone());
        let mut unit = Unit {
            name: name.to_owned(),
            id: get("Id"),
            file_state: get("UnitFileState"),
            active: get("ActiveState"),
            missing: matches!(get("LoadState").as_str(), "not-found" | ""),
        };
        if self.o.scope == Scope::Global {
            // There is no one manager to ask: the files tell.
            unit.missing = false;
            unit.file_state = self.is_enabled(name)?.1;
        }
        if let Some(masked) = self.o.masked {
            self.mask(&mut unit, masked)?;
        }
        if unit.missing && (self.o.enabled.is_some() || self.o.state.is_some()) {
            if self.ctx.sys.uncertain() || self.has_new_file(name)? {
                return self.unknown(name, outcome);
            }
            return Err(Failure::new(format!("Could not find the requested service {name}: host")));
        }
        if let Some(enabled) = self.o.enabled {
            self.enable(&unit, enabled)?;
            outcome = outcome.with("enabled", enabled);
        }
        if let Some(state) = self.o.state {
            self.drive(&unit, state)?;
            let now = if state == State::Stopped { "stopped" } else { "started" };
            outcome = outcome.with("state", now);
        }
        Ok(outcome)
    }

    fn mask(&self, unit: &mut Unit, masked: bool) -> Result<(), Failure> {
        let is = unit.file_state.starts_with("masked");
        if is == masked {
            return Ok(());
        }
        let verb = if masked { "mask" } else { "unmask" };
        let told =
            |output: &Output| format!("Unable to {verb} service {}: {}", unit.name, output.err().trim());
        self.change(&[verb, &unit.name], Effect::Change, told)?;
        unit.file_state = if masked { "masked".to_owned() } else { self.is_enabled(&unit.name)?.1 };
        Ok(())
    }

    fn enable(&self, unit: &Unit, enabled: bool) -> Result<(), Failure> {
        let is = match unit.file_state.as_str() {
            "enabled" => true,
            // Something else pulls it in: there is nothing to enable and nothing to disable.
            "static" | "transient" => return Ok(()),
            // Made from an init script: its own links tell.
            "" | "generated" => self.is_enabled(&unit.name)?.0,
            _ => false,
        };
        if is == enabled {
            return Ok(());
        }
        let verb = if enabled { "enable" } else { "disable" };
        // systemctl refuses to do it by another name of the unit's.
        let name = if unit.is_alias() { &unit.id } else { &unit.name };
        let told =
            |output: &Output| format!("Unable to {verb} service {}: {}", unit.name, output.err().trim());
        self.change(&[verb, name], Effect::Change, told)
    }

    fn drive(&self, unit: &Unit, state: State) -> Result<(), Failure> {
        let runs = matches!(unit.active.as_str(), "active" | "activating" | "reloading" | "refreshing");
        let verb = match state {
            State::Started if runs => return Ok(()),
            State::Stopped if !runs && unit.active != "deactivating" => return Ok(()),
            State::Stopped => "stop",
            State::Restarted if runs => "restart",
            State::Reloaded if runs => "reload",
            State::Started | State::Restarted | State::Reloaded => "start",
        };
        let told =
            |output: &Output| format!("Unable to {verb} service {}: {}", unit.name, output.err().trim());
        self.change(&[verb, &unit.name], Effect::Change, told)
    }

    /// Whether systemctl calls it enabled, and its word for it.
    fn is_enabled(&self, name: &str) -> Result<(bool, String), Failure> {
        let output = self.ctx.sys.query(&self.systemctl(&["is-enabled", name]))?;
        let word = output.out().lines().last().unwrap_or_default().trim().to_owned();
        Ok((output.ok() && !matches!(word.as_str(), "alias" | "indirect" | "enabled-runtime"), word))
    }

    fn change(
        &self,
        words: &[&str],
        effect: Effect,
        told: impl Fn(&Output) -> String,
    ) -> Result<(), Failure> {
        match self.ctx.sys.run(&self.systemctl(words), effect)? {
            Ran::Done(output) if !output.ok() => Err(Failure::new(told(&output))),
            _ => Ok(()),
        }
    }

    fn systemctl(&self, words: &[&str]) -> Command {
        let looks = matches!(words.first(), Some(&("show" | "is-enabled")));
        let mut command = Command::new(["systemctl"]).env("LC_ALL", "C.UTF-8");
        match self.o.scope {
            Scope::System => {}
            Scope::User => command.argv.push("--user".into()),
            Scope::Global => command.argv.push("--global".into()),
        }
        if self.o.no_block && !looks {
            command.argv.push("--no-block".into());
        }
        if self.o.force == Some(true) && !looks {
            command.argv.push("--force".into());
        }
        if matches!(self.o.scope, Scope::User) {
            let identity = self.ctx.sys.identity();
            let runtime = format!("/run/user/{}", identity.uid);
            if !self.ctx.sys.environment().contains_key("XDG_RUNTIME_DIR".as_ref() as &std::ffi::OsStr) {
                command = command.env("XDG_RUNTIME_DIR", to_os(&runtime));
            }
        }
        command.argv.extend(words.iter().map(|word| to_os(word)));
        command
    }

    /// A dry run has written a unit file that systemd has not read yet.
    fn has_new_file(&self, name: &str) -> Result<bool, Failure> {
        if !self.ctx.sys.dry() {
            return Ok(false);
        }
        let name = with_type(name);
        let template = name.split_once('@').zip(name.rsplit_once('.'));
        let template = template.map(|((before, _), (_, kind))| format!("{before}@.{kind}"));
        for dir in ["/etc", "/run", "/usr/local/lib", "/usr/lib", "/lib"] {
            for name in [Some(&name), template.as_ref()].into_iter().flatten() {
                let path = Path::new(dir).join("systemd/system").join(to_os(name));
                if self.ctx.sys.stat(&path, true)?.is_some_and(|meta| meta.is_file()) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// The unit may come with what this dry run has not done.
    fn unknown(&self, name: &str, outcome: Outcome) -> Result<Outcome, Failure> {
        let mut wanted = Vec::new();
        wanted.extend(self.o.enabled.map(|enabled| if enabled { "enabled" } else { "disabled" }));
        wanted.extend(self.o.masked.map(|masked| if masked { "masked" } else { "not masked" }));
        wanted.extend(self.o.state.as_ref().map(Choice::as_str));
        self.ctx.sys.note(&format!("service {name}"), "unknown", &wanted.join(", "))?;
        let mut outcome =
            outcome.with("depends_on", format!("unknown until applied: the unit {name} does not exist yet"));
        if let Some(enabled) = self.o.enabled {
            outcome = outcome.with("enabled", enabled);
        }
        if let Some(state) = self.o.state {
            outcome = outcome.with("state", if state == State::Stopped { "stopped" } else { "started" });
        }
        Ok(outcome)
    }
}

/// What systemd says of a unit.
struct Unit {
    name: String,
    /// Its main name.
    id: String,
    file_state: String,
    active: String,
    missing: bool,
}

impl Unit {
    fn is_alias(&self) -> bool {
        !self.id.is_empty() && self.id != with_type(&self.name)
    }
}

fn with_type(name: &str) -> String {
    let types = [
        "service",
        "socket",
        "device",
        "mount",
        "automount",
        "swap",
        "target",
        "path",
        "timer",
        "slice",
        "scope",
    ];
    let kind = name.rsplit_once('.').map(|(_, kind)| kind);
    match kind {
        Some(kind) if types.contains(&kind) => name.to_owned(),
        _ => format!("{name}.service"),
    }
}

/// The answer of `systemctl show`: values that begin with a brace may go on over several lines.
fn properties(text: &str) -> Map<String, Value> {
    let mut all = Map::new();
    let mut open: Option<(String, String)> = None;
    for line in text.lines() {
        if let Some((key, mut value)) = open.take() {
            value.push('\n');
            value.push_str(line);
            if line.trim_end().ends_with('}') {
                all.insert(key, value.trim().into());
            } else {
                open = Some((key, value));
            }
            continue;
        }
        let Some((key, value)) = line.split_once('=') else { continue };
        // Descriptions are free text: a brace there opens nothing.
        if key.starts_with("Exec") && value.trim_start().starts_with('{') && !value.trim_end().ends_with('}')
        {
            open = Some((key.to_owned(), value.to_owned()));
        } else {
            all.insert(key.to_owned(), value.trim().into());
        }
    }
    all.extend(open.map(|(key, value)| (key, value.trim().into())));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_may_have_several_lines() {
        let all = properties("Id=a.service\nExecStart={ path=/x ;\n more=1 }\nDescription={ x\nB=c=d\n");
        let expected = serde_json::json!({"Id": "a.service", "ExecStart": "{ path=/x ;\n more=1 }",
            "Description": "{ x", "B": "c=d"});
        assert_eq!(Value::from(all), expected);
    }

    #[test]
    fn a_unit_without_a_type_is_a_service() {
        assert_eq!(with_type("nginx"), "nginx.service");
        assert_eq!(with_type("a@1.2"), "a@1.2.service");
        assert_eq!(with_type("x.timer"), "x.timer");
    }
}
