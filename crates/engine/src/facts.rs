//! The facts of a host: under their own names, in `ansible_facts`, and kept from run to run by a [`FactCache`].

use crate::state::Host;
use crate::vars::Values;
use provision_templates::{Value as Templated, from_json, to_json};
use serde_json::{Map, Value};
use std::sync::Arc;

/// Keeps facts beyond the run, each host's under the names that modules gave them (`ansible_distribution`, …).
pub trait FactCache: Send + Sync {
    /// The facts of a host; None when there are none or when they have expired.
    ///
    /// Errors: the cache is there and cannot be read. The run goes on without, with a warning.
    fn load(&self, host: &str) -> Result<Option<Map<String, Value>>, String>;
    /// Replaces all that is kept of a host.
    fn store(&self, host: &str, facts: &Map<String, Value>) -> Result<(), String>;
    /// Forgets a host (`meta: clear_facts`, `--flush-cache`).
    fn expire(&self, host: &str) -> Result<(), String>;
}

/// When plays gather facts that do not say so themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Gathering {
    #[default]
    Implicit,
    Explicit,
    /// From hosts of which nothing is known yet.
    Smart,
}

/// Set beside gathered facts, under the name that Ansible's caches have it by.
pub const GATHERED: &str = "_ansible_facts_gathered";

/// What is known of a host by its modules.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Under the names they were returned with.
    all: Arc<Values>,
    /// `ansible_facts`: the same without the prefix `ansible_`.
    short: Option<Templated>,
    gathered: bool,
}

impl Facts {
    /// New facts beside those there are; those of the same name are replaced.
    pub fn add(&mut self, facts: impl IntoIterator<Item = (String, Value)>) {
        let all = Arc::make_mut(&mut self.all);
        for (name, value) in facts {
            match name == GATHERED {
                true => self.gathered = true,
                false => _ = all.insert(name.into(), from_json(value)),
            }
        }
        let short = all.iter().map(|(name, value)| {
            let short = match &**name {
                // The one that keeps its prefix, as in Ansible.
                name @ "ansible_local" => name,
                name => name.strip_prefix("ansible_").unwrap_or(name),
            };
            (short, value.clone())
        });
        let gathered = self.gathered.then(|| (GATHERED, Templated::from(true)));
        self.short = Some(provision_templates::mapping(short.chain(gathered)));
    }

    /// Has a play gathered them (rather than a task set some)?
    pub fn gathered(&self) -> bool {
        self.gathered
    }

    /// Each fact as a variable of its own.
    pub fn injected(&self) -> &Arc<Values> {
        &self.all
    }

    /// `ansible_facts`.
    pub fn mapping(&self) -> Templated {
        let none = || provision_templates::mapping(std::iter::empty::<(&str, Templated)>());
        self.short.clone().unwrap_or_else(none)
    }

    /// As a cache keeps them.
    pub fn to_json(&self) -> Map<String, Value> {
        let all = self.all.iter().map(|(name, value)| (name.to_string(), to_json(value)));
        all.chain(self.gathered.then(|| (GATHERED.to_owned(), true.into()))).collect()
    }
}

impl crate::Engine {
    /// New facts of a host, which the cache keeps, too.
    pub fn add_facts(&self, host: &Host, facts: Map<String, Value>) {
        let mut state = host.state();
        state.facts.add(facts);
        let Some(cache) = &self.fact_cache else { return };
        let all = state.facts.to_json();
        drop(state);
        self.tell_cache(cache.store(&host.name, &all));
    }

    /// Forgets what is known of a host.
    pub fn clear_facts(&self, host: &Host) {
        host.state().facts = Facts::default();
        if let Some(cache) = &self.fact_cache {
            self.tell_cache(cache.expire(&host.name));
        }
    }

    /// What an earlier run kept of a host the run meets.
    pub(crate) fn recall(&self, host: &Host) {
        let Some(cache) = &self.fact_cache else { return };
        match cache.load(&host.name) {
            Ok(Some(facts)) => host.state().facts.add(facts),
            Ok(None) => {}
            Err(text) => self.warn(text, None),
        }
    }

    fn tell_cache(&self, result: Result<(), String>) {
        if let Err(text) = result {
            self.warn(text, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_lose_their_prefix_in_ansible_facts_only() {
        let mut facts = Facts::default();
        assert!(!facts.gathered());
        for part in
            [json!({"ansible_distribution": "Debian", "ansible_local": {}}), json!({"services": {"a": 1}})]
        {
            facts.add(part.as_object().expect("an object").clone());
        }
        assert_eq!(
            to_json(&facts.mapping()),
            json!({"distribution": "Debian", "ansible_local": {}, "services": {"a": 1}})
        );
        let names: Vec<&str> = facts.injected().keys().map(|name| &**name).collect();
        assert_eq!(names, ["ansible_distribution", "ansible_local", "services"]);
        assert_eq!(facts.to_json()["ansible_distribution"], "Debian");
        facts.add([(GATHERED.to_owned(), true.into())]);
        assert!(facts.gathered() && !facts.injected().contains_key(GATHERED));
        assert_eq!(facts.to_json()[GATHERED], true);
    }
}
