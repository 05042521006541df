//! How the server is: ready or not, which version it is.

use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::api::Context;

/// Routes that need no credentials.
pub fn routes() -> Router<Context> {
    Router::new().route("/ready", get(ready)).route("/loki/api/v1/status/buildinfo", get(build_info))
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
