//! `find`: files by name, age, size and content.

use crate::stat::Algorithm;
use crate::support::files::{self, octal, path_of, show};
use crate::support::glob;
use crate::support::regex::{self, Flags};
use crate::{Ctx, Failure, Module, Outcome};
use fancy_regex::Regex;
use provision_args::{Args, Choice, ModeArg, PathArg};
use provision_system::text::{bytes_to_text, to_text};
use provision_system::{FileKind, Meta};
use serde_json::{Map, Value};
use std::path::Path;

/// Find files in directories. All conditions must hold. Nothing is changed.
#[derive(Args)]
#[args(name = "find")]
pub struct FindArgs {
    /// The directories to search.
    #[arg(required, alias = "path", alias = "name")]
    pub paths: Vec<PathArg>,
    /// Names to find: shell patterns, one of which must match; regular expressions with `use_regex`, which must match
    /// from the name's beginning. None: every name.
    #[arg(alias = "pattern")]
    pub patterns: Vec<String>,
    /// Names to leave out, written as `patterns`.
    #[arg(alias = "exclude")]
    pub excludes: Vec<String>,
    /// `patterns` and `excludes` are regular expressions (Python's syntax).
    #[arg(default = "no")]
    pub use_regex: bool,
    /// What to find.
    #[arg(default = "file")]
    pub file_type: FileType,
    /// A regular expression that a line of the file must match from its beginning. Only with `file_type: file`.
    pub contains: Option<String>,
    /// `contains` is looked for anywhere in the whole file.
    #[arg(default = "no")]
    pub read_whole_file: bool,
    /// The files' encoding, for `contains`.
    #[arg(choices("utf-8", "utf8", "UTF-8", "ascii"))]
    pub encoding: Option<String>,
    /// At least this old: a number with s, m, h, d or w. Negative: at most this old.
    pub age: Option<String>,
    /// Which time `age` is counted from.
    #[arg(default = "mtime")]
    pub age_stamp: Stamp,
    /// At least this big: a number with b, k, m, g or t. Negative: at most this big. Not asked of directories.
    pub size: Option<String>,
    /// A mode the file must have.
    pub mode: Option<ModeArg>,
    /// The mode must be just `mode`. When no, one bit of it is enough.
    #[arg(default = "yes")]
    pub exact_mode: bool,
    /// Search the directories below, too.
    #[arg(default = "no")]
    pub recurse: bool,
    /// How many levels to search.
    pub depth: Option<u64>,
    /// Find names that begin with a dot, too.
    #[arg(default = "no")]
    pub hidden: bool,
    /// Enter directories through symbolic links.
    #[arg(default = "no")]
    pub follow: bool,
    /// Report each file's digest (`checksum`).
    #[arg(default = "no")]
    pub get_checksum: bool,
    /// Which digest.
    #[arg(default = "sha1", alias = "checksum", alias = "checksum_algo")]
    pub checksum_algorithm: Algorithm,
    /// Stop after so many.
    pub limit: Option<usize>,
}

/// What to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Choice)]
pub enum FileType {
    Any,
    Directory,
    File,
    Link,
}

/// Times of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Choice)]
pub enum Stamp {
    Atime,
    Ctime,
    Mtime,
}

/// The module.
pub struct Find;

impl Module for Find {
    type Args = FindArgs;

    fn run(args: FindArgs, ctx: &Ctx<'_>) -> Result<Outcome, Failure> {
        let mut search = Search {
            age: args.age.as_deref().map(|text| amount(text, "age", &AGES)).transpose()?,
            size: args.size.as_deref().map(|text| amount(text, "size", &SIZES)).transpose()?,
            patterns: Names::new("patterns", &args.patterns, args.use_regex)?,
            excludes: Names::new("excludes", &args.excludes, args.use_regex)?,
            contains: args
                .contains
                .as_deref()
                .map(|pattern| match args.read_whole_file {
                    true => regex::compile("contains", pattern, Flags::default()),
                    false => regex::compile("contains", &format!("\\A(?:{pattern})"), Flags::default()),
                })
                .transpose()?,
            args: &args,
            ctx,
            files: Vec::new(),
            examined: 0,
            entered: Vec::new(),
            skipped: Map::new(),
        };
        for path in &args.paths {
            let dir = path_of(ctx, path)?;
            if ctx.sys.stat(&dir, true)?.is_some_and(|meta| meta.is_dir()) {
                search.level(&dir, 1)?;
            } else {
                let why = format!("'{}' is not a directory", show(&dir));
                search.skipped.insert(show(&dir), why.into());
            }
        }
        let msg = match () {
            () if search.full() => "Limit of matches reached",
            () if !search.skipped.is_empty() => "Not all paths examined, check warnings for details",
            () => "All paths examined",
        };
        let warnings: Vec<String> = search
            .skipped
            .iter()
            .map(|(path, why)| {
                let why = why.as_str().unwrap_or_default();
                format!("Skipped '{path}' path due to this access issue: {why}")
            })
            .collect();
        let mut outcome = Outcome::new()
            .msg(msg)
            .with("matched", search.files.len())
            .with("examined", search.examined)
            .with("skipped_paths", search.skipped)
            .with("files", search.files);
        if !warnings.is_empty() {
            outcome = outcome.with("warnings", warnings);
        }
        Ok(if ctx.sys.uncertain() {
            files::depends(outcome, "an earlier command may make or remove files")
        } else {
            outcome
        })
    }
}

struct Search<'a> {
    args: &'a FindArgs,
    ctx: &'a Ctx<'a>,
    age: Option<f64>,
    size: Option<f64>,
    patterns: Names<'a>,
    excludes: Names<'a>,
    contains: Option<Regex>,
    files: Vec<Value>,
    examined: u64,
    /// Directories that have been searched, so that a circle of links ends.
    entered: Vec<(u64, u64)>,
    skipped: Map<String, Value>,
}

impl Search<'_> {
    fn full(&self) -> bool {
        self.args.limit.is_some_and(|limit| self.files.len() >= limit)
    }

    /// One directory: its files, its directories, then what is in those.
    fn level(&mut self, dir: &Path, depth: u64) -> Result<(), Failure> {
        let names = match self.ctx.sys.read_dir(dir) {
            Ok(names) => names,
            Err(error) => {
                self.skipped.insert(show(dir), error.to_string().into());
                return Ok(());
            }
        };
        let (mut plain, mut dirs) = (Vec::new(), Vec::new());
        for name in names {
            let path = dir.join(&name);
            let Some(meta) = self.ctx.sys.stat(&path, false)? else { continue };
            let leads_to_dir =
                meta.is_link() && self.ctx.sys.stat(&path, true)?.is_some_and(|meta| meta.is_dir());
            let list = if meta.is_dir() || leads_to_dir { &mut dirs } else { &mut plain };
            list.push((path, to_text(&name), meta));
        }
        self.examined += (plain.len() + dirs.len()) as u64;
        for (path, name, meta) in plain.iter().chain(&dirs) {
            if self.full() {
                return Ok(());
            }
            if self.wants(path, name, meta)? {
                let facts = self.facts(path, meta)?;
                self.files.push(facts.into());
            }
        }
        if !self.args.recurse || self.args.depth.is_some_and(|most| most > 0 && depth >= most) {
            return Ok(());
        }
        for (path, _, meta) in dirs {
            if meta.is_link() && !(self.args.follow && self.enter_once(&path)?) {
                continue;
            }
            if self.full() {
                return Ok(());
            }
            self.level(&path, depth + 1)?;
        }
        Ok(())
    }

    /// True the first time that a directory is reached through a link.
    fn enter_once(&mut self, path: &Path) -> Result<bool, Failure> {
        let Some(meta) = self.ctx.sys.stat(path, true)? else { return Ok(false) };
        let id = (meta.dev, meta.ino);
        let new = !self.entered.contains(&id);
        self.entered.push(id);
        Ok(new)
    }

    fn wants(&self, path: &Path, name: &str, meta: &Meta) -> Result<bool, Failure> {
        let kind = match self.args.file_type {
            FileType::Any => true,
            FileType::Directory => meta.is_dir(),
            FileType::File => meta.is_file(),
            FileType::Link => meta.is_link(),
        };
        if !kind || (!self.args.hidden && name.starts_with('.')) {
            return Ok(false);
        }
        if !self.patterns.fit(name, true)? || self.excludes.fit(name, false)? {
            return Ok(false);
        }
        let stamp = match self.args.age_stamp {
            Stamp::Atime => meta.atime,
            Stamp::Ctime => meta.ctime,
            Stamp::Mtime => meta.mtime,
        };
        if !within(self.ctx.sys.now() - stamp, self.age) {
            return Ok(false);
        }
        if let Some(mode) = &self.args.mode {
            // A symbolic mode is what it makes of no permissions at all.
            let wanted = mode.apply(0, meta.is_dir(), self.ctx.sys.umask());
            let fits = if self.args.exact_mode { wanted == meta.mode } else { wanted & meta.mode != 0 };
            if !fits {
                return Ok(false);
            }
        }
        if !meta.is_file() {
            return Ok(true);
        }
        Ok(within(meta.size as f64, self.size) && self.holds(path)?)
    }

    /// True when the content is as wanted. A file that cannot be read is not.
    fn holds(&self, path: &Path) -> Result<bool, Failure> {
        let Some(regex) = self.contains.as_ref().filter(|_| self.args.file_type == FileType::File) else {
            return Ok(true);
        };
        let Ok(data) = self.ctx.sys.read(path) else { return Ok(false) };
        let text = bytes_to_text(&data);
        if self.args.read_whole_file {
            return regex::search(regex, &text);
        }
        for line in text.split_inclusive('\n') {
            if regex::search(regex, line)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn facts(&self, path: &Path, meta: &Meta) -> Result<Map<String, Value>, Failure> {
        let mut facts = Map::new();
        facts.insert("path".to_owned(), show(path).into());
        crate::stat::describe(meta, &mut facts);
        for extra in ["blocks", "block_size", "device_type"] {
            facts.remove(extra);
        }
        facts.insert("mode".to_owned(), octal(meta.mode).into());
        let none = String::new;
        facts.insert("pw_name".to_owned(), files::user_name(self.ctx, meta.uid)?.unwrap_or_else(none).into());
        facts
            .insert("gr_name".to_owned(), files::group_name(self.ctx, meta.gid)?.unwrap_or_else(none).into());
        if self.args.get_checksum && meta.kind == FileKind::File {
            let digest = self.ctx.sys.digest(path, self.args.checksum_algorithm.as_str())?;
            facts.insert("checksum".to_owned(), digest.into());
        }
        Ok(facts)
    }
}

/// Names by patterns.
enum Names<'a> {
    Globs(&'a [String]),
    Regexes(Vec<Regex>),
}

impl<'a> Names<'a> {
    fn new(option: &str, patterns: &'a [String], use_regex: bool) -> Result<Self, Failure> {
        if !use_regex {
            return Ok(Self::Globs(patterns));
        }
        let compile =
            |pattern: &String| regex::compile(option, &format!("\\A(?:{pattern})"), Flags::default());
        patterns.iter().map(compile).collect::<Result<_, _>>().map(Self::Regexes)
    }

    /// True when one fits; `none` when there are none.
    fn fit(&self, name: &str, none: bool) -> Result<bool, Failure> {
        match self {
            Self::Globs([]) => Ok(none),
            Self::Globs(globs) => Ok(globs.iter().any(|pattern| glob::matches(pattern, name))),
            Self::Regexes(regexes) if regexes.is_empty() => Ok(none),
            Self::Regexes(regexes) => {
                for regex in regexes {
                    if regex::search(regex, name)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
        }
    }
}

/// Seconds.
const AGES: [(char, f64); 5] = [('s', 1.0), ('m', 60.0), ('h', 3600.0), ('d', 86_400.0), ('w', 604_800.0)];
/// Bytes.
const SIZES: [(char, f64); 5] =
    [('b', 1.0), ('k', 1024.0), ('m', 1_048_576.0), ('g', 1_073_741_824.0), ('t', 1_099_511_627_776.0)];

/// A signed whole number with a unit's letter behind it.
fn amount(text: &str, option: &str, units: &[(char, f64)]) -> Result<f64, Failure> {
    let lower = text.to_ascii_lowercase();
    let found = units.iter().find(|(letter, _)| lower.ends_with(*letter));
    let digits = found.map_or(lower.as_str(), |(letter, _)| lower.trim_end_matches(*letter));
    match digits.parse::<i64>() {
        Ok(number) => Ok(number as f64 * found.map_or(1.0, |(_, factor)| *factor)),
        Err(_) => Err(Failure::new(format!("failed to process {option}")).with(option, text)),
    }
}

/// At least the limit, or at most its absolute value when it is negative.
fn within(value: f64, limit: Option<f64>) -> bool {
    match limit {
        None => true,
        Some(limit) if limit < 0.0 => value <= limit.abs(),
        Some(limit) => value >= limit,
    }
}
