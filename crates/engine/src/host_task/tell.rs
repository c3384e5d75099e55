//! What reporters and error messages are told.

use super::{Reply, TaskRun};
use crate::event::{Cause, Diff, Done, Event, Outcome};
use crate::render::{self, RenderError};
use crate::vars::TaskScope;
use provision_source::Span;
use provision_templates::{ErrorKind, Scope, unknown_value};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Instant;

impl TaskRun {
    /// A template that failed, as a failed task with its place. A value that a dry run cannot know is no failure.
    pub fn render_failure(&self, error: &RenderError) -> Reply {
        if let (ErrorKind::Unknown { reason }, true) = (&error.error.kind, self.engine.settings.check) {
            let mut result = Map::new();
            result.insert("changed".into(), false.into());
            result.insert("skipped".into(), true.into());
            result.insert("depends_on".into(), reason.clone().into());
            result.insert(
                "skip_reason".into(),
                format!("depends on {reason}, which is unknown until applied").into(),
            );
            let mut reply = Reply::skip(result);
            reply.unknown = Some(reason.clone());
            if self.task.action.full.ends_with(".set_fact") {
                // Not undefined: what uses it depends on the same thing.
                let names = self.task.args.named.iter().map(|(name, _, _)| name.to_string());
                reply.set = names.map(|name| (name, unknown_value(reason.clone()))).collect();
            }
            return reply;
        }
        let (message, causes) = self.explain(error);
        let mut reply = Reply { causes, ..Reply::fail(message) };
        if !error.bare {
            reply.result.insert("changed".into(), false.into());
        }
        reply
    }

    /// Why the reply failed, if it did.
    pub(super) fn causes_of(&self, reply: &Reply) -> Vec<Cause> {
        match reply.failed || reply.unreachable {
            true if reply.causes.is_empty() => self.result_causes(reply),
            true => reply.causes.clone(),
            false => Vec::new(),
        }
    }

    /// `file:line` of a span, for messages.
    pub fn place(&self, span: Span) -> String {
        self.engine.loader.sources.location(span)
    }

    pub(super) fn shown(&self, reply: &Reply, no_log: bool) -> Map<String, Value> {
        if no_log || reply.hidden {
            let mut hidden = Map::new();
            hidden.insert(
                "censored".into(),
                "the output has been hidden due to the fact that 'no_log: true' was specified for this result".into(),
            );
            hidden.insert("changed".into(), reply.changed().into());
            if let Some(Value::Array(items)) = reply.result.get("results") {
                let censored = hidden.get("censored").cloned().unwrap_or_default();
                let changed = |item: &Value| item.get("changed").cloned().unwrap_or(false.into());
                let items = items.iter().map(|item| json!({"changed": changed(item), "censored": censored}));
                hidden.insert("results".into(), items.collect());
            }
            return hidden;
        }
        self.engine.secrets.redact_map(&reply.result)
    }

    pub(super) fn no_log(&self, scope: &Arc<TaskScope>) -> bool {
        let dynamic: Arc<dyn Scope> = scope.clone();
        // Better to hide too much than too little.
        self.task
            .common
            .no_log
            .as_ref()
            .is_some_and(|node| render::boolean(node, &dynamic, &self.engine.templater).unwrap_or(true))
    }

    pub(super) fn shown_diff(&self, reply: &Reply, no_log: bool) -> Vec<Diff> {
        if no_log {
            return Vec::new();
        }
        let redact = |text: &str| self.engine.secrets.redact(text);
        let diff = reply.diff.iter().map(|d| Diff {
            before_header: redact(&d.before_header),
            after_header: redact(&d.after_header),
            before: redact(&d.before),
            after: redact(&d.after),
        });
        diff.collect()
    }

    pub(super) fn tell_item(&self, scope: &Arc<TaskScope>, reply: &Reply, label: Value, started: Instant) {
        let no_log = self.no_log(scope);
        let label =
            if no_log { "(censored due to no_log)".into() } else { self.engine.secrets.redact_value(&label) };
        self.engine.emit(&Event::Item(Box::new(Done {
            task: self.info.id,
            host: self.host.name.clone(),
            delegated_to: self.delegated(scope),
            delegated_address: self.delegated_address(scope),
            outcome: outcome(reply, self.ignores(scope)),
            item: Some(label),
            looped: false,
            result: self.shown(reply, no_log),
            diff: self.shown_diff(reply, no_log),
            seconds: started.elapsed().as_secs_f64(),
            rescued: false,
            causes: self.causes_of(reply),
        })));
    }

    /// The other host that the task works on, in a scope that has the loop's variables.
    pub(super) fn delegated(&self, scope: &Arc<TaskScope>) -> Option<String> {
        let node = self.task.common.delegate_to.as_ref()?;
        let scope: Arc<dyn Scope> = scope.clone();
        let name = render::text(node, &scope, &self.engine.templater).ok()?;
        (!name.is_empty() && *name != *self.host.name).then_some(name)
    }

    pub(super) fn delegated_address(&self, scope: &Arc<TaskScope>) -> Option<String> {
        let name = self.delegated(scope)?;
        let other = crate::scope::host_scope(&self.engine, Some(&self.play), &self.engine.host(&name));
        let address = other.get("ansible_host").ok()??;
        Some(provision_templates::to_text(&address)).filter(|address| *address != name)
    }

    pub(super) fn ignores(&self, scope: &Arc<TaskScope>) -> bool {
        let dynamic: Arc<dyn Scope> = scope.clone();
        self.task
            .common
            .ignore_errors
            .as_ref()
            .is_some_and(|node| render::boolean(node, &dynamic, &self.engine.templater).unwrap_or(false))
    }
}

/// How a reply counts.
pub(super) fn outcome(reply: &Reply, ignore_errors: bool) -> Outcome {
    match () {
        () if reply.unreachable => Outcome::Unreachable,
        () if reply.failed && ignore_errors => Outcome::Ignored,
        () if reply.failed => Outcome::Failed,
        () if reply.skipped => Outcome::Skipped,
        () if reply.changed() => Outcome::Changed,
        () => Outcome::Ok,
    }
}
