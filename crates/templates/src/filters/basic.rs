//! Defaults and conversions.

use super::Table;
use crate::args::{Args, Param};
use crate::error::{ErrorKind, TemplateError};
use crate::eval::Eval;
use crate::ops::{self, Result};
use crate::text::to_str;
use crate::value::{Marker, View, int, marker, none, type_name, view};
use minijinja::Value;

pub(super) const TABLE: Table = &[
    ("default", default),
    ("d", default),
    ("mandatory", mandatory),
    ("type_debug", |_, value, _| Ok(Value::from(type_name(&value)))),
    ("bool", to_bool),
    ("int", to_int),
    ("float", to_float),
    ("string", |_, value, args| args.none("string").map(|()| Value::from(to_str(&value)))),
    ("ternary", ternary),
    ("safe", |_, value, _| Ok(value)),
    ("escape", |_, value, _| Ok(Value::from(escape(&to_str(&value))))),
    ("e", |_, value, _| Ok(Value::from(escape(&to_str(&value))))),
    ("forceescape", |_, value, _| Ok(Value::from(escape(&to_str(&value))))),
    ("attr", attr),
];

fn default(_: &mut Eval<'_>, value: Value, args: Args) -> Result {
    let [replacement, falsy] = args.bind("default", ["default_value", "boolean"])?;
    let replacement = || replacement.clone().unwrap_or_else(|| Value::from(""));
    match view(&value) {
        View::Absent => return Ok(replacement()),
        View::Marker(Marker::Unknown(_)) => return Ok(value),
        View::Marker(marker) => {
            return if marker.is_undefined() { Ok(replacement()) } else { Err(marker.error()) };
        }
        _ => {}
    }
    Ok(if falsy.flag(false)? && !ops::truth(&value)? { replacement() } else { value })
}

fn mandatory(_: &mut Eval<'_>, value: Value, args: Args) -> Result {
    let [message] = args.bind("mandatory", ["msg"])?;
    let error = match marker(&value) {
        None | Some(Marker::Unknown(_)) => return Ok(value),
        Some(marker) => marker.error(),
    };
    let ErrorKind::Undefined { name } = &error.kind else { return Err(error.clone()) };
    let text = match message.given() {
        Some(message) => to_str(message),
        None if name.is_empty() => error.message.clone(),
        None => format!("Mandatory variable '{name}' not defined."),
    };
    Err(TemplateError::undefined(name.clone(), text))
}

fn to_bool(_: &mut Eval<'_>, value: Value, args: Args) -> Result {
    args.none("bool")?;
    let text = match view(&value) {
        View::None => return Ok(Value::from(false)),
        View::Bool(_) => return Ok(value),
        View::Int(0) => return Ok(Value::from(false)),
        View::Int(1) => return Ok(Value::from(true)),
        View::Float(number) if number == 0.0 || number == 1.0 => return Ok(Value::from(number == 1.0)),
        View::Str(text) => text.to_lowercase(),
        _ => String::new(),
    };
    match &*text {
        "yes" | "on" | "1" | "true" | "y" | "t" => Ok(Value::from(true)),
        "no" | "off" | "0" | "false" | "n" | "f" => Ok(Value::from(false)),
        // what cannot be told counts as false; Ansible warns about it
        _ => Ok(Value::from(false)),
    }
}

fn to_int(_: &mut Eval<'_>, value: Value, args: Args) -> Result {
    let [default, base] = args.bind("int", ["default", "base"])?;
    let fallback = default.unwrap_or_else(|| Value::from(0));
    Ok(match view(&value) {
        View::Int(_) => value,
        View::Bool(flag) => Value::from(i64::from(flag)),
        View::Float(number) if number.is_finite() => int(number.trunc() as i128),
        View::Str(text) => parse_int(text, base.int(10)?)
            .or_else(|| {
                let number = parse_float(text).filter(|number| number.is_finite())?;
                Some(number.trunc() as i128)
            })
            .map_or(fallback, int),
        _ => fallback,
    })
}

/// `int(text, base)`.
fn parse_int(text: &str, base: i64) -> Option<i128> {
    let text = text.trim();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = digits.to_lowercase();
    let (digits, base) = match (base, lower.get(..2)) {
        (16 | 0, Some("0x")) => (&lower[2..], 16),
        (8 | 0, Some("0o")) => (&lower[2..], 8),
        (2 | 0, Some("0b")) => (&lower[2..], 2),
        (0, _) => (&*lower, 10),
        (base, _) => (&*lower, u32::try_from(base).ok().filter(|base| (2..=36).contains(base))?),
    };
    let plausible = !digits.starts_with('_') && !digits.ends_with('_') && !digits.contains("__");
    let digits = digits.replace('_', "");
    if !plausible || digits.starts_with(['+', '-']) {
        return None;
    }
    i128::from_str_radix(&digits, base).ok().map(|number| number * sign)
}

/// `float(text)`.
fn parse_float(text: &str) -> Option<f64> {
    text.trim().replace('_', "").parse().ok()
}

fn to_float(_: &mut Eval<'_>, value: Value, args: Args) -> Result {
    let [default] = args.bind("float", ["default"])?;
    let number = match view(&value) {
        View::Str(text) => parse_float(text),
        _ => ops::as_float(&value),
    };
    Ok(number.map(Value::from).or(default).unwrap_or_else(|| Value::from(0.0)))
}

fn ternary(_: &mut Eval<'_>, value: Value, args: Args) -> Result {
    let [yes, no, null] = args.bind("ternary", ["true_val", "false_val", "none_val"])?;
    if let (true, Some(null)) = (value.is_none(), null.given()) {
        return Ok(null.clone());
    }
    Ok(if ops::truth(&value)? { yes.required("ternary", "true_val")? } else { no.unwrap_or_else(none) })
}

/// Markup's escaping.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\'' => out.push_str("&#39;"),
            '"' => out.push_str("&#34;"),
            c => out.push(c),
        }
    }
    out
}

fn attr(eval: &mut Eval<'_>, value: Value, args: Args) -> Result {
    let [name] = args.bind("attr", ["name"])?;
    let name = to_str(&name.required("attr", "name")?);
    // the entries of a dict are no attributes
    if matches!(view(&value), View::Map(_)) {
        let message = format!("object of type 'dict' has no attribute '{name}'");
        return Ok(crate::value::error_value(TemplateError::undefined(name, message)));
    }
    Ok(eval.attr(&value, &name, crate::ir::Place::default()))
}
