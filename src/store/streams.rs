//! The streams of a day: their labels, their numbers, and the file that keeps both.
//!
//! Promises: a number stands for the same labels as long as the day is there; a damaged record costs its own labels and no
//! other's, and entries of a stream without labels are shown all the same, under its number. Never: entries.
//!
//! ```text
//! record    length u32, crc32 of the body u32, body
//! body      number u64, varint pairs; per pair: name, value (varint length, text)
//! ```

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::model::{Labels, Matcher};
use crate::store::block::bytes::{Malformed, Reader, put_text, put_varint};
use crate::store::error::{Error, damaged, io_error};
use crate::store::fault;
use crate::store::wal::sync_dir;

/// The label of streams whose own are lost; its value is the number, in hexadecimal.
pub(crate) const RECOVERED: &str = "logcafe_recovered";
const HEAD_BYTES: usize = 8;

/// A stream's labels, and the span of its sealed entries.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    pub(crate) labels: Labels,
    pub(crate) sealed: Option<(i64, i64)>,
    /// Whether its labels are in the streams file.
    written: bool,
}

/// The streams of a day by their number. Readers keep a copy of the pointer.
pub(crate) type Streams = HashMap<u64, Stream>;

impl Stream {
    /// A stream of which blocks have entries, and whose labels are lost.
    pub(crate) fn nameless(number: u64) -> Stream {
        let labels = Labels::from_pairs(vec![(RECOVERED.to_owned(), format!("{number:016x}"))]);
        Stream { labels, sealed: None, written: false }
    }

    /// Whether its labels are lost. A client may send the same label with a value of its own: only the number says so.
    pub(crate) fn is_nameless(&self, number: u64) -> bool {
        let is_number = |value: &str| u64::from_str_radix(value, 16) == Ok(number) && value == format!("{number:016x}");
        self.labels.len() == 1 && self.labels.get(RECOVERED).is_some_and(is_number)
    }

    pub(crate) fn cover(&mut self, min: i64, max: i64) {
        let (old_min, old_max) = self.sealed.unwrap_or((min, max));
        self.sealed = Some((old_min.min(min), old_max.max(max)));
    }
}

/// The number of a stream, where it has one.
pub(crate) fn find(streams: &Streams, labels: &Labels) -> Option<u64> {
    let first = labels.fingerprint();
    let mut number = first;
    loop {
        match streams.get(&number) {
            Some(stream) if stream.labels == *labels => return Some(number),
            Some(stream) if number == first && stream.is_nameless(number) => return None,
            // another stream has this hash: the next number is as good, and the file remembers it
            Some(_) => number = number.wrapping_add(1),
            None => return None,
        }
    }
}

/// The number of labels that a block's entries are shown with.
pub(crate) fn number_of(streams: &Streams, labels: &Labels) -> u64 {
    let lost = labels.get(RECOVERED).filter(|_| labels.len() == 1);
    let lost = lost.and_then(|number| u64::from_str_radix(number, 16).ok());
    lost.or_else(|| find(streams, labels)).unwrap_or_else(|| labels.fingerprint())
}

/// The labels that a number stands for, where they are known and the number is their hash.
pub(crate) fn labels_of(streams: &Streams, number: u64) -> Option<Labels> {
    let stream = streams.get(&number)?;
    (!stream.is_nameless(number) && stream.labels.fingerprint() == number).then(|| stream.labels.clone())
}

/// Gives a stream a number that has none. A stream that lost its labels has them back when they come again.
pub(crate) fn add(streams: &mut Streams, labels: &Labels) -> u64 {
    let mut number = labels.fingerprint();
    if let Some(stream) = streams.get_mut(&number).filter(|stream| stream.is_nameless(number)) {
        tracing::info!(%labels, "a stream has its labels back, which were damaged");
        stream.labels = labels.clone();
        stream.written = false;
        return number;
    }
    while streams.contains_key(&number) {
        number = number.wrapping_add(1);
    }
    streams.insert(number, Stream { labels: labels.clone(), sealed: None, written: false });
    number
}

/// Which of a day's streams pass all matchers; `None` where all do.
pub(crate) fn matching(streams: &Streams, matchers: &[Matcher]) -> Option<Vec<u64>> {
    if matchers.is_empty() {
        return None;
    }
    let wanted = |stream: &Stream| matchers.iter().all(|matcher| matcher.matches(&stream.labels));
    let mut numbers: Vec<u64> =
        streams.iter().filter(|(_, stream)| wanted(stream)).map(|(number, _)| *number).collect();
    if numbers.len() == streams.len() {
        return None;
    }
    numbers.sort_unstable();
    Some(numbers)
}

/// The open streams file of a day.
#[derive(Debug)]
pub(crate) struct StreamFile {
    path: PathBuf,
    file: File,
    end: u64,
    /// Bytes of it are no record.
    is_damaged: bool,
}

impl StreamFile {
    /// Opens the file, or makes it. What makes no sense behind the first `committed` bytes was never committed, and is cut
    /// off; before that it is damage, and stays.
    pub(crate) fn open(path: &Path, committed: u64) -> Result<(StreamFile, Streams), Error> {
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).to_owned();
        let file = options.open(path).map_err(io_error("open", path))?;
        let mut end = file.metadata().map_err(io_error("look at", path))?.len();
        let mut bytes = vec![0; end as usize];
        file.read_exact_at(&mut bytes, 0).map_err(io_error("read", path))?;
        let (streams, gaps) = decode(&bytes);
        let mut is_damaged = false;
        for gap in gaps {
            if gap.end == end && gap.start >= committed {
                end = gap.start;
                file.set_len(end).map_err(io_error("cut", path))?;
            } else {
                is_damaged = true;
                let (at, bytes) = (gap.start, gap.end - gap.start);
                tracing::error!(path = %path.display(), at, bytes, "the labels of streams are damaged");
            }
        }
        if end < committed {
            tracing::error!(path = %path.display(), found = end, known = committed, "the labels of streams are missing");
        }
        Ok((StreamFile { path: path.to_owned(), file, end, is_damaged }, streams))
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// All bytes of it, where some are no record.
    pub(crate) fn damaged_bytes(&self) -> Result<Option<Vec<u8>>, Error> {
        let read = self.is_damaged.then(|| std::fs::read(&self.path)).transpose();
        read.map_err(io_error("read", &self.path))
    }

    /// Writes the file again where bytes of it are no record, or where streams with entries are not in it: those whose
    /// labels are lost under their number.
    pub(crate) fn mend(&mut self, streams: &mut Streams) -> Result<(), Error> {
        if !self.is_damaged && streams.values().all(|stream| stream.written || stream.sealed.is_none()) {
            return Ok(());
        }
        let mut records = Vec::new();
        let mut numbers: Vec<u64> = streams.keys().copied().collect();
        numbers.sort_unstable();
        for number in numbers {
            put(&mut records, number, &streams[&number].labels);
        }
        let dir = self.path.parent().unwrap_or(Path::new("."));
        let mut new = tempfile::NamedTempFile::new_in(dir).map_err(io_error("write", &self.path))?;
        let written = new.write_all(&records).and_then(|()| new.as_file().sync_all());
        written.and_then(|()| fault::at("mend.streams")).map_err(io_error("write", &self.path))?;
        self.file = new.persist(&self.path).map_err(|error| io_error("write", &self.path)(error.error))?;
        sync_dir(dir)?;
        self.end = records.len() as u64;
        streams.values_mut().for_each(|stream| stream.written = true);
        self.is_damaged = false;
        Ok(())
    }

    /// Appends the labels of those streams that are not in the file.
    pub(crate) fn append(&mut self, streams: &mut Streams, numbers: &[u64]) -> Result<(), Error> {
        let mut records = Vec::new();
        for number in numbers {
            let stream = streams.get(number);
            let stream = stream.ok_or_else(|| damaged(&self.path, format!("stream {number} is unknown")))?;
            // one that lost its labels may have them back some day
            if !stream.written && !stream.is_nameless(*number) {
                put(&mut records, *number, &stream.labels);
            }
        }
        let written = fault::write("streams.write", &records, |bytes| self.file.write_all_at(bytes, self.end));
        written.map_err(io_error("write", &self.path))?;
        self.end += records.len() as u64;
        for number in numbers {
            if let Some(stream) = streams.get_mut(number) {
                stream.written = !stream.is_nameless(*number);
            }
        }
        Ok(())
    }
}

/// Appends a stream's record.
pub(crate) fn put(out: &mut Vec<u8>, number: u64, labels: &Labels) {
    let mut body = number.to_le_bytes().to_vec();
    put_varint(&mut body, labels.len() as u64);
    for (name, value) in labels.iter() {
        put_text(&mut body, name);
        put_text(&mut body, value);
    }
    out.extend_from_slice(&(body.len() as u32).to_le_bytes());
    out.extend_from_slice(&crc32fast::hash(&body).to_le_bytes());
    out.extend_from_slice(&body);
}

/// The streams of a file, and the bytes of it that are no record.
pub(crate) fn decode(bytes: &[u8]) -> (Streams, Vec<Range<u64>>) {
    let (mut streams, mut gaps) = (Streams::new(), Vec::<Range<u64>>::new());
    let mut at = 0;
    while at < bytes.len() {
        match record(&bytes[at..]) {
            Ok((number, labels, length)) => {
                streams.insert(number, Stream { labels, sealed: None, written: true });
                at += length;
            }
            // a length that is damaged itself is no guide: the next record is found by its checksum
            Err(_) => {
                match gaps.last_mut() {
                    Some(gap) if gap.end == at as u64 => gap.end += 1,
                    Some(_) | None => gaps.push(at as u64..at as u64 + 1),
                }
                at += 1;
            }
        }
    }
    (streams, gaps)
}

/// The record that the bytes begin with: number, labels, and how many bytes it takes.
fn record(bytes: &[u8]) -> Result<(u64, Labels, usize), Malformed> {
    let mut reader = Reader::new(bytes);
    let (length, crc) = (reader.u32()? as usize, reader.u32()?);
    let body = reader.take(length)?;
    if crc32fast::hash(body) != crc {
        return Err(Malformed("the checksum of a stream does not agree"));
    }
    let mut body = Reader::new(body);
    let number = body.u64()?;
    let mut pairs = Vec::new();
    for _ in 0..body.varint()? {
        pairs.push((body.text()?.to_owned(), body.text()?.to_owned()));
    }
    Ok((number, Labels::from_pairs(pairs), HEAD_BYTES + length))
}

#[cfg(test)]
mod tests {
    use crate::model::Labels;
    use crate::store::streams::{Stream, Streams, add, decode, find, put};

    #[test]
    fn a_flipped_byte_costs_the_labels_of_one_stream() {
        let all = ["a", "bb", "ccc"].map(|app| Labels::from([("app", app), ("env", "test")]));
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        for (number, labels) in all.iter().enumerate() {
            put(&mut bytes, number as u64, labels);
            ends.push(bytes.len());
        }
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x10;
            let (streams, gaps) = decode(&damaged);
            let hit = ends.iter().position(|end| at < *end).expect("one of the three");
            assert_eq!((streams.len(), gaps.len()), (2, 1), "byte {at}: {gaps:?}");
            assert!((0..3).all(|number| streams.contains_key(&(number as u64)) == (number != hit)));
        }
        let (streams, gaps) = decode(&[&bytes[..], &[0; 100]].concat());
        let end = bytes.len() as u64;
        assert_eq!((streams.len(), gaps.as_slice()), (3, std::slice::from_ref(&(end..end + 100))));
    }

    #[test]
    fn labels_that_come_again_find_their_stream() {
        let labels = Labels::from([("app", "a")]);
        let number = labels.fingerprint();
        let mut streams = Streams::from([(number, Stream::nameless(number))]);
        assert_eq!(streams[&number].labels.get("logcafe_recovered"), Some(&*format!("{number:016x}")));
        assert_eq!(find(&streams, &labels), None);
        assert_eq!(add(&mut streams, &labels), number);
        assert_eq!((find(&streams, &labels), streams.len()), (Some(number), 1));
        let other = Labels::from([("app", "b")]);
        // a label that only looks like that of a lost stream is one like any other
        streams.insert(other.fingerprint(), streams[&number].clone());
        assert!(streams[&number].labels == labels && !Stream::nameless(7).is_nameless(8));
        assert_eq!(add(&mut streams, &other), other.fingerprint().wrapping_add(1));
        assert_eq!(find(&streams, &other), Some(other.fingerprint().wrapping_add(1)));
    }
}
