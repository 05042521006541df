//! Removal: single entries leave the sealed blocks that hold them.
//!
//! Promises: a block is written again only when it loses an entry, keeps its place among the others, and holds nothing of
//! what left it, neither text nor metadata. Never: unsealed entries; who decides what goes.

use std::sync::{Arc, Mutex};

use crate::store::block::{Codec, Content};
use crate::store::day::{DayFolder, Replacement};
use crate::store::error::Error;
use crate::store::hole::Hole;
use crate::store::needle::TextTests;
use crate::store::reader::{BlockReader, OpenBlock};
use crate::store::seal::Sealer;
use crate::store::select::{Readers, Row, Selection};

/// What a removal did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    pub entry_count: u64,
    pub line_bytes: u64,
    /// Blocks that cannot be read: what they hold, nobody can see, and is not removed.
    pub unreadable_count: u64,
}

/// Decides about an entry: whether it goes.
pub(crate) type Judge<'j> = dyn FnMut(&Row<'_>) -> bool + 'j;

/// Writes blocks again without some of their entries, one after another, in memory that it keeps.
#[derive(Debug)]
pub(crate) struct Pruner {
    sealer: Sealer,
    codec: Codec,
}

impl Pruner {
    pub(crate) fn new() -> Pruner {
        Pruner { sealer: Sealer::new(), codec: Codec::new() }
    }

    /// Takes the entries out of a block that are selected and judged so. `None` where there are none, or where the block
    /// cannot be read: its lines are lost anyway, and keep no others from being removed.
    pub(crate) fn prune(
        &mut self,
        reader: &BlockReader<'_>,
        selection: &Selection,
        judge: &mut Judge<'_>,
        removed: &mut Removed,
    ) -> Result<Option<Replacement>, Error> {
        let block = match reader.open(&mut self.codec) {
            Ok(block) => block,
            Err(error) if error.is_damage() => {
                tracing::error!(%error, "a block cannot be read; entries of it that were to be removed stay in it");
                removed.unreadable_count += 1;
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let tests = TextTests::of(selection);
        let mut goes = vec![false; block.lead.times.len()];
        for (stream_index, stream, entries) in reader.runs(&block.lead, selection.range) {
            for entry in entries {
                let row = block.row(entry, stream_index, stream).map_err(|why| reader.damaged(why))?;
                let selected = tests.pass(row.line.as_bytes());
                if selected && judge(&row) {
                    goes[entry] = true;
                    removed.entry_count += 1;
                    removed.line_bytes += row.line_bytes as u64;
                }
            }
        }
        if !goes.contains(&true) {
            return Ok(None);
        }
        let old = *reader.place;
        let new = goes.contains(&false).then(|| self.sealer.seal_again(|content| keep(content, &block, &goes)));
        Ok(Some(Replacement { old, new }))
    }
}

/// Fills a block's content with the entries that stay.
pub(crate) fn keep(content: &mut Content, block: &OpenBlock, goes: &[bool]) {
    // metadata that only removed entries had must go with them
    let mut numbers = vec![None; block.lead.sets.len()];
    for (number, entries) in &block.lead.streams {
        let before = content.times.len();
        for entry in entries.clone().filter(|entry| !goes[*entry]) {
            let set = block.lead.set_of(entry);
            let number = *numbers[set].get_or_insert_with(|| {
                content.sets.push(block.lead.sets[set].clone());
                content.sets.len() as u32 - 1
            });
            content.times.push(block.lead.times.at(entry));
            content.set_of.push(number);
            let text = block.lines.get(entry);
            content.text_lengths.push(text.len() as u32);
            content.text.extend_from_slice(text);
        }
        let count = content.times.len() - before;
        if count > 0 {
            content.streams.push((*number, count));
        }
    }
}

/// Holes that are made once nobody reads the blocks that were there.
#[derive(Debug, Default)]
pub(crate) struct Unread(Mutex<Vec<Waiting>>);

#[derive(Debug)]
struct Waiting {
    readers: Readers,
    folder: Arc<DayFolder>,
    holes: Vec<Hole>,
}

impl Unread {
    pub(crate) fn push(&self, readers: Readers, folder: Arc<DayFolder>, holes: Vec<Hole>) {
        self.0.lock().expect("no thread panics while it holds this lock").push(Waiting { readers, folder, holes });
    }

    /// Erases what nobody reads any more. A hole that cannot be made stays known to its folder, for the next start.
    pub(crate) fn erase(&self) {
        // whoever reads an earlier state of a folder may read what a later removal replaced, too: holes are made in order
        let mut read: Vec<Arc<DayFolder>> = Vec::new();
        let mut waiting = self.0.lock().expect("no thread panics while it holds this lock");
        waiting.retain(|Waiting { readers, folder, holes }| {
            // readers of later states hold other tokens, so the count only falls
            if Arc::strong_count(readers) > 1 || read.iter().any(|other| Arc::ptr_eq(other, folder)) {
                read.push(folder.clone());
                return true;
            }
            if let Err(error) = folder.erase(holes) {
                tracing::error!(%error, "the bytes of removed entries cannot be erased now; the next start tries again");
            }
            false
        });
    }
}
