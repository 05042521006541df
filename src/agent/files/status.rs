//! What is said of each source to people: how far it is read, and what is wrong with it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

/// One source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FileStatus {
    pub(crate) path: PathBuf,
    /// The name of the scrape configuration.
    pub(crate) job: String,
    /// Of its lines, but for the name of the file.
    pub(crate) labels: String,
    /// How far it is read, of how much as far as is known.
    pub(crate) place: u64,
    pub(crate) size: u64,
    /// Lines and bytes that were read in this run.
    pub(crate) lines: u64,
    pub(crate) bytes: u64,
    /// When there was something to read last.
    pub(crate) read: Option<SystemTime>,
    /// The number of the scrape configuration.
    pub(crate) job_index: usize,
    /// Why it cannot be read, and what to try.
    pub(crate) problem: Option<String>,
}

/// All of them; shared by the reader and who tells people.
#[derive(Clone, Debug, Default)]
pub(crate) struct Status(Arc<Mutex<Table>>);

#[derive(Debug, Default)]
struct Table {
    sources: BTreeMap<u32, FileStatus>,
    /// Of files and folders that are no sources because they cannot be read.
    problems: BTreeMap<PathBuf, String>,
}

impl Status {
    pub(crate) fn sources(&self) -> Vec<FileStatus> {
        self.lock().sources.values().cloned().collect()
    }

    pub(crate) fn has_sources(&self) -> bool {
        !self.lock().sources.is_empty()
    }

    /// Files and folders that are no sources because they cannot be read, and why.
    pub(crate) fn unread(&self) -> Vec<(PathBuf, String)> {
        self.lock().problems.iter().map(|(path, reason)| (path.clone(), reason.clone())).collect()
    }

    /// Paths that cannot be read, and why.
    #[cfg(test)]
    pub(crate) fn problems(&self) -> Vec<(PathBuf, String)> {
        let table = self.lock();
        let own = table.problems.iter().map(|(path, reason)| (path.clone(), reason.clone()));
        let of_sources = table.sources.values().filter_map(|file| Some((file.path.clone(), file.problem.clone()?)));
        own.chain(of_sources).collect()
    }

    /// Changes what is said of a source; it is there from now on.
    pub(crate) fn set(&self, source: u32, how: impl FnOnce(&mut FileStatus)) {
        how(self.lock().sources.entry(source).or_default());
    }

    pub(crate) fn remove(&self, source: u32) {
        self.lock().sources.remove(&source);
    }

    pub(crate) fn set_problem(&self, path: &Path, reason: &str) {
        self.lock().problems.insert(path.to_owned(), reason.to_owned());
    }

    pub(crate) fn keep_problems(&self, is_kept: impl Fn(&Path) -> bool) {
        self.lock().problems.retain(|path, _| is_kept(path));
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
