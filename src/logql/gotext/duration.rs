//! `time.ParseDuration` and `time.Duration.String`.

use std::fmt::Write as _;

const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// As this part of Go quotes: whatever is not plain ASCII is written byte by byte.
fn quote(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            ' '..='\x7f' => out.push(c),
            _ => {
                for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                    // writing into a string cannot fail
                    let _ = write!(out, "\\x{byte:02x}");
                }
            }
        }
    }
    out.push('"');
    out
}

/// Nanoseconds of `1h30m`, `-1.5s`, `100ns`, `0`; there are no days or weeks. The error is Go's text.
pub fn parse(text: &str) -> Result<i64, String> {
    let invalid = || format!("time: invalid duration {}", quote(text));
    let (negative, body) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if body == "0" {
        return Ok(0);
    }
    if body.is_empty() {
        return Err(invalid());
    }
    let mut total: u64 = 0;
    let mut rest = body;
    while !rest.is_empty() {
        let (digits, after) = split_digits(rest);
        let whole: u64 = if digits.is_empty() { 0 } else { digits.parse().map_err(|_| invalid())? };
        let (fraction, after) = match after.strip_prefix('.') {
            Some(after) => split_digits(after),
            None => ("", after),
        };
        if digits.is_empty() && fraction.is_empty() {
            return Err(invalid());
        }
        let unit_end = after.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        if unit.is_empty() {
            return Err(format!("time: missing unit in duration {}", quote(text)));
        }
        let Some((_, nanos)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(format!("time: unknown unit {} in duration {}", quote(unit), quote(text)));
        };
        let part = whole.checked_mul(*nanos).filter(|part| *part <= 1 << 63).ok_or_else(invalid)?;
        let part = part + fraction_nanos(fraction, *nanos);
        total = total.checked_add(part).filter(|total| *total <= 1 << 63).ok_or_else(invalid)?;
        rest = after;
    }
    if negative {
        return Ok(0i64.wrapping_sub_unsigned(total));
    }
    i64::try_from(total).map_err(|_| invalid())
}

fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(text.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len()))
}

/// Digits after the point, as many as fit 63 bits, of a unit; rounded down.
fn fraction_nanos(digits: &str, unit: u64) -> u64 {
    let mut value: u64 = 0;
    let mut scale: f64 = 1.0;
    for digit in digits.bytes().map(|byte| u64::from(byte - b'0')) {
        match value.checked_mul(10).and_then(|value| value.checked_add(digit)) {
            Some(next) if next <= 1 << 63 => value = next,
            Some(_) | None => break,
        }
        scale *= 10.0;
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below one unit, which fits")]
    let nanos = (value as f64 * (unit as f64 / scale)) as u64;
    nanos
}

/// `1h30m0s`, `1.5s`, `15µs`, `0s`
pub fn format(nanos: i64) -> String {
    let magnitude = nanos.unsigned_abs();
    let sign = if nanos < 0 { "-" } else { "" };
    let with_fraction = |unit: u64, name: &str| {
        let fraction = decimals(magnitude % unit, unit);
        format!("{sign}{}{fraction}{name}", magnitude / unit)
    };
    match magnitude {
        0 => "0s".to_owned(),
        1..1_000 => with_fraction(1, "ns"),
        1_000..1_000_000 => with_fraction(1_000, "µs"),
        1_000_000..1_000_000_000 => with_fraction(1_000_000, "ms"),
        _ => {
            let fraction = decimals(magnitude % 1_000_000_000, 1_000_000_000);
            let seconds = magnitude / 1_000_000_000;
            let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
            match (hours, minutes) {
                (0, 0) => format!("{sign}{seconds}{fraction}s"),
                (0, _) => format!("{sign}{minutes}m{seconds}{fraction}s"),
                _ => format!("{sign}{hours}h{minutes}m{seconds}{fraction}s"),
            }
        }
    }
}

fn decimals(rest: u64, unit: u64) -> String {
    if rest == 0 {
        return String::new();
    }
    let width = usize::try_from(unit.ilog10()).unwrap_or(0);
    let digits = format!("{rest:0width$}");
    format!(".{}", digits.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use crate::logql::gotext::duration::{format, parse};

    #[test]
    fn durations_are_read_as_go_reads_them() {
        let table = [
            ("1h30m", 5_400_000_000_000),
            ("-1.5s", -1_500_000_000),
            ("+100ns", 100),
            ("15µs", 15_000),
            ("15us", 15_000),
            ("0", 0),
            (".5s", 500_000_000),
            ("1.s", 1_000_000_000),
            ("0.1ms", 100_000),
            ("2540400h10m10s", 9_145_440_610_000_000_000),
            ("-9223372036854775808ns", i64::MIN),
        ];
        for (text, nanos) in table {
            assert_eq!(parse(text), Ok(nanos), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_named_in_the_error() {
        let table = [
            ("", "time: invalid duration \"\""),
            ("bad", "time: invalid duration \"bad\""),
            ("5", "time: missing unit in duration \"5\""),
            ("1d", "time: unknown unit \"d\" in duration \"1d\""),
            ("1 s", "time: unknown unit \" s\" in duration \"1 s\""),
            ("9223372036854775808ns", "time: invalid duration \"9223372036854775808ns\""),
            (".s", "time: invalid duration \".s\""),
        ];
        for (text, error) in table {
            assert_eq!(parse(text), Err(error.to_owned()), "{text}");
        }
    }

    #[test]
    fn durations_are_written_as_go_writes_them() {
        let table = [
            (0, "0s"),
            (100, "100ns"),
            (1_500, "1.5µs"),
            (250_000_000, "250ms"),
            (-1_500_000_000, "-1.5s"),
            (5_400_000_000_000, "1h30m0s"),
            (60_000_000_000, "1m0s"),
        ];
        for (nanos, text) in table {
            assert_eq!(format(nanos), text);
        }
    }
}
