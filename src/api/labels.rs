//! What there is to ask for: names of labels, their values, and streams.

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::get;

use crate::api::params::{Params, now};
use crate::api::types::Json;
use crate::api::{Context, Error, blocking};
use crate::logql;
use crate::model::Matcher;

/// Routes that list labels and streams.
pub(crate) fn routes() -> Router<Context> {
    Router::new()
        .route("/loki/api/v1/labels", get(names).post(names))
        .route("/loki/api/v1/label", get(names).post(names))
        .route("/loki/api/v1/label/{name}/values", get(values).post(values))
        .route("/loki/api/v1/series", get(series).post(series))
}

async fn names(State(context): State<Context>, params: Params) -> Result<Json, Error> {
    let range = params.bounds(now())?;
    let matchers = optional_matchers(params.get("query"))?;
    let names = blocking(move || context.engine.label_names(&matchers, range)).await??;
    Ok(Json::names(&names))
}

async fn values(State(context): State<Context>, Path(name): Path<String>, params: Params) -> Result<Json, Error> {
    let range = params.bounds(now())?;
    let matchers = optional_matchers(params.get("query"))?;
    let values = blocking(move || context.engine.label_values(&name, &matchers, range)).await??;
    Ok(Json::names(&values))
}

async fn series(State(context): State<Context>, params: Params) -> Result<Json, Error> {
    let range = params.bounds(now())?;
    let asked: Vec<&str> = params.all("match").chain(params.all("match[]")).collect();
    let selectors: Vec<Vec<Matcher>> = match asked.as_slice() {
        ["{}"] => Vec::new(),
        asked => asked.iter().map(|text| logql::parse_selector(text)).collect::<Result<_, _>>()?,
    };
    let found = blocking(move || context.engine.series(&selectors, range)).await??;
    let mut json = Json::default();
    json.raw("{\"status\":\"success\",\"data\":")
        .list(&found, |json, labels| {
            json.labels(labels);
        })
        .raw("}");
    Ok(json)
}

/// A selector without stages; an empty text stands for every stream.
pub(crate) fn optional_matchers(text: &str) -> Result<Vec<Matcher>, Error> {
    if text.is_empty() { Ok(Vec::new()) } else { Ok(logql::parse_selector(text)?) }
}
