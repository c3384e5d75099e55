//! `assemble`, the controller's half: fragments that are here are put together here.

use super::{agent, copy};
use crate::contents::Store;
use crate::host_task::{Attempt, Reply};
use provision_modules::assemble::{AssembleArgs, join};
use provision_system::text::to_text;
use serde_json::{Map, Value};
use std::path::Path;

const MODULE: &str = "ansible.builtin.assemble";

pub async fn run(attempt: &Attempt<'_>, mut args: Map<String, Value>) -> Reply {
    let typed = match super::parse::<AssembleArgs>(&args) {
        Ok(typed) => typed,
        Err(reply) => return *reply,
    };
    let mut store = Store::default();
    if !typed.remote_src {
        let dir = match copy::find(attempt, "files", &typed.src) {
            Ok(dir) => dir,
            Err(reply) => return *reply,
        };
        match gather(attempt, &typed, &dir) {
            Ok((bytes, secret)) => {
                copy::offer_bytes(bytes, &mut args, &mut store);
                if secret {
                    return copy::without_diff(agent::call_with(attempt, MODULE, args, store).await);
                }
            }
            Err(why) => return Reply::fail(why),
        }
    }
    agent::call_with(attempt, MODULE, args, store).await
}

/// What the fragments make together, and whether one of them was decrypted.
fn gather(attempt: &Attempt<'_>, args: &AssembleArgs, dir: &Path) -> Result<(Vec<u8>, bool), String> {
    let failed = |why: std::io::Error| format!("cannot read {}: {why}", dir.display());
    let entries = std::fs::read_dir(dir).map_err(failed)?;
    let mut names: Vec<_> =
        entries.map(|entry| Ok(entry?.file_name())).collect::<Result<_, _>>().map_err(failed)?;
    names.sort();
    let vault = args.decrypt.then(|| attempt.run.engine.templater.vault());
    let mut fragments = Vec::new();
    let mut secret = false;
    for name in names {
        let path = dir.join(&name);
        if !path.is_file() || !args.takes(&to_text(&name)).map_err(|failure| failure.msg)? {
            continue;
        }
        let fragment = match copy::decrypted(&path, vault)? {
            Some(bytes) => {
                secret = true;
                bytes.to_vec()
            }
            None => std::fs::read(&path).map_err(|why| format!("cannot read {}: {why}", path.display()))?,
        };
        fragments.push(fragment);
    }
    Ok((join(&fragments, args.delimiter.as_deref()), secret))
}
