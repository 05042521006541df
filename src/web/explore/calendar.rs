//! The parts of a written time: which day, what time of day, in which zone, in whatever order and form they stand. Pure.

use jiff::civil::{Date, Time};
use jiff::tz::{Offset, TimeZone};

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const WEEKDAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// Names of zones that logs write, with their hours after UTC: those of RFC 2822, and some that mean one zone only.
const ZONES: [(&str, i8); 17] = [
    ("utc", 0),
    ("gmt", 0),
    ("ut", 0),
    ("z", 0),
    ("est", -5),
    ("edt", -4),
    ("cst", -6),
    ("cdt", -5),
    ("mst", -7),
    ("mdt", -6),
    ("pst", -8),
    ("pdt", -7),
    ("cet", 1),
    ("cest", 2),
    ("msk", 3),
    ("kst", 9),
    ("jst", 9),
];

/// Which day is meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Day {
    #[default]
    Unsaid,
    Named(Date),
    /// Days before today.
    Back(i64),
    /// Counted from Monday; the last one is never today.
    Weekday {
        index: i64,
        is_last: bool,
    },
    OfYear {
        month: i8,
        day: i8,
    },
    OfMonth(i8),
}

/// What a text says about a time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Parts {
    pub(crate) day: Day,
    pub(crate) clock: Option<Time>,
    pub(crate) has_seconds: bool,
    /// Whether it says 24:00.
    pub(crate) is_next_midnight: bool,
    pub(crate) zone: Option<TimeZone>,
}

/// The parts while they are found: each is said once.
#[derive(Debug, Default)]
struct Found {
    parts: Parts,
    year: Option<i16>,
    month: Option<i8>,
    day: Option<i8>,
    weekday: Option<i64>,
    back: Option<i64>,
    is_last: bool,
    /// Hours to add to a clock of twelve hours.
    half: Option<i8>,
    hour: Option<i8>,
}

impl Parts {
    /// Reads words in lower case; `None` where one of them is not understood.
    pub(crate) fn read(words: &[String]) -> Option<Parts> {
        let mut found = Found::default();
        let mut index = 0;
        while let Some(word) = words.get(index) {
            index += 1;
            let ago = words.get(index).zip(words.get(index + 1)).filter(|(_, ago)| *ago == "ago");
            if let Some((unit, _)) = ago {
                let days = match unit.as_str() {
                    "day" | "days" => 1,
                    "week" | "weeks" => 7,
                    _ => return None,
                };
                let amount =
                    if word == "a" { 1 } else { word.parse::<i64>().ok().filter(|amount| *amount < 10_000)? };
                set(&mut found.back, amount * days)?;
                index += 2;
            } else {
                found.take(word)?;
            }
        }
        found.finish()
    }
}

impl Found {
    fn take(&mut self, word: &str) -> Option<()> {
        match word {
            "today" => return set(&mut self.back, 0),
            "yesterday" => return set(&mut self.back, 1),
            "last" => {
                self.is_last = true;
                return Some(());
            }
            "noon" => return self.take_clock("12:00"),
            "midnight" => return self.take_clock("0:00"),
            "~am" => return set(&mut self.half, 0),
            "~pm" => return set(&mut self.half, 12),
            _ => {}
        }
        if let Some(index) = named(&WEEKDAYS, word) {
            return set(&mut self.weekday, index);
        }
        if let Some(index) = named(&MONTHS, word) {
            return set(&mut self.month, index as i8 + 1);
        }
        if let Some(zone) = zone(word) {
            // `+0000 UTC` says it twice
            self.parts.zone.get_or_insert(zone);
            return Some(());
        }
        if let Some(part) = word.strip_prefix('/') {
            return self.take_marked(part);
        }
        if word.contains(':') || word.ends_with("am") || word.ends_with("pm") {
            return self.take_clock(word);
        }
        self.take_date(word).or_else(|| self.take_digits(word))
    }

    /// A part that says itself what it is: `11m`.
    fn take_marked(&mut self, part: &str) -> Option<()> {
        let number = part.get(..part.len().checked_sub(1)?)?;
        match part.as_bytes().last()? {
            b'y' => set(&mut self.year, number.parse().ok()?),
            b'm' => set(&mut self.month, number.parse().ok()?),
            b'd' => set(&mut self.day, number.parse().ok()?),
            _ => None,
        }
    }

    /// `2026-11-22`, `22/nov/2026`, `11/22/2026`, `22.11.2026`
    fn take_date(&mut self, word: &str) -> Option<()> {
        let mark = word.chars().find(|c| "-/.".contains(*c))?;
        let parts: Vec<&str> = word.trim_end_matches('.').split(mark).collect();
        let &[first, second, third] = parts.as_slice() else { return None };
        let (year, month, day) = if first.len() == 4 {
            (first, month(second)?, third.parse().ok()?)
        } else if second.parse::<i8>().is_err() {
            (third, month(second)?, first.parse().ok()?)
        } else {
            let (one, two): (i8, i8) = (first.parse().ok()?, second.parse().ok()?);
            if mark == '.' || one > 12 { (third, two, one) } else { (third, one, two) }
        };
        let year = match year.len() {
            4 => year.parse().ok()?,
            2 => 2000 + year.parse::<i16>().ok()?,
            _ => return None,
        };
        set(&mut self.year, year)?;
        set(&mut self.month, month)?;
        set(&mut self.day, day)
    }

    /// `22`, `22nd`, `2026`, `20261122`, `144600` after such a date, `i1122`
    fn take_digits(&mut self, word: &str) -> Option<()> {
        let klog = word.strip_prefix(['i', 'w', 'e', 'f']).filter(|rest| rest.len() == 4);
        let word = klog.unwrap_or(word).trim_end_matches('.');
        let ordinal = ["st", "nd", "rd", "th"].iter().find_map(|ending| word.strip_suffix(ending));
        let digits = ordinal.unwrap_or(word);
        let (digits, zone) = digits.strip_suffix('z').map_or((digits, None), |rest| (rest, Some(TimeZone::UTC)));
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        if klog.is_some() {
            set(&mut self.month, digits[..2].parse().ok()?)?;
            return set(&mut self.day, digits[2..].parse().ok()?);
        }
        match digits.len() {
            8 | 14 => {
                let year = digits[..4].parse().ok().filter(|year| (1970..2200).contains(year))?;
                Date::new(year, digits[4..6].parse().ok()?, digits[6..8].parse().ok()?).ok()?;
                set(&mut self.year, year)?;
                set(&mut self.month, digits[4..6].parse().ok()?)?;
                set(&mut self.day, digits[6..8].parse().ok()?)?;
                if digits.len() == 14 { self.take_compact_clock(&digits[8..]) } else { Some(()) }
            }
            6 if self.year.is_some() && self.hour.is_none() => {
                self.parts.zone = self.parts.zone.take().or(zone);
                self.take_compact_clock(digits)
            }
            4 => set(&mut self.year, digits.parse().ok()?),
            1 | 2 if self.year.is_some() && self.month.is_none() => set(&mut self.month, digits.parse().ok()?),
            1 | 2 => set(&mut self.day, digits.parse().ok()?),
            _ => None,
        }
    }

    fn take_compact_clock(&mut self, digits: &str) -> Option<()> {
        self.take_clock(&format!("{}:{}:{}", &digits[..2], &digits[2..4], &digits[4..]))
    }

    /// `17:30`, `5:30pm`, `5am`, `14:03:11.123+09:00`
    fn take_clock(&mut self, word: &str) -> Option<()> {
        let word = word.split('[').next()?;
        let colon = word.find(':').unwrap_or(word.len());
        let sign = word[colon..].find(['z', '+', '-']).map_or(word.len(), |index| colon + index);
        let (clock, offset) = word.split_at(sign);
        if !offset.is_empty() {
            self.parts.zone = Some(zone(offset)?);
        }
        let (clock, half) = match (clock.strip_suffix("am"), clock.strip_suffix("pm")) {
            (Some(clock), _) => (clock, Some(0)),
            (_, Some(clock)) => (clock, Some(12)),
            (None, None) => (clock, None),
        };
        if let Some(half) = half {
            set(&mut self.half, half)?;
        }
        let mut parts = clock.splitn(3, ':');
        let hour: i8 = parts.next()?.parse().ok()?;
        let minute: i8 = parts.next().unwrap_or("0").parse().ok()?;
        let (second, nanos) = match parts.next() {
            Some(seconds) => seconds_of(seconds)?,
            None => (0, 0),
        };
        self.parts.has_seconds = clock.matches(':').count() == 2;
        set(&mut self.hour, hour)?;
        self.parts.is_next_midnight = (hour, minute, second) == (24, 0, 0);
        let hour = if self.parts.is_next_midnight { 0 } else { hour };
        self.parts.clock = Some(Time::new(hour, minute, second.min(59), nanos).ok()?);
        Some(())
    }

    fn finish(self) -> Option<Parts> {
        let Found { mut parts, year, month, day, weekday, back, is_last, half, hour } = self;
        if let Some(half) = half {
            let hour = hour.filter(|hour| (1..=12).contains(hour))?;
            let clock = parts.clock?;
            parts.clock = Some(clock.with().hour(hour % 12 + half).build().ok()?);
        }
        parts.day = match (year, month, day, weekday, back) {
            (None, None, None, None, Some(back)) => Day::Back(back),
            (None, None, None, Some(index), None) => Day::Weekday { index, is_last },
            (Some(year), Some(month), day, _, None) => Day::Named(Date::new(year, month, day.unwrap_or(1)).ok()?),
            (None, Some(month), day, _, None) => {
                // of a leap year, so that 29 February is one
                let day = day.unwrap_or(1);
                Date::new(2024, month, day).ok()?;
                Day::OfYear { month, day }
            }
            // a number alone is no day, unless a time of day stands beside it
            (None, None, Some(day), None, None) if parts.clock.is_some() => Day::OfMonth(day),
            (None, None, None, None, None) => Day::Unsaid,
            _ => return None,
        };
        let is_said = parts.day != Day::Unsaid || parts.clock.is_some();
        is_said.then_some(parts)
    }
}

/// Sets what is not yet said.
fn set<T>(place: &mut Option<T>, value: T) -> Option<()> {
    if place.is_some() {
        return None;
    }
    *place = Some(value);
    Some(())
}

/// The index of a name that is written in full or by three letters and more.
fn named(names: &[&str], word: &str) -> Option<i64> {
    let word = word.trim_end_matches('.');
    if word.len() < 3 {
        return None;
    }
    names.iter().position(|name| name.starts_with(word)).map(|index| index as i64)
}

fn month(text: &str) -> Option<i8> {
    text.parse().ok().or_else(|| named(&MONTHS, text).map(|index| index as i8 + 1))
}

/// `utc`, `kst`, `+09:00`, `+0900`, `utc+9`, `asia/seoul`
pub(crate) fn zone(word: &str) -> Option<TimeZone> {
    if let Some((_, hours)) = ZONES.iter().find(|(name, _)| *name == word) {
        return Some(TimeZone::fixed(jiff::tz::offset(*hours)));
    }
    let offset = word.strip_prefix("utc").or_else(|| word.strip_prefix("gmt")).unwrap_or(word);
    let (sign, digits) = match (offset.strip_prefix('+'), offset.strip_prefix(['-', '−'])) {
        (Some(digits), _) => (1, digits),
        (_, Some(digits)) => (-1, digits),
        (None, None) if word.contains('/') => return TimeZone::get(word).ok(),
        (None, None) => return None,
    };
    let (hours, minutes) = match digits.split_once(':') {
        Some(parts) => parts,
        None if digits.len() == 4 => digits.split_at_checked(2)?,
        None => (digits, "0"),
    };
    let is_short = |text: &str| matches!(text.len(), 1 | 2);
    let (hours, minutes): (i32, i32) = (
        hours.parse().ok().filter(|_| is_short(hours))?,
        minutes.parse().ok().filter(|minutes| is_short(digits) || *minutes < 60)?,
    );
    let seconds = sign * (hours * 3600 + minutes * 60);
    let is_somewhere = (-12 * 3600..=14 * 3600).contains(&seconds);
    is_somewhere.then(|| Offset::from_seconds(seconds).ok()).flatten().map(TimeZone::fixed)
}

fn seconds_of(text: &str) -> Option<(i8, i32)> {
    let (whole, fraction) = text.split_once(['.', ',']).unwrap_or((text, ""));
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let nine: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    let whole: i8 = whole.parse().ok().filter(|second| (0..=60).contains(second))?;
    Some((whole, nine.parse().ok()?))
}
