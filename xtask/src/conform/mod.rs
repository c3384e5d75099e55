//! `cargo xtask conform`: the same playbooks through ansible-core and through `provision`, compared.

mod case;
mod compare;
mod hosts;
mod normal;
mod record;
mod report;
mod side;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use provision_testkit::{bins, tools};

use crate::say;
use case::{Case, Stage};
use compare::Verdict;
use hosts::Ground;
use side::{Setup, Tool};

#[derive(clap::Args)]
pub struct Args {
    /// Only cases whose names contain one of these (=NAME: are this); prints, and leaves docs/ alone
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Only cases that need no hosts; leaves docs/ alone as well
    #[arg(long)]
    local: bool,
    /// Run Ansible again for cases that have not changed since it ran
    #[arg(long)]
    fresh: bool,
    /// Run nothing: compare again what the last runs have left
    #[arg(long)]
    compare: bool,
    /// This provision instead of a debug build
    #[arg(long)]
    binary: Option<PathBuf>,
    /// Local cases at once
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// How many differences of a case are printed
    #[arg(long, default_value_t = 12)]
    show: usize,
    /// Leave the hosts running
    #[arg(long)]
    keep: bool,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let mut cases = case::all(&args.only)?;
    if args.local {
        cases.retain(|case| case.stage == Stage::Local);
    }
    let ansible = tools::oracles()?;
    let provision = match &args.binary {
        Some(path) => path.canonicalize()?,
        None => debug_binary()?,
    };
    let top = bins::workspace().join("target/conform");
    let ansible_version = first_line(Command::new(ansible.join("ansible-playbook")).arg("--version"))?;
    let (fresh, compare) = (args.fresh, args.compare);
    let setup = Setup { top: top.clone(), provision, ansible, ansible_version, fresh, compare };
    setup.prepare()?;
    if args.compare {
        cases.retain(|case| setup.has_run(case));
    }
    let start = Instant::now();
    let verdicts = all(&setup, cases, args)?;
    say::note(format_args!("{} cases in {:.0} s", verdicts.len(), start.elapsed().as_secs_f32()));
    let versions = report::Versions {
        ansible: setup.ansible_version.clone(),
        provision: first_line(Command::new(&setup.provision).arg("--version"))?,
    };
    let text = report::markdown(&versions, &verdicts)?;
    let path = if args.only.is_empty() && !args.local {
        bins::workspace().join("docs/CONFORMANCE.md")
    } else {
        top.join("CONFORMANCE.md")
    };
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    say::note(path.display());
    let open = verdicts.iter().filter(|(_, verdict)| verdict.unexplained().count() > 0).count();
    say::result(format_args!("{open} of {} cases differ", verdicts.len()));
    Ok(if open == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Local cases a few at once, then those that need the host, one after the other.
fn all(setup: &Setup, cases: Vec<Case>, args: &Args) -> Result<Vec<(Case, Verdict)>> {
    let verdicts: Mutex<BTreeMap<String, (Case, Verdict)>> = Mutex::default();
    let keep = |case: &Case, verdict: Verdict| {
        show(case, &verdict, args.show);
        if let Ok(mut all) = verdicts.lock() {
            all.insert(case.name.clone(), (case.clone(), verdict));
        }
    };
    let (local, on_host): (Vec<Case>, Vec<Case>) =
        cases.into_iter().partition(|case| case.stage == Stage::Local);
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| -> Result<()> {
        let work = || -> Result<()> {
            let mut ground = Ground::new(&setup.top, args.keep);
            while let Some(case) = local.get(next.fetch_add(1, Ordering::Relaxed)) {
                keep(case, one(setup, case, &mut ground)?);
            }
            Ok(())
        };
        let workers: Vec<_> = (0..args.jobs.max(1)).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            match worker.join() {
                Ok(done) => done?,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        Ok(())
    })?;
    let mut ground = Ground::new(&setup.top, args.keep);
    let done = on_host.iter().try_for_each(|case| {
        keep(case, one(setup, case, &mut ground)?);
        Ok(())
    });
    ground.take_down()?;
    done.and_then(|()| {
        let all = verdicts.into_inner().map_err(|_| anyhow::anyhow!("a worker has panicked"))?;
        Ok(all.into_values().collect())
    })
}

fn one(setup: &Setup, case: &Case, ground: &mut Ground) -> Result<Verdict> {
    let play = |tool, ground: &mut Ground| {
        setup.play(case, tool, ground).with_context(|| format!("{} with {tool:?}", case.name))
    };
    let theirs = play(Tool::Ansible, ground)?;
    let ours = play(Tool::Provision, ground)?;
    Ok(compare::case(case, &theirs, &ours))
}

fn show(case: &Case, verdict: &Verdict, most: usize) {
    let open: Vec<_> = verdict.unexplained().collect();
    let on_purpose = verdict.differences.len() - open.len();
    let purpose = if on_purpose > 0 { format!(", {on_purpose} on purpose") } else { String::new() };
    let word = if open.is_empty() { "agrees".to_owned() } else { format!("{} DIFFER", open.len()) };
    let mut text = format!("{}: {word}{purpose} ({} tasks)", case.name, verdict.tasks);
    for difference in open.iter().take(most) {
        text.push_str(&format!("\n    {:6} {}", difference.aspect.name(), difference.line));
    }
    if open.len() > most {
        text.push_str(&format!("\n    … and {} more", open.len() - most));
    }
    say::result(text);
}

/// What is compared says itself what it is.
fn first_line(command: &mut Command) -> Result<String> {
    let out = command.output().with_context(|| format!("cannot run {command:?}"))?;
    let text = String::from_utf8_lossy(&out.stdout);
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

fn debug_binary() -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let root = bins::workspace();
    let status = Command::new(cargo).current_dir(root).args(["build", "--package", "provision"]).status()?;
    ensure!(status.success(), "provision does not build");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |d| root.join(d));
    Ok(target.join("debug/provision"))
}
