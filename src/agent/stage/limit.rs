//! `limit`: lets so many lines a second pass. What is too much waits, or is dropped.
//!
//! Promises: lines that wait keep their order; while they do, the stage says until when no more should be read.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::agent::entry::Entry;
use crate::agent::metrics::Metrics;
use crate::agent::stage::generations::Generations;
use crate::agent::stage::setting::Name;
use crate::agent::stage::{Flow, Stage, Surroundings};

/// Values of a label that are told apart, at least: Promtail's number.
const DISTINCT_LABELS_LEAST: usize = 10_000;
/// The reason that dropped lines are counted under.
const REASON: &str = "ratelimit_drop_stage";
/// Lines that wait, at most. Reading stops before, unless a source hands out more than that at once.
const WAITING_MAX: usize = 100_000;

#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "Keys")]
pub(crate) struct Config {
    rate: f64,
    burst: u32,
    excess: Excess,
}

/// What becomes of the lines that are too many.
#[derive(Clone, Debug)]
enum Excess {
    Waits,
    Dropped,
    /// Lines with each value of a label have a rate of their own.
    DroppedBy {
        label: String,
        values_max: usize,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    rate: f64,
    burst: u32,
    #[serde(default)]
    drop: bool,
    by_label_name: Option<Name>,
    max_distinct_labels: Option<usize>,
}

impl TryFrom<Keys> for Config {
    type Error = &'static str;

    fn try_from(keys: Keys) -> Result<Config, &'static str> {
        let Keys { rate, burst, drop, by_label_name, max_distinct_labels } = keys;
        if !rate.is_finite() || rate <= 0.0 || burst == 0 {
            return Err("`rate` (lines a second) and `burst` (lines at once) must be more than 0");
        }
        let excess = match (by_label_name, drop) {
            (Some(_), false) => return Err("a limit stage with `by_label_name` needs `drop: true`"),
            (Some(label), true) => {
                let values_max = max_distinct_labels.unwrap_or(0).max(DISTINCT_LABELS_LEAST);
                Excess::DroppedBy { label: label.as_str().to_owned(), values_max }
            }
            (None, true) => Excess::Dropped,
            (None, false) => Excess::Waits,
        };
        Ok(Config { rate, burst, excess })
    }
}

impl Config {
    pub(crate) fn build(&self, around: &Surroundings) -> Box<dyn Stage> {
        let pace = Pace { rate: self.rate, burst: f64::from(self.burst) };
        let metrics = Arc::clone(&around.metrics);
        match &self.excess {
            Excess::Waits => Box::new(Wait { pace, bucket: Bucket::default(), waiting: VecDeque::new() }),
            Excess::Dropped => Box::new(DropExcess { pace, bucket: Bucket::default(), metrics }),
            Excess::DroppedBy { label, values_max } => {
                let buckets = Generations::new(*values_max);
                Box::new(DropExcessBy { pace, label: label.clone(), buckets, metrics })
            }
        }
    }
}

#[derive(Clone, Copy)]
struct Pace {
    /// Lines a second.
    rate: f64,
    /// Lines at once.
    burst: f64,
}

/// How many lines were let through lately.
#[derive(Default)]
struct Bucket {
    /// Lines that may pass, as of the time beside it; full before the first.
    level: Option<(f64, Instant)>,
}

impl Bucket {
    fn level(&self, pace: Pace, now: Instant) -> f64 {
        let Some((level, at)) = self.level else { return pace.burst };
        (level + now.saturating_duration_since(at).as_secs_f64() * pace.rate).min(pace.burst)
    }

    /// Lets a line pass, if one may now.
    fn take(&mut self, pace: Pace, now: Instant) -> bool {
        let level = self.level(pace, now);
        // what is gained in many small steps may lack the last digit
        let passes = level >= 1.0 - 1e-9;
        self.level = Some((if passes { level - 1.0 } else { level }, now));
        passes
    }

    /// When the next line may pass.
    fn free_at(&self, pace: Pace, now: Instant) -> Instant {
        let missing = (1.0 - self.level(pace, now)).max(0.0) / pace.rate;
        now + Duration::try_from_secs_f64(missing).unwrap_or(Duration::from_secs(3600))
    }
}

struct Wait {
    pace: Pace,
    bucket: Bucket,
    waiting: VecDeque<Entry>,
}

impl Stage for Wait {
    fn run(&mut self, entry: &mut Entry, now: Instant) -> Flow {
        if self.waiting.is_empty() && self.bucket.take(self.pace, now) {
            return Flow::Pass;
        }
        if self.waiting.len() >= WAITING_MAX {
            // memory is bounded before the rate is
            std::thread::sleep(self.bucket.free_at(self.pace, now).saturating_duration_since(now));
            self.bucket.take(self.pace, Instant::now());
            self.waiting.push_back(std::mem::take(entry));
            *entry = self.waiting.pop_front().unwrap_or_default();
            return Flow::Pass;
        }
        self.waiting.push_back(std::mem::take(entry));
        Flow::Hold
    }

    fn due(&mut self, now: Instant, all: bool) -> Option<Entry> {
        if self.waiting.is_empty() || !(all || self.bucket.take(self.pace, now)) {
            return None;
        }
        self.waiting.pop_front()
    }

    fn held_since(&self, source: u32) -> Option<u64> {
        let waiting = self.waiting.iter().filter(|entry| entry.place.source == source);
        waiting.map(|entry| entry.place.start).min()
    }

    fn paused_until(&self, now: Instant) -> Option<Instant> {
        (!self.waiting.is_empty()).then(|| self.bucket.free_at(self.pace, now))
    }
}

struct DropExcess {
    pace: Pace,
    bucket: Bucket,
    metrics: Arc<Metrics>,
}

impl Stage for DropExcess {
    fn run(&mut self, entry: &mut Entry, now: Instant) -> Flow {
        if self.bucket.take(self.pace, now) {
            return Flow::Pass;
        }
        self.metrics.dropped(REASON, entry.line.len());
        Flow::Drop
    }
}

struct DropExcessBy {
    pace: Pace,
    label: String,
    buckets: Generations<String, Bucket>,
    metrics: Arc<Metrics>,
}

impl Stage for DropExcessBy {
    fn run(&mut self, entry: &mut Entry, now: Instant) -> Flow {
        let Some(value) = entry.labels.get(&self.label) else { return Flow::Pass };
        let bucket = match self.buckets.get(value.to_owned()) {
            Some(bucket) => bucket,
            None => {
                if self.buckets.is_full() {
                    self.metrics.forget_labels();
                }
                self.buckets.insert(value.to_owned(), Bucket::default())
            }
        };
        if bucket.take(self.pace, now) {
            return Flow::Pass;
        }
        self.metrics.dropped(REASON, entry.line.len());
        self.metrics.dropped_by_label(&self.label, value);
        Flow::Drop
    }
}
