//! What can go wrong in the store, and the one way to name a failed file operation.

use std::io;
use std::path::{Path, PathBuf};

use tantivy::TantivyError;
use tantivy::directory::error::OpenReadError;

/// What went wrong in the store.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot {action} {}: {source}", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    #[error("{} is damaged: {reason}", path.display())]
    Damaged { path: PathBuf, reason: String },
    #[error("the index in {} failed: {source}", path.display())]
    Index { path: PathBuf, source: tantivy::TantivyError },
    #[error(
        "the disk is nearly full: {free_bytes} bytes are free at {}, and {floor_bytes} are kept free; \
         free some space or keep less", path.display()
    )]
    DiskFull { path: PathBuf, free_bytes: u64, floor_bytes: u64 },
    #[error("too much is waiting to be written to disk; try again in a moment")]
    Busy,
    #[error(
        "the push has entries of {found} days that are new here, more than {max}: send the days one after another, \
         or check the times"
    )]
    TooManyDays { found: usize, max: usize },
    #[error("the store is closed")]
    Closed,
    #[error("{} is in use by another process", path.display())]
    InUse { path: PathBuf },
    #[error(
        "{} was written by a newer version: it has format {found}, this version reads up to {known}; if no newer version \
         ever ran here, the file FORMAT is damaged: write \"logcafe store {known}\" into it", path.display()
    )]
    NewerFormat { path: PathBuf, found: u32, known: u32 },
}

impl Error {
    /// The same in other words, for one more who asks.
    pub(crate) fn again(&self) -> Error {
        match self {
            Error::Damaged { path, reason } => Error::Damaged { path: path.clone(), reason: reason.clone() },
            Error::Io { path, source, .. } => damaged(path, source.to_string()),
            Error::Index { path, source } => damaged(path, source.to_string()),
            Error::DiskFull { .. }
            | Error::Busy
            | Error::Closed
            | Error::InUse { .. }
            | Error::TooManyDays { .. }
            | Error::NewerFormat { .. } => damaged(Path::new("the store"), self.to_string()),
        }
    }

    /// Whether bytes on disk make no sense, or are missing: trying again does not help.
    pub(crate) fn is_damage(&self) -> bool {
        match self {
            Error::Damaged { .. } => true,
            Error::Index { source, .. } => match source {
                TantivyError::OpenReadError(OpenReadError::IoError { io_error, .. })
                | TantivyError::IoError(io_error) => is_of_the_bytes(io_error),
                TantivyError::OpenDirectoryError(_)
                | TantivyError::OpenWriteError(_)
                | TantivyError::LockFailure(..) => false,
                // the library's own enum: whatever else it says, it says of what it read
                _ => true,
            },
            Error::Io { action, source, .. } => *action == "read" && is_of_the_bytes(source),
            Error::DiskFull { .. }
            | Error::Busy
            | Error::Closed
            | Error::InUse { .. }
            | Error::TooManyDays { .. }
            | Error::NewerFormat { .. } => false,
        }
    }
}

/// Whether the bytes that were read are at fault, or the disk that has them: not memory, rights or open files.
fn is_of_the_bytes(error: &io::Error) -> bool {
    error.raw_os_error().is_none_or(|code| code == libc::EIO)
}

/// Names the operation and the file of an IO error.
pub(crate) fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error + use<> {
    let path = path.to_owned();
    move |source| Error::Io { action, path, source }
}

/// Names the file in which bytes make no sense.
pub(crate) fn damaged(path: &Path, reason: impl Into<String>) -> Error {
    Error::Damaged { path: path.to_owned(), reason: reason.into() }
}
