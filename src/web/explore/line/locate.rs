//! Finds the line that a key names: as a query shows it, and as it is stored. Blocks.

use crate::logql::ast::LogExpr;
use crate::model::{Direction, Labels, Matcher, TimeRange};
use crate::query::{Engine, Error, LogLine, Ticket};
use crate::web::explore::builder::{self, Parser};
use crate::web::explore::key::LineKey;
use crate::web::explore::search;

/// A line that is there.
#[derive(Debug)]
pub(crate) struct Located {
    /// What the address calls it.
    pub(crate) key: LineKey,
    /// Exactly as it was stored, whatever the query makes of it.
    pub(crate) stored: LogLine,
    /// With the fields of the query, or of the parser that it looks to be made for.
    pub(crate) shown: LogLine,
    /// The parser that a query needs before it can ask for the fields.
    pub(crate) parser: Option<Parser>,
}

/// Every line.
pub(crate) fn everything() -> LogExpr {
    LogExpr { selector: Vec::new(), stages: Vec::new() }
}

/// Every line of a stream.
pub(crate) fn of_stream(stream: &Labels) -> LogExpr {
    LogExpr { selector: stream.iter().map(|(name, value)| Matcher::equal(name, value)).collect(), stages: Vec::new() }
}

/// The line, also where the query leaves it out; none where it is not stored any more.
pub(crate) fn locate(
    engine: &Engine,
    expr: Option<&LogExpr>,
    key: LineKey,
    ticket: &Ticket,
) -> Result<Option<Located>, Error> {
    let asked = match expr {
        Some(expr) => search::line(engine, expr, key, ticket)?,
        None => None,
    };
    let stored = match &asked {
        Some(line) => stored_of(engine, line, key, ticket)?,
        None => lines_at(engine, key, ticket)?.into_iter().find(|line| LineKey::of(line) == key),
    };
    let Some(stored) = stored.or_else(|| asked.clone()) else { return Ok(None) };
    let mut shown = asked.unwrap_or_else(|| stored.clone());
    let all = everything();
    let parser = builder::parser_for(expr.unwrap_or(&all), &stored.line);
    if shown.parsed.is_empty() {
        shown.parsed = parsed(engine, &stored, ticket);
    }
    Ok(Some(Located { key, stored, shown, parser }))
}

/// The fields of a line by the parser that it looks to be made for; none where it only looks like it.
fn parsed(engine: &Engine, stored: &LogLine, ticket: &Ticket) -> Labels {
    let Some(parser) = builder::parser_for(&everything(), &stored.line) else { return Labels::default() };
    let mut expr = of_stream(&stored.stream);
    expr.stages.push(parser.stage());
    let found = search::line(engine, &expr, LineKey::of(stored), ticket);
    found.ok().flatten().map(|line| line.parsed).unwrap_or_default()
}

/// The stored line behind one that stages of a query may have rewritten.
fn stored_of(engine: &Engine, shown: &LogLine, key: LineKey, ticket: &Ticket) -> Result<Option<LogLine>, Error> {
    let mut candidates = at(engine, &of_stream(&shown.stream), key, ticket)?;
    let same = candidates.iter().position(|line| LineKey::of(line) == key);
    Ok(match (same, candidates.len()) {
        (Some(index), _) => Some(candidates.swap_remove(index)),
        (None, 1) => candidates.pop(),
        (None, _) => None,
    })
}

/// Every line of the key's time; stream by stream where they are more than a query may answer.
fn lines_at(engine: &Engine, key: LineKey, ticket: &Ticket) -> Result<Vec<LogLine>, Error> {
    let found = at(engine, &everything(), key, ticket)?;
    if found.len() < engine.limits().entries_max {
        return Ok(found);
    }
    let mut lines = Vec::new();
    for stream in engine.series(&[], moment(key), ticket)? {
        lines.extend(at(engine, &of_stream(&stream), key, ticket)?.into_iter().find(|line| LineKey::of(line) == key));
    }
    Ok(lines)
}

fn at(engine: &Engine, expr: &LogExpr, key: LineKey, ticket: &Ticket) -> Result<Vec<LogLine>, Error> {
    let limit = engine.limits().entries_max;
    search::log_lines(engine, expr, moment(key), limit, Direction::Forward, ticket).map(|(lines, _)| lines)
}

fn moment(key: LineKey) -> TimeRange {
    TimeRange::new(key.timestamp, key.timestamp.plus_nanos(1))
}
