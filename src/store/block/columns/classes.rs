//! Which bytes of a text are digits, letters or signs that announce a value: as bit sets, eight bytes at a step.

/// A byte's class, as a bit of a column's mask.
pub(crate) const DIGIT: u8 = 1;
/// `a` to `f`, and `A` to `F`: may be digits of a hexadecimal number.
pub(crate) const HEX_LOWER: u8 = 2;
pub(crate) const HEX_UPPER: u8 = 4;
/// The other ASCII letters.
pub(crate) const LETTER: u8 = 8;
pub(crate) const OTHER: u8 = 16;

/// The class of each byte.
pub(crate) static CLASS: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut classes = [OTHER; 256];
    let mut byte = 0;
    while byte < 128 {
        classes[byte] = match byte as u8 {
            b'0'..=b'9' => DIGIT,
            b'a'..=b'f' => HEX_LOWER,
            b'A'..=b'F' => HEX_UPPER,
            b'g'..=b'z' | b'G'..=b'Z' => LETTER,
            _ => OTHER,
        };
        byte += 1;
    }
    classes
}

/// The classes of all bytes of a text together.
pub(crate) fn mask_of(text: &[u8]) -> u8 {
    text.iter().fold(0, |mask, byte| mask | CLASS[*byte as usize])
}

pub(crate) fn is_alphanumeric(byte: u8) -> bool {
    CLASS[byte as usize] != OTHER
}

/// Bit sets over the bytes of a text.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    /// ASCII letters and digits.
    pub(crate) alphanumeric: BitSet,
    pub(crate) digits: BitSet,
    /// Where a variable may begin: digits, `=`, and `"` behind `=` or `:`.
    pub(crate) events: BitSet,
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

impl Marks {
    /// Marks a text in place of the one before.
    pub(crate) fn mark(&mut self, text: &[u8]) {
        let sets = [&mut self.alphanumeric, &mut self.digits, &mut self.events];
        for set in sets {
            set.0.clear();
            set.0.reserve(text.len().div_ceil(64) + 1);
        }
        let mut before = 0;
        let mut blocks = text.chunks_exact(64);
        for block in &mut blocks {
            self.mark_block(block, &mut before);
        }
        // zeros behind the end are of no class, and end every run
        let mut last = [0; 64];
        last[..blocks.remainder().len()].copy_from_slice(blocks.remainder());
        self.mark_block(&last, &mut before);
    }

    /// Marks 64 bytes; `before` tells in its lowest bit whether the byte before them was `=` or `:`.
    fn mark_block(&mut self, block: &[u8], before: &mut u64) {
        let (mut alphanumeric, mut digits, mut quotes, mut equals, mut colons) = (0, 0, 0, 0, 0);
        for (index, bytes) in block.chunks_exact(8).enumerate() {
            let word = u64::from_le_bytes(bytes.try_into().expect("a chunk has eight bytes"));
            let at = index * 8;
            let digit = within(word, b'0', b'9');
            let letter = within(word | (ONES * 0x20), b'a', b'z') & !word;
            digits |= gather(digit) << at;
            alphanumeric |= gather(digit | (letter & HIGH)) << at;
            quotes |= gather(within(word, b'"', b'"')) << at;
            equals |= gather(within(word, b'=', b'=')) << at;
            colons |= gather(within(word, b':', b':')) << at;
        }
        let announcing = equals | colons;
        self.alphanumeric.0.push(alphanumeric);
        self.digits.0.push(digits);
        self.events.0.push(digits | equals | (quotes & (announcing << 1 | *before)));
        *before = announcing >> 63;
    }
}

/// The high bit of each byte that is ASCII and from `low` to `high`.
fn within(word: u64, low: u8, high: u8) -> u64 {
    let ascii = word & !HIGH;
    let from_low = ascii + ONES * u64::from(0x80 - low);
    let above_high = ascii + ONES * u64::from(0x7f - high);
    from_low & !above_high & !word & HIGH
}

/// The high bits of eight bytes as the eight lowest bits.
fn gather(high_bits: u64) -> u64 {
    (high_bits >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
}

/// A set of places in a text.
#[derive(Debug, Default)]
pub(crate) struct BitSet(Vec<u64>);

impl BitSet {
    pub(crate) fn has(&self, place: usize) -> bool {
        self.0[place / 64] >> (place % 64) & 1 == 1
    }

    /// The first place of the set from `from` on; `end` where there is none before it.
    pub(crate) fn next(&self, from: usize, end: usize) -> usize {
        self.first(from, end, 0)
    }

    /// The first place that is not in the set, from `from` on; `end` where there is none before it.
    pub(crate) fn next_gap(&self, from: usize, end: usize) -> usize {
        self.first(from, end, u64::MAX)
    }

    fn first(&self, from: usize, end: usize, flip: u64) -> usize {
        if from >= end {
            return end;
        }
        let mut word = from / 64;
        let mut bits = (self.0[word] ^ flip) & (u64::MAX << (from % 64));
        while bits == 0 {
            word += 1;
            if word * 64 >= end {
                return end;
            }
            bits = self.0[word] ^ flip;
        }
        (word * 64 + bits.trailing_zeros() as usize).min(end)
    }

    /// The begin of the run of the set that ends before `end`; not before `from`.
    pub(crate) fn run_start(&self, from: usize, end: usize) -> usize {
        let mut word = end / 64;
        let mut gaps = !self.0[word] & !(u64::MAX << (end % 64));
        while gaps == 0 {
            if word * 64 <= from {
                return from;
            }
            word -= 1;
            gaps = !self.0[word];
        }
        (word * 64 + 64 - gaps.leading_zeros() as usize).max(from)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::store::block::columns::classes::{Marks, is_alphanumeric};

    proptest! {
        #[test]
        fn marks_are_what_a_look_at_each_byte_gives(text in proptest::collection::vec(
            prop_oneof![any::<u8>(), Just(b'"'), Just(b'='), Just(b':'), Just(b'7'), Just(b'x')], 0..200))
        {
            let mut marks = Marks::default();
            marks.mark(b"an earlier text 1=2");
            marks.mark(&text);
            for (at, byte) in text.iter().enumerate() {
                let announced = at > 0 && matches!(text[at - 1], b'=' | b':');
                let event = byte.is_ascii_digit() || *byte == b'=' || (*byte == b'"' && announced);
                prop_assert_eq!(marks.alphanumeric.has(at), is_alphanumeric(*byte), "{} {}", at, byte);
                prop_assert_eq!(marks.digits.has(at), byte.is_ascii_digit());
                prop_assert_eq!(marks.events.has(at), event, "{} {}", at, byte);
                let run = text[at..].iter().position(|byte| !is_alphanumeric(*byte));
                let gap = run.map_or(text.len(), |length| at + length);
                prop_assert_eq!(marks.alphanumeric.next_gap(at, text.len()), gap);
                let next = text[at..].iter().position(|byte| byte.is_ascii_digit()).map_or(text.len(), |n| at + n);
                prop_assert_eq!(marks.digits.next(at, text.len()), next);
                let start = text[..at].iter().rposition(|byte| !is_alphanumeric(*byte)).map_or(0, |n| n + 1);
                prop_assert_eq!(marks.alphanumeric.run_start(0, at), start);
                prop_assert_eq!(marks.alphanumeric.run_start(at / 2, at), start.max(at / 2));
            }
        }
    }
}
