//! The functions of JMESPath.

use super::{Node, error, ordered};
use crate::ops::{self, Result};
use crate::value::{Dict, View, dict, items, list, none, pairs, view};
use minijinja::Value;
use std::cmp::Ordering;

/// JMESPath's name of a value's type.
fn kind(value: &Value) -> &'static str {
    match view(value) {
        View::Bool(_) => "boolean",
        View::Int(_) | View::Float(_) => "number",
        View::Str(_) => "string",
        View::Seq(_) | View::Iter => "array",
        View::Map(_) => "object",
        _ => "null",
    }
}

/// Argument types, each as alternatives; the last one of `not_null` and `merge` repeats.
const SIGNATURES: &[(&str, &[&str])] = &[
    ("abs", &["number"]),
    ("avg", &["array-number"]),
    ("ceil", &["number"]),
    ("contains", &["array|string", ""]),
    ("ends_with", &["string", "string"]),
    ("floor", &["number"]),
    ("join", &["string", "array-string"]),
    ("keys", &["object"]),
    ("length", &["string|array|object"]),
    ("map", &["&", "array"]),
    ("max", &["array-number|array-string"]),
    ("max_by", &["array", "&"]),
    ("merge", &["object", "*"]),
    ("min", &["array-number|array-string"]),
    ("min_by", &["array", "&"]),
    ("not_null", &["", "*"]),
    ("reverse", &["array|string"]),
    ("sort", &["array-number|array-string"]),
    ("sort_by", &["array", "&"]),
    ("starts_with", &["string", "string"]),
    ("sum", &["array-number"]),
    ("to_array", &[""]),
    ("to_number", &[""]),
    ("to_string", &[""]),
    ("type", &[""]),
    ("values", &["object"]),
];

fn fits(value: &Value, wanted: &str) -> bool {
    wanted.is_empty()
        || wanted.split('|').any(|wanted| match wanted.strip_prefix("array-") {
            Some(member) => {
                kind(value) == "array"
                    && items(value).unwrap_or_default().iter().all(|item| kind(item) == member)
            }
            None => kind(value) == wanted,
        })
}

pub(super) fn call(name: &str, args: &[Node], current: &Value) -> Result {
    let Some((_, signature)) = SIGNATURES.iter().find(|(known, _)| *known == name) else {
        return Err(error(format!("Unknown function: {name}()")));
    };
    let repeats = signature.last() == Some(&"*");
    let count = if repeats { signature.len() - 1 } else { signature.len() };
    if args.len() < count || (args.len() > count && !repeats) {
        return Err(error(format!(
            "Expected {count} arguments for function {name}(), received {}",
            args.len()
        )));
    }
    let mut values = Vec::with_capacity(args.len());
    let mut reference = None;
    for (index, arg) in args.iter().enumerate() {
        let wanted = signature[index.min(count - 1)];
        if wanted == "&" {
            let Node::Reference(inner) = arg else {
                return Err(error(format!("In function {name}(), an argument must be an &expression")));
            };
            reference = Some(&**inner);
            continue;
        }
        let value = arg.eval(current)?;
        ops::check_deep(&value)?;
        if !fits(&value, wanted) {
            return Err(error(format!(
                "In function {name}(), invalid type for value: {}, expected one of: {wanted}, received: \"{}\"",
                crate::text::repr(&value),
                kind(&value)
            )));
        }
        values.push(value);
    }
    match reference {
        Some(reference) => with_reference(name, reference, &values),
        None => plain(name, &values),
    }
}

fn with_reference(name: &str, reference: &Node, values: &[Value]) -> Result {
    let all = values.first().and_then(items).unwrap_or_default();
    if name == "map" {
        return Ok(list(all.iter().map(|item| reference.eval(item)).collect::<Result<_>>()?));
    }
    let mut keyed = Vec::with_capacity(all.len());
    for item in all {
        let key = reference.eval(&item)?;
        if !matches!(kind(&key), "number" | "string") {
            let kind = kind(&key);
            return Err(error(format!(
                "In function {name}(), the key must be a number or a string, not {kind}"
            )));
        }
        keyed.push((key, item));
    }
    if let Some((first, rest)) = keyed.split_first()
        && rest.iter().any(|(key, _)| kind(key) != kind(&first.0))
    {
        return Err(error(format!("In function {name}(), the keys must all be numbers or all be strings")));
    }
    let order = |a: &(Value, Value), b: &(Value, Value)| ordered(&a.0, &b.0).unwrap_or(Ordering::Equal);
    Ok(match name {
        "sort_by" => {
            keyed.sort_by(order);
            list(keyed.into_iter().map(|(_, item)| item).collect())
        }
        "min_by" => keyed.into_iter().min_by(order).map_or_else(none, |(_, item)| item),
        // of equal ones the first, as Python's max
        _ => keyed.into_iter().rev().max_by(order).map_or_else(none, |(_, item)| item),
    })
}

fn plain(name: &str, values: &[Value]) -> Result {
    let first = values.first().cloned().unwrap_or_else(none);
    let all = items(&first).unwrap_or_default();
    let number = |value: &Value| ops::as_float(value).unwrap_or(0.0);
    let text = |index: usize| values.get(index).and_then(Value::as_str).unwrap_or_default();
    let by_order = |a: &Value, b: &Value| ordered(a, b).unwrap_or(Ordering::Equal);
    Ok(match name {
        "abs" => match view(&first) {
            View::Int(number) => crate::value::int(number.saturating_abs()),
            _ => Value::from(number(&first).abs()),
        },
        "ceil" => crate::value::int(number(&first).ceil() as i128),
        "floor" => crate::value::int(number(&first).floor() as i128),
        "avg" if all.is_empty() => none(),
        "avg" => Value::from(all.iter().map(number).sum::<f64>() / all.len() as f64),
        "sum" => all.iter().try_fold(Value::from(0), |sum, item| ops::arith(ops::Arith::Add, &sum, item))?,
        "contains" => match view(&first) {
            View::Str(whole) => Value::from(values[1].as_str().is_some_and(|part| whole.contains(part))),
            _ => Value::from(all.iter().any(|item| super::same(item, &values[1]))),
        },
        "starts_with" => Value::from(text(0).starts_with(text(1))),
        "ends_with" => Value::from(text(0).ends_with(text(1))),
        "join" => {
            let parts = items(&values[1]).unwrap_or_default();
            Value::from(parts.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(text(0)))
        }
        "keys" => list(all),
        "values" => match view(&first) {
            View::Map(map) => list(pairs(map).into_iter().map(|(_, value)| value).collect()),
            _ => none(),
        },
        "length" => match view(&first) {
            View::Str(text) => Value::from(text.chars().count()),
            _ => Value::from(all.len()),
        },
        "max" => all.into_iter().max_by(by_order).unwrap_or_else(none),
        "min" => all.into_iter().min_by(by_order).unwrap_or_else(none),
        "sort" => {
            let mut all = all;
            all.sort_by(by_order);
            list(all)
        }
        "reverse" => match view(&first) {
            View::Str(text) => Value::from(text.chars().rev().collect::<String>()),
            _ => list(all.into_iter().rev().collect()),
        },
        "merge" => {
            let mut merged = Dict::new();
            for value in values {
                if let View::Map(map) = view(value) {
                    merged.extend(pairs(map));
                }
            }
            dict(merged)
        }
        "not_null" => values.iter().find(|value| !value.is_none()).cloned().unwrap_or_else(none),
        "to_array" => match kind(&first) {
            "array" => first,
            _ => list(vec![first]),
        },
        "to_string" => match view(&first) {
            View::Str(_) => first,
            // as Python's json.dumps with separators (',', ':')
            _ => Value::from(serde_json::to_string(&crate::value::to_json(&first)).unwrap_or_default()),
        },
        "to_number" => match view(&first) {
            View::Int(_) | View::Float(_) => first,
            View::Str(text) => text
                .parse::<i64>()
                .map(Value::from)
                .or_else(|_| text.parse::<f64>().map(Value::from))
                .unwrap_or_else(|_| none()),
            _ => none(),
        },
        _ => Value::from(kind(&first)),
    })
}
