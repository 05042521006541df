//! What time it is for a push: how far ahead of our clock its entries may be is counted from here.
//!
//! Promises: it does not go back while the server runs. A machine's clock that jumps back an hour would make every entry that
//! agents send one of the future, to be refused for good. Never: the time of an entry, which its sender gives.

use std::time::{Duration, Instant, SystemTime};

use crate::model::Timestamp;

#[derive(Debug)]
pub(crate) struct Clock {
    started: SystemTime,
    since: Instant,
}

impl Clock {
    pub(crate) fn start() -> Clock {
        Clock { started: SystemTime::now(), since: Instant::now() }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.latest(SystemTime::now(), self.since.elapsed())
    }

    /// The later of what the machine says now, and what it must be by what it said at the start.
    fn latest(&self, now: SystemTime, elapsed: Duration) -> Timestamp {
        Timestamp::from(now.max(self.started + elapsed))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant, SystemTime};

    use crate::ingest::clock::Clock;
    use crate::model::Timestamp;

    #[test]
    fn a_jump_back_is_not_followed_and_one_ahead_is() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let clock = Clock { started: at(1000), since: Instant::now() };
        let elapsed = Duration::from_secs(60);
        for (now, expected) in [(1060, 1060), (400, 1060), (5000, 5000)] {
            assert_eq!(clock.latest(at(now), elapsed), Timestamp::from_secs(expected));
        }
    }
}
