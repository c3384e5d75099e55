//! Lists: selecting, mapping, sorting, sets.

use super::Table;
use crate::args::{Args, Param, int_arg};
use crate::error::TemplateError;
use crate::eval::Eval;
use crate::ir::Place;
use crate::ops::{self, Result, iterate};
use crate::text::to_str;
use crate::value::{Dict, View, dict, items, list, none, tuple, type_name, view};
use minijinja::Value;
use std::cmp::Ordering;

pub(super) const TABLE: Table = &[
    ("list", |_, value, _| iterate(&value).map(list)),
    ("length", |_, value, _| length(&value)),
    ("count", |_, value, _| length(&value)),
    ("first", |_, value, _| edge(&value, false)),
    ("last", |_, value, _| edge(&value, true)),
    ("join", join),
    ("reverse", |_, value, _| match view(&value) {
        View::Str(text) => Ok(Value::from(text.chars().rev().collect::<String>())),
        _ => {
            let mut all = iterate(&value)?;
            all.reverse();
            Ok(list(all))
        }
    }),
    ("sort", sort),
    ("unique", unique),
    ("min", |eval, value, args| extreme(eval, &value, args, Ordering::Less)),
    ("max", |eval, value, args| extreme(eval, &value, args, Ordering::Greater)),
    ("sum", sum),
    ("map", map),
    ("select", |eval, value, args| select(eval, &value, args, false, true)),
    ("reject", |eval, value, args| select(eval, &value, args, false, false)),
    ("selectattr", |eval, value, args| select(eval, &value, args, true, true)),
    ("rejectattr", |eval, value, args| select(eval, &value, args, true, false)),
    ("batch", batch),
    ("slice", slice),
    ("flatten", flatten),
    ("union", |_, value, args| {
        let mut all = iterate(&value)?;
        all.extend(other(args, "union")?);
        Ok(list(dedup(all)))
    }),
    ("intersect", |_, value, args| {
        let second = other(args, "intersect")?;
        Ok(list(dedup(iterate(&value)?.into_iter().filter(|item| has(&second, item)).collect())))
    }),
    ("difference", |_, value, args| {
        let second = other(args, "difference")?;
        Ok(list(dedup(iterate(&value)?.into_iter().filter(|item| !has(&second, item)).collect())))
    }),
    ("symmetric_difference", |_, value, args| {
        let (first, second) = (iterate(&value)?, other(args, "symmetric_difference")?);
        let only_first = first.iter().filter(|item| !has(&second, item));
        let only_second = second.iter().filter(|item| !has(&first, item));
        Ok(list(dedup(only_first.chain(only_second).cloned().collect())))
    }),
    ("zip", |_, value, args| {
        let lists = zipped(&value, &args)?;
        let shortest = lists.iter().map(Vec::len).min().unwrap_or(0);
        Ok(list((0..shortest).map(|at| tuple(lists.iter().map(|l| l[at].clone()).collect())).collect()))
    }),
    ("zip_longest", |_, value, mut args| {
        let fill = args.take("fillvalue").unwrap_or_else(none);
        let lists = zipped(&value, &args)?;
        let longest = lists.iter().map(Vec::len).max().unwrap_or(0);
        let row = |at: usize| {
            tuple(lists.iter().map(|l| l.get(at).cloned().unwrap_or_else(|| fill.clone())).collect())
        };
        Ok(list((0..longest).map(row).collect()))
    }),
    ("product", |_, value, mut args| {
        let repeat = usize::try_from(args.take("repeat").int(1)?).unwrap_or(0);
        let lists = zipped(&value, &args)?;
        let rows: usize = lists.iter().map(Vec::len).product();
        if rows.checked_pow(u32::try_from(repeat).unwrap_or(u32::MAX)).is_none_or(|rows| rows > 1_000_000) {
            return Err(TemplateError::runtime("product makes more than a million rows"));
        }
        let all: Vec<Vec<Value>> = (0..repeat).flat_map(|_| lists.iter().cloned()).collect();
        Ok(list(crate::functions::product(&all).into_iter().map(tuple).collect()))
    }),
    ("permutations", |_, value, args| choose(&value, args, true)),
    ("combinations", |_, value, args| choose(&value, args, false)),
    ("groupby", groupby),
    ("extract", extract),
];

fn length(value: &Value) -> Result {
    match view(value) {
        View::Str(text) => Ok(Value::from(text.chars().count())),
        View::Bytes(bytes) => Ok(Value::from(bytes.len())),
        View::Seq(object) | View::Map(object) => Ok(Value::from(object.enumerator_len().unwrap_or(0))),
        View::Absent => Ok(Value::from(0)),
        View::Iter => iterate(value).map(|all| Value::from(all.len())),
        _ => Err(TemplateError::runtime(format!("object of type '{}' has no len()", type_name(value)))),
    }
}

fn edge(value: &Value, last: bool) -> Result {
    let all = iterate(value)?;
    let found = if last { all.last() } else { all.first() };
    Ok(found.cloned().unwrap_or_else(|| {
        let which = if last { "last" } else { "first" };
        crate::value::error_value(TemplateError::undefined(
            "",
            format!("No {which} item, sequence was empty."),
        ))
    }))
}

/// How an attribute argument (`'a.b.0'`, `2`) reaches into an item.
struct Path(Vec<Value>);

impl Path {
    fn new(attribute: &Value) -> Self {
        match view(attribute) {
            View::Str(text) => Self(
                text.split('.')
                    .map(|part| part.parse::<i64>().map_or_else(|_| Value::from(part), Value::from))
                    .collect(),
            ),
            _ => Self(vec![attribute.clone()]),
        }
    }

    fn get(&self, eval: &mut Eval<'_>, item: &Value) -> Value {
        self.0.iter().fold(item.clone(), |value, key| match ops::item(&value, key) {
            Some(found) => found,
            None => match key.as_str() {
                Some(name) => eval.attr(&value, name, Place::default()),
                // numeric keys may be names in a dict
                None => eval.missing(&value, key),
            },
        })
    }
}

fn join(eval: &mut Eval<'_>, value: Value, args: Args) -> Result {
    let [separator, attribute] = args.bind("join", ["d", "attribute"])?;
    let separator = separator.text("")?;
    let path = attribute.given().map(Path::new);
    let mut out = String::new();
    for (index, item) in iterate(&value)?.into_iter().enumerate() {
        let item = match &path {
            Some(path) => path.get(eval, &item),
            None => item,
        };
        ops::check(&item)?;
        if index > 0 {
            out.push_str(&separator);
        }
        crate::text::write_str(&mut out, &item);
        ops::check_length(out.len())?;
    }
    Ok(Value::from(out))
}

/// The value sorting and grouping look at; text without case unless wanted.
fn sort_key(value: &Value, case_sensitive: bool) -> Value {
    match value.as_str() {
        Some(text) if !case_sensitive => Value::from(text.to_lowercase()),
        _ => value.clone(),
    }
}

fn sort(eval: &mut Eval<'_>, value: Value, args: Args) -> Result {
    let [reverse, case, attribute] = args.bind("sort", ["reverse", "case_sensitive", "attribute"])?;
    let (reverse, case) = (reverse.flag(false)?, case.flag(false)?);
    let paths: Vec<Path> = match attribute.given() {
        None => Vec::new(),
        Some(names) if names.as_str().is_some() => {
            to_str(names).split(',').map(|name| Path::new(&Value::from(name.trim()))).collect()
        }
        Some(name) => vec![Path::new(name)],
    };
    let mut keyed: Vec<(Vec<Value>, Value)> = iterate(&value)?
        .into_iter()
        .map(|item| {
            let keys = if paths.is_empty() {
                vec![sort_key(&item, case)]
            } else {
                paths.iter().map(|path| sort_key(&path.get(eval, &item), case)).collect()
            };
            (keys, item)
        })
        .collect();
    ops::sort_by(&mut keyed, reverse, |a, b| {
        for (a, b) in a.0.iter().zip(&b.0) {
            let order = ops::compare("<", a, b)?.unwrap_or(Ordering::Equal);
            if order.is_ne() {
                return Ok(order);
            }
        }
        Ok(Ordering::Equal)
    })?;
    Ok(list(keyed.into_iter().map(|(_, item)| item).collect()))
}

fn unique(eval: &mut Eval<'_>, value: Value, args: Args) -> Result {
    let [case, attribute] = args.bind("unique", ["case_sensitive", "attribute"])?;
    let case = case.flag(false)?;
    let path = attribute.given().map(Path::new);
    let mut keyed = Vec::new();
    for item in iterate(&value)? {
        let key = match &path {
            Some(path) => path.get(eval, &item),
            None => item.clone(),
        };
        ops::check(&key)?;
        keyed.push((key, item));
    }
    // lists with lists or dicts in them are compared exactly
    let exact = case || keyed.iter().any(|(key, _)| matches!(view(key), View::Seq(_) | View::Map(_)));
    let mut texts = std::collections::HashSet::new();
    let mut others: Vec<Value> = Vec::new();
    let mut out = Vec::new();
    for (key, item) in keyed {
        let new = match key.as_str() {
            Some(text) => texts.insert(if exact { text.to_owned() } else { text.to_lowercase() }),
            None if has(&others, &key) => false,
            None => {
                others.push(key);
                true
            }
        };
        if new {
            out.push(item);
        }
    }
    Ok(list(out))
}

fn extreme(eval: &mut Eval<'_>, value: &Value, args: Args, wanted: Ordering) -> Result {
    let [case, attribute] = args.bind("min/max", ["case_sensitive", "attribute"])?;
    let case = case.flag(false)?;
    let path = attribute.given().map(Path::new);
    let mut best: Option<(Value, Value)> = None;
    for item in iterate(value)? {
        let key = match &path {
            Some(path) => path.get(eval, &item),
            None => item.clone(),
        };
        let key = sort_key(&key, case);
        let better = match &best {
            None => true,
            Some((known, _)) => ops::compare("<", &key, known)? == Some(wanted),
        };
        if better {
            best = Some((key, item));
        }
    }
    best.map(|(_, item)| item).ok_or_else(|| {
        let what = if wanted.is_lt() { "min" } else { "max" };
        TemplateError::runtime(format!("{what}() iterable argument is empty"))
    })
}

fn sum(eval: &mut Eval<'_>, value: Value, args: Args) -> Result {
    let [attribute, start] = args.bind("sum", ["attribute", "start"])?;
    let path = attribute.given().map(Path::new);
    let mut total = start.unwrap_or_else(|| Value::from(0));
    for item in iterate(&value)? {
        let item = match &path {
            Some(path) => path.get(eval, &item),
            None => item,
        };
        total = ops::arith(ops::Arith::Add, &total, &item)?;
    }
    Ok(total)
}

fn map(eval: &mut Eval<'_>, value: Value, mut args: Args) -> Result {
    let all = iterate(&value)?;
    if args.pos.is_empty() {
        let attribute = args.take("attribute").required("map", "attribute")?;
        let default = args.take("default");
        let path = Path::new(&attribute);
        return Ok(list(
            all.iter()
                .map(|item| {
                    let found = path.get(eval, item);
                    match &default {
                        Some(default) if crate::value::marker(&found).is_some() => default.clone(),
                        _ => found,
                    }
                })
                .collect(),
        ));
    }
    let name = to_str(&args.pos.remove(0));
    let mapped = all.into_iter().map(|item| eval.filter(&name, item, args.clone()));
    mapped.collect::<Result<Vec<_>>>().map(list)
}

fn select(eval: &mut Eval<'_>, value: &Value, mut args: Args, by_attribute: bool, keep: bool) -> Result {
    let what = if by_attribute { "selectattr" } else { "select" };
    let path = if by_attribute {
        if args.pos.is_empty() {
            return Err(TemplateError::runtime(format!("{what}: missing the name of the attribute")));
        }
        Some(Path::new(&args.pos.remove(0)))
    } else {
        None
    };
    let test = if args.pos.is_empty() { None } else { Some(to_str(&args.pos.remove(0))) };
    let mut out = Vec::new();
    for item in iterate(value)? {
        let subject = match &path {
            Some(path) => path.get(eval, &item),
            None => item.clone(),
        };
        let passed = match &test {
            Some(test) => eval.test(test, &subject, args.clone())?,
            None => ops::truth(&subject)?,
        };
        if passed == keep {
            out.push(item);
        }
    }
    Ok(list(out))
}

fn batch(_: &mut Eval<'_>, value: Value, args: Args) -> Result {
    let [count, fill] = args.bind("batch", ["linecount", "fill_with"])?;
    let count = usize::try_from(int_arg(&count.required("batch", "linecount")?)?.max(1)).unwrap_or(1);
    let rows = iterate(&value)?;
    if fill.given().is_some() && count > 1_000_000 {
        return Err(TemplateError::runtime("batch fills rows of at most a million items"));
    }
    let rows = rows.chunks(count).map(|row| {
        let mut row = row.to_vec();
        if let Some(fill) = fill.given() {
            while row.len() < count {
                row.push(fill.clone());
            }
        }
        list(row)
    });
    Ok(list(rows.collect()))
}

fn slice(_: &mut Eval<'_>, value: Value, args: Args) -> Result {
    let [slices, fill] = args.bind("slice", ["slices", "fill_with"])?;
    let slices = usize::try_from(int_arg(&slices.required("slice", "slices")?)?.max(1)).unwrap_or(1);
    let all = iterate(&value)?;
    let (each, extra) = (all.len() / slices, all.len() % slices);
    let mut at = 0;
    let mut out = Vec::new();
    if slices > 1_000_000 {
        return Err(TemplateError::runtime("slice makes at most a million slices"));
    }
    for number in 0..slices {
        let len = each + usize::from(number < extra);
        let mut part = all[at..at + len].to_vec();
        at += len;
        if let (Some(fill), true) = (fill.given(), number >= extra && extra > 0) {
            part.push(fill.clone());
        }
        out.push(list(part));
    }
    Ok(list(out))
}

fn flatten(_: &mut Eval<'_>, value: Value, args: Args) -> Result {
    let [levels, skip_nulls] = args.bind("flatten", ["levels", "skip_nulls"])?;
    let levels = levels.given().map(int_arg).transpose()?;
    let skip_nulls = skip_nulls.flag(true)?;
    let mut out = Vec::new();
    flatten_into(&mut out, &iterate(&value)?, levels, skip_nulls);
    Ok(list(out))
}

fn flatten_into(out: &mut Vec<Value>, all: &[Value], levels: Option<i64>, skip_nulls: bool) {
    for item in all {
        match view(item) {
            View::None if skip_nulls => {}
            View::Str("None" | "null") if skip_nulls => {}
            View::Seq(_) if levels.is_none_or(|levels| levels >= 1) => {
                let inner = items(item).unwrap_or_default();
                flatten_into(out, &inner, levels.map(|levels| levels - 1), skip_nulls);
            }
            _ => out.push(item.clone()),
        }
    }
}

fn other(args: Args, what: &str) -> Result<Vec<Value>> {
    let [second] = args.bind(what, ["b"])?;
    iterate(&second.required(what, "b")?)
}

pub(super) fn has(all: &[Value], item: &Value) -> bool {
    all.iter().any(|known| ops::equal(known, item))
}

/// Without repetitions, in order. Texts go through a set: large lists of names are common.
pub(super) fn dedup(all: Vec<Value>) -> Vec<Value> {
    let mut texts = std::collections::HashSet::new();
    let mut others: Vec<Value> = Vec::new();
    let mut out = Vec::new();
    for item in all {
        let new = match item.as_str() {
            Some(text) => texts.insert(text.to_owned()),
            None if has(&others, &item) => false,
            None => {
                others.push(item.clone());
                true
            }
        };
        if new {
            out.push(item);
        }
    }
    out
}

fn zipped(value: &Value, args: &Args) -> Result<Vec<Vec<Value>>> {
    std::iter::once(value).chain(&args.pos).map(iterate).collect()
}

fn choose(value: &Value, args: Args, ordered: bool) -> Result {
    let [size] = args.bind(if ordered { "permutations" } else { "combinations" }, ["r"])?;
    let all = iterate(value)?;
    let size = match size.given() {
        Some(size) => usize::try_from(int_arg(size)?).unwrap_or(0),
        None if ordered => all.len(),
        None => return Err(TemplateError::runtime("combinations: missing required argument 'r'")),
    };
    let mut out = Vec::new();
    pick(&all, size, ordered, &mut Vec::new(), &mut out)?;
    Ok(list(out))
}

fn pick(
    all: &[Value],
    size: usize,
    ordered: bool,
    taken: &mut Vec<usize>,
    out: &mut Vec<Value>,
) -> Result<()> {
    if out.len() > 1_000_000 {
        return Err(TemplateError::runtime("more than a million combinations"));
    }
    if taken.len() == size {
        out.push(tuple(taken.iter().map(|at| all[*at].clone()).collect()));
        return Ok(());
    }
    let first = if ordered { 0 } else { taken.last().map_or(0, |last| last + 1) };
    for at in first..all.len() {
        if ordered && taken.contains(&at) {
            continue;
        }
        taken.push(at);
        pick(all, size, ordered, taken, out)?;
        taken.pop();
    }
    Ok(())
}

fn groupby(eval: &mut Eval<'_>, value: Value, args: Args) -> Result {
    let [attribute, default, case] = args.bind("groupby", ["attribute", "default", "case_sensitive"])?;
    let path = Path::new(&attribute.required("groupby", "attribute")?);
    let case = case.flag(false)?;
    let mut keyed = Vec::new();
    for item in iterate(&value)? {
        let mut key = path.get(eval, &item);
        if let (Some(_), Some(default)) = (crate::value::marker(&key), &default) {
            key = default.clone();
        }
        ops::check(&key)?;
        keyed.push((sort_key(&key, case), key, item));
    }
    ops::sort_by(&mut keyed, false, |a, b| Ok(ops::compare("<", &a.0, &b.0)?.unwrap_or(Ordering::Equal)))?;
    let mut groups: Vec<(Value, Value, Vec<Value>)> = Vec::new();
    for (sorted, key, item) in keyed {
        match groups.last_mut() {
            Some((known, _, members)) if ops::equal(known, &sorted) => members.push(item),
            _ => groups.push((sorted, key, vec![item])),
        }
    }
    let groups = groups.into_iter().map(|(_, grouper, members)| {
        let mut group = Dict::new();
        group.insert(Value::from(0), grouper.clone());
        group.insert(Value::from(1), list(members.clone()));
        group.insert(Value::from("grouper"), grouper);
        group.insert(Value::from("list"), list(members));
        Value::from_object(Group(group))
    });
    Ok(list(groups.collect()))
}

/// A pair that also has the names `grouper` and `list`.
#[derive(Debug)]
struct Group(Dict);

impl minijinja::value::Object for Group {
    fn repr(self: &std::sync::Arc<Self>) -> minijinja::value::ObjectRepr {
        minijinja::value::ObjectRepr::Seq
    }
    fn get_value(self: &std::sync::Arc<Self>, key: &Value) -> Option<Value> {
        self.0.get(key).cloned()
    }
    fn enumerate(self: &std::sync::Arc<Self>) -> minijinja::value::Enumerator {
        minijinja::value::Enumerator::Seq(2)
    }
}

/// The named parts of a group.
pub(crate) fn group_attr(value: &Value, name: &str) -> Option<Value> {
    value.downcast_object_ref::<Group>()?.0.get(&Value::from(name)).cloned()
}

fn extract(eval: &mut Eval<'_>, value: Value, args: Args) -> Result {
    let [container, more] = args.bind("extract", ["container", "morekeys"])?;
    let container = container.required("extract", "container")?;
    let mut keys = vec![value];
    if let Some(more) = more.given() {
        match view(more) {
            View::Seq(_) => keys.extend(items(more).unwrap_or_default()),
            _ => keys.push(more.clone()),
        }
    }
    Ok(keys.iter().fold(container, |value, key| match ops::item(&value, key) {
        Some(found) => found,
        None => eval.missing(&value, key),
    }))
}

/// Plain dicts for those who build lists of them.
pub(crate) fn entry(pairs: [(&str, Value); 2]) -> Value {
    dict(pairs.into_iter().map(|(key, value)| (Value::from(key), value)).collect())
}
