//! The values of a column: single ones are written where they belong, without decoding the others more than it takes.

use std::borrow::Cow;

use crate::store::block::Codec;
use crate::store::block::bytes::{Malformed, Reader, unzigzag};
use crate::store::block::columns::clock::Style;
use crate::store::block::columns::column::Encoding;
use crate::store::block::columns::directory::{Columns, OpenColumn};
use crate::store::block::columns::sink::Sink;
use crate::store::block::planes::{Numbers, Plane};

pub(crate) const UUID_BYTES: usize = 16;
/// Far above what is ever written.
const HEX_DIGITS_MAX: usize = 1 << 20;
/// Bytes of a UUID before which a dash stands.
const DASHES: [usize; 4] = [4, 6, 8, 10];

/// What a reader says that looks for a value which is not there.
pub(crate) const TOO_FEW: Malformed = Malformed("a column has fewer values than rows need");

/// The two digits of each byte, in lower case and in upper case.
static HEX: [[[u8; 2]; 256]; 2] = [hex_pairs(*b"0123456789abcdef"), hex_pairs(*b"0123456789ABCDEF")];

const fn hex_pairs(digits: [u8; 16]) -> [[u8; 2]; 256] {
    let mut pairs = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        pairs[byte] = [digits[byte >> 4], digits[byte & 15]];
        byte += 1;
    }
    pairs
}

/// All values of a column, ready to be read one by one.
#[derive(Debug)]
pub(crate) enum Values<'c> {
    /// Numbers above the least one, with at least so many digits.
    Integers {
        least: u64,
        above: Numbers<'c>,
        width: usize,
    },
    /// The same, stored as distances, and added up.
    Running {
        numbers: Vec<u64>,
        width: usize,
    },
    /// Hexadecimal digits, each value in bytes of its own.
    Hex {
        packed: Cow<'c, [u8]>,
        value_len: usize,
        is_upper: bool,
    },
    Uuids {
        packed: Cow<'c, [u8]>,
    },
    /// Places in the directory of few values, and which of them is whose; `None` where each has its own.
    Listed {
        bounds: Vec<(u32, u32)>,
        numbers: Option<Plane<'c>>,
    },
    /// Texts, and where each ends.
    Texts {
        data: Vec<u8>,
        bounds: Vec<u32>,
    },
    /// Distances from the entry's time.
    Clock {
        style: Style,
        distances: Numbers<'c>,
    },
}

impl<'b> Columns<'b> {
    /// Makes a column ready to be read.
    pub(crate) fn values(&self, column: &OpenColumn, codec: &mut Codec) -> Result<Values<'b>, Malformed> {
        let entry = &column.entry;
        let mut reader = self.section(column);
        Ok(match entry.encoding {
            Encoding::Clock => {
                let style = entry.kind.as_clock().ok_or(TOO_FEW)?;
                Values::Clock { style, distances: Numbers::take(&mut reader, entry.count, 8, codec)? }
            }
            Encoding::Integer | Encoding::Padded => {
                let width = if entry.encoding == Encoding::Padded { entry.len_min } else { 1 };
                match self.integers(column, codec)? {
                    Integers::Above(least, above) => Values::Integers { least, above, width },
                    Integers::Running(numbers) => Values::Running { numbers, width },
                }
            }
            Encoding::Hex => {
                let value_len = entry.len_min;
                if value_len == 0 || value_len > HEX_DIGITS_MAX {
                    return Err(Malformed("a hexadecimal column has values of no or of too many digits"));
                }
                let packed = bytes(&mut reader, value_len.div_ceil(2) * entry.count, codec)?;
                Values::Hex { packed, value_len, is_upper: entry.extra != 0 }
            }
            Encoding::Uuid => Values::Uuids { packed: bytes(&mut reader, UUID_BYTES * entry.count, codec)? },
            Encoding::Small => Values::Listed { bounds: self.listed(column), numbers: None },
            Encoding::Dictionary => {
                let numbers = codec.take_plane(&mut reader, entry.count)?;
                Values::Listed { bounds: self.listed(column), numbers: Some(numbers) }
            }
            Encoding::Text => {
                if entry.extra > self.text_bytes {
                    return Err(Malformed("a column is longer than the block's text"));
                }
                let mut bounds = Vec::with_capacity(entry.count + 1);
                let mut end = 0u32;
                bounds.push(0);
                for length in codec.take_numbers(&mut reader, entry.count)? {
                    end = end.checked_add(length).ok_or(Malformed("the lengths of values add up to too much"))?;
                    bounds.push(end);
                }
                let data = codec.take(&mut reader, entry.extra)?;
                if end as usize != data.len() {
                    return Err(Malformed("the lengths of values do not add up"));
                }
                Values::Texts { data, bounds }
            }
        })
    }

    /// Where the values of a small column lie, or the dictionary of one.
    fn listed(&self, column: &OpenColumn) -> Vec<(u32, u32)> {
        let mut reader = Reader::new(&self.directory[column.tail.clone()]);
        let mut bounds = Vec::new();
        // they were walked over when the directory was decoded
        while let Ok(length) = reader.varint() {
            let start = column.tail.end - reader.left();
            if reader.take(length as usize).is_err() {
                break;
            }
            bounds.push((start as u32, start as u32 + length as u32));
        }
        bounds
    }

    /// The numbers of a column of integers.
    pub(crate) fn integers(&self, column: &OpenColumn, codec: &mut Codec) -> Result<Integers<'b>, Malformed> {
        let mut reader = self.section(column);
        let head = reader.varint()?;
        let (least, are_distances) = (head >> 1, head & 1 == 1);
        let numbers = Numbers::take(&mut reader, column.entry.count, 8, codec)?;
        if !are_distances {
            return Ok(Integers::Above(least, numbers));
        }
        let mut numbers: Vec<u64> = numbers.all();
        let mut last = least;
        for number in &mut numbers {
            last = last.wrapping_add(unzigzag(*number) as u64);
            *number = last;
        }
        Ok(Integers::Running(numbers))
    }
}

/// Numbers of a column, as they are stored.
pub(crate) enum Integers<'c> {
    /// The least, and how much each is above it.
    Above(u64, Numbers<'c>),
    Running(Vec<u64>),
}

fn bytes<'b>(reader: &mut Reader<'b>, count: usize, codec: &mut Codec) -> Result<Cow<'b, [u8]>, Malformed> {
    Ok(match codec.take_plane(reader, count)? {
        Plane::Bytes(bytes) => bytes,
        Plane::Constant(byte) => Cow::Owned(vec![byte; count]),
    })
}

impl Values<'_> {
    /// Appends one of the values. A clock has none that could be told without its entry's time.
    pub(crate) fn write(&self, place: usize, directory: &[u8], out: &mut Sink) -> Result<(), Malformed> {
        match self {
            Values::Integers { least, above, width } => {
                out.put_decimal(least.wrapping_add(above.get(place).ok_or(TOO_FEW)?), *width);
            }
            Values::Running { numbers, width } => out.put_decimal(*numbers.get(place).ok_or(TOO_FEW)?, *width),
            Values::Hex { packed, value_len, is_upper } => {
                let packed_len = value_len.div_ceil(2);
                let value = packed.get(place * packed_len..(place + 1) * packed_len).ok_or(TOO_FEW)?;
                out.put_pairs(value, &HEX[usize::from(*is_upper)], *value_len);
            }
            Values::Uuids { packed } => {
                let value = packed.get(place * UUID_BYTES..(place + 1) * UUID_BYTES).ok_or(TOO_FEW)?;
                put_uuid(value, out);
            }
            Values::Listed { bounds, numbers } => {
                let number = match numbers {
                    None => place,
                    Some(numbers) => usize::from(numbers.get(place).ok_or(TOO_FEW)?),
                };
                let (start, end) = *bounds.get(number).ok_or(Malformed("a value is not in the dictionary"))?;
                out.put(directory, start as usize, end as usize);
            }
            Values::Texts { data, bounds } => {
                let bounds = bounds.get(place..place + 2).ok_or(TOO_FEW)?;
                out.put(data, bounds[0] as usize, bounds[1] as usize);
            }
            Values::Clock { .. } => return Err(TOO_FEW),
        }
        Ok(())
    }
}

/// Appends the text of a UUID.
pub(crate) fn put_uuid(value: &[u8], out: &mut Sink) {
    let mut start = 0;
    for end in DASHES.into_iter().chain([UUID_BYTES]) {
        if start > 0 {
            out.push(b'-');
        }
        out.put_pairs(&value[start..end], &HEX[0], 2 * (end - start));
        start = end;
    }
}

/// The texts of hexadecimal values, one after another.
pub(crate) fn hex_text(packed: &[u8], value_len: usize, is_upper: bool) -> Vec<u8> {
    let mut text = Vec::with_capacity(2 * packed.len());
    for value in packed.chunks_exact(value_len.div_ceil(2)) {
        value.iter().for_each(|byte| text.extend_from_slice(&HEX[usize::from(is_upper)][usize::from(*byte)]));
        if value_len % 2 == 1 {
            text.pop();
        }
    }
    text
}
