//! Loki's push messages in protobuf, read without copying and written back.
//!
//! ```text
//! PushRequest       { repeated Stream streams = 1; }
//! Stream            { string labels = 1; repeated Entry entries = 2; }
//! Entry             { Timestamp timestamp = 1; string line = 2; repeated Pair structuredMetadata = 3; }
//! Timestamp         { int64 seconds = 1; int32 nanos = 2; }
//! Pair              { string name = 1; string value = 2; }
//! ```
//!
//! Promises: no copy of a text; arbitrary bytes give an error, never a panic; unknown fields are passed over.

use crate::ingest::Error;
use crate::model::{StreamEntries, Timestamp};

impl From<Fault> for Error {
    fn from(fault: Fault) -> Error {
        Error::Malformed(fault.to_string())
    }
}

/// What is wrong with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    #[error("proto: unexpected EOF")]
    Cut,
    #[error("proto: integer overflow")]
    Overflow,
    #[error("proto: illegal wireType {0}")]
    WireType(u8),
    #[error("proto: wrong wireType for field {field} of {message}")]
    WrongType { message: &'static str, field: u64 },
    #[error("a stream has its labels twice")]
    LabelsTwice,
    #[error("{0} is not valid UTF-8")]
    NotUtf8(&'static str),
}

/// One field of a message: number and value.
pub(crate) enum Value<'a> {
    Varint(u64),
    Bytes(&'a [u8]),
    /// Of a fixed size, four bytes or eight.
    Fixed(u64),
}

/// The fields of one message, in the order they were sent.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(crate) fn new(message: &'a [u8]) -> Fields<'a> {
        Fields(message)
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Fault> {
        let (head, rest) = self.0.split_at_checked(count).ok_or(Fault::Cut)?;
        self.0 = rest;
        Ok(head)
    }

    #[inline]
    fn varint(&mut self) -> Result<u64, Fault> {
        // most lengths and all our field keys are one byte
        match self.0 {
            [byte, rest @ ..] if *byte < 0x80 => {
                self.0 = rest;
                Ok(u64::from(*byte))
            }
            _ => self.long_varint(),
        }
    }

    /// Up to eight bytes at once: the high bits tell where the number ends, shifts push its parts together.
    fn long_varint(&mut self) -> Result<u64, Fault> {
        const LOW_BITS: u64 = 0x7f7f_7f7f_7f7f_7f7f;
        let Some((bytes, _)) = self.0.split_first_chunk::<8>() else { return self.any_varint() };
        let word = u64::from_le_bytes(*bytes);
        let ends = !word & !LOW_BITS;
        if ends == 0 {
            return self.any_varint();
        }
        let count = ends.trailing_zeros() as usize / 8 + 1;
        let word = word & (u64::MAX >> (64 - 8 * count)) & LOW_BITS;
        let word = (word & 0x007f_007f_007f_007f) | ((word & 0x7f00_7f00_7f00_7f00) >> 1);
        let word = (word & 0x0000_3fff_0000_3fff) | ((word & 0x3fff_0000_3fff_0000) >> 2);
        let word = (word & 0x0fff_ffff) | ((word & 0x0fff_ffff_0000_0000) >> 4);
        self.0 = &self.0[count..];
        Ok(word)
    }

    fn any_varint(&mut self) -> Result<u64, Fault> {
        let mut value = 0;
        for (index, byte) in self.0.iter().take(10).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * index);
            if *byte < 0x80 {
                if index == 9 && *byte > 1 {
                    return Err(Fault::Overflow);
                }
                self.0 = &self.0[index + 1..];
                return Ok(value);
            }
        }
        Err(if self.0.len() < 10 { Fault::Cut } else { Fault::Overflow })
    }

    fn fixed(&mut self, count: usize) -> Result<u64, Fault> {
        Ok(self.take(count)?.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    #[inline(always)]
    pub(crate) fn next(&mut self) -> Result<Option<(u64, Value<'a>)>, Fault> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let value = match key & 7 {
            0 => Value::Varint(self.varint()?),
            2 => {
                let count = usize::try_from(self.varint()?).map_err(|_| Fault::Cut)?;
                Value::Bytes(self.take(count)?)
            }
            1 => Value::Fixed(self.fixed(8)?),
            5 => Value::Fixed(self.fixed(4)?),
            other => return Err(Fault::WireType(other as u8)),
        };
        Ok(Some((key >> 3, value)))
    }
}

#[inline]
pub(crate) fn bytes_of<'a>(value: &Value<'a>, message: &'static str, field: u64) -> Result<&'a [u8], Fault> {
    match value {
        Value::Bytes(bytes) => Ok(bytes),
        Value::Varint(_) | Value::Fixed(_) => Err(Fault::WrongType { message, field }),
    }
}

pub(crate) fn text_of<'a>(bytes: &'a [u8], what: &'static str) -> Result<&'a str, Fault> {
    std::str::from_utf8(bytes).map_err(|_| Fault::NotUtf8(what))
}

/// One stream of a push, its entries not read yet.
#[derive(Clone, Copy)]
pub(crate) struct Stream<'a> {
    /// The label set as text.
    pub(crate) labels: &'a str,
    fields: Fields<'a>,
}

/// One entry of a stream, its metadata not read yet.
#[derive(Clone, Copy)]
pub(crate) struct Entry<'a> {
    pub(crate) timestamp: Timestamp,
    pub(crate) line: &'a str,
    fields: Fields<'a>,
    pub(crate) has_metadata: bool,
}

/// Calls `visit` with each stream of the request.
pub(crate) fn each_stream<'a, E: From<Fault>>(
    request: &'a [u8],
    mut visit: impl FnMut(Stream<'a>) -> Result<(), E>,
) -> Result<(), E> {
    let mut fields = Fields(request);
    while let Some((number, value)) = fields.next()? {
        if number == 1 {
            let fields = Fields(bytes_of(&value, "PushRequest", number)?);
            visit(Stream { labels: labels_of(fields)?, fields })?;
        }
    }
    Ok(())
}

/// Every encoder puts the labels in front, which spares a walk over all entries; a stream that names them again
/// behind its entries is refused when it is read.
fn labels_of(mut fields: Fields<'_>) -> Result<&str, Fault> {
    while let Some((number, value)) = fields.next()? {
        if number == 1 {
            return text_of(bytes_of(&value, "StreamAdapter", number)?, "a label set");
        }
    }
    Ok("")
}

impl<'a> Stream<'a> {
    /// How many entries there may be, for a first guess: lines are rarely shorter, and memory is cheap if they are not.
    pub(crate) fn entry_count_guess(&self) -> usize {
        self.fields.0.len() / 150
    }

    /// Calls `visit` with each entry.
    #[inline]
    pub(crate) fn each_entry<E: From<Fault>>(
        &self,
        mut visit: impl FnMut(Entry<'a>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut fields = self.fields;
        let mut label_sets = 0;
        while let Some((number, value)) = fields.next()? {
            match number {
                2 => visit(entry(bytes_of(&value, "StreamAdapter", number)?)?)?,
                1 if label_sets > 0 => return Err(Fault::LabelsTwice.into()),
                1 => label_sets += 1,
                _ => {}
            }
        }
        Ok(())
    }
}

#[inline]
fn entry(bytes: &[u8]) -> Result<Entry<'_>, Fault> {
    let mut fields = Fields(bytes);
    // without the field Go's zero time stands there, far before what nanoseconds can say
    let mut entry = Entry { timestamp: Timestamp::MIN, line: "", fields, has_metadata: false };
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => entry.timestamp = timestamp(Fields(bytes_of(&value, "EntryAdapter", number)?))?,
            2 => entry.line = text_of(bytes_of(&value, "EntryAdapter", number)?, "a line")?,
            3 => {
                bytes_of(&value, "EntryAdapter", number)?;
                entry.has_metadata = true;
            }
            _ => {}
        }
    }
    Ok(entry)
}

/// Times beyond the reach of nanoseconds end at its borders.
fn timestamp(mut fields: Fields<'_>) -> Result<Timestamp, Fault> {
    let (mut seconds, mut nanos) = (0, 0);
    while let Some((number, value)) = fields.next()? {
        match (number, value) {
            (1, Value::Varint(bits)) => seconds = bits.cast_signed(),
            (2, Value::Varint(bits)) => nanos = bits.cast_signed(),
            (1 | 2, _) => return Err(Fault::WrongType { message: "Timestamp", field: number }),
            _ => {}
        }
    }
    Ok(Timestamp::from_secs(seconds).plus_nanos(nanos))
}

impl<'a> Entry<'a> {
    /// Calls `visit` with each pair of the structured metadata.
    pub(crate) fn each_pair<E: From<Fault>>(
        &self,
        mut visit: impl FnMut(&'a str, &'a str) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut fields = self.fields;
        while let Some((number, value)) = fields.next()? {
            if number == 3 {
                let (name, value) = pair(Fields(bytes_of(&value, "EntryAdapter", number)?))?;
                visit(name, value)?;
            }
        }
        Ok(())
    }
}

fn pair(mut fields: Fields<'_>) -> Result<(&str, &str), Fault> {
    let mut pair: (&[u8], &[u8]) = (&[], &[]);
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => pair.0 = bytes_of(&value, "LabelPairAdapter", number)?,
            2 => pair.1 = bytes_of(&value, "LabelPairAdapter", number)?,
            _ => {}
        }
    }
    Ok((text_of(pair.0, "a name in structured metadata")?, text_of(pair.1, "a value in structured metadata")?))
}

/// A request with these streams.
pub(crate) fn encode(streams: &[StreamEntries<'_>]) -> Vec<u8> {
    let mut request = Vec::new();
    let mut entries = Vec::new();
    for stream in streams {
        entries.clear();
        for one in &stream.entries {
            put_entry(&mut entries, one.timestamp, &one.line, one.metadata.iter());
        }
        put_stream(&mut request, &stream.labels.to_string(), &entries);
    }
    request
}

/// Puts a stream at the end of a request; its entries are as `put_entry` wrote them.
pub(crate) fn put_stream(out: &mut Vec<u8>, labels: &str, entries: &[u8]) {
    put_stream_head(out, labels, entries.len());
    out.extend_from_slice(entries);
}

/// Puts what is before the entries of a stream, which are so many bytes.
pub(crate) fn put_stream_head(out: &mut Vec<u8>, labels: &str, entries_bytes: usize) {
    put_key(out, 1, 2);
    put_varint(out, (bytes_size(labels) + entries_bytes) as u64);
    put_bytes(out, 1, labels.as_bytes());
}

/// Puts an entry at the end of those of a stream. Allocates nothing but room in `out`.
pub(crate) fn put_entry<'a>(
    out: &mut Vec<u8>,
    timestamp: Timestamp,
    line: &str,
    metadata: impl Iterator<Item = (&'a str, &'a str)> + Clone,
) {
    let pair_size = |(name, value): (&str, &str)| bytes_size(name) + bytes_size(value);
    let pairs_size: usize = metadata.clone().map(pair_size).map(|size| 1 + varint_size(size as u64) + size).sum();
    put_key(out, 2, 2);
    put_varint(out, (timestamp_size(timestamp) + bytes_size(line) + pairs_size) as u64);
    put_timestamp(out, timestamp);
    put_bytes(out, 2, line.as_bytes());
    for (name, value) in metadata {
        put_key(out, 3, 2);
        put_varint(out, pair_size((name, value)) as u64);
        put_bytes(out, 1, name.as_bytes());
        put_bytes(out, 2, value.as_bytes());
    }
}

/// Its two numbers: seconds and nanoseconds of them.
fn parts(timestamp: Timestamp) -> (u64, u64) {
    let (seconds, nanos) = (timestamp.nanos().div_euclid(1_000_000_000), timestamp.nanos().rem_euclid(1_000_000_000));
    (seconds.cast_unsigned(), nanos.cast_unsigned())
}

/// Bytes of a timestamp as a field. It is never as long as 128 bytes.
fn timestamp_size(timestamp: Timestamp) -> usize {
    let (seconds, nanos) = parts(timestamp);
    4 + varint_size(seconds) + varint_size(nanos)
}

fn put_timestamp(out: &mut Vec<u8>, timestamp: Timestamp) {
    let (seconds, nanos) = parts(timestamp);
    put_key(out, 1, 2);
    put_varint(out, (2 + varint_size(seconds) + varint_size(nanos)) as u64);
    put_key(out, 1, 0);
    put_varint(out, seconds);
    put_key(out, 2, 0);
    put_varint(out, nanos);
}

fn put_key(out: &mut Vec<u8>, number: u8, wire_type: u8) {
    out.push(number << 3 | wire_type);
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(crate) fn put_bytes(out: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    put_key(out, number, 2);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Bytes of a text as a field: key, length, text.
fn bytes_size(text: &str) -> usize {
    1 + varint_size(text.len() as u64) + text.len()
}

fn varint_size(value: u64) -> usize {
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use proptest::prelude::*;

    use crate::ingest::protobuf::{Fault, Fields, each_stream, encode, put_varint, varint_size};
    use crate::model::{Entry, Labels, StreamEntries, Timestamp};

    type Decoded = Vec<(String, Vec<(Timestamp, String, Labels)>)>;

    fn decode(request: &[u8]) -> Result<Decoded, Fault> {
        let mut streams = Vec::new();
        each_stream(request, |stream| {
            let mut entries = Vec::new();
            stream.each_entry(|entry| {
                let mut pairs = Vec::new();
                entry.each_pair(|name, value| {
                    pairs.push((name.to_owned(), value.to_owned()));
                    Ok::<(), Fault>(())
                })?;
                entries.push((entry.timestamp, entry.line.to_owned(), Labels::from_pairs(pairs)));
                Ok::<(), Fault>(())
            })?;
            streams.push((stream.labels.to_owned(), entries));
            Ok::<(), Fault>(())
        })?;
        Ok(streams)
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_again(
            nanos in any::<i64>(),
            lines in prop::collection::vec(".{0,300}", 0..4),
            pairs in prop::collection::vec(("[a-z]{1,4}", ".{0,200}"), 0..4),
        ) {
            // a time within the last second of the type's reach ends at its border
            let timestamp = Timestamp::from_nanos(nanos.max(i64::MIN + 1_000_000_000));
            let metadata = Labels::from_pairs(pairs);
            let labels = Labels::from([("job", "a")]);
            let entry = |line: &String| Entry {
                timestamp,
                line: Cow::Owned(line.clone()),
                metadata: metadata.clone(),
            };
            let entries: Vec<_> = lines.iter().map(entry).collect();
            let wanted: Vec<_> =
                lines.iter().map(|line| (timestamp, line.clone(), metadata.clone())).collect();
            let request = encode(&[StreamEntries { labels: labels.clone(), entries }]);
            prop_assert_eq!(decode(&request), Ok(vec![(labels.to_string(), wanted)]));
        }

        #[test]
        fn numbers_of_every_length_are_read(value in any::<u64>(), bits in 0..64, more in prop::collection::vec(any::<u8>(), 0..9)) {
            let value = value >> bits;
            let mut bytes = Vec::new();
            put_varint(&mut bytes, value);
            prop_assert_eq!(bytes.len(), varint_size(value));
            bytes.extend(&more);
            let mut fields = Fields(&bytes);
            prop_assert_eq!(fields.varint(), Ok(value));
            prop_assert_eq!(fields.0, more);
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&bytes);
        }

        #[test]
        fn damaged_messages_never_panic(at in 0..60usize, byte in any::<u8>()) {
            let entry = Entry {
                timestamp: Timestamp::from_secs(1_700_000_000),
                line: Cow::Borrowed("a line of text"),
                metadata: Labels::from([("a", "b")]),
            };
            let mut request = encode(&[StreamEntries { labels: Labels::from([("job", "a")]), entries: vec![entry] }]);
            let at = at % request.len();
            request[at] = byte;
            let _ = decode(&request);
        }
    }

    #[test]
    fn texts_must_be_utf8() {
        let line = [0x0a, 6, 0x12, 4, 0x12, 2, 0xff, 0xfe];
        assert_eq!(decode(&line), Err(Fault::NotUtf8("a line")));
        assert_eq!(decode(&[0x0a, 3, 0x0a, 1, 0xff]), Err(Fault::NotUtf8("a label set")));
    }

    #[test]
    fn faults_are_named() {
        assert_eq!(decode(&[0x0a, 9]), Err(Fault::Cut));
        assert_eq!(decode(&[0x0f]), Err(Fault::WireType(7)));
        assert_eq!(decode(&[0x08, 1]), Err(Fault::WrongType { message: "PushRequest", field: 1 }));
        assert_eq!(decode(&[0xff; 11]), Err(Fault::Overflow));
    }

    #[test]
    fn labels_may_stand_anywhere_but_only_once() {
        let behind = [0x0a, 7, 0x12, 3, 0x12, 1, b'x', 0x0a, 0];
        assert_eq!(
            decode(&behind),
            Ok(vec![(String::new(), vec![(Timestamp::MIN, "x".to_owned(), Labels::default())])])
        );
        assert_eq!(decode(&[0x0a, 4, 0x0a, 0, 0x0a, 0]), Err(Fault::LabelsTwice));
    }

    #[test]
    fn unknown_fields_are_passed_over() {
        let request = [0x0a, 6, 0x18, 7, 0x0a, 2, b'{', b'}', 0x12, 1, b'x'];
        assert_eq!(decode(&request), Ok(vec![("{}".to_owned(), Vec::new())]));
    }
}
