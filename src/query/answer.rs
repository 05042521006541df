//! What is asked, and what is answered.

use std::time::Duration;

use crate::logql::ast::Expr;
use crate::model::{Direction, Labels, TimeRange, Timestamp};

/// A query over a span of time.
#[derive(Clone, Debug)]
pub struct RangeQuery {
    pub expr: Expr,
    /// Lines are taken from it as it is; a metric query has points from the start to the end, the end included.
    pub range: TimeRange,
    /// Distance between the points of a metric query, in nanoseconds; above 0.
    pub step_ns: i64,
    /// Least distance between two lines of a log answer, over all its streams; 0 for every line.
    pub interval_ns: i64,
    /// Lines answered at most, over all streams.
    pub limit: usize,
    pub direction: Direction,
}

/// A metric query at one point in time.
#[derive(Clone, Debug)]
pub struct InstantQuery {
    pub expr: Expr,
    pub time: Timestamp,
    pub limit: usize,
}

/// What a query found.
#[derive(Clone, Debug)]
pub struct Answer {
    pub data: Data,
    pub stats: Stats,
    pub warnings: Vec<String>,
}

#[derive(Clone, Debug)]
pub enum Data {
    Streams(Vec<LogLine>),
    /// By series, points in the order of time.
    Matrix(Vec<Series>),
    Vector(Vec<Sample>),
    Scalar {
        time: Timestamp,
        value: f64,
    },
}

/// One line of a log answer, in the answer's order: by time over all streams.
#[derive(Clone, Debug, PartialEq)]
pub struct LogLine {
    pub timestamp: Timestamp,
    /// The text after all stages.
    pub line: String,
    /// Labels of the stream.
    pub stream: Labels,
    /// Structured metadata that is left after all stages.
    pub structured: Labels,
    /// Labels that stages made or changed.
    pub parsed: Labels,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    pub labels: Labels,
    pub points: Vec<(Timestamp, f64)>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    pub labels: Labels,
    pub timestamp: Timestamp,
    pub value: f64,
}

/// What a query cost and left out.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// Lines and bytes of text that were looked at.
    pub lines_processed: u64,
    pub bytes_processed: u64,
    /// Lines that passed all filters.
    pub lines_matched: u64,
    pub elapsed: Duration,
    /// Whether lines beyond the limit were left out.
    pub cut: bool,
}

/// What is known of a label, for pickers.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamsSummary {
    pub streams: u64,
    pub chunks: u64,
    pub entries: u64,
    pub bytes: u64,
}
