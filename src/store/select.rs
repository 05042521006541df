//! Reading: a selection of streams, time and required text, and the chunks that may hold it.

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use crate::model::form::Excerpts;
use crate::model::{Direction, Labels, Matcher, TimeRange, Timestamp};
use crate::store::alike::{Alike, PartEnd, Tally, VisitAlike};
use crate::store::block::Codec;
use crate::store::day::DayFolder;
use crate::store::error::{Error, io_error};
use crate::store::fault;
use crate::store::head::{Buffer, Slot};
use crate::store::index::BlockPlace;
use crate::store::needle::TextTests;
use crate::store::reader::BlockReader;
use crate::store::streams::Streams;

thread_local! {
    static CODEC: RefCell<Codec> = RefCell::new(Codec::new());
}

/// What a reader wants to see.
#[derive(Clone, Debug)]
pub struct Selection {
    /// All must pass; none means every stream.
    pub matchers: Vec<Matcher>,
    pub range: TimeRange,
    /// Texts that a line must hold, all of them, to be wanted. Only such lines are visited.
    pub needles: Vec<String>,
    /// Tests that a line must pass, all of them, to be wanted. Only such lines are visited.
    pub filters: Vec<TextFilter>,
    /// Texts that every line holds which the visitor makes something of: what surely has none is skipped.
    pub hints: Vec<String>,
    /// How much of each row the visitor looks at: what is not needed is not read.
    pub need: Need,
    /// Where this is given and lines are needed, what it says stands for a line where a line's form is known.
    pub excerpts: Option<Arc<dyn Excerpts>>,
    /// Where this is given, only metadata of these names is looked at: rows may come with other metadata besides.
    pub metadata: Option<Vec<String>>,
}

impl Selection {
    /// The lines of these streams in a range, whatever their text.
    pub fn of(matchers: Vec<Matcher>, range: TimeRange, need: Need) -> Selection {
        Selection {
            matchers,
            range,
            needles: Vec::new(),
            filters: Vec::new(),
            hints: Vec::new(),
            need,
            excerpts: None,
            metadata: None,
        }
    }

    /// Whether lines are wanted whatever their text.
    pub fn takes_all_texts(&self) -> bool {
        self.needles.is_empty() && self.filters.is_empty() && self.hints.is_empty()
    }
}

/// A test of a line's text: it must hold one of some texts, or none of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextFilter {
    pub any: Vec<String>,
    /// Whether letters may be in either case, by the simple folding that patterns with `(?i)` go by.
    pub ignores_case: bool,
    /// Whether none of the texts may be there.
    pub negated: bool,
}

/// What is visited of a chunk, of all that is selected.
#[derive(Clone, Copy, Debug)]
pub struct Visited {
    pub range: TimeRange,
    pub direction: Direction,
    /// Rows of each stream, at most: the first ones in the direction. More may come.
    pub rows_max: usize,
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
    /// Where `line` is an excerpt with a value that is looked at by itself.
    pub apart: Option<Apart<'c>>,
}

/// A value in an excerpt that is looked at by itself.
#[derive(Clone, Copy, Debug)]
pub struct Apart<'c> {
    pub value: &'c str,
    /// Equal within one visit only where all else of `line` is equal: small, usable as an index.
    pub class: usize,
}

/// The chunks that may hold what was selected, at one moment. Later appends do not change it.
#[derive(Debug)]
pub struct Snapshot {
    /// In order of `Chunk::sequence`: of two entries with equal time in one stream, the one in the chunk with the
    /// lower sequence came first.
    pub chunks: Vec<Chunk>,
}

/// A selection, and what is made of it once for all chunks.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) selection: Selection,
    pub(crate) tests: TextTests,
}

impl Prepared {
    pub(crate) fn new(selection: Selection) -> Prepared {
        Prepared { tests: TextTests::of(&selection), selection }
    }
}

/// Whoever holds a clone may read the blocks of its time: replaced ones are erased when the last clone is gone.
pub(crate) type Readers = Arc<()>;

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
    prepared: Arc<Prepared>,
    source: Source,
}

#[derive(Clone, Debug)]
enum Source {
    Block {
        folder: Arc<DayFolder>,
        place: BlockPlace,
        streams: Arc<Streams>,
        /// The wanted ones, sorted; `None` is all.
        wanted: Option<Arc<Vec<u64>>>,
        /// Held so that the block is not erased meanwhile.
        _readers: Readers,
    },
    Buffer {
        slot: Arc<Slot>,
        row_count: usize,
    },
    /// Entries that cannot be looked up, and why.
    Missing(Arc<Error>),
}

/// What is done with each row: go on or stop.
pub(crate) type Visit<'v> = &'v mut dyn FnMut(Row<'_>) -> ControlFlow<()>;

impl Chunk {
    pub(crate) fn of_block(
        folder: Arc<DayFolder>,
        place: BlockPlace,
        streams: Arc<Streams>,
        wanted: Option<Arc<Vec<u64>>>,
        prepared: Arc<Prepared>,
        readers: Readers,
    ) -> Chunk {
        Chunk {
            min: Timestamp::from_nanos(place.min),
            max: Timestamp::from_nanos(place.max),
            sequence: place.sequence,
            entry_count: place.entry_count,
            line_bytes: place.text_bytes,
            prepared,
            source: Source::Block { folder, place, streams, wanted, _readers: readers },
        }
    }

    /// The rows that a buffer has now; `None` where it has none.
    pub(crate) fn of_buffer(slot: &Arc<Slot>, sequence: u64, prepared: Arc<Prepared>) -> Option<Chunk> {
        let buffer = slot.read().expect("no thread panics while it holds this lock");
        let (min, max) = buffer.span()?;
        Some(Chunk {
            min: Timestamp::from_nanos(min),
            max: Timestamp::from_nanos(max),
            sequence,
            entry_count: buffer.row_count() as u64,
            line_bytes: buffer.text_bytes() as u64,
            prepared,
            source: Source::Buffer { slot: slot.clone(), row_count: buffer.row_count() },
        })
    }

    /// Stands for entries that cannot be looked up: visiting it gives the error.
    pub(crate) fn missing(min: Timestamp, max: Timestamp, error: Error, prepared: Arc<Prepared>) -> Chunk {
        let source = Source::Missing(Arc::new(error));
        Chunk { min, max, sequence: 0, entry_count: 0, line_bytes: 0, prepared, source }
    }

    /// Calls `visit` for each wanted row: by stream, and within a stream in the order of time (entries of equal time in
    /// the order they came, or the reverse of all that for `Backward`), until it breaks. The visitor must not append.
    pub fn visit(&self, direction: Direction, visit: &mut dyn FnMut(Row<'_>) -> ControlFlow<()>) -> Result<(), Error> {
        self.visit_some(&self.all_within(TimeRange::ALL, direction), visit)
    }

    /// All wanted rows that also lie in `range`, and as much of each as was selected.
    pub fn all_within(&self, range: TimeRange, direction: Direction) -> Visited {
        Visited { range, direction, rows_max: usize::MAX, need: self.prepared.selection.need }
    }

    /// Like `visit`, for readers that learn on the way that less will do.
    pub fn visit_some(
        &self,
        visited: &Visited,
        visit: &mut dyn FnMut(Row<'_>) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let Prepared { selection, tests } = &*self.prepared;
        let range = TimeRange {
            start: selection.range.start.max(visited.range.start),
            end: selection.range.end.min(visited.range.end),
        };
        let visited = &Visited { range, ..*visited };
        fault::at("chunk.visit").map_err(io_error("read", Path::new("a chunk")))?;
        match &self.source {
            Source::Buffer { slot, row_count } => {
                let buffer = slot.read().expect("no thread panics while it holds this lock");
                visit_buffer(&buffer, selected(&buffer, *row_count, range, tests), visited, visit);
                Ok(())
            }
            Source::Block { folder, place, streams, wanted, .. } => CODEC.with_borrow_mut(|codec| {
                let wanted = wanted.as_deref().map(Vec::as_slice);
                let block = BlockReader::whole(folder, place, streams, wanted).limited_to(selection);
                block.visit(visited, tests, visit, codec)
            }),
            Source::Missing(error) => Err(error.again()),
        }
    }

    /// Calls `visit` for the wanted rows, oldest first in each stream; where lines are not needed or only excerpts of them,
    /// rows that are alike and lie in one part of time come as one. `part_end` gives the last moment of the part that a moment lies in.
    pub fn visit_alike(
        &self,
        part_end: &mut dyn FnMut(Timestamp) -> Timestamp,
        visit: &mut dyn FnMut(Alike<'_>) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let Prepared { selection, tests } = &*self.prepared;
        fault::at("chunk.visit").map_err(io_error("read", Path::new("a chunk")))?;
        match &self.source {
            Source::Buffer { slot, row_count } => {
                let buffer = slot.read().expect("no thread panics while it holds this lock");
                let rows = selected(&buffer, *row_count, selection.range, tests);
                if selection.need == Need::Lines {
                    let visited = self.all_within(selection.range, Direction::Forward);
                    visit_buffer(&buffer, rows, &visited, &mut |row| visit(Alike::single(row)));
                } else {
                    visit_alike_in_buffer(&buffer, &rows, part_end, visit);
                }
                Ok(())
            }
            Source::Block { folder, place, streams, wanted, .. } => CODEC.with_borrow_mut(|codec| {
                let wanted = wanted.as_deref().map(Vec::as_slice);
                let block = BlockReader::whole(folder, place, streams, wanted).limited_to(selection);
                block.visit_alike((selection.range, selection.need), tests, part_end, visit, codec)
            }),
            Source::Missing(error) => Err(error.again()),
        }
    }
}

/// The rows of a buffer that are selected, in the order of time.
fn selected(buffer: &Buffer, row_count: usize, range: TimeRange, tests: &TextTests) -> Vec<u32> {
    let mut rows = match tests.first_needle() {
        None => buffer.order(row_count),
        Some(needle) => buffer.with_needle(row_count, needle.finder()),
    };
    rows.retain(|row| {
        let (time, text, _) = buffer.row(*row);
        range.contains(Timestamp::from_nanos(time)) && tests.pass(text)
    });
    rows
}

fn row_of_buffer(buffer: &Buffer, row: u32, need: Need) -> Row<'_> {
    let (time, text, set) = buffer.row(row);
    let line = if need == Need::Lines { text } else { &[] };
    Row {
        timestamp: Timestamp::from_nanos(time),
        line: std::str::from_utf8(line).expect("a buffer is filled from texts"),
        line_bytes: text.len(),
        metadata: buffer.set(set),
        metadata_index: set,
        stream: &buffer.labels,
        stream_index: 0,
        apart: None,
    }
}

fn visit_buffer(buffer: &Buffer, mut rows: Vec<u32>, visited: &Visited, visit: Visit<'_>) {
    if visited.direction == Direction::Backward {
        rows.reverse();
    }
    for row in rows.into_iter().take(visited.rows_max) {
        if visit(row_of_buffer(buffer, row, visited.need)).is_break() {
            return;
        }
    }
}

fn visit_alike_in_buffer(buffer: &Buffer, rows: &[u32], part_end: PartEnd<'_>, visit: VisitAlike<'_>) {
    let mut tally = Tally::with_classes(buffer.set_count());
    let mut rest = rows;
    while let Some(first) = rest.first() {
        let time = buffer.row(*first).0;
        let last = part_end(Timestamp::from_nanos(time)).nanos();
        let count = rest.partition_point(|row| buffer.row(*row).0 <= last).max(1);
        for row in &rest[..count] {
            let (_, text, set) = buffer.row(*row);
            tally.add(set, 1, text.len() as u64);
        }
        let row_of = |set| Row {
            timestamp: Timestamp::from_nanos(time),
            line: "",
            line_bytes: 0,
            metadata: buffer.set(set),
            metadata_index: set,
            stream: &buffer.labels,
            stream_index: 0,
            apart: None,
        };
        if tally.tell(|set| Ok(row_of(set)), visit).is_ok_and(|told| told.is_break()) {
            return;
        }
        rest = &rest[count..];
    }
}
