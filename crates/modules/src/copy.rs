//! `copy`: content onto the target. Also the target's half of `template` and of copies from the controller.

use crate::support::files::{self, Ownership, Validated, Wanted, path_of, real_path, show};
use crate::support::options::Unmanaged;
use crate::support::results;
use crate::{Ctx, Failure, Module, Outcome};
use provision_args::{Args, CopyMode, ModeArg, PathArg};
use provision_system::text::{text_to_bytes, to_path};
use provision_system::{Meta, NewFile, digest_of};
use serde_json::Value;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Copy a file, a directory or a text onto the target.
#[derive(Args)]
#[args(name = "copy", mutually_exclusive("src", "content"))]
pub struct CopyArgs {
    /// Where it goes. Ending in a slash, or an existing directory: into it, under the source's name.
    #[arg(required)]
    pub dest: PathArg,
    /// What is copied: a file or a directory, from the controller unless `remote_src` is set. A directory ending in
    /// a slash is copied without itself: only what it holds.
    pub src: Option<PathArg>,
    /// The text the file shall have, instead of `src`. A mapping or list is written as JSON.
    pub content: Option<Value>,
    /// `src` is on the target.
    #[arg(default = "no")]
    pub remote_src: bool,
    /// The file's mode: an octal number in quotes ('0644'), as chmod writes it (u=rw,g=r,o=), or `preserve` for
    /// the source's.
    pub mode: Option<CopyMode>,
    /// The mode of directories that a directory copy makes.
    pub directory_mode: Option<ModeArg>,
    /// The user who shall own it: a name or a number.
    pub owner: Option<String>,
    /// The group that shall own it: a name or a number.
    pub group: Option<String>,
    /// Keep what was there under a name with the time in it (result `backup_file`).
    #[arg(default = "no")]
    pub backup: bool,
    /// Replace a file whose content differs. When no, a file that is there is left alone.
    #[arg(default = "yes")]
    pub force: bool,
    /// Where `dest` is a symbolic link, replace what it points to instead of the link.
    #[arg(default = "no")]
    pub follow: bool,
    /// Follow symbolic links in a source directory on the controller.
    pub local_follow: Option<bool>,
    /// A command that must accept the new content before it takes its place; `%s` is a file that holds it. No shell.
    pub validate: Option<String>,
    /// The SHA-1 the content must have.
    pub checksum: Option<String>,
    /// Decrypt a source that is encrypted with vault (on the controller).
    #[arg(default = "yes")]
    pub decrypt: bool,
    /// The content, held by the controller.
    #[arg(name = "_blob", internal, sub)]
    pub blob: Option<Blob>,
    /// The content itself.
    #[arg(name = "_inline", internal)]
    pub inline: Option<String>,
    /// The source's name, for a `dest` that is a directory.
    #[arg(name = "_original_basename", internal)]
    pub original_basename: Option<String>,
    /// The source's mode, for `mode: preserve`.
    #[arg(name = "_preserve_mode", internal)]
    pub preserve_mode: Option<ModeArg>,
    /// The source directory's entries, directories before what they hold.
    #[arg(name = "_tree", internal, sub)]
    pub tree: Option<Vec<Entry>>,
    /// The tree goes into `dest` under the source's name.
    #[arg(name = "_into", internal, default = "no")]
    pub into: bool,
    #[arg(flatten)]
    pub unmanaged: Unmanaged,
}

/// A content that the controller holds.
#[derive(Args, Debug, Clone)]
#[args(name = "blob")]
pub struct Blob {
    /// Lower-case hex.
    #[arg(required)]
    pub sha256: String,
    /// Bytes.
    #[arg(required)]
    pub size: u64,
}

/// One entry of a directory that is copied from the controller.
#[derive(Args, Debug, Clone)]
#[args(name = "entry", required_if("kind", "file", ("sha256", "size")), required_if("kind", "link", ("target")))]
pub struct Entry {
    /// Relative to the directory.
    #[arg(required)]
    pub path: String,
    /// file, dir or link.
    #[arg(required, choices("file", "dir", "link"))]
    pub kind: String,
    /// The source's mode; given when it is to be preserved.
    pub mode: Option<ModeArg>,
    /// Lower-case hex.
    pub sha256: Option<String>,
    /// Bytes.
    pub size: Option<u64>,
    /// Where a link points.
    pub target: Option<String>,
}

/// The module.
pub struct Copy;

impl Module for Copy {
    type Args = CopyArgs;

    fn run(args: CopyArgs, ctx: &Ctx<'_>) -> Result<Outcome, Failure> {
        let mode = match &args.mode {
            Some(CopyMode::Mode(mode)) => Some(mode),
            Some(CopyMode::Preserve) => args.preserve_mode.as_ref(),
            None => None,
        };
        let wanted = Wanted { mode, owner: args.owner.as_deref(), group: args.group.as_deref() };
        let owner = wanted.look_up(ctx)?;
        let outcome = match &args.tree {
            Some(tree) => copy_tree(ctx, &args, &owner, tree),
            None => copy_one(ctx, &args, &owner),
        }?;
        Ok(owner.finish(outcome))
    }
}

/// Where the content is.
enum Source {
    Inline(Vec<u8>),
    Blob(Blob),
    Remote(PathBuf),
}

impl Source {
    fn of(args: &CopyArgs, ctx: &Ctx<'_>) -> Result<Self, Failure> {
        if let Some(text) = &args.inline {
            return Ok(Self::Inline(text_to_bytes(text)));
        }
        if let Some(blob) = &args.blob {
            return Ok(Self::Blob(blob.clone()));
        }
        match (&args.content, &args.src) {
            (Some(Value::String(text)), _) => Ok(Self::Inline(text_to_bytes(text))),
            (Some(value), _) => Ok(Self::Inline(text_to_bytes(&results::json(value)))),
            (None, Some(src)) if args.remote_src => Ok(Self::Remote(path_of(ctx, src)?)),
            (None, Some(src)) => {
                Err(Failure::new(format!("the content of {src} has not been sent by the controller")))
            }
            (None, None) => Err(Failure::new("src (or content) is required")),
        }
    }

    fn open(&self, ctx: &Ctx<'_>) -> Result<Box<dyn Read + '_>, Failure> {
        Ok(match self {
            Self::Inline(data) => Box::new(data.as_slice()),
            Self::Blob(blob) => ctx.blobs.open(&blob.sha256)?,
            Self::Remote(path) => ctx.sys.open(path)?,
        })
    }

    /// True when the file at `path`, described by `meta`, holds just this.
    fn is_at(&self, ctx: &Ctx<'_>, path: &Path, meta: &Meta) -> Result<bool, Failure> {
        Ok(match self {
            Self::Inline(data) => meta.size == data.len() as u64 && ctx.sys.read(path)? == *data,
            Self::Blob(blob) => meta.size == blob.size && ctx.sys.digest(path, "sha256")? == blob.sha256,
            Self::Remote(source) => {
                ctx.sys.stat(source, true)?.is_some_and(|source| source.size == meta.size)
                    && ctx.sys.digest(path, "sha1")? == ctx.sys.digest(source, "sha1")?
            }
        })
    }

    /// SHA-1, before it is anywhere.
    fn sha1(&self, ctx: &Ctx<'_>) -> Result<String, Failure> {
        match self {
            Self::Inline(data) => Ok(digest_of(data, "sha1").unwrap_or_default()),
            Self::Remote(path) => Ok(ctx.sys.digest(path, "sha1")?),
            Self::Blob(blob) => {
                let mut data = Vec::new();
                ctx.blobs
                    .open(&blob.sha256)?
                    .read_to_end(&mut data)
                    .map_err(|why| Failure::new(why.to_string()))?;
                Ok(digest_of(&data, "sha1").unwrap_or_default())
            }
        }
    }
}

fn copy_one(ctx: &Ctx<'_>, args: &CopyArgs, owner: &Ownership<'_>) -> Result<Outcome, Failure> {
    let source = Source::of(args, ctx)?;
    let text = files::expand(ctx, &args.dest);
    let mut dest = path_of(ctx, &args.dest)?;
    let mut owner = owner.clone();
    let preserved;
    if let Source::Remote(src) = &source {
        let Some(meta) = ctx.sys.stat(src, true)? else {
            if ctx.sys.uncertain() {
                return files::unknown(ctx, &dest, "a copy", &format!("{} does not exist yet", show(src)));
            }
            return Err(Failure::new(format!("Source {} not found", show(src))));
        };
        if meta.is_dir() {
            return copy_remote_dir(ctx, args, &owner, src, &dest);
        }
        if args.mode == Some(CopyMode::Preserve) {
            preserved = ModeArg::Bits(meta.mode);
            owner.mode = Some(&preserved);
        }
    }
    let name = match (&source, &args.original_basename) {
        (_, Some(name)) => Some(to_path(name)),
        (Source::Remote(src), None) => src.file_name().map(PathBuf::from),
        _ => None,
    };
    if text.ends_with('/') || ctx.sys.stat(&dest, true)?.is_some_and(|meta| meta.is_dir()) {
        let Some(name) = name else { return Err(Failure::new("can not use content with a dir as dest")) };
        let dir = Ownership { mode: args.directory_mode.as_ref(), ..owner.clone() };
        files::create_dirs(ctx, &dest, dir.mode, &mut |made| dir.apply(ctx, made, false))?;
        dest.push(name);
    }
    if args.follow {
        dest = real_path(ctx.sys, &dest)?;
    }
    if let Some(checksum) = &args.checksum {
        let found = source.sha1(ctx)?;
        if !found.eq_ignore_ascii_case(checksum) {
            return Err(Failure::new("Copied file does not match the expected checksum. Transfer failed.")
                .with("checksum", found)
                .with("expected_checksum", checksum.as_str()));
        }
    }
    let mut outcome = Outcome::new().with("dest", show(&dest));
    if let Some(src) = &args.src {
        outcome = outcome.with("src", files::expand(ctx, src));
    }
    let parent = dest.parent().unwrap_or(Path::new("/"));
    match ctx.sys.stat(parent, true)? {
        Some(meta) if meta.is_dir() => {}
        None if ctx.sys.uncertain() => {
            return files::unknown(
                ctx,
                &dest,
                "the new content",
                &format!("{} does not exist yet", show(parent)),
            );
        }
        None => return Err(Failure::new(format!("Destination directory {} does not exist", show(parent)))),
        Some(_) => return Err(Failure::new(format!("Destination {} is not a directory", show(parent)))),
    }
    let placed = place(ctx, args, &owner, &source, &dest)?;
    if placed.left {
        return Ok(outcome);
    }
    if let Some(backup) = placed.backup {
        outcome = outcome.with("backup_file", show(&backup));
    }
    if placed.validated == Validated::Skipped {
        outcome = outcome.with("validated", "not in a dry run");
    }
    outcome = outcome.with("checksum", ctx.sys.digest(&dest, "sha1")?);
    outcome = if placed.written || matches!(source, Source::Remote(_)) {
        outcome.with("md5sum", ctx.sys.digest(&dest, "md5")?)
    } else {
        outcome.with("path", show(&dest))
    };
    files::facts(ctx, &dest, &mut outcome.result)?;
    Ok(outcome)
}

/// What became of one file.
struct Placed {
    /// It exists and must not be replaced (`force: no`).
    left: bool,
    written: bool,
    backup: Option<PathBuf>,
    validated: Validated,
}

/// Brings the content to `dest` unless it is there, and gives it its attributes.
fn place(
    ctx: &Ctx<'_>,
    args: &CopyArgs,
    owner: &Ownership<'_>,
    source: &Source,
    dest: &Path,
) -> Result<Placed, Failure> {
    let mut placed = Placed { left: false, written: false, backup: None, validated: Validated::Yes };
    let old = ctx.sys.stat(dest, false)?;
    if old.is_some() && !args.force {
        placed.left = true;
        return Ok(placed);
    }
    let same = match &old {
        Some(meta) if meta.is_file() => source.is_at(ctx, dest, meta)?,
        Some(meta) if meta.is_dir() => {
            return Err(Failure::new(format!("cannot replace the directory {} by a file", show(dest))));
        }
        _ => false,
    };
    if !same {
        if let Some(command) = &args.validate {
            placed.validated = files::validate(ctx, command, &mut *source.open(ctx)?)?;
        }
        let old = old.filter(|meta| !meta.is_link());
        if args.backup && old.is_some() {
            placed.backup = Some(files::back_up(ctx, dest)?);
        }
        ctx.sys.write(dest, &mut *source.open(ctx)?, &owner.new_file(ctx, old.as_ref()))?;
        placed.written = true;
    }
    owner.apply(ctx, dest, false)?;
    Ok(placed)
}

/// A directory from the controller.
fn copy_tree(
    ctx: &Ctx<'_>,
    args: &CopyArgs,
    owner: &Ownership<'_>,
    tree: &[Entry],
) -> Result<Outcome, Failure> {
    let dest = path_of(ctx, &args.dest)?;
    let mut top = dest.clone();
    if args.into {
        top.extend(args.original_basename.as_deref().map(to_path));
    }
    let dirs = Ownership { mode: args.directory_mode.as_ref(), ..owner.clone() };
    let make = |dir: &Path| {
        files::create_dirs(ctx, dir, dirs.mode, &mut |made| dirs.apply(ctx, made, false))
            .map(|()| dir.to_owned())
    };
    make(&top)?;
    for entry in tree {
        let path = top.join(inside(&entry.path)?);
        match (entry.kind.as_str(), &entry.target, &entry.sha256, entry.size) {
            ("dir", ..) => {
                make(&path)?;
                dirs.apply(ctx, &path, true)?;
            }
            ("link", Some(target), ..) => {
                let target = to_path(target);
                let now = ctx.sys.stat(&path, false)?;
                let same = now.as_ref().is_some_and(Meta::is_link) && ctx.sys.read_link(&path)? == target;
                if !same && (now.is_none() || args.force) {
                    ctx.sys.symlink(&target, &path)?;
                }
            }
            ("file", _, Some(sha256), Some(size)) => {
                let mut owner = owner.clone();
                if args.mode == Some(CopyMode::Preserve) {
                    owner.mode = entry.mode.as_ref();
                }
                if let Some(parent) = path.parent() {
                    make(parent)?;
                }
                let path = if args.follow { real_path(ctx.sys, &path)? } else { path };
                let source = Source::Blob(Blob { sha256: sha256.clone(), size });
                place(ctx, args, &owner, &source, &path)?;
            }
            _ => {
                return Err(Failure::new(format!(
                    "the controller sent an incomplete entry for {}",
                    entry.path
                )));
            }
        }
    }
    let mut outcome = Outcome::new().with("dest", format!("{}/", show(&dest).trim_end_matches('/')));
    if let Some(src) = &args.src {
        outcome = outcome.with("src", src.as_str());
    }
    Ok(outcome)
}

/// A relative path that stays below where it starts.
fn inside(path: &str) -> Result<PathBuf, Failure> {
    let path = to_path(path);
    if path.components().all(|part| matches!(part, std::path::Component::Normal(_))) {
        return Ok(path);
    }
    Err(Failure::new(format!("the path {} leads out of the directory that is copied", show(&path))))
}

/// A directory that is on the target already: what it holds keeps its modes.
fn copy_remote_dir(
    ctx: &Ctx<'_>,
    args: &CopyArgs,
    owner: &Ownership<'_>,
    src: &Path,
    dest: &Path,
) -> Result<Outcome, Failure> {
    if ctx.sys.stat(dest, true)?.is_some_and(|meta| !meta.is_dir()) {
        return Err(Failure::new(format!(
            "cannot replace the file {} by the directory {}",
            show(dest),
            show(src)
        )));
    }
    let written = args.src.as_ref().map(PathArg::as_str).unwrap_or_default();
    let mut top = dest.to_owned();
    if !written.ends_with('/') {
        top.extend(src.file_name());
    }
    if top.starts_with(src) {
        return Err(Failure::new(format!("cannot copy {} into itself", show(src))));
    }
    let existed = ctx.sys.stat(dest, true)?.is_some();
    files::create_dirs(ctx, dest, None, &mut |_| Ok(()))?;
    let inner = Ownership { mode: None, ..owner.clone() };
    copy_level(ctx, args, &inner, src, &top)?;
    // Ansible gives the mode to the directory itself: the given one, or what was copied when that is new.
    let shown = if existed { top.as_path() } else { dest };
    owner.apply(ctx, shown, true)?;
    let mut outcome = Outcome::new()
        .with("dest", show(shown))
        .with("src", written)
        .with("checksum", Value::Null)
        .with("md5sum", Value::Null);
    files::facts(ctx, shown, &mut outcome.result)?;
    Ok(outcome)
}

fn copy_level(
    ctx: &Ctx<'_>,
    args: &CopyArgs,
    owner: &Ownership<'_>,
    src: &Path,
    dest: &Path,
) -> Result<(), Failure> {
    if let (Some(meta), None) = (ctx.sys.stat(src, true)?, ctx.sys.stat(dest, true)?) {
        ctx.sys.create_dir(dest, Some(meta.mode))?;
    }
    owner.apply(ctx, dest, false)?;
    for name in ctx.sys.read_dir(src)? {
        let (from, to) = (src.join(&name), dest.join(&name));
        let Some(meta) = ctx.sys.stat(&from, false)? else { continue };
        let old = ctx.sys.stat(&to, false)?;
        if meta.is_dir() {
            copy_level(ctx, args, owner, &from, &to)?;
        } else if meta.is_link() {
            let target = ctx.sys.read_link(&from)?;
            let same = old.is_some_and(|old| old.is_link()) && ctx.sys.read_link(&to)? == target;
            if !same {
                ctx.sys.symlink(&target, &to)?;
            }
            owner.apply(ctx, &to, false)?;
        } else if meta.is_file() {
            let source = Source::Remote(from);
            let same = match &old {
                Some(old) if old.is_file() => source.is_at(ctx, &to, old)?,
                _ => false,
            };
            if !same && (old.is_none() || args.force) {
                let new = NewFile { mode: Some(meta.mode), uid: owner.uid, gid: owner.gid, secret: false };
                ctx.sys.write(&to, &mut *source.open(ctx)?, &new)?;
            }
            owner.apply(ctx, &to, false)?;
        } else {
            return Err(Failure::new(format!(
                "cannot copy {}: it is neither file, directory nor link",
                show(&from)
            )));
        }
    }
    Ok(())
}
