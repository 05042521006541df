//! Query text to tokens, one at a time, as the parser asks for them.
//!
//! A token that cannot be read leaves an error behind and the parser goes on: which error a query gets in the end
//! depends on what comes first, as in Loki.

use std::ops::Range;

use crate::logql::error::ParseError;
use crate::logql::gotext::bytes;
use crate::logql::literal::{parse_duration, parse_range, unquote};
use crate::logql::scanner::{Raw, Scanned, Scanner};
use crate::logql::token::{Kind, SIGNS, Token, Value, WORDS, function};

/// Characters of the units of durations, behind a number.
const DURATION_SIGNS: &str = "nu\u{b5}mshdwy";
/// Characters of the units of bytes, behind a number.
const BYTES_SIGNS: &str = "BikKMGTP";

/// A place between two tokens, to come back to.
pub(crate) type Mark<'a> = Scanner<'a>;

pub(crate) struct Lexer<'a> {
    text: &'a str,
    scanner: Scanner<'a>,
    /// The first thing that could not be read.
    error: Option<ParseError>,
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(text: &'a str) -> Lexer<'a> {
        Lexer { text, scanner: Scanner::new(text), error: None }
    }

    /// The first thing that could not be read, if any.
    pub(crate) fn error(&self) -> Option<&ParseError> {
        self.error.as_ref()
    }

    /// The place that is reached.
    pub(crate) fn mark(&self) -> Mark<'a> {
        self.scanner
    }

    /// Goes on `length` bytes behind a mark, and forgets the errors.
    pub(crate) fn restart(&mut self, mark: Mark<'a>, length: usize) {
        self.scanner = mark;
        self.scanner.advance_to(mark.offset() + length);
        self.error = None;
    }

    /// The next token; behind the last one, and where a literal cannot be read, the end.
    pub(crate) fn next_token(&mut self) -> Token {
        loop {
            let scanned = self.scanner.scan();
            if self.text[scanned.start..].starts_with('#') {
                while self.scanner.peek().is_some_and(|c| c != '\n') {
                    self.scanner.next();
                }
                continue;
            }
            if let Some(message) = &scanned.error {
                let hint = hint(message, &self.text[scanned.start..]);
                self.report(message, scanned.line, scanned.column, scanned.start, hint);
            }
            return self.token(&scanned);
        }
    }

    fn token(&mut self, scanned: &Scanned) -> Token {
        let raw_text = &self.text[scanned.start..self.scanner.offset()];
        match scanned.raw {
            Raw::End => self.finish(scanned, Kind::End, Value::None),
            Raw::Number => self.number(scanned, raw_text),
            Raw::Text => match unquote(raw_text) {
                Some(text) => self.finish(scanned, Kind::Text, Value::Text(text)),
                None => {
                    self.report("invalid syntax", scanned.line, scanned.column, scanned.start, None);
                    self.finish(scanned, Kind::End, Value::None)
                }
            },
            Raw::Name => self.name(scanned, raw_text),
            Raw::Sign => self.sign(scanned, raw_text),
        }
    }

    /// A token that ends where the scanner stands.
    fn finish(&self, scanned: &Scanned, kind: Kind, value: Value) -> Token {
        let span = scanned.start..self.scanner.offset();
        Token { kind, value, line: scanned.line, column: scanned.column, span }
    }

    /// A token that Loki reads character by character, and then does not know the line of.
    fn finish_without_line(&self, scanned: &Scanned, kind: Kind, value: Value) -> Token {
        Token { line: 0, ..self.finish(scanned, kind, value) }
    }

    /// A number may go on as a duration or a size.
    fn number(&mut self, scanned: &Scanned, raw_text: &str) -> Token {
        if let Some(nanos) = self.with_unit(scanned.start, DURATION_SIGNS, parse_duration) {
            return self.finish_without_line(scanned, Kind::Duration, Value::Nanos(nanos));
        }
        if let Some(bytes) = self.with_unit(scanned.start, BYTES_SIGNS, |text| bytes::parse(text).ok()) {
            return self.finish_without_line(scanned, Kind::Bytes, Value::Bytes(bytes));
        }
        self.finish(scanned, Kind::Number, Value::Text(raw_text.to_owned()))
    }

    /// Reads on while digits, points and signs of units follow, if that gives something `parse` can read.
    fn with_unit<T>(&mut self, start: usize, signs: &str, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        let rest = self.scanner.rest();
        let length = rest.find(|c: char| !c.is_numeric() && c != '.' && !signs.contains(c)).unwrap_or(rest.len());
        let end = self.scanner.offset() + length;
        let value = (length > 0).then(|| parse(&self.text[start..end]))??;
        self.scanner.advance_to(end);
        Some(value)
    }

    fn name(&mut self, scanned: &Scanned, raw_text: &str) -> Token {
        let lower = raw_text.to_lowercase();
        let kind = match function(&lower) {
            Some(kind) if is_call(self.scanner.rest()) => kind,
            Some(_) => Kind::Identifier,
            None => WORDS.iter().find(|(word, _)| *word == lower).map_or(Kind::Identifier, |(_, kind)| *kind),
        };
        let value = if kind == Kind::Identifier { Value::Text(raw_text.to_owned()) } else { Value::None };
        self.finish(scanned, kind, value)
    }

    fn sign(&mut self, scanned: &Scanned, raw_text: &str) -> Token {
        match raw_text {
            "[" => return self.range(scanned),
            "-" => {
                for (flag, length) in [("--keep-empty", 11), ("--strict", 7)] {
                    if self.text[scanned.start..].starts_with(flag) && !flag_goes_on(&self.scanner.rest()[length..]) {
                        self.scanner.advance_to(self.scanner.offset() + length);
                        return self.finish_without_line(scanned, Kind::Flag, Value::Text(flag.to_owned()));
                    }
                }
                if let Some(nanos) = self.with_unit(scanned.start, DURATION_SIGNS, parse_duration) {
                    return self.finish_without_line(scanned, Kind::Duration, Value::Nanos(nanos));
                }
            }
            _ => {}
        }
        let text = &self.text[scanned.start..];
        let Some((sign, kind)) = SIGNS.iter().find(|(sign, _)| text.starts_with(sign)) else {
            // a character without a meaning counts as a name
            return self.finish(scanned, Kind::Identifier, Value::Text(raw_text.to_owned()));
        };
        if sign.len() == 1 {
            return self.finish(scanned, *kind, Value::None);
        }
        self.scanner.next();
        self.finish_without_line(scanned, *kind, Value::None)
    }

    /// `[5m]`, without regard to what stands inside up to the bracket.
    fn range(&mut self, scanned: &Scanned) -> Token {
        let rest = self.scanner.rest();
        let Some(length) = rest.find(']') else {
            let end = self.text.len();
            self.scanner.advance_to(end);
            let hint = Some("close the range with ], as in [5m]".to_owned());
            self.report("missing closing ']' in duration", 0, scanned.column, scanned.start, hint);
            return self.finish_without_line(scanned, Kind::End, Value::None);
        };
        let parsed = parse_range(&rest[..length]);
        self.scanner.advance_to(self.scanner.offset() + length + 1);
        match parsed {
            Ok(nanos) => self.finish_without_line(scanned, Kind::Range, Value::Nanos(nanos)),
            Err(message) => {
                let hint = Some("a range is a whole number with a unit, as in [5m] or [1h30m]".to_owned());
                self.report(&message, 0, scanned.column, scanned.start, hint);
                self.finish_without_line(scanned, Kind::End, Value::None)
            }
        }
    }

    fn report(&mut self, message: &str, line: u32, column: u32, start: usize, hint: Option<String>) {
        let span: Range<usize> = start..self.scanner.offset();
        let error = ParseError::at(line, column, message, span);
        self.error.get_or_insert(match hint {
            Some(hint) => error.with_hint(hint),
            None => error,
        });
    }
}

/// Whether a function's name is followed by its arguments or its grouping; otherwise it is a name like any other.
pub(crate) fn is_call(rest: &str) -> bool {
    let rest = rest.trim_start();
    let grouped = |word: &str| {
        let found = rest.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
        found && rest[word.len()..].trim_start().starts_with('(')
    };
    rest.starts_with('(') || grouped("by") || grouped("without")
}

fn flag_goes_on(rest: &str) -> bool {
    rest.starts_with(|c: char| c.is_alphabetic() || c == '-')
}

fn hint(message: &str, text: &str) -> Option<String> {
    match message {
        "literal not terminated" if text.starts_with('"') => Some("close the text with \"".to_owned()),
        "literal not terminated" if text.starts_with('`') => Some("close the text with `".to_owned()),
        "invalid char literal" | "literal not terminated" => Some("write texts in \"double quotes\"".to_owned()),
        "invalid char escape" => Some("write \\\\ for a backslash, or put the text between ` and `".to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::logql::ast::{RangeOp, VectorOp};
    use crate::logql::lexer::Lexer;
    use crate::logql::token::{Kind, Value};

    fn kinds(text: &str) -> Vec<Kind> {
        let mut lexer = Lexer::new(text);
        let mut kinds = Vec::new();
        loop {
            let token = lexer.next_token();
            if token.kind == Kind::End {
                return kinds;
            }
            kinds.push(token.kind);
        }
    }

    #[test]
    fn a_function_is_one_only_before_its_arguments() {
        assert_eq!(kinds("rate (")[0], Kind::RangeOp(RangeOp::Rate));
        assert_eq!(kinds("SUM BY(")[0], Kind::VectorOp(VectorOp::Sum));
        assert_eq!(kinds("sum by")[0], Kind::Identifier);
        assert_eq!(kinds("rate="), [Kind::Identifier, Kind::Equal]);
        assert_eq!(kinds("ip ip("), [Kind::Identifier, Kind::Ip, Kind::OpenParen]);
    }

    #[test]
    fn numbers_take_their_units_along() {
        for (text, kind, value) in [
            ("1h30m", Kind::Duration, Value::Nanos(5_400_000_000_000)),
            ("1.5s", Kind::Duration, Value::Nanos(1_500_000_000)),
            ("-5m", Kind::Duration, Value::Nanos(-300_000_000_000)),
            ("20MiB", Kind::Bytes, Value::Bytes(20_971_520)),
            ("5K", Kind::Bytes, Value::Bytes(5_000)),
            ("1e3", Kind::Number, Value::Text("1e3".to_owned())),
            ("[1d]", Kind::Range, Value::Nanos(86_400_000_000_000)),
            ("--strict", Kind::Flag, Value::Text("--strict".to_owned())),
        ] {
            let token = Lexer::new(text).next_token();
            assert_eq!((token.kind, token.value), (kind, value), "{text}");
        }
        assert_eq!(kinds("12kb"), [Kind::Bytes, Kind::Identifier]);
        assert_eq!(kinds("--nosuch"), [Kind::Subtract, Kind::Subtract, Kind::Identifier]);
    }

    #[test]
    fn comments_of_three_kinds_are_left_out() {
        assert_eq!(kinds("a # b\n c // d\n /* e */ f"), [Kind::Identifier; 3]);
        assert_eq!(kinds("#"), []);
    }

    #[test]
    fn tokens_of_two_characters_have_no_line() {
        let mut lexer = Lexer::new("a\n != b");
        let places: Vec<(u32, u32)> = (0..4).map(|_| lexer.next_token()).map(|t| (t.line, t.column)).collect();
        assert_eq!(places, [(1, 1), (0, 2), (2, 5), (2, 6)]);
    }
}
