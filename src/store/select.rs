//! Reading: a selection of streams, time and required text, and the chunks that may hold it.

use std::cell::RefCell;
use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use memchr::memmem::Finder;

use crate::model::{Direction, Labels, Matcher, TimeRange, Timestamp};
use crate::store::block::bytes::Malformed;
use crate::store::block::{Codec, Lead};
use crate::store::day::{DayFolder, Streams};
use crate::store::error::Error;
use crate::store::head::{Buffer, Slot};
use crate::store::index::BlockPlace;

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
    selection: Arc<Selection>,
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
}

/// What is done with each row: go on or stop.
type Visit<'v> = &'v mut dyn FnMut(Row<'_>) -> ControlFlow<()>;

impl Chunk {
    pub(crate) fn of_block(
        folder: Arc<DayFolder>,
        place: BlockPlace,
        streams: Arc<Streams>,
        wanted: Option<Arc<Vec<u64>>>,
        selection: Arc<Selection>,
        readers: Readers,
    ) -> Chunk {
        Chunk {
            min: Timestamp::from_nanos(place.min),
            max: Timestamp::from_nanos(place.max),
            sequence: place.sequence,
            entry_count: place.entry_count,
            line_bytes: place.text_bytes,
            selection,
            source: Source::Block { folder, place, streams, wanted, _readers: readers },
        }
    }

    /// The rows that a buffer has now; `None` where it has none.
    pub(crate) fn of_buffer(slot: &Arc<Slot>, sequence: u64, selection: Arc<Selection>) -> Option<Chunk> {
        let buffer = slot.read().expect("no thread panics while it holds this lock");
        let (min, max) = buffer.span()?;
        Some(Chunk {
            min: Timestamp::from_nanos(min),
            max: Timestamp::from_nanos(max),
            sequence,
            entry_count: buffer.row_count() as u64,
            line_bytes: buffer.text_bytes() as u64,
            selection,
            source: Source::Buffer { slot: slot.clone(), row_count: buffer.row_count() },
        })
    }

    /// Calls `visit` for each wanted row: by stream, and within a stream in the order of time (entries of equal time in
    /// the order they came, or the reverse of all that for `Backward`), until it breaks. The visitor must not append.
    pub fn visit(&self, direction: Direction, visit: &mut dyn FnMut(Row<'_>) -> ControlFlow<()>) -> Result<(), Error> {
        self.visit_within(TimeRange::ALL, direction, visit)
    }

    /// Like `visit`, for those wanted rows that also lie in `range`: for readers that learn on the way that less of the
    /// range will do.
    pub fn visit_within(
        &self,
        range: TimeRange,
        direction: Direction,
        visit: &mut dyn FnMut(Row<'_>) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let mut selection = (*self.selection).clone();
        selection.range.start = selection.range.start.max(range.start);
        selection.range.end = selection.range.end.min(range.end);
        let selection = &selection;
        let finders: Vec<Finder<'_>> = selection.needles.iter().map(Finder::new).collect();
        match &self.source {
            Source::Buffer { slot, row_count } => {
                let buffer = slot.read().expect("no thread panics while it holds this lock");
                visit_buffer(&buffer, *row_count, selection, &finders, direction, visit);
                Ok(())
            }
            Source::Block { folder, place, streams, wanted, .. } => CODEC.with_borrow_mut(|codec| {
                let block = BlockReader { folder, place, streams, wanted: wanted.as_deref().map(Vec::as_slice) };
                block.visit(selection, &finders, direction, visit, codec)
            }),
        }
    }
}

fn visit_buffer(
    buffer: &Buffer,
    row_count: usize,
    selection: &Selection,
    finders: &[Finder<'_>],
    direction: Direction,
    visit: Visit<'_>,
) {
    let mut rows = match longest(finders) {
        None => buffer.order(row_count),
        Some(finder) => buffer.with_needle(row_count, finder),
    };
    if direction == Direction::Backward {
        rows.reverse();
    }
    for row in rows {
        let (time, text, set) = buffer.row(row);
        let timestamp = Timestamp::from_nanos(time);
        if !selection.range.contains(timestamp) || finders.iter().any(|finder| finder.find(text).is_none()) {
            continue;
        }
        let seen = visit(Row {
            timestamp,
            line: std::str::from_utf8(text).expect("a buffer is filled from texts"),
            line_bytes: text.len(),
            metadata: buffer.set(set),
            metadata_index: set,
            stream: &buffer.labels,
            stream_index: 0,
        });
        if seen.is_break() {
            return;
        }
    }
}

/// The needle that is looked for in all texts at once: the longest is the rarest. An empty one is everywhere.
fn longest<'f, 'n>(finders: &'f [Finder<'n>]) -> Option<&'f Finder<'n>> {
    finders.iter().filter(|finder| !finder.needle().is_empty()).max_by_key(|finder| finder.needle().len())
}

/// Calls `found` with the place of each text that has the needle, in their order; the texts lie one after another, and
/// `end_of` gives where one ends. `place_of` gives the text that a byte belongs to.
pub(crate) fn each_with_needle(
    texts: &[u8],
    finder: &Finder<'_>,
    place_of: impl Fn(usize) -> usize,
    end_of: impl Fn(usize) -> usize,
    mut found: impl FnMut(usize),
) {
    let mut at = 0;
    while let Some(offset) = finder.find(&texts[at..]) {
        let start = at + offset;
        let place = place_of(start);
        let end = end_of(place);
        if start + finder.needle().len() <= end {
            found(place);
            at = end;
        } else {
            // it lies across the border of two texts, and so in neither
            at = start + 1;
        }
    }
}

/// A sealed block that is being read.
pub(crate) struct BlockReader<'c> {
    pub(crate) folder: &'c DayFolder,
    pub(crate) place: &'c BlockPlace,
    pub(crate) streams: &'c Streams,
    /// The numbers of the wanted streams, sorted; `None` is all.
    pub(crate) wanted: Option<&'c [u64]>,
}

/// A block whose head is decoded, and as much of its text as is needed.
pub(crate) struct OpenBlock {
    pub(crate) lead: Lead,
    text: Vec<u8>,
    /// The end of each entry's text; empty where texts are not needed.
    ends: Vec<u32>,
    /// The length of each, where no more is needed.
    lengths: Vec<u32>,
}

impl BlockReader<'_> {
    /// Decodes all of the block.
    pub(crate) fn open(&self, codec: &mut Codec) -> Result<OpenBlock, Error> {
        let bytes = self.folder.read_block(self.place, 0, self.place.len)?;
        let (lead_bytes, text_section) = self.split(&bytes);
        let lead = Lead::decode(lead_bytes, codec).map_err(|why| self.damaged(why))?;
        self.with_text(lead, text_section, codec)
    }

    /// An error that names the block.
    pub(crate) fn damaged(&self, why: Malformed) -> Error {
        self.folder.damaged_block(self.place, why)
    }

    fn split<'b>(&self, bytes: &'b [u8]) -> (&'b [u8], &'b [u8]) {
        bytes.split_at(bytes.len().min(self.place.lead_len as usize))
    }

    fn with_text(&self, lead: Lead, text_section: &[u8], codec: &mut Codec) -> Result<OpenBlock, Error> {
        let ends = lead.text_ends(codec).map_err(|why| self.damaged(why))?;
        let text = lead.text(text_section, codec).map_err(|why| self.damaged(why))?;
        Ok(OpenBlock { lead, text, ends, lengths: Vec::new() })
    }

    fn visit(
        &self,
        selection: &Selection,
        finders: &[Finder<'_>],
        direction: Direction,
        visit: Visit<'_>,
        codec: &mut Codec,
    ) -> Result<(), Error> {
        let with_text = selection.need == Need::Lines || !finders.is_empty();
        let end = if with_text { self.place.len } else { self.place.lead_len };
        let bytes = self.folder.read_block(self.place, 0, end)?;
        let (lead_bytes, text_section) = self.split(&bytes);
        let lead = Lead::decode(lead_bytes, codec).map_err(|why| self.damaged(why))?;
        let runs = self.runs(&lead, selection.range);
        if runs.is_empty() {
            return Ok(());
        }
        let block = if with_text {
            self.with_text(lead, text_section, codec)?
        } else {
            let lengths = match selection.need {
                Need::Times => Vec::new(),
                Need::Lengths | Need::Lines => lead.text_lengths(codec).map_err(|why| self.damaged(why))?,
            };
            OpenBlock { lead, text: Vec::new(), ends: Vec::new(), lengths }
        };
        for (stream_index, stream, entries) in in_direction(runs.into_iter(), direction) {
            let run = RunReader { block: &block, stream_index, stream };
            if run.visit(entries, finders, direction, visit).map_err(|why| self.damaged(why))?.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// The wanted streams of the block, each with the entries that lie in the range.
    pub(crate) fn runs<'s>(&'s self, lead: &Lead, range: TimeRange) -> Vec<(usize, &'s Labels, Range<usize>)> {
        let mut runs = Vec::new();
        for (stream_index, (number, entries)) in lead.streams.iter().enumerate() {
            if self.wanted.is_some_and(|wanted| wanted.binary_search(number).is_err()) {
                continue;
            }
            let Some(stream) = self.streams.get(number) else { continue };
            let times = &lead.times[entries.clone()];
            let from = times.partition_point(|time| *time < range.start.nanos());
            let to = times.partition_point(|time| *time < range.end.nanos());
            if from < to {
                runs.push((stream_index, &stream.labels, entries.start + from..entries.start + to));
            }
        }
        runs
    }
}

impl OpenBlock {
    fn text_start(&self, entry: usize) -> usize {
        if entry == 0 { 0 } else { self.ends[entry - 1] as usize }
    }

    /// The text of an entry; empty where texts are not needed.
    pub(crate) fn text(&self, entry: usize) -> &[u8] {
        match self.ends.get(entry) {
            Some(end) => &self.text[self.text_start(entry)..*end as usize],
            None => &[],
        }
    }

    /// An entry of the stream that comes at `stream_index` in the block.
    pub(crate) fn row<'b>(
        &'b self,
        entry: usize,
        stream_index: usize,
        stream: &'b Labels,
    ) -> Result<Row<'b>, Malformed> {
        let text = self.text(entry);
        let set = self.lead.set_of(entry);
        Ok(Row {
            timestamp: Timestamp::from_nanos(self.lead.times[entry]),
            line: std::str::from_utf8(text).map_err(|_| Malformed("a text is not UTF-8"))?,
            line_bytes: self.lengths.get(entry).map_or(text.len(), |length| *length as usize),
            metadata: &self.lead.sets[set],
            metadata_index: set,
            stream,
            stream_index,
        })
    }
}

fn in_direction<I: DoubleEndedIterator>(items: I, direction: Direction) -> impl Iterator<Item = I::Item> {
    let (mut forward, mut backward) = match direction {
        Direction::Forward => (Some(items), None),
        Direction::Backward => (None, Some(items.rev())),
    };
    std::iter::from_fn(move || match (&mut forward, &mut backward) {
        (Some(items), _) => items.next(),
        (None, Some(items)) => items.next(),
        (None, None) => None,
    })
}

/// The entries of one stream in a block.
struct RunReader<'r> {
    block: &'r OpenBlock,
    stream_index: usize,
    stream: &'r Labels,
}

impl RunReader<'_> {
    fn visit(
        &self,
        entries: Range<usize>,
        finders: &[Finder<'_>],
        direction: Direction,
        visit: Visit<'_>,
    ) -> Result<ControlFlow<()>, Malformed> {
        let row = |entry| self.block.row(entry, self.stream_index, self.stream);
        let Some(longest) = longest(finders) else {
            for entry in in_direction(entries, direction) {
                if visit(row(entry)?).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            return Ok(ControlFlow::Continue(()));
        };
        for entry in in_direction(self.with_needle(entries, longest).into_iter(), direction) {
            let text = self.block.text(entry);
            if finders.iter().all(|finder| finder.find(text).is_some()) && visit(row(entry)?).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// The entries whose text has the needle.
    fn with_needle(&self, entries: Range<usize>, finder: &Finder<'_>) -> Vec<usize> {
        let (start, ends) = (self.block.text_start(entries.start), &self.block.ends[entries.clone()]);
        let texts = &self.block.text[start..self.block.text_start(entries.end)];
        let place_of = |byte: usize| ends.partition_point(|end| *end as usize <= start + byte);
        let mut found = Vec::new();
        each_with_needle(
            texts,
            finder,
            place_of,
            |place| ends[place] as usize - start,
            |place| {
                found.push(entries.start + place);
            },
        );
        found
    }
}
