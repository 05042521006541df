//! `|= "x"`, `!= "x"`, `|~ "re"`, `!~ "re"`, `|> "<_> x"`, `!> "<_> x"`, each with `or` alternatives and `ip("…")`.

use memchr::memmem::Finder;
use regex::Regex;

use crate::logql::ast::{LineFilter, LineOp, LineTest};
use crate::logql::stage::ip::IpPattern;
use crate::logql::stage::line_pattern::LinePattern;
use crate::model::re2;

/// A line filter that is ready to run: the line must pass one of the tests, or none of them where it is negated.
#[derive(Debug)]
pub(crate) struct LineFilterStep {
    negated: bool,
    tests: Vec<Test>,
}

#[derive(Debug)]
enum Test {
    /// An empty text is in every line.
    Anything,
    Contains(Box<Finder<'static>>),
    Matches(Regex),
    Pattern(LinePattern),
    Ip(IpPattern),
}

impl LineFilterStep {
    /// Compiles patterns; the error is Loki's text.
    pub(crate) fn new(filter: &LineFilter) -> Result<LineFilterStep, String> {
        let negated = match filter.op {
            LineOp::Contains | LineOp::Matches | LineOp::Pattern => false,
            LineOp::NotContains | LineOp::NotMatches | LineOp::NotPattern => true,
        };
        let tests: Result<Vec<Test>, String> =
            filter.alternatives.iter().map(|alternative| Test::new(filter.op, alternative)).collect();
        Ok(LineFilterStep { negated, tests: tests? })
    }

    pub(crate) fn passes(&self, line: &str) -> bool {
        self.tests.iter().any(|test| test.passes(line)) != self.negated
    }
}

impl Test {
    fn new(op: LineOp, test: &LineTest) -> Result<Test, String> {
        let text = match test {
            LineTest::Ip(pattern) => {
                return match op {
                    LineOp::Contains | LineOp::NotContains => Ok(Test::Ip(IpPattern::parse(pattern)?)),
                    LineOp::Matches | LineOp::NotMatches | LineOp::Pattern | LineOp::NotPattern => {
                        Err("ip: invalid operation".to_owned())
                    }
                };
            }
            LineTest::Text(text) => text,
        };
        Ok(match op {
            LineOp::Contains | LineOp::NotContains if text.is_empty() => Test::Anything,
            LineOp::Contains | LineOp::NotContains => Test::Contains(Box::new(Finder::new(text).into_owned())),
            LineOp::Matches | LineOp::NotMatches => {
                Test::Matches(re2::compile(text).map_err(|error| error.to_string())?)
            }
            LineOp::Pattern | LineOp::NotPattern => Test::Pattern(LinePattern::parse(text)?),
        })
    }

    fn passes(&self, line: &str) -> bool {
        match self {
            Test::Anything => true,
            Test::Contains(finder) => finder.find(line.as_bytes()).is_some(),
            Test::Matches(regex) => regex.is_match(line),
            Test::Pattern(pattern) => pattern.matches(line),
            Test::Ip(pattern) => pattern.is_in(line),
        }
    }
}
