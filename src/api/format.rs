//! What clients ask about the language and the server rather than about logs.

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::StatusCode;
use serde_json::json;

use crate::api::params::Params;
use crate::api::types::Json;
use crate::api::{Context, Error, blocking};
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

/// What Logs Drilldown shapes itself by. Limits that do not exist here carry the values that mean so.
async fn drilldown_limits(State(context): State<Context>) -> axum::Json<serde_json::Value> {
    let limits = context.engine.limits();
    let seconds = limits.query_timeout.as_secs();
    let timeout = if seconds.is_multiple_of(60) { format!("{}m", seconds / 60) } else { format!("{seconds}s") };
    axum::Json(json!({
        "limits": {
            "discover_log_levels": true,
            "discover_service_name": [
                "service", "app", "application", "app_name", "name", "app_kubernetes_io_name", "container",
                "container_name", "k8s_container_name", "component", "workload", "job", "k8s_job_name",
            ],
            "log_level_fields": [
                "level", "LEVEL", "Level", "log.level", "severity", "SEVERITY", "Severity", "SeverityText", "lvl",
                "LVL", "Lvl", "severity_text", "Severity_Text", "SEVERITY_TEXT",
            ],
            "max_entries_limit_per_query": limits.entries_max,
            "max_line_size_truncate": false,
            "max_query_bytes_read": "0B",
            "max_query_length": "0s",
            "max_query_lookback": "0s",
            "max_query_range": "0s",
            "max_query_series": 1_000_000,
            "metric_aggregation_enabled": false,
            "otlp_config": {"resource_attributes": {"attributes_config": [{"action": "index_label", "attributes": [
                "service.name", "service.namespace", "service.instance.id", "deployment.environment",
                "deployment.environment.name", "cloud.region", "cloud.availability_zone", "k8s.cluster.name",
                "k8s.namespace.name", "k8s.pod.name", "k8s.container.name", "container.name",
                "k8s.replicaset.name", "k8s.deployment.name", "k8s.statefulset.name", "k8s.daemonset.name",
                "k8s.cronjob.name", "k8s.job.name",
            ]}]}},
            "pattern_persistence_enabled": false,
            "query_timeout": timeout,
            "retention_period": "0s",
            "volume_enabled": true,
            "volume_max_series": 1000,
        },
        "pattern_ingester_enabled": true,
        "version": "3.7.6",
    }))
}
