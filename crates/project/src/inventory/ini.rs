//! Inventories in INI form (<https://docs.ansible.com/ansible/latest/collections/ansible/builtin/ini_inventory.html>).

use std::collections::{HashMap, HashSet};

use provision_source::{Diagnostic, Diagnostics, FileId, Node, Sources, Span, Yaml, nearest};

use super::build::Builder;
use super::literal;
use super::range::expand;

/// Reads a whole file.
pub(super) fn read(sources: &Sources, file: FileId, builder: &mut Builder, diags: &mut Diagnostics) {
    let text = sources.text(file);
    let mut reader = Reader {
        file,
        builder,
        diags,
        section: Section::Hosts("ungrouped".to_string()),
        pending_children: HashMap::new(),
        pending_vars: Vec::new(),
        late_vars: Vec::new(),
        declared: HashSet::new(),
    };
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let lead = line.len() - line.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}').len();
        let body = line[lead..].trim_end();
        if !body.is_empty() && !body.starts_with(['#', ';']) {
            reader.line(at + lead, body);
        }
        at += line.len();
    }
    reader.finish();
}

enum Section {
    Hosts(String),
    Vars(String),
    Children(String),
    /// After a section line that was wrong: its lines cannot be judged.
    Unknown,
}

struct Reader<'a> {
    file: FileId,
    builder: &'a mut Builder,
    diags: &'a mut Diagnostics,
    section: Section,
    /// Children that no section has declared so far: child → (parent, place).
    pending_children: HashMap<String, Vec<(String, Span)>>,
    /// Groups that have variables and no declaration so far.
    pending_vars: Vec<(String, Span)>,
    /// Variables of those groups.
    late_vars: Vec<(String, String, Node)>,
    /// Groups that a section of this file made.
    declared: HashSet<String>,
}

impl Reader<'_> {
    fn line(&mut self, at: usize, body: &str) {
        if body.starts_with('[') && self.section_line(at, body) {
            return;
        }
        match &self.section {
            Section::Hosts(group) => {
                let group = group.clone();
                self.host_line(&group, at, body);
            }
            Section::Vars(group) => {
                let group = group.clone();
                self.var_line(&group, at, body);
            }
            Section::Children(group) => {
                let group = group.clone();
                self.child_line(&group, at, body);
            }
            Section::Unknown => {}
        }
    }

    /// True when the line was a section header, right or wrong.
    fn section_line(&mut self, at: usize, body: &str) -> bool {
        let header = body.split_once('#').map_or(body, |(before, _)| before).trim_end();
        let Some(inner) = header.strip_prefix('[').and_then(|h| h.strip_suffix(']')) else {
            // `[::1]:22` is a host; `[web` is not.
            if header.contains("]:") {
                return false;
            }
            self.section = Section::Unknown;
            self.diags.push(
                Diagnostic::error("a section is written `[name]`")
                    .at(self.span(at, header.len()), "no `]` here"),
            );
            return true;
        };
        let (name, kind) = inner.split_once(':').map_or((inner, None), |(n, k)| (n, Some(k)));
        let span = self.span(at, header.len());
        if name.is_empty() || inner.contains(char::is_whitespace) || kind.is_some_and(|k| k.contains(':')) {
            if header.starts_with("[") && inner.parse::<std::net::Ipv6Addr>().is_ok() {
                return false;
            }
            self.section = Section::Unknown;
            let d = Diagnostic::error(format!("invalid section `[{inner}]`")).at(span, "");
            self.diags.push(if inner.contains(char::is_whitespace) {
                d.help("remove the spaces")
            } else {
                d.help("sections are `[group]`, `[group:vars]` and `[group:children]`")
            });
            return true;
        }
        self.section = match kind {
            None => {
                self.declare(name);
                Section::Hosts(name.to_string())
            }
            Some("vars") => {
                if !self.builder.has_group(name) {
                    self.pending_vars.push((name.to_string(), span));
                }
                Section::Vars(name.to_string())
            }
            Some("children") => {
                self.declare(name);
                Section::Children(name.to_string())
            }
            Some(kind) => {
                self.diags.push(
                    Diagnostic::error(format!("unknown kind of section: `{kind}`"))
                        .at(span, "")
                        .note("sections are `[group]`, `[group:vars]` and `[group:children]`")
                        .did_you_mean(nearest(kind, ["vars", "children"])),
                );
                Section::Unknown
            }
        };
        true
    }

    fn declare(&mut self, group: &str) {
        self.builder.add_group(group);
        self.declared.insert(group.to_string());
        for (parent, span) in self.pending_children.remove(group).unwrap_or_default() {
            if let Err(d) = self.builder.add_child(&parent, group, span) {
                self.diags.push(d);
            }
        }
    }

    fn child_line(&mut self, parent: &str, at: usize, body: &str) {
        let name = body.split('#').next().unwrap_or_default().trim();
        let span = self.span(at, name.len());
        if name.is_empty() || name.contains(char::is_whitespace) {
            self.diags.push(
                Diagnostic::error("a line of a `:children` section is the name of a group")
                    .at(span, "more than a name"),
            );
        } else if self.builder.has_group(name) {
            if let Err(d) = self.builder.add_child(parent, name, span) {
                self.diags.push(d);
            }
        } else {
            self.pending_children.entry(name.to_string()).or_default().push((parent.to_string(), span));
        }
    }

    fn var_line(&mut self, group: &str, at: usize, body: &str) {
        let Some((key, value)) = body.split_once('=') else {
            self.diags.push(
                Diagnostic::error("a line of a `:vars` section is `name=value`")
                    .at(self.span(at, body.len()), "no `=` here"),
            );
            return;
        };
        let start = at + key.len() + 1 + (value.len() - value.trim_start().len());
        let span = self.span(start, value.trim().len());
        let value = literal::value(value.trim(), span);
        if self.builder.has_group(group) {
            self.builder.set_group_var(group, key.trim().into(), value, self.diags);
        } else {
            self.late_vars.push((group.to_string(), key.trim().to_string(), value));
        }
    }

    fn host_line(&mut self, group: &str, at: usize, body: &str) {
        let tokens = match split(body) {
            Ok(tokens) => tokens,
            Err((quote, c)) => {
                self.diags.push(
                    Diagnostic::error("a quoted string is not closed")
                        .at(self.span(at + quote, 1), format!("this `{c}` has no partner")),
                );
                return;
            }
        };
        let Some((first, rest)) = tokens.split_first() else { return };
        let place = self.span(at + first.start, first.end - first.start);
        if first.text.ends_with(':') {
            self.diags.push(
                Diagnostic::error("a host's name cannot end with a colon")
                    .at(place, "a port is missing")
                    .note("this is read as an INI inventory; a YAML one should have the extension .yml"),
            );
            return;
        }
        let expanded = match expand(&first.text) {
            Ok(expanded) => expanded,
            Err(message) => {
                self.diags
                    .push(Diagnostic::error(format!("bad host range: {message}")).at(place, "in this name"));
                return;
            }
        };
        let mut vars = Vec::new();
        if let Some(port) = expanded.port {
            vars.push(("ansible_port".into(), Node::new(place, Yaml::Int(port.into()))));
        }
        for token in rest {
            let span = self.span(at + token.start, token.end - token.start);
            match token.text.split_once('=') {
                Some((key, value)) => vars.push((key.into(), literal::value(value, span))),
                None => self.diags.push(
                    Diagnostic::error("host variables are written `name=value`")
                        .at(span, "no `=` here")
                        .help("quote values with spaces: name='a value'"),
                ),
            }
        }
        for name in &expanded.names {
            self.builder.add_host(name, place);
            self.builder.add_member(group, name);
            for (key, value) in &vars {
                self.builder.set_host_var(name, std::sync::Arc::clone(key), value.clone());
            }
        }
    }

    /// What was never declared.
    fn finish(self) {
        let mut undeclared: Vec<(String, Vec<(String, Span)>)> = self.pending_children.into_iter().collect();
        undeclared.sort_by_key(|(_, uses)| uses.first().map(|(_, span)| span.start));
        for (child, uses) in undeclared {
            let near = nearest(&child, self.builder.group_names()).map(str::to_string);
            for (parent, span) in uses {
                self.diags.push(
                    Diagnostic::error(format!("`[{parent}:children]` names an undefined group `{child}`"))
                        .at(span, "no section of this name")
                        .did_you_mean(near.as_deref()),
                );
            }
        }
        for (group, key, value) in self.late_vars {
            self.builder.set_group_var(&group, key.as_str().into(), value, self.diags);
        }
        for (group, span) in self.pending_vars {
            if !self.declared.contains(&group) {
                let near =
                    nearest(&group, self.builder.group_names().filter(|g| *g != group)).map(str::to_string);
                self.diags.push(
                    Diagnostic::error(format!("`[{group}:vars]` is for an undefined group"))
                        .at(span, "no section declares this group")
                        .did_you_mean(near.as_deref()),
                );
            }
        }
    }

    fn span(&self, start: usize, len: usize) -> Span {
        Span::new(self.file, start as u32, (start + len) as u32)
    }
}

struct Token {
    text: String,
    start: usize,
    end: usize,
}

/// Splits a line as a POSIX shell does; an unquoted `#` starts a comment.
///
/// # Errors
/// Place and kind of a quote that is not closed.
fn split(line: &str) -> Result<Vec<Token>, (usize, char)> {
    let mut tokens: Vec<Token> = Vec::new();
    let mut current: Option<Token> = None;
    let mut chars = line.char_indices().peekable();
    while let Some((i, c)) = chars.next() {
        if c == '#' {
            break;
        }
        if c.is_whitespace() {
            tokens.extend(current.take());
            continue;
        }
        let token = current.get_or_insert_with(|| Token { text: String::new(), start: i, end: i });
        match c {
            '\\' => {
                if let Some((_, next)) = chars.next() {
                    token.text.push(next);
                }
            }
            '\'' | '"' => loop {
                let Some((_, inner)) = chars.next() else { return Err((i, c)) };
                if inner == c {
                    break;
                }
                let escaped = chars
                    .peek()
                    .map(|(_, n)| *n)
                    .filter(|n| c == '"' && inner == '\\' && matches!(n, '"' | '\\'));
                match escaped {
                    Some(next) => {
                        chars.next();
                        token.text.push(next);
                    }
                    None => token.text.push(inner),
                }
            },
            c => token.text.push(c),
        }
        token.end = chars.peek().map_or(line.len(), |(next, _)| *next);
    }
    tokens.extend(current);
    Ok(tokens)
}
