//! `unarchive`, the controller's half: finds the archive and offers it.

use super::{agent, copy};
use crate::contents::Store;
use crate::host_task::{Attempt, Reply};
use crate::render;
use serde_json::{Map, Value, json};

const MODULE: &str = "ansible.builtin.unarchive";

pub async fn run(attempt: &Attempt<'_>, mut args: Map<String, Value>) -> Reply {
    let mut store = Store::default();
    let truth = |name: &str| args.get(name).and_then(render::truth);
    let remote = truth("remote_src").or_else(|| truth("copy").map(|copy| !copy)).unwrap_or(false);
    let src = args.get("src").map(render::plain);
    if let Some(src) = src.filter(|_| !remote) {
        // What `creates` names is looked for before the archive is read and sent.
        if let Some(creates) = args.get("creates").map(render::plain) {
            let query = Map::from_iter([("path".to_owned(), Value::from(creates.clone()))]);
            let reply = agent::call(attempt, "ansible.builtin.stat", query).await;
            if reply.unreachable || reply.failed {
                return reply;
            }
            if reply.result.get("stat").and_then(|stat| stat.get("exists")) == Some(&Value::Bool(true)) {
                let result = json!({"msg": format!("skipped, since {creates} exists"), "changed": false});
                let result = result.as_object().cloned().unwrap_or_default();
                return Reply { skipped: true, ..Reply::ok(result) };
            }
        }
        let path = match copy::find(attempt, "files", &src) {
            Ok(path) => path,
            Err(reply) => return *reply,
        };
        let mut offered = Map::new();
        let decrypt = args.get("decrypt").and_then(render::truth).unwrap_or(true);
        let vault = decrypt.then(|| attempt.run.engine.templater.vault());
        if let Err(error) = copy::offer_file(&path, vault, &mut offered, &mut store) {
            return Reply::fail(format!("cannot read {}: {error}", path.display()));
        }
        args.extend(offered.into_iter().filter(|(key, _)| key == "_inline" || key == "_blob"));
    } else if !args.contains_key("remote_src") {
        args.remove("copy");
        args.insert("remote_src".into(), true.into());
    }
    agent::call_with(attempt, MODULE, args, store).await
}
