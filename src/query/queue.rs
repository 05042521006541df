//! The line in which queries wait for their turn: some run at once, and of those who wait every user gets one turn
//! after the other, however many queries each has sent.

use std::collections::{HashSet, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::query::{Error, Ticket};

/// How often a waiting query looks whether its client is still there.
const PATIENCE: Duration = Duration::from_millis(50);

/// The line.
#[derive(Debug)]
pub(crate) struct Queue {
    state: Mutex<State>,
    moved: Condvar,
    concurrent_max: usize,
    waiting_max: usize,
}

#[derive(Debug, Default)]
struct State {
    running: usize,
    /// Who waits, in the order of their next turns, each with the places of their queries.
    waiting: VecDeque<(String, VecDeque<u64>)>,
    /// Places whose turn it is.
    called: HashSet<u64>,
    next_place: u64,
}

/// Places that one user may have in the line.
const WAITING_MAX_OF_USER: usize = 16;

/// A request's turn; it ends when this is dropped. Queries of a ticket that has its turn already run within that.
#[derive(Debug)]
#[must_use]
pub struct Turn<'q>(Option<(&'q Queue, Ticket)>);

impl Queue {
    pub(crate) fn new(concurrent_max: usize, waiting_max: usize) -> Queue {
        Queue { state: Mutex::default(), moved: Condvar::new(), concurrent_max: concurrent_max.max(1), waiting_max }
    }

    /// Waits until it is this query's turn, or until the query is ended.
    pub(crate) fn enter(&self, ticket: &Ticket) -> Result<Turn<'_>, Error> {
        if ticket.has_turn() {
            return Ok(Turn(None));
        }
        let begin = Instant::now();
        self.wait(ticket)?;
        ticket.begin_turn(begin.elapsed());
        Ok(Turn(Some((self, ticket.clone()))))
    }

    /// How many queries run, and how many wait.
    pub(crate) fn lengths(&self) -> (usize, usize) {
        let state = self.lock();
        (state.running, state.waiting.iter().map(|(_, places)| places.len()).sum())
    }

    fn wait(&self, ticket: &Ticket) -> Result<(), Error> {
        let mut state = self.lock();
        if state.running < self.concurrent_max && state.waiting.is_empty() {
            state.running += 1;
            return Ok(());
        }
        let waiting_count: usize = state.waiting.iter().map(|(_, places)| places.len()).sum();
        if waiting_count >= self.waiting_max {
            return Err(Error::Crowded { waiting_max: self.waiting_max });
        }
        let own_count =
            state.waiting.iter().find(|(user, _)| user == ticket.user()).map_or(0, |(_, places)| places.len());
        if own_count >= WAITING_MAX_OF_USER {
            return Err(Error::Crowded { waiting_max: WAITING_MAX_OF_USER });
        }
        let place = state.next_place;
        state.next_place += 1;
        match state.waiting.iter_mut().find(|(user, _)| user == ticket.user()) {
            Some((_, places)) => places.push_back(place),
            None => state.waiting.push_back((ticket.user().to_owned(), VecDeque::from([place]))),
        }
        loop {
            if state.called.remove(&place) {
                return Ok(());
            }
            if let Err(error) = ticket.check() {
                state.forget(place);
                return Err(error);
            }
            let (woken, _) = self.moved.wait_timeout(state, PATIENCE).expect("no thread panics in line");
            state = woken;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no thread panics in line")
    }
}

impl State {
    /// Gives the place of a query that ended to the next one.
    fn call_next(&mut self) {
        self.running -= 1;
        let Some((user, mut places)) = self.waiting.pop_front() else {
            return;
        };
        let place = places.pop_front().expect("whoever waits has a place");
        if !places.is_empty() {
            self.waiting.push_back((user, places));
        }
        self.called.insert(place);
        self.running += 1;
    }

    /// Takes a place out of the line.
    fn forget(&mut self, place: u64) {
        for (_, places) in &mut self.waiting {
            places.retain(|other| *other != place);
        }
        self.waiting.retain(|(_, places)| !places.is_empty());
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if let Some((queue, ticket)) = &self.0 {
            ticket.end_turn();
            queue.lock().call_next();
            queue.moved.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::{Duration, Instant};

    use crate::query::queue::{Queue, WAITING_MAX_OF_USER};
    use crate::query::{Error, Ticket};

    fn ticket(user: &str) -> Ticket {
        Ticket::until(Instant::now() + Duration::from_secs(60)).for_user(user)
    }

    #[test]
    fn users_take_turns_however_much_each_asks() {
        let queue = Queue::new(1, 100);
        let order = Mutex::new(Vec::new());
        let first = queue.enter(&ticket("a")).expect("there is room");
        std::thread::scope(|scope| {
            for (count, user) in ["a", "a", "a", "b"].into_iter().enumerate() {
                let (queue, order) = (&queue, &order);
                scope.spawn(move || {
                    let turn = queue.enter(&ticket(user)).expect("its turn comes");
                    order.lock().expect("no panic").push(user);
                    drop(turn);
                });
                let in_line = || queue.lock().waiting.iter().map(|(_, places)| places.len()).sum::<usize>();
                while in_line() <= count {
                    std::thread::yield_now();
                }
            }
            drop(first);
        });
        assert_eq!(*order.lock().expect("no panic"), ["a", "b", "a", "a"]);
        assert_eq!(queue.lock().running, 0);
    }

    #[test]
    fn whoever_leaves_the_line_holds_nobody_up() {
        let queue = Queue::new(1, 100);
        let first = queue.enter(&ticket("a")).expect("there is room");
        let gone = ticket("b");
        gone.cancel();
        assert!(matches!(queue.enter(&gone), Err(Error::Cancelled)));
        drop(first);
        assert!(queue.enter(&ticket("c")).is_ok());
    }

    #[test]
    fn a_turn_covers_all_queries_of_its_ticket() {
        let queue = Queue::new(1, 0);
        let (one, other) = (ticket("a"), ticket("a"));
        let turn = queue.enter(&one).expect("there is room");
        drop(queue.enter(&one).expect("within its turn"));
        assert!(queue.enter(&other).is_err());
        drop(turn);
        assert!(queue.enter(&other).is_ok());
    }

    #[test]
    fn one_user_does_not_fill_the_line() {
        let queue = Queue::new(1, 100);
        let first = queue.enter(&ticket("a")).expect("there is room");
        let greedy = ticket("a");
        std::thread::scope(|scope| {
            for _ in 0..WAITING_MAX_OF_USER {
                scope.spawn(|| drop(queue.enter(&greedy.clone())));
            }
            while queue.lock().waiting.iter().map(|(_, places)| places.len()).sum::<usize>() < WAITING_MAX_OF_USER {
                std::thread::yield_now();
            }
            assert!(matches!(queue.enter(&ticket("a")), Err(Error::Crowded { waiting_max: WAITING_MAX_OF_USER })));
            let modest = scope.spawn(|| queue.enter(&ticket("b")).is_ok());
            greedy.cancel();
            drop(first);
            assert!(modest.join().expect("no panic"));
        });
    }

    #[test]
    fn a_full_line_takes_nobody() {
        let queue = Queue::new(1, 0);
        let first = queue.enter(&ticket("a")).expect("there is room");
        assert!(matches!(queue.enter(&ticket("b")), Err(Error::Crowded { waiting_max: 0 })));
        drop(first);
        assert!(queue.enter(&ticket("b")).is_ok());
    }
}
