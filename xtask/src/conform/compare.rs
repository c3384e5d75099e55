//! Two runs of one case, side by side.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use provision_testkit::fleet::Tree;
use serde_json::Value;
use similar::{ChangeTag, DiffOp, TextDiff};

use super::case::Case;
use super::normal;
use super::record::{Record, Run};
use super::side::Came;

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Aspect {
    /// Which tasks ran where and how they came out; the recap.
    Status,
    /// What `register` gets.
    Result,
    /// Files that are there afterwards.
    Tree,
    /// What is printed.
    Text,
    /// The exit code.
    Exit,
}

impl Aspect {
    pub const ALL: [Aspect; 5] = [Aspect::Status, Aspect::Result, Aspect::Tree, Aspect::Text, Aspect::Exit];

    pub fn name(self) -> &'static str {
        match self {
            Aspect::Status => "status",
            Aspect::Result => "result",
            Aspect::Tree => "tree",
            Aspect::Text => "text",
            Aspect::Exit => "exit",
        }
    }

    pub fn named(name: &str) -> Option<Aspect> {
        Aspect::ALL.into_iter().find(|aspect| aspect.name() == name)
    }
}

/// One thing that is not the same.
#[derive(Debug, Clone)]
pub struct Difference {
    pub aspect: Aspect,
    /// In one line: where, Ansible's, ours.
    pub line: String,
    /// Why it is meant to be so, if it is.
    pub reason: Option<String>,
}

/// What a case came to.
#[derive(Debug, Default)]
pub struct Verdict {
    /// How many ends of tasks and items were compared.
    pub tasks: usize,
    /// How many paths.
    pub paths: usize,
    pub lines: usize,
    pub differences: Vec<Difference>,
}

impl Verdict {
    /// Those nobody has given a reason for.
    pub fn unexplained(&self) -> impl Iterator<Item = &Difference> {
        self.differences.iter().filter(|difference| difference.reason.is_none())
    }

    fn add(&mut self, aspect: Aspect, line: String) {
        self.differences.push(Difference { aspect, line, reason: None });
    }
}

/// All differences of a case's runs.
pub fn case(case: &Case, theirs: &[Came], ours: &[Came]) -> Verdict {
    let mut verdict = Verdict::default();
    for (number, (their, our)) in theirs.iter().zip(ours).enumerate() {
        let from = verdict.differences.len();
        if case.refused {
            refused(their, our, &mut verdict);
        } else {
            let dry = case.runs[number].iter().any(|arg| arg == "--check" || arg == "-C");
            run(&their.run, &our.run, dry, &mut verdict);
            tree(their, our, &mut verdict);
            text(&their.stdout, &our.stdout, &mut verdict);
            if their.exit != exit(our.exit) {
                verdict.add(Aspect::Exit, format!("exit code: {} / {}", their.exit, our.exit));
            }
        }
        if theirs.len() > 1 {
            for difference in &mut verdict.differences[from..] {
                difference.line = format!("run {}: {}", number + 1, difference.line);
            }
        }
    }
    for difference in &mut verdict.differences {
        let excuse =
            case.differs.iter().find(|e| e.aspect == difference.aspect && difference.line.contains(&e.part));
        if let Some(excuse) = excuse {
            difference.reason = Some(excuse.reason.clone());
        }
    }
    verdict
}

/// Ansible finds the same mistake later, so all that there is to see is that it does not get through.
fn refused(their: &Came, our: &Came, verdict: &mut Verdict) {
    if their.exit == 0 {
        verdict.add(Aspect::Exit, "refused before the run, and Ansible runs it through".to_owned());
    }
    if our.exit != 4 || !our.run.records.is_empty() {
        verdict.add(Aspect::Exit, format!("not refused before the run: exit code {}", our.exit));
    }
}

/// Our own codes in Ansible's meaning; docs/COMPATIBILITY.md has the table.
fn exit(ours: i32) -> i32 {
    if ours == 3 { 4 } else { ours }
}

fn run(theirs: &Run, ours: &Run, dry: bool, verdict: &mut Verdict) {
    let hosts: BTreeSet<&str> =
        theirs.records.iter().chain(&ours.records).map(|record| record.host.as_str()).collect();
    for host in hosts {
        let of = |run: &'_ Run| -> Vec<Record> {
            run.records.iter().filter(|record| record.host == host).cloned().collect()
        };
        records(&of(theirs), &of(ours), dry, verdict);
    }
    let hosts: BTreeSet<&String> = theirs.stats.keys().chain(ours.stats.keys()).collect();
    for host in hosts {
        let (their, our) = (theirs.stats.get(host), ours.stats.get(host));
        if their != our {
            verdict.add(Aspect::Status, format!("recap of {host}: {} / {}", counts(their), counts(our)));
        }
    }
}

fn counts(of: Option<&std::collections::BTreeMap<String, u64>>) -> String {
    let Some(of) = of else { return "none".to_owned() };
    let shown: Vec<String> =
        of.iter().filter(|(_, n)| **n > 0).map(|(name, n)| format!("{name}={n}")).collect();
    shown.join(" ")
}

/// The same host's records, matched in their order.
fn records(theirs: &[Record], ours: &[Record], dry: bool, verdict: &mut Verdict) {
    let keys = |records: &[Record]| -> Vec<String> {
        records.iter().map(|r| format!("{} {} {}", r.play, r.kind, r.task)).collect()
    };
    let (a, b) = (keys(theirs), keys(ours));
    for op in similar::capture_diff_slices(similar::Algorithm::Myers, &a, &b) {
        match op {
            DiffOp::Equal { old_index, new_index, len } => {
                for at in 0..len {
                    verdict.tasks += 1;
                    pair(&theirs[old_index + at], &ours[new_index + at], dry, verdict);
                }
            }
            _ => {
                for record in &theirs[op.old_range()] {
                    verdict.add(Aspect::Status, format!("{}: {} / nothing", place(record), record.outcome));
                }
                for record in &ours[op.new_range()] {
                    verdict.add(Aspect::Status, format!("{}: nothing / {}", place(record), record.outcome));
                }
            }
        }
    }
}

fn pair(their: &Record, our: &Record, dry: bool, verdict: &mut Verdict) {
    if their.outcome != our.outcome {
        let msg = our.result.get("msg").map(short).unwrap_or_default();
        verdict.add(Aspect::Status, format!("{}: {} / {} {msg}", place(their), their.outcome, our.outcome));
    }
    if their.delegated_to != our.delegated_to {
        let line =
            format!("{}: delegated to {:?} / {:?}", place(their), their.delegated_to, our.delegated_to);
        verdict.add(Aspect::Status, line);
    }
    if their.kind == "item" && their.item != our.item {
        let line = format!("{}: item {} / {}", place(their), short(&their.item), short(&our.item));
        verdict.add(Aspect::Result, line);
    }
    let (a, b) = (normal::result(&their.action, &their.result), normal::result(&our.action, &our.result));
    let mut found = Vec::new();
    values("", Some(&a), Some(&b), &mut found);
    for line in found {
        let reason = normal::dry_run(&their.action, &line).filter(|_| dry).map(str::to_owned);
        let line = format!("{}: {line}", place(their));
        verdict.differences.push(Difference { aspect: Aspect::Result, line, reason });
    }
}

fn place(record: &Record) -> String {
    let kind = if record.kind == "host" { String::new() } else { format!(" {}", record.kind) };
    format!("[{}] ({}) {}{kind}", record.task, record.action, record.host)
}

/// Every leaf that differs, as `path: theirs / ours`.
fn values(path: &str, theirs: Option<&Value>, ours: Option<&Value>, found: &mut Vec<String>) {
    match (theirs, ours) {
        (Some(Value::Object(a)), Some(Value::Object(b))) => {
            let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                values(&path, a.get(key), b.get(key), found);
            }
        }
        (Some(Value::Array(a)), Some(Value::Array(b))) if a.len() == b.len() => {
            for (index, (a, b)) in a.iter().zip(b).enumerate() {
                values(&format!("{path}[{index}]"), Some(a), Some(b), found);
            }
        }
        (a, b) if a == b => {}
        (a, b) => {
            let show = |value: Option<&Value>| value.map_or("nothing".to_owned(), short);
            found.push(format!("{path}: {} / {}", show(a), show(b)));
        }
    }
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() > 300 { text.chars().take(300).chain("…".chars()).collect() } else { text }
}

fn tree(theirs: &Came, ours: &Came, verdict: &mut Verdict) {
    let paths: BTreeSet<&Path> =
        theirs.tree.0.keys().chain(ours.tree.0.keys()).map(std::path::PathBuf::as_path).collect();
    verdict.paths += paths.len();
    for path in paths {
        let look =
            |tree: &Tree| tree.0.get(path).cloned().unwrap_or_else(|| "unchanged or not there".to_owned());
        let (their, our) = (look(&theirs.tree), look(&ours.tree));
        if their == our {
            continue;
        }
        let mut line = format!("/{}: {their} / {our}", path.display());
        let contents = [&theirs.files, &ours.files].map(|dir| fs::read_to_string(dir.join(path)));
        if let [Ok(a), Ok(b)] = contents
            && a != b
        {
            for change in TextDiff::from_lines(&a, &b)
                .iter_all_changes()
                .filter(|c| c.tag() != ChangeTag::Equal)
                .take(6)
            {
                line.push_str(&format!("\n      {}{}", change.tag(), change.value().trim_end()));
            }
        }
        verdict.add(Aspect::Tree, line);
    }
}

fn text(theirs: &str, ours: &str, verdict: &mut Verdict) {
    let (a, b) = (normal::text(theirs), normal::text(ours));
    verdict.lines += a.len();
    let mut heading = String::new();
    for op in similar::capture_diff_slices(similar::Algorithm::Myers, &a, &b) {
        if let DiffOp::Equal { .. } = op {
            if let Some(line) =
                a[op.old_range()].iter().rfind(|line| line.contains(" [") && line.ends_with('*'))
            {
                line.trim_end_matches(['*', ' ']).clone_into(&mut heading);
            }
            continue;
        }
        for line in &a[op.old_range()] {
            verdict.add(Aspect::Text, format!("{heading}: - {line}"));
        }
        for line in &b[op.new_range()] {
            verdict.add(Aspect::Text, format!("{heading}: + {line}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn record(task: &str, outcome: &str, result: Value) -> Record {
        Record {
            kind: "host".into(),
            play: 1,
            task: task.into(),
            action: "command".into(),
            host: "h".into(),
            delegated_to: None,
            outcome: outcome.into(),
            item: Value::Null,
            result,
        }
    }

    #[test]
    fn a_task_that_ran_on_one_side_only_is_said_and_the_rest_still_matched() {
        let theirs = [record("a", "ok", json!({})), record("b", "ok", json!({"rc": 0, "end": "1"}))];
        let ours = [record("b", "changed", json!({"rc": 1, "end": "2"}))];
        let mut verdict = Verdict::default();
        records(&theirs, &ours, false, &mut verdict);
        let lines: Vec<&str> = verdict.differences.iter().map(|d| d.line.trim_end()).collect();
        assert_eq!(
            lines,
            ["[a] (command) h: ok / nothing", "[b] (command) h: ok / changed", "[b] (command) h: rc: 0 / 1"]
        );
        assert_eq!(verdict.tasks, 1);
    }
}
