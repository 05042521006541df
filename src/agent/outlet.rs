//! Where lines go that have been through the stages: to every server, and what the servers have answered for.

use std::time::{Duration, Instant};

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

/// Takes lines in, in order. Never waits in `send`: who reads asks `ready` before each stretch, and goes on looking after
/// its files while the servers are behind.
pub(crate) trait Outlet {
    /// Whether more may be read; waits up to `wait` until it may.
    fn ready(&mut self, wait: Duration) -> bool;

    /// Said before the lines of a stretch are sent.
    fn begin(&mut self, stretch: Stretch);

    fn send(&mut self, line: Outgoing<'_>);

    /// Said after lines were sent: all that begins before `place` was sent or is not wanted, so that it need not be read
    /// again once the servers have answered for what was sent until now.
    fn reached(&mut self, source: u32, place: u64);

    /// Lets go of lines that waited long enough for others; when it is to be said again at the latest.
    fn tick(&mut self, now: Instant) -> Option<Instant>;
}

/// Who remembers how far each source was answered for.
pub(crate) trait Ledger: Send + Sync {
    /// Lines of these stretches are about to be sent. When this returns they are remembered, even by who comes after a kill.
    fn begun(&self, stretches: &[Stretch]);

    /// All servers answered for what begins before `place`.
    fn answered(&self, source: u32, place: u64);
}
