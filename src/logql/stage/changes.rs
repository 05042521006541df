//! What stages did to the labels of one line, noted beside the labels that it came with.

use std::ops::Range;

use regex::CaptureLocations;

use crate::logql::stage::labels::{Category, ERROR_DETAILS_LABEL, ERROR_LABEL, LineError};
use crate::model::Labels;

/// Labels added and deleted; buffers that are reused from line to line.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// Names and values of `added`, one after the other.
    text: String,
    added: Vec<Added>,
    /// Hashes of the names of `added`, in the same order: most names are told apart by these alone.
    hashes: Vec<u64>,
    pub(crate) stream_gone: Bits,
    pub(crate) metadata_gone: Bits,
    /// Names that a stage deleted, be they added again later or not.
    deleted: Vec<Span>,
    pub(crate) error: Option<LineError>,
    pub(crate) details: String,
    /// How many of the names that a query is about parsers have found.
    pub(crate) required_count: usize,
    /// A name that a parser is putting together.
    pub(crate) name: String,
    /// The same, as a label may be called.
    pub(crate) clean_name: String,
    /// Names and values that a parser has found and not set yet.
    pub(crate) pending: Vec<(Span, Span)>,
    /// The keys that lead to the place in a JSON text where a parser is.
    pub(crate) keys: Vec<Range<usize>>,
    /// Which of its fields a parser has found.
    pub(crate) found: Bits,
    /// Where the groups of a regular expression lie, for each expression that the lines go through.
    pub(crate) groups: Vec<(u64, CaptureLocations)>,
}

/// A part of the text of [`Changes`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    start: usize,
    end: usize,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Added {
    pub(crate) name: Span,
    pub(crate) value: Span,
    pub(crate) category: Category,
    /// Not deleted. A name that was once added stays in the list: parsers do not take it again.
    pub(crate) live: bool,
}

/// A set of small numbers.
#[derive(Debug, Default)]
pub(crate) struct Bits(Vec<u64>);

impl Bits {
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn insert(&mut self, index: usize) {
        if self.0.len() <= index / 64 {
            self.0.resize(index / 64 + 1, 0);
        }
        self.0[index / 64] |= 1 << (index % 64);
    }

    pub(crate) fn contains(&self, index: usize) -> bool {
        self.0.get(index / 64).is_some_and(|word| word & (1 << (index % 64)) != 0)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Changes {
    pub(crate) fn reset(&mut self) {
        self.text.clear();
        self.added.clear();
        self.hashes.clear();
        self.stream_gone.clear();
        self.metadata_gone.clear();
        self.deleted.clear();
        self.error = None;
        self.details.clear();
        self.required_count = 0;
    }

    /// What the largest buffers take.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.text.capacity() + self.added.capacity() * (size_of::<Added>() + size_of::<u64>()) + self.details.capacity()
    }

    pub(crate) fn text(&self, span: Span) -> &str {
        &self.text[span.start..span.end]
    }

    /// Keeps what `write` appends.
    pub(crate) fn keep(&mut self, write: impl FnOnce(&mut String)) -> Span {
        let start = self.text.len();
        write(&mut self.text);
        Span { start, end: self.text.len() }
    }

    pub(crate) fn keep_text(&mut self, text: &str) -> Span {
        self.keep(|kept| kept.push_str(text))
    }

    pub(crate) fn added(&self) -> &[Added] {
        &self.added
    }

    pub(crate) fn added_mut(&mut self, index: usize) -> &mut Added {
        &mut self.added[index]
    }

    /// The place of a name in the list, live or not.
    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        if self.added.is_empty() {
            return None;
        }
        let hash = hash(name);
        let mut places = self.hashes.iter().enumerate().filter(|(_, known)| **known == hash).map(|(index, _)| index);
        places.find(|index| self.text(self.added[*index].name) == name)
    }

    /// Appends a name that is not in the list.
    pub(crate) fn push(&mut self, name: &str, value: Span, category: Category) {
        let name_hash = hash(name);
        let name = self.keep_text(name);
        self.added.push(Added { name, value, category, live: true });
        self.hashes.push(name_hash);
    }

    /// Remembers that a name was deleted.
    pub(crate) fn note_deleted(&mut self, name: &str) {
        let name = self.keep_text(name);
        self.deleted.push(name);
    }

    pub(crate) fn note_deleted_at(&mut self, name: Span) {
        self.deleted.push(name);
    }

    pub(crate) fn was_deleted(&self, name: &str) -> bool {
        self.deleted.iter().any(|span| self.text(*span) == name)
    }

    /// Whether nothing at all was changed.
    pub(crate) fn is_empty(&self) -> bool {
        self.added.is_empty()
            && self.stream_gone.is_empty()
            && self.metadata_gone.is_empty()
            && self.error.is_none()
            && self.details.is_empty()
    }
}

fn hash(name: &str) -> u64 {
    let mut hash = name.len() as u64;
    for chunk in name.as_bytes().chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        hash = (hash.rotate_left(5) ^ u64::from_le_bytes(word)).wrapping_mul(0x517c_c1b7_2722_0a95);
    }
    hash
}

/// Where a label's name and value are found.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    Stream(usize),
    Metadata(usize),
    Added(usize),
}

/// The labels of a line as they are now, to look at.
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

    pub(crate) fn errors(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let error = self.changes.error.map(|error| (ERROR_LABEL, error.text()));
        let details = Some((ERROR_DETAILS_LABEL, self.changes.details.as_str())).filter(|(_, text)| !text.is_empty());
        error.into_iter().chain(details)
    }

    /// The place of a label; errors are not found here.
    pub(crate) fn find(&self, name: &str) -> Option<Place> {
        if let Some(index) = self.changes.find(name).filter(|index| self.changes.added[*index].live) {
            return Some(Place::Added(index));
        }
        if let Some(index) = self.stream.position(name)
            && !self.changes.stream_gone.contains(index)
        {
            return Some(Place::Stream(index));
        }
        let index = self.metadata.position(name)?;
        (!self.changes.metadata_gone.contains(index)).then_some(Place::Metadata(index))
    }

    pub(crate) fn value(&self, place: Place) -> &'a str {
        match place {
            Place::Stream(index) => self.stream.at(index).1,
            Place::Metadata(index) => self.metadata.at(index).1,
            Place::Added(index) => self.changes.text(self.changes.added[index].value),
        }
    }

    /// Names and values of all labels, errors included, in no order.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let View { stream, metadata, changes } = *self;
        let stream = stream.iter().enumerate().filter(|(index, _)| !changes.stream_gone.contains(*index));
        let metadata = metadata.iter().enumerate().filter(|(index, _)| !changes.metadata_gone.contains(*index));
        let added = changes.added.iter().filter(|added| added.live);
        let added = added.map(|added| (changes.text(added.name), changes.text(added.value)));
        let kept = stream.chain(metadata).map(|(_, pair)| pair);
        kept.chain(added).chain(self.errors())
    }
}
