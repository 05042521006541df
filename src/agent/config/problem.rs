//! What is wrong with a configuration, told so that it can be mended: the place, a caret, and what to write instead.
//!
//! Promises: a line that holds a secret is shown without it; what is shown cannot move the cursor of a terminal.

use std::fmt;

use serde_saphyr::Error;

use crate::agent::config::unsupported;
use crate::model::near::nearest;

/// As many known keys are listed at most; more help nobody.
const LISTED_MAX: usize = 14;
/// As much of a line is shown.
const SHOWN_CHARS_MAX: usize = 160;
/// What is behind these keys is not shown.
const SECRET_KEYS: [&str; 5] = ["password", "credentials", "token", "secret", "key"];

/// Why a configuration cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// The file, or what stands for it.
    pub(crate) source: String,
    pub(crate) message: String,
    /// Where, unless it is about the whole.
    pub(crate) place: Option<Spot>,
}

/// A place in the text, and its line as it may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spot {
    /// Counted from 1, as are columns.
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) length: usize,
    pub(crate) text: String,
}

impl std::error::Error for Problem {}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Problem { source, message, place } = self;
        let Some(Spot { line, column, length, text }) = place else { return write!(out, "{source}: {message}") };
        let number = line.to_string();
        let margin = " ".repeat(number.len());
        writeln!(out, "{source}:{line}:{column}: {message}")?;
        writeln!(out, "{margin} |")?;
        writeln!(out, "{number} | {text}")?;
        write!(out, "{margin} | {}{}", " ".repeat(column - 1), "^".repeat((*length).max(1)))
    }
}

impl Problem {
    /// About the whole of a file.
    pub(crate) fn whole(source: &str, message: impl Into<String>) -> Problem {
        Problem { source: source.to_owned(), message: message.into(), place: None }
    }

    /// At a line, counted from 1.
    pub(crate) fn at(source: &str, text: &str, line: usize, column: usize, message: impl Into<String>) -> Problem {
        Problem { source: source.to_owned(), message: message.into(), place: spot(text, text, line, column, 1) }
    }

    /// `written` is the text as it stands in the file, `expanded` with what was put in for variables.
    pub(crate) fn of(error: &Error, source: &str, written: &str, expanded: &str) -> Problem {
        let error = error.without_snippet();
        let place = error.location().and_then(|location| {
            let as_index = |number: u64| usize::try_from(number).unwrap_or_default();
            let length = usize::try_from(location.span().len()).unwrap_or(1);
            spot(written, expanded, as_index(location.line()), as_index(location.column()), length)
        });
        let word = place.as_ref().map(|spot| word_at(expanded, spot)).unwrap_or_default();
        Problem { source: source.to_owned(), message: message(error, &word), place }
    }
}

/// The place to show. A line that variables changed is shown as it is written, so that their values stay hidden.
pub(crate) fn spot(written: &str, expanded: &str, line: usize, column: usize, length: usize) -> Option<Spot> {
    let is_same_height = written.lines().count() == expanded.lines().count();
    let source = if is_same_height { written } else { expanded };
    let text = source.lines().nth(line.checked_sub(1)?)?;
    let is_changed = is_same_height && expanded.lines().nth(line - 1) != Some(text);
    let shown = without_secrets(text);
    let (column, length) = if is_changed || (shown != text && !shown.starts_with(&prefix(text, column + length))) {
        let trimmed = shown.trim_start();
        (shown.chars().count() - trimmed.chars().count() + 1, trimmed.trim_end().chars().count())
    } else {
        (column.max(1), length)
    };
    let shown: String = shown.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    // the part around the column, where the line is long
    let from = if column + length > SHOWN_CHARS_MAX { column.saturating_sub(SHOWN_CHARS_MAX / 2) } else { 0 };
    let text: String = shown.chars().skip(from).take(SHOWN_CHARS_MAX).collect();
    let column = (column - from).max(1);
    let length = length.min(text.chars().count().saturating_sub(column - 1)).max(1);
    Some(Spot { line, column, length, text: text.trim_end().to_owned() })
}

fn prefix(text: &str, chars: usize) -> String {
    text.chars().take(chars.saturating_sub(1)).collect()
}

/// A line without passwords and tokens.
fn without_secrets(text: &str) -> String {
    if let Some((key, value)) = text.split_once(':') {
        let name = key.trim().trim_start_matches("- ").trim_matches(['"', '\'']).to_ascii_lowercase();
        let is_file = name.ends_with("_file");
        if !is_file && !value.trim().is_empty() && SECRET_KEYS.iter().any(|secret| name.ends_with(secret)) {
            return format!("{key}: …");
        }
    }
    match text.split_once("://").map(|(before, after)| (before, after.split_once('@'))) {
        Some((before, Some((who, after)))) if !who.contains(['/', ' ']) => format!("{before}://…@{after}"),
        Some(_) | None => text.to_owned(),
    }
}

/// What stands at a place.
fn word_at(text: &str, spot: &Spot) -> String {
    let line = text.lines().nth(spot.line - 1).unwrap_or_default();
    line.chars().skip(spot.column - 1).take(spot.length).collect()
}

/// What is wrong in words, with what to do.
fn message(error: &Error, word: &str) -> String {
    match error {
        Error::Message { msg, .. } => msg.clone(),
        Error::SerdeUnknownField { field, expected, .. } => unknown("key", field, expected),
        Error::SerdeUnknownVariant { variant, expected, .. } => unknown("value", variant, expected),
        Error::SerdeMissingField { field, .. } => format!("the key `{field}` is missing here"),
        Error::DuplicateMappingKey { key: Some(key), .. } => format!("the key `{key}` is here a second time: keep one"),
        Error::DuplicateMappingKey { key: None, .. } => "a key is here a second time: keep one".to_owned(),
        Error::InvalidBooleanStrict { .. } => "this is neither true nor false".to_owned(),
        Error::InvalidScalar { ty, .. } => invalid_scalar(ty, word),
        Error::NullIntoString { .. } => "a text is needed here; leave the key out where there is none".to_owned(),
        Error::MultipleDocuments { .. } => {
            "a second document begins here (after ---): put all into one, as only one is read".to_owned()
        }
        Error::Unexpected { expected, .. } => unexpected(expected),
        Error::UnknownAnchor { .. } => "no anchor of this name (&name) was set above".to_owned(),
        Error::ExpectedMappingEndAfterEnumVariantValue { .. } => {
            "each stage is an entry of its own: begin this line with `- `".to_owned()
        }
        Error::AliasError { error, .. } => message(error, word),
        other => with_hint(&without_place(&other.to_string())),
    }
}

/// A key or a name that is not known.
fn unknown(kind: &str, name: &str, expected: &[&'static str]) -> String {
    if let Some(advice) = unsupported::advice(name) {
        return format!("`{name}` is not supported: {advice}");
    }
    let start = match kind {
        "key" => format!("there is no key `{name}` here"),
        _ => format!("`{name}` is not known here"),
    };
    let same = |known: &&&str| known.replace(['_', '-'], "").eq_ignore_ascii_case(&name.replace(['_', '-'], ""));
    let guess = expected.iter().find(same).copied().or_else(|| nearest(name, expected.iter().copied()));
    match guess {
        Some(guess) => format!("{start}; did you mean `{guess}`?"),
        None if name.starts_with("__") => format!("{start}: it is a label, so it belongs below `labels:`"),
        None if expected.is_empty() => format!("{start}: it has none"),
        None if expected.len() <= LISTED_MAX => format!("{start}; known are {}", expected.join(", ")),
        None => start,
    }
}

fn invalid_scalar(kind: &str, word: &str) -> String {
    let wanted = match kind {
        "bool" | "boolean" => "true or false",
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" | "u64" | "usize" => "a whole number that is not negative",
        "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        _ => "another kind of value",
    };
    if word.trim().is_empty() || word.ends_with(':') {
        return format!("a value is missing here: {wanted}, or leave the key out");
    }
    format!("{word:?} is no value for this key: it takes {wanted}")
}

fn unexpected(expected: &str) -> String {
    match expected {
        "sequence start" => "a list is needed here: begin each entry with `- `".to_owned(),
        "mapping start" => "keys with values are needed here, as in `name: value`".to_owned(),
        "string scalar" => "a single value is needed here, no list and no keys".to_owned(),
        other => format!("{other} is needed here"),
    }
}

/// The library's own words end with the place, which we show ourselves.
fn without_place(text: &str) -> String {
    text.rsplit_once(" at line ").map_or(text, |(message, _)| message).to_owned()
}

fn with_hint(message: &str) -> String {
    if message.contains("tab") {
        return format!("{message}: write spaces in place of the tab");
    }
    if message.contains("mapping values are not allowed") {
        return format!("{message}: a text with `: ` in it needs quotes");
    }
    message.to_owned()
}
