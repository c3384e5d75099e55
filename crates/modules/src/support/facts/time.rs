//! The machine's clock and zone.

use super::{Facts, Probe, put};
use crate::support::time::Local;
use jiff::Timestamp;
use serde_json::json;

pub(super) fn date_time(probe: &Probe<'_>, facts: &mut Facts) {
    let seconds = probe.sys.now();
    let local = Local::of(probe.sys).at(seconds);
    let utc = local.with_time_zone(jiff::tz::TimeZone::UTC);
    let show = |format: &str| local.strftime(format).to_string();
    let epoch = local.timestamp().as_second().to_string();
    put(
        facts,
        "date_time",
        json!({
            "year": show("%Y"),
            "month": show("%m"),
            "weekday": show("%A"),
            "weekday_number": show("%w"),
            "weeknumber": show("%W"),
            "day": show("%d"),
            "hour": show("%H"),
            "minute": show("%M"),
            "second": show("%S"),
            "epoch": epoch,
            "epoch_int": epoch,
            "date": show("%Y-%m-%d"),
            "time": show("%H:%M:%S"),
            "iso8601_micro": utc.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string(),
            "iso8601": utc.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            "iso8601_basic": show("%Y%m%dT%H%M%S%6f"),
            "iso8601_basic_short": show("%Y%m%dT%H%M%S"),
            "tz": show("%Z"),
            "tz_dst": summer_name(&local).unwrap_or_else(|| show("%Z")),
            "tz_offset": show("%z"),
        }),
    );
}

/// The zone's name in summer; None where the clocks are never changed.
fn summer_name(local: &jiff::Zoned) -> Option<String> {
    let zone = local.time_zone();
    let is_summer = |at: Timestamp| {
        let info = zone.to_offset_info(at);
        info.dst().is_dst().then(|| info.abbreviation().to_owned())
    };
    is_summer(local.timestamp()).or_else(|| {
        zone.following(local.timestamp()).take(2).find_map(|change| is_summer(change.timestamp()))
    })
}
