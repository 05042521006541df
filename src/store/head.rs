//! Unsealed entries: one buffer for each stream and day, searched as they are.
//!
//! Promises: rows are only ever added at the end, so a reader that noted how many there were sees the same rows later;
//! an entry that is in the buffer already is not added again. Never: files.

use std::collections::{HashMap, HashSet};
use std::hash::BuildHasherDefault;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Instant;

use memchr::memmem::Finder;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::model::{Entry, Labels};
use crate::store::block::{Content, each_with_needle};
use crate::store::hash::QuickHasher;
use crate::store::layout::Day;
use crate::store::seal::BLOCK_TEXT_BYTES;

/// Entries with the time of the last one are compared one by one up to here; beyond, hashes are kept of all.
const EQUAL_TIMES_MAX: usize = 16;

/// Runs of sorted rows that are told apart; where there are more, clients send in no order at all.
const RUNS_MAX: usize = 64;

/// The room of a whole block's text, with the line that it ends with.
const FULL_TEXT_BYTES: usize = BLOCK_TEXT_BYTES + BLOCK_TEXT_BYTES / 16;

/// A text that grows beyond this gets room for a whole block at once.
const DOUBLED_BYTES_MAX: usize = BLOCK_TEXT_BYTES / 4;

/// What tells exact duplicates in a stream: a hash of time, text and the print of metadata.
///
/// Two different entries of one stream have the same one with a chance of 2^-64.
pub(crate) fn identity(time: i64, line: &[u8], print: u64) -> u64 {
    xxh3_64_with_seed(line, (time as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ print)
}

/// The part of an entry's identity that its metadata makes.
pub(crate) fn print_of(metadata: &Labels) -> u64 {
    if metadata.is_empty() { 0 } else { metadata.fingerprint() }
}

/// Identities, which are hashes already.
pub(crate) type Identities = HashSet<u64, BuildHasherDefault<QuickHasher>>;

/// A buffer behind its lock. Whoever finds it closed looks for its successor.
pub(crate) type Slot = RwLock<Buffer>;

/// The unsealed entries of one stream on one day.
#[derive(Debug)]
pub(crate) struct Buffer {
    pub(crate) day: Day,
    /// The stream's number on that day.
    pub(crate) stream: u64,
    pub(crate) labels: Labels,
    /// Whether it was taken for sealing: nothing is added any more.
    pub(crate) closed: bool,
    /// The oldest WAL segment that an entry of it is in.
    first_segment: u64,
    pub(crate) begun: Instant,
    /// The latest time that earlier buffers and blocks of the stream have on this day.
    pub(crate) sealed_max: Option<i64>,
    rows: Vec<BufferRow>,
    text: Vec<u8>,
    sets: Vec<Labels>,
    /// The print of each set.
    prints: Vec<u64>,
    set_index: HashMap<Labels, u32>,
    set_bytes: usize,
    min: i64,
    max: i64,
    sorted: bool,
    /// First and last time of each run of rows that came in the order of time. Clients that send at the same time, or
    /// again, make more than one; a row whose time lies in none of them is new for certain.
    runs: Vec<(i64, i64)>,
    /// Identities of all rows; made when the first row comes that may be a duplicate.
    identities: Option<Identities>,
    spares: Arc<Spares>,
}

/// Memory of texts that were sealed, for those that grow: new memory of a mebibyte costs more than what is copied into it.
#[derive(Debug, Default)]
pub(crate) struct Spares(Mutex<Vec<Vec<u8>>>);

/// Texts whose memory is kept: one is sealed for each that grows.
const SPARES_MAX: usize = 4;

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.text.capacity() == FULL_TEXT_BYTES {
            let mut spares = self.spares.0.lock().unwrap_or_else(PoisonError::into_inner);
            if spares.len() < SPARES_MAX {
                spares.push(std::mem::take(&mut self.text));
            }
        }
    }
}

/// What a buffer takes beside its rows and texts, about: ten thousand small ones take as much for that as for their lines.
const BUFFER_BYTES: usize = size_of::<Slot>() + 512;

#[derive(Clone, Copy, Debug)]
struct BufferRow {
    time: i64,
    text_start: u32,
    text_len: u32,
    set: u32,
}

impl Buffer {
    pub(crate) fn new(
        day: Day,
        stream: u64,
        labels: Labels,
        segment: u64,
        sealed_max: Option<i64>,
        spares: Arc<Spares>,
    ) -> Buffer {
        Buffer {
            day,
            stream,
            labels,
            closed: false,
            first_segment: segment,
            begun: Instant::now(),
            sealed_max,
            rows: Vec::new(),
            text: Vec::new(),
            sets: Vec::new(),
            prints: Vec::new(),
            set_index: HashMap::new(),
            set_bytes: 0,
            min: i64::MAX,
            max: i64::MIN,
            sorted: true,
            runs: Vec::new(),
            identities: None,
            spares,
        }
    }

    /// Adds an entry unless it is there already; tells whether it was added.
    pub(crate) fn add(&mut self, entry: &Entry<'_>, segment: u64) -> bool {
        let time = entry.timestamp.nanos();
        let line = entry.line.as_bytes();
        let set = self.set_number(&entry.metadata);
        if time <= self.max && self.may_have(time) && self.has(time, line, set) {
            return false;
        }
        if let Some(identities) = &mut self.identities {
            identities.insert(identity(time, line, self.prints[set as usize]));
        }
        self.extend_runs(time);
        self.sorted &= time >= self.max;
        self.min = self.min.min(time);
        self.max = self.max.max(time);
        self.first_segment = self.first_needed().map_or(segment, |first| first.min(segment));
        self.make_room(line.len());
        let text_start = self.text.len() as u32;
        self.rows.push(BufferRow { time, text_start, text_len: line.len() as u32, set });
        self.text.extend_from_slice(line);
        true
    }

    /// Whether a row may have this time.
    fn may_have(&self, time: i64) -> bool {
        self.runs.iter().any(|(first, last)| *first <= time && time <= *last)
    }

    fn extend_runs(&mut self, time: i64) {
        let is_full = self.runs.len() == RUNS_MAX;
        match self.runs.last_mut() {
            Some((_, last)) if *last <= time => *last = time,
            Some((first, last)) if is_full => (*first, *last) = (i64::MIN, i64::MAX),
            _ => self.runs.push((time, time)),
        }
    }

    /// Doubles small texts, and gives larger ones all the room they will need: memory that is not written to yet costs
    /// nothing, and copying does.
    fn make_room(&mut self, line_len: usize) {
        let needed = self.text.len() + line_len;
        if needed <= self.text.capacity() || needed <= DOUBLED_BYTES_MAX {
            return;
        }
        let spare = match needed <= FULL_TEXT_BYTES {
            true => self.spares.0.lock().unwrap_or_else(PoisonError::into_inner).pop(),
            false => None,
        };
        match spare {
            Some(mut spare) => {
                spare.clear();
                spare.extend_from_slice(&self.text);
                self.text = spare;
            }
            None => self.text.reserve_exact(FULL_TEXT_BYTES.max(needed) - self.text.len()),
        }
    }

    fn set_number(&mut self, metadata: &Labels) -> u32 {
        let near = self.rows.last().map(|row| row.set).filter(|set| self.sets[*set as usize].is_same(metadata));
        if let Some(set) = near.or_else(|| self.set_index.get(metadata).copied()) {
            return set;
        }
        let set = self.sets.len() as u32;
        self.sets.push(metadata.clone());
        self.prints.push(print_of(metadata));
        self.set_index.insert(metadata.clone(), set);
        self.set_bytes += metadata.iter().map(|(name, value)| name.len() + value.len() + 64).sum::<usize>();
        set
    }

    /// Whether an entry of this time, which is not after all others, is there.
    fn has(&mut self, time: i64, line: &[u8], set: u32) -> bool {
        if self.identities.is_none() && time == self.max && self.sorted {
            let mut equal = self.rows.iter().rev().take_while(|row| row.time == time).take(EQUAL_TIMES_MAX + 1);
            let found = equal.clone().any(|row| row.set == set && self.text_of(row) == line);
            if found || equal.nth(EQUAL_TIMES_MAX).is_none() {
                return found;
            }
        }
        let identity = identity(time, line, self.prints[set as usize]);
        self.identities().contains(&identity)
    }

    /// The identities of all rows.
    fn identities(&mut self) -> &Identities {
        let mut identities = self.identities.take();
        let known = identities.get_or_insert_with(|| self.rows.iter().map(|row| self.identity_of(row)).collect());
        debug_assert_eq!(known.len(), self.rows.len());
        self.identities.insert(identities.unwrap_or_default())
    }

    /// Whether an entry with this identity is there. Slow where many rows have never been asked about.
    pub(crate) fn has_identity(&self, time: i64, wanted: impl Fn() -> u64) -> bool {
        if !self.may_have(time) {
            return false;
        }
        match &self.identities {
            Some(identities) => identities.contains(&wanted()),
            None => self.rows.iter().any(|row| row.time == time && self.identity_of(row) == wanted()),
        }
    }

    fn identity_of(&self, row: &BufferRow) -> u64 {
        identity(row.time, self.text_of(row), self.prints[row.set as usize])
    }

    fn text_of(&self, row: &BufferRow) -> &[u8] {
        &self.text[row.text_start as usize..][..row.text_len as usize]
    }

    pub(crate) fn row_count(&self) -> usize {
        self.rows.len()
    }

    /// The oldest WAL segment that it needs: where all that came were duplicates, none.
    pub(crate) fn first_needed(&self) -> Option<u64> {
        (!self.rows.is_empty()).then_some(self.first_segment)
    }

    /// Bytes of text, as blocks are measured.
    pub(crate) fn text_bytes(&self) -> usize {
        self.text.len()
    }

    /// About how much memory it takes; never less than before.
    pub(crate) fn memory_bytes(&self) -> usize {
        if self.rows.is_empty() {
            return 0;
        }
        let identities = self.identities.as_ref().map_or(0, |identities| identities.capacity() * 9);
        // room for a whole block is not all in use
        let text = if self.text.capacity() <= DOUBLED_BYTES_MAX { self.text.capacity() } else { self.text.len() };
        BUFFER_BYTES + text + self.rows.capacity() * size_of::<BufferRow>() + self.set_bytes + identities
    }

    /// The earliest and the latest time; only where there are rows.
    pub(crate) fn span(&self) -> Option<(i64, i64)> {
        (!self.rows.is_empty()).then_some((self.min, self.max))
    }

    /// The first `count` rows in the order of time, those of equal time in the order they came.
    pub(crate) fn order(&self, count: usize) -> Vec<u32> {
        let mut order: Vec<u32> = (0..count as u32).collect();
        if !self.sorted {
            order.sort_by_key(|row| self.rows[*row as usize].time);
        }
        order
    }

    /// Those of the first `count` rows whose text has the needle, in the order of time.
    pub(crate) fn with_needle(&self, count: usize, finder: &Finder<'_>) -> Vec<u32> {
        let rows = &self.rows[..count];
        let end_of = |row: usize| rows[row].text_start as usize + rows[row].text_len as usize;
        let texts = &self.text[..rows.last().map_or(0, |_| end_of(count - 1))];
        // of rows that begin at the same byte all but the last are empty
        let place_of = |byte: usize| rows.partition_point(|row| row.text_start as usize <= byte) - 1;
        let mut found = Vec::new();
        each_with_needle(texts, finder, place_of, end_of, |row| found.push(row as u32));
        if !self.sorted {
            found.sort_by_key(|row| rows[*row as usize].time);
        }
        found
    }

    /// Time, text and metadata number of a row.
    pub(crate) fn row(&self, row: u32) -> (i64, &[u8], usize) {
        let row = &self.rows[row as usize];
        (row.time, self.text_of(row), row.set as usize)
    }

    /// Sets of metadata that rows have.
    pub(crate) fn set_count(&self) -> usize {
        self.sets.len()
    }

    pub(crate) fn set(&self, set: usize) -> &Labels {
        &self.sets[set]
    }
}

/// Puts the rows of closed buffers, each of another stream, into a block's content in place of what it held.
pub(crate) fn fill_content(content: &mut Content, buffers: &[&Buffer]) {
    content.clear();
    let mut numbers = HashMap::<&Labels, u32>::new();
    for buffer in buffers {
        let set_numbers: Vec<u32> = buffer
            .sets
            .iter()
            .map(|set| {
                *numbers.entry(set).or_insert_with(|| {
                    content.sets.push(set.clone());
                    content.sets.len() as u32 - 1
                })
            })
            .collect();
        content.streams.push((buffer.stream, buffer.rows.len()));
        for row in buffer.order(buffer.rows.len()) {
            let (time, text, set) = buffer.row(row);
            content.times.push(time);
            content.set_of.push(set_numbers[set]);
            content.text_lengths.push(text.len() as u32);
            content.text.extend_from_slice(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::model::{Entry, Labels, Timestamp};
    use crate::store::block::Content;
    use crate::store::head::{Buffer, EQUAL_TIMES_MAX, RUNS_MAX, fill_content, identity};
    use crate::store::layout::Day;

    fn buffer() -> Buffer {
        Buffer::new(Day::of(Timestamp::from_nanos(0)), 7, Labels::from([("app", "a")]), 1, None, Arc::default())
    }

    fn entry(time: i64, line: &str, level: &str) -> Entry<'static> {
        let metadata = Labels::from([("detected_level", level)]);
        Entry { timestamp: Timestamp::from_nanos(time), line: line.to_owned().into(), metadata }
    }

    #[test]
    fn exact_duplicates_are_added_once_wherever_they_come() {
        let mut buffer = buffer();
        let entries = [(5, "a"), (5, "b"), (9, "a"), (7, "x"), (5, "a"), (9, "b"), (7, "x"), (9, "a"), (1, "a")];
        let added: Vec<bool> = entries.iter().map(|(time, line)| buffer.add(&entry(*time, line, "info"), 1)).collect();
        assert_eq!(added, [true, true, true, true, false, true, false, false, true]);
        assert!(buffer.add(&entry(5, "a", "warn"), 1), "other metadata makes another entry");
    }

    #[test]
    fn many_entries_of_one_instant_are_told_apart() {
        let mut buffer = buffer();
        for round in 0..2 {
            for n in 0..3 * EQUAL_TIMES_MAX {
                assert_eq!(buffer.add(&entry(5, &n.to_string(), "info"), 1), round == 0);
            }
        }
        assert_eq!(buffer.row_count(), 3 * EQUAL_TIMES_MAX);
    }

    #[test]
    fn what_is_sent_again_is_known_in_however_many_runs_it_came() {
        for runs in [2, many_runs()] {
            let mut buffer = buffer();
            for round in 0..2 {
                for run in (0..runs).rev() {
                    for n in 0..5 {
                        assert_eq!(buffer.add(&entry(run * 10 + n, "x", "info"), 1), round == 0, "{run} {n}");
                    }
                }
            }
            let known = |time| buffer.has_identity(time, || identity(time, b"x", buffer.prints[0]));
            assert!(known(14) && !known(15));
        }
    }

    /// More than are told apart.
    fn many_runs() -> i64 {
        RUNS_MAX as i64 + 9
    }

    #[test]
    fn content_is_sorted_by_time_and_ties_keep_their_order() {
        let mut buffer = buffer();
        for (time, line) in [(5, "a"), (3, "b"), (5, "c"), (4, "d"), (3, "e")] {
            buffer.add(&entry(time, line, "info"), 1);
        }
        let mut content = Content::default();
        fill_content(&mut content, &[&buffer]);
        assert_eq!(content.times, [3, 3, 4, 5, 5]);
        assert_eq!(content.text, b"bedac");
    }
}
