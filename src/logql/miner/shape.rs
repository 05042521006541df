//! The shape of a line: what stays of it when its numbers, times, ids and addresses are taken out.
//!
//! Lines of one shape differ in their variable parts alone. A run of ASCII letters and digits is variable where it has a
//! digit. What joins two variable runs belongs to them: `10.0.0.1:80`, `2026-11-20T10:00:00,5`, the `dead` in a UUID. So
//! does a minus in front. One pass over the bytes, 64 at a time as bit masks; nothing is allocated.
//!
//! `crate::logql::miner::render` builds on two things that follow. A literal between two variable parts begins and ends with
//! a byte that is no ASCII letter or digit. And a variable part ends with a run that has a digit, and holds no whole run
//! that has neither a digit nor hexadecimal letters alone.

use memchr::{memchr, memmem};

/// Variable parts of a line that are told apart; what follows the last of them is one part more.
pub(super) const SLOTS_MAX: usize = 64;
/// Bytes of a line that are looked at: a line of a mebibyte costs no more than one of this length.
const SCAN_BYTES_MAX: usize = 4096;
/// Literal bytes of a line that are told apart. Literal ones are counted, so that the place does not move when an id is
/// a byte longer.
const LITERAL_BYTES_MAX: usize = 1024;
const BLOCK: usize = 64;
const BLOCKS_MAX: usize = SCAN_BYTES_MAX / BLOCK;

/// Odd numbers without a pattern, for mixing.
const FIRST: u64 = 0x9e37_79b9_7f4a_7c15;
const LAST: u64 = 0xd6e8_feb8_6659_fd93;

/// From and to, in bytes of the line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    start: u16,
    end: u16,
}

impl Span {
    fn new(start: usize, end: usize) -> Span {
        let at = |place| u16::try_from(place).expect("what is looked at of a line is shorter than 64 KiB");
        Span { start: at(start), end: at(end) }
    }

    pub(super) fn start(self) -> usize {
        usize::from(self.start)
    }

    pub(super) fn end(self) -> usize {
        usize::from(self.end)
    }
}

/// What a line looks like.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape<'s> {
    /// Equal for lines of one shape; for others with a chance of 2^-64.
    pub(super) hash: u64,
    /// The variable parts, in order.
    pub(super) slots: &'s [Span],
    /// How far the line was looked at.
    pub(super) end: usize,
    /// Whether text follows behind `end`: the rest of a long line, or more lines.
    pub(super) goes_on: bool,
}

/// Reduces lines to their shapes, one after another.
#[derive(Debug)]
pub(super) struct Scanner {
    seed: u64,
    masks: Box<Masks>,
    slots: [Span; SLOTS_MAX],
}

impl Scanner {
    /// `seed` keeps whoever writes lines from making two shapes look the same.
    pub(super) fn new(seed: u64) -> Scanner {
        Scanner { seed, masks: Box::default(), slots: [Span::default(); SLOTS_MAX] }
    }

    /// The shape of the first line of a text.
    pub(super) fn shape(&mut self, text: &str) -> Shape<'_> {
        let head = &text.as_bytes()[..text.floor_char_boundary(SCAN_BYTES_MAX)];
        let head = memchr(b'\n', head).map_or(head, |newline| &head[..newline]);
        let cut = self.find_slots(head);
        let slots = &mut self.slots[..cut.slot_count];
        let end = text.floor_char_boundary(cut.end);
        let goes_on = end < text.len();
        let mut after = slots.last().map_or(0, |last| last.end());
        if !goes_on
            && let Some(last) = slots.last_mut()
            && could_be_within(&head[last.start()..after], &head[after..])
        {
            (*last, after) = (Span::new(last.start(), end), end);
        }
        let hash = mix(cut.hash, &head[after..end]);
        let hash = fold(hash ^ (slots.len() as u64) << 1 ^ u64::from(goes_on), LAST);
        Shape { hash, slots, end, goes_on }
    }

    /// Finds the variable parts, and hashes the literals in front of them.
    fn find_slots(&mut self, head: &[u8]) -> Cut {
        let Scanner { seed, masks, slots } = self;
        let variable = masks.variable(head);
        let mut cut = Cut { hash: *seed, slot_count: 0, end: head.len() };
        let (mut literal_bytes, mut after, mut open, mut before) = (0, 0, None, 0);
        for (block, &mask) in variable.iter().enumerate() {
            let mut edges = mask ^ (mask << 1 | before);
            before = mask >> 63;
            while edges != 0 {
                let at = block * BLOCK + edges.trailing_zeros() as usize;
                edges &= edges - 1;
                if let Some(start) = open.take() {
                    slots[cut.slot_count] = Span::new(start, at);
                    cut.slot_count += 1;
                    after = at;
                    if cut.slot_count == SLOTS_MAX {
                        cut.end = at;
                        return cut;
                    }
                } else {
                    let start = at - usize::from(has_sign(head, after, at));
                    literal_bytes += start - after;
                    if literal_bytes > LITERAL_BYTES_MAX {
                        cut.end = start - (literal_bytes - LITERAL_BYTES_MAX);
                        return cut;
                    }
                    cut.hash = mix(cut.hash, &head[after..start]);
                    open = Some(start);
                }
            }
        }
        if let Some(start) = open {
            slots[cut.slot_count] = Span::new(start, head.len());
            cut.slot_count += 1;
        } else {
            let excess = (literal_bytes + head.len() - after).saturating_sub(LITERAL_BYTES_MAX);
            cut.end = head.len() - excess;
        }
        cut
    }
}

/// What was found of a line: the hash of all but the literal behind the last slot, and where that literal ends.
struct Cut {
    hash: u64,
    slot_count: usize,
    end: usize,
}

/// Whether a minus that belongs to the number stands in front of `at`.
fn has_sign(head: &[u8], after: usize, at: usize) -> bool {
    at > after && head[at - 1] == b'-' && (at < 2 || !head[at - 2].is_ascii_alphanumeric())
}

/// Whether the variable part in front of the end of a line holds that end itself, as in `7-x1-x`: a pattern that says
/// `<_>-x` would take the first for the last.
fn could_be_within(variable: &[u8], end: &[u8]) -> bool {
    let joins = |byte: &u8| is_joint(*byte) || byte.is_ascii_alphanumeric();
    end.first().is_some_and(joins) && end.iter().all(joins) && memmem::find(variable, end).is_some()
}

/// What stands between parts of numbers, times, addresses, versions, paths and ids.
pub(super) const fn is_joint(byte: u8) -> bool {
    // `+ , - . /` and the colon lie on both sides of the digits
    matches!(byte, b'+'..=b'/' | b':' | b'_' | b'#' | b'~')
}

/// Of each block of 64 bytes, which are of a kind.
#[derive(Debug)]
struct Masks {
    digits: [u64; BLOCKS_MAX],
    words: [u64; BLOCKS_MAX],
    joints: [u64; BLOCKS_MAX],
    /// Variable bytes, and the joints right behind them.
    reached: [u64; BLOCKS_MAX],
}

impl Default for Masks {
    fn default() -> Masks {
        let none = [0; BLOCKS_MAX];
        Masks { digits: none, words: none, joints: none, reached: none }
    }
}

impl Masks {
    /// The bytes of a line that are variable.
    fn variable(&mut self, line: &[u8]) -> &[u64] {
        let (blocks, rest) = line.as_chunks::<BLOCK>();
        for (index, block) in blocks.iter().enumerate() {
            self.classify(index, block);
        }
        if !rest.is_empty() {
            let mut block = [0; BLOCK];
            block[..rest.len()].copy_from_slice(rest);
            self.classify(blocks.len(), &block);
        }
        let count = line.len().div_ceil(BLOCK);
        let (words, variable) = (&self.words[..count], &mut self.digits[..count]);
        let (joints, reached) = (&mut self.joints[..count], &mut self.reached[..count]);
        spread(variable, words);
        reach(reached, variable, joints);
        if has_hexadecimal(line, reached, words) {
            add_hexadecimal(line, joints, words);
            reach(reached, variable, joints);
        }
        let mut carry = false;
        for (variable, &reached) in variable.iter_mut().zip(reached.iter()).rev() {
            (*variable, carry) = flood_down(*variable, reached, carry);
        }
        variable
    }

    fn classify(&mut self, index: usize, block: &[u8; BLOCK]) {
        let mut kinds = [0u8; BLOCK];
        for (kind, &byte) in kinds.iter_mut().zip(block) {
            let letter = (byte | 0x20).wrapping_sub(b'a');
            let digit = u8::from(byte.wrapping_sub(b'0') < 10);
            let word = u8::from(letter < 26) | digit;
            let between = u8::from(byte.wrapping_sub(b'+') < 16) ^ digit;
            let joint = between | u8::from(byte == b'_') | u8::from(byte == b'#') | u8::from(byte == b'~');
            *kind = digit | word << 1 | joint << 2;
        }
        let (mut digits, mut words, mut joints) = (0, 0, 0);
        for (place, eight) in kinds.as_chunks::<8>().0.iter().enumerate() {
            let eight = u64::from_le_bytes(*eight);
            digits |= bits(eight) << (8 * place);
            words |= bits(eight >> 1) << (8 * place);
            joints |= bits(eight >> 2) << (8 * place);
        }
        (self.digits[index], self.words[index], self.joints[index]) = (digits, words, joints);
    }
}

/// The lowest bits of eight bytes, side by side.
fn bits(eight: u64) -> u64 {
    (eight & 0x0101_0101_0101_0101).wrapping_mul(0x0102_0408_1020_4080) >> 56
}

/// Grows each seed over the whole run of `within` that it lies in.
fn spread(seeds: &mut [u64], within: &[u64]) {
    let mut carry = false;
    for (seeds, &within) in seeds.iter_mut().zip(within) {
        (*seeds, carry) = flood_up(*seeds, within, carry);
    }
    carry = false;
    for (seeds, &within) in seeds.iter_mut().zip(within).rev() {
        (*seeds, carry) = flood_down(*seeds, within, carry);
    }
}

/// The variable bytes with what may join them to the next, right behind.
fn reach(reached: &mut [u64], variable: &[u64], joints: &[u64]) {
    let mut carry = false;
    for ((reached, &variable), &joints) in reached.iter_mut().zip(variable).zip(joints) {
        (*reached, carry) = flood_up(variable, joints | variable, carry);
    }
}

/// Whether a run of hexadecimal letters alone stands behind what is reached: few lines have one, and the others are
/// spared the search for all of them.
fn has_hexadecimal(line: &[u8], reached: &[u64], words: &[u64]) -> bool {
    let mut before = 0;
    for (block, (&reached, &words)) in reached.iter().zip(words).enumerate() {
        let mut begins = (reached << 1 | before) & words & !reached;
        before = reached >> 63;
        while begins != 0 {
            let at = block * BLOCK + begins.trailing_zeros() as usize;
            begins &= begins - 1;
            let run = line[at..].iter().take_while(|byte| byte.is_ascii_alphanumeric());
            if run.into_iter().all(u8::is_ascii_hexdigit) {
                return true;
            }
        }
    }
    false
}

/// Makes joints of the runs of hexadecimal letters alone.
fn add_hexadecimal(line: &[u8], joints: &mut [u64], words: &[u64]) {
    let mut at = 0;
    while at < line.len() {
        let length = line[at..].iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
        let run = &line[at..at + length];
        if run.iter().all(|byte| byte.is_ascii_hexdigit() && !byte.is_ascii_digit()) {
            (at..at + length).for_each(|at| joints[at / BLOCK] |= 1 << (at % BLOCK) & words[at / BLOCK]);
        }
        at += length.max(1);
    }
}

/// Grows seeds towards the high bits of their runs, and says whether the highest bit was reached.
fn flood_up(seeds: u64, within: u64, carry: bool) -> (u64, bool) {
    // the sum carries from the lowest seed of a run through to its end, and leaves zeros on its way
    let (sum, over) = within.overflowing_add(seeds);
    let (sum, over_again) = sum.overflowing_add(u64::from(carry));
    (!sum & within | seeds, over | over_again)
}

/// Grows seeds towards the low bits of their runs, and says whether the lowest bit was reached. The carry comes last, so
/// that blocks do not wait for each other.
fn flood_down(mut seeds: u64, within: u64, carry: bool) -> (u64, bool) {
    let mut open = within;
    for shift in [1, 2, 4, 8, 16, 32] {
        seeds |= open & (seeds >> shift);
        open &= open >> shift;
    }
    let top = !(u64::MAX.checked_shr(within.leading_ones()).unwrap_or(0));
    seeds |= if carry { top } else { 0 };
    (seeds, seeds & 1 == 1)
}

/// A hash that goes on with a literal.
fn mix(hash: u64, mut bytes: &[u8]) -> u64 {
    let whole = bytes;
    let mut hash = hash ^ (bytes.len() as u64).wrapping_mul(FIRST);
    while let Some((head, rest)) = bytes.split_first_chunk::<16>()
        && !rest.is_empty()
    {
        let (low, high) = head.split_at(8);
        hash = fold(hash ^ number(low), LAST ^ number(high));
        bytes = rest;
    }
    let (low, high) = match (bytes.first_chunk::<8>(), whole.last_chunk::<8>()) {
        (Some(low), Some(high)) => (u64::from_le_bytes(*low), u64::from_le_bytes(*high)),
        (None, Some(high)) => (0, u64::from_le_bytes(*high)),
        (_, None) => match (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
            (Some(low), Some(high)) => (u32::from_le_bytes(*low).into(), u32::from_le_bytes(*high).into()),
            _ => (bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)), 0),
        },
    };
    fold(hash ^ low, LAST ^ high)
}

fn number(eight: &[u8]) -> u64 {
    u64::from_le_bytes(*eight.first_chunk().expect("eight bytes"))
}

/// Both halves of a product, folded.
fn fold(one: u64, other: u64) -> u64 {
    let product = u128::from(one) * u128::from(other);
    product as u64 ^ (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::logql::miner::shape::{SLOTS_MAX, Scanner, is_joint};

    /// A line with its variable parts as `<_>`.
    fn shape_of(line: &str) -> String {
        let mut scanner = Scanner::new(7);
        let shape = scanner.shape(line);
        let (mut text, mut after) = (String::new(), 0);
        for slot in shape.slots {
            text += &line[after..slot.start()];
            text += "<_>";
            after = slot.end();
        }
        text += &line[after..shape.end];
        if shape.goes_on { text + "…" } else { text }
    }

    #[test]
    fn numbers_times_ids_and_addresses_are_variable() {
        for (line, expected) in [
            ("", ""),
            ("session opened", "session opened"),
            ("2026-11-20T10:00:00,123Z took 5 ms", "<_> took <_> ms"),
            ("10.251.39.209:50010 and 17/06/09", "<_> and <_>"),
            ("id 6ba7b810-dead-11d1-beef-00c04fd430c8.", "id <_>."),
            ("block blk_-6991853982611346454 blk_38", "block blk_<_> blk_<_>"),
            ("a=-5 b=- c-5 --5 -5", "a=<_> b=- c-<_> -<_> <_>"),
            ("dead-beef feed 1-dead", "dead-beef feed <_>-dead"),
            ("attempt_1445_0020_m_000001_0", "attempt_<_>_m_<_>"),
            ("/api/v1/orders/77/items", "/api/<_>/orders/<_>/items"),
            ("사용자42님 7", "사용자<_>님 <_>"),
            ("x1\nsecond 2", "<_>…"),
            ("one\r\ntwo", "one\r…"),
            ("\u{1b}[31mred\u{1b}[0m", "\u{1b}[<_>\u{1b}[<_>"),
            ("7-x1-x", "<_>"),
            ("7-x2-y", "<_>-y"),
        ] {
            assert_eq!(shape_of(line), expected, "{line:?}");
        }
    }

    #[test]
    fn runs_across_blocks_are_whole() {
        for pad in 50..200 {
            let pad = " ".repeat(pad);
            assert_eq!(shape_of(&format!("{pad}abcdefgh9ijklmnop q")), format!("{pad}<_> q"));
            assert_eq!(shape_of(&format!("{pad}1-deadbeef-feed-2 q")), format!("{pad}<_> q"));
            assert_eq!(shape_of(&format!("{pad}abcdefghijkl-2 q")), format!("{pad}abcdefghijkl-<_> q"));
        }
        assert_eq!(shape_of(&format!("a {}1 b", "x".repeat(1000))), "a <_> b");
    }

    #[test]
    fn a_long_line_is_looked_at_in_part() {
        let many = "a 1 ".repeat(SLOTS_MAX + 5);
        assert_eq!(shape_of(&many).matches("<_>").count(), SLOTS_MAX);
        assert!(shape_of(&many).ends_with('…'));
        // the place does not move with the length of an id
        let (short, long) = (format!("id 7 {}", "한글 ".repeat(900)), format!("id 77777 {}", "한글 ".repeat(900)));
        assert_eq!(shape_of(&short), shape_of(&long));
        assert!(shape_of(&format!("{} 1", "x ".repeat(1 << 19))).len() < 1100);
        let id = "f00".repeat(3000);
        assert_eq!(shape_of(&id), "<_>…");
    }

    #[test]
    fn equal_shapes_hash_alike_and_others_do_not() {
        let mut scanner = Scanner::new(7);
        let mut hash = |line: &str| scanner.shape(line).hash;
        assert_eq!(hash("took 5 ms"), hash("took 123 ms"));
        let lines =
            ["took 5 ms", "took 5 s", "took ms", "took 5 m", "took 5 ", "took  ms", "", "5", "took 5 ms\n", "\n"];
        for (at, one) in lines.iter().enumerate() {
            for other in &lines[..at] {
                assert_ne!(hash(one), hash(other), "{one:?} {other:?}");
            }
        }
    }

    proptest! {
        /// The masks find what a plain reading of the rules finds.
        #[test]
        fn masks_agree_with_a_plain_reading(line in "[a-gxyz0-9 =.:_-]{0,200}") {
            prop_assert_eq!(shape_of(&line).replace('…', ""), plainly(&line));
        }
    }

    fn plainly(line: &str) -> String {
        let bytes = line.as_bytes();
        let mut runs: Vec<(usize, usize)> = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            let from = at;
            while at < bytes.len() && bytes[at].is_ascii_alphanumeric() {
                at += 1;
            }
            if bytes[from..at].iter().any(u8::is_ascii_digit) {
                runs.push((from, at));
            }
            at += usize::from(at == from);
        }
        let mut slots: Vec<(usize, usize)> = Vec::new();
        for (from, to) in runs {
            let joined = slots.last().is_some_and(|last| {
                line[last.1..from].split(|c| is_joint(c as u8)).all(|run| run.bytes().all(|b| b.is_ascii_hexdigit()))
            });
            if joined {
                slots.last_mut().expect("one to join").1 = to;
            } else {
                let after = slots.last().map_or(0, |last| last.1);
                let sign =
                    from > after && bytes[from - 1] == b'-' && (from < 2 || !bytes[from - 2].is_ascii_alphanumeric());
                slots.push((from - usize::from(sign), to));
            }
        }
        if let Some(last) = slots.last_mut() {
            let end = &line[last.1..];
            let all = end.bytes().all(|b| is_joint(b) || b.is_ascii_alphanumeric());
            if !end.is_empty() && all && line[last.0..last.1].contains(end) {
                last.1 = line.len();
            }
        }
        slots.truncate(SLOTS_MAX);
        let (mut text, mut after) = (String::new(), 0);
        for (from, to) in slots {
            text = text + &line[after..from] + "<_>";
            after = to;
        }
        text + &line[after..]
    }
}
