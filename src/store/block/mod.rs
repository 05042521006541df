//! Sealed blocks: entries of one stream, or of several small ones, as bytes that are written once.
//!
//! Promises: decoding gives back exactly what was encoded; damaged bytes give an error, never a panic.
//! Never: files. This is the one place that knows how a block's bytes lie; further encodings get a mode of their own.
//!
//! ```text
//! header, 60 bytes, little endian
//!   0  magic "LCBK"      4  version 1     5  mode: 0 plain, 1 columns, 2 lines     6  (two bytes, zero)
//!   8  entries          12  streams      16  bytes of text
//!  20  lengths of the sections: streams, times, sets, set of each entry, text lengths, text
//!  44  crc32 of the text section         48  earliest time    56  crc32 of bytes 0..56 and of all sections before the text
//! streams        per stream: number u64, varint count of entries; entries are sorted by (stream, time)
//! times          see `times`
//! sets           packed: varint count; per set of metadata: varint pairs; per pair: name, value (varint length, text)
//! set of each    numbers in planes (`pack`), absent where there is one set
//! text lengths   numbers in planes
//! text           plain: all texts one after another, packed; columns: see there; lines: the same as plain with a newline
//!                behind each text, none of which has one in it: there are no text lengths then, and the text belongs to
//!                the sections that are read together
//! ```

pub(crate) mod bytes;
mod columns;
pub(crate) mod extent;
mod pack;
mod planes;
mod times;
mod write;

use std::ops::Range;

use memchr::memmem::Finder;

use bytes::{Malformed, Reader};
pub(crate) use columns::ApartPlace;
pub(crate) use columns::{ColumnWriter, Fit, Marks, NeedleMarks, Part};
use columns::{Columns, Excerpted, Sink};
pub(crate) use pack::Codec;
pub(crate) use planes::Numbers;
use planes::Plane;
use times::Times;

pub(crate) use write::{encode, encode_lead};

use crate::model::Labels;
use crate::model::form::Excerpts;
use crate::store::needle::{TextTest, TextTests};

const MAGIC: &[u8; 4] = b"LCBK";
const VERSION: u8 = 1;
/// The text section holds all lines one after another, packed.
const MODE_PLAIN: u8 = 0;
/// The text section holds templates and columns.
const MODE_COLUMNS: u8 = 1;
/// The text section holds all texts with a newline behind each, packed; there are no text lengths.
const MODE_LINES: u8 = 2;
const HEADER_BYTES: usize = 60;
const SECTION_COUNT: usize = 6;
const LENGTHS: usize = 4;
const TEXT: usize = 5;

/// What goes into a block. Entries are sorted by stream and, within one, by time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Content {
    /// Each stream's number and how many entries are its.
    pub(crate) streams: Vec<(u64, usize)>,
    pub(crate) times: Vec<i64>,
    pub(crate) sets: Vec<Labels>,
    /// Index into `sets`, for each entry.
    pub(crate) set_of: Vec<u32>,
    pub(crate) text_lengths: Vec<u32>,
    pub(crate) text: Vec<u8>,
}

impl Content {
    /// Empties it, and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.streams.clear();
        self.times.clear();
        self.sets.clear();
        self.set_of.clear();
        self.text_lengths.clear();
        self.text.clear();
    }
}

fn lead_crc(lead: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&lead[..HEADER_BYTES - 4]);
    hasher.update(&lead[HEADER_BYTES..]);
    hasher.finalize()
}

/// The part of a block before its text, decoded: enough to answer who, when, and with which metadata.
#[derive(Debug)]
pub(crate) struct Lead {
    /// Each stream's number and which entries are its.
    pub(crate) streams: Vec<(u64, Range<usize>)>,
    pub(crate) times: Times,
    pub(crate) sets: Vec<Labels>,
    set_of: SetOf,
    /// Where the lengths lie, undecoded until they are needed; or the lines, whose newlines tell.
    lengths_section: Vec<u8>,
    mode: u8,
    text_bytes: usize,
    text_section_len: usize,
    text_crc: u32,
}

/// Which set of metadata each entry has.
#[derive(Debug)]
enum SetOf {
    /// There is one, or they are as good as one.
    One,
    Few(Vec<u8>),
    Many(Vec<u32>),
}

impl SetOf {
    fn decode(section: &[u8], entry_count: usize, set_count: usize, codec: &mut Codec) -> Result<SetOf, Malformed> {
        if set_count == 1 {
            return Ok(SetOf::One);
        }
        let mut numbers = Numbers::take(&mut Reader::new(section), entry_count, 4, codec)?;
        let set_of = match (numbers.planes.len(), numbers.planes.pop()) {
            (1, Some(Plane::Bytes(bytes))) => SetOf::Few(bytes.into_owned()),
            (_, last) => {
                numbers.planes.extend(last);
                SetOf::Many(numbers.all())
            }
        };
        let greatest = match &set_of {
            SetOf::One => Some(0),
            SetOf::Few(numbers) => numbers.iter().copied().reduce(u8::max).map(usize::from),
            SetOf::Many(numbers) => numbers.iter().copied().reduce(u32::max).map(|set| set as usize),
        };
        match greatest {
            Some(greatest) if greatest >= set_count => {
                Err(Malformed("an entry names a metadata set that is not there"))
            }
            _ => Ok(set_of),
        }
    }
}

impl Lead {
    /// Decodes the first `lead_len` bytes of a block. Where `names` are given, sets of metadata that differ in no label of
    /// these names may be taken for one another.
    pub(crate) fn decode(lead: &[u8], names: Option<&[String]>, codec: &mut Codec) -> Result<Lead, Malformed> {
        let mut header = Reader::new(lead.get(..HEADER_BYTES).ok_or(Malformed("the header is cut"))?);
        if header.take(4)? != MAGIC {
            return Err(Malformed("no block begins here"));
        }
        let (version, mode) = (header.byte()?, header.byte()?);
        if version != VERSION || !matches!(mode, MODE_PLAIN | MODE_COLUMNS | MODE_LINES) {
            return Err(Malformed("the block has an unknown version or mode"));
        }
        header.take(2)?;
        let (entry_count, stream_count, text_bytes) =
            (header.u32()? as usize, header.u32()? as usize, header.u32()? as usize);
        let mut lengths = [0; SECTION_COUNT];
        for length in &mut lengths {
            *length = header.u32()? as usize;
        }
        let text_crc = header.u32()?;
        header.u64()?;
        if header.u32()? != lead_crc(lead) {
            return Err(Malformed("the checksum of the block's head does not agree"));
        }
        let mut sections = Reader::new(&lead[HEADER_BYTES..]);
        let streams = decode_streams(sections.take(lengths[0])?, stream_count, entry_count)?;
        let times = Times::open(sections.take(lengths[1])?, streams.iter().map(|(_, range)| range.len()))?;
        let sets = decode_sets(sections.take(lengths[2])?, codec)?;
        let set_section = sections.take(lengths[3])?;
        let are_alike = names.is_some_and(|names| {
            !sets.is_empty()
                && names.iter().all(|name| sets.windows(2).all(|pair| pair[0].get(name) == pair[1].get(name)))
        });
        let set_of = match are_alike {
            true => SetOf::One,
            false => SetOf::decode(set_section, entry_count, sets.len(), codec)?,
        };
        let last = if mode == MODE_LINES { TEXT } else { LENGTHS };
        let lengths_section = sections.take(lengths[last])?.to_vec();
        Ok(Lead {
            streams,
            times,
            sets,
            set_of,
            lengths_section,
            mode,
            text_bytes,
            text_section_len: lengths[TEXT],
            text_crc,
        })
    }

    /// Which of `sets` an entry has.
    pub(crate) fn set_of(&self, entry: usize) -> usize {
        match &self.set_of {
            SetOf::One => 0,
            SetOf::Few(numbers) => usize::from(numbers[entry]),
            SetOf::Many(numbers) => numbers[entry] as usize,
        }
    }

    /// Whether no entry's metadata is told from another's.
    pub(crate) fn has_one_set(&self) -> bool {
        matches!(self.set_of, SetOf::One)
    }

    /// The same for these entries together, where the numbers are bytes.
    pub(crate) fn few_sets_of(&self, entries: Range<usize>) -> Option<&[u8]> {
        match &self.set_of {
            SetOf::Few(numbers) => Some(&numbers[entries]),
            SetOf::One | SetOf::Many(_) => None,
        }
    }

    /// The bytes of text of each entry.
    pub(crate) fn text_lengths(&self, codec: &mut Codec) -> Result<Vec<u32>, Malformed> {
        if self.mode == MODE_LINES {
            let mut start = 0;
            let lengths = self.lines(codec)?.ends.into_iter().map(|end| end - std::mem::replace(&mut start, end));
            return Ok(lengths.collect());
        }
        codec.take_numbers(&mut Reader::new(&self.lengths_section), self.times.len())
    }

    /// The same as they are stored, where entries need not be told apart by their metadata and lengths are stored.
    pub(crate) fn stored_lengths(&self, codec: &mut Codec) -> Result<Option<Numbers<'static>>, Malformed> {
        if self.mode == MODE_LINES || !self.has_one_set() {
            return Ok(None);
        }
        let mut section = Reader::new(&self.lengths_section);
        Ok(Some(Numbers::take(&mut section, self.times.len(), 4, codec)?.into_owned()))
    }

    /// The texts, where a newline ends each.
    fn lines(&self, codec: &mut Codec) -> Result<Lines, Malformed> {
        let count = self.times.len();
        let mut bytes = codec.take(&mut Reader::new(&self.lengths_section), self.text_bytes + count)?;
        let (mut ends, mut start, mut end) = (Vec::with_capacity(count), 0, 0);
        while let Some(length) = memchr::memchr(b'\n', &bytes[start..]) {
            bytes.copy_within(start..start + length, end);
            (start, end) = (start + length + 1, end + length);
            ends.push(end as u32);
        }
        if start < bytes.len() || ends.len() != count {
            return Err(Malformed("the lines are not as many as the entries"));
        }
        bytes.truncate(end);
        Ok(Lines { bytes, ends })
    }

    /// Where each entry's text ends.
    fn text_ends(&self, codec: &mut Codec) -> Result<Vec<u32>, Malformed> {
        let mut ends = self.text_lengths(codec)?;
        let mut end = 0u32;
        for length in &mut ends {
            end = end.checked_add(*length).ok_or(Malformed("the text lengths add up to too much"))?;
            *length = end;
        }
        if end as usize == self.text_bytes { Ok(ends) } else { Err(Malformed("the text lengths do not add up")) }
    }

    /// Checks the bytes that follow the lead, and prepares them to be searched and read.
    pub(crate) fn text<'b>(&self, section: &'b [u8], codec: &mut Codec) -> Result<Text<'b>, Malformed> {
        if self.mode == MODE_LINES {
            return Ok(Text::Plain(self.lines(codec)?));
        }
        if section.len() != self.text_section_len || crc32fast::hash(section) != self.text_crc {
            return Err(Malformed("the checksum of the block's text does not agree"));
        }
        if self.mode == MODE_COLUMNS {
            return Ok(Text::Columns(Columns::open(section, self.times.len(), self.text_bytes, codec)?));
        }
        let bytes = codec.take(&mut Reader::new(section), self.text_bytes)?;
        Ok(Text::Plain(Lines { bytes, ends: self.text_ends(codec)? }))
    }
}

/// The texts of a block, ready to be searched.
#[derive(Debug)]
pub(crate) enum Text<'b> {
    Plain(Lines),
    Columns(Columns<'b>),
}

/// Texts that lie one after another.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    pub(crate) bytes: Vec<u8>,
    /// Where each ends.
    pub(crate) ends: Vec<u32>,
}

impl Lines {
    pub(crate) fn get(&self, place: usize) -> &[u8] {
        &self.bytes[self.start(place)..self.ends[place] as usize]
    }

    fn start(&self, place: usize) -> usize {
        if place == 0 { 0 } else { self.ends[place - 1] as usize }
    }

    /// Those of a range whose text has the needle.
    fn find(&self, entries: Range<usize>, finder: &Finder<'_>, found: &mut Vec<usize>) {
        let (start, ends) = (self.start(entries.start), &self.ends[entries.clone()]);
        let texts = &self.bytes[start..self.start(entries.end)];
        each_with_needle(
            texts,
            finder,
            |byte| ends.partition_point(|end| *end as usize <= start + byte),
            |place| ends[place] as usize - start,
            |place| found.push(entries.start + place),
        );
    }
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

impl Text<'_> {
    /// The entries of these ranges, in order, whose text passes all tests.
    pub(crate) fn find(
        &self,
        lead: &Lead,
        ranges: &[Range<usize>],
        tests: &TextTests,
        codec: &mut Codec,
    ) -> Result<Vec<usize>, Malformed> {
        let columns = match self {
            Text::Plain(lines) => {
                let mut found: Vec<usize> = Vec::new();
                match tests.first_needle() {
                    Some(needle) => {
                        ranges.iter().for_each(|range| lines.find(range.clone(), needle.finder(), &mut found));
                    }
                    None => found.extend(ranges.iter().cloned().flatten()),
                }
                found.retain(|entry| tests.pass(lines.get(*entry)));
                return Ok(found);
            }
            Text::Columns(columns) => columns,
        };
        let mut found: Option<Vec<usize>> = None;
        for test in tests.iter() {
            found = Some(match found {
                None => among(columns, test, ranges.iter().cloned(), lead, codec)?,
                Some(found) if found.is_empty() => return Ok(found),
                Some(found) => among(columns, test, found.iter().map(|entry| *entry..*entry + 1), lead, codec)?,
            });
        }
        Ok(found.unwrap_or_else(|| ranges.iter().cloned().flatten().collect()))
    }

    /// What a reader needs of these entries, which are in order; all of them where `None`. `None` where it needs them whole.
    pub(crate) fn excerpts(
        &self,
        lead: &Lead,
        entries: Option<&[usize]>,
        excerpts: &dyn Excerpts,
        codec: &mut Codec,
    ) -> Result<Option<Excerpted>, Malformed> {
        let Text::Columns(columns) = self else { return Ok(None) };
        match entries {
            None => columns.excerpts(0..lead.times.len(), excerpts, &|| lead.times.all(), codec),
            Some(entries) => columns.excerpts(entries.iter().copied(), excerpts, &|| lead.times.all(), codec),
        }
    }

    /// The texts of these entries, which are in order; all of them where `None`.
    pub(crate) fn lines(self, lead: &Lead, entries: Option<&[usize]>, codec: &mut Codec) -> Result<Lines, Malformed> {
        let columns = match (self, entries) {
            (Text::Plain(lines), None) => return Ok(lines),
            (Text::Plain(lines), Some(entries)) => {
                let mut chosen = Lines::default();
                for entry in entries {
                    chosen.bytes.extend_from_slice(lines.get(*entry));
                    chosen.ends.push(chosen.bytes.len() as u32);
                }
                return Ok(chosen);
            }
            (Text::Columns(columns), _) => columns,
        };
        let Some(entries) = entries else {
            let mut bytes = Sink::with_capacity(columns.text_bytes);
            let ends = columns.render(0..lead.times.len(), &|| lead.times.all(), codec, &mut bytes)?;
            let agree = ends == lead.text_ends(codec)?;
            return if agree {
                Ok(Lines { bytes: bytes.into_bytes(), ends })
            } else {
                Err(Malformed("a text has another length"))
            };
        };
        let mut bytes = Sink::default();
        let ends = columns.render(entries.iter().copied(), &|| lead.times.all(), codec, &mut bytes)?;
        Ok(Lines { bytes: bytes.into_bytes(), ends })
    }
}

/// The entries of these ranges, in order, whose text passes a test.
fn among(
    columns: &Columns<'_>,
    test: &TextTest,
    ranges: impl Iterator<Item = Range<usize>> + Clone,
    lead: &Lead,
    codec: &mut Codec,
) -> Result<Vec<usize>, Malformed> {
    let times = || lead.times.all();
    let (mut holding, mut left): (Vec<usize>, Option<Vec<usize>>) = (Vec::new(), None);
    for (index, needle) in test.any.iter().enumerate() {
        let found = match &left {
            None => columns.find(needle, ranges.clone(), &times, codec)?,
            Some(left) => columns.find(needle, left.iter().map(|entry| *entry..*entry + 1), &times, codec)?,
        };
        if test.negated || index + 1 < test.any.len() {
            // what holds one need not be looked at for the others
            left = Some(match left {
                None => without(ranges.clone().flatten(), &found),
                Some(left) => without(left.into_iter(), &found),
            });
        }
        holding.extend(found);
    }
    if test.negated {
        return Ok(left.unwrap_or_else(|| ranges.flatten().collect()));
    }
    if test.any.len() > 1 {
        holding.sort_unstable();
    }
    Ok(holding)
}

/// Entries without some of them; both are in order.
fn without(entries: impl Iterator<Item = usize>, some: &[usize]) -> Vec<usize> {
    let mut some = some.iter().peekable();
    let stays = |entry: &usize| some.next_if_eq(&entry).is_none();
    entries.filter(stays).collect()
}

fn decode_streams(
    bytes: &[u8],
    stream_count: usize,
    entry_count: usize,
) -> Result<Vec<(u64, Range<usize>)>, Malformed> {
    let mut reader = Reader::new(bytes);
    let mut streams = Vec::new();
    let mut start = 0;
    for _ in 0..stream_count {
        let number = reader.u64()?;
        let count = reader.count(entry_count - start)?;
        streams.push((number, start..start + count));
        start += count;
    }
    if start == entry_count { Ok(streams) } else { Err(Malformed("the streams do not add up to all entries")) }
}

fn decode_sets(section: &[u8], codec: &mut Codec) -> Result<Vec<Labels>, Malformed> {
    /// Far above what a block can hold; bounds what a damaged length may allocate.
    const SETS_BYTES_MAX: usize = 1 << 30;
    let mut reader = Reader::new(section);
    let length = reader.count(SETS_BYTES_MAX)?;
    let bytes = codec.take(&mut reader, length)?;
    let mut reader = Reader::new(&bytes);
    let mut sets = Vec::new();
    for _ in 0..reader.count(bytes.len())? {
        let mut pairs = Vec::new();
        for _ in 0..reader.count(bytes.len())? {
            pairs.push((reader.text()?.to_owned(), reader.text()?.to_owned()));
        }
        sets.push(Labels::from_pairs(pairs));
    }
    Ok(sets)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::model::Labels;
    use crate::store::block::write::Encoded;
    use crate::store::block::{Codec, Content, Lead, encode};

    fn content(entries: &[(u64, i64, &str, u32)]) -> Content {
        let sets = vec![Labels::default(), Labels::from([("detected_level", "info")])];
        let mut content = Content { sets, ..Content::default() };
        for (stream, time, text, set) in entries {
            match content.streams.last_mut() {
                Some((number, count)) if number == stream => *count += 1,
                _ => content.streams.push((*stream, 1)),
            }
            content.times.push(*time);
            content.set_of.push(*set);
            content.text_lengths.push(text.len() as u32);
            content.text.extend_from_slice(text.as_bytes());
        }
        content
    }

    fn check(content: &Content) -> Encoded {
        let mut codec = Codec::new();
        let encoded = encode(content, &mut codec, None, false);
        let (lead_bytes, text_section) = encoded.bytes.split_at(encoded.lead_len);
        let lead = Lead::decode(lead_bytes, None, &mut codec).expect("the lead decodes");
        let counts: Vec<_> = lead.streams.iter().map(|(number, range)| (*number, range.len())).collect();
        assert_eq!(counts, content.streams);
        assert_eq!(lead.times.all(), content.times);
        let sets: Vec<_> = (0..content.times.len()).map(|entry| &lead.sets[lead.set_of(entry)]).collect();
        assert_eq!(sets, content.set_of.iter().map(|set| &content.sets[*set as usize]).collect::<Vec<_>>());
        assert_eq!(lead.text_lengths(&mut codec).expect("the lengths decode"), content.text_lengths);
        let text = lead.text(text_section, &mut codec).expect("the text decodes");
        assert_eq!(text.lines(&lead, None, &mut codec).expect("the text decodes").bytes, content.text);
        encoded
    }

    #[test]
    fn blocks_of_one_and_of_many_streams_come_back() {
        check(&content(&[(1, 5, "hello", 0)]));
        check(&content(&[(1, 5, "", 0), (1, 5, "a\nb", 1), (7, -3, "다시", 1), (7, 9, "", 0)]));
    }

    #[test]
    fn a_flipped_bit_anywhere_is_an_error() {
        let encoded = check(&content(&[(1, 5, "hello hello hello hello", 0), (1, 6, "hello hello", 1)]));
        let mut codec = Codec::new();
        for bit in 0..encoded.bytes.len() * 8 {
            let mut bytes = encoded.bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let (lead, text) = bytes.split_at(encoded.lead_len);
            let read = Lead::decode(lead, None, &mut codec).and_then(|lead| lead.text(text, &mut codec).map(|_| ()));
            assert!(read.is_err(), "bit {bit} went unnoticed");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_decode_to_an_error_and_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut with_magic = b"LCBK\x01\x00".to_vec();
            with_magic.extend_from_slice(&bytes);
            prop_assert!(Lead::decode(&bytes, None, &mut Codec::new()).is_err());
            prop_assert!(Lead::decode(&with_magic, None, &mut Codec::new()).is_err());
        }
    }
}
