//! Queries in LogQL: `query_range` for a span of time, `query` for a moment.

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use http::header::{ACCEPT, AUTHORIZATION};
use http::{HeaderMap, HeaderName};
use xxhash_rust::xxh3::xxh3_64;

use crate::api::params::{Params, now};
use crate::api::types::{Encoding, Json};
use crate::api::{Context, Error, blocking};
use crate::logql;
use crate::query::{self, CancelOnDrop, InstantQuery, RangeQuery, Ticket};

const ENCODING_FLAGS: HeaderName = HeaderName::from_static("x-loki-response-encoding-flags");

/// Routes that read logs and metrics.
pub(crate) fn routes() -> Router<Context> {
    Router::new()
        .route("/loki/api/v1/query_range", get(range).post(range))
        .route("/loki/api/v1/query", get(instant).post(instant))
}

async fn range(State(context): State<Context>, headers: HeaderMap, params: Params) -> Result<Json, Error> {
    refuse_parquet(&headers)?;
    let asked = params.range(now())?;
    let query = RangeQuery {
        expr: logql::parse(params.get("query"))?,
        range: asked.range,
        step_ns: asked.step_ns,
        interval_ns: asked.interval_ns,
        limit: asked.limit as usize,
        direction: asked.direction,
    };
    let encoding = encoding(&headers);
    run(context, &headers, move |engine, ticket| engine.range(&query, ticket))
        .await
        .map(|answer| Json::answer(&answer, &encoding))
}

async fn instant(State(context): State<Context>, headers: HeaderMap, params: Params) -> Result<Json, Error> {
    refuse_parquet(&headers)?;
    let limit = params.limit("limit", 100)?;
    let time = params.time(now())?;
    params.direction()?;
    let query = InstantQuery { expr: logql::parse(params.get("query"))?, time, limit: limit as usize };
    let encoding = encoding(&headers);
    run(context, &headers, move |engine, ticket| engine.instant(&query, ticket))
        .await
        .map(|answer| Json::answer(&answer, &encoding))
}

/// Runs what may take long: off the async threads, ended when the client goes away, in line with other callers.
pub(crate) async fn run<T: Send + 'static>(
    context: Context,
    headers: &HeaderMap,
    work: impl FnOnce(&query::Engine, &Ticket) -> Result<T, query::Error> + Send + 'static,
) -> Result<T, Error> {
    // credentials tell callers apart; nothing else of them is kept
    let caller = headers.get(AUTHORIZATION).map_or(0, |value| xxh3_64(value.as_bytes()));
    let ticket = context.engine.ticket().for_user(&caller.to_string());
    let _guard = CancelOnDrop::new(&ticket);
    let engine = context.engine;
    Ok(blocking(move || work(&engine, &ticket)).await??)
}

fn encoding(headers: &HeaderMap) -> Encoding {
    let texts = headers.get_all(ENCODING_FLAGS).into_iter().filter_map(|value| value.to_str().ok());
    let flags = texts.flat_map(|text| text.split(',')).map(str::trim).filter(|flag| !flag.is_empty());
    Encoding { flags: flags.map(str::to_owned).collect() }
}

/// Loki answers in a binary table format to whoever asks for it; here there is JSON only.
fn refuse_parquet(headers: &HeaderMap) -> Result<(), Error> {
    let wants_parquet = headers.get(ACCEPT).is_some_and(|value| value == "application/vnd.apache.parquet");
    if wants_parquet {
        return Err(Error::bad_request("parquet is not supported; ask for application/json"));
    }
    Ok(())
}
