//! Small pictures and short numbers: stacked bars, lines, `84,112`, `1.2 M`, `▲ 3×`. Pure.

use crate::web::explore::chart::{grouped, number};
use crate::web::explore::level::Level;
use crate::web::home::counts::ByLevel;
use crate::web::home::span::BARS;
use crate::web::language::Language;

/// The drawing's own coordinates; the page stretches it.
pub(crate) const HEIGHT: u32 = 40;
pub(crate) const BAR_STEP: u32 = 4;
pub(crate) const WIDTH: u32 = BAR_STEP * BARS as u32;
const BAR_WIDTH: u32 = 3;
/// Below this much of a change nothing is said.
const CHANGE_SEEN: f64 = 0.1;

/// The bars of one level as the path of an SVG.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Layer {
    pub(crate) level: Level,
    pub(crate) path: String,
}

/// Stacked bars, the most serious at the bottom; the highest fills the height. What is there is seen.
pub(crate) fn bars(bars: &[ByLevel]) -> Vec<Layer> {
    let highest = bars.iter().map(|bar| bar.iter().sum::<u64>()).max().unwrap_or(0).max(1);
    let mut paths = vec![String::new(); Level::ALL.len()];
    for (index, bar) in (0_u32..).zip(bars) {
        let mut bottom = HEIGHT;
        for (path, count) in paths.iter_mut().zip(bar).filter(|(_, count)| **count > 0) {
            let exact = f64::from(HEIGHT) * *count as f64 / highest as f64;
            let height = (exact.round() as u32).clamp(1, bottom.max(1));
            bottom = bottom.saturating_sub(height);
            path.push_str(&format!("M{} {bottom}h{BAR_WIDTH}v{height}h-{BAR_WIDTH}", index * BAR_STEP));
        }
    }
    let layers = Level::ALL.into_iter().zip(paths).map(|(level, path)| Layer { level, path });
    layers.filter(|layer| !layer.path.is_empty()).collect()
}

/// One value for each bar as the points of a line; where there is none, the line is interrupted.
pub(crate) fn lines(series: &[Vec<Option<f64>>]) -> Vec<Vec<String>> {
    let values = || series.iter().flatten().flatten().copied().filter(|value| value.is_finite());
    let low = values().fold(0.0_f64, f64::min);
    let high = values().fold(f64::MIN, f64::max);
    let high = if high > low { high } else { low + 1.0 };
    let place = |(index, value): (usize, f64)| {
        let along = index as f64 * f64::from(WIDTH) / (BARS - 1) as f64;
        // the stroke at the edges stays whole
        let down = 1.0 + (1.0 - (value - low) / (high - low)) * f64::from(HEIGHT - 2);
        format!("{along:.1},{down:.1}")
    };
    let drawn = |points: &Vec<Option<f64>>| {
        let known: Vec<(usize, Option<f64>)> =
            points.iter().map(|it| it.filter(|it| it.is_finite())).enumerate().collect();
        let runs = known.chunk_by(|a, b| a.1.is_some() == b.1.is_some()).filter(|run| run[0].1.is_some());
        runs.map(|run| {
            let places = run.iter().filter_map(|(index, value)| Some(place((*index, (*value)?))));
            places.collect::<Vec<_>>().join(" ")
        })
        .collect()
    };
    series.iter().map(drawn).collect()
}

/// A count in few letters: whole up to six digits.
pub(crate) fn count(count: u64) -> String {
    match count {
        0..1_000_000 => grouped(&count.to_string()),
        1_000_000..1_000_000_000 => format!("{:.1} M", count as f64 / 1e6),
        _ => format!("{:.1} G", count as f64 / 1e9),
    }
}

/// Any number in few letters.
pub(crate) fn value(value: f64) -> String {
    if value.abs() >= 1e6 && value.abs() < 1e15 && value >= 0.0 { count(value as u64) } else { number(value) }
}

/// How something went since the range before.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Change {
    /// There was none before.
    New,
    /// By this factor, above 1.
    Up(f64),
    /// To this part, below 1.
    Down(f64),
}

impl Change {
    /// None where there is nothing to say.
    pub(crate) fn between(before: f64, now: f64) -> Option<Change> {
        if before <= 0.0 || !before.is_finite() || !now.is_finite() {
            return (before == 0.0 && now > 0.0).then_some(Change::New);
        }
        match now / before {
            ratio if ratio >= 1.0 + CHANGE_SEEN => Some(Change::Up(ratio)),
            ratio if ratio <= 1.0 - CHANGE_SEEN => Some(Change::Down(ratio)),
            _ => None,
        }
    }

    /// `▲ 3×`, `▲ 40%`, `▼ 60%`
    pub(crate) fn text(self, say: Language) -> String {
        match self {
            Change::New => say.home_new().to_owned(),
            Change::Up(ratio) if ratio >= 10.0 => format!("▲ {}×", value(ratio.round())),
            Change::Up(ratio) if ratio >= 2.0 => format!("▲ {}×", (ratio * 10.0).round() / 10.0),
            Change::Up(ratio) => format!("▲ {:.0}%", (ratio - 1.0) * 100.0),
            Change::Down(ratio) => format!("▼ {:.0}%", (1.0 - ratio) * 100.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::web::explore::level::Level;
    use crate::web::home::figure::{Change, bars, count, lines, value};
    use crate::web::language::Language;

    #[test]
    fn bars_stack_from_the_most_serious() {
        let mut first = [0; 7];
        first[Level::Error as usize] = 1;
        first[Level::Info as usize] = 1000;
        let mut second = [0; 7];
        second[Level::Info as usize] = 500;
        let layers = bars(&[first, second]);
        assert_eq!(layers[0].level, Level::Error);
        assert_eq!(layers[0].path, "M0 39h3v1h-3", "one error of a thousand lines is seen");
        assert_eq!(layers[1].path, "M0 0h3v39h-3M4 20h3v20h-3");
        assert_eq!(bars(&[[0; 7]]), []);
    }

    #[test]
    fn lines_go_from_zero_and_stop_where_nothing_is_known() {
        let drawn = lines(&[vec![Some(0.0), Some(2.0), None, Some(1.0), Some(f64::NAN)]]);
        assert_eq!(drawn[0], ["0.0,39.0 4.2,1.0", "12.5,20.0"]);
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!((count(84_112).as_str(), count(1_250_000).as_str()), ("84,112", "1.2 M"));
        assert_eq!((value(0.25).as_str(), value(2_500_000.0).as_str()), ("0.25", "2.5 M"));
    }

    #[test]
    fn a_change_is_said_where_it_is_one() {
        let said = |before, now| Change::between(before, now).map(|change| change.text(Language::English));
        assert_eq!(said(4.0, 12.0).as_deref(), Some("▲ 3×"));
        assert_eq!(said(4.0, 10.0).as_deref(), Some("▲ 2.5×"));
        assert_eq!(said(1.0, 1234.0).as_deref(), Some("▲ 1,234×"));
        assert_eq!(said(100.0, 140.0).as_deref(), Some("▲ 40%"));
        assert_eq!(said(100.0, 40.0).as_deref(), Some("▼ 60%"));
        assert_eq!(said(100.0, 0.0).as_deref(), Some("▼ 100%"));
        assert_eq!(said(0.0, 3.0).as_deref(), Some("new"));
        assert_eq!(said(100.0, 105.0), None);
        assert_eq!(said(0.0, 0.0), None);
    }
}
