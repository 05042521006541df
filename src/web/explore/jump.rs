//! Jumps from the line that one reads: to the next or previous error, silence or spike, however many pages away.
//!
//! Promises: a jump lands on a line of the view, in the range of the view; where there is none, the page says so and
//! stays where it was. Each is an address, so it works without a script.

use axum::extract::{Query, State as Shared};
use axum::response::{IntoResponse, Redirect, Response};
use http::HeaderMap;
use serde::Deserialize;

use crate::logql::ast::{Expr, LogExpr};
use crate::model::{Direction, TimeRange, Timestamp};
use crate::query::{CancelOnDrop, CountBy, CountQuery, Data, Engine, Error as QueryError, LogLine, RangeQuery, Ticket};
use crate::web::auth::SignedIn;
use crate::web::explore::browser_zone;
use crate::web::explore::builder;
use crate::web::explore::histogram::Grid;
use crate::web::explore::key::LineKey;
use crate::web::explore::level::Level;
use crate::web::explore::state::{Params, State, escape_into};
use crate::web::explore::view::Asked;
use crate::web::explore::whole_seconds;
use crate::web::language::Language;
use crate::web::page::{Page, now};
use crate::web::{Context, Error, blocking};

/// Parts that a range is divided in to find where nothing is.
const SLOTS: i64 = 2_000;
/// A silence is at least this many parts long.
const GAP_SLOTS_MIN: usize = 8;
/// How much longer than the usual one a silence is.
const GAP_TIMES_USUAL: usize = 5;
/// How much higher than the usual one a bar is in a spike.
const SPIKE_TIMES_USUAL: u64 = 3;

/// What is jumped to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Error,
    Gap,
    Spike,
}

/// In which direction of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Earlier,
    Later,
}

/// What a jump asks for, beside the view.
#[derive(Debug, Deserialize)]
pub(in crate::web::explore) struct Wanted {
    jump: String,
    way: String,
    /// Where one reads, in nanoseconds.
    at: i64,
}

impl Target {
    pub(crate) const ALL: [Target; 3] = [Target::Error, Target::Gap, Target::Spike];

    /// As the address has it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Target::Error => "error",
            Target::Gap => "gap",
            Target::Spike => "spike",
        }
    }

    pub(crate) fn said(self, say: Language) -> &'static str {
        match self {
            Target::Error => say.jump_errors(),
            Target::Gap => say.jump_gaps(),
            Target::Spike => say.jump_spikes(),
        }
    }

    pub(crate) fn label(self, way: Way, say: Language) -> &'static str {
        match (self, way) {
            (Target::Error, Way::Earlier) => say.previous_error(),
            (Target::Error, Way::Later) => say.next_error(),
            (Target::Gap, Way::Earlier) => say.previous_gap(),
            (Target::Gap, Way::Later) => say.next_gap(),
            (Target::Spike, Way::Earlier) => say.previous_spike(),
            (Target::Spike, Way::Later) => say.next_spike(),
        }
    }

    fn missed(self, way: Way, say: Language) -> &'static str {
        match (self, way) {
            (Target::Error, Way::Earlier) => say.no_earlier_error(),
            (Target::Error, Way::Later) => say.no_later_error(),
            (Target::Gap, Way::Earlier) => say.no_earlier_gap(),
            (Target::Gap, Way::Later) => say.no_later_gap(),
            (Target::Spike, Way::Earlier) => say.no_earlier_spike(),
            (Target::Spike, Way::Later) => say.no_later_spike(),
        }
    }
}

impl Way {
    pub(crate) const ALL: [Way; 2] = [Way::Earlier, Way::Later];

    /// As the address has it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Way::Earlier => "earlier",
            Way::Later => "later",
        }
    }

    pub(crate) fn said(self, say: Language) -> &'static str {
        match self {
            Way::Earlier => say.jump_earlier(),
            Way::Later => say.jump_later(),
        }
    }
}

/// What the page says after a jump that found nothing; `text` is as in its address, `later-error`.
pub(in crate::web::explore) fn told_missed(text: &str, say: Language) -> Option<&'static str> {
    let (way, target) = text.split_once('-')?;
    let target = Target::ALL.into_iter().find(|known| known.name() == target)?;
    let way = Way::ALL.into_iter().find(|known| known.name() == way)?;
    Some(target.missed(way, say))
}

/// Leads to the line that is jumped to.
pub(in crate::web::explore) async fn show(
    Shared(context): Shared<Context>,
    Query(params): Query<Params>,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
    user: SignedIn,
    page: Page,
) -> Result<Response, Error> {
    let now = whole_seconds(now());
    let (state, _) = State::read(&params, browser_zone(&headers).as_deref(), page.say, now);
    let target = Target::ALL.into_iter().find(|known| known.name() == wanted.jump).unwrap_or(Target::Error);
    let way = Way::ALL.into_iter().find(|known| known.name() == wanted.way).unwrap_or(Way::Later);
    let ticket = context.engine.ticket().for_user(&user.user.name);
    let _cancel = CancelOnDrop::new(&ticket);
    let engine = context.engine.clone();
    let url = blocking(move || {
        let asked = Asked::read(&state.query);
        let found = match (asked.lines(), state.range(now)) {
            (Some(expr), Some(range)) => {
                let search = Search { engine: &engine, ticket: &ticket, expr, range };
                search.find(target, way, Timestamp::from_nanos(wanted.at))
            }
            _ => Ok(None),
        };
        match found {
            Ok(Some(key)) => format!("{}#line", State { line: Some(key), ..state.at(None) }.url()),
            Ok(None) => {
                let mut url = state.url();
                url.push_str("&missed=");
                escape_into(&mut url, &format!("{}-{}", way.name(), target.name()));
                url
            }
            // the view fails in the same way, and says why
            Err(_) => state.url(),
        }
    });
    Ok(Redirect::to(&url.await?).into_response())
}

/// A search in the lines of a view.
struct Search<'s> {
    engine: &'s Engine,
    ticket: &'s Ticket,
    expr: &'s LogExpr,
    range: TimeRange,
}

impl Search<'_> {
    fn find(&self, target: Target, way: Way, at: Timestamp) -> Result<Option<LineKey>, QueryError> {
        match target {
            Target::Error => self.error(way, at),
            Target::Gap => self.gap(way, at),
            Target::Spike => self.spike(way, at),
        }
    }

    fn error(&self, way: Way, at: Timestamp) -> Result<Option<LineKey>, QueryError> {
        let shown = builder::levels(self.expr);
        let is_shown = |level: &Level| shown.is_empty() || shown.contains(level);
        let wanted: Vec<Level> = [Level::Critical, Level::Error].into_iter().filter(is_shown).collect();
        if wanted.is_empty() {
            return Ok(None);
        }
        let errors = wanted
            .into_iter()
            .fold(builder::without_levels(self.expr), |expr, level| builder::with_toggled_level(&expr, level));
        match way {
            Way::Earlier => self.one(&errors, TimeRange::new(self.range.start, at), Direction::Backward),
            Way::Later => self.one(&errors, TimeRange::new(at.plus_nanos(1), self.range.end), Direction::Forward),
        }
    }

    /// The first line after a silence; the last line where the silence goes on to the end.
    fn gap(&self, way: Way, at: Timestamp) -> Result<Option<LineKey>, QueryError> {
        let length = self.range.end.nanos().saturating_sub(self.range.start.nanos());
        let step = ((length - 1) / SLOTS + 1).max(1);
        let slot_count = usize::try_from((length - 1) / step + 1).unwrap_or(0);
        let counts = self.counts(step, slot_count)?;
        let slot = |index: usize| {
            let start = self.range.start.plus_nanos(step.saturating_mul(index as i64));
            TimeRange::new(start, start.plus_nanos(step).min(self.range.end))
        };
        let find = |gap: &Gap| match gap.after {
            Some(after) => self.one(self.expr, slot(after), Direction::Forward),
            None => self.one(self.expr, slot(gap.before), Direction::Backward),
        };
        let is_beyond = |key: &LineKey| match way {
            Way::Earlier => key.timestamp < at,
            Way::Later => key.timestamp > at,
        };
        // the slot where one reads may hold the line that is wanted, or the one before or after it
        let may_be = |gap: &&Gap| {
            let slot = slot(gap.after.unwrap_or(gap.before));
            match way {
                Way::Earlier => slot.start < at,
                Way::Later => slot.end > at,
            }
        };
        let gaps = gaps(&counts);
        let mut near: Vec<&Gap> = gaps.iter().filter(may_be).collect();
        if way == Way::Earlier {
            near.reverse();
        }
        for gap in near.into_iter().take(3) {
            if let Some(key) = find(gap)?.filter(is_beyond) {
                return Ok(Some(key));
            }
        }
        Ok(None)
    }

    /// The first line of the highest bar of a spike, as the histogram draws it.
    fn spike(&self, way: Way, at: Timestamp) -> Result<Option<LineKey>, QueryError> {
        let grid = Grid::new(self.range);
        let counts = self.counts(grid.step_ns, grid.bar_count)?;
        let mut bars = spikes(&counts).into_iter().map(|index| grid.span(index));
        let found = match way {
            Way::Earlier => bars.rfind(|bar| bar.end <= at),
            Way::Later => bars.find(|bar| bar.start > at),
        };
        found.map_or(Ok(None), |bar| self.one(self.expr, bar, Direction::Forward))
    }

    /// How many lines each part of the range has.
    fn counts(&self, step: i64, slot_count: usize) -> Result<Vec<u64>, QueryError> {
        let (log, by) = (self.expr.clone(), CountBy::default());
        let query = CountQuery { log, range: self.range, step_ns: Some(step), by, top: None };
        let mut counts = vec![0; slot_count];
        for (slot, count) in self.engine.counts(&query, self.ticket)?.iter().flat_map(|(_, slots)| slots) {
            if let Some(known) = counts.get_mut(slot) {
                *known += count;
            }
        }
        Ok(counts)
    }

    /// The first line of a range in a direction.
    fn one(&self, expr: &LogExpr, range: TimeRange, direction: Direction) -> Result<Option<LineKey>, QueryError> {
        let range = TimeRange::new(range.start.max(self.range.start), range.end.min(self.range.end));
        if range.start >= range.end {
            return Ok(None);
        }
        let query =
            RangeQuery { expr: Expr::Log(expr.clone()), range, step_ns: 1, interval_ns: 0, limit: 1, direction };
        match self.engine.range(&query, self.ticket)?.data {
            Data::Streams(lines) => Ok(lines.first().map(LineKey::of as fn(&LogLine) -> LineKey)),
            Data::Matrix(_) | Data::Vector(_) | Data::Scalar { .. } => Ok(None),
        }
    }
}

/// Parts without a line, between two that have some; none follows where the silence goes on to the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Gap {
    before: usize,
    after: Option<usize>,
}

/// The silences that are much longer than is usual in these counts.
fn gaps(counts: &[u64]) -> Vec<Gap> {
    let full: Vec<usize> = (0..counts.len()).filter(|index| counts[*index] > 0).collect();
    let Some(last) = full.last() else { return Vec::new() };
    let mut spaces: Vec<usize> = full.windows(2).map(|pair| pair[1] - pair[0]).collect();
    spaces.sort_unstable();
    let usual = spaces.get(spaces.len() / 2).copied().unwrap_or(1);
    let rare = if spaces.len() < 20 { 0 } else { spaces[spaces.len() * 9 / 10] };
    let long = GAP_SLOTS_MIN.max(usual * GAP_TIMES_USUAL).max(rare * 2);
    let mut gaps: Vec<Gap> = full
        .windows(2)
        .filter(|pair| pair[1] - pair[0] >= long)
        .map(|pair| Gap { before: pair[0], after: Some(pair[1]) })
        .collect();
    if counts.len() - last > long {
        gaps.push(Gap { before: *last, after: None });
    }
    gaps
}

/// The highest bar of each run of bars that are much higher than the usual one.
fn spikes(counts: &[u64]) -> Vec<usize> {
    let mut sorted = counts.to_vec();
    sorted.sort_unstable();
    let usual = sorted.get(sorted.len() / 2).copied().unwrap_or(0).max(1);
    let is_high = |index: &usize| counts[*index] > usual * SPIKE_TIMES_USUAL;
    let high: Vec<usize> = (0..counts.len()).filter(is_high).collect();
    let runs = high.chunk_by(|one, next| next - one == 1);
    runs.filter_map(|run| run.iter().copied().max_by_key(|index| (counts[*index], usize::MAX - index))).collect()
}

#[cfg(test)]
mod tests {
    use crate::web::explore::jump::{Gap, Target, Way, gaps, spikes, told_missed};
    use crate::web::language::Language;

    #[test]
    fn a_silence_is_much_longer_than_is_usual() {
        let mut counts = vec![1; 100];
        assert_eq!(gaps(&counts), []);
        counts[40..44].fill(0);
        assert_eq!(gaps(&counts), []);
        counts[40..60].fill(0);
        assert_eq!(gaps(&counts), [Gap { before: 39, after: Some(60) }]);
        counts[90..].fill(0);
        assert_eq!(gaps(&counts)[1], Gap { before: 89, after: None });
        // every tenth part has lines, so that is usual
        let sparse: Vec<u64> =
            (0..400).map(|index| u64::from(index % 10 == 0 && !(100..200).contains(&index))).collect();
        assert_eq!(gaps(&sparse), [Gap { before: 90, after: Some(200) }]);
        assert_eq!(gaps(&[0; 50]), []);
        assert_eq!(gaps(&[]), []);
    }

    #[test]
    fn a_spike_is_its_highest_bar() {
        let mut counts = vec![2; 60];
        counts[5] = 6;
        assert!(spikes(&counts).is_empty());
        counts[10..13].copy_from_slice(&[9, 30, 8]);
        counts[50] = 7;
        assert_eq!(spikes(&counts), [11, 50]);
        assert_eq!(spikes(&[0, 0, 0, 9, 0]), [3]);
        assert!(spikes(&[]).is_empty());
    }

    #[test]
    fn a_jump_that_found_nothing_is_told() {
        for target in Target::ALL {
            for way in Way::ALL {
                let text = format!("{}-{}", way.name(), target.name());
                assert!(told_missed(&text, Language::English).unwrap().contains(match way {
                    Way::Earlier => "before",
                    Way::Later => "after",
                }));
            }
        }
        assert_eq!(told_missed("x", Language::English), None);
    }
}
