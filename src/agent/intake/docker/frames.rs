//! Lines out of what a Docker engine sends of a container: frames that say whether it was written to standard output or
//! to standard error, or of a terminal the bytes as they are. Each message begins with its time.
//!
//! Promises: the same lines wherever the bytes are cut; a message that the engine split is one line again; memory is
//! bounded by the longest line.

use std::mem;

use memchr::memchr;

use crate::agent::files::tail::LINE_BYTES_MAX;
use crate::model::Timestamp;

/// The engine splits messages that are longer.
const MESSAGE_BYTES: usize = 16 << 10;
/// No time is written in more.
const TIME_BYTES_MAX: usize = 40;

/// Where a container wrote a line to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

/// How the engine sends lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    Frames,
    /// The container has a terminal: all is standard output.
    Terminal,
}

/// A line as a container wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) stream: Stream,
    /// `None` where it had none that can be read.
    pub(crate) timestamp: Option<Timestamp>,
    pub(crate) text: String,
}

/// Takes bytes and gives lines.
#[derive(Debug)]
pub(crate) struct Decoder {
    wire: Wire,
    /// The head of a frame, as far as it came.
    head: Vec<u8>,
    /// Bytes of the frame that are to come.
    left: usize,
    kind: Kind,
    stdout: Lines,
    stderr: Lines,
    /// What the engine says of itself.
    said: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Stdout,
    Stderr,
    Engine,
}

impl Decoder {
    pub(crate) fn new(wire: Wire) -> Decoder {
        Decoder {
            wire,
            head: Vec::with_capacity(8),
            left: 0,
            kind: Kind::Stdout,
            stdout: Lines::new(Stream::Stdout),
            stderr: Lines::new(Stream::Stderr),
            said: Vec::new(),
        }
    }

    /// # Errors
    ///
    /// In words: these are no frames, or the engine says that it failed.
    pub(crate) fn feed(&mut self, bytes: &[u8], each: &mut dyn FnMut(Line)) -> Result<(), String> {
        match self.wire {
            Wire::Frames => self.feed_frames(bytes, each),
            Wire::Terminal => {
                self.feed_terminal(bytes, each);
                Ok(())
            }
        }
    }

    /// What came last, where there will be no more: a line without its end. Whether all was whole.
    pub(crate) fn finish(mut self, each: &mut dyn FnMut(Line)) -> bool {
        if !self.head.is_empty() || self.left > 0 {
            return false;
        }
        for lines in [&mut self.stdout, &mut self.stderr] {
            lines.settle_time();
            if lines.is_begun {
                lines.end(each);
            }
        }
        true
    }

    fn feed_frames(&mut self, mut bytes: &[u8], each: &mut dyn FnMut(Line)) -> Result<(), String> {
        while !bytes.is_empty() {
            if self.left == 0 {
                let count = (8 - self.head.len()).min(bytes.len());
                self.head.extend_from_slice(&bytes[..count]);
                bytes = &bytes[count..];
                if self.head.len() == 8 {
                    self.begin_frame()?;
                }
                continue;
            }
            let (part, rest) = bytes.split_at(self.left.min(bytes.len()));
            bytes = rest;
            self.left -= part.len();
            match self.kind {
                Kind::Stdout => self.stdout.feed(part, each),
                Kind::Stderr => self.stderr.feed(part, each),
                Kind::Engine => self.said.extend_from_slice(&part[..part.len().min(1000 - self.said.len().min(1000))]),
            }
            if self.left == 0 {
                self.end_frame()?;
            }
        }
        Ok(())
    }

    fn begin_frame(&mut self) -> Result<(), String> {
        let length = u32::from_be_bytes([self.head[4], self.head[5], self.head[6], self.head[7]]);
        self.kind = match self.head[..4] {
            [0 | 1, 0, 0, 0] => Kind::Stdout,
            [2, 0, 0, 0] => Kind::Stderr,
            [3, 0, 0, 0] => Kind::Engine,
            _ => return Err(format!("these are no frames of a container's log: {:?}", self.head)),
        };
        self.left = usize::try_from(length).unwrap_or(usize::MAX);
        self.head.clear();
        match self.kind {
            Kind::Stdout => self.stdout.expect_time(),
            Kind::Stderr => self.stderr.expect_time(),
            Kind::Engine => {}
        }
        Ok(())
    }

    fn end_frame(&mut self) -> Result<(), String> {
        match self.kind {
            Kind::Stdout => self.stdout.settle_time(),
            Kind::Stderr => self.stderr.settle_time(),
            Kind::Engine => return Err(String::from_utf8_lossy(&mem::take(&mut self.said)).trim().to_owned()),
        }
        Ok(())
    }

    fn feed_terminal(&mut self, mut bytes: &[u8], each: &mut dyn FnMut(Line)) {
        let lines = &mut self.stdout;
        while !bytes.is_empty() {
            // nothing but its length tells that a message was split here
            let left = MESSAGE_BYTES - lines.message_bytes;
            let end = match lines.time {
                Time::Expected => bytes.len(),
                Time::Known => {
                    memchr(b'\n', &bytes[..left.min(bytes.len())]).map_or(left.min(bytes.len()), |at| at + 1)
                }
            };
            let (part, rest) = bytes.split_at(end);
            if lines.time == Time::Expected {
                let taken = lines.feed_time(part, each);
                bytes = &bytes[taken..];
            } else {
                lines.feed(part, each);
                bytes = rest;
            }
            if lines.message_bytes >= MESSAGE_BYTES {
                lines.expect_time();
            }
        }
    }
}

/// Whether the time of a message was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Time {
    Expected,
    Known,
}

/// The lines of one stream.
#[derive(Debug)]
struct Lines {
    stream: Stream,
    time: Time,
    /// The time of a message, as far as it came.
    prefix: Vec<u8>,
    timestamp: Option<Timestamp>,
    text: Vec<u8>,
    /// Whether there is a line that did not end yet, be it without text.
    is_begun: bool,
    /// How much of a message came, without its time.
    message_bytes: usize,
}

impl Lines {
    fn new(stream: Stream) -> Lines {
        Lines {
            stream,
            time: Time::Expected,
            prefix: Vec::new(),
            timestamp: None,
            text: Vec::new(),
            is_begun: false,
            message_bytes: 0,
        }
    }

    /// A message begins.
    fn expect_time(&mut self) {
        self.time = Time::Expected;
        self.message_bytes = 0;
    }

    fn feed(&mut self, mut bytes: &[u8], each: &mut dyn FnMut(Line)) {
        while !bytes.is_empty() {
            if self.time == Time::Expected {
                let taken = self.feed_time(bytes, each);
                bytes = &bytes[taken..];
                continue;
            }
            let end = memchr(b'\n', bytes);
            let part = &bytes[..end.unwrap_or(bytes.len())];
            self.message_bytes += part.len();
            self.push(part, each);
            match end {
                Some(at) => {
                    self.end(each);
                    self.expect_time();
                    bytes = &bytes[at + 1..];
                }
                None => return,
            }
        }
    }

    /// Takes what may belong to the time that a message begins with; how much it took.
    fn feed_time(&mut self, bytes: &[u8], each: &mut dyn FnMut(Line)) -> usize {
        for (index, byte) in bytes.iter().enumerate() {
            match byte {
                b' ' => {
                    self.prefix.push(b' ');
                    self.settle_time();
                    return index + 1;
                }
                b'\n' => {
                    self.settle_time();
                    self.end(each);
                    self.expect_time();
                    return index + 1;
                }
                _ if self.prefix.len() >= TIME_BYTES_MAX => {
                    self.settle_time();
                    return index;
                }
                byte => self.prefix.push(*byte),
            }
        }
        bytes.len()
    }

    /// What came so far is the time, or the message has none and it belongs to the text.
    fn settle_time(&mut self) {
        if self.time == Time::Known || self.prefix.is_empty() {
            return;
        }
        let prefix = mem::take(&mut self.prefix);
        self.time = Time::Known;
        match parse_time(prefix.trim_ascii_end()) {
            // of a message that was split, each part has a time; the first is that of the line
            Some(_) if self.is_begun => {}
            Some(timestamp) => self.timestamp = Some(timestamp),
            None => {
                self.message_bytes += prefix.len();
                self.text.extend_from_slice(&prefix);
            }
        }
        self.is_begun = true;
    }

    fn push(&mut self, mut part: &[u8], each: &mut dyn FnMut(Line)) {
        while self.text.len() + part.len() > LINE_BYTES_MAX {
            let (head, rest) = part.split_at(LINE_BYTES_MAX - self.text.len());
            self.text.extend_from_slice(head);
            let text = mem::take(&mut self.text);
            each(Line { stream: self.stream, timestamp: self.timestamp, text: as_text(&text) });
            part = rest;
        }
        self.text.extend_from_slice(part);
    }

    /// A line is whole.
    fn end(&mut self, each: &mut dyn FnMut(Line)) {
        while self.text.last() == Some(&b'\r') {
            self.text.pop();
        }
        let text = as_text(&self.text);
        self.text.clear();
        // what one long line needed is not kept
        self.text.shrink_to(MESSAGE_BYTES);
        self.is_begun = false;
        each(Line { stream: self.stream, timestamp: self.timestamp.take(), text });
    }
}

fn as_text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A time as Go writes it in RFC 3339, with any number of digits behind the second.
fn parse_time(text: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(text).ok().filter(|text| text.len() >= 20 && text.as_bytes()[10] == b'T')?;
    let parsed: jiff::Timestamp = text.parse().ok()?;
    i64::try_from(parsed.as_nanosecond()).ok().map(Timestamp::from_nanos)
}

#[cfg(test)]
mod tests {
    use crate::agent::intake::docker::frames::*;

    const FIRST: &str = "2026-03-01T10:00:00.000000001Z";
    const NANOS: i64 = 1_772_359_200_000_000_001;

    fn frame(kind: u8, text: &str) -> Vec<u8> {
        let length = u32::try_from(text.len()).unwrap().to_be_bytes();
        [&[kind, 0, 0, 0][..], &length, text.as_bytes()].concat()
    }

    /// The lines of bytes that come in parts of a size.
    fn decode(wire: Wire, bytes: &[u8], size: usize) -> (Vec<(u8, i64, String)>, bool) {
        let mut decoder = Decoder::new(wire);
        let mut lines = Vec::new();
        let mut each = |line: Line| {
            let stream = if line.stream == Stream::Stdout { 1 } else { 2 };
            lines.push((stream, line.timestamp.map_or(0, |at| at.nanos() - NANOS), line.text));
        };
        for part in bytes.chunks(size) {
            decoder.feed(part, &mut each).unwrap();
        }
        let is_whole = decoder.finish(&mut each);
        (lines, is_whole)
    }

    #[track_caller]
    fn check(wire: Wire, bytes: &[u8], expected: &[(u8, i64, &str)]) {
        for size in [1, 2, 3, 7, 8, 9, 31, 1000, 16 << 10, usize::MAX] {
            let (lines, is_whole) = decode(wire, bytes, size.min(bytes.len().max(1)));
            let lines: Vec<(u8, i64, &str)> = lines.iter().map(|(s, at, text)| (*s, *at, text.as_str())).collect();
            assert_eq!(lines, expected, "parts of {size}");
            assert!(is_whole);
        }
    }

    #[test]
    fn frames_are_lines_of_their_streams() {
        let bytes = [
            frame(1, &format!("{FIRST} one\n")),
            frame(2, "2026-03-01T10:00:00.000000002Z two 한국\r\n"),
            frame(1, "2026-03-01T19:00:00.000000003+09:00 three  four\n"),
            frame(1, &format!("{FIRST} \n")),
            frame(1, ""),
            frame(1, "2026-03-01T10:00:00Z last without end"),
        ];
        let expected =
            [(1, 0, "one"), (2, 1, "two 한국"), (1, 2, "three  four"), (1, 0, ""), (1, -1, "last without end")];
        check(Wire::Frames, &bytes.concat(), &expected);
    }

    #[test]
    fn a_message_that_was_split_is_one_line_with_its_first_time() {
        let parts = ["a".repeat(MESSAGE_BYTES), "b".repeat(MESSAGE_BYTES), "c 2026 d".to_owned()];
        let whole = parts.concat();
        let framed = [
            frame(1, &format!("{FIRST} {}", parts[0])),
            frame(2, "2026-03-01T10:00:00.000000002Z between\n"),
            frame(1, &format!("2026-03-01T10:00:00.000000009Z {}", parts[1])),
            frame(1, &format!("{FIRST} {}\n", parts[2])),
            frame(1, &format!("{FIRST} next\n")),
        ];
        check(Wire::Frames, &framed.concat(), &[(2, 1, "between"), (1, 0, &whole), (1, 0, "next")]);
        let terminal = format!("{FIRST} {}{FIRST} {}{FIRST} {}\r\n{FIRST} next\r\n", parts[0], parts[1], parts[2]);
        check(Wire::Terminal, terminal.as_bytes(), &[(1, 0, &whole), (1, 0, "next")]);
        // split just before its end
        let terminal = format!("{FIRST} {}{FIRST} \r\n{FIRST} next", parts[0]);
        check(Wire::Terminal, terminal.as_bytes(), &[(1, 0, &parts[0]), (1, 0, "next")]);
    }

    #[test]
    fn a_message_without_a_time_is_a_line_all_the_same() {
        let bytes = [frame(1, "no time\n"), frame(1, "x\n"), frame(1, &format!("{}\n", "y".repeat(50)))];
        check(
            Wire::Frames,
            &bytes.concat(),
            &[(1, -NANOS, "no time"), (1, -NANOS, "x"), (1, -NANOS, &"y".repeat(50))]
                .map(|(stream, _, text)| (stream, 0, text)),
        );
    }

    #[test]
    fn bytes_that_are_no_text_and_lines_without_bound_are_taken() {
        let mut bytes = frame(1, &format!("{FIRST} x?y\n"));
        let at = bytes.iter().position(|byte| *byte == b'?').unwrap();
        bytes[at] = 0xff;
        check(Wire::Frames, &bytes, &[(1, 0, "x\u{fffd}y")]);
        let long = "z".repeat(LINE_BYTES_MAX + 10);
        let (lines, _) = decode(Wire::Frames, &frame(1, &format!("{FIRST} {long}\n")), 100_000);
        assert_eq!(lines.iter().map(|line| line.2.len()).collect::<Vec<_>>(), [LINE_BYTES_MAX, 10]);
    }

    #[test]
    fn what_is_cut_or_no_frame_is_told() {
        let bytes = frame(1, &format!("{FIRST} one\n"));
        assert_eq!(decode(Wire::Frames, &bytes[..bytes.len() - 2], 100), (vec![], false));
        let mut decoder = Decoder::new(Wire::Frames);
        assert!(decoder.feed(b"HTTP/1.1 200", &mut |_| {}).unwrap_err().contains("no frames"));
        let mut decoder = Decoder::new(Wire::Frames);
        assert_eq!(decoder.feed(&frame(3, "disk is broken\n"), &mut |_| {}).unwrap_err(), "disk is broken");
    }
}
