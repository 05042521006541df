//! What is kept of the samples of all series: folded by pane where that is enough, one by one where it is not.

use crate::logql::ast::RangeOp;
use crate::logql::metric::steps::Pane;
use crate::model::{Memory, MemoryExceeded, Share};

/// One line of a log, as a range aggregation sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Nanoseconds since the epoch.
    pub nanos: i64,
    /// Tells which of two samples with equal time came first.
    pub order: u64,
    pub value: f64,
}

/// How samples are kept, which depends on what is asked of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    Count,
    Sum,
    Min,
    Max,
    Mean,
    Variance,
    First,
    Last,
    /// Every value, in no order within a pane: quantiles.
    Values,
    /// All of them, in their order: counters.
    All,
}

impl Keep {
    /// What an aggregation needs. `unwrapped` tells a sum of values from a count of lines.
    pub fn of(op: RangeOp, unwrapped: bool) -> Keep {
        match op {
            RangeOp::Rate if unwrapped => Keep::Sum,
            RangeOp::Rate
            | RangeOp::CountOverTime
            | RangeOp::BytesRate
            | RangeOp::BytesOverTime
            | RangeOp::AbsentOverTime => Keep::Count,
            RangeOp::SumOverTime => Keep::Sum,
            RangeOp::AvgOverTime => Keep::Mean,
            RangeOp::MinOverTime => Keep::Min,
            RangeOp::MaxOverTime => Keep::Max,
            RangeOp::StdvarOverTime | RangeOp::StddevOverTime => Keep::Variance,
            RangeOp::FirstOverTime => Keep::First,
            RangeOp::LastOverTime => Keep::Last,
            RangeOp::QuantileOverTime => Keep::Values,
            RangeOp::RateCounter => Keep::All,
        }
    }
}

/// A running mean, as Loki computes it: numbers beyond the largest do not overflow on the way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mean {
    pub count: f64,
    pub mean: f64,
}

impl Mean {
    fn of(value: f64) -> Mean {
        Mean { count: 1.0, mean: value }
    }

    /// Takes in what was computed of other values.
    pub fn merge(&mut self, other: &Mean) {
        let count = self.count + other.count;
        let stays_infinite =
            self.mean.is_infinite() && (self.mean == other.mean || (!other.mean.is_infinite() && !other.mean.is_nan()));
        if !stays_infinite {
            self.mean += other.mean * (other.count / count) - self.mean * (other.count / count);
        }
        self.count = count;
    }
}

/// A running variance (Welford, Chan).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Variance {
    pub count: f64,
    pub mean: f64,
    /// The sum of squared distances from the mean.
    pub spread: f64,
}

impl Variance {
    pub fn of(value: f64) -> Variance {
        // an infinite or missing value has no distance from itself
        let spread = if value.is_finite() { 0.0 } else { f64::NAN };
        Variance { count: 1.0, mean: value, spread }
    }

    /// Takes in what was computed of other values.
    pub fn merge(&mut self, other: &Variance) {
        let count = self.count + other.count;
        let delta = other.mean - self.mean;
        self.mean += delta * (other.count / count);
        self.spread += other.spread + delta * delta * (self.count * other.count / count);
        self.count = count;
    }

    /// The variance over all values, not of a sample of them.
    pub fn population(&self) -> f64 {
        self.spread / self.count
    }
}

/// Something known of one pane of one series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Entry<T> {
    pub series: u32,
    pub pane: Pane,
    pub value: T,
}

/// Entries in the order in which they came, those of one pane folded into one where that is easy; the rest is folded
/// when they are sorted. A million series take no more than their entries and a number each.
#[derive(Debug)]
pub struct Folded<T> {
    entries: Vec<Entry<T>>,
    /// The newest entry of each series, or `NOWHERE`.
    newest: Vec<u32>,
    /// Whether a sample came behind later ones of its series, so that its pane may be there twice.
    is_mixed: bool,
    /// How many entries were left when they were sorted last.
    sorted_len: usize,
    share: Share,
}

const NOWHERE: u32 = u32::MAX;
/// So few entries are not worth being sorted before the end.
const SORTED_LEN_MIN: usize = 4096;

impl<T> Entry<T> {
    #[inline]
    fn place(&self) -> u64 {
        u64::from(self.series) << 32 | u64::from(self.pane.first) << 16 | u64::from(self.pane.after)
    }
}

impl<T: Copy> Folded<T> {
    pub fn new(memory: &Memory) -> Folded<T> {
        Folded { entries: Vec::new(), newest: Vec::new(), is_mixed: false, sorted_len: 0, share: Share::of(memory) }
    }

    /// Takes in something about a pane.
    pub fn add(&mut self, series: u32, pane: Pane, value: T, merge: impl Fn(&mut T, &T)) -> Result<(), MemoryExceeded> {
        let newest = self.newest.get(series as usize).copied().unwrap_or(NOWHERE);
        if let Some(known) = self.entries.get_mut(newest as usize) {
            if known.pane == pane {
                merge(&mut known.value, &value);
                return Ok(());
            }
            self.is_mixed |= known.pane > pane;
        }
        if self.is_mixed && self.entries.len() >= 2 * self.sorted_len.max(SORTED_LEN_MIN) {
            self.sort(merge);
        }
        self.append(series, pane, value)?;
        let index = series as usize;
        self.share.lengthen(&mut self.newest, index + 1, NOWHERE)?;
        self.newest[index] = self.entries.len() as u32 - 1;
        Ok(())
    }

    /// The entries as they came.
    pub fn entries(&self) -> &[Entry<T>] {
        &self.entries
    }

    /// Takes in something that is not folded.
    fn append(&mut self, series: u32, pane: Pane, value: T) -> Result<(), MemoryExceeded> {
        self.share.room(&mut self.entries, 1)?;
        if self.entries.len() >= NOWHERE as usize {
            return Err(MemoryExceeded { bytes_max: self.share.memory().bytes_max() });
        }
        self.entries.push(Entry { series, pane, value });
        Ok(())
    }

    fn sort(&mut self, merge: impl Fn(&mut T, &T)) {
        self.entries.sort_unstable_by_key(Entry::place);
        self.entries.dedup_by(|later, kept| {
            let same = later.place() == kept.place();
            if same {
                merge(&mut kept.value, &later.value);
            }
            same
        });
        (self.is_mixed, self.sorted_len) = (false, self.entries.len());
        for (place, entry) in (0..).zip(&self.entries) {
            if let Some(newest) = self.newest.get_mut(entry.series as usize) {
                *newest = place;
            }
        }
    }

    /// The entries by series and time, one for each pane.
    pub fn finish(mut self, merge: impl Fn(&mut T, &T)) -> Result<BySeries<T>, MemoryExceeded> {
        self.sort(merge);
        self.by_series()
    }

    /// The entries by series, as they are sorted within one.
    fn by_series(mut self) -> Result<BySeries<T>, MemoryExceeded> {
        self.share.give_back(self.newest.capacity() * size_of::<u32>());
        let mut ends = std::mem::take(&mut self.newest);
        ends.clear();
        ends.shrink_to_fit();
        let series_count = self.entries.last().map_or(0, |entry| entry.series as usize + 1);
        self.share.lengthen(&mut ends, series_count, 0)?;
        for (place, entry) in (1..).zip(&self.entries) {
            ends[entry.series as usize] = place;
        }
        let mut end = 0;
        for known in &mut ends {
            end = end.max(*known);
            *known = end;
        }
        Ok(BySeries { entries: self.entries, ends, share: self.share })
    }
}

/// Entries sorted by series and time.
#[derive(Debug)]
pub struct BySeries<T> {
    entries: Vec<Entry<T>>,
    /// Where those of each series end.
    ends: Vec<u32>,
    share: Share,
}

impl<T> BySeries<T> {
    /// The entries of a series.
    pub fn get(&self, series: u32) -> &[Entry<T>] {
        let series = series as usize;
        let Some(end) = self.ends.get(series) else { return &[] };
        let start = if series == 0 { 0 } else { self.ends[series - 1] };
        &self.entries[start as usize..*end as usize]
    }

    /// How many series there may be.
    pub fn series_count(&self) -> usize {
        self.ends.len()
    }

    /// What pays for it.
    pub fn share(&mut self) -> &mut Share {
        &mut self.share
    }
}

/// The samples of all series of a range aggregation.
#[derive(Debug)]
pub enum Samples {
    Count(Folded<u64>),
    Sum(Folded<f64>),
    Min(Folded<f64>),
    Max(Folded<f64>),
    Mean(Folded<Mean>),
    Variance(Folded<Variance>),
    First(Folded<Sample>),
    Last(Folded<Sample>),
    Values(Folded<f64>),
    All(Folded<Sample>),
}

impl Samples {
    pub fn new(keep: Keep, memory: &Memory) -> Samples {
        match keep {
            Keep::Count => Samples::Count(Folded::new(memory)),
            Keep::Sum => Samples::Sum(Folded::new(memory)),
            Keep::Min => Samples::Min(Folded::new(memory)),
            Keep::Max => Samples::Max(Folded::new(memory)),
            Keep::Mean => Samples::Mean(Folded::new(memory)),
            Keep::Variance => Samples::Variance(Folded::new(memory)),
            Keep::First => Samples::First(Folded::new(memory)),
            Keep::Last => Samples::Last(Folded::new(memory)),
            Keep::Values => Samples::Values(Folded::new(memory)),
            Keep::All => Samples::All(Folded::new(memory)),
        }
    }

    /// Takes a sample in. Counts add the value up as a whole number: 1 for a line, its length for bytes.
    pub fn add(&mut self, series: u32, pane: Pane, sample: Sample) -> Result<(), MemoryExceeded> {
        let value = sample.value;
        match self {
            Samples::Count(folded) => folded.add(series, pane, value as u64, add),
            Samples::Sum(folded) => folded.add(series, pane, value, add),
            Samples::Min(folded) => folded.add(series, pane, value, least),
            Samples::Max(folded) => folded.add(series, pane, value, greatest),
            Samples::Mean(folded) => folded.add(series, pane, Mean::of(value), Mean::merge),
            Samples::Variance(folded) => folded.add(series, pane, Variance::of(value), Variance::merge),
            Samples::First(folded) => folded.add(series, pane, sample, earlier),
            Samples::Last(folded) => folded.add(series, pane, sample, later),
            Samples::Values(folded) => folded.append(series, pane, value),
            Samples::All(folded) => folded.append(series, pane, sample),
        }
    }

    /// Takes in what was found elsewhere, and kept alike; `series_of` gives the number here for each number there.
    pub fn absorb(&mut self, other: &Samples, series_of: &[u32]) -> Result<(), MemoryExceeded> {
        fn each<T: Copy>(
            from: &Folded<T>,
            series_of: &[u32],
            mut take: impl FnMut(u32, Pane, T) -> Result<(), MemoryExceeded>,
        ) -> Result<(), MemoryExceeded> {
            from.entries.iter().try_for_each(|entry| take(series_of[entry.series as usize], entry.pane, entry.value))
        }
        let of = series_of;
        match (self, other) {
            (Samples::Count(to), Samples::Count(from)) => each(from, of, |s, pane, value| to.add(s, pane, value, add)),
            (Samples::Sum(to), Samples::Sum(from)) => each(from, of, |s, pane, value| to.add(s, pane, value, add)),
            (Samples::Min(to), Samples::Min(from)) => each(from, of, |s, pane, value| to.add(s, pane, value, least)),
            (Samples::Max(to), Samples::Max(from)) => each(from, of, |s, pane, value| to.add(s, pane, value, greatest)),
            (Samples::Mean(to), Samples::Mean(from)) => {
                each(from, of, |s, pane, value| to.add(s, pane, value, Mean::merge))
            }
            (Samples::Variance(to), Samples::Variance(from)) => {
                each(from, of, |s, pane, value| to.add(s, pane, value, Variance::merge))
            }
            (Samples::First(to), Samples::First(from)) => {
                each(from, of, |s, pane, value| to.add(s, pane, value, earlier))
            }
            (Samples::Last(to), Samples::Last(from)) => each(from, of, |s, pane, value| to.add(s, pane, value, later)),
            (Samples::Values(to), Samples::Values(from)) => each(from, of, |s, pane, value| to.append(s, pane, value)),
            (Samples::All(to), Samples::All(from)) => each(from, of, |s, pane, value| to.append(s, pane, value)),
            (to, from) => {
                debug_assert!(false, "{to:?} cannot take in {from:?}");
                Ok(())
            }
        }
    }
}

/// The values by series, pane and size.
pub(crate) fn by_size(mut values: Folded<f64>) -> Result<BySeries<f64>, MemoryExceeded> {
    // one number for both is compared without a branch
    let key = |entry: &Entry<f64>| u128::from(entry.place()) << 64 | u128::from(size_key(entry.value));
    values.entries.sort_unstable_by_key(key);
    values.by_series()
}

/// The samples by series, time and order.
pub(crate) fn by_time(mut samples: Folded<Sample>) -> Result<BySeries<Sample>, MemoryExceeded> {
    samples.entries.sort_unstable_by_key(|entry| (entry.series, entry.value.nanos, entry.value.order));
    samples.by_series()
}

/// A number whose order is that of the values; a missing one (NaN) counts as the smallest.
#[inline]
pub(crate) fn size_key(value: f64) -> u64 {
    const SIGN: u64 = 1 << 63;
    match (value.is_nan(), value.to_bits()) {
        (true, _) => 0,
        (false, bits) if bits & SIGN == 0 => bits | SIGN,
        (false, bits) => !bits,
    }
}

/// The value of a [`size_key`].
pub(crate) fn of_size_key(key: u64) -> f64 {
    const SIGN: u64 = 1 << 63;
    match key {
        0 => f64::NAN,
        key if key & SIGN != 0 => f64::from_bits(key & !SIGN),
        key => f64::from_bits(!key),
    }
}

pub(crate) fn add<T: std::ops::AddAssign + Copy>(known: &mut T, new: &T) {
    *known += *new;
}

/// The smaller number; a missing one (NaN) gives way.
pub fn least(known: &mut f64, new: &f64) {
    *known = known.min(*new);
}

/// The greater number; a missing one (NaN) gives way.
pub fn greatest(known: &mut f64, new: &f64) {
    *known = known.max(*new);
}

pub(crate) fn earlier(known: &mut Sample, new: &Sample) {
    if (new.nanos, new.order) < (known.nanos, known.order) {
        *known = *new;
    }
}

pub(crate) fn later(known: &mut Sample, new: &Sample) {
    if (new.nanos, new.order) > (known.nanos, known.order) {
        *known = *new;
    }
}

#[cfg(test)]
mod tests {
    use crate::logql::metric::samples::{Keep, Mean, Sample, Samples, Variance, add, of_size_key, size_key};
    use crate::logql::metric::steps::Pane;
    use crate::model::Memory;

    #[test]
    fn means_and_variances_merge_as_if_the_samples_came_one_by_one() {
        let values = [3.0, -1.5, 8.25, 8.25, 0.0, 1e6];
        for split in 1..values.len() {
            let (left, right) = values.split_at(split);
            let mean = |values: &[f64]| {
                let mut mean = Mean::of(values[0]);
                values[1..].iter().for_each(|value| mean.merge(&Mean::of(*value)));
                mean
            };
            let mut both = mean(left);
            both.merge(&mean(right));
            assert!((both.mean - values.iter().sum::<f64>() / 6.0).abs() < 1e-6);

            let variance = |values: &[f64]| {
                let mut variance = Variance::of(values[0]);
                values[1..].iter().for_each(|value| variance.merge(&Variance::of(*value)));
                variance
            };
            let mut both = variance(left);
            both.merge(&variance(right));
            let (mean, count) = (values.iter().sum::<f64>() / 6.0, 6.0);
            let wanted = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
            assert!((both.population() / wanted - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn a_mean_of_infinities_of_one_sign_is_infinite() {
        let mut mean = Mean::of(f64::INFINITY);
        mean.merge(&Mean::of(1.0));
        mean.merge(&Mean::of(f64::INFINITY));
        assert_eq!(mean.mean, f64::INFINITY);
        mean.merge(&Mean::of(f64::NEG_INFINITY));
        assert!(mean.mean.is_nan());
    }

    #[test]
    fn samples_may_come_in_any_order() {
        let pane = |first: u16| Pane { first, after: first + 1 };
        let sample = |value| Sample { nanos: 0, order: 0, value };
        let memory = Memory::unbounded();
        let (mut one, mut other) = (Samples::new(Keep::Sum, &memory), Samples::new(Keep::Sum, &memory));
        let mut sums = std::collections::BTreeMap::new();
        for number in 0..100_000u32 {
            let (series, first) = (number % 5, (number.wrapping_mul(2_654_435_761) >> 20) as u16 % 300);
            let to = if number % 3 == 0 { &mut other } else { &mut one };
            to.add(series, pane(first), sample(f64::from(number))).expect("no bound");
            *sums.entry((series, first)).or_insert(0.0) += f64::from(number);
        }
        assert!(memory.used() < 1 << 20, "panes are folded on the way, but {} bytes are used", memory.used());
        one.absorb(&other, &[0, 1, 2, 3, 4]).expect("no bound");
        let Samples::Sum(folded) = one else { panic!("it stays a sum") };
        let by_series = folded.finish(add).expect("no bound");
        let entries = (0..5).flat_map(|series| by_series.get(series));
        let found: Vec<_> = entries.map(|entry| ((entry.series, entry.pane.first), entry.value)).collect();
        assert_eq!(found, sums.into_iter().collect::<Vec<_>>());
        assert!(by_series.get(5).is_empty());
    }

    #[test]
    fn keys_of_size_keep_values_and_their_order() {
        let values = [f64::NEG_INFINITY, -1e300, -1.5, -0.0, 0.0, 1e-300, 2.0, f64::INFINITY];
        let keys: Vec<u64> = values.iter().map(|value| size_key(*value)).collect();
        assert!(keys.is_sorted() && size_key(f64::NAN) < keys[0]);
        assert!(keys.iter().zip(values).all(|(key, value)| of_size_key(*key).to_bits() == value.to_bits()));
        assert!(of_size_key(size_key(f64::NAN)).is_nan());
    }
}
