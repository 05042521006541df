//! Patterns: what many lines have in common, as Grafana's Logs Drilldown asks for it.

use axum::Router;
use axum::extract::State;
use axum::routing::get;

use crate::api::params::{Params, now};
use crate::api::query::run;
use crate::api::types::Json;
use crate::api::{Context, Error};
use crate::logql;
use crate::logql::ast::LogExpr;
use crate::query::{PatternQuery, Patterns};

/// Patterns of an answer: Logs Drilldown shows no more.
const PATTERNS_MAX: usize = 500;
/// The shortest step: Loki counts so, and its clients expect no finer one.
const STEP_MIN_NS: i64 = 10_000_000_000;

/// The route of patterns.
pub(crate) fn routes() -> Router<Context> {
    Router::new().route("/loki/api/v1/patterns", get(patterns).post(patterns))
}

async fn patterns(State(context): State<Context>, params: Params) -> Result<Json, Error> {
    let range = params.ordered_bounds(now())?;
    let step_ns = params.bounded_step(range)?.max(STEP_MIN_NS);
    run(context, params, move |engine, ticket, params| {
        let selector = logql::parse_selector(params.get("query"))?;
        let log = LogExpr { selector, stages: Vec::new() };
        json(&engine.patterns(&PatternQuery { log, range, step_ns, limit: PATTERNS_MAX, time_max: None }, ticket)?)
    })
    .await
}

fn json(found: &Patterns) -> Result<Json, Error> {
    let mut warnings = found.warnings.clone();
    if found.further_pattern_count > 0 {
        warnings.push(format!(
            "{} further patterns, of {} lines, are not shown: narrow the selector or the range to see them",
            found.further_pattern_count, found.further_line_count
        ));
    }
    let mut json = Json::within(&found.memory);
    json.raw("{\"status\":\"success\",");
    if !warnings.is_empty() {
        json.raw("\"warnings\":").list(&warnings, |json, warning| {
            json.text(warning);
        });
        json.raw(",");
    }
    let series = found.patterns.iter().flat_map(|pattern| pattern.levels.iter().map(move |level| (pattern, level)));
    json.raw("\"data\":").list(series, |json, (pattern, counts)| {
        json.raw("{\"pattern\":").text(&pattern.text).raw(",\"level\":").text(&counts.level).raw(",\"samples\":");
        json.list(&counts.samples, |json, (start, count)| {
            json.raw("[").number(start.nanos().div_euclid(1_000_000_000)).raw(",").number(count).raw("]");
        });
        json.raw("}");
    });
    json.raw("}");
    Ok(json.whole()?)
}
