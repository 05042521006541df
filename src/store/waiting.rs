//! Buffers that were taken for sealing and are in no block yet.
//!
//! Promises: they are given in the order in which they were taken; those of one stream are found without a look at the
//! others, of which there may be ten thousand.

use std::collections::HashMap;
use std::sync::Arc;

use crate::store::head::Slot;
use crate::store::layout::Day;
use crate::store::shelf::StreamKey;

/// The buffers, each with its place in the order.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    of_stream: HashMap<StreamKey, Vec<(u64, Arc<Slot>)>>,
    taken: u64,
}

impl Waiting {
    pub(crate) fn push(&mut self, key: StreamKey, slot: Arc<Slot>) {
        self.of_stream.entry(key).or_default().push((self.taken, slot));
        self.taken += 1;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.of_stream.is_empty()
    }

    /// Those of a stream.
    pub(crate) fn of(&self, key: StreamKey) -> Vec<Arc<Slot>> {
        self.of_stream.get(&key).map_or(Vec::new(), |slots| slots.iter().map(|(_, slot)| slot.clone()).collect())
    }

    pub(crate) fn all(&self) -> Vec<(StreamKey, Arc<Slot>)> {
        let mut all: Vec<(u64, StreamKey, &Arc<Slot>)> = self
            .of_stream
            .iter()
            .flat_map(|(key, slots)| slots.iter().map(move |(place, slot)| (*place, *key, slot)))
            .collect();
        all.sort_unstable_by_key(|(place, ..)| *place);
        all.into_iter().map(|(_, key, slot)| (key, slot.clone())).collect()
    }

    /// Forgets one, which is in a block now.
    pub(crate) fn remove(&mut self, key: StreamKey, slot: &Arc<Slot>) {
        if let Some(slots) = self.of_stream.get_mut(&key) {
            slots.retain(|(_, other)| !Arc::ptr_eq(other, slot));
            if slots.is_empty() {
                self.of_stream.remove(&key);
            }
        }
    }

    /// Takes all of a day out.
    pub(crate) fn take_day(&mut self, day: Day) -> Vec<Arc<Slot>> {
        let of_day = self.of_stream.extract_if(|key, _| key.0 == day);
        of_day.flat_map(|(_, slots)| slots).map(|(_, slot)| slot).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, RwLock};

    use crate::model::{Labels, Timestamp};
    use crate::store::head::{Buffer, Slot};
    use crate::store::layout::Day;
    use crate::store::waiting::Waiting;

    fn slot() -> Arc<Slot> {
        let day = Day::of(Timestamp::from_nanos(0));
        Arc::new(RwLock::new(Buffer::new(day, 7, Labels::default(), 1, None, Arc::default())))
    }

    #[test]
    fn buffers_come_in_the_order_they_were_taken_and_go_one_by_one() {
        let (day, next_day) = (Day::of(Timestamp::from_nanos(0)), Day::of(Timestamp::from_secs(100_000)));
        let keys = [(day, 9), (day, 1), (next_day, 9), (day, 9), (day, 5)];
        let mut waiting = Waiting::default();
        let slots = keys.map(|key| {
            let slot = slot();
            waiting.push(key, slot.clone());
            slot
        });
        assert_eq!(waiting.all().iter().map(|(key, _)| *key).collect::<Vec<_>>(), keys);
        assert!(waiting.of((day, 9)).iter().zip([&slots[0], &slots[3]]).all(|(found, slot)| Arc::ptr_eq(found, slot)));
        waiting.remove((day, 9), &slots[0]);
        waiting.remove((day, 9), &slots[1]);
        assert!(Arc::ptr_eq(&waiting.of((day, 9))[0], &slots[3]));
        assert_eq!(waiting.take_day(day).len(), 3);
        assert!(!waiting.is_empty());
        waiting.remove((next_day, 9), &slots[2]);
        assert!(waiting.is_empty() && waiting.all().is_empty());
    }
}
