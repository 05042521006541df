//! The outlet to every server: a batch is filled for each, sealed when it is large or old enough, and queued.
//!
//! Promises: the ledger remembers the stretches of a batch before the batch can leave; a source counts as answered for
//! when each server has answered. What waits for a server is a batch that is filled, two that are sealed, and what one
//! stretch makes.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::agent::outlet::{Ledger, Outgoing, Outlet, Stretch};
use crate::agent::push::batch::{Batch, Sealed};
use crate::agent::push::status::Waiting;
use crate::model::Labels;

/// Sealed batches that wait for a server, besides the one that is on its way.
const QUEUED_MAX: usize = 1;

/// When a batch of a server is sealed, and what its lines get.
#[derive(Clone, Debug)]
pub(crate) struct Filling {
    pub(crate) bytes_max: usize,
    pub(crate) wait: Duration,
    pub(crate) external: Labels,
    /// Streams of a batch; 0 is no bound.
    pub(crate) streams_max: usize,
}

/// All servers.
pub(crate) struct Fanout {
    lanes: Vec<Lane>,
    ledger: Arc<dyn Ledger>,
    /// Stretches that the ledger does not know yet.
    begun: Vec<Stretch>,
    room: Arc<Room>,
}

/// Tells who reads that a queue has room again.
#[derive(Default)]
struct Room {
    taken: Mutex<u64>,
    changed: Condvar,
}

/// One server.
struct Lane {
    filling: Filling,
    batch: Batch,
    /// When the first line or note came into the batch.
    since: Option<Instant>,
    /// Sealed, while the queue is full.
    waiting: VecDeque<Sealed>,
    queue: mpsc::Sender<Sealed>,
    told: Arc<Waiting>,
}

/// The end of a lane, where its batches come out.
pub(crate) struct Exit {
    batches: mpsc::Receiver<Sealed>,
    room: Arc<Room>,
    lane: usize,
    answers: Arc<Answers>,
    told: Arc<Waiting>,
}

/// What each server has answered for.
struct Answers {
    ledger: Arc<dyn Ledger>,
    lane_count: usize,
    /// By source, the place of each lane, while they are not the same.
    places: Mutex<HashMap<u32, Vec<u64>>>,
}

impl Fanout {
    /// One lane for each filling, with its exit.
    pub(crate) fn new(fillings: Vec<Filling>, ledger: Arc<dyn Ledger>) -> (Fanout, Vec<Exit>) {
        let room = Arc::<Room>::default();
        let places = Mutex::default();
        let answers = Arc::new(Answers { ledger: Arc::clone(&ledger), lane_count: fillings.len(), places });
        let mut exits = Vec::new();
        let lanes = fillings.into_iter().enumerate().map(|(lane, filling)| {
            let (queue, batches) = mpsc::channel(QUEUED_MAX);
            let told = Arc::<Waiting>::default();
            let (room, answers) = (Arc::clone(&room), Arc::clone(&answers));
            exits.push(Exit { batches, room, lane, answers, told: Arc::clone(&told) });
            let batch = Batch::of_streams(filling.streams_max);
            Lane { filling, batch, since: None, waiting: VecDeque::new(), queue, told }
        });
        let lanes = lanes.collect();
        (Fanout { lanes, ledger, begun: Vec::new(), room }, exits)
    }

    /// Seals all that is filled, for an end in order.
    pub(crate) fn finish(mut self) {
        for index in 0..self.lanes.len() {
            self.seal(index);
        }
        for lane in &mut self.lanes {
            while let Some(sealed) = lane.waiting.pop_front() {
                // who has gone has not answered, and positions stay where they were
                let _ = lane.queue.blocking_send(sealed);
            }
        }
    }

    fn seal(&mut self, index: usize) {
        if !self.begun.is_empty() {
            self.ledger.begun(&self.begun);
            self.begun.clear();
        }
        let lane = &mut self.lanes[index];
        lane.since = None;
        if lane.batch.is_empty() {
            return;
        }
        let sealed = lane.batch.seal(&lane.filling.external);
        lane.told.add(sealed.bytes());
        lane.waiting.push_back(sealed);
        lane.queue_up();
    }
}

impl Lane {
    /// Queues what waits, as far as there is room; whether nothing waits any more.
    fn queue_up(&mut self) -> bool {
        while let Some(sealed) = self.waiting.pop_front() {
            match self.queue.try_send(sealed) {
                Ok(()) => {}
                Err(TrySendError::Full(sealed)) => {
                    self.waiting.push_front(sealed);
                    return false;
                }
                // the agent ends: nothing is answered for any more
                Err(TrySendError::Closed(_)) => {}
            }
        }
        true
    }

    fn touched(&mut self) {
        self.since.get_or_insert_with(Instant::now);
    }
}

impl Outlet for Fanout {
    fn ready(&mut self, wait: Duration) -> bool {
        let until = Instant::now() + wait;
        loop {
            let before = self.room.taken();
            // each lane, also behind one that has no room
            let full = self.lanes.iter_mut().map(Lane::queue_up).filter(|has_room| !has_room).count();
            if full == 0 {
                return true;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            self.room.wait(before, left);
        }
    }

    fn begin(&mut self, stretch: Stretch) {
        self.begun.push(stretch);
    }

    fn send(&mut self, line: Outgoing<'_>) {
        for index in 0..self.lanes.len() {
            let lane = &mut self.lanes[index];
            lane.batch.push(line);
            lane.touched();
            if lane.batch.bytes() >= lane.filling.bytes_max {
                self.seal(index);
            }
        }
    }

    fn reached(&mut self, source: u32, place: u64) {
        for lane in &mut self.lanes {
            lane.batch.reach(source, place);
            lane.touched();
        }
    }

    fn tick(&mut self, now: Instant) -> Option<Instant> {
        let mut next: Option<Instant> = None;
        for index in 0..self.lanes.len() {
            let lane = &mut self.lanes[index];
            lane.queue_up();
            let Some(due) = lane.since.map(|since| since + lane.filling.wait) else { continue };
            if due > now {
                next = Some(next.map_or(due, |next| next.min(due)));
            } else if lane.waiting.is_empty() {
                self.seal(index);
            }
        }
        next
    }
}

impl Room {
    fn taken(&self) -> u64 {
        *self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn free(&self) {
        *self.taken.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.changed.notify_all();
    }

    /// Waits until something was taken since `before`, or for so long.
    fn wait(&self, before: u64, long: Duration) {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        // whoever waited for nothing asks again
        let _ = self.changed.wait_timeout_while(taken, long, |taken| *taken == before);
    }
}

impl Exit {
    /// The next batch; none when there will be no more.
    pub(in crate::agent::push) async fn next(&mut self) -> Option<Sealed> {
        let sealed = self.batches.recv().await;
        self.room.free();
        sealed
    }

    /// The server answered for a batch of so many bytes, or will never take it.
    pub(in crate::agent::push) fn answered(&self, reached: &[(u32, u64)], bytes: u64) {
        self.told.take(bytes);
        self.answers.answered(self.lane, reached);
    }

    /// How much waits for the server.
    pub(crate) fn waiting(&self) -> Arc<Waiting> {
        Arc::clone(&self.told)
    }
}

impl Answers {
    fn answered(&self, lane: usize, reached: &[(u32, u64)]) {
        if self.lane_count == 1 {
            reached.iter().for_each(|(source, place)| self.ledger.answered(*source, *place));
            return;
        }
        for (source, place) in reached {
            let least = {
                let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
                let of_source = places.entry(*source).or_insert_with(|| vec![0; self.lane_count]);
                of_source[lane] = *place;
                let least = of_source.iter().copied().min().unwrap_or(0);
                if of_source.iter().all(|place| *place == least) {
                    places.remove(source);
                }
                least
            };
            if least > 0 {
                self.ledger.answered(*source, least);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::agent::push::fanout::*;
    use crate::model::Timestamp;

    #[derive(Default)]
    struct Memory {
        told: Mutex<Vec<String>>,
    }

    impl Ledger for Memory {
        fn begun(&self, stretches: &[Stretch]) {
            self.told.lock().unwrap().extend(stretches.iter().map(|one| format!("begun {}..{}", one.start, one.end)));
        }

        fn answered(&self, source: u32, place: u64) {
            self.told.lock().unwrap().push(format!("answered {source} {place}"));
        }
    }

    impl Memory {
        fn told(&self) -> Vec<String> {
            std::mem::take(&mut self.told.lock().unwrap())
        }
    }

    fn stretch(start: u64, end: u64) -> Stretch {
        Stretch { source: 1, start, end, first: Timestamp::from_secs(1) }
    }

    fn say(fanout: &mut Fanout, text: &str) {
        let labels = Labels::default();
        let line =
            Outgoing { labels: &labels, timestamp: Timestamp::from_secs(1), line: text, structured: &[], tenant: None };
        fanout.send(line);
    }

    fn filling(bytes_max: usize) -> Filling {
        Filling { bytes_max, wait: Duration::from_secs(1), external: Labels::default(), streams_max: 0 }
    }

    #[test]
    fn a_stretch_is_remembered_before_it_leaves_and_answered_for_by_all_servers() {
        let memory = Arc::new(Memory::default());
        let fillings = vec![filling(1), filling(1000)];
        let (mut fanout, mut exits) = Fanout::new(fillings, Arc::<Memory>::clone(&memory));
        fanout.begin(stretch(0, 10));
        assert_eq!(memory.told(), [""; 0]);
        say(&mut fanout, "one");
        assert_eq!(memory.told(), ["begun 0..10"]);
        fanout.reached(1, 10);
        let first = exits[0].batches.try_recv().unwrap();
        assert_eq!((first.requests.len(), first.reached.len()), (1, 0), "what it reached comes with what follows");
        assert!(exits[1].batches.try_recv().is_err());
        let late = Instant::now() + Duration::from_secs(2);
        assert_eq!(fanout.tick(late), None);
        let (noted, second) = (exits[0].batches.try_recv().unwrap(), exits[1].batches.try_recv().unwrap());
        assert!(noted.requests.is_empty());
        exits[0].answered(&noted.reached, noted.bytes());
        assert_eq!(memory.told(), [""; 0]);
        exits[1].answered(&second.reached, second.bytes());
        assert_eq!(memory.told(), ["answered 1 10"]);
        let answers = &exits[0].answers;
        assert!(answers.places.lock().unwrap().is_empty(), "where all are at one place nothing is to be remembered");
        answers.answered(0, &[(1, 30)]);
        answers.answered(1, &[(1, 20)]);
        answers.answered(1, &[(1, 30)]);
        assert_eq!(memory.told(), ["answered 1 20", "answered 1 30"]);
    }

    #[test]
    fn reading_pauses_while_a_server_is_behind() {
        let (mut fanout, mut exits) = Fanout::new(vec![filling(1)], Arc::new(Memory::default()));
        let mut said = 0;
        while fanout.ready(Duration::ZERO) {
            said += 1;
            say(&mut fanout, &said.to_string());
        }
        assert_eq!(said, QUEUED_MAX + 1);
        assert!(!fanout.ready(Duration::from_millis(5)));
        let mut exit = exits.remove(0);
        let taker = std::thread::spawn(move || {
            let _ = exit.batches.blocking_recv();
            exit.room.free();
            exit
        });
        assert!(fanout.ready(Duration::from_secs(60)), "as soon as there is room");
        let mut exit = taker.join().unwrap();
        let rest = std::thread::spawn(move || std::iter::from_fn(|| exit.batches.blocking_recv()).count());
        say(&mut fanout, "last");
        fanout.finish();
        assert_eq!(rest.join().unwrap(), said);
    }
}
