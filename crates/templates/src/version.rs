//! Comparing versions.

use crate::error::TemplateError;
use crate::ops::Result;
use std::cmp::Ordering;

/// `left operator right` by the rules of `kind` (loose, strict, semver, semantic, pep440).
pub(crate) fn compare(left: &str, right: &str, operator: &str, kind: &str) -> Result<bool> {
    if left.is_empty() {
        return Err(TemplateError::runtime("Input version value cannot be empty"));
    }
    if right.is_empty() {
        return Err(TemplateError::runtime("Version parameter to compare against cannot be empty"));
    }
    let order = match kind {
        "loose" => loose(left, right)?,
        "strict" => strict(left)?.cmp(&strict(right)?),
        "semver" | "semantic" => semantic(left, right)?,
        "pep440" => pep440(left)?.cmp(&pep440(right)?),
        other => {
            return Err(TemplateError::runtime(format!(
                "Invalid version type ({other}). Must be one of loose, strict, semver, semantic, pep440"
            )));
        }
    };
    Ok(match operator {
        "==" | "=" | "eq" => order.is_eq(),
        "<" | "lt" => order.is_lt(),
        "<=" | "le" => order.is_le(),
        ">" | "gt" => order.is_gt(),
        ">=" | "ge" => order.is_ge(),
        "!=" | "<>" | "ne" => order.is_ne(),
        other => {
            return Err(TemplateError::runtime(format!(
                "Invalid operator type ({other}). Must be one of ==, =, eq, <, lt, <=, le, >, gt, >=, ge, !=, <>, ne"
            )));
        }
    })
}

#[derive(Debug, PartialEq, Eq)]
enum Part {
    Number(u128),
    Text(String),
}

/// Numbers and runs of letters; dots separate, everything else is a part of its own.
fn parts(version: &str) -> Vec<Part> {
    let mut out: Vec<Part> = Vec::new();
    let mut chars = version.trim().chars().peekable();
    while let Some(c) = chars.next() {
        let mut run = c.to_string();
        if c.is_ascii_digit() {
            while let Some(next) = chars.next_if(char::is_ascii_digit) {
                run.push(next);
            }
            out.push(run.parse().map_or_else(|_| Part::Text(run.clone()), Part::Number));
        } else if c.is_ascii_lowercase() {
            while let Some(next) = chars.next_if(char::is_ascii_lowercase) {
                run.push(next);
            }
            out.push(Part::Text(run));
        } else if c != '.' {
            while let Some(next) =
                chars.next_if(|c| *c != '.' && !c.is_ascii_digit() && !c.is_ascii_lowercase())
            {
                run.push(next);
            }
            out.push(Part::Text(run));
        }
    }
    out
}

pub(crate) fn loose(left: &str, right: &str) -> Result<Ordering> {
    let (a, b) = (parts(left), parts(right));
    for (a, b) in a.iter().zip(&b) {
        let order = match (a, b) {
            (Part::Number(a), Part::Number(b)) => a.cmp(b),
            (Part::Text(a), Part::Text(b)) => a.cmp(b),
            _ => {
                return Err(TemplateError::runtime(format!(
                    "Version comparison failed: '{left}' and '{right}' have a number and a text at the same place"
                )));
            }
        };
        if order.is_ne() {
            return Ok(order);
        }
    }
    Ok(a.len().cmp(&b.len()))
}

type Strict = (Vec<u64>, bool, String, u64);

fn strict(version: &str) -> Result<Strict> {
    let bad =
        || TemplateError::runtime(format!("Version comparison failed: invalid version number '{version}'"));
    let text = version.trim();
    let split = text.find(['a', 'b']).unwrap_or(text.len());
    let (numbers, suffix) = text.split_at(split);
    let mut numbers: Vec<u64> =
        numbers.split('.').map(str::parse).collect::<std::result::Result<_, _>>().map_err(|_| bad())?;
    if !(2..=3).contains(&numbers.len()) {
        return Err(bad());
    }
    numbers.resize(3, 0);
    if suffix.is_empty() {
        return Ok((numbers, true, String::new(), 0));
    }
    let number = suffix[1..].parse().map_err(|_| bad())?;
    Ok((numbers, false, suffix[..1].to_owned(), number))
}

fn semantic(left: &str, right: &str) -> Result<Ordering> {
    let (a, b) = (semantic_parts(left)?, semantic_parts(right)?);
    if a.0 != b.0 {
        return Ok(a.0.cmp(&b.0));
    }
    Ok(match (a.1.is_empty(), b.1.is_empty()) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) => prerelease(&a.1, &b.1),
    })
}

fn prerelease(a: &[String], b: &[String]) -> Ordering {
    for (a, b) in a.iter().zip(b) {
        let order = match (a.parse::<u64>(), b.parse::<u64>()) {
            (Ok(a), Ok(b)) => a.cmp(&b),
            (Ok(_), Err(_)) => Ordering::Less,
            (Err(_), Ok(_)) => Ordering::Greater,
            (Err(_), Err(_)) => a.cmp(b),
        };
        if order.is_ne() {
            return order;
        }
    }
    a.len().cmp(&b.len())
}

fn semantic_parts(version: &str) -> Result<(Vec<u64>, Vec<String>)> {
    let bad =
        || TemplateError::runtime(format!("Version comparison failed: invalid semantic version '{version}'"));
    let text = version.split('+').next().unwrap_or(version);
    let (core, pre) = text.split_once('-').map_or((text, None), |(core, pre)| (core, Some(pre)));
    let numbers: Vec<u64> =
        core.split('.').map(str::parse).collect::<std::result::Result<_, _>>().map_err(|_| bad())?;
    if numbers.len() != 3 {
        return Err(bad());
    }
    Ok((numbers, pre.map(|pre| pre.split('.').map(str::to_owned).collect()).unwrap_or_default()))
}

/// Epoch, release without trailing zeros, then pre, post, dev and local parts as ordered keys.
type Pep440 = (u64, Vec<u64>, (i8, u64, u64), (bool, u64), (bool, u64), String);

fn pep440(version: &str) -> Result<Pep440> {
    let bad = || TemplateError::runtime(format!("Version comparison failed: Invalid version: '{version}'"));
    let pattern = r"^v?(?:(?P<e>\d+)!)?(?P<r>\d+(?:\.\d+)*)(?:[-_.]?(?P<pl>alpha|a|beta|b|preview|pre|c|rc)[-_.]?(?P<pn>\d*))?(?P<post>-(?P<qn>\d+)|[-_.]?(?:post|rev|r)[-_.]?(?P<on>\d*))?(?P<dev>[-_.]?dev[-_.]?(?P<dn>\d*))?(?:\+(?P<l>[a-z0-9]+(?:[-_.][a-z0-9]+)*))?$";
    let regex = crate::regex::compile(pattern, crate::regex::Flags::default())?;
    let lower = version.trim().to_lowercase();
    let found = regex.captures(&lower).map_err(crate::regex::failed)?.ok_or_else(bad)?;
    let number = |name: &str| found.name(name).and_then(|part| part.as_str().parse().ok()).unwrap_or(0);
    let mut release: Vec<u64> = found
        .name("r")
        .map(|part| part.as_str().split('.').filter_map(|n| n.parse().ok()).collect())
        .unwrap_or_default();
    while release.len() > 1 && release.last() == Some(&0) {
        release.pop();
    }
    let (is_post, is_dev) = (found.name("post").is_some(), found.name("dev").is_some());
    let pre = match found.name("pl").map(|part| part.as_str()) {
        Some("a" | "alpha") => (0, 0, number("pn")),
        Some("b" | "beta") => (0, 1, number("pn")),
        Some(_) => (0, 2, number("pn")),
        // a development release of a final version comes before its pre-releases
        None if is_dev && !is_post => (-1, 0, 0),
        None => (1, 0, 0),
    };
    Ok((
        number("e"),
        release,
        pre,
        (is_post, number("on").max(number("qn"))),
        (!is_dev, number("dn")),
        found.name("l").map_or_else(String::new, |part| part.as_str().to_owned()),
    ))
}
