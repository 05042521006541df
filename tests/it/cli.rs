//! The commands that people type.

use std::io::Write;
use std::path::Path;
use std::process::{Output, Stdio};

use crate::harness::{ProcessServer, logcafe};

/// Runs a command to its end, with `input` on standard input.
fn run(folder: &Path, arguments: &[&str], input: &str) -> Output {
    let mut command = logcafe(folder);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// Runs a command that must succeed; what it printed.
#[track_caller]
fn printed(folder: &Path, arguments: &[&str], input: &str) -> String {
    let output = run(folder, arguments, input);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Runs a command that must fail; what it complained of.
#[track_caller]
fn complaint(folder: &Path, arguments: &[&str], input: &str) -> String {
    let output = run(folder, arguments, input);
    assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_token_made_beside_a_running_server_works_until_it_is_revoked() {
    let folder = tempfile::tempdir().unwrap();
    let server = ProcessServer::start(folder.path(), &[]);
    let token = printed(folder.path(), &["token", "add", "grafana", "--scope", "read"], "");
    let token = token.strip_suffix('\n').unwrap();
    assert!(token.starts_with("lc_") && !token.contains(char::is_whitespace), "{token:?}");
    server.with_token(token).get("/metrics").expect(200);
    assert!(printed(folder.path(), &["token", "list"], "").contains("grafana"));
    printed(folder.path(), &["token", "revoke", "grafana"], "");
    server.with_token(token).get("/metrics").expect(401);
}

#[test]
fn a_person_is_added_gets_a_new_password_and_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let server = ProcessServer::start(folder.path(), &[]);
    let password = "correct horse battery";
    printed(folder.path(), &["user", "add", "ann", "--password-stdin"], &format!("{password}\n"));
    assert!(printed(folder.path(), &["user", "list"], "").starts_with("ann "));
    server.with_basic("ann", password).get("/metrics").expect(200);
    printed(folder.path(), &["user", "passwd", "ann", "--password-stdin"], "another password");
    server.with_basic("ann", password).get("/metrics").expect(401);
    server.with_basic("ann", "another password").get("/metrics").expect(200);
    printed(folder.path(), &["user", "remove", "ann"], "");
    server.with_basic("ann", "another password").get("/metrics").expect(401);
}

#[test]
fn mistakes_are_answered_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = complaint(folder.path(), &["user", "list", "--data", "nowhere"], "");
    assert!(nowhere.contains("nowhere") && nowhere.contains("--data"), "{nowhere}");
    std::fs::create_dir(folder.path().join("data")).unwrap();
    let unasked = complaint(folder.path(), &["user", "add", "ann"], "");
    assert!(unasked.contains("--password-stdin"), "{unasked}");
    let short = complaint(folder.path(), &["user", "add", "ann", "--password-stdin"], "short\n");
    assert!(short.contains("at least"), "{short}");
    let unknown = complaint(folder.path(), &["token", "revoke", "nobody"], "");
    assert!(unknown.contains("logcafe token list"), "{unknown}");
    let unreachable = complaint(folder.path(), &["query", "{a=\"b\"}", "--addr", "http://127.0.0.1:9"], "");
    assert!(unreachable.contains("cannot reach http://127.0.0.1:9"), "{unreachable}");
}
