//! From the command line and the configuration to the engine's settings.

use crate::cli::complain;
use crate::cli::{BecomeArgs, CheckArgs, ConnectionArgs, InventoryArgs, OutputArgs, RunArgs, TaskArgs};
use crate::commands::tell;
use crate::config::{Config, Setting, table};
use crate::exit::Exit;
use crate::prompt;
use provision_engine::facts::Gathering;
use provision_engine::state::Unmatched;
use provision_engine::transport::Secret;
use provision_engine::{Prompter, Settings};
use provision_project::Vars;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Connections opened at once and hosts worked on at once, unless `-f` says otherwise.
pub const FORKS: usize = 50;

/// The groups of flags that make settings.
pub struct Flags<'a> {
    pub hosts: &'a InventoryArgs,
    pub tasks: &'a TaskArgs,
    pub check: &'a CheckArgs,
    pub run: &'a RunArgs,
    pub say: &'a OutputArgs,
    pub r#become: &'a BecomeArgs,
    pub connection: &'a ConnectionArgs,
}

/// Why there are no settings.
pub struct Wrong {
    exit: Exit,
    text: String,
}

impl Wrong {
    /// Tells the person; how the command ends.
    pub fn tell(self) -> Exit {
        match self.exit {
            Exit::Usage => complain(&self.text),
            exit => {
                tell(&format!("error: {}", self.text));
                exit
            }
        }
    }
}

impl From<String> for Wrong {
    fn from(text: String) -> Self {
        Self { exit: Exit::Usage, text }
    }
}

/// The settings; passwords are asked for.
///
/// # Errors
/// What is wrong with the flags, or a password file that cannot be read.
pub fn settings(flags: &Flags, config: &Config, extra_vars: Arc<Vars>) -> Result<Settings, Wrong> {
    let forks =
        flags.run.forks.or(config.given_number(&table::DEFAULT_FORKS).map(|n| n as usize)).unwrap_or(FORKS);
    if forks == 0 {
        return Err("--forks must be at least 1".to_owned().into());
    }
    let modules: Vec<&str> = flags.run.module_path.iter().flat_map(|path| path.split(':')).collect();
    if let Some(dir) =
        modules.iter().find(|dir| std::fs::read_dir(dir).is_ok_and(|mut dir| dir.next().is_some()))
    {
        return Err(format!("--module-path {dir}: modules of one's own are not supported").into());
    }
    let (password, become_password) = passwords(flags, config)?;
    let verbosity = match flags.say.verbose {
        0 => config.number(&table::DEFAULT_VERBOSITY).unwrap_or_default().min(6) as u8,
        given => given,
    };
    Ok(Settings {
        check: flags.check.check,
        diff: flags.check.diff || config.flag(&table::DIFF_ALWAYS),
        forks,
        tags: tags(&flags.tasks.tags, config, &table::TAGS_RUN),
        skip_tags: tags(&flags.tasks.skip_tags, config, &table::TAGS_SKIP),
        limit: flags.hosts.limit.clone(),
        extra_vars,
        start_at_task: flags.tasks.start_at_task.clone(),
        verbosity,
        force_handlers: flags.tasks.force_handlers || config.flag(&table::DEFAULT_FORCE_HANDLERS),
        r#become: flags.r#become.r#become || config.flag(&table::DEFAULT_BECOME),
        become_user: given(&flags.r#become.become_user, config, &table::DEFAULT_BECOME_USER),
        become_method: given(&flags.r#become.become_method, config, &table::DEFAULT_BECOME_METHOD),
        become_password,
        password,
        remote_user: given(&flags.connection.user, config, &table::DEFAULT_REMOTE_USER),
        private_key: flags
            .connection
            .private_key
            .clone()
            .or_else(|| config.path(&table::DEFAULT_PRIVATE_KEY_FILE)),
        connection: given(&flags.connection.connection, config, &table::DEFAULT_TRANSPORT),
        connect_timeout: flags
            .connection
            .timeout
            .or(config.given_number(&table::SSH_TIMEOUT))
            .or(config.given_number(&table::DEFAULT_TIMEOUT))
            .map(Duration::from_secs),
        host_key_checking: config
            .given_flag(&table::SSH_HOST_KEY_CHECKING)
            .or(config.given_flag(&table::HOST_KEY_CHECKING)),
        ssh_args: ssh_args(flags.connection, config)?,
        inventory_sources: flags.hosts.inventory.clone(),
        stream: verbosity > 0,
        gathering: match config.text(&table::DEFAULT_GATHERING).as_deref() {
            Some("explicit") => Gathering::Explicit,
            Some("smart") => Gathering::Smart,
            _ => Gathering::Implicit,
        },
        facts_not_injected: !config.flag(&table::INJECT_FACTS_AS_VARS),
        strategy: config.given(&table::DEFAULT_STRATEGY),
        step: flags.tasks.step,
        unmatched: match config.text(&table::HOST_PATTERN_MISMATCH).as_deref() {
            Some("ignore") => Unmatched::Ignore,
            Some("error") => Unmatched::Refuse,
            _ => Unmatched::Warn,
        },
        merge_hashes: config.text(&table::DEFAULT_HASH_BEHAVIOUR).as_deref() == Some("merge"),
        config_file: config.file.as_ref().map(|file| file.path.clone()),
    })
}

fn given(flag: &Option<String>, config: &Config, setting: &Setting) -> Option<String> {
    flag.clone().or_else(|| config.given(setting))
}

/// The passwords for logging in and for becoming, from files or from the person.
fn passwords(flags: &Flags, config: &Config) -> Result<(Option<Secret>, Option<Secret>), Wrong> {
    let ask = |wanted: bool, file: Option<PathBuf>, text: &str| -> Result<Option<Secret>, Wrong> {
        match file {
            Some(path) => {
                let text = prompt::file(&path).map_err(|text| Wrong { exit: Exit::Undone, text })?;
                Ok(Some(Secret::new(text)))
            }
            None if wanted => match prompt::Terminal.ask(text, true) {
                Some(answer) => Ok(Some(Secret::new(answer))),
                None => Err("no password was given".to_owned().into()),
            },
            None => Ok(None),
        }
    };
    // A flag that asks is stronger than a file that the configuration names.
    let file = |flag: &Option<PathBuf>, asked: bool, setting: &Setting| {
        flag.clone().or_else(|| if asked { None } else { config.path(setting) })
    };
    let (login, escalate) = (flags.connection, flags.r#become);
    let password = ask(
        login.ask_pass || config.flag(&table::DEFAULT_ASK_PASS),
        file(&login.connection_password_file, login.ask_pass, &table::CONNECTION_PASSWORD_FILE),
        "SSH password: ",
    )?;
    let prompt =
        if password.is_some() { "BECOME password[defaults to SSH password]: " } else { "BECOME password: " };
    let become_password = ask(
        escalate.ask_become_pass || config.flag(&table::DEFAULT_BECOME_ASK_PASS),
        file(&escalate.become_password_file, escalate.ask_become_pass, &table::BECOME_PASSWORD_FILE),
        prompt,
    )?;
    let become_password = match (become_password, &password) {
        (Some(given), Some(password)) if given.reveal().is_empty() => Some(password.clone()),
        (given, _) => given,
    };
    Ok((password, become_password))
}

fn ssh_args(args: &ConnectionArgs, config: &Config) -> Result<Vec<String>, String> {
    let configured = [&table::SSH_ARGS, &table::SSH_COMMON_ARGS, &table::SSH_EXTRA_ARGS];
    let from_config = configured.into_iter().filter_map(|setting| config.given(setting));
    let mut words = Vec::new();
    for text in
        from_config.chain(args.ssh_common_args.iter().cloned()).chain(args.ssh_extra_args.iter().cloned())
    {
        words.extend(
            shlex::split(&text).ok_or_else(|| format!("ssh arguments `{text}`: a quote is not closed"))?,
        );
    }
    Ok(words)
}

pub fn tags(given: &[String], config: &Config, setting: &Setting) -> Vec<String> {
    if given.is_empty() {
        return config.list(setting);
    }
    given
        .iter()
        .flat_map(|text| text.split(','))
        .map(str::trim)
        .filter(|tag| !tag.is_empty())
        .map(str::to_owned)
        .collect()
}
