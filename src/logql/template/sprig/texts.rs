//! Functions that make text.

use std::fmt::Write as _;
use std::ops::Range;

use sha2::Digest as _;

use crate::logql::gotext::json;
use crate::logql::gotext::quote::quote;
use crate::logql::template::Budget;
use crate::logql::template::call::{int_at, text_at};
use crate::logql::template::text::truncate;
use crate::logql::template::value::Value;

/// Calls a function of this kind; `None` where it is none.
pub(in crate::logql::template) fn call(
    budget: &Budget,
    name: &str,
    args: &[Value<'_>],
) -> Option<Result<String, String>> {
    let first = text_at(args, 0);
    // a byte becomes six at most, where it is escaped
    let most = args.iter().map(|arg| arg.printed_bytes() + 3).fold(64, usize::saturating_add).saturating_mul(6);
    if let Err(error) = budget.covers(most) {
        return Some(Err(error));
    }
    let texts = || args.iter().filter(|arg| !matches!(arg, Value::Nothing)).map(Value::printed);
    Some(Ok(match name {
        "quote" => texts().map(|text| quote(&text)).collect::<Vec<_>>().join(" "),
        "squote" => texts().map(|text| format!("'{text}'")).collect::<Vec<_>>().join(" "),
        "cat" => texts().collect::<Vec<_>>().join(" "),
        "toString" => args.first().map(Value::printed).unwrap_or_default(),
        "join" => joined(first, args.get(1).unwrap_or(&Value::Nothing)),
        "nospace" => first.chars().filter(|letter| !letter.is_whitespace()).collect(),
        "initials" => first.split_whitespace().filter_map(|word| word.chars().next()).collect(),
        "untitle" => untitled(first),
        "swapcase" => swapped(first),
        "trimall" => text_at(args, 1).trim_matches(|letter| first.contains(letter)).to_owned(),
        "sha256sum" => hex(&sha2::Sha256::digest(first)),
        "sha512sum" => hex(&sha2::Sha512::digest(first)),
        "base" => base(first),
        "dir" => clean(&first[..first.rfind('/').map_or(0, |at| at + 1)]),
        "ext" => extension(first).to_owned(),
        "clean" => clean(first),
        "regexQuoteMeta" => quoted_pattern(first),
        "plural" => text_at(args, usize::from(int_at(args, 2) != 1)).to_owned(),
        "abbrev" => abbreviated(text_at(args, 1), int_at(args, 0)),
        "toJson" | "toRawJson" => {
            let mut out = String::new();
            let signs = if name == "toJson" { json::Signs::Escaped } else { json::Signs::Plain };
            push_json(args.first().unwrap_or(&Value::Nothing), signs, &mut out);
            out
        }
        _ => return None,
    }))
}

/// What lies between the matches of a pattern: Go's `Split`.
pub(in crate::logql::template) fn between<'t>(
    text: &'t str,
    places: &[Range<usize>],
    limit: usize,
    is_pattern: bool,
) -> Vec<&'t str> {
    if limit == 0 {
        return Vec::new();
    }
    if is_pattern && text.is_empty() {
        return vec![""];
    }
    let (mut parts, mut begin, mut end) = (Vec::new(), 0, 0);
    for place in places {
        if parts.len() == limit - 1 {
            break;
        }
        end = place.start;
        if place.end != 0 {
            parts.push(&text[begin..end]);
        }
        begin = place.end;
    }
    if end != text.len() {
        parts.push(&text[begin..]);
    }
    parts
}

fn joined(separator: &str, value: &Value<'_>) -> String {
    match value {
        Value::List(list) => {
            let texts = list.iter().filter(|value| !matches!(value, Value::Nothing)).map(Value::printed);
            texts.collect::<Vec<_>>().join(separator)
        }
        Value::Nothing => String::new(),
        other => other.printed(),
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // writing into a string cannot fail
        let _ = write!(out, "{byte:02x}");
    }
    out
}

/// The first letter of each word in lower case.
fn untitled(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut is_first = true;
    for letter in text.chars() {
        if is_first && !letter.is_whitespace() {
            out.extend(letter.to_lowercase());
        } else {
            out.push(letter);
        }
        is_first = letter.is_whitespace();
    }
    out
}

fn swapped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            letter if letter.is_uppercase() => out.extend(letter.to_lowercase()),
            letter if letter.is_lowercase() => out.extend(letter.to_uppercase()),
            letter => out.push(letter),
        }
    }
    out
}

fn base(path: &str) -> String {
    let name = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    match (path, name) {
        ("", _) => ".".to_owned(),
        (_, "") => "/".to_owned(),
        (_, name) => name.to_owned(),
    }
}

fn extension(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or_default();
    name.rfind('.').map_or("", |at| &name[at..])
}

/// The shortest path that means the same.
fn clean(path: &str) -> String {
    let is_rooted = path.starts_with('/');
    let mut names: Vec<&str> = Vec::new();
    for name in path.split('/').filter(|name| !name.is_empty() && *name != ".") {
        match (name, names.last()) {
            ("..", Some(last)) if *last != ".." => drop(names.pop()),
            ("..", None) if is_rooted => {}
            (name, _) => names.push(name),
        }
    }
    match (is_rooted, names.join("/")) {
        (true, names) => format!("/{names}"),
        (false, names) if names.is_empty() => ".".to_owned(),
        (false, names) => names,
    }
}

fn quoted_pattern(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if r"\.+*?()|[]{}^$".contains(letter) {
            out.push('\\');
        }
        out.push(letter);
    }
    out
}

/// Cut to so many bytes, the last three of them points.
fn abbreviated(text: &str, width: i64) -> String {
    match usize::try_from(width) {
        Ok(bytes) if bytes >= 4 && text.len() > bytes => format!("{}...", truncate(text, width - 3)),
        Ok(_) | Err(_) => text.to_owned(),
    }
}

fn push_json(value: &Value<'_>, signs: json::Signs, out: &mut String) {
    match value {
        Value::Nothing => out.push_str("null"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Int(_) | Value::Int64(_) | Value::Named { .. } => out.push_str(&value.int().unwrap_or(0).to_string()),
        Value::Float(value) => json::push_number(*value, out),
        Value::Text(text) => json::push_text(text, signs, out),
        Value::Time(time) => json::push_text(&time.format("2006-01-02T15:04:05.999999999Z07:00"), signs, out),
        Value::List(list) => {
            out.push('[');
            for (index, value) in list.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                push_json(value, signs, out);
            }
            out.push(']');
        }
        Value::Map(map) => push_pairs(map.iter().map(|(name, value)| (name.as_str(), value.clone())), signs, out),
        Value::Labels(map) => {
            push_pairs(map.iter().map(|(name, value)| (&**name, Value::Text(value.clone()))), signs, out);
        }
    }
}

fn push_pairs<'m, 'a>(pairs: impl Iterator<Item = (&'m str, Value<'a>)>, signs: json::Signs, out: &mut String) {
    out.push('{');
    for (index, (name, value)) in pairs.enumerate() {
        if index > 0 {
            out.push(',');
        }
        json::push_text(name, signs, out);
        out.push(':');
        push_json(&value, signs, out);
    }
    out.push('}');
}
