//! Reads times as people say them and as logs write them: `yesterday 17:30`, `3시간 전`, an epoch, a line's timestamp,
//! a pasted range.
//!
//! Promises: a time without a zone is read in the zone shown; of two readings the latest that is not to come is taken;
//! where the clocks were changed, the reading says so. Never: a clock; `now` comes in as an argument.

use jiff::ToSpan;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};

use crate::model::Timestamp;
use crate::web::explore::calendar::{Day, Parts};
use crate::web::explore::korean;
use crate::web::explore::moment::{Moment, zoned};

const SECOND: i64 = 1_000_000_000;

/// What stands between the two times of a pasted range.
const BETWEEN: [&str; 10] = [" – ", " — ", " - ", " to ", " until ", " ~ ", " → ", "부터", "~", "/"];

/// A longer text is no time: reading it would only take long.
const TEXT_BYTES_MAX: usize = 200;

/// Which end of a range a time is for: a day without a time of day begins it at its start and ends it at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Edge {
    Start,
    End,
}

/// What a text was read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spoken {
    pub(crate) moment: Moment,
    pub(crate) twist: Option<Twist>,
    /// Whether it is as exact as a line's timestamp.
    pub(crate) is_stamp: bool,
    /// Whether it names a time of day.
    pub(crate) is_clock: bool,
}

/// What happened to the clocks at that time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Twist {
    /// They were put forward over it: it never was.
    Skipped,
    /// They were put back: it was twice.
    Twice,
}

impl Spoken {
    fn fixed(moment: Moment) -> Spoken {
        Spoken { moment, twist: None, is_stamp: false, is_clock: false }
    }
}

/// Reads any usual form of a time; `None` where it is none.
pub(crate) fn read(text: &str, edge: Edge, now: Timestamp, zone: &TimeZone) -> Option<Spoken> {
    let words = words(text)?;
    let joined = words.join(" ");
    if let Some(moment) = relative(&joined) {
        return Some(Spoken::fixed(moment));
    }
    if let Some(moment) = epoch(&joined) {
        return Some(Spoken { is_stamp: true, ..Spoken::fixed(moment) });
    }
    civil(&Parts::read(&words)?, edge, now, zone)
}

/// Reads two times in one text: `14:00 – 15:00`, `a to b`, `어제 9시부터 10시까지`.
pub(crate) fn read_range(text: &str, now: Timestamp, zone: &TimeZone) -> Option<(Spoken, Spoken)> {
    if text.len() > TEXT_BYTES_MAX {
        return None;
    }
    let lower = text.trim().to_lowercase();
    for between in BETWEEN {
        for (index, _) in lower.match_indices(between) {
            let (start, end) = (&lower[..index], &lower[index + between.len()..]);
            if let Some(range) = pair(start, end, now, zone) {
                return Some(range);
            }
        }
    }
    None
}

/// Reads two times of day with no more than a dash between them, as `14:00-15:00`: what would otherwise be a time with
/// an offset. With a day before them it is a range only if it goes on that day; a timestamp, which has a `T` or seconds,
/// keeps its offset.
pub(crate) fn read_clocks(text: &str, now: Timestamp, zone: &TimeZone) -> Option<(Spoken, Spoken)> {
    let lower = text.trim().to_lowercase();
    let (start, end) = lower.rsplit_once(['-', '–', '—'])?;
    let (day, first) = start.rsplit_once(char::is_whitespace).unwrap_or(("", start));
    let (first, second) = (clock(first)?, clock(end)?);
    (day.is_empty() || first < second).then(|| pair(start, end, now, zone)).flatten()
}

/// `9:00`, `17:30`, and nothing else.
fn clock(text: &str) -> Option<Time> {
    let (hour, minute) = text.split_once(':')?;
    let is_digits = |text: &str| !text.is_empty() && text.len() <= 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_clock = is_digits(hour) && is_digits(minute) && minute.len() == 2;
    if is_clock { Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok() } else { None }
}

/// The second time is on the day of the first where it names none, and the first in the zone of the second.
fn pair(start: &str, end: &str, now: Timestamp, zone: &TimeZone) -> Option<(Spoken, Spoken)> {
    let parts = |text: &str| words(text).and_then(|words| Parts::read(&words));
    if let (Some(mut first), Some(mut second)) = (parts(start), parts(end))
        && second.day == Day::Unsaid
        && epoch(end.trim()).is_none()
    {
        second.zone = second.zone.or_else(|| first.zone.clone());
        first.zone = first.zone.or_else(|| second.zone.clone());
        let start = civil(&first, Edge::Start, now, zone)?;
        let local = zoned(start.moment.resolve(now), second.zone.as_ref().unwrap_or(zone));
        second.day = Day::Named(local.date());
        if second.clock? <= local.time() {
            second.day = Day::Named(local.date().tomorrow().ok()?);
        }
        return Some((start, civil(&second, Edge::End, now, zone)?));
    }
    let (start, end) = (read(start, Edge::Start, now, zone)?, read(end, Edge::End, now, zone)?);
    (start.moment.resolve(now) < end.moment.resolve(now)).then_some((start, end))
}

/// The words of a text in lower case and in English, without what stands around a timestamp in a log.
fn words(text: &str) -> Option<Vec<String>> {
    if text.len() > TEXT_BYTES_MAX {
        return None;
    }
    let around = |c: char| c.is_whitespace() || "[](){}<>\"'`“”‘’,;".contains(c);
    let lower = text.trim_matches(around).to_lowercase();
    let english = if korean::is_korean(&lower) { korean::in_english(&lower)? } else { lower };
    let mut apart = String::with_capacity(english.len());
    let mut before = ' ';
    let mut letters = english.chars().peekable();
    while let Some(letter) = letters.next() {
        let after = letters.peek().copied().unwrap_or(' ');
        // 2026-11-22T14:03:11, 2026-11-22_14:03:11
        let between = matches!(letter, 't' | '_') && before.is_ascii_digit() && after.is_ascii_digit();
        apart.push(if between { ' ' } else { letter });
        before = letter;
    }
    let mut words: Vec<String> = Vec::new();
    for word in apart.split_whitespace() {
        let word = word.trim_matches(|c: char| c != '+' && around(c));
        let is_half = matches!(word, "am" | "pm" | "a.m." | "p.m.");
        if let Some(last) = words.last_mut().filter(|last| is_half && last.ends_with(|c: char| c.is_ascii_digit())) {
            last.push_str(&word.replace('.', ""));
        } else if let Some((day, clock)) = word.split_once(':').filter(|(day, _)| day.contains('/')) {
            words.extend([day.to_owned(), clock.to_owned()]);
        } else if !["", "at", "on", "the", "of", "since", "from"].contains(&word) {
            words.push(word.to_owned());
        }
    }
    (!words.is_empty()).then_some(words)
}

/// `now`, `now-1h`, `15m`, `-15m`, `3 hours ago`, `last hour`.
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
    if let Some(last) = words.strip_prefix("last ").or_else(|| words.strip_prefix("past ")) {
        let nanos = unit(last).or_else(|| duration(last))?;
        return Some(Moment::FromNow(-nanos));
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
        "h" | "hr" | "hrs" | "hour" | "hours" => 3_600 * SECOND,
        "d" | "day" | "days" => 86_400 * SECOND,
        "w" | "week" | "weeks" => 7 * 86_400 * SECOND,
        "month" | "months" => 30 * 86_400 * SECOND,
        _ => return None,
    })
}

/// Digits alone. Up to ten are seconds, as in Loki; the size tells the other units apart. Eight or fourteen that say a
/// date of this age are one: as an epoch they would be long before any log.
fn epoch(words: &str) -> Option<Moment> {
    let words = words.strip_prefix('@').unwrap_or(words);
    let (whole, fraction) = words.split_once('.').unwrap_or((words, ""));
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let is_date = matches!(whole.len(), 8 | 14) && Parts::read(&[whole.to_owned()]).is_some();
    if whole.is_empty() || is_date || !all_digits(whole) || !all_digits(fraction) || fraction.len() > 9 {
        return None;
    }
    let scale = match whole.len() {
        ..=10 => SECOND,
        11..=13 => 1_000_000,
        14..=16 => 1_000,
        _ => 1,
    };
    let part = format!("{fraction:0<9}").parse::<i64>().ok()? * (scale / 1_000) / 1_000_000;
    let nanos = whole.parse::<i64>().ok()?.checked_mul(scale)?.checked_add(part)?;
    Some(Moment::At(Timestamp::from_nanos(nanos)))
}

/// The latest time of these parts that is not to come.
fn civil(parts: &Parts, edge: Edge, now: Timestamp, zone: &TimeZone) -> Option<Spoken> {
    let zone = parts.zone.as_ref().unwrap_or(zone);
    let now = zoned(now, zone);
    let time = match (parts.clock, edge) {
        (Some(clock), _) => clock,
        (None, Edge::Start | Edge::End) => Time::midnight(),
    };
    let is_to_come = |day: Date| day.to_datetime(time) > now.datetime();
    let today = now.date();
    let day = match parts.day {
        Day::Unsaid if parts.clock.is_none() => return None,
        Day::Unsaid if is_to_come(today) => today.yesterday().ok()?,
        Day::Unsaid => today,
        Day::Named(day) => day,
        Day::Back(days) => today.checked_sub(days.days()).ok()?,
        Day::Weekday { index, is_last } => {
            let back = (i64::from(today.weekday().to_monday_zero_offset()) - index).rem_euclid(7);
            let day = today.checked_sub(back.days()).ok()?;
            let is_before = (is_last && back == 0) || is_to_come(day);
            if is_before { day.checked_sub(7.days()).ok()? } else { day }
        }
        Day::OfYear { month, day } => {
            // clocks differ a little: a line of tomorrow is of this year
            let this = Date::new(today.year(), month, day).ok().filter(|day| *day <= today.tomorrow().unwrap_or(today));
            this.or_else(|| Date::new(today.year() - 1, month, day).ok())?
        }
        Day::OfMonth(day) => {
            let this = Date::new(today.year(), today.month(), day).ok().filter(|day| !is_to_come(*day));
            let before = today.first_of_month().yesterday().ok()?;
            this.or_else(|| Date::new(before.year(), before.month(), day).ok())?
        }
    };
    let day = match edge {
        Edge::End if parts.clock.is_none() => day.tomorrow().ok()?,
        Edge::Start | Edge::End => day,
    };
    let day = if parts.is_next_midnight { day.tomorrow().ok()? } else { day };
    let is_stamp = parts.has_seconds && matches!(parts.day, Day::Named(_) | Day::OfYear { .. });
    in_zone(day.to_datetime(time), edge, zone).map(|reading| Spoken {
        is_stamp,
        is_clock: parts.clock.is_some(),
        ..reading
    })
}

/// Where the clocks were put back, a range takes in both times.
fn in_zone(civil: DateTime, edge: Edge, zone: &TimeZone) -> Option<Spoken> {
    let ambiguous = zone.to_ambiguous_timestamp(civil);
    let (twist, timestamp) = match (ambiguous.offset(), edge) {
        (AmbiguousOffset::Unambiguous { .. }, _) => (None, ambiguous.compatible()),
        (AmbiguousOffset::Gap { .. }, _) => (Some(Twist::Skipped), ambiguous.compatible()),
        (AmbiguousOffset::Fold { .. }, Edge::Start) => (Some(Twist::Twice), ambiguous.earlier()),
        (AmbiguousOffset::Fold { .. }, Edge::End) => (Some(Twist::Twice), ambiguous.later()),
    };
    let nanos = i64::try_from(timestamp.ok()?.as_nanosecond()).ok()?;
    Some(Spoken { twist, ..Spoken::fixed(Moment::At(Timestamp::from_nanos(nanos))) })
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use crate::model::Timestamp;
    use crate::web::explore::moment::Moment;
    use crate::web::explore::spoken::{Edge, Twist, read, read_clocks, read_range};

    /// Sunday 2026-11-22 14:46:00 UTC, 23:46 in Seoul.
    const NOW: Timestamp = Timestamp::from_secs(1_795_358_760);

    fn zone(name: &str) -> TimeZone {
        TimeZone::get(name).unwrap()
    }

    fn seoul(text: &str) -> String {
        read(text, Edge::Start, NOW, &zone("Asia/Seoul")).map_or("none".to_owned(), |found| found.moment.to_string())
    }

    fn check(cases: &[(&str, &str)]) {
        for (text, expected) in cases {
            assert_eq!(seoul(text), *expected, "{text}");
        }
    }

    #[test]
    fn times_are_read_as_people_say_them() {
        check(&[
            ("now", "now"),
            (" NOW-1h ", "now-1h"),
            ("now - 90m", "now-1h30m"),
            ("now+5m", "now+5m"),
            ("15m", "now-15m"),
            ("-15m", "now-15m"),
            ("3 hours ago", "now-3h"),
            ("an hour ago", "now-1h"),
            ("1h30m", "now-1h30m"),
            ("last hour", "now-1h"),
            ("past 2 days", "now-2d"),
            ("2w", "now-14d"),
            ("17:30", "2026-11-22T08:30:00Z"),
            ("5:30 pm", "2026-11-22T08:30:00Z"),
            ("4:06 p.m.", "2026-11-22T07:06:00Z"),
            ("23:50", "2026-11-21T14:50:00Z"),
            ("12am", "2026-11-21T15:00:00Z"),
            ("noon", "2026-11-22T03:00:00Z"),
            ("yesterday", "2026-11-20T15:00:00Z"),
            ("Yesterday at 17:30", "2026-11-21T08:30:00Z"),
            ("5 AM Friday", "2026-11-19T20:00:00Z"),
            ("last monday", "2026-11-15T15:00:00Z"),
            ("last sunday", "2026-11-14T15:00:00Z"),
            ("sunday 23:50", "2026-11-15T14:50:00Z"),
            ("2 days ago at 17:30", "2026-11-20T08:30:00Z"),
            ("sun 17:30:01,250", "2026-11-22T08:30:01.25Z"),
            ("nov 20 9am", "2026-11-20T00:00:00Z"),
            ("20th of november, 9:15", "2026-11-20T00:15:00Z"),
            ("nov 24", "2025-11-23T15:00:00Z"),
        ]);
    }

    #[test]
    fn times_are_read_as_koreans_say_them() {
        check(&[
            ("지금", "now"),
            ("3시간 전", "now-3h"),
            ("1시간 30분 전", "now-1h30m"),
            ("30분전", "now-30m"),
            ("2일 전", "now-2d"),
            ("어제", "2026-11-20T15:00:00Z"),
            ("어제 17:30", "2026-11-21T08:30:00Z"),
            ("오늘 오전 9시", "2026-11-22T00:00:00Z"),
            ("오늘 오전9시30분에", "2026-11-22T00:30:00Z"),
            ("오후 5시 반", "2026-11-22T08:30:00Z"),
            ("그저께 오후 5:30", "2026-11-20T08:30:00Z"),
            ("지난 월요일", "2026-11-15T15:00:00Z"),
            ("금요일 새벽 5시", "2026-11-19T20:00:00Z"),
            ("11월 20일 9시 15분 7초", "2026-11-20T00:15:07Z"),
            ("2026년 11월 20일 정오", "2026-11-20T03:00:00Z"),
            ("2026. 11. 20. 오후 5:30", "2026-11-20T08:30:00Z"),
            ("20일 17:30", "2026-11-20T08:30:00Z"),
            ("3일 전 17:30", "2026-11-19T08:30:00Z"),
            ("안녕", "none"),
        ]);
    }

    #[test]
    fn timestamps_are_read_as_logs_write_them() {
        check(&[
            ("1795358760", "2026-11-22T14:46:00Z"),
            ("1795358760.25", "2026-11-22T14:46:00.25Z"),
            ("1795358760123", "2026-11-22T14:46:00.123Z"),
            ("1795358760123456", "2026-11-22T14:46:00.123456Z"),
            ("1795358760123456789", "2026-11-22T14:46:00.123456789Z"),
            ("2026-11-22T14:46:00Z", "2026-11-22T14:46:00Z"),
            ("2026-11-22T23:46:00.5+09:00", "2026-11-22T14:46:00.5Z"),
            ("2026-11-22T23:46:00.123456789+0900", "2026-11-22T14:46:00.123456789Z"),
            ("2026-11-22T23:46:00+09:00[Asia/Seoul]", "2026-11-22T14:46:00Z"),
            ("2026-11-22 23:46", "2026-11-22T14:46:00Z"),
            ("2026-11-22 14:46 UTC", "2026-11-22T14:46:00Z"),
            ("2026-11-22 14:46:00 +0000 UTC", "2026-11-22T14:46:00Z"),
            ("2026-11-22 15:46:00 Europe/Berlin", "2026-11-22T14:46:00Z"),
            ("2026-11-22T23:46:01.25", "2026-11-22T14:46:01.25Z"),
            ("2026-11-22", "2026-11-21T15:00:00Z"),
            ("20261122", "2026-11-21T15:00:00Z"),
            ("20261122T144600Z", "2026-11-22T14:46:00Z"),
            ("20261122234600", "2026-11-22T14:46:00Z"),
            ("[22/Nov/2026:14:03:11 +0900]", "2026-11-22T05:03:11Z"),
            ("Nov 22 14:03:11", "2026-11-22T05:03:11Z"),
            ("Dec 31 14:03:11", "2025-12-31T05:03:11Z"),
            ("2026-11-22 14:03:11,123", "2026-11-22T05:03:11.123Z"),
            ("2026/11/22 14:03:11", "2026-11-22T05:03:11Z"),
            ("Sun, 22 Nov 2026 14:03:11 +0900", "2026-11-22T05:03:11Z"),
            ("Sun, 22 Nov 2026 14:03:11 GMT", "2026-11-22T14:03:11Z"),
            ("Sun Nov 22 14:03:11 2026", "2026-11-22T05:03:11Z"),
            ("Sun Nov 22 14:03:11 KST 2026", "2026-11-22T05:03:11Z"),
            ("Sun Nov 22 14:03:11.123456 2026", "2026-11-22T05:03:11.123456Z"),
            ("I1122 14:03:11.123456", "2026-11-22T05:03:11.123456Z"),
            ("11/22/2026 2:03:11 PM", "2026-11-22T05:03:11Z"),
            ("22.11.2026 14:03:11", "2026-11-22T05:03:11Z"),
            ("22-Nov-2026 14:03:11", "2026-11-22T05:03:11Z"),
        ]);
        let is_stamp = |text| read(text, Edge::Start, NOW, &TimeZone::UTC).unwrap().is_stamp;
        assert!(is_stamp("Nov 22 14:03:11") && is_stamp("1795358760") && is_stamp("2026-11-22T14:03:11Z"));
        assert!(!is_stamp("yesterday 17:30:00") && !is_stamp("2026-11-22") && !is_stamp("3h"));
    }

    #[test]
    fn what_is_no_time_is_not_read() {
        for text in [
            "",
            "soon",
            "now-",
            "now-1x",
            "25:00",
            "13pm",
            "99999999999999999999",
            "now/d",
            "2026-13-01",
            "17:30 18:30",
            "yesterday today",
            "12:00:00 Mars/City",
            "–",
            "5 5 5",
            "2026-11-31 10:00:00",
            "시간",
            "일 전",
            "[",
            "12:61",
        ] {
            assert_eq!(seoul(text), "none", "{text}");
        }
    }

    #[test]
    fn a_pasted_range_is_two_times() {
        let read = |text: &str| {
            let (start, end) = read_range(text, NOW, &zone("Asia/Seoul"))?;
            Some(format!("{} {}", start.moment, end.moment))
        };
        for (text, expected) in [
            ("2026-11-22T01:00:00Z – 2026-11-22T02:00:00Z", "2026-11-22T01:00:00Z 2026-11-22T02:00:00Z"),
            ("2026-11-22T01:00:00Z/2026-11-22T02:00:00Z", "2026-11-22T01:00:00Z 2026-11-22T02:00:00Z"),
            ("2026-11-22 14:00 - 15:00", "2026-11-22T05:00:00Z 2026-11-22T06:00:00Z"),
            ("14:00 to 15:00 UTC", "2026-11-22T14:00:00Z 2026-11-22T15:00:00Z"),
            ("yesterday 23:00 – 01:00", "2026-11-21T14:00:00Z 2026-11-21T16:00:00Z"),
            ("2026-11-20 ~ 2026-11-21", "2026-11-19T15:00:00Z 2026-11-21T15:00:00Z"),
            ("1795358700 - 1795358760", "2026-11-22T14:45:00Z 2026-11-22T14:46:00Z"),
            ("3 hours ago to now", "now-3h now"),
            ("어제 9시부터 10시까지", "2026-11-21T00:00:00Z 2026-11-21T01:00:00Z"),
        ] {
            assert_eq!(read(text).as_deref(), Some(expected), "{text}");
        }
        assert_eq!(read("2026-11-22"), None);
        assert_eq!(read("now to 3 hours ago"), None);
    }

    #[test]
    fn two_clocks_and_a_dash_are_a_range_and_no_offset() {
        let read = |text: &str| {
            let (start, end) = read_clocks(text, NOW, &zone("Asia/Seoul"))?;
            Some(format!("{} {}", start.moment, end.moment))
        };
        for (text, expected) in [
            ("14:00-15:00", Some("2026-11-22T05:00:00Z 2026-11-22T06:00:00Z")),
            ("09:00–10:30", Some("2026-11-22T00:00:00Z 2026-11-22T01:30:00Z")),
            ("22:00-02:00", Some("2026-11-22T13:00:00Z 2026-11-22T17:00:00Z")),
            ("2026-11-20 14:00-15:00", Some("2026-11-20T05:00:00Z 2026-11-20T06:00:00Z")),
            ("yesterday 9:00-10:00", Some("2026-11-21T00:00:00Z 2026-11-21T01:00:00Z")),
            ("2026-11-20 14:00-05:00", None),
            ("2026-11-20T14:00-15:00", None),
            ("14:00:00-05:00", None),
            ("2026-11-20", None),
        ] {
            assert_eq!(read(text).as_deref(), expected, "{text}");
        }
        assert_eq!(seoul("2026-11-20 14:00-05:00"), "2026-11-20T19:00:00Z");
        assert_eq!(seoul("2026-11-20T14:00-15:00"), "none", "no place is fifteen hours behind");
    }

    #[test]
    fn a_text_that_is_too_long_to_be_a_time_is_not_read() {
        let long = "~/".repeat(30_000);
        let seoul = zone("Asia/Seoul");
        assert!(read(&long, Edge::Start, NOW, &seoul).is_none());
        assert!(read_range(&long, NOW, &seoul).is_none() && read_clocks(&long, NOW, &seoul).is_none());
    }

    #[test]
    fn changed_clocks_are_told() {
        let berlin = |text, edge| {
            let reading = read(text, edge, NOW, &zone("Europe/Berlin")).unwrap();
            (reading.moment.to_string(), reading.twist)
        };
        let at = |text: &str, twist| (text.to_owned(), twist);
        assert_eq!(berlin("2026-03-29 02:30", Edge::Start), at("2026-03-29T01:30:00Z", Some(Twist::Skipped)));
        assert_eq!(berlin("2026-10-25 02:30", Edge::Start), at("2026-10-25T00:30:00Z", Some(Twist::Twice)));
        assert_eq!(berlin("2026-10-25 02:30", Edge::End), at("2026-10-25T01:30:00Z", Some(Twist::Twice)));
        assert_eq!(berlin("2026-10-25 02:30 +0100", Edge::Start), at("2026-10-25T01:30:00Z", None));
    }

    #[test]
    fn a_day_ends_a_range_at_its_end() {
        let end = |text| read(text, Edge::End, NOW, &TimeZone::UTC).unwrap().moment.to_string();
        assert_eq!(end("2026-11-20"), "2026-11-21T00:00:00Z");
        assert_eq!(end("yesterday"), "2026-11-22T00:00:00Z");
        assert_eq!(end("yesterday 12:00"), "2026-11-21T12:00:00Z");
    }

    #[test]
    fn what_is_printed_is_read_back() {
        let zone = zone("Asia/Seoul");
        for moment in
            [Moment::NOW, Moment::FromNow(-5_400_000_000_000), Moment::At(Timestamp::from_nanos(1_234_567_891))]
        {
            for edge in [Edge::Start, Edge::End] {
                assert_eq!(read(&moment.to_string(), edge, NOW, &zone).unwrap().moment, moment);
                assert_eq!(read(&moment.field(&zone), edge, NOW, &zone).unwrap().moment, moment);
            }
        }
    }
}
