//! Logs of OpenTelemetry over HTTP.

use serde_json::{Value, json};

use crate::harness::{Client, Reply, TestServer, now_nanos};

#[track_caller]
fn push(client: &Client, path: &str, content_type: &str, body: impl Into<reqwest::Body>) -> Reply {
    client.send(client.request(reqwest::Method::POST, path).header("content-type", content_type).body(body))
}

fn request(service: &str, record: &Value) -> String {
    let attributes = json!([
        {"key": "service.name", "value": {"stringValue": service}},
        {"key": "host.name", "value": {"stringValue": "node-1"}},
    ]);
    json!({"resourceLogs": [{"resource": {"attributes": attributes}, "scopeLogs": [{"logRecords": [record]}]}]})
        .to_string()
}

#[test]
fn a_record_is_found_by_its_source_its_level_and_its_attributes() {
    let server = TestServer::start();
    let record = json!({
        "timeUnixNano": now_nanos().to_string(),
        "severityNumber": 17,
        "body": {"stringValue": "결제 실패"},
        "traceId": "5b8efff798038103d269b633813fc60c",
        "attributes": [{"key": "http.status_code", "value": {"intValue": "502"}}],
    });
    assert_eq!(push(&server, "/otlp/v1/logs", "application/json", request("shop", &record)).expect(204).body, "");
    push(&server, "/v1/logs", "application/json", request("cart", &record)).expect(204);
    let filters = "detected_level=\"error\" | http_status_code=502 | host_name=\"node-1\" | trace_id=~\"5b8e.*\"";
    assert_eq!(server.query_range(&format!("{{service_name=\"shop\"}} | {filters}")), ["결제 실패"]);
    assert_eq!(server.query_range(&format!("{{service_name=\"cart\"}} | {filters}")), ["결제 실패"]);
}

#[test]
fn refusals_are_messages_that_clients_of_opentelemetry_read() {
    let server = TestServer::start();
    let mut future = json!({"body": {"stringValue": "x"}});
    future["timeUnixNano"] = json!("7258118400000000000");
    for (content_type, body, status, text) in [
        ("application/json", "{".to_owned(), 400, "EOF while parsing"),
        ("application/json", "{}".to_owned(), 422, "error at least one valid stream is required for ingestion"),
        ("application/x-protobuf", "\u{f}".to_owned(), 400, "proto: illegal wireType 7"),
        ("text/plain", "{}".to_owned(), 400, "content type: text/plain is not supported"),
        (
            "application/json",
            request("late", &future),
            400,
            "entry for stream '{service_name=\"late\"}' has timestamp too new",
        ),
    ] {
        let reply = push(&server, "/otlp/v1/logs", content_type, body).expect(status);
        assert_eq!(reply.header("content-type"), "application/octet-stream");
        assert!(reply.body.starts_with('\u{12}') && reply.body.contains(text), "{:?}", reply.body);
    }
}
