//! `cargo xtask bench`: the same converged jobs with `provision`, tuned Ansible, pyinfra and a script, on the same hosts.

mod measure;
mod report;
mod stage;
mod templates;
mod tool;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use clap::ValueEnum;
use provision_testkit::{bins, tools};

use crate::say;
use measure::{Cell, Sample};
use stage::Stage;
use tool::Tool;

/// What is measured without hosts.
#[derive(clap::Subcommand)]
enum Alone {
    /// Templates, beside Jinja2's and ansible-core's, into docs/benchmarks/templates.md
    Templates(templates::Args),
}

#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    /// Measure something that needs no hosts instead
    #[command(subcommand)]
    alone: Option<Alone>,
    /// How many hosts the larger column has
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u8).range(1..=100))]
    hosts: u8,
    /// How often each cell is measured, after one run that is not counted
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..))]
    runs: u16,
    /// Seconds; a tool whose first run takes longer is not run again, and that run is its number
    #[arg(long, default_value_t = 60)]
    patience: u64,
    /// Seconds; a run that takes longer is stopped, and its number is "longer than this"
    #[arg(long, default_value_t = 600)]
    limit: u64,
    /// Only these jobs and tools (commas; may be given several times); prints, and leaves docs/ alone
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// This provision instead of a release build
    #[arg(long)]
    binary: Option<PathBuf>,
    /// Leave the hosts running
    #[arg(long)]
    keep: bool,
}

/// How often something is measured whose runs take more than a third of the patience there is.
const RUNS_IF_SLOW: u16 = 3;

/// What is to be done on the hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Job {
    /// The playbook that we ship: playbooks/site.yaml
    Site,
    /// Twenty tasks like those of the site
    Tasks,
    /// A hundred separate `file` tasks
    Files,
}

impl Job {
    pub fn name(self) -> &'static str {
        match self {
            Job::Site => "site",
            Job::Tasks => "tasks",
            Job::Files => "files",
        }
    }

    /// Who takes part. Nobody has written the whole site again for pyinfra and sh.
    pub fn tools(self) -> &'static [Tool] {
        match self {
            Job::Site => &[Tool::Provision, Tool::Ansible],
            Job::Tasks => &[Tool::Provision, Tool::Ansible, Tool::Pyinfra, Tool::Script, Tool::Bare],
            Job::Files => &[Tool::Provision, Tool::Ansible, Tool::Pyinfra, Tool::Script],
        }
    }
}

pub fn run(args: &Args) -> Result<ExitCode> {
    if let Some(Alone::Templates(args)) = &args.alone {
        return templates::run(args);
    }
    let (jobs, chosen) = selection(&args.only)?;
    let binary = match &args.binary {
        Some(path) => path.canonicalize()?,
        None => crate::demo::release_binary()?,
    };
    let oracles = tools::oracles()?;
    let stage = Stage::set_up(args.hosts, binary, oracles, args.limit)?;
    let before = measure::load()?;
    let mut sizes = vec![1, args.hosts];
    sizes.dedup();
    let mut samples = Vec::new();
    for &job in &jobs {
        for &hosts in &sizes {
            let cells: Vec<Cell> = job
                .tools()
                .iter()
                .filter(|t| chosen.contains(t))
                .map(|&tool| Cell { job, tool, hosts })
                .collect();
            samples.extend(one_row(&stage, &cells, args.runs, Duration::from_secs(args.patience))?);
        }
    }
    let facts = report::Facts::gather(&stage, before, measure::load()?, args.runs, args.patience)?;
    let text = report::markdown(&facts, &stage, &samples, &sizes)?;
    if args.only.is_empty() {
        let docs = bins::workspace().join("docs");
        write(&docs.join("BENCHMARKS.md"), &text)?;
        write(&docs.join("benchmarks/converged.csv"), &report::csv(&samples))?;
    } else {
        say::result(&text);
    }
    if !args.keep {
        stage.take_down()?;
    }
    let thrown = samples.iter().filter(|s| s.error.is_some() && !s.stopped).count();
    if thrown > 0 {
        bail!("{thrown} of {} runs were thrown out: they failed or changed something", samples.len());
    }
    Ok(ExitCode::SUCCESS)
}

/// One job on one number of hosts: every tool once, and again, so that what the machine does besides hits all of them.
fn one_row(stage: &Stage, cells: &[Cell], runs: u16, patience: Duration) -> Result<Vec<Sample>> {
    let mut samples = Vec::new();
    let Some(first) = cells.first() else { return Ok(samples) };
    say::note(format_args!("{} on {} host(s): converging", first.job.name(), first.hosts));
    stage.converge(first.job, first.hosts)?;
    let mut planned = Vec::new();
    for cell in cells {
        // Not counted: agents are pushed, bytecode is compiled, caches are filled.
        let start = Instant::now();
        let warm = measure::sample(stage, *cell, 0)?;
        if let Some(error) = &warm.error {
            say::note(format_args!("warming up {}: {error}", cell.tool.name()));
        }
        let took = start.elapsed();
        if took > patience {
            samples.push(measure::Sample { run: 1, ..warm });
            say::note(format_args!(
                "   1 {:10} {:.1} s, which is enough",
                cell.tool.name(),
                took.as_secs_f32()
            ));
        } else {
            planned.push((
                *cell,
                if took * RUNS_IF_SLOW.into() > patience { runs.min(RUNS_IF_SLOW) } else { runs },
            ));
        }
    }
    for run in 1..=runs {
        for (cell, _) in planned.iter().filter(|(_, most)| run <= *most) {
            let sample = measure::sample(stage, *cell, run)?;
            let name = cell.tool.name();
            match (&sample.seconds, &sample.error) {
                (Some(seconds), _) => say::note(format_args!("  {run:2} {name:10} {seconds:.3} s")),
                (None, error) => {
                    let why = error.as_deref().unwrap_or_default();
                    say::note(format_args!("  {run:2} {name:10} THROWN OUT: {why}"));
                }
            }
            samples.push(sample);
        }
    }
    Ok(samples)
}

fn selection(only: &[String]) -> Result<(Vec<Job>, Vec<Tool>)> {
    let all = (Job::value_variants().to_vec(), Tool::value_variants().to_vec());
    let (mut jobs, mut tools) = (Vec::new(), Vec::new());
    for name in only {
        match (Job::from_str(name, false), Tool::from_str(name, false)) {
            (Ok(job), _) => jobs.push(job),
            (_, Ok(tool)) => tools.push(tool),
            _ => {
                let names: Vec<&str> =
                    all.0.iter().map(|j| j.name()).chain(all.1.iter().map(|t| t.name())).collect();
                bail!("no job or tool {name}: there are {}", names.join(", "));
            }
        }
    }
    Ok((if jobs.is_empty() { all.0 } else { jobs }, if tools.is_empty() { all.1 } else { tools }))
}

fn write(path: &Path, text: &str) -> Result<()> {
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir)?;
    }
    ensure!(!text.is_empty(), "nothing to write to {}", path.display());
    std::fs::write(path, text)?;
    say::note(format_args!("wrote {}", path.display()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_choose_jobs_and_tools() {
        let (jobs, tools) = selection(&["files".into(), "script".into()]).unwrap();
        assert_eq!((jobs, tools), (vec![Job::Files], vec![Tool::Script]));
        assert_eq!(selection(&["script".into()]).unwrap().0.len(), 3);
        assert!(selection(&["mitogen".into()]).unwrap_err().to_string().contains("pyinfra"));
    }
}
