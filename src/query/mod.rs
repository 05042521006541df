//! Answers out: an expression is planned into a selection of the store plus the stages left over, and run.
//!
//! Promises: an answer says what was cut; a query ends when it is cancelled, at its deadline, or at a named limit.
//! Never: HTTP, HTML, SQL.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::logql::ast::Expr;
use crate::model::{Direction, Labels, TimeRange, Timestamp};
use crate::store::{self, Store};

/// A query over a span of time.
#[derive(Clone, Debug)]
pub struct RangeQuery {
    pub expr: Expr,
    pub range: TimeRange,
    /// Distance between the points of a metric query, in nanoseconds; above 0.
    pub step_ns: i64,
    /// Least distance between two lines of a stream in a log answer; 0 for every line.
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

/// Bounds of a query. Each is named in the message that is shown when it is hit.
#[derive(Clone, Debug)]
pub struct Limits {
    pub query_timeout: Duration,
    /// Lines that one log query may ask for (Loki's `max_entries_limit_per_query`).
    pub entries_max: usize,
    /// Memory of one query's intermediate results, in bytes.
    pub memory_bytes_max: usize,
    /// Queries that run at the same time; others wait in line.
    pub concurrent_max: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            query_timeout: Duration::from_secs(60),
            entries_max: 5000,
            memory_bytes_max: 256 << 20,
            concurrent_max: 4,
        }
    }
}

/// How a running query is ended from outside. Clones end together.
#[derive(Clone, Debug)]
pub struct Ticket {
    cancelled: Arc<AtomicBool>,
    deadline: Instant,
}

impl Ticket {
    /// A query that may run until `deadline`.
    pub fn until(deadline: Instant) -> Ticket {
        Ticket { cancelled: Arc::default(), deadline }
    }

    /// Ends the query at its next check.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// An error once the query was cancelled or its time is up.
    pub fn check(&self) -> Result<(), Error> {
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(Error::Cancelled);
        }
        if Instant::now() >= self.deadline {
            return Err(Error::TimedOut);
        }
        Ok(())
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The query cannot be run as it stands; the text is for whoever wrote it.
    #[error("{0}")]
    Invalid(String),
    /// A named limit was hit; the text says which and how to raise it.
    #[error("{0}")]
    Limit(String),
    #[error("the request was cancelled by the client")]
    Cancelled,
    #[error(
        "request timed out, decrease the duration of the request or add more label matchers (prefer exact match over \
         regex match) to reduce the amount of data processed"
    )]
    TimedOut,
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// Runs queries over a store. Blocks the calling thread: callers on the async runtime use `spawn_blocking`.
#[derive(Debug)]
pub struct Engine {
    store: Arc<Store>,
    limits: Limits,
}

impl Engine {
    pub fn new(store: Arc<Store>, limits: Limits) -> Engine {
        Engine { store, limits }
    }

    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    pub fn store_usage(&self) -> store::Usage {
        self.store.usage()
    }
}
