//! Following new lines over a WebSocket, and what slow, silent and vanishing clients cost.

use std::collections::BTreeSet;
use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use logcafe::db::tokens;
use logcafe::db::users::Role;
use serde_json::json;

use crate::browser::{Browser, PASSWORD};
use crate::harness::{Client, ProcessServer, TestServer, encode, metric, now_nanos, wait_until};
use crate::websocket::{Tail, lines_of_frame};

const WEB: &str = r#"{app="web"}"#;
const WEB_LABELS: [(&str, &str); 1] = [("app", "web")];

#[test]
fn the_newest_lines_come_first_and_then_each_new_one() {
    let server = TestServer::start();
    server.push_json(&WEB_LABELS, &["one", "two", "three"]).expect(204);
    let mut tail = server.tail(WEB, &[("limit", "2")]);
    assert_eq!(tail.lines(2), ["two", "three"]);
    server.push_json(&[("app", "db")], &["of another stream"]).expect(204);
    server.push_json(&WEB_LABELS, &["four"]).expect(204);
    assert_eq!(tail.lines(1), ["four"]);
    // late ones, equal times, and one that is there already
    let now = now_nanos();
    let old = now - 7 * 24 * 3_600_000_000_000;
    server.push_json_at(&WEB_LABELS, &[(old, "late"), (now, "a"), (now, "b"), (old, "late")]).expect(204);
    assert_eq!(tail.lines(3), ["late", "a", "b"]);
    server.push_json_at(&WEB_LABELS, &[(now, "a"), (now, "c"), (old, "late")]).expect(204);
    assert_eq!(tail.lines(1), ["c"]);
    assert_eq!(metric(&server, "logcafe_tails"), 1);
}

#[test]
fn where_the_backlog_begins_is_told_by_start() {
    let server = TestServer::start();
    let now = now_nanos();
    let hour = 3_600_000_000_000;
    server.push_json_at(&WEB_LABELS, &[(now - 3 * hour, "old"), (now - 2 * hour, "older"), (now, "new")]).expect(204);
    assert_eq!(server.tail(WEB, &[]).lines(1), ["new"], "an hour where nothing is said");
    let start = (now - 2 * hour).to_string();
    assert_eq!(server.tail(WEB, &[("start", &start)]).lines(2), ["older", "new"]);
}

#[test]
fn filters_and_parsers_do_what_they_do_in_queries() {
    let server = TestServer::start();
    let mut tail = server.tail(r#"{app="web"} |= "status" | logfmt | status >= 500 | line_format "{{.path}}""#, &[]);
    server.push_json(&WEB_LABELS, &["status=200 path=/a", "status=503 path=/b", "nothing"]).expect(204);
    server.push_json(&WEB_LABELS, &["status=500 path=/c"]).expect(204);
    assert_eq!(tail.lines(2), ["/b", "/c"]);
}

#[test]
fn labels_come_merged_or_by_their_kinds() {
    let server = TestServer::start();
    let query = r#"{app="web"} | logfmt"#;
    let mut merged = server.tail(query, &[]);
    let flag = ("x-loki-response-encoding-flags", "categorize-labels");
    let mut apart = server.tail_with(query, &[], &[flag]).expect("upgraded");
    let time = now_nanos().to_string();
    let values = json!([[time, "path=/a", {"trace": "t1", "detected_level": "info"}]]);
    server.push_body(&json!({"streams": [{"stream": {"app": "web"}, "values": values}]})).expect(204);
    let stream = json!({"app": "web", "service_name": "web", "detected_level": "info", "trace": "t1", "path": "/a"});
    assert_eq!(merged.frame(), json!({"streams": [{"stream": stream, "values": [[time, "path=/a"]]}]}));
    let kinds = json!({"structuredMetadata": {"detected_level": "info", "trace": "t1"}, "parsed": {"path": "/a"}});
    let stream = json!({"app": "web", "service_name": "web"});
    assert_eq!(
        apart.frame(),
        json!({
            "streams": [{"stream": stream, "values": [[time, "path=/a", kinds]]}],
            "encodingFlags": ["categorize-labels"],
        })
    );
}

#[test]
fn every_line_comes_once_whoever_pushes_while_a_tail_begins() {
    let server = TestServer::start();
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let pushers: Vec<_> = (0..2)
            .map(|pusher| {
                let (server, ended) = (&server, &ended);
                scope.spawn(move || {
                    let mut count = 0;
                    // all of them fit a backlog
                    while !ended.load(Ordering::Relaxed) && count < 2400 {
                        let line = format!("{pusher}-{count}");
                        // late ones among them
                        let time = now_nanos() - i64::from(count % 7) * 1_000_000_000;
                        server.push_json_at(&WEB_LABELS, &[(time, &line), (time, &line)]).expect(204);
                        count += 1;
                    }
                    count
                })
            })
            .collect();
        let mut tails: Vec<(Tail, Vec<String>)> = Vec::new();
        for _ in 0..10 {
            let mut tail = server.tail(WEB, &[("limit", "5000")]);
            let lines = tail.lines(1);
            tails.push((tail, lines));
        }
        ended.store(true, Ordering::Relaxed);
        let counts: Vec<i32> = pushers.into_iter().map(|pusher| pusher.join().expect("no panic")).collect();
        let wanted: BTreeSet<String> = counts
            .iter()
            .enumerate()
            .flat_map(|(pusher, count)| (0..*count).map(move |n| format!("{pusher}-{n}")))
            .collect();
        for (tail, lines) in &mut tails {
            if lines.len() < wanted.len() {
                lines.extend(tail.lines(wanted.len() - lines.len()));
            }
            assert_eq!(lines.len(), wanted.len());
            assert_eq!(lines.iter().cloned().collect::<BTreeSet<_>>(), wanted);
        }
    });
}

#[test]
fn a_delay_brings_the_lines_of_slow_senders_into_order() {
    let server = TestServer::start();
    let mut tail = server.tail(WEB, &[("delay_for", "1")]);
    let now = now_nanos();
    for n in 0..5 {
        server.push_json_at(&WEB_LABELS, &[(now - n * 1_000_000, &format!("{}", 5 - n))]).expect(204);
    }
    assert_eq!(tail.lines(5), ["1", "2", "3", "4", "5"]);
}

#[test]
fn a_client_that_does_not_read_costs_a_bounded_queue_and_is_told_what_it_missed() {
    let server = TestServer::start();
    let mut tail = server.tail(WEB, &[]);
    let line = "x".repeat(100 << 10);
    let mut pushed = 0;
    while metric(&server, "logcafe_tail_lines_dropped_total") == 0 {
        let lines: Vec<String> = (0..20).map(|n| format!("{} {line}", pushed + n)).collect();
        server.push_json(&WEB_LABELS, &lines.iter().map(String::as_str).collect::<Vec<_>>()).expect(204);
        pushed += 20;
        assert!(pushed < 2000, "nothing holds two hundred megabytes for a slow client");
    }
    let (mut seen, mut dropped) = (0, 0);
    let mut listed = Vec::new();
    while seen + dropped < pushed {
        let frame = tail.frame();
        seen += lines_of_frame(&frame).len();
        dropped += frame["dropped_count"].as_u64().unwrap_or(0) as usize;
        listed.extend(frame["dropped_entries"].as_array().into_iter().flatten().cloned());
    }
    assert_eq!(seen + dropped, pushed);
    assert!(dropped > 0 && !listed.is_empty());
    assert_eq!(listed[0]["labels"], json!({"app": "web", "service_name": "web"}));
    let time = listed[0]["timestamp"].as_str().and_then(|text| text.parse::<i64>().ok());
    assert!(time.is_some_and(|time| time > 0), "{listed:?}");
    // and it goes on
    server.push_json(&WEB_LABELS, &["after all"]).expect(204);
    assert_eq!(tail.lines(1), ["after all"]);
}

#[test]
fn what_is_wrong_is_told_before_the_upgrade() {
    let server = TestServer::start();
    let refused = |parameters: &[(&str, &str)], words: &str| {
        let reply = server.get_with("/loki/api/v1/tail", parameters).expect(400);
        assert_eq!(reply.header("content-type"), "text/plain; charset=utf-8");
        assert!(reply.body.contains(words), "{}", reply.body);
    };
    refused(&[("query", "{app=")], "parse error at line 1, col 6: syntax error: unexpected $end, expecting STRING");
    refused(&[("query", "count_over_time({app=\"web\"}[1m])")], "only log queries can be followed");
    refused(&[("query", WEB), ("limit", "0")], "limit must be a positive value");
    refused(&[("query", WEB), ("limit", "5001")], "max entries limit per query exceeded");
    refused(&[("query", WEB), ("start", "yesterday")], "could not parse 'start' parameter");
    refused(&[("query", WEB), ("delay_for", "6")], "delay_for can't be greater than 5");
    refused(&[("query", WEB), ("delay_for", "soon")], "strconv.Atoi: parsing \"soon\": invalid syntax");
    refused(&[("query", r#"{app="web"} | regexp "(?P<x""#)], "parse error");
    refused(&[("query", WEB)], "Connection header");
    let old = server.get_with("/api/prom/tail", &[("query", WEB), ("delay_for", "6")]).expect(400);
    assert_eq!(old.body, "delay_for can't be greater than 5\n");
    server.anonymous().get_with("/loki/api/v1/tail", &[("query", WEB)]).expect(401);
    assert_eq!(server.anonymous().tail_with(WEB, &[], &[]).unwrap_err(), 401);
    assert_eq!(server.tail_with("{app=", &[], &[]).unwrap_err(), 400);
    assert_eq!(metric(&server, "logcafe_tails"), 0);
}

#[test]
fn one_caller_follows_so_many_queries_at_once() {
    let server = TestServer::start_with(|config| config.query.tails_of_user_max = 2);
    let first = server.tail(WEB, &[]);
    let _second = server.tail(WEB, &[]);
    let refused = server.tail(WEB, &[]).end();
    let words = "max concurrent tail requests limit exceeded, count > limit (3 > 2)";
    assert_eq!(refused, (1011, words.to_owned()));
    assert!(first.close(), "a client that takes its leave is answered");
    wait_until("the place of the one that left", || metric(&server, "logcafe_tails") == 1);
    server.push_json(&WEB_LABELS, &["x"]).expect(204);
    assert_eq!(server.tail(WEB, &[]).lines(1), ["x"]);
}

#[test]
fn a_page_of_another_site_may_not_follow_in_a_visitors_name() {
    let server = TestServer::start();
    server.push_json(&WEB_LABELS, &["x"]).expect(204);
    let browser = Browser::signed_in(&server, "ann", Role::Reader);
    let cookie = format!("logcafe={}", browser.cookie("logcafe").expect("a session"));
    let own = server.base.clone();
    let open = |headers: &[(&'static str, &str)]| {
        server.anonymous().tail_with(WEB, &[], headers).map(|mut tail| tail.lines(1))
    };
    let with_cookie = |origin: &str| open(&[("cookie", &cookie), ("origin", origin)]);
    assert_eq!(open(&[("cookie", &cookie)]), Ok(vec!["x".to_owned()]));
    assert_eq!(with_cookie(&own), Ok(vec!["x".to_owned()]));
    for foreign in ["https://evil.example", "http://127.0.0.1:1", "null", "nonsense"] {
        assert_eq!(with_cookie(foreign), Err(403), "{foreign}");
    }
    assert_eq!(open(&[("cookie", "logcafe=made-up"), ("origin", &own)]), Err(401));
    // browsers send passwords by themselves as well, but never tokens
    let basic = server.with_basic("ann", PASSWORD);
    let origin = [("origin", "https://evil.example")];
    assert_eq!(basic.tail_with(WEB, &[], &origin).map(drop), Err(403));
    assert_eq!(basic.tail(WEB, &[]).lines(1), ["x"]);
    assert_eq!(server.tail_with(WEB, &[], &origin).expect("a token").lines(1), ["x"]);
    // elsewhere a cookie is no credential
    let request = server.anonymous().request(reqwest::Method::GET, "/loki/api/v1/labels").header("cookie", &cookie);
    server.send(request).expect(401);
}

#[test]
fn the_public_address_is_no_foreign_one() {
    let server = TestServer::start_with(|config| config.public_url = Some("https://logs.example.org".parse().unwrap()));
    server.push_json(&WEB_LABELS, &["x"]).expect(204);
    let session = Browser::signed_in(&server, "ann", Role::Reader).cookie("logcafe").expect("a session");
    let open = |origin: &str| {
        let headers = [("cookie", &*format!("__Host-logcafe={session}")), ("origin", origin)];
        server.anonymous().tail_with(WEB, &[], &headers).map(drop)
    };
    assert_eq!(open("https://logs.example.org"), Ok(()));
    assert_eq!(open("http://logs.example.org"), Err(403));
}

#[test]
fn a_client_that_vanished_is_noticed() {
    let server = TestServer::start_with(|config| {
        config.tail_pace.ping_every = Duration::from_millis(20);
        config.tail_pace.silence_max = Duration::from_secs(2);
    });
    // it neither reads nor closes
    let _vanished = server.tail(WEB, &[]);
    let mut alive = server.tail(WEB, &[]);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| alive.lines(1));
        wait_until("the end of the one that answers no pings", || metric(&server, "logcafe_tails") == 1);
        server.push_json(&WEB_LABELS, &["x"]).expect(204);
        assert_eq!(reader.join().expect("it is still there"), ["x"]);
    });
}

#[test]
fn a_tail_ends_with_its_token() {
    let server = TestServer::start_with(|config| config.tail_pace.check_every = Duration::from_millis(20));
    let mut tail = server.tail(WEB, &[]);
    server.push_json(&WEB_LABELS, &["x"]).expect(204);
    assert_eq!(tail.lines(1), ["x"]);
    tokens::revoke(&server.db, "test read").unwrap();
    let (code, reason) = tail.end();
    assert_eq!(code, 1008);
    assert!(reason.contains("revoked"), "{reason}");
}

#[test]
fn a_stop_ends_tails_with_a_word() {
    let folder = tempfile::tempdir().unwrap();
    let server = ProcessServer::start(folder.path(), &[]);
    let mut reading = server.tail(WEB, &[]);
    let _not_reading = server.tail(WEB, &[]);
    server.push_json(&WEB_LABELS, &["x"]).expect(204);
    assert_eq!(reading.lines(1), ["x"]);
    let (status, took) = server.terminate_while(|| assert_eq!(reading.end(), (1001, "the server is stopping".into())));
    assert!(status.success(), "{status}");
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn its_own_lines_can_be_followed() {
    let folder = tempfile::tempdir().unwrap();
    let server = ProcessServer::start(folder.path(), &["--retention-age", "30d"]);
    let ready = r#"{job="logcafe"} |= "msg=ready""#;
    wait_until("the line that says ready", || !server.query_range(ready).is_empty());
    let mut tail = server.tail(r#"{job="logcafe"} != "msg=ready""#, &[]);
    // it drops the day of these at its next look
    let year = 365 * 24 * 3_600_000_000_000;
    server.push_json_at(&WEB_LABELS, &[(now_nanos() - year, "old")]).expect(204);
    let frame = tail.frame();
    assert_eq!(frame["streams"][0]["stream"]["job"], "logcafe");
    assert!(lines_of_frame(&frame)[0].contains("dropped a day"), "{frame}");
}

/// Opens a connection, asks for something, and gives it.
fn ask_and_hold(client: &Client, path: &str, parameters: &[(&str, &str)]) -> TcpStream {
    let address = client.base.strip_prefix("http://").expect("plain HTTP");
    let mut stream = TcpStream::connect(address).expect("the server listens");
    let authorization = client.authorization.as_deref().expect("a token");
    let head =
        format!("GET {path}?{} HTTP/1.1\r\nhost: x\r\nauthorization: {authorization}\r\n\r\n", encode(parameters));
    stream.write_all(head.as_bytes()).expect("sent");
    stream
}

#[test]
fn a_query_ends_when_its_client_leaves() {
    let server = TestServer::start_with(|config| {
        config.query.concurrent_max = 1;
        config.query.query_timeout = Duration::from_secs(3600);
    });
    let lines: Vec<String> = (0..5000).map(|n| format!("line {n}")).collect();
    server.push_json(&WEB_LABELS, &lines.iter().map(String::as_str).collect::<Vec<_>>()).expect(204);
    // a million steps of a template for each line: minutes
    let list = ["1"; 100].join(",");
    let template = format!(
        r#"{{{{ $l := fromJson "[{list}]" }}}}{{{{ range $l }}}}{{{{ range $l }}}}{{{{ range $l }}}}x{{{{ end }}}}{{{{ end }}}}{{{{ end }}}}"#
    );
    let slow = format!("{{app=\"web\"}} | line_format `{template}`");
    let client = ask_and_hold(&server, "/loki/api/v1/query_range", &[("query", &slow)]);
    wait_until("the query runs", || metric(&server, "logcafe_queries_running") == 1);
    let second = ask_and_hold(&server, "/loki/api/v1/query_range", &[("query", &slow)]);
    wait_until("another waits", || metric(&server, "logcafe_queries_waiting") == 1);
    drop(second);
    wait_until("it waits no more", || metric(&server, "logcafe_queries_waiting") == 0);
    assert_eq!(metric(&server, "logcafe_queries_running"), 1);
    drop(client);
    wait_until("the turn is free", || metric(&server, "logcafe_queries_running") == 0);
    assert_eq!(server.query_range(r#"{app="web"} |= "line 4999""#), ["line 4999"]);
}

#[test]
fn answers_that_nobody_takes_have_a_bound_together() {
    let server = TestServer::start_with(|config| config.query.answer_bytes_max = 1 << 20);
    let line = "x".repeat(100 << 10);
    let lines: Vec<String> = (0..200).map(|n| format!("{n} {line}")).collect();
    for lines in lines.chunks(20) {
        server.push_json(&WEB_LABELS, &lines.iter().map(String::as_str).collect::<Vec<_>>()).expect(204);
    }
    let ask = [("query", WEB), ("limit", "5000")];
    // twenty megabytes, and far less in the buffers of a socket
    let slow = ask_and_hold(&server, "/loki/api/v1/query_range", &ask);
    wait_until("an answer that waits for its client", || metric(&server, "logcafe_answer_bytes") > 20_000_000);
    wait_until("its turn is over", || metric(&server, "logcafe_queries_running") == 0);
    let refused = server.get_with("/loki/api/v1/query_range", &ask).expect(429);
    assert!(refused.body.contains("raise answer-memory") && refused.body.contains("1 MiB"), "{}", refused.body);
    assert_eq!(refused.header("retry-after"), "1");
    drop(slow);
    wait_until("the memory is free", || metric(&server, "logcafe_answer_bytes") == 0);
    let answer = server.get_with("/loki/api/v1/query_range", &ask).expect(200);
    assert_eq!(crate::harness::lines_of(&answer.json()).len(), 200);
    wait_until("it was taken", || metric(&server, "logcafe_answer_bytes") == 0);
}
