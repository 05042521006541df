//! `decolorize`: takes the colours of terminals out of the line.

use std::time::Instant;

use serde::Deserialize;

use crate::agent::entry::Entry;
use crate::agent::stage::{Flow, Stage, Surroundings};
use crate::logql::stage::without_colours;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {}

impl Config {
    pub(crate) fn build(&self, _around: &Surroundings) -> Box<dyn Stage> {
        Box::new(Decolorize { plain: String::new() })
    }
}

struct Decolorize {
    plain: String,
}

impl Stage for Decolorize {
    fn run(&mut self, entry: &mut Entry, _now: Instant) -> Flow {
        if without_colours(&entry.line, &mut self.plain) {
            std::mem::swap(&mut entry.line, &mut self.plain);
        }
        Flow::Pass
    }
}
