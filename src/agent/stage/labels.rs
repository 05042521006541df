//! `labels`, `labelallow`, `labeldrop`, `static_labels` and `structured_metadata`: what is sent along with the line.

use std::borrow::Cow;
use std::time::Instant;

use serde::de::Error;
use serde::{Deserialize, Deserializer};

use crate::agent::entry::Entry;
use crate::agent::stage::setting::{LabelName, Mapping, MaybeText};
use crate::agent::stage::{Flow, Stage, Surroundings};

/// A name, and what was taken out that it gets; `None` stands for what has the same name.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct Sources(Mapping<LabelName, MaybeText>);

impl Sources {
    pub(crate) fn build_labels(&self, _around: &Surroundings) -> Box<dyn Stage> {
        Box::new(SetLabels { sources: self.pairs() })
    }

    pub(crate) fn build_structured(&self, _around: &Surroundings) -> Box<dyn Stage> {
        Box::new(SetStructured { sources: self.pairs() })
    }

    fn pairs(&self) -> Vec<(String, String)> {
        let pairs = self.0.0.iter().map(|(name, source)| {
            let name = name.as_str().to_owned();
            let source = source.0.clone().unwrap_or_else(|| name.clone());
            (name, source)
        });
        pairs.collect()
    }
}

/// Values that each line gets.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct Fixed(Mapping<LabelName, MaybeText>);

impl Fixed {
    pub(crate) fn build(&self, _around: &Surroundings) -> Box<dyn Stage> {
        let pairs = self.0.0.iter().filter_map(|(name, value)| Some((name.as_str().to_owned(), value.0.clone()?)));
        Box::new(FixLabels { pairs: pairs.collect() })
    }
}

/// Names of labels, at least one.
#[derive(Clone, Debug)]
pub(crate) struct List(Vec<String>);

impl<'de> Deserialize<'de> for List {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<List, D::Error> {
        let names = Vec::<String>::deserialize(deserializer)?;
        if names.is_empty() {
            return Err(D::Error::custom("at least one label is needed here"));
        }
        Ok(List(names))
    }
}

impl List {
    pub(crate) fn build_allow(&self, _around: &Surroundings) -> Box<dyn Stage> {
        Box::new(Allow { names: self.0.clone(), gone: Vec::new() })
    }

    pub(crate) fn build_drop(&self, _around: &Surroundings) -> Box<dyn Stage> {
        Box::new(DropLabels { names: self.0.clone() })
    }
}

/// Sets labels from what was taken out.
pub(crate) struct SetLabels {
    /// Name and source.
    pub(crate) sources: Vec<(String, String)>,
}

impl Stage for SetLabels {
    fn run(&mut self, entry: &mut Entry, _now: Instant) -> Flow {
        let Entry { extracted, labels, .. } = entry;
        for (name, source) in &self.sources {
            if let Some(value) = extracted.text(source) {
                labels.set(name, Some(&value));
            }
        }
        Flow::Pass
    }
}

/// Sets structured metadata from what was taken out, and moves labels there.
struct SetStructured {
    /// Name and source.
    sources: Vec<(String, String)>,
}

impl Stage for SetStructured {
    fn run(&mut self, entry: &mut Entry, _now: Instant) -> Flow {
        let mut moved = Vec::new();
        for (name, source) in &self.sources {
            let taken = entry.extracted.text(source).map(Cow::into_owned);
            let Some(value) = taken.or_else(|| entry.labels.get(source).map(str::to_owned)) else { continue };
            entry.set_structured(name, &value);
            // a label that says the same is not sent twice; one that several names ask for is there for each of them
            if entry.labels.get(source) == Some(value.as_str()) {
                moved.push(source);
            }
        }
        moved.into_iter().for_each(|label| entry.labels.set(label, None));
        Flow::Pass
    }
}

struct FixLabels {
    pairs: Vec<(String, String)>,
}

impl Stage for FixLabels {
    fn run(&mut self, entry: &mut Entry, _now: Instant) -> Flow {
        for (name, value) in &self.pairs {
            entry.labels.set(name, Some(value));
        }
        Flow::Pass
    }
}

struct Allow {
    names: Vec<String>,
    /// Labels of the present line that are not allowed.
    gone: Vec<String>,
}

impl Stage for Allow {
    fn run(&mut self, entry: &mut Entry, _now: Instant) -> Flow {
        let unwanted = entry.labels.iter().map(|(name, _)| name);
        self.gone.extend(unwanted.filter(|name| !self.names.iter().any(|known| known == name)).map(str::to_owned));
        for name in self.gone.drain(..) {
            entry.labels.set(&name, None);
        }
        Flow::Pass
    }
}

struct DropLabels {
    names: Vec<String>,
}

impl Stage for DropLabels {
    fn run(&mut self, entry: &mut Entry, _now: Instant) -> Flow {
        for name in &self.names {
            if entry.labels.get(name).is_some() {
                entry.labels.set(name, None);
            }
        }
        Flow::Pass
    }
}
