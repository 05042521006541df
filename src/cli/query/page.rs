//! Walks through an answer that is longer than what a server gives at once.
//!
//! Promises: every line comes exactly once, also where many lines share one nanosecond at the border of two pages.

use std::collections::{BTreeMap, HashMap};

use anyhow::bail;

use crate::cli::query::client::{Line, Range};
use crate::model::{Direction, Timestamp};

/// The most that is asked for at once when a single nanosecond fills a page: what servers allow unless told otherwise.
const LIMIT_MAX: usize = 5000;

/// Where the walk is.
#[derive(Debug)]
pub(crate) struct Pages {
    range: Range,
    direction: Direction,
    /// The time of the last line so far; the next page begins at it again.
    border: Option<Timestamp>,
    /// How many lines of each stream were taken at the border.
    taken: HashMap<BTreeMap<String, String>, usize>,
    taken_count: usize,
}

impl Pages {
    pub(crate) fn new(range: Range, direction: Direction) -> Pages {
        Pages { range, direction, border: None, taken: HashMap::new(), taken_count: 0 }
    }

    /// What to ask for next.
    pub(crate) fn range(&self) -> Range {
        match (self.border, self.direction) {
            (None, _) => self.range,
            (Some(border), Direction::Forward) => Range { start: border, ..self.range },
            (Some(border), Direction::Backward) => Range { end: border.plus_nanos(1), ..self.range },
        }
    }

    /// How many lines to ask for in order to get `wanted` new ones: those at the border come again.
    pub(crate) fn limit_for(&self, wanted: usize) -> usize {
        (wanted + self.taken_count).min(LIMIT_MAX)
    }

    /// The lines of a page that were not taken before.
    pub(crate) fn take(&mut self, lines: Vec<Line>) -> anyhow::Result<Vec<Line>> {
        let Some(last) = lines.last().map(|line| line.timestamp) else { return Ok(lines) };
        let page_count = lines.len();
        let mut to_skip = std::mem::take(&mut self.taken);
        let mut at_border: HashMap<BTreeMap<String, String>, usize> = HashMap::new();
        let old_border = self.border;
        let mut fresh = Vec::with_capacity(page_count);
        for line in lines {
            if line.timestamp == last {
                *at_border.entry(line.labels.clone()).or_default() += 1;
            }
            let skip = match to_skip.get_mut(&line.labels) {
                Some(left) if Some(line.timestamp) == old_border && *left > 0 => {
                    *left -= 1;
                    true
                }
                Some(_) | None => false,
            };
            if !skip {
                fresh.push(line);
            }
        }
        self.taken_count = at_border.values().sum();
        if fresh.is_empty() && page_count >= LIMIT_MAX {
            bail!(
                "more than {LIMIT_MAX} lines have the time {} ns; narrow the query, as with a line filter",
                last.nanos()
            );
        }
        self.taken = at_border;
        self.border = Some(last);
        Ok(fresh)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use crate::cli::query::client::{Line, Range};
    use crate::cli::query::page::Pages;
    use crate::model::{Direction, Timestamp};

    fn line(time: i64, stream: u8, text: usize) -> Line {
        let labels = BTreeMap::from([("app".to_owned(), stream.to_string())]);
        Line { timestamp: Timestamp::from_nanos(time), labels, text: text.to_string() }
    }

    /// What a server gives: the first `limit` lines in the direction, by time, grouped by stream and merged again.
    fn serve(all: &[Line], range: Range, direction: Direction, limit: usize) -> Vec<Line> {
        let mut lines: Vec<Line> =
            all.iter().filter(|line| range.start <= line.timestamp && line.timestamp < range.end).cloned().collect();
        lines.sort_by_key(|line| line.timestamp);
        if direction == Direction::Backward {
            lines.reverse();
        }
        lines.truncate(limit);
        lines.sort_by_key(|line| line.labels.clone());
        match direction {
            Direction::Forward => lines.sort_by_key(|line| line.timestamp),
            Direction::Backward => lines.sort_by_key(|line| std::cmp::Reverse(line.timestamp)),
        }
        lines
    }

    proptest! {
        #[test]
        fn every_line_comes_once_whatever_shares_a_nanosecond(
            entries in prop::collection::vec((0_i64..6, 0_u8..3), 0..60),
            page in 1_usize..9,
            forward in any::<bool>(),
        ) {
            let all: Vec<Line> =
                entries.iter().enumerate().map(|(text, (time, stream))| line(*time, *stream, text)).collect();
            let direction = if forward { Direction::Forward } else { Direction::Backward };
            let whole = Range { start: Timestamp::from_nanos(0), end: Timestamp::from_nanos(6) };
            let mut pages = Pages::new(whole, direction);
            let mut seen = Vec::new();
            loop {
                let limit = pages.limit_for(page);
                let lines = serve(&all, pages.range(), direction, limit);
                let is_last = lines.len() < limit;
                seen.extend(pages.take(lines).unwrap());
                if is_last {
                    break;
                }
            }
            let mut texts: Vec<usize> = seen.iter().map(|line| line.text.parse().unwrap()).collect();
            texts.sort_unstable();
            prop_assert_eq!(texts, (0..all.len()).collect::<Vec<_>>());
            let in_order = seen.is_sorted_by(|a, b| match direction {
                Direction::Forward => a.timestamp <= b.timestamp,
                Direction::Backward => a.timestamp >= b.timestamp,
            });
            prop_assert!(in_order);
        }
    }
}
