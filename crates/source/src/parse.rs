//! YAML text to [`Node`]s: saphyr's events, PyYAML's meaning.

use std::path::Path;
use std::sync::Arc;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Tag};

use crate::explain::explain;
use crate::scalar::{parse_bool, parse_float, parse_int, resolve_plain};
use crate::{Diagnostic, Diagnostics, FileId, Mapping, Node, Sources, Span, Yaml};

/// Nesting beyond this is refused; nobody writes it, and recursion over nodes stays safe.
const MAX_DEPTH: usize = 200;
/// Nodes that aliases may stand for in one file, all told ("billion laughs").
const MAX_ALIASED: usize = 2_000_000;
/// Tabs after a colon that are forgiven in one file.
const MAX_TABS: usize = 200;

/// Parses all documents of a file. Warnings are dropped; [`load`] keeps them.
///
/// # Errors
/// Everything wrong with the file: up to the first syntax error, every unknown tag, bad key and the like.
pub fn parse(sources: &Sources, file: FileId) -> Result<Vec<Node>, Diagnostics> {
    let mut diagnostics = Diagnostics::new();
    match load(sources, file, &mut diagnostics) {
        Some(documents) => Ok(documents),
        None => Err(diagnostics.into_iter().filter(Diagnostic::is_error).collect()),
    }
}

/// [`Sources::add`] and [`parse`].
///
/// # Errors
/// As [`parse`].
pub fn parse_str(
    sources: &Sources,
    path: impl AsRef<Path>,
    text: impl Into<Arc<str>>,
) -> Result<Vec<Node>, Diagnostics> {
    parse(sources, sources.add(path, text))
}

/// Parses all documents of a file, adding errors and warnings (duplicate keys) to `diagnostics`.
/// `None` when there was an error.
pub fn load(sources: &Sources, file: FileId, diagnostics: &mut Diagnostics) -> Option<Vec<Node>> {
    let source = sources.text(file);
    let mut text = source.to_string();
    for _ in 0..=MAX_TABS {
        let mut builder = Builder::new(file, &text);
        match builder.run() {
            Ok(()) => {
                let failed = builder.diagnostics.has_errors();
                diagnostics.extend(builder.diagnostics);
                return (!failed).then_some(builder.documents);
            }
            Err(error) => {
                let at = builder.byte(error.marker().index()) as usize;
                // A tab between colon and value is fine for Ansible's scanner and an error for ours.
                if let Some(tabs) = forgiven_tabs(&error, &text, at) {
                    text.replace_range(tabs.clone(), &" ".repeat(tabs.len()));
                    continue;
                }
                diagnostics.extend(builder.diagnostics);
                diagnostics.push(explain(file, &source, at, error.info()));
                return None;
            }
        }
    }
    diagnostics.push(
        Diagnostic::error("too many tabs between keys and values")
            .at(Span::new(file, 0, 0), "in this file")
            .help("use spaces"),
    );
    None
}

fn forgiven_tabs(error: &ScanError, text: &str, at: usize) -> Option<std::ops::Range<usize>> {
    if !error.info().starts_with("':' must be followed") {
        return None;
    }
    let before = text.get(..at)?;
    let start = before.trim_end_matches('\t').len();
    (start < at).then_some(start..at)
}

/// A collection whose end has not been seen.
struct Open {
    start: u32,
    end: u32,
    anchor: usize,
    tag: Option<Arc<str>>,
    kind: Kind,
    /// Nodes in it, aliases expanded, and the levels below it.
    weight: usize,
    depth: usize,
}

enum Kind {
    Seq(Vec<Node>),
    Map { entries: Vec<(Node, Node)>, key: Option<Node> },
}

/// A finished node as the target of aliases.
#[derive(Clone)]
struct Anchored {
    node: Node,
    weight: usize,
    depth: usize,
}

struct Builder<'a> {
    file: FileId,
    text: &'a str,
    /// Bytes of a byte order mark that the scanner never sees.
    skipped: u32,
    /// A (character, byte) pair that moves along: the scanner counts characters, we bytes.
    cursor: (usize, usize),
    ascii: bool,
    open: Vec<Open>,
    anchors: std::collections::HashMap<usize, Anchored>,
    aliased: usize,
    last_end: u32,
    documents: Vec<Node>,
    diagnostics: Diagnostics,
}

impl<'a> Builder<'a> {
    fn new(file: FileId, text: &'a str) -> Builder<'a> {
        let body = text.strip_prefix('\u{feff}').unwrap_or(text);
        Builder {
            file,
            text: body,
            skipped: (text.len() - body.len()) as u32,
            cursor: (0, 0),
            ascii: body.is_ascii(),
            open: Vec::new(),
            anchors: Default::default(),
            aliased: 0,
            last_end: 0,
            documents: Vec::new(),
            diagnostics: Diagnostics::new(),
        }
    }

    fn run(&mut self) -> Result<(), ScanError> {
        let text = self.text;
        for event in Parser::new_from_str(text) {
            let (event, span) = event?;
            let (start, end) = (self.byte(span.start.index()), self.byte(span.end.index()));
            match event {
                Event::Scalar(value, style, anchor, tag) => {
                    self.scalar(&value, style, anchor, tag, start, end)
                }
                Event::SequenceStart(anchor, tag) => {
                    self.start(start, end, anchor, tag, Kind::Seq(Vec::new()));
                }
                Event::MappingStart(anchor, tag) => {
                    self.start(start, end, anchor, tag, Kind::Map { entries: Vec::new(), key: None });
                }
                Event::SequenceEnd | Event::MappingEnd => self.end(end),
                Event::Alias(id) => self.alias(id, start, end),
                Event::Nothing | Event::StreamStart | Event::StreamEnd => {}
                Event::DocumentStart(_) => self.last_end = end,
                Event::DocumentEnd => self.anchors.clear(),
            }
            if self.open.len() > MAX_DEPTH {
                let span = self.span(start, end);
                self.diagnostics.push(
                    Diagnostic::error(format!("nested more than {MAX_DEPTH} levels deep")).at(span, "here"),
                );
                return Ok(());
            }
        }
        Ok(())
    }

    /// Byte offset in the file of a character offset of the scanner.
    fn byte(&mut self, char_index: usize) -> u32 {
        if self.ascii {
            return char_index.min(self.text.len()) as u32 + self.skipped;
        }
        let (mut chars, mut bytes) = self.cursor;
        let text = self.text.as_bytes();
        let is_start = |b: u8| (b & 0xc0) != 0x80;
        while chars < char_index && bytes < text.len() {
            bytes += 1;
            while bytes < text.len() && !is_start(text[bytes]) {
                bytes += 1;
            }
            chars += 1;
        }
        while chars > char_index && bytes > 0 {
            bytes -= 1;
            while bytes > 0 && !is_start(text[bytes]) {
                bytes -= 1;
            }
            chars -= 1;
        }
        self.cursor = (chars, bytes);
        bytes as u32 + self.skipped
    }

    fn span(&self, start: u32, end: u32) -> Span {
        Span::new(self.file, start, end)
    }

    fn start(
        &mut self,
        start: u32,
        end: u32,
        anchor: usize,
        tag: Option<std::borrow::Cow<'_, Tag>>,
        kind: Kind,
    ) {
        let span = self.span(start, end);
        let standard = if matches!(kind, Kind::Seq(_)) { "seq" } else { "map" };
        let tag = match tag.as_deref().map(tag_name) {
            None => None,
            Some(TagName::Standard(name)) if name == standard => None,
            Some(TagName::Standard(name)) => {
                self.refuse_standard(&name, span);
                None
            }
            Some(TagName::Local(name)) if &*name == "!unsafe" => Some(name),
            Some(TagName::Local(name)) if matches!(&*name, "!vault" | "!vault-encrypted") => {
                self.diagnostics
                    .push(Diagnostic::error(format!("`{name}` needs a string")).at(span, "this is not one"));
                None
            }
            Some(TagName::Local(name)) => {
                self.refuse_local(&name, span);
                None
            }
            Some(TagName::None) => None,
        };
        self.last_end = end;
        self.open.push(Open { start, end, anchor, tag, kind, weight: 1, depth: 1 });
    }

    fn end(&mut self, end: u32) {
        let Some(open) = self.open.pop() else { return };
        // A flow collection ends with its bracket; the end of a block is only noticed at the next token.
        let written = |from: u32, to: u32| {
            self.text
                .get((from - self.skipped) as usize..(to - self.skipped) as usize)
                .unwrap_or_default()
                .trim_end()
        };
        let opened = written(open.start, open.end);
        let closed = (opened.ends_with('[') || opened.ends_with('{')) && end > self.last_end;
        let end = if closed { open.start + written(open.start, end).len() as u32 } else { end };
        let end = if closed { end } else { self.last_end.max(open.end) };
        self.last_end = end;
        let span = self.span(open.start, end);
        let value = match open.kind {
            Kind::Seq(items) => Yaml::Seq(items.into()),
            Kind::Map { entries, .. } => Yaml::Map(Arc::new(self.mapping(entries))),
        };
        let mut node = Node { span, tag: open.tag, value };
        if node.is_unsafe() {
            node = node.all_unsafe();
        }
        self.push(node, open.anchor, open.weight, open.depth);
    }

    fn scalar(
        &mut self,
        value: &str,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<std::borrow::Cow<'_, Tag>>,
        start: u32,
        end: u32,
    ) {
        let plain = style == ScalarStyle::Plain;
        let (start, end) = if plain && value.is_empty() && tag.is_none() && anchor == 0 {
            // Nothing was written: the place is right after what came before it, and not the next token.
            let at = self.nothing_at();
            (at, at)
        } else if matches!(style, ScalarStyle::Literal | ScalarStyle::Folded) {
            (self.block_header(start), end)
        } else {
            (start, end)
        };
        let span = self.span(start, end);
        self.last_end = end;
        let text = || Yaml::Str(Arc::from(value));
        let resolved = || if plain { resolve_plain(value) } else { text() };
        let mut kept = None;
        let value = match tag.as_deref().map(tag_name) {
            None | Some(TagName::None) => resolved(),
            Some(TagName::Standard(name)) => self.standard(&name, value, span),
            Some(TagName::Local(name)) => match &*name {
                "!unsafe" => {
                    kept = Some(name);
                    resolved()
                }
                "!vault" | "!vault-encrypted" => {
                    kept = Some(name);
                    text()
                }
                _ => {
                    self.refuse_local(&name, span);
                    text()
                }
            },
        };
        self.push(Node { span, tag: kept, value }, anchor, 1, 1);
    }

    /// Behind the `:` or `-` that nothing follows.
    fn nothing_at(&self) -> u32 {
        let from = (self.last_end.max(self.skipped) - self.skipped) as usize;
        let mut rest = self.text.get(from..).unwrap_or_default();
        loop {
            let trimmed = rest.trim_start();
            if trimmed.len() < rest.len() && trimmed.starts_with('#') {
                rest = trimmed.trim_start_matches(|c| c != '\n');
                continue;
            }
            let behind =
                if trimmed.starts_with([':', '-', '?']) { &trimmed[1..] } else { return self.last_end };
            return (self.text.len() - behind.len()) as u32 + self.skipped;
        }
    }

    /// The place of a block scalar's `|` or `>`; the scanner tells where its first line of text is.
    fn block_header(&self, content: u32) -> u32 {
        let from = (self.last_end.max(self.skipped) - self.skipped) as usize;
        let Some(between) = self.text.get(from..) else { return content };
        let mut comment = false;
        let mut previous = ' ';
        for (i, c) in between.char_indices() {
            match c {
                '\n' => comment = false,
                _ if comment => {}
                '#' if previous.is_whitespace() => comment = true,
                // Tags and anchors come before the header and belong to the scalar.
                '|' | '>' | '!' | '&' => return self.skipped + (from + i) as u32,
                _ => {}
            }
            previous = c;
        }
        content
    }

    fn standard(&mut self, name: &str, value: &str, span: Span) -> Yaml {
        let parsed = match name {
            "str" => return Yaml::Str(Arc::from(value)),
            "null" => return Yaml::Null,
            "bool" => parse_bool(value).map(Yaml::Bool),
            "int" => parse_int(value),
            "float" => parse_float(value).or_else(|| value.parse().ok()).map(Yaml::Float),
            // Only YAML 1.1's own words for "anything", as dates are text to us.
            "timestamp" => return Yaml::Str(Arc::from(value)),
            _ => {
                self.refuse_standard(name, span);
                return Yaml::Null;
            }
        };
        parsed.unwrap_or_else(|| {
            self.diagnostics
                .push(Diagnostic::error(format!("`{value}` is no value for `!!{name}`")).at(span, ""));
            Yaml::Null
        })
    }

    fn refuse_standard(&mut self, name: &str, span: Span) {
        self.diagnostics.push(
            Diagnostic::error(format!("the YAML tag `!!{name}` is not supported here"))
                .at(span, "tagged value")
                .note("supported: !!str, !!int, !!float, !!bool, !!null, !!seq, !!map, !vault, !unsafe"),
        );
    }

    fn refuse_local(&mut self, name: &str, span: Span) {
        let near = crate::nearest(name, ["!vault", "!unsafe", "!vault-encrypted"]);
        let title = format!("unknown YAML tag `{name}`");
        let help = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => "quote the value if the `!` is part of it".to_string(),
        };
        self.diagnostics.push(
            Diagnostic::error(title)
                .at(span, "")
                .note("known tags are `!vault`, `!vault-encrypted` and `!unsafe`")
                .help(help),
        );
    }

    fn alias(&mut self, id: usize, start: u32, end: u32) {
        let span = self.span(start, end);
        self.last_end = end;
        let Some(target) = self.anchors.get(&id).cloned() else {
            self.diagnostics.push(
                Diagnostic::error("an alias stands inside the value it refers to").at(span, "this alias"),
            );
            self.push(Node::new(span, Yaml::Null), 0, 1, 1);
            return;
        };
        self.aliased = self.aliased.saturating_add(target.weight);
        if self.aliased > MAX_ALIASED || self.open.len() + target.depth > MAX_DEPTH {
            let what = if self.aliased > MAX_ALIASED { "to too many values" } else { "too deep" };
            self.diagnostics.push(
                Diagnostic::error(format!("aliases expand {what}"))
                    .code("yaml-aliases")
                    .at(span, "this alias goes over the limit"),
            );
            self.push(Node::new(span, Yaml::Null), 0, 1, 1);
            return;
        }
        // The alias is where the value is used; that is the place to talk about.
        self.push(target.node.at(span), 0, target.weight, target.depth);
    }

    fn push(&mut self, node: Node, anchor: usize, weight: usize, depth: usize) {
        if anchor != 0 {
            self.anchors.insert(anchor, Anchored { node: node.clone(), weight, depth });
        }
        let Some(open) = self.open.last_mut() else {
            self.documents.push(node);
            return;
        };
        open.weight = open.weight.saturating_add(weight);
        open.depth = open.depth.max(depth + 1);
        match &mut open.kind {
            Kind::Seq(items) => items.push(node),
            Kind::Map { entries, key } => match key.take() {
                Some(k) => entries.push((k, node)),
                None => *key = Some(node),
            },
        }
    }

    /// Merge keys, duplicates and keys that cannot be keys.
    fn mapping(&mut self, entries: Vec<(Node, Node)>) -> Mapping {
        let mut merged = Mapping::new();
        if entries.iter().any(|(k, _)| self.is_merge(k)) {
            for (key, value) in &entries {
                if self.is_merge(key) {
                    self.merge(value, &mut merged);
                }
            }
        }
        let inherited = merged.len();
        let mut own: Mapping = Mapping::new();
        for (key, value) in entries {
            if self.is_merge(&key) {
                continue;
            }
            if matches!(key.value, Yaml::Seq(_) | Yaml::Map(_)) {
                self.diagnostics.push(self.bad_key(&key));
                continue;
            }
            if let Some((first, _)) = own.entry_node(&key) {
                let warning = Diagnostic::warning(format!("duplicate key `{}`", key.key_text()))
                    .at(key.span, "this one counts")
                    .also(first.span, "first given here")
                    .note("the last of equal keys is used, as in Ansible");
                self.diagnostics.push(warning);
            }
            if inherited > 0 {
                merged.insert(key.clone(), value.clone());
            }
            own.insert(key, value);
        }
        if inherited > 0 { merged } else { own }
    }

    fn is_merge(&self, key: &Node) -> bool {
        key.as_str() == Some("<<")
            && key.tag.is_none()
            && !self.text[(key.span.start - self.skipped) as usize..].starts_with(['"', '\'', '!', '&'])
    }

    fn merge(&mut self, value: &Node, into: &mut Mapping) {
        let bad = |node: &Node| {
            Diagnostic::error(format!("`<<` merges mappings, this is a {}", node.kind_name()))
                .at(node.span, "")
        };
        match &value.value {
            Yaml::Map(map) => {
                for (k, v) in map.iter() {
                    into.insert(k.clone(), v.clone());
                }
            }
            // Earlier mappings win over later ones.
            Yaml::Seq(items) => {
                for item in items.iter().rev() {
                    match &item.value {
                        Yaml::Map(_) => self.merge(item, into),
                        _ => self.diagnostics.push(bad(item)),
                    }
                }
            }
            _ => self.diagnostics.push(bad(value)),
        }
    }

    fn bad_key(&self, key: &Node) -> Diagnostic {
        let start = (key.span.start - self.skipped) as usize;
        let brace = self.text[..start].trim_end_matches(' ').ends_with('{');
        if brace && self.text[start..].starts_with('{') {
            let open = self.text[..start].rfind('{').unwrap_or(start);
            let line_end = self.text[open..].find('\n').map_or(self.text.len(), |i| open + i);
            let value = self.text[open..line_end].trim_end();
            let span = self.span(open as u32 + self.skipped, (open + value.len()) as u32 + self.skipped);
            return crate::explain::unquoted_template(span, value);
        }
        Diagnostic::error(format!("a {} cannot be a key", key.kind_name())).at(key.span, "used as a key")
    }
}

enum TagName {
    /// No tag in effect (`!`, which libyaml resolves like no tag at all).
    None,
    /// `!!name`
    Standard(String),
    /// Anything else, as written.
    Local(Arc<str>),
}

fn tag_name(tag: &Tag) -> TagName {
    let full = format!("{}{}", tag.handle, tag.suffix);
    match full.strip_prefix("tag:yaml.org,2002:") {
        Some(name) => TagName::Standard(name.to_string()),
        None if full == "!" => TagName::None,
        None => TagName::Local(full.into()),
    }
}
