//! The points in time of a metric query, and the windows of time that reach back from them.
//!
//! A window is open on the left and closed on the right: `(t - range, t]`. The bounds of all windows together cut time
//! into panes; a sample belongs to one pane, and a window is a run of neighbouring panes.

use crate::model::{TimeRange, Timestamp};

/// The points at which a metric query is evaluated: `start`, `start + step`, … Never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Steps {
    start: Timestamp,
    step_ns: i64,
    count: u32,
}

impl Steps {
    /// From `start` to `end`, `end` included where a step falls on it, but 65,535 at most. `step_ns` must be above 0.
    pub fn between(start: Timestamp, end: Timestamp, step_ns: i64) -> Steps {
        let step_ns = step_ns.max(1);
        let span = (i128::from(end.nanos()) - i128::from(start.nanos())).max(0);
        let count = u32::try_from(span / i128::from(step_ns) + 1).unwrap_or(u32::MAX).min(STEPS_MAX);
        Steps { start, step_ns, count }
    }

    /// A single point.
    pub fn at(time: Timestamp) -> Steps {
        Steps { start: time, step_ns: 1, count: 1 }
    }

    /// How many points there are; at least 1.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// The time of the point with this index.
    pub fn time(&self, index: u32) -> Timestamp {
        Timestamp::from_nanos(after(self.start.nanos(), self.step_ns, index))
    }
}

/// A moment so many steps after another: all steps together may be longer than an i64 holds, where the moment is not.
fn after(first: i64, step_ns: i64, count: u32) -> i64 {
    let nanos = i128::from(first) + i128::from(step_ns) * i128::from(count);
    nanos.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
}

/// The windows of one range aggregation, one for every step.
#[derive(Clone, Copy, Debug)]
pub struct Windows {
    first_end: i64,
    step_ns: i64,
    range_ns: i64,
    count: u32,
}

/// A span of time that is part of the windows `first..after`, and of no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pane {
    pub first: u16,
    pub after: u16,
}

/// Steps of a query, at most: their numbers are kept a million times.
const STEPS_MAX: u32 = u16::MAX as u32;

impl Windows {
    /// Windows of `range_ns`, moved into the past by `offset_ns`. Nothing lies in a window of 0.
    pub fn new(steps: &Steps, range_ns: i64, offset_ns: i64) -> Windows {
        Windows {
            first_end: steps.start.nanos().saturating_sub(offset_ns),
            step_ns: steps.step_ns,
            range_ns: range_ns.max(0),
            count: steps.count,
        }
    }

    /// The length of a window in seconds, which rates divide by.
    pub fn range_secs(&self) -> f64 {
        self.range_ns as f64 / 1e9
    }

    /// How many there are.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// The length of a window in nanoseconds.
    pub fn range_ns(&self) -> i64 {
        self.range_ns
    }

    /// When the window with this index ends; its last moment.
    pub fn end(&self, index: u32) -> i64 {
        after(self.first_end, self.step_ns, index)
    }

    /// Where the window with this index begins; the moment before its first one.
    pub fn start(&self, index: u32) -> i64 {
        self.end(index).saturating_sub(self.range_ns)
    }

    /// Everything from the first window to the last.
    pub fn span(&self) -> TimeRange {
        let start = Timestamp::from_nanos(self.start(0)).plus_nanos(1);
        let end = Timestamp::from_nanos(self.end(self.count - 1)).plus_nanos(1);
        TimeRange::new(start, end)
    }

    /// The pane of a moment, or none where it lies in no window.
    fn pane(&self, nanos: i64) -> Option<Pane> {
        if nanos <= self.start(0) || nanos > self.end(self.count - 1) {
            return None;
        }
        let to_end = (i128::from(nanos) - i128::from(self.first_end)).max(0);
        let to_start = i128::from(nanos) - i128::from(self.start(0));
        let step = i128::from(self.step_ns);
        let ceiling = |distance: i128| u16::try_from((distance - 1).div_euclid(step) + 1).unwrap_or(u16::MAX);
        let count = u16::try_from(self.count).unwrap_or(u16::MAX);
        let pane = Pane { first: ceiling(to_end), after: ceiling(to_start).min(count) };
        (pane.first < pane.after).then_some(pane)
    }

    /// The last moment of the gap between windows that a moment lies in.
    fn gap_end(&self, nanos: i64) -> i64 {
        let since = i128::from(nanos) - i128::from(self.start(0));
        let window = (since + i128::from(self.step_ns) - 1).div_euclid(i128::from(self.step_ns)).max(0);
        match u32::try_from(window) {
            Ok(window) if window < self.count => self.start(window),
            _ => i64::MAX,
        }
    }

    /// The bounds of a pane: after the first moment, up to and with the second.
    fn bounds(&self, pane: Pane) -> (i64, i64) {
        let (first, after) = (u32::from(pane.first), u32::from(pane.after));
        let ended = if first == 0 { i64::MIN } else { self.end(first - 1) };
        let starting = if after >= self.count { i64::MAX } else { self.start(after) };
        (ended.max(self.start(after - 1)), starting.min(self.end(first)))
    }
}

/// Finds panes of moments that mostly follow one another.
#[derive(Clone, Debug)]
pub struct PaneFinder {
    windows: Windows,
    found: Option<Pane>,
    /// The bounds within which `found` holds.
    after: i64,
    until: i64,
}

impl PaneFinder {
    pub fn new(windows: Windows) -> PaneFinder {
        PaneFinder { windows, found: None, after: 0, until: 0 }
    }

    /// The pane of a moment, or none where it lies in no window.
    pub fn find(&mut self, time: Timestamp) -> Option<Pane> {
        let nanos = time.nanos();
        if self.found.is_some() && self.after < nanos && nanos <= self.until {
            return self.found;
        }
        let pane = self.windows.pane(nanos)?;
        (self.after, self.until) = self.windows.bounds(pane);
        self.found = Some(pane);
        self.found
    }

    /// The last moment up to which `find` answers the same as for this one.
    pub fn part_end(&mut self, time: Timestamp) -> Timestamp {
        let end = match self.find(time) {
            Some(_) => self.until,
            None => self.windows.gap_end(time.nanos()),
        };
        Timestamp::from_nanos(end.max(time.nanos()))
    }
}

#[cfg(test)]
mod tests {
    use crate::logql::metric::steps::{Pane, PaneFinder, Steps, Windows};
    use crate::model::Timestamp;

    fn secs(value: i64) -> Timestamp {
        Timestamp::from_secs(value)
    }

    #[test]
    fn the_end_is_a_step_only_where_one_falls_on_it() {
        assert_eq!(Steps::between(secs(0), secs(60), 30_000_000_000).count(), 3);
        assert_eq!(Steps::between(secs(0), secs(59), 30_000_000_000).count(), 2);
        assert_eq!(Steps::between(secs(5), secs(5), 30_000_000_000).count(), 1);
        assert_eq!(Steps::at(secs(7)).time(0), secs(7));
    }

    #[test]
    fn windows_are_open_on_the_left_and_closed_on_the_right() {
        let steps = Steps::between(secs(100), secs(120), 10_000_000_000);
        let mut finder = PaneFinder::new(Windows::new(&steps, 10_000_000_000, 0));
        assert_eq!(finder.find(secs(90)), None);
        assert_eq!(finder.find(secs(91)), Some(Pane { first: 0, after: 1 }));
        assert_eq!(finder.find(secs(100)), Some(Pane { first: 0, after: 1 }));
        assert_eq!(finder.find(secs(101)), Some(Pane { first: 1, after: 2 }));
        assert_eq!(finder.find(secs(121)), None);
    }

    #[test]
    fn centuries_between_two_moments_do_no_harm() {
        let steps = Steps::between(secs(-7_400_000_000), secs(2_200_000_000), 10_000_000_000_000_000);
        let mut finder = PaneFinder::new(Windows::new(&steps, 300_000_000_000_000_000, 0));
        for at in [-7_500_000_000, 0, 1_795_132_800, 2_100_000_000] {
            let pane = finder.find(secs(at)).expect("it lies in a window");
            let windows = (0..steps.count()).filter(|index| {
                let end = i128::from(steps.time(*index).nanos());
                (end - 300_000_000_000_000_000..end).contains(&(i128::from(at) * 1_000_000_000 - 1))
            });
            let windows: Vec<u32> = windows.collect();
            assert_eq!((u32::from(pane.first)..u32::from(pane.after)).collect::<Vec<_>>(), windows, "{at}");
            assert!(finder.part_end(secs(at)) >= secs(at));
        }
    }

    #[test]
    fn the_finder_agrees_with_looking_at_every_window() {
        for (range, step, offset) in [(7, 3, 0), (3, 7, 2), (10, 10, -4), (1, 5, 0), (25, 4, 9)] {
            let steps = Steps::between(Timestamp::from_nanos(50), Timestamp::from_nanos(90), step);
            let windows = Windows::new(&steps, range, offset);
            let mut finder = PaneFinder::new(windows);
            for nanos in 0..130 {
                let inside = |index: &u32| {
                    let end = steps.time(*index).nanos() - offset;
                    end - range < nanos && nanos <= end
                };
                let wanted: Vec<u32> = (0..steps.count()).filter(inside).collect();
                let pane = finder.find(Timestamp::from_nanos(nanos));
                let found: Vec<u32> =
                    pane.map(|pane| (u32::from(pane.first)..u32::from(pane.after)).collect()).unwrap_or_default();
                assert_eq!(found, wanted, "range {range} step {step} offset {offset} at {nanos}");
                let end = finder.part_end(Timestamp::from_nanos(nanos)).nanos();
                assert!(end >= nanos);
                for later in nanos..=end.min(130) {
                    assert_eq!(windows.pane(later), pane, "range {range} step {step} offset {offset} at {nanos}");
                }
                assert!(end >= 130 || windows.pane(end + 1) != pane, "{range} {step} {offset} at {nanos}: {end}");
            }
        }
    }
}
