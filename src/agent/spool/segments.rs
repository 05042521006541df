//! The segments of one spool: files that are named by the place where they begin, the last of which is written to.
//!
//! Promises: what was appended outlives a kill of the agent; what a write left by half is cut off; nothing is removed
//! that was not answered for.

use std::collections::{HashMap, VecDeque};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use crate::agent::spool::Received;
use crate::agent::spool::frame::{self, Content, Look, SEGMENT_HEAD, TimeOf};
use crate::model::{Labels, Timestamp};

const SUFFIX: &str = ".spool";
/// Label sets that are remembered of a segment: with more, another one is begun, so that memory stays bounded.
const LABELS_MAX: usize = 4096;
/// Memory that a large entry took beyond this is let go.
const BUFFER_KEPT_BYTES: usize = 1 << 20;
/// The last segment goes too when all of it was answered for and nobody wrote to it for so long,
const IDLE: Duration = Duration::from_secs(10);
/// or it is as large as this.
const IDLE_BYTES: u64 = 256 << 10;
/// About what a line takes besides its text.
const LINE_BYTES: usize = 32;

/// One file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::agent::spool) struct Segment {
    pub(in crate::agent::spool) start: u64,
    /// Where what is whole ends.
    pub(in crate::agent::spool) end: u64,
}

/// All of them, in order, without gaps but for what was lost.
#[derive(Debug)]
pub(in crate::agent::spool) struct Segments {
    folder: PathBuf,
    bytes_per_segment: u64,
    /// The bytes of all spools together.
    total: Arc<AtomicU64>,
    all: VecDeque<Segment>,
    /// Where the next frame begins.
    end: u64,
    /// Writes to the last of them; `None` where the next one is yet to begin.
    writer: Option<Writer>,
    /// Written to since it was synced.
    unsynced: Vec<Arc<File>>,
    is_folder_unsynced: bool,
    /// The last time that this spool gave a line.
    last: Timestamp,
    wrote: Instant,
    buffer: Vec<u8>,
    is_closed: bool,
}

#[derive(Debug)]
struct Writer {
    file: Arc<File>,
    start: u64,
    ids: HashMap<Labels, u32>,
    /// The set that was used last, which mostly is the next one too.
    recent: Option<(Labels, u32)>,
}

impl Segments {
    /// Opens what is there, and cuts off what a kill left by half. All before `place` was answered for.
    pub(in crate::agent::spool) fn open(
        folder: &Path,
        bytes_per_segment: u64,
        total: &Arc<AtomicU64>,
        place: u64,
    ) -> io::Result<Segments> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let mut all = find(folder)?;
        let mut last = Timestamp::from_nanos(0);
        // a kill may have come between the making of a file and its first frame
        while let Some(segment) = all.back_mut() {
            let path = path_of(folder, segment.start);
            (segment.end, last) = check(&path, segment.start)?;
            keep_damaged(&path, segment.end - segment.start)?;
            if segment.end > segment.start + SEGMENT_HEAD.len() as u64 {
                OpenOptions::new().write(true).open(&path)?.set_len(segment.end - segment.start)?;
                break;
            }
            fs::remove_file(&path)?;
            all.pop_back();
        }
        let end = all.back().map_or(place, |segment| segment.end.max(place));
        total.fetch_add(all.iter().map(|segment| segment.end - segment.start).sum(), Ordering::Relaxed);
        let mut segments = Segments {
            folder: folder.to_owned(),
            bytes_per_segment,
            total: Arc::clone(total),
            all,
            end,
            // label sets of the last one are not known, so another one is begun
            writer: None,
            unsynced: Vec::new(),
            is_folder_unsynced: true,
            last,
            wrote: Instant::now(),
            buffer: Vec::new(),
            is_closed: false,
        };
        segments.remove_before(place);
        Ok(segments)
    }

    pub(in crate::agent::spool) fn end(&self) -> u64 {
        self.end
    }

    pub(in crate::agent::spool) fn path(&self, segment: Segment) -> PathBuf {
        path_of(&self.folder, segment.start)
    }

    /// The segment that a place is in, else the first one behind it.
    pub(in crate::agent::spool) fn at(&self, place: u64) -> Option<Segment> {
        let index = self.all.partition_point(|segment| segment.end <= place);
        self.all.get(index).copied()
    }

    /// Where what is left begins.
    pub(in crate::agent::spool) fn start(&self) -> u64 {
        self.all.front().map_or(self.end, |segment| segment.start)
    }

    /// Adds lines; all of them or, where it fails, none.
    pub(in crate::agent::spool) fn append(&mut self, lines: &[Received<'_>], bytes_max: u64) -> Result<(), Refused> {
        if self.is_closed {
            return Err(Refused::Closed);
        }
        self.check_room(lines, bytes_max)?;
        let writer = match self.writer.take() {
            Some(writer) if !self.is_full(&writer) => writer,
            Some(_) | None => self.begin_segment()?,
        };
        let writer = self.writer.insert(writer);
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        let mut last = self.last;
        let now = Timestamp::from(SystemTime::now());
        for line in lines {
            let id = writer.id_of(line.labels, &mut buffer);
            let time = match line.timestamp {
                Some(timestamp) => (timestamp, TimeOf::Sender),
                None => {
                    last = now.max(last.plus_nanos(1));
                    (last, TimeOf::Spool)
                }
            };
            frame::push_line(&mut buffer, id, time, line.structured, line.line);
        }
        let result = self.write(&buffer);
        if result.is_ok() {
            self.last = last;
        } else {
            // the numbers of label sets in it were not written
            self.writer = None;
        }
        if buffer.capacity() <= BUFFER_KEPT_BYTES {
            self.buffer = buffer;
        }
        result
    }

    fn is_full(&self, writer: &Writer) -> bool {
        self.end - writer.start >= self.bytes_per_segment || writer.ids.len() >= LABELS_MAX
    }

    fn check_room(&self, lines: &[Received<'_>], bytes_max: u64) -> Result<(), Refused> {
        let bytes: u64 = lines.iter().map(|line| (line.line.len() + LINE_BYTES) as u64).sum();
        let left = bytes_max.saturating_sub(self.total.load(Ordering::Relaxed));
        // what is larger than half of all may go beyond the bound, or it would never find room
        if left < bytes.min(bytes_max / 2) { Err(Refused::Full(bytes)) } else { Ok(()) }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Refused> {
        let Some(writer) = &self.writer else { return Ok(()) };
        let count = bytes.len() as u64;
        let is_new = self.all.back().is_none_or(|last| last.start != writer.start);
        let offset = if is_new { 0 } else { self.end - writer.start };
        let written = if is_new {
            writer.file.write_all_at(&[SEGMENT_HEAD.as_slice(), bytes].concat(), 0)
        } else {
            writer.file.write_all_at(bytes, offset)
        };
        if let Err(error) = written {
            // frames that were written before it failed are not to be found by who opens it next
            let _ = writer.file.set_len(offset);
            return Err(Refused::Io(error));
        }
        let count = count + if is_new { SEGMENT_HEAD.len() as u64 } else { 0 };
        self.total.fetch_add(count, Ordering::Relaxed);
        self.end += count;
        let segment = Segment { start: writer.start, end: self.end };
        match self.all.back_mut() {
            Some(last) if !is_new => *last = segment,
            Some(_) | None => self.all.push_back(segment),
        }
        if !self.unsynced.last().is_some_and(|file| Arc::ptr_eq(file, &writer.file)) {
            self.unsynced.push(Arc::clone(&writer.file));
        }
        self.wrote = Instant::now();
        Ok(())
    }

    fn begin_segment(&mut self) -> Result<Writer, Refused> {
        let path = path_of(&self.folder, self.end);
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
        self.is_folder_unsynced = true;
        Ok(Writer { file: Arc::new(file?), start: self.end, ids: HashMap::new(), recent: None })
    }

    /// Takes no more lines.
    pub(in crate::agent::spool) fn close(&mut self) {
        self.is_closed = true;
        self.writer = None;
    }

    /// The next line begins another segment: the last one is damaged.
    pub(in crate::agent::spool) fn turn_over(&mut self) {
        self.writer = None;
    }

    /// Removes what was answered for; `place` is where what was not begins. Whether something was removed.
    pub(in crate::agent::spool) fn remove_before(&mut self, place: u64) -> bool {
        let count = self.all.len();
        while let Some(first) = self.all.front().copied() {
            let is_last = self.all.len() == 1;
            if first.end > place || (is_last && !self.is_last_to_go(first)) {
                break;
            }
            if is_last {
                self.writer = None;
            }
            if let Err(error) = fs::remove_file(self.path(first))
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::warn!("cannot remove {}, which was sent: {error}", self.path(first).display());
                break;
            }
            self.all.pop_front();
            self.total.fetch_sub(first.end - first.start, Ordering::Relaxed);
        }
        self.all.len() < count
    }

    /// Whether the last segment may go, so that quiet spools keep nothing and busy ones are not forever making files.
    fn is_last_to_go(&self, last: Segment) -> bool {
        self.writer.is_none() || last.end - last.start >= IDLE_BYTES.min(self.bytes_per_segment) || self.is_idle()
    }

    fn is_idle(&self) -> bool {
        self.wrote.elapsed() >= IDLE
    }

    /// What is to be synced, which is done without holding anybody up.
    pub(in crate::agent::spool) fn take_unsynced(&mut self) -> (Vec<Arc<File>>, Option<PathBuf>) {
        let folder = std::mem::take(&mut self.is_folder_unsynced).then(|| self.folder.clone());
        (std::mem::take(&mut self.unsynced), folder)
    }
}

/// Why lines were not taken.
#[derive(Debug)]
pub(in crate::agent::spool) enum Refused {
    /// So many bytes have no room.
    Full(u64),
    /// The agent stopped.
    Closed,
    Io(io::Error),
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Refused {
        Refused::Io(error)
    }
}

impl Writer {
    /// The number of a label set; defines it where it is new.
    fn id_of(&mut self, labels: &Labels, buffer: &mut Vec<u8>) -> u32 {
        if let Some((recent, id)) = &self.recent
            && (recent.is_same(labels) || recent == labels)
        {
            return *id;
        }
        let next = u32::try_from(self.ids.len()).unwrap_or(u32::MAX);
        let id = *self.ids.entry(labels.clone()).or_insert_with(|| {
            frame::push_labels(buffer, next, labels);
            next
        });
        self.recent = Some((labels.clone(), id));
        id
    }
}

fn path_of(folder: &Path, start: u64) -> PathBuf {
    // so many digits that the names sort as the numbers do
    folder.join(format!("{start:020}{SUFFIX}"))
}

/// What a folder has, by name and size.
fn find(folder: &Path) -> io::Result<VecDeque<Segment>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(start) = name.to_str().and_then(|name| name.strip_suffix(SUFFIX)?.parse::<u64>().ok()) else {
            continue;
        };
        all.push(Segment { start, end: start.saturating_add(entry.metadata()?.len()) });
    }
    all.sort_by_key(|segment: &Segment| segment.start);
    for index in 1..all.len() {
        all[index - 1].end = all[index - 1].end.min(all[index].start);
    }
    Ok(all.into())
}

/// Reads a segment to the end of what is whole: where that is, and the last time that the spool gave a line.
fn check(path: &Path, start: u64) -> io::Result<(u64, Timestamp)> {
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    let mut last = Timestamp::from_nanos(0);
    let mut window = Window::default();
    let mut at = SEGMENT_HEAD.len() as u64;
    if !window.at(&file, 0, SEGMENT_HEAD.len(), size)?.starts_with(SEGMENT_HEAD) {
        return Ok((start, last));
    }
    let mut structured = Vec::new();
    while at < size {
        let left = size - at;
        let mut wanted = frame::FRAME_HEAD_BYTES;
        let total = loop {
            match frame::look(window.at(&file, at, wanted, size)?, left) {
                Look::Short(more) => wanted = more,
                Look::Damaged => break 0,
                Look::Whole(content, total) => {
                    if let Some(Content::Line { timestamp, time_of: TimeOf::Spool, .. }) =
                        frame::read(content, &mut structured)
                    {
                        last = last.max(timestamp);
                    }
                    break total;
                }
            }
        };
        if total == 0 {
            break;
        }
        at += total as u64;
    }
    if at < size {
        tracing::debug!("{} ends with {} bytes that were written by half", path.display(), size - at);
    }
    Ok((start + at, last))
}

/// Puts what cannot be read of a segment into a file beside it before it is cut off: a kill leaves nothing or the
/// beginning of a write there, a bad disk anything.
fn keep_damaged(path: &Path, whole: u64) -> io::Result<()> {
    let size = fs::metadata(path)?.len();
    if size <= whole.max(SEGMENT_HEAD.len() as u64) {
        return Ok(());
    }
    let kept = path.with_extension("damaged");
    fs::copy(path, &kept)?;
    tracing::error!(
        "{} bytes at the end of {} cannot be read, because a write was cut off or the disk is bad, and are not sent; the \
         whole file is kept as {}",
        size - whole,
        path.display(),
        kept.display()
    );
    Ok(())
}

/// A part of a file in memory.
#[derive(Debug, Default)]
pub(in crate::agent::spool) struct Window {
    bytes: Vec<u8>,
    start: u64,
}

/// What is read at once.
const WINDOW_BYTES: usize = 128 << 10;

impl Window {
    /// The bytes from a place on: `wanted` or more, fewer only where the file, of which `end` is known, ends before.
    pub(in crate::agent::spool) fn at(&mut self, file: &File, at: u64, wanted: usize, end: u64) -> io::Result<&[u8]> {
        let wanted = u64::try_from(wanted).unwrap_or(u64::MAX).min(end.saturating_sub(at));
        let is_there = at >= self.start && at + wanted <= self.start + self.bytes.len() as u64;
        if !is_there {
            let count = wanted.max(WINDOW_BYTES as u64).min(end.saturating_sub(at));
            let count = usize::try_from(count).unwrap_or(usize::MAX);
            self.start = at;
            if self.bytes.capacity() > BUFFER_KEPT_BYTES && count <= WINDOW_BYTES {
                self.bytes = Vec::new();
            }
            self.bytes.resize(count, 0);
            if let Err(error) = file.read_exact_at(&mut self.bytes, at) {
                self.bytes.clear();
                return Err(error);
            }
        }
        let from = usize::try_from(at - self.start).unwrap_or(usize::MAX);
        let to = self.bytes.len().min(usize::try_from(end.saturating_sub(self.start)).unwrap_or(usize::MAX));
        Ok(self.bytes.get(from..to).unwrap_or_default())
    }

    /// Lets go of the memory.
    pub(in crate::agent::spool) fn clear(&mut self) {
        *self = Window::default();
    }
}
