//! A point in time as URLs hold it: moving with the clock (`now-1h`), or fixed (`2026-11-22T17:30:00Z`).
//!
//! Promises: what a `Moment` prints is read back as the same moment. Never: a clock; `now` comes in as an argument.

use std::fmt;

use jiff::Zoned;
use jiff::tz::TimeZone;

use crate::model::Timestamp;

const SECOND: i64 = 1_000_000_000;

/// A point in time, fixed or moving with the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Nanoseconds after now; negative for the past.
    FromNow(i64),
    At(Timestamp),
}

impl Moment {
    pub(crate) const NOW: Moment = Moment::FromNow(0);

    /// The point that is meant when the clock shows `now`.
    pub(crate) fn resolve(self, now: Timestamp) -> Timestamp {
        match self {
            Moment::FromNow(nanos) => now.plus_nanos(nanos),
            Moment::At(timestamp) => timestamp,
        }
    }

    /// As it stands in the field of the page: relative as in the URL, absolute in the zone shown.
    pub(crate) fn field(self, zone: &TimeZone) -> String {
        match self {
            Moment::FromNow(_) => self.to_string(),
            Moment::At(timestamp) => {
                let zoned = zoned(timestamp, zone);
                let whole = timestamp.nanos().rem_euclid(SECOND) == 0;
                let mut text =
                    zoned.strftime(if whole { "%Y-%m-%d %H:%M:%S" } else { "%Y-%m-%d %H:%M:%S%.f" }).to_string();
                // in the hour that is twice it would otherwise be read as the other one
                if zone.to_ambiguous_timestamp(zoned.datetime()).is_ambiguous() {
                    text.push_str(&zoned.strftime(" %:z").to_string());
                }
                text
            }
        }
    }
}

/// As it stands in the URL: `now-1h`, or RFC 3339 in UTC.
impl fmt::Display for Moment {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Moment::FromNow(0) => out.write_str("now"),
            Moment::FromNow(nanos) => {
                write!(out, "now{}{}", if nanos < 0 { '-' } else { '+' }, short_duration(nanos.saturating_abs()))
            }
            Moment::At(timestamp) => write!(out, "{}", jiff_timestamp(timestamp)),
        }
    }
}

/// `timestamp` as a time of day and a date somewhere.
pub(crate) fn zoned(timestamp: Timestamp, zone: &TimeZone) -> Zoned {
    jiff_timestamp(timestamp).to_zoned(zone.clone())
}

/// A length of time in as few units as say it exactly: `1h30m`, `250ms`.
pub(crate) fn short_duration(nanos: i64) -> String {
    const UNITS: [(&str, i64); 7] = [
        ("d", 86_400 * SECOND),
        ("h", 3_600 * SECOND),
        ("m", 60 * SECOND),
        ("s", SECOND),
        ("ms", 1_000_000),
        ("us", 1_000),
        ("ns", 1),
    ];
    let mut rest = nanos;
    let mut text = String::new();
    for (unit, size) in UNITS {
        if rest >= size {
            text.push_str(&format!("{}{unit}", rest / size));
            rest %= size;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

fn jiff_timestamp(timestamp: Timestamp) -> jiff::Timestamp {
    jiff::Timestamp::from_nanosecond(i128::from(timestamp.nanos())).expect("jiff reaches from the year -9999 to 9999")
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use crate::model::Timestamp;
    use crate::web::explore::moment::{Moment, short_duration};
    use crate::web::explore::spoken::{Edge, read};

    #[test]
    fn lengths_are_said_in_few_units() {
        assert_eq!(short_duration(5_400_000_000_000), "1h30m");
        assert_eq!(short_duration(0), "0s");
        assert_eq!(short_duration(1_250_000_000), "1s250ms");
    }

    #[test]
    fn what_stands_in_the_field_is_read_as_it_was() {
        let new_york = TimeZone::get("America/New_York").unwrap();
        // both hours between one and two o'clock of 1 November 2026, and the one after them
        for (secs, expected) in [
            (1_793_509_800, "2026-11-01 01:10:00 -04:00"),
            (1_793_513_400, "2026-11-01 01:10:00 -05:00"),
            (1_793_517_000, "2026-11-01 02:10:00"),
        ] {
            let moment = Moment::At(Timestamp::from_secs(secs));
            let text = moment.field(&new_york);
            assert_eq!(text, expected);
            let now = Timestamp::from_secs(1_795_358_760);
            assert_eq!(read(&text, Edge::Start, now, &new_york).unwrap().moment, moment);
        }
    }
}
