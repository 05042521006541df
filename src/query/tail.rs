//! Following a log query: the newest lines that are there, then each new one as it is stored.
//!
//! Promises: a line comes once, from the backlog or live, whatever its time and whoever pushes meanwhile; the queue
//! between pushes and a tail is bounded, and what did not fit is told. The stages run on the thread of whoever calls
//! [`Tail::take`], never on that of a push.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::logql::ast::LogExpr;
use crate::logql::stage::{Pipeline, Scratch};
use crate::model::{TimeRange, Timestamp};
use crate::query::logs;
use crate::query::outbox::Parcel;
use crate::query::plan::Plan;
use crate::query::{Engine, Error, LogLine, Stats, Ticket, limits};
use crate::store::{Dropped, FeedBounds, Follower, Fresh};

/// What waits between pushes and one tail: a large push, or some seconds of a busy server.
const QUEUE: FeedBounds = FeedBounds { lines_max: 40_000, bytes_max: 8 << 20 };
/// Bytes of lines after all stages that end a portion.
const PORTION_MADE_BYTES_MAX: usize = 1 << 20;
/// A portion whose stages are slow ends here, so that its client hears of it.
const PORTION_TIME_MAX: Duration = Duration::from_millis(200);
/// Bytes of the lines of a backlog; older ones are left out.
const BACKLOG_BYTES_MAX: usize = 8 << 20;
/// Tails of all callers together: each holds a connection, and up to [`QUEUE`] where its client is slow.
const TAILS_MAX: usize = 100;

/// What is followed.
#[derive(Clone, Debug)]
pub struct TailQuery {
    pub log: LogExpr,
    /// Where the backlog begins. New lines come whatever their time.
    pub start: Timestamp,
    /// Lines of the backlog at most, the newest.
    pub limit: usize,
    /// How long a line is held back, so that those of slower senders come before it.
    pub delay: Duration,
}

/// What was there when a tail began.
#[derive(Debug)]
pub struct Backlog {
    /// The newest, oldest first.
    pub lines: Vec<LogLine>,
    /// Whether there may be older ones that had no room.
    pub is_cut: bool,
    /// Holds room for the lines: keep it until they are on their way.
    pub parcel: Parcel,
}

/// What a tail has to tell at a moment.
#[derive(Debug, Default)]
pub struct TailNews {
    /// By time.
    pub lines: Vec<LogLine>,
    pub dropped: Dropped,
}

impl TailNews {
    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.dropped.count == 0
    }
}

/// A log query that is followed. It ends when this is dropped.
#[derive(Debug)]
pub struct Tail {
    query: TailQuery,
    pipeline: Pipeline,
    scratch: Scratch,
    follower: Arc<Follower>,
    arrived: Arc<Notify>,
    /// Taken from the queue, and not looked at yet.
    pending: VecDeque<Fresh>,
    place: Place,
}

impl Engine {
    /// Begins to follow a query for `user`.
    ///
    /// What follows from it, in this order: [`Engine::backlog`], and then [`Tail::ready`] and [`Tail::take`] for as long
    /// as somebody wants to know.
    pub fn tail(&self, query: TailQuery, user: &str) -> Result<Tail, Error> {
        self.check_limit(query.limit)?;
        let pipeline = Pipeline::new(&query.log.stages);
        let pipeline = pipeline.map_err(|error| Error::Invalid(format!("parse error : {error}")))?;
        let place = self.tails.enter(user, self.limits.tails_of_user_max)?;
        let arrived = Arc::new(Notify::new());
        let waker = arrived.clone();
        let follower = self.store.follow(query.log.selector.clone(), QUEUE, move || waker.notify_one());
        let follower = Arc::new(follower);
        Ok(Tail { query, pipeline, scratch: Scratch::default(), follower, arrived, pending: VecDeque::new(), place })
    }

    /// The newest lines that were there when the tail began, and none that [`Tail::take`] will give. Ask before the
    /// first `take`. Blocks.
    pub fn backlog(&self, tail: &Tail, ticket: &Ticket) -> Result<Backlog, Error> {
        let _turn = self.turn(ticket)?;
        let range = TimeRange::new(tail.query.start, Timestamp::MAX);
        let mut plan = Plan::for_logs(&self.store, &tail.query.log, range)?;
        // asked after the plan took its snapshot: an entry that is in both is waiting by now
        let waiting = tail.follower.waiting();
        let wanted = logs::Newest { limit: tail.query.limit, bytes_max: BACKLOG_BYTES_MAX, but: &waiting };
        let mut stats = Stats::default();
        let (memory, _reading) = limits::memory(&self.limits);
        let (lines, _share) = logs::newest(&mut plan, &wanted, &memory, ticket, &mut stats)?;
        self.add_to_totals(&stats);
        let bytes = lines.iter().map(LogLine::memory_bytes).sum();
        // what is left out for its size has matched as well; at the limit the rest may not have been looked at
        let is_cut = lines.len() >= tail.query.limit || stats.lines_matched > lines.len() as u64;
        Ok(Backlog { lines, is_cut, parcel: self.outbox.put(bytes, ticket)? })
    }

    /// How many queries are followed, and what became of their lines.
    pub fn tail_totals(&self) -> TailTotals {
        let counts = self.tails.0.lock().unwrap_or_else(PoisonError::into_inner);
        let open = counts.of_users.values().sum();
        let lines = counts.lines.load(Ordering::Relaxed);
        TailTotals { open, lines, dropped: self.store.follow_dropped_count() }
    }
}

impl Tail {
    /// Waits until there is something to take. May be given up at any time.
    pub fn ready(&self) -> impl Future<Output = ()> + Send + use<> {
        let (arrived, follower, delay) = (self.arrived.clone(), self.follower.clone(), self.query.delay);
        let is_pending = !self.pending.is_empty();
        async move {
            if is_pending {
                return;
            }
            loop {
                match follower.first_stored_at() {
                    Some(stored_at) => return tokio::time::sleep_until((stored_at + delay).into()).await,
                    None => arrived.notified().await,
                }
            }
        }
    }

    /// Whether all that [`Tail::take`] took out of the queue was given: a portion may be less.
    pub fn is_drained(&self) -> bool {
        self.pending.is_empty()
    }

    /// Takes a portion of what has arrived. What no stage drops is answered, which may be nothing. Blocks for as long as
    /// the stages take.
    pub fn take(&mut self) -> TailNews {
        let mut news = TailNews::default();
        let begin = Instant::now();
        if self.pending.is_empty() {
            let until = begin.checked_sub(self.query.delay).unwrap_or(begin);
            let (mut fresh, dropped) = self.follower.take(until);
            fresh.sort_by_key(|fresh| fresh.timestamp);
            self.pending = fresh.into();
            news.dropped = dropped;
        }
        let mut bytes = 0;
        while let Some(fresh) = self.pending.pop_front() {
            let (stream, metadata) = (&fresh.stream, &fresh.metadata);
            let processed = self.pipeline.process(fresh.timestamp, &fresh.line, stream, metadata, &mut self.scratch);
            if let Some(processed) = processed {
                let line = LogLine::new(fresh.timestamp, &fresh.line, &processed);
                bytes += line.memory_bytes();
                news.lines.push(line);
            }
            if bytes > PORTION_MADE_BYTES_MAX || begin.elapsed() > PORTION_TIME_MAX {
                break;
            }
        }
        if self.pending.is_empty() {
            self.follower.release();
        }
        self.place.lines.fetch_add(news.lines.len() as u64, Ordering::Relaxed);
        news
    }
}

/// Who follows how much.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TailTotals {
    pub open: usize,
    /// New lines that tails gave.
    pub lines: u64,
    /// New lines that did not fit a tail's queue.
    pub dropped: u64,
}

/// The tails that are open.
#[derive(Debug, Default)]
pub(crate) struct Tails(Arc<Mutex<Counts>>);

#[derive(Debug, Default)]
struct Counts {
    of_users: HashMap<String, usize>,
    /// New lines that all of them gave.
    lines: Arc<AtomicU64>,
}

/// One of the tails that may be open; it is given back when this is dropped.
#[derive(Debug)]
struct Place {
    counts: Arc<Mutex<Counts>>,
    user: String,
    lines: Arc<AtomicU64>,
}

impl Tails {
    fn enter(&self, user: &str, of_user_max: usize) -> Result<Place, Error> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.of_users.values().sum::<usize>() >= TAILS_MAX {
            let message = format!("all {TAILS_MAX} tails that this server follows at once are taken; try again later");
            return Err(Error::TailLimit(message));
        }
        let own = counts.of_users.entry(user.to_owned()).or_default();
        if *own >= of_user_max {
            let text = "max concurrent tail requests limit exceeded, count > limit";
            return Err(Error::TailLimit(format!("{text} ({} > {of_user_max})", *own + 1)));
        }
        *own += 1;
        Ok(Place { counts: self.0.clone(), user: user.to_owned(), lines: counts.lines.clone() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = counts.of_users.get_mut(&self.user) {
            *own -= 1;
            if *own == 0 {
                counts.of_users.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::logql::ast::Expr;
    use crate::logql::parse;
    use crate::model::Timestamp;
    use crate::query::tail::{BACKLOG_BYTES_MAX, Backlog, TAILS_MAX, TailQuery};
    use crate::query::testing::{TestStore, ticket};
    use crate::query::{Engine, Error, Limits, LogLine, Tail};

    const APP: [(&str, &str); 1] = [("app", "a")];

    fn engine(store: &TestStore) -> Engine {
        Engine::new(store.store.clone(), Limits::default())
    }

    fn query(text: &str, limit: usize) -> TailQuery {
        let Ok(Expr::Log(log)) = parse(text) else { panic!("a log query") };
        TailQuery { log, start: Timestamp::from_secs(10), limit, delay: Duration::ZERO }
    }

    fn texts(lines: &[LogLine]) -> Vec<&str> {
        lines.iter().map(|line| line.line.as_str()).collect()
    }

    fn backlog(engine: &Engine, tail: &Tail) -> Vec<LogLine> {
        engine.backlog(tail, &ticket()).expect("a backlog").lines
    }

    #[test]
    fn backlog_and_live_lines_have_every_line_once() {
        let store = TestStore::new();
        let engine = engine(&store);
        store.push(&APP, &[(9, "too old"), (11, "one"), (12, "two"), (12, "two b")]);
        let mut tail = engine.tail(query(r#"{app="a"}"#, 10), "").expect("a tail");
        // between the beginning and the snapshot, late and at a time that is there; one of them is stored already
        store.push(&APP, &[(12, "two c"), (12, "two"), (3, "late")]);
        assert_eq!(texts(&backlog(&engine, &tail)), ["one", "two", "two b"]);
        store.push(&APP, &[(13, "three")]);
        assert_eq!(texts(&tail.take().lines), ["late", "two c", "three"]);
        assert!(tail.take().is_empty());
    }

    #[test]
    fn a_backlog_is_the_newest_lines_that_pass_the_stages() {
        let store = TestStore::new();
        let engine = engine(&store);
        let lines: Vec<(i64, String)> = (0..100).map(|n| (20 + n, format!("n={n}"))).collect();
        store.push(&APP, &lines.iter().map(|(at, line)| (*at, line.as_str())).collect::<Vec<_>>());
        let tail = engine.tail(query(r#"{app="a"} |= "9" | logfmt | n > 50"#, 3), "").expect("a tail");
        let is_cut = |tail: &Tail| engine.backlog(tail, &ticket()).expect("a backlog").is_cut;
        assert_eq!(texts(&backlog(&engine, &tail)), ["n=97", "n=98", "n=99"]);
        assert!(is_cut(&tail));
        let roomy = engine.tail(query(r#"{app="a"} |= "9" | logfmt | n > 50"#, 100), "").expect("a tail");
        assert!(!is_cut(&roomy));
    }

    #[test]
    fn a_backlog_of_long_lines_has_fewer_of_them() {
        let store = TestStore::new();
        let engine = engine(&store);
        let long = "x".repeat(200 << 10);
        for stream in 0..3 {
            let lines: Vec<(i64, String)> = (0..40).map(|n| (20 + n, format!("{stream} {n} {long}"))).collect();
            let lines: Vec<(i64, &str)> = lines.iter().map(|(at, line)| (*at, line.as_str())).collect();
            store.push(&[("app", "a"), ("n", &stream.to_string())], &lines);
        }
        let tail = engine.tail(query(r#"{app="a"}"#, 1000), "").expect("a tail");
        let Backlog { lines, is_cut, .. } = engine.backlog(&tail, &ticket()).expect("a backlog");
        assert!(is_cut && lines.len() < 120, "it says that it has not all");
        let bytes: usize = lines.iter().map(|line| line.line.len()).sum();
        assert!(bytes <= BACKLOG_BYTES_MAX && bytes > BACKLOG_BYTES_MAX / 2, "{bytes}");
        let first = lines[0].timestamp;
        let newer = lines.iter().filter(|line| line.timestamp > first).count();
        let wanted = 3 * (Timestamp::from_secs(59).nanos() - first.nanos()) / 1_000_000_000;
        assert_eq!(newer as i64, wanted, "nothing is missing between the first and the last");
    }

    #[test]
    fn a_stage_that_cannot_run_is_told_at_once() {
        let store = TestStore::new();
        let refused = engine(&store).tail(query(r#"{app="a"} | line_format "{{""#, 1), "").expect_err("refused");
        assert!(matches!(refused, Error::Invalid(_)), "{refused}");
    }

    #[test]
    fn tails_have_a_bound_for_each_caller_and_for_all() {
        let store = TestStore::new();
        let engine = engine(&store);
        let begin = |user: &str| engine.tail(query(r#"{app="a"}"#, 1), user);
        let of_one: Vec<Tail> = (0..10).map(|_| begin("a").expect("below the bound")).collect();
        let refused = begin("a").expect_err("one too many").to_string();
        assert_eq!(refused, "max concurrent tail requests limit exceeded, count > limit (11 > 10)");
        let of_others: Vec<Tail> = (10..TAILS_MAX).map(|n| begin(&n.to_string()).expect("below the bound")).collect();
        assert!(begin("z").expect_err("one too many").to_string().contains("all 100 tails"));
        assert_eq!(engine.tail_totals().open, TAILS_MAX);
        drop((of_one, of_others));
        assert_eq!(engine.tail_totals().open, 0);
    }
}
