//! Clients of Loki, request by request: each test sends what the client sends, as it writes it, and looks at what the
//! client looks at. What one of them does with the answers, as logcli's paging, is done here too.

mod drilldown;
mod grafana;
mod logcli;

use serde_json::{Value, json};

use crate::harness::TestServer;

/// 2026-11-20 00:00 UTC, in nanoseconds.
const START: i64 = 1_795_132_800_000_000_000;
const SECOND: i64 = 1_000_000_000;
/// The span in which all lines lie: two hours.
const END: i64 = START + 7200 * SECOND;
const START_TEXT: &str = "1795132800000000000";
const END_TEXT: &str = "1795140000000000000";

const LEVELS: [&str; 4] = ["info", "warn", "error", "debug"];

/// A server with two services of two instances. Three lines in a row have one time, in every stream alike, so that
/// any number of lines that a client asks for ends within lines of one time somewhere.
fn shop() -> TestServer {
    let server = TestServer::start();
    for (app, instance) in [("cart", "c-0"), ("cart", "c-1"), ("pay", "p-0"), ("pay", "p-1")] {
        let values: Vec<Value> = (0..120).map(|n| line(app, n)).collect();
        let stream = json!({"app": app, "instance": instance, "job": "shop", "service_name": app});
        server.push_body(&json!({"streams": [{"stream": stream, "values": values}]})).expect(204);
    }
    server
}

/// Line `n` of a stream: logfmt in the one service, JSON in the other, a trace in the metadata.
fn line(app: &str, n: i64) -> Value {
    let time = (START + n / 3 * 180 * SECOND).to_string();
    let (level, took) = (LEVELS[n as usize % 4], n % 7);
    let text = match app {
        "cart" => format!("level={level} msg=\"line {n}\" took={took}ms path=/cart/{}", n % 5),
        _ => json!({"level": level, "msg": format!("line {n}"), "order": {"id": n, "total": 1.5}}).to_string(),
    };
    json!([time, text, {"trace_id": format!("t-{n:03}")}])
}

/// The only entry of a list.
#[track_caller]
fn only(list: &Value) -> &Value {
    match list.as_array().map(Vec::as_slice) {
        Some([one]) => one,
        _ => panic!("one thing was expected: {list}"),
    }
}

/// The texts of a list, sorted.
#[track_caller]
fn texts(list: &Value) -> Vec<String> {
    let list = list.as_array().unwrap_or_else(|| panic!("no list: {list}"));
    let mut texts: Vec<String> = list.iter().map(|text| text.as_str().expect("a text").to_owned()).collect();
    texts.sort();
    texts
}
