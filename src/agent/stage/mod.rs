//! The stages of a pipeline: what happens to each line between its source and the servers. Each kind is a file: its
//! configuration as Promtail writes it, and what it does.
//!
//! Promises: a stage whose configuration is wrong is refused when the configuration is read, at its line; what a stage
//! drops is counted; what it holds back is known by its place, and never forgotten before it is sent.

pub(crate) mod cri;
pub(crate) mod decolorize;
pub(crate) mod docker;
pub(crate) mod drop;
pub(crate) mod eventlogmessage;
pub(crate) mod generations;
pub(crate) mod geoip;
pub(crate) mod json;
mod json_walk;
pub(crate) mod labels;
pub(crate) mod limit;
pub(crate) mod logfmt;
pub(crate) mod matcher;
pub(crate) mod metrics;
pub(crate) mod multiline;
mod nested;
pub(crate) mod output;
pub(crate) mod pack;
pub(crate) mod regex;
pub(crate) mod replace;
pub(crate) mod sampling;
pub(crate) mod setting;
#[cfg(test)]
mod spec;
pub(crate) mod template;
pub(crate) mod tenant;
pub(crate) mod timestamp;

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use crate::agent::entry::Entry;
use crate::agent::metrics::Metrics;
use crate::model::Timestamp;

/// What becomes of a line after a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    /// It goes on.
    Pass,
    /// It ends here, and the stage has counted it.
    Drop,
    /// The stage keeps it for later.
    Hold,
}

/// What stages know of the agent around them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Surroundings {
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) clock: Clock,
}

/// What time it is, for stages that compare with it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock(fn() -> Timestamp);

impl Clock {
    pub(crate) fn now(self) -> Timestamp {
        (self.0)()
    }
}

impl Default for Clock {
    fn default() -> Clock {
        Clock(|| SystemTime::now().into())
    }
}

/// One stage. Stages live on the reader's thread.
pub(crate) trait Stage: Send {
    /// Changes a line. A stage that joins lines may put another one into its place: the whole of what it held.
    fn run(&mut self, entry: &mut Entry, now: Instant) -> Flow;

    /// The next line that was held long enough, or any where `all`: it goes through the stages after this one.
    fn due(&mut self, _now: Instant, _all: bool) -> Option<Entry> {
        None
    }

    /// The first place of a source that is held back.
    fn held_since(&self, _source: u32) -> Option<u64> {
        None
    }

    /// Until when nothing more should be read for this stage: it holds back what was too much.
    fn paused_until(&self, _now: Instant) -> Option<Instant> {
        None
    }
}

/// The stages of one scrape configuration, in order.
#[derive(Default)]
pub(crate) struct Pipeline {
    stages: Vec<Box<dyn Stage>>,
}

impl Pipeline {
    pub(crate) fn new(stages: Vec<Box<dyn Stage>>) -> Pipeline {
        Pipeline { stages }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.stages.is_empty()
    }

    /// Takes a line through all stages; `out` gets what comes out, which may be lines that were held before.
    pub(crate) fn run(&mut self, entry: &mut Entry, now: Instant, out: &mut dyn FnMut(&Entry)) {
        if self.run_from(0, entry, now) == Flow::Pass {
            out(entry);
        }
    }

    /// Lets go of what was held long enough, or of all.
    pub(crate) fn flush(&mut self, now: Instant, all: bool, out: &mut dyn FnMut(&Entry)) {
        while let Some(entry) = self.due(now, all) {
            out(&entry);
        }
    }

    /// The next line that a stage held and that came through those after it.
    fn due(&mut self, now: Instant, all: bool) -> Option<Entry> {
        for index in 0..self.stages.len() {
            while let Some(mut entry) = self.stages[index].due(now, all) {
                if self.run_from(index + 1, &mut entry, now) == Flow::Pass {
                    return Some(entry);
                }
            }
        }
        None
    }

    /// Until when nothing more should be read for this pipeline, though the servers would take it.
    pub(crate) fn paused_until(&self, now: Instant) -> Option<Instant> {
        self.stages.iter().filter_map(|stage| stage.paused_until(now)).max()
    }

    /// The first place of a source that a stage holds back.
    pub(crate) fn held_since(&self, source: u32) -> Option<u64> {
        self.stages.iter().filter_map(|stage| stage.held_since(source)).min()
    }

    fn run_from(&mut self, first: usize, entry: &mut Entry, now: Instant) -> Flow {
        for stage in &mut self.stages[first..] {
            match stage.run(entry, now) {
                Flow::Pass => {}
                other => return other,
            }
        }
        Flow::Pass
    }
}
