//! What many lines have in common: their fields, their patterns, and what changed since a range before.
//!
//! Promises: every number leads to its lines; what was not read is said beside what was; reading ends in time, unless
//! all of it is asked for. Each view is a `Show` of Explore, so query, time and look stay where they are.

pub(crate) mod ask;
pub(crate) mod compare;
pub(crate) mod example;
pub(crate) mod fields;
pub(crate) mod outliers;
pub(crate) mod patterns;

use std::time::Duration;

use crate::logql::ast::{LineOp, LogExpr, Stage};
use crate::model::TimeRange;
use crate::query::{Coverage, Engine, Ticket};
use crate::web::explore::builder;
use crate::web::explore::chart::grouped;
use crate::web::explore::look::Show;
use crate::web::explore::paging::Page;
use crate::web::explore::search;
use crate::web::explore::span::Link;
use crate::web::explore::state::State;
use crate::web::explore::text::{self, Piece};
use crate::web::explore::understand::ask::Ask;
use crate::web::explore::understand::compare::Compared;
use crate::web::explore::understand::fields::FieldsView;
use crate::web::explore::understand::patterns::PatternsView;
use crate::web::explore::view::{self, Lines, Part};

/// Reading lines to understand them takes this long at most, unless all of them are asked for: one waits for it.
const READING_TIME: Duration = Duration::from_millis(1200);
/// A share of the drawing's own width: the page stretches it.
pub(crate) const BAR_WIDTH: u32 = 100;

/// One of the views, ready to be shown.
#[derive(Debug)]
pub(crate) enum View {
    Fields(FieldsView),
    Patterns(PatternsView),
    Compare(Box<Compared>),
    /// There are no lines to look at.
    Nothing,
}

/// How much was read, in words; and the way to all of it.
#[derive(Debug, Default)]
pub(crate) struct Read {
    pub(crate) text: String,
    /// None where all was read.
    pub(crate) whole: Option<String>,
}

/// Finds what a view shows, with the histogram and levels that stand above it.
pub(crate) fn find(
    engine: &Engine,
    state: &State,
    expr: &LogExpr,
    range: TimeRange,
    ticket: &Ticket,
) -> Result<(Lines, View), String> {
    let view = match state.show {
        Show::Fields => fields::find(engine, state, expr, range, ticket),
        Show::Patterns => patterns::find(engine, state, expr, range, ticket),
        Show::Compare => compare::find(engine, state, expr, range, ticket),
        Show::Lines => Ok(View::Nothing),
    };
    let view = view.map_err(|error| search::told(&error, state.say))?;
    let histogram = search::histogram_above(engine, state, expr, range, ticket);
    let nothing = Page { rows: Vec::new(), older: None, newer: None };
    // without rows, no time of day is told
    Ok((view::lines(state, expr, &nothing, false, histogram, Part::All, range.end), view))
}

/// The time that reading may take.
fn reading_time(ask: &Ask) -> Option<Duration> {
    (!ask.whole).then_some(READING_TIME)
}

/// Says how much was read.
fn read_of(state: &State, line_count: u64, coverage: Coverage) -> Read {
    let (count, part) = (number(line_count), percent(coverage.part()));
    let text = match (state.show == Show::Compare, coverage.is_whole()) {
        (false, true) => state.say.read_all(line_count, &count),
        (false, false) => state.say.read_part(&count, &part),
        (true, true) => state.say.read_both(&count),
        (true, false) => state.say.read_both_part(&count, &part),
    };
    let whole = State { ask: Ask { whole: true, ..state.ask.clone() }, ..state.clone() };
    Read { text, whole: (!coverage.is_whole()).then(|| whole.url()) }
}

/// The tabs between the views.
pub(crate) fn tabs(state: &State) -> Vec<Link> {
    let tab = |show: Show| Link {
        text: match show {
            Show::Lines => state.say.show_lines(),
            Show::Fields => state.say.show_fields(),
            Show::Patterns => state.say.show_patterns(),
            Show::Compare => state.say.show_compare(),
        }
        .to_owned(),
        href: State { ask: Ask::default(), ..state.with_show(show) }.url(),
        current: show == state.show,
    };
    Show::ALL.into_iter().map(tab).collect()
}

/// The lines of another query, shown as lines.
fn lines_of(state: &State, expr: &LogExpr) -> State {
    State { ask: Ask::default(), ..state.with_query(builder::text(expr)).with_show(Show::Lines) }
}

/// The query for lines with a pattern, or without it.
fn with_pattern(expr: &LogExpr, op: LineOp, pattern: &str) -> LogExpr {
    let changes = |stage: &Stage| matches!(stage, Stage::LineFormat(_) | Stage::Unpack | Stage::Decolorize);
    if !expr.stages.iter().any(changes) {
        return builder::with_line_filter(expr, op, pattern);
    }
    // the pattern is one of the lines that the stages made
    let only = LogExpr { selector: Vec::new(), stages: Vec::new() };
    let mut edited = expr.clone();
    edited.stages.extend(builder::with_line_filter(&only, op, pattern).stages);
    edited
}

/// A piece of a pattern.
#[derive(Debug)]
pub(crate) enum Bit {
    Text(Vec<Piece>),
    /// What differs from line to line.
    Gap,
}

/// A pattern, with its gaps told apart.
fn bits(pattern: &str) -> Vec<Bit> {
    let mut bits = Vec::new();
    for (index, part) in pattern.split("<_>").enumerate() {
        if index > 0 {
            bits.push(Bit::Gap);
        }
        if !part.is_empty() {
            bits.push(Bit::Text(text::revealed(part)));
        }
    }
    bits
}

/// `84,112`
fn number(number: u64) -> String {
    grouped(&number.to_string())
}

/// `12 %`, `0.3 %`
fn percent(part: f64) -> String {
    let percent = part * 100.0;
    match percent {
        _ if percent <= 0.0 => "0 %".to_owned(),
        _ if percent < 0.1 => "< 0.1 %".to_owned(),
        _ if percent < 9.95 => format!("{percent:.1} %").replace(".0 %", " %"),
        _ if part < 1.0 => format!("{} %", percent.round().min(99.0)),
        _ => "100 %".to_owned(),
    }
}

/// The width of the bar of a share; what is there is seen.
fn bar(part: f64) -> String {
    format!("{:.1}", (part * f64::from(BAR_WIDTH)).clamp(0.8, f64::from(BAR_WIDTH)))
}

#[cfg(test)]
mod tests {
    use crate::logql::ast::LineOp;
    use crate::web::explore::builder;
    use crate::web::explore::understand::{Bit, bits, percent, with_pattern};
    use crate::web::explore::view::Asked;

    #[test]
    fn a_pattern_is_asked_of_the_lines_that_it_was_found_in() {
        let check = |query: &str, expected: &str| {
            let asked = Asked::read(query);
            let edited = with_pattern(asked.lines().expect("a log query"), LineOp::Pattern, "a <_>");
            assert_eq!(builder::text(&edited), expected);
        };
        check(r#"{app="x"} |= "y" | json"#, r#"{app="x"} |= "y" |> "a <_>" | json"#);
        check(r#"{app="x"} | line_format "z""#, r#"{app="x"} | line_format "z" |> "a <_>""#);
    }

    #[test]
    fn gaps_of_a_pattern_are_told_apart() {
        let told: String =
            bits("<_> in <_>ms").iter().map(|bit| if matches!(bit, Bit::Gap) { 'G' } else { 't' }).collect();
        assert_eq!(told, "GtGt");
    }

    #[test]
    fn shares_are_as_exact_as_they_are_small() {
        let told: Vec<String> = [0.0, 0.0003, 0.003, 0.05, 0.126, 0.9999, 1.0].into_iter().map(percent).collect();
        assert_eq!(told, ["0 %", "< 0.1 %", "0.3 %", "5 %", "13 %", "99 %", "100 %"]);
    }
}
