//! What the agent counts of itself, under the names that Promtail has for it.

use std::collections::BTreeMap;
use std::sync::Mutex;

/// Counters of one agent.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    /// Lines and bytes that stages dropped, by reason.
    dropped: Mutex<BTreeMap<String, (u64, u64)>>,
}

impl Metrics {
    /// A stage dropped a line, as its configuration says.
    pub(crate) fn dropped(&self, reason: &str, bytes: usize) {
        let mut dropped = self.dropped.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let (lines, all_bytes) = dropped.entry(reason.to_owned()).or_default();
        *lines += 1;
        *all_bytes += bytes as u64;
    }
}
