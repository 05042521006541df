//! How many files are held open at once: a file that is open can be read to its end after it was renamed or removed, so
//! as many are as the system lets us.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What is left to sockets, the spool and the files that are open for a moment.
const KEPT_FOR_OTHERS: u64 = 128;
/// As many as can be asked for where the system sets no limit.
const UNLIMITED: u64 = 1 << 20;

/// The places for open files.
#[derive(Clone, Debug)]
pub(crate) struct Handles {
    taken: Arc<AtomicUsize>,
    max: usize,
}

/// One place, given back when dropped.
#[derive(Debug)]
pub(crate) struct Slot(Arc<AtomicUsize>);

impl Handles {
    /// Raises what the system lets this process open as far as it may be, and keeps some for others.
    pub(crate) fn raised() -> Handles {
        let limit = getrlimit(Resource::Nofile);
        let most = limit.maximum.unwrap_or(UNLIMITED);
        let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(most), maximum: limit.maximum });
        let count = if raised.is_ok() { most } else { limit.current.unwrap_or(UNLIMITED) };
        Handles::new(usize::try_from(count.saturating_sub(KEPT_FOR_OTHERS)).unwrap_or(usize::MAX))
    }

    pub(crate) fn new(max: usize) -> Handles {
        Handles { taken: Arc::default(), max }
    }

    /// A place, where one is free.
    pub(crate) fn take(&self) -> Option<Slot> {
        let more = |taken: usize| (taken < self.max).then_some(taken + 1);
        self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some(Slot(self.taken.clone()))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use crate::agent::files::handle::*;

    #[test]
    fn places_are_given_back() {
        let handles = Handles::new(1);
        let slot = handles.take();
        assert!(slot.is_some() && handles.take().is_none());
        drop(slot);
        assert!(handles.take().is_some());
        assert!(Handles::raised().take().is_some());
    }
}
