//! How much there is: bytes and entries, by stream or by label.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use crate::logql::metric::grouping::only;
use crate::model::{Direction, Labels, Matcher, TimeRange, Timestamp};
use crate::query::scan::{Numbered, number, rows, spread};
use crate::query::{Data, Engine, Error, Sample, Series, StreamsSummary, Ticket, VolumeBy, VolumeQuery};
use crate::store::{Need, Row, Selection};

const MILLISECOND: i64 = 1_000_000;

/// Bytes and entries of one stream, by part of the range.
#[derive(Debug, Default)]
struct Amounts {
    by_part: Vec<Amount>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Amount {
    bytes: u64,
    entries: u64,
}

/// What one worker has counted.
#[derive(Debug, Default)]
struct Counted {
    streams: HashMap<Labels, Amounts>,
    chunks: HashSet<u32>,
}

impl Engine {
    /// How much there is in the streams that pass, within the range.
    pub fn summary(&self, matchers: &[Matcher], range: TimeRange, ticket: &Ticket) -> Result<StreamsSummary, Error> {
        let counted = self.count(matchers, range, None, ticket)?;
        let mut summary = StreamsSummary {
            streams: counted.streams.len() as u64,
            chunks: counted.chunks.len() as u64,
            ..StreamsSummary::default()
        };
        for amount in counted.streams.values().flat_map(|amounts| &amounts.by_part) {
            summary.entries += amount.entries;
            summary.bytes += amount.bytes;
        }
        Ok(summary)
    }

    /// Bytes by the values of labels or by their names: a vector, or a matrix where the range has several parts.
    pub fn volume(&self, query: &VolumeQuery, ticket: &Ticket) -> Result<Data, Error> {
        let parts = Parts::of(query.range, query.step_ns);
        let counted = self.count(&query.matchers, query.range, query.step_ns, ticket)?;
        let mut volumes: HashMap<Labels, Vec<u64>> = HashMap::new();
        for (stream, amounts) in &counted.streams {
            for labels in groups(query, stream) {
                let sums = volumes.entry(labels).or_insert_with(|| vec![0; parts.count]);
                for (sum, amount) in sums.iter_mut().zip(&amounts.by_part) {
                    *sum += amount.bytes;
                }
            }
        }
        let mut volumes: Vec<(Labels, Vec<u64>)> = volumes.into_iter().collect();
        volumes.sort_by(|(a_labels, a), (b_labels, b)| {
            let (a, b): (u64, u64) = (a.iter().sum(), b.iter().sum());
            b.cmp(&a).then_with(|| a_labels.cmp(b_labels))
        });
        volumes.truncate(query.limit);
        if parts.count <= 1 || volumes.is_empty() {
            let sample = |(labels, sums): (Labels, Vec<u64>)| Sample {
                labels,
                timestamp: query.range.end,
                value: sums.iter().sum::<u64>() as f64,
            };
            return Ok(Data::Vector(volumes.into_iter().map(sample).collect()));
        }
        let series = |(labels, sums): (Labels, Vec<u64>)| {
            let points = sums.iter().enumerate().filter(|(_, bytes)| **bytes > 0);
            Series { labels, points: points.map(|(part, bytes)| (parts.stamp(part), *bytes as f64)).collect() }
        };
        Ok(Data::Matrix(volumes.into_iter().map(series).collect()))
    }

    fn count(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        step_ns: Option<i64>,
        ticket: &Ticket,
    ) -> Result<Counted, Error> {
        let _turn = self.queue.enter(ticket)?;
        let parts = Parts::of(range, step_ns);
        let selection = Selection { matchers: matchers.to_vec(), range, needles: Vec::new(), need: Need::Lengths };
        let chunks = number(self.store.select(&selection)?.chunks);
        let workers = spread(&chunks, ticket, Counted::default, |counted, numbered| {
            count_chunk(counted, numbered, &parts, ticket)?;
            Ok(ControlFlow::Continue(()))
        })?;
        let mut all = Counted::default();
        for worker in workers {
            all.chunks.extend(worker.chunks);
            for (stream, amounts) in worker.streams {
                all.streams.entry(stream).or_default().absorb(&amounts);
            }
        }
        Ok(all)
    }
}

fn count_chunk(counted: &mut Counted, numbered: &Numbered, parts: &Parts, ticket: &Ticket) -> Result<(), Error> {
    let mut found: Vec<Option<(Labels, Amounts)>> = Vec::new();
    let mut metadata_bytes: Vec<Option<u64>> = Vec::new();
    rows(&numbered.chunk, TimeRange::ALL, Direction::Forward, ticket, |row: Row<'_>, _| {
        if found.len() <= row.stream_index {
            found.resize_with(row.stream_index + 1, || None);
        }
        if metadata_bytes.len() <= row.metadata_index {
            metadata_bytes.resize(row.metadata_index + 1, None);
        }
        let (_, amounts) = found[row.stream_index].get_or_insert_with(|| (row.stream.clone(), Amounts::default()));
        let metadata = *metadata_bytes[row.metadata_index]
            .get_or_insert_with(|| row.metadata.iter().map(|(name, value)| (name.len() + value.len()) as u64).sum());
        amounts.add(parts.of_time(row.timestamp), Amount { bytes: row.line_bytes as u64 + metadata, entries: 1 });
        Ok(())
    })?;
    for (stream, amounts) in found.into_iter().flatten() {
        counted.chunks.insert(numbered.number);
        counted.streams.entry(stream).or_default().absorb(&amounts);
    }
    Ok(())
}

impl Amounts {
    fn add(&mut self, part: usize, amount: Amount) {
        if self.by_part.len() <= part {
            self.by_part.resize(part + 1, Amount::default());
        }
        self.by_part[part].bytes += amount.bytes;
        self.by_part[part].entries += amount.entries;
    }

    fn absorb(&mut self, other: &Amounts) {
        for (part, amount) in other.by_part.iter().enumerate() {
            self.add(part, *amount);
        }
    }
}

/// The parts of a range.
#[derive(Clone, Copy, Debug)]
struct Parts {
    range: TimeRange,
    step_ns: i64,
    count: usize,
}

impl Parts {
    fn of(range: TimeRange, step_ns: Option<i64>) -> Parts {
        let span = range.end.nanos().saturating_sub(range.start.nanos()).max(1);
        let step_ns = step_ns.unwrap_or(span).max(1);
        let count = (span - 1) / step_ns + 1;
        Parts { range, step_ns, count: usize::try_from(count).unwrap_or(usize::MAX) }
    }

    fn of_time(&self, time: Timestamp) -> usize {
        let since = time.nanos().saturating_sub(self.range.start.nanos()).max(0);
        usize::try_from(since / self.step_ns).unwrap_or(0).min(self.count - 1)
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
            let labels = only(stream, if query.labels.is_empty() { &named } else { &query.labels });
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
    fn volumes_are_by_stream_or_by_name_of_label_greatest_first() {
        let (_store, engine) = engine();
        let volumes = |by| match engine.volume(&query(by, None), &ticket()).expect("counted") {
            Data::Vector(samples) => {
                samples.into_iter().map(|it| (it.labels.to_string(), it.value)).collect::<Vec<_>>()
            }
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
        let points: Vec<(i64, f64)> =
            series[0].points.iter().map(|(time, value)| (time.nanos() / 1_000_000, *value)).collect();
        assert_eq!(points, [(14_999, 10.0), (30_000, 2.0)]);
    }
}
