//! What git is asked and told.

use super::GitArgs;
use crate::support::files::{create_dirs, path_of, show};
use crate::{Ctx, Failure};
use provision_system::text::{shell_word, to_os};
use provision_system::{Command, Effect, Output, Ran};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// A checkout, there or to be.
pub struct Repository<'a> {
    args: &'a GitArgs,
    ctx: &'a Ctx<'a>,
    dest: &'a Path,
    program: OsString,
    umask: Option<u32>,
    /// How git is to call ssh, where the task says.
    ssh: Option<String>,
}

/// What a version is on the server.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Head,
    Branch,
    Tag,
    Commit,
}

impl<'a> Repository<'a> {
    pub fn new(
        args: &'a GitArgs,
        ctx: &'a Ctx<'a>,
        dest: &'a Path,
        program: Option<PathBuf>,
    ) -> Result<Self, Failure> {
        let umask = match &args.umask {
            None => None,
            Some(text) => Some(
                u32::from_str_radix(text.trim(), 8)
                    .ok()
                    .filter(|mask| *mask <= 0o777)
                    .ok_or_else(|| Failure::new(format!("umask must be an octal integer, not {text}")))?,
            ),
        };
        let mut ssh = String::new();
        if args.accept_newhostkey {
            ssh.push_str(" -o StrictHostKeyChecking=accept-new");
        }
        if let Some(key) = &args.key_file {
            let key = path_of(ctx, key)?;
            ssh.push_str(&format!(" -i {} -o IdentitiesOnly=yes", shell_word(key.as_os_str())));
        }
        if let Some(options) = &args.ssh_opts {
            ssh.push_str(&format!(" {options}"));
        }
        let ssh = (!ssh.is_empty()).then(|| format!("ssh -o BatchMode=yes{ssh}"));
        let program = program.map_or_else(|| "git".into(), PathBuf::into_os_string);
        Ok(Self { args, ctx, dest, program, umask, ssh })
    }

    fn command<S: AsRef<str>>(&self, words: &[S]) -> Command {
        let mut command = Command::new([self.program.clone()]);
        command.argv.extend(words.iter().map(|word| to_os(word.as_ref())));
        command = command.env("LC_ALL", "C").env("GIT_TERMINAL_PROMPT", "0");
        if let Some(ssh) = &self.ssh {
            command = command.env("GIT_SSH_COMMAND", to_os(ssh));
        }
        command.umask = self.umask;
        command
    }

    /// In the checkout.
    fn ask<S: AsRef<str>>(&self, words: &[S]) -> Result<Output, Failure> {
        Ok(self.ctx.sys.query(&self.command(words).cwd(self.dest))?)
    }

    fn must<S: AsRef<str>>(&self, words: &[S]) -> Result<String, Failure> {
        let output = self.ask(words)?;
        if output.ok() { Ok(output.out().trim().to_owned()) } else { Err(failed(words, &output)) }
    }

    /// Runs in the checkout; false in a dry run.
    fn run<S: AsRef<str>>(&self, words: &[S], effect: Effect) -> Result<bool, Failure> {
        self.run_in(self.dest, words, effect)
    }

    fn run_in<S: AsRef<str>>(&self, dir: &Path, words: &[S], effect: Effect) -> Result<bool, Failure> {
        match self.ctx.sys.run(&self.command(words).cwd(dir), effect)? {
            Ran::Done(output) if output.ok() => Ok(true),
            Ran::Done(output) => Err(failed(words, &output)),
            Ran::NotRun => Ok(false),
        }
    }

    pub fn exists(&self) -> Result<bool, Failure> {
        let mark = if self.args.bare { self.dest.join("HEAD") } else { self.dest.join(".git") };
        Ok(self.ctx.sys.stat(&mark, true)?.is_some())
    }

    /// The commit that is checked out; empty in a repository without commits.
    pub fn head(&self) -> Result<String, Failure> {
        let output = self.ask(&["rev-parse", "HEAD"])?;
        if output.ok() {
            return Ok(output.out().trim().to_owned());
        }
        match output.err().contains("unknown revision") {
            true => Ok(String::new()),
            false => Err(failed(&["rev-parse", "HEAD"], &output)),
        }
    }

    /// Changes of files that git knows.
    pub fn has_local_changes(&self) -> Result<bool, Failure> {
        let status = self.must(&["--no-optional-locks", "status", "--porcelain"])?;
        Ok(status.lines().any(|line| !line.starts_with("??")))
    }

    pub fn discard_changes(&self) -> Result<(), Failure> {
        self.run(&["reset", "--hard", "HEAD", "--"], Effect::Change).map(|_| ())
    }

    /// Makes the remote's address the task's; true when it was another.
    pub fn set_url(&self) -> Result<bool, Failure> {
        let name = format!("remote.{}.url", self.args.remote);
        let now = self.ask(&["config", "--get", &name])?;
        if now.out().trim() == self.args.repo {
            return Ok(false);
        }
        let verb = if now.ok() { "set-url" } else { "add" };
        self.run(&["remote", verb, &self.args.remote, &self.args.repo], Effect::Change)?;
        Ok(true)
    }

    /// The commit that the version is on the server; None for one that only fetching can tell.
    pub fn remote_version(&self) -> Result<Option<String>, Failure> {
        Ok(self.resolve()?.1)
    }

    fn resolve(&self) -> Result<(Kind, Option<String>), Failure> {
        let version = self.args.version.as_str();
        if version.len() == 40 && version.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok((Kind::Commit, Some(version.to_lowercase())));
        }
        let words = ["ls-remote".to_owned(), self.args.repo.clone(), "HEAD".to_owned()];
        let mut words: Vec<String> = words.to_vec();
        words.extend([
            format!("refs/heads/{version}"),
            format!("refs/tags/{version}"),
            format!("refs/tags/{version}^{{}}"),
        ]);
        let output = self.ctx.sys.query(&self.command(&words).cwd("/"))?;
        if !output.ok() {
            return Err(failed(&words, &output));
        }
        match pick(&output.out(), version) {
            Some((kind, commit)) => Ok((kind, Some(commit))),
            None if version.len() >= 4 && version.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
                Ok((Kind::Commit, None))
            }
            None => Err(Failure::new(format!("Could not determine remote revision for {version}"))),
        }
    }

    /// Clones; the commit then, or None in a dry run.
    pub fn clone(&self) -> Result<Option<String>, Failure> {
        let args = self.args;
        let (kind, _) = self.resolve()?;
        let mut words = vec!["clone".to_owned()];
        match args.bare {
            true => words.push("--bare".to_owned()),
            false => words.extend(["--origin".to_owned(), args.remote.clone()]),
        }
        if matches!(kind, Kind::Branch | Kind::Tag) {
            words.extend(["--branch".to_owned(), args.version.clone()]);
        }
        if let Some(depth) = args.depth.filter(|depth| *depth > 0 && kind != Kind::Commit) {
            words.extend(["--depth".to_owned(), depth.to_string()]);
        }
        words.extend(args.single_branch.then(|| "--single-branch".to_owned()));
        if let Some(reference) = &args.reference {
            words.extend(["--reference".to_owned(), reference.clone()]);
        }
        if let Some(dir) = &args.separate_git_dir {
            words.push(format!("--separate-git-dir={}", show(&path_of(self.ctx, dir)?)));
        }
        words.extend([args.repo.clone(), show(self.dest)]);
        let parent = self.dest.parent().unwrap_or(Path::new("/"));
        create_dirs(self.ctx, parent, None, &mut |_| Ok(()))?;
        if !self.run_in(Path::new("/"), &words, Effect::Change)? {
            return Ok(None);
        }
        if args.bare && args.remote != "origin" {
            self.run(&["remote", "add", &args.remote, &args.repo], Effect::Upkeep)?;
        }
        if args.refspec.is_some() {
            self.fetch(&kind, Effect::Upkeep)?;
        }
        self.verify(&kind)?;
        if !args.bare && kind == Kind::Commit {
            self.run(&["checkout", "--force", &args.version, "--"], Effect::Change)?;
        }
        self.update_submodules()?;
        self.head().map(Some)
    }

    /// Is the right branch checked out? Tags and commits need none.
    pub fn is_on_version(&self) -> Result<bool, Failure> {
        if self.args.bare || self.resolve()?.0 != Kind::Branch {
            return Ok(true);
        }
        let branch = self.ask(&["symbolic-ref", "--short", "-q", "HEAD"])?;
        Ok(branch.out().trim() == self.args.version)
    }

    fn fetch(&self, kind: &Kind, effect: Effect) -> Result<bool, Failure> {
        let (args, version) = (self.args, &self.args.version);
        let mut words: Vec<String> = ["fetch", "--force", "--tags"].map(str::to_owned).to_vec();
        let depth =
            args.depth.filter(|depth| *depth > 0 && (*kind != Kind::Commit || args.refspec.is_some()));
        if let Some(depth) = depth {
            words.extend(["--depth".to_owned(), depth.to_string()]);
        }
        words.push(args.remote.clone());
        match (args.bare, kind) {
            (true, _) => words.push("+refs/heads/*:refs/heads/*".to_owned()),
            (false, Kind::Branch) if depth.is_some() || args.single_branch => {
                words.push(format!("+refs/heads/{version}:refs/remotes/{}/{version}", args.remote));
            }
            (false, _) => words.push(format!("+refs/heads/*:refs/remotes/{}/*", args.remote)),
        }
        words.extend(args.refspec.clone());
        self.run(&words, effect)
    }

    fn verify(&self, kind: &Kind) -> Result<(), Failure> {
        if !self.args.verify_commit {
            return Ok(());
        }
        let what = match kind {
            Kind::Tag => ["verify-tag", &self.args.version],
            Kind::Branch => {
                return self
                    .must(&["verify-commit", &format!("{}/{}", self.args.remote, self.args.version)])
                    .map(|_| ());
            }
            Kind::Commit => ["verify-commit", &self.args.version],
            Kind::Head => ["verify-commit", "HEAD"],
        };
        // A lightweight tag has no signature of its own.
        match what {
            ["verify-tag", tag] if self.must(&["cat-file", "-t", tag])? == "commit" => {
                self.must(&["verify-commit", tag]).map(|_| ())
            }
            what => self.must(&what).map(|_| ()),
        }
    }

    /// Fetches and checks out; the commit then.
    pub fn update(&self, wanted: Option<&str>) -> Result<Option<String>, Failure> {
        let args = self.args;
        let (kind, _) = self.resolve()?;
        let before = self.head()?;
        // Fetching brings no change of its own: what is checked out afterwards does.
        let bare = args.bare;
        let effect = if bare { Effect::Change } else { Effect::Upkeep };
        let fetched = self.fetch(&kind, effect)?;
        if bare {
            return if fetched { self.head().map(Some) } else { Ok(wanted.map(str::to_owned)) };
        }
        if fetched {
            self.verify(&kind)?;
        }
        let goal = match wanted {
            Some(commit) => commit.to_owned(),
            None if fetched => self.must(&["rev-parse", &format!("{}^{{commit}}", args.version)])?,
            None => String::new(),
        };
        let effect = if goal == before { Effect::Upkeep } else { Effect::Change };
        let remote = |branch: &str| format!("{}/{branch}", args.remote);
        match kind {
            Kind::Branch => self.to_branch(&args.version, effect)?,
            Kind::Head => {
                let name = format!("refs/remotes/{}/HEAD", args.remote);
                let head = self.ask(&["symbolic-ref", "--short", "-q", &name])?.out().trim().to_owned();
                match head.strip_prefix(&remote("")) {
                    Some(branch) => self.to_branch(branch, effect)?,
                    None => {
                        self.run(&["checkout", "--force", "--detach", &goal, "--"], effect).map(|_| ())?
                    }
                }
            }
            Kind::Tag | Kind::Commit => {
                self.run(&["checkout", "--force", &args.version, "--"], effect)?;
            }
        }
        if !fetched {
            return Ok(wanted.map(str::to_owned));
        }
        self.head().map(Some)
    }

    fn to_branch(&self, branch: &str, effect: Effect) -> Result<(), Failure> {
        let remote = format!("{}/{branch}", self.args.remote);
        let local = self.ask(&["rev-parse", "-q", "--verify", &format!("refs/heads/{branch}")])?;
        if local.ok() {
            self.run(&["checkout", "--force", branch, "--"], Effect::Upkeep)?;
            self.run(&["reset", "--hard", &remote, "--"], effect)?;
        } else {
            self.run(&["checkout", "--force", "--track", "-b", branch, &remote, "--"], effect)?;
        }
        Ok(())
    }

    /// Brings submodules to where the checkout wants them.
    pub fn update_submodules(&self) -> Result<(), Failure> {
        let there = self.ctx.sys.stat(&self.dest.join(".gitmodules"), true)?.is_some();
        if self.args.bare || !self.args.recursive || !there {
            return Ok(());
        }
        let status = |this: &Self| this.must(&["submodule", "status", "--recursive"]);
        let before = status(self)?;
        let strays = before.lines().any(|line| line.starts_with(['-', '+', 'U']));
        if !strays && !self.args.track_submodules {
            return Ok(());
        }
        self.run(&["submodule", "sync", "--recursive"], Effect::Upkeep)?;
        let mut words = vec!["submodule", "update", "--init", "--recursive", "--force"];
        words.extend(self.args.track_submodules.then_some("--remote"));
        let effect = if self.args.track_submodules { Effect::Upkeep } else { Effect::Change };
        if self.run(&words, effect)? && self.args.track_submodules {
            self.ctx.sys.note(&format!("submodules of {}", show(self.dest)), &before, &status(self)?)?;
        }
        Ok(())
    }
}

/// The version among the lines of `ls-remote`: a branch before a tag, and of a tag the commit it stands for.
fn pick(text: &str, version: &str) -> Option<(Kind, String)> {
    let find = |name: &str| {
        let mut lines = text.lines().filter_map(|line| line.split_once('\t'));
        lines.find(|(_, found)| *found == name).map(|(commit, _)| commit.to_owned())
    };
    if version == "HEAD" {
        return find("HEAD").map(|commit| (Kind::Head, commit));
    }
    if let Some(commit) = find(&format!("refs/heads/{version}")) {
        return Some((Kind::Branch, commit));
    }
    let tag = find(&format!("refs/tags/{version}^{{}}")).or_else(|| find(&format!("refs/tags/{version}")));
    tag.map(|commit| (Kind::Tag, commit))
}

fn failed<S: AsRef<str>>(words: &[S], output: &Output) -> Failure {
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    let why = output.err();
    let mut failure =
        Failure::new(format!("git {} failed: {}", words.join(" "), why.trim())).with("rc", output.rc);
    crate::support::results::lines(&mut failure.result, "stdout", output.out());
    crate::support::results::lines(&mut failure.result, "stderr", why);
    failure
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found() {
        let text =
            "aa\tHEAD\naa\trefs/heads/main\nbb\trefs/tags/v1\ncc\trefs/tags/v1^{}\ndd\trefs/tags/main\n";
        assert_eq!(pick(text, "HEAD"), Some((Kind::Head, "aa".into())));
        assert_eq!(pick(text, "main"), Some((Kind::Branch, "aa".into())));
        assert_eq!(pick(text, "v1"), Some((Kind::Tag, "cc".into())));
        assert_eq!(pick(text, "v2"), None);
    }
}
