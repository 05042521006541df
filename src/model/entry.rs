//! Log entries on their way in: what a decoded push holds before it is stored.

use std::borrow::Cow;

use crate::model::{Labels, Timestamp};

/// One log entry, its text borrowed from the request that brought it.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry<'a> {
    pub timestamp: Timestamp,
    /// The text, which may hold newlines and may be empty.
    pub line: Cow<'a, str>,
    /// Structured metadata, `detected_level` included. Shared between entries that have the same.
    pub metadata: Labels,
}

/// Entries of one stream, in the order they were sent.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamEntries<'a> {
    /// The labels that name the stream; never empty, no value is empty.
    pub labels: Labels,
    pub entries: Vec<Entry<'a>>,
}

/// What one push brings: it is stored whole or not at all.
#[derive(Clone, Debug)]
pub struct Batch<'a> {
    /// The bytes that go into the write-ahead log. Decoding them again must give exactly `streams`.
    pub record: Cow<'a, [u8]>,
    pub streams: Vec<StreamEntries<'a>>,
}
