//! `match`: runs stages on the lines that a selector of LogQL takes, or drops those lines.

use std::sync::Arc;
use std::time::Instant;

use serde::de::Error;
use serde::{Deserialize, Deserializer};

use crate::agent::config::pipeline::{self, StageConfig};
use crate::agent::entry::Entry;
use crate::agent::metrics::Metrics;
use crate::agent::stage::nested::Nested;
use crate::agent::stage::{Flow, Stage, Surroundings};
use crate::logql;
use crate::logql::ast::{self, Expr, LogExpr};
use crate::logql::stage::{Pipeline, Scratch};
use crate::model::{Labels, Matcher};

#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "Keys")]
pub(crate) struct Config {
    selector: Selector,
    /// `None` drops the lines.
    stages: Option<Vec<StageConfig>>,
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    selector: Selector,
    #[serde(default)]
    stages: Vec<StageConfig>,
    #[serde(default)]
    action: Action,
    /// In Promtail, a label of the pipeline's own metrics.
    #[serde(default, rename = "pipeline_name")]
    _pipeline_name: Option<String>,
    drop_counter_reason: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Action {
    #[default]
    Keep,
    Drop,
}

impl TryFrom<Keys> for Config {
    type Error = &'static str;

    fn try_from(keys: Keys) -> Result<Config, &'static str> {
        let stages = match (keys.action, keys.stages.is_empty()) {
            (Action::Keep, false) => Some(keys.stages),
            (Action::Drop, true) => None,
            (Action::Keep, true) => return Err("a match stage needs `stages`, or `action: drop`"),
            (Action::Drop, false) => return Err("a match stage with `action: drop` cannot have `stages`"),
        };
        let reason = keys.drop_counter_reason.filter(|reason| !reason.is_empty());
        Ok(Config { selector: keys.selector, stages, reason: reason.unwrap_or_else(|| "match_stage".to_owned()) })
    }
}

/// `{app="shop"} |= "error"`, compiled.
#[derive(Clone, Debug)]
struct Selector {
    matchers: Vec<Matcher>,
    pipeline: Option<Arc<Pipeline>>,
    /// Whether the pipeline looks at labels.
    needs_labels: bool,
}

impl Selector {
    fn parse(text: &str) -> Result<Selector, String> {
        if text.is_empty() {
            return Err("a selector is needed here, as in `{app=\"shop\"}`".to_owned());
        }
        let LogExpr { selector, stages } = match logql::parse_any(text).map_err(|error| error.to_string())? {
            Expr::Log(log) => log,
            Expr::Metric(_) => return Err("a selector is needed here, not a metric query".to_owned()),
        };
        let needs_labels = stages.iter().any(|stage| !matches!(stage, ast::Stage::Line(_)));
        let pipeline = match stages.as_slice() {
            [] => None,
            stages => Some(Arc::new(Pipeline::new(stages).map_err(|error| error.to_string())?)),
        };
        Ok(Selector { matchers: selector, pipeline, needs_labels })
    }

    fn takes(&self, entry: &Entry, scratch: &mut Scratch) -> bool {
        let is_match = |matcher: &Matcher| matcher.matches_value(entry.labels.get(matcher.name()).unwrap_or(""));
        if !self.matchers.iter().all(is_match) {
            return false;
        }
        let Some(pipeline) = &self.pipeline else { return true };
        let labels = if self.needs_labels { entry.labels.resolved() } else { Labels::default() };
        let time = entry.timestamp.unwrap_or_default();
        pipeline.process(time, &entry.line, &labels, &Labels::default(), scratch).is_some()
    }
}

impl<'de> Deserialize<'de> for Selector {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Selector, D::Error> {
        Selector::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl Config {
    pub(crate) fn build(&self, around: &Surroundings) -> Box<dyn Stage> {
        let selector = self.selector.clone();
        let scratch = Scratch::default();
        match &self.stages {
            Some(stages) => Box::new(Keep { selector, scratch, inner: Nested::new(pipeline::build(stages, around)) }),
            None => {
                let metrics = Arc::clone(&around.metrics);
                Box::new(Leave { selector, scratch, reason: self.reason.clone(), metrics })
            }
        }
    }
}

/// Runs stages on the lines that are selected.
struct Keep {
    selector: Selector,
    scratch: Scratch,
    inner: Nested,
}

impl Stage for Keep {
    fn run(&mut self, entry: &mut Entry, now: Instant) -> Flow {
        if self.selector.takes(entry, &mut self.scratch) { self.inner.run(entry, now) } else { Flow::Pass }
    }

    fn due(&mut self, now: Instant, all: bool) -> Option<Entry> {
        self.inner.due(now, all)
    }

    fn held_since(&self, source: u32) -> Option<u64> {
        self.inner.held_since(source)
    }

    fn paused_until(&self, now: Instant) -> Option<Instant> {
        self.inner.paused_until(now)
    }
}

/// Drops the lines that are selected.
struct Leave {
    selector: Selector,
    scratch: Scratch,
    reason: String,
    metrics: Arc<Metrics>,
}

impl Stage for Leave {
    fn run(&mut self, entry: &mut Entry, _now: Instant) -> Flow {
        if !self.selector.takes(entry, &mut self.scratch) {
            return Flow::Pass;
        }
        self.metrics.dropped(&self.reason, entry.line.len());
        Flow::Drop
    }
}
