//! What is kept of the samples of one series: folded by pane where that is enough, one by one where it is not.

use crate::logql::ast::RangeOp;
use crate::logql::metric::steps::Pane;

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
    /// All of them: quantiles need every value, counters need their order.
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
            RangeOp::RateCounter | RangeOp::QuantileOverTime => Keep::All,
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

/// Something known of each pane that has samples, in the order of time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Panes<T>(Vec<(Pane, T)>);

impl<T> Panes<T> {
    /// Adds to a pane; samples mostly come in the order of time, so the last pane is looked at first. Answers the
    /// bytes by which this grew.
    fn add(&mut self, pane: Pane, value: T, merge: impl FnOnce(&mut T, &T)) -> usize {
        let before = self.0.capacity();
        match self.0.last_mut() {
            Some((last, known)) if *last == pane => merge(known, &value),
            Some((last, _)) if *last > pane => match self.0.binary_search_by(|(other, _)| other.cmp(&pane)) {
                Ok(index) => merge(&mut self.0[index].1, &value),
                Err(index) => self.0.insert(index, (pane, value)),
            },
            Some(_) => self.0.push((pane, value)),
            None => {
                // many series have a single pane
                self.0.reserve_exact(1);
                self.0.push((pane, value));
            }
        }
        (self.0.capacity() - before) * size_of::<(Pane, T)>()
    }

    fn absorb(&mut self, other: Panes<T>, mut merge: impl FnMut(&mut T, &T)) {
        for (pane, value) in other.0 {
            self.add(pane, value, &mut merge);
        }
    }

    /// The panes and what is known of them, in the order of time.
    pub fn entries(&self) -> &[(Pane, T)] {
        &self.0
    }
}

/// The samples of one series.
#[derive(Clone, Debug, PartialEq)]
pub enum Samples {
    Count(Panes<u64>),
    Sum(Panes<f64>),
    Min(Panes<f64>),
    Max(Panes<f64>),
    Mean(Panes<Mean>),
    Variance(Panes<Variance>),
    First(Panes<Sample>),
    Last(Panes<Sample>),
    All(Vec<Sample>),
}

impl Samples {
    pub fn new(keep: Keep) -> Samples {
        match keep {
            Keep::Count => Samples::Count(Panes(Vec::new())),
            Keep::Sum => Samples::Sum(Panes(Vec::new())),
            Keep::Min => Samples::Min(Panes(Vec::new())),
            Keep::Max => Samples::Max(Panes(Vec::new())),
            Keep::Mean => Samples::Mean(Panes(Vec::new())),
            Keep::Variance => Samples::Variance(Panes(Vec::new())),
            Keep::First => Samples::First(Panes(Vec::new())),
            Keep::Last => Samples::Last(Panes(Vec::new())),
            Keep::All => Samples::All(Vec::new()),
        }
    }

    /// Takes a sample in. Counts add the value up as a whole number: 1 for a line, its length for bytes. Answers the
    /// bytes of memory that this took.
    pub fn add(&mut self, pane: Pane, sample: Sample) -> usize {
        let value = sample.value;
        match self {
            Samples::Count(panes) => panes.add(pane, value as u64, |known, new| *known += new),
            Samples::Sum(panes) => panes.add(pane, value, |known, new| *known += new),
            Samples::Min(panes) => panes.add(pane, value, least),
            Samples::Max(panes) => panes.add(pane, value, greatest),
            Samples::Mean(panes) => panes.add(pane, Mean::of(value), Mean::merge),
            Samples::Variance(panes) => panes.add(pane, Variance::of(value), Variance::merge),
            Samples::First(panes) => panes.add(pane, sample, earlier),
            Samples::Last(panes) => panes.add(pane, sample, later),
            Samples::All(samples) => {
                let before = samples.capacity();
                samples.push(sample);
                (samples.capacity() - before) * size_of::<Sample>()
            }
        }
    }

    /// Takes in what another thread found of the same series; both must be kept alike.
    pub fn absorb(&mut self, other: Samples) {
        match (self, other) {
            (Samples::Count(mine), Samples::Count(other)) => mine.absorb(other, |known, new| *known += new),
            (Samples::Sum(mine), Samples::Sum(other)) => mine.absorb(other, |known, new| *known += new),
            (Samples::Min(mine), Samples::Min(other)) => mine.absorb(other, least),
            (Samples::Max(mine), Samples::Max(other)) => mine.absorb(other, greatest),
            (Samples::Mean(mine), Samples::Mean(other)) => mine.absorb(other, Mean::merge),
            (Samples::Variance(mine), Samples::Variance(other)) => mine.absorb(other, Variance::merge),
            (Samples::First(mine), Samples::First(other)) => mine.absorb(other, earlier),
            (Samples::Last(mine), Samples::Last(other)) => mine.absorb(other, later),
            (Samples::All(mine), Samples::All(other)) => mine.extend(other),
            (mine, other) => debug_assert!(false, "{mine:?} cannot take in {other:?}"),
        }
    }
}

/// The smaller number; a missing one (NaN) gives way.
pub fn least(known: &mut f64, new: &f64) {
    *known = known.min(*new);
}

/// The greater number; a missing one (NaN) gives way.
pub fn greatest(known: &mut f64, new: &f64) {
    *known = known.max(*new);
}

fn earlier(known: &mut Sample, new: &Sample) {
    if (new.nanos, new.order) < (known.nanos, known.order) {
        *known = *new;
    }
}

fn later(known: &mut Sample, new: &Sample) {
    if (new.nanos, new.order) > (known.nanos, known.order) {
        *known = *new;
    }
}

#[cfg(test)]
mod tests {
    use crate::logql::metric::samples::{Keep, Mean, Sample, Samples, Variance};
    use crate::logql::metric::steps::Pane;

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
        let pane = |index| Pane { first: index, after: index + 1 };
        let sample = |nanos, value| Sample { nanos, order: 0, value };
        let mut one = Samples::new(Keep::Sum);
        for (index, value) in [(5, 1.0), (2, 10.0), (5, 100.0), (3, 1000.0)] {
            one.add(pane(index), sample(0, value));
        }
        let mut two = Samples::new(Keep::Sum);
        two.add(pane(1), sample(0, 7.0));
        two.add(pane(3), sample(0, 8.0));
        one.absorb(two);
        let Samples::Sum(panes) = one else { panic!("it stays a sum") };
        let found: Vec<_> = panes.entries().iter().map(|(pane, value)| (pane.first, *value)).collect();
        assert_eq!(found, [(1, 7.0), (2, 10.0), (3, 1008.0), (5, 101.0)]);
    }
}
