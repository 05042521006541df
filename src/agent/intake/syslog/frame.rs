//! Where one message ends on a connection: RFC 6587 knows a number in front, and a line's end behind.
//!
//! Promises: each message is told by itself, so that a sender may use both; memory is bounded by the longest message
//! that may be. What is longer is cut, and what was cut off is passed over without being kept.

use std::collections::VecDeque;

/// Beyond this a number in front is none: no sender has messages of 64 MiB.
const COUNT_MAX: usize = 64 << 20;
/// Digits that such a number has at most.
const DIGITS_MAX: usize = 8;

/// A message, without what frames it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) bytes: Vec<u8>,
    pub(crate) is_cut: bool,
}

/// What comes of a connection, taken apart.
#[derive(Debug)]
pub(crate) struct Framer {
    bytes_max: usize,
    pending: VecDeque<u8>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Between two messages.
    Between,
    /// In a message of which so many bytes are to come.
    Counted(usize),
    /// In a message that a line's end ends; so many of its bytes were looked at.
    Line(usize),
    /// In what was cut off; so many bytes of it are to come.
    SkipCounted(usize),
    /// In what was cut off of a line.
    SkipLine,
}

/// What stands between two messages.
enum Start {
    Counted {
        digits: usize,
        count: usize,
    },
    Line,
    /// More bytes are needed to tell.
    Unknown,
}

impl Framer {
    pub(crate) fn new(bytes_max: usize) -> Framer {
        Framer { bytes_max, pending: VecDeque::new(), state: State::Between }
    }

    /// Takes bytes that came. Give few at a time and take the messages out between.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.pending.extend(bytes);
    }

    /// The next message that is whole.
    pub(crate) fn next(&mut self) -> Option<Frame> {
        loop {
            match self.state {
                State::Between => self.begin()?,
                State::Counted(count) if count > self.bytes_max => {
                    let bytes = self.take(self.bytes_max)?;
                    self.state = State::SkipCounted(count - self.bytes_max);
                    return Some(Frame { bytes, is_cut: true });
                }
                State::Counted(count) => {
                    let bytes = self.take(count)?;
                    self.state = State::Between;
                    return Some(Frame { bytes: trimmed(bytes), is_cut: false });
                }
                State::Line(seen) => return self.line(seen),
                State::SkipCounted(count) => {
                    let here = count.min(self.pending.len());
                    self.pending.drain(..here);
                    if here < count {
                        self.state = State::SkipCounted(count - here);
                        return None;
                    }
                    self.state = State::Between;
                }
                State::SkipLine => match self.pending.iter().position(is_end) {
                    Some(end) => {
                        self.pending.drain(..=end);
                        self.state = State::Between;
                    }
                    None => {
                        self.pending.clear();
                        return None;
                    }
                },
            }
        }
    }

    /// What is there of a message whose end did not come: a line without end is whole, a counted message is cut.
    pub(crate) fn finish(&mut self) -> Option<Frame> {
        let state = std::mem::replace(&mut self.state, State::Between);
        let rest = trimmed(std::mem::take(&mut self.pending).into());
        let is_cut = match state {
            State::Between | State::Line(_) => false,
            State::Counted(_) => true,
            State::SkipCounted(_) | State::SkipLine => return None,
        };
        Some(Frame { bytes: rest, is_cut }).filter(|frame| !frame.bytes.is_empty())
    }

    /// Passes over what separates messages and tells how the next one is framed; `None` when that is not known yet.
    fn begin(&mut self) -> Option<()> {
        let blank = self.pending.iter().take_while(|byte| is_end(byte) || **byte == b'\r' || **byte == b' ').count();
        self.pending.drain(..blank);
        match self.start() {
            Start::Unknown => None,
            Start::Line => {
                self.state = State::Line(0);
                Some(())
            }
            Start::Counted { digits, count } => {
                self.pending.drain(..=digits);
                self.state = State::Counted(count);
                Some(())
            }
        }
    }

    /// A number is a count where a blank and a priority follow it.
    fn start(&self) -> Start {
        let mut count = 0;
        let mut digits = 0;
        for byte in &self.pending {
            match byte {
                b'1'..=b'9' | b'0' if digits < DIGITS_MAX && (digits > 0 || *byte != b'0') => {
                    count = count * 10 + usize::from(byte - b'0');
                    digits += 1;
                }
                b' ' if digits > 0 && count <= COUNT_MAX => {
                    return match self.pending.get(digits + 1) {
                        Some(b'<' | 0xef) => Start::Counted { digits, count },
                        Some(_) => Start::Line,
                        None => Start::Unknown,
                    };
                }
                _ => return Start::Line,
            }
        }
        Start::Unknown
    }

    fn take(&mut self, count: usize) -> Option<Vec<u8>> {
        (self.pending.len() >= count).then(|| self.pending.drain(..count).collect())
    }

    fn line(&mut self, seen: usize) -> Option<Frame> {
        let end = self.pending.iter().skip(seen).position(is_end).map(|end| end + seen);
        match end {
            Some(end) if end <= self.bytes_max => {
                let bytes = self.pending.drain(..=end).take(end).collect();
                self.state = State::Between;
                Some(Frame { bytes: trimmed(bytes), is_cut: false })
            }
            None if self.pending.len() <= self.bytes_max => {
                self.state = State::Line(self.pending.len());
                None
            }
            Some(_) | None => {
                let bytes = self.pending.drain(..self.bytes_max).collect();
                self.state = State::SkipLine;
                Some(Frame { bytes, is_cut: true })
            }
        }
    }
}

/// Lines end with a line feed; some senders end theirs with a zero.
fn is_end(byte: &u8) -> bool {
    matches!(byte, b'\n' | 0)
}

/// Without line ends behind.
pub(crate) fn trimmed(mut bytes: Vec<u8>) -> Vec<u8> {
    let kept = bytes.iter().rposition(|byte| !is_end(byte) && *byte != b'\r').map_or(0, |last| last + 1);
    bytes.truncate(kept);
    bytes
}

#[cfg(test)]
mod tests {
    use crate::agent::intake::syslog::frame::*;

    /// Messages as they come out when all bytes come at once, one by one, and three by three; those cut end with `…`.
    #[track_caller]
    fn check(input: &str, expected: &[&str]) {
        for step in [input.len().max(1), 1, 3] {
            let mut framer = Framer::new(20);
            let mut found = Vec::new();
            for chunk in input.as_bytes().chunks(step) {
                framer.feed(chunk);
                found.extend(std::iter::from_fn(|| framer.next()));
                assert!(framer.pending.len() <= 20 + step, "{}", framer.pending.len());
            }
            found.extend(framer.finish());
            let shown = |frame: &Frame| {
                format!("{}{}", String::from_utf8_lossy(&frame.bytes), if frame.is_cut { "…" } else { "" })
            };
            assert_eq!(found.iter().map(shown).collect::<Vec<_>>(), expected, "{input:?} by {step}");
        }
    }

    #[test]
    fn both_framings_are_known_message_by_message() {
        check("<1>a\n<1>b\r\n\n<1>c", &["<1>a", "<1>b", "<1>c"]);
        check("4 <1>a5 <1>bc", &["<1>a", "<1>bc"]);
        check("4 <1>a<1>line\n5 <1>bc\n<1>z\n", &["<1>a", "<1>line", "<1>bc", "<1>z"]);
        check("7 <1>a\nb\n4 <1>c", &["<1>a\nb", "<1>c"]);
        check("<1>a\0<1>b\0", &["<1>a", "<1>b"]);
        check("", &[]);
        check("\n \n", &[]);
    }

    #[test]
    fn a_number_without_a_priority_behind_is_text() {
        check("12 apples\n4 <1>a", &["12 apples", "<1>a"]);
        check("0 <1>a\n", &["0 <1>a"]);
        check("99999999 <1>a\n<1>b", &["99999999 <1>a", "<1>b"]);
        check("123456789 <1>a\n", &["123456789 <1>a"]);
        check("garbage\n<1>b\n", &["garbage", "<1>b"]);
        check("12", &["12"]);
    }

    #[test]
    fn what_is_too_long_is_cut_and_the_next_one_is_whole() {
        check("<1>34567890123456789\n<1>b\n", &["<1>34567890123456789", "<1>b"]);
        check("<1>345678901234567890XYZ\n<1>b\n", &["<1>34567890123456789…", "<1>b"]);
        check("25 <1>345678901234567890WXYZ4 <1>b", &["<1>34567890123456789…", "<1>b"]);
        check("<1>345678901234567890 without end", &["<1>34567890123456789…"]);
    }

    #[test]
    fn what_ends_too_early_is_not_lost() {
        check("15 <1>half", &["<1>half…"]);
        check("<1>half", &["<1>half"]);
    }
}
