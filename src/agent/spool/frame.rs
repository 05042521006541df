//! How a spool is written: frames of a length, a checksum and a content, which is a label set or a line.
//!
//! Promises: what is written by half, or was damaged, is told from what is whole; arbitrary bytes never panic.

use xxhash_rust::xxh3::xxh3_64;

use crate::model::{Labels, Timestamp};

/// What a segment begins with; the last letter is the version.
pub(in crate::agent::spool) const SEGMENT_HEAD: &[u8; 8] = b"lcspool1";
/// Length and checksum, four bytes each.
pub(in crate::agent::spool) const FRAME_HEAD_BYTES: usize = 8;

const LABELS: u8 = 1;
const LINE: u8 = 2;
/// A line to which the spool gave its time.
const LINE_TIMED: u8 = 3;

/// Who said what time it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::agent::spool) enum TimeOf {
    Sender,
    Spool,
}

/// What begins at a place.
pub(in crate::agent::spool) enum Look<'a> {
    /// A frame: its content, and its bytes with the head.
    Whole(&'a [u8], usize),
    /// So many bytes are needed to tell.
    Short(usize),
    Damaged,
}

/// What is in a frame.
pub(in crate::agent::spool) enum Content<'a> {
    Labels { id: u32, labels: Labels },
    Line { id: u32, timestamp: Timestamp, time_of: TimeOf, line: &'a str },
}

/// Defines a number that lines name their label set by, within a segment.
pub(in crate::agent::spool) fn push_labels(out: &mut Vec<u8>, id: u32, labels: &Labels) {
    push_frame(out, |out| {
        out.push(LABELS);
        push_number(out, u64::from(id));
        push_number(out, labels.len() as u64);
        for (name, value) in labels.iter() {
            push_text(out, name);
            push_text(out, value);
        }
    });
}

pub(in crate::agent::spool) fn push_line(
    out: &mut Vec<u8>,
    id: u32,
    (timestamp, time_of): (Timestamp, TimeOf),
    structured: &[(String, String)],
    line: &str,
) {
    push_frame(out, |out| {
        out.push(if time_of == TimeOf::Spool { LINE_TIMED } else { LINE });
        push_number(out, u64::from(id));
        out.extend_from_slice(&timestamp.nanos().to_le_bytes());
        push_number(out, structured.len() as u64);
        for (name, value) in structured {
            push_text(out, name);
            push_text(out, value);
        }
        out.extend_from_slice(line.as_bytes());
    });
}

fn push_frame(out: &mut Vec<u8>, push_content: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; FRAME_HEAD_BYTES]);
    push_content(out);
    let content = &out[start + FRAME_HEAD_BYTES..];
    // nobody takes in lines of gigabytes
    let length = u32::try_from(content.len()).unwrap_or(u32::MAX);
    let sum = sum_of(content);
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
    out[start + 4..start + FRAME_HEAD_BYTES].copy_from_slice(&sum.to_le_bytes());
}

fn sum_of(content: &[u8]) -> u32 {
    // the lower half is as good a hash as the whole
    xxh3_64(content) as u32
}

fn push_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn push_text(out: &mut Vec<u8>, text: &str) {
    push_number(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// The frame that these bytes begin with, of which there may be `bytes_max`.
pub(in crate::agent::spool) fn look(bytes: &[u8], bytes_max: u64) -> Look<'_> {
    let Some((head, rest)) = bytes.split_first_chunk::<FRAME_HEAD_BYTES>() else {
        return if bytes_max < FRAME_HEAD_BYTES as u64 { Look::Damaged } else { Look::Short(FRAME_HEAD_BYTES) };
    };
    let [a, b, c, d, e, f, g, h] = *head;
    let length = u32::from_le_bytes([a, b, c, d]) as usize;
    if length == 0 || (length + FRAME_HEAD_BYTES) as u64 > bytes_max {
        return Look::Damaged;
    }
    match rest.get(..length) {
        None => Look::Short(length + FRAME_HEAD_BYTES),
        Some(content) if sum_of(content) == u32::from_le_bytes([e, f, g, h]) => {
            Look::Whole(content, length + FRAME_HEAD_BYTES)
        }
        Some(_) => Look::Damaged,
    }
}

/// Reads a content; structured metadata goes into `structured`, in place of what was there. `None` where it is none.
pub(in crate::agent::spool) fn read<'a>(
    content: &'a [u8],
    structured: &mut Vec<(String, String)>,
) -> Option<Content<'a>> {
    let mut rest = content;
    let kind = take(&mut rest, 1)?[0];
    let id = u32::try_from(take_number(&mut rest)?).ok()?;
    structured.clear();
    if kind == LABELS {
        take_pairs(&mut rest, structured)?;
        return Some(Content::Labels { id, labels: Labels::from_pairs(structured.drain(..)) });
    }
    let time_of = match kind {
        LINE => TimeOf::Sender,
        LINE_TIMED => TimeOf::Spool,
        _ => return None,
    };
    let nanos = take(&mut rest, 8)?.try_into().ok().map(i64::from_le_bytes)?;
    take_pairs(&mut rest, structured)?;
    let line = std::str::from_utf8(rest).ok()?;
    Some(Content::Line { id, timestamp: Timestamp::from_nanos(nanos), time_of, line })
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (head, tail) = rest.split_at_checked(count)?;
    *rest = tail;
    Some(head)
}

fn take_number(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let byte = take(rest, 1)?[0];
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

fn take_text(rest: &mut &[u8]) -> Option<String> {
    let count = usize::try_from(take_number(rest)?).ok()?;
    std::str::from_utf8(take(rest, count)?).ok().map(str::to_owned)
}

fn take_pairs(rest: &mut &[u8], pairs: &mut Vec<(String, String)>) -> Option<()> {
    for _ in 0..take_number(rest)? {
        pairs.push((take_text(rest)?, take_text(rest)?));
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::agent::spool::frame::*;

    type Whole = (u32, i64, TimeOf, String, Vec<(String, String)>);

    fn line(bytes: &[u8]) -> Option<Whole> {
        let Look::Whole(content, total) = look(bytes, bytes.len() as u64) else { return None };
        assert_eq!(total, bytes.len());
        let mut structured = Vec::new();
        match read(content, &mut structured)? {
            Content::Line { id, timestamp, time_of, line } => {
                Some((id, timestamp.nanos(), time_of, line.to_owned(), structured))
            }
            Content::Labels { .. } => None,
        }
    }

    proptest! {
        #[test]
        fn a_line_is_read_as_it_was_written_and_a_cut_or_changed_one_is_not(
            id in 0_u32..100_000, nanos: i64, text in ".{0,300}", pairs in prop::collection::vec(("[a-z]{1,9}", ".{0,20}"), 0..4),
            at: prop::sample::Index, bit in 0_u32..8,
        ) {
            let mut bytes = Vec::new();
            push_line(&mut bytes, id, (Timestamp::from_nanos(nanos), TimeOf::Spool), &pairs, &text);
            prop_assert_eq!(line(&bytes), Some((id, nanos, TimeOf::Spool, text, pairs)));
            let cut = at.index(bytes.len());
            prop_assert!(!matches!(look(&bytes[..cut], bytes.len() as u64), Look::Whole(..)));
            bytes[cut] ^= 1 << bit;
            prop_assert!(!matches!(look(&bytes, bytes.len() as u64), Look::Whole(..)));
        }

        #[test]
        fn arbitrary_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = look(&bytes, bytes.len() as u64);
            let _ = read(&bytes, &mut Vec::new());
        }
    }

    #[test]
    fn labels_are_read_as_they_were_written() {
        let mut bytes = Vec::new();
        push_labels(&mut bytes, 300, &Labels::from([("app", "shop"), ("__tenant_id__", "한")]));
        let Look::Whole(content, _) = look(&bytes, u64::MAX) else { panic!("not whole") };
        let Some(Content::Labels { id, labels }) = read(content, &mut Vec::new()) else { panic!("no labels") };
        assert_eq!((id, labels.to_string().as_str()), (300, r#"{__tenant_id__="한", app="shop"}"#));
    }
}
