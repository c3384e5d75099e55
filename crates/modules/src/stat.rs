//! `stat`: what is known of a file.

use crate::support::files::{self, octal, path_of, real_path, show};
use crate::{Ctx, Failure, Module, Outcome};
use provision_args::{Args, Choice, PathArg};
use provision_system::{Command, FileKind, Identity, Meta};
use serde_json::{Map, Value};
use std::path::Path;

/// Report what is known of a file or directory. Nothing is changed.
#[derive(Args)]
#[args(name = "stat")]
pub struct StatArgs {
    /// What is looked at.
    #[arg(required, alias = "dest", alias = "name")]
    pub path: PathArg,
    /// Look at what a symbolic link points to.
    #[arg(default = "no")]
    pub follow: bool,
    /// Report a file's digest (result `checksum`).
    #[arg(default = "yes")]
    pub get_checksum: bool,
    /// Which digest.
    #[arg(default = "sha1", alias = "checksum", alias = "checksum_algo")]
    pub checksum_algorithm: Algorithm,
    /// Report type and character set (`mimetype`, `charset`) as the program `file` knows them; without it they are
    /// "unknown".
    #[arg(default = "yes", alias = "mime", alias = "mime_type", alias = "mime-type")]
    pub get_mime: bool,
    /// Report file attributes as `lsattr` knows them, where that program is there.
    #[arg(default = "yes", alias = "attr", alias = "attributes")]
    pub get_attributes: bool,
}

/// Digests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Choice)]
pub enum Algorithm {
    Md5,
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

/// The module.
pub struct Stat;

impl Module for Stat {
    type Args = StatArgs;

    fn run(args: StatArgs, ctx: &Ctx<'_>) -> Result<Outcome, Failure> {
        let path = path_of(ctx, &args.path)?;
        let Some(meta) = ctx.sys.stat(&path, args.follow)? else {
            let mut stat = Map::new();
            stat.insert("exists".to_owned(), false.into());
            let outcome = Outcome::new().with("stat", stat);
            let why = "an earlier command may make it";
            return Ok(if ctx.sys.uncertain() { files::depends(outcome, why) } else { outcome });
        };
        let mut stat = Map::new();
        stat.insert("exists".to_owned(), true.into());
        stat.insert("path".to_owned(), files::expand(ctx, &args.path).into());
        describe(&meta, &mut stat);
        // What may be done is asked of what a link points to, as access(2) does.
        permissions(ctx, ctx.sys.stat(&path, true)?.as_ref(), &mut stat);
        let mut put = |name: &str, value: Value| drop(stat.insert(name.to_owned(), value));
        if let Some(name) = files::user_name(ctx, meta.uid)? {
            put("pw_name", name.into());
        }
        if let Some(name) = files::group_name(ctx, meta.gid)? {
            put("gr_name", name.into());
        }
        if meta.is_link() {
            put("lnk_source", show(&real_path(ctx.sys, &path)?).into());
            put("lnk_target", show(&ctx.sys.read_link(&path)?).into());
        }
        if meta.is_file() && args.get_checksum {
            // Ansible leaves the digest out of a file that may not be read.
            if let Ok(digest) = ctx.sys.digest(&path, args.checksum_algorithm.as_str()) {
                put("checksum", digest.into());
            }
        }
        if args.get_mime {
            let (mime, charset) = mime(ctx, &path, args.follow)?;
            put("mimetype", mime.into());
            put("charset", charset.into());
        }
        if args.get_attributes
            && let Some(attributes) = Attributes::of(ctx, &path)?
        {
            put("version", attributes.version.clone().map_or(Value::Null, Value::from));
            put("attributes", attributes.names().into());
            put("attr_flags", attributes.flags.into());
        }
        Ok(Outcome::new().with("stat", stat))
    }
}

/// What `stat(2)` says, under Ansible's names.
pub(crate) fn describe(meta: &Meta, stat: &mut Map<String, Value>) {
    let mut put = |name: &str, value: Value| drop(stat.insert(name.to_owned(), value));
    put("mode", octal(meta.mode).into());
    for (name, kind) in [
        ("isdir", FileKind::Dir),
        ("ischr", FileKind::Char),
        ("isblk", FileKind::Block),
        ("isreg", FileKind::File),
        ("isfifo", FileKind::Fifo),
        ("islnk", FileKind::Symlink),
        ("issock", FileKind::Socket),
    ] {
        put(name, (meta.kind == kind).into());
    }
    put("uid", meta.uid.into());
    put("gid", meta.gid.into());
    put("size", meta.size.into());
    put("inode", meta.ino.into());
    put("dev", meta.dev.into());
    put("nlink", meta.nlink.into());
    put("atime", meta.atime.into());
    put("mtime", meta.mtime.into());
    put("ctime", meta.ctime.into());
    for (name, bit) in [
        ("rusr", 0o400),
        ("wusr", 0o200),
        ("xusr", 0o100),
        ("rgrp", 0o40),
        ("wgrp", 0o20),
        ("xgrp", 0o10),
        ("roth", 0o4),
        ("woth", 0o2),
        ("xoth", 0o1),
        ("isuid", 0o4000),
        ("isgid", 0o2000),
    ] {
        put(name, (meta.mode & bit != 0).into());
    }
    put("blocks", meta.blocks.into());
    put("block_size", meta.block_size.into());
    put("device_type", meta.rdev.into());
}

/// What the module's user may do, by the permission bits.
fn permissions(ctx: &Ctx<'_>, meta: Option<&Meta>, stat: &mut Map<String, Value>) {
    let me = ctx.sys.identity();
    for (name, bit) in [("readable", 0o4), ("writeable", 0o2), ("executable", 0o1)] {
        stat.insert(name.to_owned(), meta.is_some_and(|meta| may(ctx, &me, meta, bit)).into());
    }
}

fn may(ctx: &Ctx<'_>, me: &Identity, meta: &Meta, bit: u32) -> bool {
    if me.uid == 0 {
        return bit != 0o1 || meta.is_dir() || meta.mode & 0o111 != 0;
    }
    let in_group = me.gid == meta.gid
        || ctx
            .sys
            .group(&meta.gid.to_string())
            .ok()
            .flatten()
            .is_some_and(|group| group.members.contains(&me.user));
    let shift = match () {
        () if me.uid == meta.uid => 6,
        () if in_group => 3,
        () => 0,
    };
    meta.mode & (bit << shift) != 0
}

/// Type and character set as `file` reports them.
fn mime(ctx: &Ctx<'_>, path: &Path, follow: bool) -> Result<(String, String), Failure> {
    let unknown = || ("unknown".to_owned(), "unknown".to_owned());
    let Some(program) = ctx.sys.find_program("file")? else { return Ok(unknown()) };
    let mut command = Command::new([program.into_os_string()]);
    if follow {
        command = command.arg("-L");
    }
    let output = ctx.sys.query(&command.arg("--brief").arg("--mime").arg("--").arg(path))?;
    let text = output.out();
    let Some((kind, charset)) = text.trim().split_once(';') else { return Ok(unknown()) };
    let charset = charset.trim().strip_prefix("charset=").unwrap_or("unknown");
    Ok(if output.ok() { (kind.trim().to_owned(), charset.to_owned()) } else { unknown() })
}

/// What `lsattr` reports.
struct Attributes {
    version: Option<String>,
    flags: String,
}

impl Attributes {
    /// Nothing without the program.
    fn of(ctx: &Ctx<'_>, path: &Path) -> Result<Option<Self>, Failure> {
        let Some(program) = ctx.sys.find_program("lsattr")? else { return Ok(None) };
        let command = Command::new([program.into_os_string()]).arg("-vd").arg("--").arg(path);
        let output = ctx.sys.query(&command)?;
        let text = output.out();
        let mut words = text.split_whitespace();
        Ok(Some(match (output.ok(), words.next(), words.next()) {
            (true, Some(version), Some(flags)) => {
                Self { version: Some(version.to_owned()), flags: flags.replace('-', "") }
            }
            // File systems without attributes.
            _ => Self { version: None, flags: String::new() },
        }))
    }

    fn names(&self) -> Vec<Value> {
        self.flags.chars().filter_map(attribute).map(Value::from).collect()
    }
}

/// The words of lsattr's letters (`man chattr`), as Ansible spells them.
fn attribute(letter: char) -> Option<&'static str> {
    Some(match letter {
        'A' => "noatime",
        'a' => "append",
        'c' => "compressed",
        'C' => "nocow",
        'd' => "nodump",
        'D' => "dirsync",
        'e' => "extents",
        'E' => "encrypted",
        'h' => "blocksize",
        'i' => "immutable",
        'I' => "indexed",
        'j' => "journalled",
        'N' => "inline",
        's' => "zero",
        'S' => "synchronous",
        't' => "notail",
        'T' => "blockroot",
        'u' => "undelete",
        'X' => "compressedraw",
        'Z' => "compresseddirty",
        _ => return None,
    })
}
