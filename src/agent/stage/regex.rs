//! `regex`: takes out what the named groups of a regular expression find.

use regex::{CaptureLocations, Regex};
use serde::Deserialize;
use std::time::Instant;

use crate::agent::entry::Entry;
use crate::agent::stage::setting::{Name, Pattern, text_of};
use crate::agent::stage::{Flow, Stage, Surroundings};

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    expression: Pattern,
    source: Option<Name>,
}

impl Config {
    pub(crate) fn build(&self, _around: &Surroundings) -> Box<dyn Stage> {
        let Pattern { regex, groups } = self.expression.clone();
        let places = regex.capture_locations();
        let source = self.source.clone();
        Box::new(Extract { regex, groups, places, source, buffer: String::new() })
    }
}

struct Extract {
    regex: Regex,
    groups: Vec<(usize, String)>,
    places: CaptureLocations,
    source: Option<Name>,
    buffer: String,
}

impl Stage for Extract {
    fn run(&mut self, entry: &mut Entry, _now: Instant) -> Flow {
        let Entry { line, extracted, .. } = entry;
        let Some(text) = text_of(self.source.as_ref(), line, extracted, &mut self.buffer) else { return Flow::Pass };
        if self.regex.captures_read(&mut self.places, text).is_none() {
            return Flow::Pass;
        }
        for (index, name) in &self.groups {
            // a group that took no part is empty, as in Go
            let value = self.places.get(*index).map_or("", |(start, end)| &text[start..end]);
            extracted.set_text(name, value);
        }
        Flow::Pass
    }
}
