//! apt-get: its command line, its locks, what it would do and why it failed.

use crate::{Ctx, Failure};
use provision_system::text::{bytes_to_text, to_os};
use provision_system::{Command, Effect, Output, Ran};
use std::time::Duration;

/// An apt that hangs for ever (seen with a proxy under load) is not waited for longer.
const UPDATE_TIMEOUT: Duration = Duration::from_secs(30 * 60);

/// How apt-get is called.
#[derive(Debug)]
pub struct AptGet<'a> {
    /// Options in front of the verb.
    pub options: &'a [String],
    /// Seconds.
    pub lock_timeout: u64,
}

impl AptGet<'_> {
    /// What would be done; nothing is locked and no right is needed.
    pub fn simulate(&self, ctx: &Ctx<'_>, words: &[String]) -> Result<Result<Vec<Step>, Output>, Failure> {
        let mut command = program(["apt-get", "-s", "-y"]);
        command.argv.extend(self.options.iter().chain(words).map(|word| to_os(word)));
        let output = ask(ctx, command)?;
        Ok(if output.ok() { Ok(steps(&output.out())) } else { Err(output) })
    }

    /// Runs it, waiting for other package managers to end. None in a dry run.
    pub fn run(&self, ctx: &Ctx<'_>, words: &[String]) -> Result<Option<(Command, Output)>, Failure> {
        let mut command = program(["apt-get", "-y"]);
        // Older apt-get do not know it and take no notice; the loop below waits for those.
        let lock = ["-o".to_owned(), format!("DPkg::Lock::Timeout={}", self.lock_timeout)];
        command.argv.extend(self.options.iter().chain(&lock).chain(words).map(|word| to_os(word)));
        command.stream = true;
        let ran = self.locked(ctx, &command, Effect::Change)?;
        Ok(ran.map(|output| (command, output)))
    }

    /// Fetches the package lists. None in a dry run; an error tells what could not be fetched.
    pub fn update(&self, ctx: &Ctx<'_>, effect: Effect) -> Result<Option<Result<(), String>>, Failure> {
        let mut command = program(["apt-get", "-o", "APT::Update::Error-Mode=any"]);
        command.argv.extend(["-o".into(), to_os(&format!("DPkg::Lock::Timeout={}", self.lock_timeout))]);
        command.argv.push("update".into());
        command.timeout = Some(UPDATE_TIMEOUT);
        let Some(output) = self.locked(ctx, &command, effect)? else { return Ok(None) };
        let errors = output.err();
        // Where the option above is not known, lists that could not be fetched are no error.
        if output.ok() && !errors.contains("Failed to fetch") {
            return Ok(Some(Ok(())));
        }
        let told = |line: &&str| line.starts_with("E:") || line.starts_with("W:");
        let told: Vec<&str> = errors.lines().filter(told).collect();
        Ok(Some(Err(if told.is_empty() { errors.trim().to_owned() } else { told.join(", ") })))
    }

    fn locked(&self, ctx: &Ctx<'_>, command: &Command, effect: Effect) -> Result<Option<Output>, Failure> {
        let mut waited = 0;
        loop {
            let Ran::Done(output) = ctx.sys.run(command, effect)? else { return Ok(None) };
            let errors = output.err();
            let Some(holder) = held_lock(&errors).filter(|_| !output.ok()) else { return Ok(Some(output)) };
            if waited >= self.lock_timeout {
                let msg = format!(
                    "another package manager is at work and did not end within {} s: {holder}. Try again later, or \
                     raise lock_timeout",
                    self.lock_timeout
                );
                return Err(Failure::new(msg).with("rc", output.rc).with("stderr", output.err()));
            }
            std::thread::sleep(Duration::from_secs(1));
            waited += 1;
        }
    }
}

/// A program of apt's or dpkg's that asks no questions and answers in English.
pub fn program<I: IntoIterator<Item = &'static str>>(words: I) -> Command {
    // Not "C": what packages set up while they are installed (databases) would not be UTF-8 for ever.
    let locale = "C.UTF-8";
    Command::new(words)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .env("DEBIAN_PRIORITY", "critical")
        .env("LC_ALL", locale)
        .env("LANG", locale)
        .env("LANGUAGE", "")
}

/// Asks apt something. In a dry run it may not leave its caches of what it has read on the disk.
pub fn ask(ctx: &Ctx<'_>, mut command: Command) -> Result<Output, Failure> {
    if ctx.sys.dry() {
        let options = ["-o", "Dir::Cache::pkgcache=", "-o", "Dir::Cache::srcpkgcache="];
        command.argv.splice(1..1, options.map(Into::into));
    }
    Ok(ctx.sys.query(&command)?)
}

/// The line that tells which lock is held and by whom.
fn held_lock(errors: &str) -> Option<&str> {
    let held = |line: &&str| {
        line.contains("Could not get lock")
            || line.contains("Unable to acquire the dpkg frontend lock")
            || line.contains("dpkg frontend lock is locked by another process")
            || line.contains("Unable to lock directory")
    };
    errors.lines().find(held).map(|line| line.trim_start_matches("E: "))
}

/// Why apt-get failed, in Ansible's words where it has its own.
pub fn explain(output: &Output, asked: &str) -> Option<String> {
    let errors = output.err();
    let quoted = |line: &str, before: &str| {
        line.strip_prefix(before).map(|rest| rest.trim_end_matches('\'').to_owned())
    };
    errors.lines().find_map(|line| {
        if let Some(name) = quoted(line, "E: Unable to locate package ") {
            return Some(format!("No package matching '{name}' is available"));
        }
        let words: Vec<&str> = line.split('\'').collect();
        match words.as_slice() {
            ["E: Version ", version, " for ", name, " was not found"] => {
                Some(format!("no available installation candidate for {name}={version}"))
            }
            ["E: Release ", release, " for ", name, " was not found"] => Some(format!(
                "no available installation candidate for {name}/{release}: {asked} names a release that no source has"
            )),
            _ => None,
        }
    })
}

/// One thing that apt-get does to a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub package: String,
    /// None: not installed.
    pub before: Option<String>,
    /// None: removed.
    pub after: Option<String>,
}

/// The steps of a simulation: `Inst nginx [1.0] (1.2 Debian:12/stable [amd64])`, `Remv …`, `Purg …`.
fn steps(text: &str) -> Vec<Step> {
    text.lines().filter_map(step).collect()
}

fn step(line: &str) -> Option<Step> {
    let (what, rest) = line.split_once(' ')?;
    if !matches!(what, "Inst" | "Remv" | "Purg") {
        return None;
    }
    let (package, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    let between = |from: char, to: char| {
        let (_, rest) = rest.split_once(from)?;
        Some(rest.split([to, ' ']).next().unwrap_or_default().to_owned())
    };
    let after = (what == "Inst").then(|| between('(', ')')).flatten();
    // A bracket behind the parenthesis is not the old version.
    let before = if rest.starts_with('[') { between('[', ']') } else { None };
    Some(Step { package: package.to_owned(), before, after })
}

/// The candidates of packages that apt knows, in the order of its answer; None: it has no version to install.
pub fn candidates(ctx: &Ctx<'_>, names: &[String]) -> Result<Vec<(String, Option<String>)>, Failure> {
    let mut command = program(["apt-cache", "policy"]);
    command.argv.extend(names.iter().map(|name| to_os(name)));
    let output = ask(ctx, command)?;
    let mut found: Vec<(String, Option<String>)> = Vec::new();
    for line in bytes_to_text(&output.stdout).lines() {
        if let Some(name) = line.strip_suffix(':').filter(|name| !name.starts_with(' ')) {
            found.push((name.to_owned(), None));
        } else if let Some(version) = line.strip_prefix("  Candidate: ")
            && let Some(last) = found.last_mut()
        {
            last.1 = Some(version.to_owned()).filter(|version| version != "(none)");
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn simulations_are_read() {
        let text = "NOTE: This is only a simulation!\nInst tree (2.1.0-1 Debian:12.15/oldstable [amd64])\n\
                    Inst libc6 [2.36-9] (2.36-10 Debian:12/stable [amd64]) []\nRemv jq [1.6-2.1]\nPurg a [1]\n\
                    Conf tree (2.1.0-1 Debian:12.15/oldstable [amd64])\n";
        let step = |package: &str, before: Option<&str>, after: Option<&str>| Step {
            package: package.into(),
            before: before.map(Into::into),
            after: after.map(Into::into),
        };
        assert_eq!(
            steps(text),
            [
                step("tree", None, Some("2.1.0-1")),
                step("libc6", Some("2.36-9"), Some("2.36-10")),
                step("jq", Some("1.6-2.1"), None),
                step("a", Some("1"), None)
            ]
        );
    }

    #[test]
    fn failures_are_told_as_ansible_tells_them() {
        let failed = |text: &str| {
            explain(&Output { rc: 100, stdout: Vec::new(), stderr: text.into() }, "x").unwrap_or_default()
        };
        assert_eq!(
            failed("E: Unable to locate package nosuch\n"),
            "No package matching 'nosuch' is available"
        );
        assert_eq!(
            failed("W: x\nE: Version '99' for 'jq' was not found\n"),
            "no available installation candidate for jq=99"
        );
        assert_eq!(failed("E: Package 'awk' has no installation candidate\n"), "");
        assert_eq!(
            held_lock("E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 7 (apt)\n"),
            Some("Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 7 (apt)")
        );
        assert_eq!(held_lock("E: x\n"), None);
    }
}
