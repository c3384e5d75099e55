//! A play on one batch: sections, blocks, roles.

use super::{Inside, Strategy};
use crate::event::{Event, TaskKind};
use crate::facts::Gathering;
use crate::render;
use crate::state::{Engine, Host, PlayRun};
use futures::future::{BoxFuture, FutureExt};
use futures::stream::{self, StreamExt};
use provision_project::{Action, Block, Item, Play, Role, Task, TaskArgs};
use provision_source::Node;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl Engine {
    /// A play on its batch, the hosts together or each for itself.
    pub(super) async fn batch(self: &Arc<Self>, run: &Arc<PlayRun>, strategy: Strategy) {
        let facts = facts_task(&run.play);
        if strategy == Strategy::Linear {
            return self.sections(run, &facts, run.batch.clone()).await;
        }
        if run.play.max_fail_percentage.is_some() {
            self.warn(
                "Using max_fail_percentage with the free strategy is not supported, as tasks are executed \
                 independently on each host",
                None,
            );
        }
        // A host's own work waits at the gate for its turn; pinned hosts do so once, before their first task.
        let at_once = match strategy {
            Strategy::HostPinned => self.settings.forks.max(1),
            _ => run.batch.len().max(1),
        };
        stream::iter(&run.batch)
            .map(|host| self.sections(run, &facts, vec![host.clone()]))
            .buffer_unordered(at_once)
            .collect::<()>()
            .await;
    }

    /// The sections of a play on `hosts`, with handlers after each.
    async fn sections(self: &Arc<Self>, run: &Arc<PlayRun>, facts: &Arc<Task>, hosts: Vec<Arc<Host>>) {
        let play = run.play.clone();
        let gathering: Vec<Arc<Host>> = hosts.iter().filter(|h| self.gathers(run, h)).cloned().collect();
        if !gathering.is_empty() {
            self.task(run, facts, gathering, Inside::default(), TaskKind::Facts).await;
        }
        let force =
            play.force_handlers.as_ref().and_then(Node::as_bool).unwrap_or(self.settings.force_handlers);
        for section in [&play.pre_tasks, &play.tasks, &play.post_tasks] {
            if !section.is_empty() {
                self.items(run, section, hosts.clone(), Inside::default()).await;
                self.last_flush(run, &hosts, force).await;
            }
            if run.ended.load(Ordering::Relaxed) || self.is_interrupted() {
                break;
            }
        }
    }

    /// Are facts of this host gathered as the play begins?
    fn gathers(&self, run: &PlayRun, host: &Host) -> bool {
        match &run.play.gather_facts {
            Some(node) => node.as_bool().unwrap_or_else(|| {
                node.scalar_text().and_then(|t| render::truth(&Value::String(t.to_string()))).unwrap_or(true)
            }),
            None => match self.settings.gathering {
                Gathering::Implicit => true,
                Gathering::Explicit => false,
                Gathering::Smart => !host.state().facts.gathered(),
            },
        }
    }

    /// A list of items on those of `hosts` that are still in.
    pub(super) fn items<'a>(
        self: &'a Arc<Self>,
        run: &'a Arc<PlayRun>,
        items: &'a [Item],
        hosts: Vec<Arc<Host>>,
        inside: Inside,
    ) -> BoxFuture<'a, ()> {
        async move {
            for item in items {
                let active: Vec<Arc<Host>> = hosts.iter().filter(|h| h.active()).cloned().collect();
                if active.is_empty() || run.ended.load(Ordering::Relaxed) || self.is_interrupted() {
                    return;
                }
                match item {
                    Item::Task(task) => self.task(run, task, active, inside, TaskKind::Task).await,
                    Item::Block(block) => self.block(run, block, active, inside).await,
                    Item::Role(role, body) => self.role(run, role, body, active, inside).await,
                }
            }
        }
        .boxed()
    }

    /// A role's tasks on the hosts that have not run it with these parameters yet.
    async fn role(
        self: &Arc<Self>,
        run: &Arc<PlayRun>,
        role: &Arc<Role>,
        body: &[Item],
        hosts: Vec<Arc<Host>>,
        inside: Inside,
    ) {
        let mut hosts = hosts;
        if !role.allow_duplicates {
            hosts.retain(|host| !host.state().roles_done.contains(&play_key(run, role)));
        }
        self.items(run, body, hosts.clone(), inside).await;
        for host in &hosts {
            host.state().left_role = false;
        }
        for host in hosts.iter().filter(|h| h.active()) {
            host.state().roles_done.insert(play_key(run, role));
        }
    }

    /// `block`, then `rescue` where it failed, then `always`.
    async fn block(
        self: &Arc<Self>,
        run: &Arc<PlayRun>,
        block: &Block,
        hosts: Vec<Arc<Host>>,
        inside: Inside,
    ) {
        let inner = Inside {
            rescuable: inside.rescuable || !block.rescue.is_empty(),
            guarded: inside.guarded || !block.rescue.is_empty() || !block.always.is_empty(),
            ..inside
        };
        self.items(run, &block.block, hosts.clone(), inner).await;
        if !block.rescue.is_empty() {
            let failed: Vec<Arc<Host>> = hosts.iter().filter(|h| h.has_failed()).cloned().collect();
            for host in &failed {
                host.state().failed = false;
            }
            let outer = Inside { guarded: inside.guarded || !block.always.is_empty(), ..inside };
            self.items(run, &block.rescue, failed, outer).await;
        }
        if !block.always.is_empty() {
            let failed: Vec<Arc<Host>> = hosts.iter().filter(|h| h.has_failed()).cloned().collect();
            for host in &failed {
                host.state().failed = false;
            }
            self.items(run, &block.always, hosts.clone(), inside).await;
            for host in &failed {
                host.state().failed = true;
            }
        }
    }

    /// `max_fail_percentage`: more failed hosts than that end the run.
    pub(super) fn check_limit(&self, run: &PlayRun) {
        let Some(node) = &run.play.max_fail_percentage else { return };
        let scope = self.play_scope(&run.play);
        let text = render::text(node, &scope, &self.templater).unwrap_or_default();
        let Ok(limit) = text.trim_end_matches('%').trim().parse::<f64>() else { return };
        let out = run.batch.iter().filter(|h| h.is_out()).count();
        if out as f64 * 100.0 / run.batch.len() as f64 > limit && !run.ended.swap(true, Ordering::Relaxed) {
            run.over_limit.store(true, Ordering::Relaxed);
            if out < run.batch.len() {
                self.emit(&Event::NoMoreHosts);
            }
        }
    }
}

fn play_key(run: &PlayRun, role: &Role) -> String {
    format!("{}|{:p}", role.key, Arc::as_ptr(&run.play))
}

/// The gathering of facts that begins a play.
fn facts_task(play: &Arc<Play>) -> Arc<Task> {
    let mut args = TaskArgs::default();
    args.named.extend(play.gathering.iter().map(|(name, node)| (name.clone(), node.span, node.clone())));
    let common = play.common.clone();
    Arc::new(Task {
        name: Some(Node::str("Gathering Facts")),
        action: Action { name: "gather_facts".into(), full: "ansible.builtin.setup".into(), span: play.span },
        args,
        ..Task::made(0, play.span, common)
    })
}
