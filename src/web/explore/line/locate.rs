//! Finds the line that a key names: as a query shows it, and as it is stored. Blocks.

use std::collections::BTreeSet;

use crate::logql::ast::{LogExpr, Stage};
use crate::logql::stage::{Pipeline, Scratch};
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

/// The lines of a selection of a stream that are not of another one, which has the same labels and further ones.
pub(crate) fn alone(engine: &Engine, lines: LogExpr, stream: &Labels, ticket: &Ticket) -> Result<LogExpr, Error> {
    let streams = engine.series(std::slice::from_ref(&lines.selector), TimeRange::ALL, ticket)?;
    let names = streams.iter().flat_map(Labels::iter).map(|(name, _)| name);
    let others: BTreeSet<&str> = names.filter(|name| stream.get(name).is_none()).collect();
    let mut alone = lines;
    alone.selector.extend(others.into_iter().map(|name| Matcher::equal(name, "")));
    Ok(alone)
}

/// The line, also where the query leaves it out; none where it is not stored any more.
pub(crate) fn locate(
    engine: &Engine,
    expr: Option<&LogExpr>,
    key: LineKey,
    ticket: &Ticket,
) -> Result<Option<Located>, Error> {
    let Some(stored) = stored(engine, key, ticket)? else { return Ok(None) };
    let all = everything();
    let expr = expr.unwrap_or(&all);
    let parser = builder::parser_for(expr, &stored.line);
    let mut shown = through(&expr.stages, &stored).unwrap_or_else(|| stored.clone());
    if let Some(parser) = parser.filter(|_| shown.parsed.is_empty()) {
        shown.parsed = through(&[parser.stage()], &stored).map(|line| line.parsed).unwrap_or_default();
    }
    Ok(Some(Located { key, stored, shown, parser }))
}

/// The line as it is stored; none where it is not any more.
pub(crate) fn stored(engine: &Engine, key: LineKey, ticket: &Ticket) -> Result<Option<LogLine>, Error> {
    let is_it = |line: &LogLine| LineKey::of(line) == key;
    let found = at(engine, &everything(), key, ticket)?;
    if found.len() < engine.limits().entries_max {
        return Ok(found.into_iter().find(is_it));
    }
    // stream by stream where they are more than a query may answer
    for stream in engine.series(&[], moment(key), ticket)? {
        if let Some(line) = at(engine, &of_stream(&stream), key, ticket)?.into_iter().find(is_it) {
            return Ok(Some(line));
        }
    }
    Ok(None)
}

/// A line as stages leave it; none where they leave it out.
fn through(stages: &[Stage], stored: &LogLine) -> Option<LogLine> {
    let pipeline = Pipeline::new(stages).ok()?;
    let mut scratch = Scratch::default();
    let (stream, metadata) = (&stored.stream, &stored.structured);
    let processed = pipeline.process(stored.timestamp, &stored.line, stream, metadata, &mut scratch)?;
    Some(LogLine::new(stored.timestamp, &stored.line, &processed))
}

fn at(engine: &Engine, expr: &LogExpr, key: LineKey, ticket: &Ticket) -> Result<Vec<LogLine>, Error> {
    let limit = engine.limits().entries_max;
    search::log_lines(engine, expr, moment(key), limit, Direction::Forward, ticket).map(|(lines, _)| lines)
}

fn moment(key: LineKey) -> TimeRange {
    TimeRange::new(key.timestamp, key.timestamp.plus_nanos(1))
}

#[cfg(test)]
mod tests {
    use crate::model::{Direction, TimeRange, Timestamp};
    use crate::query::testing::{TestStore, ticket};
    use crate::query::{Engine, Limits, LogLine};
    use crate::web::explore::key::LineKey;
    use crate::web::explore::line::locate::{alone, locate};
    use crate::web::explore::line::scope::Scope;
    use crate::web::explore::line::step::step;
    use crate::web::explore::search;
    use crate::web::explore::state::{Params, State};
    use crate::web::explore::view::Asked;
    use crate::web::language::Language;

    const TWINS: [&str; 3] = [r#"{"msg":"same","n":1}"#, r#"{"msg":"same","n":2}"#, r#"{"msg":"other","n":3}"#];

    fn engine(store: &TestStore) -> Engine {
        Engine::new(store.store.clone(), Limits::default())
    }

    /// The lines that a view shows, the oldest first.
    fn shown(engine: &Engine, query: &str) -> Vec<LogLine> {
        let asked = Asked::read(query);
        let expr = asked.lines().expect("a log query");
        search::log_lines(engine, expr, TimeRange::ALL, 100, Direction::Forward, &ticket()).expect("lines").0
    }

    #[test]
    fn each_row_leads_to_its_own_stored_line_whatever_the_query_makes_of_it() {
        let store = TestStore::new();
        store.push(&[("app", "x"), ("host", "h")], &TWINS.map(|line| (5, line)));
        let engine = engine(&store);
        for query in [
            r#"{app="x"}"#,
            r#"{app="x"} | json"#,
            r#"{app="x"} | json | line_format "{{.msg}}""#,
            r#"{app="x"} | drop host"#,
            r#"{app="x"} | json | label_format host="other""#,
            r#"{app="x"} | line_format "-""#,
        ] {
            let asked = Asked::read(query);
            let rows = shown(&engine, query);
            let mut found: Vec<String> = Vec::new();
            for row in &rows {
                let located =
                    locate(&engine, asked.lines(), LineKey::of(row), &ticket()).unwrap().expect("it is there");
                assert_eq!(located.stored.stream.get("host"), Some("h"), "{query}");
                assert_eq!(located.shown.line, row.line, "{query}");
                found.push(located.stored.line);
            }
            found.sort();
            assert_eq!(found, [TWINS[2], TWINS[0], TWINS[1]], "{query}");
        }
    }

    #[test]
    fn stepping_visits_every_line_once_also_where_rows_look_the_same() {
        let store = TestStore::new();
        store.push(&[("app", "x")], &TWINS.map(|line| (5, line)));
        store.push(&[("app", "x")], &[(4, r#"{"msg":"same"}"#), (6, r#"{"msg":"same"}"#)]);
        let engine = engine(&store);
        let query = r#"{app="x"} | json | line_format "{{.msg}}""#;
        let asked = Asked::read(query);
        let params = Params { query: Some(query.to_owned()), ..Params::default() };
        let now = Timestamp::from_secs(60);
        let state = State::read(&params, None, Language::English, now).0;
        let keys: Vec<LineKey> = shown(&engine, query).iter().map(LineKey::of).collect();
        for (direction, order) in
            [(Direction::Forward, keys.clone()), (Direction::Backward, keys.iter().rev().copied().collect())]
        {
            let mut visited = vec![order[0]];
            while let Some(next) =
                step(&engine, &state, asked.lines().unwrap(), visited[visited.len() - 1], direction, now, &ticket())
                    .unwrap()
            {
                visited.push(next);
                assert!(visited.len() <= 5, "it ends");
            }
            assert_eq!(visited, order);
        }
    }

    #[test]
    fn fields_come_with_the_parser_that_asks_for_them() {
        let store = TestStore::new();
        store.push(&[("app", "x")], &[(5, r#"{"status":"500"}"#), (6, r#"{"status"}"#)]);
        let engine = engine(&store);
        for (query, secs, expected) in [
            (r#"{app="x"}"#, 5, (Some("500"), true)),
            (r#"{app="x"} | json"#, 5, (Some("500"), false)),
            (r#"{app="x"} | line_format "{{.app}}""#, 5, (None, false)),
            (r#"{app="x"} | pattern "<a>:<b>" | drop a, b"#, 5, (None, false)),
            (r#"{app="nobody"}"#, 5, (Some("500"), true)),
            (r#"{app="x"}"#, 6, (None, true)),
        ] {
            let all = shown(&engine, r#"{app="x"}"#);
            let row = all.iter().find(|row| row.timestamp == Timestamp::from_secs(secs)).unwrap();
            let located = locate(&engine, Asked::read(query).lines(), LineKey::of(row), &ticket()).unwrap().unwrap();
            assert_eq!((located.shown.parsed.get("status"), located.parser.is_some()), expected, "{query}");
        }
    }

    #[test]
    fn a_stream_has_no_neighbours_of_streams_with_further_labels() {
        let store = TestStore::new();
        store.push(&[("app", "x")], &[(1, "own"), (3, "own too")]);
        store.push(&[("app", "x"), ("env", "prod"), ("zone", "a")], &[(2, "another's")]);
        store.push(&[("app", "y"), ("team", "z")], &[(2, "a third")]);
        let engine = engine(&store);
        let own = shown(&engine, r#"{app="x"}"#).remove(0);
        let lines = Scope::Stream.lines(&own.stream).expect("it has a stream");
        let alone = alone(&engine, lines, &own.stream, &ticket()).expect("streams are known");
        assert_eq!(crate::web::explore::builder::text(&alone), r#"{app="x", env="", zone=""}"#);
        let found = search::log_lines(&engine, &alone, TimeRange::ALL, 9, Direction::Forward, &ticket()).unwrap().0;
        assert_eq!(found.iter().map(|line| line.line.as_str()).collect::<Vec<_>>(), ["own", "own too"]);
    }
}
