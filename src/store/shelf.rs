//! The store's working state: open days, buffers that fill, buffers that wait to be sealed; and how an entry moves on.
//!
//! ```text
//! append --> filling buffer --> waiting buffer --> fresh block --> committed block --> gone with its day
//!                (full, old, or memory is short)   (written)       (synced, indexed)    (retention)
//! ```
//!
//! Promises: an entry is in exactly one of these places at any moment a reader can see.
//! Rule that keeps it free of deadlocks: whoever holds the state's lock waits for no buffer's lock.

use std::collections::{BTreeMap, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use crate::model::{Entry, Labels, StreamEntries, TimeRange};
use crate::store::Appended;
use crate::store::day::{DayFolder, FreshBlock, Replacement, SealedBlock};
use crate::store::duplicates::{BlockIdentities, SealedStream};
use crate::store::error::{Error, damaged, io_error};
use crate::store::fault;
use crate::store::feed::Feed;
use crate::store::head::{Buffer, Slot, Spares, identity, print_of};
use crate::store::hole::Hole;
use crate::store::index::{IndexView, Search};
use crate::store::layout::{Day, Layout};
use crate::store::seal::{ALONE_BYTES_MIN, BLOCK_TEXT_BYTES, CALM_BYTES_MAX, Sealer};
use crate::store::select::{Chunk, Need, Prepared, Readers, Selection};
use crate::store::streams;
use crate::store::waiting::Waiting;

/// Days whose index stays open for writing between commits: it costs threads and memory.
const WRITERS_MAX: usize = 2;

/// A stream on a day.
pub(crate) type StreamKey = (Day, u64);

/// Where entries come from that are added.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    /// The WAL segment that has them; where none has, the newest.
    pub(crate) segment: u64,
    /// Whether those who follow their stream are told.
    pub(crate) is_news: bool,
}

/// Everything that readers look at, behind one lock.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) days: BTreeMap<Day, DayState>,
    pub(crate) filling: HashMap<StreamKey, Arc<Slot>>,
    /// In the order in which they were taken for sealing.
    pub(crate) waiting: Waiting,
    /// Counts the times that buffers were taken for sealing.
    closings: u64,
}

impl State {
    /// Whether a folder is that of its day: a dropped day may have been made again.
    fn has(&self, folder: &Arc<DayFolder>) -> bool {
        self.days.get(&folder.day).is_some_and(|day| Arc::ptr_eq(&day.folder, folder))
    }
}

/// A day and what is in it.
#[derive(Clone, Debug)]
pub(crate) struct DayState {
    pub(crate) folder: Arc<DayFolder>,
    pub(crate) view: IndexView,
    /// Written, not committed.
    pub(crate) fresh: Vec<Arc<FreshBlock>>,
    /// For those who read the blocks as they are now.
    pub(crate) readers: Readers,
}

impl DayState {
    fn fresh_bytes(&self) -> u64 {
        self.fresh.iter().map(|fresh| fresh.place.text_bytes).sum()
    }
}

/// The state, and how entries move through it.
#[derive(Debug)]
pub(crate) struct Shelf {
    layout: Layout,
    /// See `Config`.
    wordless_bytes: u64,
    state: RwLock<State>,
    /// Memory of filling and waiting buffers, about.
    memory_bytes: AtomicU64,
    /// Text of fresh blocks.
    fresh_bytes: AtomicU64,
    /// Held while a day is made: two open indexes on one folder would fight.
    making_day: Mutex<()>,
    identities: BlockIdentities,
    sealer: Mutex<Sealer>,
    spares: Arc<Spares>,
    /// Tells whoever follows of entries that are added.
    pub(crate) feed: Arc<Feed>,
}

impl Shelf {
    pub(crate) fn new(layout: Layout, wordless_bytes: u64) -> Shelf {
        Shelf {
            layout,
            wordless_bytes,
            state: RwLock::default(),
            memory_bytes: AtomicU64::new(0),
            fresh_bytes: AtomicU64::new(0),
            making_day: Mutex::default(),
            identities: BlockIdentities::default(),
            sealer: Mutex::new(Sealer::new()),
            spares: Arc::default(),
            feed: Arc::default(),
        }
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().expect("no thread panics while it holds this lock")
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().expect("no thread panics while it holds this lock")
    }

    pub(crate) fn memory_bytes(&self) -> u64 {
        self.memory_bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn fresh_bytes(&self) -> u64 {
        self.fresh_bytes.load(Ordering::Relaxed)
    }

    /// Opens a day that has a folder.
    pub(crate) fn open_day(&self, day: Day) -> Result<(), Error> {
        let dir = self.layout.day(day);
        let opened = catch_unwind(AssertUnwindSafe(|| DayFolder::open(day, &dir, self.wordless_bytes)));
        let (folder, view) = opened.unwrap_or_else(|_| Err(damaged(&dir, "reading its index panicked")))?;
        let state = DayState { folder: Arc::new(folder), view, fresh: Vec::new(), readers: Readers::default() };
        self.write().days.entry(day).or_insert(state);
        Ok(())
    }

    /// Looks for labels that are lost on one day among the streams of the others, where a stream has the same number.
    pub(crate) fn name_streams(&self) {
        let folders: Vec<Arc<DayFolder>> = self.read().days.values().map(|day| day.folder.clone()).collect();
        for folder in &folders {
            let nameless = folder.nameless();
            let labels = |number: &u64| folders.iter().find_map(|other| streams::labels_of(&other.streams(), *number));
            let named = |number: &&u64| labels(number).is_some_and(|labels| folder.stream_number(&labels) == **number);
            let found = nameless.iter().filter(named).count();
            if !nameless.is_empty() {
                let (day, lost) = (folder.day.folder(), nameless.len() - found);
                tracing::error!(day, found, lost, "labels are damaged: found on other days, or shown by their number");
            }
        }
    }

    /// Labels that a number stands for on some day.
    pub(crate) fn labels_of(&self, number: u64) -> Option<Labels> {
        self.read().days.values().find_map(|day| streams::labels_of(&day.folder.streams(), number))
    }

    fn folder(&self, day: Day) -> Result<Arc<DayFolder>, Error> {
        loop {
            if let Some(state) = self.read().days.get(&day) {
                return Ok(state.folder.clone());
            }
            let _making = self.making_day.lock().expect("no thread panics while it holds this lock");
            if !self.read().days.contains_key(&day) {
                self.open_day(day)?;
            }
        }
    }

    /// Takes a day out of sight, and its folder out of the way; gives where the folder is now, to be removed.
    pub(crate) fn remove_day(&self, day: Day) -> Result<PathBuf, Error> {
        let _making = self.making_day.lock().expect("no thread panics while it holds this lock");
        let (from, to) = (self.layout.day(day), self.layout.dropped_day(day));
        if to.exists() {
            std::fs::remove_dir_all(&to).map_err(io_error("remove", &to))?;
        }
        let mut state = self.write();
        let moved = fault::at("retention.rename").and_then(|()| std::fs::rename(&from, &to));
        moved.map_err(io_error("move away", &from))?;
        let fresh = state.days.remove(&day).map_or(0, |day| day.fresh_bytes());
        self.fresh_bytes.fetch_sub(fresh, Ordering::Relaxed);
        let of_day = |key: &StreamKey| key.0 == day;
        let mut gone: Vec<Arc<Slot>> = state.filling.extract_if(|key, _| of_day(key)).map(|(_, slot)| slot).collect();
        gone.extend(state.waiting.take_day(day));
        drop(state);
        for slot in gone {
            let mut buffer = slot.write().expect("no thread panics while it holds this lock");
            buffer.closed = true;
            self.memory_bytes.fetch_sub(buffer.memory_bytes() as u64, Ordering::Relaxed);
        }
        Ok(to)
    }

    /// Puts the entries of a stream into its buffers.
    pub(crate) fn add(&self, stream: &StreamEntries<'_>, origin: Origin, appended: &mut Appended) -> Result<(), Error> {
        let mut rest = &stream.entries[..];
        while let Some(first) = rest.first() {
            let day = Day::of(first.timestamp);
            let same_day = rest.iter().position(|entry| Day::of(entry.timestamp) != day).unwrap_or(rest.len());
            let (entries, others) = rest.split_at(same_day);
            self.add_to_day(day, &stream.labels, entries, origin, appended)?;
            rest = others;
        }
        Ok(())
    }

    fn add_to_day(
        &self,
        day: Day,
        labels: &Labels,
        entries: &[Entry<'_>],
        origin: Origin,
        appended: &mut Appended,
    ) -> Result<(), Error> {
        loop {
            // looked up anew in every round: the day may have been dropped, and made again, meanwhile
            let folder = self.folder(day)?;
            let key = (day, folder.stream_number(labels));
            let Some(slot) = self.filling(&folder, key, labels, origin.segment) else {
                continue;
            };
            let mut buffer = slot.write().expect("no thread panics while it holds this lock");
            if buffer.closed {
                continue;
            }
            let before = buffer.memory_bytes();
            let added = self.add_to_buffer(&folder, &slot, &mut buffer, entries, origin, appended);
            self.memory_bytes.fetch_add((buffer.memory_bytes() - before) as u64, Ordering::Relaxed);
            if buffer.text_bytes() >= BLOCK_TEXT_BYTES {
                drop(buffer);
                self.close(&[key]);
            }
            return added;
        }
    }

    /// Adds entries to a buffer that this thread has locked: `buffer` is what is in `slot`.
    fn add_to_buffer(
        &self,
        folder: &Arc<DayFolder>,
        slot: &Arc<Slot>,
        buffer: &mut Buffer,
        entries: &[Entry<'_>],
        origin: Origin,
        appended: &mut Appended,
    ) -> Result<(), Error> {
        let mut sealed = None;
        let offer = self.feed.offer(&buffer.labels);
        for entry in entries {
            let time = entry.timestamp.nanos();
            if buffer.sealed_max.is_some_and(|max| time <= max) {
                let sealed = match &mut sealed {
                    Some(sealed) => sealed,
                    none => none.insert(self.sealed_stream(folder, buffer.stream, slot)?),
                };
                let wanted = || identity(time, entry.line.as_bytes(), print_of(&entry.metadata));
                if self.identities.has(sealed, time, wanted) {
                    appended.duplicate_count += 1;
                    continue;
                }
            }
            if buffer.add(entry, origin.segment) {
                if origin.is_news {
                    offer.entry(&buffer.labels, entry);
                }
                appended.entry_count += 1;
                appended.line_bytes += entry.line.len() as u64;
            } else {
                appended.duplicate_count += 1;
            }
        }
        Ok(())
    }

    /// The stream's filling buffer, made where there is none; `None` where the folder is not the day's any more.
    fn filling(&self, folder: &Arc<DayFolder>, key: StreamKey, labels: &Labels, segment: u64) -> Option<Arc<Slot>> {
        loop {
            let state = self.read();
            if !state.has(folder) {
                return None;
            }
            if let Some(slot) = state.filling.get(&key) {
                return Some(slot.clone());
            }
            let (closings, waiting) = (state.closings, state.waiting.of(key));
            drop(state);
            let mut sealed_max = folder.streams().get(&key.1).and_then(|stream| stream.sealed).map(|(_, max)| max);
            for slot in waiting {
                // closed here and now, so that no thread adds to it after its successor was made
                let mut buffer = slot.write().expect("no thread panics while it holds this lock");
                buffer.closed = true;
                sealed_max = sealed_max.max(buffer.span().map(|(_, max)| max));
            }
            let buffer = Buffer::new(key.0, key.1, labels.clone(), segment, sealed_max, self.spares.clone());
            let mut state = self.write();
            if state.closings == closings && state.has(folder) {
                return Some(state.filling.entry(key).or_insert_with(|| Arc::new(RwLock::new(buffer))).clone());
            }
            // a buffer of this stream may have come and gone meanwhile: what is sealed is looked up again
        }
    }

    /// All that is sealed, or waits to be, of a stream; `own` is left out, which the caller has locked and which may
    /// have been put among the waiting ones since.
    fn sealed_stream(&self, folder: &Arc<DayFolder>, stream: u64, own: &Arc<Slot>) -> Result<SealedStream, Error> {
        let state = self.read();
        let key = (folder.day, stream);
        let mut waiting = state.waiting.of(key);
        waiting.retain(|slot| !Arc::ptr_eq(slot, own));
        let day = state.days.get(&folder.day).cloned();
        drop(state);
        let wanted = [stream];
        let search = Search { streams: Some(&wanted), range: TimeRange::ALL, words: &[] };
        let mut places = Vec::new();
        if let Some(day) = &day {
            places = day.view.search(&search)?;
            places.extend(day.fresh.iter().filter(|fresh| fresh.streams.contains(&stream)).map(|fresh| fresh.place));
        }
        let streams = folder.streams();
        let all = Selection::of(Vec::new(), TimeRange::ALL, Need::Lines);
        let all = Arc::new(Prepared::new(all));
        // of a day that is gone there are no places
        let readers = day.map(|day| day.readers).unwrap_or_default();
        let chunk = |place| Chunk::of_block(folder.clone(), place, streams.clone(), None, all.clone(), readers.clone());
        let blocks = places.into_iter().map(|place| (place.offset, chunk(place))).collect();
        Ok(SealedStream { generation: folder.generation, stream, waiting, blocks, streams })
    }

    /// Whether buffers wait to be sealed.
    pub(crate) fn has_waiting(&self) -> bool {
        !self.read().waiting.is_empty()
    }

    /// Takes the largest buffers until those that stay have at most `keep_bytes`.
    pub(crate) fn close_largest(&self, keep_bytes: u64) {
        let mut sizes = self.filling_by(Buffer::memory_bytes);
        sizes.sort_unstable_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
        let mut left: u64 = sizes.iter().map(|(_, bytes)| *bytes as u64).sum();
        let mut keys = Vec::new();
        for (key, bytes) in sizes {
            if left <= keep_bytes {
                break;
            }
            left -= bytes as u64;
            keys.push(key);
        }
        self.close(&keys);
    }

    /// Takes the buffers that were begun before `begun`, or that need WAL segments before `segment`.
    pub(crate) fn close_older(&self, begun: Option<Instant>, segment: u64) {
        let ages = self.filling_by(|buffer| (buffer.begun, buffer.first_needed().unwrap_or(u64::MAX)));
        let old = |(at, first): &(Instant, u64)| begun.is_some_and(|begun| *at < begun) || *first < segment;
        let keys: Vec<StreamKey> = ages.iter().filter(|(_, age)| old(age)).map(|(key, _)| *key).collect();
        self.close(&keys);
    }

    fn filling_by<T>(&self, of: impl Fn(&Buffer) -> T) -> Vec<(StreamKey, T)> {
        let slots: Vec<(StreamKey, Arc<Slot>)> =
            self.read().filling.iter().map(|(key, slot)| (*key, slot.clone())).collect();
        let read = |slot: Arc<Slot>| of(&slot.read().expect("no thread panics while it holds this lock"));
        slots.into_iter().map(|(key, slot)| (key, read(slot))).collect()
    }

    fn close(&self, keys: &[StreamKey]) {
        if keys.is_empty() {
            return;
        }
        let mut state = self.write();
        state.closings += 1;
        for key in keys {
            if let Some(slot) = state.filling.remove(key) {
                state.waiting.push(*key, slot);
            }
        }
    }

    /// Seals every waiting buffer, and small where there is time and not too much of it. What cannot be written stays waiting.
    pub(crate) fn seal_waiting(&self, has_time: bool) -> Result<(), Error> {
        let waiting = self.read().waiting.all();
        let mut text_bytes = 0;
        for (_, slot) in &waiting {
            let mut buffer = slot.write().expect("no thread panics while it holds this lock");
            buffer.closed = true;
            text_bytes += buffer.text_bytes();
        }
        let has_time = has_time && text_bytes <= CALM_BYTES_MAX;
        // a group that fails keeps no other from being sealed
        grouped(waiting).iter().map(|group| self.seal_group(group, has_time)).fold(Ok(()), Result::and)
    }

    /// Seals buffers of different streams of one day into one block.
    fn seal_group(&self, group: &[(StreamKey, Arc<Slot>)], has_time: bool) -> Result<(), Error> {
        let guards: Vec<_> = group.iter().map(|(_, slot)| slot.read().expect("no thread panics with it")).collect();
        let buffers: Vec<&Buffer> =
            guards.iter().map(|guard| &**guard).filter(|buffer| buffer.row_count() > 0).collect();
        let fresh = match buffers.first() {
            None => None,
            Some(first) => {
                let folder = self.folder(first.day)?;
                let mut sealer = self.sealer.lock().expect("no thread panics while it holds this lock");
                sealer.has_time = has_time;
                let sealed = seal(&mut sealer, &buffers);
                let sealed = sealed
                    .ok_or_else(|| damaged(&self.layout.day(first.day), "no block can be made of its entries"))?;
                Some(Arc::new(folder.write(sealed)?))
            }
        };
        let freed: usize = guards.iter().map(|buffer| buffer.memory_bytes()).sum();
        drop(guards);
        let mut state = self.write();
        if let (Some(fresh), Some(((day, _), _))) = (fresh, group.first()) {
            self.fresh_bytes.fetch_add(fresh.place.text_bytes, Ordering::Relaxed);
            if let Some(day) = state.days.get_mut(day) {
                day.fresh.push(fresh);
            }
        }
        group.iter().for_each(|(key, slot)| state.waiting.remove(*key, slot));
        drop(state);
        self.memory_bytes.fetch_sub(freed as u64, Ordering::Relaxed);
        Ok(())
    }

    /// Commits the fresh blocks of every day; a day that fails keeps no other from it. Days that had none rest.
    pub(crate) fn commit(&self) -> Result<(), Error> {
        let days: Vec<DayState> = self.read().days.values().cloned().collect();
        let (fresh, resting): (Vec<DayState>, Vec<DayState>) = days.into_iter().partition(|day| !day.fresh.is_empty());
        let rested = resting.iter().map(|day| day.folder.rest()).fold(Ok(()), Result::and);
        let mut committed = Ok(());
        for (later_days, day) in fresh.iter().enumerate().map(|(index, day)| (fresh.len() - 1 - index, day)) {
            committed = committed.and(self.commit_day(day));
            if later_days >= WRITERS_MAX {
                committed = committed.and(day.folder.rest());
            }
        }
        committed.and(rested)
    }

    fn commit_day(&self, day: &DayState) -> Result<(), Error> {
        let view = day.folder.commit(&day.fresh)?;
        let mut state = self.write();
        let state = &mut *state;
        let Some(current) = state.days.get_mut(&day.folder.day).filter(|now| Arc::ptr_eq(&now.folder, &day.folder))
        else {
            return Ok(());
        };
        current.view = view;
        current.fresh.retain(|fresh| !day.fresh.iter().any(|done| Arc::ptr_eq(fresh, done)));
        self.fresh_bytes.fetch_sub(day.fresh_bytes(), Ordering::Relaxed);
        Ok(())
    }

    /// Puts what is left of committed blocks of a day into their place. Gives what is to be erased once the readers that
    /// come with it are gone; `None` where the day went meanwhile. Nothing may be sealed or committed at the same time.
    pub(crate) fn replace(
        &self,
        folder: &Arc<DayFolder>,
        replacements: Vec<Replacement>,
    ) -> Result<Option<(Readers, Vec<Hole>)>, Error> {
        // a day that was dropped, and made again for a late entry, has files of its own in the same place
        let Some(fresh) = self.current(folder).map(|day| day.fresh) else { return Ok(None) };
        let (view, holes) = folder.replace(replacements)?;
        if let Err(error) = folder.measure_streams(&view, &fresh) {
            tracing::error!(%error, "streams without entries may be listed until the next start");
        }
        let mut state = self.write();
        let Some(day) = state.days.get_mut(&folder.day).filter(|now| Arc::ptr_eq(&now.folder, folder)) else {
            return Ok(None);
        };
        day.view = view;
        Ok(Some((std::mem::take(&mut day.readers), holes)))
    }

    /// Removes the words of replaced blocks from the index of a day, if it is still there. Nothing may be sealed or committed
    /// at the same time.
    pub(crate) fn purge(&self, folder: &Arc<DayFolder>) -> Result<(), Error> {
        self.current(folder).map_or(Ok(()), |day| day.folder.purge())
    }

    /// The day whose folder this is; `None` where the day went.
    fn current(&self, folder: &Arc<DayFolder>) -> Option<DayState> {
        self.read().days.get(&folder.day).filter(|now| Arc::ptr_eq(&now.folder, folder)).cloned()
    }

    /// Of the days of a batch, how many have no folder yet; and how many days have one.
    pub(crate) fn new_days(&self, days: &[Day]) -> (usize, usize) {
        let state = self.read();
        (days.iter().filter(|day| !state.days.contains_key(day)).count(), state.days.len())
    }

    /// The oldest WAL segment that an entry in memory needs. Entries of fresh blocks need theirs too: call after `commit`.
    pub(crate) fn first_needed_segment(&self) -> u64 {
        let state = self.read();
        let mut slots: Vec<Arc<Slot>> = state.filling.values().cloned().collect();
        slots.extend(state.waiting.all().into_iter().map(|(_, slot)| slot));
        drop(state);
        let first = |slot: &Arc<Slot>| slot.read().expect("no thread panics while it holds this lock").first_needed();
        slots.iter().filter_map(first).min().unwrap_or(u64::MAX)
    }
}

/// Makes a block; where that panics, one without columns. What cannot be made at all stays in memory and in the log.
fn seal(sealer: &mut Sealer, buffers: &[&Buffer]) -> Option<SealedBlock> {
    for _ in 0..2 {
        match catch_unwind(AssertUnwindSafe(|| sealer.seal(buffers))) {
            Ok(sealed) => return Some(sealed),
            Err(_) => tracing::error!(labels = %buffers[0].labels, "making a block panicked"),
        }
        *sealer = Sealer::without_columns(buffers[0].stream);
    }
    None
}

/// Cuts waiting buffers into the groups that become a block each: large ones alone, small ones of a day together.
fn grouped(waiting: Vec<(StreamKey, Arc<Slot>)>) -> Vec<Vec<(StreamKey, Arc<Slot>)>> {
    let mut groups: Vec<Vec<(StreamKey, Arc<Slot>)>> = Vec::new();
    let mut small = Vec::new();
    for (key, slot) in waiting {
        let buffer = slot.read().expect("no thread panics while it holds this lock");
        let (bytes, labels) = (buffer.text_bytes(), buffer.labels.clone());
        drop(buffer);
        if bytes >= ALONE_BYTES_MIN {
            groups.push(vec![(key, slot)]);
        } else {
            small.push((key, labels, bytes, slot));
        }
    }
    // neighbours in the order of labels are alike, and compress well together
    small.sort_by(|a, b| (a.0.0, &a.1, a.0.1).cmp(&(b.0.0, &b.1, b.0.1)));
    let (mut group, mut group_bytes): (Vec<(StreamKey, Arc<Slot>)>, usize) = (Vec::new(), 0);
    for (key, _, bytes, slot) in small {
        let fits = group.last().is_none_or(|((day, stream), _)| *day == key.0 && *stream != key.1);
        if !fits || group_bytes + bytes > BLOCK_TEXT_BYTES {
            groups.push(std::mem::take(&mut group));
            group_bytes = 0;
        }
        group.push((key, slot));
        group_bytes += bytes;
    }
    groups.push(group);
    groups.retain(|group| !group.is_empty());
    groups
}

/// How long a buffer may fill before it is sealed with others, so that the WAL can be shortened.
pub(crate) const FILLING_AGE_MAX: Duration = Duration::from_secs(30 * 60);

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::model::{Entry, Labels, StreamEntries, Timestamp};
    use crate::store::Appended;
    use crate::store::layout::{Day, Layout};
    use crate::store::shelf::{Origin, Shelf};

    const LOGGED: Origin = Origin { segment: 1, is_news: true };

    fn entry(time: i64) -> Entry<'static> {
        Entry { timestamp: Timestamp::from_nanos(time), line: "x".into(), metadata: Labels::default() }
    }

    #[test]
    fn a_late_entry_goes_into_a_buffer_that_was_taken_for_sealing_meanwhile() {
        let dir = tempfile::tempdir().expect("a temp folder");
        let shelf = Shelf::new(Layout::new(dir.path().to_owned()), 0);
        let (labels, mut appended) = (Labels::from([("app", "a")]), Appended::default());
        let mut add = |time| {
            let stream = StreamEntries { labels: labels.clone(), entries: vec![entry(time)] };
            shelf.add(&stream, LOGGED, &mut appended).expect("it is added");
        };
        add(10);
        shelf.close_largest(0);
        shelf.seal_waiting(false).expect("it is sealed");
        add(20);
        let day = Day::of(Timestamp::from_nanos(0));
        let (key, slot) = shelf.read().filling.iter().map(|(key, slot)| (*key, slot.clone())).next().expect("one");
        let folder = shelf.folder(day).expect("the day is open");
        shelf.close(&[key]);
        let mut buffer = slot.write().expect("no thread panics");
        let late = [entry(5), entry(10)];
        shelf.add_to_buffer(&folder, &slot, &mut buffer, &late, LOGGED, &mut appended).expect("it is added");
        assert_eq!((appended.entry_count, appended.duplicate_count), (3, 1));
        assert!(Arc::ptr_eq(&slot, &shelf.read().waiting.all()[0].1));
    }
}
