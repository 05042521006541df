//! Go's time layouts: `2006-01-02T15:04:05.999Z07:00` names the parts of a time by those of one known moment.

use std::fmt::Write as _;

use jiff::civil::{Date, DateTime};

use crate::logql::gotext::time::{MONTHS, Parts, Time, WEEKDAYS, Zone};

/// A part that a layout may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chunk {
    LongMonth,
    Month,
    NumMonth,
    ZeroMonth,
    LongWeekday,
    Weekday,
    Day,
    SpaceDay,
    ZeroDay,
    SpaceYearDay,
    ZeroYearDay,
    Hour,
    Hour12,
    ZeroHour12,
    Minute,
    ZeroMinute,
    Second,
    ZeroSecond,
    LongYear,
    Year,
    UpperHalf,
    LowerHalf,
    ZoneName,
    /// With `Z` for UTC or not, with colons or not, and how many pairs of digits.
    Offset {
        zulu: bool,
        colons: bool,
        pairs: u8,
    },
    /// Always so many digits, `.000`, or as many as matter, `.999`.
    Fraction {
        digits: usize,
        fixed: bool,
        mark: char,
    },
}

/// Chunks by their text, longer ones before those that they begin with.
const CHUNKS: [(&str, Chunk); 33] = [
    ("January", Chunk::LongMonth),
    ("Jan", Chunk::Month),
    ("Monday", Chunk::LongWeekday),
    ("Mon", Chunk::Weekday),
    ("MST", Chunk::ZoneName),
    ("002", Chunk::ZeroYearDay),
    ("01", Chunk::ZeroMonth),
    ("02", Chunk::ZeroDay),
    ("03", Chunk::ZeroHour12),
    ("04", Chunk::ZeroMinute),
    ("05", Chunk::ZeroSecond),
    ("06", Chunk::Year),
    ("15", Chunk::Hour),
    ("1", Chunk::NumMonth),
    ("2006", Chunk::LongYear),
    ("2", Chunk::Day),
    ("__2", Chunk::SpaceYearDay),
    ("_2", Chunk::SpaceDay),
    ("3", Chunk::Hour12),
    ("4", Chunk::Minute),
    ("5", Chunk::Second),
    ("PM", Chunk::UpperHalf),
    ("pm", Chunk::LowerHalf),
    ("-070000", Chunk::Offset { zulu: false, colons: false, pairs: 3 }),
    ("-07:00:00", Chunk::Offset { zulu: false, colons: true, pairs: 3 }),
    ("-0700", Chunk::Offset { zulu: false, colons: false, pairs: 2 }),
    ("-07:00", Chunk::Offset { zulu: false, colons: true, pairs: 2 }),
    ("-07", Chunk::Offset { zulu: false, colons: false, pairs: 1 }),
    ("Z070000", Chunk::Offset { zulu: true, colons: false, pairs: 3 }),
    ("Z07:00:00", Chunk::Offset { zulu: true, colons: true, pairs: 3 }),
    ("Z0700", Chunk::Offset { zulu: true, colons: false, pairs: 2 }),
    ("Z07:00", Chunk::Offset { zulu: true, colons: true, pairs: 2 }),
    ("Z07", Chunk::Offset { zulu: true, colons: false, pairs: 1 }),
];

/// The text before the first chunk, the chunk, and the rest.
fn next_chunk(layout: &str) -> (&str, Option<Chunk>, &str) {
    for (at, first) in layout.char_indices() {
        let rest = &layout[at..];
        if matches!(first, '.' | ',') {
            let mark = rest[1..].chars().next();
            if let Some(digit @ ('0' | '9')) = mark {
                let digits = rest[1..].chars().take_while(|c| *c == digit).count();
                let after = &rest[1 + digits..];
                if !after.starts_with(|c: char| c.is_ascii_digit()) {
                    let chunk = Chunk::Fraction { digits, fixed: digit == '0', mark: first };
                    return (&layout[..at], Some(chunk), after);
                }
            }
            continue;
        }
        // `_2006` is an underscore and a year
        if let Some(after) = rest.strip_prefix("_2006") {
            return (&layout[..=at], Some(Chunk::LongYear), after);
        }
        for (text, chunk) in CHUNKS {
            let Some(after) = rest.strip_prefix(text) else { continue };
            let is_name = matches!(chunk, Chunk::Month | Chunk::Weekday);
            if !(is_name && after.starts_with(|c: char| c.is_ascii_lowercase())) {
                return (&layout[..at], Some(chunk), after);
            }
        }
    }
    (layout, None, "")
}

/// Writes a time by a layout.
pub(crate) fn format(layout: &str, parts: &Parts) -> String {
    let mut out = String::with_capacity(layout.len() + 10);
    let mut rest = layout;
    loop {
        let (prefix, chunk, after) = next_chunk(rest);
        out.push_str(prefix);
        let Some(chunk) = chunk else { return out };
        push_chunk(&mut out, chunk, parts);
        rest = after;
    }
}

fn push_chunk(out: &mut String, chunk: Chunk, parts: &Parts) {
    let date = &parts.date;
    let month = MONTHS[usize::try_from(date.month() - 1).unwrap_or(0)];
    let weekday = WEEKDAYS[usize::try_from(date.weekday().to_sunday_zero_offset()).unwrap_or(0)];
    let hour12 = if date.hour() % 12 == 0 { 12 } else { date.hour() % 12 };
    let half = if date.hour() >= 12 { "PM" } else { "AM" };
    // writing into a string cannot fail
    let _ = match chunk {
        Chunk::LongMonth => write!(out, "{month}"),
        Chunk::Month => write!(out, "{}", &month[..3]),
        Chunk::NumMonth => write!(out, "{}", date.month()),
        Chunk::ZeroMonth => write!(out, "{:02}", date.month()),
        Chunk::LongWeekday => write!(out, "{weekday}"),
        Chunk::Weekday => write!(out, "{}", &weekday[..3]),
        Chunk::Day => write!(out, "{}", date.day()),
        Chunk::SpaceDay => write!(out, "{:2}", date.day()),
        Chunk::ZeroDay => write!(out, "{:02}", date.day()),
        Chunk::SpaceYearDay => write!(out, "{:3}", date.day_of_year()),
        Chunk::ZeroYearDay => write!(out, "{:03}", date.day_of_year()),
        Chunk::Hour => write!(out, "{:02}", date.hour()),
        Chunk::Hour12 => write!(out, "{hour12}"),
        Chunk::ZeroHour12 => write!(out, "{hour12:02}"),
        Chunk::Minute => write!(out, "{}", date.minute()),
        Chunk::ZeroMinute => write!(out, "{:02}", date.minute()),
        Chunk::Second => write!(out, "{}", date.second()),
        Chunk::ZeroSecond => write!(out, "{:02}", date.second()),
        Chunk::LongYear => write!(out, "{:04}", date.year()),
        Chunk::Year => write!(out, "{:02}", date.year().rem_euclid(100)),
        Chunk::UpperHalf => write!(out, "{half}"),
        Chunk::LowerHalf => write!(out, "{}", half.to_ascii_lowercase()),
        Chunk::ZoneName if parts.zone_name.is_empty() => {
            let (hours, minutes) = (parts.offset.abs() / 3600, parts.offset.abs() / 60 % 60);
            let sign = if parts.offset < 0 { '-' } else { '+' };
            write!(out, "{sign}{hours:02}{minutes:02}")
        }
        Chunk::ZoneName => write!(out, "{}", parts.zone_name),
        Chunk::Offset { zulu: true, .. } if parts.offset == 0 => write!(out, "Z"),
        Chunk::Offset { colons, pairs, .. } => {
            let colon = if colons { ":" } else { "" };
            let seconds = parts.offset.abs();
            let sign = if parts.offset < 0 { '-' } else { '+' };
            let _ = write!(out, "{sign}{:02}", seconds / 3600);
            if pairs > 1 {
                let _ = write!(out, "{colon}{:02}", seconds / 60 % 60);
            }
            if pairs > 2 { write!(out, "{colon}{:02}", seconds % 60) } else { Ok(()) }
        }
        Chunk::Fraction { digits, fixed, mark } => {
            let nanos = format!("{:09}", date.subsec_nanosecond());
            let shown = &nanos[..digits.min(9)];
            let shown = if fixed { shown } else { shown.trim_end_matches('0') };
            if shown.is_empty() { Ok(()) } else { write!(out, "{mark}{shown}") }
        }
    };
}

/// A layout that was taken apart, for many times that are to be read by it.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    /// The text before each part.
    parts: Vec<(String, Chunk)>,
    rest: String,
}

impl Layout {
    pub(crate) fn new(layout: &str) -> Layout {
        let mut parts = Vec::new();
        let mut rest = layout;
        loop {
            let (prefix, chunk, after) = next_chunk(rest);
            let Some(chunk) = chunk else { return Layout { parts, rest: prefix.to_owned() } };
            parts.push((prefix.to_owned(), chunk));
            rest = after;
        }
    }

    /// Whether it is text alone, without a part of a time.
    pub(crate) fn is_plain(&self) -> bool {
        self.parts.is_empty()
    }

    /// Reads a time; one without a zone is in `local`. `None` where the text does not fit.
    pub(crate) fn parse(&self, text: &str, local: &Zone) -> Option<Time> {
        self.parse_in_year(text, local, |_| 0)
    }

    /// The same for a time that does not tell its year: `year` finds it by the month.
    pub(crate) fn parse_in_year(&self, text: &str, local: &Zone, year: impl FnOnce(i8) -> i32) -> Option<Time> {
        let mut read = Read::default();
        let mut text = text;
        for (index, (prefix, chunk)) in self.parts.iter().enumerate() {
            text = skip(text, prefix)?;
            let next = self.parts.get(index + 1);
            let fraction_next = next.is_some_and(|(_, chunk)| matches!(chunk, Chunk::Fraction { .. }));
            text = read_chunk(&mut read, *chunk, text, fraction_next)?;
        }
        if !skip(text, &self.rest)?.is_empty() {
            return None;
        }
        let year = read.year.unwrap_or_else(|| year(read.month.unwrap_or(1)));
        finish(read, year, local)
    }
}

/// What was read of a time.
#[derive(Debug, Default)]
struct Read {
    year: Option<i32>,
    month: Option<i8>,
    day: Option<i8>,
    year_day: Option<i16>,
    hour: i8,
    minute: i8,
    second: i8,
    nanos: i32,
    afternoon: Option<bool>,
    /// `Z` or `UTC`, which win over an offset.
    is_utc: bool,
    /// Seconds to the east.
    offset: Option<i32>,
    /// A zone's name, and the offset that it tells for itself.
    zone: Option<(String, i32)>,
}

/// Reads a time by a layout that is used once.
pub(crate) fn parse(layout: &str, text: &str, local: &Zone) -> Option<Time> {
    Layout::new(layout).parse(text, local)
}

/// A run of spaces in the layout stands for any run of them.
fn skip<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    let (mut text, mut prefix) = (text, prefix);
    while let Some(first) = prefix.chars().next() {
        if first == ' ' {
            if !text.is_empty() && !text.starts_with(' ') {
                return None;
            }
            prefix = prefix.trim_start_matches(' ');
            text = text.trim_start_matches(' ');
        } else {
            text = text.strip_prefix(first)?;
            prefix = &prefix[first.len_utf8()..];
        }
    }
    Some(text)
}

fn read_chunk<'t>(read: &mut Read, chunk: Chunk, text: &'t str, fraction_next: bool) -> Option<&'t str> {
    match chunk {
        Chunk::Year => {
            let (year, rest) = digits(text, 2, 2)?;
            read.year = Some(if year >= 69 { year + 1900 } else { year + 2000 });
            Some(rest)
        }
        Chunk::LongYear => {
            let (year, rest) = digits(text, 4, 4)?;
            read.year = Some(year);
            Some(rest)
        }
        Chunk::Month => name(text, &MONTHS, 3).map(|(month, rest)| (read.month = Some(month + 1), rest).1),
        Chunk::LongMonth => name(text, &MONTHS, 9).map(|(month, rest)| (read.month = Some(month + 1), rest).1),
        Chunk::Weekday => name(text, &WEEKDAYS, 3).map(|(_, rest)| rest),
        Chunk::LongWeekday => name(text, &WEEKDAYS, 9).map(|(_, rest)| rest),
        Chunk::NumMonth | Chunk::ZeroMonth => {
            let (month, rest) = number(text, chunk == Chunk::ZeroMonth, 1, 12)?;
            read.month = Some(month);
            Some(rest)
        }
        Chunk::Day | Chunk::SpaceDay | Chunk::ZeroDay => {
            let text = if chunk == Chunk::SpaceDay { text.strip_prefix(' ').unwrap_or(text) } else { text };
            let (day, rest) = number(text, chunk == Chunk::ZeroDay, 0, 99)?;
            read.day = Some(day);
            Some(rest)
        }
        Chunk::SpaceYearDay | Chunk::ZeroYearDay => {
            let trimmed = if chunk == Chunk::SpaceYearDay { text.trim_start_matches(' ') } else { text };
            let (day, rest) = digits(trimmed, 3 - (text.len() - trimmed.len()).min(2), 3)?;
            read.year_day = Some(i16::try_from(day).ok()?);
            Some(rest)
        }
        Chunk::Hour => number(text, false, 0, 23).map(|(hour, rest)| (read.hour = hour, rest).1),
        Chunk::Hour12 | Chunk::ZeroHour12 => {
            number(text, chunk == Chunk::ZeroHour12, 0, 12).map(|(hour, rest)| (read.hour = hour, rest).1)
        }
        Chunk::Minute | Chunk::ZeroMinute => {
            number(text, chunk == Chunk::ZeroMinute, 0, 59).map(|(minute, rest)| (read.minute = minute, rest).1)
        }
        Chunk::Second | Chunk::ZeroSecond => {
            let (second, rest) = number(text, chunk == Chunk::ZeroSecond, 0, 59)?;
            read.second = second;
            // a fraction may follow even where the layout has none
            if fraction_next { Some(rest) } else { Some(fraction(read, rest).unwrap_or(rest)) }
        }
        Chunk::UpperHalf | Chunk::LowerHalf => {
            let (half, rest) = text.split_at_checked(2)?;
            read.afternoon = Some(match (chunk, half) {
                (Chunk::UpperHalf, "PM") | (Chunk::LowerHalf, "pm") => true,
                (Chunk::UpperHalf, "AM") | (Chunk::LowerHalf, "am") => false,
                _ => return None,
            });
            Some(rest)
        }
        Chunk::Offset { zulu: true, .. } if text.starts_with('Z') => {
            read.is_utc = true;
            Some(&text[1..])
        }
        Chunk::Offset { colons, pairs, .. } => offset(read, text, colons, pairs),
        Chunk::ZoneName => zone_name(read, text),
        Chunk::Fraction { digits, fixed: true, .. } => fixed_fraction(read, text, digits),
        Chunk::Fraction { fixed: false, .. } => Some(fraction(read, text).unwrap_or(text)),
    }
}

fn fixed_fraction<'t>(read: &mut Read, text: &'t str, digits: usize) -> Option<&'t str> {
    let body = text.strip_prefix(['.', ','])?;
    read.nanos = nanos(body.get(..digits)?)?;
    Some(&body[digits..])
}

fn fraction<'t>(read: &mut Read, text: &'t str) -> Option<&'t str> {
    let body = text.strip_prefix(['.', ','])?;
    let length = body.bytes().take_while(u8::is_ascii_digit).count();
    read.nanos = nanos(&body[..length])?;
    Some(&body[length..])
}

fn nanos(digits: &str) -> Option<i32> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let first = &digits[..digits.len().min(9)];
    let missing = u32::try_from(9 - first.len()).ok()?;
    Some(first.parse::<i32>().ok()? * 10i32.pow(missing))
}

/// Between `least` and `most` digits.
fn digits(text: &str, least: usize, most: usize) -> Option<(i32, &str)> {
    let count = text.bytes().take(most).take_while(u8::is_ascii_digit).count();
    if count < least {
        return None;
    }
    Some((text[..count].parse().ok()?, &text[count..]))
}

/// Two digits, or one where the width is not fixed.
fn number(text: &str, fixed: bool, least: i32, most: i32) -> Option<(i8, &str)> {
    let (value, rest) = digits(text, if fixed { 2 } else { 1 }, 2)?;
    if value < least || value > most { None } else { Some((i8::try_from(value).ok()?, rest)) }
}

/// A name by its first `width` letters, without regard to case.
fn name<'t>(text: &'t str, names: &[&str], width: usize) -> Option<(i8, &'t str)> {
    for (index, name) in names.iter().enumerate() {
        let name = &name[..name.len().min(width)];
        if text.get(..name.len()).is_some_and(|head| head.eq_ignore_ascii_case(name)) {
            return Some((i8::try_from(index).ok()?, &text[name.len()..]));
        }
    }
    None
}

fn offset<'t>(read: &mut Read, text: &'t str, colons: bool, pairs: u8) -> Option<&'t str> {
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let mut rest = &text[1..];
    let mut seconds = 0;
    for (pair, (unit, most)) in [(3600, 24), (60, 60), (1, 60)].into_iter().take(usize::from(pairs)).enumerate() {
        if pair > 0 && colons {
            rest = rest.strip_prefix(':')?;
        }
        let (value, after) = digits(rest, 2, 2)?;
        if value > most {
            return None;
        }
        seconds += value * unit;
        rest = after;
    }
    read.offset = Some(sign * seconds);
    Some(rest)
}

/// `UTC`, `KST`, `GMT+3`, `+03`: a name does not tell the offset to Go, so it counts as none.
fn zone_name<'t>(read: &mut Read, text: &'t str) -> Option<&'t str> {
    if let Some(rest) = text.strip_prefix("UTC") {
        read.is_utc = true;
        return Some(rest);
    }
    let (name, rest) = text.split_at(zone_name_length(text)?);
    let hours = name.strip_prefix("GMT").and_then(|hours| hours.parse::<i32>().ok()).unwrap_or(0);
    read.zone = Some((name.to_owned(), hours * 3600));
    Some(rest)
}

fn zone_name_length(text: &str) -> Option<usize> {
    if text.starts_with("ChST") || text.starts_with("MeST") {
        return Some(4);
    }
    if let Some(rest) = text.strip_prefix("GMT") {
        return Some(3 + signed_hours_length(rest));
    }
    if text.starts_with(['+', '-']) {
        return Some(signed_hours_length(text)).filter(|length| *length > 0);
    }
    let length = text.bytes().take(6).take_while(u8::is_ascii_uppercase).count();
    let is_name = match length {
        3 => true,
        4 => text[..4].ends_with('T') || text.starts_with("WITA"),
        5 => text[..5].ends_with('T'),
        _ => false,
    };
    is_name.then_some(length)
}

/// The bytes of `+3` or `-11` at the beginning; none where there are no such hours.
fn signed_hours_length(text: &str) -> usize {
    let Some(hours) = text.strip_prefix(['+', '-']) else { return 0 };
    let count = hours.bytes().take_while(u8::is_ascii_digit).count();
    match hours[..count].parse::<u32>() {
        Ok(0..=23) => 1 + count,
        Ok(_) | Err(_) => 0,
    }
}

fn finish(read: Read, year: i32, local: &Zone) -> Option<Time> {
    let hour = match read.afternoon {
        Some(true) if read.hour < 12 => read.hour + 12,
        Some(false) if read.hour == 12 => 0,
        _ => read.hour,
    };
    let year = i16::try_from(year).ok()?;
    let date = match read.year_day {
        Some(day) => {
            let first = Date::new(year, 1, 1).ok()?;
            let date = first.with().day_of_year(day).build().ok()?;
            let same = read.month.is_none_or(|month| month == date.month());
            if same && read.day.is_none_or(|day| day == date.day()) { date } else { return None }
        }
        None => Date::new(year, read.month.unwrap_or(1), read.day.unwrap_or(1)).ok()?,
    };
    let date: DateTime = date.at(hour, read.minute, read.second, read.nanos);
    let fixed = |name: &str, offset| Zone::Fixed { name: name.to_owned(), offset };
    match (read.offset, read.zone) {
        _ if read.is_utc => Time::from_civil(date, Zone::Utc),
        (Some(0), _) => Time::from_civil(date, Zone::Utc),
        (Some(offset), zone) => Time::from_civil(date, fixed(zone.as_ref().map_or("", |(name, _)| name), offset)),
        (None, Some((name, offset))) => {
            // a name that the local zone has at that time means the local zone
            let here = Time::from_civil(date, local.clone())?;
            let is_local = matches!(local, Zone::Named(_)) && here.parts().zone_name == name;
            if is_local { Some(here) } else { Time::from_civil_utc(date, fixed(&name, offset)) }
        }
        (None, None) => Time::from_civil(date, local.clone()),
    }
}

#[cfg(test)]
mod tests {
    use crate::logql::gotext::time::Time;

    #[test]
    fn layouts_name_the_parts() {
        let time = Time::from_unix(1_795_136_405, 120_000_000).expect("in range");
        let table = [
            ("2006-01-02T15:04:05.00Z-07:00", "2026-11-20T01:00:05.12Z+00:00"),
            ("06/1/2 3:04PM", "26/11/20 1:00AM"),
            ("2006-01-02T15:04:05.999Z07:00", "2026-11-20T01:00:05.12Z"),
            ("002 Monday January MST", "324 Friday November UTC"),
            ("Mon Jan _2 15:04:05 2006", "Fri Nov 20 01:00:05 2026"),
            ("Mondays Janet", "Fridays Janet"),
            ("3 03 4 04 5 05 pm", "1 01 0 00 5 05 am"),
            ("_2006 __2", "_2026 324"),
            ("no parts", "no parts"),
        ];
        for (layout, text) in table {
            assert_eq!(time.format(layout), text, "{layout}");
        }
    }
}
