//! The reader: takes lines from sources through their stages to the outlet, on a thread of its own.
//!
//! Promises: a line gets the same time when it is read again after a kill; what a stage holds back is not said to be
//! reached; files are looked after even while the servers take nothing. Never: waits for a server within a line.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::agent::entry::{Entry, Place, TENANT};
use crate::agent::files::Watch;
use crate::agent::files::bell::Bell;
use crate::agent::metrics::{Change, Metrics};
use crate::agent::outlet::{Outgoing, Outlet, Stretch};
use crate::agent::positions::Positions;
use crate::agent::source::Record;
use crate::agent::stage::Pipeline;
use crate::model::{Labels, Timestamp};

/// How many parts of one source are read before it is another one's turn: a mebibyte.
const PARTS_AT_ONCE: usize = 16;
/// How long nothing may happen before the clocks are looked at.
const WAIT: Duration = Duration::from_secs(1);
/// The same while stages hold lines back that are to go when they are old enough.
const WAIT_HOLDING: Duration = Duration::from_millis(50);
/// The same while the servers take nothing.
const WAIT_FULL: Duration = Duration::from_millis(100);
/// How much later it is taken to be when nothing is to be waited for: longer than batches wait.
const HURRY: Duration = Duration::from_secs(24 * 60 * 60);
/// How far the times of a stretch may fall behind the clock.
const BEHIND_MAX: Duration = Duration::from_secs(1);
/// A line in a stretch takes so long at least, because a line has that many bytes.
const TIME_OF_BYTE: i64 = 1;

/// Promtail's `limits_config`, as far as it is about lines.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct LineLimits {
    /// Longer lines are dropped, or cut. None where it is 0.
    pub(crate) line_bytes_max: usize,
    pub(crate) too_long: TooLong,
    pub(crate) rate: Option<RateLimit>,
}

/// What becomes of a line that is too long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum TooLong {
    #[default]
    Drop,
    Cut,
}

/// So many lines a second, and so many at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct RateLimit {
    pub(crate) lines_per_second: f64,
    pub(crate) burst: f64,
    pub(crate) beyond: Beyond,
}

/// What becomes of lines beyond the rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beyond {
    Drop,
    Wait,
}

/// Everything between sources and outlet.
pub(crate) struct Reader<O> {
    watch: Watch,
    bell: Arc<Bell>,
    positions: Arc<Positions>,
    /// By the number of the scrape configuration.
    pipelines: Vec<Pipeline>,
    gate: Gate<O>,
    sources: HashMap<u32, Reading>,
    /// Sources of which stages hold lines back.
    holding: BTreeSet<u32>,
    /// Sources whose lines a stage takes no more of for now.
    paused: BTreeSet<u32>,
    entry: Entry,
}

/// How far a source is read.
#[derive(Clone, Copy, Debug, Default)]
struct Reading {
    stretch: Option<Timing>,
    place: u64,
    reached: u64,
    job: usize,
}

/// A stretch, and whether an earlier run sent it.
#[derive(Clone, Copy, Debug)]
struct Timing {
    stretch: Stretch,
    is_repeated: bool,
}

impl<O: Outlet> Reader<O> {
    pub(crate) fn new(
        watch: Watch,
        bell: &Arc<Bell>,
        positions: &Arc<Positions>,
        pipelines: Vec<Pipeline>,
        outlet: O,
        limits: LineLimits,
        metrics: &Arc<Metrics>,
    ) -> Reader<O> {
        let now = Instant::now();
        let tokens = limits.rate.map_or(0.0, |rate| rate.burst);
        let gate = Gate { outlet, limits, metrics: metrics.clone(), tokens, filled: now };
        Reader {
            watch,
            bell: bell.clone(),
            positions: positions.clone(),
            pipelines,
            gate,
            sources: HashMap::new(),
            holding: BTreeSet::new(),
            paused: BTreeSet::new(),
            entry: Entry::default(),
        }
    }

    /// Reads until the bell says that it is over; gives the outlet back. What stages hold back then was not reached: it is
    /// read again by the next run, so that lines are joined over a restart.
    pub(crate) fn run(mut self) -> O {
        while !self.bell.is_stopped() {
            self.turn();
        }
        self.gate.outlet
    }

    /// One look at everything, and some reading.
    pub(crate) fn turn(&mut self) {
        let now = Instant::now();
        self.flush(now);
        self.positions.sync(now);
        // in a hurry, all is old enough
        let due = self.gate.outlet.tick(if self.bell.is_hurried() { now + HURRY } else { now });
        self.gate.fill(now);
        if self.gate.is_in_debt() {
            self.watch.look_after(self.gate.debt_time().min(WAIT_FULL));
            return;
        }
        if !self.gate.outlet.ready(WAIT_FULL) {
            self.watch.look_after(Duration::ZERO);
            return;
        }
        self.go_on();
        if let Some(source) = self.watch.next(self.wait(now, due)) {
            if self.paused_until(source).is_some() {
                self.paused.insert(source);
            } else {
                self.read(source);
            }
        }
    }

    /// How long nothing may happen: until a batch is due, or a line that stages hold.
    fn wait(&self, now: Instant, due: Option<Instant>) -> Duration {
        if self.holding.is_empty() {
            return due.map_or(WAIT, |due| WAIT.min(due.saturating_duration_since(now)));
        }
        let resumed = self.pipelines.iter().filter_map(|pipeline| pipeline.paused_until(now));
        let due = resumed.chain(due).min();
        due.map_or(WAIT_HOLDING, |due| WAIT_HOLDING.min(due.saturating_duration_since(now)))
    }

    /// Until when a stage has enough of the lines of a source.
    fn paused_until(&self, source: u32) -> Option<Instant> {
        let job = self.watch.job_of(source)?;
        self.pipelines.get(job)?.paused_until(Instant::now())
    }

    /// Sources whose stages have caught up are read on.
    fn go_on(&mut self) {
        for source in std::mem::take(&mut self.paused) {
            if self.paused_until(source).is_some() {
                self.paused.insert(source);
            } else {
                self.watch.enqueue(source);
            }
        }
    }

    /// Reads a few parts of a source.
    fn read(&mut self, source: u32) {
        for part in 0..PARTS_AT_ONCE {
            if part > 0 && (self.gate.is_in_debt() || !self.gate.outlet.ready(Duration::ZERO)) {
                return;
            }
            let before = self.sources.get(&source).map(|reading| reading.place);
            let Some(place) = self.read_part(source) else { return };
            self.say_reached(source, place);
            if before == Some(place) || !self.watch.is_waiting(source) || self.paused_until(source).is_some() {
                return;
            }
        }
    }

    fn read_part(&mut self, source: u32) -> Option<u64> {
        let job = self.watch.job_of(source)?;
        let (_, ahead) = self.watch.span_of(source)?;
        let now = Instant::now();
        let reading = self.sources.entry(source).or_default();
        reading.job = job;
        let Reader { watch, gate, positions, pipelines, entry, .. } = self;
        let pipeline = pipelines.get_mut(job).filter(|pipeline| !pipeline.is_empty());
        let mut clock = Clock { source, ahead, now: now_timestamp(), timing: reading.stretch, positions };
        let place = match pipeline {
            None => watch.read(source, &mut |labels, record| {
                let timestamp = clock.time_of(&record, &mut gate.outlet);
                gate.send(labels, timestamp, record.line, record.structured, record.tenant);
            }),
            Some(pipeline) => watch.read(source, &mut |labels, record| {
                let timestamp = clock.time_of(&record, &mut gate.outlet);
                let place = Place { source, start: record.start, end: record.end };
                entry.begin(labels, timestamp, record.line, place);
                entry.structured.extend_from_slice(record.structured);
                if record.tenant.is_some() {
                    entry.labels.set(TENANT, record.tenant);
                }
                pipeline.run(entry, now, &mut |entry| gate.send_entry(entry));
            }),
        };
        reading.stretch = clock.timing;
        place
    }

    /// Says what need not be read again.
    fn say_reached(&mut self, source: u32, place: u64) {
        let Some(reading) = self.sources.get_mut(&source) else { return };
        reading.place = place;
        let held = self.pipelines.get(reading.job).and_then(|pipeline| pipeline.held_since(source));
        match held {
            Some(_) => self.holding.insert(source),
            None => self.holding.remove(&source),
        };
        let reached = held.map_or(place, |held| held.min(place));
        if reached > reading.reached {
            reading.reached = reached;
            self.gate.outlet.reached(source, reached);
        }
        // a source that is no more, with nothing left in the stages
        if held.is_none() && self.watch.job_of(source).is_none() {
            self.sources.remove(&source);
        }
    }

    /// Lets go of lines that stages held long enough.
    fn flush(&mut self, now: Instant) {
        if self.holding.is_empty() {
            return;
        }
        let gate = &mut self.gate;
        let is_hurried = self.bell.is_hurried();
        for pipeline in &mut self.pipelines {
            pipeline.flush(now, is_hurried, &mut |entry| gate.send_entry(entry));
        }
        for source in self.holding.clone() {
            let Some(place) = self.sources.get(&source).map(|reading| reading.place) else {
                self.holding.remove(&source);
                continue;
            };
            self.say_reached(source, place);
        }
    }
}

/// Gives lines their times.
struct Clock<'a> {
    source: u32,
    /// How far the source goes as far as is known.
    ahead: u64,
    now: Timestamp,
    timing: Option<Timing>,
    positions: &'a Positions,
}

impl Clock<'_> {
    /// When a line was read, or what its source says.
    fn time_of(&mut self, record: &Record<'_>, outlet: &mut impl Outlet) -> Timestamp {
        if let Some(timestamp) = record.timestamp {
            return timestamp;
        }
        match self.timing {
            Some(timing) if self.is_fit(timing, record.start) => time_in(timing.stretch, record.start),
            _ => self.turn_over(record, outlet),
        }
    }

    fn is_fit(&self, timing: Timing, place: u64) -> bool {
        let stretch = timing.stretch;
        let is_in = stretch.start <= place && place < stretch.end;
        is_in
            && (timing.is_repeated
                || self.now.nanos().saturating_sub(time_in(stretch, place).nanos()) < BEHIND_MAX.as_nanos() as i64)
    }

    /// The stretch in which an earlier run sent the line, else a new one.
    fn turn_over(&mut self, record: &Record<'_>, outlet: &mut impl Outlet) -> Timestamp {
        // what this run sent it does not read again, so only at a start, and behind what was repeated, there may be one
        let is_repeated = self.timing.is_none_or(|timing| timing.is_repeated);
        let earlier = if is_repeated { self.positions.stretch_at(self.source, record.start) } else { None };
        let last = self.timing.map(|timing| time_in(timing.stretch, record.start.min(timing.stretch.end)));
        let stretch = earlier.unwrap_or_else(|| {
            let after = last.map_or(self.now, |last| self.now.max(last.plus_nanos(TIME_OF_BYTE)));
            let end = self.ahead.max(record.end);
            let stretch = Stretch { source: self.source, start: record.start, end, first: after };
            outlet.begin(stretch);
            stretch
        });
        self.timing = Some(Timing { stretch, is_repeated: earlier.is_some() });
        time_in(stretch, record.start)
    }
}

fn time_in(stretch: Stretch, place: u64) -> Timestamp {
    let since = i64::try_from(place.saturating_sub(stretch.start)).unwrap_or(i64::MAX);
    stretch.first.plus_nanos(since.saturating_mul(TIME_OF_BYTE))
}

fn now_timestamp() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_nanos(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

/// The outlet behind the limits.
struct Gate<O> {
    outlet: O,
    limits: LineLimits,
    metrics: Arc<Metrics>,
    tokens: f64,
    filled: Instant,
}

impl<O: Outlet> Gate<O> {
    fn send_entry(&mut self, entry: &Entry) {
        let (labels, tenant) = entry.labels.resolved_for();
        let timestamp = entry.timestamp.unwrap_or_else(now_timestamp);
        self.send(&labels, timestamp, &entry.line, &entry.structured, tenant);
    }

    fn send(
        &mut self,
        labels: &Labels,
        timestamp: Timestamp,
        line: &str,
        structured: &[(String, String)],
        tenant: Option<&str>,
    ) {
        let Some(line) = self.limited(line, tenant) else { return };
        self.outlet.send(Outgoing { labels, timestamp, line, structured, tenant });
    }

    /// What the limits leave of a line.
    fn limited<'a>(&mut self, line: &'a str, tenant: Option<&str>) -> Option<&'a str> {
        if let Some(rate) = self.limits.rate {
            if rate.beyond == Beyond::Drop && self.tokens < 1.0 {
                self.metrics.dropped("global_rate_limiter_drop", line.len());
                return None;
            }
            self.tokens -= 1.0;
        }
        let max = self.limits.line_bytes_max;
        if max == 0 || line.len() <= max {
            return Some(line);
        }
        match self.limits.too_long {
            TooLong::Cut => {
                let cut = &line[..line.floor_char_boundary(max)];
                self.metrics.too_long(tenant, Change::Cut, line.len() - cut.len());
                Some(cut)
            }
            TooLong::Drop => {
                self.metrics.too_long(tenant, Change::Dropped, line.len());
                None
            }
        }
    }

    fn fill(&mut self, now: Instant) {
        if let Some(rate) = self.limits.rate {
            let more = now.saturating_duration_since(self.filled).as_secs_f64() * rate.lines_per_second;
            self.tokens = (self.tokens + more).min(rate.burst);
            self.filled = now;
        }
    }

    /// Whether lines went ahead of the rate: no more are read until it has caught up.
    fn is_in_debt(&self) -> bool {
        self.limits.rate.is_some_and(|rate| rate.beyond == Beyond::Wait && self.tokens < 0.0)
    }

    fn debt_time(&self) -> Duration {
        let rate = self.limits.rate.map_or(1.0, |rate| rate.lines_per_second.max(f64::MIN_POSITIVE));
        Duration::try_from_secs_f64(-self.tokens / rate).unwrap_or(WAIT)
    }
}

#[cfg(test)]
mod chaos;
#[cfg(test)]
mod rig;
#[cfg(test)]
mod tests;
