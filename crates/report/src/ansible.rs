//! The lines of Ansible's default callback, for everything that reads them.
//!
//! What a task prints was taken from ansible-core 2.19's output; `tests/` holds some of it.

use crate::diff::unified;
use crate::text::{Colour, dumps, paint, python_str, width};
use provision_engine::event::{
    AsyncState, Cause, Done, Event, HostStats, Outcome, Reporter, TaskInfo, TaskKind,
};
use serde_json::{Map, Value};
use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::sync::Arc;

/// How to write.
#[derive(Debug, Clone, Default)]
pub struct Options {
    pub color: bool,
    /// How often `-v` was given.
    pub verbosity: u8,
    pub display: Display,
    /// The terminal's columns; none when the output is no terminal. Below 80 they count as 80, as in Ansible.
    pub columns: Option<usize>,
}

/// What the default callback is told to leave out or to add (`ansible.cfg`).
#[derive(Debug, Clone)]
pub struct Display {
    pub skipped_hosts: bool,
    pub ok_hosts: bool,
    /// Failures go to standard error.
    pub failed_stderr: bool,
    /// Banners say that nothing is changed.
    pub check_mode_markers: bool,
    pub per_host_start: bool,
    pub task_path_on_failure: bool,
}

impl Default for Display {
    fn default() -> Self {
        Self {
            skipped_hosts: true,
            ok_hosts: true,
            failed_stderr: false,
            check_mode_markers: false,
            per_host_start: false,
            task_path_on_failure: false,
        }
    }
}

/// Ansible's default callback.
pub struct Ansible {
    out: Option<Box<dyn Write + Send>>,
    err: Option<Box<dyn Write + Send>>,
    options: Options,
    tasks: HashMap<u64, Arc<TaskInfo>>,
    /// The task whose banner stands last: results of another one need theirs again (strategy free).
    banner: Option<u64>,
    /// The whole run is a dry run.
    check: bool,
    /// Errors and warnings are said once.
    said: HashSet<String>,
}

impl Ansible {
    pub fn new(out: Box<dyn Write + Send>, err: Box<dyn Write + Send>, options: Options) -> Ansible {
        Ansible {
            out: Some(out),
            err: Some(err),
            options,
            tasks: HashMap::new(),
            banner: None,
            check: false,
            said: HashSet::new(),
        }
    }

    fn item(&mut self, done: &Done) {
        if self.hides(done.outcome) {
            return;
        }
        if self.is_include(done.task) && matches!(done.outcome, Outcome::Ok | Outcome::Changed) {
            return;
        }
        self.before(done);
        let label = done.item.as_ref().map(python_str).unwrap_or_default();
        let host = host_label(done);
        match done.outcome {
            Outcome::Ok | Outcome::Changed => {
                let (word, colour) = word(done.outcome);
                let json = self.verbose(done).map_or(String::new(), |json| format!(" => {json}"));
                self.say(&format!("{word}: [{host}] => (item={label}){json}"), colour);
            }
            Outcome::Skipped => {
                let json = self.verbose(done).map_or(String::new(), |json| format!(" => {json}"));
                // The blank is Ansible's.
                self.say(&format!("skipping: [{}] => (item={label}) {json}", done.host), Colour::Skip);
            }
            // The host's result says whether it is ignored.
            Outcome::Failed | Outcome::Ignored | Outcome::Unreachable => {
                let json = self.json(done);
                self.fail(&format!("failed: [{host}] (item={label}) => {json}"), Colour::Error);
            }
        }
    }

    /// Is an outcome left out?
    fn hides(&self, outcome: Outcome) -> bool {
        let display = &self.options.display;
        outcome == Outcome::Skipped && !display.skipped_hosts || outcome == Outcome::Ok && !display.ok_hosts
    }

    fn host(&mut self, done: &Done) {
        if self.hides(done.outcome) {
            return;
        }
        let fine = matches!(done.outcome, Outcome::Ok | Outcome::Changed);
        if fine && (done.looped || self.is_include(done.task)) {
            return;
        }
        if !(done.looped && is_failure(done.outcome)) || unreachable(done) {
            self.before(done);
        }
        let host = host_label(done);
        match done.outcome {
            Outcome::Ok | Outcome::Changed => {
                let (word, colour) = word(done.outcome);
                let json = self.verbose(done).map_or(String::new(), |json| format!(" => {json}"));
                self.say(&format!("{word}: [{host}]{json}"), colour);
            }
            Outcome::Skipped => {
                let json = self.verbose(done).map_or(String::new(), |json| format!(" => {json}"));
                self.say(&format!("skipping: [{}]{json}", done.host), Colour::Skip);
            }
            _ if unreachable(done) => {
                let json = self.json(done);
                self.fail(&format!("fatal: [{host}]: UNREACHABLE! => {json}"), Colour::Unreachable);
            }
            // The items have said it.
            _ if done.looped => {}
            _ => {
                let json = self.json(done);
                self.fail(&format!("fatal: [{host}]: FAILED! => {json}"), Colour::Error);
            }
        }
        if done.outcome == Outcome::Ignored {
            self.say("...ignoring", Colour::Skip);
        }
    }

    /// The banner of a task whose results follow those of another one.
    fn head(&mut self, id: u64) {
        if self.banner != Some(id)
            && let Some(task) = self.tasks.get(&id).cloned()
        {
            self.task(&task);
        }
    }

    /// What stands before a result: its task's banner, its error, its diffs.
    fn before(&mut self, done: &Done) {
        self.head(done.task);
        let changed =
            done.result.get("changed").and_then(Value::as_bool).unwrap_or(done.outcome == Outcome::Changed);
        let color = self.options.color;
        if changed {
            for diff in &done.diff {
                let text = unified(diff, color);
                if !text.is_empty() {
                    self.put(&format!("{text}\n"));
                }
            }
        }
        if is_failure(done.outcome) {
            self.error(done);
        }
    }

    /// Why it failed, with what of the playbook that is; once for all hosts that fail alike.
    fn error(&mut self, done: &Done) {
        let Some(text) = error_text(done) else { return };
        if self.said.insert(text.clone()) {
            self.fail(&text, Colour::Error);
        }
        let path = self.options.display.task_path_on_failure && self.options.verbosity < 2;
        if let Some(task) = self.tasks.get(&done.task).filter(|_| path) {
            let place = format!("task path: {}\n", task.place);
            self.put(&place);
        }
    }

    /// A failure, on the stream that failures go to.
    fn fail(&mut self, text: &str, colour: Colour) {
        match self.options.display.failed_stderr {
            true => self.put_error(text, colour),
            false => self.say(text, colour),
        }
    }

    /// What banners say of a dry run.
    fn marker(&self, check: bool) -> &'static str {
        if check && self.options.display.check_mode_markers { " [CHECK MODE]" } else { "" }
    }

    fn task(&mut self, task: &TaskInfo) {
        let head = if task.kind == TaskKind::Handler { "RUNNING HANDLER" } else { "TASK" };
        self.banner(&format!("{head} [{}]{}", task.name.trim(), self.marker(task.check)));
        self.banner = Some(task.id);
        if self.options.verbosity >= 2 && !task.place.is_empty() {
            self.put(&format!("task path: {}\n", task.place));
        }
    }

    fn banner(&mut self, text: &str) {
        let columns = self.options.columns.unwrap_or(80).max(80);
        let stars = columns.saturating_sub(width(text) + 1).max(3);
        self.put(&format!("\n{text} {}\n", "*".repeat(stars)));
    }

    fn recap(&mut self, stats: &[HostStats]) {
        self.banner("PLAY RECAP");
        let mut stats: Vec<&HostStats> =
            stats.iter().filter(|s| counts(s).iter().any(|(_, n, _)| *n > 0)).collect();
        stats.sort_by(|a, b| a.host.cmp(&b.host));
        for stat in stats {
            let colour = if stat.failed > 0 || stat.unreachable > 0 {
                Colour::Error
            } else if stat.changed > 0 {
                Colour::Changed
            } else {
                Colour::Ok
            };
            let pad = " ".repeat(26usize.saturating_sub(stat.host.chars().count()));
            let cells: Vec<String> = counts(stat)
                .iter()
                .map(|(name, count, colour)| {
                    paint(&format!("{name}={count:<4}"), *colour, self.options.color && *count > 0)
                })
                .collect();
            let host = paint(&stat.host, colour, self.options.color);
            self.put(&format!("{host}{pad} : {}\n", cells.join(" ")));
        }
        self.put("\n");
    }

    fn is_include(&self, task: u64) -> bool {
        self.tasks.get(&task).is_some_and(|task| is_include(task))
    }

    /// The result where it is shown though nothing failed: with -v, and always for debug and assert.
    fn verbose(&self, done: &Done) -> Option<String> {
        let always = done.result.get("_ansible_verbose_always").and_then(Value::as_bool) == Some(true);
        // Facts are long: Ansible shows them at no verbosity.
        let facts =
            self.tasks.get(&done.task).is_some_and(|task| matches!(action(task), "setup" | "gather_facts"));
        let asked = self.options.verbosity > 0 && !facts;
        (always && done.outcome != Outcome::Skipped || asked).then(|| self.json(done))
    }

    fn json(&self, done: &Done) -> String {
        let action = self.tasks.get(&done.task).map_or("", |task| action(task));
        let always = done.result.get("_ansible_verbose_always").and_then(Value::as_bool) == Some(true);
        // An assertion that does not hold, not one that could not be evaluated.
        let asserted = action == "assert" && done.result.contains_key("evaluated_to");
        let hidden = done.result.contains_key("censored");
        let indent = ((always || asserted) && !hidden).then_some(4);
        dumps(&Value::Object(shown(&done.result, action, unreachable(done))), indent)
    }

    fn say(&mut self, text: &str, colour: Colour) {
        let line = paint(text, colour, self.options.color);
        self.put(&(line + "\n"));
    }

    /// Nobody reads on after an error: a closed pipe ends the report, not the run.
    fn put(&mut self, text: &str) {
        if self.out.as_mut().is_some_and(|out| out.write_all(text.as_bytes()).is_err()) {
            self.out = None;
        }
    }

    fn put_error(&mut self, text: &str, colour: Colour) {
        let line = paint(text, colour, self.options.color) + "\n";
        if self
            .err
            .as_mut()
            .is_some_and(|err| err.write_all(line.as_bytes()).and_then(|()| err.flush()).is_err())
        {
            self.err = None;
        }
    }
}

impl Reporter for Ansible {
    fn event(&mut self, event: &Event) {
        match event {
            Event::RunStart { playbooks, check, .. } => {
                self.check = *check;
                if !self.marker(*check).is_empty() {
                    self.banner("DRY RUN");
                }
                let named = if self.options.verbosity >= 2 { playbooks.as_slice() } else { &[] };
                for playbook in named {
                    let name = playbook.rsplit('/').next().unwrap_or(playbook);
                    self.banner(&format!("PLAYBOOK: {name}"));
                }
            }
            Event::PlayStart { name, .. } => {
                self.banner = None;
                let marker = self.marker(self.check);
                match name.trim() {
                    "" => self.banner(&format!("PLAY{marker}")),
                    name => self.banner(&format!("PLAY [{name}]{marker}")),
                }
            }
            Event::NoHosts { .. } => self.say("skipping: no hosts matched", Colour::Skip),
            Event::TaskStart { task, .. } => {
                self.tasks.insert(task.id, task.clone());
                // `meta` is headed for each host.
                // Where results are left out, a banner waits for one that is not.
                let all = self.options.display.skipped_hosts && self.options.display.ok_hosts;
                let headed = task.kind != TaskKind::Silent || is_include(task);
                if all && !task.free && headed && action(task) != "meta" {
                    self.task(task);
                }
            }
            Event::HostStart { task, host } => {
                let Some(task) = self.tasks.get(task).cloned() else { return };
                if action(&task) == "meta" {
                    self.task(&task);
                } else if self.options.display.per_host_start && task.kind != TaskKind::Silent {
                    let head = if task.kind == TaskKind::Handler { "RUNNING HANDLER" } else { "TASK" };
                    self.put(&format!(" [started {head}: {} on {host}]\n", task.name.trim()));
                }
            }
            Event::Say { text } => self.put(&format!("{text}\n")),
            Event::Retry { task, host, attempts_left, .. } => {
                let name = self.tasks.get(task).map(|task| task.name.trim().to_owned()).unwrap_or_default();
                self.say(
                    &format!("FAILED - RETRYING: [{host}]: {name} ({attempts_left} retries left)."),
                    Colour::Retry,
                );
            }
            Event::Async { host, jid, state, .. } => match state {
                AsyncState::Running => self.say(
                    &format!("ASYNC POLL on {host}: jid={jid} started=True finished=False"),
                    Colour::Retry,
                ),
                AsyncState::Ok => self.say(&format!("ASYNC OK on {host}: jid={jid}"), Colour::Retry),
                AsyncState::Failed => self.say(&format!("ASYNC FAILED on {host}: jid={jid}"), Colour::Retry),
            },
            Event::Item(done) => self.item(done),
            Event::Host(done) => self.host(done),
            Event::Included { task, file, hosts, item } => {
                self.head(*task);
                let label = item.as_ref().map_or(String::new(), |item| format!(" => (item={item})"));
                self.say(&format!("included: {file} for {}{label}", hosts.join(", ")), Colour::Skip);
            }
            Event::NoMoreHosts => self.banner("NO MORE HOSTS LEFT"),
            Event::Warning { text, place } => {
                let place = place.as_ref().map_or(String::new(), |place| format!("\nOrigin: {place}\n"));
                let text = format!("[WARNING]: {text}{place}");
                if self.said.insert(text.clone()) {
                    self.put_error(&text, Colour::Warning);
                }
            }
            // Ansible gives up without a word on how far it came.
            Event::RunEnd { aborted: Some(_), .. } => {}
            Event::RunEnd { stats, interrupted, .. } => {
                self.recap(stats);
                if !self.marker(self.check).is_empty() {
                    self.banner("DRY RUN");
                }
                if *interrupted {
                    self.put_error("[ERROR]: User interrupted execution", Colour::Error);
                }
            }
            // Ansible says nothing of these; output comes with the result.
            Event::Output { .. } => {}
        }
        if self.out.as_mut().is_some_and(|out| out.flush().is_err()) {
            self.out = None;
        }
    }
}

/// What a failure's error says: its causes in one line.
pub(crate) fn failure(done: &Done) -> String {
    let (last, outer) = match done.causes.as_slice() {
        [] => return "Task failed.".to_owned(),
        [outer @ .., last] => (last, outer),
    };
    let outer = outer.iter().map(|cause| cause.message.trim_end_matches('.'));
    outer.chain([last.message.as_str()]).collect::<Vec<_>>().join(": ")
}

/// A failure's causes with their places; None when none is known.
pub(crate) fn error_text(done: &Done) -> Option<String> {
    let blocks: Vec<String> = done.causes.iter().map(block).collect();
    match blocks.as_slice() {
        [] => None,
        [one] => Some(format!("[ERROR]: {one}")),
        _ => Some(format!("[ERROR]: {}\n\n{}", failure(done), blocks.join("\n<<< caused by >>>\n\n"))),
    }
}

/// A cause, its place and the lines there, each line ended.
fn block(cause: &Cause) -> String {
    let mut text = format!("{}\nOrigin: {}\n", cause.message, cause.place);
    for part in [Some(cause.excerpt.as_str()), cause.help.as_deref()].into_iter().flatten() {
        if !part.is_empty() {
            text.push_str(&format!("\n{}\n", part.trim_end_matches('\n')));
        }
    }
    text
}

/// The action's short name.
pub(crate) fn action(task: &TaskInfo) -> &str {
    task.action.rsplit('.').next().unwrap_or(&task.action)
}

/// Includes print what they brought in, not that they are done.
fn is_include(task: &TaskInfo) -> bool {
    matches!(action(task), "include_tasks" | "include_role")
}

pub(crate) fn is_failure(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Failed | Outcome::Ignored | Outcome::Unreachable)
}

/// Also with ignore_unreachable.
pub(crate) fn unreachable(done: &Done) -> bool {
    done.outcome == Outcome::Unreachable
        || done.outcome == Outcome::Ignored
            && done.result.get("unreachable").and_then(Value::as_bool) == Some(true)
}

fn word(outcome: Outcome) -> (&'static str, Colour) {
    match outcome {
        Outcome::Changed => ("changed", Colour::Changed),
        _ => ("ok", Colour::Ok),
    }
}

fn host_label(done: &Done) -> String {
    match &done.delegated_to {
        Some(other) if **other != *done.host => match &done.delegated_address {
            Some(address) => format!("{} -> {other}({address})", done.host),
            None => format!("{} -> {other}", done.host),
        },
        _ => done.host.to_string(),
    }
}

/// The keys of a result that Ansible shows.
pub(crate) fn shown(result: &Map<String, Value>, action: &str, whole: bool) -> Map<String, Value> {
    let hidden = |key: &str| {
        key.starts_with("_ansible_")
            || matches!(
                key,
                "invocation" | "diff" | "exception" | "failed" | "skipped" | "warnings" | "deprecations"
            )
            || key == "results" && !whole
            || action == "debug" && matches!(key, "changed" | "ansible_loop_var" | "skip_reason")
    };
    let said = action == "debug" && result.contains_key("msg");
    result
        .iter()
        .filter(|(key, _)| !hidden(key) && (!said || *key == "msg"))
        .map(|(key, value)| {
            (key.clone(), if key == "results" { without_private(value) } else { value.clone() })
        })
        .collect()
}

/// The results of a loop's items.
fn without_private(results: &Value) -> Value {
    let item = |item: &Value| match item {
        Value::Object(map) => {
            let private = |key: &str| key.starts_with("_ansible_") || key == "invocation";
            let kept = map.iter().filter(|(key, _)| !private(key));
            Value::Object(kept.map(|(key, value)| (key.clone(), value.clone())).collect())
        }
        other => other.clone(),
    };
    results.as_array().map_or_else(|| results.clone(), |items| items.iter().map(item).collect())
}

fn counts(stat: &HostStats) -> [(&'static str, u64, Colour); 7] {
    [
        ("ok", stat.ok, Colour::Ok),
        ("changed", stat.changed, Colour::Changed),
        ("unreachable", stat.unreachable, Colour::Unreachable),
        ("failed", stat.failed, Colour::Error),
        ("skipped", stat.skipped, Colour::Skip),
        ("rescued", stat.rescued, Colour::Ok),
        ("ignored", stat.ignored, Colour::Warning),
    ]
}
