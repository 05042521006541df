//! Lines that are put together in one row because they are the same: the first of them, and a list of the others. Pure.
//!
//! Promises: the row holds every one of them, however few it lists; what is not listed is said.

use crate::web::explore::entries::Entry;
use crate::web::explore::key::LineKey;
use crate::web::explore::rows::{Row, Telling};
use crate::web::explore::text::{self, Piece};

/// Lines that are the same as another that are listed below it, and how much of each.
const SAME_MAX: usize = 200;
const SAME_BYTES_MAX: usize = 200;

/// Lines that are put together with the row that they are the same as.
#[derive(Debug)]
pub(crate) struct SameLines {
    /// With the one that is shown.
    pub(crate) count: usize,
    pub(crate) label: String,
    pub(crate) first: String,
    pub(crate) last: String,
    pub(crate) lines: Vec<SameLine>,
    /// How many of them are not listed, where that is so.
    pub(crate) unlisted: Option<String>,
    /// Every line of those that are the same, listed or not, and those that go on with them.
    keys: Vec<LineKey>,
}

#[derive(Debug)]
pub(crate) struct SameLine {
    pub(crate) key: LineKey,
    pub(crate) time: String,
    /// Its page; the view writes it.
    pub(crate) href: String,
    pub(crate) text: Vec<Piece>,
}

impl SameLines {
    /// Whether a line is one of those that are the same, listed or not, or goes on with one.
    pub(crate) fn holds(&self, key: LineKey) -> bool {
        self.keys.contains(&key)
    }
}

impl Telling<'_> {
    /// The row of several entries that are the same: the first of them, and a list of the others.
    pub(crate) fn group(&self, group: &[&Entry<'_>]) -> Row {
        let mut row = self.row(group[0]);
        if group.len() > 1 {
            let times = || group.iter().map(|entry| entry.first.timestamp);
            let one = |entry: &&Entry<'_>| SameLine {
                key: LineKey::of(entry.first),
                time: self.time(entry.first.timestamp),
                href: String::new(),
                text: self.marker.pieces(text::head(&entry.first.line, SAME_BYTES_MAX)),
            };
            let unlisted = (group.len() - 1).saturating_sub(SAME_MAX);
            let others = group[1..].iter().flat_map(|entry| std::iter::once(&entry.first).chain(&entry.continuation));
            row.same = Some(SameLines {
                count: group.len(),
                label: self.say.same_lines(group.len() - 1),
                first: self.time(times().min().unwrap_or(row.key.timestamp)),
                last: self.time(times().max().unwrap_or(row.key.timestamp)),
                lines: group[1..].iter().take(SAME_MAX).map(one).collect(),
                unlisted: (unlisted > 0).then(|| self.say.same_unlisted(unlisted)),
                keys: others.map(|line| LineKey::of(line)).collect(),
            });
        }
        row
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use crate::model::{Direction, Labels, Timestamp};
    use crate::query::LogLine;
    use crate::web::explore::key::LineKey;
    use crate::web::explore::look::{Look, Same};
    use crate::web::explore::reading::Reading;
    use crate::web::explore::rows::{self, Row, Telling};
    use crate::web::explore::text::{Marker, Piece};
    use crate::web::language::Language;

    fn line(millis: i64, text: &str) -> LogLine {
        LogLine {
            timestamp: Timestamp::from_nanos(millis * 1_000_000),
            line: text.to_owned(),
            stream: Labels::from([("app", "a"), ("level", "error")]),
            structured: Labels::default(),
            parsed: Labels::default(),
            rewritten: None,
        }
    }

    fn plain(text: &str) -> Piece {
        Piece::Plain(text.to_owned())
    }

    fn told(lines: &[LogLine], direction: Direction) -> Vec<Row> {
        let look = Look { same: Same::Numbers, ..Look::default() };
        let now = Timestamp::from_secs(1_795_358_760);
        let (zone, marker, reading) = (&TimeZone::UTC, &Marker::default(), Reading::default());
        rows::rows(lines, direction, &Telling { marker, zone, look: &look, reading, say: Language::English, now }, None)
    }

    #[test]
    fn lines_that_are_the_same_are_one_row_with_the_others_below() {
        let lines = [line(5000, "order 7"), line(3000, "bye"), line(1000, "order 8")];
        let rows = told(&lines, Direction::Backward);
        let heads: Vec<&[Piece]> = rows.iter().map(|row| row.head.as_slice()).collect();
        assert_eq!(heads, [[plain("order 7")], [plain("bye")]]);
        let same = rows[0].same.as_ref().unwrap();
        assert_eq!((same.count, same.first.as_str(), same.last.as_str()), (2, "00:00:01.000", "00:00:05.000"));
        assert_eq!(same.lines[0].text, [plain("order 8")]);
        assert!(rows[1].same.is_none());
    }

    #[test]
    fn a_row_shows_every_line_that_is_the_same_however_many_they_are() {
        let mut lines: Vec<LogLine> = (0..300).map(|n| line(n * 5000, &format!("ERROR order {n}"))).collect();
        lines.insert(2, line(5001, "\tat a.B.c(B.java:1)"));
        let rows = told(&lines, Direction::Forward);
        assert_eq!(rows.len(), 1);
        assert!(lines.iter().all(|line| rows[0].shows(LineKey::of(line))));
        let same = rows[0].same.as_ref().unwrap();
        assert_eq!(
            (same.count, same.lines.len(), same.unlisted.as_deref()),
            (300, 200, Some("99 more are not listed"))
        );
    }
}
