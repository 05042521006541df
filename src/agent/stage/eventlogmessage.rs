//! `eventlogmessage`: takes values out of the message of a Windows event, `Name: value` on each of its lines.

use std::time::Instant;

use serde::Deserialize;

use crate::agent::config::units::is_label_name;
use crate::agent::entry::Entry;
use crate::agent::stage::setting::LabelName;
use crate::agent::stage::{Flow, Stage, Surroundings};

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    source: Option<LabelName>,
    /// Whether names that no label can have are left out; else their signs become `_`.
    #[serde(default)]
    drop_invalid_labels: bool,
    /// Whether what is known under a name is replaced; else the new one gets `_extracted` appended.
    #[serde(default)]
    overwrite_existing: bool,
}

impl Config {
    pub(crate) fn build(&self, _around: &Surroundings) -> Box<dyn Stage> {
        let source = self.source.as_ref().map_or("message", LabelName::as_str).to_owned();
        Box::new(Message { source, config: self.clone() })
    }
}

struct Message {
    source: String,
    config: Config,
}

impl Stage for Message {
    fn run(&mut self, entry: &mut Entry, _now: Instant) -> Flow {
        let Some(message) = entry.extracted.text(&self.source).map(std::borrow::Cow::into_owned) else {
            return Flow::Pass;
        };
        for (name, value) in message.split("\r\n").filter_map(|line| line.split_once(':')) {
            let mut name = match is_label_name(name) {
                true => name.to_owned(),
                false if self.config.drop_invalid_labels => continue,
                false => as_label_name(name),
            };
            if !self.config.overwrite_existing && entry.extracted.contains(&name) {
                name.push_str("_extracted");
            }
            entry.extracted.set_text(&name, value.trim());
        }
        Flow::Pass
    }
}

/// A name with `_` in place of the signs that no label has.
fn as_label_name(name: &str) -> String {
    if name.is_empty() {
        return "_".to_owned();
    }
    let fits = |at: usize, c: char| c.is_ascii_alphabetic() || c == '_' || (c.is_ascii_digit() && at > 0);
    name.char_indices().map(|(at, c)| if fits(at, c) { c } else { '_' }).collect()
}
