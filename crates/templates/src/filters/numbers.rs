//! Numbers, sizes and dates.

use super::Table;
use crate::args::{Args, Param};
use crate::error::TemplateError;
use crate::eval::Eval;
use crate::ops::{self, Result, as_float};
use crate::text::to_str;
use crate::value::{View, view};
use minijinja::Value;

pub(super) const TABLE: Table = &[
    ("abs", |_, value, _| {
        let negative = ops::compare("<", &value, &Value::from(0))?.is_some_and(std::cmp::Ordering::is_lt);
        if negative { ops::neg(&value) } else { Ok(value) }
    }),
    ("round", round),
    ("pow", |_, value, args| {
        let [power] = args.bind("pow", ["y"])?;
        let result = float(&value)?.powf(float(&power.required("pow", "y")?)?);
        Ok(Value::from(result))
    }),
    ("log", |_, value, args| {
        let [base] = args.bind("log", ["base"])?;
        let number = positive(&value)?;
        Ok(Value::from(match base.given() {
            None => number.ln(),
            Some(base) if as_float(base) == Some(10.0) => number.log10(),
            Some(base) => number.ln() / positive(base)?.ln(),
        }))
    }),
    ("root", |_, value, args| {
        let [base] = args.bind("root", ["base"])?;
        let number = float(&value)?;
        let base = base.given().map_or(Ok(2.0), float)?;
        Ok(Value::from(if base == 2.0 { number.sqrt() } else { number.powf(1.0 / base) }))
    }),
    ("human_readable", human_readable),
    ("human_to_bytes", human_to_bytes),
    ("filesizeformat", filesizeformat),
    ("strftime", |_, value, args| {
        let [second, utc] = args.bind("strftime", ["second", "utc"])?;
        crate::time::format_seconds(&to_str(&value), second.as_ref(), utc.flag(false)?)
    }),
    ("to_datetime", |_, value, args| {
        let [format] = args.bind("to_datetime", ["format"])?;
        crate::time::parse(&to_str(&value), &format.text("%Y-%m-%d %H:%M:%S")?)
    }),
];

fn float(value: &Value) -> Result<f64> {
    as_float(value).ok_or_else(|| {
        TemplateError::runtime(format!("must be real number, not {}", crate::value::type_name(value)))
    })
}

fn positive(value: &Value) -> Result<f64> {
    let number = float(value)?;
    if number > 0.0 { Ok(number) } else { Err(TemplateError::runtime("math domain error")) }
}

fn round(_: &mut Eval<'_>, value: Value, args: Args) -> Result {
    let [precision, method] = args.bind("round", ["precision", "method"])?;
    let precision = precision.int(0)?;
    let number = float(&value)?;
    let scale = 10f64.powi(i32::try_from(precision).unwrap_or(0));
    let method = method.text("common")?;
    let integer = matches!(view(&value), View::Int(_));
    let rounded = match &*method {
        "common" if integer && precision >= 0 => return Ok(value),
        "common" if precision >= 0 => {
            // the decimal text is rounded half to even on the exact value, as Python does
            let digits = usize::try_from(precision.min(300)).unwrap_or(0);
            format!("{number:.digits$}").parse().unwrap_or(number)
        }
        "common" => (number * scale).round_ties_even() / scale,
        "ceil" => (number * scale).ceil() / scale,
        "floor" => (number * scale).floor() / scale,
        _ => return Err(TemplateError::runtime("method must be common, ceil or floor")),
    };
    Ok(if integer && method == "common" { crate::value::int(rounded as i128) } else { Value::from(rounded) })
}

const UNITS: [(char, i32); 8] =
    [('Y', 80), ('Z', 70), ('E', 60), ('P', 50), ('T', 40), ('G', 30), ('M', 20), ('K', 10)];

fn human_readable(_: &mut Eval<'_>, value: Value, args: Args) -> Result {
    let [bits, unit] = args.bind("human_readable", ["isbits", "unit"])?;
    let bits = bits.flag(false)?;
    let size = match view(&value) {
        View::Str(text) => text.trim().parse().map_err(|_| {
            TemplateError::runtime(format!("human_readable() can't interpret the string: {text}"))
        })?,
        _ => float(&value)?,
    };
    let base = if bits { "bits" } else { "Bytes" };
    let unit = unit.given().map(|unit| to_str(unit).to_uppercase());
    for (letter, power) in UNITS {
        let limit = 2f64.powi(power);
        let chosen = match &unit {
            None => size >= limit,
            Some(unit) => unit.starts_with(letter),
        };
        if chosen {
            let suffix = if bits { "b" } else { "B" };
            return Ok(Value::from(format!("{:.2} {letter}{suffix}", size / limit)));
        }
    }
    Ok(Value::from(format!("{size:.2} {base}")))
}

fn human_to_bytes(_: &mut Eval<'_>, value: Value, args: Args) -> Result {
    let [default, bits] = args.bind("human_to_bytes", ["default_unit", "isbits"])?;
    let bits = bits.flag(false)?;
    let text = to_str(&value);
    let bad = || TemplateError::runtime(format!("human_to_bytes() can't interpret following string: {text}"));
    let trimmed = text.trim();
    let end = trimmed.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(trimmed.len());
    let number: f64 = trimmed[..end].parse().map_err(|_| bad())?;
    let written = trimmed[end..].trim();
    let unit = if written.is_empty() { default.text("B")? } else { written.to_owned() };
    let mut letters = unit.chars();
    let letter = letters.next().map_or('B', |c| c.to_ascii_uppercase());
    let rest = letters.as_str();
    let valid_rest = match rest {
        "" => true,
        "B" | "iB" => !bits,
        "b" | "ib" => bits,
        _ => {
            let lower = unit.to_lowercase();
            if bits {
                lower.ends_with("bit") || lower.ends_with("bits") || lower.ends_with("b")
            } else {
                lower.ends_with("byte") || lower.ends_with("bytes")
            }
        }
    };
    let power = if letter == 'B' {
        Some(0)
    } else {
        UNITS.iter().find(|(known, _)| *known == letter).map(|(_, power)| *power)
    };
    let power = power.filter(|_| valid_rest).ok_or_else(|| {
        TemplateError::runtime(format!(
            "human_to_bytes() failed to convert {text} (unit = {unit}). The suffix must be one of Y, Z, E, P, T, G, M, K, B"
        ))
    })?;
    Ok(crate::value::int((number * 2f64.powi(power)).round_ties_even() as i128))
}

fn filesizeformat(_: &mut Eval<'_>, value: Value, args: Args) -> Result {
    let [binary] = args.bind("filesizeformat", ["binary"])?;
    let binary = binary.flag(false)?;
    let size = match view(&value) {
        View::Str(text) => text.trim().parse().map_err(|_| TemplateError::runtime("expected a number"))?,
        _ => float(&value)?,
    };
    let base: f64 = if binary { 1024.0 } else { 1000.0 };
    if size == 1.0 {
        return Ok(Value::from("1 Byte"));
    }
    if size < base {
        return Ok(Value::from(format!("{} Bytes", size.trunc())));
    }
    let letters = "kMGTPEZY";
    let mut limit = base;
    let mut chosen = 'k';
    for letter in letters.chars() {
        chosen = letter;
        if size < limit * base {
            break;
        }
        if letter != 'Y' {
            limit *= base;
        }
    }
    let unit = if binary { format!("{}iB", chosen.to_ascii_uppercase()) } else { format!("{chosen}B") };
    Ok(Value::from(format!("{:.1} {unit}", size / limit)))
}
