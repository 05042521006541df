//! Days put aside: a day whose index is damaged or missing, and how its entries come back.
//!
//! Promises: a block that can be read comes back, entry by entry, each once; bytes that are no block any more are kept in
//! `lost`; the folder goes when all of that is in committed blocks, so that it may be cut short at any moment. The server
//! takes pushes and queries meanwhile, and answers that may lack entries say so. Never: entries that were removed, where
//! the damaged index still tells which those are.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, MutexGuard};
use std::time::{Duration, Instant};

use crate::model::{Entry, StreamEntries, TimeRange};
use crate::store::Appended;
use crate::store::day::{Lens, from_payload};
use crate::store::error::{Error, damaged, io_error};
use crate::store::fault;
use crate::store::hole::{Hole, HoleFile};
use crate::store::keeper::Keeper;
use crate::store::layout::{BLOCKS, Day, INDEX, Layout, STREAMS};
use crate::store::lost;
use crate::store::reader::OpenBlock;
use crate::store::retention;
use crate::store::salvage::{Piece, Salvage};
use crate::store::select::{Chunk, Prepared};
use crate::store::shelf::Origin;
use crate::store::streams::{self, Stream, Streams};
use crate::store::wal::sync_dir;

/// How long one turn of taking back lasts, about: others want to move entries, too.
const TURN: Duration = Duration::from_millis(100);
/// Damaged bytes that are kept in one file.
const LOST_BYTES_MAX: u64 = 64 << 20;

/// A day that was put aside.
#[derive(Debug)]
pub(crate) struct AsideDay {
    day: Day,
    dir: PathBuf,
    work: Option<Work>,
}

/// What is known of a day while it is taken back.
struct Work {
    salvage: Salvage,
    streams: Streams,
    taken: Appended,
    lost_bytes: u64,
}

impl std::fmt::Debug for Work {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Work({:?}, {} bytes lost)", self.taken, self.lost_bytes)
    }
}

/// The days that lie aside, oldest first.
pub(crate) fn find(layout: &Layout) -> Result<Vec<AsideDay>, Error> {
    let dir = layout.days();
    let mut found = Vec::new();
    for entry in fs::read_dir(&dir).map_err(io_error("list", &dir))? {
        let entry = entry.map_err(io_error("list", &dir))?;
        let day = entry.file_name().to_str().and_then(Layout::parse_damaged_day);
        found.extend(day.map(|day| AsideDay { day, dir: entry.path(), work: None }));
    }
    found.sort_by(|a, b| a.dir.cmp(&b.dir));
    Ok(found)
}

/// Moves the folder of a day that cannot be opened out of the way, whole.
pub(crate) fn put(layout: &Layout, day: Day, error: &Error) -> Result<(), Error> {
    let from = layout.day(day);
    let to = (1..).map(|number| layout.damaged_day(day, number)).find(|path| !path.exists()).unwrap_or_default();
    tracing::error!(%error, aside = %to.display(), "a day cannot be opened; it is put aside, and what can be read comes back");
    fault::at("aside.put").and_then(|()| fs::rename(&from, &to)).map_err(io_error("move aside", &from))?;
    sync_dir(&layout.days())
}

impl Keeper {
    pub(crate) fn has_aside(&self) -> bool {
        !self.lock_aside().is_empty()
    }

    /// Takes some entries of days back in that were put aside; gives whether there are more. Whoever calls it holds what
    /// moves entries.
    pub(crate) fn take_back(&self) -> Result<bool, Error> {
        let mut days = self.lock_aside();
        let Some(day) = days.first_mut() else { return Ok(false) };
        match self.take_back_from(day) {
            Ok(true) => return Ok(true),
            Ok(false) => {}
            Err(error) if error.is_damage() => {
                let aside = day.dir.display();
                tracing::error!(%error, %aside, "a day that was put aside cannot be read; it stays where it is");
            }
            Err(error) => return Err(error),
        }
        days.remove(0);
        Ok(!days.is_empty())
    }

    /// For each day of a range that is not wholly back, a chunk that says so.
    pub(crate) fn chunks_aside(&self, range: TimeRange, prepared: &Arc<Prepared>) -> Vec<Chunk> {
        let days = self.lock_aside_now();
        let within = |day: &&(Day, PathBuf)| is_within(day.0, range);
        let missing = |(day, dir): &(Day, PathBuf)| {
            let error = damaged(dir, "it was put aside, and its entries are being taken back in");
            Chunk::missing(day.start(), day.end().plus_nanos(-1), error, prepared.clone())
        };
        days.iter().filter(within).map(missing).collect()
    }

    fn take_back_from(&self, day: &mut AsideDay) -> Result<bool, Error> {
        let path = day.dir.join(BLOCKS);
        // a folder that cannot be looked at now is no folder without blocks
        if !path.try_exists().map_err(io_error("look at", &path))? {
            let kept = lost::keep_dir(&self.layout, &day.dir)?;
            self.forget(&day.dir);
            tracing::error!(aside = %day.dir.display(), kept = %kept.display(),
                "a day has no blocks any more; what was in it is lost, and the rest of it is kept");
            return Ok(false);
        }
        if day.work.is_none() {
            self.check_room(&path)?;
        }
        let work = match &mut day.work {
            Some(work) => work,
            none => none.insert(Work::begin(&day.dir)?),
        };
        let begun = Instant::now();
        while begun.elapsed() < TURN {
            fault::at("aside.block").map_err(io_error("take back", &path))?;
            let Some(piece) = work.salvage.peek()? else {
                self.shelf.close_largest(0);
                self.shelf.seal_waiting(false)?;
                self.commit()?;
                let (entries, duplicates) = (work.taken.entry_count, work.taken.duplicate_count);
                let (aside, lost_bytes) = (day.dir.display(), work.lost_bytes);
                tracing::warn!(%aside, entries, duplicates, lost_bytes, "took a day back in that was put aside");
                return self.let_go(day).map(|()| false);
            };
            match &piece {
                Piece::Block { block, .. } => {
                    self.add_block(block, &work.streams, &mut work.taken)?;
                    self.tend()?;
                }
                Piece::Lost { bytes, lead } => {
                    let lines = lead.as_ref().map(|lead| lead.times.len());
                    work.lost_bytes += bytes.end - bytes.start;
                    self.keep_lost(&day.dir, &work.salvage, bytes, lines)?;
                }
                Piece::Zeros(_) => {}
            }
            work.salvage.pass(&piece);
        }
        Ok(true)
    }

    /// A day is there twice until all of it is back: other days must not be dropped to make room for that.
    fn check_room(&self, path: &Path) -> Result<(), Error> {
        let needed = fs::metadata(path).map_err(io_error("look at", path))?.len();
        let floor_bytes = self.config.retention.disk_free_bytes_min.saturating_add(needed);
        let free_bytes = retention::DiskUse::of(&self.layout).free_bytes;
        if free_bytes >= floor_bytes {
            return Ok(());
        }
        Err(Error::DiskFull { path: path.to_owned(), free_bytes, floor_bytes })
    }

    fn add_block(&self, block: &OpenBlock, streams: &Streams, taken: &mut Appended) -> Result<(), Error> {
        let origin = Origin { segment: self.wal.newest(), is_news: false };
        for (stream_index, (number, entries)) in block.lead.streams.iter().enumerate() {
            let labels = match streams.get(number) {
                Some(stream) => stream.labels.clone(),
                None => self.shelf.labels_of(*number).unwrap_or_else(|| Stream::nameless(*number).labels),
            };
            let mut stream = StreamEntries { labels: labels.clone(), entries: Vec::with_capacity(entries.len()) };
            for entry in entries.clone() {
                // a text that is no text cannot come from a push; what its checksum says is true is dropped with a word
                match block.row(entry, stream_index, &labels) {
                    Ok(row) => stream.entries.push(Entry {
                        timestamp: row.timestamp,
                        line: row.line.into(),
                        metadata: row.metadata.clone(),
                    }),
                    Err(why) => tracing::error!(%labels, %why, "an entry cannot be taken back in"),
                }
            }
            self.shelf.add(&stream, origin, taken)?;
        }
        Ok(())
    }

    fn keep_lost(&self, dir: &Path, salvage: &Salvage, bytes: &Range<u64>, lines: Option<usize>) -> Result<(), Error> {
        let name = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut start = bytes.start;
        while start < bytes.end {
            let part = start..bytes.end.min(start + LOST_BYTES_MAX);
            let kept = lost::keep(&self.layout, &format!("{name}-{BLOCKS}-{start}"), &salvage.bytes(&part)?)?;
            let path = dir.join(BLOCKS);
            tracing::error!(path = %path.display(), at = start, bytes = part.end - start, lines, kept = %kept.display(),
                "lines are lost: their bytes are damaged");
            start = part.end;
        }
        Ok(())
    }

    /// Removes the folder of a day of which everything is back.
    fn let_go(&self, day: &AsideDay) -> Result<(), Error> {
        // first under a name that the next start removes: half of it must not be taken for a day again
        let gone = Layout::dropped(&day.dir);
        if gone.try_exists().map_err(io_error("look at", &gone))? {
            fs::remove_dir_all(&gone).map_err(io_error("remove", &gone))?;
        }
        fault::at("aside.rename")
            .and_then(|()| fs::rename(&day.dir, &gone))
            .map_err(io_error("move away", &day.dir))?;
        self.forget(&day.dir);
        // the day is done: what is left of it keeps no other from coming back
        let removed = sync_dir(&self.layout.days())
            .and_then(|()| fault::at("aside.remove").map_err(io_error("remove", &gone)))
            .and_then(|()| fs::remove_dir_all(&gone).map_err(io_error("remove", &gone)));
        if let Err(error) = removed {
            tracing::warn!(%error, "what is left of a day that was put aside cannot be removed; the next start tries again");
        }
        Ok(())
    }

    fn forget(&self, dir: &Path) {
        self.lock_aside_now().retain(|(_, other)| other != dir);
    }

    /// Refuses a removal from days that are not back: their entries come back later, at the next start or the one after.
    pub(crate) fn check_aside(&self, range: TimeRange) -> Result<(), Error> {
        let days = self.lock_aside_now();
        // a folder that somebody took away brings nothing back
        let stays = |dir: &Path| dir.try_exists().unwrap_or(true);
        match days.iter().find(|(day, dir)| is_within(*day, range) && stays(dir)) {
            None => Ok(()),
            Some((_, dir)) => Err(damaged(
                dir,
                "entries of it may have to be removed, and it cannot be read now; restart to try again, or move it \
                 out of the store's folder",
            )),
        }
    }

    fn lock_aside_now(&self) -> MutexGuard<'_, Vec<(Day, PathBuf)>> {
        self.aside_now.lock().expect("no thread panics while it holds this lock")
    }
}

fn is_within(day: Day, range: TimeRange) -> bool {
    day.start() < range.end && range.start < day.end()
}

impl AsideDay {
    pub(crate) fn key(&self) -> (Day, PathBuf) {
        (self.day, self.dir.clone())
    }
}

impl Work {
    fn begin(dir: &Path) -> Result<Work, Error> {
        let path = dir.join(STREAMS);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(io_error("read", &path)(error)),
        };
        let (streams, gaps) = streams::decode(&bytes);
        for gap in gaps {
            tracing::error!(path = %path.display(), at = gap.start, bytes = gap.end - gap.start, "labels are damaged");
        }
        // removed entries whose bytes could not be erased yet must not come back
        let holes = payload_of(&dir.join(INDEX)).map(|(_, holes)| holes).unwrap_or_default();
        let holes = holes.into_iter().filter(|hole| hole.file == HoleFile::Blocks);
        let skipped = holes.map(|hole| hole.offset..hole.offset + hole.len).collect();
        let salvage = Salvage::open(&dir.join(BLOCKS), skipped)?;
        Ok(Work { salvage, streams, taken: Appended::default(), lost_bytes: 0 })
    }
}

/// What the last commit of an index says that cannot be opened, as far as its file of facts can be read: the payload has a
/// checksum of its own.
fn payload_of(index: &Path) -> Option<(Lens, Vec<Hole>)> {
    let facts = fs::read(index.join("meta.json")).ok()?;
    let start = memchr::memmem::find(&facts, b"blocks=")?;
    let end = start + facts[start..].iter().position(|byte| *byte == b'"')?;
    from_payload(std::str::from_utf8(&facts[start..end]).ok()?)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use crate::model::{TimeRange, Timestamp};
    use crate::store::keeper::Keeper;
    use crate::store::layout::Layout;
    use crate::store::select::{Need, Selection};
    use crate::store::{Config, Retention};

    /// A keeper with one day aside, 2026-11-20, and that day's folder.
    fn keeper(dir: &tempfile::TempDir) -> (Keeper, PathBuf) {
        let layout = Layout::new(dir.path().to_owned());
        let day = layout.days().join("20261120.damaged-1");
        fs::create_dir_all(&day).expect("it is made");
        fs::write(day.join("streams.dat"), b"labels").expect("it is written");
        let dir = dir.path().to_owned();
        let config = Config { dir, retention: Retention::default(), head_bytes_max: 1 << 20, wordless_bytes: 0 };
        (Keeper::open(config, layout).expect("it opens"), day)
    }

    #[test]
    fn a_day_without_blocks_goes_and_the_rest_of_it_is_kept() {
        let dir = tempfile::tempdir().expect("a temp folder");
        let (keeper, day) = keeper(&dir);
        assert!(!keeper.take_back().expect("it is taken back"));
        assert!(!day.exists() && !keeper.has_aside());
        let kept = dir.path().join("lost/20261120.damaged-1/streams.dat");
        assert_eq!(fs::read(kept).expect("it is kept"), b"labels");
    }

    #[test]
    fn a_day_that_comes_back_takes_the_place_of_what_is_left_of_another() {
        let dir = tempfile::tempdir().expect("a temp folder");
        let (keeper, day) = keeper(&dir);
        fs::write(day.join("blocks.dat"), b"").expect("it is written");
        let left = dir.path().join("days/20261120.damaged-1.dropped");
        fs::create_dir(&left).expect("it is made");
        fs::write(left.join("a"), b"").expect("it is written");
        assert!(!keeper.take_back().expect("it is taken back"));
        assert!(!day.exists() && !left.exists() && !keeper.has_aside());
    }

    #[test]
    fn nothing_is_removed_from_a_day_that_cannot_be_read() {
        let dir = tempfile::tempdir().expect("a temp folder");
        let (keeper, day) = keeper(&dir);
        keeper.lock_aside().clear();
        let remove = |from, to| {
            let range = TimeRange::new(Timestamp::from_secs(from), Timestamp::from_secs(to));
            keeper.remove(&Selection::of(Vec::new(), range, Need::Lines), &mut |_| true)
        };
        let refused = remove(1_795_132_800, 1_795_132_801).expect_err("it is not there").to_string();
        assert!(refused.contains("20261120.damaged-1 is damaged: entries of it may"), "{refused}");
        assert!(remove(0, 1_795_132_800).is_ok());
        fs::remove_dir_all(&day).expect("it goes");
        assert!(remove(1_795_132_800, 1_795_132_801).is_ok());
    }
}
