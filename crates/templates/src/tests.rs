//! The tests (`is …`), as one visible table.

use crate::args::{Args, Param};
use crate::eval::Eval;
use crate::filters::ip;
use crate::ops::{self, Result};
use crate::scope::PathQuery;
use crate::text::to_str;
use crate::value::{Marker, View, items, marker, view};
use minijinja::Value;
use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::LazyLock;

pub(crate) type Call = fn(&mut Eval<'_>, &Value, Args) -> Result<bool>;

/// A registered test.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Test {
    pub(crate) call: Call,
    /// Looks at missing and unknown values itself instead of failing on them.
    pub(crate) lazy: bool,
}

const TABLE: &[(&str, Call)] = &[
    ("defined", |_, value, _| defined(value)),
    ("undefined", |_, value, _| defined(value).map(|defined| !defined)),
    ("none", |_, value, _| Ok(value.is_none())),
    ("boolean", |_, value, _| Ok(matches!(view(value), View::Bool(_)))),
    ("true", |_, value, _| Ok(matches!(view(value), View::Bool(true)))),
    ("false", |_, value, _| Ok(matches!(view(value), View::Bool(false)))),
    ("integer", |_, value, _| Ok(matches!(view(value), View::Int(_)))),
    ("float", |_, value, _| Ok(matches!(view(value), View::Float(_)))),
    ("number", |_, value, _| Ok(matches!(view(value), View::Int(_) | View::Float(_) | View::Bool(_)))),
    ("string", |_, value, _| Ok(matches!(view(value), View::Str(_)))),
    ("mapping", |_, value, _| Ok(matches!(view(value), View::Map(_)))),
    ("sequence", |_, value, _| {
        Ok(matches!(view(value), View::Seq(_) | View::Str(_) | View::Map(_) | View::Iter | View::Bytes(_)))
    }),
    ("iterable", |_, value, _| {
        Ok(matches!(view(value), View::Seq(_) | View::Str(_) | View::Map(_) | View::Iter | View::Bytes(_)))
    }),
    ("callable", |_, value, _| Ok(crate::stmt::is_callable(value))),
    ("sameas", |_, value, args| {
        let other = one(args, "sameas")?;
        Ok(match (view(value), view(&other)) {
            (View::Bool(a), View::Bool(b)) => a == b,
            (View::Bool(_), _) | (_, View::Bool(_)) => false,
            (View::Int(_), View::Float(_)) | (View::Float(_), View::Int(_)) => false,
            _ => ops::equal(value, &other),
        })
    }),
    ("escaped", |_, _, _| Ok(false)),
    ("filter", |_, value, _| Ok(crate::names::filter(&to_str(value)).is_ok())),
    ("test", |_, value, _| Ok(crate::names::test(&to_str(value)).is_ok())),
    ("lower", |_, value, _| {
        let text = to_str(value);
        Ok(text.chars().any(char::is_lowercase) && !text.chars().any(char::is_uppercase))
    }),
    ("upper", |_, value, _| {
        let text = to_str(value);
        Ok(text.chars().any(char::is_uppercase) && !text.chars().any(char::is_lowercase))
    }),
    ("odd", |_, value, _| remainder(value, 2).map(|rest| rest == 1)),
    ("even", |_, value, _| remainder(value, 2).map(|rest| rest == 0)),
    ("divisibleby", |_, value, args| {
        let by = one(args, "divisibleby")?;
        let rest = ops::arith(crate::ops::Arith::Rem, value, &by)?;
        Ok(!ops::truth(&rest)?)
    }),
    ("eq", equal),
    ("==", equal),
    ("equalto", equal),
    ("ne", |eval, value, args| equal(eval, value, args).map(|equal| !equal)),
    ("!=", |eval, value, args| equal(eval, value, args).map(|equal| !equal)),
    ("lt", |_, value, args| ordered("<", value, args, Ordering::is_lt)),
    ("<", |_, value, args| ordered("<", value, args, Ordering::is_lt)),
    ("lessthan", |_, value, args| ordered("<", value, args, Ordering::is_lt)),
    ("le", |_, value, args| ordered("<=", value, args, Ordering::is_le)),
    ("<=", |_, value, args| ordered("<=", value, args, Ordering::is_le)),
    ("gt", |_, value, args| ordered(">", value, args, Ordering::is_gt)),
    (">", |_, value, args| ordered(">", value, args, Ordering::is_gt)),
    ("greaterthan", |_, value, args| ordered(">", value, args, Ordering::is_gt)),
    ("ge", |_, value, args| ordered(">=", value, args, Ordering::is_ge)),
    (">=", |_, value, args| ordered(">=", value, args, Ordering::is_ge)),
    ("in", |_, value, args| ops::contains(&one(args, "in")?, value)),
    ("contains", |_, value, args| ops::contains(value, &one(args, "contains")?)),
    ("all", |_, value, _| all_true(value)),
    ("any", |_, value, _| any_true(value)),
    ("subset", |_, value, args| subset(value, &one(args, "subset")?)),
    ("issubset", |_, value, args| subset(value, &one(args, "issubset")?)),
    ("superset", |_, value, args| subset(&one(args, "superset")?, value)),
    ("issuperset", |_, value, args| subset(&one(args, "issuperset")?, value)),
    ("truthy", |_, value, args| truthy(value, args)),
    ("falsy", |_, value, args| truthy(value, args).map(|truthy| !truthy)),
    ("nan", |_, value, _| Ok(matches!(view(value), View::Float(number) if number.is_nan()))),
    ("isnan", |_, value, _| Ok(matches!(view(value), View::Float(number) if number.is_nan()))),
    ("version", version),
    ("version_compare", version),
    ("match", |_, value, args| matches(value, args, "match")),
    ("search", |_, value, args| matches(value, args, "search")),
    ("regex", |_, value, args| matches(value, args, "regex")),
    ("changed", |_, value, _| changed(value)),
    ("change", |_, value, _| changed(value)),
    ("failed", |_, value, _| result_flag(value, "failed")),
    ("failure", |_, value, _| result_flag(value, "failed")),
    ("success", |_, value, _| result_flag(value, "failed").map(|failed| !failed)),
    ("succeeded", |_, value, _| result_flag(value, "failed").map(|failed| !failed)),
    ("successful", |_, value, _| result_flag(value, "failed").map(|failed| !failed)),
    ("skipped", |_, value, _| result_flag(value, "skipped")),
    ("skip", |_, value, _| result_flag(value, "skipped")),
    ("unreachable", |_, value, _| result_flag(value, "unreachable")),
    ("reachable", |_, value, _| result_flag(value, "unreachable").map(|unreachable| !unreachable)),
    ("timedout", timed_out),
    ("finished", |_, value, _| async_flag(value, "finished")),
    ("started", |_, value, _| async_flag(value, "started")),
    ("exists", |eval, value, _| path(eval, PathQuery::Exists(&to_str(value)))),
    ("link_exists", |eval, value, _| path(eval, PathQuery::LinkExists(&to_str(value)))),
    ("file", |eval, value, _| path(eval, PathQuery::File(&to_str(value)))),
    ("is_file", |eval, value, _| path(eval, PathQuery::File(&to_str(value)))),
    ("directory", |eval, value, _| path(eval, PathQuery::Directory(&to_str(value)))),
    ("is_dir", |eval, value, _| path(eval, PathQuery::Directory(&to_str(value)))),
    ("link", |eval, value, _| path(eval, PathQuery::Link(&to_str(value)))),
    ("is_link", |eval, value, _| path(eval, PathQuery::Link(&to_str(value)))),
    ("mount", |eval, value, _| path(eval, PathQuery::Mount(&to_str(value)))),
    ("is_mount", |eval, value, _| path(eval, PathQuery::Mount(&to_str(value)))),
    ("same_file", |eval, value, args| {
        let other = to_str(&one(args, "same_file")?);
        path(eval, PathQuery::Same(&to_str(value), &other))
    }),
    ("is_same_file", |eval, value, args| {
        let other = to_str(&one(args, "is_same_file")?);
        path(eval, PathQuery::Same(&to_str(value), &other))
    }),
    ("abs", |_, value, _| Ok(to_str(value).starts_with('/'))),
    ("is_abs", |_, value, _| Ok(to_str(value).starts_with('/'))),
    ("uri", |_, value, args| uri(value, args, false)),
    ("url", |_, value, args| uri(value, args, true)),
    ("urn", |_, value, _| Ok(to_str(value).to_lowercase().starts_with("urn:"))),
    ("vault_encrypted", |eval, value, _| {
        // Text that looks like an envelope is not meant: only what a `!vault` value held.
        Ok(value.as_str().is_some_and(|text| eval.templater.vault().envelope_of(text).is_some()))
    }),
    ("vaulted_file", |eval, value, _| path(eval, PathQuery::Vaulted(&to_str(value)))),
];

/// Tests of `ansible.utils` about addresses.
const ADDRESSES: &[(&str, Call)] = &[
    ("ansible.utils.ip", |_, value, _| Ok(strict(value).is_some())),
    ("ansible.utils.ip_address", |_, value, _| Ok(strict(value).is_some_and(|net| !net.explicit))),
    ("ansible.utils.ipv4", |_, value, _| Ok(strict(value).is_some_and(|net| !net.v6))),
    ("ansible.utils.ipv4_address", |_, value, _| {
        Ok(strict(value).is_some_and(|net| !net.v6 && !net.explicit))
    }),
    ("ansible.utils.ipv6", |_, value, _| Ok(strict(value).is_some_and(|net| net.v6))),
    (
        "ansible.utils.ipv6_address",
        |_, value, _| Ok(strict(value).is_some_and(|net| net.v6 && !net.explicit)),
    ),
    ("ansible.utils.loopback", |_, value, _| Ok(strict(value).is_some_and(|net| net.is_loopback()))),
    ("ansible.utils.multicast", |_, value, _| Ok(strict(value).is_some_and(|net| net.is_multicast()))),
    ("ansible.utils.private", |_, value, _| Ok(strict(value).is_some_and(|net| net.is_private()))),
    ("ansible.utils.public", |_, value, _| Ok(strict(value).is_some_and(|net| net.is_public()))),
    ("ansible.utils.mac", |_, value, _| Ok(ip::mac_digits(&to_str(value)).is_some())),
    ("ansible.utils.in_network", |_, value, args| within(value, &one(args, "in_network")?)),
    ("ansible.utils.subnet_of", |_, value, args| within(value, &one(args, "subnet_of")?)),
    ("ansible.utils.supernet_of", |_, value, args| within(&one(args, "supernet_of")?, value)),
    ("ansible.utils.in_any_network", |_, value, args| {
        let networks = ops::iterate(&one(args, "in_any_network")?)?;
        Ok(networks.iter().any(|network| within(value, network).unwrap_or(false)))
    }),
];

/// An address, or a network without an address in it.
fn strict(value: &Value) -> Option<ip::Net> {
    ip::Net::parse(&to_str(value)).filter(|net| !net.explicit || net.addr == net.network())
}

fn within(value: &Value, network: &Value) -> Result<bool> {
    Ok(strict(value).zip(strict(network)).is_some_and(|(net, network)| network.contains(&net)))
}

static ALL: LazyLock<HashMap<&'static str, Test>> = LazyLock::new(|| {
    TABLE
        .iter()
        .chain(ADDRESSES)
        .map(|(name, call)| (*name, Test { call: *call, lazy: matches!(*name, "defined" | "undefined") }))
        .collect()
});

pub(crate) fn find(name: &str) -> Option<Test> {
    ALL.get(name).copied()
}

pub(crate) fn names() -> Vec<&'static str> {
    ALL.keys().copied().collect()
}

fn one(args: Args, what: &str) -> Result {
    let [value] = args.bind(what, ["other"])?;
    value.required(what, "other")
}

fn defined(value: &Value) -> Result<bool> {
    match marker(value) {
        None => Ok(!value.is_undefined()),
        Some(Marker::Unknown(_)) => Ok(true),
        Some(marker) if marker.is_undefined() => Ok(false),
        Some(marker) => Err(marker.error()),
    }
}

fn remainder(value: &Value, by: i64) -> Result<i64> {
    let rest = ops::arith(crate::ops::Arith::Rem, value, &Value::from(by))?;
    crate::args::int_arg(&rest)
}

fn equal(_: &mut Eval<'_>, value: &Value, args: Args) -> Result<bool> {
    Ok(ops::equal(value, &one(args, "eq")?))
}

fn ordered(sign: &str, value: &Value, args: Args, wanted: fn(Ordering) -> bool) -> Result<bool> {
    Ok(ops::compare(sign, value, &one(args, sign)?)?.is_some_and(wanted))
}

fn all_true(value: &Value) -> Result<bool> {
    for item in ops::iterate(value)? {
        if !ops::truth(&item)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn any_true(value: &Value) -> Result<bool> {
    for item in ops::iterate(value)? {
        if ops::truth(&item)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn subset(small: &Value, large: &Value) -> Result<bool> {
    let large = ops::iterate(large)?;
    Ok(ops::iterate(small)?.iter().all(|item| large.iter().any(|known| ops::equal(item, known))))
}

fn truthy(value: &Value, args: Args) -> Result<bool> {
    let [convert] = args.bind("truthy", ["convert_bool"])?;
    if convert.flag(false)?
        && let Some(text) = value.as_str()
    {
        match &*text.to_lowercase() {
            "yes" | "on" | "1" | "true" | "y" | "t" => return Ok(true),
            "no" | "off" | "0" | "false" | "n" | "f" => return Ok(false),
            _ => {}
        }
    }
    ops::truth(value)
}

fn version(_: &mut Eval<'_>, value: &Value, args: Args) -> Result<bool> {
    let [other, operator, strict, kind] =
        args.bind("version", ["version", "operator", "strict", "version_type"])?;
    let other = to_str(&other.required("version", "version")?);
    let kind = if strict.flag(false)? { "strict".to_owned() } else { kind.text("loose")? };
    crate::version::compare(&to_str(value), &other, &operator.text("eq")?, &kind)
}

fn matches(value: &Value, args: Args, kind: &str) -> Result<bool> {
    let [pattern, ignorecase, multiline, match_type] =
        args.bind(kind, ["pattern", "ignorecase", "multiline", "match_type"])?;
    let pattern = to_str(&pattern.required(kind, "pattern")?);
    let flags =
        crate::regex::Flags { ignorecase: ignorecase.flag(false)?, multiline: multiline.flag(false)? };
    let kind = match_type.text(if kind == "match" { "match" } else { "search" })?;
    let text = to_str(value);
    let pattern = match &*kind {
        "match" => format!("\\A(?:{pattern})"),
        "fullmatch" => format!("\\A(?:{pattern})\\z"),
        _ => pattern,
    };
    crate::regex::compile(&pattern, flags)?.is_match(&text).map_err(crate::regex::failed)
}

fn result_of(value: &Value) -> Result<&minijinja::value::DynObject> {
    match view(value) {
        View::Map(map) => Ok(map),
        _ => Err(crate::TemplateError::runtime(format!(
            "this test expects a task's result (a dict), got a value of type '{}'",
            crate::value::type_name(value)
        ))),
    }
}

fn entry(value: &Value, name: &str) -> Result<Option<Value>> {
    let found = result_of(value)?.get_value_by_str(name);
    if let Some(found) = &found {
        ops::check(found)?;
    }
    Ok(found)
}

fn result_flag(value: &Value, name: &str) -> Result<bool> {
    match entry(value, name)? {
        Some(flag) => ops::truth(&flag),
        None => Ok(false),
    }
}

fn changed(value: &Value) -> Result<bool> {
    if let Some(flag) = entry(value, "changed")? {
        return ops::truth(&flag);
    }
    for result in entry(value, "results")?.and_then(|results| items(&results)).unwrap_or_default() {
        if matches!(view(&result), View::Map(_)) && result_flag(&result, "changed")? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn timed_out(_: &mut Eval<'_>, value: &Value, _: Args) -> Result<bool> {
    match entry(value, "timedout")? {
        Some(details) if ops::truth(&details)? => result_flag(&details, "period"),
        _ => Ok(false),
    }
}

/// Only asynchronous tasks have the flag; everything else is finished and started.
fn async_flag(value: &Value, name: &str) -> Result<bool> {
    match entry(value, name)? {
        Some(flag) => ops::truth(&flag),
        None => Ok(true),
    }
}

fn path(eval: &mut Eval<'_>, query: PathQuery<'_>) -> Result<bool> {
    ops::truth(&eval.templater.host().path(query)?)
}

/// Any text is a URI unless schemes are asked for; a URL needs a scheme and a host.
fn uri(value: &Value, args: Args, url: bool) -> Result<bool> {
    let [schemes] = args.bind("uri", ["schemes"])?;
    let Some(text) = value.as_str() else { return Ok(false) };
    let split = text.split_once(':').filter(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    });
    let (scheme, rest) = split.unwrap_or(("", text));
    let wanted = match schemes.given() {
        None => true,
        Some(schemes) => {
            ops::iterate(schemes)?.iter().any(|known| to_str(known).eq_ignore_ascii_case(scheme))
        }
    };
    let host = rest.strip_prefix("//").and_then(|rest| rest.split(['/', '?', '#']).next()).unwrap_or("");
    Ok(wanted && (!url || (!scheme.is_empty() && !host.is_empty())))
}
