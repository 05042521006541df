//! What panels show: a saved query as a number, a picture, a table or its last lines. Asks the engine; blocks.
//!
//! Promises: what goes wrong in a panel stays in it.

use std::cmp::Ordering;

use crate::db::panels::{Draft, Kind};
use crate::logql::ast::{Expr, LogExpr, MetricExpr};
use crate::model::{Direction, Labels, TimeRange, Timestamp};
use crate::query::{Data, Engine, Error, LogLine, RangeQuery, Series, Ticket};
use crate::web::explore::level::Level;
use crate::web::explore::rows::{level_of, source_of};
use crate::web::explore::search::told;
use crate::web::explore::text::{Marker, Piece, revealed};
use crate::web::explore::view::Asked;
use crate::web::home::cards::explore_url;
use crate::web::home::counts::{self, Counts};
use crate::web::home::figure::{self, Change, Layer};
use crate::web::home::services::{newest, said};
use crate::web::home::span::{BARS, Grid, Span};
use crate::web::language::Language;
use crate::web::page::When;

/// Lines of a panel: about what a phone shows beside other things.
const LINES_MAX: usize = 6;
/// Rows of a table.
const ROWS_MAX: usize = 8;
/// Series of a picture that can be told apart on a phone.
const SERIES_MAX: usize = 4;

/// What stands in a panel.
#[derive(Debug)]
pub(crate) enum Content {
    Count {
        figure: String,
        /// Whose figure it is, where there are several series.
        of: Vec<Piece>,
        change: Option<String>,
        picture: Picture,
        /// Whether there are errors and nothing else.
        is_bad: bool,
    },
    Graph {
        figure: String,
        change: Option<String>,
        picture: Picture,
        legend: Vec<Entry>,
        /// `and 3 more`
        further: Option<String>,
    },
    Table {
        rows: Vec<Entry>,
        further: Option<String>,
    },
    Lines(Vec<Line>),
    /// Nothing was found; nothing went wrong.
    Nothing,
    /// It was not there in time; it can be asked for by itself.
    Late,
    Failed(String),
}

/// A small picture.
#[derive(Debug)]
pub(crate) enum Picture {
    Bars(Vec<Layer>),
    /// The points of each series, in pieces.
    Lines(Vec<Vec<String>>),
}

/// A series with a number.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) name: Vec<Piece>,
    pub(crate) figure: String,
    /// Of 100, for a bar.
    pub(crate) share: u32,
    /// Its lines, where it stands for some.
    pub(crate) href: Option<String>,
}

/// A line of a panel.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) level: Level,
    /// RFC 3339.
    pub(crate) machine: String,
    pub(crate) ago: String,
    pub(crate) source: Vec<Piece>,
    pub(crate) text: Vec<Piece>,
}

/// Fills a panel.
pub(crate) fn content(engine: &Engine, draft: &Draft, now: Timestamp, say: Language, ticket: &Ticket) -> Content {
    let span = Span::parse(&draft.span).unwrap_or_default();
    let grid = span.grid(now);
    let found = match (Asked::read(&draft.query), draft.kind) {
        (Asked::Nothing(fault), _) => return Content::Failed(fault.title(say)),
        (_, Kind::Services) => return Content::Nothing,
        (Asked::Lines(expr), Kind::Lines) => last_lines(engine, &expr, &grid, say, ticket),
        (Asked::Lines(expr), Kind::Table) => sources(engine, &expr, span, &grid, say, ticket),
        (Asked::Lines(expr), kind) => volume(engine, expr, kind, &grid, say, ticket),
        (Asked::Numbers(_), Kind::Lines) => return Content::Failed(say.home_not_lines().to_owned()),
        (Asked::Numbers(expr), kind) => numbers(engine, expr, kind, &grid, say, ticket),
    };
    found.unwrap_or_else(|error| match error {
        Error::TimedOut | Error::Cancelled | Error::Crowded { .. } => Content::Late,
        error => Content::Failed(told(&error, say)),
    })
}

/// A change in words, or that there is nothing to hold it against.
fn told_change(
    engine: &Engine,
    change: Option<Change>,
    grid: &Grid,
    say: Language,
    ticket: &Ticket,
) -> Result<Option<String>, Error> {
    let Some(change) = change else { return Ok(None) };
    Ok(Some(match counts::is_comparable(engine, grid, ticket)? {
        true => change.text(say),
        false => say.home_no_earlier().to_owned(),
    }))
}

/// How many lines there are, by level.
fn volume(
    engine: &Engine,
    expr: LogExpr,
    kind: Kind,
    grid: &Grid,
    say: Language,
    ticket: &Ticket,
) -> Result<Content, Error> {
    let mut all = Counts::default();
    for (_, counts) in counts::count(engine, expr, Vec::new(), grid, ticket)? {
        all.absorb(&counts);
    }
    let line_count = all.line_count();
    let change = Change::between(all.lines_before() as f64, line_count as f64);
    let change = told_change(engine, change, grid, say, ticket)?;
    let (figure, picture) = (figure::count(line_count), Picture::Bars(figure::bars(&all.bars)));
    Ok(match kind {
        Kind::Graph => Content::Graph { figure, change, picture, legend: Vec::new(), further: None },
        Kind::Count | Kind::Services | Kind::Table | Kind::Lines => {
            let is_bad = line_count > 0 && all.error_count() == line_count;
            Content::Count { figure, of: Vec::new(), change, picture, is_bad }
        }
    })
}

/// Which services the lines are of.
fn sources(
    engine: &Engine,
    expr: &LogExpr,
    span: Span,
    grid: &Grid,
    say: Language,
    ticket: &Ticket,
) -> Result<Content, Error> {
    let names = vec!["service_name".to_owned()];
    let mut found = counts::count(engine, expr.clone(), names, grid, ticket)?;
    found.retain(|(_, counts)| counts.line_count() > 0);
    found.sort_by_key(|(labels, counts)| (u64::MAX - counts.line_count(), labels.clone()));
    let greatest = found.first().map_or(1, |(_, counts)| counts.line_count());
    let entry = |(labels, counts): &(Labels, Counts)| {
        let mut lines = expr.clone();
        lines.selector.extend(labels.iter().map(|(name, value)| crate::model::Matcher::equal(name, value)));
        let query = Expr::Log(lines).to_string();
        Entry {
            name: revealed(source_of(labels)),
            figure: figure::count(counts.line_count()),
            share: share(counts.line_count() as f64, greatest as f64),
            href: Some(explore_url(&query, span)),
        }
    };
    Ok(table(found.iter().take(ROWS_MAX).map(entry).collect(), found.len(), say))
}

fn table(rows: Vec<Entry>, count: usize, say: Language) -> Content {
    let further = further(count - rows.len(), say);
    if rows.is_empty() { Content::Nothing } else { Content::Table { rows, further } }
}

fn further(count: usize, say: Language) -> Option<String> {
    (count > 0).then(|| say.home_further(count))
}

fn last_lines(engine: &Engine, expr: &LogExpr, grid: &Grid, say: Language, ticket: &Ticket) -> Result<Content, Error> {
    let found = newest(engine, expr.clone(), grid.range, LINES_MAX, ticket)?;
    let marker = Marker::of(expr);
    let line = |line: &LogLine| {
        let when = When::new(line.timestamp, grid.range.end);
        Line {
            level: level_of(line),
            ago: when.ago(say),
            machine: when.machine,
            source: revealed(source_of(&line.stream)),
            // a link in a line would lie below that of the panel
            text: without_links(marker.pieces(&said(&line.line))),
        }
    };
    let lines: Vec<Line> = found.iter().map(line).collect();
    Ok(if lines.is_empty() { Content::Nothing } else { Content::Lines(lines) })
}

/// A metric query: the last value of each series, and how it came to it.
fn numbers(
    engine: &Engine,
    expr: MetricExpr,
    kind: Kind,
    grid: &Grid,
    say: Language,
    ticket: &Ticket,
) -> Result<Content, Error> {
    let start = if kind == Kind::Table { grid.range.start } else { grid.before() };
    let query = RangeQuery {
        expr: Expr::Metric(expr),
        range: TimeRange::new(start.plus_nanos(grid.step_ns), grid.range.end),
        step_ns: grid.step_ns,
        interval_ns: 0,
        limit: engine.limits().entries_max,
        direction: Direction::Backward,
    };
    let mut series: Vec<Drawn> = match engine.range(&query, ticket)?.data {
        Data::Matrix(matrix) => matrix.iter().map(|series| Drawn::of(&series, grid)).collect(),
        Data::Scalar { value, .. } => vec![Drawn::constant(value)],
        Data::Streams(_) | Data::Vector(_) => Vec::new(),
    };
    series.retain(|drawn| drawn.points.iter().any(Option::is_some));
    series.sort_by(|a, b| greatest_first(a.last(), b.last()));
    let count = series.len();
    let Some(first) = series.first() else { return Ok(Content::Nothing) };
    let change = first.before.and_then(|before| Change::between(before, first.last()));
    let (figure, change) = (figure::value(first.last()), told_change(engine, change, grid, say, ticket)?);
    let greatest = first.last();
    let entry = |drawn: &Drawn| Entry {
        name: name_of(&drawn.labels),
        figure: figure::value(drawn.last()),
        share: share(drawn.last(), greatest),
        href: None,
    };
    Ok(match kind {
        Kind::Table => table(series.iter().take(ROWS_MAX).map(entry).collect(), count, say),
        Kind::Graph => {
            let shown = &series[..count.min(SERIES_MAX)];
            let legend = if first.labels.is_empty() { Vec::new() } else { shown.iter().map(entry).collect() };
            let points: Vec<_> = shown.iter().map(|drawn| drawn.points.clone()).collect();
            let picture = Picture::Lines(figure::lines(&points));
            Content::Graph { figure, change, picture, legend, further: further(count - shown.len(), say) }
        }
        Kind::Count | Kind::Services | Kind::Lines => {
            let of = if count > 1 { name_of(&first.labels) } else { Vec::new() };
            let picture = Picture::Lines(figure::lines(std::slice::from_ref(&first.points)));
            Content::Count { figure, of, change, picture, is_bad: false }
        }
    })
}

/// What is no number comes last.
fn greatest_first(a: f64, b: f64) -> Ordering {
    a.is_nan().cmp(&b.is_nan()).then(b.total_cmp(&a))
}

/// A series by the bars of the range.
#[derive(Debug)]
struct Drawn {
    labels: Labels,
    points: Vec<Option<f64>>,
    /// Its value when the range began.
    before: Option<f64>,
}

impl Drawn {
    fn of(series: &Series, grid: &Grid) -> Drawn {
        let mut points = vec![None; BARS];
        let mut before = None;
        for (time, value) in &series.points {
            match usize::try_from(grid.bar(time.plus_nanos(-1))) {
                Ok(bar) if bar < BARS => points[bar] = Some(*value),
                Ok(_) => {}
                Err(_) => before = Some(*value),
            }
        }
        Drawn { labels: series.labels.clone(), points, before }
    }

    fn constant(value: f64) -> Drawn {
        Drawn { labels: Labels::default(), points: vec![Some(value); BARS], before: None }
    }

    /// The last value that is known.
    fn last(&self) -> f64 {
        self.points.iter().rev().flatten().next().copied().unwrap_or(f64::NAN)
    }
}

/// The values of a series' labels, which is what tells it from the others.
fn name_of(labels: &Labels) -> Vec<Piece> {
    revealed(&labels.iter().map(|(_, value)| value).collect::<Vec<_>>().join(" · "))
}

fn without_links(mut pieces: Vec<Piece>) -> Vec<Piece> {
    pieces.retain(|piece| !matches!(piece, Piece::Link(_) | Piece::Unlink));
    pieces
}

fn share(value: f64, greatest: f64) -> u32 {
    if greatest > 0.0 && value > 0.0 { ((100.0 * value / greatest).round() as u32).clamp(1, 100) } else { 0 }
}

#[cfg(test)]
mod tests {
    use crate::model::{Labels, Timestamp};
    use crate::query::Series;
    use crate::web::home::panes::{Drawn, greatest_first, share};
    use crate::web::home::span::Span;

    #[test]
    fn a_series_has_a_value_for_each_bar_and_one_from_before() {
        let now = Timestamp::from_secs(1_795_358_760);
        let grid = Span::Hour.grid(now);
        let at = |bars_ago: i64| now.plus_nanos(-bars_ago * grid.step_ns);
        let points = vec![(at(25), 1.0), (at(24), 2.0), (at(23), 3.0), (at(1), 5.0)];
        let drawn = Drawn::of(&Series { labels: Labels::default(), points }, &grid);
        assert_eq!(drawn.before, Some(2.0));
        assert_eq!((drawn.points[0], drawn.points[22], drawn.points[23]), (Some(3.0), Some(5.0), None));
        assert_eq!(drawn.last(), 5.0);
    }

    #[test]
    fn the_greatest_is_first_and_what_is_no_number_last() {
        let mut values = [f64::NAN, 1.0, f64::INFINITY, -f64::NAN, 7.0, -2.0];
        values.sort_by(|a, b| greatest_first(*a, *b));
        assert_eq!(values[..4], [f64::INFINITY, 7.0, 1.0, -2.0]);
        assert!(values[4..].iter().all(|value| value.is_nan()));
    }

    #[test]
    fn shares_are_seen_where_there_is_something() {
        assert_eq!((share(1.0, 1000.0), share(500.0, 1000.0), share(0.0, 1000.0), share(1.0, 0.0)), (1, 50, 0, 0));
    }
}
