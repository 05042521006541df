//! The table of patterns: what many lines say, how often, and when. Pure but for `find`.

use crate::logql::ast::{LineOp, LogExpr};
use crate::model::{TimeRange, Timestamp};
use crate::query::{Engine, Error, MinedPattern, PatternQuery, Patterns, Ticket};
use crate::web::explore::builder;
use crate::web::explore::level::Level;
use crate::web::explore::moment::zoned;
use crate::web::explore::span::Link;
use crate::web::explore::state::State;
use crate::web::explore::understand::ask::{Ask, Sort};
use crate::web::explore::understand::{
    Bit, Read, View, bits, lines_of, number, percent, read_of, reading_time, with_pattern,
};

/// Patterns that are found, to be sorted, and of those the ones that are shown.
const FOUND_MAX: usize = 2000;
/// As many as one reads, in a page that a phone has quickly; the others come when they are asked for.
const SHOWN_FIRST: usize = 40;
/// Parts of the range that a trend is drawn of.
const TREND_PARTS: i64 = 30;
/// A pattern that comes so many parts after the first one has come up meanwhile.
const LATE_PARTS: i64 = 3;
/// The drawing of a trend, in its own coordinates.
pub(crate) const TREND_WIDTH: u32 = 120;
pub(crate) const TREND_HEIGHT: u32 = 24;

/// What the table shows.
#[derive(Debug)]
pub(crate) struct PatternsView {
    pub(crate) read: Read,
    pub(crate) sorts: Vec<Link>,
    pub(crate) rows: Vec<PatternView>,
    /// Patterns that are not shown, in words.
    pub(crate) further: Option<String>,
    /// The way to them.
    pub(crate) all: Option<String>,
}

#[derive(Debug)]
pub(crate) struct PatternView {
    pub(crate) bits: Vec<Bit>,
    pub(crate) level: Level,
    pub(crate) count: String,
    pub(crate) share: String,
    /// An SVG path of bars.
    pub(crate) trend: String,
    /// `first at 12:41`, where that is not the start of the range.
    pub(crate) first: Option<String>,
    pub(crate) lines: String,
    pub(crate) without: String,
    pub(crate) example: String,
}

pub(crate) fn find(
    engine: &Engine,
    state: &State,
    expr: &LogExpr,
    range: TimeRange,
    ticket: &Ticket,
) -> Result<View, Error> {
    let query = PatternQuery {
        log: expr.clone(),
        range,
        step_ns: (length(range) / TREND_PARTS).max(1),
        limit: FOUND_MAX,
        time_max: reading_time(&state.ask),
    };
    let found = engine.patterns(&query, ticket)?;
    if found.patterns.is_empty() && found.coverage.is_whole() {
        return Ok(View::Nothing);
    }
    Ok(View::Patterns(view(state, expr, range, &found)))
}

fn length(range: TimeRange) -> i64 {
    range.end.nanos().saturating_sub(range.start.nanos())
}

fn view(state: &State, expr: &LogExpr, range: TimeRange, found: &Patterns) -> PatternsView {
    let earliest = found.patterns.iter().map(first_of).min().unwrap_or(range.start).max(range.start);
    let trends: Vec<Vec<u64>> = found.patterns.iter().map(|pattern| trend(pattern, range)).collect();
    let mut order: Vec<usize> = (0..found.patterns.len()).collect();
    match state.ask.sort {
        Sort::Count => {}
        Sort::Newest => order.sort_by_key(|index| std::cmp::Reverse(first_of(&found.patterns[*index]))),
        Sort::Growing => {
            let late = late_part(&trends);
            let growth: Vec<f64> = trends.iter().map(|trend| growth(trend, late)).collect();
            order.sort_by(|a, b| growth[*b].total_cmp(&growth[*a]));
        }
    }
    let lines: u64 = found.stats.lines_matched;
    let shown_max = if state.ask.all { FOUND_MAX } else { SHOWN_FIRST };
    let rows = order.iter().take(shown_max).map(|index| {
        let pattern = &found.patterns[*index];
        let is_late = first_of(pattern) >= earliest.plus_nanos(length(range) / TREND_PARTS * LATE_PARTS);
        let first = is_late.then(|| first_text(state, range, pattern));
        row(state, expr, pattern, &trends[*index], lines, first)
    });
    let hidden = order.len().saturating_sub(shown_max) as u64 + found.further_pattern_count;
    let hidden_lines: u64 = order.iter().skip(shown_max).map(|index| found.patterns[*index].line_count).sum::<u64>()
        + found.further_line_count;
    PatternsView {
        read: read_of(state, lines, found.coverage),
        sorts: Sort::ALL.into_iter().map(|sort| sort_link(state, sort)).collect(),
        rows: rows.collect(),
        all: (order.len() > shown_max)
            .then(|| State { ask: Ask { all: true, ..state.ask.clone() }, ..state.clone() }.url()),
        further: (hidden > 0).then(|| state.say.patterns_further(hidden, &number(hidden), &number(hidden_lines))),
    }
}

fn sort_link(state: &State, sort: Sort) -> Link {
    let text = match sort {
        Sort::Count => state.say.sort_count(),
        Sort::Newest => state.say.sort_newest(),
        Sort::Growing => state.say.sort_growing(),
    };
    let sorted = State { ask: Ask { sort, ..state.ask.clone() }, ..state.clone() };
    Link { text: text.to_owned(), href: sorted.url(), current: sort == state.ask.sort }
}

fn row(
    state: &State,
    expr: &LogExpr,
    pattern: &MinedPattern,
    trend: &[u64],
    lines: u64,
    first: Option<String>,
) -> PatternView {
    let share = if lines == 0 { 0.0 } else { pattern.line_count as f64 / lines as f64 };
    let only = lines_of(state, &with_pattern(expr, LineOp::Pattern, &pattern.text));
    PatternView {
        bits: bits(&pattern.text),
        level: pattern.levels.first().map_or(Level::Unknown, |counts| Level::named(&counts.level)),
        count: number(pattern.line_count),
        share: percent(share),
        trend: path(trend),
        first,
        example: format!("/explore/example?{}", only.params()),
        lines: only.url(),
        without: state.with_query(builder::text(&with_pattern(expr, LineOp::NotPattern, &pattern.text))).url(),
    }
}

/// When a pattern was first seen, in words.
fn first_text(state: &State, range: TimeRange, pattern: &MinedPattern) -> String {
    let first = zoned(first_of(pattern).max(range.start), &state.zone.zone);
    let clock = first.strftime("%H:%M").to_string();
    if length(range) <= 86_400_000_000_000 {
        return state.say.pattern_first(&clock);
    }
    let today = zoned(range.end, &state.zone.zone).date();
    state.say.pattern_first(&format!("{} {clock}", state.say.date(first.date(), today)))
}

/// The start of the first part of the range that has a line.
fn first_of(pattern: &MinedPattern) -> Timestamp {
    let starts = pattern.levels.iter().filter_map(|counts| counts.samples.first()).map(|(start, _)| *start);
    starts.min().unwrap_or_default()
}

/// Lines in equal parts of the range.
fn trend(pattern: &MinedPattern, range: TimeRange) -> Vec<u64> {
    let step = (length(range) / TREND_PARTS).max(1);
    let first = range.start.nanos().div_euclid(step);
    let mut parts = vec![0; TREND_PARTS as usize + 1];
    for (start, count) in pattern.levels.iter().flat_map(|counts| &counts.samples) {
        let part = usize::try_from(start.nanos().div_euclid(step) - first).unwrap_or(0).min(parts.len() - 1);
        parts[part] += count;
    }
    parts
}

/// The share of all lines that lies in the last third.
fn late_part(trends: &[Vec<u64>]) -> f64 {
    let all: u64 = trends.iter().flatten().sum();
    let late: u64 = trends.iter().flat_map(|trend| late(trend)).sum();
    if all == 0 { 1.0 / 3.0 } else { late as f64 / all as f64 }
}

fn late(trend: &[u64]) -> &[u64] {
    &trend[trend.len() - trend.len() / 3..]
}

/// How far a pattern has more lines in the last third than all lines have, in standard deviations.
fn growth(trend: &[u64], late_part: f64) -> f64 {
    let all = trend.iter().sum::<u64>() as f64;
    let part = late_part.clamp(0.01, 0.99);
    (late(trend).iter().sum::<u64>() as f64 - all * part) / (all * part * (1.0 - part)).sqrt().max(1e-9)
}

/// Bars of a trend as one path.
pub(super) fn path(trend: &[u64]) -> String {
    let most = trend.iter().max().copied().unwrap_or(0).max(1) as f64;
    let step = f64::from(TREND_WIDTH) / trend.len().max(1) as f64;
    let mut path = String::new();
    for (index, count) in trend.iter().enumerate().filter(|(_, count)| **count > 0) {
        let height = (*count as f64 / most * f64::from(TREND_HEIGHT)).max(1.5);
        let (x, width) = (step * index as f64, step * 0.8);
        path.push_str(&format!("M{x:.1} {TREND_HEIGHT}v-{height:.1}h{width:.1}v{height:.1}z"));
    }
    path
}

#[cfg(test)]
mod tests {
    use crate::model::{TimeRange, Timestamp};
    use crate::query::{LevelCounts, MinedPattern};
    use crate::web::explore::understand::patterns::{growth, late_part, path, trend};

    #[test]
    fn a_trend_has_the_lines_of_all_levels() {
        let range = TimeRange::new(Timestamp::from_secs(0), Timestamp::from_secs(300));
        let level = |level: &str, at: i64| LevelCounts {
            level: level.to_owned(),
            line_count: 3,
            samples: vec![(Timestamp::from_secs(at), 3), (Timestamp::from_secs(290), 1)],
        };
        let pattern =
            MinedPattern { text: String::new(), line_count: 8, levels: vec![level("info", 0), level("error", 10)] };
        let parts = trend(&pattern, range);
        assert_eq!((parts[0], parts[1], parts[29], parts.iter().sum::<u64>()), (3, 3, 2, 8));
    }

    #[test]
    fn what_grows_more_than_all_lines_do_comes_first() {
        let steady = vec![100; 30];
        let rising: Vec<u64> = (0..30).map(|n| n / 5).collect();
        let trends = [steady.clone(), rising.clone()];
        let late = late_part(&trends);
        assert!(growth(&rising, late) > 3.0 && growth(&steady, late) < 1.0);
    }

    #[test]
    fn a_trend_is_drawn_as_bars() {
        assert_eq!(path(&[0, 4, 1]), "M40.0 24v-24.0h32.0v24.0zM80.0 24v-6.0h32.0v6.0z");
    }
}
