//! Reading a segment of the write-ahead log: its records, and the bytes between them that are none.
//!
//! Promises: a record that is whole is found whatever lies before it; what is not a record is named with its place.
//! Never: more than a record and a small window in memory.
//!
//! ```text
//! segment   magic "LCWAL002", then records
//! record    mark ff "REC", length u32, crc32 of length and payload u32, payload
//! ```
//!
//! The mark is what reading goes on at behind damaged bytes: a damaged length costs its own record and no other.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

use memchr::memmem;

use crate::store::error::{Error, io_error};

pub(crate) const MAGIC: &[u8; 8] = b"LCWAL002";
const MARK: &[u8; 4] = b"\xffREC";
const HEAD_BYTES: usize = 12;
/// Read at a time in search of a mark.
const WINDOW_BYTES: usize = 1 << 20;

/// Appends a record.
pub(crate) fn put_record(out: &mut Vec<u8>, payload: &[u8]) {
    // callers bound a push far below 4 GiB
    let length = (payload.len() as u32).to_le_bytes();
    out.extend_from_slice(MARK);
    out.extend_from_slice(&length);
    out.extend_from_slice(&checksum(&length, payload).to_le_bytes());
    out.extend_from_slice(payload);
}

fn checksum(length: &[u8], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(length);
    hasher.update(payload);
    hasher.finalize()
}

/// Bytes of a segment that are no record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Gap {
    pub(crate) bytes: Range<u64>,
    pub(crate) kind: GapKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GapKind {
    /// The segment does not begin as one does.
    Head,
    /// Records follow, or the checksum of a whole record does not agree: something was damaged.
    Damaged,
    /// The segment ends in the middle of a record: a push that was cut off before it was acknowledged, unless
    /// something was damaged.
    CutOff,
    /// A whole record, the last one, that says a wrong length: it was read all the same.
    Length,
}

impl std::fmt::Display for Gap {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (start, count) = (self.bytes.start, self.bytes.end - self.bytes.start);
        match self.kind {
            GapKind::Head => write!(out, "it does not begin as a segment does"),
            GapKind::Damaged => write!(out, "the {count} bytes from {start} on are no record"),
            GapKind::CutOff => write!(out, "the record at byte {start} is cut off after {count} bytes"),
            GapKind::Length => write!(out, "the record at byte {start} says a wrong length"),
        }
    }
}

/// Calls `each` with the place and the payload of every record, in order; gives what is no record.
pub(crate) fn read(path: &Path, mut each: impl FnMut(u64, &[u8]) -> Result<(), Error>) -> Result<Vec<Gap>, Error> {
    let file = File::open(path).map_err(io_error("open", path))?;
    let len = file.metadata().map_err(io_error("look at", path))?.len();
    let segment = Segment { file, len };
    let mut gaps = Vec::new();
    if len == 0 {
        return Ok(gaps);
    }
    let (mut at, mut payload) = (MAGIC.len() as u64, Vec::new());
    let failed = io_error("read", path);
    let mut scan = || -> std::io::Result<Result<(), Error>> {
        if segment.window(0, MAGIC.len())? != MAGIC {
            gaps.push(Gap { bytes: 0..at.min(len), kind: GapKind::Head });
        }
        while at < len {
            if segment.record(at, &mut payload)? {
                if let Err(error) = each(at, &payload) {
                    return Ok(Err(error));
                }
                at += (HEAD_BYTES + payload.len()) as u64;
                continue;
            }
            if segment.last_record(at, &mut payload)? {
                // said all the same: the disk changed something
                gaps.push(Gap { bytes: at..len, kind: GapKind::Length });
                if let Err(error) = each(at, &payload) {
                    return Ok(Err(error));
                }
                break;
            }
            let next = segment.next_record(at + 1, &mut payload)?;
            let kind = match next {
                None if segment.is_cut_off(at)? => GapKind::CutOff,
                Some(_) | None => GapKind::Damaged,
            };
            let end = next.unwrap_or(len);
            gaps.push(Gap { bytes: at..end, kind });
            at = end;
        }
        Ok(Ok(()))
    };
    scan().map_err(failed)??;
    Ok(gaps)
}

/// The bytes of a gap.
pub(crate) fn read_gap(path: &Path, gap: &Gap) -> Result<Vec<u8>, Error> {
    let file = File::open(path).map_err(io_error("open", path))?;
    let segment = Segment { file, len: gap.bytes.end };
    segment.window(gap.bytes.start, (gap.bytes.end - gap.bytes.start) as usize).map_err(io_error("read", path))
}

struct Segment {
    file: File,
    len: u64,
}

impl Segment {
    /// Up to `count` bytes from a place on: fewer where the segment ends.
    fn window(&self, at: u64, count: usize) -> std::io::Result<Vec<u8>> {
        let mut bytes = vec![0; count.min(self.len.saturating_sub(at) as usize)];
        self.file.read_exact_at(&mut bytes, at)?;
        Ok(bytes)
    }

    /// Length and checksum of the record that begins here, where it does and can be whole.
    fn head(&self, at: u64) -> std::io::Result<Option<(u64, [u8; 4], u32)>> {
        let head = self.window(at, HEAD_BYTES)?;
        let Some((mark, rest)) = head.split_first_chunk::<4>().filter(|_| head.len() == HEAD_BYTES) else {
            return Ok(None);
        };
        let (length, crc) = ([rest[0], rest[1], rest[2], rest[3]], [rest[4], rest[5], rest[6], rest[7]]);
        Ok((mark == MARK).then(|| (u64::from(u32::from_le_bytes(length)), length, u32::from_le_bytes(crc))))
    }

    /// Reads the payload of the record at a place; `false` where there is none.
    fn record(&self, at: u64, payload: &mut Vec<u8>) -> std::io::Result<bool> {
        let Some((length, length_bytes, crc)) = self.head(at)? else { return Ok(false) };
        if length > self.len - at - HEAD_BYTES as u64 {
            return Ok(false);
        }
        payload.clear();
        payload.resize(length as usize, 0);
        self.file.read_exact_at(payload, at + HEAD_BYTES as u64)?;
        Ok(checksum(&length_bytes, payload) == crc)
    }

    /// Reads what lies from a place to the end as the payload of a record whose length is damaged; `false` where its
    /// checksum says that it is none.
    fn last_record(&self, at: u64, payload: &mut Vec<u8>) -> std::io::Result<bool> {
        let Some((said, _, crc)) = self.head(at)? else { return Ok(false) };
        let rest = self.len - at - HEAD_BYTES as u64;
        let Ok(length) = u32::try_from(rest) else { return Ok(false) };
        if said == rest {
            return Ok(false);
        }
        payload.clear();
        payload.resize(length as usize, 0);
        self.file.read_exact_at(payload, at + HEAD_BYTES as u64)?;
        Ok(checksum(&length.to_le_bytes(), payload) == crc)
    }

    /// Where the first whole record lies from a place on.
    fn next_record(&self, from: u64, payload: &mut Vec<u8>) -> std::io::Result<Option<u64>> {
        let mut start = from;
        while start < self.len {
            let window = self.window(start, WINDOW_BYTES)?;
            for offset in memmem::find_iter(&window, MARK) {
                if self.record(start + offset as u64, payload)? {
                    return Ok(Some(start + offset as u64));
                }
            }
            if window.len() < WINDOW_BYTES {
                return Ok(None);
            }
            // a mark may lie across the border of two windows
            start += (WINDOW_BYTES - MARK.len() + 1) as u64;
        }
        Ok(None)
    }

    /// Whether what begins here looks like a record that was not written to its end.
    fn is_cut_off(&self, at: u64) -> std::io::Result<bool> {
        let rest = self.len - at;
        if rest < HEAD_BYTES as u64 {
            let bytes = self.window(at, MARK.len())?;
            return Ok(MARK.starts_with(&bytes));
        }
        Ok(self.head(at)?.is_some_and(|(length, ..)| length > rest - HEAD_BYTES as u64))
    }
}

#[cfg(test)]
mod tests {
    use crate::store::segment::{Gap, GapKind, MAGIC, put_record, read, read_gap};

    /// A segment of three records, and where each begins.
    fn sample() -> (Vec<u8>, [u64; 3]) {
        let mut bytes = MAGIC.to_vec();
        let places = [&b"first"[..], b"has a mark \xffREC and more", b"third"].map(|payload| {
            let at = bytes.len() as u64;
            put_record(&mut bytes, payload);
            at
        });
        (bytes, places)
    }

    fn read_bytes(bytes: &[u8]) -> (Vec<u64>, Vec<Gap>) {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), bytes).expect("it is written");
        let mut found = Vec::new();
        let gaps = read(file.path(), |at, _| {
            found.push(at);
            Ok(())
        });
        let gaps = gaps.expect("the file can be read");
        for gap in &gaps {
            let kept = read_gap(file.path(), gap).expect("the file can be read");
            assert_eq!(kept, bytes[gap.bytes.start as usize..gap.bytes.end as usize]);
        }
        (found, gaps)
    }

    #[test]
    fn a_flipped_byte_costs_one_record_wherever_it_lies() {
        let (bytes, places) = sample();
        assert_eq!(read_bytes(&bytes), (places.to_vec(), Vec::new()));
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x10;
            let (found, gaps) = read_bytes(&damaged);
            // the last one is found by its checksum where its length is damaged
            let is_last_length = (places[2] as usize + 4..places[2] as usize + 8).contains(&at);
            let hit = places.iter().rposition(|place| *place <= at as u64).filter(|_| !is_last_length);
            let kept: Vec<u64> = (0..3).filter(|place| Some(*place) != hit).map(|place| places[place]).collect();
            assert_eq!((found, gaps.len()), (kept, 1), "byte {at}: {gaps:?}");
        }
    }

    #[test]
    fn a_cut_tail_is_told_from_damaged_bytes() {
        let (bytes, places) = sample();
        for end in places[2] as usize + 1..bytes.len() {
            let (found, gaps) = read_bytes(&bytes[..end]);
            assert_eq!(found, places[..2]);
            assert_eq!(gaps, [Gap { bytes: places[2]..end as u64, kind: GapKind::CutOff }]);
        }
        let zeros = [&bytes[..], &[0; 3 << 20]].concat();
        assert_eq!(
            read_bytes(&zeros).1,
            [Gap { bytes: bytes.len() as u64..zeros.len() as u64, kind: GapKind::Damaged }]
        );
        let mut far = zeros;
        put_record(&mut far, b"behind a megabyte of zeros");
        assert_eq!(read_bytes(&far).0.len(), 4);
        assert_eq!(read_bytes(&[]), (Vec::new(), Vec::new()));
        assert_eq!(read_bytes(b"LCW").1.len(), 1);
    }
}
