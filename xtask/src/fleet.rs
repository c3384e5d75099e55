//! `cargo xtask fleet`: hosts to try things on.

use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Result, bail};
use clap::Subcommand;
use provision_testkit::fleet::{self, Distro, Fleet, Layer, Options};

use crate::say;

#[derive(clap::Args)]
pub struct Args {
    /// Which fleet; each has its own network, so several can run beside each other
    #[arg(long, global = true, default_value = "fleet", env = "FLEET_NAME")]
    name: String,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Build root file systems ahead of time (all distributions if none is named)
    Build {
        distros: Vec<Distro>,
        /// With python3 and python3-apt on the host
        #[arg(long)]
        python: bool,
        /// With a layer of packages on top
        #[arg(long)]
        layer: Option<String>,
    },
    /// Boot h1..hN, those that do not run yet
    Up {
        n: u8,
        #[arg(long, default_value = "bookworm")]
        distro: Distro,
        /// With python3 and python3-apt on the host
        #[arg(long)]
        python: bool,
        /// With a layer of packages already installed (nginx, certbot)
        #[arg(long)]
        layer: Option<String>,
    },
    /// Delete hosts (all if none is named)
    Down { hosts: Vec<String> },
    /// Replace hosts by fresh ones
    Reset {
        #[arg(required = true)]
        hosts: Vec<String>,
    },
    /// Print an inventory of the hosts that run
    Inventory {
        #[arg(default_value = "yaml", value_parser = ["ini", "yaml"])]
        format: String,
        /// The group they are in
        #[arg(long, default_value = "fleet")]
        group: String,
        /// root, deploy (sudo without a password) or pw (password pw, sudo asks for it)
        #[arg(long, default_value = "root")]
        user: String,
    },
    /// Log in, or run a command, over SSH as root
    Ssh {
        host: String,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<String>,
    },
    /// Run a program on a host without SSH
    Exec {
        host: String,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        command: Vec<String>,
    },
    /// Show the hosts and how they are
    Status,
    /// Delete what killed tests and old recipes have left
    Prune,
}

pub fn run(args: Args) -> Result<ExitCode> {
    match args.verb {
        Verb::Build { distros, python, layer } => {
            let distros = if distros.is_empty() { Distro::ALL.to_vec() } else { distros };
            for distro in distros {
                build(&options(distro, python, layer.as_deref())?)?;
            }
        }
        Verb::Up { n, distro, python, layer } => {
            let options = options(distro, python, layer.as_deref())?;
            build(&options)?;
            let fleet = Fleet::open(&args.name)?;
            let start = Instant::now();
            let new = fleet.up(n, &options)?;
            say::note(format_args!("{} new in {:.1} s", new.len(), start.elapsed().as_secs_f32()));
            status(&fleet)?;
            say::note(format_args!("ssh -F {} h1", fleet.ssh_config().display()));
        }
        Verb::Down { hosts } => {
            let gone = Fleet::open(&args.name)?.down(&hosts)?;
            say::note(format_args!(
                "deleted: {}",
                if gone.is_empty() { "none".into() } else { gone.join(" ") }
            ));
        }
        Verb::Reset { hosts } => Fleet::open(&args.name)?.reset(&hosts)?,
        Verb::Inventory { format, group, user } => {
            say::result(Fleet::open(&args.name)?.inventory(&format, &group, &user)?.trim_end());
        }
        Verb::Ssh { host, command } => {
            let fleet = Fleet::open(&args.name)?;
            fleet.machine(&host)?;
            let error = Command::new("ssh").arg("-F").arg(fleet.ssh_config()).arg(host).args(command).exec();
            bail!("cannot run ssh: {error}");
        }
        Verb::Exec { host, command } => {
            let ran = Fleet::open(&args.name)?.machine(&host)?.exec(&command)?;
            say::result(ran.stdout.trim_end());
            if !ran.stderr.is_empty() {
                say::note(ran.stderr.trim_end());
            }
            return Ok(ExitCode::from(u8::try_from(ran.code).unwrap_or(255)));
        }
        Verb::Prune => fleet::prune()?.iter().for_each(|gone| say::result(gone.display())),
        Verb::Status => status(&Fleet::open(&args.name)?)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Builds what a host of this kind needs, and says so first, since it takes minutes.
pub fn build(options: &Options) -> Result<()> {
    if fleet::is_built(options)? {
        return Ok(());
    }
    say::note(format_args!("building the root file system {options} (once; some minutes)"));
    let start = Instant::now();
    fleet::build(options)?;
    say::note(format_args!("built {options} in {} s", start.elapsed().as_secs()));
    Ok(())
}

fn options(distro: Distro, python: bool, layer: Option<&str>) -> Result<Options> {
    Ok(Options { distro, python, layer: layer.map(Layer::named).transpose()? })
}

fn status(fleet: &Fleet) -> Result<()> {
    for host in fleet.status()? {
        say::result(format_args!(
            "{:5} {:15} {:18} {:24} {}",
            host.name, host.ip, host.ip6, host.kind, host.state
        ));
    }
    Ok(())
}
