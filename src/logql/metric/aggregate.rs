//! Vector aggregations: many series of one step folded into few.

use std::cmp::Ordering;

use crate::logql::ast::{Grouping, VectorOp};
use crate::logql::metric::Point;
use crate::logql::metric::grouping::group;
use crate::logql::metric::samples::Variance;
use crate::logql::metric::series::{Pairs, Sets};
use crate::model::{Memory, MemoryExceeded, Share};

/// Which group each series of the operand falls into, found once per series.
#[derive(Debug)]
pub(crate) struct Groups {
    grouping: Option<Grouping>,
    /// By series of the operand, or `UNKNOWN`; empty without a grouping, where there is one group.
    group_of: Vec<u32>,
    sets: Sets,
    set: Vec<u32>,
    share: Share,
}

const UNKNOWN: u32 = u32::MAX;

/// What is known of one group at one step.
#[derive(Clone, Copy, Debug)]
struct State {
    group: u32,
    value: f64,
    count: f64,
    variance: Variance,
}

impl Groups {
    pub(crate) fn new(grouping: Option<Grouping>, memory: &Memory) -> Groups {
        Groups { grouping, group_of: Vec::new(), sets: Sets::new(memory), set: Vec::new(), share: Share::of(memory) }
    }

    /// The labels of a group.
    pub(crate) fn set(&self, group: u32) -> &[u32] {
        self.sets.get(group)
    }

    fn of(&mut self, series: u32, set: &[u32], pairs: &Pairs) -> Result<u32, MemoryExceeded> {
        if self.grouping.is_none() {
            return self.sets.number(&[]);
        }
        let index = series as usize;
        self.share.lengthen(&mut self.group_of, index + 1, UNKNOWN)?;
        if self.group_of[index] == UNKNOWN {
            group(pairs, self.grouping.as_ref(), set, &mut self.set);
            self.group_of[index] = self.sets.number(&self.set)?;
        }
        Ok(self.group_of[index])
    }

    /// Folds the points of a step; the groups come out in the order in which they were first met.
    pub(crate) fn fold<'s>(
        &mut self,
        op: VectorOp,
        points: &mut Vec<Point>,
        pairs: &Pairs,
        set: impl Fn(u32) -> &'s [u32],
    ) -> Result<(), MemoryExceeded> {
        let mut share = Share::of(self.share.memory());
        let mut states: Vec<State> = Vec::new();
        let mut state_of: Vec<u32> = Vec::new();
        for point in points.iter() {
            let group = self.of(point.series, set(point.series), pairs)? as usize;
            share.lengthen(&mut state_of, group + 1, UNKNOWN)?;
            if state_of[group] == UNKNOWN {
                state_of[group] = states.len() as u32;
                share.room(&mut states, 1)?;
                // one value alone has no distance from itself, whatever it is, as in Loki
                let variance = Variance { spread: 0.0, ..Variance::of(point.value) };
                states.push(State { group: group as u32, value: f64::NAN, count: 0.0, variance });
            }
            states[state_of[group] as usize].add(op, point.value);
        }
        points.clear();
        points.extend(states.iter().map(|state| Point { series: state.group, value: state.result(op) }));
        Ok(())
    }

    /// Leaves the `k` greatest (or least) points of each group, best first. Of equal values those stay whose labels come
    /// first.
    pub(crate) fn select<'s>(
        &mut self,
        op: VectorOp,
        k: usize,
        points: &mut Vec<Point>,
        pairs: &Pairs,
        set: impl Fn(u32) -> &'s [u32],
    ) -> Result<(), MemoryExceeded> {
        // where a point belongs in its group: better ones come first
        let order = |left: &Point, right: &Point| {
            let by_value = match op {
                VectorOp::Bottomk => missing_last(left.value, right.value, f64::total_cmp),
                _ => missing_last(left.value, right.value, |left, right| right.total_cmp(left)),
            };
            by_value.then_with(|| pairs.compare(set(left.series), set(right.series)))
        };
        if k == 0 {
            points.clear();
            return Ok(());
        }
        let mut share = Share::of(self.share.memory());
        let mut best: Vec<Best> = Vec::new();
        for point in points.iter() {
            let group = self.of(point.series, set(point.series), pairs)? as usize;
            if best.len() <= group {
                let more = group + 1 - best.len();
                share.room(&mut best, more)?;
                best.resize_with(group + 1, Best::default);
            }
            best[group].offer(*point, k, order, &mut share)?;
        }
        points.clear();
        for group in &mut best {
            group.0.sort_by(order);
            points.extend_from_slice(&group.0);
        }
        Ok(())
    }
}

/// The best points of a group, as a heap: the worst of them is in front.
#[derive(Debug, Default)]
struct Best(Vec<Point>);

impl Best {
    fn offer(
        &mut self,
        point: Point,
        k: usize,
        order: impl Fn(&Point, &Point) -> Ordering,
        share: &mut Share,
    ) -> Result<(), MemoryExceeded> {
        let Best(heap) = self;
        if heap.len() < k {
            // most groups are small
            if heap.len() == heap.capacity() {
                let more = heap.len().clamp(1, k - heap.len());
                share.take(more * size_of::<Point>())?;
                heap.reserve_exact(more);
            }
            heap.push(point);
            let mut at = heap.len() - 1;
            while at > 0 && order(&heap[(at - 1) / 2], &heap[at]).is_lt() {
                heap.swap(at, (at - 1) / 2);
                at = (at - 1) / 2;
            }
            return Ok(());
        }
        if order(&point, &heap[0]).is_ge() {
            return Ok(());
        }
        heap[0] = point;
        let mut at = 0;
        loop {
            let children = (2 * at + 1..heap.len()).take(2);
            let Some(worst) = children.max_by(|left, right| order(&heap[*left], &heap[*right])) else { break };
            if order(&heap[worst], &heap[at]).is_le() {
                break;
            }
            heap.swap(at, worst);
            at = worst;
        }
        Ok(())
    }
}

impl State {
    fn add(&mut self, op: VectorOp, value: f64) {
        self.count += 1.0;
        let first = self.count == 1.0;
        match op {
            VectorOp::Sum if first => self.value = value,
            VectorOp::Sum => self.value += value,
            VectorOp::Avg if first => self.value = value,
            VectorOp::Avg => self.value += (value - self.value) / self.count,
            VectorOp::Max => self.value = self.value.max(value),
            VectorOp::Min => self.value = self.value.min(value),
            VectorOp::Stddev | VectorOp::Stdvar if !first => self.variance.merge(&Variance::of(value)),
            VectorOp::Stddev
            | VectorOp::Stdvar
            | VectorOp::Count
            | VectorOp::Topk
            | VectorOp::Bottomk
            | VectorOp::ApproxTopk
            | VectorOp::Sort
            | VectorOp::SortDesc => {}
        }
    }

    fn result(&self, op: VectorOp) -> f64 {
        match op {
            VectorOp::Count => self.count,
            VectorOp::Stddev => self.variance.population().sqrt(),
            VectorOp::Stdvar => self.variance.population(),
            VectorOp::Sum
            | VectorOp::Avg
            | VectorOp::Max
            | VectorOp::Min
            | VectorOp::Topk
            | VectorOp::Bottomk
            | VectorOp::ApproxTopk
            | VectorOp::Sort
            | VectorOp::SortDesc => self.value,
        }
    }
}

/// Orders the points of a step by value, missing ones (NaN) last, and equal ones by their labels.
pub(crate) fn sort<'s>(op: VectorOp, points: &mut [Point], pairs: &Pairs, set: impl Fn(u32) -> &'s [u32]) {
    points.sort_unstable_by(|left, right| {
        let by_value = match op {
            VectorOp::SortDesc => missing_last(left.value, right.value, |left, right| right.total_cmp(left)),
            _ => missing_last(left.value, right.value, f64::total_cmp),
        };
        by_value.then_with(|| pairs.compare(set(left.series), set(right.series)))
    });
}

fn missing_last(left: f64, right: f64, order: impl Fn(&f64, &f64) -> Ordering) -> Ordering {
    left.is_nan().cmp(&right.is_nan()).then_with(|| order(&left, &right))
}

#[cfg(test)]
mod tests {
    use crate::logql::ast::VectorOp;
    use crate::logql::metric::Point;
    use crate::logql::metric::aggregate::Groups;
    use crate::logql::metric::series::Pairs;
    use crate::model::Memory;

    #[test]
    fn the_best_are_those_that_a_sort_puts_first() {
        let memory = Memory::unbounded();
        let mut pairs = Pairs::new(&memory);
        let sets: Vec<[u32; 1]> = (0..500).map(|n| [pairs.number("n", &format!("{n:03}")).expect("room")]).collect();
        let values: Vec<f64> = (0..500).map(|n| if n % 50 == 9 { f64::NAN } else { f64::from(n * 37 % 61) }).collect();
        let all: Vec<Point> = (0..).zip(&values).map(|(series, value)| Point { series, value: *value }).collect();
        for op in [VectorOp::Topk, VectorOp::Bottomk] {
            let mut sorted = all.clone();
            sorted.sort_by(|a, b| {
                let by_value =
                    if op == VectorOp::Topk { b.value.total_cmp(&a.value) } else { a.value.total_cmp(&b.value) };
                a.value.is_nan().cmp(&b.value.is_nan()).then(by_value).then(a.series.cmp(&b.series))
            });
            for k in [0, 1, 3, 70, 499, 500, 1000] {
                let mut points = all.clone();
                points.reverse();
                let mut groups = Groups::new(None, &memory);
                groups.select(op, k, &mut points, &pairs, |series| &sets[series as usize]).expect("room");
                let series = |points: &[Point]| points.iter().map(|point| point.series).collect::<Vec<u32>>();
                assert_eq!(series(&points), series(&sorted[..k.min(500)]), "{op:?} {k}");
            }
        }
    }
}
