//! Installing, listing and removing roles.

use super::requirements::{Source, Wanted, from_argument};
use super::{Result, because, fetch, place, workshop};
use provision_source::{Diagnostics, Node, Sources};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};

/// How to install.
#[derive(Debug, Default, Clone)]
pub struct Options {
    /// Replace what is installed.
    pub force: bool,
    /// Replace dependencies, too.
    pub force_with_deps: bool,
    pub no_deps: bool,
    /// Go on with the next after a failure.
    pub ignore_errors: bool,
}

/// Installs roles and what they depend on into the first of `paths`; `say` gets a line for each step, `warn` for each
/// failure. Ok(false): something was not installed.
pub fn install(
    roles: &[Wanted],
    paths: &[PathBuf],
    options: &Options,
    say: &dyn Fn(&str),
    warn: &dyn Fn(&str),
) -> Result<bool> {
    let root = paths.first().ok_or("there is no directory for roles: name one with --roles-path")?;
    let mut waiting: VecDeque<(Wanted, bool)> = roles.iter().map(|role| (role.clone(), false)).collect();
    let mut done: Vec<String> = Vec::new();
    let mut complete = true;
    while let Some((wanted, dependency)) = waiting.pop_front() {
        let name = wanted.name.clone().unwrap_or_else(|| wanted.source.short_name());
        if done.contains(&name) {
            continue;
        }
        done.push(name.clone());
        let force =
            if dependency { options.force_with_deps } else { options.force || options.force_with_deps };
        match install_one(&name, &wanted, dependency, root, paths, force, say) {
            Ok(dir) => {
                if !options.no_deps {
                    waiting.extend(dependencies(&dir).into_iter().map(|found| (found, true)));
                }
            }
            Err(why) => {
                warn(&format!("- {name} was NOT installed successfully: {why}"));
                complete = false;
                if !options.ignore_errors {
                    return Err(
                        "- you can use --ignore-errors to skip failed roles and finish processing the list."
                            .into(),
                    );
                }
            }
        }
    }
    Ok(complete)
}

/// The role's directory, whether it is new or was there.
fn install_one(
    name: &str,
    wanted: &Wanted,
    dependency: bool,
    root: &Path,
    paths: &[PathBuf],
    force: bool,
    say: &dyn Fn(&str),
) -> Result<PathBuf> {
    if name.is_empty() || name.starts_with('.') || name.contains('/') {
        return Err(format!("`{name}` is no name of a role; give it one with `name`"));
    }
    let labelled =
        |version: Option<&str>| version.map_or(name.to_owned(), |version| format!("{name} ({version})"));
    let there = paths.iter().map(|path| path.join(name)).find(|dir| dir.is_dir());
    if let Some(dir) = there.filter(|_| !force) {
        let installed = info(&dir);
        let version = installed.as_ref().and_then(|info| info.version.as_deref());
        match &wanted.version {
            Some(wish) if installed.is_some() && version != Some(wish) => say(&format!(
                "- {} is already installed - use --force to change version to {wish}",
                labelled(version)
            )),
            _ if installed.is_none() && !dependency && !matches!(wanted.source, Source::Server(_)) => {
                return Err(format!(
                    "{} is there and was not installed by this; use --force to replace it",
                    dir.display()
                ));
            }
            _ => say(&format!("- {} is already installed, skipping.", labelled(version))),
        }
        return Ok(dir);
    }
    let dest = root.join(name);
    let workshop = workshop(&dest)?;
    let files = fetch::fetch(&wanted.source, wanted.version.as_deref(), workshop.path())?;
    let found = role_root(&files)
        .ok_or_else(|| format!("{} holds no role: there is no meta/main.yml in it", wanted.source))?;
    let note = found.join("meta/.galaxy_install_info");
    let now =
        std::process::Command::new("date").args(["-u", "+%a %b %e %H:%M:%S %Y"]).env("LC_ALL", "C").output();
    let now = now.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default();
    let version = wanted.version.as_deref().unwrap_or_default();
    because(std::fs::write(&note, format!("install_date: {now}\nversion: {version}\n")), || {
        format!("cannot write {}", note.display())
    })?;
    say(&format!("- extracting {name} to {}", dest.display()));
    place(&found, &dest, workshop.path())?;
    say(&format!("- {} was installed successfully", labelled(wanted.version.as_deref())));
    Ok(dest)
}

/// The directory that holds `meta/main.yml`, nearest to the top.
fn role_root(files: &Path) -> Option<PathBuf> {
    let mut level = vec![files.to_owned()];
    // Archives have a directory around the role at most, with some air.
    for _ in 0..4 {
        let is_role = |dir: &&PathBuf| {
            ["main.yml", "main.yaml"].iter().any(|main| dir.join("meta").join(main).is_file())
        };
        if let Some(dir) = level.iter().find(is_role) {
            return Some(dir.clone());
        }
        let mut next: Vec<PathBuf> = level
            .iter()
            .flat_map(|dir| std::fs::read_dir(dir).into_iter().flatten().flatten())
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .map(|entry| entry.path())
            .collect();
        next.sort();
        level = next;
    }
    None
}

/// What an installed role's meta files ask for. What they get wrong is told when the role is used.
fn dependencies(dir: &Path) -> Vec<Wanted> {
    let sources = Sources::new();
    let document = |name: &str| {
        let file = sources.read(dir.join("meta").join(name)).ok()?;
        provision_source::load(&sources, file, &mut Diagnostics::new())?.into_iter().next()
    };
    let main = document("main.yml").or_else(|| document("main.yaml"));
    let lists = [main.and_then(|node| node.get("dependencies").cloned()), document("requirements.yml")];
    let meta = dir.join("meta");
    lists
        .iter()
        .flatten()
        .flat_map(|list| list.as_seq().unwrap_or_default())
        .filter_map(|entry| {
            let text = |key: &str| entry.get(key).and_then(Node::scalar_text).map(|text| text.to_string());
            match entry.as_map() {
                None => entry.as_str().map(|text| from_argument(text, &meta)),
                Some(_) => {
                    let src = text("src").or_else(|| text("role")).or_else(|| text("name"))?;
                    let mut wanted = from_argument(&src, &meta);
                    wanted.version = text("version").or(wanted.version);
                    wanted.name = text("name").filter(|name| *name != src).or(wanted.name);
                    if text("scm").as_deref() == Some("git") {
                        wanted.source =
                            Source::Git { url: src.trim_start_matches("git+").to_owned(), below: None };
                    }
                    Some(wanted)
                }
            }
        })
        // A collection's role comes with its collection.
        .filter(|wanted| !matches!(&wanted.source, Source::Server(name) if name.split('.').count() > 2))
        // Beside the role already.
        .filter(|wanted| match &wanted.source {
            Source::Server(name) => !dir.parent().is_some_and(|roles| roles.join(name).is_dir()),
            _ => true,
        })
        .collect()
}

struct Info {
    version: Option<String>,
}

/// What an installation noted in the role.
fn info(dir: &Path) -> Option<Info> {
    let text = std::fs::read_to_string(dir.join("meta/.galaxy_install_info")).ok()?;
    let version = text.lines().find_map(|line| line.strip_prefix("version:")).map(str::trim);
    let version = version.filter(|version| !["", "null", "''"].contains(version)).map(str::to_owned);
    Some(Info { version })
}

/// Each path's roles as lines, in the form of `ansible-galaxy role list`.
pub fn list(paths: &[PathBuf], only: Option<&str>, warn: &dyn Fn(&str)) -> String {
    let mut text = String::new();
    for path in paths {
        let Ok(entries) = std::fs::read_dir(path) else {
            warn(&format!("- the configured path {} does not exist.", path.display()));
            continue;
        };
        text.push_str(&format!("# {}\n", path.display()));
        let mut roles: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        roles.sort();
        for dir in roles {
            let name = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let is_role = ["main.yml", "main.yaml"].iter().any(|main| dir.join("meta").join(main).is_file());
            if name.starts_with('.') || !is_role || only.is_some_and(|only| only != name) {
                continue;
            }
            let version = info(&dir).and_then(|info| info.version);
            text.push_str(&format!("- {name}, {}\n", version.as_deref().unwrap_or("(unknown version)")));
        }
    }
    text
}

/// Removes a role that was installed.
pub fn remove(name: &str, paths: &[PathBuf]) -> Result<bool> {
    if name.is_empty() || name.contains('/') || name.starts_with('.') {
        return Err(format!("`{name}` is no name of a role"));
    }
    let Some(dir) = paths.iter().map(|path| path.join(name)).find(|dir| dir.is_dir()) else {
        return Ok(false);
    };
    if info(&dir).is_none() {
        return Err(format!("{} was not installed by this command; it stays", dir.display()));
    }
    because(std::fs::remove_dir_all(&dir), || format!("cannot remove {}", dir.display()))?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::galaxy::NO_SERVER;

    #[test]
    fn a_name_alone_is_refused_with_the_reason() {
        let root = tempfile::tempdir().unwrap();
        let paths = [root.path().to_owned()];
        let said = std::cell::RefCell::new(Vec::new());
        let warn = |text: &str| said.borrow_mut().push(text.to_owned());
        let wanted = vec![from_argument("someone.nginx", root.path())];
        assert!(install(&wanted, &paths, &Options::default(), &|_| {}, &warn).is_err());
        assert!(said.borrow()[0].contains(NO_SERVER), "{said:?}");
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0, "nothing is left behind");
    }

    #[test]
    fn what_was_not_installed_is_not_removed() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("mine/meta")).unwrap();
        assert!(remove("mine", &[root.path().to_owned()]).is_err());
        assert!(remove("../x", &[root.path().to_owned()]).is_err());
        assert!(root.path().join("mine").is_dir());
    }
}
