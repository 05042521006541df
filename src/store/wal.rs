//! The write-ahead log: records of accepted pushes, in segment files.
//!
//! Promises: when `append` returns, the record is synced to disk; appends at the same time share one sync. A record
//! whose write failed is not there after a restart. Never: labels or lines, it knows bytes only.
//!
//! How records lie in a segment is in `segment`.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use crate::store::error::{Error, io_error};
use crate::store::fault;
use crate::store::layout::{parse_wal_segment, wal_segment};
use crate::store::segment::{self, Gap, MAGIC};

/// A segment that is larger is closed and a new one begun.
pub(crate) const SEGMENT_BYTES_MAX: u64 = 32 << 20;

/// An open write-ahead log.
#[derive(Debug)]
pub(crate) struct Wal {
    dir: PathBuf,
    segment_bytes_max: u64,
    state: Mutex<State>,
    synced: Condvar,
}

#[derive(Debug)]
struct State {
    /// Framed records that wait for the next write.
    waiting: Vec<u8>,
    /// The number of the write that the waiting records go with.
    round: u64,
    /// Rounds up to here are done.
    rounds_done: u64,
    /// How many appenders wait for the next write.
    waiting_count: usize,
    /// Rounds that could not be written, why, and how many appenders have not read it yet; then it goes.
    failed: BTreeMap<u64, (Arc<Error>, usize)>,
    /// The open segment, absent while a round is being written.
    segment: Option<Segment>,
    /// How many appended records of a segment have not reached the head yet, by segment.
    pins: BTreeMap<u64, usize>,
    /// Bytes of each segment that is still there, the open one included.
    sizes: BTreeMap<u64, u64>,
}

#[derive(Debug)]
struct Segment {
    number: u64,
    file: File,
    len: u64,
    /// A write failed, and what it left behind could not be cut off yet: nothing may be written behind that.
    torn: bool,
}

/// Holds a segment until the appended entries are in the head: as long as it lives, the segment is not removed.
#[derive(Debug)]
pub(crate) struct Pin<'w> {
    wal: &'w Wal,
    pub(crate) segment: u64,
}

impl Drop for Pin<'_> {
    fn drop(&mut self) {
        let mut state = self.wal.lock();
        if let Some(count) = state.pins.get_mut(&self.segment) {
            *count -= 1;
            if *count == 0 {
                state.pins.remove(&self.segment);
            }
        }
    }
}

impl Wal {
    /// Opens the folder and begins a new segment behind those that are there.
    pub(crate) fn open(dir: &Path, segment_bytes_max: u64) -> Result<Wal, Error> {
        fs::create_dir_all(dir).map_err(io_error("create", dir))?;
        let mut sizes = BTreeMap::new();
        for number in segments(dir)? {
            let path = dir.join(wal_segment(number));
            sizes.insert(number, fs::metadata(&path).map_err(io_error("look at", &path))?.len());
        }
        let number = sizes.last_key_value().map_or(1, |(last, _)| last + 1);
        let segment = Segment::create(dir, number)?;
        sizes.insert(number, segment.len);
        let state = State {
            waiting: Vec::new(),
            waiting_count: 0,
            round: 1,
            rounds_done: 0,
            failed: BTreeMap::new(),
            segment: Some(segment),
            pins: BTreeMap::new(),
            sizes,
        };
        Ok(Wal { dir: dir.to_owned(), segment_bytes_max, state: Mutex::new(state), synced: Condvar::new() })
    }

    /// Reads the records of every segment before the open one, oldest first, with the number of their segment.
    ///
    /// What is no record is passed over; gives it, with the number of its segment.
    pub(crate) fn replay(
        &self,
        mut each: impl FnMut(u64, &[u8]) -> Result<(), Error>,
    ) -> Result<Vec<(u64, Gap)>, Error> {
        let open = self.lock().segment.as_ref().map_or(u64::MAX, |segment| segment.number);
        let mut damages = Vec::new();
        for number in segments(&self.dir)?.into_iter().filter(|number| *number < open) {
            let gaps = segment::read(&self.path(number), |_, record| each(number, record))?;
            damages.extend(gaps.into_iter().map(|gap| (number, gap)));
        }
        Ok(damages)
    }

    /// The file of a segment.
    pub(crate) fn path(&self, number: u64) -> PathBuf {
        self.dir.join(wal_segment(number))
    }

    /// Writes a record and waits until it is synced. The pin keeps its segment until it is dropped.
    pub(crate) fn append(&self, record: &[u8]) -> Result<Pin<'_>, Error> {
        let mut state = self.lock();
        // the segment that is written now, or one before the one that the record will be in: holding it holds both
        let segment = state.sizes.last_key_value().map_or(0, |(number, _)| *number);
        *state.pins.entry(segment).or_default() += 1;
        let pin = Pin { wal: self, segment };
        let round = state.round;
        segment::put_record(&mut state.waiting, record);
        state.waiting_count += 1;
        let mut wrote = false;
        while state.rounds_done < round {
            state = match state.segment.take() {
                // nobody is writing: this thread writes for all that wait
                Some(segment) => {
                    wrote = true;
                    self.write_round(state, segment)
                }
                None => self.synced.wait(state).expect("no thread panics while it holds this lock"),
            };
        }
        if wrote {
            self.synced.notify_all();
        }
        let failure = state.read_failure(round);
        // dropping the pin locks the state again
        drop(state);
        failure.map_or(Ok(pin), Err)
    }

    /// Writes and syncs all waiting records. Gives the lock up meanwhile.
    fn write_round<'w>(&'w self, mut state: MutexGuard<'w, State>, mut segment: Segment) -> MutexGuard<'w, State> {
        let bytes = std::mem::take(&mut state.waiting);
        let appenders = std::mem::take(&mut state.waiting_count);
        let round = state.round;
        state.round += 1;
        drop(state);
        let written = segment.write(&self.dir, &bytes);
        let full = segment.len >= self.segment_bytes_max;
        let mut state = self.lock();
        state.sizes.insert(segment.number, segment.len);
        state.rounds_done = round;
        match written {
            Ok(()) if full => state.segment = Some(self.next_segment(&mut state, segment)),
            Ok(()) => state.segment = Some(segment),
            Err(error) => {
                state.failed.insert(round, (Arc::new(error), appenders));
                // bytes of the failed write may lie at the end: nothing more is written behind them
                state.segment = Some(self.next_segment(&mut state, segment));
            }
        }
        state
    }

    /// A new segment; the old one stays open for writing where none can be made.
    fn next_segment(&self, state: &mut State, old: Segment) -> Segment {
        match Segment::create(&self.dir, old.number + 1) {
            Ok(segment) => {
                state.sizes.insert(segment.number, segment.len);
                segment
            }
            Err(error) => {
                tracing::warn!(%error, "cannot begin a new WAL segment, going on with the old one");
                old
            }
        }
    }

    /// The first segment that an append in progress may need. Ask before looking at what the head needs.
    pub(crate) fn horizon(&self) -> u64 {
        let state = self.lock();
        let last = state.sizes.last_key_value().map_or(0, |(number, _)| *number);
        state.pins.keys().next().copied().unwrap_or(last).min(last)
    }

    /// Removes the segments before `first_needed`. Gives how many.
    pub(crate) fn remove_before(&self, first_needed: u64) -> Result<usize, Error> {
        let mut state = self.lock();
        let removed: Vec<u64> = state.sizes.range(..first_needed).map(|(number, _)| *number).collect();
        for number in &removed {
            let path = self.path(*number);
            let removed = fault::at("wal.remove").and_then(|()| fs::remove_file(&path));
            removed.map_err(io_error("remove", &path))?;
            state.sizes.remove(number);
        }
        if !removed.is_empty() {
            sync_dir(&self.dir)?;
        }
        Ok(removed.len())
    }

    /// Begins a new segment if the open one has more than `bytes`, so that it can go once it is not needed.
    pub(crate) fn rotate(&self, bytes: u64) {
        let mut state = self.lock();
        if let Some(segment) = state.segment.take() {
            let large = segment.len > bytes.max(MAGIC.len() as u64);
            state.segment = Some(if large { self.next_segment(&mut state, segment) } else { segment });
        }
    }

    /// Begins a new segment behind all that was appended before, once a write that is under way is through; gives its
    /// number.
    pub(crate) fn begin_segment(&self) -> Result<u64, Error> {
        let mut state = self.lock();
        loop {
            let Some(old) = state.segment.take() else {
                state = self.synced.wait(state).expect("no thread panics while it holds this lock");
                continue;
            };
            if old.len <= MAGIC.len() as u64 {
                let number = old.number;
                state.segment = Some(old);
                return Ok(number);
            }
            let begun = Segment::create(&self.dir, old.number + 1);
            return match begun {
                Ok(segment) => {
                    let number = segment.number;
                    state.sizes.insert(number, segment.len);
                    state.segment = Some(segment);
                    Ok(number)
                }
                Err(error) => {
                    state.segment = Some(old);
                    Err(error)
                }
            };
        }
    }

    /// How many segments there are.
    pub(crate) fn count(&self) -> u64 {
        self.lock().sizes.len() as u64
    }

    /// The newest segment that is there.
    pub(crate) fn newest(&self) -> u64 {
        self.lock().sizes.last_key_value().map_or(0, |(number, _)| *number)
    }

    /// The oldest segment that is there.
    pub(crate) fn oldest(&self) -> u64 {
        self.lock().sizes.first_key_value().map_or(0, |(number, _)| *number)
    }

    /// Bytes of all segments.
    pub(crate) fn size(&self) -> u64 {
        self.lock().sizes.values().sum()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no thread panics while it holds this lock")
    }
}

impl State {
    /// Why a round failed, if it did; each of its appenders asks once.
    fn read_failure(&mut self, round: u64) -> Option<Error> {
        let (error, unread) = self.failed.get_mut(&round)?;
        let failure = share(error);
        *unread -= 1;
        if *unread == 0 {
            self.failed.remove(&round);
        }
        Some(failure)
    }
}

impl Segment {
    fn create(dir: &Path, number: u64) -> Result<Segment, Error> {
        let path = dir.join(wal_segment(number));
        // what is left of a failed attempt would be in the way of the next
        Segment::begin(dir, &path, number).inspect_err(|_| drop(fs::remove_file(&path)))
    }

    fn begin(dir: &Path, path: &Path, number: u64) -> Result<Segment, Error> {
        fault::at("wal.create").map_err(io_error("create", path))?;
        let mut file = OpenOptions::new().write(true).create_new(true).open(path).map_err(io_error("create", path))?;
        fault::write("wal.begin", MAGIC, |magic| file.write_all(magic)).map_err(io_error("write", path))?;
        file.sync_all().map_err(io_error("sync", path))?;
        sync_dir(dir)?;
        Ok(Segment { number, file, len: MAGIC.len() as u64, torn: false })
    }

    fn write(&mut self, dir: &Path, bytes: &[u8]) -> Result<(), Error> {
        let path = dir.join(wal_segment(self.number));
        if self.torn {
            self.cut().map_err(io_error("cut", &path))?;
        }
        let written = fault::write("wal.write", bytes, |bytes| self.file.write_all(bytes));
        let written = written.map_err(io_error("write", &path));
        let sync = || fault::at("wal.sync").and_then(|()| self.file.sync_data()).map_err(io_error("sync", &path));
        match written.and_then(|()| sync()) {
            Ok(()) => {
                self.len += bytes.len() as u64;
                Ok(())
            }
            Err(error) => {
                self.torn = true;
                if let Err(error) = self.cut() {
                    tracing::warn!(%error, path = %path.display(), "cannot cut a failed write off the WAL");
                }
                Err(error)
            }
        }
    }
}

impl Segment {
    /// Cuts off what a failed write may have left behind the last good record.
    fn cut(&mut self) -> std::io::Result<()> {
        self.file.set_len(self.len)?;
        self.file.seek(SeekFrom::Start(self.len))?;
        self.torn = false;
        Ok(())
    }
}

/// The same failure for each append that shared the write.
fn share(error: &Error) -> Error {
    match error {
        Error::Io { action, path, source } => {
            let source = match source.raw_os_error() {
                Some(code) => std::io::Error::from_raw_os_error(code),
                None => std::io::Error::new(source.kind(), source.to_string()),
            };
            Error::Io { action, path: path.clone(), source }
        }
        _ => Error::Busy,
    }
}

/// Makes the names in a folder durable.
pub(crate) fn sync_dir(dir: &Path) -> Result<(), Error> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(io_error("sync", dir))
}

/// The numbers of the segments in a folder, in order.
pub(crate) fn segments(dir: &Path) -> Result<Vec<u64>, Error> {
    let mut numbers = Vec::new();
    for file in fs::read_dir(dir).map_err(io_error("list", dir))? {
        let name = file.map_err(io_error("list", dir))?.file_name();
        numbers.extend(name.to_str().and_then(parse_wal_segment));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::store::layout::wal_segment;
    use crate::store::wal::{SEGMENT_BYTES_MAX, Wal};

    fn open(dir: &tempfile::TempDir) -> Wal {
        Wal::open(dir.path(), SEGMENT_BYTES_MAX).expect("it opens")
    }

    fn records(wal: &Wal) -> (Vec<String>, usize) {
        let mut records = Vec::new();
        let damages = wal.replay(|_, record| {
            records.push(String::from_utf8_lossy(record).into_owned());
            Ok(())
        });
        (records, damages.expect("the folder can be read").len())
    }

    #[test]
    fn records_of_many_threads_are_all_there_after_reopening() {
        let dir = tempfile::tempdir().expect("a temp folder");
        let wal = open(&dir);
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let wal = &wal;
                scope.spawn(move || {
                    for n in 0..20 {
                        wal.append(format!("{thread}-{n}").as_bytes()).expect("it is written");
                    }
                });
            }
        });
        drop(wal);
        let (mut found, damages) = records(&open(&dir));
        found.sort();
        let mut expected: Vec<String> = (0..8).flat_map(|t| (0..20).map(move |n| format!("{t}-{n}"))).collect();
        expected.sort();
        assert_eq!((found, damages), (expected, 0));
    }

    #[test]
    fn a_torn_tail_hides_nothing_before_it_and_nothing_in_later_segments() {
        let dir = tempfile::tempdir().expect("a temp folder");
        for round in ["one", "two"] {
            let wal = open(&dir);
            drop(wal.append(round.as_bytes()).expect("it is written"));
            drop(wal.append(b"torn").expect("it is written"));
        }
        let first = dir.path().join(wal_segment(1));
        let bytes = fs::read(&first).expect("the segment is there");
        for cut in 1..12 {
            fs::write(&first, &bytes[..bytes.len() - cut]).expect("it can be cut");
            let (found, damages) = records(&open(&dir));
            assert_eq!((found, damages), (vec!["one".into(), "two".into(), "torn".into()], 1));
        }
    }

    #[test]
    fn an_append_holds_its_segment_until_the_pin_is_dropped() {
        let dir = tempfile::tempdir().expect("a temp folder");
        let wal = Wal::open(dir.path(), 1).expect("it opens");
        let pin = wal.append(b"x").expect("it is written");
        assert_eq!((wal.horizon(), wal.oldest()), (1, 1));
        drop(pin);
        assert_eq!(wal.horizon(), 2);
        assert_eq!(wal.remove_before(wal.horizon()).expect("no IO fails"), 1);
        assert_eq!(records(&open(&dir)).0, Vec::<String>::new());
    }
}
