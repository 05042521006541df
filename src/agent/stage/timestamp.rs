//! `timestamp`: gives a line the time that was taken out of it.

use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use serde::de::Error;
use serde::{Deserialize, Deserializer};

use crate::agent::entry::Entry;
use crate::agent::stage::generations::Generations;
use crate::agent::stage::setting::Name;
use crate::agent::stage::{Clock, Flow, Stage, Surroundings};
use crate::logql::gotext::layout::Layout;
use crate::logql::gotext::time::{Time, Zone};
use crate::model;

/// Label sets whose last time is known, for lines whose own cannot be read: Promtail's number.
const LAST_TIMES_MAX: usize = 10_000;
/// How long the year is taken to be what the clock said it was.
const YEAR_KNOWN_FOR: Duration = Duration::from_secs(1);

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    source: Name,
    format: Format,
    #[serde(default)]
    fallback_formats: Vec<Format>,
    location: Option<Location>,
    #[serde(default)]
    action_on_failure: OnFailure,
}

/// What a line gets whose time cannot be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum OnFailure {
    /// A nanosecond more than the line before it with the same labels, so that the order holds.
    #[default]
    Fudge,
    /// The time that it was read at.
    Skip,
}

/// How a time is written.
#[derive(Clone, Debug)]
enum Format {
    /// Seconds, perhaps with a fraction.
    Unix,
    /// Whole units, of so many nanoseconds.
    UnixUnits(i64),
    /// `in_location` is false for those that have a name: they are in UTC where they say nothing else.
    Layout { layout: Layout, in_location: bool },
}

/// Layouts that have a name.
const NAMED: [(&str, &str); 10] = [
    ("ANSIC", "Mon Jan _2 15:04:05 2006"),
    ("UnixDate", "Mon Jan _2 15:04:05 MST 2006"),
    ("RubyDate", "Mon Jan 02 15:04:05 -0700 2006"),
    ("RFC822", "02 Jan 06 15:04 MST"),
    ("RFC822Z", "02 Jan 06 15:04 -0700"),
    ("RFC850", "Monday, 02-Jan-06 15:04:05 MST"),
    ("RFC1123", "Mon, 02 Jan 2006 15:04:05 MST"),
    ("RFC1123Z", "Mon, 02 Jan 2006 15:04:05 -0700"),
    ("RFC3339", RFC3339),
    ("RFC3339Nano", RFC3339),
];
/// A fraction may follow the seconds though the layout has none.
const RFC3339: &str = "2006-01-02T15:04:05Z07:00";

impl Format {
    fn parse(text: &str) -> Result<Format, String> {
        if let Some((_, layout)) = NAMED.iter().find(|(name, _)| *name == text) {
            return Ok(Format::Layout { layout: Layout::new(layout), in_location: false });
        }
        match text {
            "Unix" => return Ok(Format::Unix),
            "UnixMs" => return Ok(Format::UnixUnits(1_000_000)),
            "UnixUs" => return Ok(Format::UnixUnits(1_000)),
            "UnixNs" => return Ok(Format::UnixUnits(1)),
            _ => {}
        }
        // digits in the name would be taken for hours
        let names = NAMED.iter().map(|(name, _)| *name).chain(["Unix", "UnixMs", "UnixUs", "UnixNs"]);
        if let Some(name) = names.into_iter().find(|name| name.eq_ignore_ascii_case(text)) {
            return Err(format!("`{text}` is no format of times; it is written `{name}`"));
        }
        let layout = Layout::new(text);
        if layout.is_plain() {
            return Err(format!(
                "`{text}` names no part of a time; write how Mon Jan 2 15:04:05 2006 would look, as in \
                 `2006-01-02 15:04:05`, or RFC3339, Unix, UnixMs"
            ));
        }
        Ok(Format::Layout { layout, in_location: true })
    }
}

impl<'de> Deserialize<'de> for Format {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Format, D::Error> {
        Format::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// Where times are that do not tell their zone.
#[derive(Clone, Debug)]
struct Location(Zone);

impl Location {
    fn parse(name: &str) -> Result<Location, String> {
        match name {
            "" | "UTC" => return Ok(Location(Zone::Utc)),
            "Local" => return Ok(Location(Zone::Named(TimeZone::system()))),
            _ => {}
        }
        let zone = TimeZone::get(name)
            .map_err(|_| format!("`{name}` is no time zone; write it as in `Europe/Berlin`, `Asia/Seoul` or `UTC`"))?;
        Ok(Location(Zone::Named(zone)))
    }
}

impl<'de> Deserialize<'de> for Location {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Location, D::Error> {
        Location::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl Config {
    pub(crate) fn build(&self, around: &Surroundings) -> Box<dyn Stage> {
        let mut formats = vec![self.format.clone()];
        formats.extend(self.fallback_formats.iter().cloned());
        let zone = self.location.as_ref().map_or(Zone::Utc, |location| location.0.clone());
        let stamper = Stamper::new(formats, zone, self.action_on_failure, around.clock);
        Box::new(Timestamp { source: self.source.as_str().to_owned(), stamper })
    }
}

pub(crate) struct Timestamp {
    pub(crate) source: String,
    pub(crate) stamper: Stamper,
}

impl Stage for Timestamp {
    fn run(&mut self, entry: &mut Entry, now: Instant) -> Flow {
        let time = entry.extracted.text(&self.source).and_then(|text| self.stamper.read(&text, now));
        self.stamper.stamp(entry, time);
        Flow::Pass
    }
}

/// Reads times and gives them to lines.
pub(crate) struct Stamper {
    formats: Vec<Format>,
    zone: Zone,
    /// The last time of each label set, where lines without one get the next.
    last: Option<Generations<u64, model::Timestamp>>,
    clock: Clock,
    /// Year and month, and when the clock said so.
    today: Option<(Instant, i32, i8)>,
}

impl Stamper {
    fn new(formats: Vec<Format>, zone: Zone, on_failure: OnFailure, clock: Clock) -> Stamper {
        let last = (on_failure == OnFailure::Fudge).then(|| Generations::new(LAST_TIMES_MAX));
        Stamper { formats, zone, last, clock, today: None }
    }

    /// For times as RFC 3339 writes them.
    pub(crate) fn rfc3339(clock: Clock) -> Stamper {
        let format = Format::Layout { layout: Layout::new(RFC3339), in_location: false };
        Stamper::new(vec![format], Zone::Utc, OnFailure::Fudge, clock)
    }

    /// The time that a text says, by the first format that fits.
    pub(crate) fn read(&mut self, text: &str, now: Instant) -> Option<model::Timestamp> {
        let today = match self.today {
            Some((at, year, month)) if now.saturating_duration_since(at) < YEAR_KNOWN_FOR => (year, month),
            _ => {
                let (year, month) = year_and_month(self.clock.now());
                self.today = Some((now, year, month));
                (year, month)
            }
        };
        self.formats.iter().find_map(|format| format.read(text, &self.zone, today))
    }

    /// Gives a line its time, or what it gets where that could not be read.
    pub(crate) fn stamp(&mut self, entry: &mut Entry, time: Option<model::Timestamp>) {
        let Some(last) = &mut self.last else {
            entry.timestamp = time.or(entry.timestamp);
            return;
        };
        let labels = entry.labels.fingerprint();
        match (last.get(labels), time) {
            (Some(known), Some(time)) => *known = time,
            (None, Some(time)) => *last.insert(labels, time) = time,
            (Some(known), None) => {
                *known = known.plus_nanos(1);
                entry.timestamp = Some(*known);
            }
            // there is nothing to go by yet
            (None, None) => {}
        }
        entry.timestamp = time.or(entry.timestamp);
    }
}

impl Format {
    fn read(&self, text: &str, zone: &Zone, today: (i32, i8)) -> Option<model::Timestamp> {
        match self {
            Format::Unix => unix(text),
            Format::UnixUnits(nanos) => text.parse::<i64>().ok()?.checked_mul(*nanos).map(model::Timestamp::from_nanos),
            Format::Layout { layout, in_location } => {
                let zone = if *in_location { zone } else { &Zone::Utc };
                layout.parse_in_year(text, zone, |month| year_near(month, today))?.timestamp()
            }
        }
    }
}

/// Seconds with a fraction or without one.
fn unix(text: &str) -> Option<model::Timestamp> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = seconds.parse().ok()?;
    let ends_with_point = fraction.is_empty() && text.ends_with('.');
    if ends_with_point || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let kept = &fraction[..fraction.len().min(9)];
    let nanos = if kept.is_empty() { 0 } else { kept.parse::<i64>().ok()? };
    let nanos = nanos * 10i64.pow(9 - u32::try_from(kept.len()).ok()?);
    seconds.checked_mul(1_000_000_000)?.checked_add(nanos).map(model::Timestamp::from_nanos)
}

fn year_and_month(now: model::Timestamp) -> (i32, i8) {
    let now = Time::from(now);
    (i32::try_from(now.year()).unwrap_or(0), i8::try_from(now.month().0).unwrap_or(1))
}

/// The year of a time that tells its month alone: in January, December was last year, and the other way round.
fn year_near(month: i8, (this_year, this_month): (i32, i8)) -> i32 {
    match (month, this_month) {
        (12, 1) => this_year - 1,
        (1, 12) => this_year + 1,
        _ => this_year,
    }
}

#[cfg(test)]
mod tests {
    use crate::agent::stage::timestamp::*;

    #[track_caller]
    fn check(format: &str, location: &str, text: &str, expected: Option<&str>) {
        let zone = Location::parse(location).expect("a zone").0;
        let format = Format::parse(format).expect("a format");
        let found = format.read(text, &zone, (2026, 11)).map(|time| Time::from(time).to_string());
        assert_eq!(found.as_deref(), expected, "{text}");
    }

    #[test]
    fn times_are_read_by_their_layout() {
        check("RFC3339Nano", "", "2026-11-20T01:02:03.000000004Z", Some("2026-11-20 01:02:03.000000004 +0000 UTC"));
        check("RFC3339", "", "2026-11-20T01:02:03+09:00", Some("2026-11-19 16:02:03 +0000 UTC"));
        check("RFC3339", "", "2026-11-20 01:02:03", None);
        check(
            "2006-01-02 15:04:05,000",
            "Asia/Seoul",
            "2026-11-20 09:00:00,125",
            Some("2026-11-20 00:00:00.125 +0000 UTC"),
        );
        check("02/Jan/2006:15:04:05 -0700", "", "20/Nov/2026:01:02:03 -0500", Some("2026-11-20 06:02:03 +0000 UTC"));
        check("06-01-02", "", "26-11-20", Some("2026-11-20 00:00:00 +0000 UTC"));
        check("ANSIC", "Asia/Seoul", "Fri Nov 20 01:02:03 2026", Some("2026-11-20 01:02:03 +0000 UTC"));
        check("RFC1123", "", "Fri, 20 Nov 2026 01:02:03 GMT", Some("2026-11-20 01:02:03 +0000 UTC"));
        check("2006", "", "9999", None);
        check(
            "2006-01-02 15:04:05 -0700 MST",
            "",
            "2026-11-20 01:02:03 +0100 CET",
            Some("2026-11-20 00:02:03 +0000 UTC"),
        );
        check("2006-01-02 15:04:05 MST", "", "2026-11-20 01:02:03 +03", Some("2026-11-20 01:02:03 +0000 UTC"));
        check(
            "2006-01-02 15:04:05 MST",
            "Europe/Berlin",
            "2026-11-20 01:02:03 CET",
            Some("2026-11-20 00:02:03 +0000 UTC"),
        );
    }

    #[test]
    fn what_a_clock_shows_twice_or_never_is_read_as_in_go() {
        let layout = "2006-01-02 15:04:05";
        check(layout, "America/New_York", "2026-03-08 02:30:00", Some("2026-03-08 06:30:00 +0000 UTC"));
        check(layout, "America/New_York", "2026-11-01 01:30:00", Some("2026-11-01 05:30:00 +0000 UTC"));
        check(layout, "Europe/Berlin", "2026-03-29 02:30:00", Some("2026-03-29 01:30:00 +0000 UTC"));
        check(layout, "Europe/Berlin", "2026-10-25 02:30:00", Some("2026-10-25 01:30:00 +0000 UTC"));
    }

    #[test]
    fn unix_times_are_read_in_their_unit() {
        check("Unix", "", "1795136400", Some("2026-11-20 01:00:00 +0000 UTC"));
        check("Unix", "", "1795136400.25", Some("2026-11-20 01:00:00.25 +0000 UTC"));
        check("Unix", "", "1795136400.1234567899", Some("2026-11-20 01:00:00.123456789 +0000 UTC"));
        check("UnixMs", "", "1795136400001", Some("2026-11-20 01:00:00.001 +0000 UTC"));
        check("UnixUs", "", "1795136400000001", Some("2026-11-20 01:00:00.000001 +0000 UTC"));
        check("UnixNs", "", "1795136400000000001", Some("2026-11-20 01:00:00.000000001 +0000 UTC"));
        for text in ["", "x", "1.2.3", "1.-5", "1.", "99999999999999"] {
            check("Unix", "", text, None);
        }
        check("UnixMs", "", "1795136400.5", None);
    }

    #[test]
    fn a_year_that_is_not_told_is_the_near_one() {
        check("Jan _2 15:04:05", "", "Nov  2 01:02:03", Some("2026-11-02 01:02:03 +0000 UTC"));
        check("Jan _2 15:04:05", "America/New_York", "Jul  2 01:02:03", Some("2026-07-02 05:02:03 +0000 UTC"));
        check("Jan _2 15:04:05", "", "Feb 29 01:02:03", None);
        for (month, today, expected) in
            [(12, (2026, 1), 2025), (1, (2026, 12), 2027), (1, (2026, 1), 2026), (12, (2026, 2), 2026)]
        {
            assert_eq!(year_near(month, today), expected);
        }
    }
}
