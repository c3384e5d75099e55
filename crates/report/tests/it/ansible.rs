use crate::script::*;
use provision_engine::event::Event;
use provision_engine::event::{Done, Outcome, TaskInfo, TaskKind};
use provision_report::{Ansible, Options};
use serde_json::Value;
use std::sync::Arc;

pub fn report(events: &[Event], options: Options) -> (String, String) {
    let (out, err) = (Sink::default(), Sink::default());
    let mut ansible = Ansible::new(out.boxed(), err.boxed(), options);
    tell(&mut ansible, events);
    (out.text(), err.text())
}

#[test]
fn tour_as_lines() {
    let (out, err) = report(&tour(false), Options::default());
    insta::assert_snapshot!(out);
    assert_eq!(err, "[WARNING]: Could not match supplied host pattern, ignoring: nope\n");
}

#[test]
fn a_closed_pipe_ends_the_report() {
    let pipe = Closed::default();
    let mut ansible = Ansible::new(Box::new(pipe.clone()), Box::new(Closed::default()), Options::default());
    tell(&mut ansible, &tour(false));
    assert_eq!(*pipe.0.lock().unwrap(), 1);
}

/// `data/NAME.yaml`: a playbook; `NAME.jsonl`: what ansible-core 2.19.14 told a callback plugin in its run; `NAME.txt`: what its
/// default callback printed in the same run, without the excerpts of playbooks (`[ERROR]`, `Origin`).
fn recorded(events: &str, expected: &str, options: Options) {
    let events: Vec<Event> =
        events.lines().flat_map(|line| both(event(&serde_json::from_str(line).unwrap()))).collect();
    let (out, _) = report(&events, options);
    let out = without_errors(&out);
    for (number, (ours, theirs)) in out.lines().zip(expected.lines()).enumerate() {
        assert_eq!(ours, theirs, "line {}", number + 1);
    }
    assert_eq!(out, expected);
}

#[test]
fn base() {
    recorded(include_str!("data/base.jsonl"), include_str!("data/base.txt"), Options::default());
}

#[test]
fn verbose() {
    let options = Options { verbosity: 1, ..Options::default() };
    recorded(include_str!("data/verbose.jsonl"), include_str!("data/verbose.txt"), options);
}

#[test]
fn more() {
    recorded(include_str!("data/more.jsonl"), include_str!("data/more.txt"), Options::default());
}

#[test]
fn any_errors_fatal() {
    recorded(include_str!("data/fatal.jsonl"), include_str!("data/fatal.txt"), Options::default());
}

#[test]
fn max_fail_percentage() {
    recorded(include_str!("data/limit.jsonl"), include_str!("data/limit.txt"), Options::default());
}

#[test]
fn colour() {
    let options = Options { color: true, ..Options::default() };
    recorded(include_str!("data/colour.jsonl"), include_str!("data/colour.txt"), options);
}

/// `meta` is headed when a host begins with it.
fn both(event: Event) -> Vec<Event> {
    let begins = match &event {
        Event::TaskStart { task, .. } if task.action.ends_with("meta") => {
            Some(Event::HostStart { task: task.id, host: "h".into() })
        }
        _ => None,
    };
    [Some(event), begins].into_iter().flatten().collect()
}

fn event(line: &Value) -> Event {
    let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
    let number = |key: &str| line[key].as_u64().unwrap();
    let hosts = || line["hosts"].as_array().unwrap().iter().map(|h| h.as_str().unwrap().into()).collect();
    match line["e"].as_str().unwrap() {
        "play" => play(&text("name"), &[]),
        "nohosts" => Event::NoHosts { name: String::new(), pattern: String::new() },
        "nomore" => Event::NoMoreHosts,
        "task" => {
            let kind = match line["kind"].as_str().unwrap() {
                "facts" => TaskKind::Facts,
                "handler" => TaskKind::Handler,
                "silent" => TaskKind::Silent,
                _ => TaskKind::Task,
            };
            let (name, action) = (text("name"), text("action"));
            let info = TaskInfo {
                id: number("id"),
                name,
                action,
                place: "site.yaml:1".into(),
                kind,
                check: false,
                free: false,
            };
            Event::TaskStart { task: Arc::new(info), hosts: 1 }
        }
        "host" => Event::Host(Box::new(result(line))),
        "item" => Event::Item(Box::new(result(line))),
        "retry" => retry(number("task"), &text("host"), number("left")),
        "included" => {
            let item = line["item"]
                .as_str()
                .map(str::to_owned)
                .or_else(|| line["item"].as_i64().map(|n| n.to_string()));
            Event::Included { task: 0, file: text("file"), hosts: hosts(), item }
        }
        "stats" => {
            let rows = line["rows"].as_array().unwrap().iter().map(|row| {
                let count = |at: usize| row[at].as_u64().unwrap();
                stats(row[0].as_str().unwrap(), [1, 2, 3, 4, 5, 6, 7].map(count))
            });
            end(rows.collect())
        }
        other => panic!("{other}"),
    }
}

fn result(line: &Value) -> Done {
    let outcome = match line["outcome"].as_str().unwrap() {
        "ok" => Outcome::Ok,
        "changed" => Outcome::Changed,
        "skipped" => Outcome::Skipped,
        "failed" => Outcome::Failed,
        "ignored" => Outcome::Ignored,
        "unreachable" => Outcome::Unreachable,
        other => panic!("{other}"),
    };
    let diffs = line["diff"].as_array().unwrap().iter().map(|d| {
        let side = |at: usize| d[at].as_str().unwrap();
        diff(side(0), side(1), side(2), side(3))
    });
    Done {
        task: line["task"].as_u64().unwrap(),
        host: line["host"].as_str().unwrap().into(),
        delegated_to: line["delegated_to"].as_str().map(str::to_owned),
        delegated_address: None,
        outcome,
        item: (line["e"] == "item").then(|| line["item"].clone()),
        looped: line["looped"].as_bool().unwrap(),
        result: line["result"].as_object().unwrap().clone(),
        diff: diffs.collect(),
        seconds: 0.0,
        rescued: false,
        causes: Vec::new(),
    }
}

/// Without the lines from `[ERROR]` to the result they speak of.
fn without_errors(out: &str) -> String {
    let mut skip = false;
    let kept = out.split('\n').filter(|line| {
        let mut plain = (*line).to_owned();
        for code in ["\x1b[0;31m", "\x1b[1;31m", "\x1b[0m"] {
            plain = plain.replace(code, "");
        }
        if plain.starts_with("[ERROR]") {
            skip = true;
        } else if plain.starts_with("fatal: [") || plain.starts_with("failed: [") {
            skip = false;
        }
        !skip
    });
    kept.collect::<Vec<_>>().join("\n")
}
