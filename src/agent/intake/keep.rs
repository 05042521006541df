//! From the hands of an intake into its spool.
//!
//! Promises: lines that were given are in the spool when it returns, however long there was no room, unless the agent
//! stops meanwhile.

use std::time::Duration;

use crate::agent::intake::Stop;
use crate::agent::spool::{Received, Spool, SpoolError};
use crate::model::{Labels, Timestamp};

/// A line as an intake has it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Line {
    /// `None` means now.
    pub(crate) timestamp: Option<Timestamp>,
    pub(crate) labels: Labels,
    pub(crate) text: String,
}

/// What became of lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    All,
    /// The disk took nothing until the agent stopped.
    None,
}

/// Between two tries, for that there is room means that there is some, not that it is enough.
const PAUSE: Duration = Duration::from_millis(50);

/// Appends lines, and waits where there is no room.
pub(crate) async fn keep(spool: &Spool, lines: &[Line], stop: &mut Stop) -> Kept {
    let room = async || {
        tokio::time::sleep(PAUSE).await;
        spool.room().await;
    };
    while try_keep(spool, lines).is_err() {
        tokio::select! {
            () = room() => {}
            () = stop.stopped() => {
                let lines: Vec<Received<'_>> = lines.iter().map(Line::received).collect();
                return if spool.append_last(&lines).is_ok() { Kept::All } else { Kept::None };
            }
        }
    }
    Kept::All
}

/// Appends lines, all or none.
///
/// # Errors
///
/// There is no room.
pub(crate) fn try_keep(spool: &Spool, lines: &[Line]) -> Result<(), SpoolError> {
    let lines: Vec<Received<'_>> = lines.iter().map(Line::received).collect();
    spool.append(&lines)
}

impl Line {
    fn received(&self) -> Received<'_> {
        Received { timestamp: self.timestamp, labels: &self.labels, line: &self.text, structured: &[] }
    }
}
