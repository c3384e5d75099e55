//! Hosts by pattern: `inventory_hostnames`.

use super::Found;
use provision_project::inventory::Inventory;
use provision_templates::{Scope, TemplateError, Value, to_text};
use std::sync::Arc;

pub(super) fn hostnames(patterns: &[Value], scope: &Arc<dyn Scope>) -> Found {
    let Some(groups) = scope.get("groups")? else {
        return Err(TemplateError::runtime("inventory_hostnames: there is no inventory here"));
    };
    let mut members: Vec<(String, Vec<String>)> = Vec::new();
    for name in groups.try_iter().into_iter().flatten() {
        let hosts = groups.get_item(&name).ok();
        let hosts = hosts.iter().flat_map(|hosts| hosts.try_iter().into_iter().flatten());
        members.push((to_text(&name), hosts.map(|host| to_text(&host)).collect()));
    }
    let inventory = Inventory::of_groups(members);
    let mut words: Vec<String> = Vec::new();
    for pattern in patterns {
        match pattern.kind() {
            minijinja::value::ValueKind::Seq => {
                words.extend(pattern.try_iter().into_iter().flatten().map(|word| to_text(&word)));
            }
            _ => words.push(to_text(pattern)),
        }
    }
    let hosts =
        inventory.select(&words.join(",")).map_err(|error| TemplateError::runtime(error.to_string()))?;
    Ok(hosts.iter().map(|host| Value::from(&*host.name)).collect())
}
