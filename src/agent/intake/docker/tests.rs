//! A Docker engine that is none: over a socket in a folder of its own, with containers that write, stop, come back and go,
//! and answers that are cut anywhere.

use std::collections::BTreeMap;
use std::path::Path;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path as UrlPath, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use serde_json::json;
use tokio::net::UnixListener;
use tokio::sync::watch;

use crate::agent::config::{Config, Variables};
use crate::agent::files::bell::Bell;
use crate::agent::files::status::Status;
use crate::agent::intake::docker::*;
use crate::agent::outlet::Ledger as _;
use crate::agent::positions::Options;
use crate::agent::spool::{SpoolOptions, Spools};

/// A container as the fake has it.
#[derive(Clone, Default)]
struct Fake {
    name: String,
    is_running: bool,
    has_terminal: bool,
    driver: String,
    created: i64,
    /// Nanoseconds, stream, text.
    lines: Vec<(i64, u8, String)>,
}

#[derive(Default)]
struct World {
    containers: BTreeMap<String, Fake>,
    /// Answers break off after so many bytes.
    cut: Option<usize>,
    /// What logs were asked from.
    asked: Vec<String>,
}

/// The engine; changes ring.
#[derive(Clone)]
struct FakeEngine(watch::Sender<u64>, Arc<Mutex<World>>);

impl FakeEngine {
    fn new() -> FakeEngine {
        FakeEngine(watch::Sender::new(0), Arc::default())
    }

    fn change(&self, how: impl FnOnce(&mut World)) {
        how(&mut self.1.lock().unwrap());
        self.0.send_modify(|count| *count += 1);
    }

    fn add(&self, id: &str, lines: &[(i64, u8, &str)]) {
        let lines = lines.iter().map(|(at, stream, text)| (*at, *stream, (*text).to_owned())).collect();
        let fake =
            Fake { name: format!("name-{id}"), is_running: true, driver: "json-file".into(), lines, ..Fake::default() };
        self.change(|world| drop(world.containers.insert(id.to_owned(), fake)));
    }

    fn set(&self, id: &str, how: impl FnOnce(&mut Fake)) {
        self.change(|world| how(world.containers.get_mut(id).unwrap()));
    }

    fn write(&self, id: &str, at: i64, stream: u8, text: &str) {
        self.set(id, |fake| fake.lines.push((at, stream, text.to_owned())));
    }

    /// Serves until the handle is aborted.
    fn serve(&self, socket: &Path) -> tokio::task::JoinHandle<()> {
        let _ = std::fs::remove_file(socket);
        let listener = UnixListener::bind(socket).unwrap();
        let app = Router::new()
            .route("/containers/json", get(list))
            .route("/networks", get(async || "[]"))
            .route("/events", get(events))
            .route("/containers/{id}/json", get(inspect))
            .route("/containers/{id}/logs", get(logs))
            .with_state(self.clone());
        let ended = self.0.clone();
        tokio::spawn(async move {
            let _ended = ended;
            axum::serve(listener, app).await.unwrap();
        })
    }
}

async fn list(State(engine): State<FakeEngine>, Query(query): Query<BTreeMap<String, String>>) -> String {
    assert_eq!(query.get("all").map(String::as_str), Some("1"));
    let world = engine.1.lock().unwrap();
    let all = world.containers.iter().map(|(id, fake)| {
        let state = if fake.is_running { "running" } else { "exited" };
        json!({"Id": id, "Names": [format!("/{}", fake.name)], "State": state, "Created": fake.created})
    });
    serde_json::Value::from(all.collect::<Vec<_>>()).to_string()
}

/// A byte for each change, until the connection is cut.
async fn events(State(engine): State<FakeEngine>) -> Body {
    let changes = engine.0.subscribe();
    Body::from_stream(futures_util::stream::unfold(changes, async |mut changes| {
        changes.changed().await.ok()?;
        Some((Ok::<_, std::io::Error>(Bytes::from_static(b"{}\n")), changes))
    }))
}

fn refuse(status: u16, message: &str) -> Response {
    (StatusCode::from_u16(status).unwrap(), json!({"message": message}).to_string()).into_response()
}

async fn inspect(State(engine): State<FakeEngine>, UrlPath(id): UrlPath<String>) -> Response {
    let world = engine.1.lock().unwrap();
    let Some(fake) = world.containers.get(&id) else { return refuse(404, "no such container") };
    let log = json!({"Type": fake.driver});
    json!({"Config": {"Tty": fake.has_terminal}, "HostConfig": {"LogConfig": log}}).to_string().into_response()
}

async fn logs(
    State(engine): State<FakeEngine>,
    UrlPath(id): UrlPath<String>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    let since = query.get("since").cloned().unwrap_or_default();
    {
        let mut world = engine.1.lock().unwrap();
        world.asked.push(since.clone());
        let Some(fake) = world.containers.get(&id) else { return refuse(404, "no such container") };
        if fake.driver == "none" {
            return refuse(501, "configured logging driver does not support reading");
        }
    }
    let (secs, nanos) = since.split_once('.').unwrap_or((&since, "0"));
    let from = secs.parse::<i64>().unwrap_or(0) * 1_000_000_000 + nanos.parse::<i64>().unwrap();
    let changes = engine.0.subscribe();
    let state = (engine, changes, id, 0_usize, from, 0_usize);
    Body::from_stream(futures_util::stream::unfold(state, follow_log)).into_response()
}

type LogState = (FakeEngine, watch::Receiver<u64>, String, usize, i64, usize);

/// What the log has now, in one part; waits for more while the container runs.
async fn follow_log(state: LogState) -> Option<(Result<Bytes, std::io::Error>, LogState)> {
    let (engine, mut changes, id, mut index, from, mut sent) = state;
    loop {
        changes.borrow_and_update();
        let (part, is_running, cut) = {
            let world = engine.1.lock().unwrap();
            let fake = world.containers.get(&id)?;
            let part: Vec<u8> = fake.lines[index..]
                .iter()
                .filter(|(at, ..)| *at >= from)
                .flat_map(|line| message(fake, line))
                .collect();
            index = fake.lines.len();
            (part, fake.is_running, world.cut)
        };
        if let Some(cut) = cut
            && sent + part.len() > cut
        {
            let left = cut.saturating_sub(sent);
            sent = usize::MAX / 2;
            if left == 0 {
                // what was sent before goes out while the body is waited for
                tokio::time::sleep(Duration::from_millis(20)).await;
                return Some((Err(std::io::Error::other("cut")), (engine, changes, id, index, from, sent)));
            }
            return Some((Ok(Bytes::from(part).slice(..left)), (engine, changes, id, index, from, sent)));
        }
        if !part.is_empty() {
            sent += part.len();
            return Some((Ok(part.into()), (engine, changes, id, index, from, sent)));
        }
        if !is_running {
            return None;
        }
        changes.changed().await.ok()?;
    }
}

fn message(fake: &Fake, (at, stream, text): &(i64, u8, String)) -> Vec<u8> {
    let time = jiff::Timestamp::from_nanosecond(i128::from(*at)).unwrap();
    let line = if fake.has_terminal { format!("{time:.9} {text}\r\n") } else { format!("{time:.9} {text}\n") };
    let head = [*stream, 0, 0, 0].into_iter().chain(u32::try_from(line.len()).unwrap().to_be_bytes());
    if fake.has_terminal { line.into_bytes() } else { head.chain(line.bytes()).collect() }
}

/// The agent's side: positions and a spool in a folder, and an intake over the fake.
struct Rig {
    folder: tempfile::TempDir,
    engine: FakeEngine,
    serving: tokio::task::JoinHandle<()>,
    positions: Arc<Positions>,
    metrics: Arc<Metrics>,
    bell: Arc<Bell>,
    spools: Option<Spools>,
    running: Option<(watch::Sender<bool>, tokio::task::JoinHandle<()>)>,
    rules: &'static str,
    number: u32,
    source: Option<Box<dyn crate::agent::source::Source>>,
    lines: Vec<(String, i64, String)>,
}

const RULES: &str = "[{source_labels: [__meta_docker_container_name], target_label: c}, \
                     {source_labels: [__meta_docker_container_log_stream], target_label: s}]";
/// 2026-03-01T10:00:00Z
const AT: i64 = 1_772_359_200_000_000_000;

impl Rig {
    fn new() -> Rig {
        let folder = tempfile::tempdir().unwrap();
        let engine = FakeEngine::new();
        let serving = engine.serve(&folder.path().join("docker.sock"));
        let positions = Arc::new(Positions::open(options(folder.path())).unwrap());
        Rig {
            folder,
            engine,
            serving,
            positions,
            metrics: Arc::default(),
            bell: Arc::default(),
            spools: None,
            running: None,
            rules: RULES,
            number: 0,
            source: None,
            lines: Vec::new(),
        }
    }

    fn start(&mut self) {
        let socket = self.folder.path().join("docker.sock");
        let text = format!(
            "scrape_configs: [{{job_name: j, docker_sd_configs: [{{host: 'unix://{}', refresh_interval: 1h}}], relabel_configs: {}}}]",
            socket.display(),
            self.rules
        );
        let config = Config::parse("test", &text, Variables::Keep).unwrap_or_else(|problem| panic!("{problem}"));
        let scrape = &config.scrape_configs[0];
        self.bell = Arc::default();
        let options = SpoolOptions::new(self.folder.path().join("spool"), 64 << 20);
        let spools = Spools::open(options, &self.bell, &self.positions, &Status::default(), &self.metrics).unwrap();
        let spool = spools.begin(&spool_name(scrape), 0, &Labels::default()).unwrap();
        let docker = Docker::new(scrape, &scrape.docker_sd_configs[0], spool, &self.positions, &self.metrics).unwrap();
        self.spools = Some(spools);
        let sender = watch::Sender::new(false);
        let running = tokio::spawn(docker.run(Stop::of(sender.subscribe())));
        self.running = Some((sender, running));
        let other = self.bell.wait(Duration::ZERO).others.remove(0);
        (self.number, self.source) = (other.source, Some(other.reading));
    }

    /// Ends it in order; what is in the spool was read.
    async fn stop(&mut self) {
        let (sender, running) = self.running.take().unwrap();
        sender.send(true).unwrap();
        running.await.unwrap();
        self.read();
        let (number, source) = (self.number, self.source.take().unwrap());
        self.positions.answered(number, source.place());
        self.spools = None;
        self.positions.write().unwrap();
        let reopened = Positions::open(options(self.folder.path())).unwrap();
        self.positions = Arc::new(reopened);
    }

    fn read(&mut self) {
        let lines = &mut self.lines;
        let source = self.source.as_mut().unwrap();
        while source
            .read(&mut |record| {
                let labels = record.labels.map(ToString::to_string).unwrap_or_default();
                lines.push((labels, record.timestamp.unwrap().nanos() - AT, record.line.to_owned()));
            })
            .unwrap()
            == crate::agent::source::Progress::More
        {}
    }

    /// Waits until so many lines came.
    async fn wait(&mut self, count: usize) {
        self.wait_for(|rig| rig.lines.len() >= count).await;
    }

    async fn wait_for(&mut self, is_so: impl Fn(&Rig) -> bool) {
        let until = std::time::Instant::now() + Duration::from_secs(30);
        loop {
            self.read();
            if is_so(self) {
                return;
            }
            assert!(
                std::time::Instant::now() < until,
                "{:#?} asked {:?}",
                self.lines,
                self.engine.1.lock().unwrap().asked
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn texts(&self) -> Vec<&str> {
        self.lines.iter().map(|(_, _, text)| text.as_str()).collect()
    }
}

fn options(folder: &Path) -> Options {
    Options { path: folder.join("positions.yaml"), sync_period: Duration::ZERO, ignore_invalid_yaml: false }
}

#[tokio::test]
async fn lines_of_containers_come_with_their_times_streams_and_labels() {
    let mut rig = Rig::new();
    rig.engine.add("a", &[(AT + 1, 1, "one"), (AT + 2, 2, "two 한국")]);
    rig.start();
    rig.wait(2).await;
    // one that starts is followed at once: the next list by itself is an hour away
    rig.engine.add("b", &[(AT + 3, 1, "three")]);
    rig.engine.set("b", |fake| fake.has_terminal = true);
    rig.wait(3).await;
    rig.engine.write("a", AT + 4, 1, "four");
    rig.engine.write("b", AT + 5, 1, "five");
    rig.wait(5).await;
    rig.lines.sort_by_key(|(_, at, _)| *at);
    let own = |labels: &str, at: i64, text: &str| (labels.to_owned(), at, text.to_owned());
    let expected = [
        own("{c=\"/name-a\", s=\"stdout\"}", 1, "one"),
        own("{c=\"/name-a\", s=\"stderr\"}", 2, "two 한국"),
        own("{c=\"/name-b\", s=\"stdout\"}", 3, "three"),
        own("{c=\"/name-a\", s=\"stdout\"}", 4, "four"),
        own("{c=\"/name-b\", s=\"stdout\"}", 5, "five"),
    ];
    assert_eq!(rig.lines, expected);
    assert!(rig.metrics.render().contains("promtail_docker_target_entries_total 5\n"));
    rig.stop().await;
}

#[tokio::test]
async fn what_came_while_the_agent_was_down_is_read_and_nothing_twice() {
    let mut rig = Rig::new();
    rig.engine.add("a", &[(AT, 1, "0"), (AT, 1, "0 again"), (AT + 5, 2, "1")]);
    rig.engine.add("ended", &[(AT, 1, "e 0")]);
    rig.start();
    rig.wait(4).await;
    rig.stop().await;
    let text = std::fs::read_to_string(rig.folder.path().join("positions.yaml")).unwrap();
    assert!(text.contains("\"cursor-a\": \"1772359200\""), "{text}");
    rig.engine.write("a", AT + 4, 1, "2, earlier than a line of the other stream");
    rig.engine.write("a", AT + 5, 2, "3, at the time of the last one");
    rig.engine.write("ended", AT + 9, 1, "e 1");
    rig.engine.set("ended", |fake| fake.is_running = false);
    rig.engine.add("old", &[(AT, 1, "of a container that ended before anybody looked")]);
    rig.engine.set("old", |fake| fake.is_running = false);
    rig.start();
    rig.wait(7).await;
    rig.engine.write("a", AT + 20, 1, "4");
    rig.wait(8).await;
    rig.stop().await;
    let mut later = rig.texts()[4..].to_vec();
    later.sort_unstable();
    assert_eq!(later, ["2, earlier than a line of the other stream", "3, at the time of the last one", "4", "e 1"]);
}

#[tokio::test]
async fn a_cursor_of_promtail_is_gone_on_with() {
    let mut rig = Rig::new();
    let text = "positions:\n  cursor-a: \"1772359201\"\n";
    std::fs::write(rig.folder.path().join("positions.yaml"), text).unwrap();
    rig.positions = Arc::new(Positions::open(options(rig.folder.path())).unwrap());
    rig.engine
        .add("a", &[(AT, 1, "read by promtail"), (AT + 1_000_000_000, 1, "last"), (AT + 2_000_000_000, 1, "new")]);
    rig.start();
    rig.wait(2).await;
    rig.stop().await;
    assert_eq!(rig.texts(), ["last", "new"]);
    assert_eq!(rig.engine.1.lock().unwrap().asked, ["1772359201"]);
    // and it reads on meanwhile
    std::fs::write(rig.folder.path().join("positions.yaml"), text.replace("201", "209")).unwrap();
    rig.positions = Arc::new(Positions::open(options(rig.folder.path())).unwrap());
    rig.engine.write("a", AT + 8_000_000_000, 1, "by promtail too");
    rig.engine.write("a", AT + 9_000_000_000, 1, "ours");
    rig.start();
    rig.wait(3).await;
    rig.stop().await;
    assert_eq!(rig.texts(), ["last", "new", "ours"]);
}

#[tokio::test]
async fn an_engine_that_goes_away_in_the_middle_costs_no_line() {
    let mut rig = Rig::new();
    let lines: Vec<String> = (0..40).map(|number| format!("line {number} {}", "x".repeat(number * 7))).collect();
    rig.engine.add("a", &[]);
    for (index, line) in lines.iter().enumerate() {
        rig.engine.write("a", AT + index as i64, if index % 3 == 0 { 2 } else { 1 }, line);
    }
    // each answer breaks off somewhere else, in a head or in a line, until one comes through
    rig.engine.change(|world| world.cut = Some(1));
    rig.start();
    for cut in [700, 1501, 2203, 4004] {
        rig.wait_for(|rig| !rig.engine.1.lock().unwrap().asked.is_empty()).await;
        rig.engine.change(|world| {
            world.cut = Some(cut);
            world.asked.clear();
        });
    }
    // and the engine is started anew
    let socket = rig.folder.path().join("docker.sock");
    rig.serving.abort();
    std::fs::remove_file(&socket).unwrap();
    rig.engine.change(|world| world.cut = None);
    rig.serving = rig.engine.serve(&socket);
    rig.wait(lines.len()).await;
    rig.engine.write("a", AT + 1000, 1, "last");
    rig.wait(lines.len() + 1).await;
    rig.stop().await;
    assert_eq!(rig.texts()[..lines.len()], lines);
    assert_eq!(rig.texts()[lines.len()..], ["last"]);
}

#[tokio::test]
async fn a_container_that_stops_is_read_to_its_end_and_comes_back_or_goes() {
    let mut rig = Rig::new();
    rig.engine.add("a", &[(AT, 1, "1")]);
    rig.start();
    rig.wait(1).await;
    rig.engine.set("a", |fake| {
        fake.lines.push((AT + 1, 1, "2".to_owned()));
        fake.is_running = false;
    });
    rig.wait(2).await;
    rig.engine.set("a", |fake| {
        fake.lines.push((AT + 2, 1, "3".to_owned()));
        fake.is_running = true;
    });
    rig.wait(3).await;
    // one that ran for a moment between two looks
    rig.engine.add("short", &[(AT + 3, 1, "4")]);
    rig.engine.set("short", |fake| {
        fake.is_running = false;
        fake.created = i64::MAX;
    });
    rig.wait(4).await;
    assert!(rig.positions.text("cursor-a").is_some());
    rig.engine.change(|world| world.containers.clear());
    rig.wait_for(|rig| rig.positions.text("cursor-a").is_none() && rig.positions.text("cursor-short").is_none()).await;
    rig.stop().await;
    assert_eq!(rig.texts(), ["1", "2", "3", "4"]);
    let text = std::fs::read_to_string(rig.folder.path().join("positions.yaml")).unwrap();
    assert!(!text.contains("cursor-"), "{text}");
}

#[tokio::test]
async fn rules_drop_containers_and_streams_and_a_log_that_cannot_be_read_stops_no_other() {
    let mut rig = Rig::new();
    rig.rules = "[{source_labels: [__meta_docker_container_name], regex: /name-x, action: drop}, \
                 {source_labels: [__meta_docker_container_log_stream], regex: stderr, action: drop}]";
    rig.engine.add("x", &[(AT, 1, "dropped")]);
    rig.engine.add("none", &[(AT, 1, "lost")]);
    rig.engine.set("none", |fake| fake.driver = "none".to_owned());
    rig.engine.add("a", &[(AT, 2, "dropped too"), (AT + 1, 1, "kept")]);
    rig.start();
    rig.wait(1).await;
    for number in 0..200 {
        rig.engine.add(&format!("many-{number}"), &[(AT + 2, 1, "m")]);
    }
    rig.wait(201).await;
    rig.stop().await;
    assert_eq!(rig.lines[0], ("{job=\"j\"}".to_owned(), 1, "kept".to_owned()));
    assert!(rig.texts()[1..].iter().all(|text| *text == "m"));
}

#[tokio::test]
async fn a_container_whose_reading_fails_is_read_anew() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("docker.sock");
    let engine = FakeEngine::new();
    let _serving = engine.serve(&socket);
    engine.add("a", &[(AT + 1, 1, "one")]);
    let host = socket.display();
    let text = format!("scrape_configs: [{{job_name: j, docker_sd_configs: [{{host: 'unix://{host}'}}]}}]");
    let config = Config::parse("test", &text, Variables::Keep).unwrap_or_else(|problem| panic!("{problem}"));
    let scrape = &config.scrape_configs[0];
    let (bell, metrics) = (Arc::<Bell>::default(), Arc::<Metrics>::default());
    let positions = Arc::new(Positions::open(options(folder.path())).unwrap());
    let spool_options = SpoolOptions::new(folder.path().join("spool"), 1 << 20);
    let spools = Spools::open(spool_options, &bell, &positions, &Status::default(), &metrics).unwrap();
    let spool = spools.begin(&spool_name(scrape), 0, &Labels::default()).unwrap();
    let mut docker = Docker::new(scrape, &scrape.docker_sd_configs[0], spool, &positions, &metrics).unwrap();
    docker.refresh().await;
    // its reader fails as soon as it begins
    docker.containers.get_mut("a").unwrap().phase = Phase::Following { was_alive: true };
    let failing = docker.followers.spawn(async { panic!("a fault of the reader") });
    docker.followed_by.insert(failing.id(), "a".to_owned());
    let (now, joined) = (Instant::now(), docker.followers.join_next_with_id().await.unwrap());
    docker.joined(joined, now);
    assert_eq!(docker.containers["a"].phase, Phase::Due(now + PAUSES.0));
    let stop = watch::Sender::new(false);
    let running = tokio::spawn(docker.run(Stop::of(stop.subscribe())));
    let start = Instant::now();
    while !metrics.render().contains("promtail_docker_target_entries_total 1\n") {
        assert!(start.elapsed() < Duration::from_secs(30), "{}", metrics.render());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    stop.send_replace(true);
    running.await.unwrap();
}
