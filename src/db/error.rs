//! What can go wrong with the small state, in words for whoever asked.

use std::path::PathBuf;

use crate::db::deletions::OPEN_MAX;
use crate::db::panels::{PANELS_MAX, PINS_MAX};
use crate::db::{PASSWORD_BYTES_MAX, PASSWORD_CHARS_MIN};

/// The first group is the operator's to mend, the second the asking person's.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot make the database file {path}: {source}")]
    Create { path: PathBuf, source: std::io::Error },
    #[error(
        "cannot open the database {path}: {source}; where it is damaged, restore it from a backup, or let \
         `logcafe check --repair` make a new one of what can be read"
    )]
    Open { path: PathBuf, source: rusqlite::Error },
    #[error("{path} was made by a newer logcafe (it knows the migration {migration}); run that version")]
    Newer { path: PathBuf, migration: String },
    #[error("{path} was made with another text of the migration {migration}; restore it from a backup")]
    Foreign { path: PathBuf, migration: String },
    #[error("the database failed: {0}")]
    Sql(#[from] rusqlite::Error),
    #[error("cannot hash the password: {0}")]
    Hash(String),

    #[error("a user name takes 1 to 64 letters, digits or any of . _ - + @")]
    UserNameInvalid,
    #[error("there is a user {0} already; choose another name")]
    UserNameTaken(String),
    #[error("there is no user {0}; `logcafe user list` shows who there is")]
    UserUnknown(String),
    #[error("the last admin is {0}; make someone else an admin first")]
    LastAdmin(String),
    #[error("a password takes at least {PASSWORD_CHARS_MIN} characters")]
    PasswordShort,
    #[error("a password takes at most {PASSWORD_BYTES_MAX} bytes")]
    PasswordLong,
    #[error("this setup code is not valid; the current one is in the output of `logcafe serve`")]
    SetupCodeWrong,
    #[error("a token name takes 1 to 64 characters, none of them control characters")]
    TokenNameInvalid,
    #[error("there is a token {0} already; choose another name")]
    TokenNameTaken(String),
    #[error("there is no token {0}; `logcafe token list` shows which there are")]
    TokenUnknown(String),
    #[error("a saved query's name takes 1 to 80 characters, none of them control characters")]
    SavedNameInvalid,
    #[error("you have a saved query {0} already; choose another name")]
    SavedNameTaken(String),
    #[error("this saved query is not there, or not yours")]
    SavedUnknown,
    #[error("a panel's title takes at most 80 characters, none of them control characters")]
    PanelTitleInvalid,
    #[error("this panel is not there, or not yours")]
    PanelUnknown,
    #[error("a home page takes at most {PANELS_MAX} panels; remove one first")]
    PanelsCrowded,
    #[error("the services are on this home page already")]
    PanelServicesTaken,
    #[error("a home page takes at most {PINS_MAX} pinned services; unpin one first")]
    PinsCrowded,
    #[error("{OPEN_MAX} requests to delete wait already; try again when some are through")]
    DeletionsCrowded,
    #[error("there is no such request to delete")]
    DeletionUnknown,
    #[error("deletion of request which is in process or already processed is not allowed")]
    DeletionBegun,
    #[error("a tag takes 1 to 32 characters without commas, and a saved query takes at most 8 tags")]
    SavedTagInvalid,
    #[error("this link is not there, or not yours")]
    LinkUnknown,
    #[error("this is not in your history")]
    HistoryUnknown,
    #[error("this snapshot is not there, or not yours")]
    SnapshotUnknown,
    #[error("snapshots may be kept for an hour, a day, 7 or 30 days")]
    SnapshotAgeInvalid,
    #[error("there is no room for another snapshot; revoke one that is no longer needed")]
    SnapshotsFull,
    #[error("the disk is full, so nothing was kept; make room and try again")]
    DiskFull,
    #[error("{what} takes at most {max}")]
    SavedTooLarge { what: Kept, max: usize },
}

/// What may grow too large to be kept; in English, with the unit of its bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    Query,
    Time,
    Look,
    Description,
    List,
    Address,
    Snapshot,
}

impl std::fmt::Display for Kept {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Kept::Query => "a saved query, in bytes,",
            Kept::Time => "a saved time, in bytes,",
            Kept::Look => "the look of a saved view, in bytes,",
            Kept::Description => "a description, in characters,",
            Kept::List => "a person's list of saved queries",
            Kept::Address => "the address behind a link, in bytes,",
            Kept::Snapshot => "a snapshot, in bytes,",
        })
    }
}

impl Error {
    /// Whether the asking person can mend it, so that the text is for them; the others are internal.
    pub fn is_for_the_asker(&self) -> bool {
        match self {
            Error::Create { .. }
            | Error::Open { .. }
            | Error::Newer { .. }
            | Error::Foreign { .. }
            | Error::Sql(_)
            | Error::Hash(_) => false,
            Error::UserNameInvalid
            | Error::UserNameTaken(_)
            | Error::UserUnknown(_)
            | Error::LastAdmin(_)
            | Error::PasswordShort
            | Error::PasswordLong
            | Error::SetupCodeWrong
            | Error::TokenNameInvalid
            | Error::TokenNameTaken(_)
            | Error::TokenUnknown(_)
            | Error::SavedNameInvalid
            | Error::SavedNameTaken(_)
            | Error::SavedUnknown
            | Error::PanelTitleInvalid
            | Error::PanelUnknown
            | Error::PanelsCrowded
            | Error::PanelServicesTaken
            | Error::PinsCrowded
            | Error::DeletionsCrowded
            | Error::DeletionUnknown
            | Error::DeletionBegun
            | Error::SavedTagInvalid
            | Error::LinkUnknown
            | Error::HistoryUnknown
            | Error::SnapshotUnknown
            | Error::SnapshotAgeInvalid
            | Error::SnapshotsFull
            | Error::DiskFull
            | Error::SavedTooLarge { .. } => true,
        }
    }
}

/// Says in words that the disk is full, where that is what stopped the change.
pub(in crate::db) fn on_full(error: Error) -> Error {
    match &error {
        Error::Sql(source) if source.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull) => Error::DiskFull,
        _ => error,
    }
}

/// Says a uniqueness rule of the schema in words: `taken` where that is what stopped the change.
pub(in crate::db) fn on_taken(error: rusqlite::Error, taken: impl FnOnce() -> Error) -> Error {
    match error.sqlite_error() {
        Some(cause) if cause.extended_code == rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE => taken(),
        Some(_) | None => Error::Sql(error),
    }
}
