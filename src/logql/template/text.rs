//! Functions on text. Positions and lengths count bytes where Loki's do, and characters where Loki's do.

use std::num::NonZeroUsize;

use crate::logql::gotext::{bytes, bytes_to_string, duration};
use crate::logql::template::Budget;
use crate::logql::template::call::{int_at, text_at};
use crate::logql::template::regexes;
use crate::logql::template::value::Value;

/// Bytes of the rest of a text that a pattern may look at, for each match, in the time of a step.
const SEARCHED_PER_STEP: usize = 4096;

/// Calls a function of this kind with arguments that fit. The budget covers what its result may take, but for what is
/// replaced.
pub(crate) fn call<'a>(budget: &Budget, name: &str, args: &[Value<'a>]) -> Result<Value<'a>, String> {
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
        "replace" => replace(budget, text_at(args, 2), first, second, -1)?,
        "Replace" => replace(budget, first, second, text_at(args, 2), int_at(args, 3))?,
        "repeat" => repeat(second, int_at(args, 0))?,
        "indent" => indent(budget, second, int_at(args, 0))?,
        "nindent" => format!("\n{}", indent(budget, second, int_at(args, 0))?),
        "trunc" => truncate(second, int_at(args, 0)),
        "substr" => substring(text_at(args, 2), int_at(args, 0), int_at(args, 1))?,
        "alignLeft" => align(second, int_at(args, 0), Side::Left),
        "alignRight" => align(second, int_at(args, 0), Side::Right),
        "bytes" => return bytes::parse(first).map(|bytes| Value::Float(bytes as f64)),
        "duration" | "duration_seconds" => {
            let nanos = duration::parse(first)?;
            let seconds = (nanos / 1_000_000_000) as f64 + (nanos % 1_000_000_000) as f64 / 1e9;
            return Ok(Value::Float(seconds));
        }
        "count" => {
            let mut count = 0;
            for found in regexes::get(budget, first)?.find_iter(second) {
                budget.step(1 + (second.len() - found.end()) / SEARCHED_PER_STEP)?;
                count += 1;
            }
            return Ok(Value::Int(count));
        }
        "regexReplaceAll" => replace_matches(budget, first, second, text_at(args, 2))?,
        "regexReplaceAllLiteral" => replace_matches_plain(budget, first, second, text_at(args, 2))?,
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
fn replace(budget: &Budget, text: &str, old: &str, new: &str, count: i64) -> Result<String, String> {
    let mut out = String::new();
    let mut end = 0;
    for (at, found) in text.match_indices(old).take(usize::try_from(count).unwrap_or(usize::MAX)) {
        budget.covers(out.len() + (at - end) + new.len())?;
        out.push_str(&text[end..at]);
        out.push_str(new);
        end = at + found.len();
    }
    finish(budget, out, &text[end..])
}

/// The matches of a pattern replaced; `$1` in `new` is what its first group found.
fn replace_matches(budget: &Budget, pattern: &str, text: &str, new: &str) -> Result<String, String> {
    let groups = new.matches('$').count();
    if groups == 0 {
        return replace_matches_plain(budget, pattern, text, new);
    }
    let regex = regexes::get(budget, pattern)?;
    let mut out = String::new();
    let mut end = 0;
    for found in regex.captures_iter(text) {
        let whole = found.get_match();
        budget.step(1 + (text.len() - whole.end()) / SEARCHED_PER_STEP)?;
        budget.read(new.len())?;
        let added = groups.saturating_mul(whole.len()).saturating_add(new.len());
        budget.covers((out.len() + (whole.start() - end)).saturating_add(added))?;
        out.push_str(&text[end..whole.start()]);
        found.expand(new, &mut out);
        end = whole.end();
    }
    finish(budget, out, &text[end..])
}

/// The matches of a pattern replaced by a text as it stands.
fn replace_matches_plain(budget: &Budget, pattern: &str, text: &str, new: &str) -> Result<String, String> {
    let regex = regexes::get(budget, pattern)?;
    let mut out = String::new();
    let mut end = 0;
    for found in regex.find_iter(text) {
        budget.step(1 + (text.len() - found.end()) / SEARCHED_PER_STEP)?;
        budget.covers(out.len() + (found.start() - end) + new.len())?;
        out.push_str(&text[end..found.start()]);
        out.push_str(new);
        end = found.end();
    }
    finish(budget, out, &text[end..])
}

fn finish(budget: &Budget, mut out: String, rest: &str) -> Result<String, String> {
    budget.covers(out.len() + rest.len())?;
    out.push_str(rest);
    Ok(out)
}

fn repeat(text: &str, count: i64) -> Result<String, String> {
    let count = usize::try_from(count).map_err(|_| "strings: negative Repeat count")?;
    Ok(text.repeat(count))
}

fn indent(budget: &Budget, text: &str, spaces: i64) -> Result<String, String> {
    let pad = repeat(" ", spaces)?;
    Ok(format!("{pad}{}", replace(budget, text, "\n", &format!("\n{pad}"), -1)?))
}

/// Bytes from the front, or from the back where the count is negative.
pub(crate) fn truncate(text: &str, count: i64) -> String {
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
fn align(text: &str, count: i64, side: Side) -> String {
    let Ok(count) = usize::try_from(count) else { return text.to_owned() };
    let length = text.chars().count();
    if let Some(missing) = count.checked_sub(length).and_then(NonZeroUsize::new) {
        let pad = " ".repeat(missing.get());
        return match side {
            Side::Left => format!("{text}{pad}"),
            Side::Right => format!("{pad}{text}"),
        };
    }
    match side {
        Side::Left => text.chars().take(count).collect(),
        Side::Right => text.chars().skip(length - count).collect(),
    }
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
        let check = |text, count, side, expected: &str| assert_eq!(align(text, count, side), expected);
        check("hello world", 5, Side::Left, "hello");
        check("hello world", 5, Side::Right, "world");
        check("한", 3, Side::Left, "한  ");
        check("한", 3, Side::Right, "  한");
        check("x", -1, Side::Left, "x");
        assert_eq!(title("hello wörld foo_bar it's"), "Hello Wörld Foo_bar It'S");
    }
}
