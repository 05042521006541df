//! Asks the engine what a view needs. Blocks; the handlers call it off the async threads.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::logql::ast::{Expr, LogExpr, MetricExpr};
use crate::model::{Direction, Labels, TimeRange};
use crate::query::{
    Answer, CountBy, CountQuery, Data, Engine, Error, InstantQuery, LogLine, RangeQuery, Stats, Ticket,
};
use crate::web::explore::builder;
use crate::web::explore::chart::Chart;
use crate::web::explore::drawing::{Shape, Unit};
use crate::web::explore::facets::Stream;
use crate::web::explore::histogram::{Grid, Histogram};
use crate::web::explore::line::permalink;
use crate::web::explore::paging::{Cursor, Fetch, Page};
use crate::web::explore::state::State;
use crate::web::explore::view::{Asked, Found, Part};
use crate::web::language::Language;

/// Lists of labels come without counts rather than later than this.
const COUNTING_TIME_MAX: Duration = Duration::from_millis(200);

/// What the engine finds for a view.
pub(crate) fn find(
    engine: &Engine,
    state: &State,
    asked: &Asked,
    range: Option<TimeRange>,
    part: Part,
    ticket: &Ticket,
) -> Found {
    let Some(range) = range else { return Found::Nothing };
    let found = match asked {
        Asked::Nothing(_) => return Found::Nothing,
        Asked::Lines(expr) => lines(engine, state, expr, range, part, ticket),
        Asked::Numbers(expr) => numbers(engine, state, expr, range, ticket),
    };
    found.unwrap_or_else(|error| Found::Failed(told(&error, state.say)))
}

/// The streams that have lines in the range, for the lists of labels; how many lines, where that is quickly counted.
pub(crate) fn streams(engine: &Engine, range: Option<TimeRange>, user: &str) -> Vec<Stream> {
    let Some(range) = range else { return Vec::new() };
    let found = engine.series(&[], range, &engine.ticket().for_user(user)).unwrap_or_default();
    let counts = line_counts(engine, range, user);
    let stream = |labels: Labels| Stream {
        line_count: counts.as_ref().map(|counts| counts.get(&labels).copied().unwrap_or(0)),
        labels,
    };
    found.into_iter().map(stream).collect()
}

fn line_counts(engine: &Engine, range: TimeRange, user: &str) -> Option<HashMap<Labels, u64>> {
    let ticket = Ticket::until(Instant::now() + COUNTING_TIME_MAX).for_user(user);
    engine.stream_counts(&[], range, &ticket).ok()
}

/// The newest line that a query finds.
pub(crate) fn newest(
    engine: &Engine,
    expr: &LogExpr,
    range: TimeRange,
    ticket: &Ticket,
) -> Result<Option<LogLine>, Error> {
    Ok(log_lines(engine, expr, range, 1, Direction::Backward, ticket)?.0.into_iter().next())
}

/// What of an error a person reads.
pub(crate) fn told(error: &Error, say: Language) -> String {
    if let Error::Store(source) = error {
        tracing::error!(error = %source, "a query of a page failed");
    }
    say.query_problem(error)
}

fn lines(
    engine: &Engine,
    state: &State,
    expr: &LogExpr,
    range: TimeRange,
    part: Part,
    ticket: &Ticket,
) -> Result<Found, Error> {
    let limit = state.limit.min(engine.limits().entries_max.saturating_sub(1)).max(1);
    if let (Some(key), None) = (state.line, state.cursor) {
        let page = permalink::page(engine, state, expr, range, key, limit, ticket)?;
        let histogram = histogram_above(engine, state, expr, range, ticket);
        return Ok(Found::Lines { page, cut: false, histogram });
    }
    let (page, is_cut) = page(engine, expr, range, state, limit, ticket)?;
    let histogram = match part {
        Part::All => histogram_above(engine, state, expr, range, ticket),
        Part::Rows => Ok(None),
    };
    Ok(Found::Lines { cut: is_cut && page.older.is_none() && page.newer.is_none(), page, histogram })
}

/// The page of a view, and whether there are more lines than were read.
fn page(
    engine: &Engine,
    expr: &LogExpr,
    range: TimeRange,
    state: &State,
    limit: usize,
    ticket: &Ticket,
) -> Result<(Page<LogLine>, bool), Error> {
    let crowd = match state.cursor.and_then(Cursor::crowd) {
        Some(moment) => usize::try_from(count(engine, expr, moment, ticket)?).unwrap_or(usize::MAX),
        None => 0,
    };
    let fetch = Fetch::new(range, state.fetched(), state.cursor, crowd, limit);
    let (found, is_cut) = engine.first_lines(expr, fetch.range, fetch.direction, fetch.limit, ticket)?;
    Ok((fetch.page(found, state.direction, |line: &LogLine| line.timestamp), is_cut))
}

/// How many lines a query finds in a range.
pub(crate) fn count(engine: &Engine, expr: &LogExpr, range: TimeRange, ticket: &Ticket) -> Result<u64, Error> {
    let query = CountQuery { log: expr.clone(), range, step_ns: None, by: CountBy::default(), top: None };
    Ok(engine.counts(&query, ticket)?.total())
}

/// The lines that a query finds in a range.
pub(crate) fn log_lines(
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

/// The bars of a range.
pub(crate) fn bars(engine: &Engine, expr: &LogExpr, range: TimeRange, ticket: &Ticket) -> Result<Histogram, Error> {
    let grid = Grid::new(range);
    let counts = engine.counts(&grid.query(expr), ticket)?;
    Ok(Histogram::draw(&grid, counts.iter(), &builder::levels(expr)))
}

/// The bars that stand above what a view shows, or why there are none.
pub(crate) fn histogram_above(
    engine: &Engine,
    state: &State,
    expr: &LogExpr,
    range: TimeRange,
    ticket: &Ticket,
) -> Result<Option<Histogram>, String> {
    bars(engine, expr, range, ticket).map(Some).map_err(|error| told(&error, state.say))
}

fn numbers(
    engine: &Engine,
    state: &State,
    expr: &MetricExpr,
    range: TimeRange,
    ticket: &Ticket,
) -> Result<Found, Error> {
    let step_ns = Grid::new(range).step_ns;
    let asked = Expr::Metric(expr.clone());
    let answer = if state.drawing.shape == Shape::Instant {
        let query = InstantQuery { expr: asked, time: range.end, limit: engine.limits().entries_max };
        engine.instant(&query, ticket)?
    } else {
        metric(engine, asked, range, step_ns, ticket)?
    };
    let chart = Chart::draw(&answer.data, range, step_ns, state, Unit::of(expr));
    Ok(Found::Numbers { chart, warnings: answer.warnings })
}

/// The answer of a metric query.
pub(crate) fn metric(
    engine: &Engine,
    expr: Expr,
    range: TimeRange,
    step_ns: i64,
    ticket: &Ticket,
) -> Result<Answer, Error> {
    let limit = engine.limits().entries_max;
    let query = RangeQuery { expr, range, step_ns, interval_ns: 0, limit, direction: Direction::Backward };
    engine.range(&query, ticket)
}

/// Whether anything but our own lines was ever stored. Looks beyond the streams of the view only where those do not say.
pub(crate) fn is_fed(engine: &Engine, streams: &[Stream], user: &str) -> bool {
    let foreign = |labels: &Labels| labels.get("job") != Some("logcafe");
    let all = || engine.series(&[], TimeRange::ALL, &engine.ticket().for_user(user));
    // who cannot be told so is not told to send lines
    let ever = || all().map_or(true, |streams| streams.iter().any(foreign));
    streams.iter().any(|stream| foreign(&stream.labels)) || ever()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use crate::model::{TimeRange, Timestamp};
    use crate::query::testing::{TestStore, ticket};
    use crate::query::{Engine, Limits};
    use crate::web::explore::search::page;
    use crate::web::explore::state::{Params, State};
    use crate::web::explore::view::Asked;
    use crate::web::language::Language;

    /// More lines of one moment than one answer may have.
    #[test]
    fn every_line_is_reached_however_many_have_one_time() {
        let store = TestStore::new();
        let lines: Vec<(i64, String)> = (0..450).map(|n| (if n < 20 { n } else { 30 }, format!("line {n}"))).collect();
        let lines: Vec<(i64, &str)> = lines.iter().map(|(at, line)| (*at, line.as_str())).collect();
        store.push(&[("app", "x")], &lines);
        let limits = Limits { entries_max: 200, ..Limits::default() };
        let engine = Engine::new(store.store.clone(), limits);
        let range = TimeRange::new(Timestamp::from_secs(0), Timestamp::from_secs(60));
        let asked = Asked::read(r#"{app="x"}"#);
        let expr = asked.lines().expect("a log query");
        let mut state = State::read(&Params::default(), None, Language::English, Timestamp::from_secs(60)).0;
        let visit = |state: &State| page(&engine, expr, range, state, 40, &ticket()).expect("a page").0;
        let (mut seen, mut count) = (BTreeSet::new(), 0);
        let newer = loop {
            let found = visit(&state);
            count += found.rows.len();
            seen.extend(found.rows.iter().map(|line| line.line.clone()));
            match found.older {
                Some(older) => state = state.at(Some(older)),
                None => break found.newer,
            }
        };
        assert_eq!((seen.len(), count), (450, 450));
        // and back again: the oldest page has ten lines
        let (mut cursor, mut back) = (newer, 10);
        while let Some(newer) = cursor {
            let found = visit(&state.at(Some(newer)));
            back += found.rows.len();
            cursor = found.newer;
        }
        assert_eq!(back, 450);
    }
}
