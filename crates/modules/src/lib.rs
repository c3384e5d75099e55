//! The modules: one file each, all in one visible list ([`registry`]).

pub mod apt;
pub mod async_status;
pub mod authorized_key;
pub mod blockinfile;
pub mod command;
pub mod context;
pub mod copy;
pub mod file;
pub mod find;
pub mod get_url;
pub mod group;
pub mod hostname;
pub mod iptables;
pub mod lineinfile;
pub mod openssl_dhparam;
pub mod openssl_privatekey;
pub mod package;
pub mod ping;
pub mod registry;
pub mod replace;
pub mod script;
pub mod service;
pub mod setup;
pub mod shell;
pub mod slurp;
pub mod stat;
pub mod support;
pub mod sysctl;
pub mod systemd;
pub mod tempfile;
pub mod uri;
pub mod user;
pub mod wait_for;
pub mod x509_certificate;

pub use context::{Blobs, Ctx, Failure, Outcome};
pub use registry::{Entry, find, registry};

use provision_args::Args;

/// What the agent can do to a machine under one name.
pub trait Module {
    type Args: Args;
    /// Brings the machine to what `args` say, or fails and says why.
    fn run(args: Self::Args, ctx: &Ctx<'_>) -> Result<Outcome, Failure>;
}
