//! `{app="web", env=~"prod|test"}`

use crate::logql::error::ParseError;
use crate::logql::parser::Parser;
use crate::logql::parser::cursor::text;
use crate::logql::token::Kind;
use crate::model::{MatchOp, Matcher};

const MATCH_SIGNS: [Kind; 4] = [Kind::Equal, Kind::Matches, Kind::NotMatches, Kind::NotEqual];

impl Parser<'_> {
    /// A selector, from its opening brace on. It may be empty; whether that is allowed is decided later.
    pub(super) fn selector(&mut self) -> Result<Vec<Matcher>, ParseError> {
        self.cursor.expect(Kind::OpenBrace)?;
        let mut matchers = Vec::new();
        match self.cursor.peek() {
            Kind::CloseBrace => {}
            Kind::Identifier => matchers.push(self.matcher()?),
            _ => return Err(self.cursor.unexpected(&[Kind::Identifier, Kind::CloseBrace])),
        }
        while !matchers.is_empty() && self.cursor.accept(Kind::Comma) {
            matchers.push(self.matcher()?);
        }
        self.cursor.expect_or(Kind::CloseBrace, &[Kind::CloseBrace, Kind::Comma])?;
        Ok(matchers)
    }

    fn matcher(&mut self) -> Result<Matcher, ParseError> {
        let name = self.cursor.identifier()?;
        match self.match_sign() {
            Some(op) => self.matcher_value(name, op),
            None => Err(self.cursor.unexpected(&MATCH_SIGNS)),
        }
    }

    /// Takes `=`, `!=`, `=~` or `!~`, if one is next.
    pub(super) fn match_sign(&mut self) -> Option<MatchOp> {
        let op = match self.cursor.peek() {
            Kind::Equal => MatchOp::Equal,
            Kind::NotEqual => MatchOp::NotEqual,
            Kind::Matches => MatchOp::Regex,
            Kind::NotMatches => MatchOp::NotRegex,
            _ => return None,
        };
        self.cursor.take();
        Some(op)
    }

    /// The quoted text that a label is compared with.
    pub(super) fn matcher_value(&mut self, name: String, op: MatchOp) -> Result<Matcher, ParseError> {
        let token = self.cursor.expect(Kind::Text)?;
        let span = token.span.clone();
        Matcher::new(op, name, text(token)).map_err(|error| ParseError::rule(error.to_string(), span))
    }
}

/// Whether a selector narrows the streams down: one of its matchers must not pass a missing label.
pub(super) fn is_selective(matchers: &[Matcher]) -> bool {
    matchers.iter().any(|matcher| !matcher.matches_value(""))
}
