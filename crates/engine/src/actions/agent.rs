//! Calls that the agent answers.

use crate::contents::Store;
use crate::event::Diff;
use crate::host_task::{Attempt, Reply};
use crate::transport::{AgentCall, Contents, LinkError, Output};
use provision_system::{Mutation, Side, Stream};
use provision_wire::Status;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Streamed output becomes events.
struct Streaming {
    engine: Arc<crate::state::Engine>,
    task: u64,
    host: Arc<str>,
    hidden: bool,
}

impl Output for Streaming {
    fn output(&self, stream: Stream, data: &[u8]) {
        if self.hidden {
            return;
        }
        let text = self.engine.secrets.redact(&provision_system::text::bytes_to_text(data));
        let stream = if stream == Stream::Stdout { "stdout" } else { "stderr" };
        self.engine.emit(&crate::event::Event::Output {
            task: self.task,
            host: self.host.clone(),
            stream,
            text,
        });
    }
}

impl Attempt<'_> {
    pub fn output(&self) -> Arc<dyn Output> {
        Arc::new(Streaming {
            engine: self.run.engine.clone(),
            task: self.run.info.id,
            host: self.run.host.name.clone(),
            hidden: self.no_log,
        })
    }
}

/// A call without contents of the controller's.
pub async fn call(attempt: &Attempt<'_>, module: &str, args: Map<String, Value>) -> Reply {
    call_with(attempt, module, args, Store::default()).await
}

/// Gathers facts and keeps them.
pub async fn setup(attempt: &Attempt<'_>, args: Map<String, Value>) -> Reply {
    let mut reply = call(attempt, "ansible.builtin.setup", args).await;
    if let Some(Value::Object(facts)) = reply.result.get("ansible_facts") {
        let mut facts = facts.clone();
        if attempt.run.task.action.name.ends_with("gather_facts") {
            facts.insert(crate::facts::GATHERED.to_owned(), true.into());
        }
        reply.facts = Some(facts);
    }
    reply
}

/// One module call on the task's target as the task's identity.
pub async fn call_with(
    attempt: &Attempt<'_>,
    module: &str,
    args: Map<String, Value>,
    contents: Store,
) -> Reply {
    send(attempt, module, args, contents, None).await
}

/// Starts a module on the target that goes on by itself, for at most `limit` seconds.
pub async fn start(attempt: &Attempt<'_>, module: &str, args: Map<String, Value>, limit: u64) -> Reply {
    send(attempt, module, args, Store::default(), Some(limit)).await
}

async fn send(
    attempt: &Attempt<'_>,
    module: &str,
    args: Map<String, Value>,
    contents: Store,
    background: Option<u64>,
) -> Reply {
    let engine = &attempt.run.engine;
    if let Some(entry) = provision_modules::find(module) {
        // Secrets are remembered before anything can go wrong with them.
        for option in entry.spec.options.iter().filter(|option| option.secret) {
            let names = std::iter::once(option.name).chain(option.aliases.iter().copied());
            names.filter_map(|name| args.get(name)).for_each(|value| engine.secrets.add_value(value));
        }
    }
    let identity = identity_name(attempt);
    let (predicted, told) = if attempt.check { untold(attempt, &identity) } else { (Vec::new(), 0) };
    let agent = match engine.transport.agent(&attempt.target, &attempt.identity).await {
        Ok(agent) => agent,
        Err(error) => return lost(&error),
    };
    let call = AgentCall {
        module: module.to_owned(),
        args: serde_json::to_vec(&args).unwrap_or_default(),
        check: attempt.check,
        diff: attempt.diff,
        env: attempt.env.clone(),
        stream: engine.settings.stream,
        predicted,
        background,
        timeout: attempt.timeout,
    };
    let contents: Arc<dyn Contents> = Arc::new(contents);
    let done = match agent.call(call, contents, attempt.output()).await {
        Ok(done) => done,
        Err(error) => return lost(&error),
    };
    let result = match serde_json::from_slice(&done.result) {
        Ok(Value::Object(map)) => map,
        _ => return Reply::fail("the agent's answer cannot be read"),
    };
    let failed = done.status != Status::Ok;
    let mut reply = Reply { failed, by_module: failed, ..Reply::ok(result) };
    reply.skipped = reply.result.get("skipped").and_then(Value::as_bool).unwrap_or(false);
    if reply.result.remove("_unknown").is_some() {
        reply.unknown = Some(format!("the task `{}`", attempt.run.info.name));
    }
    if let Some(Value::Object(facts)) = reply.result.get("ansible_facts") {
        reply.facts = Some(facts.clone());
    }
    if attempt.diff {
        let found = provision_system::diff(&done.mutations);
        if !found.is_empty() {
            reply.result.insert("diff".into(), serde_json::to_value(&found).unwrap_or_default());
        }
        reply.diff = found.into_iter().map(shown).collect();
    }
    if attempt.check {
        let mut state = attempt.run.host.state();
        // The agent that made a prediction knows it already, unless others' came in between.
        if told == state.predicted.len() {
            let upto = told + done.mutations.len();
            state.told.insert(identity.clone(), upto);
        }
        state.predicted.extend(done.mutations.into_iter().map(|mutation| (identity.clone(), mutation)));
    }
    reply
}

/// Who acts, for telling apart the dry runs of several identities.
fn identity_name(attempt: &Attempt<'_>) -> String {
    let user = attempt.identity.r#become.as_ref().map_or("", |b| b.user.as_str());
    format!("{}\0{user}", attempt.target.host)
}

/// What other identities would have changed and this one's agent has not heard of.
fn untold(attempt: &Attempt<'_>, identity: &str) -> (Vec<Mutation>, usize) {
    let mut state = attempt.run.host.state();
    let from = state.told.get(identity).copied().unwrap_or(0);
    let news =
        state.predicted[from..].iter().filter(|(who, _)| who != identity).map(|(_, m)| m.clone()).collect();
    let all = state.predicted.len();
    state.told.insert(identity.to_owned(), all);
    (news, all)
}

/// A diff as reporters show it: states as Ansible prints them, as JSON.
fn shown(diff: provision_system::Diff) -> Diff {
    let text = |side: &Side| match side {
        Side::Text(text) => text.clone(),
        state @ Side::State(_) => {
            serde_json::to_string_pretty(state).map(|text| text + "\n").unwrap_or_default()
        }
    };
    Diff {
        before: text(&diff.before),
        after: text(&diff.after),
        before_header: diff.before_header.unwrap_or_default(),
        after_header: diff.after_header.unwrap_or_default(),
    }
}

/// A connection's error as a task's result.
pub fn lost(error: &LinkError) -> Reply {
    let mut reply = Reply::fail(error.to_string());
    reply.result.insert("changed".into(), false.into());
    if matches!(error, LinkError::Unreachable(_) | LinkError::Lost(_)) {
        reply.failed = false;
        reply.unreachable = true;
        reply.result.insert("msg".into(), format!("Task failed: {error}").into());
        reply.result.insert("unreachable".into(), true.into());
    }
    if let LinkError::TimedOut(seconds) = error {
        reply.by_nobody = true;
        reply.result.insert("msg".into(), format!("Task failed: {error}").into());
        reply.result.insert("timedout".into(), json!({ "period": seconds }));
    }
    reply
}
