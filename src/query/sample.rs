//! Reading a part of the lines that stands for all of them, where all would take too long.
//!
//! Promises: what is read lies evenly over the time of the lines, and the answer says how much of them it was.

use std::time::{Duration, Instant};

use crate::query::scan::Numbered;

/// How much of the lines that a query selects was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Entries in the pieces of the store that were read, and in all that may hold something.
    pub read: u64,
    pub all: u64,
}

impl Coverage {
    /// Whether nothing was left out.
    pub fn is_whole(self) -> bool {
        self.read >= self.all
    }

    /// The part that was read, from 0 to 1.
    pub fn part(self) -> f64 {
        if self.all == 0 { 1.0 } else { self.read as f64 / self.all as f64 }
    }
}

/// Ends the reading in time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget(Option<Instant>);

impl Budget {
    /// From now on; none reads everything.
    pub(crate) fn of(time_max: Option<Duration>) -> Budget {
        Budget(time_max.map(|time_max| Instant::now() + time_max))
    }

    pub(crate) fn is_spent(self) -> bool {
        self.0.is_some_and(|end| Instant::now() >= end)
    }

    /// Puts chunks into an order of which every beginning lies evenly over their times; only where it may be needed.
    pub(crate) fn arrange(self, chunks: &mut [Numbered]) {
        if self.0.is_none() {
            return;
        }
        chunks.sort_by_key(|numbered| numbered.chunk.min);
        let mut places: Vec<(u32, usize)> =
            (0..chunks.len()).map(|place| ((place as u32).reverse_bits(), place)).collect();
        places.sort_unstable();
        let arranged: Vec<Numbered> = places.into_iter().map(|(_, place)| chunks[place].clone()).collect();
        chunks.clone_from_slice(&arranged);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::query::sample::Budget;
    use crate::query::scan::number;
    use crate::query::testing::TestStore;

    #[test]
    fn every_beginning_of_the_order_lies_over_all_of_the_time() {
        let store = TestStore::new();
        for at in 0..16 {
            store.push(&[("app", "a")], &[(at * 100, "x")]);
            store.seal();
        }
        let mut chunks = number(store.store.select(&store.everything()).expect("selected").chunks);
        assert_eq!(chunks.len(), 16);
        Budget::of(Some(Duration::from_secs(1))).arrange(&mut chunks);
        let times: Vec<i64> = chunks.iter().map(|it| it.chunk.min.nanos() / 100_000_000_000).collect();
        assert_eq!(times[..4], [0, 8, 4, 12]);
        let mut sorted = times.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..16).collect::<Vec<_>>());
    }
}
