//! The lines just before and after one line, in the order of time.
//!
//! Promises: none is left out, also where many have the same time, up to as many of one time as a query may answer; the
//! edges lead on to the next page without a gap. `vicinity` is pure; `fetch` blocks.

use crate::logql::ast::LogExpr;
use crate::model::{Direction, TimeRange, Timestamp};
use crate::query::{Engine, Error, LogLine, Ticket};
use crate::web::explore::key::LineKey;
use crate::web::explore::paging::{Edge, Rows};
use crate::web::explore::search;

/// Lines around a place, the oldest first.
#[derive(Debug, PartialEq)]
pub(crate) struct Vicinity<T> {
    pub(crate) lines: Vec<T>,
    /// Where the line itself stands among them; none where it is not there.
    pub(crate) own: Option<usize>,
    /// Where older lines go on, as a page that is read backward begins; none where there are none.
    pub(crate) older: Option<Edge>,
    /// Where newer lines go on, as a page that is read forward begins.
    pub(crate) newer: Option<Edge>,
}

/// How many lines are wanted on each side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reach {
    pub(crate) before: usize,
    pub(crate) after: usize,
}

/// What was found at a time, before it (the newest first) and after it (the oldest first), each side one longer than is
/// still needed where there is more.
#[derive(Debug)]
struct Found<T> {
    timestamp: Timestamp,
    at: Vec<T>,
    own: Option<usize>,
    earlier: Vec<T>,
    later: Vec<T>,
}

/// The lines that `expr` finds in `range` around the line that `key` names, or around its time where it is not among them.
pub(crate) fn fetch(
    engine: &Engine,
    expr: &LogExpr,
    range: TimeRange,
    key: LineKey,
    reach: Reach,
    ticket: &Ticket,
) -> Result<Vicinity<LogLine>, Error> {
    let lines_max = engine.limits().entries_max;
    let moment = TimeRange::new(key.timestamp, key.timestamp.plus_nanos(1));
    let (at, _) = search::log_lines(engine, expr, moment, lines_max, Direction::Forward, ticket)?;
    let own = at.iter().position(|line| LineKey::of(line) == key);
    let side = |range: TimeRange, wanted: usize, present: usize, direction| {
        let Some(missing) = wanted.checked_sub(present).filter(|_| range.start < range.end) else {
            return Ok(Vec::new());
        };
        let limit = (missing + 1).min(lines_max);
        search::log_lines(engine, expr, range, limit, direction, ticket).map(|(lines, _)| lines)
    };
    let (before, after) = split(at.len(), own);
    let earlier =
        side(TimeRange::new(range.start, moment.start.min(range.end)), reach.before, before, Direction::Backward)?;
    let later = side(TimeRange::new(moment.end.max(range.start), range.end), reach.after, after, Direction::Forward)?;
    let found = Found { timestamp: key.timestamp, at, own, earlier, later };
    Ok(vicinity(found, reach, |line: &LogLine| line.timestamp))
}

/// How many lines of the same time are before and after the line; where it is not there, all count as before it.
fn split(at_count: usize, own: Option<usize>) -> (usize, usize) {
    own.map_or((at_count, 0), |own| (own, at_count - own - 1))
}

fn vicinity<T>(found: Found<T>, reach: Reach, time: impl Fn(&T) -> Timestamp) -> Vicinity<T> {
    let Found { timestamp, mut at, own, mut earlier, mut later } = found;
    let at_count = at.len();
    let (before, after) = split(at_count, own);
    let older = edge(timestamp, at_count, before, reach.before, &earlier, &time);
    let newer = edge(timestamp, at_count, after, reach.after, &later, &time);
    earlier.truncate(reach.before.saturating_sub(before));
    later.truncate(reach.after.saturating_sub(after));
    at.truncate(at_count - after.saturating_sub(reach.after));
    let skipped = before.saturating_sub(reach.before);
    at.drain(..skipped);
    let own = own.map(|own| earlier.len() + own - skipped);
    earlier.reverse();
    let lines = earlier.into_iter().chain(at).chain(later).collect();
    Vicinity { lines, own, older, newer }
}

/// Where one side goes on: amid the lines of the same time, or beyond them. `side` is in the order away from the line.
fn edge<T>(
    timestamp: Timestamp,
    at_count: usize,
    present: usize,
    wanted: usize,
    side: &[T],
    time: &impl Fn(&T) -> Timestamp,
) -> Option<Edge> {
    if present > wanted {
        // of those of this time, all but the ones left out were seen, counted from the other end
        return Some(Edge { timestamp, rows: Rows::Seen(at_count - (present - wanted)) });
    }
    let missing = wanted - present;
    if side.len() <= missing {
        return None;
    }
    let shown = &side[..missing];
    Some(match shown.last().map(time) {
        None => Edge { timestamp, rows: Rows::Seen(at_count) },
        Some(last) => Edge { timestamp: last, rows: Rows::Seen(shown.iter().filter(|row| time(row) == last).count()) },
    })
}

#[cfg(test)]
mod tests {
    use crate::model::{Direction, TimeRange, Timestamp};
    use crate::web::explore::line::vicinity::{Found, Reach, Vicinity, split, vicinity};
    use crate::web::explore::paging::{Cursor, Fetch};

    /// Rows of (time, name), in forward order.
    const STORED: [(i64, &str); 11] =
        [(1, "a"), (2, "b"), (5, "c"), (5, "d"), (5, "e"), (5, "f"), (5, "g"), (7, "h"), (9, "i"), (9, "j"), (11, "k")];

    fn time(row: &(i64, &'static str)) -> Timestamp {
        Timestamp::from_nanos(row.0)
    }

    fn around(nanos: i64, name: &str, reach: Reach) -> Vicinity<(i64, &'static str)> {
        let at: Vec<_> = STORED.into_iter().filter(|row| row.0 == nanos).collect();
        let own = at.iter().position(|row| row.1 == name);
        let (before, after) = split(at.len(), own);
        let mut earlier: Vec<_> = STORED.into_iter().filter(|row| row.0 < nanos).rev().collect();
        let mut later: Vec<_> = STORED.into_iter().filter(|row| row.0 > nanos).collect();
        earlier.truncate(reach.before.checked_sub(before).map_or(0, |missing| missing + 1));
        later.truncate(reach.after.checked_sub(after).map_or(0, |missing| missing + 1));
        vicinity(Found { timestamp: Timestamp::from_nanos(nanos), at, own, earlier, later }, reach, time)
    }

    /// Every row beyond an edge, page by page.
    fn beyond(mut cursor: Option<Cursor>, direction: Direction) -> String {
        let range = TimeRange::new(Timestamp::from_nanos(0), Timestamp::from_nanos(100));
        let mut names = String::new();
        while let Some(at) = cursor {
            let crowd = STORED.iter().filter(|row| time(row) == at.timestamp()).count();
            let fetch = Fetch::new(range, direction, Some(at), crowd, 2);
            let mut found: Vec<_> = STORED.into_iter().filter(|row| fetch.range.contains(time(row))).collect();
            if direction == Direction::Backward {
                found.reverse();
            }
            found.truncate(fetch.limit);
            let page = fetch.page(found, direction, time);
            names.extend(page.rows.iter().map(|row| row.1));
            cursor = if direction == Direction::Backward { page.older } else { page.newer };
        }
        names
    }

    #[test]
    fn no_row_is_lost_whatever_the_line_and_the_reach() {
        for (nanos, name) in STORED {
            for before in 0..7 {
                for after in 0..7 {
                    let near = around(nanos, name, Reach { before, after });
                    assert_eq!(near.own.map(|own| near.lines[own].1), Some(name));
                    assert!(near.own.unwrap() <= before);
                    let shown: String = near.lines.iter().map(|row| row.1).collect();
                    let older: String =
                        beyond(near.older.map(Cursor::Older), Direction::Backward).chars().rev().collect();
                    let newer = beyond(near.newer.map(Cursor::Newer), Direction::Forward);
                    assert_eq!(format!("{older}{shown}{newer}"), "abcdefghijk", "{name} {before} {after}");
                }
            }
        }
    }

    #[test]
    fn a_line_that_is_gone_leaves_its_surroundings() {
        let near = around(6, "x", Reach { before: 2, after: 2 });
        assert_eq!(near.own, None);
        assert_eq!(near.lines.iter().map(|row| row.1).collect::<String>(), "fghi");
    }
}
