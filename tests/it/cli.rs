//! The commands that people type.

use std::io::Write;
use std::path::Path;
use std::process::{Output, Stdio};

use crate::harness::{ProcessServer, logcafe};

/// Runs a command to its end, with `input` on standard input.
fn run(folder: &Path, arguments: &[&str], input: &str) -> Output {
    let mut command = logcafe(folder);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary runs");
    // a command that fails early does not read its input
    let _ = child.stdin.take().expect("a pipe").write_all(input.as_bytes());
    child.wait_with_output().expect("it ends")
}

/// Runs a command that must succeed; what it printed.
#[track_caller]
fn printed(folder: &Path, arguments: &[&str], input: &str) -> String {
    let output = run(folder, arguments, input);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// Runs a command that must fail; what it complained of.
#[track_caller]
fn complaint(folder: &Path, arguments: &[&str], input: &str) -> String {
    let output = run(folder, arguments, input);
    assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr).expect("text")
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
fn a_query_prints_the_newest_lines_or_all_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let server = ProcessServer::start(folder.path(), &[]);
    let token = printed(folder.path(), &["token", "add", "terminal", "--scope", "read"], "");
    let lines: Vec<String> = (0..2500).map(|n| format!("line {n}")).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    server.push_json(&[("app", "web")], &lines).expect(204);
    let ask = |arguments: &[&str]| {
        let mut all = vec!["query", "{app=\"web\"}", "--addr", &server.base, "--token", token.trim(), "--to", "now+1m"];
        all.extend(arguments);
        printed(folder.path(), &all, "")
    };
    assert_eq!(ask(&["-o", "raw", "--limit", "2"]), "line 2498\nline 2499\n");
    assert_eq!(ask(&["-o", "raw", "--limit", "0"]).lines().collect::<Vec<_>>(), lines);
    assert_eq!(ask(&["-o", "raw", "--limit", "1500"]).lines().collect::<Vec<_>>(), lines[1000..]);
    let text = ask(&["--limit", "1"]);
    assert!(text.ends_with(" {app=\"web\"} line 2499\n"), "{text:?}");
    let json: serde_json::Value = serde_json::from_str(&ask(&["--limit", "1", "-o", "jsonl"])).unwrap();
    assert_eq!((&json["line"], &json["labels"]["app"]), (&"line 2499".into(), &"web".into()));
}

#[test]
fn a_count_is_printed_as_series_and_an_error_at_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let server = ProcessServer::start(folder.path(), &[]);
    let token = printed(folder.path(), &["token", "add", "terminal", "--scope", "read"], "");
    server.push_json(&[("app", "web")], &["a", "b"]).expect(204);
    let ask = |query: &str| {
        run(folder.path(), &["query", query, "--addr", &server.base, "--token", token.trim(), "--to", "now+1m"], "")
    };
    let counted = ask("sum by (app) (count_over_time({app=\"web\"}[1h]))");
    let counted = String::from_utf8(counted.stdout).unwrap();
    assert!(counted.starts_with("{app=\"web\"}\n  ") && counted.ends_with(" 2\n"), "{counted}");
    let wrong = ask("{app=\"web\"} |= oops");
    assert!(!wrong.status.success());
    let wrong = String::from_utf8(wrong.stderr).unwrap();
    assert!(wrong.contains("\n  {app=\"web\"} |= oops\n                 ^\n"), "{wrong}");
    let anonymous = complaint(folder.path(), &["query", "{app=\"web\"}", "--addr", &server.base], "");
    assert!(anonymous.contains("logcafe token add NAME --scope read"), "{anonymous}");
}

#[test]
fn the_demo_shows_lines_at_the_address_that_it_prints() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = logcafe(folder.path());
    command.args(["demo", "--listen", "127.0.0.1:0"]).env("TMPDIR", folder.path());
    let server = ProcessServer::spawn_without_credentials(command, folder.path());
    let told = server.next_line();
    let (_, login) = told.split_once("Sign in as ").expect("a login");
    let (name, password) = login.split_once(" with the password ").expect("a password");
    let demo = server.with_basic(name, password);
    for (query, part) in [
        ("{app=\"checkout\"} |= \"Caused by\"", "OrderController"),
        ("{app=\"shop\"} |= \"결제\"", "주문번호"),
        ("{app=\"nginx\"}", "HTTP/2.0"),
    ] {
        let lines = demo.query_range(query);
        assert!(lines.iter().any(|line| line.contains(part)), "{query} {lines:?}");
    }
    let (status, _) = server.terminate();
    assert!(status.success(), "{status}");
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 0, "the demo removes its folder");
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
