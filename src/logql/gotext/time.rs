//! `time.Time`: a point in time and the zone it is shown in.
//!
//! The local zone is UTC here, so that the same query has the same answer on every machine.

use std::cmp::Ordering;
use std::fmt;

use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use jiff::{Span, Timestamp as JiffTimestamp};

use crate::logql::gotext::layout;
use crate::model::Timestamp;

/// January first
pub(crate) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
/// Sunday first
pub(crate) const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// A point in time as Go has it: years 1 to 9999, to the nanosecond.
#[derive(Clone, Debug)]
pub struct Time {
    point: JiffTimestamp,
    zone: Zone,
}

/// Where a time is shown.
#[derive(Clone, Debug)]
pub(crate) enum Zone {
    Utc,
    Named(TimeZone),
    /// Seconds east of Greenwich; the name may be empty.
    Fixed {
        name: String,
        offset: i32,
    },
}

impl Zone {
    /// A zone of the database; UTC where there is none of that name.
    pub(crate) fn named(name: &str) -> Zone {
        match name {
            "" | "UTC" | "Local" => Zone::Utc,
            _ => TimeZone::get(name).map_or(Zone::Utc, Zone::Named),
        }
    }

    /// Seconds east of Greenwich, and the abbreviation.
    fn at(&self, point: JiffTimestamp) -> (i32, String) {
        match self {
            Zone::Utc => (0, "UTC".to_owned()),
            Zone::Named(zone) => {
                let info = zone.to_offset_info(point);
                (info.offset().seconds(), info.abbreviation().to_owned())
            }
            Zone::Fixed { name, offset } => (*offset, name.clone()),
        }
    }
}

/// A time taken apart, as it is shown.
#[derive(Clone, Debug)]
pub(crate) struct Parts {
    pub(crate) date: DateTime,
    /// Seconds east of Greenwich.
    pub(crate) offset: i32,
    /// May be empty.
    pub(crate) zone_name: String,
}

impl Time {
    /// Go's zero time, which its functions give where they fail: the first moment of the year 1.
    pub fn zero() -> Time {
        Time::from_unix(-62_135_596_800, 0).unwrap_or_else(|| Time { point: JiffTimestamp::MIN, zone: Zone::Utc })
    }

    pub fn now() -> Time {
        Time { point: JiffTimestamp::now(), zone: Zone::Utc }
    }

    /// `None` outside of the years that can be shown.
    pub fn from_unix(seconds: i64, nanos: i64) -> Option<Time> {
        let seconds = seconds.checked_add(nanos.div_euclid(1_000_000_000))?;
        let nanos = i32::try_from(nanos.rem_euclid(1_000_000_000)).ok()?;
        Some(Time { point: JiffTimestamp::new(seconds, nanos).ok()?, zone: Zone::Utc })
    }

    /// The time on a calendar in a zone.
    pub(crate) fn from_civil(date: DateTime, zone: Zone) -> Option<Time> {
        let point = match &zone {
            Zone::Utc => Offset::UTC.to_timestamp(date).ok()?,
            Zone::Named(named) => point_in(named, date)?,
            Zone::Fixed { offset, .. } => Offset::from_seconds(*offset).ok()?.to_timestamp(date).ok()?,
        };
        Some(Time { point, zone })
    }

    /// The time on a calendar in UTC, seen from a zone.
    pub(crate) fn from_civil_utc(date: DateTime, zone: Zone) -> Option<Time> {
        Some(Time { point: Offset::UTC.to_timestamp(date).ok()?, zone })
    }

    /// `toDateInZone` and `toDate`: the text read by a layout; Go's zero time where it does not fit.
    pub fn parse(layout: &str, zone: &str, text: &str) -> Time {
        layout::parse(layout, text, &Zone::named(zone)).unwrap_or_else(Time::zero)
    }

    pub(crate) fn parts(&self) -> Parts {
        let (offset, zone_name) = self.zone.at(self.point);
        let date = Offset::from_seconds(offset).unwrap_or(Offset::UTC).to_datetime(self.point);
        Parts { date, offset, zone_name }
    }

    /// `t.Format(layout)`
    pub fn format(&self, layout: &str) -> String {
        layout::format(layout, &self.parts())
    }

    pub fn unix(&self) -> i64 {
        // jiff rounds to zero, Go down
        self.point.as_nanosecond().div_euclid(1_000_000_000).try_into().unwrap_or(0)
    }

    pub fn unix_milli(&self) -> i64 {
        self.point.as_nanosecond().div_euclid(1_000_000).try_into().unwrap_or(0)
    }

    pub fn unix_micro(&self) -> i64 {
        self.point.as_nanosecond().div_euclid(1_000).try_into().unwrap_or(0)
    }

    /// Wraps around outside of the years 1678 to 2262, as Go's does.
    #[allow(clippy::cast_possible_truncation, reason = "wrapping is what Go does")]
    pub fn unix_nano(&self) -> i64 {
        self.point.as_nanosecond() as i64
    }

    /// `None` outside of the years that nanoseconds reach.
    pub(crate) fn timestamp(&self) -> Option<Timestamp> {
        i64::try_from(self.point.as_nanosecond()).ok().map(Timestamp::from_nanos)
    }

    pub fn utc(&self) -> Time {
        Time { point: self.point, zone: Zone::Utc }
    }

    /// The same point, seen from a zone; from UTC where there is none of that name.
    pub(crate) fn in_zone(&self, name: &str) -> Time {
        Time { point: self.point, zone: Zone::named(name) }
    }

    pub fn is_zero(&self) -> bool {
        self.unix() == -62_135_596_800 && self.nanosecond() == 0
    }

    pub fn order(&self, other: &Time) -> Ordering {
        self.point.cmp(&other.point)
    }

    /// `t.AddDate(years, months, days)`
    pub fn add_date(&self, years: i64, months: i64, days: i64) -> Option<Time> {
        let span = Span::new().try_years(years).ok()?.try_months(months).ok()?.try_days(days).ok()?;
        Time::from_civil(self.parts().date.checked_add(span).ok()?, self.zone.clone())
    }

    pub fn year(&self) -> i64 {
        i64::from(self.parts().date.year())
    }

    /// The number from 1 and the name.
    pub fn month(&self) -> (i64, &'static str) {
        let month = self.parts().date.month();
        (i64::from(month), MONTHS[usize::try_from(month - 1).unwrap_or(0)])
    }

    /// The number from 0, Sunday, and the name.
    pub fn weekday(&self) -> (i64, &'static str) {
        let day = self.parts().date.weekday().to_sunday_zero_offset();
        (i64::from(day), WEEKDAYS[usize::try_from(day).unwrap_or(0)])
    }

    pub fn day(&self) -> i64 {
        i64::from(self.parts().date.day())
    }

    pub fn year_day(&self) -> i64 {
        i64::from(self.parts().date.day_of_year())
    }

    pub fn hour(&self) -> i64 {
        i64::from(self.parts().date.hour())
    }

    pub fn minute(&self) -> i64 {
        i64::from(self.parts().date.minute())
    }

    pub fn second(&self) -> i64 {
        i64::from(self.parts().date.second())
    }

    pub fn nanosecond(&self) -> i64 {
        i64::from(self.parts().date.subsec_nanosecond())
    }
}

/// The point that a clock in a zone shows so. For what a clock shows twice or never, Go's choice: it looks up the offset
/// as if the clock were one of UTC, and once more with what that gives.
fn point_in(zone: &TimeZone, date: DateTime) -> Option<JiffTimestamp> {
    let guess = zone.to_offset(Offset::UTC.to_timestamp(date).ok()?);
    if guess == Offset::UTC {
        return Offset::UTC.to_timestamp(date).ok();
    }
    zone.to_offset(guess.to_timestamp(date).ok()?).to_timestamp(date).ok()
}

impl From<Timestamp> for Time {
    fn from(timestamp: Timestamp) -> Time {
        Time::from_unix(0, timestamp.nanos()).unwrap_or_else(Time::zero)
    }
}

/// As `fmt` prints it: `2026-11-20 01:00:00.000002 +0000 UTC`
impl fmt::Display for Time {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.format("2006-01-02 15:04:05.999999999 -0700 MST"))
    }
}

#[cfg(test)]
mod tests {
    use crate::logql::gotext::time::Time;

    #[test]
    fn times_print_as_in_go() {
        let time = Time::from_unix(1_795_136_400, 2_000).expect("in range");
        assert_eq!(time.to_string(), "2026-11-20 01:00:00.000002 +0000 UTC");
        assert_eq!(Time::zero().to_string(), "0001-01-01 00:00:00 +0000 UTC");
        assert_eq!((time.weekday(), time.month()), ((5, "Friday"), (11, "November")));
    }

    #[test]
    fn texts_are_read_in_their_zone() {
        let check = |layout, zone, text, expected: &str| {
            assert_eq!(Time::parse(layout, zone, text).to_string(), expected, "{layout} {text}");
        };
        check("2006-01-02 15:04", "Asia/Seoul", "2021-11-02 09:30", "2021-11-02 09:30:00 +0900 KST");
        check("2006-01-02 15:04", "America/New_York", "2021-07-02 09:30", "2021-07-02 09:30:00 -0400 EDT");
        check("2006-01-02", "No/Where", "2021-11-02", "2021-11-02 00:00:00 +0000 UTC");
        check("2006-01-02", "UTC", "junk", "0001-01-01 00:00:00 +0000 UTC");
        check("2006-01-02T15:04:05Z07:00", "UTC", "2021-11-02T01:02:03+09:00", "2021-11-02 01:02:03 +0900 +0900");
        check("2006-01-02T15:04:05Z07:00", "UTC", "2021-11-02T01:02:03.25Z", "2021-11-02 01:02:03.25 +0000 UTC");
        check("02/Jan/2006:15:04:05 -0700", "UTC", "20/Nov/2026:00:00:01 +0000", "2026-11-20 00:00:01 +0000 UTC");
        check("Jan _2 3:04PM 06", "UTC", "Nov  2 1:05PM 21", "2021-11-02 13:05:00 +0000 UTC");
        check("2006-01-02", "UTC", "2021-02-30", "0001-01-01 00:00:00 +0000 UTC");
        check("2006-002", "UTC", "2021-060", "2021-03-01 00:00:00 +0000 UTC");
    }
}
