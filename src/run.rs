//! The run itself: what it is made of, and waiting for its end.

use crate::commands::tell;
use crate::exit::Exit;
use crate::settings::FORKS;
use crate::setup::Setup;
use crate::{fact_cache, prompt};
use provision_engine::event::Reporter;
use provision_engine::state::Parts;
use provision_engine::{Engine, Settings};
use provision_project::Playbook;
use provision_transport::Connections;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// What is to be run.
pub struct Work {
    pub engine: Arc<Engine>,
    pub playbooks: Vec<Playbook>,
}

/// The engine; cached facts are forgotten first if that is wanted.
///
/// # Errors
/// A fact cache that cannot be used, as a text for the user.
pub fn engine(
    setup: Setup,
    settings: Settings,
    reporter: Box<dyn Reporter>,
    flush_cache: bool,
) -> Result<Arc<Engine>, String> {
    let fact_cache = fact_cache::open(&setup.config)?;
    if let (Some(cache), true) = (&fact_cache, flush_cache) {
        for host in setup.inventory.hosts.keys() {
            cache.expire(host)?;
        }
    }
    let secrets = setup.secrets;
    for secret in [&settings.password, &settings.become_password].into_iter().flatten() {
        secrets.add(secret.reveal());
    }
    let handshakes = settings.forks.min(FORKS);
    Ok(Engine::new(Parts {
        reporter,
        transport: Arc::new(Connections::new(Arc::new(prompt::Terminal), handshakes)),
        prompter: Arc::new(prompt::Terminal),
        settings,
        inventory: setup.inventory,
        loader: setup.loader,
        templater: setup.templater,
        secrets,
        reload: setup.reload,
        fact_cache,
    }))
}

/// Runs the playbooks to their end, or until the second Ctrl-C.
pub fn go(work: &Work) -> Exit {
    let Work { engine, playbooks } = work;
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tell(&format!("error: {error}"));
            return Exit::Usage;
        }
    };
    let summary = runtime.block_on(async {
        let work = provision_engine::run::run(engine, playbooks);
        tokio::pin!(work);
        let mut presses = 0;
        loop {
            tokio::select! {
                summary = &mut work => return Some(summary),
                pressed = tokio::signal::ctrl_c() => {
                    if pressed.is_err() {
                        continue;
                    }
                    presses += 1;
                    engine.interrupted.store(true, Ordering::SeqCst);
                    if presses == 1 {
                        tell("\ninterrupted: waiting for the tasks in flight (again to stop at once)");
                    } else {
                        return None;
                    }
                }
            }
        }
    });
    runtime.shutdown_timeout(Duration::from_millis(200));
    let Some(summary) = summary else { return Exit::Interrupted };
    if let Some(text) = &summary.invalid {
        tell(&format!("error: {text}"));
        return Exit::Invalid;
    }
    if summary.interrupted {
        return Exit::Interrupted;
    }
    match () {
        () if summary.failed => Exit::Failed,
        () if summary.unreachable => Exit::Unreachable,
        () => Exit::Done,
    }
}
