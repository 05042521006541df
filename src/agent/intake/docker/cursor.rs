//! How far the lines of a container are kept: for each of its two streams the last time, and how many lines had it.
//!
//! Promises: asked again from its cursor, an engine gives what is missing, and what is there already is known. Lines of
//! one stream are in the order of their times; those of two streams may be out of it by less than a second.

use std::time::Duration;

use crate::agent::intake::docker::frames::Stream;
use crate::model::Timestamp;

/// So much is asked for again, as the engine writes lines of two streams down in no strict order.
const AGAIN: Duration = Duration::from_secs(1);

/// Where one container is to be read on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cursor {
    stdout: Option<Seen>,
    stderr: Option<Seen>,
    /// Whole seconds, where Promtail left no more.
    since: Option<i64>,
}

/// The last of the lines that were kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    last: Timestamp,
    /// So many lines have this time.
    count: u64,
}

/// Tells which of the lines that come again are kept already.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Replay {
    stdout: Option<Seen>,
    stderr: Option<Seen>,
}

impl Cursor {
    /// As Promtail left it.
    pub(crate) fn of_secs(secs: i64) -> Cursor {
        Cursor { since: Some(secs), ..Cursor::default() }
    }

    /// From when on the engine is asked, in its words.
    pub(crate) fn since(&self) -> Option<String> {
        let Some(last) = self.last() else { return self.since.map(|secs| secs.to_string()) };
        let nanos = last.nanos().saturating_sub(i64::try_from(AGAIN.as_nanos()).unwrap_or(0)).max(0);
        Some(format!("{}.{:09}", nanos / 1_000_000_000, nanos % 1_000_000_000))
    }

    /// The unix time that Promtail would keep.
    pub(crate) fn secs(&self) -> Option<i64> {
        self.last().map(|last| last.nanos().div_euclid(1_000_000_000)).or(self.since)
    }

    fn last(&self) -> Option<Timestamp> {
        self.stdout.into_iter().chain(self.stderr).map(|seen| seen.last).max()
    }

    /// A line is kept.
    pub(crate) fn saw(&mut self, stream: Stream, timestamp: Timestamp) {
        let seen = match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        };
        match seen {
            Some(seen) if seen.last == timestamp => seen.count += 1,
            seen => *seen = Some(Seen { last: timestamp, count: 1 }),
        }
    }

    pub(crate) fn replay(&self) -> Replay {
        Replay { stdout: self.stdout, stderr: self.stderr }
    }

    /// As it is remembered.
    pub(crate) fn to_text(self) -> String {
        let part = |seen: Option<Seen>| match seen {
            Some(Seen { last, count }) => format!("{}*{count}", last.nanos()),
            None => "-".to_owned(),
        };
        format!("{} {}", part(self.stdout), part(self.stderr))
    }

    pub(crate) fn parse(text: &str) -> Option<Cursor> {
        let part = |text: &str| match text.split_once('*') {
            Some((last, count)) => {
                let last = Timestamp::from_nanos(last.parse().ok()?);
                Some(Some(Seen { last, count: count.parse().ok()? }))
            }
            None => (text == "-").then_some(None),
        };
        let (stdout, stderr) = text.split_once(' ')?;
        Some(Cursor { stdout: part(stdout)?, stderr: part(stderr)?, since: None })
    }
}

impl Replay {
    /// Whether a line is kept already. Asked for each line in order.
    pub(crate) fn is_kept(&mut self, stream: Stream, timestamp: Option<Timestamp>) -> bool {
        let seen = match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        };
        // one without a time cannot be told
        let (Some(left), Some(timestamp)) = (seen.as_mut(), timestamp) else { return false };
        if timestamp < left.last {
            return true;
        }
        if timestamp == left.last && left.count > 0 {
            left.count -= 1;
            return true;
        }
        // from here on all is new, wherever the clock of that machine goes
        *seen = None;
        false
    }
}

#[cfg(test)]
mod tests {
    use crate::agent::intake::docker::cursor::*;

    #[test]
    fn lines_that_come_again_are_known_and_no_others() {
        let mut cursor = Cursor::default();
        let lines = [(Stream::Stdout, 5), (Stream::Stdout, 7), (Stream::Stderr, 6), (Stream::Stdout, 7)];
        for (stream, nanos) in lines {
            cursor.saw(stream, Timestamp::from_nanos(nanos));
        }
        let cursor = Cursor::parse(&cursor.to_text()).unwrap();
        let mut replay = cursor.replay();
        let mut is_kept = |stream, nanos| replay.is_kept(stream, Some(Timestamp::from_nanos(nanos)));
        assert!(lines.iter().all(|(stream, nanos)| is_kept(*stream, *nanos)));
        assert!(!is_kept(Stream::Stdout, 7));
        // the clock went back
        assert!(!is_kept(Stream::Stdout, 3));
        // later than the last of its own stream, earlier than that of the other
        assert!(is_kept(Stream::Stderr, 5));
        assert!(!is_kept(Stream::Stderr, 7));
    }

    #[test]
    fn an_engine_is_asked_from_a_little_before_the_last_line() {
        let mut cursor = Cursor::default();
        assert_eq!((cursor.since(), cursor.secs()), (None, None));
        cursor.saw(Stream::Stderr, Timestamp::from_nanos(1_700_000_000_000_000_042));
        cursor.saw(Stream::Stdout, Timestamp::from_nanos(1_600_000_000_000_000_042));
        assert_eq!(cursor.since().as_deref(), Some("1699999999.000000042"));
        assert_eq!(cursor.secs(), Some(1_700_000_000));
        assert_eq!(Cursor::of_secs(1_700_000_000).since().as_deref(), Some("1700000000"));
    }

    #[test]
    fn what_is_no_cursor_is_none() {
        assert!(["", "1*2", "1*2 x", "1 2", "1700000000"].iter().all(|text| Cursor::parse(text).is_none()));
        let cursor = Cursor::parse("- 9*1").unwrap();
        assert_eq!(cursor.to_text(), "- 9*1");
    }
}
