//! One run: wall time, and whether it counts.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result};

use super::Job;
use super::stage::Stage;
use super::tool::Tool;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    pub job: Job,
    pub tool: Tool,
    pub hosts: u8,
}

#[derive(Debug, Clone)]
pub struct Sample {
    pub cell: Cell,
    pub run: u16,
    /// Wall seconds; none if the run does not count.
    pub seconds: Option<f64>,
    /// Why it does not count.
    pub error: Option<String>,
    /// It was stopped after the most that a run may take, so all that is known is that it takes longer.
    pub stopped: bool,
    /// The machine's load average over a minute, when the run began.
    pub load: f64,
}

/// The exit code of timeout(1) when it had to end the command.
const STOPPED: i32 = 124;

/// How a run went.
pub struct Once {
    pub seconds: f64,
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

pub fn sample(stage: &Stage, cell: Cell, run: u16) -> Result<Sample> {
    let load = load()?;
    let once = once(stage, cell)?;
    let error = match once.code {
        Some(STOPPED) => Some(format!("stopped after {} s", stage.limit)),
        Some(0) => cell.tool.converged(cell, &once.stdout, &once.stderr).err(),
        code => Some(format!("exit {code:?}: {}", once.stderr.lines().last().unwrap_or_default())),
    };
    let seconds = error.is_none().then_some(once.seconds);
    Ok(Sample { cell, run, seconds, error, stopped: once.code == Some(STOPPED), load })
}

/// Runs a tool, its output going to files as in a job nobody watches.
pub fn once(stage: &Stage, cell: Cell) -> Result<Once> {
    let name = format!("{}-{}-h{}", cell.job.name(), cell.tool.name(), cell.hosts);
    let (out, err) = (stage.dir.join(format!("{name}.out")), stage.dir.join(format!("{name}.err")));
    let mut command = Command::new("timeout");
    command
        .args(["-k", "10", &stage.limit.to_string(), "sh", "-c"])
        .arg(cell.tool.line(stage, cell))
        .current_dir(&stage.dir);
    command.stdin(Stdio::null()).stdout(File::create(&out)?).stderr(File::create(&err)?);
    command.env_remove("SSH_AUTH_SOCK");
    let sockets = Sockets::new()?;
    command.env("ANSIBLE_SSH_CONTROL_PATH_DIR", &sockets.0);
    let start = Instant::now();
    let status = command.status().with_context(|| format!("cannot run {}", cell.tool.name()))?;
    let seconds = start.elapsed().as_secs_f64();
    let read = |path| fs::read(path).map(|b| String::from_utf8_lossy(&b).into_owned());
    Ok(Once { seconds, code: status.code(), stdout: read(&out)?, stderr: read(&err)? })
}

/// Where Ansible's connections stay open. A new place for each run, so that everybody begins without a connection, and
/// closed after it, so that nobody is measured beside idle ones.
struct Sockets(PathBuf);

impl Sockets {
    fn new() -> Result<Sockets> {
        // Short: the path of a socket has 108 bytes.
        let dir = std::env::temp_dir().join(format!("pb-{}", std::process::id()));
        fs::create_dir_all(&dir)?;
        Ok(Sockets(dir))
    }
}

impl Drop for Sockets {
    fn drop(&mut self) {
        for socket in fs::read_dir(&self.0).into_iter().flatten().flatten() {
            let path = format!("ControlPath={}", socket.path().display());
            Command::new("ssh").args(["-o", &path, "-O", "exit", "host"]).stderr(Stdio::null()).status().ok();
        }
        fs::remove_dir_all(&self.0).ok();
    }
}

/// Processes that want a processor, averaged over the last minute.
pub fn load() -> Result<f64> {
    let text = fs::read_to_string("/proc/loadavg")?;
    Ok(text.split(' ').next().context("/proc/loadavg is empty")?.parse()?)
}

/// Median, least and most of what counts.
pub fn spread(samples: &[&Sample]) -> Option<(f64, f64, f64)> {
    let mut all: Vec<f64> = samples.iter().filter_map(|s| s.seconds).collect();
    all.sort_by(f64::total_cmp);
    let (least, most) = (*all.first()?, *all.last()?);
    let middle = all.len() / 2;
    let median = if all.len() % 2 == 1 { all[middle] } else { f64::midpoint(all[middle - 1], all[middle]) };
    Some((median, least, most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thrown_out_run_is_in_no_median() {
        let cell = Cell { job: Job::Tasks, tool: Tool::Script, hosts: 1 };
        let make = |seconds| Sample { cell, run: 1, seconds, error: None, stopped: false, load: 0.0 };
        let all = [make(Some(3.0)), make(None), make(Some(1.0)), make(Some(2.0)), make(Some(9.0))];
        assert_eq!(spread(&all.iter().collect::<Vec<_>>()), Some((2.5, 1.0, 9.0)));
        assert_eq!(spread(&[&make(None)]), None);
    }
}
