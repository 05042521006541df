//! A line that passed all stages, and the series that it belongs to.

use xxhash_rust::xxh3::xxh3_128;

use crate::logql::stage::changes::{Changes, View};
use crate::logql::stage::labels::{Category, ERROR_DETAILS_LABEL, ERROR_LABEL, LineError, PRESERVE_ERROR_LABEL};
use crate::model::Labels;

/// How a metric query groups lines into series.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Wanted {
    /// Every label counts; also what log queries want.
    #[default]
    All,
    /// No label counts: one series for all lines.
    None,
    By(Vec<String>),
    /// All but these, and none that is empty.
    Without(Vec<String>),
    /// All but the one that is unwrapped.
    AllBut(String),
    /// Labels of the stream, whatever lines have under their names, and labels wherever they come from.
    ByStream {
        stream: Vec<String>,
        line: Vec<String>,
    },
}

impl Wanted {
    /// Names in the order of a label set, so that a key and a label set come out alike.
    pub(crate) fn sorted(mut self) -> Wanted {
        if let Wanted::By(names) | Wanted::Without(names) = &mut self {
            names.sort();
            names.dedup();
        }
        self
    }

    fn leaves_out(&self, name: &str, value: &str) -> bool {
        match self {
            Wanted::Without(names) => value.is_empty() || names.iter().any(|known| known == name),
            Wanted::AllBut(known) => known == name,
            Wanted::All | Wanted::None | Wanted::By(_) | Wanted::ByStream { .. } => false,
        }
    }
}

/// A line that passed all stages.
#[derive(Debug)]
pub struct Processed<'a> {
    /// The text after all stages.
    pub line: &'a str,
    /// The number that `unwrap` found; `None` without `unwrap`, and 0 where an error stands in its place.
    pub value: Option<f64>,
    pub(crate) stream: &'a Labels,
    pub(crate) metadata: &'a Labels,
    pub(crate) changes: &'a Changes,
    pub(crate) wanted: &'a Wanted,
}

impl<'a> Processed<'a> {
    fn view(&self) -> View<'a> {
        View { stream: self.stream, metadata: self.metadata, changes: self.changes }
    }

    /// Whether the labels are still those that the line came with: then everything about them depends on the stream
    /// and the metadata alone, and may be remembered for both.
    pub fn untouched(&self) -> bool {
        self.changes.is_empty()
    }

    /// Whether a label of the stream or a part of the metadata is gone, or has another name or value.
    pub fn lacks_labels(&self) -> bool {
        !self.changes.stream_gone.is_empty() || !self.changes.metadata_gone.is_empty()
    }

    /// What went wrong with the line, if anything did.
    pub fn error(&self) -> Option<LineError> {
        self.changes.error
    }

    /// Whether an error of this line must fail a metric query: there is one, and no filter asked for errors.
    pub fn fails_metric(&self) -> bool {
        self.changes.error.is_some() && self.get(PRESERVE_ERROR_LABEL) != Some("true")
    }

    /// The value of a label, errors included.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        match name {
            ERROR_LABEL if self.changes.error.is_some() => self.changes.error.map(LineError::text),
            ERROR_DETAILS_LABEL if !self.changes.details.is_empty() => Some(&self.changes.details),
            _ => {
                let view = self.view();
                view.find(name).map(|place| view.value(place))
            }
        }
    }

    /// Labels of the stream that are left, unchanged ones only.
    pub fn stream_labels(&self) -> Labels {
        if self.changes.stream_gone.is_empty() {
            return self.stream.clone();
        }
        let left = |(index, _): &(usize, _)| !self.changes.stream_gone.contains(*index);
        self.stream.iter().enumerate().filter(left).map(|(_, pair)| owned(pair)).collect()
    }

    /// Structured metadata that is left; names that clash with the stream's carry `_extracted`.
    pub fn structured_labels(&self) -> Labels {
        if self.changes.metadata_gone.is_empty() {
            return self.metadata.clone();
        }
        let left = |(index, _): &(usize, _)| !self.changes.metadata_gone.contains(*index);
        let kept = self.metadata.iter().enumerate().filter(left).map(|(_, pair)| owned(pair));
        kept.chain(self.added(Category::Structured)).collect()
    }

    /// Labels that stages made or changed, errors included.
    pub fn parsed_labels(&self) -> Labels {
        let errors = self.view().errors().map(owned);
        self.added(Category::Parsed).chain(errors).collect()
    }

    /// Names and values that stages made or changed, errors left out.
    pub fn made(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let changes = self.changes;
        let parsed = changes.added().iter().filter(|added| added.live && added.category == Category::Parsed);
        parsed.map(|added| (changes.text(added.name), changes.text(added.value)))
    }

    fn added(&self, category: Category) -> impl Iterator<Item = (String, String)> {
        let of_category = self.changes.added().iter().filter(move |added| added.live && added.category == category);
        of_category.map(|added| owned((self.changes.text(added.name), self.changes.text(added.value))))
    }

    /// All labels together.
    pub fn labels(&self) -> Labels {
        if self.metadata.is_empty() && self.untouched() {
            return self.stream.clone();
        }
        self.view().pairs().map(owned).collect()
    }

    /// Appends bytes that tell the series that this line belongs to from all others: equal labels make equal bytes,
    /// others differ, but for a chance of one in 2^100. Errors are labels like others here, so ask
    /// [`Processed::fails_metric`] first.
    pub fn series_key(&self, key: &mut Vec<u8>) {
        match self.wanted {
            Wanted::None => {}
            Wanted::By(names) => {
                let view = self.view();
                for name in names {
                    if let Some(value) = grouped(&view, name) {
                        push_pair(key, name, value);
                    }
                }
            }
            Wanted::ByStream { stream, line } => {
                let view = self.view();
                for (name, value) in by_stream(&view, stream, line) {
                    push_pair(key, name, value);
                }
            }
            // a sum does not depend on the order, which saves sorting the labels of every line
            Wanted::All | Wanted::Without(_) | Wanted::AllBut(_) => {
                let start = key.len();
                let mut sum = 0u128;
                for (name, value) in self.view().pairs() {
                    if !self.wanted.leaves_out(name, value) {
                        push_pair(key, name, value);
                        sum = sum.wrapping_add(xxh3_128(&key[start..]));
                        key.truncate(start);
                    }
                }
                key.extend_from_slice(&sum.to_le_bytes());
            }
        }
    }

    /// Visits the labels that [`Processed::series_key`] stands for, until a visit fails; of a name that comes twice, the
    /// last counts.
    pub fn each_series_pair<E>(&self, mut visit: impl FnMut(&str, &str) -> Result<(), E>) -> Result<(), E> {
        let view = self.view();
        match self.wanted {
            Wanted::None => Ok(()),
            Wanted::By(names) => {
                let mut found = names.iter().filter_map(|name| Some((name, grouped(&view, name)?)));
                found.try_for_each(|(name, value)| visit(name, value))
            }
            Wanted::ByStream { stream, line } => {
                by_stream(&view, stream, line).try_for_each(|(name, value)| visit(name, value))
            }
            Wanted::All | Wanted::Without(_) | Wanted::AllBut(_) => {
                let mut left = view.pairs().filter(|(name, value)| !self.wanted.leaves_out(name, value));
                left.try_for_each(|(name, value)| visit(name, value))
            }
        }
    }

    /// The labels that [`Processed::series_key`] stands for.
    pub fn series_labels(&self) -> Labels {
        match self.wanted {
            Wanted::None => Labels::default(),
            Wanted::All => self.labels(),
            Wanted::By(names) => {
                let view = self.view();
                let value = |name: &String| Some((name.clone(), grouped(&view, name)?.to_owned()));
                names.iter().filter_map(value).collect()
            }
            Wanted::ByStream { stream, line } => by_stream(&self.view(), stream, line).map(owned).collect(),
            Wanted::Without(_) | Wanted::AllBut(_) => {
                let labels = self.labels();
                labels.iter().filter(|(name, value)| !self.wanted.leaves_out(name, value)).map(owned).collect()
            }
        }
    }
}

fn push_pair(key: &mut Vec<u8>, name: &str, value: &str) {
    // 0xff never occurs in UTF-8
    key.extend_from_slice(name.as_bytes());
    key.push(0xff);
    key.extend_from_slice(value.as_bytes());
    key.push(0xff);
}

/// The value under a name that lines are grouped by: a name that was once deleted stays lost, as in Loki.
fn grouped<'a>(view: &View<'a>, name: &str) -> Option<&'a str> {
    if let Some((_, value)) = view.errors().find(|(label, _)| *label == name) {
        return Some(value);
    }
    if view.changes.was_deleted(name) { None } else { view.find(name).map(|place| view.value(place)) }
}

/// What lines are grouped by with these labels of streams and of lines.
fn by_stream<'a>(
    view: &View<'a>,
    stream: &'a [String],
    line: &'a [String],
) -> impl Iterator<Item = (&'a str, &'a str)> {
    let of_stream = stream.iter().filter_map(|name| Some((name.as_str(), view.stream.get(name)?)));
    of_stream.chain(line.iter().filter_map(move |name| Some((name.as_str(), grouped(view, name)?))))
}

fn owned((name, value): (&str, &str)) -> (String, String) {
    (name.to_owned(), value.to_owned())
}
