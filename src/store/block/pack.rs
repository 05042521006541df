//! Compressed sections: byte strings behind one byte that says how they are stored, and columns of numbers as planes.

use std::borrow::Cow;

use zstd::bulk::{Compressor, Decompressor};

use crate::store::block::bytes::{Malformed, Reader, put_varint};
use crate::store::block::planes::{Numbers, Plane};

/// The level for everything: on log lines of one stream, higher ones cost much and gain little.
const ZSTD_LEVEL: i32 = 1;
/// The level for what is small and far from alike.
const ZSTD_LEVEL_SMALL: i32 = 9;
/// The level where there is time.
const ZSTD_LEVEL_THOROUGH: i32 = 19;

const RAW: u8 = 0;
const ZSTD: u8 = 1;
/// One byte that stands for all.
const CONSTANT: u8 = 2;

/// Keeps the compressor's and decompressor's memory between blocks.
pub(crate) struct Codec {
    compressor: Compressor<'static>,
    /// Made when first needed.
    small: Option<Compressor<'static>>,
    /// Memory for what was just packed.
    packed: Vec<u8>,
    /// Memory for one plane of numbers.
    plane: Vec<u8>,
    /// Memory for the lines of a plain text.
    pub(crate) lines: Vec<u8>,
    /// Everything is worth more time.
    is_thorough: bool,
    decompressor: Decompressor<'static>,
}

impl std::fmt::Debug for Codec {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Codec")
    }
}

impl Codec {
    pub(crate) fn new() -> Codec {
        Codec {
            compressor: Compressor::new(ZSTD_LEVEL).expect("the level is a valid one"),
            small: None,
            packed: Vec::new(),
            plane: Vec::new(),
            lines: Vec::new(),
            is_thorough: false,
            decompressor: Decompressor::new().expect("a decompressor without dictionary cannot fail"),
        }
    }

    /// Says whether what is put from now on is worth more time.
    pub(crate) fn set_thorough(&mut self, is_thorough: bool) {
        self.is_thorough = is_thorough;
    }

    /// Appends `bytes` in whichever form is smallest: form byte, stored length (not for constants), bytes.
    pub(crate) fn put(&mut self, out: &mut Vec<u8>, bytes: &[u8]) {
        if self.is_thorough {
            return self.put_at(ZSTD_LEVEL_THOROUGH, out, bytes);
        }
        put(&mut self.compressor, &mut self.packed, out, bytes);
    }

    /// The same for bytes that are worth more time.
    pub(crate) fn put_small(&mut self, out: &mut Vec<u8>, bytes: &[u8]) {
        self.put_at(if self.is_thorough { ZSTD_LEVEL_THOROUGH } else { ZSTD_LEVEL_SMALL }, out, bytes);
    }

    fn put_at(&mut self, level: i32, out: &mut Vec<u8>, bytes: &[u8]) {
        let compressor = self
            .small
            .get_or_insert_with(|| Compressor::new(level).expect("a compressor without dictionary cannot fail"));
        compressor.set_compression_level(level).expect("the level is a valid one");
        put(compressor, &mut self.packed, out, bytes);
    }

    /// Reads back `count` bytes that `put` wrote.
    pub(crate) fn take(&mut self, reader: &mut Reader<'_>, count: usize) -> Result<Vec<u8>, Malformed> {
        Ok(match self.take_plane(reader, count)? {
            Plane::Bytes(bytes) => bytes.into_owned(),
            Plane::Constant(byte) => vec![byte; count],
        })
    }

    /// Like `take`, with zeros behind the bytes.
    pub(crate) fn take_padded(
        &mut self,
        reader: &mut Reader<'_>,
        count: usize,
        zeros: usize,
    ) -> Result<Vec<u8>, Malformed> {
        let mut bytes = Vec::with_capacity(count + zeros);
        let mut frame = reader.clone();
        if count > 0 && frame.byte()? == ZSTD {
            let length = frame.count(frame.left())?;
            let decoded = self.decompressor.decompress_to_buffer(frame.take(length)?, &mut bytes);
            decoded.map_err(|_| Malformed("a section does not decompress"))?;
            *reader = frame;
        } else {
            bytes.extend_from_slice(&self.take(reader, count)?);
        }
        if bytes.len() != count {
            return Err(Malformed("a section has another length than it should"));
        }
        bytes.resize(count + zeros, 0);
        Ok(bytes)
    }

    /// Like `take`, without a copy of what is stored as it is.
    pub(crate) fn take_plane<'b>(&mut self, reader: &mut Reader<'b>, count: usize) -> Result<Plane<'b>, Malformed> {
        if count == 0 {
            return Ok(Plane::Bytes(Cow::Borrowed(&[])));
        }
        let form = reader.byte()?;
        if form == CONSTANT {
            return Ok(Plane::Constant(reader.byte()?));
        }
        let stored_len = usize::try_from(reader.varint()?).map_err(|_| Malformed("a section is too long"))?;
        let stored = reader.take(stored_len)?;
        let bytes = match form {
            RAW => Cow::Borrowed(stored),
            ZSTD => {
                let bytes = self.decompressor.decompress(stored, count);
                Cow::Owned(bytes.map_err(|_| Malformed("a section does not decompress"))?)
            }
            _ => return Err(Malformed("a section has an unknown form")),
        };
        if bytes.len() == count {
            Ok(Plane::Bytes(bytes))
        } else {
            Err(Malformed("a section has another length than it should"))
        }
    }

    /// Passes over what `put` wrote of `count` bytes.
    pub(crate) fn skip(reader: &mut Reader<'_>, count: usize) -> Result<(), Malformed> {
        if count > 0 {
            let length = match reader.byte()? {
                CONSTANT => 1,
                _ => reader.count(reader.left())?,
            };
            reader.take(length)?;
        }
        Ok(())
    }

    /// Like `put`, for bytes that may be noise: those that look so are not even tried to be compressed.
    pub(crate) fn put_plane(&mut self, out: &mut Vec<u8>, bytes: &[u8]) {
        if is_noise(bytes) {
            out.push(RAW);
            put_varint(out, bytes.len() as u64);
            out.extend_from_slice(bytes);
        } else {
            self.put(out, bytes);
        }
    }

    /// Appends numbers: how many bytes the largest needs, then all lowest bytes, all second bytes, and so on.
    pub(crate) fn put_numbers(&mut self, out: &mut Vec<u8>, numbers: &(impl Iterator<Item = u64> + Clone)) {
        let all = numbers.clone().fold(0, |all, number| all | number);
        let plane_count = 8 - all.leading_zeros() / 8;
        out.push(plane_count as u8);
        let mut bytes = std::mem::take(&mut self.plane);
        for plane in 0..plane_count {
            bytes.clear();
            bytes.extend(numbers.clone().map(|number| (number >> (8 * plane)) as u8));
            self.put_plane(out, &bytes);
        }
        self.plane = bytes;
    }

    /// Reads back `count` numbers of at most 32 bits.
    pub(crate) fn take_numbers(&mut self, reader: &mut Reader<'_>, count: usize) -> Result<Vec<u32>, Malformed> {
        Ok(Numbers::take(reader, count, 4, self)?.all())
    }
}

fn put(compressor: &mut Compressor<'_>, packed: &mut Vec<u8>, out: &mut Vec<u8>, bytes: &[u8]) {
    match bytes {
        [] => {}
        [first, rest @ ..] if rest.iter().all(|byte| byte == first) => out.extend_from_slice(&[CONSTANT, *first]),
        _ => {
            packed.clear();
            packed.reserve(zstd::zstd_safe::compress_bound(bytes.len()));
            if compressor.compress_to_buffer(bytes, packed).is_err() {
                packed.clear();
            }
            let (form, stored) =
                if !packed.is_empty() && packed.len() < bytes.len() { (ZSTD, &packed[..]) } else { (RAW, bytes) };
            out.push(form);
            put_varint(out, stored.len() as u64);
            out.extend_from_slice(stored);
        }
    }
}

/// Whether the bytes at the front are so evenly spread that compressing gains nothing: then those behind are too.
fn is_noise(bytes: &[u8]) -> bool {
    const SAMPLE_LEN: usize = 4096;
    if bytes.len() < SAMPLE_LEN / 8 {
        return false;
    }
    let sample = &bytes[..bytes.len().min(SAMPLE_LEN)];
    let mut counts = [0u64; 256];
    sample.iter().for_each(|byte| counts[*byte as usize] += 1);
    let squares: u64 = counts.iter().map(|count| count * count).sum();
    let length = sample.len() as u64;
    // noise has n²/256 + n on average; twelve per cent above that there is something to gain
    squares * 100 < (length * length / 256 + length) * 112
}

#[cfg(test)]
mod tests {
    use crate::store::block::bytes::Reader;
    use crate::store::block::pack::Codec;

    #[test]
    fn sections_and_numbers_come_back_in_every_form() {
        let mut codec = Codec::new();
        let random: Vec<u8> = (0..999u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        for bytes in [&b""[..], b"a", b"aaaaaaaaaaaa", &b"abcabcabcabc".repeat(50)[..], &random] {
            let mut out = Vec::new();
            codec.put(&mut out, bytes);
            assert_eq!(codec.take(&mut Reader::new(&out), bytes.len()).expect("it was just written"), bytes);
        }
        for numbers in [&[][..], &[0, 0, 0], &[1, 2, 300, 4], &[u32::MAX, 0, 70_000]] {
            let mut out = Vec::new();
            codec.put_numbers(&mut out, &numbers.iter().map(|number| u64::from(*number)));
            assert_eq!(codec.take_numbers(&mut Reader::new(&out), numbers.len()).expect("just written"), numbers);
        }
    }

    #[test]
    fn a_frame_that_holds_more_than_it_should_is_an_error() {
        let mut codec = Codec::new();
        let mut out = Vec::new();
        codec.put(&mut out, &b"abcd".repeat(1000));
        assert!(codec.take(&mut Reader::new(&out), 100).is_err());
    }
}
