//! What a file is told by, whatever its name: where it lies on the disk, how it begins, and what stands at a place in it.
//!
//! An inode alone is not enough, because a new file gets that of a removed one; how it begins alone is not, because a
//! copy begins alike.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

/// How much of its beginning tells a file: banners are shorter, and the first times of a log are within.
pub(crate) const HEAD_BYTES: usize = 1024;
/// How much before a place tells that what was read until there is still the same.
pub(crate) const MARK_BYTES: usize = 256;

/// Where a file lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Node {
    pub(crate) device: u64,
    pub(crate) inode: u64,
}

impl Node {
    pub(crate) fn of(metadata: &Metadata) -> Node {
        Node { device: metadata.dev(), inode: metadata.ino() }
    }
}

/// The first bytes of a file, as many as there were, at most [`HEAD_BYTES`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    pub(crate) len: u64,
    hash: u64,
}

impl Head {
    pub(crate) fn of(bytes: &[u8]) -> Head {
        let bytes = &bytes[..bytes.len().min(HEAD_BYTES)];
        Head { len: bytes.len() as u64, hash: xxh3_64(bytes) }
    }

    pub(crate) fn is_whole(self) -> bool {
        self.len == HEAD_BYTES as u64
    }

    /// Whether something that begins with these bytes begins as this head does. One that is shorter does not.
    pub(crate) fn begins(self, bytes: &[u8]) -> bool {
        self.len == 0
            || usize::try_from(self.len)
                .is_ok_and(|len| bytes.get(..len).is_some_and(|bytes| xxh3_64(bytes) == self.hash))
    }
}

/// What stands before a place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mark {
    pub(crate) at: u64,
    hash: u64,
}

impl Mark {
    /// From what stands before a place: all of it or more than enough.
    pub(crate) fn of(at: u64, before: &[u8]) -> Mark {
        Mark { at, hash: xxh3_64(&before[before.len().saturating_sub(MARK_BYTES)..]) }
    }

    /// Where the bytes begin that are to be looked at.
    pub(crate) fn start(self) -> u64 {
        self.at.saturating_sub(MARK_BYTES as u64)
    }

    pub(crate) fn fits(self, before: &[u8]) -> bool {
        self.at == 0 || Mark::of(self.at, before) == self
    }
}

/// All of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    pub(crate) node: Node,
    pub(crate) head: Head,
    pub(crate) mark: Mark,
}

impl Identity {
    /// Whether a file begins as this one did, and is the same until the mark.
    pub(crate) fn is_content_of(&self, file: &File) -> io::Result<bool> {
        let head = read_head(file)?;
        if !self.head.begins(&head) {
            return Ok(false);
        }
        let before = read_between(file, self.mark.start(), self.mark.at)?;
        Ok(before.len() as u64 == self.mark.at - self.mark.start() && self.mark.fits(&before))
    }

    /// The same of something that can be read once only, from its beginning: a compressed file.
    pub(crate) fn is_content_of_stream(&self, stream: &mut dyn Read) -> io::Result<bool> {
        let mut head = Vec::new();
        stream.take(HEAD_BYTES as u64).read_to_end(&mut head)?;
        if !self.head.begins(&head) {
            return Ok(false);
        }
        let mut last = head;
        let mut at = last.len() as u64;
        if self.mark.at <= at {
            let (start, end) = (self.mark.start() as usize, self.mark.at as usize);
            return Ok(self.mark.fits(&last[start..end]));
        }
        let mut part = [0; 16 << 10];
        while at < self.mark.at {
            let wanted = part.len().min(usize::try_from(self.mark.at - at).unwrap_or(part.len()));
            let count = stream.read(&mut part[..wanted])?;
            if count == 0 {
                return Ok(false);
            }
            last.extend_from_slice(&part[..count]);
            last.drain(..last.len().saturating_sub(MARK_BYTES));
            at += count as u64;
        }
        Ok(self.mark.fits(&last))
    }

    /// Whether enough is known that content alone may tell: of a file that was empty nothing is.
    pub(crate) fn is_telling(&self) -> bool {
        self.head.len > 0
    }
}

/// How a file begins.
pub(crate) fn read_head(file: &File) -> io::Result<Vec<u8>> {
    read_between(file, 0, HEAD_BYTES as u64)
}

/// The bytes between two places, fewer where the file ends before.
pub(crate) fn read_between(file: &File, start: u64, end: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(end.saturating_sub(start)).map_err(io::Error::other)?];
    let count = read_full_at(file, &mut bytes, start)?;
    bytes.truncate(count);
    Ok(bytes)
}

/// Reads until the buffer is full or the file ends.
pub(crate) fn read_full_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    let mut count = 0;
    while count < buffer.len() {
        match file.read_at(&mut buffer[count..], at + count as u64) {
            Ok(0) => break,
            Ok(more) => count += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use crate::agent::files::identity::*;

    fn check(first: &[u8], mark: usize, second: &[u8], is_same: bool) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, second).unwrap();
        let identity =
            Identity { node: Node::default(), head: Head::of(first), mark: Mark::of(mark as u64, &first[..mark]) };
        let file = File::open(&path).unwrap();
        assert_eq!(identity.is_content_of(&file).unwrap(), is_same, "{} {mark} {}", first.len(), second.len());
        assert_eq!(identity.is_content_of_stream(&mut &second[..]).unwrap(), is_same);
    }

    #[test]
    fn a_copy_is_known_by_how_it_begins_and_by_what_stands_at_the_place() {
        let long: Vec<u8> = (0..5000_u32).flat_map(|number| number.to_le_bytes()).collect();
        let mut changed = long.clone();
        changed[12_000] ^= 1;
        for mark in [0, 10, 1024, 1100, 12_001, 20_000] {
            check(&long, mark, &long, true);
            check(&long[..mark.max(12_100)], mark, &long, true);
        }
        check(&long, 12_001, &changed, false);
        check(&long, 12_300, &changed, true);
        check(&long, 20_000, &long[..19_999], false);
        check(b"short", 5, b"short and more", true);
        check(b"short", 5, b"shor", false);
        check(b"short", 5, b"other and more", false);
    }
}
