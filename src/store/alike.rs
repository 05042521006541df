//! Counting rows that are alike instead of visiting each: of one stream, with equal metadata, in one part of the time.
//!
//! A part of time is cut out of a sorted run by the directory of its times, so that most of them are not unpacked.
//! Promises: every row is counted once, in the order of parts. Never: decides what a part is.

use std::ops::{ControlFlow, Range};

use crate::model::Timestamp;
use crate::store::block::bytes::Malformed;
use crate::store::select::Row;

/// Rows that are alike, told once.
#[derive(Clone, Copy, Debug)]
pub struct Alike<'c> {
    /// One of them. Its time is only known to lie in the part.
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
    /// The first of them.
    place: usize,
}

impl Tally {
    pub(crate) fn with_classes(count: usize) -> Tally {
        Tally { counts: vec![Count::default(); count], met: Vec::new() }
    }

    #[inline]
    pub(crate) fn add(&mut self, class: usize, place: usize, rows: u64, bytes: u64) {
        let count = &mut self.counts[class];
        if count.rows == 0 {
            count.place = place;
            self.met.push(class as u32);
        }
        count.rows += rows;
        count.bytes += bytes;
    }

    /// Tells what was counted, and counts anew; whether to go on. `row_of` gives the row at a place.
    pub(crate) fn tell<'r>(
        &mut self,
        row_of: impl Fn(usize) -> Result<Row<'r>, Malformed>,
        visit: VisitAlike<'_>,
    ) -> Result<ControlFlow<()>, Malformed> {
        for class in self.met.drain(..) {
            let Count { rows, bytes, place } = std::mem::take(&mut self.counts[class as usize]);
            if visit(Alike { row: row_of(place)?, class: Some(class as usize), count: rows, line_bytes: bytes })
                .is_break()
            {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// Cuts a run of sorted rows into parts: where the one ends that begins at `start`. `not_before` gives the first of some
/// rows that is not before a time.
pub(crate) fn part(
    rows: Range<usize>,
    time_of: impl Fn(usize) -> i64,
    not_before: impl Fn(Range<usize>, i64) -> usize,
    part_end: PartEnd<'_>,
) -> usize {
    let last = part_end(Timestamp::from_nanos(time_of(rows.start))).nanos();
    let after = last.checked_add(1).map_or(rows.end, |after| not_before(rows.clone(), after));
    after.max(rows.start + 1)
}
