//! Binary operators: between two numbers, a number and a vector, and two vectors whose series find each other by their
//! labels.

use crate::logql::ast::{BinaryModifier, BinaryOp, MatchingGroup, MatchingLabels, VectorMatching};
use crate::logql::metric::grouping::{except, only};
use crate::logql::metric::index::Index;
use crate::logql::metric::series::{Pairs, Sets};
use crate::logql::metric::{Error, Point};
use crate::model::{Memory, MemoryExceeded, Share};

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
    /// Series whose labels agree where they must have the same signature: the number of these labels here.
    signatures: Sets,
    left_signatures: Vec<u32>,
    right_signatures: Vec<u32>,
    /// The label sets of the answer, which are its series.
    results: Sets,
    /// Pairs of series that were met, and the series of the answer that each makes.
    met: Vec<(u32, u32, u32)>,
    met_index: Index,
    set: Vec<u32>,
    share: Share,
}

/// A side of an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Left,
    Right,
}

/// Stands in a pair for the side that has no part in it, and for a signature that is not known.
const NOBODY: u32 = u32::MAX;

/// The points of one side at a step, with their labels.
pub(crate) struct Operand<'p, F> {
    pub(crate) points: &'p [Point],
    pub(crate) set: F,
}

impl Pairing {
    pub(crate) fn new(op: BinaryOp, modifier: BinaryModifier, memory: &Memory) -> Pairing {
        Pairing {
            op,
            modifier,
            signatures: Sets::new(memory),
            left_signatures: Vec::new(),
            right_signatures: Vec::new(),
            results: Sets::new(memory),
            met: Vec::new(),
            met_index: Index::default(),
            set: Vec::new(),
            share: Share::of(memory),
        }
    }

    /// The labels of a series of the answer.
    pub(crate) fn set(&self, series: u32) -> &[u32] {
        self.results.get(series)
    }

    /// The points of the answer at one step.
    pub(crate) fn combine<'l, 'r>(
        &mut self,
        pairs: &Pairs,
        left: &Operand<'_, impl Fn(u32) -> &'l [u32]>,
        right: &Operand<'_, impl Fn(u32) -> &'r [u32]>,
    ) -> Result<Vec<Point>, Error> {
        for point in left.points {
            self.sign(Side::Left, point.series, (left.set)(point.series), pairs)?;
        }
        for point in right.points {
            self.sign(Side::Right, point.series, (right.set)(point.series), pairs)?;
        }
        match self.op {
            BinaryOp::And | BinaryOp::Unless => {
                let wanted = self.op == BinaryOp::And;
                let known = self.marked(Side::Right, right.points)?;
                let mut points = Vec::new();
                for point in left.points {
                    if known.has(self.signature(Side::Left, point.series)) == wanted {
                        points.push(self.kept(Side::Left, point, (left.set)(point.series))?);
                    }
                }
                Ok(points)
            }
            BinaryOp::Or => {
                let known = self.marked(Side::Left, left.points)?;
                let mut points = Vec::new();
                for point in left.points {
                    points.push(self.kept(Side::Left, point, (left.set)(point.series))?);
                }
                for point in right.points {
                    if !known.has(self.signature(Side::Right, point.series)) {
                        points.push(self.kept(Side::Right, point, (right.set)(point.series))?);
                    }
                }
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
            | BinaryOp::Power => match self.many_side() {
                Side::Left => self.join(pairs, left, right),
                Side::Right => self.join(pairs, right, left),
            },
        }
    }

    fn group(&self) -> Option<&MatchingGroup> {
        self.modifier.matching.as_ref().map(|matching| &matching.group)
    }

    /// The side that may have several partners.
    fn many_side(&self) -> Side {
        if matches!(self.group(), Some(MatchingGroup::OneToMany(_))) { Side::Right } else { Side::Left }
    }

    /// Pairs each point of the side that may have several partners with the one of the other side.
    fn join<'m, 'o>(
        &mut self,
        pairs: &Pairs,
        many: &Operand<'_, impl Fn(u32) -> &'m [u32]>,
        one: &Operand<'_, impl Fn(u32) -> &'o [u32]>,
    ) -> Result<Vec<Point>, Error> {
        let many_side = self.many_side();
        let (swapped, one_side) = match many_side {
            Side::Left => (false, Side::Right),
            Side::Right => (true, Side::Left),
        };
        let one_to_one = matches!(self.group(), None | Some(MatchingGroup::OneToOne));
        let mut share = Share::of(self.share.memory());
        // by signature, the place of the point that has it
        let mut partners: Vec<u32> = Vec::new();
        share.lengthen(&mut partners, self.signatures.len(), NOBODY)?;
        for (place, point) in (0..).zip(one.points) {
            let partner = &mut partners[self.signature(one_side, point.series) as usize];
            if std::mem::replace(partner, place) != NOBODY {
                return Err(Error::ManyToMany { side: if swapped { "left" } else { "right" } });
            }
        }
        let filters = is_comparison(self.op) && !self.modifier.returns_bool;
        let mut used = Marks::new(self.share.memory());
        let mut points = Vec::new();
        share.room(&mut points, many.points.len())?;
        for point in many.points {
            let signature = self.signature(many_side, point.series);
            let Some(partner) = one.points.get(partners[signature as usize] as usize) else {
                continue;
            };
            let series = self.result((point.series, partner.series), |made, matching| {
                let (many, one) = ((many.set)(point.series), (one.set)(partner.series));
                joined(pairs, many, one, matching, made);
            })?;
            // the labels that the signature is made of are among those of the result, or there is one partner for each
            if !used.add(if one_to_one { signature } else { series })? {
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

    /// A point of one side as it is.
    fn kept(&mut self, side: Side, point: &Point, set: &[u32]) -> Result<Point, MemoryExceeded> {
        let key = match side {
            Side::Left => (point.series, NOBODY),
            Side::Right => (NOBODY, point.series),
        };
        let series = self.result(key, |made, _| made.extend_from_slice(set))?;
        Ok(Point { series, value: point.value })
    }

    /// The series of the answer that a pair of series makes; `make` writes its labels where the pair is new.
    fn result(
        &mut self,
        key: (u32, u32),
        make: impl FnOnce(&mut Vec<u32>, Option<&VectorMatching>),
    ) -> Result<u32, MemoryExceeded> {
        let hash = (u64::from(key.0) << 32 | u64::from(key.1)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let hash = hash ^ hash.rotate_left(32);
        let is_it = |place: u32| {
            let (left, right, _) = self.met[place as usize];
            (left, right) == key
        };
        if let Some(place) = self.met_index.find(hash, is_it) {
            return Ok(self.met[place as usize].2);
        }
        self.set.clear();
        make(&mut self.set, self.modifier.matching.as_ref());
        let series = self.results.number(&self.set)?;
        self.share.room(&mut self.met, 1)?;
        self.met.push((key.0, key.1, series));
        self.met_index.insert(hash, self.met.len() as u32 - 1, &mut self.share)?;
        Ok(series)
    }

    /// The signatures of points.
    fn marked(&self, side: Side, points: &[Point]) -> Result<Marks, MemoryExceeded> {
        let mut marks = Marks::new(self.share.memory());
        for point in points {
            marks.add(self.signature(side, point.series))?;
        }
        Ok(marks)
    }

    /// The signature of a series that was signed.
    fn signature(&self, side: Side, series: u32) -> u32 {
        match side {
            Side::Left => self.left_signatures[series as usize],
            Side::Right => self.right_signatures[series as usize],
        }
    }

    /// Works out the signature of a series, once.
    fn sign(&mut self, side: Side, series: u32, set: &[u32], pairs: &Pairs) -> Result<(), MemoryExceeded> {
        let known = match side {
            Side::Left => &mut self.left_signatures,
            Side::Right => &mut self.right_signatures,
        };
        let index = series as usize;
        self.share.lengthen(known, index + 1, NOBODY)?;
        if known[index] == NOBODY {
            match self.modifier.matching.as_ref().map(|matching| &matching.on) {
                Some(MatchingLabels::On(names)) => only(pairs, set, names, &mut self.set),
                Some(MatchingLabels::Ignoring(names)) => except(pairs, set, names, &mut self.set),
                None => except(pairs, set, &[], &mut self.set),
            }
            known[index] = self.signatures.number(&self.set)?;
        }
        Ok(())
    }
}

/// A set of small numbers.
struct Marks {
    words: Vec<u64>,
    share: Share,
}

impl Marks {
    fn new(memory: &Memory) -> Marks {
        Marks { words: Vec::new(), share: Share::of(memory) }
    }

    /// Adds a number; whether it is new.
    fn add(&mut self, number: u32) -> Result<bool, MemoryExceeded> {
        let (word, bit) = (number as usize / 64, 1 << (number % 64));
        self.share.lengthen(&mut self.words, word + 1, 0)?;
        let is_new = self.words[word] & bit == 0;
        self.words[word] |= bit;
        Ok(is_new)
    }

    fn has(&self, number: u32) -> bool {
        self.words.get(number as usize / 64).is_some_and(|word| word & (1 << (number % 64)) != 0)
    }
}

/// The labels of what two series make: those of the side that may have several partners, reduced to what matched, and
/// with the labels that `group_left` or `group_right` name taken from the other side.
fn joined(pairs: &Pairs, many: &[u32], one: &[u32], matching: Option<&VectorMatching>, made: &mut Vec<u32>) {
    let taken = match matching.map(|matching| (&matching.group, &matching.on)) {
        Some((MatchingGroup::OneToOne, MatchingLabels::On(names))) => return only(pairs, many, names, made),
        Some((MatchingGroup::OneToOne, MatchingLabels::Ignoring(names))) => return except(pairs, many, names, made),
        Some((MatchingGroup::ManyToOne(taken) | MatchingGroup::OneToMany(taken), _)) if !taken.is_empty() => taken,
        Some(_) | None => return made.extend_from_slice(many),
    };
    except(pairs, many, taken, made);
    let is_taken = |pair: &&u32| {
        let (name, value) = pairs.get(**pair);
        !value.is_empty() && taken.iter().any(|wanted| wanted == name)
    };
    made.extend(one.iter().filter(is_taken));
    pairs.sort(made);
}
