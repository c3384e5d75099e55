//! The command line: `ansible-playbook`'s flags and letters, and subcommands beside it.

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
}

#[derive(Debug, Args)]
pub struct DocsArgs {
    /// The module: short or fully qualified name
    pub module: Option<String>,
    /// Print the arguments as a JSON Schema instead
    #[arg(long)]
    pub schema: bool,
}

/// What `ansible-playbook` takes.
#[derive(Debug, Args)]
pub struct PlayArgs {
    /// Playbooks, run in this order
    #[arg(required = true, value_name = "PLAYBOOK")]
    pub playbooks: Vec<PathBuf>,

    /// Inventory: a file, a directory, or hosts with commas ("a,b,"); may be given several times
    #[arg(short, long, value_name = "INVENTORY", help_heading = "Hosts")]
    pub inventory: Vec<String>,
    /// Only these hosts: a pattern, or @FILE with one a line
    #[arg(short, long, value_name = "SUBSET", help_heading = "Hosts")]
    pub limit: Option<String>,
    /// Work on this many hosts at once
    #[arg(short, long, value_name = "N", help_heading = "Hosts")]
    pub forks: Option<usize>,

    /// Only tasks with these tags (commas; may be given several times)
    #[arg(short, long, value_name = "TAGS", help_heading = "Tasks")]
    pub tags: Vec<String>,
    /// Leave out tasks with these tags
    #[arg(long, value_name = "TAGS", help_heading = "Tasks")]
    pub skip_tags: Vec<String>,
    /// Begin at the task of this name
    #[arg(long, value_name = "NAME", help_heading = "Tasks")]
    pub start_at_task: Option<String>,
    /// Variables: k=v words, JSON or YAML, or @FILE; may be given several times
    #[arg(short, long, value_name = "VARS", help_heading = "Tasks")]
    pub extra_vars: Vec<String>,
    /// Run notified handlers even when a task fails
    #[arg(long, help_heading = "Tasks")]
    pub force_handlers: bool,

    /// Change nothing; show what would be changed
    #[arg(short = 'C', long, help_heading = "Run")]
    pub check: bool,
    /// Show the differences in changed files
    #[arg(short = 'D', long, help_heading = "Run")]
    pub diff: bool,
    /// Say more (-v results and live command output, -vv places of tasks, -vvv connections)
    #[arg(short, long, action = clap::ArgAction::Count, help_heading = "Run")]
    pub verbose: u8,
    /// How results are printed
    #[arg(long, value_name = "FORMAT", value_parser = ["auto", "human", "ansible", "json"], help_heading = "Run")]
    pub output: Option<String>,
    /// Write what happens to this file as well, as --output json would print it
    #[arg(long, value_name = "FILE", help_heading = "Run")]
    pub events: Option<PathBuf>,
    /// Colours
    #[arg(long, value_name = "WHEN", value_parser = ["auto", "always", "never"], default_value = "auto", help_heading = "Run")]
    pub color: String,

    /// Become another user for all tasks (root unless said otherwise)
    #[arg(short, long, help_heading = "Privileges")]
    pub r#become: bool,
    /// Become this user
    #[arg(long, value_name = "USER", help_heading = "Privileges")]
    pub become_user: Option<String>,
    /// By this program
    #[arg(long, value_name = "METHOD", value_parser = ["sudo", "su", "doas"], help_heading = "Privileges")]
    pub become_method: Option<String>,
    /// Ask for the password that becoming needs
    #[arg(short = 'K', long, help_heading = "Privileges")]
    pub ask_become_pass: bool,
    /// Read that password from a file
    #[arg(long, alias = "become-pass-file", value_name = "FILE", help_heading = "Privileges")]
    pub become_password_file: Option<PathBuf>,

    /// Log in as this user
    #[arg(short, long = "user", value_name = "USER", help_heading = "Connection")]
    pub user: Option<String>,
    /// Ask for the password to log in with
    #[arg(short = 'k', long = "ask-pass", help_heading = "Connection")]
    pub ask_pass: bool,
    /// Read that password from a file
    #[arg(long, alias = "conn-pass-file", value_name = "FILE", help_heading = "Connection")]
    pub connection_password_file: Option<PathBuf>,
    /// Log in with this key
    #[arg(long, alias = "key-file", value_name = "FILE", help_heading = "Connection")]
    pub private_key: Option<PathBuf>,
    /// ssh or local
    #[arg(short, long, value_name = "TYPE", help_heading = "Connection")]
    pub connection: Option<String>,
    /// Seconds for connecting and logging in
    #[arg(short = 'T', long, value_name = "SECONDS", help_heading = "Connection")]
    pub timeout: Option<u64>,
    /// Arguments as for ssh, for every connection
    #[arg(long, value_name = "ARGS", allow_hyphen_values = true, help_heading = "Connection")]
    pub ssh_common_args: Vec<String>,
    /// As --ssh-common-args
    #[arg(long, value_name = "ARGS", allow_hyphen_values = true, help_heading = "Connection")]
    pub ssh_extra_args: Vec<String>,
    /// Read the vault password from this file (vault itself is not supported yet)
    #[arg(long, alias = "vault-pass-file", value_name = "FILE", help_heading = "Connection")]
    pub vault_password_file: Vec<PathBuf>,

    /// Print the hosts of each play and do nothing
    #[arg(long, help_heading = "Look only")]
    pub list_hosts: bool,
    /// Print the tasks that would be run and do nothing
    #[arg(long, help_heading = "Look only")]
    pub list_tasks: bool,
    /// Print the tags there are and do nothing
    #[arg(long, help_heading = "Look only")]
    pub list_tags: bool,
    /// Check the playbooks and do nothing
    #[arg(long, help_heading = "Look only")]
    pub syntax_check: bool,
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
