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

use crate::store::block::bytes::{
    Malformed, Reader, pack_bits, packed_len, put_varint, unpack_bits, unzigzag, width_of, zigzag,
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

/// Reads the times of all runs back.
pub(crate) fn decode(bytes: &[u8], runs: impl Iterator<Item = usize>) -> Result<Vec<i64>, Malformed> {
    let mut reader = Reader::new(bytes);
    let unit = reader.varint()?;
    let mut times = Vec::new();
    let mut last_base = 0i64;
    for run in runs {
        let mut left = run;
        while left > 0 {
            let count = left.min(MINI);
            left -= count;
            let mut time = last_base.wrapping_add(unzigzag(reader.varint()?));
            last_base = time;
            let width = u32::from(reader.byte()?);
            if width > 64 {
                return Err(Malformed("a width is above 64 bits"));
            }
            times.push(time);
            unpack_bits(reader.take(packed_len(width, count - 1))?, width, count - 1, |distance| {
                time = time.wrapping_add(distance.wrapping_mul(unit) as i64);
                times.push(time);
            });
        }
    }
    if reader.is_empty() { Ok(times) } else { Err(Malformed("bytes are left after the times")) }
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
    use crate::store::block::times::{decode, encode};

    fn check(times: &[i64], runs: &[usize]) -> usize {
        let mut out = Vec::new();
        encode(&mut out, times, runs);
        assert_eq!(decode(&out, runs.iter().copied()).expect("what was encoded decodes"), times);
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
            assert!(decode(&out[..end], [4].into_iter()).is_err());
        }
    }
}
