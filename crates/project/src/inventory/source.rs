//! What a `-i` names, and how it is read.

use std::path::{Path, PathBuf};

use provision_source::{Diagnostic, Diagnostics, FileId, Sources, load};

use super::build::Builder;
use super::{ini, plugin, range, script, yaml};

/// Extensions that Ansible leaves alone in inventory directories (`INVENTORY_IGNORE_EXTS`).
const IGNORED: [&str; 12] =
    [".pyc", ".pyo", ".swp", ".bak", "~", ".rpm", ".md", ".txt", ".rst", ".orig", ".cfg", ".retry"];

/// Directories nested deeper than this are a circle of links.
const MAX_DEPTH: usize = 20;

pub(super) fn load_spec(sources: &Sources, spec: &str, builder: &mut Builder, diags: &mut Diagnostics) {
    let path = Path::new(spec);
    if path.exists() {
        load_path(sources, path, builder, diags, 0);
    } else if spec.contains(',') {
        host_list(spec, builder);
    } else {
        let d = Diagnostic::error(format!("inventory `{spec}` does not exist"));
        diags.push(if spec.contains(char::is_whitespace) || spec.is_empty() {
            d
        } else {
            d.help(format!("a list of hosts has a comma: -i '{spec},'"))
        });
    }
}

/// The directory whose `group_vars` and `host_vars` belong to a source.
pub(super) fn vars_root(spec: &str) -> Option<PathBuf> {
    let path = Path::new(spec);
    if path.is_dir() {
        return Some(path.to_path_buf());
    }
    if !path.exists() {
        return None;
    }
    let parent = path.parent().unwrap_or(Path::new(""));
    Some(if parent.as_os_str().is_empty() { PathBuf::from(".") } else { parent.to_path_buf() })
}

fn load_path(sources: &Sources, path: &Path, builder: &mut Builder, diags: &mut Diagnostics, depth: usize) {
    if path.is_dir() {
        load_dir(sources, path, builder, diags, depth);
        return;
    }
    if script::is_script(path) {
        if let Err(d) = script::read(path, builder, diags) {
            diags.push(d);
        }
        return;
    }
    let file = match sources.read(path) {
        Ok(file) => file,
        Err(d) => return diags.push(d),
    };
    read_text(sources, file, path, builder, diags);
}

/// Reads a file by its extension.
pub(super) fn read_text(
    sources: &Sources,
    file: FileId,
    path: &Path,
    builder: &mut Builder,
    diags: &mut Diagnostics,
) {
    builder.guard(sources, file);
    match path.extension().and_then(|e| e.to_str()) {
        Some("yml" | "yaml" | "json") => yaml_file(sources, file, builder, diags),
        Some("toml") => diags.push(
            Diagnostic::error(format!("{}: TOML inventories are not supported", path.display()))
                .help("write it as YAML or INI"),
        ),
        None => unnamed(sources, file, builder, diags),
        Some(_) => ini::read(sources, file, builder, diags),
    }
}

fn load_dir(sources: &Sources, dir: &Path, builder: &mut Builder, diags: &mut Diagnostics, depth: usize) {
    if depth > MAX_DEPTH {
        return diags.push(Diagnostic::error(format!("{}: directories nested too deep", dir.display())));
    }
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) => return diags.push(Diagnostic::error(format!("cannot read {}: {e}", dir.display()))),
    };
    let mut names: Vec<_> = entries.filter_map(Result::ok).map(|e| e.file_name()).collect();
    names.sort();
    for name in names {
        let text = name.to_string_lossy();
        let skip = text.starts_with('.')
            || text == "group_vars"
            || text == "host_vars"
            || IGNORED.iter().any(|ext| text.ends_with(ext));
        if !skip {
            load_path(sources, &dir.join(&name), builder, diags, depth + 1);
        }
    }
}

fn yaml_file(sources: &Sources, file: FileId, builder: &mut Builder, diags: &mut Diagnostics) {
    let Some(documents) = load(sources, file, diags) else { return };
    if let Some(second) = documents.get(1) {
        diags.push(
            Diagnostic::error("an inventory has a single YAML document").at(second.span, "the second one"),
        );
    }
    let Some(document) = documents.first() else { return };
    match document.get("plugin") {
        Some(name) => plugin::read(document, name, &sources.path(file), sources, builder, diags),
        None => yaml::read(document, builder, diags),
    }
}

/// A file without extension is YAML if it reads as a mapping (or says so), else INI, as in Ansible.
fn unnamed(sources: &Sources, file: FileId, builder: &mut Builder, diags: &mut Diagnostics) {
    let mut found = Diagnostics::new();
    let documents = load(sources, file, &mut found);
    let mapping = documents.as_ref().is_some_and(|d| d.iter().any(|n| n.as_map().is_some()));
    if mapping || sources.text(file).starts_with("---") {
        yaml_file(sources, file, builder, diags);
    } else {
        ini::read(sources, file, builder, diags);
    }
}

/// `a,b,`: names and ports, no ranges.
fn host_list(spec: &str, builder: &mut Builder) {
    let file_span = provision_source::Span::NONE;
    for item in spec.split(',').map(str::trim).filter(|h| !h.is_empty()) {
        let (name, port) = if item.contains('[') && item.contains(':') && !item.starts_with('[') {
            (item, None)
        } else {
            range::split_port(item)
        };
        builder.add_host(name, file_span);
        builder.add_member("ungrouped", name);
        if let Some(port) = port {
            let port = provision_source::Node::new(file_span, provision_source::Yaml::Int(port.into()));
            builder.set_host_var(name, "ansible_port".into(), port);
        }
    }
}
