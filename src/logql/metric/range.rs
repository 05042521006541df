//! Range aggregations: from the samples of all series to one value for each series and step.

use crate::logql::ast::RangeOp;
use crate::logql::metric::quantile::quantile;
use crate::logql::metric::samples::{
    BySeries, Entry, Mean, Sample, Samples, Variance, add, by_size, by_time, earlier, greatest, later, least,
};
use crate::logql::metric::steps::Windows;
use crate::model::MemoryExceeded;

/// The values of all series, step by step. Steps must be asked for in rising order.
#[derive(Debug)]
pub struct Slides(Kept);

#[derive(Debug)]
enum Kept {
    Count(Sliding<u64>),
    Sum(Sliding<f64>),
    Min(Sliding<f64>),
    Max(Sliding<f64>),
    Mean(Sliding<Mean>),
    Variance(Sliding<Variance>),
    First(Sliding<Sample>),
    Last(Sliding<Sample>),
    Values(Sliding<f64>),
    All(Sliding<Sample>),
}

/// The entries of all series with the window of each.
#[derive(Debug)]
struct Sliding<T> {
    entries: BySeries<T>,
    /// By series, which entries are in its window; empty where there is one step, whose window has them all.
    windows: Vec<Window>,
    /// What is carried from step to step for series with so many entries that a window is not folded anew each time.
    stacks: Vec<Stack<T>>,
}

/// Entries `low..high` of a series are in its window.
#[derive(Clone, Copy, Debug)]
struct Window {
    low: u32,
    high: u32,
    /// Its stack, or `NO_STACK`.
    stack: u32,
}

const NO_STACK: u32 = u32::MAX;
/// A series with more entries has a stack.
const FOLDED_ANEW_MAX: usize = 16;

impl Slides {
    pub fn new(samples: Samples, step_count: u32) -> Result<Slides, MemoryExceeded> {
        Ok(Slides(match samples {
            Samples::Count(folded) => Kept::Count(Sliding::folded(folded.finish(add)?, step_count)?),
            Samples::Sum(folded) => Kept::Sum(Sliding::folded(folded.finish(add)?, step_count)?),
            Samples::Min(folded) => Kept::Min(Sliding::folded(folded.finish(least)?, step_count)?),
            Samples::Max(folded) => Kept::Max(Sliding::folded(folded.finish(greatest)?, step_count)?),
            Samples::Mean(folded) => Kept::Mean(Sliding::folded(folded.finish(Mean::merge)?, step_count)?),
            Samples::Variance(folded) => Kept::Variance(Sliding::folded(folded.finish(Variance::merge)?, step_count)?),
            Samples::First(folded) => Kept::First(Sliding::plain(folded.finish(earlier)?, step_count)?),
            Samples::Last(folded) => Kept::Last(Sliding::plain(folded.finish(later)?, step_count)?),
            Samples::Values(values) => Kept::Values(Sliding::plain(by_size(values)?, step_count)?),
            Samples::All(samples) => Kept::All(Sliding::plain(by_time(samples)?, step_count)?),
        }))
    }

    /// The value of a series at a step, or none where the window is empty.
    pub fn value(&mut self, aggregation: &Aggregation, series: u32, step: u32) -> Option<f64> {
        let number = match &mut self.0 {
            Kept::Count(kept) => kept.fold(series, step, add).map(|count| count as f64),
            Kept::Sum(kept) => kept.fold(series, step, add),
            Kept::Min(kept) => kept.fold(series, step, least),
            Kept::Max(kept) => kept.fold(series, step, greatest),
            Kept::Mean(kept) => kept.fold(series, step, Mean::merge).map(|mean| mean.mean),
            Kept::Variance(kept) => kept.fold(series, step, Variance::merge).map(|variance| variance.population()),
            Kept::First(kept) => kept.window(series, step).first().map(|entry| entry.value.value),
            Kept::Last(kept) => kept.window(series, step).last().map(|entry| entry.value.value),
            Kept::Values(kept) => quantile(aggregation.quantile, kept.window(series, step)),
            Kept::All(kept) => {
                let window = kept.window(series, step);
                (!window.is_empty()).then(|| rate_counter(window, aggregation.windows.range_ns()))
            }
        };
        number.map(|number| aggregation.finish(number))
    }
}

impl<T: Copy> Sliding<T> {
    /// Where the entries of a window are looked at as they are.
    fn plain(mut entries: BySeries<T>, step_count: u32) -> Result<Sliding<T>, MemoryExceeded> {
        let mut windows = Vec::new();
        if step_count > 1 {
            let count = entries.series_count();
            entries.share().lengthen(&mut windows, count, Window { low: 0, high: 0, stack: NO_STACK })?;
        }
        Ok(Sliding { entries, windows, stacks: Vec::new() })
    }

    /// Where the entries of a window are folded into one.
    fn folded(entries: BySeries<T>, step_count: u32) -> Result<Sliding<T>, MemoryExceeded> {
        let mut sliding = Sliding::plain(entries, step_count)?;
        for (series, window) in (0..).zip(&mut sliding.windows) {
            let entry_count = sliding.entries.get(series).len();
            if entry_count > FOLDED_ANEW_MAX {
                let share = sliding.entries.share();
                share.take(entry_count * size_of::<T>())?;
                share.room(&mut sliding.stacks, 1)?;
                window.stack = sliding.stacks.len() as u32;
                sliding.stacks.push(Stack::default());
            }
        }
        Ok(sliding)
    }

    /// The entries that lie in the window of a step.
    fn window(&mut self, series: u32, step: u32) -> &[Entry<T>] {
        let entries = self.entries.get(series);
        let Some(window) = self.windows.get_mut(series as usize) else { return entries };
        let (mut low, mut high) = (window.low as usize, window.high as usize);
        while high < entries.len() && u32::from(entries[high].pane.first) <= step {
            high += 1;
        }
        while low < high && u32::from(entries[low].pane.after) <= step {
            low += 1;
        }
        (window.low, window.high) = (low as u32, high as u32);
        &entries[low..high]
    }

    /// All that is known of the window of a step.
    fn fold(&mut self, series: u32, step: u32, merge: impl Fn(&mut T, &T)) -> Option<T> {
        if let Some(window) = self.windows.get_mut(series as usize)
            && let Some(stack) = self.stacks.get_mut(window.stack as usize)
        {
            let (mut low, mut high) = (window.low as usize, window.high as usize);
            let folded = stack.slide(self.entries.get(series), (&mut low, &mut high), step, merge);
            (window.low, window.high) = (low as u32, high as u32);
            return folded;
        }
        let (first, rest) = self.window(series, step).split_first()?;
        let mut folded = first.value;
        rest.iter().for_each(|entry| merge(&mut folded, &entry.value));
        Some(folded)
    }
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
        entries: &[Entry<T>],
        (low, high): (&mut usize, &mut usize),
        step: u32,
        merge: impl Fn(&mut T, &T),
    ) -> Option<T> {
        while *high < entries.len() && u32::from(entries[*high].pane.first) <= step {
            match &mut self.after {
                Some(known) => merge(known, &entries[*high].value),
                None => self.after = Some(entries[*high].value),
            }
            *high += 1;
        }
        while *low < *high && u32::from(entries[*low].pane.after) <= step {
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

    fn turn(&mut self, entries: &[Entry<T>], low: usize, high: usize, merge: &impl Fn(&mut T, &T)) {
        self.before.clear();
        self.before.reserve_exact(high - low);
        for entry in entries[low..high].iter().rev() {
            let mut merged = entry.value;
            if let Some(later) = self.before.last() {
                merge(&mut merged, later);
            }
            self.before.push(merged);
        }
        self.middle = high;
        self.after = None;
    }
}

/// The growth of a counter per second: a fall is a restart from 0, and the growth between the first and the last
/// sample stands for the window, which is taken to begin one range before the first sample.
fn rate_counter(window: &[Entry<Sample>], range_ns: i64) -> f64 {
    let (Some(first), Some(last)) = (window.first().map(|it| it.value), window.last().map(|it| it.value)) else {
        return 0.0;
    };
    if window.len() < 2 {
        return 0.0;
    }
    let pairs = window.windows(2).map(|pair| (pair[0].value.value, pair[1].value.value));
    let restarts = pairs.filter(|(before, after)| after < before).map(|(before, _)| before);
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
    use crate::logql::metric::range::{Aggregation, Slides};
    use crate::logql::metric::samples::{Keep, Sample, Samples};
    use crate::logql::metric::steps::{PaneFinder, Steps, Windows};
    use crate::model::{Memory, Timestamp};

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
            _ => {
                let mut sorted = values.to_vec();
                sorted.sort_by(f64::total_cmp);
                let rank = 0.5 * (count - 1.0);
                (sorted[rank.floor() as usize] + sorted[rank.ceil() as usize]) / 2.0
            }
        }
    }

    #[test]
    fn sliding_gives_what_each_window_gives_alone() {
        let samples: Vec<(i64, f64)> =
            (0..60i64).map(|n| (n * n * 7 % 101, ((n * 37) % 23) as f64 - 11.0)).filter(|(t, _)| t % 9 < 6).collect();
        let mut by_time = samples.clone();
        by_time.sort_by_key(|(nanos, _)| *nanos);
        for (range, step) in [(10, 3), (3, 10), (50, 7), (5, 5), (30, 1), (98, 98)] {
            let steps = Steps::between(Timestamp::from_nanos(1), Timestamp::from_nanos(99), step);
            let windows = Windows::new(&steps, range, 0);
            for op in ALL {
                let mut kept = Samples::new(Keep::of(op, true), &Memory::unbounded());
                let mut finder = PaneFinder::new(windows);
                for (order, (nanos, value)) in (0u64..).zip(&samples) {
                    let value = if op == RangeOp::CountOverTime { 1.0 } else { *value };
                    if let Some(pane) = finder.find(Timestamp::from_nanos(*nanos)) {
                        kept.add(0, pane, Sample { nanos: *nanos, order, value }).expect("no bound");
                    }
                }
                let mut slides = Slides::new(kept, steps.count()).expect("no bound");
                let aggregation = Aggregation { op, unwrapped: true, quantile: 0.5, windows };
                for index in 0..steps.count() {
                    let end = steps.time(index).nanos();
                    let inside = by_time.iter().filter(|(nanos, _)| end - range < *nanos && *nanos <= end);
                    let values: Vec<f64> = inside.map(|(_, value)| *value).collect();
                    let found = slides.value(&aggregation, 0, index);
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
}
