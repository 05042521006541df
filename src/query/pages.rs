//! All lines of a log query, page by page: for answers that are longer than one may be in memory.
//!
//! Promises: each line of the range comes once, in order, however many have the same time; a page takes a turn of its
//! own, so that a long answer keeps nobody waiting; no page needs more memory than one query may use.

use crate::logql::ast::{Expr, LogExpr};
use crate::model::{Direction, TimeRange, Timestamp};
use crate::query::{Data, Engine, Error, LogLine, RangeQuery, Ticket, logs};

/// Lines of a page, where they are not long: read once into memory and once more at the next page's edge.
const PAGE_LINES: usize = 10_000;

/// Where the reading of a long answer is.
#[derive(Clone, Debug)]
pub struct Pages {
    log: LogExpr,
    direction: Direction,
    /// What is still to be read.
    rest: TimeRange,
    page_lines: usize,
}

impl Pages {
    pub fn new(log: LogExpr, range: TimeRange, direction: Direction) -> Pages {
        Pages { log, direction, rest: range, page_lines: PAGE_LINES }
    }

    /// Pages of about so many lines at most.
    #[must_use]
    pub fn of(self, page_lines: usize) -> Pages {
        Pages { page_lines: page_lines.clamp(1, PAGE_LINES), ..self }
    }

    fn is_over(&self) -> bool {
        self.rest.start >= self.rest.end
    }

    fn end(&mut self) {
        self.rest.end = self.rest.start;
    }

    /// Goes on at the lines of this time.
    fn go_on_at(&mut self, timestamp: Timestamp) {
        match self.direction {
            Direction::Forward => self.rest.start = timestamp,
            Direction::Backward => self.rest.end = timestamp.plus_nanos(1),
        }
    }
}

impl Engine {
    /// The next lines; none where there are no more.
    pub fn next_page(&self, pages: &mut Pages, ticket: &Ticket) -> Result<Vec<LogLine>, Error> {
        let mut limit = pages.page_lines;
        let mut grown = false;
        while !pages.is_over() {
            let (mut lines, cut) = match self.first_lines(&pages.log, pages.rest, pages.direction, limit, ticket) {
                Ok(found) => found,
                // long lines: fewer of them fit
                Err(Error::Limit(_)) if limit > 1 && !grown => {
                    limit = (limit / 4).max(1);
                    continue;
                }
                Err(error) => return Err(error),
            };
            let Some(last) = lines.last().map(|line| line.timestamp) else {
                pages.end();
                return Ok(lines);
            };
            if !cut {
                pages.end();
                return Ok(lines);
            }
            // Lines of one time have no order that a later page could go on from, so a page ends between two times.
            let whole = lines.iter().rposition(|line| line.timestamp != last).map_or(0, |index| index + 1);
            if whole > 0 {
                lines.truncate(whole);
                pages.go_on_at(last);
                return Ok(lines);
            }
            limit = limit.saturating_mul(2);
            grown = true;
        }
        Ok(Vec::new())
    }

    /// The first lines that a log query finds, as many as fit into memory where the limit is that high, and whether there
    /// are more.
    pub fn first_lines(
        &self,
        log: &LogExpr,
        range: TimeRange,
        direction: Direction,
        limit: usize,
        ticket: &Ticket,
    ) -> Result<(Vec<LogLine>, bool), Error> {
        let expr = Expr::Log(log.clone());
        let query = RangeQuery { expr, range, step_ns: 1, interval_ns: 0, limit, direction };
        let answer = self.answer(ticket, |memory, stats| {
            Ok(Data::Streams(logs::run(&self.store, log, &query, memory, ticket, stats)?))
        })?;
        match answer.data {
            Data::Streams(lines) => Ok((lines, answer.stats.cut)),
            Data::Matrix(_) | Data::Vector(_) | Data::Scalar { .. } => Ok((Vec::new(), false)),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::logql;
    use crate::logql::ast::Expr;
    use crate::model::{Direction, TimeRange, Timestamp};
    use crate::query::testing::{TestStore, ticket};
    use crate::query::{Engine, Error, Limits, Pages};

    fn pages(direction: Direction, page_lines: usize) -> Pages {
        let Ok(Expr::Log(log)) = logql::parse(r#"{app=~".+"}"#) else { panic!("no log query") };
        let range = TimeRange::new(Timestamp::from_secs(0), Timestamp::from_secs(100));
        Pages::new(log, range, direction).of(page_lines)
    }

    fn read(engine: &Engine, direction: Direction, page_lines: usize) -> Vec<(i64, String)> {
        let mut pages = pages(direction, page_lines);
        let mut all = Vec::new();
        loop {
            let page = engine.next_page(&mut pages, &ticket()).expect("a page");
            if page.is_empty() {
                return all;
            }
            all.extend(page.into_iter().map(|line| (line.timestamp.nanos() / 1_000_000_000, line.line)));
        }
    }

    #[test]
    fn every_line_comes_once_however_small_the_pages_and_many_the_lines_of_one_time() {
        let store = TestStore::new();
        let lines: Vec<(i64, String)> = (0..40)
            .map(|number| (if (10..30).contains(&number) { 10 } else { number }, format!("line {number}")))
            .collect();
        let lines: Vec<(i64, &str)> = lines.iter().map(|(secs, line)| (*secs, line.as_str())).collect();
        store.push(&[("app", "a")], &lines);
        store.push(&[("app", "b")], &[(10, "of b"), (99, "last"), (100, "beyond")]);
        let engine = Engine::new(store.store.clone(), Limits { entries_max: 5, ..Limits::default() });
        for page_lines in [1, 2, 3, 7, 21, 1000] {
            for direction in [Direction::Forward, Direction::Backward] {
                let mut found = read(&engine, direction, page_lines);
                let times: Vec<i64> = found.iter().map(|(secs, _)| *secs).collect();
                let is_sorted = match direction {
                    Direction::Forward => times.is_sorted(),
                    Direction::Backward => times.iter().rev().is_sorted(),
                };
                assert!(is_sorted, "{times:?}");
                found.sort();
                found.dedup();
                assert_eq!((found.len(), times.len()), (42, 42), "{page_lines} {direction:?}");
            }
        }
    }

    #[test]
    fn long_lines_come_in_shorter_pages_than_memory_has_room_for() {
        let store = TestStore::new();
        let lines: Vec<(i64, String)> =
            (0..64).map(|number| (number, format!("{number} {}", "x".repeat(100_000)))).collect();
        let lines: Vec<(i64, &str)> = lines.iter().map(|(secs, line)| (*secs, line.as_str())).collect();
        store.push(&[("app", "a")], &lines);
        let engine = Engine::new(store.store.clone(), Limits { memory_bytes_max: 4 << 20, ..Limits::default() });
        assert_eq!(read(&engine, Direction::Backward, 1000).len(), 64);
        let ended = ticket();
        ended.cancel();
        assert!(matches!(engine.next_page(&mut pages(Direction::Forward, 10), &ended), Err(Error::Cancelled)));
    }
}
