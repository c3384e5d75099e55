//! Running playbooks: everything is read and checked first, then the hosts are worked on.

use super::{list, print, tell};
use crate::cli::{PlayArgs, complain};
use crate::config::table;
use crate::exit::Exit;
use crate::reporting;
use crate::retry_file::RetryFile;
use crate::run::{Work, engine, go};
use crate::settings::{self, Flags, Wrong, settings};
use crate::setup::{self, Setup};
use provision_engine::check;

pub fn run(args: &PlayArgs) -> Exit {
    match prepare(args) {
        Ok(work) => go(&work),
        Err(exit) => exit,
    }
}

/// What is to be run, or how the command ended before a run was wanted.
fn prepare(args: &PlayArgs) -> Result<Work, Exit> {
    let config = setup::config()?;
    let dir = setup::playbook_dir(&args.playbooks);
    let mut setup = Setup::read(config, &args.hosts, &args.vars, &args.vault, dir)?;
    let asked = check::Asked {
        limit: args.hosts.limit.clone(),
        tags: settings::tags(&args.tasks.tags, &setup.config, &table::TAGS_RUN),
        skip_tags: settings::tags(&args.tasks.skip_tags, &setup.config, &table::TAGS_SKIP),
        part: args.tasks.start_at_task.is_some(),
        everything: false,
    };
    let playbooks = setup.playbooks(&args.playbooks, asked)?;
    setup.say(&args.say.color)?;
    setup::warn_of_nobody(&setup);
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
    let settings = settings(&flags, &setup.config, setup.extra.clone()).map_err(Wrong::tell)?;
    let options = reporting::options(&setup.config, &args.say.color, settings.verbosity);
    let retry = args.playbooks.last().and_then(|playbook| RetryFile::wanted(&setup.config, playbook));
    let reporter =
        reporting::reporter(&setup.config, args.output.as_deref(), args.events.as_deref(), retry, options)
            .map_err(|text| complain(&text))?;
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
    Ok(Work { engine, playbooks })
}
