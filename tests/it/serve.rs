//! Starting, settings, stopping.

use std::io::Write;
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use crate::harness::{ProcessServer, TestServer, logcafe, wait_until};

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
fn what_was_accepted_is_there_after_a_stop_and_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let server = ProcessServer::start(folder.path(), &[]);
    server.push_json(&[("app", "a")], &["before the stop"]).expect(204);
    server.terminate();
    let server = ProcessServer::start(folder.path(), &[]);
    server.push_json(&[("app", "a")], &["before the kill"]).expect(204);
    server.kill();
    let server = ProcessServer::start(folder.path(), &[]);
    assert_eq!(server.query_range("{app=\"a\"}"), ["before the stop", "before the kill"]);
}

#[test]
fn a_request_that_does_not_end_does_not_hold_up_the_stop() {
    let folder = tempfile::tempdir().unwrap();
    let server = ProcessServer::start(folder.path(), &[]);
    let address = server.base.strip_prefix("http://").unwrap();
    let mut slow = TcpStream::connect(address).unwrap();
    slow.write_all(b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nus").unwrap();
    // answered in order: once this is through, the slow one is being waited for
    server.get("/ready").expect(200);
    let (status, took) = server.terminate();
    assert!(status.success(), "{status}");
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn its_own_logs_are_in_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let server = ProcessServer::start(folder.path(), &[]);
    let own = || server.query_range("{job=\"logcafe\"} |= \"ready\"");
    wait_until("the line that says ready", || !own().is_empty());
    assert!(own()[0].starts_with("level=info msg=ready version="), "{:?}", own());
}

#[test]
fn the_setup_address_is_told_until_there_is_an_account() {
    let folder = tempfile::tempdir().unwrap();
    let server = ProcessServer::start(folder.path(), &[]);
    let told = server.next_line();
    let path = told.split_once(&server.base).expect("the address of the setup").1;
    assert!(path.starts_with("/setup?code="), "{told}");
    let page = server.anonymous().get(path).expect(200);
    assert!(page.body.contains("name=\"code\""), "{}", page.body);
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
    assert_eq!(server.get("/nonsense").expect(404).body, "404 page not found\n");
    let browser = server.request(reqwest::Method::GET, "/nonsense").header("accept", "text/html,*/*;q=0.8");
    assert!(server.send(browser).expect(404).header("content-type").starts_with("text/html"));
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

#[test]
fn systemd_is_told_when_it_is_ready() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut command = logcafe(folder.path());
    command.args(["serve", "--listen", "127.0.0.1:0"]).env("NOTIFY_SOCKET", &path);
    let server = ProcessServer::spawn(command, folder.path());
    let mut message = [0; 64];
    let length = socket.recv(&mut message).unwrap();
    assert_eq!(&message[..length], b"READY=1");
    server.terminate();
    let length = socket.recv(&mut message).unwrap();
    assert_eq!(&message[..length], b"STOPPING=1");
}

#[test]
fn a_misspelt_variable_is_named_in_its_log() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = logcafe(folder.path());
    command.args(["serve", "--listen", "127.0.0.1:0"]).env("LOGCAFE_RETENTON_AGE", "30d");
    let server = ProcessServer::spawn(command, folder.path());
    let named = || server.query_range("{job=\"logcafe\"} |= \"variable=LOGCAFE_RETENTON_AGE\"");
    wait_until("the line that names the variable", || named().len() == 1);
}
