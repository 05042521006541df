//! What is said of a server to people: whether it takes what is sent, and what waits for it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

/// One server, as it answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answered {
    /// As the configuration calls it, else its address without credentials.
    pub(crate) name: String,
    pub(crate) address: String,
    /// The last answer, and when it came.
    pub(crate) last: Option<(SystemTime, String)>,
    /// Since when it does not take what is sent.
    pub(crate) failing_since: Option<SystemTime>,
    /// Why it did not take something last.
    pub(crate) failed: Option<(SystemTime, String)>,
    pub(crate) sent_lines: u64,
    pub(crate) sent_bytes: u64,
    pub(crate) lost_lines: u64,
}

/// Shared by who sends and who tells people.
#[derive(Clone, Debug, Default)]
pub(crate) struct ServerStatus(Arc<Mutex<Answered>>);

/// Batches that are sealed and not answered for.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    batches: AtomicU64,
    bytes: AtomicU64,
}

impl ServerStatus {
    pub(crate) fn new(name: &str, address: &str) -> ServerStatus {
        let answered = Answered { name: name.to_owned(), address: address.to_owned(), ..Answered::default() };
        ServerStatus(Arc::new(Mutex::new(answered)))
    }

    pub(crate) fn get(&self) -> Answered {
        self.lock().clone()
    }

    pub(crate) fn set(&self, how: impl FnOnce(&mut Answered)) {
        how(&mut self.lock());
    }

    fn lock(&self) -> MutexGuard<'_, Answered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// How many batches wait, and their bytes.
    pub(crate) fn get(&self) -> (u64, u64) {
        (self.batches.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed))
    }

    pub(in crate::agent::push) fn add(&self, bytes: u64) {
        self.batches.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(in crate::agent::push) fn take(&self, bytes: u64) {
        self.batches.fetch_sub(1, Ordering::Relaxed);
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}
