//! Goes through a blocks file without an index: finds the blocks that can be read, and the bytes between them.
//!
//! Promises: a block that is whole is found whatever lies before it; each is decoded to its last line before it is given.
//! Never: writes; more than a block in memory.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use memchr::memmem;

use crate::store::block::extent::{BLOCK_MAGIC, EXTENT_BYTES, extent};
use crate::store::block::{Codec, Lead};
use crate::store::error::{Error, io_error};
use crate::store::reader::OpenBlock;

/// Read at a time in search of a block.
const WINDOW_BYTES: usize = 1 << 20;
/// A lead beyond this is no lead: a block's text has a mebibyte, and metadata is bounded per entry.
const LEAD_BYTES_MAX: u64 = 1 << 30;

/// What lies next in a blocks file.
pub(crate) enum Piece {
    Block {
        bytes: Range<u64>,
        block: OpenBlock,
    },
    /// Bytes that are no block; `lead` where only the text of one is damaged.
    Lost {
        bytes: Range<u64>,
        lead: Option<Lead>,
    },
    /// Nothing: erased, or never written.
    Zeros(Range<u64>),
}

/// A walk through a blocks file.
pub(crate) struct Salvage {
    path: PathBuf,
    file: File,
    at: u64,
    end: u64,
    /// Parts that are not looked at, in order.
    skipped: Vec<Range<u64>>,
    codec: Codec,
}

impl Salvage {
    /// Begins at the start of a file; what lies in `skipped` is passed over.
    pub(crate) fn open(path: &Path, mut skipped: Vec<Range<u64>>) -> Result<Salvage, Error> {
        let file = File::open(path).map_err(io_error("open", path))?;
        let end = file.metadata().map_err(io_error("look at", path))?.len();
        skipped.sort_by_key(|range| range.start);
        Ok(Salvage { path: path.to_owned(), file, at: 0, end, skipped, codec: Codec::new() })
    }

    /// The next piece, of which `step` takes no note until `pass` is called: what is done with it may fail.
    pub(crate) fn peek(&mut self) -> Result<Option<Piece>, Error> {
        let path = self.path.clone();
        self.try_peek().map_err(io_error("read", &path))
    }

    /// Goes on behind a piece.
    pub(crate) fn pass(&mut self, piece: &Piece) {
        self.at = match piece {
            Piece::Block { bytes, .. } | Piece::Lost { bytes, .. } | Piece::Zeros(bytes) => bytes.end,
        };
    }

    /// The bytes of a piece.
    pub(crate) fn bytes(&self, range: &Range<u64>) -> Result<Vec<u8>, Error> {
        self.read(range.start, range.end - range.start).map_err(io_error("read", &self.path))
    }

    fn try_peek(&mut self) -> std::io::Result<Option<Piece>> {
        while let Some(hole) = self.skipped.iter().find(|hole| hole.contains(&self.at)) {
            self.at = hole.end;
        }
        if self.at >= self.end {
            return Ok(None);
        }
        let (at, border) = (self.at, self.border());
        if let Some((lead_len, len)) = self.extent_at(at)? {
            let lead = self.read(at, lead_len)?;
            if let Ok(decoded) = Lead::decode(&lead, None, &mut self.codec) {
                let bytes = at..at + len;
                let text = self.read(at + lead_len, len - lead_len)?;
                return Ok(Some(match OpenBlock::decode(&lead, &text, &mut self.codec) {
                    Ok(block) => Piece::Block { bytes, block },
                    Err(_) => Piece::Lost { bytes, lead: Some(decoded) },
                }));
            }
        }
        let zeros_end = self.zeros_end(border)?;
        if zeros_end > at {
            return Ok(Some(Piece::Zeros(at..zeros_end)));
        }
        let next = self.next_lead(at + 1, border)?;
        Ok(Some(Piece::Lost { bytes: at..next.unwrap_or(border), lead: None }))
    }

    /// Where the next skipped part begins, or the file ends.
    fn border(&self) -> u64 {
        self.skipped.iter().map(|range| range.start).find(|start| *start > self.at).unwrap_or(self.end).min(self.end)
    }

    /// Lengths of lead and block that a header at a place tells, where the file has so much.
    fn extent_at(&self, at: u64) -> std::io::Result<Option<(u64, u64)>> {
        let header = self.read(at, EXTENT_BYTES as u64)?;
        let fits = |len: u64| at.checked_add(len).is_some_and(|end| end <= self.end);
        let found = extent(&header).filter(|extent| fits(extent.len) && extent.lead_len <= LEAD_BYTES_MAX);
        Ok(found.map(|extent| (extent.lead_len, extent.len)))
    }

    /// Where the zeros end that begin here, if any do.
    fn zeros_end(&self, border: u64) -> std::io::Result<u64> {
        let mut at = self.at;
        while at < border {
            let window = self.read(at, (border - at).min(WINDOW_BYTES as u64))?;
            match window.iter().position(|byte| *byte != 0) {
                Some(offset) => return Ok(at + offset as u64),
                None => at += window.len() as u64,
            }
        }
        Ok(border)
    }

    /// Where the next block begins whose lead can be read.
    fn next_lead(&mut self, from: u64, border: u64) -> std::io::Result<Option<u64>> {
        let mut start = from;
        while start < border {
            let window = self.read(start, (border - start).min(WINDOW_BYTES as u64))?;
            for offset in memmem::find_iter(&window, BLOCK_MAGIC) {
                let at = start + offset as u64;
                if let Some((lead_len, _)) = self.extent_at(at)?
                    && Lead::decode(&self.read(at, lead_len)?, None, &mut self.codec).is_ok()
                {
                    return Ok(Some(at));
                }
            }
            if start + window.len() as u64 >= border {
                return Ok(None);
            }
            // the magic may lie across the border of two windows
            start += (window.len() - BLOCK_MAGIC.len() + 1) as u64;
        }
        Ok(None)
    }

    /// Up to `count` bytes: fewer where the file ends.
    fn read(&self, at: u64, count: u64) -> std::io::Result<Vec<u8>> {
        let mut bytes = vec![0; count.min(self.end.saturating_sub(at)) as usize];
        self.file.read_exact_at(&mut bytes, at)?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use crate::model::Labels;
    use crate::store::block::{Codec, Content, encode};
    use crate::store::salvage::{Piece, Salvage};

    fn block(stream: u64, text: &str) -> Vec<u8> {
        let content = Content {
            streams: vec![(stream, 1)],
            times: vec![stream as i64],
            sets: vec![Labels::default()],
            set_of: vec![0],
            text_lengths: vec![text.len() as u32],
            text: text.as_bytes().to_vec(),
        };
        encode(&content, &mut Codec::new(), None, false).bytes
    }

    /// What a walk finds, in short: a block's stream, `lost from..to`, `zeros from..to`.
    fn walk(bytes: &[u8], skipped: Option<std::ops::Range<u64>>) -> Vec<String> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), bytes).expect("it is written");
        let mut salvage = Salvage::open(file.path(), skipped.into_iter().collect()).expect("it opens");
        let mut found = Vec::new();
        while let Some(piece) = salvage.peek().expect("it can be read") {
            found.push(match &piece {
                Piece::Block { block, .. } => format!("block {}", block.lead.streams[0].0),
                Piece::Lost { bytes, lead: Some(lead) } => format!("text {} {bytes:?}", lead.streams[0].0),
                Piece::Lost { bytes, lead: None } => format!("lost {bytes:?}"),
                Piece::Zeros(bytes) => format!("zeros {bytes:?}"),
            });
            salvage.pass(&piece);
        }
        found
    }

    #[test]
    fn whole_blocks_are_found_between_all_that_is_not() {
        let (one, two) = (block(1, "the\nfirst"), block(2, "has\nLCBK in it"));
        let (a, b) = (one.len() as u64, two.len() as u64);
        let whole = [&one[..], &two, &one].concat();
        assert_eq!(walk(&whole, None), ["block 1", "block 2", "block 1"]);
        assert_eq!(walk(&whole, Some(0..a)), ["block 2", "block 1"]);
        assert_eq!(walk(&whole, Some(a..a + b)), ["block 1", "block 1"]);
        assert_eq!(walk(&whole[..whole.len() - 1], None)[2], format!("lost {}..{}", a + b, 2 * a + b - 1));
        let mut damaged = whole.clone();
        damaged[a as usize + 25] ^= 1;
        assert_eq!(walk(&damaged, None), ["block 1", &format!("lost {a}..{}", a + b), "block 1"]);
        let mut damaged = whole.clone();
        damaged[(a + b) as usize - 1] ^= 1;
        assert_eq!(walk(&damaged, None), ["block 1", &format!("text 2 {a}..{}", a + b), "block 1"]);
        let mut erased = whole.clone();
        erased[a as usize..(a + b) as usize].fill(0);
        assert_eq!(walk(&erased, None), ["block 1", &format!("zeros {a}..{}", a + b), "block 1"]);
        let far = [&vec![7; (1 << 20) - 2][..], &one].concat();
        assert_eq!(walk(&far, None), [&format!("lost 0..{}", (1 << 20) - 2), "block 1"]);
        assert!(walk(&[], None).is_empty());
    }
}
