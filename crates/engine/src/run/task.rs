//! One task on all hosts.

use super::Inside;
use crate::event::{Event, TaskKind};
use crate::host_task::{HostDone, TaskRun};
use crate::includes;
use crate::names;
use crate::render;
use crate::scope;
use crate::state::{Engine, Host, PlayRun};
use crate::tags;
use futures::stream::{self, StreamExt};
use provision_project::Task;
use provision_templates::{Scope, from_json};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl Engine {
    /// One task on all of `hosts`, as many at once as forks allow.
    pub(super) async fn task(
        self: &Arc<Self>,
        run: &Arc<PlayRun>,
        task: &Arc<Task>,
        hosts: Vec<Arc<Host>>,
        inside: Inside,
        kind: TaskKind,
    ) {
        let Some(first) = hosts.first().cloned() else { return };
        let scope: Arc<dyn Scope> = scope::task_scope(self, run, &first, &task.common);
        if !inside.handler && !self.wanted(task, &scope, kind) {
            return;
        }
        if task.action.full.as_ref() == "ansible.builtin.meta" {
            return self.meta(run, task, hosts, &scope).await;
        }
        let kind = if inside.handler && task.is_handler { TaskKind::Handler } else { kind };
        let silent = is_include(task);
        let info = names::info(
            self,
            task,
            Some(&scope),
            if silent && kind != TaskKind::Handler { TaskKind::Silent } else { kind },
        );
        // The inventory and the person at the terminal are one for all: Ansible asks the first host alone.
        let for_all = matches!(&*task.action.full, "ansible.builtin.add_host" | "ansible.builtin.pause");
        let once = for_all
            || task
                .common
                .run_once
                .as_ref()
                .is_some_and(|n| render::boolean(n, &scope, &self.templater).unwrap_or(false));
        let mut working = if once { vec![first] } else { hosts.clone() };
        self.emit(&Event::TaskStart { task: info.clone(), hosts: working.len() });
        let forks = self.forks(task, &scope);
        let make = |host: Arc<Host>| TaskRun {
            engine: self.clone(),
            play: run.clone(),
            host,
            task: task.clone(),
            info: info.clone(),
            rescuable: inside.rescuable,
        };
        let mut includes = Vec::new();
        if working.len() == 1 {
            let host = working.swap_remove(0);
            let done = make(host.clone()).run().await;
            if once {
                self.share(task, &host, &hosts, &done, inside.rescuable);
            }
            includes.push((host, done.includes));
        } else {
            let mut results = stream::iter(working.into_iter().map(|host| {
                let work = make(host.clone());
                // A thread of its own for each host's templating.
                async move { (host, tokio::spawn(async move { work.run().await }).await) }
            }))
            .buffer_unordered(forks);
            while let Some((host, done)) = results.next().await {
                match done {
                    Ok(done) => includes.push((host, done.includes)),
                    Err(error) => self.warn(format!("{}: internal error: {error}", host.name), None),
                }
            }
        }
        includes.retain(|(_, list)| !list.is_empty());
        if !includes.is_empty() {
            // The inventory's order, whoever answered first.
            includes.sort_by_key(|(host, _)| hosts.iter().position(|h| h.name == host.name));
            for included in
                includes::resolve(&includes::Of { engine: self, play: run, task, id: info.id }, includes)
            {
                self.items(run, &included.items, included.hosts, inside).await;
            }
        }
        self.fatal(task, &hosts, &scope);
        if !inside.guarded {
            self.check_limit(run);
        }
    }

    /// How many hosts at once: `forks`, or less by `throttle`.
    fn forks(&self, task: &Task, scope: &Arc<dyn Scope>) -> usize {
        let throttle =
            task.common.throttle.as_ref().and_then(|n| render::text(n, scope, &self.templater).ok());
        let throttle = throttle.and_then(|t| t.parse::<usize>().ok()).filter(|n| *n > 0);
        throttle.unwrap_or(usize::MAX).min(self.settings.forks.max(1))
    }

    /// `run_once`: what one host did is every host's result.
    fn share(&self, task: &Task, from: &Arc<Host>, hosts: &[Arc<Host>], done: &HostDone, rescuable: bool) {
        let failed = from.is_out();
        for host in hosts.iter().filter(|h| h.name != from.name) {
            let mut shared = None;
            let mut state = host.state();
            if let Some(name) = &task.register {
                state.set(name, from_json(Value::Object(done.result.clone())));
            }
            if let Some(Value::Object(facts)) = done.result.get("ansible_facts") {
                if task.action.full.ends_with(".set_fact") {
                    for (name, value) in facts {
                        state.set(name, from_json(value.clone()));
                    }
                } else {
                    shared = Some(facts.clone());
                }
            }
            // A failure of the one ends the play for all, unless it is rescued.
            state.failed |= failed && !rescuable;
            drop(state);
            if let Some(facts) = shared {
                self.add_facts(host, facts);
            }
        }
    }

    /// `any_errors_fatal`: where one fails all do; blocks may rescue them all.
    fn fatal(&self, task: &Task, hosts: &[Arc<Host>], scope: &Arc<dyn Scope>) {
        let node = task.common.any_errors_fatal.as_ref();
        let set = node.is_some_and(|n| render::boolean(n, scope, &self.templater).unwrap_or(false));
        if set && hosts.iter().any(|h| h.is_out()) {
            hosts.iter().for_each(|host| host.state().failed = true);
        }
    }

    /// Do the tags and `--start-at-task` leave it?
    fn wanted(&self, task: &Task, scope: &Arc<dyn Scope>, kind: TaskKind) -> bool {
        let found = includes::tags(&task.common, Some((scope, &self.templater)));
        let found = if kind == TaskKind::Facts { vec!["always".to_owned()] } else { found };
        if !tags::selected(&found, &self.settings.tags, &self.settings.skip_tags) {
            return false;
        }
        let Some(start) = &self.settings.start_at_task else { return true };
        if kind == TaskKind::Facts || self.started.load(Ordering::Relaxed) {
            return true;
        }
        let own =
            task.name.as_ref().and_then(|n| render::text(n, scope, &self.templater).ok()).unwrap_or_default();
        let full = names::task_name(task, Some(own.clone()));
        let hit = &own == start || &full == start || glob(start, &own) || glob(start, &full);
        if hit {
            self.started.store(true, Ordering::Relaxed);
        }
        hit
    }
}

fn is_include(task: &Task) -> bool {
    matches!(&*task.action.full, "ansible.builtin.include_tasks" | "ansible.builtin.include_role")
}

/// Ansible's `fnmatch` for `--start-at-task`: only `*` and `?`.
fn glob(pattern: &str, text: &str) -> bool {
    match (pattern.chars().next(), text.chars().next()) {
        (None, None) => true,
        (Some('*'), _) => {
            glob(&pattern[1..], text)
                || text.chars().next().is_some_and(|c| glob(pattern, &text[c.len_utf8()..]))
        }
        (Some('?'), Some(c)) => glob(&pattern[1..], &text[c.len_utf8()..]),
        (Some(p), Some(c)) if p == c => glob(&pattern[p.len_utf8()..], &text[c.len_utf8()..]),
        _ => false,
    }
}
