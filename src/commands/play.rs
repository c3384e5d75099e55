//! Running playbooks: everything is read and checked first, then the hosts are worked on.

use super::{list, print, tell};
use crate::cli::{PlayArgs, complain};
use crate::config::table;
use crate::exit::Exit;
use crate::name::Name;
use crate::run::{engine, go};
use crate::settings::{self, Flags, settings};
use crate::setup::{self, Setup, env};
use provision_engine::event::Reporter;
use provision_engine::{Engine, Settings, check};
use provision_project::Playbook;
use provision_report::{Kind, Options};
use std::io::IsTerminal;
use std::sync::Arc;

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
    let engine = engine(setup, settings, reporter, args.run.flush_cache).map_err(|text| {
        tell(&format!("error: {text}"));
        Exit::Setting
    })?;
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
            return Err(if args.hosts.limit.is_some() { Exit::NoHosts } else { Exit::Invalid });
        }
    }
    Ok((engine, playbooks))
}

fn reporter(args: &PlayArgs, settings: &Settings) -> Result<Box<dyn Reporter>, String> {
    let tty = std::io::stdout().is_terminal();
    let (out, err) = (Box::new(std::io::stdout()), Box::new(std::io::stderr()));
    let options = Options {
        color: provision_report::color(tty, Some(&args.say.color), &env),
        verbosity: settings.verbosity,
        columns: None,
    };
    // What calls ansible-playbook reads its lines.
    let wanted = match args.output.as_deref() {
        None if Name::called().is_ansible() => Some("ansible"),
        given => given,
    };
    let shown: Box<dyn Reporter> = match provision_report::choose(wanted, tty, &env)? {
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
