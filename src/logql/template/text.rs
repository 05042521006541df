//! Functions on text. Positions and lengths count bytes where Loki's do, and characters where Loki's do.

use std::num::NonZeroUsize;

use regex::NoExpand;

use crate::logql::gotext::{bytes, bytes_to_string, duration};
use crate::logql::template::call::{int_at, text_at};
use crate::logql::template::regexes;
use crate::logql::template::value::Value;

/// A text that a function would make longer than this is refused.
const TEXT_BYTES_MAX: usize = 16 << 20;

/// Calls a function of this kind with arguments that fit.
pub(crate) fn call<'a>(name: &str, args: &[Value<'a>]) -> Result<Value<'a>, String> {
    let first = text_at(args, 0);
    let second = text_at(args, 1);
    let text = match name {
        "lower" | "ToLower" => first.to_lowercase(),
        "upper" | "ToUpper" => first.to_uppercase(),
        "title" => title(first),
        "trim" | "TrimSpace" => first.trim().to_owned(),
        "Trim" => trim_set(first, second).to_owned(),
        "trimAll" => trim_set(second, first).to_owned(),
        "TrimLeft" => first.trim_start_matches(|c| second.contains(c)).to_owned(),
        "TrimRight" => first.trim_end_matches(|c| second.contains(c)).to_owned(),
        "TrimPrefix" => first.strip_prefix(second).unwrap_or(first).to_owned(),
        "TrimSuffix" => first.strip_suffix(second).unwrap_or(first).to_owned(),
        "trimPrefix" => second.strip_prefix(first).unwrap_or(second).to_owned(),
        "trimSuffix" => second.strip_suffix(first).unwrap_or(second).to_owned(),
        "contains" => return Ok(Value::Bool(second.contains(first))),
        "hasPrefix" => return Ok(Value::Bool(second.starts_with(first))),
        "hasSuffix" => return Ok(Value::Bool(second.ends_with(first))),
        "replace" => replace(text_at(args, 2), first, second, -1)?,
        "Replace" => replace(first, second, text_at(args, 2), int_at(args, 3))?,
        "repeat" => repeat(second, int_at(args, 0))?,
        "indent" => indent(second, int_at(args, 0))?,
        "nindent" => format!("\n{}", indent(second, int_at(args, 0))?),
        "trunc" => truncate(second, int_at(args, 0)),
        "substr" => substring(text_at(args, 2), int_at(args, 0), int_at(args, 1))?,
        "alignLeft" => align(second, int_at(args, 0), Side::Left)?,
        "alignRight" => align(second, int_at(args, 0), Side::Right)?,
        "bytes" => return bytes::parse(first).map(|bytes| Value::Float(bytes as f64)),
        "duration" | "duration_seconds" => {
            let nanos = duration::parse(first)?;
            let seconds = (nanos / 1_000_000_000) as f64 + (nanos % 1_000_000_000) as f64 / 1e9;
            return Ok(Value::Float(seconds));
        }
        "count" => {
            let regex = regexes::get(first)?;
            return Ok(Value::Int(regex.find_iter(second).count() as i64));
        }
        "regexReplaceAll" => regexes::get(first)?.replace_all(second, text_at(args, 2)).into_owned(),
        "regexReplaceAllLiteral" => regexes::get(first)?.replace_all(second, NoExpand(text_at(args, 2))).into_owned(),
        _ => return Err(format!("{name} is not a defined function")),
    };
    Ok(Value::text(text))
}

/// The first letter of each word in upper case.
fn title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut previous = ' ';
    for c in text.chars() {
        let is_inside =
            previous.is_alphanumeric() || previous == '_' || (!previous.is_ascii() && !previous.is_whitespace());
        if is_inside {
            out.push(c)
        } else {
            out.extend(c.to_uppercase())
        }
        previous = c;
    }
    out
}

fn trim_set<'t>(text: &'t str, set: &str) -> &'t str {
    text.trim_matches(|c| set.contains(c))
}

/// The first `count` occurrences replaced, all of them where it is negative.
fn replace(text: &str, old: &str, new: &str, count: i64) -> Result<String, String> {
    let times = if old.is_empty() { text.chars().count() + 1 } else { text.len() / old.len() };
    check_length(text.len().saturating_add(times.saturating_mul(new.len())))?;
    Ok(match usize::try_from(count) {
        Ok(count) => text.replacen(old, new, count),
        Err(_) => text.replace(old, new),
    })
}

fn repeat(text: &str, count: i64) -> Result<String, String> {
    let count = usize::try_from(count).map_err(|_| "strings: negative Repeat count")?;
    check_length(text.len().saturating_mul(count))?;
    Ok(text.repeat(count))
}

fn check_length(length: usize) -> Result<(), String> {
    if length > TEXT_BYTES_MAX { Err("the text is too long".to_owned()) } else { Ok(()) }
}

fn indent(text: &str, spaces: i64) -> Result<String, String> {
    let pad = repeat(" ", spaces)?;
    Ok(format!("{pad}{}", replace(text, "\n", &format!("\n{pad}"), -1)?))
}

/// Bytes from the front, or from the back where the count is negative.
fn truncate(text: &str, count: i64) -> String {
    let length = text.len();
    let taken = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    if taken >= length {
        return text.to_owned();
    }
    cut(text, if count < 0 { length - taken..length } else { 0..taken })
}

fn cut(text: &str, range: std::ops::Range<usize>) -> String {
    bytes_to_string(text.as_bytes()[range].to_vec())
}

/// Bytes between two places; a start below 0 is the front, an end below 0 or behind the text its end.
fn substring(text: &str, start: i64, end: i64) -> Result<String, String> {
    let length = text.len();
    let out_of_bounds = |what: String| Err(format!("runtime error: slice bounds out of range {what}"));
    let Ok(start) = usize::try_from(start) else {
        return match usize::try_from(end) {
            Ok(end) if end <= length => Ok(cut(text, 0..end)),
            Ok(end) => out_of_bounds(format!("[:{end}] with length {length}")),
            Err(_) => out_of_bounds(format!("[:{end}]")),
        };
    };
    let end = usize::try_from(end).ok().filter(|end| *end <= length).unwrap_or(length);
    if start > end { out_of_bounds(format!("[{start}:{end}]")) } else { Ok(cut(text, start..end)) }
}

#[derive(Clone, Copy)]
enum Side {
    Left,
    Right,
}

/// Exactly so many characters: cut at the far side, or filled up there.
fn align(text: &str, count: i64, side: Side) -> Result<String, String> {
    let Ok(count) = usize::try_from(count) else { return Ok(text.to_owned()) };
    let length = text.chars().count();
    if let Some(missing) = count.checked_sub(length).and_then(NonZeroUsize::new) {
        check_length(text.len().saturating_add(missing.get()))?;
        let pad = " ".repeat(missing.get());
        return Ok(match side {
            Side::Left => format!("{text}{pad}"),
            Side::Right => format!("{pad}{text}"),
        });
    }
    Ok(match side {
        Side::Left => text.chars().take(count).collect(),
        Side::Right => text.chars().skip(length - count).collect(),
    })
}

#[cfg(test)]
mod tests {
    use crate::logql::template::text::{Side, align, substring, title, truncate};

    #[test]
    fn parts_of_a_text_are_cut_by_bytes() {
        assert_eq!(truncate("hello", 2), "he");
        assert_eq!(truncate("hello", -2), "lo");
        assert_eq!(truncate("hello", 50), "hello");
        assert_eq!(truncate("한글", 2), "\u{fffd}\u{fffd}");
        assert_eq!(substring("hello", -1, 3).as_deref(), Ok("hel"));
        assert_eq!(substring("hello", 2, -1).as_deref(), Ok("llo"));
        assert_eq!(substring("hello", 2, 99).as_deref(), Ok("llo"));
        let error = |start, end| substring("hello", start, end).expect_err("out of range");
        assert_eq!(error(3, 2), "runtime error: slice bounds out of range [3:2]");
        assert_eq!(error(9, 12), "runtime error: slice bounds out of range [9:5]");
        assert_eq!(error(-1, 9), "runtime error: slice bounds out of range [:9] with length 5");
    }

    #[test]
    fn alignment_counts_characters() {
        let check = |text, count, side, expected: &str| assert_eq!(align(text, count, side).as_deref(), Ok(expected));
        check("hello world", 5, Side::Left, "hello");
        check("hello world", 5, Side::Right, "world");
        check("한", 3, Side::Left, "한  ");
        check("한", 3, Side::Right, "  한");
        check("x", -1, Side::Left, "x");
        assert_eq!(title("hello wörld foo_bar it's"), "Hello Wörld Foo_bar It'S");
    }
}
