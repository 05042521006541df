//! The server is killed while it is pushed to: what it acknowledged is there after the next start, each line once.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rand::RngExt;

use crate::harness::{Client, ProcessServer, lines_of, now_nanos};

const ROUNDS: usize = 20;
const PUSHERS: usize = 3;
const LINES_PER_PUSH: usize = 20;

/// The lines of one round, by whether the server said that it has them.
#[derive(Debug, Default)]
struct Sent {
    acknowledged: Vec<String>,
    /// Cut off by the kill: each may be there once, or not at all.
    uncertain: Vec<String>,
}

/// Small enough that blocks are sealed and committed all the time, and the log is cut.
const SMALL_MEMORY: [&str; 2] = ["--head-memory", "100kB"];

#[test]
fn every_acknowledged_line_is_there_once_after_every_kill() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut rounds: Vec<Sent> = Vec::new();
    let mut again = Vec::new();
    for round in 0..ROUNDS {
        let server = ProcessServer::start(folder.path(), &SMALL_MEMORY);
        // a client whose push was cut off sends it again, as every agent does
        for body in std::mem::take(&mut again) {
            server.push_body(&body).expect(204);
        }
        if let Some(last) = rounds.last_mut() {
            last.acknowledged.append(&mut last.uncertain);
            check(&server, round - 1, last);
        }
        let (sent, cut_off) = push_until_killed(server, round);
        rounds.push(sent);
        again = cut_off;
    }
    let server = ProcessServer::start(folder.path(), &SMALL_MEMORY);
    for (round, sent) in rounds.iter().enumerate() {
        check(&server, round, sent);
    }
    let total: usize = rounds.iter().map(|sent| sent.acknowledged.len()).sum();
    assert!(total > ROUNDS * LINES_PER_PUSH, "only {total} lines were pushed: this shows nothing");
}

/// Pushes from several threads and kills the server at some moment. Gives what was sent, and the bodies cut off.
fn push_until_killed(server: ProcessServer, round: usize) -> (Sent, Vec<serde_json::Value>) {
    let (sent, cut_off) = (Mutex::new(Sent::default()), Mutex::new(Vec::new()));
    let ended = AtomicBool::new(false);
    let client = server.client.clone();
    std::thread::scope(|scope| {
        for pusher in 0..PUSHERS {
            let (sent, cut_off, ended, client) = (&sent, &cut_off, &ended, client.clone());
            scope.spawn(move || {
                for push in 0.. {
                    if ended.load(Ordering::Relaxed) {
                        return;
                    }
                    let (body, lines) = body(round, pusher, push);
                    if acknowledged(&client, &body) {
                        sent.lock().expect("no thread panics").acknowledged.extend(lines);
                    } else {
                        sent.lock().expect("no thread panics").uncertain.extend(lines);
                        cut_off.lock().expect("no thread panics").push(body);
                        return;
                    }
                }
            });
        }
        // the moment is what the test is about: neither a condition nor a fixed time
        let moment = Instant::now() + Duration::from_millis(rand::rng().random_range(20..400));
        while Instant::now() < moment {
            std::thread::yield_now();
        }
        server.kill();
        ended.store(true, Ordering::Relaxed);
    });
    (sent.into_inner().expect("no thread panics"), cut_off.into_inner().expect("no thread panics"))
}

/// A push body of the round, spread over a late and a present day, and its lines.
fn body(round: usize, pusher: usize, push: usize) -> (serde_json::Value, Vec<String>) {
    let now = now_nanos();
    let lines: Vec<String> =
        (0..LINES_PER_PUSH).map(|n| format!("line {round}-{pusher}-{push}-{n} {:x}", now ^ n as i64)).collect();
    let values = |from: usize, back: i64| -> Vec<serde_json::Value> {
        let stamped = lines.iter().enumerate().skip(from).step_by(2);
        stamped.map(|(n, line)| serde_json::json!([(now - back + n as i64).to_string(), line])).collect()
    };
    let stream = |age: &str| serde_json::json!({"round": round.to_string(), "pusher": pusher.to_string(), "age": age});
    let day = 86_400_000_000_000;
    let body = serde_json::json!({"streams": [
        {"stream": stream("now"), "values": values(0, 0)},
        {"stream": stream("old"), "values": values(1, 3 * day)},
    ]});
    (body, lines)
}

/// Whether the server said that it has the push: an error on the way is no answer.
fn acknowledged(client: &Client, body: &serde_json::Value) -> bool {
    client.try_push_body(body).is_some_and(|status| status == 204)
}

/// Holds the lines of a round that the server has against those that it must have.
fn check(server: &ProcessServer, round: usize, sent: &Sent) {
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    for pusher in 0..PUSHERS {
        let query = format!("{{round=\"{round}\", pusher=\"{pusher}\"}}");
        let (start, end) = (now_nanos() - 7 * 86_400_000_000_000, now_nanos() + 60_000_000_000);
        let (start, end) = (start.to_string(), end.to_string());
        let parameters = [("query", &*query), ("start", &start), ("end", &end), ("limit", "5000")];
        for line in lines_of(&server.get_with("/loki/api/v1/query_range", &parameters).expect(200).json()) {
            *found.entry(line).or_default() += 1;
        }
    }
    for line in &sent.acknowledged {
        assert_eq!(found.remove(line), Some(1), "round {round}: how often {line:?} is there");
    }
    let allowed = |line: &String, count: usize| count == 1 && sent.uncertain.contains(line);
    assert!(found.iter().all(|(line, count)| allowed(line, *count)), "round {round}: nobody sent {found:?}");
}
