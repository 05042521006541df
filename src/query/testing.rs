//! A store in a temporary folder, for the tests of this area.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::model::{Batch, Entry, Labels, StreamEntries, TimeRange, Timestamp};
use crate::query::Ticket;
use crate::store::{Config, Need, Retention, Selection, Store, WORDLESS_BYTES};

pub(crate) struct TestStore {
    pub(crate) store: Arc<Store>,
    pub(crate) dir: TempDir,
}

/// A ticket that lasts longer than any test.
pub(crate) fn ticket() -> Ticket {
    Ticket::until(Instant::now() + Duration::from_secs(600))
}

impl TestStore {
    pub(crate) fn new() -> TestStore {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let config = Config {
            dir: dir.path().to_owned(),
            retention: Retention::default(),
            head_bytes_max: 64 << 20,
            wordless_bytes: WORDLESS_BYTES,
        };
        let store = Store::open(config, &|_, _| Ok(())).expect("a store");
        TestStore { store: Arc::new(store), dir }
    }

    /// Stores lines of one stream; times are whole seconds.
    pub(crate) fn push(&self, labels: &[(&str, &str)], lines: &[(i64, &str)]) {
        let with_metadata: Vec<_> = lines.iter().map(|(secs, line)| (*secs, *line, Labels::default())).collect();
        self.push_with(labels, &with_metadata);
    }

    /// Stores lines of one stream with their structured metadata.
    pub(crate) fn push_with(&self, labels: &[(&str, &str)], lines: &[(i64, &str, Labels)]) {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let entries = lines.iter().map(|(secs, line, metadata)| Entry {
            timestamp: Timestamp::from_secs(*secs),
            line: Cow::from(*line),
            metadata: metadata.clone(),
        });
        let streams = vec![StreamEntries { labels, entries: entries.collect() }];
        self.store.append(&Batch { record: Cow::from(&b"test"[..]), streams }).expect("appended");
    }

    /// Puts all that was pushed so far into blocks.
    pub(crate) fn seal(&self) {
        self.store.remove(&self.everything(), &mut |_| false).expect("nothing is removed, but all is sealed before");
    }

    /// A selection of all there is.
    pub(crate) fn everything(&self) -> Selection {
        Selection::of(Vec::new(), TimeRange::ALL, Need::Lines)
    }
}
