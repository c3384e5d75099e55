//! Plays: their hosts, batches, prompts and files of variables.

use super::Strategy;
use crate::event::Event;
use crate::names;
use crate::render;
use crate::scope;
use crate::state::{Engine, Free, Host, PlayRun, Unmatched};
use crate::vars::{Layer, TaskScope};
use provision_project::{Play, Prompt, Vars};
use provision_source::{Diagnostics, Node};
use provision_templates::Scope;
use serde_json::Value;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, RwLock};

impl Engine {
    /// The hosts a play's pattern means, within the limit, in the order of `order`.
    pub fn play_hosts(&self, play: &Play) -> Result<Vec<Arc<str>>, String> {
        let names = self.pattern_hosts(play)?;
        self.ordered(play, names)
    }

    /// The hosts in the order that `order` gives them.
    fn ordered(&self, play: &Play, mut names: Vec<Arc<str>>) -> Result<Vec<Arc<str>>, String> {
        let Some(node) = &play.order else { return Ok(names) };
        let scope = self.play_scope(play);
        let order = render::text(node, &scope, &self.templater).map_err(|e| e.error.message.clone())?;
        match order.as_str() {
            "inventory" | "" => {}
            "reverse_inventory" => names.reverse(),
            "sorted" => names.sort(),
            "reverse_sorted" => {
                names.sort();
                names.reverse();
            }
            // Each host gets a key that nobody can know beforehand.
            "shuffle" => {
                let keys = std::hash::RandomState::new();
                names.sort_by_cached_key(|name| keys.hash_one(name));
            }
            other => return Err(format!("unknown order `{other}`")),
        }
        Ok(names)
    }

    /// The hosts a play's pattern means, within the limit.
    fn pattern_hosts(&self, play: &Play) -> Result<Vec<Arc<str>>, String> {
        let pattern = self.static_hosts(play)?;
        let inventory = self.inventory();
        let chosen = inventory.select_reporting(&pattern).map_err(|e| e.to_string())?;
        for part in &chosen.unmatched {
            match self.settings.unmatched {
                Unmatched::Warn => {
                    self.warn(format!("Could not match supplied host pattern, ignoring: {part}"), None);
                }
                Unmatched::Ignore => {}
                Unmatched::Refuse => return Err(format!("Could not match supplied host pattern: {part}")),
            }
        }
        let mut hosts = chosen.hosts;
        if let Some(limit) = &self.settings.limit {
            hosts = inventory.limit(hosts, limit).map_err(|e| e.to_string())?;
        }
        Ok(hosts.iter().map(|h| h.name.clone()).collect())
    }

    /// Variables in files beside the playbook are those beside the play's own file, which may have been imported.
    fn stand_beside(&self, play: &Play) -> Result<(), String> {
        if self.inventory().playbook_dir() == Some(&play.dir) {
            return Ok(());
        }
        let mut diags = Diagnostics::new();
        let sources = &self.loader.sources;
        self.change_inventory(|inventory| inventory.set_playbook_dir(&play.dir, sources, &mut diags));
        match diags.has_errors() {
            true => Err(provision_source::render(&diags, sources, false, None)),
            false => Ok(()),
        }
    }

    /// `hosts`, templated with what is known before any host is.
    fn static_hosts(&self, play: &Play) -> Result<String, String> {
        let text = names::hosts_text(&play.hosts);
        if !provision_templates::is_template(&text) {
            return Ok(text);
        }
        let scope = self.play_scope(play);
        let value =
            render::json(&play.hosts, &scope, &self.templater).map_err(|e| e.error.message.clone())?;
        Ok(match value {
            Value::Array(items) => items.iter().map(render::plain).collect::<Vec<_>>().join(","),
            other => render::plain(&other),
        })
    }

    /// One play, batch by batch. False when nothing may follow it.
    pub(super) async fn play(self: &Arc<Self>, play: &Arc<Play>) -> Result<bool, String> {
        self.stand_beside(play)?;
        let name = self.play_name(play);
        let all = self.pattern_hosts(play)?;
        let hosts = self.ordered(play, all.clone())?;
        // Hosts that failed are out of the run.
        let nobody = hosts.iter().all(|name| self.host(name).is_out());
        let prompts = self.prompts(play)?;
        if nobody {
            self.emit(&Event::PlayStart {
                name: name.clone(),
                hosts: Vec::new(),
                place: names::line(&self.loader.sources, play.span),
            });
            self.emit(&Event::NoHosts { name, pattern: names::hosts_text(&play.hosts) });
            return Ok(true);
        }
        let strategy = self.strategy(play)?;
        for batch in self.batches(play, &hosts)? {
            let batch: Vec<Arc<Host>> = batch.iter().map(|name| self.host(name)).collect();
            // Those that failed before have their places in the batches, and do nothing there.
            let size = batch.len();
            let batch: Vec<Arc<Host>> = batch.into_iter().filter(|host| !host.is_out()).collect();
            for host in &batch {
                host.state().ended = false;
            }
            let run = Arc::new(PlayRun {
                play: play.clone(),
                name: name.clone(),
                all: all.clone(),
                batch: batch.clone(),
                prompts: prompts.clone(),
                role_defaults: RwLock::default(),
                role_vars: RwLock::default(),
                roles: RwLock::default(),
                all_roles: RwLock::new(play.roles.clone()),
                handlers: RwLock::new(play.handlers.clone()),
                vars_files: RwLock::default(),
                ended: AtomicBool::new(false),
                over_limit: AtomicBool::new(false),
                free: (strategy != Strategy::Linear).then(|| Free::new(self.settings.forks.max(1))),
            });
            run.publish(&play.roles);
            self.emit(&Event::PlayStart {
                name: name.clone(),
                hosts: batch.iter().map(|h| h.name.clone()).collect(),
                place: names::line(&self.loader.sources, play.span),
            });
            self.vars_files(&run);
            self.batch(&run, strategy).await;
            // Nobody is left, or too few: that is the end of the run.
            if run.over_limit.load(Ordering::Relaxed)
                || batch.iter().filter(|h| h.is_out()).count() == size
                || self.is_interrupted()
            {
                return Ok(false);
            }
            // `end_play` ends the batches that follow, too.
            if run.ended.load(Ordering::Relaxed) {
                break;
            }
        }
        Ok(true)
    }

    /// How the hosts of a play go along.
    pub(super) fn strategy(&self, play: &Play) -> Result<Strategy, String> {
        let name = match &play.strategy {
            Some(node) => render::text(node, &self.play_scope(play), &self.templater)
                .map_err(|e| e.error.message.clone())?,
            None => self.settings.strategy.clone().unwrap_or_default(),
        };
        match name.strip_prefix("ansible.builtin.").unwrap_or(&name) {
            "" | "linear" => Ok(Strategy::Linear),
            "free" => Ok(Strategy::Free),
            "host_pinned" => Ok(Strategy::HostPinned),
            other => Err(format!("there is no strategy `{other}`; there are linear, free and host_pinned")),
        }
    }

    /// The play's name, templated with what is known before any host is.
    fn play_name(&self, play: &Play) -> String {
        let Some(node) = &play.name else {
            return self.static_hosts(play).unwrap_or_else(|_| names::play_name(play));
        };
        let scope = self.play_scope(play);
        render::text(node, &scope, &self.templater).unwrap_or_else(|_| names::play_name(play))
    }

    /// The variables that do not depend on a host.
    pub(super) fn play_scope(&self, play: &Play) -> Arc<dyn Scope> {
        let layers = vec![Layer::Nodes(play.vars.clone()), Layer::Nodes(self.settings.extra_vars.clone())];
        TaskScope::new(layers, self.templater.clone())
    }

    /// `serial`: numbers and percentages; the last repeats.
    fn batches(&self, play: &Play, hosts: &[Arc<str>]) -> Result<Vec<Vec<Arc<str>>>, String> {
        let mut sizes = Vec::new();
        for node in &play.serial {
            let text = node.scalar_text().unwrap_or_default();
            let size = match text.strip_suffix('%') {
                Some(percent) => percent
                    .trim()
                    .parse::<f64>()
                    .map(|p| ((p / 100.0) * hosts.len() as f64) as usize)
                    .ok()
                    .map(|n| n.max(1)),
                None => text.trim().parse::<usize>().ok(),
            };
            sizes.push(size.ok_or_else(|| format!("`serial: {text}` is neither a number nor a percentage"))?);
        }
        let mut rest = hosts;
        let mut batches = Vec::new();
        let mut index = 0;
        while !rest.is_empty() {
            let size = match sizes.get(index).or(sizes.last()) {
                Some(&size) if size > 0 => size.min(rest.len()),
                _ => rest.len(),
            };
            let (batch, after) = rest.split_at(size);
            batches.push(batch.to_vec());
            rest = after;
            index += 1;
        }
        Ok(batches)
    }

    /// `vars_prompt`: asked once, unless given with `-e`. Nobody there to answer: the defaults, or nothing.
    fn prompts(&self, play: &Play) -> Result<Arc<Vars>, String> {
        let mut values = Vars::new();
        let scope = self.play_scope(play);
        let text =
            |node: &Node| render::text(node, &scope, &self.templater).map_err(|e| e.error.message.clone());
        for prompt in &play.vars_prompt {
            if self.settings.extra_vars.contains_key(&prompt.name) {
                continue;
            }
            let words = prompt.prompt.as_ref().map_or_else(|| Ok(prompt.name.to_string()), text)?;
            let default = prompt.default.as_ref().map(text).transpose()?;
            let question = match &default {
                Some(default) => format!("{words} [{default}]: "),
                None => format!("{words}: "),
            };
            let answer = loop {
                let first = self.ask(&question, prompt.private);
                if !prompt.confirm
                    || first.is_none()
                    || self.ask(&format!("confirm {question}"), prompt.private) == first
                {
                    break first;
                }
            };
            if answer.is_none() {
                self.warn("Not prompting as we are not in interactive mode", None);
            }
            let typed = answer.filter(|a| !a.is_empty());
            if let Some(typed) = typed.as_ref().filter(|_| prompt.private) {
                self.secrets.add(typed);
            }
            let node = match (typed, default) {
                (Some(typed), _) => Node::str(self.hashed(prompt, typed, &scope)?),
                (None, Some(default)) => Node::str(self.hashed(prompt, default, &scope)?),
                // Python's word for it, as in Ansible.
                (None, None) => Node::str("None"),
            };
            let node = if prompt.r#unsafe { node.with_tag("!unsafe") } else { node };
            values.insert(prompt.name.clone(), node);
        }
        Ok(Arc::new(values))
    }

    /// The answer's hash, where `encrypt` asks for one.
    fn hashed(&self, prompt: &Prompt, answer: String, scope: &Arc<dyn Scope>) -> Result<String, String> {
        let Some(scheme) = &prompt.encrypt else { return Ok(answer) };
        let text =
            |node: &Node| render::text(node, scope, &self.templater).map_err(|e| e.error.message.clone());
        let scheme = text(scheme)?;
        let size = prompt.salt_size.as_ref().map(text).transpose()?;
        let salt = match (&prompt.salt, size) {
            (Some(salt), _) => Some(text(salt)?),
            (None, size) => Some(self.value(
                "lookup('password', '/dev/null length=' ~ size ~ ' chars=ascii_letters,digits')",
                [("size", size.unwrap_or_else(|| "8".to_owned()))],
            )?),
        };
        let short = scheme.strip_suffix("_crypt").unwrap_or(&scheme).to_owned();
        let parts = [("answer", answer), ("scheme", short), ("salt", salt.unwrap_or_default())];
        self.value("answer | password_hash(scheme, salt)", parts)
    }

    /// An expression of a few texts.
    fn value<const N: usize>(&self, expression: &str, names: [(&str, String); N]) -> Result<String, String> {
        let values = names.map(|(name, text)| (Arc::from(name), provision_templates::Value::from(text)));
        let layer = Layer::Values(Arc::new(values.into_iter().collect()));
        let scope: Arc<dyn Scope> = TaskScope::new(vec![layer], self.templater.clone());
        let value = self.templater.eval(expression, &scope).map_err(|e| e.message.clone())?;
        Ok(provision_templates::to_text(&value))
    }

    /// `vars_files`, whose names may depend on the host. Of a list in the list the first that exists counts.
    fn vars_files(self: &Arc<Self>, run: &Arc<PlayRun>) {
        for host in run.batch.iter().filter(|_| !run.play.vars_files.is_empty()) {
            let scope: Arc<dyn Scope> = scope::host_scope(self, Some(run), host);
            let mut vars = Vars::new();
            for node in &run.play.vars_files {
                let mut diags = Diagnostics::new();
                let candidates: Vec<Node> =
                    node.as_seq().map_or_else(|| vec![node.clone()], <[Node]>::to_vec);
                let mut tried = Vec::new();
                let found = candidates.iter().find_map(|candidate| {
                    let name = render::text(candidate, &scope, &self.templater).ok()?;
                    let path = run.play.dir.join("vars").join(&name);
                    let path = if path.is_file() { path } else { run.play.dir.join(&name) };
                    tried.push(path.display().to_string());
                    path.is_file().then_some(path)
                });
                match found {
                    Some(path) => vars.extend(self.loader.vars_file(&path, &mut diags)),
                    None => {
                        self.host_failed(host, &format!("vars file not found: {}", tried.join(", ")), node)
                    }
                }
                if diags.has_errors() {
                    self.host_failed(
                        host,
                        &provision_source::render(&diags, &self.loader.sources, false, None),
                        node,
                    );
                }
            }
            run.vars_files
                .write()
                .unwrap_or_else(|e| e.into_inner())
                .insert(host.name.clone(), Arc::new(vars));
        }
    }

    /// A failure that is no task's.
    pub(super) fn host_failed(&self, host: &Arc<Host>, text: &str, node: &Node) {
        let mut state = host.state();
        state.failed = true;
        state.stats.failed += 1;
        drop(state);
        self.warn(format!("{}: {text}", host.name), Some(self.loader.sources.location(node.span)));
    }
}
