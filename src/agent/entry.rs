//! A line on its way from a source to a server, with all that stages read and write.
//!
//! Promises: its labels are shared until a stage changes them, so a line that no stage touches costs no allocation.

use serde_json::Value;

use crate::model::{Labels, Timestamp};

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
    pub(crate) line: String,
    pub(crate) labels: EntryLabels,
    /// Structured metadata, in the order it was added.
    pub(crate) structured: Vec<(String, String)>,
    pub(crate) extracted: Extracted,
    /// The tenant that a stage chose.
    pub(crate) tenant: Option<String>,
    pub(crate) place: Place,
}

impl Entry {
    /// Begins anew with a line as its source has it. As Promtail does, each label is among what is extracted too.
    pub(crate) fn begin(&mut self, labels: &Labels, timestamp: Timestamp, line: &str, place: Place) {
        self.timestamp = Some(timestamp);
        self.line.clear();
        self.line.push_str(line);
        self.labels.begin(labels);
        self.structured.clear();
        self.extracted.begin(labels);
        self.tenant = None;
        self.place = place;
    }
}

/// The labels of a source, and what stages changed of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct EntryLabels {
    base: Labels,
    /// The last change of a name holds; `None` takes a label away.
    changes: Vec<(String, Option<String>)>,
}

impl EntryLabels {
    fn begin(&mut self, base: &Labels) {
        self.base = base.clone();
        self.changes.clear();
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        match self.changes.iter().find(|(known, _)| known == name) {
            Some((_, value)) => value.as_deref(),
            None => self.base.get(name),
        }
    }

    pub(crate) fn set(&mut self, name: &str, value: Option<&str>) {
        match self.changes.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => *known = value.map(str::to_owned),
            None => self.changes.push((name.to_owned(), value.map(str::to_owned))),
        }
    }

    /// Name and value of each label, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let is_changed = |name: &str| self.changes.iter().any(|(known, _)| known == name);
        let kept = self.base.iter().filter(move |(name, _)| !is_changed(name));
        kept.chain(self.changes.iter().filter_map(|(name, value)| Some((name.as_str(), value.as_deref()?))))
    }

    /// The set that they make up. Costs nothing where no stage changed a label.
    pub(crate) fn resolved(&self) -> Labels {
        if self.changes.is_empty() {
            return self.base.clone();
        }
        Labels::from_pairs(self.iter().map(|(name, value)| (name.to_owned(), value.to_owned())))
    }

    /// What was changed of which set: equal for lines that end in equal labels of one source, so a key to remember them by.
    pub(crate) fn changed(&self) -> (&Labels, &[(String, Option<String>)]) {
        (&self.base, &self.changes)
    }
}

/// What stages took out of a line, by name. Values are text or what JSON knows, as in Promtail.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Extracted {
    base: Labels,
    values: Vec<(String, Value)>,
}

impl Extracted {
    fn begin(&mut self, base: &Labels) {
        self.base = base.clone();
        self.values.clear();
    }

    pub(crate) fn set(&mut self, name: &str, value: Value) {
        match self.values.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => *known = value,
            None => self.values.push((name.to_owned(), value)),
        }
    }

    pub(crate) fn set_text(&mut self, name: &str, value: &str) {
        self.set(name, Value::String(value.to_owned()));
    }

    /// What was taken out under a name, else the label of that name with which the line began.
    pub(crate) fn get(&self, name: &str) -> Option<std::borrow::Cow<'_, Value>> {
        match self.values.iter().find(|(known, _)| known == name) {
            Some((_, value)) => Some(std::borrow::Cow::Borrowed(value)),
            None => self.base.get(name).map(|value| std::borrow::Cow::Owned(Value::String(value.to_owned()))),
        }
    }

    /// The same as text, written as Go writes it.
    pub(crate) fn text(&self, name: &str) -> Option<std::borrow::Cow<'_, str>> {
        use std::borrow::Cow;
        match self.values.iter().find(|(known, _)| known == name) {
            Some((_, Value::String(text))) => Some(Cow::Borrowed(text)),
            Some((_, value)) => as_text(value).map(Cow::Owned),
            None => self.base.get(name).map(Cow::Borrowed),
        }
    }

    /// Name and value of all, those of stages last.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, std::borrow::Cow<'_, str>)> {
        use std::borrow::Cow;
        let is_changed = |name: &str| self.values.iter().any(|(known, _)| known == name);
        let kept = self
            .base
            .iter()
            .filter(move |(name, _)| !is_changed(name))
            .map(|(name, value)| (name, Cow::Borrowed(value)));
        kept.chain(self.values.iter().filter_map(|(name, value)| match value {
            Value::String(text) => Some((name.as_str(), Cow::Borrowed(text.as_str()))),
            value => Some((name.as_str(), Cow::Owned(as_text(value)?))),
        }))
    }
}

/// A value as a label has it; `None` where there is none.
fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Array(_) | Value::Object(_) => serde_json::to_string(value).ok(),
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
    fn what_is_extracted_is_text_where_text_is_wanted() {
        let mut extracted = Extracted::default();
        extracted.set_text("a", "x");
        extracted.set("n", serde_json::json!(1.5));
        extracted.set("o", serde_json::json!({"k": [1]}));
        extracted.set("none", Value::Null);
        let all: Vec<String> = extracted.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(all, ["a=x", "n=1.5", "o={\"k\":[1]}"]);
        assert_eq!(extracted.text("none"), None);
    }
}
