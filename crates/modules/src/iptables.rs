//! `iptables`: rules of the kernel's packet filter.

mod rule;

use crate::{Ctx, Failure, Module, Outcome};
use provision_args::{Args, Choice};
use provision_system::text::to_os;
use provision_system::{Command, Effect, Output, Ran};

/// Manage single rules, policies and chains of iptables and ip6tables. They last until the host is restarted.
#[derive(Args)]
#[args(
    name = "iptables",
    mutually_exclusive("set_dscp_mark", "set_dscp_mark_class"),
    mutually_exclusive("flush", "policy"),
    required_one_of("chain", "flush"),
    required_if("jump", "TEE", ("gateway")),
    required_if("jump", "tee", ("gateway")),
    required_if("flush", "no", ("chain")),
    required_together("match_set", "match_set_flags")
)]
pub struct IptablesArgs {
    /// The table.
    #[arg(default = "filter", choices("filter", "nat", "mangle", "raw", "security"))]
    pub table: String,
    /// The chain: a built-in one or one of your own.
    pub chain: Option<String>,
    /// Whether the rule shall be there.
    #[arg(default = "present")]
    pub state: State,
    /// Where a rule that is not there yet goes: at the end or at the beginning.
    #[arg(default = "append")]
    pub action: Action,
    /// With `action: insert`: the number that the rule gets.
    pub rule_num: Option<String>,
    /// The family.
    #[arg(default = "ipv4")]
    pub ip_version: IpVersion,
    /// Set the chain's policy to this and do nothing else.
    #[arg(choices("ACCEPT", "DROP", "QUEUE", "RETURN"))]
    pub policy: Option<String>,
    /// Remove all rules of the chain, or of the table when no chain is named, and do nothing else.
    #[arg(default = "no")]
    pub flush: bool,
    /// Make the chain if it does not exist; with `state: absent` and no rule, remove it.
    #[arg(default = "no")]
    pub chain_management: bool,
    /// Seconds to wait for others who change the rules.
    pub wait: Option<String>,
    /// Do not look names up when chains are listed.
    #[arg(default = "no")]
    pub numeric: bool,
    #[arg(flatten)]
    pub rule: rule::Rule,
}

/// Whether a rule shall be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Choice)]
pub enum State {
    Absent,
    Present,
}

/// Where a new rule goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Choice)]
pub enum Action {
    Append,
    Insert,
}

/// The family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Choice)]
pub enum IpVersion {
    Ipv4,
    Ipv6,
    Both,
}

/// The module.
pub struct Iptables;

impl Module for Iptables {
    type Args = IptablesArgs;

    fn run(args: IptablesArgs, ctx: &Ctx<'_>) -> Result<Outcome, Failure> {
        args.rule.check()?;
        let families: &[&str] = match args.ip_version {
            IpVersion::Ipv4 => &["iptables"],
            IpVersion::Ipv6 => &["ip6tables"],
            IpVersion::Both => &["iptables", "ip6tables"],
        };
        let mut outcome = Outcome::new()
            .with("ip_version", args.ip_version.as_str())
            .with("table", args.table.as_str())
            .with("chain", args.chain.clone())
            .with("flush", args.flush)
            .with("rule", args.rule.words(families[0] == "ip6tables").join(" "))
            .with("state", args.state.as_str())
            .with("chain_management", args.chain_management)
            .with("wait", args.wait.clone());
        for program in families {
            if ctx.sys.find_program(program)?.is_none() {
                if !ctx.sys.uncertain() {
                    return Err(Failure::new(format!("Failed to find required executable \"{program}\"")));
                }
                let chain = args.chain.as_deref().unwrap_or(&args.table);
                ctx.sys.note(&format!("{program} {chain}"), "unknown", &args.goal())?;
                let why = format!("unknown until applied: {program} is not installed yet");
                outcome = outcome.with("depends_on", why);
                continue;
            }
            let rule = args.rule.words(*program == "ip6tables");
            Task { ctx, args: &args, program, rule }.run()?;
        }
        Ok(outcome)
    }
}

impl IptablesArgs {
    /// For the diff of what cannot be known yet.
    fn goal(&self) -> String {
        match &self.policy {
            _ if self.flush => "flushed".to_owned(),
            Some(policy) => format!("policy {policy}"),
            None => format!("{} ({})", self.rule.words(false).join(" "), self.state.as_str()),
        }
    }
}

/// The work in one family.
struct Task<'a> {
    ctx: &'a Ctx<'a>,
    args: &'a IptablesArgs,
    program: &'static str,
    rule: Vec<String>,
}

impl Task<'_> {
    fn run(&self) -> Result<(), Failure> {
        if self.args.flush {
            return self.change(&self.command("-F", &[]));
        }
        if let Some(policy) = &self.args.policy {
            return self.policy(policy);
        }
        if self.rule.is_empty() {
            // Without a rule only the chain itself can be meant.
            if !self.args.chain_management {
                return Ok(());
            }
            let exists = self.list()?.ok();
            return match (exists, self.args.state) {
                (false, State::Present) => self.change(&self.command("-N", &[])),
                (true, State::Absent) => self.change(&self.command("-X", &[])),
                _ => Ok(()),
            };
        }
        let check = self.ctx.sys.query(&self.command("-C", &self.rule))?;
        match (check.ok(), self.args.state) {
            (false, State::Present) => {
                let mut missing = false;
                if self.args.chain_management && !self.list()?.ok() {
                    missing = true;
                    self.change(&self.command("-N", &[]))?;
                }
                // A rule that iptables does not understand is not there either; that shows when it is added. A dry
                // run adds nothing, so it is told here.
                if self.ctx.sys.dry() && !missing && !self.ctx.sys.uncertain() {
                    self.understood(&check)?;
                }
                let flag = if self.args.action == Action::Insert { "-I" } else { "-A" };
                self.change(&self.command(flag, &self.rule))
            }
            (true, State::Absent) => self.change(&self.command("-D", &self.rule)),
            _ => Ok(()),
        }
    }

    fn policy(&self, policy: &str) -> Result<(), Failure> {
        let listed = self.list()?;
        if !listed.ok() {
            return Err(failed(&self.command("-L", &[]), &listed));
        }
        let text = listed.out();
        let current = text.lines().find_map(|line| {
            let (_, rest) = line.strip_prefix("Chain ")?.split_once("(policy ")?;
            rest.split([')', ' ']).next()
        });
        match current {
            None => {
                let chain = self.args.chain.as_deref().unwrap_or_default();
                Err(Failure::new(format!("the chain {chain} is not built in: only such have a policy")))
            }
            Some(current) if current == policy => Ok(()),
            Some(_) => self.change(&self.command("-P", &[policy.to_owned()])),
        }
    }

    /// rc 2 is iptables' "I do not understand"; 1 is "not there" as well as "cannot look".
    fn understood(&self, check: &Output) -> Result<(), Failure> {
        if check.rc == 2 { Err(failed(&self.command("-C", &self.rule), check)) } else { Ok(()) }
    }

    fn list(&self) -> Result<Output, Failure> {
        let numeric: &[String] = if self.args.numeric { &["--numeric".to_owned()] } else { &[] };
        Ok(self.ctx.sys.query(&self.command("-L", numeric))?)
    }

    fn command(&self, flag: &str, more: &[String]) -> Command {
        let mut command = Command::new([self.program, "-t", &self.args.table, flag]).env("LC_ALL", "C");
        command.argv.extend(self.args.chain.iter().map(|chain| to_os(chain)));
        if flag == "-I" {
            command.argv.extend(self.args.rule_num.iter().map(|number| to_os(number)));
        }
        if let Some(wait) = &self.args.wait {
            command.argv.extend(["-w".into(), to_os(wait)]);
        }
        command.argv.extend(more.iter().map(|word| to_os(word)));
        command
    }

    fn change(&self, command: &Command) -> Result<(), Failure> {
        match self.ctx.sys.run(command, Effect::Change)? {
            Ran::Done(output) if !output.ok() => Err(failed(command, &output)),
            _ => Ok(()),
        }
    }
}

fn failed(command: &Command, output: &Output) -> Failure {
    let why =
        [output.err(), output.out()].into_iter().find(|text| !text.trim().is_empty()).unwrap_or_default();
    let mut failure = Failure::new(why.trim()).with("cmd", command.display()).with("rc", output.rc);
    crate::support::results::lines(&mut failure.result, "stdout", output.out());
    crate::support::results::lines(&mut failure.result, "stderr", output.err());
    failure
}
