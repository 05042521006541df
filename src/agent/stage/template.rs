//! `template`: writes what was taken out anew, with a template of Go's.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

use serde::Deserialize;

use crate::agent::entry::Entry;
use crate::agent::stage::setting::{Name, TemplateText};
use crate::agent::stage::{Flow, Stage, Surroundings};
use crate::logql::template::{Budget, Fields, Input, Template};

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    source: Name,
    template: TemplateText,
}

impl Config {
    pub(crate) fn build(&self, _around: &Surroundings) -> Box<dyn Stage> {
        let source = self.source.as_str().to_owned();
        Box::new(Rewrite { source, template: Arc::clone(&self.template.0), out: String::new() })
    }
}

struct Rewrite {
    source: String,
    template: Arc<Template>,
    out: String,
}

impl Stage for Rewrite {
    fn run(&mut self, entry: &mut Entry, _now: Instant) -> Flow {
        let mut values: Vec<(&str, Cow<'_, str>)> = entry.extracted.iter().collect();
        if let Some(value) = entry.extracted.text(&self.source) {
            values.push(("Value", value));
        }
        values.push(("Entry", Cow::Borrowed(&entry.line)));
        let input = Input {
            line: &entry.line,
            timestamp: entry.timestamp.unwrap_or_default(),
            fields: Fields::Values(&values),
            budget: &Budget::default(),
        };
        self.out.clear();
        // a template that fails on a line leaves it as it is
        if self.template.run(&input, &mut self.out).is_ok() {
            match self.out.as_str() {
                "" => entry.extracted.remove(&self.source),
                text => entry.extracted.set_text(&self.source, text),
            }
        }
        Flow::Pass
    }
}
