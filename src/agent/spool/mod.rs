//! What was received and cannot be read again: kept on the disk until every server has answered for it.
//!
//! ```text
//! <folder>/lock                  one agent at a time
//! <folder>/<name>-<hash>/name    whose spool it is
//!                       /00…042.spool   a segment that begins at place 42: label sets and lines, each with a checksum
//! ```
//!
//! Promises: when `append` returns, the lines outlive a kill of the agent, and the loss of power a second later; order
//! is kept; what all spools have on the disk is bounded; what was answered for is removed. Never: drops a line that was
//! taken, or reads one twice that was answered for.

mod frame;
mod reading;
mod segments;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use thiserror::Error;
use xxhash_rust::xxh3::xxh3_64;

use crate::agent::files::bell::{Bell, Other};
use crate::agent::files::status::Status;
use crate::agent::metrics::Metrics;
use crate::agent::positions::Positions;
use crate::agent::spool::reading::Reading;
use crate::agent::spool::segments::{Refused, Segments};
use crate::model::{Labels, Timestamp};

/// How often spools are synced and cleared of what was answered for.
const SYNC_PERIOD: Duration = Duration::from_secs(1);
/// How often a full spool is asked whether it has room again.
const ROOM_PERIOD: Duration = Duration::from_millis(50);
/// How long a disk that failed is left alone.
const DISK_PAUSE: Duration = Duration::from_secs(1);
/// How often the same trouble is said again.
const SAID_AGAIN: Duration = Duration::from_secs(60);
/// The file that says whose spool a folder is.
const NAME: &str = "name";
const LOCK: &str = "lock";

/// Where spools are, and how large they may be together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SpoolOptions {
    pub(crate) folder: PathBuf,
    pub(crate) bytes_max: u64,
    pub(crate) bytes_per_segment: u64,
}

impl SpoolOptions {
    pub(crate) fn new(folder: PathBuf, bytes_max: u64) -> SpoolOptions {
        // small enough that the bound is not all in segments of which a part was answered for
        SpoolOptions { folder, bytes_max, bytes_per_segment: (8 << 20).min(bytes_max / 8).max(4096) }
    }
}

/// A line as it was received.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Received<'a> {
    /// `None` means now: later than the line before in this spool.
    pub(crate) timestamp: Option<Timestamp>,
    /// As relabelling left them. `__tenant_id__` becomes the tenant; other names that begin with `__` are not sent.
    pub(crate) labels: &'a Labels,
    pub(crate) line: &'a str,
    /// Structured metadata.
    pub(crate) structured: &'a [(String, String)],
}

/// Why there is no spool, or no room in it.
#[derive(Debug, Error)]
pub(crate) enum SpoolError {
    /// There is no room now, or the agent stopped: wait for `room` and append the same again. Said here, so who appends
    /// need not.
    #[error("the spool is full; the servers have to take what is in it first")]
    Full,
    #[error("the spool in {} is in use by another agent: stop that one, or give this one its own folder with spool.directory, or its own positions.filename", folder.display())]
    InUse { folder: PathBuf },
    #[error("two jobs receive under one name, {name}: give each its own job_name")]
    Twice { name: String },
    #[error("cannot use the spool in {}: {reason}; let the agent write there, or name another folder under spool.directory", folder.display())]
    Io { folder: PathBuf, reason: io::Error },
}

/// All spools of an agent.
pub(crate) struct Spools {
    options: SpoolOptions,
    bell: Arc<Bell>,
    positions: Arc<Positions>,
    status: Status,
    total: Arc<AtomicU64>,
    begun: Arc<Mutex<BTreeMap<String, Spool>>>,
    /// Held while the agent runs.
    lock: Mutex<Option<File>>,
    keeper: Option<(Sender<()>, JoinHandle<()>)>,
}

/// One spool, of one job.
#[derive(Clone)]
pub(crate) struct Spool(Arc<Shared>);

/// What its writers, its reader and its keeper share.
struct Shared {
    source: u32,
    job: usize,
    options: SpoolOptions,
    bell: Arc<Bell>,
    positions: Arc<Positions>,
    status: Status,
    total: Arc<AtomicU64>,
    segments: Mutex<Segments>,
    /// Held while it is synced, so that nobody takes for synced what is about to be.
    syncing: Mutex<()>,
    trouble: Mutex<Trouble>,
    is_in_trouble: AtomicBool,
    /// How far it was read in this run.
    read: AtomicU64,
}

/// What keeps lines out.
#[derive(Debug, Default)]
struct Trouble {
    /// So much room is missing.
    wanted: u64,
    /// The disk is left alone until then.
    paused_until: Option<Instant>,
    said: Option<Instant>,
}

impl Spools {
    /// Takes the folder, where there is one, for this agent alone.
    ///
    /// # Errors
    ///
    /// Another agent has it, or it cannot be used.
    pub(crate) fn open(
        options: SpoolOptions,
        bell: &Arc<Bell>,
        positions: &Arc<Positions>,
        status: &Status,
        _metrics: &Arc<Metrics>,
    ) -> Result<Spools, SpoolError> {
        let begun = Arc::<Mutex<BTreeMap<String, Spool>>>::default();
        let mut spools = Spools {
            bell: Arc::clone(bell),
            positions: Arc::clone(positions),
            status: status.clone(),
            total: Arc::default(),
            begun: Arc::clone(&begun),
            lock: Mutex::new(None),
            keeper: None,
            options,
        };
        if spools.options.folder.exists() {
            spools.take_folder()?;
        }
        let all = Arc::downgrade(&begun);
        // a cursor that was written tells of lines that are on the disk
        positions.sync_first(move || all.upgrade().iter().for_each(|begun| sync_all(begun)));
        let (stop, stopped) = channel();
        let keeper = std::thread::Builder::new().name("spool".to_owned()).spawn(move || {
            while stopped.recv_timeout(SYNC_PERIOD) == Err(RecvTimeoutError::Timeout) {
                keep(&begun);
            }
        });
        spools.keeper = Some((stop, keeper.map_err(|reason| spools.io(reason))?));
        Ok(spools)
    }

    /// Begins, or goes on with, the spool of a name, which is the same in each run. `labels` are what is shown of it.
    ///
    /// # Errors
    ///
    /// It cannot be read or written.
    pub(crate) fn begin(&self, name: &str, job: usize, labels: &Labels) -> Result<Spool, SpoolError> {
        self.take_folder()?;
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(spool) = begun.get(name) {
            if spool.0.job == job {
                return Ok(spool.clone());
            }
            return Err(SpoolError::Twice { name: name.to_owned() });
        }
        let (source, place) = self.positions.named(&format!("spool {name}"));
        let folder = self.options.folder.join(folder_name(name));
        let segments = Segments::open(&folder, self.options.bytes_per_segment, &self.total, place);
        let segments = segments.map_err(|reason| self.io(reason))?;
        fs::write(folder.join(NAME), name).map_err(|reason| self.io(reason))?;
        let place = place.max(segments.start());
        let spool = Spool(Arc::new(Shared {
            source,
            job,
            options: self.options.clone(),
            bell: Arc::clone(&self.bell),
            positions: Arc::clone(&self.positions),
            status: self.status.clone(),
            total: Arc::clone(&self.total),
            segments: Mutex::new(segments),
            syncing: Mutex::default(),
            trouble: Mutex::default(),
            is_in_trouble: AtomicBool::new(false),
            read: AtomicU64::new(place),
        }));
        let reading = Box::new(Reading::new(Arc::clone(&spool.0), place));
        self.bell.add(Other { source, reading, job, labels: labels.clone() });
        begun.insert(name.to_owned(), spool.clone());
        Ok(spool)
    }

    /// Says which spools have lines and nobody who reads them, because their job is not configured any more.
    pub(crate) fn say_left_behind(&self) {
        for (name, folder, bytes) in self.left_behind() {
            tracing::warn!(
                "{bytes} bytes that were received for {name} are not sent, as no job of this name is configured: they \
                 stay in {}; configure the job again, or remove the folder",
                folder.display()
            );
        }
    }

    /// Name, folder and bytes of each.
    fn left_behind(&self) -> Vec<(String, PathBuf, u64)> {
        let begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found = Vec::new();
        for folder in fs::read_dir(&self.options.folder).into_iter().flatten().flatten() {
            let Ok(name) = fs::read_to_string(folder.path().join(NAME)) else { continue };
            let files = fs::read_dir(folder.path()).into_iter().flatten().flatten();
            let bytes =
                files.filter(|file| file.file_name() != NAME).filter_map(|file| Some(file.metadata().ok()?.len()));
            let bytes = bytes.sum();
            if bytes > 0 && !begun.contains_key(&name) {
                found.push((name, folder.path(), bytes));
            }
        }
        found
    }

    /// Takes nothing more: who still holds a spool of these is late, and the next run may have begun.
    pub(crate) fn close(&self) {
        for spool in self.begun.lock().unwrap_or_else(PoisonError::into_inner).values() {
            spool.0.lock().close();
        }
    }

    /// Bytes of all spools on the disk.
    pub(crate) fn bytes(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    fn take_folder(&self) -> Result<(), SpoolError> {
        let mut lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        if lock.is_some() {
            return Ok(());
        }
        let folder = &self.options.folder;
        let file =
            make_folder(folder).and_then(|()| File::create(folder.join(LOCK))).map_err(|reason| self.io(reason))?;
        match file.try_lock() {
            Ok(()) => *lock = Some(file),
            Err(fs::TryLockError::WouldBlock) => return Err(SpoolError::InUse { folder: folder.clone() }),
            Err(fs::TryLockError::Error(reason)) => return Err(self.io(reason)),
        }
        Ok(())
    }

    fn io(&self, reason: io::Error) -> SpoolError {
        SpoolError::Io { folder: self.options.folder.clone(), reason }
    }
}

impl Drop for Spools {
    fn drop(&mut self) {
        if let Some((stop, keeper)) = self.keeper.take() {
            drop(stop);
            // it has nothing to give back
            let _ = keeper.join();
        }
        keep(&self.begun);
    }
}

/// Syncs what was written, and removes what was answered for.
fn keep(begun: &Mutex<BTreeMap<String, Spool>>) {
    for spool in all_of(begun) {
        spool.0.remove_answered();
        spool.0.sync();
    }
}

fn sync_all(begun: &Mutex<BTreeMap<String, Spool>>) {
    all_of(begun).iter().for_each(|spool| spool.0.sync());
}

fn all_of(begun: &Mutex<BTreeMap<String, Spool>>) -> Vec<Spool> {
    begun.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
}

impl Spool {
    /// Keeps lines, all of them or none. Blocks for a moment; what cannot be kept is said in the log.
    ///
    /// # Errors
    ///
    /// `Full`: there is no room for them now.
    pub(crate) fn append(&self, lines: &[Received<'_>]) -> Result<(), SpoolError> {
        let shared = &self.0;
        if lines.is_empty() {
            return Ok(());
        }
        if shared.is_in_trouble.load(Ordering::Relaxed) && !shared.has_room() {
            return Err(SpoolError::Full);
        }
        let appended = shared.lock().append(lines, shared.options.bytes_max);
        if let Err(Refused::Closed) = appended {
            return Err(SpoolError::Full);
        }
        if let Err(Refused::Full(_)) = appended
            && shared.remove_answered()
        {
            return self.append(lines);
        }
        match appended {
            Ok(()) => {
                shared.is_well();
                shared.bell.filled(shared.source);
                Ok(())
            }
            Err(refused) => {
                shared.complain(&refused);
                Err(SpoolError::Full)
            }
        }
    }

    /// Keeps what an intake has in its hands when the agent stops, which may go beyond the bound: it is little, and
    /// nobody would send it again.
    ///
    /// # Errors
    ///
    /// The disk does not take it.
    pub(crate) fn append_last(&self, lines: &[Received<'_>]) -> Result<(), SpoolError> {
        let appended = self.0.lock().append(lines, u64::MAX);
        appended.map_err(|refused| {
            if !matches!(refused, Refused::Closed) {
                self.0.complain(&refused);
            }
            SpoolError::Full
        })
    }

    /// Waits until there is room again.
    pub(crate) async fn room(&self) {
        while !self.0.has_room() {
            tokio::time::sleep(ROOM_PERIOD).await;
        }
    }

    /// Whether there is room, as far as is known.
    #[cfg(test)]
    pub(crate) fn has_room(&self) -> bool {
        self.0.has_room()
    }

    /// Why no lines come, for who looks at the agent; `None` when they may come again.
    pub(crate) fn set_problem(&self, problem: Option<String>) {
        self.0.status.set(self.0.source, |status| status.problem = problem);
    }

    /// Whether all that was appended was read and given to the stages.
    pub(crate) fn is_read(&self) -> bool {
        let end = self.0.lock().end();
        self.0.read.load(Ordering::Acquire) >= end
    }

    /// Whether every server has answered for all that was appended.
    pub(crate) fn is_answered(&self) -> bool {
        self.0.answered() >= self.0.lock().end()
    }

    /// Its number among the sources.
    #[cfg(test)]
    pub(crate) fn source(&self) -> u32 {
        self.0.source
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Segments> {
        self.segments.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn trouble(&self) -> MutexGuard<'_, Trouble> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answered(&self) -> u64 {
        self.positions.place_of(self.source)
    }

    fn remove_answered(&self) -> bool {
        let place = self.answered();
        self.lock().remove_before(place)
    }

    fn has_room(&self) -> bool {
        if !self.is_in_trouble.load(Ordering::Relaxed) {
            return true;
        }
        let (wanted, paused_until) = {
            let trouble = self.trouble();
            (trouble.wanted, trouble.paused_until)
        };
        if paused_until.is_some_and(|until| Instant::now() < until) {
            return false;
        }
        self.remove_answered();
        let max = self.options.bytes_max;
        self.total.load(Ordering::Relaxed) + wanted.min(max / 2) <= max
    }

    fn is_well(&self) {
        if self.is_in_trouble.swap(false, Ordering::Relaxed) {
            let mut trouble = self.trouble();
            *trouble = Trouble { said: trouble.said, ..Trouble::default() };
            drop(trouble);
            self.status.set(self.source, |status| status.problem = None);
        }
    }

    fn complain(&self, refused: &Refused) {
        let now = Instant::now();
        let folder = self.options.folder.display();
        let mut trouble = self.trouble();
        let reason = match refused {
            Refused::Full(bytes) => {
                trouble.wanted = *bytes;
                let max = self.options.bytes_max;
                format!(
                    "the spool in {folder} is full: {max} bytes wait for the servers, and no more is taken until they \
                     have answered; spool.size_max sets the bound"
                )
            }
            Refused::Closed => return,
            Refused::Io(error) => {
                trouble.paused_until = Some(now + DISK_PAUSE);
                format!(
                    "cannot write to the spool in {folder}: {error}; no more is taken until it can; free the disk, or \
                     let the agent write there"
                )
            }
        };
        self.is_in_trouble.store(true, Ordering::Relaxed);
        if trouble.said.is_none_or(|said| now >= said + SAID_AGAIN) {
            trouble.said = Some(now);
            tracing::warn!("{reason}");
        }
        drop(trouble);
        self.status.set(self.source, |status| status.problem = Some(reason));
    }

    fn sync(&self) {
        let _syncing = self.syncing.lock().unwrap_or_else(PoisonError::into_inner);
        let (files, folder) = self.lock().take_unsynced();
        let synced = files.iter().try_for_each(|file| file.sync_data());
        let synced = synced.and_then(|()| folder.map_or(Ok(()), |folder| File::open(folder)?.sync_all()));
        if let Err(error) = synced {
            tracing::error!("cannot sync the spool in {}: {error}", self.options.folder.display());
        }
    }
}

/// A folder for a spool: what of its name a file name may have, and what tells it from others.
fn folder_name(name: &str) -> String {
    let is_plain = |letter: &char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
    let mut folder: String = name.chars().map(|letter| if is_plain(&letter) { letter } else { '_' }).take(60).collect();
    // writing into a String does not fail
    let _ = write!(folder, "-{:016x}", xxh3_64(name.as_bytes()));
    folder
}

/// Others are not to read what was logged.
fn make_folder(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}
