//! `pip`: packages of Python.

use crate::support::files::{depends, path_of, show};
use crate::support::{exec, results, words};
use crate::{Ctx, Failure, Module, Outcome};
use provision_args::{Args, Choice, PathArg};
use provision_system::text::{to_os, to_text};
use provision_system::{Command, Effect, Output, Ran};
use std::collections::BTreeMap;
use std::ffi::OsString;

/// Manage packages of Python with the host's pip, for the host or in a virtual environment.
#[derive(Args)]
#[args(
    name = "pip",
    required_one_of("name", "requirements"),
    mutually_exclusive("name", "requirements"),
    mutually_exclusive("executable", "virtualenv")
)]
pub struct PipArgs {
    /// The packages, with or without versions (`django>=4`), or their URLs.
    pub name: Option<Vec<String>>,
    /// The version of a single package.
    pub version: Option<String>,
    /// A file with requirements, on the host.
    pub requirements: Option<String>,
    /// Whether they shall be there.
    #[arg(default = "present")]
    pub state: State,
    /// The directory of a virtual environment; it is made if there is none.
    pub virtualenv: Option<PathArg>,
    /// What makes virtual environments, as in `python3 -m venv`.
    #[arg(default = "virtualenv")]
    pub virtualenv_command: String,
    /// The Python for a new virtual environment.
    pub virtualenv_python: Option<String>,
    /// Let a new virtual environment see the host's packages.
    #[arg(default = "no")]
    pub virtualenv_site_packages: bool,
    /// The pip to use.
    pub executable: Option<String>,
    /// More words for pip.
    pub extra_args: Option<String>,
    /// Install in place (`--editable`).
    #[arg(default = "no")]
    pub editable: bool,
    /// The directory pip runs in.
    pub chdir: Option<PathArg>,
    /// The umask for what is written, in octal.
    pub umask: Option<String>,
    /// Change a Python that the system's packages manage (PEP 668).
    #[arg(default = "no")]
    pub break_system_packages: bool,
}

/// Whether they shall be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Choice)]
pub enum State {
    Absent,
    Forcereinstall,
    Latest,
    Present,
}

/// The module.
pub struct Pip;

impl Module for Pip {
    type Args = PipArgs;

    fn run(args: PipArgs, ctx: &Ctx<'_>) -> Result<Outcome, Failure> {
        let names = args.packages()?;
        let call = Call::new(&args, ctx)?;
        let mut outcome = Outcome::new()
            .with("name", args.name.clone())
            .with("version", args.version.clone())
            .with("state", args.state.as_str())
            .with("requirements", args.requirements.clone())
            .with("virtualenv", call.virtualenv.as_ref().map(|path| show(path)));
        let Some(pip) = call.pip()? else {
            ctx.sys.note("python packages", "unknown", &names.join(" "))?;
            return Ok(depends(outcome, "pip may come with an earlier task"));
        };
        let made = call.make_virtualenv()?;
        if made && ctx.sys.dry() {
            return Ok(depends(outcome, "the packages are installed into the new virtual environment then"));
        }
        let there = call.installed(&pip)?;
        let words = match args.state {
            State::Absent => {
                let mut gone = names.iter().filter(|name| there.contains_key(&key(name))).peekable();
                if gone.peek().is_none() {
                    return Ok(outcome);
                }
                [vec!["uninstall".to_owned(), "-y".to_owned()], gone.cloned().collect()].concat()
            }
            State::Present
                if args.requirements.is_none()
                    && !args.editable
                    && names.iter().all(|name| satisfied(name, &there)) =>
            {
                return Ok(outcome.with("cmd", Vec::<String>::new()));
            }
            _ => args.install(&names),
        };
        // What pip would do it tells itself, from version 22.2 on.
        let sure = matches!(args.state, State::Absent | State::Forcereinstall);
        let planned = if sure { Some(true) } else { call.would_change(&pip, &words)? };
        if planned == Some(false) {
            return Ok(outcome);
        }
        let command = call.command(&pip, &words)?;
        let shown: Vec<String> = command.argv.iter().map(|word| to_text(word)).collect();
        outcome = outcome.with("cmd", shown);
        let effect = if planned.is_some() { Effect::Change } else { Effect::Upkeep };
        match ctx.sys.run(&command, effect)? {
            Ran::NotRun => {
                if planned.is_none() {
                    ctx.sys.note("python packages", "unknown", &words.join(" "))?;
                }
            }
            Ran::Done(output) => {
                if !output.ok() {
                    return Err(failed(&output, outcome));
                }
                if planned.is_none() && output.out().contains("Successfully installed") {
                    ctx.sys.note("python packages", "others", &words.join(" "))?;
                }
                results::lines(&mut outcome.result, "stdout", output.out());
                results::lines(&mut outcome.result, "stderr", output.err());
            }
        }
        Ok(outcome)
    }
}

impl PipArgs {
    /// The packages, each with its version. A list that was split inside a specifier is put together again.
    fn packages(&self) -> Result<Vec<String>, Failure> {
        let mut names: Vec<String> = Vec::new();
        for part in self.name.iter().flatten().map(|name| name.trim()) {
            match names.last_mut() {
                Some(last) if part.starts_with(['<', '>', '=', '!', '~']) => {
                    last.push_str(&format!(",{part}"))
                }
                _ => names.push(part.to_owned()),
            }
        }
        if let Some(bad) = names.iter().find(|name| name.is_empty() || name.starts_with('-')) {
            return Err(Failure::new(format!("{bad:?} is no package")));
        }
        if let Some(version) = &self.version {
            let [name] = names.as_mut_slice() else {
                return Err(Failure::new(
                    "'version' argument is ambiguous when installing multiple package distributions. Please specify version restrictions next to each package in 'name' argument.",
                ));
            };
            if name.contains(['<', '>', '=', '!', '~']) {
                return Err(Failure::new(
                    "The 'version' argument conflicts with any version specifier provided along with a package name. Please keep the version specifier, but remove the 'version' argument.",
                ));
            }
            *name = format!("{name}=={version}");
        }
        Ok(names)
    }

    fn install(&self, names: &[String]) -> Vec<String> {
        let mut words = vec!["install".to_owned()];
        match self.state {
            State::Latest => words.push("-U".to_owned()),
            State::Forcereinstall => words.extend(["-U", "--force-reinstall"].map(str::to_owned)),
            _ => {}
        }
        words.extend(self.editable.then(|| "-e".to_owned()));
        if let Some(file) = &self.requirements {
            words.extend(["-r".to_owned(), file.clone()]);
        }
        words.extend(names.iter().cloned());
        words
    }
}

/// How pip is called.
struct Call<'a> {
    args: &'a PipArgs,
    ctx: &'a Ctx<'a>,
    virtualenv: Option<std::path::PathBuf>,
    umask: Option<u32>,
}

impl<'a> Call<'a> {
    fn new(args: &'a PipArgs, ctx: &'a Ctx<'a>) -> Result<Self, Failure> {
        let umask = match &args.umask {
            None => None,
            Some(text) => {
                let mask = u32::from_str_radix(text, 8);
                Some(mask.map_err(|_| Failure::new("umask must be an octal integer"))?)
            }
        };
        let virtualenv = args.virtualenv.as_ref().map(|path| path_of(ctx, path)).transpose()?;
        Ok(Self { args, ctx, virtualenv, umask })
    }

    /// The words that call pip; None when an earlier task of this dry run may bring it.
    fn pip(&self) -> Result<Option<Vec<OsString>>, Failure> {
        if let Some(dir) = &self.virtualenv {
            return Ok(Some(vec![dir.join("bin/pip").into_os_string()]));
        }
        if let Some(program) = &self.args.executable {
            return Ok(Some(vec![to_os(program)]));
        }
        for name in ["pip3", "pip"] {
            if self.ctx.sys.find_program(name)?.is_some() {
                return Ok(Some(vec![name.into()]));
            }
        }
        if self.ctx.sys.uncertain() {
            return Ok(None);
        }
        Err(Failure::new("Unable to find any of pip3, pip to use. pip needs to be installed."))
    }

    fn command(&self, pip: &[OsString], words: &[String]) -> Result<Command, Failure> {
        let mut command = Command::new(pip.iter().cloned());
        command.argv.extend(words.first().map(|verb| to_os(verb)));
        if words.first().is_some_and(|verb| verb != "list") {
            if let Some(extra) = &self.args.extra_args {
                command.argv.extend(words::split(extra)?.iter().map(|word| to_os(word)));
            }
            command.argv.extend(self.args.break_system_packages.then(|| "--break-system-packages".into()));
        }
        command.argv.extend(words.iter().skip(1).map(|word| to_os(word)));
        command.umask = self.umask;
        command.cwd = exec::directory(self.ctx, self.args.chdir.as_ref())?;
        Ok(command.env("LC_ALL", "C.UTF-8").env("PIP_DISABLE_PIP_VERSION_CHECK", "1"))
    }

    /// Makes the virtual environment; true when there was none.
    fn make_virtualenv(&self) -> Result<bool, Failure> {
        let Some(dir) = &self.virtualenv else { return Ok(false) };
        if self.ctx.sys.stat(&dir.join("bin/activate"), true)?.is_some() {
            return Ok(false);
        }
        let mut words = words::split(&self.args.virtualenv_command)?;
        if self.args.virtualenv_site_packages {
            words.push("--system-site-packages".to_owned());
        }
        if let Some(python) = &self.args.virtualenv_python {
            if words.iter().any(|word| word == "venv") {
                return Err(Failure::new(
                    "virtualenv_python should not be used when using the venv module or pyvenv as virtualenv_command",
                ));
            }
            words.push(format!("-p{python}"));
        }
        let mut command = Command::new(words.iter().map(|word| to_os(word))).arg(dir);
        command.umask = self.umask;
        command.cwd = exec::directory(self.ctx, self.args.chdir.as_ref())?;
        if let Ran::Done(output) = self.ctx.sys.run(&command, Effect::Change)?
            && !output.ok()
        {
            return Err(failed(&output, Outcome::new()));
        }
        Ok(true)
    }

    /// Versions by name.
    fn installed(&self, pip: &[OsString]) -> Result<BTreeMap<String, String>, Failure> {
        let output =
            self.ctx.sys.query(&self.command(pip, &["list".to_owned(), "--format=freeze".to_owned()])?)?;
        if !output.ok() {
            return Err(failed(&output, Outcome::new()));
        }
        let pair =
            |line: &str| line.split_once("==").map(|(name, version)| (key(name), version.trim().to_owned()));
        Ok(output.out().lines().filter_map(pair).collect())
    }

    /// Would it install something? None where pip is too old to tell.
    fn would_change(&self, pip: &[OsString], words: &[String]) -> Result<Option<bool>, Failure> {
        let asked: Vec<String> = [&["install".to_owned(), "--dry-run".to_owned()], &words[1..]].concat();
        let output = self.ctx.sys.query(&self.command(pip, &asked)?)?;
        if output.ok() {
            return Ok(Some(output.out().contains("Would install")));
        }
        // Its real run tells what is wrong.
        Ok(None)
    }
}

/// A name as the index knows it (PEP 503), without extras and versions.
fn key(name: &str) -> String {
    let end = name.find(['<', '>', '=', '!', '~', '[', ';', ' ', '@']).unwrap_or(name.len());
    name[..end].trim().to_lowercase().replace(['_', '.'], "-")
}

/// Is it installed, as far as that can be told without pip? Only exact versions can.
fn satisfied(name: &str, there: &BTreeMap<String, String>) -> bool {
    let plain = |text: &str| !text.contains(['<', '>', '!', '~', '[', ';', '@', '/', ',']);
    let Some(version) = there.get(&key(name)).filter(|_| plain(name)) else { return false };
    match name.split_once("==") {
        Some((_, wanted)) => {
            wanted.trim() == version || wanted.trim().trim_end_matches(".0") == version.trim_end_matches(".0")
        }
        None => !name.contains('='),
    }
}

fn failed(output: &Output, outcome: Outcome) -> Failure {
    let why =
        [output.err(), output.out()].into_iter().find(|text| !text.trim().is_empty()).unwrap_or_default();
    let mut failure =
        Failure { msg: format!("pip failed: {}", why.trim()), result: outcome.result }.with("rc", output.rc);
    results::lines(&mut failure.result, "stdout", output.out());
    results::lines(&mut failure.result, "stderr", output.err());
    failure
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_versions_are_compared() {
        let there = BTreeMap::from([("a-b".to_owned(), "1.2.0".to_owned())]);
        assert_eq!(key("A_B[x]>=1"), "a-b");
        for (name, is) in
            [("A.b", true), ("a-b==1.2", true), ("a-b==1.3", false), ("a-b>=1", false), ("c", false)]
        {
            assert_eq!(satisfied(name, &there), is, "{name}");
        }
    }
}
