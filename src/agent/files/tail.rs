//! One file that grows, read from a place on.
//!
//! Promises: a line is handed out when its end is there, or when the file is known to be over; a file that is not what it
//! was before is not read on as if it were. Keeps no bytes between two readings: ten thousand of these are a few
//! megabytes.

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::agent::files::charset::{Charset, EncodingName};
use crate::agent::files::handle::{Handles, Slot};
use crate::agent::files::identity::{HEAD_BYTES, Head, Identity, MARK_BYTES, Mark, Node, read_full_at, read_head};
use crate::agent::positions::Positions;
use crate::agent::source::{Progress, Record, Source};

/// What is read at once.
const PART_BYTES: usize = 64 << 10;
/// A line beyond this is cut into several: it would have to be in memory whole, and no server takes it.
pub(crate) const LINE_BYTES_MAX: usize = 8 << 20;
/// A buffer that a long line made larger than this is let go.
const BUFFER_KEPT_BYTES: usize = 1 << 20;

thread_local! {
    /// What is read is in here until it is handed out.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A file being read.
#[derive(Debug)]
pub(crate) struct Tail {
    path: PathBuf,
    node: Node,
    file: Option<File>,
    slot: Option<Slot>,
    handles: Handles,
    positions: Arc<Positions>,
    source: u32,
    encoding: EncodingName,
    charset: Option<Charset>,
    place: u64,
    /// There is no end of a line between the place and here.
    searched: u64,
    head: Head,
    mark: Mark,
    end: End,
    /// Whether it was looked at since it may have changed.
    is_checked: bool,
    size: u64,
}

/// What is known of the end of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// It may grow.
    Open,
    /// It will not: its last line ends with it.
    Known,
    /// It is not here any more: truncated, or another file has its place.
    Lost,
}

impl Tail {
    /// A file that is `source` in the positions, which know what it is and where to go on.
    pub(crate) fn new(
        path: &Path,
        source: u32,
        place: u64,
        identity: Identity,
        encoding: EncodingName,
        handles: &Handles,
        positions: &Arc<Positions>,
    ) -> Tail {
        Tail {
            path: path.to_owned(),
            node: identity.node,
            file: None,
            slot: None,
            handles: handles.clone(),
            positions: positions.clone(),
            source,
            encoding,
            charset: None,
            place,
            searched: place,
            head: identity.head,
            mark: identity.mark,
            end: End::Open,
            is_checked: false,
            size: 0,
        }
    }

    /// It may have changed: it is looked at anew when it is read next.
    pub(crate) fn changed(&mut self) {
        self.is_checked = false;
    }

    /// It has another name now.
    pub(crate) fn moved(&mut self, path: &Path) {
        self.path = path.to_owned();
    }

    /// Opens it ahead of its first reading, so that it may be renamed or removed meanwhile.
    pub(crate) fn hold(&mut self) {
        if self.file.is_none()
            && let Ok(Some(file)) = self.open()
            && self.slot.is_some()
        {
            self.file = Some(file);
        }
    }

    /// Nobody will write to it any more.
    pub(crate) fn finish(&mut self) {
        if self.end == End::Open {
            self.end = End::Known;
        }
    }

    /// Somebody may write to it after all.
    pub(crate) fn reopen(&mut self) {
        if self.end == End::Known {
            self.end = End::Open;
        }
    }

    /// Whether there is a last line without end.
    pub(crate) fn has_rest(&self) -> bool {
        self.place < self.size
    }

    /// Whether what was not read of it must be looked for elsewhere.
    pub(crate) fn is_lost(&self) -> bool {
        self.end == End::Lost
    }

    /// What it is told by.
    pub(crate) fn identity(&self) -> Identity {
        Identity { node: self.node, head: self.head, mark: self.mark }
    }

    /// How large it was when it was last looked at.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Opens it. `None` where another file has its place.
    fn open(&mut self) -> io::Result<Option<File>> {
        let file = File::open(&self.path)?;
        if Node::of(&file.metadata()?) != self.node {
            self.end = End::Lost;
            return Ok(None);
        }
        self.slot = self.handles.take();
        Ok(Some(file))
    }

    fn read_with(&mut self, buffer: &mut Vec<u8>, each: &mut dyn FnMut(Record<'_>)) -> io::Result<Progress> {
        // taken for the while, because the rest of `self` changes meanwhile
        let file = match self.file.take() {
            Some(file) => file,
            None => match self.open()? {
                Some(file) => file,
                None => return Ok(Progress::Over),
            },
        };
        let result = self.read_from(&file, buffer, each);
        if self.slot.is_some() && !matches!(result, Ok(Progress::Over)) {
            self.file = Some(file);
        }
        result
    }

    fn read_from(
        &mut self,
        file: &File,
        buffer: &mut Vec<u8>,
        each: &mut dyn FnMut(Record<'_>),
    ) -> io::Result<Progress> {
        self.size = file.metadata()?.len();
        if !self.is_what_it_was(file)? {
            self.end = End::Lost;
            return Ok(Progress::Over);
        }
        let charset = self.charset(file)?;
        let lead = self.lead();
        let count = match self.search(file, charset, buffer)? {
            Some(wanted) => self.fill(file, charset, buffer, lead, wanted)?,
            None => 0,
        };
        if count > 0 {
            let end = lead + count;
            // known before the lines are sent, so that a kill leaves it
            if lead as u64 == self.place && !self.head.is_whole() {
                self.head = Head::of(&buffer[..end]);
                self.positions.seen(self.source, self.head, self.mark);
            }
            charset.each_line(&buffer[lead..end], self.place, each);
            self.advance(&buffer[..end], count);
        }
        Ok(match self.end {
            _ if count > 0 && self.place < self.size => Progress::More,
            End::Open => Progress::Idle,
            End::Known | End::Lost => Progress::Over,
        })
    }

    /// Whether the file is still the one of which was read until the place.
    fn is_what_it_was(&mut self, file: &File) -> io::Result<bool> {
        if self.size < self.place || self.size < self.head.len {
            return Ok(false);
        }
        if self.is_checked {
            return Ok(true);
        }
        let is_same = self.identity().is_content_of(file)?;
        self.is_checked = is_same;
        Ok(is_same)
    }

    fn charset(&mut self, file: &File) -> io::Result<Charset> {
        if let Some(charset) = self.charset {
            return Ok(charset);
        }
        let head = read_head(file)?;
        let charset = self.encoding.of_head(&head);
        // the first two bytes tell the order
        if head.len() >= 2 {
            self.charset = Some(charset);
            if self.place == 0 {
                self.place = charset.skipped(&head);
                self.searched = self.place;
            }
        }
        Ok(charset)
    }

    /// Goes on looking for the end of the line that was there without one. How much is to be read at first to have a
    /// whole line; `None` where there is none yet.
    fn search(&mut self, file: &File, charset: Charset, buffer: &mut Vec<u8>) -> io::Result<Option<usize>> {
        if self.place >= self.size {
            return Ok(None);
        }
        let is_cut = self.size - self.place >= LINE_BYTES_MAX as u64;
        if self.searched == self.place || self.end == End::Known || is_cut {
            return Ok(Some(PART_BYTES));
        }
        while self.searched < self.size {
            let wanted = wanted_of(PART_BYTES, self.size - self.searched);
            grow(buffer, wanted);
            let count = read_full_at(file, &mut buffer[..wanted], self.searched)?;
            if let Some(end) = charset.first_end(&buffer[..count]) {
                return Ok(usize::try_from(self.searched - self.place).ok().map(|before| before + end));
            }
            let whole = charset_floor(charset, count);
            if whole == 0 {
                break;
            }
            self.searched += whole as u64;
        }
        Ok(None)
    }

    /// How much before the place is read along: what tells the file and what tells the place are taken from one reading
    /// with the lines, because it may be truncated between two.
    fn lead(&self) -> usize {
        let place = usize::try_from(self.place).unwrap_or(usize::MAX);
        if !self.head.is_whole() && place <= HEAD_BYTES { place } else { place.min(MARK_BYTES) }
    }

    /// Reads until the buffer has whole lines behind the lead; how many bytes of them are to be handed out.
    fn fill(
        &mut self,
        file: &File,
        charset: Charset,
        buffer: &mut Vec<u8>,
        lead: usize,
        first: usize,
    ) -> io::Result<usize> {
        let left = self.size - self.place;
        let start = self.place - lead as u64;
        let (mut have, mut filled) = (0_usize, 0_usize);
        let mut wanted = wanted_of(first.max(PART_BYTES), left);
        loop {
            grow(buffer, lead + wanted);
            let count = read_full_at(file, &mut buffer[filled..lead + wanted], start + filled as u64)?;
            let is_whole = count == lead + wanted - filled;
            if !is_whole || !self.is_lead(&buffer[..lead]) {
                // truncated under our hands: the next reading sees it
                self.is_checked = false;
                return Ok(0);
            }
            filled = lead + wanted;
            // an end among what was there before would have been found before
            let from = charset_floor(charset, have.saturating_sub(1));
            have = wanted;
            if let Some(end) = charset.last_end(&buffer[lead + from..filled]) {
                return Ok(from + end);
            }
            if have >= LINE_BYTES_MAX {
                return Ok(charset.cut(&buffer[lead..filled]));
            }
            if have as u64 == left {
                self.searched = self.place + charset_floor(charset, have) as u64;
                return Ok(if self.end == End::Known { have } else { 0 });
            }
            wanted = wanted_of((have * 2).min(LINE_BYTES_MAX), left);
        }
    }

    /// Whether this is what stood before the place when that was read.
    fn is_lead(&self, lead: &[u8]) -> bool {
        let is_from_start = lead.len() as u64 == self.place && self.head.len <= self.place;
        (self.mark.at != self.place || self.mark.fits(lead)) && (!is_from_start || self.head.begins(lead))
    }

    /// The last bytes of what was read were handed out.
    fn advance(&mut self, read: &[u8], count: usize) {
        self.place += count as u64;
        self.searched = self.place;
        self.mark = Mark::of(self.place, read);
        self.positions.seen(self.source, self.head, self.mark);
    }
}

impl Source for Tail {
    fn read(&mut self, each: &mut dyn FnMut(Record<'_>)) -> io::Result<Progress> {
        BUFFER.with_borrow_mut(|buffer| {
            let result = self.read_with(buffer, each);
            if buffer.capacity() > BUFFER_KEPT_BYTES {
                buffer.truncate(PART_BYTES);
                buffer.shrink_to(PART_BYTES);
            }
            result
        })
    }

    fn place(&self) -> u64 {
        self.place
    }

    fn ahead(&mut self) -> u64 {
        let file = self.file.as_ref().and_then(|file| file.metadata().ok());
        file.map_or(self.size, |metadata| metadata.len()).max(self.place + 1)
    }
}

/// As much as is asked for, where there is so much.
fn wanted_of(asked: usize, left: u64) -> usize {
    usize::try_from(left).map_or(asked, |left| asked.min(left))
}

/// Whole units of what a letter is made of.
fn charset_floor(charset: Charset, count: usize) -> usize {
    match charset {
        Charset::Wide(_) => count & !1,
        Charset::Utf8 | Charset::Narrow(_) => count,
    }
}

fn grow(buffer: &mut Vec<u8>, len: usize) {
    if buffer.len() < len {
        buffer.resize(len, 0);
    }
}

#[cfg(test)]
mod tests;
