//! `file`: files, directories, links and their attributes.

use crate::support::files::{self, Ownership, path_of, show};
use crate::support::options::FileOptions;
use crate::support::time::Local;
use crate::{Ctx, Failure, Module, Outcome};
use provision_args::{Args, Choice, PathArg};
use provision_system::{Attrs, Meta};
use std::path::{Path, PathBuf};

/// Manage files, directories and links: that they exist or not, whose they are and what mode they have.
#[derive(Args)]
#[args(name = "file")]
pub struct FileArgs {
    /// What is managed.
    #[arg(required, alias = "dest", alias = "name")]
    pub path: PathArg,
    /// What shall be there. `absent`: nothing; directories go with all they hold. `directory`: a directory, with
    /// all missing ones above it, which get the same mode and owner. `file`: a file that must exist already; only
    /// its attributes change. `touch`: a file, made empty when missing, with its times set to now. `link` and
    /// `hard`: a symbolic link to `src`, another name of `src`. Left out: whatever is there now, else `directory`
    /// with `recurse`, else `file`.
    pub state: Option<State>,
    /// Where a link points. A relative one starts at the link's own directory.
    pub src: Option<PathArg>,
    /// Give mode, owner and group also to all that a directory holds. Only with `state: directory`.
    #[arg(default = "no")]
    pub recurse: bool,
    /// Where `path` is a symbolic link, manage what it points to.
    #[arg(default = "yes")]
    pub follow: bool,
    /// Make a link even when `src` does not exist, or in place of a file that is there.
    #[arg(default = "no")]
    pub force: bool,
    /// The modification time: `preserve`, `now`, or a time in the format below. `touch` means `now` when left out.
    pub modification_time: Option<String>,
    /// How `modification_time` is written (strftime).
    #[arg(default = "%Y%m%d%H%M.%S")]
    pub modification_time_format: String,
    /// The access time: `preserve`, `now`, or a time in the format below. `touch` means `now` when left out.
    pub access_time: Option<String>,
    /// How `access_time` is written (strftime).
    #[arg(default = "%Y%m%d%H%M.%S")]
    pub access_time_format: String,
    #[arg(flatten)]
    pub attributes: FileOptions,
}

/// What shall be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Choice)]
pub enum State {
    Absent,
    Directory,
    File,
    Hard,
    Link,
    Touch,
}

/// The module.
pub struct File;

impl Module for File {
    type Args = FileArgs;

    fn run(args: FileArgs, ctx: &Ctx<'_>) -> Result<Outcome, Failure> {
        let mut path = path_of(ctx, &args.path)?;
        let now = ctx.sys.stat(&path, false)?;
        let state = args.state.unwrap_or(match &now {
            Some(meta) => kind(meta),
            None if args.recurse => State::Directory,
            None => State::File,
        });
        if args.recurse && state != State::Directory {
            return Err(failed(ctx, &path, "path", "recurse option requires state to be 'directory'"));
        }
        if args.src.is_some() && !matches!(state, State::Link | State::Hard) {
            return Err(failed(ctx, &path, "path", "src option requires state to be 'link' or 'hard'"));
        }
        if let (State::Hard, Some(src)) = (state, &args.src)
            && ctx.sys.stat(&path, true)?.is_some_and(|meta| meta.is_dir())
        {
            // As `ln` does: into the directory, under the same name.
            path.extend(path_of(ctx, src)?.file_name());
        }
        let task = Task {
            ctx,
            owner: args.attributes.wanted().look_up(ctx)?,
            times: Times::new(&args, state, ctx)?,
            follow: args.follow,
            force: args.force,
        };
        let outcome = match state {
            State::Absent => task.absent(&path),
            State::File => task.file(&path),
            State::Directory => task.directory(&path, args.recurse),
            State::Touch => task.touch(&path),
            State::Link => task.link(&path, args.src.as_ref()),
            State::Hard => task.hard(&path, args.src.as_ref()),
        }?;
        Ok(task.owner.finish(outcome))
    }
}

fn kind(meta: &Meta) -> State {
    match () {
        () if meta.is_link() => State::Link,
        () if meta.is_dir() => State::Directory,
        () if meta.nlink > 1 => State::Hard,
        () => State::File,
    }
}

/// A failure with the facts of what is there, as Ansible reports them.
fn failed(ctx: &Ctx<'_>, path: &Path, key: &str, msg: impl Into<String>) -> Failure {
    let mut failure = Failure::new(msg).with(key, show(path));
    // The failure at hand matters more than one in describing it.
    drop(files::facts(ctx, path, &mut failure.result));
    failure
}

/// The wanted times: seconds since 1970, or as they are.
#[derive(Debug, Clone, Copy, Default)]
struct Times {
    mtime: Option<f64>,
    atime: Option<f64>,
}

impl Times {
    fn new(args: &FileArgs, state: State, ctx: &Ctx<'_>) -> Result<Self, Failure> {
        let read = |text: Option<&String>, format: &str| match text.map(String::as_str) {
            None if state == State::Touch => Ok(Some(ctx.sys.now())),
            None | Some("preserve") => Ok(None),
            Some("now") => Ok(Some(ctx.sys.now())),
            Some(text) => Local::of(ctx.sys).parse(format, text).map(Some),
        };
        Ok(Self {
            mtime: read(args.modification_time.as_ref(), &args.modification_time_format)?,
            atime: read(args.access_time.as_ref(), &args.access_time_format)?,
        })
    }
}

struct Task<'a> {
    ctx: &'a Ctx<'a>,
    owner: Ownership<'a>,
    times: Times,
    follow: bool,
    force: bool,
}

impl Task<'_> {
    fn absent(&self, path: &Path) -> Result<Outcome, Failure> {
        if path.parent().is_none() {
            return Err(Failure::new("refusing to remove /").with("path", show(path)));
        }
        match self.ctx.sys.stat(path, false)? {
            Some(meta) if meta.is_dir() => self.ctx.sys.remove_tree(path)?,
            Some(_) => self.ctx.sys.remove_file(path)?,
            None => {}
        }
        Ok(Outcome::new().with("path", show(path)).with("state", "absent"))
    }

    fn file(&self, path: &Path) -> Result<Outcome, Failure> {
        let path = self.followed(path)?;
        match self.ctx.sys.stat(&path, false)? {
            Some(meta) if !meta.is_dir() && !meta.is_link() => {
                self.dress(&path, false)?;
                self.outcome("path", &path)
            }
            None if self.ctx.sys.uncertain() => {
                files::unknown(self.ctx, &path, "its attributes", "the file does not exist yet")
            }
            None => Err(Failure::new(format!("file ({}) is absent, cannot continue", show(&path)))
                .with("path", show(&path))
                .with("state", "absent")),
            Some(meta) => {
                let what = if meta.is_link() { "link" } else { "directory" };
                let msg = format!("file ({}) is {what}, cannot continue", show(&path));
                Err(failed(self.ctx, &path, "path", msg))
            }
        }
    }

    fn directory(&self, path: &Path, recurse: bool) -> Result<Outcome, Failure> {
        let path = self.followed(path)?;
        match self.ctx.sys.stat(&path, true)? {
            Some(meta) if !meta.is_dir() => {
                let what = if meta.nlink > 1 { "hard" } else { "file" };
                let msg = format!("{} already exists as a {what}", show(&path));
                return Err(failed(self.ctx, &path, "path", msg));
            }
            Some(_) => {}
            None => {
                files::create_dirs(self.ctx, &path, self.owner.mode, &mut |dir| self.dress(dir, self.follow))
                    .map_err(|why| {
                        let msg =
                            format!("There was an issue creating {} as requested: {}", show(&path), why.msg);
                        Failure::new(msg).with("path", show(&path))
                    })?
            }
        }
        self.dress(&path, self.follow)?;
        if recurse {
            self.dress_below(&path, &mut Vec::new())?;
        }
        self.outcome("path", &path)
    }

    fn touch(&self, path: &Path) -> Result<Outcome, Failure> {
        let target = self.followed(path)?;
        if self.ctx.sys.stat(&target, false)?.is_none() {
            if target != path && !self.ctx.sys.uncertain() {
                let msg = format!(
                    "Error while updating modification or access time: {} does not exist",
                    show(&target)
                );
                return Err(Failure::new(msg).with("path", show(&target)));
            }
            if !self.parent_is_there(&target)? {
                if self.ctx.sys.uncertain() {
                    return files::unknown(self.ctx, &target, "a file", "its directory does not exist yet");
                }
                return Err(Failure::new(format!(
                    "Error, could not touch target: the directory of {} does not exist",
                    show(&target)
                ))
                .with("path", show(&target)));
            }
            self.ctx.sys.write(&target, &mut std::io::empty(), &self.owner.new_file(self.ctx, None))?;
        }
        self.dress(&target, self.follow)?;
        self.outcome("dest", path)
    }

    fn link(&self, path: &Path, src: Option<&PathArg>) -> Result<Outcome, Failure> {
        let now = self.ctx.sys.stat(path, false)?;
        let src = match src {
            Some(src) => provision_system::text::to_path(&files::expand(self.ctx, src)),
            None if now.as_ref().is_some_and(Meta::is_link) => self.ctx.sys.read_link(path)?,
            None => return Err(Failure::new("src is required for creating new symlinks")),
        };
        // A directory in the link's place: the link would have stood inside it.
        let base = if now.as_ref().is_some_and(Meta::is_dir) { Some(path) } else { path.parent() };
        let source = base.unwrap_or(path).join(&src);
        if !self.force && self.ctx.sys.stat(&source, true)?.is_none() && !self.ctx.sys.uncertain() {
            let msg = "src file does not exist, use 'force=yes' if you really want to create the link";
            return Err(
                failed(self.ctx, path, "path", format!("{msg}: {}", show(&source))).with("src", show(&src))
            );
        }
        match &now {
            Some(meta) if meta.is_dir() => {
                if !self.force {
                    let msg = format!("refusing to convert from directory to symlink for {}", show(path));
                    return Err(failed(self.ctx, path, "path", msg));
                }
                if !self.ctx.sys.read_dir(path)?.is_empty() {
                    let msg = format!("the directory {} is not empty, refusing to convert it", show(path));
                    return Err(failed(self.ctx, path, "path", msg));
                }
                self.ctx.sys.remove_dir(path)?;
            }
            Some(meta) if !meta.is_link() && !self.force => {
                let what = if meta.nlink > 1 { "hard" } else { "file" };
                let msg = format!("refusing to convert from {what} to symlink for {}", show(path));
                return Err(failed(self.ctx, path, "path", msg));
            }
            None if !self.parent_is_there(path)? => {
                if self.ctx.sys.uncertain() {
                    return files::unknown(self.ctx, path, "a link", "its directory does not exist yet");
                }
                let msg = format!("Error while linking: the directory of {} does not exist", show(path));
                return Err(Failure::new(msg).with("path", show(path)));
            }
            _ => {}
        }
        let same = now.as_ref().is_some_and(Meta::is_link) && self.ctx.sys.read_link(path)? == src;
        if !same {
            self.ctx.sys.symlink(&src, path)?;
        }
        if !self.follow || self.ctx.sys.stat(path, true)?.is_some() {
            self.dress(path, self.follow)?;
        }
        Ok(self.outcome("dest", path)?.with("src", show(&src)))
    }

    fn hard(&self, path: &Path, src: Option<&PathArg>) -> Result<Outcome, Failure> {
        let now = self.ctx.sys.stat(path, false)?;
        let Some(src) = src else {
            return match now {
                // No source: a file that already has several names, only its attributes are managed.
                Some(meta) if !meta.is_dir() && !meta.is_link() => self.file(path),
                _ => Err(Failure::new("src is required for creating new hardlinks")),
            };
        };
        let src = path_of(self.ctx, src)?;
        let Some(source) = self.ctx.sys.stat(&src, true)? else {
            if self.ctx.sys.uncertain() {
                return files::unknown(self.ctx, path, "a hard link", "its source does not exist yet");
            }
            return Err(Failure::new("src does not exist").with("dest", show(path)).with("src", show(&src)));
        };
        let same = now.as_ref().is_some_and(|meta| meta.ino == source.ino && meta.dev == source.dev);
        if !same {
            if let Some(meta) = now.as_ref().filter(|meta| !meta.is_link() && !self.force) {
                let what = if meta.nlink > 1 { "different hard link" } else { "file" };
                let msg = format!("Cannot link, {what} exists at destination");
                return Err(failed(self.ctx, path, "dest", msg).with("src", show(&src)));
            }
            let src = if source.is_link() { src.clone() } else { files::real_path(self.ctx.sys, &src)? };
            self.ctx.sys.hard_link(&src, path)?;
        }
        self.dress(path, self.follow)?;
        Ok(self.outcome("dest", path)?.with("src", show(&src)))
    }

    /// What is managed when links are followed.
    fn followed(&self, path: &Path) -> Result<PathBuf, Failure> {
        let is_link = self.ctx.sys.stat(path, false)?.is_some_and(|meta| meta.is_link());
        if self.follow && is_link { files::real_path(self.ctx.sys, path) } else { Ok(path.to_owned()) }
    }

    fn parent_is_there(&self, path: &Path) -> Result<bool, Failure> {
        let Some(parent) = path.parent() else { return Ok(true) };
        Ok(self.ctx.sys.stat(parent, true)?.is_some())
    }

    /// Owner, group, mode and times.
    fn dress(&self, path: &Path, follow: bool) -> Result<(), Failure> {
        self.owner.apply(self.ctx, path, follow)?;
        let times = Attrs { mtime: self.times.mtime, atime: self.times.atime, ..Attrs::default() };
        if times != Attrs::default() {
            self.ctx.sys.set_attrs(path, &times, follow)?;
        }
        Ok(())
    }

    /// The same for all below a directory. A link to a directory is entered once when links are followed.
    fn dress_below(&self, dir: &Path, entered: &mut Vec<(u64, u64)>) -> Result<(), Failure> {
        let Some(meta) = self.ctx.sys.stat(dir, true)? else { return Ok(()) };
        if entered.contains(&(meta.dev, meta.ino)) {
            return Ok(());
        }
        entered.push((meta.dev, meta.ino));
        for name in self.ctx.sys.read_dir(dir)? {
            let path = dir.join(name);
            let Some(meta) = self.ctx.sys.stat(&path, false)? else { continue };
            self.dress(&path, false)?;
            if meta.is_dir() {
                self.dress_below(&path, entered)?;
            } else if meta.is_link() && self.follow {
                let target = files::real_path(self.ctx.sys, &path)?;
                if let Some(meta) = self.ctx.sys.stat(&target, false)? {
                    self.dress(&target, false)?;
                    if meta.is_dir() {
                        self.dress_below(&target, entered)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn outcome(&self, key: &str, path: &Path) -> Result<Outcome, Failure> {
        let mut outcome = Outcome::new().with(key, show(path));
        files::facts(self.ctx, path, &mut outcome.result)?;
        Ok(outcome)
    }
}
