//! The modules: one file each, all in one visible list ([`registry`]).

pub mod acl;
pub mod alternatives;
pub mod apt;
pub mod apt_key;
pub mod apt_repository;
pub mod assemble;
pub mod async_status;
pub mod authorized_key;
pub mod blockinfile;
pub mod command;
pub mod context;
pub mod copy;
pub mod cron;
pub mod deb822_repository;
pub mod debconf;
pub mod dpkg_selections;
pub mod file;
pub mod find;
pub mod get_url;
pub mod getent;
pub mod git;
pub mod group;
pub mod hostname;
pub mod htpasswd;
pub mod ini_file;
pub mod iptables;
pub mod known_hosts;
pub mod lineinfile;
pub mod locale_gen;
pub mod modprobe;
pub mod mount;
pub mod openssl_dhparam;
pub mod openssl_privatekey;
pub mod package;
pub mod package_facts;
pub mod pam_limits;
pub mod ping;
pub mod pip;
pub mod registry;
pub mod replace;
pub mod script;
pub mod service;
pub mod service_facts;
pub mod setup;
pub mod shell;
pub mod slurp;
pub mod stat;
pub mod sudoers;
pub mod support;
pub mod sysctl;
pub mod systemd;
pub mod sysvinit;
pub mod tempfile;
pub mod timezone;
pub mod ufw;
pub mod unarchive;
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
