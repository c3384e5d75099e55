//! One JSON document.

use serde_json::{Value, json};

use super::{OTHER, Region, label, severity};
use crate::{Diagnostic, Diagnostics, Sources, Span};

/// The version of the form; it grows when a field changes its meaning or goes away.
const SCHEMA: u32 = 1;

/// `{"schema": 1, "errors": …, "warnings": …, "diagnostics": […]}`, with a newline at the end.
///
/// A diagnostic has `severity` (`error`, `warning`), `code`, `message`, and where they are known `file`, `line`,
/// `column`, `end_line`, `end_column` (from 1, columns in characters, the end exclusive), `label` (what is said beside
/// the place), `hint`, `notes` (a list) and `related` (a list of other places with their `label`).
pub fn json(diagnostics: &Diagnostics, sources: &Sources) -> String {
    let sorted = diagnostics.sorted(sources);
    let errors = sorted.iter().filter(|d| d.is_error()).count();
    let document = json!({
        "schema": SCHEMA,
        "errors": errors,
        "warnings": sorted.len() - errors,
        "diagnostics": sorted.iter().map(|d| one(d, sources)).collect::<Vec<_>>(),
    });
    format!("{document:#}\n")
}

fn one(diagnostic: &Diagnostic, sources: &Sources) -> Value {
    let mut value = json!({
        "severity": severity(diagnostic),
        "code": diagnostic.code.unwrap_or(OTHER),
        "message": diagnostic.title,
    });
    let main = diagnostic.span();
    place(&mut value, main, sources);
    if let Some(text) = label(diagnostic) {
        value["label"] = text.into();
    }
    if let Some(help) = &diagnostic.help {
        value["hint"] = help.as_str().into();
    }
    if !diagnostic.notes.is_empty() {
        value["notes"] = diagnostic.notes.clone().into();
    }
    let related: Vec<Value> = diagnostic
        .labels
        .iter()
        .filter(|label| label.span != main)
        .map(|label| {
            let mut value = json!({ "label": label.text });
            place(&mut value, label.span, sources);
            value
        })
        .collect();
    if !related.is_empty() {
        value["related"] = related.into();
    }
    value
}

fn place(value: &mut Value, span: Span, sources: &Sources) {
    if let Some(region) = Region::of(span, sources) {
        value["file"] = region.file.into();
        value["line"] = region.line.into();
        value["column"] = region.column.into();
        value["end_line"] = region.end_line.into();
        value["end_column"] = region.end_column.into();
    }
}
