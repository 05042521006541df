//! The memory of answers that are on their way to their clients.
//!
//! Promises: answers that clients have not taken yet have a bound together, and one caller has at most half of it; a
//! query waits a moment for room, then it is refused with the setting's name. One answer may go beyond the bound, so
//! that a large one passes when there is room at all.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::query::{Error, Ticket};

/// How long a query that is answered waits for room; it holds its turn meanwhile.
const WAIT_MAX: Duration = Duration::from_secs(5);
/// How often it looks whether its client is still there.
const PATIENCE: Duration = Duration::from_millis(50);

#[derive(Debug)]
pub(crate) struct Outbox {
    state: Mutex<State>,
    freed: Condvar,
    bytes_max: usize,
}

#[derive(Debug, Default)]
struct State {
    bytes: usize,
    /// Callers that have something here, each with its bytes.
    of_callers: HashMap<String, usize>,
}

/// Room for one answer; it is given back when this is dropped. Hold it until the client has taken the answer.
#[derive(Debug)]
pub struct Parcel {
    outbox: Arc<Outbox>,
    caller: String,
    bytes: usize,
}

impl Outbox {
    pub(crate) fn new(bytes_max: usize) -> Outbox {
        Outbox { state: Mutex::default(), freed: Condvar::new(), bytes_max }
    }

    /// Bytes of all answers that are on their way.
    pub(crate) fn bytes(&self) -> usize {
        self.lock().bytes
    }

    /// Waits until there is room for an answer of the ticket's caller.
    pub(crate) fn put(self: &Arc<Outbox>, bytes: usize, ticket: &Ticket) -> Result<Parcel, Error> {
        let deadline = Instant::now() + WAIT_MAX;
        let caller = ticket.user().to_owned();
        let mut state = self.lock();
        while !state.has_room(&caller, bytes, self.bytes_max) {
            ticket.check()?;
            if Instant::now() >= deadline {
                return Err(Error::AnswersWait { bytes_max: self.bytes_max });
            }
            state = self.freed.wait_timeout(state, PATIENCE).expect("no thread panics while it holds this lock").0;
        }
        state.bytes += bytes;
        *state.of_callers.entry(caller.clone()).or_default() += bytes;
        Ok(Parcel { outbox: self.clone(), caller, bytes })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no thread panics while it holds this lock")
    }
}

impl State {
    fn has_room(&self, caller: &str, bytes: usize, bytes_max: usize) -> bool {
        let own = self.of_callers.get(caller).copied().unwrap_or(0);
        self.bytes < bytes_max && (own == 0 || own + bytes <= bytes_max / 2)
    }
}

impl Drop for Parcel {
    fn drop(&mut self) {
        let mut state = self.outbox.lock();
        state.bytes -= self.bytes;
        if let Some(own) = state.of_callers.get_mut(&self.caller) {
            *own -= self.bytes;
            if *own == 0 {
                state.of_callers.remove(&self.caller);
            }
        }
        drop(state);
        self.outbox.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use crate::query::outbox::Outbox;
    use crate::query::{Error, Ticket};

    fn ticket(user: &str) -> Ticket {
        Ticket::until(Instant::now() + Duration::from_secs(60)).for_user(user)
    }

    /// A ticket whose query does not wait.
    fn impatient(user: &str) -> Ticket {
        Ticket::until(Instant::now()).for_user(user)
    }

    #[test]
    fn a_caller_has_half_of_the_room_and_all_have_no_more_than_there_is() {
        let outbox = Arc::new(Outbox::new(100));
        let first = outbox.put(30, &ticket("a")).expect("there is room");
        let second = outbox.put(20, &ticket("a")).expect("half of it");
        assert!(outbox.put(1, &impatient("a")).is_err(), "more than half");
        let large = outbox.put(1000, &ticket("b")).expect("a large one passes when there is room");
        assert!(outbox.put(1, &impatient("c")).is_err(), "nothing is left");
        assert_eq!(outbox.bytes(), 1050);
        drop(large);
        assert!(outbox.put(1, &impatient("c")).is_ok());
        drop((first, second));
        assert!(outbox.lock().of_callers.is_empty());
        assert_eq!(outbox.bytes(), 0);
    }

    #[test]
    fn whoever_waits_goes_on_when_an_answer_was_taken_and_ends_when_its_client_left() {
        let outbox = Arc::new(Outbox::new(10));
        let parcel = outbox.put(10, &ticket("a")).expect("there is room");
        let gone = ticket("b");
        gone.cancel();
        assert!(matches!(outbox.put(1, &gone), Err(Error::Cancelled)));
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| outbox.put(5, &ticket("b")).map(drop));
            drop(parcel);
            assert!(waiting.join().expect("no panic").is_ok());
        });
    }
}
