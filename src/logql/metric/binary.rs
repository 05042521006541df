//! Binary operators: between two numbers, a number and a vector, and two vectors whose series find each other by their
//! labels.

use std::collections::{HashMap, HashSet};

use crate::logql::ast::{BinaryModifier, BinaryOp, MatchingGroup, MatchingLabels, VectorMatching};
use crate::logql::metric::grouping::{except, only};
use crate::logql::metric::{Error, Point};
use crate::model::Labels;

/// Whether an operator compares.
pub(crate) fn is_comparison(op: BinaryOp) -> bool {
    match op {
        BinaryOp::Equal
        | BinaryOp::NotEqual
        | BinaryOp::Greater
        | BinaryOp::GreaterOrEqual
        | BinaryOp::Less
        | BinaryOp::LessOrEqual => true,
        BinaryOp::Or
        | BinaryOp::And
        | BinaryOp::Unless
        | BinaryOp::Add
        | BinaryOp::Subtract
        | BinaryOp::Multiply
        | BinaryOp::Divide
        | BinaryOp::Modulo
        | BinaryOp::Power => false,
    }
}

/// The number an operator makes of two; the set operators make none, which is NaN here.
pub fn apply(op: BinaryOp, left: f64, right: f64) -> f64 {
    op.apply(left, right).unwrap_or(f64::NAN)
}

/// Which side of an operator is a number on its own.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Scalar {
    Left(f64),
    Right(f64),
}

/// Applies an operator between a number and every point; a filtering comparison keeps the points for which it holds.
pub(crate) fn with_scalar(op: BinaryOp, returns_bool: bool, scalar: Scalar, points: &mut Vec<Point>) {
    let filters = is_comparison(op) && !returns_bool;
    points.retain_mut(|point| {
        let result = match scalar {
            Scalar::Left(number) => apply(op, number, point.value),
            Scalar::Right(number) => apply(op, point.value, number),
        };
        if filters {
            return result == 1.0;
        }
        point.value = result;
        true
    });
}

/// How the series of two vectors find each other. What depends on labels alone is worked out once per series.
#[derive(Debug)]
pub(crate) struct Pairing {
    op: BinaryOp,
    modifier: BinaryModifier,
    /// Series whose labels agree where they must have the same signature.
    signatures: HashMap<Labels, u32>,
    left_signatures: Vec<Option<u32>>,
    right_signatures: Vec<Option<u32>>,
    labels: Vec<Labels>,
    /// The series of the answer that a pair of series makes.
    pairs: HashMap<(u32, u32), u32>,
    /// Where several answers have the same labels, this tells so.
    ids: HashMap<Labels, u32>,
}

/// A side of an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Left,
    Right,
}

/// Stands in a pair for the side that has no part in it.
const NOBODY: u32 = u32::MAX;

impl Pairing {
    pub(crate) fn new(op: BinaryOp, modifier: BinaryModifier) -> Pairing {
        Pairing {
            op,
            modifier,
            signatures: HashMap::new(),
            left_signatures: Vec::new(),
            right_signatures: Vec::new(),
            labels: Vec::new(),
            pairs: HashMap::new(),
            ids: HashMap::new(),
        }
    }

    /// The labels of a series of the answer.
    pub(crate) fn labels(&self, series: u32) -> &Labels {
        &self.labels[series as usize]
    }

    /// The points of the answer at one step.
    pub(crate) fn combine<'l, 'r>(
        &mut self,
        left: &[Point],
        right: &[Point],
        left_labels: impl Fn(u32) -> &'l Labels,
        right_labels: impl Fn(u32) -> &'r Labels,
    ) -> Result<Vec<Point>, Error> {
        let left_signatures: Vec<u32> =
            left.iter().map(|point| self.signature(Side::Left, point.series, left_labels(point.series))).collect();
        let right_signatures: Vec<u32> =
            right.iter().map(|point| self.signature(Side::Right, point.series, right_labels(point.series))).collect();
        let keep = |this: &mut Pairing, side: Side, point: &Point| {
            let (key, labels) = match side {
                Side::Left => ((point.series, NOBODY), left_labels(point.series)),
                Side::Right => ((NOBODY, point.series), right_labels(point.series)),
            };
            Point { series: this.series(key, || labels.clone()), value: point.value }
        };
        let known_on_the_right: HashSet<u32> = right_signatures.iter().copied().collect();
        match self.op {
            BinaryOp::And | BinaryOp::Unless => {
                let wanted = self.op == BinaryOp::And;
                let kept = left.iter().zip(&left_signatures);
                let kept = kept.filter(|(_, signature)| known_on_the_right.contains(signature) == wanted);
                Ok(kept.map(|(point, _)| keep(self, Side::Left, point)).collect())
            }
            BinaryOp::Or => {
                let known_on_the_left: HashSet<u32> = left_signatures.into_iter().collect();
                let mut points: Vec<Point> = left.iter().map(|point| keep(self, Side::Left, point)).collect();
                let rest = right.iter().zip(&right_signatures);
                let rest = rest.filter(|(_, signature)| !known_on_the_left.contains(signature));
                points.extend(rest.map(|(point, _)| keep(self, Side::Right, point)));
                Ok(points)
            }
            BinaryOp::Equal
            | BinaryOp::NotEqual
            | BinaryOp::Greater
            | BinaryOp::GreaterOrEqual
            | BinaryOp::Less
            | BinaryOp::LessOrEqual
            | BinaryOp::Add
            | BinaryOp::Subtract
            | BinaryOp::Multiply
            | BinaryOp::Divide
            | BinaryOp::Modulo
            | BinaryOp::Power => {
                let left: Vec<(Point, u32)> = left.iter().copied().zip(left_signatures).collect();
                let right: Vec<(Point, u32)> = right.iter().copied().zip(right_signatures).collect();
                if matches!(self.group(), Some(MatchingGroup::OneToMany(_))) {
                    self.join(&right, &left, right_labels, left_labels)
                } else {
                    self.join(&left, &right, left_labels, right_labels)
                }
            }
        }
    }

    fn group(&self) -> Option<&MatchingGroup> {
        self.modifier.matching.as_ref().map(|matching| &matching.group)
    }

    /// Pairs each point of the side that may have several partners with the one of the other side.
    fn join<'m, 'o>(
        &mut self,
        many: &[(Point, u32)],
        one: &[(Point, u32)],
        many_labels: impl Fn(u32) -> &'m Labels,
        one_labels: impl Fn(u32) -> &'o Labels,
    ) -> Result<Vec<Point>, Error> {
        let swapped = matches!(self.group(), Some(MatchingGroup::OneToMany(_)));
        let one_to_one = matches!(self.group(), None | Some(MatchingGroup::OneToOne));
        let mut partners: HashMap<u32, Point> = HashMap::with_capacity(one.len());
        for (point, signature) in one {
            if partners.insert(*signature, *point).is_some() {
                return Err(Error::ManyToMany { side: if swapped { "left" } else { "right" } });
            }
        }
        let filters = is_comparison(self.op) && !self.modifier.returns_bool;
        let mut used: HashSet<(u32, u32)> = HashSet::new();
        let mut points = Vec::with_capacity(many.len());
        for (point, signature) in many {
            let Some(partner) = partners.get(signature) else {
                continue;
            };
            let matching = self.modifier.matching.clone();
            let labels = || joined_labels(many_labels(point.series), one_labels(partner.series), matching.as_ref());
            let series = self.series((point.series, partner.series), labels);
            let unique = if one_to_one { NOBODY } else { series };
            if !used.insert((*signature, unique)) {
                return Err(if one_to_one { Error::ManyToOne } else { Error::NotUnique });
            }
            let (left, right) = if swapped { (partner.value, point.value) } else { (point.value, partner.value) };
            let result = apply(self.op, left, right);
            match filters {
                true if result == 1.0 => points.push(Point { series, value: left }),
                true => {}
                false => points.push(Point { series, value: result }),
            }
        }
        Ok(points)
    }

    fn series(&mut self, key: (u32, u32), labels: impl FnOnce() -> Labels) -> u32 {
        if let Some(known) = self.pairs.get(&key) {
            return *known;
        }
        let id = *self.ids.entry(labels()).or_insert_with_key(|labels| {
            self.labels.push(labels.clone());
            self.labels.len() as u32 - 1
        });
        self.pairs.insert(key, id);
        id
    }

    fn signature(&mut self, side: Side, series: u32, labels: &Labels) -> u32 {
        let known = match side {
            Side::Left => &mut self.left_signatures,
            Side::Right => &mut self.right_signatures,
        };
        let index = series as usize;
        if known.len() <= index {
            known.resize(index + 1, None);
        }
        if let Some(signature) = known[index] {
            return signature;
        }
        let compared = match self.modifier.matching.as_ref().map(|matching| &matching.on) {
            Some(MatchingLabels::On(names)) => only(labels, names),
            Some(MatchingLabels::Ignoring(names)) => except(labels, names),
            None => except(labels, &[]),
        };
        let next = self.signatures.len() as u32;
        let signature = *self.signatures.entry(compared).or_insert(next);
        known[index] = Some(signature);
        signature
    }
}

/// The labels of a pair: those of the side with several partners, cut to what was compared where each has one partner,
/// and with the labels that `group_left` or `group_right` name taken from the other side.
fn joined_labels(many: &Labels, one: &Labels, matching: Option<&VectorMatching>) -> Labels {
    let Some(matching) = matching else {
        return many.clone();
    };
    let taken = match &matching.group {
        MatchingGroup::OneToOne => {
            return match &matching.on {
                MatchingLabels::On(names) => only(many, names),
                MatchingLabels::Ignoring(names) => except(many, names),
            };
        }
        MatchingGroup::ManyToOne(taken) | MatchingGroup::OneToMany(taken) => taken,
    };
    if taken.is_empty() {
        return many.clone();
    }
    let rest = except(many, taken);
    let own = rest.iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
    let other = taken.iter().filter_map(|name| Some((name.clone(), one.get(name)?.to_owned())));
    own.chain(other.filter(|(_, value)| !value.is_empty())).collect()
}
