//! Events by hand, and writers whose text can be looked at.

use provision_engine::event::{Cause, Diff, Done, Event, HostStats, Outcome, Reporter, TaskInfo, TaskKind};
use serde_json::{Map, Value, json};
use std::io::Write;
use std::sync::{Arc, Mutex};

#[derive(Clone, Default)]
pub struct Sink(Arc<Mutex<Vec<u8>>>);

impl Sink {
    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    pub fn boxed(&self) -> Box<dyn Write + Send> {
        Box::new(self.clone())
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A pipe whose reader is gone; counts the attempts to write.
#[derive(Clone, Default)]
pub struct Closed(pub Arc<Mutex<usize>>);

impl Write for Closed {
    fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
        *self.0.lock().unwrap() += 1;
        Err(std::io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

pub fn tell(reporter: &mut dyn Reporter, events: &[Event]) {
    for event in events {
        reporter.event(event);
    }
}

pub fn run(check: bool) -> Event {
    Event::RunStart {
        schema: 1,
        version: "0.1.0",
        check,
        diff: true,
        playbooks: vec!["site.yaml".into()],
        hosts: 3,
    }
}

pub fn play(name: &str, hosts: &[&str]) -> Event {
    Event::PlayStart {
        name: name.into(),
        hosts: hosts.iter().map(|h| (*h).into()).collect(),
        place: "site.yaml:1".into(),
    }
}

pub fn task(id: u64, name: &str, action: &str, hosts: usize) -> Event {
    kind(id, name, action, hosts, TaskKind::Task)
}

pub fn kind(id: u64, name: &str, action: &str, hosts: usize, kind: TaskKind) -> Event {
    info(id, name, action, hosts, kind, false)
}

pub fn info(id: u64, name: &str, action: &str, hosts: usize, kind: TaskKind, check: bool) -> Event {
    let action = format!("ansible.builtin.{action}");
    let task = TaskInfo {
        id,
        name: name.into(),
        action,
        place: format!("site.yaml:{id}"),
        kind,
        check,
        free: false,
    };
    Event::TaskStart { task: Arc::new(task), hosts }
}

pub fn done(task: u64, host: &str, outcome: Outcome, result: Value) -> Done {
    let Value::Object(mut all) = result else { panic!("a result is a map") };
    all.entry("changed").or_insert((outcome == Outcome::Changed).into());
    all.entry("failed").or_insert(matches!(outcome, Outcome::Failed | Outcome::Ignored).into());
    let failed = matches!(outcome, Outcome::Failed | Outcome::Ignored | Outcome::Unreachable);
    let cause = Cause {
        message: format!(
            "Task failed: Module failed: {}",
            all.get("msg").and_then(Value::as_str).unwrap_or("?")
        ),
        place: format!("/site.yaml:{task}:7"),
        excerpt: format!("{task}     - name: It\n        ^ column 7\n"),
        ..Cause::default()
    };
    Done {
        task,
        host: host.into(),
        delegated_to: None,
        delegated_address: None,
        outcome,
        item: None,
        looped: false,
        result: all,
        diff: Vec::new(),
        seconds: 0.25,
        rescued: false,
        causes: failed.then_some(cause).into_iter().collect(),
    }
}

pub fn host(task: u64, host: &str, outcome: Outcome, result: Value) -> Event {
    Event::Host(Box::new(done(task, host, outcome, result)))
}

pub fn with_diff(task: u64, host: &str, diff: Vec<Diff>) -> Event {
    Event::Host(Box::new(Done { diff, ..done(task, host, Outcome::Changed, json!({})) }))
}

pub fn item(task: u64, host: &str, outcome: Outcome, item: Value, result: Value) -> Event {
    Event::Item(Box::new(Done { item: Some(item), ..done(task, host, outcome, result) }))
}

/// The end of a loop.
pub fn looped(task: u64, host: &str, outcome: Outcome) -> Event {
    let result = json!({"msg": "All items completed", "results": [{"changed": true}]});
    Event::Host(Box::new(Done { looped: true, ..done(task, host, outcome, result) }))
}

pub fn diff(before_header: &str, after_header: &str, before: &str, after: &str) -> Diff {
    Diff {
        before_header: before_header.into(),
        after_header: after_header.into(),
        before: before.into(),
        after: after.into(),
    }
}

/// A state as the engine writes it.
pub fn state(path: &str, key: &str, before: &str, after: &str) -> Diff {
    let text = |value: &str| serde_json::to_string_pretty(&json!({"path": path, key: value})).unwrap() + "\n";
    diff(path, path, &text(before), &text(after))
}

/// ok, changed, unreachable, failed, skipped, rescued, ignored
pub fn stats(host: &str, counts: [u64; 7]) -> HostStats {
    let [ok, changed, unreachable, failed, skipped, rescued, ignored] = counts;
    HostStats { host: host.into(), ok, changed, unreachable, failed, skipped, rescued, ignored }
}

pub fn end(stats: Vec<HostStats>) -> Event {
    Event::RunEnd { stats, seconds: 83.4, interrupted: false, aborted: None }
}

pub fn warning(text: &str) -> Event {
    Event::Warning { text: text.into(), place: None }
}

pub fn retry(task: u64, host: &str, attempts_left: u64) -> Event {
    Event::Retry { task, host: host.into(), attempts_left, attempts: 1, result: Map::new() }
}

pub fn output(task: u64, host: &str, text: &str) -> Event {
    Event::Output { task, host: host.into(), stream: "stdout", text: text.into() }
}

pub const COMMAND: &str = r#"{"cmd": ["false"], "delta": "0:00:00.021183", "end": "2026-11-22 00:26:15.857428", "msg": "non-zero return code", "rc": 1, "start": "2026-11-22 00:26:15.836245", "stderr": "", "stderr_lines": [], "stdout": "", "stdout_lines": [], "changed": true, "invocation": {"module_args": {"_raw_params": "false"}}}"#;

pub fn command() -> Value {
    serde_json::from_str(COMMAND).unwrap()
}

/// A run with some of everything on three hosts.
pub fn tour(check: bool) -> Vec<Event> {
    use Outcome::*;
    let three = ["web1", "web2", "db"];
    let mut events = vec![run(check), warning("Could not match supplied host pattern, ignoring: nope")];
    events.push(play("Web servers", &three));
    events.push(kind(1, "Gathering Facts", "setup", 3, TaskKind::Facts));
    events.extend(three.map(|h| host(1, h, Ok, json!({"ansible_facts": {}}))));
    events.push(info(2, "nginx : Install packages", "apt", 3, TaskKind::Task, check));
    events.extend([
        host(2, "web1", Ok, json!({})),
        host(2, "db", Ok, json!({})),
        host(2, "web2", Changed, json!({})),
    ]);
    events.push(info(3, "Configuration", "template", 3, TaskKind::Task, check));
    let changes = || {
        vec![
            diff("/etc/app.conf", "/etc/app.conf", "a\nb\nc\n", "a\nB\nc"),
            state("/etc/app.conf", "mode", "0600", "0644"),
        ]
    };
    events.extend(["web1", "web2"].map(|h| with_diff(3, h, changes())));
    events.push(host(3, "db", Ok, json!({})));
    events.push(task(4, "Loop", "command", 3));
    events.extend([
        item(4, "web1", Ok, json!("a"), json!({"item": "a"})),
        item(4, "web1", Changed, json!({"k": "v", "n": 1}), json!({})),
        item(4, "web1", Skipped, json!(3), json!({})),
        looped(4, "web1", Changed),
        item(4, "web2", Failed, json!("a"), command()),
        looped(4, "web2", Failed),
        item(4, "db", Ignored, json!("a"), command()),
        looped(4, "db", Ignored),
    ]);
    events.push(task(5, "debug", "debug", 2));
    let said = |h| host(5, h, Ok, json!({"msg": "hi é", "_ansible_verbose_always": true}));
    events.extend(["web1", "db"].map(said));
    events.push(task(6, "Wait for it", "command", 2));
    events.extend([retry(6, "web1", 2), retry(6, "web1", 1), host(6, "web1", Ignored, command())]);
    events.push(host(6, "db", Skipped, json!({"skip_reason": "Conditional result was False"})));
    events.push(kind(7, "include_tasks", "include_tasks", 2, TaskKind::Silent));
    events.extend(["web1", "db"].map(|h| host(7, h, Ok, json!({"include": "more.yaml"}))));
    let file = "/srv/more.yaml".to_owned();
    let hosts = vec!["web1".into(), "db".into()];
    events.push(Event::Included { task: 7, file, hosts, item: Some("1".into()) });
    events.push(kind(8, "restart nginx", "service", 2, TaskKind::Handler));
    let elsewhere = Done { delegated_to: Some("db".into()), ..done(8, "web1", Changed, json!({})) };
    events.push(Event::Host(Box::new(elsewhere)));
    let gone = "Failed to connect to the host via ssh: Connection refused";
    events.push(host(8, "db", Unreachable, json!({"msg": gone, "unreachable": true})));
    events.push(task(9, "Secrets", "command", 1));
    let censored =
        "the output has been hidden due to the fact that 'no_log: true' was specified for this result";
    events.push(host(9, "web1", Failed, json!({"censored": censored, "changed": true})));
    events.push(Event::NoMoreHosts);
    events.push(play("Nobody", &[]));
    events.push(Event::NoHosts { name: "Nobody".into(), pattern: "nope".into() });
    events.push(end(vec![
        stats("web1", [7, 4, 0, 1, 0, 0, 1]),
        stats("web2", [3, 2, 0, 1, 0, 0, 0]),
        stats("db", [5, 0, 1, 0, 1, 0, 1]),
        stats("unused", [0; 7]),
    ]));
    events
}
