//! Starting, settings, stopping.

use std::time::Duration;

use crate::harness::{ProcessServer, TestServer, logcafe};

#[test]
fn a_started_server_is_ready() {
    let server = TestServer::start();
    assert_eq!(server.get("/ready").expect(200).body, "ready\n");
}

#[test]
fn sigterm_ends_it_cleanly_within_five_seconds() {
    let folder = tempfile::tempdir().unwrap();
    let server = ProcessServer::start(folder.path(), &[]);
    server.get("/ready").expect(200);
    let (status, took) = server.terminate();
    assert!(status.success(), "{status}");
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn an_unknown_key_in_the_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("logcafe.toml"), "listen = \"127.0.0.1:0\"\nretention-agee = \"3d\"\n").unwrap();
    let output = logcafe(folder.path()).arg("serve").output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success());
    assert!(message.contains("retention-agee") && message.contains("line 2"), "{message}");
}

#[test]
fn machines_and_people_are_told_in_their_own_way_what_is_not_there() {
    let server = TestServer::start();
    assert_eq!(server.get("/loki/api/v1/nonsense").expect(404).body, "404 page not found\n");
    assert!(server.get("/nonsense").expect(404).header("content-type").starts_with("text/html"));
}

#[test]
fn metrics_count_requests_and_entries() {
    let server = TestServer::start();
    server.push_json(&[("app", "a")], &["one", "two"]).expect(204);
    let metrics = server.get("/metrics").expect(200);
    assert!(metrics.header("content-type").starts_with("application/openmetrics-text"));
    let pushed = "logcafe_http_requests_total{method=\"POST\",route=\"/loki/api/v1/push\",status=\"204\"} 1\n";
    assert!(metrics.body.contains(pushed), "{}", metrics.body);
    assert!(metrics.body.contains("logcafe_ingest_entries_total 2\n"), "{}", metrics.body);
}

#[test]
fn flags_win_over_variables_over_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = "listen = \"127.0.0.1:0\"\ndata = \"from-file\"\nquery-timeout = \"5s\"\npush-body = 1000\n";
    std::fs::write(folder.path().join("logcafe.toml"), file).unwrap();
    let printed = |variable: Option<&str>, flag: Option<&str>| {
        let mut command = logcafe(folder.path());
        command.args(["serve", "--print-config"]);
        command.envs(variable.map(|value| ("LOGCAFE_DATA", value)));
        command.args(flag.map(|value| ["--data", value]).into_iter().flatten());
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    let data = |text: &str| text.lines().find(|line| line.starts_with("data = ")).unwrap().to_owned();
    assert_eq!(data(&printed(None, None)), "data = \"from-file\"");
    assert_eq!(data(&printed(Some("from-env"), None)), "data = \"from-env\"");
    assert_eq!(data(&printed(Some("from-env"), Some("from-flag"))), "data = \"from-flag\"");
    let whole = printed(None, None);
    assert!(whole.contains("query-timeout = \"5s\"") && whole.contains("push-body = \"1KB\""), "{whole}");
    std::fs::write(folder.path().join("again.toml"), &whole).unwrap();
    let again = logcafe(folder.path()).args(["serve", "--config", "again.toml", "--print-config"]).output().unwrap();
    assert_eq!(String::from_utf8(again.stdout).unwrap(), whole, "what is printed can be read");
}
