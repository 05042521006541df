//! `| status >= 500`, `| took > 1s or size > 1MB`, `| addr = ip("10.0.0.0/8")`: conditions on labels.
//!
//! A number, duration or size that a label's value cannot be read as marks the line with an error and lets it pass;
//! a label that is not there drops it. Only text is compared with a missing label, as if that were empty.

use regex::Regex;

use crate::logql::ast::{Comparison, LabelFilter};
use crate::logql::gotext::{bytes, duration, number};
use crate::logql::stage::ip::IpPattern;
use crate::logql::stage::labels::{LineError, LineLabels};
use crate::model::{MatchOp, re2};

/// A condition that is ready to run.
#[derive(Clone, Debug)]
pub(crate) enum Condition {
    Text { name: String, test: TextTest },
    Number { name: String, op: Comparison, value: f64 },
    Duration { name: String, op: Comparison, value: i64 },
    Bytes { name: String, op: Comparison, value: u64 },
    Ip { name: String, negated: bool, pattern: IpPattern },
    And(Box<Condition>, Box<Condition>),
    Or(Box<Condition>, Box<Condition>),
}

#[derive(Clone, Debug)]
pub(crate) enum TextTest {
    Equal(String),
    NotEqual(String),
    Matches(Regex),
    NotMatches(Regex),
}

impl Condition {
    /// Compiles patterns; the error is Loki's text.
    pub(crate) fn new(filter: &LabelFilter) -> Result<Condition, String> {
        Ok(match filter {
            LabelFilter::Text { name, op, value } => {
                Condition::Text { name: name.clone(), test: TextTest::new(*op, value)? }
            }
            LabelFilter::Number { name, op, value } => Condition::Number { name: name.clone(), op: *op, value: *value },
            LabelFilter::Duration { name, op, value } => {
                Condition::Duration { name: name.clone(), op: *op, value: *value }
            }
            // Loki prints a query and reads it again before it runs it, and prints sizes to two digits
            LabelFilter::Bytes { name, op, value } => {
                let value = bytes::parse(&bytes::format(*value)).unwrap_or(*value);
                Condition::Bytes { name: name.clone(), op: *op, value }
            }
            LabelFilter::Ip { name, negated, pattern } => {
                let pattern = IpPattern::parse(pattern)?;
                Condition::Ip { name: name.clone(), negated: *negated, pattern }
            }
            LabelFilter::And(left, right) => {
                Condition::And(Box::new(Condition::new(left)?), Box::new(Condition::new(right)?))
            }
            LabelFilter::Or(left, right) => {
                Condition::Or(Box::new(Condition::new(left)?), Box::new(Condition::new(right)?))
            }
        })
    }

    /// The names of all labels that are looked at.
    pub(crate) fn names<'c>(&'c self, names: &mut Vec<&'c str>) {
        match self {
            Condition::Text { name, .. }
            | Condition::Number { name, .. }
            | Condition::Duration { name, .. }
            | Condition::Bytes { name, .. }
            | Condition::Ip { name, .. } => names.push(name),
            Condition::And(left, right) | Condition::Or(left, right) => {
                left.names(names);
                right.names(names);
            }
        }
    }

    /// Whether the line passes; a value that cannot be read leaves an error on the line.
    pub(crate) fn passes(&self, labels: &mut LineLabels<'_>) -> bool {
        match self {
            Condition::Text { name, test } => test.passes(labels.text(name)),
            Condition::Number { name, op, value } => {
                let parsed = labels.get(name).map(number::parse_float);
                compare(parsed, *op, value, labels)
            }
            Condition::Duration { name, op, value } => {
                let parsed = labels.get(name).map(duration::parse);
                compare(parsed, *op, value, labels)
            }
            Condition::Bytes { name, op, value } => {
                let parsed = labels.get(name).map(bytes::parse);
                compare(parsed, *op, value, labels)
            }
            Condition::Ip { name, negated, pattern } => {
                if labels.error().is_some() {
                    return true;
                }
                labels.get(name).is_some_and(|value| pattern.is_in(value) != *negated)
            }
            // both sides run, because an error that one leaves may show even if the other decides
            Condition::And(left, right) => {
                let passes = left.passes(labels);
                right.passes(labels) && passes
            }
            Condition::Or(left, right) => left.passes(labels) || right.passes(labels),
        }
    }
}

fn compare<T: PartialOrd>(
    parsed: Option<Result<T, String>>,
    op: Comparison,
    value: &T,
    labels: &mut LineLabels<'_>,
) -> bool {
    match parsed {
        None => false,
        Some(Err(details)) => {
            if labels.error().is_none() {
                labels.set_error(LineError::LabelFilter, &details);
            }
            true
        }
        Some(Ok(found)) => match op {
            Comparison::Equal => found == *value,
            Comparison::NotEqual => found != *value,
            Comparison::Greater => found > *value,
            Comparison::GreaterOrEqual => found >= *value,
            Comparison::Less => found < *value,
            Comparison::LessOrEqual => found <= *value,
        },
    }
}

impl TextTest {
    fn new(op: MatchOp, value: &str) -> Result<TextTest, String> {
        // unlike in selectors, `.` does not match a newline here
        let regex = || re2::compile_whole(value).map_err(|error| error.to_string());
        Ok(match op {
            MatchOp::Equal => TextTest::Equal(value.to_owned()),
            MatchOp::NotEqual => TextTest::NotEqual(value.to_owned()),
            MatchOp::Regex => TextTest::Matches(regex()?),
            MatchOp::NotRegex => TextTest::NotMatches(regex()?),
        })
    }

    fn passes(&self, value: &str) -> bool {
        match self {
            TextTest::Equal(text) => text == value,
            TextTest::NotEqual(text) => text != value,
            TextTest::Matches(regex) => regex.is_match(value),
            TextTest::NotMatches(regex) => !regex.is_match(value),
        }
    }
}
