//! `/api/prom`: the paths of Loki before version 1, for clients that were never updated.

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::get;
use http::StatusCode;

use crate::api::params::{Params, now};
use crate::api::query::run;
use crate::api::types::{Json, by_stream, merged};
use crate::api::{Context, Error};
use crate::logql;
use crate::logql::ast::Expr;
use crate::model::Timestamp;
use crate::query::{Answer, Data, Engine, LogLine, Ticket};

/// Routes of another age.
pub(crate) fn routes() -> Router<Context> {
    Router::new()
        .route("/api/prom/query", get(query).post(query))
        .route("/api/prom/label", get(names).post(names))
        .route("/api/prom/label/{name}/values", get(values).post(values))
        .route("/api/prom/series", get(series).post(series))
}

async fn query(State(context): State<Context>, params: Params) -> Result<Json, Error> {
    let asked = params.range(now())?;
    run(context, params, move |engine, ticket, params| {
        let expr = logql::parse(params.get("query"))?;
        if let Expr::Metric(_) = expr {
            let message = "rpc error: code = Code(400) desc = legacy endpoints only support streams result type";
            return Err(Error::new(StatusCode::BAD_REQUEST, message));
        }
        let Answer { data, memory, .. } = engine.range(&asked.query(expr), ticket)?;
        match data {
            Data::Streams(lines) => Ok(streams(&lines, Json::within(&memory)).whole()?),
            _ => Err(Error::bad_request("legacy endpoints only support streams result type")),
        }
    })
    .await
}

fn streams(lines: &[LogLine], mut json: Json) -> Json {
    json.raw("{\"streams\":").list(by_stream(lines, merged), |json, (labels, lines)| {
        json.raw("{\"labels\":").text(&labels.to_string()).raw(",\"entries\":");
        json.list(lines, |json, line| {
            json.raw("{\"ts\":").text(&rfc3339(line.timestamp)).raw(",\"line\":").text(&line.line).raw("}");
        });
        json.raw("}");
    });
    json.raw("}");
    json
}

async fn names(State(context): State<Context>, params: Params) -> Result<Json, Error> {
    let range = params.bounds(now())?;
    let work = move |engine: &Engine, ticket: &Ticket, _: &Params| {
        Ok(list("values", &engine.label_names(&[], range, ticket)?))
    };
    run(context, params, work).await
}

/// Loki 3.7.6 answers with the names of labels here. That is a slip of its router: nobody can use it.
async fn values(State(context): State<Context>, Path(name): Path<String>, params: Params) -> Result<Json, Error> {
    let range = params.bounds(now())?;
    let work = move |engine: &Engine, ticket: &Ticket, _: &Params| {
        Ok(list("values", &engine.label_values(&name, &[], range, ticket)?))
    };
    run(context, params, work).await
}

async fn series(State(context): State<Context>, params: Params) -> Result<Json, Error> {
    let range = params.bounds(now())?;
    run(context, params, move |engine, ticket, params| {
        let selectors = logql::parse_selectors(&params.selectors()?)?;
        let found = engine.series(&selectors, range, ticket)?;
        let mut json = Json::default();
        json.raw("{\"series\":").list(&found, |json, labels| {
            json.labels(labels);
        });
        json.raw("}");
        Ok(json)
    })
    .await
}

fn list(name: &str, values: &[String]) -> Json {
    let mut json = Json::default();
    json.raw("{").text(name).raw(":").list(values, |json, value| {
        json.text(value);
    });
    json.raw("}");
    json
}

fn rfc3339(time: Timestamp) -> String {
    let printed = jiff::Timestamp::from_nanosecond(i128::from(time.nanos()));
    printed.expect("64 bits of nanoseconds lie within the years that can be printed").to_string()
}

#[cfg(test)]
mod tests {
    use crate::api::legacy::rfc3339;
    use crate::model::Timestamp;

    #[test]
    fn every_time_can_be_printed() {
        assert_eq!(rfc3339(Timestamp::from_secs(1_795_132_860)), "2026-11-20T00:01:00Z");
        assert_eq!(rfc3339(Timestamp::from_nanos(500_000_000)), "1970-01-01T00:00:00.5Z");
        assert!(rfc3339(Timestamp::MIN).starts_with("1677-") && rfc3339(Timestamp::MAX).starts_with("2262-"));
    }
}
