//! Series and samples of an answer, of which there may be a million: labels are made when they are looked at.

use std::fmt;

use crate::logql::metric::Evaluator;
use crate::logql::metric::series::{Pairs, Sets};
use crate::model::{Memory, MemoryExceeded, Share, Timestamp};
use crate::query::{Sample, Series};

/// Series with their points in the order of time.
pub struct Matrix {
    labels: ManyLabels,
    /// Where the points of each series end.
    ends: Vec<u32>,
    points: Vec<PointAt>,
    times: Vec<Timestamp>,
    _share: Share,
}

/// One value for each of several label sets.
pub struct Vector {
    labels: ManyLabels,
    values: Vec<f64>,
    timestamp: Timestamp,
    _share: Share,
}

/// The label sets of an answer, in its order.
struct ManyLabels {
    pairs: Pairs,
    sets: Sets,
}

/// The value of a series at a step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PointAt {
    pub(crate) series: u32,
    pub(crate) step: u32,
    pub(crate) value: f64,
}

impl Matrix {
    /// What an evaluation found: points of its series at `times`, which `share` has paid for.
    pub(crate) fn new(
        evaluator: Evaluator,
        mut points: Vec<PointAt>,
        times: Vec<Timestamp>,
        mut share: Share,
    ) -> Result<Matrix, MemoryExceeded> {
        const NOWHERE: u32 = u32::MAX;
        let memory = share.memory().clone();
        // the place of each series in the answer
        let mut ranks: Vec<u32> = Vec::new();
        let mut order: Vec<u32> = Vec::new();
        for point in &points {
            let index = point.series as usize;
            share.lengthen(&mut ranks, index + 1, NOWHERE)?;
            if ranks[index] == NOWHERE {
                ranks[index] = 0;
                share.room(&mut order, 1)?;
                order.push(point.series);
            }
        }
        let pairs = evaluator.pairs();
        order.sort_unstable_by(|left, right| pairs.compare(evaluator.set(*left), evaluator.set(*right)));
        let mut sets = Sets::new(&memory);
        for series in order {
            let set = evaluator.set(series);
            // label_replace can give two series the same labels: their points go into one
            let is_known = sets.len().checked_sub(1).is_some_and(|last| sets.get(last as u32) == set);
            if !is_known {
                sets.push(set)?;
            }
            ranks[series as usize] = sets.len() as u32 - 1;
        }
        let pairs = evaluator.into_pairs();
        points.iter_mut().for_each(|point| point.series = ranks[point.series as usize]);
        points.sort_unstable_by_key(|point| (point.series, point.step));
        let mut ends = ranks;
        ends.clear();
        ends.resize(sets.len(), 0);
        for (place, point) in (1..).zip(&points) {
            ends[point.series as usize] = place;
        }
        Ok(Matrix { labels: ManyLabels { pairs, sets }, ends, points, times, _share: share })
    }

    /// How many series there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The values of all series.
    pub fn values(&self) -> impl Iterator<Item = f64> {
        self.points.iter().map(|point| point.value)
    }

    /// The series, in the order of their labels.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Series> {
        (0..self.ends.len()).map(|number| self.series(number))
    }

    /// One of the series, counted from 0; its labels and points are made for it.
    pub fn series(&self, number: usize) -> Series {
        let start = if number == 0 { 0 } else { self.ends[number - 1] as usize };
        let points = &self.points[start..self.ends[number] as usize];
        let point = |point: &PointAt| (self.times[point.step as usize], point.value);
        Series { labels: self.labels.get(number), points: points.iter().map(point).collect() }
    }
}

impl Vector {
    /// Samples that are in their order.
    pub(crate) fn new(
        evaluator: Evaluator,
        points: &[crate::logql::metric::Point],
        timestamp: Timestamp,
        memory: &Memory,
    ) -> Result<Vector, MemoryExceeded> {
        let (mut sets, mut share, mut values) = (Sets::new(memory), Share::of(memory), Vec::new());
        share.room(&mut values, points.len())?;
        for point in points {
            sets.push(evaluator.set(point.series))?;
            values.push(point.value);
        }
        Ok(Vector { labels: ManyLabels { pairs: evaluator.into_pairs(), sets }, values, timestamp, _share: share })
    }

    /// How many samples there are.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The values of all samples.
    pub fn values(&self) -> impl Iterator<Item = f64> {
        self.values.iter().copied()
    }

    /// The samples in the order of the answer.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Sample> {
        (0..self.values.len()).map(|sample| Sample {
            labels: self.labels.get(sample),
            timestamp: self.timestamp,
            value: self.values[sample],
        })
    }
}

impl ManyLabels {
    fn get(&self, number: usize) -> crate::model::Labels {
        self.pairs.labels(self.sets.get(number as u32))
    }

    fn push(&mut self, labels: &crate::model::Labels) {
        let number = |(name, value)| self.pairs.number(name, value).expect("nothing bounds it");
        let set: Vec<u32> = labels.iter().map(number).collect();
        self.sets.push(&set).expect("nothing bounds it");
    }
}

impl Default for ManyLabels {
    fn default() -> ManyLabels {
        let memory = Memory::unbounded();
        ManyLabels { pairs: Pairs::new(&memory), sets: Sets::new(&memory) }
    }
}

/// For few series.
impl FromIterator<Series> for Matrix {
    fn from_iter<I: IntoIterator<Item = Series>>(all: I) -> Matrix {
        let mut labels = ManyLabels::default();
        let (mut ends, mut points, mut times): (Vec<u32>, Vec<PointAt>, Vec<Timestamp>) = Default::default();
        for (series, found) in (0..).zip(all) {
            labels.push(&found.labels);
            for (time, value) in found.points {
                points.push(PointAt { series, step: times.len() as u32, value });
                times.push(time);
            }
            ends.push(points.len() as u32);
        }
        Matrix { labels, ends, points, times, _share: Share::of(&Memory::unbounded()) }
    }
}

/// For few samples, all of one time.
impl FromIterator<Sample> for Vector {
    fn from_iter<I: IntoIterator<Item = Sample>>(all: I) -> Vector {
        let mut labels = ManyLabels::default();
        let (mut values, mut timestamp) = (Vec::new(), Timestamp::default());
        for sample in all {
            labels.push(&sample.labels);
            values.push(sample.value);
            timestamp = sample.timestamp;
        }
        Vector { labels, values, timestamp, _share: Share::of(&Memory::unbounded()) }
    }
}

impl fmt::Debug for Matrix {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_list().entries(self.iter()).finish()
    }
}

impl fmt::Debug for Vector {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use crate::model::{Labels, Timestamp};
    use crate::query::{Matrix, Sample, Series, Vector};

    #[test]
    fn what_goes_in_comes_out() {
        let at = Timestamp::from_secs;
        let series = |app: &str, points: &[(i64, f64)]| Series {
            labels: Labels::from([("app", app), ("env", "prod")]),
            points: points.iter().map(|(secs, value)| (at(*secs), *value)).collect(),
        };
        let all = vec![series("a", &[(1, 1.0), (2, 0.5)]), series("b", &[]), series("c", &[(2, 7.0)])];
        let matrix: Matrix = all.clone().into_iter().collect();
        assert_eq!((matrix.len(), matrix.iter().collect::<Vec<_>>()), (3, all));

        let sample = |app: &str| Sample { labels: Labels::from([("app", app)]), timestamp: at(3), value: 1.5 };
        let all = vec![sample("x"), sample("a")];
        let vector: Vector = all.clone().into_iter().collect();
        assert_eq!((vector.len(), vector.iter().collect::<Vec<_>>()), (2, all));
    }
}
