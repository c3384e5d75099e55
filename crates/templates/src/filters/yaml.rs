//! YAML in and out, as PyYAML writes it.

use super::Table;
use crate::args::{Args, Param, int_arg};
use crate::error::TemplateError;
use crate::ops::Result;
use crate::text::to_str;
use crate::value::{Dict, View, dict, finalize, items, list, none, pairs, view};
use minijinja::Value;
use provision_source::{Node, Sources, Yaml, resolve_plain};
use provision_vault::Keyring;
use std::sync::Arc;

pub(super) const TABLE: Table = &[
    ("to_yaml", |eval, value, args| dump(eval.templater.vault(), &value, args, None, None)),
    ("to_nice_yaml", |eval, value, args| dump(eval.templater.vault(), &value, args, Some(4), Some(false))),
    ("from_yaml", |_, value, _| match value.as_str() {
        // documents that are no text are taken as they are
        None => Ok(value),
        Some(text) => {
            let mut documents = parse(text)?;
            match documents.len() {
                0 => Ok(none()),
                1 => Ok(documents.remove(0)),
                _ => Err(TemplateError::runtime(
                    "expected a single document in the stream but found another document",
                )),
            }
        }
    }),
    ("from_yaml_all", |_, value, _| match value.as_str() {
        None => Ok(value),
        Some(text) => parse(text).map(list),
    }),
];

fn parse(text: &str) -> Result<Vec<Value>> {
    let nodes = provision_source::parse_str(&Sources::default(), "<text>", text).map_err(|diagnostics| {
        let first = diagnostics.into_iter().next().map_or_else(String::new, |error| error.title);
        TemplateError::runtime(format!("the text is not valid YAML: {first}"))
    })?;
    Ok(nodes.iter().map(from_node).collect())
}

fn from_node(node: &Node) -> Value {
    match &node.value {
        Yaml::Null => none(),
        Yaml::Bool(flag) => Value::from(*flag),
        Yaml::Int(number) => Value::from(*number),
        Yaml::Float(number) => Value::from(*number),
        Yaml::Str(text) => Value::from(&**text),
        Yaml::Seq(nodes) => list(nodes.iter().map(from_node).collect()),
        Yaml::Map(map) => {
            dict(map.iter().map(|(key, value)| (from_node(key), from_node(value))).collect::<Dict>())
        }
    }
}

/// How YAML is laid out.
struct Style {
    indent: usize,
    width: usize,
    sort_keys: bool,
    /// True: all in flow style; false: all in blocks; none: flow for collections of scalars.
    flow: Option<bool>,
    unicode: bool,
}

fn dump(vault: &Keyring, value: &Value, mut args: Args, indent: Option<i64>, flow: Option<bool>) -> Result {
    let positional = args.pos.first().cloned();
    let size = |value: Option<Value>, default: i64| -> Result<usize> {
        match value.given() {
            None => Ok(usize::try_from(default).unwrap_or(2)),
            Some(value) => match view(value) {
                View::Float(number) if number.is_infinite() => Ok(usize::MAX),
                _ => Ok(usize::try_from(int_arg(value)?.max(1)).unwrap_or(80)),
            },
        }
    };
    let wanted = size(args.take("indent").or(positional), indent.unwrap_or(2))?;
    let style = Style {
        indent: if (2..10).contains(&wanted) { wanted } else { 2 },
        width: size(args.take("width"), 80)?,
        sort_keys: args.take("sort_keys").flag(true)?,
        flow: match args.take("default_flow_style") {
            Some(value) if value.is_none() => None,
            Some(value) => Some(crate::ops::truth(&value)?),
            None => flow,
        },
        unicode: args.take("allow_unicode").flag(true)?,
    };
    let width = if style.width > style.indent * 2 { style.width } else { 80 };
    if let Some((name, _)) = args.named.first() {
        return Err(TemplateError::runtime(format!("to_yaml does not support the option '{name}'")));
    }
    let value = finalize(value)?;
    let mut writer = Writer { out: String::new(), style: Style { width, ..style }, vault };
    writer.node(&value, 0, false);
    // a lone plain scalar ends its document in PyYAML; Ansible leaves that mark out
    if !writer.out.ends_with('\n') {
        writer.out.push('\n');
    }
    Ok(Value::from(writer.out))
}

struct Writer<'a> {
    out: String,
    style: Style,
    /// Knows which texts came out of `!vault` values: they are written as such again.
    vault: &'a Keyring,
}

impl Writer<'_> {
    fn column(&self) -> usize {
        self.out[self.out.rfind('\n').map_or(0, |at| at + 1)..].chars().count()
    }

    fn newline(&mut self, indent: usize) {
        self.out.push('\n');
        self.out.extend(std::iter::repeat_n(' ', indent));
    }

    fn is_flow(&self, value: &Value) -> bool {
        // A block scalar cannot stand in flow style.
        let scalar = |value: &Value| {
            !matches!(view(value), View::Seq(_) | View::Map(_) | View::Iter) && self.vaulted(value).is_none()
        };
        let empty = match view(value) {
            View::Seq(object) | View::Map(object) => object.enumerator_len() == Some(0),
            _ => true,
        };
        empty
            || self.style.flow.unwrap_or_else(|| match view(value) {
                View::Map(map) => pairs(map).iter().all(|(_, value)| scalar(value)),
                _ => items(value).unwrap_or_default().iter().all(scalar),
            })
    }

    fn entries(&self, value: &Value) -> Vec<(Value, Value)> {
        let View::Map(map) = view(value) else { return Vec::new() };
        let mut entries = pairs(map);
        if self.style.sort_keys {
            entries.sort_by(|a, b| {
                crate::ops::compare("<", &a.0, &b.0).ok().flatten().unwrap_or(std::cmp::Ordering::Equal)
            });
        }
        entries
    }

    /// Writes a node at the current place; `indent` is where its block's lines start.
    fn node(&mut self, value: &Value, indent: usize, in_map: bool) {
        match view(value) {
            View::Map(_) | View::Seq(_) | View::Iter if self.is_flow(value) => self.flow(value, indent),
            View::Map(_) => {
                for (index, (key, value)) in self.entries(value).into_iter().enumerate() {
                    if index > 0 || in_map {
                        self.newline(indent);
                    }
                    self.entry(&key, &value, indent);
                }
            }
            View::Seq(_) | View::Iter => {
                for (index, item) in items(value).unwrap_or_default().iter().enumerate() {
                    if index > 0 || in_map {
                        self.newline(indent);
                    }
                    self.out.push('-');
                    let nested = matches!(view(item), View::Map(_) | View::Seq(_)) && !self.is_flow(item);
                    let blanks = if nested { self.style.indent - 1 } else { 1 };
                    self.out.extend(std::iter::repeat_n(' ', blanks));
                    self.node(item, indent + self.style.indent, false);
                }
            }
            _ => match self.vaulted(value) {
                Some(envelope) => self.vault_block(&envelope, indent.max(self.style.indent)),
                None => self.scalar(value, indent, false),
            },
        }
    }

    fn vaulted(&self, value: &Value) -> Option<Arc<str>> {
        value.as_str().and_then(|text| self.vault.envelope_of(text))
    }

    fn vault_block(&mut self, envelope: &str, indent: usize) {
        self.out.push_str(if envelope.ends_with('\n') { "!vault |" } else { "!vault |-" });
        for line in envelope.lines() {
            self.newline(indent);
            self.out.push_str(line);
        }
    }

    fn entry(&mut self, key: &Value, value: &Value, indent: usize) {
        self.scalar(key, indent, true);
        self.out.push(':');
        match view(value) {
            View::Map(_) | View::Seq(_) if !self.is_flow(value) => {
                // lists start at their key's column
                let inner = match view(value) {
                    View::Map(_) => indent + self.style.indent,
                    _ => indent,
                };
                self.node(value, inner, true);
            }
            _ => {
                self.out.push(' ');
                self.node(value, indent + self.style.indent, false);
            }
        }
    }

    fn flow(&mut self, value: &Value, indent: usize) {
        let (open, close) = if matches!(view(value), View::Map(_)) { ('{', '}') } else { ('[', ']') };
        self.out.push(open);
        let wrap = |writer: &mut Self, index: usize| {
            if index > 0 {
                writer.out.push(',');
            }
            if writer.column() > writer.style.width {
                writer.newline(indent);
            } else if index > 0 {
                writer.out.push(' ');
            }
        };
        if let View::Map(_) = view(value) {
            for (index, (key, value)) in self.entries(value).into_iter().enumerate() {
                wrap(self, index);
                self.scalar(&key, indent, true);
                self.out.push_str(": ");
                self.flow_item(&value, indent);
            }
        } else {
            for (index, item) in items(value).unwrap_or_default().iter().enumerate() {
                wrap(self, index);
                self.flow_item(item, indent);
            }
        }
        self.out.push(close);
    }

    fn flow_item(&mut self, value: &Value, indent: usize) {
        match view(value) {
            View::Map(_) | View::Seq(_) | View::Iter => self.flow(value, indent + self.style.indent),
            _ => match self.vaulted(value) {
                Some(envelope) => {
                    self.out.push_str("!vault ");
                    self.double_quoted(&envelope, indent + self.style.indent, false);
                }
                None => self.scalar(value, indent + self.style.indent, false),
            },
        }
    }

    fn scalar(&mut self, value: &Value, indent: usize, key: bool) {
        match view(value) {
            View::None => self.out.push_str("null"),
            View::Bool(flag) => self.out.push_str(if flag { "true" } else { "false" }),
            View::Int(number) => self.out.push_str(&number.to_string()),
            View::Float(number) if number.is_nan() => self.out.push_str(".nan"),
            View::Float(number) if number.is_infinite() => {
                self.out.push_str(if number > 0.0 { ".inf" } else { "-.inf" });
            }
            View::Float(number) => {
                let text = crate::text::float(number);
                // YAML 1.1 wants a point in the mantissa
                self.out.push_str(&if text.contains('.') { text } else { text.replacen('e', ".0e", 1) });
            }
            View::Str(text) => self.text(text, indent, key),
            _ => self.text(&to_str(value), indent, key),
        }
    }

    fn text(&mut self, text: &str, indent: usize, key: bool) {
        let multiline = text.contains('\n');
        let special = text.chars().any(|c| {
            !(c == '\n'
                || (' '..='~').contains(&c)
                || (self.style.unicode && (c == '\u{85}' || c >= '\u{a0}') && c != '\u{feff}'))
        });
        let blank_break = text.contains(" \n") || text.contains("\n ") && text.ends_with(' ');
        if special || (blank_break && multiline) || (key && multiline) {
            self.double_quoted(text, indent, key);
        } else if multiline
            || !plain(text)
            || !matches!(resolve_plain(text), Yaml::Str(_))
            || timestamp(text)
            || text == "="
            || text == "<<"
        {
            self.single_quoted(text, indent, key);
        } else {
            self.wrapped(text, indent, key);
        }
    }

    /// Words, broken where a line is full.
    fn wrapped(&mut self, text: &str, indent: usize, key: bool) {
        let mut rest = text;
        while let Some(at) = rest.find(' ') {
            let (word, after) = rest.split_at(at);
            self.out.push_str(word);
            let blanks = after.len() - after.trim_start_matches(' ').len();
            if blanks == 1 && !key && self.column() > self.style.width {
                self.newline(indent);
            } else {
                self.out.push_str(&after[..blanks]);
            }
            rest = &after[blanks..];
        }
        self.out.push_str(rest);
    }

    fn single_quoted(&mut self, text: &str, indent: usize, key: bool) {
        self.out.push('\'');
        let mut chars = text.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            match c {
                ' ' => {
                    let alone = text[..at].chars().next_back().is_some_and(|c| c != ' ' && c != '\n')
                        && chars.peek().is_some_and(|(_, c)| *c != ' ' && *c != '\n');
                    if alone && !key && self.column() > self.style.width {
                        self.newline(indent);
                    } else {
                        self.out.push(' ');
                    }
                }
                '\n' => {
                    let first = !text[..at].ends_with('\n');
                    if first {
                        self.out.push('\n');
                    }
                    self.out.push('\n');
                    if chars.peek().is_none_or(|(_, c)| *c != '\n') {
                        self.out.extend(std::iter::repeat_n(' ', indent));
                    }
                }
                '\'' => self.out.push_str("''"),
                c => self.out.push(c),
            }
        }
        self.out.push('\'');
    }

    fn double_quoted(&mut self, text: &str, indent: usize, key: bool) {
        self.out.push('"');
        let mut chars = text.chars().peekable();
        let mut started = false;
        while let Some(c) = chars.next() {
            match c {
                '"' => self.out.push_str("\\\""),
                '\\' => self.out.push_str("\\\\"),
                '\0' => self.out.push_str("\\0"),
                '\u{7}' => self.out.push_str("\\a"),
                '\u{8}' => self.out.push_str("\\b"),
                '\t' => self.out.push_str("\\t"),
                '\n' => self.out.push_str("\\n"),
                '\u{b}' => self.out.push_str("\\v"),
                '\u{c}' => self.out.push_str("\\f"),
                '\r' => self.out.push_str("\\r"),
                '\u{1b}' => self.out.push_str("\\e"),
                '\u{85}' => self.out.push_str("\\N"),
                '\u{a0}' => self.out.push_str("\\_"),
                ' ' if started && !key && chars.peek().is_some() && self.column() > self.style.width => {
                    self.out.push('\\');
                    self.newline(indent);
                    self.out.push_str("\\ ");
                }
                c if (' '..='~').contains(&c) || (self.style.unicode && c > '\u{a0}' && c != '\u{feff}') => {
                    self.out.push(c);
                }
                c if u32::from(c) <= 0xff => self.out.push_str(&format!("\\x{:02X}", u32::from(c))),
                c if u32::from(c) <= 0xffff => self.out.push_str(&format!("\\u{:04X}", u32::from(c))),
                c => self.out.push_str(&format!("\\U{:08X}", u32::from(c))),
            }
            started = true;
        }
        self.out.push('"');
    }
}

/// Can the text stand unquoted?
fn plain(text: &str) -> bool {
    let mut chars = text.chars();
    let Some(first) = chars.next() else { return false };
    let second = chars.next();
    let blank_next = second.is_none_or(|c| c == ' ');
    if first == ' ' || text.ends_with(' ') || text.starts_with("---") || text.starts_with("...") {
        return false;
    }
    if "#,[]{}&*!|>'\"%@`".contains(first) || ("?:-".contains(first) && blank_next) {
        return false;
    }
    // what ends a plain text anywhere
    !text.contains(": ") && !text.contains(" #") && !text.ends_with(':')
}

/// Dates would be read back as dates.
fn timestamp(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 8
        && bytes[..4].iter().all(u8::is_ascii_digit)
        && bytes[4] == b'-'
        && text.chars().all(|c| c.is_ascii_digit() || "-:+.TtZz ".contains(c))
        && text[5..].contains('-')
}
