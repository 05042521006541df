//! Label sets as text, `{job="web", host="a"}`, with the errors that Prometheus' parser (and so Loki) gives.

use crate::ingest::Error;
use crate::model::Labels;

/// A text that is no label set: where (line and column, in bytes, from 1) and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{column}: parse error: {reason}")]
pub(crate) struct ParseError {
    line: usize,
    column: usize,
    reason: String,
}

/// What a label set may come to: two labels of one name are the sender's mistake, which a `Labels` cannot show.
pub(crate) type Pairs = Vec<(String, String)>;

/// Reads the text form. Pairs come in the order of the text; an empty text has none.
pub(crate) fn parse(text: &str) -> Result<Pairs, ParseError> {
    Parser { text, at: 0 }.set()
}

/// Whether all names of a set that came as pairs are some; the error is what its text form would lead to.
pub(crate) fn check_names(pairs: &Pairs) -> Result<(), Error> {
    let Some((name, _)) = pairs.iter().find(|(name, _)| !is_name(name)) else { return Ok(()) };
    Err(Error::Labels(parse(&quote(pairs)).err().map_or_else(|| format!("{name:?}"), |error| error.to_string())))
}

/// Whether Loki takes `name` for a label: a letter or `_`, then letters, digits and `_`.
pub(crate) fn is_name(name: &str) -> bool {
    name.bytes().enumerate().all(|(index, byte)| is_name_byte(byte, index)) && !name.is_empty()
}

fn is_name_byte(byte: u8, index: usize) -> bool {
    byte == b'_' || byte.is_ascii_alphabetic() || (index > 0 && byte.is_ascii_digit())
}

/// The labels of pairs that have no name twice; empty values are no labels. Else the name that comes twice.
pub(crate) fn unique(pairs: Pairs) -> Result<Labels, (Labels, String)> {
    let names = pairs.iter().filter(|(_, value)| !value.is_empty()).count();
    let doubled = || {
        let mut seen: Vec<&str> = pairs.iter().map(|(name, _)| name.as_str()).collect();
        seen.sort_unstable();
        seen.windows(2).find(|two| two[0] == two[1]).map(|two| two[0].to_owned())
    };
    let doubled = doubled();
    let labels = Labels::from_pairs(pairs.into_iter().filter(|(_, value)| !value.is_empty()));
    match doubled {
        Some(name) if labels.len() < names => Err((labels, name)),
        _ => Ok(labels),
    }
}

/// The text form of pairs whose names may be anything, for errors about them.
pub(crate) fn quote(pairs: &[(String, String)]) -> String {
    let list: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    format!("{{{}}}", list.join(", "))
}

#[derive(Debug, PartialEq)]
enum Token<'a> {
    Name(&'a str),
    /// Without quotes, escapes resolved; and as it was written.
    Text(String, &'a str),
    Sign(&'static str),
    Operator(&'static str),
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn set(&mut self) -> Result<Pairs, ParseError> {
        let mut pairs = Pairs::new();
        self.skip_space();
        let metric = self.name();
        if !metric.is_empty() {
            pairs.push(("__name__".to_owned(), metric.to_owned()));
        }
        self.skip_space();
        match self.text[self.at..].chars().next() {
            None => return Ok(pairs),
            Some('{') => self.at += 1,
            Some(other) => return Err(self.error_at(self.at, format!("unexpected character: {other:?}"))),
        }
        loop {
            let (at, token) = self.token()?;
            let name = match token {
                Token::Name(name) => name,
                Token::Sign("}") => break,
                other => return Err(self.unexpected(at, &other, "identifier or \"}\"")),
            };
            match self.token()? {
                (_, Token::Sign("=")) => {}
                (at, other) => return Err(self.unexpected(at, &other, "\"=\"")),
            }
            match self.token()? {
                (_, Token::Text(value, _)) => pairs.push((name.to_owned(), value)),
                (at, other) => return Err(self.unexpected(at, &other, "string")),
            }
            match self.token()? {
                (_, Token::Sign(",")) => {}
                (_, Token::Sign("}")) => break,
                (at, other) => return Err(self.unexpected(at, &other, "\",\" or \"}\"")),
            }
        }
        self.skip_space();
        match self.text[self.at..].chars().next() {
            None => Ok(pairs),
            Some(other) => Err(self.error_at(self.at, format!("unexpected character: {other:?}"))),
        }
    }

    fn token(&mut self) -> Result<(usize, Token<'a>), ParseError> {
        self.skip_space();
        let at = self.at;
        let rest = &self.text[at..];
        let Some(first) = rest.chars().next() else {
            return Err(self.error_at(at, "unexpected end of input inside braces".to_owned()));
        };
        let token = match first {
            '=' if rest.starts_with("=~") => Token::Operator("=~"),
            '!' if rest.starts_with("!~") => Token::Operator("!~"),
            '!' if rest.starts_with("!=") => Token::Operator("!="),
            '!' => {
                let next = rest[1..].chars().next().map_or("<EOF>".to_owned(), |c| format!("{c:?}"));
                return Err(self.error_at(at, format!("unexpected character after '!' inside braces: {next}")));
            }
            '=' => Token::Sign("="),
            ',' => Token::Sign(","),
            '}' => Token::Sign("}"),
            '{' => return Err(self.error_at(at, "unexpected left brace '{'".to_owned())),
            '"' | '\'' | '`' => return self.quoted(first),
            '_' | 'a'..='z' | 'A'..='Z' => return Ok((at, Token::Name(self.name()))),
            other => {
                return Err(self.error_at(at, format!("unexpected character inside braces: {other:?}")));
            }
        };
        self.at += match &token {
            Token::Operator(sign) | Token::Sign(sign) => sign.len(),
            Token::Name(_) | Token::Text(..) => 0,
        };
        Ok((at, token))
    }

    fn name(&mut self) -> &'a str {
        let rest = &self.text[self.at..];
        let end = rest.bytes().enumerate().position(|(index, byte)| !is_name_byte(byte, index));
        let name = &rest[..end.unwrap_or(rest.len())];
        self.at += name.len();
        name
    }

    fn quoted(&mut self, quote: char) -> Result<(usize, Token<'a>), ParseError> {
        let start = self.at;
        let body = &self.text[start + 1..];
        let raw = quote == '`';
        let unterminated = if raw { "unterminated raw string" } else { "unterminated quoted string" };
        let mut escaped = false;
        let end = body.char_indices().find(|(_, c)| {
            let ends = !escaped && (*c == quote || (*c == '\n' && !raw));
            escaped = !raw && !escaped && *c == '\\';
            ends
        });
        let Some((end, _)) = end.filter(|(_, c)| *c == quote) else {
            return Err(self.error_at(start, unterminated.to_owned()));
        };
        self.at = start + end + 2;
        let inner = &body[..end];
        let value = if raw { Some(inner.to_owned()) } else { unescape(inner, quote) };
        match value {
            Some(value) => Ok((start, Token::Text(value, &self.text[start..self.at]))),
            None => Err(self.error_at(start, "error unquoting string: invalid syntax".to_owned())),
        }
    }

    fn skip_space(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r']).len();
    }

    fn unexpected(&self, at: usize, token: &Token<'_>, expected: &str) -> ParseError {
        let what = match token {
            Token::Name(name) => format!("identifier {name:?}"),
            Token::Text(_, written) => format!("string {written:?}"),
            Token::Sign(sign) => format!("{sign:?}"),
            Token::Operator(sign) => format!("<op:{sign}>"),
        };
        self.error_at(at, format!("unexpected {what} in label set, expected {expected}"))
    }

    fn error_at(&self, at: usize, reason: String) -> ParseError {
        let before = &self.text[..at];
        let line = 1 + before.matches('\n').count();
        let column = 1 + at - before.rfind('\n').map_or(0, |newline| newline + 1);
        ParseError { line, column, reason }
    }
}

/// Go's escapes in a quoted string; nothing where one is wrong or what it stands for is no text.
fn unescape(inner: &str, quote: char) -> Option<String> {
    if !inner.contains('\\') {
        return Some(inner.to_owned());
    }
    let mut bytes = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(at) = rest.find('\\') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        let escape = rest[at + 1..].chars().next()?;
        rest = &rest[at + 1 + escape.len_utf8()..];
        let mut number = |digits: &str, radix: u32, count: usize| -> Option<u32> {
            let more = rest.get(..count)?;
            rest = &rest[count..];
            let digits = format!("{digits}{more}");
            digits.chars().all(|c| c.is_digit(radix)).then(|| u32::from_str_radix(&digits, radix).ok())?
        };
        match escape {
            'a' => bytes.push(0x07),
            'b' => bytes.push(0x08),
            'f' => bytes.push(0x0c),
            'n' => bytes.push(b'\n'),
            'r' => bytes.push(b'\r'),
            't' => bytes.push(b'\t'),
            'v' => bytes.push(0x0b),
            '\\' => bytes.push(b'\\'),
            'x' => bytes.push(u8::try_from(number("", 16, 2)?).ok()?),
            '0'..='7' => bytes.push(u8::try_from(number(escape.encode_utf8(&mut [0; 4]), 8, 2)?).ok()?),
            'u' | 'U' => {
                let code = number("", 16, if escape == 'u' { 4 } else { 8 })?;
                bytes.extend_from_slice(char::from_u32(code)?.encode_utf8(&mut [0; 4]).as_bytes());
            }
            c if c == quote => bytes.push(c as u8),
            _ => return None,
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::ingest::labels::{is_name, parse, unique};
    use crate::model::Labels;

    fn check(text: &str, wanted: &[(&str, &str)]) {
        let wanted: Vec<_> = wanted.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        assert_eq!(parse(text), Ok(wanted), "{text}");
    }

    fn check_error(text: &str, wanted: &str) {
        assert_eq!(parse(text).map_err(|error| error.to_string()), Err(wanted.to_owned()), "{text}");
    }

    #[test]
    fn sets_are_read_as_prometheus_reads_them() {
        check("", &[]);
        check("{}", &[]);
        check(" { } ", &[]);
        check(r#"{job="web", host="a",}"#, &[("job", "web"), ("host", "a")]);
        check(r#"{a='x"y', b=`raw\n`}"#, &[("a", "x\"y"), ("b", "raw\\n")]);
        check(r#"{a="tab\tquote\"nl\n\\ \x41\101한é"}"#, &[("a", "tab\tquote\"nl\n\\ AA한é")]);
        check("{\n a=\"1\"\n}", &[("a", "1")]);
        check("up{a=\"1\"}", &[("__name__", "up"), ("a", "1")]);
    }

    #[test]
    fn errors_say_where_and_what_as_prometheus_does() {
        check_error(r#"{conf=~"proto2"}"#, "1:6: parse error: unexpected <op:=~> in label set, expected \"=\"");
        check_error(
            "{conf=proto3}",
            "1:7: parse error: unexpected identifier \"proto3\" in label set, expected string",
        );
        check_error("{bad-name=\"x\"}", "1:5: parse error: unexpected character inside braces: '-'");
        check_error("{conf=\"lbad4\", 키=\"x\"}", "1:16: parse error: unexpected character inside braces: '키'");
        check_error("{a b=\"x\"}", "1:4: parse error: unexpected identifier \"b\" in label set, expected \"=\"");
        check_error(
            "{a=\"x\" b=\"y\"}",
            "1:8: parse error: unexpected identifier \"b\" in label set, expected \",\" or \"}\"",
        );
        check_error("{a=\"x\"", "1:7: parse error: unexpected end of input inside braces");
        check_error("{\n a=\"x", "2:4: parse error: unterminated quoted string");
        check_error("{=\"x\"}", "1:2: parse error: unexpected \"=\" in label set, expected identifier or \"}\"");
    }

    #[test]
    fn empty_values_are_no_labels_and_doubled_names_are_found() {
        let set = |text| unique(parse(text).unwrap());
        assert_eq!(set("{b=\"1\", a=\"\"}"), Ok(Labels::from([("b", "1")])));
        assert_eq!(set("{b=\"1\", a=\"2\", b=\"3\"}").unwrap_err().1, "b");
        assert_eq!(set("{b=\"1\", b=\"\"}"), Ok(Labels::from([("b", "1")])));
    }

    #[test]
    fn names_are_letters_digits_and_underscores() {
        assert!(is_name("a") && is_name("_a9Z"));
        assert!(!is_name("") && !is_name("9a") && !is_name("a-b") && !is_name("é"));
    }

    proptest! {
        #[test]
        fn what_is_displayed_is_parsed_again(pairs in prop::collection::vec(("[a-zA-Z_][a-zA-Z0-9_]{0,5}", ".{1,20}"), 0..5)) {
            let labels = Labels::from_pairs(pairs);
            prop_assert_eq!(unique(parse(&labels.to_string()).unwrap()), Ok(labels));
        }

        #[test]
        fn arbitrary_text_never_panics(text in "[{}=!~,\"'`\\\\a-c0-9 \n한]{0,40}") {
            let _ = parse(&text);
        }
    }
}
