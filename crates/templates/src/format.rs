//! `%` on strings and `str.format`.

use crate::args::Args;
use crate::error::TemplateError;
use crate::ops::{self, Result};
use crate::text::{float, repr, to_str};
use crate::value::{View, items, type_name, view};
use minijinja::Value;

/// `format % value`.
pub(crate) fn percent(format: &str, value: &Value) -> Result<String> {
    let mut out = String::new();
    let mut values: Vec<Value> =
        if value.is_tuple() { items(value).unwrap_or_default() } else { vec![value.clone()] };
    values.reverse();
    let is_map = matches!(view(value), View::Map(_));
    let mut used_names = false;
    let mut chars = format.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        if chars.peek() == Some(&'%') {
            chars.next();
            out.push('%');
            continue;
        }
        let mut named = None;
        if chars.peek() == Some(&'(') {
            chars.next();
            let mut key = String::new();
            loop {
                match chars.next() {
                    Some(')') => break,
                    Some(c) => key.push(c),
                    None => return Err(TemplateError::runtime("incomplete format key")),
                }
            }
            used_names = true;
            let found = ops::item(value, &Value::from(key.as_str()));
            named = Some(found.ok_or_else(|| TemplateError::runtime(format!("'{key}'")))?);
        }
        let mut spec = Spec::default();
        while let Some(flag) = chars.peek().copied().filter(|c| "-+ 0#".contains(*c)) {
            match flag {
                '-' => spec.align = Some('<'),
                '0' => spec.zero = true,
                '#' => spec.alternate = true,
                sign => spec.sign = sign,
            }
            chars.next();
        }
        let mut number = |chars: &mut std::iter::Peekable<std::str::Chars<'_>>| -> Result<Option<usize>> {
            if chars.peek() == Some(&'*') {
                chars.next();
                let value = values.pop().ok_or_else(not_enough)?;
                return Ok(value.as_usize());
            }
            let mut digits = String::new();
            while let Some(c) = chars.peek().filter(|c| c.is_ascii_digit()) {
                digits.push(*c);
                chars.next();
            }
            Ok(digits.parse().ok())
        };
        spec.width = number(&mut chars)?.unwrap_or(0);
        if chars.peek() == Some(&'.') {
            chars.next();
            spec.precision = Some(number(&mut chars)?.unwrap_or(0));
        }
        while chars.peek().is_some_and(|c| "hlL".contains(*c)) {
            chars.next();
        }
        let Some(conversion) = chars.next() else { return Err(TemplateError::runtime("incomplete format")) };
        let argument = match named {
            Some(value) => value,
            None => values.pop().ok_or_else(not_enough)?,
        };
        ops::check_deep(&argument)?;
        out.push_str(&convert(conversion, &argument, spec)?);
        ops::check_length(out.len())?;
    }
    let by_name = used_names || is_map || (matches!(view(value), View::Seq(_)) && !value.is_tuple());
    if !values.is_empty() && !by_name {
        return Err(TemplateError::runtime("not all arguments converted during string formatting"));
    }
    Ok(out)
}

fn not_enough() -> TemplateError {
    TemplateError::runtime("not enough arguments for format string")
}

#[derive(Debug, Clone, Copy)]
struct Spec {
    fill: char,
    align: Option<char>,
    sign: char,
    alternate: bool,
    zero: bool,
    width: usize,
    comma: Option<char>,
    precision: Option<usize>,
}

impl Default for Spec {
    fn default() -> Self {
        Self {
            fill: ' ',
            align: None,
            sign: '-',
            alternate: false,
            zero: false,
            width: 0,
            comma: None,
            precision: None,
        }
    }
}

/// Widest padding honoured: beyond it a typo, not a playbook.
const WIDEST: usize = 1 << 20;

fn convert(conversion: char, value: &Value, spec: Spec) -> Result<String> {
    let number_needed = || {
        TemplateError::runtime(format!(
            "%{conversion} format: a real number is required, not {}",
            type_name(value)
        ))
    };
    match conversion {
        's' | 'r' | 'a' => {
            let text = if conversion == 's' { to_str(value) } else { repr(value) };
            let text = match spec.precision {
                Some(precision) => text.chars().take(precision).collect(),
                None => text,
            };
            Ok(pad(&text, spec, '>'))
        }
        'c' => match view(value) {
            View::Str(text) => Ok(pad(text, spec, '>')),
            View::Int(code) => {
                let c = u32::try_from(code).ok().and_then(char::from_u32).ok_or_else(number_needed)?;
                Ok(pad(&c.to_string(), spec, '>'))
            }
            _ => Err(number_needed()),
        },
        'd' | 'i' | 'u' | 'x' | 'X' | 'o' => {
            let number = match view(value) {
                View::Int(number) => number,
                View::Bool(flag) => i128::from(flag),
                View::Float(number) if matches!(conversion, 'd' | 'i' | 'u') => number.trunc() as i128,
                _ => return Err(number_needed()),
            };
            let kind = if matches!(conversion, 'i' | 'u') { 'd' } else { conversion };
            Ok(integer(kind, number, spec))
        }
        'e' | 'E' | 'f' | 'F' | 'g' | 'G' => {
            let number = ops::as_float(value).ok_or_else(number_needed)?;
            Ok(floating(conversion, number, spec))
        }
        other => Err(TemplateError::runtime(format!("unsupported format character '{other}'"))),
    }
}

fn integer(kind: char, number: i128, spec: Spec) -> String {
    let digits = number.unsigned_abs();
    let (prefix, mut body) = match kind {
        'x' => ("0x", format!("{digits:x}")),
        'X' => ("0X", format!("{digits:X}")),
        'o' => ("0o", format!("{digits:o}")),
        'b' => ("0b", format!("{digits:b}")),
        _ => ("", digits.to_string()),
    };
    if let Some(precision) = spec.precision {
        body = format!("{}{body}", "0".repeat(precision.min(WIDEST).saturating_sub(body.len())));
    }
    let prefix = if spec.alternate { prefix } else { "" };
    signed(number < 0, prefix, &group(&body, spec), spec)
}

fn group(digits: &str, spec: Spec) -> String {
    let Some(separator) = spec.comma else { return digits.to_owned() };
    let (whole, rest) = digits.split_at(digits.find('.').unwrap_or(digits.len()));
    let mut out = String::new();
    for (index, c) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index) % 3 == 0 {
            out.push(separator);
        }
        out.push(c);
    }
    out + rest
}

fn signed(negative: bool, prefix: &str, body: &str, spec: Spec) -> String {
    let sign = match (negative, spec.sign) {
        (true, _) => "-",
        (false, '+') => "+",
        (false, ' ') => " ",
        _ => "",
    };
    let len = sign.len() + prefix.len() + body.chars().count();
    if spec.align == Some('=') || (spec.zero && spec.align.is_none()) {
        let fill = if spec.align == Some('=') && !spec.zero { spec.fill } else { '0' };
        let fill = fill.to_string().repeat(spec.width.min(WIDEST).saturating_sub(len));
        return format!("{sign}{prefix}{fill}{body}");
    }
    pad(&format!("{sign}{prefix}{body}"), spec, '>')
}

fn floating(kind: char, number: f64, spec: Spec) -> String {
    let precision = spec.precision.unwrap_or(6).min(400);
    let size = number.abs();
    let body = match kind {
        _ if !number.is_finite() => float(size),
        'e' | 'E' => exponent(size, precision),
        'g' | 'G' => general(size, precision.max(1)),
        '%' => format!("{:.precision$}%", size * 100.0),
        _ => format!("{size:.precision$}"),
    };
    let body = if kind.is_ascii_uppercase() { body.to_uppercase() } else { body };
    signed(number < 0.0, "", &group(&body, spec), spec)
}

fn exponent(number: f64, precision: usize) -> String {
    let text = format!("{number:.precision$e}");
    match text.split_once('e') {
        Some((mantissa, power)) => {
            let power: i32 = power.parse().unwrap_or(0);
            format!("{mantissa}e{}{:02}", if power < 0 { '-' } else { '+' }, power.abs())
        }
        None => text,
    }
}

fn general(number: f64, precision: usize) -> String {
    if number == 0.0 {
        return "0".to_owned();
    }
    let text = exponent(number, precision - 1);
    let power: i32 = text.split_once('e').and_then(|(_, power)| power.parse().ok()).unwrap_or(0);
    let strip = |text: &str| {
        if text.contains('.') {
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        } else {
            text.to_owned()
        }
    };
    let places = i32::try_from(precision).unwrap_or(i32::MAX);
    if power < -4 || power >= places {
        match text.split_once('e') {
            Some((mantissa, power)) => format!("{}e{power}", strip(mantissa)),
            None => text,
        }
    } else {
        let decimals = usize::try_from(places - 1 - power).unwrap_or(0);
        strip(&format!("{number:.decimals$}"))
    }
}

fn pad(text: &str, spec: Spec, default: char) -> String {
    let missing = spec.width.min(WIDEST).saturating_sub(text.chars().count());
    let fill = |count: usize| spec.fill.to_string().repeat(count);
    match spec.align.unwrap_or(default) {
        '<' => format!("{text}{}", fill(missing)),
        '^' => format!("{}{text}{}", fill(missing / 2), fill(missing - missing / 2)),
        _ => format!("{}{text}", fill(missing)),
    }
}

/// `format.format(…)`.
pub(crate) fn braces(format: &str, args: &Args) -> Result<String> {
    let mut out = String::new();
    let mut auto = 0;
    let mut chars = format.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '{' if chars.peek() == Some(&'{') => {
                chars.next();
                out.push('{');
            }
            '}' => {
                if chars.peek() == Some(&'}') {
                    chars.next();
                    out.push('}');
                } else {
                    return Err(TemplateError::runtime("Single '}' encountered in format string"));
                }
            }
            '{' => {
                let mut field = String::new();
                let mut depth = 0;
                loop {
                    match chars.next() {
                        Some('}') if depth == 0 => break,
                        Some(c) => {
                            match c {
                                '{' => depth += 1,
                                '}' => depth -= 1,
                                _ => {}
                            }
                            field.push(c);
                        }
                        None => return Err(TemplateError::runtime("expected '}' before end of string")),
                    }
                }
                out.push_str(&replace_field(&field, args, &mut auto)?);
            }
            c => out.push(c),
        }
    }
    Ok(out)
}

fn replace_field(field: &str, args: &Args, auto: &mut usize) -> Result<String> {
    let (head, spec) = field.split_once(':').unwrap_or((field, ""));
    let (path, conversion) = head.split_once('!').unwrap_or((head, ""));
    let end = path.find(['.', '[']).unwrap_or(path.len());
    let (name, mut rest) = path.split_at(end);
    let mut value = if name.is_empty() {
        *auto += 1;
        args.pos.get(*auto - 1).cloned()
    } else if let Ok(index) = name.parse::<usize>() {
        args.pos.get(index).cloned()
    } else {
        args.named.iter().find(|(known, _)| &**known == name).map(|(_, value)| value.clone())
    }
    .ok_or_else(|| match name.is_empty() || name.parse::<usize>().is_ok() {
        true => TemplateError::runtime("Replacement index out of range for positional args tuple"),
        false => TemplateError::runtime(format!("'{name}'")),
    })?;
    while !rest.is_empty() {
        let bad = || TemplateError::runtime(format!("bad field '{field}' in format string"));
        let (key, after) = if let Some(inner) = rest.strip_prefix('[') {
            let (key, after) = inner.split_once(']').ok_or_else(bad)?;
            let key = key.parse::<i64>().map_or_else(|_| Value::from(key), Value::from);
            (key, after)
        } else {
            let inner = rest.strip_prefix('.').ok_or_else(bad)?;
            let end = inner.find(['.', '[']).unwrap_or(inner.len());
            if matches!(view(&value), View::Map(_)) {
                return Err(TemplateError::runtime(format!(
                    "'dict' object has no attribute '{}'",
                    &inner[..end]
                )));
            }
            (Value::from(&inner[..end]), &inner[end..])
        };
        value = ops::item(&value, &key).ok_or_else(bad)?;
        rest = after;
    }
    let value = match conversion {
        "r" | "a" => Value::from(repr(&value)),
        "s" => Value::from(to_str(&value)),
        _ => value,
    };
    let mut spec_text = spec.to_owned();
    if spec.contains('{') {
        let mut inner_auto = *auto;
        spec_text = String::new();
        let mut rest = spec;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').unwrap_or((after, ""));
            spec_text.push_str(before);
            spec_text.push_str(&replace_field(name, args, &mut inner_auto)?);
            rest = after;
        }
        spec_text.push_str(rest);
        *auto = inner_auto;
    }
    format_spec(&value, &spec_text)
}

/// `format(value, spec)`.
pub(crate) fn format_spec(value: &Value, text: &str) -> Result<String> {
    if text.is_empty() {
        return Ok(to_str(value));
    }
    let mut spec = Spec::default();
    let mut chars: Vec<char> = text.chars().collect();
    if chars.len() > 1 && "<>=^".contains(chars[1]) {
        spec.fill = chars[0];
        spec.align = Some(chars[1]);
        chars.drain(..2);
    } else if "<>=^".contains(chars[0]) {
        spec.align = Some(chars[0]);
        chars.drain(..1);
    }
    let mut chars = chars.into_iter().peekable();
    if let Some(sign) = chars.next_if(|c| "+- ".contains(*c)) {
        spec.sign = sign;
    }
    spec.alternate = chars.next_if_eq(&'#').is_some();
    spec.zero = chars.next_if_eq(&'0').is_some();
    let digits = |chars: &mut std::iter::Peekable<std::vec::IntoIter<char>>| {
        let mut digits = String::new();
        while let Some(c) = chars.next_if(char::is_ascii_digit) {
            digits.push(c);
        }
        digits.parse::<usize>().ok()
    };
    spec.width = digits(&mut chars).unwrap_or(0);
    spec.comma = chars.next_if(|c| *c == ',' || *c == '_');
    if chars.next_if_eq(&'.').is_some() {
        spec.precision = digits(&mut chars);
    }
    let kind = chars.next();
    let bad = || {
        TemplateError::runtime(format!(
            "Invalid format specifier '{text}' for object of type '{}'",
            type_name(value)
        ))
    };
    if chars.next().is_some() {
        return Err(bad());
    }
    match (view(value), kind) {
        (View::Str(text), None | Some('s')) => {
            let text: String = match spec.precision {
                Some(precision) => text.chars().take(precision).collect(),
                None => text.to_owned(),
            };
            Ok(pad(&text, spec, '<'))
        }
        (View::Int(number), None | Some('d' | 'x' | 'X' | 'o' | 'b' | 'n')) => {
            Ok(integer(kind.unwrap_or('d'), number, Spec { precision: None, ..spec }))
        }
        (View::Bool(flag), Some('d')) => Ok(integer('d', i128::from(flag), spec)),
        (View::Float(number), None) if spec.precision.is_none() => {
            Ok(signed(number < 0.0, "", &group(&float(number.abs()), spec), spec))
        }
        (View::Float(number), None) => Ok(floating('g', number, spec)),
        (
            View::Int(_) | View::Float(_) | View::Bool(_),
            Some(kind @ ('e' | 'E' | 'f' | 'F' | 'g' | 'G' | '%')),
        ) => Ok(floating(kind, ops::as_float(value).unwrap_or(0.0), spec)),
        _ => Err(bad()),
    }
}
