//! The labels of one line while stages work on it.
//!
//! A line comes with the labels of its stream and its structured metadata; stages add, change and delete. Both sets
//! that it came with stay untouched: what stages do is noted beside them, in buffers that are reused from line to
//! line, so that a line whose labels nobody changes costs no allocation.

use crate::logql::stage::changes::{Changes, Place, Span, View};
use crate::logql::stage::hints::Hints;
use crate::logql::template::Budget;
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
    /// What the templates that the present line goes through may use.
    pub(crate) budget: Budget,
}

impl Scratch {
    /// What the buffers take, about.
    pub fn memory_bytes(&self) -> usize {
        self.changes.memory_bytes() + self.line.now.capacity() + self.line.next.capacity()
    }

    /// Whether the last line took long: then it is time to look whether anybody still waits for the answer.
    pub fn was_slow(&self) -> bool {
        self.budget.was_slow()
    }
}

/// A line that stages write anew: one text is read while the other is written.
#[derive(Debug, Default)]
pub(crate) struct LineBuffer {
    pub(crate) now: String,
    pub(crate) next: String,
    pub(crate) changed: bool,
}

/// The labels of the present line, open for changes.
#[derive(Debug)]
pub(crate) struct LineLabels<'a> {
    stream: &'a Labels,
    metadata: &'a Labels,
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
        let mut renamed = std::mem::take(&mut self.changes.name);
        let mut names = self.stream.iter().map(|(name, _)| name).peekable();
        for (index, (name, value)) in self.metadata.iter().enumerate() {
            while names.next_if(|stream_name| *stream_name < name).is_some() {}
            if names.peek() == Some(&name) {
                self.changes.metadata_gone.insert(index);
                let value = self.changes.keep_text(value);
                renamed.clear();
                renamed.push_str(name);
                renamed.push_str(EXTRACTED_SUFFIX);
                self.changes.push(&renamed, value, Category::Structured);
            }
        }
        self.changes.name = renamed;
    }

    /// The labels as they are now, to look at.
    pub(crate) fn view(&self) -> View<'_> {
        View { stream: self.stream, metadata: self.metadata, changes: self.changes }
    }

    /// The value under a name; the error labels are not found here.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let view = self.view();
        view.find(name).map(|place| view.value(place))
    }

    /// The value under a name as a text filter sees it: errors included, `""` where there is none.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.view().text(name)
    }

    /// Whether a parser must append `_extracted` to this name: the stream has it, or metadata that is still there.
    pub(crate) fn is_taken(&self, name: &str) -> bool {
        self.is_taken_or_added(name, self.changes.find(name))
    }

    /// As [`LineLabels::is_taken`], where the name's place among those that were added is known.
    fn is_taken_or_added(&self, name: &str, found: Option<usize>) -> bool {
        if self.stream.position(name).is_some() {
            return true;
        }
        match self.metadata.position(name) {
            Some(index) => !self.changes.metadata_gone.contains(index),
            None => found.is_some_and(|index| {
                let added = &self.changes.added()[index];
                added.live && added.category == Category::Structured
            }),
        }
    }

    /// Whether a stage made a label of this name, be it deleted since or not.
    pub(crate) fn is_seen(&self, name: &str) -> bool {
        let found = self.changes.find(name);
        found.is_some_and(|index| self.changes.added()[index].category == Category::Parsed)
    }

    /// Sets a label that a stage makes; it hides one of the stream or the metadata of that name.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.set_with(name, |text| text.push_str(value));
    }

    /// As [`LineLabels::set`], the value written by `write`, which may only append.
    pub(crate) fn set_with(&mut self, name: &str, write: impl FnOnce(&mut String)) {
        let value = self.changes.keep(write);
        self.set_kept(name, value);
    }

    /// As [`LineLabels::set`], the value being kept already.
    pub(crate) fn set_kept(&mut self, name: &str, value: Span) {
        let found = self.changes.find(name);
        self.put(name, found, value);
    }

    /// Sets a label whose place among those that were added is known.
    fn put(&mut self, name: &str, found: Option<usize>, value: Span) {
        self.hide(name);
        let is_new = match found {
            Some(index) => {
                let added = self.changes.added_mut(index);
                added.value = value;
                added.live = true;
                std::mem::replace(&mut added.category, Category::Parsed) != Category::Parsed
            }
            None => {
                self.changes.push(name, value, Category::Parsed);
                true
            }
        };
        if is_new && self.hints.is_required(name) {
            self.changes.required_count += 1;
        }
    }

    /// Sets what a parser found, under the name with `_extracted` where the name is taken, unless nobody wants it or it
    /// was found before. Whether the line may still pass: a filter on the label that comes later acts already here.
    /// `name` is the parser's to fill again.
    pub(crate) fn take_parsed(&mut self, name: &mut String, write: impl FnOnce(&mut String)) -> bool {
        let hints = self.hints;
        // whoever wants a name with `_extracted` also wants it without
        if !hints.wants(name) {
            return true;
        }
        let mut found = self.changes.find(name);
        if self.is_taken_or_added(name, found) {
            name.push_str(EXTRACTED_SUFFIX);
            if !hints.wants(name) {
                return true;
            }
            found = self.changes.find(name);
        }
        if found.is_some_and(|index| self.changes.added()[index].category == Category::Parsed) {
            return true;
        }
        let value = self.changes.keep(write);
        self.put(name, found, value);
        hints.lets_pass(name, self)
    }

    /// What a parser could not read. A metric query that asks for errors is not to fail because of it.
    pub(crate) fn set_parser_error(&mut self, error: LineError, details: &str) {
        self.set_error(error, details);
        self.preserve_error();
    }

    /// The same where there is nothing to tell about it; what an earlier stage told stays.
    pub(crate) fn set_bare_parser_error(&mut self, error: LineError) {
        self.changes.error = Some(error);
        self.preserve_error();
    }

    fn preserve_error(&mut self) {
        if self.hints.preserve_error {
            self.set(PRESERVE_ERROR_LABEL, "true");
        }
    }

    /// Gives the value of one label to another and deletes the first, if it is there.
    pub(crate) fn rename(&mut self, from: &str, to: &str) {
        let Some(place) = self.view().find(from) else { return };
        let value = match place {
            Place::Added(index) => self.changes.added()[index].value,
            Place::Stream(index) => self.changes.keep_text(self.stream.at(index).1),
            Place::Metadata(index) => self.changes.keep_text(self.metadata.at(index).1),
        };
        self.set_kept(to, value);
        self.delete(from);
    }

    /// Deletes a label wherever it is from.
    pub(crate) fn delete(&mut self, name: &str) {
        self.hide(name);
        if let Some(index) = self.changes.find(name) {
            self.changes.added_mut(index).live = false;
        }
        self.changes.note_deleted(name);
    }

    /// Deletes all labels for which `goes` says so; the error labels are not asked about.
    pub(crate) fn delete_where(&mut self, goes: impl Fn(&str, &str) -> bool) {
        for (index, (name, value)) in self.stream.iter().enumerate() {
            if !self.changes.stream_gone.contains(index) && goes(name, value) {
                self.changes.stream_gone.insert(index);
                self.changes.note_deleted(name);
            }
        }
        for (index, (name, value)) in self.metadata.iter().enumerate() {
            if !self.changes.metadata_gone.contains(index) && goes(name, value) {
                self.changes.metadata_gone.insert(index);
                self.changes.note_deleted(name);
            }
        }
        for index in 0..self.changes.added().len() {
            let added = self.changes.added()[index];
            if added.live && goes(self.changes.text(added.name), self.changes.text(added.value)) {
                self.changes.added_mut(index).live = false;
                self.changes.note_deleted_at(added.name);
            }
        }
    }

    /// What the line came with under this name is seen no more.
    fn hide(&mut self, name: &str) {
        if let Some(index) = self.stream.position(name) {
            self.changes.stream_gone.insert(index);
        }
        if let Some(index) = self.metadata.position(name) {
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
