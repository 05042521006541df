//! How many lines a log query finds, by labels and by parts of its range.
//!
//! Promises: every line that the query shows is counted, also one that a stage could not read: Loki's metric queries fail
//! at the first of those. What lies outside of the range is not counted, whatever its parts.

use crate::logql::ast::{
    Grouping, GroupingKind, LogExpr, LogRange, MetricExpr, RangeAggregation, RangeOp, VectorAggregation, VectorOp,
};
use crate::logql::metric::steps::Steps;
use crate::logql::stage::Wanted;
use crate::model::{Labels, TimeRange};
use crate::query::{Data, Engine, Error, Matrix, POINTS_MAX, Ticket, metric};

/// What is counted.
#[derive(Clone, Debug)]
pub struct CountQuery {
    pub log: LogExpr,
    pub range: TimeRange,
    /// Length of the parts of the range, in nanoseconds; the last one ends with the range. None for one part.
    pub step_ns: Option<i64>,
    pub by: CountBy,
    /// Only so many of the greatest counts of each part.
    pub top: Option<u32>,
}

/// The labels that lines are counted by.
#[derive(Clone, Debug, Default)]
pub struct CountBy {
    /// Labels of streams: metadata and fields of lines under the same names are others.
    pub stream: Vec<String>,
    /// Labels of lines, wherever they come from.
    pub line: Vec<String>,
}

impl CountBy {
    /// By labels of lines, wherever they come from.
    pub fn labels(names: &[&str]) -> CountBy {
        CountBy { stream: Vec::new(), line: names.iter().map(|name| (*name).to_owned()).collect() }
    }
}

/// Counts by the values of labels.
#[derive(Debug)]
pub struct Counts {
    matrix: Matrix,
    start: i64,
    step_ns: i64,
}

impl Counts {
    /// For each set of labels the parts that have lines, by their numbers, and how many.
    pub fn iter(&self) -> impl Iterator<Item = (Labels, Vec<(usize, u64)>)> {
        self.matrix.iter().map(|series| {
            let part = |nanos: i64| usize::try_from((nanos - self.start) / self.step_ns).unwrap_or(usize::MAX);
            let points = series.points.iter().map(|(time, count)| (part(time.nanos()), *count as u64));
            (series.labels, points.filter(|(_, count)| *count > 0).collect())
        })
    }

    /// For each set of labels how many lines have it, in all parts.
    pub fn totals(&self) -> impl Iterator<Item = (Labels, u64)> {
        self.iter().map(|(labels, parts)| (labels, parts.iter().map(|(_, count)| count).sum()))
    }

    /// All lines.
    pub fn total(&self) -> u64 {
        self.matrix.values().map(|count| count as u64).sum()
    }
}

impl Engine {
    /// Counts the lines that a log query finds.
    pub fn counts(&self, query: &CountQuery, ticket: &Ticket) -> Result<Counts, Error> {
        let CountQuery { range, step_ns, .. } = query;
        let length = range.end.nanos().saturating_sub(range.start.nanos()).max(1);
        let step_ns = step_ns.unwrap_or(length).clamp(1, length);
        // a part is counted at its last nanosecond: a window holds what is later than `t - step` and not later than `t`
        let first = range.start.plus_nanos(step_ns - 1);
        let last = first.plus_nanos((length - 1) / step_ns * step_ns);
        let steps = Steps::between(first, last, step_ns);
        if steps.count() > POINTS_MAX {
            return Err(Error::Invalid(format!("a range is counted in {POINTS_MAX} parts at most")));
        }
        let expr = expr(query, step_ns);
        let wanted = Wanted::ByStream { stream: query.by.stream.clone(), line: query.by.line.clone() };
        let answer = self.answer(ticket, |memory, stats| {
            metric::run_counts(&self.store, &expr, &wanted, (steps, *range), memory, ticket, stats)
        })?;
        match answer.data {
            Data::Matrix(matrix) => Ok(Counts { matrix, start: range.start.nanos(), step_ns }),
            Data::Streams(_) | Data::Vector(_) | Data::Scalar { .. } => unreachable!("counts are points of series"),
        }
    }
}

/// `topk(top, sum by (labels) (count_over_time(log[step])))`
fn expr(query: &CountQuery, step_ns: i64) -> MetricExpr {
    let log = LogRange { log: query.log.clone(), range_ns: step_ns, offset_ns: 0, unwrap: None };
    let count = RangeAggregation { op: RangeOp::CountOverTime, parameter: None, log, grouping: None };
    let labels = query.by.stream.iter().chain(&query.by.line).cloned().collect();
    let vector = |op, parameter, inner, grouping| {
        MetricExpr::Vector(VectorAggregation { op, parameter, inner: Box::new(inner), grouping })
    };
    let grouping = Grouping { kind: GroupingKind::By, labels };
    let sum = vector(VectorOp::Sum, None, MetricExpr::Range(count), Some(grouping));
    match query.top {
        Some(top) => vector(VectorOp::Topk, Some(i64::from(top)), sum, None),
        None => sum,
    }
}

#[cfg(test)]
mod tests {
    use crate::logql::ast::{Expr, LogExpr};
    use crate::model::{Labels, TimeRange, Timestamp};
    use crate::query::testing::{TestStore, ticket};
    use crate::query::{CountBy, CountQuery, Engine, Limits, RangeQuery};
    use crate::{logql, query};

    fn log(text: &str) -> LogExpr {
        match logql::parse(text) {
            Ok(Expr::Log(log)) => log,
            other => panic!("{text} is no log query: {other:?}"),
        }
    }

    fn secs(start: i64, end: i64) -> TimeRange {
        TimeRange::new(Timestamp::from_secs(start), Timestamp::from_secs(end))
    }

    fn asked(text: &str, range: TimeRange) -> CountQuery {
        CountQuery { log: log(text), range, step_ns: None, by: CountBy::default(), top: None }
    }

    fn engine(store: &TestStore) -> Engine {
        Engine::new(store.store.clone(), Limits::default())
    }

    fn totals(engine: &Engine, query: &CountQuery) -> Vec<(String, u64)> {
        let counts = engine.counts(query, &ticket()).expect("counted");
        counts.totals().map(|(labels, count)| (labels.to_string(), count)).collect()
    }

    fn shown_count(engine: &Engine, text: &str, range: TimeRange) -> usize {
        let query = RangeQuery {
            expr: Expr::Log(log(text)),
            range,
            step_ns: 1,
            interval_ns: 0,
            limit: 5000,
            direction: crate::model::Direction::Forward,
        };
        match engine.range(&query, &ticket()).expect("lines").data {
            query::Data::Streams(lines) => lines.len(),
            other => panic!("no lines: {other:?}"),
        }
    }

    #[test]
    fn lines_that_a_stage_cannot_read_count_like_all_that_are_shown() {
        let store = TestStore::new();
        let lines = [
            r#"{"status":200,"user":"a"}"#,
            "plain text",
            r#"{"status":"odd","user":"b"}"#,
            r#"{"status":500,"user":"c"} and more"#,
            r#"{"status":500,"user":"#,
        ];
        let level = |line: &str| Labels::from([("level", if line.starts_with('{') { "info" } else { "unknown" })]);
        let pushed: Vec<_> = (0..30).map(|at| (at, lines[at as usize % 5], level(lines[at as usize % 5]))).collect();
        store.push_with(&[("app", "x")], &pushed);
        let engine = engine(&store);
        for sealed in [false, true] {
            if sealed {
                store.seal();
            }
            for text in [
                r#"{app="x"} | json"#,
                r#"{app="x"} | json | status>=400"#,
                r#"{app="x"} | json | user!="a""#,
                r#"{app="x"} | json | user="a""#,
                r#"{app="x"} | json | __error__="""#,
                r#"{app="x"} | json | __error__!="""#,
                r#"{app="x"} | logfmt --strict | status!="1""#,
                r#"{app="x"} | unpack | line_format "{{.user}}""#,
            ] {
                let shown = shown_count(&engine, text, secs(0, 30)) as u64;
                let query = asked(text, secs(0, 30));
                let count = engine.counts(&query, &ticket()).expect(text).total();
                assert_eq!(count, shown, "{text}, sealed: {sealed}");
                let by_level = CountQuery { by: CountBy::labels(&["level"]), ..query };
                assert_eq!(engine.counts(&by_level, &ticket()).expect(text).total(), shown, "{text}, by level");
            }
            let by_level = CountQuery {
                by: CountBy::labels(&["level"]),
                ..asked(r#"{app="x"} | json | status>=400"#, secs(0, 30))
            };
            let level = |name: &str, count| (format!("{{level=\"{name}\"}}"), count);
            assert_eq!(totals(&engine, &by_level), [level("info", 18)]);
            let errors =
                CountQuery { by: CountBy::labels(&["__error__"]), ..asked(r#"{app="x"} | json"#, secs(0, 30)) };
            assert_eq!(
                totals(&engine, &errors),
                [("{}".to_owned(), 18), (r#"{__error__="JSONParserErr"}"#.to_owned(), 12)]
            );
        }
    }

    #[test]
    fn the_last_part_ends_with_the_range() {
        let store = TestStore::new();
        let lines: Vec<(i64, &str)> = [0, 6, 7, 13, 14, 19, 20, 21].map(|at| (at, "x")).to_vec();
        store.push(&[("app", "x")], &lines);
        let query = CountQuery { step_ns: Some(7_000_000_000), ..asked(r#"{app="x"}"#, secs(0, 20)) };
        let counts = engine(&store).counts(&query, &ticket()).expect("counted");
        let parts: Vec<_> = counts.iter().flat_map(|(_, parts)| parts).collect();
        assert_eq!(parts, [(0, 2), (1, 2), (2, 2)]);
        assert_eq!(counts.total(), 6);
    }

    #[test]
    fn labels_of_streams_are_not_those_of_lines() {
        let store = TestStore::new();
        let host = |name: &str| Labels::from([("host", name), ("level", "info")]);
        store.push_with(&[("app", "a"), ("host", "h1")], &[(1, r#"{"host":"h9"}"#, host("h2"))]);
        store.push_with(&[("app", "b")], &[(1, r#"{"host":"h9"}"#, host("h2")), (2, "{}", Labels::default())]);
        let engine = engine(&store);
        let by = CountBy { stream: vec!["host".to_owned()], line: vec!["level".to_owned()] };
        let query = CountQuery { by, ..asked(r#"{app=~".+"} | json"#, secs(0, 9)) };
        let set = |text: &str, count| (text.to_owned(), count);
        assert_eq!(
            totals(&engine, &query),
            [set("{}", 1), set(r#"{host="h1", level="info"}"#, 1), set(r#"{level="info"}"#, 1)]
        );
    }

    #[test]
    fn the_greatest_counts_can_be_asked_for_alone() {
        let store = TestStore::new();
        let lines = ["u=a", "u=b", "u=b", "u=c", "u=c", "u=c", "plain"];
        let lines: Vec<(i64, &str)> = (0..).zip(lines).collect();
        store.push(&[("app", "x")], &lines);
        let query = CountQuery {
            by: CountBy::labels(&["u"]),
            top: Some(2),
            ..asked(r#"{app="x"} | logfmt | u!="""#, secs(0, 9))
        };
        let mut found = totals(&engine(&store), &query);
        found.sort_by_key(|(_, count)| *count);
        assert_eq!(found, [(r#"{u="b"}"#.to_owned(), 2), (r#"{u="c"}"#.to_owned(), 3)]);
    }
}
