//! What a query may use, and how it is ended from outside.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::query::Error;
use crate::store;

/// Bounds of a query. Each is named in the message that is shown when it is hit.
#[derive(Clone, Debug)]
pub struct Limits {
    pub query_timeout: Duration,
    /// Lines that one log query may ask for (Loki's `max_entries_limit_per_query`).
    pub entries_max: usize,
    /// Memory of one query's intermediate results, in bytes.
    pub memory_bytes_max: usize,
    /// Queries that run at the same time; others wait in line.
    pub concurrent_max: usize,
    /// Queries that wait in line; more are refused. Each holds a thread, of which pushes need some too.
    pub waiting_max: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            query_timeout: Duration::from_secs(60),
            entries_max: 5000,
            memory_bytes_max: 256 << 20,
            concurrent_max: 4,
            waiting_max: 128,
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
        let mut damages = self.damages.lock().unwrap_or_else(PoisonError::into_inner);
        if damages.len() < DAMAGES_MAX {
            damages.push(format!("some lines could not be read: {error}"));
        }
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

/// The memory that one query has taken for what it gathers, over all its threads.
#[derive(Debug)]
pub(crate) struct Budget {
    used: AtomicUsize,
    max: usize,
}

impl Budget {
    pub(crate) fn new(limits: &Limits) -> Budget {
        Budget { used: AtomicUsize::new(0), max: limits.memory_bytes_max }
    }

    /// Counts memory that was taken; an error once there is more of it than the query may have.
    pub(crate) fn take(&self, bytes: usize) -> Result<(), Error> {
        let used = self.used.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if used <= self.max {
            return Ok(());
        }
        Err(Error::Limit(format!(
            "the query needs more memory than one query may use ({} MiB): shorten the range, group by fewer labels or \
             select fewer streams, or raise query-memory",
            self.max >> 20
        )))
    }

    /// Counts memory that was given back.
    pub(crate) fn give_back(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use crate::query::limits::Budget;
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
        let budget = Budget::new(&Limits { memory_bytes_max: 1 << 20, ..Limits::default() });
        assert!(budget.take(1 << 20).is_ok());
        let error = budget.take(1).expect_err("there is nothing left");
        assert!(error.to_string().contains("query-memory") && error.to_string().contains("1 MiB"), "{error}");
        budget.give_back(2);
        assert!(budget.take(1).is_ok());
    }
}
