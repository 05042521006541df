//! Reading: a selection of streams, time and required text, and the chunks that may hold it.

use std::ops::ControlFlow;
use std::sync::Arc;

use memchr::memmem;

use crate::model::{Batch, Direction, Labels, Matcher, TimeRange, Timestamp};
use crate::store::{Appended, Error};

/// What a reader wants to see.
#[derive(Clone, Debug)]
pub struct Selection {
    /// All must pass; none means every stream.
    pub matchers: Vec<Matcher>,
    pub range: TimeRange,
    /// Texts that a line must hold, all of them, to be wanted. Only such lines are visited.
    pub needles: Vec<String>,
    /// How much of each row the visitor looks at: what is not needed is not read.
    pub need: Need,
}

/// The part of a row that is read. With needles, lines are read for the test whatever is needed here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// Streams, timestamps and metadata; `Row::line` is empty and `Row::line_bytes` is 0.
    Times,
    /// Also `Row::line_bytes`.
    Lengths,
    /// Everything.
    Lines,
}

/// One stored entry, as a visitor sees it.
#[derive(Clone, Copy, Debug)]
pub struct Row<'c> {
    pub timestamp: Timestamp,
    pub line: &'c str,
    pub line_bytes: usize,
    pub metadata: &'c Labels,
    /// Equal within one visit exactly where `metadata` is equal: small, dense, usable as an index.
    pub metadata_index: usize,
    /// The stream's labels.
    pub stream: &'c Labels,
    /// Equal within one visit exactly where `stream` is equal: small, dense, usable as an index.
    pub stream_index: usize,
}

/// The chunks that may hold what was selected, at one moment. Later appends do not change it.
#[derive(Debug)]
pub struct Snapshot {
    /// In order of `Chunk::sequence`: of two entries with equal time in one stream, the one in the chunk with the
    /// lower sequence came first.
    pub chunks: Vec<Chunk>,
    pub selection: Selection,
}

/// A piece of the store that is read as one: a sealed block, or the unsealed lines of a stream.
#[derive(Clone, Debug)]
pub struct Chunk {
    /// The earliest and the latest timestamp in it; not all between them need be wanted.
    pub min: Timestamp,
    pub max: Timestamp,
    pub sequence: u64,
    /// Entries and bytes of text in it, before any selection.
    pub entry_count: u64,
    pub line_bytes: u64,
    source: Arc<Buffer>,
}

impl Chunk {
    /// Calls `visit` for each wanted row: by stream, and within a stream in the order of time (entries of equal time in
    /// the order they came, or the reverse of all that for `Backward`), until it breaks.
    pub fn visit(
        &self,
        selection: &Selection,
        direction: Direction,
        visit: &mut dyn FnMut(Row<'_>) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let finders: Vec<_> = selection.needles.iter().map(memmem::Finder::new).collect();
        let count = self.source.rows.len();
        for step in 0..count {
            let index = if direction == Direction::Forward { step } else { count - 1 - step };
            let row = &self.source.rows[index];
            let wanted = selection.range.contains(row.timestamp)
                && finders.iter().all(|finder| finder.find(row.line.as_bytes()).is_some());
            let metadata_index = self.source.metadata.iter().position(|set| *set == row.metadata).unwrap_or(0);
            if wanted
                && visit(Row {
                    timestamp: row.timestamp,
                    line: &row.line,
                    line_bytes: row.line.len(),
                    metadata: &row.metadata,
                    metadata_index,
                    stream: &self.source.labels,
                    stream_index: 0,
                })
                .is_break()
            {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// Unsealed lines of one stream.
#[derive(Clone, Debug)]
pub(crate) struct Buffer {
    labels: Labels,
    rows: Vec<BufferRow>,
    metadata: Vec<Labels>,
}

#[derive(Clone, Debug, PartialEq)]
struct BufferRow {
    timestamp: Timestamp,
    line: String,
    metadata: Labels,
}

impl Buffer {
    pub(crate) fn append(buffers: &mut Vec<Arc<Buffer>>, batch: &Batch<'_>) -> Appended {
        let mut appended = Appended::default();
        for stream in &batch.streams {
            let index = buffers.iter().position(|buffer| buffer.labels == stream.labels).unwrap_or_else(|| {
                let empty = Buffer { labels: stream.labels.clone(), rows: Vec::new(), metadata: Vec::new() };
                buffers.push(Arc::new(empty));
                buffers.len() - 1
            });
            let buffer = Arc::make_mut(&mut buffers[index]);
            for entry in &stream.entries {
                let row = BufferRow {
                    timestamp: entry.timestamp,
                    line: entry.line.clone().into_owned(),
                    metadata: entry.metadata.clone(),
                };
                let at = buffer.rows.partition_point(|other| other.timestamp <= row.timestamp);
                if buffer.rows[..at].iter().rev().take_while(|r| r.timestamp == row.timestamp).any(|r| *r == row) {
                    appended.duplicate_count += 1;
                    continue;
                }
                if !buffer.metadata.contains(&row.metadata) {
                    buffer.metadata.push(row.metadata.clone());
                }
                appended.entry_count += 1;
                appended.line_bytes += row.line.len() as u64;
                buffer.rows.insert(at, row);
            }
        }
        appended
    }

    pub(crate) fn snapshot(buffers: &[Arc<Buffer>], selection: &Selection) -> Snapshot {
        let wanted = buffers.iter().enumerate().filter(|(_, buffer)| {
            buffer.overlaps(selection.range) && selection.matchers.iter().all(|m| m.matches(&buffer.labels))
        });
        let chunk = |(index, buffer): (usize, &Arc<Buffer>)| Chunk {
            min: buffer.rows[0].timestamp,
            max: buffer.rows[buffer.rows.len() - 1].timestamp,
            sequence: index as u64,
            entry_count: buffer.rows.len() as u64,
            line_bytes: buffer.rows.iter().map(|row| row.line.len() as u64).sum(),
            source: buffer.clone(),
        };
        Snapshot { chunks: wanted.map(chunk).collect(), selection: selection.clone() }
    }

    pub(crate) fn streams(buffers: &[Arc<Buffer>], matchers: &[Matcher], range: TimeRange) -> Vec<Labels> {
        let wanted = buffers
            .iter()
            .filter(|buffer| buffer.overlaps(range) && matchers.iter().all(|m| m.matches(&buffer.labels)));
        wanted.map(|buffer| buffer.labels.clone()).collect()
    }

    fn overlaps(&self, range: TimeRange) -> bool {
        self.rows.iter().any(|row| range.contains(row.timestamp))
    }
}
