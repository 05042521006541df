//! The spool as the reader sees it: a source with places.
//!
//! Promises: holds a window of a segment and its label sets in memory, and nothing while there is nothing to read; what
//! is damaged is said and passed over, never handed out.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::agent::entry::TENANT;
use crate::agent::relabel;
use crate::agent::source::{Progress, Record, Source};
use crate::agent::spool::Shared;
use crate::agent::spool::frame::{self, Content, Look, SEGMENT_HEAD};
use crate::agent::spool::segments::{Segment, Window};
use crate::model::Labels;

/// What is handed out at once.
const PART_BYTES: u64 = 64 << 10;

/// Reads a spool.
pub(in crate::agent::spool) struct Reading {
    spool: Arc<Shared>,
    place: u64,
    open: Option<Open>,
    window: Window,
    structured: Vec<(String, String)>,
}

/// A segment that is being read.
struct Open {
    start: u64,
    file: File,
    /// How far its frames were looked at; what is before the place was sent earlier.
    at: u64,
    sets: Vec<Option<Set>>,
}

/// A label set as lines get it.
struct Set {
    labels: Labels,
    tenant: Option<String>,
}

impl Reading {
    pub(in crate::agent::spool) fn new(spool: Arc<Shared>, place: u64) -> Reading {
        Reading { spool, place, open: None, window: Window::default(), structured: Vec::new() }
    }

    fn open(&mut self, segment: Segment) -> io::Result<&mut Open> {
        let open = match self.open.take() {
            Some(open) if open.start == segment.start => open,
            Some(_) | None => {
                self.window.clear();
                let file = File::open(self.spool.lock().path(segment))?;
                Open { start: segment.start, file, at: SEGMENT_HEAD.len() as u64, sets: Vec::new() }
            }
        };
        Ok(self.open.insert(open))
    }

    /// Hands out lines of a segment up to a bound.
    fn read_segment(&mut self, segment: Segment, each: &mut dyn FnMut(Record<'_>)) -> io::Result<()> {
        self.open(segment)?;
        let Reading { open: Some(open), window, structured, place, .. } = self else { return Ok(()) };
        let size = segment.end - segment.start;
        let until = (open.at.max(place.saturating_sub(segment.start)) + PART_BYTES).min(size);
        let mut wanted = frame::FRAME_HEAD_BYTES;
        while open.at < until {
            let (content, total) = match frame::look(window.at(&open.file, open.at, wanted, size)?, size - open.at) {
                Look::Short(more) => {
                    wanted = more;
                    continue;
                }
                Look::Whole(content, total) => (content, total as u64),
                Look::Damaged => {
                    self.pass_over(segment);
                    return Ok(());
                }
            };
            wanted = frame::FRAME_HEAD_BYTES;
            let start = segment.start + open.at;
            open.at += total;
            match frame::read(content, structured) {
                Some(Content::Labels { id, labels }) => open.define(id, &labels),
                Some(Content::Line { .. }) if start < *place => {}
                Some(Content::Line { id, timestamp, line, .. }) => {
                    let Some(set) = open.set(id) else {
                        self.pass_over(segment);
                        return Ok(());
                    };
                    let (labels, tenant) = (Some(&set.labels), set.tenant.as_deref());
                    let end = segment.start + open.at;
                    each(Record { start, end, line, timestamp: Some(timestamp), labels, structured, tenant });
                }
                None => {
                    self.pass_over(segment);
                    return Ok(());
                }
            }
            *place = (*place).max(segment.start + open.at);
        }
        Ok(())
    }

    /// Goes on behind a segment of which the rest is damaged.
    fn pass_over(&mut self, segment: Segment) {
        let mut spool = self.spool.lock();
        let path = spool.path(segment);
        tracing::error!(
            "{} is damaged: {} bytes of the spool cannot be read and are lost",
            path.display(),
            segment.end.saturating_sub(self.place)
        );
        spool.turn_over();
        self.open = None;
        self.place = segment.end;
    }
}

impl Open {
    fn define(&mut self, id: u32, labels: &Labels) {
        let index = id as usize;
        // numbers are given in order, so this is no larger than what was written
        if index <= self.sets.len() {
            let tenant = labels.get(TENANT).filter(|tenant| !tenant.is_empty()).map(str::to_owned);
            let set = Some(Set { labels: relabel::public(labels), tenant });
            match self.sets.get_mut(index) {
                Some(known) => *known = set,
                None => self.sets.push(set),
            }
        }
    }

    fn set(&self, id: u32) -> Option<&Set> {
        self.sets.get(id as usize)?.as_ref()
    }
}

impl Source for Reading {
    fn read(&mut self, each: &mut dyn FnMut(Record<'_>)) -> io::Result<Progress> {
        let segment = self.spool.lock().at(self.place);
        let Some(segment) = segment else {
            self.window.clear();
            return Ok(Progress::Idle);
        };
        self.place = self.place.max(segment.start);
        self.read_segment(segment, each)?;
        if self.place < self.spool.lock().end() {
            return Ok(Progress::More);
        }
        self.window.clear();
        self.spool.read.store(self.place, Ordering::Release);
        Ok(Progress::Idle)
    }

    fn place(&self) -> u64 {
        self.place
    }
}
