//! The nouns of logging: labels, entries, times, matchers.
//!
//! Promises: plain values that cannot be wrong once built. Never: IO, a clock, a foreign format.

pub mod entry;
pub mod form;
pub(crate) mod harmless;
pub mod labels;
pub mod matcher;
pub mod memory;
pub(crate) mod near;
pub mod re2;
pub mod time;

pub use entry::{Batch, Entry, StreamEntries};
pub use labels::Labels;
pub use matcher::{MatchOp, Matcher};
pub use memory::{Memory, MemoryExceeded, Share};
pub use time::{Direction, TimeRange, Timestamp};
