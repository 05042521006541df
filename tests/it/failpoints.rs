//! The process dies at every stage of taking in, flushing, removing and dropping: what it acknowledged is there afterwards,
//! each line once. The failpoints are those of `src/store/fault.rs`, in the binary that `cargo test` builds.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::Mutex;

use logcafe::db::{Db, users};
use logcafe::model::Timestamp;
use logcafe::server::db_path;
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Client, ProcessServer, encode, lines_of, logcafe, metric, now_nanos};

const DAY_NANOS: i64 = 86_400_000_000_000;
const LINES_PER_PUSH: usize = 40;
/// More than any of the points needs to be passed.
const PUSHES_MAX: usize = 400;
const PASSWORD: &str = "a long password";

/// A data folder, the faults that its servers meet, and the lines that they acknowledged.
pub(crate) struct Scene {
    pub(crate) folder: TempDir,
    acknowledged: BTreeSet<String>,
    pushed: usize,
}

impl Scene {
    pub(crate) fn new() -> Scene {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let scene = Scene { folder, acknowledged: BTreeSet::new(), pushed: 0 };
        scene.faults("");
        scene
    }

    /// Another folder, still empty, with the same lines to have.
    pub(crate) fn clone_into_new_folder(&self) -> Scene {
        Scene { acknowledged: self.acknowledged.clone(), pushed: self.pushed, ..Scene::new() }
    }

    /// The lines that it has to have.
    pub(crate) fn acknowledged(&self) -> &BTreeSet<String> {
        &self.acknowledged
    }

    pub(crate) fn logs(&self) -> PathBuf {
        self.folder.path().join("data/logs")
    }

    /// Says what goes wrong from now on, in servers that run as well.
    pub(crate) fn faults(&self, text: &str) {
        // renamed into place, so that a server never reads half of it
        let (new, file) = (self.folder.path().join("faults.new"), self.folder.path().join("faults"));
        std::fs::write(&new, text).and_then(|()| std::fs::rename(&new, &file)).expect("it is written");
    }

    /// A server with so little memory that blocks are sealed and committed all the time.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = logcafe(self.folder.path());
        command.args(["serve", "--listen", "127.0.0.1:0", "--head-memory", "100kB", "--anonymous-push"]);
        command.args(arguments).env("LOGCAFE_FAULTS", self.folder.path().join("faults"));
        command
    }

    pub(crate) fn start(&self) -> ProcessServer {
        ProcessServer::spawn(self.command(&[]), self.folder.path())
    }

    /// A body of lines of now and of three days ago, and the lines.
    fn body(&self) -> (Value, Vec<String>) {
        let (now, push) = (now_nanos(), self.pushed);
        let line = |n: usize| format!("line {push}-{n} {:016x} {}", now ^ n as i64, "text ".repeat(n % 7));
        let lines: Vec<String> = (0..LINES_PER_PUSH).map(line).collect();
        let values = |from: usize, back: i64| -> Vec<Value> {
            let stamped = lines.iter().enumerate().skip(from).step_by(2);
            stamped.map(|(n, line)| json!([(now - back + n as i64).to_string(), line])).collect()
        };
        let stream = |age: &str| json!({"age": age, "app": format!("a{}", push % 3)});
        let body = json!({"streams": [
            {"stream": stream("now"), "values": values(0, 0)},
            {"stream": stream("old"), "values": values(1, 3 * DAY_NANOS)},
        ]});
        (body, lines)
    }

    /// Pushes once: the status, or nothing where the server died.
    pub(crate) fn push(&mut self, client: &Client) -> (Option<u16>, Value) {
        let (body, lines) = self.body();
        self.pushed += 1;
        let status = client.try_push_body(&body);
        if status == Some(204) {
            self.acknowledged.extend(lines);
        }
        (status, body)
    }

    /// Pushes until there are some blocks, on both days.
    pub(crate) fn fill(&mut self, client: &Client) {
        for _ in 0..PUSHES_MAX {
            assert_eq!(self.push(client).0, Some(204));
            if metric(client, "logcafe_store_blocks") >= 6 {
                return;
            }
        }
        panic!("no blocks are made");
    }

    /// Pushes until the server dies, and gives the push that it did not answer.
    fn push_until_dead(&mut self, server: ProcessServer, point: &str) -> Value {
        let client = server.client.clone();
        let cut_off = (0..PUSHES_MAX).find_map(|_| match self.push(&client) {
            (Some(_), _) => None,
            (None, body) => Some(body),
        });
        let cut_off = cut_off.unwrap_or_else(|| panic!("the server was never at {point}"));
        killed(server.ended(), point);
        cut_off
    }

    /// Sends again what was cut off, as every agent does.
    fn push_again(&mut self, server: &ProcessServer, body: &Value) {
        server.push_body(body).expect(204);
        for stream in body["streams"].as_array().expect("a list") {
            let lines = stream["values"].as_array().expect("a list").iter();
            self.acknowledged.extend(lines.map(|value| value[1].as_str().expect("a line").to_owned()));
        }
    }

    /// Holds what is there against what must be there: each acknowledged line once, and no other.
    pub(crate) fn check(&self, client: &Client, about: &str) {
        let found = found(client);
        let missing = self.acknowledged.iter().filter(|line| !found.contains_key(*line)).count();
        assert_eq!(missing, 0, "{about}: of {} acknowledged lines", self.acknowledged.len());
        let wrong: Vec<_> =
            found.iter().filter(|(line, count)| **count != 1 || !self.acknowledged.contains(*line)).collect();
        assert!(wrong.is_empty(), "{about}: {} lines are there that must not be, or twice: {wrong:?}", wrong.len());
    }
}

/// All lines of these tests that a server has, and how often.
pub(crate) fn found(client: &Client) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    // those whose labels are lost are shown all the same
    for line in lines(client, "{logcafe_recovered=~\".+\"}") {
        *found.entry(line).or_default() += 1;
    }
    for age in ["now", "old"] {
        for app in ["a0", "a1", "a2"] {
            for line in lines(client, &format!("{{age=\"{age}\", app=\"{app}\"}}")) {
                *found.entry(line).or_default() += 1;
            }
        }
    }
    found
}

/// The lines of the last week that a query finds, which are fewer than one answer can have.
pub(crate) fn lines(client: &Client, query: &str) -> Vec<String> {
    lines_of(&answer(client, query))
}

pub(crate) fn answer(client: &Client, query: &str) -> Value {
    let (start, end) = (now_nanos() - 7 * DAY_NANOS, now_nanos() + 60_000_000_000);
    let (start, end) = (start.to_string(), end.to_string());
    let parameters = [("query", query), ("start", &start), ("end", &end), ("limit", "5000")];
    client.get_with("/loki/api/v1/query_range", &parameters).expect(200).json()
}

#[track_caller]
fn killed(status: ExitStatus, point: &str) {
    assert_eq!(status.signal(), Some(9), "{point}: it ended otherwise: {status}");
}

/// Runs a check for each point, several at the same time.
fn for_each_point(points: &[&str], check: impl Fn(&str) + Sync) {
    for_each(points, |point| check(point));
}

/// Runs a check for each case, several at the same time.
pub(crate) fn for_each<T: Sync>(cases: &[T], check: impl Fn(&T) + Sync) {
    let next = Mutex::new(cases.iter());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let Some(case) = next.lock().expect("no thread panics with it").next() else { return };
                    check(case);
                }
            });
        }
    });
}

const FLUSH: [&str; 13] = [
    "wal.write",
    "wal.sync",
    "append.logged",
    "append.added",
    "streams.write",
    "blocks.write",
    "skip.write",
    "blocks.sync",
    "skip.sync",
    "streams.sync",
    "index.prepare",
    "index.commit",
    "index.committed",
];

#[test]
fn a_death_at_any_stage_of_a_flush_loses_nothing_and_doubles_nothing() {
    for_each_point(&FLUSH, |point| {
        // the second time, there are blocks already
        for nth in [1, 3] {
            let mut scene = Scene::new();
            let server = scene.start();
            scene.faults(&format!("{point} kill {nth}"));
            let cut_off = scene.push_until_dead(server, point);
            scene.faults("");
            let server = scene.start();
            scene.push_again(&server, &cut_off);
            scene.check(&server, &format!("{point} {nth}"));
            server.terminate();
            scene.check(&scene.start(), &format!("{point} {nth}, after a clean stop"));
        }
    });
}

const REMOVAL: [&str; 8] = [
    "wal.create 1",
    "wal.begin 1",
    "wal.remove 1",
    "remove.replace 1",
    "index.commit 2",
    "index.committed 2",
    "index.purge 1",
    "hole.erase 1",
];

#[test]
fn a_death_at_any_stage_of_a_removal_is_made_good_by_the_next_start() {
    for_each_point(&REMOVAL, |point| {
        let mut scene = Scene::new();
        let server = scene.start();
        for _ in 0..10 {
            assert_eq!(scene.push(&server).0, Some(204));
        }
        server.kill();
        let (name, nth) = point.split_once(' ').expect("a point and a number");
        let server = scene.start();
        scene.faults(&format!("{name} kill {nth}"));
        let db = Db::open(&db_path(&scene.folder.path().join("data"))).expect("the database opens");
        users::add(&db, "ann", PASSWORD, users::Role::Admin, Timestamp::from_secs(1)).expect("a new user");
        let parameters = encode(&[("query", r#"{app="a1"} |~ "line [0-9]+-[0-9]*[02468] ""#), ("start", "0")]);
        let ann = server.client.with_basic("ann", PASSWORD);
        // the request is kept before it is answered, and what carries it out may be killed before the answer is out
        let answered = ann.try_send(ann.request(Method::POST, &format!("/loki/api/v1/delete?{parameters}")));
        assert!(matches!(answered, None | Some(204)), "{point}: {answered:?}");
        killed(server.ended(), point);
        scene.faults("");
        let server = scene.start();
        let ann = server.client.with_basic("ann", PASSWORD);
        crate::harness::wait_until("the removal is through", || {
            ann.get("/loki/api/v1/delete").json()[0]["status"] == "processed"
        });
        let pushes_of_a1 =
            |line: &str| line.split(['-', ' ']).nth(1).and_then(|n| n.parse().ok()).map(|n: usize| n % 3);
        let is_even =
            |line: &str| line.split(['-', ' ']).nth(2).is_some_and(|n| n.ends_with(['0', '2', '4', '6', '8']));
        scene.acknowledged.retain(|line| pushes_of_a1(line) != Some(1) || !is_even(line));
        scene.check(&server, point);
        server.terminate();
        scene.check(&scene.start(), &format!("{point}, after a clean stop"));
    });
}

const RETENTION: [&str; 2] = ["retention.rename", "retention.remove"];

#[test]
fn a_death_while_a_day_is_dropped_leaves_it_whole_or_gone() {
    for_each_point(&RETENTION, |point| {
        let mut scene = Scene::new();
        let server = scene.start();
        for _ in 0..10 {
            assert_eq!(scene.push(&server).0, Some(204));
        }
        server.terminate();
        scene.faults(&format!("{point} kill 1"));
        // the day of three days ago goes at once: before the server is ready, or right after
        let dropping = ["--retention-age", "1d"];
        let ended = match ProcessServer::try_spawn(scene.command(&dropping), scene.folder.path()) {
            Ok(server) => server.ended(),
            Err(ended) => ended,
        };
        killed(ended, point);
        scene.faults("");
        let server = ProcessServer::spawn(scene.command(&dropping), scene.folder.path());
        let days = || std::fs::read_dir(scene.logs().join("days")).expect("it can be listed").count();
        crate::harness::wait_until("the day is gone", || days() == 1);
        let kept = lines(&server, "{age=\"now\"}");
        assert_eq!((kept.len(), lines(&server, "{age=\"old\"}").len()), (200, 0), "{point}");
    });
}

/// The names that the store's sources give to failpoints.
fn points_of(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).expect("it can be listed") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            points_of(&path, found);
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("text");
        for call in ["fault::at(\"", "fault::write(\""] {
            let names = text.split(call).skip(1).filter_map(|rest| rest.split('"').next());
            found.extend(names.map(str::to_owned));
        }
        // those of the files that are synced together stand in a table
        let named = text.split('"').filter(|word| word.ends_with(".sync") && word.len() < 20);
        found.extend(named.map(str::to_owned));
    }
}

#[test]
fn no_stage_is_left_out() {
    let mut there = BTreeSet::new();
    points_of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store"), &mut there);
    let names = FLUSH.iter().chain(&REMOVAL).chain(&RETENTION).chain(&TAKING_BACK).chain(&ELSEWHERE);
    let tested: BTreeSet<String> = names.filter_map(|name| name.split(' ').next()).map(str::to_owned).collect();
    assert_eq!(there, tested, "a failpoint that no test passes, or one that is not there");
}

const TAKING_BACK: [&str; 5] = ["aside.put 1", "aside.block 1", "aside.block 3", "aside.rename 1", "aside.remove 1"];

#[test]
fn a_death_while_a_day_is_taken_back_in_loses_nothing_and_doubles_nothing() {
    for_each_point(&TAKING_BACK, |point| {
        let mut scene = Scene::new();
        let server = scene.start();
        scene.fill(&server);
        server.terminate();
        let days = || {
            let listed = std::fs::read_dir(scene.logs().join("days")).expect("it can be listed");
            listed.map(|day| day.expect("an entry").path()).collect::<Vec<_>>()
        };
        for day in days() {
            std::fs::remove_file(day.join("index/meta.json")).expect("it can be removed");
        }
        let (name, nth) = point.split_once(' ').expect("a point and a number");
        scene.faults(&format!("{name} kill {nth}"));
        let ended = match ProcessServer::try_spawn(scene.command(&[]), scene.folder.path()) {
            Ok(server) => server.ended(),
            Err(ended) => ended,
        };
        killed(ended, point);
        scene.faults("");
        let server = scene.start();
        let is_aside = |day: &PathBuf| day.to_string_lossy().contains(".damaged");
        crate::harness::wait_until("the days are back", || !days().iter().any(is_aside));
        scene.check(&server, point);
    });
}

/// Points of other tests.
const ELSEWHERE: [&str; 6] =
    ["lost.keep", "mend.replace", "mend.streams", "keeper.round", "seal.columns", "chunk.visit"];
