//! A compressed file, read once to its end. Places in it are those of what it was compressed from.
//!
//! Promises: an archive that ends in its middle is an error and no end: it is read again when it may have become whole.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::agent::files::charset::{Charset, EncodingName};
use crate::agent::files::identity::{HEAD_BYTES, Head, Identity, Mark};
use crate::agent::files::tail::LINE_BYTES_MAX;
use crate::agent::positions::Positions;
use crate::agent::source::{Progress, Record, Source};

/// What is unpacked at once.
const PART_BYTES: usize = 64 << 10;

/// How a file is compressed, by Promtail's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Format {
    #[serde(rename = "gz")]
    Gzip,
    #[serde(rename = "z")]
    Zlib,
    #[serde(rename = "bz2")]
    Bzip2,
}

/// The `decompression` of a scrape configuration, where it is enabled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decompression {
    pub(crate) initial_delay: Duration,
    pub(crate) format: Format,
}

impl Format {
    /// What a file is that begins so and is called so. The beginning of `z` tells little: it counts where the name or what
    /// is `expected` says the same.
    pub(crate) fn of(name: &Path, head: &[u8], expected: Option<Format>) -> Option<Format> {
        let is_called = |ending: &str| name.extension().is_some_and(|found| found.eq_ignore_ascii_case(ending));
        match head {
            [0x1f, 0x8b, ..] => Some(Format::Gzip),
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => Some(Format::Bzip2),
            [0x78, flags, ..]
                if (is_called("z") || expected == Some(Format::Zlib))
                    && (0x7800 + u32::from(*flags)).is_multiple_of(31) =>
            {
                Some(Format::Zlib)
            }
            _ if is_called("gz") || is_called("tgz") => Some(Format::Gzip),
            _ if is_called("bz2") => Some(Format::Bzip2),
            _ if is_called("z") => Some(Format::Zlib),
            _ => None,
        }
    }

    pub(crate) fn open(self, file: File) -> Box<dyn Read + Send> {
        match self {
            Format::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(BufReader::new(file))),
            Format::Zlib => Box::new(flate2::bufread::ZlibDecoder::new(BufReader::new(file))),
            Format::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(BufReader::new(file))),
        }
    }

    /// How what was compressed begins; of an archive that is torn, as much as there is.
    pub(crate) fn read_head(self, file: File) -> io::Result<Vec<u8>> {
        let mut head = Vec::new();
        match self.open(file).take(HEAD_BYTES as u64).read_to_end(&mut head) {
            Err(error) if head.is_empty() => Err(error),
            _ => Ok(head),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Format::Gzip => "gz",
            Format::Zlib => "z",
            Format::Bzip2 => "bz2",
        }
    }
}

/// Where to go on in an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begin {
    Place(u64),
    /// Promtail's positions of archives count lines.
    Line(u64),
}

/// An archive being read.
pub(crate) struct Archive {
    path: PathBuf,
    format: Format,
    positions: Arc<Positions>,
    source: u32,
    encoding: EncodingName,
    charset: Option<Charset>,
    lines_skipped: u64,
    place: u64,
    head: Head,
    mark: Mark,
    /// The unpacking, and what it gave beyond the place.
    stream: Option<Box<dyn Read + Send>>,
    ahead: Vec<u8>,
    is_over: bool,
}

impl Archive {
    /// An archive that is `source` in the positions.
    pub(crate) fn new(
        path: &Path,
        format: Format,
        source: u32,
        begin: Begin,
        identity: Identity,
        encoding: EncodingName,
        positions: &Arc<Positions>,
    ) -> Archive {
        let (place, lines_skipped) = match begin {
            Begin::Place(place) => (place, 0),
            Begin::Line(count) => (0, count),
        };
        Archive {
            path: path.to_owned(),
            format,
            positions: positions.clone(),
            source,
            encoding,
            charset: None,
            lines_skipped,
            place,
            head: identity.head,
            mark: identity.mark,
            stream: None,
            ahead: Vec::new(),
            is_over: false,
        }
    }

    /// It may have grown since it was over.
    pub(crate) fn changed(&mut self) {
        self.is_over = false;
    }

    /// All of it was read in an earlier run.
    pub(crate) fn rest(&mut self) {
        self.is_over = true;
    }

    pub(crate) fn moved(&mut self, path: &Path) {
        self.path = path.to_owned();
    }

    fn open(&mut self) -> io::Result<()> {
        let head = self.format.read_head(File::open(&self.path)?)?;
        let charset = *self.charset.get_or_insert_with(|| self.encoding.of_head(&head));
        self.head = Head::of(&head);
        let mut stream = self.format.open(File::open(&self.path)?);
        self.place = self.place.max(charset.skipped(&head));
        let skipped = io::copy(&mut (&mut stream).take(self.place), &mut io::sink())?;
        if skipped < self.place {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it is shorter than when it was read last"));
        }
        self.ahead.clear();
        self.stream = Some(stream);
        Ok(())
    }

    fn read_part(&mut self, each: &mut dyn FnMut(Record<'_>)) -> io::Result<Progress> {
        if self.stream.is_none() {
            self.open()?;
        }
        let charset = self.charset.unwrap_or(Charset::Utf8);
        let stream = self.stream.as_mut().expect("it was opened above");
        let before = self.ahead.len();
        stream.take(PART_BYTES as u64).read_to_end(&mut self.ahead)?;
        let is_end = self.ahead.len() == before;
        let count = match charset.last_end(&self.ahead) {
            _ if is_end => self.ahead.len(),
            Some(end) => end,
            None if self.ahead.len() >= LINE_BYTES_MAX => charset.cut(&self.ahead),
            None => 0,
        };
        if count > 0 {
            self.give(charset, count, each);
        }
        if is_end {
            self.stream = None;
            self.ahead = Vec::new();
            self.is_over = true;
            self.positions.seen(self.source, self.head, self.mark);
            return Ok(Progress::Over);
        }
        Ok(Progress::More)
    }

    fn give(&mut self, charset: Charset, count: usize, each: &mut dyn FnMut(Record<'_>)) {
        let part = &self.ahead[..count];
        let lines_skipped = &mut self.lines_skipped;
        charset.each_line(part, self.place, &mut |record| match *lines_skipped {
            0 => each(record),
            _ => *lines_skipped -= 1,
        });
        self.place += count as u64;
        // what a short part lacks is of no use: a mark at an earlier place holds as well
        if count >= crate::agent::files::identity::MARK_BYTES || self.place == count as u64 {
            self.mark = Mark::of(self.place, part);
        }
        self.positions.seen(self.source, self.head, self.mark);
        self.ahead.drain(..count);
    }
}

impl Source for Archive {
    fn read(&mut self, each: &mut dyn FnMut(Record<'_>)) -> io::Result<Progress> {
        if self.is_over {
            return Ok(Progress::Over);
        }
        let result = self.read_part(each);
        result.map_err(|error| {
            self.stream = None;
            self.ahead = Vec::new();
            let name = self.format.name();
            let reason = match error.kind() {
                io::ErrorKind::UnexpectedEof => format!("the archive ({name}) ends in its middle: {error}"),
                io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => format!("it is no whole {name}: {error}"),
                _ => error.to_string(),
            };
            io::Error::new(error.kind(), reason)
        })
    }

    fn place(&self) -> u64 {
        self.place
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;

    use crate::agent::files::archive::*;
    use crate::agent::positions::Options;

    fn pack(format: Format, bytes: &[u8]) -> Vec<u8> {
        let mut packed = Vec::new();
        match format {
            Format::Gzip => {
                let mut writer = flate2::write::GzEncoder::new(&mut packed, flate2::Compression::fast());
                writer.write_all(bytes).unwrap();
                writer.finish().unwrap();
            }
            Format::Zlib => {
                let mut writer = flate2::write::ZlibEncoder::new(&mut packed, flate2::Compression::fast());
                writer.write_all(bytes).unwrap();
                writer.finish().unwrap();
            }
            Format::Bzip2 => {
                let mut writer = bzip2::write::BzEncoder::new(&mut packed, bzip2::Compression::fast());
                writer.write_all(bytes).unwrap();
                writer.finish().unwrap();
            }
        }
        packed
    }

    fn archive(folder: &Path, packed: &[u8], format: Format, begin: Begin) -> Archive {
        let path = folder.join("a.gz");
        fs::write(&path, packed).unwrap();
        let options = Options { path: folder.join("p.yaml"), sync_period: Duration::ZERO, ignore_invalid_yaml: false };
        let positions = Arc::new(Positions::open(options).unwrap());
        let source = positions.begin(crate::agent::positions::record::Record::default());
        Archive::new(&path, format, source, begin, Identity::default(), EncodingName::default(), &positions)
    }

    fn read(archive: &mut Archive) -> (Vec<(u64, String)>, io::Result<Progress>) {
        let mut lines = Vec::new();
        loop {
            match archive.read(&mut |record| lines.push((record.start, record.line.to_owned()))) {
                Ok(Progress::More) => {}
                other => return (lines, other),
            }
        }
    }

    #[test]
    fn each_format_is_read_once_to_its_end_from_any_place() {
        let text: String = (0..20_000).map(|number| format!("line {number}\n")).collect::<String>() + "last";
        for format in [Format::Gzip, Format::Zlib, Format::Bzip2] {
            let folder = tempfile::tempdir().unwrap();
            let packed = pack(format, text.as_bytes());
            let mut whole = archive(folder.path(), &packed, format, Begin::Place(0));
            let (lines, progress) = read(&mut whole);
            assert_eq!((lines.len(), progress.unwrap()), (20_001, Progress::Over));
            assert_eq!((lines[20_000].1.as_str(), whole.place()), ("last", text.len() as u64));
            assert!(read(&mut whole).0.is_empty());
            let identity = whole.positions.record(whole.source).unwrap().identity;
            assert!(identity.is_content_of_stream(&mut text.as_bytes()).unwrap());
            let (rest, _) = read(&mut archive(folder.path(), &packed, format, Begin::Place(lines[7].0)));
            assert_eq!(rest, lines[7..]);
            let (rest, _) = read(&mut archive(folder.path(), &packed, format, Begin::Line(19_999)));
            assert_eq!(rest, lines[19_999..]);
        }
    }

    #[test]
    fn a_torn_archive_is_an_error_and_is_read_on_when_it_is_whole() {
        let text: String = (0..50_000_u64).map(|number| format!("{}\n", number * 2_654_435_761)).collect();
        for format in [Format::Gzip, Format::Zlib, Format::Bzip2] {
            let folder = tempfile::tempdir().unwrap();
            let packed = pack(format, text.as_bytes());
            let mut torn = archive(folder.path(), &packed[..packed.len() - 5], format, Begin::Place(0));
            let (mut lines, result) = read(&mut torn);
            assert!(result.is_err(), "{format:?}");
            fs::write(&torn.path, &packed).unwrap();
            let (rest, progress) = read(&mut torn);
            assert_eq!(progress.unwrap(), Progress::Over);
            lines.extend(rest);
            assert_eq!(lines.iter().map(|(_, line)| format!("{line}\n")).collect::<String>(), text);
        }
        let folder = tempfile::tempdir().unwrap();
        let (_, result) = read(&mut archive(folder.path(), b"plain text", Format::Gzip, Begin::Place(0)));
        assert!(result.unwrap_err().to_string().contains("gz"));
    }

    #[test]
    fn an_archive_is_known_by_its_first_bytes_and_by_its_name() {
        let packed = pack(Format::Gzip, b"x");
        for (name, head, expected) in [
            ("a.log", &packed[..], Some(Format::Gzip)),
            ("a.log", b"BZh9", Some(Format::Bzip2)),
            ("a.log", b"x plain", None),
            ("a.z", b"\x78\x9c", Some(Format::Zlib)),
            ("a.gz", b"", Some(Format::Gzip)),
            ("a.log", b"\x78\x9c", None),
        ] {
            assert_eq!(Format::of(Path::new(name), head, None), expected, "{name}");
            let expected = if head.starts_with(b"\x78") { Some(Format::Zlib) } else { expected };
            assert_eq!(Format::of(Path::new(name), head, Some(Format::Zlib)), expected, "{name}");
        }
    }
}
