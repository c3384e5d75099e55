//! Playbooks, plays, batches, blocks, handlers.

mod batch;
mod handlers;
mod meta;
mod play;
mod task;

use crate::event::{Event, HostStats, Reporter, SCHEMA};
use crate::state::Engine;
use provision_project::Playbook;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// What the run came to.
#[derive(Debug, Default)]
pub struct Summary {
    pub stats: Vec<HostStats>,
    /// A host failed and was neither rescued nor forgiven (`meta: clear_host_errors`).
    pub failed: bool,
    pub unreachable: bool,
    pub interrupted: bool,
    /// Something was wrong before any host was touched.
    pub invalid: Option<String>,
}

/// How hosts go through a play.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Strategy {
    /// Together, task by task.
    Linear,
    /// Each for itself; a host that is ready begins its next task.
    Free,
    /// As free, but a host that has begun goes to its end before others begin.
    HostPinned,
}

/// Where in the tree of blocks we are.
#[derive(Clone, Copy, Default)]
struct Inside {
    /// An enclosing block can rescue failures.
    rescuable: bool,
    /// An enclosing block has work to do after a failure: `rescue` or `always`.
    guarded: bool,
    handler: bool,
}

/// Runs the playbooks one after the other.
pub async fn run(engine: &Arc<Engine>, playbooks: &[Playbook]) -> Summary {
    let started = Instant::now();
    engine.emit(&Event::RunStart {
        schema: SCHEMA,
        version: env!("CARGO_PKG_VERSION"),
        check: engine.settings.check,
        diff: engine.settings.diff,
        playbooks: playbooks.iter().map(|p| p.path.display().to_string()).collect(),
        hosts: engine.inventory().hosts.len(),
    });
    let mut invalid = None;
    'all: for playbook in playbooks {
        for play in &playbook.plays {
            match engine.play(play).await {
                Ok(true) => {}
                Ok(false) => break 'all,
                Err(why) => {
                    invalid = Some(why);
                    break 'all;
                }
            }
            if engine.is_interrupted() {
                break 'all;
            }
        }
    }
    let mut failed = false;
    let mut unreachable = false;
    let mut stats: Vec<HostStats> = {
        let hosts = engine.hosts.read().unwrap_or_else(|e| e.into_inner());
        for host in hosts.values() {
            let state = host.state();
            failed |= state.failed;
            unreachable |= state.unreachable;
        }
        hosts.values().map(|host| host.state().stats.clone()).collect()
    };
    stats.retain(|s| s.ok + s.failed + s.unreachable + s.skipped + s.rescued + s.ignored > 0);
    // Ansible's recap is sorted by name.
    stats.sort_by(|a, b| a.host.cmp(&b.host));
    let aborted = engine.aborted().cloned();
    let interrupted = engine.interrupted.load(Ordering::Relaxed);
    engine.emit(&Event::RunEnd {
        stats: stats.clone(),
        seconds: started.elapsed().as_secs_f64(),
        interrupted,
        aborted: aborted.as_ref().map(|text| engine.secrets.redact(text)),
    });
    let invalid = invalid.or(aborted);
    engine.transport.close().await;
    Summary { stats, failed, unreachable, interrupted, invalid }
}

/// A reporter that says nothing, for tests and for planning.
#[derive(Debug, Default)]
pub struct Silent;

impl Reporter for Silent {
    fn event(&mut self, _event: &Event) {}
}
