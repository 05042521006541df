//! A quick hash of short texts, for tables in memory. Never on disk: a block's ids have a hash of their own (`filter`).

use std::hash::Hasher;

const KEY: u64 = 0x2d35_8dcc_aa6c_78a5;
const OTHER_KEY: u64 = 0x8bb8_4b93_962e_acc9;

/// A quick hash of short texts; whoever uses it compares the bytes too.
#[inline]
pub(crate) fn hash(seed: u64, text: &[u8]) -> u64 {
    let mut state = seed ^ (text.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut rest = text;
    while let Some((head, behind)) = rest.split_first_chunk::<16>()
        && !behind.is_empty()
    {
        let [low, high] = halves(head);
        state = mix(state ^ low, high);
        rest = behind;
    }
    // what is left may overlap what was hashed already: its length tells how
    let (low, high) = match (rest.first_chunk::<8>(), rest.last_chunk::<8>()) {
        (Some(first), Some(last)) => (u64::from_le_bytes(*first), u64::from_le_bytes(*last)),
        _ => match (rest.first_chunk::<4>(), rest.last_chunk::<4>()) {
            (Some(first), Some(last)) => (u64::from(u32::from_le_bytes(*first)), u64::from(u32::from_le_bytes(*last))),
            _ => match *rest {
                [] => return mix(state, 0),
                [a] => (u64::from(a), 0),
                [a, b] => (u64::from(a) | u64::from(b) << 8, 0),
                [a, b, c, ..] => (u64::from(a) | u64::from(b) << 8 | u64::from(c) << 16, 0),
            },
        },
    };
    mix(state ^ low, high)
}

#[inline]
fn halves(bytes: &[u8; 16]) -> [u64; 2] {
    let both = u128::from_le_bytes(*bytes);
    [both as u64, (both >> 64) as u64]
}

#[inline]
fn mix(state: u64, word: u64) -> u64 {
    let product = u128::from(state ^ KEY) * u128::from(word ^ OTHER_KEY);
    product as u64 ^ (product >> 64) as u64
}

/// Hashes words, and takes numbers for hashes already.
#[derive(Debug, Default)]
pub(crate) struct QuickHasher(u64);

impl Hasher for QuickHasher {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        self.0 = hash(self.0, bytes);
    }

    #[inline]
    fn write_u8(&mut self, number: u8) {
        self.0 = mix(self.0, u64::from(number));
    }

    #[inline]
    fn write_u64(&mut self, number: u64) {
        self.0 ^= number;
    }

    #[inline]
    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
}
