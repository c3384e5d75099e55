//! `openssl_dhparam`: Diffie-Hellman parameters in a file.

use crate::support::der;
use crate::support::files::{path_of, show};
use crate::support::openssl::{self, Made};
use crate::support::options::FileOptions;
use crate::{Ctx, Failure, Module, Outcome};
use provision_args::{Args, Choice, PathArg};
use provision_system::text::bytes_to_text;

/// Make Diffie-Hellman parameters, and keep them as long as they have the right size. The target's `openssl` makes
/// them, which takes minutes for 4096 bits.
#[derive(Args)]
#[args(name = "openssl_dhparam")]
pub struct OpensslDhparamArgs {
    /// The file.
    #[arg(required)]
    pub path: PathArg,
    /// Shall there be one?
    #[arg(default = "present")]
    pub state: State,
    /// Bits of the prime.
    #[arg(default = "4096")]
    pub size: u64,
    /// Make new parameters every time.
    #[arg(default = "no")]
    pub force: bool,
    /// Keep what was there under a name with the time in it (result `backup_file`).
    #[arg(default = "no")]
    pub backup: bool,
    /// Give the file's text as the result `dhparams`.
    #[arg(default = "no")]
    pub return_content: bool,
    /// Which program to use.
    #[arg(default = "auto", choices("auto", "openssl"))]
    pub select_crypto_backend: String,
    #[arg(flatten)]
    pub files: FileOptions,
}

#[derive(Choice, Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Absent,
    Present,
}

/// The module.
pub struct OpensslDhparam;

impl Module for OpensslDhparam {
    type Args = OpensslDhparamArgs;

    fn run(args: OpensslDhparamArgs, ctx: &Ctx<'_>) -> Result<Outcome, Failure> {
        let path = path_of(ctx, &args.path)?;
        let old = ctx.sys.stat(&path, true)?;
        if args.state == State::Absent {
            return openssl::remove(ctx, &path, old.as_ref(), args.backup);
        }
        openssl::check_directory(ctx, &path)?;
        if old.as_ref().is_some_and(|meta| meta.is_dir()) {
            return Err(Failure::new(format!("{} is a directory", show(&path))));
        }
        let owner = args.files.wanted().look_up(ctx)?;
        let content = match &old {
            Some(_) if !args.force => Some(ctx.sys.read(&path)?),
            _ => None,
        };
        let (content, outcome) = match content.filter(|content| bits(content) == Some(args.size)) {
            Some(content) => {
                owner.apply(ctx, &path, true)?;
                (content, Outcome::new())
            }
            None => {
                let size = args.size.to_string();
                match openssl::make(ctx, &openssl::command(["dhparam", &size], None))? {
                    Made::Done(made) => {
                        if bits(&made) != Some(args.size) {
                            return Err(Failure::new("openssl printed no parameters of the right size"));
                        }
                        let flags = (false, args.backup);
                        let outcome = openssl::replace(ctx, &path, old.as_ref(), &made, &owner, flags)?;
                        (made, outcome)
                    }
                    Made::Later => {
                        let after = format!("{size} bits");
                        let outcome =
                            openssl::later(ctx, "Diffie-Hellman parameters", &path, old.as_ref(), &after)?;
                        return Ok(owner.finish(outcome.with("size", args.size)));
                    }
                }
            }
        };
        let mut outcome = outcome.with("filename", show(&path)).with("size", args.size);
        if args.return_content {
            outcome = outcome.with("dhparams", bytes_to_text(&content));
        }
        Ok(owner.finish(outcome))
    }
}

fn bits(pem: &[u8]) -> Option<u64> {
    der::dh_bits(&der::from_pem(pem, &["DH PARAMETERS"])?)
}
