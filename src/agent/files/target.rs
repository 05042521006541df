//! What a scrape configuration wants read: a pattern, its labels, and how the files are written.

use std::path::Path;

use crate::agent::files::archive::Decompression;
use crate::agent::files::charset::EncodingName;
use crate::agent::files::glob::{Found, Glob};
use crate::model::Labels;

/// The label that says where a line was read.
const FILENAME: &str = "filename";

/// Files that are read alike.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// Which pipeline its lines go through.
    pub(crate) job: usize,
    /// The name of the scrape configuration.
    pub(crate) job_name: String,
    /// Without those that begin with two underscores.
    pub(crate) labels: Labels,
    /// `__path__`
    pub(crate) glob: Glob,
    /// `__path_exclude__`
    pub(crate) exclude: Option<Glob>,
    pub(crate) encoding: EncodingName,
    pub(crate) decompression: Option<Decompression>,
}

impl Target {
    /// What its sources are remembered under, so that two targets that read one file do not share a place.
    pub(crate) fn reader(&self) -> String {
        format!("{} {} {:016x}", self.job_name, self.glob.text(), self.labels.fingerprint())
    }

    /// The labels of the lines of a file.
    pub(crate) fn labels_of(&self, name: &str) -> Labels {
        let own = self.labels.iter().filter(|(label, _)| *label != FILENAME);
        let own = own.map(|(label, value)| (label.to_owned(), value.to_owned()));
        Labels::from_pairs(own.chain([(FILENAME.to_owned(), name.to_owned())]))
    }

    /// The files that are there now.
    pub(crate) fn find(&self) -> Found {
        let mut found = Found::default();
        self.glob.find(&mut found);
        found.files.retain(|path, _| !self.is_excluded(path));
        found
    }

    fn is_excluded(&self, path: &Path) -> bool {
        self.exclude.as_ref().is_some_and(|glob| glob.is_match(path))
    }
}
