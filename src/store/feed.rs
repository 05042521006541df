//! Entries on their way to whoever follows new ones: each follower has a bounded queue of what was just stored.
//!
//! Promises: an entry is offered under the lock of the buffer that it is added to, so that a snapshot which is taken
//! after following began and the queue have every entry between them, and those that both have are in the queue by
//! then. An append never waits for a follower: what does not fit is counted. Never: stages, files.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Instant;

use crate::model::{Entry, Labels, Matcher, Timestamp};
use crate::store::head::{identity, print_of};
use crate::store::select::Row;

/// Dropped entries that a follower is told one by one; of the others it learns the number.
const DROPPED_LISTED_MAX: usize = 100;

/// Bytes that wait in the queues of all followers together: each may be slow, but not all of them at once.
const WAITING_BYTES_MAX: usize = 64 << 20;

/// How much a follower's queue holds. One entry always fits.
#[derive(Clone, Copy, Debug)]
pub struct FeedBounds {
    pub lines_max: usize,
    /// Of lines and their metadata.
    pub bytes_max: usize,
}

/// An entry that was just stored.
#[derive(Clone, Debug)]
pub struct Fresh {
    pub stream: Labels,
    pub timestamp: Timestamp,
    /// Shared between all followers that have it in their queues.
    pub line: Arc<str>,
    pub metadata: Labels,
    pub stored_at: Instant,
}

/// What did not fit a queue.
#[derive(Clone, Debug, Default)]
pub struct Dropped {
    pub count: u64,
    /// The first of them.
    pub listed: Vec<(Labels, Timestamp)>,
}

/// What tells an entry from all others that are stored: equal ones are stored once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EntryKey {
    stream: u64,
    entry: u64,
}

impl EntryKey {
    fn new(stream: &Labels, timestamp: Timestamp, line: &str, metadata: &Labels) -> EntryKey {
        let entry = identity(timestamp.nanos(), line.as_bytes(), print_of(metadata));
        EntryKey { stream: stream.fingerprint(), entry }
    }
}

impl Fresh {
    pub fn key(&self) -> EntryKey {
        EntryKey::new(&self.stream, self.timestamp, &self.line, &self.metadata)
    }

    fn memory_bytes(&self) -> usize {
        let metadata = self.metadata.iter().map(|(name, value)| name.len() + value.len());
        size_of::<Fresh>() + self.line.len() + metadata.sum::<usize>()
    }
}

impl Row<'_> {
    /// Only where the whole row was read.
    pub fn key(&self) -> EntryKey {
        EntryKey::new(self.stream, self.timestamp, self.line, self.metadata)
    }
}

/// Where appends leave what they stored, for whoever follows.
#[derive(Debug, Default)]
pub(crate) struct Feed {
    /// How many follow: all that an append looks at where nobody does.
    follower_count: AtomicUsize,
    inboxes: RwLock<Vec<Arc<Inbox>>>,
    counts: Arc<Counts>,
}

/// Of all followers together.
#[derive(Debug, Default)]
struct Counts {
    /// What waits in their queues, and what was taken out of them and is still worked on.
    waiting_bytes: AtomicUsize,
    /// Entries that did not fit, ever.
    dropped: AtomicU64,
}

/// One follower's queue.
struct Inbox {
    matchers: Vec<Matcher>,
    bounds: FeedBounds,
    /// Called when there is something new. Must not block.
    wake: Box<dyn Fn() + Send + Sync>,
    queue: Mutex<Queue>,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Queue {
    entries: VecDeque<Fresh>,
    bytes: usize,
    /// Of entries that were taken out and are still worked on.
    taken_bytes: usize,
    dropped: Dropped,
}

impl Feed {
    pub(crate) fn follow(
        self: &Arc<Feed>,
        matchers: Vec<Matcher>,
        bounds: FeedBounds,
        wake: Box<dyn Fn() + Send + Sync>,
    ) -> Follower {
        let counts = self.counts.clone();
        let inbox = Arc::new(Inbox { matchers, bounds, wake, queue: Mutex::default(), counts });
        let mut inboxes = self.inboxes.write().expect("no thread panics while it holds this lock");
        inboxes.push(inbox.clone());
        self.follower_count.store(inboxes.len(), Ordering::Release);
        Follower { feed: self.clone(), inbox }
    }

    /// Entries that did not fit the queues of those who followed them, since the start.
    pub(crate) fn dropped_count(&self) -> u64 {
        self.counts.dropped.load(Ordering::Relaxed)
    }

    /// What an append needs to offer the entries of a stream. Call it with the lock of the stream's buffer held, and
    /// keep the lock until all of them are offered: a snapshot either sees an entry or is taken before this.
    pub(crate) fn offer(&self, stream: &Labels) -> Offer {
        let mut inboxes = Vec::new();
        if self.follower_count.load(Ordering::Acquire) > 0 {
            let all = self.inboxes.read().expect("no thread panics while it holds this lock");
            let wants = |inbox: &&Arc<Inbox>| inbox.matchers.iter().all(|matcher| matcher.matches(stream));
            inboxes.extend(all.iter().filter(wants).cloned());
        }
        let stored_at = (!inboxes.is_empty()).then(Instant::now);
        Offer { inboxes, stored_at }
    }
}

/// The followers of one stream. They are woken when this is dropped.
#[derive(Debug)]
pub(crate) struct Offer {
    inboxes: Vec<Arc<Inbox>>,
    /// None where there is nobody.
    stored_at: Option<Instant>,
}

impl Offer {
    /// Offers an entry that was just added.
    pub(crate) fn entry(&self, stream: &Labels, entry: &Entry<'_>) {
        let Some(stored_at) = self.stored_at else {
            return;
        };
        let fresh = Fresh {
            stream: stream.clone(),
            timestamp: entry.timestamp,
            line: Arc::from(&*entry.line),
            metadata: entry.metadata.clone(),
            stored_at,
        };
        self.inboxes.iter().for_each(|inbox| inbox.put(&fresh));
    }
}

impl Drop for Offer {
    fn drop(&mut self) {
        self.inboxes.iter().for_each(|inbox| (inbox.wake)());
    }
}

impl Inbox {
    fn put(&self, fresh: &Fresh) {
        let bytes = fresh.memory_bytes();
        let mut queue = self.lock();
        let fits = queue.entries.len() < self.bounds.lines_max
            && queue.bytes + bytes <= self.bounds.bytes_max
            && self.counts.waiting_bytes.load(Ordering::Relaxed) + bytes <= WAITING_BYTES_MAX;
        if fits || queue.entries.is_empty() {
            queue.bytes += bytes;
            self.counts.waiting_bytes.fetch_add(bytes, Ordering::Relaxed);
            queue.entries.push_back(fresh.clone());
            return;
        }
        queue.dropped.count += 1;
        self.counts.dropped.fetch_add(1, Ordering::Relaxed);
        if queue.dropped.listed.len() < DROPPED_LISTED_MAX {
            queue.dropped.listed.push((fresh.stream.clone(), fresh.timestamp));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().expect("no thread panics while it holds this lock")
    }
}

impl fmt::Debug for Inbox {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Inbox").field("matchers", &self.matchers).finish_non_exhaustive()
    }
}

/// Has what is stored from now on, until it is dropped.
#[derive(Debug)]
pub struct Follower {
    feed: Arc<Feed>,
    inbox: Arc<Inbox>,
}

impl Follower {
    /// The keys of all that waits. Asked after a snapshot was taken, it has everything that is in both.
    pub fn waiting(&self) -> HashSet<EntryKey> {
        self.inbox.lock().entries.iter().map(Fresh::key).collect()
    }

    /// When the first entry that waits was stored.
    pub fn first_stored_at(&self) -> Option<Instant> {
        self.inbox.lock().entries.front().map(|fresh| fresh.stored_at)
    }

    /// Takes what was stored until then, and what has come since and is not later by its own time; and what was dropped
    /// since the last call. In the order in which it was stored.
    pub fn take(&self, stored_until: Instant) -> (Vec<Fresh>, Dropped) {
        let mut queue = self.inbox.lock();
        let due = queue.entries.iter().take_while(|fresh| fresh.stored_at <= stored_until);
        let latest = due.map(|fresh| fresh.timestamp).max();
        let mut taken = Vec::new();
        if let Some(latest) = latest {
            for fresh in std::mem::take(&mut queue.entries) {
                if fresh.stored_at <= stored_until || fresh.timestamp <= latest {
                    queue.bytes -= fresh.memory_bytes();
                    queue.taken_bytes += fresh.memory_bytes();
                    taken.push(fresh);
                } else {
                    queue.entries.push_back(fresh);
                }
            }
        }
        (taken, std::mem::take(&mut queue.dropped))
    }

    /// Says that all that was taken is worked off, and takes no memory any more.
    pub fn release(&self) {
        let mut queue = self.inbox.lock();
        let bytes = std::mem::take(&mut queue.taken_bytes);
        self.inbox.counts.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let mut inboxes = self.feed.inboxes.write().expect("no thread panics while it holds this lock");
        inboxes.retain(|inbox| !Arc::ptr_eq(inbox, &self.inbox));
        self.feed.follower_count.store(inboxes.len(), Ordering::Release);
    }
}

impl Drop for Inbox {
    /// An append may have held it longer than its follower.
    fn drop(&mut self) {
        let queue = self.queue.get_mut().unwrap_or_else(PoisonError::into_inner);
        self.counts.waiting_bytes.fetch_sub(queue.bytes + queue.taken_bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::{Duration, Instant};

    use crate::model::{Entry, Labels, Matcher, Timestamp};
    use crate::store::feed::{DROPPED_LISTED_MAX, Feed, FeedBounds, Follower, WAITING_BYTES_MAX};

    const WIDE: FeedBounds = FeedBounds { lines_max: 1000, bytes_max: 1 << 20 };

    fn offer(feed: &Feed, app: &str, time: i64, line: &str) {
        let stream = Labels::from([("app", app)]);
        let timestamp = Timestamp::from_nanos(time);
        feed.offer(&stream)
            .entry(&stream, &Entry { timestamp, line: line.to_owned().into(), metadata: Labels::default() });
    }

    fn follow(feed: &Arc<Feed>, bounds: FeedBounds) -> Follower {
        feed.follow(vec![Matcher::equal("app", "a")], bounds, Box::new(|| {}))
    }

    fn lines(follower: &Follower) -> (Vec<String>, u64) {
        let (taken, dropped) = follower.take(Instant::now());
        (taken.iter().map(|fresh| fresh.line.to_string()).collect(), dropped.count)
    }

    #[test]
    fn a_follower_gets_what_its_matchers_select_from_then_on() {
        let feed = Arc::new(Feed::default());
        offer(&feed, "a", 1, "before");
        let woken = Arc::new(AtomicUsize::new(0));
        let count = woken.clone();
        let wake = Box::new(move || {
            count.fetch_add(1, Ordering::Relaxed);
        });
        let follower = feed.follow(vec![Matcher::equal("app", "a")], WIDE, wake);
        offer(&feed, "a", 2, "one");
        offer(&feed, "b", 3, "of another stream");
        offer(&feed, "a", 1, "late");
        assert_eq!(follower.waiting().len(), 2);
        assert_eq!(lines(&follower), (vec!["one".to_owned(), "late".to_owned()], 0));
        assert_eq!(woken.load(Ordering::Relaxed), 2);
        drop(follower);
        assert_eq!(feed.follower_count.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn what_does_not_fit_is_counted_and_the_first_of_it_named() {
        let feed = Arc::new(Feed::default());
        let by_lines = follow(&feed, FeedBounds { lines_max: 2, ..WIDE });
        let by_bytes = follow(&feed, FeedBounds { bytes_max: 10, ..WIDE });
        let together = Arc::new(Feed::default());
        let by_all = follow(&together, WIDE);
        together.counts.waiting_bytes.store(WAITING_BYTES_MAX, Ordering::Relaxed);
        for time in 0..200 {
            offer(&feed, "a", time, "a long line");
            offer(&together, "a", time, "a long line");
        }
        let (taken, dropped) = by_lines.take(Instant::now());
        assert_eq!((taken.len(), dropped.count, dropped.listed.len()), (2, 198, DROPPED_LISTED_MAX));
        assert_eq!(dropped.listed[0], (Labels::from([("app", "a")]), Timestamp::from_nanos(2)));
        assert_eq!(lines(&by_bytes), (vec!["a long line".to_owned()], 199), "one line always fits");
        assert_eq!(lines(&by_bytes), (Vec::new(), 0), "what was dropped is told once");
        assert_eq!(lines(&by_all), (vec!["a long line".to_owned()], 199), "others have taken all there is");
        assert_eq!(feed.dropped_count(), 198 + 199);
        assert!(feed.counts.waiting_bytes.load(Ordering::Relaxed) > 0, "what was taken counts until it is worked off");
        by_lines.release();
        by_bytes.release();
        assert_eq!(feed.counts.waiting_bytes.load(Ordering::Relaxed), 0);
        drop((by_lines, by_bytes, by_all));
        assert_eq!(feed.counts.waiting_bytes.load(Ordering::Relaxed), 0);
        assert_eq!(together.counts.waiting_bytes.load(Ordering::Relaxed), WAITING_BYTES_MAX);
    }

    #[test]
    fn entries_are_taken_when_they_have_waited_and_earlier_ones_with_them() {
        let feed = Arc::new(Feed::default());
        let follower = follow(&feed, WIDE);
        for time in [5, 7, 3, 6] {
            offer(&feed, "a", time, &time.to_string());
        }
        let first = follower.first_stored_at().expect("something waits");
        assert_eq!(follower.take(first - Duration::from_secs(1)).0.len(), 0);
        let due: Vec<String> = follower.take(first).0.iter().map(|fresh| fresh.line.to_string()).collect();
        assert_eq!(due, ["5", "3"]);
        assert_eq!(lines(&follower).0, ["7", "6"]);
        assert_eq!((follower.first_stored_at(), follower.inbox.lock().bytes), (None, 0));
    }
}
