//! Counting rows that are alike instead of visiting each: of one stream, with equal metadata, in one part of the time.
//!
//! A part of time is cut out of a sorted run by the directory of its times, so that most of them are not unpacked.
//! Promises: every row is counted once, in the order of parts. Never: decides what a part is.

use std::ops::ControlFlow;

use crate::model::Timestamp;
use crate::store::block::bytes::Malformed;
use crate::store::select::Row;

/// Rows that are alike, told once.
#[derive(Clone, Copy, Debug)]
pub struct Alike<'c> {
    /// What they have in common. Its time is that of the first row of the part, and its length is not known.
    pub row: Row<'c>,
    /// Equal within one visit only for rows of one stream with equal metadata and, where lines are excerpts, equal lines, if
    /// the stream is the same: small, usable as an index. `None` where it is not known what else is alike.
    pub class: Option<usize>,
    pub count: u64,
    /// The bytes of text of all of them together; 0 where lengths are not needed.
    pub line_bytes: u64,
}

impl Alike<'_> {
    /// A row of which it is not known what is like it.
    pub(crate) fn single(row: Row<'_>) -> Alike<'_> {
        Alike { row, class: None, count: 1, line_bytes: row.line_bytes as u64 }
    }
}

/// For a moment, the last moment of the part of time that it lies in. Called in the order of time for each stream.
pub(crate) type PartEnd<'v> = &'v mut dyn FnMut(Timestamp) -> Timestamp;

/// What is done with rows that are alike: go on or stop.
pub(crate) type VisitAlike<'v> = &'v mut dyn FnMut(Alike<'_>) -> ControlFlow<()>;

/// How many rows of one part there are of each class; classes are small numbers.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    counts: Vec<Count>,
    /// Classes that were met, in their order.
    met: Vec<u32>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    rows: u64,
    bytes: u64,
}

impl Tally {
    pub(crate) fn with_classes(count: usize) -> Tally {
        Tally { counts: vec![Count::default(); count], met: Vec::new() }
    }

    /// Adds rows, at least one.
    #[inline]
    pub(crate) fn add(&mut self, class: usize, rows: u64, bytes: u64) {
        let count = &mut self.counts[class];
        if count.rows == 0 {
            self.met.push(class as u32);
        }
        count.rows += rows;
        count.bytes += bytes;
    }

    /// Adds one row of each of these classes, with these bytes of text; without, where no lengths are given.
    pub(crate) fn add_all(&mut self, classes: &[u8], lengths: &[u32]) {
        // two counts for each, so that one row need not wait for the one before
        let mut counts = [[0u32; 256]; 2];
        let mut pairs = classes.chunks_exact(2);
        for pair in &mut pairs {
            counts[0][usize::from(pair[0])] += 1;
            counts[1][usize::from(pair[1])] += 1;
        }
        pairs.remainder().iter().for_each(|class| counts[0][usize::from(*class)] += 1);
        let mut bytes = [0; 256];
        for (class, length) in classes.iter().zip(lengths) {
            bytes[usize::from(*class)] += u64::from(*length);
        }
        for class in 0..self.counts.len().min(256) {
            let rows = counts[0][class] + counts[1][class];
            if rows > 0 {
                self.add(class, u64::from(rows), bytes[class]);
            }
        }
    }

    /// Tells what was counted, and counts anew; whether to go on. `row_of` gives what the rows of a class have in common.
    pub(crate) fn tell<'r>(
        &mut self,
        row_of: impl Fn(usize) -> Result<Row<'r>, Malformed>,
        visit: VisitAlike<'_>,
    ) -> Result<ControlFlow<()>, Malformed> {
        for class in self.met.drain(..) {
            let class = class as usize;
            let Count { rows, bytes } = std::mem::take(&mut self.counts[class]);
            let alike = Alike { row: row_of(class)?, class: Some(class), count: rows, line_bytes: bytes };
            if visit(alike).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}
