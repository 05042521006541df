//! The labels of one line while stages work on it.
//!
//! A line comes with the labels of its stream and its structured metadata; stages add, change and delete. Both sets
//! that it came with stay untouched: what stages do is noted beside them, in buffers that are reused from line to
//! line, so that a line whose labels nobody changes costs no allocation.

use crate::logql::stage::hints::{Hints, Seen};
use crate::model::Labels;

/// The label that holds the kind of the first thing that went wrong with a line.
pub const ERROR_LABEL: &str = "__error__";
/// The label that holds what exactly went wrong.
pub const ERROR_DETAILS_LABEL: &str = "__error_details__";
/// Set to `true` where a metric query asks for lines with errors, so that they do not fail it.
pub const PRESERVE_ERROR_LABEL: &str = "__preserve_error__";
/// Appended to a parsed name that the line has already as a stream label or in its metadata.
pub(crate) const EXTRACTED_SUFFIX: &str = "_extracted";

/// Where a label of a line comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Category {
    Stream,
    Structured,
    /// Made or changed by a stage.
    Parsed,
}

/// What can go wrong with a line; it stays in the answer, marked with this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineError {
    Json,
    Logfmt,
    SampleExtraction,
    LabelFilter,
    TemplateFormat,
}

impl LineError {
    /// The value of `__error__`.
    pub const fn text(self) -> &'static str {
        match self {
            LineError::Json => "JSONParserErr",
            LineError::Logfmt => "LogfmtParserErr",
            LineError::SampleExtraction => "SampleExtractionErr",
            LineError::LabelFilter => "LabelFilterErr",
            LineError::TemplateFormat => "TemplateFormatErr",
        }
    }
}

/// Buffers of one worker, reused from line to line.
#[derive(Debug, Default)]
pub struct Scratch {
    /// What stages did to the labels of the present line.
    pub(crate) changes: Changes,
    /// The present line, where a stage changed it.
    pub(crate) line: LineBuffer,
}

/// A line that stages write anew: one text is read while the other is written.
#[derive(Debug, Default)]
pub(crate) struct LineBuffer {
    pub(crate) now: String,
    pub(crate) next: String,
    pub(crate) changed: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// Names and values of `added`, one after the other.
    text: String,
    added: Vec<Added>,
    stream_gone: Bits,
    metadata_gone: Bits,
    /// Names that a stage deleted, be they added again later or not.
    deleted: Vec<Span>,
    error: Option<LineError>,
    details: String,
    pub(crate) seen: Seen,
    /// A name that a parser is putting together.
    pub(crate) name: String,
    /// Places of labels, sorted by name; used while a view is read.
    order: Vec<Place>,
}

#[derive(Clone, Copy, Debug)]
struct Span {
    start: usize,
    end: usize,
}

#[derive(Clone, Copy, Debug)]
struct Added {
    name: Span,
    value: Span,
    category: Category,
}

/// A set of small numbers.
#[derive(Debug, Default)]
struct Bits(Vec<u64>);

impl Bits {
    fn clear(&mut self) {
        self.0.clear();
    }

    fn insert(&mut self, index: usize) {
        if self.0.len() <= index / 64 {
            self.0.resize(index / 64 + 1, 0);
        }
        self.0[index / 64] |= 1 << (index % 64);
    }

    fn contains(&self, index: usize) -> bool {
        self.0.get(index / 64).is_some_and(|word| word & (1 << (index % 64)) != 0)
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Where a label's name and value are found.
#[derive(Clone, Copy, Debug)]
enum Place {
    Stream(usize),
    Metadata(usize),
    Added(usize),
}

impl Changes {
    fn reset(&mut self) {
        self.text.clear();
        self.added.clear();
        self.stream_gone.clear();
        self.metadata_gone.clear();
        self.deleted.clear();
        self.error = None;
        self.details.clear();
        self.seen.clear();
    }

    fn push_text(&mut self, text: &str) -> Span {
        let start = self.text.len();
        self.text.push_str(text);
        Span { start, end: self.text.len() }
    }

    fn text(&self, span: Span) -> &str {
        &self.text[span.start..span.end]
    }

    fn find_added(&self, name: &str) -> Option<usize> {
        self.added.iter().position(|added| self.text(added.name) == name)
    }
}

/// The labels of the present line, open for changes.
#[derive(Debug)]
pub(crate) struct LineLabels<'a> {
    pub(crate) stream: &'a Labels,
    pub(crate) metadata: &'a Labels,
    pub(crate) changes: &'a mut Changes,
    pub(crate) hints: &'a Hints,
}

impl<'a> LineLabels<'a> {
    /// Starts a line: forgets the one before, and renames metadata whose name is also a stream label.
    pub(crate) fn start(
        stream: &'a Labels,
        metadata: &'a Labels,
        changes: &'a mut Changes,
        hints: &'a Hints,
    ) -> LineLabels<'a> {
        changes.reset();
        let mut labels = LineLabels { stream, metadata, changes, hints };
        if !metadata.is_empty() {
            labels.rename_clashing_metadata();
        }
        labels
    }

    fn rename_clashing_metadata(&mut self) {
        let mut names = self.stream.iter().map(|(name, _)| name).peekable();
        for (index, (name, value)) in self.metadata.iter().enumerate() {
            while names.next_if(|stream_name| *stream_name < name).is_some() {}
            if names.peek() == Some(&name) {
                self.changes.metadata_gone.insert(index);
                let start = self.changes.text.len();
                self.changes.text.push_str(name);
                self.changes.text.push_str(EXTRACTED_SUFFIX);
                let name = Span { start, end: self.changes.text.len() };
                let value = self.changes.push_text(value);
                self.changes.added.push(Added { name, value, category: Category::Structured });
            }
        }
    }

    /// The labels as they are now, to look at.
    pub(crate) fn view(&self) -> View<'_> {
        View { stream: self.stream, metadata: self.metadata, changes: self.changes }
    }

    /// The value under a name; the error labels are not found here.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let place = self.view().find(name)?;
        Some(self.view().value(place))
    }

    /// The value under a name as a text filter sees it: errors included, `""` where there is none.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.view().text(name)
    }

    /// Whether a parser must append `_extracted` to this name.
    pub(crate) fn is_taken(&self, name: &str) -> bool {
        self.stream.get(name).is_some() || self.view().find_metadata(name).is_some()
    }

    /// Sets a label that a stage makes; it hides one of the stream or the metadata of that name.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.set_with(name, |text| text.push_str(value));
    }

    /// As [`LineLabels::set`], the value written by `write`, which may only append.
    pub(crate) fn set_with(&mut self, name: &str, write: impl FnOnce(&mut String)) {
        let start = self.changes.text.len();
        write(&mut self.changes.text);
        let value = Span { start, end: self.changes.text.len() };
        self.put(name, value);
    }

    fn put(&mut self, name: &str, value: Span) {
        self.hide(name);
        self.changes.seen.insert(name);
        match self.changes.find_added(name) {
            Some(index) => {
                self.changes.added[index].value = value;
                self.changes.added[index].category = Category::Parsed;
            }
            None => {
                let name = self.changes.push_text(name);
                self.changes.added.push(Added { name, value, category: Category::Parsed });
            }
        }
    }

    /// Sets what a parser found, unless nobody wants it or the name was found before. Whether the line may still pass:
    /// a filter on the label that comes later acts already here.
    pub(crate) fn take_parsed(&mut self, name: &str, write: impl FnOnce(&mut String)) -> bool {
        let hints = self.hints;
        if !hints.wants(name) || self.changes.seen.contains(name) {
            return true;
        }
        self.set_with(name, write);
        hints.lets_pass(name, self)
    }

    /// What a parser could not read. A metric query that asks for errors is not to fail because of it.
    pub(crate) fn set_parser_error(&mut self, error: LineError, details: &str) {
        self.set_error(error, details);
        if self.hints.preserve_error {
            self.set(PRESERVE_ERROR_LABEL, "true");
        }
    }

    /// Gives the value of one label to another and deletes the first, if it is there.
    pub(crate) fn rename(&mut self, from: &str, to: &str) {
        let Some(place) = self.view().find(from) else { return };
        let value = match place {
            Place::Added(index) => self.changes.added[index].value,
            Place::Stream(_) | Place::Metadata(_) => {
                let (labels, index) = match place {
                    Place::Stream(index) => (self.stream, index),
                    Place::Metadata(index) | Place::Added(index) => (self.metadata, index),
                };
                let value = labels.iter().nth(index).map_or("", |(_, value)| value);
                self.changes.push_text(value)
            }
        };
        self.put(to, value);
        self.delete(from);
    }

    /// Deletes a label wherever it is from.
    pub(crate) fn delete(&mut self, name: &str) {
        self.hide(name);
        if let Some(index) = self.changes.find_added(name) {
            self.changes.added.remove(index);
        }
        let name = self.changes.push_text(name);
        self.changes.deleted.push(name);
    }

    /// Deletes all labels for which `goes` says so; the error labels are not asked about.
    pub(crate) fn delete_where(&mut self, mut goes: impl FnMut(&str, &str) -> bool) {
        let changes = &mut *self.changes;
        for (index, (name, value)) in self.stream.iter().enumerate() {
            if !changes.stream_gone.contains(index) && goes(name, value) {
                changes.stream_gone.insert(index);
                let name = changes.push_text(name);
                changes.deleted.push(name);
            }
        }
        for (index, (name, value)) in self.metadata.iter().enumerate() {
            if !changes.metadata_gone.contains(index) && goes(name, value) {
                changes.metadata_gone.insert(index);
                let name = changes.push_text(name);
                changes.deleted.push(name);
            }
        }
        let Changes { text, added, deleted, .. } = changes;
        added.retain(|label| {
            let gone = goes(&text[label.name.start..label.name.end], &text[label.value.start..label.value.end]);
            if gone {
                deleted.push(label.name);
            }
            !gone
        });
    }

    fn hide(&mut self, name: &str) {
        if let Some(index) = position(self.stream, name) {
            self.changes.stream_gone.insert(index);
        }
        if let Some(index) = position(self.metadata, name) {
            self.changes.metadata_gone.insert(index);
        }
    }

    pub(crate) fn error(&self) -> Option<LineError> {
        self.changes.error
    }

    pub(crate) fn set_error(&mut self, error: LineError, details: &str) {
        self.changes.error = Some(error);
        self.changes.details.clear();
        self.changes.details.push_str(details);
    }

    pub(crate) fn clear_error(&mut self) {
        self.changes.error = None;
    }

    pub(crate) fn clear_error_details(&mut self) {
        self.changes.details.clear();
    }
}

fn position(labels: &Labels, name: &str) -> Option<usize> {
    labels.iter().position(|(known, _)| known == name)
}

/// The labels of a line after all stages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a> {
    pub(crate) stream: &'a Labels,
    pub(crate) metadata: &'a Labels,
    pub(crate) changes: &'a Changes,
}

impl<'a> View<'a> {
    /// The value under a name, errors included; `""` where there is none.
    pub(crate) fn text(&self, name: &str) -> &'a str {
        match name {
            ERROR_LABEL => self.changes.error.map_or("", LineError::text),
            ERROR_DETAILS_LABEL if !self.changes.details.is_empty() => &self.changes.details,
            _ => self.find(name).map_or("", |place| self.value(place)),
        }
    }

    /// All labels, errors included, in no order.
    pub(crate) fn for_each(&self, visit: &mut dyn FnMut(&'a str, &'a str)) {
        self.for_each_place(|view, place| visit(view.name(place), view.value(place)));
        self.errors().for_each(|(name, value)| visit(name, value));
    }

    fn errors(&self) -> impl Iterator<Item = (&'static str, &'a str)> + use<'a> {
        let error = self.changes.error.map(|error| (ERROR_LABEL, error.text()));
        let details = Some((ERROR_DETAILS_LABEL, self.changes.details.as_str())).filter(|(_, text)| !text.is_empty());
        error.into_iter().chain(details)
    }

    fn find(&self, name: &str) -> Option<Place> {
        if !self.changes.added.is_empty()
            && let Some(index) = self.changes.find_added(name)
        {
            return Some(Place::Added(index));
        }
        if let Some(index) = position(self.stream, name)
            && !self.changes.stream_gone.contains(index)
        {
            return Some(Place::Stream(index));
        }
        self.find_metadata(name)
    }

    fn find_metadata(&self, name: &str) -> Option<Place> {
        if let Some(index) = position(self.metadata, name)
            && !self.changes.metadata_gone.contains(index)
        {
            return Some(Place::Metadata(index));
        }
        let index = self.changes.find_added(name)?;
        (self.changes.added[index].category == Category::Structured).then_some(Place::Added(index))
    }

    fn name(&self, place: Place) -> &'a str {
        match place {
            Place::Stream(index) => self.stream.iter().nth(index).map_or("", |(name, _)| name),
            Place::Metadata(index) => self.metadata.iter().nth(index).map_or("", |(name, _)| name),
            Place::Added(index) => self.changes.text(self.changes.added[index].name),
        }
    }

    fn value(&self, place: Place) -> &'a str {
        match place {
            Place::Stream(index) => self.stream.iter().nth(index).map_or("", |(_, value)| value),
            Place::Metadata(index) => self.metadata.iter().nth(index).map_or("", |(_, value)| value),
            Place::Added(index) => self.changes.text(self.changes.added[index].value),
        }
    }

    fn for_each_place(&self, mut visit: impl FnMut(&View<'a>, Place)) {
        for index in (0..self.stream.len()).filter(|index| !self.changes.stream_gone.contains(*index)) {
            visit(self, Place::Stream(index));
        }
        for index in (0..self.metadata.len()).filter(|index| !self.changes.metadata_gone.contains(*index)) {
            visit(self, Place::Metadata(index));
        }
        for index in 0..self.changes.added.len() {
            visit(self, Place::Added(index));
        }
    }
}

/// How a metric query groups lines into series.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Wanted {
    /// Every label counts; also what log queries want.
    #[default]
    All,
    /// No label counts: one series for all lines.
    None,
    By(Vec<String>),
    Without(Vec<String>),
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
    pub(crate) changes: &'a mut Changes,
    pub(crate) wanted: &'a Wanted,
}

impl Processed<'_> {
    fn view(&self) -> View<'_> {
        View { stream: self.stream, metadata: self.metadata, changes: self.changes }
    }

    /// Whether the labels are still those that the line came with: then everything about them depends on the stream
    /// and the metadata alone, and may be remembered for both.
    pub fn untouched(&self) -> bool {
        let changes = &self.changes;
        changes.added.is_empty()
            && changes.stream_gone.is_empty()
            && changes.metadata_gone.is_empty()
            && changes.error.is_none()
            && changes.details.is_empty()
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
    pub fn get(&self, name: &str) -> Option<&str> {
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

    /// All labels together.
    pub fn labels(&self) -> Labels {
        if self.metadata.is_empty() && self.untouched() {
            return self.stream.clone();
        }
        let mut pairs = Vec::new();
        self.view().for_each_place(|view, place| pairs.push(owned((view.name(place), view.value(place)))));
        pairs.extend(self.view().errors().map(owned));
        Labels::from_pairs(pairs)
    }

    fn added(&self, category: Category) -> impl Iterator<Item = (String, String)> {
        let changes = &self.changes;
        let of_category = changes.added.iter().filter(move |label| label.category == category);
        of_category.map(|label| owned((changes.text(label.name), changes.text(label.value))))
    }

    /// Appends the labels of the series that this line belongs to, as bytes that are equal exactly where those labels
    /// are equal. Errors are labels like others here, so ask [`Processed::fails_metric`] first.
    pub fn series_key(&mut self, key: &mut Vec<u8>) {
        let mut push = |name: &str, value: &str| {
            // 0xff never occurs in UTF-8
            key.extend_from_slice(name.as_bytes());
            key.push(0xff);
            key.extend_from_slice(value.as_bytes());
            key.push(0xff);
        };
        let wanted = self.wanted;
        match wanted {
            Wanted::None => {}
            Wanted::By(names) => {
                let view = self.view();
                for name in names {
                    if let Some(value) = view.grouped(name) {
                        push(name, value);
                    }
                }
            }
            Wanted::All | Wanted::Without(_) => {
                let mut order = std::mem::take(&mut self.changes.order);
                order.clear();
                let view = View { stream: self.stream, metadata: self.metadata, changes: self.changes };
                view.for_each_place(|view, place| {
                    if !wanted.leaves_out(view.name(place)) {
                        order.push(place);
                    }
                });
                if !view.is_sorted(&order) {
                    order.sort_unstable_by(|a, b| view.name(*a).cmp(view.name(*b)));
                }
                for place in &order {
                    push(view.name(*place), view.value(*place));
                }
                view.errors().for_each(|(name, value)| push(name, value));
                self.changes.order = order;
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
                let value = |name: &String| Some((name.clone(), view.grouped(name)?.to_owned()));
                names.iter().filter_map(value).collect()
            }
            Wanted::Without(_) => {
                let labels = self.labels();
                labels.iter().filter(|(name, _)| !self.wanted.leaves_out(name)).map(owned).collect()
            }
        }
    }
}

impl<'a> View<'a> {
    /// The value under a name that lines are grouped by: a name that was once deleted stays lost, as in Loki.
    fn grouped(&self, name: &str) -> Option<&'a str> {
        if let Some((_, value)) = self.errors().find(|(label, _)| *label == name) {
            return Some(value);
        }
        let deleted = self.changes.deleted.iter().any(|span| self.changes.text(*span) == name);
        if deleted { None } else { self.find(name).map(|place| self.value(place)) }
    }

    fn is_sorted(&self, order: &[Place]) -> bool {
        order.is_sorted_by(|a, b| self.name(*a) <= self.name(*b))
    }
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

    fn leaves_out(&self, name: &str) -> bool {
        match self {
            Wanted::Without(names) => names.iter().any(|known| known == name),
            Wanted::All | Wanted::None | Wanted::By(_) => false,
        }
    }
}

fn owned((name, value): (&str, &str)) -> (String, String) {
    (name.to_owned(), value.to_owned())
}
