//! Which lines were printed lately, so that a gap can be filled from a moment before it and no line comes twice.
//!
//! Promises: what is remembered is bounded; what is forgotten is not asked for again. Lines are told apart by time,
//! labels and text: a server stores a line that is the same in all three once.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::cli::query::client::Line;
use crate::model::Timestamp;

/// How far before the last line a gap is filled from: slower senders may have been about to send their older ones.
const OVERLAP_NS: i64 = 60 * 1_000_000_000;
/// Lines that are remembered.
const LINES_MAX: usize = 100_000;

/// A line by its time and a hash of the rest.
type Key = (Timestamp, u64);

#[derive(Debug)]
pub(crate) struct Seen {
    /// Nothing before it is asked for.
    floor: Timestamp,
    /// The time of the last line, but never later than the moment it came: some senders' clocks are ahead.
    latest: Option<Timestamp>,
    printed: BTreeMap<Key, usize>,
    printed_count: usize,
}

impl Seen {
    /// Nothing was printed, and lines from `floor` on are wanted.
    pub(crate) fn new(floor: Timestamp) -> Seen {
        Seen { floor, latest: None, printed: BTreeMap::new(), printed_count: 0 }
    }

    /// Leaves older lines alone from here on.
    pub(crate) fn raise_floor(&mut self, floor: Timestamp) {
        self.floor = self.floor.max(floor);
    }

    /// Where to begin to fill a gap.
    pub(crate) fn resume_at(&self) -> Timestamp {
        self.latest.map_or(self.floor, |latest| latest.plus_nanos(-OVERLAP_NS).max(self.floor))
    }

    /// Remembers a line that is printed now.
    pub(crate) fn add(&mut self, line: &Line, now: Timestamp) {
        *self.printed.entry(key(line)).or_default() += 1;
        self.printed_count += 1;
        self.latest = self.latest.max(Some(line.timestamp.min(now)));
        while let Some(entry) = self.printed.first_entry() {
            let time = entry.key().0;
            if time >= self.latest.unwrap_or(time).plus_nanos(-OVERLAP_NS) && self.printed_count <= LINES_MAX {
                break;
            }
            self.printed_count -= entry.remove();
            self.raise_floor(time.plus_nanos(1));
        }
    }

    /// For lines that are read again: those that were printed are to be skipped, each as often as it was.
    pub(crate) fn again(&self) -> Skip {
        Skip(self.printed.clone())
    }
}

/// Lines to skip; the oldest are forgotten where there are too many.
#[derive(Debug, Default)]
pub(crate) struct Skip(BTreeMap<Key, usize>);

impl Skip {
    /// Skips a line once more.
    pub(crate) fn add(&mut self, line: &Line) {
        self.add_times(key(line), 1);
    }

    /// Skips what another one does as well.
    pub(crate) fn add_all(&mut self, other: Skip) {
        other.0.into_iter().for_each(|(key, times)| self.add_times(key, times));
    }

    fn add_times(&mut self, key: Key, times: usize) {
        *self.0.entry(key).or_default() += times;
        if self.0.len() > LINES_MAX {
            self.0.pop_first();
        }
    }

    /// Whether this line is to be skipped; that counts as done then.
    pub(crate) fn takes(&mut self, line: &Line) -> bool {
        match self.0.get_mut(&key(line)) {
            Some(1) => self.0.remove(&key(line)).is_some(),
            Some(left) => {
                *left -= 1;
                true
            }
            None => false,
        }
    }
}

fn key(line: &Line) -> Key {
    let mut hasher = DefaultHasher::new();
    (&line.labels, &line.text).hash(&mut hasher);
    (line.timestamp, hasher.finish())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crate::cli::query::client::Line;
    use crate::cli::query::seen::{LINES_MAX, OVERLAP_NS, Seen};
    use crate::model::Timestamp;

    fn line(nanos: i64, text: &str) -> Line {
        Line { timestamp: Timestamp::from_nanos(nanos), labels: BTreeMap::new(), text: text.to_owned() }
    }

    const NOW: Timestamp = Timestamp::from_secs(1_000_000);

    #[test]
    fn a_gap_is_filled_from_a_moment_before_it_and_nothing_is_printed_twice() {
        let mut seen = Seen::new(Timestamp::from_nanos(5));
        assert_eq!(seen.resume_at(), Timestamp::from_nanos(5));
        let at = 100 * OVERLAP_NS;
        seen.add(&line(at, "a"), NOW);
        seen.add(&line(at, "a"), NOW);
        seen.add(&line(at - 10, "late"), NOW);
        assert_eq!(seen.resume_at(), Timestamp::from_nanos(at - OVERLAP_NS));
        let mut skip = seen.again();
        let skipped: Vec<bool> = [line(at - 10, "late"), line(at, "a"), line(at, "a"), line(at, "a"), line(at, "b")]
            .iter()
            .map(|line| skip.takes(line))
            .collect();
        assert_eq!(skipped, [true, true, true, false, false]);
        skip.add(&line(at, "b"));
        skip.add_all(seen.again());
        assert!(skip.takes(&line(at, "b")) && skip.takes(&line(at, "a")) && !skip.takes(&line(at, "b")));
    }

    #[test]
    fn a_sender_whose_clock_is_ahead_moves_nothing() {
        let mut seen = Seen::new(Timestamp::MIN);
        seen.add(&line(i64::MAX / 2, "from the future"), NOW);
        assert_eq!(seen.resume_at(), NOW.plus_nanos(-OVERLAP_NS));
    }

    #[test]
    fn what_is_forgotten_is_not_asked_for_again() {
        let mut seen = Seen::new(Timestamp::MIN);
        for nanos in 0..=LINES_MAX as i64 {
            seen.add(&line(nanos, "x"), NOW);
        }
        assert_eq!(seen.printed_count, LINES_MAX);
        assert_eq!(seen.resume_at(), Timestamp::from_nanos(1));
    }
}
