//! Checks the folder of a day: every block to its last line, every filter, every stream, and what the index says of them.

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use crate::model::{Labels, TimeRange, Timestamp};
use crate::store::block::Codec;
use crate::store::check::report::{Lost, Reporter};
use crate::store::day::{Lens, from_payload};
use crate::store::error::{Error, damaged, io_error};
use crate::store::filter::Filter;
use crate::store::hole::{Hole, HoleFile};
use crate::store::index::{BlockIndex, BlockPlace, IndexView, Search};
use crate::store::layout::{BLOCKS, Day, INDEX, Layout, SKIP, STREAMS};
use crate::store::reader::OpenBlock;
use crate::store::salvage::{Piece, Salvage};
use crate::store::streams::{self, Stream, Streams};
use crate::store::words::Demands;

/// Lines of a block whose words and ids are looked for in the index.
const SAMPLES: usize = 4;

const MAKE_AGAIN: &str = "repair makes the index again from the blocks";
const DROP_BLOCK: &str = "repair drops it from the index and keeps its bytes in lost/";
const TAKE_IN: &str = "repair takes the entries in";

/// Whether an index is to be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Index {
    Good,
    MakeAgain,
}

/// Checks a day.
pub(crate) fn check(layout: &Layout, day: Day, reporter: &mut Reporter<'_>) -> Result<Index, Error> {
    let dir = layout.day(day);
    reporter.checked.day_count += 1;
    let index = dir.join(INDEX);
    let opened = catch_unwind(AssertUnwindSafe(|| open_index(&dir)));
    match opened.unwrap_or_else(|_| Err(damaged(&index, "reading it panicked"))) {
        Ok((view, lens, holes)) => {
            let mut check = DayCheck::begin(dir, view)?;
            check.blocks(reporter)?;
            check.strays(lens, &holes, reporter)?;
            check.streams(reporter);
            Ok(check.index)
        }
        Err(error) if error.is_damage() => {
            reporter.damage(&index, error.to_string(), MAKE_AGAIN);
            salvage(&dir, reporter)?;
            Ok(Index::MakeAgain)
        }
        Err(error) => Err(error),
    }
}

fn open_index(dir: &Path) -> Result<(IndexView, Lens, Vec<Hole>), Error> {
    let index = dir.join(INDEX);
    let (view, payload) = BlockIndex::read(&index)?;
    let (lens, holes) = match payload {
        None => Default::default(),
        Some(payload) => {
            from_payload(&payload).ok_or_else(|| damaged(&index, format!("its last commit says {payload:?}")))?
        }
    };
    view.check(lens.blocks, lens.skip, lens.sequence)?;
    Ok((view, lens, holes))
}

/// What is not the folder of a day, beside those that are.
pub(crate) fn check_others(layout: &Layout, reporter: &mut Reporter<'_>) -> Result<(), Error> {
    let dir = layout.days();
    for entry in fs::read_dir(&dir).map_err(io_error("list", &dir))? {
        let path = entry.map_err(io_error("list", &dir))?.path();
        let name = path.file_name().unwrap_or_default();
        let text = name.to_string_lossy();
        if Layout::parse_damaged_day(&text).is_some() {
            reporter.damage(&path, "a day that was put aside".to_owned(), TAKE_IN);
            salvage(&path, reporter)?;
        } else if Layout::is_dropped(name) {
            reporter.note(&path, "a day on its way out; the next start removes it".to_owned());
        } else if Day::parse_folder(&text).is_none() {
            reporter.note(&path, "no file of ours".to_owned());
        }
    }
    let kept: Vec<u64> = fs::read_dir(layout.lost())
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some(entry.metadata().ok()?.len()))
        .collect();
    if !kept.is_empty() {
        let bytes: u64 = kept.iter().sum();
        let what =
            format!("{} files with {bytes} bytes that were damaged; delete them when nobody wants them", kept.len());
        reporter.note(&layout.lost(), what);
    }
    Ok(())
}

/// Goes through blocks without an index.
fn salvage(dir: &Path, reporter: &mut Reporter<'_>) -> Result<(), Error> {
    let path = dir.join(BLOCKS);
    if !path.try_exists().map_err(io_error("look at", &path))? {
        let lost = Lost { entry_count: None, streams: Vec::new(), span: None };
        reporter.lost(
            &path,
            "it is missing: the lines of the day are lost".to_owned(),
            lost,
            "repair keeps the rest of it in lost/",
        );
        return Ok(());
    }
    let streams = read_streams(dir)?.0;
    walk(&mut Salvage::open(&path, Vec::new())?, &path, &streams, reporter, &mut |_, _| {})
}

/// Walks to the end; `each` gets the place and the entries of every block.
fn walk(
    salvage: &mut Salvage,
    path: &Path,
    streams: &Streams,
    reporter: &mut Reporter<'_>,
    each: &mut dyn FnMut(u64, u64),
) -> Result<(), Error> {
    while let Some(piece) = salvage.peek()? {
        let bytes = match &piece {
            Piece::Block { bytes, block } => {
                reporter.checked.block_count += 1;
                reporter.checked.entry_count += block.lead.times.len() as u64;
                each(bytes.start, block.lead.times.len() as u64);
                bytes
            }
            Piece::Lost { bytes, lead } => {
                let lost =
                    lead.as_ref().map_or(Lost { entry_count: None, streams: Vec::new(), span: None }, |lead| Lost {
                        entry_count: Some(lead.times.len() as u64),
                        streams: lead.streams.iter().map(|(number, _)| labels_of(streams, *number)).collect(),
                        span: span(lead.times.all()),
                    });
                let what = format!("the {} bytes from {} on are damaged", bytes.end - bytes.start, bytes.start);
                reporter.lost(path, what, lost, "repair keeps them in lost/");
                bytes
            }
            Piece::Zeros(bytes) => bytes,
        };
        reporter.passed(&day_name(path), bytes.end - bytes.start);
        salvage.pass(&piece);
    }
    Ok(())
}

fn day_name(path: &Path) -> String {
    path.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned()
}

fn span(times: &[i64]) -> Option<(Timestamp, Timestamp)> {
    let (min, max) = (times.iter().min()?, times.iter().max()?);
    Some((Timestamp::from_nanos(*min), Timestamp::from_nanos(*max)))
}

fn labels_of(streams: &Streams, number: u64) -> Labels {
    streams.get(&number).map_or_else(|| Stream::nameless(number).labels, |stream| stream.labels.clone())
}

fn read_streams(dir: &Path) -> Result<(Streams, Vec<std::ops::Range<u64>>), Error> {
    let path = dir.join(STREAMS);
    match fs::read(&path) {
        Ok(bytes) => Ok(streams::decode(&bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Default::default()),
        Err(error) => Err(io_error("read", &path)(error)),
    }
}

/// A day whose index can be read.
struct DayCheck {
    dir: PathBuf,
    view: IndexView,
    /// In the order in which they lie in the file.
    places: Vec<BlockPlace>,
    /// The streams that the index names for each block, by its sequence.
    streams_of: HashMap<u64, Vec<u64>>,
    streams: Streams,
    gaps: Vec<std::ops::Range<u64>>,
    codec: Codec,
    index: Index,
}

impl DayCheck {
    fn begin(dir: PathBuf, view: IndexView) -> Result<DayCheck, Error> {
        let mut places = view.search(&Search { streams: None, range: TimeRange::ALL, words: &[] })?;
        places.sort_by_key(|place| place.offset);
        let streams_of = view.streams_of()?;
        let (streams, gaps) = read_streams(&dir)?;
        Ok(DayCheck { dir, view, places, streams_of, streams, gaps, codec: Codec::new(), index: Index::Good })
    }

    fn blocks(&mut self, reporter: &mut Reporter<'_>) -> Result<(), Error> {
        let (blocks, skip) = (File::open(self.dir.join(BLOCKS)), File::open(self.dir.join(SKIP)));
        for place in self.places.clone() {
            reporter.checked.block_count += 1;
            let read = read(&blocks, place.offset, place.len);
            let name = format!("the block at byte {}", place.offset);
            let opened = read.and_then(|bytes| {
                let (lead, text) = bytes.split_at((place.lead_len as usize).min(bytes.len()));
                let decoded = catch_unwind(AssertUnwindSafe(|| OpenBlock::decode(lead, text, &mut self.codec)));
                decoded.map_err(|_| "decoding it panicked".to_owned())?.map_err(|why| why.to_string())
            });
            match opened {
                Ok(block) => {
                    reporter.checked.entry_count += place.entry_count;
                    let filter = read_filter(&skip, &place);
                    if let Err(why) = &filter {
                        let what = format!("the filter at byte {}: {why}", place.skip_offset);
                        reporter.damage(&self.dir.join(SKIP), what, "repair makes it again from its block");
                    }
                    if let Some(why) = self.disagreement(&place, &block, filter.ok().as_deref())? {
                        self.index = Index::MakeAgain;
                        reporter.damage(&self.dir.join(INDEX), format!("{name}: {why}"), MAKE_AGAIN);
                    }
                }
                Err(why) => {
                    reporter.lost(&self.dir.join(BLOCKS), format!("{name}: {why}"), self.lost(&place), DROP_BLOCK)
                }
            }
            reporter.passed(&day_name(&self.dir.join(BLOCKS)), place.len);
        }
        Ok(())
    }

    fn lost(&self, place: &BlockPlace) -> Lost {
        let numbers = self.streams_of.get(&place.sequence).into_iter().flatten();
        Lost {
            entry_count: Some(place.entry_count),
            streams: numbers.map(|number| labels_of(&self.streams, *number)).collect(),
            span: Some((Timestamp::from_nanos(place.min), Timestamp::from_nanos(place.max))),
        }
    }

    /// What the index, or a filter that can be read, says of a block that is not so.
    fn disagreement(
        &self,
        place: &BlockPlace,
        block: &OpenBlock,
        filter: Option<&[u8]>,
    ) -> Result<Option<String>, Error> {
        let (count, bytes) = (block.lead.times.len() as u64, block.lines.bytes.len() as u64);
        if (count, bytes) != (place.entry_count, place.text_bytes) {
            return Ok(Some(format!(
                "it has {count} entries of {bytes} bytes, and the index says {} of {}",
                place.entry_count, place.text_bytes
            )));
        }
        let span_of = span(block.lead.times.all()).map(|(min, max)| (min.nanos(), max.nanos()));
        if span_of != Some((place.min, place.max)) {
            return Ok(Some("its times are not those that the index says".to_owned()));
        }
        let has: BTreeSet<u64> = block.lead.streams.iter().map(|(number, _)| *number).collect();
        let named: BTreeSet<u64> = self.streams_of.get(&place.sequence).into_iter().flatten().copied().collect();
        if has != named {
            return Ok(Some("its streams are not those that the index says".to_owned()));
        }
        let step = (block.lead.times.len() / SAMPLES).max(1);
        for entry in (0..block.lead.times.len()).step_by(step) {
            if let Some(why) = self.unfindable(place, block, entry, filter)? {
                return Ok(Some(why));
            }
        }
        Ok(None)
    }

    /// Looks an entry up as a query for its whole line would.
    fn unfindable(
        &self,
        place: &BlockPlace,
        block: &OpenBlock,
        entry: usize,
        filter: Option<&[u8]>,
    ) -> Result<Option<String>, Error> {
        // with a border on both sides, so that all its words are whole
        let needle = [b"\n", block.lines.get(entry), b"\n"].concat();
        let demands = Demands::of(&needle);
        let moment = Timestamp::from_nanos(block.lead.times.at(entry));
        let stream = block.lead.streams.iter().find(|(_, entries)| entries.contains(&entry)).map(|(number, _)| *number);
        let range = TimeRange::new(moment, moment.plus_nanos(1));
        let search = Search { streams: Some(stream.as_slice()), range, words: &demands.words };
        if !self.view.search(&search)?.iter().any(|found| found.sequence == place.sequence) {
            return Ok(Some(format!("the index does not find its line {entry}")));
        }
        let decoded = filter.and_then(|bytes| Filter::decode(bytes).ok());
        let missed = decoded.is_some_and(|filter| !demands.ids.iter().all(|id| filter.may_have(id)));
        Ok(missed.then(|| format!("its filter rules out its line {entry}")))
    }

    /// Looks at what lies between the blocks that the index knows.
    fn strays(&mut self, lens: Lens, holes: &[Hole], reporter: &mut Reporter<'_>) -> Result<(), Error> {
        let path = self.dir.join(BLOCKS);
        if self.places.is_empty() || !path.exists() {
            return Ok(());
        }
        let known = self.places.iter().map(|place| place.offset..place.offset + place.len);
        let holes = holes.iter().filter(|hole| hole.file == HoleFile::Blocks);
        // behind the last commit lies what a crash left: the log has it
        let skipped = known
            .chain(holes.map(|hole| hole.offset..hole.offset + hole.len))
            .chain(std::iter::once(lens.blocks..u64::MAX));
        let mut salvage = Salvage::open(&path, skipped.collect())?;
        let mut found = Vec::new();
        while let Some(piece) = salvage.peek()? {
            match &piece {
                Piece::Block { bytes, block } => found.push((bytes.start, block.lead.times.len())),
                Piece::Lost { bytes, .. } => {
                    let what = format!("{} bytes at {} belong to no block", bytes.end - bytes.start, bytes.start);
                    reporter.note(&path, what);
                }
                Piece::Zeros(_) => {}
            }
            salvage.pass(&piece);
        }
        for (start, count) in found {
            self.index = Index::MakeAgain;
            reporter.damage(
                &path,
                format!("the index does not know the block at byte {start}, of {count} entries"),
                TAKE_IN,
            );
        }
        Ok(())
    }

    fn streams(&self, reporter: &mut Reporter<'_>) {
        let path = self.dir.join(STREAMS);
        for gap in &self.gaps {
            let what = format!("the {} bytes from {} on are damaged", gap.end - gap.start, gap.start);
            reporter.damage(&path, what, "repair writes the labels again that are known");
        }
        let used: BTreeSet<u64> = self.streams_of.values().flatten().copied().collect();
        let nameless: Vec<&u64> = used.iter().filter(|number| !self.streams.contains_key(number)).collect();
        if !nameless.is_empty() {
            let numbers: Vec<String> = nameless.iter().take(5).map(|number| format!("{number:016x}")).collect();
            let what = format!("the labels of {} streams are missing: {}", nameless.len(), numbers.join(", "));
            let cure = "repair takes them from other days, or shows the lines as {logcafe_recovered=\"<number>\"}";
            reporter.damage(&path, what, cure);
        }
    }
}

fn read(file: &std::io::Result<File>, at: u64, len: u64) -> Result<Vec<u8>, String> {
    let file = file.as_ref().map_err(ToString::to_string)?;
    let end = file.metadata().map_err(|error| error.to_string())?.len();
    if at.checked_add(len).is_none_or(|stop| stop > end) {
        return Err(format!("the file ends at byte {end}"));
    }
    let mut bytes = vec![0; len as usize];
    file.read_exact_at(&mut bytes, at).map_err(|error| error.to_string())?;
    Ok(bytes)
}

fn read_filter(skip: &std::io::Result<File>, place: &BlockPlace) -> Result<Vec<u8>, String> {
    let bytes = read(skip, place.skip_offset, place.skip_len)?;
    Filter::decode(&bytes).map_err(|why| why.to_string())?;
    Ok(bytes)
}
