//! Vector aggregations: many series of one step folded into few.

use std::cmp::Ordering;
use std::collections::HashMap;

use crate::logql::ast::{Grouping, VectorOp};
use crate::logql::metric::Point;
use crate::logql::metric::grouping::group;
use crate::logql::metric::samples::Variance;
use crate::model::Labels;

/// Which group each series of the operand falls into, found once per series.
#[derive(Debug)]
pub(crate) struct Groups {
    grouping: Option<Grouping>,
    /// By series of the operand.
    group_of: Vec<Option<u32>>,
    ids: HashMap<Labels, u32>,
    labels: Vec<Labels>,
}

/// What is known of one group at one step.
#[derive(Clone, Copy, Debug)]
struct State {
    group: u32,
    value: f64,
    count: f64,
    variance: Variance,
}

impl Groups {
    pub(crate) fn new(grouping: Option<Grouping>) -> Groups {
        Groups { grouping, group_of: Vec::new(), ids: HashMap::new(), labels: Vec::new() }
    }

    /// The labels of a group.
    pub(crate) fn labels(&self, group: u32) -> &Labels {
        &self.labels[group as usize]
    }

    fn of(&mut self, series: u32, labels: &Labels) -> u32 {
        let index = series as usize;
        if self.group_of.len() <= index {
            self.group_of.resize(index + 1, None);
        }
        if let Some(known) = self.group_of[index] {
            return known;
        }
        let grouped = group(self.grouping.as_ref(), labels);
        let id = *self.ids.entry(grouped).or_insert_with_key(|grouped| {
            self.labels.push(grouped.clone());
            self.labels.len() as u32 - 1
        });
        self.group_of[index] = Some(id);
        id
    }

    /// Folds the points of a step; the groups come out in the order in which they were first met.
    pub(crate) fn fold<'l>(&mut self, op: VectorOp, points: &mut Vec<Point>, labels: impl Fn(u32) -> &'l Labels) {
        let mut states: Vec<State> = Vec::new();
        let mut state_of: HashMap<u32, usize> = HashMap::new();
        for point in points.drain(..) {
            let group = self.of(point.series, labels(point.series));
            let index = *state_of.entry(group).or_insert_with(|| {
                states.push(State { group, value: f64::NAN, count: 0.0, variance: Variance::of(point.value) });
                states.len() - 1
            });
            states[index].add(op, point.value);
        }
        points.extend(states.iter().map(|state| Point { series: state.group, value: state.result(op) }));
    }

    /// Leaves the `k` greatest (or least) points of each group. Of equal values the earlier ones stay.
    pub(crate) fn select<'l>(
        &mut self,
        op: VectorOp,
        k: usize,
        points: &mut Vec<Point>,
        labels: impl Fn(u32) -> &'l Labels,
    ) {
        let mut members: Vec<Vec<Point>> = Vec::new();
        let mut members_of: HashMap<u32, usize> = HashMap::new();
        for point in points.drain(..) {
            let group = self.of(point.series, labels(point.series));
            let index = *members_of.entry(group).or_insert_with(|| {
                members.push(Vec::new());
                members.len() - 1
            });
            members[index].push(point);
        }
        for mut group in members {
            group.sort_by(|a, b| match op {
                VectorOp::Bottomk => missing_last(a.value, b.value, f64::total_cmp),
                _ => missing_last(a.value, b.value, |a, b| b.total_cmp(a)),
            });
            points.extend(group.into_iter().take(k));
        }
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

/// Orders the points of a step by value, missing ones (NaN) last.
pub(crate) fn sort(op: VectorOp, points: &mut [Point]) {
    points.sort_by(|a, b| match op {
        VectorOp::SortDesc => missing_last(a.value, b.value, |a, b| b.total_cmp(a)),
        _ => missing_last(a.value, b.value, f64::total_cmp),
    });
}

fn missing_last(a: f64, b: f64, order: impl Fn(&f64, &f64) -> Ordering) -> Ordering {
    a.is_nan().cmp(&b.is_nan()).then_with(|| order(&a, &b))
}
