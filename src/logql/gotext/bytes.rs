//! Sizes in bytes, as the library `humanize` reads and writes them: `5KB`, `1.5 GiB`.

use crate::logql::gotext::number;

/// Decimal and binary multiples, with and without the `b`.
const UNITS: [(&str, u64); 26] = [
    ("", 1),
    ("b", 1),
    ("k", 1_000),
    ("kb", 1_000),
    ("m", 1_000_000),
    ("mb", 1_000_000),
    ("g", 1_000_000_000),
    ("gb", 1_000_000_000),
    ("t", 1_000_000_000_000),
    ("tb", 1_000_000_000_000),
    ("p", 1_000_000_000_000_000),
    ("pb", 1_000_000_000_000_000),
    ("e", 1_000_000_000_000_000_000),
    ("eb", 1_000_000_000_000_000_000),
    ("ki", 1 << 10),
    ("kib", 1 << 10),
    ("mi", 1 << 20),
    ("mib", 1 << 20),
    ("gi", 1 << 30),
    ("gib", 1 << 30),
    ("ti", 1 << 40),
    ("tib", 1 << 40),
    ("pi", 1 << 50),
    ("pib", 1 << 50),
    ("ei", 1 << 60),
    ("eib", 1 << 60),
];

/// Bytes of `512`, `5KB`, `10 mb`, `1,000KiB`; units without regard to case. The error is that of the library.
pub fn parse(text: &str) -> Result<u64, String> {
    let number_end = text.find(|c: char| !(c.is_numeric() || c == '.' || c == ',')).unwrap_or(text.len());
    let (digits, unit) = text.split_at(number_end);
    let number = match digits.contains(',') {
        true => number::parse_float(&digits.replace(',', ""))?,
        false => number::parse_float(digits)?,
    };
    let unit = unit.trim();
    let plain = UNITS.iter().find(|(name, _)| unit.eq_ignore_ascii_case(name));
    // letters outside ASCII may have lower case in it, as the sign of the kelvin has
    let unit_factor = plain.or_else(|| UNITS.iter().find(|(name, _)| *name == unit.to_lowercase()));
    let Some((_, factor)) = unit_factor else {
        return Err(format!("unhandled size name: {}", unit.to_lowercase()));
    };
    let bytes = number * *factor as f64;
    if bytes >= u64::MAX as f64 {
        return Err(format!("too large: {text}"));
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in range: digits have no sign")]
    let bytes = bytes as u64;
    Ok(bytes)
}

/// `82 MB`, `1.5 kB`: two digits at most, decimal multiples.
pub fn format(bytes: u64) -> String {
    if bytes < 10 {
        return format!("{bytes} B");
    }
    let names = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    let exponent = usize::try_from(bytes.ilog(1000)).unwrap_or(0).min(names.len() - 1);
    let exponent_power = i32::try_from(exponent).unwrap_or(0);
    let value = (bytes as f64 / 1000f64.powi(exponent_power) * 10.0 + 0.5).floor() / 10.0;
    let name = names[exponent];
    if value < 10.0 { format!("{value:.1} {name}") } else { format!("{value:.0} {name}") }
}

#[cfg(test)]
mod tests {
    use crate::logql::gotext::bytes::{format, parse};

    #[test]
    fn sizes_are_read_in_any_case_and_with_a_space() {
        let table = [
            ("512", 512),
            ("5KB", 5_000),
            ("10 mb", 10_000_000),
            ("1,000KiB", 1_024_000),
            ("1.5GB", 1_500_000_000),
            ("3Mi", 3 << 20),
            ("2 KiB", 2048),
        ];
        for (text, bytes) in table {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_named_in_the_error() {
        let table = [
            ("", "strconv.ParseFloat: parsing \"\": invalid syntax"),
            ("big", "strconv.ParseFloat: parsing \"\": invalid syntax"),
            ("-5KB", "strconv.ParseFloat: parsing \"\": invalid syntax"),
            ("5 apples", "unhandled size name: apples"),
            ("100EB", "too large: 100EB"),
        ];
        for (text, error) in table {
            assert_eq!(parse(text), Err(error.to_owned()), "{text}");
        }
    }

    #[test]
    fn sizes_are_written_with_two_digits() {
        let table =
            [(0, "0 B"), (99, "99 B"), (2048, "2.0 kB"), (20 << 20, "21 MB"), (3 << 20, "3.1 MB"), (1000, "1.0 kB")];
        for (bytes, text) in table {
            assert_eq!(format(bytes), text);
        }
    }
}
