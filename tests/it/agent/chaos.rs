//! Agent and server are killed at random moments while logs grow and are rotated: the server has every line once.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::agent::{Agent, Ground, Server, append, job, wait_for};

/// How long files grow in all; `LOGCAFE_TEST_CHAOS_SECS` says another time.
fn length() -> Duration {
    let secs = std::env::var("LOGCAFE_TEST_CHAOS_SECS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(secs.unwrap_or(8))
}

/// A daemon that writes entries of one line and of several, and whose log is rotated.
struct Writer {
    name: &'static str,
    random: StdRng,
    folder: std::path::PathBuf,
    count: u32,
    rotations: u32,
    written: Vec<String>,
}

impl Writer {
    fn act(&mut self) {
        let path = self.folder.join(self.name);
        let kind = self.random.random_range(0..30);
        if kind < 2 && path.exists() {
            self.rotations += 1;
            let old = self.folder.join(format!("{}.{}", self.name, self.rotations));
            if kind == 0 {
                fs::rename(&path, old).expect("it can be renamed");
            } else {
                fs::copy(&path, old).expect("it can be copied");
                fs::write(&path, "").expect("it can be truncated");
            }
            return;
        }
        let mut text = String::new();
        for _ in 0..self.random.random_range(1..12) {
            self.count += 1;
            let more = if self.random.random_range(0..10) == 0 { "\n  at some place\n  at another" } else { "" };
            let entry = format!("{} {} {}{more}", self.name, self.count, "x".repeat(self.random.random_range(0..120)));
            text.push_str(&entry);
            text.push('\n');
            self.written.push(entry);
        }
        // in two pieces, so that an end of a write is no end of a line
        let cut = self.random.random_range(0..text.len());
        append(&path, &text.as_bytes()[..cut]);
        append(&path, &text.as_bytes()[cut..]);
    }
}

/// Writes on a thread of its own until it is over; what was written comes out.
fn write_until(is_over: &Arc<AtomicBool>, mut writer: Writer) -> JoinHandle<Vec<String>> {
    let is_over = Arc::clone(is_over);
    std::thread::spawn(move || {
        while !is_over.load(Ordering::Relaxed) {
            writer.act();
            let pause = writer.random.random_range(0..25);
            std::thread::park_timeout(Duration::from_millis(pause));
        }
        let name = writer.name;
        append(&writer.folder.join(name), format!("{name} last\n{name} end\n"));
        writer.written.push(format!("{name} last"));
        writer.written
    })
}

/// Kills and starts again; the agent that runs then, and how often each was killed.
fn kill_at_random(random: &mut StdRng, ground: &Ground, server: &mut Server) -> (Agent, (usize, usize)) {
    let until = Instant::now() + length();
    let mut agent = ground.agent();
    let mut kills = (0, 0);
    while Instant::now() < until {
        // the moment is what the test is about: neither a condition nor a fixed time
        std::thread::park_timeout(Duration::from_millis(random.random_range(0..700)));
        match random.random_range(0..6) {
            0 => {
                server.kill();
                std::thread::park_timeout(Duration::from_millis(random.random_range(0..200)));
                server.restart();
                kills.1 += 1;
            }
            1 => {
                agent.stop();
                agent = ground.agent();
            }
            _ => {
                agent.kill();
                std::thread::park_timeout(Duration::from_millis(random.random_range(0..100)));
                agent = ground.agent();
                kills.0 += 1;
            }
        }
    }
    (agent, kills)
}

/// The lines that the server is to have, and how often. A line of the plain log stands for itself.
fn lines_of(written: impl Iterator<Item = String>) -> BTreeMap<String, usize> {
    let mut expected: BTreeMap<String, usize> = BTreeMap::new();
    for entry in written {
        let is_joined = entry.starts_with("joined");
        let lines: Vec<&str> = if is_joined { vec![&entry] } else { entry.lines().collect() };
        for line in lines {
            *expected.entry(line.to_owned()).or_default() += 1;
        }
    }
    expected.insert("plain.log end".to_owned(), 1);
    expected
}

fn found(server: &Server) -> BTreeMap<String, usize> {
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    server.lines("{job=\"test\"}").into_iter().for_each(|line| *found.entry(line).or_default() += 1);
    // it may be held back still
    found.remove("joined.log end");
    found
}

/// A few of the keys that another map has not.
fn lacking(own: &BTreeMap<String, usize>, other: &BTreeMap<String, usize>) -> Vec<String> {
    let lacking = own.keys().filter(|line| !other.contains_key(*line));
    lacking.take(10).map(|line| line.chars().take(40).collect()).collect()
}

fn check(seed: u64) {
    let (ground, mut server) = (Ground::new(), Server::start());
    let stages = "  - match:\n      selector: '{job=\"test\", filename=~\".*joined.*\"}'\n      stages:\n      - multiline: \
                  {firstline: '^\\S', max_wait_time: 5s}\n";
    ground.configure_clients(&server.client_yaml(), &job("*", stages));
    let is_over = Arc::new(AtomicBool::new(false));
    let threads = ["plain.log", "joined.log"].map(|name| {
        let random = StdRng::seed_from_u64(seed ^ name.len() as u64);
        let folder = ground.log("");
        write_until(&is_over, Writer { name, random, folder, count: 0, rotations: 0, written: Vec::new() })
    });
    let (agent, kills) = kill_at_random(&mut StdRng::seed_from_u64(seed), &ground, &mut server);
    is_over.store(true, Ordering::Relaxed);
    let expected = lines_of(threads.into_iter().flat_map(|thread| thread.join().expect("it writes to its end")));
    let mut last = BTreeMap::new();
    let is_all = || {
        std::thread::park_timeout(Duration::from_millis(100));
        last = found(&server);
        expected.keys().all(|line| last.contains_key(line))
    };
    let missing = || {
        let there = found(&server);
        format!("seed {seed}: missing {:#?}, odd {:#?}", lacking(&expected, &there), lacking(&there, &expected))
    };
    wait_for("every line", is_all, missing);
    let wrong: Vec<_> = last.iter().filter(|(line, count)| expected.get(*line) != Some(*count)).take(10).collect();
    // the last is an entry that is told from others by its number
    let seen = || wrong.last().map(|(line, _)| server.seen(line.lines().next().unwrap_or_default()));
    assert!(wrong.is_empty(), "seed {seed}: not as often as written: {wrong:?}; the last is {:?}", seen());
    assert!(kills.0 > 0 && expected.len() > 100, "{kills:?} and {} lines show nothing", expected.len());
    agent.terminate();
}

#[test]
fn the_server_has_every_line_once_whoever_is_killed() {
    let seed = std::env::var("LOGCAFE_TEST_SEED").ok().and_then(|text| text.parse().ok());
    check(seed.unwrap_or_else(rand::random));
}
