//! Handlers: which are due, and when.

use super::Inside;
use crate::event::TaskKind;
use crate::state::{Engine, Host, PlayRun};
use futures::future::{BoxFuture, FutureExt};
use std::sync::Arc;

impl Engine {
    /// The handlers at a section's end; with `force_handlers` those of failed hosts, too.
    pub(super) async fn last_flush(self: &Arc<Self>, run: &Arc<PlayRun>, hosts: &[Arc<Host>], force: bool) {
        let failed: Vec<Arc<Host>> = match force {
            true => hosts.iter().filter(|h| h.has_failed()).cloned().collect(),
            false => Vec::new(),
        };
        failed.iter().for_each(|host| host.state().failed = false);
        self.flush(run, hosts).await;
        failed.iter().for_each(|host| host.state().failed = true);
    }

    /// Runs the handlers that are notified, in the order they are defined in.
    pub(super) fn flush<'a>(
        self: &'a Arc<Self>,
        run: &'a Arc<PlayRun>,
        hosts: &'a [Arc<Host>],
    ) -> BoxFuture<'a, ()> {
        async move {
            // What a handler of the list notifies runs in the same flush when it stands later.
            let handlers = run.handlers.read().unwrap_or_else(|e| e.into_inner()).clone();
            for handler in &handlers {
                let due: Vec<Arc<Host>> = hosts
                    .iter()
                    .filter(|host| {
                        let mut state = host.state();
                        let at = state.notified.iter().position(|id| *id == handler.id);
                        let runs = at.is_some() && !state.failed && !state.unreachable && !state.ended;
                        if let (true, Some(at)) = (runs, at) {
                            state.notified.remove(at);
                        }
                        runs
                    })
                    .cloned()
                    .collect();
                if !due.is_empty() {
                    self.task(
                        run,
                        handler,
                        due,
                        Inside { handler: true, ..Inside::default() },
                        TaskKind::Handler,
                    )
                    .await;
                }
            }
        }
        .boxed()
    }
}
