//! What is wrong with a query: in Loki's words for programs, with a place and a hint for people.

use std::fmt;
use std::ops::Range;

/// Why a text is no LogQL.
///
/// `Display` gives exactly the text that Loki answers, so that clients which look at it find what they know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    message: String,
    kind: Kind,
    span: Range<usize>,
    hint: Option<String>,
}

/// How the message is introduced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A place in the text. Line 0 is what Loki says of tokens that it reads character by character.
    At { line: u32, column: u32 },
    /// A rule about the whole query.
    Rule,
    /// No introduction.
    Plain,
}

impl ParseError {
    /// An error at a place: `parse error at line 1, col 5: …`.
    pub(crate) fn at(line: u32, column: u32, message: impl Into<String>, span: Range<usize>) -> ParseError {
        let kind = if (line, column) == (0, 0) { Kind::Rule } else { Kind::At { line, column } };
        ParseError { message: message.into(), kind, span, hint: None }
    }

    /// A broken rule: `parse error : …`.
    pub(crate) fn rule(message: impl Into<String>, span: Range<usize>) -> ParseError {
        ParseError { message: message.into(), kind: Kind::Rule, span, hint: None }
    }

    /// A text without an introduction.
    pub(crate) fn plain(message: impl Into<String>, span: Range<usize>) -> ParseError {
        ParseError { message: message.into(), kind: Kind::Plain, span, hint: None }
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> ParseError {
        self.hint = Some(hint.into());
        self
    }

    /// The bytes of the query that the error is about; an empty span at the end where something is missing.
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// What to try, in one sentence without a final dot, where there is something better to say than Loki's text.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::At { line, column } => write!(out, "parse error at line {line}, col {column}: {}", self.message),
            Kind::Rule => write!(out, "parse error : {}", self.message),
            Kind::Plain => out.write_str(&self.message),
        }
    }
}

impl std::error::Error for ParseError {}

#[cfg(test)]
mod tests {
    use crate::logql::error::ParseError;

    #[test]
    fn errors_read_as_loki_words_them() {
        assert_eq!(ParseError::at(1, 5, "no", 4..5).to_string(), "parse error at line 1, col 5: no");
        assert_eq!(ParseError::at(0, 0, "no", 0..0).to_string(), "parse error : no");
        assert_eq!(ParseError::rule("no", 0..1).to_string(), "parse error : no");
        assert_eq!(ParseError::plain("no", 0..1).with_hint("try yes").hint(), Some("try yes"));
    }
}
