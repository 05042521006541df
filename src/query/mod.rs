//! Answers out: an expression is planned into a selection of the store plus the stages left over, and run.
//!
//! Promises: an answer says what was cut; a query ends when it is cancelled, at its deadline, or at a named limit.
//! Never: HTTP, HTML, SQL.

mod answer;
mod counts;
mod fields;
mod labels;
mod limits;
mod logs;
mod matrix;
mod metric;
mod outbox;
mod pages;
mod patterns;
mod plan;
mod profile;
mod queue;
mod remove;
mod sample;
mod scan;
mod tail;
#[cfg(test)]
pub(crate) mod testing;
mod values;
mod volume;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

pub use answer::{
    Answer, ChangeQuery, ChangedPattern, Changes, Data, DetectedField, FieldKind, InstantQuery, LevelCounts, LogLine,
    MinedPattern, PatternQuery, Patterns, RangeQuery, Sample, Series, Stats, StreamsSummary, VolumeBy, VolumeQuery,
};
pub use counts::{CountBy, CountQuery, Counts};
pub use limits::{CancelOnDrop, Limits, Ticket};
pub use matrix::{Matrix, Vector};
pub use outbox::Parcel;
pub use pages::Pages;
pub use profile::{FieldOrigin, FieldProfile, Profile, ProfileQuery};
pub use queue::Turn;
pub use remove::Removal;
pub use sample::Coverage;
pub use tail::{Backlog, Tail, TailNews, TailQuery, TailTotals};
pub use values::{NumberBar, Numbers};

pub use crate::store::Dropped;

use crate::logql::ast::Expr;
use crate::logql::metric::steps::Steps;
use crate::model::Memory;
use crate::query::outbox::Outbox;
use crate::query::queue::Queue;
use crate::query::tail::Tails;
use crate::store::{self, Store};

/// Points of a series, at most: Loki's number, and one for the end.
const POINTS_MAX: u32 = 11_001;

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
    /// It was not even put in line; it may be asked again in a moment.
    #[error("too many outstanding requests: {waiting_max} queries wait in line already; try again in a moment")]
    Crowded { waiting_max: usize },
    /// It was answered, and there is no room to keep the answer until its client takes it.
    #[error(
        "answers that clients are slow to take use up the memory there is for them ({} MiB): try again in a moment, or \
         raise answer-memory", .bytes_max >> 20
    )]
    AnswersWait { bytes_max: usize },
    /// As many queries are followed as may be; the text says which bound it is.
    #[error("{0}")]
    TailLimit(String),
    /// The query is well-formed, but the series it found cannot be brought together as it says.
    #[error(transparent)]
    Evaluation(crate::logql::metric::Error),
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl From<crate::logql::metric::Error> for Error {
    fn from(error: crate::logql::metric::Error) -> Error {
        match error {
            crate::logql::metric::Error::Memory(exceeded) => Error::from(exceeded),
            error => Error::Evaluation(error),
        }
    }
}

/// What an engine is doing at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Requests whose turn it is.
    pub running: usize,
    /// Requests in line.
    pub waiting: usize,
    /// Of answers that clients have not taken yet.
    pub answer_bytes: usize,
}

/// Runs queries over a store. Blocks the calling thread: callers on the async runtime use `spawn_blocking`.
#[derive(Debug)]
pub struct Engine {
    store: Arc<Store>,
    limits: Limits,
    queue: Queue,
    outbox: Arc<Outbox>,
    tails: Tails,
    totals: Mutex<Stats>,
}

impl Engine {
    pub fn new(store: Arc<Store>, limits: Limits) -> Engine {
        let queue = Queue::new(limits.concurrent_max, limits.waiting_max);
        let outbox = Arc::new(Outbox::new(limits.answer_bytes_max));
        Engine { store, limits, queue, outbox, tails: Tails::default(), totals: Mutex::default() }
    }

    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    pub fn store_usage(&self) -> store::Usage {
        self.store.usage()
    }

    /// What all queries since the start looked at and found.
    pub fn totals(&self) -> Stats {
        self.totals.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How much is going on.
    pub fn load(&self) -> Load {
        let (running, waiting) = self.queue.lengths();
        Load { running, waiting, answer_bytes: self.outbox.bytes() }
    }

    /// A ticket with the time that a query may take, from now on.
    pub fn ticket(&self) -> Ticket {
        Ticket::until(Instant::now() + self.limits.query_timeout)
    }

    /// Waits in line for a turn, which ends when it is dropped: hold it until the answer is written and has room in the
    /// outbox, so that the answers that are in memory are no more than the requests that run and what the outbox holds.
    pub fn turn(&self, ticket: &Ticket) -> Result<Turn<'_>, Error> {
        self.queue.enter(ticket)
    }

    /// Waits a moment for room to keep an answer until its client has taken it. Hold the parcel until then.
    pub fn parcel(&self, bytes: usize, ticket: &Ticket) -> Result<Parcel, Error> {
        self.outbox.put(bytes, ticket)
    }

    /// Answers a query over a span of time: lines for a log query, a matrix for a metric query.
    pub fn range(&self, query: &RangeQuery, ticket: &Ticket) -> Result<Answer, Error> {
        match &query.expr {
            Expr::Log(log) => {
                self.check_limit(query.limit)?;
                self.answer(ticket, |memory, stats| {
                    Ok(Data::Streams(logs::run(&self.store, log, query, memory, ticket, stats)?))
                })
            }
            Expr::Metric(expr) => {
                let steps = Steps::between(query.range.start, query.range.end, query.step_ns);
                if steps.count() > POINTS_MAX {
                    return Err(Error::Invalid(
                        "exceeded maximum resolution of 11,000 points per time series. Try increasing the value of \
                         the step parameter"
                            .to_owned(),
                    ));
                }
                self.answer(ticket, |memory, stats| metric::run_range(&self.store, expr, steps, memory, ticket, stats))
            }
        }
    }

    fn check_limit(&self, limit: usize) -> Result<(), Error> {
        let entries_max = self.limits.entries_max;
        if limit <= entries_max {
            return Ok(());
        }
        Err(Error::Invalid(format!(
            "max entries limit per query exceeded, limit > max_entries_limit_per_query ({limit} > {entries_max})"
        )))
    }

    /// Answers a metric query at one moment: a vector, or a scalar where the query is a number.
    pub fn instant(&self, query: &InstantQuery, ticket: &Ticket) -> Result<Answer, Error> {
        let Expr::Metric(expr) = &query.expr else {
            return Err(Error::Invalid(
                "log queries are not supported as an instant query type, please change your query to a range query type"
                    .to_owned(),
            ));
        };
        self.answer(ticket, |memory, stats| metric::run_instant(&self.store, expr, query.time, memory, ticket, stats))
    }

    /// Waits for a turn, then lets `run` find the data.
    fn answer(
        &self,
        ticket: &Ticket,
        run: impl FnOnce(&Memory, &mut Stats) -> Result<Data, Error>,
    ) -> Result<Answer, Error> {
        let begin = Instant::now();
        let _turn = self.queue.enter(ticket)?;
        let mut stats = Stats { waited: ticket.waited(), ..Stats::default() };
        let (memory, reading) = limits::memory(&self.limits);
        let data = run(&memory, &mut stats)?;
        drop(reading);
        stats.elapsed = begin.elapsed();
        self.add_to_totals(&stats);
        Ok(Answer { data, stats, warnings: ticket.damages(), memory })
    }

    fn add_to_totals(&self, stats: &Stats) {
        let mut totals = self.totals.lock().unwrap_or_else(PoisonError::into_inner);
        totals.lines_processed += stats.lines_processed;
        totals.bytes_processed += stats.bytes_processed;
        totals.lines_matched += stats.lines_matched;
    }
}
