//! How often something was counted, by cell: whoever counts says what a cell is.

/// Counts that grow by one at a time, mostly in the cell of the one before.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    /// The cell that grows, beside the others so that counting looks at one place in memory.
    last: (u32, u32),
    /// Cells with their counts, in the order in which they came; a cell may be there more than once.
    cells: Vec<(u32, u32)>,
    /// How many may be there before they are summed up.
    compact_at: usize,
}

/// Below so many entries, summing up is not worth it.
const COMPACT_MIN: usize = 64;

impl Tally {
    /// Answers how many bytes of memory it took.
    pub(super) fn add(&mut self, cell: u32) -> usize {
        if self.last.0 == cell && self.last.1 < u32::MAX {
            self.last.1 += 1;
            return 0;
        }
        let before = self.memory_bytes();
        let done = std::mem::replace(&mut self.last, (cell, 1));
        if done.1 > 0 {
            self.push(done);
        }
        self.memory_bytes() - before
    }

    pub(super) fn absorb(&mut self, other: &Tally) {
        for counted in other.cells.iter().chain([&other.last]).filter(|(_, count)| *count > 0) {
            self.push(*counted);
        }
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.cells.capacity() * size_of::<(u32, u32)>()
    }

    /// Each cell once, in order.
    pub(super) fn into_counts(self) -> Vec<(u32, u64)> {
        let mut cells = self.cells;
        cells.push(self.last);
        cells.sort_unstable();
        let mut counts: Vec<(u32, u64)> = Vec::new();
        for (cell, count) in cells.into_iter().filter(|(_, count)| *count > 0) {
            match counts.last_mut() {
                Some((last, sum)) if *last == cell => *sum += u64::from(count),
                _ => counts.push((cell, count.into())),
            }
        }
        counts
    }

    fn push(&mut self, counted: (u32, u32)) {
        if self.cells.len() >= self.compact_at.max(COMPACT_MIN) {
            self.cells.sort_unstable();
            self.cells.dedup_by(|later, kept| {
                let sum = kept.1.checked_add(later.1).filter(|_| kept.0 == later.0);
                kept.1 = sum.unwrap_or(kept.1);
                sum.is_some()
            });
            self.compact_at = self.cells.len() * 2;
        }
        self.cells.push(counted);
    }
}

#[cfg(test)]
mod tests {
    use crate::logql::miner::tally::Tally;

    #[test]
    fn counts_add_up_in_whatever_order_they_come() {
        let (mut one, mut other) = (Tally::default(), Tally::default());
        for n in 0..1000 {
            one.add(n % 7);
            other.add(n / 300);
        }
        assert!(one.cells.len() < 200, "seven cells do not take a thousand entries");
        one.absorb(&other);
        let expected = [443, 443, 443, 243, 143, 143, 142];
        assert_eq!(one.into_counts(), (0..7).zip(expected).collect::<Vec<_>>());
    }
}
