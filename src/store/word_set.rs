//! The different words of a block, while they are gathered: most come again and again, and most are short.

use std::collections::HashSet;
use std::hash::BuildHasherDefault;

use crate::store::hash::QuickHasher;

/// Bytes of a word that fits a number.
const SHORT_BYTES_MAX: usize = 8;
/// Places for short words; a power of two.
const PLACES_BITS: u32 = 15;
/// Short words beyond these go where the long ones are: the places shall stay sparse.
const PLACED_MAX: usize = 1 << (PLACES_BITS - 1);

/// Words, each once.
#[derive(Debug)]
pub(crate) struct WordSet<'t> {
    /// Short words as numbers, at the place that a product tells or behind it; 0 where there is none.
    places: Vec<u64>,
    placed: usize,
    /// Of all words together.
    bytes: usize,
    others: HashSet<&'t [u8], BuildHasherDefault<QuickHasher>>,
}

impl Default for WordSet<'_> {
    fn default() -> Self {
        WordSet { places: vec![0; 1 << PLACES_BITS], placed: 0, bytes: 0, others: HashSet::default() }
    }
}

impl<'t> WordSet<'t> {
    /// Adds a word, which has no zero byte.
    #[inline]
    pub(crate) fn insert(&mut self, word: &'t [u8]) {
        match number_of(word) {
            Some(number) if self.placed < PLACED_MAX => self.place(number),
            _ => self.bytes += if self.others.insert(word) { word.len() } else { 0 },
        }
    }

    /// Adds the word `start..end` of a text; the same as `insert`, and faster.
    #[inline]
    pub(crate) fn insert_from(&mut self, text: &'t [u8], start: usize, end: usize) {
        let length = end - start;
        match text[start..].first_chunk::<8>() {
            Some(bytes) if length <= SHORT_BYTES_MAX && self.placed < PLACED_MAX => {
                self.place(u64::from_le_bytes(*bytes) & u64::MAX >> (64 - 8 * length));
            }
            _ => self.insert(&text[start..end]),
        }
    }

    #[inline]
    fn place(&mut self, number: u64) {
        let mut place = (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - PLACES_BITS)) as usize;
        loop {
            let known = &mut self.places[place % (1 << PLACES_BITS)];
            if *known == number {
                return;
            }
            if *known == 0 {
                *known = number;
                self.placed += 1;
                self.bytes += bytes_of(number);
                return;
            }
            place += 1;
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.placed + self.others.len()
    }

    /// Bytes of all words together.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// All words, sorted.
    pub(crate) fn into_sorted(self) -> Vec<Box<[u8]>> {
        let of_number = |number: &u64| {
            let bytes = number.to_le_bytes();
            Box::from(&bytes[..bytes_of(*number)])
        };
        let placed = self.places.iter().filter(|number| **number != 0).map(of_number);
        let mut words: Vec<Box<[u8]>> = placed.chain(self.others.into_iter().map(Box::from)).collect();
        words.sort_unstable();
        words.dedup();
        words
    }
}

/// The length of a word that is a number.
#[inline]
fn bytes_of(number: u64) -> usize {
    SHORT_BYTES_MAX - number.leading_zeros() as usize / 8
}

/// A short word as a number, its first byte the lowest.
#[inline]
fn number_of(word: &[u8]) -> Option<u64> {
    let length = word.len();
    if length > SHORT_BYTES_MAX {
        return None;
    }
    if let (Some(first), Some(last)) = (word.first_chunk::<4>(), word.last_chunk::<4>()) {
        let (first, last) = (u64::from(u32::from_le_bytes(*first)), u64::from(u32::from_le_bytes(*last)));
        // where the two overlap they are the same
        return Some(first | last << (8 * (length - 4)));
    }
    Some(word.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use crate::store::word_set::{PLACED_MAX, WordSet};

    proptest! {
        #[test]
        fn every_word_is_there_once(words in proptest::collection::vec("[a-e]{1,10}|가{1,3}", 0..300)) {
            let mut set = WordSet::default();
            let text = words.concat();
            let mut start = 0;
            for (place, word) in words.iter().enumerate() {
                match place % 2 {
                    0 => set.insert(word.as_bytes()),
                    _ => set.insert_from(text.as_bytes(), start, start + word.len()),
                }
                start += word.len();
            }
            let wanted: BTreeSet<Box<[u8]>> = words.iter().map(|word| Box::from(word.as_bytes())).collect();
            prop_assert_eq!(set.into_sorted(), wanted.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn more_short_words_than_places_are_all_kept() {
        let words: Vec<String> = (0..2 * PLACED_MAX).map(|number| format!("{number:x}")).collect();
        let mut set = WordSet::default();
        words.iter().chain(&words).for_each(|word| set.insert(word.as_bytes()));
        assert_eq!(set.into_sorted().len(), words.len());
    }
}
