//! A line on its way from a source to a server, with all that stages read and write.
//!
//! Promises: its labels are shared until a stage changes them, so a line that no stage touches costs no allocation.

use std::borrow::Cow;

use serde_json::Value;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::model::{Labels, Timestamp};

/// The label that says to which tenant a line belongs. It is not sent as one.
pub(crate) const TENANT: &str = "__tenant_id__";

/// Where a line stood in its source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// Which source; numbers are given anew at each start.
    pub(crate) source: u32,
    pub(crate) start: u64,
    pub(crate) end: u64,
}

/// A line and what is known of it. One value is used for line after line.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Entry {
    pub(crate) timestamp: Option<Timestamp>,
    /// The time that it was given when it was read, whatever stages made of it.
    pub(crate) read: Timestamp,
    pub(crate) line: String,
    pub(crate) labels: EntryLabels,
    /// Structured metadata, in the order it was added.
    pub(crate) structured: Vec<(String, String)>,
    pub(crate) extracted: Extracted,
    pub(crate) place: Place,
}

impl Entry {
    /// Begins anew with a line as its source has it. As Promtail does, each label is among what is extracted too.
    pub(crate) fn begin(&mut self, labels: &Labels, timestamp: Timestamp, line: &str, place: Place) {
        self.timestamp = Some(timestamp);
        self.read = timestamp;
        self.line.clear();
        self.line.push_str(line);
        self.labels.begin(labels);
        self.structured.clear();
        self.extracted.begin(labels);
        self.place = place;
    }

    /// Puts the labels as they are now among what is extracted: each pipeline within a pipeline begins so.
    pub(crate) fn extract_labels(&mut self) {
        for (name, value) in self.labels.iter() {
            if self.extracted.text(name).as_deref() != Some(value) {
                self.extracted.set_text(name, value);
            }
        }
    }

    /// Adds structured metadata, in place of what has the same name.
    pub(crate) fn set_structured(&mut self, name: &str, value: &str) {
        match self.structured.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => value.clone_into(known),
            None => self.structured.push((name.to_owned(), value.to_owned())),
        }
    }
}

/// The labels of a source, and what stages changed of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct EntryLabels {
    base: Labels,
    base_sum: u64,
    /// The last change of a name holds; `None` takes a label away. Those behind `used` are memory for the next lines.
    changes: Vec<(String, Option<String>)>,
    used: usize,
}

impl EntryLabels {
    fn begin(&mut self, base: &Labels) {
        if !self.base.is_same(base) || self.base_sum == 0 {
            self.base = base.clone();
            self.base_sum = base.iter().map(pair_hash).fold(BASE_SUM, u64::wrapping_add);
        }
        self.used = 0;
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        match self.changes[..self.used].iter().find(|(known, _)| known == name) {
            Some((_, value)) => value.as_deref(),
            None => self.base.get(name),
        }
    }

    /// Gives a label a value or takes it away. A label without text is none: servers take it for missing.
    pub(crate) fn set(&mut self, name: &str, value: Option<&str>) {
        let value = value.filter(|value| !value.is_empty());
        let index = self.changes[..self.used].iter().position(|(known, _)| known == name).unwrap_or(self.used);
        if index == self.used {
            self.used += 1;
        }
        let Some((known, change)) = self.changes.get_mut(index) else {
            self.changes.push((name.to_owned(), value.map(str::to_owned)));
            return;
        };
        name.clone_into(known);
        match (value, change) {
            (Some(value), Some(change)) => value.clone_into(change),
            (value, change) => *change = value.map(str::to_owned),
        }
    }

    /// Name and value of each label, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let changes = &self.changes[..self.used];
        let is_changed = |name: &str| changes.iter().any(|(known, _)| known == name);
        let kept = self.base.iter().filter(move |(name, _)| !is_changed(name));
        kept.chain(changes.iter().filter_map(|(name, value)| Some((name.as_str(), value.as_deref()?))))
    }

    /// The set that they make up. Costs nothing where no stage changed a label.
    pub(crate) fn resolved(&self) -> Labels {
        if self.used == 0 {
            return self.base.clone();
        }
        Labels::from_pairs(self.iter().map(|(name, value)| (name.to_owned(), value.to_owned())))
    }

    /// The set without the tenant, and the tenant.
    pub(crate) fn resolved_for(&self) -> (Labels, Option<&str>) {
        let Some(tenant) = self.get(TENANT) else { return (self.resolved(), None) };
        let sent = self.iter().filter(|(name, _)| *name != TENANT);
        (Labels::from_pairs(sent.map(|(name, value)| (name.to_owned(), value.to_owned()))), Some(tenant))
    }

    /// A number that equal sets share, however they came about.
    pub(crate) fn fingerprint(&self) -> u64 {
        let mut sum = self.base_sum;
        for (name, value) in &self.changes[..self.used] {
            if let Some(base) = self.base.get(name) {
                sum = sum.wrapping_sub(pair_hash((name, base)));
            }
            if let Some(value) = value {
                sum = sum.wrapping_add(pair_hash((name, value)));
            }
        }
        sum
    }
}

impl PartialEq for EntryLabels {
    fn eq(&self, other: &EntryLabels) -> bool {
        self.resolved() == other.resolved()
    }
}

/// What the sum of no label is, so that zero says that none was made yet.
const BASE_SUM: u64 = 0x9e37_79b9_7f4a_7c15;

fn pair_hash((name, value): (&str, &str)) -> u64 {
    xxh3_64_with_seed(value.as_bytes(), xxh3_64(name.as_bytes()))
}

/// What stages took out of a line, by name. Values are text or what JSON knows, as in Promtail.
#[derive(Clone, Debug, Default)]
pub(crate) struct Extracted {
    base: Labels,
    /// Those behind `used` are memory for the next lines.
    values: Vec<(String, Held)>,
    used: usize,
}

/// A value, or that there is none, not even the label with which the line began.
#[derive(Clone, Debug, PartialEq)]
enum Held {
    Value(Value),
    Gone,
}

impl Extracted {
    fn begin(&mut self, base: &Labels) {
        if !self.base.is_same(base) {
            self.base = base.clone();
        }
        self.used = 0;
    }

    fn find(&self, name: &str) -> Option<&Held> {
        self.values[..self.used].iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// The place to write a value of a name to.
    fn slot(&mut self, name: &str) -> &mut Held {
        let index = self.values[..self.used].iter().position(|(known, _)| known == name).unwrap_or(self.used);
        if index == self.values.len() {
            self.values.push((name.to_owned(), Held::Gone));
        }
        if index == self.used {
            self.used += 1;
            name.clone_into(&mut self.values[index].0);
        }
        &mut self.values[index].1
    }

    pub(crate) fn set(&mut self, name: &str, value: Value) {
        *self.slot(name) = Held::Value(value);
    }

    pub(crate) fn set_text(&mut self, name: &str, value: &str) {
        match self.slot(name) {
            Held::Value(Value::String(text)) => value.clone_into(text),
            slot => *slot = Held::Value(Value::String(value.to_owned())),
        }
    }

    /// Takes a name away, also where it is that of a label.
    pub(crate) fn remove(&mut self, name: &str) {
        if self.contains(name) {
            *self.slot(name) = Held::Gone;
        }
    }

    /// Whether there is a name, be it without a value.
    pub(crate) fn contains(&self, name: &str) -> bool {
        match self.find(name) {
            Some(Held::Gone) => false,
            Some(Held::Value(_)) => true,
            None => self.base.get(name).is_some(),
        }
    }

    /// What was taken out under a name, else the label of that name with which the line began.
    pub(crate) fn get(&self, name: &str) -> Option<Cow<'_, Value>> {
        match self.find(name) {
            Some(Held::Value(value)) => Some(Cow::Borrowed(value)),
            Some(Held::Gone) => None,
            None => self.base.get(name).map(|value| Cow::Owned(Value::String(value.to_owned()))),
        }
    }

    /// The same as text, written as Go writes it.
    pub(crate) fn text(&self, name: &str) -> Option<Cow<'_, str>> {
        match self.find(name) {
            Some(Held::Value(value)) => as_text(value),
            Some(Held::Gone) => None,
            None => self.base.get(name).map(Cow::Borrowed),
        }
    }

    /// Name and value of all, those of stages last.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, Cow<'_, str>)> {
        let values = &self.values[..self.used];
        let is_changed = |name: &str| values.iter().any(|(known, _)| known == name);
        let kept = self.base.iter().filter(move |(name, _)| !is_changed(name));
        let kept = kept.map(|(name, value)| (name, Cow::Borrowed(value)));
        kept.chain(values.iter().filter_map(|(name, value)| match value {
            Held::Value(value) => Some((name.as_str(), as_text(value)?)),
            Held::Gone => None,
        }))
    }
}

impl PartialEq for Extracted {
    fn eq(&self, other: &Extracted) -> bool {
        self.base == other.base && self.values[..self.used] == other.values[..other.used]
    }
}

/// A value as a label has it; `None` where there is none. Numbers are floats, and written without an exponent.
fn as_text(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Bool(value) => Some(Cow::Borrowed(if *value { "true" } else { "false" })),
        Value::Number(number) => number.as_f64().map(|number| Cow::Owned(number.to_string())),
        Value::Array(_) | Value::Object(_) => serde_json::to_string(value).ok().map(Cow::Owned),
    }
}

#[cfg(test)]
mod tests {
    use crate::agent::entry::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        Labels::from_pairs(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    #[test]
    fn labels_are_those_of_the_source_with_what_stages_changed() {
        let base = labels(&[("app", "shop"), ("host", "a")]);
        let mut entry = Entry::default();
        entry.begin(&base, Timestamp::from_secs(1), "one", Place::default());
        assert!(entry.labels.resolved().is_same(&base));
        entry.labels.set("level", Some("info"));
        entry.labels.set("level", Some("warn"));
        entry.labels.set("host", None);
        assert_eq!(entry.labels.resolved(), labels(&[("app", "shop"), ("level", "warn")]));
        assert_eq!((entry.labels.get("host"), entry.labels.get("app")), (None, Some("shop")));
        assert_eq!(entry.extracted.text("host").as_deref(), Some("a"));
        entry.begin(&base, Timestamp::from_secs(2), "two", Place::default());
        assert!(entry.labels.resolved().is_same(&base));
    }

    #[test]
    fn equal_labels_share_a_fingerprint_however_they_came_about() {
        let fingerprint = |base: &[(&str, &str)], changes: &[(&str, Option<&str>)]| {
            let mut entry = Entry::default();
            entry.begin(&labels(base), Timestamp::from_secs(1), "one", Place::default());
            changes.iter().for_each(|(name, value)| entry.labels.set(name, *value));
            entry.labels.fingerprint()
        };
        let one = fingerprint(&[("a", "1"), ("b", "2")], &[]);
        assert_eq!(fingerprint(&[("a", "1")], &[("b", Some("2"))]), one);
        assert_eq!(fingerprint(&[("a", "1"), ("b", "3"), ("c", "4")], &[("b", Some("2")), ("c", Some(""))]), one);
        assert_ne!(fingerprint(&[("a", "2"), ("b", "1")], &[]), one);
        assert_ne!(fingerprint(&[("a", "1")], &[]), one);
    }

    #[test]
    fn memory_of_lines_before_is_not_seen() {
        let base = labels(&[("app", "shop")]);
        let mut entry = Entry::default();
        entry.begin(&base, Timestamp::from_secs(1), "one", Place::default());
        entry.labels.set("level", Some("info"));
        entry.extracted.set_text("level", "info");
        entry.extracted.remove("app");
        assert!(!entry.extracted.contains("app") && entry.extracted.text("app").is_none());
        entry.extract_labels();
        assert_eq!(entry.extracted.text("app").as_deref(), Some("shop"));
        entry.begin(&base, Timestamp::from_secs(2), "two", Place::default());
        assert_eq!((entry.labels.get("level"), entry.extracted.text("level")), (None, None));
        entry.extracted.set_text("other", "x");
        assert_eq!(entry.extracted.text("level"), None);
    }

    #[test]
    fn what_is_extracted_is_text_where_text_is_wanted() {
        let mut extracted = Extracted::default();
        extracted.set_text("a", "x");
        extracted.set("n", serde_json::json!(1.5));
        extracted.set("o", serde_json::json!({"k": [1]}));
        extracted.set("none", Value::Null);
        extracted.set("whole", serde_json::json!(1.0));
        extracted.set("large", serde_json::json!(1e21));
        let all: Vec<String> = extracted.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(all, ["a=x", "n=1.5", "o={\"k\":[1]}", "whole=1", "large=1000000000000000000000"]);
        assert_eq!(extracted.text("none"), None);
    }
}
