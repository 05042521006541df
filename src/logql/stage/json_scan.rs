//! Reading JSON as a log line holds it: from the front, as far as it goes, without building anything.
//!
//! What is wrong with a text is found only where reading gets to, and gets the words that Loki's reader has for it:
//! people filter on `__error_details__`.

use std::borrow::Cow;

/// What a value is; its text lies between the marks that are given with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Without its quotes, escapes as they are.
    String,
    Number,
    Boolean,
    Null,
    Object,
    Array,
}

/// Where reading stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Malformed {
    Json,
    String,
    Array,
    Object,
    Escape,
    ValueType,
}

impl Malformed {
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Malformed::Json => "Malformed JSON error",
            Malformed::String => "Value is string, but can't find closing '\"' symbol",
            Malformed::Array => "Value is array, but can't find closing ']' symbol",
            Malformed::Object => "Value looks like object, but can't find closing '}' symbol",
            Malformed::Escape => "Encountered an invalid escape sequence in a string",
            Malformed::ValueType => "Unknown value type",
        }
    }
}

/// The place of the next byte that is no white space.
pub(crate) fn skip_space(text: &str, at: usize) -> Option<usize> {
    let rest = text.as_bytes().get(at..)?;
    // mostly there is none
    if rest.first().is_some_and(|byte| *byte > b' ') {
        return Some(at);
    }
    rest.iter().position(|byte| !matches!(byte, b' ' | b'\n' | b'\r' | b'\t')).map(|offset| at + offset)
}

/// Texts up to this length are looked through byte by byte.
const SHORT_BYTES_MAX: usize = 12;

/// For a place right behind the opening quote, the place of the closing one.
pub(crate) fn string_end(text: &str, at: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = at;
    // most keys and many values are shorter than what a search over many bytes at once pays for
    for _ in 0..SHORT_BYTES_MAX {
        match bytes.get(at)? {
            b'"' => return Some(at),
            b'\\' => break,
            _ => at += 1,
        }
    }
    loop {
        at += memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes[at] == b'"' {
            return Some(at);
        }
        at += 2;
    }
}

/// For the place of an opening bracket, the place behind the closing one. Brackets of the other kind are not counted.
pub(crate) fn block_end(text: &str, at: usize, open: u8, close: u8) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut depth = 0;
    let mut at = at;
    while at < bytes.len() {
        let byte = bytes[at];
        if byte == b'"' {
            at = string_end(text, at + 1)?;
        } else if byte == open {
            depth += 1;
        } else if byte == close {
            depth -= 1;
            if depth == 0 {
                return Some(at + 1);
            }
        }
        at += 1;
    }
    None
}

/// A value and the place behind it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Value<'a> {
    pub(crate) kind: Kind,
    pub(crate) text: &'a str,
    pub(crate) end: usize,
}

/// The value that begins at the next byte that is no white space.
pub(crate) fn value(text: &str, at: usize) -> Result<Value<'_>, Malformed> {
    let start = skip_space(text, at).ok_or(Malformed::Json)?;
    let bytes = text.as_bytes();
    let block = |kind, open, close, malformed| {
        let end = block_end(text, start, open, close).ok_or(malformed)?;
        Ok(Value { kind, text: &text[start..end], end })
    };
    match bytes[start] {
        b'"' => {
            let end = string_end(text, start + 1).ok_or(Malformed::String)?;
            Ok(Value { kind: Kind::String, text: &text[start + 1..end], end: end + 1 })
        }
        b'{' => block(Kind::Object, b'{', b'}', Malformed::Object),
        b'[' => block(Kind::Array, b'[', b']', Malformed::Array),
        first => {
            let ends = |byte: &u8| matches!(byte, b' ' | b'\n' | b'\r' | b'\t' | b',' | b'}' | b']');
            let end = bytes[start..].iter().position(ends).map_or(bytes.len(), |offset| start + offset);
            let text = &text[start..end];
            let kind = match first {
                b't' | b'f' if matches!(text, "true" | "false") => Kind::Boolean,
                b'n' if text == "null" => Kind::Null,
                b'0'..=b'9' | b'-' => Kind::Number,
                _ => return Err(Malformed::ValueType),
            };
            Ok(Value { kind, text, end })
        }
    }
}

/// Why the fields of an object are not read to the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    Malformed(Malformed),
    /// Whoever looks at the fields has seen enough.
    Enough,
    /// A filter drops the line.
    Drop,
}

impl From<Malformed> for Stop {
    fn from(malformed: Malformed) -> Stop {
        Stop::Malformed(malformed)
    }
}

/// Calls `visit` with each field of the object that the text begins with, in their order. Text behind the object is
/// not looked at.
pub(crate) fn fields<'t>(
    text: &'t str,
    visit: &mut dyn FnMut(&str, Value<'t>) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let bytes = text.as_bytes();
    let mut at = match skip_space(text, 0) {
        Some(at) if bytes[at] == b'{' => at + 1,
        Some(_) | None => return Err(Malformed::Object.into()),
    };
    at = skip_space(text, at).ok_or(Malformed::Json)?;
    loop {
        match bytes[at] {
            b'}' => return Ok(()),
            b'"' => {}
            _ => return Err(Malformed::Object.into()),
        }
        let key_end = string_end(text, at + 1).ok_or(Malformed::Json)?;
        let key = unescape(&text[at + 1..key_end]).ok_or(Malformed::Escape)?;
        let colon = skip_space(text, key_end + 1).filter(|at| bytes[*at] == b':').ok_or(Malformed::Json)?;
        let value = value(text, colon + 1)?;
        visit(&key, value)?;
        at = skip_space(text, value.end).ok_or(Malformed::Array)?;
        match bytes[at] {
            b'}' => return Ok(()),
            b',' => at = skip_space(text, at + 1).ok_or(Malformed::Array)?,
            _ => return Err(Malformed::Object.into()),
        }
    }
}

/// The text that a string stands for; `None` where an escape is wrong.
pub(crate) fn unescape(raw: &str) -> Option<Cow<'_, str>> {
    let has_escape = match raw.len() {
        0..=SHORT_BYTES_MAX => raw.bytes().any(|byte| byte == b'\\'),
        _ => memchr::memchr(b'\\', raw.as_bytes()).is_some(),
    };
    if !has_escape {
        return Some(Cow::Borrowed(raw));
    }
    let mut out = String::with_capacity(raw.len());
    unescape_into(raw, &mut out)?;
    Some(Cow::Owned(out))
}

/// As [`unescape`], appending; what was appended before a wrong escape stays.
pub(crate) fn unescape_into(raw: &str, out: &mut String) -> Option<()> {
    let mut rest = raw;
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let length = match rest.as_bytes().get(1)? {
            b'u' => {
                let (c, length) = unicode_escape(rest.as_bytes())?;
                out.push(c);
                length
            }
            byte => {
                out.push(match byte {
                    b'"' | b'\\' | b'/' => char::from(*byte),
                    b'b' => '\x08',
                    b'f' => '\x0c',
                    b'n' => '\n',
                    b'r' => '\r',
                    b't' => '\t',
                    _ => return None,
                });
                2
            }
        };
        rest = &rest[length..];
    }
    out.push_str(rest);
    Some(())
}

/// The character of `\u0041` or of a pair of surrogates, and how many bytes it took.
fn unicode_escape(bytes: &[u8]) -> Option<(char, usize)> {
    let first = hexadecimal(bytes.get(2..6)?)?;
    if !(0xd800..=0xdfff).contains(&first) {
        return Some((char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER), 6));
    }
    if bytes.get(6..8) != Some(b"\\u") {
        return None;
    }
    let second = hexadecimal(bytes.get(8..12)?)?;
    let low = second.checked_sub(0xdc00)?;
    let code = 0x10000 + ((first - 0xd800) << 10) + low;
    Some((char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), 12))
}

fn hexadecimal(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |code, byte| Some(code * 16 + char::from(*byte).to_digit(16)?))
}

/// Appends what a label's value is made of a string: escapes resolved, U+FFFD left out, empty where an escape is wrong.
pub(crate) fn push_string(raw: &str, out: &mut String) {
    let start = out.len();
    if memchr::memchr(b'\\', raw.as_bytes()).is_none() {
        out.push_str(raw);
    } else if unescape_into(raw, out).is_none() {
        out.truncate(start);
    }
    remove_replacement(out, start);
}

/// Leaves U+FFFD out of what was appended from `start` on.
pub(crate) fn remove_replacement(out: &mut String, start: usize) {
    if memchr::memmem::find(&out.as_bytes()[start..], "\u{fffd}".as_bytes()).is_some() {
        let clean: String = out[start..].chars().filter(|c| *c != '\u{fffd}').collect();
        out.truncate(start);
        out.push_str(&clean);
    }
}

#[cfg(test)]
mod tests {
    use crate::logql::stage::json_scan::{Malformed, Stop, fields, unescape};

    #[track_caller]
    fn check(text: &str, expected: &[&str], end: Result<(), Malformed>) {
        let mut found = Vec::new();
        let result = fields(text, &mut |key, value| {
            found.push(format!("{key}={}", value.text));
            Ok(())
        });
        assert_eq!(found, expected, "{text}");
        assert_eq!(result, end.map_err(Stop::Malformed), "{text}");
    }

    #[test]
    fn fields_are_read_in_their_order() {
        check(
            r#" {"a":1, "b" : "x\"y","c":{"d":[1,{}]},"e":[{"}":1}],"f":null,"g":true} tail"#,
            &["a=1", r#"b=x\"y"#, r#"c={"d":[1,{}]}"#, r#"e=[{"}":1}]"#, "f=null", "g=true"],
            Ok(()),
        );
        check("{}", &[], Ok(()));
        check(r#"{"a":1,}"#, &["a=1"], Ok(()));
    }

    #[test]
    fn what_is_wrong_is_found_where_reading_gets_to() {
        check("", &[], Err(Malformed::Object));
        check("plain", &[], Err(Malformed::Object));
        check("{", &[], Err(Malformed::Json));
        check(r#"{"a""#, &[], Err(Malformed::Json));
        check(r#"{"a":1,"b"#, &["a=1"], Err(Malformed::Json));
        check(r#"{"a":1,"b":"x"#, &["a=1"], Err(Malformed::String));
        check(r#"{"a":1,"b":{"c":2"#, &["a=1"], Err(Malformed::Object));
        check(r#"{"a":1,"b":[2"#, &["a=1"], Err(Malformed::Array));
        check(r#"{"a":1"#, &["a=1"], Err(Malformed::Array));
        check(r#"{"a":nul}"#, &[], Err(Malformed::ValueType));
        check(r#"{"a":1 "b":2}"#, &["a=1"], Err(Malformed::Object));
        check(r#"{"\x":1}"#, &[], Err(Malformed::Escape));
    }

    #[test]
    fn escapes_stand_for_their_characters() {
        assert_eq!(unescape(r#"a\n\"\u0041\ud83d\ude00"#).as_deref(), Some("a\n\"A😀"));
        assert_eq!(unescape(r"\ud83d"), None);
        assert_eq!(unescape(r"\x"), None);
        assert_eq!(unescape("\\"), None);
    }
}
