//! Which entries of a stream are sealed already: looked up for late entries, which may be sent a second time.
//!
//! Promises: an entry that is in a sealed block, or in a buffer that waits to be sealed, is recognised; what cannot be
//! read any more is not: an entry that comes again is then stored again, and heals the damage.
//! It keeps the identities of the blocks that were asked about last, because a client that sends again sends in a row.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, OnceLock};

use crate::model::{Direction, Labels, TimeRange};
use crate::store::head::{Identities, Slot, identity, print_of};
use crate::store::select::{Chunk, Need, Row, Visited};
use crate::store::streams::{self, Streams};

/// Blocks whose identities are kept: about 80 KiB each.
const BLOCKS_MAX: usize = 64;

/// A block, by the generation of its folder and its place there.
type Key = (u64, u64);

/// Remembers the identities of recently asked blocks.
#[derive(Debug, Default)]
pub(crate) struct BlockIdentities {
    recent: Mutex<Recent>,
}

/// The entries of a block, of all its streams: clients that send again do so for hundreds of them in a row.
#[derive(Debug)]
struct Known {
    /// Sorted. Most entries that are late are not there twice, and their time tells.
    times: Vec<i64>,
    /// With their streams. Made when first asked for: that takes reading all lines.
    identities: OnceLock<Identities>,
}

#[derive(Debug, Default)]
struct Recent {
    sets: HashMap<Key, (u64, Arc<Known>)>,
    /// Counts the questions; the number beside a set is when it was asked last.
    clock: u64,
}

/// The sealed entries of one stream on one day: waiting buffers, and blocks that have entries of it.
#[derive(Debug)]
pub(crate) struct SealedStream {
    /// Of the day's folder.
    pub(crate) generation: u64,
    pub(crate) stream: u64,
    pub(crate) waiting: Vec<Arc<Slot>>,
    /// By place: the blocks that have lines of it, selected for all lines.
    pub(crate) blocks: Vec<(u64, Chunk)>,
    /// Of the day.
    pub(crate) streams: Arc<Streams>,
}

impl BlockIdentities {
    /// Whether an entry of this time and identity is among the sealed ones.
    pub(crate) fn has(&self, sealed: &SealedStream, time: i64, wanted: impl Fn() -> u64) -> bool {
        let in_slot = |slot: &Arc<Slot>| {
            slot.read().expect("no thread panics while it holds this lock").has_identity(time, &wanted)
        };
        let in_block = |(offset, chunk): &(u64, Chunk)| {
            if time < chunk.min.nanos() || chunk.max.nanos() < time {
                return false;
            }
            let known = self.of((sealed.generation, *offset), chunk);
            if known.times.binary_search(&time).is_err() {
                return false;
            }
            let wanted = in_stream(wanted(), sealed.stream);
            if let Some(identities) = known.identities.get() {
                return identities.contains(&wanted);
            }
            let (identities, is_whole) = identities_of(chunk, &sealed.streams);
            let found = identities.contains(&wanted);
            if is_whole {
                // another may have been quicker, with the same
                known.identities.set(identities).ok();
            }
            found
        };
        sealed.waiting.iter().any(in_slot) || sealed.blocks.iter().any(in_block)
    }

    fn of(&self, key: Key, chunk: &Chunk) -> Arc<Known> {
        let mut recent = self.lock();
        recent.clock += 1;
        let clock = recent.clock;
        if let Some((asked, known)) = recent.sets.get_mut(&key) {
            *asked = clock;
            return known.clone();
        }
        drop(recent);
        let mut times = Vec::new();
        let is_whole = each_row(chunk, Need::Times, |row| times.push(row.timestamp.nanos()));
        times.sort_unstable();
        let known = Arc::new(Known { times, identities: OnceLock::new() });
        if !is_whole {
            // it may be readable the next time
            return known;
        }
        let mut recent = self.lock();
        if recent.sets.len() >= BLOCKS_MAX {
            let oldest = recent.sets.iter().min_by_key(|(_, (asked, _))| *asked).map(|(key, _)| *key);
            oldest.map(|key| recent.sets.remove(&key));
        }
        recent.sets.insert(key, (clock, known.clone()));
        known
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Recent> {
        self.recent.lock().expect("no thread panics while it holds this lock")
    }
}

/// An identity among those of other streams.
fn in_stream(identity: u64, stream: u64) -> u64 {
    identity ^ stream.rotate_left(17).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// The identities of a block, and whether all of it could be read.
fn identities_of(chunk: &Chunk, streams: &Streams) -> (Identities, bool) {
    let mut identities = Identities::default();
    let mut last: Option<(Labels, u64)> = None;
    let mut last_stream: Option<(usize, u64)> = None;
    let is_whole = each_row(chunk, Need::Lines, |row| {
        let print = match &last {
            Some((metadata, print)) if metadata.is_same(row.metadata) => *print,
            _ => last.insert((row.metadata.clone(), print_of(row.metadata))).1,
        };
        let stream = match last_stream {
            Some((index, stream)) if index == row.stream_index => stream,
            _ => last_stream.insert((row.stream_index, streams::number_of(streams, row.stream))).1,
        };
        identities.insert(in_stream(identity(row.timestamp.nanos(), row.line.as_bytes(), print), stream));
    });
    (identities, is_whole)
}

/// Reads as much of a block as is needed; what cannot be read is left out. Whether nothing was.
fn each_row(chunk: &Chunk, need: Need, mut each: impl FnMut(&Row<'_>)) -> bool {
    let all = Visited { need, ..chunk.all_within(TimeRange::ALL, Direction::Forward) };
    let read = chunk.visit_some(&all, &mut |row| {
        each(&row);
        ControlFlow::Continue(())
    });
    if let Err(error) = &read {
        tracing::error!(%error, "lines that come again cannot be held against a block");
    }
    read.is_ok()
}
