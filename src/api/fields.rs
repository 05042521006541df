//! Which labels and fields there are to look at: what Grafana's Logs Drilldown asks for.

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::get;

use crate::api::labels::optional_matchers;
use crate::api::params::{Params, now};
use crate::api::query::run;
use crate::api::types::Json;
use crate::api::{Context, Error};
use crate::logql;
use crate::logql::ast::{Expr, LogExpr};
use crate::model::TimeRange;
use crate::query::{DetectedField, FieldKind};

/// Lines that are looked at where nothing is said.
const LINES_DEFAULT: u32 = 100;
/// Fields or values that are answered where nothing is said.
const FIELDS_DEFAULT: u32 = 1000;

/// Routes that find labels and fields.
pub(crate) fn routes() -> Router<Context> {
    Router::new()
        .route("/loki/api/v1/detected_labels", get(labels).post(labels))
        .route("/loki/api/v1/detected_fields", get(fields).post(fields))
        .route("/loki/api/v1/detected_field/{name}/values", get(values).post(values))
}

async fn labels(State(context): State<Context>, params: Params) -> Result<Json, Error> {
    let range = params.ordered_bounds(now())?;
    run(context, params, move |engine, ticket, params| {
        let matchers = optional_matchers(params.get("query"))?;
        let found = engine.detected_labels(&matchers, range, ticket)?;
        let mut json = Json::default();
        json.raw("{");
        if !found.is_empty() {
            json.raw("\"detectedLabels\":").list(&found, |json, (name, count)| {
                json.raw("{\"label\":").text(name).raw(",\"cardinality\":").number(count).raw("}");
            });
        }
        json.raw("}");
        Ok(json)
    })
    .await
}

async fn fields(State(context): State<Context>, params: Params) -> Result<Json, Error> {
    run(context, params, |engine, ticket, params| {
        let asked = Asked::new(params)?;
        let found = engine.detected_fields(&asked.log, asked.range, asked.line_count, asked.limit, ticket)?;
        let mut json = Json::default();
        if found.is_empty() {
            json.raw("{}");
            return Ok(json);
        }
        json.raw("{\"fields\":").list(&found, field).raw(",\"limit\":").number(asked.limit).raw("}");
        Ok(json)
    })
    .await
}

async fn values(State(context): State<Context>, Path(name): Path<String>, params: Params) -> Result<Json, Error> {
    run(context, params, move |engine, ticket, params| {
        let asked = Asked::new(params)?;
        let found = engine.detected_values(&name, &asked.log, asked.range, asked.line_count, asked.limit, ticket)?;
        let mut json = Json::default();
        if found.is_empty() {
            json.raw("{}");
            return Ok(json);
        }
        json.raw("{\"values\":").list(&found, |json, value| {
            json.text(value);
        });
        json.raw(",\"limit\":").number(asked.limit).raw("}");
        Ok(json)
    })
    .await
}

/// What both kinds of requests say.
struct Asked {
    log: LogExpr,
    range: TimeRange,
    line_count: usize,
    limit: usize,
}

impl Asked {
    fn new(params: &Params) -> Result<Asked, Error> {
        let range = params.ordered_bounds(now())?;
        let line_count = params.limit("line_limit", LINES_DEFAULT)? as usize;
        let limit_name = if params.get("limit").is_empty() { "field_limit" } else { "limit" };
        let limit = params.limit(limit_name, FIELDS_DEFAULT)? as usize;
        params.bounded_step(range)?;
        let Expr::Log(log) = logql::parse(params.get("query"))? else {
            return Err(Error::bad_request("only log selector is supported"));
        };
        Ok(Asked { log, range, line_count, limit })
    }
}

fn field(json: &mut Json, field: &DetectedField) {
    let kind = match field.kind {
        FieldKind::Text => "string",
        FieldKind::Int => "int",
        FieldKind::Float => "float",
        FieldKind::Boolean => "boolean",
        FieldKind::Duration => "duration",
        FieldKind::Bytes => "bytes",
    };
    json.raw("{\"label\":").text(&field.name).raw(",\"type\":").text(kind);
    json.raw(",\"cardinality\":").number(field.value_count).raw(",\"parsers\":");
    // Drilldown tells structured metadata by this null
    match field.parsers.is_empty() {
        true => json.raw("null"),
        false => json.list(&field.parsers, |json, parser| {
            json.text(parser);
        }),
    };
    if !field.json_path.is_empty() {
        json.raw(",\"jsonPath\":").list(&field.json_path, |json, key| {
            json.text(key);
        });
    }
    json.raw("}");
}
