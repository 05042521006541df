//! Grafana's Loki data source: Explore, dashboards and alerts. Every request asks for labels by category; times are
//! nanoseconds, steps milliseconds.

use reqwest::Method;
use serde_json::{Value, json};

use crate::clients::{END, END_TEXT, SECOND, START, START_TEXT, only, shop, texts};
use crate::harness::{Client, Reply, TestServer, encode};

/// A GET with the headers that the data source sends.
fn ask(client: &Client, path: &str, parameters: &[(&str, &str)], source: &str) -> Reply {
    let request = client.request(Method::GET, &format!("{path}?{}", encode(parameters)));
    let request = request.header("X-Loki-Response-Encoding-Flags", "categorize-labels").header("User-Agent", "Grafana");
    client.send(if source.is_empty() { request } else { request.header("X-Query-Tags", format!("Source={source}")) })
}

/// `query_range` as Explore asks it; `step` stands for 2 hours in 1,440 points.
fn range(client: &Client, query: &str, direction: &str, limit: &str, (start, end): (i64, i64), source: &str) -> Value {
    let (start, end) = (start.to_string(), end.to_string());
    let parameters = [
        ("direction", direction),
        ("end", &end),
        ("limit", limit),
        ("query", query),
        ("start", &start),
        ("step", "5000ms"),
    ];
    ask(client, "/loki/api/v1/query_range", &parameters, source).expect(200).json()
}

/// Times and lines of an answer, over all streams.
fn lines(answer: &Value) -> Vec<(i64, String)> {
    let mut lines = Vec::new();
    for stream in answer["data"]["result"].as_array().expect("streams") {
        for value in stream["values"].as_array().expect("values") {
            let time = value[0].as_str().and_then(|text| text.parse().ok()).expect("a time");
            lines.push((time, format!("{}{}", stream["stream"], value[1])));
        }
    }
    lines.sort();
    lines
}

#[test]
fn save_and_test_is_content_without_any_logs() {
    let server = TestServer::start();
    let path = "/loki/api/v1/query?direction=backward&query=vector%281%29%2Bvector%281%29&time=4000000000";
    let request = server.request(Method::GET, path);
    let answer = server.send(request.header("X-Loki-Response-Encoding-Flags", "categorize-labels")).expect(200).json();
    assert_eq!((&answer["status"], &answer["data"]["resultType"]), (&json!("success"), &json!("vector")));
    let sample = only(&answer["data"]["result"]);
    assert_eq!(sample["value"][1], "2");
    // with the data source's credentials, or not at all
    server.anonymous().get(path).expect(401);
    let push_token = server.push_authorization.clone().expect("a token");
    server.with_authorization(&push_token).get(path).expect(403);
}

#[test]
fn explore_gets_labels_by_category() {
    let server = shop();
    let answer = range(&server, "{app=\"cart\"} | logfmt", "backward", "1000", (START, END), "");
    assert_eq!(answer["data"]["encodingFlags"], json!(["categorize-labels"]));
    assert!(answer["data"]["stats"]["summary"]["totalLinesProcessed"].as_u64() >= Some(240));
    let streams = answer["data"]["result"].as_array().expect("streams");
    for stream in streams {
        assert_eq!(stream["stream"].as_object().map(serde_json::Map::len), Some(4), "the stream's labels alone");
        for value in stream["values"].as_array().expect("values") {
            let labels = &value[2];
            assert!(labels["structuredMetadata"]["trace_id"].is_string(), "{value}");
            assert!(labels["structuredMetadata"]["detected_level"].is_string(), "{value}");
            assert!(labels["parsed"]["took"].is_string() && labels["parsed"]["path"].is_string(), "{value}");
        }
    }
    assert_eq!(lines(&answer).len(), 240);
    // an entry without any is an object all the same
    let plain = range(&server, "{app=\"cart\"} | keep app", "backward", "1", (START, END), "");
    assert!(plain["data"]["result"][0]["values"][0][2].is_object());
}

#[test]
fn the_volume_above_the_lines_is_counted_by_level() {
    let server = shop();
    let query = "sum by (level, detected_level) (count_over_time({app=\"cart\"} | drop __error__[1m]))";
    let parameters = [("direction", "backward"), ("end", END_TEXT), ("query", query), ("start", START_TEXT)];
    let parameters: Vec<(&str, &str)> = parameters.into_iter().chain([("step", "60000ms")]).collect();
    let answer = ask(&server, "/loki/api/v1/query_range", &parameters, "logvolhist").expect(200).json();
    assert_eq!(answer["data"]["resultType"], "matrix");
    let mut total = 0.0;
    let mut levels = Vec::new();
    for series in answer["data"]["result"].as_array().expect("series") {
        levels.push(series["metric"]["detected_level"].as_str().expect("a level").to_owned());
        for point in series["values"].as_array().expect("points") {
            total += point[1].as_str().and_then(|text| text.parse::<f64>().ok()).expect("a number");
        }
    }
    levels.sort();
    assert_eq!(levels, ["debug", "error", "info", "warn"]);
    assert_eq!(total as u64, 240);
}

#[test]
fn the_context_of_a_line_is_what_lies_before_and_behind_it() {
    let server = shop();
    let moment = START + 3600 * SECOND;
    let window = 2 * 3600 * SECOND;
    let query = "{app=\"cart\",instance=\"c-0\"}";
    let before = lines(&range(&server, query, "backward", "6", (moment - window, moment), ""));
    let after = lines(&range(&server, query, "forward", "6", (moment, moment + window), ""));
    assert_eq!((before.len(), after.len()), (6, 6));
    assert!(before.iter().all(|(time, _)| *time < moment), "the end is not part of a range");
    assert_eq!(after[0].0, moment, "the start is");
    let all = lines(&range(&server, query, "forward", "1000", (START, END), ""));
    let at = all.iter().position(|(time, _)| *time == moment).expect("the line");
    assert_eq!(before, all[at - 6..at]);
    assert_eq!(after, all[at..at + 6]);
}

#[test]
fn scrolling_on_finds_older_lines_and_none_twice() {
    let server = shop();
    let query = "{job=\"shop\"}";
    let all = lines(&range(&server, query, "backward", "1000", (START, END), ""));
    let mut found: Vec<(i64, String)> = Vec::new();
    let mut end = END;
    // Explore asks from the oldest line's time on; lines of that time come again, and are told apart
    loop {
        let page = lines(&range(&server, query, "backward", "100", (START, end), "infinitescroll"));
        let new: Vec<_> = page.into_iter().filter(|entry| !found.contains(entry)).collect();
        let Some(oldest) = new.iter().map(|(time, _)| *time).min() else { break };
        found.extend(new);
        end = oldest + 1;
    }
    found.sort();
    assert_eq!(found, all);
}

#[test]
fn the_label_browser_narrows_down_by_what_is_chosen() {
    let server = shop();
    let bounds = [("start", START_TEXT), ("end", END_TEXT)];
    let with = |name, value| [bounds[0], bounds[1], (name, value)];
    let labels = ask(&server, "/loki/api/v1/labels", &bounds, "").expect(200).json();
    assert_eq!(texts(&labels["data"]), ["app", "instance", "job", "service_name"]);
    let query = with("query", "{app=\"pay\"}");
    let values = ask(&server, "/loki/api/v1/label/instance/values", &query, "").expect(200).json();
    assert_eq!(texts(&values["data"]), ["p-0", "p-1"]);
    let series = ask(&server, "/loki/api/v1/series", &with("match[]", "{app=\"pay\"}"), "").expect(200).json();
    assert_eq!(series["data"].as_array().map(Vec::len), Some(2));
    // nothing found: no list at all
    let none = ask(&server, "/loki/api/v1/label/nosuch/values", &bounds, "").expect(200).json();
    assert_eq!(none, json!({"status": "success"}));
}

#[test]
fn the_editor_tells_how_much_a_query_reads() {
    let server = shop();
    let parameters = [("query", "{app=\"cart\"}"), ("start", START_TEXT), ("end", END_TEXT)];
    let stats = ask(&server, "/loki/api/v1/index/stats", &parameters, "").expect(200).json();
    assert_eq!((&stats["streams"], &stats["entries"]), (&json!(2), &json!(240)));
    // stages are no part of it, and the editor takes them off before it asks
    let parameters = [("query", "{app=\"cart\"} |= \"x\""), ("start", START_TEXT), ("end", END_TEXT)];
    let reply = ask(&server, "/loki/api/v1/index/stats", &parameters, "").expect(400);
    assert_eq!(reply.body.trim_end(), "only label matchers are supported");
}

#[test]
fn filters_of_a_dashboard_work_on_every_kind_of_label() {
    let server = shop();
    for (query, wanted) in [
        ("{job=\"shop\", instance=`c-1`}", 120),
        ("{job=\"shop\"} | detected_level=\"error\"", 120),
        ("{job=\"shop\"} | trace_id=`t-007`", 4),
        ("{job=\"shop\"} | json | logfmt | drop __error__, __error_details__ | level=`warn`", 120),
        ("{app=\"pay\"} | json | order_id>=100", 40),
        ("{app=\"cart\"} | logfmt | took>5ms", 34),
        ("{job=\"shop\"} |~ `(?i)LINE 7\\b`", 4),
    ] {
        let answer = range(&server, query, "backward", "1000", (START, END), "");
        assert_eq!(lines(&answer).len(), wanted, "{query}");
    }
}

#[test]
fn a_dashboard_gets_series_and_an_alert_a_number() {
    let server = shop();
    let answer = range(&server, "sum by(app) (rate({job=\"shop\"}[5m]))", "backward", "1000", (START, END), "");
    assert_eq!(answer["data"]["resultType"], "matrix");
    assert_eq!(answer["data"]["result"].as_array().map(Vec::len), Some(2));
    let query = "sum(count_over_time({job=\"shop\"} | detected_level=\"error\" [1h])) > 10";
    let parameters = [("direction", "backward"), ("query", query), ("time", END_TEXT)];
    let answer = ask(&server, "/loki/api/v1/query", &parameters, "").expect(200).json();
    assert_eq!(only(&answer["data"]["result"])["value"], json!([1_795_140_000, "56"]));
    // lines are not for a moment
    let parameters = [("direction", "backward"), ("query", "{job=\"shop\"}"), ("time", END_TEXT)];
    let reply = ask(&server, "/loki/api/v1/query", &parameters, "").expect(400);
    let wanted =
        "log queries are not supported as an instant query type, please change your query to a range query type";
    assert_eq!(reply.body.trim_end(), wanted);
}

#[test]
fn answers_are_packed_for_whoever_takes_them_packed() {
    let server = shop();
    let path = format!("/loki/api/v1/query_range?limit=1000&query=%7Bjob%3D%22shop%22%7D&start={START}&end={END}");
    let request = server.request(Method::GET, &path);
    let packed = server.send(request.header("Accept-Encoding", "gzip")).expect(200);
    let plain = server.send(server.request(Method::GET, &path).header("Accept-Encoding", "identity")).expect(200);
    assert_eq!(packed.json()["data"]["result"], plain.json()["data"]["result"], "the client unpacks it");
}

#[test]
fn alerting_finds_no_rules_and_no_place_for_them() {
    let server = shop();
    let none = server.get("/prometheus/api/v1/rules").expect(200).json();
    assert_eq!((&none["status"], &none["data"]["groups"]), (&json!("success"), &json!([])));
    let none = server.get("/prometheus/api/v1/alerts").expect(200).json();
    assert_eq!((&none["status"], &none["data"]["alerts"]), (&json!("success"), &json!([])));
    for path in ["/loki/api/v1/rules", "/loki/api/v1/rules/shop", "/loki/api/v1/rules/shop/group", "/api/prom/rules"] {
        assert_eq!(server.get(path).expect(404).body.trim_end(), "404 page not found", "{path}");
    }
}
