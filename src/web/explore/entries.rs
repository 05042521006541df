//! Entries of the page: lines that belong together, entries that say the same, silences between them. Pure.

use std::collections::HashMap;

use crate::model::{Direction, Labels, Timestamp};
use crate::query::LogLine;
use crate::web::explore::fold::Joiner;
use crate::web::explore::level::Level;
use crate::web::explore::look::Same;
use crate::web::explore::rows::{level_of, source_of};
use crate::web::explore::same;
use crate::web::explore::text;

/// Bytes of an entry that are looked at to make its row.
const SEEN_BYTES_MAX: usize = 64 << 10;
/// Entries that continue a stack trace follow at once.
const CONTINUES_WITHIN_NS: i64 = 2_000_000_000;
/// A silence is told where it is this much longer than what is usual on the page, and no shorter than that.
const SILENCE_FACTOR: i64 = 12;
const SILENCE_MIN_NS: i64 = 30_000_000_000;
/// Fewer pauses have no rhythm.
const RHYTHM_MIN: usize = 4;

/// A line and those that continue it.
#[derive(Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) first: &'a LogLine,
    pub(crate) level: Level,
    joiner: Joiner,
    last_timestamp: Timestamp,
    pub(crate) continuation: Vec<&'a LogLine>,
}

impl Entry<'_> {
    /// The size of all its lines.
    pub(crate) fn bytes(&self) -> usize {
        self.first.line.len() + self.continuation.iter().map(|line| line.line.len() + 1).sum::<usize>()
    }

    /// Whether a query made something else of any of its lines than what is stored.
    pub(crate) fn is_rewritten(&self) -> bool {
        self.first.rewritten.is_some() || self.continuation.iter().any(|line| line.rewritten.is_some())
    }

    /// Its lines, as far as rows look at them, and whether that is all.
    pub(crate) fn text(&self) -> (String, bool) {
        let mut text = text::head(&self.first.line, SEEN_BYTES_MAX).to_owned();
        for line in &self.continuation {
            if text.len() < SEEN_BYTES_MAX {
                text.push('\n');
                text.push_str(text::head(&line.line, SEEN_BYTES_MAX - text.len().min(SEEN_BYTES_MAX)));
            }
        }
        let is_all = text.len() == self.bytes();
        (text, is_all)
    }
}

/// In the order of time, with the lines that continue another one of their stream put to it.
pub(crate) fn grouped(lines: &[LogLine], direction: Direction) -> Vec<Entry<'_>> {
    let mut entries: Vec<Entry<'_>> = Vec::with_capacity(lines.len());
    let mut last_of_stream: HashMap<&Labels, usize> = HashMap::new();
    let forward: Box<dyn Iterator<Item = &LogLine>> = match direction {
        Direction::Forward => Box::new(lines.iter()),
        Direction::Backward => Box::new(lines.iter().rev()),
    };
    for line in forward {
        if let Some(index) = last_of_stream.get(&line.stream) {
            let entry = &mut entries[*index];
            let at_once = line.timestamp.nanos().saturating_sub(entry.last_timestamp.nanos()) <= CONTINUES_WITHIN_NS;
            if at_once && entry.joiner.joins(&line.line, entry.level <= Level::Warn) {
                entry.last_timestamp = line.timestamp;
                entry.continuation.push(line);
                continue;
            }
        }
        last_of_stream.insert(&line.stream, entries.len());
        entries.push(Entry {
            first: line,
            level: level_of(line),
            joiner: Joiner::of(&line.line),
            last_timestamp: line.timestamp,
            continuation: Vec::new(),
        });
    }
    entries
}

/// Whether a line is put to the lines of an entry of its stream.
pub(crate) fn continues(entry: &[LogLine], line: &LogLine) -> bool {
    let [first, further @ ..] = entry else { return false };
    let of_error = level_of(first) <= Level::Warn;
    let mut joiner = Joiner::of(&first.line);
    for line in further {
        joiner.joins(&line.line, of_error);
    }
    let last = further.last().unwrap_or(first);
    line.timestamp.nanos().saturating_sub(last.timestamp.nanos()) <= CONTINUES_WITHIN_NS
        && joiner.joins(&line.line, of_error)
}

/// Entries that are the same, each group where its first one is.
pub(crate) fn together<'a, 'b>(entries: &'b [Entry<'a>], same: Same) -> Vec<Vec<&'b Entry<'a>>> {
    let mut groups: Vec<Vec<&Entry<'_>>> = Vec::new();
    let mut known: HashMap<(Level, &str, String), usize> = HashMap::new();
    for entry in entries {
        let Some(common) = same::common(&entry.first.line, same) else { continue };
        let index = *known.entry((entry.level, source_of(&entry.first.stream), common)).or_insert(groups.len());
        if index == groups.len() {
            groups.push(Vec::new());
        }
        groups[index].push(entry);
    }
    groups
}

/// How long nothing was logged before each entry, in the order of reading, where that is long against the rhythm of the
/// page. `seen` is the time of what stands before the first.
pub(crate) fn silences(entries: &[Entry<'_>], seen: Option<Timestamp>) -> Vec<Option<i64>> {
    let between = |a: Timestamp, b: Timestamp| a.nanos().saturating_sub(b.nanos()).saturating_abs();
    let nearest = |a: &Entry<'_>, b: &Entry<'_>| {
        between(a.last_timestamp, b.first.timestamp).min(between(a.first.timestamp, b.last_timestamp))
    };
    let before = |first: &Entry<'_>| {
        seen.map_or(0, |seen| between(seen, first.first.timestamp).min(between(seen, first.last_timestamp)))
    };
    let pauses: Vec<i64> = entries.windows(2).map(|pair| nearest(&pair[0], &pair[1])).collect();
    let mut sorted = pauses.clone();
    sorted.sort_unstable();
    let Some(usual) = sorted.get(sorted.len() / 2).filter(|_| sorted.len() >= RHYTHM_MIN) else {
        return vec![None; entries.len()];
    };
    let long = usual.saturating_mul(SILENCE_FACTOR).max(SILENCE_MIN_NS);
    let all = entries.first().map(before).into_iter().chain(pauses);
    all.map(|pause| Some(pause).filter(|pause| *pause >= long)).collect()
}

#[cfg(test)]
mod tests {
    use crate::model::{Direction, Labels, Timestamp};
    use crate::query::LogLine;
    use crate::web::explore::entries::{grouped, silences, together};
    use crate::web::explore::look::Same;

    fn line(secs: i64, app: &str, text: &str) -> LogLine {
        LogLine {
            timestamp: Timestamp::from_secs(secs),
            line: text.to_owned(),
            stream: Labels::from([("app", app)]),
            structured: Labels::default(),
            parsed: Labels::default(),
            rewritten: None,
        }
    }

    #[test]
    fn a_silence_is_long_against_the_rhythm_of_the_page() {
        let told = |secs: &[i64], seen: Option<i64>| {
            let lines: Vec<LogLine> = secs.iter().map(|secs| line(*secs, "a", "x")).collect();
            silences(&grouped(&lines, Direction::Forward), seen.map(Timestamp::from_secs))
                .into_iter()
                .map(|silence| silence.map_or(0, |nanos| nanos / 1_000_000_000))
                .collect::<Vec<_>>()
        };
        assert_eq!(told(&[0, 1, 2, 3, 4, 196, 197], None), [0, 0, 0, 0, 0, 192, 0]);
        assert_eq!(told(&[0, 60, 120, 180, 420, 480], None), [0, 0, 0, 0, 0, 0], "four minutes are usual here");
        assert_eq!(told(&[0, 1, 2, 3, 20, 21], None), [0, 0, 0, 0, 0, 0], "a moment is no silence");
        assert_eq!(told(&[100, 101, 102, 103, 104], Some(1)), [99, 0, 0, 0, 0]);
        assert_eq!(told(&[0, 1000], None), [0, 0], "two lines have no rhythm");
    }

    #[test]
    fn lines_that_say_the_same_come_together_where_the_first_is() {
        let lines = [line(1, "a", "n 1"), line(2, "b", "n 1"), line(3, "a", "x"), line(4, "a", "n 2")];
        let entries = grouped(&lines, Direction::Forward);
        let counts: Vec<usize> = together(&entries, Same::Numbers).iter().map(Vec::len).collect();
        assert_eq!(counts, [2, 1, 1]);
    }
}
