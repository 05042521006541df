//! Which values of a column are as a test wants them, told without putting them together where that is possible.

use memchr::memmem::{Finder, find};

use crate::store::block::Codec;
use crate::store::block::bytes::Malformed;
use crate::store::block::columns::classes::{HEX_LOWER, HEX_UPPER, mask_of};
use crate::store::block::columns::column::Encoding;
use crate::store::block::columns::directory::{Columns, OpenColumn};
use crate::store::block::columns::kind::Kind;
use crate::store::block::columns::plan::Relation;
use crate::store::block::columns::sink::Sink;
use crate::store::block::columns::values::{Integers, UUID_BYTES, Values, hex_text, put_uuid};
use crate::store::block::planes::{Numbers, Plane};
use crate::store::needle::Needle;
use crate::store::words::UUID_LEN;

impl Encoding {
    /// What testing a column takes, against others.
    pub(crate) fn test_cost(self) -> u8 {
        match self {
            Encoding::Small => 0,
            Encoding::Dictionary => 1,
            Encoding::Integer | Encoding::Padded => 2,
            Encoding::Hex => 3,
            Encoding::Uuid => 4,
            Encoding::Text | Encoding::Clock => 5,
        }
    }
}

impl OpenColumn {
    /// Whether what the directory says of the values is enough to tell that none is as a test wants it.
    pub(crate) fn excludes(&self, relation: Relation, part: &[u8], ignores_case: bool) -> bool {
        let entry = &self.entry;
        let mut mask = entry.mask;
        if ignores_case && mask & (HEX_LOWER | HEX_UPPER) != 0 {
            mask |= HEX_LOWER | HEX_UPPER;
        }
        let too_short = relation == Relation::Equal && part.len() < entry.len_min;
        let foreign = entry.kind != Kind::ROW && mask_of(part) & !mask != 0;
        too_short || foreign || part.len() > entry.len_max
    }
}

impl Columns<'_> {
    /// For each value of a column, which does not exclude it, whether it is as a test wants it; `None` where none is.
    /// `directory` is in lower case where case does not matter, and so is the part.
    pub(crate) fn passing(
        &self,
        column: &OpenColumn,
        directory: &[u8],
        relation: Relation,
        part: &[u8],
        needle: &Needle,
        codec: &mut Codec,
    ) -> Result<Option<Vec<bool>>, Malformed> {
        let entry = &column.entry;
        let passes = match entry.encoding {
            Encoding::Integer => of_integers(&self.integers(column, codec)?, &Decimal::new(relation, part)),
            Encoding::Padded => {
                of_integers(&self.integers(column, codec)?, &Decimal::padded(relation, part, entry.len_min))
            }
            _ => match self.values(column, codec)? {
                Values::Listed { bounds, numbers } => {
                    let holds_at =
                        |(start, end): &(u32, u32)| holds(&directory[*start as usize..*end as usize], relation, part);
                    let known: Vec<bool> = bounds.iter().map(holds_at).collect();
                    if !known.contains(&true) {
                        return Ok(None);
                    }
                    match numbers {
                        None => known,
                        Some(numbers) => listed(&known, &numbers, entry.count),
                    }
                }
                Values::Hex { packed, value_len, is_upper } => {
                    let is_upper = is_upper && !needle.ignores_case();
                    of_hex(&packed, value_len, is_upper, relation, part)
                }
                Values::Uuids { packed } => {
                    let mut text = Sink::with_capacity(packed.len() / UUID_BYTES * UUID_LEN);
                    packed.chunks_exact(UUID_BYTES).for_each(|uuid| put_uuid(uuid, &mut text));
                    of_equal_lengths(&text.into_bytes(), UUID_LEN, relation, part)
                }
                Values::Texts { mut data, bounds } => {
                    if needle.ignores_case() {
                        data.make_ascii_lowercase();
                    }
                    of_texts(&data, &bounds, relation, part)
                }
                // the others are numbers, and nothing is tested on a clock
                Values::Integers { .. } | Values::Running { .. } | Values::Clock { .. } => return Ok(None),
            },
        };
        Ok(passes.contains(&true).then_some(passes))
    }
}

fn holds(value: &[u8], relation: Relation, part: &[u8]) -> bool {
    match relation {
        Relation::Equal => value == part,
        Relation::StartsWith => value.starts_with(part),
        Relation::EndsWith => value.ends_with(part),
        Relation::Contains => find(value, part).is_some(),
    }
}

/// For each value of a dictionary column whether the word that it stands for passes.
fn listed(known: &[bool], numbers: &Plane<'_>, count: usize) -> Vec<bool> {
    let mut table = [false; 256];
    table.iter_mut().zip(known).for_each(|(to, passes)| *to = *passes);
    match numbers {
        Plane::Constant(number) => vec![table[usize::from(*number)]; count],
        Plane::Bytes(numbers) => numbers.iter().map(|number| table[usize::from(*number)]).collect(),
    }
}

/// A test of the digits of a number, which need not be written for that. The part has digits only, and no more than a
/// number can have.
#[derive(Clone, Copy, Debug)]
struct Decimal {
    relation: Relation,
    wanted: u64,
    /// Ten to the power of the part's digits, where that fits.
    power: Option<u64>,
    leads_with_zero: bool,
    part_len: u32,
    /// The digits of all numbers, where zeros stand in front to make them equal; otherwise 0.
    width: u32,
}

impl Decimal {
    fn new(relation: Relation, part: &[u8]) -> Decimal {
        Decimal::padded(relation, part, 0)
    }

    fn padded(relation: Relation, part: &[u8], width: usize) -> Decimal {
        let digit = |sum: u64, digit: &u8| sum.wrapping_mul(10).wrapping_add(u64::from(digit.wrapping_sub(b'0')));
        Decimal {
            relation,
            wanted: part.iter().fold(0, digit),
            power: 10u64.checked_pow(part.len() as u32),
            leads_with_zero: part.first() == Some(&b'0'),
            part_len: part.len() as u32,
            width: width as u32,
        }
    }

    #[inline]
    fn passes(&self, number: u64) -> bool {
        if self.width > 0 {
            return self.passes_padded(number);
        }
        match self.relation {
            Relation::Equal => number == self.wanted && (!self.leads_with_zero || self.part_len == 1),
            Relation::EndsWith => self.ends(number),
            Relation::StartsWith => {
                let mut front = number;
                while self.power.is_some_and(|power| front >= power) {
                    front /= 10;
                }
                front == self.wanted && (!self.leads_with_zero || (self.part_len == 1 && number == 0))
            }
            Relation::Contains => {
                let mut front = number;
                loop {
                    if self.ends(front) {
                        return true;
                    }
                    front /= 10;
                    if front == 0 {
                        return false;
                    }
                }
            }
        }
    }

    /// Whether a number ends with the part, and has at least as many digits: `7` does not end with `07`.
    #[inline]
    fn ends(&self, number: u64) -> bool {
        match self.power {
            Some(power) => {
                let rest =
                    if (number | power) >> 32 == 0 { u64::from(number as u32 % power as u32) } else { number % power };
                rest == self.wanted && (number >= power / 10 || self.part_len == 1) && (number > 0 || self.wanted == 0)
            }
            None => number == self.wanted && !self.leads_with_zero,
        }
    }

    fn passes_padded(&self, number: u64) -> bool {
        let (Some(power), Some(left)) = (self.power, self.width.checked_sub(self.part_len)) else { return false };
        match self.relation {
            Relation::Equal => left == 0 && number == self.wanted,
            Relation::EndsWith => number % power == self.wanted,
            Relation::StartsWith => 10u64.checked_pow(left).is_some_and(|behind| number / behind == self.wanted),
            Relation::Contains => {
                let mut front = number;
                for _ in 0..=left {
                    if front % power == self.wanted {
                        return true;
                    }
                    front /= 10;
                }
                false
            }
        }
    }
}

fn of_integers(integers: &Integers<'_>, test: &Decimal) -> Vec<bool> {
    let (least, above) = match integers {
        Integers::Running(numbers) => return numbers.iter().map(|number| test.passes(*number)).collect(),
        Integers::Above(least, above) => (*least, above),
    };
    match &above.planes[..] {
        [] => vec![test.passes(least); above.count],
        _ if test.relation == Relation::Equal => match test.wanted.checked_sub(least) {
            Some(distance) if test.passes(test.wanted) => equal(above, distance),
            _ => vec![false; above.count],
        },
        [Plane::Bytes(bytes)] => {
            let mut table = [false; 256];
            (0u64..).zip(&mut table).for_each(|(number, passes)| *passes = test.passes(least.wrapping_add(number)));
            bytes.iter().map(|byte| table[usize::from(*byte)]).collect()
        }
        _ => above.all::<u64>().iter().map(|number| test.passes(least.wrapping_add(*number))).collect(),
    }
}

/// Which of the numbers are this one, plane by plane.
fn equal(numbers: &Numbers<'_>, wanted: u64) -> Vec<bool> {
    let fits = numbers.planes.len() >= 8 || wanted >> (8 * numbers.planes.len()) == 0;
    let mut passes = vec![fits; numbers.count];
    for (index, plane) in numbers.planes.iter().enumerate() {
        let byte = (wanted >> (8 * index)) as u8;
        match plane {
            Plane::Constant(constant) if *constant == byte => {}
            Plane::Constant(_) => passes.fill(false),
            Plane::Bytes(bytes) => {
                passes.iter_mut().zip(&bytes[..]).for_each(|(passes, other)| *passes &= *other == byte)
            }
        }
    }
    passes
}

/// Digits below which a part is looked for in the text: two bytes of it would not tell much.
const HEX_PART_MIN: usize = 4;

fn of_hex(packed: &[u8], value_len: usize, is_upper: bool, relation: Relation, part: &[u8]) -> Vec<bool> {
    let value_bytes = value_len.div_ceil(2);
    if relation != Relation::Contains || part.len() < HEX_PART_MIN || value_len % 2 == 1 {
        return of_equal_lengths(&hex_text(packed, value_len, is_upper), value_len, relation, part);
    }
    let mut passes = vec![false; packed.len() / value_bytes];
    let nibble = |digit: u8| if digit <= b'9' { digit - b'0' } else { (digit | 0x20) - b'a' + 10 };
    let nibble_at =
        |place: usize| packed.get(place / 2).map(|byte| if place.is_multiple_of(2) { byte >> 4 } else { byte & 15 });
    // it begins with a byte's first digit, or with its second
    for skipped in 0..2 {
        let bytes: Vec<u8> =
            part[skipped..].chunks_exact(2).map(|pair| nibble(pair[0]) << 4 | nibble(pair[1])).collect();
        let finder = Finder::new(&bytes);
        let mut at = 0;
        while let Some(offset) = finder.find(&packed[at..]) {
            let found = at + offset;
            at = found + 1;
            let Some(first) = (2 * found).checked_sub(skipped) else { continue };
            let value = first / 2 / value_bytes;
            let fits = first + part.len() <= 2 * value_bytes * (value + 1);
            if fits && part.iter().enumerate().all(|(place, digit)| nibble_at(first + place) == Some(nibble(*digit))) {
                passes[value] = true;
            }
        }
    }
    passes
}

/// Of values that have one length and lie one after another.
fn of_equal_lengths(text: &[u8], length: usize, relation: Relation, part: &[u8]) -> Vec<bool> {
    if relation != Relation::Contains {
        return text.chunks_exact(length).map(|value| holds(value, relation, part)).collect();
    }
    let mut passes = vec![false; text.len() / length];
    each_within(text, part, |start| (start / length, (start / length + 1) * length), |place| passes[place] = true);
    passes
}

fn of_texts(text: &[u8], bounds: &[u32], relation: Relation, part: &[u8]) -> Vec<bool> {
    if relation != Relation::Contains {
        let value = |bounds: &[u32]| &text[bounds[0] as usize..bounds[1] as usize];
        return bounds.windows(2).map(|bounds| holds(value(bounds), relation, part)).collect();
    }
    let mut passes = vec![false; bounds.len() - 1];
    let place_of = |start: usize| {
        let place = bounds.partition_point(|bound| *bound as usize <= start) - 1;
        (place, bounds[place + 1] as usize)
    };
    each_within(text, part, place_of, |place| passes[place] = true);
    passes
}

/// Calls `found` with each value that has the part, by one search over all; `place_of` gives which value a byte belongs to,
/// and where that ends.
fn each_within(text: &[u8], part: &[u8], place_of: impl Fn(usize) -> (usize, usize), mut found: impl FnMut(usize)) {
    let finder = Finder::new(part);
    let mut at = 0;
    while let Some(offset) = finder.find(&text[at..]) {
        let start = at + offset;
        let (place, end) = place_of(start);
        if start + part.len() <= end {
            found(place);
            at = end;
        } else {
            at = start + 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::store::block::columns::passing::{Decimal, holds, of_equal_lengths, of_hex};
    use crate::store::block::columns::plan::Relation;
    use crate::store::block::columns::values::hex_text;

    const RELATIONS: [Relation; 4] = [Relation::Equal, Relation::StartsWith, Relation::EndsWith, Relation::Contains];

    proptest! {
        #[test]
        fn numbers_are_compared_as_their_digits_are(
            numbers in proptest::collection::vec(prop_oneof![0u64..200, any::<u64>().prop_map(|number| number % 10_000_000_000_000_000_000)], 1..30),
            from in 0usize..19, length in 1usize..19, made_up in proptest::option::of("[0-9]{1,19}"), width in 1usize..19,
        ) {
            let digits = numbers[0].to_string();
            let from = from % digits.len();
            let cut = digits[from..digits.len().min(from + length)].to_owned();
            let part = made_up.unwrap_or(cut);
            for relation in RELATIONS {
                for number in &numbers {
                    let wanted = holds(number.to_string().as_bytes(), relation, part.as_bytes());
                    let test = Decimal::new(relation, part.as_bytes());
                    prop_assert_eq!(test.passes(*number), wanted, "{:?} {} {}", relation, part, number);
                    let number = number % 10u64.pow(width as u32);
                    if part.len() <= width {
                        let wanted = holds(format!("{number:0width$}").as_bytes(), relation, part.as_bytes());
                        let test = Decimal::padded(relation, part.as_bytes(), width);
                        prop_assert_eq!(test.passes(number), wanted, "{:?} {} {} {}", relation, part, number, width);
                    }
                }
            }
        }

        #[test]
        fn packed_digits_are_searched_as_their_text_is(
            packed in proptest::collection::vec(prop_oneof![any::<u8>(), Just(0x11)], 1..60), value_bytes in 1usize..9,
            from in 0usize..120, length in 1usize..18, is_odd in any::<bool>(), is_upper in any::<bool>(),
        ) {
            let packed = &packed[..packed.len() / value_bytes * value_bytes];
            let value_len = 2 * value_bytes - usize::from(is_odd);
            let text = hex_text(packed, value_len, is_upper);
            prop_assume!(!text.is_empty());
            let from = from % text.len();
            let part = &text[from..text.len().min(from + length)];
            for relation in RELATIONS {
                let wanted: Vec<bool> = text.chunks(value_len).map(|value| holds(value, relation, part)).collect();
                prop_assert_eq!(of_hex(packed, value_len, is_upper, relation, part), wanted.clone());
                prop_assert_eq!(of_equal_lengths(&text, value_len, relation, part), wanted);
            }
        }
    }
}
