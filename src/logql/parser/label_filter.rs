//! `status >= 500 and (method="GET" or took > 1s)`
//!
//! How the parts bind is Loki's: `and` binds tighter than `or`, but a comma or nothing at all between two conditions
//! takes everything behind it: `a, b or c` is `a, (b or c)`.

use crate::logql::ast::{Comparison, LabelFilter};
use crate::logql::error::ParseError;
use crate::logql::gotext::number::parse_float;
use crate::logql::literal::rounded_bytes;
use crate::logql::parser::Parser;
use crate::logql::parser::cursor::text;
use crate::logql::token::{Kind, Value};
use crate::model::MatchOp;

/// Conditions in one label filter. They become a tree that may be as deep, and trees are walked on stacks of 2 MiB.
const CONDITIONS_MAX: usize = 500;

/// What joins two conditions.
#[derive(Clone, Copy, PartialEq)]
enum Joint {
    And,
    Or,
    /// A comma or nothing.
    Loose,
}

impl Joint {
    /// Whether what stands left of this joint belongs together before `next` is looked at.
    fn binds_before(self, next: Joint) -> bool {
        match self {
            Joint::And => next != Joint::Loose,
            Joint::Or => next == Joint::Or,
            Joint::Loose => false,
        }
    }

    fn join(self, left: LabelFilter, right: LabelFilter) -> LabelFilter {
        match self {
            Joint::And | Joint::Loose => LabelFilter::And(Box::new(left), Box::new(right)),
            Joint::Or => LabelFilter::Or(Box::new(left), Box::new(right)),
        }
    }
}

/// Conditions that wait for what follows them, and the brackets around them.
#[derive(Default)]
struct Waiting {
    left: Vec<(LabelFilter, Joint)>,
    /// How many conditions waited when each bracket was opened.
    brackets: Vec<usize>,
}

impl Waiting {
    /// Joins `last` with those waiting in its bracket, as far as they belong together before `next`.
    fn join(&mut self, mut last: LabelFilter, next: Option<Joint>) -> LabelFilter {
        let outside = self.brackets.last().copied().unwrap_or(0);
        while self.left.len() > outside {
            let popped = self.left.pop_if(|(_, joint)| next.is_none_or(|next| joint.binds_before(next)));
            let Some((left, joint)) = popped else { break };
            last = joint.join(left, last);
        }
        last
    }
}

impl Parser<'_> {
    /// Conditions up to the first token that cannot go on with them. Brackets and precedence are kept on a list rather
    /// than by calls, because printing puts every pair into brackets.
    pub(super) fn label_filter(&mut self) -> Result<LabelFilter, ParseError> {
        let mut waiting = Waiting::default();
        let mut condition_count = 0;
        loop {
            while self.cursor.accept(Kind::OpenParen) {
                waiting.brackets.push(waiting.left.len());
            }
            condition_count += 1;
            if condition_count > CONDITIONS_MAX {
                let message = format!("too many conditions in one label filter (more than {CONDITIONS_MAX})");
                return Err(ParseError::rule(message, self.cursor.peek_token().span.clone())
                    .with_hint("put some of them behind another |, or use one regular expression"));
            }
            let name = self.cursor.expect_or(Kind::Identifier, &[Kind::Identifier, Kind::OpenParen]).map(text)?;
            let mut last = self.label_comparison(name)?;
            while !waiting.brackets.is_empty() && self.cursor.accept(Kind::CloseParen) {
                last = waiting.join(last, None);
                waiting.brackets.pop();
            }
            let Some(joint) = self.joint() else {
                if !waiting.brackets.is_empty() {
                    return Err(self.cursor.unexpected(&[]));
                }
                return Ok(waiting.join(last, None));
            };
            let left = waiting.join(last, Some(joint));
            waiting.left.push((left, joint));
        }
    }

    /// Takes what joins the last condition with a next one, if there is a next one.
    fn joint(&mut self) -> Option<Joint> {
        let joint = match self.cursor.peek() {
            Kind::And => Joint::And,
            Kind::Or => Joint::Or,
            Kind::Comma => Joint::Loose,
            Kind::Identifier | Kind::OpenParen => return Some(Joint::Loose),
            _ => return None,
        };
        self.cursor.take();
        Some(joint)
    }

    /// What follows the name in a condition.
    pub(super) fn label_comparison(&mut self, name: String) -> Result<LabelFilter, ParseError> {
        let op = match self.cursor.peek() {
            Kind::Matches | Kind::NotMatches => {
                let op = self.match_sign().expect("the sign was seen");
                return self.text_condition(name, op);
            }
            Kind::Equal | Kind::DoubleEqual => Comparison::Equal,
            Kind::NotEqual => Comparison::NotEqual,
            Kind::Greater => Comparison::Greater,
            Kind::GreaterOrEqual => Comparison::GreaterOrEqual,
            Kind::Less => Comparison::Less,
            Kind::LessOrEqual => Comparison::LessOrEqual,
            _ => return Err(self.cursor.unexpected(&[])),
        };
        let sign = self.cursor.take().kind;
        match (self.cursor.peek(), sign) {
            (Kind::Text, Kind::Equal) => self.text_condition(name, MatchOp::Equal),
            (Kind::Text, Kind::NotEqual) => self.text_condition(name, MatchOp::NotEqual),
            (Kind::Ip, Kind::Equal | Kind::NotEqual) => {
                let pattern = self.ip_pattern()?;
                Ok(LabelFilter::Ip { name, negated: sign == Kind::NotEqual, pattern })
            }
            (Kind::Duration | Kind::Bytes, _) => Ok(match self.cursor.take().value {
                Value::Bytes(bytes) => LabelFilter::Bytes { name, op, value: rounded_bytes(bytes) },
                Value::Nanos(value) => LabelFilter::Duration { name, op, value },
                Value::None | Value::Text(_) => unreachable!("durations and sizes have values"),
            }),
            (Kind::Number | Kind::Add | Kind::Subtract, _) => {
                let value = self.number_literal()?;
                let value = value.map_err(|error| self.cursor.lexer_error().unwrap_or(error))?;
                Ok(LabelFilter::Number { name, op, value })
            }
            _ => Err(self.cursor.unexpected(&[])),
        }
    }

    fn text_condition(&mut self, name: String, op: MatchOp) -> Result<LabelFilter, ParseError> {
        let matcher = self.matcher_value(name, op)?;
        Ok(LabelFilter::Text { name: matcher.name().to_owned(), op, value: matcher.value().to_owned() })
    }

    /// `ip("10.0.0.0/8")`; the pattern is looked at when the stage is built.
    pub(super) fn ip_pattern(&mut self) -> Result<String, ParseError> {
        self.cursor.expect(Kind::Ip)?;
        self.cursor.expect(Kind::OpenParen)?;
        let pattern = self.cursor.quoted()?;
        self.cursor.expect(Kind::CloseParen)?;
        Ok(pattern)
    }

    /// `5`, `+5`, `-5`. The inner error is one that other errors of the query may come before.
    pub(super) fn number_literal(&mut self) -> Result<Result<f64, ParseError>, ParseError> {
        let negative = match self.cursor.peek() {
            Kind::Subtract => true,
            Kind::Add => false,
            _ => return self.number_token(false),
        };
        self.cursor.take();
        self.number_token(negative)
    }

    fn number_token(&mut self, negative: bool) -> Result<Result<f64, ParseError>, ParseError> {
        let token = self.cursor.expect(Kind::Number)?;
        let span = token.span.clone();
        let value = parse_float(&text(token)).map(|value| if negative { -value } else { value });
        Ok(value.map_err(|error| ParseError::rule(format!("unable to parse literal as a float: {error}"), span)))
    }
}
