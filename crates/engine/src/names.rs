//! What tasks and plays are called in the output.

use crate::event::{TaskInfo, TaskKind};
use crate::render;
use crate::state::Engine;
use provision_project::{Play, Task};
use provision_source::{Node, Sources};
use provision_templates::{Scope, Templater};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// A play's name: its own, else its pattern.
pub fn play_name(play: &Play) -> String {
    match play.name.as_ref().and_then(|n| n.scalar_text()) {
        Some(name) => name.to_string(),
        None => hosts_text(&play.hosts),
    }
}

/// `hosts` as one pattern.
pub fn hosts_text(hosts: &Node) -> String {
    match hosts.as_seq() {
        Some(items) => {
            items.iter().filter_map(|n| n.scalar_text()).map(|t| t.to_string()).collect::<Vec<_>>().join(",")
        }
        None => hosts.scalar_text().unwrap_or_default().to_string(),
    }
}

/// A task's name before templating: "role : name", or the action's name.
pub fn task_name(task: &Task, name: Option<String>) -> String {
    let own = name.or_else(|| task.name.as_ref().and_then(|n| n.scalar_text()).map(|t| t.to_string()));
    let own = own.filter(|n| !n.is_empty());
    // An include of a role goes by that role, as it is written.
    if own.is_none() && task.action.full.ends_with(".include_role") {
        let role = task.args.get("name").or_else(|| task.args.get("role")).and_then(|n| n.scalar_text());
        return format!("{} : {}", task.action.name, role.unwrap_or_default());
    }
    let own = own.unwrap_or_else(|| task.action.name.to_string());
    match &task.common.role {
        Some(role) => format!("{} : {own}", role.name),
        None => own,
    }
}

/// "file:line" of a span.
pub fn line(sources: &Sources, span: provision_source::Span) -> String {
    if span.is_none() {
        return String::new();
    }
    format!("{}:{}", sources.path(span.file).display(), sources.line_col(span).0)
}

/// What reporters are told of a task about to run. `scope`: of the first host, for templates in the name.
pub fn info(
    engine: &Engine,
    task: &Task,
    scope: Option<&Arc<dyn Scope>>,
    kind: TaskKind,
    free: bool,
) -> Arc<TaskInfo> {
    let rendered = match (&task.name, scope) {
        (Some(node), Some(scope)) => name(node, scope, &engine.templater),
        _ => None,
    };
    let check = task.common.check_mode.as_ref().and_then(Node::as_bool).unwrap_or(engine.settings.check);
    Arc::new(TaskInfo {
        id: engine.task_events.fetch_add(1, Ordering::Relaxed) + 1,
        name: engine.secrets.redact(&task_name(task, rendered)),
        action: task.action.full.to_string(),
        place: line(&engine.loader.sources, task.span),
        kind,
        check,
        free,
    })
}

/// A name whose template fails stays as it is written.
fn name(node: &Node, scope: &Arc<dyn Scope>, templater: &Templater) -> Option<String> {
    render::text(node, scope, templater).ok()
}

/// A task's tags as they are written.
pub fn tags(common: &provision_project::Common) -> Vec<String> {
    crate::includes::tags(common, None)
}
