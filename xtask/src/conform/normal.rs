//! What must differ between two runs, and what differs on purpose everywhere: taken out before anything is compared.
//! There is no other place that hides a difference but the `differs` lines of a case.

use std::sync::LazyLock;

use fancy_regex::Regex;
use serde_json::{Map, Value};

/// Keys that are not compared in any result, with the reason.
pub const KEYS: &[(&str, &str)] = &[
    ("start", "a time"),
    ("end", "a time"),
    ("delta", "a time"),
    ("stop", "a time"),
    ("atime", "a time"),
    ("mtime", "a time"),
    ("ctime", "a time"),
    ("child_pid", "a process number"),
    ("inode", "a number of the file system's"),
    ("dev", "a number of the file system's"),
    (
        "invocation",
        "the arguments, for whoever debugs a module; not shown by the default callback below -vvv",
    ),
    ("failed", "callbacks are told the status instead; it is compared as such"),
    ("skipped", "as failed"),
    ("exception", "a traceback of Python's"),
    ("diff", "compared as it is printed"),
    ("warnings", "shown as lines of their own"),
    ("deprecations", "shown as lines of their own"),
];

/// Keys of some actions' results that are not compared, with the reason.
pub const KEYS_OF: &[(&str, &str, &str)] = &[
    ("copy", "src", "Ansible's temporary file on the target"),
    ("template", "src", "as copy"),
    ("stat", "stat.version", "a number of the file system's"),
    ("wait_for_connection", "elapsed", "a time"),
    ("wait_for", "elapsed", "a time"),
    ("get_url", "src", "Ansible's temporary file on the target"),
    ("uri", "date", "a time"),
    ("uri", "etag", "made of a time"),
    ("uri", "last_modified", "a time"),
    ("service", "status", "times, process numbers and sets without order, as systemd shows them"),
    ("systemd", "status", "as service"),
    ("systemd_service", "status", "as service"),
    ("apt", "cache_update_time", "a time"),
    ("apt", "stdout", "how fast packages came"),
    ("apt", "stdout_lines", "how fast packages came"),
    ("package", "cache_update_time", "a time"),
    ("package", "stdout", "how fast packages came"),
    ("package", "stdout_lines", "how fast packages came"),
];

/// Lists that have no order, with the key they are sorted by: the action, the list, the key.
pub const SORTED: &[(&str, &str, &str)] = &[("find", "files", "path")];

/// Differences of a dry run's results that are meant, with the reason: a command's result cannot be known, and what
/// else is predicted is told in full.
pub fn dry_run(action: &str, line: &str) -> Option<&'static str> {
    match action {
        "command" | "shell" | "script" | "raw" => Some("a command's result is unknown until applied"),
        _ if line.contains(": nothing / ") => {
            Some("the result of a dry run has what that of a real run would have")
        }
        _ => None,
    }
}

/// Actions whose results are not compared, with the reason.
pub const ACTIONS: &[(&str, &str)] = &[
    ("setup", "facts are of the machine: free memory, times, process numbers; cases compare single facts"),
    ("gather_facts", "as setup"),
    (
        "include_tasks",
        "what is included is compared; of its own results only how many were skipped or failed",
    ),
    ("include_role", "as include_tasks"),
];

/// A result as it is compared.
pub fn result(action: &str, result: &Value) -> Value {
    if ACTIONS.iter().any(|(name, _)| *name == action) {
        return Value::Null;
    }
    let mut result = cleaned(result);
    if let Some(map) = result.as_object_mut() {
        for (_, list, by) in SORTED.iter().filter(|(of, _, _)| *of == action) {
            if let Some(Value::Array(items)) = map.get_mut(*list) {
                items.sort_by_key(|item| item[*by].to_string());
            }
        }
        for (_, path, _) in KEYS_OF.iter().filter(|(of, _, _)| *of == action) {
            remove(map, path);
        }
    }
    result
}

/// Takes `a.b` out of a mapping, and out of those of a loop's items.
fn remove(map: &mut Map<String, Value>, path: &str) {
    match path.split_once('.') {
        None => {
            map.remove(path);
        }
        Some((key, rest)) => {
            if let Some(Value::Object(inner)) = map.get_mut(key) {
                remove(inner, rest);
            }
        }
    }
    for item in map.get_mut("results").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Value::Object(item) = item {
            remove(item, path);
        }
    }
}

fn cleaned(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map.iter().filter(|(key, _)| {
                !key.starts_with("_ansible_") && !KEYS.iter().any(|(name, _)| name == key)
            });
            let kept: Map<String, Value> = kept.map(|(key, value)| (key.clone(), cleaned(value))).collect();
            Value::Object(kept)
        }
        Value::Array(items) => items.iter().map(cleaned).collect(),
        Value::String(text) => Value::String(masked(text)),
        other => other.clone(),
    }
}

/// What is masked in texts: the pattern, what stands for it, why.
pub const MASKS: &[(&str, &str, &str)] = &[
    (r#""(start|end|delta|atime|mtime|ctime)": ("[^"]*"|[0-9.]+)"#, r#""$1": TIME"#, "times"),
    (r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", "DATE", "times"),
    (r#""(inode|dev|version|child_pid)": "?\d+"?"#, r#""$1": NUMBER"#, "numbers of files and processes"),
    (r#""src": "[^"]*\.ansible/tmp/[^"]*", "#, "", "Ansible's temporary file on the target"),
    (r"\bj\d{6,}\.\d+", "JOB", "names of background jobs"),
    (r"ansible-tmp-[-.0-9]+", "ansible-tmp", "names of temporary files"),
    (r"tmp[a-z0-9_]{8}\b", "tmpNAME", "names of temporary files"),
    (r"ansible\.[A-Za-z0-9_]{8}\b", "ansible.NAME", "names of temporary files"),
];

pub fn masked(text: &str) -> String {
    static PATTERNS: LazyLock<Vec<(Option<Regex>, &str)>> =
        LazyLock::new(|| MASKS.iter().map(|(pattern, with, _)| (Regex::new(pattern).ok(), *with)).collect());
    let mut text = text.to_owned();
    for (pattern, with) in PATTERNS.iter() {
        if let Some(pattern) = pattern {
            text = pattern.replace_all(&text, *with).into_owned();
        }
    }
    text
}

/// Standard output as lines, with the answers of the hosts to one task in the hosts' order: hosts that work at the
/// same time answer in any.
pub fn text(stdout: &str) -> Vec<String> {
    let mut lines = Vec::new();
    // (host, lines) of the answers to the task so far; an `[ERROR]` belongs to the answer below it.
    let mut answers: Vec<(String, Vec<String>)> = Vec::new();
    let mut before: Vec<String> = Vec::new();
    // Errors are said once for all hosts that fail alike, before whichever answers first.
    let mut errors: Vec<String> = Vec::new();
    for line in stdout.lines() {
        let line = masked(line);
        if let Some(host) = answering(&line) {
            let mut text = std::mem::take(&mut before);
            if text.first().is_some_and(|first| first.starts_with("[ERROR]")) {
                errors.push(std::mem::take(&mut text).join("\n"));
            }
            text.push(line);
            answers.push((host, text));
        } else if begins_part(&line) {
            flush(&mut errors, &mut answers, &mut lines);
            lines.append(&mut before);
            lines.push(included(&line));
        } else if line.starts_with("[ERROR]") || line.starts_with("--- before") || !before.is_empty() {
            before.push(line);
        } else if let Some((_, last)) = answers.last_mut() {
            last.push(line);
        } else {
            lines.push(line);
        }
    }
    flush(&mut errors, &mut answers, &mut lines);
    lines.append(&mut before);
    lines
}

fn flush(errors: &mut Vec<String>, answers: &mut Vec<(String, Vec<String>)>, lines: &mut Vec<String>) {
    errors.sort();
    lines.extend(errors.drain(..).flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()));
    // The blank line before the next part is the last answer's.
    let blank = answers.last_mut().and_then(|(_, text)| text.pop_if(|line| line.is_empty()));
    answers.sort_by(|a, b| a.0.cmp(&b.0));
    lines.extend(answers.drain(..).flat_map(|(_, text)| text));
    lines.extend(blank);
}

fn begins_part(line: &str) -> bool {
    ["PLAY [", "PLAY ", "TASK [", "RUNNING HANDLER [", "included: ", "NO MORE HOSTS"]
        .iter()
        .any(|start| line.starts_with(start))
}

/// `ok: [h1 -> h2] => …`: the host that answers.
fn answering(line: &str) -> Option<String> {
    let (word, rest) = line.split_once(": [")?;
    let known = ["ok", "changed", "skipping", "fatal", "failed", "FAILED - RETRYING"];
    known.contains(&word).then(|| rest.split([']', ' ']).next().unwrap_or_default().to_owned())
}

/// The hosts that a file is included for, in order.
fn included(line: &str) -> String {
    let Some((file, hosts)) = line.strip_prefix("included: ").and_then(|rest| rest.split_once(" for "))
    else {
        return line.to_owned();
    };
    let (names, item) = hosts.split_once(" => ").unwrap_or((hosts, ""));
    let mut names: Vec<&str> = names.split(", ").collect();
    names.sort_unstable();
    let item = if item.is_empty() { String::new() } else { format!(" => {item}") };
    format!("included: {file} for {}{item}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_masks_are_patterns() {
        for (pattern, _, _) in MASKS {
            assert!(Regex::new(pattern).is_ok(), "{pattern}");
        }
        assert_eq!(
            masked(r#"{"delta": "0:00:00.1", "end": "x", "rc": 0, "mtime": 1.5}"#),
            r#"{"delta": TIME, "end": TIME, "rc": 0, "mtime": TIME}"#
        );
    }

    #[test]
    fn hosts_answer_in_any_order() {
        let one =
            "TASK [a]\n[ERROR]: woe\nfatal: [h2]: FAILED!\nok: [h1] => {\n    \"x\": 1\n}\n\nTASK [b]\n";
        let other =
            "TASK [a]\nok: [h1] => {\n    \"x\": 1\n}\n[ERROR]: woe\nfatal: [h2]: FAILED!\n\nTASK [b]\n";
        assert_eq!(text(one), text(other));
        assert_ne!(text(one), text(&other.replace("woe", "joy")));
    }
}
