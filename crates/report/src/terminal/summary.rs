//! What a task came to on all its hosts, in few lines: who agrees is counted, who does not is named.

use crate::diff::{attributes, unified};
use crate::text::{Colour, clean, cut, dumps, names, paint, python_str, width, wrap};
use provision_engine::event::{Cause, Diff, Done, Outcome, TaskInfo, TaskKind};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;

/// Lines of a command's output that a failure shows without -v.
const TAIL: usize = 20;

/// A task and what is known of its hosts so far.
pub struct Summary {
    pub info: Arc<TaskInfo>,
    /// Hosts that will answer.
    pub total: usize,
    outcomes: Vec<(Arc<str>, Outcome)>,
    failures: Vec<(Arc<str>, Failure)>,
    diffs: Vec<(Arc<str>, String)>,
    /// What debug says.
    words: Vec<(Arc<str>, String)>,
}

/// How it is printed.
pub struct Style<'a> {
    pub color: bool,
    pub columns: usize,
    pub verbosity: u8,
    /// The place of each host in the play, for lists in its order.
    pub order: &'a HashMap<Arc<str>, usize>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Failure {
    word: &'static str,
    text: String,
}

/// From the one to look at first to the one that needs no look.
const RANKS: [Outcome; 6] = [
    Outcome::Unreachable,
    Outcome::Failed,
    Outcome::Ignored,
    Outcome::Changed,
    Outcome::Skipped,
    Outcome::Ok,
];

impl Summary {
    pub fn new(info: Arc<TaskInfo>, total: usize) -> Summary {
        Summary {
            info,
            total,
            outcomes: Vec::new(),
            failures: Vec::new(),
            diffs: Vec::new(),
            words: Vec::new(),
        }
    }

    pub fn is_complete(&self) -> bool {
        self.outcomes.len() >= self.total
    }

    /// Nothing that a person would miss: no host answered, or all that happened is that other tasks follow.
    pub fn is_trivial(&self) -> bool {
        let quiet = |outcome: &Outcome| matches!(outcome, Outcome::Ok | Outcome::Skipped);
        self.outcomes.iter().all(|(_, outcome)| self.info.kind == TaskKind::Silent && quiet(outcome))
    }

    /// An item of a loop.
    pub fn item(&mut self, done: &Done, verbosity: u8) {
        self.details(done, verbosity);
    }

    /// A host's result.
    pub fn host(&mut self, done: &Done, verbosity: u8) {
        self.outcomes.push((done.host.clone(), done.outcome));
        // Items have said it, unless the loop itself failed.
        let said = done.looped && self.failures.iter().any(|(host, _)| *host == done.host);
        if !done.looped || is_failure(done.outcome) && !said {
            self.details(done, verbosity);
        }
    }

    fn details(&mut self, done: &Done, verbosity: u8) {
        if is_failure(done.outcome) {
            let failure = Failure { word: failure_word(done), text: failure_text(done, verbosity) };
            self.failures.push((done.host.clone(), failure));
        }
        let diffs: String = done.diff.iter().map(diff_text).collect();
        if !diffs.is_empty() {
            self.diffs.push((done.host.clone(), diffs));
        }
        if self.info.action.rsplit('.').next() == Some("debug") && !is_failure(done.outcome) {
            self.words.extend(debug_text(done).map(|text| (done.host.clone(), text)));
        }
    }

    /// The task's lines.
    pub fn render(&self, style: &Style<'_>) -> String {
        let groups: Vec<(Outcome, Vec<Arc<str>>)> = RANKS
            .iter()
            .map(|rank| {
                (*rank, ordered(self.outcomes.iter().filter(|(_, o)| o == rank).map(|(h, _)| h), style))
            })
            .filter(|(_, hosts)| !hosts.is_empty())
            .collect();
        let mut out = self.head(&groups, style);
        if style.verbosity >= 2 && !self.info.place.is_empty() {
            out += &painted(&format!("    {}", clean(&self.info.place)), Colour::Dim, style);
        }
        out += &self.outliers(&groups, style);
        for (failure, hosts) in grouped(&self.failures, style) {
            out += &self.failure(&failure, &hosts, style);
        }
        for (diff, hosts) in grouped(&self.diffs, style) {
            out += &self.on(&changes(&self.info), &hosts, Colour::Changed, style);
            for line in diff.lines() {
                out += &format!(
                    "    {}\n",
                    paint(line, diff_colour(line), style.color && !line.starts_with(' '))
                );
            }
        }
        for (text, hosts) in grouped(&self.words, style) {
            if hosts.len() < self.outcomes.len() {
                out += &painted(
                    &wrap(&format!("{}:", names(&hosts, style.columns)), style.columns, 4),
                    Colour::Dim,
                    style,
                );
            }
            out += &text.lines().map(|line| format!("    {line}\n")).collect::<String>();
        }
        out
    }

    fn head(&self, groups: &[(Outcome, Vec<Arc<str>>)], style: &Style<'_>) -> String {
        let (mark, colour) = match groups.first().map(|(outcome, _)| *outcome) {
            Some(Outcome::Unreachable | Outcome::Failed) => ("✗", Colour::Error),
            Some(Outcome::Ignored) => ("!", Colour::Warning),
            Some(Outcome::Changed) => ("✓", Colour::Changed),
            Some(Outcome::Ok) => ("✓", Colour::Ok),
            Some(Outcome::Skipped) if groups.len() > 1 => ("✓", Colour::Ok),
            _ => ("-", Colour::Skip),
        };
        // What most did is said first.
        let mut counts: Vec<_> = groups.iter().map(|(outcome, hosts)| (hosts.len(), *outcome)).collect();
        counts.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
        let one = self.total <= 1;
        let mut counts: Vec<(String, Colour)> = counts
            .into_iter()
            .map(|(count, outcome)| {
                let word = word(outcome, &self.info);
                (if one { word } else { format!("{count} {word}") }, outcome_colour(outcome))
            })
            .collect();
        let missing = self.total.saturating_sub(self.outcomes.len());
        if missing > 0 {
            counts.push((format!("{missing} not finished"), Colour::Error));
        }
        let plain = counts.iter().map(|(text, _)| text.as_str()).collect::<Vec<_>>().join(", ");
        let room = style.columns.saturating_sub(width(&plain) + 5).max(20);
        let painted: Vec<String> =
            counts.iter().map(|(text, colour)| paint(text, *colour, style.color)).collect();
        let mark = paint(mark, colour, style.color);
        format!("{mark} {}   {}\n", cut(&clean(&self.info.name), room), painted.join(", "))
    }

    /// Names of those who came out unlike most; failures are named with their reasons.
    fn outliers(&self, groups: &[(Outcome, Vec<Arc<str>>)], style: &Style<'_>) -> String {
        let most = groups.iter().map(|(_, hosts)| hosts.len()).max().unwrap_or(0);
        let mut spared = false;
        let mut out = String::new();
        for (outcome, hosts) in groups.iter().rev() {
            if !spared && hosts.len() == most {
                spared = true;
                continue;
            }
            if is_failure(*outcome) || *outcome == Outcome::Changed && !self.diffs.is_empty() {
                continue;
            }
            let text = format!("{}: {}", word(*outcome, &self.info), names(hosts, 2 * style.columns));
            out = painted(&wrap(&text, style.columns, 4), outcome_colour(*outcome), style) + &out;
        }
        out
    }

    fn failure(&self, failure: &Failure, hosts: &[Arc<str>], style: &Style<'_>) -> String {
        let colour = if failure.word == "ignored" { Colour::Warning } else { Colour::Error };
        let mut out = self.on(failure.word, hosts, colour, style);
        for line in failure.text.lines() {
            out += &wrap(line, style.columns, 6);
        }
        if !self.info.place.is_empty() && style.verbosity < 2 {
            out += &painted(&format!("      at {}", clean(&self.info.place)), Colour::Dim, style);
        }
        out
    }

    /// "changed on 3 hosts: a, b, c"; on the only host there is nothing to add.
    fn on(&self, word: &str, hosts: &[Arc<str>], colour: Colour, style: &Style<'_>) -> String {
        if self.total <= 1 {
            return String::new();
        }
        let listed = names(hosts, 3 * style.columns);
        let text = match hosts.len() {
            1 => format!("{word} on {listed}:"),
            count => format!("{word} on {count} hosts: {listed}"),
        };
        painted(&wrap(&text, style.columns, 4), colour, style)
    }
}

pub fn is_failure(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Failed | Outcome::Ignored | Outcome::Unreachable)
}

/// Whole lines in a colour.
fn painted(text: &str, colour: Colour, style: &Style<'_>) -> String {
    paint(text.trim_end(), colour, style.color) + "\n"
}

/// Each host once, in the play's order.
fn ordered<'a>(hosts: impl Iterator<Item = &'a Arc<str>>, style: &Style<'_>) -> Vec<Arc<str>> {
    let mut hosts: Vec<Arc<str>> = hosts.cloned().collect();
    hosts.sort_by_key(|host| (style.order.get(host).copied().unwrap_or(usize::MAX), host.clone()));
    hosts.dedup();
    hosts
}

/// Equal ones together with the hosts that share them, rare ones first.
fn grouped<T: Clone + Eq + std::hash::Hash>(
    found: &[(Arc<str>, T)],
    style: &Style<'_>,
) -> Vec<(T, Vec<Arc<str>>)> {
    let mut index: HashMap<&T, usize> = HashMap::new();
    let mut groups: Vec<(T, Vec<&Arc<str>>)> = Vec::new();
    for (host, value) in found {
        let at = *index.entry(value).or_insert_with(|| {
            groups.push((value.clone(), Vec::new()));
            groups.len() - 1
        });
        groups[at].1.push(host);
    }
    let mut groups: Vec<_> =
        groups.into_iter().map(|(value, hosts)| (value, ordered(hosts.into_iter(), style))).collect();
    groups.sort_by_key(|(_, hosts)| hosts.len());
    groups
}

fn word(outcome: Outcome, info: &TaskInfo) -> String {
    match outcome {
        Outcome::Ok => "ok".to_owned(),
        Outcome::Changed => changes(info),
        Outcome::Skipped => "skipped".to_owned(),
        Outcome::Failed => "failed".to_owned(),
        Outcome::Ignored => "failed (ignored)".to_owned(),
        Outcome::Unreachable => "unreachable".to_owned(),
    }
}

fn changes(info: &TaskInfo) -> String {
    if info.check { "would change" } else { "changed" }.to_owned()
}

fn failure_word(done: &Done) -> &'static str {
    match done.outcome {
        Outcome::Unreachable => "unreachable",
        Outcome::Ignored => "ignored",
        _ if done.rescued => "failed (rescued)",
        _ => "failed",
    }
}

fn outcome_colour(outcome: Outcome) -> Colour {
    match outcome {
        Outcome::Ok => Colour::Ok,
        Outcome::Changed => Colour::Changed,
        Outcome::Skipped => Colour::Skip,
        Outcome::Failed => Colour::Error,
        Outcome::Ignored => Colour::Warning,
        Outcome::Unreachable => Colour::Unreachable,
    }
}

/// Attributes in a line, contents as a unified diff.
fn diff_text(diff: &Diff) -> String {
    let diff = Diff {
        before_header: clean(&diff.before_header),
        after_header: clean(&diff.after_header),
        before: clean(&diff.before),
        after: clean(&diff.after),
    };
    attributes(&diff).map_or_else(|| unified(&diff, false), |line| clean(&line) + "\n")
}

fn diff_colour(line: &str) -> Colour {
    match line.chars().next() {
        Some('-') => Colour::Error,
        Some('+') => Colour::Ok,
        _ => Colour::Skip,
    }
}

/// What a person needs to understand a failure, not the whole result.
fn failure_text(done: &Done, verbosity: u8) -> String {
    let get = |key: &str| done.result.get(key).filter(|value| !value.is_null());
    let text = |key: &str| get(key).map(python_str).map(|t| clean(t.trim_end())).filter(|t| !t.is_empty());
    let mut lines = Vec::new();
    if let Some(item) = &done.item {
        lines.push(format!("item: {}", clean(&python_str(item))));
    }
    let cause = done.causes.last().filter(|_| done.causes.len() > 1);
    lines.extend(
        cause.map(cause_text).or_else(|| text("msg")).or_else(|| text("censored")).or_else(|| text("reason")),
    );
    if let Some(rc) = text("rc") {
        lines.push(format!("rc: {rc}"));
    }
    let output =
        ["stderr", "module_stderr", "stdout"].iter().find_map(|key| text(key).map(|text| (*key, text)));
    if let Some((key, text)) = output {
        let all: Vec<&str> = text.lines().collect();
        let skipped = if verbosity > 0 { 0 } else { all.len().saturating_sub(TAIL) };
        lines.push(match skipped {
            0 => format!("{key}:"),
            count => format!("{key} (the last {TAIL} lines, {count} before; -v shows all):"),
        });
        lines.extend(all[skipped..].iter().map(|line| format!("  {line}")));
    }
    lines.join("\n")
}

/// What was wrong and where, without what was being done.
fn cause_text(cause: &Cause) -> String {
    let hint = cause.hint.as_ref().map_or(String::new(), |hint| format!(" ({hint})"));
    clean(&format!("{}{hint}\n  at {}", cause.message.trim_end(), cause.place))
}

/// debug's message or variable; nothing when it was skipped.
fn debug_text(done: &Done) -> Option<String> {
    if done.outcome == Outcome::Skipped {
        return None;
    }
    let show = |value: &Value| match value {
        Value::String(text) => clean(text),
        other => clean(&dumps(other, Some(2))),
    };
    for key in ["censored", "msg"] {
        if let Some(value) = done.result.get(key) {
            return Some(show(value));
        }
    }
    let hidden = ["changed", "failed", "skipped", "ansible_loop_var"];
    let vars = done.result.iter().filter(|(key, _)| !key.starts_with('_') && !hidden.contains(&key.as_str()));
    let loops = done.result.get("ansible_loop_var").and_then(Value::as_str);
    let all: Vec<_> = vars.collect();
    let lines = all.iter().filter(|(key, _)| all.len() == 1 || Some(key.as_str()) != loops);
    Some(lines.map(|(key, value)| format!("{}: {}", clean(key), show(value))).collect::<Vec<_>>().join("\n"))
}
