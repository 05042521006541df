//! Servers to test against, and what people and machines do with them.
//!
//! `TestServer` runs in this process and is quick; `ProcessServer` runs the real binary, for signals and crashes.
//! Everything here blocks: tests read from top to bottom.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use logcafe::db::Db;
use logcafe::db::tokens::{self, Scope};
use logcafe::model::Timestamp;
use logcafe::{api, db, ingest, query, server, store};
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// Long enough for a busy machine, short enough for a hanging test to be noticed.
const PATIENCE: Duration = Duration::from_secs(20);

/// What came back for a request.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Reply {
    /// The body as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {} {}", self.status, self.body))
    }

    /// The reply itself, if it has this status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Reply {
        assert_eq!(self.status, status, "{}", self.body);
        self
    }

    /// A header's text, or nothing.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("")
    }
}

/// Sends requests to one server.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) base: String,
    pub(crate) http: reqwest::Client,
    /// The whole `Authorization` header of what is sent by POST to a push address, and of everything else.
    pub(crate) push_authorization: Option<String>,
    pub(crate) authorization: Option<String>,
}

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::new().expect("a runtime"))
}

impl Client {
    pub(crate) fn new(base: impl Into<String>) -> Client {
        // reqwest wants a crypto provider even for plain http; a second installation is refused and does no harm
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(PATIENCE)
            .build()
            .expect("a client");
        Client { base: base.into(), http, push_authorization: None, authorization: None }
    }

    /// The same server, pushed to with one token and read with another, both made for this.
    fn with_tokens_of(self, db: &Db) -> Client {
        let make = |scope: Scope| {
            let name = format!("test {}", scope.as_str());
            match tokens::create(db, &name, scope, Timestamp::from(SystemTime::now())) {
                Ok(secret) => format!("Bearer {}", secret.reveal()),
                Err(error) => panic!("{error}"),
            }
        };
        Client { push_authorization: Some(make(Scope::Push)), authorization: Some(make(Scope::Read)), ..self }
    }

    /// The same server, asked with `Authorization: Bearer token`.
    pub(crate) fn with_token(&self, token: &str) -> Client {
        self.with_authorization(&format!("Bearer {token}"))
    }

    /// The same server, asked with a name and a password (or a name and a token).
    pub(crate) fn with_basic(&self, name: &str, password: &str) -> Client {
        self.with_authorization(&format!("Basic {}", STANDARD.encode(format!("{name}:{password}"))))
    }

    /// The same server, asked with this `Authorization` header.
    pub(crate) fn with_authorization(&self, authorization: &str) -> Client {
        let authorization = Some(authorization.to_owned());
        Client { push_authorization: authorization.clone(), authorization, ..self.clone() }
    }

    /// The same server, asked without credentials.
    pub(crate) fn anonymous(&self) -> Client {
        Client { push_authorization: None, authorization: None, ..self.clone() }
    }

    /// A request to build on; `send` sends it.
    pub(crate) fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        let pushes = path.starts_with("/loki/api/v1/push")
            || path == "/api/prom/push"
            || path == "/v1/logs"
            || path.starts_with("/otlp/");
        let authorization = if pushes { &self.push_authorization } else { &self.authorization };
        let request = self.http.request(method, format!("{}{path}", self.base));
        match authorization {
            Some(authorization) => request.header("authorization", authorization),
            None => request,
        }
    }

    #[track_caller]
    pub(crate) fn send(&self, request: reqwest::RequestBuilder) -> Reply {
        runtime().block_on(async {
            let response = request.send().await.expect("the server answers");
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            let body = response.text().await.expect("a whole body");
            Reply { status, headers, body }
        })
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Reply {
        self.send(self.request(reqwest::Method::GET, path))
    }

    /// GET with parameters, encoded.
    #[track_caller]
    pub(crate) fn get_with(&self, path: &str, parameters: &[(&str, &str)]) -> Reply {
        self.get(&format!("{path}?{}", encode(parameters)))
    }

    /// POST of an HTML form.
    #[track_caller]
    pub(crate) fn post_form(&self, path: &str, fields: &[(&str, &str)]) -> Reply {
        let request = self.request(reqwest::Method::POST, path);
        self.send(request.header("content-type", "application/x-www-form-urlencoded").body(encode(fields)))
    }

    /// Pushes lines of one stream, stamped now and in order, a microsecond apart.
    #[track_caller]
    pub(crate) fn push_json(&self, labels: &[(&str, &str)], lines: &[&str]) -> Reply {
        let now = now_nanos();
        let stamped: Vec<(i64, &str)> = lines.iter().zip(0..).map(|(line, n)| (now + n * 1000, *line)).collect();
        self.push_json_at(labels, &stamped)
    }

    /// Pushes lines of one stream with the given times, in nanoseconds.
    #[track_caller]
    pub(crate) fn push_json_at(&self, labels: &[(&str, &str)], lines: &[(i64, &str)]) -> Reply {
        let stream: serde_json::Map<String, Value> =
            labels.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        let values: Vec<Value> = lines.iter().map(|(time, line)| json!([time.to_string(), line])).collect();
        self.push_body(&json!({"streams": [{"stream": stream, "values": values}]}))
    }

    /// Pushes a whole body.
    #[track_caller]
    pub(crate) fn push_body(&self, body: &Value) -> Reply {
        let request = self.request(reqwest::Method::POST, "/loki/api/v1/push");
        self.send(request.header("content-type", "application/json").body(body.to_string()))
    }

    /// Pushes a whole body to a server that may be gone before it answers: the status, if there was one.
    pub(crate) fn try_push_body(&self, body: &Value) -> Option<u16> {
        let request = self.request(reqwest::Method::POST, "/loki/api/v1/push");
        self.try_send(request.header("content-type", "application/json").body(body.to_string()))
    }

    /// The status, where there is an answer: the server may end meanwhile.
    pub(crate) fn try_send(&self, request: reqwest::RequestBuilder) -> Option<u16> {
        runtime().block_on(async { Some(request.send().await.ok()?.status().as_u16()) })
    }

    /// The lines that a log query over the last hour (and the next minute) finds, oldest first.
    #[track_caller]
    pub(crate) fn query_range(&self, query: &str) -> Vec<String> {
        let (start, end) = (now_nanos() - 3_600_000_000_000, now_nanos() + 60_000_000_000);
        let (start, end) = (start.to_string(), end.to_string());
        let parameters =
            [("query", query), ("start", &start), ("end", &end), ("limit", "5000"), ("direction", "forward")];
        lines_of(&self.get_with("/loki/api/v1/query_range", &parameters).expect(200).json())
    }
}

/// The lines of an answer with streams, by time over all streams.
pub(crate) fn lines_of(answer: &Value) -> Vec<String> {
    let mut lines: Vec<(i64, String)> = Vec::new();
    for stream in answer["data"]["result"].as_array().into_iter().flatten() {
        for value in stream["values"].as_array().into_iter().flatten() {
            let time = value[0].as_str().and_then(|text| text.parse().ok()).expect("a time in nanoseconds");
            lines.push((time, value[1].as_str().expect("a line").to_owned()));
        }
    }
    lines.sort_by_key(|(time, _)| *time);
    lines.into_iter().map(|(_, line)| line).collect()
}

/// `a=1&b=2`, percent-encoded.
pub(crate) fn encode(pairs: &[(&str, &str)]) -> String {
    let escape = |text: &str| -> String {
        text.bytes()
            .map(|byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
                _ => format!("%{byte:02X}"),
            })
            .collect()
    };
    pairs.iter().map(|(name, value)| format!("{}={}", escape(name), escape(value))).collect::<Vec<_>>().join("&")
}

pub(crate) fn now_nanos() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
    i64::try_from(since_epoch.as_nanos()).expect("a clock before 2262")
}

/// The value of a metric without labels.
pub(crate) fn metric(client: &Client, name: &str) -> u64 {
    let text = client.get("/metrics").expect(200).body;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ').map(str::to_owned));
    line.unwrap_or_else(|| panic!("no {name} in {text}")).parse().expect("a number")
}

/// Waits until `done` says yes; fails with `what` when it never does.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::yield_now();
    }
}

/// A server in this process, stopped when dropped.
#[derive(Debug)]
pub(crate) struct TestServer {
    client: Client,
    handle: Option<server::Handle>,
    /// The server's small state, opened a second time as the commands do.
    pub(crate) db: Db,
    /// Gone when this is dropped.
    _folder: TempDir,
}

impl TestServer {
    pub(crate) fn start() -> TestServer {
        TestServer::start_with(|_| {})
    }

    /// Starts with settings changed by `change`.
    pub(crate) fn start_with(change: impl FnOnce(&mut server::Config)) -> TestServer {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut config = config(folder.path());
        change(&mut config);
        let handle = runtime().block_on(server::start(config, None)).expect("the server starts");
        let db = Db::open(&server::db_path(folder.path())).expect("the database opens beside the server");
        let client = Client::new(format!("http://{}", handle.address())).with_tokens_of(&db);
        TestServer { client, handle: Some(handle), db, _folder: folder }
    }
}

/// What a server in a test is set to.
fn config(data: &Path) -> server::Config {
    server::Config {
        listen: "127.0.0.1:0".to_owned(),
        data: data.to_owned(),
        store: store::Config {
            dir: data.join("logs"),
            retention: store::Retention::default(),
            head_bytes_max: 64 << 20,
            wordless_bytes: logcafe::store::WORDLESS_BYTES,
        },
        ingest: ingest::Limits::default(),
        query: query::Limits::default(),
        access: api::Access::default(),
        public_url: None,
        snapshots: true,
        trusted_proxies: db::Proxies::default(),
        tail_pace: api::Pace::default(),
        stop_grace: Duration::from_secs(1),
    }
}

impl std::ops::Deref for TestServer {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        if let Some(handle) = self.handle.take() {
            let stopped = runtime().block_on(handle.stop());
            if !std::thread::panicking() {
                stopped.expect("the server stops cleanly");
            }
        }
    }
}

/// The real binary, killed when dropped. The folder is kept between runs with `restart`.
#[derive(Debug)]
pub(crate) struct ProcessServer {
    child: Child,
    pub(crate) client: Client,
    later: Receiver<String>,
    folder: PathBuf,
}

/// The binary with a clean environment, working in `folder`.
pub(crate) fn logcafe(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_logcafe"));
    command.current_dir(folder).env_clear().env("LANG", "C.UTF-8");
    command
}

impl ProcessServer {
    /// Runs `logcafe serve` in `folder` with its data in `folder/data`, and waits until it is ready.
    pub(crate) fn start(folder: &Path, arguments: &[&str]) -> ProcessServer {
        let mut command = logcafe(folder);
        command.arg("serve").args(arguments);
        if !arguments.contains(&"--listen") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        ProcessServer::spawn(command, folder)
    }

    /// Runs a prepared command, with its data in `folder/data`, and waits until it is ready.
    pub(crate) fn spawn(command: Command, folder: &Path) -> ProcessServer {
        let mut server = ProcessServer::spawn_without_credentials(command, folder);
        let db = Db::open(&server::db_path(&folder.join("data"))).expect("the database opens beside the server");
        for token in tokens::list(&db).expect("a list") {
            tokens::revoke(&db, &token.name).expect("a token of the run before");
        }
        server.client = server.client.clone().with_tokens_of(&db);
        server
    }

    /// Runs a prepared command, which may end before it is ready: then how it ended.
    pub(crate) fn try_spawn(mut command: Command, folder: &Path) -> Result<ProcessServer, ExitStatus> {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the binary runs");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines().map_while(Result::ok);
        let Some(line) = lines.find(|line| line.contains("ready")) else {
            return Err(child.wait().expect("it ends"));
        };
        let base = line.split_whitespace().find(|word| word.starts_with("http://"));
        let client = Client::new(base.expect("an address in the line that says ready"));
        // what is printed later is read all the time, so that the process never blocks on a full pipe
        let (sender, later) = channel();
        std::thread::spawn(move || lines.try_for_each(|line| sender.send(line)));
        Ok(ProcessServer { child, client, later, folder: folder.to_owned() })
    }

    /// Waits until it ends by itself.
    #[track_caller]
    pub(crate) fn ended(mut self) -> ExitStatus {
        let mut ended = None;
        wait_until("the server's end", || {
            ended = self.child.try_wait().expect("its state");
            ended.is_some()
        });
        ended.expect("it was waited for")
    }

    /// Runs a prepared command, wherever it has its data, and waits until it is ready.
    pub(crate) fn spawn_without_credentials(command: Command, folder: &Path) -> ProcessServer {
        ProcessServer::try_spawn(command, folder).expect("the server says when it is ready")
    }

    /// The next line that it prints after it said that it is ready.
    #[track_caller]
    pub(crate) fn next_line(&self) -> String {
        self.later.recv_timeout(PATIENCE).expect("another line")
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends SIGTERM and waits for the end: how it ended, and how long it took.
    pub(crate) fn terminate(self) -> (ExitStatus, Duration) {
        self.terminate_while(|| {})
    }

    /// The same, doing something meanwhile.
    pub(crate) fn terminate_while(mut self, meanwhile: impl FnOnce()) -> (ExitStatus, Duration) {
        let asked = Instant::now();
        self.signal(rustix::process::Signal::TERM);
        meanwhile();
        (self.wait(), asked.elapsed())
    }

    /// Sends SIGKILL and waits for the end.
    pub(crate) fn kill(mut self) -> PathBuf {
        self.child.kill().expect("it can be killed");
        self.wait();
        self.folder.clone()
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw).expect("a pid");
        rustix::process::kill_process(pid, signal).expect("the process lives");
    }

    fn wait(&mut self) -> ExitStatus {
        self.child.wait().expect("it ends")
    }
}

impl Drop for ProcessServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl std::ops::Deref for ProcessServer {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}
