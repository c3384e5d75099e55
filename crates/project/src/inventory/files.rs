//! `group_vars` and `host_vars`.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use provision_source::{Diagnostic, Diagnostics, Sources, load};

use super::{Beside, Layer, Origin, Owner, Vars, vars_from_map};

/// Ways a file for `NAME` may be called, best first; only the first that exists is used, as in Ansible.
const EXTENSIONS: [&str; 4] = ["", ".yml", ".yaml", ".json"];

/// Directories nested deeper than this are a circle of links.
const MAX_DEPTH: usize = 20;

/// Everything read from `group_vars` and `host_vars`.
#[derive(Clone, Debug, Default)]
pub(super) struct VarsFiles {
    dirs: Vec<VarsDir>,
    /// Files are shared where inventory and playbook stand beside each other.
    parsed: HashMap<PathBuf, Arc<Vars>>,
}

#[derive(Clone, Debug)]
struct VarsDir {
    beside: Beside,
    groups: Entities,
    hosts: Entities,
}

/// One `group_vars` or `host_vars` directory.
#[derive(Clone, Debug, Default)]
struct Entities {
    dir: PathBuf,
    /// Names in the directory: one listing instead of four look-ups for each of many hosts.
    listing: HashSet<OsString>,
    files: HashMap<Arc<str>, Vec<VarsFile>>,
    looked_up: HashSet<Arc<str>>,
}

#[derive(Clone, Debug)]
struct VarsFile {
    path: PathBuf,
    vars: Arc<Vars>,
}

impl VarsFiles {
    pub fn add_dir(&mut self, beside: Beside, root: PathBuf, diags: &mut Diagnostics) {
        let groups = Entities::list(root.join("group_vars"), diags);
        let hosts = Entities::list(root.join("host_vars"), diags);
        if !groups.listing.is_empty() || !hosts.listing.is_empty() {
            self.dirs.push(VarsDir { beside, groups, hosts });
        }
    }

    pub fn forget_playbook(&mut self) {
        self.dirs.retain(|d| d.beside != Beside::Playbook);
    }

    /// Reads the files of all groups and hosts that have not been looked up.
    pub fn read<'a>(
        &mut self,
        groups: impl Iterator<Item = &'a Arc<str>>,
        hosts: impl Iterator<Item = &'a Arc<str>>,
        sources: &Sources,
        diags: &mut Diagnostics,
    ) {
        let groups: Vec<&Arc<str>> = groups.collect();
        let hosts: Vec<&Arc<str>> = hosts.collect();
        for dir in &mut self.dirs {
            dir.groups.read(&groups, &mut self.parsed, sources, diags);
            dir.hosts.read(&hosts, &mut self.parsed, sources, diags);
        }
    }

    pub fn roots(&self) -> impl Iterator<Item = &Path> {
        self.dirs.iter().filter_map(|dir| dir.groups.dir.parent())
    }

    /// The variables of all files read.
    pub fn definitions(&self) -> impl Iterator<Item = (Owner<'_>, &Vars)> {
        self.dirs.iter().flat_map(|dir| {
            let groups = dir.groups.files.iter().map(|(name, files)| (Owner::Group(name), files));
            let hosts = dir.hosts.files.iter().map(|(name, files)| (Owner::Host(name), files));
            groups.chain(hosts).flat_map(|(owner, files)| files.iter().map(move |file| (owner, &*file.vars)))
        })
    }

    pub fn push_group_layers<'a>(&'a self, side: Beside, groups: &[&'a str], layers: &mut Vec<Layer<'a>>) {
        for dir in self.dirs.iter().filter(|d| d.beside == side) {
            for group in groups {
                layers.extend(dir.groups.files.get(*group).into_iter().flatten().map(|file| Layer {
                    origin: Origin::GroupFile { beside: side, group, path: &file.path },
                    vars: &file.vars,
                }));
            }
        }
    }

    pub fn push_host_layers<'a>(&'a self, side: Beside, host: &str, layers: &mut Vec<Layer<'a>>) {
        for dir in self.dirs.iter().filter(|d| d.beside == side) {
            layers.extend(dir.hosts.files.get(host).into_iter().flatten().map(|file| Layer {
                origin: Origin::HostFile { beside: side, path: &file.path },
                vars: &file.vars,
            }));
        }
    }
}

impl Entities {
    fn list(dir: PathBuf, diags: &mut Diagnostics) -> Entities {
        let mut listing = HashSet::new();
        match std::fs::read_dir(&dir) {
            Ok(entries) => listing.extend(entries.filter_map(Result::ok).map(|e| e.file_name())),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => diags.push(Diagnostic::error(format!("cannot read {}: {e}", dir.display()))),
        }
        Entities { dir, listing, ..Entities::default() }
    }

    fn read(
        &mut self,
        names: &[&Arc<str>],
        parsed: &mut HashMap<PathBuf, Arc<Vars>>,
        sources: &Sources,
        diags: &mut Diagnostics,
    ) {
        if self.listing.is_empty() {
            return;
        }
        for name in names {
            if !self.looked_up.insert((*name).clone()) || name.contains('/') {
                continue;
            }
            let paths = self.paths(name, diags);
            let files: Vec<VarsFile> = paths
                .into_iter()
                .filter_map(|path| {
                    let vars = match parsed.get(&path) {
                        Some(vars) => vars.clone(),
                        None => {
                            let vars = Arc::new(read_vars(&path, sources, diags)?);
                            parsed.insert(path.clone(), vars.clone());
                            vars
                        }
                    };
                    (!vars.is_empty()).then_some(VarsFile { path, vars })
                })
                .collect();
            if !files.is_empty() {
                self.files.insert((*name).clone(), files);
            }
        }
    }

    fn paths(&self, name: &str, diags: &mut Diagnostics) -> Vec<PathBuf> {
        for extension in EXTENSIONS {
            let file = format!("{name}{extension}");
            if !self.listing.contains(std::ffi::OsStr::new(&file)) {
                continue;
            }
            let path = self.dir.join(&file);
            if !path.is_dir() {
                return vec![path];
            }
            if extension.is_empty() {
                let mut found = Vec::new();
                walk(&path, &mut found, 0, diags);
                return found;
            }
        }
        Vec::new()
    }
}

/// Files below a directory, sorted by name on each level, without hidden ones, backups and other kinds.
fn walk(dir: &Path, found: &mut Vec<PathBuf>, depth: usize, diags: &mut Diagnostics) {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) if depth <= MAX_DEPTH => entries,
        Ok(_) => {
            return diags.push(Diagnostic::error(format!("{}: directories nested too deep", dir.display())));
        }
        Err(e) => return diags.push(Diagnostic::error(format!("cannot read {}: {e}", dir.display()))),
    };
    let names: BTreeSet<OsString> = entries.filter_map(Result::ok).map(|e| e.file_name()).collect();
    for name in names {
        let text = name.to_string_lossy();
        if text.starts_with('.') || text.ends_with('~') {
            continue;
        }
        let path = dir.join(&name);
        if path.is_dir() {
            walk(&path, found, depth + 1, diags);
        } else if path.extension().is_none_or(|e| matches!(e.to_str(), Some("yml" | "yaml" | "json"))) {
            found.push(path);
        }
    }
}

/// `None` when there was an error.
fn read_vars(path: &Path, sources: &Sources, diags: &mut Diagnostics) -> Option<Vars> {
    let file = match sources.read(path) {
        Ok(file) => file,
        Err(d) => {
            diags.push(d);
            return None;
        }
    };
    let documents = load(sources, file, diags)?;
    if let Some(second) = documents.get(1) {
        diags.push(
            Diagnostic::error("a variables file has a single YAML document")
                .at(second.span, "the second one"),
        );
        return None;
    }
    let Some(document) = documents.first() else { return Some(Vars::new()) };
    if document.as_map().is_none() && !document.is_null() {
        diags.push(
            Diagnostic::error("a variables file is a mapping of names to values")
                .at(document.span, format!("this is a {}", document.kind_name())),
        );
        return None;
    }
    Some(vars_from_map(&sources.guard(document)))
}
