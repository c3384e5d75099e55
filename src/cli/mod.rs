//! The command line: `ansible-playbook`'s flags and letters, and subcommands beside it.

mod args;

pub use args::*;

use crate::exit::Exit;
use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand};
use std::io::Write;
use std::path::PathBuf;

const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    usage or internal error
  2    one or more hosts failed
  3    only unreachable hosts
  4    invalid playbook or inventory; nothing was touched
  130  interrupted";

/// Make hosts what Ansible playbooks say, over SSH, without Python.
#[derive(Debug, Parser)]
#[command(name = "provision", version, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true, after_help = EXIT_CODES)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub play: PlayArgs,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print a module's manual, or the list of modules
    Docs(DocsArgs),
    /// Install roles and collections from git repositories and archives
    Galaxy(crate::commands::galaxy::GalaxyArgs),
    /// Find every mistake of playbooks that can be known without connecting
    Check(CheckCommand),
    /// Show the settings of ansible.cfg and ANSIBLE_* variables, and where each comes from
    Config(ConfigArgs),
}

#[derive(Debug, Args)]
pub struct ConfigArgs {
    #[command(subcommand)]
    pub command: ConfigCommand,
    /// Read this file instead of the one that is found
    #[arg(short, long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// All settings with their values and origins
    Dump(DumpArgs),
    /// What settings there are, how they are given, and what they do here
    List,
    /// The configuration file itself
    View,
}

#[derive(Debug, Args)]
pub struct DumpArgs {
    /// Only what is not the default
    #[arg(long, alias = "changed-only")]
    pub only_changed: bool,
    /// How it is printed
    #[arg(short, long, value_enum, default_value = "display")]
    pub format: DumpFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum DumpFormat {
    Display,
    Json,
}

#[derive(Debug, Args)]
pub struct DocsArgs {
    /// The module: short or fully qualified name
    pub module: Option<String>,
    /// Print the arguments as a JSON Schema instead
    #[arg(long)]
    pub schema: bool,
}

#[derive(Debug, Args)]
pub struct CheckCommand {
    /// Playbooks
    #[arg(required = true, value_name = "PLAYBOOK")]
    pub playbooks: Vec<PathBuf>,
    #[command(flatten)]
    pub hosts: InventoryArgs,
    #[command(flatten)]
    pub vars: VarsArgs,
    #[command(flatten)]
    pub vault: VaultArgs,
    #[command(flatten)]
    pub say: OutputArgs,
    /// How findings are printed
    #[arg(long, value_enum, default_value = "human")]
    pub format: CheckFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum CheckFormat {
    /// Each with its line and a hint
    Human,
    /// One document; docs/CHECK.md describes it
    Json,
    /// SARIF 2.1.0
    Sarif,
    /// Workflow commands of GitHub Actions
    Github,
}

/// What `ansible-playbook` takes.
#[derive(Debug, Args)]
pub struct PlayArgs {
    /// Playbooks, run in this order
    #[arg(required = true, value_name = "PLAYBOOK")]
    pub playbooks: Vec<PathBuf>,

    #[command(flatten)]
    pub hosts: InventoryArgs,
    #[command(flatten)]
    pub tasks: TaskArgs,
    #[command(flatten)]
    pub vars: VarsArgs,
    #[command(flatten)]
    pub check: CheckArgs,
    #[command(flatten)]
    pub run: RunArgs,
    #[command(flatten)]
    pub say: OutputArgs,
    /// How results are printed
    #[arg(long, value_name = "FORMAT", value_parser = ["auto", "human", "ansible", "json"], help_heading = "Run")]
    pub output: Option<String>,
    /// Write what happens to this file as well, as --output json would print it
    #[arg(long, value_name = "FILE", help_heading = "Run")]
    pub events: Option<PathBuf>,
    #[command(flatten)]
    pub r#become: BecomeArgs,
    #[command(flatten)]
    pub connection: ConnectionArgs,
    #[command(flatten)]
    pub vault: VaultArgs,
    #[command(flatten)]
    pub look: LookArgs,
}

/// The command line, or clap's error.
pub fn parse() -> Result<Cli, clap::Error> {
    Cli::try_parse()
}

/// Prints help, version or what is wrong with the usage.
pub fn usage(error: &clap::Error) -> Exit {
    // A closed pipe is nobody's error.
    let _ = error.print();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Exit::Done,
        _ => Exit::Usage,
    }
}

/// An error of usage that clap cannot see.
pub fn complain(text: &str) -> Exit {
    let mut err = std::io::stderr();
    let _ =
        writeln!(err, "error: {text}\n\nFor more information, try '{} --help'.", Cli::command().get_name());
    Exit::Usage
}
