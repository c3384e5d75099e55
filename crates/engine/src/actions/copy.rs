//! `copy`, the controller's half: what is to be copied is found here and offered to the agent by its hash.

use super::agent;
use crate::contents::{INLINE, Store};
use crate::host_task::{Attempt, Reply};
use crate::render;
use provision_system::text::{bytes_to_text, to_text};
use serde_json::{Map, Value, json};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

const MODULE: &str = "ansible.builtin.copy";

pub async fn run(attempt: &Attempt<'_>, mut args: Map<String, Value>) -> Reply {
    let mut store = Store::default();
    let remote = args.get("remote_src").and_then(render::truth).unwrap_or(false);
    if let Some(content) = args.get_mut("content") {
        if content.is_object() || content.is_array() {
            // As Python's json module writes it.
            let scope = attempt
                .scope
                .with_values([("_content".into(), provision_templates::from_json(content.take()))]);
            let scope: std::sync::Arc<dyn provision_templates::Scope> = scope;
            match attempt.run.engine.templater.eval("_content | to_json", &scope) {
                Ok(text) => *content = Value::String(provision_templates::to_text(&text)),
                Err(error) => return Reply::fail(error.message.clone()),
            }
        }
    } else if !remote && let Some(src) = args.get("src").map(render::plain) {
        let path = match find(attempt, "files", &src) {
            Ok(path) => path,
            Err(reply) => return *reply,
        };
        let offered = if path.is_dir() {
            offer_tree(&path, &src, &mut args, &mut store)
        } else {
            offer_file(&path, &mut args, &mut store)
        };
        if let Err(error) = offered {
            return Reply::fail(format!("cannot read {}: {error}", path.display()));
        }
    }
    agent::call_with(attempt, MODULE, args, store).await
}

/// The file that a task's `src` means, or the reply that says where it was looked for.
pub fn find(attempt: &Attempt<'_>, kind: &str, src: &str) -> Result<PathBuf, Box<Reply>> {
    let dirs = &attempt.run.task.dirs;
    // Names that are not UTF-8 come from lookups.
    let name = provision_system::text::to_os(src);
    dirs.find(kind, &name).ok_or_else(|| {
        let tried: Vec<String> =
            dirs.candidates(kind, &name).iter().map(|p| format!("  {}", p.display())).collect();
        let place =
            attempt.run.place(attempt.run.task.args.get("src").map_or(attempt.run.task.span, |n| n.span));
        Box::new(Reply::fail(format!(
            "Could not find or access '{src}' on the control machine\n  at {place}\nSearched in:\n{}",
            tried.join("\n")
        )))
    })
}

/// A file's content and what `dest` and `mode: preserve` need to know of it.
pub fn offer_file(path: &Path, args: &mut Map<String, Value>, store: &mut Store) -> io::Result<()> {
    let meta = path.metadata()?;
    if meta.len() <= INLINE as u64 {
        args.insert("_inline".into(), bytes_to_text(&std::fs::read(path)?).into());
    } else {
        let (sha256, size) = store.add_file(path)?;
        args.insert("_blob".into(), json!({"sha256": sha256, "size": size}));
    }
    if let Some(name) = path.file_name() {
        args.insert("_original_basename".into(), to_text(name).into());
    }
    args.insert("_preserve_mode".into(), mode_text(&meta).into());
    Ok(())
}

/// Bytes rendered here, as the content.
pub fn offer_bytes(bytes: Vec<u8>, args: &mut Map<String, Value>, store: &mut Store) {
    if bytes.len() <= INLINE {
        args.insert("_inline".into(), bytes_to_text(&bytes).into());
    } else {
        let size = bytes.len();
        let sha256 = store.add_bytes(bytes);
        args.insert("_blob".into(), json!({"sha256": sha256, "size": size}));
    }
}

/// A directory: without a slash at the end it is copied into `dest` under its own name.
fn offer_tree(path: &Path, src: &str, args: &mut Map<String, Value>, store: &mut Store) -> io::Result<()> {
    let follow = args.get("local_follow").and_then(render::truth).unwrap_or(true);
    let mut entries = Vec::new();
    walk(path, Path::new(""), follow, store, &mut entries)?;
    args.insert("_tree".into(), Value::Array(entries));
    args.insert("_into".into(), (!src.ends_with('/')).into());
    if let Some(name) = path.file_name() {
        args.insert("_original_basename".into(), to_text(name).into());
    }
    Ok(())
}

/// Everything below, directories before what they hold.
fn walk(
    top: &Path,
    below: &Path,
    follow: bool,
    store: &mut Store,
    entries: &mut Vec<Value>,
) -> io::Result<()> {
    let mut names: Vec<_> =
        std::fs::read_dir(top.join(below))?.map(|e| e.map(|e| e.file_name())).collect::<Result<_, _>>()?;
    names.sort();
    for name in names {
        let relative = below.join(&name);
        let path = top.join(&relative);
        let text = to_text(relative.as_os_str());
        let link = path.symlink_metadata()?.is_symlink();
        if link && !follow {
            let target = std::fs::read_link(&path)?;
            entries.push(json!({"path": text, "kind": "link", "target": to_text(target.as_os_str())}));
            continue;
        }
        let meta = path.metadata()?;
        if meta.is_dir() {
            entries.push(json!({"path": text, "kind": "dir", "mode": mode_text(&meta)}));
            walk(top, &relative, follow, store, entries)?;
        } else {
            let (sha256, size) = store.add_file(&path)?;
            entries.push(json!({"path": text, "kind": "file", "mode": mode_text(&meta), "sha256": sha256, "size": size}));
        }
    }
    Ok(())
}

fn mode_text(meta: &std::fs::Metadata) -> String {
    format!("{:04o}", meta.permissions().mode() & 0o7777)
}
