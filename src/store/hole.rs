//! Holes: bytes of a day's data files that belong to removed entries, and are to be erased.
//!
//! Promises: what was erased reads as zeros, and its space is given back where the file system can do so. A commit names
//! the holes that are still to be made, so that a crash forgets none. Never: which entries go, and who still reads them.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use rustix::fs::FallocateFlags;

/// Zeros that are written at a time where no hole can be made.
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// The data file that a hole is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HoleFile {
    Blocks,
    Skip,
}

/// A run of bytes that nobody needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hole {
    pub(crate) file: HoleFile,
    pub(crate) offset: u64,
    pub(crate) len: u64,
}

impl Hole {
    /// Erases the bytes in `file`.
    pub(crate) fn erase(self, file: &File) -> io::Result<()> {
        if self.len == 0 {
            return Ok(());
        }
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        match rustix::fs::fallocate(file, flags, self.offset, self.len) {
            Ok(()) => Ok(()),
            // some file systems have no holes: the bytes go all the same
            Err(_) => self.overwrite(file),
        }
    }

    fn overwrite(self, file: &File) -> io::Result<()> {
        // behind the end of a damaged file there is nothing to erase
        let end = (self.offset + self.len).min(file.metadata()?.len());
        let mut at = self.offset;
        while at < end {
            let part = &ZEROS[..ZEROS.len().min((end - at) as usize)];
            file.write_all_at(part, at)?;
            at += part.len() as u64;
        }
        Ok(())
    }
}

/// Holes as a commit names them: `b12+34,s0+9`.
pub(crate) fn print(holes: &[Hole]) -> String {
    let one = |hole: &Hole| {
        let file = match hole.file {
            HoleFile::Blocks => 'b',
            HoleFile::Skip => 's',
        };
        format!("{file}{}+{}", hole.offset, hole.len)
    };
    holes.iter().map(one).collect::<Vec<_>>().join(",")
}

/// The way back; `None` where it is none of `print`.
pub(crate) fn parse(text: &str) -> Option<Vec<Hole>> {
    let one = |text: &str| {
        let (file, rest) = match text.split_at_checked(1)? {
            ("b", rest) => (HoleFile::Blocks, rest),
            ("s", rest) => (HoleFile::Skip, rest),
            _ => return None,
        };
        let (offset, len) = rest.split_once('+')?;
        Some(Hole { file, offset: offset.parse().ok()?, len: len.parse().ok()? })
    };
    text.split(',').filter(|text| !text.is_empty()).map(one).collect()
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek, Write};

    use crate::store::hole::{Hole, HoleFile, parse, print};

    #[test]
    fn holes_are_read_as_they_are_printed() {
        let holes = [
            Hole { file: HoleFile::Blocks, offset: 12, len: 34 },
            Hole { file: HoleFile::Skip, offset: 0, len: u64::MAX },
        ];
        assert_eq!(print(&holes), "b12+34,s0+18446744073709551615");
        assert_eq!(parse(&print(&holes)).as_deref(), Some(&holes[..]));
        assert_eq!(parse(""), Some(Vec::new()));
        for wrong in ["12+34", "b12", "b+1", "x1+2", "b1+2,,é"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn erased_bytes_are_zeros_and_their_neighbours_are_not() {
        for erase in [Hole::erase, |hole: Hole, file: &std::fs::File| hole.overwrite(file)] {
            let mut file = tempfile::tempfile().expect("a file");
            file.write_all(&[7; 200_000]).expect("it is written");
            erase(Hole { file: HoleFile::Blocks, offset: 5, len: 150_000 }, &file).expect("it is erased");
            erase(Hole { file: HoleFile::Blocks, offset: 0, len: 0 }, &file).expect("nothing is erased");
            file.rewind().expect("it seeks");
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).expect("it is read");
            assert_eq!(bytes.len(), 200_000);
            assert!(bytes[5..150_005].iter().all(|byte| *byte == 0));
            assert!(bytes[..5].iter().chain(&bytes[150_005..]).all(|byte| *byte == 7));
        }
    }
}
