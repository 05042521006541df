//! How much there is: bytes and entries, by stream or by label.

use std::collections::{HashMap, HashSet};
use std::ops::{AddAssign, ControlFlow};

use crate::logql::metric::grouping::only_labels;
use crate::logql::metric::samples::{Folded, add};
use crate::logql::metric::steps::Pane;
use crate::model::{Labels, Matcher, Memory, MemoryExceeded, Share, TimeRange, Timestamp};
use crate::query::limits::memory;
use crate::query::scan::{Numbered, alike, number, spread};
use crate::query::{Data, Engine, Error, Sample, Series, StreamsSummary, Ticket, VolumeBy, VolumeQuery};
use crate::store::{Alike, Need, Selection};

const MILLISECOND: i64 = 1_000_000;
/// What a label set takes in a table, without its text.
const LABELS_BYTES: usize = 64;

#[derive(Clone, Copy, Debug, Default)]
struct Amount {
    bytes: u64,
    entries: u64,
}

impl AddAssign for Amount {
    fn add_assign(&mut self, other: Amount) {
        self.bytes += other.bytes;
        self.entries += other.entries;
    }
}

/// Something counted by label set and part of the range.
#[derive(Debug)]
struct Counted<T> {
    ids: HashMap<Labels, u32>,
    labels: Vec<Labels>,
    amounts: Folded<T>,
    /// The chunks that it was found in.
    chunks: HashSet<u32>,
    share: Share,
}

impl<T: Copy + AddAssign> Counted<T> {
    fn new(memory: &Memory) -> Counted<T> {
        Counted {
            ids: HashMap::new(),
            labels: Vec::new(),
            amounts: Folded::new(memory),
            chunks: HashSet::new(),
            share: Share::of(memory),
        }
    }

    fn id(&mut self, labels: &Labels) -> Result<u32, MemoryExceeded> {
        if let Some(known) = self.ids.get(labels) {
            return Ok(*known);
        }
        self.share.take(LABELS_BYTES)?;
        let id = self.labels.len() as u32;
        self.labels.push(labels.clone());
        self.ids.insert(labels.clone(), id);
        Ok(id)
    }

    fn absorb(&mut self, other: Counted<T>) -> Result<(), MemoryExceeded> {
        let ids: Result<Vec<u32>, MemoryExceeded> = other.labels.iter().map(|labels| self.id(labels)).collect();
        let ids = ids?;
        self.chunks.extend(other.chunks);
        let mut entries = other.amounts.entries().iter();
        entries.try_for_each(|entry| self.amounts.add(ids[entry.series as usize], entry.pane, entry.value, add))
    }
}

impl Engine {
    /// How much there is in the streams that pass, within the range.
    pub fn summary(&self, matchers: &[Matcher], range: TimeRange, ticket: &Ticket) -> Result<StreamsSummary, Error> {
        let (memory, _reading) = memory(&self.limits);
        let counted = self.count(matchers, &Parts::of(range, None)?, &memory, ticket)?;
        let mut summary = StreamsSummary {
            streams: counted.labels.len() as u64,
            chunks: counted.chunks.len() as u64,
            ..StreamsSummary::default()
        };
        for entry in counted.amounts.entries() {
            summary.entries += entry.value.entries;
            summary.bytes += entry.value.bytes;
        }
        Ok(summary)
    }

    /// Bytes by the values of labels or by their names: a vector, or a matrix where the range has several parts.
    pub fn volume(&self, query: &VolumeQuery, ticket: &Ticket) -> Result<Data, Error> {
        let (memory, _reading) = memory(&self.limits);
        let parts = Parts::of(query.range, query.step_ns)?;
        let counted = self.count(&query.matchers, &parts, &memory, ticket)?;
        let amounts = counted.amounts.finish(add)?;
        let mut volumes: Counted<u64> = Counted::new(&memory);
        let mut totals: Vec<u64> = Vec::new();
        for (stream, labels) in (0..).zip(&counted.labels) {
            for group in groups(query, labels) {
                let group = volumes.id(&group)?;
                volumes.share.lengthen(&mut totals, group as usize + 1, 0)?;
                for entry in amounts.get(stream) {
                    volumes.amounts.add(group, entry.pane, entry.value.bytes, add)?;
                    totals[group as usize] += entry.value.bytes;
                }
            }
        }
        let Counted { labels, amounts, .. } = volumes;
        let amounts = amounts.finish(add)?;
        let mut order: Vec<usize> = (0..labels.len()).collect();
        order.sort_by(|a, b| totals[*b].cmp(&totals[*a]).then_with(|| labels[*a].cmp(&labels[*b])));
        order.truncate(query.limit);
        if parts.count <= 1 || order.is_empty() {
            let sample = |group: usize| Sample {
                labels: labels[group].clone(),
                timestamp: query.range.end,
                value: totals[group] as f64,
            };
            return Ok(Data::Vector(order.into_iter().map(sample).collect()));
        }
        let series = |group: usize| {
            let points = amounts.get(group as u32).iter().filter(|entry| entry.value > 0);
            let point = |(part, bytes): (u16, u64)| (parts.stamp(usize::from(part)), bytes as f64);
            let points = points.map(|entry| point((entry.pane.first, entry.value))).collect();
            Series { labels: labels[group].clone(), points }
        };
        Ok(Data::Matrix(order.into_iter().map(series).collect()))
    }

    /// How many entries the streams that pass have within the range. Their lines are not read.
    pub fn stream_counts(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        ticket: &Ticket,
    ) -> Result<HashMap<Labels, u64>, Error> {
        let (memory, _reading) = memory(&self.limits);
        // nor is their metadata told apart
        let selection =
            Selection { metadata: Some(Vec::new()), ..Selection::of(matchers.to_vec(), range, Need::Times) };
        let Counted { labels, amounts, .. } =
            self.count_selected(&selection, &Parts::of(range, None)?, &memory, ticket)?;
        let mut counts: HashMap<Labels, u64> = labels.iter().map(|labels| (labels.clone(), 0)).collect();
        for entry in amounts.entries() {
            *counts.entry(labels[entry.series as usize].clone()).or_default() += entry.value.entries;
        }
        Ok(counts)
    }

    fn count(
        &self,
        matchers: &[Matcher],
        parts: &Parts,
        memory: &Memory,
        ticket: &Ticket,
    ) -> Result<Counted<Amount>, Error> {
        self.count_selected(&Selection::of(matchers.to_vec(), parts.range, Need::Lengths), parts, memory, ticket)
    }

    fn count_selected(
        &self,
        selection: &Selection,
        parts: &Parts,
        memory: &Memory,
        ticket: &Ticket,
    ) -> Result<Counted<Amount>, Error> {
        let _turn = self.queue.enter(ticket)?;
        let chunks = number(self.store.select(selection)?.chunks);
        let make = || Counted::new(memory);
        let mut workers = spread(&chunks, ticket, make, |counted, numbered| {
            count_chunk(counted, numbered, parts, ticket)?;
            Ok(ControlFlow::Continue(()))
        })?;
        let mut all = workers.pop().unwrap_or_else(make);
        for worker in workers {
            all.absorb(worker)?;
        }
        Ok(all)
    }
}

fn count_chunk(
    counted: &mut Counted<Amount>,
    numbered: &Numbered,
    parts: &Parts,
    ticket: &Ticket,
) -> Result<(), Error> {
    let mut ids: Vec<Option<u32>> = Vec::new();
    let mut metadata_bytes: Vec<Option<u64>> = Vec::new();
    alike(&numbered.chunk, ticket, &mut |time| parts.end_of(time), |Alike { row, count, line_bytes, .. }, _| {
        if ids.len() <= row.stream_index {
            ids.resize(row.stream_index + 1, None);
        }
        if metadata_bytes.len() <= row.metadata_index {
            metadata_bytes.resize(row.metadata_index + 1, None);
        }
        let id = match ids[row.stream_index] {
            Some(known) => known,
            None => *ids[row.stream_index].insert(counted.id(row.stream)?),
        };
        let metadata = *metadata_bytes[row.metadata_index]
            .get_or_insert_with(|| row.metadata.iter().map(|(name, value)| (name.len() + value.len()) as u64).sum());
        let amount = Amount { bytes: line_bytes + metadata * count, entries: count };
        Ok(counted.amounts.add(id, parts.of_time(row.timestamp), amount, add)?)
    })?;
    if !ids.is_empty() {
        counted.chunks.insert(numbered.number);
    }
    Ok(())
}

/// Parts of a range, at most.
const PARTS_MAX: usize = u16::MAX as usize;

/// The parts of a range.
#[derive(Clone, Copy, Debug)]
struct Parts {
    range: TimeRange,
    step_ns: i64,
    count: usize,
}

impl Parts {
    fn of(range: TimeRange, step_ns: Option<i64>) -> Result<Parts, Error> {
        let span = range.end.nanos().saturating_sub(range.start.nanos()).max(1);
        let step_ns = step_ns.unwrap_or(span).max(1);
        let count = usize::try_from((span - 1) / step_ns + 1).unwrap_or(usize::MAX);
        if count > PARTS_MAX {
            return Err(Error::Invalid(format!(
                "the range has {count} parts of one step, and {PARTS_MAX} at most are counted. Try increasing the value \
                 of the step parameter"
            )));
        }
        Ok(Parts { range, step_ns, count })
    }

    fn of_time(&self, time: Timestamp) -> Pane {
        let since = time.nanos().saturating_sub(self.range.start.nanos()).max(0);
        let part = usize::try_from(since / self.step_ns).unwrap_or(0).min(self.count - 1) as u16;
        Pane { first: part, after: part + 1 }
    }

    /// The last moment of the part that a moment lies in.
    fn end_of(&self, time: Timestamp) -> Timestamp {
        let part = i64::from(self.of_time(time).first);
        if part as usize + 1 >= self.count {
            return Timestamp::from_nanos(i64::MAX);
        }
        self.range.start.plus_nanos(self.step_ns.saturating_mul(part + 1) - 1)
    }

    /// The time that stands for a part: its last millisecond, and for the last one the end of the range.
    fn stamp(&self, part: usize) -> Timestamp {
        if part + 1 >= self.count {
            return self.range.end;
        }
        let next = self.step_ns.saturating_mul(part as i64 + 1);
        self.range.start.plus_nanos(next.saturating_sub(MILLISECOND))
    }
}

/// What the bytes of a stream count for.
fn groups(query: &VolumeQuery, stream: &Labels) -> Vec<Labels> {
    match query.by {
        VolumeBy::Series if query.labels.is_empty() && query.matchers.is_empty() => vec![stream.clone()],
        VolumeBy::Series => {
            let named: Vec<String> = query.matchers.iter().map(|matcher| matcher.name().to_owned()).collect();
            let labels = only_labels(stream, if query.labels.is_empty() { &named } else { &query.labels });
            if labels.is_empty() { Vec::new() } else { vec![labels] }
        }
        VolumeBy::Labels => {
            let counts = |name: &str| query.labels.is_empty() || query.labels.iter().any(|label| label == name);
            let names = stream.iter().map(|(name, _)| name).filter(|name| counts(name));
            names.map(|name| Labels::from([(name, "")])).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::model::{Labels, Matcher, TimeRange, Timestamp};
    use crate::query::testing::{TestStore, ticket};
    use crate::query::{Data, Engine, Limits, VolumeBy, VolumeQuery};

    fn engine() -> (TestStore, Engine) {
        let store = TestStore::new();
        store.push(&[("app", "web"), ("host", "a")], &[(10, "1234"), (20, "12"), (30, "1")]);
        store.push(&[("app", "db")], &[(10, "123456")]);
        let engine = Engine::new(store.store.clone(), Limits::default());
        (store, engine)
    }

    fn range(start: i64, end: i64) -> TimeRange {
        TimeRange::new(Timestamp::from_secs(start), Timestamp::from_secs(end))
    }

    fn query(by: VolumeBy, step_secs: Option<i64>) -> VolumeQuery {
        VolumeQuery {
            matchers: Vec::new(),
            range: range(0, 30),
            step_ns: step_secs.map(|secs| secs * 1_000_000_000),
            by,
            labels: Vec::new(),
            limit: 100,
        }
    }

    #[test]
    fn a_summary_counts_what_lies_in_the_range() {
        let (_store, engine) = engine();
        let summary = engine.summary(&[Matcher::equal("app", "web")], range(10, 30), &ticket()).expect("counted");
        assert_eq!((summary.streams, summary.entries, summary.bytes), (1, 2, 6));
        assert_eq!(engine.summary(&[], range(40, 50), &ticket()).expect("counted").streams, 0);
    }

    #[test]
    fn entries_of_a_stream_are_counted_whatever_metadata_they_have() {
        let store = TestStore::new();
        let metadata = |at: i64| Labels::from([("host", "m"), ("n", ["1", "2"][at as usize % 2])]);
        let lines: Vec<_> = (0..10).map(|at| (at, "x", metadata(at))).collect();
        store.push_with(&[("app", "a")], &lines);
        store.push_with(&[("app", "b"), ("host", "h")], &lines[..3]);
        let engine = Engine::new(store.store.clone(), Limits::default());
        for sealed in [false, true] {
            if sealed {
                store.seal();
            }
            let counts = engine.stream_counts(&[], range(0, 9), &ticket()).expect("counted");
            let count = |labels| counts.get(&labels).copied();
            assert_eq!(count(Labels::from([("app", "a")])), Some(9));
            assert_eq!(count(Labels::from([("app", "b"), ("host", "h")])), Some(3));
            assert_eq!(counts.len(), 2);
        }
    }

    #[test]
    fn volumes_are_by_stream_or_by_name_of_label_greatest_first() {
        let (_store, engine) = engine();
        let volumes = |by| match engine.volume(&query(by, None), &ticket()).expect("counted") {
            Data::Vector(samples) => samples.iter().map(|it| (it.labels.to_string(), it.value)).collect::<Vec<_>>(),
            other => panic!("not a vector: {other:?}"),
        };
        let web = r#"{app="web", host="a"}"#.to_owned();
        assert_eq!(volumes(VolumeBy::Series), [(r#"{app="db"}"#.to_owned(), 6.0), (web, 6.0)]);
        let (app, host) = (Labels::from([("app", "")]), Labels::from([("host", "")]));
        assert_eq!(volumes(VolumeBy::Labels), [(app.to_string(), 12.0), (host.to_string(), 6.0)]);
    }

    #[test]
    fn parts_are_stamped_with_their_last_millisecond() {
        let (_store, engine) = engine();
        let Data::Matrix(series) = engine.volume(&query(VolumeBy::Labels, Some(15)), &ticket()).expect("counted")
        else {
            panic!("not a matrix");
        };
        let points: Vec<(i64, f64)> = series
            .iter()
            .next()
            .expect("a series")
            .points
            .iter()
            .map(|(time, value)| (time.nanos() / 1_000_000, *value))
            .collect();
        assert_eq!(points, [(14_999, 10.0), (30_000, 2.0)]);
    }
}
