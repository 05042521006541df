//! Functions that write and read other formats: HTML, JavaScript, URLs, base64, JSON, Unix time.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::Digest as _;

use crate::logql::gotext::quote::{is_print, quote};
use crate::logql::gotext::time::Time;
use crate::logql::gotext::{bytes_to_string, number};
use crate::logql::template::value::Value;

/// `Hash`: SHA3-256 of a salt and a text, in hexadecimal digits.
pub(crate) fn sha3(salt: &str, text: &str) -> String {
    hex(&sha3::Sha3_256::new().chain_update(salt).chain_update(text).finalize())
}

/// `Sha2Hash`: SHA-256 of a salt and a text, in hexadecimal digits.
pub(crate) fn sha2(salt: &str, text: &str) -> String {
    hex(&sha2::Sha256::new().chain_update(salt).chain_update(text).finalize())
}

fn hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // writing into a string cannot fail
        let _ = write!(out, "{byte:02x}");
    }
    out
}

/// `html`
pub(crate) fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\0' => out.push('\u{fffd}'),
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            c => out.push(c),
        }
    }
    out
}

/// `js`
pub(crate) fn js(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\'' => out.push_str("\\'"),
            '"' => out.push_str("\\\""),
            '<' => out.push_str("\\u003C"),
            '>' => out.push_str("\\u003E"),
            '&' => out.push_str("\\u0026"),
            '=' => out.push_str("\\u003D"),
            c if is_print(c) => out.push(c),
            c => {
                // writing into a string cannot fail
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
        }
    }
    out
}

/// `urlquery`, `urlencode`
pub(crate) fn url_encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            byte => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

/// `urldecode`; the error is Go's text.
pub(crate) fn url_decode(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match first {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
                let digits = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
                let Some(byte) = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) else {
                    let shown = &after[..after.len().min(2)];
                    let shown = format!("%{}", String::from_utf8_lossy(shown));
                    return Err(format!("invalid URL escape {}", quote(&shown)));
                };
                bytes.push(byte);
                rest = &after[2..];
            }
            byte => bytes.push(*byte),
        }
    }
    Ok(bytes_to_string(bytes))
}

/// `b64enc`
pub(crate) fn base64_encode(text: &str) -> String {
    STANDARD.encode(text)
}

/// `b64dec`: the text, or in its place what is wrong with it, as in Loki.
pub(crate) fn base64_decode(text: &str) -> String {
    match decode_base64(text.as_bytes()) {
        Ok(bytes) => bytes_to_string(bytes),
        Err(at) => format!("illegal base64 data at input byte {at}"),
    }
}

/// Newlines between the characters do not count; the error is the place of the first wrong byte.
fn decode_base64(text: &[u8]) -> Result<Vec<u8>, usize> {
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let mut group: u32 = 0;
    let mut count = 0;
    let mut places = text.iter().copied().enumerate().filter(|(_, byte)| !matches!(byte, b'\r' | b'\n'));
    while let Some((at, byte)) = places.next() {
        if let Some(value) = digit(byte) {
            group = group << 6 | u32::from(value);
            count += 1;
            if count == 4 {
                bytes.extend_from_slice(&group.to_be_bytes()[1..]);
                (group, count) = (0, 0);
            }
            continue;
        }
        if byte != b'=' || count < 2 {
            return Err(at);
        }
        if count == 2 {
            match places.next() {
                None => return Err(text.len()),
                Some((_, b'=')) => {}
                Some((at, _)) => return Err(at),
            }
        }
        if let Some((at, _)) = places.next() {
            return Err(at);
        }
        group <<= 6 * (4 - count);
        bytes.extend_from_slice(&group.to_be_bytes()[1..count]);
        return Ok(bytes);
    }
    if count == 0 { Ok(bytes) } else { Err(text.len() - count) }
}

/// `unixToTime`: days, seconds, milli-, micro- or nanoseconds by the length of the text; the error is Go's text.
pub(crate) fn unix_to_time(text: &str) -> Result<Time, String> {
    let count = number::parse_int(text).map_err(|error| format!("unable to parse time '{text}': {error}"))?;
    let time = match text.len() {
        5 => Time::from_unix(count.saturating_mul(86_400), 0),
        10 => Time::from_unix(count, 0),
        13 => Time::from_unix(count.div_euclid(1_000), count.rem_euclid(1_000) * 1_000_000),
        16 => Time::from_unix(count.div_euclid(1_000_000), count.rem_euclid(1_000_000) * 1_000),
        19 => Time::from_unix(0, count),
        // Loki wraps an error that is not there
        _ => return Err(format!("unable to parse time '{text}': %!w(<nil>)")),
    };
    Ok(time.unwrap_or_else(Time::zero))
}

/// `fromJson`: nothing where the text is no JSON.
pub(crate) fn from_json<'a>(text: &str) -> Value<'a> {
    serde_json::from_str(text).map_or(Value::Nothing, convert)
}

fn convert<'a>(json: serde_json::Value) -> Value<'a> {
    match json {
        serde_json::Value::Null => Value::Nothing,
        serde_json::Value::Bool(value) => Value::Bool(value),
        serde_json::Value::Number(number) => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        serde_json::Value::String(text) => Value::text(text),
        serde_json::Value::Array(list) => Value::List(Rc::new(list.into_iter().map(convert).collect())),
        serde_json::Value::Object(map) => {
            let map: BTreeMap<String, Value<'a>> = map.into_iter().map(|(key, value)| (key, convert(value))).collect();
            Value::Map(Rc::new(map))
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::logql::template::codec::{base64_decode, html, js, url_decode, url_encode};

    #[test]
    fn base64_names_the_place_of_a_fault() {
        let table = [
            ("aGVsbG8=", "hello"),
            ("aGk=", "hi"),
            ("aA==", "h"),
            ("", ""),
            ("aG\nk=", "hi"),
            ("!!", "illegal base64 data at input byte 0"),
            ("aGVs!G8=", "illegal base64 data at input byte 4"),
            ("aGVsbG8", "illegal base64 data at input byte 4"),
            ("aA=", "illegal base64 data at input byte 3"),
            ("aA==x", "illegal base64 data at input byte 4"),
        ];
        for (text, decoded) in table {
            assert_eq!(base64_decode(text), decoded, "{text}");
        }
    }

    #[test]
    fn urls_and_markup_are_escaped() {
        assert_eq!(url_encode("a b&c=d/한"), "a+b%26c%3Dd%2F%ED%95%9C");
        assert_eq!(url_decode("a%20b%26c+d").as_deref(), Ok("a b&c d"));
        assert_eq!(url_decode("x%zz"), Err("invalid URL escape \"%zz\"".to_owned()));
        assert_eq!(html("<a href='x'>&"), "&lt;a href=&#39;x&#39;&gt;&amp;");
        assert_eq!(js("it's <b>\n"), "it\\'s \\u003Cb\\u003E\\u000A");
    }
}
