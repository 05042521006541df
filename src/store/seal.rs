//! Sealing: closed buffers become a block, with the words and ids that it can be looked up by.

use std::collections::HashMap;

use crate::store::block::{Codec, ColumnWriter, Content, Marks, Part, encode};
use crate::store::day::SealedBlock;
use crate::store::fault;
use crate::store::filter::Ids;
use crate::store::head::{Buffer, fill_content};
use crate::store::index::BlockWords;
use crate::store::word_set::WordSet;
use crate::store::words;

/// Text bytes at which a stream's buffer becomes a block. Larger blocks gain 0.2 points of size for twice the memory.
pub(crate) const BLOCK_TEXT_BYTES: usize = 1 << 20;
/// Text that is sealed at once and packed as small as it gets: about a second's work. More than that comes from busy streams,
/// whose blocks are larger and gain less.
pub(crate) const CALM_BYTES_MAX: usize = 8 << 20;
/// A buffer below this shares a block with others of its day.
pub(crate) const ALONE_BYTES_MIN: usize = BLOCK_TEXT_BYTES / 4;
/// A block with more words than this is text that words tell nothing of (base64, say): it is always a candidate.
const WORDS_MAX: usize = 8000;
/// Text that has more ids than one in so many bytes, and a few, is no log (base64, say): its ids are not worth a filter.
const BYTES_PER_ID_MIN: usize = 40;
const IDS_SURE: usize = 200;
/// The part of a plain text that is looked at first: of junk it tells enough.
const JUNK_LOOK_BYTES: usize = 64 << 10;
/// The same of different words.
const BYTES_PER_WORD_MIN: usize = 40;
const WORDS_SURE: usize = 600;
const BYTES_PER_WORD_BYTE_MIN: usize = 64;
const WORD_BYTES_SURE: usize = 4 << 10;
/// Blocks of a stream that are not tried again after one had no templates.
const DECLINED_BLOCKS: u32 = 16;
/// Streams that this is remembered of.
const DECLINED_MAX: usize = 10_000;
/// A run of letters beyond this is no word: tantivy's terms end at 64 KiB, and nobody looks for it.
const WORD_BYTES_MAX: usize = 200;

/// Streams whose text had no templates when it was last looked: looking costs, and they seldom change.
#[derive(Debug, Default)]
struct Declined(HashMap<u64, u32>);

impl Declined {
    /// Whether a block of a stream is to be tried.
    fn is_due(&mut self, stream: u64) -> bool {
        let Some(left) = self.0.get_mut(&stream) else { return true };
        *left -= 1;
        if *left == 0 {
            self.0.remove(&stream);
        }
        false
    }

    fn note(&mut self, stream: u64) {
        if self.0.len() >= DECLINED_MAX {
            self.0.clear();
        }
        self.0.insert(stream, DECLINED_BLOCKS);
    }
}

/// Makes blocks, one after another, in memory that it keeps.
#[derive(Debug)]
pub(crate) struct Sealer {
    content: Content,
    codec: Codec,
    columns: ColumnWriter,
    declined: Declined,
    /// There is time to make small blocks.
    pub(crate) has_time: bool,
}

impl Sealer {
    pub(crate) fn new() -> Sealer {
        Sealer {
            content: Content::default(),
            codec: Codec::new(),
            columns: ColumnWriter::default(),
            declined: Declined::default(),
            has_time: false,
        }
    }

    /// One that does not look for templates in the next blocks of a stream.
    pub(crate) fn without_columns(stream: u64) -> Sealer {
        let mut sealer = Sealer::new();
        sealer.declined.note(stream);
        sealer
    }

    /// Makes a block of closed buffers, each of another stream of the same day and none empty.
    pub(crate) fn seal(&mut self, buffers: &[&Buffer]) -> SealedBlock {
        fill_content(&mut self.content, buffers);
        self.seal_content()
    }

    /// Makes a block of entries that were in a block before; there is at least one.
    pub(crate) fn seal_again(&mut self, fill: impl FnOnce(&mut Content)) -> SealedBlock {
        self.content.clear();
        fill(&mut self.content);
        self.seal_content()
    }

    fn seal_content(&mut self) -> SealedBlock {
        let content = &self.content;
        let stream = content.streams.first().map_or(0, |(number, _)| *number);
        let columns = if self.declined.is_due(stream) { Some(&mut self.columns) } else { None };
        let tried = columns.is_some();
        if tried {
            // only a panic can be asked for here: nothing is read or written
            fault::at("seal.columns").ok();
        }
        let encoded = encode(content, &mut self.codec, columns, self.has_time);
        if tried && !encoded.has_columns {
            self.declined.note(stream);
        }
        let look_ups = match encoded.has_columns {
            true => LookUps::of_columns(&self.columns),
            false => LookUps::of_lines(content, self.columns.marks()),
        };
        let (words, filter) = look_ups.finish();
        SealedBlock {
            bytes: encoded.bytes,
            lead_len: encoded.lead_len,
            has_columns: encoded.has_columns,
            filter,
            streams: content.streams.iter().map(|(number, _)| *number).collect(),
            words,
            min: content.times.iter().min().copied().unwrap_or(0),
            max: content.times.iter().max().copied().unwrap_or(0),
            entry_count: content.times.len(),
            text_bytes: content.text.len(),
        }
    }
}

/// Whether so much of a plain text has more different words than logs have.
fn are_too_many(words: &WordSet<'_>, bytes: usize) -> bool {
    words.len() > WORDS_MAX.min(WORDS_SURE + bytes / BYTES_PER_WORD_MIN)
        || words.bytes() > WORD_BYTES_SURE + bytes / BYTES_PER_WORD_BYTE_MIN
}

/// What a block can be looked up by, as it is gathered.
#[derive(Debug, Default)]
pub(crate) struct LookUps<'t> {
    words: WordSet<'t>,
    longest: usize,
    /// There are more words than are worth to be known.
    is_opaque: bool,
    ids: Ids,
}

impl<'t> LookUps<'t> {
    fn word(&mut self, word: &'t [u8]) {
        self.longest = self.longest.max(word.len());
        if self.words.len() <= WORDS_MAX {
            self.words.insert(word);
        }
    }

    /// Those of texts, one by one: a run must not reach from one line into the next.
    pub(crate) fn of_lines(content: &'t Content, marks: &mut Marks) -> LookUps<'t> {
        let (mut lines, mut bytes) = (0, 0);
        while bytes < JUNK_LOOK_BYTES && lines < content.text_lengths.len() {
            bytes += content.text_lengths[lines] as usize;
            lines += 1;
        }
        let look_ups = LookUps::of_some_lines(&content.text[..bytes], &content.text_lengths[..lines], marks);
        if look_ups.is_opaque && look_ups.ids.is_open() {
            return look_ups;
        }
        LookUps::of_some_lines(&content.text, &content.text_lengths, marks)
    }

    fn of_some_lines(text: &'t [u8], lengths: &[u32], marks: &mut Marks) -> LookUps<'t> {
        let mut look_ups = LookUps::default();
        let is_ascii = text.is_ascii();
        if is_ascii {
            marks.mark(text);
            words::each_letters(text, lengths, marks, |start, end| {
                look_ups.longest = look_ups.longest.max(end - start);
                look_ups.words.insert_from(text, start, end);
                look_ups.is_opaque |= are_too_many(&look_ups.words, start);
                !look_ups.is_opaque
            });
        } else {
            let mut start = 0;
            for length in lengths {
                let end = start + *length as usize;
                words::each(&text[start..end], |word| look_ups.word(word), |_| {});
                look_ups.is_opaque |= are_too_many(&look_ups.words, start);
                if look_ups.is_opaque {
                    break;
                }
                start = end;
            }
        }
        let mut start = 0;
        for length in lengths {
            let end = start + *length as usize;
            if is_ascii {
                words::each_id(text, (start, end), marks, |id| look_ups.ids.add(id));
            } else {
                words::each_rare_id(&text[start..end], |id| look_ups.ids.add(id));
            }
            if look_ups.ids.len() > IDS_SURE + end / BYTES_PER_ID_MIN {
                look_ups.ids.open();
                break;
            }
            start = end;
        }
        look_ups
    }

    fn line(&mut self, line: &'t [u8]) {
        let mut ids = std::mem::take(&mut self.ids);
        words::each(line, |word| self.word(word), |id| ids.add(id));
        self.ids = ids;
    }

    /// Those of templates and columns, which are far fewer texts.
    pub(crate) fn of_columns(columns: &'t ColumnWriter) -> LookUps<'t> {
        let mut look_ups = LookUps::default();
        columns.look_ups(|part| match part {
            Part::Text(text) => look_ups.line(text),
            Part::Words(text) => words::each(text, |word| look_ups.word(word), |_| {}),
            Part::Id(id) => look_ups.ids.add(id),
            Part::Uuid(uuid) => look_ups.ids.add_uuid(uuid),
            Part::Numbers(digits) => look_ups.ids.pass_numbers(digits),
        });
        look_ups
    }

    /// The words for the index, and the bytes of the filter.
    pub(crate) fn finish(self) -> (BlockWords, Vec<u8>) {
        let mut filter = Vec::new();
        self.ids.encode(&mut filter);
        if self.is_opaque || self.words.len() > WORDS_MAX || self.longest > WORD_BYTES_MAX {
            return (BlockWords::Opaque, filter);
        }
        let mut words = self.words.into_sorted();
        words.retain(|word| !words::is_hex(word));
        (BlockWords::Known(words), filter)
    }
}
