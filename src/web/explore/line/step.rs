//! From a line to the one before or after it in its view. Blocks.

use crate::logql::ast::LogExpr;
use crate::model::{Direction, Timestamp};
use crate::query::{Engine, Error, Ticket};
use crate::web::explore::key::LineKey;
use crate::web::explore::line::permalink;
use crate::web::explore::line::vicinity::{self, Reach};
use crate::web::explore::state::State;

/// Reads what an address says.
pub(crate) fn direction(name: &str) -> Direction {
    if name == "newer" { Direction::Forward } else { Direction::Backward }
}

/// The next line of the view in a direction of time; none at the end of its range.
pub(crate) fn step(
    engine: &Engine,
    state: &State,
    expr: &LogExpr,
    key: LineKey,
    direction: Direction,
    now: Timestamp,
    ticket: &Ticket,
) -> Result<Option<LineKey>, Error> {
    let state = permalink::with_span_of_line(State { line: Some(key), ..state.clone() }, now);
    let Some(range) = state.range(now) else { return Ok(None) };
    let reach = match direction {
        Direction::Backward => Reach { before: 1, after: 0 },
        Direction::Forward => Reach { before: 0, after: 1 },
    };
    let near = vicinity::fetch(engine, expr, range, key, reach, ticket)?;
    let next = match (direction, near.own) {
        (Direction::Backward, Some(own)) => own.checked_sub(1).and_then(|index| near.lines.get(index)),
        (Direction::Forward, Some(own)) => near.lines.get(own + 1),
        (Direction::Backward, None) => near.lines.first(),
        (Direction::Forward, None) => near.lines.last(),
    };
    Ok(next.map(LineKey::of))
}
