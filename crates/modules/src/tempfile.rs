//! `tempfile`: a new file or directory under a name nobody else uses.

use crate::support::files::{self, path_of, show};
use crate::{Ctx, Failure, Module, Outcome};
use provision_args::{Args, Choice, PathArg};
use provision_system::NewFile;
use provision_system::text::to_os;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::PathBuf;

/// Make a temporary file or directory that only its owner may use. It stays until a later task removes it.
#[derive(Args)]
#[args(name = "tempfile")]
pub struct TempfileArgs {
    /// What to make.
    #[arg(default = "file")]
    pub state: State,
    /// The directory it is made in. Left out: the system's directory for temporary files.
    pub path: Option<PathArg>,
    /// How its name begins.
    #[arg(default = "ansible.")]
    pub prefix: String,
    /// How its name ends.
    #[arg(default = "")]
    pub suffix: String,
}

/// What to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Choice)]
pub enum State {
    Directory,
    File,
}

/// The module.
pub struct Tempfile;

impl Module for Tempfile {
    type Args = TempfileArgs;

    fn run(args: TempfileArgs, ctx: &Ctx<'_>) -> Result<Outcome, Failure> {
        let dir = match &args.path {
            Some(path) => path_of(ctx, path)?,
            None => {
                let set = ctx.sys.environment().remove(&*to_os("TMPDIR")).map(PathBuf::from);
                set.filter(|dir| dir.is_absolute()).unwrap_or_else(|| PathBuf::from("/tmp"))
            }
        };
        if args.prefix.contains('/') || args.suffix.contains('/') {
            return Err(Failure::new("prefix and suffix are parts of a name: they hold no slash"));
        }
        if !ctx.sys.stat(&dir, true)?.is_some_and(|meta| meta.is_dir()) {
            return Err(Failure::new(format!("the directory {} does not exist", show(&dir))));
        }
        let path = loop {
            let path = dir.join(to_os(&format!("{}{}{}", args.prefix, random_name(), args.suffix)));
            if ctx.sys.stat(&path, false)?.is_none() {
                break path;
            }
        };
        match args.state {
            State::Directory => ctx.sys.create_dir(&path, Some(0o700))?,
            State::File => {
                let new = NewFile { mode: Some(0o600), ..NewFile::default() };
                ctx.sys.write(&path, &mut std::io::empty(), &new)?;
            }
        }
        let mut outcome = Outcome::new().with("path", show(&path));
        files::facts(ctx, &path, &mut outcome.result)?;
        Ok(outcome)
    }
}

/// Eight letters and digits. The hasher's keys come from the system's random numbers.
fn random_name() -> String {
    let letters = b"abcdefghijklmnopqrstuvwxyz0123456789_";
    let mut bits = RandomState::new().build_hasher().finish();
    let mut name = String::new();
    for _ in 0..8 {
        name.push(char::from(letters[(bits % letters.len() as u64) as usize]));
        bits /= letters.len() as u64;
    }
    name
}
