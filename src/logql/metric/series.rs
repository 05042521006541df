//! Label sets of which there may be a million: every pair of name and value is kept once, under a number, and a set is
//! a list of such numbers. [`Labels`] are made only of those that are shown.

use std::cmp::Ordering;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::logql::metric::index::Index;
use crate::model::{Labels, Memory, MemoryExceeded, Share};

/// Every pair of a label's name and value that a query has met, each under a number.
#[derive(Debug)]
pub struct Pairs {
    names: Texts,
    values: Texts,
    /// The name of each pair.
    name_of: Vec<u32>,
    index: Index,
    share: Share,
}

/// Texts one behind the other.
#[derive(Debug, Default)]
struct Texts {
    text: String,
    ends: Vec<u32>,
    index: Index,
}

/// Sets of pairs, each once, under a number. The pairs of a set are in the order of their names.
#[derive(Debug)]
pub struct Sets {
    pairs: Vec<u32>,
    ends: Vec<u32>,
    index: Index,
    share: Share,
}

impl Texts {
    fn get(&self, number: u32) -> &str {
        let number = number as usize;
        let start = if number == 0 { 0 } else { self.ends[number - 1] as usize };
        &self.text[start..self.ends[number] as usize]
    }

    fn push(&mut self, text: &str, share: &mut Share) -> Result<u32, MemoryExceeded> {
        share.room(&mut self.ends, 1)?;
        share.room_in_text(&mut self.text, text.len())?;
        let end = u32::try_from(self.text.len() + text.len());
        let end = end.map_err(|_| MemoryExceeded { bytes_max: share.memory().bytes_max() })?;
        self.text.push_str(text);
        self.ends.push(end);
        Ok(self.ends.len() as u32 - 1)
    }
}

impl Pairs {
    pub fn new(memory: &Memory) -> Pairs {
        Pairs {
            names: Texts::default(),
            values: Texts::default(),
            name_of: Vec::new(),
            index: Index::default(),
            share: Share::of(memory),
        }
    }

    /// The number of a pair, which it gets here where it is new.
    pub fn number(&mut self, name: &str, value: &str) -> Result<u32, MemoryExceeded> {
        let name = self.name(name)?;
        let hash = xxh3_64_with_seed(value.as_bytes(), u64::from(name));
        let is_it = |pair: u32| self.name_of[pair as usize] == name && self.values.get(pair) == value;
        if let Some(known) = self.index.find(hash, is_it) {
            return Ok(known);
        }
        self.share.room(&mut self.name_of, 1)?;
        let pair = self.values.push(value, &mut self.share)?;
        self.name_of.push(name);
        self.index.insert(hash, pair, &mut self.share)?;
        Ok(pair)
    }

    /// The name and the value of a pair.
    pub fn get(&self, pair: u32) -> (&str, &str) {
        (self.names.get(self.name_of[pair as usize]), self.values.get(pair))
    }

    /// How many pairs there are.
    pub fn len(&self) -> usize {
        self.name_of.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.name_of.is_empty()
    }

    /// The set as it is shown.
    pub fn labels(&self, set: &[u32]) -> Labels {
        let owned = |pair: &u32| {
            let (name, value) = self.get(*pair);
            (name.to_owned(), value.to_owned())
        };
        set.iter().map(owned).collect()
    }

    /// The value under a name; `""` where there is none.
    pub(crate) fn value(&self, set: &[u32], name: &str) -> &str {
        let pairs = set.iter().map(|pair| self.get(*pair));
        pairs.into_iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value)
    }

    /// The order in which label sets are shown.
    pub fn compare(&self, left: &[u32], right: &[u32]) -> Ordering {
        let different = left.iter().zip(right).find(|(left, right)| left != right);
        match different {
            Some((left, right)) => self.get(*left).cmp(&self.get(*right)),
            None => left.len().cmp(&right.len()),
        }
    }

    /// Puts pairs into the order of their names.
    pub(crate) fn sort(&self, set: &mut [u32]) {
        set.sort_by(|left, right| self.get(*left).0.cmp(self.get(*right).0));
    }

    /// Gives back the memory that only finding pairs takes: what is asked for from here on is new.
    pub fn release_index(&mut self) {
        self.index.release(&mut self.share);
    }

    fn name(&mut self, name: &str) -> Result<u32, MemoryExceeded> {
        let hash = xxh3_64_with_seed(name.as_bytes(), 0);
        if let Some(known) = self.names.index.find(hash, |number| self.names.get(number) == name) {
            return Ok(known);
        }
        let number = self.names.push(name, &mut self.share)?;
        self.names.index.insert(hash, number, &mut self.share)?;
        Ok(number)
    }
}

impl Sets {
    pub fn new(memory: &Memory) -> Sets {
        Sets { pairs: Vec::new(), ends: Vec::new(), index: Index::default(), share: Share::of(memory) }
    }

    /// The number of a set, which it gets here where it is new.
    pub fn number(&mut self, set: &[u32]) -> Result<u32, MemoryExceeded> {
        let hash = hash(set);
        if let Some(known) = self.index.find(hash, |number| self.get(number) == set) {
            return Ok(known);
        }
        let number = self.push(set)?;
        self.index.insert(hash, number, &mut self.share)?;
        Ok(number)
    }

    /// Appends a set, be it there already or not; `number` does not find it.
    pub fn push(&mut self, set: &[u32]) -> Result<u32, MemoryExceeded> {
        self.share.room(&mut self.pairs, set.len())?;
        self.share.room(&mut self.ends, 1)?;
        let end = u32::try_from(self.pairs.len() + set.len());
        let end = end.map_err(|_| MemoryExceeded { bytes_max: self.share.memory().bytes_max() })?;
        self.pairs.extend_from_slice(set);
        self.ends.push(end);
        Ok(self.ends.len() as u32 - 1)
    }

    /// The pairs of a set.
    pub fn get(&self, number: u32) -> &[u32] {
        let number = number as usize;
        let start = if number == 0 { 0 } else { self.ends[number - 1] as usize };
        &self.pairs[start..self.ends[number] as usize]
    }

    /// How many sets there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Gives back the memory that only finding sets takes.
    pub fn release_index(&mut self) {
        self.index.release(&mut self.share);
    }
}

fn hash(set: &[u32]) -> u64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut hash = set.len() as u64;
    for pair in set {
        hash = (hash.rotate_left(23) ^ u64::from(*pair)).wrapping_mul(FACTOR);
        hash ^= hash >> 29;
    }
    hash.wrapping_mul(FACTOR)
}

#[cfg(test)]
mod tests {
    use crate::logql::metric::series::{Pairs, Sets};
    use crate::model::{Labels, Memory};

    #[test]
    fn pairs_and_sets_are_kept_once() {
        let memory = Memory::unbounded();
        let (mut pairs, mut sets) = (Pairs::new(&memory), Sets::new(&memory));
        for round in 0..2 {
            for number in 0..10_000u32 {
                let (text, shared) = (number.to_string(), (number % 7).to_string());
                let mut set = vec![
                    pairs.number("trace", &text).expect("no bound"),
                    pairs.number("app", &shared).expect("no bound"),
                ];
                pairs.sort(&mut set);
                assert_eq!(sets.number(&set).expect("no bound"), number, "round {round}");
                assert_eq!(pairs.value(&set, "trace"), text);
            }
        }
        assert_eq!((pairs.len(), sets.len()), (10_007, 10_000));
        assert_eq!(pairs.labels(sets.get(9999)), Labels::from([("app", "3"), ("trace", "9999")]));
        assert!(memory.used() < 10_000 * 60, "{}", memory.used());
        pairs.release_index();
        sets.release_index();
        assert!(memory.used() < 10_000 * 30, "{}", memory.used());
        drop((pairs, sets));
        assert_eq!(memory.used(), 0);
    }

    #[test]
    fn sets_are_in_the_order_of_labels() {
        let mut pairs = Pairs::new(&Memory::unbounded());
        let mut set = |labels: &[(&str, &str)]| {
            labels.iter().map(|(name, value)| pairs.number(name, value).expect("no bound")).collect::<Vec<u32>>()
        };
        let texts: [&[(&str, &str)]; 5] =
            [&[], &[("a", "2")], &[("a", "2"), ("b", "1")], &[("a", "10")], &[("b", "0")]];
        let sets: Vec<Vec<u32>> = texts.iter().map(|labels| set(labels)).collect();
        for left in &sets {
            for right in &sets {
                let wanted = pairs.labels(left).cmp(&pairs.labels(right));
                assert_eq!(pairs.compare(left, right), wanted);
            }
        }
    }
}
