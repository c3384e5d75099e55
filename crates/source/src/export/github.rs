//! GitHub's workflow commands
//! (<https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands>).

use std::path::Path;

use super::{OTHER, Region, label, severity};
use crate::{Diagnostics, Sources};

/// A line `::error file=…,line=…::message` for each diagnostic. Files below `root` are named relative to it.
pub fn github(diagnostics: &Diagnostics, sources: &Sources, root: &Path) -> String {
    let mut out = String::new();
    for diagnostic in diagnostics.sorted(sources) {
        let mut properties = Vec::new();
        if let Some(region) = Region::of(diagnostic.span(), sources) {
            let path = Path::new(&region.file);
            let path = path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned();
            properties.push(format!("file={}", property(&path)));
            properties.push(format!("line={}", region.line));
            properties.push(format!("endLine={}", region.end_line));
            // Columns are understood within one line only.
            if region.line == region.end_line {
                properties.push(format!("col={}", region.column));
                properties.push(format!("endColumn={}", region.end_column));
            }
        }
        properties.push(format!("title={}", property(diagnostic.code.unwrap_or(OTHER))));
        let mut message = diagnostic.title.clone();
        if let Some(label) = label(diagnostic) {
            message.push_str(&format!(": {label}"));
        }
        for more in diagnostic.notes.iter().chain(&diagnostic.help) {
            message.push_str(&format!("\n{more}"));
        }
        out.push_str(&format!("::{} {}::{}\n", severity(diagnostic), properties.join(","), data(&message)));
    }
    out
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
