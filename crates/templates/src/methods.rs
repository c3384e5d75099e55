//! The methods of Python's str, list and dict that templates call.

use crate::args::{Args, Param};
use crate::error::TemplateError;
use crate::ops::{self, Result};
use crate::value::{MutDict, MutList, View, dict, items, list, none, pairs, tuple, view};
use minijinja::Value;

/// Does the method change its object (if that is a list or a dict)?
pub(crate) fn mutates(name: &str) -> bool {
    matches!(
        name,
        "append"
            | "extend"
            | "insert"
            | "pop"
            | "remove"
            | "clear"
            | "update"
            | "setdefault"
            | "reverse"
            | "sort"
            | "popitem"
    )
}

/// Calls a changing method; nothing if the object has no such method.
pub(crate) fn mutate(base: &Value, name: &str, args: &Args) -> Option<Result> {
    if let Some(target) = base.downcast_object_ref::<MutList>() {
        return mutate_list(target, name, args.clone());
    }
    mutate_dict(base.downcast_object_ref::<MutDict>()?, name, args.clone())
}

fn mutate_list(target: &MutList, name: &str, args: Args) -> Option<Result> {
    let run = || -> Result {
        match name {
            "append" => {
                let [item] = args.bind("append()", ["object"])?;
                target.write().push(item.required("append()", "object")?);
            }
            "extend" => {
                let [more] = args.bind("extend()", ["iterable"])?;
                let more = ops::iterate(&more.required("extend()", "iterable")?)?;
                target.write().extend(more);
            }
            "insert" => {
                let [index, item] = args.bind("insert()", ["index", "object"])?;
                let (index, item) = (index.int(0)?, item.required("insert()", "object")?);
                let mut list = target.write();
                let at = clamp(index, list.len());
                list.insert(at, item);
            }
            "pop" => {
                let [index] = args.bind("pop()", ["index"])?;
                let index = index.int(-1)?;
                let mut list = target.write();
                let at = if index < 0 { index + i64::try_from(list.len()).unwrap_or(0) } else { index };
                let at = usize::try_from(at).ok().filter(|at| *at < list.len());
                return at
                    .map(|at| list.remove(at))
                    .ok_or_else(|| TemplateError::runtime("pop index out of range"));
            }
            "remove" => {
                let [item] = args.bind("remove()", ["value"])?;
                let item = item.required("remove()", "value")?;
                let mut list = target.write();
                let at = list.iter().position(|known| ops::equal(known, &item));
                let at = at.ok_or_else(|| TemplateError::runtime("list.remove(x): x not in list"))?;
                list.remove(at);
            }
            "clear" => target.write().clear(),
            "reverse" => target.write().reverse(),
            _ => {
                let [_, reverse] = args.bind("sort()", ["key", "reverse"])?;
                let reverse = reverse.flag(false)?;
                ops::sort_by(&mut target.write(), reverse, |a, b| {
                    Ok(ops::compare("<", a, b)?.unwrap_or(std::cmp::Ordering::Equal))
                })?;
            }
        }
        Ok(none())
    };
    matches!(name, "append" | "extend" | "insert" | "pop" | "remove" | "clear" | "reverse" | "sort").then(run)
}

fn mutate_dict(target: &MutDict, name: &str, args: Args) -> Option<Result> {
    let run = || -> Result {
        match name {
            "update" => {
                let mut more = Vec::new();
                for source in &args.pos {
                    match view(source) {
                        View::Map(map) => more.extend(pairs(map)),
                        _ => {
                            for pair in ops::iterate(source)? {
                                match &ops::iterate(&pair)?[..] {
                                    [key, value] => more.push((key.clone(), value.clone())),
                                    _ => {
                                        return Err(TemplateError::runtime(
                                            "dictionary update sequence elements must have length 2",
                                        ));
                                    }
                                }
                            }
                        }
                    }
                }
                more.extend(args.named.iter().map(|(name, value)| (Value::from(&**name), value.clone())));
                target.write().extend(more);
            }
            "setdefault" => {
                let [key, default] = args.bind("setdefault()", ["key", "default"])?;
                let key = key.required("setdefault()", "key")?;
                return Ok(target.write().entry(key).or_insert(default.unwrap_or_else(none)).clone());
            }
            "pop" => {
                let [key, default] = args.bind("pop()", ["key", "default"])?;
                let key = key.required("pop()", "key")?;
                return match target.write().shift_remove(&key).or(default) {
                    Some(value) => Ok(value),
                    None => Err(TemplateError::runtime(crate::text::repr(&key))),
                };
            }
            "popitem" => {
                let last = target.write().pop();
                return last
                    .map(|(key, value)| tuple(vec![key, value]))
                    .ok_or_else(|| TemplateError::runtime("'popitem(): dictionary is empty'"));
            }
            _ => target.write().clear(),
        }
        Ok(none())
    };
    matches!(name, "update" | "setdefault" | "pop" | "popitem" | "clear").then(run)
}

fn clamp(index: i64, len: usize) -> usize {
    let len_signed = i64::try_from(len).unwrap_or(i64::MAX);
    let index = if index < 0 { index + len_signed } else { index };
    usize::try_from(index.clamp(0, len_signed)).unwrap_or(len)
}

/// Calls a method that changes nothing; nothing if the object has no such method.
pub(crate) fn call(base: &Value, name: &str, args: Args) -> Option<Result> {
    match view(base) {
        View::Str(text) => str_method(text, name, args),
        View::Map(_) => dict_method(base, name, args),
        View::Seq(_) => list_method(base, name, args),
        View::Bytes(bytes) => match name {
            "decode" => Some(
                String::from_utf8(bytes.to_vec())
                    .map(Value::from)
                    .map_err(|error| TemplateError::runtime(error.to_string())),
            ),
            "hex" => Some(Ok(Value::from(hex::encode(bytes)))),
            _ => None,
        },
        View::Int(number) if name == "bit_length" => {
            Some(Ok(Value::from(128 - number.unsigned_abs().leading_zeros())))
        }
        View::Float(number) if name == "is_integer" => Some(Ok(Value::from(number.fract() == 0.0))),
        View::Other => crate::time::method(base, name, &args.pos),
        _ => None,
    }
}

fn dict_method(base: &Value, name: &str, args: Args) -> Option<Result> {
    let View::Map(map) = view(base) else { return None };
    if matches!(name, "items" | "values")
        && let Err(error) =
            map.try_iter_pairs().into_iter().flatten().try_for_each(|(_, value)| match view(&value) {
                View::Marker(crate::value::Marker::Unknown(_)) => Ok(()),
                _ => ops::check(&value),
            })
    {
        return Some(Err(error));
    }
    match name {
        "items" => Some(
            args.none("items()")
                .map(|()| list(pairs(map).into_iter().map(|(key, value)| tuple(vec![key, value])).collect())),
        ),
        "keys" => Some(args.none("keys()").map(|()| list(items(base).unwrap_or_default()))),
        "values" => Some(
            args.none("values()").map(|()| list(pairs(map).into_iter().map(|(_, value)| value).collect())),
        ),
        "get" => Some((|| {
            let [key, default] = args.bind("get()", ["key", "default"])?;
            let key = key.required("get()", "key")?;
            Ok(ops::item(base, &key).or(default).unwrap_or_else(none))
        })()),
        "copy" => Some(args.none("copy()").map(|()| dict(pairs(map).into_iter().collect()))),
        _ => None,
    }
}

fn list_method(base: &Value, name: &str, args: Args) -> Option<Result> {
    let all = items(base)?;
    match name {
        "index" => Some((|| {
            let [item, start] = args.bind("index()", ["value", "start"])?;
            let item = item.required("index()", "value")?;
            let start = clamp(start.int(0)?, all.len());
            let at = all.iter().skip(start).position(|known| ops::equal(known, &item));
            at.map(|at| Value::from(at + start))
                .ok_or_else(|| TemplateError::runtime(format!("{} is not in list", crate::text::repr(&item))))
        })()),
        "count" => Some((|| {
            let [item] = args.bind("count()", ["value"])?;
            let item = item.required("count()", "value")?;
            Ok(Value::from(all.iter().filter(|known| ops::equal(known, &item)).count()))
        })()),
        "copy" => Some(args.none("copy()").map(|()| list(all))),
        _ => None,
    }
}

fn str_method(text: &str, name: &str, args: Args) -> Option<Result> {
    Some(match name {
        "upper" => args.none("upper()").map(|()| Value::from(text.to_uppercase())),
        "lower" | "casefold" => args.none("lower()").map(|()| Value::from(text.to_lowercase())),
        "capitalize" => args.none("capitalize()").map(|()| Value::from(capitalize(text))),
        "title" => args.none("title()").map(|()| Value::from(title(text))),
        "swapcase" => args.none("swapcase()").map(|()| Value::from(swapcase(text))),
        "strip" | "lstrip" | "rstrip" => strip(text, name, args),
        "split" | "rsplit" => split_method(text, name == "rsplit", args),
        "splitlines" => splitlines(text, args),
        "join" => (|| {
            let [parts] = args.bind("join()", ["iterable"])?;
            let parts = ops::iterate(&parts.required("join()", "iterable")?)?;
            let mut texts = Vec::with_capacity(parts.len());
            for (index, part) in parts.iter().enumerate() {
                texts.push(part.as_str().map(str::to_owned).ok_or_else(|| {
                    TemplateError::runtime(format!(
                        "sequence item {index}: expected str instance, {} found",
                        crate::value::type_name(part)
                    ))
                })?);
            }
            Ok(Value::from(texts.join(text)))
        })(),
        "replace" => (|| {
            let [old, new, count] = args.bind("replace()", ["old", "new", "count"])?;
            let old = str_arg("replace()", &old.required("replace()", "old")?)?;
            let new = str_arg("replace()", &new.required("replace()", "new")?)?;
            if new.len() > old.len() {
                let found = if old.is_empty() { text.len() + 1 } else { text.matches(&old).count() };
                ops::check_length(text.len().saturating_add(found.saturating_mul(new.len() - old.len())))?;
            }
            Ok(Value::from(match usize::try_from(count.int(-1)?) {
                Ok(count) => text.replacen(&old, &new, count),
                Err(_) => text.replace(&old, &new),
            }))
        })(),
        "startswith" | "endswith" => (|| {
            let [affix, start, end] = args.bind("startswith()", ["prefix", "start", "end"])?;
            let affix = affix.required(name, "prefix")?;
            let part = window(text, &start, &end)?;
            let affixes = if affix.is_tuple() { items(&affix).unwrap_or_default() } else { vec![affix] };
            let mut found = false;
            for affix in &affixes {
                let affix = str_arg(name, affix)?;
                found |= if name == "startswith" { part.starts_with(&affix) } else { part.ends_with(&affix) };
            }
            Ok(Value::from(found))
        })(),
        "find" | "rfind" | "index" | "rindex" => (|| {
            let [needle, start, end] = args.bind("find()", ["sub", "start", "end"])?;
            let needle = str_arg(name, &needle.required(name, "sub")?)?;
            let part = window(text, &start, &end)?;
            let skipped = clamp(start.int(0)?, text.chars().count());
            let at = if name.starts_with('r') { part.rfind(&needle) } else { part.find(&needle) };
            match at {
                Some(at) => Ok(Value::from(part[..at].chars().count() + skipped)),
                None if name.ends_with("find") => Ok(Value::from(-1)),
                None => Err(TemplateError::runtime("substring not found")),
            }
        })(),
        "count" => (|| {
            let [needle, start, end] = args.bind("count()", ["sub", "start", "end"])?;
            let needle = str_arg(name, &needle.required(name, "sub")?)?;
            let part = window(text, &start, &end)?;
            Ok(Value::from(if needle.is_empty() {
                part.chars().count() + 1
            } else {
                part.matches(&needle).count()
            }))
        })(),
        "format" => crate::format::braces(text, &args).map(Value::from),
        "center" | "ljust" | "rjust" => (|| {
            let [width, fill] = args.bind(name, ["width", "fillchar"])?;
            Ok(Value::from(justify(text, name, width.int(0)?, &fill.text(" ")?)))
        })(),
        "zfill" => (|| {
            let [width] = args.bind("zfill()", ["width"])?;
            let (sign, digits) = match text.strip_prefix(['+', '-']) {
                Some(digits) => text.split_at(text.len() - digits.len()),
                None => ("", text),
            };
            let digits = justify(digits, "rjust", width.int(0)? - sign.len() as i64, "0");
            Ok(Value::from(format!("{sign}{digits}")))
        })(),
        "partition" | "rpartition" => (|| {
            let [separator] = args.bind(name, ["sep"])?;
            let separator = str_arg(name, &separator.required(name, "sep")?)?;
            if separator.is_empty() {
                return Err(TemplateError::runtime("empty separator"));
            }
            let reverse = name == "rpartition";
            let split = if reverse { text.rsplit_once(&separator) } else { text.split_once(&separator) };
            let parts = match split {
                Some((before, after)) => [before, &separator, after],
                None if reverse => ["", "", text],
                None => [text, "", ""],
            };
            Ok(tuple(parts.into_iter().map(Value::from).collect()))
        })(),
        "removeprefix" | "removesuffix" => (|| {
            let [affix] = args.bind(name, ["affix"])?;
            let affix = str_arg(name, &affix.required(name, "affix")?)?;
            let cut =
                if name == "removeprefix" { text.strip_prefix(&*affix) } else { text.strip_suffix(&*affix) };
            Ok(Value::from(cut.unwrap_or(text)))
        })(),
        "encode" => Ok(Value::from_bytes(text.as_bytes().to_vec())),
        "expandtabs" => Ok(Value::from(text.replace('\t', "        "))),
        "isdigit" | "isdecimal" | "isnumeric" => all_chars(text, char::is_numeric),
        "isalpha" => all_chars(text, char::is_alphabetic),
        "isalnum" => all_chars(text, char::is_alphanumeric),
        "isspace" => all_chars(text, char::is_whitespace),
        "islower" => {
            Ok(Value::from(text.chars().any(char::is_lowercase) && !text.chars().any(char::is_uppercase)))
        }
        "isupper" => {
            Ok(Value::from(text.chars().any(char::is_uppercase) && !text.chars().any(char::is_lowercase)))
        }
        "isascii" => Ok(Value::from(text.is_ascii())),
        "isidentifier" => Ok(Value::from(
            text.chars().next().is_some_and(|c| c.is_alphabetic() || c == '_')
                && text.chars().all(|c| c.is_alphanumeric() || c == '_'),
        )),
        "translate" | "format_map" | "maketrans" | "istitle" | "isprintable" => {
            Err(TemplateError::runtime(format!("the string method '{name}' is not supported")))
        }
        _ => return None,
    })
}

fn all_chars(text: &str, test: fn(char) -> bool) -> Result {
    Ok(Value::from(!text.is_empty() && text.chars().all(test)))
}

fn str_arg(what: &str, value: &Value) -> Result<String> {
    value.as_str().map(str::to_owned).ok_or_else(|| {
        TemplateError::runtime(format!("{what}: must be str, not {}", crate::value::type_name(value)))
    })
}

/// The part of a text between two Python positions.
fn window<'a>(text: &'a str, start: &Option<Value>, end: &Option<Value>) -> Result<&'a str> {
    if start.given().is_none() && end.given().is_none() {
        return Ok(text);
    }
    let len = text.chars().count();
    let start = clamp(start.int(0)?, len);
    let end = clamp(end.int(i64::try_from(len).unwrap_or(i64::MAX))?, len);
    let byte = |at: usize| text.char_indices().nth(at).map_or(text.len(), |(byte, _)| byte);
    Ok(text.get(byte(start)..byte(end)).unwrap_or(""))
}

fn strip(text: &str, name: &str, args: Args) -> Result {
    let [chars] = args.bind(name, ["chars"])?;
    let chars: Option<Vec<char>> = match chars.given() {
        Some(chars) => Some(str_arg(name, chars)?.chars().collect()),
        None => None,
    };
    let cut = |c: char| chars.as_ref().map_or(c.is_whitespace(), |chars| chars.contains(&c));
    Ok(Value::from(match name {
        "lstrip" => text.trim_start_matches(cut),
        "rstrip" => text.trim_end_matches(cut),
        _ => text.trim_matches(cut),
    }))
}

fn split_method(text: &str, reverse: bool, args: Args) -> Result {
    let [separator, max] = args.bind("split()", ["sep", "maxsplit"])?;
    let max = usize::try_from(max.int(-1)?).unwrap_or(usize::MAX);
    let separator = match separator.given() {
        Some(separator) => Some(str_arg("split()", separator)?),
        None => None,
    };
    split(text, separator.as_deref(), max, reverse)
}

/// `str.split`; no separator: runs of blanks.
pub(crate) fn split(text: &str, separator: Option<&str>, max: usize, reverse: bool) -> Result {
    let parts: Vec<&str> = match separator {
        Some("") => return Err(TemplateError::runtime("empty separator")),
        Some(separator) if reverse => {
            let mut parts: Vec<&str> = text.rsplitn(max.saturating_add(1), separator).collect();
            parts.reverse();
            parts
        }
        Some(separator) => text.splitn(max.saturating_add(1), separator).collect(),
        None if max == usize::MAX => text.split_whitespace().collect(),
        None if reverse => {
            let mut parts = Vec::new();
            let mut rest = text.trim_end();
            while !rest.is_empty() && parts.len() < max {
                match rest.rfind(char::is_whitespace) {
                    Some(at) => {
                        let width = rest[at..].chars().next().map_or(1, char::len_utf8);
                        parts.push(&rest[at + width..]);
                        rest = rest[..at].trim_end();
                    }
                    None => {
                        parts.push(rest);
                        rest = "";
                    }
                }
            }
            if !rest.is_empty() {
                parts.push(rest);
            }
            parts.reverse();
            parts
        }
        None => {
            let mut parts = Vec::new();
            let mut rest = text.trim_start();
            while !rest.is_empty() && parts.len() < max {
                let at = rest.find(char::is_whitespace).unwrap_or(rest.len());
                parts.push(&rest[..at]);
                rest = rest[at..].trim_start();
            }
            if !rest.is_empty() {
                parts.push(rest);
            }
            parts
        }
    };
    Ok(list(parts.into_iter().map(Value::from).collect()))
}

fn splitlines(text: &str, args: Args) -> Result {
    let [keep] = args.bind("splitlines()", ["keepends"])?;
    let keep = keep.flag(false)?;
    let mut lines = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let at = rest.find(['\n', '\r']).unwrap_or(rest.len());
        let end = if rest[at..].starts_with("\r\n") { at + 2 } else { (at + 1).min(rest.len()) };
        lines.push(Value::from(if keep { &rest[..end] } else { &rest[..at] }));
        rest = &rest[end..];
    }
    Ok(list(lines))
}

pub(crate) fn justify(text: &str, side: &str, width: i64, fill: &str) -> String {
    let missing = usize::try_from(width.min(1 << 20)).unwrap_or(0).saturating_sub(text.chars().count());
    match side {
        "ljust" => format!("{text}{}", fill.repeat(missing)),
        "rjust" => format!("{}{text}", fill.repeat(missing)),
        _ => {
            // Python puts the odd blank to the left if the width is odd
            let width = usize::try_from(width).unwrap_or(0);
            let left = missing / 2 + (missing & width & 1);
            format!("{}{text}{}", fill.repeat(left), fill.repeat(missing - left))
        }
    }
}

pub(crate) fn capitalize(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_uppercase().collect::<String>() + &chars.as_str().to_lowercase(),
        None => String::new(),
    }
}

fn title(text: &str) -> String {
    let mut out = String::new();
    let mut inside = false;
    for c in text.chars() {
        if inside {
            out.extend(c.to_lowercase());
        } else {
            out.extend(c.to_uppercase());
        }
        inside = c.is_alphabetic();
    }
    out
}

fn swapcase(text: &str) -> String {
    text.chars()
        .flat_map(|c| -> Vec<char> {
            if c.is_uppercase() { c.to_lowercase().collect() } else { c.to_uppercase().collect() }
        })
        .collect()
}
