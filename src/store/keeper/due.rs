//! When the store's thread does what it does now and then.
//!
//! Never: a clock; whoever asks says what time it is.

use std::time::{Duration, Instant};

use crate::store::keeper::FRESH_AGE_MAX;

/// How long nothing may have been appended until the buffers are sealed that wait for more. Agents send every few seconds,
/// and try again for some minutes: what is silent for longer will hardly fill them soon.
const REST_AFTER: Duration = Duration::from_secs(5 * 60);

/// When the thread does what it does now and then.
#[derive(Debug)]
pub(crate) struct Due {
    pub(crate) commit: Instant,
    pub(crate) retention: Instant,
    pub(crate) aside: Instant,
    pub(crate) rest: Rest,
}

impl Due {
    pub(crate) fn new(now: Instant) -> Due {
        Due { commit: now + FRESH_AGE_MAX, retention: now, aside: now, rest: Rest { append_count: 0, since: now } }
    }
}

/// Tells when nothing was appended for long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rest {
    append_count: u64,
    since: Instant,
}

impl Rest {
    /// Whether there were as many appends as now for long enough.
    pub(crate) fn is_reached(&mut self, append_count: u64, now: Instant) -> bool {
        if self.append_count != append_count {
            *self = Rest { append_count, since: now };
        }
        now.duration_since(self.since) >= REST_AFTER
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::time::{Duration, Instant};

    use crate::model::{Batch, Entry, Labels, StreamEntries, Timestamp};
    use crate::store::keeper::due::{Due, REST_AFTER};
    use crate::store::keeper::{FRESH_AGE_MAX, Keeper};
    use crate::store::layout::Layout;
    use crate::store::{Config, Retention, WORDLESS_BYTES};

    fn keeper(dir: &tempfile::TempDir) -> Keeper {
        let root = dir.path().to_owned();
        let layout = Layout::new(root.clone());
        std::fs::create_dir_all(layout.days()).expect("it can be made");
        let retention = Retention::default();
        let config = Config { dir: root, retention, head_bytes_max: 1 << 20, wordless_bytes: WORDLESS_BYTES };
        Keeper::open(config, layout).expect("it opens")
    }

    /// Appends a line that takes so much room in the log.
    fn append(keeper: &Keeper, time: i64, bytes: usize) {
        let line: Cow<str> = Cow::Owned("a line of text ".repeat(bytes / 15));
        let record = Cow::Owned(line.as_bytes().to_vec());
        let entry = Entry { timestamp: Timestamp::from_nanos(time), line, metadata: Labels::default() };
        let streams = vec![StreamEntries { labels: Labels::from([("app", "a")]), entries: vec![entry] }];
        keeper.append(&Batch { record, streams }).expect("it is stored");
    }

    /// Blocks, and whether the log is as good as empty.
    fn state(keeper: &Keeper) -> (u64, bool) {
        let usage = keeper.usage();
        (usage.block_count, usage.wal_bytes < 100)
    }

    #[test]
    fn what_rests_is_sealed_once_and_leaves_the_log() {
        let dir = tempfile::tempdir().expect("a temp folder");
        let (keeper, start) = (keeper(&dir), Instant::now());
        let mut due = Due::new(start);
        let mut round = |after: Duration| {
            keeper.round(&mut due, start + FRESH_AGE_MAX + after).expect("nothing fails");
            state(&keeper)
        };
        append(&keeper, 10, 200 << 10);
        assert_eq!(round(Duration::ZERO), (0, false));
        append(&keeper, 20, 1000);
        assert_eq!(round(REST_AFTER), (0, false), "there was news");
        assert_eq!(round(2 * REST_AFTER - Duration::from_secs(1)), (0, false));
        let segment = keeper.wal.newest();
        assert_eq!(round(2 * REST_AFTER + FRESH_AGE_MAX), (1, true));
        assert_eq!(round(3 * REST_AFTER), (1, true));
        assert_eq!(keeper.wal.newest(), segment + 1, "an empty log stays as it is");
        append(&keeper, 30, 1000);
        assert_eq!(round(4 * REST_AFTER), (1, false));
        assert_eq!(round(5 * REST_AFTER), (1, false), "so little is not worth a block");
    }

    #[test]
    fn a_stop_seals_what_is_worth_it_and_leaves_the_rest_in_the_log() {
        let dir = tempfile::tempdir().expect("a temp folder");
        let first = keeper(&dir);
        append(&first, 10, 1000);
        first.finish().expect("nothing fails");
        assert_eq!(state(&first), (0, false));
        append(&first, 20, 200 << 10);
        first.finish().expect("nothing fails");
        assert_eq!(state(&first), (1, true));
        drop(first);
        let again = keeper(&dir);
        assert_eq!((state(&again), again.usage().entry_count), ((1, true), 2));
    }
}
