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
