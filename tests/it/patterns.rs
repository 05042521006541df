//! Patterns of lines through Loki's address for them, as Logs Drilldown asks.

use serde_json::{Value, json};

use crate::harness::{Reply, TestServer, lines_of, wait_until};

/// 2026-01-01T00:00:00Z
const START: i64 = 1_767_225_600_000_000_000;
const SECOND: i64 = 1_000_000_000;

/// Pushes lines of two levels and of two services, a second apart.
fn fill(server: &TestServer) {
    let lines = |service: &str, count: i64, line: &dyn Fn(i64) -> String| {
        let values: Vec<Value> = (0..count).map(|n| json!([(START + n * SECOND).to_string(), line(n)])).collect();
        let body = json!({"streams": [{"stream": {"service_name": service}, "values": values}]});
        server.push_body(&body).expect(204);
    };
    lines("shop", 600, &|n| format!("level=info msg=\"order placed\" order={n} user=u{}", n % 7));
    lines("shop", 60, &|n| format!("level=error msg=\"payment failed\" order={n}\n\tat com.shop.Pay"));
    lines("shop", 5, &|n| format!("level=error msg=\"order placed\" order={n} user=u1"));
    lines("other", 10, &|n| format!("something else {n}"));
}

fn ask(server: &TestServer, parameters: &[(&str, &str)]) -> Reply {
    let mut all = vec![("start", "2026-01-01T00:00:00.000Z"), ("end", "2026-01-01T00:10:00.000Z")];
    all.extend_from_slice(parameters);
    server.get_with("/loki/api/v1/patterns", &all)
}

/// Pattern, level, lines and number of samples of each series.
fn series(answer: &Value) -> Vec<(String, String, u64, usize)> {
    let series = |it: &Value| {
        let samples = it["samples"].as_array().expect("samples");
        let count = samples.iter().map(|sample| sample[1].as_u64().expect("a count")).sum();
        let text = |name: &str| it[name].as_str().expect("a text").to_owned();
        (text("pattern"), text("level"), count, samples.len())
    };
    answer["data"].as_array().expect("a list").iter().map(series).collect()
}

fn expected() -> Vec<(String, String, u64, usize)> {
    let placed = "level=info msg=\"order placed\" order=<_> user=<_>";
    let series = |pattern: &str, level: &str, count, samples| (pattern.to_owned(), level.to_owned(), count, samples);
    vec![
        series(placed, "info", 600, 60),
        series("level=error msg=\"payment failed\" order=<_>", "error", 60, 6),
        series("level=error msg=\"order placed\" order=<_> user=u1", "error", 5, 1),
    ]
}

const SHOP: (&str, &str) = ("query", "{service_name=\"shop\"}");

#[test]
fn patterns_have_counts_by_level_over_time_the_most_frequent_first() {
    let server = TestServer::start();
    fill(&server);
    let answer = ask(&server, &[SHOP]).expect(200).json();
    assert_eq!(answer["status"], "success");
    assert_eq!(series(&answer), expected());
    // steps begin at their multiples, and are ten seconds long at least
    assert_eq!(answer["data"][0]["samples"][1], json!([START / SECOND + 10, 10]));
    let answer = ask(&server, &[SHOP, ("step", "1m")]).expect(200).json();
    assert_eq!(answer["data"][0]["samples"][9], json!([START / SECOND + 540, 60]));
    let posted = [SHOP, ("start", "1767225600"), ("end", "1767226200")];
    let posted = server.post_form("/loki/api/v1/patterns", &posted).expect(200).json();
    assert_eq!(series(&posted), expected());
}

#[test]
fn a_pattern_finds_the_lines_it_was_counted_for() {
    let server = TestServer::start();
    fill(&server);
    let (start, end) = (START.to_string(), (START + 600 * SECOND).to_string());
    for (pattern, _, count, _) in expected() {
        let query = format!("{{service_name=\"shop\"}} |> {}", json!(pattern));
        let asked = [("query", query.as_str()), ("start", &start), ("end", &end), ("limit", "5000")];
        let found = server.get_with("/loki/api/v1/query_range", &asked).expect(200).json();
        assert_eq!(lines_of(&found).len() as u64, count, "{query}");
    }
}

#[test]
fn sealed_lines_count_as_others_do() {
    let server = TestServer::start_with(|config| config.store.head_bytes_max = 10_000);
    fill(&server);
    wait_until("a block is sealed", || {
        let metrics = server.get("/metrics").expect(200).body;
        metrics.lines().any(|line| line.starts_with("logcafe_store_blocks ") && !line.ends_with(" 0"))
    });
    assert_eq!(series(&ask(&server, &[SHOP]).expect(200).json()), expected());
}

#[test]
fn nothing_found_is_an_empty_list_and_a_wrong_question_is_an_error() {
    let server = TestServer::start();
    fill(&server);
    let nothing = ask(&server, &[("query", "{service_name=\"nobody\"}")]).expect(200).json();
    assert_eq!(nothing, json!({"status": "success", "data": []}));
    let refused = |parameters: &[(&str, &str)], words: &str| {
        assert_eq!(ask(&server, parameters).expect(400).body.trim_end(), words);
    };
    refused(&[], "parse error : syntax error: unexpected $end");
    refused(&[("query", "{app=\"x\"} |= \"y\"")], "only label matchers are supported");
    refused(
        &[SHOP, ("step", "0")],
        "zero or negative query resolution step widths are not accepted. Try a positive integer",
    );
    let fine = [SHOP, ("step", "10ms")];
    assert!(ask(&server, &fine).expect(400).body.starts_with("exceeded maximum resolution of 11,000 points"));
    server.anonymous().get("/loki/api/v1/patterns?query=%7Bapp%3D%22x%22%7D").expect(401);
}

#[test]
fn drilldown_is_told_that_there_are_patterns() {
    let limits = TestServer::start().get("/loki/api/v1/drilldown-limits").expect(200).json();
    assert_eq!(limits["pattern_ingester_enabled"], true);
}

#[test]
fn more_patterns_than_are_shown_are_told() {
    let server = TestServer::start();
    // no two have the same between their words
    let line = |n: i64| (0..10).map(|bit| if n >> bit & 1 == 0 { "a(" } else { "a[" }).collect::<String>();
    let values: Vec<Value> = (0..600).map(|n| json!([(START + n).to_string(), line(n)])).collect();
    server.push_body(&json!({"streams": [{"stream": {"app": "web"}, "values": values}]})).expect(204);
    let answer = ask(&server, &[("query", "{app=\"web\"}")]).expect(200).json();
    assert_eq!(series(&answer).len(), 500);
    let warning = answer["warnings"][0].as_str().expect("a warning");
    assert!(warning.starts_with("100 further patterns, of 100 lines"), "{warning}");
}

#[test]
fn too_little_memory_is_an_error_that_names_the_setting() {
    let server = TestServer::start_with(|config| config.query.memory_bytes_max = 10_000);
    fill(&server);
    let values: Vec<Value> = (0..600).map(|n| json!([(START + n).to_string(), "x ".repeat(n as usize)])).collect();
    server.push_body(&json!({"streams": [{"stream": {"app": "web"}, "values": values}]})).expect(204);
    let reply = ask(&server, &[("query", "{app=\"web\"}")]).expect(400);
    assert!(reply.body.contains("query-memory"), "{}", reply.body);
}
