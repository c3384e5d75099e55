//! `assemble`: a file made of the files in a directory.

use crate::copy::Blob;
use crate::support::files::{self, Edit, Validated, path_of, real_path, show, unknown};
use crate::support::options::FileOptions;
use crate::support::regex::{self, Flags};
use crate::{Ctx, Failure, Module, Outcome};
use provision_args::{Args, PathArg};
use provision_system::text::{text_to_bytes, to_text};
use std::io::Read;
use std::path::Path;

/// Put the files of a directory together, in the order of their names, as one file.
#[derive(Args)]
#[args(name = "assemble")]
pub struct AssembleArgs {
    /// The directory.
    #[arg(required)]
    pub src: String,
    /// The file.
    #[arg(required)]
    pub dest: PathArg,
    /// The directory is on the target; otherwise it is looked for on the control machine.
    #[arg(default = "yes")]
    pub remote_src: bool,
    /// What stands between two files.
    pub delimiter: Option<String>,
    /// Only files whose names match this regular expression.
    pub regexp: Option<String>,
    /// Leave out files whose names begin with a dot.
    #[arg(default = "no")]
    pub ignore_hidden: bool,
    /// Keep what was there under a name with the time in it (result `backup_file`).
    #[arg(default = "no")]
    pub backup: bool,
    /// A command that must accept the new file before it takes its place; `%s` is its path.
    pub validate: Option<String>,
    /// Decrypt files that are encrypted with vault (on the controller).
    #[arg(default = "yes")]
    pub decrypt: bool,
    /// What the controller has put together.
    #[arg(name = "_blob", internal, sub)]
    pub blob: Option<Blob>,
    /// The same when it is short.
    #[arg(name = "_inline", internal)]
    pub inline: Option<String>,
    #[arg(flatten)]
    pub attributes: FileOptions,
}

/// The module.
pub struct Assemble;

impl Module for Assemble {
    type Args = AssembleArgs;

    fn run(args: AssembleArgs, ctx: &Ctx<'_>) -> Result<Outcome, Failure> {
        let dest = path_of(ctx, &args.dest)?;
        if ctx.sys.stat(&dest, true)?.is_some_and(|meta| meta.is_dir()) {
            return Err(Failure::new(format!("{} is a directory", show(&dest))));
        }
        let text = match (&args.inline, &args.blob) {
            (Some(text), _) => text_to_bytes(text),
            (_, Some(blob)) => {
                let mut data = Vec::new();
                let read = ctx.blobs.open(&blob.sha256)?.read_to_end(&mut data);
                read.map_err(|why| Failure::new(format!("cannot read the content: {why}")))?;
                data
            }
            _ => {
                let src = path_of(ctx, &PathArg(args.src.clone()))?;
                match ctx.sys.stat(&src, true)? {
                    Some(meta) if meta.is_dir() => args.gather(ctx, &src)?,
                    None if ctx.sys.uncertain() => {
                        return unknown(ctx, &dest, "the assembled file", "the directory does not exist yet");
                    }
                    None => return Err(Failure::new(format!("Source ({}) does not exist", show(&src)))),
                    Some(_) => {
                        return Err(Failure::new(format!("Source ({}) is not a directory", show(&src))));
                    }
                }
            }
        };
        let dest = real_path(ctx.sys, &dest)?;
        let owner = args.attributes.wanted().look_up(ctx)?;
        let parent = dest.parent().unwrap_or(Path::new("/"));
        if ctx.sys.stat(parent, true)?.is_none() {
            if ctx.sys.uncertain() {
                return unknown(ctx, &dest, "the assembled file", "its directory does not exist yet");
            }
            return Err(Failure::new(format!("Destination directory {} does not exist", show(parent))));
        }
        let mut outcome = Outcome::new().with("src", args.src.as_str()).with("dest", show(&dest)).msg("OK");
        let same = match ctx.sys.stat(&dest, true)? {
            Some(_) => ctx.sys.read(&dest)? == text,
            None => false,
        };
        if !same {
            let edit =
                Edit { path: &dest, backup: args.backup, validate: args.validate.as_deref(), owner: &owner };
            let (copy, validated) = edit.write(ctx, &text)?;
            if let Some(copy) = copy {
                outcome = outcome.with("backup_file", show(&copy));
            }
            if validated == Validated::Skipped {
                outcome = outcome.with("validated", "not in a dry run");
            }
        }
        owner.apply(ctx, &dest, true)?;
        outcome = outcome
            .with("checksum", ctx.sys.digest(&dest, "sha1")?)
            .with("md5sum", ctx.sys.digest(&dest, "md5")?);
        files::facts(ctx, &dest, &mut outcome.result)?;
        Ok(owner.finish(outcome))
    }
}

impl AssembleArgs {
    fn gather(&self, ctx: &Ctx<'_>, src: &Path) -> Result<Vec<u8>, Failure> {
        let mut fragments = Vec::new();
        for name in ctx.sys.read_dir(src)? {
            let path = src.join(&name);
            if ctx.sys.stat(&path, true)?.is_some_and(|meta| meta.is_file()) && self.takes(&to_text(&name))? {
                fragments.push(ctx.sys.read(&path)?);
            }
        }
        Ok(join(&fragments, self.delimiter.as_deref()))
    }

    /// Is a file of this name one of the fragments?
    pub fn takes(&self, name: &str) -> Result<bool, Failure> {
        if self.ignore_hidden && name.starts_with('.') {
            return Ok(false);
        }
        match &self.regexp {
            Some(pattern) => regex::search(&regex::compile("regexp", pattern, Flags::default())?, name),
            None => Ok(true),
        }
    }
}

/// Fragments one after the other, each with a line's end behind it where the delimiter follows.
pub fn join(fragments: &[Vec<u8>], delimiter: Option<&str>) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::new();
    // "\n" and the like are written as escapes.
    let delimiter = delimiter.map(|text| text_to_bytes(&text.replace("\\n", "\n").replace("\\t", "\t")));
    for (index, fragment) in fragments.iter().enumerate() {
        if let Some(delimiter) = delimiter.as_ref().filter(|_| index > 0) {
            if !out.ends_with(b"\n") && !out.is_empty() {
                out.push(b'\n');
            }
            out.extend(delimiter);
            if !delimiter.ends_with(b"\n") {
                out.push(b'\n');
            }
        }
        out.extend(fragment);
    }
    out
}
