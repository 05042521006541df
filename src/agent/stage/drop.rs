//! `drop`: leaves lines out. A line must meet all the conditions that are given.

use std::sync::Arc;
use std::time::{Duration, Instant};

use regex::Regex;
use serde::Deserialize;

use crate::agent::config::units::{self, ByteSize};
use crate::agent::entry::{Entry, Extracted};
use crate::agent::metrics::Metrics;
use crate::agent::stage::setting::{Name, Names, Pattern};
use crate::agent::stage::{Clock, Flow, Stage, Surroundings};

#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "Keys")]
pub(crate) struct Config {
    sources: Vec<Name>,
    separator: String,
    test: Option<Test>,
    older_than: Option<Duration>,
    longer_than: Option<u64>,
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    source: Option<Names>,
    separator: Option<String>,
    expression: Option<Pattern>,
    value: Option<String>,
    older_than: Option<units::Duration>,
    longer_than: Option<ByteSize>,
    drop_counter_reason: Option<String>,
}

/// What the text must be like.
#[derive(Clone, Debug)]
enum Test {
    Matches(Regex),
    Equals(String),
}

impl TryFrom<Keys> for Config {
    type Error = &'static str;

    fn try_from(keys: Keys) -> Result<Config, &'static str> {
        let sources = keys.source.map(|names| names.0).unwrap_or_default();
        let test = match (keys.expression, keys.value) {
            (Some(_), Some(_)) => return Err("a drop stage can have an `expression` or a `value`, not both"),
            (None, Some(_)) if sources.is_empty() => return Err("a drop stage with a `value` needs a `source` too"),
            (Some(pattern), None) => Some(Test::Matches(pattern.regex)),
            (None, Some(value)) => Some(Test::Equals(value)),
            (None, None) => None,
        };
        let older_than = keys.older_than.map(|span| span.0);
        let longer_than = keys.longer_than.map(|size| size.0);
        if sources.is_empty() && test.is_none() && older_than.is_none() && longer_than.is_none() {
            return Err("a drop stage needs one of `source`, `expression`, `older_than` and `longer_than`");
        }
        let separator = keys.separator.unwrap_or_else(|| ";".to_owned());
        let reason = keys.drop_counter_reason.filter(|reason| !reason.is_empty());
        let reason = reason.unwrap_or_else(|| "drop_stage".to_owned());
        Ok(Config { sources, separator, test, older_than, longer_than, reason })
    }
}

impl Config {
    pub(crate) fn build(&self, around: &Surroundings) -> Box<dyn Stage> {
        let metrics = Arc::clone(&around.metrics);
        Box::new(DropLines { config: self.clone(), clock: around.clock, metrics, joined: String::new() })
    }
}

struct DropLines {
    config: Config,
    clock: Clock,
    metrics: Arc<Metrics>,
    joined: String,
}

impl Stage for DropLines {
    fn run(&mut self, entry: &mut Entry, _now: Instant) -> Flow {
        if !self.is_unwanted(entry) {
            return Flow::Pass;
        }
        self.metrics.dropped(&self.config.reason, entry.line.len());
        Flow::Drop
    }
}

impl DropLines {
    fn is_unwanted(&mut self, entry: &Entry) -> bool {
        let Config { sources, separator, test, older_than, longer_than, .. } = &self.config;
        let is_long = longer_than.is_none_or(|bytes| entry.line.len() as u64 > bytes);
        if !is_long || !older_than.is_none_or(|span| is_older(entry, span, self.clock)) {
            return false;
        }
        match test {
            None => sources.iter().all(|source| entry.extracted.contains(source.as_str())),
            Some(test) if sources.is_empty() => test.takes(&entry.line),
            Some(test) => join(sources, separator, &entry.extracted, &mut self.joined) && test.takes(&self.joined),
        }
    }
}

fn is_older(entry: &Entry, span: Duration, clock: Clock) -> bool {
    let nanos = i64::try_from(span.as_nanos()).unwrap_or(i64::MAX);
    entry.timestamp.is_some_and(|time| time < clock.now().plus_nanos(-nanos))
}

/// The values under several names, those left out that there are not. `false` where one of them is no text.
fn join(sources: &[Name], separator: &str, extracted: &Extracted, joined: &mut String) -> bool {
    joined.clear();
    let mut is_first = true;
    for source in sources.iter().filter(|source| extracted.contains(source.as_str())) {
        let Some(text) = extracted.text(source.as_str()) else { return false };
        if !is_first {
            joined.push_str(separator);
        }
        joined.push_str(&text);
        is_first = false;
    }
    true
}

impl Test {
    fn takes(&self, text: &str) -> bool {
        match self {
            Test::Matches(regex) => regex.is_match(text),
            Test::Equals(value) => value == text,
        }
    }
}
