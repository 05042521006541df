//! What the reader reads: something with places to go back to, be it a file or the spool of a listener.

use std::io;

use crate::model::{Labels, Timestamp};

/// A line as its source has it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record<'a> {
    /// Where it begins and where the next one begins.
    pub(crate) start: u64,
    pub(crate) end: u64,
    /// Without its end; what was no UTF-8 has been replaced.
    pub(crate) line: &'a str,
    /// Where the source knows it: what was pushed or came by syslog.
    pub(crate) timestamp: Option<Timestamp>,
    /// Where lines of one source have different ones; else those of the target.
    pub(crate) labels: Option<&'a Labels>,
    /// Structured metadata: what was pushed may have it.
    pub(crate) structured: &'a [(String, String)],
    /// Where who sent it named one.
    pub(crate) tenant: Option<&'a str>,
}

/// How far a reading came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// There is more to read now.
    More,
    /// There is nothing more for the moment.
    Idle,
    /// There will never be more: a file that was taken away, an old part of the spool.
    Over,
}

/// Something that is read from a place on.
pub(crate) trait Source: Send {
    /// Reads a bounded part and hands its whole lines out in order; then tells where the next part begins by itself.
    ///
    /// # Errors
    ///
    /// Reading failed; it is tried again later from the same place.
    fn read(&mut self, each: &mut dyn FnMut(Record<'_>)) -> io::Result<Progress>;

    /// Where the next part begins.
    fn place(&self) -> u64;

    /// Lines that begin between the place and here are there already, as far as is known: they were read at one time.
    fn ahead(&mut self) -> u64 {
        self.place() + (1 << 20)
    }
}
