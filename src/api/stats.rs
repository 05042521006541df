//! How much there is: sizes of selections, and volumes by label.

use axum::Router;
use axum::extract::State;
use axum::routing::get;

use crate::api::params::{Params, now};
use crate::api::query::run;
use crate::api::types::Json;
use crate::api::{Context, Error};
use crate::logql;
use crate::logql::gotext::number::parse_int;
use crate::model::{MatchOp, Matcher};
use crate::query::{VolumeBy, VolumeQuery};

/// Volumes that are answered where nothing is said.
const VOLUMES_DEFAULT: u32 = 100;

/// Routes that tell sizes.
pub(crate) fn routes() -> Router<Context> {
    Router::new()
        .route("/loki/api/v1/index/stats", get(stats).post(stats))
        .route("/loki/api/v1/index/volume", get(volume).post(volume))
        .route("/loki/api/v1/index/volume_range", get(volume_range).post(volume_range))
}

async fn stats(State(context): State<Context>, params: Params) -> Result<Json, Error> {
    let range = params.range(now())?.range;
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
    let limit = volume_limit(&params)?;
    params.time(now())?;
    params.direction()?;
    let by = aggregate_by(&params)?;
    let (range, limit) = (params.ordered_bounds(now())?, limit as usize);
    answer(context, params, move |matchers, labels| VolumeQuery { matchers, range, step_ns: None, by, labels, limit })
        .await
}

async fn volume_range(State(context): State<Context>, params: Params) -> Result<Json, Error> {
    let limit = volume_limit(&params)?;
    let asked = params.range_with_limit(now(), limit)?;
    let by = aggregate_by(&params)?;
    let (range, step_ns, limit) = (asked.range, Some(asked.step_ns), limit as usize);
    answer(context, params, move |matchers, labels| VolumeQuery { matchers, range, step_ns, by, labels, limit }).await
}

/// Runs what `query` makes of the selector and the labels of a request.
async fn answer(
    context: Context,
    params: Params,
    query: impl FnOnce(Vec<Matcher>, Vec<String>) -> VolumeQuery + Send + 'static,
) -> Result<Json, Error> {
    run(context, params, |engine, ticket, params| {
        // `{}` asks for all; other matchers that every stream passes are refused, as everywhere
        let text = params.get("query");
        let mut matchers = logql::parse_any_selector(text)?;
        if !matchers.is_empty() {
            matchers = logql::parse_selector(text)?;
        }
        let names = Some(params.get("targetLabels")).filter(|names| !names.is_empty());
        let labels: Vec<String> = names.iter().flat_map(|names| names.split(',')).map(str::to_owned).collect();
        // only streams that have all of them count
        for label in &labels {
            if !matchers.iter().any(|matcher| matcher.name() == label) {
                matchers.push(Matcher::new(MatchOp::Regex, label, ".+").expect("the pattern is sound"));
            }
        }
        Ok(Json::metric(engine.volume(&query(matchers, labels), ticket)?)?)
    })
    .await
}

/// The limit's default also stands for 0.
fn volume_limit(params: &Params) -> Result<u32, Error> {
    match parse_int(params.get("limit")) {
        Ok(0) => Ok(VOLUMES_DEFAULT),
        Ok(_) | Err(_) => params.limit("limit", VOLUMES_DEFAULT),
    }
}

fn aggregate_by(params: &Params) -> Result<VolumeBy, Error> {
    match params.get("aggregateBy") {
        "" | "series" => Ok(VolumeBy::Series),
        "labels" => Ok(VolumeBy::Labels),
        _ => Err(Error::bad_request("invalid aggregation option")),
    }
}
