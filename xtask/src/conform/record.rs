//! What happened in a run, in the same words for both tools.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context as _, Result};
use serde_json::{Map, Value};

/// Everything that one run said as data.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Run {
    pub records: Vec<Record>,
    /// The recap: for each host its counts.
    pub stats: BTreeMap<String, BTreeMap<String, u64>>,
}

/// A task's or an item's end on one host, or an attempt that is made again.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    pub kind: String,
    /// Counted from 1.
    pub play: u64,
    pub task: String,
    /// Without its namespace.
    pub action: String,
    pub host: String,
    pub delegated_to: Option<String>,
    pub outcome: String,
    pub item: Value,
    pub result: Value,
}

impl Run {
    /// From the lines of `recorder.py`.
    pub fn of_ansible(text: &str) -> Result<Run> {
        let mut run = Run::default();
        for line in lines(text) {
            let line = line?;
            match string(&line, "kind").as_str() {
                "host" | "item" | "retry" => run.records.push(record(&line, &string(&line, "kind"))),
                "stats" => {
                    for (host, counts) in line["hosts"].as_object().into_iter().flatten() {
                        let mut named = BTreeMap::new();
                        for (theirs, ours) in NAMES {
                            named.insert(ours.to_owned(), counts[theirs].as_u64().unwrap_or(0));
                        }
                        run.add_stats(host, named);
                    }
                }
                _ => {}
            }
        }
        run.leave_out_what_is_no_task();
        Ok(run)
    }

    /// From `provision --events`.
    pub fn of_provision(text: &str) -> Result<Run> {
        let mut run = Run::default();
        let mut play = 0;
        let mut tasks: HashMap<u64, (String, String)> = HashMap::new();
        for line in lines(text) {
            let mut line = line?;
            let event = string(&line, "event");
            match event.as_str() {
                "play_start" => play += 1,
                "task_start" => {
                    let task = &line["task"];
                    let id = task["id"].as_u64().unwrap_or(0);
                    tasks.insert(id, (string(task, "name").trim().to_owned(), string(task, "action")));
                }
                "host" | "item" | "retry" => {
                    let (task, action) =
                        tasks.get(&line["task"].as_u64().unwrap_or(0)).cloned().unwrap_or_default();
                    line["play"] = play.into();
                    line["task"] = task.into();
                    line["action"] = action.into();
                    if event == "retry" {
                        line["outcome"] = "retry".into();
                    }
                    run.records.push(record(&line, &event));
                }
                "run_end" => {
                    for row in line["stats"].as_array().into_iter().flatten() {
                        let named = NAMES.map(|(_, n)| (n.to_owned(), row[n].as_u64().unwrap_or(0)));
                        run.add_stats(&string(row, "host"), named.into());
                    }
                }
                _ => {}
            }
        }
        run.leave_out_what_is_no_task();
        Ok(run)
    }

    /// Hosts that nothing was counted for are in no recap.
    fn add_stats(&mut self, host: &str, counts: BTreeMap<String, u64>) {
        if counts.values().any(|n| *n > 0) {
            self.stats.insert(host.to_owned(), counts);
        }
    }

    /// `meta` is no task; what it does shows in what comes after. An include's items are told by what they include.
    fn leave_out_what_is_no_task(&mut self) {
        self.records.retain(|record| {
            let include =
                record.kind == "item" && matches!(&*record.action, "include_tasks" | "include_role");
            record.action != "meta" && !(include && record.outcome == "ok")
        });
    }
}

/// What the columns of the recap are called in Ansible's statistics and in its recap.
const NAMES: [(&str, &str); 7] = [
    ("ok", "ok"),
    ("changed", "changed"),
    ("unreachable", "unreachable"),
    ("failures", "failed"),
    ("skipped", "skipped"),
    ("rescued", "rescued"),
    ("ignored", "ignored"),
];

fn record(line: &Value, kind: &str) -> Record {
    let action = string(line, "action");
    let result = line["result"].as_object().cloned().unwrap_or_else(Map::new);
    let mut outcome = string(line, "outcome");
    // Ansible tells an unreachable host's `ignore_unreachable` only in the recap.
    if outcome == "ignored" && result.get("unreachable").and_then(Value::as_bool) == Some(true) {
        "unreachable".clone_into(&mut outcome);
    }
    // Of a failed item Ansible tells the item's end, of the host's whether it is ignored.
    if kind == "item" && outcome == "ignored" {
        "failed".clone_into(&mut outcome);
    }
    Record {
        kind: kind.to_owned(),
        play: line["play"].as_u64().unwrap_or(0),
        task: string(line, "task"),
        action: action.rsplit('.').next().unwrap_or(&action).to_owned(),
        host: string(line, "host"),
        delegated_to: line["delegated_to"].as_str().map(str::to_owned),
        outcome,
        item: line.get("item").cloned().unwrap_or(Value::Null),
        result: Value::Object(result),
    }
}

fn lines(text: &str) -> impl Iterator<Item = Result<Value>> {
    text.lines().map(|line| serde_json::from_str(line).with_context(|| format!("no JSON: {line}")))
}

fn string(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_run_in_both_words() {
        let theirs = Run::of_ansible(concat!(
            r#"{"kind": "play", "name": "p"}"#,
            "\n",
            r#"{"kind": "host", "play": 1, "task": "t", "action": "ansible.builtin.command", "host": "h", "outcome": "changed", "result": {"rc": 0}}"#,
            "\n",
            r#"{"kind": "stats", "hosts": {"h": {"ok": 1, "changed": 1, "failures": 0}, "idle": {}}}"#,
        ));
        let ours = Run::of_provision(concat!(
            r#"{"event": "play_start", "name": "p"}"#,
            "\n",
            r#"{"event": "task_start", "task": {"id": 7, "name": "t", "action": "command"}, "hosts": 1}"#,
            "\n",
            r#"{"event": "host", "task": 7, "host": "h", "outcome": "changed", "result": {"rc": 0}}"#,
            "\n",
            r#"{"event": "run_end", "stats": [{"host": "h", "ok": 1, "changed": 1}]}"#,
        ));
        assert_eq!(theirs.unwrap(), ours.unwrap());
    }
}
