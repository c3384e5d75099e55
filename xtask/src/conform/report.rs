//! docs/CONFORMANCE.md.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use anyhow::Result;

use super::case::{Case, Stage};
use super::compare::{Aspect, Verdict};
use super::{hosts, normal};

/// What was compared with what.
#[derive(Debug)]
pub struct Versions {
    pub ansible: String,
    pub provision: String,
}

/// The report: features first, then the reasons, then what nobody has explained.
pub fn markdown(versions: &Versions, verdicts: &[(Case, Verdict)]) -> Result<String> {
    let mut text = String::new();
    let total = |count: fn(&Verdict) -> usize| -> usize { verdicts.iter().map(|(_, v)| count(v)).sum() };
    let agreeing = verdicts.iter().filter(|(_, v)| v.differences.is_empty()).count();
    let open = verdicts.iter().filter(|(_, v)| v.unexplained().count() > 0).count();
    write!(
        text,
        "# Conformance\n\n\
         Written by `cargo xtask conform`, which runs each playbook of its corpus through ansible-core and through \
         `provision`, each on a fresh place of its own, and compares how every task and item came out on every host, the \
         registered results, the files that are there afterwards, the printed text and the exit code.\n\n\
         - ansible-core: {}\n- provision: {}\n\n\
         {} cases: {agreeing} agree in everything, {} differ on purpose, {open} differ. Compared were {} ends of tasks and \
         items, {} paths and {} lines of output.\n\n",
        versions.ansible,
        versions.provision,
        verdicts.len(),
        verdicts.len() - agreeing - open,
        total(|v| v.tasks),
        total(|v| v.paths),
        total(|v| v.lines),
    )?;
    features(&mut text, verdicts)?;
    on_purpose(&mut text, verdicts)?;
    unexplained(&mut text, verdicts)?;
    not_compared(&mut text)?;
    Ok(text)
}

fn features(text: &mut String, verdicts: &[(Case, Verdict)]) -> Result<()> {
    let mut by_feature: BTreeMap<&str, Vec<&(Case, Verdict)>> = BTreeMap::new();
    for pair in verdicts {
        by_feature.entry(&pair.0.feature).or_default().push(pair);
    }
    let names: Vec<&str> = Aspect::ALL.iter().map(|aspect| aspect.name()).collect();
    write!(
        text,
        "## Features\n\n`=` agrees, `p` differs on purpose, a number is how many differences nobody has explained.\n\n\
         | feature | cases | on hosts | tasks | {} |\n|---|---|---|---|{}\n",
        names.join(" | "),
        "---|".repeat(names.len())
    )?;
    for (feature, pairs) in by_feature {
        let marks: Vec<String> = Aspect::ALL.iter().map(|aspect| mark(*aspect, &pairs)).collect();
        let hosts = pairs.iter().filter(|(case, _)| case.stage == Stage::Host).count();
        let tasks: usize = pairs.iter().map(|(_, verdict)| verdict.tasks).sum();
        writeln!(text, "| {feature} | {} | {hosts} | {tasks} | {} |", pairs.len(), marks.join(" | "))?;
    }
    text.push('\n');
    Ok(())
}

fn mark(aspect: Aspect, pairs: &[&(Case, Verdict)]) -> String {
    let all = || pairs.iter().flat_map(|(_, v)| &v.differences).filter(move |d| d.aspect == aspect);
    match all().filter(|d| d.reason.is_none()).count() {
        0 if all().next().is_none() => "=".to_owned(),
        0 => "p".to_owned(),
        open => format!("**{open}**"),
    }
}

fn on_purpose(text: &mut String, verdicts: &[(Case, Verdict)]) -> Result<()> {
    let mut reasons: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (case, verdict) in verdicts {
        for reason in verdict.differences.iter().filter_map(|d| d.reason.as_deref()) {
            reasons.entry(reason).or_default().insert(&case.name);
        }
        if case.refused {
            reasons.entry("found wrong before the run, with exit code 4").or_default().insert(&case.name);
        }
    }
    text.push_str("## Different on purpose\n\n");
    for (reason, cases) in reasons {
        let cases: Vec<String> = cases.iter().map(|name| format!("`{name}`")).collect();
        writeln!(text, "- {reason} ({})", cases.join(", "))?;
    }
    text.push('\n');
    Ok(())
}

/// How many differences of a case are listed.
const LISTED: usize = 5;

fn unexplained(text: &mut String, verdicts: &[(Case, Verdict)]) -> Result<()> {
    text.push_str("## Different\n\n");
    let open: Vec<&(Case, Verdict)> = verdicts.iter().filter(|(_, v)| v.unexplained().count() > 0).collect();
    if open.is_empty() {
        text.push_str("Nothing.\n\n");
        return Ok(());
    }
    text.push_str("Ansible's / ours; in text, `-` is Ansible's line and `+` ours.\n\n");
    for (case, verdict) in open {
        write!(text, "`{}`:\n\n```\n", case.name)?;
        for difference in verdict.unexplained().take(LISTED) {
            let top = format!("{}/", provision_testkit::bins::workspace().display());
            let line = difference.line.lines().next().unwrap_or_default().replace(&top, "");
            writeln!(text, "{}: {}", difference.aspect.name(), line.chars().take(160).collect::<String>())?;
        }
        let more = verdict.unexplained().count().saturating_sub(LISTED);
        if more > 0 {
            writeln!(text, "… and {more} more")?;
        }
        text.push_str("```\n\n");
    }
    Ok(())
}

fn not_compared(text: &mut String) -> Result<()> {
    text.push_str("## Not compared\n\nIn results:\n\n");
    for (key, reason) in normal::KEYS {
        writeln!(text, "- `{key}`: {reason}")?;
    }
    for (action, key, reason) in normal::KEYS_OF {
        writeln!(text, "- `{key}` of `{action}`: {reason}")?;
    }
    for (action, reason) in normal::ACTIONS {
        writeln!(text, "- all of `{action}`: {reason}")?;
    }
    for (action, list, key) in normal::SORTED {
        writeln!(text, "- the order of `{list}` of `{action}`; they are sorted by `{key}`")?;
    }
    text.push_str(
        "- keys that begin with `_ansible_`: they are Ansible's own and not shown\n\nMasked in texts:\n\n",
    );
    for (pattern, _, reason) in normal::MASKS {
        writeln!(text, "- {reason}: `{pattern}`")?;
    }
    text.push_str(
        "- the order in which hosts answer to one task\n\nOn the disks of hosts, besides modification \
         times:\n\n",
    );
    for (path, reason) in hosts::EXCLUDED.iter().chain(hosts::PARTS) {
        writeln!(text, "- `{path}`: {reason}")?;
    }
    Ok(())
}
