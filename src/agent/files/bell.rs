//! What wakes the reader: the system's word that a file changed, a listener that filled its spool, new targets, the end.
//!
//! Promises: rings for one thing are one; who never comes to look costs no more memory than there are names.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::agent::files::target::Target;
use crate::agent::source::Source;
use crate::model::Labels;

/// Beyond so many names all files are looked at anyway.
const PATHS_MAX: usize = 20_000;

/// A source that is no file.
pub(crate) struct Other {
    pub(crate) source: u32,
    pub(crate) reading: Box<dyn Source>,
    /// Which pipeline its lines go through.
    pub(crate) job: usize,
    pub(crate) labels: Labels,
}

/// What has been rung for.
#[derive(Default)]
pub(crate) struct Rung {
    /// Files whose content changed.
    pub(crate) changed: HashSet<PathBuf>,
    /// Sources that are no files.
    pub(crate) sources: HashSet<u32>,
    pub(crate) others: Vec<Other>,
    pub(crate) targets: Option<Vec<Target>>,
    /// Names came or went.
    pub(crate) is_named_anew: bool,
    /// Something was missed: all files are to be looked at.
    pub(crate) is_missed: bool,
    /// Folders that the system does not watch for us.
    pub(crate) unwatched: Vec<PathBuf>,
    pub(crate) is_stopped: bool,
}

/// Shared by all who ring and the one who listens.
#[derive(Default)]
pub(crate) struct Bell {
    rung: Mutex<Rung>,
    condvar: Condvar,
    is_hurried: AtomicBool,
}

impl std::fmt::Debug for Bell {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Bell").finish_non_exhaustive()
    }
}

impl Rung {
    fn is_empty(&self) -> bool {
        self.changed.is_empty()
            && self.sources.is_empty()
            && self.others.is_empty()
            && self.targets.is_none()
            && self.unwatched.is_empty()
            && !(self.is_named_anew || self.is_missed || self.is_stopped)
    }
}

impl Bell {
    /// A file's content changed.
    pub(crate) fn changed(&self, path: &Path) {
        let mut rung = self.lock();
        if rung.is_missed || rung.changed.contains(path) {
            return;
        }
        if rung.changed.len() >= PATHS_MAX {
            rung.changed.clear();
            rung.is_missed = true;
        } else {
            rung.changed.insert(path.to_owned());
        }
        self.condvar.notify_one();
    }

    /// A file came, went, or was renamed.
    pub(crate) fn named_anew(&self) {
        self.ring(|rung| rung.is_named_anew = true);
    }

    pub(crate) fn missed(&self) {
        self.ring(|rung| rung.is_missed = true);
    }

    pub(crate) fn unwatched(&self, folder: PathBuf) {
        self.ring(|rung| rung.unwatched.push(folder));
    }

    /// A source that is no file has more to read.
    pub(crate) fn filled(&self, source: u32) {
        self.ring(|rung| {
            rung.sources.insert(source);
        });
    }

    /// A source that is no file is to be read from now on. Its number is the one that positions gave.
    pub(crate) fn add(&self, other: Other) {
        self.ring(|rung| rung.others.push(other));
    }

    /// These are all targets from now on.
    pub(crate) fn set_targets(&self, targets: Vec<Target>) {
        self.ring(|rung| rung.targets = Some(targets));
    }

    /// Nothing more will come: what stages and batches wait with is to go at once.
    pub(crate) fn hurry(&self) {
        self.is_hurried.store(true, Ordering::Release);
        self.missed();
    }

    pub(crate) fn is_hurried(&self) -> bool {
        self.is_hurried.load(Ordering::Acquire)
    }

    /// The reader is to end.
    pub(crate) fn stop(&self) {
        self.ring(|rung| rung.is_stopped = true);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.lock().is_stopped
    }

    /// Waits until something is rung for, or the time is over; takes it.
    pub(crate) fn wait(&self, wait: Duration) -> Rung {
        let guard = self.lock();
        let waited = self.condvar.wait_timeout_while(guard, wait, |rung| rung.is_empty());
        let (mut rung, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let is_stopped = rung.is_stopped;
        let taken = std::mem::take(&mut *rung);
        // the end stays rung for
        rung.is_stopped = is_stopped;
        taken
    }

    fn ring(&self, how: impl FnOnce(&mut Rung)) {
        how(&mut self.lock());
        self.condvar.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Rung> {
        self.rung.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
