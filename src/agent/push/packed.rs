//! Snappy's raw form, written piece by piece, so that a message never stands whole and unpacked in memory.
//!
//! The form (snappy's `format_description.txt`) is the length of what was packed and then elements that refer only to
//! what is before them. Pieces that were packed each by itself therefore follow each other as they are.

use bytes::Bytes;
use snap::raw::{Encoder, max_compress_len};

/// As much is packed at one time: a larger block is cut in such by snappy itself.
pub(in crate::agent::push) const BLOCK_BYTES: usize = 64 << 10;
/// Room for the length before the pieces: snappy's is below 2^32.
const LENGTH_BYTES_MAX: usize = 5;

/// Packs pieces; keeps its memory.
pub(in crate::agent::push) struct Packer {
    encoder: Encoder,
    scratch: Vec<u8>,
}

impl Default for Packer {
    fn default() -> Packer {
        Packer { encoder: Encoder::new(), scratch: Vec::new() }
    }
}

impl std::fmt::Debug for Packer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Packer").finish_non_exhaustive()
    }
}

impl Packer {
    /// Puts the elements for these bytes at the end of `out`.
    pub(in crate::agent::push) fn pack(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        self.scratch.resize(max_compress_len(BLOCK_BYTES), 0);
        for block in bytes.chunks(BLOCK_BYTES) {
            let packed = self.encoder.compress(block, &mut self.scratch);
            let end = packed.unwrap_or_else(|error| unreachable!("there is room for a block: {error}"));
            out.extend_from_slice(&self.scratch[length_of(block.len()).1..end]);
        }
    }
}

/// A message while it is put together.
#[derive(Debug)]
pub(in crate::agent::push) struct Message<'a> {
    packer: &'a mut Packer,
    /// Room for the length, then elements.
    out: Vec<u8>,
    /// What is not packed yet.
    rest: Vec<u8>,
    bytes: usize,
}

impl<'a> Message<'a> {
    pub(in crate::agent::push) fn new(packer: &'a mut Packer) -> Message<'a> {
        Message { packer, out: vec![0; LENGTH_BYTES_MAX], rest: Vec::new(), bytes: 0 }
    }

    /// Adds bytes as they are.
    pub(in crate::agent::push) fn add(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
        if self.rest.len() >= BLOCK_BYTES {
            self.pack_rest();
        }
    }

    /// Adds so many bytes that were packed before.
    pub(in crate::agent::push) fn add_packed(&mut self, packed: &[u8], bytes: usize) {
        if bytes > 0 {
            self.pack_rest();
            self.out.extend_from_slice(packed);
            self.bytes += bytes;
        }
    }

    /// The whole, as it is sent.
    pub(in crate::agent::push) fn finish(mut self) -> Bytes {
        self.pack_rest();
        let (length, size) = length_of(self.bytes);
        let start = LENGTH_BYTES_MAX - size;
        self.out[start..LENGTH_BYTES_MAX].copy_from_slice(&length[..size]);
        self.out.shrink_to_fit();
        Bytes::from(self.out).slice(start..)
    }

    fn pack_rest(&mut self) {
        self.packer.pack(&self.rest, &mut self.out);
        self.bytes += self.rest.len();
        self.rest.clear();
    }
}

/// A length as snappy writes it, seven bits a byte, and how many bytes that takes.
fn length_of(bytes: usize) -> ([u8; LENGTH_BYTES_MAX], usize) {
    let (mut length, mut size, mut left) = ([0; LENGTH_BYTES_MAX], 0, bytes);
    while left >= 0x80 {
        length[size] = left as u8 | 0x80;
        left >>= 7;
        size += 1;
    }
    length[size] = left as u8;
    (length, size + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::agent::push::packed::*;

    proptest! {
        #[test]
        fn pieces_are_one_message(pieces in prop::collection::vec((any::<bool>(), 0_usize..150_000, any::<u8>()), 0..8)) {
            let (mut packer, mut own) = (Packer::default(), Packer::default());
            let mut message = Message::new(&mut packer);
            let mut expected = Vec::new();
            for (is_packed, len, seed) in pieces {
                let piece: Vec<u8> = (0..len).map(|at| (at / 7 * usize::from(seed) % 251) as u8).collect();
                if is_packed {
                    let mut packed = Vec::new();
                    own.pack(&piece, &mut packed);
                    message.add_packed(&packed, piece.len());
                } else {
                    message.add(&piece);
                }
                expected.extend(piece);
            }
            let decoded = snap::raw::Decoder::new().decompress_vec(&message.finish()).unwrap();
            prop_assert!(decoded == expected);
        }
    }
}
