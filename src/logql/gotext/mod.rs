//! How Go reads and writes numbers, durations, sizes, times and quoted text.
//!
//! Loki is written in Go, and its answers show it: `1e+06`, `1m30s`, `strconv.ParseFloat: parsing "x": invalid syntax`.
//! Whoever brings dashboards over expects the same. Promises: pure functions, no panic on any input.

pub mod bytes;
pub mod duration;
pub(crate) mod json;
pub mod layout;
pub mod number;
pub mod quote;
pub mod time;

/// Bytes as text, as Go's JSON writer shows them: each byte that belongs to no character becomes U+FFFD.
pub fn bytes_to_string(bytes: Vec<u8>) -> String {
    match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let mut text = String::new();
            for chunk in error.as_bytes().utf8_chunks() {
                text.push_str(chunk.valid());
                text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
            }
            text
        }
    }
}
