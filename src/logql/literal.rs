//! Literals of the language: quoted texts, numbers, durations, ranges, sizes. What is Go's own is in
//! [`gotext`](crate::logql::gotext).

use crate::logql::gotext::number::{self, FloatFormat};
use crate::logql::gotext::quote::quote;
use crate::logql::gotext::{bytes, duration};

const MILLISECOND: i64 = 1_000_000;
const SECOND: i64 = 1_000 * MILLISECOND;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Units of Prometheus durations, the biggest first, which is also the order they must come in.
const RANGE_UNITS: [(&str, i64); 7] =
    [("y", 365 * DAY), ("w", 7 * DAY), ("d", DAY), ("h", HOUR), ("m", MINUTE), ("s", SECOND), ("ms", MILLISECOND)];

/// The text of a literal, quotes included: `"…"` with escapes or `` `…` `` as it stands. None where an escape is wrong.
/// Escaped bytes that are no UTF-8 become U+FFFD, because lines hold nothing else.
pub(crate) fn unquote(literal: &str) -> Option<String> {
    if let Some(raw) = literal.strip_prefix('`') {
        return raw.strip_suffix('`').map(str::to_owned);
    }
    let body = literal.strip_prefix('"')?.strip_suffix('"')?;
    let mut bytes = Vec::with_capacity(body.len());
    let mut rest = body;
    while let Some(at) = rest.find('\\') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        rest = unescape(&rest[at + 1..], &mut bytes)?;
    }
    bytes.extend_from_slice(rest.as_bytes());
    Some(String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

/// Reads what follows a backslash; answers the text behind it.
fn unescape<'a>(text: &'a str, bytes: &mut Vec<u8>) -> Option<&'a str> {
    let sign = text.chars().next()?;
    let simple = match sign {
        'a' => 0x07,
        'b' => 0x08,
        'f' => 0x0c,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 0x0b,
        '\\' | '"' => sign as u8,
        'x' => return numeric_escape(&text[1..], 16, 2, bytes),
        'u' => return numeric_escape(&text[1..], 16, 4, bytes),
        'U' => return numeric_escape(&text[1..], 16, 8, bytes),
        '0'..='7' => return numeric_escape(text, 8, 3, bytes),
        _ => return None,
    };
    bytes.push(simple);
    Some(&text[sign.len_utf8()..])
}

/// Two hexadecimal or three octal digits are a byte; four and eight hexadecimal digits are a character.
fn numeric_escape<'a>(text: &'a str, base: u32, length: usize, bytes: &mut Vec<u8>) -> Option<&'a str> {
    let digits = text.get(..length).filter(|digits| digits.chars().all(|digit| digit.is_digit(base)))?;
    let code = u32::from_str_radix(digits, base).ok()?;
    if length < 4 {
        bytes.push(u8::try_from(code).ok()?);
    } else if code > u32::from(char::MAX) {
        return None;
    } else {
        let c = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
        bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    }
    Some(&text[length..])
}

/// A number as Go prints it by default: the shortest digits, with an exponent from a million on.
pub(crate) fn format_float(value: f64) -> String {
    number::format_float(without_sign_of_zero(value), FloatFormat::General, None)
}

/// A number without an exponent, however long that gets.
pub(crate) fn format_decimal(value: f64) -> String {
    number::format_float(without_sign_of_zero(value), FloatFormat::Plain, None)
}

/// `-0` would be read as a duration.
fn without_sign_of_zero(value: f64) -> f64 {
    if value == 0.0 { 0.0 } else { value }
}

/// A duration as it stands in `[5m]`: whole numbers with units from years to milliseconds. In nanoseconds, or what is
/// wrong in Prometheus' words.
pub(crate) fn parse_range(text: &str) -> Result<i64, String> {
    let invalid = || format!("not a valid duration string: {}", quote(text));
    match text {
        "" => return Err("empty duration string".to_owned()),
        "0" => return Ok(0),
        _ => {}
    }
    let mut total: i64 = 0;
    let mut rest = text;
    let mut first_allowed = 0;
    while !rest.is_empty() {
        let digit_end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let count: u64 = rest[..digit_end].parse().map_err(|_| invalid())?;
        rest = &rest[digit_end..];
        let unit_end = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let unit = &rest[..unit_end];
        if unit.is_empty() {
            return Err(invalid());
        }
        rest = &rest[unit_end..];
        let Some(index) = RANGE_UNITS.iter().position(|(name, _)| *name == unit) else {
            return Err(format!("unknown unit {} in duration {}", quote(unit), quote(text)));
        };
        if index < first_allowed {
            return Err(invalid());
        }
        first_allowed = index + 1;
        total = i64::try_from(count)
            .ok()
            .and_then(|count| count.checked_mul(RANGE_UNITS[index].1))
            .and_then(|part| total.checked_add(part))
            .ok_or("duration out of range")?;
    }
    Ok(total)
}

/// A duration as it stands in filters and after `offset`: as in ranges, or Go's way with signs and fractions.
pub(crate) fn parse_duration(text: &str) -> Option<i64> {
    parse_range(text).or_else(|_| duration::parse(text)).ok()
}

/// Nanoseconds as Prometheus prints a range: `1d`, `1m30s`, `100ms`. What is below a millisecond is cut.
pub(crate) fn format_range(nanos: i64) -> String {
    let mut left = nanos - nanos % MILLISECOND;
    if left <= 0 {
        return if left == 0 { "0s".to_owned() } else { format!("-{}", format_range(left.saturating_neg())) };
    }
    let mut out = String::new();
    for (name, unit) in RANGE_UNITS {
        // years and weeks only where nothing is left over: 90d reads better than 12w6d
        let exact_only = matches!(name, "y" | "w");
        if (exact_only && left % unit != 0) || left / unit == 0 {
            continue;
        }
        out.push_str(&format!("{}{name}", left / unit));
        left %= unit;
    }
    out
}

/// A size in bytes with two or three digits, as Loki prints it: `5.0kB`, `21MB`.
///
/// Two sizes are written otherwise, because Loki's own form cannot be read again: nothing is `0kB`, and what is above
/// a petabyte stays in terabytes.
pub(crate) fn format_bytes(size: u64) -> String {
    const TERABYTE: u64 = 1_000_000_000_000;
    match size {
        0 => "0kB".to_owned(),
        1..1_000_000_000_000_000 => bytes::format(size).replace(' ', ""),
        _ => format!("{}TB", (size + TERABYTE / 2) / TERABYTE),
    }
}

/// The size that remains when a size is printed and read again.
pub(crate) fn rounded_bytes(size: u64) -> u64 {
    let mut rounded = size;
    // one round does nearly all, the others mend a last digit lost to floating point
    for _ in 0..3 {
        rounded = bytes::parse(&format_bytes(rounded)).unwrap_or(rounded);
    }
    rounded
}

#[cfg(test)]
mod tests {
    use crate::logql::literal::{
        format_bytes, format_decimal, format_float, format_range, parse_duration, parse_range, rounded_bytes, unquote,
    };

    #[test]
    fn quoted_text_is_read_with_its_escapes_and_raw_text_without() {
        for (literal, text) in [
            (r#""a\"b\\\n""#, Some("a\"b\\\n")),
            (r#""\x41\101\u00e9\U0001F600""#, Some("AAé😀")),
            (r#""\xec\x95\x88""#, Some("안")),
            (r#""\xff""#, Some("\u{fffd}")),
            (r"`a\n`", Some("a\\n")),
            (r#""\400""#, None),
            (r#""\d""#, None),
            (r#""\u12""#, None),
            (r#""\'""#, None),
        ] {
            assert_eq!(unquote(literal).as_deref(), text, "{literal}");
        }
    }

    #[test]
    fn numbers_are_printed_as_go_prints_them() {
        for (value, default, decimal) in [
            (512.0, "512", "512"),
            (1e6, "1e+06", "1000000"),
            (-2.5, "-2.5", "-2.5"),
            (-0.0, "0", "0"),
            (f64::NAN, "NaN", "NaN"),
        ] {
            assert_eq!((format_float(value).as_str(), format_decimal(value).as_str()), (default, decimal));
        }
    }

    #[test]
    fn durations_are_read_and_printed_in_both_ways() {
        for (text, nanos, range) in [
            ("5m", 300_000_000_000, "5m"),
            ("1h2m3s", 3_723_000_000_000, "1h2m3s"),
            ("1.5s", 1_500_000_000, "1s500ms"),
            ("1d", 86_400_000_000_000, "1d"),
            ("90d", 7_776_000_000_000_000, "90d"),
            ("2w", 1_209_600_000_000_000, "2w"),
            ("1y", 31_536_000_000_000_000, "1y"),
            ("100ms", 100_000_000, "100ms"),
            ("1.5µs", 1_500, "0s"),
            ("-5m", -300_000_000_000, "-5m"),
            ("0s", 0, "0s"),
        ] {
            assert_eq!(parse_duration(text), Some(nanos), "{text}");
            assert_eq!(format_range(nanos), range);
        }
        assert_eq!(parse_duration("-1d"), None);
        assert_eq!(parse_duration("1s1h"), Some(3_601_000_000_000));
    }

    #[test]
    fn ranges_are_refused_in_the_words_of_prometheus() {
        assert_eq!(parse_range("1s1h"), Err(r#"not a valid duration string: "1s1h""#.to_owned()));
        assert_eq!(parse_range("5"), Err(r#"not a valid duration string: "5""#.to_owned()));
        assert_eq!(parse_range("1h:1m"), Err(r#"unknown unit "h:" in duration "1h:1m""#.to_owned()));
        assert_eq!(parse_range("400y"), Err("duration out of range".to_owned()));
    }

    #[test]
    fn sizes_are_rounded_to_what_is_printed() {
        for (size, printed, rounded) in [
            (5_000, "5.0kB", 5_000),
            (20_971_520, "21MB", 21_000_000),
            (10_485_760, "10MB", 10_000_000),
            (1_500_000_000, "1.5GB", 1_500_000_000),
            (999_950, "1000kB", 1_000_000),
            (5, "5B", 5),
            (0, "0kB", 0),
            (2_000_000_000_000_000, "2000TB", 2_000_000_000_000_000),
        ] {
            assert_eq!(format_bytes(size), printed);
            assert_eq!(rounded_bytes(size), rounded);
        }
    }
}
