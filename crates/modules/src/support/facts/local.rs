//! Facts that the machine's owner provides: the files of facts.d.

use super::{Facts, Probe};
use crate::support::glob;
use provision_system::Command;
use provision_system::text::{bytes_to_text, to_text};
use serde_json::{Map, Value};
use std::path::Path;

/// Every `*.fact` in `dir`, by its name: JSON, else sections of `key = value`. An executable one is run, and what it
/// prints is read. What cannot be read is told in the fact's place, as Ansible does.
pub fn local(probe: &Probe<'_>, dir: &Path) -> Facts {
    let mut facts = Facts::new();
    for name in probe.sys.read_dir(dir).unwrap_or_default() {
        let text = to_text(&name);
        let Some(fact) = text.strip_suffix(".fact").filter(|_| glob::matches("*.fact", &text)) else {
            continue;
        };
        if fact.is_empty() {
            continue;
        }
        facts.insert(fact.to_owned(), read(probe, &dir.join(&name)));
    }
    facts
}

fn read(probe: &Probe<'_>, path: &Path) -> Value {
    let shown = to_text(path.as_os_str());
    let executable = probe.sys.stat(path, true).ok().flatten().is_some_and(|meta| meta.mode & 0o100 != 0);
    let text = if executable {
        let mut command = Command::new([path]);
        command.timeout = Some(probe.timeout);
        match probe.sys.query(&command) {
            Ok(output) if output.ok() => output.out(),
            Ok(output) => {
                return format!(
                    "Failure executing fact script ({shown}), rc: {}, err: {}",
                    output.rc,
                    output.err()
                )
                .into();
            }
            Err(error) => return format!("Could not execute fact script ({shown}): {error}").into(),
        }
    } else {
        match probe.sys.read(path) {
            Ok(data) => bytes_to_text(&data),
            Err(error) => return format!("Could not read fact file ({shown}): {error}").into(),
        }
    };
    serde_json::from_str(&text).ok().or_else(|| sections(&text)).unwrap_or_else(|| {
        format!("error loading facts as JSON or ini - please check content: {shown}").into()
    })
}

/// Python's ini files: keys are lower case, `=` or `:` between key and value, a line that begins with a blank
/// continues the one before, `[DEFAULT]` is for all.
fn sections(text: &str) -> Option<Value> {
    let mut found: Map<String, Value> = Map::new();
    let mut defaults: Map<String, Value> = Map::new();
    let mut section: Option<String> = None;
    let mut key: Option<String> = None;
    for line in text.lines() {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            continue;
        }
        let name = section.clone();
        let values = match name.as_deref() {
            Some("DEFAULT") => Some(&mut defaults),
            Some(name) => found.get_mut(name).and_then(Value::as_object_mut),
            None => None,
        };
        if line.starts_with([' ', '\t'])
            && let (Some(values), Some(key)) = (values, &key)
        {
            if let Some(Value::String(value)) = values.get_mut(key) {
                value.push('\n');
                value.push_str(trimmed);
            }
            continue;
        }
        if let Some(name) = trimmed.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            if name != "DEFAULT" {
                found.entry(name).or_insert_with(|| Map::new().into());
            }
            section = Some(name.to_owned());
            key = None;
            continue;
        }
        let (name, value) = trimmed.split_once(['=', ':'])?;
        let name = name.trim().to_lowercase();
        let values = match section.as_deref()? {
            "DEFAULT" => &mut defaults,
            section => found.get_mut(section)?.as_object_mut()?,
        };
        values.insert(name.clone(), value.trim().into());
        key = Some(name);
    }
    for values in found.values_mut().filter_map(Value::as_object_mut) {
        for (name, value) in &defaults {
            values.entry(name.clone()).or_insert_with(|| value.clone());
        }
    }
    Some(found.into())
}

#[cfg(test)]
mod tests {
    use super::sections;
    use serde_json::json;

    #[test]
    fn ini_is_read_as_python_reads_it() {
        let text = "[DEFAULT]\nd=1\n; c\n[a]\nKey = x = y\nlong: one\n  two\n[b]\nd = 2\n";
        assert_eq!(
            sections(text).unwrap(),
            json!({"a": {"key": "x = y", "long": "one\ntwo", "d": "1"}, "b": {"d": "2"}})
        );
        assert_eq!(sections("no section = 1"), None);
        assert_eq!(sections("[a]\nnothing"), None);
    }
}
