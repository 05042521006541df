//! The answer of a metric query as a chart and a table. Pure.
//!
//! The chart is drawn here as SVG; a script draws it again from the same numbers, to point at and to drag over.

use crate::model::{Labels, TimeRange, Timestamp};
use crate::query::{Data, Sample, Series};
use crate::web::explore::drawing::{Column, Shape, Unit};
use crate::web::explore::moment::zoned;
use crate::web::explore::state::State;

pub(crate) const WIDTH: u32 = 1200;
pub(crate) const HEIGHT: u32 = 240;
/// Series drawn at most: more cannot be told apart.
const SERIES_DRAWN_MAX: usize = 12;
/// Rows of the table at most.
const TABLE_ROWS_MAX: usize = 200;
/// Points of a series at most that are drawn, where the query has more.
const POINTS_MAX: i64 = 2_000;

#[derive(Debug, Default)]
pub(crate) struct Chart {
    pub(crate) drawn: Vec<Drawn>,
    /// Numbers at the top and the bottom of the chart.
    pub(crate) top: String,
    pub(crate) bottom: String,
    pub(crate) heads: Vec<Head>,
    pub(crate) table: Vec<TableRow>,
    pub(crate) series_count: usize,
    pub(crate) unit: Unit,
    /// The times of the points in seconds, and the values of each drawn series at them, as JSON.
    pub(crate) times: String,
    pub(crate) values: String,
}

/// One series as shapes of SVG; gaps make several.
#[derive(Debug)]
pub(crate) struct Drawn {
    /// Of polylines, or of filled polygons.
    pub(crate) paths: Vec<String>,
    /// Of the palette in the style sheet, counted from 0.
    pub(crate) colour: usize,
}

/// A column of the table: what it is called, the view in its order, how it is ordered now.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) text: &'static str,
    pub(crate) href: String,
    pub(crate) order: Option<&'static str>,
}

#[derive(Debug)]
pub(crate) struct TableRow {
    pub(crate) name: String,
    pub(crate) colour: Option<usize>,
    /// When the last value was.
    pub(crate) time: String,
    /// The values of the columns after the name.
    pub(crate) values: Vec<String>,
}

/// The numbers of one row.
struct Known {
    index: usize,
    name: String,
    last: Option<(Timestamp, f64)>,
    least: f64,
    most: f64,
    mean: f64,
}

impl Chart {
    /// Draws what a metric query answered over `range`, with points `step_ns` apart.
    pub(crate) fn draw(data: &Data, range: TimeRange, step_ns: i64, state: &State, of_query: Unit) -> Chart {
        let drawing = state.drawing;
        let unit = drawing.unit.unwrap_or(of_query);
        let (series, series_count) = first_series(data);
        let grid = Slots::new(range, step_ns);
        let shown: Vec<Vec<Option<f64>>> =
            series.iter().take(SERIES_DRAWN_MAX).map(|series| grid.values(series)).collect();
        let is_stacked = matches!(drawing.shape, Shape::Bars | Shape::Stacked);
        let tops = if is_stacked { stacked(&shown) } else { shown.clone() };
        let finite = tops.iter().flatten().flatten();
        let (low, high) = finite.fold((0.0_f64, f64::MIN), |(low, high), value| (low.min(*value), high.max(*value)));
        let high = if high > low { high } else { low + 1.0 };
        let scale = Scale { slots: grid.count, low, high };
        let drawn = match drawing.shape {
            Shape::Instant => Vec::new(),
            Shape::Lines => tops.iter().map(|values| scale.lines(values)).collect(),
            Shape::Stacked => (0..tops.len()).map(|index| scale.area(&tops, index)).collect(),
            Shape::Bars => (0..tops.len()).map(|index| scale.bars(&tops, &shown, index)).collect(),
        };
        let drawn = drawn.into_iter().enumerate().map(|(colour, paths)| Drawn { paths, colour });
        Chart {
            drawn: drawn.collect(),
            top: unit.text(high),
            bottom: unit.text(low),
            heads: heads(state),
            table: table(&series, state, unit),
            series_count,
            unit,
            times: json((0..grid.count).map(|slot| grid.seconds(slot).to_string())),
            values: json(shown.iter().map(|values| {
                json(values.iter().map(|value| value.map_or("null".to_owned(), |value| value.to_string())))
            })),
        }
    }
}

/// The points in time that values are at.
struct Slots {
    start: i64,
    step: i64,
    count: usize,
}

impl Slots {
    fn new(range: TimeRange, step_ns: i64) -> Slots {
        let length = range.end.nanos().saturating_sub(range.start.nanos()).max(1);
        let step = step_ns.max(length / POINTS_MAX).max(1);
        Slots { start: range.start.nanos(), step, count: usize::try_from(length / step).unwrap_or(0) + 1 }
    }

    fn values(&self, series: &Series) -> Vec<Option<f64>> {
        let mut values = vec![None; self.count];
        for (time, value) in &series.points {
            let slot = time.nanos().saturating_sub(self.start).div_euclid(self.step);
            if let Some(place) = usize::try_from(slot).ok().and_then(|slot| values.get_mut(slot)) {
                *place = Some(*value).filter(|value| value.is_finite());
            }
        }
        values
    }

    fn seconds(&self, slot: usize) -> f64 {
        self.start.saturating_add(self.step.saturating_mul(slot as i64)) as f64 / 1e9
    }
}

/// Each series on top of those before it.
fn stacked(series: &[Vec<Option<f64>>]) -> Vec<Vec<Option<f64>>> {
    let mut below: Vec<f64> = vec![0.0; series.first().map_or(0, Vec::len)];
    let mut tops = Vec::with_capacity(series.len());
    for values in series {
        for (sum, value) in below.iter_mut().zip(values) {
            *sum += value.unwrap_or(0.0);
        }
        tops.push(below.iter().copied().map(Some).collect());
    }
    tops
}

/// Where values are in the drawing.
struct Scale {
    slots: usize,
    low: f64,
    high: f64,
}

impl Scale {
    fn x(&self, slot: f64) -> f64 {
        slot / (self.slots.max(2) - 1) as f64 * f64::from(WIDTH)
    }

    fn y(&self, value: f64) -> f64 {
        (1.0 - (value - self.low) / (self.high - self.low)) * f64::from(HEIGHT - 8) + 4.0
    }

    fn point(&self, slot: usize, value: f64) -> String {
        format!("{:.1},{:.1}", self.x(slot as f64), self.y(value))
    }

    fn lines(&self, values: &[Option<f64>]) -> Vec<String> {
        let known: Vec<(usize, Option<f64>)> = values.iter().copied().enumerate().collect();
        let runs = known.chunk_by(|one, next| one.1.is_some() == next.1.is_some());
        let points = |run: &[(usize, Option<f64>)]| {
            let points: Vec<String> =
                run.iter().filter_map(|(slot, value)| value.map(|value| self.point(*slot, value))).collect();
            // a point alone is seen as a short line
            if let [one] = points.as_slice() { format!("{one} {one}") } else { points.join(" ") }
        };
        runs.filter(|run| run[0].1.is_some()).map(points).collect()
    }

    fn area(&self, tops: &[Vec<Option<f64>>], index: usize) -> Vec<String> {
        let edge =
            |index: usize| tops[index].iter().enumerate().map(|(slot, top)| self.point(slot, top.unwrap_or(0.0)));
        let mut points: Vec<String> = edge(index).collect();
        match index.checked_sub(1) {
            Some(below) => points.extend(edge(below).collect::<Vec<_>>().into_iter().rev()),
            None => points.extend([self.point(self.slots - 1, 0.0), self.point(0, 0.0)]),
        }
        vec![points.join(" ")]
    }

    fn bars(&self, tops: &[Vec<Option<f64>>], shown: &[Vec<Option<f64>>], index: usize) -> Vec<String> {
        let bar = |(slot, value): (usize, &Option<f64>)| {
            let height = value.filter(|value| *value != 0.0)?;
            let top = tops[index][slot]?;
            let (left, right) = (self.x(slot as f64 - 0.4).max(0.0), self.x(slot as f64 + 0.4).min(f64::from(WIDTH)));
            let (upper, lower) = (self.y(top), self.y(top - height));
            Some(format!("{left:.1},{lower:.1} {left:.1},{upper:.1} {right:.1},{upper:.1} {right:.1},{lower:.1}"))
        };
        shown[index].iter().enumerate().filter_map(bar).collect()
    }
}

fn heads(state: &State) -> Vec<Head> {
    let say = state.say;
    let all = [
        (Column::Name, say.series()),
        (Column::Last, if state.drawing.shape == Shape::Instant { say.value() } else { say.last_value() }),
        (Column::Least, say.least_value()),
        (Column::Most, say.most_value()),
        (Column::Mean, say.mean_value()),
    ];
    let count = if state.drawing.shape == Shape::Instant { 2 } else { all.len() };
    let head = |(column, text): (Column, &'static str)| Head {
        text,
        href: State { drawing: state.drawing.sorted_by(column), ..state.clone() }.url(),
        order: (state.drawing.column == column).then_some(if state.drawing.is_reversed {
            "descending"
        } else {
            "ascending"
        }),
    };
    all.into_iter().take(count).map(head).collect()
}

fn table(series: &[Series], state: &State, unit: Unit) -> Vec<TableRow> {
    let drawing = state.drawing;
    let mut rows: Vec<Known> = series.iter().enumerate().map(|(index, series)| known(index, series, state)).collect();
    let last = |row: &Known| row.last.map_or(f64::NAN, |last| last.1);
    match drawing.column {
        Column::AsAnswered => {}
        Column::Name => rows.sort_by(|one, other| one.name.cmp(&other.name)),
        Column::Last => rows.sort_by(|one, other| last(one).total_cmp(&last(other))),
        Column::Least => rows.sort_by(|one, other| one.least.total_cmp(&other.least)),
        Column::Most => rows.sort_by(|one, other| one.most.total_cmp(&other.most)),
        Column::Mean => rows.sort_by(|one, other| one.mean.total_cmp(&other.mean)),
    }
    if drawing.is_reversed {
        rows.reverse();
    }
    let is_instant = drawing.shape == Shape::Instant;
    let row = |row: Known| {
        let numbers = [last(&row), row.least, row.most, row.mean];
        let count = if is_instant { 1 } else { numbers.len() };
        TableRow {
            name: row.name,
            colour: (!is_instant && row.index < SERIES_DRAWN_MAX).then_some(row.index),
            time: row
                .last
                .map(|last| zoned(last.0, &state.zone.zone).strftime("%H:%M:%S").to_string())
                .unwrap_or_default(),
            values: numbers.into_iter().take(count).map(|number| unit.text(number)).collect(),
        }
    };
    rows.into_iter().take(TABLE_ROWS_MAX).map(row).collect()
}

fn known(index: usize, series: &Series, state: &State) -> Known {
    let values = || series.points.iter().map(|point| point.1);
    Known {
        index,
        name: if series.labels.is_empty() { state.say.all_series().to_owned() } else { series.labels.to_string() },
        last: series.points.last().copied(),
        least: values().fold(f64::INFINITY, f64::min),
        most: values().fold(f64::NEG_INFINITY, f64::max),
        mean: values().sum::<f64>() / series.points.len().max(1) as f64,
    }
}

fn json(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(","))
}

/// A number with as many digits as help.
pub(crate) fn number(value: f64) -> String {
    if !value.is_finite() {
        return if value.is_nan() {
            "NaN"
        } else if value > 0.0 {
            "∞"
        } else {
            "−∞"
        }
        .to_owned();
    }
    let size = value.abs();
    let decimals = match size {
        _ if value.fract() == 0.0 || size >= 1000.0 => 0,
        _ if size >= 10.0 => 1,
        _ if size >= 0.1 => 2,
        _ => 4,
    };
    let plain = format!("{value:.decimals$}");
    if decimals == 0 { grouped(&plain) } else { plain }
}

/// `84,112`
pub(crate) fn grouped(digits: &str) -> String {
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |digits| ("-", digits));
    let mut text = sign.to_owned();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) && digits.is_ascii() && digit.is_ascii_digit() {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Series that are told apart at most, and how many there are.
fn first_series(data: &Data) -> (Vec<Series>, usize) {
    const SERIES_MAX: usize = 5_000;
    match data {
        Data::Matrix(series) => (series.iter().take(SERIES_MAX).collect(), series.len()),
        Data::Vector(samples) => {
            let one = |sample: Sample| Series { labels: sample.labels, points: vec![(sample.timestamp, sample.value)] };
            (samples.iter().take(SERIES_MAX).map(one).collect(), samples.len())
        }
        Data::Scalar { time, value } => (vec![Series { labels: Labels::default(), points: vec![(*time, *value)] }], 1),
        Data::Streams(_) => (Vec::new(), 0),
    }
}

#[cfg(test)]
mod tests {
    use crate::model::{Labels, TimeRange, Timestamp};
    use crate::query::{Data, Series};
    use crate::web::explore::chart::{Chart, grouped, number};
    use crate::web::explore::drawing::Unit;
    use crate::web::explore::state::{Params, State};
    use crate::web::language::Language;

    const RANGE: TimeRange = TimeRange { start: Timestamp::from_secs(0), end: Timestamp::from_secs(100) };

    fn chart(kind: &str, sort: &str, data: Vec<Series>) -> Chart {
        let given = |text: &str| Some(text.to_owned());
        let params = Params { chart: given(kind), by: given(sort), ..Params::default() };
        let state = State::read(&params, None, Language::English, Timestamp::from_secs(100)).0;
        Chart::draw(&Data::Matrix(data.into_iter().collect()), RANGE, 10_000_000_000, &state, Unit::Plain)
    }

    fn series(app: &str, points: &[(i64, f64)]) -> Series {
        let point = |(second, value): &(i64, f64)| (Timestamp::from_secs(*second), *value);
        Series { labels: Labels::from([("app", app)]), points: points.iter().map(point).collect() }
    }

    fn names(chart: &Chart) -> Vec<&str> {
        chart.table.iter().map(|row| row.name.as_str()).collect()
    }

    #[test]
    fn a_series_is_a_line_with_gaps_and_a_row_of_the_table() {
        let one = series("web", &[(0, 1.0), (10, 3.0), (40, 0.5), (50, f64::NAN)]);
        let chart = chart("", "", vec![one]);
        assert_eq!(chart.drawn[0].paths, ["0.0,158.7 120.0,4.0", "480.0,197.3 480.0,197.3"]);
        let row = &chart.table[0];
        assert_eq!((row.name.as_str(), row.values[0].as_str(), row.values[2].as_str()), ("{app=\"web\"}", "NaN", "3"));
        assert_eq!((chart.top.as_str(), chart.bottom.as_str()), ("3", "0"));
        assert_eq!(chart.values, "[[1,3,null,null,0.5,null,null,null,null,null,null]]");
        assert!(chart.times.starts_with("[0,10,20,"));
    }

    #[test]
    fn stacked_series_stand_on_those_before_them() {
        let both = || vec![series("a", &[(0, 1.0), (100, 2.0)]), series("b", &[(0, 3.0), (100, 2.0)])];
        let areas = chart("stacked", "", both());
        assert_eq!(areas.top, "4");
        assert!(areas.drawn[1].paths[0].starts_with("0.0,4.0 "), "{:?}", areas.drawn[1]);
        let bars = chart("bars", "", both());
        assert_eq!(bars.drawn[1].paths[0], "0.0,178.0 0.0,4.0 48.0,4.0 48.0,178.0");
        assert_eq!(bars.drawn[0].paths.len(), 2);
    }

    #[test]
    fn rows_are_put_in_order_and_keep_their_colours() {
        let both = || vec![series("a", &[(0, 1.0)]), series("b", &[(0, 3.0)])];
        assert_eq!(names(&chart("", "", both())), [r#"{app="a"}"#, r#"{app="b"}"#]);
        let by_most = chart("", "-most", both());
        assert_eq!(names(&by_most), [r#"{app="b"}"#, r#"{app="a"}"#]);
        assert_eq!(by_most.table[0].colour, Some(1));
        assert_eq!(by_most.heads[3].order, Some("descending"));
        assert!(by_most.heads[3].href.ends_with("by=most"), "{}", by_most.heads[3].href);
        let now = chart("instant", "", both());
        assert_eq!((now.heads.len(), now.table[0].values.len(), now.drawn.len()), (2, 1, 0));
    }

    #[test]
    fn an_empty_answer_is_an_empty_chart() {
        let chart = chart("", "", vec![]);
        assert!(chart.drawn.is_empty() && chart.table.is_empty());
    }

    #[test]
    fn numbers_are_said_in_few_digits() {
        for (value, text) in [
            (84_112.0, "84,112"),
            (-1234.5, "-1,234"),
            (12.34, "12.3"),
            (0.256, "0.26"),
            (0.012, "0.0120"),
            (5.0, "5"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "∞"),
        ] {
            assert_eq!(number(value), text);
        }
        assert_eq!(grouped("1000000"), "1,000,000");
    }
}
