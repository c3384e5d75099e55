//! `async`: tasks that go on by themselves on the target, and what asks after them.

use super::agent;
use crate::event::{AsyncState, Event};
use crate::host_task::{Attempt, Background, Reply};
use serde_json::{Map, Value, json};
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

/// A job says itself that its time is over; this much later nobody waits for it any more.
const GRACE: Duration = Duration::from_secs(15);

/// Starts the task in the background and, unless `poll` is 0, waits for it.
pub async fn run(attempt: &Attempt<'_>, module: &str, args: Map<String, Value>, how: Background) -> Reply {
    let name = &attempt.run.task.action.name;
    let of_agent = provision_modules::find(module).is_some()
        && !matches!(
            module.strip_prefix("ansible.builtin."),
            Some("async_status" | "copy" | "script" | "template" | "setup")
        );
    if !of_agent {
        let text = format!("This action ({name}) does not support async.");
        return Reply { by_nobody: true, ..Reply::fail(text) };
    }
    if attempt.check {
        return dry(attempt, module, args, how).await;
    }
    let mut reply = agent::start(attempt, module, args, how.limit).await;
    if reply.failed || reply.unreachable {
        return reply;
    }
    reply.result.insert("changed".into(), true.into());
    let Some(poll) = how.poll else { return reply };
    let jid = reply.result.get("ansible_job_id").cloned().unwrap_or_default();
    let until = Instant::now() + Duration::from_secs(how.limit) + poll + GRACE;
    while Instant::now() < until && !attempt.run.engine.is_interrupted() {
        tokio::time::sleep(poll).await;
        let found = ask(attempt, &jid, "status").await;
        // The job does not need the connection. It is there again, or it will not be before the end.
        if found.unreachable {
            reply = found;
            continue;
        }
        let finished = found.result.get("finished") == Some(&Value::Bool(true));
        reply = found;
        if finished {
            tell(attempt, &jid, if reply.failed { AsyncState::Failed } else { AsyncState::Ok });
            // The result is here now; what is left of it there is nobody's loss.
            let _ = ask(attempt, &jid, "cleanup").await;
            return reply;
        }
        tell(attempt, &jid, AsyncState::Running);
    }
    if !reply.unreachable {
        reply.failed = true;
        let text = format!("async task did not complete within the requested time - {}s", how.limit);
        reply.result.insert("msg".into(), text.into());
    }
    reply
}

/// `async_status`.
pub async fn status(attempt: &Attempt<'_>, args: Map<String, Value>) -> Reply {
    let jid = args.get("jid").map(crate::render::plain).unwrap_or_default();
    let dry = || attempt.run.engine.dry_jobs.lock().unwrap_or_else(|e| e.into_inner()).get(&jid).cloned();
    match dry().filter(|_| attempt.check) {
        Some(result) => {
            Reply { failed: result.get("failed") == Some(&Value::Bool(true)), ..Reply::ok(result) }
        }
        None => unfolded(agent::call(attempt, "ansible.builtin.async_status", args).await),
    }
}

async fn ask(attempt: &Attempt<'_>, jid: &Value, mode: &str) -> Reply {
    let args = Map::from_iter([("jid".to_owned(), jid.clone()), ("mode".to_owned(), mode.into())]);
    unfolded(agent::call(attempt, "ansible.builtin.async_status", args).await)
}

/// The job's own result in place of the answer that holds it, with `changed` as the job's journal said.
fn unfolded(mut reply: Reply) -> Reply {
    if reply.unreachable {
        return reply;
    }
    reply.result.insert("changed".into(), false.into());
    if let Some(Value::Object(job)) = reply.result.remove("job") {
        let mut result = job;
        result.extend(std::mem::take(&mut reply.result).into_iter().filter(|(name, _)| name != "changed"));
        reply.failed = result.get("failed") == Some(&Value::Bool(true));
        reply.by_module = reply.failed;
        reply.skipped = result.get("skipped") == Some(&Value::Bool(true));
        result.entry("changed").or_insert(Value::Bool(false));
        reply.result = result;
    }
    with_output(&mut reply.result);
    reply
}

/// Output is always there, be it empty.
fn with_output(result: &mut Map<String, Value>) {
    for stream in ["stdout", "stderr"] {
        result.entry(stream).or_insert_with(|| "".into());
        result.entry(format!("{stream}_lines")).or_insert_with(|| json!([]));
    }
}

/// In a dry run the module predicts at once; nothing is left behind on the target to ask after.
async fn dry(attempt: &Attempt<'_>, module: &str, args: Map<String, Value>, how: Background) -> Reply {
    let mut reply = agent::call(attempt, module, args).await;
    if reply.unreachable {
        return reply;
    }
    let number = RandomState::new().hash_one(&attempt.run.host.name) % 1_000_000_000_000;
    let jid = format!("j{number:012}.0");
    let known = json!({
        "ansible_job_id": jid, "results_file": format!("~/.ansible_async/{jid}"), "started": true, "finished": true,
    });
    reply.result.extend(known.as_object().cloned().unwrap_or_default());
    with_output(&mut reply.result);
    if how.poll.is_some() {
        tell(attempt, &Value::String(jid), if reply.failed { AsyncState::Failed } else { AsyncState::Ok });
        return reply;
    }
    let mut started = known.as_object().cloned().unwrap_or_default();
    started.insert("finished".into(), false.into());
    started.insert("changed".into(), true.into());
    let mut kept = reply.result;
    kept.insert("failed".into(), reply.failed.into());
    attempt.run.engine.dry_jobs.lock().unwrap_or_else(|e| e.into_inner()).insert(jid, kept);
    Reply { unknown: reply.unknown, ..Reply::ok(started) }
}

fn tell(attempt: &Attempt<'_>, jid: &Value, state: AsyncState) {
    attempt.run.engine.emit(&Event::Async {
        task: attempt.run.info.id,
        host: attempt.run.host.name.clone(),
        jid: crate::render::plain(jid),
        state,
    });
}
