//! The target's local time: its zone is read from the target, not from whoever runs this code.

use crate::Failure;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned, fmt::strtime};
use provision_system::System;
use std::path::Path;

/// The machine's time zone; UTC where it has none.
pub struct Local(TimeZone);

impl Local {
    pub fn of(sys: &dyn System) -> Self {
        let zone = sys.read(Path::new("/etc/localtime")).ok();
        Self(zone.and_then(|data| TimeZone::tzif("Local", &data).ok()).unwrap_or(TimeZone::UTC))
    }

    /// As in backup names: `2026-11-21@23:30:31`. `seconds` since 1970.
    pub fn backup_stamp(&self, seconds: f64) -> String {
        self.at(seconds).strftime("%Y-%m-%d@%H:%M:%S").to_string()
    }

    /// As in the results `start` and `end`: `2026-11-21 23:31:29.742633`.
    pub fn stamp(&self, seconds: f64) -> String {
        self.at(seconds).strftime("%Y-%m-%d %H:%M:%S.%6f").to_string()
    }

    /// Seconds since 1970 of a local time written in a `strptime` format; what the format leaves out is the
    /// first of January, midnight, as in Python.
    pub fn parse(&self, format: &str, text: &str) -> Result<f64, Failure> {
        let error = |why: String| {
            Failure::new(format!(
                "Error while obtaining timestamp for time {text} using format {format}: {why}"
            ))
        };
        let parsed = strtime::parse(format, text)
            .map_err(|_| error(format!("time data '{text}' does not match format '{format}'")))?;
        let year = parsed.year().unwrap_or(1900);
        let (month, day) = (parsed.month().unwrap_or(1), parsed.day().unwrap_or(1));
        let time = |part: Option<i8>| part.unwrap_or(0);
        jiff::civil::DateTime::new(
            year,
            month,
            day,
            time(parsed.hour()),
            time(parsed.minute()),
            time(parsed.second()),
            parsed.subsec_nanosecond().unwrap_or(0),
        )
        .and_then(|civil| civil.to_zoned(self.0.clone()))
        .map(|zoned| zoned.timestamp().as_duration().as_secs_f64())
        .map_err(|why| error(why.to_string()))
    }

    /// The local time of `seconds` since 1970.
    pub fn at(&self, seconds: f64) -> Zoned {
        let duration = jiff::SignedDuration::try_from_secs_f64(seconds).unwrap_or_default();
        Timestamp::from_duration(duration).unwrap_or_default().to_zoned(self.0.clone())
    }
}

/// A time as HTTP headers have it: `Wed, 21 Oct 2015 07:28:00 GMT`. `seconds` since 1970.
pub fn http_date(seconds: f64) -> String {
    Local(TimeZone::UTC).at(seconds).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// A duration as Python prints a `timedelta`: `0:00:01.500000`, `2 days, 3:04:05.000006`.
pub fn delta(seconds: f64) -> String {
    // Whole microseconds; a clock that was set back is not a negative duration.
    let micros = (seconds.max(0.0) * 1e6).round() as u64;
    let (total, micros) = (micros / 1_000_000, micros % 1_000_000);
    let (days, rest) = (total / 86_400, total % 86_400);
    let days = match days {
        0 => String::new(),
        1 => "1 day, ".to_owned(),
        n => format!("{n} days, "),
    };
    format!("{days}{}:{:02}:{:02}.{micros:06}", rest / 3600, rest / 60 % 60, rest % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_python_writes_them() {
        let local = Local(TimeZone::UTC);
        assert_eq!(local.stamp(1_795_303_889.742_633), "2026-11-21 23:31:29.742633");
        assert_eq!(local.backup_stamp(1_795_303_889.7), "2026-11-21@23:31:29");
        assert_eq!(delta(1.5), "0:00:01.500000");
        assert_eq!(delta(183_845.000_006), "2 days, 3:04:05.000006");
    }

    #[test]
    fn times_are_read_in_the_given_format() {
        let local = Local(TimeZone::UTC);
        assert_eq!(local.parse("%Y%m%d%H%M.%S", "202001021304.05").unwrap(), 1_577_970_245.0);
        assert_eq!(local.parse("%Y-%m-%d", "2020-01-02").unwrap(), 1_577_923_200.0);
        assert!(local.parse("%Y%m%d%H%M.%S", "xx").unwrap_err().msg.contains("does not match format"));
    }
}
