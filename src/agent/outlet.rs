//! Where lines go that have been through the stages: to every server, and what the servers have answered for.

use crate::model::{Labels, Timestamp};

/// One line as it is sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outgoing<'a> {
    pub(crate) labels: &'a Labels,
    pub(crate) timestamp: Timestamp,
    pub(crate) line: &'a str,
    pub(crate) structured: &'a [(String, String)],
    pub(crate) tenant: Option<&'a str>,
}

/// Lines that were read together, and the times that they were given: a line that begins at `place` got
/// `first + (place - start)` nanoseconds. Read again after a kill, they get the same ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub(crate) source: u32,
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) first: Timestamp,
}

/// Takes lines in, in order. Waits while the servers are behind, so that memory is bounded.
pub(crate) trait Outlet {
    fn send(&mut self, line: Outgoing<'_>);

    /// Said before the lines of a stretch are sent.
    fn begin(&mut self, stretch: Stretch);

    /// Said after lines were sent: all that begins before `place` was sent or is not wanted, so that it need not be read
    /// again once the servers have answered for what was sent until now.
    fn reached(&mut self, source: u32, place: u64);
}
