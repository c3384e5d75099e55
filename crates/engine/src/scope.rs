//! The variables a task sees: Ansible's levels of precedence put together for one host.

use crate::state::{Engine, Host, PlayRun};
use crate::vars::{AllVars, Layer, Magic, Named, TaskScope};
use minijinja::value::Value;
use provision_project::{Dirs, Role, Task, Vars};
use provision_source::Node;
use std::path::Path;
use std::sync::Arc;

/// The names that [`HostMagic`] answers.
pub const NAMES: &[&str] = &[
    "ansible_check_mode",
    "ansible_config_file",
    "ansible_dependent_role_names",
    "ansible_parent_role_paths",
    "ansible_search_path",
    "environment",
    "role_names",
    "ansible_collection_name",
    "ansible_parent_role_names",
    "ansible_playbook_python",
    "ansible_diff_mode",
    "ansible_forks",
    "ansible_inventory_sources",
    "ansible_limit",
    "ansible_play_batch",
    "ansible_play_hosts",
    "ansible_play_hosts_all",
    "ansible_play_name",
    "ansible_play_role_names",
    "ansible_role_name",
    "ansible_role_names",
    "ansible_run_tags",
    "ansible_skip_tags",
    "ansible_verbosity",
    "ansible_version",
    "group_names",
    "groups",
    "hostvars",
    "inventory_dir",
    "inventory_file",
    "inventory_hostname",
    "inventory_hostname_short",
    "omit",
    "play_hosts",
    "playbook_dir",
    "role_name",
    "role_path",
];

struct HostMagic {
    engine: Arc<Engine>,
    play: Option<Arc<PlayRun>>,
    host: Arc<Host>,
    role: Option<Arc<Role>>,
    dirs: Option<Arc<Dirs>>,
}

impl Magic for HostMagic {
    fn get(&self, name: &str) -> Option<Value> {
        let settings = &self.engine.settings;
        let play = self.play.as_ref();
        Some(match name {
            "inventory_hostname" => Value::from(&*self.host.name),
            "inventory_hostname_short" => Value::from(self.host.name.split('.').next().unwrap_or_default()),
            "group_names" => {
                let inventory = self.engine.inventory();
                let host = inventory.host(&self.host.name)?;
                inventory.group_names(host).iter().map(|n| Value::from(&**n)).collect()
            }
            "groups" => {
                let inventory = self.engine.inventory();
                let names = inventory.groups.keys().cloned().collect();
                let make = move |group: &str| {
                    inventory.group(group)?;
                    Some(inventory.hosts_of(group).iter().map(|h| Value::from(&*h.name)).collect())
                };
                Value::from_object(Named { names, make })
            }
            "hostvars" => {
                let engine = self.engine.clone();
                let inventory = engine.inventory();
                let names = inventory.hosts.keys().cloned().collect();
                let make = move |name: &str| {
                    let known = inventory.host(name).is_some()
                        || engine.hosts.read().unwrap_or_else(|e| e.into_inner()).contains_key(name);
                    known.then(|| {
                        let host = engine.host(name);
                        // A play's variables are no host's.
                        Value::from_object(AllVars(host_scope(&engine, None, &host)))
                    })
                };
                Value::from_object(Named { names, make })
            }
            "omit" => provision_templates::omit_value(),
            "play_hosts" | "ansible_play_batch" => {
                let batch = &play?.batch;
                batch.iter().filter(|h| h.active()).map(|h| Value::from(&*h.name)).collect()
            }
            "ansible_play_hosts" => {
                let gone = |name: &Arc<str>| {
                    let hosts = self.engine.hosts.read().unwrap_or_else(|e| e.into_inner());
                    hosts.get(name).is_some_and(|h| h.state().failed || h.state().unreachable)
                };
                play?.all.iter().filter(|name| !gone(name)).map(|name| Value::from(&**name)).collect()
            }
            "ansible_play_hosts_all" => strings(&play?.all),
            "ansible_play_name" => Value::from(play?.name.as_str()),
            "ansible_play_role_names"
            | "ansible_role_names"
            | "ansible_dependent_role_names"
            | "role_names" => {
                let all = play?.all_roles.read().unwrap_or_else(|e| e.into_inner());
                let mut names: Vec<&str> = Vec::new();
                for role in all.iter() {
                    let wanted = match name {
                        "ansible_role_names" => !names.contains(&&*role.name),
                        "ansible_dependent_role_names" => role.dependency && !names.contains(&&*role.name),
                        // What was included twice is there twice.
                        _ => !role.dependency,
                    };
                    if wanted {
                        names.push(&role.name);
                    }
                }
                names.into_iter().map(Value::from).collect()
            }
            "ansible_search_path" => {
                let dirs = self.dirs.as_ref()?;
                let mut found: Vec<&Path> = Vec::new();
                for dir in dirs.role.iter().chain(&dirs.parents).chain([&dirs.task, &dirs.play]) {
                    if !found.contains(&dir.as_path()) {
                        found.push(dir);
                    }
                }
                found.into_iter().map(|dir| Value::from(dir.to_string_lossy().as_ref())).collect()
            }
            "ansible_config_file" => match &settings.config_file {
                Some(path) => Value::from(path.to_string_lossy().as_ref()),
                None => Value::from(()),
            },
            // A task that has some shows them above this.
            "environment" => Value::from(Vec::<Value>::new()),
            "playbook_dir" => Value::from(play?.play.dir.to_string_lossy().as_ref()),
            "ansible_parent_role_names" | "ansible_parent_role_paths" => {
                let parents = self.role.as_ref()?.including();
                if parents.is_empty() {
                    return None;
                }
                let shown = |role: &Arc<Role>| match name {
                    "ansible_parent_role_names" => Value::from(&*role.name),
                    _ => Value::from(role.path.to_string_lossy().as_ref()),
                };
                parents.iter().map(shown).collect()
            }
            // There is no Python here; inventories name it as the interpreter of localhost.
            "ansible_playbook_python" => Value::from("/usr/bin/python3"),
            "role_name" => Value::from(self.role.as_ref()?.short_name()),
            "ansible_role_name" => Value::from(&*self.role.as_ref()?.name),
            "ansible_collection_name" => {
                Value::from(self.role.as_ref()?.collection.as_deref().unwrap_or_default())
            }
            "role_path" => Value::from(self.role.as_ref()?.path.to_string_lossy().as_ref()),
            "ansible_check_mode" => Value::from(settings.check),
            "ansible_diff_mode" => Value::from(settings.diff),
            "ansible_forks" => Value::from(settings.forks),
            "ansible_verbosity" => Value::from(settings.verbosity),
            "ansible_limit" => Value::from(settings.limit.as_deref()?),
            "ansible_run_tags" => match settings.tags.is_empty() {
                true => ["all"].into_iter().map(Value::from).collect(),
                false => settings.tags.iter().map(|t| Value::from(t.as_str())).collect(),
            },
            "ansible_skip_tags" => settings.skip_tags.iter().map(|t| Value::from(t.as_str())).collect(),
            "ansible_inventory_sources" => {
                settings.inventory_sources.iter().map(|s| Value::from(s.as_str())).collect()
            }
            "inventory_dir" | "inventory_file" => {
                let source = settings.inventory_sources.iter().find(|s| !s.contains(','))?;
                let path = std::path::absolute(source).ok()?;
                let path =
                    if name == "inventory_dir" && !path.is_dir() { path.parent()?.to_owned() } else { path };
                Value::from(path.to_string_lossy().as_ref())
            }
            // The language's version, which roles compare with: the ansible-core whose behaviour is followed.
            "ansible_version" => provision_templates::from_json(serde_json::json!({
                "full": "2.19.0", "major": 2, "minor": 19, "revision": 0, "string": "2.19.0",
            })),
            _ => return None,
        })
    }

    fn names(&self) -> &'static [&'static str] {
        NAMES
    }
}

fn strings(names: &[Arc<str>]) -> Value {
    names.iter().map(|name| Value::from(&**name)).collect()
}

/// The layers below a task: everything that depends on host and play alone.
fn base(
    engine: &Arc<Engine>,
    play: Option<&Arc<PlayRun>>,
    host: &Arc<Host>,
    task: Option<&Task>,
) -> Vec<Layer> {
    let common = task.map(|task| &*task.common);
    let role = common.and_then(|c| c.role.as_ref());
    let mut layers = Vec::with_capacity(20);
    let chain = || role.into_iter().flat_map(|role| role.parents.iter().chain([role]));
    if let Some(play) = play {
        layers.push(Layer::Nodes(play.role_defaults.read().unwrap_or_else(|e| e.into_inner()).clone()));
    }
    layers.extend(chain().filter(|r| !r.defaults.is_empty()).map(|r| Layer::Nodes(r.defaults.clone())));
    layers.push(Layer::Nodes(host.inventory()));
    let state = host.state();
    let facts = [(Arc::from("ansible_facts"), state.facts.mapping())];
    layers.push(Layer::Values(Arc::new(facts.into_iter().collect())));
    if !engine.settings.facts_not_injected {
        layers.push(Layer::Values(state.facts.injected().clone()));
    }
    if let Some(play) = play {
        layers.push(Layer::Nodes(play.play.vars.clone()));
        layers.push(Layer::Nodes(play.prompts.clone()));
        if let Some(vars) = play.vars_files.read().unwrap_or_else(|e| e.into_inner()).get(&host.name) {
            layers.push(Layer::Nodes(vars.clone()));
        }
        layers.push(Layer::Nodes(play.role_vars.read().unwrap_or_else(|e| e.into_inner()).clone()));
    }
    layers.extend(chain().filter(|r| !r.vars.is_empty()).map(|r| Layer::Nodes(r.vars.clone())));
    if let Some(common) = common {
        layers.extend(common.vars.iter().map(|vars| Layer::Nodes(vars.clone())));
    }
    layers.push(Layer::Nodes(state.included.clone()));
    layers.push(Layer::Values(state.set.clone()));
    if let Some(common) = common {
        layers.extend(common.included.iter().map(|vars| Layer::Nodes(vars.clone())));
        layers.extend(common.params.iter().map(|vars| Layer::Nodes(vars.clone())));
    }
    drop(state);
    layers.push(Layer::Nodes(engine.settings.extra_vars.clone()));
    if engine.settings.merge_hashes {
        let all = crate::vars::merge_layers(&layers);
        layers.push(Layer::Nodes(Arc::new(all)));
    }
    layers.push(Layer::Magic(Arc::new(HostMagic {
        engine: engine.clone(),
        play: play.cloned(),
        host: host.clone(),
        role: role.cloned(),
        dirs: task.map(|task| task.dirs.clone()),
    })));
    if let Some(common) = common.filter(|common| !common.environment.is_empty()) {
        let environment = Node::seq(common.environment.clone());
        layers.push(Layer::Nodes(Arc::new(Vars::from_iter([(Arc::from("environment"), environment)]))));
    }
    layers
}

/// What `hostvars[name]` shows (without a play), and what connection variables of a host are read from outside of a task.
pub fn host_scope(engine: &Arc<Engine>, play: Option<&Arc<PlayRun>>, host: &Arc<Host>) -> Arc<TaskScope> {
    let mut layers = base(engine, play, host, None);
    if play.is_some() {
        layers.retain(|layer| !matches!(layer, Layer::Nodes(vars) if vars.is_empty()));
    }
    TaskScope::new(layers, engine.templater.clone())
}

/// What a task sees.
pub fn task_scope(
    engine: &Arc<Engine>,
    play: &Arc<PlayRun>,
    host: &Arc<Host>,
    task: &Task,
) -> Arc<TaskScope> {
    TaskScope::new(base(engine, Some(play), host, Some(task)), engine.templater.clone())
}

/// Layers merged into one, later ones on top.
pub fn merge(layers: impl IntoIterator<Item = Arc<Vars>>) -> Arc<Vars> {
    let mut merged = Vars::new();
    for layer in layers {
        merged.extend(layer.iter().map(|(k, v)| (k.clone(), v.clone())));
    }
    Arc::new(merged)
}
