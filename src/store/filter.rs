//! A filter of a block's ids: tells for certain that an id is not there, and is wrong about one in 256 of the others.
//!
//! It is a binary fuse filter of 8-bit fingerprints (T. M. Graf and D. Lemire, "Binary Fuse Filters", 2022): about nine
//! bits an id, three bytes read per question. Beside it stand the lengths that occur, because a needle may be part of a
//! longer id, and what a block holds that the filter does not know: numbers, and the parts of UUIDs, which are known as
//! wholes. Hash and layout are part of the store's format.
//!
//! ```text
//! lengths u64     bit n: an id of n bytes is there; bit 63: one of 63 bytes or more
//! digits u8       digits of the longest number that may be there unknown; 255: of any length
//! known u8        1: UUIDs are there; 2: too many ids are there to be known, and none is ruled out; 3: both
//! seed u64        segment length u32    segment count u32
//! fingerprints    (segment count + 2) x segment length bytes
//! crc32           of all before
//! ```

use xxhash_rust::xxh3::xxh3_64;

use crate::store::block::bytes::{Malformed, Reader};
use crate::store::words::{Demand, IdDemand, Place};

const HEAD_BYTES: usize = 26;
const HAS_UUIDS: u8 = 1;
const IS_OPEN: u8 = 2;
/// Digits of the longest part of a UUID.
const UUID_PART_LEN_MAX: usize = 12;
/// A construction fails with a chance of about one in a hundred for small sets; more than this never happens by chance.
const SEEDS_MAX: u64 = 200;

/// The hash that an id is known by.
fn hash(id: &[u8]) -> u64 {
    xxh3_64(id)
}

/// The bit that stands for ids of a length.
fn length_bit(length: usize) -> u64 {
    1 << length.min(63)
}

/// The ids of a block, on their way into its filter.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    hashes: Vec<u64>,
    lengths: u64,
    digits_max: u8,
    has_uuids: bool,
    is_open: bool,
}

impl Ids {
    pub(crate) fn add(&mut self, id: &[u8]) {
        self.hashes.push(hash(id));
        self.lengths |= length_bit(id.len());
    }

    /// Adds a UUID as a whole: what only has a part of it is not ruled out.
    pub(crate) fn add_uuid(&mut self, uuid: &[u8]) {
        self.hashes.push(hash(uuid));
        self.has_uuids = true;
    }

    /// Says that numbers of so many digits are there which are not added, alone or at an edge of a word.
    pub(crate) fn pass_numbers(&mut self, digits: usize) {
        self.digits_max = self.digits_max.max(u8::try_from(digits).unwrap_or(u8::MAX));
    }

    /// Says that there are more ids than are worth to be known: nothing is ruled out.
    pub(crate) fn open(&mut self) {
        self.hashes = Vec::new();
        self.is_open = true;
    }

    pub(crate) fn is_open(&self) -> bool {
        self.is_open
    }

    /// How many were added, those that came more than once included.
    pub(crate) fn len(&self) -> usize {
        self.hashes.len()
    }

    /// Appends the filter.
    pub(crate) fn encode(mut self, out: &mut Vec<u8>) {
        let hashes = &mut self.hashes;
        hashes.sort_unstable();
        hashes.dedup();
        let start = out.len();
        let (shape, table) = (1..=SEEDS_MAX)
            .find_map(|seed| {
                let shape = Shape::for_keys(hashes.len(), seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
                build(shape, hashes).map(|table| (shape, table))
            })
            .expect("two hundred seeds in a row do not fail for distinct keys");
        out.extend_from_slice(&self.lengths.to_le_bytes());
        out.extend_from_slice(&[
            self.digits_max,
            (u8::from(self.has_uuids) * HAS_UUIDS) | (u8::from(self.is_open) * IS_OPEN),
        ]);
        out.extend_from_slice(&shape.seed.to_le_bytes());
        out.extend_from_slice(&shape.segment_len.to_le_bytes());
        out.extend_from_slice(&shape.segment_count.to_le_bytes());
        if !hashes.is_empty() {
            out.extend_from_slice(&table);
        }
        let crc = crc32fast::hash(&out[start..]);
        out.extend_from_slice(&crc.to_le_bytes());
    }
}

/// Where in the table a key's three fingerprints lie.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Shape {
    seed: u64,
    segment_len: u32,
    segment_count: u32,
}

impl Shape {
    fn for_keys(count: usize, seed: u64) -> Shape {
        let size = count.max(2) as f64;
        let segment_len = 1u32 << ((size.ln() / 3.33_f64.ln() + 2.25).floor() as u32).min(18);
        let factor = (0.875 + 0.25 * 1_000_000_f64.ln() / size.ln()).max(1.125);
        let segments = ((size * factor).round() as u32).div_ceil(segment_len);
        Shape { seed, segment_len, segment_count: segments.saturating_sub(2).max(1) }
    }

    fn table_len(self) -> usize {
        (self.segment_count as usize + 2) * self.segment_len as usize
    }

    fn mixed(self, key: u64) -> u64 {
        let mut mixed = key.wrapping_add(self.seed);
        mixed = (mixed ^ (mixed >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        mixed = (mixed ^ (mixed >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        mixed ^ (mixed >> 33)
    }

    fn slots(self, mixed: u64) -> [usize; 3] {
        let span = u128::from(self.segment_count) * u128::from(self.segment_len);
        let first = ((u128::from(mixed) * span) >> 64) as usize;
        let (segment_len, mask) = (self.segment_len as usize, self.segment_len as usize - 1);
        let second = (first + segment_len) ^ ((mixed >> 18) as usize & mask);
        let third = (first + 2 * segment_len) ^ (mixed as usize & mask);
        [first, second, third]
    }
}

fn fingerprint(mixed: u64) -> u8 {
    (mixed ^ (mixed >> 32)) as u8
}

/// Peels the keys off one by one, each from a slot that is its alone, and gives the fingerprints out in reverse.
fn build(shape: Shape, keys: &[u64]) -> Option<Vec<u8>> {
    let mut counts = vec![0u32; shape.table_len()];
    let mut mixed_xors = vec![0u64; shape.table_len()];
    for key in keys {
        let mixed = shape.mixed(*key);
        for slot in shape.slots(mixed) {
            counts[slot] += 1;
            mixed_xors[slot] ^= mixed;
        }
    }
    let mut alone: Vec<usize> = (0..counts.len()).filter(|slot| counts[*slot] == 1).collect();
    let mut peeled = Vec::with_capacity(keys.len());
    while let Some(slot) = alone.pop() {
        if counts[slot] != 1 {
            continue;
        }
        let mixed = mixed_xors[slot];
        peeled.push((mixed, slot));
        for other in shape.slots(mixed) {
            counts[other] -= 1;
            mixed_xors[other] ^= mixed;
            if counts[other] == 1 {
                alone.push(other);
            }
        }
    }
    if peeled.len() < keys.len() {
        return None;
    }
    let mut table = vec![0u8; shape.table_len()];
    for (mixed, slot) in peeled.into_iter().rev() {
        let [a, b, c] = shape.slots(mixed);
        // the own slot is still zero, so the three together make the fingerprint
        table[slot] = fingerprint(mixed) ^ table[a] ^ table[b] ^ table[c];
    }
    Some(table)
}

/// A filter that was read from its bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Filter<'b> {
    lengths: u64,
    digits_max: u8,
    has_uuids: bool,
    is_open: bool,
    shape: Shape,
    table: &'b [u8],
}

impl<'b> Filter<'b> {
    pub(crate) fn decode(bytes: &'b [u8]) -> Result<Filter<'b>, Malformed> {
        let (body, crc) = bytes.split_last_chunk::<4>().ok_or(Malformed("the filter is cut"))?;
        if crc32fast::hash(body) != u32::from_le_bytes(*crc) {
            return Err(Malformed("the filter's checksum does not agree"));
        }
        let mut head = Reader::new(body.get(..HEAD_BYTES).ok_or(Malformed("the filter is cut"))?);
        let lengths = head.u64()?;
        let (digits_max, known) = (head.byte()?, head.byte()?);
        let shape = Shape { seed: head.u64()?, segment_len: head.u32()?, segment_count: head.u32()? };
        let table = &body[HEAD_BYTES..];
        if !shape.segment_len.is_power_of_two() || (!table.is_empty() && table.len() != shape.table_len()) {
            return Err(Malformed("the filter's shape makes no sense"));
        }
        let (has_uuids, is_open) = (known & HAS_UUIDS != 0, known & IS_OPEN != 0);
        Ok(Filter { lengths, digits_max, has_uuids, is_open, shape, table })
    }

    /// Whether a text with this filter may have an id as it is demanded.
    pub(crate) fn may_have(&self, demand: &IdDemand) -> bool {
        if self.is_open {
            return true;
        }
        match demand {
            IdDemand::Run(demand) => {
                let part = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte);
                let in_uuid =
                    self.has_uuids && demand.bytes.len() <= UUID_PART_LEN_MAX && demand.bytes.iter().all(part);
                in_uuid || self.may_have_run(demand)
            }
            IdDemand::Uuid(uuid, parts) => {
                (self.has_uuids && self.holds(hash(uuid))) || parts.iter().all(|part| self.may_have_run(part))
            }
        }
    }

    fn may_have_run(&self, demand: &Demand) -> bool {
        let is_known = |digits: usize| digits > usize::from(self.digits_max) && self.digits_max < u8::MAX;
        if digits_at_an_edge(&demand.bytes).is_some_and(|digits| !is_known(digits)) {
            return true;
        }
        let length = demand.bytes.len();
        let longer = match demand.place {
            Place::Whole => 0,
            // everything above the length's own bit; ids of 63 bytes and more cannot be told apart
            Place::Start | Place::End | Place::Within if length >= 63 => self.lengths >> 63,
            Place::Start | Place::End | Place::Within => self.lengths & !((length_bit(length) << 1) - 1),
        };
        longer != 0 || (self.lengths & length_bit(length) != 0 && self.holds(hash(&demand.bytes)))
    }

    fn holds(&self, key: u64) -> bool {
        if self.table.is_empty() {
            return false;
        }
        let mixed = self.shape.mixed(key);
        let [a, b, c] = self.shape.slots(mixed);
        fingerprint(mixed) == self.table[a] ^ self.table[b] ^ self.table[c]
    }
}

/// The length of the one run of digits of an id, where it is all of it, its begin or its end.
fn digits_at_an_edge(id: &[u8]) -> Option<usize> {
    let first = id.iter().position(u8::is_ascii_digit)?;
    let length = id[first..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let at_an_edge = first == 0 || first + length == id.len();
    let only_one = !id[first + length..].iter().any(u8::is_ascii_digit);
    (at_an_edge && only_one).then_some(length)
}

#[cfg(test)]
mod tests {
    use crate::store::filter::{Filter, Ids};
    use crate::store::words::{Demand, Demands, IdDemand, Place};

    fn filter_of(ids: &[String]) -> Vec<u8> {
        let mut known = Ids::default();
        ids.iter().for_each(|id| known.add(id.as_bytes()));
        let mut out = Vec::new();
        known.encode(&mut out);
        out
    }

    fn asks(bytes: &[u8], place: Place, id: &str) -> bool {
        let demand = Demand { place, bytes: id.as_bytes().to_vec() };
        Filter::decode(bytes).expect("it was just written").may_have(&IdDemand::Run(demand))
    }

    #[test]
    fn every_id_is_found_and_few_others_are() {
        for count in [0, 1, 2, 3, 10, 100, 5000] {
            let ids: Vec<String> = (0..count).map(|n| format!("id{n:08}")).collect();
            let bytes = filter_of(&ids);
            assert!(ids.iter().all(|id| asks(&bytes, Place::Whole, id)));
            let wrong = (0..10_000).filter(|n| asks(&bytes, Place::Whole, &format!("no{n:08}"))).count();
            assert!(wrong < 100, "{wrong} of 10,000 absent ids were taken for present with {count} ids");
        }
    }

    #[test]
    fn a_part_may_belong_to_a_longer_id_and_a_whole_may_not() {
        let bytes = filter_of(&["4bf92f3577b34da6".to_owned()]);
        assert!(asks(&bytes, Place::Within, "92f3577b34"));
        assert!(!asks(&bytes, Place::Whole, "92f3577b34"));
        assert!(!asks(&bytes, Place::Within, "4bf92f3577b34da6f"));
        assert!(!asks(&bytes, Place::Start, "5bf92f3577b34da6"));
        assert!(asks(&bytes, Place::End, "4bf92f3577b34da6"));
    }

    #[test]
    fn numbers_and_parts_of_uuids_pass_unknown_where_there_are_some() {
        let mut ids = Ids::default();
        let uuid = "88048db0-9410-40fb-ad1b-bc9e745ed9c7";
        ids.add(b"4bf92f3577b34da6");
        ids.add_uuid(uuid.as_bytes());
        ids.pass_numbers(10);
        let mut bytes = Vec::new();
        ids.encode(&mut bytes);
        for known in ["1234567890", "12345678ms", "order123456789", "88048db0", "bc9e745ed9c7", "4bf92f3577b34da6"] {
            assert!(asks(&bytes, Place::Whole, known), "{known}");
        }
        let mut ids = Ids::default();
        ids.pass_numbers(300);
        let mut any_length = Vec::new();
        ids.encode(&mut any_length);
        assert!(asks(&any_length, Place::Whole, &format!("n{}", "7".repeat(300))));
        for unknown in ["1234567890123", "order1234x", "4bf92f3577b34da7", "88048DB0", "1order2345"] {
            assert!(!asks(&bytes, Place::Whole, unknown), "{unknown}");
        }
        let filter = Filter::decode(&bytes).expect("it was just written");
        let may_have = |needle: &str| Demands::of(needle.as_bytes()).ids.iter().all(|demand| filter.may_have(demand));
        assert!(may_have(&format!(" {uuid} ")));
        assert!(!may_have(" 88048db0-9410-40fb-ad1b-bc9e745ed9c8 "));
    }

    #[test]
    fn an_open_filter_rules_nothing_out() {
        let mut ids = Ids::default();
        ids.add(b"4bf92f3577b34da6");
        ids.open();
        let mut bytes = Vec::new();
        ids.encode(&mut bytes);
        assert!(["other1234", "88048db0-9410-40fb-ad1b-bc9e745ed9c7"].iter().all(|id| asks(&bytes, Place::Whole, id)));
        assert!(bytes.len() < 40);
    }

    #[test]
    fn damaged_filters_are_errors() {
        let bytes = filter_of(&["abcdefgh1".to_owned()]);
        assert!(Filter::decode(&bytes[..bytes.len() - 1]).is_err());
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 4;
            assert!(Filter::decode(&damaged).is_err());
        }
    }
}
