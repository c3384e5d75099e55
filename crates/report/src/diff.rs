//! Diffs in Ansible's form.

use crate::text::{Colour, dumps, paint, python_str};
use provision_engine::event::Diff;
use serde_json::{Map, Value};
use similar::TextDiff;

/// A unified diff under `--- before` and `+++ after`, each line ended; empty when nothing differs.
pub fn unified(diff: &Diff, color: bool) -> String {
    let state = states(diff);
    let (before, after) = state.as_ref().map_or((&*diff.before, &*diff.after), |(b, a)| (b, a));
    // Ansible names the path of contents; a state has it inside.
    let header = |side: &str, of: &str| match of.is_empty() || state.is_some() {
        true => format!("{side}\n"),
        false => format!("{side}: {of}\n"),
    };
    let text = TextDiff::from_lines(before, after);
    let mut changes = text.unified_diff();
    let hunks: Vec<_> = changes.context_radius(3).iter_hunks().collect();
    if hunks.is_empty() {
        return String::new();
    }
    let mut out = paint(&header("--- before", &diff.before_header), Colour::Error, color);
    out += &paint(&header("+++ after", &diff.after_header), Colour::Ok, color);
    for hunk in hunks {
        out += &paint(&format!("{}\n", hunk.header()), Colour::Skip, color);
        for change in hunk.iter_changes() {
            let mut line = format!("{}{}", change.tag(), change.value());
            if change.missing_newline() {
                line += "\n\\ No newline at end of file\n";
            }
            out += &match change.tag() {
                similar::ChangeTag::Equal => line,
                similar::ChangeTag::Delete => paint(&line, Colour::Error, color),
                similar::ChangeTag::Insert => paint(&line, Colour::Ok, color),
            };
        }
    }
    out
}

/// A change of a path's attributes in one line: `/etc/x: mode 0600 → 0644`. None for contents.
pub fn attributes(diff: &Diff) -> Option<String> {
    let (before, after) = states(diff)?;
    let tables =
        [before, after].map(|text| serde_json::from_str::<Map<String, Value>>(&text).unwrap_or_default());
    let [before, after] = &tables;
    let show = |value: Option<&Value>| match value {
        // What was in a removed directory.
        Some(Value::Object(lists)) => {
            let count = |name: &str| lists.get(name).and_then(Value::as_array).map_or(0, Vec::len);
            format!("{} directories and {} files", count("directories"), count("files"))
        }
        Some(value) => python_str(value),
        None => "nothing".to_owned(),
    };
    let mut keys: Vec<&String> = before.keys().chain(after.keys()).collect();
    keys.sort();
    keys.dedup();
    let changes: Vec<String> = keys
        .into_iter()
        .filter(|key| before.get(*key) != after.get(*key))
        .map(|key| format!("{} {} → {}", key.replace('_', " "), show(before.get(key)), show(after.get(key))))
        .collect();
    (!changes.is_empty()).then(|| format!("{}: {}", show(after.get("path")), changes.join(", ")))
}

/// A path's attributes, not its content: tables with the path itself in them. As Ansible indents them.
fn states(diff: &Diff) -> Option<(String, String)> {
    let table = |text: &str| {
        let value: Value = serde_json::from_str(text).ok()?;
        let path = value.get("path")?.as_str()?;
        let headers = [&diff.before_header, &diff.after_header];
        headers.iter().all(|h| h.is_empty() || *h == path).then(|| dumps(&value, Some(4)) + "\n")
    };
    Some((table(&diff.before)?, table(&diff.after)?))
}
