//! Rows of the page: lines of the answer with their level, time, marked text and folded rest. Pure.

use std::collections::HashMap;
use std::fmt;

use jiff::tz::TimeZone;
use xxhash_rust::xxh3::Xxh3Default;

use crate::model::{Direction, Labels, Timestamp};
use crate::query::LogLine;
use crate::web::explore::builder::LEVEL_LABEL;
use crate::web::explore::fold::{self, Rest};
use crate::web::explore::level::Level;
use crate::web::explore::moment::zoned;
use crate::web::explore::text::{self, Marker, Piece};

/// Bytes of a line that its row shows; the whole of it is a tap away.
const HEAD_BYTES_MAX: usize = 1500;
/// Bytes of the folded part that are sent with the row.
const REST_BYTES_MAX: usize = 12_000;
/// How far before a hit the row of a long line begins.
const HIT_CONTEXT_BYTES: usize = 200;
/// Entries that continue a stack trace follow at once.
const CONTINUES_WITHIN_NS: i64 = 2_000_000_000;

/// Which line of a view a row shows: its time, and a hash of its stream, text and metadata. As exact duplicates are
/// stored once, that is one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct LineKey {
    pub(crate) timestamp: Timestamp,
    pub(crate) hash: u64,
}

impl LineKey {
    pub(crate) fn of(line: &LogLine) -> LineKey {
        let mut hasher = Xxh3Default::new();
        hasher.update(&line.stream.fingerprint().to_le_bytes());
        hasher.update(&line.structured.fingerprint().to_le_bytes());
        hasher.update(line.line.as_bytes());
        LineKey { timestamp: line.timestamp, hash: hasher.digest() }
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

/// A line of the answer, or several that belong together, as shown.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) key: LineKey,
    pub(crate) level: Level,
    /// The day, where it is another than in the row before.
    pub(crate) day: Option<String>,
    /// `12:03:01.123` in the zone of the view.
    pub(crate) time: String,
    /// RFC 3339 with the offset of the zone.
    pub(crate) time_full: String,
    /// What wrote the line, in a word.
    pub(crate) source: String,
    /// Whether the shown text begins amid the line, near the first hit.
    pub(crate) cut_before: bool,
    pub(crate) head: Vec<Piece>,
    pub(crate) fold: Option<FoldedRest>,
    /// Where not all is shown: how large the line is.
    pub(crate) size_if_cut: Option<String>,
}

/// The part of a row that is opened with a tap.
#[derive(Debug)]
pub(crate) struct FoldedRest {
    pub(crate) label: String,
    pub(crate) cause: Vec<Piece>,
    pub(crate) pieces: Vec<Piece>,
    pub(crate) has_hit: bool,
}

/// Makes the rows of an answer, in its order. A row whose day is that of the one before, or of `seen`, does not name it.
pub(crate) fn rows(
    lines: &[LogLine],
    direction: Direction,
    marker: &Marker,
    zone: &TimeZone,
    seen: Option<Timestamp>,
) -> Vec<Row> {
    let mut rows = Vec::with_capacity(lines.len());
    for entry in grouped(lines, direction) {
        rows.push(row(&entry, marker, zone));
    }
    if direction == Direction::Backward {
        rows.reverse();
    }
    let day_of = |time| zoned(time, zone).strftime("%A, %-d %B %Y").to_string();
    let mut last_day = seen.map(day_of).unwrap_or_default();
    for row in &mut rows {
        let day = day_of(row.key.timestamp);
        if day != last_day {
            row.day = Some(day.clone());
            last_day = day;
        }
    }
    rows
}

/// The level of a line: what was detected at ingest, else what a label says.
pub(crate) fn level_of(line: &LogLine) -> Level {
    let sets = [&line.structured, &line.parsed, &line.stream];
    let found = [LEVEL_LABEL, "level", "severity"].iter().find_map(|name| sets.iter().find_map(|set| set.get(name)));
    found.map_or(Level::Unknown, Level::named)
}

/// What wrote the line, in a word.
pub(crate) fn source_of(stream: &Labels) -> &str {
    const NAMES: [&str; 9] =
        ["service_name", "service", "app", "container", "compose_service", "job", "unit", "filename", "host"];
    let known = NAMES.iter().filter_map(|name| stream.get(name)).find(|value| *value != "unknown_service");
    known.or_else(|| stream.iter().next().map(|(_, value)| value)).unwrap_or("")
}

/// A size in the unit that says it in few digits.
pub(crate) fn size(bytes: usize) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{:.0} KB", bytes as f64 / 1024.0),
        _ => format!("{:.1} MB", bytes as f64 / 1_048_576.0),
    }
}

/// A line and those that continue it.
struct Entry<'a> {
    first: &'a LogLine,
    last_timestamp: Timestamp,
    continuation: Vec<&'a str>,
}

/// In the order of time, with the lines that continue another one of their stream put to it.
fn grouped(lines: &[LogLine], direction: Direction) -> Vec<Entry<'_>> {
    let mut entries: Vec<Entry<'_>> = Vec::with_capacity(lines.len());
    let mut last_of_stream: HashMap<&Labels, usize> = HashMap::new();
    let forward: Box<dyn Iterator<Item = &LogLine>> = match direction {
        Direction::Forward => Box::new(lines.iter()),
        Direction::Backward => Box::new(lines.iter().rev()),
    };
    for line in forward {
        if let Some(index) = last_of_stream.get(&line.stream)
            && fold::continues(&line.line)
            && line.timestamp.nanos() - entries[*index].last_timestamp.nanos() <= CONTINUES_WITHIN_NS
        {
            entries[*index].last_timestamp = line.timestamp;
            entries[*index].continuation.push(&line.line);
            continue;
        }
        last_of_stream.insert(&line.stream, entries.len());
        entries.push(Entry { first: line, last_timestamp: line.timestamp, continuation: Vec::new() });
    }
    entries
}

fn row(entry: &Entry<'_>, marker: &Marker, zone: &TimeZone) -> Row {
    let mut whole = text::without_colours(&entry.first.line);
    for line in &entry.continuation {
        whole.push('\n');
        whole.push_str(&text::without_colours(line));
    }
    let folded = fold::fold(&whole);
    let begin = match marker.first_hit(folded.head) {
        Some(hit) if hit > HEAD_BYTES_MAX - HIT_CONTEXT_BYTES => text::head(folded.head, hit - HIT_CONTEXT_BYTES).len(),
        _ => 0,
    };
    let shown = text::head(&folded.head[begin..], HEAD_BYTES_MAX);
    let rest_cut = folded.rest.as_ref().is_some_and(|rest| rest.text.len() > REST_BYTES_MAX);
    let cut = begin > 0 || shown.len() < folded.head.len() || rest_cut;
    let time = zoned(entry.first.timestamp, zone);
    Row {
        key: LineKey::of(entry.first),
        level: level_of(entry.first),
        day: None,
        time: time.strftime("%H:%M:%S%.3f").to_string(),
        time_full: time.strftime("%Y-%m-%dT%H:%M:%S%.f%:z").to_string(),
        source: source_of(&entry.first.stream).to_owned(),
        cut_before: begin > 0,
        head: marker.pieces(shown),
        fold: folded.rest.map(|rest| folded_rest(&rest, marker)),
        size_if_cut: cut.then(|| size(whole.len())),
    }
}

fn folded_rest(rest: &Rest<'_>, marker: &Marker) -> FoldedRest {
    let shown = text::head(rest.text, REST_BYTES_MAX);
    FoldedRest {
        label: rest.label.clone(),
        cause: rest.cause.map(|cause| marker.pieces(text::head(cause, 300))).unwrap_or_default(),
        pieces: marker.pieces(shown),
        has_hit: marker.first_hit(rest.text).is_some(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use jiff::tz::TimeZone;

    use crate::logql::ast::{LineFilter, LineOp, LineTest, LogExpr, Stage};
    use crate::model::{Direction, Labels, Timestamp};
    use crate::query::LogLine;
    use crate::web::explore::level::Level;
    use crate::web::explore::rows::{LineKey, Row, rows};
    use crate::web::explore::text::{Marker, Piece};

    fn line(millis: i64, app: &str, text: &str) -> LogLine {
        LogLine {
            timestamp: Timestamp::from_nanos(millis * 1_000_000),
            line: text.to_owned(),
            stream: Labels::from([("service_name", app)]),
            structured: Labels::from([("detected_level", "error")]),
            parsed: Labels::default(),
        }
    }

    fn plain(pieces: &[Piece]) -> String {
        let show = |piece: &Piece| match piece {
            Piece::Plain(text) => text.clone(),
            Piece::Hit(text) => format!("[{text}]"),
            Piece::Control(name) => format!("<{name}>"),
        };
        pieces.iter().map(show).collect()
    }

    fn heads(rows: &[Row]) -> Vec<String> {
        rows.iter().map(|row| plain(&row.head)).collect()
    }

    #[test]
    fn a_row_has_its_level_its_source_and_its_time_in_the_zone() {
        let zone = TimeZone::get("Asia/Seoul").unwrap();
        let rows =
            rows(&[line(1_795_358_760_123, "web", "hello")], Direction::Backward, &Marker::default(), &zone, None);
        let row = &rows[0];
        assert_eq!((row.level, row.source.as_str(), row.time.as_str()), (Level::Error, "web", "23:46:00.123"));
        assert_eq!(row.day.as_deref(), Some("Sunday, 22 November 2026"));
        assert_eq!(row.time_full, "2026-11-22T23:46:00.123+09:00");
        assert_eq!(row.size_if_cut, None);
    }

    #[test]
    fn a_trace_sent_line_by_line_is_one_row_whatever_the_order_of_reading() {
        let mut lines = vec![
            line(1, "web", "ERROR failed"),
            line(2, "web", "\tat a.B.c(B.java:1)"),
            line(2, "db", "\tat not.my.Trace(X.java:1)"),
            line(3, "web", "\tat d.E.f(E.java:2)"),
            line(4, "web", "next"),
            line(9000, "web", "\tat too.late.x(Y.java:3)"),
        ];
        let forward = rows(&lines, Direction::Forward, &Marker::default(), &TimeZone::UTC, None);
        let expected = ["ERROR failed", "\tat not.my.Trace(X.java:1)", "next", "\tat too.late.x(Y.java:3)"];
        assert_eq!(heads(&forward), expected);
        assert_eq!(forward[0].fold.as_ref().unwrap().label, "2 frames");
        lines.reverse();
        let backward = rows(&lines, Direction::Backward, &Marker::default(), &TimeZone::UTC, None);
        assert_eq!(heads(&backward), expected.iter().rev().map(|head| (*head).to_owned()).collect::<Vec<_>>());
    }

    #[test]
    fn a_day_is_named_where_it_begins() {
        let lines =
            [line(86_400_000 * 3, "a", "x"), line(86_400_000 * 3 - 1, "a", "y"), line(86_400_000 * 2, "a", "z")];
        let days: Vec<bool> = rows(&lines, Direction::Backward, &Marker::default(), &TimeZone::UTC, None)
            .iter()
            .map(|row| row.day.is_some())
            .collect();
        assert_eq!(days, [true, true, false]);
    }

    #[test]
    fn a_long_line_is_cut_and_shown_around_its_first_hit() {
        let filter = LineFilter { op: LineOp::Contains, alternatives: vec![LineTest::Text("needle".to_owned())] };
        let marker = Marker::of(&LogExpr { selector: vec![], stages: vec![Stage::Line(filter)] });
        let text = format!("{}needle{}", "한".repeat(5000), "x".repeat(5000));
        let rows = rows(&[line(1, "a", &text)], Direction::Backward, &marker, &TimeZone::UTC, None);
        assert!(rows[0].cut_before);
        assert!(plain(&rows[0].head).contains("[needle]"));
        assert_eq!(rows[0].size_if_cut.as_deref(), Some("20 KB"));
    }

    #[test]
    fn lines_of_one_stream_and_time_are_told_apart() {
        let lines = [line(1, "a", "x"), line(1, "a", "y"), line(1, "b", "z")];
        let rows = rows(&lines, Direction::Forward, &Marker::default(), &TimeZone::UTC, None);
        let keys: HashSet<LineKey> = rows.iter().map(|row| row.key).collect();
        assert_eq!(keys.len(), 3);
        assert_eq!(LineKey::parse(&rows[0].key.to_string()), Some(rows[0].key));
    }
}
