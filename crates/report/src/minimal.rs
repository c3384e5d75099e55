//! The lines of Ansible's `minimal` and `oneline` callbacks: what `ansible` prints.

use crate::ansible::{Options, action, error_text, failure, is_failure, shown, unreachable};
use crate::diff::unified;
use crate::text::{Colour, dumps, paint};
use provision_engine::event::{Done, Event, Outcome, Reporter, TaskInfo};
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::sync::Arc;

/// Modules whose output is text, not a result.
const TEXT: &[&str] = &["command", "shell", "raw", "script"];

/// Ansible's callbacks `minimal` and `oneline`.
pub struct Minimal {
    out: Option<Box<dyn Write + Send>>,
    err: Box<dyn Write + Send>,
    options: Options,
    one_line: bool,
    /// Stands for the task's place in errors.
    origin: Option<String>,
    tasks: HashMap<u64, Arc<TaskInfo>>,
    /// Errors and warnings are said once.
    said: HashSet<String>,
}

impl Minimal {
    pub fn new(out: Box<dyn Write + Send>, err: Box<dyn Write + Send>, options: Options) -> Self {
        Self {
            out: Some(out),
            err,
            options,
            one_line: false,
            origin: None,
            tasks: HashMap::new(),
            said: HashSet::new(),
        }
    }

    /// One line for each host: the callback `oneline`.
    pub fn one_line(mut self) -> Self {
        self.one_line = true;
        self
    }

    /// What errors say in place of the task's place, for a task that is in no file.
    pub fn with_origin(mut self, origin: String) -> Self {
        self.origin = Some(origin);
        self
    }

    fn host(&mut self, done: &Done) {
        let (word, colour) = match done.outcome {
            Outcome::Skipped => return self.say(&format!("{} | SKIPPED", done.host), Colour::Skip),
            _ if unreachable(done) => ("UNREACHABLE!", Colour::Unreachable),
            Outcome::Failed | Outcome::Ignored | Outcome::Unreachable => ("FAILED", Colour::Error),
            Outcome::Changed => ("CHANGED", Colour::Changed),
            Outcome::Ok => ("SUCCESS", Colour::Ok),
        };
        let task = self.tasks.get(&done.task).cloned();
        let action = task.as_deref().map_or("", action);
        let is_text = TEXT.contains(&action)
            && !unreachable(done)
            && ["module_stderr", "ansible_job_id"].iter().all(|key| !done.result.contains_key(*key));
        let value = Value::Object(shown(&done.result, action, unreachable(done)));
        if self.one_line {
            return self.in_one_line(done, word, colour, is_text.then_some(()), &value);
        }
        if !is_failure(done.outcome) {
            for diff in &done.diff {
                let text = unified(diff, self.options.color);
                if !text.is_empty() {
                    self.put(&format!("{text}\n"));
                }
            }
        } else {
            let text = match &self.origin {
                Some(origin) => Some(format!("[ERROR]: {}\nOrigin: {origin}\n", failure(done))),
                None => error_text(done),
            };
            if let Some(text) = text.filter(|text| self.said.insert(text.clone())) {
                self.say(&text, Colour::Error);
            }
        }
        if is_text {
            let text = |key: &str| done.result.get(key).and_then(Value::as_str).unwrap_or_default();
            let body = format!("{}{}{}", text("stdout"), text("stderr"), text("msg"));
            return self.say(&format!("{} | {word} | rc={} >>\n{body}", done.host, rc(done)), colour);
        }
        let mark = if word == "FAILED" { "!" } else { "" };
        self.say(&format!("{} | {word}{mark} => {}", done.host, dumps(&value, Some(4))), colour);
    }

    fn in_one_line(&mut self, done: &Done, word: &str, colour: Colour, is_text: Option<()>, value: &Value) {
        let host = &done.host;
        if unreachable(done) {
            let why = done.result.get("msg").and_then(Value::as_str).unwrap_or_default();
            return self.say(&format!("{host} | UNREACHABLE!: {why}"), colour);
        }
        let failed = word == "FAILED";
        if is_text.is_some() {
            let text = |key: &str| {
                let text = done.result.get(key).and_then(Value::as_str).unwrap_or_default();
                text.replace('\n', "\\n").replace('\r', "\\r")
            };
            let stderr = match text("stderr") {
                text if text.is_empty() => text,
                text => format!(" (stderr) {text}"),
            };
            let line = format!("{host} | {word} | rc={} | (stdout) {}{stderr}", rc(done), text("stdout"));
            self.say(&line, colour);
            // Ansible prints a failed command twice.
            if !failed {
                return;
            }
        } else if failed {
            self.say(
                "An exception occurred during task execution. To see the full traceback, use -vvv. The error \
                 was: (traceback unavailable)",
                colour,
            );
        }
        let mark = if failed { "!" } else { "" };
        let mut json = String::new();
        dense(&mut json, value);
        self.say(&format!("{host} | {word}{mark} => {json}"), colour);
    }

    fn say(&mut self, text: &str, colour: Colour) {
        let line = paint(text, colour, self.options.color);
        self.put(&(line + "\n"));
    }

    /// Nobody reads on after an error: a closed pipe ends the report, not the run.
    fn put(&mut self, text: &str) {
        if self
            .out
            .as_mut()
            .is_some_and(|out| out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_err())
        {
            self.out = None;
        }
    }
}

impl Reporter for Minimal {
    fn event(&mut self, event: &Event) {
        match event {
            Event::TaskStart { task, .. } => {
                self.tasks.insert(task.id, task.clone());
            }
            Event::Host(done) => self.host(done),
            Event::Warning { text, .. } => {
                let text = format!("[WARNING]: {text}");
                if self.said.insert(text.clone()) {
                    let line = paint(&text, Colour::Warning, self.options.color) + "\n";
                    // Nobody is left to be told of an error in telling.
                    let _ = self.err.write_all(line.as_bytes()).and_then(|()| self.err.flush());
                }
            }
            _ => {}
        }
    }
}

/// Each host's result in a file of its own: Ansible's callback `tree`.
pub struct Tree {
    dir: std::path::PathBuf,
}

impl Tree {
    /// # Errors
    /// The directory cannot be made.
    pub fn new(dir: std::path::PathBuf) -> std::io::Result<Self> {
        std::fs::create_dir_all(&dir)?;
        Ok(Self { dir })
    }
}

impl Reporter for Tree {
    fn event(&mut self, event: &Event) {
        let Event::Host(done) = event else { return };
        let value = Value::Object(shown(&done.result, "", true));
        // As in Ansible, what cannot be written does not end the run.
        let _ = std::fs::write(self.dir.join(done.host.replace('/', "_")), dumps(&value, None));
    }
}

fn rc(done: &Done) -> i64 {
    done.result.get("rc").and_then(Value::as_i64).unwrap_or(-1)
}

/// JSON as `oneline` has it: no blank after a comma.
fn dense(out: &mut String, value: &Value) {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| key.as_str());
            out.push('{');
            for (index, (key, value)) in entries.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                out.push_str(&dumps(&Value::String(key.clone()), None));
                out.push_str(": ");
                dense(out, value);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                dense(out, item);
            }
            out.push(']');
        }
        other => out.push_str(&dumps(other, None)),
    }
}
