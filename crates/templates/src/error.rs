//! What can go wrong in a template.

use provision_source::Span;
use std::fmt;
use std::ops::{Deref, DerefMut, Range};

/// The kind of a [`TemplateError`]; what the load pass and the engine match on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErrorKind {
    /// A value that does not exist was used. `name` is the variable (or attribute) that is missing.
    Undefined {
        /// The missing name; empty when the value has none (`undef()`).
        name: String,
    },
    /// The text is not a template.
    Syntax,
    /// A filter nobody knows.
    UnknownFilter {
        /// As written in the template.
        name: String,
    },
    /// A test nobody knows.
    UnknownTest {
        /// As written in the template.
        name: String,
    },
    /// Evaluation failed: a wrong type, a failed lookup, a bad argument.
    Runtime,
    /// Variables that need each other, or templates nested too deeply.
    Recursion,
    /// The value is known only once the run applies its changes (dry runs).
    Unknown {
        /// What it depends on.
        reason: String,
    },
}

/// A template that could not be compiled or evaluated. Small: the parts are boxed, reach them as fields
/// (`error.kind`, `error.message`, …).
#[derive(Clone, PartialEq, Eq)]
pub struct TemplateError(Box<ErrorParts>);

/// The fields of a [`TemplateError`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorParts {
    /// What kind of failure.
    pub kind: ErrorKind,
    /// One line for people, in Ansible's words where it has some.
    pub message: String,
    /// 1-based line within the text given (or the template file named by `template`).
    pub line: Option<u32>,
    /// The template file the error is in; none when it is the text given.
    pub template: Option<String>,
    /// Bytes within the text given.
    pub range: Option<Range<usize>>,
    /// Where the variable stands that could not be templated, when that is what failed.
    pub origin: Option<Span>,
}

impl TemplateError {
    /// An error without a place; [`TemplateError::at`] adds it.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(ErrorParts {
            kind,
            message: message.into(),
            line: None,
            template: None,
            range: None,
            origin: None,
        }))
    }

    /// A failed evaluation.
    pub fn runtime(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Runtime, message)
    }

    /// A missing value.
    pub fn undefined(name: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Undefined { name: name.into() }, message)
    }

    /// A value that only exists once changes are applied.
    pub fn unknown(reason: impl Into<String>) -> Self {
        let reason = reason.into();
        let message = format!("depends on {reason}, which is unknown until applied");
        Self::new(ErrorKind::Unknown { reason }, message)
    }

    /// Gives the error its place unless it already has one from further inside.
    #[must_use]
    pub fn at(mut self, line: u32, range: Range<usize>) -> Self {
        if self.0.line.is_none() {
            self.0.line = Some(line);
            self.0.range = Some(range);
        }
        self
    }

    /// Forgets the place: the error crosses from one text into another that knows nothing of its offsets.
    #[must_use]
    pub fn without_place(mut self) -> Self {
        self.0.line = None;
        self.0.range = None;
        self
    }

    /// Is a missing value the cause?
    pub fn is_undefined(&self) -> bool {
        matches!(self.0.kind, ErrorKind::Undefined { .. })
    }
}

impl Deref for TemplateError {
    type Target = ErrorParts;
    fn deref(&self) -> &ErrorParts {
        &self.0
    }
}

impl DerefMut for TemplateError {
    fn deref_mut(&mut self) -> &mut ErrorParts {
        &mut self.0
    }
}

impl fmt::Debug for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for TemplateError {}
