//! A point in time as people and URLs write it: `now-1h`, `yesterday 17:30`, `2026-11-22T17:30:00Z`, an epoch.
//!
//! Promises: what a `Moment` prints is read back as the same moment; a text without a zone is read in the zone shown.
//! Never: a clock; `now` comes in as an argument.

use std::fmt;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{ToSpan, Zoned};

use crate::model::Timestamp;

const SECOND: i64 = 1_000_000_000;

/// A point in time, fixed or moving with the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Nanoseconds after now; negative for the past.
    FromNow(i64),
    At(Timestamp),
}

/// Why a text is no moment, for whoever wrote it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot read {text:?} as a time; write for example now-1h, 17:30, yesterday 17:30 or 2026-11-22 17:30:00")]
pub(crate) struct Unreadable {
    text: String,
}

impl Moment {
    pub(crate) const NOW: Moment = Moment::FromNow(0);

    /// Reads any usual form. A date or time of day without a zone is meant in `zone`.
    pub(crate) fn parse(text: &str, now: Timestamp, zone: &TimeZone) -> Result<Moment, Unreadable> {
        let words = text.trim().to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ");
        let named = words.strip_suffix(" utc").or_else(|| words.strip_suffix(" gmt"));
        let (words, zone) = match named {
            Some(rest) => (rest, &TimeZone::UTC),
            None => (words.as_str(), zone),
        };
        relative(words)
            .or_else(|| epoch(words))
            .or_else(|| words.parse::<jiff::Timestamp>().ok().and_then(at))
            .or_else(|| words.parse::<DateTime>().ok().and_then(|civil| in_zone(civil, zone)))
            .or_else(|| spoken(words, now, zone))
            .ok_or_else(|| Unreadable { text: text.trim().to_owned() })
    }

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
                zoned.strftime(if whole { "%Y-%m-%d %H:%M:%S" } else { "%Y-%m-%d %H:%M:%S%.f" }).to_string()
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

fn at(timestamp: jiff::Timestamp) -> Option<Moment> {
    i64::try_from(timestamp.as_nanosecond()).ok().map(|nanos| Moment::At(Timestamp::from_nanos(nanos)))
}

fn in_zone(civil: DateTime, zone: &TimeZone) -> Option<Moment> {
    civil.to_zoned(zone.clone()).ok().and_then(|zoned| at(zoned.timestamp()))
}

/// `now`, `now-1h`, `15m`, `-15m`, `3 hours ago`.
fn relative(words: &str) -> Option<Moment> {
    if words == "now" {
        return Some(Moment::NOW);
    }
    if let Some(offset) = words.strip_prefix("now") {
        let offset = offset.trim_start();
        return match offset.strip_prefix('+') {
            Some(later) => duration(later).map(Moment::FromNow),
            None => offset.strip_prefix('-').and_then(duration).map(|nanos| Moment::FromNow(-nanos)),
        };
    }
    let past = words.strip_suffix(" ago").unwrap_or(words);
    duration(past.strip_prefix('-').unwrap_or(past)).map(|nanos| Moment::FromNow(-nanos))
}

/// `1h30m`, `3 hours`, `an hour`; always with a unit.
fn duration(text: &str) -> Option<i64> {
    let text = text.trim();
    let text = text
        .strip_prefix("an ")
        .or_else(|| text.strip_prefix("a "))
        .map_or_else(|| text.to_owned(), |unit| format!("1 {unit}"));
    let mut rest = text.as_str();
    let mut total: i64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let amount: i64 = rest[..digits].parse().ok()?;
        rest = rest[digits..].trim_start();
        let letters = rest.find(|c: char| !c.is_alphabetic()).unwrap_or(rest.len());
        total = total.checked_add(amount.checked_mul(unit(&rest[..letters])?)?)?;
        rest = rest[letters..].trim_start();
    }
    (!text.is_empty()).then_some(total)
}

fn unit(name: &str) -> Option<i64> {
    Some(match name {
        "ns" => 1,
        "us" | "µs" => 1_000,
        "ms" => 1_000_000,
        "s" | "sec" | "secs" | "second" | "seconds" => SECOND,
        "m" | "min" | "mins" | "minute" | "minutes" => 60 * SECOND,
        "h" | "hour" | "hours" => 3_600 * SECOND,
        "d" | "day" | "days" => 86_400 * SECOND,
        "w" | "week" | "weeks" => 7 * 86_400 * SECOND,
        _ => return None,
    })
}

/// Digits alone. Up to ten are seconds, as in Loki; the size tells the other units apart.
fn epoch(words: &str) -> Option<Moment> {
    if words.is_empty() || !words.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let scale = match words.len() {
        ..=10 => SECOND,
        11..=13 => 1_000_000,
        14..=16 => 1_000,
        _ => 1,
    };
    let nanos = words.parse::<i64>().ok()?.checked_mul(scale)?;
    Some(Moment::At(Timestamp::from_nanos(nanos)))
}

/// `17:30`, `5:30pm`, `yesterday`, `yesterday at 17:30`, `5am friday`: the latest such point that is not to come.
fn spoken(words: &str, now: Timestamp, zone: &TimeZone) -> Option<Moment> {
    let now = zoned(now, zone);
    let mut day: Option<Date> = None;
    let mut time: Option<Time> = None;
    let words = words.replace(" am", "am").replace(" pm", "pm");
    let words = words.split(' ').map(|word| word.trim_end_matches(',')).filter(|word| !["", "at"].contains(word));
    for word in words {
        if let Some(named) = day_named(word, now.date()) {
            day = Some(named);
        } else {
            time = Some(time_of_day(word)?);
        }
    }
    let civil = match (day, time) {
        (None, None) => return None,
        (Some(day), time) => day.to_datetime(time.unwrap_or(Time::midnight())),
        (None, Some(time)) => {
            let today = now.date().to_datetime(time);
            if today > now.datetime() { today.checked_sub(1.day()).ok()? } else { today }
        }
    };
    in_zone(civil, zone)
}

fn day_named(word: &str, today: Date) -> Option<Date> {
    let days_back = match word {
        "today" => 0,
        "yesterday" => 1,
        _ => {
            const NAMES: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
            let short_enough = word.len() >= 3;
            let index = NAMES.iter().position(|name| short_enough && name.starts_with(word))?;
            (i64::from(today.weekday().to_monday_zero_offset()) - index as i64).rem_euclid(7)
        }
    };
    today.checked_sub(days_back.days()).ok()
}

fn time_of_day(word: &str) -> Option<Time> {
    let (clock, half) = match (word.strip_suffix("am"), word.strip_suffix("pm")) {
        (Some(clock), _) => (clock, Some(0)),
        (_, Some(clock)) => (clock, Some(12)),
        (None, None) => (word, None),
    };
    let mut parts = clock.split(':');
    let hour: i8 = parts.next()?.parse().ok()?;
    let minute = parts.next();
    if minute.is_none() && half.is_none() {
        return None;
    }
    let minute: i8 = minute.unwrap_or("0").parse().ok()?;
    let (second, nanos) = match parts.next() {
        Some(seconds) => seconds_of(seconds)?,
        None => (0, 0),
    };
    let hour = match half {
        Some(_) if !(1..=12).contains(&hour) => return None,
        Some(half) => hour % 12 + half,
        None => hour,
    };
    Time::new(hour, minute, second, nanos).ok()
}

fn seconds_of(text: &str) -> Option<(i8, i32)> {
    let (whole, fraction) = text.split_once(['.', ',']).unwrap_or((text, ""));
    if fraction.len() > 9 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some((whole.parse().ok()?, format!("{fraction:0<9}").parse().ok()?))
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use crate::model::Timestamp;
    use crate::web::explore::moment::{Moment, short_duration};

    /// Sunday 2026-11-22 14:46:00 UTC, 23:46 in Seoul.
    const NOW: Timestamp = Timestamp::from_secs(1_795_358_760);

    fn seoul(text: &str) -> String {
        let zone = TimeZone::get("Asia/Seoul").unwrap();
        match Moment::parse(text, NOW, &zone) {
            Ok(moment) => moment.to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_moment_is_read_in_every_usual_form() {
        for (text, expected) in [
            ("now", "now"),
            (" NOW-1h ", "now-1h"),
            ("now - 90m", "now-1h30m"),
            ("now+5m", "now+5m"),
            ("15m", "now-15m"),
            ("-15m", "now-15m"),
            ("3 hours ago", "now-3h"),
            ("an hour ago", "now-1h"),
            ("1h30m", "now-1h30m"),
            ("2w", "now-14d"),
            ("1795358760", "2026-11-22T14:46:00Z"),
            ("1795358760123", "2026-11-22T14:46:00.123Z"),
            ("1795358760123456789", "2026-11-22T14:46:00.123456789Z"),
            ("2026-11-22T14:46:00Z", "2026-11-22T14:46:00Z"),
            ("2026-11-22T23:46:00.5+09:00", "2026-11-22T14:46:00.5Z"),
            ("2026-11-22 23:46", "2026-11-22T14:46:00Z"),
            ("2026-11-22 14:46 UTC", "2026-11-22T14:46:00Z"),
            ("2026-11-22T23:46:01.25", "2026-11-22T14:46:01.25Z"),
            ("2026-11-22", "2026-11-21T15:00:00Z"),
            ("17:30", "2026-11-22T08:30:00Z"),
            ("5:30 pm", "2026-11-22T08:30:00Z"),
            ("23:50", "2026-11-21T14:50:00Z"),
            ("12am", "2026-11-21T15:00:00Z"),
            ("yesterday", "2026-11-20T15:00:00Z"),
            ("Yesterday at 17:30", "2026-11-21T08:30:00Z"),
            ("5am friday", "2026-11-19T20:00:00Z"),
            ("sun 17:30:01,250", "2026-11-22T08:30:01.25Z"),
        ] {
            assert_eq!(seoul(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_named_with_examples() {
        for text in ["", "soon", "now-", "now-1x", "5", "25:00", "13pm", "99999999999999999999", "now/d"] {
            let answer = seoul(text);
            // "5" is an epoch, five seconds into 1970
            let fine = text == "5" || (answer.starts_with("cannot read") && answer.contains("yesterday 17:30"));
            assert!(fine, "{text}: {answer}");
        }
    }

    #[test]
    fn what_is_printed_is_read_back() {
        let zone = TimeZone::get("Asia/Seoul").unwrap();
        for moment in
            [Moment::NOW, Moment::FromNow(-5_400_000_000_000), Moment::At(Timestamp::from_nanos(1_234_567_891))]
        {
            assert_eq!(Moment::parse(&moment.to_string(), NOW, &zone), Ok(moment));
            assert_eq!(Moment::parse(&moment.field(&zone), NOW, &zone), Ok(moment));
        }
    }

    #[test]
    fn lengths_are_said_in_few_units() {
        assert_eq!(short_duration(5_400_000_000_000), "1h30m");
        assert_eq!(short_duration(0), "0s");
        assert_eq!(short_duration(1_250_000_000), "1s250ms");
    }
}
