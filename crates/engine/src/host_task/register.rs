//! The end of a task on a host: counted, kept, registered, notified.

use super::tell::outcome;
use super::{Reply, TaskRun};
use crate::event::{Done, Event, Outcome};
use crate::render;
use crate::state::Host;
use crate::vars::TaskScope;
use minijinja::value::Value as Templated;
use provision_project::Task;
use provision_source::Node;
use provision_templates::{Scope, from_json, unknown_value};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Instant;

impl TaskRun {
    /// Registers, counts, notifies and tells.
    pub(super) fn finish(
        &self,
        reply: &mut Reply,
        scope: &Arc<TaskScope>,
        looped: bool,
        started: Instant,
    ) -> Outcome {
        reply.result.entry("failed").or_insert(reply.failed.into());
        if reply.failed {
            reply.result.insert("failed".into(), true.into());
        }
        let no_log = self.no_log(scope);
        let after: Arc<TaskScope> = self.with_result(scope, reply);
        let ignored = self.ignores(&after);
        let dynamic: Arc<dyn Scope> = after.clone();
        let mut outcome = outcome(reply, ignored);
        if reply.unreachable {
            let ignore = self.task.common.ignore_unreachable.as_ref();
            if ignore
                .is_some_and(|node| render::boolean(node, &dynamic, &self.engine.templater).unwrap_or(false))
            {
                outcome = Outcome::Ignored;
                reply.result.insert("unreachable".into(), true.into());
            }
        }
        let rescued = outcome == Outcome::Failed && self.rescuable;
        self.keep(reply, &self.owner(scope));
        {
            let mut state = self.host.state();
            match outcome {
                // An include counts for each file it brings in (see `includes::resolve`).
                Outcome::Ok if reply.includes > 0 => {}
                Outcome::Ok => state.stats.ok += 1,
                Outcome::Changed => {
                    state.stats.ok += 1;
                    state.stats.changed += 1;
                }
                Outcome::Skipped => state.stats.skipped += 1,
                Outcome::Failed if rescued => state.stats.rescued += 1,
                Outcome::Failed => state.stats.failed += 1,
                Outcome::Ignored => {
                    state.stats.ok += 1;
                    state.stats.ignored += 1;
                    if reply.changed() {
                        state.stats.changed += 1;
                    }
                }
                Outcome::Unreachable => state.stats.unreachable += 1,
            }
            match outcome {
                Outcome::Failed => {
                    state.failed = true;
                    let own = self
                        .task
                        .name
                        .as_ref()
                        .and_then(|n| render::text(n, &dynamic, &self.engine.templater).ok());
                    let failed_task =
                        json!({"name": own.unwrap_or_default(), "action": &*self.task.action.name});
                    state.set("ansible_failed_task", from_json(failed_task));
                    state.set("ansible_failed_result", registered(reply));
                }
                Outcome::Unreachable => state.unreachable = true,
                _ => {}
            }
        }
        if outcome == Outcome::Changed || (outcome == Outcome::Ignored && reply.changed()) {
            self.notify(&dynamic);
            if self.engine.aborted().is_some() {
                return outcome;
            }
        }
        self.engine.emit(&Event::Host(Box::new(Done {
            task: self.info.id,
            host: self.host.name.clone(),
            delegated_to: self.delegated(scope),
            delegated_address: self.delegated_address(scope),
            outcome,
            item: None,
            looped,
            result: self.shown(reply, no_log),
            diff: if looped { Vec::new() } else { self.shown_diff(reply, no_log) },
            seconds: started.elapsed().as_secs_f64(),
            rescued,
            causes: if looped { Vec::new() } else { self.causes_of(reply) },
        })));
        outcome
    }

    /// Facts, set_fact and register.
    fn keep(&self, reply: &mut Reply, owner: &Host) {
        if let Some(facts) = reply.facts.take() {
            self.engine.add_facts(owner, facts);
        }
        let mut state = owner.state();
        for (name, value) in std::mem::take(&mut reply.set) {
            state.set(&name, value);
        }
        drop(state);
        if let Some(name) = &self.task.register {
            self.host.state().set(name, registered(reply));
        }
    }

    /// Whose facts a result brings: the delegate's with `delegate_facts`.
    pub(super) fn owner(&self, scope: &Arc<TaskScope>) -> Arc<Host> {
        let dynamic: Arc<dyn Scope> = scope.clone();
        let delegates = self.task.common.delegate_facts.as_ref();
        match delegates
            .is_some_and(|node| render::boolean(node, &dynamic, &self.engine.templater).unwrap_or(false))
        {
            true => self.delegated(scope).map_or_else(|| self.host.clone(), |name| self.engine.host(&name)),
            false => self.host.clone(),
        }
    }

    /// Marks the handlers that a change notifies.
    fn notify(&self, dynamic: &Arc<dyn Scope>) {
        let handlers = self.play.handlers.read().unwrap_or_else(|e| e.into_inner()).clone();
        for node in &self.task.common.notify {
            let names = match render::json(node, dynamic, &self.engine.templater) {
                Ok(Value::Array(items)) => items.iter().map(render::plain).collect(),
                Ok(value) => vec![render::plain(&value)],
                Err(error) => {
                    self.engine.warn(error.error.message.clone(), Some(self.place(node.span)));
                    continue;
                }
            };
            for name in names {
                let ids = self.handlers_named(&handlers, &name, dynamic);
                if ids.is_empty() {
                    return self.engine.abort(format!(
                        "The requested handler '{name}' was not found in either the main handlers list nor in the listening handlers list"
                    ));
                }
                let mut state = self.host.state();
                for id in ids {
                    if !state.notified.contains(&id) {
                        state.notified.push(id);
                    }
                }
            }
        }
    }

    /// The last handler of that name, and all that listen to it.
    fn handlers_named(&self, handlers: &[Arc<Task>], wanted: &str, dynamic: &Arc<dyn Scope>) -> Vec<u64> {
        let text = |node: &Node| render::text(node, dynamic, &self.engine.templater).unwrap_or_default();
        let is_named = |handler: &&Arc<Task>| {
            handler.name.as_ref().is_some_and(|node| {
                let name = text(node);
                let role = handler.common.role.as_ref();
                name == wanted || role.is_some_and(|role| format!("{} : {name}", role.name) == wanted)
            })
        };
        // Lists of handlers that come later hide earlier ones; within a list the first of a name counts.
        let list = |handler: &Arc<Task>| handler.common.role.as_ref().map(Arc::as_ptr);
        let last = handlers.iter().rev().find(is_named);
        let named = last.and_then(|last| {
            handlers.iter().find(|handler| list(handler) == list(last) && is_named(handler))
        });
        let mut ids: Vec<u64> = named.map(|handler| handler.id).into_iter().collect();
        // Of listeners with one name (a role used twice brings its handlers twice) the last one counts.
        let mut seen: Vec<String> = Vec::new();
        for handler in handlers.iter().rev() {
            let listens = handler.listen.iter().any(|node| match node.as_seq() {
                Some(items) => items.iter().any(|item| item.scalar_text().as_deref() == Some(wanted)),
                None => node.scalar_text().as_deref() == Some(wanted),
            });
            if !listens || ids.contains(&handler.id) {
                continue;
            }
            if let Some(name) = handler.name.as_ref().map(text) {
                if seen.contains(&name) {
                    continue;
                }
                seen.push(name);
            }
            ids.push(handler.id);
        }
        ids
    }
}

/// What `register` keeps. In a dry run what the command would have answered is unknown, not absent.
pub fn registered(reply: &Reply) -> Templated {
    let mut result = reply.result.clone();
    result.retain(|name, _| !name.starts_with("_ansible_"));
    // A loop of which nothing failed does not say so.
    match result.contains_key("results") && !reply.failed {
        true => _ = result.remove("failed"),
        false => _ = result.insert("failed".into(), reply.failed.into()),
    }
    if reply.unreachable {
        result.insert("unreachable".into(), true.into());
    }
    let Some(reason) = &reply.unknown else { return from_json(Value::Object(result)) };
    let mut pairs: Vec<(String, Templated)> =
        ["rc", "stdout", "stderr", "stdout_lines", "stderr_lines", "content", "status", "json"]
            .iter()
            .filter(|name| !result.contains_key(**name))
            .map(|name| ((*name).to_owned(), unknown_value(reason.clone())))
            .collect();
    pairs.extend(result.into_iter().map(|(name, value)| (name, from_json(value))));
    provision_templates::mapping(pairs)
}
