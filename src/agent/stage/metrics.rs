//! `metrics`: counts what is in lines, for Prometheus.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::agent::config::units;
use crate::agent::entry::Entry;
use crate::agent::metrics::custom::{Change, Family, Kind};
use crate::agent::stage::{Flow, Stage, Surroundings};
use crate::logql::gotext::{duration, number};

/// What names begin with that have no prefix of their own.
const PREFIX: &str = "promtail_custom_";
/// How long series last that no line touches.
const IDLE: Duration = Duration::from_secs(300);
/// Those of Prometheus' clients, where none are given.
const BUCKETS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// The metrics of a stage, in the order in which they are written.
#[derive(Clone, Debug)]
pub(crate) struct Config(Vec<Metric>);

#[derive(Clone, Debug)]
struct Metric {
    name: String,
    help: String,
    kind: Kind,
    idle: Duration,
    source: Source,
    action: Action,
}

/// What is looked at.
#[derive(Clone, Debug)]
enum Source {
    /// What was taken out under a name, where it has this value.
    Extracted { name: String, value: Option<String> },
    /// Each line.
    Lines,
    /// The length of each line.
    LineBytes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Set,
    Increase,
    Decrease,
    Add,
    Subtract,
    Observe,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    #[serde(rename = "type")]
    kind: Type,
    #[serde(default)]
    description: String,
    #[serde(default)]
    prefix: String,
    source: Option<String>,
    max_idle_duration: Option<units::Duration>,
    config: Option<Settings>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    Counter,
    Gauge,
    Histogram,
}

impl<'de> Deserialize<'de> for Type {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Type, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.to_ascii_lowercase().as_str() {
            "counter" => Ok(Type::Counter),
            "gauge" => Ok(Type::Gauge),
            "histogram" => Ok(Type::Histogram),
            _ => Err(D::Error::custom(format!(
                "`{text}` is no type of a metric; there are Counter, Gauge and Histogram"
            ))),
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    match_all: Option<bool>,
    count_entry_bytes: Option<bool>,
    value: Option<String>,
    action: Option<String>,
    buckets: Option<Vec<f64>>,
}

impl<'de> Deserialize<'de> for Config {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Config, D::Error> {
        struct Metrics;
        impl<'de> Visitor<'de> for Metrics {
            type Value = Config;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("metrics by their names")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Config, A::Error> {
                let mut metrics = Vec::new();
                while let Some((name, keys)) = map.next_entry::<String, Keys>()? {
                    metrics
                        .push(Metric::new(&name, keys).map_err(|error| A::Error::custom(format!("{name}: {error}")))?);
                }
                if metrics.is_empty() {
                    return Err(A::Error::custom("at least one metric is needed here"));
                }
                Ok(Config(metrics))
            }
        }
        deserializer.deserialize_map(Metrics)
    }
}

impl Metric {
    fn new(name: &str, keys: Keys) -> Result<Metric, String> {
        let Keys { kind, description, prefix, source, max_idle_duration, config } = keys;
        let config = config.unwrap_or_default();
        let idle = max_idle_duration.map_or(IDLE, |span| span.0);
        if idle < Duration::from_secs(1) {
            return Err("`max_idle_duration` must be at least 1s".to_owned());
        }
        let full_name = format!("{}{name}", if prefix.is_empty() { PREFIX } else { &prefix });
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':');
        if !full_name.bytes().all(fits) || full_name.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(format!("`{full_name}` cannot be the name of a metric; use letters, digits and `_`"));
        }
        let action = config.action(kind)?;
        let source =
            config.source(kind, action, source.filter(|name| !name.is_empty()).unwrap_or_else(|| name.to_owned()))?;
        let kind = match (kind, config.buckets.filter(|buckets| !buckets.is_empty())) {
            (Type::Counter, None) => Kind::Counter,
            (Type::Gauge, None) => Kind::Gauge,
            (Type::Counter | Type::Gauge, Some(_)) => return Err("only a histogram has `buckets`".to_owned()),
            (Type::Histogram, None) => Kind::Histogram(BUCKETS.to_vec()),
            (Type::Histogram, Some(buckets)) => Kind::Histogram(sorted(buckets)?),
        };
        Ok(Metric { name: full_name, help: description, kind, idle, source, action })
    }
}

fn sorted(mut buckets: Vec<f64>) -> Result<Vec<f64>, String> {
    if buckets.windows(2).any(|pair| pair[0] >= pair[1]) || buckets.iter().any(|bound| bound.is_nan()) {
        return Err("`buckets` must go up".to_owned());
    }
    // the last one is always there
    buckets.retain(|bound| *bound != f64::INFINITY);
    Ok(buckets)
}

impl Settings {
    fn action(&self, kind: Type) -> Result<Action, String> {
        let word = self.action.as_deref().map(str::to_ascii_lowercase);
        match (kind, word.as_deref()) {
            (Type::Counter | Type::Gauge, Some("inc")) => Ok(Action::Increase),
            (Type::Counter | Type::Gauge, Some("add")) => Ok(Action::Add),
            (Type::Gauge, Some("set")) => Ok(Action::Set),
            (Type::Gauge, Some("dec")) => Ok(Action::Decrease),
            (Type::Gauge, Some("sub")) => Ok(Action::Subtract),
            // what the configuration reference shows for a histogram means nothing to it
            (Type::Histogram, None | Some("inc" | "add")) => Ok(Action::Observe),
            (Type::Counter, _) => Err("a counter needs `action: inc` or `action: add`".to_owned()),
            (Type::Gauge, _) => Err("a gauge needs an `action`: set, inc, dec, add or sub".to_owned()),
            (Type::Histogram, Some(_)) => {
                Err("a histogram has no `action` but inc or add, which mean the same to it".to_owned())
            }
        }
    }

    fn source(&self, kind: Type, action: Action, name: String) -> Result<Source, String> {
        let value = self.value.clone().filter(|value| !value.is_empty());
        let (all, bytes) = (self.match_all.unwrap_or(false), self.count_entry_bytes.unwrap_or(false));
        if kind != Type::Counter && (self.match_all.is_some() || self.count_entry_bytes.is_some()) {
            return Err("only a counter has `match_all` and `count_entry_bytes`".to_owned());
        }
        match (all, bytes) {
            (true, _) if value.is_some() => Err("a counter can have `match_all` or a `value`, not both".to_owned()),
            (true, true) if action == Action::Add => Ok(Source::LineBytes),
            (_, true) => Err("`count_entry_bytes` needs `match_all: true` and `action: add`".to_owned()),
            (true, false) if action == Action::Add => {
                Err("`match_all` with `action: add` needs `count_entry_bytes: true`; to count lines, use `action: inc`"
                    .to_owned())
            }
            (true, false) => Ok(Source::Lines),
            (false, false) => Ok(Source::Extracted { name, value }),
        }
    }
}

impl Config {
    pub(crate) fn build(&self, around: &Surroundings) -> Box<dyn Stage> {
        let with_families = self.0.iter().filter_map(|metric| {
            let family = around.metrics.custom.family(&metric.name, &metric.help, &metric.kind, metric.idle);
            if family.is_none() {
                tracing::error!(
                    metric = metric.name,
                    "two metrics of different types have one name; the later one is not counted"
                );
            }
            Some(Counting { source: metric.source.clone(), action: metric.action, family: family? })
        });
        Box::new(Metrics { metrics: with_families.collect() })
    }
}

struct Metrics {
    metrics: Vec<Counting>,
}

struct Counting {
    source: Source,
    action: Action,
    family: Arc<Family>,
}

impl Stage for Metrics {
    fn run(&mut self, entry: &mut Entry, now: Instant) -> Flow {
        let labels = entry.labels.fingerprint();
        for metric in &self.metrics {
            if let Some(change) = metric.change(entry) {
                metric.family.change(labels, || entry.labels.resolved(), change, now);
            }
        }
        Flow::Pass
    }
}

impl Counting {
    fn change(&self, entry: &Entry) -> Option<Change> {
        let number = match &self.source {
            Source::Lines => None,
            Source::LineBytes => Some(entry.line.len() as f64),
            Source::Extracted { name, value } => {
                let found = entry.extracted.get(name)?;
                if let Some(value) = value
                    && entry.extracted.text(name).as_deref() != Some(value)
                {
                    return None;
                }
                number_of(&found)
            }
        };
        match self.action {
            Action::Increase => Some(Change::Add(1.0)),
            Action::Decrease => Some(Change::Add(-1.0)),
            Action::Set => number.map(Change::Set),
            // a counter never goes down
            Action::Add if *self.family.kind() == Kind::Counter => {
                number.filter(|number| *number >= 0.0).map(Change::Add)
            }
            Action::Add => number.map(Change::Add),
            Action::Subtract => number.map(|number| Change::Add(-number)),
            Action::Observe => number.map(Change::Observe),
        }
    }
}

/// A value as a number: text may be a number or a span of time, which counts in seconds.
fn number_of(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::Bool(value) => Some(f64::from(u8::from(*value))),
        Value::String(text) => {
            let seconds = || duration::parse(text).ok().map(|nanos| nanos as f64 / 1e9);
            number::parse_float(text).ok().or_else(seconds)
        }
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}
