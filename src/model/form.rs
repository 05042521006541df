//! The form that lines have in common: text that is the same in all of them, and slots in which they differ. And what of
//! such lines matters to a reader.
//!
//! Promises: what a slot may hold is what all lines of the form hold there. Never: a line.

use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;

/// What may stand in a slot; never nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Slot {
    /// ASCII digits.
    Digits,
    /// ASCII letters, digits and `-`.
    Word,
    /// ASCII letters and `_-./`.
    Bare,
    /// Anything but quotes, backslashes and newlines.
    Quoted,
    /// A date and a time: digits and `-:.,`, and between both either `T` or a blank.
    Time { has_blank: bool },
    /// Anything.
    Other,
}

/// A line as it is in all lines of a form: text, slot, text, …, text.
#[derive(Clone, Debug)]
pub struct Form<'f> {
    /// One more than there are slots.
    pub pieces: Vec<&'f str>,
    pub slots: Vec<Slot>,
}

/// What stands for the lines of a form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Excerpt {
    pub parts: Vec<Part>,
    /// Parts that make up a value which may also be looked at by itself: all else about two excerpts that differ only in
    /// it is alike.
    pub apart: Option<Range<usize>>,
}

/// A piece of an excerpt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    Text(String),
    /// What a line has in this slot of its form.
    Slot(usize),
}

/// Says how much of a line it needs.
pub trait Excerpts: Debug + Send + Sync {
    /// What stands for each line of the form, read in its place; `None` where lines of the form are needed whole.
    fn of(&self, form: &Form<'_>) -> Option<Arc<Excerpt>>;
}
