//! Characters to raw tokens: names, numbers, quoted texts and single signs, by Go's rules of scanning.
//!
//! Loki reads queries with a copy of Go's text scanner; what that takes for a number, a comment or an error shows in
//! Loki's answers, so this follows the same rules.

/// What the scanner found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Raw {
    End,
    Name,
    Number,
    /// `"…"` or `` `…` ``
    Text,
    /// Any other character, alone.
    Sign,
}

/// A place in the query. Lines and columns count from 1, columns in characters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scanner<'a> {
    text: &'a str,
    offset: usize,
    line: u32,
    column: u32,
}

/// A raw token: where it starts, what it is, and the first thing wrong with it.
#[derive(Debug)]
pub(crate) struct Scanned {
    pub(crate) raw: Raw,
    pub(crate) start: usize,
    pub(crate) line: u32,
    pub(crate) column: u32,
    pub(crate) error: Option<String>,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(text: &'a str) -> Scanner<'a> {
        let mut scanner = Scanner { text, offset: 0, line: 1, column: 1 };
        if text.starts_with('\u{feff}') {
            scanner.next();
        }
        scanner
    }

    /// Bytes read so far.
    pub(crate) fn offset(&self) -> usize {
        self.offset
    }

    /// What is not read yet.
    pub(crate) fn rest(&self) -> &'a str {
        &self.text[self.offset..]
    }

    pub(crate) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(crate) fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.offset += c.len_utf8();
        if c == '\n' {
            self.line += 1;
            self.column = 1;
        } else {
            self.column += 1;
        }
        Some(c)
    }

    /// Reads on to the byte `offset`, which lies ahead and between two characters.
    pub(crate) fn advance_to(&mut self, offset: usize) {
        while self.offset < offset && self.next().is_some() {}
    }

    fn take_while(&mut self, accept: impl Fn(char) -> bool) {
        while self.peek().is_some_and(&accept) {
            self.next();
        }
    }

    /// Reads the next raw token, blanks and Go's comments left out.
    pub(crate) fn scan(&mut self) -> Scanned {
        let entry = self.offset;
        let mut error = self.skip_blanks();
        let (start, line, column) = (self.offset, self.line, self.column);
        let raw = match self.peek() {
            None => Raw::End,
            Some('"') => {
                error = error.or(self.quoted('"').1);
                Raw::Text
            }
            Some('`') => {
                self.next();
                self.take_while(|c| c != '`');
                if self.next().is_none() {
                    error = error.or(Some("literal not terminated".to_owned()));
                }
                Raw::Text
            }
            Some('\'') => {
                let (length, problem) = self.quoted('\'');
                let invalid = (length != 1).then(|| "invalid char literal".to_owned());
                error = error.or(problem).or(invalid);
                Raw::Sign
            }
            Some(c) if c == '_' || c.is_alphabetic() => {
                self.take_while(|c| c == '_' || c.is_alphanumeric());
                Raw::Name
            }
            Some(c) if c.is_ascii_digit() => {
                error = error.or(self.number(start == entry));
                Raw::Number
            }
            Some('.') if self.rest()[1..].starts_with(|c: char| c.is_ascii_digit()) => {
                error = error.or(self.number(false));
                Raw::Number
            }
            Some(_) => {
                self.next();
                Raw::Sign
            }
        };
        if self.text[start..self.offset].contains('\0') || self.rest().starts_with('\0') {
            error = error.or(Some("invalid character NUL".to_owned()));
        }
        // an empty query has no place
        let (line, column) = if self.text.is_empty() { (0, 0) } else { (line, column) };
        Scanned { raw, start, line, column, error }
    }

    /// Skips blanks, `// …` and `/* … */`.
    fn skip_blanks(&mut self) -> Option<String> {
        loop {
            self.take_while(|c| matches!(c, ' ' | '\t' | '\n' | '\r'));
            if self.rest().starts_with("//") {
                self.take_while(|c| c != '\n');
            } else if self.rest().starts_with("/*") {
                let Some(length) = self.rest()[2..].find("*/") else {
                    self.advance_to(self.text.len());
                    return Some("comment not terminated".to_owned());
                };
                self.advance_to(self.offset + 2 + length + 2);
            } else {
                return None;
            }
        }
    }

    /// Reads up to the closing quote. Answers the number of characters between the quotes and what is wrong.
    fn quoted(&mut self, quote: char) -> (usize, Option<String>) {
        self.next();
        let mut length = 0;
        let mut error = None;
        loop {
            match self.next() {
                None | Some('\n') => return (length, error.or(Some("literal not terminated".to_owned()))),
                Some('\\') => {
                    if !self.escape(quote) {
                        error = error.or(Some("invalid char escape".to_owned()));
                    }
                }
                Some(c) if c == quote => return (length, error),
                Some(_) => {}
            }
            length += 1;
        }
    }

    /// Reads what follows a backslash.
    fn escape(&mut self, quote: char) -> bool {
        let (base, length) = match self.peek() {
            Some('a' | 'b' | 'f' | 'n' | 'r' | 't' | 'v' | '\\') => (0, 1),
            Some(c) if c == quote => (0, 1),
            Some('0'..='7') => (8, 3),
            Some('x') => (16, 2),
            Some('u') => (16, 4),
            Some('U') => (16, 8),
            _ => return false,
        };
        if base != 8 {
            self.next();
        }
        (base == 0)
            || (0..length).all(|_| {
                let digit = self.peek().is_some_and(|c| c.is_digit(base));
                if digit {
                    self.next();
                }
                digit
            })
    }

    /// Reads a number with its base, point and exponent. `fresh`: no blank was skipped in front of it.
    fn number(&mut self, fresh: bool) -> Option<String> {
        let start = self.offset;
        let mut error = Errors::default();
        let (prefix, mut has_digits) = self.base_prefix(fresh);
        let base = match prefix {
            Some('x') => 16,
            Some('o' | '0') => 8,
            Some('b') => 2,
            _ => 10,
        };
        let whole = self.digits(base);
        has_digits |= whole.any;
        let mut invalid = whole.invalid;
        let has_point = self.peek() == Some('.');
        if has_point {
            self.next();
            if matches!(prefix, Some('o' | 'b')) {
                error.add(format!("invalid radix point in {}", literal_name(prefix)));
            }
            let fraction = self.digits(base);
            has_digits |= fraction.any;
            invalid = invalid.or(fraction.invalid);
        }
        if !has_digits {
            error.add(format!("{} has no digits", literal_name(prefix)));
        }
        let has_exponent = self.exponent(prefix, &mut error);
        if !has_exponent && prefix == Some('x') && has_point {
            error.add("hexadecimal mantissa requires a 'p' exponent".to_owned());
        }
        if let (false, Some(digit)) = (has_point || has_exponent, invalid) {
            error.add(format!("invalid digit '{digit}' in {}", literal_name(prefix)));
        }
        if has_stray_separator(&self.text[start..self.offset]) {
            error.add("'_' must separate successive digits".to_owned());
        }
        error.first
    }

    /// Reads `0x`, `0o`, `0b` or the 0 of an octal number. Answers the base's letter and whether a digit was read.
    fn base_prefix(&mut self, fresh: bool) -> (Option<char>, bool) {
        if self.peek() != Some('0') {
            return (None, false);
        }
        self.next();
        let letter = self.peek().map(|c| c.to_ascii_lowercase());
        match letter {
            Some('x' | 'o') => {
                self.next();
                (letter, false)
            }
            // the scanner looks at the character in front of the number here, which makes ` 0b1` no binary number
            Some('b') if fresh => {
                self.next();
                (letter, false)
            }
            Some('b') => (None, false),
            _ => (Some('0'), true),
        }
    }

    fn digits(&mut self, base: u32) -> Digits {
        let mut found = Digits { any: false, invalid: None };
        while let Some(c) = self.peek() {
            let accepted = c == '_' || if base == 16 { c.is_ascii_hexdigit() } else { c.is_ascii_digit() };
            if !accepted {
                break;
            }
            self.next();
            if c != '_' {
                found.any = true;
                if base < 10 && !c.is_digit(base) {
                    found.invalid = found.invalid.or(Some(c));
                }
            }
        }
        found
    }

    fn exponent(&mut self, prefix: Option<char>, error: &mut Errors) -> bool {
        let Some(letter) = self.peek().filter(|c| matches!(c, 'e' | 'E' | 'p' | 'P')) else { return false };
        if letter.eq_ignore_ascii_case(&'e') && !matches!(prefix, None | Some('0')) {
            error.add(format!("'{letter}' exponent requires decimal mantissa"));
        } else if letter.eq_ignore_ascii_case(&'p') && prefix != Some('x') {
            error.add(format!("'{letter}' exponent requires hexadecimal mantissa"));
        }
        self.next();
        if matches!(self.peek(), Some('+' | '-')) {
            self.next();
        }
        if !self.digits(10).any {
            error.add("exponent has no digits".to_owned());
        }
        true
    }
}

/// What a run of digits held.
struct Digits {
    any: bool,
    /// The first one that is too great for the base.
    invalid: Option<char>,
}

/// Keeps the first of several errors.
#[derive(Default)]
struct Errors {
    first: Option<String>,
}

impl Errors {
    fn add(&mut self, error: String) {
        self.first.get_or_insert(error);
    }
}

fn literal_name(prefix: Option<char>) -> &'static str {
    match prefix {
        Some('x') => "hexadecimal literal",
        Some('o' | '0') => "octal literal",
        Some('b') => "binary literal",
        _ => "decimal literal",
    }
}

/// Whether a `_` stands anywhere but between two digits; the letter of a base counts as a digit.
fn has_stray_separator(number: &str) -> bool {
    let lower = number.to_ascii_lowercase();
    let hex = lower.starts_with("0x");
    let body = ["0x", "0o", "0b"].iter().find_map(|base| lower.strip_prefix(base).map(|rest| format!("0{rest}")));
    let body = body.unwrap_or(lower);
    let is_digit = |c: Option<&u8>| c.is_some_and(|c| if hex { c.is_ascii_hexdigit() } else { c.is_ascii_digit() });
    let bytes = body.as_bytes();
    (0..bytes.len())
        .filter(|index| bytes[*index] == b'_')
        .any(|index| index == 0 || !is_digit(bytes.get(index - 1)) || !is_digit(bytes.get(index + 1)))
}

#[cfg(test)]
mod tests {
    use crate::logql::scanner::{Raw, Scanner};

    fn check(text: &str, expected: &[(Raw, &str)], error: Option<&str>) {
        let mut scanner = Scanner::new(text);
        let mut found = Vec::new();
        let mut first_error = None;
        loop {
            let scanned = scanner.scan();
            first_error = first_error.or(scanned.error);
            if scanned.raw == Raw::End {
                break;
            }
            found.push((scanned.raw, &text[scanned.start..scanner.offset()]));
        }
        assert_eq!(found, expected, "{text}");
        assert_eq!(first_error.as_deref(), error, "{text}");
    }

    #[test]
    fn names_numbers_texts_and_signs_are_told_apart() {
        use Raw::{Name, Number, Sign, Text};
        check(
            "a_1 \"x\\\"y\" `r\n` .5 1.5e-3|=",
            &[
                (Name, "a_1"),
                (Text, "\"x\\\"y\""),
                (Text, "`r\n`"),
                (Number, ".5"),
                (Number, "1.5e-3"),
                (Sign, "|"),
                (Sign, "="),
            ],
            None,
        );
        check("라벨 // c\n/* d */ 'a'", &[(Name, "라벨"), (Sign, "'a'")], None);
    }

    #[test]
    fn broken_literals_are_named_as_go_names_them() {
        use Raw::{Name, Number, Sign, Text};
        check("\"a", &[(Text, "\"a")], Some("literal not terminated"));
        check(r#""\d""#, &[(Text, r#""\d""#)], Some("invalid char escape"));
        check("'ab'", &[(Sign, "'ab'")], Some("invalid char literal"));
        check("1e", &[(Number, "1e")], Some("exponent has no digits"));
        check("1PB", &[(Number, "1P"), (Name, "B")], Some("'P' exponent requires hexadecimal mantissa"));
        check("089", &[(Number, "089")], Some("invalid digit '8' in octal literal"));
        check("0x", &[(Number, "0x")], Some("hexadecimal literal has no digits"));
        check("0B", &[(Number, "0B")], Some("binary literal has no digits"));
        check(" 0B", &[(Number, "0"), (Name, "B")], Some("decimal literal has no digits"));
        check("1__0", &[(Number, "1__0")], Some("'_' must separate successive digits"));
        check("0x_1", &[(Number, "0x_1")], None);
        check("/* a", &[], Some("comment not terminated"));
    }
}
