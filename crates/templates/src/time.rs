//! Dates and durations: what `now()` and `to_datetime` return.

use crate::error::TemplateError;
use crate::ops::{Arith, Result};
use crate::value::{View, view};
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use minijinja::Value;
use minijinja::value::{Object, ObjectRepr};
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

/// Python's `datetime`: without a zone unless it has an offset.
#[derive(Debug, Clone, Copy)]
struct Moment {
    civil: DateTime,
    offset: Option<Offset>,
}

/// Python's `timedelta`, in microseconds.
#[derive(Debug, Clone, Copy)]
struct Delta(i128);

impl Object for Moment {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }
    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&moment_text(self))
    }
}

impl Object for Delta {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }
    fn is_true(self: &Arc<Self>) -> bool {
        self.0 != 0
    }
    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&delta_text(self.0))
    }
}

fn moment(value: &Value) -> Option<Moment> {
    value.downcast_object_ref::<Moment>().copied()
}

fn delta(value: &Value) -> Option<i128> {
    value.downcast_object_ref::<Delta>().map(|delta| delta.0)
}

fn moment_text(moment: &Moment) -> String {
    let civil = moment.civil;
    let micros = civil.subsec_nanosecond() / 1000;
    let mut text = civil.strftime("%Y-%m-%d %H:%M:%S").to_string();
    if micros != 0 {
        text.push_str(&format!(".{micros:06}"));
    }
    if let Some(offset) = moment.offset {
        let seconds = offset.seconds();
        let sign = if seconds < 0 { '-' } else { '+' };
        text.push_str(&format!("{sign}{:02}:{:02}", seconds.abs() / 3600, seconds.abs() / 60 % 60));
    }
    text
}

const DAY: i128 = 86_400_000_000;

fn delta_text(micros: i128) -> String {
    let days = micros.div_euclid(DAY);
    let rest = micros.rem_euclid(DAY);
    let seconds = rest / 1_000_000;
    let mut text = match days {
        0 => String::new(),
        1 | -1 => format!("{days} day, "),
        _ => format!("{days} days, "),
    };
    text.push_str(&format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60));
    if rest % 1_000_000 != 0 {
        text.push_str(&format!(".{:06}", rest % 1_000_000));
    }
    text
}

pub(crate) fn type_name(value: &Value) -> Option<&'static str> {
    if moment(value).is_some() { Some("datetime") } else { delta(value).map(|_| "timedelta") }
}

pub(crate) fn to_str(value: &Value) -> Option<String> {
    moment(value).map(|moment| moment_text(&moment)).or_else(|| delta(value).map(delta_text))
}

pub(crate) fn repr(value: &Value) -> Option<String> {
    if let Some(moment) = moment(value) {
        let civil = moment.civil;
        let mut text = format!(
            "datetime.datetime({}, {}, {}, {}, {}",
            civil.year(),
            civil.month(),
            civil.day(),
            civil.hour(),
            civil.minute()
        );
        let micros = civil.subsec_nanosecond() / 1000;
        if civil.second() != 0 || micros != 0 {
            text.push_str(&format!(", {}", civil.second()));
        }
        if micros != 0 {
            text.push_str(&format!(", {micros}"));
        }
        text.push(')');
        return Some(text);
    }
    delta(value).map(|micros| {
        let (days, rest) = (micros.div_euclid(DAY), micros.rem_euclid(DAY));
        format!("datetime.timedelta(days={days}, seconds={})", rest / 1_000_000)
    })
}

fn micros(moment: &Moment) -> i128 {
    let offset = moment.offset.unwrap_or(Offset::UTC);
    offset.to_timestamp(moment.civil).map_or(0, |stamp| stamp.as_nanosecond() / 1000)
}

fn shift(from: &Moment, by: i128) -> Result {
    let offset = from.offset.unwrap_or(Offset::UTC);
    let nanos = (micros(from) + by).checked_mul(1000);
    let stamp = nanos.and_then(|nanos| jiff::Timestamp::from_nanosecond(nanos).ok());
    let stamp = stamp.ok_or_else(|| TemplateError::runtime("date value out of range"))?;
    Ok(Value::from_object(Moment { civil: offset.to_datetime(stamp), offset: from.offset }))
}

pub(crate) fn arith(op: Arith, left: &Value, right: &Value) -> Option<Result> {
    let delta_value = |micros| Ok(Value::from_object(Delta(micros)));
    match (op, moment(left), moment(right), delta(left), delta(right)) {
        (Arith::Sub, Some(a), Some(b), ..) => Some(if a.offset.is_some() == b.offset.is_some() {
            delta_value(micros(&a) - micros(&b))
        } else {
            Err(TemplateError::runtime("can't subtract offset-naive and offset-aware datetimes"))
        }),
        (Arith::Sub, Some(a), _, _, Some(by)) => Some(shift(&a, -by)),
        (Arith::Add, Some(a), _, _, Some(by)) => Some(shift(&a, by)),
        (Arith::Add, _, Some(b), Some(by), _) => Some(shift(&b, by)),
        (Arith::Add, _, _, Some(a), Some(b)) => Some(delta_value(a + b)),
        (Arith::Sub, _, _, Some(a), Some(b)) => Some(delta_value(a - b)),
        _ => None,
    }
}

pub(crate) fn compare(left: &Value, right: &Value) -> Option<Ordering> {
    if let (Some(a), Some(b)) = (moment(left), moment(right)) {
        return Some(micros(&a).cmp(&micros(&b)));
    }
    Some(delta(left)?.cmp(&delta(right)?))
}

pub(crate) fn attr(value: &Value, name: &str) -> Option<Value> {
    if let Some(moment) = moment(value) {
        let civil = moment.civil;
        return Some(match name {
            "year" => Value::from(civil.year()),
            "month" => Value::from(civil.month()),
            "day" => Value::from(civil.day()),
            "hour" => Value::from(civil.hour()),
            "minute" => Value::from(civil.minute()),
            "second" => Value::from(civil.second()),
            "microsecond" => Value::from(civil.subsec_nanosecond() / 1000),
            _ => return None,
        });
    }
    let micros = delta(value)?;
    Some(match name {
        "days" => crate::value::int(micros.div_euclid(DAY)),
        "seconds" => crate::value::int(micros.rem_euclid(DAY) / 1_000_000),
        "microseconds" => crate::value::int(micros.rem_euclid(1_000_000)),
        _ => return None,
    })
}

/// The methods of dates and durations.
pub(crate) fn method(value: &Value, name: &str, args: &[Value]) -> Option<Result> {
    if let Some(moment) = moment(value) {
        return match (name, args) {
            ("strftime", [format]) => {
                Some(format_moment(&moment, &crate::text::to_str(format)).map(Value::from))
            }
            ("timestamp", []) => Some(Ok(Value::from(timestamp(&moment) as f64 / 1e6))),
            ("isoformat", []) => Some(Ok(Value::from(moment_text(&moment).replacen(' ', "T", 1)))),
            ("date", []) => Some(Ok(Value::from(moment.civil.strftime("%Y-%m-%d").to_string()))),
            ("time", []) => Some(Ok(Value::from(moment.civil.strftime("%H:%M:%S").to_string()))),
            ("weekday", []) => Some(Ok(Value::from(moment.civil.weekday().to_monday_zero_offset()))),
            ("isoweekday", []) => Some(Ok(Value::from(moment.civil.weekday().to_monday_one_offset()))),
            _ => None,
        };
    }
    let micros = delta(value)?;
    match (name, args) {
        ("total_seconds", []) => Some(Ok(Value::from(micros as f64 / 1e6))),
        _ => None,
    }
}

/// Microseconds since the epoch; a date without zone is local time.
fn timestamp(moment: &Moment) -> i128 {
    match moment.offset {
        Some(_) => micros(moment),
        None => moment
            .civil
            .to_zoned(TimeZone::system())
            .map_or_else(|_| micros(moment), |zoned| zoned.timestamp().as_nanosecond() / 1000),
    }
}

fn format_moment(moment: &Moment, format: &str) -> Result<String> {
    let zone = moment.offset.map_or(TimeZone::UTC, TimeZone::fixed);
    // a date without zone has neither %z nor %Z
    let format =
        if moment.offset.is_none() { format.replace("%z", "").replace("%Z", "") } else { format.to_owned() };
    let zoned = moment.civil.to_zoned(zone).map_err(|error| TemplateError::runtime(error.to_string()))?;
    strftime(&zoned, &format)
}

fn strftime(zoned: &jiff::Zoned, format: &str) -> Result<String> {
    jiff::fmt::strtime::format(format, zoned)
        .map_err(|error| TemplateError::runtime(format!("bad date format '{format}': {error}")))
}

/// `now(utc, fmt)`.
pub(crate) fn now(utc: bool, format: &str) -> Result {
    let zone = if utc { TimeZone::UTC } else { TimeZone::system() };
    let zoned = jiff::Timestamp::now().to_zoned(zone);
    if !format.is_empty() {
        return strftime(&zoned, format).map(Value::from);
    }
    let civil = zoned.datetime();
    let nanos = civil.subsec_nanosecond() / 1000 * 1000;
    let civil = civil.with().subsec_nanosecond(nanos).build().unwrap_or(civil);
    Ok(Value::from_object(Moment { civil, offset: None }))
}

/// `text | to_datetime(format)`.
pub(crate) fn parse(text: &str, format: &str) -> Result {
    let bad = |error: jiff::Error| {
        TemplateError::runtime(format!("time data '{text}' does not match format '{format}': {error}"))
    };
    let parsed = jiff::fmt::strtime::parse(format, text).map_err(bad)?;
    let date = parsed.to_date().map_err(bad)?;
    let civil = match parsed.to_time() {
        Ok(time) => date.to_datetime(time),
        Err(_) => date.at(0, 0, 0, 0),
    };
    Ok(Value::from_object(Moment { civil, offset: parsed.offset() }))
}

/// `format | strftime(second, utc)`; without a time: now.
pub(crate) fn format_seconds(format: &str, seconds: Option<&Value>, utc: bool) -> Result {
    let stamp = match seconds.map(view) {
        None | Some(View::None) => jiff::Timestamp::now(),
        Some(_) => {
            let seconds = seconds.and_then(|value| {
                crate::ops::as_float(value)
                    .or_else(|| value.as_str().and_then(|text| text.trim().parse().ok()))
            });
            let seconds = seconds
                .ok_or_else(|| TemplateError::runtime("Invalid value for epoch value: expected a number"))?;
            jiff::Timestamp::from_nanosecond((seconds * 1e6) as i128 * 1000)
                .map_err(|error| TemplateError::runtime(error.to_string()))?
        }
    };
    let zone = if utc { TimeZone::UTC } else { TimeZone::system() };
    strftime(&stamp.to_zoned(zone), format).map(Value::from)
}
