//! A directory, and the command in it with a home of its own.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub struct Place {
    dir: tempfile::TempDir,
}

/// What a command printed.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Place {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("home")).unwrap();
        Self { dir }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file with its directories.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    pub fn read(&self, name: &str) -> String {
        let path = self.path(name);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Runs `provision` with these arguments; no variable of the outside shows inside.
    pub fn run(&self, args: &[&str]) -> Said {
        let mut command = Command::new(env!("CARGO_BIN_EXE_provision"));
        said(command.args(args), self.dir.path())
    }

    /// Runs it under another name, with these variables and this on its standard input.
    pub fn run_as(&self, name: &str, args: &[&str], vars: &[(&str, &str)], input: &str) -> Said {
        let link = self.path("bin").join(name);
        if !link.exists() {
            std::fs::create_dir_all(self.path("bin")).unwrap();
            std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_provision"), &link).unwrap();
        }
        let mut command = Command::new(link);
        let mut child = clean(command.args(args), self.dir.path())
            .envs(vars.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A command that reads nothing may be gone already.
        _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap().into()
    }

    /// Runs a line of shell in the directory, in which `$P` is the command; it may fail.
    pub fn line(&self, line: &str) -> Said {
        let line = format!("P={}; {line}", env!("CARGO_BIN_EXE_provision"));
        said(Command::new("sh").args(["-uc", &line]), self.dir.path())
    }

    /// Runs a line of shell in the directory; it must succeed.
    #[track_caller]
    pub fn sh(&self, line: &str) -> String {
        let said = said(Command::new("sh").args(["-euc", line]), self.dir.path());
        assert_eq!(said.code, 0, "{line}\n{said:?}");
        said.stdout
    }
}

fn said(command: &mut Command, dir: &Path) -> Said {
    clean(command, dir).stdin(Stdio::null()).output().unwrap().into()
}

fn clean<'a>(command: &'a mut Command, dir: &Path) -> &'a mut Command {
    command
        .current_dir(dir)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", dir.join("home"))
        .env("LC_ALL", "C.UTF-8")
}

impl From<std::process::Output> for Said {
    fn from(output: std::process::Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Said {
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}\n{}", self.stdout, self.stderr);
        self
    }

    /// The text is somewhere in what was printed.
    #[track_caller]
    pub fn says(&self, text: &str) -> &Self {
        assert!(
            self.stdout.contains(text) || self.stderr.contains(text),
            "no `{text}` in\n{}\n{}",
            self.stdout,
            self.stderr
        );
        self
    }
}
