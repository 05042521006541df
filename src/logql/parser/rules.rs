//! What the grammar allows and the language does not: parameters, groupings, unwrap, the types of operands.
//!
//! Such an error does not end the parsing, because an error of syntax further on comes first. It takes the place of the
//! expression, and where several are left, the outermost one counts, and of two operands the left one's.

use std::ops::Range;

use crate::logql::ast::{
    Binary, BinaryModifier, BinaryOp, Grouping, GroupingKind, LabelReplace, LogRange, MetricExpr, RangeAggregation,
    RangeOp, VectorAggregation, VectorOp,
};
use crate::logql::error::ParseError;
use crate::logql::gotext::number::parse_float;
use crate::logql::parser::selector::is_selective;
use crate::logql::parser::{EmptySelector, Node};
use crate::logql::token::Token;
use crate::model::re2;

/// A metric expression, or why it is none.
#[derive(Debug)]
pub(super) enum Metric {
    Sound(MetricExpr),
    /// A number that cannot be read; operators look at their operands' numbers first.
    BadNumber(ParseError),
    Broken(ParseError),
}

impl Metric {
    pub(super) fn into_result(self) -> Result<MetricExpr, ParseError> {
        match self {
            Metric::Sound(expr) => Ok(expr),
            Metric::BadNumber(error) | Metric::Broken(error) => Err(error),
        }
    }

    fn is_number(&self) -> Option<f64> {
        match self {
            Metric::Sound(MetricExpr::Literal(value)) => Some(*value),
            Metric::Sound(_) | Metric::BadNumber(_) | Metric::Broken(_) => None,
        }
    }
}

fn settle(result: Result<MetricExpr, ParseError>) -> Metric {
    result.map_or_else(Metric::Broken, Metric::Sound)
}

/// The error of a selector that every stream passes.
pub(super) fn not_selective(span: Range<usize>) -> ParseError {
    ParseError::rule(
        "queries require at least one regexp or equality matcher that does not have an empty-compatible value. \
         For instance, app=~\".*\" does not meet this requirement, but app=~\".+\" will",
        span,
    )
    .with_hint("name a label and its value, as in {app=\"web\"}, or any value, as in {app=~\".+\"}")
}

pub(super) fn literal(token: &Token, text: &str) -> Metric {
    match parse_float(text) {
        Ok(value) => Metric::Sound(MetricExpr::Literal(value)),
        Err(error) => bad_number(&format!("unable to parse literal as a float: {error}"), token),
    }
}

fn bad_number(message: &str, token: &Token) -> Metric {
    Metric::BadNumber(ParseError::rule(message, token.span.clone()))
}

pub(super) fn vector_of(token: &Token, text: &str) -> Metric {
    settle(parse_float(text).map(MetricExpr::VectorOf).map_err(|error| {
        ParseError::rule(format!("unable to parse vectorExpr as a float: {error}"), token.span.clone())
    }))
}

pub(super) fn range_aggregation(
    op: RangeOp,
    parameter: Option<String>,
    log: LogRange,
    grouping: Option<Grouping>,
    empty_selector: EmptySelector,
    span: Range<usize>,
) -> Metric {
    let fault = |message: String| Metric::Broken(ParseError::rule(message, span.clone()));
    let name = op.name();
    let parameter = match (parameter, op) {
        (Some(text), RangeOp::QuantileOverTime) => match parse_float(&text) {
            Ok(value) => Some(value),
            Err(error) => return fault(format!("invalid parameter for operation {name}: {error}")),
        },
        (Some(text), _) => return fault(format!("parameter {text} not supported for operation {name}")),
        (None, RangeOp::QuantileOverTime) => return fault(format!("parameter required for operation {name}")),
        (None, _) => None,
    };
    if grouping.is_some() && !may_group(op) {
        return fault(format!("grouping not allowed for {name} aggregation"));
    }
    match (log.unwrap.is_some(), unwrapping(op)) {
        (true, Unwrapping::Never) => return fault(format!("invalid aggregation {name} with unwrap")),
        (false, Unwrapping::Always) => return fault(format!("invalid aggregation {name} without unwrap")),
        (true, Unwrapping::Always | Unwrapping::Either) | (false, Unwrapping::Never | Unwrapping::Either) => {}
    }
    if empty_selector == EmptySelector::Refused && !is_selective(&log.log.selector) {
        return Metric::Broken(not_selective(span));
    }
    Metric::Sound(MetricExpr::Range(RangeAggregation { op, parameter, log, grouping }))
}

fn may_group(op: RangeOp) -> bool {
    use RangeOp::{
        AvgOverTime, FirstOverTime, LastOverTime, MaxOverTime, MinOverTime, QuantileOverTime, StddevOverTime,
        StdvarOverTime,
    };
    matches!(
        op,
        AvgOverTime
            | StddevOverTime
            | StdvarOverTime
            | QuantileOverTime
            | MaxOverTime
            | MinOverTime
            | FirstOverTime
            | LastOverTime
    )
}

/// Whether an aggregation works on the values of a label.
#[derive(Clone, Copy)]
enum Unwrapping {
    Always,
    Never,
    Either,
}

fn unwrapping(op: RangeOp) -> Unwrapping {
    match op {
        RangeOp::Rate | RangeOp::AbsentOverTime => Unwrapping::Either,
        RangeOp::CountOverTime | RangeOp::BytesRate | RangeOp::BytesOverTime => Unwrapping::Never,
        RangeOp::RateCounter
        | RangeOp::SumOverTime
        | RangeOp::AvgOverTime
        | RangeOp::MinOverTime
        | RangeOp::MaxOverTime
        | RangeOp::StdvarOverTime
        | RangeOp::StddevOverTime
        | RangeOp::QuantileOverTime
        | RangeOp::FirstOverTime
        | RangeOp::LastOverTime => Unwrapping::Always,
    }
}

pub(super) fn vector_aggregation(
    op: VectorOp,
    parameter: Option<String>,
    inner: Metric,
    grouping: Option<Grouping>,
    span: Range<usize>,
) -> Metric {
    let fault = |message: String| Metric::Broken(ParseError::rule(message, span.clone()));
    let name = op.name();
    let takes_parameter = matches!(op, VectorOp::Topk | VectorOp::Bottomk | VectorOp::ApproxTopk);
    let parameter = match (parameter, takes_parameter) {
        (None, true) => return fault(format!("parameter required for operation {name}")),
        (Some(text), false) => return fault(format!("unsupported parameter for operation {name}({text},")),
        (None, false) => None,
        (Some(text), true) => match text.parse::<i64>() {
            Ok(value) if value > 0 => Some(value),
            Ok(_) => return fault(format!("invalid parameter (must be greater than 0) {name}({text}")),
            Err(_) => return fault(format!("invalid parameter {name}({text},")),
        },
    };
    if op == VectorOp::ApproxTopk && grouping.is_some() {
        return fault(format!("grouping not allowed for {name} aggregation"));
    }
    let groups = grouping.as_ref().is_some_and(|grouping| !grouping.labels.is_empty());
    if matches!(op, VectorOp::Sort | VectorOp::SortDesc) && groups {
        return fault("sort and sort_desc doesn't allow grouping by ".to_owned());
    }
    let inner = match inner.into_result() {
        Ok(MetricExpr::Literal(_)) => return Metric::Broken(not_selective(span)),
        Ok(inner) => Box::new(inner),
        Err(error) => return Metric::Broken(error),
    };
    let grouping = grouping.filter(|grouping| groups || grouping.kind == GroupingKind::Without);
    Metric::Sound(MetricExpr::Vector(VectorAggregation { op, parameter, inner, grouping }))
}

pub(super) fn label_replace(inner: Metric, texts: [String; 4], span: Range<usize>) -> Metric {
    let [target, replacement, source, pattern] = texts;
    if let Err(error) = re2::compile(&format!("^(?:{pattern})$")) {
        return Metric::Broken(ParseError::rule(format!("invalid regex in label_replace: {error}"), span));
    }
    settle(
        inner.into_result().map(|inner| {
            MetricExpr::LabelReplace(Box::new(LabelReplace { inner, target, replacement, source, pattern }))
        }),
    )
}

/// An operator with its operands. Two numbers are worked out at once.
pub(super) fn binary(op: BinaryOp, left: Node, right: Node, modifier: BinaryModifier, span: Range<usize>) -> Metric {
    let sign = op.sign();
    let fault = |message: String| Metric::Broken(ParseError::rule(message, span.clone()));
    let left = match left.into_metric() {
        Ok(left) => left,
        Err(kind) => {
            return fault(format!("unexpected type for left leg of binary operation ({sign}): {kind}"));
        }
    };
    let right = match right.into_metric() {
        Ok(right) => right,
        Err(kind) => {
            return fault(format!("unexpected type for right leg of binary operation ({sign}): {kind}"));
        }
    };
    for operand in [&left, &right] {
        if let Metric::BadNumber(error) = operand {
            return Metric::Broken(error.clone());
        }
    }
    for (side, operand) in [("left", &left), ("right", &right)] {
        if let (true, Some(value)) = (op.is_set(), operand.is_number()) {
            return fault(format!(
                "unexpected literal for {side} leg of logical/set binary operation ({sign}): {value:.6}"
            ));
        }
    }
    if let (Some(left), Some(right)) = (left.is_number(), right.is_number()) {
        return Metric::Sound(MetricExpr::Literal(op.apply(left, right).unwrap_or(f64::NAN)));
    }
    settle(left.into_result().and_then(|lhs| {
        let rhs = right.into_result()?;
        Ok(MetricExpr::Binary(Box::new(Binary { op, lhs, rhs, modifier })))
    }))
}

/// `variants` is always refused; only errors of what it is made of come first.
pub(super) fn variants(
    metrics: Vec<Metric>,
    log: &LogRange,
    empty_selector: EmptySelector,
    span: Range<usize>,
) -> ParseError {
    if empty_selector == EmptySelector::Refused && !is_selective(&log.log.selector) {
        return not_selective(span);
    }
    let broken = metrics.into_iter().find_map(|metric| metric.into_result().err());
    broken.unwrap_or_else(|| ParseError::plain("multi variant queries are disabled for this instance", span))
}
