//! What is wrong, where, and what to do about it.

use std::fmt;

use crate::{Sources, Span};

#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord)]
pub enum Severity {
    Error,
    Warning,
}

/// A place in a source with a few words about it.
#[derive(Clone, PartialEq, Debug)]
pub struct Label {
    pub span: Span,
    /// May be empty: then the place is only underlined.
    pub text: String,
    /// The place the diagnostic is about, as opposed to one that explains it.
    pub primary: bool,
}

/// One finding. Built up from [`Diagnostic::error`] or [`Diagnostic::warning`].
#[derive(Clone, PartialEq, Debug)]
pub struct Diagnostic {
    pub severity: Severity,
    pub code: Option<&'static str>,
    pub title: String,
    pub labels: Vec<Label>,
    pub notes: Vec<String>,
    pub help: Option<String>,
}

impl Diagnostic {
    pub fn error(title: impl Into<String>) -> Diagnostic {
        Diagnostic::new(Severity::Error, title.into())
    }

    pub fn warning(title: impl Into<String>) -> Diagnostic {
        Diagnostic::new(Severity::Warning, title.into())
    }

    #[must_use]
    pub fn code(mut self, code: &'static str) -> Diagnostic {
        self.code = Some(code);
        self
    }

    /// The place this is about. [`Span::NONE`] adds nothing.
    #[must_use]
    pub fn at(self, span: Span, text: impl Into<String>) -> Diagnostic {
        self.label(span, text.into(), true)
    }

    /// A place that helps to understand. [`Span::NONE`] adds nothing.
    #[must_use]
    pub fn also(self, span: Span, text: impl Into<String>) -> Diagnostic {
        self.label(span, text.into(), false)
    }

    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Diagnostic {
        self.notes.push(note.into());
        self
    }

    /// What to do about it. A second call replaces the first.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Diagnostic {
        self.help = Some(help.into());
        self
    }

    /// `did you mean …?` when there is a name to suggest.
    #[must_use]
    pub fn did_you_mean(self, name: Option<&str>) -> Diagnostic {
        match name {
            Some(name) => self.help(format!("did you mean `{name}`?")),
            None => self,
        }
    }

    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// The first primary place, or the first place.
    pub fn span(&self) -> Span {
        let primary = self.labels.iter().find(|l| l.primary);
        primary.or(self.labels.first()).map_or(Span::NONE, |l| l.span)
    }

    fn new(severity: Severity, title: String) -> Diagnostic {
        Diagnostic { severity, code: None, title, labels: Vec::new(), notes: Vec::new(), help: None }
    }

    fn label(mut self, span: Span, text: String, primary: bool) -> Diagnostic {
        if !span.is_none() {
            self.labels.push(Label { span, text, primary });
        }
        self
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.title)
    }
}

impl std::error::Error for Diagnostic {}

/// Findings in the order they were made; [`crate::render`] sorts them by place.
#[derive(Clone, Default, PartialEq, Debug)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostics {
    pub fn new() -> Diagnostics {
        Diagnostics::default()
    }

    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.0.push(diagnostic);
    }

    pub fn has_errors(&self) -> bool {
        self.0.iter().any(Diagnostic::is_error)
    }

    /// Errors, exact repetitions counted once.
    pub fn error_count(&self) -> usize {
        let mut seen: Vec<&Diagnostic> = Vec::new();
        for diagnostic in self.0.iter().filter(|d| d.is_error()) {
            if !seen.contains(&diagnostic) {
                seen.push(diagnostic);
            }
        }
        seen.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.0.iter()
    }

    /// Sorted by file (in the order files were read) and place; those without a place come first.
    /// Exact repetitions are dropped.
    pub fn sorted(&self, _sources: &Sources) -> Vec<&Diagnostic> {
        let mut all: Vec<&Diagnostic> = Vec::with_capacity(self.0.len());
        for d in &self.0 {
            if !all.contains(&d) {
                all.push(d);
            }
        }
        all.sort_by_key(|d| {
            let span = d.span();
            (!span.is_none(), span.file, span.start)
        });
        all
    }
}

impl Extend<Diagnostic> for Diagnostics {
    fn extend<T: IntoIterator<Item = Diagnostic>>(&mut self, iter: T) {
        self.0.extend(iter);
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(d: Diagnostic) -> Self {
        Diagnostics(vec![d])
    }
}

impl FromIterator<Diagnostic> for Diagnostics {
    fn from_iter<T: IntoIterator<Item = Diagnostic>>(iter: T) -> Self {
        Diagnostics(iter.into_iter().collect())
    }
}

impl IntoIterator for Diagnostics {
    type Item = Diagnostic;
    type IntoIter = std::vec::IntoIter<Diagnostic>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Diagnostics {
    type Item = &'a Diagnostic;
    type IntoIter = std::slice::Iter<'a, Diagnostic>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl fmt::Display for Diagnostics {
    /// The titles, one a line, for places that have no [`Sources`] at hand.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, d) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{d}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}
