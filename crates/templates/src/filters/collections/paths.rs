//! Paths into nested data: `to_paths`, `get_path`, `index_of` of `ansible.utils`.

use crate::args::{Args, Param};
use crate::error::TemplateError;
use crate::eval::Eval;
use crate::filters::Table;
use crate::ops::{self, Result, iterate};
use crate::text::to_str;
use crate::value::{Dict, View, dict, items, list, pairs, view};
use minijinja::Value;

pub(in crate::filters) const TABLE: Table = &[
    ("ansible.utils.to_paths", |_, value, args| {
        let [prepend, want_list] = args.bind("to_paths", ["prepend", "wantlist"])?;
        let paths = to_paths(&value, &prepend.text("")?);
        Ok(if want_list.flag(false)? { list(vec![paths]) } else { paths })
    }),
    ("ansible.utils.get_path", |eval, value, args| {
        let [path, want_list] = args.bind("get_path", ["path", "wantlist"])?;
        let found = get_path(eval, &value, &to_str(&path.required("get_path", "path")?))?;
        Ok(if want_list.flag(false)? { list(vec![found]) } else { found })
    }),
    ("ansible.utils.index_of", index_of),
    ("ansible.utils.consolidate", |_, _, _| Err(refused("consolidate"))),
    ("ansible.utils.fact_diff", |_, _, _| Err(refused("fact_diff"))),
    ("ansible.utils.from_xml", |_, _, _| Err(refused("from_xml"))),
    ("ansible.utils.ipcut", |_, _, _| Err(refused("ipcut"))),
    ("ansible.utils.param_list_compare", |_, _, _| Err(refused("param_list_compare"))),
    ("ansible.utils.to_xml", |_, _, _| Err(refused("to_xml"))),
    ("ansible.utils.validate", |_, _, _| Err(refused("validate"))),
];

fn refused(name: &str) -> TemplateError {
    TemplateError::runtime(format!("the filter 'ansible.utils.{name}' is not supported"))
}

/// Every leaf under its path.
pub(crate) fn to_paths(value: &Value, prepend: &str) -> Value {
    let mut out = Dict::new();
    walk(value, prepend.to_owned(), &mut out);
    dict(out)
}

fn walk(value: &Value, path: String, out: &mut Dict) {
    match view(value) {
        View::Map(map) if value.len() != Some(0) => {
            for (key, value) in pairs(map) {
                let step = match key.as_str() {
                    Some(name) if is_word(name) && path.is_empty() => name.to_owned(),
                    Some(name) if is_word(name) => format!(".{name}"),
                    Some(name) => format!("['{name}']"),
                    None => format!("[{}]", to_str(&key)),
                };
                walk(&value, format!("{path}{step}"), out);
            }
        }
        View::Seq(_) if value.len() != Some(0) => {
            for (index, item) in items(value).unwrap_or_default().iter().enumerate() {
                walk(item, format!("{path}[{index}]"), out);
            }
        }
        _ => {
            out.insert(Value::from(path), value.clone());
        }
    }
}

fn is_word(name: &str) -> bool {
    name.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_alphanumeric() || c == '_')
}

/// The value at a path such as `a.b[0]['c-d']`.
pub(crate) fn get_path(eval: &mut Eval<'_>, value: &Value, path: &str) -> Result {
    let mut current = value.clone();
    let mut rest = path;
    let bad = || TemplateError::runtime(format!("get_path: '{path}' is no path"));
    while !rest.is_empty() {
        let key = if let Some(inner) = rest.strip_prefix('[') {
            let (key, after) = match inner.chars().next() {
                Some(quote @ ('\'' | '"')) => {
                    let (key, after) = inner[1..].split_once(quote).ok_or_else(bad)?;
                    (Value::from(key), after.strip_prefix(']').ok_or_else(bad)?)
                }
                _ => {
                    let (key, after) = inner.split_once(']').ok_or_else(bad)?;
                    let key = key.trim();
                    (key.parse::<i64>().map_or_else(|_| Value::from(key), Value::from), after)
                }
            };
            rest = after;
            key
        } else {
            let name = rest.strip_prefix('.').unwrap_or(rest);
            let end = name.find(['.', '[']).unwrap_or(name.len());
            rest = &name[end..];
            let name = &name[..end];
            match (view(&current), name.parse::<i64>()) {
                (View::Seq(_), Ok(index)) => Value::from(index),
                _ => Value::from(name),
            }
        };
        current = match ops::item(&current, &key) {
            Some(found) => found,
            None => eval.missing(&current, &key),
        };
        ops::check(&current)?;
    }
    Ok(current)
}

/// The places of the items for which a test holds: one alone, several as a list.
pub(crate) fn index_of(eval: &mut Eval<'_>, value: Value, args: Args) -> Result {
    let [test, wanted, key, fail_on_missing, want_list] =
        args.bind("index_of", ["test", "value", "key", "fail_on_missing", "wantlist"])?;
    let test = to_str(&test.required("index_of", "test")?);
    let (negated, test) = match test.strip_prefix("not ").or_else(|| test.strip_prefix('!')) {
        Some(test) => (true, test.trim().to_owned()),
        None => (false, test),
    };
    let test = if test == "=" { "==".to_owned() } else { test };
    let strict = fail_on_missing.flag(false)?;
    let mut found = Vec::new();
    for (index, item) in iterate(&value)?.into_iter().enumerate() {
        let subject = match key.given() {
            None => Some(item),
            Some(key) => ops::item(&item, key),
        };
        let Some(subject) = subject else {
            if strict {
                return Err(TemplateError::runtime(format!(
                    "index_of: '{}' was not found in the item at {index}",
                    to_str(&key.unwrap_or_default())
                )));
            }
            continue;
        };
        let args = Args { pos: wanted.given().cloned().into_iter().collect(), named: Vec::new() };
        if eval.test(&test, &subject, args)? != negated {
            found.push(Value::from(index));
        }
    }
    Ok(match found.len() {
        1 if !want_list.flag(false)? => found.remove(0),
        _ => list(found),
    })
}
