//! The folder of one day: block and filter files, the day's streams, and the index over them.
//!
//! Promises: what `commit` and `replace` returned for is durable; bytes behind the last commit are cut off when the folder
//! is opened, and those of replaced blocks are erased then at the latest.
//! Never: unsealed entries, and no order between days.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use crate::model::Labels;
use crate::store::block::bytes::Malformed;
use crate::store::error::{Error, damaged, io_error};
use crate::store::fault;
use crate::store::hole::{self, Hole, HoleFile};
use crate::store::index::{BlockIndex, BlockPlace, BlockWords, IndexView, NewBlock};
use crate::store::layout::{BLOCKS, Day, INDEX, Layout, SKIP, STREAMS};
use crate::store::lost;
use crate::store::streams::{self, Stream, StreamFile, Streams};
use crate::store::wal::sync_dir;

/// Early blocks of a day have no words in the index where those are more than this part of them.
const BLOCK_BYTES_PER_WORD_BYTE: usize = 64;

/// A sealed block that is written but not committed yet: what the index will say of it, in memory.
#[derive(Debug)]
pub(crate) struct FreshBlock {
    pub(crate) place: BlockPlace,
    pub(crate) streams: Vec<u64>,
    pub(crate) words: BlockWords,
    /// The bytes of its filter.
    pub(crate) filter: Vec<u8>,
}

/// A block's bytes on their way into the files.
#[derive(Debug)]
pub(crate) struct SealedBlock {
    pub(crate) bytes: Vec<u8>,
    pub(crate) lead_len: usize,
    /// Whether the text became columns.
    pub(crate) has_columns: bool,
    pub(crate) filter: Vec<u8>,
    pub(crate) streams: Vec<u64>,
    pub(crate) words: BlockWords,
    pub(crate) min: i64,
    pub(crate) max: i64,
    pub(crate) entry_count: usize,
    pub(crate) text_bytes: usize,
}

/// A committed block that loses entries, and what is left of it, if anything.
#[derive(Debug)]
pub(crate) struct Replacement {
    pub(crate) old: BlockPlace,
    pub(crate) new: Option<SealedBlock>,
}

/// An open day.
#[derive(Debug)]
pub(crate) struct DayFolder {
    pub(crate) day: Day,
    /// Another one for each time a folder is opened, so that what is remembered of one is not taken for another's.
    pub(crate) generation: u64,
    dir: PathBuf,
    /// Where blocks begin to have words in the index.
    wordless_bytes: u64,
    blocks: File,
    skip: File,
    streams: RwLock<Arc<Streams>>,
    writer: Mutex<Writer>,
}

#[derive(Debug)]
struct Writer {
    lens: Lens,
    /// What replaced blocks left behind and is not erased yet.
    holes: Vec<Hole>,
    streams_file: StreamFile,
    index: BlockIndex,
    /// A sync failed: the system may take what was not written for written, so nothing is committed any more. The next
    /// start cuts it off, and takes it from the write-ahead log again.
    unsure: bool,
}

/// How much of each data file is in use, and how many blocks were ever sealed into the day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lens {
    pub(crate) blocks: u64,
    pub(crate) skip: u64,
    /// What lies behind that may be whole: a stream's labels are true without a block of it.
    pub(crate) streams: u64,
    pub(crate) sequence: u64,
}

impl Writer {
    /// The payload of a commit. Tantivy's own file of facts has no checksum, and this says where data files are cut.
    fn payload(&self) -> String {
        let Lens { blocks, skip, streams, sequence } = self.lens;
        let mut payload = format!("blocks={blocks} skip={skip} streams={streams} sequence={sequence}");
        if !self.holes.is_empty() {
            payload.push_str(&format!(" holes={}", hole::print(&self.holes)));
        }
        let check = crc32fast::hash(payload.as_bytes());
        payload.push_str(&format!("{CHECK}{check:08x}"));
        payload
    }
}

/// Before the checksum at the end of a payload.
const CHECK: &str = " check=";

/// What a commit says; `None` where it makes no sense.
pub(crate) fn from_payload(payload: &str) -> Option<(Lens, Vec<Hole>)> {
    let (mut lens, mut holes) = (Lens::default(), Vec::new());
    let (facts, check) = payload.rsplit_once(CHECK)?;
    if u32::from_str_radix(check, 16) != Ok(crc32fast::hash(facts.as_bytes())) {
        return None;
    }
    for part in facts.split(' ') {
        let (name, value) = part.split_once('=')?;
        match name {
            "blocks" => lens.blocks = value.parse().ok()?,
            "skip" => lens.skip = value.parse().ok()?,
            "streams" => lens.streams = value.parse().ok()?,
            "sequence" => lens.sequence = value.parse().ok()?,
            "holes" => holes = hole::parse(value)?,
            _ => return None,
        }
    }
    Some((lens, holes))
}

impl DayFolder {
    /// Opens the folder of a day, or makes it, and cuts off what was written after the last commit.
    pub(crate) fn open(day: Day, dir: &Path, wordless_bytes: u64) -> Result<(DayFolder, IndexView), Error> {
        static GENERATIONS: AtomicU64 = AtomicU64::new(0);
        fs::create_dir_all(dir).map_err(io_error("create", dir))?;
        let index_dir = dir.join(INDEX);
        let has_blocks = fs::metadata(dir.join(BLOCKS)).is_ok_and(|blocks| blocks.len() > 0);
        if has_blocks && !BlockIndex::exists(&index_dir) {
            return Err(damaged(&index_dir, "there are blocks, and the index over them is gone"));
        }
        let (index, payload) = BlockIndex::open(&dir.join(INDEX))?;
        let (lens, holes) = match payload {
            None => (Lens::default(), Vec::new()),
            Some(payload) => from_payload(&payload)
                .ok_or_else(|| damaged(&dir.join(INDEX), format!("its last commit says {payload:?}")))?,
        };
        let view = index.view();
        // before anything is cut off by what it says
        view.check(lens.blocks, lens.skip, lens.sequence)?;
        let blocks = open_cut(&dir.join(BLOCKS), lens.blocks)?;
        let skip = open_cut(&dir.join(SKIP), lens.skip)?;
        let (streams_file, mut streams) = StreamFile::open(&dir.join(STREAMS), lens.streams)?;
        sync_dir(dir)?;
        dir.parent().map_or(Ok(()), sync_dir)?;
        view.spans(|number, min, max| {
            streams.entry(number).or_insert_with(|| Stream::nameless(number)).cover(min, max)
        })?;
        let folder = DayFolder {
            day,
            generation: GENERATIONS.fetch_add(1, Ordering::Relaxed),
            dir: dir.to_owned(),
            wordless_bytes,
            blocks,
            skip,
            streams: RwLock::new(Arc::new(streams)),
            writer: Mutex::new(Writer { lens, holes: Vec::new(), streams_file, index, unsure: false }),
        };
        folder.erase(&holes)?;
        Ok((folder, view))
    }

    /// The streams as they are now.
    pub(crate) fn streams(&self) -> Arc<Streams> {
        self.streams.read().expect("no thread panics while it holds this lock").clone()
    }

    /// The number of a stream, given out at first sight.
    pub(crate) fn stream_number(&self, labels: &Labels) -> u64 {
        if let Some(number) = streams::find(&self.streams(), labels) {
            return number;
        }
        // looked up again: another thread may have been quicker
        let mut streams = self.streams.write().expect("no thread panics while it holds this lock");
        streams::find(&streams, labels).unwrap_or_else(|| streams::add(Arc::make_mut(&mut streams), labels))
    }

    /// The streams whose labels could not be read.
    pub(crate) fn nameless(&self) -> Vec<u64> {
        let streams = self.streams();
        streams.iter().filter(|(number, stream)| stream.is_nameless(**number)).map(|(number, _)| *number).collect()
    }

    /// Writes a block behind the others. It is durable after the next commit.
    pub(crate) fn write(&self, block: SealedBlock) -> Result<FreshBlock, Error> {
        let mut writer = self.lock_writer();
        let sequence = writer.lens.sequence;
        let fresh = self.write_as(&mut writer, block, sequence)?;
        writer.lens.sequence += 1;
        Ok(fresh)
    }

    fn lock_writer(&self) -> MutexGuard<'_, Writer> {
        // what is in use grows only when all of a block is written
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_as(&self, writer: &mut Writer, block: SealedBlock, sequence: u64) -> Result<FreshBlock, Error> {
        let lens = writer.lens;
        self.write_streams(writer, &block)?;
        let written = fault::write("blocks.write", &block.bytes, |bytes| self.blocks.write_all_at(bytes, lens.blocks));
        written.map_err(io_error("write", &self.dir.join(BLOCKS)))?;
        let written = fault::write("skip.write", &block.filter, |bytes| self.skip.write_all_at(bytes, lens.skip));
        written.map_err(io_error("write", &self.dir.join(SKIP)))?;
        let place = BlockPlace {
            min: block.min,
            max: block.max,
            entry_count: block.entry_count as u64,
            text_bytes: block.text_bytes as u64,
            offset: lens.blocks,
            len: block.bytes.len() as u64,
            lead_len: block.lead_len as u64,
            skip_offset: lens.skip,
            skip_len: block.filter.len() as u64,
            sequence,
        };
        writer.lens.blocks += place.len;
        writer.lens.skip += place.skip_len;
        let are_many = block.words.text_bytes() * BLOCK_BYTES_PER_WORD_BYTE > block.bytes.len();
        let is_early = place.offset < self.wordless_bytes;
        let words = if are_many && is_early { BlockWords::Opaque } else { block.words };
        Ok(FreshBlock { place, streams: block.streams, words, filter: block.filter })
    }

    /// Appends the labels of the block's streams that are not in the file, and notes the block's span for all.
    fn write_streams(&self, writer: &mut Writer, block: &SealedBlock) -> Result<(), Error> {
        let mut streams = self.streams.write().expect("no thread panics while it holds this lock");
        let streams = Arc::make_mut(&mut streams);
        writer.streams_file.append(streams, &block.streams)?;
        writer.lens.streams = writer.streams_file.end();
        block.streams.iter().for_each(|number| {
            if let Some(stream) = streams.get_mut(number) {
                stream.cover(block.min, block.max);
            }
        });
        Ok(())
    }

    /// Makes written blocks durable and puts them into the index. Gives the index's new state.
    pub(crate) fn commit(&self, blocks: &[Arc<FreshBlock>]) -> Result<IndexView, Error> {
        self.commit_with(&mut self.lock_writer(), blocks, &[])
    }

    fn commit_with(
        &self,
        writer: &mut Writer,
        blocks: &[Arc<FreshBlock>],
        replaced: &[u64],
    ) -> Result<IndexView, Error> {
        if writer.unsure {
            return Err(damaged(
                &self.dir,
                "a sync failed; restart to take its entries from the write-ahead log again",
            ));
        }
        let files = [
            (&self.blocks, BLOCKS, "blocks.sync"),
            (&self.skip, SKIP, "skip.sync"),
            (writer.streams_file.file(), STREAMS, "streams.sync"),
        ];
        let sync = |file: &File, point| fault::at(point).and_then(|()| file.sync_data());
        let failed = files.into_iter().find_map(|(file, name, point)| Some((sync(file, point).err()?, name)));
        if let Some((error, name)) = failed {
            writer.unsure = true;
            return Err(io_error("sync", &self.dir.join(name))(error));
        }
        let new: Vec<NewBlock<'_>> = blocks
            .iter()
            .map(|block| NewBlock { place: block.place, streams: &block.streams, words: &block.words })
            .collect();
        let payload = writer.payload();
        writer.index.commit(&new, replaced, &payload)?;
        Ok(writer.index.view())
    }

    /// Puts what is left of committed blocks into their place, in one durable commit. Gives the index's new state, and
    /// the holes that are to be erased once nobody reads the old blocks any more.
    pub(crate) fn replace(&self, replacements: Vec<Replacement>) -> Result<(IndexView, Vec<Hole>), Error> {
        let mut writer = self.lock_writer();
        let (mut fresh, mut replaced, mut holes) = (Vec::new(), Vec::new(), Vec::new());
        for Replacement { old, new } in replacements {
            if let Some(new) = new {
                match self.write_as(&mut writer, new, old.sequence) {
                    Ok(block) => fresh.push(Arc::new(block)),
                    Err(error) => {
                        // what was written of the others belongs to no block
                        let unused = fresh.iter().flat_map(|block: &Arc<FreshBlock>| holes_of(&block.place));
                        writer.holes.extend(unused);
                        return Err(error);
                    }
                }
            }
            replaced.push(old.sequence);
            holes.extend(holes_of(&old));
        }
        let known = writer.holes.len();
        writer.holes.extend_from_slice(&holes);
        match self.commit_with(&mut writer, &fresh, &replaced) {
            Ok(view) => Ok((view, holes)),
            Err(error) => {
                // the old blocks are still there to be read
                writer.holes.truncate(known);
                Err(error)
            }
        }
    }

    /// Erases what replaced blocks left behind.
    pub(crate) fn erase(&self, holes: &[Hole]) -> Result<(), Error> {
        for hole in holes {
            let (file, name) = match hole.file {
                HoleFile::Blocks => (&self.blocks, BLOCKS),
                HoleFile::Skip => (&self.skip, SKIP),
            };
            fault::at("hole.erase")
                .and_then(|()| hole.erase(file))
                .map_err(io_error("erase a part of", &self.dir.join(name)))?;
        }
        // the next commit syncs the files before it forgets the holes
        self.lock_writer().holes.retain(|hole| !holes.contains(hole));
        Ok(())
    }

    /// Writes the labels again where that is needed; damaged bytes are kept before.
    pub(crate) fn mend_streams(&self, layout: &Layout) -> Result<(), Error> {
        let mut writer = self.lock_writer();
        let mut streams = self.streams.write().expect("no thread panics while it holds this lock");
        if let Some(damaged) = writer.streams_file.damaged_bytes()? {
            lost::keep(layout, &format!("{}-{STREAMS}", self.day.folder()), &damaged)?;
        }
        writer.streams_file.mend(Arc::make_mut(&mut streams))?;
        drop(streams);
        if writer.lens.streams != writer.streams_file.end() {
            writer.lens.streams = writer.streams_file.end();
            self.commit_with(&mut writer, &[], &[])?;
        }
        Ok(())
    }

    /// The bytes of a block, as far as they are there.
    pub(crate) fn read_what_is_there(&self, place: &BlockPlace) -> Result<Vec<u8>, Error> {
        let path = self.dir.join(BLOCKS);
        let end = self.blocks.metadata().map_err(io_error("look at", &path))?.len();
        let len = place.len.min(end.saturating_sub(place.offset));
        let mut bytes = vec![0; len as usize];
        self.blocks.read_exact_at(&mut bytes, place.offset).map_err(io_error("read", &path))?;
        Ok(bytes)
    }

    /// Removes the words of replaced blocks from the index's files.
    pub(crate) fn purge(&self) -> Result<(), Error> {
        self.lock_writer().index.purge()
    }

    /// Finds out anew which span each stream has in sealed blocks: those of `view`, and `fresh` ones.
    pub(crate) fn measure_streams(&self, view: &IndexView, fresh: &[Arc<FreshBlock>]) -> Result<(), Error> {
        let mut streams = self.streams.write().expect("no thread panics while it holds this lock");
        let mut measured = Streams::clone(&streams);
        measured.values_mut().for_each(|stream| stream.sealed = None);
        let mut cover = |number, min, max| {
            if let Some(stream) = measured.get_mut(&number) {
                stream.cover(min, max);
            }
        };
        view.spans(&mut cover)?;
        for block in fresh {
            block.streams.iter().for_each(|number| cover(*number, block.place.min, block.place.max));
        }
        *streams = Arc::new(measured);
        Ok(())
    }

    /// Frees what writing needs, after a time without any.
    pub(crate) fn rest(&self) -> Result<(), Error> {
        self.lock_writer().index.rest()
    }

    /// The bytes `from..to` of a block.
    pub(crate) fn read_block(&self, place: &BlockPlace, from: u64, to: u64) -> Result<Vec<u8>, Error> {
        let mut bytes = vec![0; (to - from) as usize];
        let read = self.blocks.read_exact_at(&mut bytes, place.offset + from);
        read.map_err(io_error("read", &self.dir.join(BLOCKS)))?;
        Ok(bytes)
    }

    /// The bytes of a block's filter.
    pub(crate) fn read_filter(&self, place: &BlockPlace) -> Result<Vec<u8>, Error> {
        let mut bytes = vec![0; place.skip_len as usize];
        let read = self.skip.read_exact_at(&mut bytes, place.skip_offset);
        read.map_err(io_error("read", &self.dir.join(SKIP)))?;
        Ok(bytes)
    }

    /// Names the file of a block whose bytes make no sense.
    pub(crate) fn damaged_block(&self, place: &BlockPlace, why: Malformed) -> Error {
        damaged(&self.dir.join(BLOCKS), format!("the block at byte {}: {why}", place.offset))
    }

    pub(crate) fn damaged_filter(&self, place: &BlockPlace, why: Malformed) -> Error {
        damaged(&self.dir.join(SKIP), format!("the filter at byte {}: {why}", place.skip_offset))
    }
}

/// What a block leaves behind that is not needed any more.
fn holes_of(place: &BlockPlace) -> [Hole; 2] {
    [
        Hole { file: HoleFile::Blocks, offset: place.offset, len: place.len },
        Hole { file: HoleFile::Skip, offset: place.skip_offset, len: place.skip_len },
    ]
}

/// Opens a data file for reading and writing, with `len` bytes in use.
fn open_cut(path: &Path, len: u64) -> Result<File, Error> {
    let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).to_owned();
    let file = options.open(path).map_err(io_error("open", path))?;
    let found = file.metadata().map_err(io_error("look at", path))?.len();
    if found < len {
        // what is there stays readable; reading what is not gives an error that names the place
        tracing::error!(path = %path.display(), found, known = len, "a data file is shorter than its index says");
    }
    if found > len {
        file.set_len(len).map_err(io_error("cut", path))?;
    }
    Ok(file)
}
