//! What a line is but for its timestamps, its numbers or its words, to tell lines that say the same. Pure.

use std::sync::LazyLock;

use regex::Regex;

use crate::web::explore::look::Same;
use crate::web::explore::text;

/// Bytes of a line that are compared; lines that are equal so far count as the same.
const COMPARED_BYTES_MAX: usize = 4096;

/// Timestamps of the usual forms: ISO 8601 and its kin, of access logs, of syslog, a time of day, an epoch.
static TIMESTAMP: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(concat!(
        r"\d{4}[-/]\d\d[-/]\d\d[T _]\d\d:\d\d:\d\d(?:[.,]\d+)?(?: ?(?:Z|[+-]\d\d:?\d\d))?",
        r"|\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d(?: [+-]\d{4})?",
        r"|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d",
        r"|\b\d\d:\d\d:\d\d(?:[.,]\d+)?",
        r"|\b1\d{9}(?:\.?\d{3}){0,3}\b",
    ))
    .expect("a pattern that is written here")
});

/// Ids and numbers: hexadecimal with a digit in it, or digits.
static NUMBER: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b|\b0x[0-9a-fA-F]+\b|\b[0-9a-f]*[0-9][0-9a-f]{7,}\b|[0-9]+")
        .expect("a pattern that is written here")
});

/// What lines that count as the same have in common; `None` where none do.
pub(crate) fn common(line: &str, same: Same) -> Option<String> {
    let line = text::head(line, COMPARED_BYTES_MAX);
    match same {
        Same::Never => None,
        Same::Text => Some(TIMESTAMP.replace_all(line, "T").into_owned()),
        Same::Numbers => Some(NUMBER.replace_all(&TIMESTAMP.replace_all(line, "T"), "#").into_owned()),
        Same::Shape => Some(line.chars().filter(|c| !c.is_alphanumeric() && !c.is_whitespace()).collect()),
    }
}

#[cfg(test)]
mod tests {
    use crate::web::explore::look::Same;
    use crate::web::explore::same::common;

    #[test]
    fn lines_are_the_same_but_for_what_may_differ() {
        let check = |same, one: &str, other: &str, expected: bool| {
            assert_eq!(common(one, same) == common(other, same), expected, "{one:?} {other:?}");
        };
        check(Same::Text, "2026-11-22 12:00:00.123 INFO x 7", "2026-11-22T12:00:01Z INFO x 7", true);
        check(Same::Text, "[22/Nov/2026:12:00:00 +0000] GET /", "[22/Nov/2026:12:00:09 +0000] GET /", true);
        check(Same::Text, "Nov  2 12:00:00 host x", "Nov 22 12:00:09 host x", true);
        check(Same::Text, "ts=1795358760.123 x", "ts=1795358761123 x", true);
        check(Same::Text, "order 4001 failed", "order 4002 failed", false);
        check(Same::Numbers, "order 4001 failed", "order 4002 failed", true);
        check(Same::Numbers, "id 3f2a9c1d77 took 3ms", "id 9b0e11ffab took 12ms", true);
        check(Same::Numbers, "order 4001 failed", "order 4002 placed", false);
        check(Same::Shape, "GET /a?b=c 200", "POST /menu?table=7 502", true);
        check(Same::Shape, "GET /a?b=c 200", "GET /a 200", false);
        assert_eq!(common("x", Same::Never), None);
    }
}
