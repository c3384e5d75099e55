//! What `command`, `shell` and `script` share: conditions, running, results.

use crate::support::files::{self, show};
use crate::support::{glob, results, time};
use crate::{Ctx, Failure, Outcome};
use provision_args::PathArg;
use provision_system::{Command, Effect, Output, Ran};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

/// Files that say whether a command runs at all.
pub struct Conditions<'a> {
    pub creates: Option<&'a PathArg>,
    pub removes: Option<&'a PathArg>,
    /// Where relative ones start.
    pub base: &'a Path,
}

/// Why a command does not run.
pub enum Met<'a> {
    Exists(&'a PathArg),
    Missing(&'a PathArg),
}

impl<'a> Conditions<'a> {
    /// The condition that keeps the command from running.
    pub fn met(&self, ctx: &Ctx<'_>) -> Result<Option<Met<'a>>, Failure> {
        if let Some(creates) = self.creates
            && self.exists(ctx, creates)?
        {
            return Ok(Some(Met::Exists(creates)));
        }
        if let Some(removes) = self.removes
            && !self.exists(ctx, removes)?
        {
            // An earlier command of this dry run may make it.
            return Ok((!ctx.sys.uncertain()).then_some(Met::Missing(removes)));
        }
        Ok(None)
    }

    pub fn any(&self) -> bool {
        self.creates.is_some() || self.removes.is_some()
    }

    fn exists(&self, ctx: &Ctx<'_>, path: &PathArg) -> Result<bool, Failure> {
        glob::exists(ctx.sys, &files::absolute_from(self.base, &files::expand(ctx, path)))
    }
}

/// The directory a command starts in. A missing one is an error unless an earlier command of a dry run may make it.
pub fn directory(ctx: &Ctx<'_>, chdir: Option<&PathArg>) -> Result<Option<PathBuf>, Failure> {
    let Some(chdir) = chdir else { return Ok(None) };
    let dir = files::path_of(ctx, chdir)?;
    match ctx.sys.stat(&dir, true)? {
        Some(meta) if meta.is_dir() => Ok(Some(dir)),
        None if ctx.sys.uncertain() => Ok(Some(dir)),
        found => {
            let why = if found.is_some() { "it is not a directory" } else { "No such file or directory" };
            let msg = format!("Unable to change directory before execution: {}: {why}", show(&dir));
            let mut failure = Failure::new(msg).with("rc", Value::Null);
            results::lines(&mut failure.result, "stdout", String::new());
            results::lines(&mut failure.result, "stderr", String::new());
            Err(failure)
        }
    }
}

/// A command to run, and how its results are shown.
pub struct Run<'a> {
    pub command: Command,
    /// The result `cmd`.
    pub shown: Value,
    pub conditions: Conditions<'a>,
    /// Take the line ends off the end of the output.
    pub strip: bool,
}

impl Run<'_> {
    /// Runs it unless a condition is met.
    pub fn run(self, ctx: &Ctx<'_>) -> Result<Outcome, Failure> {
        let mut result = Map::new();
        result.insert("cmd".to_owned(), self.shown.clone());
        if let Some(met) = self.conditions.met(ctx)? {
            let would = if ctx.check { "Would" } else { "Did" };
            let (path, what) = match met {
                Met::Exists(path) => (path, "exists"),
                Met::Missing(path) => (path, "does not exist"),
            };
            result.insert("msg".to_owned(), format!("{would} not run command since '{path}' {what}").into());
            result.insert("rc".to_owned(), 0.into());
            for unknown in ["start", "end", "delta"] {
                result.insert(unknown.to_owned(), Value::Null);
            }
            results::lines(&mut result, "stdout", format!("skipped, since {path} {what}"));
            results::lines(&mut result, "stderr", String::new());
            return Ok(Outcome { result });
        }
        let start = ctx.sys.now();
        let ran = ctx.sys.run(&self.command, Effect::Change).map_err(|error| {
            let mut failure = Failure::new(format!("Error executing command: {error}"));
            failure.result = result.clone();
            // A program that did not start is one text, as in Ansible.
            failure.result.insert("cmd".to_owned(), self.command.display().into());
            failure.result.insert("rc".to_owned(), error.errno.into());
            results::lines(&mut failure.result, "stdout", String::new());
            results::lines(&mut failure.result, "stderr", String::new());
            failure
        })?;
        let output = match ran {
            Ran::Done(output) => output,
            Ran::NotRun => {
                let outcome = Outcome { result }.msg("Command would have run if not in check mode");
                let outcome = outcome.with("_unknown", true);
                // Ansible calls it skipped unless `creates` or `removes` says that it would run.
                return Ok(if self.conditions.any() { outcome } else { outcome.with("skipped", true) });
            }
        };
        let end = ctx.sys.now();
        let local = time::Local::of(ctx.sys);
        result.insert("start".to_owned(), local.stamp(start).into());
        result.insert("end".to_owned(), local.stamp(end).into());
        result.insert("delta".to_owned(), time::delta(end - start).into());
        finish(result, &output, self.strip)
    }
}

/// The results of a finished command; a failure when its status is not 0.
pub fn finish(mut result: Map<String, Value>, output: &Output, strip: bool) -> Result<Outcome, Failure> {
    result.insert("rc".to_owned(), output.rc.into());
    results::lines(&mut result, "stdout", results::output(&output.stdout, strip));
    results::lines(&mut result, "stderr", results::output(&output.stderr, strip));
    if output.ok() {
        return Ok(Outcome { result }.msg(""));
    }
    Err(Failure { msg: "non-zero return code".to_owned(), result })
}

/// A command's input.
pub fn input(stdin: Option<&String>, add_newline: bool) -> Option<Vec<u8>> {
    let mut data = provision_system::text::text_to_bytes(stdin?);
    if add_newline {
        data.push(b'\n');
    }
    Some(data)
}
