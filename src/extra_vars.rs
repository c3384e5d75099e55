//! `-e`: `k=v` words, JSON or YAML text, or `@file`.

use provision_project::{Loader, Vars, words};
use provision_source::{Diagnostic, Diagnostics, Node};
use std::path::Path;
use std::sync::Arc;

/// All `-e` values in one, later ones on top.
pub fn parse(given: &[String], loader: &Loader, diags: &mut Diagnostics) -> Vars {
    let mut vars = Vars::new();
    for text in given {
        let trimmed = text.trim();
        if let Some(file) = trimmed.strip_prefix('@') {
            vars.extend(loader.vars_file(Path::new(file), diags));
        } else if trimmed.starts_with(['{', '[']) {
            match provision_source::parse_str(&loader.sources, "<command line>", trimmed) {
                Ok(documents) => match documents.first().and_then(Node::as_map) {
                    Some(map) => {
                        vars.extend(map.iter().filter_map(|(k, v)| Some((k.scalar_text()?, v.clone()))));
                    }
                    None => diags
                        .push(Diagnostic::error(format!("-e {trimmed}: a mapping of variables is expected"))),
                },
                Err(errors) => diags.extend(errors),
            }
        } else {
            for word in words::split(trimmed) {
                match words::pair(&word) {
                    // As in Ansible, values of this form are strings.
                    Some((name, value)) => {
                        vars.insert(Arc::from(name), Node::str(value));
                    }
                    None => diags.push(
                        Diagnostic::error(format!("-e {word}: this is not of the form name=value"))
                            .help("quote values with spaces; give files as @FILE and lists as JSON"),
                    ),
                }
            }
        }
    }
    vars
}
