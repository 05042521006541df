//! The address that opens Explore at one line, and the page it opens: the line amid the lines around it.

use crate::logql::ast::LogExpr;
use crate::model::{Direction, TimeRange, Timestamp};
use crate::query::{Engine, Error, LogLine, Ticket};
use crate::web::explore::key::LineKey;
use crate::web::explore::line::locate;
use crate::web::explore::line::vicinity::{self, Reach};
use crate::web::explore::moment::Moment;
use crate::web::explore::paging::{Cursor, Page};
use crate::web::explore::rows::Row;
use crate::web::explore::state::State;

/// What the row of the line is called in its page.
pub(crate) const ANCHOR: &str = "line";
/// How much is shown before and after a line whose link names no time around it.
const SPAN_NS: i64 = 300_000_000_000;
const SECOND: i64 = 1_000_000_000;

/// A line that a link names and that its page does not show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// It is there, but the query leaves it out.
    LeftOut,
    /// It is not stored any more.
    Gone,
}

/// The address of the line among the lines of a view, whenever it is opened.
pub(crate) fn url(state: &State, key: LineKey, now: Timestamp) -> String {
    let (from, to) = match state.range(now).filter(|range| range.contains(key.timestamp)) {
        Some(range) => (Moment::At(range.start), Moment::At(range.end)),
        None => span_around(key),
    };
    let view = State { line: Some(key), ..state.with_span(from, to) };
    format!("{}#{ANCHOR}", view.url())
}

/// The view with a span that holds the line it opens at.
pub(crate) fn with_span_of_line(state: State, now: Timestamp) -> State {
    let Some(key) = state.line else { return state };
    if state.range(now).is_some_and(|range| range.contains(key.timestamp)) {
        return state;
    }
    let (from, to) = span_around(key);
    State { from, to, live: false, ..state }
}

fn span_around(key: LineKey) -> (Moment, Moment) {
    let start = key.timestamp.plus_nanos(-SPAN_NS).nanos().div_euclid(SECOND);
    let end = key.timestamp.plus_nanos(SPAN_NS).nanos().div_euclid(SECOND) + 1;
    (Moment::At(Timestamp::from_secs(start)), Moment::At(Timestamp::from_secs(end)))
}

/// The page with the line in its middle.
pub(crate) fn page(
    engine: &Engine,
    state: &State,
    expr: &LogExpr,
    range: TimeRange,
    key: LineKey,
    row_count: usize,
    ticket: &Ticket,
) -> Result<Page<LogLine>, Error> {
    let reach = Reach { before: row_count / 2, after: row_count.saturating_sub(row_count / 2 + 1) };
    let near = vicinity::fetch(engine, expr, range, key, reach, ticket)?;
    let mut rows = near.lines;
    if state.direction == Direction::Backward {
        rows.reverse();
    }
    Ok(Page { rows, older: near.older.map(Cursor::Older), newer: near.newer.map(Cursor::Newer) })
}

/// Why the line of the view is not on its page; none where it is, or none is named.
pub(crate) fn missing(engine: &Engine, state: &State, lines: &[LogLine], ticket: &Ticket) -> Option<Missing> {
    let key = state.line.filter(|_| state.cursor.is_none())?;
    if lines.iter().any(|line| LineKey::of(line) == key) {
        return None;
    }
    match locate::locate(engine, None, key, ticket) {
        Ok(Some(_)) => Some(Missing::LeftOut),
        Ok(None) => Some(Missing::Gone),
        // that the lines cannot be read is said already
        Err(_) => None,
    }
}

/// Puts the anchor on the row that shows the line.
pub(crate) fn anchor(rows: &mut [Row], key: LineKey) {
    if let Some(row) = rows.iter_mut().find(|row| row.shows(key)) {
        row.anchor = Some(ANCHOR.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use crate::model::{Direction, Labels, Timestamp};
    use crate::query::LogLine;
    use crate::web::explore::key::LineKey;
    use crate::web::explore::line::permalink::{anchor, url, with_span_of_line};
    use crate::web::explore::rows;
    use crate::web::explore::state::{Params, State};
    use crate::web::explore::text::Marker;
    use crate::web::explore::view;
    use crate::web::language::Language;

    const NOW: Timestamp = Timestamp::from_secs(1_795_358_760);

    fn read(params: &Params) -> State {
        State::read(params, None, Language::English, NOW).0
    }

    #[test]
    fn a_link_keeps_the_query_and_a_span_that_does_not_move() {
        let state = read(&Params { query: Some("{app=\"web\"}".to_owned()), ..Params::default() });
        let near = LineKey { timestamp: NOW.plus_nanos(-5), hash: 0xab };
        assert_eq!(
            url(&state, near, NOW),
            "/explore?query=%7Bapp%3D%22web%22%7D&from=2026-11-22T13:46:00Z&to=2026-11-22T14:46:00Z\
             &line=1795358759999999995.ab#line"
        );
        let far = LineKey { timestamp: Timestamp::from_secs(1_795_000_000), hash: 1 };
        assert!(url(&state, far, NOW).contains("&from=2026-11-18T11:01:40Z&to=2026-11-18T11:11:41Z&line="));
    }

    #[test]
    fn a_link_without_a_time_opens_around_its_line() {
        let bare = Params { line: Some("1795000000000000000.1".to_owned()), ..Params::default() };
        let state = with_span_of_line(read(&bare), NOW);
        assert_eq!(state.from.to_string(), "2026-11-18T11:01:40Z");
        let held = Params { line: Some("1795358759000000000.1".to_owned()), ..Params::default() };
        assert_eq!(with_span_of_line(read(&held), NOW).from.to_string(), "now-1h");
    }

    #[test]
    fn the_anchor_stands_on_the_row_that_holds_the_line() {
        let line = |millis: i64, app: &str, text: &str| LogLine {
            timestamp: Timestamp::from_nanos(millis * 1_000_000),
            line: text.to_owned(),
            stream: Labels::from([("service_name", app)]),
            structured: Labels::default(),
            parsed: Labels::default(),
            rewritten: None,
        };
        let mut lines = vec![
            line(1, "web", "ERROR failed"),
            line(2, "db", "fine"),
            line(3, "web", "\tat a.B.c(B.java:1)"),
            line(4, "web", "next"),
        ];
        let (state, marker) = (read(&Params::default()), Marker::default());
        for direction in [Direction::Forward, Direction::Backward] {
            for (text, expected) in [("\tat a.B.c(B.java:1)", 1), ("fine", 2), ("next", 4)] {
                let mut shown = rows::rows(&lines, direction, &view::telling(&state, &marker, NOW), None);
                let key = LineKey::of(lines.iter().find(|line| line.line == text).unwrap());
                anchor(&mut shown, key);
                let anchored = shown.iter().filter(|row| row.anchor.is_some());
                let millis: Vec<i64> = anchored.map(|row| row.key.timestamp.nanos() / 1_000_000).collect();
                assert_eq!(millis, [expected], "{text:?}");
            }
            lines.reverse();
        }
    }
}
