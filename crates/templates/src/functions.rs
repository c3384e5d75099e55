//! Global functions: `lookup`, `query`, `range`, `now`, ….

use crate::args::{Args, Param, int_arg};
use crate::error::{ErrorKind, TemplateError};
use crate::eval::Eval;
use crate::ops::{self, Result};
use crate::scope::Kwargs;
use crate::stmt::{Cycler, Joiner};
use crate::text::to_str;
use crate::value::{
    Dict, MutDict, View, dict, error_value, int, items, list, none, omit_value, pairs, tuple, view,
};
use minijinja::Value;
use minijinja::value::{Object, ObjectRepr};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

pub(crate) type Function = fn(&mut Eval<'_>, Args) -> Result;

/// Longest list `range()` makes.
const LONGEST_RANGE: i64 = 1_000_000;

/// A global function as a value.
pub(crate) struct Global(pub(crate) Function);

impl std::fmt::Debug for Global {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<function>")
    }
}

impl Object for Global {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }
}

/// What a name means that nobody has defined.
pub(crate) fn global(name: &str) -> Option<Value> {
    if name == "omit" {
        return Some(omit_value());
    }
    find(name).map(|function| Value::from_object(Global(function)))
}

/// Is the name known without a scope?
pub(crate) fn is_global(name: &str) -> bool {
    find(name).is_some()
        || matches!(name, "omit" | "loop" | "self" | "super" | "caller" | "varargs" | "kwargs")
}

/// A global function.
pub(crate) fn find(name: &str) -> Option<Function> {
    Some(match name {
        "lookup" => lookup,
        "query" | "q" => query,
        "range" => range,
        "dict" => make_dict,
        "namespace" => namespace,
        "now" => now,
        "undef" => undef,
        "cycler" => |_, args| Ok(Value::from_object(Cycler { items: args.pos, at: AtomicUsize::new(0) })),
        "joiner" => |_, args| {
            let [separator] = args.bind("joiner()", ["sep"])?;
            Ok(Value::from_object(Joiner { separator: separator.text(", ")?, used: AtomicUsize::new(0) }))
        },
        "lipsum" => lipsum,
        _ => return None,
    })
}

fn range(_: &mut Eval<'_>, args: Args) -> Result {
    args.check()?;
    let [a, b, c] = args.bind("range()", ["start", "stop", "step"])?;
    let first = int_arg(&a.required("range()", "stop")?)?;
    let (start, stop) = match b {
        None => (0, first),
        Some(stop) => (first, int_arg(&stop)?),
    };
    let step = c.int(1)?;
    if step == 0 {
        return Err(TemplateError::runtime("range() arg 3 must not be zero"));
    }
    let count = (i128::from(stop) - i128::from(start)) / i128::from(step);
    if count > i128::from(LONGEST_RANGE) {
        return Err(TemplateError::runtime(format!("range() is longer than {LONGEST_RANGE} items")));
    }
    let mut out = Vec::new();
    let mut at = start;
    while (step > 0 && at < stop) || (step < 0 && at > stop) {
        out.push(Value::from(at));
        at = at.saturating_add(step);
    }
    Ok(list(out))
}

fn collect_dict(args: Args) -> Result<Dict> {
    let mut map = Dict::new();
    for source in &args.pos {
        match view(source) {
            View::Map(more) => map.extend(pairs(more)),
            _ => {
                for pair in ops::iterate(source)? {
                    match &ops::iterate(&pair)?[..] {
                        [key, value] => {
                            map.insert(key.clone(), value.clone());
                        }
                        other => {
                            return Err(TemplateError::runtime(format!(
                                "dictionary update sequence element has length {}; 2 is required",
                                other.len()
                            )));
                        }
                    }
                }
            }
        }
    }
    map.extend(args.named.into_iter().map(|(name, value)| (Value::from(&*name), value)));
    Ok(map)
}

fn make_dict(eval: &mut Eval<'_>, args: Args) -> Result {
    let map = collect_dict(args)?;
    Ok(eval.new_dict(map))
}

fn namespace(_: &mut Eval<'_>, args: Args) -> Result {
    Ok(Value::from_object(MutDict::new(collect_dict(args)?, true)))
}

fn now(_: &mut Eval<'_>, args: Args) -> Result {
    let [utc, format] = args.bind("now()", ["utc", "fmt"])?;
    crate::time::now(utc.flag(false)?, &format.text("")?)
}

/// Words of filler text.
const LOREM: &str = "a ac accumsan ad adipiscing aenean aliquam aliquet amet ante aptent arcu at auctor augue bibendum \
    blandit class commodo condimentum congue consectetuer consequat conubia convallis cras cubilia cum curabitur cursus \
    dapibus diam dictum dignissim dis dolor donec dui duis egestas eget eleifend elementum elit enim erat eros est et \
    etiam eu euismod facilisi facilisis fames faucibus felis fermentum feugiat fringilla fusce gravida habitant hac \
    hendrerit iaculis id imperdiet in integer interdum ipsum justo lacinia lacus laoreet lectus leo libero ligula \
    litora lobortis lorem luctus maecenas magna magnis malesuada massa mattis mauris metus mi molestie mollis montes \
    morbi mus nam nascetur natoque nec neque netus nibh nisi nisl non nonummy nostra nulla nullam nunc odio orci ornare \
    parturient pede pellentesque penatibus per pharetra phasellus placerat platea porta porttitor posuere potenti \
    praesent pretium primis proin pulvinar purus quam quis quisque rhoncus ridiculus risus rutrum sagittis sapien \
    scelerisque sed sem semper senectus sit sociis sodales sollicitudin suscipit suspendisse taciti tellus tempor \
    tempus tincidunt torquent tortor tristique turpis ullamcorper ultrices ultricies urna ut varius vehicula vel velit \
    venenatis vestibulum vitae vivamus viverra volutpat vulputate";

/// `n` paragraphs of `min` to `max` words of filler text.
fn lipsum(_: &mut Eval<'_>, args: Args) -> Result {
    let [n, html, min, max] = args.bind("lipsum()", ["n", "html", "min", "max"])?;
    let bound = |value: Option<Value>, default: i64| -> Result<usize> {
        Ok(usize::try_from(value.int(default)?).unwrap_or(0))
    };
    let (n, html) = (bound(n, 5)?, html.flag(true)?);
    let (min, max) = (bound(min, 20)?, bound(max, 100)?);
    if n.saturating_mul(max.max(min)) > 1_000_000 {
        return Err(TemplateError::runtime("lipsum() makes at most a million words"));
    }
    if max <= min {
        return Err(TemplateError::runtime("lipsum() needs a max that is greater than min"));
    }
    let words: Vec<&str> = LOREM.split_whitespace().collect();
    let paragraph = || {
        let length = min + crate::filters::random::below(max - min);
        let mut text = String::new();
        let mut sentence = true;
        for index in 0..length {
            let word = words[crate::filters::random::below(words.len())];
            if index > 0 {
                text.push(' ');
            }
            let mut letters = word.chars();
            match letters.next() {
                Some(first) if sentence => text.extend(first.to_uppercase().chain(letters)),
                _ => text.push_str(word),
            }
            sentence = crate::filters::random::below(12) == 0 && index + 1 < length;
            if sentence {
                text.push('.');
            }
        }
        text.push('.');
        if html { format!("<p>{text}</p>") } else { text }
    };
    let paragraphs: Vec<String> = (0..n).map(|_| paragraph()).collect();
    Ok(Value::from(paragraphs.join(if html { "\n" } else { "\n\n" })))
}

fn undef(_: &mut Eval<'_>, args: Args) -> Result {
    let [hint] = args.bind("undef()", ["hint"])?;
    let hint = hint.text("Mandatory variable has not been overridden")?;
    Ok(error_value(TemplateError::undefined("", hint)))
}

/// The error for a lookup nobody knows.
pub fn unknown_lookup(name: &str) -> TemplateError {
    TemplateError::new(ErrorKind::Runtime, format!("The lookup plugin '{name}' was not found."))
}

fn query(eval: &mut Eval<'_>, mut args: Args) -> Result {
    args.take("wantlist");
    run_lookup(eval, args).map(|found| list(found.unwrap_or_default()))
}

fn lookup(eval: &mut Eval<'_>, mut args: Args) -> Result {
    let want_list = match args.take("wantlist") {
        Some(flag) => ops::truth(&flag)?,
        None => false,
    };
    // one that failed, of which the failure is ignored, is nothing at all
    let Some(found) = run_lookup(eval, args)? else {
        return Ok(if want_list { list(Vec::new()) } else { none() });
    };
    if want_list {
        return Ok(list(found));
    }
    let all_text = !found.is_empty() && found.iter().all(|value| value.as_str().is_some());
    Ok(match found.len() {
        1 => found.into_iter().next().unwrap_or_else(none),
        // several texts are joined, anything else stays a list
        _ if all_text => Value::from(found.iter().map(to_str).collect::<Vec<_>>().join(",")),
        _ => list(found),
    })
}

/// What a lookup finds; nothing when it fails and `errors` says that this is ignored.
fn run_lookup(eval: &mut Eval<'_>, mut args: Args) -> Result<Option<Vec<Value>>> {
    // `default=undef()` is a way to ask for an error
    let default = args.take("default");
    args.check_deep()?;
    args.named.extend(default.map(|default| (Arc::from("default"), default)));
    if eval.no_lookups {
        return Err(TemplateError::runtime(
            "lookups are not run in a condition that is the value of a variable",
        ));
    }
    if args.pos.is_empty() {
        return Err(TemplateError::runtime("lookup() needs the name of a lookup as its first argument"));
    }
    let full = to_str(&args.pos.remove(0));
    let name = crate::names::short(&full);
    let mut kwargs: Kwargs = args.named.into_iter().map(|(name, value)| (name.to_string(), value)).collect();
    let errors = kwargs.shift_remove("errors").map_or_else(|| "strict".to_owned(), |value| to_str(&value));
    if !matches!(&*errors, "strict" | "warn" | "ignore") {
        return Err(TemplateError::runtime(format!(
            "lookup: errors must be strict, warn or ignore, not '{errors}'"
        )));
    }
    let result = match pure_lookup(eval, name, &args.pos, &kwargs) {
        Some(result) => result,
        None => eval.templater.host().lookup(name, &args.pos, &kwargs, eval.scope),
    };
    match result {
        Err(error) if errors != "strict" && !matches!(error.kind, ErrorKind::Unknown { .. }) => Ok(None),
        Err(mut error) => {
            if !matches!(error.kind, ErrorKind::Unknown { .. } | ErrorKind::Undefined { .. }) {
                error = error.without_place();
            }
            Err(error)
        }
        found => found.map(Some),
    }
}

/// Lists among the terms are spread one level, as most lookups do.
fn flatten(terms: &[Value]) -> Vec<Value> {
    terms
        .iter()
        .flat_map(|term| match view(term) {
            View::Seq(_) => items(term).unwrap_or_default(),
            _ => vec![term.clone()],
        })
        .collect()
}

fn lists(what: &str, terms: &[Value]) -> Result<Vec<Vec<Value>>> {
    if terms.is_empty() {
        return Err(TemplateError::runtime(format!("{what} requires at least one element in each list")));
    }
    terms
        .iter()
        .map(|term| match view(term) {
            View::Seq(_) | View::Iter => Ok(items(term).unwrap_or_default()),
            _ => Ok(vec![term.clone()]),
        })
        .collect()
}

/// Lookups that need nothing but values.
fn pure_lookup(
    eval: &mut Eval<'_>,
    name: &str,
    terms: &[Value],
    kwargs: &Kwargs,
) -> Option<Result<Vec<Value>>> {
    Some(match name {
        "items" => Ok(flatten(terms)),
        "list" => Ok(terms.to_vec()),
        "flattened" | "community.general.flattened" => Ok(deep_flatten(terms)),
        "ansible.utils.get_path" => match terms {
            [value, path] => {
                crate::filters::data_paths::get_path(eval, value, &to_str(path)).map(|found| vec![found])
            }
            _ => Err(TemplateError::runtime("get_path needs a value and a path")),
        },
        "ansible.utils.to_paths" => Ok(terms
            .iter()
            .map(|term| {
                let prepend = kwargs.get("prepend").map(to_str).unwrap_or_default();
                crate::filters::data_paths::to_paths(term, &prepend)
            })
            .collect()),
        "ansible.utils.index_of" => match terms.split_first() {
            Some((value, rest)) => {
                let named = kwargs.iter().map(|(name, value)| (Arc::from(name.as_str()), value.clone()));
                let args = Args { pos: rest.to_vec(), named: named.collect() };
                crate::filters::data_paths::index_of(eval, value.clone(), args).map(|found| vec![found])
            }
            None => Err(TemplateError::runtime("index_of needs a list")),
        },
        "dict" => terms.iter().try_fold(Vec::new(), |mut out, term| {
            for (key, value) in ops::as_dict(term)? {
                let mut entry = Dict::new();
                entry.insert(Value::from("key"), key);
                entry.insert(Value::from("value"), value);
                out.push(dict(entry));
            }
            Ok(out)
        }),
        "nested" | "cartesian" | "community.general.cartesian" => {
            lists("nested", terms).map(|lists| product(&lists).into_iter().map(list).collect())
        }
        "together" => lists("with_together", terms).map(|lists| {
            let longest = lists.iter().map(Vec::len).max().unwrap_or(0);
            (0..longest)
                .map(|at| {
                    list(lists.iter().map(|items| items.get(at).cloned().unwrap_or_else(none)).collect())
                })
                .collect()
        }),
        "indexed_items" => Ok(flatten(terms)
            .into_iter()
            .enumerate()
            .map(|(index, item)| tuple(vec![Value::from(index), item]))
            .collect()),
        "random_choice" => Ok(if terms.is_empty() {
            Vec::new()
        } else {
            vec![terms[crate::filters::random::below(terms.len())].clone()]
        }),
        "sequence" => sequence(terms, kwargs),
        "subelements" => crate::filters::dicts::lookup_subelements(terms),
        "vars" => vars_lookup(eval, terms, kwargs),
        "varnames" => varnames(eval, terms),
        _ => return None,
    })
}

fn deep_flatten(terms: &[Value]) -> Vec<Value> {
    terms
        .iter()
        .flat_map(|term| match view(term) {
            View::Seq(_) => deep_flatten(&items(term).unwrap_or_default()),
            View::None => Vec::new(),
            _ => vec![term.clone()],
        })
        .collect()
}

/// The Cartesian product, the last list changing fastest.
pub(crate) fn product(lists: &[Vec<Value>]) -> Vec<Vec<Value>> {
    lists.iter().fold(vec![Vec::new()], |rows, items| {
        rows.iter()
            .flat_map(|row| {
                items.iter().map(move |item| {
                    let mut row = row.clone();
                    row.push(item.clone());
                    row
                })
            })
            .collect()
    })
}

fn vars_lookup(eval: &mut Eval<'_>, terms: &[Value], kwargs: &Kwargs) -> Result<Vec<Value>> {
    let mut out = Vec::new();
    for term in flatten(terms) {
        let name = term
            .as_str()
            .ok_or_else(|| TemplateError::runtime("vars lookup: a variable name must be a string"))?;
        let found = match eval.scope.get(name) {
            Err(error) if error.is_undefined() && kwargs.contains_key("default") => None,
            other => other.map_err(TemplateError::without_place)?,
        };
        match found.or_else(|| kwargs.get("default").cloned()) {
            Some(value) => out.push(value),
            None => {
                return Err(TemplateError::undefined(name, format!("No variable named '{name}' was found.")));
            }
        }
    }
    Ok(out)
}

fn varnames(eval: &mut Eval<'_>, terms: &[Value]) -> Result<Vec<Value>> {
    let mut out = Vec::new();
    let names = eval.scope.names();
    for term in terms {
        let pattern = crate::regex::compile(&to_str(term), crate::regex::Flags::default())?;
        out.extend(
            names
                .iter()
                .filter(|name| pattern.is_match(name).unwrap_or(false))
                .map(|name| Value::from(&**name)),
        );
    }
    Ok(out)
}

/// `start=… end=… count=… stride=… format=…`, or the short form `start-end/stride:format`.
fn sequence(terms: &[Value], kwargs: &Kwargs) -> Result<Vec<Value>> {
    let bad = |text: &str| TemplateError::runtime(format!("can't parse arguments for sequence: '{text}'"));
    let number = |text: &str| -> Result<i64> {
        let text = text.trim();
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text),
        };
        let value = if let Some(hex) = digits.strip_prefix("0x") {
            i64::from_str_radix(hex, 16)
        } else if let Some(octal) = digits.strip_prefix('0').filter(|rest| !rest.is_empty()) {
            i64::from_str_radix(octal.trim_start_matches('o'), 8)
        } else {
            digits.parse()
        };
        value.map(|value| if negative { -value } else { value }).map_err(|_| bad(text))
    };
    let runs: Vec<String> =
        if terms.is_empty() { vec![String::new()] } else { terms.iter().map(to_str).collect() };
    let mut out = Vec::new();
    for run in runs {
        let (mut start, mut end, mut count, mut stride, mut format) = (1, None, None, None, "%d".to_owned());
        let mut set = |key: &str, value: &str| -> Result<()> {
            match key {
                "start" => start = number(value)?,
                "end" => end = Some(number(value)?),
                "count" => count = Some(number(value)?),
                "stride" => stride = Some(number(value)?),
                "format" => value.clone_into(&mut format),
                _ => {
                    return Err(TemplateError::runtime(format!(
                        "unrecognized arguments to with_sequence: {key}"
                    )));
                }
            }
            Ok(())
        };
        for (key, value) in kwargs {
            set(key, &to_str(value))?;
        }
        if run.contains('=') {
            for pair in run.split_whitespace() {
                let (key, value) = pair.split_once('=').ok_or_else(|| bad(&run))?;
                set(key, value)?;
            }
        } else if !run.trim().is_empty() {
            let (numbers, layout) = run.split_once(':').map_or((run.as_str(), None), |(a, b)| (a, Some(b)));
            let (numbers, step) = numbers.split_once('/').map_or((numbers, None), |(a, b)| (a, Some(b)));
            match numbers.get(1..).and_then(|rest| rest.find('-')).map(|at| at + 1) {
                Some(at) => {
                    set("start", &numbers[..at])?;
                    set("end", &numbers[at + 1..])?;
                }
                None => set("end", numbers)?,
            }
            if let Some(step) = step {
                set("stride", step)?;
            }
            if let Some(layout) = layout {
                set("format", layout)?;
            }
        }
        let stride = stride.unwrap_or(1);
        let end = match (end, count) {
            (Some(_), Some(_)) => {
                return Err(TemplateError::runtime("can't specify both count and end in with_sequence"));
            }
            (None, None) => {
                return Err(TemplateError::runtime("must specify count or end in with_sequence"));
            }
            (Some(end), None) => end,
            (None, Some(0)) => continue,
            (None, Some(count)) => start + count * stride - if stride < 0 { -1 } else { 1 },
        };
        if stride > 0 && end < start {
            return Err(TemplateError::runtime("to count backwards make stride negative"));
        }
        if stride < 0 && end > start {
            return Err(TemplateError::runtime("to count forward don't make stride negative"));
        }
        if stride == 0 {
            continue;
        }
        if (end - start) / stride > LONGEST_RANGE {
            return Err(TemplateError::runtime(format!("sequence is longer than {LONGEST_RANGE} items")));
        }
        let mut at = start;
        while (stride > 0 && at <= end) || (stride < 0 && at >= end) {
            out.push(Value::from(crate::format::percent(&format, &int(i128::from(at)))?));
            at += stride;
        }
    }
    Ok(out)
}
