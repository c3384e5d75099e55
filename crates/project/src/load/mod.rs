//! From files to the model, collecting every mistake on the way.

mod args;
mod collections;
mod fields;
mod play;
mod role;
mod task;

use crate::model::{Common, Dirs, Item, Playbook, Role, Vars};
use provision_args::ArgSpec;
use provision_source::{Diagnostic, Diagnostics, Node, Sources, Span, Yaml};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub use collections::SearchPaths;
pub use play::all_tasks;
pub use role::RoleUse;

/// The modules and actions there are; the engine's knowledge, lent to the loader.
pub trait Catalog: Send + Sync {
    fn find(&self, name: &str) -> Option<Known>;
    /// Short names, for suggestions.
    fn names(&self) -> Vec<&'static str>;
}

/// One module or action.
#[derive(Clone, Copy)]
pub struct Known {
    /// Fully qualified.
    pub full: &'static str,
    /// None: any arguments (`set_fact`).
    pub spec: Option<&'static ArgSpec>,
}

/// Renders a text of an import with what is known before the run: `(text, layers of variables, outermost first)`.
pub type StaticRender = dyn Fn(&str, &[Arc<Vars>]) -> Result<String, String> + Send + Sync;

/// Reads playbooks and what they name. One per run; files are parsed once.
pub struct Loader {
    pub sources: Sources,
    catalog: Arc<dyn Catalog>,
    /// Searched after the playbook's own `roles/` and `collections/`.
    paths: SearchPaths,
    /// `collections/` of the playbooks read so far.
    beside: std::sync::Mutex<Vec<PathBuf>>,
    render: Box<StaticRender>,
    parsed: std::sync::Mutex<HashMap<PathBuf, Arc<Node>>>,
    handlers: std::sync::Mutex<Vec<Arc<crate::model::Task>>>,
    /// Those of the play that is being read: its imports may use them.
    play_vars: std::sync::Mutex<Arc<Vars>>,
    /// Keywords of plays that do not give them themselves.
    play_defaults: provision_source::Mapping,
    next_id: AtomicU64,
    depth: AtomicU64,
}

/// Files that import themselves stop here.
const MAX_DEPTH: u64 = 64;

impl Loader {
    pub fn new(
        sources: Sources,
        catalog: Arc<dyn Catalog>,
        paths: SearchPaths,
        render: Box<StaticRender>,
    ) -> Self {
        Self {
            sources,
            catalog,
            paths,
            beside: std::sync::Mutex::default(),
            render,
            parsed: std::sync::Mutex::default(),
            handlers: std::sync::Mutex::default(),
            play_vars: std::sync::Mutex::default(),
            play_defaults: provision_source::Mapping::default(),
            next_id: AtomicU64::new(1),
            depth: AtomicU64::new(0),
        }
    }

    /// The same with keywords for plays that do not give them themselves: what a configuration says of all plays.
    pub fn with_play_defaults(mut self, defaults: provision_source::Mapping) -> Self {
        self.play_defaults = defaults;
        self
    }

    /// A playbook that no file holds; `dir` is where its files are looked for.
    pub fn playbook_of(&self, node: &Node, dir: &Path, diags: &mut Diagnostics) -> Playbook {
        Playbook { plays: self.plays_of(node, dir, &play::Import::default(), diags), path: dir.to_owned() }
    }

    /// A playbook with everything it imports.
    pub fn playbook(&self, path: &Path, diags: &mut Diagnostics) -> Playbook {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        self.collections_beside(&path);
        Playbook { plays: self.plays(&path, &play::Import::default(), diags), path }
    }

    /// The items of a task file for `include_tasks`, under what the include hands down.
    pub fn include_tasks(
        &self,
        path: &Path,
        common: &Arc<Common>,
        dirs: &Dirs,
        handlers: bool,
        diags: &mut Diagnostics,
    ) -> Vec<Item> {
        self.task_file(path, common, dirs, handlers, diags)
    }

    /// A file of variables.
    pub fn vars_file(&self, path: &Path, diags: &mut Diagnostics) -> Vars {
        match self.document(path, diags) {
            Some(node) => self.vars(&node, diags),
            None => Vars::new(),
        }
    }

    fn id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    /// Runs `work` one file deeper, unless files import each other without end.
    fn deeper<T>(
        &self,
        span: Span,
        diags: &mut Diagnostics,
        work: impl FnOnce(&Self, &mut Diagnostics) -> Vec<T>,
    ) -> Vec<T> {
        if self.depth.fetch_add(1, Ordering::Relaxed) >= MAX_DEPTH {
            self.depth.fetch_sub(1, Ordering::Relaxed);
            diags.push(
                Diagnostic::error("files import each other without end").at(span, "reached again from here"),
            );
            return Vec::new();
        }
        let result = work(self, diags);
        self.depth.fetch_sub(1, Ordering::Relaxed);
        result
    }

    /// The only document of a YAML file; an empty file is null.
    fn document(&self, path: &Path, diags: &mut Diagnostics) -> Option<Arc<Node>> {
        if let Some(node) = self.parsed.lock().unwrap_or_else(|e| e.into_inner()).get(path) {
            return Some(node.clone());
        }
        let file = match self.sources.read(path) {
            Ok(file) => file,
            Err(diagnostic) => {
                diags.push(diagnostic);
                return None;
            }
        };
        let mut documents = provision_source::load(&self.sources, file, diags)?;
        if documents.len() > 1 {
            diags.push(
                Diagnostic::error("one YAML document is expected in a file")
                    .at(documents[1].span, "a second one begins here"),
            );
        }
        let node = Arc::new(if documents.is_empty() { Node::null() } else { documents.swap_remove(0) });
        self.parsed.lock().unwrap_or_else(|e| e.into_inner()).insert(path.to_owned(), node.clone());
        Some(node)
    }

    /// A mapping of variables; its names must be valid.
    fn vars(&self, node: &Node, diags: &mut Diagnostics) -> Vars {
        let mut vars = Vars::new();
        match &node.value {
            Yaml::Null => {}
            Yaml::Map(map) => {
                for (key, value) in map.iter() {
                    match key.scalar_text() {
                        Some(name) if valid_name(&name) => {
                            vars.insert(name, self.sources.guard(value));
                        }
                        _ => diags.push(
                            Diagnostic::error("not a valid variable name")
                                .at(key.span, "letters, digits and underscores, not beginning with a digit"),
                        ),
                    }
                }
            }
            Yaml::Seq(list) => {
                // The old form: a list of mappings.
                for item in list.iter() {
                    vars.extend(self.vars(item, diags));
                }
            }
            _ => diags.push(
                Diagnostic::error("variables must be a mapping")
                    .at(node.span, format!("this is a {}", node.kind_name())),
            ),
        }
        vars
    }

    /// A `!vault` value as the text it holds; everything else as it is. None when it cannot be decrypted.
    pub(super) fn decrypted(&self, node: &Node, diags: &mut Diagnostics) -> Option<Node> {
        let Some(envelope) = Some(&node.value).filter(|_| node.is_vault()) else { return Some(node.clone()) };
        let Yaml::Str(envelope) = envelope else { return Some(node.clone()) };
        match self.sources.vault().value(envelope) {
            Ok(text) => Some(Node::str(text).with_tag("!unsafe").at(node.span)),
            Err(error) => {
                let diagnostic =
                    Diagnostic::error(error.to_string()).at(node.span, "this value is encrypted");
                diags.push(match error.hint() {
                    Some(hint) => diagnostic.help(hint),
                    None => diagnostic,
                });
                None
            }
        }
    }

    /// Text that an import needs now: templated with what is known before the run.
    fn static_text(
        &self,
        node: &Node,
        what: &str,
        layers: &[Arc<Vars>],
        diags: &mut Diagnostics,
    ) -> Option<String> {
        let node = &self.decrypted(node, diags)?;
        let Some(text) = node.scalar_text().filter(|_| !node.is_null()) else {
            diags.push(
                Diagnostic::error(format!("{what} must be a string"))
                    .at(node.span, format!("this is a {}", node.kind_name())),
            );
            return None;
        };
        if !provision_templates::is_template(&text) {
            return Some(text.to_string());
        }
        let play = self.play_vars.lock().unwrap_or_else(|e| e.into_inner()).clone();
        let layers: Vec<Arc<Vars>> = std::iter::once(play).chain(layers.iter().cloned()).collect();
        match (self.render)(&text, &layers) {
            Ok(text) => Some(text),
            Err(why) => {
                diags.push(
                    Diagnostic::error(format!("{what} must be known before the run: {why}"))
                        .at(node.span, "imports are resolved when the playbook is read")
                        .help("use the include_ form when the name depends on a host"),
                );
                None
            }
        }
    }
}

/// A name Python would accept.
pub fn valid_name(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_alphabetic() || c == '_')
        && chars.all(|c| c.is_alphanumeric() || c == '_')
}

/// The roles that a list of items brings in statically, in order.
fn roles_of(items: &[Item], found: &mut Vec<Arc<Role>>) {
    for item in items {
        match item {
            Item::Role(role, body) => {
                roles_of(body, found);
                found.push(role.clone());
            }
            Item::Block(block) => {
                for part in [&block.block, &block.rescue, &block.always] {
                    roles_of(part, found);
                }
            }
            Item::Task(_) => {}
        }
    }
}
