//! Groups of flags that several commands share, with Ansible's letters. Each is `#[command(flatten)]`ed where it is taken.

use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Hosts")]
pub struct InventoryArgs {
    /// Inventory: a file, a directory, or hosts with commas ("a,b,"); may be given several times
    #[arg(short, long, alias = "inventory-file", value_name = "INVENTORY")]
    pub inventory: Vec<String>,
    /// Only these hosts: a pattern, or @FILE with one a line
    #[arg(short, long, value_name = "SUBSET")]
    pub limit: Option<String>,
}

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Tasks")]
pub struct VarsArgs {
    /// Variables: k=v words, JSON or YAML, or @FILE; may be given several times
    #[arg(short, long, value_name = "VARS")]
    pub extra_vars: Vec<String>,
}

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Tasks")]
pub struct TaskArgs {
    /// Only tasks with these tags (commas; may be given several times)
    #[arg(short, long, value_name = "TAGS")]
    pub tags: Vec<String>,
    /// Leave out tasks with these tags
    #[arg(long, value_name = "TAGS")]
    pub skip_tags: Vec<String>,
    /// Begin at the task of this name
    #[arg(long, value_name = "NAME")]
    pub start_at_task: Option<String>,
    /// Run notified handlers even when a task fails
    #[arg(long)]
    pub force_handlers: bool,
    /// Ask before each task
    #[arg(long)]
    pub step: bool,
}

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Run")]
pub struct CheckArgs {
    /// Change nothing; show what would be changed
    #[arg(short = 'C', long)]
    pub check: bool,
    /// Show the differences in changed files
    #[arg(short = 'D', long)]
    pub diff: bool,
}

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Run")]
pub struct RunArgs {
    /// Work on this many hosts at once
    #[arg(short, long, value_name = "N")]
    pub forks: Option<usize>,
    /// Forget all cached facts first
    #[arg(long)]
    pub flush_cache: bool,
    /// Where modules in Python are: refused, there is no Python
    #[arg(short = 'M', long, value_name = "DIRS", hide = true)]
    pub module_path: Vec<String>,
}

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Run")]
pub struct OutputArgs {
    /// Say more (-v results and live command output, -vv places of tasks, -vvv connections)
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Colours
    #[arg(long, value_name = "WHEN", value_parser = ["auto", "always", "never"], default_value = "auto")]
    pub color: String,
}

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Privileges")]
pub struct BecomeArgs {
    /// Become another user for all tasks (root unless said otherwise)
    #[arg(short, long)]
    pub r#become: bool,
    /// Become this user
    #[arg(long, value_name = "USER")]
    pub become_user: Option<String>,
    /// By this program: sudo, su or doas
    #[arg(long, value_name = "METHOD")]
    pub become_method: Option<String>,
    /// Ask for the password that becoming needs
    #[arg(short = 'K', long)]
    pub ask_become_pass: bool,
    /// Read that password from a file
    #[arg(long, alias = "become-pass-file", value_name = "FILE", conflicts_with = "ask_become_pass")]
    pub become_password_file: Option<PathBuf>,
}

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Connection")]
pub struct ConnectionArgs {
    /// Log in as this user
    #[arg(short, long = "user", value_name = "USER")]
    pub user: Option<String>,
    /// Ask for the password to log in with
    #[arg(short = 'k', long = "ask-pass")]
    pub ask_pass: bool,
    /// Read that password from a file
    #[arg(long, alias = "conn-pass-file", value_name = "FILE", conflicts_with = "ask_pass")]
    pub connection_password_file: Option<PathBuf>,
    /// Log in with this key
    #[arg(long, alias = "key-file", value_name = "FILE")]
    pub private_key: Option<PathBuf>,
    /// ssh or local
    #[arg(short, long, value_name = "TYPE")]
    pub connection: Option<String>,
    /// Seconds for connecting and logging in
    #[arg(short = 'T', long, value_name = "SECONDS")]
    pub timeout: Option<u64>,
    /// Arguments as for ssh, for every connection
    #[arg(long, value_name = "ARGS", allow_hyphen_values = true)]
    pub ssh_common_args: Vec<String>,
    /// As --ssh-common-args
    #[arg(long, value_name = "ARGS", allow_hyphen_values = true)]
    pub ssh_extra_args: Vec<String>,
    /// Taken and not needed: files do not go by sftp
    #[arg(long, value_name = "ARGS", allow_hyphen_values = true)]
    pub sftp_extra_args: Option<String>,
    /// Taken and not needed: files do not go by scp
    #[arg(long, value_name = "ARGS", allow_hyphen_values = true)]
    pub scp_extra_args: Option<String>,
}

/// Where the passwords of encrypted files and values come from.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Vault")]
pub struct VaultArgs {
    /// A vault identity: [LABEL@]FILE, [LABEL@]SCRIPT or [LABEL@]prompt; may be given several times
    #[arg(long, value_name = "IDENTITY")]
    pub vault_id: Vec<String>,
    /// Ask for the vault password
    #[arg(short = 'J', long = "ask-vault-pass", alias = "ask-vault-password")]
    pub ask_vault_pass: bool,
    /// Read the vault password from a file, or from what a script prints; may be given several times
    #[arg(long, alias = "vault-pass-file", value_name = "FILE", conflicts_with = "ask_vault_pass")]
    pub vault_password_file: Vec<PathBuf>,
}

/// Reading without doing.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Look only")]
pub struct LookArgs {
    /// Print the hosts of each play and do nothing
    #[arg(long)]
    pub list_hosts: bool,
    /// Print the tasks that would be run and do nothing
    #[arg(long)]
    pub list_tasks: bool,
    /// Print the tags there are and do nothing
    #[arg(long)]
    pub list_tags: bool,
    /// Check the playbooks and do nothing
    #[arg(long)]
    pub syntax_check: bool,
}
