//! New lines as a live page gets them: rows of the same template as in history, and a row for what was left out.
//!
//! Promises: what continues an entry that was sent before (a stack trace line by line) comes as that whole entry again,
//! under its old key, so that the page puts it in its place. Pure.

use std::collections::HashMap;

use askama::Template;
use serde_json::{Value, json};

use crate::logql::ast::LogExpr;
use crate::model::{Direction, Labels, Timestamp};
use crate::query::LogLine;
use crate::web::explore::moment::Moment;
use crate::web::explore::paging::Page as Rows;
use crate::web::explore::state::State;
use crate::web::explore::text::{self, Piece};
use crate::web::explore::view::{self, Part, RowView};
use crate::web::explore::{chart, entries};
use crate::web::page::{Page, now};

/// Lines of an entry that are kept for those that continue it, and memory of them. What continues a larger one is a row
/// of its own.
const ENTRY_LINES_MAX: usize = 200;
const ENTRY_BYTES_MAX: usize = 64 << 10;
const HEAD_BYTES_MAX: usize = 1024;
/// Streams whose last entries are kept.
const ENTRIES_MAX: usize = 256;

/// The last entry of each stream that was sent, with the lines that continue it.
#[derive(Debug, Default)]
pub(crate) struct Entries(HashMap<Labels, Entry>);

#[derive(Clone, Debug, Default)]
struct Entry {
    lines: Vec<LogLine>,
    bytes: usize,
    /// Only the beginnings of its first and last line are kept, to know what continues it as long as its portion lasts.
    is_full: bool,
}

impl Entry {
    fn put(&mut self, line: &LogLine) {
        self.bytes += line.memory_bytes();
        if !self.is_full && self.lines.len() < ENTRY_LINES_MAX && self.bytes <= ENTRY_BYTES_MAX {
            self.lines.push(line.clone());
            return;
        }
        let head = |line: &LogLine| LogLine { line: text::head(&line.line, HEAD_BYTES_MAX).to_owned(), ..line.clone() };
        let first = self.lines.first().map(head);
        *self = Entry { lines: first.into_iter().chain([head(line)]).collect(), is_full: true, ..Entry::default() };
    }
}

impl Entries {
    /// The lines of a portion, after those which they continue; oldest first.
    pub(crate) fn whole(&mut self, lines: Vec<LogLine>) -> Vec<LogLine> {
        let mut whole = Vec::with_capacity(lines.len());
        let mut seen: HashMap<Labels, Entry> = HashMap::new();
        for line in lines {
            let sent = self.0.get(&line.stream).filter(|entry| !entry.is_full);
            let known = seen.get(&line.stream).or(sent);
            let continues = known.is_some_and(|entry| entries::continues(&entry.lines, &line));
            let entry = seen.entry(line.stream.clone()).or_insert_with(|| {
                let before = sent.filter(|_| continues).cloned().unwrap_or_default();
                whole.extend(before.lines.iter().cloned());
                before
            });
            if !continues {
                *entry = Entry::default();
            }
            entry.put(&line);
            whole.push(line);
        }
        if self.0.len() + seen.len() > ENTRIES_MAX {
            self.0.clear();
        }
        self.0.extend(seen);
        whole
    }
}

/// What was left out between rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gap {
    /// None where it could not be counted.
    pub(crate) count: Option<u64>,
    pub(crate) start: Timestamp,
    pub(crate) end: Timestamp,
}

#[derive(Template)]
#[template(path = "_explore_live_row.html")]
struct RowHtml<'r> {
    #[allow(dead_code, reason = "the templates that this one includes may name them")]
    page: &'r Page,
    #[allow(dead_code, reason = "the templates that this one includes may name them")]
    state: &'r State,
    view: &'r RowView,
}

#[derive(Template)]
#[template(path = "_explore_live_gap.html")]
struct GapHtml {
    text: String,
    load: &'static str,
    href: String,
}

/// Rows, oldest first: the time in nanoseconds, the key, the HTML. `lines` are oldest first as well.
pub(crate) fn rows(
    page: &Page,
    state: &State,
    expr: &LogExpr,
    mut lines: Vec<LogLine>,
) -> Result<Vec<Value>, askama::Error> {
    if state.direction == Direction::Backward {
        lines.reverse();
    }
    let found = Rows { rows: lines, older: None, newer: None };
    let mut views = view::lines(state, expr, &found, false, Ok(None), Part::Rows, now()).rows;
    // whether a row is the first of its day is for the page to say, which knows what it stands beside
    let mut day = None;
    for view in &mut views {
        day = view.row.day.take().or(day);
        view.row.day.clone_from(&day);
    }
    if state.direction == Direction::Backward {
        views.reverse();
    }
    let shape = |view: &RowView| {
        let html = RowHtml { page, state, view }.render()?;
        Ok(json!([view.row.key.timestamp.nanos().to_string(), view.row.key.to_string(), html]))
    };
    views.iter().map(shape).collect()
}

/// The row that says that lines are missing, and leads to them.
pub(crate) fn gap(state: &State, gap: &Gap) -> Result<Value, askama::Error> {
    let text = match gap.count {
        Some(count) => state.say.live_skipped(count),
        None => state.say.live_skipped_some().to_owned(),
    };
    let href = state.with_span(Moment::At(gap.start), Moment::At(gap.end)).url();
    let html = GapHtml { text, load: state.say.live_load(), href }.render()?;
    let nanos = |time: Timestamp| time.nanos().to_string();
    Ok(json!({ "html": html, "from": nanos(gap.start), "to": nanos(gap.end), "count": gap.count }))
}

/// What is said of all lines of the range, in place of how many of them the page shows.
pub(crate) fn total(state: &State, count: u64) -> String {
    state.say.live_total(&chart::grouped(&count.to_string()))
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use crate::model::{Labels, Timestamp};
    use crate::query::LogLine;
    use crate::web::explore::live::news::{ENTRY_BYTES_MAX, ENTRY_LINES_MAX, Entries, Gap, gap, rows};
    use crate::web::explore::state::{Params, State};
    use crate::web::explore::view::Asked;
    use crate::web::language::Language;
    use crate::web::page::Page;

    fn line(millis: i64, app: &str, text: &str) -> LogLine {
        LogLine {
            timestamp: Timestamp::from_nanos(1_795_358_760_000_000_000 + millis * 1_000_000),
            line: text.to_owned(),
            stream: Labels::from([("app", app)]),
            structured: Labels::default(),
            parsed: Labels::default(),
            rewritten: None,
        }
    }

    fn texts(lines: &[LogLine]) -> Vec<&str> {
        lines.iter().map(|line| line.line.as_str()).collect()
    }

    fn state(direction: &str) -> State {
        let params = Params {
            live: Some("1".to_owned()),
            direction: Some(direction.to_owned()),
            query: Some("{app=\"a\"}".to_owned()),
            ..Params::default()
        };
        State::read(&params, None, Language::English, Timestamp::from_secs(1_795_358_760)).0
    }

    #[test]
    fn what_continues_an_entry_comes_with_it_in_any_portion() {
        let mut entries = Entries::default();
        let first = entries.whole(vec![line(1, "a", "ERROR x"), line(1, "b", "fine")]);
        assert_eq!(texts(&first), ["ERROR x", "fine"]);
        let second = entries.whole(vec![line(2, "b", "  at b.c(D.java:1)"), line(2, "a", "\tat a.b(C.java:1)")]);
        assert_eq!(texts(&second), ["fine", "  at b.c(D.java:1)", "ERROR x", "\tat a.b(C.java:1)"]);
        let third = entries.whole(vec![line(3, "a", "\tat a.c(C.java:2)"), line(4, "a", "next")]);
        assert_eq!(texts(&third), ["ERROR x", "\tat a.b(C.java:1)", "\tat a.c(C.java:2)", "next"]);
        assert_eq!(texts(&entries.whole(vec![line(5, "a", "last")])), ["last"]);
    }

    #[test]
    fn an_entry_too_large_to_be_kept_is_not_sent_again_without_its_lines() {
        let frames =
            |from: i64, count: i64| (from..from + count).map(|n| line(n, "a", &format!("\tat a.b(C.java:{n})")));
        let mut entries = Entries::default();
        let begin = std::iter::once(line(0, "a", "ERROR x"));
        entries.whole(begin.chain(frames(1, ENTRY_LINES_MAX as i64 + 50)).collect());
        let next = entries.whole(frames(300, 2).collect());
        assert_eq!(next.len(), 2, "nothing of what is a row already, and no row that lacks a part");
        assert_eq!(entries.whole(frames(302, 1).collect()).len(), 3, "what follows is an entry of its own");
        let long = format!("\tat {}", "x".repeat(ENTRY_BYTES_MAX));
        for n in 0..50 {
            entries.whole(vec![line(400 + n, "a", &long)]);
        }
        let kept: usize = entries.0.values().flat_map(|entry| &entry.lines).map(LogLine::memory_bytes).sum();
        assert!(kept < ENTRY_BYTES_MAX, "{kept}");
    }

    #[test]
    fn rows_come_oldest_first_with_their_day_and_key_in_either_order_of_reading() {
        let page = Page::outside(&HeaderMap::new());
        for direction in ["forward", "backward"] {
            let state = state(direction);
            let asked = Asked::read(&state.query);
            let lines = vec![line(1, "a", "<b>one"), line(2, "a", "\tat x.y(Z.java:1)"), line(3, "a", "two")];
            let rows = rows(&page, &state, asked.lines().expect("lines"), lines).expect("rows");
            assert_eq!(rows.len(), 2, "{direction}");
            assert_eq!(rows[0][0], "1795358760001000000");
            assert!(rows[0][1].as_str().expect("a key").starts_with("1795358760001000000."));
            for (row, text) in rows.iter().zip(["&#60;b&#62;one", "two"]) {
                let html = row[2].as_str().expect("html");
                assert!(html.contains(text) && html.contains("class=\"day\""), "{html}");
            }
        }
    }

    #[test]
    fn a_gap_says_how_many_lines_and_leads_to_them() {
        let start = Timestamp::from_nanos(1_795_358_760_000_000_000);
        let known = Gap { count: Some(512), start, end: start.plus_nanos(1_500_000_000) };
        let row = gap(&state("backward"), &known).expect("a row");
        let html = row["html"].as_str().expect("html");
        assert!(html.contains("512 lines were skipped"), "{html}");
        assert_eq!((row["to"].as_str(), row["count"].as_u64()), (Some("1795358761500000000"), Some(512)));
        assert!(html.contains("to=2026-11-22T14:46:01.5Z") && !html.contains("live=1"), "{html}");
        let unknown = gap(&state("backward"), &Gap { count: None, ..known }).expect("a row");
        assert!(unknown["html"].as_str().expect("html").contains("Some lines were skipped"));
    }
}
