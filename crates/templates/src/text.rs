//! Python's `str()` and `repr()`.

use crate::value::{Marker, View, items, pairs, type_name, view};
use minijinja::Value;
use std::fmt::Write as _;

/// `str(value)`; markers inside print as such, callers that must fail on them check first.
pub(crate) fn to_str(value: &Value) -> String {
    if let Some(text) = value.as_str() {
        return text.to_owned();
    }
    let mut out = String::new();
    write_str(&mut out, value);
    out
}

/// Appends `str(value)`.
pub(crate) fn write_str(out: &mut String, value: &Value) {
    match view(value) {
        View::Str(text) => out.push_str(text),
        View::Other => match crate::time::to_str(value) {
            Some(text) => out.push_str(&text),
            None => {
                let _ = write!(out, "{value}");
            }
        },
        _ => write_repr(out, value),
    }
}

/// `repr(value)`.
pub(crate) fn repr(value: &Value) -> String {
    let mut out = String::new();
    write_repr(&mut out, value);
    out
}

fn write_repr(out: &mut String, value: &Value) {
    match view(value) {
        View::None => out.push_str("None"),
        View::Bool(flag) => out.push_str(if flag { "True" } else { "False" }),
        View::Int(number) => {
            let _ = write!(out, "{number}");
        }
        View::Float(number) => out.push_str(&float(number)),
        View::Str(text) => write_quoted(out, text),
        View::Bytes(bytes) => write_bytes(out, bytes),
        View::Seq(_) if value.is_tuple() => {
            let items = items(value).unwrap_or_default();
            write_items(out, "(", &items, if items.len() == 1 { ",)" } else { ")" });
        }
        View::Seq(_) => write_items(out, "[", &items(value).unwrap_or_default(), "]"),
        View::Iter => {
            let _ = write!(out, "<{} object>", type_name(value));
        }
        View::Map(map) => {
            out.push('{');
            for (index, (key, value)) in pairs(map).iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                write_repr(out, key);
                out.push_str(": ");
                write_repr(out, value);
            }
            out.push('}');
        }
        View::Marker(Marker::Unknown(reason)) => {
            let _ = write!(out, "<unknown until applied: {reason}>");
        }
        View::Marker(marker) => {
            let _ = write!(out, "<undefined: {}>", marker.error());
        }
        View::Absent => {}
        View::Other => match crate::time::repr(value) {
            Some(text) => out.push_str(&text),
            None => {
                let _ = write!(out, "{value}");
            }
        },
    }
}

fn write_items(out: &mut String, open: &str, items: &[Value], close: &str) {
    out.push_str(open);
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        write_repr(out, item);
    }
    out.push_str(close);
}

fn write_quoted(out: &mut String, text: &str) {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.push(quote);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\\' => out.push_str("\\\\"),
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            c if (c as u32) < 0x20 || c as u32 == 0x7f => {
                let _ = write!(out, "\\x{:02x}", c as u32);
            }
            c if (0x80..0xa1).contains(&(c as u32)) || c as u32 == 0xad => {
                let _ = write!(out, "\\x{:02x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push(quote);
}

fn write_bytes(out: &mut String, bytes: &[u8]) {
    out.push_str("b'");
    for byte in bytes {
        match byte {
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            b'\\' => out.push_str("\\\\"),
            b'\'' => out.push_str("\\'"),
            0x20..0x7f => out.push(char::from(*byte)),
            _ => {
                let _ = write!(out, "\\x{byte:02x}");
            }
        }
    }
    out.push('\'');
}

/// Python's shortest text of a float: `1.0`, `1e+20`, `1e-05`.
pub(crate) fn float(number: f64) -> String {
    if number.is_nan() {
        return "nan".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let scientific = format!("{number:e}");
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return scientific };
    let power: i32 = exponent.parse().unwrap_or(0);
    if (-4..16).contains(&power) {
        let plain = format!("{number}");
        if plain.contains('.') { plain } else { format!("{plain}.0") }
    } else {
        let sign = if power < 0 { '-' } else { '+' };
        format!("{mantissa}e{sign}{:02}", power.abs())
    }
}
