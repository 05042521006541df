//! Loki's read API over HTTP: shapes, parameters and errors.

use std::time::SystemTime;

use logcafe::db::users::{self, Role};
use logcafe::model::Timestamp;
use serde_json::{Value, json};

use crate::harness::{Reply, TestServer};

const START: i64 = 1_767_225_600_000_000_000;
const SECOND: i64 = 1_000_000_000;

/// A server with three lines of two streams, a second apart.
fn server() -> TestServer {
    let server = TestServer::start();
    let body = json!({"streams": [
        {"stream": {"app": "web", "host": "a"}, "values": [
            [START.to_string(), "level=info msg=one", {"trace": "t1"}],
            [(START + SECOND).to_string(), "level=error msg=two"],
        ]},
        {"stream": {"app": "db"}, "values": [[(START + 2 * SECOND).to_string(), "three"]]},
    ]});
    server.push_body(&body).expect(204);
    server
}

fn get(server: &TestServer, path: &str, parameters: &[(&str, &str)]) -> Reply {
    let (start, end) = (START.to_string(), (START + 60 * SECOND).to_string());
    let mut all = vec![("start", start.as_str()), ("end", end.as_str())];
    all.extend_from_slice(parameters);
    server.get_with(&format!("/loki/api/v1/{path}"), &all)
}

#[test]
fn lines_come_by_stream_with_their_labels_merged_or_apart() {
    let server = server();
    let query = [("query", r#"{app="web"} |= "one""#)];
    let merged = get(&server, "query_range", &query).expect(200).json();
    assert_eq!(merged["status"], "success");
    assert_eq!(merged["data"]["resultType"], "streams");
    let stream = json!({"app": "web", "host": "a", "service_name": "web", "detected_level": "info", "trace": "t1"});
    assert_eq!(
        merged["data"]["result"],
        json!([{"stream": stream, "values": [[START.to_string(), "level=info msg=one"]]}])
    );
    assert_eq!(merged["data"]["stats"]["summary"]["totalEntriesReturned"], 1);

    let path = format!("/loki/api/v1/query_range?query=%7Bapp%3D%22web%22%7D&start={START}&limit=1&direction=FORWARD");
    let request = server.request(reqwest::Method::GET, &path);
    let apart = server.send(request.header("X-Loki-Response-Encoding-Flags", "categorize-labels")).expect(200).json();
    assert_eq!(apart["data"]["encodingFlags"], json!(["categorize-labels"]));
    let result = &apart["data"]["result"][0];
    assert_eq!(result["stream"], json!({"app": "web", "host": "a", "service_name": "web"}));
    assert_eq!(result["values"][0][2], json!({"structuredMetadata": {"detected_level": "info", "trace": "t1"}}));
}

#[test]
fn the_health_check_of_grafana_needs_no_logs() {
    let server = TestServer::start();
    let asked = [("direction", "backward"), ("query", "vector(1)+vector(1)"), ("time", "4000000000")];
    let answer = server.get_with("/loki/api/v1/query", &asked).expect(200).json();
    assert_eq!(answer["data"]["resultType"], "vector");
    assert_eq!(answer["data"]["result"], json!([{"metric": {}, "value": [4_000_000_000_u64, "2"]}]));
}

#[test]
fn metric_queries_answer_with_vectors_and_matrices() {
    let server = server();
    let query = ("query", "sum by (app) (count_over_time({app=~\".+\"}[10s]))");
    let time = (START + 5 * SECOND).to_string();
    let vector = server.get_with("/loki/api/v1/query", &[query, ("time", &time)]).expect(200).json();
    let seconds = START / SECOND + 5;
    let sample = |app: &str, value: &str| json!({"metric": {"app": app}, "value": [seconds, value]});
    assert_eq!(vector["data"]["result"], json!([sample("db", "1"), sample("web", "2")]));

    let matrix = get(&server, "query_range", &[query, ("step", "30")]).expect(200).json();
    assert_eq!(matrix["data"]["resultType"], "matrix");
    assert_eq!(matrix["data"]["result"][0], json!({"metric": {"app": "web"}, "values": [[START / SECOND, "1"]]}));
}

#[test]
fn a_form_does_what_a_query_string_does() {
    let server = server();
    let (start, end) = (START.to_string(), (START + 60 * SECOND).to_string());
    let fields = [("query", r#"{app="db"}"#), ("start", start.as_str()), ("end", end.as_str())];
    let posted = server.post_form("/loki/api/v1/query_range", &fields).expect(200).json();
    let got = get(&server, "query_range", &fields[..1]).expect(200).json();
    assert_eq!(posted["data"]["result"], got["data"]["result"]);
    assert_eq!(got["data"]["result"][0]["values"][0][1], "three");
}

#[test]
fn labels_their_values_and_streams_narrow_to_a_selector() {
    let server = server();
    let data = |path: &str, parameters: &[(&str, &str)]| get(&server, path, parameters).expect(200).json();
    let own = r#"{app="web"}"#;
    assert_eq!(data("labels", &[("query", own)])["data"], json!(["app", "host", "service_name"]));
    assert_eq!(data("label/app/values", &[])["data"], json!(["db", "web"]));
    assert_eq!(data("label/host/values", &[])["data"], json!(["a"]));
    // an empty list is left out, as Loki does
    assert_eq!(data("label/nobody/values", &[]), json!({"status": "success"}));
    let series = json!([{"app": "web", "host": "a", "service_name": "web"}]);
    assert_eq!(data("series", &[("match[]", own)])["data"], series);
    assert_eq!(data("series", &[("match", own)])["data"], series);
    assert_eq!(data("series", &[("match[]", r#"{app="nobody"}"#)])["data"], json!([]));
}

#[test]
fn sizes_and_volumes_count_what_is_there() {
    let server = server();
    let stats = get(&server, "index/stats", &[("query", r#"{app="web"}"#)]).expect(200).json();
    assert_eq!((&stats["streams"], &stats["entries"]), (&json!(1), &json!(2)));
    let volume = get(&server, "index/volume", &[("query", r#"{app=~"web|db"}"#)]).expect(200).json();
    let names: Vec<&Value> =
        volume["data"]["result"].as_array().expect("a list").iter().map(|it| &it["metric"]).collect();
    assert_eq!(names, [&json!({"app": "web"}), &json!({"app": "db"})], "the greatest comes first");
}

#[test]
fn errors_are_plain_text_in_the_words_of_loki() {
    let server = server();
    let refused = |path: &str, parameters: &[(&str, &str)], words: &str| {
        let reply = get(&server, path, parameters).expect(400);
        assert_eq!(reply.header("content-type"), "text/plain; charset=utf-8");
        assert_eq!(reply.body.trim_end(), words);
    };
    let log = ("query", r#"{app="web"}"#);
    refused(
        "query",
        &[log],
        "log queries are not supported as an instant query type, please change your query to a range query type",
    );
    refused(
        "query_range",
        &[("query", "{app=")],
        "parse error at line 1, col 6: syntax error: unexpected $end, expecting STRING",
    );
    refused("query_range", &[log, ("limit", "0")], "limit must be a positive value");
    refused(
        "query_range",
        &[log, ("limit", "5001")],
        "max entries limit per query exceeded, limit > max_entries_limit_per_query (5001 > 5000)",
    );
    refused("query_range", &[log, ("direction", "up")], "invalid direction 'up'");
    refused("labels", &[("query", r#"{app="web"} |= "x""#)], "only label matchers are supported");
}

#[test]
fn a_query_beyond_its_memory_says_what_to_do() {
    let server = TestServer::start_with(|config| config.query.memory_bytes_max = 1 << 20);
    let values: Vec<Value> = (0..20_000)
        .map(|n| json!([(START + n).to_string(), "x", {"id": format!("a-rather-long-identifier-{n}")}]))
        .collect();
    server.push_body(&json!({"streams": [{"stream": {"app": "web"}, "values": values}]})).expect(204);
    let time = (START + SECOND).to_string();
    let ask = |query: &str| server.get_with("/loki/api/v1/query", &[("query", query), ("time", &time)]);
    let reply = ask(r#"topk(1, sum by (id) (count_over_time({app="web"}[1m])))"#).expect(400);
    assert!(reply.body.contains("1 MiB") && reply.body.contains("query-memory"), "{}", reply.body);
    let answer = ask(r#"sum(count_over_time({app="web"}[1m]))"#).expect(200).json();
    assert_eq!(answer["data"]["result"][0]["value"][1], "20000");
}

#[test]
fn whoever_may_not_read_is_refused() {
    let server = server();
    server.anonymous().get("/loki/api/v1/query_range?query=%7Bapp%3D%22web%22%7D").expect(401);
    server.anonymous().get("/loki/api/v1/labels").expect(401);
}

#[test]
fn settings_are_for_admins_and_show_no_secret() {
    let server = TestServer::start();
    let now = Timestamp::from(SystemTime::now());
    users::add(&server.db, "ann", "correct horse 1", Role::Admin, now).expect("an admin");
    server.get("/config").expect(403);
    server.anonymous().get("/config").expect(401);
    let config = server.with_basic("ann", "correct horse 1").get("/config").expect(200);
    assert!(
        config.body.contains("limits_config:\n") && config.body.contains("anonymous_push: false\n"),
        "{}",
        config.body
    );
    let limits = server.get("/config/tenant/v1/limits").expect(200);
    assert!(limits.body.contains("max_entries_limit_per_query: 5000\n"), "{}", limits.body);
    assert!(server.get("/log_level").expect(200).json()["message"].as_str().is_some_and(|text| text.contains("level")));
    assert!(server.get("/services").expect(200).body.contains("store => Running\n"));
    server.anonymous().get("/services").expect(401);
}

#[test]
fn nothing_lies_in_a_range_that_ends_before_it_starts() {
    let server = server();
    let (start, end) = ((START + SECOND / 2).to_string(), (START + SECOND / 4).to_string());
    for path in ["labels", "label/app/values", "series"] {
        let answer = server.get_with(&format!("/loki/api/v1/{path}"), &[("start", &start), ("end", &end)]);
        let answer = answer.expect(200).json();
        assert!(answer["data"].as_array().is_none_or(Vec::is_empty), "{path}: {answer}");
    }
}
