//! Dynamic includes: files and roles that come in while the play runs.

use crate::event::Event;
use crate::host_task::Include;
use crate::render;
use crate::scope;
use crate::state::{Engine, Host, PlayRun};
use provision_project::{Common, Item, RoleUse, Task, Vars};
use provision_source::{Diagnostics, Node, Yaml};
use serde_json::{Map, Value};
use std::sync::Arc;

/// Items to run on some of the hosts.
pub struct Included {
    pub items: Vec<Item>,
    pub hosts: Vec<Arc<Host>>,
}

/// The include that is resolved.
pub struct Of<'a> {
    pub engine: &'a Arc<Engine>,
    pub play: &'a Arc<PlayRun>,
    pub task: &'a Arc<Task>,
    /// The task's number in events.
    pub id: u64,
}

/// Puts together what the hosts asked for: those that want the same file with the same variables run it together.
pub fn resolve(of: &Of<'_>, wanted: Vec<(Arc<Host>, Vec<Include>)>) -> Vec<Included> {
    let &Of { engine, task, id, .. } = of;
    let mut groups: Vec<(Include, Vec<Arc<Host>>)> = Vec::new();
    for (host, includes) in wanted {
        for include in includes {
            let same = groups.iter_mut().find(|(other, hosts)| {
                other.args == include.args
                    && other.vars == include.vars
                    && !hosts.iter().any(|h| h.name == host.name)
            });
            match same {
                Some((_, hosts)) => hosts.push(host.clone()),
                None => groups.push((include, vec![host.clone()])),
            }
        }
    }
    let mut included = Vec::new();
    for (include, hosts) in groups {
        let mut diags = Diagnostics::new();
        let found = if task.action.full.ends_with("include_role") {
            role(of, &include, &hosts, &mut diags)
        } else {
            file(of, &include, &hosts, &mut diags)
        };
        match found {
            Ok(items) if !diags.has_errors() => {
                hosts.iter().for_each(|host| host.state().stats.ok += 1);
                included.push(Included { items, hosts });
            }
            result => {
                let text = match result {
                    Err(text) => text,
                    Ok(_) => provision_source::render(&diags, &engine.loader.sources, false, None),
                };
                fail(engine, id, &hosts, &text);
            }
        }
    }
    included
}

/// The include failed for these hosts.
fn fail(engine: &Arc<Engine>, id: u64, hosts: &[Arc<Host>], text: &str) {
    for host in hosts {
        let mut state = host.state();
        state.failed = true;
        state.stats.failed += 1;
        drop(state);
        let mut result = Map::new();
        result.insert("reason".into(), text.into());
        engine.emit(&Event::Host(Box::new(crate::event::Done {
            task: id,
            host: host.name.clone(),
            delegated_to: None,
            delegated_address: None,
            outcome: crate::event::Outcome::Failed,
            item: None,
            looped: false,
            result: engine.secrets.redact_map(&result),
            diff: Vec::new(),
            seconds: 0.0,
            rescued: false,
            causes: Vec::new(),
        })));
    }
}

/// What the included tasks inherit: the surroundings of the include, its `vars`, its loop's variables, and `apply`.
fn common(engine: &Arc<Engine>, task: &Arc<Task>, include: &Include, diags: &mut Diagnostics) -> Arc<Common> {
    let mut common = (*task.outer).clone();
    if !include.vars.is_empty() {
        let vars: Vars =
            include.vars.iter().map(|(name, value)| (Arc::from(name.as_str()), literal(value))).collect();
        common.params.push(Arc::new(vars));
    }
    // The include's own variables win over facts and registered results.
    let own = task.common.vars.get(task.outer.vars.len()..).into_iter().flatten().cloned();
    match task.action.full.ends_with("include_role") {
        true => common.included.extend(own),
        false => common.params.extend(own),
    }
    let common = Arc::new(common);
    match task.args.get("apply").and_then(Node::as_map) {
        Some(apply) => engine.loader.inherit(&common, apply, diags),
        None => common,
    }
}

/// A value that is never templated again.
pub fn literal(value: &Value) -> Node {
    match value {
        Value::String(text) => Node::str(text.as_str()).with_tag("!unsafe"),
        Value::Array(items) => Node::seq(items.iter().map(literal).collect::<Vec<_>>()),
        Value::Object(map) => {
            Node::map(map.iter().map(|(k, v)| (Node::str(k.as_str()).with_tag("!unsafe"), literal(v))))
        }
        other => Node::from_json(other),
    }
}

fn file(
    of: &Of<'_>,
    include: &Include,
    hosts: &[Arc<Host>],
    diags: &mut Diagnostics,
) -> Result<Vec<Item>, String> {
    let &Of { engine, task, id, .. } = of;
    let name = include.args.get("file").or_else(|| include.args.get("_raw_params")).map(render::plain);
    let Some(name) = name.filter(|n| !n.is_empty()) else {
        return Err("No file specified for ansible.builtin.include_tasks".to_owned());
    };
    let Some(path) = task.dirs.find("tasks", &name) else {
        let tried: Vec<String> =
            task.dirs.candidates("tasks", &name).iter().map(|p| format!("  {}", p.display())).collect();
        return Err(format!(
            "Could not find or access '{name}' on the control machine. Searched in:\n{}",
            tried.join("\n")
        ));
    };
    let common = common(engine, task, include, diags);
    let items = engine.loader.include_tasks(&path, &common, &task.dirs, task.is_handler, diags);
    if !diags.has_errors() {
        engine.emit(&told(engine, id, path.display().to_string(), include, hosts));
    }
    Ok(items)
}

fn told(engine: &Engine, task: u64, file: String, include: &Include, hosts: &[Arc<Host>]) -> Event {
    Event::Included {
        task,
        file,
        hosts: hosts.iter().map(|h| h.name.clone()).collect(),
        item: include.item.as_ref().map(|item| engine.secrets.redact(&render::plain(item))),
    }
}

fn role(
    of: &Of<'_>,
    include: &Include,
    hosts: &[Arc<Host>],
    diags: &mut Diagnostics,
) -> Result<Vec<Item>, String> {
    let &Of { engine, play, task, id } = of;
    let text = |names: &[&str]| names.iter().find_map(|n| include.args.get(*n)).map(render::plain);
    let flag = |name: &str, default: bool| include.args.get(name).and_then(render::truth).unwrap_or(default);
    let Some(name) = text(&["name", "role"]) else {
        return Err("'name' is a required field for include_role.".to_owned());
    };
    let public = flag("public", false);
    let shown = name.clone();
    let wanted = RoleUse {
        name,
        span: task.span,
        tasks_from: text(&["tasks_from"]),
        vars_from: text(&["vars_from"]),
        defaults_from: text(&["defaults_from"]),
        handlers_from: text(&["handlers_from"]),
        allow_duplicates: Some(flag("allow_duplicates", true)),
        public,
        validate: flag("rolespec_validate", true),
        parents: task
            .common
            .role
            .iter()
            .flat_map(|role| role.parents.iter().chain([role]))
            .cloned()
            .collect(),
        ..RoleUse::default()
    };
    let common = common(engine, task, include, diags);
    let (items, handlers) = engine.loader.include_role(&wanted, &common, &task.dirs, diags);
    if !diags.has_errors() {
        engine.emit(&told(engine, id, shown, include, hosts));
    }
    let mut known = play.handlers.write().unwrap_or_else(|e| e.into_inner());
    for handler in handlers {
        let same = known.iter().any(|other| other.span == handler.span && other.name == handler.name);
        if !same {
            known.push(handler);
        }
    }
    drop(known);
    let mut roles = Vec::new();
    for item in &items {
        if let Item::Role(role, _) = item {
            roles.push(role.clone());
        }
    }
    play.all_roles.write().unwrap_or_else(|e| e.into_inner()).extend(roles.iter().cloned());
    if public {
        play.publish(&roles);
    }
    Ok(items)
}

impl PlayRun {
    /// Shows the roles' variables to everything after.
    pub fn publish(&self, roles: &[Arc<provision_project::Role>]) {
        let mut all = self.roles.write().unwrap_or_else(|e| e.into_inner());
        all.extend(roles.iter().cloned());
        let public = || all.iter().filter(|role| role.public);
        *self.role_defaults.write().unwrap_or_else(|e| e.into_inner()) =
            scope::merge(public().map(|r| r.defaults.clone()));
        *self.role_vars.write().unwrap_or_else(|e| e.into_inner()) =
            scope::merge(public().map(|r| r.vars.clone()));
    }
}

/// Tags as texts.
pub fn tags(
    common: &Common,
    templates: Option<(&Arc<dyn provision_templates::Scope>, &provision_templates::Templater)>,
) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut add = |text: &str| {
        found.extend(text.split(',').map(str::trim).filter(|t| !t.is_empty()).map(str::to_owned));
    };
    for node in &common.tags {
        let text = node.scalar_text().unwrap_or_default();
        match (&node.value, templates) {
            (Yaml::Str(_), Some((scope, templater))) if provision_templates::is_template(&text) => {
                match render::json(node, scope, templater) {
                    Ok(Value::Array(items)) => items.iter().for_each(|item| add(&render::plain(item))),
                    Ok(value) => add(&render::plain(&value)),
                    Err(_) => add(&text),
                }
            }
            _ => add(&text),
        }
    }
    found
}
