//! The small state in SQL: people, their sessions, machines' tokens, saved queries, histories, links,
//! snapshots, home pages, requests to delete. One file per table.
//!
//! Promises: of passwords, sessions, tokens, snapshot links and setup codes only hashes are stored; what a function returned for is
//! on disk; other processes may use the same file at the same time.
//! Never: log lines, HTTP. This is the only area that speaks SQL. All calls block: use `spawn_blocking`.

pub mod check;
pub mod deletions;
mod error;
pub mod history;
pub mod logins;
mod migrate;
pub mod pairings;
pub mod panels;
mod password;
mod proxies;
pub mod saved_queries;
mod secret;
pub mod sessions;
pub mod setup;
pub mod short_links;
pub mod snapshots;
mod throttle;
pub mod tokens;
pub mod users;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, Transaction, TransactionBehavior};

pub use error::{Error, Kept};
pub use password::{PASSWORD_BYTES_MAX, PASSWORD_CHARS_MIN};
pub use proxies::{NetworkInvalid, Proxies};
pub use secret::Secret;
pub use throttle::Address;

use crate::model::Timestamp;

/// How long a call waits while another process writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// An open database. Clones share one connection: the calls are short, so they take turns.
#[derive(Clone)]
pub struct Db {
    shared: Arc<Shared>,
}

struct Shared {
    path: PathBuf,
    connection: Mutex<Connection>,
    throttle: throttle::Throttle,
    /// Guesses at the links of snapshots: apart from logins, as who opens a link that is over should still get in.
    guesses: throttle::Throttle,
    checker: password::Checker,
}

impl Db {
    /// Opens the file, or makes it and the folders above it, and brings its tables up to date.
    pub fn open(path: &Path) -> Result<Db, Error> {
        make_private_file(path).map_err(|source| Error::Create { path: path.to_owned(), source })?;
        let connection = migrate::connect(path)?;
        Ok(Db {
            shared: Arc::new(Shared {
                path: path.to_owned(),
                connection: Mutex::new(connection),
                throttle: throttle::Throttle::default(),
                guesses: throttle::Throttle::default(),
                checker: password::Checker::new(),
            }),
        })
    }

    /// The file that was opened.
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    fn read<T>(&self, question: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        question(&self.connection())
    }

    /// Runs a change whole or not at all. Takes the write lock at once, so what it reads stays true until its end.
    fn write<T>(&self, change: impl FnOnce(&Transaction<'_>) -> Result<T, Error>) -> Result<T, Error> {
        let mut connection = self.connection();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let outcome = change(&transaction)?;
        transaction.commit()?;
        Ok(outcome)
    }

    /// After a change that took something back: empties the write-ahead log, which still has what was overwritten.
    fn scrub(&self) {
        let sql = "pragma wal_checkpoint(truncate)";
        let emptied = self.connection().query_row(sql, [], |row| row.get::<_, i64>(0));
        match emptied {
            Ok(0) => {}
            Ok(_) => tracing::warn!("the write-ahead log is in use: what was taken back stays in it for a while"),
            Err(error) => tracing::warn!(%error, "what was taken back stays in the write-ahead log for a while"),
        }
    }

    /// A thread that panicked here left no half change behind: its transaction was rolled back.
    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.shared.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Db {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Db").field("path", &self.shared.path).finish_non_exhaustive()
    }
}

/// Makes a folder, and those above it that are missing, for the account that runs logcafe alone. One that is there is
/// left as it is: who made it may have had a reason.
pub fn make_private_folder(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Only the account that runs logcafe may read the hashes; SQLite gives its side files the same mode.
fn make_private_file(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    if let Some(folder) = path.parent() {
        make_private_folder(folder)?;
    }
    fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
    Ok(())
}

/// Times are stored as whole seconds.
fn seconds(time: Timestamp) -> i64 {
    time.nanos().div_euclid(1_000_000_000)
}

#[cfg(test)]
pub(in crate::db) mod tests {
    use crate::db::*;

    /// A database in a folder of its own, gone with it.
    pub(in crate::db) struct Scratch {
        pub(in crate::db) db: Db,
        pub(in crate::db) folder: tempfile::TempDir,
    }

    pub(in crate::db) fn scratch() -> Scratch {
        let folder = tempfile::tempdir().unwrap();
        Scratch { db: Db::open(&folder.path().join("logcafe.db")).unwrap(), folder }
    }

    impl Scratch {
        /// Whether these bytes are anywhere in the files.
        pub(in crate::db) fn holds(&self, text: &[u8]) -> bool {
            let files = fs::read_dir(self.folder.path()).unwrap().map(|file| fs::read(file.unwrap().path()).unwrap());
            files.into_iter().any(|bytes| bytes.windows(text.len()).any(|window| window == text))
        }
    }

    #[test]
    fn the_file_and_its_folder_are_private() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/logcafe.db");
        let _db = Db::open(&path).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    }
}
