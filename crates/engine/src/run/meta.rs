//! `meta`.

use crate::event::{Done, Event, Outcome, TaskInfo, TaskKind};
use crate::scope;
use crate::state::{Engine, Host, PlayRun};
use futures::future::{BoxFuture, FutureExt};
use provision_project::Task;
use provision_source::Node;
use provision_templates::Scope;
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl Engine {
    /// `meta`.
    pub(super) fn meta<'a>(
        self: &'a Arc<Self>,
        run: &'a Arc<PlayRun>,
        task: &'a Arc<Task>,
        hosts: Vec<Arc<Host>>,
        scope: &'a Arc<dyn Scope>,
        kind: TaskKind,
    ) -> BoxFuture<'a, ()> {
        async move {
            // Never a template, as in Ansible.
            let what = task.args.free.as_ref().and_then(|node| node.scalar_text()).unwrap_or_default();
            let what = what.trim();
            // Some mean all hosts at once: the first one's conditions count.
            let whole = matches!(
                what,
                "end_play" | "refresh_inventory" | "end_batch" | "clear_host_errors" | "clear_facts"
            );
            let asked = if whole { &hosts[..1] } else { &hosts[..] };
            let mut due = Vec::new();
            let unconditional = matches!(what, "noop" | "refresh_inventory" | "reset_connection");
            if unconditional && !task.common.when.is_empty() {
                self.warn(format!("{what} task does not support when conditional"), None);
            }
            let info = self.begin(run, task, scope, kind, asked.len());
            for host in asked {
                self.emit(&Event::HostStart { task: info.id, host: host.name.clone() });
                if unconditional || self.meta_due(run, task, host) {
                    due.push(host.clone());
                } else if host.active() {
                    self.meta_skipped(&info, host);
                }
            }
            if due.is_empty() {
                return;
            }
            match what {
                "noop" => {}
                "flush_handlers" => self.flush(run, &due).await,
                "end_play" => {
                    for host in &run.batch {
                        host.state().ended = true;
                    }
                    run.ended.store(true, Ordering::Relaxed);
                }
                "end_batch" => run.batch.iter().for_each(|host| host.state().ended = true),
                "end_host" => due.iter().for_each(|host| host.state().ended = true),
                "end_role" => due.iter().for_each(|host| host.state().left_role = true),
                "clear_facts" => hosts.iter().for_each(|host| self.clear_facts(host)),
                "clear_host_errors" => {
                    // They are back with the next play, not in this one.
                    for host in run.batch.iter().filter(|h| h.is_out()) {
                        let mut state = host.state();
                        state.failed = false;
                        state.unreachable = false;
                        state.ended = true;
                    }
                }
                "refresh_inventory" => {
                    if let Err(text) = self.refresh_inventory() {
                        self.abort(text);
                    }
                }
                "reset_connection" => {
                    for host in &due {
                        self.transport.reset(&host.name).await;
                    }
                }
                other => {
                    for host in &due {
                        self.host_failed(
                            host,
                            &format!("meta: {other} is not supported"),
                            task.args.free.as_ref().unwrap_or(&Node::null()),
                        );
                    }
                }
            }
        }
        .boxed()
    }

    /// Tells of a `meta` whose conditions do not hold; it counts nowhere.
    fn meta_skipped(&self, info: &TaskInfo, host: &Arc<Host>) {
        self.emit(&Event::Host(Box::new(Done {
            task: info.id,
            host: host.name.clone(),
            delegated_to: None,
            delegated_address: None,
            outcome: Outcome::Skipped,
            item: None,
            looped: false,
            result: serde_json::Map::new(),
            diff: Vec::new(),
            seconds: 0.0,
            rescued: false,
            causes: Vec::new(),
        })));
    }

    /// Do the conditions of a `meta` hold on this host?
    fn meta_due(self: &Arc<Self>, run: &Arc<PlayRun>, task: &Arc<Task>, host: &Arc<Host>) -> bool {
        let scope: Arc<dyn Scope> = scope::task_scope(self, run, host, task);
        task.common.when.iter().all(|node| match &node.value {
            provision_source::Yaml::Str(text) => match self.templater.eval_condition(text, &scope) {
                Ok(held) => held,
                Err(error) => {
                    self.host_failed(host, &error.message, node);
                    false
                }
            },
            _ => node.as_bool().unwrap_or(true),
        })
    }
}
