//! The most frequent values of a field, over the lines that a view finds: counted by the engine, not by a sample.

use crate::logql::ast::{LabelFilter, LogExpr, Stage};
use crate::model::{MatchOp, TimeRange};
use crate::query::{CountBy, CountQuery, Engine, Error, Ticket};
use crate::web::explore::builder::Origin;
use crate::web::explore::search;

/// Values that are listed.
const VALUES_MAX: u32 = 8;

/// How often which values occur.
#[derive(Debug, PartialEq)]
pub(crate) struct Top {
    /// The most frequent first; lines that do not have the field are not among them.
    pub(crate) values: Vec<(String, u64)>,
    /// Lines of the view that have the field.
    pub(crate) having_count: u64,
    pub(crate) line_count: u64,
}

/// Counts the values of a field.
pub(crate) fn top(
    engine: &Engine,
    expr: &LogExpr,
    (origin, name): (Origin, &str),
    range: TimeRange,
    ticket: &Ticket,
) -> Result<Top, Error> {
    let having = having(expr, origin, name);
    let query =
        CountQuery { log: having.clone(), range, step_ns: None, by: CountBy::labels(&[name]), top: Some(VALUES_MAX) };
    let counts = engine.counts(&query, ticket)?;
    let mut values: Vec<(String, u64)> = counts
        .totals()
        .map(|(labels, count)| (labels.get(name).unwrap_or_default().to_owned(), count))
        .filter(|(value, _)| !value.is_empty())
        .collect();
    values.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let having_count = search::count(engine, &having, range, ticket)?;
    let line_count = search::count(engine, expr, range, ticket)?;
    Ok(Top { values, having_count, line_count: std::cmp::max(line_count, having_count) })
}

/// The query for those lines that have the field, with what it takes to find that out.
fn having(expr: &LogExpr, origin: Origin, name: &str) -> LogExpr {
    let mut having = expr.clone();
    if let Origin::Parsed(Some(parser)) = origin {
        having.stages.push(parser.stage());
    }
    let (name, op, value) = (name.to_owned(), MatchOp::NotEqual, String::new());
    having.stages.push(Stage::Label(LabelFilter::Text { name, op, value }));
    having
}

#[cfg(test)]
mod tests {
    use crate::model::{TimeRange, Timestamp};
    use crate::query::testing::{TestStore, ticket};
    use crate::query::{Engine, Limits};
    use crate::web::explore::builder::{Origin, Parser};
    use crate::web::explore::line::top::{Top, top};
    use crate::web::explore::view::Asked;

    #[test]
    fn lines_that_a_parser_cannot_read_are_lines_of_the_view() {
        let store = TestStore::new();
        let kinds = [r#"{"user":"ann"}"#, "plain text", r#"{"user":"bob","at":"#];
        let lines: Vec<(i64, &str)> = (0..30).map(|at| (at, kinds[at as usize % 3])).collect();
        store.push(&[("app", "x")], &lines);
        let engine = Engine::new(store.store.clone(), Limits::default());
        let range = TimeRange::new(Timestamp::from_secs(0), Timestamp::from_secs(30));
        for (query, origin) in
            [(r#"{app="x"}"#, Origin::Parsed(Some(Parser::Json))), (r#"{app="x"} | json"#, Origin::Parsed(None))]
        {
            let asked = Asked::read(query);
            let expr = asked.lines().expect("a log query");
            let found = top(&engine, expr, (origin, "user"), range, &ticket()).expect("counted");
            let values = vec![("ann".to_owned(), 10), ("bob".to_owned(), 10)];
            assert_eq!(found, Top { values, having_count: 20, line_count: 30 }, "{query}");
        }
    }
}
