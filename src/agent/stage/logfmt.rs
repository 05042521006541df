//! `logfmt`: takes values out of `key=value` pairs.

use std::time::Instant;

use serde::Deserialize;

use crate::agent::entry::Entry;
use crate::agent::stage::setting::{Mapping, MaybeText, Name, text_of};
use crate::agent::stage::{Flow, Stage, Surroundings};
use crate::logql::stage::Pairs;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// What a value is called when it was taken out, and its key in the line where that is another.
    mapping: Mapping<Name, MaybeText>,
    source: Option<Name>,
}

impl Config {
    pub(crate) fn build(&self, _around: &Surroundings) -> Box<dyn Stage> {
        let mapping = self.mapping.0.iter().map(|(name, key)| {
            let name = name.as_str().to_owned();
            (key.0.clone().unwrap_or_else(|| name.clone()), name)
        });
        Box::new(Extract { names: mapping.collect(), source: self.source.clone(), buffer: String::new() })
    }
}

struct Extract {
    /// Keys, and what their values are called.
    names: Vec<(String, String)>,
    source: Option<Name>,
    buffer: String,
}

impl Stage for Extract {
    fn run(&mut self, entry: &mut Entry, _now: Instant) -> Flow {
        let Entry { line, extracted, .. } = entry;
        let Some(text) = text_of(self.source.as_ref(), line, extracted, &mut self.buffer) else { return Flow::Pass };
        // what stands before the first fault counts
        for (key, value) in Pairs::new(text).map_while(Result::ok) {
            for (_, name) in self.names.iter().filter(|(wanted, _)| wanted == key) {
                extracted.set_text(name, &value);
            }
        }
        Flow::Pass
    }
}
