//! Metric queries: lines folded into the panes of their series as they are read, never gathered.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::ops::ControlFlow;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use xxhash_rust::xxh3::xxh3_128;

use crate::logql::ast::{Grouping, MetricExpr, RangeAggregation, RangeOp};
use crate::logql::metric::range::{Aggregation, Slides};
use crate::logql::metric::samples::{Keep, Sample, Samples};
use crate::logql::metric::series::{Pairs, Sets};
use crate::logql::metric::steps::{Pane, PaneFinder, Steps, Windows};
use crate::logql::metric::{self, Evaluator, RangeSeries};
use crate::logql::stage::{ERROR_LABEL, Processed, Scratch, Wanted};
use crate::model::{Direction, Memory, MemoryExceeded, Share, TimeRange, Timestamp};
use crate::query::matrix::PointAt;
use crate::query::plan::{Plan, wanted};
use crate::query::scan::{Numbered, alike, pay_for_scratch, rows, spread};
use crate::query::{Data, Error, Matrix, Stats, Ticket, Vector};
use crate::store::{Alike, Chunk, Row, Store};

/// Answers a metric query with the points of all its steps.
pub(crate) fn run_range(
    store: &Store,
    expr: &MetricExpr,
    steps: Steps,
    memory: &Memory,
    ticket: &Ticket,
    stats: &mut Stats,
) -> Result<Data, Error> {
    let evaluator = evaluator(store, expr, steps, memory, ticket, stats)?;
    matrix(evaluator, steps, memory, ticket)
}

/// The points of all steps.
fn matrix(mut evaluator: Evaluator, steps: Steps, memory: &Memory, ticket: &Ticket) -> Result<Data, Error> {
    let mut points: Vec<PointAt> = Vec::new();
    let mut share = Share::of(memory);
    for step in 0..steps.count() {
        ticket.check()?;
        let found = evaluator.step(step)?;
        share.room(&mut points, found.len())?;
        points.extend(found.iter().map(|point| PointAt { series: point.series, step, value: point.value }));
    }
    let times = (0..steps.count()).map(|step| steps.time(step)).collect();
    Ok(Data::Matrix(Matrix::new(evaluator, points, times, share)?))
}

/// Counts lines as an expression of one range aggregation says: those of the range alone, grouped as `wanted` says, and
/// those with errors like all others.
pub(crate) fn run_counts(
    store: &Store,
    expr: &MetricExpr,
    wanted: &Wanted,
    (steps, range): (Steps, TimeRange),
    memory: &Memory,
    ticket: &Ticket,
    stats: &mut Stats,
) -> Result<Data, Error> {
    let evaluator = Evaluator::new(expr, memory, &mut |aggregation: &RangeAggregation, _, pairs: &mut Pairs| {
        let windows = Windows::new(&steps, aggregation.log.range_ns, 0);
        let plan = Plan { keeps_errors: true, ..Plan::for_range(store, aggregation, wanted.clone(), range)? };
        read(&plan, aggregation, windows, pairs, memory, ticket, stats)
    })?;
    matrix(evaluator, steps, memory, ticket)
}

/// Answers a metric query with the points of one moment.
pub(crate) fn run_instant(
    store: &Store,
    expr: &MetricExpr,
    time: Timestamp,
    memory: &Memory,
    ticket: &Ticket,
    stats: &mut Stats,
) -> Result<Data, Error> {
    let mut evaluator = evaluator(store, expr, Steps::at(time), memory, ticket, stats)?;
    if let Some(value) = evaluator.number() {
        return Ok(Data::Scalar { time, value });
    }
    let mut points = evaluator.step(0)?;
    if !metric::is_sorted(expr) {
        let set = |point: &metric::Point| evaluator.set(point.series);
        points.sort_unstable_by(|left, right| evaluator.pairs().compare(set(left), set(right)));
    }
    Ok(Data::Vector(Vector::new(evaluator, &points, time, memory)?))
}

fn evaluator(
    store: &Store,
    expr: &MetricExpr,
    steps: Steps,
    memory: &Memory,
    ticket: &Ticket,
    stats: &mut Stats,
) -> Result<Evaluator, Error> {
    Evaluator::new(expr, memory, &mut |aggregation: &RangeAggregation,
                                       grouping: Option<&Grouping>,
                                       pairs: &mut Pairs| {
        let windows = Windows::new(&steps, aggregation.log.range_ns, aggregation.log.offset_ns);
        let wanted = wanted(aggregation.op, grouping);
        let plan = Plan::for_range(store, aggregation, wanted, windows.span())?;
        read(&plan, aggregation, windows, pairs, memory, ticket, stats)
    })
}

/// Reads what one range aggregation needs.
fn read(
    plan: &Plan,
    aggregation: &RangeAggregation,
    windows: Windows,
    pairs: &mut Pairs,
    memory: &Memory,
    ticket: &Ticket,
    stats: &mut Stats,
) -> Result<RangeSeries, Error> {
    let unwrapped = aggregation.log.unwrap.is_some();
    let keep = Keep::of(aggregation.op, unwrapped);
    let shared = Shared {
        plan,
        keep,
        measure: match aggregation.op {
            RangeOp::BytesRate | RangeOp::BytesOverTime => Measure::Bytes,
            _ if unwrapped && aggregation.op != RangeOp::AbsentOverTime => Measure::Unwrapped,
            _ => Measure::Lines,
        },
        windows,
        gathered: Mutex::new(Gathered { pairs, sets: Sets::new(memory), samples: Samples::new(keep, memory) }),
        ticket,
        lines: AtomicU64::new(0),
        bytes: AtomicU64::new(0),
    };
    let make = || Worker {
        local: Local::new(keep),
        scratch: Scratch::default(),
        scratch_share: Share::of(memory),
        key: Vec::new(),
        matched: 0,
    };
    let workers = spread(&plan.chunks, ticket, make, |worker, chunk| shared.read(worker, chunk))?;
    for worker in workers {
        stats.lines_matched += worker.matched;
        worker.local.hand_over(&shared.gathered)?;
    }
    stats.lines_processed += shared.lines.into_inner();
    stats.bytes_processed += shared.bytes.into_inner();
    let Gathered { mut sets, samples, .. } =
        shared.gathered.into_inner().expect("no thread panics while it holds this lock");
    sets.release_index();
    let aggregation =
        Aggregation { op: aggregation.op, unwrapped, quantile: aggregation.parameter.unwrap_or(f64::NAN), windows };
    Ok(RangeSeries::new(aggregation, sets, Slides::new(samples, windows.count())?, memory)?)
}

/// What a line counts for.
#[derive(Clone, Copy, Debug)]
enum Measure {
    Lines,
    Bytes,
    Unwrapped,
}

/// What all workers of a range aggregation see.
struct Shared<'q> {
    plan: &'q Plan,
    keep: Keep,
    measure: Measure,
    windows: Windows,
    gathered: Mutex<Gathered<'q>>,
    ticket: &'q Ticket,
    lines: AtomicU64,
    bytes: AtomicU64,
}

/// What all workers have found.
struct Gathered<'q> {
    pairs: &'q mut Pairs,
    sets: Sets,
    samples: Samples,
}

/// Takes what is a hash already for one.
#[derive(Default)]
struct HashOfHash(u64);

impl Hasher for HashOfHash {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u128(&mut self, hash: u128) {
        self.0 = hash as u64;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// What one worker has found since it handed over last: so little that it is looked up quickly and that two workers with
/// the same series do not take twice the memory.
struct Local {
    /// Series by a hash of their labels, wide enough that no two of them meet.
    ids: HashMap<u128, u32, BuildHasherDefault<HashOfHash>>,
    pairs: Pairs,
    sets: Sets,
    samples: Samples,
    memory: Memory,
    set: Vec<u32>,
    /// Tells series before a handing over from series after it.
    generation: u32,
}

/// What a worker keeps to itself, at most; it is part of what a query has for reading.
const LOCAL_BYTES_MAX: usize = 4 << 20;
/// What a series takes in the table of hashes.
const ID_BYTES: usize = 64;

struct Worker {
    local: Local,
    scratch: Scratch,
    /// Pays for buffers that long lines have made large.
    scratch_share: Share,
    key: Vec<u8>,
    matched: u64,
}

/// Where certain lines go, remembered by the index of their metadata or by their class. Rows come by stream, so each place
/// remembers the last stream only.
#[derive(Default)]
struct Memo {
    places: Vec<Option<(usize, Option<u32>)>>,
    generation: u32,
}

impl Memo {
    fn new(generation: u32) -> Memo {
        Memo { generation, ..Memo::default() }
    }

    /// The series for such lines, the inner none where they are dropped; none where that is not known.
    fn get(&self, stream_index: usize, index: usize) -> Option<Option<u32>> {
        let (stream, series) = self.places.get(index).copied().flatten()?;
        (stream == stream_index).then_some(series)
    }

    fn set(&mut self, stream_index: usize, index: usize, series: Option<u32>) {
        if self.places.len() <= index {
            self.places.resize(index + 1, None);
        }
        self.places[index] = Some((stream_index, series));
    }

    /// Forgets what was true before the series were handed over.
    fn keep_to(&mut self, generation: u32) {
        if self.generation != generation {
            self.places.clear();
            self.generation = generation;
        }
    }
}

/// Where lines go of which only the unwrapped value is another. A value that is no number is an error, and such a line is
/// none of these.
struct Classes<'q> {
    /// The label that is unwrapped, where nothing else looks at it.
    label: Option<&'q str>,
    memo: Memo,
}

impl Classes<'_> {
    /// Sets of metadata that are told apart; rows with others are not remembered.
    const SETS: usize = 8;
    /// Classes that are remembered: with more, a class comes too seldom to be worth it.
    const CLASSES: usize = 4096;

    fn place(row: &Row<'_>, class: usize) -> usize {
        class * Classes::SETS + row.metadata_index
    }

    fn get(&self, row: &Row<'_>, class: usize) -> Option<Option<u32>> {
        if row.metadata_index >= Classes::SETS || class >= Classes::CLASSES {
            return None;
        }
        self.memo.get(row.stream_index, Classes::place(row, class))
    }

    fn set(&mut self, row: &Row<'_>, class: usize, series: Option<u32>) {
        // a label of the stream or the metadata would be unwrapped in place of the line's
        let is_other = |label: &str| row.stream.get(label).is_none() && row.metadata.get(label).is_none();
        if row.metadata_index < Classes::SETS && class < Classes::CLASSES && self.label.is_some_and(is_other) {
            self.memo.set(row.stream_index, Classes::place(row, class), series);
        }
    }
}

impl Shared<'_> {
    fn read(&self, worker: &mut Worker, numbered: &Numbered) -> Result<ControlFlow<()>, Error> {
        let chunk = &numbered.chunk;
        self.lines.fetch_add(chunk.entry_count, Relaxed);
        self.bytes.fetch_add(chunk.line_bytes, Relaxed);
        match (self.keep, self.measure) {
            (Keep::Count, Measure::Lines | Measure::Bytes) => self.count(worker, chunk)?,
            _ => self.gather(worker, numbered)?,
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Counts the lines of a chunk, or their bytes: those that are alike at once.
    fn count(&self, worker: &mut Worker, chunk: &Chunk) -> Result<(), Error> {
        let mut finder = PaneFinder::new(self.windows);
        let mut cutter = finder.clone();
        let generation = worker.local.generation;
        let (mut usual, mut memo) = (Memo::new(generation), Memo::new(generation));
        alike(chunk, self.ticket, &mut |time| cutter.part_end(time), |alike, _| {
            let Alike { row, class, count, line_bytes } = alike;
            let Some(pane) = finder.find(row.timestamp) else {
                return Ok(());
            };
            let (series, bytes) = match class.and_then(|class| memo.get(row.stream_index, class)) {
                Some(series) => (series, line_bytes as f64),
                None => {
                    let known = usual.get(row.stream_index, row.metadata_index);
                    let (series, bytes, is_usual) = self.place(worker, &row, known.flatten())?;
                    if let Some(class) = class {
                        memo.set(row.stream_index, class, series);
                    } else if is_usual && known.is_none() {
                        usual.set(row.stream_index, row.metadata_index, series);
                    }
                    (series, if class.is_some() { line_bytes as f64 } else { bytes })
                }
            };
            let Some(series) = series else {
                return Ok(());
            };
            worker.matched += count;
            let value = if matches!(self.measure, Measure::Lines) { count as f64 } else { bytes };
            let sample = Sample { nanos: row.timestamp.nanos(), order: 0, value };
            if self.add(worker, series, pane, sample)? {
                usual.keep_to(worker.local.generation);
                memo.keep_to(worker.local.generation);
            }
            Ok(())
        })
    }

    /// Takes each line of a chunk by itself.
    fn gather(&self, worker: &mut Worker, numbered: &Numbered) -> Result<(), Error> {
        let mut finder = PaneFinder::new(self.windows);
        let mut memo = Memo::new(worker.local.generation);
        let mut classes = Classes { label: self.plan.pipeline.apart(), memo: Memo::new(worker.local.generation) };
        rows(&numbered.chunk, TimeRange::ALL, Direction::Forward, self.ticket, |row, place| {
            let Some(pane) = finder.find(row.timestamp) else {
                return Ok(());
            };
            let apart = row.apart.and_then(|apart| Some((apart.class, self.plan.pipeline.unwrapped(apart.value)?)));
            let (series, value) = match apart.and_then(|(class, value)| Some((classes.get(&row, class)?, value))) {
                Some(known) => known,
                None => {
                    let remembered = memo.get(row.stream_index, row.metadata_index);
                    let (series, value, reusable) = self.place(worker, &row, remembered.flatten())?;
                    if reusable && remembered.is_none() {
                        memo.set(row.stream_index, row.metadata_index, series);
                    }
                    if let Some((class, _)) = apart {
                        classes.set(&row, class, series);
                    }
                    (series, value)
                }
            };
            let Some(series) = series else {
                return Ok(());
            };
            worker.matched += 1;
            let order = u64::from(numbered.number) << 32 | u64::from(place);
            let sample = Sample { nanos: row.timestamp.nanos(), order, value };
            if self.add(worker, series, pane, sample)? {
                memo.keep_to(worker.local.generation);
                classes.memo.keep_to(worker.local.generation);
            }
            Ok(())
        })
    }

    /// Whether the worker has handed over what it has found, so that its series have other numbers.
    fn add(&self, worker: &mut Worker, series: u32, pane: Pane, sample: Sample) -> Result<bool, Error> {
        let local = &mut worker.local;
        local.samples.add(series, pane, sample)?;
        let is_full = local.is_full();
        if is_full {
            let next = Local { generation: local.generation.wrapping_add(1), ..Local::new(self.keep) };
            std::mem::replace(local, next).hand_over(&self.gathered)?;
        }
        Ok(is_full)
    }

    /// The series of a line and its value, and whether the same series may be taken for the same labels again.
    /// `usual` is where lines with these labels went before, if their stages left the labels alone.
    fn place(&self, worker: &mut Worker, row: &Row<'_>, usual: Option<u32>) -> Result<(Option<u32>, f64, bool), Error> {
        let Worker { local, scratch, scratch_share, key, .. } = worker;
        if scratch.was_slow() {
            self.ticket.check()?;
        }
        pay_for_scratch(scratch, scratch_share)?;
        let line = self.plan.pipeline.process(row.timestamp, row.line, row.stream, row.metadata, scratch);
        let Some(processed) = line else {
            return Ok((None, 0.0, false));
        };
        if processed.fails_metric() && !self.plan.keeps_errors {
            return Err(pipeline_error(&processed));
        }
        let value = match self.measure {
            Measure::Unwrapped => match processed.value {
                Some(value) => value,
                None => return Ok((None, 0.0, false)),
            },
            Measure::Bytes => processed.line.len() as f64,
            Measure::Lines => 1.0,
        };
        let untouched = processed.untouched();
        if let (true, Some(series)) = (untouched, usual) {
            return Ok((Some(series), value, true));
        }
        key.clear();
        processed.series_key(key);
        let id = local.series(xxh3_128(key), &processed)?;
        Ok((Some(id), value, untouched))
    }
}

impl Local {
    fn new(keep: Keep) -> Local {
        let memory = Memory::unbounded();
        Local {
            ids: HashMap::default(),
            pairs: Pairs::new(&memory),
            sets: Sets::new(&memory),
            samples: Samples::new(keep, &memory),
            memory,
            set: Vec::new(),
            generation: 0,
        }
    }

    fn is_full(&self) -> bool {
        self.memory.used() + self.sets.len() * ID_BYTES > LOCAL_BYTES_MAX
    }

    /// The number of the series that a line belongs to.
    fn series(&mut self, key: u128, line: &Processed<'_>) -> Result<u32, Error> {
        if let Some(known) = self.ids.get(&key) {
            return Ok(*known);
        }
        let Local { pairs, set, .. } = self;
        set.clear();
        line.each_series_pair(|name, value| {
            set.push(pairs.number(name, value)?);
            Ok::<(), MemoryExceeded>(())
        })?;
        pairs.sort(set);
        // of two labels with one name the last counts
        set.reverse();
        set.dedup_by(|later, kept| pairs.get(*later).0 == pairs.get(*kept).0);
        set.reverse();
        let series = self.sets.push(set)?;
        self.ids.insert(key, series);
        Ok(series)
    }

    /// Adds everything to what all workers have found.
    fn hand_over(mut self, gathered: &Mutex<Gathered<'_>>) -> Result<(), Error> {
        let mut gathered = gathered.lock().expect("no thread panics while it holds this lock");
        let Gathered { pairs, sets, samples } = &mut *gathered;
        let mut pair_of: Vec<u32> = Vec::with_capacity(self.pairs.len());
        for pair in 0..self.pairs.len() as u32 {
            let (name, value) = self.pairs.get(pair);
            pair_of.push(pairs.number(name, value)?);
        }
        let mut series_of: Vec<u32> = Vec::with_capacity(self.sets.len());
        for series in 0..self.sets.len() as u32 {
            self.set.clear();
            self.set.extend(self.sets.get(series).iter().map(|pair| pair_of[*pair as usize]));
            series_of.push(sets.number(&self.set)?);
        }
        Ok(samples.absorb(&self.samples, &series_of)?)
    }
}

/// A line with an error fails the query; the words are Loki's.
fn pipeline_error(processed: &Processed<'_>) -> Error {
    let kind = processed.get(ERROR_LABEL).unwrap_or("");
    Error::Invalid(format!(
        "pipeline error: '{kind}' for series: '{}'.\nUse a label filter to intentionally skip this error. (e.g | \
         __error__!=\"{kind}\").\nTo skip all potential errors you can match empty errors.(e.g __error__=\"\")\nThe \
         label filter can also be specified after unwrap. (e.g | unwrap latency | __error__=\"\" )\n",
        processed.labels()
    ))
}
