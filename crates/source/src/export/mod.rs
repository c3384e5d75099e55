//! Diagnostics for programs: JSON, SARIF and GitHub's workflow commands.

mod github;
mod json;
mod sarif;

pub use github::github;
pub use json::json;
pub use sarif::sarif;

use crate::{Diagnostic, Severity, Sources, Span};

/// The code of diagnostics that have none of their own.
pub(crate) const OTHER: &str = "invalid";

/// Where something stands, for people: lines and columns (in characters) count from 1, the end is one past the last
/// character.
pub(crate) struct Region {
    pub file: String,
    pub line: usize,
    pub column: usize,
    pub end_line: usize,
    pub end_column: usize,
}

impl Region {
    /// None for what stands in no file.
    pub fn of(span: Span, sources: &Sources) -> Option<Region> {
        if span.is_none() {
            return None;
        }
        let (line, column) = sources.line_col(span);
        let (end_line, end_column) = sources.line_col(Span { start: span.end.max(span.start), ..span });
        let file = sources.path(span.file).to_string_lossy().into_owned();
        Some(Region { file, line, column, end_line, end_column })
    }
}

pub(crate) fn severity(diagnostic: &Diagnostic) -> &'static str {
    match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

/// The words beside the place, if there are any.
pub(crate) fn label(diagnostic: &Diagnostic) -> Option<&str> {
    let primary = diagnostic.labels.iter().find(|label| label.primary).or(diagnostic.labels.first());
    primary.map(|label| label.text.as_str()).filter(|text| !text.is_empty())
}
