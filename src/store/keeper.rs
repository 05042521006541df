//! Keeps the store: takes appends in, and in one thread seals, commits, shortens the write-ahead log, drops old days.
//!
//! Promises: an append returns after its record is synced and its entries are visible; a segment of the write-ahead
//! log goes only when all its entries are in committed blocks.

mod aside;
mod due;
mod mend;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub(crate) use aside::put as put_aside;

use crate::model::{Batch, Labels, Matcher, TimeRange, Timestamp};
use crate::store::candidates::Candidates;
use crate::store::error::{Error, damaged, io_error};
use crate::store::fault;
use crate::store::feed::{FeedBounds, Follower};
use crate::store::head::Slot;
use crate::store::keeper::aside::AsideDay;
use crate::store::keeper::due::Due;
use crate::store::layout::{Day, Layout, wal_segment};
use crate::store::remove::{Judge, Pruner, Removed, Unread};
use crate::store::segment::{Gap, GapKind};
use crate::store::select::{Chunk, Prepared, Selection, Snapshot};
use crate::store::shelf::{DayState, FILLING_AGE_MAX, Origin, Shelf, StreamKey};
use crate::store::wal::{SEGMENT_BYTES_MAX, Wal};
use crate::store::{Appended, Config, Replay, Usage, day_folders, lost, retention, segment};

/// Text of uncommitted blocks at which they are committed: what a crash costs is decoding this much again.
const FRESH_BYTES_MAX: u64 = 64 << 20;
/// How long a block stays uncommitted.
const FRESH_AGE_MAX: Duration = Duration::from_secs(30);
/// Bytes of the write-ahead log at which the streams that hold its oldest segment are sealed.
const WAL_BYTES_MAX: u64 = 128 << 20;
/// Bytes of the write-ahead log at which its open segment is closed now and then, so that it goes once it is not needed.
const OPEN_WAL_BYTES_MAX: u64 = 4 << 20;
/// What may be left in the write-ahead log by a clean stop, or by a rest. The log is several times as large as its blocks, so
/// more than this is worth sealing; less is not: many restarts in a row, or a line now and then, would each make a block.
const IDLE_WAL_BYTES_MAX: u64 = 64 << 10;
/// How often the thread looks for old buffers, and what retention has to do.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const RETENTION_EVERY: Duration = Duration::from_secs(10);
/// How long after a failure a day that was put aside is tried again.
const ASIDE_RETRY_AFTER: Duration = Duration::from_secs(5);
/// New days that one batch may bring: a year of backfill at once, and not a day for each of its lines.
const NEW_DAYS_MAX: usize = 400;
/// Days that are kept at the same time, each with three open files and an index: 27 years.
const DAYS_MAX: usize = 10_000;
/// How long an append waits for memory before it is refused.
const APPEND_WAIT_MAX: Duration = Duration::from_secs(5);
/// Blocks that lose entries in one commit of a removal.
const REPLACED_TOGETHER: usize = 32;
/// How long a removal waits for an append that is under way before it looks again.
const SETTLE_PAUSE: Duration = Duration::from_millis(20);
/// Sequences of unsealed chunks come after those of all blocks.
const UNSEALED_SEQUENCE: u64 = 1 << 62;

/// The open store.
#[derive(Debug)]
pub(crate) struct Keeper {
    config: Config,
    layout: Layout,
    wal: Wal,
    shelf: Shelf,
    stopping: AtomicBool,
    /// Counts appends, so that a rest shows.
    append_count: AtomicU64,
    /// The write-ahead log is being read: nothing of it may go.
    replaying: AtomicBool,
    /// The first segment with entries that could not be taken over at the start: it stays for a better day.
    first_unplaced: AtomicU64,
    /// Free space is short, and there is nothing left to drop: what the refusal says.
    disk_full: Mutex<Option<(u64, u64)>>,
    /// Held by whoever moves entries from one place to the next.
    moving: Mutex<()>,
    /// One removal at a time.
    removing: Mutex<Pruner>,
    unread: Unread,
    /// Days that could not be opened, and are taken back in.
    aside: Mutex<Vec<AsideDay>>,
    /// The same, for readers.
    aside_now: Mutex<Vec<(Day, PathBuf)>>,
    /// Wakes the thread.
    work: Condvar,
    /// Wakes appends that wait for memory.
    space: Condvar,
    /// What both conditions wait with.
    turn: Mutex<()>,
}

impl Keeper {
    /// Opens days and write-ahead log.
    pub(crate) fn open(config: Config, layout: Layout) -> Result<Keeper, Error> {
        retention::finish_drops(&layout)?;
        let shelf = Shelf::new(layout.clone(), config.wordless_bytes);
        for day in day_folders(&layout)? {
            match shelf.open_day(day) {
                Err(error) if error.is_damage() => aside::put(&layout, day, &error)?,
                opened => opened?,
            }
        }
        let aside = aside::find(&layout)?;
        shelf.name_streams();
        let wal = Wal::open(&layout.wal(), SEGMENT_BYTES_MAX)?;
        Ok(Keeper {
            config,
            layout,
            wal,
            shelf,
            stopping: AtomicBool::new(false),
            append_count: AtomicU64::new(0),
            replaying: AtomicBool::new(false),
            first_unplaced: AtomicU64::new(u64::MAX),
            disk_full: Mutex::default(),
            moving: Mutex::default(),
            removing: Mutex::new(Pruner::new()),
            unread: Unread::default(),
            aside_now: Mutex::new(aside.iter().map(AsideDay::key).collect()),
            aside: Mutex::new(aside),
            work: Condvar::new(),
            space: Condvar::new(),
            turn: Mutex::default(),
        })
    }

    /// Takes the entries of the write-ahead log into memory again. Those that are in blocks are recognised as
    /// duplicates, so that replaying twice changes nothing.
    pub(crate) fn replay(&self, decode: &Replay<'_>) -> Result<(), Error> {
        let mut appended = Appended::default();
        self.replaying.store(true, Ordering::Relaxed);
        let damages = self.wal.replay(|segment, record| {
            let mut failed = None;
            let decoded = decode(record, &mut |streams| {
                for stream in streams {
                    let added = self.shelf.add(stream, Origin { segment, is_news: true }, &mut appended);
                    failed = failed.take().or(added.err());
                }
            });
            if let Err(why) = decoded {
                let name = format!("{}-record-{:08x}", wal_segment(segment), crc32fast::hash(record));
                let kept = lost::keep(&self.layout, &name, record);
                tracing::error!(segment, %why, kept = kept.is_ok(), "a record of the write-ahead log cannot be decoded");
            }
            if let Some(error) = failed {
                tracing::error!(%error, segment, "entries of the write-ahead log cannot be taken over; it is kept");
                self.first_unplaced.fetch_min(segment, Ordering::Relaxed);
            }
            self.tend()
        })?;
        self.replaying.store(false, Ordering::Relaxed);
        for (segment, gap) in damages {
            if let Err(error) = self.keep_gap(segment, &gap) {
                tracing::error!(%error, segment, "damaged bytes cannot be kept apart; their segment stays");
                self.first_unplaced.fetch_min(segment, Ordering::Relaxed);
            }
        }
        if appended.entry_count > 0 {
            tracing::info!(entries = appended.entry_count, "took entries over from the write-ahead log");
        }
        Ok(())
    }

    /// Names bytes of the write-ahead log that are no record. The segment goes with its last entry; they are kept.
    fn keep_gap(&self, segment: u64, gap: &Gap) -> Result<(), Error> {
        let path = self.wal.path(segment);
        let shown = path.display();
        match gap.kind {
            GapKind::CutOff => {
                tracing::warn!(path = %shown, %gap, "left out of the write-ahead log: it was not acknowledged");
            }
            GapKind::Length => tracing::error!(path = %shown, %gap, "a segment is damaged; its last record was read"),
            GapKind::Head => tracing::error!(path = %shown, %gap, "a segment of the write-ahead log is damaged"),
            GapKind::Damaged => {
                let name = format!("{}-{}", wal_segment(segment), gap.bytes.start);
                let kept = lost::keep(&self.layout, &name, &segment::read_gap(&path, gap)?)?;
                tracing::error!(path = %shown, %gap, kept = %kept.display(), "pushes are lost: their bytes are damaged");
            }
        }
        Ok(())
    }

    pub(crate) fn append(&self, batch: &Batch<'_>) -> Result<Appended, Error> {
        self.check_days(batch)?;
        self.wait_for_space()?;
        let pin = self.wal.append(&batch.record)?;
        self.append_count.fetch_add(1, Ordering::Relaxed);
        let mut appended = Appended::default();
        fault::at("append.logged").map_err(io_error("take in", &self.layout.wal()))?;
        for stream in &batch.streams {
            self.shelf.add(stream, Origin { segment: pin.segment, is_news: true }, &mut appended)?;
        }
        drop(pin);
        fault::at("append.added").map_err(io_error("take in", &self.layout.wal()))?;
        if self.shelf.has_waiting() || self.shelf.memory_bytes() > self.config.head_bytes_max {
            self.work.notify_one();
        }
        Ok(appended)
    }

    pub(crate) fn follow(
        &self,
        matchers: Vec<Matcher>,
        bounds: FeedBounds,
        wake: Box<dyn Fn() + Send + Sync>,
    ) -> Follower {
        self.shelf.feed.follow(matchers, bounds, wake)
    }

    pub(crate) fn follow_dropped_count(&self) -> u64 {
        self.shelf.feed.dropped_count()
    }

    /// Each day costs open files and memory: a batch that is spread over hundreds of new ones is a mistake.
    fn check_days(&self, batch: &Batch<'_>) -> Result<(), Error> {
        let mut days: Vec<Day> = Vec::new();
        for entry in batch.streams.iter().flat_map(|stream| &stream.entries) {
            let day = Day::of(entry.timestamp);
            if days.last() != Some(&day) {
                days.push(day);
            }
        }
        days.sort_unstable();
        days.dedup();
        let (found, known) = self.shelf.new_days(&days);
        let max = NEW_DAYS_MAX.min(DAYS_MAX.saturating_sub(known));
        if found > max { Err(Error::TooManyDays { found, max }) } else { Ok(()) }
    }

    fn wait_for_space(&self) -> Result<(), Error> {
        let hard_max = self.config.head_bytes_max + self.config.head_bytes_max / 2 + 1;
        let deadline = Instant::now() + APPEND_WAIT_MAX;
        let mut turn = self.take_turn();
        loop {
            if self.stopping.load(Ordering::Relaxed) {
                return Err(Error::Closed);
            }
            if let Some((free_bytes, floor_bytes)) = *self.disk_full.lock().expect("no thread panics with it") {
                return Err(Error::DiskFull { path: self.layout.root().to_owned(), free_bytes, floor_bytes });
            }
            if self.shelf.memory_bytes() < hard_max {
                return Ok(());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Error::Busy);
            }
            self.work.notify_one();
            turn = self.space.wait_timeout(turn, left).expect("no thread panics while it holds this lock").0;
        }
    }

    fn take_turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The thread's life: tend the store until it is stopped.
    pub(crate) fn run(&self) {
        let mut due = Due::new(Instant::now());
        while !self.stopping.load(Ordering::Relaxed) {
            // asked before the turn is taken: taking days back waits for turns
            let has_aside = self.has_aside() && Instant::now() >= due.aside;
            let turn = self.take_turn();
            let much = self.shelf.has_waiting() || self.shelf.memory_bytes() > self.config.head_bytes_max;
            if !much && !has_aside {
                drop(self.work.wait_timeout(turn, LOOK_EVERY));
            } else {
                drop(turn);
            }
            // entries that a panic left where they were are there for the next round, and in the write-ahead log
            let round = catch_unwind(AssertUnwindSafe(|| self.round(&mut due, Instant::now())));
            match round {
                Ok(Ok(())) => continue,
                Ok(Err(error)) => tracing::error!(%error, "the store cannot be tended; trying again"),
                Err(_) => tracing::error!("tending the store panicked; trying again"),
            }
            drop(self.work.wait_timeout(self.take_turn(), LOOK_EVERY));
        }
    }

    /// Does what is due.
    fn round(&self, due: &mut Due, now: Instant) -> Result<(), Error> {
        let _moving = self.take_moving();
        fault::at("keeper.round").map_err(io_error("tend", self.layout.root()))?;
        self.unread.erase();
        // each step is done whatever became of the others: dropping old days is what heals a full disk
        let mut tended = self.tend();
        if now >= due.commit {
            due.commit = now + FRESH_AGE_MAX;
            let rests = due.rest.is_reached(self.append_count.load(Ordering::Relaxed), now);
            tended = tended.and(self.close_old(now, rests)).and(self.commit());
        }
        if now >= due.retention {
            due.retention = now + RETENTION_EVERY;
            tended = tended.and(self.retain());
        }
        if now >= due.aside {
            let taken = self.take_back();
            if taken.is_err() {
                due.aside = now + ASIDE_RETRY_AFTER;
            }
            tended = tended.and(taken.map(|_| ()));
        }
        tended
    }

    /// Seals what waits or is too much, or keeps too long a write-ahead log alive, and commits where much is uncommitted.
    fn tend(&self) -> Result<(), Error> {
        if self.shelf.memory_bytes() > self.config.head_bytes_max {
            self.shelf.close_largest(self.config.head_bytes_max / 2);
        }
        if self.wal.size() > WAL_BYTES_MAX && !self.replaying.load(Ordering::Relaxed) {
            self.shelf.close_older(None, self.wal.oldest() + self.wal.count() / 2);
        }
        let sealed = self.shelf.seal_waiting(false);
        drop(self.take_turn());
        self.space.notify_all();
        sealed?;
        // a store with little memory has little to lose, and shall not have to decode much either
        let fresh_max = FRESH_BYTES_MAX.min(self.config.head_bytes_max * 2);
        if self.shelf.fresh_bytes() >= fresh_max { self.commit() } else { Ok(()) }
    }

    /// Seals buffers that have filled for long, and lets the log's open segment go when it is not needed. In a rest all
    /// is sealed, once: the log is empty then, and there is nothing to do in the next round.
    fn close_old(&self, now: Instant, rests: bool) -> Result<(), Error> {
        self.shelf.close_older(now.checked_sub(FILLING_AGE_MAX), 0);
        self.wal.rotate(OPEN_WAL_BYTES_MAX);
        if rests {
            self.close_all();
        }
        self.shelf.seal_waiting(true)
    }

    /// Takes all buffers for sealing, and has the log go with them, where that is worth it. The time that takes has a
    /// bound: buffers never hold more than `head_bytes_max` and a half, which is about a second's work.
    fn close_all(&self) {
        if self.wal.size() > IDLE_WAL_BYTES_MAX {
            self.shelf.close_largest(0);
            self.wal.rotate(0);
        }
    }

    fn commit(&self) -> Result<(), Error> {
        // asked before anything else: an append that comes now pins this segment or a later one
        let horizon = self.wal.horizon();
        self.shelf.commit()?;
        if !self.replaying.load(Ordering::Relaxed) {
            let unplaced = self.first_unplaced.load(Ordering::Relaxed);
            self.wal.remove_before(horizon.min(unplaced).min(self.shelf.first_needed_segment()))?;
        }
        Ok(())
    }

    fn retain(&self) -> Result<(), Error> {
        let now = Timestamp::from(fault::now());
        let shortage = retention::apply(&self.config.retention, &self.layout, &self.shelf, now)?;
        *self.disk_full.lock().expect("no thread panics while it holds this lock") = shortage;
        Ok(())
    }

    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        drop(self.take_turn());
        self.work.notify_all();
        self.space.notify_all();
    }

    /// Makes written blocks durable, once the thread is gone. What is in the write-ahead log is sealed first where that is
    /// worth it.
    pub(crate) fn finish(&self) -> Result<(), Error> {
        // a removal that is under way ends at its next block
        let _removing = self.removing.lock().unwrap_or_else(PoisonError::into_inner);
        self.close_all();
        // what cannot be sealed is in the write-ahead log, and no reason to leave blocks uncommitted
        let sealed = self.shelf.seal_waiting(true);
        self.commit()?;
        sealed?;
        let days: Vec<DayState> = self.shelf.read().days.values().cloned().collect();
        self.unread.erase();
        days.iter().try_for_each(|day| day.folder.rest())
    }

    /// Removes what is selected and judged so, of all that was appended before. It is gone from blocks and from the
    /// write-ahead log when this returns, and its bytes are erased once the last query that reads them is through.
    pub(crate) fn remove(&self, selection: &Selection, judge: &mut Judge<'_>) -> Result<Removed, Error> {
        let mut pruner = self.removing.lock().unwrap_or_else(PoisonError::into_inner);
        // what comes back later would not be removed
        while self.has_aside() {
            if self.stopping.load(Ordering::Relaxed) {
                return Err(Error::Closed);
            }
            let _moving = self.take_moving();
            self.take_back()?;
        }
        self.check_aside(selection.range)?;
        self.settle()?;
        let mut removed = Removed::default();
        for mut day in self.places(selection.range).0 {
            // sealed since all was settled: what is in them was appended later, and is not in the index yet
            day.fresh.clear();
            let candidates = Candidates::of(&day, selection)?;
            let mut changed = false;
            for places in candidates.places.chunks(REPLACED_TOGETHER) {
                let mut replacements = Vec::new();
                for place in places {
                    if self.stopping.load(Ordering::Relaxed) {
                        return Err(Error::Closed);
                    }
                    let reader = candidates.reader(&day.folder, place);
                    replacements.extend(pruner.prune(&reader, selection, judge, &mut removed)?);
                }
                if !replacements.is_empty() {
                    changed = true;
                    let _moving = self.take_moving();
                    fault::at("remove.replace").map_err(io_error("write to", &self.layout.days()))?;
                    if let Some((readers, holes)) = self.shelf.replace(&day.folder, replacements)? {
                        self.unread.push(readers, day.folder.clone(), holes);
                    }
                }
            }
            if changed {
                let _moving = self.take_moving();
                self.shelf.purge(&day.folder)?;
            }
        }
        if removed.entry_count > 0 {
            // entries that were appended while the blocks were gone through may be removed, and in the log, too
            self.settle()?;
        }
        Ok(removed)
    }

    /// Brings everything that was appended before into committed blocks, and out of the write-ahead log.
    fn settle(&self) -> Result<(), Error> {
        let begun = self.wal.begin_segment()?;
        let deadline = Instant::now() + APPEND_WAIT_MAX;
        loop {
            let moving = self.take_moving();
            self.shelf.close_largest(0);
            self.shelf.seal_waiting(false)?;
            self.commit()?;
            drop(moving);
            if self.wal.oldest() >= begun {
                return Ok(());
            }
            if self.first_unplaced.load(Ordering::Relaxed) < begun {
                return Err(damaged(&self.layout.wal(), "entries that could not be taken over at the start are in it"));
            }
            // an append is under way
            if self.stopping.load(Ordering::Relaxed) || Instant::now() > deadline {
                return Err(if self.stopping.load(Ordering::Relaxed) { Error::Closed } else { Error::Busy });
            }
            drop(self.space.wait_timeout(self.take_turn(), SETTLE_PAUSE));
        }
    }

    /// A thread that panicked while it held this left entries where they were.
    fn take_moving(&self) -> MutexGuard<'_, ()> {
        self.moving.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_aside(&self) -> MutexGuard<'_, Vec<AsideDay>> {
        self.aside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn select(&self, selection: &Selection) -> Result<Snapshot, Error> {
        let mut selection = selection.clone();
        if let Some(oldest) = retention::oldest_kept(&self.config.retention, Timestamp::from(fault::now())) {
            selection.range.start = selection.range.start.max(oldest);
        }
        let prepared = Arc::new(Prepared::new(selection));
        let selection = &prepared.selection;
        let (days, slots) = self.places(selection.range);
        let mut chunks = Vec::new();
        for day in &days {
            // what cannot be looked up hides no other day
            match Candidates::of(day, selection) {
                Ok(candidates) => chunks.extend(candidates.chunks(day, &prepared)),
                Err(error) => {
                    let (start, end) = (day.folder.day.start(), day.folder.day.end().plus_nanos(-1));
                    chunks.push(Chunk::missing(start, end, error, prepared.clone()));
                }
            }
        }
        chunks.extend(self.chunks_aside(selection.range, &prepared));
        chunks.sort_by_key(|chunk| chunk.sequence);
        for (index, slot) in slots.iter().enumerate() {
            let labels = slot.read().expect("no thread panics while it holds this lock").labels.clone();
            if selection.matchers.iter().all(|matcher| matcher.matches(&labels)) {
                let chunk = Chunk::of_buffer(slot, UNSEALED_SEQUENCE + index as u64, prepared.clone());
                chunks.extend(chunk.filter(|chunk| selection.range.overlaps(chunk.min, chunk.max)));
            }
        }
        Ok(Snapshot { chunks })
    }

    /// The days and buffers that may have entries in a range, waiting buffers before filling ones.
    fn places(&self, range: TimeRange) -> (Vec<DayState>, Vec<Arc<Slot>>) {
        let state = self.shelf.read();
        let within = |(day, _): &StreamKey| day.start() < range.end && range.start < day.end();
        let days = state.days.iter().filter(|(day, _)| within(&(**day, 0))).map(|(_, day)| day.clone()).collect();
        let mut slots = state.waiting.all();
        slots.extend(state.filling.iter().map(|(key, slot)| (*key, slot.clone())));
        (days, slots.into_iter().filter(|(key, _)| within(key)).map(|(_, slot)| slot).collect())
    }

    pub(crate) fn streams(&self, matchers: &[Matcher], range: TimeRange) -> Vec<Labels> {
        let mut found = std::collections::HashSet::new();
        // a stream that goes on through the end and the start of such a range is not in it
        if range.end < range.start {
            return Vec::new();
        }
        let wanted = |labels: &Labels| matchers.iter().all(|matcher| matcher.matches(labels));
        let overlaps = |(min, max): (i64, i64)| range.overlaps(Timestamp::from_nanos(min), Timestamp::from_nanos(max));
        let (days, slots) = self.places(range);
        for day in days {
            for stream in day.folder.streams().values() {
                if stream.sealed.is_some_and(overlaps) && wanted(&stream.labels) {
                    found.insert(stream.labels.clone());
                }
            }
        }
        for slot in slots {
            let buffer = slot.read().expect("no thread panics while it holds this lock");
            if buffer.span().is_some_and(overlaps) && wanted(&buffer.labels) {
                found.insert(buffer.labels.clone());
            }
        }
        found.into_iter().collect()
    }

    pub(crate) fn usage(&self) -> Usage {
        let (days, slots) = self.places(TimeRange::ALL);
        let rows =
            |slot: &Arc<Slot>| slot.read().expect("no thread panics while it holds this lock").row_count() as u64;
        let sealed = |day: &DayState| {
            let fresh: u64 = day.fresh.iter().map(|fresh| fresh.place.entry_count).sum();
            day.view.entry_count().unwrap_or(0) + fresh
        };
        let disk = retention::DiskUse::of(&self.layout);
        Usage {
            disk_bytes: disk.used_bytes,
            disk_free_bytes: disk.free_bytes,
            head_bytes: self.shelf.memory_bytes(),
            wal_bytes: self.wal.size(),
            stream_count: days.iter().map(|day| day.folder.streams().len() as u64).sum(),
            block_count: days.iter().map(|day| day.view.block_count() + day.fresh.len() as u64).sum(),
            entry_count: days.iter().map(sealed).sum::<u64>() + slots.iter().map(rows).sum::<u64>(),
            day_count: days.len() as u64,
        }
    }
}
