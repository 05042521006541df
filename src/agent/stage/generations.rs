//! What was known lately, by keys: bounded, and what is asked for stays.

use std::collections::HashMap;
use std::hash::Hash;
use std::mem;

/// Two maps: when the young one is full it becomes the old one, and what the old one had is forgotten.
#[derive(Debug)]
pub(crate) struct Generations<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    entries_max: usize,
}

impl<K: Hash + Eq, V> Generations<K, V> {
    /// Knows the last `entries_max` keys at least, and twice as many at most.
    pub(crate) fn new(entries_max: usize) -> Generations<K, V> {
        Generations { young: HashMap::new(), old: HashMap::new(), entries_max: entries_max.max(1) }
    }

    pub(crate) fn get(&mut self, key: K) -> Option<&mut V> {
        if !self.young.contains_key(&key) {
            let value = self.old.remove(&key)?;
            return Some(self.insert(key, value));
        }
        self.young.get_mut(&key)
    }

    /// Whether the next new key makes the old ones be forgotten.
    pub(crate) fn is_full(&self) -> bool {
        self.young.len() >= self.entries_max
    }

    pub(crate) fn insert(&mut self, key: K, value: V) -> &mut V {
        if self.is_full() && !self.young.contains_key(&key) {
            self.old = mem::take(&mut self.young);
        }
        self.young.entry(key).insert_entry(value).into_mut()
    }
}

#[cfg(test)]
mod tests {
    use crate::agent::stage::generations::Generations;

    #[test]
    fn what_is_asked_for_stays_and_the_rest_is_forgotten() {
        let mut known = Generations::new(10);
        for key in 0..100 {
            known.insert(key, key);
            assert_eq!(known.get(0).copied(), Some(0), "{key}");
        }
        assert_eq!(known.get(99).copied(), Some(99));
        assert_eq!(known.get(1), None);
        assert!(known.young.len() + known.old.len() <= 20);
    }
}
