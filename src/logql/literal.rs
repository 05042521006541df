//! Literals as Go reads and writes them: quoted text, numbers, durations, sizes in bytes.
//!
//! Loki is written in Go, so its language takes Go's literals and its answers print them Go's way.

use std::fmt::Write as _;

const MILLISECOND: i64 = 1_000_000;
const SECOND: i64 = 1_000 * MILLISECOND;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Units of Prometheus durations, the biggest first, which is also the order they must come in.
const RANGE_UNITS: [(&str, i64); 7] =
    [("y", 365 * DAY), ("w", 7 * DAY), ("d", DAY), ("h", HOUR), ("m", MINUTE), ("s", SECOND), ("ms", MILLISECOND)];

/// Units of Go durations; both signs for micro are in use.
const GO_UNITS: [(&str, i64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", MILLISECOND),
    ("s", SECOND),
    ("m", MINUTE),
    ("h", HOUR),
];

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

/// A text as a quoted literal, everything that cannot be seen escaped.
pub(crate) fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{07}' => out.push_str("\\a"),
            '\u{08}' => out.push_str("\\b"),
            '\u{0c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{0b}' => out.push_str("\\v"),
            c if is_printable(c) => out.push(c),
            c if u32::from(c) < 0x80 => push(&mut out, format_args!("\\x{:02x}", u32::from(c))),
            c if u32::from(c) < 0x1_0000 => push(&mut out, format_args!("\\u{:04x}", u32::from(c))),
            c => push(&mut out, format_args!("\\U{:08x}", u32::from(c))),
        }
    }
    out.push('"');
    out
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("writing to a string does not fail");
}

/// Letters, marks, numbers, punctuation, symbols and the plain space. The standard library knows them by its own
/// escaping, which treats a mark as printable only behind another character.
fn is_printable(c: char) -> bool {
    if c.is_ascii() {
        return !c.is_ascii_control();
    }
    let mut pair = String::from("a");
    pair.push(c);
    pair.escape_debug().eq(pair.chars())
}

/// A number, or Go's words for what is wrong with it.
pub(crate) fn parse_float(text: &str) -> Result<f64, String> {
    let lower = text.to_ascii_lowercase();
    let value = match lower.strip_prefix("0x") {
        Some(hex) => hex_float(hex),
        None => lower.parse::<f64>().ok(),
    };
    match value {
        Some(value) if value.is_finite() => Ok(value),
        Some(_) => Err(format!("strconv.ParseFloat: parsing {}: value out of range", quote(text))),
        None => Err(format!("strconv.ParseFloat: parsing {}: invalid syntax", quote(text))),
    }
}

/// `1.8p3` of `0x1.8p3`; the exponent is not optional.
fn hex_float(text: &str) -> Option<f64> {
    let (mantissa, exponent) = text.split_once('p')?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut value = 0.0;
    for digit in whole.chars().chain(fraction.chars()) {
        value = value * 16.0 + f64::from(digit.to_digit(16)?);
    }
    let exponent: i32 = exponent.parse().ok()?;
    let shift = i32::try_from(fraction.len()).ok()?.checked_mul(4)?;
    Some(value * 2f64.powi(exponent.checked_sub(shift)?))
}

/// A number as Go prints it by default: the shortest digits, with an exponent from a million on.
pub(crate) fn format_float(value: f64) -> String {
    if !value.is_finite() {
        return special_float(value);
    }
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').expect("the format has an exponent");
    let exponent: i32 = exponent.parse().expect("an exponent is a number");
    if (-4..6).contains(&exponent) {
        return format_decimal(value);
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.unsigned_abs())
}

/// A number without an exponent, however long that gets.
pub(crate) fn format_decimal(value: f64) -> String {
    if value.is_finite() { format!("{value}") } else { special_float(value) }
}

fn special_float(value: f64) -> String {
    match value {
        value if value.is_nan() => "NaN".to_owned(),
        value if value > 0.0 => "+Inf".to_owned(),
        _ => "-Inf".to_owned(),
    }
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
    parse_range(text).ok().or_else(|| parse_go_duration(text))
}

fn parse_go_duration(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, after) = rest.split_at(number_end);
        let unit_end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        let (_, scale) = GO_UNITS.iter().find(|(name, _)| *name == unit)?;
        total = total.checked_add(scaled(number, i128::from(*scale))?)?;
        rest = after;
    }
    i64::try_from(if negative { -total } else { total }).ok()
}

/// `1.5` times `scale`, cut to a whole number.
fn scaled(number: &str, scale: i128) -> Option<i128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let mut total = whole.checked_mul(scale)?;
    // eighteen digits are more than any unit has
    let mut part: i128 = 0;
    let mut divisor: i128 = 1;
    for digit in fraction.chars().take(18) {
        part = part * 10 + i128::from(digit.to_digit(10)?);
        divisor *= 10;
    }
    total = total.checked_add(part.checked_mul(scale)? / divisor)?;
    Some(total)
}

/// Nanoseconds as Go prints a duration: `1h0m0s`, `1.5s`, `300ms`.
pub(crate) fn format_duration(nanos: i64) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let nanos = nanos.unsigned_abs();
    let below_second =
        |unit: u64, name: &str| format!("{sign}{}{name}", with_fraction(nanos / unit, nanos % unit, unit));
    match nanos {
        0 => "0s".to_owned(),
        1..1_000 => below_second(1, "ns"),
        1_000..1_000_000 => below_second(1_000, "\u{b5}s"),
        1_000_000..1_000_000_000 => below_second(1_000_000, "ms"),
        _ => {
            let seconds = nanos / 1_000_000_000;
            let tail = format!("{}s", with_fraction(seconds % 60, nanos % 1_000_000_000, 1_000_000_000));
            match (seconds / 3600, seconds / 60 % 60) {
                (0, 0) => format!("{sign}{tail}"),
                (0, minutes) => format!("{sign}{minutes}m{tail}"),
                (hours, minutes) => format!("{sign}{hours}h{minutes}m{tail}"),
            }
        }
    }
}

/// `whole` and `part / unit` as a decimal number without zeros at its end; `unit` is a power of ten.
fn with_fraction(whole: u64, part: u64, unit: u64) -> String {
    if part == 0 {
        return whole.to_string();
    }
    let width = unit.ilog10() as usize;
    format!("{whole}.{}", format!("{part:0width$}").trim_end_matches('0'))
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
        push(&mut out, format_args!("{}{name}", left / unit));
        left %= unit;
    }
    out
}

/// A size in bytes: `5KB`, `1.5GiB`, `10M`. Units of 1000 and, with an `i`, of 1024, in any mix of capitals.
pub(crate) fn parse_bytes(text: &str) -> Option<u64> {
    let digit_end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 = text[..digit_end].parse().ok()?;
    let unit = text[digit_end..].to_ascii_lowercase();
    let scale = match unit.as_str() {
        "" | "b" => 1.0,
        "k" | "kb" => 1e3,
        "ki" | "kib" => 1024.0,
        "m" | "mb" => 1e6,
        "mi" | "mib" => 1_048_576.0,
        "g" | "gb" => 1e9,
        "gi" | "gib" => 1_073_741_824.0,
        "t" | "tb" => 1e12,
        "ti" | "tib" => 1_099_511_627_776.0,
        "p" | "pb" => 1e15,
        "pi" | "pib" => 1_125_899_906_842_624.0,
        _ => return None,
    };
    let bytes = number * scale;
    // the nearest number to the greatest u64 is one more than it
    (bytes < 18_446_744_073_709_551_616.0).then_some(bytes as u64)
}

/// A size in bytes with two or three digits, as Loki prints it: `5.0kB`, `21MB`.
///
/// Two sizes are written otherwise, because Loki's own form cannot be read again: nothing is `0kB`, and what is above
/// a petabyte stays in terabytes.
pub(crate) fn format_bytes(bytes: u64) -> String {
    const UNITS: [(&str, u64); 5] =
        [("B", 1), ("kB", 1_000), ("MB", 1_000_000), ("GB", 1_000_000_000), ("TB", 1_000_000_000_000)];
    if bytes == 0 {
        return "0kB".to_owned();
    }
    if bytes < 10 {
        return format!("{bytes}B");
    }
    let (unit, size) = UNITS.iter().rev().find(|(_, size)| bytes >= *size).expect("one byte is the least unit");
    let value = (bytes as f64 / *size as f64 * 10.0 + 0.5).floor() / 10.0;
    if value < 10.0 { format!("{value:.1}{unit}") } else { format!("{value:.0}{unit}") }
}

/// The size that remains when a size is printed and read again.
pub(crate) fn rounded_bytes(bytes: u64) -> u64 {
    let mut rounded = bytes;
    // the second round only mends a last digit lost to floating point
    for _ in 0..3 {
        rounded = parse_bytes(&format_bytes(rounded)).unwrap_or(rounded);
    }
    rounded
}

#[cfg(test)]
mod tests {
    use crate::logql::literal::{
        format_bytes, format_decimal, format_duration, format_float, format_range, parse_bytes, parse_duration,
        parse_float, parse_range, quote, rounded_bytes, unquote,
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
    fn what_cannot_be_seen_is_quoted_with_escapes() {
        assert_eq!(quote("a\"\\\n\u{7f}\u{1b}"), r#""a\"\\\n\x7f\x1b""#);
        assert_eq!(quote("안녕 é e\u{301} 😀"), "\"안녕 é e\u{301} 😀\"");
        assert_eq!(quote("\u{a0}\u{200b}\u{feff}\u{e000}\u{10ffff}"), r#""\u00a0\u200b\ufeff\ue000\U0010ffff""#);
    }

    #[test]
    fn numbers_are_read_as_go_reads_them() {
        assert_eq!(parse_float("1e3"), Ok(1000.0));
        assert_eq!(parse_float("017"), Ok(17.0));
        assert_eq!(parse_float(".5"), Ok(0.5));
        assert_eq!(parse_float("0x1.8p1"), Ok(3.0));
        assert_eq!(parse_float("0x10"), Err(r#"strconv.ParseFloat: parsing "0x10": invalid syntax"#.to_owned()));
        assert_eq!(parse_float("1_0"), Err(r#"strconv.ParseFloat: parsing "1_0": invalid syntax"#.to_owned()));
        assert_eq!(parse_float("1e999"), Err(r#"strconv.ParseFloat: parsing "1e999": value out of range"#.to_owned()));
    }

    #[test]
    fn numbers_are_printed_as_go_prints_them() {
        for (value, default, decimal) in [
            (512.0, "512", "512"),
            (0.99, "0.99", "0.99"),
            (1e5, "100000", "100000"),
            (1e6, "1e+06", "1000000"),
            (1_234_567.0, "1.234567e+06", "1234567"),
            (1e21, "1e+21", "1000000000000000000000"),
            (1e-4, "0.0001", "0.0001"),
            (1.5e-5, "1.5e-05", "0.000015"),
            (-2.5, "-2.5", "-2.5"),
            (f64::NAN, "NaN", "NaN"),
            (f64::INFINITY, "+Inf", "+Inf"),
        ] {
            assert_eq!((format_float(value).as_str(), format_decimal(value).as_str()), (default, decimal));
        }
    }

    #[test]
    fn durations_are_read_and_printed_in_both_ways() {
        for (text, nanos, go, range) in [
            ("5m", 300_000_000_000, "5m0s", "5m"),
            ("1h2m3s", 3_723_000_000_000, "1h2m3s", "1h2m3s"),
            ("1.5s", 1_500_000_000, "1.5s", "1s500ms"),
            ("1d", 86_400_000_000_000, "24h0m0s", "1d"),
            ("90d", 7_776_000_000_000_000, "2160h0m0s", "90d"),
            ("2w", 1_209_600_000_000_000, "336h0m0s", "2w"),
            ("1y", 31_536_000_000_000_000, "8760h0m0s", "1y"),
            ("100ms", 100_000_000, "100ms", "100ms"),
            ("1.5µs", 1_500, "1.5µs", "0s"),
            ("-5m", -300_000_000_000, "-5m0s", "-5m"),
            ("0s", 0, "0s", "0s"),
        ] {
            assert_eq!(parse_duration(text), Some(nanos), "{text}");
            assert_eq!(format_duration(nanos), go);
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
        for (text, bytes, printed, rounded) in [
            ("5KB", 5_000, "5.0kB", 5_000),
            ("20MiB", 20_971_520, "21MB", 21_000_000),
            ("10MiB", 10_485_760, "10MB", 10_000_000),
            ("1.5GB", 1_500_000_000, "1.5GB", 1_500_000_000),
            ("999.95kB", 999_950, "1000kB", 1_000_000),
            ("5B", 5, "5B", 5),
            ("0kB", 0, "0kB", 0),
            ("12k", 12_000, "12kB", 12_000),
            ("2000TB", 2_000_000_000_000_000, "2000TB", 2_000_000_000_000_000),
        ] {
            assert_eq!(parse_bytes(text), Some(bytes), "{text}");
            assert_eq!(format_bytes(bytes), printed);
            assert_eq!(rounded_bytes(bytes), rounded);
        }
        assert_eq!(parse_bytes("5.5.5"), None);
        assert_eq!(parse_bytes("20000000TB"), None);
    }
}
