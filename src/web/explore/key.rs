//! The key of a line: by which an address names one line among all. Pure.

use std::fmt;

use crate::model::Timestamp;
use crate::query::LogLine;

/// Which line of a view a row shows: its time, and the identity of what is stored, whatever the query makes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct LineKey {
    pub(crate) timestamp: Timestamp,
    pub(crate) hash: u64,
}

impl LineKey {
    pub(crate) fn of(line: &LogLine) -> LineKey {
        LineKey { timestamp: line.timestamp, hash: line.identity() }
    }

    /// Reads what `Display` writes.
    pub(crate) fn parse(text: &str) -> Option<LineKey> {
        let (nanos, hash) = text.split_once('.')?;
        let timestamp = Timestamp::from_nanos(nanos.parse().ok()?);
        Some(LineKey { timestamp, hash: u64::from_str_radix(hash, 16).ok()? })
    }
}

/// As it stands in a URL.
impl fmt::Display for LineKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{:x}", self.timestamp.nanos(), self.hash)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use crate::model::{Labels, Timestamp};
    use crate::query::LogLine;
    use crate::web::explore::key::LineKey;

    #[test]
    fn lines_of_one_stream_and_time_are_told_apart() {
        let line = |app: &str, text: &str| LogLine {
            timestamp: Timestamp::from_secs(1),
            line: text.to_owned(),
            stream: Labels::from([("app", app)]),
            structured: Labels::default(),
            parsed: Labels::default(),
            rewritten: None,
        };
        let keys: HashSet<LineKey> = [line("a", "x"), line("a", "y"), line("b", "y")].iter().map(LineKey::of).collect();
        assert_eq!(keys.len(), 3);
        let key = LineKey::of(&line("a", "x"));
        assert_eq!(LineKey::parse(&key.to_string()), Some(key));
    }
}
