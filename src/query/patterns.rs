//! The patterns of lines: what many of them say, and how often they said it when.
//!
//! Nothing is prepared when lines come: they are counted when someone asks, so patterns cover everything that is stored,
//! cost a push nothing, and are exact.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::logql::ast::LogExpr;
use crate::logql::miner::{Mined, Miner, Pattern};
use crate::logql::stage::Scratch;
use crate::model::{Direction, Labels, Memory, Share, TimeRange, Timestamp};
use crate::query::limits::memory;
use crate::query::plan::Plan;
use crate::query::sample::Budget;
use crate::query::scan::{Numbered, rows, spread};
use crate::query::{
    ChangeQuery, ChangedPattern, Changes, Coverage, Engine, Error, LevelCounts, MinedPattern, PatternQuery, Patterns,
    Stats, Ticket,
};
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
        let counting = Counting::new(vec![Side { plan, parts }], &query.log, ticket);
        let counted = counting.run(query.limit, query.time_max, &memory)?;
        let pattern = |pattern: Pattern| MinedPattern {
            levels: by_level(&pattern.counts, &counted.levels, parts),
            text: pattern.text,
            line_count: pattern.line_count,
        };
        let patterns: Vec<MinedPattern> = counted.mined.patterns.into_iter().map(pattern).collect();
        drop(reading);
        let mut share = Share::of(&memory);
        share.take(patterns.iter().map(MinedPattern::memory_bytes).sum())?;
        let (further_pattern_count, further_line_count) =
            (counted.mined.further_pattern_count, counted.mined.further_line_count);
        let stats = Stats { cut: further_pattern_count > 0, ..counted.stats };
        let stats = Stats { waited: ticket.waited(), elapsed: begin.elapsed(), ..stats };
        self.add_to_totals(&stats);
        Ok(Patterns {
            patterns,
            further_pattern_count,
            further_line_count,
            coverage: counted.coverage[0],
            stats,
            warnings: ticket.damages(),
            memory,
            _share: share,
        })
    }

    /// The patterns of two ranges, counted as one, so that they are the same on both sides.
    pub fn changes(&self, query: &ChangeQuery, ticket: &Ticket) -> Result<Changes, Error> {
        let begin = Instant::now();
        let _turn = self.queue.enter(ticket)?;
        let side = |range| {
            let plan = Plan::for_logs(&self.store, &query.log, range)?;
            Ok::<_, Error>(Side { plan, parts: Parts::cut(range, query.part_count) })
        };
        let (memory, _reading) = memory(&self.limits);
        let counting = Counting::new(vec![side(query.before)?, side(query.now)?], &query.log, ticket);
        let counted = counting.run(query.limit, query.time_max, &memory)?;
        let pattern = |pattern: Pattern| changed(pattern, &counted.levels, query.part_count);
        let patterns: Vec<ChangedPattern> = counted.mined.patterns.into_iter().map(pattern).collect();
        let bytes = |pattern: &ChangedPattern| {
            pattern.text.capacity() + (pattern.before.len() + pattern.now.len()) * size_of::<u64>()
        };
        Share::of(&memory).take(patterns.iter().map(bytes).sum())?;
        let stats = Stats { cut: counted.mined.further_pattern_count > 0, ..counted.stats };
        let stats = Stats { waited: ticket.waited(), elapsed: begin.elapsed(), ..stats };
        self.add_to_totals(&stats);
        Ok(Changes {
            patterns,
            before_count: counted.matched[0],
            now_count: counted.matched[1],
            before: counted.coverage[0],
            now: counted.coverage[1],
            stats,
            warnings: ticket.damages(),
        })
    }
}

impl MinedPattern {
    fn memory_bytes(&self) -> usize {
        let samples = self.levels.iter().map(|counts| counts.samples.capacity() * size_of::<(Timestamp, u64)>());
        self.text.capacity() + size_of::<MinedPattern>() + samples.sum::<usize>()
    }
}

/// The lines of one range, and the parts that they are counted by.
struct Side {
    plan: Plan,
    parts: Parts,
}

/// What all workers see.
struct Counting<'q> {
    sides: Vec<Side>,
    /// The names of levels, by their numbers.
    levels: Mutex<Vec<String>>,
    ticket: &'q Ticket,
    /// Whether lines are counted as they are stored.
    is_raw: bool,
}

/// What was counted; of each side where there are several.
struct Counted {
    mined: Mined,
    levels: Vec<String>,
    coverage: Vec<Coverage>,
    matched: Vec<u64>,
    stats: Stats,
}

struct Worker {
    miner: Miner,
    scratch: Scratch,
    share: Share,
    /// Levels that were met, with their numbers.
    levels: Vec<(String, u32)>,
    /// Of each side: lines that passed, entries and bytes that were read.
    matched: Vec<u64>,
    entries: Vec<u64>,
    bytes: u64,
}

impl<'q> Counting<'q> {
    fn new(sides: Vec<Side>, log: &LogExpr, ticket: &'q Ticket) -> Counting<'q> {
        let levels = Mutex::new(vec![UNKNOWN.to_owned()]);
        Counting { sides, levels, ticket, is_raw: log.stages.is_empty() }
    }

    /// Counts the lines of all sides with all cores. A cell of the miner is a level, in it a side, in it a part.
    fn run(mut self, limit: usize, time_max: Option<Duration>, memory: &Memory) -> Result<Counted, Error> {
        let budget = Budget::of(time_max);
        let (chunks, from) = self.chunks(budget);
        let begun = AtomicUsize::new(0);
        let seed = rand::random();
        let make = || Worker {
            miner: Miner::new(seed),
            scratch: Scratch::default(),
            share: Share::of(memory),
            levels: Vec::new(),
            matched: vec![0; self.sides.len()],
            entries: vec![0; self.sides.len()],
            bytes: 0,
        };
        let workers = spread(&chunks, self.ticket, make, |worker, numbered| {
            // the chunks of all sides come by turns, and of each one something has to be read
            if begun.load(Relaxed) >= self.sides.len() && budget.is_spent() {
                return Ok(ControlFlow::Break(()));
            }
            begun.fetch_add(1, Relaxed);
            let side = from.iter().rposition(|from| *from <= numbered.number).unwrap_or(0);
            self.read(worker, side, numbered)?;
            Ok(ControlFlow::Continue(()))
        })?;
        let sum = |of: fn(&Worker) -> &Vec<u64>, side| workers.iter().map(|worker| of(worker)[side]).sum::<u64>();
        let sides = 0..self.sides.len();
        let matched: Vec<u64> = sides.clone().map(|side| sum(|worker| &worker.matched, side)).collect();
        let all = |side: usize| self.sides[side].plan.chunks.iter().map(|numbered| numbered.chunk.entry_count).sum();
        let coverage: Vec<Coverage> =
            sides.map(|side| Coverage { read: sum(|worker| &worker.entries, side), all: all(side) }).collect();
        let stats = Stats {
            lines_matched: matched.iter().sum(),
            lines_processed: coverage.iter().map(|coverage| coverage.read).sum(),
            bytes_processed: workers.iter().map(|worker| worker.bytes).sum(),
            ..Stats::default()
        };
        let (miners, shares): (Vec<Miner>, Vec<Share>) =
            workers.into_iter().map(|worker| (worker.miner, worker.share)).unzip();
        let mined = Miner::patterns(miners, limit, &mut || self.ticket.check())?;
        drop(shares);
        let levels = std::mem::take(&mut self.levels).into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(Counted { mined, levels, coverage, matched, stats })
    }

    /// The chunks of all sides by turns, and the number of the first one of each side.
    fn chunks(&mut self, budget: Budget) -> (Vec<Numbered>, Vec<u32>) {
        let mut from = Vec::new();
        let mut first = 0;
        let mut by_side = Vec::new();
        for side in &mut self.sides {
            budget.arrange(&mut side.plan.chunks);
            from.push(first);
            let numbered = side.plan.chunks.iter().zip(first..);
            let chunks: Vec<Numbered> =
                numbered.map(|(known, number)| Numbered { number, chunk: known.chunk.clone() }).collect();
            first += u32::try_from(chunks.len()).expect("chunks have numbers");
            by_side.push(chunks);
        }
        let length = by_side.iter().map(Vec::len).max().unwrap_or(0);
        let turns = (0..length).flat_map(|turn| by_side.iter().filter_map(move |chunks| chunks.get(turn).cloned()));
        (turns.collect(), from)
    }

    fn read(&self, worker: &mut Worker, side: usize, numbered: &Numbered) -> Result<(), Error> {
        let Side { plan, parts } = &self.sides[side];
        let cells = self.sides.iter().map(|side| side.parts.count).sum::<u32>();
        let before = self.sides[..side].iter().map(|side| side.parts.count).sum::<u32>();
        worker.entries[side] += numbered.chunk.entry_count;
        worker.bytes += numbered.chunk.line_bytes;
        // the number of the level of each set of metadata that was met in this chunk
        let mut level_of: Vec<Option<u32>> = Vec::new();
        let mut clock = parts.clock();
        rows(&numbered.chunk, TimeRange::ALL, Direction::Forward, self.ticket, |row: Row<'_>, _| {
            if level_of.len() <= row.metadata_index {
                level_of.resize(row.metadata_index + 1, None);
            }
            let level =
                *level_of[row.metadata_index].get_or_insert_with(|| self.level(&mut worker.levels, row.metadata));
            let cell = level * cells + before + clock.part(row.timestamp);
            if self.is_raw {
                worker.matched[side] += 1;
                worker.miner.observe(row.line, cell);
                return Ok(());
            }
            if worker.scratch.was_slow() {
                self.ticket.check()?;
            }
            let (stream, metadata, scratch) = (row.stream, row.metadata, &mut worker.scratch);
            let processed = plan.pipeline.process(row.timestamp, row.line, stream, metadata, scratch);
            if let Some(processed) = processed {
                worker.matched[side] += 1;
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
    /// What multiples are counted from.
    zero: i64,
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
        Ok(Parts { zero: 0, first, step_ns, count: u32::try_from(count).expect("fewer than the bound") })
    }

    /// Equal parts of a range from its start.
    fn cut(range: TimeRange, count: u32) -> Parts {
        let count = count.max(1);
        let length = range.end.nanos().saturating_sub(range.start.nanos()).max(1);
        Parts { zero: range.start.nanos(), first: 0, step_ns: (length - 1) / i64::from(count) + 1, count }
    }

    fn clock(&self) -> Clock<'_> {
        Clock { parts: self, part: 0, from: 0, to: 0 }
    }

    fn start(&self, part: u32) -> Timestamp {
        let since_zero = (self.first + i64::from(part)).saturating_mul(self.step_ns);
        Timestamp::from_nanos(since_zero.saturating_add(self.zero))
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
            let number = nanos.saturating_sub(self.parts.zero).div_euclid(step_ns);
            let last = i64::from(self.parts.count - 1);
            self.part = u32::try_from((number - self.parts.first).clamp(0, last)).expect("within the parts");
            self.from = number.saturating_mul(step_ns).saturating_add(self.parts.zero);
            self.to = self.from.saturating_add(step_ns);
        }
        self.part
    }
}

/// Counts of cells as those of two sides.
fn changed(pattern: Pattern, levels: &[String], part_count: u32) -> ChangedPattern {
    let part_count = part_count.max(1);
    let mut sides = vec![0; 2 * part_count as usize];
    let mut of_level = vec![0; levels.len()];
    for (cell, count) in pattern.counts {
        sides[(cell % (2 * part_count)) as usize] += count;
        of_level[(cell / (2 * part_count)) as usize] += count;
    }
    let now = sides.split_off(part_count as usize);
    let most = of_level.iter().enumerate().max_by_key(|(_, count)| **count).map_or(0, |(level, _)| level);
    ChangedPattern { text: pattern.text, before: sides, now, level: levels[most].clone() }
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
    use crate::query::{ChangeQuery, Engine, Error, Limits, PatternQuery};

    fn range(start: i64, end: i64) -> TimeRange {
        TimeRange::new(Timestamp::from_secs(start), Timestamp::from_secs(end))
    }

    fn query(text: &str) -> PatternQuery {
        let Ok(Expr::Log(log)) = logql::parse(text) else { panic!("{text} is no log query") };
        PatternQuery { log, range: range(0, 100), step_ns: 10_000_000_000, limit: 10, time_max: None }
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
    fn patterns_of_two_ranges_are_the_same_on_both_sides() {
        let (store, engine) = engine();
        store.push(&[("app", "a")], &[(120, "request 7 done"), (130, "new 1 thing"), (170, "new 2 thing")]);
        let PatternQuery { log, .. } = query(r#"{app=~".+"}"#);
        let change = ChangeQuery {
            log,
            before: range(0, 100),
            now: range(100, 200),
            part_count: 4,
            limit: 10,
            time_max: Some(std::time::Duration::from_secs(60)),
        };
        for _ in 0..2 {
            let found = engine.changes(&change, &ticket()).expect("an answer");
            let told: Vec<_> = found
                .patterns
                .iter()
                .map(|it| (it.text.as_str(), it.before.as_slice(), it.now.as_slice(), it.level.as_str()))
                .collect();
            assert_eq!(
                told,
                [
                    ("request <_> done", &[75, 75, 75, 75][..], &[1, 0, 0, 0][..], "info"),
                    ("bye", &[2, 0, 0, 0], &[0, 0, 0, 0], "unknown"),
                    ("new <_> thing", &[0, 0, 0, 0], &[0, 1, 1, 0][..], "unknown"),
                ]
            );
            assert_eq!((found.before_count, found.now_count), (302, 3));
            assert!(found.before.is_whole() && found.now.is_whole());
            store.seal();
        }
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
