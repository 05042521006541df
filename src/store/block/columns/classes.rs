//! Which bytes of a text are digits, letters or signs that announce a value: as bit sets.

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
    // compilers make vector code of comparisons, and not of a table
    text.iter().fold(0, |mask, byte| {
        let within = |first: u8, count: u8, class: u8| if byte.wrapping_sub(first) < count { class } else { 0 };
        let digit = within(b'0', 10, DIGIT);
        let hex = within(b'a', 6, HEX_LOWER) | within(b'A', 6, HEX_UPPER);
        let letter = within(b'g', 20, LETTER) | within(b'G', 20, LETTER);
        let known = digit | hex | letter;
        mask | known | if known == 0 { OTHER } else { 0 }
    })
}

#[inline]
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

impl Marks {
    /// Marks a text in place of the one before.
    pub(crate) fn mark(&mut self, text: &[u8]) {
        let sets = [&mut self.alphanumeric, &mut self.digits, &mut self.events];
        for set in sets {
            set.0.clear();
            set.0.reserve(text.len().div_ceil(64) + 1);
        }
        let mut before = 0;
        let (blocks, rest) = text.as_chunks::<64>();
        for block in blocks {
            self.mark_block(block, &mut before);
        }
        // zeros behind the end are of no class, and end every run
        let mut last = [0; 64];
        last[..rest.len()].copy_from_slice(rest);
        self.mark_block(&last, &mut before);
    }

    /// Marks 64 bytes; `before` is the byte before them.
    #[inline]
    fn mark_block(&mut self, block: &[u8; 64], before: &mut u8) {
        let (mut alphanumeric, mut digits, mut events) = ([0; 64], [0; 64], [0; 64]);
        let mut left = [*before; 64];
        left[1..].copy_from_slice(&block[..63]);
        // compilers make vector code of this: there is no branch in it, and each place has its own bit already
        for place in 0..64 {
            let (byte, bit) = (block[place], 1u8 << (place % 8));
            let digit = byte.wrapping_sub(b'0') < 10;
            let letter = (byte | 0x20).wrapping_sub(b'a') < 26;
            let announced = (left[place] == b'=') | (left[place] == b':');
            let event = digit | (byte == b'=') | ((byte == b'"') & announced);
            digits[place] = if digit { bit } else { 0 };
            alphanumeric[place] = if digit | letter { bit } else { 0 };
            events[place] = if event { bit } else { 0 };
        }
        self.alphanumeric.0.push(gather(&alphanumeric));
        self.digits.0.push(gather(&digits));
        self.events.0.push(gather(&events));
        *before = block[63];
    }
}

/// One bit of each byte, the one that its place has among eight, as the bits of a number.
#[inline]
fn gather(bits: &[u8; 64]) -> u64 {
    let mut sum = 0;
    for (index, eight) in bits.as_chunks::<8>().0.iter().enumerate() {
        // no two bytes have the same bit: their sum, which the product has in its highest byte, has all of them
        sum |= (u64::from_le_bytes(*eight).wrapping_mul(0x0101_0101_0101_0101) >> 56) << (8 * index);
    }
    sum
}

/// A set of places in a text.
#[derive(Debug, Default)]
pub(crate) struct BitSet(Vec<u64>);

impl BitSet {
    /// The set in pieces of 64 places.
    pub(crate) fn pieces(&self) -> &[u64] {
        &self.0
    }

    #[inline]
    pub(crate) fn has(&self, place: usize) -> bool {
        self.0[place / 64] >> (place % 64) & 1 == 1
    }

    /// The first place of the set from `from` on; `end` where there is none before it.
    #[inline]
    pub(crate) fn next(&self, from: usize, end: usize) -> usize {
        self.first(from, end, 0)
    }

    /// The first place that is not in the set, from `from` on; `end` where there is none before it.
    #[inline]
    pub(crate) fn next_gap(&self, from: usize, end: usize) -> usize {
        self.first(from, end, u64::MAX)
    }

    #[inline]
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
    #[inline]
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

    use crate::store::block::columns::classes::{CLASS, Marks, is_alphanumeric, mask_of};

    #[test]
    fn a_mask_is_what_the_table_says() {
        for byte in 0..=255u8 {
            assert_eq!(mask_of(&[byte]), CLASS[byte as usize], "{byte}");
        }
    }

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
