//! What a query may use, and how it is ended from outside.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::model::{Memory, MemoryExceeded, Share};
use crate::query::Error;
use crate::store;

/// Bounds of a query. Each is named in the message that is shown when it is hit.
#[derive(Clone, Debug)]
pub struct Limits {
    pub query_timeout: Duration,
    /// Lines that one log query may ask for (Loki's `max_entries_limit_per_query`).
    pub entries_max: usize,
    /// By how much one query may raise the memory of the process, in bytes: what it gathers, and its answer.
    pub memory_bytes_max: usize,
    /// Queries that run at the same time; others wait in line.
    pub concurrent_max: usize,
    /// Queries that wait in line; more are refused. Each holds a thread, of which pushes need some too.
    pub waiting_max: usize,
    /// Memory of answers that clients have not taken yet, in bytes.
    pub answer_bytes_max: usize,
    /// Queries that one caller may follow at the same time.
    pub tails_of_user_max: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            query_timeout: Duration::from_secs(60),
            entries_max: 5000,
            memory_bytes_max: 256 << 20,
            concurrent_max: 4,
            waiting_max: 128,
            answer_bytes_max: 64 << 20,
            tails_of_user_max: 10,
        }
    }
}

/// How a running query is ended from outside. Clones end together.
#[derive(Clone, Debug)]
pub struct Ticket {
    cancelled: Arc<AtomicBool>,
    deadline: Instant,
    user: Arc<str>,
    /// What could not be read, for whoever reads the answer.
    damages: Arc<Mutex<Vec<String>>>,
    damage_count: Arc<AtomicUsize>,
    turn: Arc<TurnState>,
}

/// Whether it is the turn of a ticket's request, and how long that took.
#[derive(Debug, Default)]
struct TurnState {
    has_begun: AtomicBool,
    waited_ns: AtomicU64,
}

/// Damages that an answer names; more of them say no more.
const DAMAGES_MAX: usize = 10;

impl Ticket {
    /// A query that may run until `deadline`.
    pub fn until(deadline: Instant) -> Ticket {
        Ticket {
            cancelled: Arc::default(),
            deadline,
            user: Arc::from(""),
            damages: Arc::default(),
            damage_count: Arc::default(),
            turn: Arc::default(),
        }
    }

    /// The same, on behalf of someone: whoever asks much does not keep others waiting.
    #[must_use]
    pub fn for_user(self, user: &str) -> Ticket {
        Ticket { user: Arc::from(user), ..self }
    }

    pub(crate) fn has_turn(&self) -> bool {
        self.turn.has_begun.load(Ordering::Relaxed)
    }

    pub(crate) fn begin_turn(&self, waited: Duration) {
        self.turn.waited_ns.store(u64::try_from(waited.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.turn.has_begun.store(true, Ordering::Relaxed);
    }

    pub(crate) fn end_turn(&self) {
        self.turn.has_begun.store(false, Ordering::Relaxed);
    }

    /// How long the request waited in line.
    pub(crate) fn waited(&self) -> Duration {
        Duration::from_nanos(self.turn.waited_ns.load(Ordering::Relaxed))
    }

    pub(crate) fn user(&self) -> &str {
        &self.user
    }

    /// Notes that a piece of the store could not be read: the answer has all the others, and says so.
    pub(crate) fn note_damage(&self, error: &store::Error) {
        tracing::error!(%error, "a query goes on without what cannot be read");
        self.damage_count.fetch_add(1, Ordering::Relaxed);
        let mut damages = self.damages.lock().unwrap_or_else(PoisonError::into_inner);
        if damages.len() < DAMAGES_MAX {
            damages.push(format!("some lines could not be read: {error}"));
        }
    }

    /// How often something could not be read so far.
    pub(crate) fn damage_count(&self) -> usize {
        self.damage_count.load(Ordering::Relaxed)
    }

    /// The warnings that an answer carries.
    pub(crate) fn damages(&self) -> Vec<String> {
        let mut damages = self.damages.lock().unwrap_or_else(PoisonError::into_inner).clone();
        damages.sort();
        damages.dedup();
        damages
    }

    /// Ends the query at its next check.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// An error once the query was cancelled or its time is up.
    pub fn check(&self) -> Result<(), Error> {
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(Error::Cancelled);
        }
        if Instant::now() >= self.deadline {
            return Err(Error::TimedOut);
        }
        Ok(())
    }
}

/// Ends a query when it is dropped: held by whoever waits for the answer, so that nobody works for a client that went
/// away.
#[derive(Debug)]
pub struct CancelOnDrop(Ticket);

impl CancelOnDrop {
    pub fn new(ticket: &Ticket) -> CancelOnDrop {
        CancelOnDrop(ticket.clone())
    }
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// Of the memory of a query, what reading takes: the blocks that its threads have open, and what they hold together
/// before they hand it over. It is not counted piece by piece.
const READ_BYTES_MAX: usize = 32 << 20;

/// The memory of one query. The share is for reading, and is dropped when that is over.
pub(crate) fn memory(limits: &Limits) -> (Memory, Share) {
    let memory = Memory::new(limits.memory_bytes_max);
    let mut reading = Share::of(&memory);
    reading.take(READ_BYTES_MAX.min(limits.memory_bytes_max / 8)).expect("a part is not more than the whole");
    (memory, reading)
}

impl From<MemoryExceeded> for Error {
    fn from(exceeded: MemoryExceeded) -> Error {
        Error::Limit(format!(
            "the query needs more memory than one query may use ({} MiB): shorten the range, group by fewer labels or \
             select fewer streams, or raise query-memory",
            exceeded.bytes_max >> 20
        ))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use crate::model::Share;
    use crate::query::limits::memory;
    use crate::query::{CancelOnDrop, Error, Limits, Ticket};

    #[test]
    fn a_ticket_ends_when_its_guard_is_dropped() {
        let ticket = Ticket::until(Instant::now() + Duration::from_secs(60));
        let guard = CancelOnDrop::new(&ticket);
        assert!(ticket.check().is_ok());
        drop(guard);
        assert!(matches!(ticket.check(), Err(Error::Cancelled)));
    }

    #[test]
    fn a_ticket_ends_at_its_deadline() {
        assert!(matches!(Ticket::until(Instant::now()).check(), Err(Error::TimedOut)));
    }

    #[test]
    fn too_much_memory_is_an_error_that_names_the_setting() {
        let (memory, reading) = memory(&Limits { memory_bytes_max: 1 << 20, ..Limits::default() });
        let mut share = Share::of(&memory);
        let error = Error::from(share.take(1 << 20).expect_err("reading has its part"));
        assert!(error.to_string().contains("query-memory") && error.to_string().contains("1 MiB"), "{error}");
        drop(reading);
        assert!(share.take(1 << 20).is_ok());
    }
}
