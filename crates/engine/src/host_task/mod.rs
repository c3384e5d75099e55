//! One task on one host: loop, `when`, retries, the call, `changed_when`, `failed_when`, `register`.

mod attempt;
mod judge;
mod looping;
mod register;
mod tell;

use crate::actions;
use crate::event::{Cause, Diff, Event, Outcome, TaskInfo};
use crate::render::{self, RenderError};
use crate::scope;
use crate::state::{Engine, Host, PlayRun};
use crate::transport::{Identity, Target};
use crate::vars::TaskScope;
use minijinja::value::Value as Templated;
use provision_project::Task;
use provision_source::Node;
use provision_templates::Scope;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What one attempt at a task gave.
#[derive(Debug, Clone, Default)]
pub struct Reply {
    pub result: Map<String, Value>,
    pub failed: bool,
    /// It was the module that failed, on the target.
    pub by_module: bool,
    /// Neither a module nor an action failed: the task could not be done.
    pub by_nobody: bool,
    pub unreachable: bool,
    /// Why it failed when no module and no action has said so.
    pub causes: Vec<Cause>,
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
    /// The result came from encrypted files: it is shown as under `no_log`.
    pub hidden: bool,
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

/// How a task runs in the background.
#[derive(Debug, Clone, Copy)]
pub struct Background {
    /// It is ended after so many seconds.
    pub limit: u64,
    /// Ask after it every so often; None: do not wait for it.
    pub poll: Option<Duration>,
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
    /// `async` and `poll`.
    pub background: Option<Background>,
    pub loop_vars: Vec<(String, Value)>,
    pub item: Option<Value>,
    pub no_log: bool,
}

impl TaskRun {
    /// Runs the task and tells of it.
    pub async fn run(&self) -> HostDone {
        let started = Instant::now();
        let scope = scope::task_scope(&self.engine, &self.play, &self.host, &self.task);
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
                self.judge(scope, &mut reply);
                if retries > 0 {
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
                            let mut result = self.shown(&reply, attempt.no_log);
                            result.insert("retries".into(), (retries + 1).into());
                            self.engine.emit(&Event::Retry {
                                task: self.info.id,
                                host: self.host.name.clone(),
                                attempts_left: retries + 1 - tries,
                                attempts: tries,
                                result,
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

    /// A keyword that is a number.
    fn number(&self, node: &Option<Node>, dynamic: &Arc<dyn Scope>) -> Result<Option<f64>, RenderError> {
        let Some(node) = node.as_ref().filter(|node| !node.is_null()) else { return Ok(None) };
        let value = render::json(node, dynamic, &self.engine.templater)?;
        let number = value.as_f64().or_else(|| value.as_str().and_then(|t| t.trim().parse().ok()));
        number.map(Some).ok_or_else(|| {
            let text = format!("`{}` is no number", render::plain(&value));
            RenderError::at(provision_templates::TemplateError::runtime(text), node)
        })
    }

    /// `until` means up to three more tries, five seconds apart, unless said otherwise.
    fn retry_plan(&self, scope: &Arc<TaskScope>) -> Result<(u64, f64), RenderError> {
        let dynamic: Arc<dyn Scope> = scope.clone();
        let retries = self.number(&self.task.retries, &dynamic)?;
        let delay = self.number(&self.task.delay, &dynamic)?.unwrap_or(5.0).max(0.0);
        let retries = match retries {
            Some(n) => n.max(0.0) as u64,
            None if self.task.until.is_empty() => 0,
            None => 3,
        };
        Ok((retries, delay))
    }
}

/// The strings of a no_log result that look like content, not like Ansible's own words.
fn secret_strings(result: &Map<String, Value>) -> Value {
    let keep = |name: &str| matches!(name, "stdout" | "content" | "password" | "value");
    Value::Object(result.iter().filter(|(name, _)| keep(name)).map(|(n, v)| (n.clone(), v.clone())).collect())
}
