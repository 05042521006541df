//! Values as people write them: `30d`, `1h30m`, `50GB`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A length of time: `500ms`, `90s`, `1h30m`, `30d`, `2w`, `1y`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Span(pub(crate) Duration);

/// An amount of bytes: `512`, `64KB`, `1.5GB` (powers of ten), `64KiB`, `2GiB` (powers of two).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "NumberOrText", into = "String")]
pub(crate) struct ByteSize(pub(crate) u64);

/// A text that is no value of its kind.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{text:?} is not {wanted}")]
pub(crate) struct Invalid {
    text: String,
    wanted: &'static str,
}

/// As Prometheus counts: a day has 24 hours, a week 7 days, a year 365.
const SPAN_UNITS: [(&str, f64); 10] = [
    ("ns", 1.0),
    ("us", 1e3),
    ("µs", 1e3),
    ("ms", 1e6),
    ("s", 1e9),
    ("m", 60e9),
    ("h", 3600e9),
    ("d", 86_400e9),
    ("w", 604_800e9),
    ("y", 31_536_000e9),
];

const SIZE_UNITS: [(&str, f64); 13] = [
    ("", 1.0),
    ("b", 1.0),
    ("k", 1e3),
    ("kb", 1e3),
    ("m", 1e6),
    ("mb", 1e6),
    ("g", 1e9),
    ("gb", 1e9),
    ("tb", 1e12),
    ("kib", 1024.0),
    ("mib", 1_048_576.0),
    ("gib", 1_073_741_824.0),
    ("tib", 1_099_511_627_776.0),
];

/// A number and the letters behind it, then what follows.
fn take_part(text: &str) -> Option<(f64, &str, &str)> {
    let number_end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, rest) = text.split_at(number_end);
    let unit_end = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
    let (unit, rest) = rest.split_at(unit_end);
    Some((number.parse().ok()?, unit, rest))
}

fn unit_in(units: &[(&str, f64)], name: &str) -> Option<f64> {
    units.iter().find(|(unit, _)| *unit == name).map(|(_, factor)| *factor)
}

impl FromStr for Span {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Span, Invalid> {
        let invalid = || Invalid { text: text.to_owned(), wanted: "a length of time such as 90s, 1h30m or 30d" };
        let mut rest = text.trim();
        let mut nanos = 0.0;
        while !rest.is_empty() {
            let (number, unit, after) = take_part(rest).ok_or_else(invalid)?;
            nanos += number * unit_in(&SPAN_UNITS, unit).ok_or_else(invalid)?;
            rest = after;
        }
        // i64 nanoseconds reach 292 years: beyond that a span is a slip of the finger
        if text.trim().is_empty() || nanos > 9.2e18 {
            return Err(invalid());
        }
        Ok(Span(Duration::from_nanos(nanos as u64)))
    }
}

impl FromStr for ByteSize {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<ByteSize, Invalid> {
        let invalid = || Invalid { text: text.to_owned(), wanted: "an amount of bytes such as 64MB, 50GB or 2GiB" };
        let lower = text.trim().to_ascii_lowercase();
        let (number, unit, rest) = take_part(&lower).ok_or_else(invalid)?;
        let bytes = number * unit_in(&SIZE_UNITS, unit.trim()).ok_or_else(invalid)?;
        if !rest.is_empty() || bytes > 9.2e18 {
            return Err(invalid());
        }
        Ok(ByteSize(bytes as u64))
    }
}

impl TryFrom<String> for Span {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Span, Invalid> {
        text.parse()
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum NumberOrText {
    Number(u64),
    Text(String),
}

impl TryFrom<NumberOrText> for ByteSize {
    type Error = Invalid;

    fn try_from(value: NumberOrText) -> Result<ByteSize, Invalid> {
        match value {
            NumberOrText::Number(bytes) => Ok(ByteSize(bytes)),
            NumberOrText::Text(text) => text.parse(),
        }
    }
}

impl From<Span> for String {
    fn from(span: Span) -> String {
        span.to_string()
    }
}

impl From<ByteSize> for String {
    fn from(size: ByteSize) -> String {
        size.to_string()
    }
}

impl fmt::Display for Span {
    /// In the largest units that fit: `30d`, `1h30m`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut nanos = self.0.as_nanos();
        if nanos == 0 {
            return out.write_str("0s");
        }
        for (unit, size) in [
            ("d", 86_400_000_000_000),
            ("h", 3_600_000_000_000),
            ("m", 60_000_000_000),
            ("s", 1_000_000_000),
            ("ms", 1_000_000),
            ("us", 1000),
            ("ns", 1),
        ] {
            if nanos >= size {
                write!(out, "{}{unit}", nanos / size)?;
                nanos %= size;
            }
        }
        Ok(())
    }
}

impl fmt::Display for ByteSize {
    /// In the largest unit that divides it: `50GB`, `2GiB`, `1500B`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(&str, u64); 8] = [
            ("TiB", 1 << 40),
            ("TB", 1_000_000_000_000),
            ("GiB", 1 << 30),
            ("GB", 1_000_000_000),
            ("MiB", 1 << 20),
            ("MB", 1_000_000),
            ("KiB", 1 << 10),
            ("KB", 1000),
        ];
        match UNITS.iter().find(|(_, size)| self.0 >= *size && self.0.is_multiple_of(*size)) {
            Some((unit, size)) => write!(out, "{}{unit}", self.0 / size),
            None => write!(out, "{}B", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::cli::values::{ByteSize, Span};

    fn check_span(text: &str, printed: Option<&str>) {
        assert_eq!(text.parse::<Span>().ok().map(|span| span.to_string()).as_deref(), printed, "{text}");
    }

    fn check_size(text: &str, bytes: Option<u64>) {
        assert_eq!(text.parse::<ByteSize>().ok().map(|size| size.0), bytes, "{text}");
        if let Some(bytes) = bytes {
            assert_eq!(ByteSize(bytes).to_string().parse(), Ok(ByteSize(bytes)));
        }
    }

    #[test]
    fn spans_are_read_as_prometheus_writes_them() {
        check_span("90s", Some("1m30s"));
        check_span("1h30m", Some("1h30m"));
        check_span("1.5h", Some("1h30m"));
        check_span("2w", Some("14d"));
        check_span("0s", Some("0s"));
        for bad in ["", "5", "h", "5x", "1h 30m", "-1h", "1e3s", "400y"] {
            check_span(bad, None);
        }
    }

    #[test]
    fn sizes_know_powers_of_ten_and_of_two() {
        check_size("512", Some(512));
        check_size("50GB", Some(50_000_000_000));
        check_size("2GiB", Some(2 << 30));
        check_size("1.5 mb", Some(1_500_000));
        for bad in ["", "GB", "5 apples", "1GB2MB", "-1", "99999999TB"] {
            check_size(bad, None);
        }
    }
}
