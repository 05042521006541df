//! What operators and their tools ask Loki for besides logs: settings, the level of the log, what runs, and rules.
//!
//! Promises: no secret is in any of the answers; they show what is in force, under Loki's names where it has one.
//! Never: changes a setting.

use std::fmt::Write as _;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use serde_json::{Value, json};
use tracing::level_filters::LevelFilter;

use crate::api::Context;
use crate::ingest::LongLines;

/// Routes for readers.
pub(crate) fn routes() -> Router<Context> {
    Router::new()
        .route("/log_level", get(log_level))
        .route("/services", get(services))
        .route("/config/tenant/v1/limits", get(tenant_limits))
        .route("/prometheus/api/v1/alerts", get(alerts))
        .route("/prometheus/api/v1/rules", get(rules))
}

/// Routes for admins.
pub(crate) fn admin_routes() -> Router<Context> {
    Router::new().route("/config", get(config))
}

async fn log_level() -> axum::Json<Value> {
    let level = LevelFilter::current();
    axum::Json(json!({"message": format!("Current log level is {level}")}))
}

/// Whoever gets an answer gets it from all of these: the listener opens when they run, and closes before they stop.
async fn services(State(context): State<Context>) -> String {
    let usage = context.engine.store_usage();
    format!(
        "store => Running\nintake => Running\nengine => Running\nserver => Running\n\nblocks => {}\nstreams => {}\n",
        usage.block_count, usage.stream_count
    )
}

/// There are no rules, and so there is nothing to be alarmed about.
async fn alerts() -> axum::Json<Value> {
    axum::Json(json!({"status": "success", "data": {"alerts": []}, "errorType": "", "error": ""}))
}

async fn rules() -> axum::Json<Value> {
    axum::Json(json!({"status": "success", "data": {"groups": []}, "errorType": "", "error": ""}))
}

async fn config(State(context): State<Context>) -> String {
    let engine = context.engine.limits();
    let intake = context.intake.limits();
    let settings = json!({
        "target": "all",
        "auth_enabled": true,
        "anonymous_push": context.access.anonymous_push,
        "public_url": context.public_url.as_ref().map(ToString::to_string).unwrap_or_default(),
        "limits_config": limits(&context),
        "intake": {
            "body_bytes_max": intake.body_bytes_max,
            "decoded_bytes_max": intake.decoded_bytes_max,
            "in_flight_bytes_max": intake.in_flight_bytes_max,
        },
        "engine": {
            "query_memory_bytes": engine.memory_bytes_max,
            "concurrent_queries": engine.concurrent_max,
            "waiting_queries": engine.waiting_max,
            "answer_bytes_max": engine.answer_bytes_max,
        },
    });
    yaml(&settings)
}

async fn tenant_limits(State(context): State<Context>) -> String {
    yaml(&limits(&context))
}

/// The limits that there are, and those of Loki that there are not with the values that mean so.
pub(crate) fn limits(context: &Context) -> Value {
    let (engine, intake) = (context.engine.limits(), context.intake.limits());
    let seconds = engine.query_timeout.as_secs();
    let timeout = if seconds.is_multiple_of(60) { format!("{}m", seconds / 60) } else { format!("{seconds}s") };
    json!({
        "discover_log_levels": true,
        "discover_service_name": intake.service_name_labels,
        "log_level_fields": [
            "level", "LEVEL", "Level", "log.level", "severity", "SEVERITY", "Severity", "SeverityText", "lvl",
            "LVL", "Lvl", "severity_text", "Severity_Text", "SEVERITY_TEXT",
        ],
        "max_entries_limit_per_query": engine.entries_max,
        "max_label_name_length": intake.label_name_bytes_max,
        "max_label_names_per_series": intake.label_count_max,
        "max_label_value_length": intake.label_value_bytes_max,
        "max_line_size": intake.line_bytes_max,
        "max_line_size_truncate": intake.long_lines == LongLines::Truncate,
        "max_query_bytes_read": "0B",
        "max_query_length": "0s",
        "max_query_lookback": "0s",
        "max_query_range": "0s",
        "max_query_series": 1_000_000,
        "max_structured_metadata_entries_count": intake.metadata_count_max,
        "max_structured_metadata_size": intake.metadata_bytes_max,
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
    })
}

/// A value as YAML. JSON's texts and numbers are YAML as they are.
fn yaml(value: &Value) -> String {
    let mut out = String::new();
    push_yaml(&mut out, value, 0);
    out
}

fn push_yaml(out: &mut String, value: &Value, level: usize) {
    let is_plain = |value: &Value| match value {
        Value::Object(members) => members.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    };
    let margin = "  ".repeat(level);
    let line = |out: &mut String, head: &str, value: &Value| {
        // writing into a string cannot fail
        let _ = match is_plain(value) {
            true => writeln!(out, "{margin}{head} {value}"),
            false => writeln!(out, "{margin}{head}"),
        };
        if !is_plain(value) {
            push_yaml(out, value, level + 1);
        }
    };
    match value {
        Value::Object(members) => members.iter().for_each(|(name, value)| line(out, &format!("{name}:"), value)),
        Value::Array(items) => items.iter().for_each(|item| line(out, "-", item)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::api::operation::yaml;

    #[test]
    fn settings_are_written_as_yaml() {
        let text = yaml(&json!({"a": {"b": [1, "x: y", {"c": true}], "d": []}, "e": "1m"}));
        let lines = ["a:", "  b:", "    - 1", "    - \"x: y\"", "    -", "      c: true", "  d: []", "e: \"1m\""];
        assert_eq!(text.lines().collect::<Vec<_>>(), lines);
    }
}
