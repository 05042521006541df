//! The values of a column, decoded.

use crate::store::block::Codec;
use crate::store::block::bytes::{Malformed, Reader, unzigzag};
use crate::store::block::columns::column::{Encoding, Entry};
use crate::store::block::columns::directory::{Columns, OpenColumn};
use crate::store::block::columns::sink::{SLACK, Sink};
use crate::store::words::UUID_LEN;

const UUID_BYTES: usize = 16;
/// Far above what is ever written.
const HEX_DIGITS_MAX: usize = 1 << 20;
/// Bytes of a UUID before which a dash stands.
const DASHES: [usize; 4] = [4, 6, 8, 10];

/// What a reader says that looks for a value which is not there.
pub(crate) const TOO_FEW: Malformed = Malformed("a column has fewer values than rows need");

/// All values of a column.
#[derive(Clone, Debug, Default)]
pub(crate) struct Values {
    /// The values one after another, and `SLACK` bytes; of a clock there are none.
    pub(crate) data: Vec<u8>,
    /// Where the first begins and where each ends.
    pub(crate) bounds: Vec<u32>,
    pub(crate) distances: Vec<i64>,
}

impl Values {
    /// The number of values; of a clock it is 0.
    pub(crate) fn len(&self) -> usize {
        self.bounds.len().saturating_sub(1)
    }

    /// Where a value lies.
    pub(crate) fn bounds(&self, place: usize) -> Option<(usize, usize)> {
        let bounds = self.bounds.get(place..place + 2)?;
        Some((bounds[0] as usize, bounds[1] as usize))
    }

    /// All values one after another.
    pub(crate) fn text(&self) -> &[u8] {
        &self.data[..self.bounds.last().map_or(0, |end| *end as usize)]
    }
}

/// Values that come one by one.
struct Gathered {
    sink: Sink,
    bounds: Vec<u32>,
    bytes_max: usize,
}

impl Gathered {
    fn new(count: usize, capacity: usize, bytes_max: usize) -> Gathered {
        let mut bounds = Vec::with_capacity(count + 1);
        bounds.push(0);
        Gathered { sink: Sink::with_capacity(capacity.min(bytes_max)), bounds, bytes_max }
    }

    /// Ends a value.
    fn end(&mut self) -> Result<(), Malformed> {
        self.bounds.push(self.sink.len() as u32);
        let fits = self.sink.len() <= self.bytes_max;
        if fits { Ok(()) } else { Err(Malformed("a column is longer than the block's text")) }
    }

    fn finish(self) -> Values {
        Values { data: self.sink.into_padded(), bounds: self.bounds, distances: Vec::new() }
    }
}

impl Columns {
    /// Decodes a column.
    pub(crate) fn values(&self, column: &OpenColumn, codec: &mut Codec) -> Result<Values, Malformed> {
        let entry = &column.entry;
        let mut reader = Reader::new(&self.body[column.section.clone()]);
        let reader = &mut reader;
        let gathered = Gathered::new(entry.count, entry.count * entry.len_max, self.text_bytes);
        match entry.encoding {
            Encoding::Clock => {
                let distances = codec.take_wide_numbers(reader, entry.count)?.into_iter().map(unzigzag).collect();
                Ok(Values { distances, ..Values::default() })
            }
            Encoding::Integer | Encoding::Padded => {
                let width = if entry.encoding == Encoding::Padded { entry.len_min } else { 1 };
                decimals(&self.integers(column, codec)?, width, gathered)
            }
            Encoding::Hex => hexadecimal(entry, reader, codec, gathered),
            Encoding::Uuid => uuids(entry.count, reader, codec, gathered),
            Encoding::Small => texts(self.small(column), gathered),
            Encoding::Dictionary => {
                let known: Vec<&[u8]> = self.small(column).collect();
                let numbers = codec.take(reader, entry.count)?;
                if numbers.iter().any(|number| usize::from(*number) >= known.len()) {
                    return Err(Malformed("a value is not in the dictionary"));
                }
                texts(numbers.into_iter().map(|number| known[usize::from(number)]), gathered)
            }
            Encoding::Text => {
                if entry.extra > self.text_bytes {
                    return Err(Malformed("a column is longer than the block's text"));
                }
                let (mut end, mut bounds) = (0u32, vec![0]);
                for length in codec.take_numbers(reader, entry.count)? {
                    end = end.checked_add(length).ok_or(Malformed("the lengths of values add up to too much"))?;
                    bounds.push(end);
                }
                let mut data = codec.take(reader, entry.extra)?;
                if end as usize != data.len() {
                    return Err(Malformed("the lengths of values do not add up"));
                }
                data.extend_from_slice(&[0; SLACK]);
                Ok(Values { data, bounds, distances: Vec::new() })
            }
        }
    }

    /// The values of a small column, or the dictionary of one.
    pub(crate) fn small(&self, column: &OpenColumn) -> impl Iterator<Item = &[u8]> {
        let mut reader = Reader::new(&self.directory[column.tail.clone()]);
        // they were walked over when the directory was decoded
        std::iter::from_fn(move || {
            let length = reader.varint().ok()?;
            reader.take(length as usize).ok()
        })
    }

    /// The numbers of a column of integers.
    pub(crate) fn integers(&self, column: &OpenColumn, codec: &mut Codec) -> Result<Vec<u64>, Malformed> {
        let mut reader = Reader::new(&self.body[column.section.clone()]);
        let head = reader.varint()?;
        let (least, are_distances) = (head >> 1, head & 1 == 1);
        let mut numbers = codec.take_wide_numbers(&mut reader, column.entry.count)?;
        let mut last = least;
        for number in &mut numbers {
            *number = match are_distances {
                true => last.wrapping_add(unzigzag(*number) as u64),
                false => least.wrapping_add(*number),
            };
            last = *number;
        }
        Ok(numbers)
    }
}

fn decimals(numbers: &[u64], width: usize, mut gathered: Gathered) -> Result<Values, Malformed> {
    for number in numbers {
        gathered.sink.put_decimal(*number, width);
        gathered.end()?;
    }
    Ok(gathered.finish())
}

fn texts<'t>(texts: impl Iterator<Item = &'t [u8]>, mut gathered: Gathered) -> Result<Values, Malformed> {
    for text in texts {
        gathered.sink.put(text, 0, text.len());
        gathered.end()?;
    }
    Ok(gathered.finish())
}

fn hexadecimal(
    entry: &Entry,
    reader: &mut Reader<'_>,
    codec: &mut Codec,
    mut gathered: Gathered,
) -> Result<Values, Malformed> {
    let digits = if entry.extra == 0 { b"0123456789abcdef" } else { b"0123456789ABCDEF" };
    let packed_len = entry.len_min.div_ceil(2);
    if packed_len == 0 || packed_len > HEX_DIGITS_MAX {
        return Err(Malformed("a hexadecimal column has values of no or of too many digits"));
    }
    let mut text = vec![0; 2 * packed_len + SLACK];
    for packed in codec.take(reader, packed_len * entry.count)?.chunks_exact(packed_len) {
        for (pair, byte) in text.chunks_exact_mut(2).zip(packed) {
            pair[0] = digits[usize::from(byte >> 4)];
            pair[1] = digits[usize::from(byte & 15)];
        }
        gathered.sink.put(&text, 0, entry.len_min);
        gathered.end()?;
    }
    Ok(gathered.finish())
}

fn uuids(
    count: usize,
    reader: &mut Reader<'_>,
    codec: &mut Codec,
    mut gathered: Gathered,
) -> Result<Values, Malformed> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [b'-'; UUID_LEN];
    for packed in codec.take(reader, UUID_BYTES * count)?.chunks_exact(UUID_BYTES) {
        let mut at = 0;
        for (place, byte) in packed.iter().enumerate() {
            at += usize::from(DASHES.contains(&place));
            text[at] = DIGITS[usize::from(byte >> 4)];
            text[at + 1] = DIGITS[usize::from(byte & 15)];
            at += 2;
        }
        gathered.sink.put(&text, 0, UUID_LEN);
        gathered.end()?;
    }
    Ok(gathered.finish())
}
