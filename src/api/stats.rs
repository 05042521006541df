//! How much there is: sizes of selections, and volumes by label.

use axum::Router;
use axum::extract::State;
use axum::routing::get;

use crate::api::params::{Params, now};
use crate::api::query::run;
use crate::api::types::Json;
use crate::api::{Context, Error};
use crate::logql;
use crate::query::{VolumeBy, VolumeQuery};

/// Routes that tell sizes.
pub(crate) fn routes() -> Router<Context> {
    Router::new()
        .route("/loki/api/v1/index/stats", get(stats).post(stats))
        .route("/loki/api/v1/index/volume", get(volume).post(volume))
        .route("/loki/api/v1/index/volume_range", get(volume_range).post(volume_range))
}

async fn stats(State(context): State<Context>, params: Params) -> Result<Json, Error> {
    let range = params.ordered_bounds(now())?;
    run(context, params, move |engine, ticket, params| {
        let matchers = logql::parse_selector(params.get("query"))?;
        let found = engine.summary(&matchers, range, ticket)?;
        let mut json = Json::default();
        json.raw("{\"streams\":").number(found.streams).raw(",\"chunks\":").number(found.chunks);
        json.raw(",\"bytes\":").number(found.bytes).raw(",\"entries\":").number(found.entries).raw("}");
        Ok(json)
    })
    .await
}

async fn volume(State(context): State<Context>, params: Params) -> Result<Json, Error> {
    run(context, params, |engine, ticket, params| Ok(Json::metric(engine.volume(&volume_query(params)?, ticket)?)?))
        .await
}

async fn volume_range(State(context): State<Context>, params: Params) -> Result<Json, Error> {
    run(context, params, |engine, ticket, params| {
        let query = volume_query(params)?;
        let step_ns = params.step(query.range)?;
        Ok(Json::metric(engine.volume(&VolumeQuery { step_ns: Some(step_ns), ..query }, ticket)?)?)
    })
    .await
}

fn volume_query(params: &Params) -> Result<VolumeQuery, Error> {
    let range = params.ordered_bounds(now())?;
    let limit = match params.get("limit") {
        "0" => 100,
        _ => params.limit("limit", 100)?,
    };
    let by = match params.get("aggregateBy") {
        "" | "series" => VolumeBy::Series,
        "labels" => VolumeBy::Labels,
        _ => return Err(Error::bad_request("invalid aggregation option")),
    };
    let matchers = logql::parse_any_selector(params.get("query"))?;
    let labels = params.get("targetLabels").split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    Ok(VolumeQuery { matchers, range, step_ns: None, by, labels, limit: limit as usize })
}
