//! What can be known of a run before the first connection, beyond the loader's own checks.
//!
//! `follow` goes through everything that may run, dynamic includes too; `syntax` looks at each template and file by
//! itself; `names` gathers what the run may define; `undefined` finds what nothing defines.

mod files;
mod follow;
mod hosts;
mod names;
mod syntax;
mod undefined;

use crate::vars::{Layer, TaskScope};
use provision_project::inventory::Inventory;
use provision_project::load::StaticRender;
use provision_project::{Loader, Playbook, Vars};
use provision_source::{Diagnostics, Node, Span};
use provision_templates::{Scope, Templater};
use std::sync::Arc;

type Values = Arc<crate::vars::Values>;

/// What is to be checked.
pub struct Run<'a> {
    pub playbooks: &'a [Playbook],
    pub templater: &'a Arc<Templater>,
    pub loader: &'a Loader,
    pub inventory: &'a Inventory,
    /// Variables of the command line.
    pub extra: &'a Arc<Vars>,
    pub asked: Asked,
}

/// Which part of it was asked for. What will not run does not hold up the rest.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// `--limit`.
    pub limit: Option<String>,
    /// `--tags`; empty: all.
    pub tags: Vec<String>,
    /// `--skip-tags`.
    pub skip_tags: Vec<String>,
    /// `--start-at-task`: what comes before it does not run, and what it defines is not there.
    pub part: bool,
    /// Say also what is wrong in files of which it is not certain that they are included, as warnings.
    pub everything: bool,
}

/// Renders what imports need with play and extra variables.
pub fn static_render(templater: Arc<Templater>, extra: Arc<Vars>) -> Box<StaticRender> {
    Box::new(move |text, layers| {
        let mut all: Vec<Layer> = layers.iter().cloned().map(Layer::Nodes).collect();
        all.push(Layer::Nodes(extra.clone()));
        let scope: Arc<dyn Scope> = TaskScope::new(all, templater.clone());
        let value = templater.render_str(text, &scope, &provision_templates::RenderOptions::default());
        value.map(|v| provision_templates::to_text(&v)).map_err(|e| e.message.clone())
    })
}

/// Template syntax of every value and condition, lookups, files that must be there, and variables.
///
/// The place from which on variables cannot be checked, if there is one: what is included there can be anything.
pub fn run(run: &Run<'_>, diags: &mut Diagnostics) -> Option<Span> {
    let everything = follow::follow(run, diags);
    syntax::check(run, &everything, diags);
    undefined::check(run, &everything, diags)
}

/// The node's elements; a single value is one.
pub fn list(node: &Node) -> Vec<Node> {
    node.as_seq().map_or_else(|| vec![node.clone()], <[Node]>::to_vec)
}
