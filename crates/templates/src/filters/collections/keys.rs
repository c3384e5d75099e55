//! Keeping, removing and renaming keys: `keep_keys`, `remove_keys`, `replace_keys` of both collections.

use crate::args::{Args, Param};
use crate::error::TemplateError;
use crate::filters::Table;
use crate::ops::{self, Result, iterate};
use crate::text::{repr, to_str};
use crate::value::{Dict, View, dict, items, list, pairs, view};
use minijinja::Value;
use std::sync::Arc;

pub(in crate::filters) const TABLE: Table = &[
    ("community.general.keep_keys", |_, value, args| in_list("keep_keys", &value, args)),
    ("community.general.remove_keys", |_, value, args| in_list("remove_keys", &value, args)),
    ("community.general.replace_keys", |_, value, args| in_list("replace_keys", &value, args)),
    ("ansible.utils.keep_keys", |_, value, args| {
        let matcher = matcher("keep_keys", args, "equality")?;
        Ok(keep(&value, &matcher)?.unwrap_or_else(|| match view(&value) {
            View::Map(_) => dict(Dict::new()),
            _ => list(Vec::new()),
        }))
    }),
    ("ansible.utils.remove_keys", |_, value, args| {
        remove(&value, &matcher("remove_keys", args, "equality")?)
    }),
    ("ansible.utils.replace_keys", |_, value, args| {
        replace(&value, &matcher("replace_keys", args, "equality")?)
    }),
];

enum How {
    Equal,
    Starts,
    Ends,
    Regex,
}

struct Matcher {
    how: How,
    /// What is looked for, compiled if it is a pattern, and what takes its place.
    targets: Vec<(String, Option<Arc<fancy_regex::Regex>>, Value)>,
}

impl Matcher {
    fn find(&self, key: &Value) -> Result<Option<&Value>> {
        let key = to_str(key);
        for (target, regex, after) in &self.targets {
            let fits = match self.how {
                How::Equal => key == *target,
                How::Starts => key.starts_with(target.as_str()),
                How::Ends => key.ends_with(target.as_str()),
                How::Regex => match regex {
                    // Python's `match`: from the beginning
                    Some(regex) => regex
                        .find(&key)
                        .map_err(crate::regex::failed)?
                        .is_some_and(|found| found.start() == 0),
                    None => false,
                },
            };
            if fits {
                return Ok(Some(after));
            }
        }
        Ok(None)
    }
}

fn matcher(what: &str, args: Args, default: &str) -> Result<Matcher> {
    let [target, how] = args.bind(what, ["target", "matching_parameter"])?;
    let how = match &*how.text(default)? {
        "equal" | "equality" => How::Equal,
        "starts_with" => How::Starts,
        "ends_with" => How::Ends,
        "regex" => How::Regex,
        other => {
            return Err(TemplateError::runtime(format!(
                "{what}: matching_parameter must be equality, starts_with, ends_with or regex, not '{other}'"
            )));
        }
    };
    let target = target.required(what, "target")?;
    let targets = match view(&target) {
        View::Str(_) => vec![target],
        _ => iterate(&target)?,
    };
    let pair = |target: Value| -> Result<_> {
        let (before, after) = match (ops::attr(&target, "before"), ops::attr(&target, "after")) {
            (Some(before), Some(after)) if what == "replace_keys" => (before, after),
            _ if what == "replace_keys" => {
                return Err(TemplateError::runtime(format!(
                    "{what}: each target needs 'before' and 'after', got {}",
                    repr(&target)
                )));
            }
            _ => (target, Value::from(())),
        };
        let text = to_str(&before);
        let regex = match how {
            How::Regex => Some(crate::regex::compile(&text, crate::regex::Flags::default())?),
            _ => None,
        };
        Ok((text, regex, after))
    };
    let targets = targets.into_iter().map(pair).collect::<Result<_>>()?;
    Ok(Matcher { how, targets })
}

/// Those of `community.general`: the dicts of a list, not what is within these.
fn in_list(what: &str, value: &Value, args: Args) -> Result {
    let View::Seq(_) = view(value) else {
        return Err(TemplateError::runtime(format!("First argument must be a list. {} is not", repr(value))));
    };
    let matcher = matcher(what, args, "equal")?;
    let mut out = Vec::new();
    for item in items(value).unwrap_or_default() {
        let mut kept = Dict::new();
        for (key, value) in ops::as_dict(&item)? {
            match (matcher.find(&key)?, what) {
                (Some(after), "replace_keys") => _ = kept.insert(after.clone(), value),
                (Some(_), "keep_keys") | (None, "remove_keys" | "replace_keys") => {
                    _ = kept.insert(key, value)
                }
                _ => {}
            }
        }
        out.push(dict(kept));
    }
    Ok(list(out))
}

/// What is left when only these keys stay; none for what holds none of them.
fn keep(value: &Value, matcher: &Matcher) -> Result<Option<Value>> {
    match view(value) {
        View::Map(map) => {
            let mut kept = Dict::new();
            for (key, value) in pairs(map) {
                if matcher.find(&key)?.is_some() {
                    kept.insert(key, value);
                } else if let Some(inner) = keep(&value, matcher)? {
                    kept.insert(key, inner);
                }
            }
            Ok((!kept.is_empty()).then(|| dict(kept)))
        }
        View::Seq(_) => {
            let mut kept = Vec::new();
            for item in items(value).unwrap_or_default() {
                kept.extend(keep(&item, matcher)?);
            }
            Ok((!kept.is_empty()).then(|| list(kept)))
        }
        _ => Ok(None),
    }
}

fn remove(value: &Value, matcher: &Matcher) -> Result {
    each(value, &|key| Ok(matcher.find(&key)?.is_none().then_some(key)))
}

fn replace(value: &Value, matcher: &Matcher) -> Result {
    each(value, &|key| Ok(Some(matcher.find(&key)?.cloned().unwrap_or(key))))
}

/// The value with every key renamed or left out, all the way down.
fn each(value: &Value, rename: &dyn Fn(Value) -> Result<Option<Value>>) -> Result {
    Ok(match view(value) {
        View::Map(map) => {
            // renamed keys come last
            let (mut same, mut renamed) = (Dict::new(), Dict::new());
            for (key, value) in pairs(map) {
                match rename(key.clone())? {
                    Some(new) if new == key => _ = same.insert(key, each(&value, rename)?),
                    Some(new) => _ = renamed.insert(new, each(&value, rename)?),
                    None => {}
                }
            }
            same.extend(renamed);
            dict(same)
        }
        View::Seq(_) => {
            let mut out = Vec::new();
            for item in items(value).unwrap_or_default() {
                let new = each(&item, rename)?;
                // what has lost all of its keys goes as well
                let emptied =
                    matches!(view(&new), View::Map(_)) && new.len() == Some(0) && item.len() != Some(0);
                if !emptied {
                    out.push(new);
                }
            }
            list(out)
        }
        _ => value.clone(),
    })
}
