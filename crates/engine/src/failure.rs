//! Why a task failed, in Ansible's words: from the task inwards to what was wrong, each with its place.

use crate::event::Cause;
use crate::host_task::{Reply, TaskRun};
use crate::render::RenderError;
use provision_source::{Sources, Span};
use provision_templates::{ErrorKind, Scope as _};
use serde_json::Value;

/// Lines of a file that are shown: the one that is meant and those before it.
const LINES: usize = 3;
/// Columns of such a line, with its number.
const WIDTH: usize = 120;
/// What stands before what is wrong with a condition.
const CONDITION: &str = "Error while evaluating conditional";

/// One level: what was being done, and where that stands.
struct Level {
    text: String,
    span: Span,
    /// A template file, which is no source.
    template: Option<String>,
}

impl TaskRun {
    /// The message of a template that failed, and its causes.
    pub(crate) fn explain(&self, error: &RenderError) -> (String, Vec<Cause>) {
        let level = |text: &str, span: Span| Level { text: text.to_owned(), span, template: None };
        let mut levels = Vec::new();
        if !error.bare {
            levels.push(level("Task failed", self.task.span));
        }
        levels.extend(error.outer.iter().map(|(text, span)| level(text, *span)));
        let message = &error.error.message;
        match (error.error.origin, message.strip_prefix(CONDITION).and_then(|rest| rest.strip_prefix(": "))) {
            // The condition stands elsewhere than the variable that is wrong.
            (Some(origin), Some(rest)) => {
                levels.push(level(CONDITION, error.span));
                levels.push(level(rest, origin));
            }
            (origin, _) => levels.push(level(message, origin.unwrap_or(error.span))),
        }
        if let (Some(last), Some(template)) = (levels.last_mut(), &error.error.template) {
            let line = error.error.line.map(|line| format!(":{line}")).unwrap_or_default();
            last.template = Some(format!("{template}{line}"));
        }
        let headline = levels.iter().map(|level| level.text.trim_end_matches('.'));
        let mut headline = headline.collect::<Vec<_>>().join(": ");
        if levels.last().is_some_and(|level| level.text.ends_with('.')) {
            headline.push('.');
        }
        let mut causes = self.causes(levels);
        if let Some(last) = causes.last_mut() {
            last.help = error.help.map(str::to_owned);
            last.hint = self.hint(error);
        }
        (headline, causes)
    }

    /// The causes of a failure that is a result: the module's, the action's, or the connection's.
    pub(crate) fn result_causes(&self, reply: &Reply) -> Vec<Cause> {
        let who = match () {
            () if reply.unreachable || reply.by_nobody => "",
            () if reply.by_module => "Module failed: ",
            () => "Action failed: ",
        };
        let text = match reply.result.get("msg").and_then(Value::as_str) {
            Some(msg) if msg.starts_with("Task failed") => msg.to_owned(),
            Some(msg) if !msg.is_empty() => format!("Task failed: {who}{msg}"),
            Some(_) => format!("Task failed: {}.", who.trim_end_matches([':', ' '])),
            None => format!("Task failed: {who}Unknown error."),
        };
        self.causes(vec![Level { text, span: self.task.span, template: None }])
    }

    /// Levels of the same place become one.
    fn causes(&self, levels: Vec<Level>) -> Vec<Cause> {
        let sources = &self.engine.loader.sources;
        let redact = |text: String| self.engine.secrets.redact(&text);
        let mut causes: Vec<Cause> = Vec::new();
        let count = levels.len();
        for (at, level) in levels.into_iter().enumerate() {
            let place = match level.template {
                Some(file) => file,
                None if level.span.is_none() => String::new(),
                None => sources.location(level.span),
            };
            let text = match level.text.trim_end_matches('.') {
                _ if at + 1 == count => level.text,
                outer => format!("{outer}."),
            };
            match causes.last_mut() {
                Some(last) if last.place == place || place.is_empty() => {
                    last.message = redact(format!("{}: {text}", last.message.trim_end_matches('.')));
                }
                _ => {
                    let excerpt = match sources_line(sources, level.span, &place) {
                        Some((line, column)) => redact(excerpt(&sources.text(level.span.file), line, column)),
                        None => String::new(),
                    };
                    let place = if place.is_empty() { "<unknown>".to_owned() } else { place };
                    causes.push(Cause { message: redact(text), place, excerpt, help: None, hint: None });
                }
            }
        }
        causes
    }

    /// A name that is nearly the missing one.
    fn hint(&self, error: &RenderError) -> Option<String> {
        let ErrorKind::Undefined { name } = &error.error.kind else { return None };
        let scope = crate::scope::task_scope(&self.engine, &self.play, &self.host, &self.task);
        let names = scope.names();
        let near = provision_source::nearest(name, names.iter().map(String::as_str))?;
        Some(format!("did you mean `{near}`?"))
    }
}

/// Line and column, if the place is in a source whose text may be shown.
fn sources_line(sources: &Sources, span: Span, place: &str) -> Option<(usize, usize)> {
    (!span.is_none() && !sources.is_secret(span.file) && place == sources.location(span))
        .then(|| sources.line_col(span))
}

/// The lines up to the one that is meant, numbered, and a mark below its column.
fn excerpt(text: &str, line: usize, column: usize) -> String {
    let first = line.saturating_sub(LINES - 1).max(1);
    let digits = line.to_string().len();
    let mut out = String::new();
    for (index, shown) in text.lines().enumerate().take(line).skip(first - 1) {
        out.push_str(&cut(format!("{:>digits$} {shown}", index + 1)));
        out.push('\n');
    }
    if digits + column <= WIDTH {
        out.push_str(&format!("{}^ column {column}\n", " ".repeat(digits + column)));
    }
    out
}

/// Longer lines lose their end.
fn cut(line: String) -> String {
    if line.chars().count() <= WIDTH {
        return line;
    }
    line.chars().take(WIDTH - 3).chain("...".chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As ansible-core shows them.
    #[test]
    fn excerpts() {
        let text = "- hosts: all\n  tasks:\n\n    - debug:\n";
        assert_eq!(excerpt(text, 1, 3), "1 - hosts: all\n    ^ column 3\n");
        assert_eq!(excerpt(text, 4, 7), "2   tasks:\n3 \n4     - debug:\n        ^ column 7\n");
        let long = format!("{}\n", "x".repeat(130));
        assert_eq!(excerpt(&long, 1, 125), format!("1 {}...\n", "x".repeat(115)));
    }
}
