//! The patterns of lines: what many of them say, and how often they said it when.
//!
//! Nothing is prepared when lines come: they are counted when someone asks, so patterns cover everything that is stored,
//! cost a push nothing, and are exact.

use std::ops::ControlFlow;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::logql::miner::{Miner, Pattern};
use crate::logql::stage::Scratch;
use crate::model::{Direction, Labels, Share, TimeRange, Timestamp};
use crate::query::limits::memory;
use crate::query::plan::Plan;
use crate::query::scan::{Numbered, rows, spread};
use crate::query::{Engine, Error, LevelCounts, MinedPattern, PatternQuery, Patterns, Stats, Ticket};
use crate::store::Row;

/// Parts of the range, at most: Loki's number, and one at each end that is not whole.
const PARTS_MAX: u64 = 11_002;
/// Levels that are told apart; there are about eight, but whoever pushes may send others.
const LEVELS_MAX: usize = 64;
/// The label of a line that names its level.
const LEVEL: &str = "detected_level";
/// The level of lines that have none, and of those beyond the bound.
const UNKNOWN: &str = "unknown";

impl Engine {
    /// The patterns of the lines that a query finds, the most frequent first.
    pub fn patterns(&self, query: &PatternQuery, ticket: &Ticket) -> Result<Patterns, Error> {
        let begin = Instant::now();
        let _turn = self.queue.enter(ticket)?;
        let parts = Parts::of(query.range, query.step_ns)?;
        let plan = Plan::for_logs(&self.store, &query.log, query.range)?;
        let (memory, reading) = memory(&self.limits);
        let levels = Mutex::new(vec![UNKNOWN.to_owned()]);
        let counting = Counting { plan: &plan, parts, levels: &levels, ticket, is_raw: query.log.stages.is_empty() };
        let seed = rand::random();
        let make = || Worker {
            miner: Miner::new(seed),
            scratch: Scratch::default(),
            share: Share::of(&memory),
            levels: Vec::new(),
            matched: 0,
        };
        let workers = spread(&plan.chunks, ticket, make, |worker, numbered| {
            counting.read(worker, numbered)?;
            Ok(ControlFlow::Continue(()))
        })?;
        let mut stats = Stats { waited: ticket.waited(), ..Stats::default() };
        stats.lines_matched = workers.iter().map(|worker| worker.matched).sum();
        stats.lines_processed = plan.chunks.iter().map(|numbered| numbered.chunk.entry_count).sum();
        stats.bytes_processed = plan.chunks.iter().map(|numbered| numbered.chunk.line_bytes).sum();
        let (miners, shares): (Vec<Miner>, Vec<Share>) =
            workers.into_iter().map(|worker| (worker.miner, worker.share)).unzip();
        let mined = Miner::patterns(miners, query.limit, &mut || ticket.check())?;
        let levels = levels.into_inner().unwrap_or_else(PoisonError::into_inner);
        let pattern = |pattern: Pattern| MinedPattern {
            levels: by_level(&pattern.counts, &levels, parts),
            text: pattern.text,
            line_count: pattern.line_count,
        };
        let patterns: Vec<MinedPattern> = mined.patterns.into_iter().map(pattern).collect();
        drop((shares, reading));
        let mut share = Share::of(&memory);
        share.take(patterns.iter().map(MinedPattern::memory_bytes).sum())?;
        stats.cut = mined.further_pattern_count > 0;
        stats.elapsed = begin.elapsed();
        self.add_to_totals(&stats);
        Ok(Patterns {
            patterns,
            further_pattern_count: mined.further_pattern_count,
            further_line_count: mined.further_line_count,
            stats,
            warnings: ticket.damages(),
            memory,
            _share: share,
        })
    }
}

impl MinedPattern {
    fn memory_bytes(&self) -> usize {
        let samples = self.levels.iter().map(|counts| counts.samples.capacity() * size_of::<(Timestamp, u64)>());
        self.text.capacity() + size_of::<MinedPattern>() + samples.sum::<usize>()
    }
}

/// What all workers see.
struct Counting<'q> {
    plan: &'q Plan,
    parts: Parts,
    /// The names of levels, by their numbers.
    levels: &'q Mutex<Vec<String>>,
    ticket: &'q Ticket,
    /// Whether lines are counted as they are stored.
    is_raw: bool,
}

struct Worker {
    miner: Miner,
    scratch: Scratch,
    share: Share,
    /// Levels that were met, with their numbers.
    levels: Vec<(String, u32)>,
    matched: u64,
}

impl Counting<'_> {
    fn read(&self, worker: &mut Worker, numbered: &Numbered) -> Result<(), Error> {
        // the number of the level of each set of metadata that was met in this chunk
        let mut level_of: Vec<Option<u32>> = Vec::new();
        let mut clock = self.parts.clock();
        rows(&numbered.chunk, TimeRange::ALL, Direction::Forward, self.ticket, |row: Row<'_>, _| {
            if level_of.len() <= row.metadata_index {
                level_of.resize(row.metadata_index + 1, None);
            }
            let level =
                *level_of[row.metadata_index].get_or_insert_with(|| self.level(&mut worker.levels, row.metadata));
            let cell = level * self.parts.count + clock.part(row.timestamp);
            if self.is_raw {
                worker.matched += 1;
                worker.miner.observe(row.line, cell);
                return Ok(());
            }
            if worker.scratch.was_slow() {
                self.ticket.check()?;
            }
            let (stream, metadata, scratch) = (row.stream, row.metadata, &mut worker.scratch);
            let processed = self.plan.pipeline.process(row.timestamp, row.line, stream, metadata, scratch);
            if let Some(processed) = processed {
                worker.matched += 1;
                worker.miner.observe(processed.line, cell);
            }
            Ok(())
        })?;
        Ok(worker.share.set(worker.miner.memory_bytes())?)
    }

    /// The number of a line's level. Workers remember those that they have met.
    fn level(&self, known: &mut Vec<(String, u32)>, metadata: &Labels) -> u32 {
        let name = metadata.get(LEVEL).unwrap_or(UNKNOWN);
        if let Some((_, number)) = known.iter().find(|(level, _)| level == name) {
            return *number;
        }
        let mut levels = self.levels.lock().unwrap_or_else(PoisonError::into_inner);
        let number = match levels.iter().position(|level| level == name) {
            Some(number) => number,
            None if levels.len() == LEVELS_MAX => return 0,
            None => {
                levels.push(name.to_owned());
                levels.len() - 1
            }
        };
        let number = u32::try_from(number).expect("there are few levels");
        known.push((name.to_owned(), number));
        number
    }
}

/// The parts of a range: they begin at multiples of the step, so that those of two queries are the same.
#[derive(Clone, Copy, Debug)]
struct Parts {
    first: i64,
    step_ns: i64,
    count: u32,
}

impl Parts {
    fn of(range: TimeRange, step_ns: i64) -> Result<Parts, Error> {
        let step_ns = step_ns.max(1);
        let first = range.start.nanos().div_euclid(step_ns);
        let last = range.end.nanos().saturating_sub(1).div_euclid(step_ns).max(first);
        let count = last.abs_diff(first) + 1;
        if count > PARTS_MAX {
            return Err(Error::Invalid(format!(
                "exceeded maximum resolution: the range has {count} steps, of which there may be {PARTS_MAX}. Try \
                 increasing the value of the step parameter"
            )));
        }
        Ok(Parts { first, step_ns, count: u32::try_from(count).expect("fewer than the bound") })
    }

    fn clock(&self) -> Clock<'_> {
        Clock { parts: self, part: 0, from: 0, to: 0 }
    }

    fn start(&self, part: u32) -> Timestamp {
        Timestamp::from_nanos((self.first + i64::from(part)).saturating_mul(self.step_ns))
    }
}

/// Tells in which part a time lies; times come mostly in order.
struct Clock<'p> {
    parts: &'p Parts,
    part: u32,
    /// The times of this part.
    from: i64,
    to: i64,
}

impl Clock<'_> {
    fn part(&mut self, time: Timestamp) -> u32 {
        let nanos = time.nanos();
        if nanos < self.from || nanos >= self.to {
            let step_ns = self.parts.step_ns;
            let number = nanos.div_euclid(step_ns);
            let last = i64::from(self.parts.count - 1);
            self.part = u32::try_from((number - self.parts.first).clamp(0, last)).expect("within the parts");
            self.from = number.saturating_mul(step_ns);
            self.to = self.from.saturating_add(step_ns);
        }
        self.part
    }
}

/// Counts of cells as those of levels over time, the most frequent level first.
fn by_level(counts: &[(u32, u64)], levels: &[String], parts: Parts) -> Vec<LevelCounts> {
    let mut found: Vec<LevelCounts> = Vec::new();
    for same in counts.chunk_by(|(a, _), (b, _)| a / parts.count == b / parts.count) {
        let level = levels[(same[0].0 / parts.count) as usize].clone();
        let samples = same.iter().map(|(cell, count)| (parts.start(cell % parts.count), *count));
        found.push(LevelCounts {
            level,
            line_count: same.iter().map(|(_, count)| count).sum(),
            samples: samples.collect(),
        });
    }
    found.sort_by(|a, b| b.line_count.cmp(&a.line_count).then_with(|| a.level.cmp(&b.level)));
    found
}

#[cfg(test)]
mod tests {
    use crate::logql;
    use crate::logql::ast::Expr;
    use crate::model::{Labels, TimeRange, Timestamp};
    use crate::query::patterns::Parts;
    use crate::query::testing::{TestStore, ticket};
    use crate::query::{Engine, Error, Limits, PatternQuery};

    fn range(start: i64, end: i64) -> TimeRange {
        TimeRange::new(Timestamp::from_secs(start), Timestamp::from_secs(end))
    }

    fn query(text: &str) -> PatternQuery {
        let Ok(Expr::Log(log)) = logql::parse(text) else { panic!("{text} is no log query") };
        PatternQuery { log, range: range(0, 100), step_ns: 10_000_000_000, limit: 10 }
    }

    fn engine() -> (TestStore, Engine) {
        let store = TestStore::new();
        let level = |name: &str| Labels::from([("detected_level", name)]);
        let lines: Vec<(i64, String, Labels)> = (0..100)
            .map(|n| (n, format!("request {n} done"), level(if n % 10 == 0 { "error" } else { "info" })))
            .collect();
        let lines: Vec<(i64, &str, Labels)> =
            lines.iter().map(|(n, line, set)| (*n, line.as_str(), set.clone())).collect();
        for app in ["a", "b", "c"] {
            store.push_with(&[("app", app)], &lines);
        }
        store.push(&[("app", "a")], &[(5, "bye"), (7, "bye"), (200, "late")]);
        let engine = Engine::new(store.store.clone(), Limits::default());
        (store, engine)
    }

    #[test]
    fn lines_of_all_streams_are_counted_by_level_and_step() {
        let (_store, engine) = engine();
        let found = engine.patterns(&query(r#"{app=~".+"}"#), &ticket()).expect("an answer");
        let texts: Vec<_> = found.patterns.iter().map(|pattern| (pattern.text.as_str(), pattern.line_count)).collect();
        assert_eq!(texts, [("request <_> done", 300), ("bye", 2)]);
        let levels: Vec<_> =
            found.patterns[0].levels.iter().map(|it| (it.level.as_str(), it.line_count, it.samples.len())).collect();
        assert_eq!(levels, [("info", 270, 10), ("error", 30, 10)]);
        assert_eq!(found.patterns[0].levels[0].samples[9], (Timestamp::from_secs(90), 27));
        assert_eq!(found.patterns[1].levels[0].level, "unknown");
        assert_eq!((found.stats.lines_matched, engine.totals().lines_matched), (302, 302));
    }

    #[test]
    fn stages_choose_and_change_the_lines() {
        let (_store, engine) = engine();
        let texts = |text: &str| {
            let found = engine.patterns(&query(text), &ticket()).expect("an answer");
            found.patterns.into_iter().map(|it| (it.text, it.line_count)).collect::<Vec<_>>()
        };
        assert_eq!(texts(r#"{app="a"} |= "bye""#), [("bye".to_owned(), 2)]);
        assert_eq!(
            texts(r#"{app="b"} |~ "[05] done" | line_format "x{{__line__}}""#),
            [("xrequest <_> done".to_owned(), 20)]
        );
    }

    #[test]
    fn a_query_that_is_ended_has_no_patterns() {
        let (_store, engine) = engine();
        let ticket = ticket();
        ticket.cancel();
        assert!(matches!(engine.patterns(&query(r#"{app="a"}"#), &ticket), Err(Error::Cancelled)));
    }

    #[test]
    fn parts_begin_at_multiples_of_the_step() {
        let parts = Parts::of(range(-15, 25), 10_000_000_000).expect("few parts");
        assert_eq!(
            (parts.count, parts.start(0), parts.start(4)),
            (5, Timestamp::from_secs(-20), Timestamp::from_secs(20))
        );
        let mut clock = parts.clock();
        let secs = [-15, -11, -10, -1, 0, 24, -15, 9];
        let found: Vec<u32> = secs.into_iter().map(|secs| clock.part(Timestamp::from_secs(secs))).collect();
        assert_eq!(found, [0, 0, 1, 1, 2, 4, 0, 2]);
        assert!(Parts::of(TimeRange::ALL, 1_000_000_000).is_err());
        assert_eq!(Parts::of(range(10, 10), 10).expect("one part").count, 1);
    }
}
