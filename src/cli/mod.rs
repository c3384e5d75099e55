//! The command line: `ansible-playbook`'s flags and letters, and subcommands beside it.

mod args;
mod vault;

pub use args::*;
pub use vault::*;

use crate::exit::Exit;
use crate::name::Name;
use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};
use std::ffi::OsString;
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
#[command(name = "provision", version, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true, infer_long_args = true, args_override_self = true, after_help = EXIT_CODES)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub play: PlayArgs,
}

/// The same without subcommands: what `ansible-playbook` is called with.
#[derive(Debug, Parser)]
#[command(name = "ansible-playbook", infer_long_args = true, args_override_self = true)]
struct PlaybookCli {
    #[command(flatten)]
    play: PlayArgs,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run one module on hosts (as `ansible`)
    Adhoc(Box<AdhocArgs>),
    /// Show what the inventory says (as `ansible-inventory`)
    Inventory(InventoryCommandArgs),
    /// Print a module's manual, or the list of modules
    Docs(DocsArgs),
    /// Install roles and collections from git repositories and archives
    Galaxy(crate::commands::galaxy::GalaxyArgs),
    /// Find every mistake of playbooks that can be known without connecting
    Check(CheckCommand),
    /// Show the settings of ansible.cfg and ANSIBLE_* variables, and where each comes from
    Config(ConfigArgs),
    /// Encrypt and decrypt files and values
    Vault(VaultCommand),
    /// Print a script that completes this command's words in a shell
    Completions(CompletionsArgs),
    /// Print the manual page of this command, or of one of its commands
    Man(ManArgs),
}

#[derive(Debug, Args)]
pub struct CompletionsArgs {
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub struct ManArgs {
    pub command: Option<String>,
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

/// What `ansible-inventory` takes.
#[derive(Debug, Args)]
pub struct InventoryCommandArgs {
    /// Print all hosts and groups
    #[arg(long, help_heading = "Actions")]
    pub list: bool,
    /// Print one host's variables
    #[arg(long, value_name = "HOST", help_heading = "Actions")]
    pub host: Option<String>,
    /// Print the groups as a tree, from GROUP on if it is given
    #[arg(long, help_heading = "Actions")]
    pub graph: bool,
    #[arg(value_name = "GROUP")]
    pub pattern: Option<String>,

    /// YAML instead of JSON
    #[arg(short, long, help_heading = "Output")]
    pub yaml: bool,
    /// Refused: TOML is not written
    #[arg(long, help_heading = "Output", hide = true)]
    pub toml: bool,
    /// Print variables in the tree, too
    #[arg(long = "vars", help_heading = "Output")]
    pub show_vars: bool,
    /// Variables where they are given, not at every host
    #[arg(long, help_heading = "Output")]
    pub export: bool,
    /// Write to this file
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub output: Option<PathBuf>,
    #[arg(short, long, action = clap::ArgAction::Count, hide = true)]
    pub verbose: u8,

    #[command(flatten)]
    pub hosts: InventoryArgs,
    /// Where group_vars and host_vars of a playbook are looked for
    #[arg(long, value_name = "DIR", help_heading = "Hosts")]
    pub playbook_dir: Option<PathBuf>,
    #[command(flatten)]
    pub vars: VarsArgs,
    #[command(flatten)]
    pub vault: VaultArgs,
}

/// What `ansible` takes.
#[derive(Debug, Args)]
pub struct AdhocArgs {
    /// The hosts
    #[arg(value_name = "PATTERN")]
    pub pattern: String,
    /// The module
    #[arg(short, long, value_name = "MODULE", help_heading = "Task")]
    pub module_name: Option<String>,
    /// Its arguments: k=v words, a JSON object, or a command line for modules that take one
    #[arg(short, long, value_name = "ARGS", allow_hyphen_values = true, help_heading = "Task")]
    pub args: Option<String>,
    /// Run in the background, for at most this many seconds
    #[arg(short = 'B', long, value_name = "SECONDS", help_heading = "Task")]
    pub background: Option<u64>,
    /// Look every so many seconds whether it is done; 0 leaves it running
    #[arg(short = 'P', long = "poll", value_name = "SECONDS", help_heading = "Task")]
    pub poll_interval: Option<u64>,
    /// Seconds that the task may take
    #[arg(long, value_name = "SECONDS", help_heading = "Task")]
    pub task_timeout: Option<u64>,

    #[command(flatten)]
    pub hosts: InventoryArgs,
    /// Where group_vars, host_vars and roles are looked for
    #[arg(long, value_name = "DIR", help_heading = "Hosts")]
    pub playbook_dir: Option<PathBuf>,
    /// Print the hosts and do nothing
    #[arg(long, help_heading = "Hosts")]
    pub list_hosts: bool,
    #[command(flatten)]
    pub vars: VarsArgs,
    #[command(flatten)]
    pub check: CheckArgs,
    #[command(flatten)]
    pub run: RunArgs,
    /// One line for each host
    #[arg(short, long, help_heading = "Run")]
    pub one_line: bool,
    /// Write each host's result to a file in this directory
    #[arg(short, long, value_name = "DIR", help_heading = "Run")]
    pub tree: Option<PathBuf>,
    #[command(flatten)]
    pub say: OutputArgs,
    #[command(flatten)]
    pub r#become: BecomeArgs,
    #[command(flatten)]
    pub connection: ConnectionArgs,
    #[command(flatten)]
    pub vault: VaultArgs,
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

/// The command line; help, version and what is wrong with the usage are printed here.
pub fn parse() -> Result<Cli, Exit> {
    let name = Name::called();
    let mut words: Vec<OsString> = std::env::args_os().collect();
    if name.is_ansible()
        && words.iter().skip(1).take_while(|word| *word != "--").any(|word| word == "--version")
    {
        crate::commands::print(&version());
        return Err(Exit::Done);
    }
    let parsed = match name.subcommand() {
        Some(subcommand) => {
            words.insert(1, subcommand.into());
            Cli::try_parse_from(words)
        }
        None if name == Name::Playbook => {
            PlaybookCli::try_parse_from(words).map(|cli| Cli { command: None, play: cli.play })
        }
        None => Cli::try_parse_from(words),
    };
    parsed.map_err(|error| usage(name, &error))
}

fn usage(name: Name, error: &clap::Error) -> Exit {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // A closed pipe is nobody's error.
            let _ = error.print();
            Exit::Done
        }
        _ if name.is_ansible() => {
            let text = error.to_string();
            let text = text.strip_prefix("error: ").unwrap_or(&text);
            let text = text.split("\n\nUsage:").next().unwrap_or(text);
            let program = name.program();
            crate::commands::tell(&format!(
                "usage: {program} [options]\n{program}: error: {}",
                text.trim_end()
            ));
            Exit::Usage
        }
        _ => {
            let _ = error.print();
            Exit::Usage
        }
    }
}

/// What scripts look into to learn which Ansible this is.
fn version() -> String {
    let config = crate::config::Config::load().unwrap_or_default();
    let file = config.file.as_ref().map_or("None".to_owned(), |file| file.path.display().to_string());
    let collections: Vec<String> = config.list(&crate::config::table::COLLECTIONS_PATHS);
    let executable = std::env::current_exe().unwrap_or_default();
    format!(
        "{} [core 2.19.0]\n  config file = {file}\n  ansible collection location = {}\n  executable location = {}\n  \
         provision version = {}\n",
        Name::called().program(),
        collections.join(":"),
        executable.display(),
        env!("CARGO_PKG_VERSION"),
    )
}

/// An error of usage that clap cannot see.
pub fn complain(text: &str) -> Exit {
    let mut err = std::io::stderr();
    let name = Name::called();
    let program = name.program();
    let _ = match name.is_ansible() {
        true => writeln!(err, "usage: {program} [options]\n{program}: error: {text}"),
        false => writeln!(err, "error: {text}\n\nFor more information, try '{program} --help'."),
    };
    Exit::Usage
}
