//! Finds things that are known by small numbers, by a hash of what they are.

use crate::model::{MemoryExceeded, Share};

/// An open hash table of numbers: what they stand for lies elsewhere, so a number takes eight bytes and its free space.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// 0 is free; else the upper half of a hash above a number, plus one. The length is a power of two.
    slots: Vec<u64>,
    count: usize,
}

const SLOTS_MIN: usize = 16;

impl Index {
    /// The number under a hash for which `is_it` holds.
    pub(crate) fn find(&self, hash: u64, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        let mut at = self.start(hash)?;
        loop {
            let slot = self.slots[at];
            if slot == 0 {
                return None;
            }
            let number = slot as u32 - 1;
            if slot >> 32 == hash >> 32 && is_it(number) {
                return Some(number);
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
    }

    /// Adds a number that is not there, below `u32::MAX`.
    pub(crate) fn insert(&mut self, hash: u64, number: u32, share: &mut Share) -> Result<(), MemoryExceeded> {
        if (self.count + 1) * 4 > self.slots.len() * 3 {
            self.grow(share)?;
        }
        self.put(hash >> 32 << 32 | (u64::from(number) + 1));
        self.count += 1;
        Ok(())
    }

    /// Forgets all numbers and gives the memory back.
    pub(crate) fn release(&mut self, share: &mut Share) {
        share.give_back(self.slots.len() * size_of::<u64>());
        *self = Index::default();
    }

    fn start(&self, hash: u64) -> Option<usize> {
        // the upper half is what a slot remembers
        (!self.slots.is_empty()).then(|| (hash >> 32) as usize & (self.slots.len() - 1))
    }

    fn put(&mut self, slot: u64) {
        let Some(mut at) = self.start(slot) else { return };
        while self.slots[at] != 0 {
            at = (at + 1) & (self.slots.len() - 1);
        }
        self.slots[at] = slot;
    }

    fn grow(&mut self, share: &mut Share) -> Result<(), MemoryExceeded> {
        let len = (self.slots.len() * 2).max(SLOTS_MIN);
        share.take(len * size_of::<u64>())?;
        let old = std::mem::replace(&mut self.slots, vec![0; len]);
        old.iter().filter(|slot| **slot != 0).for_each(|slot| self.put(*slot));
        share.give_back(old.len() * size_of::<u64>());
        Ok(())
    }
}
