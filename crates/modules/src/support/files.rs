//! What all modules that manage files share: paths, owner and mode, backups, validation, result facts.

use crate::{Ctx, Failure, Outcome};
use provision_args::{ModeArg, PathArg};
use provision_system::text::{to_os, to_path, to_text};
use provision_system::{Attrs, Command, Meta, NewFile, System};
use serde_json::{Map, Value};
use std::path::{Component, Path, PathBuf};

/// The path an argument means: `~` and variables expanded; a relative one starts at the home directory, where
/// an SSH session starts. An empty one is an error: it would mean that directory itself.
pub fn path_of(ctx: &Ctx<'_>, arg: &PathArg) -> Result<PathBuf, Failure> {
    let text = expand(ctx, arg);
    if text.is_empty() {
        return Err(Failure::new(format!("the path '{arg}' is empty")));
    }
    Ok(absolute(ctx, &text))
}

/// `~`, `~user`, `$NAME` and `${NAME}` expanded; what is unknown stays.
pub fn expand(ctx: &Ctx<'_>, arg: &PathArg) -> String {
    if !arg.0.contains('$') && !arg.0.starts_with('~') {
        return arg.0.clone();
    }
    let variables = ctx.sys.environment();
    let home = |name: &str| match name {
        "" => Some(show(&ctx.sys.identity().home)),
        name => ctx.sys.user(name).ok().flatten().map(|user| show(&user.home)),
    };
    arg.resolve(home, |name| variables.get(&*to_os(name)).map(|value| to_text(value)))
}

/// `text` as an absolute path without `.`, doubled or trailing slashes. `..` stays: what it means depends on links.
pub fn absolute(ctx: &Ctx<'_>, text: &str) -> PathBuf {
    absolute_from(&ctx.sys.identity().home, text)
}

/// The same for a path that starts at `base` when it is relative.
pub fn absolute_from(base: &Path, text: &str) -> PathBuf {
    base.join(to_path(text)).components().collect()
}

/// Where `path` leads once every symbolic link in it is followed; what does not exist is kept as it is spelled.
pub fn real_path(sys: &dyn System, path: &Path) -> Result<PathBuf, Failure> {
    let mut real = PathBuf::from("/");
    let mut todo: Vec<PathBuf> = parts(path);
    let mut links = 0;
    while let Some(part) = todo.pop() {
        if part == Path::new("..") {
            real.pop();
            continue;
        }
        let next = real.join(&part);
        if sys.stat(&next, false)?.is_some_and(|meta| meta.is_link()) {
            links += 1;
            if links > 40 {
                return Err(Failure::new(format!("too many symbolic links in {}", show(path))));
            }
            let target = sys.read_link(&next)?;
            if target.is_absolute() {
                real = PathBuf::from("/");
            }
            todo.extend(parts(&target));
        } else {
            real = next;
        }
    }
    Ok(real)
}

/// The components of a path, last first.
fn parts(path: &Path) -> Vec<PathBuf> {
    let named = |part: &Component<'_>| matches!(part, Component::Normal(_) | Component::ParentDir);
    path.components().rev().filter(named).map(|part| PathBuf::from(part.as_os_str())).collect()
}

/// A path for messages and results.
pub fn show(path: &Path) -> String {
    to_text(path.as_os_str())
}

/// A file name with `suffix` behind it, in the same directory.
pub fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// What a task asks of a file's owner, group and mode.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted<'a> {
    pub mode: Option<&'a ModeArg>,
    pub owner: Option<&'a str>,
    pub group: Option<&'a str>,
}

impl<'a> Wanted<'a> {
    /// Looks the names up.
    pub fn look_up(self, ctx: &Ctx<'_>) -> Result<Ownership<'a>, Failure> {
        let mut pending = Vec::new();
        let uid = match self.owner {
            None => None,
            Some(name) => match ctx.sys.user(name)? {
                Some(user) => Some(user.uid),
                None => number_or("chown failed: failed to look up user", name, "user", ctx, &mut pending)?,
            },
        };
        let gid = match self.group {
            None => None,
            Some(name) => match ctx.sys.group(name)? {
                Some(group) => Some(group.gid),
                None => number_or("chgrp failed: failed to look up group", name, "group", ctx, &mut pending)?,
            },
        };
        Ok(Ownership { mode: self.mode, uid, gid, pending })
    }
}

fn number_or(
    error: &str,
    name: &str,
    what: &str,
    ctx: &Ctx<'_>,
    pending: &mut Vec<String>,
) -> Result<Option<u32>, Failure> {
    if let Ok(id) = name.parse() {
        return Ok(Some(id));
    }
    if ctx.sys.uncertain() {
        pending.push(format!("{what} {name}"));
        return Ok(None);
    }
    Err(Failure::new(format!("{error} {name}")))
}

/// Owner, group and mode with the names looked up.
#[derive(Debug, Clone, Default)]
pub struct Ownership<'a> {
    pub mode: Option<&'a ModeArg>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    /// Users and groups that do not exist yet but may once an earlier task of this dry run is applied.
    pub pending: Vec<String>,
}

impl Ownership<'_> {
    /// For a file about to be written in place of `old`.
    pub fn new_file(&self, ctx: &Ctx<'_>, old: Option<&Meta>) -> NewFile {
        let from = old.map_or(0o666 & !ctx.sys.umask(), |meta| meta.mode);
        let mode = self.mode.map(|mode| mode.apply(from, false, ctx.sys.umask()));
        NewFile { mode, uid: self.uid, gid: self.gid, ..NewFile::default() }
    }

    /// The attributes for what is there now. A symbolic link has no mode of its own.
    pub fn attrs(&self, ctx: &Ctx<'_>, now: &Meta) -> Attrs {
        let mode = self.mode.filter(|_| !now.is_link());
        Attrs {
            mode: mode.map(|mode| mode.apply(now.mode, now.is_dir(), ctx.sys.umask())),
            uid: self.uid,
            gid: self.gid,
            ..Attrs::default()
        }
    }

    /// Gives what stands at `path` its attributes.
    pub fn apply(&self, ctx: &Ctx<'_>, path: &Path, follow: bool) -> Result<(), Failure> {
        self.note_pending(ctx, path)?;
        if let Some(now) = ctx.sys.stat(path, follow)? {
            ctx.sys.set_attrs(path, &self.attrs(ctx, &now), follow)?;
        }
        Ok(())
    }

    fn note_pending(&self, ctx: &Ctx<'_>, path: &Path) -> Result<(), Failure> {
        for what in &self.pending {
            ctx.sys.note(&format!("owner of {}", show(path)), "unknown", what)?;
        }
        Ok(())
    }

    /// Says in the outcome what could not be predicted.
    pub fn finish(&self, outcome: Outcome) -> Outcome {
        if self.pending.is_empty() {
            return outcome;
        }
        depends(outcome, &format!("{} does not exist yet", self.pending.join(" and ")))
    }
}

/// Marks an outcome that only the real run can know.
pub fn depends(outcome: Outcome, why: &str) -> Outcome {
    outcome.with("depends_on", format!("unknown until applied: {why}"))
}

/// Notes a predicted change of something whose surroundings an earlier command of this dry run may bring.
pub fn unknown(ctx: &Ctx<'_>, path: &Path, after: &str, why: &str) -> Result<Outcome, Failure> {
    ctx.sys.note(&format!("file {}", show(path)), "unknown", after)?;
    Ok(depends(Outcome::new().with("path", show(path)).with("dest", show(path)), why))
}

/// Adds what Ansible reports of a file to a result: owner, group, mode, size, state. Nothing when it is absent.
pub fn facts(ctx: &Ctx<'_>, path: &Path, into: &mut Map<String, Value>) -> Result<(), Failure> {
    let Some(meta) = ctx.sys.stat(path, false)? else { return Ok(()) };
    if meta.is_link() && ctx.sys.stat(path, true)?.is_none() {
        return Ok(());
    }
    let state = match () {
        () if meta.is_link() => "link",
        () if meta.is_dir() => "directory",
        () if meta.nlink > 1 => "hard",
        () => "file",
    };
    into.insert("uid".to_owned(), meta.uid.into());
    into.insert("gid".to_owned(), meta.gid.into());
    into.insert("owner".to_owned(), user_name(ctx, meta.uid)?.unwrap_or_else(|| meta.uid.to_string()).into());
    into.insert(
        "group".to_owned(),
        group_name(ctx, meta.gid)?.unwrap_or_else(|| meta.gid.to_string()).into(),
    );
    into.insert("mode".to_owned(), octal(meta.mode).into());
    into.insert("state".to_owned(), state.into());
    into.insert("size".to_owned(), meta.size.into());
    Ok(())
}

/// A mode as results have it: four octal digits.
pub fn octal(mode: u32) -> String {
    format!("{mode:04o}")
}

pub fn user_name(ctx: &Ctx<'_>, uid: u32) -> Result<Option<String>, Failure> {
    Ok(ctx.sys.user(&uid.to_string())?.map(|user| user.name))
}

pub fn group_name(ctx: &Ctx<'_>, gid: u32) -> Result<Option<String>, Failure> {
    Ok(ctx.sys.group(&gid.to_string())?.map(|group| group.name))
}

/// Copies a file beside itself under a name with the time in it, with its owner, mode and times; gives that name.
pub fn back_up(ctx: &Ctx<'_>, path: &Path) -> Result<PathBuf, Failure> {
    let stamp = super::time::Local::of(ctx.sys).backup_stamp(ctx.sys.now());
    let copy = beside(path, &format!(".{}.{stamp}~", std::process::id()));
    if let Some(meta) = ctx.sys.stat(path, true)? {
        let new = NewFile { mode: Some(meta.mode), uid: Some(meta.uid), gid: Some(meta.gid), secret: false };
        ctx.sys.write(&copy, &mut *ctx.sys.open(path)?, &new)?;
        let times = Attrs { mtime: Some(meta.mtime), atime: Some(meta.atime), ..Attrs::default() };
        ctx.sys.set_attrs(&copy, &times, false)?;
    }
    Ok(copy)
}

/// How a validation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validated {
    Yes,
    /// A dry run cannot make the file that the command would look at.
    Skipped,
}

/// Runs the user's command on `data` in a scratch file. The command's `%s` is the file's path.
pub fn validate(ctx: &Ctx<'_>, command: &str, data: &mut dyn std::io::Read) -> Result<Validated, Failure> {
    if !command.contains("%s") {
        return Err(Failure::new(format!("validate must contain %s: {command}")));
    }
    let file = match ctx.sys.make_temp(None, data, 0o600) {
        Ok(file) => file,
        Err(error) if error.is_not_in_dry_run() => return Ok(Validated::Skipped),
        Err(error) => return Err(error.into()),
    };
    let words = super::words::split(command).map(|words| {
        let name = show(&file);
        words.into_iter().map(move |word| to_os(&word.replace("%s", &name)))
    });
    let ran = words.and_then(|words| Ok(ctx.sys.query(&Command::new(words))?));
    ctx.sys.remove_temp(&file)?;
    let output = ran?;
    if output.ok() {
        return Ok(Validated::Yes);
    }
    let mut failure = Failure::new("failed to validate").with("exit_status", output.rc);
    super::results::lines(&mut failure.result, "stdout", output.out());
    super::results::lines(&mut failure.result, "stderr", output.err());
    Err(failure)
}

/// Replaces a text file as the editing modules do: validation, backup, one atomic write that follows a symbolic
/// link. Adds `backup`'s path to `outcome` under `key`.
pub struct Edit<'a> {
    /// Already resolved: no symbolic link.
    pub path: &'a Path,
    pub backup: bool,
    pub validate: Option<&'a str>,
    pub owner: &'a Ownership<'a>,
}

impl Edit<'_> {
    /// The backup's path when one was made, and whether a validation was skipped.
    pub fn write(&self, ctx: &Ctx<'_>, data: &[u8]) -> Result<(Option<PathBuf>, Validated), Failure> {
        let mut validated = Validated::Yes;
        if let Some(command) = self.validate {
            validated = validate(ctx, command, &mut &*data)?;
        }
        let old = ctx.sys.stat(self.path, true)?;
        let backup = match old {
            Some(_) if self.backup => Some(back_up(ctx, self.path)?),
            _ => None,
        };
        ctx.sys.write(self.path, &mut &*data, &self.owner.new_file(ctx, old.as_ref()))?;
        Ok((backup, validated))
    }
}

/// Creates a directory with all missing above it, each with `mode` from the start; `each` is called on every one made.
pub fn create_dirs(
    ctx: &Ctx<'_>,
    path: &Path,
    mode: Option<&ModeArg>,
    each: &mut dyn FnMut(&Path) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut missing = Vec::new();
    let mut at = Some(path);
    while let Some(dir) = at {
        if ctx.sys.stat(dir, true)?.is_some() {
            break;
        }
        missing.push(dir);
        at = dir.parent();
    }
    let umask = ctx.sys.umask();
    let mode = mode.map(|mode| mode.apply(0o777 & !umask, true, umask));
    for dir in missing.into_iter().rev() {
        ctx.sys.create_dir(dir, mode)?;
        each(dir)?;
    }
    Ok(())
}
