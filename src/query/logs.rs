//! Log queries: the first `limit` lines of an answer, over all streams.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashSet};
use std::ops::ControlFlow;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

use crate::logql::ast::LogExpr;
use crate::logql::stage::Scratch;
use crate::model::{Direction, Labels, Memory, Share, TimeRange, Timestamp};
use crate::query::plan::Plan;
use crate::query::scan::{Numbered, pay_for_scratch, some_rows, spread};
use crate::query::{Error, LogLine, RangeQuery, Stats, Ticket};
use crate::store::{Chunk, EntryKey, Need, Store, Visited};

/// A line and its place among all others.
#[derive(Debug)]
struct Found {
    direction: Direction,
    chunk: u32,
    row: u32,
    line: LogLine,
}

/// Reads the lines of a log query.
pub(crate) fn run(
    store: &Store,
    log: &LogExpr,
    query: &RangeQuery,
    memory: &Memory,
    ticket: &Ticket,
    stats: &mut Stats,
) -> Result<Vec<LogLine>, Error> {
    if query.interval_ns > 0 {
        return at_intervals(store, log, query, memory, ticket, stats);
    }
    // one more than is answered tells whether something was left out
    let (mut lines, share) =
        first(store, log, query, query.range, query.limit.saturating_add(1), memory, ticket, stats)?;
    share.spend();
    stats.cut = lines.len() > query.limit;
    lines.truncate(query.limit);
    Ok(lines)
}

/// Takes a line only when it is at least `interval_ns` away from the one taken before it.
fn at_intervals(
    store: &Store,
    log: &LogExpr,
    query: &RangeQuery,
    memory: &Memory,
    ticket: &Ticket,
    stats: &mut Stats,
) -> Result<Vec<LogLine>, Error> {
    const BATCH: usize = 1000;
    let mut range = query.range;
    let mut taken: Vec<LogLine> = Vec::new();
    let mut share = Share::of(memory);
    loop {
        let (batch, _batch_share) = first(store, log, query, range, BATCH, memory, ticket, stats)?;
        let is_last = batch.len() < BATCH;
        for line in batch {
            let far_enough = taken.last().is_none_or(|last| {
                let (earlier, later) = match query.direction {
                    Direction::Forward => (last.timestamp, line.timestamp),
                    Direction::Backward => (line.timestamp, last.timestamp),
                };
                earlier.plus_nanos(query.interval_ns) <= later
            });
            if far_enough {
                if taken.len() == query.limit {
                    stats.cut = true;
                    share.spend();
                    return Ok(taken);
                }
                share.take(memory_bytes(&line))?;
                taken.push(line);
            }
        }
        let Some(last) = taken.last().filter(|_| !is_last) else {
            share.spend();
            return Ok(taken);
        };
        match query.direction {
            Direction::Forward => range.start = last.timestamp.plus_nanos(query.interval_ns),
            Direction::Backward => range.end = last.timestamp.plus_nanos(-query.interval_ns).plus_nanos(1),
        }
    }
}

/// Which lines [`newest`] reads.
pub(crate) struct Newest<'n> {
    pub(crate) limit: usize,
    /// Memory of the lines together, about: older ones beyond it are left out.
    pub(crate) bytes_max: usize,
    /// Entries that are left out.
    pub(crate) but: &'n HashSet<EntryKey>,
}

/// The newest lines of a plan, oldest first, and what pays for them.
pub(crate) fn newest(
    plan: &mut Plan,
    wanted: &Newest<'_>,
    memory: &Memory,
    ticket: &Ticket,
    stats: &mut Stats,
) -> Result<(Vec<LogLine>, Share), Error> {
    let want = Want { limit: wanted.limit, bytes_max: wanted.bytes_max, but: Some(wanted.but) };
    let (mut lines, share) = read(plan, Direction::Backward, want, memory, ticket, stats)?;
    let mut bytes = 0;
    let fit = lines.iter().position(|line| {
        bytes += memory_bytes(line);
        bytes > wanted.bytes_max
    });
    lines.truncate(fit.unwrap_or(lines.len()).max(1));
    lines.reverse();
    Ok((lines, share))
}

/// What is wanted of the lines that a plan finds.
#[derive(Clone, Copy)]
struct Want<'w> {
    limit: usize,
    /// Memory of the lines that one worker keeps, about.
    bytes_max: usize,
    but: Option<&'w HashSet<EntryKey>>,
}

/// The first `limit` lines in a range, and what pays for them.
#[expect(clippy::too_many_arguments, reason = "what a query is made of, at the one place where all of it meets")]
fn first(
    store: &Store,
    log: &LogExpr,
    query: &RangeQuery,
    range: TimeRange,
    limit: usize,
    memory: &Memory,
    ticket: &Ticket,
    stats: &mut Stats,
) -> Result<(Vec<LogLine>, Share), Error> {
    let mut plan = Plan::for_logs(store, log, range)?;
    let want = Want { limit, bytes_max: usize::MAX, but: None };
    read(&mut plan, query.direction, want, memory, ticket, stats)
}

/// The first of the wanted lines of a plan, and what pays for them.
fn read(
    plan: &mut Plan,
    direction: Direction,
    want: Want<'_>,
    memory: &Memory,
    ticket: &Ticket,
    stats: &mut Stats,
) -> Result<(Vec<LogLine>, Share), Error> {
    match direction {
        Direction::Forward => plan.chunks.sort_by_key(|numbered| numbered.chunk.min),
        Direction::Backward => plan.chunks.sort_by_key(|numbered| std::cmp::Reverse(numbered.chunk.max)),
    }
    let damages_before = ticket.damage_count();
    let found = read_sorted(plan, direction, want, true, memory, ticket, stats)?;
    if ticket.damage_count() == damages_before {
        return Ok(found);
    }
    // lines that were counted on ahead may be among those that cannot be read: others take their place
    drop(found);
    read_sorted(plan, direction, want, false, memory, ticket, stats)
}

/// The same, of chunks that come in the order of their nearest lines; with a look ahead or without.
fn read_sorted(
    plan: &Plan,
    direction: Direction,
    want: Want<'_>,
    looks_ahead: bool,
    memory: &Memory,
    ticket: &Ticket,
    stats: &mut Stats,
) -> Result<(Vec<LogLine>, Share), Error> {
    let shared = Shared {
        plan,
        direction,
        want: Want { but: want.but.filter(|but| !but.is_empty()), ..want },
        bound: Bound::new(direction, want.limit),
        ticket,
        lines: AtomicU64::new(0),
        bytes: AtomicU64::new(0),
    };
    let make = || Worker {
        kept: BinaryHeap::new(),
        kept_bytes: 0,
        share: Share::of(memory),
        scratch_share: Share::of(memory),
        scratch: Scratch::default(),
        times: Vec::new(),
        matched: 0,
    };
    if looks_ahead {
        shared.look_ahead()?;
    }
    let workers = spread(&shared.plan.chunks, ticket, make, |worker, chunk| shared.read(worker, chunk))?;

    stats.lines_processed += shared.lines.load(Relaxed);
    stats.bytes_processed += shared.bytes.load(Relaxed);
    stats.lines_matched += workers.iter().map(|worker| worker.matched).sum::<u64>();
    let mut found: Vec<Found> = Vec::new();
    let mut shares = Vec::new();
    for worker in workers {
        found.extend(worker.kept);
        shares.push(worker.share);
    }
    // one worker may have left out lines that come before those which another kept early on
    let bound = shared.bound.range();
    found.retain(|found| bound.contains(found.line.timestamp));
    found.sort_unstable();
    found.truncate(want.limit);
    let lines: Vec<LogLine> = found.into_iter().map(|found| found.line).collect();
    drop(shares);
    let mut share = Share::of(memory);
    share.take(lines.iter().map(memory_bytes).sum())?;
    Ok((lines, share))
}

/// What all workers of a query see.
struct Shared<'q> {
    plan: &'q Plan,
    direction: Direction,
    want: Want<'q>,
    bound: Bound,
    ticket: &'q Ticket,
    lines: AtomicU64,
    bytes: AtomicU64,
}

struct Worker {
    /// The first lines this worker has met, the last of them on top.
    kept: BinaryHeap<Found>,
    kept_bytes: usize,
    /// Pays for what is kept.
    share: Share,
    /// Pays for buffers that long lines have made large.
    scratch_share: Share,
    scratch: Scratch,
    /// The times of the lines of one chunk.
    times: Vec<Timestamp>,
    matched: u64,
}

impl Shared<'_> {
    /// Learns from the times alone which lines will be the first, where every line is one of the answer: so none is
    /// put together in vain. What cannot be read is told when its lines are.
    fn look_ahead(&self) -> Result<(), Error> {
        if !self.plan.keeps_all || !self.plan.takes_all || self.want.but.is_some() {
            return Ok(());
        }
        for numbered in &self.plan.chunks {
            if self.bound.is_beyond(self.nearest(&numbered.chunk)) {
                break;
            }
            self.ticket.check()?;
            let mut times = Vec::new();
            let visited = Visited { need: Need::Times, ..self.visited() };
            let read = numbered.chunk.visit_some(&visited, &mut |row| {
                times.push(row.timestamp);
                ControlFlow::Continue(())
            });
            if read.is_ok() {
                self.bound.note(&times);
            }
        }
        // they are told again when they are read
        self.bound.forget();
        Ok(())
    }

    fn nearest(&self, chunk: &Chunk) -> Timestamp {
        match self.direction {
            Direction::Forward => chunk.min,
            Direction::Backward => chunk.max,
        }
    }

    /// What is read of a chunk, as far as is known by now.
    fn visited(&self) -> Visited {
        let all_count = self.plan.keeps_all && self.want.but.is_none();
        let rows_max = if all_count { self.want.limit } else { usize::MAX };
        Visited { range: self.bound.range(), direction: self.direction, rows_max, need: Need::Lines }
    }

    fn read(&self, worker: &mut Worker, numbered: &Numbered) -> Result<ControlFlow<()>, Error> {
        let chunk = &numbered.chunk;
        if self.bound.is_beyond(self.nearest(chunk)) {
            // chunks come in the order of their nearest lines
            return Ok(ControlFlow::Break(()));
        }
        self.lines.fetch_add(chunk.entry_count, Relaxed);
        self.bytes.fetch_add(chunk.line_bytes, Relaxed);
        some_rows(chunk, &self.visited(), self.ticket, |row, place| {
            if self.bound.is_beyond(row.timestamp) {
                return Ok(());
            }
            if worker.scratch.was_slow() {
                self.ticket.check()?;
            }
            pay_for_scratch(&worker.scratch, &mut worker.scratch_share)?;
            let (stream, metadata, scratch) = (row.stream, row.metadata, &mut worker.scratch);
            let Some(processed) = self.plan.pipeline.process(row.timestamp, row.line, stream, metadata, scratch) else {
                return Ok(());
            };
            if self.want.but.is_some_and(|but| but.contains(&row.key())) {
                return Ok(());
            }
            worker.matched += 1;
            worker.times.push(row.timestamp);
            let (direction, chunk) = (self.direction, numbered.number);
            let found = Found { direction, chunk, row: place, line: LogLine::new(row.timestamp, row.line, &processed) };
            self.keep(worker, found)
        })?;
        self.bound.note(&worker.times);
        worker.times.clear();
        Ok(ControlFlow::Continue(()))
    }

    fn keep(&self, worker: &mut Worker, found: Found) -> Result<(), Error> {
        let Worker { kept, kept_bytes, share, .. } = worker;
        let bytes = memory_bytes(&found.line);
        share.take(bytes)?;
        *kept_bytes += bytes;
        kept.push(found);
        let mut is_full = kept.len() == self.want.limit;
        while kept.len() > self.want.limit || (*kept_bytes > self.want.bytes_max && kept.len() > 1) {
            is_full = true;
            let dropped = kept.pop().expect("more than the limit is more than nothing");
            let bytes = memory_bytes(&dropped.line);
            *kept_bytes -= bytes;
            share.give_back(bytes);
        }
        if is_full && let Some(last) = kept.peek() {
            self.bound.set(last.line.timestamp);
        }
        Ok(())
    }
}

/// The time of the last line that can be among the first: there are enough that are before all others.
struct Bound {
    direction: Direction,
    limit: usize,
    nanos: AtomicI64,
    /// The places of the first lines so far, the last of them on top.
    first: Mutex<BinaryHeap<i64>>,
}

impl Bound {
    fn new(direction: Direction, limit: usize) -> Bound {
        let nanos = match direction {
            Direction::Forward => i64::MAX,
            Direction::Backward => i64::MIN,
        };
        Bound { direction, limit, nanos: AtomicI64::new(nanos), first: Mutex::default() }
    }

    /// The time in the order of the answer, and back.
    fn place(&self, nanos: i64) -> i64 {
        match self.direction {
            Direction::Forward => nanos,
            Direction::Backward => !nanos,
        }
    }

    /// Learns of lines of the answer, each of which is told once.
    fn note(&self, times: &[Timestamp]) {
        if times.is_empty() {
            return;
        }
        let mut first = self.first.lock().expect("no thread panics while it holds this lock");
        for time in times {
            first.push(self.place(time.nanos()));
            if first.len() > self.limit {
                first.pop();
            }
        }
        if first.len() == self.limit
            && let Some(last) = first.peek()
        {
            self.set(Timestamp::from_nanos(self.place(*last)));
        }
    }

    /// Forgets the lines, and keeps the bound.
    fn forget(&self) {
        self.first.lock().expect("no thread panics while it holds this lock").clear();
    }

    fn set(&self, time: Timestamp) {
        match self.direction {
            Direction::Forward => self.nanos.fetch_min(time.nanos(), Relaxed),
            Direction::Backward => self.nanos.fetch_max(time.nanos(), Relaxed),
        };
    }

    fn is_beyond(&self, time: Timestamp) -> bool {
        match self.direction {
            Direction::Forward => time.nanos() > self.nanos.load(Relaxed),
            Direction::Backward => time.nanos() < self.nanos.load(Relaxed),
        }
    }

    /// The times that can still be among the first lines.
    fn range(&self) -> TimeRange {
        let bound = Timestamp::from_nanos(self.nanos.load(Relaxed));
        match self.direction {
            Direction::Forward => TimeRange::new(Timestamp::MIN, bound.plus_nanos(1)),
            Direction::Backward => TimeRange::new(bound, Timestamp::MAX),
        }
    }
}

/// What a line takes. The labels of its stream and its metadata are mostly those of the store; where they are not, that
/// is a few more bytes than are counted here.
pub(crate) fn memory_bytes(line: &LogLine) -> usize {
    /// Two strings, each in a piece of memory of its own.
    const PAIR_BYTES: usize = 2 * (size_of::<String>() + 24);
    let pairs =
        |labels: &Labels| labels.iter().map(|(name, value)| name.len() + value.len() + PAIR_BYTES).sum::<usize>();
    size_of::<Found>() + line.line.capacity() + pairs(&line.parsed)
}

/// The order of an answer: by time, then by stream, then in the order of the pushes, all of it reversed for backward.
impl Ord for Found {
    fn cmp(&self, other: &Found) -> Ordering {
        let place = |found: &Found| (found.chunk, found.row);
        let forward = || {
            let by_time = self.line.timestamp.cmp(&other.line.timestamp);
            by_time.then_with(|| self.line.stream.cmp(&other.line.stream))
        };
        match self.direction {
            Direction::Forward => forward().then_with(|| place(self).cmp(&place(other))),
            // rows of a chunk are already visited in reverse
            Direction::Backward => {
                forward().reverse().then_with(|| other.chunk.cmp(&self.chunk)).then_with(|| self.row.cmp(&other.row))
            }
        }
    }
}

impl PartialOrd for Found {
    fn partial_cmp(&self, other: &Found) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Found {
    fn eq(&self, other: &Found) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Found {}

#[cfg(test)]
mod tests {
    use crate::logql;
    use crate::model::{Direction, TimeRange, Timestamp};
    use crate::query::testing::{TestStore, ticket};
    use crate::query::{Data, Engine, Limits, RangeQuery};

    /// Streams whose lines lie anywhere in the same minute, many at equal times.
    fn engine() -> (TestStore, Engine) {
        let store = TestStore::new();
        for stream in 0..12 {
            let lines: Vec<(i64, String)> = (0..40).map(|n| (n * (stream + 7) % 61, format!("{stream}-{n}"))).collect();
            let lines: Vec<(i64, &str)> = lines.iter().map(|(secs, line)| (*secs, line.as_str())).collect();
            store.push(&[("app", &format!("{stream:02}"))], &lines);
        }
        let engine = Engine::new(store.store.clone(), Limits::default());
        (store, engine)
    }

    fn lines(engine: &Engine, text: &str, direction: Direction, limit: usize) -> (Vec<(i64, String)>, bool) {
        let query = RangeQuery {
            expr: logql::parse(text).expect("a query"),
            range: TimeRange::new(Timestamp::from_secs(5), Timestamp::from_secs(55)),
            step_ns: 1,
            interval_ns: 0,
            limit,
            direction,
        };
        let answer = engine.range(&query, &ticket()).expect("an answer");
        let Data::Streams(lines) = answer.data else { panic!("lines come as streams") };
        (lines.into_iter().map(|line| (line.timestamp.nanos(), line.line)).collect(), answer.stats.cut)
    }

    #[test]
    fn a_limit_leaves_the_beginning_of_the_whole_answer() {
        let (_store, engine) = engine();
        for text in [r#"{app=~".+"}"#, r#"{app=~"0.+"} |~ "[37]$""#] {
            for direction in [Direction::Forward, Direction::Backward] {
                let (all, cut) = lines(&engine, text, direction, 5000);
                assert!(!cut && all.len() > 40);
                let in_order = match direction {
                    Direction::Forward => all.is_sorted_by_key(|(nanos, _)| *nanos),
                    Direction::Backward => all.is_sorted_by_key(|(nanos, _)| -nanos),
                };
                assert!(in_order, "{direction:?}");
                for limit in [1, 2, 13, all.len() - 1, all.len()] {
                    let (first, cut) = lines(&engine, text, direction, limit);
                    assert_eq!(first, all[..limit], "{text} {direction:?} {limit}");
                    assert_eq!(cut, limit < all.len());
                }
            }
        }
    }

    #[test]
    fn backward_is_forward_reversed() {
        let (_store, engine) = engine();
        let (mut forward, _) = lines(&engine, r#"{app=~".+"}"#, Direction::Forward, 5000);
        forward.reverse();
        assert_eq!(lines(&engine, r#"{app=~".+"}"#, Direction::Backward, 5000).0, forward);
    }

    #[test]
    fn lines_that_cannot_be_read_leave_their_place_to_others() {
        let store = TestStore::new();
        for round in 0..2 {
            let lines: Vec<(i64, String)> =
                (0..300).map(|n| (300 * round + n, format!("order {n} of round {round}"))).collect();
            let lines: Vec<(i64, &str)> = lines.iter().map(|(secs, line)| (*secs, line.as_str())).collect();
            store.push(&[("app", "a")], &lines);
            store.seal();
        }
        let day =
            std::fs::read_dir(store.dir.path().join("days")).expect("days").next().expect("a day").expect("a day");
        let blocks = day.path().join("blocks.dat");
        let mut bytes = std::fs::read(&blocks).expect("blocks");
        // the text of the second block
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        std::fs::write(&blocks, bytes).expect("written");
        let engine = Engine::new(store.store.clone(), Limits::default());
        let query = RangeQuery {
            expr: logql::parse(r#"{app="a"}"#).expect("a query"),
            range: TimeRange::new(Timestamp::from_secs(0), Timestamp::from_secs(900)),
            step_ns: 1,
            interval_ns: 0,
            limit: 100,
            direction: Direction::Backward,
        };
        let answer = engine.range(&query, &ticket()).expect("an answer");
        assert!(!answer.warnings.is_empty());
        let Data::Streams(lines) = answer.data else { panic!("lines come as streams") };
        let lines: Vec<&str> = lines.iter().map(|line| line.line.as_str()).collect();
        assert_eq!(lines.len(), 100);
        assert_eq!(lines[0], "order 299 of round 0");
    }
}
