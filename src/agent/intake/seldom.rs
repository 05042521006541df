//! Something that is said again and again, said seldom.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// So often at most: a sender of nonsense is not to fill our own log.
const PERIOD: Duration = Duration::from_secs(60);

/// Counts what was not said.
#[derive(Debug, Default)]
pub(crate) struct Seldom {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    said: Option<Instant>,
    unsaid_count: u64,
}

impl Seldom {
    /// How often it happened since it was said last, this time included; `None` where it was said lately.
    pub(crate) fn happened(&self, times: u64, now: Instant) -> Option<u64> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.unsaid_count += times;
        if inner.said.is_some_and(|said| now < said + PERIOD) {
            return None;
        }
        inner.said = Some(now);
        Some(std::mem::take(&mut inner.unsaid_count))
    }
}

#[cfg(test)]
mod tests {
    use crate::agent::intake::seldom::*;

    #[test]
    fn what_was_not_said_is_counted() {
        let seldom = Seldom::default();
        let start = Instant::now();
        assert_eq!(seldom.happened(1, start), Some(1));
        assert_eq!(seldom.happened(2, start + PERIOD / 2), None);
        assert_eq!(seldom.happened(3, start + PERIOD), Some(5));
        assert_eq!(seldom.happened(1, start + PERIOD), None);
    }
}
