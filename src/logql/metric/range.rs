//! Range aggregations: from the samples of a series to one value per step.

use std::cmp::Ordering;

use crate::logql::ast::RangeOp;
use crate::logql::metric::samples::{Mean, Sample, Samples, Variance, greatest, least};
use crate::logql::metric::steps::{Pane, Windows};

/// The values of one series, step by step. Steps must be asked for in rising order.
#[derive(Debug)]
pub struct Slide {
    samples: Samples,
    /// Panes (or samples) `low..high` are in the window.
    low: usize,
    high: usize,
    state: State,
}

/// What is carried from step to step.
#[derive(Debug)]
enum State {
    /// Whole numbers add and subtract exactly.
    Count(u64),
    // in boxes, as most queries count, and there may be a million series
    Number(Box<Stack<f64>>),
    Mean(Box<Stack<Mean>>),
    Variance(Box<Stack<Variance>>),
    None,
}

/// What a range aggregation computes.
#[derive(Clone, Copy, Debug)]
pub struct Aggregation {
    pub op: RangeOp,
    pub unwrapped: bool,
    /// The φ of `quantile_over_time`.
    pub quantile: f64,
    pub windows: Windows,
}

impl Slide {
    pub fn new(mut samples: Samples) -> Slide {
        let state = match &mut samples {
            Samples::Count(_) => State::Count(0),
            Samples::Sum(_) | Samples::Min(_) | Samples::Max(_) => State::Number(Box::default()),
            Samples::Mean(_) => State::Mean(Box::default()),
            Samples::Variance(_) => State::Variance(Box::default()),
            Samples::First(_) | Samples::Last(_) => State::None,
            Samples::All(all) => {
                all.sort_unstable_by_key(|sample| (sample.nanos, sample.order));
                State::None
            }
        };
        Slide { samples, low: 0, high: 0, state }
    }

    /// The value at a step, or none where the window is empty.
    pub fn value(&mut self, aggregation: &Aggregation, step: u32) -> Option<f64> {
        let number = match (&self.samples, &mut self.state) {
            (Samples::Count(panes), State::Count(count)) => {
                let entries = panes.entries();
                while self.high < entries.len() && entries[self.high].0.first <= step {
                    *count += entries[self.high].1;
                    self.high += 1;
                }
                while self.low < self.high && entries[self.low].0.after <= step {
                    *count -= entries[self.low].1;
                    self.low += 1;
                }
                (self.low < self.high).then_some(*count as f64)
            }
            (Samples::Sum(panes), State::Number(stack)) => {
                let range = (&mut self.low, &mut self.high);
                stack.slide(panes.entries(), range, step, |known, new| *known += new)
            }
            (Samples::Min(panes), State::Number(stack)) => {
                stack.slide(panes.entries(), (&mut self.low, &mut self.high), step, least)
            }
            (Samples::Max(panes), State::Number(stack)) => {
                stack.slide(panes.entries(), (&mut self.low, &mut self.high), step, greatest)
            }
            (Samples::Mean(panes), State::Mean(stack)) => {
                let range = (&mut self.low, &mut self.high);
                stack.slide(panes.entries(), range, step, Mean::merge).map(|mean| mean.mean)
            }
            (Samples::Variance(panes), State::Variance(stack)) => {
                let range = (&mut self.low, &mut self.high);
                stack.slide(panes.entries(), range, step, Variance::merge).map(|variance| variance.population())
            }
            (Samples::First(panes), _) => {
                advance(panes.entries(), (&mut self.low, &mut self.high), step);
                panes.entries()[self.low..self.high].first().map(|(_, sample)| sample.value)
            }
            (Samples::Last(panes), _) => {
                advance(panes.entries(), (&mut self.low, &mut self.high), step);
                panes.entries()[self.low..self.high].last().map(|(_, sample)| sample.value)
            }
            (Samples::All(samples), _) => {
                let (start, end) = (aggregation.windows.start(step), aggregation.windows.end(step));
                self.high += samples[self.high..].iter().take_while(|sample| sample.nanos <= end).count();
                self.low += samples[self.low..self.high].iter().take_while(|sample| sample.nanos <= start).count();
                let window = &samples[self.low..self.high];
                (!window.is_empty()).then(|| match aggregation.op {
                    RangeOp::RateCounter => rate_counter(window, aggregation.windows.range_ns()),
                    _ => quantile(aggregation.quantile, window.iter().map(|sample| sample.value).collect()),
                })
            }
            (Samples::Count(_) | Samples::Sum(_) | Samples::Min(_) | Samples::Max(_), _)
            | (Samples::Mean(_) | Samples::Variance(_), _) => None,
        };
        number.map(|number| aggregation.finish(number))
    }
}

impl Aggregation {
    fn finish(&self, number: f64) -> f64 {
        match self.op {
            RangeOp::Rate | RangeOp::BytesRate => number / self.windows.range_secs(),
            RangeOp::StddevOverTime => number.sqrt(),
            RangeOp::AbsentOverTime => 1.0,
            RangeOp::RateCounter
            | RangeOp::CountOverTime
            | RangeOp::BytesOverTime
            | RangeOp::SumOverTime
            | RangeOp::AvgOverTime
            | RangeOp::MinOverTime
            | RangeOp::MaxOverTime
            | RangeOp::StdvarOverTime
            | RangeOp::QuantileOverTime
            | RangeOp::FirstOverTime
            | RangeOp::LastOverTime => number,
        }
    }
}

/// Moves `low..high` to the panes of a window.
fn advance<T>(entries: &[(Pane, T)], (low, high): (&mut usize, &mut usize), step: u32) {
    while *high < entries.len() && entries[*high].0.first <= step {
        *high += 1;
    }
    while *low < *high && entries[*low].0.after <= step {
        *low += 1;
    }
}

/// A window that slides over panes whose contents can be merged but not taken apart again: what lies before `middle`
/// is kept merged from each pane up to `middle`, what comes after it in one sum. Every pane is merged twice at most.
#[derive(Debug)]
struct Stack<T> {
    /// `before[n]` merges the panes from `middle - n - 1` up to `middle`.
    before: Vec<T>,
    middle: usize,
    after: Option<T>,
}

impl<T> Default for Stack<T> {
    fn default() -> Stack<T> {
        Stack { before: Vec::new(), middle: 0, after: None }
    }
}

impl<T: Copy> Stack<T> {
    /// Moves the window `low..high` on to a step and merges what is in it.
    fn slide(
        &mut self,
        entries: &[(Pane, T)],
        (low, high): (&mut usize, &mut usize),
        step: u32,
        merge: impl Fn(&mut T, &T),
    ) -> Option<T> {
        while *high < entries.len() && entries[*high].0.first <= step {
            match &mut self.after {
                Some(known) => merge(known, &entries[*high].1),
                None => self.after = Some(entries[*high].1),
            }
            *high += 1;
        }
        while *low < *high && entries[*low].0.after <= step {
            if *low >= self.middle {
                self.turn(entries, *low, *high, &merge);
            }
            self.before.pop();
            *low += 1;
        }
        match (self.before.last(), &self.after) {
            (Some(before), Some(after)) => {
                let mut both = *before;
                merge(&mut both, after);
                Some(both)
            }
            (Some(one), None) | (None, Some(one)) => Some(*one),
            (None, None) => None,
        }
    }

    fn turn(&mut self, entries: &[(Pane, T)], low: usize, high: usize, merge: &impl Fn(&mut T, &T)) {
        self.before.clear();
        for (_, value) in entries[low..high].iter().rev() {
            let mut merged = *value;
            if let Some(later) = self.before.last() {
                merge(&mut merged, later);
            }
            self.before.push(merged);
        }
        self.middle = high;
        self.after = None;
    }
}

/// The φ-quantile of some values, between two of them where it falls there.
fn quantile(phi: f64, mut values: Vec<f64>) -> f64 {
    if phi.is_nan() {
        return f64::NAN;
    }
    if phi < 0.0 {
        return f64::NEG_INFINITY;
    }
    if phi > 1.0 {
        return f64::INFINITY;
    }
    // a missing number counts as the smallest
    values.sort_unstable_by(|a, b| match (a.is_nan(), b.is_nan()) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        (false, false) => a.total_cmp(b),
    });
    let rank = phi * (values.len() - 1) as f64;
    let lower = rank.floor() as usize;
    let upper = (lower + 1).min(values.len() - 1);
    let weight = rank - rank.floor();
    values[lower] * (1.0 - weight) + values[upper] * weight
}

/// The growth of a counter per second: a fall is a restart from 0, and the growth between the first and the last
/// sample stands for the window, which is taken to begin one range before the first sample.
fn rate_counter(window: &[Sample], range_ns: i64) -> f64 {
    let (Some(first), Some(last)) = (window.first(), window.last()) else {
        return 0.0;
    };
    if window.len() < 2 {
        return 0.0;
    }
    let restarts = window.windows(2).filter(|pair| pair[1].value < pair[0].value).map(|pair| pair[0].value);
    let growth = last.value - first.value + restarts.sum::<f64>();

    // Loki counts the samples' times in nanoseconds here but the range in milliseconds; its answers are kept.
    let sampled = (last.nanos - first.nanos) as f64 / 1000.0;
    let mut to_start = (range_ns / 1_000_000) as f64 / 1000.0;
    let between = sampled / (window.len() - 1) as f64;
    if growth > 0.0 && first.value >= 0.0 {
        to_start = to_start.min(sampled * (first.value / growth));
    }
    let before = if to_start < between * 1.1 { to_start } else { between / 2.0 };
    growth * ((sampled + before) / sampled) / (range_ns as f64 / 1e9)
}

#[cfg(test)]
mod tests {
    use crate::logql::ast::RangeOp;
    use crate::logql::metric::range::{Aggregation, Slide, quantile};
    use crate::logql::metric::samples::{Keep, Sample, Samples};
    use crate::logql::metric::steps::{PaneFinder, Steps, Windows};
    use crate::model::Timestamp;

    const ALL: [RangeOp; 9] = [
        RangeOp::CountOverTime,
        RangeOp::SumOverTime,
        RangeOp::AvgOverTime,
        RangeOp::MinOverTime,
        RangeOp::MaxOverTime,
        RangeOp::StdvarOverTime,
        RangeOp::FirstOverTime,
        RangeOp::LastOverTime,
        RangeOp::QuantileOverTime,
    ];

    /// What the values of one window come to, computed the plain way.
    fn plainly(op: RangeOp, values: &[f64]) -> f64 {
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        match op {
            RangeOp::CountOverTime => count,
            RangeOp::SumOverTime => values.iter().sum(),
            RangeOp::AvgOverTime => mean,
            RangeOp::MinOverTime => values.iter().copied().fold(f64::INFINITY, f64::min),
            RangeOp::MaxOverTime => values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            RangeOp::StdvarOverTime => values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / count,
            RangeOp::FirstOverTime => values[0],
            RangeOp::LastOverTime => values[values.len() - 1],
            _ => quantile(0.5, values.to_vec()),
        }
    }

    #[test]
    fn sliding_gives_what_each_window_gives_alone() {
        let samples: Vec<(i64, f64)> =
            (0..60i64).map(|n| (n * n * 7 % 101, ((n * 37) % 23) as f64 - 11.0)).filter(|(t, _)| t % 9 < 6).collect();
        let mut by_time = samples.clone();
        by_time.sort_by_key(|(nanos, _)| *nanos);
        for (range, step) in [(10, 3), (3, 10), (50, 7), (5, 5)] {
            let steps = Steps::between(Timestamp::from_nanos(1), Timestamp::from_nanos(99), step);
            let windows = Windows::new(&steps, range, 0);
            for op in ALL {
                let mut kept = Samples::new(Keep::of(op, true));
                let mut finder = PaneFinder::new(windows);
                for (order, (nanos, value)) in (0u64..).zip(&samples) {
                    let value = if op == RangeOp::CountOverTime { 1.0 } else { *value };
                    if let Some(pane) = finder.find(Timestamp::from_nanos(*nanos)) {
                        kept.add(pane, Sample { nanos: *nanos, order, value });
                    }
                }
                let mut slide = Slide::new(kept);
                let aggregation = Aggregation { op, unwrapped: true, quantile: 0.5, windows };
                for index in 0..steps.count() {
                    let end = steps.time(index).nanos();
                    let inside = by_time.iter().filter(|(nanos, _)| end - range < *nanos && *nanos <= end);
                    let values: Vec<f64> = inside.map(|(_, value)| *value).collect();
                    let found = slide.value(&aggregation, index);
                    let wanted = (!values.is_empty()).then(|| plainly(op, &values));
                    let same = match (found, wanted) {
                        (Some(found), Some(wanted)) => (found - wanted).abs() < 1e-9,
                        (None, None) => true,
                        (Some(_), None) | (None, Some(_)) => false,
                    };
                    assert!(same, "{op:?} range {range} step {step} at {end}: {found:?}, not {wanted:?}");
                }
            }
        }
    }

    #[test]
    fn quantiles_lie_between_values_and_beyond_the_ends_are_infinite() {
        let values = vec![3.0, 1.0, 2.0, 4.0];
        assert_eq!(quantile(0.5, values.clone()), 2.5);
        assert_eq!(quantile(0.0, values.clone()), 1.0);
        assert_eq!(quantile(1.0, values.clone()), 4.0);
        assert_eq!(quantile(1.5, values.clone()), f64::INFINITY);
        assert_eq!(quantile(-1.0, values), f64::NEG_INFINITY);
    }
}
