//! How the server is: ready or not, which version it is, its numbers.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::header::CONTENT_TYPE;
use serde_json::{Value, json};

use crate::api::{Context, Error, blocking};

/// Routes that need no credentials.
pub(crate) fn open_routes() -> Router<Context> {
    Router::new().route("/ready", get(ready)).route("/loki/api/v1/status/buildinfo", get(build_info))
}

/// Routes for readers.
pub(crate) fn routes() -> Router<Context> {
    Router::new().route("/metrics", get(metrics))
}

/// The listener opens only after everything else did, so whoever gets an answer gets this one.
async fn ready() -> &'static str {
    "ready\n"
}

/// Loki's clients look at the version to choose what they ask for: this is the one whose API is spoken here.
async fn build_info() -> Json<Value> {
    Json(json!({
        "version": "3.7.6",
        "revision": concat!("logcafe-", env!("CARGO_PKG_VERSION")),
        "branch": "",
        "buildUser": "",
        "buildDate": "",
        "goVersion": "",
    }))
}

async fn metrics(State(context): State<Context>) -> Result<Response, Error> {
    let text = blocking(move || context.metrics.text()).await?.map_err(|error| Error::internal(&error))?;
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(CONTENT_TYPE, content_type)], text).into_response())
}
