//! A small server that takes pushes, keeps them, and answers as it is told.

use std::collections::{HashMap, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use crate::harness::wait_until;

/// What a push is answered with. Only with a status of 2xx are its lines taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Status(u16),
    /// 429, to be tried again after so many seconds.
    Busy(u32),
    /// 413 for more lines than this, else 204.
    AtMost(usize),
    /// The connection stays open and nothing is said.
    Silence,
    /// The connection is closed.
    Close,
    /// The push is taken, and the connection closed in place of an answer.
    TakeAndClose,
}

/// A line as it was pushed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Line {
    /// As they are written on the wire: `{job="x"}`.
    pub(crate) labels: String,
    pub(crate) nanos: i64,
    pub(crate) text: String,
    pub(crate) structured: Vec<(String, String)>,
}

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Push {
    pub(crate) path: String,
    /// Names are in lower case.
    pub(crate) headers: HashMap<String, String>,
    pub(crate) lines: Vec<Line>,
    pub(crate) is_taken: bool,
}

/// The server. It ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Recorder {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    told: Mutex<Told>,
    is_over: AtomicBool,
}

#[derive(Debug)]
struct Told {
    /// What the next pushes are answered with, and what all that follow.
    next: VecDeque<Answer>,
    then: Answer,
    pushes: Vec<Push>,
}

impl Recorder {
    /// Takes all.
    pub(crate) fn start() -> Recorder {
        Recorder::start_at("127.0.0.1:0".parse().expect("an address"))
    }

    /// The same at an address that an agent knows already.
    pub(crate) fn start_at(address: SocketAddr) -> Recorder {
        let listener = TcpListener::bind(address).expect("a free port");
        let address = listener.local_addr().expect("its address");
        let told = Told { next: VecDeque::new(), then: Answer::Status(204), pushes: Vec::new() };
        let shared = Arc::new(Shared { told: Mutex::new(told), is_over: AtomicBool::new(false) });
        let own = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if own.is_over.load(Ordering::SeqCst) {
                    return;
                }
                let own = Arc::clone(&own);
                std::thread::spawn(move || own.serve(&stream));
            }
        });
        Recorder { address, shared, thread: Some(thread) }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/loki/api/v1/push", self.address)
    }

    /// Answers the next pushes so, and then as before.
    pub(crate) fn answer_next(&self, answers: &[Answer]) {
        self.told().next.extend(answers);
    }

    /// Answers so from now on.
    pub(crate) fn answer(&self, answer: Answer) {
        self.told().then = answer;
    }

    /// All requests so far.
    pub(crate) fn pushes(&self) -> Vec<Push> {
        self.told().pushes.clone()
    }

    pub(crate) fn push_count(&self) -> usize {
        self.told().pushes.len()
    }

    /// The lines that were taken, in the order in which they came.
    pub(crate) fn lines(&self) -> Vec<Line> {
        self.told().pushes.iter().filter(|push| push.is_taken).flat_map(|push| push.lines.clone()).collect()
    }

    /// The same without what came twice: what a store that knows exact duplicates keeps.
    pub(crate) fn lines_once(&self) -> Vec<Line> {
        let mut seen = std::collections::HashSet::new();
        self.lines().into_iter().filter(|line| seen.insert(format!("{line:?}"))).collect()
    }

    pub(crate) fn texts(&self) -> Vec<String> {
        self.lines().into_iter().map(|line| line.text).collect()
    }

    /// Waits until exactly these lines are taken, in this order.
    #[track_caller]
    pub(crate) fn expect(&self, expected: &[&str]) {
        self.wait_for(&format!("{expected:?}"), |recorder| recorder.texts().len() >= expected.len());
        assert_eq!(self.texts(), expected);
    }

    /// Waits until it has seen what is asked for; else says what it has seen.
    #[track_caller]
    pub(crate) fn wait_for(&self, what: &str, is_there: impl Fn(&Recorder) -> bool) {
        let shown = || {
            let told = self.told();
            let short = |push: &Push| {
                let texts = push.lines.iter().take(3).map(|line| line.text.chars().take(60).collect::<String>());
                format!("{} of {} lines: {:?}", push.is_taken, push.lines.len(), texts.collect::<Vec<_>>())
            };
            told.pushes.iter().rev().take(5).map(short).collect::<Vec<_>>()
        };
        let deadline = std::time::Instant::now() + crate::agent::PATIENCE;
        while !is_there(self) {
            assert!(std::time::Instant::now() < deadline, "waited in vain: {what}; the last pushes: {:#?}", shown());
            crate::agent::pause();
        }
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.shared.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        // wakes it
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            let is_ended = thread.join();
            if !std::thread::panicking() {
                assert!(is_ended.is_ok(), "the recorder ends in order");
            }
        }
    }
}

impl Shared {
    fn serve(&self, stream: &TcpStream) {
        let mut reader = BufReader::new(stream);
        while let Some((path, headers, body)) = request(&mut reader) {
            if self.is_over.load(Ordering::SeqCst) {
                return;
            }
            let message = snap::raw::Decoder::new().decompress_vec(&body).expect("snappy");
            let lines = lines_of(&message);
            let answer = {
                let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
                let answer = match told.next.pop_front().unwrap_or(told.then) {
                    Answer::AtMost(count) if lines.len() > count => Answer::Status(413),
                    Answer::AtMost(_) => Answer::Status(204),
                    other => other,
                };
                let is_taken = matches!(answer, Answer::Status(200..300) | Answer::TakeAndClose);
                told.pushes.push(Push { path, headers, lines, is_taken });
                answer
            };
            let written = match answer {
                Answer::Status(status) => say(stream, status, ""),
                Answer::Busy(seconds) => say(stream, 429, &format!("retry-after: {seconds}\r\n")),
                Answer::AtMost(_) => unreachable!("it became a status"),
                Answer::Silence => {
                    wait_until_over(self, stream);
                    return;
                }
                Answer::Close | Answer::TakeAndClose => {
                    // who closes without an answer is gone
                    let _ = stream.shutdown(std::net::Shutdown::Both);
                    return;
                }
            };
            if written.is_err() {
                return;
            }
        }
    }
}

/// Until the other side has enough of it.
fn wait_until_over(shared: &Shared, mut stream: &TcpStream) {
    let mut byte = [0];
    while stream.read(&mut byte).is_ok_and(|count| count > 0) {
        if shared.is_over.load(Ordering::SeqCst) {
            return;
        }
    }
}

fn say(mut stream: &TcpStream, status: u16, headers: &str) -> std::io::Result<()> {
    let body = if status == 204 { "" } else { "as it was told\n" };
    let length = if status == 204 { String::new() } else { format!("content-length: {}\r\n", body.len()) };
    stream.write_all(format!("HTTP/1.1 {status} Told\r\n{length}{headers}\r\n{body}").as_bytes())
}

/// Path, headers and body; nothing at the end of a connection.
fn request(reader: &mut impl BufRead) -> Option<(String, HashMap<String, String>, Vec<u8>)> {
    let mut next = || {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|count| *count > 0).map(|_| line.trim_end().to_owned())
    };
    let path = next()?.split(' ').nth(1)?.to_owned();
    let mut headers = HashMap::new();
    loop {
        let line = next()?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let mut body = vec![0; headers.get("content-length")?.parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    Some((path, headers, body))
}

/// A value of a protobuf message: a number, or bytes.
enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    fn bytes(&self) -> &'a [u8] {
        match self {
            Value::Bytes(bytes) => bytes,
            Value::Number(number) => panic!("{number} where there should be bytes"),
        }
    }

    fn text(&self) -> String {
        String::from_utf8(self.bytes().to_vec()).expect("UTF-8")
    }

    fn number(&self) -> i64 {
        match self {
            Value::Number(number) => i64::try_from(*number).expect("no such time"),
            Value::Bytes(_) => panic!("bytes where there should be a number"),
        }
    }
}

fn varint(rest: &mut &[u8]) -> u64 {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (first, after) = rest.split_first().expect("a whole number");
        *rest = after;
        number |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            break;
        }
    }
    number
}

fn fields(mut rest: &[u8]) -> Vec<(u64, Value<'_>)> {
    let mut found = Vec::new();
    while !rest.is_empty() {
        let key = varint(&mut rest);
        let value = match key & 7 {
            0 => Value::Number(varint(&mut rest)),
            2 => {
                let length = usize::try_from(varint(&mut rest)).expect("a length");
                let (bytes, after) = rest.split_at(length);
                rest = after;
                Value::Bytes(bytes)
            }
            1 => {
                let (bytes, after) = rest.split_at(8);
                rest = after;
                Value::Bytes(bytes)
            }
            other => panic!("a push has no fields of the kind {other}"),
        };
        found.push((key >> 3, value));
    }
    found
}

/// The lines of Loki's `PushRequest`.
pub(crate) fn lines_of(message: &[u8]) -> Vec<Line> {
    let mut lines = Vec::new();
    for (_, stream) in fields(message).iter().filter(|(number, _)| *number == 1) {
        let stream = fields(stream.bytes());
        let labels = stream.iter().find(|(number, _)| *number == 1).map(|(_, value)| value.text()).unwrap_or_default();
        for (_, entry) in stream.iter().filter(|(number, _)| *number == 2) {
            let mut line = Line { labels: labels.clone(), nanos: 0, text: String::new(), structured: Vec::new() };
            for (number, value) in fields(entry.bytes()) {
                match number {
                    1 => {
                        for (part, value) in fields(value.bytes()) {
                            line.nanos += value.number() * if part == 1 { 1_000_000_000 } else { 1 };
                        }
                    }
                    2 => line.text = value.text(),
                    3 => {
                        let pair = fields(value.bytes());
                        let part = |wanted| {
                            let found = pair.iter().find(|(number, _)| *number == wanted);
                            found.map(|(_, value)| value.text()).unwrap_or_default()
                        };
                        line.structured.push((part(1), part(2)));
                    }
                    _ => {}
                }
            }
            lines.push(line);
        }
    }
    lines
}

/// An address where nobody listens.
pub(crate) fn nobody() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address")
}

#[test]
fn it_takes_answers_and_says_what_it_is_told() {
    let recorder = Recorder::start();
    recorder.answer_next(&[Answer::Busy(7), Answer::Status(500)]);
    let client = crate::harness::Client::new(format!("http://{}", recorder.address()));
    // {a="b"} 1 s + 2 ns "hi" [k=v]
    let entry = b"\x12\x12\x0a\x04\x08\x01\x10\x02\x12\x02hi\x1a\x06\x0a\x01k\x12\x01v";
    let stream = [b"\x0a\x07{a=\"b\"}".as_slice(), entry].concat();
    let message = [&[0x0a, u8::try_from(stream.len()).unwrap()], stream.as_slice()].concat();
    let body = snap::raw::Encoder::new().compress_vec(&message).unwrap();
    let push = || client.send(client.request(reqwest::Method::POST, "/loki/api/v1/push").body(body.clone()));
    assert_eq!(push().expect(429).header("retry-after"), "7");
    push().expect(500);
    push().expect(204);
    wait_until("three pushes", || recorder.push_count() == 3);
    let expected = Line {
        labels: "{a=\"b\"}".to_owned(),
        nanos: 1_000_000_002,
        text: "hi".to_owned(),
        structured: vec![("k".to_owned(), "v".to_owned())],
    };
    assert_eq!(recorder.lines(), [expected]);
}
