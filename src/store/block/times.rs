//! Timestamps of a block: runs of sorted times as bit-packed minis of 128, each with its own base.
//!
//! A mini's base alone tells where it lies, so that a reader can count or skip whole minis undecoded.
//!
//! ```text
//! unit      varint       greatest common divisor of all distances, in ns
//! per run:  per mini of up to 128 entries, none crosses a run:
//!     base  zigzag varint, in ns from the base before it (the first of all: from 0)
//!     width byte         bits of a distance
//!     bits  packed       distance to the entry before, in units; the first entry has none
//! ```

use std::cell::OnceCell;
use std::ops::{ControlFlow, Range};

use crate::model::Timestamp;
use crate::store::alike::PartEnd;
use crate::store::block::bytes::{
    Malformed, Reader, pack_bits, packed_len, put_varint, try_unpack_bits, unpack_bits, unzigzag, width_of, zigzag,
};

const MINI: usize = 128;

/// Appends the times; within each run of `runs` (counts of entries) they are sorted, oldest first.
pub(crate) fn encode(out: &mut Vec<u8>, times: &[i64], runs: &[usize]) {
    let unit = common_unit(times, runs);
    put_varint(out, unit);
    let (mut rest, mut last_base) = (times, None::<i64>);
    for run in runs {
        let (run_times, after) = rest.split_at(*run);
        rest = after;
        for mini in run_times.chunks(MINI) {
            let base = mini[0];
            // bases of different runs may be further apart than an i64 holds: the distance wraps, and wraps back
            match last_base {
                None => put_varint(out, zigzag(base)),
                Some(last) => put_varint(out, zigzag(base.wrapping_sub(last))),
            }
            last_base = Some(base);
            let distance = |pair: &[i64]| pair[1].wrapping_sub(pair[0]) as u64 / unit;
            let width = width_of(mini.windows(2).map(distance));
            out.push(width as u8);
            pack_bits(out, width, mini.windows(2).map(distance));
        }
    }
}

/// The times of a block's entries, of which only what is asked for is unpacked.
#[derive(Debug, Default)]
pub(crate) struct Times {
    bits: Vec<u8>,
    unit: u64,
    minis: Vec<Mini>,
    len: usize,
    all: OnceCell<Vec<i64>>,
}

/// Where the distances of a mini lie.
#[derive(Clone, Copy, Debug)]
struct Mini {
    /// Its first entry, and that entry's time.
    first: usize,
    base: i64,
    width: u32,
    bits_start: usize,
}

impl Times {
    /// Reads the directory of minis; `runs` are the counts of entries, each of them sorted.
    pub(crate) fn open(section: &[u8], runs: impl Iterator<Item = usize>) -> Result<Times, Malformed> {
        let mut reader = Reader::new(section);
        let unit = reader.varint()?;
        let (mut minis, mut len, mut base) = (Vec::new(), 0, 0i64);
        for run in runs {
            let end = len + run;
            while len < end {
                let count = (end - len).min(MINI);
                base = base.wrapping_add(unzigzag(reader.varint()?));
                let width = u32::from(reader.byte()?);
                if width > 64 {
                    return Err(Malformed("a width is above 64 bits"));
                }
                minis.push(Mini { first: len, base, width, bits_start: section.len() - reader.left() });
                reader.take(packed_len(width, count - 1))?;
                len += count;
            }
        }
        if !reader.is_empty() {
            return Err(Malformed("bytes are left after the times"));
        }
        Ok(Times { bits: section.to_vec(), unit, minis, len, all: OnceCell::new() })
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// All of them, by entry.
    pub(crate) fn all(&self) -> &[i64] {
        self.all.get_or_init(|| {
            let mut all = Vec::with_capacity(self.len);
            (0..self.minis.len()).for_each(|mini| self.unpack(mini, |time| all.push(time)));
            all
        })
    }

    /// The time of one entry.
    pub(crate) fn at(&self, entry: usize) -> i64 {
        if let Some(all) = self.all.get() {
            return all[entry];
        }
        let Mini { first, base, width, bits_start } = self.minis[self.mini_of(entry)];
        let mut time = base;
        unpack_bits(&self.bits[bits_start..], width, entry - first, |distance| {
            time = time.wrapping_add(distance.wrapping_mul(self.unit) as i64);
        });
        time
    }

    /// The first of these entries, which are of one run, that is not before `time`; the end of the range where all are.
    pub(crate) fn not_before(&self, entries: Range<usize>, time: i64) -> usize {
        if entries.is_empty() {
            return entries.end;
        }
        if let Some(all) = self.all.get() {
            return entries.start + all[entries].partition_point(|at| *at < time);
        }
        // a mini's base is its earliest time: the entry lies in the last mini whose base is before, or begins the next
        let (from, to) = (self.mini_of(entries.start), self.mini_of(entries.end - 1));
        let before = self.minis[from + 1..=to].partition_point(|mini| mini.base < time);
        let mini = from + before;
        let mut place = self.minis[mini].first;
        self.unpack(mini, |at| place += usize::from(at < time));
        place.clamp(entries.start, entries.end)
    }

    /// Cuts entries of one run into parts and gives each part's first time and its entries, until `part` breaks.
    /// `part_end` gives the last moment of the part that a moment lies in. Only minis across a border are unpacked.
    pub(crate) fn cut(
        &self,
        entries: Range<usize>,
        part_end: PartEnd<'_>,
        mut part: impl FnMut(i64, Range<usize>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        if entries.is_empty() {
            return ControlFlow::Continue(());
        }
        let mut mini = self.mini_of(entries.start);
        let (mut start, mut first) = (entries.start, self.at(entries.start));
        let mut last = part_end(Timestamp::from_nanos(first)).nanos();
        loop {
            let next = self.minis.get(mini + 1).filter(|next| next.first < entries.end);
            // what comes before the next mini is not later than that begins
            let ends_within = |last: i64| next.is_none_or(|next| next.base > last) && last < i64::MAX;
            if ends_within(last) {
                let mut place = self.minis[mini].first;
                let end = next.map_or(entries.end, |next| next.first);
                let mut result = ControlFlow::Continue(());
                // it ends early where the rest of the mini is of one part, and where `part` breaks
                let _ = self.try_unpack(mini, |time| {
                    if time > last && (start..end).contains(&place) {
                        let passed = start..place;
                        (start, last) = (place, part_end(Timestamp::from_nanos(time)).nanos());
                        let begun = std::mem::replace(&mut first, time);
                        if !passed.is_empty() {
                            result = part(begun, passed);
                        }
                        if result.is_break() || !ends_within(last) {
                            return ControlFlow::Break(());
                        }
                    }
                    place += 1;
                    ControlFlow::Continue(())
                });
                result?;
            }
            if next.is_none() {
                return part(first, start..entries.end);
            }
            mini += 1;
        }
    }

    fn mini_of(&self, entry: usize) -> usize {
        self.minis.partition_point(|mini| mini.first <= entry) - 1
    }

    #[inline]
    fn unpack(&self, mini: usize, mut each: impl FnMut(i64)) {
        let _ = self.try_unpack(mini, |time| {
            each(time);
            ControlFlow::Continue(())
        });
    }

    /// Gives the times of a mini, until `each` breaks.
    #[inline]
    fn try_unpack(&self, mini: usize, mut each: impl FnMut(i64) -> ControlFlow<()>) -> ControlFlow<()> {
        let end = self.minis.get(mini + 1).map_or(self.len, |next| next.first);
        let Mini { first, base, width, bits_start } = self.minis[mini];
        let mut time = base;
        each(time)?;
        try_unpack_bits(&self.bits[bits_start..], width, end - first - 1, |distance| {
            time = time.wrapping_add(distance.wrapping_mul(self.unit) as i64);
            each(time)
        })
    }
}

/// The greatest common divisor of all distances within runs; clients that count in milliseconds have 1,000,000.
fn common_unit(times: &[i64], runs: &[usize]) -> u64 {
    let (mut unit, mut rest) = (0, times);
    for run in runs {
        let (run_times, after) = rest.split_at(*run);
        rest = after;
        for pair in run_times.windows(2) {
            let (mut a, mut b) = (unit, pair[1].wrapping_sub(pair[0]) as u64);
            while b != 0 {
                (a, b) = (b, a % b);
            }
            unit = a;
            if unit == 1 {
                return 1;
            }
        }
    }
    unit.max(1)
}

#[cfg(test)]
mod tests {
    use std::ops::{ControlFlow, Range};

    use proptest::prelude::*;

    use crate::model::Timestamp;

    use crate::store::block::times::{Times, encode};

    fn check(times: &[i64], runs: &[usize]) -> usize {
        let mut out = Vec::new();
        encode(&mut out, times, runs);
        let back = Times::open(&out, runs.iter().copied()).expect("what was encoded decodes");
        assert_eq!(back.len(), times.len());
        for (entry, time) in times.iter().enumerate() {
            assert_eq!(back.at(entry), *time);
        }
        assert_eq!(back.all(), times);
        out.len()
    }

    #[test]
    fn times_of_several_runs_come_back() {
        check(&[], &[]);
        check(&[5], &[1]);
        check(&[1, 2, 2, 9, -7, 0, 4], &[4, 3]);
        check(&[i64::MIN, i64::MAX, i64::MIN, 0, i64::MAX], &[2, 3]);
        let long: Vec<i64> = (0..1000).map(|n| n * n * 1_000).collect();
        check(&long, &[300, 700]);
    }

    #[test]
    fn whole_milliseconds_take_a_few_bits_each() {
        let times: Vec<i64> = (0..1280).map(|n| 1_795_132_800_000_000_000 + n * 7_000_000).collect();
        assert!(check(&times, &[1280]) * 8 < 2 * times.len());
    }

    #[test]
    fn cut_bytes_are_an_error() {
        let mut out = Vec::new();
        encode(&mut out, &[1, 5, 9_999, 10_000], &[4]);
        for end in 0..out.len() {
            assert!(Times::open(&out[..end], [4].into_iter()).is_err());
        }
    }

    proptest! {
        #[test]
        fn the_first_not_before_a_time_is_found_without_unpacking_all(
            mut first in proptest::collection::vec(-3000i64..3000, 0..400),
            mut second in proptest::collection::vec(-3000i64..3000, 1..400),
            from in 0usize..400, length in 0usize..400, time in -3100i64..3100,
        ) {
            first.sort_unstable();
            second.sort_unstable();
            let (runs, times) = ([first.len(), second.len()], [first, second].concat());
            let mut out = Vec::new();
            encode(&mut out, &times, &runs);
            let back = Times::open(&out, runs.into_iter()).expect("what was encoded decodes");
            let start = runs[0] + from % runs[1];
            let end = times.len().min(start + length);
            let mut parts = Vec::new();
            let width = 1 + from as i64 * 7 % 900;
            let mut part_end = |time: Timestamp| Timestamp::from_nanos((time.nanos().div_euclid(width) + 1) * width - 1);
            let cut = back.cut(start..end, &mut part_end, |first, entries| {
                parts.push((first, entries));
                ControlFlow::Continue(())
            });
            prop_assert!(cut.is_continue());
            let mut wanted_parts: Vec<(i64, Range<usize>)> = Vec::new();
            for (entry, time) in times.iter().enumerate().take(end).skip(start) {
                match wanted_parts.last_mut() {
                    Some((first, entries)) if first.div_euclid(width) == time.div_euclid(width) => entries.end += 1,
                    _ => wanted_parts.push((*time, entry..entry + 1)),
                }
            }
            prop_assert_eq!(parts, wanted_parts);
            let wanted = start + times[start..end].partition_point(|at| *at < time);
            prop_assert_eq!(back.not_before(start..end, time), wanted);
            back.all();
            prop_assert_eq!(back.not_before(start..end, time), wanted);
        }
    }
}
