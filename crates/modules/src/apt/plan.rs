//! What apt has to do: package names as users write them, the lists' age, and what apt's own files say.

use super::{Task, no_package};
use crate::support::dpkg::{self, Database, Package};
use crate::support::files::show;
use crate::support::{apt_get, glob, results};
use crate::{Ctx, Failure, Outcome};
use provision_system::text::{bytes_to_text, to_os, to_text};
use provision_system::{Command, Effect, NewFile, Ran};
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::path::Path;

const LISTS: &str = "/var/lib/apt/lists";

/// The package lists that were fetched last.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Lists {
    pub present: bool,
    /// Seconds since 1970; 0: unknown.
    time: f64,
}

impl Lists {
    pub fn look(ctx: &Ctx<'_>) -> Result<Self, Failure> {
        let dir = Path::new(LISTS);
        let stamp = ctx.sys.stat(Path::new("/var/lib/apt/periodic/update-success-stamp"), true)?;
        let Some(meta) = ctx.sys.stat(dir, true)? else { return Ok(Self { present: false, time: 0.0 }) };
        // An image often comes with the directory emptied: its age says nothing then.
        let is_list = |name: &String| name.contains("_Packages") || name.ends_with("Release");
        let present = ctx.sys.read_dir(dir)?.iter().any(|name| is_list(&to_text(name)));
        Ok(Self { present, time: stamp.map_or(meta.mtime, |stamp| stamp.mtime.max(meta.mtime)) })
    }

    /// There are none, or apt was given other sources after they were fetched.
    pub fn outdated(&self, ctx: &Ctx<'_>) -> Result<bool, Failure> {
        if !self.present {
            return Ok(true);
        }
        let etc = Path::new("/etc/apt");
        let mut files = vec![etc.join("sources.list")];
        let more = etc.join("sources.list.d");
        if ctx.sys.stat(&more, true)?.is_some() {
            files.extend(ctx.sys.read_dir(&more)?.iter().map(|name| more.join(name)));
        }
        for file in files {
            if ctx.sys.stat(&file, true)?.is_some_and(|meta| meta.mtime > self.time) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub fn fresh(&self, now: f64, valid: u64) -> bool {
        #[expect(clippy::cast_precision_loss, reason = "seconds of a lifetime fit")]
        let valid = valid as f64;
        self.present && now < self.time + valid
    }

    #[expect(clippy::cast_possible_truncation, reason = "a time of today fits")]
    pub fn whole_seconds(&self) -> i64 {
        self.time as i64
    }

    /// Sets their time to now.
    pub fn touch(&mut self, ctx: &Ctx<'_>) -> Result<(), Failure> {
        // Not by set_attrs: it is no change that a user would care for.
        if let Ran::Done(output) = ctx.sys.run(&Command::new(["touch", LISTS]), Effect::Upkeep)?
            && output.ok()
        {
            self.time = ctx.sys.now();
        }
        Ok(())
    }
}

/// A package as a user names it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spec<'a> {
    pub name: &'a str,
    pub arch: Option<&'a str>,
    pub version: Version<'a>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Version<'a> {
    Any,
    /// A shell pattern.
    Is(&'a str),
    AtLeast(&'a str),
    Release(&'a str),
}

/// None: no package has such a name.
pub(super) fn spec(text: &str) -> Option<Spec<'_>> {
    let (rest, version) = if let Some((name, version)) = text.split_once(">=") {
        (name.trim_end(), Version::AtLeast(version.trim_start()))
    } else if let Some((name, version)) = text.split_once('=') {
        (name.trim_end(), Version::Is(version.trim_start()))
    } else if let Some((name, release)) = text.split_once('/') {
        (name, Version::Release(release))
    } else {
        (text, Version::Any)
    };
    let (name, arch) = match rest.split_once(':') {
        Some((name, arch)) => (name, Some(arch)),
        None => (rest, None),
    };
    let fine = |c: char| c.is_ascii_alphanumeric() || "+-.*?[]!_".contains(c);
    let begins = name.starts_with(|c: char| c.is_ascii_alphanumeric() || "*?[".contains(c));
    (begins && name.chars().all(fine)).then_some(Spec { name, arch, version })
}

impl Spec<'_> {
    pub fn is_plain(&self) -> bool {
        self.version == Version::Any && self.arch.is_none()
    }

    pub fn has_pattern(&self) -> bool {
        self.name.contains(['*', '?', '['])
    }

    /// With the processor.
    pub fn full_name(&self) -> String {
        self.arch.map_or_else(|| self.name.to_owned(), |arch| format!("{}:{arch}", self.name))
    }

    /// apt-get might take it for something else: a regular expression, or an order to remove (`name-`).
    fn is_ambiguous(&self) -> bool {
        self.name.contains(['.', '+']) || self.name.ends_with('-')
    }

    /// Whether what is installed is as asked; None: only apt knows.
    pub fn satisfied(&self, package: Option<&Package>) -> Option<bool> {
        let Some(package) = package else { return Some(false) };
        match self.version {
            Version::Any => Some(true),
            Version::Is(pattern) => Some(glob::matches(pattern, &package.version)),
            Version::AtLeast(version) => Some(dpkg::compare(&package.version, version) != Ordering::Less),
            Version::Release(_) => None,
        }
    }
}

impl Task<'_> {
    /// The names with patterns replaced by the packages they match.
    pub(super) fn expanded(&self) -> Result<Vec<String>, Failure> {
        self.expanded_with(&Database::read(self.ctx)?)
    }

    pub(super) fn expanded_with(&self, db: &Database) -> Result<Vec<String>, Failure> {
        let mut names = Vec::new();
        let mut known: Option<BTreeSet<String>> = None;
        for text in &self.names {
            let Some(spec) = spec(text).filter(Spec::has_pattern) else {
                names.push(text.clone());
                continue;
            };
            if known.is_none() {
                let output = apt_get::ask(self.ctx, apt_get::program(["apt-cache", "pkgnames"]))?;
                let listed = bytes_to_text(&output.stdout).lines().map(str::to_owned).collect();
                known = Some(listed);
            }
            let rest = &text[spec.name.len()..];
            let mut found: BTreeSet<&str> = db.matching(spec.name, false).into_iter().collect();
            let matches = |name: &&String| glob::matches(spec.name, name);
            found.extend(known.iter().flatten().filter(matches).map(String::as_str));
            if found.is_empty() {
                if self.unsure()? {
                    names.push(text.clone());
                    continue;
                }
                return Err(Failure::new(format!("No package(s) matching '{text}' available")));
            }
            names.extend(found.into_iter().map(|name| format!("{name}{rest}")));
        }
        Ok(names)
    }

    /// Nothing is called `name` but an installed package stands in for it.
    pub(super) fn is_provided(&self, db: &Database, name: &str) -> Result<bool, Failure> {
        if db.provider(name).is_none() {
            return Ok(false);
        }
        let known = apt_get::candidates(self.ctx, &[name.to_owned()])?;
        Ok(known.iter().all(|(_, candidate)| candidate.is_none()))
    }

    /// How apt-get is told to install `text`.
    pub(super) fn installable(&self, text: &str) -> Result<String, Failure> {
        let Some(spec) = spec(text) else { return Err(no_package(text)) };
        let Version::AtLeast(least) = spec.version else {
            if spec.is_ambiguous() && !self.unsure()? {
                let known = apt_get::candidates(self.ctx, &[spec.full_name()])?;
                if known.is_empty() {
                    return Err(no_package(spec.name));
                }
            }
            return Ok(text.to_owned());
        };
        let name = spec.full_name();
        let known = apt_get::candidates(self.ctx, std::slice::from_ref(&name))?;
        match known.first() {
            None if self.unsure()? => Ok(name),
            None => Err(no_package(spec.name)),
            Some((_, Some(version))) if dpkg::compare(version, least) != Ordering::Less => {
                Ok(format!("{name}={version}"))
            }
            Some(_) if self.unsure()? => Ok(name),
            Some(_) => Err(Failure::new(format!("no available installation candidate for {text}"))),
        }
    }

    /// A package that was installed for another one's sake is now wanted for its own.
    pub(super) fn mark_manual(&self, names: &[String]) -> Result<(), Failure> {
        let path = Path::new("/var/lib/apt/extended_states");
        if names.is_empty() || self.ctx.sys.stat(path, true)?.is_none() {
            return Ok(());
        }
        let states = bytes_to_text(&self.ctx.sys.read(path)?);
        let automatic: BTreeSet<&str> = states
            .split("\n\n")
            .filter(|entry| entry.lines().any(|line| line == "Auto-Installed: 1"))
            .filter_map(|entry| entry.lines().find_map(|line| line.strip_prefix("Package: ")))
            .collect();
        let base = |name: &String| automatic.contains(name.split(':').next().unwrap_or_default());
        let marked: Vec<&String> = names.iter().filter(|name| base(name)).collect();
        if marked.is_empty() {
            return Ok(());
        }
        let mut command = apt_get::program(["apt-mark", "manual"]);
        command.argv.extend(marked.iter().map(|name| to_os(name)));
        match self.ctx.sys.run(&command, Effect::Upkeep)? {
            Ran::Done(output) if !output.ok() => {
                Err(Failure::new(format!("'{}' failed: {}", command.display(), output.err()))
                    .with("rc", output.rc))
            }
            _ => Ok(()),
        }
    }

    /// A package file: nothing to do when that very version is installed.
    pub(super) fn install_file(&self, path: &Path) -> Result<Outcome, Failure> {
        let name = show(path);
        if self.ctx.sys.stat(path, true)?.is_none() {
            if self.ctx.sys.uncertain() {
                self.ctx.sys.note(&format!("package file {name}"), "unknown", "present")?;
                let why = "unknown until applied: the package file is not there yet";
                return Ok(Outcome::new().with("depends_on", why));
            }
            return Err(Failure::new(format!(
                "Unable to install package: {name}: No such file or directory"
            )));
        }
        let mut command = apt_get::program(["dpkg-deb", "--show", "--showformat"]);
        command.argv.extend([to_os("${Package}\n${Version}\n${Architecture}\n"), path.into()]);
        let output = self.ctx.sys.query(&command)?;
        if !output.ok() && !self.ctx.sys.dry() {
            return Err(Failure::new(format!("Unable to install package: {}", output.err().trim())));
        }
        let shown = output.out();
        let db = Database::read(self.ctx)?;
        if let [package, version, arch] = shown.lines().collect::<Vec<_>>().as_slice()
            && let Some(found) = db.find(package, Some(arch)).filter(|found| found.is_installed())
            && dpkg::compare(&found.version, version) == Ordering::Equal
        {
            return Ok(Outcome::new());
        }
        self.apply(&["install"], &[name], db)
    }

    pub(super) fn autoclean(&self) -> Result<Outcome, Failure> {
        let simulated = apt_get::ask(self.ctx, apt_get::program(["apt-get", "-s", "autoclean"]))?;
        if simulated.out().lines().any(|line| line.starts_with("Del ")) {
            return self.clean_with("autoclean");
        }
        Ok(said("", ""))
    }

    /// Deletes downloaded packages if there are any.
    pub(super) fn clean(&self) -> Result<Outcome, Failure> {
        let archives = Path::new("/var/cache/apt/archives");
        for dir in [archives.to_owned(), archives.join("partial")] {
            if self.ctx.sys.stat(&dir, true)?.is_none() {
                continue;
            }
            let names = self.ctx.sys.read_dir(&dir)?;
            if names.iter().any(|name| name != "lock" && name != "partial") {
                return self.clean_with("clean");
            }
        }
        Ok(said("", "").msg(""))
    }

    fn clean_with(&self, verb: &str) -> Result<Outcome, Failure> {
        match self.apt.run(self.ctx, &[verb.to_owned()])? {
            None => Ok(Outcome::new()),
            Some((_, output)) if output.ok() => Ok(said(&output.out(), &output.err()).msg(output.err())),
            Some((command, output)) => Err(self.failed(&command.display(), &output)),
        }
    }
}

pub(super) fn said(out: &str, err: &str) -> Outcome {
    let mut outcome = Outcome::new();
    results::lines(&mut outcome.result, "stdout", out.to_owned());
    results::lines(&mut outcome.result, "stderr", err.to_owned());
    outcome
}

/// What stood at `/usr/sbin/policy-rc.d`.
pub(super) enum Restore {
    Nothing,
    Remove,
    Write(Vec<u8>, u32),
}

const POLICY: &str = "/usr/sbin/policy-rc.d";

/// Makes init scripts get `code` as the answer to whether they may start services.
pub(super) fn policy_rc_d(ctx: &Ctx<'_>, code: Option<i64>) -> Result<Restore, Failure> {
    let Some(code) = code else { return Ok(Restore::Nothing) };
    let path = Path::new(POLICY);
    let restore = match ctx.sys.stat(path, true)? {
        None => Restore::Remove,
        Some(meta) => Restore::Write(ctx.sys.read(path)?, meta.mode),
    };
    let script = format!("#!/bin/sh\nexit {code}\n");
    let new = NewFile { mode: Some(0o755), ..NewFile::default() };
    ctx.sys.write(path, &mut script.as_bytes(), &new)?;
    Ok(restore)
}

impl Restore {
    pub fn undo(self, ctx: &Ctx<'_>) -> Result<(), Failure> {
        let path = Path::new(POLICY);
        match self {
            Self::Nothing => {}
            Self::Remove => ctx.sys.remove_file(path)?,
            Self::Write(content, mode) => {
                let new = NewFile { mode: Some(mode), ..NewFile::default() };
                ctx.sys.write(path, &mut content.as_slice(), &new)?;
            }
        }
        Ok(())
    }
}
