//! What every command that reads playbooks begins with: configuration, extra variables, loader, inventory, templates.

use crate::cli::{InventoryArgs, VarsArgs, VaultArgs};
use crate::commands::tell;
use crate::config::{Config, table};
use crate::exit::Exit;
use crate::extra_vars;
use crate::name::Name;
use crate::vault::VaultSettings;
use provision_engine::actions::AllModules;
use provision_engine::secrets::Secrets;
use provision_engine::state::Reload;
use provision_engine::{check, lookups};
use provision_project::inventory::{Inventory, LoadContext};
use provision_project::{Loader, Playbook, SearchPaths, Vars};
use provision_source::{Diagnostics, Mapping, Node, Sources, Span, Yaml};
use provision_templates::{Scope, TemplateError, Templater};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// All that is read before the first connection.
pub struct Setup {
    pub config: Config,
    pub sources: Sources,
    /// What was decrypted so far, and is not to be shown.
    pub secrets: Arc<Secrets>,
    /// What was found wrong so far; `say` prints it.
    pub diags: Diagnostics,
    pub templater: Arc<Templater>,
    pub loader: Arc<Loader>,
    pub extra: Arc<Vars>,
    pub inventory: Inventory,
    /// Reads it again.
    pub reload: Arc<Reload>,
    /// Where something is included that can be anything: from there on variables are not checked.
    pub unchecked: Option<Span>,
}

/// The configuration; one that cannot be read is told, and ends the command.
pub fn config() -> Result<Config, Exit> {
    match Config::load() {
        Ok(config) => {
            for warning in &config.warnings {
                tell(&format!("[WARNING]: {warning}"));
            }
            Ok(config)
        }
        Err(text) => {
            tell(&format!("error: {text}"));
            Err(Exit::Setting)
        }
    }
}

impl Setup {
    /// Reads extra variables and the inventory. `playbook_dir` is where `group_vars`, `host_vars` and roles of the
    /// playbook are.
    ///
    /// # Errors
    /// Vault secrets that cannot be had; it has been told. What is wrong with files goes to `diags`.
    pub fn read(
        config: Config,
        hosts: &InventoryArgs,
        vars: &VarsArgs,
        vault: &VaultArgs,
        playbook_dir: Option<PathBuf>,
    ) -> Result<Self, Exit> {
        let mut warn = |text: &str| tell(&format!("[WARNING]: {text}"));
        let vault = VaultSettings::of(&config).keyring(vault, &mut warn).map_err(|text| {
            tell(&format!("error: {text}"));
            Exit::Undone
        })?;
        let vault = Arc::new(vault);
        let secrets = Arc::new(Secrets::default());
        let known = secrets.clone();
        vault.listen(move |text| known.add(text));
        let sources = Sources::with_vault(vault.clone());
        let mut diags = Diagnostics::new();
        let known = config.all().into_iter();
        let templater = lookups::ControlMachine::templater(
            vault,
            known
                .map(|(setting, value, origin)| (setting.name.to_owned(), (value.json(), origin.to_string())))
                .collect(),
        );
        let paths = SearchPaths {
            roles: config.paths(&table::DEFAULT_ROLES_PATH),
            collections: config.paths(&table::COLLECTIONS_PATHS),
        };
        // Extra variables are needed to read imports, and reading them needs a loader: the first knows none.
        let plain = Loader::new(
            sources.clone(),
            Arc::new(AllModules),
            SearchPaths::default(),
            Box::new(|text, _| Ok(text.to_owned())),
        );
        let extra = Arc::new(extra_vars::parse(&vars.extra_vars, &plain, &mut diags));
        let render = check::static_render(templater.clone(), extra.clone());
        let loader = Loader::new(sources.clone(), Arc::new(AllModules), paths, render);
        let loader = Arc::new(loader.with_play_defaults(play_defaults(&config)));
        let specs = specs(hosts, &config);
        let context = LoadContext { playbook_dir };
        let inventory = Inventory::load(&sources, &specs, &context, &mut diags);
        let files = sources.clone();
        let reload = Arc::new(move || {
            let mut diags = Diagnostics::new();
            let fresh = Inventory::load(&files, &specs, &context, &mut diags);
            match diags.has_errors() {
                true => Err(provision_source::render(&diags, &files, false, None)),
                false => Ok(fresh),
            }
        });
        Ok(Self {
            config,
            sources,
            secrets,
            diags,
            templater,
            loader,
            extra,
            inventory,
            reload,
            unchecked: None,
        })
    }

    /// Reads playbooks and checks them. Mistakes go to `diags`.
    ///
    /// # Errors
    /// A playbook that is not there; it has been told.
    pub fn playbooks(&mut self, paths: &[PathBuf], asked: check::Asked) -> Result<Vec<Playbook>, Exit> {
        let mut playbooks = Vec::new();
        for path in paths {
            let collected = || self.loader.collection_playbook(path.to_str()?);
            let Some(path) = Some(path.clone()).filter(|path| path.exists()).or_else(collected) else {
                tell(&format!("error: the playbook {} could not be found", path.display()));
                return Err(Exit::Missing);
            };
            playbooks.push(self.loader.playbook(&path, &mut self.diags));
        }
        self.check(&playbooks, asked);
        Ok(playbooks)
    }

    /// The checks that need the whole of playbooks and inventory.
    pub fn check(&mut self, playbooks: &[Playbook], asked: check::Asked) {
        let run = check::Run {
            playbooks,
            templater: &self.templater,
            loader: &self.loader,
            inventory: &self.inventory,
            extra: &self.extra,
            asked,
        };
        self.unchecked = check::run(&run, &mut self.diags);
    }

    /// Prints what was found.
    ///
    /// # Errors
    /// There are errors among it: nothing may be done.
    pub fn say(&self, color: &str) -> Result<(), Exit> {
        let color = provision_report::color(std::io::stderr().is_terminal(), Some(color), &env);
        if !self.diags.is_empty() {
            let text = provision_source::render(&self.diags, &self.sources, color, None);
            tell(self.secrets.redact(&text).trim_end());
        }
        if self.diags.has_errors() {
            let count = self.diags.error_count();
            tell(&format!("\n{count} error{} found; no host was touched", if count == 1 { "" } else { "s" }));
            return Err(Exit::Invalid);
        }
        Ok(())
    }
}

/// What Ansible warns of when there is nobody in the inventory; under its names alone.
pub fn warn_of_nobody(setup: &Setup) {
    if !Name::called().is_ansible() || !setup.inventory.hosts.is_empty() {
        return;
    }
    if setup.config.flag(&table::INVENTORY_UNPARSED_WARNING) {
        tell("[WARNING]: No inventory was parsed, only implicit localhost is available");
    }
    if setup.config.flag(&table::LOCALHOST_WARNING) && Name::called() == Name::Playbook {
        tell(
            "[WARNING]: provided hosts list is empty, only localhost is available. Note that the implicit localhost \
             does not match 'all'",
        );
    }
}

/// Keywords that the configuration gives to plays.
fn play_defaults(config: &Config) -> Mapping {
    let mut defaults = Mapping::new();
    let mut insert = |keyword: &str, node: Option<Node>| {
        if let Some(node) = node {
            defaults.insert(Node::str(keyword), node);
        }
    };
    let flag = |setting| config.flag(setting).then(|| Node::new(Span::NONE, Yaml::Bool(true)));
    let text = |setting| config.given(setting).map(Node::str);
    insert("any_errors_fatal", flag(&table::ANY_ERRORS_FATAL));
    insert("no_log", flag(&table::DEFAULT_NO_LOG));
    insert("become_exe", text(&table::DEFAULT_BECOME_EXE));
    insert("become_flags", text(&table::DEFAULT_BECOME_FLAGS));
    let number = |setting| config.given_number(setting).filter(|n| *n > 0).map(|n| Node::str(n.to_string()));
    insert("timeout", number(&table::TASK_TIMEOUT));
    insert("port", number(&table::DEFAULT_REMOTE_PORT));
    defaults
}

/// The directory of the first playbook.
pub fn playbook_dir(playbooks: &[PathBuf]) -> Option<PathBuf> {
    let first = playbooks.first().and_then(|path| std::path::absolute(path).ok());
    first.as_deref().and_then(Path::parent).map(Path::to_owned)
}

pub fn env(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Inventory sources: those of the command line, else of the configuration.
fn specs(hosts: &InventoryArgs, config: &Config) -> Vec<String> {
    if !hosts.inventory.is_empty() {
        return hosts.inventory.clone();
    }
    let is_default = *config.origin(&table::DEFAULT_HOST_LIST) == crate::config::Origin::Default;
    config
        .list(&table::DEFAULT_HOST_LIST)
        .into_iter()
        .filter(|path| !is_default || Path::new(path).exists())
        .collect()
}

/// A value as YAML, as PyYAML writes it for Ansible's tools: blocks, keys sorted.
///
/// # Errors
/// A value that YAML cannot hold, as a text for the user.
pub fn yaml(templater: &Templater, value: serde_json::Value) -> Result<String, String> {
    let scope: Arc<dyn Scope> = Arc::new(Only(tagged(templater, value)));
    let text =
        templater.eval("value | to_nice_yaml(indent=2)", &scope).map_err(|error| error.message.clone())?;
    Ok(provision_templates::to_text(&text))
}

/// The only key of a mapping that stands for an encrypted string, in Ansible's JSON.
pub const VAULTED: &str = "__ansible_vault";

/// A value in which such mappings are encrypted strings again, which YAML has a tag for.
fn tagged(templater: &Templater, value: serde_json::Value) -> provision_templates::Value {
    use serde_json::Value as Json;
    match value {
        Json::Object(map) => match map.get(VAULTED) {
            Some(Json::String(envelope)) if map.len() == 1 => {
                let envelope: Arc<str> = envelope.as_str().into();
                // It is only written again: what it holds does not matter.
                provision_templates::Value::from(templater.vault().keep(envelope.clone(), envelope))
            }
            _ => provision_templates::mapping(map.into_iter().map(|(k, v)| (k, tagged(templater, v)))),
        },
        Json::Array(items) => items.into_iter().map(|item| tagged(templater, item)).collect(),
        other => provision_templates::from_json(other),
    }
}

/// A scope of one variable.
#[derive(Debug)]
struct Only(provision_templates::Value);

impl Scope for Only {
    fn get(&self, name: &str) -> Result<Option<provision_templates::Value>, TemplateError> {
        Ok((name == "value").then(|| self.0.clone()))
    }

    fn names(&self) -> Vec<String> {
        vec!["value".to_owned()]
    }
}
