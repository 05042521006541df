//! Aggregations and functions: everything whose answer is numbers.

use crate::logql::ast::{Conversion, Grouping, GroupingKind, LogExpr, LogRange, RangeOp, Stage, Unwrap, VectorOp};
use crate::logql::error::ParseError;
use crate::logql::parser::cursor::text;
use crate::logql::parser::rules::{self, Metric};
use crate::logql::parser::stages::UnwrapNext;
use crate::logql::parser::{Node, Parser};
use crate::logql::token::{Kind, Token, Value};
use crate::model::Matcher;

const LOG_RANGE_START: [Kind; 2] = [Kind::OpenBrace, Kind::OpenParen];

impl Parser<'_> {
    /// `rate({app="web"}[5m])`, from the name on.
    pub(super) fn range_aggregation(&mut self, op: RangeOp) -> Result<Metric, ParseError> {
        let start = self.cursor.take().span.start;
        self.cursor.expect(Kind::OpenParen)?;
        let parameter = match self.cursor.peek() {
            Kind::Number => {
                let token = self.cursor.take();
                self.cursor.expect(Kind::Comma)?;
                Some(token)
            }
            Kind::OpenBrace | Kind::OpenParen => None,
            _ => return Err(self.cursor.unexpected(&[Kind::Number, Kind::OpenBrace, Kind::OpenParen])),
        };
        let log = self.log_range()?;
        let end = self.cursor.expect(Kind::CloseParen)?.span.end;
        let grouping = self.grouping()?;
        Ok(rules::range_aggregation(op, parameter.map(text), log, grouping, self.empty_selector, start..end))
    }

    /// A selector with its stages, range, offset and unwrap in any of their orders, maybe in brackets.
    fn log_range(&mut self) -> Result<LogRange, ParseError> {
        if self.cursor.peek() != Kind::OpenParen {
            if self.cursor.peek() != Kind::OpenBrace {
                return Err(self.cursor.unexpected(&LOG_RANGE_START));
            }
            let matchers = self.selector()?;
            return match self.cursor.peek() {
                Kind::Range => self.after_range(matchers),
                _ => {
                    let parts = self.before_range(matchers)?;
                    self.ranged(parts)
                }
            };
        }
        self.cursor.open_bracket()?;
        let log = match self.cursor.peek() {
            Kind::OpenParen => {
                let log = self.log_range()?;
                self.cursor.close_bracket(&[Kind::CloseParen])?;
                log
            }
            Kind::OpenBrace => self.bracketed_log_range()?,
            _ => return Err(self.cursor.unexpected(&LOG_RANGE_START)),
        };
        Ok(log)
    }

    /// What may follow `(` with a selector: the range stands inside the brackets or behind them.
    fn bracketed_log_range(&mut self) -> Result<LogRange, ParseError> {
        let matchers = self.selector()?;
        if self.cursor.peek() == Kind::Range {
            let log = self.after_range(matchers)?;
            self.cursor.close_bracket(&[Kind::CloseParen])?;
            return Ok(log);
        }
        let parts = if self.cursor.peek() == Kind::CloseParen {
            Unranged { log: LogExpr { selector: matchers, stages: Vec::new() }, unwrap: None }
        } else {
            self.before_range(matchers)?
        };
        if self.cursor.peek() == Kind::Range {
            let log = self.ranged(parts)?;
            self.cursor.close_bracket(&[Kind::CloseParen])?;
            return Ok(log);
        }
        let possible: &[Kind] = if parts.unwrap.is_some() { &[Kind::Range, Kind::CloseParen, Kind::Pipe] } else { &[] };
        self.cursor.close_bracket(possible)?;
        let bare = parts.log.stages.is_empty() && parts.unwrap.is_none();
        let mut log = self.ranged_after_bracket(parts)?;
        if bare && self.cursor.accept(Kind::Pipe) {
            log.unwrap = Some(self.unwrap()?);
        }
        Ok(log)
    }

    /// Stages and unwrap in front of the range.
    fn before_range(&mut self, selector: Vec<Matcher>) -> Result<Unranged, ParseError> {
        let mut stages = Vec::new();
        let next = self.stages(&mut stages)?;
        let unwrap = self.unwrap_if(next)?;
        Ok(Unranged { log: LogExpr { selector, stages }, unwrap })
    }

    /// The range behind stages or unwrap.
    fn ranged(&mut self, parts: Unranged) -> Result<LogRange, ParseError> {
        let possible: &[Kind] = if parts.unwrap.is_some() { &[Kind::Range, Kind::Pipe] } else { &[] };
        let range_ns = nanos(&self.cursor.expect_or(Kind::Range, possible)?);
        let offset_ns = self.offset()?;
        Ok(LogRange { log: parts.log, range_ns, offset_ns, unwrap: parts.unwrap })
    }

    /// The range behind a closing bracket, where nothing else may stand.
    fn ranged_after_bracket(&mut self, parts: Unranged) -> Result<LogRange, ParseError> {
        let range_ns = nanos(&self.cursor.expect(Kind::Range)?);
        let offset_ns = self.offset()?;
        Ok(LogRange { log: parts.log, range_ns, offset_ns, unwrap: parts.unwrap })
    }

    /// The range right behind the selector, and the stages behind it.
    fn after_range(&mut self, selector: Vec<Matcher>) -> Result<LogRange, ParseError> {
        let range_ns = nanos(&self.cursor.take());
        let offset_ns = self.offset()?;
        let mut stages: Vec<Stage> = Vec::new();
        let next = self.stages(&mut stages)?;
        let unwrap = self.unwrap_if(next)?;
        Ok(LogRange { log: LogExpr { selector, stages }, range_ns, offset_ns, unwrap })
    }

    /// `offset 1h`, or nothing, which is 0.
    fn offset(&mut self) -> Result<i64, ParseError> {
        if !self.cursor.accept(Kind::Offset) {
            return Ok(0);
        }
        self.cursor.expect(Kind::Duration).map(|token| nanos(&token))
    }

    fn unwrap_if(&mut self, next: UnwrapNext) -> Result<Option<Unwrap>, ParseError> {
        match next {
            UnwrapNext::Yes => self.unwrap().map(Some),
            UnwrapNext::No => Ok(None),
        }
    }

    /// `unwrap duration(took) | __error__=""`, its `|` taken already.
    fn unwrap(&mut self) -> Result<Unwrap, ParseError> {
        const POSSIBLE: [Kind; 4] = [
            Kind::Identifier,
            Kind::Conversion(Conversion::Bytes),
            Kind::Conversion(Conversion::Duration),
            Kind::Conversion(Conversion::DurationSeconds),
        ];
        self.cursor.expect(Kind::Unwrap)?;
        let (label, conversion) = match self.cursor.peek() {
            Kind::Conversion(conversion) => {
                self.cursor.take();
                self.cursor.expect(Kind::OpenParen)?;
                let label = self.cursor.identifier()?;
                self.cursor.expect(Kind::CloseParen)?;
                (label, Some(conversion))
            }
            _ => (self.cursor.expect_or(Kind::Identifier, &POSSIBLE).map(text)?, None),
        };
        let mut filters = Vec::new();
        while self.cursor.accept(Kind::Pipe) {
            filters.push(self.label_filter()?);
        }
        Ok(Unwrap { label, conversion, filters })
    }

    /// `sum by (app) (…)`, `topk(5, …) by (app)`, from the name on.
    pub(super) fn vector_aggregation(&mut self, op: VectorOp) -> Result<Metric, ParseError> {
        let start = self.cursor.take().span.start;
        let mut grouping = self.grouping()?;
        let possible: &[Kind] =
            if grouping.is_some() { &[Kind::OpenParen] } else { &[Kind::OpenParen, Kind::By, Kind::Without] };
        self.cursor.expect_or(Kind::OpenParen, possible)?;
        let (parameter, inner) = if self.cursor.peek() == Kind::Number {
            let number = self.cursor.take();
            if self.cursor.accept(Kind::Comma) {
                (Some(text(number)), self.metric()?)
            } else {
                let literal = rules::literal(&number, &text(number.clone()));
                (None, self.metric_after(Node::Metric(literal))?)
            }
        } else {
            (None, self.metric()?)
        };
        let end = self.cursor.expect_or(Kind::CloseParen, &[])?.span.end;
        if grouping.is_none() {
            grouping = self.grouping()?;
        }
        Ok(rules::vector_aggregation(op, parameter, inner, grouping, start..end))
    }

    /// `by (a, b)` or `without (a, b)`, or nothing.
    fn grouping(&mut self) -> Result<Option<Grouping>, ParseError> {
        let kind = match self.cursor.peek() {
            Kind::By => GroupingKind::By,
            Kind::Without => GroupingKind::Without,
            _ => return Ok(None),
        };
        self.cursor.take();
        Ok(Some(Grouping { kind, labels: self.label_list()? }))
    }

    /// `(a, b)`, maybe empty.
    pub(super) fn label_list(&mut self) -> Result<Vec<String>, ParseError> {
        self.cursor.expect(Kind::OpenParen)?;
        let mut labels = Vec::new();
        match self.cursor.peek() {
            Kind::CloseParen => {}
            Kind::Identifier => labels.push(self.cursor.identifier()?),
            _ => return Err(self.cursor.unexpected(&[Kind::Identifier, Kind::CloseParen])),
        }
        while !labels.is_empty() && self.cursor.accept(Kind::Comma) {
            labels.push(self.cursor.identifier()?);
        }
        self.cursor.expect_or(Kind::CloseParen, &[Kind::Comma, Kind::CloseParen])?;
        Ok(labels)
    }

    /// `vector(1)`, from the name on.
    pub(super) fn vector_of(&mut self) -> Result<Metric, ParseError> {
        self.cursor.take();
        self.cursor.expect(Kind::OpenParen)?;
        let number = self.cursor.expect(Kind::Number)?;
        self.cursor.expect(Kind::CloseParen)?;
        Ok(rules::vector_of(&number, &text(number.clone())))
    }

    /// `label_replace(v, "dst", "$1", "src", "regex")`, from the name on.
    pub(super) fn label_replace(&mut self) -> Result<Metric, ParseError> {
        self.cursor.take();
        self.cursor.expect(Kind::OpenParen)?;
        let inner = self.metric()?;
        self.cursor.expect_or(Kind::Comma, &[])?;
        let target = self.cursor.quoted()?;
        self.cursor.expect(Kind::Comma)?;
        let replacement = self.cursor.quoted()?;
        self.cursor.expect(Kind::Comma)?;
        let source = self.cursor.quoted()?;
        self.cursor.expect(Kind::Comma)?;
        let pattern = self.cursor.expect(Kind::Text)?;
        self.cursor.expect(Kind::CloseParen)?;
        let span = pattern.span.clone();
        Ok(rules::label_replace(inner, [target, replacement, source, text(pattern)], span))
    }

    /// `variants(…) of (…)`, which Loki knows and refuses by default. From the name on.
    pub(super) fn variants(&mut self) -> Result<Node, ParseError> {
        let start = self.cursor.take().span.start;
        self.cursor.expect(Kind::OpenParen)?;
        let mut metrics = vec![self.metric_of_variants()?];
        while self.cursor.accept(Kind::Comma) {
            metrics.push(self.metric_of_variants()?);
        }
        self.cursor.expect_or(Kind::CloseParen, &[Kind::Comma, Kind::CloseParen])?;
        self.cursor.expect(Kind::Of)?;
        self.cursor.expect(Kind::OpenParen)?;
        let log = self.log_range()?;
        let end = self.cursor.expect(Kind::CloseParen)?.span.end;
        Ok(Node::Variants(rules::variants(metrics, &log, self.empty_selector, start..end)))
    }

    fn metric_of_variants(&mut self) -> Result<Metric, ParseError> {
        let metric = self.metric()?;
        match self.cursor.peek() {
            Kind::Comma | Kind::CloseParen => Ok(metric),
            _ => Err(self.cursor.unexpected(&[])),
        }
    }
}

/// A log expression whose range is not read yet.
struct Unranged {
    log: LogExpr,
    unwrap: Option<Unwrap>,
}

fn nanos(token: &Token) -> i64 {
    match token.value {
        Value::Nanos(nanos) => nanos,
        Value::None | Value::Text(_) | Value::Bytes(_) => 0,
    }
}
