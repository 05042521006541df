//! The memory that one piece of work may take, counted over all its threads before it is taken.
//!
//! Promises: what is counted is what was asked of the allocator (capacities, not lengths), and it is given back when its
//! [`Share`] is dropped. Never: an allocation of its own that grows with the work.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// A bound and how much of it is in use. Clones count together.
#[derive(Clone, Debug)]
pub struct Memory(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    used: AtomicUsize,
    bytes_max: usize,
}

/// There is no more to be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("more than {bytes_max} bytes of memory are needed")]
pub struct MemoryExceeded {
    pub bytes_max: usize,
}

impl Memory {
    pub fn new(bytes_max: usize) -> Memory {
        Memory(Arc::new(Inner { used: AtomicUsize::new(0), bytes_max }))
    }

    /// Counts, and refuses nothing.
    pub fn unbounded() -> Memory {
        Memory::new(usize::MAX)
    }

    /// The bound.
    pub fn bytes_max(&self) -> usize {
        self.0.bytes_max
    }

    /// What is in use now, in bytes.
    pub fn used(&self) -> usize {
        self.0.used.load(Relaxed)
    }

    fn take(&self, bytes: usize) -> Result<(), MemoryExceeded> {
        let used = self.0.used.fetch_add(bytes, Relaxed).saturating_add(bytes);
        if used <= self.0.bytes_max {
            return Ok(());
        }
        self.give_back(bytes);
        Err(MemoryExceeded { bytes_max: self.0.bytes_max })
    }

    fn give_back(&self, bytes: usize) {
        self.0.used.fetch_sub(bytes, Relaxed);
    }
}

/// The part of a [`Memory`] that one owner has taken.
#[derive(Debug)]
pub struct Share {
    memory: Memory,
    bytes: usize,
}

impl Share {
    pub fn of(memory: &Memory) -> Share {
        Share { memory: memory.clone(), bytes: 0 }
    }

    /// The whole that this is a part of.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    pub fn take(&mut self, bytes: usize) -> Result<(), MemoryExceeded> {
        self.memory.take(bytes)?;
        self.bytes += bytes;
        Ok(())
    }

    pub fn give_back(&mut self, bytes: usize) {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        self.memory.give_back(bytes);
    }

    /// Makes the share so large, be that more or less than before.
    pub fn set(&mut self, bytes: usize) -> Result<(), MemoryExceeded> {
        match bytes.checked_sub(self.bytes) {
            Some(more) => self.take(more),
            None => {
                self.give_back(self.bytes - bytes);
                Ok(())
            }
        }
    }

    /// Leaves what was taken counted for as long as the whole is there.
    pub fn spend(mut self) {
        self.bytes = 0;
    }

    /// Counts and makes room for more items. Lists grow by a quarter and not to their double: what is counted is then
    /// nearly all in use.
    pub fn room<T>(&mut self, list: &mut Vec<T>, additional: usize) -> Result<(), MemoryExceeded> {
        if list.capacity() - list.len() >= additional {
            return Ok(());
        }
        let capacity = grown(list.len(), additional);
        self.take((capacity - list.capacity().min(capacity)) * size_of::<T>())?;
        list.reserve_exact(capacity - list.len());
        Ok(())
    }

    /// Makes a list so long, if it is shorter, with copies of an item.
    pub fn lengthen<T: Clone>(&mut self, list: &mut Vec<T>, len: usize, item: T) -> Result<(), MemoryExceeded> {
        if list.len() < len {
            self.room(list, len - list.len())?;
            list.resize(len, item);
        }
        Ok(())
    }

    /// As [`Share::room`], for a text.
    pub fn room_in_text(&mut self, text: &mut String, additional: usize) -> Result<(), MemoryExceeded> {
        if text.capacity() - text.len() >= additional {
            return Ok(());
        }
        let capacity = grown(text.len(), additional);
        self.take(capacity - text.capacity().min(capacity))?;
        text.reserve_exact(capacity - text.len());
        Ok(())
    }
}

fn grown(len: usize, additional: usize) -> usize {
    (len + additional).max(len + len / 4).max(16)
}

impl Drop for Share {
    fn drop(&mut self) {
        self.memory.give_back(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use crate::model::{Memory, MemoryExceeded, Share};

    #[test]
    fn shares_count_together_and_come_back() {
        let memory = Memory::new(100);
        let (mut one, mut other) = (Share::of(&memory), Share::of(&memory));
        assert!(one.take(60).is_ok());
        assert_eq!(other.take(41), Err(MemoryExceeded { bytes_max: 100 }));
        assert_eq!(memory.used(), 60);
        assert!(other.set(40).is_ok());
        drop(one);
        assert_eq!(memory.used(), 40);
        assert!(other.set(10).is_ok());
        assert_eq!(memory.used(), 10);
    }

    #[test]
    fn room_is_counted_as_capacity() {
        let memory = Memory::new(10_000);
        let mut share = Share::of(&memory);
        let mut list: Vec<u64> = Vec::new();
        let mut text = String::new();
        let refused = (0..).find(|number| {
            share.room(&mut list, 1).is_err() || share.room_in_text(&mut text, 3).is_err() || {
                list.push(*number);
                text.push_str("abc");
                false
            }
        });
        assert!(refused.is_some_and(|count| count > 500));
        assert_eq!(memory.used(), list.capacity() * 8 + text.capacity());
    }
}
