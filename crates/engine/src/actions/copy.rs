//! `copy`, the controller's half: what is to be copied is found here and offered to the agent by its hash.

use super::agent;
use crate::contents::{INLINE, Store};
use crate::host_task::{Attempt, Reply};
use crate::render;
use provision_system::text::{bytes_to_text, to_text};
use provision_vault::{Keyring, Zeroizing};
use serde_json::{Map, Value, json};
use std::io::{self, Read};
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
        let decrypt = args.get("decrypt").and_then(render::truth).unwrap_or(true);
        let vault = decrypt.then(|| attempt.run.engine.templater.vault());
        let offered = if path.is_dir() {
            offer_tree(&path, &src, vault, &mut args, &mut store)
        } else {
            offer_file(&path, vault, &mut args, &mut store)
        };
        match offered {
            Ok(true) => return without_diff(agent::call_with(attempt, MODULE, args, store).await),
            Ok(false) => {}
            Err(error) => return Reply::fail(format!("cannot read {}: {error}", path.display())),
        }
    }
    agent::call_with(attempt, MODULE, args, store).await
}

/// In the place of a difference.
const NOT_SHOWN: &str = "(encrypted on the control machine: not shown)\n";

/// What was decrypted here is not shown as a difference.
pub fn without_diff(mut reply: Reply) -> Reply {
    for diff in &mut reply.diff {
        diff.before.clear();
        diff.after = NOT_SHOWN.to_owned();
    }
    // The result says the same once more.
    for diff in reply.result.get_mut("diff").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(diff) = diff.as_object_mut() {
            diff.insert("before".into(), "".into());
            diff.insert("after".into(), NOT_SHOWN.into());
        }
    }
    reply
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

/// A file's content, decrypted if a vault is given and it is vaulted, and what `dest` and `mode: preserve` need to know of
/// it. True when it was decrypted.
pub fn offer_file(
    path: &Path,
    vault: Option<&Keyring>,
    args: &mut Map<String, Value>,
    store: &mut Store,
) -> Result<bool, String> {
    let meta = path.metadata().map_err(|e| e.to_string())?;
    let decrypted = decrypted(path, vault)?;
    let secret = decrypted.is_some();
    match decrypted {
        Some(bytes) => offer_bytes(bytes.to_vec(), args, store),
        None if meta.len() <= INLINE as u64 => {
            let bytes = std::fs::read(path).map_err(|e| e.to_string())?;
            args.insert("_inline".into(), bytes_to_text(&bytes).into());
        }
        None => {
            let (sha256, size) = store.add_file(path).map_err(|e| e.to_string())?;
            args.insert("_blob".into(), json!({"sha256": sha256, "size": size}));
        }
    }
    offer_name(path, args)?;
    Ok(secret)
}

/// A file's name and mode.
pub fn offer_name(path: &Path, args: &mut Map<String, Value>) -> Result<(), String> {
    let meta = path.metadata().map_err(|e| e.to_string())?;
    if let Some(name) = path.file_name() {
        args.insert("_original_basename".into(), to_text(name).into());
    }
    args.insert("_preserve_mode".into(), mode_text(&meta).into());
    Ok(())
}

/// The plain content of a vaulted file; None when it is not vaulted. Of other files only the first bytes are read.
pub fn decrypted(path: &Path, vault: Option<&Keyring>) -> Result<Option<Zeroizing<Vec<u8>>>, String> {
    let Some(vault) = vault else { return Ok(None) };
    let mut first = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(32).read_to_end(&mut first))
        .map_err(|e| e.to_string())?;
    if !provision_vault::is_encrypted(&first) {
        return Ok(None);
    }
    vault.read(path).map(|contents| Some(contents.bytes))
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

/// A directory: without a slash at the end it is copied into `dest` under its own name. True when a file in it was
/// decrypted.
fn offer_tree(
    path: &Path,
    src: &str,
    vault: Option<&Keyring>,
    args: &mut Map<String, Value>,
    store: &mut Store,
) -> Result<bool, String> {
    let follow = args.get("local_follow").and_then(render::truth).unwrap_or(true);
    let mut tree = Tree { top: path, follow, vault, store, entries: Vec::new(), secret: false };
    tree.walk(Path::new(""))?;
    let (entries, secret) = (tree.entries, tree.secret);
    args.insert("_tree".into(), Value::Array(entries));
    args.insert("_into".into(), (!src.ends_with('/')).into());
    if let Some(name) = path.file_name() {
        args.insert("_original_basename".into(), to_text(name).into());
    }
    Ok(secret)
}

struct Tree<'a> {
    top: &'a Path,
    follow: bool,
    vault: Option<&'a Keyring>,
    store: &'a mut Store,
    entries: Vec<Value>,
    /// A file was decrypted.
    secret: bool,
}

impl Tree<'_> {
    /// Everything below, directories before what they hold.
    fn walk(&mut self, below: &Path) -> Result<(), String> {
        let failed = |e: io::Error| e.to_string();
        let entries = std::fs::read_dir(self.top.join(below)).map_err(failed)?;
        let mut names: Vec<_> =
            entries.map(|e| e.map(|e| e.file_name())).collect::<Result<_, _>>().map_err(failed)?;
        names.sort();
        for name in names {
            let relative = below.join(&name);
            let path = self.top.join(&relative);
            let text = to_text(relative.as_os_str());
            let link = path.symlink_metadata().map_err(failed)?.is_symlink();
            if link && !self.follow {
                let target = std::fs::read_link(&path).map_err(failed)?;
                let target = to_text(target.as_os_str());
                self.entries.push(json!({"path": text, "kind": "link", "target": target}));
                continue;
            }
            let meta = path.metadata().map_err(failed)?;
            let mode = mode_text(&meta);
            if meta.is_dir() {
                self.entries.push(json!({"path": text, "kind": "dir", "mode": mode}));
                self.walk(&relative)?;
                continue;
            }
            let (sha256, size) = match decrypted(&path, self.vault).map_err(|e| format!("{text}: {e}"))? {
                Some(bytes) => {
                    self.secret = true;
                    (self.store.add_bytes(bytes.to_vec()), bytes.len() as u64)
                }
                None => self.store.add_file(&path).map_err(failed)?,
            };
            let entry = json!({"path": text, "kind": "file", "mode": mode, "sha256": sha256, "size": size});
            self.entries.push(entry);
        }
        Ok(())
    }
}

fn mode_text(meta: &std::fs::Metadata) -> String {
    format!("{:04o}", meta.permissions().mode() & 0o7777)
}
