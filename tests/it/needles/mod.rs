//! Looks for pieces of lines, changed pieces and patterns in stores of mixed lines, and holds each answer against a plain
//! scan: a line that is missed by the index, a filter, or the search on columns is missed silently otherwise.
//!
//! One run is the same every time; another has a seed of its own, which a failure prints. `LOGCAFE_NEEDLE_SEED` runs that
//! one, and `LOGCAFE_NEEDLES` says how many needles are looked for.

mod corpus;
mod question;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use logcafe::logql;
use logcafe::model::{Batch, Direction, Entry, Labels, StreamEntries, TimeRange, Timestamp};
use logcafe::query::{Data, Engine, InstantQuery, Limits, RangeQuery, Ticket};
use logcafe::store::{Config, Need, Retention, Selection, Store};
use tempfile::TempDir;

use crate::needles::corpus::{Line, Random};
use crate::needles::question::Question;

/// Lines of a round, of each of its systems.
const LINES: usize = 420;
/// Lines of the systems whose text fills a block of its own.
const LINES_OF_LARGE: usize = 1900;
const SYSTEMS_PER_ROUND: usize = 4;
const NEEDLES: usize = 600;
const LIMIT_MAX: usize = 40;

/// A store of mixed lines, and the lines.
struct World {
    lines: Vec<Line>,
    engine: Engine,
    _dir: TempDir,
}

impl World {
    fn new(random: &mut Random) -> World {
        let dir = TempDir::new().expect("a temp folder");
        let config = Config {
            dir: dir.path().to_owned(),
            retention: Retention::default(),
            head_bytes_max: 64 << 20,
            wordless_bytes: 0,
        };
        let store = Arc::new(Store::open(config, &|_, _| Ok(())).expect("the store opens"));
        let mut lines = Vec::new();
        let rounds = corpus::system_count().div_ceil(SYSTEMS_PER_ROUND) + 2;
        for round in 0..rounds {
            let start = lines.len();
            for place in 0..SYSTEMS_PER_ROUND {
                // all systems once, and then some of them again; the last round stays in memory
                let system = match round * SYSTEMS_PER_ROUND + place {
                    system if system < corpus::system_count() => system,
                    _ => random.below(corpus::system_count()),
                };
                let count = if system == round % 3 && round < 3 { LINES_OF_LARGE } else { LINES };
                lines.extend((0..count).map(|n| corpus::line(random, system, start + place * LINES_OF_LARGE + n)));
            }
            // the times of a round are its own
            let (before, own) = lines.split_at_mut(start);
            let last = before.iter().map(|line| line.nanos).max().unwrap_or(0);
            let first = own.iter().map(|line| line.nanos).min().unwrap_or(0);
            if first <= last {
                own.iter_mut().for_each(|line| line.nanos += last - first + 1);
            }
            append(&store, own);
            if round + 1 < rounds {
                let everything = Selection::of(Vec::new(), TimeRange::ALL, Need::Lines);
                store.remove(&everything, &mut |_| false).expect("all is sealed, and nothing removed");
            }
        }
        let engine = Engine::new(store, Limits { query_timeout: Duration::from_secs(600), ..Limits::default() });
        World { lines, engine, _dir: dir }
    }

    /// The lines that a plain scan finds.
    fn scan(&self, question: &Question) -> Vec<&Line> {
        self.lines.iter().filter(|line| question.selects(&line.app) && question.is_passed_by(&line.text)).collect()
    }

    fn check(&self, question: &Question, random: &mut Random) -> Result<(), String> {
        let mut wanted = self.scan(question);
        let counted = self.count(question);
        if counted != wanted.len() as f64 {
            let found: Vec<(i64, String)> = self.newest(question, 5000);
            let missed = wanted.iter().find(|line| !found.iter().any(|(nanos, _)| *nanos == line.nanos));
            let missed = missed.map(|line| (&line.app, &line.text));
            return Err(format!("{question}: counted {counted} instead of {}; missed {missed:?}", wanted.len()));
        }
        let limit = 1 + random.below(LIMIT_MAX);
        wanted.sort_by_key(|line| std::cmp::Reverse(line.nanos));
        let wanted: Vec<(i64, String)> =
            wanted.into_iter().take(limit).map(|line| (line.nanos, line.text.clone())).collect();
        let found = self.newest(question, limit);
        if found == wanted {
            Ok(())
        } else {
            Err(format!("{question}: the newest {limit} are {found:?} instead of {wanted:?}"))
        }
    }

    fn count(&self, question: &Question) -> f64 {
        let expr = logql::parse(&format!("sum(count_over_time({question} [240h]))")).expect("a query");
        let time = Timestamp::from_secs(1_795_168_800 + 100 * 3600);
        let query = InstantQuery { expr, time, limit: 100 };
        match self.engine.instant(&query, &ticket()).expect("an answer").data {
            Data::Vector(vector) => vector.values().sum(),
            _ => panic!("a sum is a vector"),
        }
    }

    fn newest(&self, question: &Question, limit: usize) -> Vec<(i64, String)> {
        let query = RangeQuery {
            expr: logql::parse(&question.to_string()).expect("a query"),
            range: TimeRange::ALL,
            step_ns: 1,
            interval_ns: 0,
            limit,
            direction: Direction::Backward,
        };
        match self.engine.range(&query, &ticket()).expect("an answer").data {
            Data::Streams(lines) => lines.into_iter().map(|line| (line.timestamp.nanos(), line.line)).collect(),
            _ => panic!("lines come as streams"),
        }
    }
}

fn ticket() -> Ticket {
    Ticket::until(Instant::now() + Duration::from_secs(600))
}

fn append(store: &Store, lines: &[Line]) {
    let mut streams: Vec<StreamEntries<'_>> = Vec::new();
    for line in lines {
        let labels = Labels::from([("app", line.app.as_str())]);
        let timestamp = Timestamp::from_nanos(line.nanos);
        let entry = Entry { timestamp, line: Cow::Borrowed(&line.text), metadata: Labels::default() };
        match streams.iter_mut().find(|stream| stream.labels == labels) {
            Some(stream) => stream.entries.push(entry),
            None => streams.push(StreamEntries { labels, entries: vec![entry] }),
        }
    }
    store.append(&Batch { record: Cow::Borrowed(b"never replayed"), streams }).expect("it is stored");
}

fn run(seed: u64) {
    let needles = std::env::var("LOGCAFE_NEEDLES").ok().and_then(|count| count.parse().ok()).unwrap_or(NEEDLES);
    let random = &mut Random::new(seed);
    let world = World::new(random);
    for n in 1..=needles {
        let question = Question::new(random, &world.lines);
        if let Err(difference) = world.check(&question, random) {
            panic!("with LOGCAFE_NEEDLE_SEED={seed}, needle {n}: {difference}");
        }
    }
}

#[test]
fn what_is_looked_for_is_found_as_a_plain_scan_finds_it() {
    run(1);
}

#[test]
fn what_is_looked_for_is_found_in_lines_that_are_others_each_time() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970").as_nanos() as u64;
    run(std::env::var("LOGCAFE_NEEDLE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(now));
}
