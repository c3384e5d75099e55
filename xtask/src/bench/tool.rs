//! The tools: how each is started, and how its own words show that nothing had to be changed.

use std::path::Path;

use clap::ValueEnum;

use super::Job;
use super::measure::Cell;
use super::stage::Stage;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Tool {
    Provision,
    Ansible,
    Pyinfra,
    /// One sh script, written by hand, over `ssh`
    Script,
    /// `ssh HOST true`: what no tool over ssh(1) can be below
    Bare,
}

impl Tool {
    pub fn name(self) -> &'static str {
        match self {
            Tool::Provision => "provision",
            Tool::Ansible => "ansible",
            Tool::Pyinfra => "pyinfra",
            Tool::Script => "script",
            Tool::Bare => "bare",
        }
    }

    /// The line of sh that is measured, for the directory of the stage.
    pub fn line(self, stage: &Stage, cell: Cell) -> String {
        let (job, hosts) = (cell.job.name(), cell.hosts);
        let vars = if cell.job == Job::Site { "-e @vars.yaml " } else { "" };
        let ssh = format!("ssh -F {}", quoted(&stage.ssh_config()));
        let each = |remote: &str, input: &str| match hosts {
            1 => format!("{ssh} h1 {remote}{input}"),
            _ => format!("xargs -P {hosts} -I HOST sh -c '{ssh} HOST {remote}{input}' < h{hosts}.txt"),
        };
        match self {
            Tool::Provision => format!(
                "{} --output ansible -f {hosts} -i h{hosts}.yaml {vars}{job}.yaml",
                quoted(&stage.provision)
            ),
            Tool::Ansible => format!(
                "ANSIBLE_CONFIG=ansible-h{hosts}.cfg {} -i h{hosts}.yaml {vars}{job}.yaml",
                quoted(&stage.oracles.join("ansible-playbook"))
            ),
            Tool::Pyinfra => {
                format!(
                    "{} -y --parallel {hosts} h{hosts}.py {job}.py",
                    quoted(&stage.oracles.join("pyinfra"))
                )
            }
            Tool::Script => each("sh -s", &format!(" < {job}.sh")),
            Tool::Bare => each("true", " < /dev/null"),
        }
    }

    /// # Errors
    /// Says what in the tool's words (standard output and standard error) does not fit a run that changed nothing.
    pub fn converged(self, cell: Cell, stdout: &str, stderr: &str) -> Result<(), String> {
        let hosts = usize::from(cell.hosts);
        match self {
            Tool::Provision | Tool::Ansible => recap(stdout, hosts),
            Tool::Pyinfra => pyinfra(stdout, stderr, cell),
            Tool::Script => {
                let unchanged = stdout.lines().filter(|l| *l == "changed=0").count();
                if unchanged == hosts {
                    Ok(())
                } else {
                    Err(format!("{unchanged} of {hosts} scripts changed nothing"))
                }
            }
            Tool::Bare => Ok(()),
        }
    }
}

/// Lines as `h1 : ok=21 changed=0 unreachable=0 failed=0 …`, one for each host.
fn recap(stdout: &str, hosts: usize) -> Result<(), String> {
    let Some((_, recap)) = stdout.split_once("PLAY RECAP") else { return Err("no recap".into()) };
    let lines: Vec<&str> = recap.lines().filter(|l| l.contains(" ok=")).collect();
    if lines.len() != hosts {
        return Err(format!("{} hosts in the recap instead of {hosts}", lines.len()));
    }
    let good = |line: &&str| {
        let counts: Vec<&str> = line.split_whitespace().collect();
        ["changed=0", "unreachable=0", "failed=0", "rescued=0"].iter().all(|c| counts.contains(c))
    };
    match lines.iter().find(|l| !good(l)) {
        Some(line) => Err((*line).to_owned()),
        None => Ok(()),
    }
}

/// The last row of its table: operations, of them changed, failed, unchanged. Both commands of the twenty operations
/// count as changes, since pyinfra cannot know better; their names begin with LOOK.
fn pyinfra(stdout: &str, stderr: &str, cell: Cell) -> Result<(), String> {
    let said = format!("{stdout}\n{stderr}");
    let Some(total) = said.lines().find_map(|l| l.trim().strip_prefix("Grand total")) else {
        return Err("no grand total".into());
    };
    let row: Vec<&str> = total.split_whitespace().collect();
    let expected = match cell.job {
        Job::Tasks => (2 * u16::from(cell.hosts)).to_string(),
        _ => "-".to_owned(),
    };
    if let [_, changed, "-", _] = row[..]
        && changed == expected
    {
        return Ok(());
    }
    Err(format!("Grand total {}", row.join(" ")))
}

fn quoted(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CELL: Cell = Cell { job: Job::Files, tool: Tool::Script, hosts: 2 };

    #[test]
    fn only_a_run_that_changed_nothing_counts() {
        let good = "PLAY RECAP **\nh1 : ok=3 changed=0 unreachable=0 failed=0 rescued=0\nh2 : ok=3 changed=0 unreachable=0 failed=0 rescued=0\n";
        assert_eq!(Tool::Ansible.converged(CELL, good, ""), Ok(()));
        for (was, is) in
            [("changed=0", "changed=1"), ("failed=0", "failed=1"), ("h2 : ok", "h2 : no"), ("PLAY RECAP", "")]
        {
            assert!(Tool::Provision.converged(CELL, &good.replacen(was, is, 1), "").is_err(), "{is}");
        }
        assert_eq!(Tool::Script.converged(CELL, "changed=0\nchanged=0\n", ""), Ok(()));
        assert!(Tool::Script.converged(CELL, "changed=0\nchanged=10\n", "").is_err());
        assert_eq!(Tool::Pyinfra.converged(CELL, "", "    Grand total   100   -   -   100  \n"), Ok(()));
        let twenty = Cell { job: Job::Tasks, ..CELL };
        assert_eq!(Tool::Pyinfra.converged(twenty, "", "Grand total 42 4 - 38"), Ok(()), "two on each host");
        assert!(Tool::Pyinfra.converged(twenty, "", "Grand total 42 5 - 37").is_err());
        assert!(Tool::Pyinfra.converged(CELL, "", "    Grand total   100   1   -   99  \n").is_err());
    }
}
