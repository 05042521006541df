//! Live lines as a browser hears them: server-sent events over one connection that stays open.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, SystemTime};

use logcafe::db::sessions;
use logcafe::db::users::{self, Role};
use logcafe::model::Timestamp;
use serde_json::Value;

use crate::browser::Browser;
use crate::harness::{TestServer, now_nanos};

/// A stream of events, read as it comes.
struct Events {
    reader: BufReader<TcpStream>,
    head: String,
}

impl Events {
    fn open(server: &TestServer, path: &str, headers: &str) -> Events {
        let host = server.base.trim_start_matches("http://");
        let mut socket = TcpStream::connect(host).expect("a connection");
        socket.set_read_timeout(Some(Duration::from_secs(20))).expect("a bound");
        let accepts = "Accept: text/event-stream\r\nAccept-Encoding: gzip, br";
        write!(socket, "GET {path} HTTP/1.1\r\nHost: {host}\r\n{accepts}\r\n{headers}\r\n").expect("a request");
        let mut reader = BufReader::new(socket);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(reader.read_line(&mut head).expect("the head") > 0, "{head}");
        }
        Events { reader, head: head.to_lowercase() }
    }

    /// The next event of this name: its id and data.
    fn next(&mut self, name: &str) -> (String, Value) {
        let (mut event, mut id) = (String::new(), String::new());
        loop {
            let mut line = String::new();
            assert!(self.reader.read_line(&mut line).expect("a line in time") > 0, "the stream ended before {name}");
            if let Some(text) = line.strip_prefix("event: ") {
                event = text.trim().to_owned();
            } else if let Some(text) = line.strip_prefix("id: ") {
                id = text.trim().to_owned();
            } else if let Some(data) = line.strip_prefix("data: ")
                && event == name
            {
                return (id, serde_json::from_str(data).expect("JSON"));
            }
        }
    }

    /// The texts of the rows of the next news that has any.
    fn rows(&mut self) -> (String, String) {
        loop {
            let (id, news) = self.next("news");
            let rows = news["rows"].as_array().expect("rows");
            if !rows.is_empty() {
                return (id, rows.iter().filter_map(|row| row[2].as_str()).collect());
            }
        }
    }

    /// Whether it ends by itself.
    fn ends(mut self) -> bool {
        self.reader.read_to_end(&mut Vec::new()).is_ok()
    }
}

fn cookie(browser: &Browser) -> String {
    format!("Cookie: logcafe={}\r\n", browser.cookie("logcafe").expect("a session"))
}

const PATH: &str = "/explore/live?query=%7Bapp%3D%22a%22%7D+%7C%3D+%22tea%22";

#[test]
fn new_lines_come_uncompressed_and_who_comes_back_gets_what_was_missed() {
    let server = TestServer::start();
    let ann = Browser::signed_in(&server, "ann", Role::Reader);
    let after = format!("{PATH}&after={}", now_nanos());
    let mut events = Events::open(&server, &after, &cookie(&ann));
    for header in ["content-type: text/event-stream", "x-accel-buffering: no", "no-transform"] {
        assert!(events.head.contains(header), "{}", events.head);
    }
    assert!(events.head.starts_with("http/1.1 200") && !events.head.contains("content-encoding"), "{}", events.head);
    server.push_json(&[("app", "a")], &["green tea", "coffee"]).expect(204);
    let (id, rows) = events.rows();
    assert!(rows.contains("green ") && !rows.contains("coffee"), "{rows}");
    drop(events);
    server.push_json(&[("app", "a")], &["black tea"]).expect(204);
    let mut again = Events::open(&server, PATH, &format!("{}Last-Event-ID: {id}\r\n", cookie(&ann)));
    assert!(again.rows().1.contains("black "));
    server.push_json(&[("app", "a")], &["white tea"]).expect(204);
    assert!(again.rows().1.contains("white "));
    drop(server);
    assert!(again.ends(), "a server that stops lets go of whoever follows");
}

#[test]
fn why_there_is_nothing_to_hear_is_said_in_an_event() {
    let server = TestServer::start();
    let mut stranger = Events::open(&server, PATH, "");
    let (_, data) = stranger.next("ended");
    assert_eq!(data["why"], "you are signed out");
    assert!(data["login"].as_str().expect("a way in").starts_with("/login?next=%2Fexplore%3Fquery"), "{data}");
    let ann = Browser::signed_in(&server, "ann", Role::Reader);
    let numbers = "/explore/live?query=count_over_time(%7Bapp%3D%22a%22%7D%5B5m%5D)";
    let (_, data) = Events::open(&server, numbers, &cookie(&ann)).next("ended");
    assert!(data["why"].as_str().expect("a reason").contains("answers numbers"), "{data}");
}

#[test]
fn following_lines_is_no_visit() {
    let server = TestServer::start();
    let now = Timestamp::from(SystemTime::now());
    let user = users::add(&server.db, "ann", "a long password", Role::Reader, now).expect("a user");
    let long_ago = now.plus_nanos(-20 * 86_400_000_000_000);
    let secret = sessions::start(&server.db, user.id, "phone", long_ago).expect("a session");
    let ann = Browser::new(&server);
    ann.set_cookie("logcafe", secret.reveal());
    let seen = || sessions::list(&server.db, user.id, now).expect("sessions")[0].seen_at.secs_f64();
    let before = seen();
    Events::open(&server, PATH, &cookie(&ann)).next("news");
    let live = "/explore?query=&live=1";
    let referer = format!("{}{live}", server.base);
    ann.get_with(live, &[("referer", &referer)]).expect(200);
    assert!((seen() - before).abs() < 1.0, "neither the stream nor a page that loads itself again is one");
    ann.get(live).expect(200);
    assert!(seen() - before > 86_400.0, "whoever opens the page is there");
}
