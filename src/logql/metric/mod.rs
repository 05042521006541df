//! Metric queries: from the samples of range aggregations to the answer, step by step.
//!
//! The caller reads the logs: for every range aggregation of the expression it hands in the series it found
//! ([`RangeSeries`]); everything above them is computed here. Series are small numbers while a query runs, and their
//! labels lists of such numbers, so that what depends on labels is worked out once per series and not once per point,
//! and a million series fit. All of it is counted in a [`Memory`] before it is taken.

pub mod grouping;
pub mod range;
pub mod samples;
pub mod series;
pub mod steps;

mod aggregate;
mod binary;
mod index;
mod quantile;
mod replace;

use crate::logql::ast::{
    Binary, BinaryOp, Grouping, GroupingKind, LabelFormatValue, LogExpr, MetricExpr, RangeAggregation, RangeOp, Stage,
    VectorAggregation, VectorOp,
};
use crate::logql::metric::aggregate::Groups;
use crate::logql::metric::binary::{Operand, Pairing, Scalar};
use crate::logql::metric::range::{Aggregation, Slides};
use crate::logql::metric::replace::Replace;
use crate::logql::metric::series::{Pairs, Sets};
use crate::logql::stage::ERROR_LABEL;
use crate::model::{MatchOp, Memory, MemoryExceeded, Share, re2};

pub use crate::logql::metric::binary::apply;

/// The value of one series at one step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// What [`Evaluator::set`] takes.
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
    #[error(transparent)]
    Memory(#[from] MemoryExceeded),
}

/// What a range aggregation found: the labels of each series, and what was kept of its samples.
#[derive(Debug)]
pub struct RangeSeries {
    pub aggregation: Aggregation,
    /// By series.
    pub sets: Sets,
    pub slides: Slides,
    /// Pays for the points of a step.
    _share: Share,
}

impl RangeSeries {
    pub fn new(
        aggregation: Aggregation,
        sets: Sets,
        slides: Slides,
        memory: &Memory,
    ) -> Result<RangeSeries, MemoryExceeded> {
        let mut share = Share::of(memory);
        share.take(sets.len() * size_of::<Point>())?;
        Ok(RangeSeries { aggregation, sets, slides, _share: share })
    }

    fn step(&mut self, step: u32) -> Vec<Point> {
        let series_count = self.sets.len() as u32;
        let mut points = Vec::with_capacity(series_count as usize);
        for series in 0..series_count {
            if let Some(value) = self.slides.value(&self.aggregation, series, step) {
                points.push(Point { series, value });
            }
        }
        points
    }
}

/// What reads the logs for one range aggregation, grouped as told: none where every label counts. It numbers the pairs
/// of labels that it meets.
pub type ReadRange<'r, E> = dyn FnMut(&RangeAggregation, Option<&Grouping>, &mut Pairs) -> Result<RangeSeries, E> + 'r;

/// An expression on its way through the steps.
#[derive(Debug)]
pub struct Evaluator {
    root: Node,
    pairs: Pairs,
}

#[derive(Debug)]
enum Node {
    /// A number on its own; where points are asked for, a series without labels.
    Number(f64),
    /// `vector()`: one series without labels.
    Constant(f64),
    Range(RangeSeries),
    Absent {
        found: RangeSeries,
        set: Vec<u32>,
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
        pairing: Box<Pairing>,
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
    pub fn new<E: From<Error> + From<MemoryExceeded>>(
        expr: &MetricExpr,
        memory: &Memory,
        read: &mut ReadRange<'_, E>,
    ) -> Result<Evaluator, E> {
        let mut build = Build { pairs: Pairs::new(memory), memory, read };
        let root = build.node(expr)?;
        let mut pairs = build.pairs;
        if !makes_pairs(expr) {
            pairs.release_index();
        }
        Ok(Evaluator { root, pairs })
    }

    /// The number that the whole expression is, if it is one.
    pub fn number(&self) -> Option<f64> {
        match self.root {
            Node::Number(number) => Some(number),
            _ => None,
        }
    }

    /// The points at a step, which must come in rising order. A number is a series without labels.
    pub fn step(&mut self, step: u32) -> Result<Vec<Point>, Error> {
        self.root.step(step, &mut self.pairs)
    }

    /// The labels of a series that a step gave, as numbers of pairs.
    pub fn set(&self, series: u32) -> &[u32] {
        self.root.set(series)
    }

    /// The pairs that labels are made of.
    pub fn pairs(&self) -> &Pairs {
        &self.pairs
    }

    /// Gives back all memory but that of the pairs.
    pub fn into_pairs(self) -> Pairs {
        self.pairs
    }
}

/// Whether steps make labels that no line has.
fn makes_pairs(expr: &MetricExpr) -> bool {
    match expr {
        MetricExpr::LabelReplace(_) => true,
        MetricExpr::Vector(vector) => makes_pairs(&vector.inner),
        MetricExpr::Binary(binary) => makes_pairs(&binary.lhs) || makes_pairs(&binary.rhs),
        MetricExpr::Range(_) | MetricExpr::Literal(_) | MetricExpr::VectorOf(_) => false,
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

/// What an expression is made ready with.
struct Build<'b, 'r, E> {
    pairs: Pairs,
    memory: &'b Memory,
    read: &'b mut ReadRange<'r, E>,
}

impl<E: From<Error> + From<MemoryExceeded>> Build<'_, '_, E> {
    fn node(&mut self, expr: &MetricExpr) -> Result<Node, E> {
        match expr {
            MetricExpr::Literal(number) => Ok(Node::Number(*number)),
            MetricExpr::VectorOf(number) => Ok(Node::Constant(*number)),
            MetricExpr::Range(range) => {
                // Loki sums what stages may have made equal, and a sum has no empty labels
                let sum = Grouping { kind: GroupingKind::Without, labels: Vec::new() };
                let is_summed = range.grouping.is_none() && merges(range.op) && reduces_labels(&range.log.log);
                self.range(range, if is_summed { Some(&sum) } else { range.grouping.as_ref() })
            }
            MetricExpr::Vector(vector) => self.aggregate(vector),
            MetricExpr::Binary(binary) => self.binary(binary),
            MetricExpr::LabelReplace(replace) => {
                let inner = Box::new(self.node(&replace.inner)?);
                let replace = Replace::new(replace, self.memory).map_err(|error| E::from(Error::from(error)))?;
                Ok(Node::Replace { replace, inner })
            }
        }
    }

    fn range(&mut self, range: &RangeAggregation, grouping: Option<&Grouping>) -> Result<Node, E> {
        let found = (self.read)(range, grouping, &mut self.pairs)?;
        if range.op == RangeOp::AbsentOverTime {
            let mut set = Vec::new();
            for (name, value) in absent_labels(&range.log.log) {
                set.push(self.pairs.number(name, value)?);
            }
            self.pairs.sort(&mut set);
            return Ok(Node::Absent { found, set });
        }
        Ok(Node::Range(found))
    }

    fn aggregate(&mut self, vector: &VectorAggregation) -> Result<Node, E> {
        if vector.op == VectorOp::ApproxTopk {
            return Err(E::from(Error::ApproxTopk));
        }
        if let (VectorOp::Sum, MetricExpr::Range(range)) = (vector.op, vector.inner.as_ref())
            && range.grouping.is_none()
            && adds_up(range.op)
        {
            let nothing = Grouping { kind: GroupingKind::By, labels: Vec::new() };
            let grouping = vector.grouping.as_ref().unwrap_or(&nothing);
            let found = self.range(range, Some(grouping))?;
            // lines with errors keep all their labels when they are read, and are grouped only here
            if !grouping.labels.iter().any(|label| label == ERROR_LABEL) {
                return Ok(found);
            }
            let groups = Groups::new(vector.grouping.clone(), self.memory);
            return Ok(Node::Aggregate { op: vector.op, k: 0, groups, inner: Box::new(found) });
        }
        let inner = Box::new(self.node(&vector.inner)?);
        let k = vector.parameter.map_or(0, |k| usize::try_from(k).unwrap_or(0));
        Ok(Node::Aggregate { op: vector.op, k, groups: Groups::new(vector.grouping.clone(), self.memory), inner })
    }

    fn binary(&mut self, binary: &Binary) -> Result<Node, E> {
        let left = self.node(&binary.lhs)?;
        let right = self.node(&binary.rhs)?;
        let (op, returns_bool) = (binary.op, binary.modifier.returns_bool);
        Ok(match (left, right) {
            (Node::Number(left), Node::Number(right)) => Node::Number(apply(op, left, right)),
            (Node::Number(left), right) => {
                Node::WithNumber { op, returns_bool, number: Scalar::Left(left), inner: Box::new(right) }
            }
            (left, Node::Number(right)) => {
                Node::WithNumber { op, returns_bool, number: Scalar::Right(right), inner: Box::new(left) }
            }
            (left, right) => Node::Pair {
                pairing: Box::new(Pairing::new(op, binary.modifier.clone(), self.memory)),
                left: Box::new(left),
                right: Box::new(right),
            },
        })
    }
}

impl Node {
    fn step(&mut self, step: u32, pairs: &mut Pairs) -> Result<Vec<Point>, Error> {
        match self {
            Node::Number(value) | Node::Constant(value) => Ok(vec![Point { series: 0, value: *value }]),
            Node::Range(found) => Ok(found.step(step)),
            Node::Absent { found, .. } => {
                let absent = found.step(step).is_empty();
                Ok(absent.then_some(Point { series: 0, value: 1.0 }).into_iter().collect())
            }
            Node::Aggregate { op, k, groups, inner } => {
                let mut points = inner.step(step, pairs)?;
                let set = |series| inner.set(series);
                match op {
                    VectorOp::Topk | VectorOp::Bottomk => groups.select(*op, *k, &mut points, pairs, set)?,
                    VectorOp::Sort | VectorOp::SortDesc => aggregate::sort(*op, &mut points, pairs, set),
                    VectorOp::Sum
                    | VectorOp::Avg
                    | VectorOp::Count
                    | VectorOp::Max
                    | VectorOp::Min
                    | VectorOp::Stddev
                    | VectorOp::Stdvar
                    | VectorOp::ApproxTopk => groups.fold(*op, &mut points, pairs, set)?,
                }
                Ok(points)
            }
            Node::WithNumber { op, returns_bool, number, inner } => {
                let mut points = inner.step(step, pairs)?;
                binary::with_scalar(*op, *returns_bool, *number, &mut points);
                Ok(points)
            }
            Node::Pair { pairing, left, right } => {
                let (left_points, right_points) = (left.step(step, pairs)?, right.step(step, pairs)?);
                pairing.combine(
                    pairs,
                    &Operand { points: &left_points, set: |series| left.set(series) },
                    &Operand { points: &right_points, set: |series| right.set(series) },
                )
            }
            Node::Replace { replace, inner } => {
                let points = inner.step(step, pairs)?;
                for point in &points {
                    replace.meet(point.series, inner.set(point.series), pairs)?;
                }
                Ok(points)
            }
        }
    }

    fn set(&self, series: u32) -> &[u32] {
        match self {
            Node::Number(_) | Node::Constant(_) => &[],
            Node::Absent { set, .. } => set,
            Node::Range(found) => found.sets.get(series),
            Node::Aggregate { op: VectorOp::Topk | VectorOp::Bottomk, inner, .. }
            | Node::Aggregate { op: VectorOp::Sort | VectorOp::SortDesc, inner, .. }
            | Node::WithNumber { inner, .. } => inner.set(series),
            Node::Aggregate { groups, .. } => groups.set(series),
            Node::Pair { pairing, .. } => pairing.set(series),
            Node::Replace { replace, .. } => replace.set(series),
        }
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

/// Whether Loki computes the aggregation from parts, so that equal series of two parts become one.
fn merges(op: RangeOp) -> bool {
    adds_up(op) || matches!(op, RangeOp::MaxOverTime | RangeOp::MinOverTime | RangeOp::AvgOverTime)
}

/// Whether stages take labels away.
fn reduces_labels(log: &LogExpr) -> bool {
    log.stages.iter().any(|stage| match stage {
        Stage::Drop(_) | Stage::Keep(_) => true,
        Stage::LabelFormat(formats) => formats.iter().any(|it| matches!(it.value, LabelFormatValue::Rename(_))),
        Stage::Line(_)
        | Stage::Json(_)
        | Stage::Logfmt { .. }
        | Stage::Regexp(_)
        | Stage::Pattern(_)
        | Stage::Unpack
        | Stage::Decolorize
        | Stage::Label(_)
        | Stage::LineFormat(_) => false,
    })
}

/// The labels of what is absent: those that the selector sets to one value.
fn absent_labels(log: &LogExpr) -> impl Iterator<Item = (&str, &str)> {
    let matcher_count = |name: &str| log.selector.iter().filter(|m| m.name() == name).count();
    let certain = log.selector.iter().filter(|m| m.op() == MatchOp::Equal && !m.value().is_empty());
    let certain = certain.filter(move |m| matcher_count(m.name()) == 1);
    certain.map(|m| (m.name(), m.value()))
}
