//! The values of one field, counted in bounded memory.
//!
//! Promises: up to a bound of different values every count is exact; beyond it the most frequent ones stay, and how many
//! there were is estimated. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use xxhash_rust::xxh3::xxh3_64;

use crate::logql::gotext::{duration, number};
use crate::query::FieldKind;

/// Different values that are kept at a time; when there are more, the rarer half goes.
pub(crate) const VALUES_MAX: usize = 2000;
/// Bytes of a value that is kept as a text; a longer one is a text that nobody picks from a list.
const VALUE_BYTES_MAX: usize = 256;
/// What a value takes besides its text.
const VALUE_BYTES: usize = 96;
/// Least hashes that the number of different values is estimated of: right within about 3 %.
const HASHES_MAX: usize = 1024;
/// Numbers of values that went are kept this close, as a ratio.
const CLOSENESS: f64 = 1.01;
/// Keeps the keys of numbers on their side of zero.
const KEY_OF_ONE: i32 = 1 << 20;
/// The part of a field's values that have to be numbers for it to be one.
const NUMBERS_PART_MIN: f64 = 0.9;
/// Bars of a histogram, about.
const BARS_WANTED: f64 = 10.0;

/// The numbers of a field.
#[derive(Clone, Debug, PartialEq)]
pub struct Numbers {
    /// `Int`, `Float` or `Duration`; these are in nanoseconds.
    pub kind: FieldKind,
    pub min: f64,
    pub median: f64,
    pub p95: f64,
    pub max: f64,
    /// Each number in one of them; the last one has no end.
    pub bars: Vec<NumberBar>,
}

/// How many numbers are at least `from` and less than the next bar's `from`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NumberBar {
    pub from: f64,
    pub to: Option<f64>,
    pub count: u64,
}

/// The values of a field so far.
#[derive(Debug, Default)]
pub(crate) struct Values {
    pub(crate) line_count: u64,
    kept: HashMap<Box<str>, Kept>,
    /// The least hashes of values, once some went; before that `kept` tells how many there are.
    hashes: Option<BTreeSet<u64>>,
    /// The numbers of values that went, by closeness.
    gone: BTreeMap<i32, u64>,
    gone_durations: u64,
    gone_fractions: u64,
    memory_bytes: usize,
}

#[derive(Clone, Copy, Debug)]
struct Kept {
    count: u64,
    number: Option<(FieldKind, f64)>,
}

impl Values {
    /// Counts a value of so many lines.
    pub(crate) fn add(&mut self, value: &str, count: u64) {
        self.line_count += count;
        if value.len() > VALUE_BYTES_MAX {
            // still one of the different values
            self.hashes_begun();
            self.note_hash(value);
            return;
        }
        if let Some(kept) = self.kept.get_mut(value) {
            kept.count += count;
            return;
        }
        if self.kept.len() >= VALUES_MAX {
            self.keep(VALUES_MAX / 2);
        }
        self.insert(value.into(), Kept { count, number: number_of(value) });
    }

    fn insert(&mut self, value: Box<str>, new: Kept) {
        if self.hashes.is_some() {
            self.note_hash(&value);
        }
        let bytes = value.len() + VALUE_BYTES;
        let memory_bytes = &mut self.memory_bytes;
        let kept = self.kept.entry(value).or_insert_with(|| {
            *memory_bytes += bytes;
            Kept { count: 0, ..new }
        });
        kept.count += new.count;
    }

    /// What the values take, about.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.memory_bytes
    }

    pub(crate) fn kept_count(&self) -> usize {
        self.kept.len()
    }

    /// Keeps the most frequent values, and of the others only their numbers.
    pub(crate) fn keep(&mut self, values_max: usize) {
        if self.kept.len() <= values_max {
            return;
        }
        self.hashes_begun();
        let mut all: Vec<(Box<str>, Kept)> = self.kept.drain().collect();
        all.sort_unstable_by(|(a, x), (b, y)| y.count.cmp(&x.count).then_with(|| a.cmp(b)));
        for (value, kept) in all.split_off(values_max) {
            self.memory_bytes -= value.len() + VALUE_BYTES;
            self.let_go(kept);
        }
        self.kept = all.into_iter().collect();
    }

    fn let_go(&mut self, kept: Kept) {
        let Some((kind, number)) = kept.number else { return };
        *self.gone.entry(key_of(number)).or_insert(0) += kept.count;
        match kind {
            FieldKind::Duration => self.gone_durations += kept.count,
            FieldKind::Float => self.gone_fractions += kept.count,
            FieldKind::Int | FieldKind::Text | FieldKind::Boolean | FieldKind::Bytes => {}
        }
    }

    fn hashes_begun(&mut self) {
        if self.hashes.is_none() {
            self.hashes = Some(BTreeSet::new());
            let hashes: Vec<u64> = self.kept.keys().map(|value| xxh3_64(value.as_bytes())).collect();
            hashes.into_iter().for_each(|hash| self.note(hash));
        }
    }

    fn note_hash(&mut self, value: &str) {
        self.note(xxh3_64(value.as_bytes()));
    }

    fn note(&mut self, hash: u64) {
        let Some(hashes) = &mut self.hashes else { return };
        if hashes.len() >= HASHES_MAX && hashes.last().is_some_and(|last| hash >= *last) {
            return;
        }
        hashes.insert(hash);
        if hashes.len() > HASHES_MAX {
            hashes.pop_last();
        }
    }

    /// Adds what another one counted.
    pub(crate) fn absorb(&mut self, other: Values) {
        self.line_count += other.line_count;
        if other.hashes.is_some() {
            self.hashes_begun();
        }
        for hash in other.hashes.into_iter().flatten() {
            self.note(hash);
        }
        for (value, kept) in other.kept {
            self.insert(value, kept);
        }
        for (key, count) in other.gone {
            *self.gone.entry(key).or_insert(0) += count;
        }
        self.gone_durations += other.gone_durations;
        self.gone_fractions += other.gone_fractions;
    }

    /// How many different values there were, and whether that is estimated.
    pub(crate) fn distinct(&self) -> (u64, bool) {
        match &self.hashes {
            None => (self.kept.len() as u64, false),
            Some(hashes) if hashes.len() < HASHES_MAX => (hashes.len() as u64, false),
            Some(hashes) => {
                let last = hashes.last().map_or(1.0, |last| *last as f64 / u64::MAX as f64);
                (((HASHES_MAX - 1) as f64 / last.max(f64::MIN_POSITIVE)) as u64, true)
            }
        }
    }

    /// The most frequent values.
    pub(crate) fn top(&self, count_max: usize) -> Vec<(String, u64)> {
        let mut all: Vec<(&str, u64)> = self.kept.iter().map(|(value, kept)| (&**value, kept.count)).collect();
        all.sort_unstable_by(|(a, x), (b, y)| y.cmp(x).then_with(|| a.cmp(b)));
        all.into_iter().take(count_max).map(|(value, count)| (value.to_owned(), count)).collect()
    }

    /// The numbers, where nearly all values are some.
    pub(crate) fn numbers(&self) -> Option<Numbers> {
        let mut all: Vec<(f64, u64)> = self.gone.iter().map(|(key, count)| (number_near(*key), *count)).collect();
        let (mut durations, mut fractions) = (self.gone_durations, self.gone_fractions);
        for kept in self.kept.values() {
            let Some((kind, number)) = kept.number else { continue };
            all.push((number, kept.count));
            durations += if kind == FieldKind::Duration { kept.count } else { 0 };
            fractions += if kind == FieldKind::Float { kept.count } else { 0 };
        }
        let total: u64 = all.iter().map(|(_, count)| count).sum();
        let kind = match (durations, fractions) {
            (0, 0) => FieldKind::Int,
            (0, _) => FieldKind::Float,
            _ => FieldKind::Duration,
        };
        // a 0 is a duration like any other; another number beside durations is not
        let is_mixed = kind == FieldKind::Duration && (durations as f64) < total as f64 * NUMBERS_PART_MIN;
        if total == 0 || is_mixed || (total as f64) < self.line_count as f64 * NUMBERS_PART_MIN {
            return None;
        }
        all.sort_unstable_by(|(a, _), (b, _)| a.total_cmp(b));
        let at = |part: f64| {
            let mut left = (total as f64 * part).ceil().max(1.0) as u64;
            all.iter().find(|(_, count)| {
                let reached = left <= *count;
                left = left.saturating_sub(*count);
                reached
            })
        };
        let number = |part| at(part).map_or(0.0, |(number, _)| *number);
        let (min, max) = (all[0].0, all[all.len() - 1].0);
        let bars = bars(&all, min, number(0.98).max(min), kind);
        Some(Numbers { kind, min, median: number(0.5), p95: number(0.95), max, bars })
    }
}

/// Bars of a width that people count in, up to where nearly all numbers are; the last one takes the rest.
fn bars(all: &[(f64, u64)], min: f64, most: f64, kind: FieldKind) -> Vec<NumberBar> {
    if most <= min || !(most - min).is_finite() {
        return Vec::new();
    }
    let least = if kind == FieldKind::Float { f64::MIN_POSITIVE } else { 1.0 };
    let width = nice((most - min) / BARS_WANTED).max(least);
    // counted from zero, so that edges are round too
    let (first, last) = ((min / width).floor(), (most / width).floor());
    let count = (last - first) as usize + 1;
    if count > 2 * BARS_WANTED as usize + 2 {
        return Vec::new();
    }
    let edge = |index: usize| {
        let edge = (first + index as f64) * width;
        // 0.1 + 0.2 is not to be read by anyone
        format!("{edge:.12}").parse().unwrap_or(edge)
    };
    let mut bars: Vec<NumberBar> = (0..count)
        .map(|index| NumberBar { from: edge(index), to: (index + 1 < count).then(|| edge(index + 1)), count: 0 })
        .collect();
    let mut index = 0;
    for (number, times) in all {
        while index + 1 < count && *number >= bars[index + 1].from {
            index += 1;
        }
        bars[index].count += times;
    }
    bars
}

/// The next greater of 1, 2, 5 and their tenfolds.
fn nice(width: f64) -> f64 {
    let power = 10_f64.powf(width.log10().floor());
    let times = [1.0, 2.0, 5.0, 10.0].into_iter().find(|times| width <= times * power * (1.0 + 1e-9));
    power * times.unwrap_or(10.0)
}

fn number_of(value: &str) -> Option<(FieldKind, f64)> {
    let first = value.as_bytes().first()?;
    if !first.is_ascii_digit() && !matches!(first, b'-' | b'+' | b'.') {
        return None;
    }
    if let Ok(number) = number::parse_int(value) {
        return Some((FieldKind::Int, number as f64));
    }
    if let Ok(number) = number::parse_float(value) {
        return number.is_finite().then_some((FieldKind::Float, number));
    }
    duration::parse(value).ok().map(|nanos| (FieldKind::Duration, nanos as f64))
}

/// Numbers that are close have the same key, and keys are in their order.
fn key_of(number: f64) -> i32 {
    if number == 0.0 {
        return 0;
    }
    let place = (number.abs().ln() / CLOSENESS.ln()).round() as i32 + KEY_OF_ONE;
    if number < 0.0 { -place } else { place }
}

fn number_near(key: i32) -> f64 {
    match key {
        0 => 0.0,
        key => f64::from(key.signum()) * CLOSENESS.powi(key.abs() - KEY_OF_ONE),
    }
}

#[cfg(test)]
mod tests {
    use crate::query::FieldKind;
    use crate::query::values::{VALUES_MAX, Values};

    fn values(texts: impl IntoIterator<Item = String>) -> Values {
        let mut values = Values::default();
        texts.into_iter().for_each(|text| values.add(&text, 1));
        values
    }

    #[test]
    fn few_values_are_counted_exactly() {
        let mut some = values(["a", "b", "a", "c", "a", "b"].map(str::to_owned));
        some.absorb(values(["c".to_owned(), "c".to_owned(), "d".to_owned()]));
        assert_eq!(some.top(3), [("a".to_owned(), 3), ("c".to_owned(), 3), ("b".to_owned(), 2)]);
        assert_eq!((some.distinct(), some.line_count), ((4, false), 9));
        assert_eq!(some.numbers(), None);
    }

    #[test]
    fn of_many_values_the_frequent_ones_stay_and_their_number_is_near() {
        let text = |n: u64| if n.is_multiple_of(10) { "often".to_owned() } else { format!("id-{n}") };
        let mut some = values((0..30_000).map(text));
        some.absorb(values((30_000..60_000).map(text)));
        assert_eq!(some.top(1), [("often".to_owned(), 6000)]);
        let (distinct, is_estimated) = some.distinct();
        assert!(is_estimated && (50_000..58_000).contains(&distinct), "{distinct}");
        assert!(some.kept.len() <= 2 * VALUES_MAX && some.memory_bytes() < 1 << 20);
    }

    #[test]
    fn numbers_have_their_middle_their_ends_and_bars_of_round_edges() {
        let numbers = values((0..=200).map(|n: i32| n.to_string())).numbers().expect("numbers");
        assert_eq!(numbers.kind, FieldKind::Int);
        assert_eq!((numbers.min, numbers.median, numbers.p95, numbers.max), (0.0, 100.0, 190.0, 200.0));
        let edges: Vec<f64> = numbers.bars.iter().map(|bar| bar.from).collect();
        assert_eq!(edges, [0.0, 20.0, 40.0, 60.0, 80.0, 100.0, 120.0, 140.0, 160.0, 180.0]);
        assert_eq!(numbers.bars[9].to, None);
        assert_eq!(numbers.bars.iter().map(|bar| bar.count).sum::<u64>(), 201);
        assert_eq!(numbers.bars[1].count, 20);
    }

    #[test]
    fn numbers_of_values_that_went_are_near() {
        let numbers = values((0..20_000).map(|n: i32| format!("{n}ms"))).numbers().expect("durations");
        assert_eq!(numbers.kind, FieldKind::Duration);
        let near = |found: f64, millis: f64| (found / 1e6 / millis - 1.0).abs() < 0.03;
        assert!(near(numbers.median, 10_000.0) && near(numbers.p95, 19_000.0) && near(numbers.max, 20_000.0));
    }

    #[test]
    fn texts_with_some_digits_are_no_numbers() {
        let mixed = |every: usize| {
            values((0..100).map(|n: usize| if n.is_multiple_of(every) { "-".to_owned() } else { n.to_string() }))
        };
        assert!(mixed(50).numbers().is_some());
        assert!(mixed(5).numbers().is_none());
        assert!(values(["7".to_owned(), "7".to_owned()]).numbers().expect("numbers").bars.is_empty());
    }
}
