//! `script`, the controller's half: finds the script.

use super::{agent, copy};
use crate::contents::Store;
use crate::host_task::{Attempt, Reply};
use serde_json::{Map, Value};

pub async fn run(attempt: &Attempt<'_>, mut args: Map<String, Value>) -> Reply {
    let line =
        args.get("cmd").or_else(|| args.get("_raw_params")).map(crate::render::plain).unwrap_or_default();
    let Some(name) = shlex::Shlex::new(&line).next() else {
        return Reply::fail("script needs the path of a script");
    };
    let path = match copy::find(attempt, "files", &name) {
        Ok(path) => path,
        Err(reply) => return *reply,
    };
    let mut store = Store::default();
    let mut offered = Map::new();
    let decrypt = args.get("decrypt").and_then(crate::render::truth).unwrap_or(true);
    let vault = decrypt.then(|| attempt.run.engine.templater.vault());
    if let Err(error) = copy::offer_file(&path, vault, &mut offered, &mut store) {
        return Reply::fail(format!("cannot read {}: {error}", path.display()));
    }
    args.extend(offered.into_iter().filter(|(key, _)| key == "_inline" || key == "_blob"));
    agent::call_with(attempt, "ansible.builtin.script", args, store).await
}
