//! Diagnostics as text, in rustc's form.

use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Renderer, Snippet};

use crate::{Diagnostic, Diagnostics, Label, Severity, Sources, Span};

/// Renders all diagnostics, sorted by place, with a blank line between them and a newline at the end.
/// `width` is the terminal's, in columns; long source lines are cut to it.
pub fn render(diagnostics: &Diagnostics, sources: &Sources, color: bool, width: Option<usize>) -> String {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let renderer = match width {
        Some(width) => renderer.term_width(width.max(40)),
        None => renderer,
    };
    let mut out = String::new();
    for diagnostic in diagnostics.sorted(sources) {
        if !out.is_empty() {
            out.push('\n');
        }
        out.push_str(&render_one(diagnostic, sources, &renderer));
        out.push('\n');
    }
    out
}

fn render_one(diagnostic: &Diagnostic, sources: &Sources, renderer: &Renderer) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut title = level.primary_title(printable(&diagnostic.title));
    if let Some(code) = diagnostic.code {
        title = title.id(code);
    }
    let mut group = Group::with_title(title);
    for labels in by_file(&diagnostic.labels) {
        if sources.is_secret(labels[0].span.file) {
            for label in labels {
                let place = sources.location(label.span);
                let text = format!("{place}: {} (the file is encrypted: its text is not shown)", label.text);
                group = group.element(Level::NOTE.message(printable(&text)));
            }
            continue;
        }
        group = group.element(snippet(labels, sources));
    }
    for note in &diagnostic.notes {
        group = group.element(Level::NOTE.message(printable(note)));
    }
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(printable(help)));
    }
    renderer.render(&[group])
}

/// Labels in groups of one file each, the file of the primary label first.
fn by_file(labels: &[Label]) -> Vec<Vec<&Label>> {
    let mut groups: Vec<Vec<&Label>> = Vec::new();
    let (primary, secondary): (Vec<&Label>, Vec<&Label>) = labels.iter().partition(|l| l.primary);
    for label in primary.into_iter().chain(secondary) {
        match groups.iter_mut().find(|g| g[0].span.file == label.span.file) {
            Some(group) => group.push(label),
            None => groups.push(vec![label]),
        }
    }
    groups
}

fn snippet<'a>(labels: Vec<&Label>, sources: &Sources) -> Snippet<'a, Annotation<'a>> {
    let file = labels[0].span.file;
    let text = sources.text(file);
    let spans: Vec<Span> = labels.iter().map(|l| underlined(l.span, &text)).collect();
    let from = spans.iter().map(|s| s.start).min().unwrap_or(0);
    let to = spans.iter().map(|s| s.end.max(s.start + 1) - 1).max().unwrap_or(0);
    // Only the lines in question: files may be large, and the renderer walks all it is given.
    let (line, start, end) = sources.lines_around(file, from, to);
    // One char in, one char of equal length out, so that offsets stay true.
    let shown: String = text[start..end]
        .chars()
        .map(|c| if c.is_ascii_control() && c != '\n' && c != '\t' && c != '\r' { '?' } else { c })
        .collect();
    let length = shown.len();
    Snippet::source(shown)
        .line_start(line)
        .path(printable(&sources.path(file).to_string_lossy()))
        .annotations(labels.iter().zip(spans).map(|(label, span)| {
            let kind = if label.primary { AnnotationKind::Primary } else { AnnotationKind::Context };
            let range = (span.start as usize - start).min(length)..(span.end as usize - start).min(length);
            let annotation = kind.span(range);
            if label.text.is_empty() { annotation } else { annotation.label(printable(&label.text)) }
        }))
}

/// The part of a span to underline: its first line, within the text, on character boundaries.
fn underlined(span: Span, text: &str) -> Span {
    let mut start = (span.start as usize).min(text.len());
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    let mut end = (span.end as usize).clamp(start, text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    if let Some(newline) = text[start..end].find('\n') {
        end = start + newline;
    }
    end = start + text[start..end].trim_end().len();
    Span::new(span.file, start as u32, end as u32)
}

/// No control characters: names and values from elsewhere must not drive the terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}
