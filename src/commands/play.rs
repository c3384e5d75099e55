//! Running playbooks: everything is read and checked first, then the hosts are worked on.

use super::{list, print, tell};
use crate::cli::{PlayArgs, complain};
use crate::config::Config;
use crate::exit::Exit;
use crate::{extra_vars, prompt};
use provision_engine::actions::AllModules;
use provision_engine::event::Reporter;
use provision_engine::secrets::Secrets;
use provision_engine::state::Parts;
use provision_engine::transport::Secret;
use provision_engine::{Engine, Prompter, Settings, check, lookups};
use provision_project::inventory::{Inventory, LoadContext};
use provision_project::{Loader, Playbook, SearchPaths, Vars};
use provision_report::{Kind, Options};
use provision_source::{Diagnostics, Sources};
use provision_transport::Connections;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Connections opened at once and hosts worked on at once, unless `-f` says otherwise.
const FORKS: usize = 50;

pub fn run(args: PlayArgs) -> Exit {
    let config = Config::load();
    let sources = Sources::new();
    let mut diags = Diagnostics::new();
    let templater = lookups::ControlMachine::templater();
    let mut roles_path = config.paths("ANSIBLE_ROLES_PATH", "defaults", "roles_path");
    if roles_path.is_empty() {
        roles_path.extend(std::env::home_dir().map(|home| home.join(".ansible/roles")));
        roles_path.extend(["/usr/share/ansible/roles", "/etc/ansible/roles"].map(PathBuf::from));
    }
    // Extra variables are needed to read imports, and reading them needs a loader: the first knows none.
    let plain = Loader::new(
        sources.clone(),
        Arc::new(AllModules),
        SearchPaths::default(),
        Box::new(|text, _| Ok(text.to_owned())),
    );
    let extra = Arc::new(extra_vars::parse(&args.extra_vars, &plain, &mut diags));
    let render = check::static_render(templater.clone(), extra.clone());
    let paths = SearchPaths { roles: roles_path, collections: Vec::new() };
    let loader = Arc::new(Loader::new(sources.clone(), Arc::new(AllModules), paths, render));

    let inventory = inventory(&args, &config, &sources, &mut diags);
    let mut playbooks = Vec::new();
    for path in &args.playbooks {
        if !path.exists() {
            tell(&format!("error: the playbook {} could not be found", path.display()));
            return Exit::Invalid;
        }
        playbooks.push(loader.playbook(path, &mut diags));
    }
    check::templates(&playbooks, &templater, &loader, &inventory, &extra, &mut diags);
    let color = provision_report::color(std::io::stderr().is_terminal(), Some(&args.color), &env);
    if !diags.is_empty() {
        tell(provision_source::render(&diags, &sources, color, None).trim_end());
    }
    if diags.has_errors() {
        let count = diags.error_count();
        tell(&format!("\n{count} error{} found; no host was touched", if count == 1 { "" } else { "s" }));
        return Exit::Invalid;
    }
    if args.syntax_check {
        for path in &args.playbooks {
            print(&format!("\nplaybook: {}\n", path.display()));
        }
        return Exit::Done;
    }
    let settings = match settings(&args, &config, extra) {
        Ok(settings) => settings,
        Err(text) => return complain(&text),
    };
    let secrets = Arc::new(Secrets::default());
    for secret in [&settings.password, &settings.become_password].into_iter().flatten() {
        secrets.add(secret.reveal());
    }
    let handshakes = settings.forks.min(FORKS);
    let reporter = match reporter(&args, &settings) {
        Ok(reporter) => reporter,
        Err(text) => return complain(&text),
    };
    let parts = Parts {
        reporter,
        transport: Arc::new(Connections::new(Arc::new(prompt::Terminal), handshakes)),
        prompter: Arc::new(prompt::Terminal),
        settings,
        inventory,
        loader,
        templater,
        secrets,
        fact_cache: None,
    };
    let engine = Engine::new(parts);
    if args.list_hosts || args.list_tasks || args.list_tags {
        return match list::run(&engine, &playbooks, &args) {
            Ok(()) => Exit::Done,
            Err(text) => {
                tell(&format!("error: {text}"));
                Exit::Invalid
            }
        };
    }
    // A limit or a pattern that cannot be read is found before the first play runs.
    for play in playbooks.iter().flat_map(|playbook| &playbook.plays) {
        if let Err(text) = engine.play_hosts(play) {
            tell(&format!("error: {text}"));
            return Exit::Invalid;
        }
    }
    go(&engine, &playbooks)
}

fn go(engine: &Arc<Engine>, playbooks: &[Playbook]) -> Exit {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tell(&format!("error: {error}"));
            return Exit::Usage;
        }
    };
    let summary = runtime.block_on(async {
        let work = provision_engine::run::run(engine, playbooks);
        tokio::pin!(work);
        let mut presses = 0;
        loop {
            tokio::select! {
                summary = &mut work => return Some(summary),
                pressed = tokio::signal::ctrl_c() => {
                    if pressed.is_err() {
                        continue;
                    }
                    presses += 1;
                    engine.interrupted.store(true, Ordering::SeqCst);
                    if presses == 1 {
                        tell("\ninterrupted: waiting for the tasks in flight (again to stop at once)");
                    } else {
                        return None;
                    }
                }
            }
        }
    });
    runtime.shutdown_timeout(Duration::from_millis(200));
    let Some(summary) = summary else { return Exit::Interrupted };
    if let Some(text) = &summary.invalid {
        tell(&format!("error: {text}"));
        return Exit::Invalid;
    }
    if summary.interrupted {
        return Exit::Interrupted;
    }
    match () {
        () if summary.failed => Exit::Failed,
        () if summary.unreachable => Exit::Unreachable,
        () => Exit::Done,
    }
}

fn inventory(args: &PlayArgs, config: &Config, sources: &Sources, diags: &mut Diagnostics) -> Inventory {
    let mut specs = args.inventory.clone();
    if specs.is_empty() {
        let configured = config.get("ANSIBLE_INVENTORY", "defaults", "inventory");
        specs.extend(
            configured.iter().flat_map(|text| text.split(',')).filter(|s| !s.is_empty()).map(str::to_owned),
        );
        let default = Path::new("/etc/ansible/hosts");
        if specs.is_empty() && default.exists() {
            specs.push(default.display().to_string());
        }
    }
    let first = args.playbooks.first().and_then(|path| std::path::absolute(path).ok());
    let playbook_dir = first.as_deref().and_then(Path::parent).map(Path::to_owned);
    Inventory::load(sources, &specs, &LoadContext { playbook_dir }, diags)
}

fn reporter(args: &PlayArgs, settings: &Settings) -> Result<Box<dyn Reporter>, String> {
    let tty = std::io::stdout().is_terminal();
    let (out, err) = (Box::new(std::io::stdout()), Box::new(std::io::stderr()));
    let options = Options {
        color: provision_report::color(tty, Some(&args.color), &env),
        verbosity: settings.verbosity,
        columns: None,
    };
    let shown: Box<dyn Reporter> = match provision_report::choose(args.output.as_deref(), tty, &env)? {
        Kind::Json => Box::new(provision_report::Json::new(out)),
        Kind::Human => Box::new(provision_report::Terminal::new(out, err, options)),
        Kind::Ansible => Box::new(provision_report::Ansible::new(
            out,
            err,
            Options { columns: provision_report::columns(), ..options },
        )),
    };
    let Some(path) = &args.events else { return Ok(shown) };
    let file = std::fs::File::create(path).map_err(|e| format!("--events {}: {e}", path.display()))?;
    let written = Box::new(provision_report::Json::new(Box::new(file)));
    Ok(Box::new(provision_report::Tee { first: shown, second: written }))
}

fn env(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn settings(args: &PlayArgs, config: &Config, extra_vars: Arc<Vars>) -> Result<Settings, String> {
    if !args.vault_password_file.is_empty() {
        // Given by habit or by configuration: harmless while nothing is encrypted, and what is encrypted is refused by name.
        for path in &args.vault_password_file {
            if !path.exists() {
                return Err(format!("the vault password file {} is not there", path.display()));
            }
        }
    }
    let forks = args
        .forks
        .or(config.number("ANSIBLE_FORKS", "defaults", "forks").map(|n| n as usize))
        .unwrap_or(FORKS);
    if forks == 0 {
        return Err("--forks must be at least 1".to_owned());
    }
    let ask = |wanted: bool, file: &Option<PathBuf>, text: &str| -> Result<Option<Secret>, String> {
        match file {
            Some(path) => prompt::file(path).map(Secret::new).map(Some),
            None if wanted => match prompt::Terminal.ask(text, true) {
                Some(answer) => Ok(Some(Secret::new(answer))),
                None => Err("no password was given".to_owned()),
            },
            None => Ok(None),
        }
    };
    let password = ask(args.ask_pass, &args.connection_password_file, "SSH password: ")?;
    let prompt =
        if password.is_some() { "BECOME password[defaults to SSH password]: " } else { "BECOME password: " };
    let become_password = ask(args.ask_become_pass, &args.become_password_file, prompt)?;
    let become_password = match (become_password, &password) {
        (Some(given), Some(password)) if given.reveal().is_empty() => Some(password.clone()),
        (given, _) => given,
    };
    let mut ssh_args = Vec::new();
    let configured = ["ANSIBLE_SSH_ARGS", "ANSIBLE_SSH_COMMON_ARGS", "ANSIBLE_SSH_EXTRA_ARGS"];
    let keys = ["ssh_args", "ssh_common_args", "ssh_extra_args"];
    let from_config =
        configured.iter().zip(keys).filter_map(|(variable, key)| config.get(variable, "ssh_connection", key));
    for text in
        from_config.chain(args.ssh_common_args.iter().cloned()).chain(args.ssh_extra_args.iter().cloned())
    {
        ssh_args.extend(
            shlex::split(&text).ok_or_else(|| format!("ssh arguments `{text}`: a quote is not closed"))?,
        );
    }
    let split = |list: &[String], variable: &str, key: &str| -> Vec<String> {
        let given = if list.is_empty() {
            config.get(variable, "tags", key).into_iter().collect()
        } else {
            list.to_vec()
        };
        given
            .iter()
            .flat_map(|text| text.split(','))
            .map(str::trim)
            .filter(|t| !t.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let escalate = |key: &str, variable: &str| config.get(variable, "privilege_escalation", key);
    Ok(Settings {
        check: args.check,
        diff: args.diff || config.flag("ANSIBLE_DIFF_ALWAYS", "diff", "always").unwrap_or(false),
        forks,
        tags: split(&args.tags, "ANSIBLE_RUN_TAGS", "run"),
        skip_tags: split(&args.skip_tags, "ANSIBLE_SKIP_TAGS", "skip"),
        limit: args.limit.clone(),
        extra_vars,
        start_at_task: args.start_at_task.clone(),
        verbosity: args.verbose,
        force_handlers: args.force_handlers
            || config.flag("ANSIBLE_FORCE_HANDLERS", "defaults", "force_handlers").unwrap_or(false),
        r#become: args.r#become
            || config.flag("ANSIBLE_BECOME", "privilege_escalation", "become").unwrap_or(false),
        become_user: args.become_user.clone().or_else(|| escalate("become_user", "ANSIBLE_BECOME_USER")),
        become_method: args
            .become_method
            .clone()
            .or_else(|| escalate("become_method", "ANSIBLE_BECOME_METHOD")),
        become_password,
        password,
        remote_user: args
            .user
            .clone()
            .or_else(|| config.get("ANSIBLE_REMOTE_USER", "defaults", "remote_user")),
        private_key: args
            .private_key
            .clone()
            .or_else(|| config.paths("ANSIBLE_PRIVATE_KEY_FILE", "defaults", "private_key_file").pop()),
        connection: args.connection.clone(),
        connect_timeout: args
            .timeout
            .or(config.number("ANSIBLE_TIMEOUT", "defaults", "timeout"))
            .map(Duration::from_secs),
        host_key_checking: config.flag("ANSIBLE_HOST_KEY_CHECKING", "defaults", "host_key_checking"),
        ssh_args,
        inventory_sources: args.inventory.clone(),
        stream: args.verbose > 0,
        ..Settings::default()
    })
}
