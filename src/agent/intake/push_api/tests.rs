//! Tests of what others push, from the request to the spool.

use std::io::Write as _;

use http::Request;
use tower::ServiceExt as _;

use crate::agent::Config;
use crate::agent::config::Variables;
use crate::agent::files::bell::Bell;
use crate::agent::files::status::Status;
use crate::agent::intake::push_api::*;
use crate::agent::positions::{self, Positions};
use crate::agent::source::{Progress, Source};
use crate::agent::spool::{SpoolOptions, Spools};
use crate::ingest::protobuf;
use crate::model::{Entry, StreamEntries};

struct Rig {
    router: Router,
    spools: Spools,
    reading: Box<dyn Source>,
    _folder: tempfile::TempDir,
}

/// A job with these keys besides the server.
fn rig(keys: &str, spool_bytes_max: u64) -> Rig {
    let text = format!("scrape_configs:\n- job_name: push\n{keys}\n");
    let config = Config::parse("test", &text, Variables::Keep).unwrap_or_else(|problem| panic!("{problem}"));
    let scrape = &config.scrape_configs[0];
    let settings = scrape.loki_push_api.as_ref().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("positions.yaml");
    let options = positions::Options { path, sync_period: Duration::ZERO, ignore_invalid_yaml: false };
    let (bell, metrics) = (Arc::<Bell>::default(), Arc::default());
    let positions = Arc::new(Positions::open(options).unwrap());
    let options = SpoolOptions::new(folder.path().join("spool"), spool_bytes_max);
    let spools = Spools::open(options, &bell, &positions, &Status::default(), &metrics).unwrap();
    let spool = spools.begin("push", 0, &settings.labels).unwrap();
    let reading = bell.wait(Duration::ZERO).others.remove(0).reading;
    let api = Api::new(scrape, settings, spool, &metrics);
    Rig { router: router(&settings.server.http_path_prefix, Arc::new(api)), spools, reading, _folder: folder }
}

impl Rig {
    async fn post(&self, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> (u16, String) {
        let mut request = Request::post(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.router.clone().oneshot(request.body(body.into()).unwrap()).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    /// Labels, tenant, line and metadata of what came, with its time where it is an old one.
    fn read(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        let each = &mut |record: crate::agent::source::Record<'_>| {
            let tenant = record.tenant.map(|tenant| format!(" @{tenant}")).unwrap_or_default();
            let timestamp = record.timestamp.unwrap().nanos();
            let time = if timestamp < 1_000_000 { format!(" {timestamp}") } else { String::new() };
            let structured =
                if record.structured.is_empty() { String::new() } else { format!(" {:?}", record.structured) };
            lines.push(format!("{}{tenant}{time} {}{structured}", record.labels.unwrap(), record.line));
        };
        while self.reading.read(each).unwrap() == Progress::More {}
        lines
    }
}

const JSON: (&str, &str) = ("content-type", "application/json");

fn message() -> Vec<u8> {
    let entry = |nanos, line: &'static str, metadata: Labels| Entry {
        timestamp: Timestamp::from_nanos(nanos),
        line: line.into(),
        metadata,
    };
    let one = StreamEntries {
        labels: Labels::from([("app", "a"), ("drop", "no")]),
        entries: vec![entry(5, "first", Labels::default()), entry(6, "second", Labels::from([("trace", "x")]))],
    };
    let two =
        StreamEntries { labels: Labels::from([("drop", "yes")]), entries: vec![entry(7, "third", Labels::default())] };
    snap::raw::Encoder::new().compress_vec(&protobuf::encode(&[one, two])).unwrap()
}

const RULES: &str = "  loki_push_api:\n    use_incoming_timestamp: true\n    labels: {from: agent}\n  relabel_configs:\n  \
                     - {source_labels: [drop], regex: 'yes', action: drop}\n  \
                     - {source_labels: [app], target_label: service}\n  - {regex: drop, action: labeldrop}";

#[tokio::test]
async fn what_is_pushed_is_relabelled_and_kept_whatever_its_shape() {
    let mut rig = rig(RULES, 1 << 20);
    let protobuf = [("content-type", "application/x-protobuf"), ("X-Scope-OrgID", "t1")];
    assert_eq!(rig.post("/loki/api/v1/push", &protobuf, message()).await, (204, String::new()));
    let labels = r#"{app="a", from="agent", service="a"}"#;
    assert_eq!(rig.read(), [format!("{labels} @t1 5 first"), format!("{labels} @t1 6 second [(\"trace\", \"x\")]")]);
    let body = r#"{"streams":[{"stream":{"app":"b"},"values":[["8","fourth",{"k":"v"}]]}]}"#;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(body.as_bytes()).unwrap();
    let headers = [JSON, ("content-encoding", "gzip")];
    assert_eq!(rig.post("/loki/api/v1/push", &headers, gzip.finish().unwrap()).await.0, 204);
    assert_eq!(rig.read(), [r#"{app="b", from="agent", service="b"} 8 fourth [("k", "v")]"#]);
    let body =
        r#"{"streams":[{"labels":"{app=\"c\"}","entries":[{"ts":"1970-01-01T00:00:00.000000009Z","line":"fifth"}]}]}"#;
    assert_eq!(rig.post("/api/prom/push", &[JSON], body).await.0, 204);
    assert_eq!(rig.read(), [r#"{app="c", from="agent", service="c"} 9 fifth"#]);
}

#[tokio::test]
async fn times_are_given_unless_those_that_come_are_wanted() {
    let mut rig = rig("  loki_push_api:\n    server: {http_path_prefix: /in/}", 1 << 20);
    assert_eq!(rig.post("/in/loki/api/v1/push", &[], message()).await.0, 400, "without a content type");
    let protobuf = [("content-type", "application/x-protobuf")];
    assert_eq!(rig.post("/in/loki/api/v1/push", &protobuf, message()).await.0, 204);
    assert_eq!(rig.read()[0], r#"{app="a", drop="no"} first"#);
    assert_eq!(rig.post("/loki/api/v1/push", &protobuf, message()).await.0, 404);
}

#[tokio::test]
async fn lines_of_text_get_the_labels_of_the_job() {
    let mut rig = rig("  loki_push_api:\n    labels: {from: agent}", 1 << 20);
    let status = rig.post("/promtail/api/v1/raw", &[("X-Scope-OrgID", "t2")], "one\r\n\ntwo \nthree").await.0;
    assert_eq!(status, 204);
    assert_eq!(rig.read(), [r#"{from="agent"} @t2 one"#, r#"{from="agent"} @t2 two "#, r#"{from="agent"} @t2 three"#]);
}

#[tokio::test]
async fn a_body_that_is_wrong_is_refused_whole_and_says_why() {
    let mut rig = rig("  loki_push_api: {}", 1 << 20);
    let good = r#"{"streams":[{"stream":{"app":"b"},"values":[["8","line"]]},"#;
    for (body, reason) in [
        (format!("{good}{{\"stream\":{{\"b-d\":\"x\"}},\"values\":[[\"8\",\"x\"]]}}]}}"), "couldn't parse labels"),
        (format!("{good}{{\"stream\":{{\"b\":\"x\"}},\"values\":[[8,\"x\"]]}}]}}"), "expected"),
        (good.to_owned(), "EOF"),
        ("{}".to_owned(), "at least one valid stream"),
    ] {
        let (status, text) = rig.post("/loki/api/v1/push", &[JSON], body.clone()).await;
        assert!(status == 400 && text.contains(reason), "{body}: {status} {text}");
    }
    let (status, text) = rig.post("/loki/api/v1/push", &[("content-type", "x/y")], "no snappy").await;
    assert!(status == 400 && text.contains("snappy"), "{text}");
    let (status, _) = rig.post("/loki/api/v1/push", &[JSON], vec![b' '; (16 << 20) + 1]).await;
    assert_eq!(status, 413);
    assert_eq!(rig.read(), [""; 0], "nothing of them was kept");
}

#[tokio::test]
async fn a_full_spool_is_told_so_that_the_sender_keeps_its_lines() {
    let rig = rig("  loki_push_api: {}", 64 << 10);
    let line = "x".repeat(10_000);
    let mut taken = 0;
    let (status, text) = loop {
        let answer = rig.post("/promtail/api/v1/raw", &[], line.clone()).await;
        if answer.0 != 204 {
            break answer;
        }
        taken += 1;
        assert!(taken < 20, "bounded");
    };
    assert_eq!(status, 429);
    assert!(text.contains("full") && taken >= 4 && rig.spools.bytes() <= 64 << 10, "{taken} {text}");
}

#[tokio::test]
async fn an_address_that_is_taken_is_an_error_at_the_start() {
    let server = Server { http_listen_address: "127.0.0.1".into(), http_listen_port: 0, ..Server::default() };
    let first = listen(&server).unwrap();
    let taken = Server { http_listen_port: first.local_addr().unwrap().port(), ..server };
    let error = format!("{:#}", listen(&taken).unwrap_err());
    assert!(error.contains("cannot listen on 127.0.0.1") && error.contains("http_listen_port"), "{error}");
}
