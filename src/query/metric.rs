//! Metric queries: lines folded into the panes of their series as they are read, never gathered.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use xxhash_rust::xxh3::xxh3_128;

use crate::logql::ast::{Grouping, MetricExpr, RangeAggregation, RangeOp};
use crate::logql::metric::range::{Aggregation, Slide};
use crate::logql::metric::samples::{Keep, Sample, Samples};
use crate::logql::metric::steps::{PaneFinder, Steps, Windows};
use crate::logql::metric::{self, Evaluator, RangeSeries};
use crate::logql::stage::{ERROR_LABEL, Processed, Scratch};
use crate::model::{Direction, Labels, TimeRange, Timestamp};
use crate::query::limits::Budget;
use crate::query::plan::Plan;
use crate::query::scan::{Numbered, rows, spread};
use crate::query::{self, Data, Error, Series, Stats, Ticket};
use crate::store::{Row, Store};

/// Answers a metric query with the points of all its steps.
pub(crate) fn run_range(
    store: &Store,
    expr: &MetricExpr,
    steps: Steps,
    budget: &Budget,
    ticket: &Ticket,
    stats: &mut Stats,
) -> Result<Data, Error> {
    let mut evaluator = evaluator(store, expr, steps, budget, ticket, stats)?;
    let mut points: Vec<Vec<(Timestamp, f64)>> = Vec::new();
    for step in 0..steps.count() {
        ticket.check()?;
        let found = evaluator.step(step)?;
        budget.take(found.len() * size_of::<(Timestamp, f64)>())?;
        for point in found {
            let index = point.series as usize;
            if points.len() <= index {
                points.resize(index + 1, Vec::new());
            }
            points[index].push((steps.time(step), point.value));
        }
    }
    let with_points = (0u32..).zip(points).filter(|(_, points)| !points.is_empty());
    let mut series: Vec<Series> =
        with_points.map(|(series, points)| Series { labels: evaluator.labels(series).clone(), points }).collect();
    series.sort_by(|a, b| a.labels.cmp(&b.labels));
    // label_replace can give two series the same labels: their points go into one
    series.dedup_by(|later, kept| {
        let same = later.labels == kept.labels;
        if same {
            kept.points.append(&mut later.points);
            kept.points.sort_by_key(|(time, _)| *time);
        }
        same
    });
    Ok(Data::Matrix(series))
}

/// Answers a metric query with the points of one moment.
pub(crate) fn run_instant(
    store: &Store,
    expr: &MetricExpr,
    time: Timestamp,
    budget: &Budget,
    ticket: &Ticket,
    stats: &mut Stats,
) -> Result<Data, Error> {
    let mut evaluator = evaluator(store, expr, Steps::at(time), budget, ticket, stats)?;
    if let Some(value) = evaluator.number() {
        return Ok(Data::Scalar { time, value });
    }
    let points = evaluator.step(0)?;
    let sample = |point: metric::Point| query::Sample {
        labels: evaluator.labels(point.series).clone(),
        timestamp: time,
        value: point.value,
    };
    let mut samples: Vec<query::Sample> = points.into_iter().map(sample).collect();
    if !metric::is_sorted(expr) {
        samples.sort_by(|a, b| a.labels.cmp(&b.labels));
    }
    Ok(Data::Vector(samples))
}

fn evaluator(
    store: &Store,
    expr: &MetricExpr,
    steps: Steps,
    budget: &Budget,
    ticket: &Ticket,
    stats: &mut Stats,
) -> Result<Evaluator, Error> {
    Evaluator::new(expr, &mut |aggregation: &RangeAggregation, grouping: Option<&Grouping>| {
        read(store, aggregation, grouping, steps, budget, ticket, stats)
    })
}

/// Reads what one range aggregation needs.
fn read(
    store: &Store,
    aggregation: &RangeAggregation,
    grouping: Option<&Grouping>,
    steps: Steps,
    budget: &Budget,
    ticket: &Ticket,
    stats: &mut Stats,
) -> Result<RangeSeries, Error> {
    let windows = Windows::new(&steps, aggregation.log.range_ns, aggregation.log.offset_ns);
    let plan = Plan::for_range(store, aggregation, grouping, windows.span())?;
    let unwrapped = aggregation.log.unwrap.is_some();
    let shared = Shared {
        plan: &plan,
        keep: Keep::of(aggregation.op, unwrapped),
        measure: match aggregation.op {
            RangeOp::BytesRate | RangeOp::BytesOverTime => Measure::Bytes,
            _ if unwrapped && aggregation.op != RangeOp::AbsentOverTime => Measure::Unwrapped,
            _ => Measure::Lines,
        },
        windows,
        budget,
        ticket,
        lines: AtomicU64::new(0),
        bytes: AtomicU64::new(0),
    };
    let mut workers = spread(&plan.chunks, ticket, Worker::default, |worker, chunk| shared.read(worker, chunk))?;

    stats.lines_processed += shared.lines.into_inner();
    stats.bytes_processed += shared.bytes.into_inner();
    stats.lines_matched += workers.iter().map(|worker| worker.matched).sum::<u64>();
    let mut found = workers.pop().unwrap_or_default();
    for other in workers {
        found.absorb(other);
    }
    let mut series: Vec<(Labels, Samples)> = found.series;
    series.sort_by(|(a, _), (b, _)| a.cmp(b));
    let (labels, samples): (Vec<Labels>, Vec<Samples>) = series.into_iter().unzip();
    let aggregation =
        Aggregation { op: aggregation.op, unwrapped, quantile: aggregation.parameter.unwrap_or(f64::NAN), windows };
    Ok(RangeSeries { aggregation, labels, slides: samples.into_iter().map(Slide::new).collect() })
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
    budget: &'q Budget,
    ticket: &'q Ticket,
    lines: AtomicU64,
    bytes: AtomicU64,
}

/// The series one worker has met.
#[derive(Default)]
struct Worker {
    /// By a hash of the series' labels, wide enough that no two of them meet.
    ids: HashMap<u128, u32>,
    series: Vec<(Labels, Samples)>,
    scratch: Scratch,
    key: Vec<u8>,
    matched: u64,
    /// Memory taken since the budget was last told.
    new_bytes: usize,
}

/// Where lines with certain labels go, remembered by the index of their metadata. Rows come by stream, so each place
/// remembers the last stream only.
#[derive(Default)]
struct Memory(Vec<Option<(usize, Option<u32>)>>);

impl Memory {
    /// The series for such lines, the inner none where they are dropped; none where that is not known.
    fn get(&self, stream_index: usize, metadata_index: usize) -> Option<Option<u32>> {
        let (stream, series) = self.0.get(metadata_index).copied().flatten()?;
        (stream == stream_index).then_some(series)
    }

    fn set(&mut self, stream_index: usize, metadata_index: usize, series: Option<u32>) {
        if self.0.len() <= metadata_index {
            self.0.resize(metadata_index + 1, None);
        }
        self.0[metadata_index] = Some((stream_index, series));
    }
}

impl Shared<'_> {
    fn read(&self, worker: &mut Worker, numbered: &Numbered) -> Result<ControlFlow<()>, Error> {
        let chunk = &numbered.chunk;
        self.lines.fetch_add(chunk.entry_count, Relaxed);
        self.bytes.fetch_add(chunk.line_bytes, Relaxed);
        let mut finder = PaneFinder::new(self.windows);
        let mut memory = Memory::default();
        rows(chunk, TimeRange::ALL, Direction::Forward, self.ticket, |row, place| {
            let Some(pane) = finder.find(row.timestamp) else {
                return Ok(());
            };
            let (series, value) = match memory.get(row.stream_index, row.metadata_index) {
                Some(series) if self.plan.labels_decide => (series, row.line_bytes as f64),
                remembered => {
                    let (series, value, reusable) = self.place(worker, &row, remembered.flatten())?;
                    if reusable && remembered.is_none() {
                        memory.set(row.stream_index, row.metadata_index, series);
                    }
                    (series, value)
                }
            };
            let Some(series) = series else {
                return Ok(());
            };
            worker.matched += 1;
            let value = if matches!(self.measure, Measure::Lines) { 1.0 } else { value };
            let order = u64::from(numbered.number) << 32 | u64::from(place);
            let samples = &mut worker.series[series as usize].1;
            worker.new_bytes += samples.add(pane, Sample { nanos: row.timestamp.nanos(), order, value });
            Ok(())
        })?;
        self.budget.take(std::mem::take(&mut worker.new_bytes))?;
        Ok(ControlFlow::Continue(()))
    }

    /// The series of a line and its value, and whether the same series may be taken for the same labels again.
    /// `usual` is where lines with these labels went before, if their stages left the labels alone.
    fn place(&self, worker: &mut Worker, row: &Row<'_>, usual: Option<u32>) -> Result<(Option<u32>, f64, bool), Error> {
        let Worker { ids, series, scratch, key, new_bytes, .. } = worker;
        if scratch.was_slow() {
            self.ticket.check()?;
        }
        let line = self.plan.pipeline.process(row.timestamp, row.line, row.stream, row.metadata, scratch);
        let Some(processed) = line else {
            return Ok((None, 0.0, self.plan.labels_decide));
        };
        if processed.fails_metric() {
            return Err(pipeline_error(&processed));
        }
        let value = match self.measure {
            Measure::Unwrapped => match processed.value {
                Some(value) => value,
                None => return Ok((None, 0.0, false)),
            },
            Measure::Bytes if self.plan.labels_decide => row.line_bytes as f64,
            Measure::Bytes => processed.line.len() as f64,
            Measure::Lines => 1.0,
        };
        let untouched = processed.untouched();
        if let (true, Some(series)) = (untouched, usual) {
            return Ok((Some(series), value, true));
        }
        key.clear();
        processed.series_key(key);
        let id = match ids.get(&xxh3_128(key)) {
            Some(id) => *id,
            None => {
                let labels = processed.series_labels();
                *new_bytes += memory_bytes(&labels);
                if *new_bytes > 1 << 20 {
                    self.budget.take(std::mem::take(new_bytes))?;
                }
                let id = u32::try_from(series.len())
                    .map_err(|_| Error::Limit("the query makes more than 4,294,967,295 series".to_owned()))?;
                series.push((labels, Samples::new(self.keep)));
                ids.insert(xxh3_128(key), id);
                id
            }
        };
        Ok((Some(id), value, untouched || self.plan.labels_decide))
    }
}

impl Worker {
    /// Takes in what another worker found.
    fn absorb(&mut self, other: Worker) {
        let mut samples: Vec<Option<(Labels, Samples)>> = other.series.into_iter().map(Some).collect();
        for (key, id) in other.ids {
            let Some((labels, samples)) = samples[id as usize].take() else {
                continue;
            };
            match self.ids.get(&key) {
                Some(mine) => self.series[*mine as usize].1.absorb(samples),
                None => {
                    self.ids.insert(key, self.series.len() as u32);
                    self.series.push((labels, samples));
                }
            }
        }
    }
}

/// What a series takes, without its samples.
fn memory_bytes(labels: &Labels) -> usize {
    // two allocations and two strings each, and the entry of the table of series
    let pairs = labels.iter().map(|(name, value)| name.len() + value.len() + 2 * size_of::<String>() + 32);
    pairs.sum::<usize>() + size_of::<(Labels, Samples)>() + size_of::<Slide>() + 64
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
