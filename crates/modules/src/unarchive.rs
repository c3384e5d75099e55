//! `unarchive`: what is in an archive, unpacked.

mod tar;
mod zip;

use crate::copy::Blob;
use crate::support::files::{self, depends, path_of, show};
use crate::support::http;
use crate::support::options::FileOptions;
use crate::support::results;
use crate::{Ctx, Failure, Module, Outcome};
use provision_args::{Args, PathArg};
use provision_system::text::{shell_word, text_to_bytes, to_os, to_text};
use provision_system::{Command, Effect, Ran};
use serde_json::{Map, Value, json};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Unpack an archive (tar, also packed by gzip, bzip2, xz or zstd, or zip) into a directory that is there. The
/// target's `tar` and `unzip` do it. Nothing is unpacked when everything is there as it is in the archive.
#[derive(Args)]
#[args(
    name = "unarchive",
    mutually_exclusive("include", "exclude"),
    mutually_exclusive("copy", "remote_src")
)]
pub struct UnarchiveArgs {
    /// The archive: a file of the control machine; with `remote_src` a file of the target or a URL.
    #[arg(required)]
    pub src: String,
    /// The directory.
    #[arg(required)]
    pub dest: PathArg,
    /// The archive is on the target, or at a URL that the target fetches.
    #[arg(default = "no")]
    pub remote_src: bool,
    /// The opposite of `remote_src`, its old name.
    #[arg(default = "yes")]
    pub copy: bool,
    /// A file: when it is there, nothing is done.
    pub creates: Option<PathArg>,
    /// Only these of the archive.
    pub include: Option<Vec<String>>,
    /// Not these of the archive.
    pub exclude: Option<Vec<String>>,
    /// Keep files that are newer than those in the archive.
    #[arg(default = "no")]
    pub keep_newer: bool,
    /// Give the names in the archive as the result `files`.
    #[arg(default = "no")]
    pub list_files: bool,
    /// More words for tar or unzip.
    pub extra_opts: Option<Vec<String>>,
    /// Decrypt an archive that is encrypted with vault (on the controller).
    #[arg(default = "yes")]
    pub decrypt: bool,
    /// Check the certificate of a URL.
    #[arg(default = "yes")]
    pub validate_certs: bool,
    /// Nothing to choose here: the archive is read by tar and unzip.
    #[arg(default = "65536")]
    pub io_buffer_size: u64,
    /// The archive, held by the controller.
    #[arg(name = "_blob", internal, sub)]
    pub blob: Option<Blob>,
    /// The archive itself.
    #[arg(name = "_inline", internal)]
    pub inline: Option<String>,
    #[arg(flatten)]
    pub attributes: FileOptions,
}

/// The module.
pub struct Unarchive;

impl Module for Unarchive {
    type Args = UnarchiveArgs;

    fn run(args: UnarchiveArgs, ctx: &Ctx<'_>) -> Result<Outcome, Failure> {
        let dest = path_of(ctx, &args.dest)?;
        if let Some(creates) = &args.creates {
            let path = path_of(ctx, creates)?;
            if ctx.sys.stat(&path, false)?.is_some() {
                let msg = format!("skipped, since {} exists", show(&path));
                return Ok(Outcome::new().with("skipped", true).msg(msg));
            }
        }
        match ctx.sys.stat(&dest, true)? {
            Some(meta) if meta.is_dir() => {}
            None if ctx.sys.uncertain() => {
                return files::unknown(
                    ctx,
                    &dest,
                    "what is in the archive",
                    "the directory does not exist yet",
                );
            }
            _ => return Err(Failure::new(format!("dest '{}' must be an existing dir", show(&dest)))),
        }
        let source = match args.source(ctx)? {
            Ok(source) => source,
            Err(why) => {
                return Ok(
                    files::unknown(ctx, &dest, "what is in the archive", why)?.with("src", args.src.as_str())
                );
            }
        };
        let unpacked = args.unpack(ctx, &source, &dest);
        if let Source::Scratch(path) = &source {
            ctx.sys.remove_temp(path)?;
        }
        let mut outcome = unpacked?.with("dest", show(&dest)).with("src", args.shown(&source));
        files::facts(ctx, &dest, &mut outcome.result)?;
        Ok(outcome)
    }
}

/// Where the archive is.
pub(crate) enum Source {
    File(PathBuf),
    /// A file made for this task alone.
    Scratch(PathBuf),
    /// In memory, in a dry run.
    Bytes(Vec<u8>),
}

impl Source {
    fn open(&self, ctx: &Ctx<'_>) -> Result<Box<dyn Read + '_>, Failure> {
        Ok(match self {
            Self::File(path) | Self::Scratch(path) => ctx.sys.open(path)?,
            Self::Bytes(data) => Box::new(data.as_slice()),
        })
    }

    /// Its name for tar, which reads the input for `-`.
    fn name(&self) -> String {
        match self {
            Self::File(path) | Self::Scratch(path) => show(path),
            Self::Bytes(_) => "-".to_owned(),
        }
    }

    fn feed(&self, mut command: Command) -> Command {
        if let Self::Bytes(data) = self {
            command.stdin = Some(data.clone());
        }
        command
    }
}

/// What a dry run is willing to hold in memory.
const DRY_LIMIT: u64 = 64 << 20;

/// What kind of archive it is, with Ansible's name for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Tar,
    Gzip,
    Bzip,
    Xz,
    Zstd,
    Zip,
}

impl Kind {
    fn of(start: &[u8]) -> Option<Self> {
        Some(match start {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [b'B', b'Z', b'h', ..] => Self::Bzip,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            [b'P', b'K', 3 | 5, ..] => Self::Zip,
            _ if start.get(257..262) == Some(b"ustar") || tar::old_format(start) => Self::Tar,
            _ => return None,
        })
    }

    fn handler(self) -> &'static str {
        match self {
            Self::Tar => "TarArchive",
            Self::Gzip => "TgzArchive",
            Self::Bzip => "TarBzipArchive",
            Self::Xz => "TarXzArchive",
            Self::Zstd => "TarZstdArchive",
            Self::Zip => "ZipArchive",
        }
    }
}

/// What the archive holds and whether it is all there.
pub(crate) struct Contents {
    pub files: Vec<String>,
    pub there: bool,
}

impl UnarchiveArgs {
    /// The archive; Err says why a dry run cannot have it.
    fn source(&self, ctx: &Ctx<'_>) -> Result<Result<Source, &'static str>, Failure> {
        if let Some(text) = &self.inline {
            return scratch(ctx, &mut text_to_bytes(text).as_slice());
        }
        if let Some(blob) = &self.blob {
            if ctx.sys.dry() && blob.size > DRY_LIMIT {
                return Ok(Err("the archive is large"));
            }
            return scratch(ctx, &mut *ctx.blobs.open(&blob.sha256)?);
        }
        if self.src.contains("://") {
            let mut reply = http::get(ctx, &self.src, self.validate_certs)?;
            if ctx.sys.dry() && reply.length().is_none_or(|length| length > DRY_LIMIT) {
                return Ok(Err("the archive is large"));
            }
            return scratch(ctx, &mut *reply.body);
        }
        let path = path_of(ctx, &PathArg(self.src.clone()))?;
        match ctx.sys.stat(&path, true)? {
            None if ctx.sys.uncertain() => Ok(Err("the archive does not exist yet")),
            None => Err(Failure::new(format!("Source '{}' does not exist", show(&path)))),
            Some(meta) if !meta.is_file() => {
                Err(Failure::new(format!("Source '{}' is no file", show(&path))))
            }
            Some(meta) if meta.size == 0 => {
                Err(Failure::new(format!("Invalid archive '{}', the file is 0 bytes", show(&path))))
            }
            // A file of the overlay is not on the disk, where tar could read it.
            Some(meta) if ctx.sys.dry() && meta.size <= DRY_LIMIT => {
                Ok(Ok(Source::Bytes(ctx.sys.read(&path)?)))
            }
            Some(_) => Ok(Ok(Source::File(path))),
        }
    }

    fn shown(&self, source: &Source) -> String {
        match source {
            Source::File(path) => show(path),
            _ => self.src.clone(),
        }
    }

    fn unpack(&self, ctx: &Ctx<'_>, source: &Source, dest: &Path) -> Result<Outcome, Failure> {
        let mut start = Vec::new();
        let read = source.open(ctx)?.take(512).read_to_end(&mut start);
        read.map_err(|why| Failure::new(format!("cannot read {}: {why}", self.src)))?;
        let Some(kind) = Kind::of(&start) else {
            return Err(Failure::new(format!(
                "Failed to find handler for \"{}\": it is none of tar, gzip, bzip2, xz, zstd and zip",
                self.src
            )));
        };
        let program = if kind == Kind::Zip { "unzip" } else { "tar" };
        if ctx.sys.find_program(program)?.is_none() {
            if ctx.sys.uncertain() {
                return files::unknown(
                    ctx,
                    dest,
                    "what is in the archive",
                    &format!("{program} is not there yet"),
                );
            }
            return Err(Failure::new(format!(
                "Failed to find handler for \"{}\": install {program} on the target",
                self.src
            )));
        }
        let contents = match kind {
            Kind::Zip => zip::look(self, ctx, source, dest)?,
            kind => tar::look(self, ctx, kind, source, dest)?,
        };
        let mut outcome = Outcome::new().with("handler", kind.handler());
        if self.list_files {
            outcome = outcome.with("files", contents.files.clone());
        }
        if !contents.there {
            let command = match kind {
                Kind::Zip => zip::extract(self, source, dest),
                kind => source.feed(tar::extract(self, kind, source, dest)),
            };
            match ctx.sys.run(&command, Effect::Change)? {
                Ran::Done(output) => {
                    let words: Vec<String> = command.argv.iter().map(|word| to_text(word)).collect();
                    let done =
                        json!({"cmd": words, "rc": output.rc, "out": output.out(), "err": output.err()});
                    if !output.ok() {
                        let msg = format!("failed to unpack {} to {}", self.src, show(dest));
                        let mut failure =
                            Failure::new(msg).with("extract_results", done).with("rc", output.rc);
                        results::lines(&mut failure.result, "stderr", output.err());
                        return Err(failure);
                    }
                    outcome = outcome.with("extract_results", done);
                }
                Ran::NotRun => outcome = depends(outcome, "the archive is unpacked then"),
            }
        }
        self.give(ctx, &contents.files, dest)?;
        Ok(outcome)
    }

    /// Owner, group and mode of everything that came out.
    fn give(&self, ctx: &Ctx<'_>, names: &[String], dest: &Path) -> Result<(), Failure> {
        let wanted = self.attributes.wanted();
        if wanted.mode.is_none() && wanted.owner.is_none() && wanted.group.is_none() {
            return Ok(());
        }
        let owner = wanted.look_up(ctx)?;
        for name in names {
            let path = dest.join(provision_system::text::to_path(name.trim_start_matches('/')));
            if ctx.sys.stat(&path, false)?.is_some() {
                owner.apply(ctx, &path, false)?;
            }
        }
        Ok(())
    }

    /// Words that every call of the unpacking program gets.
    fn extra(&self) -> impl Iterator<Item = std::ffi::OsString> + '_ {
        self.extra_opts.iter().flatten().map(|word| to_os(word))
    }
}

/// A file with this content, or in a dry run the content.
fn scratch(ctx: &Ctx<'_>, data: &mut dyn Read) -> Result<Result<Source, &'static str>, Failure> {
    if !ctx.sys.dry() {
        return Ok(Ok(Source::Scratch(ctx.sys.make_temp(None, data, 0o600)?)));
    }
    let mut bytes = Vec::new();
    let read = data.take(DRY_LIMIT).read_to_end(&mut bytes);
    read.map_err(|why| Failure::new(format!("cannot read the archive: {why}")))?;
    Ok(Ok(Source::Bytes(bytes)))
}

/// A failed look at an archive.
pub(crate) fn unreadable(args: &UnarchiveArgs, command: &Command, errors: &str) -> Failure {
    let mut result = Map::new();
    let cmd: Vec<String> = command.argv.iter().map(|word| shell_word(word)).collect();
    result.insert("cmd".to_owned(), Value::from(cmd.join(" ")));
    Failure { msg: format!("Unable to list files in the archive {}: {}", args.src, errors.trim()), result }
}
