//! `template`: a file rendered on the controller, then placed as `copy` places it.

use super::{agent, copy};
use crate::contents::Store;
use crate::host_task::{Attempt, Reply};
use crate::render::RenderError;
use crate::vars::TaskScope;
use minijinja::value::Value as Templated;
use provision_args::{Args, CopyMode, PathArg};
use provision_modules::support::options::Unmanaged;
use provision_system::text::text_to_bytes;
use provision_templates::{FileOptions, Scope};
use serde_json::{Map, Value};
use std::path::Path;
use std::sync::Arc;

/// Templates a file out to the target.
#[derive(Args)]
#[args(name = "template")]
#[expect(
    dead_code,
    reason = "refused, or passed on to the agent as they are: declared to be checked and documented"
)]
pub struct TemplateArgs {
    /// The Jinja2 file, searched in the role's `templates/`, beside the task file and the playbook.
    #[arg(required)]
    pub src: String,
    /// Where it goes on the target; ending in a slash or an existing directory: into it under the source's name.
    #[arg(required)]
    pub dest: PathArg,
    /// The file's mode.
    pub mode: Option<CopyMode>,
    /// The user who shall own it.
    pub owner: Option<String>,
    /// The group that shall own it.
    pub group: Option<String>,
    /// Keep what was there under a name with the time in it.
    #[arg(default = "no")]
    pub backup: bool,
    /// Replace a file whose content differs.
    #[arg(default = "yes")]
    pub force: bool,
    /// Follow a symbolic link at `dest`.
    #[arg(default = "no")]
    pub follow: bool,
    /// A command that must accept the new content before it takes its place; `%s` is a file that holds it.
    pub validate: Option<String>,
    /// What ends lines.
    #[arg(default = "\\n", choices("\\n", "\\r", "\\r\\n", "\n", "\r", "\r\n"))]
    pub newline_sequence: String,
    /// The first newline after a block is removed.
    #[arg(default = "yes")]
    pub trim_blocks: bool,
    /// Blanks before a block that begins a line are removed.
    #[arg(default = "no")]
    pub lstrip_blocks: bool,
    #[arg(default = "{%")]
    pub block_start_string: String,
    #[arg(default = "%}")]
    pub block_end_string: String,
    #[arg(default = "{{")]
    pub variable_start_string: String,
    #[arg(default = "}}")]
    pub variable_end_string: String,
    #[arg(default = "{#")]
    pub comment_start_string: String,
    #[arg(default = "#}")]
    pub comment_end_string: String,
    /// Only UTF-8 is written.
    #[arg(default = "utf-8", choices("utf-8"))]
    pub output_encoding: String,
    #[arg(flatten)]
    pub unmanaged: Unmanaged,
}

pub async fn run(attempt: &Attempt<'_>, args: Map<String, Value>) -> Reply {
    let parsed = match super::parse::<TemplateArgs>(&args) {
        Ok(parsed) => parsed,
        Err(reply) => return *reply,
    };
    let path = match copy::find(attempt, "templates", &parsed.src) {
        Ok(path) => path,
        Err(reply) => return *reply,
    };
    let contents = match attempt.run.engine.templater.vault().read(&path) {
        Ok(contents) => contents,
        Err(error) => return Reply::fail(format!("cannot read {}: {error}", path.display())),
    };
    let source = provision_system::text::bytes_to_text(&contents.bytes);
    let options = FileOptions {
        search: search(attempt, &path),
        trim_blocks: parsed.trim_blocks,
        lstrip_blocks: parsed.lstrip_blocks,
        newline_sequence: parsed.newline_sequence.replace("\\n", "\n").replace("\\r", "\r"),
        block_start_string: parsed.block_start_string,
        block_end_string: parsed.block_end_string,
        variable_start_string: parsed.variable_start_string,
        variable_end_string: parsed.variable_end_string,
        comment_start_string: parsed.comment_start_string,
        comment_end_string: parsed.comment_end_string,
        ..FileOptions::default()
    };
    let scope: Arc<dyn Scope> = with_names(&attempt.scope, &path, parsed.dest.as_str());
    let name = path.to_string_lossy();
    let text = match attempt.run.engine.templater.render_file(&name, &source, &scope, &options) {
        Ok(text) => text,
        Err(mut error) => {
            if error.template.is_none() {
                error.template = Some(name.into_owned());
            }
            let span = attempt.run.task.args.get("src").map_or(attempt.run.task.span, |n| n.span);
            return attempt.run.render_failure(&RenderError::spanned(error, span));
        }
    };
    let mut store = Store::default();
    let mut copy_args = Map::new();
    for name in ["dest", "mode", "owner", "group", "backup", "force", "follow", "validate"] {
        if let Some(value) = args.get(name) {
            copy_args.insert(name.to_owned(), value.clone());
        }
    }
    // Files of the source's name and mode, content of ours.
    if let Err(error) = copy::offer_name(&path, &mut copy_args) {
        return Reply::fail(format!("cannot read {}: {error}", path.display()));
    }
    copy::offer_bytes(text_to_bytes(&text), &mut copy_args, &mut store);
    let reply = agent::call_with(attempt, "ansible.builtin.copy", copy_args, store).await;
    if contents.secret { copy::without_diff(reply) } else { reply }
}

/// Where includes are looked for: the role's templates, then beside the file.
fn search(attempt: &Attempt<'_>, path: &Path) -> Vec<std::path::PathBuf> {
    let dirs = &attempt.run.task.dirs;
    let mut search: Vec<_> = path.parent().map(Path::to_owned).into_iter().collect();
    for place in dirs.role.iter().chain(&dirs.parents).chain([&dirs.task, &dirs.play]) {
        search.push(place.join("templates"));
        search.push(place.clone());
    }
    search
}

/// The names that Ansible gives to template files.
fn with_names(scope: &Arc<TaskScope>, path: &Path, dest: &str) -> Arc<TaskScope> {
    let text = path.to_string_lossy();
    scope.with_values([
        ("template_path".into(), Templated::from(text.as_ref())),
        ("template_fullpath".into(), Templated::from(text.as_ref())),
        ("template_destpath".into(), Templated::from(dest)),
        (
            "ansible_managed".into(),
            scope.get("ansible_managed").ok().flatten().unwrap_or_else(|| Templated::from("Ansible managed")),
        ),
    ])
}
