//! Pages of rows: where one ends and the next begins, also where many rows have the same time.
//!
//! Promises: going older page by page shows every row once, whatever their timestamps, as long as rows of equal time
//! keep their order between queries. Pure.

use crate::model::{Direction, TimeRange, Timestamp};

/// Where a page begins: a time, and how many of the rows at that time are on the page before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cursor {
    Older(Edge),
    Newer(Edge),
}

/// A border between pages in the midst of rows that have one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Edge {
    pub(crate) timestamp: Timestamp,
    pub(crate) rows: Rows,
}

/// How many of the rows at that time, in the direction that is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rows {
    /// The first ones were shown already.
    Seen(usize),
    /// The last ones are still to come, the others were shown.
    Left(usize),
}

/// What to ask the engine for to fill a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fetch {
    pub(crate) range: TimeRange,
    pub(crate) direction: Direction,
    /// One more than fits, to know whether there is a further page, and the rows that were seen.
    pub(crate) limit: usize,
    edge: Option<Edge>,
    page_rows: usize,
}

/// Rows of one time that are read again without counting them first.
const SAME_TIME_FEW: usize = 1000;

/// The rows of a page, in the order of reading, and the way on.
#[derive(Debug, PartialEq)]
pub(crate) struct Page<T> {
    pub(crate) rows: Vec<T>,
    pub(crate) older: Option<Cursor>,
    pub(crate) newer: Option<Cursor>,
}

impl Cursor {
    pub(crate) fn older(text: &str) -> Option<Cursor> {
        Edge::parse(text).map(Cursor::Older)
    }

    pub(crate) fn newer(text: &str) -> Option<Cursor> {
        Edge::parse(text).map(Cursor::Newer)
    }

    /// The time of the rows at the border.
    pub(crate) fn timestamp(self) -> Timestamp {
        match self {
            Cursor::Older(edge) | Cursor::Newer(edge) => edge.timestamp,
        }
    }

    /// The moment whose rows are to be counted before the page is fetched: there may be any number of them, and all that
    /// were seen are read again.
    pub(crate) fn crowd(self) -> Option<TimeRange> {
        let (Cursor::Older(edge) | Cursor::Newer(edge)) = self;
        let is_crowd = match edge.rows {
            Rows::Seen(count) => count > SAME_TIME_FEW,
            Rows::Left(_) => true,
        };
        is_crowd.then(|| TimeRange::new(edge.timestamp, edge.timestamp.plus_nanos(1)))
    }

    /// Name and value in the URL.
    pub(crate) fn pair(&self) -> (&'static str, String) {
        let (name, edge) = match self {
            Cursor::Older(edge) => ("older", edge),
            Cursor::Newer(edge) => ("newer", edge),
        };
        match edge.rows {
            Rows::Seen(count) => (name, format!("{}.{count}", edge.timestamp.nanos())),
            Rows::Left(count) => (name, format!("{}.-{count}", edge.timestamp.nanos())),
        }
    }
}

impl Edge {
    fn parse(text: &str) -> Option<Edge> {
        let (nanos, seen) = text.split_once('.')?;
        let rows = match seen.strip_prefix('-') {
            Some(left) => Rows::Left(left.parse().ok()?),
            None => Rows::Seen(seen.parse().ok()?),
        };
        Some(Edge { timestamp: Timestamp::from_nanos(nanos.parse().ok()?), rows })
    }
}

impl Fetch {
    /// What fills a page of `page_rows` rows of `range`, read in `direction`, that begins at `cursor`. `crowd` is how many
    /// rows there are at the moment that the cursor says is to be counted; 0 where it names none.
    pub(crate) fn new(
        range: TimeRange,
        direction: Direction,
        cursor: Option<Cursor>,
        crowd: usize,
        page_rows: usize,
    ) -> Fetch {
        let (range, direction, edge) = match cursor {
            None => (range, direction, None),
            Some(Cursor::Older(edge)) => {
                let end = edge.timestamp.plus_nanos(1).min(range.end);
                (TimeRange::new(range.start, end), Direction::Backward, Some(edge))
            }
            Some(Cursor::Newer(edge)) => {
                let start = edge.timestamp.max(range.start);
                (TimeRange::new(start, range.end), Direction::Forward, Some(edge))
            }
        };
        let extra = match edge.map(|edge| edge.rows) {
            None => 0,
            Some(Rows::Seen(count)) => count.min(crowd.max(SAME_TIME_FEW)),
            Some(Rows::Left(_)) => crowd,
        };
        Fetch { range, direction, limit: page_rows + 1 + extra, edge, page_rows }
    }

    /// Makes the page of what the engine answered. `reading` is the direction that the page is read in.
    pub(crate) fn page<T>(&self, mut rows: Vec<T>, reading: Direction, time: impl Fn(&T) -> Timestamp) -> Page<T> {
        let count_at = |rows: &[T], timestamp| rows.iter().filter(|row| time(row) == timestamp).count();
        let skip = match self.edge.map(|edge| (edge.rows, count_at(&rows, edge.timestamp))) {
            None => 0,
            Some((Rows::Seen(count), at_edge)) => count.min(at_edge),
            Some((Rows::Left(count), at_edge)) => at_edge.saturating_sub(count),
        };
        let further = rows.len() > skip + self.page_rows;
        rows.truncate(skip + self.page_rows);
        let onward = rows.last().filter(|_| further).map(|row| {
            let timestamp = time(row);
            Edge { timestamp, rows: Rows::Seen(count_at(&rows, timestamp)) }
        });
        let back = rows.get(skip).zip(self.edge).map(|(row, edge)| {
            let (timestamp, beyond) = match self.direction {
                Direction::Backward => (time(row), time(row).plus_nanos(1)),
                Direction::Forward => (time(row), time(row).plus_nanos(-1)),
            };
            if timestamp == edge.timestamp && skip > 0 {
                Edge { timestamp, rows: Rows::Left(skip) }
            } else {
                Edge { timestamp: beyond, rows: Rows::Seen(0) }
            }
        });
        rows.drain(..skip);
        if self.direction != reading {
            rows.reverse();
        }
        let (older, newer) = match self.direction {
            Direction::Backward => (onward, back),
            Direction::Forward => (back, onward),
        };
        Page { rows, older: older.map(Cursor::Older), newer: newer.map(Cursor::Newer) }
    }
}

#[cfg(test)]
mod tests {
    use crate::model::{Direction, TimeRange, Timestamp};
    use crate::web::explore::paging::{Cursor, Fetch, Page};

    /// Rows of (time, name), in forward order; those of equal time come in one order forward and its reverse backward.
    const STORED: [(i64, &str); 9] =
        [(1, "a"), (2, "b"), (5, "c"), (5, "d"), (5, "e"), (5, "f"), (5, "g"), (7, "h"), (9, "i")];

    fn visit(reading: Direction, cursor: Option<Cursor>, limit: usize) -> Page<(i64, &'static str)> {
        let range = TimeRange::new(Timestamp::from_nanos(1), Timestamp::from_nanos(10));
        let at =
            |cursor: Cursor| STORED.iter().filter(|row| Timestamp::from_nanos(row.0) == cursor.timestamp()).count();
        let crowd = cursor.filter(|cursor| cursor.crowd().is_some()).map_or(0, at);
        let fetch = Fetch::new(range, reading, cursor, crowd, limit);
        let mut found: Vec<_> =
            STORED.into_iter().filter(|row| fetch.range.contains(Timestamp::from_nanos(row.0))).collect();
        if fetch.direction == Direction::Backward {
            found.reverse();
        }
        found.truncate(fetch.limit);
        fetch.page(found, reading, |row| Timestamp::from_nanos(row.0))
    }

    fn names(page: &Page<(i64, &'static str)>) -> String {
        page.rows.iter().map(|row| row.1).collect()
    }

    #[test]
    fn every_row_is_shown_once_going_older_and_back_newer() {
        for limit in 1..=9 {
            let mut page = visit(Direction::Backward, None, limit);
            assert_eq!(page.newer, None);
            let mut seen = names(&page);
            let mut last = page.older;
            while let Some(cursor) = page.older {
                last = Some(cursor);
                page = visit(Direction::Backward, Some(cursor), limit);
                seen.push_str(&names(&page));
            }
            assert_eq!(seen, "ihgfedcba", "limit {limit}");
            let mut back = names(&page).chars().rev().collect::<String>();
            if last.is_some() {
                while let Some(cursor) = page.newer {
                    page = visit(Direction::Backward, Some(cursor), limit);
                    back.extend(names(&page).chars().rev());
                }
                assert_eq!(back, "abcdefghi", "limit {limit}");
            }
        }
    }

    #[test]
    fn what_an_address_claims_to_have_seen_costs_no_more_than_there_is() {
        let cursor = Cursor::older("5.999999999999").expect("a cursor");
        let moment = TimeRange::new(Timestamp::from_nanos(5), Timestamp::from_nanos(6));
        assert_eq!(cursor.crowd(), Some(moment));
        assert_eq!(Cursor::older("5.7").and_then(Cursor::crowd), None);
        let range = TimeRange::new(Timestamp::from_nanos(1), Timestamp::from_nanos(10));
        assert_eq!(Fetch::new(range, Direction::Backward, Some(cursor), 4500, 100).limit, 4601);
    }

    #[test]
    fn oldest_first_goes_on_to_newer_rows() {
        let first = visit(Direction::Forward, None, 4);
        assert_eq!((names(&first).as_str(), first.older), ("abcd", None));
        let second = visit(Direction::Forward, first.newer, 4);
        assert_eq!(names(&second), "efgh");
        let back = visit(Direction::Forward, second.older, 4);
        assert_eq!(names(&back), "abcd");
    }
}
