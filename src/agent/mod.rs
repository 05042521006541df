//! The agent: reads logs where they are written and pushes them to a server, with Promtail's configuration as it is.
//!
//! ```text
//! files ────────────────────────────┐
//! listeners, journal, docker, stdin → spool ┤→ reader → stages → outlet → one queue per server → push
//!                                   positions ←─────────────────────── what every server has answered
//! ```
//!
//! Promises: what was read is forgotten only when each server has answered for it; a server that is away costs time and
//! no line; what is sent again after a kill is the same to the last nanosecond, so that the store keeps it once. Memory
//! is bounded whatever the sources do. A key of the configuration that is not followed is an error at the start.
//!
//! What cannot be read twice (a socket, standard input, a container) is written to the spool on the disk first, so that
//! the reader knows one kind of source alone: one with places to go back to.

pub(crate) mod config;
mod connections;
pub(crate) mod discovery;
pub(crate) mod entry;
pub(crate) mod files;
pub(crate) mod intake;
mod lock;
pub(crate) mod metrics;
pub(crate) mod outlet;
pub(crate) mod positions;
pub(crate) mod push;
pub(crate) mod reader;
pub(crate) mod relabel;
pub(crate) mod run;
pub(crate) mod show;
pub(crate) mod source;
pub(crate) mod spool;
pub(crate) mod stage;
pub(crate) mod status;

pub(crate) use crate::agent::config::Config;

/// What is done with the lines that were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// They are sent.
    Run,
    /// They are printed and not sent, and no position is written.
    DryRun,
    /// The same, with what each stage changed.
    Inspect,
}
