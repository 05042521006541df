//! `cri`: reads the lines that container runtimes write, `2026-11-20T01:02:03.4Z stdout F text`, and joins the parts (`P`)
//! of long ones.

use std::collections::{BTreeMap, VecDeque};
use std::mem;
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::agent::config::units::ByteSize;
use crate::agent::entry::Entry;
use crate::agent::stage::timestamp::Stamper;
use crate::agent::stage::{Flow, Stage, Surroundings};

/// How long a part waits for the next one. A runtime writes them at once; what waits longer was cut off by a kill, and
/// would keep the agent from getting on in the file.
const PART_WAITS_FOR: Duration = Duration::from_secs(60);

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// Lines of which parts wait, at most; when there are more, all are sent as they are.
    max_partial_lines: usize,
    max_partial_line_size: ByteSize,
    max_partial_line_size_truncate: bool,
}

impl Default for Config {
    fn default() -> Config {
        Config { max_partial_lines: 100, max_partial_line_size: ByteSize(0), max_partial_line_size_truncate: false }
    }
}

impl Config {
    pub(crate) fn build(&self, around: &Surroundings) -> Box<dyn Stage> {
        let bytes_max = usize::try_from(self.max_partial_line_size.0).unwrap_or(usize::MAX);
        Box::new(Cri {
            stamper: Stamper::rfc3339(around.clock),
            parts_max: if self.max_partial_lines == 0 { 100 } else { self.max_partial_lines },
            bytes_max: self.max_partial_line_size_truncate.then_some(bytes_max),
            parts: BTreeMap::new(),
            ready: VecDeque::new(),
        })
    }
}

struct Cri {
    stamper: Stamper,
    parts_max: usize,
    /// Where joined lines are cut.
    bytes_max: Option<usize>,
    /// The part of a line that came last, with all before it, by source and labels.
    parts: BTreeMap<(u32, u64), Part>,
    /// Parts that are sent as they are.
    ready: VecDeque<Entry>,
}

struct Part {
    entry: Entry,
    last: Instant,
}

impl Stage for Cri {
    fn run(&mut self, entry: &mut Entry, now: Instant) -> Flow {
        entry.extract_labels();
        let Some(head) = Head::of(&entry.line) else { return Flow::Pass };
        let is_part = head.flags == "P";
        let start = head.content;
        entry.extracted.set_text("time", head.time);
        entry.extracted.set_text("stream", head.stream);
        entry.extracted.set_text("flags", head.flags);
        entry.extracted.set_text("content", &entry.line[start..]);
        entry.labels.set("stream", Some(head.stream));
        let time = self.stamper.read(head.time, now);
        self.stamper.stamp(entry, time);
        entry.line.drain(..start);
        self.join(entry, is_part, now)
    }

    fn due(&mut self, now: Instant, all: bool) -> Option<Entry> {
        if let Some(entry) = self.ready.pop_front() {
            return Some(entry);
        }
        let is_due = |part: &Part| all || now.saturating_duration_since(part.last) >= PART_WAITS_FOR;
        let key = self.parts.iter().find(|(_, part)| is_due(part)).map(|(key, _)| *key)?;
        self.parts.remove(&key).map(|part| part.entry)
    }

    fn held_since(&self, source: u32) -> Option<u64> {
        let parts = self.parts.range((source, 0)..=(source, u64::MAX)).map(|(_, part)| &part.entry);
        let ready = self.ready.iter().filter(|entry| entry.place.source == source);
        parts.chain(ready).map(|entry| entry.place.start).min()
    }
}

impl Cri {
    fn join(&mut self, entry: &mut Entry, is_part: bool, now: Instant) -> Flow {
        if self.parts.is_empty() && !is_part {
            return Flow::Pass;
        }
        let key = (entry.place.source, entry.labels.fingerprint());
        if is_part && self.parts.len() >= self.parts_max {
            tracing::warn!(
                parts = self.parts.len(),
                "cri: too many lines wait for their next part; they are sent in parts"
            );
            self.ready.extend(mem::take(&mut self.parts).into_values().map(|part| part.entry));
        }
        match self.parts.get_mut(&key) {
            Some(part) => {
                part.last = now;
                let before = &mut part.entry;
                before.line.push_str(&entry.line);
                mem::swap(&mut before.line, &mut entry.line);
                entry.place.start = before.place.start;
                cut(&mut entry.line, self.bytes_max);
                if is_part {
                    mem::swap(before, entry);
                    return Flow::Hold;
                }
                self.parts.remove(&key);
                Flow::Pass
            }
            None if is_part => {
                cut(&mut entry.line, self.bytes_max);
                self.parts.insert(key, Part { entry: mem::take(entry), last: now });
                Flow::Hold
            }
            None => Flow::Pass,
        }
    }
}

fn cut(line: &mut String, bytes_max: Option<usize>) {
    if let Some(max) = bytes_max.filter(|max| line.len() > *max) {
        line.truncate(line.floor_char_boundary(max));
    }
}

/// What stands before the text.
struct Head<'l> {
    time: &'l str,
    stream: &'static str,
    flags: &'l str,
    /// Where the text begins.
    content: usize,
}

impl<'l> Head<'l> {
    fn of(line: &'l str) -> Option<Head<'l>> {
        let is_word = |word: &str| !word.is_empty() && !word.contains(['\t', '\n', '\x0c', '\r']);
        let (time, rest) = line.split_once(' ')?;
        let (stream, rest) = rest.split_once(' ')?;
        let (flags, content) = rest.split_once(' ')?;
        let stream = ["stdout", "stderr"].into_iter().find(|known| *known == stream)?;
        if !is_word(time) || !is_word(flags) {
            return None;
        }
        Some(Head { time, stream, flags, content: line.len() - content.len() })
    }
}
