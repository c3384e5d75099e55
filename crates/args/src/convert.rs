//! Conversions between types, value by value what Ansible's are.

use crate::types::CopyMode;
use crate::{Argument, Arguments, Kind};

/// Whether `value` converts to a scalar `kind`, and to what; lists and sub-options are the caller's to open.
pub fn scalar(kind: Kind, value: &Argument) -> Result<Argument, String> {
    Ok(match kind {
        Kind::Str | Kind::Path => Argument::String(text(value)),
        Kind::Bool => Argument::Bool(boolean(value)?),
        Kind::Int => Argument::from(int(value)?),
        Kind::Bytes => Argument::from(bytes(value)?),
        // The value as given is kept: JSON has no infinity, and a mode loses nothing by waiting.
        Kind::Float => float(value).map(|_| value.clone())?,
        Kind::Mode => CopyMode::parse(value).map(|_| value.clone())?,
        Kind::Dict => Argument::Object(dict(value)?),
        Kind::Raw | Kind::List(_) | Kind::Sub(_) => value.clone(),
    })
}

/// Python's `str(value)`, except that null is empty.
pub fn text(value: &Argument) -> String {
    match value {
        Argument::Null => String::new(),
        Argument::String(text) => text.clone(),
        other => {
            let mut out = String::new();
            python(other, &mut out);
            out
        }
    }
}

pub fn boolean(value: &Argument) -> Result<bool, String> {
    let text = match value {
        Argument::Bool(value) => return Ok(*value),
        Argument::Number(number) => match number.as_f64() {
            Some(0.0) => return Ok(false),
            Some(1.0) => return Ok(true),
            _ => number.to_string(),
        },
        Argument::String(text) => text.trim().to_lowercase(),
        other => return Err(format!("a {} is neither true nor false", type_name(other))),
    };
    match text.as_str() {
        "y" | "yes" | "on" | "1" | "true" | "t" => Ok(true),
        "n" | "no" | "off" | "0" | "false" | "f" => Ok(false),
        _ => Err(format!("'{text}' is neither true nor false; say yes or no")),
    }
}

pub fn int(value: &Argument) -> Result<i64, String> {
    let whole = match value {
        Argument::Bool(value) => Some(i64::from(*value)),
        Argument::Number(number) => number.as_i64().or_else(|| number.as_f64().and_then(integral)),
        Argument::String(text) => {
            // Underscores may be anywhere, as in Python's Decimal.
            let text = text.trim().replace('_', "");
            text.parse().ok().or_else(|| text.parse().ok().and_then(integral))
        }
        _ => None,
    };
    whole.ok_or_else(|| format!("{} is not a whole number", quoted(value)))
}

pub fn float(value: &Argument) -> Result<f64, String> {
    let number = match value {
        Argument::Bool(value) => Some(f64::from(u8::from(*value))),
        Argument::Number(number) => number.as_f64(),
        Argument::String(text) => numeral(text).parse().ok(),
        _ => None,
    };
    number.ok_or_else(|| format!("{} is not a number", quoted(value)))
}

/// A string is split at commas, blanks kept; another scalar is a list of one.
pub fn list(value: &Argument) -> Result<Vec<Argument>, String> {
    match value {
        Argument::Array(items) => Ok(items.clone()),
        Argument::Object(_) => Err("a dict is not a list".to_owned()),
        Argument::String(text) => Ok(text.split(',').map(Argument::from).collect()),
        scalar => Ok(vec![Argument::String(text(scalar))]),
    }
}

/// A dict, one written as JSON or as a Python literal, or `key=value` pairs.
pub fn dict(value: &Argument) -> Result<Arguments, String> {
    match value {
        Argument::Object(map) => Ok(map.clone()),
        Argument::String(text) if text.starts_with('{') => serde_json::from_str(text)
            .ok()
            .or_else(|| serde_json::from_str(&python_to_json(text)?).ok())
            .ok_or_else(|| "this is neither JSON nor a Python literal".to_owned()),
        Argument::String(text) if text.contains('=') => pairs(text),
        Argument::String(_) => Err("this is neither JSON nor key=value".to_owned()),
        other => Err(format!("a {} is not a dict", type_name(other))),
    }
}

/// "10M", "1.5 GB", 4096; units are powers of 1024.
pub fn bytes(value: &Argument) -> Result<u64, String> {
    let problem = || format!("{} is not an amount of bytes, such as 4096, 64K, 1.5G", quoted(value));
    let text = match value {
        Argument::String(_) | Argument::Number(_) => text(value),
        _ => return Err(problem()),
    };
    let split = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let unit = unit.trim();
    let first = unit.chars().next().map_or('B', |letter| letter.to_ascii_uppercase());
    let (Some(power), Ok(number)) = ("BKMGTPEZY".find(first), number.parse::<f64>()) else {
        return Err(problem());
    };
    // "KB", but not "kB" or "Kb", which would be bits; or the unit's full name.
    let long = [
        "byte",
        "kilobyte",
        "megabyte",
        "gigabyte",
        "terabyte",
        "petabyte",
        "exabyte",
        "zettabyte",
        "yottabyte",
    ];
    let spelled = long.get(power).is_some_and(|name| unit.eq_ignore_ascii_case(name));
    let short =
        unit.len() <= 1 || (unit.len() == 2 && unit.ends_with('B') && "KMGTPEZY".contains(&unit[..1]));
    if !(short || spelled) || text[..split].ends_with('.') {
        return Err(problem());
    }
    let scale = 1024_f64.powi(i32::try_from(power).unwrap_or_default());
    let amount = (number * scale).round_ties_even();
    // 2^64 is exact as a float, so whatever is below it fits.
    if amount < 18_446_744_073_709_551_616.0 { Ok(amount as u64) } else { Err(problem()) }
}

/// The text to compare with choices: YAML's `yes` is a boolean, so a boolean stands for the one choice that means it.
pub fn choice(value: &Argument, choices: &[&str]) -> String {
    let text = text(value);
    if !choices.contains(&text.as_str()) && (text == "True" || text == "False") {
        let meant = text == "True";
        let mut same = choices.iter().filter(|choice| boolean(&Argument::from(**choice)) == Ok(meant));
        if let (Some(only), None) = (same.next(), same.next()) {
            return (*only).to_owned();
        }
    }
    text
}

/// Ansible's name of a value's type.
pub fn type_name(value: &Argument) -> &'static str {
    match value {
        Argument::Null => "null",
        Argument::Bool(_) => "bool",
        Argument::Number(number) if number.is_f64() => "float",
        Argument::Number(_) => "int",
        Argument::String(_) => "str",
        Argument::Array(_) => "list",
        Argument::Object(_) => "dict",
    }
}

/// A value in a message, as Python would show it, not too long.
pub fn quoted(value: &Argument) -> String {
    let mut out = String::new();
    python(value, &mut out);
    match out.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &out[..end]),
        None => out,
    }
}

/// What Python's float() skips: blanks around, underscores between digits.
fn numeral(text: &str) -> String {
    let text = text.trim();
    let bytes = text.as_bytes();
    let digit =
        |index: Option<usize>| index.and_then(|index| bytes.get(index)).is_some_and(u8::is_ascii_digit);
    let inner = |index: usize| digit(index.checked_sub(1)) && digit(Some(index + 1));
    text.char_indices()
        .filter(|(index, letter)| *letter != '_' || !inner(*index))
        .map(|(_, letter)| letter)
        .collect()
}

fn integral(number: f64) -> Option<i64> {
    // The bounds are exact as floats; i64::MAX is not, hence `<`.
    let fits = number.fract() == 0.0
        && (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&number);
    fits.then_some(number as i64)
}

/// `a=1, b='x y'`: separated by commas or blanks, quotes keep them, a backslash takes the next letter as it is.
fn pairs(text: &str) -> Result<Arguments, String> {
    let mut fields = vec![String::new()];
    let (mut quote, mut escaped) = (None, false);
    for letter in text.chars() {
        let Some(field) = fields.last_mut() else { break };
        if escaped {
            field.push(letter);
            escaped = false;
        } else if letter == '\\' {
            escaped = true;
        } else if quote == Some(letter) {
            quote = None;
        } else if quote.is_none() && (letter == '\'' || letter == '"') {
            quote = Some(letter);
        } else if quote.is_none() && matches!(letter, ',' | ' ') {
            if !field.is_empty() {
                fields.push(String::new());
            }
        } else {
            field.push(letter);
        }
    }
    let pair = |field: String| match field.split_once('=') {
        Some((key, value)) => Ok((key.to_owned(), Argument::from(value))),
        None => Err(format!("'{field}' is not key=value")),
    };
    fields.into_iter().filter(|field| !field.is_empty()).map(pair).collect()
}

/// A Python dict literal respelled as JSON: quotes, True, False, None. None: it is no such thing.
fn python_to_json(text: &str) -> Option<String> {
    let mut out = String::new();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter == '\'' || letter == '"' {
            let mut string = String::new();
            loop {
                match letters.next()? {
                    end if end == letter => break,
                    '\\' => match letters.next()? {
                        'n' => string.push('\n'),
                        't' => string.push('\t'),
                        'r' => string.push('\r'),
                        plain @ ('\\' | '\'' | '"') => string.push(plain),
                        // Other escapes (\x41, \u…) are not worth their rules here.
                        _ => return None,
                    },
                    other => string.push(other),
                }
            }
            out.push_str(&Argument::from(string).to_string());
        } else if letter.is_alphabetic() {
            let mut word = String::from(letter);
            while let Some(next) = letters.next_if(|next| next.is_alphanumeric() || *next == '_') {
                word.push(next);
            }
            out.push_str(match word.as_str() {
                "True" => "true",
                "False" => "false",
                "None" => "null",
                _ => return None,
            });
        } else {
            out.push(letter);
        }
    }
    Some(out)
}

/// Python's `repr(value)`.
fn python(value: &Argument, out: &mut String) {
    match value {
        Argument::Null => out.push_str("None"),
        Argument::Bool(value) => out.push_str(if *value { "True" } else { "False" }),
        Argument::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() => python_float(float, out),
            _ => out.push_str(&number.to_string()),
        },
        Argument::String(text) => python_string(text, out),
        Argument::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index > 0 { ", " } else { "" });
                python(item, out);
            }
            out.push(']');
        }
        Argument::Object(map) => {
            out.push('{');
            for (index, (key, item)) in map.iter().enumerate() {
                out.push_str(if index > 0 { ", " } else { "" });
                python_string(key, out);
                out.push_str(": ");
                python(item, out);
            }
            out.push('}');
        }
    }
}

/// Rust's shortest form and Python's differ in the exponent only: 1e-5 and 1e-05, 1e16 and 1e+16.
fn python_float(float: f64, out: &mut String) {
    let text = format!("{float:?}");
    match text.split_once('e') {
        None => out.push_str(&text),
        Some((mantissa, exponent)) => {
            let (sign, digits) = match exponent.strip_prefix('-') {
                Some(digits) => ('-', digits),
                None => ('+', exponent),
            };
            out.push_str(&format!("{mantissa}e{sign}{digits:0>2}"));
        }
    }
}

fn python_string(text: &str, out: &mut String) {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.push(quote);
    for letter in text.chars() {
        match letter {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            _ if letter == quote => out.extend(['\\', letter]),
            _ if letter.is_control() => out.push_str(&format!("\\x{:02x}", u32::from(letter))),
            _ => out.push(letter),
        }
    }
    out.push(quote);
}
