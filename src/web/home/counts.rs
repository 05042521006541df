//! How many lines of which level there were, in a range and the one before it, by the values of labels.

use std::collections::HashMap;

use crate::logql::ast::LogExpr;
use crate::model::{Labels, TimeRange, Timestamp};
use crate::query::{CountBy, CountQuery, Engine, Error, Ticket};
use crate::web::explore::builder::LEVEL_LABEL;
use crate::web::explore::level::Level;
use crate::web::home::span::{BARS, Grid};

/// A number for each level, the most serious first.
pub(crate) type ByLevel = [u64; Level::ALL.len()];

/// Lines of a range and of the one before it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) bars: [ByLevel; BARS],
    pub(crate) before: ByLevel,
}

impl Counts {
    pub(crate) fn line_count(&self) -> u64 {
        self.bars.iter().flatten().sum()
    }

    pub(crate) fn lines_before(&self) -> u64 {
        self.before.iter().sum()
    }

    pub(crate) fn error_count(&self) -> u64 {
        self.bars.iter().map(errors).sum()
    }

    pub(crate) fn errors_before(&self) -> u64 {
        errors(&self.before)
    }

    /// The last bar that has lines.
    pub(crate) fn last_bar(&self) -> Option<usize> {
        self.bars.iter().rposition(|bar| bar.iter().any(|count| *count > 0))
    }

    pub(crate) fn absorb(&mut self, other: &Counts) {
        let pairs = self.bars.iter_mut().flatten().zip(other.bars.iter().flatten());
        pairs.chain(self.before.iter_mut().zip(&other.before)).for_each(|(sum, more)| *sum += more);
    }

    fn add(&mut self, bar: i64, level: Level, count: u64) {
        match usize::try_from(bar) {
            Ok(bar) if bar < BARS => self.bars[bar][level as usize] += count,
            Ok(_) => {}
            Err(_) => self.before[level as usize] += count,
        }
    }
}

fn errors(counts: &ByLevel) -> u64 {
    counts[Level::Critical as usize] + counts[Level::Error as usize]
}

/// Whether anything is stored from before the earlier range: where not, it was not recorded as a whole, and what it
/// lacks is nothing new.
pub(crate) fn is_comparable(engine: &Engine, grid: &Grid, ticket: &Ticket) -> Result<bool, Error> {
    let earlier = TimeRange::new(Timestamp::MIN, grid.before());
    Ok(!engine.series(&[], earlier, ticket)?.is_empty())
}

/// Counts the lines that a query finds by the values of these labels, in one question to the engine.
pub(crate) fn count(
    engine: &Engine,
    log: LogExpr,
    names: Vec<String>,
    grid: &Grid,
    ticket: &Ticket,
) -> Result<Vec<(Labels, Counts)>, Error> {
    let range = TimeRange::new(grid.before(), grid.range.end);
    let by = CountBy { stream: names, line: vec![LEVEL_LABEL.to_owned()] };
    let query = CountQuery { log, range, step_ns: Some(grid.step_ns), by, top: None };
    let mut counted: HashMap<Labels, Counts> = HashMap::new();
    for (labels, bars) in engine.counts(&query, ticket)?.iter() {
        let level = Level::named(labels.get(LEVEL_LABEL).unwrap_or(""));
        let others = labels.iter().filter(|(name, _)| *name != LEVEL_LABEL);
        let group = Labels::from_pairs(others.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let counts = counted.entry(group).or_default();
        for (bar, count) in bars {
            // the range before has as many bars
            counts.add(bar as i64 - BARS as i64, level, count);
        }
    }
    Ok(counted.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use crate::web::explore::level::Level;
    use crate::web::home::counts::Counts;

    #[test]
    fn bars_of_the_range_before_are_one_number() {
        let mut counts = Counts::default();
        counts.add(-24, Level::Error, 2);
        counts.add(-1, Level::Info, 3);
        counts.add(0, Level::Critical, 5);
        counts.add(23, Level::Warn, 7);
        counts.add(24, Level::Warn, 100);
        assert_eq!((counts.lines_before(), counts.errors_before()), (5, 2));
        assert_eq!((counts.line_count(), counts.error_count(), counts.last_bar()), (12, 5, Some(23)));
        let mut twice = counts.clone();
        twice.absorb(&counts);
        assert_eq!((twice.line_count(), twice.lines_before()), (24, 10));
    }
}
