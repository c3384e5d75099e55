//! SARIF 2.1.0 (<https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>).

use std::path::Path;

use serde_json::{Value, json};

use super::{OTHER, Region, label, severity};
use crate::{Diagnostic, Diagnostics, Sources, Span};

/// A SARIF log of one run, with a newline at the end. Files below `root` are named relative to it (`%SRCROOT%`), others
/// by their whole path.
pub fn sarif(diagnostics: &Diagnostics, sources: &Sources, root: &Path, version: &str) -> String {
    let sorted = diagnostics.sorted(sources);
    let mut codes: Vec<&str> = sorted.iter().map(|d| d.code.unwrap_or(OTHER)).collect();
    codes.sort_unstable();
    codes.dedup();
    let results: Vec<Value> = sorted.iter().map(|d| result(d, &codes, sources, root)).collect();
    let rules: Vec<Value> = codes.iter().map(|code| json!({ "id": code, "name": camel(code) })).collect();
    let document = json!({
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "provision", "version": version, "rules": rules } },
            "columnKind": "unicodeCodePoints",
            "originalUriBaseIds": { "%SRCROOT%": { "uri": directory(root) } },
            "results": results,
        }],
    });
    format!("{document:#}\n")
}

fn result(diagnostic: &Diagnostic, codes: &[&str], sources: &Sources, root: &Path) -> Value {
    let code = diagnostic.code.unwrap_or(OTHER);
    let mut text = diagnostic.title.clone();
    if let Some(label) = label(diagnostic) {
        text.push_str(&format!(": {label}"));
    }
    for more in diagnostic.notes.iter().chain(&diagnostic.help) {
        text.push_str(&format!("\n{more}"));
    }
    let mut value = json!({
        "ruleId": code,
        "ruleIndex": codes.iter().position(|c| *c == code),
        "level": severity(diagnostic),
        "message": { "text": text },
    });
    let main = diagnostic.span();
    value["locations"] = location(main, sources, root).into_iter().collect::<Vec<_>>().into();
    let related: Vec<Value> = diagnostic
        .labels
        .iter()
        .filter(|label| label.span != main)
        .filter_map(|label| {
            let mut place = location(label.span, sources, root)?;
            place["message"] = json!({ "text": label.text });
            Some(place)
        })
        .collect();
    if !related.is_empty() {
        value["relatedLocations"] = related.into();
    }
    value
}

fn location(span: Span, sources: &Sources, root: &Path) -> Option<Value> {
    let region = Region::of(span, sources)?;
    let path = Path::new(&region.file);
    let artifact = match path.strip_prefix(root) {
        Ok(below) => json!({ "uri": encode(&below.to_string_lossy()), "uriBaseId": "%SRCROOT%" }),
        Err(_) if path.is_relative() => json!({ "uri": encode(&region.file), "uriBaseId": "%SRCROOT%" }),
        Err(_) => json!({ "uri": format!("file://{}", encode(&region.file)) }),
    };
    Some(json!({
        "physicalLocation": {
            "artifactLocation": artifact,
            "region": {
                "startLine": region.line,
                "startColumn": region.column,
                "endLine": region.end_line,
                "endColumn": region.end_column,
            },
        },
    }))
}

/// The URI of a directory ends with a slash.
fn directory(root: &Path) -> String {
    format!("file://{}/", encode(root.to_string_lossy().trim_end_matches('/')))
}

/// A path as part of a URI (RFC 3986).
fn encode(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' => {
                out.push(byte.into())
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// `unknown-option` as `UnknownOption`: how the names of rules are written.
fn camel(code: &str) -> String {
    code.split('-')
        .flat_map(|word| {
            let mut chars = word.chars();
            chars.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(chars).collect::<Vec<_>>()
        })
        .collect()
}
