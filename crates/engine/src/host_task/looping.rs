//! Loops: the items, their variables, and what becomes of their results.

use super::{Include, Reply, TaskRun};
use crate::render::{self, RenderError};
use crate::scope;
use crate::vars::TaskScope;
use minijinja::value::Value as Templated;
use provision_source::Node;
use provision_templates::{Scope, to_json};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

impl TaskRun {
    /// All items of the loop; their results become one.
    pub(super) async fn each(&self, scope: &Arc<TaskScope>) -> (Reply, bool, Vec<Include>) {
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
            let extended = names.extended.then(|| extended(&items, index, names.all_items));
            let extended = extended.map(|info| {
                let json = to_json(&info);
                extra.push(("ansible_loop".into(), info));
                loop_vars.push(("ansible_loop".into(), json.clone()));
                json
            });
            let inner = current.with_values(extra);
            let started = Instant::now();
            let (mut reply, more) = self.once(&inner, Some(&json_item), loop_vars).await;
            reply.result.insert(names.variable.clone(), json_item.clone());
            reply.result.insert("ansible_loop_var".into(), names.variable.clone().into());
            if let Some(extended) = extended {
                reply.result.insert("ansible_loop".into(), extended);
            }
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
                self.engine.add_facts(&owner, facts);
            }
            let set = std::mem::take(&mut reply.set);
            if !set.is_empty() {
                // The next item sees them.
                let mut state = owner.state();
                for (name, value) in &set {
                    state.set(name, value.clone());
                }
                drop(state);
                current = scope::task_scope(&self.engine, &self.play, &self.host, &self.task);
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
            result.retain(|name, _| !name.starts_with("_ansible_"));
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
                let error =
                    fail(format!("The `loop` value must resolve to a 'list', not '{}'.", kind_of(&json)));
                let help = "Provide a list of items/templates, or a template resolving to a list.";
                return Err(RenderError { bare: true, help: Some(help), ..error });
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

/// Python's name of the type.
fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "NoneType",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float",
        Value::Number(_) => "int",
        Value::String(_) => "str",
        Value::Array(_) => "list",
        Value::Object(_) => "dict",
    }
}
