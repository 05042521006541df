//! What `metrics` stages count: families of series that come with the lines and go when no more lines come.
//!
//! Promises: a series that nobody touched for a while is gone; a family has a bounded number of them. Names are written as
//! the configuration says, without the endings that the client library insists on.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::logql::gotext::number::{FloatFormat, format_float};
use crate::model::Labels;

/// Series of one family, at most: a label with ever new values must not take all memory.
const SERIES_MAX: usize = 10_000;

/// All families of an agent.
#[derive(Debug, Default)]
pub(crate) struct CustomMetrics {
    families: Mutex<BTreeMap<String, Arc<Family>>>,
}

/// What one name counts.
#[derive(Debug)]
pub(crate) struct Family {
    name: String,
    help: String,
    kind: Kind,
    /// A series that is not touched for so long is gone.
    idle: Duration,
    series: Mutex<BTreeMap<u64, Series>>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    Counter,
    Gauge,
    /// With the upper bounds of its buckets, in order.
    Histogram(Vec<f64>),
}

/// What happens to a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Change {
    Set(f64),
    Add(f64),
    Observe(f64),
}

#[derive(Debug)]
struct Series {
    labels: Labels,
    touched: Instant,
    /// The sum of a histogram.
    value: f64,
    /// Observations of each bucket of a histogram and those above, each counted once.
    buckets: Vec<u64>,
}

impl CustomMetrics {
    /// The family of a name. Stages that count under one name count together; `None` where they count different things.
    pub(crate) fn family(&self, name: &str, help: &str, kind: &Kind, idle: Duration) -> Option<Arc<Family>> {
        let mut families = lock(&self.families);
        let new = || {
            let (name, help) = (name.to_owned(), help.to_owned());
            Arc::new(Family { name, help, kind: kind.clone(), idle, series: Mutex::default() })
        };
        let family = families.entry(name.to_owned()).or_insert_with(new);
        (family.kind == *kind).then(|| Arc::clone(family))
    }

    /// All begins anew; who counts asks for its family again.
    pub(crate) fn clear(&self) {
        lock(&self.families).clear();
    }

    /// Appends all series in the text form that Prometheus reads.
    pub(crate) fn render(&self, now: Instant, out: &mut String) {
        for family in lock(&self.families).values() {
            family.render(now, out);
        }
    }
}

impl Family {
    /// Changes the series of a label set. `fingerprint` is that of the set; `labels` is asked for where it is new.
    pub(crate) fn change(&self, fingerprint: u64, labels: impl FnOnce() -> Labels, change: Change, now: Instant) {
        let mut series = lock(&self.series);
        if series.len() >= SERIES_MAX && !series.contains_key(&fingerprint) {
            self.forget_idle(&mut series, now);
            if series.len() >= SERIES_MAX {
                return;
            }
        }
        let one = series.entry(fingerprint).or_insert_with(|| {
            // names with two underscores are the agent's own
            let named = labels();
            let shown = named.iter().filter(|(name, _)| !name.starts_with("__"));
            let labels = shown.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            let buckets = if let Kind::Histogram(bounds) = &self.kind { vec![0; bounds.len() + 1] } else { Vec::new() };
            Series { labels, touched: now, value: 0.0, buckets }
        });
        one.touched = now;
        match change {
            Change::Set(value) => one.value = value,
            Change::Add(value) => one.value += value,
            Change::Observe(value) => {
                one.value += value;
                let Kind::Histogram(bounds) = &self.kind else { return };
                let index = bounds.iter().position(|bound| value <= *bound).unwrap_or(bounds.len());
                one.buckets[index] += 1;
            }
        }
    }

    pub(crate) fn kind(&self) -> &Kind {
        &self.kind
    }

    fn forget_idle(&self, series: &mut BTreeMap<u64, Series>, now: Instant) {
        series.retain(|_, one| now.saturating_duration_since(one.touched) < self.idle);
    }

    fn render(&self, now: Instant, out: &mut String) {
        let mut series = lock(&self.series);
        self.forget_idle(&mut series, now);
        if series.is_empty() {
            return;
        }
        let kind = match self.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram(_) => "histogram",
        };
        let help = self.help.replace('\\', "\\\\").replace('\n', "\\n");
        // writing into a string cannot fail
        let _ = writeln!(out, "# HELP {} {help}\n# TYPE {} {kind}", self.name, self.name);
        let mut sorted: Vec<&Series> = series.values().collect();
        sorted.sort_by(|a, b| a.labels.cmp(&b.labels));
        for one in sorted {
            match &self.kind {
                Kind::Counter | Kind::Gauge => self.push(out, "", &one.labels, None, one.value),
                Kind::Histogram(bounds) => self.push_histogram(out, bounds, one),
            }
        }
    }

    fn push_histogram(&self, out: &mut String, bounds: &[f64], one: &Series) {
        let mut count = 0;
        let bounds = bounds.iter().copied().chain([f64::INFINITY]);
        for (bound, observed) in bounds.zip(&one.buckets) {
            count += observed;
            self.push(out, "_bucket", &one.labels, Some(&number(bound)), count as f64);
        }
        self.push(out, "_sum", &one.labels, None, one.value);
        self.push(out, "_count", &one.labels, None, count as f64);
    }

    fn push(&self, out: &mut String, ending: &str, labels: &Labels, bound: Option<&str>, value: f64) {
        out.push_str(&self.name);
        out.push_str(ending);
        let mut mark = '{';
        for (name, value) in labels.iter().chain(bound.map(|bound| ("le", bound))) {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            // writing into a string cannot fail
            let _ = write!(out, "{mark}{name}=\"{value}\"");
            mark = ',';
        }
        if mark == ',' {
            out.push('}');
        }
        let _ = writeln!(out, " {}", number(value));
    }
}

fn number(value: f64) -> String {
    format_float(value, FloatFormat::General, None)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use crate::agent::metrics::custom::*;

    fn rendered(metrics: &CustomMetrics, now: Instant) -> String {
        let mut text = String::new();
        metrics.render(now, &mut text);
        text
    }

    #[test]
    fn series_that_nobody_touches_are_gone() {
        let metrics = CustomMetrics::default();
        let family = metrics.family("c", "", &Kind::Counter, Duration::from_secs(10)).expect("new");
        let start = Instant::now();
        family.change(1, || Labels::from([("a", "1"), ("__x", "2")]), Change::Add(1.0), start);
        family.change(2, || Labels::from([("a", "2")]), Change::Add(2.5), start + Duration::from_secs(5));
        let both = "# HELP c \n# TYPE c counter\nc{a=\"1\"} 1\nc{a=\"2\"} 2.5\n";
        assert_eq!(rendered(&metrics, start + Duration::from_secs(9)), both);
        assert_eq!(
            rendered(&metrics, start + Duration::from_secs(12)),
            "# HELP c \n# TYPE c counter\nc{a=\"2\"} 2.5\n"
        );
        assert_eq!(rendered(&metrics, start + Duration::from_secs(30)), "");
    }

    #[test]
    fn one_name_counts_one_thing_and_not_without_bound() {
        let metrics = CustomMetrics::default();
        let family = metrics.family("c", "", &Kind::Counter, Duration::from_secs(10)).expect("new");
        assert!(metrics.family("c", "", &Kind::Gauge, Duration::from_secs(10)).is_none());
        let now = Instant::now();
        for index in 0..SERIES_MAX as u64 + 10 {
            family.change(index, || Labels::from([("a", index.to_string().as_str())]), Change::Add(1.0), now);
        }
        assert_eq!(rendered(&metrics, now).lines().count(), SERIES_MAX + 2);
    }
}
