//! Takes a row to pieces: static text and variables between it.

use crate::store::block::columns::classes::{CLASS, LETTER, Marks, is_alphanumeric};
use crate::store::block::columns::clock::Clock;
use crate::store::block::columns::kind::{Kind, is_bare};
use crate::store::hash::hash;
use crate::store::words::{UUID_LEN, begins_with_uuid};

/// Variables of a row; one with more has no template.
const VARIABLES_MAX: usize = 200;
/// Bytes of a value between quotes, or without.
const VALUE_BYTES_MAX: usize = 64;

/// A part of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) end: u32,
}

/// A variable of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Variable {
    pub(crate) kind: Kind,
    pub(crate) span: Span,
    /// Of a clock: how far it is from the entry's time.
    pub(crate) distance: i64,
}

/// A row's segments and the variables between them: there is one more segment.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    pub(crate) segments: Vec<Span>,
    pub(crate) variables: Vec<Variable>,
    /// Of all segments and kinds.
    pub(crate) hash: u64,
    clock: Clock,
}

impl Pieces {
    fn variable(&mut self, text: &[u8], segment_start: usize, (start, end): (usize, usize), kind: Kind, distance: i64) {
        self.hash = hash(self.hash ^ u64::from(kind.to_byte()), &text[segment_start..start]);
        self.segments.push(Span { start: segment_start as u32, end: start as u32 });
        self.variables.push(Variable { kind, span: Span { start: start as u32, end: end as u32 }, distance });
    }
}

/// Takes the row `start..end` of a marked text to pieces; tells whether it did, which it does not where there are too many.
pub(crate) fn shred(
    text: &[u8],
    (start, end): (usize, usize),
    marks: &Marks,
    entry_nanos: i64,
    splits_words: bool,
    pieces: &mut Pieces,
) -> bool {
    pieces.segments.clear();
    pieces.variables.clear();
    pieces.hash = 0;
    let (mut at, mut segment_start) = (start, start);
    loop {
        let event = marks.events.next(at, end);
        if event == end {
            break;
        }
        if pieces.variables.len() == VARIABLES_MAX {
            return false;
        }
        let found = if marks.digits.has(event) {
            let token_start = marks.alphanumeric.run_start(segment_start, event);
            let row = &text[..end];
            number_or_token(row, (token_start, event), marks, entry_nanos, splits_words, &mut pieces.clock)
        } else if text[event] == b'"' {
            quoted(&text[..end], event, marks)
        } else {
            bare(&text[..end], event)
        };
        match found {
            Some((kind, span, distance)) => {
                pieces.variable(text, segment_start, span, kind, distance);
                (segment_start, at) = (span.1, span.1);
            }
            None => at = event + 1,
        }
    }
    pieces.hash = hash(pieces.hash, &text[segment_start..end]);
    pieces.segments.push(Span { start: segment_start as u32, end: end as u32 });
    true
}

/// A kind, the variable's begin and end, and the distance of a clock.
type Found = (Kind, (usize, usize), i64);

/// What the first digit of a run of letters and digits belongs to.
fn number_or_token(
    row: &[u8],
    (start, digit): (usize, usize),
    marks: &Marks,
    entry_nanos: i64,
    splits_words: bool,
    clock: &mut Clock,
) -> Option<Found> {
    let end = marks.alphanumeric.next_gap(digit, row.len());
    if row.get(end) == Some(&b'-') {
        if end - start == 4
            && let Some((style, distance)) = clock.read(&row[start..], entry_nanos)
            && ends_in_letters(row, start + style.len(), marks)
        {
            return Some((Kind::clock(style), (start, start + style.len()), distance));
        }
        if end - start == 8 && is_uuid(&row[start..]) {
            return Some((Kind::UUID, (start, start + UUID_LEN), 0));
        }
    }
    let digits_end = marks.digits.next_gap(digit, end);
    let at_an_edge = (start == digit) != (digits_end == end);
    if splits_words && at_an_edge && marks.digits.next(digits_end, end) == end {
        let letters = row[start..digit].iter().chain(&row[digits_end..end]);
        if letters.into_iter().any(|byte| CLASS[*byte as usize] == LETTER) {
            return Some((Kind::NUMBER, (digit, digits_end), 0));
        }
    }
    Some((Kind::TOKEN, (start, end), 0))
}

/// Whether a text begins with a UUID in lower case that ends where it ends.
fn is_uuid(text: &[u8]) -> bool {
    let goes_on = text.get(UUID_LEN).is_some_and(|byte| is_alphanumeric(*byte) || *byte == b'-');
    !goes_on && begins_with_uuid(text)
}

/// Whether no digit stands in what follows a time without a gap: otherwise the run is an id, not the end of a time.
fn ends_in_letters(row: &[u8], time_end: usize, marks: &Marks) -> bool {
    let run_end = marks.alphanumeric.next_gap(time_end, row.len());
    marks.digits.next(time_end, run_end) == run_end
}

/// What stands between the quote at `open` and the next one.
fn quoted(row: &[u8], open: usize, marks: &Marks) -> Option<Found> {
    let start = open + 1;
    let within = &row[start..row.len().min(start + VALUE_BYTES_MAX + 1)];
    let length = memchr::memchr(b'"', within).filter(|length| *length > 0)?;
    let end = start + length;
    let plain = marks.digits.next(start, end) == end && memchr::memchr(b'\\', &row[start..end]).is_none();
    plain.then_some((Kind::QUOTED, (start, end), 0))
}

/// The value of letters behind the `=` at `sign`.
fn bare(row: &[u8], sign: usize) -> Option<Found> {
    let start = sign + 1;
    let value = &row[start..row.len().min(start + VALUE_BYTES_MAX)];
    let length = value.iter().take_while(|byte| is_bare(**byte)).count();
    let begins = value.first().is_some_and(u8::is_ascii_alphabetic);
    // a digit that follows belongs to the last word of the value, and what is not ASCII to its last letter
    let ends = row.get(start + length).is_none_or(|byte| byte.is_ascii() && !byte.is_ascii_digit());
    (begins && ends && length < VALUE_BYTES_MAX).then_some((Kind::BARE, (start, start + length), 0))
}
