//! `sampling`: keeps a part of the lines.
//!
//! Promises: whether a line is kept is told by its text and its place, so that a line that is read again is kept again.

use std::sync::Arc;
use std::time::Instant;

use serde::de::Error;
use serde::{Deserialize, Deserializer};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::agent::entry::Entry;
use crate::agent::metrics::Metrics;
use crate::agent::stage::{Flow, Stage, Surroundings};

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    rate: Rate,
    drop_counter_reason: Option<String>,
}

/// Which part is kept: from 0, none, to 1, all.
#[derive(Clone, Copy, Debug)]
struct Rate(f64);

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Rate, D::Error> {
        let rate = f64::deserialize(deserializer)?;
        if !(0.0..=1.0).contains(&rate) {
            return Err(D::Error::custom(format!(
                "the rate must be between 0 and 1, as in `0.1` for a tenth; it is {rate}"
            )));
        }
        Ok(Rate(rate))
    }
}

impl Config {
    pub(crate) fn build(&self, around: &Surroundings) -> Box<dyn Stage> {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the rate is between 0 and 1")]
        let kept_below = (self.rate.0 * 2f64.powi(64)) as u128;
        let reason = self.drop_counter_reason.clone().filter(|reason| !reason.is_empty());
        let reason = reason.unwrap_or_else(|| "sampling_stage".to_owned());
        Box::new(Sampling { kept_below, reason, metrics: Arc::clone(&around.metrics) })
    }
}

struct Sampling {
    /// Hashes below are kept.
    kept_below: u128,
    reason: String,
    metrics: Arc<Metrics>,
}

impl Stage for Sampling {
    fn run(&mut self, entry: &mut Entry, _now: Instant) -> Flow {
        if u128::from(xxh3_64_with_seed(entry.line.as_bytes(), entry.place.start)) < self.kept_below {
            return Flow::Pass;
        }
        self.metrics.dropped(&self.reason, entry.line.len());
        Flow::Drop
    }
}

#[cfg(test)]
mod tests {
    use crate::agent::entry::Place;
    use crate::agent::stage::sampling::*;
    use crate::model::{Labels, Timestamp};

    /// Which of many lines a rate keeps.
    fn kept(rate: f64, of: u64) -> Vec<u64> {
        let config = Config { rate: Rate(rate), drop_counter_reason: None };
        let mut stage = config.build(&Surroundings::default());
        let is_kept = |number: &u64| {
            let mut entry = Entry::default();
            let place = Place { source: 0, start: number * 20, end: number * 20 + 20 };
            // every second line is the same text, which is kept or not by its place alone
            let line = if number.is_multiple_of(2) { "the same".to_owned() } else { format!("line {number}") };
            entry.begin(&Labels::default(), Timestamp::from_secs(1), &line, place);
            matches!(stage.run(&mut entry, Instant::now()), Flow::Pass)
        };
        (0..of).filter(is_kept).collect()
    }

    #[test]
    fn a_rate_keeps_its_part_of_the_lines_and_the_same_ones_when_they_are_read_again() {
        // what is kept is told by a hash, so these counts are the same in each run
        for (rate, from, to) in [(0.5, 4_800, 5_200), (0.1, 900, 1_100), (0.9, 8_900, 9_100)] {
            let lines = kept(rate, 10_000);
            assert!((from..=to).contains(&lines.len()), "{rate}: {}", lines.len());
            let same = lines.iter().filter(|number| number.is_multiple_of(2)).count();
            assert!((from / 2 - 100..=to / 2 + 100).contains(&same), "{rate}: {same} of the same text");
            assert_eq!(kept(rate, 10_000), lines);
        }
    }
}
