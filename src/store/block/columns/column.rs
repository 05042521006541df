//! A column: the values of slots that are alike, in the encoding that fits them best.
//!
//! ```text
//! encoding     for                                        body
//! small        fewer than 200 bytes                       none: values (length, bytes) are in the directory's tail
//! integer      decimal numbers, no zero in front          varint: twice the least value, plus 1 where distances follow
//!                                                         instead of differences from it; numbers in planes
//! padded       the same, all of one length                as integer; the length is in the directory
//! hex          one length, one case of letters            four bits a digit, packed
//! uuid         UUIDs                                      16 bytes each
//! dictionary   at most 256 values, each often             a byte each, packed; values are in the directory's tail
//! text         anything                                   lengths in planes, all bytes packed
//! clock        distances from the entry's time            zigzag numbers in planes
//! ```

use std::collections::{HashMap, HashSet};
use std::hash::BuildHasherDefault;

use crate::store::block::Codec;
use crate::store::block::bytes::{put_varint, zigzag};
use crate::store::block::columns::Part;
use crate::store::block::columns::classes::{DIGIT, HEX_LOWER, HEX_UPPER, mask_of};
use crate::store::block::columns::kind::Kind;
use crate::store::block::columns::sink::Sink;
use crate::store::hash::QuickHasher;
use crate::store::words::ID_BYTES_MIN;

/// A column below this is not worth a section of its own.
const SMALL_BYTES_MAX: usize = 200;
const DICTIONARY_MAX: usize = 256;
/// Digits of a number that surely fits 63 bits: twice the least one is stored.
const INTEGER_DIGITS_MAX: u32 = 18;
const HEX_DIGITS_MAX: u32 = 4096;
/// Memory that a column may keep for the next block.
const KEPT_BYTES_MAX: usize = 32 << 10;

/// How a column's values are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Small,
    Integer,
    Padded,
    Hex,
    Uuid,
    Dictionary,
    Text,
    Clock,
}

impl Encoding {
    const ALL: [Encoding; 8] = [
        Encoding::Small,
        Encoding::Integer,
        Encoding::Padded,
        Encoding::Hex,
        Encoding::Uuid,
        Encoding::Dictionary,
        Encoding::Text,
        Encoding::Clock,
    ];

    pub(crate) fn from_byte(byte: u8) -> Option<Encoding> {
        Encoding::ALL.get(usize::from(byte)).copied()
    }
}

/// What the directory says of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) encoding: Encoding,
    pub(crate) kind: Kind,
    /// Classes of all bytes.
    pub(crate) mask: u8,
    pub(crate) count: usize,
    /// Least and greatest length of a value, in bytes.
    pub(crate) len_min: usize,
    pub(crate) len_max: usize,
    /// Values of a dictionary, bytes of a text, 1 for hexadecimal digits in upper case; otherwise 0.
    pub(crate) extra: usize,
    pub(crate) body_len: usize,
}

/// The values of a column that is being filled.
#[derive(Debug)]
pub(crate) struct Column {
    pub(crate) kind: Kind,
    data: Sink,
    ends: Vec<u32>,
    distances: Vec<i64>,
    /// Of a dictionary: a place of each of its values.
    distinct: Vec<u32>,
}

impl Default for Column {
    fn default() -> Column {
        Column {
            kind: Kind::TOKEN,
            data: Sink::default(),
            ends: Vec::new(),
            distances: Vec::new(),
            distinct: Vec::new(),
        }
    }
}

impl Column {
    /// Adds the value that lies at `start..end` of a text.
    #[inline]
    pub(crate) fn push(&mut self, text: &[u8], start: usize, end: usize) {
        self.data.put(text, start, end);
        self.ends.push(self.data.len() as u32);
    }

    #[inline]
    pub(crate) fn push_distance(&mut self, distance: i64) {
        self.distances.push(distance);
    }

    pub(crate) fn clear(&mut self) {
        self.data.clear();
        self.ends.clear();
        self.distances.clear();
        self.distinct.clear();
    }

    pub(crate) fn is_small(&self) -> bool {
        self.data.capacity() + 4 * self.ends.capacity() + 8 * self.distances.capacity() <= KEPT_BYTES_MAX
    }

    /// The values, in the order they came; none of a clock.
    pub(crate) fn values(&self) -> impl Iterator<Item = &[u8]> + Clone {
        let starts = std::iter::once(&0).chain(&self.ends);
        starts.zip(&self.ends).map(|(start, end)| &self.data.bytes()[*start as usize..*end as usize])
    }

    fn value(&self, place: usize) -> &[u8] {
        let start = if place == 0 { 0 } else { self.ends[place - 1] as usize };
        &self.data.bytes()[start..self.ends[place] as usize]
    }

    /// Tells what the column's values, which are stored as `entry` says, can be looked up by.
    pub(crate) fn look_ups<'t>(&'t self, entry: &Entry, part: &mut impl FnMut(Part<'t>)) {
        if let Some(style) = self.kind.as_clock() {
            return part(Part::Numbers(style.digits_at_end()));
        }
        let are_integers = matches!(entry.encoding, Encoding::Integer | Encoding::Padded);
        if are_integers || self.kind == Kind::NUMBER {
            return part(Part::Numbers(entry.len_max));
        }
        if self.kind == Kind::UUID {
            return self.values().for_each(|uuid| part(Part::Uuid(uuid)));
        }
        let tell = |value: &'t [u8], part: &mut dyn FnMut(Part<'t>)| match self.kind {
            Kind::ROW => part(Part::Text(value)),
            Kind::TOKEN => {
                if value.len() >= ID_BYTES_MIN {
                    part(Part::Id(value));
                }
                // hexadecimal digits hold no words
                if entry.encoding != Encoding::Hex {
                    part(Part::Words(value));
                }
            }
            _ => part(Part::Words(value)),
        };
        match entry.encoding {
            Encoding::Dictionary => self.distinct.iter().for_each(|place| tell(self.value(*place as usize), part)),
            _ => self.values().for_each(|value| tell(value, part)),
        }
    }

    /// Appends the column's section to `body`, and what belongs into the directory's tail to `tail`.
    pub(crate) fn encode(&mut self, codec: &mut Codec, body: &mut Vec<u8>, tail: &mut Vec<u8>) -> Entry {
        let start = body.len();
        let mut entry = self.measure();
        (entry.encoding, entry.extra) = self.encode_body(&entry, codec, body, tail);
        entry.body_len = body.len() - start;
        entry
    }

    fn measure(&self) -> Entry {
        let (mut len_min, mut len_max, mut start) = (u32::MAX, 0, 0);
        for end in &self.ends {
            len_min = len_min.min(end - start);
            len_max = len_max.max(end - start);
            start = *end;
        }
        Entry {
            encoding: Encoding::Small,
            kind: self.kind,
            mask: mask_of(self.data.bytes()),
            count: self.ends.len() + self.distances.len(),
            len_min: if self.ends.is_empty() { 0 } else { len_min as usize },
            len_max: len_max as usize,
            extra: 0,
            body_len: 0,
        }
    }

    fn encode_body(
        &mut self,
        entry: &Entry,
        codec: &mut Codec,
        body: &mut Vec<u8>,
        tail: &mut Vec<u8>,
    ) -> (Encoding, usize) {
        if self.kind.as_clock().is_some() {
            codec.put_numbers(body, &self.distances.iter().map(|distance| zigzag(*distance)));
            return (Encoding::Clock, 0);
        }
        if self.data.len() < SMALL_BYTES_MAX {
            self.values().for_each(|value| put_bytes(tail, value));
            return (Encoding::Small, 0);
        }
        let (one_length, length) = (entry.len_min == entry.len_max, entry.len_max as u32);
        if self.kind == Kind::UUID {
            let digits: Vec<u8> = self.data.bytes().iter().copied().filter(|byte| *byte != b'-').collect();
            codec.put_plane(body, &nibbles(&digits, 32));
            return (Encoding::Uuid, 0);
        }
        let is_number = matches!(self.kind, Kind::TOKEN | Kind::NUMBER) && entry.mask == DIGIT;
        let mut are_few = false;
        if is_number && length <= INTEGER_DIGITS_MAX {
            let has_zeros = self.values().any(|value| value.len() > 1 && value[0] == b'0');
            if !has_zeros || one_length {
                are_few = !self.encode_integers(codec, body);
                if !are_few {
                    return (if has_zeros { Encoding::Padded } else { Encoding::Integer }, 0);
                }
            }
        }
        let is_hex = |case: u8| entry.mask & !(DIGIT | case) == 0;
        if self.kind == Kind::TOKEN
            && !are_few
            && one_length
            && length <= HEX_DIGITS_MAX
            && (is_hex(HEX_LOWER) || is_hex(HEX_UPPER))
        {
            codec.put_plane(body, &nibbles(self.data.bytes(), length as usize));
            return (Encoding::Hex, usize::from(entry.mask & HEX_UPPER != 0));
        }
        if let Some((distinct, numbers)) = self.dictionary() {
            distinct.iter().for_each(|place| put_bytes(tail, self.value(*place as usize)));
            codec.put(body, &numbers);
            self.distinct = distinct;
            return (Encoding::Dictionary, self.distinct.len());
        }
        codec.put_numbers(body, &self.values().map(|value| value.len() as u64));
        codec.put(body, self.data.bytes());
        (Encoding::Text, self.data.len())
    }

    /// Tells whether it did, which it does not where few numbers come again and again.
    fn encode_integers(&self, codec: &mut Codec, body: &mut Vec<u8>) -> bool {
        let number = |value: &[u8]| value.iter().fold(0u64, |sum, digit| sum * 10 + u64::from(digit - b'0'));
        let numbers: Vec<u64> = self.values().map(number).collect();
        let least = numbers.iter().copied().min().unwrap_or(0);
        let most = numbers.iter().copied().max().unwrap_or(0);
        if most - least > u64::from(u8::MAX) && are_few(&numbers) {
            return false;
        }
        let distance = |pair: &[u64]| zigzag(pair[1].wrapping_sub(pair[0]) as i64);
        let bits = |number: u64| u64::from(64 - number.leading_zeros());
        let sample = &numbers[..numbers.len().min(512)];
        let distance_bits: u64 = sample.windows(2).map(|pair| bits(distance(pair))).sum();
        let plain_bits: u64 = sample.iter().skip(1).map(|number| bits(number - least)).sum();
        if distance_bits + distance_bits / 4 < plain_bits {
            put_varint(body, least << 1 | 1);
            let first = [least, numbers[0]];
            let distances = std::iter::once(&first[..]).chain(numbers.windows(2)).map(distance);
            codec.put_numbers(body, &distances);
        } else {
            put_varint(body, least << 1);
            codec.put_numbers(body, &numbers.iter().map(|number| number - least));
        }
        true
    }

    /// A place of each distinct value, and the number of each value among them; `None` where there are too many.
    fn dictionary(&self) -> Option<(Vec<u32>, Vec<u8>)> {
        if self.kind == Kind::ROW {
            return None;
        }
        let mut numbers: HashMap<&[u8], u8, BuildHasherDefault<QuickHasher>> = HashMap::default();
        let (mut distinct, mut column) = (Vec::new(), Vec::with_capacity(self.ends.len()));
        for value in self.values() {
            let number = match numbers.get(value) {
                Some(number) => *number,
                None => {
                    let count = distinct.len();
                    if count >= DICTIONARY_MAX || (count > 32 && count * 3 > column.len()) {
                        return None;
                    }
                    numbers.insert(value, count as u8);
                    distinct.push(column.len() as u32);
                    count as u8
                }
            };
            column.push(number);
        }
        (distinct.len() * 4 <= column.len()).then_some((distinct, column))
    }
}

/// Whether so few numbers come again and again that naming each by one byte is shorter. Gives up early on others.
fn are_few(numbers: &[u64]) -> bool {
    let mut known: HashSet<u64, BuildHasherDefault<QuickHasher>> = HashSet::default();
    for (place, number) in numbers.iter().enumerate() {
        // spread over all bits: tables look at the high ones
        if known.insert(number.wrapping_mul(0x9e37_79b9_7f4a_7c15)) {
            let count = known.len();
            if count > DICTIONARY_MAX || (count > 16 && count * 8 > place) {
                return false;
            }
        }
    }
    known.len() * 16 <= numbers.len()
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Hexadecimal digits as four bits each; every `length` of them begin a byte of their own.
fn nibbles(digits: &[u8], length: usize) -> Vec<u8> {
    let nibble = |digit: u8| if digit <= b'9' { digit - b'0' } else { (digit | 0x20) - b'a' + 10 };
    let mut packed = Vec::with_capacity(digits.len().div_ceil(2));
    for value in digits.chunks(length) {
        packed.extend(value.chunks(2).map(|pair| nibble(pair[0]) << 4 | pair.get(1).map_or(0, |digit| nibble(*digit))));
    }
    packed
}
