//! Plays: their hosts, batches, prompts and files of variables.

use super::Strategy;
use crate::event::Event;
use crate::names;
use crate::render;
use crate::scope;
use crate::state::{Engine, Free, Host, PlayRun, Unmatched};
use provision_project::{Play, Vars};
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
        let layers = vec![
            crate::vars::Layer::Nodes(play.vars.clone()),
            crate::vars::Layer::Nodes(self.settings.extra_vars.clone()),
        ];
        crate::vars::TaskScope::new(layers, self.templater.clone())
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

    /// `vars_prompt`: asked once, unless given with `-e`.
    fn prompts(&self, play: &Play) -> Result<Arc<crate::vars::Values>, String> {
        let mut values = crate::vars::Values::new();
        for prompt in &play.vars_prompt {
            if self.settings.extra_vars.contains_key(&prompt.name) {
                continue;
            }
            let text =
                prompt.prompt.as_ref().and_then(|n| n.scalar_text()).unwrap_or_else(|| prompt.name.clone());
            let default = prompt.default.as_ref().and_then(|n| n.scalar_text());
            let question = match &default {
                Some(default) => format!("{text} [{default}]: "),
                None => format!("{text}: "),
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
            let answer = answer.filter(|a| !a.is_empty()).or(default.map(|d| d.to_string()));
            let Some(answer) = answer else {
                return Err(format!("no answer to the prompt for `{}`", prompt.name));
            };
            if prompt.private {
                self.secrets.add(&answer);
            }
            values.insert(prompt.name.clone(), provision_templates::Value::from(answer));
        }
        Ok(Arc::new(values))
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
