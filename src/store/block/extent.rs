//! How far a block reaches, from its header alone: what finds blocks in a file without an index over it.

use crate::store::block::{HEADER_BYTES, MAGIC, MODE_LINES, SECTION_COUNT, TEXT, VERSION};

/// Bytes of a block, and of its part before the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) lead_len: u64,
    pub(crate) len: u64,
}

/// What a block begins with.
pub(crate) const BLOCK_MAGIC: &[u8] = MAGIC;
/// What `extent` needs to see.
pub(crate) const EXTENT_BYTES: usize = HEADER_BYTES;

/// The extent that a header tells; `None` where no block begins. Only the checksum in the header says whether it is true.
pub(crate) fn extent(header: &[u8]) -> Option<Extent> {
    if header.len() < HEADER_BYTES || !header.starts_with(MAGIC) || header[4] != VERSION {
        return None;
    }
    let length = |section: usize| {
        let at = 20 + 4 * section;
        u64::from(u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]))
    };
    let lead_len = HEADER_BYTES as u64 + (0..TEXT).map(length).sum::<u64>();
    let len = lead_len + (TEXT..SECTION_COUNT).map(length).sum::<u64>();
    Some(Extent { lead_len: if header[5] == MODE_LINES { len } else { lead_len }, len })
}

#[cfg(test)]
mod tests {
    use crate::model::Labels;
    use crate::store::block::extent::{Extent, extent};
    use crate::store::block::{Codec, Content, encode};

    #[test]
    fn the_header_tells_where_lead_and_block_end() {
        let content = Content {
            streams: vec![(7, 2)],
            times: vec![1, 2],
            sets: vec![Labels::default()],
            set_of: vec![0, 0],
            text_lengths: vec![5, 6],
            text: b"hello, world".to_vec()[..11].to_vec(),
        };
        let encoded = encode(&content, &mut Codec::new(), None, false);
        let expected = Extent { lead_len: encoded.lead_len as u64, len: encoded.bytes.len() as u64 };
        assert_eq!(extent(&encoded.bytes), Some(expected));
        assert_eq!(extent(&encoded.bytes[1..]), None);
        assert_eq!(extent(&encoded.bytes[..59]), None);
    }
}
