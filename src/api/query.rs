//! Queries in LogQL: `query_range` for a span of time, `query` for a moment.

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use http::header::ACCEPT;
use http::{HeaderMap, HeaderName};

use crate::api::params::{Params, now};
use crate::api::types::{Encoding, Json};
use crate::api::{Context, Error, blocking};
use crate::logql;
use crate::query::{CancelOnDrop, Engine, InstantQuery, Ticket};

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
    let encoding = encoding(&headers);
    run(context, params, move |engine, ticket, params| {
        let query = asked.query(logql::parse(params.get("query"))?);
        Ok(Json::answer(&engine.range(&query, ticket)?, &encoding)?)
    })
    .await
}

async fn instant(State(context): State<Context>, headers: HeaderMap, params: Params) -> Result<Json, Error> {
    refuse_parquet(&headers)?;
    let limit = params.limit("limit", 100)?;
    let time = params.time(now())?;
    params.direction()?;
    let encoding = encoding(&headers);
    run(context, params, move |engine, ticket, params| {
        let query = InstantQuery { expr: logql::parse(params.get("query"))?, time, limit: limit as usize };
        Ok(Json::answer(&engine.instant(&query, ticket)?, &encoding)?)
    })
    .await
}

/// Runs what may take long: off the async threads, ended when the client goes away, in line with other callers. The
/// turn lasts until `work` has written its answer, and that has room to wait for its client: reading queries and writing
/// answers take memory as running them does.
pub(crate) async fn run(
    context: Context,
    params: Params,
    work: impl FnOnce(&Engine, &Ticket, &Params) -> Result<Json, Error> + Send + 'static,
) -> Result<Json, Error> {
    let ticket = context.engine.ticket().for_user(params.caller());
    let _guard = CancelOnDrop::new(&ticket);
    let engine = context.engine;
    blocking(move || {
        let _turn = engine.turn(&ticket)?;
        let answer = work(&engine, &ticket, &params)?;
        let parcel = engine.parcel(answer.memory_bytes(), &ticket)?;
        Ok(answer.in_parcel(parcel))
    })
    .await?
}

pub(crate) fn encoding(headers: &HeaderMap) -> Encoding {
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
