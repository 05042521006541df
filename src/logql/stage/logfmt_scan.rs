//! Reading logfmt: `key=value key2="quoted value" bare`.

use std::borrow::Cow;
use std::fmt;

use crate::logql::gotext::quote::quote_char;

/// What cannot be read, and where: bytes from the front, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SyntaxError {
    position: usize,
    fault: Fault,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Unexpected(char),
    InvalidKey,
    InvalidQuoted,
    Unterminated,
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "logfmt syntax error at pos {} : ", self.position)?;
        match self.fault {
            Fault::Unexpected(c) => write!(out, "unexpected {}", quote_char(c)),
            Fault::InvalidKey => out.write_str("invalid key"),
            Fault::InvalidQuoted => out.write_str("invalid quoted value"),
            Fault::Unterminated => out.write_str("unterminated quoted value"),
        }
    }
}

/// Walks over the pairs of a line. After an error it goes on behind the pair that has it.
#[derive(Debug)]
pub(crate) struct Pairs<'l> {
    line: &'l str,
    at: usize,
}

/// A key and its value; a bare key has an empty one.
pub(crate) type Pair<'l> = (&'l str, Cow<'l, str>);

impl<'l> Pairs<'l> {
    pub(crate) fn new(line: &'l str) -> Pairs<'l> {
        Pairs { line, at: 0 }
    }

    /// Where the pair ends that came last.
    pub(crate) fn place(&self) -> usize {
        self.at
    }

    fn error(&self, at: usize, fault: Fault) -> SyntaxError {
        SyntaxError { position: at + 1, fault }
    }

    /// Goes behind the pair that `at` lies in.
    fn skip_from(&mut self, at: usize) {
        self.at = self.first_from(at, |byte| byte <= b' ');
    }

    /// The place of the first such byte, or the end of the line.
    fn first_from(&self, at: usize, is_wanted: impl Fn(u8) -> bool) -> usize {
        let rest = &self.line.as_bytes()[at..];
        rest.iter().position(|byte| is_wanted(*byte)).map_or(self.line.len(), |offset| at + offset)
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.line.as_bytes().get(at).copied()
    }

    fn quoted(&mut self, open: usize) -> Result<Cow<'l, str>, SyntaxError> {
        let bytes = self.line.as_bytes();
        let mut at = open + 1;
        let mut escaped = false;
        loop {
            let Some(offset) = memchr::memchr2(b'"', b'\\', bytes.get(at..).unwrap_or_default()) else {
                self.at = self.line.len();
                return Err(self.error(self.at, Fault::Unterminated));
            };
            at += offset;
            if bytes[at] == b'"' {
                break;
            }
            escaped = true;
            at += 2;
        }
        self.at = at + 1;
        let raw = &self.line[open + 1..at];
        if !escaped {
            return Ok(Cow::Borrowed(raw));
        }
        unquote(raw).map(Cow::Owned).ok_or_else(|| self.error(self.at, Fault::InvalidQuoted))
    }
}

impl<'l> Iterator for Pairs<'l> {
    type Item = Result<Pair<'l>, SyntaxError>;

    fn next(&mut self) -> Option<Self::Item> {
        let start = self.first_from(self.at, |byte| byte > b' ');
        if start == self.line.len() {
            self.at = start;
            return None;
        }
        let end = self.first_from(start, |byte| byte == b'=' || byte == b'"' || byte <= b' ');
        let key = &self.line[start..end];
        let fault = match self.byte(end) {
            Some(b'"') => Some(Fault::Unexpected('"')),
            Some(b'=') if key.is_empty() => Some(Fault::Unexpected('=')),
            _ if !key.is_ascii() && key.contains('\u{fffd}') => Some(Fault::InvalidKey),
            _ => None,
        };
        if let Some(fault) = fault {
            self.skip_from(end);
            return Some(Err(self.error(end, fault)));
        }
        self.at = end;
        if self.byte(end) != Some(b'=') {
            return Some(Ok((key, Cow::Borrowed(""))));
        }
        self.at = end + 1;
        if self.byte(end + 1) == Some(b'"') {
            return Some(self.quoted(end + 1).map(|value| (key, value)));
        }
        let value_end = self.first_from(end + 1, |byte| byte == b'=' || byte == b'"' || byte <= b' ');
        if let Some(byte @ (b'=' | b'"')) = self.byte(value_end) {
            self.skip_from(value_end);
            return Some(Err(self.error(value_end, Fault::Unexpected(char::from(byte)))));
        }
        self.at = value_end;
        Some(Ok((key, Cow::Borrowed(&self.line[end + 1..value_end]))))
    }
}

/// The text between quotes, escapes resolved as in JSON; half a surrogate pair becomes U+FFFD.
fn unquote(raw: &str) -> Option<String> {
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let simple = match rest.as_bytes().get(1)? {
            byte @ (b'"' | b'\\' | b'/' | b'\'') => Some(char::from(*byte)),
            b'b' => Some('\x08'),
            b'f' => Some('\x0c'),
            b'n' => Some('\n'),
            b'r' => Some('\r'),
            b't' => Some('\t'),
            b'u' => None,
            _ => return None,
        };
        if let Some(c) = simple {
            out.push(c);
            rest = &rest[2..];
            continue;
        }
        let first = escaped_unit(rest)?;
        rest = &rest[6..];
        let pair = escaped_unit(rest).and_then(|second| {
            let is_pair = (0xd800..0xdc00).contains(&first) && (0xdc00..0xe000).contains(&second);
            is_pair.then(|| 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00))
        });
        if pair.is_some() {
            rest = &rest[6..];
        }
        out.push(char::from_u32(pair.unwrap_or(first)).unwrap_or(char::REPLACEMENT_CHARACTER));
    }
    out.push_str(rest);
    Some(out)
}

/// The number of `\u0041` at the start of the text.
fn escaped_unit(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    let all_digits = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if all_digits { u32::from_str_radix(digits, 16).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use crate::logql::stage::logfmt_scan::Pairs;

    #[track_caller]
    fn check(line: &str, expected: &[&str]) {
        let show = |pair| match pair {
            Ok((key, value)) => format!("{key}:{value}"),
            Err(error) => format!("{error}"),
        };
        let found: Vec<String> = Pairs::new(line).map(show).collect();
        assert_eq!(found, expected, "{line}");
    }

    #[test]
    fn pairs_come_with_and_without_quotes() {
        check(r#"a=1 b="x y"  c="" d= bare e="q\"\n\u00e9""#, &["a:1", "b:x y", "c:", "d:", "bare:", "e:q\"\né"]);
        check("", &[]);
        check("  \t ", &[]);
        check("한글=값", &["한글:값"]);
        check("a=1\nb=2", &["a:1", "b:2"]);
    }

    #[test]
    fn errors_say_where_and_the_rest_is_read_on() {
        check("a=b=c ok=1", &["logfmt syntax error at pos 4 : unexpected '='", "ok:1"]);
        check("=x ok=1", &["logfmt syntax error at pos 1 : unexpected '='", "ok:1"]);
        check(r#"k"x"=1 ok=1"#, &["logfmt syntax error at pos 2 : unexpected '\"'", "ok:1"]);
        check(r#"a="open ok=1"#, &["logfmt syntax error at pos 13 : unterminated quoted value"]);
        check(r#"a="\x" ok=1"#, &["logfmt syntax error at pos 7 : invalid quoted value", "ok:1"]);
        check(r#"a="x"y ok=1"#, &["a:x", "y:", "ok:1"]);
    }
}
