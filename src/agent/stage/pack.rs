//! `pack`: puts labels and what was taken out into the line, as JSON that `unpack` reads again.

use std::time::Instant;

use serde::Deserialize;

use crate::agent::entry::Entry;
use crate::agent::stage::json_walk::push_text;
use crate::agent::stage::setting::Names;
use crate::agent::stage::{Flow, Stage, Surroundings};

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    labels: Option<Names>,
    ingest_timestamp: Option<bool>,
}

impl Config {
    pub(crate) fn build(&self, _around: &Surroundings) -> Box<dyn Stage> {
        let labels = self.labels.iter().flat_map(|names| &names.0);
        let mut names: Vec<String> = labels.map(|name| name.as_str().to_owned()).collect();
        names.sort();
        names.dedup();
        Box::new(Pack { names, is_timed_anew: self.ingest_timestamp.unwrap_or(true), packed: String::new() })
    }
}

struct Pack {
    /// Sorted.
    names: Vec<String>,
    /// Whether a line gets the time that it was read at, so that streams which become one stay in order.
    is_timed_anew: bool,
    packed: String,
}

impl Stage for Pack {
    fn run(&mut self, entry: &mut Entry, _now: Instant) -> Flow {
        let Entry { line, extracted, labels, .. } = entry;
        self.packed.clear();
        self.packed.push('{');
        for name in &self.names {
            let Some(value) = extracted.text(name) else { continue };
            push_text(name, &mut self.packed);
            self.packed.push(':');
            push_text(&value, &mut self.packed);
            self.packed.push(',');
            if labels.get(name).is_some() {
                labels.set(name, None);
            }
        }
        self.packed.push_str("\"_entry\":");
        push_text(line, &mut self.packed);
        self.packed.push('}');
        std::mem::swap(line, &mut self.packed);
        if self.is_timed_anew {
            entry.timestamp = Some(entry.read);
        }
        Flow::Pass
    }
}
