//! `output`: makes what was taken out the line.

use std::time::Instant;

use serde::Deserialize;

use crate::agent::entry::Entry;
use crate::agent::stage::setting::Name;
use crate::agent::stage::{Flow, Stage, Surroundings};

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    source: Name,
}

impl Config {
    pub(crate) fn build(&self, _around: &Surroundings) -> Box<dyn Stage> {
        Box::new(Output { source: self.source.as_str().to_owned() })
    }
}

pub(crate) struct Output {
    pub(crate) source: String,
}

impl Stage for Output {
    fn run(&mut self, entry: &mut Entry, _now: Instant) -> Flow {
        let Entry { line, extracted, .. } = entry;
        if let Some(text) = extracted.text(&self.source) {
            line.clear();
            line.push_str(&text);
        }
        Flow::Pass
    }
}
