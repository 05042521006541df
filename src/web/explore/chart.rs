//! The answer of a metric query as a line chart and a table. Pure.

use jiff::tz::TimeZone;

use crate::model::{TimeRange, Timestamp};
use crate::query::{Data, Series};
use crate::web::explore::moment::zoned;

pub(crate) const WIDTH: u32 = 1200;
pub(crate) const HEIGHT: u32 = 240;
/// Lines drawn at most: more cannot be told apart.
const SERIES_DRAWN_MAX: usize = 12;
/// Rows of the table at most.
const TABLE_ROWS_MAX: usize = 200;

#[derive(Debug, Default)]
pub(crate) struct Chart {
    pub(crate) lines: Vec<Line>,
    /// Numbers at the top and the bottom of the chart.
    pub(crate) top: String,
    pub(crate) bottom: String,
    pub(crate) table: Vec<TableRow>,
    pub(crate) series_count: usize,
}

/// One series as the points of an SVG polyline; gaps make several.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) paths: Vec<String>,
    /// Of the palette in the style sheet, counted from 0.
    pub(crate) colour: usize,
}

#[derive(Debug)]
pub(crate) struct TableRow {
    pub(crate) name: String,
    pub(crate) colour: Option<usize>,
    /// When the last value was, and the value.
    pub(crate) time: String,
    pub(crate) last: String,
    pub(crate) min: String,
    pub(crate) max: String,
}

impl Chart {
    /// Draws what a metric query answered over `range`, with points `step_ns` apart.
    pub(crate) fn draw(data: &Data, range: TimeRange, step_ns: i64, zone: &TimeZone) -> Chart {
        let (series, series_count) = first_series(data);
        let values = values(data).filter(|value| value.is_finite());
        let (low, high) = values.fold((0.0_f64, f64::MIN), |(low, high), value| (low.min(value), high.max(value)));
        let high = if high > low { high } else { low + 1.0 };
        let place = |(timestamp, value): &(Timestamp, f64)| {
            let along = (timestamp.nanos() - range.start.nanos()) as f64
                / (range.end.nanos() - range.start.nanos()).max(1) as f64;
            let up = (value - low) / (high - low);
            format!("{:.1},{:.1}", along * f64::from(WIDTH), (1.0 - up) * f64::from(HEIGHT - 8) + 4.0)
        };
        let lines = series.iter().take(SERIES_DRAWN_MAX).enumerate().map(|(colour, series)| {
            let runs = series
                .points
                .chunk_by(|a, b| b.0.nanos() - a.0.nanos() <= step_ns && a.1.is_finite() == b.1.is_finite());
            let finite = runs.filter(|run| run[0].1.is_finite());
            Line { paths: finite.map(|run| run.iter().map(place).collect::<Vec<_>>().join(" ")).collect(), colour }
        });
        let table = series.iter().enumerate().map(|(index, series)| {
            let finite = || series.points.iter().map(|point| point.1);
            let last = series.points.last();
            TableRow {
                name: if series.labels.is_empty() { "all".to_owned() } else { series.labels.to_string() },
                colour: (index < SERIES_DRAWN_MAX).then_some(index),
                time: last.map(|point| zoned(point.0, zone).strftime("%H:%M:%S").to_string()).unwrap_or_default(),
                last: last.map(|point| number(point.1)).unwrap_or_default(),
                min: number(finite().fold(f64::INFINITY, f64::min)),
                max: number(finite().fold(f64::NEG_INFINITY, f64::max)),
            }
        });
        Chart { lines: lines.collect(), top: number(high), bottom: number(low), table: table.collect(), series_count }
    }
}

/// A number with as many digits as help.
pub(crate) fn number(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
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

/// The series that are shown, and how many there are.
fn first_series(data: &Data) -> (Vec<Series>, usize) {
    match data {
        Data::Matrix(series) => (series.iter().take(TABLE_ROWS_MAX).collect(), series.len()),
        Data::Vector(samples) => {
            let one = |sample: crate::query::Sample| Series {
                labels: sample.labels,
                points: vec![(sample.timestamp, sample.value)],
            };
            (samples.iter().take(TABLE_ROWS_MAX).map(one).collect(), samples.len())
        }
        Data::Scalar { time, value } => (vec![Series { labels: Default::default(), points: vec![(*time, *value)] }], 1),
        Data::Streams(_) => (Vec::new(), 0),
    }
}

/// The values of all series, be they shown or not.
fn values(data: &Data) -> Box<dyn Iterator<Item = f64> + '_> {
    match data {
        Data::Matrix(series) => Box::new(series.values()),
        Data::Vector(samples) => Box::new(samples.values()),
        Data::Scalar { value, .. } => Box::new(std::iter::once(*value)),
        Data::Streams(_) => Box::new(std::iter::empty()),
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use crate::model::{Labels, TimeRange, Timestamp};
    use crate::query::{Data, Series};
    use crate::web::explore::chart::{Chart, grouped, number};

    #[test]
    fn a_series_is_a_line_with_gaps_and_a_row_of_the_table() {
        let point = |second, value| (Timestamp::from_secs(second), value);
        let series = Series {
            labels: Labels::from([("app", "web")]),
            points: vec![point(0, 1.0), point(10, 3.0), point(40, 0.5), point(50, f64::NAN)],
        };
        let range = TimeRange::new(Timestamp::from_secs(0), Timestamp::from_secs(100));
        let chart = Chart::draw(&Data::Matrix([series].into_iter().collect()), range, 10_000_000_000, &TimeZone::UTC);
        assert_eq!(chart.lines[0].paths, ["0.0,158.7 120.0,4.0", "480.0,197.3"]);
        let row = &chart.table[0];
        assert_eq!((row.name.as_str(), row.last.as_str(), row.max.as_str()), ("{app=\"web\"}", "NaN", "3"));
        assert_eq!((chart.top.as_str(), chart.bottom.as_str()), ("3", "0"));
    }

    #[test]
    fn an_empty_answer_is_an_empty_chart() {
        let chart = Chart::draw(&Data::Matrix([].into_iter().collect()), TimeRange::ALL, 1, &TimeZone::UTC);
        assert!(chart.lines.is_empty() && chart.table.is_empty());
    }

    #[test]
    fn numbers_are_said_in_few_digits() {
        for (value, text) in
            [(84_112.0, "84,112"), (-1234.5, "-1,234"), (12.34, "12.3"), (0.256, "0.26"), (0.012, "0.0120"), (5.0, "5")]
        {
            assert_eq!(number(value), text);
        }
        assert_eq!(grouped("1000000"), "1,000,000");
    }
}
