//! A range beside one before it: what is new, what grew and shrank, what is gone. Pure but for `find`.
//!
//! Promises: what is said to have grown or shrunk did so by more than chance would have it, and by a ratio that matters;
//! where only a part of the lines was read, counts are those of all lines as that part tells them, and say so.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use jiff::ToSpan;

use crate::logql::ast::{LineOp, LogExpr};
use crate::model::{Labels, TimeRange, Timestamp};
use crate::query::{
    ChangeQuery, ChangedPattern, Changes, CountBy, CountQuery, Coverage, Engine, Error, ProfileQuery, Ticket,
};
use crate::web::explore::builder::{self, LEVEL_LABEL, Want};
use crate::web::explore::level::Level;
use crate::web::explore::moment::{Moment, zoned};
use crate::web::explore::rows::source_of;
use crate::web::explore::span::Link;
use crate::web::explore::state::State;
use crate::web::explore::text::{self, Piece};
use crate::web::explore::understand::ask::{Ask, Than};
use crate::web::explore::understand::outliers::{ValueChange, value_changes};
use crate::web::explore::understand::patterns::path;
use crate::web::explore::understand::{Bit, Read, View, bits, lines_of, number, read_of, reading_time, with_pattern};

/// Patterns that are told apart; those beyond are the rarest.
const FOUND_MAX: usize = 5000;
/// Rows of one kind of change.
const ROWS_MAX: usize = 12;
/// Parts of each range that a trend is drawn of.
const TREND_PARTS: u32 = 15;
/// A change is told when it is this far from chance, in standard deviations, and by such a ratio.
pub(crate) const SIGNIFICANCE_MIN: f64 = 4.0;
pub(crate) const RATIO_MIN: f64 = 1.5;
/// Values of a field that are compared.
const VALUES_COMPARED: usize = 500;
/// Looking at the fields of one range takes this long at most, and counting all lines of it this long.
const FIELDS_TIME: Duration = Duration::from_millis(400);
const COUNTING_TIME: Duration = Duration::from_secs(2);
/// Characters of a value that are shown.
pub(crate) const VALUE_BYTES_MAX: usize = 120;
/// Labels that tell what wrote a line, as rows show it.
pub(crate) const SOURCES: [&str; 9] =
    ["service_name", "service", "app", "container", "compose_service", "job", "unit", "filename", "host"];

/// What the comparison shows.
#[derive(Debug)]
pub(crate) struct Compared {
    pub(crate) thans: Vec<Link>,
    pub(crate) now_label: String,
    pub(crate) before_label: String,
    /// The lines of the range before.
    pub(crate) before_href: String,
    pub(crate) read: Read,
    /// Whether counts are told by a part of the lines.
    pub(crate) notices: Vec<String>,
    pub(crate) totals: Option<Change>,
    pub(crate) levels: Vec<Change>,
    pub(crate) services: Vec<Change>,
    pub(crate) sections: Vec<Section>,
    pub(crate) values: Vec<ValueChange>,
    /// Whether there is anything before to compare with.
    pub(crate) has_before: bool,
}

/// Counts of two ranges.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) name: Vec<Piece>,
    pub(crate) level: Option<Level>,
    pub(crate) now: String,
    pub(crate) before: String,
    pub(crate) change: String,
    pub(crate) turn: &'static str,
    pub(crate) href: String,
}

/// Patterns that changed in one way.
#[derive(Debug)]
pub(crate) struct Section {
    pub(crate) title: &'static str,
    pub(crate) turn: &'static str,
    pub(crate) rows: Vec<PatternChange>,
    pub(crate) further: Option<String>,
}

#[derive(Debug)]
pub(crate) struct PatternChange {
    pub(crate) bits: Vec<Bit>,
    pub(crate) level: Level,
    pub(crate) now: String,
    pub(crate) before: String,
    pub(crate) change: String,
    pub(crate) trend_before: String,
    pub(crate) trend_now: String,
    pub(crate) href: String,
}

pub(crate) fn find(
    engine: &Engine,
    state: &State,
    expr: &LogExpr,
    range: TimeRange,
    ticket: &Ticket,
) -> Result<View, Error> {
    let before = other_range(state, range, state.ask.than);
    let query = ChangeQuery {
        log: expr.clone(),
        before,
        now: range,
        part_count: TREND_PARTS,
        limit: FOUND_MAX,
        time_max: reading_time(&state.ask),
    };
    let changes = engine.changes(&query, ticket)?;
    let profile = |range| {
        let time_max = (!state.ask.whole).then_some(FIELDS_TIME);
        engine.profile(&ProfileQuery { log: expr.clone(), range, time_max, values_max: VALUES_COMPARED }, ticket)
    };
    let has_before = changes.before_count > 0;
    let values = if has_before && changes.now_count > 0 {
        value_changes(state, expr, &profile(range)?, &profile(before)?)
    } else {
        Vec::new()
    };
    let counts = counted(engine, expr, range, ticket).zip(counted(engine, expr, before, ticket));
    Ok(View::Compare(Box::new(view(state, expr, (range, before), &changes, counts, values))))
}

/// The range that is compared with.
fn other_range(state: &State, range: TimeRange, than: Than) -> TimeRange {
    let days = match than {
        Than::Before => {
            let length = range.end.nanos().saturating_sub(range.start.nanos());
            return TimeRange::new(range.start.plus_nanos(-length), range.start);
        }
        Than::Yesterday => 1,
        Than::LastWeek => 7,
    };
    // the same time on the clock, also where summer time began between
    let earlier = |time: Timestamp| {
        let zoned = zoned(time, &state.zone.zone).checked_sub(days.days()).ok()?;
        i64::try_from(zoned.timestamp().as_nanosecond()).ok().map(Timestamp::from_nanos)
    };
    match (earlier(range.start), earlier(range.end)) {
        (Some(start), Some(end)) => TimeRange::new(start, end),
        _ => TimeRange::new(range.start, range.start),
    }
}

/// All lines of a range by what wrote them and their level, where that is counted soon enough.
fn counted(engine: &Engine, expr: &LogExpr, range: TimeRange, asked: &Ticket) -> Option<Vec<(Labels, u64)>> {
    asked.check().ok()?;
    // a service is asked for by a label of its stream, so nothing else counts as one
    let stream = SOURCES.iter().map(|name| (*name).to_owned()).collect();
    let by = CountBy { stream, line: vec![LEVEL_LABEL.to_owned()] };
    let query = CountQuery { log: expr.clone(), range, step_ns: None, by, top: None };
    let ticket = Ticket::until(Instant::now() + COUNTING_TIME).for_user(asked.user());
    Some(engine.counts(&query, &ticket).ok()?.totals().collect())
}

type Counts = Vec<(Labels, u64)>;

fn view(
    state: &State,
    expr: &LogExpr,
    (range, before): (TimeRange, TimeRange),
    changes: &Changes,
    counts: Option<(Counts, Counts)>,
    values: Vec<ValueChange>,
) -> Compared {
    let say = state.say;
    let then = state.with_span(Moment::At(before.start), Moment::At(before.end));
    let covered = Coverage { read: changes.before.read + changes.now.read, all: changes.before.all + changes.now.all };
    let mut notices = Vec::new();
    if counts.is_none() {
        notices.push(say.counts_missing().to_owned());
    }
    let (mut levels, mut services, mut totals) = (Vec::new(), Vec::new(), None);
    if let Some((now, before)) = counts {
        let sum = |counts: &Counts| counts.iter().map(|(_, count)| count).sum::<u64>();
        totals = Some(change(
            state,
            text::revealed(say.compare_all_lines()),
            (sum(&now), sum(&before)),
            &lines_of(state, expr),
        ));
        levels = level_changes(state, expr, &now, &before);
        services = service_changes(state, expr, &now, &before);
    }
    Compared {
        thans: Than::ALL
            .into_iter()
            .filter(|than| is_earlier(state, range, *than))
            .map(|than| than_link(state, than))
            .collect(),
        now_label: span_text(state, range),
        before_label: span_text(state, before),
        before_href: lines_of(&then, expr).url(),
        read: read_of(state, changes.before_count + changes.now_count, covered),
        notices,
        totals,
        levels,
        services,
        sections: sections(state, &then, expr, changes),
        values,
        has_before: changes.before_count > 0,
    }
}

/// Whether a range lies before the one shown.
fn is_earlier(state: &State, range: TimeRange, than: Than) -> bool {
    than == Than::Before || other_range(state, range, than).end <= range.start
}

fn than_link(state: &State, than: Than) -> Link {
    let text = match than {
        Than::Before => state.say.than_before(),
        Than::Yesterday => state.say.than_yesterday(),
        Than::LastWeek => state.say.than_last_week(),
    };
    let other = State { ask: Ask { than, ..state.ask.clone() }, ..state.clone() };
    Link { text: text.to_owned(), href: other.url(), current: than == state.ask.than }
}

/// `Sun 22 Nov 2026 12:00 – 13:00`
fn span_text(state: &State, range: TimeRange) -> String {
    let (start, end) = (zoned(range.start, &state.zone.zone), zoned(range.end, &state.zone.zone));
    let clock = if end.timestamp().duration_since(start.timestamp()).as_secs() < 600 { "%H:%M:%S" } else { "%H:%M" };
    let (from, to) = (start.strftime(clock), end.strftime(clock));
    let day = state.say.dated(start.date());
    if start.date() == end.date() {
        format!("{day} {from} – {to}")
    } else {
        format!("{day} {from} – {} {to}", state.say.dated(end.date()))
    }
}

fn change(state: &State, name: Vec<Piece>, (now, before): (u64, u64), lines: &State) -> Change {
    let (text, turn) = ratio_text(state, now as f64, before as f64);
    Change { name, level: None, now: number(now), before: number(before), change: text, turn, href: lines.url() }
}

/// A change in words, and its class.
fn ratio_text(state: &State, now: f64, before: f64) -> (String, &'static str) {
    if before == 0.0 && now == 0.0 {
        return ("=".to_owned(), "same");
    }
    if before == 0.0 {
        return (state.say.change_new().to_owned(), "new");
    }
    if now == 0.0 {
        return (state.say.change_gone().to_owned(), "gone");
    }
    let ratio = now / before;
    let percent = (ratio - 1.0) * 100.0;
    match ratio {
        _ if percent.abs() < 0.5 => ("=".to_owned(), "same"),
        _ if ratio >= 10.0 => (format!("×{}", number(ratio.round() as u64)), "more"),
        _ if ratio >= 2.0 => (format!("×{ratio:.1}").replace(".0", ""), "more"),
        _ if ratio > 1.0 => (format!("+{percent:.0} %"), "more"),
        _ => (format!("−{:.0} %", (-percent).min(99.0)), "less"),
    }
}

fn level_changes(state: &State, expr: &LogExpr, now: &Counts, before: &Counts) -> Vec<Change> {
    let of = |counts: &Counts, level: Level| -> u64 {
        let is_of = |labels: &Labels| Level::named(labels.get(LEVEL_LABEL).unwrap_or("")) == level;
        counts.iter().filter(|(labels, _)| is_of(labels)).map(|(_, count)| count).sum()
    };
    let view = |level: Level| {
        let counts = (of(now, level), of(before, level));
        (counts != (0, 0)).then(|| {
            let only = builder::with_toggled_level(&builder::without_levels(expr), level);
            let shown = change(state, text::revealed(level.name()), counts, &lines_of(state, &only));
            Change { level: Some(level), ..shown }
        })
    };
    Level::ALL.into_iter().filter_map(view).collect()
}

/// What wrote most lines, now or before, with the greatest changes first.
fn service_changes(state: &State, expr: &LogExpr, now: &Counts, before: &Counts) -> Vec<Change> {
    let mut all: HashMap<&str, (u64, u64, &'static str)> = HashMap::new();
    for (index, (labels, count)) in now.iter().map(|it| (0, it)).chain(before.iter().map(|it| (1, it))) {
        let source = source_of(labels);
        let name = SOURCES.into_iter().find(|name| labels.get(name) == Some(source)).unwrap_or(SOURCES[0]);
        let known = all.entry(source).or_insert((0, 0, name));
        if index == 0 { known.0 += count } else { known.1 += count }
    }
    let mut services: Vec<(&str, (u64, u64, &'static str))> =
        all.into_iter().filter(|(source, _)| !source.is_empty()).collect();
    let weight = |(now, before, _): (u64, u64, &str)| significance((now, 1.0), (before, 1.0)).abs();
    services.sort_by(|a, b| weight(b.1).total_cmp(&weight(a.1)).then_with(|| a.0.cmp(b.0)));
    if services.len() < 2 {
        return Vec::new();
    }
    let view = |(source, (now, before, name)): (&str, (u64, u64, &'static str))| {
        let only = builder::with_value(expr, builder::Origin::Stream, name, source, Want::With);
        change(state, text::revealed(text::head(source, VALUE_BYTES_MAX)), (now, before), &lines_of(state, &only))
    };
    services.into_iter().take(ROWS_MAX).map(view).collect()
}

/// How far two counts are from being of the same rate, in standard deviations; each with the part of its lines that was
/// read.
pub(crate) fn significance((now, now_part): (u64, f64), (before, before_part): (u64, f64)) -> f64 {
    let (all, part) = ((now + before) as f64, now_part / (now_part + before_part).max(f64::MIN_POSITIVE));
    let spread = (all * part * (1.0 - part)).sqrt();
    if spread > 0.0 { (now as f64 - all * part) / spread } else { 0.0 }
}

/// A pattern and its counts as far as they were read.
struct Known<'a> {
    pattern: &'a ChangedPattern,
    now: u64,
    before: u64,
    significance: f64,
    ratio: f64,
}

fn sections(state: &State, then: &State, expr: &LogExpr, changes: &Changes) -> Vec<Section> {
    let (now_part, before_part) = (changes.now.part().max(1e-9), changes.before.part().max(1e-9));
    if changes.before_count == 0 {
        return Vec::new();
    }
    let known = |index: usize| {
        let pattern = &changes.patterns[index];
        let (now, before): (u64, u64) = (pattern.now.iter().sum(), pattern.before.iter().sum());
        let ratio = (now as f64 / now_part) / (before as f64 / before_part).max(f64::MIN_POSITIVE);
        Known { pattern, now, before, ratio, significance: significance((now, now_part), (before, before_part)) }
    };
    let (mut new, mut grown, mut shrunk, mut gone) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for known in (0..changes.patterns.len()).map(known) {
        // of a part of the lines, one line that is not seen on the other side says nothing
        let is_told = (changes.now.is_whole() && changes.before.is_whole()) || known.significance.abs() >= 2.0;
        match (known.now, known.before) {
            (1.., 0) if is_told => new.push(known),
            (0, 1..) if is_told => gone.push(known),
            (0, _) | (_, 0) => {}
            _ if known.significance.abs() < SIGNIFICANCE_MIN => {}
            _ if known.ratio >= RATIO_MIN => grown.push(known),
            _ if known.ratio <= 1.0 / RATIO_MIN => shrunk.push(known),
            _ => {}
        }
    }
    let section = |title, turn, mut known: Vec<Known<'_>>| {
        known.sort_by(|a, b| b.significance.abs().total_cmp(&a.significance.abs()));
        let hidden = known.len().saturating_sub(ROWS_MAX) as u64;
        let row = |known: &Known<'_>| pattern_row(state, then, expr, known, (now_part, before_part));
        let rows: Vec<PatternChange> = known.iter().take(ROWS_MAX).map(row).collect();
        (!rows.is_empty()).then(|| Section {
            title,
            turn,
            rows,
            further: (hidden > 0).then(|| state.say.changes_further(&number(hidden))),
        })
    };
    let say = state.say;
    let all = [
        section(say.section_new(), "new", new),
        section(say.section_grown(), "more", grown),
        section(say.section_shrunk(), "less", shrunk),
        section(say.section_gone(), "gone", gone),
    ];
    all.into_iter().flatten().collect()
}

fn pattern_row(state: &State, then: &State, expr: &LogExpr, known: &Known<'_>, parts: (f64, f64)) -> PatternChange {
    let only = with_pattern(expr, LineOp::Pattern, &known.pattern.text);
    // both trends are drawn to one scale
    let most = known.pattern.now.iter().chain(&known.pattern.before).max().copied().unwrap_or(0);
    let drawn = |trend: &[u64]| {
        let mut scaled = trend.to_vec();
        scaled.push(most);
        let path = path(&scaled);
        // the last bar is the scale, and not drawn
        path.rfind('M').map(|end| path[..end].to_owned()).unwrap_or_default()
    };
    PatternChange {
        bits: bits(&known.pattern.text),
        level: Level::named(&known.pattern.level),
        now: about(known.now, parts.0),
        before: about(known.before, parts.1),
        change: ratio_text(state, known.now as f64 / parts.0, known.before as f64 / parts.1).0,
        trend_before: drawn(&known.pattern.before),
        trend_now: drawn(&known.pattern.now),
        href: lines_of(if known.now > 0 { state } else { then }, &only).url(),
    }
}

/// The count of all lines as a part of them tells it.
fn about(count: u64, part: f64) -> String {
    if part >= 1.0 || count == 0 {
        number(count)
    } else {
        format!("≈ {}", number((count as f64 / part).round() as u64))
    }
}

#[cfg(test)]
mod tests {
    use crate::model::{Labels, TimeRange, Timestamp};
    use crate::query::{ChangedPattern, Changes, Coverage, Stats};
    use crate::web::explore::state::{Params, State};
    use crate::web::explore::understand::ask::Than;
    use crate::web::explore::understand::compare::{
        Compared, about, is_earlier, other_range, ratio_text, significance, span_text, view,
    };
    use crate::web::explore::view::Asked;
    use crate::web::language::Language;

    fn state() -> State {
        let params =
            Params { show: Some("compare".to_owned()), zone: Some("Europe/Berlin".to_owned()), ..Params::default() };
        State::read(&params, None, Language::English, Timestamp::from_secs(1_795_358_760)).0
    }

    fn hours(from: i64, to: i64) -> TimeRange {
        TimeRange::new(Timestamp::from_secs(from * 3600), Timestamp::from_secs(to * 3600))
    }

    #[test]
    fn ranges_before_are_as_long_and_at_the_same_time_of_the_clock() {
        let state = state();
        let range = hours(100, 103);
        assert_eq!(other_range(&state, range, Than::Before), hours(97, 100));
        assert_eq!(other_range(&state, range, Than::Yesterday), hours(76, 79));
        assert_eq!(other_range(&state, range, Than::LastWeek), hours(-68, -65));
        // summer time ended on 2026-10-25 at 01:00 UTC
        let sunday = 1_792_886_400 / 3600;
        assert_eq!(
            other_range(&state, hours(sunday + 12, sunday + 13), Than::Yesterday),
            hours(sunday - 13, sunday - 12)
        );
        let long = hours(100, 130);
        assert!(!is_earlier(&state, long, Than::Yesterday) && is_earlier(&state, long, Than::LastWeek));
        assert_eq!(span_text(&state, hours(100, 101)), "Mon 5 Jan 1970 05:00 – 06:00");
    }

    fn pattern(text: &str, before: u64, now: u64) -> ChangedPattern {
        let level = "error".to_owned();
        ChangedPattern { text: text.to_owned(), before: vec![before, 0], now: vec![0, now], level }
    }

    fn compared(patterns: Vec<ChangedPattern>, now: Coverage) -> Compared {
        let whole = Coverage { read: 1, all: 1 };
        let changes = Changes {
            patterns,
            before_count: 1000,
            now_count: 1000,
            before: whole,
            now,
            stats: Stats::default(),
            warnings: Vec::new(),
        };
        let counts = |web, db| {
            let labels = |app: &str| Labels::from([("service_name", app), ("detected_level", "error")]);
            vec![(labels("web"), web), (labels("db"), db)]
        };
        let asked = Asked::read("{}");
        let counts = Some((counts(900, 100), counts(100, 100)));
        view(&state(), asked.lines().expect("lines"), (hours(100, 101), hours(99, 100)), &changes, counts, Vec::new())
    }

    #[test]
    fn what_is_new_grew_shrank_and_is_gone_is_told_apart_from_chance() {
        let patterns = vec![
            pattern("steady <_>", 500, 520),
            pattern("new <_>", 0, 3),
            pattern("grown <_>", 10, 90),
            pattern("chance <_>", 2, 4),
            pattern("shrunk <_>", 300, 30),
            pattern("gone <_>", 7, 0),
        ];
        let found = compared(patterns, Coverage { read: 1, all: 1 });
        let told: Vec<(&str, usize, &str)> =
            found.sections.iter().map(|it| (it.turn, it.rows.len(), it.rows[0].change.as_str())).collect();
        assert_eq!(told, [("new", 1, "new"), ("more", 1, "×9"), ("less", 1, "−90 %"), ("gone", 1, "gone")]);
        assert!(found.sections[0].rows[0].href.contains("%7C%3E+%22new+%3C_%3E%22"));
        assert!(
            found.sections[3].rows[0].href.contains("from=1970-01-05T03:00:00Z"),
            "{}",
            found.sections[3].rows[0].href
        );
        assert_eq!(found.services[0].change, "×9");
        assert_eq!(found.levels[0].change, "×5");
        assert_eq!(found.totals.expect("counted").now, "1,000");
    }

    #[test]
    fn a_part_of_the_lines_tells_about_all_of_them() {
        let found = compared(vec![pattern("x", 100, 100), pattern("rare", 0, 1)], Coverage { read: 1, all: 4 });
        assert_eq!(found.sections.len(), 2);
        assert_eq!(found.sections[1].rows[0].now, "≈ 400");
        assert!(found.read.whole.is_some());
        assert_eq!(about(5, 1.0), "5");
        assert!(significance((100, 0.25), (100, 1.0)) > 4.0 && significance((25, 0.25), (100, 1.0)).abs() < 0.1);
    }

    #[test]
    fn changes_are_said_in_few_signs() {
        let state = state();
        let told = |now, before| ratio_text(&state, now, before).0;
        assert_eq!(
            [told(1.0, 1.0), told(3.0, 1.0), told(112.0, 100.0), told(25.0, 100.0)],
            ["=", "×3", "+12 %", "−75 %"]
        );
        assert_eq!([told(0.0, 5.0), told(5.0, 0.0), told(12_345.0, 1.0)], ["gone", "new", "×12,345"]);
    }
}
