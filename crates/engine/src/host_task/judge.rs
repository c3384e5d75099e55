//! Conditions: `when`, `until`, `changed_when`, `failed_when`.

use super::register::registered;
use super::{Reply, TaskRun};
use crate::render::RenderError;
use crate::vars::TaskScope;
use minijinja::value::Value as Templated;
use provision_source::Node;
use provision_templates::{ErrorKind, Scope};
use serde_json::{Map, Value, json};
use std::sync::Arc;

impl TaskRun {
    /// Why the task is skipped here, if it is.
    pub(super) fn skip_reason(
        &self,
        scope: &Arc<TaskScope>,
    ) -> Result<Option<Map<String, Value>>, RenderError> {
        let dynamic: Arc<dyn Scope> = scope.clone();
        for node in &self.task.common.when {
            let skip = match self.condition(node, &dynamic) {
                Ok(true) => continue,
                Ok(false) => json!({
                    "changed": false, "skipped": true, "skip_reason": "Conditional result was False",
                    "false_condition": node.to_json(),
                }),
                Err(error) => match &error.error.kind {
                    ErrorKind::Unknown { reason } if self.engine.settings.check => json!({
                        "changed": false, "skipped": true, "depends_on": reason,
                        "skip_reason": format!("depends on {reason}, which is unknown until applied"),
                    }),
                    _ => return Err(error),
                },
            };
            if let Value::Object(map) = skip {
                return Ok(Some(map));
            }
        }
        Ok(None)
    }

    /// A condition as `when` reads it.
    pub(super) fn condition(&self, node: &Node, dynamic: &Arc<dyn Scope>) -> Result<bool, RenderError> {
        if let Some(what) = crate::render::no_expression(node) {
            return Err(RenderError::at(provision_templates::TemplateError::runtime(what), node));
        }
        match &node.value {
            provision_source::Yaml::Bool(b) => Ok(*b),
            provision_source::Yaml::Null => Ok(true),
            provision_source::Yaml::Str(text) if text.trim().is_empty() => Ok(true),
            provision_source::Yaml::Str(text) => self
                .engine
                .templater
                .eval_condition(text, dynamic)
                .map_err(|error| RenderError::at(error, node)),
            provision_source::Yaml::Seq(items) => {
                for item in items.iter() {
                    if !self.condition(item, dynamic)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            provision_source::Yaml::Int(n) => Ok(*n != 0),
            _ => Err(RenderError::at(
                provision_templates::TemplateError::runtime(format!(
                    "a {} is no condition",
                    node.kind_name()
                )),
                node,
            )),
        }
    }

    pub(super) fn all_true(&self, nodes: &[Node], dynamic: &Arc<dyn Scope>) -> Result<bool, RenderError> {
        for node in nodes {
            if !self.condition(node, dynamic)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The scope that conditions on a result see: the registered variable, and facts just set.
    pub(super) fn with_result(&self, scope: &Arc<TaskScope>, reply: &Reply) -> Arc<TaskScope> {
        let mut extra: Vec<(Arc<str>, Templated)> =
            reply.set.iter().map(|(k, v)| (k.as_str().into(), v.clone())).collect();
        if let Some(name) = &self.task.register {
            extra.push((name.clone(), registered(reply)));
        }
        scope.with_values(extra)
    }

    /// `failed_when` and `changed_when`. One that cannot be evaluated is a failure, told in the result's
    /// `failed_when_result` or `changed_when_result`; what the module said stays.
    pub(super) fn judge(&self, scope: &Arc<TaskScope>, reply: &mut Reply) {
        reply.result.entry("changed").or_insert(false.into());
        for (name, conditions) in
            [("changed_when", &self.task.changed_when), ("failed_when", &self.task.failed_when)]
        {
            if conditions.is_empty() {
                continue;
            }
            let dynamic: Arc<dyn Scope> = self.with_result(scope, reply);
            let held = match self.all_true(conditions, &dynamic) {
                Ok(held) => held,
                Err(error) if matches!(error.error.kind, ErrorKind::Unknown { .. }) => continue,
                Err(error) => {
                    reply.result.insert(format!("{name}_result"), error.error.message.clone().into());
                    reply.failed = true;
                    continue;
                }
            };
            if name == "changed_when" {
                reply.result.insert("changed".into(), held.into());
                continue;
            }
            if reply.failed && !held {
                reply
                    .result
                    .insert("failed_when_suppressed_exception".into(), "(traceback unavailable)".into());
                reply.causes.clear();
            }
            reply.result.insert("failed_when_result".into(), held.into());
            reply.failed = held;
        }
    }
}
