//! `strconv`: numbers from text and to text.

use crate::logql::gotext::quote::quote;

/// `strconv.ParseFloat(text, 64)`: decimal, hexadecimal, infinities, NaN, `_` between digits. The error is Go's text.
pub fn parse_float(text: &str) -> Result<f64, String> {
    // the fast way for what nearly every number looks like; Rust reads these as Go does
    if text.len() <= 15 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return text.parse().map_err(|_| float_error(text, "invalid syntax"));
    }
    match read_float(text) {
        None => Err(float_error(text, "invalid syntax")),
        Some((value, true)) => Ok(value),
        Some((value, false)) if value.is_infinite() => Err(float_error(text, "value out of range")),
        Some((value, false)) => Ok(value),
    }
}

fn float_error(text: &str, reason: &str) -> String {
    format!("strconv.ParseFloat: parsing {}: {reason}", quote(text))
}

/// The value and whether it is one of the special words; `None` where the text is no number.
fn read_float(text: &str) -> Option<(f64, bool)> {
    let (negative, body) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let sign = if negative { -1.0 } else { 1.0 };
    if body.eq_ignore_ascii_case("inf") || body.eq_ignore_ascii_case("infinity") {
        return Some((sign * f64::INFINITY, true));
    }
    if text.eq_ignore_ascii_case("nan") {
        return Some((f64::NAN, true));
    }
    if !underscores_are_fine(body) {
        return None;
    }
    let plain = body.replace('_', "");
    let value = match plain.strip_prefix("0x").or_else(|| plain.strip_prefix("0X")) {
        Some(digits) => read_hexadecimal(digits)?,
        None => {
            let known = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-');
            // Rust would also take a second sign
            if !plain.bytes().all(known) || plain.starts_with(['+', '-']) {
                return None;
            }
            plain.parse::<f64>().ok()?
        }
    };
    Some((sign * value, false))
}

/// An underscore must stand between two digits, or between the prefix of a base and a digit.
fn underscores_are_fine(body: &str) -> bool {
    if !body.contains('_') {
        return true;
    }
    let bytes = body.as_bytes();
    let based = bytes.len() >= 2 && bytes[0] == b'0' && b"xXbBoO".contains(&bytes[1]);
    let hexadecimal = based && matches!(bytes[1], b'x' | b'X');
    let is_digit = |byte: u8| byte.is_ascii_digit() || (hexadecimal && byte.is_ascii_hexdigit());
    let start = if based { 2 } else { 0 };
    bytes.iter().enumerate().skip(start).filter(|(_, byte)| **byte == b'_').all(|(index, _)| {
        let before = (based && index == 2) || (index > start && is_digit(bytes[index - 1]));
        before && bytes.get(index + 1).is_some_and(|byte| is_digit(*byte))
    })
}

/// `1.8p3` after `0x`: the exponent is a power of two and must be there.
fn read_hexadecimal(digits: &str) -> Option<f64> {
    let (mantissa, exponent) = digits.split_once(['p', 'P'])?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let unsigned = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    if unsigned.is_empty() || !unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let mut value = 0f64;
    for digit in whole.chars().chain(fraction.chars()) {
        value = value * 16.0 + f64::from(digit.to_digit(16)?);
    }
    let shift = i32::try_from(fraction.len()).ok()?.checked_mul(4)?;
    let exponent = exponent.parse::<i32>().unwrap_or(if exponent.starts_with('-') { -100_000 } else { 100_000 });
    Some(value * 2f64.powi(exponent.saturating_sub(shift)))
}

/// `strconv.ParseInt(text, 10, 64)`, for a function of that name; the error is Go's text.
pub fn parse_int(text: &str) -> Result<i64, String> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(int_error(text, "invalid syntax"));
    }
    text.parse().map_err(|_| int_error(text, "value out of range"))
}

/// `strconv.ParseInt(text, 0, 64)`: also `0x1f`, `0b1`, `0o7`, `017` and `1_000`.
pub fn parse_int_any_base(text: &str) -> Option<i64> {
    let (negative, body) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if !underscores_are_fine(body) {
        return None;
    }
    let lower = body.to_ascii_lowercase();
    let (radix, digits) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, &lower[2..]),
        [b'0', b'b', ..] => (2, &lower[2..]),
        [b'0', b'o', ..] => (8, &lower[2..]),
        [b'0', _, ..] => (8, &lower[1..]),
        _ => (10, &lower[..]),
    };
    let digits = digits.replace('_', "");
    if digits.is_empty() || digits.starts_with(['+', '-']) {
        return None;
    }
    let value = i128::from_str_radix(&digits, radix).ok()?;
    i64::try_from(if negative { -value } else { value }).ok()
}

fn int_error(text: &str, reason: &str) -> String {
    format!("strconv.ParseInt: parsing {}: {reason}", quote(text))
}

/// The verbs of `strconv.FormatFloat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FloatFormat {
    /// `e`: `1.5e+01`
    Exponent,
    /// `f`: `15`
    Plain,
    /// `g`, which is also what `%v` prints: an exponent only where it is below -4 or not below the precision.
    General,
}

/// `strconv.FormatFloat(value, format, precision, 64)`; without precision, the shortest text that reads back the same.
pub fn format_float(value: f64, format: FloatFormat, precision: Option<usize>) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    match (format, precision) {
        (FloatFormat::Plain, Some(precision)) => format!("{value:.precision$}"),
        (FloatFormat::Plain, None) => format!("{value}"),
        (FloatFormat::Exponent, _) => with_exponent(value, precision),
        (FloatFormat::General, _) => general(value, precision.map(|precision| precision.max(1))),
    }
}

fn general(value: f64, precision: Option<usize>) -> String {
    let (digits, exponent) = significant_digits(value, precision);
    let bound = match precision.map(|precision| i32::try_from(precision).unwrap_or(i32::MAX)) {
        None => 6,
        // digits that are not there are not written, so they do not count, unless zeros stand in for them
        Some(precision) if precision > digits && digits > exponent => digits,
        Some(precision) => precision,
    };
    if exponent < -4 || exponent >= bound {
        with_exponent(value, Some(to_usize(digits - 1)))
    } else {
        let decimals = to_usize(digits - 1 - exponent);
        format!("{value:.decimals$}")
    }
}

fn to_usize(count: i32) -> usize {
    usize::try_from(count).unwrap_or(0)
}

fn with_exponent(value: f64, precision: Option<usize>) -> String {
    let text = match precision {
        Some(precision) => format!("{value:.precision$e}"),
        None => format!("{value:e}"),
    };
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, digits) = match exponent.strip_prefix('-') {
        Some(digits) => ('-', digits),
        None => ('+', exponent),
    };
    format!("{mantissa}e{sign}{digits:0>2}")
}

/// How many significant digits the number has at this precision, without zeros at the end, and its decimal exponent.
fn significant_digits(value: f64, precision: Option<usize>) -> (i32, i32) {
    let text = match precision {
        Some(precision) => format!("{value:.0$e}", precision.saturating_sub(1)),
        None => format!("{value:e}"),
    };
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let digits = mantissa.trim_start_matches('-').replace('.', "");
    let count = digits.trim_end_matches('0').len().max(1);
    (i32::try_from(count).unwrap_or(i32::MAX), exponent.parse().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use crate::logql::gotext::number::{FloatFormat, format_float, parse_float, parse_int, parse_int_any_base};

    #[test]
    fn floats_are_read_as_go_reads_them() {
        let table = [
            ("1", 1.0),
            ("-1.5e3", -1500.0),
            ("+.5", 0.5),
            ("1.", 1.0),
            ("1_000", 1000.0),
            ("0x1p-2", 0.25),
            ("0x_1.8p1", 3.0),
            ("Inf", f64::INFINITY),
            ("-infinity", f64::NEG_INFINITY),
            ("123456789012345678", 123456789012345678.0),
        ];
        for (text, value) in table {
            assert_eq!(parse_float(text), Ok(value), "{text}");
        }
        assert!(parse_float("nan").expect("a number").is_nan());
    }

    #[test]
    fn what_is_no_float_is_named_in_the_error() {
        for text in ["", ".", "abc", "1e", "--1", "+nan", "1__0", "_1", "1_", "0x1", "1 ", "0x.p1", "1_.5", "e5"] {
            let expected = format!("strconv.ParseFloat: parsing \"{text}\": invalid syntax");
            assert_eq!(parse_float(text), Err(expected), "{text}");
        }
        let expected = "strconv.ParseFloat: parsing \"1e999\": value out of range";
        assert_eq!(parse_float("1e999"), Err(expected.to_owned()));
    }

    #[test]
    fn integers_are_read_in_any_base() {
        assert_eq!(parse_int_any_base("010"), Some(8));
        assert_eq!(parse_int_any_base("-0x1f"), Some(-31));
        assert_eq!(parse_int_any_base("1_000"), Some(1000));
        assert_eq!(parse_int_any_base("08"), None);
        assert_eq!(parse_int_any_base("3.7"), None);
        assert_eq!(parse_int("12"), Ok(12));
        assert_eq!(parse_int("x"), Err("strconv.ParseInt: parsing \"x\": invalid syntax".to_owned()));
    }

    #[test]
    fn floats_are_written_as_go_writes_them() {
        let table = [
            (1e6, FloatFormat::General, None, "1e+06"),
            (100000.0, FloatFormat::General, None, "100000"),
            (1234567.5, FloatFormat::General, None, "1.2345675e+06"),
            (0.00001, FloatFormat::General, None, "1e-05"),
            (0.0001, FloatFormat::General, None, "0.0001"),
            (0.0, FloatFormat::General, None, "0"),
            (1e21, FloatFormat::Plain, None, "1000000000000000000000"),
            (12345.678, FloatFormat::Exponent, Some(6), "1.234568e+04"),
            (2.5, FloatFormat::Plain, Some(0), "2"),
            (12.0, FloatFormat::General, Some(5), "12"),
            (123456.0, FloatFormat::General, Some(3), "1.23e+05"),
            (100000.0, FloatFormat::General, Some(7), "100000"),
            (f64::NEG_INFINITY, FloatFormat::General, None, "-Inf"),
        ];
        for (value, format, precision, expected) in table {
            assert_eq!(format_float(value, format, precision), expected, "{value} {format:?} {precision:?}");
        }
    }
}
