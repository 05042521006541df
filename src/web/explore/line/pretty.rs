//! JSON of a line with a line for each value: only white space is added, so names, order and numbers stay as they were
//! written. Pure.

use serde::de::IgnoredAny;

const INDENT: &str = "  ";

/// The text with its JSON laid out; none where there is no object or list in it, or something stands behind it.
pub(crate) fn pretty(text: &str) -> Option<String> {
    let is_json = |text: &str| serde_json::from_str::<IgnoredAny>(text).is_ok();
    // what a service writes before its JSON, such as a time, is kept
    let starts = text.match_indices(['{', '[']).map(|(at, _)| at).take(8);
    let start = starts.into_iter().find(|start| is_json(&text[*start..]))?;
    let (before, json) = text.split_at(start);
    let mut out = String::with_capacity(text.len() * 2);
    if !before.trim().is_empty() {
        out.push_str(before.trim_end());
        out.push('\n');
    }
    lay_out(json.trim(), &mut out);
    Some(out)
}

/// `json` is valid.
fn lay_out(json: &str, out: &mut String) {
    let mut depth = 0_usize;
    let mut rest = json;
    while let Some(first) = rest.chars().next() {
        let (piece, behind) = match first {
            '"' => rest.split_at(string_len(rest)),
            _ => rest.split_at(first.len_utf8()),
        };
        rest = behind;
        match first {
            ' ' | '\t' | '\r' | '\n' => {}
            '{' | '[' => {
                out.push(first);
                let inner = rest.trim_start();
                let close = if first == '{' { '}' } else { ']' };
                if inner.starts_with(close) {
                    out.push(close);
                    rest = &inner[1..];
                } else {
                    depth += 1;
                    new_line(depth, out);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                new_line(depth, out);
                out.push(first);
            }
            ',' => {
                out.push(first);
                new_line(depth, out);
            }
            ':' => out.push_str(": "),
            _ => out.push_str(piece),
        }
    }
}

/// A line of JSON may nest deeper than is worth showing.
fn new_line(depth: usize, out: &mut String) {
    const SHOWN_MAX: usize = 24;
    out.push('\n');
    for _ in 0..depth.min(SHOWN_MAX) {
        out.push_str(INDENT);
    }
}

/// The length of the string that `text` begins with, its quotes included.
fn string_len(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use crate::web::explore::line::pretty::pretty;

    #[test]
    fn values_stand_on_lines_of_their_own_as_they_were_written() {
        let check = |text: &str, expected: &str| assert_eq!(pretty(text).as_deref(), Some(expected));
        check(
            r#" {"b":1.50,"a":{"x":[1,{"한":"{\"},:"}],"e":{ },"l":[]},"n":12345678901234567890} "#,
            "{\n  \"b\": 1.50,\n  \"a\": {\n    \"x\": [\n      1,\n      {\n        \"한\": \"{\\\"},:\"\n      }\n    ],\n    \
             \"e\": {},\n    \"l\": []\n  },\n  \"n\": 12345678901234567890\n}",
        );
        check("12:00 INFO [a] {\"b\":1}", "12:00 INFO [a]\n{\n  \"b\": 1\n}");
    }

    #[test]
    fn what_is_no_json_stays_as_it_is() {
        for text in ["plain", "{x}", "{\"a\":1} and more", "12", "\"text\"", ""] {
            assert_eq!(pretty(text), None, "{text}");
        }
    }
}
