//! One task on one host: loop, `when`, retries, the call, `changed_when`, `failed_when`, `register`.

use crate::actions;
use crate::connect;
use crate::event::{Diff, Done, Event, Outcome, TaskInfo};
use crate::render::{self, RenderError};
use crate::scope;
use crate::state::{Engine, Host, PlayRun};
use crate::transport::{Identity, Target};
use crate::vars::{Layer, TaskScope};
use minijinja::value::Value as Templated;
use provision_project::Task;
use provision_source::{Node, Span};
use provision_templates::{ErrorKind, Scope, from_json, to_json, unknown_value};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What one attempt at a task gave.
#[derive(Debug, Clone, Default)]
pub struct Reply {
    pub result: Map<String, Value>,
    pub failed: bool,
    pub unreachable: bool,
    pub skipped: bool,
    pub diff: Vec<Diff>,
    /// Facts to keep for the host.
    pub facts: Option<Map<String, Value>>,
    /// `set_fact` and the like: kept as variables.
    pub set: Vec<(String, Templated)>,
    /// What a dynamic include asks for.
    pub include: Option<Include>,
    /// How many such wishes the task's items had.
    pub includes: usize,
    /// The result is not known until the run is real.
    pub unknown: Option<String>,
}

impl Reply {
    pub fn ok(result: Map<String, Value>) -> Self {
        Self { result, ..Self::default() }
    }

    pub fn fail(msg: impl Into<String>) -> Self {
        let mut result = Map::new();
        result.insert("msg".into(), msg.into().into());
        Self { result, failed: true, ..Self::default() }
    }

    pub fn skip(result: Map<String, Value>) -> Self {
        Self { result, skipped: true, ..Self::default() }
    }

    pub fn changed(&self) -> bool {
        self.result.get("changed").and_then(Value::as_bool).unwrap_or(false)
    }
}

/// A dynamic include, resolved for one host and item.
#[derive(Debug, Clone)]
pub struct Include {
    pub args: Map<String, Value>,
    /// Loop variables, handed down to the included tasks.
    pub vars: Vec<(String, Value)>,
    pub item: Option<Value>,
}

/// A host's way out of a task.
#[derive(Debug, Default)]
pub struct HostDone {
    pub outcome: Option<Outcome>,
    pub includes: Vec<Include>,
    pub result: Map<String, Value>,
}

/// Everything around one task on one host.
pub struct TaskRun {
    pub engine: Arc<Engine>,
    pub play: Arc<PlayRun>,
    pub host: Arc<Host>,
    pub task: Arc<Task>,
    pub info: Arc<TaskInfo>,
    /// An enclosing block can rescue a failure.
    pub rescuable: bool,
}

/// One iteration, ready to act.
pub struct Attempt<'a> {
    pub run: &'a TaskRun,
    pub scope: Arc<TaskScope>,
    pub dynamic: Arc<dyn Scope>,
    pub target: Target,
    pub identity: Identity,
    pub check: bool,
    pub diff: bool,
    pub env: BTreeMap<String, String>,
    pub timeout: Option<Duration>,
    pub loop_vars: Vec<(String, Value)>,
    pub item: Option<Value>,
    pub no_log: bool,
}

impl TaskRun {
    /// Runs the task and tells of it.
    pub async fn run(&self) -> HostDone {
        let started = Instant::now();
        let scope = scope::task_scope(&self.engine, &self.play, &self.host, &self.task.common);
        self.engine.emit(&Event::HostStart { task: self.info.id, host: self.host.name.clone() });
        let (mut reply, looped, includes) = match &self.task.looping {
            None => {
                let (reply, include) = self.once(&scope, None, Vec::new()).await;
                (reply, false, include.into_iter().collect())
            }
            Some(_) => self.each(&scope).await,
        };
        reply.includes = includes.len();
        let outcome = self.finish(&mut reply, &scope, looped, started);
        HostDone { outcome: Some(outcome), includes, result: reply.result }
    }

    /// All items of the loop; their results become one.
    async fn each(&self, scope: &Arc<TaskScope>) -> (Reply, bool, Vec<Include>) {
        let items = match self.items(scope) {
            Ok(items) => items,
            Err(error) => {
                // A task that is skipped anyway need not have a loop that can be evaluated.
                if let Ok(Some(skipped)) = self.skip_reason(scope) {
                    return (Reply::skip(skipped), false, Vec::new());
                }
                return (self.render_failure(&error), false, Vec::new());
            }
        };
        let names = match self.loop_names(scope) {
            Ok(names) => names,
            Err(error) => return (self.render_failure(&error), false, Vec::new()),
        };
        let dynamic: Arc<dyn Scope> = scope.clone();
        let count = items.len();
        let mut current = scope.clone();
        let mut results = Vec::with_capacity(count);
        let mut all = Reply::default();
        let mut includes = Vec::new();
        let mut skipped = 0;
        let (mut changed, mut failed) = (false, false);
        for (index, item) in items.iter().enumerate() {
            if index > 0
                && let Some(seconds) = names.pause
            {
                tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
            }
            let json_item = to_json(item);
            let mut extra: Vec<(Arc<str>, Templated)> = vec![
                (names.variable.as_str().into(), item.clone()),
                ("ansible_loop_var".into(), Templated::from(names.variable.as_str())),
            ];
            let mut loop_vars = vec![(names.variable.clone(), json_item.clone())];
            if let Some(index_var) = &names.index {
                extra.push((index_var.as_str().into(), Templated::from(index)));
                extra.push(("ansible_index_var".into(), Templated::from(index_var.as_str())));
                loop_vars.push((index_var.clone(), json!(index)));
            }
            if names.extended {
                let info = extended(&items, index, names.all_items);
                loop_vars.push(("ansible_loop".into(), to_json(&info)));
                extra.push(("ansible_loop".into(), info));
            }
            let inner = current.with_values(extra);
            let started = Instant::now();
            let (mut reply, more) = self.once(&inner, Some(&json_item), loop_vars).await;
            reply.result.insert(names.variable.clone(), json_item.clone());
            reply.result.insert("ansible_loop_var".into(), names.variable.clone().into());
            if let Some(index_var) = &names.index {
                reply.result.insert(index_var.clone(), json!(index));
                reply.result.insert("ansible_index_var".into(), index_var.clone().into());
            }
            let include = more.is_some();
            includes.extend(more);
            changed |= reply.changed();
            failed |= reply.failed;
            skipped += usize::from(reply.skipped);
            all.unreachable |= reply.unreachable;
            let owner = self.owner(&inner);
            if let Some(facts) = reply.facts.take() {
                owner.state().add_facts(facts.into_iter().map(|(name, value)| (name, from_json(value))));
            }
            let set = std::mem::take(&mut reply.set);
            if !set.is_empty() {
                // The next item sees them.
                let mut state = owner.state();
                for (name, value) in &set {
                    state.set(name, value.clone());
                }
                drop(state);
                current = scope::task_scope(&self.engine, &self.play, &self.host, &self.task.common);
            }
            all.diff.append(&mut reply.diff.clone());
            if all.unknown.is_none() {
                all.unknown.clone_from(&reply.unknown);
            }
            let stop = self.break_now(&inner, &reply);
            let label = self.label(&inner, json_item, &mut reply);
            failed |= reply.failed;
            if let Some(wish) = includes.last_mut().filter(|_| include) {
                wish.item = Some(label.clone());
            }
            if !include || reply.failed {
                self.tell_item(&inner, &reply, label, started);
            }
            let unreachable = reply.unreachable;
            let mut result = reply.result;
            result.insert("failed".into(), reply.failed.into());
            results.push(Value::Object(result));
            if unreachable || stop || self.engine.is_interrupted() {
                break;
            }
        }
        drop(dynamic);
        let result = &mut all.result;
        result.insert("changed".into(), changed.into());
        all.failed = failed;
        if count == 0 {
            result.insert("skipped".into(), true.into());
            result.insert("skipped_reason".into(), "No items in the list".into());
            all.skipped = true;
        } else if skipped == results.len() {
            result.insert("msg".into(), "All items skipped".into());
            result.insert("skipped".into(), true.into());
            all.skipped = true;
        } else {
            let text = if failed { "One or more items failed" } else { "All items completed" };
            result.insert("msg".into(), text.into());
            result.insert("skipped".into(), false.into());
        }
        result.insert("results".into(), Value::Array(results));
        (all, count > 0, includes)
    }

    /// What is shown of an item; a label that cannot be rendered is the item's failure.
    fn label(&self, scope: &Arc<TaskScope>, item: Value, reply: &mut Reply) -> Value {
        let Some(node) = &self.task.control.label else { return item };
        let dynamic: Arc<dyn Scope> = scope.clone();
        match render::json(node, &dynamic, &self.engine.templater) {
            Ok(label) => label,
            Err(error) => {
                let failure = self.render_failure(&error);
                reply.failed |= failure.failed;
                reply.result.extend(failure.result);
                Value::Null
            }
        }
    }

    fn break_now(&self, scope: &Arc<TaskScope>, reply: &Reply) -> bool {
        let conditions = &self.task.control.break_when;
        if conditions.is_empty() {
            return false;
        }
        let dynamic: Arc<dyn Scope> = self.with_result(scope, reply);
        conditions.iter().all(|node| self.condition(node, &dynamic).unwrap_or(false))
    }

    /// One iteration with its retries.
    async fn once(
        &self,
        scope: &Arc<TaskScope>,
        item: Option<&Value>,
        loop_vars: Vec<(String, Value)>,
    ) -> (Reply, Option<Include>) {
        match self.skip_reason(scope) {
            Ok(Some(result)) => return (Reply::skip(result), None),
            Ok(None) => {}
            Err(error) => return (self.render_failure(&error), None),
        }
        let mut attempt = match self.attempt(scope, item, loop_vars) {
            Ok(attempt) => attempt,
            Err(error) => return (self.render_failure(&error), None),
        };
        let (retries, delay) = match self.retry_plan(scope) {
            Ok(plan) => plan,
            Err(error) => return (self.render_failure(&error), None),
        };
        let mut tries = 0;
        loop {
            tries += 1;
            let mut reply = match self.arguments(&attempt) {
                Ok(args) => actions::perform(&mut attempt, args).await,
                Err(error) => self.render_failure(&error),
            };
            if !reply.unreachable && !reply.skipped {
                if let Err(error) = self.judge(scope, &mut reply) {
                    // What the module did stays known, above all that it changed something.
                    let failure = self.render_failure(&error);
                    let changed = reply.changed();
                    reply.result.extend(failure.result);
                    reply.result.insert("changed".into(), changed.into());
                    (reply.failed, reply.skipped) = (failure.failed, failure.skipped);
                    reply.unknown = reply.unknown.or(failure.unknown);
                }
                if retries > 0 || !self.task.until.is_empty() {
                    reply.result.insert("attempts".into(), tries.into());
                    let met = if self.task.until.is_empty() {
                        Ok(!reply.failed)
                    } else {
                        let dynamic: Arc<dyn Scope> = self.with_result(scope, &reply);
                        self.all_true(&self.task.until, &dynamic)
                    };
                    match met {
                        Ok(true) => {}
                        // In a dry run what the condition waits for never comes.
                        Ok(false)
                            if tries <= retries
                                && reply.unknown.is_none()
                                && !self.engine.is_interrupted() =>
                        {
                            self.engine.emit(&Event::Retry {
                                task: self.info.id,
                                host: self.host.name.clone(),
                                attempts_left: retries + 1 - tries,
                                attempts: tries,
                                result: self.shown(&reply, attempt.no_log),
                            });
                            tokio::time::sleep(Duration::from_secs_f64(delay)).await;
                            continue;
                        }
                        Ok(false) => {
                            if !self.task.until.is_empty() && reply.unknown.is_none() {
                                reply.failed = true;
                            }
                            // The first try is not counted when all were in vain.
                            if reply.failed && retries > 0 {
                                reply.result.insert("attempts".into(), retries.into());
                            }
                        }
                        Err(error) => reply = self.render_failure(&error),
                    }
                }
            }
            if attempt.no_log {
                self.engine.secrets.add_value(&secret_strings(&reply.result));
            }
            let include = reply.include.take();
            return (reply, include);
        }
    }

    /// `until` means up to three more tries, five seconds apart, unless said otherwise.
    fn retry_plan(&self, scope: &Arc<TaskScope>) -> Result<(u64, f64), RenderError> {
        let dynamic: Arc<dyn Scope> = scope.clone();
        let number = |node: &Option<Node>| -> Result<Option<f64>, RenderError> {
            let Some(node) = node else { return Ok(None) };
            let value = render::json(node, &dynamic, &self.engine.templater)?;
            let number = value.as_f64().or_else(|| value.as_str().and_then(|t| t.trim().parse().ok()));
            number.map(Some).ok_or_else(|| {
                RenderError::at(
                    provision_templates::TemplateError::runtime(format!(
                        "`{}` is no number",
                        render::plain(&value)
                    )),
                    node,
                )
            })
        };
        let retries = number(&self.task.retries)?;
        let delay = number(&self.task.delay)?.unwrap_or(5.0).max(0.0);
        let retries = match retries {
            Some(n) => n.max(0.0) as u64,
            None if self.task.until.is_empty() => 0,
            None => 3,
        };
        Ok((retries, delay))
    }

    /// Everything but the arguments.
    fn attempt(
        &self,
        scope: &Arc<TaskScope>,
        item: Option<&Value>,
        loop_vars: Vec<(String, Value)>,
    ) -> Result<Attempt<'_>, RenderError> {
        let engine = &self.engine;
        let common = &self.task.common;
        let dynamic: Arc<dyn Scope> = scope.clone();
        let flag = |node: &Option<Node>, default: bool| match node {
            Some(node) if !node.is_null() => render::boolean(node, &dynamic, &engine.templater),
            _ => Ok(default),
        };
        let delegate = match &common.delegate_to {
            Some(node) if !node.is_null() => {
                Some(render::text(node, &dynamic, &engine.templater)?).filter(|t| !t.is_empty())
            }
            _ => None,
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
            env: self.environment(&dynamic)?,
            scope: scope.clone(),
            dynamic,
            target,
            identity,
            timeout,
            loop_vars,
            item: item.cloned(),
        })
    }

    fn environment(&self, dynamic: &Arc<dyn Scope>) -> Result<BTreeMap<String, String>, RenderError> {
        let mut env = BTreeMap::new();
        for node in &self.task.common.environment {
            match render::json(node, dynamic, &self.engine.templater)? {
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
    fn arguments(&self, attempt: &Attempt<'_>) -> Result<Map<String, Value>, RenderError> {
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
            let value = render::node(node, &attempt.dynamic, templater)?;
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
            let text = render::text(free, &attempt.dynamic, templater)?;
            args.insert(actions::free_option(&task.action.full).to_owned(), text.into());
        }
        Ok(args)
    }

    /// Why the task is skipped here, if it is.
    fn skip_reason(&self, scope: &Arc<TaskScope>) -> Result<Option<Map<String, Value>>, RenderError> {
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
    fn condition(&self, node: &Node, dynamic: &Arc<dyn Scope>) -> Result<bool, RenderError> {
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

    fn all_true(&self, nodes: &[Node], dynamic: &Arc<dyn Scope>) -> Result<bool, RenderError> {
        for node in nodes {
            if !self.condition(node, dynamic)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The scope that conditions on a result see: the registered variable, and facts just set.
    fn with_result(&self, scope: &Arc<TaskScope>, reply: &Reply) -> Arc<TaskScope> {
        let mut extra: Vec<(Arc<str>, Templated)> =
            reply.set.iter().map(|(k, v)| (k.as_str().into(), v.clone())).collect();
        if let Some(name) = &self.task.register {
            extra.push((name.clone(), registered(reply)));
        }
        scope.with_values(extra)
    }

    /// `failed_when` and `changed_when`.
    fn judge(&self, scope: &Arc<TaskScope>, reply: &mut Reply) -> Result<(), RenderError> {
        if !reply.result.contains_key("changed") {
            reply.result.insert("changed".into(), false.into());
        }
        let judged = |nodes: &[Node], reply: &Reply| -> Result<Option<bool>, RenderError> {
            if nodes.is_empty() {
                return Ok(None);
            }
            let dynamic: Arc<dyn Scope> = self.with_result(scope, reply);
            match self.all_true(nodes, &dynamic) {
                Ok(value) => Ok(Some(value)),
                Err(error) if matches!(error.error.kind, ErrorKind::Unknown { .. }) => Ok(None),
                Err(error) => Err(error),
            }
        };
        if let Some(changed) = judged(&self.task.changed_when, reply)? {
            reply.result.insert("changed".into(), changed.into());
        }
        if let Some(failed) = judged(&self.task.failed_when, reply)? {
            reply.result.insert("failed_when_result".into(), failed.into());
            reply.failed = failed;
        }
        Ok(())
    }

    /// The loop's items.
    fn items(&self, scope: &Arc<TaskScope>) -> Result<Vec<Templated>, RenderError> {
        let Some(looping) = &self.task.looping else { return Ok(Vec::new()) };
        let dynamic: Arc<dyn Scope> = scope.clone();
        let templater = &self.engine.templater;
        let node = &looping.items;
        let fail = |text: String| RenderError::at(provision_templates::TemplateError::runtime(text), node);
        let Some(lookup) = &looping.lookup else {
            let value = render::node(node, &dynamic, templater)?;
            if let Some(reason) = provision_templates::is_unknown(&value) {
                return Err(RenderError::at(provision_templates::TemplateError::unknown(reason), node));
            }
            if value.kind() != minijinja::value::ValueKind::Seq
                && value.kind() != minijinja::value::ValueKind::Iterable
            {
                let json = to_json(&value);
                return Err(fail(format!(
                    "`loop` needs a list, not {}; with_dict or `| dict2items` turn a mapping into one",
                    kind_of(&json)
                )));
            }
            return Ok(value.try_iter().map_err(|e| fail(e.to_string()))?.collect());
        };
        let name = lookup.rsplit('.').next().unwrap_or(lookup);
        // Terms are the list's elements; a single value is a list of one.
        let terms: Vec<Templated> = match &node.value {
            provision_source::Yaml::Seq(items) => {
                let mut terms = Vec::new();
                for item in items.iter() {
                    terms.push(render::node(item, &dynamic, templater)?);
                }
                terms
            }
            _ => {
                let value = render::node(node, &dynamic, templater)?;
                let listy = value.kind() == minijinja::value::ValueKind::Seq && !matches!(name, "dict");
                if listy { value.try_iter().map_err(|e| fail(e.to_string()))?.collect() } else { vec![value] }
            }
        };
        let terms: Templated = terms.into_iter().collect();
        let inner = scope.with_values([("_terms".into(), terms)]);
        let dynamic: Arc<dyn Scope> = inner;
        let found = templater
            .eval(&format!("query('{name}', *_terms)"), &dynamic)
            .map_err(|error| RenderError::at(error.without_place(), node))?;
        Ok(found.try_iter().map_err(|e| fail(e.to_string()))?.collect())
    }

    fn loop_names(&self, scope: &Arc<TaskScope>) -> Result<LoopNames, RenderError> {
        let dynamic: Arc<dyn Scope> = scope.clone();
        let control = &self.task.control;
        let text = |node: &Option<Node>| match node {
            Some(node) => render::text(node, &dynamic, &self.engine.templater).map(Some),
            None => Ok(None),
        };
        Ok(LoopNames {
            variable: text(&control.loop_var)?.unwrap_or_else(|| "item".to_owned()),
            index: text(&control.index_var)?,
            pause: text(&control.pause)?.and_then(|t| t.parse().ok()),
            extended: match &control.extended {
                Some(node) => render::boolean(node, &dynamic, &self.engine.templater)?,
                None => false,
            },
            all_items: match &control.extended_allitems {
                Some(node) => render::boolean(node, &dynamic, &self.engine.templater)?,
                None => true,
            },
        })
    }

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
        let mut reply = Reply::fail(self.message(error));
        reply.result.insert("changed".into(), false.into());
        reply
    }

    fn message(&self, error: &RenderError) -> String {
        let sources = &self.engine.loader.sources;
        let span = if error.span.is_none() { self.task.span } else { error.span };
        let mut text = error.error.message.clone();
        if let Some(template) = &error.error.template {
            let line = error.error.line.map(|l| format!(":{l}")).unwrap_or_default();
            text.push_str(&format!(" (in {template}{line})"));
        }
        if let ErrorKind::Undefined { name } = &error.error.kind {
            let scope = scope::task_scope(&self.engine, &self.play, &self.host, &self.task.common);
            let names = scope.names();
            if let Some(near) = provision_source::nearest(name, names.iter().map(String::as_str)) {
                text.push_str(&format!(". Did you mean `{near}`?"));
            }
        }
        let place = sources.location(span);
        if place.is_empty() { text } else { format!("{text}\n  at {place}") }
    }

    /// `file:line` of a span, for messages.
    pub fn place(&self, span: Span) -> String {
        self.engine.loader.sources.location(span)
    }

    fn shown(&self, reply: &Reply, no_log: bool) -> Map<String, Value> {
        if no_log {
            let mut hidden = Map::new();
            hidden.insert(
                "censored".into(),
                "the output has been hidden due to the fact that 'no_log: true' was specified for this result".into(),
            );
            hidden.insert("changed".into(), reply.changed().into());
            return hidden;
        }
        self.engine.secrets.redact_map(&reply.result)
    }

    fn no_log(&self, scope: &Arc<TaskScope>) -> bool {
        let dynamic: Arc<dyn Scope> = scope.clone();
        // Better to hide too much than too little.
        self.task
            .common
            .no_log
            .as_ref()
            .is_some_and(|node| render::boolean(node, &dynamic, &self.engine.templater).unwrap_or(true))
    }

    fn shown_diff(&self, reply: &Reply, no_log: bool) -> Vec<Diff> {
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

    fn tell_item(&self, scope: &Arc<TaskScope>, reply: &Reply, label: Value, started: Instant) {
        let no_log = self.no_log(scope);
        let label =
            if no_log { "(censored due to no_log)".into() } else { self.engine.secrets.redact_value(&label) };
        self.engine.emit(&Event::Item(Box::new(Done {
            task: self.info.id,
            host: self.host.name.clone(),
            delegated_to: self.delegated(scope),
            outcome: outcome(reply, self.ignores(scope)),
            item: Some(label),
            looped: false,
            result: self.shown(reply, no_log),
            diff: self.shown_diff(reply, no_log),
            seconds: started.elapsed().as_secs_f64(),
            rescued: false,
        })));
    }

    /// The other host that the task works on, in a scope that has the loop's variables.
    fn delegated(&self, scope: &Arc<TaskScope>) -> Option<String> {
        let node = self.task.common.delegate_to.as_ref()?;
        let scope: Arc<dyn Scope> = scope.clone();
        let name = render::text(node, &scope, &self.engine.templater).ok()?;
        (!name.is_empty() && *name != *self.host.name).then_some(name)
    }

    fn ignores(&self, scope: &Arc<TaskScope>) -> bool {
        let dynamic: Arc<dyn Scope> = scope.clone();
        self.task
            .common
            .ignore_errors
            .as_ref()
            .is_some_and(|node| render::boolean(node, &dynamic, &self.engine.templater).unwrap_or(false))
    }

    /// Registers, counts, notifies and tells.
    fn finish(&self, reply: &mut Reply, scope: &Arc<TaskScope>, looped: bool, started: Instant) -> Outcome {
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
        }
        self.engine.emit(&Event::Host(Box::new(Done {
            task: self.info.id,
            host: self.host.name.clone(),
            delegated_to: self.delegated(scope),
            outcome,
            item: None,
            looped,
            result: self.shown(reply, no_log),
            diff: if looped { Vec::new() } else { self.shown_diff(reply, no_log) },
            seconds: started.elapsed().as_secs_f64(),
            rescued,
        })));
        outcome
    }

    /// Facts, set_fact and register.
    fn keep(&self, reply: &mut Reply, owner: &Host) {
        let mut state = owner.state();
        if let Some(facts) = reply.facts.take() {
            state.add_facts(facts.into_iter().map(|(name, value)| (name, from_json(value))));
        }
        for (name, value) in std::mem::take(&mut reply.set) {
            state.set(&name, value);
        }
        drop(state);
        if let Some(name) = &self.task.register {
            self.host.state().set(name, registered(reply));
        }
    }

    /// Whose facts a result brings: the delegate's with `delegate_facts`.
    fn owner(&self, scope: &Arc<TaskScope>) -> Arc<Host> {
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
        for node in &self.task.notify {
            let names = match render::json(node, dynamic, &self.engine.templater) {
                Ok(Value::Array(items)) => items.iter().map(render::plain).collect(),
                Ok(value) => vec![render::plain(&value)],
                Err(error) => {
                    self.engine.warn(self.message(&error), Some(self.place(node.span)));
                    continue;
                }
            };
            for name in names {
                let ids = self.handlers_named(&handlers, &name, dynamic);
                if ids.is_empty() {
                    let text = format!(
                        "the requested handler '{name}' was not found in either the main handlers list nor in the listening handlers list"
                    );
                    let mut state = self.host.state();
                    state.failed = true;
                    state.stats.failed += 1;
                    drop(state);
                    self.engine.warn(text, Some(self.place(node.span)));
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
                Some(items) => items.iter().any(|item| text(item) == wanted),
                None => text(node) == wanted,
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

struct LoopNames {
    variable: String,
    index: Option<String>,
    pause: Option<f64>,
    extended: bool,
    /// `ansible_loop.allitems`, which some leave out of long loops.
    all_items: bool,
}

/// `ansible_loop`.
fn extended(items: &[Templated], index: usize, all_items: bool) -> Templated {
    let count = items.len();
    let mut pairs: Vec<(&str, Templated)> = vec![
        ("index", Templated::from(index + 1)),
        ("index0", Templated::from(index)),
        ("revindex", Templated::from(count - index)),
        ("revindex0", Templated::from(count - index - 1)),
        ("first", Templated::from(index == 0)),
        ("last", Templated::from(index + 1 == count)),
        ("length", Templated::from(count)),
    ];
    if all_items {
        pairs.push(("allitems", items.iter().cloned().collect()));
    }
    if index + 1 < count {
        pairs.push(("nextitem", items[index + 1].clone()));
    }
    if index > 0 {
        pairs.push(("previtem", items[index - 1].clone()));
    }
    provision_templates::mapping(pairs)
}

/// How a reply counts.
fn outcome(reply: &Reply, ignore_errors: bool) -> Outcome {
    match () {
        () if reply.unreachable => Outcome::Unreachable,
        () if reply.failed && ignore_errors => Outcome::Ignored,
        () if reply.failed => Outcome::Failed,
        () if reply.skipped => Outcome::Skipped,
        () if reply.changed() => Outcome::Changed,
        () => Outcome::Ok,
    }
}

/// What `register` keeps. In a dry run what the command would have answered is unknown, not absent.
pub fn registered(reply: &Reply) -> Templated {
    let mut result = reply.result.clone();
    result.insert("failed".into(), reply.failed.into());
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

/// The strings of a no_log result that look like content, not like Ansible's own words.
fn secret_strings(result: &Map<String, Value>) -> Value {
    let keep = |name: &str| matches!(name, "stdout" | "content" | "password" | "value");
    Value::Object(result.iter().filter(|(name, _)| keep(name)).map(|(n, v)| (n.clone(), v.clone())).collect())
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping",
    }
}
