//! More lines like one: the pattern of what its service writes that the line is of, and how many there are.
//!
//! The pattern is mined from the lines that the service wrote around that time, so it has gaps where they differ.

use std::time::Duration;

use crate::logql::ast::{LineFilter, LineOp, LineTest, LogExpr, Stage};
use crate::logql::miner::Miner;
use crate::logql::stage::{Pipeline, Scratch};
use crate::model::{Labels, Matcher, TimeRange, Timestamp};
use crate::query::{Engine, Error, LogLine, PatternQuery, Ticket};
use crate::web::explore::line::locate;
use crate::web::explore::search;

/// How much before and after the line its service's lines are compared.
const COMPARED_NS: i64 = 600_000_000_000;
/// Comparing ends after this; the lines that were not looked at only make the pattern a little less general.
const COMPARED_TIME_MAX: Duration = Duration::from_secs(2);
/// Patterns that are looked through for the one that the line is of.
const PATTERNS_MAX: usize = 2000;
/// Labels that say which service wrote a line, the best first.
const SERVICES: [&str; 7] = ["service_name", "service", "app", "container", "compose_service", "job", "unit"];

/// What lines like this one have in common.
#[derive(Debug)]
pub(crate) struct Alike {
    pub(crate) pattern: String,
    /// Lines of the service in the range that it matches.
    pub(crate) alike_count: u64,
    /// All lines of the service in the range.
    pub(crate) service_count: u64,
    /// All lines of the service that wrote the line.
    pub(crate) service: LogExpr,
}

/// Finds the pattern of a line and counts the lines of the range that have it. None for an empty line.
pub(crate) fn alike(
    engine: &Engine,
    line: &LogLine,
    range: TimeRange,
    ticket: &Ticket,
) -> Result<Option<Alike>, Error> {
    let service = service(&line.stream);
    let near = TimeRange::new(line.timestamp.plus_nanos(-COMPARED_NS), line.timestamp.plus_nanos(COMPARED_NS));
    let step_ns = 2 * COMPARED_NS;
    let query = PatternQuery {
        log: service.clone(),
        range: near,
        step_ns,
        limit: PATTERNS_MAX,
        time_max: Some(COMPARED_TIME_MAX),
    };
    let mined = engine.patterns(&query, ticket)?;
    let known = mined.patterns.iter().map(|pattern| &pattern.text).find(|text| is_of(line, text)).cloned();
    let Some(pattern) = known.or_else(|| alone(line)) else { return Ok(None) };
    let alike = with_pattern(&service, &pattern, LineOp::Pattern);
    Ok(Some(Alike {
        alike_count: search::count(engine, &alike, range, ticket)?,
        service_count: search::count(engine, &service, range, ticket)?,
        service,
        pattern,
    }))
}

/// Every line of the service that wrote to a stream; of the stream itself where no label names one.
pub(crate) fn service(stream: &Labels) -> LogExpr {
    let named = SERVICES.iter().find_map(|name| Some((*name, stream.get(name)?)));
    match named.filter(|(_, value)| *value != "unknown_service") {
        Some((name, value)) => LogExpr { selector: vec![Matcher::equal(name, value)], stages: Vec::new() },
        None => locate::of_stream(stream),
    }
}

/// The query with a filter for, or against, a pattern: added where it has none, else taken away.
pub(crate) fn toggled(expr: &LogExpr, pattern: &str, op: LineOp) -> LogExpr {
    let mut edited = expr.clone();
    edited.stages.retain(|stage| !is_pattern(stage, pattern));
    let was_on = expr.stages.iter().any(|stage| *stage == filter(pattern, op));
    if was_on { edited } else { with_pattern(&edited, pattern, op) }
}

/// Whether the query has a filter for, or against, a pattern.
pub(crate) fn is_on(expr: &LogExpr, pattern: &str, op: LineOp) -> bool {
    expr.stages.contains(&filter(pattern, op))
}

pub(crate) fn with_pattern(expr: &LogExpr, pattern: &str, op: LineOp) -> LogExpr {
    let mut edited = expr.clone();
    let at = edited.stages.iter().take_while(|stage| matches!(stage, Stage::Line(_))).count();
    edited.stages.insert(at, filter(pattern, op));
    edited
}

fn is_pattern(stage: &Stage, pattern: &str) -> bool {
    [LineOp::Pattern, LineOp::NotPattern].iter().any(|op| *stage == filter(pattern, *op))
}

fn filter(pattern: &str, op: LineOp) -> Stage {
    Stage::Line(LineFilter { op, alternatives: vec![LineTest::Text(pattern.to_owned())] })
}

fn is_of(line: &LogLine, pattern: &str) -> bool {
    let Ok(pipeline) = Pipeline::new(&[filter(pattern, LineOp::Pattern)]) else { return false };
    let (nothing, mut scratch) = (Labels::default(), Scratch::default());
    pipeline.process(Timestamp::default(), &line.line, &nothing, &nothing, &mut scratch).is_some()
}

/// The pattern of a line by itself.
fn alone(line: &LogLine) -> Option<String> {
    let mut miner = Miner::new(rand::random());
    miner.observe(&line.line, 0);
    let mined = Miner::patterns(vec![miner], 1, &mut || Ok::<_, std::convert::Infallible>(())).ok()?;
    mined.patterns.into_iter().next().map(|pattern| pattern.text)
}

#[cfg(test)]
mod tests {
    use crate::logql::ast::{Expr, LineOp, LogExpr};
    use crate::model::{Labels, Timestamp};
    use crate::query::LogLine;
    use crate::web::explore::builder;
    use crate::web::explore::line::alike::{alone, is_of, is_on, service, toggled};

    fn expr(query: &str) -> LogExpr {
        match crate::logql::parse_lenient(query) {
            Ok(Expr::Log(expr)) => expr,
            other => panic!("{query} is no log query: {other:?}"),
        }
    }

    #[test]
    fn a_pattern_is_wanted_or_not_or_neither() {
        let start = expr(r#"{app="web"} |= "x" | json"#);
        let only = toggled(&start, "a <_> b", LineOp::Pattern);
        assert_eq!(builder::text(&only), r#"{app="web"} |= "x" |> "a <_> b" | json"#);
        let hidden = toggled(&only, "a <_> b", LineOp::NotPattern);
        assert_eq!(builder::text(&hidden), r#"{app="web"} |= "x" !> "a <_> b" | json"#);
        assert!(is_on(&hidden, "a <_> b", LineOp::NotPattern) && !is_on(&hidden, "a <_> b", LineOp::Pattern));
        assert_eq!(toggled(&hidden, "a <_> b", LineOp::NotPattern), start);
    }

    #[test]
    fn a_service_is_named_by_its_best_label_else_by_all() {
        let of = |labels: &[(&str, &str)]| {
            let labels = Labels::from_pairs(labels.iter().map(|(name, value)| ((*name).into(), (*value).into())));
            builder::text(&service(&labels))
        };
        assert_eq!(of(&[("job", "j"), ("service_name", "web")]), r#"{service_name="web"}"#);
        assert_eq!(
            of(&[("a", "1"), ("service_name", "unknown_service")]),
            r#"{a="1", service_name="unknown_service"}"#
        );
    }

    #[test]
    fn a_line_alone_is_of_its_own_pattern() {
        for text in ["GET /a/1 200", "오류: 주문 41", "x <_> y", "one\ntwo"] {
            let line = LogLine {
                timestamp: Timestamp::from_secs(1),
                line: text.to_owned(),
                stream: Labels::default(),
                structured: Labels::default(),
                parsed: Labels::default(),
                rewritten: None,
            };
            let pattern = alone(&line).expect("a pattern");
            assert!(is_of(&line, &pattern), "{text:?} is not of {pattern:?}");
        }
    }
}
