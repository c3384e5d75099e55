//! `setup`: the facts of a machine.

use crate::support::facts::{self, COLLECTORS, Facts, Probe};
use crate::support::files::path_of;
use crate::support::glob;
use crate::{Ctx, Failure, Module, Outcome};
use provision_args::{Args, PathArg};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::time::Duration;

/// Gather the facts of a machine: variables that begin with `ansible_`. A play does so by itself at its beginning,
/// unless it says `gather_facts: no`. Facts are read from the kernel and from files, without Python, so
/// `ansible_python` and its kin do not exist.
#[derive(Args)]
#[args(name = "setup")]
pub struct SetupArgs {
    /// Which groups of facts: `all`, `min`, `network`, `hardware`, `virtual` and so on. `!` before a name leaves the
    /// group out; the group `min` is always there unless `!min` is said.
    #[arg(default = "all")]
    pub gather_subset: Vec<String>,
    /// Give only the facts whose names match one of these shell patterns, with or without `ansible_`.
    pub filter: Option<Vec<String>>,
    /// The directory of the machine's own facts (`ansible_local`): files `*.fact` with JSON, with INI sections, or
    /// executables that print either.
    #[arg(default = "/etc/ansible/facts.d")]
    pub fact_path: PathArg,
    /// How many seconds a single look may take.
    #[arg(default = "10")]
    pub gather_timeout: u64,
}

/// The module.
pub struct Setup;

impl Module for Setup {
    type Args = SetupArgs;

    fn run(args: SetupArgs, ctx: &Ctx<'_>) -> Result<Outcome, Failure> {
        let wanted = chosen(&args.gather_subset)?;
        let probe = Probe { sys: ctx.sys, timeout: Duration::from_secs(args.gather_timeout.max(1)) };
        let mut found = Facts::new();
        for collector in COLLECTORS.iter().filter(|collector| wanted.contains(collector.name)) {
            (collector.collect)(&probe, &mut found);
        }
        if wanted.contains(LOCAL) {
            found.insert(LOCAL.to_owned(), facts::local(&probe, &path_of(ctx, &args.fact_path)?).into());
        }
        let patterns: Vec<String> = args.filter.unwrap_or_default();
        let passes = |name: &str| {
            let full = format!("ansible_{name}");
            patterns.is_empty()
                || patterns.iter().any(|pattern| {
                    pattern.is_empty()
                        || pattern == "*"
                        || glob::matches(pattern, &full)
                        || glob::matches(pattern, name)
                })
        };
        let mut named: Map<String, Value> = found
            .into_iter()
            .filter(|(name, _)| passes(name))
            .map(|(name, value)| (format!("ansible_{name}"), value))
            .collect();
        named.sort_keys();
        for (name, value) in [("gather_subset", args.gather_subset.into()), ("module_setup", true.into())] {
            if passes(name) {
                named.insert(name.to_owned(), value);
            }
        }
        Ok(Outcome::new().with("ansible_facts", named))
    }
}

/// The group of the machine's own facts; it is in `min`.
const LOCAL: &str = "local";
/// Groups of Ansible's that a machine without Python, Facter and Ohai does not have.
const NEVER: [&str; 4] = ["python", "python_version", "facter", "ohai"];

/// The groups that a list of subsets means.
fn chosen(subsets: &[String]) -> Result<BTreeSet<&'static str>, Failure> {
    let all = || COLLECTORS.iter().map(|collector| collector.name).chain([LOCAL]);
    let minimal = || {
        COLLECTORS.iter().filter(|collector| collector.minimal).map(|collector| collector.name).chain([LOCAL])
    };
    let (mut with, mut without) = (BTreeSet::new(), BTreeSet::new());
    let mut explicit = BTreeSet::new();
    for subset in subsets {
        let name = subset.trim();
        let (out, name) = match name.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, name),
        };
        match (out, name) {
            (false, "all") => with.extend(all()),
            // Everything but the minimum, which must be refused by its own name.
            (true, "all") => without.extend(all().filter(|name| minimal().all(|minimal| minimal != *name))),
            (false, "min") => explicit.extend(minimal()),
            (true, "min") => without.extend(minimal()),
            (_, name) if NEVER.contains(&name) => {}
            (out, name) => match group_of(name) {
                Some(group) if out => drop(without.insert(group)),
                Some(group) => drop(explicit.insert(group)),
                None => {
                    let mut known: Vec<&str> =
                        COLLECTORS.iter().flat_map(|group| [&[group.name], group.also].concat()).collect();
                    known.extend(["all", "min", LOCAL]);
                    known.sort_unstable();
                    return Err(Failure::new(format!(
                        "Bad subset '{name}' given to Ansible. gather_subset options allowed: {}",
                        known.join(", ")
                    )));
                }
            },
        }
    }
    let mut chosen: BTreeSet<&'static str> = minimal().collect();
    // Only refusals: everything else.
    if with.is_empty() && explicit.is_empty() && !subsets.iter().any(|subset| subset.trim() == "!all") {
        chosen.extend(all());
    }
    chosen.extend(with);
    chosen.retain(|name| !without.contains(name));
    chosen.extend(explicit);
    for collector in COLLECTORS {
        if chosen.contains(collector.name) {
            chosen.extend(collector.needs);
        }
    }
    Ok(chosen)
}

fn group_of(name: &str) -> Option<&'static str> {
    if name == LOCAL {
        return Some(LOCAL);
    }
    let known = |group: &&facts::Collector| group.name == name || group.also.contains(&name);
    COLLECTORS.iter().find(known).map(|group| group.name)
}
