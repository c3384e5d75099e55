//! `include_vars`: variables from a file or a directory of files.

use crate::host_task::{Attempt, Reply};
use provision_args::Args;
use provision_project::Vars;
use provision_source::{Diagnostics, Node};
use serde_json::{Map, Value};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Loads variables from files while the play runs.
#[derive(Debug, Args)]
#[args(name = "include_vars", free_form = "file", mutually_exclusive("file", "dir"))]
pub struct IncludeVarsArgs {
    /// The file: YAML or JSON, searched in the role's `vars/`, beside the task file and the playbook.
    pub file: Option<String>,
    /// A directory, all of whose files are loaded in the order of their names.
    pub dir: Option<String>,
    /// Put everything into one variable of this name.
    pub name: Option<String>,
    /// Endings of the files to load from `dir`.
    #[arg(default = "json,yaml,yml")]
    pub extensions: Vec<String>,
    /// A regular expression that names of files from `dir` must match.
    pub files_matching: Option<String>,
    /// Regular expressions; files in `dir` whose names begin with a match are left out.
    pub ignore_files: Vec<String>,
    /// How many levels of directories to go down; 0 for all.
    #[arg(default = "0")]
    pub depth: u32,
    /// Leave out files with other endings instead of failing.
    #[arg(default = "no")]
    pub ignore_unknown_extensions: bool,
    /// What becomes of a mapping that several of the files have: the last one, or all of them merged.
    #[arg(choices("replace", "merge"))]
    pub hash_behaviour: Option<String>,
}

pub fn run(attempt: &Attempt<'_>, args: &Map<String, Value>) -> Reply {
    let args = match super::parse::<IncludeVarsArgs>(args) {
        Ok(args) => args,
        Err(reply) => return *reply,
    };
    let engine = &attempt.run.engine;
    let dirs = &attempt.run.task.dirs;
    let files: Vec<PathBuf> = match (&args.file, &args.dir) {
        (Some(file), _) => match dirs.find("vars", file) {
            Some(path) => vec![path],
            None => {
                let tried: Vec<String> =
                    dirs.candidates("vars", file).iter().map(|p| p.display().to_string()).collect();
                return Reply::fail(format!(
                    "Could not find or access '{file}'; searched: {}",
                    tried.join(", ")
                ));
            }
        },
        (None, Some(dir)) => match dirs.find("vars", dir) {
            Some(path) if path.is_dir() => {
                let mut files = Vec::new();
                files_below(&path, args.depth.checked_sub(1), &mut files);
                let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                for (patterns, keep) in
                    [(&args.ignore_files, false), (&args.files_matching.iter().cloned().collect(), true)]
                {
                    for pattern in patterns {
                        let matched = |path: &PathBuf| matches_start(attempt, pattern, &name(path));
                        if let Some(Err(text)) = files.first().map(matched) {
                            return Reply::fail(text);
                        }
                        files.retain(|path| matched(path) == Ok(keep));
                    }
                }
                let known = |path: &Path| {
                    path.extension().is_some_and(|e| args.extensions.iter().any(|known| e == known.as_str()))
                };
                if let Some(path) =
                    files.iter().find(|path| !known(path)).filter(|_| !args.ignore_unknown_extensions)
                {
                    let endings = args.extensions.join(", ");
                    return Reply::fail(format!(
                        "{} does not have a valid extension: {endings}",
                        path.display()
                    ));
                }
                files.retain(|path| known(path));
                files
            }
            _ => return Reply::fail(format!("{dir} directory does not exist")),
        },
        (None, None) => return Reply::fail("include_vars needs `file` or `dir`"),
    };
    let mut diags = Diagnostics::new();
    let mut vars = Vars::new();
    let merge = args.hash_behaviour.as_deref().map_or(engine.settings.merge_hashes, |how| how == "merge");
    for file in &files {
        let more = engine.loader.vars_file(file, &mut diags);
        match merge {
            true => crate::vars::merge_into(&mut vars, more),
            false => vars.extend(more),
        }
    }
    if diags.has_errors() {
        return Reply::fail(provision_source::render(&diags, &engine.loader.sources, false, None));
    }
    if let Some(name) = args.name {
        let all = Node::map(vars.into_iter().map(|(k, v)| (Node::str(k), v)));
        vars = Vars::from_iter([(Arc::from(name.as_str()), all)]);
    }
    let hidden = files.iter().any(|file| is_vaulted(file));
    let vault = engine.templater.vault();
    let plain = |node: &Node| match &node.value {
        provision_source::Yaml::Str(envelope) if node.is_vault() => {
            vault.value(envelope).map_or_else(|_| node.clone(), Node::str)
        }
        _ => node.clone(),
    };
    let mut state = attempt.run.host.state();
    Arc::make_mut(&mut state.included).extend(vars.iter().map(|(name, node)| (name.clone(), node.clone())));
    drop(state);
    let run = attempt.run;
    let scope = crate::scope::task_scope(engine, &run.play, &run.host, &run.task);
    let scope: Arc<dyn provision_templates::Scope> = scope;
    // What cannot be rendered yet may be when it is used.
    let shown = |node: &Node| {
        crate::render::json(node, &scope, &engine.templater)
            .unwrap_or_else(|_| node.map_strings(&plain).to_json())
    };
    let shown: Map<String, Value> = vars.iter().map(|(name, node)| (name.to_string(), shown(node))).collect();
    let mut result = Map::new();
    result.insert("ansible_facts".into(), Value::Object(shown));
    let names = files.iter().map(|f| Value::from(f.display().to_string())).collect();
    result.insert("ansible_included_var_files".into(), Value::Array(names));
    result.insert("changed".into(), false.into());
    Reply { hidden, ..Reply::ok(result) }
}

/// Is the file encrypted as a whole?
fn is_vaulted(path: &Path) -> bool {
    let mut first = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(64).read_to_end(&mut first));
    read.is_ok() && provision_vault::is_encrypted(&first)
}

/// Files of a directory and, `depth` levels further down (None: all), of those below it, by name.
fn files_below(dir: &Path, depth: Option<u32>, files: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path()).collect();
    entries.sort();
    for path in entries {
        if !path.is_dir() {
            files.push(path);
        } else if depth != Some(0) {
            files_below(&path, depth.map(|depth| depth - 1), files);
        }
    }
}

/// Does the name begin with a match of Python's regular expression?
fn matches_start(attempt: &Attempt<'_>, pattern: &str, name: &str) -> Result<bool, String> {
    let pairs = [("pattern", pattern), ("name", name)].map(|(n, text)| (Arc::from(n), text.into()));
    let scope: Arc<dyn provision_templates::Scope> = attempt.scope.with_values(pairs);
    attempt
        .run
        .engine
        .templater
        .eval_condition("name is match(pattern)", &scope)
        .map_err(|e| e.message.clone())
}
