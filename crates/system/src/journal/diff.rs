//! A record as Ansible's `diff` results: texts for contents, small tables for everything else.

use super::net::{Entry, State, net, notes};
use super::{Mutation, Snapshot};
use crate::{FileKind, text};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// One entry of a result's `diff`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Diff {
    pub before: Side,
    pub after: Side,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before_header: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_header: Option<String>,
}

/// What is compared: a file's content, or a state by its fields.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Side {
    Text(String),
    State(BTreeMap<&'static str, Field>),
}

/// A field of a state, typed as in Ansible's results.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Field {
    Text(String),
    Number(u32),
    Seconds(f64),
    Lists(BTreeMap<&'static str, Vec<String>>),
}

/// What the record changed, one or two entries per path: its content, then its state. Commands are not in it.
pub fn diff(mutations: &[Mutation]) -> Vec<Diff> {
    let net = net(mutations);
    let changed: Vec<&Entry<'_>> = net.iter().filter(|entry| entry.differs()).collect();
    let removed: BTreeSet<&Path> =
        changed.iter().filter(|entry| removed_dir(entry)).map(|entry| &*entry.path).collect();
    let inside = |path: &Path| path.ancestors().skip(1).any(|above| removed.contains(above));
    let mut diffs = Vec::new();
    for entry in changed {
        // A removed directory lists what was in it.
        if entry.last.is_none() && inside(&entry.path) {
            continue;
        }
        diffs.extend(content_diff(entry));
        diffs.extend(state_diff(entry, &net));
    }
    for (what, before, after) in notes(mutations).into_iter().filter(|(_, before, after)| before != after) {
        diffs.push(Diff {
            before: Side::Text(line(before)),
            after: Side::Text(line(after)),
            before_header: Some(what.to_owned()),
            after_header: Some(what.to_owned()),
        });
    }
    diffs
}

fn removed_dir(entry: &Entry<'_>) -> bool {
    entry.last.is_none() && entry.first.as_ref().is_some_and(|first| first.kind == FileKind::Dir)
}

fn line(text: &str) -> String {
    if text.is_empty() || text.ends_with('\n') { text.to_owned() } else { format!("{text}\n") }
}

/// Of a file that is there afterwards, when its content is new.
fn content_diff(entry: &Entry<'_>) -> Option<Diff> {
    let after = entry.last.as_ref()?.content.filter(|after| after.kind == FileKind::File)?;
    let first = entry.first.as_ref().and_then(|first| first.content);
    let before = first.filter(|before| before.kind == FileKind::File);
    if before.map_or(after.size == 0, |before| std::ptr::eq(before, after) || before.same_content(after)) {
        return None;
    }
    let secret = after.secret || before.is_some_and(|before| before.secret);
    let plain = |side: &Snapshot| side.content.as_ref().filter(|_| !secret && !side.is_binary()).cloned();
    let (before_text, after_text) = match (before.map(plain), plain(after)) {
        (None, Some(after)) => (String::new(), text::bytes_to_text(&after)),
        (Some(Some(before)), Some(after)) => (text::bytes_to_text(&before), text::bytes_to_text(&after)),
        _ => (
            before.map_or_else(String::new, |side| stand_in(side, secret, "old")),
            stand_in(after, secret, "new"),
        ),
    };
    let path = text::to_text(entry.path.as_os_str());
    Some(Diff {
        before: Side::Text(before_text),
        after: Side::Text(after_text),
        before_header: before.map(|_| path.clone()),
        after_header: Some(path),
    })
}

/// In the place of a content that is not shown.
fn stand_in(side: &Snapshot, secret: bool, which: &str) -> String {
    if secret {
        return format!("({which} content not shown)\n");
    }
    let what = if side.is_binary() { "binary" } else { "large" };
    let sum = side.sha256.as_ref().map_or_else(String::new, |sum| format!(", sha256 {sum}"));
    format!("({what} content: {} bytes{sum})\n", side.size)
}

/// Of everything but a file's content.
fn state_diff(entry: &Entry<'_>, net: &[Entry<'_>]) -> Option<Diff> {
    let path = text::to_text(entry.path.as_os_str());
    let mut before = BTreeMap::from([("path", Field::Text(path.clone()))]);
    let mut after = before.clone();
    match (&entry.first, &entry.last) {
        // The content says it all.
        (None, Some(last))
            if last.content.is_some_and(|after| last.kind == FileKind::File && after.size > 0) =>
        {
            return None;
        }
        (Some(first), Some(last)) if first.kind == last.kind => {
            attributes(first, last, &mut before, &mut after);
            link_target(first, &mut before);
            link_target(last, &mut after);
            if before == after {
                return None;
            }
        }
        (first, last) => {
            before.insert("state", state(first.as_ref()));
            after.insert("state", state(last.as_ref()));
            for (side, fields) in [(first, &mut before), (last, &mut after)] {
                if let Some(side) = side {
                    link_target(side, fields);
                }
            }
            if removed_dir(entry) {
                before.insert("path_content", content_list(&entry.path, net));
            }
        }
    }
    Some(Diff {
        before: Side::State(before),
        after: Side::State(after),
        before_header: Some(path.clone()),
        after_header: Some(path),
    })
}

type Fields = BTreeMap<&'static str, Field>;

fn attributes(first: &State<'_>, last: &State<'_>, before: &mut Fields, after: &mut Fields) {
    let mut number = |name, one: Option<u32>, other: Option<u32>, show: fn(u32) -> Field| {
        if let (Some(one), Some(other)) = (one, other)
            && one != other
        {
            before.insert(name, show(one));
            after.insert(name, show(other));
        }
    };
    number("mode", first.mode, last.mode, |mode| Field::Text(format!("{mode:04o}")));
    number("owner", first.uid, last.uid, Field::Number);
    number("group", first.gid, last.gid, Field::Number);
    let mut time = |name, one: Option<f64>, other: Option<f64>| {
        if let (Some(one), Some(other)) = (one, other)
            && one != other
        {
            before.insert(name, Field::Seconds(one));
            after.insert(name, Field::Seconds(other));
        }
    };
    time("mtime", first.mtime, last.mtime);
    time("atime", first.atime, last.atime);
}

fn state(side: Option<&State<'_>>) -> Field {
    Field::Text(
        match side.map(|side| side.kind) {
            None => "absent",
            Some(FileKind::Dir) => "directory",
            Some(FileKind::Symlink) => "link",
            Some(_) => "file",
        }
        .to_owned(),
    )
}

fn link_target(side: &State<'_>, fields: &mut Fields) {
    if let Some(target) = side.content.and_then(|content| content.target.as_ref()) {
        fields.insert("src", Field::Text(target.clone()));
    }
}

/// What went with a removed directory, under Ansible's names.
fn content_list(dir: &Path, net: &[Entry<'_>]) -> Field {
    let mut lists = BTreeMap::from([("directories", Vec::new()), ("files", Vec::new())]);
    let gone = |entry: &&Entry<'_>| entry.last.is_none() && entry.path != *dir && entry.path.starts_with(dir);
    for entry in net.iter().filter(gone) {
        let Some(first) = &entry.first else { continue };
        let list = if first.kind == FileKind::Dir { "directories" } else { "files" };
        lists.entry(list).or_default().push(shown(&entry.path));
    }
    Field::Lists(lists)
}

fn shown(path: &Path) -> String {
    text::to_text(path.as_os_str())
}
