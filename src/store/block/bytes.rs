//! Numbers and texts as bytes: varints, bit packing, byte planes, and a reader that never runs over the end.

use std::ops::ControlFlow;

/// Why bytes cannot be read: the text names what was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Malformed(pub(crate) &'static str);

/// Appends `value` in 7-bit groups, low ones first.
pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Maps signed numbers of small size to small unsigned ones.
pub(crate) fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

pub(crate) fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// Appends a length and the bytes.
pub(crate) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_varint(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// Reads from the front of a slice; every step is checked against the end.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'b> {
    rest: &'b [u8],
}

impl<'b> Reader<'b> {
    pub(crate) fn new(bytes: &'b [u8]) -> Reader<'b> {
        Reader { rest: bytes }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Bytes that were not read yet.
    #[inline]
    pub(crate) fn left(&self) -> usize {
        self.rest.len()
    }

    #[inline]
    pub(crate) fn take(&mut self, count: usize) -> Result<&'b [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Malformed("the bytes end too early"))?;
        self.rest = rest;
        Ok(taken)
    }

    #[inline]
    pub(crate) fn byte(&mut self) -> Result<u8, Malformed> {
        Ok(self.take(1)?[0])
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Malformed> {
        let bytes = self.take(4)?;
        Ok(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Malformed> {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(self.take(8)?);
        Ok(u64::from_le_bytes(bytes))
    }

    #[inline]
    pub(crate) fn varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Malformed("a number is too long"))
    }

    /// A varint that counts something of which there are at most `max`.
    #[inline]
    pub(crate) fn count(&mut self, max: usize) -> Result<usize, Malformed> {
        let value = self.varint()?;
        usize::try_from(value).ok().filter(|count| *count <= max).ok_or(Malformed("a count is too large"))
    }

    pub(crate) fn text(&mut self) -> Result<&'b str, Malformed> {
        let length = self.count(self.rest.len())?;
        std::str::from_utf8(self.take(length)?).map_err(|_| Malformed("a text is not UTF-8"))
    }
}

/// How many bits the largest of the values needs.
pub(crate) fn width_of(values: impl Iterator<Item = u64>) -> u32 {
    64 - values.fold(0, |all, value| all | value).leading_zeros()
}

/// Appends the low `width` bits of each value, without gaps, and fills up the last byte.
pub(crate) fn pack_bits(out: &mut Vec<u8>, width: u32, values: impl Iterator<Item = u64>) {
    let (mut pending, mut pending_bits) = (0u128, 0);
    for value in values {
        pending |= u128::from(value) << pending_bits;
        pending_bits += width;
        while pending_bits >= 8 {
            out.push(pending as u8);
            pending >>= 8;
            pending_bits -= 8;
        }
    }
    if pending_bits > 0 {
        out.push(pending as u8);
    }
}

/// How many bytes `count` values of `width` bits take.
pub(crate) fn packed_len(width: u32, count: usize) -> usize {
    (width as usize * count).div_ceil(8)
}

/// Reads `count` values of `width` bits; `packed` has at least `packed_len(width, count)` bytes.
#[inline]
pub(crate) fn unpack_bits(packed: &[u8], width: u32, count: usize, mut each: impl FnMut(u64)) {
    let _ = try_unpack_bits(packed, width, count, |value| {
        each(value);
        ControlFlow::Continue(())
    });
}

/// The same, until `each` breaks.
#[inline]
pub(crate) fn try_unpack_bits(
    packed: &[u8],
    width: u32,
    count: usize,
    mut each: impl FnMut(u64) -> ControlFlow<()>,
) -> ControlFlow<()> {
    // a value of up to 57 bits lies within eight bytes, wherever in its first byte it begins
    const WIDTH_FAST_MAX: u32 = 57;
    let mask = if width == 64 { u64::MAX } else { (1 << width) - 1 };
    let mut place = 0;
    if width <= WIDTH_FAST_MAX {
        while place < count {
            let bit = place * width as usize;
            let Some(bytes) = packed.get(bit / 8..).and_then(|rest| rest.first_chunk()) else { break };
            each(u64::from_le_bytes(*bytes) >> (bit % 8) & mask)?;
            place += 1;
        }
    }
    for place in place..count {
        let bit = place * width as usize;
        let bytes = packed[bit / 8..].iter().take(9).rev();
        let wide = bytes.fold(0u128, |wide, byte| wide << 8 | u128::from(*byte));
        each((wide >> (bit % 8)) as u64 & mask)?;
    }
    ControlFlow::Continue(())
}

#[cfg(test)]
mod tests {
    use crate::store::block::bytes::{
        Malformed, Reader, pack_bits, packed_len, put_varint, unpack_bits, unzigzag, width_of, zigzag,
    };

    #[test]
    fn varints_and_zigzag_come_back() {
        for value in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            let mut out = Vec::new();
            put_varint(&mut out, value);
            let mut reader = Reader::new(&out);
            assert_eq!(reader.varint(), Ok(value));
            assert!(reader.is_empty());
        }
        for value in [0, -1, 1, i64::MIN, i64::MAX] {
            assert_eq!(unzigzag(zigzag(value)), value);
        }
    }

    #[test]
    fn a_cut_varint_is_an_error_and_so_is_an_endless_one() {
        assert_eq!(Reader::new(&[0x80]).varint(), Err(Malformed("the bytes end too early")));
        assert_eq!(Reader::new(&[0xff; 11]).varint(), Err(Malformed("a number is too long")));
    }

    #[test]
    fn packed_bits_come_back_at_every_width() {
        for width in 0..=64 {
            let mask = if width == 64 { u64::MAX } else { (1u64 << width) - 1 };
            let values: Vec<u64> = (0..133u64).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15) & mask).collect();
            let mut out = Vec::new();
            pack_bits(&mut out, width, values.iter().copied());
            assert_eq!(out.len(), packed_len(width, values.len()));
            let mut back = Vec::new();
            unpack_bits(&out, width, values.len(), |value| back.push(value));
            assert_eq!(back, values);
            assert!(width_of(values.iter().copied()) <= width);
        }
    }
}
