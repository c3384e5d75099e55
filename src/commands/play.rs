//! Running playbooks: everything is read and checked first, then the hosts are worked on.

use super::{list, print, tell};
use crate::cli::{PlayArgs, complain};
use crate::config::table;
use crate::exit::Exit;
use crate::prompt;
use crate::settings::{self, FORKS, Flags, settings};
use crate::setup::{self, Setup, env};
use provision_engine::event::Reporter;
use provision_engine::secrets::Secrets;
use provision_engine::state::Parts;
use provision_engine::{Engine, Settings, check};
use provision_project::Playbook;
use provision_report::{Kind, Options};
use provision_transport::Connections;
use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

pub fn run(args: &PlayArgs) -> Exit {
    match prepare(args) {
        Ok((engine, playbooks)) => go(&engine, &playbooks),
        Err(exit) => exit,
    }
}

/// The engine and the playbooks, or how the command ended before a run was wanted.
fn prepare(args: &PlayArgs) -> Result<(Arc<Engine>, Vec<Playbook>), Exit> {
    let config = setup::config()?;
    let dir = setup::playbook_dir(&args.playbooks);
    let mut setup =
        Setup::read(config, &args.hosts, &args.vars, &args.vault, dir).map_err(|text| complain(&text))?;
    let asked = check::Asked {
        limit: args.hosts.limit.clone(),
        tags: settings::tags(&args.tasks.tags, &setup.config, &table::TAGS_RUN),
        skip_tags: settings::tags(&args.tasks.skip_tags, &setup.config, &table::TAGS_SKIP),
        part: args.tasks.start_at_task.is_some(),
        everything: false,
    };
    let playbooks = setup.playbooks(&args.playbooks, asked)?;
    setup.say(&args.say.color)?;
    if args.look.syntax_check {
        for path in &args.playbooks {
            print(&format!("\nplaybook: {}\n", path.display()));
        }
        return Err(Exit::Done);
    }
    let flags = Flags {
        hosts: &args.hosts,
        tasks: &args.tasks,
        check: &args.check,
        run: &args.run,
        say: &args.say,
        r#become: &args.r#become,
        connection: &args.connection,
    };
    let settings = settings(&flags, &setup.config, setup.extra.clone()).map_err(|text| complain(&text))?;
    let reporter = reporter(args, &settings).map_err(|text| complain(&text))?;
    let engine = engine(setup, settings, reporter);
    if args.look.list_hosts || args.look.list_tasks || args.look.list_tags {
        return Err(match list::run(&engine, &playbooks, args) {
            Ok(()) => Exit::Done,
            Err(text) => {
                tell(&format!("error: {text}"));
                Exit::Invalid
            }
        });
    }
    // A limit or a pattern that cannot be read is found before the first play runs.
    for play in playbooks.iter().flat_map(|playbook| &playbook.plays) {
        if let Err(text) = engine.play_hosts(play) {
            tell(&format!("error: {text}"));
            return Err(Exit::Invalid);
        }
    }
    Ok((engine, playbooks))
}

fn engine(setup: Setup, settings: Settings, reporter: Box<dyn Reporter>) -> Arc<Engine> {
    let secrets = Arc::new(Secrets::default());
    for secret in [&settings.password, &settings.become_password].into_iter().flatten() {
        secrets.add(secret.reveal());
    }
    let handshakes = settings.forks.min(FORKS);
    Engine::new(Parts {
        reporter,
        transport: Arc::new(Connections::new(Arc::new(prompt::Terminal), handshakes)),
        prompter: Arc::new(prompt::Terminal),
        settings,
        inventory: setup.inventory,
        loader: setup.loader,
        templater: setup.templater,
        secrets,
        reload: setup.reload,
        fact_cache: None,
    })
}

fn go(engine: &Arc<Engine>, playbooks: &[Playbook]) -> Exit {
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

fn reporter(args: &PlayArgs, settings: &Settings) -> Result<Box<dyn Reporter>, String> {
    let tty = std::io::stdout().is_terminal();
    let (out, err) = (Box::new(std::io::stdout()), Box::new(std::io::stderr()));
    let options = Options {
        color: provision_report::color(tty, Some(&args.say.color), &env),
        verbosity: settings.verbosity,
        columns: None,
    };
    let shown: Box<dyn Reporter> = match provision_report::choose(args.output.as_deref(), tty, &env)? {
        Kind::Json => Box::new(provision_report::Json::new(out)),
        Kind::Human => Box::new(provision_report::Terminal::new(out, err, options)),
        Kind::Ansible => Box::new(provision_report::Ansible::new(
            out,
            err,
            Options { columns: provision_report::columns(), ..options },
        )),
    };
    let Some(path) = &args.events else { return Ok(shown) };
    let file = std::fs::File::create(path).map_err(|e| format!("--events {}: {e}", path.display()))?;
    let written = Box::new(provision_report::Json::new(Box::new(file)));
    Ok(Box::new(provision_report::Tee { first: shown, second: written }))
}
