//! One task on all hosts.

use super::Inside;
use crate::event::{Event, TaskInfo, TaskKind};
use crate::host_task::{HostDone, TaskRun};
use crate::includes;
use crate::names;
use crate::render;
use crate::scope;
use crate::state::{Engine, Host, PlayRun};
use crate::tags;
use futures::stream::{self, StreamExt};
use provision_project::Task;
use provision_source::Node;
use provision_templates::{Scope, from_json};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl Engine {
    /// Asks whether a task is to run (`--step`).
    fn step(&self, task: &Task) -> bool {
        let text = format!("Perform task: TASK: {} (N)o/(y)es/(c)ontinue: ", names::task_name(task, None));
        match self.ask(&text, false).unwrap_or_default().trim().to_lowercase().as_str() {
            "y" | "yes" => true,
            "c" | "continue" => {
                self.stepping.store(false, Ordering::Relaxed);
                true
            }
            _ => false,
        }
    }

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
        let scope: Arc<dyn Scope> = scope::task_scope(self, run, &first, task);
        if !inside.handler && !self.wanted(task, &scope, kind) {
            return;
        }
        let kind = if inside.handler && task.is_handler { TaskKind::Handler } else { kind };
        if task.action.full.as_ref() == "ansible.builtin.meta" {
            return self.meta(run, task, hosts, &scope, kind).await;
        }
        if self.stepping.load(Ordering::Relaxed) && !self.step(task) {
            return;
        }
        let shown = if is_include(task) && kind != TaskKind::Handler { TaskKind::Silent } else { kind };
        // The inventory and the person at the terminal are one for all: Ansible asks the first host alone.
        let for_all = matches!(&*task.action.full, "ansible.builtin.add_host" | "ansible.builtin.pause");
        if for_all && run.free.is_some() {
            return self.abort(format!(
                "The '{}' module bypasses the host loop, which is currently not supported in the free strategy and \
                 would instead execute for every host in the inventory list.",
                task.action.name
            ));
        }
        let once = run.free.is_none() && (for_all || self.says(&task.common.run_once, &scope));
        let mut working = if once { vec![first] } else { hosts.clone() };
        let info = self.begin(run, task, &scope, shown, working.len());
        let make = |host: Arc<Host>| TaskRun {
            engine: self.clone(),
            play: run.clone(),
            host,
            task: task.clone(),
            info: info.clone(),
            rescuable: inside.rescuable,
        };
        // A thread of its own for each host's templating.
        let spawn = |host: Arc<Host>| {
            let work = make(host.clone());
            async move { (host, tokio::spawn(async move { work.run().await }).await) }
        };
        let mut includes = Vec::new();
        let mut done = |(host, done): (Arc<Host>, Result<HostDone, tokio::task::JoinError>)| match done {
            Ok(done) => includes.push((host, done.includes)),
            Err(error) => {
                host.state().failed = true;
                self.warn(format!("{}: internal error: {error}", host.name), None);
            }
        };
        match &run.free {
            Some(free) => {
                let own = self.throttle(task, &scope).map(|at_once| free.gate_of(task.id, at_once));
                for host in working {
                    // Gates are never closed.
                    let _turn = match &own {
                        Some(gate) => gate.acquire().await.ok(),
                        None => None,
                    };
                    let _fork = free.gate.acquire().await.ok();
                    done(spawn(host).await);
                }
            }
            None if working.len() == 1 => {
                let host = working.swap_remove(0);
                let result = make(host.clone()).run().await;
                if once {
                    self.share(task, &host, &hosts, &result, inside.rescuable);
                }
                done((host, Ok(result)));
            }
            None => {
                let forks = self.throttle(task, &scope).unwrap_or(usize::MAX).min(self.settings.forks.max(1));
                let mut results = stream::iter(working.into_iter().map(spawn)).buffer_unordered(forks);
                while let Some(result) = results.next().await {
                    done(result);
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
        if run.free.is_some() {
            return;
        }
        self.fatal(task, &hosts, &scope);
        if !inside.guarded {
            self.check_limit(run);
        }
    }

    /// Tells that a task begins: on all of its hosts, or under a free strategy once for whoever comes first.
    pub(super) fn begin(
        &self,
        run: &PlayRun,
        task: &Task,
        scope: &Arc<dyn Scope>,
        kind: TaskKind,
        hosts: usize,
    ) -> Arc<TaskInfo> {
        let make = |hosts: usize| {
            let info = names::info(self, task, Some(scope), kind, run.free.is_some());
            self.emit(&Event::TaskStart { task: info.clone(), hosts });
            info
        };
        let Some(free) = &run.free else { return make(hosts) };
        let mut infos = free.infos.lock().unwrap_or_else(|e| e.into_inner());
        if let Some(info) = infos.get(&task.id) {
            return info.clone();
        }
        let info = make(run.batch.len());
        infos.insert(task.id, info.clone());
        drop(infos);
        if self.says(&task.common.run_once, scope) {
            self.warn(
                "Using run_once with the free strategy is not currently supported. This task will still be \
                 executed for every host in the inventory list.",
                None,
            );
        }
        if self.says(&task.common.any_errors_fatal, scope) {
            self.warn(
                "Using any_errors_fatal with the free strategy is not supported, as tasks are executed \
                 independently on each host",
                None,
            );
        }
        info
    }

    /// A keyword that is true; one that cannot be rendered is not.
    fn says(&self, node: &Option<Node>, scope: &Arc<dyn Scope>) -> bool {
        node.as_ref().is_some_and(|node| render::boolean(node, scope, &self.templater).unwrap_or(false))
    }

    /// How many hosts at once `throttle` allows.
    fn throttle(&self, task: &Task, scope: &Arc<dyn Scope>) -> Option<usize> {
        let text = render::text(task.common.throttle.as_ref()?, scope, &self.templater).ok()?;
        text.parse().ok().filter(|n| *n > 0)
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
        if self.says(&task.common.any_errors_fatal, scope) && hosts.iter().any(|h| h.is_out()) {
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
