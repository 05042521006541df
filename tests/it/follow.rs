//! `logcafe query --tail`: a terminal that follows.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::harness::{Client, ProcessServer, logcafe, metric, now_nanos, wait_until};

const WEB: &str = r#"{app="web"}"#;
const WEB_LABELS: [(&str, &str); 1] = [("app", "web")];
const PATIENCE: Duration = Duration::from_secs(20);

/// The command while it runs; killed when dropped.
struct Terminal {
    child: Child,
    printed: Receiver<String>,
    told: Receiver<String>,
}

impl Terminal {
    fn start(folder: &Path, server: &Client, arguments: &[&str]) -> Terminal {
        let mut terminal = Terminal::start_unread(folder, server, arguments);
        terminal.read();
        terminal
    }

    /// Prints to a pipe that nobody reads, until `read`.
    fn start_unread(folder: &Path, server: &Client, arguments: &[&str]) -> Terminal {
        let mut command = logcafe(folder);
        let token = server.authorization.as_deref().and_then(|value| value.strip_prefix("Bearer ")).expect("a token");
        command.args(["query", "--tail", "--addr", &server.base, "--token", token]).args(arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs");
        let told = lines_of(child.stderr.take().expect("a pipe"));
        Terminal { child, printed: channel().1, told }
    }

    fn read(&mut self) {
        self.printed = lines_of(self.child.stdout.take().expect("a pipe"));
    }

    #[track_caller]
    fn next(&self) -> String {
        self.printed.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{:?}", self.told.try_iter().collect::<Vec<_>>()))
    }

    #[track_caller]
    fn lines(&self, count: usize) -> Vec<String> {
        (0..count).map(|_| self.next()).collect()
    }

    fn signal(&mut self, signal: rustix::process::Signal) -> ExitStatus {
        let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw).expect("a pid");
        rustix::process::kill_process(pid, signal).expect("the process lives");
        self.child.wait().expect("it ends")
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines_of(pipe: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        BufReader::new(pipe).lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
    });
    receiver
}

#[test]
fn a_terminal_shows_the_newest_lines_and_then_each_new_one_until_it_is_interrupted() {
    let folder = tempfile::tempdir().unwrap();
    let server = ProcessServer::start(folder.path(), &[]);
    let lines: Vec<String> = (0..20).map(|n| format!("line {n}")).collect();
    server.push_json(&WEB_LABELS, &lines.iter().map(String::as_str).collect::<Vec<_>>()).expect(204);
    let mut terminal = Terminal::start(folder.path(), &server, &[WEB, "-o", "raw"]);
    assert_eq!(terminal.lines(10), lines[10..]);
    for n in 0..3 {
        let line = format!("new {n}");
        server.push_json(&WEB_LABELS, &[&line]).expect(204);
        assert_eq!(terminal.next(), line);
    }
    let status = terminal.signal(rustix::process::Signal::INT);
    assert!(status.success(), "{status}");
    assert_eq!(terminal.told.iter().collect::<Vec<_>>(), Vec::<String>::new());
    assert_eq!(terminal.printed.iter().count(), 0);
}

#[test]
fn the_formats_are_those_of_a_query() {
    let folder = tempfile::tempdir().unwrap();
    let server = ProcessServer::start(folder.path(), &[]);
    let text = Terminal::start(folder.path(), &server, &[r#"{app="web"} | logfmt | status >= 500"#]);
    let json = Terminal::start(folder.path(), &server, &[WEB, "-o", "jsonl", "--limit", "0"]);
    server.push_json(&WEB_LABELS, &["status=200 a", "status=503 b\x1b[31m"]).expect(204);
    let line = text.next();
    assert!(line.ends_with(r#" {app="web", status="503"} status=503 b\u{1b}[31m"#), "{line}");
    assert!(!line.contains('\x1b'), "{line:?}");
    let object: serde_json::Value = serde_json::from_str(&json.next()).unwrap();
    assert_eq!((&object["line"], &object["labels"]["app"]), (&"status=200 a".into(), &"web".into()));
}

#[test]
fn a_restart_of_the_server_loses_no_line_and_prints_none_twice() {
    let folder = tempfile::tempdir().unwrap();
    let server = ProcessServer::start(folder.path(), &[]);
    let address = server.base.strip_prefix("http://").unwrap().to_owned();
    server.push_json(&WEB_LABELS, &["before"]).expect(204);
    let terminal = Terminal::start(folder.path(), &server, &[WEB, "-o", "raw"]);
    assert_eq!(terminal.next(), "before");
    server.push_json(&WEB_LABELS, &["live"]).expect(204);
    assert_eq!(terminal.next(), "live");
    // killed, so that it says nothing; the lines of the gap are there before the terminal is back
    let reader = server.authorization.clone();
    server.kill();
    let told = terminal.told.recv_timeout(PATIENCE).expect("it says so");
    assert!(told.contains("the connection broke off") && told.contains("trying again in 0.5 s"), "{told}");
    let mut command = logcafe(folder.path());
    command.args(["serve", "--listen", &address]);
    let mut server = ProcessServer::spawn_without_credentials(command, folder.path());
    server.client.authorization = reader;
    server.client.push_authorization = Some(push_token(folder.path()));
    let now = now_nanos();
    let gap: Vec<String> = (0..1500).map(|n| format!("gap {n}")).collect();
    let stamped: Vec<(i64, &str)> = gap.iter().zip(0..).map(|(line, n)| (now + n / 3, line.as_str())).collect();
    server.push_json_at(&WEB_LABELS, &stamped).expect(204);
    // late by its own time
    server.push_json_at(&WEB_LABELS, &[(now - 5_000_000_000, "late")]).expect(204);
    let mut seen = terminal.lines(1501);
    seen.sort();
    let mut wanted: Vec<String> = gap.iter().cloned().chain(["late".to_owned()]).collect();
    wanted.sort();
    assert_eq!(seen, wanted);
    server.push_json(&WEB_LABELS, &["after"]).expect(204);
    assert_eq!(terminal.next(), "after");
    let back = terminal.told.iter().find(|line| line.contains("connected again"));
    assert!(back.is_some());
}

fn push_token(folder: &Path) -> String {
    let output = logcafe(folder).args(["token", "add", "agent", "--scope", "push"]).output().expect("it runs");
    format!("Bearer {}", String::from_utf8(output.stdout).expect("text").trim())
}

#[test]
fn a_slow_reader_gets_every_line_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let server = ProcessServer::start(folder.path(), &[]);
    let mut terminal = Terminal::start_unread(folder.path(), &server, &[WEB, "-o", "raw"]);
    wait_until("it follows", || metric(&server, "logcafe_tails") == 1);
    let long = "x".repeat(60 << 10);
    let mut pushed = Vec::new();
    while metric(&server, "logcafe_tail_lines_dropped_total") == 0 {
        let lines: Vec<String> = (0..20).map(|n| format!("{} {long}", pushed.len() + n)).collect();
        server.push_json(&WEB_LABELS, &lines.iter().map(String::as_str).collect::<Vec<_>>()).expect(204);
        pushed.extend(lines);
        assert!(pushed.len() < 2000, "nothing holds a hundred megabytes for a slow client");
    }
    terminal.read();
    let mut seen = terminal.lines(pushed.len());
    let number = |line: &String| line.split(' ').next().and_then(|number| number.parse::<usize>().ok());
    seen.sort_by_key(number);
    assert!(seen == pushed, "{:?}", seen.iter().map(number).collect::<Vec<_>>());
    server.push_json(&WEB_LABELS, &["and on"]).expect(204);
    assert_eq!(terminal.next(), "and on");
    let told = terminal.told.recv_timeout(PATIENCE).expect("it says so");
    assert!(told.contains("faster than they were read"), "{told}");
}

#[test]
fn what_cannot_be_followed_ends_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let server = ProcessServer::start(folder.path(), &[]);
    let complaint = |server: &Client, arguments: &[&str]| {
        let mut terminal = Terminal::start(folder.path(), server, arguments);
        let status = terminal.child.wait().unwrap();
        assert!(!status.success());
        terminal.told.iter().collect::<Vec<_>>().join("\n")
    };
    let wrong = complaint(&server, &["{app=\"web\"} |= oops"]);
    assert!(wrong.contains("\n  {app=\"web\"} |= oops\n                 ^"), "{wrong}");
    let metric = complaint(&server, &["count_over_time({app=\"web\"}[1m])"]);
    assert!(metric.contains("only log queries can be followed"), "{metric}");
    let revoked = server.with_token("lc_made-up");
    assert!(complaint(&revoked, &[WEB]).contains("logcafe token add NAME --scope read"));
    let nowhere = Client { base: "http://127.0.0.1:9".to_owned(), ..(*server).clone() };
    for limit in ["0", "5"] {
        assert!(complaint(&nowhere, &[WEB, "--limit", limit]).contains("cannot reach http://127.0.0.1:9"));
    }
}

#[test]
fn a_reader_that_has_seen_enough_ends_it_quietly() {
    let folder = tempfile::tempdir().unwrap();
    let server = ProcessServer::start(folder.path(), &[]);
    let mut command = logcafe(folder.path());
    let token = server.authorization.as_deref().and_then(|value| value.strip_prefix("Bearer ")).unwrap();
    command.args(["query", "-f", WEB, "-o", "raw", "--addr", &server.base, "--token", token]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let mut status = None;
    wait_until("the end after a line that nobody reads", || {
        server.push_json(&WEB_LABELS, &[&format!("line {}", now_nanos())]).expect(204);
        status = child.try_wait().unwrap();
        status.is_some()
    });
    let complaint = std::io::read_to_string(child.stderr.take().unwrap()).unwrap();
    assert_eq!(complaint, "");
    assert!(status.is_some_and(|status| status.success()));
}
