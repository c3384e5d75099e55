//! Playbooks, plays, batches, blocks, handlers.

use crate::event::{Done, Event, HostStats, Outcome, Reporter, SCHEMA, TaskInfo, TaskKind};
use crate::host_task::{HostDone, TaskRun};
use crate::includes;
use crate::names;
use crate::render;
use crate::scope;
use crate::state::{Engine, Host, PlayRun};
use crate::tags;
use futures::future::{BoxFuture, FutureExt};
use futures::stream::{self, StreamExt};
use provision_project::{Action, Block, Item, LoopControl, Play, Playbook, Role, Task, TaskArgs, Vars};
use provision_source::{Diagnostics, Node};
use provision_templates::{Scope, from_json};
use serde_json::Value;
use std::sync::Arc;
use std::sync::RwLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// What the run came to.
#[derive(Debug, Default)]
pub struct Summary {
    pub stats: Vec<HostStats>,
    /// A host failed and was neither rescued nor forgiven (`meta: clear_host_errors`).
    pub failed: bool,
    pub unreachable: bool,
    pub interrupted: bool,
    /// Something was wrong before any host was touched.
    pub invalid: Option<String>,
}

/// Where in the tree of blocks we are.
#[derive(Clone, Copy, Default)]
struct Inside {
    /// An enclosing block can rescue failures.
    rescuable: bool,
    /// An enclosing block has work to do after a failure: `rescue` or `always`.
    guarded: bool,
    handler: bool,
}

/// Runs the playbooks one after the other.
pub async fn run(engine: &Arc<Engine>, playbooks: &[Playbook]) -> Summary {
    let started = Instant::now();
    engine.emit(&Event::RunStart {
        schema: SCHEMA,
        version: env!("CARGO_PKG_VERSION"),
        check: engine.settings.check,
        diff: engine.settings.diff,
        playbooks: playbooks.iter().map(|p| p.path.display().to_string()).collect(),
        hosts: engine.inventory().hosts.len(),
    });
    let mut invalid = None;
    'all: for playbook in playbooks {
        for play in &playbook.plays {
            match engine.play(play).await {
                Ok(true) => {}
                Ok(false) => break 'all,
                Err(why) => {
                    invalid = Some(why);
                    break 'all;
                }
            }
            if engine.is_interrupted() {
                break 'all;
            }
        }
    }
    let mut failed = false;
    let mut unreachable = false;
    let mut stats: Vec<HostStats> = {
        let hosts = engine.hosts.read().unwrap_or_else(|e| e.into_inner());
        for host in hosts.values() {
            let state = host.state();
            failed |= state.failed;
            unreachable |= state.unreachable;
        }
        hosts.values().map(|host| host.state().stats.clone()).collect()
    };
    stats.retain(|s| s.ok + s.failed + s.unreachable + s.skipped + s.rescued + s.ignored > 0);
    // Ansible's recap is sorted by name.
    stats.sort_by(|a, b| a.host.cmp(&b.host));
    let interrupted = engine.is_interrupted();
    engine.emit(&Event::RunEnd {
        stats: stats.clone(),
        seconds: started.elapsed().as_secs_f64(),
        interrupted,
    });
    engine.transport.close().await;
    Summary { stats, failed, unreachable, interrupted, invalid }
}

impl Engine {
    /// The hosts a play's pattern means, within the limit.
    pub fn play_hosts(&self, play: &Play) -> Result<Vec<Arc<str>>, String> {
        let pattern = self.static_hosts(play)?;
        let inventory = self.inventory();
        let chosen = inventory.select_reporting(&pattern).map_err(|e| e.to_string())?;
        for part in &chosen.unmatched {
            self.warn(format!("Could not match supplied host pattern, ignoring: {part}"), None);
        }
        let mut hosts = chosen.hosts;
        if let Some(limit) = &self.settings.limit {
            hosts = inventory.limit(hosts, limit).map_err(|e| e.to_string())?;
        }
        let mut names: Vec<Arc<str>> = hosts.iter().map(|h| h.name.clone()).collect();
        match play.order.as_ref().and_then(|n| n.scalar_text()).as_deref() {
            None | Some("inventory" | "") => {}
            Some("reverse_inventory") => names.reverse(),
            Some("sorted") => names.sort(),
            Some("reverse_sorted") => {
                names.sort();
                names.reverse();
            }
            Some(other) => return Err(format!("unknown order `{other}`")),
        }
        Ok(names)
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
    async fn play(self: &Arc<Self>, play: &Arc<Play>) -> Result<bool, String> {
        let name = self.play_name(play);
        let all = self.play_hosts(play)?;
        // Hosts that failed are out of the run.
        let hosts: Vec<Arc<str>> = all.iter().filter(|name| !self.host(name).is_out()).cloned().collect();
        let prompts = self.prompts(play)?;
        if hosts.is_empty() {
            self.emit(&Event::PlayStart {
                name: name.clone(),
                hosts: Vec::new(),
                place: names::line(&self.loader.sources, play.span),
            });
            self.emit(&Event::NoHosts { name, pattern: names::hosts_text(&play.hosts) });
            return Ok(true);
        }
        for batch in self.batches(play, &hosts)? {
            let batch: Vec<Arc<Host>> = batch.iter().map(|name| self.host(name)).collect();
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
            });
            run.publish(&play.roles);
            self.emit(&Event::PlayStart {
                name: name.clone(),
                hosts: batch.iter().map(|h| h.name.clone()).collect(),
                place: names::line(&self.loader.sources, play.span),
            });
            self.vars_files(&run);
            self.batch(&run).await;
            // Nobody is left, or too few: that is the end of the run.
            if run.over_limit.load(Ordering::Relaxed)
                || batch.iter().all(|h| h.is_out())
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

    /// The play's name, templated with what is known before any host is.
    fn play_name(&self, play: &Play) -> String {
        let Some(node) = &play.name else {
            return self.static_hosts(play).unwrap_or_else(|_| names::play_name(play));
        };
        let scope = self.play_scope(play);
        render::text(node, &scope, &self.templater).unwrap_or_else(|_| names::play_name(play))
    }

    /// The variables that do not depend on a host.
    fn play_scope(&self, play: &Play) -> Arc<dyn Scope> {
        let layers = vec![
            crate::vars::Layer::Nodes(play.vars.clone()),
            crate::vars::Layer::Nodes(self.settings.extra_vars.clone()),
        ];
        crate::vars::TaskScope::new(layers, self.templater.clone())
    }

    /// `max_fail_percentage`: more failed hosts than that end the run.
    fn check_limit(&self, run: &PlayRun) {
        let Some(node) = &run.play.max_fail_percentage else { return };
        let scope = self.play_scope(&run.play);
        let text = render::text(node, &scope, &self.templater).unwrap_or_default();
        let Ok(limit) = text.trim_end_matches('%').trim().parse::<f64>() else { return };
        let out = run.batch.iter().filter(|h| h.is_out()).count();
        if out as f64 * 100.0 / run.batch.len() as f64 > limit && !run.ended.swap(true, Ordering::Relaxed) {
            run.over_limit.store(true, Ordering::Relaxed);
            if out < run.batch.len() {
                self.emit(&Event::NoMoreHosts);
            }
        }
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
    fn host_failed(&self, host: &Arc<Host>, text: &str, node: &Node) {
        let mut state = host.state();
        state.failed = true;
        state.stats.failed += 1;
        drop(state);
        self.warn(format!("{}: {text}", host.name), Some(self.loader.sources.location(node.span)));
    }

    /// The sections of a play, with handlers after each.
    async fn batch(self: &Arc<Self>, run: &Arc<PlayRun>) {
        let play = run.play.clone();
        if self.gathers(run) {
            let task = facts_task(&play);
            self.task(run, &task, run.batch.clone(), Inside::default(), TaskKind::Facts).await;
        }
        let force =
            play.force_handlers.as_ref().and_then(Node::as_bool).unwrap_or(self.settings.force_handlers);
        for section in [&play.pre_tasks, &play.tasks, &play.post_tasks] {
            if !section.is_empty() {
                self.items(run, section, run.batch.clone(), Inside::default()).await;
                self.last_flush(run, force).await;
            }
            if run.ended.load(Ordering::Relaxed) || self.is_interrupted() {
                break;
            }
        }
    }

    /// The handlers at a section's end; with `force_handlers` those of failed hosts, too.
    async fn last_flush(self: &Arc<Self>, run: &Arc<PlayRun>, force: bool) {
        let failed: Vec<Arc<Host>> = match force {
            true => run.batch.iter().filter(|h| h.has_failed()).cloned().collect(),
            false => Vec::new(),
        };
        failed.iter().for_each(|host| host.state().failed = false);
        self.flush(run, &run.batch).await;
        failed.iter().for_each(|host| host.state().failed = true);
    }

    fn gathers(&self, run: &PlayRun) -> bool {
        match &run.play.gather_facts {
            Some(node) => node.as_bool().unwrap_or_else(|| {
                node.scalar_text().and_then(|t| render::truth(&Value::String(t.to_string()))).unwrap_or(true)
            }),
            None => true,
        }
    }

    /// A list of items on those of `hosts` that are still in.
    fn items<'a>(
        self: &'a Arc<Self>,
        run: &'a Arc<PlayRun>,
        items: &'a [Item],
        hosts: Vec<Arc<Host>>,
        inside: Inside,
    ) -> BoxFuture<'a, ()> {
        async move {
            for item in items {
                let active: Vec<Arc<Host>> = hosts.iter().filter(|h| h.active()).cloned().collect();
                if active.is_empty() || run.ended.load(Ordering::Relaxed) || self.is_interrupted() {
                    return;
                }
                match item {
                    Item::Task(task) => self.task(run, task, active, inside, TaskKind::Task).await,
                    Item::Block(block) => self.block(run, block, active, inside).await,
                    Item::Role(role, body) => self.role(run, role, body, active, inside).await,
                }
            }
        }
        .boxed()
    }

    /// A role's tasks on the hosts that have not run it with these parameters yet.
    async fn role(
        self: &Arc<Self>,
        run: &Arc<PlayRun>,
        role: &Arc<Role>,
        body: &[Item],
        hosts: Vec<Arc<Host>>,
        inside: Inside,
    ) {
        let mut hosts = hosts;
        if !role.allow_duplicates {
            hosts.retain(|host| !host.state().roles_done.contains(&play_key(run, role)));
        }
        self.items(run, body, hosts.clone(), inside).await;
        for host in &hosts {
            host.state().left_role = false;
        }
        for host in hosts.iter().filter(|h| h.active()) {
            host.state().roles_done.insert(play_key(run, role));
        }
    }

    /// `block`, then `rescue` where it failed, then `always`.
    async fn block(
        self: &Arc<Self>,
        run: &Arc<PlayRun>,
        block: &Block,
        hosts: Vec<Arc<Host>>,
        inside: Inside,
    ) {
        let inner = Inside {
            rescuable: inside.rescuable || !block.rescue.is_empty(),
            guarded: inside.guarded || !block.rescue.is_empty() || !block.always.is_empty(),
            ..inside
        };
        self.items(run, &block.block, hosts.clone(), inner).await;
        if !block.rescue.is_empty() {
            let failed: Vec<Arc<Host>> = hosts.iter().filter(|h| h.has_failed()).cloned().collect();
            for host in &failed {
                host.state().failed = false;
            }
            let outer = Inside { guarded: inside.guarded || !block.always.is_empty(), ..inside };
            self.items(run, &block.rescue, failed, outer).await;
        }
        if !block.always.is_empty() {
            let failed: Vec<Arc<Host>> = hosts.iter().filter(|h| h.has_failed()).cloned().collect();
            for host in &failed {
                host.state().failed = false;
            }
            self.items(run, &block.always, hosts.clone(), inside).await;
            for host in &failed {
                host.state().failed = true;
            }
        }
    }

    /// One task on all of `hosts`, as many at once as forks allow.
    async fn task(
        self: &Arc<Self>,
        run: &Arc<PlayRun>,
        task: &Arc<Task>,
        hosts: Vec<Arc<Host>>,
        inside: Inside,
        kind: TaskKind,
    ) {
        let Some(first) = hosts.first().cloned() else { return };
        let scope: Arc<dyn Scope> = scope::task_scope(self, run, &first, &task.common);
        if !inside.handler && !self.wanted(task, &scope, kind) {
            return;
        }
        if task.action.full.as_ref() == "ansible.builtin.meta" {
            return self.meta(run, task, hosts, &scope).await;
        }
        let kind = if inside.handler && task.is_handler { TaskKind::Handler } else { kind };
        let silent = is_include(task);
        let info = names::info(
            self,
            task,
            Some(&scope),
            if silent && kind != TaskKind::Handler { TaskKind::Silent } else { kind },
        );
        // The inventory and the person at the terminal are one for all: Ansible asks the first host alone.
        let for_all = matches!(&*task.action.full, "ansible.builtin.add_host" | "ansible.builtin.pause");
        let once = for_all
            || task
                .common
                .run_once
                .as_ref()
                .is_some_and(|n| render::boolean(n, &scope, &self.templater).unwrap_or(false));
        let mut working = if once { vec![first] } else { hosts.clone() };
        self.emit(&Event::TaskStart { task: info.clone(), hosts: working.len() });
        let forks = self.forks(task, &scope);
        let make = |host: Arc<Host>| TaskRun {
            engine: self.clone(),
            play: run.clone(),
            host,
            task: task.clone(),
            info: info.clone(),
            rescuable: inside.rescuable,
        };
        let mut includes = Vec::new();
        if working.len() == 1 {
            let host = working.swap_remove(0);
            let done = make(host.clone()).run().await;
            if once {
                self.share(task, &host, &hosts, &done, inside.rescuable);
            }
            includes.push((host, done.includes));
        } else {
            let mut results = stream::iter(working.into_iter().map(|host| {
                let work = make(host.clone());
                // A thread of its own for each host's templating.
                async move { (host, tokio::spawn(async move { work.run().await }).await) }
            }))
            .buffer_unordered(forks);
            while let Some((host, done)) = results.next().await {
                match done {
                    Ok(done) => includes.push((host, done.includes)),
                    Err(error) => self.warn(format!("{}: internal error: {error}", host.name), None),
                }
            }
        }
        includes.retain(|(_, list)| !list.is_empty());
        if !includes.is_empty() {
            // The inventory's order, whoever answered first.
            includes.sort_by_key(|(host, _)| hosts.iter().position(|h| h.name == host.name));
            for included in includes::resolve(self, run, task, info.id, includes) {
                self.items(run, &included.items, included.hosts, inside).await;
            }
        }
        self.fatal(task, &hosts, &scope);
        if !inside.guarded {
            self.check_limit(run);
        }
    }

    /// How many hosts at once: `forks`, or less by `throttle`.
    fn forks(&self, task: &Task, scope: &Arc<dyn Scope>) -> usize {
        let throttle =
            task.common.throttle.as_ref().and_then(|n| render::text(n, scope, &self.templater).ok());
        let throttle = throttle.and_then(|t| t.parse::<usize>().ok()).filter(|n| *n > 0);
        throttle.unwrap_or(usize::MAX).min(self.settings.forks.max(1))
    }

    /// `run_once`: what one host did is every host's result.
    fn share(&self, task: &Task, from: &Arc<Host>, hosts: &[Arc<Host>], done: &HostDone, rescuable: bool) {
        let failed = from.is_out();
        for host in hosts.iter().filter(|h| h.name != from.name) {
            let mut state = host.state();
            if let Some(name) = &task.register {
                state.set(name, from_json(Value::Object(done.result.clone())));
            }
            if let Some(Value::Object(facts)) = done.result.get("ansible_facts") {
                if task.action.full.ends_with(".set_fact") {
                    for (name, value) in facts {
                        state.set(name, from_json(value.clone()));
                    }
                } else {
                    state.add_facts(facts.iter().map(|(k, v)| (k.clone(), from_json(v.clone()))));
                }
            }
            // A failure of the one ends the play for all, unless it is rescued.
            state.failed |= failed && !rescuable;
        }
    }

    /// `any_errors_fatal`: where one fails all do; blocks may rescue them all.
    fn fatal(&self, task: &Task, hosts: &[Arc<Host>], scope: &Arc<dyn Scope>) {
        let node = task.common.any_errors_fatal.as_ref();
        let set = node.is_some_and(|n| render::boolean(n, scope, &self.templater).unwrap_or(false));
        if set && hosts.iter().any(|h| h.is_out()) {
            hosts.iter().for_each(|host| host.state().failed = true);
        }
    }

    /// Do the tags and `--start-at-task` leave it?
    fn wanted(&self, task: &Task, scope: &Arc<dyn Scope>, kind: TaskKind) -> bool {
        let found = includes::tags(&task.common, Some((scope, &self.templater)));
        let found = if kind == TaskKind::Facts { vec!["always".to_owned()] } else { found };
        if !tags::selected(&found, &self.settings.tags, &self.settings.skip_tags) {
            return false;
        }
        let Some(start) = &self.settings.start_at_task else { return true };
        if kind == TaskKind::Facts || self.started.load(Ordering::Relaxed) {
            return true;
        }
        let own =
            task.name.as_ref().and_then(|n| render::text(n, scope, &self.templater).ok()).unwrap_or_default();
        let full = names::task_name(task, Some(own.clone()));
        let hit = &own == start || &full == start || glob(start, &own) || glob(start, &full);
        if hit {
            self.started.store(true, Ordering::Relaxed);
        }
        hit
    }

    /// Runs the handlers that are notified, in the order they are defined in.
    fn flush<'a>(self: &'a Arc<Self>, run: &'a Arc<PlayRun>, hosts: &'a [Arc<Host>]) -> BoxFuture<'a, ()> {
        async move {
            // What a handler of the list notifies runs in the same flush when it stands later.
            let handlers = run.handlers.read().unwrap_or_else(|e| e.into_inner()).clone();
            for handler in &handlers {
                let due: Vec<Arc<Host>> = hosts
                    .iter()
                    .filter(|host| {
                        let mut state = host.state();
                        let at = state.notified.iter().position(|id| *id == handler.id);
                        let runs = at.is_some() && !state.failed && !state.unreachable && !state.ended;
                        if let (true, Some(at)) = (runs, at) {
                            state.notified.remove(at);
                        }
                        runs
                    })
                    .cloned()
                    .collect();
                if !due.is_empty() {
                    self.task(
                        run,
                        handler,
                        due,
                        Inside { handler: true, ..Inside::default() },
                        TaskKind::Handler,
                    )
                    .await;
                }
            }
        }
        .boxed()
    }

    /// `meta`.
    fn meta<'a>(
        self: &'a Arc<Self>,
        run: &'a Arc<PlayRun>,
        task: &'a Arc<Task>,
        hosts: Vec<Arc<Host>>,
        scope: &'a Arc<dyn Scope>,
    ) -> BoxFuture<'a, ()> {
        async move {
            let what = match &task.args.free {
                Some(node) => render::text(node, scope, &self.templater).unwrap_or_default(),
                None => String::new(),
            };
            // Some mean all hosts at once: the first one's conditions count.
            let whole =
                matches!(what.as_str(), "end_play" | "end_batch" | "clear_host_errors" | "clear_facts");
            let asked = if whole { &hosts[..1] } else { &hosts[..] };
            let info = names::info(self, task, Some(scope), TaskKind::Task);
            let mut due = Vec::new();
            let mut skipped = Vec::new();
            for host in asked {
                let list = if self.meta_due(run, task, host) { &mut due } else { &mut skipped };
                list.push(host.clone());
            }
            self.emit(&Event::TaskStart { task: info.clone(), hosts: asked.len() });
            for host in skipped.into_iter().filter(|h| h.active()) {
                self.meta_skipped(&info, &host);
            }
            if due.is_empty() {
                return;
            }
            match what.as_str() {
                "noop" => {}
                "flush_handlers" => self.flush(run, &due).await,
                "end_play" => {
                    for host in &run.batch {
                        host.state().ended = true;
                    }
                    run.ended.store(true, Ordering::Relaxed);
                }
                "end_batch" => run.batch.iter().for_each(|host| host.state().ended = true),
                "end_host" => due.iter().for_each(|host| host.state().ended = true),
                "end_role" => due.iter().for_each(|host| host.state().left_role = true),
                "clear_facts" => hosts.iter().for_each(|host| host.state().clear_facts()),
                "clear_host_errors" => {
                    // They are back with the next play, not in this one.
                    for host in run.batch.iter().filter(|h| h.is_out()) {
                        let mut state = host.state();
                        state.failed = false;
                        state.unreachable = false;
                        state.ended = true;
                    }
                }
                "reset_connection" => {
                    for host in &due {
                        self.transport.reset(&host.name).await;
                    }
                }
                other => {
                    for host in &due {
                        self.host_failed(
                            host,
                            &format!("meta: {other} is not supported"),
                            task.args.free.as_ref().unwrap_or(&Node::null()),
                        );
                    }
                }
            }
        }
        .boxed()
    }

    /// Tells of a `meta` whose conditions do not hold; it counts nowhere.
    fn meta_skipped(&self, info: &TaskInfo, host: &Arc<Host>) {
        self.emit(&Event::Host(Box::new(Done {
            task: info.id,
            host: host.name.clone(),
            delegated_to: None,
            outcome: Outcome::Skipped,
            item: None,
            looped: false,
            result: serde_json::Map::new(),
            diff: Vec::new(),
            seconds: 0.0,
            rescued: false,
        })));
    }

    /// Do the conditions of a `meta` hold on this host?
    fn meta_due(self: &Arc<Self>, run: &Arc<PlayRun>, task: &Arc<Task>, host: &Arc<Host>) -> bool {
        let scope: Arc<dyn Scope> = scope::task_scope(self, run, host, &task.common);
        task.common.when.iter().all(|node| match &node.value {
            provision_source::Yaml::Str(text) => match self.templater.eval_condition(text, &scope) {
                Ok(held) => held,
                Err(error) => {
                    self.host_failed(host, &error.message, node);
                    false
                }
            },
            _ => node.as_bool().unwrap_or(true),
        })
    }
}

fn play_key(run: &PlayRun, role: &Role) -> String {
    format!("{}|{:p}", role.key, Arc::as_ptr(&run.play))
}

fn is_include(task: &Task) -> bool {
    matches!(&*task.action.full, "ansible.builtin.include_tasks" | "ansible.builtin.include_role")
}

/// Ansible's `fnmatch` for `--start-at-task`: only `*` and `?`.
fn glob(pattern: &str, text: &str) -> bool {
    match (pattern.chars().next(), text.chars().next()) {
        (None, None) => true,
        (Some('*'), _) => {
            glob(&pattern[1..], text)
                || text.chars().next().is_some_and(|c| glob(pattern, &text[c.len_utf8()..]))
        }
        (Some('?'), Some(c)) => glob(&pattern[1..], &text[c.len_utf8()..]),
        (Some(p), Some(c)) if p == c => glob(&pattern[p.len_utf8()..], &text[c.len_utf8()..]),
        _ => false,
    }
}

/// The gathering of facts that begins a play.
fn facts_task(play: &Arc<Play>) -> Arc<Task> {
    let mut args = TaskArgs::default();
    if let Some(subset) = &play.gather_subset {
        args.named.push(("gather_subset".into(), subset.span, subset.clone()));
    }
    Arc::new(Task {
        id: 0,
        span: play.span,
        name: Some(Node::str("Gathering Facts")),
        action: Action { name: "gather_facts".into(), full: "ansible.builtin.setup".into(), span: play.span },
        args,
        common: play.common.clone(),
        outer: play.common.clone(),
        looping: None,
        control: LoopControl::default(),
        register: None,
        until: Vec::new(),
        retries: None,
        delay: None,
        changed_when: Vec::new(),
        failed_when: Vec::new(),
        notify: Vec::new(),
        listen: Vec::new(),
        poll: None,
        is_handler: false,
        dirs: Arc::default(),
    })
}

/// A reporter that says nothing, for tests and for planning.
#[derive(Debug, Default)]
pub struct Silent;

impl Reporter for Silent {
    fn event(&mut self, _event: &Event) {}
}
