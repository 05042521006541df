//! `multiline`: joins lines that belong together.
//!
//! Promises: lines of different sources or with different labels are never joined; the joined line has time, labels and
//! all else of its first one, and the places from its first line to its last one.

use std::collections::BTreeMap;
use std::mem;
use std::time::{Duration, Instant};

use regex::Regex;
use serde::Deserialize;

use crate::agent::config::units;
use crate::agent::entry::Entry;
use crate::agent::stage::setting::Pattern;
use crate::agent::stage::{Flow, Stage, Surroundings};

/// Bytes of a joined line, at most. A server that takes lines of this size is rare.
const BYTES_MAX: usize = 4 << 20;
/// How far behind its first line a block of many parts is read again after a restart: that far back a position may stay.
const HELD_BYTES_MAX: u64 = BYTES_MAX as u64;
/// How long a stream is remembered that has no lines waiting.
const IDLE_FOR: Duration = Duration::from_secs(3600);

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// What the first line of a block looks like.
    firstline: Pattern,
    #[serde(default = "wait_default")]
    max_wait_time: units::Duration,
    #[serde(default = "lines_default")]
    max_lines: u64,
}

fn wait_default() -> units::Duration {
    units::Duration::from_secs(3)
}

fn lines_default() -> u64 {
    128
}

impl Config {
    pub(crate) fn build(&self, _around: &Surroundings) -> Box<dyn Stage> {
        Box::new(Join {
            first: self.firstline.regex.clone(),
            wait: self.max_wait_time.0,
            lines_max: self.max_lines,
            sources: BTreeMap::new(),
            due_not_before: None,
        })
    }
}

struct Join {
    first: Regex,
    wait: Duration,
    /// As in Promtail, zero is never reached.
    lines_max: u64,
    /// The blocks of each source, by the labels of their lines.
    sources: BTreeMap<u32, BTreeMap<u64, Block>>,
    /// No block is due earlier; `None` where none waits.
    due_not_before: Option<Instant>,
}

/// Lines of one stream, of which the first one is known.
struct Block {
    /// The first line, with the others appended. It stays when the block is given away: lines that follow without a new
    /// first one get its time and labels.
    entry: Entry,
    /// Lines that wait.
    lines: u64,
    last: Instant,
    /// Where its first line is, of all parts of it that were given away.
    since: u64,
    /// No line came for so long that none is waited for.
    is_over: bool,
}

impl Stage for Join {
    fn run(&mut self, entry: &mut Entry, now: Instant) -> Flow {
        let is_first = self.first.is_match(&entry.line);
        let blocks = self.sources.entry(entry.place.source).or_default();
        let stream = entry.labels.fingerprint();
        let block = match blocks.get_mut(&stream) {
            Some(block) => block,
            // what came before the first block
            None if !is_first => return Flow::Pass,
            None => blocks.entry(stream).or_insert_with(|| Block::new(now)),
        };
        block.last = now;
        self.due_not_before = self.due_not_before.or(Some(now + self.wait));
        let mut flow = Flow::Hold;
        if is_first {
            // the block before this line takes its place
            mem::swap(&mut block.entry, entry);
            block.begin();
            if mem::replace(&mut block.lines, 1) > 0 {
                flow = Flow::Pass;
            }
        } else {
            block.append(entry);
        }
        if flow == Flow::Hold && (block.lines == self.lines_max || block.entry.line.len() > BYTES_MAX) {
            *entry = block.give();
            flow = Flow::Pass;
        }
        flow
    }

    fn due(&mut self, now: Instant, all: bool) -> Option<Entry> {
        if !all && self.due_not_before.is_none_or(|time| now < time) {
            return None;
        }
        let wait = self.wait;
        let open = self.sources.values_mut().flat_map(BTreeMap::values_mut).filter(|block| !block.is_over);
        self.due_not_before = None;
        for block in open {
            let time = block.last + wait;
            if all || time <= now {
                block.is_over = true;
                if block.lines == 0 {
                    continue;
                }
                self.due_not_before = Some(now);
                return Some(block.give());
            }
            self.due_not_before = self.due_not_before.map_or(Some(time), |earliest| Some(earliest.min(time)));
        }
        self.forget_idle(now);
        None
    }

    fn held_since(&self, source: u32) -> Option<u64> {
        self.sources.get(&source)?.values().filter_map(Block::held_since).min()
    }
}

impl Join {
    fn forget_idle(&mut self, now: Instant) {
        for blocks in self.sources.values_mut() {
            blocks.retain(|_, block| !block.is_over || now.saturating_duration_since(block.last) < IDLE_FOR);
        }
        self.sources.retain(|_, blocks| !blocks.is_empty());
    }
}

impl Block {
    fn new(now: Instant) -> Block {
        Block { entry: Entry::default(), lines: 0, last: now, since: 0, is_over: true }
    }

    /// Its first line is here.
    fn begin(&mut self) {
        self.since = self.entry.place.start;
        self.is_over = false;
    }

    /// From where it is to be read again after a restart: with the first line, so that what goes on behind a part that
    /// was given away is joined as it would have been. The parts come again as they were, and the store drops them.
    fn held_since(&self) -> Option<u64> {
        let waiting = (self.lines > 0).then_some(self.entry.place.start);
        let is_near = self.entry.place.end.saturating_sub(self.since) <= HELD_BYTES_MAX;
        if !self.is_over && is_near { Some(self.since) } else { waiting }
    }

    fn append(&mut self, next: &Entry) {
        if mem::take(&mut self.is_over) {
            self.since = next.place.start;
        }
        if self.lines == 0 {
            self.entry.place = next.place;
        }
        if !self.entry.line.is_empty() {
            self.entry.line.push('\n');
        }
        self.entry.line.push_str(&next.line);
        self.entry.place.end = next.place.end;
        self.lines += 1;
    }

    /// The lines as one. What goes on without a new first line begins a block like it.
    fn give(&mut self) -> Entry {
        let line = mem::take(&mut self.entry.line);
        self.lines = 0;
        Entry { line, ..self.entry.clone() }
    }
}
