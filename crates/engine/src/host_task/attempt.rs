//! What one iteration works with: target, identity, environment, arguments.

use super::{Attempt, Background, TaskRun};
use crate::actions;
use crate::connect;
use crate::render::{self, RenderError};
use crate::scope;
use crate::vars::{AllVars, Layer, TaskScope};
use provision_source::Node;
use provision_templates::{Scope, from_json, to_json};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Seconds between two questions after a job, where nothing is said.
const DEFAULT_POLL: f64 = 15.0;

impl TaskRun {
    /// Everything but the arguments.
    pub(super) fn attempt(
        &self,
        scope: &Arc<TaskScope>,
        item: Option<&Value>,
        loop_vars: Vec<(String, Value)>,
    ) -> Result<Attempt<'_>, RenderError> {
        let engine = &self.engine;
        let common = &self.task.common;
        let mut scope = scope.clone();
        let mut dynamic: Arc<dyn Scope> = scope.clone();
        let delegate = match &common.delegate_to {
            Some(node) if !node.is_null() => {
                Some(render::text(node, &dynamic, &engine.templater)?).filter(|t| !t.is_empty())
            }
            _ => None,
        };
        if let Some(name) = &delegate {
            let host = engine.host(name);
            let of_host = scope::host_scope(engine, Some(&self.play), &host);
            let of_host = match of_host.raw("ansible_host") {
                Some(_) => of_host,
                None => of_host.with_values([("ansible_host".into(), name.as_str().into())]),
            };
            let all = provision_templates::mapping([(name.as_str(), AllVars(of_host))]);
            scope = scope.with_values([("ansible_delegated_vars".into(), all)]);
            dynamic = scope.clone();
        }
        let scope = &scope;
        let flag = |node: &Option<Node>, default: bool| match node {
            Some(node) if !node.is_null() => render::boolean(node, &dynamic, &engine.templater),
            _ => Ok(default),
        };
        let target = match &delegate {
            Some(name) if **name != *self.host.name => {
                let host = engine.host(name);
                let other = scope::host_scope(engine, Some(&self.play), &host);
                connect::target(engine, name, &other, None)?
            }
            _ => connect::target(engine, &self.host.name, scope, Some(common))?,
        };
        let identity = match &delegate {
            // The keywords are the task's, the passwords the delegate's.
            Some(name) if **name != *self.host.name => {
                let host = engine.host(name);
                let mut other = scope::host_scope(engine, Some(&self.play), &host);
                for vars in &common.vars {
                    other = other.with(Layer::Nodes(vars.clone()));
                }
                connect::identity(engine, &other, Some(common))?
            }
            _ => connect::identity(engine, scope, Some(common))?,
        };
        let background = match self.number(&self.task.background, &dynamic)? {
            Some(limit) if limit > 0.0 => {
                let poll = self.number(&self.task.poll, &dynamic)?.unwrap_or(DEFAULT_POLL);
                let poll = (poll > 0.0).then(|| Duration::from_secs_f64(poll));
                Some(Background { limit: limit as u64, poll })
            }
            _ => None,
        };
        let mut env = self.environment(&dynamic)?;
        if let Some(dir) =
            scope.get("ansible_async_dir").map_err(|error| RenderError::spanned(error, self.task.span))?
        {
            env.entry("ANSIBLE_ASYNC_DIR".to_owned()).or_insert_with(|| provision_templates::to_text(&dir));
        }
        let timeout = match &common.timeout {
            Some(node) if !node.is_null() => {
                let value = render::json(node, &dynamic, &engine.templater)?;
                let seconds =
                    value.as_f64().or_else(|| value.as_str().and_then(|t| t.parse().ok())).unwrap_or(0.0);
                (seconds > 0.0).then(|| Duration::from_secs_f64(seconds))
            }
            _ => None,
        };
        Ok(Attempt {
            run: self,
            check: flag(&common.check_mode, engine.settings.check)?,
            diff: flag(&common.diff, engine.settings.diff)?,
            no_log: flag(&common.no_log, false)?,
            env,
            scope: scope.clone(),
            dynamic,
            target,
            identity,
            timeout,
            background,
            loop_vars,
            item: item.cloned(),
        })
    }

    fn environment(&self, dynamic: &Arc<dyn Scope>) -> Result<BTreeMap<String, String>, RenderError> {
        let mut env = BTreeMap::new();
        for node in &self.task.common.environment {
            let value = render::json(node, dynamic, &self.engine.templater)
                .map_err(|error| error.within("Error processing keyword 'environment'", node.span))?;
            match value {
                Value::Object(map) => {
                    env.extend(
                        map.into_iter()
                            .map(|(name, value)| (name, provision_templates::to_text(&from_json(value)))),
                    );
                }
                Value::Null => {}
                other => {
                    let error = format!("environment must be a mapping, not {}", render::plain(&other));
                    return Err(RenderError::at(provision_templates::TemplateError::runtime(error), node));
                }
            }
        }
        Ok(env)
    }

    /// The arguments, templated.
    pub(super) fn arguments(&self, attempt: &Attempt<'_>) -> Result<Map<String, Value>, RenderError> {
        self.finalized(attempt).map_err(|error| {
            let action = &self.task.action;
            error.within(format!("Finalization of task args for '{}' failed", action.full), action.span)
        })
    }

    fn finalized(&self, attempt: &Attempt<'_>) -> Result<Map<String, Value>, RenderError> {
        let (task, templater) = (&self.task, &self.engine.templater);
        let mut args = Map::new();
        for node in &task.common.module_defaults {
            let Value::Object(all) = render::json(node, &attempt.dynamic, templater)? else { continue };
            for (name, defaults) in all {
                let same = actions::find(&name).is_some_and(|known| known.full == &*task.action.full);
                if let (true, Value::Object(defaults)) = (same, defaults) {
                    args.extend(defaults);
                }
            }
        }
        if let Some(whole) = &task.args.whole {
            match render::json(whole, &attempt.dynamic, templater)? {
                Value::Object(map) => args.extend(map),
                Value::Null => {}
                other => {
                    let error = format!("arguments must be a mapping, not {}", render::plain(&other));
                    return Err(RenderError::at(provision_templates::TemplateError::runtime(error), whole));
                }
            }
        }
        for (name, _, node) in &task.args.named {
            // Conditions are expressions already: assert's `that`, debug's `var`.
            if actions::keeps_raw(&task.action.full, name) {
                args.insert(name.to_string(), node.to_json());
                continue;
            }
            let value =
                render::node(node, &attempt.dynamic, templater).map_err(|e| resolving(e, name, node))?;
            if let Some(reason) = render::unknown_in(&value) {
                return Err(RenderError::at(provision_templates::TemplateError::unknown(reason), node));
            }
            // `set_fact` may make up its names.
            let name = match provision_templates::is_template(name) {
                true => render::text(&Node::str(name.clone()).at(node.span), &attempt.dynamic, templater)?,
                false => name.to_string(),
            };
            if provision_templates::is_omit(&value) {
                args.remove(&name);
            } else {
                args.insert(name, to_json(&value));
            }
        }
        if let Some(free) = &task.args.free {
            let text = render::text(free, &attempt.dynamic, templater)
                .map_err(|e| resolving(e, "_raw_params", free))?;
            args.insert(actions::free_option(&task.action.full).to_owned(), text.into());
        }
        Ok(args)
    }
}

fn resolving(error: RenderError, option: &str, node: &Node) -> RenderError {
    // A mapping or list begins with its first entry.
    let first = match &node.value {
        provision_source::Yaml::Map(map) => map.iter().next().map(|(key, _)| key.span),
        provision_source::Yaml::Seq(items) => items.first().map(|item| item.span),
        _ => None,
    };
    error.within(format!("Error while resolving value for '{option}'"), first.unwrap_or(node.span))
}
