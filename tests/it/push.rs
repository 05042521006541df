//! Pushes over HTTP: what is taken, what is refused and how, and that the server goes on after both.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};
use logcafe::ingest::{Limits, LongLines, Rate};
use serde_json::json;

use crate::harness::{Client, Reply, TestServer, lines_of, now_nanos, wait_until};

const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";

/// An entry as it goes over the wire: seconds, line, metadata.
type Row<'r> = (i64, &'r [u8], &'r [(&'r str, &'r str)]);

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn put(out: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    out.push(number << 3 | 2);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// A request of one stream, written as Promtail writes it.
fn protobuf(labels: &str, rows: &[Row<'_>]) -> Vec<u8> {
    let mut stream = Vec::new();
    put(&mut stream, 1, labels.as_bytes());
    for (seconds, line, metadata) in rows {
        let mut time = vec![0x08];
        put_varint(&mut time, seconds.cast_unsigned());
        let mut entry = Vec::new();
        put(&mut entry, 1, &time);
        put(&mut entry, 2, line);
        for (name, value) in *metadata {
            let mut pair = Vec::new();
            put(&mut pair, 1, name.as_bytes());
            put(&mut pair, 2, value.as_bytes());
            put(&mut entry, 3, &pair);
        }
        put(&mut stream, 2, &entry);
    }
    let mut request = Vec::new();
    put(&mut request, 1, &stream);
    request
}

fn snappy(bytes: &[u8]) -> Vec<u8> {
    snap::raw::Encoder::new().compress_vec(bytes).expect("a body below 4 GiB")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}

#[track_caller]
fn push(client: &Client, content_type: &str, encoding: &str, body: Vec<u8>) -> Reply {
    let mut request = client.request(reqwest::Method::POST, "/loki/api/v1/push").body(body);
    for (name, value) in [("content-type", content_type), ("content-encoding", encoding)] {
        if !value.is_empty() {
            request = request.header(name, value);
        }
    }
    client.send(request)
}

fn now_seconds() -> i64 {
    now_nanos() / 1_000_000_000
}

#[track_caller]
fn push_lines(client: &Client, labels: &str, lines: &[&str]) -> Reply {
    let rows: Vec<Row<'_>> = lines.iter().map(|line| (now_seconds(), line.as_bytes(), &[][..])).collect();
    push(client, PROTOBUF, "", snappy(&protobuf(labels, &rows)))
}

#[test]
fn every_encoding_of_both_formats_is_taken() {
    let server = TestServer::start();
    let body = |line: &str| {
        json!({"streams": [{"stream": {"job": "enc"}, "values": [[now_nanos().to_string(), line]]}]})
            .to_string()
            .into_bytes()
    };
    let rows = |line: &'static str| protobuf("{job=\"enc\"}", &[(now_seconds(), line.as_bytes(), &[])]);
    let zstd = |bytes: &[u8]| zstd::encode_all(bytes, 1).expect("memory takes it");
    push(&server, PROTOBUF, "", snappy(&rows("protobuf"))).expect(204);
    push(&server, PROTOBUF, "snappy", snappy(&rows("protobuf snappy"))).expect(204);
    push(&server, PROTOBUF, "gzip", gzip(&snappy(&rows("protobuf gzip")))).expect(204);
    push(&server, "application/octet-stream", "zstd", zstd(&snappy(&rows("protobuf zstd")))).expect(204);
    push(&server, JSON, "", body("json")).expect(204);
    push(&server, "application/json; charset=utf-8", "gzip", gzip(&body("json gzip"))).expect(204);
    push(&server, JSON, "deflate", deflate(&body("json deflate"))).expect(204);
    let reply = push(&server, JSON, "zstd", zstd(&body("json zstd"))).expect(204);
    assert_eq!(reply.body, "");
    let mut lines = server.query_range("{job=\"enc\"}");
    lines.sort_unstable();
    let mut wanted = ["", " snappy", " gzip", " zstd"].map(|name| format!("protobuf{name}")).to_vec();
    wanted.extend(["", " gzip", " deflate", " zstd"].map(|name| format!("json{name}")));
    wanted.sort_unstable();
    assert_eq!(lines, wanted);
}

/// Content type and encoding, body, status, and how the answer begins.
type BadCase = (&'static str, &'static str, Vec<u8>, u16, &'static str);

const TOO_OLD: &str = "entry for stream '{job=\"bad\", service_name=\"bad\"}' has timestamp too old: ";

fn bad_cases() -> Vec<BadCase> {
    let now = now_seconds();
    let row = |line: &[u8]| snappy(&protobuf("{job=\"bad\"}", &[(now, line, &[])]));
    let at = |seconds| snappy(&protobuf("{job=\"bad\"}", &[(seconds, b"x", &[])]));
    let whole = row("a line that is long enough to be cut off somewhere in its middle".as_bytes());
    let labels: Vec<String> = (0..300).map(|n| format!("l{n}=\"v\"")).collect();
    let many = snappy(&protobuf(&format!("{{{}}}", labels.join(",")), &[(now, b"x", &[])]));
    let bomb = gzip(&vec![b' '; 200 << 20]);
    let long_name = snappy(&protobuf(&format!("{{{}=\"x\"}}", "n".repeat(1025)), &[(now, b"x", &[])]));
    let big_metadata = snappy(&protobuf("{job=\"bad\"}", &[(now, b"x", &[("k", &"v".repeat(65_536))])]));
    let nested = format!("{{\"x\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));

    vec![
        (PROTOBUF, "", whole[..whole.len() / 2].to_vec(), 400, "snappy: corrupt input"),
        (PROTOBUF, "", b"not snappy at all".to_vec(), 400, "snappy: corrupt input"),
        (PROTOBUF, "", Vec::new(), 400, "snappy: corrupt input"),
        (PROTOBUF, "", snappy(b"not protobuf"), 400, "proto: "),
        (PROTOBUF, "gzip", whole.clone(), 400, "gzip: "),
        (JSON, "gzip", bomb, 413, "request body too large: received message larger than max ("),
        (JSON, "", vec![b' '; 17 << 20], 413, "request body too large: received message larger than max ("),
        (JSON, "br", b"{}".to_vec(), 400, "Content-Encoding \"br\" not supported"),
        ("", "", whole, 400, "mime: no media type"),
        (PROTOBUF, "", row(b"bad \xff\xfe utf8"), 400, "a line is not valid UTF-8"),
        (PROTOBUF, "", many, 400, "entry for stream '{l0=\"v\", l1=\"v\", "),
        (PROTOBUF, "", long_name, 400, "stream '{nnnn"),
        (
            PROTOBUF,
            "",
            big_metadata,
            400,
            "stream '{job=\"bad\", service_name=\"bad\"}' has structured metadata too large: '65537'",
        ),
        (
            PROTOBUF,
            "",
            row(&vec![b'x'; 5 << 20]),
            400,
            "max entry size '262144' bytes exceeded for stream '{job=\"bad\"",
        ),
        (
            PROTOBUF,
            "",
            at(7_258_118_400),
            400,
            "entry for stream '{job=\"bad\", service_name=\"bad\"}' has timestamp too new: 2200-01-01T00:00:00Z",
        ),
        (
            PROTOBUF,
            "",
            at(1_795_000),
            400,
            "entry for stream '{job=\"bad\", service_name=\"bad\"}' has timestamp too old: 1970-01-21T18:36:40Z; ",
        ),
        (PROTOBUF, "", at(i64::MIN), 400, TOO_OLD),
        (
            PROTOBUF,
            "",
            snappy(&protobuf("{job=", &[(now, b"x", &[])])),
            400,
            "couldn't parse labels: 1:6: parse error: ",
        ),
        (PROTOBUF, "", snappy(b""), 422, "error at least one valid stream is required for ingestion"),
        (JSON, "", b"{\"streams\":[]}".to_vec(), 422, "error at least one valid stream is required for ingestion"),
        (JSON, "", b"{\"streams\":[{\"values\":[[1,\"x\"]]}]}".to_vec(), 400, ""),
        (JSON, "", nested.into_bytes(), 422, "error at least one valid stream"),
    ]
}

#[test]
fn bad_input_gets_a_clear_answer_and_the_server_goes_on() {
    let server = TestServer::start();
    let cases = bad_cases();
    for (index, (content_type, encoding, body, status, text)) in cases.into_iter().enumerate() {
        let reply = push(&server, content_type, encoding, body);
        let shown: String = reply.body.chars().take(200).collect();
        assert_eq!(reply.status, status, "case {index}, {text}: {shown}");
        assert!(reply.body.starts_with(text), "case {index}, {text}: {shown}");
        assert_eq!(reply.header("content-type"), "text/plain; charset=utf-8");
        push_lines(&server, "{job=\"good\"}", &[&format!("after case {index}")]).expect(204);
        assert_eq!(server.query_range("{job=\"good\"}").len(), index + 1);
    }
    assert_eq!(server.query_range("{job=\"bad\"}"), Vec::<String>::new());
}

#[test]
fn the_good_entries_of_a_bad_push_are_there() {
    let server = TestServer::start();
    let now = now_seconds();
    let long = vec![b'x'; 300 << 10];
    let rows: [Row<'_>; 3] = [(now, b"good", &[]), (now, &long, &[]), (now + 7200, b"too new", &[])];
    let reply = push(&server, PROTOBUF, "", snappy(&protobuf("{job=\"partly\"}", &rows))).expect(400);
    assert!(reply.body.contains("with length '307200' bytes") && reply.body.contains("too new"), "{}", reply.body);
    assert_eq!(server.query_range("{job=\"partly\"}"), ["good"]);
}

#[test]
fn entries_of_any_age_and_in_any_order_are_taken() {
    let server = TestServer::start();
    let rows: [Row<'_>; 4] = [
        (now_seconds(), b"now", &[]),
        (365 * 86_400, b"in 1971", &[]),
        (1_000_000_000, b"in 2001", &[]),
        (-3600, b"an hour before the epoch", &[]),
    ];
    push(&server, PROTOBUF, "", snappy(&protobuf("{job=\"old\"}", &rows))).expect(204);
    let end = now_nanos().to_string();
    let parameters =
        [("query", "{job=\"old\"}"), ("start", "1"), ("end", end.as_str()), ("limit", "10"), ("direction", "forward")];
    let lines = lines_of(&server.get_with("/loki/api/v1/query_range", &parameters).expect(200).json());
    assert_eq!(lines, ["in 1971", "in 2001", "now"]);
}

#[test]
fn metadata_levels_and_service_names_are_found_again() {
    let server = TestServer::start();
    let now = now_seconds();
    let rows: [Row<'_>; 3] = [
        (now, b"level=warn msg=\"disk nearly full\"", &[]),
        (now, "결제 실패: ERROR timeout".as_bytes(), &[("trace.id", "abc"), ("pod", "shop-1")]),
        (now, b"{\"level\":\"info\",\"msg\":\"an error is not meant\"}", &[("pod", "shop-1")]),
    ];
    push(&server, PROTOBUF, "", snappy(&protobuf("{container=\"shop\", host=\"a\"}", &rows))).expect(204);
    let query = "{service_name=\"shop\"} | detected_level=\"error\" | trace_id=\"abc\" | pod=\"shop-1\"";
    assert_eq!(server.query_range(query), ["결제 실패: ERROR timeout"]);
    assert_eq!(server.query_range("{service_name=\"shop\"} | detected_level=\"warn\"").len(), 1);
    assert_eq!(server.query_range("{service_name=\"shop\"} | detected_level=\"info\"").len(), 1);
}

#[test]
fn the_old_path_takes_the_old_shape() {
    let server = TestServer::start();
    let time = "2026-11-18T00:00:01Z";
    let body =
        json!({"streams": [{"labels": "{job=\"legacy\"}", "entries": [{"ts": time, "line": "from an old client"}]}]});
    let request = server.request(reqwest::Method::POST, "/api/prom/push").header("content-type", JSON);
    server.send(request.body(body.to_string())).expect(204);
    let parameters =
        [("query", "{job=\"legacy\"}"), ("start", "2026-11-18T00:00:00Z"), ("end", "2026-11-18T01:00:00Z")];
    let lines = lines_of(&server.get_with("/loki/api/v1/query_range", &parameters).expect(200).json());
    assert_eq!(lines, ["from an old client"]);
}

#[test]
fn a_rate_limit_answers_429_and_when_to_come_back() {
    let rate = Rate { bytes_per_second: 1, burst_bytes: 20 };
    let limits = Limits { rate: Some(rate), ..Limits::default() };
    let server = TestServer::start_with(|config| config.ingest = limits);
    push_lines(&server, "{job=\"r\"}", &["0123456789"]).expect(204);
    let reply = push_lines(&server, "{job=\"r\"}", &["0123456789 and more"]).expect(429);
    assert_eq!(reply.header("retry-after"), "1");
    assert!(
        reply.body.starts_with("ingestion rate limit exceeded for user fake (limit: 1 bytes/sec)"),
        "{}",
        reply.body
    );
    assert_eq!(server.query_range("{job=\"r\"}"), ["0123456789"]);
}

#[test]
fn a_full_disk_answers_503_and_stores_nothing() {
    let server = TestServer::start_with(|config| config.store.retention.disk_free_bytes_min = u64::MAX);
    wait_until("the store has looked at the disk", || push_lines(&server, "{job=\"probe\"}", &["x"]).status == 503);
    let reply = push_lines(&server, "{job=\"full\"}", &["does not fit"]).expect(503);
    assert_eq!(reply.header("retry-after"), "60");
    assert!(reply.body.starts_with("the disk is nearly full: "), "{}", reply.body);
    assert_eq!(server.query_range("{job=\"full\"}"), Vec::<String>::new());
}

#[test]
fn long_lines_are_cut_where_the_operator_wants_it() {
    let limits = Limits { line_bytes_max: 10, long_lines: LongLines::Truncate, ..Limits::default() };
    let server = TestServer::start_with(|config| config.ingest = limits);
    push_lines(&server, "{job=\"cut\"}", &["한글 로그 한 줄", "short"]).expect(204);
    let mut lines = server.query_range("{job=\"cut\"}");
    lines.sort_unstable();
    assert_eq!(lines, ["short", "한글 로"]);
}
