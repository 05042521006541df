//! What there is to ask for: names of labels, their values, and streams.

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::get;

use crate::api::params::{Params, now};
use crate::api::query::run;
use crate::api::types::Json;
use crate::api::{Context, Error};
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
    run(context, params, move |engine, ticket, params| {
        let matchers = optional_matchers(params.get("query"))?;
        Ok(Json::names(&engine.label_names(&matchers, range, ticket)?))
    })
    .await
}

async fn values(State(context): State<Context>, Path(name): Path<String>, params: Params) -> Result<Json, Error> {
    let range = params.bounds(now())?;
    run(context, params, move |engine, ticket, params| {
        let matchers = optional_matchers(params.get("query"))?;
        Ok(Json::names(&engine.label_values(&name, &matchers, range, ticket)?))
    })
    .await
}

async fn series(State(context): State<Context>, params: Params) -> Result<Json, Error> {
    let range = params.bounds(now())?;
    run(context, params, move |engine, ticket, params| {
        let selectors: Vec<Vec<Matcher>> = match params.selectors()?.as_slice() {
            ["{}"] => Vec::new(),
            asked => logql::parse_selectors(asked)?,
        };
        let found = engine.series(&selectors, range, ticket)?;
        let mut json = Json::default();
        json.raw("{\"status\":\"success\",\"data\":")
            .list(&found, |json, labels| {
                json.labels(labels);
            })
            .raw("}");
        Ok(json)
    })
    .await
}

/// A selector without stages; an empty text stands for every stream.
pub(crate) fn optional_matchers(text: &str) -> Result<Vec<Matcher>, Error> {
    if text.is_empty() { Ok(Vec::new()) } else { Ok(logql::parse_selector(text)?) }
}
