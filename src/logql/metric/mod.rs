//! Metric queries: from the samples of range aggregations to the answer, step by step.
//!
//! The caller reads the logs: for every range aggregation of the expression it hands in the series it found
//! ([`RangeSeries`]); everything above them is computed here. Series are small numbers while a query runs, so that
//! what depends on labels is worked out once per series and not once per point.

pub mod grouping;
pub mod range;
pub mod samples;
pub mod steps;

mod aggregate;
mod binary;
mod replace;

use crate::logql::ast::{
    Binary, BinaryOp, Grouping, GroupingKind, LogExpr, MetricExpr, RangeAggregation, RangeOp, VectorAggregation,
    VectorOp,
};
use crate::logql::metric::aggregate::Groups;
use crate::logql::metric::binary::{Pairing, Scalar};
use crate::logql::metric::range::{Aggregation, Slide};
use crate::logql::metric::replace::Replace;
use crate::logql::stage::ERROR_LABEL;
use crate::model::{Labels, MatchOp, re2};

pub use crate::logql::metric::binary::apply;

/// The value of one series at one step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// What [`Evaluator::labels`] takes.
    pub series: u32,
    pub value: f64,
}

/// Why an expression has no answer, in Loki's words.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Error {
    #[error(
        "found duplicate series on the {side} hand-side;many-to-many matching not allowed: matching labels must be \
         unique on one side"
    )]
    ManyToMany { side: &'static str },
    #[error("multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)")]
    ManyToOne,
    #[error("multiple matches for labels: grouping labels must ensure unique matches")]
    NotUnique,
    #[error("approx_topk is not enabled. See -limits.shard_aggregations")]
    ApproxTopk,
    #[error(transparent)]
    Pattern(#[from] re2::Error),
}

/// What a range aggregation found: each series with what was kept of its samples.
#[derive(Debug)]
pub struct RangeSeries {
    pub aggregation: Aggregation,
    pub labels: Vec<Labels>,
    pub slides: Vec<Slide>,
}

/// What reads the logs for one range aggregation, grouped as told: none where every label counts.
pub type ReadRange<'r, E> = dyn FnMut(&RangeAggregation, Option<&Grouping>) -> Result<RangeSeries, E> + 'r;

/// An expression on its way through the steps.
#[derive(Debug)]
pub struct Evaluator(Node);

#[derive(Debug)]
enum Node {
    /// A number on its own; where points are asked for, a series without labels.
    Number(f64, Labels),
    /// `vector()`: one series without labels.
    Constant(f64, Labels),
    Range(RangeSeries),
    Absent {
        found: RangeSeries,
        labels: Labels,
    },
    Aggregate {
        op: VectorOp,
        k: usize,
        groups: Groups,
        inner: Box<Node>,
    },
    WithNumber {
        op: BinaryOp,
        returns_bool: bool,
        number: Scalar,
        inner: Box<Node>,
    },
    Pair {
        pairing: Pairing,
        left: Box<Node>,
        right: Box<Node>,
    },
    Replace {
        replace: Replace,
        inner: Box<Node>,
    },
}

impl Evaluator {
    /// Reads what the expression needs, and makes it ready for its first step.
    pub fn new<E: From<Error>>(expr: &MetricExpr, read: &mut ReadRange<'_, E>) -> Result<Evaluator, E> {
        Ok(Evaluator(Node::new(expr, read)?))
    }

    /// The number that the whole expression is, if it is one.
    pub fn number(&self) -> Option<f64> {
        match self.0 {
            Node::Number(number, _) => Some(number),
            _ => None,
        }
    }

    /// The points at a step, which must come in rising order. A number is a series without labels.
    pub fn step(&mut self, step: u32) -> Result<Vec<Point>, Error> {
        self.0.step(step)
    }

    /// The labels of a series that a step gave.
    pub fn labels(&self, series: u32) -> &Labels {
        self.0.labels(series)
    }
}

/// Whether the order of an instant answer was asked for with `sort` or `sort_desc`.
pub fn is_sorted(expr: &MetricExpr) -> bool {
    match expr {
        MetricExpr::Vector(vector) => {
            matches!(vector.op, VectorOp::Sort | VectorOp::SortDesc) || is_sorted(&vector.inner)
        }
        MetricExpr::Binary(binary) => is_sorted(&binary.lhs) || is_sorted(&binary.rhs),
        MetricExpr::LabelReplace(replace) => is_sorted(&replace.inner),
        MetricExpr::Range(_) | MetricExpr::Literal(_) | MetricExpr::VectorOf(_) => false,
    }
}

impl Node {
    fn new<E: From<Error>>(expr: &MetricExpr, read: &mut ReadRange<'_, E>) -> Result<Node, E> {
        match expr {
            MetricExpr::Literal(number) => Ok(Node::Number(*number, Labels::default())),
            MetricExpr::VectorOf(number) => Ok(Node::Constant(*number, Labels::default())),
            MetricExpr::Range(range) => Node::range(range, range.grouping.as_ref(), read),
            MetricExpr::Vector(vector) => Node::aggregate(vector, read),
            MetricExpr::Binary(binary) => Node::binary(binary, read),
            MetricExpr::LabelReplace(replace) => {
                let inner = Box::new(Node::new(&replace.inner, read)?);
                let replace = Replace::new(replace).map_err(|error| E::from(Error::from(error)))?;
                Ok(Node::Replace { replace, inner })
            }
        }
    }

    fn range<E: From<Error>>(
        range: &RangeAggregation,
        grouping: Option<&Grouping>,
        read: &mut ReadRange<'_, E>,
    ) -> Result<Node, E> {
        let found = read(range, grouping)?;
        if range.op == RangeOp::AbsentOverTime {
            return Ok(Node::Absent { found, labels: absent_labels(&range.log.log) });
        }
        Ok(Node::Range(found))
    }

    fn aggregate<E: From<Error>>(vector: &VectorAggregation, read: &mut ReadRange<'_, E>) -> Result<Node, E> {
        if vector.op == VectorOp::ApproxTopk {
            return Err(E::from(Error::ApproxTopk));
        }
        if let (VectorOp::Sum, MetricExpr::Range(range)) = (vector.op, vector.inner.as_ref())
            && range.grouping.is_none()
            && adds_up(range.op)
        {
            let nothing = Grouping { kind: GroupingKind::By, labels: Vec::new() };
            let grouping = vector.grouping.as_ref().unwrap_or(&nothing);
            let found = Node::range(range, Some(grouping), read)?;
            // lines with errors keep all their labels when they are read, and are grouped only here
            if !grouping.labels.iter().any(|label| label == ERROR_LABEL) {
                return Ok(found);
            }
            let groups = Groups::new(vector.grouping.clone());
            return Ok(Node::Aggregate { op: vector.op, k: 0, groups, inner: Box::new(found) });
        }
        let inner = Box::new(Node::new(&vector.inner, read)?);
        let k = vector.parameter.map_or(0, |k| usize::try_from(k).unwrap_or(0));
        Ok(Node::Aggregate { op: vector.op, k, groups: Groups::new(vector.grouping.clone()), inner })
    }

    fn binary<E: From<Error>>(binary: &Binary, read: &mut ReadRange<'_, E>) -> Result<Node, E> {
        let left = Node::new(&binary.lhs, read)?;
        let right = Node::new(&binary.rhs, read)?;
        let (op, returns_bool) = (binary.op, binary.modifier.returns_bool);
        Ok(match (left, right) {
            (Node::Number(left, none), Node::Number(right, _)) => Node::Number(apply(op, left, right), none),
            (Node::Number(left, _), right) => {
                Node::WithNumber { op, returns_bool, number: Scalar::Left(left), inner: Box::new(right) }
            }
            (left, Node::Number(right, _)) => {
                Node::WithNumber { op, returns_bool, number: Scalar::Right(right), inner: Box::new(left) }
            }
            (left, right) => Node::Pair {
                pairing: Pairing::new(op, binary.modifier.clone()),
                left: Box::new(left),
                right: Box::new(right),
            },
        })
    }

    fn step(&mut self, step: u32) -> Result<Vec<Point>, Error> {
        match self {
            Node::Number(value, _) | Node::Constant(value, _) => Ok(vec![Point { series: 0, value: *value }]),
            Node::Range(found) => Ok(found.step(step)),
            Node::Absent { found, .. } => {
                let absent = found.step(step).is_empty();
                Ok(absent.then_some(Point { series: 0, value: 1.0 }).into_iter().collect())
            }
            Node::Aggregate { op, k, groups, inner } => {
                let mut points = inner.step(step)?;
                match op {
                    VectorOp::Topk | VectorOp::Bottomk => {
                        groups.select(*op, *k, &mut points, |series| inner.labels(series));
                    }
                    VectorOp::Sort | VectorOp::SortDesc => aggregate::sort(*op, &mut points),
                    VectorOp::Sum
                    | VectorOp::Avg
                    | VectorOp::Count
                    | VectorOp::Max
                    | VectorOp::Min
                    | VectorOp::Stddev
                    | VectorOp::Stdvar
                    | VectorOp::ApproxTopk => groups.fold(*op, &mut points, |series| inner.labels(series)),
                }
                Ok(points)
            }
            Node::WithNumber { op, returns_bool, number, inner } => {
                let mut points = inner.step(step)?;
                binary::with_scalar(*op, *returns_bool, *number, &mut points);
                Ok(points)
            }
            Node::Pair { pairing, left, right } => {
                let (left_points, right_points) = (left.step(step)?, right.step(step)?);
                pairing.combine(
                    &left_points,
                    &right_points,
                    |series| left.labels(series),
                    |series| right.labels(series),
                )
            }
            Node::Replace { replace, inner } => {
                let points = inner.step(step)?;
                for point in &points {
                    replace.meet(point.series, inner.labels(point.series));
                }
                Ok(points)
            }
        }
    }

    fn labels(&self, series: u32) -> &Labels {
        match self {
            Node::Number(_, labels) | Node::Constant(_, labels) | Node::Absent { labels, .. } => labels,
            Node::Range(found) => &found.labels[series as usize],
            Node::Aggregate { op: VectorOp::Topk | VectorOp::Bottomk, inner, .. }
            | Node::Aggregate { op: VectorOp::Sort | VectorOp::SortDesc, inner, .. }
            | Node::WithNumber { inner, .. } => inner.labels(series),
            Node::Aggregate { groups, .. } => groups.labels(series),
            Node::Pair { pairing, .. } => pairing.labels(series),
            Node::Replace { replace, .. } => replace.labels(series),
        }
    }
}

impl RangeSeries {
    fn step(&mut self, step: u32) -> Vec<Point> {
        let aggregation = &self.aggregation;
        let values = self.slides.iter_mut().zip(0u32..);
        values.filter_map(|(slide, series)| Some(Point { series, value: slide.value(aggregation, step)? })).collect()
    }
}

/// Whether a sum over series is the same as one series that takes in all their samples.
fn adds_up(op: RangeOp) -> bool {
    match op {
        RangeOp::Rate | RangeOp::CountOverTime | RangeOp::BytesRate | RangeOp::BytesOverTime | RangeOp::SumOverTime => {
            true
        }
        RangeOp::RateCounter
        | RangeOp::AbsentOverTime
        | RangeOp::AvgOverTime
        | RangeOp::MinOverTime
        | RangeOp::MaxOverTime
        | RangeOp::StdvarOverTime
        | RangeOp::StddevOverTime
        | RangeOp::QuantileOverTime
        | RangeOp::FirstOverTime
        | RangeOp::LastOverTime => false,
    }
}

/// The labels of what is absent: those that the selector sets to one value.
fn absent_labels(log: &LogExpr) -> Labels {
    let matcher_count = |name: &str| log.selector.iter().filter(|m| m.name() == name).count();
    let certain = log.selector.iter().filter(|m| m.op() == MatchOp::Equal && !m.value().is_empty());
    let certain = certain.filter(|m| matcher_count(m.name()) == 1);
    certain.map(|m| (m.name().to_owned(), m.value().to_owned())).collect()
}
