//! Removing the lines that a log query shows.

use crate::logql::ast::LogExpr;
use crate::logql::stage::{Pipeline, Scratch};
use crate::model::{TimeRange, Timestamp};
use crate::query::plan::pushed_down;
use crate::query::{Engine, Error};
use crate::store::{Need, Removed, Selection};

/// A log query that can be carried out as a removal.
#[derive(Debug)]
pub struct Removal {
    selection: Selection,
    pipeline: Pipeline,
}

impl Removal {
    /// Removes what the query shows from `start` to `end`, both included. An error where a stage of it cannot run.
    pub fn new(log: &LogExpr, start: Timestamp, end: Timestamp) -> Result<Removal, Error> {
        let (demand, stages) = pushed_down(&log.stages);
        let pipeline = Pipeline::new(&stages).map_err(|error| Error::Invalid(format!("parse error : {error}")))?;
        let range = TimeRange::new(start, end.plus_nanos(1));
        let selection = demand.select(log.selector.clone(), range, Need::Lines);
        Ok(Removal { selection, pipeline })
    }
}

impl Engine {
    /// Removes lines for good, of all that was acknowledged before. Takes as long as it takes: no query's bounds hold
    /// for it, and one runs at a time, on the calling thread.
    pub fn remove(&self, removal: &Removal) -> Result<Removed, Error> {
        let mut scratch = Scratch::default();
        let removed = self.store.remove(&removal.selection, &mut |row| {
            let processed = removal.pipeline.process(row.timestamp, row.line, row.stream, row.metadata, &mut scratch);
            processed.is_some()
        });
        Ok(removed?)
    }
}

#[cfg(test)]
mod tests {
    use crate::logql::ast::Expr;
    use crate::model::{Direction, TimeRange, Timestamp};
    use crate::query::testing::{TestStore, ticket};
    use crate::query::{Data, Engine, Error, Limits, RangeQuery, Removal};

    fn log(query: &str) -> crate::logql::ast::LogExpr {
        match crate::logql::parse(query).expect("it is sound") {
            Expr::Log(log) => log,
            Expr::Metric(_) => panic!("{query} is no log query"),
        }
    }

    #[test]
    fn what_a_query_shows_is_removed_and_nothing_else() {
        let store = TestStore::new();
        let lines =
            [(1, "level=info user=ann"), (2, "level=error user=ann"), (3, "level=error user=bob"), (4, "plain")];
        store.push(&[("app", "a")], &lines);
        store.push(&[("app", "b")], &lines);
        let engine = Engine::new(store.store.clone(), Limits::default());
        let removal = |query: &str, start, end| {
            Removal::new(&log(query), Timestamp::from_secs(start), Timestamp::from_secs(end)).expect("it is sound")
        };
        let left = |app: &str| {
            let query = RangeQuery {
                expr: Expr::Log(log(&format!("{{app=\"{app}\"}}"))),
                range: TimeRange::ALL,
                step_ns: 1,
                interval_ns: 0,
                limit: 100,
                direction: Direction::Forward,
            };
            let Data::Streams(lines) = engine.range(&query, &ticket()).expect("it runs").data else { panic!("lines") };
            lines.iter().map(|line| line.timestamp.nanos() / 1_000_000_000).collect::<Vec<_>>()
        };
        let removed =
            engine.remove(&removal("{app=\"a\"} |= \"user\" | logfmt | user=\"ann\"", 0, 9)).expect("removed");
        assert_eq!(removed.entry_count, 2);
        assert_eq!((left("a"), left("b")), (vec![3, 4], vec![1, 2, 3, 4]));
        engine.remove(&removal("{app=\"b\"}", 2, 3)).expect("removed");
        assert_eq!(left("b"), [1, 4], "both ends are included");
        let broken = Removal::new(&log("{app=\"b\"} | line_format \"{{\""), Timestamp::MIN, Timestamp::MAX);
        assert!(matches!(broken, Err(Error::Invalid(_))));
    }
}
