//! Asks the engine what a view needs. Blocks; the handlers call it off the async threads.

use crate::logql::ast::{Expr, LogExpr, MetricExpr};
use crate::model::{Direction, Labels, TimeRange, Timestamp};
use crate::query::{Answer, Data, Engine, Error, LogLine, RangeQuery, Stats, Ticket};
use crate::web::explore::builder;
use crate::web::explore::chart::Chart;
use crate::web::explore::histogram::{Grid, Histogram};
use crate::web::explore::paging::Fetch;
use crate::web::explore::rows::LineKey;
use crate::web::explore::state::State;
use crate::web::explore::view::{Asked, Found};

/// What the engine finds for a view.
pub(crate) fn find(engine: &Engine, state: &State, asked: &Asked, range: Option<TimeRange>, ticket: &Ticket) -> Found {
    let Some(range) = range else { return Found::Nothing };
    let found = match asked {
        Asked::Nothing(_) => return Found::Nothing,
        Asked::Lines(expr) => lines(engine, state, expr, range, ticket),
        Asked::Numbers(expr) => numbers(engine, state, expr, range, ticket),
    };
    found.unwrap_or_else(|error| Found::Failed(told(&error)))
}

/// The streams that have lines in the range, for the lists of labels.
pub(crate) fn streams(engine: &Engine, range: Option<TimeRange>) -> Vec<Labels> {
    let found = range.map(|range| engine.series(&[], range));
    found.and_then(Result::ok).unwrap_or_default()
}

/// The line of a view that a key names, as the query shows it.
pub(crate) fn line(engine: &Engine, expr: &LogExpr, key: LineKey, ticket: &Ticket) -> Result<Option<LogLine>, Error> {
    let range = TimeRange::new(key.timestamp, key.timestamp.plus_nanos(1));
    let limit = engine.limits().entries_max;
    let (found, _) = log_lines(engine, expr, range, limit, Direction::Backward, ticket)?;
    Ok(found.into_iter().find(|line| LineKey::of(line) == key))
}

/// What of an error a person reads.
pub(crate) fn told(error: &Error) -> String {
    if let Error::Store(source) = error {
        tracing::error!(error = %source, "a query of the Explore page failed");
        return "The stored lines could not be read; the server's own log says why.".to_owned();
    }
    error.to_string()
}

fn lines(engine: &Engine, state: &State, expr: &LogExpr, range: TimeRange, ticket: &Ticket) -> Result<Found, Error> {
    let limit = state.limit.min(engine.limits().entries_max.saturating_sub(1)).max(1);
    let fetch = Fetch::new(range, state.direction, state.cursor, limit);
    let wanted = fetch.limit.min(engine.limits().entries_max);
    let (found, stats) = log_lines(engine, expr, fetch.range, wanted, fetch.direction, ticket)?;
    let page = fetch.page(found, state.direction, |line: &LogLine| line.timestamp);
    let histogram = histogram(engine, expr, range, ticket).map_err(|error| told(&error));
    Ok(Found::Lines { cut: stats.cut && page.older.is_none() && page.newer.is_none(), page, histogram })
}

fn log_lines(
    engine: &Engine,
    expr: &LogExpr,
    range: TimeRange,
    limit: usize,
    direction: Direction,
    ticket: &Ticket,
) -> Result<(Vec<LogLine>, Stats), Error> {
    let query = RangeQuery { expr: Expr::Log(expr.clone()), range, step_ns: 1, interval_ns: 0, limit, direction };
    let Answer { data, stats, .. } = engine.range(&query, ticket)?;
    match data {
        Data::Streams(lines) => Ok((lines, stats)),
        Data::Matrix(_) | Data::Vector(_) | Data::Scalar { .. } => Ok((Vec::new(), stats)),
    }
}

fn histogram(engine: &Engine, expr: &LogExpr, range: TimeRange, ticket: &Ticket) -> Result<Histogram, Error> {
    let grid = Grid::new(range);
    let (counting, times) = grid.query(expr);
    let answer = metric(engine, counting, times, grid.step_ns, ticket)?;
    let series = match answer.data {
        Data::Matrix(series) => series,
        Data::Streams(_) | Data::Vector(_) | Data::Scalar { .. } => Vec::new(),
    };
    Ok(Histogram::draw(&grid, &series, &builder::levels(expr)))
}

fn numbers(
    engine: &Engine,
    state: &State,
    expr: &MetricExpr,
    range: TimeRange,
    ticket: &Ticket,
) -> Result<Found, Error> {
    let step_ns = Grid::new(range).step_ns;
    let answer = metric(engine, Expr::Metric(expr.clone()), range, step_ns, ticket)?;
    let chart = Chart::draw(&answer.data, range, step_ns, &state.zone.zone);
    Ok(Found::Numbers { chart, warnings: answer.warnings })
}

fn metric(engine: &Engine, expr: Expr, range: TimeRange, step_ns: i64, ticket: &Ticket) -> Result<Answer, Error> {
    let limit = engine.limits().entries_max;
    let query = RangeQuery { expr, range, step_ns, interval_ns: 0, limit, direction: Direction::Backward };
    engine.range(&query, ticket)
}

/// Whether anything but our own lines was ever stored.
pub(crate) fn is_fed(engine: &Engine, now: Timestamp) -> bool {
    let all = TimeRange::new(Timestamp::MIN, now.plus_nanos(i64::MAX / 4));
    let own = |stream: &Labels| stream.get("job") == Some("logcafe");
    engine.series(&[], all).is_ok_and(|streams| !streams.iter().all(own))
}
