//! What a plain scalar means: PyYAML's YAML 1.1 rules (<https://yaml.org/type/> as PyYAML implements them).

use std::sync::Arc;

use crate::Yaml;

/// Resolves a plain (unquoted, untagged) scalar.
///
/// Timestamps stay strings. Integers beyond 64 bits stay strings of their digits, so that none is lost.
pub fn resolve_plain(text: &str) -> Yaml {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Yaml::Null,
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => return Yaml::Bool(true),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => return Yaml::Bool(false),
        _ => {}
    }
    if matches!(text.as_bytes()[0], b'-' | b'+' | b'.' | b'0'..=b'9') {
        if let Some(i) = parse_int(text) {
            return i;
        }
        if let Some(f) = parse_float(text) {
            return Yaml::Float(f);
        }
    }
    Yaml::Str(Arc::from(text))
}

/// `yes`, `Off`, `TRUE`, …
pub(crate) fn parse_bool(text: &str) -> Option<bool> {
    match resolve_plain(&text.to_lowercase()) {
        Yaml::Bool(b) => Some(b),
        _ => None,
    }
}

pub(crate) fn parse_int(text: &str) -> Option<Yaml> {
    let (negative, digits) = sign(text);
    let value = if let Some(rest) = digits.strip_prefix("0b") {
        radix(rest, 2)
    } else if let Some(rest) = digits.strip_prefix("0x") {
        radix(rest, 16)
    } else if digits.len() > 1 && digits.starts_with('0') {
        radix(&digits[1..], 8)
    } else if digits.contains(':') {
        sexagesimal(digits)
    } else {
        if !digits.starts_with(|c: char| c.is_ascii_digit())
            || !all(digits, |b| b.is_ascii_digit() || b == b'_')
        {
            return None;
        }
        let plain: String = digits.chars().filter(|c| *c != '_').collect();
        match plain.parse::<i128>() {
            Ok(v) => Some(v),
            Err(_) => return Some(Yaml::Str(text.replace(['_', '+'], "").into())),
        }
    }?;
    let value = if negative { -value } else { value };
    Some(i64::try_from(value).map_or_else(|_| Yaml::Str(value.to_string().into()), Yaml::Int))
}

pub(crate) fn parse_float(text: &str) -> Option<f64> {
    let (negative, body) = sign(text);
    let signed = |v: f64| Some(if negative { -v } else { v });
    match body {
        ".inf" | ".Inf" | ".INF" => return signed(f64::INFINITY),
        ".nan" | ".NaN" | ".NAN" if body == text => return Some(f64::NAN),
        _ => {}
    }
    let (whole, rest) = body.split_once('.')?;
    let digit_or_underscore = |b: u8| b.is_ascii_digit() || b == b'_';
    if whole.contains(':') {
        if !all(rest, digit_or_underscore) || !sexagesimal_shape(whole) {
            return None;
        }
        let fraction: f64 = format!("0.{}0", rest.replace('_', "")).parse().ok()?;
        return signed(sexagesimal_value(whole)? as f64 + fraction);
    }
    let (fraction, exponent) = match rest.find(['e', 'E']) {
        Some(at) => (&rest[..at], Some(&rest[at + 1..])),
        None => (rest, None),
    };
    if !all(fraction, digit_or_underscore) {
        return None;
    }
    if whole.is_empty() {
        // `.5`, but not `-.5` nor `._5`
        if body != text || !fraction.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
    } else if !whole.starts_with(|c: char| c.is_ascii_digit()) || !all(whole, digit_or_underscore) {
        return None;
    }
    if let Some(exponent) = exponent {
        // PyYAML wants the sign: `1.5e3` is a string.
        let digits = exponent.strip_prefix(['-', '+'])?;
        if digits.is_empty() || !all(digits, |b| b.is_ascii_digit()) {
            return None;
        }
    }
    let plain = format!("0{}", body.replace('_', ""));
    signed(plain.parse().ok()?)
}

fn sign(text: &str) -> (bool, &str) {
    match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    }
}

fn all(text: &str, test: impl Fn(u8) -> bool) -> bool {
    text.bytes().all(test)
}

fn radix(digits: &str, radix: u32) -> Option<i128> {
    if digits.is_empty() || !all(digits, |b| b == b'_' || (b as char).is_digit(radix)) {
        return None;
    }
    let plain: String = digits.chars().filter(|c| *c != '_').collect();
    if plain.is_empty() {
        // `0_` is octal nothing: zero. `0b_` and `0x_` make PyYAML fail; strings serve their writers better.
        return (radix == 8).then_some(0);
    }
    i128::from_str_radix(&plain, radix).ok()
}

fn sexagesimal(digits: &str) -> Option<i128> {
    if !digits.starts_with(|c: char| ('1'..='9').contains(&c)) || !sexagesimal_shape(digits) {
        return None;
    }
    sexagesimal_value(digits)
}

/// `[0-9][0-9_]*(:[0-5]?[0-9])+`
fn sexagesimal_shape(digits: &str) -> bool {
    let mut parts = digits.split(':');
    let first = parts.next().unwrap_or_default();
    first.starts_with(|c: char| c.is_ascii_digit())
        && all(first, |b| b.is_ascii_digit() || b == b'_')
        && parts.all(|p| match p.as_bytes() {
            [d] => d.is_ascii_digit(),
            [t, d] => (b'0'..=b'5').contains(t) && d.is_ascii_digit(),
            _ => false,
        })
}

fn sexagesimal_value(digits: &str) -> Option<i128> {
    digits.split(':').try_fold(0i128, |sum, part| {
        let part: i128 = part.replace('_', "").parse().ok()?;
        sum.checked_mul(60)?.checked_add(part)
    })
}
