//! Where the targets of `static_configs` stand in the text: what is wrong with them is known only when rules were applied.

use std::fmt;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_saphyr::Spanned;

use crate::agent::config::problem::{Problem, Spot, spot};
use crate::agent::config::units::or_default;

/// The places of all entries, job by job.
#[derive(Clone, Default)]
pub(crate) struct Places {
    source: String,
    entries: Vec<Vec<Option<Spot>>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Whole {
    #[serde(deserialize_with = "or_default")]
    scrape_configs: Vec<Job>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Job {
    #[serde(deserialize_with = "or_default")]
    static_configs: Vec<Spanned<IgnoredAny>>,
}

/// Where something stands is no part of what a configuration says: one that is printed and read again is the same.
impl fmt::Debug for Places {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Places")
    }
}

impl Places {
    /// Of a text that was read before; `written` is what stands in the file, `expanded` with what was put in for variables.
    pub(crate) fn of(source: &str, written: &str, expanded: &str) -> Places {
        let whole: Whole = serde_saphyr::from_str(expanded).unwrap_or_default();
        let place = |entry: &Spanned<IgnoredAny>| {
            let as_index = |number: u64| usize::try_from(number).unwrap_or_default();
            let location = entry.referenced;
            spot(written, expanded, as_index(location.line()), as_index(location.column()), 1)
        };
        let entries = whole.scrape_configs.iter().map(|job| job.static_configs.iter().map(place).collect());
        Places { source: source.to_owned(), entries: entries.collect() }
    }

    /// What is wrong with an entry of a job, both counted from 0.
    pub(crate) fn problem(&self, job: usize, entry: usize, message: String) -> Problem {
        let place = self.entries.get(job).and_then(|entries| entries.get(entry)).cloned().flatten();
        Problem { source: self.source.clone(), message, place }
    }
}
