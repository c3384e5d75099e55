//! The language, case by case: what `provision` prints on local hosts beside what ansible-core printed.
//!
//! `tests/language/CASE/` holds a playbook and what belongs to it; `expected` is ansible-core's own output, recorded by
//! `tests/language/record.sh`. A case with `refused` instead is one that is found wrong before the run; that file is what
//! is said about it (`LANGUAGE_BLESS=1` writes it anew).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

#[test]
fn every_case_prints_what_ansible_prints() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/language");
    let only = std::env::var("LANGUAGE_CASE").ok();
    let mut cases: Vec<PathBuf> = std::fs::read_dir(&corpus)
        .expect("the corpus")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.join("play.yaml").is_file())
        .filter(|path| only.as_ref().is_none_or(|only| path.ends_with(only)))
        .collect();
    cases.sort();
    assert!(!cases.is_empty(), "no case in {}", corpus.display());
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(text) = run(&corpus, case) {
                        failures.lock().expect("no panic").insert(case.clone(), text);
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().expect("no panic");
    let texts: Vec<String> =
        failures.iter().map(|(case, text)| format!("=== {}\n{text}", case.display())).collect();
    assert!(texts.is_empty(), "{} of {} cases differ\n{}", texts.len(), cases.len(), texts.join("\n"));
}

/// Runs one case; the differences if there are any.
fn run(corpus: &Path, case: &Path) -> Result<(), String> {
    let name = case.file_name().expect("a name").to_string_lossy().into_owned();
    // Whatever an earlier run left.
    let _ = std::fs::remove_dir_all(Path::new("/tmp/provision-language").join(&name));
    std::fs::create_dir_all("/tmp/provision-language").map_err(|e| e.to_string())?;
    let own = case.join("hosts");
    let inventory = if own.exists() { own } else { corpus.join("hosts") };
    let args = std::fs::read_to_string(case.join("args")).unwrap_or_default();
    let refused = case.join("refused");
    let mut command = Command::new(env!("CARGO_BIN_EXE_provision"));
    if refused.exists() {
        // Where roles are looked for is part of what is said.
        command.env("HOME", "/home/nobody");
    }
    let output = command
        .arg("-i")
        .arg(inventory)
        .arg("play.yaml")
        .args(args.lines())
        .args(["--output", "ansible", "--color", "never"])
        .current_dir(case)
        .stdin(Stdio::null())
        .output()
        .map_err(|e| e.to_string())?;
    let here = case.to_string_lossy();
    let stdout = String::from_utf8_lossy(&output.stdout).replace(&*here, "CASE");
    let stderr = String::from_utf8_lossy(&output.stderr).replace(&*here, "CASE");
    let code = output.status.code().unwrap_or(-1);
    if refused.exists() {
        let actual = format!("{stderr}{stdout}exit: {code}\n");
        if std::env::var_os("LANGUAGE_BLESS").is_some() {
            return std::fs::write(&refused, actual).map_err(|e| e.to_string());
        }
        let expected = std::fs::read_to_string(&refused).map_err(|e| e.to_string())?;
        return compare(&expected, &actual, "");
    }
    let expected = std::fs::read_to_string(case.join("expected")).map_err(|e| format!("`expected`: {e}"))?;
    // A run that is given up is 1 in Ansible, and 4 here.
    let expected = expected.replace("exit: 4\n", "exit: 2\n").replace("exit: 1\n", "exit: 4\n");
    // Ansible's 4 is any unreachable host; here 3 is unreachable hosts alone.
    let code = if code == 3 { 2 } else { code };
    let printed = format!("{stdout}exit: {code}\n");
    // Where hosts do not wait for each other, what each of them did is compared, not when.
    let form = if case.join("free").exists() { by_host } else { normal };
    // Where jobs are waited for, how often they were asked after is a matter of time.
    let untimed = |text: String| match case.join("untimed").exists() {
        true => {
            text.lines().filter(|l| !l.starts_with("FAILED - RETRYING")).map(|l| format!("{l}\n")).collect()
        }
        false => text,
    };
    compare(&untimed(form(&expected)), &untimed(form(&printed)), &stderr)
}

/// Each host's answers with their tasks' headings, host by host.
fn by_host(text: &str) -> String {
    let mut hosts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let (mut task, mut rest) = (String::new(), Vec::new());
    for line in normal(text).lines() {
        let host = line.split_once(": [").and_then(|(_, rest)| rest.split([']', ' ']).next());
        let host =
            host.or_else(|| line.strip_prefix("included: ")?.rsplit_once(" for ")?.1.split(' ').next());
        match host.filter(|_| !line.starts_with("PLAY") && !line.starts_with("TASK")) {
            Some(host) => hosts.entry(host.to_owned()).or_default().extend([task.clone(), line.to_owned()]),
            None if line.starts_with("TASK [") || line.starts_with("RUNNING HANDLER [") => {
                task = line.to_owned()
            }
            None => rest.push(line.to_owned()),
        }
    }
    // Messages of several lines belong to answers that are told apart already.
    rest.retain(|line| !line.starts_with([' ', '}']));
    hosts.into_values().flatten().chain(rest).map(|line| line + "\n").collect()
}

fn compare(expected: &str, actual: &str, stderr: &str) -> Result<(), String> {
    if expected == actual {
        return Ok(());
    }
    let diff = similar_lines(expected, actual);
    Err(format!("--- expected\n+++ printed\n{diff}--- stderr\n{stderr}"))
}

/// Lines of a longest common subsequence, with what is only in one of them marked.
fn similar_lines(expected: &str, actual: &str) -> String {
    let (a, b): (Vec<&str>, Vec<&str>) = (expected.lines().collect(), actual.lines().collect());
    let mut table = vec![vec![0usize; b.len() + 1]; a.len() + 1];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            table[i][j] =
                if a[i] == b[j] { table[i + 1][j + 1] + 1 } else { table[i + 1][j].max(table[i][j + 1]) };
        }
    }
    let (mut i, mut j, mut text) = (0, 0, String::new());
    let mut task = "";
    while i < a.len() || j < b.len() {
        if i < a.len() && j < b.len() && a[i] == b[j] {
            if a[i].starts_with("TASK") || a[i].starts_with("PLAY") || a[i].starts_with("RUNNING") {
                task = a[i];
            }
            (i, j) = (i + 1, j + 1);
            continue;
        }
        if !task.is_empty() {
            text.push_str(&format!("  {task}\n"));
            task = "";
        }
        if j >= b.len() || (i < a.len() && table[i + 1][j] >= table[i][j + 1]) {
            text.push_str(&format!("- {}\n", a[i]));
            i += 1;
        } else {
            text.push_str(&format!("+ {}\n", b[j]));
            j += 1;
        }
    }
    text
}

/// What may differ is taken out: stars, blank lines, the wording of failures, the order in which hosts answer.
fn normal(text: &str) -> String {
    let mut lines = Vec::new();
    // The answers of the hosts to one task: (host, its lines).
    let mut answers: Vec<(String, Vec<String>)> = Vec::new();
    // Inside of an error's explanation, which ends where the next answer begins.
    let mut explaining = false;
    // Inside of a failure's result in several lines.
    let mut in_failure = false;
    for line in text.lines() {
        let line = line.trim_end().trim_end_matches('*').trim_end();
        explaining |= line.starts_with("[ERROR]");
        // Whether a job was asked after once more is a matter of time.
        if line.is_empty()
            || line.starts_with("ASYNC POLL")
            || line.starts_with("[WARNING]")
            || line.starts_with("[DEPRECATION")
            || line.starts_with("Pausing for")
        {
            continue;
        }
        let words = line.split_once(": ");
        let answer = words.filter(|(word, rest)| {
            let known = ["ok", "changed", "skipping", "fatal", "failed", "FAILED - RETRYING"];
            known.contains(word) && rest.starts_with('[')
        });
        let begins = ["TASK [", "PLAY ", "RUNNING HANDLER [", "included: ", "exit: ", "NO MORE HOSTS"];
        let begins = begins.iter().any(|b| line.starts_with(b));
        explaining &= answer.is_none() && !begins;
        if in_failure {
            in_failure = line != "}";
            continue;
        }
        in_failure = answer.is_some() && is_failure(line) && line.ends_with("=> {");
        // The name of a job is nobody's choice.
        if let Some((what, _)) = line.split_once(": jid=").filter(|_| line.starts_with("ASYNC ")) {
            let host = what.rsplit(' ').next().unwrap_or_default();
            answers.push((host.to_owned(), vec![what.to_owned()]));
            continue;
        }
        match answer {
            _ if explaining => {}
            Some((_, rest)) => {
                let host =
                    rest.trim_start_matches('[').split([']', ' ']).next().unwrap_or_default().to_owned();
                answers.push((host, vec![wording(line)]));
            }
            None => match answers.last_mut() {
                Some(last) if !begins => last.1.push(line.to_owned()),
                _ => {
                    flush(&mut answers, &mut lines);
                    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
                    match line.strip_prefix("included: ").and_then(|rest| rest.split_once(" for ")) {
                        Some((file, hosts)) => lines.push(format!("included: {file} for {}", sorted(hosts))),
                        None => lines.push(line),
                    }
                }
            },
        }
    }
    flush(&mut answers, &mut lines);
    // A heading alone says nothing (Ansible prints one or more for `meta`).
    let heading = |line: Option<&String>| {
        line.is_some_and(|l| l.starts_with("TASK [") || l.starts_with("RUNNING HANDLER ["))
    };
    let alone = |at: usize| {
        heading(lines.get(at))
            && lines.get(at + 1).is_none_or(|next| {
                next.starts_with("PLAY ") || next.starts_with("NO MORE") || heading(Some(next))
            })
    };
    let mut kept: Vec<&str> = Vec::new();
    let mut last = "";
    for line in (0..lines.len()).filter(|&at| !alone(at)).map(|at| lines[at].as_str()) {
        // Ansible heads each host's `meta` anew, and may say twice that nobody is left.
        if line == last && (line.ends_with("meta]") || line.starts_with("NO MORE")) {
            continue;
        }
        if heading(Some(&line.to_owned())) || line.starts_with("NO MORE") {
            last = line;
        }
        kept.push(line);
    }
    kept.join("\n") + "\n"
}

/// "h2, h1 => (item=x)" with the hosts in order.
fn sorted(hosts: &str) -> String {
    let (names, item) = hosts.split_once(" => ").unwrap_or((hosts, ""));
    let mut names: Vec<&str> = names.split(", ").collect();
    names.sort_unstable();
    format!("{} {item}", names.join(", "))
}

fn flush(answers: &mut Vec<(String, Vec<String>)>, lines: &mut Vec<String>) {
    answers.sort_by(|a, b| a.0.cmp(&b.0));
    lines.extend(answers.drain(..).flat_map(|(_, text)| text));
}

/// Error texts are ours, and so is what else stands in the result of a failure.
fn wording(line: &str) -> String {
    match line.find(" => {").filter(|_| is_failure(line)) {
        Some(at) => line[..at].to_owned(),
        None => line.to_owned(),
    }
}

fn is_failure(line: &str) -> bool {
    line.starts_with("fatal: ") || line.starts_with("failed: ")
}
