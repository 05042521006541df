//! The histogram of a view: how many lines of which level when, as the geometry of an SVG. Pure.

use crate::logql::ast::LogExpr;
use crate::model::{Labels, TimeRange};
use crate::query::{CountBy, CountQuery};
use crate::web::explore::builder::{self, LEVEL_LABEL};
use crate::web::explore::level::Level;

/// Width and height of the drawing's own coordinates; the page stretches it.
pub(crate) const WIDTH: u32 = 1200;
pub(crate) const HEIGHT: u32 = 64;
/// A bar this high is seen, however few lines it stands for.
const HEIGHT_SEEN: f64 = 2.0;
/// The part of a step that its bar fills; the rest keeps it apart from the next.
const BAR_WIDTH: f64 = 0.88;
const BARS_WANTED: i64 = 60;

const SECOND: i64 = 1_000_000_000;
/// Lengths of time that people count in.
const NICE_STEPS: [i64; 22] = [
    SECOND,
    2 * SECOND,
    5 * SECOND,
    10 * SECOND,
    15 * SECOND,
    30 * SECOND,
    60 * SECOND,
    120 * SECOND,
    180 * SECOND,
    300 * SECOND,
    600 * SECOND,
    900 * SECOND,
    1_200 * SECOND,
    1_800 * SECOND,
    3_600 * SECOND,
    7_200 * SECOND,
    10_800 * SECOND,
    21_600 * SECOND,
    43_200 * SECOND,
    86_400 * SECOND,
    172_800 * SECOND,
    604_800 * SECOND,
];

/// The bars of a range: equal steps from its start; the last one ends with the range, and may be shorter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grid {
    pub(crate) range: TimeRange,
    pub(crate) step_ns: i64,
    pub(crate) bar_count: usize,
}

/// A level and how many lines of the range have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LevelCount {
    pub(crate) level: Level,
    pub(crate) count: u64,
}

/// What is drawn.
#[derive(Debug, PartialEq)]
pub(crate) struct Histogram {
    pub(crate) grid: Grid,
    pub(crate) bars: Vec<Bar>,
    /// Every level that occurs, whether it is drawn or not.
    pub(crate) levels: Vec<LevelCount>,
    /// Lines of the drawn levels.
    pub(crate) total: u64,
}

/// One step that has lines.
#[derive(Debug, PartialEq)]
pub(crate) struct Bar {
    pub(crate) span: TimeRange,
    pub(crate) x: f64,
    pub(crate) width: f64,
    /// Of what is tapped: halfway to the bars beside it, as a thumb means the nearest one.
    pub(crate) hit_x: f64,
    pub(crate) hit_width: f64,
    pub(crate) shares: Vec<Share>,
    pub(crate) counts: Vec<LevelCount>,
}

/// The share of one level in a bar.
#[derive(Debug, PartialEq)]
pub(crate) struct Share {
    pub(crate) level: Level,
    pub(crate) y: f64,
    pub(crate) height: f64,
}

impl Grid {
    /// About sixty bars, of a length that people count in where one divides the range.
    pub(crate) fn new(range: TimeRange) -> Grid {
        let length = range.end.nanos().saturating_sub(range.start.nanos()).max(1);
        let fits = |step: &&i64| length % **step == 0 && (20..=120).contains(&(length / **step));
        let nice = NICE_STEPS.iter().filter(fits).min_by_key(|step| (length / **step - BARS_WANTED).abs());
        let step_ns = nice.copied().unwrap_or_else(|| (length - 1) / BARS_WANTED + 1);
        let bar_count = usize::try_from((length - 1) / step_ns + 1).expect("at most 120 bars");
        Grid { range, step_ns, bar_count }
    }

    /// Counts of every level, also of those that the query leaves out, so that one can change to them.
    pub(crate) fn query(&self, expr: &LogExpr) -> CountQuery {
        CountQuery {
            log: builder::without_levels(expr),
            range: self.range,
            step_ns: Some(self.step_ns),
            by: CountBy::labels(&[LEVEL_LABEL]),
            top: None,
        }
    }

    /// The span of a bar.
    pub(crate) fn span(&self, index: usize) -> TimeRange {
        let start = self.range.start.plus_nanos(self.step_ns.saturating_mul(index as i64));
        TimeRange::new(start, start.plus_nanos(self.step_ns).min(self.range.end))
    }
}

impl Histogram {
    /// Draws what was counted as `Grid::query` asked: by labels, how many lines each bar has. No `shown` levels means all.
    pub(crate) fn draw(
        grid: &Grid,
        counted: impl IntoIterator<Item = (Labels, Vec<(usize, u64)>)>,
        shown: &[Level],
    ) -> Histogram {
        let mut counts = vec![[0_u64; Level::ALL.len()]; grid.bar_count];
        for (labels, bars) in counted {
            let level = Level::named(labels.get(LEVEL_LABEL).unwrap_or(""));
            for (index, count) in bars {
                if let Some(bar) = counts.get_mut(index) {
                    bar[level as usize] += count;
                }
            }
        }
        let is_shown = |level: Level| shown.is_empty() || shown.contains(&level);
        let levels: Vec<LevelCount> = Level::ALL
            .into_iter()
            .map(|level| LevelCount { level, count: counts.iter().map(|bar| bar[level as usize]).sum() })
            .filter(|known| known.count > 0 || shown.contains(&known.level))
            .collect();
        let drawn: Vec<Vec<LevelCount>> = counts.iter().map(|bar| bar_counts(bar, is_shown)).collect();
        let sum = |bar: &[LevelCount]| bar.iter().map(|known| known.count).sum::<u64>();
        let highest = drawn.iter().map(|bar| sum(bar)).max().unwrap_or(0).max(1);
        let width = f64::from(WIDTH) / grid.bar_count as f64;
        let bars = drawn.iter().enumerate().filter(|(_, counts)| !counts.is_empty()).map(|(index, counts)| Bar {
            span: grid.span(index),
            x: round(width * index as f64),
            width: round(width * BAR_WIDTH),
            hit_x: 0.0,
            hit_width: 0.0,
            shares: shares(counts, highest),
            counts: counts.clone(),
        });
        let total = drawn.iter().map(|bar| sum(bar)).sum();
        Histogram { grid: *grid, bars: within_reach(bars.collect(), width), levels, total }
    }
}

/// Divides the drawing among the bars: each point belongs to the nearest.
fn within_reach(mut bars: Vec<Bar>, width: f64) -> Vec<Bar> {
    let middles: Vec<f64> = bars.iter().map(|bar| bar.x + width / 2.0).collect();
    for (index, bar) in bars.iter_mut().enumerate() {
        let before = index.checked_sub(1).and_then(|before| middles.get(before));
        let start = before.map_or(0.0, |before| f64::midpoint(*before, middles[index]));
        let end = middles.get(index + 1).map_or(f64::from(WIDTH), |after| f64::midpoint(middles[index], *after));
        (bar.hit_x, bar.hit_width) = (round(start), round(end - start));
    }
    bars
}

fn bar_counts(bar: &[u64; Level::ALL.len()], is_shown: impl Fn(Level) -> bool) -> Vec<LevelCount> {
    let known = Level::ALL.into_iter().map(|level| LevelCount { level, count: bar[level as usize] });
    known.filter(|known| known.count > 0 && is_shown(known.level)).collect()
}

/// Stacked from the bottom, the most serious lowest, where it is easiest to compare.
fn shares(counts: &[LevelCount], highest: u64) -> Vec<Share> {
    let mut bottom = f64::from(HEIGHT);
    let share = |known: &LevelCount| {
        let exact = f64::from(HEIGHT) * known.count as f64 / highest as f64;
        let height = exact.max(HEIGHT_SEEN).min(bottom);
        bottom -= height;
        Share { level: known.level, y: round(bottom), height: round(height) }
    };
    counts.iter().map(share).collect()
}

fn round(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use crate::logql::ast::LogExpr;
    use crate::model::{Labels, TimeRange, Timestamp};
    use crate::query::testing::{TestStore, ticket};
    use crate::query::{Engine, Limits};
    use crate::web::explore::histogram::{Grid, Histogram, LevelCount};
    use crate::web::explore::level::Level;

    const SECOND: i64 = 1_000_000_000;

    fn range(seconds: i64) -> TimeRange {
        TimeRange::new(Timestamp::from_secs(7), Timestamp::from_secs(7 + seconds))
    }

    #[test]
    fn bars_are_as_long_as_people_count() {
        for (seconds, step, bars) in
            [(300, 5, 60), (900, 15, 60), (3600, 60, 60), (21_600, 300, 72), (86_400, 1200, 72), (604_800, 10_800, 56)]
        {
            let grid = Grid::new(range(seconds));
            assert_eq!((grid.step_ns / SECOND, grid.bar_count), (step, bars), "{seconds}");
        }
        let odd = Grid::new(range(5821));
        assert_eq!(odd.bar_count, 60);
        assert!(odd.step_ns * 60 >= 5821 * SECOND);
        assert_eq!(Grid::new(TimeRange::new(Timestamp::from_nanos(0), Timestamp::from_nanos(3))).bar_count, 3);
    }

    #[test]
    fn bars_are_counted_within_the_range_alone() {
        let store = TestStore::new();
        let lines: Vec<(i64, &str)> = (0..10).map(|back| (7 + 5821 - back, "x")).collect();
        store.push(&[("app", "x")], &lines);
        let engine = Engine::new(store.store.clone(), Limits::default());
        let grid = Grid::new(range(5821));
        let query = grid.query(&LogExpr { selector: vec![], stages: vec![] });
        let counts = engine.counts(&query, &ticket()).expect("counted");
        // the line at the very end is none of the range, though no bar ends there
        assert_eq!(Histogram::draw(&grid, counts.iter(), &[]).total, 9);
    }

    fn counted(level: &str, bars: &[(usize, u64)]) -> (Labels, Vec<(usize, u64)>) {
        (Labels::from([("detected_level", level)]), bars.to_vec())
    }

    #[test]
    fn bars_stack_the_levels_and_count_all() {
        let grid = Grid::new(range(60));
        let answer = [counted("error", &[(0, 10), (2, 5)]), counted("info", &[(0, 30)]), counted("fatal", &[(59, 1)])];
        let drawn = Histogram::draw(&grid, answer, &[]);
        assert_eq!(drawn.total, 46);
        assert_eq!(drawn.bars.len(), 3);
        let first = &drawn.bars[0];
        assert_eq!((first.x, first.width), (0.0, 17.6));
        assert_eq!(first.span.start, Timestamp::from_secs(7));
        let heights: Vec<_> = first.shares.iter().map(|share| (share.level, share.y, share.height)).collect();
        assert_eq!(heights, [(Level::Error, 48.0, 16.0), (Level::Info, 0.0, 48.0)]);
        assert_eq!(drawn.bars[2].shares[0].height, 2.0);
        let reach: Vec<_> = drawn.bars.iter().map(|bar| (bar.hit_x, bar.hit_width)).collect();
        assert_eq!(reach, [(0.0, 30.0), (30.0, 590.0), (620.0, 580.0)]);
        assert_eq!(drawn.levels[0], LevelCount { level: Level::Critical, count: 1 });
    }

    #[test]
    fn a_level_that_is_left_out_is_counted_but_not_drawn() {
        let answer = [counted("error", &[(0, 10)]), counted("info", &[(0, 30)])];
        let drawn = Histogram::draw(&Grid::new(range(60)), answer, &[Level::Error, Level::Warn]);
        assert_eq!((drawn.total, drawn.bars.len()), (10, 1));
        assert_eq!(drawn.bars[0].shares[0].height, 64.0);
        let counts: Vec<_> = drawn.levels.iter().map(|known| (known.level, known.count)).collect();
        assert_eq!(counts, [(Level::Error, 10), (Level::Warn, 0), (Level::Info, 30)]);
    }
}
