//! How much text a function may make at most, told from its arguments before it is called.

use crate::logql::template::call::{int_at, text_at};
use crate::logql::template::printf;
use crate::logql::template::value::Value;

/// What a JSON text takes once it is read, for each of its bytes: lists of short things take more than their text.
const JSON_FACTOR: usize = 16;

/// Bytes that a call reads of its arguments.
pub(crate) fn read(args: &[Value<'_>]) -> usize {
    let length = |arg: &Value<'_>| if let Value::Text(text) = arg { text.len() } else { 0 };
    args.iter().map(length).sum()
}

/// Bytes that a call may make. Functions that look for what they replace count while they do so.
pub(crate) fn most(name: &str, args: &[Value<'_>]) -> usize {
    let printed = || args.iter().map(Value::printed_bytes).fold(args.len() + 1, usize::saturating_add);
    let count = |index| usize::try_from(int_at(args, index)).unwrap_or(0);
    let second = || text_at(args, 1);
    match name {
        "print" | "println" => printed(),
        "html" => printed().saturating_mul(5),
        "js" => printed().saturating_mul(6),
        "urlquery" => printed().saturating_mul(3),
        "printf" => printf::most(text_at(args, 0), args.get(1..).unwrap_or_default()),
        // a letter in the other case takes up to three times the bytes
        "lower" | "ToLower" | "upper" | "ToUpper" | "title" | "urlencode" => read(args).saturating_mul(3),
        "b64enc" => (read(args) / 3 + 1).saturating_mul(4),
        "fromJson" => read(args).saturating_mul(JSON_FACTOR),
        "b64dec" => read(args).max(64).saturating_mul(3),
        // the longest name of a month or day stands for three letters
        "date" | "Format" => read(args).saturating_mul(6),
        "repeat" => second().len().saturating_mul(count(0)),
        "indent" | "nindent" => {
            let lines = second().matches('\n').count() + 1;
            (second().len() + 1).saturating_add(lines.saturating_mul(count(0)))
        }
        "alignLeft" | "alignRight" => second().len().saturating_add(count(0)),
        // what is cut out of a letter becomes a mark of three bytes
        "trunc" | "substr" | "slice" => read(args).saturating_add(32),
        "Trim" | "TrimLeft" | "TrimRight" | "TrimPrefix" | "TrimSuffix" | "TrimSpace" | "trim" | "trimAll"
        | "trimPrefix" | "trimSuffix" | "urldecode" | "default" => read(args),
        _ => 0,
    }
}
