//! Running other programs: one place that turns a failed command into an error that says which and why.

use std::ffi::OsStr;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// What a finished command left behind. Output that is not UTF-8 is shown with replacement characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// The exit code; 128 + the signal's number if a signal ended it.
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// True if the exit code was 0.
    pub fn ok(&self) -> bool {
        self.code == 0
    }
}

/// Runs a command to its end, with nothing on its standard input.
///
/// # Errors
/// If it cannot be started. A failing exit code is no error here.
pub fn output(command: &mut Command) -> Result<Ran> {
    let shown = show(command);
    let out = command.stdin(Stdio::null()).output().with_context(|| format!("cannot run {shown}"))?;
    use std::os::unix::process::ExitStatusExt as _;
    let code = out.status.code().unwrap_or_else(|| 128 + out.status.signal().unwrap_or(0));
    Ok(Ran {
        code,
        stdout: String::from_utf8_lossy(&out.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&out.stderr).into_owned(),
    })
}

/// Runs a command and returns its standard output.
///
/// # Errors
/// If it cannot be started or fails; the error carries the command and the end of its output.
pub fn check(command: &mut Command) -> Result<String> {
    let ran = output(command)?;
    if !ran.ok() {
        let said = if ran.stderr.trim().is_empty() { &ran.stdout } else { &ran.stderr };
        bail!("{} failed with code {}: {}", show(command), ran.code, tail(said));
    }
    Ok(ran.stdout)
}

/// A command with arguments, in one line of code.
pub fn cmd<S: AsRef<OsStr>>(program: &str, args: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(program);
    command.args(args).env("PATH", PATH);
    command
}

/// `ip` and friends live in sbin, which a user's PATH need not have.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The last few lines of a log.
pub fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}

fn show(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|a| a.to_string_lossy().into_owned()));
    let line = words.join(" ");
    if line.chars().count() > 200 { line.chars().take(200).chain("…".chars()).collect() } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_the_command_and_what_it_said() {
        let error = check(&mut cmd("sh", ["-c", "echo woe >&2; exit 3"])).unwrap_err().to_string();
        assert!(error.contains("code 3") && error.contains("woe") && error.contains("sh -c"), "{error}");
    }

    #[test]
    fn a_signal_is_told_from_an_exit() {
        assert_eq!(output(&mut cmd("sh", ["-c", "kill -9 $$"])).unwrap().code, 137);
    }
}
