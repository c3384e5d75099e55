//! `package_facts`: what is installed, as the fact `packages`.

use crate::support::apt_get::{ask, program};
use crate::support::dpkg::Database;
use crate::{Ctx, Failure, Module, Outcome};
use provision_args::{Args, Choice};
use provision_system::text::to_os;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Tell which packages are installed: the fact `packages` has lists of versions by name.
#[derive(Args)]
#[args(name = "package_facts")]
pub struct PackageFactsArgs {
    /// Whose packages: `auto` and `apt` are done.
    #[arg(default = "auto")]
    pub manager: Vec<Manager>,
    /// With several managers: only the first that the host has, or all. There is one here.
    #[arg(default = "first", choices("first", "all"))]
    pub strategy: String,
}

/// A package manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Choice)]
pub enum Manager {
    Auto,
    Apt,
}

/// The module.
pub struct PackageFacts;

impl Module for PackageFacts {
    type Args = PackageFactsArgs;

    fn run(args: PackageFactsArgs, ctx: &Ctx<'_>) -> Result<Outcome, Failure> {
        let database = Database::read(ctx)?;
        let installed: Vec<_> = database.installed().collect();
        if installed.is_empty() {
            let names: Vec<&str> = args.manager.iter().map(Choice::as_str).collect();
            return Err(Failure::new(format!(
                "Could not detect a supported package manager from the following list: [{}]: only dpkg's list is read",
                names.join(", ")
            )));
        }
        let origins = origins(ctx, installed.iter().map(|package| package.name.as_str()))?;
        let mut packages: Map<String, Value> = Map::new();
        for package in installed {
            let origin = origins.get(&package.name).filter(|(version, _)| *version == package.version);
            let entry = json!({
                "name": package.name,
                "version": package.version,
                "arch": package.arch,
                "category": package.section,
                "origin": origin.map_or("", |(_, origin)| origin.as_str()),
                "source": "apt",
            });
            let versions = packages.entry(package.name.clone()).or_insert_with(|| json!([]));
            if let Value::Array(versions) = versions {
                versions.push(entry);
            }
        }
        Ok(Outcome::new().with("ansible_facts", json!({ "packages": packages })))
    }
}

/// Installed versions and who publishes them, as far as apt's lists know.
fn origins<'a>(
    ctx: &Ctx<'_>,
    names: impl Iterator<Item = &'a str>,
) -> Result<BTreeMap<String, (String, String)>, Failure> {
    if ctx.sys.find_program("apt-cache")?.is_none() {
        return Ok(BTreeMap::new());
    }
    let sources = sources(&ask(ctx, program(["apt-cache", "policy"]))?.out());
    let mut policy = program(["apt-cache", "policy"]);
    policy.argv.extend(names.map(to_os));
    Ok(installed_from(&ask(ctx, policy)?.out(), &sources))
}

/// Origins by the source's line, as `apt-cache policy` lists them: ` 500 http://… Packages` and `     release …,o=Debian,…`.
fn sources(text: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut source = String::new();
    for line in text.lines() {
        let line = line.trim();
        if let Some(release) = line.strip_prefix("release ") {
            let origin = release.split(',').find_map(|part| part.strip_prefix("o="));
            found.insert(source.clone(), origin.unwrap_or_default().to_owned());
        } else if let Some((priority, rest)) = line.split_once(' ')
            && priority.parse::<i64>().is_ok()
        {
            source = rest.to_owned();
        }
    }
    found
}

/// For each package its installed version, marked `***`, and the origin of the first source behind it.
fn installed_from(text: &str, sources: &BTreeMap<String, String>) -> BTreeMap<String, (String, String)> {
    let mut found = BTreeMap::new();
    let (mut name, mut version) = (String::new(), None);
    for line in text.lines() {
        if let Some(package) = line.strip_suffix(':').filter(|_| !line.starts_with(' ')) {
            (name, version) = (package.to_owned(), None);
        } else if let Some(rest) = line.strip_prefix(" *** ") {
            version = rest.split(' ').next().map(str::to_owned);
        } else if line.starts_with("     ") && !line.starts_with("        ") {
            // The next version in the table.
            version = None;
        } else if let (Some(installed), Some((_, source))) = (&version, line.trim().split_once(' '))
            && let Some(origin) = sources.get(source)
        {
            found.entry(name.clone()).or_insert_with(|| (installed.clone(), origin.clone()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_read_from_policies() {
        let all = "Package files:\n 100 /var/lib/dpkg/status\n     release a=now\n \
                   500 http://d/debian bookworm/main amd64 Packages\n     release v=12,o=Debian,a=stable\n     origin d\n";
        let known = sources(all);
        assert_eq!(known["http://d/debian bookworm/main amd64 Packages"], "Debian");
        let some = "jq:\n  Installed: 1.6\n  Candidate: 1.7\n  Version table:\n     1.7 500\n        500 \
                    http://d/debian bookworm/main amd64 Packages\n *** 1.6 500\n        500 \
                    http://d/debian bookworm/main amd64 Packages\n        100 /var/lib/dpkg/status\nx:\n  Installed: \
                    1\n  Version table:\n *** 1 100\n        100 /var/lib/dpkg/status\n";
        let found = installed_from(some, &known);
        assert_eq!(found.get("jq"), Some(&("1.6".to_owned(), "Debian".to_owned())));
        assert_eq!(found.get("x").map(|(_, origin)| origin.as_str()), Some(""));
    }
}
