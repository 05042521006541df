//! Log data on disk: a write-ahead log, blocks of lines indexed in tantivy, retention.
//!
//! Promises: what `append` returned for is synced to disk and found by the next `select`; an exact duplicate
//! (same stream, time, line and metadata) is stored once; pruning never hides a line.
//! Never: LogQL, HTTP. This is the only area that names tantivy.

mod alike;
mod block;
mod candidates;
pub mod check;
mod day;
mod duplicates;
mod error;
mod fault;
mod feed;
mod filter;
mod hash;
mod head;
mod hole;
mod index;
mod keeper;
mod layout;
mod lost;
#[doc(hidden)]
pub mod measure;
mod needle;
mod reader;
mod remove;
mod retention;
mod salvage;
mod seal;
mod segment;
mod select;
mod shelf;
mod streams;
mod waiting;
mod wal;
mod word_set;
mod words;

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

pub use alike::Alike;
pub use error::Error;
pub use feed::{Dropped, EntryKey, FeedBounds, Follower, Fresh};
pub use remove::Removed;
pub use select::{Chunk, Need, Row, Selection, Snapshot, TextFilter, Visited};

use crate::model::{Batch, Labels, Matcher, StreamEntries, TimeRange};
use crate::store::error::{damaged, io_error};
use crate::store::keeper::Keeper;
use crate::store::layout::{Day, FORMAT_VERSION, Layout};

/// Where the data lies and how much of it is kept.
#[derive(Clone, Debug)]
pub struct Config {
    pub dir: PathBuf,
    pub retention: Retention,
    /// Memory that unsealed entries take before the largest streams are sealed into blocks, in bytes. Appends wait
    /// where one and a half times as much is reached.
    pub head_bytes_max: u64,
    /// Bytes of sealed blocks of a day up to which further ones have no words in its index, and are always searched:
    /// `WORDLESS_BYTES`.
    pub wordless_bytes: u64,
}

/// About 4 MiB of text. The words of a day's first blocks cost most, because later ones mostly have the same, and gain
/// least: where there are few blocks all can be searched in a millisecond or two. A large day has these on top.
pub const WORDLESS_BYTES: u64 = 512 << 10;

/// What is dropped, oldest day first. `None` means without bound.
#[derive(Clone, Debug, Default)]
pub struct Retention {
    pub age_max: Option<Duration>,
    pub disk_bytes_max: Option<u64>,
    /// Free space on the disk below which the oldest data goes, and below which pushes are refused where there is
    /// nothing older than today.
    pub disk_free_bytes_min: u64,
}

/// What an append did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Appended {
    pub entry_count: u64,
    /// Entries that were there already, and so were not stored again.
    pub duplicate_count: u64,
    pub line_bytes: u64,
}

/// Decodes a record of the write-ahead log again, at a start after a crash.
pub type Replay<'r> = dyn Fn(&[u8], &mut dyn FnMut(&[StreamEntries<'_>])) -> Result<(), String> + 'r;

/// Sizes that `/metrics` and the system page show.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    pub disk_bytes: u64,
    pub disk_free_bytes: u64,
    /// Memory of unsealed entries, about.
    pub head_bytes: u64,
    pub wal_bytes: u64,
    /// Streams of all days, each counted once a day.
    pub stream_count: u64,
    pub block_count: u64,
    /// Entries that are kept, those in memory included.
    pub entry_count: u64,
    pub day_count: u64,
}

/// The log data of one folder. Shared by reference between threads.
#[derive(Debug)]
pub struct Store {
    keeper: Arc<Keeper>,
    worker: Mutex<Option<JoinHandle<()>>>,
    /// Locked as long as the store is open.
    _lock: File,
}

impl Store {
    /// Opens the folder, or makes it; records that were not sealed yet are decoded again by `replay`.
    pub fn open(config: Config, replay: &Replay<'_>) -> Result<Store, Error> {
        let layout = Layout::new(config.dir.clone());
        fs::create_dir_all(layout.days()).map_err(io_error("create", &layout.days()))?;
        let lock = lock(&layout)?;
        check_format(&layout)?;
        let keeper = Arc::new(Keeper::open(config, layout)?);
        keeper.replay(replay)?;
        let worker = {
            let keeper = keeper.clone();
            let thread = std::thread::Builder::new().name("store".to_owned()).spawn(move || keeper.run());
            thread.map_err(|source| Error::Io { action: "start a thread for", path: PathBuf::from("store"), source })?
        };
        Ok(Store { keeper, worker: Mutex::new(Some(worker)), _lock: lock })
    }

    /// Stores a batch whole: when this returns, it is synced and visible. Blocks the calling thread, for seconds where
    /// the disk cannot follow; then `Error::Busy`.
    pub fn append(&self, batch: &Batch<'_>) -> Result<Appended, Error> {
        self.keeper.append(batch)
    }

    /// What there is for a selection at this moment. Cheap: no block is read until its chunk is visited.
    pub fn select(&self, selection: &Selection) -> Result<Snapshot, Error> {
        self.keeper.select(selection)
    }

    /// Removes the entries that are selected and of which `judge` says so, of all that was appended before. When this
    /// returns, they are found no more, also after a crash; their bytes are erased from the disk once the last query
    /// that reads them is through. An error leaves some of them: removing again goes on. Blocks the calling thread for as
    /// long as reading all that is selected takes, one removal at a time; appends and queries go on.
    pub fn remove(&self, selection: &Selection, judge: &mut dyn FnMut(&Row<'_>) -> bool) -> Result<Removed, Error> {
        self.keeper.remove(selection, judge)
    }

    /// Follows the streams that pass all matchers: whatever is stored from now on comes into a queue, and `wake` is
    /// called for it, by the thread that appends. Exact duplicates, which are not stored, do not come.
    pub fn follow(
        &self,
        matchers: Vec<Matcher>,
        bounds: FeedBounds,
        wake: impl Fn() + Send + Sync + 'static,
    ) -> Follower {
        self.keeper.follow(matchers, bounds, Box::new(wake))
    }

    /// Entries that did not fit the queues of those who followed them, since the start.
    pub fn follow_dropped_count(&self) -> u64 {
        self.keeper.follow_dropped_count()
    }

    /// The streams that pass all matchers and have entries in the range, each once, in no order. A stream counts from
    /// its first to its last entry of a day.
    pub fn streams(&self, matchers: &[Matcher], range: TimeRange) -> Result<Vec<Labels>, Error> {
        Ok(self.keeper.streams(matchers, range))
    }

    /// Sizes as they are now.
    pub fn usage(&self) -> Usage {
        self.keeper.usage()
    }

    /// Ends the work in the background and makes blocks durable. Appends fail from here on; the few entries that may
    /// stay in memory are in the write-ahead log, and come back at the next start.
    pub fn close(&self) -> Result<(), Error> {
        self.keeper.stop();
        let worker = self.worker.lock().expect("no thread panics while it holds this lock").take();
        if worker.is_some_and(|worker| worker.join().is_err()) {
            tracing::error!("the store's thread ended in a panic");
        }
        self.keeper.finish()
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::warn!(%error, "cannot close the store cleanly; nothing that was acknowledged is lost");
        }
    }
}

fn lock(layout: &Layout) -> Result<File, Error> {
    let path = layout.lock();
    let file = File::create(&path).map_err(io_error("create", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(Error::InUse { path: layout.root().to_owned() }),
        Err(fs::TryLockError::Error(error)) => Err(io_error("lock", &path)(error)),
    }
}

/// What a folder's format is told in.
const FORMAT_NAME: &str = "logcafe store ";
/// Bytes of it that a damage may have changed: more, and it is no file of ours.
const FORMAT_FLIPS_MAX: usize = 2;

/// What the file says that tells the format.
fn format_text() -> String {
    format!("{FORMAT_NAME}{FORMAT_VERSION}\n")
}

/// Writes the format's version into a new folder, and refuses one that a newer version wrote.
fn check_format(layout: &Layout) -> Result<(), Error> {
    let path = layout.format();
    match fs::read(&path) {
        Ok(bytes) => {
            let text = String::from_utf8_lossy(&bytes);
            let version = text.trim().strip_prefix(FORMAT_NAME).and_then(|version| version.parse::<u32>().ok());
            match version {
                Some(found) if found > FORMAT_VERSION => {
                    Err(Error::NewerFormat { path: layout.root().to_owned(), found, known: FORMAT_VERSION })
                }
                Some(_) => Ok(()),
                None if is_nearly(&bytes, format_text().as_bytes()) => {
                    let kept = lost::keep(layout, "FORMAT", &bytes)?;
                    tracing::error!(path = %path.display(), kept = %kept.display(), "damaged, and written again");
                    write_format(layout)
                }
                None => Err(damaged(&path, format!("it says {text:?}; logcafe check tells more"))),
            }
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            if !day_folders(layout)?.is_empty() {
                tracing::error!(path = %path.display(), "missing, and written again");
            }
            write_format(layout)
        }
        Err(error) => Err(io_error("read", &path)(error)),
    }
}

/// Whether a text is another with a few bytes changed, or none of it at all.
fn is_nearly(found: &[u8], wanted: &[u8]) -> bool {
    let changed = found.iter().zip(wanted).filter(|(found, wanted)| found != wanted).count();
    found.is_empty() || (found.len() == wanted.len() && changed <= FORMAT_FLIPS_MAX)
}

fn write_format(layout: &Layout) -> Result<(), Error> {
    let path = layout.format();
    let mut file = tempfile::NamedTempFile::new_in(layout.root()).map_err(io_error("write", &path))?;
    let written = file.write_all(format_text().as_bytes()).and_then(|()| file.as_file().sync_all());
    written.map_err(io_error("write", &path))?;
    file.persist(&path).map_err(|error| io_error("write", &path)(error.error))?;
    wal::sync_dir(layout.root())
}

/// The days that have a folder.
fn day_folders(layout: &Layout) -> Result<Vec<Day>, Error> {
    let dir = layout.days();
    let mut days = Vec::new();
    for entry in fs::read_dir(&dir).map_err(io_error("list", &dir))? {
        let name = entry.map_err(io_error("list", &dir))?.file_name();
        days.extend(name.to_str().and_then(Day::parse_folder));
    }
    days.sort_unstable();
    Ok(days)
}
