//! A pipeline as a stage of another one.

use std::time::Instant;

use crate::agent::entry::Entry;
use crate::agent::stage::{Flow, Pipeline, Stage};

/// Runs a pipeline. As in Promtail, it begins with all labels among what was taken out.
pub(crate) struct Nested {
    pipeline: Pipeline,
}

impl Nested {
    pub(crate) fn new(pipeline: Pipeline) -> Nested {
        Nested { pipeline }
    }
}

impl Stage for Nested {
    fn run(&mut self, entry: &mut Entry, now: Instant) -> Flow {
        entry.extract_labels();
        self.pipeline.run_from(0, entry, now)
    }

    fn due(&mut self, now: Instant, all: bool) -> Option<Entry> {
        self.pipeline.due(now, all)
    }

    fn held_since(&self, source: u32) -> Option<u64> {
        self.pipeline.held_since(source)
    }

    fn paused_until(&self, now: Instant) -> Option<Instant> {
        self.pipeline.paused_until(now)
    }
}
