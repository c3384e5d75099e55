//! `package`: packages, by whatever package manager the host has.

use crate::apt::{self, AptOptions};
use crate::{Ctx, Failure, Module, Outcome};
use provision_args::Args;

/// Manage packages with the host's own package manager. All options of that manager's module may be given.
#[derive(Args)]
#[args(name = "package", required_one_of("name"))]
pub struct PackageArgs {
    /// The package manager: `apt`, or `auto` for the one that the host has.
    #[arg(default = "auto")]
    pub r#use: String,
    #[arg(flatten)]
    pub options: AptOptions,
}

/// The module.
pub struct Package;

impl Module for Package {
    type Args = PackageArgs;

    fn run(args: PackageArgs, ctx: &Ctx<'_>) -> Result<Outcome, Failure> {
        let manager = match args.r#use.as_str() {
            "auto" => found(ctx)?,
            named => named.to_owned(),
        };
        match manager.as_str() {
            "apt" | "ansible.builtin.apt" | "ansible.legacy.apt" => apt::run(args.options, ctx),
            "" => Err(Failure::new("no package manager was found on this host")),
            other => {
                let msg = format!("the package manager {other} is not supported yet, only apt is");
                Err(Failure::new(msg))
            }
        }
    }
}

/// The package manager of the host, by Ansible's name for it.
fn found(ctx: &Ctx<'_>) -> Result<String, Failure> {
    // A program of another distribution's may be there as a tool: the host's own come first.
    let known = [
        ("dnf5", "dnf5"),
        ("dnf", "dnf"),
        ("yum", "yum"),
        ("apt-get", "apt"),
        ("zypper", "zypper"),
        ("pacman", "pacman"),
        ("apk", "apk"),
        ("emerge", "portage"),
        ("xbps-install", "xbps"),
        ("opkg", "opkg"),
        ("pkg", "pkgng"),
    ];
    // Debian has dnf as a package, and no other keeps dpkg's list.
    if ctx.sys.stat(std::path::Path::new("/etc/debian_version"), true)?.is_some()
        && ctx.sys.find_program("apt-get")?.is_some()
    {
        return Ok("apt".to_owned());
    }
    for (program, name) in known {
        if ctx.sys.find_program(program)?.is_some() {
            return Ok(name.to_owned());
        }
    }
    Ok(String::new())
}
