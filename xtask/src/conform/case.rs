//! The corpus: directories with a playbook and a file `conform` that says what it is about.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use provision_testkit::bins;

use super::compare::Aspect;

/// Where cases are, from the top of the checkout; the second is also run by `tests/language.rs`, without Ansible.
const CORPORA: [&str; 2] = ["tests/conform", "tests/language"];

/// One playbook and how it is run.
#[derive(Debug, Clone)]
pub struct Case {
    /// Such as `language/loops`.
    pub name: String,
    pub dir: PathBuf,
    /// What of the language it shows; the report groups by it.
    pub feature: String,
    pub stage: Stage,
    /// The arguments of each run, in this order on the same hosts.
    pub runs: Vec<Vec<String>>,
    pub differs: Vec<Excuse>,
    /// Directories outside of its own that it reads.
    pub uses: Vec<PathBuf>,
    /// Found wrong before the run, so all that is compared is that Ansible does not get through either.
    pub refused: bool,
}

/// Where a case runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// This machine, with `connection: local`.
    Local,
    /// A host of its own for each tool.
    Host,
}

/// A difference on purpose.
#[derive(Debug, Clone)]
pub struct Excuse {
    pub aspect: Aspect,
    /// A part of the line that shows the difference.
    pub part: String,
    pub reason: String,
}

impl Case {
    /// A `conform` file, if there is one, has lines `key: value`:
    ///
    /// - `feature: Loops`; without it the first word of the case's name
    /// - `on: host` for a case that needs one; without it the case is local
    /// - `run: --check --diff`, once for each run; without it there is one, with the arguments in `args`, one a line
    /// - `uses: ../DIR`: a directory that it reads besides its own
    /// - `differs: text Pausing for => reason`: a difference on purpose, by its aspect and a part of its line
    fn read(name: String, dir: PathBuf) -> Result<Case> {
        let path = dir.join("conform");
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        };
        // The first word of the case's name, unless it is said better.
        let word = dir.file_name().unwrap_or_default().to_string_lossy();
        let word = word.split('_').next().unwrap_or_default();
        let feature = word.chars().take(1).flat_map(char::to_uppercase).chain(word.chars().skip(1)).collect();
        let mut case = Case {
            name,
            feature,
            stage: Stage::Local,
            runs: Vec::new(),
            differs: Vec::new(),
            uses: Vec::new(),
            refused: dir.join("refused").exists(),
            dir,
        };
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (key, value) = line.split_once(':').with_context(|| format!("{}: {line}", path.display()))?;
            let value = value.trim();
            match key {
                "feature" => case.feature = value.to_owned(),
                "on" if value == "host" => case.stage = Stage::Host,
                "on" if value == "local" => case.stage = Stage::Local,
                "uses" => case.uses.push(case.dir.join(value)),
                "run" => case.runs.push(value.split_whitespace().map(str::to_owned).collect()),
                "differs" => {
                    let parts = value.split_once(" => ").and_then(|(what, reason)| {
                        let (aspect, part) = what.split_once(' ')?;
                        Some((Aspect::named(aspect)?, part, reason))
                    });
                    let Some((aspect, part, reason)) = parts else {
                        bail!("{}: `{line}` is not `differs: ASPECT PART => REASON`", path.display())
                    };
                    let (part, reason) = (part.trim().to_owned(), reason.trim().to_owned());
                    case.differs.push(Excuse { aspect, part, reason });
                }
                _ => bail!("{}: nothing is known of `{line}`", path.display()),
            }
        }
        if case.runs.is_empty() {
            let args = fs::read_to_string(case.dir.join("args")).unwrap_or_default();
            case.runs.push(args.lines().map(str::to_owned).collect());
        }
        case.guard()?;
        Ok(case)
    }

    /// Its own inventory, else the corpus's. On a host only its own, beside the one of the hosts: the corpus's is of
    /// this machine.
    pub fn inventory(&self) -> Option<PathBuf> {
        let own = self.dir.join("hosts");
        let shared =
            self.dir.parent().filter(|_| self.stage == Stage::Local).map(|corpus| corpus.join("hosts"));
        [Some(own), shared].into_iter().flatten().find(|path| path.exists())
    }

    /// What is meant for a host must not reach this machine.
    fn guard(&self) -> Result<()> {
        let own = fs::read_to_string(self.dir.join("hosts")).unwrap_or_default();
        let play = fs::read_to_string(self.dir.join("play.yaml"))?;
        let here = own.contains("ansible_connection") || play.contains("connection: local");
        ensure!(
            self.stage == Stage::Local || !here,
            "{} is for hosts and connects to this machine",
            self.name
        );
        Ok(())
    }

    /// A name for files.
    pub fn id(&self) -> String {
        self.name.replace('/', "-")
    }
}

/// All cases, or those whose names contain one of `only`.
pub fn all(only: &[String]) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for corpus in CORPORA {
        let top = bins::workspace().join(corpus);
        let short = corpus.trim_start_matches("tests/");
        for dir in directories(&top)? {
            let name = format!("{short}/{}", dir.file_name().unwrap_or_default().to_string_lossy());
            let chosen = only.is_empty()
                || only.iter().any(|o| match o.strip_prefix('=') {
                    Some(exact) => name.ends_with(&format!("/{exact}")) || name == exact,
                    None => name.contains(o.as_str()),
                });
            if chosen && dir.join("play.yaml").is_file() {
                cases.push(Case::read(name, dir)?);
            }
        }
    }
    ensure!(!cases.is_empty(), "no case is called so");
    Ok(cases)
}

fn directories(top: &Path) -> Result<Vec<PathBuf>> {
    if !top.exists() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(top).with_context(|| format!("cannot read {}", top.display()))? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Also that every case has its file, and that it can be read.
    #[test]
    fn the_corpus_is_complete() {
        let cases = all(&[]).unwrap();
        assert!(cases.iter().any(|case| case.name == "language/loops" && case.stage == Stage::Local));
        for case in &cases {
            assert!(case.stage == Stage::Host || case.inventory().is_some(), "{}: which hosts?", case.name);
            assert!(case.uses.iter().all(|dir| dir.is_dir()), "{} uses what is not there", case.name);
        }
    }
}
