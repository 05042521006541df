//! JSON as Go writes it.

use std::fmt::Write as _;

/// What becomes of `<`, `>` and `&`, which HTML knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signs {
    Escaped,
    Plain,
}

/// Writes a number without an exponent, unless it is very large or very small.
pub(crate) fn push_number(number: f64, out: &mut String) {
    let size = number.abs();
    // writing into a string cannot fail
    let _ = if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let text = format!("{number:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let sign = if exponent.starts_with('-') { "" } else { "+" };
        write!(out, "{digits}e{sign}{exponent}")
    } else {
        write!(out, "{number}")
    };
}

/// Writes a text in quotes.
pub(crate) fn push_text(text: &str, signs: Signs, out: &mut String) {
    let quoted = serde_json::to_string(text).unwrap_or_default();
    for c in quoted.chars() {
        match c {
            '<' | '>' | '&' if signs == Signs::Plain => out.push(c),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                // writing into a string cannot fail
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
}
