//! `ufw`: the uncomplicated firewall.

use crate::support::accounts::change;
use crate::support::files::depends;
use crate::{Ctx, Failure, Module, Outcome};
use provision_args::{Args, Choice};
use provision_system::Command;
use provision_system::text::{bytes_to_text, to_os};
use std::path::Path;

/// Manage rules of ufw, its defaults and whether it is on.
#[derive(Args)]
#[args(
    name = "ufw",
    required_one_of("state", "default", "rule", "logging"),
    mutually_exclusive("name", "proto", "logging"),
    mutually_exclusive("direction", "interface_in"),
    mutually_exclusive("direction", "interface_out")
)]
pub struct UfwArgs {
    /// Whether the firewall is on; `reloaded` reads its rules again, `reset` throws them away.
    pub state: Option<State>,
    /// What happens to packets that no rule is for.
    #[arg(alias = "policy")]
    pub default: Option<Policy>,
    /// The way a rule or default is for.
    pub direction: Option<Direction>,
    /// What is logged.
    pub logging: Option<Logging>,
    /// What happens to the packets of the rule.
    pub rule: Option<Rule>,
    /// Delete the rule.
    #[arg(default = "no")]
    pub delete: bool,
    /// The number the rule gets.
    pub insert: Option<u32>,
    /// Where numbers start.
    #[arg(default = "zero", refused = "numbers are those that ufw shows")]
    pub insert_relative_to: String,
    /// The rule is for packets that are passed on.
    #[arg(default = "no")]
    pub route: bool,
    /// Log new connections of the rule.
    #[arg(default = "no")]
    pub log: bool,
    /// Where packets come from.
    #[arg(default = "any", alias = "from", alias = "src")]
    pub from_ip: String,
    /// The port they come from.
    pub from_port: Option<String>,
    /// Where they go.
    #[arg(default = "any", alias = "dest", alias = "to")]
    pub to_ip: String,
    /// The port they go to.
    #[arg(alias = "port")]
    pub to_port: Option<String>,
    /// The protocol.
    #[arg(alias = "protocol", choices("any", "tcp", "udp", "ipv6", "esp", "ah", "gre", "igmp", "vrrp"))]
    pub proto: Option<String>,
    /// A profile of an application.
    #[arg(alias = "app")]
    pub name: Option<String>,
    /// The interface.
    #[arg(alias = "if")]
    pub interface: Option<String>,
    /// The interface packets of a routed rule come in by.
    #[arg(alias = "if_in")]
    pub interface_in: Option<String>,
    /// The interface they go out by.
    #[arg(alias = "if_out")]
    pub interface_out: Option<String>,
    /// A comment on the rule.
    pub comment: Option<String>,
}

/// Whether the firewall is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Choice)]
pub enum State {
    Disabled,
    Enabled,
    Reloaded,
    Reset,
}

/// What happens to packets that no rule is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Choice)]
pub enum Policy {
    Allow,
    Deny,
    Reject,
}

/// What happens to the packets of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Choice)]
pub enum Rule {
    Allow,
    Deny,
    Limit,
    Reject,
}

/// A packet's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Choice)]
pub enum Direction {
    In,
    Incoming,
    Out,
    Outgoing,
    Routed,
}

/// What is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Choice)]
pub enum Logging {
    On,
    Off,
    Low,
    Medium,
    High,
    Full,
}

/// The module.
pub struct Ufw;

impl Module for Ufw {
    type Args = UfwArgs;

    fn run(args: UfwArgs, ctx: &Ctx<'_>) -> Result<Outcome, Failure> {
        if ctx.sys.find_program("ufw")?.is_none() {
            if ctx.sys.uncertain() {
                ctx.sys.note("ufw", "unknown", "as wanted")?;
                return Ok(depends(Outcome::new(), "ufw may come with an earlier task"));
            }
            return Err(Failure::new("Failed to find required executable \"ufw\": install ufw on the host"));
        }
        let mut commands = Vec::new();
        // In Ansible's order: the firewall itself last but for what would lock out, as it is written there.
        if let Some(state) = args.state {
            args.turn(ctx, state, &mut commands)?;
        }
        if let Some(level) = args.logging {
            args.log_at(ctx, level, &mut commands)?;
        }
        if let Some(policy) = args.default {
            args.default_to(ctx, policy, &mut commands)?;
        }
        if let Some(rule) = args.rule {
            args.rule(ctx, rule, &mut commands)?;
        }
        let status = ctx.sys.query(&ufw(&["status".to_owned(), "verbose".to_owned()]))?;
        Ok(Outcome::new().with("commands", commands).msg(status.out().trim_end()))
    }
}

fn ufw(words: &[String]) -> Command {
    let mut command = Command::new(["ufw"]).env("LC_ALL", "C");
    command.argv.extend(words.iter().map(|word| to_os(word)));
    command
}

/// A setting of a shell-like file.
fn setting(ctx: &Ctx<'_>, path: &str, name: &str) -> Result<String, Failure> {
    if ctx.sys.stat(Path::new(path), true)?.is_none() {
        return Ok(String::new());
    }
    let text = bytes_to_text(&ctx.sys.read(Path::new(path))?);
    let value = text.lines().rev().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix('='));
    Ok(value.unwrap_or_default().trim().trim_matches('"').to_lowercase())
}

impl UfwArgs {
    fn turn(&self, ctx: &Ctx<'_>, state: State, commands: &mut Vec<String>) -> Result<(), Failure> {
        let on = setting(ctx, "/etc/ufw/ufw.conf", "ENABLED")? == "yes";
        let status = ctx.sys.query(&ufw(&["status".to_owned()]))?.out();
        let live = status.lines().any(|line| line.trim() == "Status: active");
        let verb = match state {
            State::Enabled if on && live => return Ok(()),
            State::Disabled if !on && !live => return Ok(()),
            State::Enabled => "enable",
            State::Disabled => "disable",
            State::Reloaded => "reload",
            State::Reset => "reset",
        };
        run(ctx, &["-f".to_owned(), verb.to_owned()], commands)
    }

    fn log_at(&self, ctx: &Ctx<'_>, level: Logging, commands: &mut Vec<String>) -> Result<(), Failure> {
        let now = setting(ctx, "/etc/ufw/ufw.conf", "LOGLEVEL")?;
        let same = match level {
            Logging::On => !now.is_empty() && now != "off",
            level => now == level.as_str(),
        };
        if same { Ok(()) } else { run(ctx, &["logging".to_owned(), level.as_str().to_owned()], commands) }
    }

    fn default_to(&self, ctx: &Ctx<'_>, policy: Policy, commands: &mut Vec<String>) -> Result<(), Failure> {
        let (word, name) = match self.direction {
            None | Some(Direction::In | Direction::Incoming) => ("incoming", "DEFAULT_INPUT_POLICY"),
            Some(Direction::Out | Direction::Outgoing) => ("outgoing", "DEFAULT_OUTPUT_POLICY"),
            Some(Direction::Routed) => ("routed", "DEFAULT_FORWARD_POLICY"),
        };
        let wanted = match policy {
            Policy::Allow => "accept",
            Policy::Deny => "drop",
            Policy::Reject => "reject",
        };
        if setting(ctx, "/etc/default/ufw", name)? == wanted {
            return Ok(());
        }
        run(ctx, &["default".to_owned(), policy.as_str().to_owned(), word.to_owned()], commands)
    }

    fn rule(&self, ctx: &Ctx<'_>, rule: Rule, commands: &mut Vec<String>) -> Result<(), Failure> {
        let words = self.words(rule)?;
        let asked: Vec<String> = [&["--dry-run".to_owned()], words.as_slice()].concat();
        let told = ctx.sys.query(&ufw(&asked))?;
        let text = format!("{}\n{}", told.out(), told.err());
        let idle = [
            "Skipping adding existing rule",
            "Could not delete non-existent rule",
            "Skipping inserting existing rule",
        ];
        // ufw tells it once for IPv4 and once for IPv6; what it would write it prints.
        let nothing = idle.iter().any(|line| text.contains(line)) && !text.contains("*filter");
        if !told.ok() && !nothing {
            return Err(Failure::new(text.trim().to_owned()).with("rc", told.rc));
        }
        if nothing { Ok(()) } else { run(ctx, &words, commands) }
    }

    /// The rule in ufw's words (ufw(8), "full syntax").
    fn words(&self, rule: Rule) -> Result<Vec<String>, Failure> {
        let mut words: Vec<String> = Vec::new();
        let mut put = |all: &[&str]| words.extend(all.iter().map(|word| (*word).to_owned()));
        if self.route {
            put(&["route"]);
        }
        if self.delete {
            put(&["delete"]);
        } else if let Some(number) = self.insert {
            put(&["insert", &number.to_string()]);
        }
        put(&[rule.as_str()]);
        match self.direction {
            Some(Direction::In | Direction::Incoming) => put(&["in"]),
            Some(Direction::Out | Direction::Outgoing) => put(&["out"]),
            Some(Direction::Routed) => {
                return Err(Failure::new("direction=routed is for defaults; rules have route=true"));
            }
            None => {}
        }
        if let Some(interface) = &self.interface {
            if self.direction.is_none() {
                return Err(Failure::new(
                    "Direction must be specified when creating a rule on an interface.",
                ));
            }
            put(&["on", interface]);
        }
        for (way, interface) in [("in", &self.interface_in), ("out", &self.interface_out)] {
            if let Some(interface) = interface {
                put(&[way, "on", interface]);
            }
        }
        if self.log {
            put(&["log"]);
        }
        put(&["from", &self.from_ip]);
        if let Some(port) = &self.from_port {
            put(&["port", port]);
        }
        put(&["to", &self.to_ip]);
        if let Some(port) = &self.to_port {
            put(&["port", port]);
        }
        if let Some(protocol) = &self.proto {
            put(&["proto", protocol]);
        }
        if let Some(name) = &self.name {
            put(&["app", name]);
        }
        if let Some(comment) = self.comment.as_ref().filter(|_| !self.delete) {
            put(&["comment", comment]);
        }
        Ok(words)
    }
}

fn run(ctx: &Ctx<'_>, words: &[String], commands: &mut Vec<String>) -> Result<(), Failure> {
    let command = ufw(words);
    commands.push(command.display());
    change(ctx, &command, "ufw failed: ").map(|_| ())
}
