//! The page as the template sees it: texts and addresses, nothing left to decide. Pure.

use crate::logql::ast::{Expr, LogExpr, MetricExpr};
use crate::logql::{self, Class, highlight};
use crate::model::{Direction, Timestamp};
use crate::query::LogLine;
use crate::web::explore::builder::{self, Search};
use crate::web::explore::chart::{self, Chart};
use crate::web::explore::chips::{Chip, chips};
use crate::web::explore::columns;
use crate::web::explore::explain::{Step, explain};
use crate::web::explore::facets::{Facet, Stream, facets};
use crate::web::explore::fault::Fault;
use crate::web::explore::histogram::{Bar, Histogram, LevelCount};
use crate::web::explore::level::Level;
use crate::web::explore::line::{self, permalink};
use crate::web::explore::look::Same;
use crate::web::explore::moment::{Moment, zoned};
use crate::web::explore::paging::{Cursor, Page};
use crate::web::explore::quotes;
use crate::web::explore::reading::Clock;
use crate::web::explore::rows::{self, Row, Telling};
use crate::web::explore::span::{Link, Span};
use crate::web::explore::state::{State, Unreadable};
use crate::web::explore::switches::{self, Switches};
use crate::web::explore::text::{self, Marker, Piece};

/// Values of a label that are offered at once; all of them are on a page of their own.
const CHOICES_MAX: usize = 8;
/// Labels that are offered at once.
const FACETS_MAX: usize = 12;

/// What the text of the query is.
#[derive(Debug)]
pub(crate) enum Asked {
    Lines(LogExpr),
    Numbers(MetricExpr),
    /// Not readable; the fault says where.
    Nothing(Fault),
}

impl Asked {
    /// Reads the text; an empty one asks for every line.
    pub(crate) fn read(query: &str) -> Asked {
        if query.trim().is_empty() {
            return Asked::Lines(LogExpr { selector: Vec::new(), stages: Vec::new() });
        }
        let quoted = quotes::straightened(query);
        let parsed = logql::parse_lenient(&quoted).or_else(|error| {
            // a straight quote may open what a curly one closes
            logql::parse_lenient(&quotes::all_straightened(query)).map_err(|_| error)
        });
        match parsed {
            Ok(Expr::Log(expr)) => Asked::Lines(expr),
            Ok(Expr::Metric(expr)) => Asked::Numbers(expr),
            Err(error) => Asked::Nothing(Fault::of(&quoted, &error)),
        }
    }

    /// The whole expression, where it could be read.
    fn expr(&self) -> Option<Expr> {
        match self {
            Asked::Lines(expr) => Some(Expr::Log(expr.clone())),
            Asked::Numbers(expr) => Some(Expr::Metric(expr.clone())),
            Asked::Nothing(_) => None,
        }
    }

    /// The expression that chips and the search box edit.
    pub(crate) fn lines(&self) -> Option<&LogExpr> {
        match self {
            Asked::Lines(expr) => Some(expr),
            Asked::Numbers(_) | Asked::Nothing(_) => None,
        }
    }
}

/// How much of a view is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    All,
    /// Further rows, to be put below those that are there.
    Rows,
}

/// What the engine found for a view.
#[derive(Debug)]
pub(crate) enum Found {
    /// The histogram is missing where only rows are wanted.
    Lines {
        page: Page<LogLine>,
        cut: bool,
        histogram: Result<Option<Histogram>, String>,
    },
    Numbers {
        chart: Chart,
        warnings: Vec<String>,
    },
    /// The query could not be run; the text says why.
    Failed(String),
    /// Nothing was asked.
    Nothing,
}

/// The tools above the lines.
#[derive(Debug)]
pub(crate) struct Tools {
    pub(crate) span: Option<Span>,
    pub(crate) time_faults: Vec<String>,
    pub(crate) notes: Vec<&'static str>,
    /// None where the query is not about lines.
    pub(crate) search: Option<Search>,
    pub(crate) chips: Vec<ChipView>,
    pub(crate) facets: Vec<FacetView>,
    pub(crate) more_labels: Option<String>,
    pub(crate) fault: Option<Fault>,
    /// The query as LogQL, as written in its box.
    pub(crate) query: String,
    /// The same, cut into what it is made of, each with a class of the style sheet.
    pub(crate) pieces: Vec<(&'static str, String)>,
    /// What it does, step by step.
    pub(crate) steps: Vec<Step>,
    pub(crate) all_lines: String,
    pub(crate) order: Link,
}

/// A condition, the view without it, and the one with its opposite.
#[derive(Debug)]
pub(crate) struct ChipView {
    pub(crate) text: String,
    pub(crate) remove: String,
    pub(crate) flip: Option<String>,
    pub(crate) negative: bool,
}

/// A label and its values to pick from.
#[derive(Debug)]
pub(crate) struct FacetView {
    pub(crate) name: String,
    pub(crate) choices: Vec<ChoiceView>,
    /// Values that are not listed here.
    pub(crate) hidden_count: usize,
}

#[derive(Debug)]
pub(crate) struct ChoiceView {
    pub(crate) value: Vec<Piece>,
    pub(crate) href: String,
    pub(crate) picked: bool,
    /// Empty where it was not counted.
    pub(crate) count: String,
}

/// A level that is tapped to see only it.
#[derive(Debug)]
pub(crate) struct LevelView {
    pub(crate) level: Level,
    pub(crate) count: String,
    pub(crate) href: String,
    pub(crate) picked: bool,
}

/// The bars with their ways in.
#[derive(Debug)]
pub(crate) struct HistogramView {
    pub(crate) histogram: Histogram,
    pub(crate) bars: Vec<BarLink>,
    /// For a script that selects several bars: when the first begins, how long each is, how many there are.
    pub(crate) start_millis: f64,
    pub(crate) step_millis: f64,
    pub(crate) bar_count: usize,
}

#[derive(Debug)]
pub(crate) struct BarLink {
    pub(crate) href: String,
    pub(crate) title: String,
}

/// The rows and what is said about them.
#[derive(Debug)]
pub(crate) struct Lines {
    pub(crate) rows: Vec<RowView>,
    pub(crate) levels: Vec<LevelView>,
    pub(crate) histogram: Option<HistogramView>,
    /// `100 newest of 84,112 lines`
    pub(crate) summary: String,
    pub(crate) notices: Vec<String>,
    pub(crate) older: Option<String>,
    pub(crate) newer: Option<String>,
    /// The first page, where this is another one.
    pub(crate) first: Option<String>,
    pub(crate) direction: Direction,
    /// The switches of how lines look; not where only rows are wanted.
    pub(crate) switches: Option<Switches>,
    /// Where one reads, as far as the address says it.
    pub(crate) place: Option<Timestamp>,
}

#[derive(Debug)]
pub(crate) struct RowView {
    pub(crate) row: Row,
    /// The page of this line.
    pub(crate) href: String,
}

impl HistogramView {
    /// Each bar with its way in.
    pub(crate) fn zip(&self) -> impl Iterator<Item = (&Bar, &BarLink)> {
        self.histogram.bars.iter().zip(&self.bars)
    }
}

impl Lines {
    /// The page after this one in the direction of reading.
    pub(crate) fn onward(&self) -> Option<&String> {
        match self.direction {
            Direction::Backward => self.older.as_ref(),
            Direction::Forward => self.newer.as_ref(),
        }
    }
}

/// The tools of a view.
pub(crate) fn tools(
    state: &State,
    asked: &Asked,
    streams: &[Stream],
    time_faults: &[Unreadable],
    now: Timestamp,
) -> Tools {
    let say = state.say;
    let query = shown_query(state, asked.lines());
    // a query that cannot be read is begun anew by whatever is picked or searched
    let all = LogExpr { selector: Vec::new(), stages: Vec::new() };
    let expr = match asked {
        Asked::Lines(expr) => Some(expr),
        Asked::Nothing(_) => Some(&all),
        Asked::Numbers(_) => None,
    };
    let leads_to = |expr: &LogExpr| state.with_query(builder::text(expr)).url();
    let chip = |chip: Chip| ChipView {
        remove: leads_to(&chip.without),
        flip: chip.flipped.as_ref().map(leads_to),
        text: chip.text,
        negative: chip.negative,
    };
    let range = state.range(now);
    let all: Vec<FacetView> =
        expr.map(|expr| facet_views(state, expr, facets(streams, &expr.selector), CHOICES_MAX)).unwrap_or_default();
    let is_cut = all.len() > FACETS_MAX || all.iter().any(|facet| facet.hidden_count > 0);
    let other = match state.direction {
        Direction::Backward => Direction::Forward,
        Direction::Forward => Direction::Backward,
    };
    let order_text = match state.direction {
        Direction::Backward => state.say.newest_first(),
        Direction::Forward => state.say.oldest_first(),
    };
    let mut faults: Vec<String> = time_faults.iter().map(|fault| fault.told(state.say)).collect();
    if let Some(range) = range.filter(|_| time_faults.iter().any(|fault| matches!(fault, Unreadable::Time { .. }))) {
        let instead = say.shown_instead(&Span::of(state, range, now).label);
        if let Some(last) = faults.last_mut() {
            last.push(' ');
            last.push_str(&instead);
        }
    }
    if range.is_none() {
        faults.push(state.say.ends_before_it_begins().to_owned());
    }
    Tools {
        span: range.map(|range| Span::of(state, range, now).keeping(time_faults)),
        time_faults: faults,
        notes: Vec::new(),
        search: expr.map(builder::search),
        chips: expr.map(|expr| chips(expr, say).into_iter().map(chip).collect()).unwrap_or_default(),
        facets: all.into_iter().take(FACETS_MAX).collect(),
        more_labels: is_cut.then(|| format!("/explore/labels?{}", state.params())),
        fault: match asked {
            Asked::Nothing(fault) => Some(fault.clone()),
            Asked::Lines(_) | Asked::Numbers(_) => None,
        },
        pieces: pieces(&query),
        query,
        steps: asked.expr().map(|expr| explain(&expr, say)).unwrap_or_default(),
        all_lines: state.with_query("").url(),
        order: Link {
            text: order_text.to_owned(),
            href: State { direction: other, cursor: None, ..state.clone() }.url(),
            current: false,
        },
    }
}

/// The pieces of a query with the classes of their kinds; blanks have none.
fn pieces(query: &str) -> Vec<(&'static str, String)> {
    let class = |class: Class| if class == Class::Blank { "" } else { class.name() };
    highlight(query).into_iter().map(|piece| (class(piece.class), query[piece.span].to_owned())).collect()
}

/// A query without a condition reads best as nothing, and words as what they mean.
fn shown_query(state: &State, expr: Option<&LogExpr>) -> String {
    match expr {
        Some(expr) if expr.selector.is_empty() && expr.stages.is_empty() => String::new(),
        Some(expr) if !state.query.contains('{') => builder::text(expr),
        _ => state.query.clone(),
    }
}

/// Labels and values with the views that picking them leads to.
pub(crate) fn facet_views(state: &State, expr: &LogExpr, facets: Vec<Facet>, choices_max: usize) -> Vec<FacetView> {
    let view = |facet: Facet| {
        let hidden_count = facet.choices.len().saturating_sub(choices_max);
        let choices = facet.choices.into_iter().take(choices_max).map(|choice| {
            let edited = builder::with_toggled_label(expr, &facet.name, &choice.value);
            ChoiceView {
                value: text::revealed(&choice.value),
                href: state.with_query(builder::text(&edited)).url(),
                picked: choice.picked,
                count: choice.line_count.map(short_count).unwrap_or_default(),
            }
        });
        FacetView { choices: choices.collect(), hidden_count, name: facet.name }
    };
    facets.into_iter().map(view).collect()
}

/// How the rows of a view are told.
pub(crate) fn telling<'a>(state: &'a State, marker: &'a Marker, now: Timestamp) -> Telling<'a> {
    let (zone, look) = (&state.zone.zone, &state.look);
    let mut reading = state.reading;
    if state.live && reading.clock == Clock::Ago {
        // rows stay as they came in: an age would be wrong a moment later
        reading.clock = Clock::Day;
    }
    Telling { marker, zone, look, reading, say: state.say, now }
}

/// Rows with the pages of their lines.
pub(crate) fn row_views(state: &State, rows: Vec<Row>) -> Vec<RowView> {
    let row = |mut row: Row| {
        for line in row.same.iter_mut().flat_map(|same| &mut same.lines) {
            line.href = line::href(state, line.key);
        }
        RowView { href: line::href(state, row.key), row }
    };
    rows.into_iter().map(row).collect()
}

/// The rows of a view and what stands around them.
pub(crate) fn lines(
    state: &State,
    expr: &LogExpr,
    page: &Page<LogLine>,
    cut: bool,
    histogram: Result<Option<Histogram>, String>,
    part: Part,
    now: Timestamp,
) -> Lines {
    let marker = Marker::of(expr);
    let mut notices = Vec::new();
    let histogram = histogram.map_err(|error| notices.push(state.say.not_counted(&error))).ok();
    let histogram = histogram.flatten();
    // rows that are put below others go on in their day
    let seen = state.cursor.filter(|_| part == Part::Rows).map(Cursor::timestamp);
    let total = histogram.as_ref().map(|histogram| histogram.total);
    let summary = summary(state, page, total, cut);
    let telling = telling(state, &marker, now);
    let is_amid = state.cursor.is_some() || state.line.is_some();
    let mut rows = rows::rows(&page.rows, state.direction, &telling, seen);
    if let Some(key) = state.line {
        permalink::anchor(&mut rows, key);
    }
    let rows = row_views(state, rows);
    if state.look.same != Same::Never {
        notices.push(state.say.put_together(page.rows.len(), rows.len()));
    }
    let switches = (part == Part::All).then(|| Switches::of(state, columns::names(&page.rows, switches::NAMES_MAX)));
    Lines {
        rows,
        switches,
        levels: histogram.as_ref().map(|histogram| level_views(state, expr, histogram)).unwrap_or_default(),
        histogram: histogram.map(|histogram| histogram_view(state, histogram)),
        summary,
        notices,
        older: page.older.map(|cursor| state.at(Some(cursor)).url()),
        newer: page.newer.map(|cursor| state.at(Some(cursor)).url()),
        first: is_amid.then(|| state.at(None).url()),
        direction: state.direction,
        place: state.line.map(|key| key.timestamp).or_else(|| page.rows.first().map(|line| line.timestamp)),
    }
}

fn summary(state: &State, page: &Page<LogLine>, total: Option<u64>, cut: bool) -> String {
    let say = state.say;
    let shown = page.rows.len() as u64;
    let grouped = |number: u64| chart::grouped(&number.to_string());
    let count = grouped(shown);
    let is_cut = cut || page.older.is_some() || page.newer.is_some();
    let total = total.filter(|total| *total >= shown).map(grouped);
    let is_amid = state.cursor.is_some() || state.line.is_some();
    match (is_cut, is_amid, state.direction, total) {
        (false, ..) if shown == 1 => say.one_line().to_owned(),
        (false, ..) => say.all_lines_shown(&count),
        (true, true, _, Some(total)) => say.some_of(&count, &total),
        (true, true, _, None) => say.some_of_more(&count),
        (true, false, Direction::Backward, Some(total)) => say.newest_of(&count, &total),
        (true, false, Direction::Backward, None) => say.newest_of_more(&count),
        (true, false, Direction::Forward, Some(total)) => say.oldest_of(&count, &total),
        (true, false, Direction::Forward, None) => say.oldest_of_more(&count),
    }
}

/// The levels that occur, and those that are picked although none does: what hides all lines can be let go of.
pub(crate) fn level_views(state: &State, expr: &LogExpr, histogram: &Histogram) -> Vec<LevelView> {
    let picked = builder::levels(expr);
    let mut levels = histogram.levels.clone();
    let is_missing = |level: &&Level| !histogram.levels.iter().any(|known| known.level == **level);
    levels.extend(picked.iter().filter(is_missing).map(|level| LevelCount { level: *level, count: 0 }));
    levels.sort_by_key(|known| known.level);
    let view = |known: &LevelCount| LevelView {
        level: known.level,
        count: short_count(known.count),
        href: state.with_query(builder::text(&builder::with_toggled_level(expr, known.level))).url(),
        picked: picked.contains(&known.level),
    };
    levels.iter().map(view).collect()
}

fn histogram_view(state: &State, histogram: Histogram) -> HistogramView {
    let zone = &state.zone.zone;
    let grid = histogram.grid;
    let is_long = grid.range.end.nanos().saturating_sub(grid.range.start.nanos()) > 86_400_000_000_000;
    let today = zoned(grid.range.end, zone).date();
    let time = |time: Timestamp| {
        let local = zoned(time, zone);
        let clock = local.strftime("%H:%M:%S");
        if is_long { format!("{} {clock}", state.say.date(local.date(), today)) } else { clock.to_string() }
    };
    let link = |bar: &Bar| {
        let count = |known: &LevelCount| {
            state.say.bar_lines(&chart::grouped(&known.count.to_string()), known.level.said(state.say))
        };
        let counts: Vec<String> = bar.counts.iter().map(count).collect();
        BarLink {
            href: state.with_span(Moment::At(bar.span.start), Moment::At(bar.span.end)).url(),
            title: format!("{} – {}: {}", time(bar.span.start), time(bar.span.end), counts.join(", ")),
        }
    };
    HistogramView {
        bars: histogram.bars.iter().map(link).collect(),
        start_millis: grid.range.start.nanos() as f64 / 1e6,
        step_millis: grid.step_ns as f64 / 1e6,
        bar_count: grid.bar_count,
        histogram,
    }
}

/// `84`, `1.2k`, `3.4M`
pub(crate) fn short_count(count: u64) -> String {
    match count {
        0..1000 => count.to_string(),
        1000..10_000 => format!("{:.1}k", count as f64 / 1e3),
        10_000..1_000_000 => format!("{}k", count / 1000),
        _ => format!("{:.1}M", count as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use crate::model::{Labels, Timestamp};
    use crate::query::LogLine;
    use crate::web::explore::facets::Stream;
    use crate::web::explore::histogram::{Grid, Histogram};
    use crate::web::explore::paging::{Cursor, Page};
    use crate::web::explore::state::{Params, State};
    use crate::web::explore::view::{Asked, Part, lines, short_count, tools};
    use crate::web::language::Language;

    const NOW: Timestamp = Timestamp::from_secs(1_795_358_760);

    fn state(query: &str) -> State {
        State::read(&Params { query: Some(query.to_owned()), ..Params::default() }, None, Language::English, NOW).0
    }

    fn page(count: usize, older: Option<Cursor>) -> Page<LogLine> {
        let line = LogLine {
            timestamp: NOW,
            line: "x".to_owned(),
            stream: Labels::from([("app", "web")]),
            structured: Labels::default(),
            parsed: Labels::default(),
            rewritten: None,
        };
        Page { rows: vec![line; count], older, newer: None }
    }

    fn summary(page: &Page<LogLine>, total: u64) -> String {
        let state = state("");
        let asked = Asked::read("");
        let grid = Grid::new(state.range(NOW).unwrap());
        let histogram = Histogram { total, ..Histogram::draw(&grid, [], &[]) };
        lines(&state, asked.lines().unwrap(), page, false, Ok(Some(histogram)), Part::All, NOW).summary
    }

    #[test]
    fn what_was_cut_is_said() {
        let older = Cursor::older("1.1");
        assert_eq!(summary(&page(100, older), 84_112), "100 newest of 84,112 lines");
        assert_eq!(summary(&page(100, older), 7), "100 newest lines, of more");
        assert_eq!(summary(&page(7, None), 7), "All 7 lines");
        assert_eq!(summary(&page(1, None), 1), "1 line");
    }

    #[test]
    fn a_count_that_failed_is_told_and_hides_no_row() {
        let state = state("");
        let asked = Asked::read("");
        let shown =
            lines(&state, asked.lines().unwrap(), &page(2, None), false, Err("too much".to_owned()), Part::All, NOW);
        assert_eq!((shown.rows.len(), shown.histogram.is_some()), (2, false));
        assert_eq!(shown.notices, ["The lines could not be counted: too much"]);
    }

    #[test]
    fn words_alone_are_a_search_and_numbers_have_no_search_box() {
        let streams = [Stream { labels: Labels::from([("app", "web")]), line_count: Some(1) }];
        let shown = |query: &str| {
            let state = state(query);
            tools(&state, &Asked::read(&state.query), &streams, &[], NOW)
        };
        let words = shown("timeout");
        assert_eq!(words.search.unwrap().text, "timeout");
        assert_eq!(words.query, "{} |= \"timeout\"");
        assert!(
            words.facets[0].choices[0].href.starts_with("/explore?query=%7Bapp%3D%22web%22%7D+%7C%3D+%22timeout%22")
        );
        assert_eq!(shown("{}").query, "");
        let numbers = shown("rate({app=\"web\"}[5m])");
        assert!(numbers.search.is_none() && numbers.fault.is_none() && numbers.facets.is_empty());
        let wrong = shown("{app=");
        assert!(wrong.search.is_some_and(|search| search.text.is_empty()) && wrong.fault.is_some());
        assert_eq!(wrong.query, "{app=");
        assert_eq!(shown("{app=“web”} |= “time”").search.unwrap().text, "time");
    }

    #[test]
    fn counts_fit_a_thumb() {
        for (count, text) in [(0, "0"), (999, "999"), (1234, "1.2k"), (84_112, "84k"), (3_400_000, "3.4M")] {
            assert_eq!(short_count(count), text);
        }
    }
}
