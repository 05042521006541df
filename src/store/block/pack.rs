//! Compressed sections: byte strings behind one byte that says how they are stored, and columns of numbers as planes.

use zstd::bulk::{Compressor, Decompressor};

use crate::store::block::bytes::{Malformed, Reader, put_varint};

/// The level for everything: on log lines of one stream, higher ones cost much and gain little.
const ZSTD_LEVEL: i32 = 1;

const RAW: u8 = 0;
const ZSTD: u8 = 1;
/// One byte that stands for all.
const CONSTANT: u8 = 2;

/// Keeps the compressor's and decompressor's memory between blocks.
pub(crate) struct Codec {
    compressor: Compressor<'static>,
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
            decompressor: Decompressor::new().expect("a decompressor without dictionary cannot fail"),
        }
    }

    /// Appends `bytes` in whichever form is smallest: form byte, stored length (not for constants), bytes.
    pub(crate) fn put(&mut self, out: &mut Vec<u8>, bytes: &[u8]) {
        match bytes {
            [] => {}
            [first, rest @ ..] if rest.iter().all(|byte| byte == first) => out.extend_from_slice(&[CONSTANT, *first]),
            _ => {
                let packed = self.compressor.compress(bytes).unwrap_or_default();
                let (form, stored) =
                    if !packed.is_empty() && packed.len() < bytes.len() { (ZSTD, &packed[..]) } else { (RAW, bytes) };
                out.push(form);
                put_varint(out, stored.len() as u64);
                out.extend_from_slice(stored);
            }
        }
    }

    /// Reads back `count` bytes that `put` wrote.
    pub(crate) fn take(&mut self, reader: &mut Reader<'_>, count: usize) -> Result<Vec<u8>, Malformed> {
        if count == 0 {
            return Ok(Vec::new());
        }
        let form = reader.byte()?;
        if form == CONSTANT {
            return Ok(vec![reader.byte()?; count]);
        }
        let stored_len = usize::try_from(reader.varint()?).map_err(|_| Malformed("a section is too long"))?;
        let stored = reader.take(stored_len)?;
        let bytes = match form {
            RAW => stored.to_vec(),
            ZSTD => {
                self.decompressor.decompress(stored, count).map_err(|_| Malformed("a section does not decompress"))?
            }
            _ => return Err(Malformed("a section has an unknown form")),
        };
        if bytes.len() == count { Ok(bytes) } else { Err(Malformed("a section has another length than it should")) }
    }

    /// Appends numbers: how many bytes the largest needs, then all lowest bytes, all second bytes, and so on.
    pub(crate) fn put_numbers(&mut self, out: &mut Vec<u8>, numbers: &[u32]) {
        let all = numbers.iter().fold(0, |all, number| all | number);
        let plane_count = 4 - all.leading_zeros() / 8;
        out.push(plane_count as u8);
        for plane in 0..plane_count {
            let bytes: Vec<u8> = numbers.iter().map(|number| (number >> (8 * plane)) as u8).collect();
            self.put(out, &bytes);
        }
    }

    /// Reads back `count` numbers.
    pub(crate) fn take_numbers(&mut self, reader: &mut Reader<'_>, count: usize) -> Result<Vec<u32>, Malformed> {
        let plane_count = reader.byte()?;
        if plane_count > 4 {
            return Err(Malformed("a number has more than four bytes"));
        }
        let mut numbers = vec![0u32; count];
        for plane in 0..plane_count {
            for (number, byte) in numbers.iter_mut().zip(self.take(reader, count)?) {
                *number |= u32::from(byte) << (8 * plane);
            }
        }
        Ok(numbers)
    }
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
            codec.put_numbers(&mut out, numbers);
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
