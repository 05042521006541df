//! logcli: it names everything in nanoseconds and directions in capitals, says `match` for `match[]`, and pages by the
//! time of the last line.

use serde_json::Value;

use crate::clients::{END, END_TEXT, SECOND, START, START_TEXT, only, shop, texts};
use crate::harness::{Client, encode};

/// One line as logcli tells lines apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    nanos: i64,
    labels: String,
    line: String,
}

/// What `logcli query` is asked for.
#[derive(Clone, Copy)]
struct Asked<'q> {
    query: &'q str,
    start: i64,
    end: i64,
    forward: bool,
    limit: usize,
    batch: usize,
}

/// One request of `logcli query`; lines of several streams are put in order by their time, as logcli does.
fn batch(client: &Client, asked: &Asked<'_>, limit: usize) -> Vec<Entry> {
    let (start, end, limit) = (asked.start.to_string(), asked.end.to_string(), limit.to_string());
    let direction = if asked.forward { "FORWARD" } else { "BACKWARD" };
    let parameters =
        [("direction", direction), ("end", &end), ("limit", &limit), ("query", asked.query), ("start", &start)];
    let answer = client.get_with("/loki/api/v1/query_range", &parameters).expect(200).json();
    assert_eq!((&answer["status"], &answer["data"]["resultType"]), (&"success".into(), &"streams".into()));
    let mut entries = Vec::new();
    for stream in answer["data"]["result"].as_array().expect("streams") {
        for value in stream["values"].as_array().expect("values") {
            let nanos = value[0].as_str().and_then(|text| text.parse().ok()).expect("a time");
            let line = value[1].as_str().expect("a line").to_owned();
            entries.push(Entry { nanos, labels: stream["stream"].to_string(), line });
        }
    }
    entries.sort_by_key(|entry| if asked.forward { entry.nanos } else { -entry.nanos });
    entries
}

/// Asks again and again from the time of the last line on, that time included, and leaves out those lines of it that
/// came before. The last batch asks for as many more as are known to come again.
fn page(client: &Client, mut asked: Asked<'_>) -> Vec<Entry> {
    let mut printed: Vec<Entry> = Vec::new();
    let mut overlap: Vec<Entry> = Vec::new();
    while printed.len() < asked.limit {
        let left = asked.limit - printed.len();
        let wanted = if left < asked.batch { left + overlap.len() } else { asked.batch };
        let found = batch(client, &asked, wanted);
        let Some(last) = found.last().map(|entry| entry.nanos) else { break };
        let new: Vec<Entry> = found.iter().filter(|entry| !overlap.contains(entry)).cloned().collect();
        if new.is_empty() {
            break;
        }
        printed.extend(new);
        overlap = found.into_iter().filter(|entry| entry.nanos == last).collect();
        assert!(overlap.len() < asked.batch, "logcli gives up where a batch is lines of one time alone");
        // the end is not part of a range
        if asked.forward {
            asked.start = last
        } else {
            asked.end = last + 1
        };
    }
    printed
}

#[test]
fn every_line_comes_exactly_once_however_large_the_batches_are() {
    let server = shop();
    let query = "{job=\"shop\"} |= \"line\"";
    let all = Asked { query, start: START, end: END, forward: true, limit: 10_000, batch: 5000 };
    let mut wanted = batch(&server, &all, 5000);
    wanted.sort();
    assert_eq!(wanted.len(), 480);
    for forward in [true, false] {
        // lines of one time are twelve
        for batch_size in [13, 14, 25, 60, 479, 480, 481, 1000] {
            let mut found = page(&server, Asked { forward, batch: batch_size, ..all });
            let in_order = found.is_sorted_by_key(|entry| if forward { entry.nanos } else { -entry.nanos });
            assert!(in_order, "in order in batches of {batch_size}");
            found.sort();
            assert_eq!(found, wanted, "forward {forward}, batches of {batch_size}");
        }
    }
}

#[test]
fn a_limit_is_met_across_batches() {
    let server = shop();
    for forward in [true, false] {
        for limit in [1, 12, 30, 31, 100, 479] {
            let asked = Asked { query: "{app=\"cart\"}", start: START, end: END, forward, limit, batch: 30 };
            let found = page(&server, asked);
            assert_eq!(found.len(), limit.min(240), "forward {forward}, {limit} lines");
        }
    }
}

/// `--parallel-duration=15m`: parts of the range are asked for on their own, each in batches, and put together.
#[test]
fn parts_of_a_range_make_the_whole() {
    let server = shop();
    let asked = Asked { query: "{job=\"shop\"}", start: START, end: END, forward: false, limit: 10_000, batch: 20 };
    let mut parts = Vec::new();
    let mut end = END;
    while end > START {
        let start = START.max(end - 900 * SECOND);
        parts.extend(page(&server, Asked { start, end, ..asked }));
        end = start;
    }
    assert!(parts.is_sorted_by_key(|entry| -entry.nanos));
    let mut whole = page(&server, asked);
    parts.sort();
    whole.sort();
    assert_eq!(parts, whole);
    assert_eq!(parts.len(), 480);
}

#[test]
fn labels_values_and_series_are_listed() {
    let server = shop();
    let ask = |path: &str| server.get(&format!("{path}?end={END_TEXT}&start={START_TEXT}")).expect(200).json();
    let labels = ask("/loki/api/v1/labels");
    assert_eq!(labels["status"], "success");
    assert_eq!(texts(&labels["data"]), ["app", "instance", "job", "service_name"]);
    assert_eq!(texts(&ask("/loki/api/v1/label/app/values")["data"]), ["cart", "pay"]);
    // `series --analyze-labels` asks the same and counts
    let path = format!("/loki/api/v1/series?end={END_TEXT}&match=%7Bapp%3D%22cart%22%7D&start={START_TEXT}");
    let series = server.get(&path).expect(200).json();
    let found = series["data"].as_array().expect("series");
    assert_eq!(found.len(), 2);
    assert!(found.iter().all(|labels| labels["app"] == "cart" && labels["service_name"] == "cart"));
    let all = server.get(&format!("/loki/api/v1/series?end={END_TEXT}&match=%7B%7D&start={START_TEXT}"));
    assert_eq!(all.expect(200).json()["data"].as_array().map(Vec::len), Some(4));
}

#[test]
fn numbers_come_at_a_moment_and_over_time() {
    let server = shop();
    let query = "sum by (app)(count_over_time({job=\"shop\"}[2h]))";
    let parameters = [("direction", "BACKWARD"), ("limit", "30"), ("query", query), ("time", END_TEXT)];
    let answer = server.get_with("/loki/api/v1/query", &parameters).expect(200).json();
    assert_eq!(answer["data"]["resultType"], "vector");
    let mut found: Vec<(String, String)> = Vec::new();
    for sample in answer["data"]["result"].as_array().expect("samples") {
        assert_eq!(sample["value"][0], 1_795_140_000);
        found.push((sample["metric"].to_string(), sample["value"][1].to_string()));
    }
    // what lies on the start of the window is not in it
    let number = "\"234\"".to_owned();
    assert_eq!(found, [("{\"app\":\"cart\"}".to_owned(), number.clone()), ("{\"app\":\"pay\"}".to_owned(), number)]);

    let query = "rate({app=\"pay\"}[10m])";
    let parameters = [
        ("direction", "BACKWARD"),
        ("end", END_TEXT),
        ("limit", "30"),
        ("query", query),
        ("start", START_TEXT),
        ("step", "600"),
    ];
    let answer = server.get_with("/loki/api/v1/query_range", &parameters).expect(200).json();
    assert_eq!(answer["data"]["resultType"], "matrix");
    let first = &answer["data"]["result"][0]["values"];
    assert!(first[0][0].is_number() && first[0][1].is_string(), "{first}");
}

#[test]
fn sizes_are_told_for_streams_and_labels() {
    let server = shop();
    let ask = |path: &str, more: &str, query: &str| -> Value {
        let query = encode(&[("query", query)]);
        server.get(&format!("{path}?{more}end={END_TEXT}&{query}&start={START_TEXT}")).expect(200).json()
    };
    let stats = ask("/loki/api/v1/index/stats", "", "{app=\"cart\"}");
    assert_eq!((&stats["streams"], &stats["entries"]), (&2.into(), &240.into()));
    assert!(stats["bytes"].as_u64() > Some(10_000) && stats["chunks"].is_number(), "{stats}");

    let volume = ask("/loki/api/v1/index/volume", "limit=30&", "{app=\"cart\"}");
    let sample = only(&volume["data"]["result"]);
    assert_eq!(sample["metric"], serde_json::json!({"app": "cart"}));
    assert!(sample["value"][1].as_str().is_some_and(|bytes| bytes.parse::<u64>().is_ok()), "{sample}");

    let by_label =
        ask("/loki/api/v1/index/volume", "aggregateBy=labels&limit=3&targetLabels=app%2Cinstance&", "{job=\"shop\"}");
    let names = by_label["data"]["result"].as_array().expect("volumes").iter();
    let mut names: Vec<String> = names.map(|sample| sample["metric"].to_string()).collect();
    names.sort();
    assert_eq!(names, ["{\"app\":\"\"}", "{\"instance\":\"\"}"]);

    // a stream that lacks one of the labels does not count
    let none = ask("/loki/api/v1/index/volume", "limit=30&targetLabels=app%2Cnosuch&", "{job=\"shop\"}");
    assert_eq!(none["data"]["result"], serde_json::json!([]));

    let over_time = ask("/loki/api/v1/index/volume_range", "limit=30&step=3600&", "{job=\"shop\"}");
    assert_eq!(over_time["data"]["resultType"], "matrix");
    assert_eq!(only(&over_time["data"]["result"])["values"].as_array().map(Vec::len), Some(2));
}

#[test]
fn more_points_than_a_series_may_have_are_refused() {
    let server = shop();
    for path in ["index/stats", "index/volume_range", "detected_fields", "query_range"] {
        let query = encode(&[("query", "{app=\"cart\"}")]);
        let reply = server.get(&format!("/loki/api/v1/{path}?end={END_TEXT}&{query}&start=0&step=1")).expect(400);
        assert!(reply.body.starts_with("exceeded maximum resolution of 11,000 points"), "{path}: {}", reply.body);
    }
}

#[test]
fn fields_and_their_values_are_detected() {
    let server = shop();
    let query = encode(&[("query", "{app=\"cart\"}")]);
    let rest = format!("end={END_TEXT}&limit=100&line_limit=1000&{query}&start={START_TEXT}&step=10s");
    let fields = server.get(&format!("/loki/api/v1/detected_fields?{rest}")).expect(200).json();
    let took = fields["fields"].as_array().and_then(|fields| fields.iter().find(|field| field["label"] == "took"));
    let took = took.expect("the field is there");
    assert_eq!((&took["type"], &took["cardinality"]), (&"duration".into(), &7.into()));
    let values = server.get(&format!("/loki/api/v1/detected_field/level/values?{rest}")).expect(200).json();
    assert_eq!(texts(&values["values"]), ["debug", "error", "info", "warn"]);
}

#[test]
fn what_is_wrong_with_a_query_is_said_in_plain_text() {
    let server = shop();
    let query = encode(&[("query", "{app=\"cart\"")]);
    let reply = server.get(&format!("/loki/api/v1/query_range?direction=BACKWARD&limit=30&{query}")).expect(400);
    assert_eq!(reply.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(reply.body.trim_end(), "parse error at line 1, col 12: syntax error: unexpected $end, expecting } or ,");
}
