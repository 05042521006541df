//! What clients ask about the language and the server rather than about logs.

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::StatusCode;
use serde_json::json;

use crate::api::params::Params;
use crate::api::types::Json;
use crate::api::{Context, Error, blocking, operation};
use crate::logql;

/// Routes that need no logs.
pub(crate) fn routes() -> Router<Context> {
    Router::new()
        .route("/loki/api/v1/format_query", get(format_query).post(format_query))
        .route("/loki/api/v1/drilldown-limits", get(drilldown_limits))
}

/// The one place where Loki's errors are JSON.
async fn format_query(params: Params) -> Result<Response, Error> {
    blocking(move || formatted(params.get("query"))).await
}

fn formatted(query: &str) -> Response {
    let mut json = Json::default();
    match logql::parse(query) {
        Ok(expr) => {
            json.raw("{\"status\":\"success\",\"data\":").text(&logql::format_query(&expr)).raw("}");
            json.into_response()
        }
        Err(error) => {
            json.raw("{\"status\":\"invalid-query\",\"error\":").text(&error.to_string()).raw("}");
            (StatusCode::BAD_REQUEST, json).into_response()
        }
    }
}

/// What Logs Drilldown shapes itself by.
async fn drilldown_limits(State(context): State<Context>) -> axum::Json<serde_json::Value> {
    axum::Json(json!({
        "limits": operation::limits(&context),
        "pattern_ingester_enabled": true,
        "version": "3.7.6",
    }))
}
