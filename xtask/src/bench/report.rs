//! docs/BENCHMARKS.md and the raw numbers beside it.

use std::fmt::Write as _;
use std::fs;

use anyhow::{Context as _, Result};
use provision_testkit::bins;

use super::Job;
use super::measure::{Cell, Sample, spread};
use super::stage::{self, Stage};
use super::tool::Tool;

/// What the numbers depend on.
pub struct Facts {
    date: String,
    kernel: String,
    processor: String,
    processors: usize,
    /// Of the machine, over a minute, before and after.
    load: (f64, f64),
    /// How far the tools stand back behind other programs (nice(1)); the hosts' side does not.
    nice: i32,
    runs: u16,
    patience: u64,
    versions: Vec<(&'static str, String)>,
}

impl Facts {
    pub fn gather(stage: &Stage, before: f64, after: f64, runs: u16, patience: u64) -> Result<Facts> {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo")?;
        let model = cpuinfo.lines().find_map(|l| l.strip_prefix("model name")?.split(": ").nth(1));
        let first = |line: String| said(&line).map(|text| text.lines().next().unwrap_or_default().to_owned());
        Ok(Facts {
            date: said("date -u '+%Y-%m-%d %H:%M UTC'")?,
            kernel: said("uname -sr")?,
            processor: model.unwrap_or("unknown").to_owned(),
            processors: std::thread::available_parallelism()?.get(),
            load: (before, after),
            nice: said("nice")?.parse().context("nice(1) says no number")?,
            runs,
            patience,
            versions: vec![
                ("provision", first(format!("{} --version", stage.provision.display()))? + &revision()?),
                ("ansible", first(format!("{}/ansible-playbook --version", stage.oracles.display()))?),
                ("pyinfra", first(format!("{}/pyinfra --version", stage.oracles.display()))?),
                ("python", first(format!("{}/python3 --version", stage.oracles.display()))?),
                ("ssh", first("ssh -V 2>&1".into())?),
            ],
        })
    }
}

pub fn markdown(facts: &Facts, stage: &Stage, samples: &[Sample], sizes: &[u8]) -> Result<String> {
    let mut text = String::new();
    write!(
        text,
        "# Benchmarks\n\n\
         Written by `cargo xtask bench`; every run is in [benchmarks/converged.csv](benchmarks/converged.csv).\n\n\
         Wall seconds of jobs that are converged already: median (least–most) of {} runs, after one that is not \
         counted; n is given where it is less: a tool whose first run takes over {} s is not run again, and one that \
         takes over a third of that is run three times. The tools take turns (one run of each, then again) on the same hosts, with output to files. A run \
         that fails or changes anything is thrown out and makes the command fail. Everyone begins without a connection; \
         the agent of provision is on the hosts already.\n\n",
        facts.runs, facts.patience
    )?;
    let headers: Vec<String> =
        sizes.iter().map(|n| format!("{n} host{}", if *n == 1 { "" } else { "s" })).collect();
    for job in [Job::Site, Job::Tasks, Job::Files] {
        if !samples.iter().any(|s| s.cell.job == job) {
            continue;
        }
        write!(
            text,
            "## {}\n\n{}\n\n| | {} |\n|---|{}\n",
            title(job),
            about(job),
            headers.join(" | "),
            "---|".repeat(sizes.len())
        )?;
        for &tool in job.tools() {
            let cells: Vec<String> = sizes
                .iter()
                .map(|&hosts| shown(samples, Cell { job, tool, hosts }, facts.runs, stage.limit))
                .collect();
            writeln!(text, "| {} | {} |", label(tool), cells.join(" | "))?;
        }
        for &hosts in sizes {
            if let Some(line) = relation(samples, job, hosts) {
                write!(text, "\n{line}\n")?;
            }
        }
        text.push('\n');
    }
    write!(
        text,
        "## The machine\n\nHosts and tools share one machine: {} × {}, {}. {}. Load average {:.2} before, {:.2} after{}. \
         Hosts: {} in systemd-nspawn with their own sshd, reached over a bridge.{}\n\n",
        facts.processors,
        facts.processor,
        facts.kernel,
        facts.date,
        facts.load.0,
        facts.load.1,
        quiet(facts, samples),
        stage.options,
        niceness(facts.nice),
    )?;
    for (name, version) in &facts.versions {
        writeln!(text, "- {name}: {version}")?;
    }
    write!(text, "\n## The command lines\n\nIn a copy of `xtask/bench`, paths shortened:\n\n```sh\n")?;
    for job in [Job::Site, Job::Tasks, Job::Files] {
        for &tool in job.tools() {
            for &hosts in sizes {
                let cell = Cell { job, tool, hosts };
                if samples.iter().any(|s| s.cell == cell) {
                    writeln!(text, "{}", short(stage, &tool.line(stage, cell)))?;
                }
            }
        }
    }
    let hosts = sizes.last().copied().unwrap_or(1);
    write!(text, "```\n\n`ansible-h{hosts}.cfg`:\n\n```ini\n{}```\n", stage::ansible_cfg(hosts))?;
    Ok(text)
}

pub fn csv(samples: &[Sample]) -> String {
    let mut text = String::from("job,hosts,tool,run,seconds,load,error\n");
    for s in samples {
        let seconds = s.seconds.map_or(String::new(), |n| format!("{n:.4}"));
        let error = s.error.as_deref().unwrap_or_default().replace('"', "'").replace('\n', " ");
        let (job, hosts, tool) = (s.cell.job.name(), s.cell.hosts, s.cell.tool.name());
        text.push_str(&format!("{job},{hosts},{tool},{},{seconds},{:.2},\"{error}\"\n", s.run, s.load));
    }
    text
}

fn shown(samples: &[Sample], cell: Cell, runs: u16, limit: u64) -> String {
    let ours: Vec<&Sample> = samples.iter().filter(|s| s.cell == cell).collect();
    let thrown = ours.iter().filter(|s| s.seconds.is_none() && !s.stopped).count();
    let mut note =
        if thrown == 0 { String::new() } else { format!(", {thrown} of {} thrown out", ours.len()) };
    if ours.len() < usize::from(runs) {
        note.push_str(&format!(", n = {}", ours.len()));
    }
    match spread(&ours) {
        Some((median, least, most)) => format!("**{median:.2}** ({least:.2}–{most:.2}){note}"),
        None if ours.iter().any(|s| s.stopped) => format!("over {limit}{note}"),
        None if ours.is_empty() => "–".into(),
        None => "all thrown out".into(),
    }
}

/// How many times as long as provision the others take.
fn relation(samples: &[Sample], job: Job, hosts: u8) -> Option<String> {
    let median = |tool| {
        let cell = Cell { job, tool, hosts };
        Some(spread(&samples.iter().filter(|s| s.cell == cell).collect::<Vec<_>>())?.0)
    };
    let ours = median(Tool::Provision)?;
    let others = job.tools().iter().filter(|t| **t != Tool::Provision);
    let factors: Vec<String> =
        others.filter_map(|&t| Some(format!("{} {:.1} ×", t.name(), median(t)? / ours))).collect();
    let plural = if hosts == 1 { "" } else { "s" };
    (!factors.is_empty())
        .then(|| format!("{hosts} host{plural}, times as long as provision: {}.", factors.join(", ")))
}

/// Said only where it matters.
fn niceness(nice: i32) -> String {
    match nice {
        0 => String::new(),
        _ => format!(" All tools ran at nice {nice}, the hosts' side did not."),
    }
}

/// A machine that does other things measures those as well, and the reader is to know.
fn quiet(facts: &Facts, samples: &[Sample]) -> String {
    let most = samples.iter().map(|s| s.load).fold(facts.load.0, f64::max);
    if facts.load.0 < 1.0 {
        return format!(" (at most {most:.1} in between, the runs themselves included)");
    }
    format!(
        " (at most {most:.1} in between): **the machine was doing other work at the same time**, so the seconds are \
         longer than on an idle one and only their relation says something"
    )
}

fn title(job: Job) -> &'static str {
    match job {
        Job::Site => "The shipped site",
        Job::Tasks => "Twenty tasks",
        Job::Files => "A hundred `file` tasks",
    }
}

fn about(job: Job) -> &'static str {
    match job {
        Job::Site => {
            "`playbooks/site.yaml` with one site and the certificate it signs itself, facts gathered."
        }
        Job::Tasks => {
            "Like those of the site: packages, four firewall rules, four directories, three files, three templates, a \
             link, a removed file, `nginx -t`, a service and a TCP probe. `tasks.yaml` for provision and Ansible, facts \
             gathered; `tasks.py` for pyinfra; `tasks.sh`, which looks before it touches, over `ssh`."
        }
        Job::Files => "Separate tasks, each a directory with owner, group and mode. The script is a loop.",
    }
}

fn label(tool: Tool) -> &'static str {
    match tool {
        Tool::Provision => "provision",
        Tool::Ansible => "ansible-core, pipelining, forks = hosts",
        Tool::Pyinfra => "pyinfra",
        Tool::Script => "hand-written `sh` over `ssh`",
        Tool::Bare => "bare `ssh HOST true`",
    }
}

/// The checkout's revision: a version alone does not say what was measured.
fn revision() -> Result<String> {
    let root = bins::workspace().display();
    let id = said(&format!("git -C {root} rev-parse --short HEAD || echo unknown"))?;
    Ok(format!(" (built near revision {id})"))
}

fn short(stage: &Stage, line: &str) -> String {
    let mut line = line.replace(&stage.ssh_config().display().to_string(), "ssh_config");
    for dir in stage.provision.parent().into_iter().chain([stage.oracles.as_path()]) {
        line = line.replace(&format!("{}/", dir.display()), "");
    }
    line
}

fn said(line: &str) -> Result<String> {
    let out = std::process::Command::new("sh")
        .args(["-c", line])
        .output()
        .with_context(|| format!("cannot run {line}"))?;
    Ok(String::from_utf8_lossy(&out.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_shows_what_was_thrown_out() {
        let cell = Cell { job: Job::Tasks, tool: Tool::Script, hosts: 1 };
        let make = |seconds: Option<f64>| Sample {
            cell,
            run: 1,
            seconds,
            error: seconds.is_none().then(|| "a \"b\"".into()),
            stopped: false,
            load: 0.5,
        };
        assert_eq!(
            shown(&[make(Some(0.5)), make(None)], cell, 1, 9),
            "**0.50** (0.50–0.50), 1 of 2 thrown out"
        );
        assert_eq!(shown(&[make(None)], cell, 1, 9), "all thrown out");
        assert!(csv(&[make(None)]).ends_with("tasks,1,script,1,,0.50,\"a 'b'\"\n"));
    }
}
