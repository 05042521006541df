//! Label matchers: `name="value"`, `!=`, `=~`, `!~`.
//!
//! Regular expressions are anchored at both ends, and a missing label counts as an empty one, as in Loki.

use std::fmt;

use regex::Regex;

use crate::model::{Labels, re2};

/// How a matcher compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MatchOp {
    Equal,
    NotEqual,
    Regex,
    NotRegex,
}

impl MatchOp {
    /// The sign used in LogQL.
    pub const fn sign(self) -> &'static str {
        match self {
            MatchOp::Equal => "=",
            MatchOp::NotEqual => "!=",
            MatchOp::Regex => "=~",
            MatchOp::NotRegex => "!~",
        }
    }
}

/// One comparison of a label's value.
#[derive(Clone)]
pub struct Matcher {
    name: String,
    op: MatchOp,
    value: String,
    regex: Option<Regex>,
}

impl Matcher {
    /// Compiles the pattern where `op` is a regular expression.
    pub fn new(op: MatchOp, name: impl Into<String>, value: impl Into<String>) -> Result<Matcher, re2::Error> {
        let value = value.into();
        let regex = match op {
            MatchOp::Equal | MatchOp::NotEqual => None,
            MatchOp::Regex | MatchOp::NotRegex => Some(re2::compile_anchored(&value)?),
        };
        Ok(Matcher { name: name.into(), op, value, regex })
    }

    /// `name="value"`
    pub fn equal(name: impl Into<String>, value: impl Into<String>) -> Matcher {
        Matcher { name: name.into(), op: MatchOp::Equal, value: value.into(), regex: None }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn op(&self) -> MatchOp {
        self.op
    }

    /// The text or pattern compared with, as it was written.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Whether a label with this value passes; pass `""` for a missing label.
    pub fn matches_value(&self, value: &str) -> bool {
        match (self.op, &self.regex) {
            (MatchOp::Regex, Some(regex)) => regex.is_match(value),
            (MatchOp::NotRegex, Some(regex)) => !regex.is_match(value),
            (MatchOp::NotEqual, _) => self.value != value,
            (MatchOp::Equal | MatchOp::Regex | MatchOp::NotRegex, _) => self.value == value,
        }
    }

    /// Whether a set of labels passes.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.matches_value(labels.get(&self.name).unwrap_or(""))
    }
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Matcher) -> bool {
        (&self.name, self.op, &self.value) == (&other.name, other.op, &other.value)
    }
}

impl fmt::Debug for Matcher {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}{}{:?}", self.name, self.op.sign(), self.value)
    }
}

#[cfg(test)]
mod tests {
    use crate::model::{Labels, MatchOp, Matcher};

    #[test]
    fn a_missing_label_counts_as_empty_and_patterns_are_anchored() {
        let labels = Labels::from([("app", "web-1")]);
        let matches = |op, name, value| Matcher::new(op, name, value).expect("valid pattern").matches(&labels);
        assert!(matches(MatchOp::Regex, "app", "web-."));
        assert!(!matches(MatchOp::Regex, "app", "web"));
        assert!(matches(MatchOp::Equal, "host", ""));
        assert!(matches(MatchOp::NotEqual, "host", "a"));
        assert!(matches(MatchOp::NotRegex, "host", ".+"));
    }
}
