//! What a check finds, in a form that can be printed, and how it tells how far it is.

use std::path::{Path, PathBuf};

use crate::model::{Labels, Timestamp};
use crate::store::layout::Day;

/// How bad something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// Worth knowing, and no damage.
    Note,
    /// Something is damaged; a repair deals with it.
    Damage,
}

/// Something that a check found.
#[derive(Clone, Debug)]
pub struct Finding {
    pub weight: Weight,
    pub path: PathBuf,
    /// What is wrong, and where in the file.
    pub what: String,
    /// What it costs, where lines are lost.
    pub lost: Option<Lost>,
    /// What a repair does about it.
    pub cure: &'static str,
}

/// Lines that cannot be read any more.
#[derive(Clone, Debug, PartialEq)]
pub struct Lost {
    /// How many, where something still tells.
    pub entry_count: Option<u64>,
    pub streams: Vec<Labels>,
    pub span: Option<(Timestamp, Timestamp)>,
}

/// What a check saw, and what of it is wrong.
#[derive(Clone, Debug, Default)]
pub struct Checked {
    pub day_count: u64,
    pub block_count: u64,
    /// In blocks.
    pub entry_count: u64,
    /// In the write-ahead log, of which some may be in blocks already.
    pub logged_entry_count: u64,
    pub findings: Vec<Finding>,
    /// Days whose index is not to be believed.
    pub(crate) days_to_make_again: Vec<Day>,
}

impl Checked {
    /// Whether nothing is damaged.
    pub fn is_clean(&self) -> bool {
        self.findings.iter().all(|finding| finding.weight == Weight::Note)
    }
}

/// How far a check is.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'p> {
    /// What it looks at.
    pub what: &'p str,
    pub done_bytes: u64,
    pub all_bytes: u64,
}

/// Gathers findings on the way.
pub(crate) struct Reporter<'r> {
    pub(crate) checked: Checked,
    each: &'r mut dyn FnMut(&Progress<'_>),
    done_bytes: u64,
    all_bytes: u64,
}

impl<'r> Reporter<'r> {
    pub(crate) fn new(each: &'r mut dyn FnMut(&Progress<'_>), all_bytes: u64) -> Reporter<'r> {
        Reporter { checked: Checked::default(), each, done_bytes: 0, all_bytes }
    }

    pub(crate) fn passed(&mut self, what: &str, bytes: u64) {
        self.done_bytes += bytes;
        (self.each)(&Progress { what, done_bytes: self.done_bytes, all_bytes: self.all_bytes });
    }

    pub(crate) fn note(&mut self, path: &Path, what: String) {
        self.add(Weight::Note, path, what, None, "");
    }

    pub(crate) fn damage(&mut self, path: &Path, what: String, cure: &'static str) {
        self.add(Weight::Damage, path, what, None, cure);
    }

    pub(crate) fn lost(&mut self, path: &Path, what: String, lost: Lost, cure: &'static str) {
        self.add(Weight::Damage, path, what, Some(lost), cure);
    }

    fn add(&mut self, weight: Weight, path: &Path, what: String, lost: Option<Lost>, cure: &'static str) {
        self.checked.findings.push(Finding { weight, path: path.to_owned(), what, lost, cure });
    }
}
