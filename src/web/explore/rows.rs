//! Rows of the page: lines of the answer with their level, time, marked text and folded rest. Pure.
//!
//! Promises: a row whose `is_exact` is set holds its lines byte for byte, names of characters and escapes turned back;
//! another says with its keys where they are. However large a line is, its row is small.

use jiff::tz::TimeZone;

use crate::model::{Direction, Labels, Timestamp};
use crate::query::LogLine;
use crate::web::explore::ansi::Painted;
use crate::web::explore::builder::LEVEL_LABEL;
use crate::web::explore::columns;
use crate::web::explore::entries::{Entry, grouped, silences, together};
use crate::web::explore::fold::{self, Folded, Rest};
use crate::web::explore::key::LineKey;
use crate::web::explore::level::Level;
use crate::web::explore::look::{Form, Look, Same};
use crate::web::explore::moment::zoned;
use crate::web::explore::reading::{Clock, Reading};
use crate::web::explore::record::{self, Record};
use crate::web::explore::same_lines::SameLines;
use crate::web::explore::text::{self, Marker, Piece};
use crate::web::language::Language;

/// Bytes of a line that its row shows; the whole of it is a tap away.
const HEAD_BYTES_MAX: usize = 1500;
/// As above, of a line that is laid out over many.
const PRETTY_BYTES_MAX: usize = 6000;
/// Bytes of the folded part that are sent with the row.
const REST_BYTES_MAX: usize = 12_000;
/// How far before a hit the row of a long line begins.
const HIT_CONTEXT_BYTES: usize = 200;
/// Fields of a record that its row shows, and how much of each.
const FIELDS_MAX: usize = 8;
const FIELD_BYTES_MAX: usize = 72;
/// Bytes of a value in a column.
const CELL_BYTES_MAX: usize = 400;

/// A line of the answer, or several that belong together, as shown.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) key: LineKey,
    /// What the row is called in its page, where an address may lead to it.
    pub(crate) anchor: Option<String>,
    pub(crate) level: Level,
    /// A silence before it, in the order of reading, and how long it was.
    pub(crate) silence: Option<String>,
    /// The day, where it is another than in the row before.
    pub(crate) day: Option<String>,
    /// The time as this device tells it: `12:03:01.123` in the zone of the view.
    pub(crate) time: String,
    /// RFC 3339 with the offset of the zone.
    pub(crate) time_full: String,
    /// What wrote the line, in a word.
    pub(crate) source: String,
    /// Whether the text that is sent, folded or not, is all of the line and nothing else.
    pub(crate) is_exact: bool,
    /// Where it is not: the lines that this row holds beside the first, for whoever copies it.
    pub(crate) further: Vec<LineKey>,
    /// Whether the shown text begins amid the line, near the first hit.
    pub(crate) cut_before: bool,
    pub(crate) head: Vec<Piece>,
    /// Fields of a record, beside the message that `head` holds.
    pub(crate) fields: Vec<Field>,
    /// How many further ones there are.
    pub(crate) more_fields: Option<String>,
    /// Values of the columns, where these are shown instead of the text.
    pub(crate) cells: Vec<Field>,
    pub(crate) fold: Option<FoldedRest>,
    /// Where not all is shown: a word for it, with the size of the line.
    pub(crate) show_all: Option<String>,
    /// Lines of the page that are the same as this one.
    pub(crate) same: Option<SameLines>,
}

/// A name and a value.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) value: Vec<Piece>,
}

/// The part of a row that is opened with a tap.
#[derive(Debug)]
pub(crate) struct FoldedRest {
    pub(crate) label: String,
    pub(crate) cause: Vec<Piece>,
    /// The frame of one's own code that is nearest to what went wrong.
    pub(crate) own: Vec<Piece>,
    pub(crate) pieces: Vec<Piece>,
    pub(crate) has_hit: bool,
}

/// How rows are told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Telling<'a> {
    pub(crate) marker: &'a Marker,
    pub(crate) zone: &'a TimeZone,
    pub(crate) look: &'a Look,
    pub(crate) reading: Reading,
    pub(crate) say: Language,
    pub(crate) now: Timestamp,
}

impl Row {
    /// Whether the row shows a line: its own, one that goes on with it, or one of those that are the same.
    pub(crate) fn shows(&self, key: LineKey) -> bool {
        let same = self.same.as_ref().is_some_and(|same| same.holds(key));
        self.key == key || self.further.contains(&key) || same
    }
}

/// Makes the rows of an answer, in its order. A row whose day is that of the one before, or of `seen`, does not name it.
pub(crate) fn rows(
    lines: &[LogLine],
    direction: Direction,
    telling: &Telling<'_>,
    seen: Option<Timestamp>,
) -> Vec<Row> {
    let mut entries = grouped(lines, direction);
    if direction == Direction::Backward {
        entries.reverse();
    }
    let mut rows: Vec<Row> = match telling.look.same {
        Same::Never => entries.iter().map(|entry| telling.row(entry)).collect(),
        same => together(&entries, same).iter().map(|group| telling.group(group)).collect(),
    };
    if telling.look.same == Same::Never {
        for (row, silence) in rows.iter_mut().zip(silences(&entries, seen)) {
            row.silence = silence.map(|nanos| telling.say.silence(&telling.say.length(nanos)));
        }
    }
    let day_of = |time| telling.say.day(&zoned(time, telling.zone));
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

/// What of an entry its row shows.
struct Shown {
    painted: Painted,
    fields: Vec<Field>,
    more_fields: usize,
    /// Whether the text is that of the entry.
    is_stored: bool,
    head_bytes_max: usize,
}

impl Telling<'_> {
    pub(crate) fn row(&self, entry: &Entry<'_>) -> Row {
        let mut row = self.bare(entry);
        if !self.look.columns.is_empty() {
            row.cells = self.cells(entry);
            return row;
        }
        let (whole, is_all) = entry.text();
        let shown = self.shown(entry, &whole);
        let folded = match self.look.form {
            Form::Pretty if !shown.is_stored => Folded { head: shown.painted.plain.len(), rest: None },
            Form::Pretty | Form::Message | Form::Raw => fold::fold(&shown.painted.plain),
        };
        let hit = self.marker.first_hit(&shown.painted.plain[..folded.head]);
        if hit.is_none() && folded.rest.is_none() && !is_all && self.show_far_hit(entry, &mut row) {
            return row;
        }
        let begin = match hit {
            Some(hit) if hit > shown.head_bytes_max - HIT_CONTEXT_BYTES => {
                text::head(&shown.painted.plain, hit - HIT_CONTEXT_BYTES).len()
            }
            _ => 0,
        };
        let end = begin + text::head(&shown.painted.plain[begin..folded.head], shown.head_bytes_max).len();
        let rest_cut = folded.rest.as_ref().is_some_and(|rest| shown.painted.plain.len() - rest.start > REST_BYTES_MAX);
        let names_all = text::names_all(&shown.painted.plain[begin..end])
            && folded.rest.as_ref().is_none_or(|rest| text::names_all(&shown.painted.plain[rest.start..]));
        let is_cut = begin > 0 || end < folded.head || rest_cut || !is_all || !names_all;
        row.cut_before = begin > 0;
        row.head = self.marker.pieces_of(&shown.painted, begin..end);
        row.fields = shown.fields;
        row.more_fields = (shown.more_fields > 0).then(|| self.say.more_fields(shown.more_fields));
        row.is_exact = shown.is_stored && !is_cut && !entry.is_rewritten();
        row.show_all = is_cut.then(|| self.say.show_all(&size(entry.bytes())));
        row.fold = folded.rest.map(|rest| self.folded_rest(shown.painted, &rest));
        row
    }

    fn bare(&self, entry: &Entry<'_>) -> Row {
        Row {
            key: LineKey::of(entry.first),
            anchor: None,
            level: entry.level,
            silence: None,
            day: None,
            time: self.time(entry.first.timestamp),
            time_full: zoned(entry.first.timestamp, self.zone).strftime("%Y-%m-%dT%H:%M:%S%.f%:z").to_string(),
            source: source_of(&entry.first.stream).to_owned(),
            is_exact: false,
            further: entry.continuation.iter().map(|line| LineKey::of(line)).collect(),
            cut_before: false,
            head: Vec::new(),
            fields: Vec::new(),
            more_fields: None,
            cells: Vec::new(),
            fold: None,
            show_all: None,
            same: None,
        }
    }

    pub(crate) fn time(&self, timestamp: Timestamp) -> String {
        let time = zoned(timestamp, self.zone);
        match self.reading.clock {
            Clock::Day => time.strftime("%H:%M:%S%.3f").to_string(),
            Clock::Full => time.strftime("%Y-%m-%d %H:%M:%S%.f").to_string(),
            Clock::Ago => {
                let past = self.now.nanos().saturating_sub(timestamp.nanos());
                // one unit says enough, and the list does not flicker
                let length = self.say.length(past - past % 1_000_000_000);
                if past < 1_000_000_000 { self.say.just_now().to_owned() } else { self.say.time_ago(&length) }
            }
        }
    }

    /// The text of an entry, or what it says where it is a record.
    fn shown(&self, entry: &Entry<'_>, whole: &str) -> Shown {
        let stored = |whole: &str| Shown {
            painted: Painted::of(whole),
            fields: Vec::new(),
            more_fields: 0,
            is_stored: true,
            head_bytes_max: HEAD_BYTES_MAX,
        };
        if !entry.continuation.is_empty() {
            return stored(whole);
        }
        match self.look.form {
            Form::Raw => stored(whole),
            Form::Pretty => match record::pretty(whole) {
                Some(painted) => Shown { painted, is_stored: false, head_bytes_max: PRETTY_BYTES_MAX, ..stored("") },
                None => stored(whole),
            },
            Form::Message => match Record::read(whole) {
                Some(record) => self.record(&record, whole).unwrap_or_else(|| stored(whole)),
                None => stored(whole),
            },
        }
    }

    /// A record as its row shows it; none where that would hide what was searched for.
    fn record(&self, record: &Record, whole: &str) -> Option<Shown> {
        let mut told = record.message.clone().unwrap_or_default().trim_end().to_owned();
        if let Some(stack) = &record.stack {
            told.push_str(if told.is_empty() { "" } else { "\n" });
            told.push_str(stack.trim_end());
        }
        let has_hit = |(name, value): &&(String, String)| {
            self.marker.first_hit(name).is_some() || self.marker.first_hit(text::head(value, FIELD_BYTES_MAX)).is_some()
        };
        let (hits, others): (Vec<_>, Vec<_>) = record.fields.iter().partition(has_hit);
        if hits.is_empty() && self.marker.first_hit(&told).is_none() && self.marker.first_hit(whole).is_some() {
            return None;
        }
        let field = |(name, value): &(String, String)| {
            let head = text::head(value, FIELD_BYTES_MAX);
            let ellipsis = if head.len() < value.len() { "…" } else { "" };
            Field { name: name.clone(), value: self.marker.pieces(&format!("{head}{ellipsis}")) }
        };
        Some(Shown {
            painted: Painted::of(&told),
            more_fields: record.fields.len().saturating_sub(FIELDS_MAX),
            fields: hits.into_iter().chain(others).take(FIELDS_MAX).map(field).collect(),
            is_stored: false,
            head_bytes_max: HEAD_BYTES_MAX,
        })
    }

    /// Shows a huge line around its first hit, where that is far from its beginning.
    fn show_far_hit(&self, entry: &Entry<'_>, row: &mut Row) -> bool {
        let line = entry.first.line.as_str();
        let Some(hit) = self.marker.first_hit(line).filter(|hit| *hit > HIT_CONTEXT_BYTES) else { return false };
        let begin = text::head(line, hit - HIT_CONTEXT_BYTES).len();
        row.cut_before = true;
        row.head = self.marker.pieces(text::head(&line[begin..], HEAD_BYTES_MAX));
        row.show_all = Some(self.say.show_all(&size(entry.bytes())));
        true
    }

    fn folded_rest(&self, mut painted: Painted, rest: &Rest) -> FoldedRest {
        // what the program painted itself stays as it is
        if painted.paints.last().is_none_or(|(range, _)| range.end <= rest.start) {
            painted.paints.extend(rest.paints.iter().cloned());
        }
        let end = rest.start + text::head(&painted.plain[rest.start..], REST_BYTES_MAX).len();
        let cause = rest.cause.clone().map(|cause| text::head(&painted.plain[cause], 300));
        FoldedRest {
            label: match rest.frame_count {
                0 => self.say.more_lines(rest.line_count),
                count => self.say.frames(count),
            },
            cause: cause.map(|cause| self.marker.pieces(cause)).unwrap_or_default(),
            own: rest.own.as_deref().map(|own| self.marker.pieces(text::head(own, 300))).unwrap_or_default(),
            pieces: self.marker.pieces_of(&painted, rest.start..end),
            has_hit: self.marker.first_hit(&painted.plain[rest.start..]).is_some(),
        }
    }

    fn cells(&self, entry: &Entry<'_>) -> Vec<Field> {
        let columns = &self.look.columns;
        let field = |(name, value): (&String, String)| Field {
            name: name.clone(),
            value: self.marker.pieces(text::head(&value, CELL_BYTES_MAX)),
        };
        columns.iter().zip(columns::cells(entry.first, columns)).map(field).collect()
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use crate::logql::ast::{LineFilter, LineOp, LineTest, LogExpr, Stage};
    use crate::model::{Direction, Labels, Timestamp};
    use crate::query::LogLine;
    use crate::web::explore::columns;
    use crate::web::explore::level::Level;
    use crate::web::explore::look::{Form, Look};
    use crate::web::explore::reading::Reading;
    use crate::web::explore::rows::{self, Row, Telling};
    use crate::web::explore::text::{Marker, Piece};
    use crate::web::language::Language;

    fn line(millis: i64, app: &str, text: &str) -> LogLine {
        LogLine {
            timestamp: Timestamp::from_nanos(millis * 1_000_000),
            line: text.to_owned(),
            stream: Labels::from([("service_name", app)]),
            structured: Labels::from([("detected_level", "error")]),
            parsed: Labels::default(),
            rewritten: None,
        }
    }

    fn told(lines: &[LogLine], direction: Direction, marker: &Marker, zone: &TimeZone, look: &Look) -> Vec<Row> {
        let now = Timestamp::from_secs(1_795_358_760);
        let telling = Telling { marker, zone, look, reading: Reading::default(), say: Language::English, now };
        rows::rows(lines, direction, &telling, None)
    }

    /// As most readers have it.
    fn rows(lines: &[LogLine], direction: Direction, marker: &Marker, zone: &TimeZone) -> Vec<Row> {
        told(lines, direction, marker, zone, &Look::default())
    }

    fn plain(pieces: &[Piece]) -> String {
        let show = |piece: &Piece| match piece {
            Piece::Plain(text) => text.clone(),
            Piece::Hit(text) => format!("[{text}]"),
            Piece::Control(name) => format!("<{name}>"),
            Piece::Escape(sequence) => format!("\u{1b}[{sequence}"),
            Piece::Paint(_) | Piece::Unpaint | Piece::Link(_) | Piece::Unlink => String::new(),
        };
        pieces.iter().map(show).collect()
    }

    fn heads(rows: &[Row]) -> Vec<String> {
        rows.iter().map(|row| plain(&row.head)).collect()
    }

    #[test]
    fn a_row_has_its_level_its_source_and_its_time_in_the_zone() {
        let zone = TimeZone::get("Asia/Seoul").unwrap();
        let rows = rows(&[line(1_795_358_760_123, "web", "hello")], Direction::Backward, &Marker::default(), &zone);
        let row = &rows[0];
        assert_eq!((row.level, row.source.as_str(), row.time.as_str()), (Level::Error, "web", "23:46:00.123"));
        assert_eq!(row.day.as_deref(), Some("Sunday, 22 November 2026"));
        assert_eq!(row.time_full, "2026-11-22T23:46:00.123+09:00");
        assert_eq!(row.show_all, None);
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
        let forward = rows(&lines, Direction::Forward, &Marker::default(), &TimeZone::UTC);
        let expected = ["ERROR failed", "\tat not.my.Trace(X.java:1)", "next", "\tat too.late.x(Y.java:3)"];
        assert_eq!(heads(&forward), expected);
        assert_eq!(forward[0].fold.as_ref().unwrap().label, "2 frames");
        lines.reverse();
        let backward = rows(&lines, Direction::Backward, &Marker::default(), &TimeZone::UTC);
        assert_eq!(heads(&backward), expected.iter().rev().map(|head| (*head).to_owned()).collect::<Vec<_>>());
    }

    #[test]
    fn a_day_is_named_where_it_begins() {
        let lines =
            [line(86_400_000 * 3, "a", "x"), line(86_400_000 * 3 - 1, "a", "y"), line(86_400_000 * 2, "a", "z")];
        let days: Vec<bool> = rows(&lines, Direction::Backward, &Marker::default(), &TimeZone::UTC)
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
        let rows = rows(&[line(1, "a", &text)], Direction::Backward, &marker, &TimeZone::UTC);
        assert!(rows[0].cut_before);
        assert!(plain(&rows[0].head).contains("[needle]"));
        assert_eq!(rows[0].show_all.as_deref(), Some("Show all · 20 KB"));
    }

    #[test]
    fn a_record_shows_its_message_and_fields_and_what_was_searched_for() {
        let text = r#"{"level":"error","msg":"declined\n  at https://x.example/a","orderId":4001,"n1":1,"n2":2,"n3":3,"n4":4,"n5":5,"n6":6,"n7":7,"n8":8,"last":"needle"}"#;
        let shown = |needle: &str, form| {
            let filter = LineFilter { op: LineOp::Contains, alternatives: vec![LineTest::Text(needle.to_owned())] };
            let marker = Marker::of(&LogExpr { selector: vec![], stages: vec![Stage::Line(filter)] });
            let look = Look { form, ..Look::default() };
            let rows = told(&[line(1, "a", text)], Direction::Forward, &marker, &TimeZone::UTC, &look);
            let fields: Vec<String> =
                rows[0].fields.iter().map(|field| format!("{}={}", field.name, plain(&field.value))).collect();
            (plain(&rows[0].head), fields.join(" "), rows[0].more_fields.clone(), rows[0].is_exact)
        };
        let (head, fields, more, is_exact) = shown("declined", Form::Message);
        assert_eq!((head.as_str(), more.as_deref()), ("[declined]\n  at https://x.example/a", Some("2 more fields")));
        assert_eq!(fields, "orderId=4001 n1=1 n2=2 n3=3 n4=4 n5=5 n6=6 n7=7");
        assert!(!is_exact);
        assert!(shown("needle", Form::Message).1.starts_with("last=[needle] orderId=4001"));
        let (head, fields, _, is_exact) = shown("\"n7\":7", Form::Message);
        assert!(
            head.contains("[\"n7\":7]") && fields.is_empty() && is_exact,
            "a hit that would be hidden shows the line"
        );
        assert!(shown("x", Form::Raw).0.starts_with("{\"level\""));
        assert!(shown("zz", Form::Pretty).0.contains("\n  \"orderId\": 4001,\n"));
    }

    #[test]
    fn a_stack_in_a_record_is_folded() {
        let text = r#"{"msg":"boom","stack":"Error: x\n    at f (/app/src/a.js:1:2)\n    at g (node:internal/x:1:2)"}"#;
        let rows = rows(&[line(1, "a", text)], Direction::Forward, &Marker::default(), &TimeZone::UTC);
        let fold = rows[0].fold.as_ref().unwrap();
        assert_eq!((plain(&rows[0].head).as_str(), fold.label.as_str()), ("boom\nError: x", "2 frames"));
        assert_eq!(plain(&fold.own), "f (/app/src/a.js:1:2)");
        assert!(fold.pieces.contains(&Piece::Paint("own".to_owned())));
    }

    #[test]
    fn a_row_of_a_rewritten_line_or_of_binary_data_does_not_say_to_be_exact() {
        let mut rewritten = line(1, "a", "x");
        rewritten.rewritten = Some(7);
        let binary =
            [line(1, "a", &"\u{1}a".repeat(200)), line(1, "a", &format!("{}{}", "x\n".repeat(9), "\u{1}".repeat(200)))];
        for line in [rewritten, binary[0].clone(), binary[1].clone()] {
            let rows = rows(&[line], Direction::Forward, &Marker::default(), &TimeZone::UTC);
            let is_binary = rows[0].key.hash != 7;
            assert_eq!((rows[0].is_exact, rows[0].show_all.is_some()), (false, is_binary));
        }
    }

    #[test]
    fn columns_hold_labels_and_fields_wherever_they_are() {
        let mut lines = [
            line(1, "a", r#"{"msg":"m","user":{"id":7}}"#),
            line(2, "b", "status=200 msg=\"x y\""),
            line(3, "c", "text"),
        ];
        lines[2].parsed = Labels::from([("status", "500")]);
        let look = Look::default().with_columns(["service_name", "status", "user_id", "line", "detected_level"]);
        let cells: Vec<String> = told(&lines, Direction::Forward, &Marker::default(), &TimeZone::UTC, &look)
            .iter()
            .map(|row| row.cells.iter().map(|cell| plain(&cell.value)).collect::<Vec<_>>().join("|"))
            .collect();
        assert_eq!(cells, ["a||7|m|error", "b|200||x y|error", "c|500||text|error"]);
        assert_eq!(columns::names(&lines, 3), ["detected_level", "service_name", "msg"]);
    }

    #[test]
    fn a_row_that_says_to_be_exact_holds_its_lines() {
        let texts = [
            "plain",
            "a\r\nb\n",
            "\x1b[31mred\x1b[0m \u{202e}x\0",
            "1\n2\n3\n4\n5\n6\n7\n8\n\n",
            "x\n\tat a.B.c(B.java:1)\n\tat d.E(F)\n",
            "{\"a\":",
            "see https://x.example/a.",
            "",
        ];
        for text in texts {
            let rows = rows(&[line(1, "a", text)], Direction::Forward, &Marker::default(), &TimeZone::UTC);
            let row = &rows[0];
            assert!(row.is_exact, "{text:?}");
            let rest = row.fold.as_ref().map(|fold| format!("\n{}", plain(&fold.pieces))).unwrap_or_default();
            let held = plain(&row.head) + &rest;
            let held = held.replace("<U+000D>", "\r").replace("<U+202E>", "\u{202e}").replace("<U+0000>", "\0");
            assert_eq!(held, text);
        }
        let long = rows(&[line(1, "a", &"x".repeat(2000))], Direction::Forward, &Marker::default(), &TimeZone::UTC);
        assert!(!long[0].is_exact);
    }
}
