//! Filters of `community.general`.

use super::{csv, ini};
use crate::args::{Args, Param};
use crate::error::TemplateError;
use crate::eval::Eval;
use crate::filters::Table;
use crate::filters::lists::{dedup, has};
use crate::mersenne::Mersenne;
use crate::ops::{self, Result, as_dict, iterate};
use crate::text::{repr, to_str};
use crate::value::{Dict, View, dict, items, list, none, view};
use minijinja::Value;
use unicode_normalization::UnicodeNormalization as _;

pub(in crate::filters) const TABLE: Table = &[
    ("community.general.json_query", |_, value, args| {
        let [expression] = args.bind("json_query", ["expr"])?;
        crate::jmespath::search(&to_str(&expression.required("json_query", "expr")?), &value)
    }),
    ("community.general.counter", counter),
    ("community.general.crc32", |_, value, _| {
        Ok(Value::from(format!("{:x}", crc32(to_str(&value).as_bytes()))))
    }),
    ("community.general.dict", |_, value, _| pairs_to_dict(&value)),
    ("community.general.dict_kv", |_, value, args| {
        let [key] = args.bind("dict_kv", ["key"])?;
        let key = key.required("dict_kv", "key")?;
        Ok(dict(Dict::from_iter([(key, value)])))
    }),
    ("community.general.from_csv", from_csv),
    ("community.general.from_ini", from_ini),
    ("community.general.to_ini", to_ini),
    ("community.general.groupby_as_dict", groupby_as_dict),
    ("community.general.lists_union", |_, value, args| lists("lists_union", &value, args)),
    ("community.general.lists_intersect", |_, value, args| lists("lists_intersect", &value, args)),
    ("community.general.lists_difference", |_, value, args| lists("lists_difference", &value, args)),
    ("community.general.lists_symmetric_difference", |_, value, args| {
        lists("lists_symmetric_difference", &value, args)
    }),
    ("community.general.lists_mergeby", lists_mergeby),
    ("community.general.random_mac", random_mac),
    ("community.general.to_time_unit", |_, value, mut args| {
        if args.pos.is_empty() {
            return Err(TemplateError::runtime("to_time_unit: missing required argument 'unit'"));
        }
        let unit = to_str(&args.pos.remove(0));
        time_unit(&value, args, &unit)
    }),
    ("community.general.to_milliseconds", |_, value, args| time_unit(&value, args, "ms")),
    ("community.general.to_seconds", |_, value, args| time_unit(&value, args, "s")),
    ("community.general.to_minutes", |_, value, args| time_unit(&value, args, "m")),
    ("community.general.to_hours", |_, value, args| time_unit(&value, args, "h")),
    ("community.general.to_days", |_, value, args| time_unit(&value, args, "d")),
    ("community.general.to_weeks", |_, value, args| time_unit(&value, args, "w")),
    ("community.general.to_months", |_, value, args| time_unit(&value, args, "mo")),
    ("community.general.to_years", |_, value, args| time_unit(&value, args, "y")),
    ("community.general.unicode_normalize", unicode_normalize),
    ("community.general.version_sort", |_, value, args| {
        let [reverse] = args.bind("version_sort", ["reverse"])?;
        let mut all = iterate(&value)?;
        ops::sort_by(&mut all, reverse.flag(false)?, |a, b| crate::version::loose(&to_str(a), &to_str(b)))?;
        Ok(list(all))
    }),
    ("community.general.accumulate", |_, value, _| {
        let mut sum: Option<Value> = None;
        let mut out = Vec::new();
        for item in iterate(&value)? {
            let next = match &sum {
                None => item,
                Some(sum) => ops::arith(ops::Arith::Add, sum, &item)?,
            };
            out.push(next.clone());
            sum = Some(next);
        }
        Ok(list(out))
    }),
    ("community.general.hashids_encode", |_, _, _| Err(refused("hashids_encode"))),
    ("community.general.hashids_decode", |_, _, _| Err(refused("hashids_decode"))),
    ("community.general.jc", |_, _, _| Err(refused("jc"))),
    ("community.general.json_diff", |_, _, _| Err(refused("json_diff"))),
    ("community.general.json_patch", |_, _, _| Err(refused("json_patch"))),
    ("community.general.json_patch_recipe", |_, _, _| Err(refused("json_patch_recipe"))),
    ("community.general.reveal_ansible_type", |_, _, _| Err(refused("reveal_ansible_type"))),
    ("community.general.to_prettytable", |_, _, _| Err(refused("to_prettytable"))),
];

fn refused(name: &str) -> TemplateError {
    TemplateError::runtime(format!(
        "the filter 'community.general.{name}' is not supported: it stands on a Python library"
    ))
}

fn counter(_: &mut Eval<'_>, value: Value, _: Args) -> Result {
    let (View::Seq(_) | View::Str(_) | View::Iter) = view(&value) else {
        return Err(TemplateError::runtime(
            "Argument for community.general.counter must be a sequence (string or list).",
        ));
    };
    let mut counts = Dict::new();
    for item in iterate(&value)? {
        if let View::Seq(_) | View::Map(_) = view(&item) {
            return Err(TemplateError::runtime(
                "community.general.counter needs a sequence with hashable elements (int, float or str)",
            ));
        }
        let count = counts.get(&item).and_then(Value::as_i64).unwrap_or(0);
        counts.insert(item, Value::from(count + 1));
    }
    Ok(dict(counts))
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 })
    })
}

fn pairs_to_dict(value: &Value) -> Result {
    let mut out = Dict::new();
    for pair in iterate(value)? {
        match &iterate(&pair)?[..] {
            [key, value] => out.insert(key.clone(), value.clone()),
            other => {
                return Err(TemplateError::runtime(format!(
                    "dictionary update sequence element has length {}; 2 is required",
                    other.len()
                )));
            }
        };
    }
    Ok(dict(out))
}

fn from_csv(_: &mut Eval<'_>, value: Value, args: Args) -> Result {
    let [dialect, names, delimiter, skip, strict] =
        args.bind("from_csv", ["dialect", "fieldnames", "delimiter", "skipinitialspace", "strict"])?;
    let mut reading =
        csv::Dialect { delimiter: ',', skip_initial_space: skip.flag(false)?, strict: strict.flag(false)? };
    match &*dialect.text("excel")? {
        "excel" | "unix" => {}
        "excel-tab" => reading.delimiter = '\t',
        other => {
            return Err(TemplateError::runtime(format!(
                "Dialect '{other}' is not supported by your version of python."
            )));
        }
    }
    if let Some(given) = delimiter.given() {
        let text = to_str(given);
        let mut chars = text.chars();
        let (Some(single), None) = (chars.next(), chars.next()) else {
            return Err(TemplateError::runtime("\"delimiter\" must be a 1-character string"));
        };
        reading.delimiter = single;
    }
    let mut rows = csv::rows(&to_str(&value), reading)
        .map_err(|error| TemplateError::runtime(format!("Unable to process file: {error}")))?
        .into_iter();
    let names: Vec<Value> = match names.given() {
        Some(names) => iterate(names)?,
        None => rows.next().unwrap_or_default().into_iter().map(Value::from).collect(),
    };
    let record = |row: Vec<String>| {
        let mut row = row.into_iter().map(Value::from);
        let mut record: Dict =
            names.iter().map(|name| (name.clone(), row.next().unwrap_or_else(none))).collect();
        let rest: Vec<Value> = row.collect();
        if !rest.is_empty() {
            record.insert(none(), list(rest));
        }
        dict(record)
    };
    Ok(list(rows.map(record).collect()))
}

fn from_ini(_: &mut Eval<'_>, value: Value, args: Args) -> Result {
    let [delimiters] = args.bind("from_ini", ["delimiters"])?;
    let delimiters = match delimiters.given() {
        Some(given) => iterate(given)?.iter().map(to_str).collect(),
        None => "=:".to_owned(),
    };
    let Some(text) = value.as_str() else {
        return Err(TemplateError::runtime(format!(
            "from_ini requires a str, got {}",
            crate::value::type_name(&value)
        )));
    };
    let reading = ini::Reading { delimiters: &delimiters, ..ini::Reading::default() };
    let sections = ini::parse(text, ini::Reading { case_sensitive: true, ..reading })
        .map_err(|error| TemplateError::runtime(format!("from_ini failed to parse given string: {error}")))?;
    let options = |options: indexmap::IndexMap<String, Option<String>>| {
        dict(
            options
                .into_iter()
                .map(|(key, value)| (Value::from(key), value.map_or_else(none, Value::from)))
                .collect(),
        )
    };
    // what stands under DEFAULT applies to every section
    let defaults = sections.get("DEFAULT").cloned().unwrap_or_default();
    Ok(dict(
        sections
            .into_iter()
            .map(|(name, own)| {
                let mut all = own;
                for (key, value) in &defaults {
                    all.entry(key.clone()).or_insert_with(|| value.clone());
                }
                (Value::from(name), options(all))
            })
            .collect(),
    ))
}

fn to_ini(_: &mut Eval<'_>, value: Value, _: Args) -> Result {
    let View::Map(_) = view(&value) else {
        return Err(TemplateError::runtime(format!(
            "to_ini requires a dict, got {}",
            crate::value::type_name(&value)
        )));
    };
    let mut sections: Vec<String> = Vec::new();
    for (name, options) in as_dict(&value)? {
        let mut text = format!("[{}]\n", to_str(&name));
        for (key, value) in as_dict(&options)? {
            // a value of several lines is indented, as configparser writes it
            text.push_str(&format!("{} = {}\n", to_str(&key), to_str(&value).replace('\n', "\n\t")));
        }
        sections.push(text);
    }
    Ok(Value::from(sections.join("\n")))
}

fn groupby_as_dict(_: &mut Eval<'_>, value: Value, args: Args) -> Result {
    let [attribute] = args.bind("groupby_as_dict", ["attribute"])?;
    let attribute = attribute.required("groupby_as_dict", "attribute")?;
    let View::Seq(_) = view(&value) else {
        return Err(TemplateError::runtime("Input is not a sequence"));
    };
    let mut out = Dict::new();
    for (index, item) in iterate(&value)?.into_iter().enumerate() {
        let View::Map(_) = view(&item) else {
            return Err(TemplateError::runtime(format!("Sequence element #{index} is not a mapping")));
        };
        let key = ops::item(&item, &attribute).ok_or_else(|| {
            TemplateError::runtime(format!("Attribute not contained in element #{index} of sequence"))
        })?;
        if out.contains_key(&key) {
            return Err(TemplateError::runtime(format!(
                "Multiple sequence entries have attribute value {}",
                repr(&key)
            )));
        }
        out.insert(key, item);
    }
    Ok(dict(out))
}

/// The lists that `lists_*` filters work on.
fn sources(what: &str, value: &Value, mut args: Args) -> Result<Vec<Vec<Value>>> {
    let flatten = args.take("flatten").flag(false)?;
    let mut all = vec![value.clone()];
    all.append(&mut args.pos);
    args.none(what)?;
    if flatten && all.iter().any(|list| items(list).is_some_and(|items| items.iter().any(is_list))) {
        all = all.iter().map(|list| items(list).unwrap_or_default()).collect::<Vec<_>>().concat();
    }
    all.iter()
        .map(|list| match view(list) {
            View::Seq(_) => Ok(items(list).unwrap_or_default()),
            _ => Err(TemplateError::runtime(format!(
                "All arguments of {what} must be lists, got {}",
                repr(list)
            ))),
        })
        .collect()
}

fn is_list(value: &Value) -> bool {
    matches!(view(value), View::Seq(_))
}

fn lists(what: &str, value: &Value, args: Args) -> Result {
    let mut all = sources(what, value, args)?.into_iter();
    let mut first = all.next().unwrap_or_default();
    if all.len() == 0 {
        return Ok(list(first));
    }
    for second in all {
        first = match what {
            "lists_union" => dedup(first.into_iter().chain(second).collect()),
            "lists_intersect" => dedup(first.into_iter().filter(|item| has(&second, item)).collect()),
            "lists_difference" => dedup(first.into_iter().filter(|item| !has(&second, item)).collect()),
            _ => {
                let only: Vec<Value> = second.iter().filter(|item| !has(&first, item)).cloned().collect();
                dedup(first.into_iter().filter(|item| !has(&second, item)).chain(only).collect())
            }
        };
    }
    Ok(list(first))
}

fn lists_mergeby(_: &mut Eval<'_>, value: Value, mut args: Args) -> Result {
    let recursive = args.take("recursive").flag(false)?;
    let list_merge = args.take("list_merge").text("replace")?;
    crate::filters::dicts::check_list_merge("lists_mergeby", &list_merge)?;
    let index = args.take("index").or_else(|| args.pos.pop()).required("lists_mergeby", "index")?;
    let mut terms = vec![value];
    terms.append(&mut args.pos);
    args.none("lists_mergeby")?;
    let mut merged = Dict::new();
    let mut elements = Vec::new();
    for term in &terms {
        for item in iterate(term)? {
            match view(&item) {
                View::Seq(_) => elements.extend(items(&item).unwrap_or_default()),
                _ => elements.push(item),
            }
        }
    }
    for element in elements {
        let entry = as_dict(&element)?;
        let Some(key) = entry.get(&index).cloned() else { continue };
        let known = match merged.get(&key) {
            Some(known) => as_dict(known)?,
            None => Dict::new(),
        };
        merged.insert(key, dict(crate::filters::dicts::merge(known, entry, recursive, &list_merge)));
    }
    let mut out: Vec<(Value, Value)> = merged.into_iter().collect();
    ops::sort_by(&mut out, false, |a, b| {
        Ok(ops::compare("<", &a.0, &b.0)?.unwrap_or(std::cmp::Ordering::Equal))
    })?;
    Ok(list(out.into_iter().map(|(_, value)| value).collect()))
}

fn random_mac(_: &mut Eval<'_>, value: Value, args: Args) -> Result {
    let [seed] = args.bind("random_mac", ["seed"])?;
    let Some(prefix) = value.as_str().map(str::to_lowercase) else {
        return Err(TemplateError::runtime(format!(
            "Invalid value type ({}) for random_mac ({})",
            crate::value::type_name(&value),
            to_str(&value)
        )));
    };
    let bad = |why: String| {
        TemplateError::runtime(format!("Invalid value ({}) for random_mac: {why}", to_str(&value)))
    };
    let parts: Vec<&str> = prefix.split(':').filter(|part| !part.is_empty()).collect();
    if parts.len() > 5 {
        return Err(bad("5 colon(:) separated items max".to_owned()));
    }
    if parts.is_empty() {
        return Err(bad("No MAC address prefix".to_owned()));
    }
    if let Some(part) =
        parts.iter().find(|part| part.len() != 2 || !part.chars().all(|c| c.is_ascii_hexdigit()))
    {
        return Err(bad(format!("{part} not hexa byte")));
    }
    // one number of 44 bits at least, of which the last digits fill what is missing
    let (low, high) = (68_719_476_736u64, 1_099_511_627_775u64);
    let number = match seed.given() {
        Some(seed) => low + Mersenne::new(seed).below(high - low + 1),
        None => low + crate::filters::random::below((high - low + 1) as usize) as u64,
    };
    let digits = format!("{number:x}");
    let mut mac = parts.join(":");
    let mut at = 0;
    while mac.len() < 17 {
        mac.push(':');
        mac.push_str(&digits[at..at + 2]);
        at += 2;
    }
    Ok(Value::from(mac))
}

/// Milliseconds of a unit; a year and a month have the given days.
fn unit_size(unit: &str, year: f64, month: f64) -> Option<f64> {
    const SECOND: f64 = 1000.0;
    const DAY: f64 = 86_400_000.0;
    Some(match unit {
        "ms" | "msec" | "msecs" | "msecond" | "mseconds" | "millisecond" | "milliseconds" => 1.0,
        "s" | "sec" | "secs" | "second" | "seconds" => SECOND,
        "m" | "min" | "mins" | "minute" | "minutes" => 60.0 * SECOND,
        "h" | "hour" | "hours" => 3600.0 * SECOND,
        "d" | "day" | "days" => DAY,
        "w" | "week" | "weeks" => 7.0 * DAY,
        "mo" | "month" | "months" => month * DAY,
        "y" | "year" | "years" => year * DAY,
        _ => return None,
    })
}

/// `1h 30m` in another unit.
fn time_unit(value: &Value, mut args: Args, unit: &str) -> Result {
    let days = |value: Option<Value>, default: f64| match value.given() {
        None => Ok(default),
        Some(days) => ops::as_float(days)
            .or_else(|| days.as_str().and_then(|text| text.trim().parse().ok()))
            .ok_or_else(|| TemplateError::runtime("to_time_unit: days must be a number")),
    };
    // a unit's own length may be given by its name
    let year = days(args.take("year"), 365.0)?;
    let month = args.take("month");
    let month_given = month.given().is_some();
    let month = days(month, 30.0)?;
    if let Some((name, _)) = args.named.first() {
        return Err(TemplateError::runtime(format!(
            "to_time_unit() got an unexpected keyword argument {name}"
        )));
    }
    let unit = unit.trim().to_lowercase();
    // as a unit of the result a month is four weeks unless it is given
    let size = unit_size(&unit, year, if month_given { month } else { 28.0 }).ok_or_else(|| {
        TemplateError::runtime(format!("to_time_unit() can not convert to the following unit: {unit}."))
    })?;
    let Some(text) = value.as_str() else {
        return Err(TemplateError::runtime(format!(
            "to_time_unit() needs a text such as '1h 30m', not a value of type '{}'",
            crate::value::type_name(value)
        )));
    };
    let mut total = 0.0;
    let bad = || TemplateError::runtime(format!("to_time_unit() can not interpret following string: {text}"));
    let words: Vec<&str> = text.split_whitespace().collect();
    for word in words {
        let digits = word.trim_start_matches(['+', '-']);
        let end = digits.find(|c: char| !c.is_ascii_digit()).ok_or_else(bad)?;
        let sign = &word[..word.len() - digits.len()];
        let number: f64 = digits[..end].parse().map_err(|_| bad())?;
        let number = if sign == "-" { -number } else { number };
        let length = unit_size(&digits[end..].to_lowercase(), year, month).ok_or_else(bad)?;
        total += number * length;
    }
    Ok(Value::from((total / size * 1e12).round() / 1e12))
}

fn unicode_normalize(_: &mut Eval<'_>, value: Value, args: Args) -> Result {
    let [form] = args.bind("unicode_normalize", ["form"])?;
    let text = to_str(&value);
    Ok(Value::from(match &*form.text("NFC")? {
        "NFC" => text.nfc().collect::<String>(),
        "NFD" => text.nfd().collect(),
        "NFKC" => text.nfkc().collect(),
        "NFKD" => text.nfkd().collect(),
        other => return Err(TemplateError::runtime(format!("{other} is not a valid form"))),
    }))
}
