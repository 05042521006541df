//! Tokens to expressions: recursive descent, with operators by their precedence.
//!
//! Promises: what Loki takes is taken with the same meaning, what Loki refuses is refused with the same text.
//! Never: looks at data, or builds anything that runs.
//!
//! An error of syntax ends the parsing; so do patterns that cannot be compiled in a selector, a label filter, `regexp`
//! or `pattern`. All other rules wait until the whole text is read ([`rules`]).

mod cursor;
mod expr;
mod label_filter;
mod lenient;
mod metric;
mod patterns;
mod rules;
mod selector;
mod stages;

use crate::logql::ast::{Expr, LogExpr};
use crate::logql::error::ParseError;
use crate::logql::parser::cursor::Cursor;
use crate::logql::parser::rules::Metric;
use crate::logql::token::Kind;
use crate::model::Matcher;

pub use lenient::parse_lenient;

/// Bytes of a query; Loki's number.
const QUERY_BYTES_MAX: usize = 131_072;

/// Reads a query as Loki's API does.
pub fn parse(text: &str) -> Result<Expr, ParseError> {
    parse_with(text, EmptySelector::Refused)
}

/// Reads a bare selector, as the label and series requests take it.
///
/// Anything behind the closing brace, or a metric query, is an error in the words that Loki uses there.
pub fn parse_selector(text: &str) -> Result<Vec<Matcher>, ParseError> {
    parse_selector_with(text, EmptySelector::Refused)
}

/// Reads a bare selector that may be `{}`, as the volume requests take it.
pub fn parse_any_selector(text: &str) -> Result<Vec<Matcher>, ParseError> {
    parse_selector_with(text, EmptySelector::Allowed)
}

/// Reads several selectors, whose patterns count together.
pub fn parse_selectors(texts: &[&str]) -> Result<Vec<Vec<Matcher>>, ParseError> {
    patterns::check(texts)?;
    texts.iter().map(|text| parse_selector(text)).collect()
}

fn parse_selector_with(text: &str, empty_selector: EmptySelector) -> Result<Vec<Matcher>, ParseError> {
    match parse_with(text, empty_selector)? {
        Expr::Log(LogExpr { selector, stages }) if stages.is_empty() => Ok(selector),
        Expr::Log(_) | Expr::Metric(_) => Err(ParseError::plain("only label matchers are supported", 0..text.len())),
    }
}

/// Reads a query that may ask for all streams.
pub(crate) fn parse_any(text: &str) -> Result<Expr, ParseError> {
    parse_with(text, EmptySelector::Allowed)
}

/// Whether `{}` and other selectors that every stream passes may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EmptySelector {
    Refused,
    Allowed,
}

fn parse_with(text: &str, empty_selector: EmptySelector) -> Result<Expr, ParseError> {
    check_length(text)?;
    patterns::check(&[text])?;
    let mut parser = Parser::new(text, empty_selector);
    let node = parser.expr()?;
    if parser.cursor.peek() != Kind::End {
        return Err(parser.cursor.unexpected(&[]));
    }
    if let Some(error) = parser.cursor.lexer_error() {
        return Err(error);
    }
    match node {
        Node::Metric(metric) => metric.into_result().map(Expr::Metric),
        Node::Variants(error) => Err(error),
        Node::Log(log) => {
            if empty_selector == EmptySelector::Refused && !selector::is_selective(&log.selector) {
                return Err(rules::not_selective(0..text.len()));
            }
            Ok(Expr::Log(log))
        }
    }
}

fn check_length(text: &str) -> Result<(), ParseError> {
    if text.len() < QUERY_BYTES_MAX {
        return Ok(());
    }
    let message = format!("input size too long ({} > {QUERY_BYTES_MAX})", text.len());
    Err(ParseError::rule(message, QUERY_BYTES_MAX..text.len()))
}

struct Parser<'a> {
    cursor: Cursor<'a>,
    empty_selector: EmptySelector,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str, empty_selector: EmptySelector) -> Parser<'a> {
        Parser { cursor: Cursor::new(text), empty_selector }
    }
}

/// What an operand turned out to be.
#[derive(Debug)]
enum Node {
    Log(LogExpr),
    Metric(Metric),
    /// `variants(…) of (…)`, with the error that it gets in the end.
    Variants(ParseError),
}

impl Node {
    /// The operand as numbers, or what Loki calls the thing that it is instead.
    fn into_metric(self) -> Result<Metric, &'static str> {
        match self {
            Node::Metric(metric) => Ok(metric),
            Node::Log(log) if log.stages.is_empty() => Err("*syntax.MatchersExpr"),
            Node::Log(_) => Err("*syntax.PipelineExpr"),
            Node::Variants(_) => Err("*syntax.MultiVariantExpr"),
        }
    }
}
