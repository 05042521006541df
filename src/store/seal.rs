//! Sealing: closed buffers become a block, with the words and ids that it can be looked up by.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

use crate::store::block::{Codec, Content, encode};
use crate::store::day::SealedBlock;
use crate::store::filter;
use crate::store::head::{Buffer, fill_content};
use crate::store::index::BlockWords;
use crate::store::words;

/// Text bytes at which a stream's buffer becomes a block. Larger blocks gain 0.2 points of size for twice the memory.
pub(crate) const BLOCK_TEXT_BYTES: usize = 1 << 20;
/// A buffer below this shares a block with others of its day.
pub(crate) const ALONE_BYTES_MIN: usize = BLOCK_TEXT_BYTES / 4;
/// A block with more words than this is text that words tell nothing of (base64, say): it is always a candidate.
const WORDS_MAX: usize = 8000;
/// A run of letters beyond this is no word: tantivy's terms end at 64 KiB, and nobody looks for it.
const WORD_BYTES_MAX: usize = 200;

/// Makes blocks, one after another, in memory that it keeps.
#[derive(Debug)]
pub(crate) struct Sealer {
    content: Content,
    codec: Codec,
}

impl Sealer {
    pub(crate) fn new() -> Sealer {
        Sealer { content: Content::default(), codec: Codec::new() }
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
        let encoded = encode(content, &mut self.codec);
        let (words, filter) = look_ups(content);
        SealedBlock {
            bytes: encoded.bytes,
            lead_len: encoded.lead_len,
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

/// The words of a block's text, and the bytes of the filter of its ids.
fn look_ups(content: &Content) -> (BlockWords, Vec<u8>) {
    let mut words: HashSet<&[u8], BuildHasherDefault<WordHasher>> = HashSet::default();
    let (mut longest, mut lengths, mut ids) = (0, 0, Vec::new());
    let mut rest = &content.text[..];
    for length in &content.text_lengths {
        // line by line: a run must not reach from one line into the next
        let (line, after) = rest.split_at(*length as usize);
        rest = after;
        words::each(
            line,
            |word| {
                longest = longest.max(word.len());
                if words.len() <= WORDS_MAX {
                    words.insert(word);
                }
            },
            |id| {
                ids.push(filter::hash(id));
                lengths |= filter::length_bit(id.len());
            },
        );
    }
    let mut filter = Vec::new();
    filter::encode(&mut filter, &mut ids, lengths);
    if words.len() > WORDS_MAX || longest > WORD_BYTES_MAX {
        return (BlockWords::Opaque, filter);
    }
    let mut words: Vec<Box<[u8]>> = words.into_iter().map(Box::from).collect();
    words.sort_unstable();
    (BlockWords::Known(words), filter)
}

/// A quick hash for short words: the set compares the bytes anyway.
#[derive(Default)]
struct WordHasher(u64);

impl Hasher for WordHasher {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut padded = [0; 8];
            padded[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(padded));
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0.rotate_left(5) ^ number).wrapping_mul(0x517c_c1b7_2722_0a95);
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }

    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }
}
