//! Reads a sealed block: the entries of it that are wanted, in order, and no more of its bytes than that takes.

use std::ops::{ControlFlow, Range};

use crate::model::form::Excerpts;
use crate::model::{Direction, Labels, TimeRange, Timestamp};
use crate::store::alike::{Alike, PartEnd, Tally, VisitAlike};
use crate::store::block::bytes::Malformed;
use crate::store::block::{ApartPlace, Codec, Lead, Lines, Numbers};
use crate::store::day::DayFolder;
use crate::store::error::Error;
use crate::store::index::BlockPlace;
use crate::store::needle::TextTests;
use crate::store::select::{Apart, Need, Row, Selection, Visit, Visited};
use crate::store::streams::Streams;

/// Entries of which times are read one by one; of more it is quicker to read all at once.
const SINGLE_TIMES_MAX: usize = 16;

/// A sealed block that is being read.
pub(crate) struct BlockReader<'c> {
    pub(crate) folder: &'c DayFolder,
    pub(crate) place: &'c BlockPlace,
    pub(crate) streams: &'c Streams,
    /// The numbers of the wanted streams, sorted; `None` is all.
    pub(crate) wanted: Option<&'c [u64]>,
    /// What stands for lines, where not all of them is needed.
    pub(crate) excerpts: Option<&'c dyn Excerpts>,
    /// The names of metadata that matter; `None` is all.
    pub(crate) metadata: Option<&'c [String]>,
}

/// Kinds of rows of a block that are counted apart, at most.
const CLASSES_MAX: usize = 1 << 16;

/// A block of which all is decoded.
pub(crate) struct OpenBlock {
    pub(crate) lead: Lead,
    pub(crate) lines: Lines,
}

/// A wanted stream of a block: its place among the block's streams, its labels, its entries in the range.
pub(crate) type Run<'s> = (usize, &'s Labels, Range<usize>);

impl<'c> BlockReader<'c> {
    /// A reader of all that the rows of a block have.
    pub(crate) fn whole(
        folder: &'c DayFolder,
        place: &'c BlockPlace,
        streams: &'c Streams,
        wanted: Option<&'c [u64]>,
    ) -> BlockReader<'c> {
        BlockReader { folder, place, streams, wanted, excerpts: None, metadata: None }
    }

    /// The same, that makes no more of rows than a selection looks at.
    pub(crate) fn limited_to(mut self, selection: &'c Selection) -> BlockReader<'c> {
        self.excerpts = selection.excerpts.as_deref();
        self.metadata = selection.metadata.as_deref();
        self
    }
}

impl BlockReader<'_> {
    /// Decodes all of the block.
    pub(crate) fn open(&self, codec: &mut Codec) -> Result<OpenBlock, Error> {
        let bytes = self.folder.read_block(self.place, 0, self.place.len)?;
        let (lead, text) = self.split(&bytes);
        OpenBlock::decode(lead, text, codec).map_err(|why| self.damaged(why))
    }

    /// An error that names the block.
    pub(crate) fn damaged(&self, why: Malformed) -> Error {
        self.folder.damaged_block(self.place, why)
    }

    fn split<'b>(&self, bytes: &'b [u8]) -> (&'b [u8], &'b [u8]) {
        bytes.split_at(bytes.len().min(self.place.lead_len as usize))
    }

    /// Calls `visit` for each entry that is wanted and passes all tests, until it breaks.
    pub(crate) fn visit(
        &self,
        visited: &Visited,
        tests: &TextTests,
        visit: Visit<'_>,
        codec: &mut Codec,
    ) -> Result<(), Error> {
        let Some((lead, runs, found)) = self.find(visited, tests, codec)? else { return Ok(()) };
        self.visit_found(&lead, runs, &found, visited.direction, visit)
    }

    fn visit_found(
        &self,
        lead: &Lead,
        runs: Vec<Run<'_>>,
        found: &Found,
        direction: Direction,
        visit: Visit<'_>,
    ) -> Result<(), Error> {
        for (stream_index, stream, entries) in in_direction(runs.into_iter(), direction) {
            let places = found.places(entries);
            for place in in_direction(places, direction) {
                let row = found.row(lead, place, stream_index, stream).map_err(|why| self.damaged(why))?;
                if visit(row).is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Calls `visit` for all entries that are wanted, pass all tests, lie in one part of time and are of one stream with
    /// equal metadata, until it breaks. Of each row the text is empty.
    pub(crate) fn visit_alike(
        &self,
        (range, need): (TimeRange, Need),
        tests: &TextTests,
        part_end: PartEnd<'_>,
        visit: VisitAlike<'_>,
        codec: &mut Codec,
    ) -> Result<(), Error> {
        let visited = Visited { range, direction: Direction::Forward, rows_max: usize::MAX, need };
        let Some((lead, runs, found)) = self.find(&visited, tests, codec)? else { return Ok(()) };
        let Some(class_count) = found.class_count(&lead) else {
            let visit: Visit<'_> = &mut |row| visit(Alike::single(row));
            return self.visit_found(&lead, runs, &found, Direction::Forward, visit);
        };
        let mut tally = Tally::with_classes(class_count);
        for (stream_index, stream, entries) in runs {
            let mut told = Ok(ControlFlow::Continue(()));
            let cut = lead.times.cut(entries, part_end, |time, entries| {
                found.tally(&lead, entries, &mut tally);
                told = tally.tell(|class| found.row_of_class(&lead, class, time, stream_index, stream), visit);
                *told.as_ref().unwrap_or(&ControlFlow::Break(()))
            });
            let told = told.map_err(|why| self.damaged(why))?;
            if cut.is_break() || told.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// The entries of the block that are wanted and pass all tests, by stream; `None` where there is no wanted one.
    fn find(
        &self,
        visited: &Visited,
        tests: &TextTests,
        codec: &mut Codec,
    ) -> Result<Option<(Lead, Vec<Run<'_>>, Found)>, Error> {
        let with_text = visited.need == Need::Lines || !tests.is_empty();
        let end = if with_text { self.place.len } else { self.place.lead_len };
        let bytes = self.folder.read_block(self.place, 0, end)?;
        let (lead_bytes, text_section) = self.split(&bytes);
        let lead = Lead::decode(lead_bytes, self.metadata, codec).map_err(|why| self.damaged(why))?;
        let mut runs = self.runs(&lead, visited.range);
        if runs.is_empty() {
            return Ok(None);
        }
        if tests.is_empty() {
            runs.iter_mut().for_each(|(_, _, entries)| *entries = first(entries.clone(), visited));
        }
        let found = self.find_in(&lead, with_text.then_some(text_section), &runs, visited, tests, codec);
        let found = found.map_err(|why| self.damaged(why))?;
        Ok(Some((lead, runs, found)))
    }

    fn find_in(
        &self,
        lead: &Lead,
        text_section: Option<&[u8]>,
        runs: &[Run<'_>],
        visited: &Visited,
        tests: &TextTests,
        codec: &mut Codec,
    ) -> Result<Found, Malformed> {
        let all = runs.iter().map(|(_, _, entries)| entries.len()).sum::<usize>() == lead.times.len();
        let text = text_section.map(|section| lead.text(section, codec)).transpose()?;
        let mut found =
            Found { entries: None, lines: None, line_of: None, apart: Vec::new(), lengths: Lengths::Unknown };
        if let (Some(text), false) = (&text, all && tests.is_empty()) {
            let ranges: Vec<Range<usize>> = runs.iter().map(|(_, _, entries)| entries.clone()).collect();
            found.entries = Some(text.find(lead, &ranges, tests, codec)?);
            found.keep_first(runs, visited);
        }
        let count = found.entries.as_ref().map_or(lead.times.len(), Vec::len);
        if count > SINGLE_TIMES_MAX && visited.need == Need::Lines {
            lead.times.all();
        }
        if let (Some(text), Need::Lines, Some(excerpts)) = (&text, visited.need, self.excerpts)
            && let Some(excerpted) = text.excerpts(lead, found.entries.as_deref(), excerpts, codec)?
        {
            found.line_of = Some(excerpted.line_of);
            found.apart = excerpted.apart;
            found.lines = Some(excerpted.lines);
            return Ok(found);
        }
        match visited.need {
            Need::Lines => {
                let lines = text.map(|text| text.lines(lead, found.entries.as_deref(), codec));
                found.lines = lines.transpose()?;
            }
            Need::Lengths => {
                found.lengths = match lead.stored_lengths(codec)? {
                    Some(stored) => Lengths::Stored(stored),
                    None => Lengths::Known(lead.text_lengths(codec)?),
                };
            }
            Need::Times => {}
        }
        Ok(found)
    }

    /// The wanted streams of the block, each with the entries that lie in the range.
    pub(crate) fn runs(&self, lead: &Lead, range: TimeRange) -> Vec<Run<'_>> {
        let is_inside = range.start.nanos() <= self.place.min && self.place.max < range.end.nanos();
        let mut runs = Vec::new();
        for (stream_index, (number, entries)) in lead.streams.iter().enumerate() {
            if self.wanted.is_some_and(|wanted| wanted.binary_search(number).is_err()) {
                continue;
            }
            let Some(stream) = self.streams.get(number) else { continue };
            if is_inside {
                runs.push((stream_index, &stream.labels, entries.clone()));
                continue;
            }
            let from = lead.times.not_before(entries.clone(), range.start.nanos());
            let to = lead.times.not_before(entries.clone(), range.end.nanos());
            if from < to {
                runs.push((stream_index, &stream.labels, from..to));
            }
        }
        runs
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

/// As many of a range as are visited of a stream, at most.
fn first(range: Range<usize>, visited: &Visited) -> Range<usize> {
    let count = range.len().min(visited.rows_max);
    match visited.direction {
        Direction::Forward => range.start..range.start + count,
        Direction::Backward => range.end - count..range.end,
    }
}

/// The entries of a block that are to be visited, with as much of them as is needed.
struct Found {
    /// In order; `None` is all of the block's.
    entries: Option<Vec<usize>>,
    /// Their texts, where those are needed.
    lines: Option<Lines>,
    /// Which of `lines` each of them has, where those are excerpts and not one by one theirs.
    line_of: Option<Vec<u32>>,
    /// The values in excerpts that are looked at by themselves.
    apart: Vec<Option<ApartPlace>>,
    /// The length of the text of every entry of the block, where only that is needed.
    lengths: Lengths,
}

/// The lengths of the texts of all entries of a block.
enum Lengths {
    Unknown,
    Known(Vec<u32>),
    Stored(Numbers<'static>),
}

impl Lengths {
    fn get(&self, entry: usize) -> Option<u32> {
        match self {
            Lengths::Unknown => None,
            Lengths::Known(lengths) => lengths.get(entry).copied(),
            Lengths::Stored(numbers) => numbers.get(entry).map(|length| length as u32),
        }
    }

    fn sum(&self, entries: Range<usize>) -> u64 {
        match self {
            Lengths::Unknown => 0,
            Lengths::Known(lengths) => lengths[entries].iter().map(|length| u64::from(*length)).sum(),
            Lengths::Stored(numbers) => numbers.sum(entries),
        }
    }
}

impl Found {
    /// Where the found ones of a range are among all found ones.
    fn places(&self, entries: Range<usize>) -> Range<usize> {
        match &self.entries {
            None => entries,
            Some(found) => {
                let place = |bound: usize| found.partition_point(|entry| *entry < bound);
                place(entries.start)..place(entries.end)
            }
        }
    }

    /// Drops those that will not be visited.
    fn keep_first(&mut self, runs: &[Run<'_>], visited: &Visited) {
        let Some(entries) = &self.entries else { return };
        if entries.len() > visited.rows_max {
            let kept = runs.iter().map(|(_, _, entries)| first(self.places(entries.clone()), visited));
            self.entries = Some(kept.flat_map(|places| entries[places].to_vec()).collect());
        }
    }

    /// How many kinds of rows are told apart, by metadata and excerpt; `None` where they are not, or are too many.
    fn class_count(&self, lead: &Lead) -> Option<usize> {
        match (&self.line_of, &self.lines) {
            (Some(_), Some(lines)) => {
                lead.sets.len().checked_mul(lines.ends.len()).filter(|count| *count <= CLASSES_MAX)
            }
            (None, Some(_)) => None,
            (_, None) => Some(lead.sets.len()),
        }
    }

    /// Counts the found ones among these entries, by metadata and excerpt.
    fn tally(&self, lead: &Lead, entries: Range<usize>, tally: &mut Tally) {
        let places = self.places(entries);
        if places.is_empty() {
            return;
        }
        let set_count = lead.sets.len();
        if let Some(line_of) = &self.line_of {
            for place in places {
                tally.add(lead.set_of(self.entry(place)) + set_count * line_of[place] as usize, 1, 0);
            }
            return;
        }
        let length = |entry: usize| self.lengths.get(entry).map_or(0, u64::from);
        if let Some(entries) = &self.entries {
            return entries[places].iter().for_each(|entry| tally.add(lead.set_of(*entry), 1, length(*entry)));
        }
        let lengths = match &self.lengths {
            Lengths::Known(lengths) => &lengths[places.clone()],
            Lengths::Unknown | Lengths::Stored(_) => &[],
        };
        match lead.few_sets_of(places.clone()) {
            _ if lead.has_one_set() => tally.add(0, places.len() as u64, self.lengths.sum(places)),
            Some(sets) => tally.add_all(sets, lengths),
            None => places.for_each(|entry| tally.add(lead.set_of(entry), 1, length(entry))),
        }
    }

    /// What rows of a class have in common.
    fn row_of_class<'f>(
        &'f self,
        lead: &'f Lead,
        class: usize,
        time: i64,
        stream_index: usize,
        stream: &'f Labels,
    ) -> Result<Row<'f>, Malformed> {
        let (set, line) = (class % lead.sets.len(), class / lead.sets.len());
        let text = self.line_of.as_ref().and(self.lines.as_ref()).map_or(&[][..], |lines| lines.get(line));
        Ok(Row {
            timestamp: Timestamp::from_nanos(time),
            line: std::str::from_utf8(text).map_err(|_| Malformed("a text is not UTF-8"))?,
            line_bytes: 0,
            metadata: &lead.sets[set],
            metadata_index: set,
            stream,
            stream_index,
            apart: None,
        })
    }

    fn entry(&self, place: usize) -> usize {
        self.entries.as_ref().map_or(place, |entries| entries[place])
    }

    fn row<'f>(
        &'f self,
        lead: &'f Lead,
        place: usize,
        stream_index: usize,
        stream: &'f Labels,
    ) -> Result<Row<'f>, Malformed> {
        let entry = self.entry(place);
        let line = self.line_of.as_ref().map_or(place, |line_of| line_of[place] as usize);
        let text = self.lines.as_ref().map_or(&[][..], |lines| lines.get(line));
        let row = row(lead, entry, text, self.lengths.get(entry), stream_index, stream)?;
        let apart = self.apart.get(place).and_then(|apart| apart.as_ref()).and_then(|apart| {
            let value = row.line.get(apart.start as usize..apart.end as usize)?;
            Some(Apart { value, class: apart.class as usize })
        });
        Ok(Row { apart, ..row })
    }
}

impl OpenBlock {
    /// Decodes a block of which all bytes are there.
    pub(crate) fn decode(lead: &[u8], text: &[u8], codec: &mut Codec) -> Result<OpenBlock, Malformed> {
        let lead = Lead::decode(lead, None, codec)?;
        let lines = lead.text(text, codec)?.lines(&lead, None, codec)?;
        Ok(OpenBlock { lead, lines })
    }

    /// An entry of the stream that comes at `stream_index` in the block.
    pub(crate) fn row<'b>(
        &'b self,
        entry: usize,
        stream_index: usize,
        stream: &'b Labels,
    ) -> Result<Row<'b>, Malformed> {
        row(&self.lead, entry, self.lines.get(entry), None, stream_index, stream)
    }
}

fn row<'b>(
    lead: &'b Lead,
    entry: usize,
    text: &'b [u8],
    length: Option<u32>,
    stream_index: usize,
    stream: &'b Labels,
) -> Result<Row<'b>, Malformed> {
    let set = lead.set_of(entry);
    Ok(Row {
        timestamp: Timestamp::from_nanos(lead.times.at(entry)),
        line: std::str::from_utf8(text).map_err(|_| Malformed("a text is not UTF-8"))?,
        line_bytes: length.map_or(text.len(), |length| length as usize),
        metadata: &lead.sets[set],
        metadata_index: set,
        stream,
        stream_index,
        apart: None,
    })
}
