//! Dicts: combining, turning into lists and back.

use super::Table;
use super::lists::entry;
use crate::args::{Args, Param};
use crate::error::TemplateError;
use crate::eval::Eval;
use crate::ops::{self, Result, as_dict, iterate};
use crate::text::{repr, to_str};
use crate::value::{Dict, View, dict, items, list, pairs, tuple, view};
use minijinja::Value;
use std::cmp::Ordering;

pub(super) const TABLE: Table = &[
    ("items", |_, value, _| match view(&value) {
        View::Absent => Ok(list(Vec::new())),
        _ => Ok(list(as_dict(&value)?.into_iter().map(|(key, value)| tuple(vec![key, value])).collect())),
    }),
    ("dictsort", dictsort),
    ("dict2items", dict2items),
    ("items2dict", items2dict),
    ("combine", combine),
    ("subelements", subelements),
    ("rekey_on_member", rekey_on_member),
    ("xmlattr", xmlattr),
];

fn dictsort(_: &mut Eval<'_>, value: Value, args: Args) -> Result {
    let [case, by, reverse] = args.bind("dictsort", ["case_sensitive", "by", "reverse"])?;
    let (case, reverse) = (case.flag(false)?, reverse.flag(false)?);
    let by_value = match &*by.text("key")? {
        "key" => false,
        "value" => true,
        _ => return Err(TemplateError::runtime("You can only sort by either \"key\" or \"value\"")),
    };
    let mut sorted: Vec<(Value, Value)> = as_dict(&value)?.into_iter().collect();
    let key = |pair: &(Value, Value)| {
        let part = if by_value { &pair.1 } else { &pair.0 };
        match part.as_str() {
            Some(text) if !case => Value::from(text.to_lowercase()),
            _ => part.clone(),
        }
    };
    ops::sort_by(&mut sorted, reverse, |a, b| {
        Ok(ops::compare("<", &key(a), &key(b))?.unwrap_or(Ordering::Equal))
    })?;
    Ok(list(sorted.into_iter().map(|(key, value)| tuple(vec![key, value])).collect()))
}

fn dict2items(_: &mut Eval<'_>, value: Value, args: Args) -> Result {
    let [key_name, value_name] = args.bind("dict2items", ["key_name", "value_name"])?;
    let (key_name, value_name) = (key_name.text("key")?, value_name.text("value")?);
    if !matches!(view(&value), View::Map(_)) {
        return Err(TemplateError::runtime(format!(
            "dict2items requires a dictionary, got {} instead.",
            crate::value::type_name(&value)
        )));
    }
    let entries =
        as_dict(&value)?.into_iter().map(|(key, value)| entry([(&key_name, key), (&value_name, value)]));
    Ok(list(entries.collect()))
}

fn items2dict(_: &mut Eval<'_>, value: Value, args: Args) -> Result {
    let [key_name, value_name] = args.bind("items2dict", ["key_name", "value_name"])?;
    let (key_name, value_name) = (key_name.text("key")?, value_name.text("value")?);
    if !matches!(view(&value), View::Seq(_)) {
        return Err(TemplateError::runtime(format!(
            "items2dict requires a list, got {} instead.",
            crate::value::type_name(&value)
        )));
    }
    let mut out = Dict::new();
    for item in iterate(&value)? {
        let part = |name: &str| {
            ops::attr(&item, name).ok_or_else(|| {
                TemplateError::runtime(format!(
                    "items2dict requires each dictionary in the list to contain the keys '{key_name}' and '{value_name}', got {} instead.",
                    repr(&item)
                ))
            })
        };
        out.insert(part(&key_name)?, part(&value_name)?);
    }
    Ok(dict(out))
}

fn combine(_: &mut Eval<'_>, value: Value, mut args: Args) -> Result {
    let recursive = args.take("recursive").flag(false)?;
    let list_merge = args.take("list_merge").text("replace")?;
    if let Some((name, _)) = args.named.first() {
        return Err(TemplateError::runtime(format!("'{name}' is not a valid keyword argument of combine")));
    }
    check_list_merge("combine", &list_merge)?;
    let mut sources = Vec::new();
    for source in std::iter::once(&value).chain(&args.pos) {
        flatten_dicts(source, &mut sources)?;
    }
    let mut merged = Dict::new();
    for source in sources {
        merged = merge(merged, source, recursive, &list_merge);
    }
    Ok(dict(merged))
}

pub(super) fn check_list_merge(what: &str, list_merge: &str) -> Result<()> {
    if ["replace", "keep", "append", "prepend", "append_rp", "prepend_rp"].contains(&list_merge) {
        return Ok(());
    }
    Err(TemplateError::runtime(format!("{what}: '{list_merge}' is not a valid list_merge")))
}

fn flatten_dicts(value: &Value, out: &mut Vec<Dict>) -> Result<()> {
    ops::check(value)?;
    match view(value) {
        View::Map(_) => out.push(as_dict(value)?),
        View::Seq(_) => {
            for item in items(value).unwrap_or_default() {
                flatten_dicts(&item, out)?;
            }
        }
        _ => {
            return Err(TemplateError::runtime(format!(
                "failed to combine variables, expected dicts but got a value of type '{}'",
                crate::value::type_name(value)
            )));
        }
    }
    Ok(())
}

pub(super) fn merge(mut low: Dict, high: Dict, recursive: bool, list_merge: &str) -> Dict {
    for (key, value) in high {
        let Some(known) = low.get(&key) else {
            low.insert(key, value);
            continue;
        };
        let merged = match (view(known), view(&value)) {
            (View::Map(a), View::Map(b)) if recursive => {
                dict(merge(pairs(a).into_iter().collect(), pairs(b).into_iter().collect(), true, list_merge))
            }
            (View::Seq(_), View::Seq(_)) => {
                merge_lists(items(known).unwrap_or_default(), items(&value).unwrap_or_default(), list_merge)
            }
            _ => value,
        };
        low.insert(key, merged);
    }
    low
}

fn merge_lists(low: Vec<Value>, high: Vec<Value>, list_merge: &str) -> Value {
    let without = |from: Vec<Value>, gone: &[Value]| -> Vec<Value> {
        from.into_iter().filter(|item| !gone.iter().any(|other| ops::equal(item, other))).collect()
    };
    list(match list_merge {
        "keep" => low,
        "append" => low.into_iter().chain(high).collect(),
        "prepend" => high.into_iter().chain(low).collect(),
        "append_rp" => without(low, &high).into_iter().chain(high).collect(),
        "prepend_rp" => {
            let rest = without(low, &high);
            high.into_iter().chain(rest).collect()
        }
        _ => high,
    })
}

fn subelements(_: &mut Eval<'_>, value: Value, args: Args) -> Result {
    let [path, skip_missing] = args.bind("subelements", ["subelements", "skip_missing"])?;
    let path = path.required("subelements", "subelements")?;
    let elements = match view(&value) {
        View::Map(map) => pairs(map).into_iter().map(|(_, value)| value).collect(),
        View::Seq(_) => items(&value).unwrap_or_default(),
        _ => {
            return Err(TemplateError::runtime("subelements: obj must be a list of dicts or a nested dict"));
        }
    };
    expand(&elements, &path, skip_missing.flag(false)?).map(list)
}

fn expand(elements: &[Value], path: &Value, skip_missing: bool) -> Result<Vec<Value>> {
    let keys: Vec<String> = match view(path) {
        View::Str(text) => text.split('.').map(str::to_owned).collect(),
        View::Seq(_) => items(path).unwrap_or_default().iter().map(to_str).collect(),
        _ => return Err(TemplateError::runtime("subelements must be a list or a string")),
    };
    let mut out = Vec::new();
    for element in elements {
        let mut found = Some(element.clone());
        for key in &keys {
            found = found.and_then(|value| ops::attr(&value, key));
            if found.is_none() && !skip_missing {
                return Err(TemplateError::runtime(format!(
                    "could not find '{key}' key in iterated item {}",
                    repr(element)
                )));
            }
        }
        let Some(found) = found else { continue };
        ops::check(&found)?;
        match view(&found) {
            View::Seq(_) => {
                for item in items(&found).unwrap_or_default() {
                    out.push(tuple(vec![element.clone(), item]));
                }
            }
            _ if skip_missing && found.is_none() => {}
            _ => {
                return Err(TemplateError::runtime(format!(
                    "the key {} should point to a list, got {}",
                    keys.last().map_or("", |key| key),
                    repr(&found)
                )));
            }
        }
    }
    Ok(out)
}

/// The lookup `subelements`: a list (or dict) of dicts, a key path, options.
pub(crate) fn lookup_subelements(terms: &[Value]) -> Result<Vec<Value>> {
    let (Some(elements), Some(path)) = (terms.first(), terms.get(1)) else {
        return Err(TemplateError::runtime(
            "subelements lookup expects a list of two or three items, the last one a dict with flags",
        ));
    };
    let skip_missing = match terms.get(2).and_then(|flags| ops::attr(flags, "skip_missing")) {
        Some(flag) => {
            ops::truth(&flag)? && !matches!(flag.as_str(), Some("false" | "False" | "no" | "off" | "0"))
        }
        None => false,
    };
    let elements = match view(elements) {
        View::Map(map) => pairs(map).into_iter().map(|(_, value)| value).collect(),
        _ => iterate(elements)?,
    };
    let keys: Vec<String> = match view(path) {
        View::Str(text) => text.split('.').map(str::to_owned).collect(),
        _ => iterate(path)?.iter().map(to_str).collect(),
    };
    // unlike the filter, the lookup leaves the list out of its element
    let pairs = expand(&elements, path, skip_missing)?;
    pairs
        .iter()
        .map(|pair| match &iterate(pair)?[..] {
            [element, item] => Ok(tuple(vec![without(element, &keys), item.clone()])),
            _ => Ok(pair.clone()),
        })
        .collect()
}

fn without(element: &Value, keys: &[String]) -> Value {
    let (Some((key, deeper)), View::Map(map)) = (keys.split_first(), view(element)) else {
        return element.clone();
    };
    let mut copy: Dict = pairs(map).into_iter().collect();
    let key = Value::from(key.as_str());
    if deeper.is_empty() {
        copy.shift_remove(&key);
    } else if let Some(inner) = copy.get(&key) {
        let inner = without(inner, deeper);
        copy.insert(key, inner);
    }
    dict(copy)
}

fn rekey_on_member(_: &mut Eval<'_>, value: Value, args: Args) -> Result {
    let [key, duplicates] = args.bind("rekey_on_member", ["key", "duplicates"])?;
    let key = to_str(&key.required("rekey_on_member", "key")?);
    let duplicates = duplicates.text("error")?;
    let elements = match view(&value) {
        View::Map(map) => pairs(map).into_iter().map(|(_, value)| value).collect(),
        _ => iterate(&value)?,
    };
    let mut out = Dict::new();
    for element in elements {
        let name = ops::attr(&element, &key).ok_or_else(|| {
            TemplateError::runtime(format!("Key {key} was not found on {}", repr(&element)))
        })?;
        if out.contains_key(&name) && duplicates == "error" {
            return Err(TemplateError::runtime(format!(
                "Key {} is not unique, cannot convert to dict",
                to_str(&name)
            )));
        }
        out.insert(name, element);
    }
    Ok(dict(out))
}

fn xmlattr(_: &mut Eval<'_>, value: Value, args: Args) -> Result {
    let [space] = args.bind("xmlattr", ["autospace"])?;
    let mut out = String::new();
    for (key, value) in as_dict(&value)? {
        if value.is_none() || value.is_undefined() {
            continue;
        }
        ops::check(&value)?;
        let separator = if out.is_empty() { "" } else { " " };
        out.push_str(&format!(
            "{separator}{}=\"{}\"",
            super::basic::escape(&to_str(&key)),
            super::basic::escape(&to_str(&value))
        ));
    }
    if space.flag(true)? && !out.is_empty() {
        out.insert(0, ' ');
    }
    Ok(Value::from(out))
}
